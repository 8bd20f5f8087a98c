//! Every message is read aloud here.

use std::collections::BTreeMap;

use super::*;
use crate::cli::hints;
use crate::explain::Explain as _;

const PLATFORM: &str = r#"
instances:
  redis-prod:
    url: rediss://redis-prod.example:6379      # or host/port
    architecture: replication
    username: ops
    password_file: /run/secrets/redis-credentials/password
    tls: { ca: /etc/ssl/redis-ca.pem }
  by-port: { host: 10.0.0.5, port: 6380, tls: true }
backup:
  enabled: true
  schedule: "0 1 * * *"
  type: "rdb"                 # or aof
  compression: true           # gzip
  destination: "s3://backups/redis"
  retention: { keep_last: 3, keep_daily: 7, keep_weekly: 4, keep_monthly: 12 }
s3: { endpoint: http://127.0.0.1:9000, region: eu-west-1, path_style: true, ca: /etc/ssl/s3-ca.pem, sse: aws:kms, storage_class: STANDARD_IA }
connection: { timeout: 5s, retry: { max_attempts: 3, initial: 100ms, multiplier: 2.0 } }
diagnose: { profile: cache, expect: { replicas: 1, backup: true, maxmemory: true }, mute: [{rule: C06, until: 2027-01-01, reason: "legacy clients"}], thresholds: {M01: {warning: 0.85}} }
"#;

fn parse_with<const N: usize>(text: &str, variables: [(&str, &str); N]) -> Result<SettingsFile, Misuse> {
    SettingsFile::parse(PathBuf::from("etc/redis-ops.yaml"), text, Environment::of(variables))
}

fn parse(text: &str) -> SettingsFile {
    parse_with(text, []).unwrap_or_else(|misuse| panic!("{misuse}"))
}

#[test]
fn encryption_is_to_recipients_or_with_a_passphrase() {
    let of = |block: &str| parse(&format!("backup: {{ encryption: {{ {block} }} }}")).encryption();
    let block = of("recipients: [age1x, age1y], identity_file: key").unwrap().unwrap();
    assert_eq!(block.recipients, Some(vec!["age1x".to_owned(), "age1y".to_owned()]));
    assert_eq!(block.identity_file, Some("etc/key".into()));
    assert_eq!(of("passphrase_file: /run/p").unwrap().unwrap().passphrase_file, Some("/run/p".into()));
    assert_eq!(parse("backup: { enabled: true }").encryption().unwrap(), None);
    let both = of("recipients_file: a, passphrase_file: b").unwrap_err().to_string();
    assert!(both.contains("set only one of `recipients`, `recipients_file` and `passphrase_file`"), "{both}");
    let secret = parse_with("backup: { encryption: { recipients: \"hunter2\" } }", []).err().unwrap().to_string();
    assert!(secret.contains("expected a list") && !secret.contains("hunter2"), "{secret}");
}

#[test]
fn the_platforms_own_file_is_read_as_it_stands() {
    let file = parse(PLATFORM);
    assert_eq!(file.instances(), ["by-port", "redis-prod"]);
    let instance = file.instance("redis-prod").unwrap().unwrap();
    assert_eq!(instance.url.unwrap().expose(), "rediss://redis-prod.example:6379");
    assert_eq!(instance.username.as_deref(), Some("ops"));
    assert_eq!(instance.password_file, Some("/run/secrets/redis-credentials/password".into()));
    assert_eq!(instance.tls.unwrap().ca, Some("/etc/ssl/redis-ca.pem".into()));
    let instance = file.instance("by-port").unwrap().unwrap();
    assert_eq!((instance.host.as_deref(), instance.port), (Some("10.0.0.5"), Some(6380)));
    assert_eq!(instance.tls, Some(Tls::default()));
    assert_eq!(
        file.backup().unwrap(),
        Backup {
            enabled: true,
            schedule: Some("0 1 * * *".into()),
            codec: Some(Codec::GZIP),
            destination: Some("s3://backups/redis".into()),
            ..Backup::default()
        }
    );
    let s3 = file.s3().unwrap();
    assert_eq!(s3.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
    assert_eq!((s3.path_style, s3.sse.as_deref()), (Some(true), Some("aws:kms")));
    assert_eq!(file.timeout().unwrap(), Some(Duration::from_secs(5)));
    assert_eq!(file.retry().unwrap(), Retry::default());
    let rules = file.rules().unwrap();
    assert_eq!(rules.expect, Expect { replicas: Some(1), backup: Some(true), maxmemory: Some(true) });
    assert_eq!(rules.mute[0].until, NaiveDate::from_ymd_opt(2027, 1, 1));
    assert_eq!(rules.thresholds["M01"], BTreeMap::from([("warning".to_owned(), 0.85)]));
}

#[test]
fn an_empty_file_says_nothing() {
    for text in ["", "\n", "# only a comment\n", "---\n", "backup:\n"] {
        let file = parse(text);
        assert_eq!(file.backup().unwrap(), Backup { enabled: true, ..Backup::default() });
        assert_eq!(file.timeout().unwrap(), None);
    }
}

#[test]
fn compression_is_said_in_three_ways() {
    for (text, codec) in [
        ("true", Codec::GZIP),
        ("false", Codec::None),
        ("none", Codec::None),
        ("gzip", Codec::GZIP),
        ("zstd", Codec::ZSTD),
        ("zstd:5", Codec::Zstd(5)),
        ("\"gzip\"", Codec::GZIP),
        ("{codec: zstd, level: 3}", Codec::Zstd(3)),
        ("{codec: gzip}", Codec::GZIP),
        ("{codec: \"${CODEC}\", level: \"${LEVEL}\"}", Codec::Zstd(7)),
    ] {
        let text = format!("backup: {{ compression: {text} }}");
        let file = parse_with(&text, [("CODEC", "zstd"), ("LEVEL", "7")]).unwrap_or_else(|misuse| panic!("{misuse}"));
        assert_eq!(file.backup().unwrap().codec, Some(codec), "{text}");
    }
}

#[test]
fn variables_stand_in_values_quoted_or_not() {
    let text = "backup: { destination: \"s3://${BUCKET}/redis\" }\nconnection:\n  timeout: ${TIMEOUT}\n\
                instances:\n  a:\n    host: 'x-$${HOST}-${N}'\n    port: ${N}\n";
    let file = parse_with(text, [("BUCKET", "b"), ("TIMEOUT", "7s"), ("N", "6380")]).unwrap_or_else(|m| panic!("{m}"));
    assert_eq!(file.destination().unwrap().as_deref(), Some("s3://b/redis"));
    assert_eq!(file.timeout().unwrap(), Some(Duration::from_secs(7)));
    let instance = file.instance("a").unwrap().unwrap();
    assert_eq!((instance.host.as_deref(), instance.port), (Some("x-${HOST}-6380"), Some(6380)));
}

#[test]
fn a_variable_that_only_another_instance_needs_may_be_missing() {
    let text = "instances:\n  a: { host: a }\n  b: { host: b, password: \"${B_PASSWORD}\" }\n";
    let file = parse(text);
    assert!(file.instance("a").unwrap().is_some());
    assert_eq!(
        file.instance("b").unwrap_err().to_string(),
        "etc/redis-ops.yaml:3:27: `instances.b.password`: the environment variable B_PASSWORD is not set"
    );
}

#[test]
fn paths_begin_at_the_file() {
    let file = parse(
        "instances: { a: { host: a, password_file: secret, tls: { ca: ../ca.pem } } }\nbackup: { destination: backups }",
    );
    let instance = file.instance("a").unwrap().unwrap();
    assert_eq!(instance.password_file, Some("etc/secret".into()));
    assert_eq!(instance.tls.unwrap().ca, Some("etc/../ca.pem".into()));
    assert_eq!(file.destination().unwrap().as_deref(), Some("etc/backups"));
}

/// The error about a file as a whole.
#[track_caller]
fn refused(text: &str, expected: &str) {
    match parse_with(text, []) {
        Ok(_) => panic!("understood: {text}"),
        Err(misuse) => {
            let hint = match misuse.meaning().hint {
                Some(hint) => format!(" ({})", hints::words(&hint)),
                None => String::new(),
            };
            assert_eq!(format!("{misuse}{hint}"), expected);
        }
    }
}

#[test]
fn an_unknown_key_names_the_nearest() {
    refused("bakcup: {}", "etc/redis-ops.yaml:1:1: unknown key `bakcup` (did you mean `backup`?)");
    refused(
        "connection:\n  retry: { max_atempts: 3 }",
        "etc/redis-ops.yaml:2:12: unknown key `max_atempts` (did you mean `max_attempts`?)",
    );
    refused(
        "instances:\n  a:\n    passwordfile: x",
        "etc/redis-ops.yaml:3:5: unknown key `passwordfile` (did you mean `password_file`?)",
    );
    refused("connection: { qqq: 1 }", "etc/redis-ops.yaml:1:15: unknown key `qqq` (known here: `timeout`, `retry`)");
    refused(
        "backup: { compression: { codex: zstd } }",
        "etc/redis-ops.yaml:1:26: unknown key `codex` (did you mean `codec`?)",
    );
}

#[test]
fn what_is_no_yaml_or_of_the_wrong_shape_says_where() {
    refused("instances: hunter2-do-not-print", "etc/redis-ops.yaml:1:12: expected a mapping (`key: value`)");
    refused("backup: { enabled: true, enabled: false }", "etc/redis-ops.yaml:1:26: duplicate key `enabled`");
    refused("s3: { region: [a, b] }", "etc/redis-ops.yaml:1:15: expected a single value");
    refused("diagnose: { mute: C06 }", "etc/redis-ops.yaml:1:19: expected a list");
}

#[test]
fn a_broken_file_never_repeats_what_stands_in_it() {
    for text in [
        "instances: { a: { password: hunter2-do-not-print",
        "password: 'hunter2-do-not-print",
        "instances:\n  a:\n    password: hunter2-do-not-print\n   b: c\n",
        "instances:\n\t- hunter2-do-not-print",
        "hunter2-do-not-print",
        "- hunter2-do-not-print",
        "instances: { a: { host: [hunter2-do-not-print] } }",
        "backup: { compression: [hunter2-do-not-print] }",
        "a: *hunter2-do-not-print",
        "instances: { a: !hunter2-do-not-print b }",
        "--- a\n--- b\n",
        "\u{0}",
    ] {
        match parse_with(text, []) {
            Ok(_) => panic!("understood: {text}"),
            Err(misuse) => {
                let said = misuse.to_string();
                assert!(said.starts_with("etc/redis-ops.yaml"), "{said}");
                assert!(!said.contains("hunter2"), "{said}");
            }
        }
    }
}

/// The error about a value.
#[track_caller]
fn wrong<T: std::fmt::Debug>(text: &str, ask: impl Fn(&SettingsFile) -> Result<T, Misuse>, expected: &str) {
    let said = ask(&parse(text)).expect_err("it is wrong").to_string();
    assert_eq!(said, expected);
}

#[test]
fn a_wrong_value_says_where_and_what_would_be_right() {
    let instance = |file: &SettingsFile| file.instance("a");
    wrong(
        "connection: { timeout: 5 parsecs }",
        SettingsFile::timeout,
        "etc/redis-ops.yaml:1:24: `connection.timeout`: a span of time is a number and a unit, such as 5s, 100ms, 26h or 7d",
    );
    wrong(
        "connection: { retry: { max_attempts: 0 } }",
        SettingsFile::retry,
        "etc/redis-ops.yaml:1:38: `connection.retry.max_attempts`: expected a number of attempts, 1 or more",
    );
    wrong(
        "instances: { a: { host: x, port: 70000 } }",
        instance,
        "etc/redis-ops.yaml:1:34: `instances.a.port`: expected a port from 1 to 65535",
    );
    wrong(
        "instances: { a: { username: x } }",
        instance,
        "etc/redis-ops.yaml: `instances.a`: an instance has either `url` or `host` and `port`",
    );
    wrong(
        "instances: { a: { host: x, architecture: ring } }",
        instance,
        "etc/redis-ops.yaml:1:42: `instances.a.architecture`: the architecture must be `standalone`, `replication`, `cluster` or `sentinel`",
    );
    wrong(
        "backup: { enabled: maybe }",
        SettingsFile::backup,
        "etc/redis-ops.yaml:1:20: `backup.enabled`: expected `true` or `false`",
    );
    wrong(
        "backup: { compression: lzma }",
        SettingsFile::backup,
        "etc/redis-ops.yaml:1:24: `backup.compression`: `lzma` is not a compression: use `gzip`, `zstd` or `none`, or add a \
         level, as in `zstd:3`",
    );
    wrong(
        "backup: { compression: { level: 3 } }",
        SettingsFile::backup,
        "etc/redis-ops.yaml: `backup.compression`: the block has no `codec`",
    );
    wrong(
        "backup: { retention: { keep_last: some } }",
        SettingsFile::backup,
        "etc/redis-ops.yaml:1:35: `backup.retention.keep_last`: expected a whole number or `unlimited`",
    );
    wrong(
        "diagnose: { mute: [{ rule: C06, until: soon }] }",
        SettingsFile::rules,
        "etc/redis-ops.yaml:1:40: `diagnose.mute.until`: write the date as 2027-01-01",
    );
    wrong(
        "backup: { destination: \"s3://${BUCKET\" }",
        SettingsFile::destination,
        "etc/redis-ops.yaml:1:24: `backup.destination`: `${` without `}`",
    );
}

#[test]
fn aof_is_a_backup_with_an_archive() {
    for (kind, archives) in [("aof", true), ("rdb", false)] {
        let file = parse(&format!(
            "backup:
  type: {kind}
  destination: /backups
"
        ));
        assert_eq!(file.backup().unwrap().archives, archives);
    }
    wrong(
        "backup: { type: ao }",
        SettingsFile::backup,
        "etc/redis-ops.yaml:1:17: `backup.type`: the type of a backup must be `rdb` or `aof`",
    );
}

#[test]
fn the_machine_around_the_server_is_described_in_its_units() {
    let rules = parse("diagnose: { memory_limit: 2GiB, nic_mbps: 1000 }").rules().unwrap();
    assert_eq!((rules.memory_limit, rules.nic_mbps), (Some(2 << 30), Some(1000.0)));
    wrong(
        "diagnose: { memory_limit: much }",
        SettingsFile::rules,
        "etc/redis-ops.yaml:1:27: `diagnose.memory_limit`: a size is a number and a unit, such as 4096, 10MB, 512KiB or 1.5GiB",
    );
    wrong(
        "diagnose: { nic_mbps: 0 }",
        SettingsFile::rules,
        "etc/redis-ops.yaml:1:23: `diagnose.nic_mbps`: expected a bandwidth in megabits a second, such as 1000",
    );
}

#[test]
fn whether_a_cluster_is_one_moment_may_stand_in_the_file() {
    let said = |text: &str| parse(text).backup().unwrap().consistent;
    assert_eq!(said("backup: { enabled: true }"), None);
    for (word, meant) in [("auto", Consistent::Auto), ("barrier", Consistent::Barrier), ("none", Consistent::None)] {
        assert_eq!(said(&format!("backup: {{ consistent: {word} }}")), Some(meant));
    }
    wrong(
        "backup: { consistent: yes }",
        SettingsFile::backup,
        "etc/redis-ops.yaml:1:23: `backup.consistent`: the consistency of a cluster backup must be `auto`, `barrier` or `none`",
    );
}
