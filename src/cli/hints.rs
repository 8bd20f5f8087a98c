//! The words of every hint that names something of the command line: the one place that knows how what may help is typed.

use super::lines::quoted;
use crate::explain::{Hint, NOTHING_WRITTEN};
use crate::restore::plan;

/// A hint in words: one line, without `hint:`.
pub fn words(hint: &Hint) -> String {
    let fixed = match hint {
        Hint::Words(words) => words,
        Hint::All(hints) => return all(hints),
        Hint::ReportIt => "please report this, with the command line and this message",

        Hint::GiveIdentity => {
            "`--identity FILE`, REDIS_OPS_IDENTITY or `backup.encryption.identity_file` in the settings names the key; `verify --level checksum` needs none"
        }
        Hint::GivePassphrase => {
            "`--passphrase-file FILE` or `backup.encryption.passphrase_file` in the settings names the passphrase; `verify --level checksum` needs none"
        }
        Hint::OtherIdentity => {
            "give the matching key with `--identity FILE` (`age-keygen -y FILE` prints the recipient of a key); `verify --level checksum` tells whether the object is damaged"
        }
        Hint::OtherPassphrase => {
            "give the matching passphrase with `--passphrase-file FILE`; `verify --level checksum` tells whether the object is damaged"
        }
        Hint::OtherInstance => {
            "check that the server runs and listens on this port; for another server: `--instance URL` (for a restore `--target-instance URL`)"
        }
        Hint::TlsFiles => "check `--tls-ca`, `--tls-cert` and `--tls-key`, or the `tls` block of the settings",
        Hint::TlsTrust => {
            "`--tls-ca FILE` names the CA, `--sni NAME` the name in the certificate; is this the server's TLS port?"
        }
        Hint::TlsAuthority => "`--tls-ca FILE` names the CA that signed it, or the server's own certificate",
        Hint::TlsName => "`--sni NAME` requests a name that is in the certificate",
        Hint::TlsOwnCertificate => "`--tls-cert FILE --tls-key FILE` sends a client certificate",
        Hint::PlainPort(address) => {
            return format!("use `redis://{address}` without `--tls` and its options; or use the server's TLS port");
        }
        Hint::TlsPort(address) => {
            return format!("use `rediss://{address}`, or add `--tls`; or use the server's port without TLS");
        }
        Hint::TlsOrNot => "is this the port of a Redis server, and does it need TLS (`--tls`)?",
        Hint::GivePassword => "give a password with `--password-file FILE`, REDIS_OPS_PASSWORD or REDISCLI_AUTH",
        Hint::OtherPassword => {
            "check `--username` and the password; a password in the environment overrides the settings"
        }
        Hint::NoPassword => "is this the right server? It has no password: unset REDIS_OPS_PASSWORD and REDISCLI_AUTH",
        Hint::WaitLonger(time) => return format!("`--timeout {time}` waits longer"),
        Hint::WaitOn => "raise `--timeout`, for example `--timeout 5m`",
        Hint::WaitForSnapshot => {
            "`INFO persistence` shows whether the server is saving, and the server's log why the save does not end; `--timeout \
             5m` waits up to five hours (60 times the timeout)"
        }
        Hint::GrantAcl { user: Some(user), rules } => {
            return format!("`ACL SETUSER {user} {rules}`, run by an admin user, grants the permission");
        }
        // No line with a placeholder: typed as it stands it would make a new user.
        Hint::GrantAcl { user: None, rules } => {
            return format!("an admin user can grant the ACL rule `{rules}` to the user of this connection");
        }
        Hint::GrantBackup { replication, by_key } => return grant_backup(replication.as_deref(), by_key.as_deref()),

        Hint::ReadByKey => "`--source scan` reads the server key by key (the data is then not from a single moment)",
        Hint::ReadPrimary => {
            "`--read-from primary` reads the primary instead; if the primary is gone for good, `backup --stale`, without `--source replication`, reads the replica key by key"
        }
        Hint::ReadStale => {
            "back up the primary instead; if the primary is gone for good, add `--stale`, which backs up this replica key by key"
        }
        Hint::ShardByShard => {
            "`backup --shard-only --name NAME`, once for each primary, backs up the cluster shard by shard; each shard is from a different moment"
        }
        Hint::WholeCluster => "`redis-ops backup -i …` backs up the whole cluster, whichever node is named",
        Hint::AllowGaps => {
            "`redis-cli --cluster fix HOST:PORT` assigns the slots; `backup --allow-gaps` backs up the rest, and names the slots in the manifest"
        }
        Hint::WaitForSlots => {
            "run the backup again when the migration has ended, or raise `--wait`; `backup --allow-gaps` backs up all the same, and names the slots in the manifest"
        }
        Hint::NoBarrier => {
            "`--consistent none` backs up each shard at a moment of its own; `--consistent auto` does so where the shards cannot be held at one moment"
        }
        Hint::LongerTails => {
            "allow a longer stream with `--tail-limit`, for which `--spool` needs the room, or back up when fewer writes come"
        }
        Hint::WithoutTails => {
            "give the path of a `redis-server` or `valkey-server` with `--server-binary PATH`; `--without-tails` restores the RDBs of the shards alone, which are from different moments"
        }
        Hint::CompareApplied => {
            "`restore` applies the streams, compares the target with the result, and stores it as a backup of purpose `point in time`, which `list` shows: name that backup"
        }
        Hint::GapsAnyway => {
            "`backup --allow-gaps` backs up what can be read, says what may be missing in the manifest, and exits with 1"
        }
        Hint::ReadAnyNode => "`--read-from auto` reads the primary of a shard where no replica can be read",
        Hint::MoreSpool => {
            "raise `--spool-limit` (in a `--spool` folder with more room), or `repl-timeout` on the server"
        }
        Hint::WaitForLock(None) => "raise `--wait-lock`; if that run has died, remove the unfinished backup first",
        Hint::WaitForLock(Some([place, instance, token])) => {
            return format!(
                "to wait for that run: `--wait-lock 10m`; if it is dead, its lock expires within 16 min; to remove the lock now: `redis-ops lock release -r {} -i {instance} --token {}`",
                quoted(place),
                quoted(token)
            );
        }

        Hint::StrangeLock(of) => {
            return format!(
                "to wait until this lock expires, 16 min after it was written: `--wait-lock 20m`; if no other run is active, remove {}",
                lock_file(of)
            );
        }
        Hint::NoLock(of) => {
            return format!("redis-ops writes no such lock, and this lock never expires: remove {}", lock_file(of));
        }
        Hint::WaitForKey => "to wait for the lock: `--wait-lock 10m`",
        Hint::OtherKey => "choose another `--key`",
        Hint::LockStatus(key) => {
            return format!("`redis-ops lock status --key {}` shows the token", quoted(key));
        }

        Hint::ListBackups => "`redis-ops list` shows the backups",
        Hint::ListPublished => "it is not a complete backup; `redis-ops list` shows the complete ones",
        Hint::NameCluster => "`--name NAME`, or an entry under `instances` in the settings",
        Hint::NameInstance(backups) => return one_of(backups),
        Hint::OtherBackup => {
            "the object was changed, or replaced by another backup's object; restore another backup: `redis-ops list` shows them"
        }
        Hint::OtherRepositoryOrMarker => {
            "correct `--repository`; if `redis-ops-repository.json` is damaged, remove that file: the next backup writes a new one"
        }
        Hint::LookForBackup(backup) => {
            return format!(
                "nothing was removed; once the store answers, `redis-ops verify --backup-id {backup}` shows whether the backup is there"
            );
        }
        Hint::StartAServer => {
            "back up the server that writes this file; or start a server with it (`redis-server --appendonly yes --dir FOLDER`), and back up that server: \
             `redis-ops backup -i redis://HOST:PORT`"
        }
        Hint::NameFile => "give the RDB file itself; for a repository, use `--repository`",
        Hint::BackUpInstead => {
            "the file contains a server's error reply: `redis-ops backup` takes a backup, or says why it cannot"
        }
        Hint::SaveOrBackUp => "a server writes an RDB with `SAVE` or `BGSAVE`; `redis-ops backup` takes a backup of it",
        Hint::VerifyTells => {
            "use another backup (`redis-ops list` shows them); `redis-ops verify` with the same `--backup-id` or `--file` shows what is damaged"
        }

        Hint::MakePlace => "create the bucket or the folder first, or correct `--repository`",
        Hint::MakeBucket(asked) => {
            return format!("create the bucket first, or correct `--repository`; the store asked is {asked}");
        }
        Hint::NameFolder => "name a folder with `--repository`; it is created if it is missing",
        Hint::DeleteByName([place, backup]) => {
            return format!("to delete this backup: `redis-ops delete {} -r {} --yes`", quoted(backup), quoted(place));
        }
        Hint::OtherPlaceOrEndpoint => "correct `--repository` or `--s3-endpoint`",
        Hint::MakeRoom => "free some space, or name another place with `--repository`",
        Hint::OtherRegion(region) => return format!("`--s3-region {region}`, or AWS_REGION={region}"),
        Hint::StorePatience => {
            "the store limits the request rate: try later; for a backup, `--store-retry` with a longer time keeps retrying"
        }

        Hint::InstallServer => {
            "install a server (`apt install redis-server`, `apt install valkey-server`, `dnf install valkey`), or give its path \
             with `--server-binary PATH`"
        }
        Hint::NameServer => "give the path of a `redis-server` or `valkey-server` with `--server-binary PATH`",
        Hint::OtherServer => "try another server with `--server-binary PATH`",
        Hint::ArchiveStatus => "`redis-ops archive status` shows what can be restored, and who writes the archive",
        Hint::MakeArchive => {
            "`redis-ops archive` follows an instance; any moment after the next backup can then be restored"
        }
        Hint::LatestMoment => "`--to-latest` restores the last moment of the archive",
        Hint::ChooseMoment => {
            "`--before-command COMMAND@OFFSET` or `--to-offset N` chooses one; where histories differ, `--timeline REPLID` with it"
        }
        Hint::BeforeGap(last) => return format!("`--to-time {last}` restores the last moment before the gap"),

        Hint::GoAhead(flag) => return go_ahead(flag),
        Hint::OverLibraries => {
            "`--on-conflict skip` keeps the library and the keys of the target, `--on-conflict replace` overwrites them"
        }
        Hint::EachBlocks => "several things block this restore, and each needs its own remedy",
        Hint::IntoPrimary(primary) => {
            return format!(
                "restore into the primary: `--target-instance redis://{primary}`; if that primary is gone for good, run `REPLICAOF NO ONE` on the target first"
            );
        }
        Hint::OtherMethod(name) => return format!("without `--method replica`, the restore uses method `{name}`"),
        Hint::OtherStateFolder => "free some space or allow writing there, or set `XDG_STATE_HOME` to another folder",
        Hint::NoOtherMethod => "no other method can restore everything: see `--plan --method restore`",
        Hint::NameOwnAddress => {
            "`--listen ADDR:PORT` and `--advertise ADDR:PORT` name an address that the target reaches"
        }
        Hint::NameCertificate => "name a certificate that the target trusts with `--tls-cert` and `--tls-key`",
        Hint::SaveFirst => "save the RDB to a file, and use `--file PATH`",
        Hint::SaveFirstOrSkipVerify => {
            "save the RDB to a file, and use `--file PATH`; or use `--skip-verify`, which detects damage only during the restore"
        }
        Hint::NotStdout => "give a file name instead of `-`",
        Hint::IntoAPipe => "redirect the output: `--to-file - > dump.rdb`, or use a pipe",
        Hint::BeginAnew => BEGIN_ANEW,
        Hint::WithoutResume => return format!("without `--resume`: {BEGIN_ANEW}"),

        Hint::NameRule => {
            "add `--keep-daily 7 --keep-weekly 4`, or set `backup.retention: { keep_last: 3, keep_daily: 7, keep_weekly: 4, keep_monthly: 12 }` in the settings"
        }
        Hint::LiftPin { backup, pin } => {
            return format!("`redis-ops pin {backup} --lift --name {pin}` lifts the pin");
        }
        Hint::NamePin => "add `--name NAME` to choose a pin",
        Hint::DeleteLast => "take another backup first; or add `--last` to remove this backup anyway",
        Hint::DeleteNewestVerified => {
            "take another backup first, and verify it (`redis-ops backup`, `redis-ops verify`); or add `--last` to remove this backup anyway"
        }
        Hint::AnswerBeforehand => "add `--yes` to confirm in advance",
        Hint::AsLines => "`--format ndjson` writes the result line by line",
        Hint::WatchFormats => "with `--watch`, use `--format table`, `nagios` or `ndjson`, whose lines have a time",
        Hint::RepeatDiagnosis => "`redis-ops diagnose all --watch 5s` repeats a diagnosis without a terminal",
        Hint::PageFormats => "with `--html`, use `--format table` or `json`, with `--limit` if there are many keys",
        Hint::PageFile => "use `--html FILE` with the name of a new file or of a page that redis-ops wrote earlier",
        Hint::LookUpRule => "`redis-ops explain RULE` shows the rule and its limits",
    };
    fixed.to_owned()
}

