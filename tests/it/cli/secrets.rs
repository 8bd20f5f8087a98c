//! A password is in no output, wherever it came from and however much is logged.

use crate::support::redis_ops::RedisOps;

const SECRET: &str = "hunter2-do-not-print";

#[track_caller]
fn keeps_it(run: RedisOps) {
    let run = run.run();
    assert!(!run.everything().contains("hunter2"), "{}:\n{}", run.line, run.everything());
}

/// Lines that fail at different depths, with and without JSON and logs.
fn lines() -> Vec<Vec<&'static str>> {
    let mut lines = Vec::new();
    for command in [
        &["health"][..],
        &["metrics"],
        &["backup", "-r", "backups"],
        &["backup"],
        &["verify", "-r", "backups", "--instance", "secret"],
        &["restore", "--file", "nothing.rdb", "--target-instance", "secret"],
        &["diagnose", "all"],
        &["list", "-r", "backups"],
        &["list", "--bogus"],
        &["--help"],
        &["backup", "--help"],
    ] {
        for more in [&[][..], &["--json"], &["-vvv"]] {
            lines.push([command, more].concat());
        }
    }
    lines
}

#[test]
fn a_password_in_the_environment_stays_there() {
    for line in lines() {
        keeps_it(
            RedisOps::new()
                .args(line)
                .file("redis-ops.yaml", "instances: { secret: { host: 127.0.0.1, port: 1 } }")
                .env("REDIS_OPS_PASSWORD", SECRET)
                .env("REDISCLI_AUTH", SECRET)
                .env("AWS_SECRET_ACCESS_KEY", SECRET)
                .env("REDIS_OPS_INSTANCE", "redis://127.0.0.1:1"),
        );
    }
}

#[test]
fn a_password_in_the_settings_stays_there() {
    for line in lines() {
        keeps_it(
            RedisOps::new()
                .args(line)
                .file(
                    "redis-ops.yaml",
                    format!("instances:\n  secret: {{ url: \"redis://ops:{SECRET}@127.0.0.1:1/x\" }}\n"),
                )
                .env("REDIS_OPS_INSTANCE", "secret"),
        );
    }
    for wrong in [
        format!("instances: {{ a: {{ host: a, password: [{SECRET}] }} }}"),
        format!("instances: {{ a: {{ host: a, password: {SECRET}"),
        format!("instances: {{ a: {{ host: a, port: {SECRET} }} }}"),
        format!("instances:\n  a:\n    password: {SECRET}\n   host: a\n"),
    ] {
        for more in [&[][..], &["--json"], &["-vvv"]] {
            keeps_it(RedisOps::new().args(["health", "-i", "a"]).args(more).file("redis-ops.yaml", &wrong));
        }
    }
}

#[test]
fn a_password_in_a_url_is_shown_nowhere_even_if_the_url_stands_in_the_wrong_place() {
    for url in [
        format!("redis://ops:{SECRET}@127.0.0.1:1"),
        format!("redis://:{SECRET}@127.0.0.1:port"),
        format!("redis://:{SECRET}@/x/y"),
        format!("redis+sentinel://:{SECRET}@127.0.0.1:1/group"),
        format!("http://ops:{SECRET}@x"),
        format!("redis://:a/b{SECRET}@127.0.0.1"),
    ] {
        for line in [
            &["health", "-i", &url][..],
            &["health", "-u", &url, "--json"],
            &["-vvv", "health", "-i", &url],
            &["list", "-r", &url],
            &["list", "-r", &url, "--json"],
            &[&url],
            &["backup", &url],
            &["health", "--timeout", &url],
            &["health", "--format", &url],
            &["health", "-c", &url],
            &["restore", "--backup-id", "latest", "-r", "x", "--target-instance", &url],
        ] {
            keeps_it(RedisOps::new().args(line));
        }
    }
}

