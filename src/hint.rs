//! What an error means to whoever reads it: a stable code, how bad it is whatever the command was, and what may help.
//!
//! Typed errors are found anywhere in a chain. How errors are shown is the business of `commands`.

mod wrapped;

use std::fmt;

use crate::capture::scan::ScanError;
use crate::capture::source::SourceError;
use crate::capture::{CaptureError, Foreign, NotAsStored};
use crate::codec::CodecError;
use crate::connection::replication::{ReplicationError, ReplicationFault};
use crate::connection::{AuthenticationFault, CommandError, CommandFault, ConnectError, ConnectFault};
use crate::rdb::RdbError;
use crate::repository::{ManifestError, RepositoryError};
use crate::restore::RunError;
use crate::restore::file::FileError;
use crate::restore::plan::{self, Refused};
use crate::restore::report::Failure;
use crate::restore::run::BEGIN_ANEW;
use crate::status::Status;
use crate::storage::StorageError;
use crate::verify::VerifyError;
use crate::verify::pass::PassError;

/// What was asked cannot be understood, or cannot be done as it was asked: exit 3 for every command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misuse {
    code: &'static str,
    message: String,
    hint: Option<String>,
}

impl Misuse {
    /// Something on the command line, or a variable that stands for it.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: "usage", message: message.into(), hint: None }
    }

    /// Something in the settings file.
    pub fn settings(message: impl Into<String>) -> Self {
        Self { code: "settings", message: message.into(), hint: None }
    }

    /// Something that will be there one day and is not yet.
    pub fn not_supported_yet(what: &str) -> Self {
        Self { code: "not_supported", message: format!("{what} is not supported yet"), hint: None }
    }

    /// No such backup, or one that cannot be told from another (`not_found`, `ambiguous`).
    pub fn which_backup(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// Says what may help: one line, without `hint:`.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The stable code for JSON.
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Misuse {}

/// Another run is at the same instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("another run is making the backup {instance}/{id}: process {pid} on {host}")]
pub struct Locked {
    /// Name of the instance.
    pub instance: String,
    /// Id that the other run has reserved.
    pub id: String,
    /// Its machine.
    pub host: String,
    /// Its process.
    pub pid: u32,
}

/// Stopped by a signal. Whoever sees it has cleaned up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// A panic that was caught: our own mistake, never the user's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is a bug in redis-ops: {0}")]
pub struct Bug(pub String);

/// What an error means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// Stable, snake_case.
    pub code: &'static str,
    /// The exit status, where it does not depend on the command.
    pub status: Option<Status>,
    /// One line that may help, without `hint:`.
    pub hint: Option<String>,
}