const BEGIN_ANEW: &str = "add `--on-conflict skip` to restore only missing keys, or `--on-conflict replace` to overwrite keys that are also in the backup";

/// What an admin types so that a user may back up: replication first, which gives one moment of the data.
fn grant_backup(replication: Option<&str>, by_key: Option<&str>) -> String {
    let run = "run as an admin user:";
    match (replication, by_key) {
        (Some(replication), Some(by_key)) => format!(
            "{run} `ACL SETUSER {replication}`; or, to read key by key (not a single moment): `ACL SETUSER {by_key}`"
        ),
        (Some(rules), None) | (None, Some(rules)) => format!("{run} `ACL SETUSER {rules}`"),
        (None, None) => format!("{run} `ACL SETUSER`"),
    }
}

/// The choice between backups of several instances: all of them, or the form where there are many.
fn one_of(backups: &[String]) -> String {
    let typed: Vec<String> = backups.iter().map(|backup| format!("`--backup-id {}`", quoted(backup))).collect();
    match typed.as_slice() {
        [first @ .., last] if !first.is_empty() && typed.len() <= 4 => {
            format!("choose the instance: {} or {last}", first.join(", "))
        }
        _ => {
            "choose the instance: `--backup-id INSTANCE/latest`, or an id in full: `--backup-id INSTANCE/ID`".to_owned()
        }
    }
}

