//! What is not understood: exit 3, in words or in the envelope.

use serde_json::json;

use crate::support::redis_ops::RedisOps;

#[test]
fn a_mistyped_line_is_3_with_one_error_and_one_hint() {
    for (line, stderr) in [
        (&["bakcup"][..], "error: unrecognized subcommand 'bakcup'\n\nhint: a similar subcommand exists: 'backup'\n"),
        (&["list", "--bogus"], "error: unexpected argument '--bogus' found\n\nhint: see `redis-ops help list`\n"),
        (
            &["list", "--repositry", "x"],
            "error: unexpected argument '--repositry' found\n\nhint: a similar argument exists: '--repository'\n",
        ),
        (
            &["show"],
            "error: the following required arguments were not provided:\n  <ID>\n\n\
             hint: see `redis-ops help show`\n",
        ),
        (
            &["backup", "--rate", "fast"],
            "error: invalid value 'fast' for '--rate <BYTES>': a size is a number and a unit, such as 4096, 10MB, 512KiB or 1.5GiB\n\n\
             hint: see `redis-ops help backup`\n",
        ),
        (
            &["list"],
            "error: no repository was given\n\nhint: add `--repository s3://bucket/prefix` or `--repository /path`, \
             or set REDIS_OPS_REPOSITORY, or `backup.destination` in the settings\n",
        ),
        (
            &["restore", "--backup-id", "latest", "-r", "backups"],
            "error: no target was given: `restore` writes only to the target named on the command line\n\n\
             hint: add `--target-instance NAME|URL`, `--to-file PATH` or `--to-dir PATH`\n",
        ),
        (
            &["list", "-r", "http://x"],
            "error: `http://` is not supported: a repository is `s3://bucket/prefix`, `file:///path` or a path\n",
        ),
        (
            &["health", "-i", "redis://a:port"],
            "error: invalid URL of the instance: the port is not a number from 1 to 65535\n\n\
             hint: `redis://host:6379`, `rediss://user@host:6380`, `unix:///path`, `redis+sentinel://host,host/service`\n",
        ),
        (&["list", "-r", "backups", "-n", "3"], "error: `list` does not use a database: remove `-n`\n"),
    ] {
        RedisOps::new().args(line).stderr(stderr).exit(3);
    }
}

#[test]
fn without_a_command_the_help_is_on_stderr_and_the_exit_code_3() {
    let run = RedisOps::new().run();
    assert_eq!((run.code, run.text()), (3, ""));
    assert!(run.stderr.contains("Usage: redis-ops"), "{}", run.stderr);
}

#[test]
fn a_monitor_and_a_ci_system_find_a_usage_error_where_they_read() {
    let usage = |format: &str| RedisOps::new().args(["verify", "--bogus", "--format", format]).run();
    let run = usage("nagios");
    assert_eq!((run.code, run.text().lines().count()), (3, 1), "{}", run.everything());
    assert!(run.text().starts_with("REDIS-OPS UNKNOWN - unexpected argument '--bogus' found"), "{}", run.text());
    let run = usage("junit");
    assert_eq!(run.code, 3, "{}", run.everything());
    assert!(run.text().contains("<error") && run.text().contains("--bogus"), "{}", run.text());
}

#[test]
fn a_usage_error_is_in_the_envelope_wherever_json_was_typed() {
    for line in [
        &["--json", "backup", "--bogus"][..],
        &["backup", "--bogus", "--json"],
        &["backup", "--bogus", "--format", "json"],
        &["backup", "--bogus", "--format=json"],
        &["backup", "--bogus", "-fjson"],
        &["backup", "--bogus", "-f", "json"],
    ] {
        let run = RedisOps::new().args(line).run();
        assert_eq!((run.code, run.stderr.as_str()), (3, ""), "{}", run.line);
        let answer = run.json();
        assert_eq!(answer["schema_version"], 1);
        assert_eq!(answer["command"], "backup");
        assert_eq!(answer["status"], "unknown");
        assert_eq!(answer["error"]["code"], "usage");
        assert_eq!(answer["error"]["message"], "unexpected argument '--bogus' found");
        assert_eq!(answer["error"]["causes"], json!([]));
    }
    let run = RedisOps::new().args(["backup", "--bogus"]).env("REDIS_OPS_FORMAT", "json").run();
    assert_eq!(run.json()["error"]["code"], "usage");
    let run = RedisOps::new().args(["bogus", "--json"]).run();
    assert_eq!(run.json()["command"], json!(null));
}