#[test]
fn a_password_file_that_cannot_be_used_is_named_and_its_content_is_not() {
    let content = [SECRET.as_bytes(), b"\xff\n"].concat();
    let run = RedisOps::new()
        .file("password", content)
        .args(["health", "-i", "redis://127.0.0.1:1", "--password-file", "password"])
        .run();
    assert_eq!(run.code, 3);
    assert_eq!(run.stderr, "error: cannot read the password file password: it is not UTF-8\n");
}

#[test]
fn a_url_that_was_mistyped_is_not_repeated() {
    let wrong = [
        ":{}@host",
        ":{}@host:6379",
        "ops:{}@host:6379",
        "{}@host",
        "host:{}",
        "redis:/:{}@host:6379",
        "redis//:{}@host",
        "redis:{}@host",
        "//:{}@host",
        "redis;//:{}@host",
        "redis://:{}@host:port",
        "redis://:{}@[::1",
        "redis:// :{}@host",
        "redis://:{}@host name",
        "redis://:{} {}@host",
        "redis://:{}@host/database",
        "redis://:{}@host?nothing={}",
        "redis://:%{}@host",
        "http://ops:{}@host",
        "redis+sentinel://:{}@host",
        "unix://:{}@",
    ];
    for text in wrong {
        let text = text.replace("{}", SECRET);
        for command in [
            &["health"][..],
            &["list", "-r", "r"],
            &["backup", "-r", "r"],
            &["verify", "-r", "r"],
            &["diagnose", "memory"],
        ] {
            for option in ["-i", "-u"] {
                let run = RedisOps::new().args(command).args([option, &text, "-vvv"]).run();
                assert!(!run.everything().contains("hunter2"), "{}:\n{}", run.line, run.everything());
            }
        }
        keeps_it(RedisOps::new().args(["health"]).env("REDIS_OPS_INSTANCE", &text));
        keeps_it(RedisOps::new().args(["restore", "--file", "x.rdb", "--target-instance", &text]));
        keeps_it(RedisOps::new().args(["lock", "run", "-i", &text]));
        // Without an `@` nobody can know that it is one.
        if text.contains('@') {
            keeps_it(RedisOps::new().args(["health", &text]));
            keeps_it(RedisOps::new().args([&text]));
            keeps_it(RedisOps::new().args(["health", &format!("--instanc={text}"), "--json"]));
        }
    }
    // What is no secret is repeated: it helps to see what was typed.
    for text in ["redis-prdo", "10.0.0.5:6380", "localhost"] {
        let run = RedisOps::new().args(["health", "-i", text]).run();
        assert!(run.everything().contains(text), "{}", run.everything());
    }
}

/// A URL without its beginning, given to the wrong option.
#[test]
fn a_password_before_a_host_is_not_shown() {
    for host in
        [format!(":{SECRET}@127.0.0.1"), format!("ops:{SECRET}@127.0.0.1"), format!("redis://:{SECRET}@127.0.0.1")]
    {
        for command in [&["health"][..], &["backup", "-r", "backups"], &["diagnose", "all"]] {
            for more in [&[][..], &["--json"], &["-vvv"]] {
                let run = || RedisOps::new().args(command).args(["-H", &host]).args(more);
                keeps_it(run());
                assert_eq!(run().run().code, 3, "{command:?} {more:?}");
            }
        }
    }
}

/// Secrets that are mounted as files end with a line break, and become variables so.
#[test]
fn a_line_break_at_the_end_of_a_variable_is_left_out_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let made = RedisOps::new().args(["list", "-r", &folder.path().display().to_string()]).run();
    let repository = format!("{}\n", folder.path().display());
    let run = RedisOps::new().arg("list").env("REDIS_OPS_REPOSITORY", repository).run();
    assert_eq!((run.code, run.text()), (made.code, made.text()));
    assert!(run.stderr.contains("REDIS_OPS_REPOSITORY ends with a line break or blanks"), "{}", run.stderr);
}