/// Where the lock of an instance lies in a repository.
fn lock_file([place, instance]: &[String; 2]) -> String {
    let place = place.strip_prefix("file://").unwrap_or(place).trim_end_matches('/');
    quoted(&format!("{place}/{instance}/lock.json"))
}

/// Several in one line: a question ends a sentence, all else is one.
fn all(hints: &[Hint]) -> String {
    // A line that overwrites, as it is typed, stands for the option that it has.
    let wrote_nothing = Hint::words(NOTHING_WRITTEN);
    let has_line =
        hints.iter().any(|hint| matches!(hint, Hint::Words(words) if words.contains(" --on-conflict replace")));
    let shown = hints.iter().filter(|hint| **hint != wrote_nothing).map(|hint| match hint {
        Hint::GoAhead(plan::OVER_OTHER_KEYS) if has_line => {
            "choose what happens to the keys in the target: `--on-conflict skip` keeps them, `--replace-all` deletes all of them first"
                .to_owned()
        }
        Hint::GoAhead(plan::OVER_SAME_NAMES) if has_line => "`--on-conflict skip` keeps the target's keys".to_owned(),
        hint => words(hint),
    });
    let line = shown.fold(String::new(), |line, next| match line.as_str() {
        "" => next,
        question if question.ends_with('?') => format!("{line} {next}"),
        _ => format!("{line}; {next}"),
    });
    // A hint begins with what to do.
    match (hints.contains(&wrote_nothing), line.as_str()) {
        (false, _) => line,
        (true, "") => NOTHING_WRITTEN.to_owned(),
        (true, question) if question.ends_with('?') => format!("{line} Nothing was written"),
        (true, _) => format!("{line}. Nothing was written"),
    }
}