impl Meaning {
    fn new(code: &'static str) -> Self {
        Self { code, status: None, hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Looks for the first error of the chain, from the outside in, that is one of ours.
pub fn explain(error: &anyhow::Error) -> Meaning {
    // `downcast_ref` also finds what was given as a context, which the chain shows only as text.
    if let Some(misuse) = error.downcast_ref::<Misuse>() {
        return of_misuse(misuse);
    }
    if error.is::<Interrupted>() {
        return Meaning::new("interrupted");
    }
    error.chain().find_map(|error| of_one(wrapped::inside(error))).unwrap_or_else(|| Meaning::new("failed"))
}

fn of_one(error: &(dyn std::error::Error + 'static)) -> Option<Meaning> {
    if let Some(misuse) = error.downcast_ref::<Misuse>() {
        return Some(of_misuse(misuse));
    }
    if error.is::<Interrupted>() {
        return Some(Meaning::new("interrupted"));
    }
    let panicked = error.downcast_ref::<tokio::task::JoinError>().is_some_and(tokio::task::JoinError::is_panic);
    if panicked || error.is::<Bug>() {
        let meaning = Meaning::new("bug").hint("please report it, with the command line and this message");
        return Some(Meaning { status: Some(Status::Unknown), ..meaning });
    }
    if error.is::<Locked>() {
        let hint =
            "a longer `--wait-lock` waits on; if that run has died, what it began stays in the way until it is removed";
        return Some(Meaning::new("locked").hint(hint));
    }
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return Some(of_refused(refused));
    }
    if let Some(RunError::Restarted { .. } | RunError::NothingToResume) = error.downcast_ref::<RunError>() {
        return Some(Meaning::new("nothing_to_resume").hint(format!("without `--resume`: {BEGIN_ANEW}")));
    }
    if let Some(failure) = error.downcast_ref::<Failure>() {
        let meaning = Meaning::new(failure.code);
        return Some(Meaning { hint: failure.hint.clone(), ..meaning });
    }
    if let Some(error) = error.downcast_ref::<FileError>() {
        let meaning = Meaning::new(error.code());
        return Some(match error {
            FileError::Exists { .. } => meaning.hint("nothing was written; name another one, or move that one away"),
            _ => meaning,
        });
    }
    if let Some(connect) = error.downcast_ref::<ConnectError>() {
        return Some(of_connect(connect));
    }
    if let Some(command) = error.downcast_ref::<CommandError>() {
        return Some(of_command(command));
    }
    if let Some(repository) = error.downcast_ref::<RepositoryError>() {
        return Some(of_repository(repository));
    }
    if let Some(replication) = error.downcast_ref::<ReplicationError>() {
        return Some(of_replication(replication));
    }
    if let Some(rdb) = error.downcast_ref::<RdbError>() {
        return Some(Meaning::new(rdb.code()));
    }
    if let Some(foreign) = error.downcast_ref::<Foreign>() {
        let meaning = Meaning::new(foreign.code()).hint(foreign.way());
        return Some(Meaning { status: Some(Status::Unknown), ..meaning });
    }
    if let Some(codec) = error.downcast_ref::<CodecError>() {
        return Some(Meaning::new(codec.code()));
    }
    if let Some(other) = error.downcast_ref::<NotAsStored>() {
        let hint = "the object was changed, or replaced by another backup's; restore another backup: `redis-ops list` names them";
        return Some(Meaning::new(other.code()).hint(hint));
    }
    if let Some(ScanError::Endless { .. }) = error.downcast_ref::<ScanError>() {
        return Some(
            Meaning::new("scan_endless")
                .hint("is that a proxy that mixes up `SCAN` cursors, or no Redis? Name the Redis server itself"),
        );
    }
    if let Some(CaptureError::SpoolFull { .. }) = error.downcast_ref() {
        return Some(
            Meaning::new("spool_full")
                .hint("raise `--spool-limit` (in a `--spool` folder with more room), or `repl-timeout` on the server"),
        );
    }
    if let Some(capture) = error.downcast_ref::<CaptureError>() {
        return Some(Meaning::new(if matches!(capture, CaptureError::Interrupted) {
            "interrupted"
        } else {
            "corrupt"
        }));
    }
    if matches!(error.downcast_ref(), Some(VerifyError::Interrupted))
        || matches!(error.downcast_ref(), Some(PassError::Interrupted))
    {
        return Some(Meaning::new("interrupted"));
    }
    if let Some(source) = error.downcast_ref::<SourceError>() {
        return of_source(source);
    }
    if let Some(file) = error.downcast_ref::<std::io::Error>() {
        return of_file(file);
    }
    error.downcast_ref::<StorageError>().map(of_storage)
}

fn of_source(error: &SourceError) -> Option<Meaning> {
    let unfit = Meaning::new("source_not_fit");
    Some(match error {
        SourceError::Connect(_) | SourceError::Command(_) => return None,
        SourceError::Refused(_) => unfit,
        SourceError::PrimaryLost { serves: true, .. } => unfit.hint(
            "back up the primary if it is alive; if it is gone for good, `backup --stale` reads this replica key by key",
        ),
        SourceError::PrimaryLost { serves: false, .. } => unfit.hint(
            "if the primary is gone for good, `REPLICAOF NO ONE` on the replica makes it a primary that can be backed up",
        ),
        SourceError::OneShard { .. } => Meaning::new("one_shard").hint(
            "`backup --shard-only --name NAME`, once for each primary, backs up the cluster shard by shard; each shard is of another moment",
        ),
    })
}

fn of_file(error: &std::io::Error) -> Option<Meaning> {
    match error.kind() {
        std::io::ErrorKind::NotFound => Some(Meaning::new("not_found")),
        std::io::ErrorKind::PermissionDenied => Some(Meaning::new("access_denied")),
        std::io::ErrorKind::AddrInUse => {
            Some(Meaning::new("address_in_use").hint("another program listens there already: name another port"))
        }
        std::io::ErrorKind::AddrNotAvailable => Some(
            Meaning::new("address_not_available").hint("this machine has no such address: `0.0.0.0` is all of them"),
        ),
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Some(Meaning::new("no_space")),
        _ => None,
    }
}

fn of_replication(error: &ReplicationError) -> Meaning {
    let meaning = Meaning::new(error.code());
    match &error.fault {
        ReplicationFault::Connect(error) => of_connect(error),
        ReplicationFault::NoPermission { rule, .. } => meaning.hint(format!("`ACL SETUSER <user> {rule}` gives the right")),
        ReplicationFault::Unsupported { .. } => {
            meaning.hint("`--source scan` reads the server key by key (which is not one moment of its data)")
        }
        ReplicationFault::Loading => meaning.hint("wait until it has loaded: `INFO persistence` says how far it is"),
        ReplicationFault::NoPrimaryLink { .. } => meaning.hint(
            "`--read-from primary` reads the primary instead; if the primary is gone for good, `backup --stale` reads the replica key by key",
        ),
        ReplicationFault::SnapshotFailed { .. } => {
            meaning.hint("the server's own log says why; often there is too little memory for a fork, or no disk space")
        }
        ReplicationFault::Silent { .. } => meaning
            .hint("is the server busy, or does a firewall drop idle connections? `--timeout 5m` waits longer"),
        ReplicationFault::NeverBegins { .. } => meaning
            .hint("`INFO persistence` says whether the server is saving, and its log why that does not end; `--timeout 5m` waits five hours"),
        ReplicationFault::Dribbles { .. } => meaning.hint("the network, or a proxy on the way, lets too little through"),
        ReplicationFault::ShuttingDown { .. } => {
            meaning.hint("back up again when the server is back, or back up another node now")
        }
        ReplicationFault::Disconnected { .. } => {
            meaning.hint("the server's own log says why it closed the connection; `client-output-buffer-limit replica` and `repl-timeout` do that")
        }
        _ => meaning,
    }
}

/// What a plan refuses: that nothing has happened, the flag that goes ahead all the same, and the commands that mend it.
fn of_refused(refused: &Refused) -> Meaning {
    let flag = refused.flag.map(|flag| match flag {
        plan::OVER_OTHER_KEYS => {
            "`--on-conflict skip` keeps its keys, `--on-conflict replace` overwrites those of the backup's names, `--replace-all` \
             removes all of them first"
                .to_owned()
        }
        plan::OVER_SAME_NAMES => "`--on-conflict skip` keeps the target's, `--on-conflict replace` overwrites them".to_owned(),
        "--replace-all" => "`--replace-all` removes all of it first".to_owned(),
        "--db N:M" => "`--db N:M` puts what is in database N of the backup into database M".to_owned(),
        flag => format!("`{flag}` goes ahead all the same"),
    });
    let fix = (!refused.fix.is_empty()).then(|| format!("`{}` mends it", refused.fix.join("`, `")));
    let parts: Vec<String> = [Some("nothing was written".to_owned()), flag, fix].into_iter().flatten().collect();
    Meaning::new(refused.code).hint(parts.join("; "))
}

fn of_connect(error: &ConnectError) -> Meaning {
    use AuthenticationFault as Auth;
    use ConnectFault as Fault;

    let meaning = Meaning::new(error.code());
    match &error.fault {
        Fault::Refused => meaning.hint("is the server running, and is this its port? `--instance` names another one"),
        Fault::Dns { .. } => meaning.hint("check the name of the host"),
        Fault::Unreachable { .. } => meaning.hint("check the address, the network and the rights on a socket"),
        Fault::TlsSettings { .. } => meaning.hint("check `--tls-ca`, `--tls-cert` and `--tls-key`, or the `tls` block of the settings"),
        Fault::Tls { .. } => {
            meaning.hint("`--tls-ca FILE` names the authority, `--sni NAME` the name in the certificate; is this the server's TLS port?")
        }
        Fault::Timeout { .. } => meaning.hint("check the network; `--timeout 30s` waits longer"),
        Fault::Authentication { fault, .. } => meaning.hint(match fault {
            Auth::PasswordRequired | Auth::PasswordMissing => "`--password-file FILE`, REDIS_OPS_PASSWORD or REDISCLI_AUTH gives a password",
            Auth::Rejected => "check `--username` and the password; one in the environment goes before one in the settings",
            Auth::NoPasswordConfigured => "is this the right server? It has no password: unset REDIS_OPS_PASSWORD and REDISCLI_AUTH",
            Auth::UsersUnknown => "leave out the user name",
        }),
        Fault::NoPermission { rule, .. } => meaning.hint(format!("`ACL SETUSER <user> {rule}` gives the right")),
        Fault::Loading => meaning.hint("wait until it has loaded: `INFO persistence` says how far it is"),
        Fault::MaxClients => meaning.hint("`CONFIG SET maxclients` raises the limit; `CLIENT LIST` says who is connected"),
        Fault::ProtectedMode => meaning.hint("connect from the server's own host, or give its default user a password"),
        Fault::Protocol { .. } => meaning.hint("is this the port of a Redis, and does it want TLS (`--tls`)?"),
        Fault::Sentinel { .. } => meaning.hint("check the Sentinels' addresses and the name of the service"),
        Fault::Busy { .. } => meaning.hint("`SCRIPT KILL` or `FUNCTION KILL` ends it"),
        Fault::Disconnected { .. } | Fault::Server { .. } => meaning,
    }
}

fn of_command(error: &CommandError) -> Meaning {
    let meaning = Meaning::new(error.code());
    match &error.fault {
        CommandFault::NoPermission { rule, .. } => meaning.hint(format!("`ACL SETUSER <user> {rule}` gives the right")),
        CommandFault::NotAuthenticated => {
            meaning.hint("`--password-file FILE`, REDIS_OPS_PASSWORD or REDISCLI_AUTH gives a password")
        }
        CommandFault::Loading => meaning.hint("wait until it has loaded: `INFO persistence` says how far it is"),
        CommandFault::ReadOnly => meaning.hint("name the primary: `INFO replication` says which it is"),
        CommandFault::OutOfMemory => meaning.hint("raise `maxmemory`, or free memory first"),
        CommandFault::Timeout { .. } => meaning.hint("`--timeout 30s` waits longer"),
        _ => meaning,
    }
}

fn of_repository(error: &RepositoryError) -> Meaning {
    let meaning = Meaning::new(error.code());
    let which_one = |meaning| Meaning { status: Some(Status::Unknown), ..meaning };
    match error {
        RepositoryError::NotFound(_) => which_one(meaning.hint("`redis-ops list` shows what there is")),
        RepositoryError::Incomplete { .. } => {
            which_one(meaning.hint("it is no backup; `redis-ops list` shows those that are"))
        }
        RepositoryError::Ambiguous { .. } => which_one(meaning.hint("`--backup-id INSTANCE/ID` says which one")),
        RepositoryError::InvalidName(_) => which_one(meaning),
        RepositoryError::Storage { source, .. } => of_storage(source),
        RepositoryError::Manifest {
            source: ManifestError::NewerFormat(_) | ManifestError::UnknownWord { .. }, ..
        } => meaning.hint("a newer redis-ops has written it, and reads it"),
        RepositoryError::NewerRepository(_) => which_one(meaning.hint("a newer redis-ops has made it, and reads it")),
        RepositoryError::Marker(_) => which_one(
            meaning.hint("correct `--repository`; if the marker is damaged, remove it: the next backup writes a new one"),
        ),
        RepositoryError::Unclear { backup, .. } => meaning.hint(format!(
            "nothing was removed; once the store answers, `redis-ops verify --backup-id {backup}` tells whether the backup is there"
        )),
        // Whoever asks about a backup has the answer: it is damaged.
        RepositoryError::Manifest { .. } => Meaning { status: Some(Status::Failed), ..meaning },
        RepositoryError::AlreadyExists(_) | RepositoryError::MinuteIsFull(_) | RepositoryError::Inconsistent(_) => {
            meaning
        }
    }
}

fn of_misuse(misuse: &Misuse) -> Meaning {
    Meaning { code: misuse.code, status: Some(Status::Unknown), hint: misuse.hint.clone() }
}

fn of_storage(error: &StorageError) -> Meaning {
    Meaning { hint: error.hint().map(str::to_owned), ..Meaning::new(error.code()) }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_typed_error_is_found_below_its_contexts() {
        let error = Err::<(), _>(StorageError::AccessDenied("PutObject".into()))
            .context("write begun.json")
            .context("begin a backup")
            .unwrap_err();
        let meaning = explain(&error);
        assert_eq!(meaning.code, "access_denied");
        assert_eq!(meaning.status, None);
        assert!(meaning.hint.is_some());
    }

    #[test]
    fn misuse_is_could_not_tell_for_every_command() {
        let error = anyhow::Error::new(Misuse::usage("no target").hint("name it")).context("restore");
        let meaning = explain(&error);
        assert_eq!(
            (meaning.code, meaning.status, meaning.hint.as_deref()),
            ("usage", Some(Status::Unknown), Some("name it"))
        );
    }

    #[test]
    fn a_connection_says_what_may_help() {
        let refused =
            ConnectError { target: "redis-prod (10.0.0.1:6379)".into(), attempts: 3, fault: ConnectFault::Refused };
        let meaning = explain(&anyhow::Error::new(refused).context("ask the server"));
        assert_eq!((meaning.code, meaning.status), ("connection_refused", None));
        let fault = CommandFault::NoPermission { rule: "+psync".into(), text: String::new() };
        let meaning = explain(&CommandError { command: "PSYNC".into(), fault }.into());
        assert_eq!(meaning.hint.as_deref(), Some("`ACL SETUSER <user> +psync` gives the right"));
    }

    #[test]
    fn which_backup_is_could_not_tell() {
        let meaning = explain(&RepositoryError::NotFound("2024".into()).into());
        assert_eq!((meaning.code, meaning.status), ("not_found", Some(Status::Unknown)));
        // An object that is missing is not a backup that was mistyped.
        assert_eq!(explain(&StorageError::NotFound.into()).status, None);
    }

    #[test]
    fn what_nobody_knows_is_failed() {
        assert_eq!(explain(&anyhow::anyhow!("odd")).code, "failed");
    }
}