#[test]
fn a_command_refuses_a_format_that_it_has_not() {
    RedisOps::new()
        .args(["list", "-r", "backups", "--format", "junit"])
        .stderr("error: `list` does not support the format `junit`\n\nhint: use one of `table`, `json`, `ndjson`\n")
        .exit(3);
    RedisOps::new()
        .args(["list", "-r", "backups"])
        .env("REDIS_OPS_FORMAT", "xml")
        .stderr(
            "error: REDIS_OPS_FORMAT=xml is not a format\n\n\
             hint: `table`, `json`, `ndjson`, `nagios`, `prometheus` or `junit`\n",
        )
        .exit(3);
    // What was typed goes before the environment.
    let run = RedisOps::new().args(["completions", "bash", "--format", "table"]).env("REDIS_OPS_FORMAT", "junit").run();
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn a_password_is_never_an_argument() {
    for line in [&["-a", "hunter2-do-not-print", "health"][..], &["health", "--password=hunter2-do-not-print"]] {
        let run = RedisOps::new().args(line).run();
        assert_eq!(run.code, 3);
        assert!(
            run.stderr
                .contains("\n\nhint: other users can see a password on the command line: use `--password-file FILE`")
        );
        assert!(!run.everything().contains("hunter2"), "{}", run.everything());
    }
}

#[test]
fn a_repository_without_a_name_and_a_file_that_is_not_there_say_what_may_help() {
    for line in [
        &["list", "-r", ""][..],
        &["restore", "-r", "", "--backup-id", "latest", "--target-instance", "redis://127.0.0.1:1"],
    ] {
        let (code, answer) = RedisOps::new().args(line).json();
        assert_eq!((code, &answer["error"]["code"]), (3, &"usage".into()), "{answer}");
        assert!(answer["error"]["hint"].as_str().is_some_and(|hint| hint.contains("--repository s3://")), "{answer}");
    }
    let (code, answer) = RedisOps::new().args(["show", "--file", "nonexistent"]).json();
    assert_eq!((code, &answer["error"]["code"]), (3, &"not_found".into()), "{answer}");
    assert!(answer["error"]["hint"].as_str().is_some_and(|hint| hint.contains("check the path")), "{answer}");
}

#[test]
fn tls_settings_that_cannot_be_used_say_nothing_about_the_server() {
    let key = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let certificate = || {
        let params = rcgen::CertificateParams::new(vec!["a".to_owned()]).expect("a name");
        params.self_signed(&rcgen::KeyPair::generate().expect("a key")).expect("a certificate").pem()
    };
    // Nobody listens at port 1: whoever asked it would say "down", or that the connection was refused.
    let (url, sentinel) = ("rediss://127.0.0.1:1", "redis+sentinel://127.0.0.1:1/mymaster");
    for command in [
        &["health"][..],
        &["health", "--require", "live"],
        &["diagnose", "memory"],
        &["backup", "-r", "backups", "--name", "prod"],
    ] {
        for (tls, words) in [
            (&["--tls-ca", "missing.pem"][..], "missing.pem"),
            (&["--tls-ca", "garbage.pem"], "garbage.pem contains no PEM certificate"),
            (&["--tls-cert", "own.pem", "--tls-key", "encrypted.key"], "is encrypted with a passphrase"),
            (&["--tls-cert", "own.pem", "--tls-key", "other.key"], "do not match"),
        ] {
            for (url, more) in [(url, &[][..]), (sentinel, &["--tls"])] {
                // A system may have no authorities of its own, which would be named first.
                let trust = (tls[0] == "--tls-cert").then_some("--insecure");
                let run = RedisOps::new().args(command).args(["-i", url]).args(tls).args(more).args(trust);
                let run = run.file("garbage.pem", "no certificate").file("own.pem", certificate());
                let run = run.file("encrypted.key", &encrypted).file("other.key", &key);
                std::fs::create_dir_all(run.home().join("backups")).expect("a folder");
                let (code, answer) = run.json();
                assert_eq!(
                    (code, &answer["error"]["code"]),
                    (3, &json!("tls_settings")),
                    "{command:?} {tls:?}: {answer:#}"
                );
                assert_eq!((&answer["status"], &answer["health"]), (&json!("unknown"), &json!(null)), "{answer:#}");
                assert!(answer["error"].to_string().contains(words), "{answer:#}");
                assert!(answer["error"]["hint"].as_str().is_some_and(|hint| hint.contains("--tls-ca")), "{answer:#}");
            }
        }
    }
    RedisOps::new()
        .args(["health", "--tls-cert", "own.pem"])
        .stderr("error: `--tls-cert` needs `--tls-key`\n\nhint: add `--tls-key FILE`\n")
        .exit(3);
}

#[test]
fn a_variable_that_nobody_reads_is_named() {
    let run = RedisOps::new().args(["explain", "M06"]).env("REDIS_OPS_REPOSITRY", "/x").run();
    assert_eq!(run.code, 0, "{}", run.everything());
    let run = RedisOps::new().args(["list", "-r", "."]).env("REDIS_OPS_REPOSITRY", "/x").run();
    let words = "warning: redis-ops does not know the environment variable REDIS_OPS_REPOSITRY; did you mean REDIS_OPS_REPOSITORY?\n";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    // Kubernetes sets it for a service of our name.
    let run = RedisOps::new().args(["list", "-r", "."]).env("REDIS_OPS_SERVICE_HOST", "10.0.0.1").run();
    assert!(!run.stderr.contains("does not know the environment variable"), "{}", run.stderr);
}

#[test]
fn a_rate_without_a_unit_is_told_apart_from_one_that_never_ends() {
    let run = RedisOps::new().args(["backup", "-r", "x", "--rate", "50"]).run();
    assert!(
        run.code == 3 && run.stderr.contains("the lowest rate is 1kB a second; with a unit: 50MB"),
        "{}",
        run.stderr
    );
    for rate in ["1B", "0.5kB", "999b"] {
        let run = RedisOps::new().args(["backup", "-r", "x", "--rate", rate]).run();
        assert!(run.code == 3 && run.stderr.contains("the lowest rate is 1kB a second\n"), "{}", run.stderr);
    }
}