/// The flag that goes ahead although a plan refuses.
fn go_ahead(flag: &str) -> String {
    match flag {
        plan::OVER_OTHER_KEYS => {
            "choose what happens to the keys in the target: `--on-conflict skip` keeps them, `--on-conflict replace` overwrites those that are also in the backup, `--replace-all` deletes all of them first"
                .to_owned()
        }
        plan::OVER_SAME_NAMES => {
            "`--on-conflict skip` keeps the target's keys, `--on-conflict replace` overwrites them".to_owned()
        }
        "--replace-all" => "`--replace-all` deletes everything in the target first".to_owned(),
        plan::ANY_METHOD => "`--method auto` uses another method".to_owned(),
        plan::ANY_METHOD_WITH_LOSS => {
            "`--method auto --accept-loss` uses another method, which loses what is named above".to_owned()
        }
        "--db N:M" => "`--db N:M` restores database N of the backup into database M".to_owned(),
        "--accept-loss" => "add `--accept-loss` to restore all the same: what is named above is lost".to_owned(),
        flag => format!("`{flag}` continues anyway"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::args::Cli;
    use crate::connection::{CommandError, CommandFault, ConnectError, ConnectFault};
    use crate::explain::{Explain, Meaning, Status};
    use crate::repository::RepositoryError;
    use crate::storage::StorageError;

    /// Options that the hints name for programs of others.
    const OF_OTHERS: &[&str] = &["appendonly", "cluster", "dir"];

    /// Adds the long names and aliases of all options, those of subcommands too.
    fn options(command: &clap::Command, names: &mut BTreeSet<String>) {
        for argument in command.get_arguments() {
            names.extend(argument.get_long().map(str::to_owned));
            names.extend(argument.get_all_aliases().unwrap_or_default().into_iter().map(str::to_owned));
        }
        command.get_subcommands().for_each(|command| options(command, names));
    }

    #[test]
    fn an_option_that_a_hint_names_is_there() {
        let mut known = BTreeSet::new();
        options(&Cli::command(), &mut known);
        let table = include_str!("hints.rs").split("#[cfg(test)]").next().unwrap_or_default();
        let mut named = 0;
        for rest in table.split("--").skip(1) {
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            if !name.is_empty() && !OF_OTHERS.contains(&name.as_str()) {
                assert!(known.contains(&name), "a hint names `--{name}`, which there is not");
                named += 1;
            }
        }
        assert!(named > 30, "only {named} options were found in the table");
    }

    /// Code, exit status and hint of an error, as they are shown.
    fn shown(error: impl Explain) -> (&'static str, Option<Status>, String) {
        let Meaning { code, status, hint } = error.meaning();
        (code, status, hint.as_ref().map(words).unwrap_or_default())
    }

    #[test]
    fn a_connection_says_what_may_help() {
        let refused =
            ConnectError { target: "redis-prod (10.0.0.1:6379)".into(), attempts: 3, fault: ConnectFault::Refused };
        let hint = "check that the server runs and listens on this port; for another server: `--instance URL` (for a restore `--target-instance URL`)";
        assert_eq!(shown(refused), ("connection_refused", None, hint.into()));
        let fault = CommandFault::NoPermission { rule: "+psync".into(), text: String::new() };
        // Nothing that can be typed for another user.
        let hint = "an admin user can grant the ACL rule `+psync` to the user of this connection";
        assert_eq!(shown(CommandError { command: "PSYNC".into(), fault }), ("permission_denied", None, hint.into()));
    }

    #[test]
    fn what_a_hint_says_to_type_can_be_typed() {
        let at = |fault| ConnectError { target: "redis-prod (10.0.0.1:6380)".into(), attempts: 1, fault };
        let hint = "use `rediss://10.0.0.1:6380`, or add `--tls`; or use the server's port without TLS";
        assert_eq!(shown(at(ConnectFault::TlsPort)).2, hint);
        let hint = "use `redis://10.0.0.1:6380` without `--tls` and its options; or use the server's TLS port";
        assert_eq!(shown(at(ConnectFault::PlainPort)).2, hint);
        // A time that was not enough is not advised again.
        for (seconds, longer) in [(5, "30s"), (30, "2m"), (60, "2m"), (300, "10m"), (3_600, "1d")] {
            let after = std::time::Duration::from_secs(seconds);
            let told = shown(CommandError { command: "GET".into(), fault: CommandFault::Timeout { after } }).2;
            assert_eq!(told, format!("`--timeout {longer}` waits longer"), "{seconds}");
        }
    }

    #[test]
    fn a_store_that_denies_says_which_rights_are_needed() {
        let (code, status, hint) = shown(StorageError::AccessDenied("PutObject".into()));
        assert_eq!((code, status), ("access_denied", None));
        assert!(hint.contains("permission to list, get and put"), "{hint}");
    }

    #[test]
    fn which_backup_is_could_not_tell() {
        let missing = ("not_found", Some(Status::Unknown), "`redis-ops list` shows the backups".into());
        assert_eq!(shown(RepositoryError::NotFound("2024".into())), missing);
        // An object that is missing is not a backup that was mistyped.
        assert_eq!(shown(StorageError::NotFound), ("not_found", None, String::new()));
    }

    #[test]
    fn several_hints_are_one_line() {
        let and = |first: &'static str, more| words(&Hint::words(first).and(more));
        assert_eq!(
            and("check the network", Hint::WaitLonger("30s")),
            "check the network; `--timeout 30s` waits longer"
        );
        assert_eq!(and("is it busy?", Hint::WaitLonger("5m")), "is it busy? `--timeout 5m` waits longer");
    }

    #[test]
    fn a_refused_plan_says_which_flag_goes_ahead() {
        assert!(words(&Hint::GoAhead("--accept-loss")).starts_with("add `--accept-loss` to restore all the same"));
        assert!(
            words(&Hint::GoAhead(plan::OVER_OTHER_KEYS)).starts_with("choose what happens to the keys in the target: ")
        );
    }
}
