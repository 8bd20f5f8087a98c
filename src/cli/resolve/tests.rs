//! What was typed, what was in the environment, what stood in the file: what is meant.

use clap::Parser as _;

use super::*;
use crate::census::TypeFilter;
use crate::cli::args::Cli;
use crate::cli::hints;
use crate::codec::Codec;
use crate::commands::restore::Target;
use crate::commands::which::{Backup, Server};
use crate::commands::{backup, diagnose, verify};
use crate::connection::{Address, Node};
use crate::explain::Explain as _;
use crate::operations::SafetyBackup;
use crate::printer::Choices;
use crate::rdb::Kind;
use crate::restore::Existing;
use crate::storage::Location;

const FILE: &str = r#"
instances:
  redis-prod: { url: "redis://prod.example:6379", username: of-file, password: of-file }
  redis-staging: { host: staging.example, tls: { ca: ca.pem } }
  redis-two: { url: "redis://prod.example:6379/2" }
backup: { destination: s3://of-file/redis, compression: zstd, schedule: "0 1 * * *" }
s3: { endpoint: http://of-file:9000, region: of-file }
connection: { timeout: 7s }
"#;

/// Resolves a line with a settings file and variables.
fn resolve_with<const N: usize>(file: &str, variables: [(&str, &str); N], line: &[&str]) -> Result<Command, Misuse> {
    let environment = Environment::of(variables);
    let cli = match Cli::try_parse_from([&["redis-ops"], line].concat()) {
        Ok(cli) => cli,
        Err(error) => panic!("{error}"),
    };
    let file = SettingsFile::parse("etc/redis-ops.yaml".into(), file, environment.clone())?;
    let printer = Printer::over(Choices::plain(), Box::new(std::io::sink()), Box::new(std::io::sink()));
    let resolver = Resolver {
        global: &cli.global,
        database: cli.database,
        environment: &environment,
        file: &file,
        printer: &printer,
    };
    resolver.resolve(&cli.command).map(|command| command.expect("a command with settings"))
}

fn resolve(line: &[&str]) -> Result<Command, Misuse> {
    resolve_with(FILE, [], line)
}

#[track_caller]
fn refused(line: &[&str], expected: &str) {
    match resolve(line) {
        Ok(_) => panic!("understood: {line:?}"),
        Err(misuse) => assert_eq!(misuse.to_string(), expected),
    }
}

/// The server that `health` would ask.
#[track_caller]
fn server_with<const N: usize>(file: &str, variables: [(&str, &str); N], line: &[&str]) -> Server {
    match resolve_with(file, variables, &[&["health"], line].concat()) {
        Ok(Command::Health(settings)) => settings.server,
        other => panic!("{other:?}"),
    }
}

fn node(line: &[&str]) -> Node {
    server_with(FILE, [], line).node
}

#[track_caller]
fn place_with<const N: usize>(file: &str, variables: [(&str, &str); N], line: &[&str]) -> Place {
    match resolve_with(file, variables, &[&["list"], line].concat()) {
        Ok(Command::List(settings)) => settings.place,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_instance_is_typed_or_in_the_environment_or_the_default() {
    assert_eq!(node(&["-i", "redis-prod"]).address, Address::tcp("prod.example", 6379));
    assert_eq!(node(&["-H", "a", "-p", "7000"]).address, Address::tcp("a", 7000));
    assert_eq!(node(&["-p", "7000"]).address, Address::tcp("127.0.0.1", 7000));
    assert_eq!(node(&["-u", "redis://b:1"]).address, Address::tcp("b", 1));
    assert_eq!(node(&[]).address, Address::tcp("127.0.0.1", 6379));
    let of_environment = [("REDIS_OPS_INSTANCE", "redis-staging")];
    assert_eq!(server_with(FILE, of_environment, &[]).instance, "redis-staging");
    assert_eq!(server_with(FILE, of_environment, &["-i", "redis-prod"]).instance, "redis-prod");
}

#[test]
fn an_instance_by_url_is_called_host_and_port() {
    for (url, name) in [
        ("redis://10.0.0.5:6380", "10.0.0.5-6380"),
        ("redis://ops:hunter2-do-not-print@a.example", "a.example-6379"),
        ("redis+sentinel://a,b/mymaster", "mymaster"),
    ] {
        assert_eq!(server_with(FILE, [], &["-i", url]).instance, name);
    }
}

#[test]
fn the_database_is_typed_before_or_after_the_command_or_in_the_url() {
    assert_eq!(node(&["-i", "redis-two"]).database, 2);
    assert_eq!(node(&["-i", "redis-two", "-n", "5"]).database, 5);
    match resolve(&["-n", "6", "health", "-i", "redis-two"]) {
        Ok(Command::Health(settings)) => assert_eq!(settings.server.node.database, 6),
        other => panic!("{other:?}"),
    }
}

#[test]
fn credentials_come_from_flags_then_the_environment_then_the_file() {
    let password_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(password_file.path(), "of-flag\n").unwrap();
    let flag = ["-i", "redis-prod", "--username", "of-flag", "--password-file", password_file.path().to_str().unwrap()];
    let who = |node: &Node| {
        let password = node.credentials.password.as_ref().map(|secret| secret.expose().to_owned());
        (node.credentials.username.clone().unwrap_or_default(), password.unwrap_or_default())
    };
    let both = |name: &str| (name.to_owned(), name.to_owned());
    let environment = [("REDIS_OPS_USERNAME", "of-env"), ("REDIS_OPS_PASSWORD", "of-env"), ("REDISCLI_AUTH", "other")];
    assert_eq!(who(&server_with(FILE, environment, &flag).node), both("of-flag"));
    assert_eq!(who(&server_with(FILE, environment, &flag[..2]).node), both("of-env"));
    assert_eq!(who(&server_with(FILE, [], &flag[..2]).node), both("of-file"));
    let of_redis_cli = server_with(FILE, [("REDISCLI_AUTH", "of-cli")], &[]).node;
    assert_eq!(who(&of_redis_cli), (String::new(), "of-cli".into()));
    // What stands in a URL that was typed belongs to that server.
    let in_url = server_with(FILE, environment, &["-i", "redis://me:mine@a"]).node;
    assert_eq!(who(&in_url), ("me".into(), "mine".into()));
}

#[test]
fn tls_is_meant_by_any_of_its_options() {
    assert_eq!(node(&["-i", "redis://a"]).tls, None);
    assert!(node(&["-i", "rediss://a"]).tls.is_some());
    assert!(node(&["-i", "redis://a", "--tls"]).tls.is_some());
    assert!(node(&["-i", "redis://a", "--insecure"]).tls.unwrap().insecure);
    assert_eq!(node(&["-i", "redis-staging"]).tls.unwrap().ca, Some("etc/ca.pem".into()));
    let over = node(&["-i", "redis-staging", "--tls-ca", "mine.pem", "--sni", "name"]).tls.unwrap();
    assert_eq!((over.ca, over.server_name.as_deref()), (Some("mine.pem".into()), Some("name")));
    refused(&["health", "--tls-cert", "x"], "`--tls-cert` needs `--tls-key`");
    refused(&["health", "-i", "unix:///run/x", "--tls"], "a Unix socket does not use TLS");
}

#[test]
fn the_timeout_is_typed_or_in_the_file_or_five_seconds() {
    assert_eq!(node(&["--timeout", "3s"]).timeout.as_secs(), 3);
    assert_eq!(node(&[]).timeout.as_secs(), 7);
    assert_eq!(server_with("", [], &[]).node.timeout.as_secs(), 5);
    refused(&["health", "--timeout", "0s"], "invalid value `0` for `--timeout`: use a time above 0, such as 5s");
}

#[test]
fn a_repository_is_typed_or_in_the_environment_or_in_the_file() {
    let of_environment = [("REDIS_OPS_REPOSITORY", "/of-env")];
    let s3 = |bucket: &str| Location::S3 { bucket: bucket.into(), prefix: "redis".into() };
    assert_eq!(place_with(FILE, of_environment, &["-r", "s3://of-flag/redis"]).location, s3("of-flag"));
    assert_eq!(place_with(FILE, of_environment, &[]).location, Location::Local("/of-env".into()));
    assert_eq!(place_with(FILE, [], &[]).location, s3("of-file"));
    match resolve_with("", [], &["list"]) {
        Err(misuse) => assert_eq!(misuse.to_string(), "no repository was given"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn s3_is_spoken_to_as_flags_environment_or_file_say() {
    let environment = [("AWS_ENDPOINT_URL_S3", "http://of-env"), ("AWS_DEFAULT_REGION", "of-env")];
    let endpoint = |place: Place| (place.s3.endpoint.unwrap_or_default(), place.s3.region.unwrap_or_default());
    let flags = ["--s3-endpoint", "http://of-flag", "--s3-region", "of-flag"];
    assert_eq!(endpoint(place_with(FILE, environment, &flags)), ("http://of-flag".into(), "of-flag".into()));
    assert_eq!(endpoint(place_with(FILE, environment, &[])), ("http://of-env".into(), "of-env".into()));
    assert_eq!(endpoint(place_with(FILE, [], &[])), ("http://of-file:9000".into(), "of-file".into()));
    // What is not said is left to storage: path style with an endpoint of one's own.
    let path_style = |line: &[&str]| place_with(FILE, [], line).s3.path_style;
    assert_eq!(path_style(&[]), None);
    assert_eq!(path_style(&["--s3-path-style"]), Some(true));
    assert_eq!(path_style(&["--s3-path-style=false"]), Some(false));
}

#[test]
fn a_backup_spools_where_it_is_told_to() {
    assert_eq!(backup_with(FILE, &[]).place.s3.spool_dir, None);
    assert_eq!(backup_with(FILE, &["--spool", "/big"]).place.s3.spool_dir, Some("/big".into()));
}

#[track_caller]
fn backup_with(file: &str, line: &[&str]) -> backup::Settings {
    match resolve_with(file, [], &[&["backup"], line].concat()) {
        Ok(Command::Backup(settings)) => settings,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_backup_is_compressed_as_typed_or_as_the_file_says() {
    assert_eq!(backup_with(FILE, &["--compression", "none"]).codec, Codec::None);
    assert_eq!(backup_with(FILE, &[]).codec, Codec::ZSTD);
    assert_eq!(backup_with("", &["-r", "x"]).codec, Codec::GZIP);
}

#[test]
fn a_backup_knows_its_name_before_it_begins() {
    let name = |line: &[&str]| match backup_with(FILE, line).origin {
        backup::Origin::Server { server, .. } => server.instance,
        backup::Origin::File { instance, .. } => instance,
    };
    assert_eq!(name(&["-i", "redis-prod"]), "redis-prod");
    assert_eq!(name(&["-i", "redis-prod", "--name", "other"]), "other");
    assert_eq!(name(&["--from-file", "dump.rdb", "--name", "adopted"]), "adopted");
    refused(&["backup", "--from-file", "dump.rdb"], "`--from-file` needs the name of the instance");
    refused(
        &["backup", "-i", "redis+sentinel://a/group"],
        "a Sentinel group given by URL needs a name in the repository",
    );
    assert_eq!(name(&["-i", "redis+sentinel://a/group", "--name", "group"]), "group");
    let message = "invalid name `../x`: use letters, digits and `-` `_` `.`, at most 128 characters";
    refused(&["backup", "--name", "../x"], message);
}

#[test]
fn if_due_needs_a_schedule() {
    assert!(matches!(backup_with(FILE, &["--if-due"]).origin,
        backup::Origin::Server { if_due: Some(backup::IfDue::Schedule(schedule)), .. } if schedule == "0 1 * * *"));
    let refused = |file: &str| match resolve_with(file, [], &["backup", "-r", "x", "--if-due"]) {
        Err(misuse) => misuse.to_string(),
        Ok(_) => panic!("understood"),
    };
    assert_eq!(refused(""), "`--if-due` needs a schedule, but the settings have none");
    let off = "backup: { enabled: false, schedule: \"0 1 * * *\", destination: x }";
    assert!(matches!(
        backup_with(off, &["--if-due"]).origin,
        backup::Origin::Server { if_due: Some(backup::IfDue::Disabled), .. }
    ));
}

#[test]
fn a_restore_writes_only_to_a_server_that_is_on_the_command_line() {
    let message = "no target was given: `restore` writes only to the target named on the command line";
    let environment = [("REDIS_OPS_INSTANCE", "redis-prod")];
    match resolve_with(FILE, environment, &["restore", "--backup-id", "latest"]) {
        Err(misuse) => assert_eq!(misuse.to_string(), message),
        Ok(_) => panic!("the environment is not enough to be written to"),
    }
    let line = ["restore", "--backup-id", "latest", "--target-instance", "redis-staging"];
    let Ok(Command::Restore(settings)) = resolve_with(FILE, environment, &line) else { panic!("{line:?}") };
    let Target::Server(instance) = settings.target else { panic!("{line:?}") };
    assert_eq!(instance.server.instance, "redis-staging");
    // A bare `latest` means the one of the target.
    assert!(matches!(settings.backup, Backup::Stored { instance: Some(name), .. } if name == "redis-staging"));
    refused(&["restore", "--target-instance", "redis-staging"], "no backup was given");
}

#[test]
fn a_restore_takes_no_instance_beside_its_target_nor_in_its_place() {
    let message = "`restore` takes no `-i`: only `--target-instance` names the instance to write to";
    refused(&["restore", "--backup-id", "latest", "--target-instance", "redis-staging", "-i", "redis-prod"], message);
    refused(&["restore", "--backup-id", "latest", "-i", "redis-staging"], message);
    // Into a file it is no target: it says whose backup is meant.
    let line = ["restore", "--backup-id", "latest", "-i", "redis-prod", "--to-file", "x.rdb"];
    let Ok(Command::Restore(settings)) = resolve(&line) else { panic!("{line:?}") };
    assert!(matches!(settings.backup, Backup::Stored { instance: Some(name), .. } if name == "redis-prod"));
    refused(&["restore", "--backup-id", "redis-staging/latest", "-i", "redis-prod", "--to-file", "x.rdb"], message);
    refused(&["restore", "--file", "y.rdb", "-i", "redis-prod", "--to-file", "x.rdb"], message);
}

#[test]
fn every_type_of_the_table_can_be_chosen_by_its_name() {
    let names = Kind::ALL.map(Kind::name);
    assert!(["gcra", "array", "stream"].iter().all(|name| names.contains(name)));
    for name in names.into_iter().chain(["vectorset"]) {
        let line = ["restore", "--file", "x.rdb", "--target-instance", "redis-staging", "--type", name];
        let Ok(Command::Restore(settings)) = resolve(&line) else { panic!("{name}") };
        assert_eq!(settings.options.choices.selection.types, [TypeFilter::parse(name).unwrap()]);
        assert_eq!(settings.options.choices.selection.types[0].to_string(), name);
    }
    for wrong in ["strings", "Hash", "", "module:", "type:5"] {
        let line = ["restore", "--file", "x.rdb", "--target-instance", "redis-staging", "--type", wrong];
        refused(&line, &format!("`{wrong}` is not a Redis type"));
    }
}

#[test]
fn a_database_goes_to_one_place() {
    let line = ["restore", "latest", "--target-instance", "redis-staging", "--db", "0:1", "--db", "0:2"];
    refused(&line, "`--db 0:1` and `--db 0:2` send database 0 to two places");
}

#[test]
fn a_file_that_is_not_compressed_has_no_name_of_one_that_is() {
    for name in ["copy.rdb.gz", "copy.rdb.zst", "copy.RDB.GZ"] {
        let message = format!("`--to-file` writes an uncompressed RDB, and `{name}` is the name of a compressed one");
        refused(&["restore", "--file", "x.rdb", "--to-file", name], &message);
    }
}

#[test]
fn a_file_takes_no_option_that_it_cannot_follow() {
    for target in ["--to-file", "--to-dir"] {
        for option in [
            "--keys=a*",
            "--exclude=a*",
            "--db=1",
            "--type=hash",
            "--ttl=strip",
            "--ttl=shift",
            "--method=restore",
            "--on-conflict=replace",
            "--replace-all",
            "--rate=1MB",
            "--resume",
            "--skip-verify",
            "--listen=127.0.0.1",
            "--advertise=10.0.0.1",
            "--no-safety-backup",
            "--no-proof",
            "--accept-loss",
            "--allow-replica-resync",
        ] {
            let name = option.split('=').next().unwrap();
            let line = ["restore", "--file", "x.rdb", target, "y", option];
            refused(&line, &format!("`{target}` takes no `{name}`: the file always holds the whole backup, unchanged"));
        }
        // What asks for what a file has anyway.
        let line = ["restore", "--file", "x.rdb", target, "y", "--ttl=keep", "--method=auto"];
        assert!(resolve(&line).is_ok());
    }
}

#[test]
fn what_overwrites_takes_a_safety_backup_first() {
    let existing = |more: &[&str]| {
        let line = [&["restore", "--backup-id", "1", "--target-instance", "redis-staging"][..], more].concat();
        let Ok(Command::Restore(settings)) = resolve(&line) else { panic!("{line:?}") };
        let Target::Server(instance) = settings.target else { panic!("{line:?}") };
        (settings.options.existing, instance.safety)
    };
    assert!(matches!(existing(&[]), (Existing::MustBeEmpty, SafetyBackup::NotNeeded)));
    assert!(matches!(existing(&["--on-conflict", "fail"]), (Existing::Fail, SafetyBackup::NotNeeded)));
    assert!(matches!(existing(&["--on-conflict", "skip"]), (Existing::Skip, SafetyBackup::NotNeeded)));
    assert!(matches!(existing(&["--on-conflict", "replace"]), (Existing::Replace, SafetyBackup::Into(_))));
    assert!(matches!(existing(&["--replace-all"]), (Existing::ReplaceAll, SafetyBackup::Into(_))));
    assert!(matches!(
        existing(&["--replace-all", "--no-safety-backup"]),
        (Existing::ReplaceAll, SafetyBackup::Declined)
    ));
    let line = ["restore", "--file", "x.rdb", "--target-instance", "redis://a", "--replace-all"];
    match resolve_with("", [], &line) {
        Err(misuse) => {
            assert_eq!(
                misuse.to_string(),
                "the safety backup of the target needs a repository: no repository was given"
            );
        }
        Ok(_) => panic!("understood"),
    }
}

#[test]
fn a_verification_compares_with_a_server_only_if_it_was_typed() {
    let comparison = |line: &[&str]| {
        let environment = [("REDIS_OPS_INSTANCE", "redis-prod")];
        match resolve_with(FILE, environment, &[&["verify"], line].concat()) {
            Ok(Command::Verify(settings)) => match settings.subject {
                verify::Subject::One { comparison, .. } => comparison.map(|comparison| comparison.with),
                verify::Subject::All { .. } => panic!("one was asked for"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert!(comparison(&["--backup-id", "latest"]).is_none());
    assert!(matches!(
        comparison(&["--instance", "redis-prod"]),
        Some(verify::Other::Server { last_restored: true, .. })
    ));
    assert!(matches!(comparison(&["--against", "2024"]), Some(verify::Other::Backup { id, .. }) if id == "2024"));
    refused(
        &["verify", "-i", "redis-prod", "--against", "2024"],
        "a backup is compared with an instance or with another backup, not with both",
    );
}

#[test]
fn a_list_is_filtered_only_by_an_instance_that_was_typed() {
    let filter = |line: &[&str]| match resolve_with(FILE, [("REDIS_OPS_INSTANCE", "redis-prod")], line) {
        Ok(Command::List(settings)) => settings.instance.map(|only| only.name),
        other => panic!("{other:?}"),
    };
    assert_eq!(filter(&["list"]), None);
    assert_eq!(filter(&["list", "-i", "redis-prod"]).as_deref(), Some("redis-prod"));
    // Its backups may have outlived it.
    assert_eq!(filter(&["list", "-i", "gone"]).as_deref(), Some("gone"));
    assert_eq!(filter(&["list", "-i", "redis://10.0.0.5:6380"]).as_deref(), Some("10.0.0.5-6380"));
}

#[test]
fn a_database_in_a_url_is_honoured_or_refused() {
    let hint = |line: &[&str]| match resolve(line) {
        Err(misuse) => (misuse.to_string(), misuse.meaning().hint.as_ref().map(hints::words).unwrap_or_default()),
        Ok(_) => panic!("understood: {line:?}"),
    };
    for (line, says) in [
        (&["backup", "-i", "redis://a/5"][..], "`restore --db 5` restores one database of a backup"),
        (&["backup", "-i", "redis-two"], "leave out `/2`"),
        (&["restore", "latest", "--target-instance", "redis://a/5"], "`--db 5` restores only that database"),
        (&["restore", "--undo", "--target-instance", "redis://a/5"], "leave out `/5`"),
        (&["list", "-i", "redis://a/5"], "leave out `/5`"),
        (&["show", "latest", "-i", "redis://a/5"], "leave out `/5`"),
        (&["verify", "--all", "-i", "redis://a/5"], "leave out `/5`"),
    ] {
        let (message, hint) = hint(line);
        assert!(message.contains("names database") && hint.contains(says), "{line:?}: {message}: {hint}");
    }
    for line in [
        &["backup", "-i", "redis://a/0"][..],
        &["restore", "latest", "--target-instance", "redis://a/0"],
        &["list", "-i", "redis://a/0"],
        &["health", "-i", "redis://a/5"],
    ] {
        assert!(resolve(line).is_ok(), "{line:?}");
    }
    let compared = |line: &[&str]| match resolve(line) {
        Ok(Command::Verify(verify::Settings {
            subject: verify::Subject::One { comparison: Some(comparison), .. },
            ..
        })) => comparison.database,
        other => panic!("{other:?}"),
    };
    assert_eq!(compared(&["verify", "-i", "redis://a/5"]), Some(5));
    assert_eq!(compared(&["verify", "-i", "redis://a/0"]), None);
    assert_eq!(compared(&["verify", "-i", "redis://a/5", "-n", "3"]), Some(3));
}

#[test]
fn a_file_needs_no_repository() {
    for line in [
        &["verify", "--file", "x.rdb"][..],
        &["show", "--file", "-"],
        &["diagnose", "keyspace", "--file", "x.rdb"],
        &["restore", "--file", "x.rdb", "--to-dir", "y"],
    ] {
        assert!(resolve_with("", [], line).is_ok(), "{line:?}");
    }
}

#[test]
fn a_diagnosis_knows_the_rules_of_the_file() {
    let file = "diagnose: { profile: cache }";
    let profile = |line: &[&str]| match resolve_with(file, [], &[&["diagnose", "memory"], line].concat()) {
        Ok(Command::Diagnose(diagnose::Settings { rules, .. })) => rules.profile,
        other => panic!("{other:?}"),
    };
    assert_eq!(profile(&[]).as_deref(), Some("cache"));
    assert_eq!(profile(&["--profile", "queue"]).as_deref(), Some("queue"));
}

#[test]
fn an_unknown_instance_names_the_nearest() {
    let hint = |line: &[&str]| {
        let misuse = resolve(line).expect_err("unknown");
        (misuse.to_string(), misuse.meaning().hint.as_ref().map(hints::words).unwrap_or_default())
    };
    let missing = |name: &str| format!("there is no instance `{name}` in the settings file etc/redis-ops.yaml");
    assert_eq!(hint(&["health", "-i", "redis-prd"]), (missing("redis-prd"), "did you mean `redis-prod`?".into()));
    assert_eq!(hint(&["health", "-i", "/run/x.sock"]).1, "to name a socket, use its URL: `unix:///run/x.sock`");
    let of_port = "a port of this machine: `--port 6380`, or `redis://127.0.0.1:6380`";
    assert_eq!(hint(&["health", "-i", "6380"]).1, of_port);
    assert_eq!(hint(&["health", "-i", ":6380"]).1, of_port);
    assert_eq!(hint(&["health", "-H", "10.0.0.5:6380"]).1, "`--host 10.0.0.5` and `--port 6380`");
    assert_eq!(
        hint(&["health", "-i", "qqq"]),
        (missing("qqq"), "known: `redis-prod`, `redis-staging`, `redis-two`".into())
    );
    let by_url = "to name a server, use its URL: `redis://10.0.0.5:6379`".to_owned();
    assert_eq!(hint(&["health", "-i", "10.0.0.5:6379"]), (missing("10.0.0.5:6379"), by_url));
}

#[test]
fn colour_is_typed_or_in_the_environment() {
    let choice = |variables: [(&str, &str); 2]| color(None, &Environment::of(variables));
    assert_eq!(choice([("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]), ColorChoice::Never);
    assert_eq!(choice([("NO_COLOR", ""), ("CLICOLOR_FORCE", "1")]), ColorChoice::Always);
    assert_eq!(choice([("NO_COLOR", ""), ("CLICOLOR_FORCE", "0")]), ColorChoice::Auto);
    let environment = Environment::of([("NO_COLOR", "1")]);
    assert_eq!(color(Some(ColorChoice::Always), &environment), ColorChoice::Always);
}

#[test]
fn every_command_has_its_name_and_the_help_is_sound() {
    use clap::CommandFactory as _;
    let command = Cli::command();
    command.clone().debug_assert();
    let names: Vec<&str> = command.get_subcommands().map(|command| command.get_name()).collect();
    assert_eq!(names, NAMES);
}
