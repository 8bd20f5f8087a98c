//! Where words go, and what happens to a reader that has gone.

use serde_json::Value;

use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;
use crate::support::schema;

#[test]
fn a_reader_that_has_gone_is_no_error() {
    for line in [&["completions", "bash"][..], &["man"], &["--help"], &["--version"]] {
        let run = RedisOps::new().args(line).without_reader().run();
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.line);
    }
    // What was found stays the answer, read or not.
    let run = RedisOps::new().args(["list", "--json"]).without_reader().run();
    assert_eq!((run.code, run.stderr.as_str()), (3, ""));
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
        return crate::support::skip("/dev/full");
    };
    let run = RedisOps::new().args(["completions", "bash"]).into(full).run();
    assert_ne!(run.code, 0);
    assert!(run.stderr.contains("No space left on device"), "{}", run.stderr);
}

#[test]
fn color_is_only_where_it_is_wanted() {
    let errors = |run: RedisOps| run.args(["list"]).run().stderr;
    assert!(!errors(RedisOps::new()).contains('\u{1b}'));
    assert!(errors(RedisOps::new().args(["--color", "always"])).contains('\u{1b}'));
    assert!(errors(RedisOps::new().env("CLICOLOR_FORCE", "1")).contains('\u{1b}'));
    assert!(!errors(RedisOps::new().env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1")).contains('\u{1b}'));
}

#[test]
fn foreign_text_in_an_error_drives_no_terminal() {
    let run = RedisOps::new().args(["verify", "--file", "a\u{1b}[2Jb\u{202e}c"]).run();
    assert_eq!(run.code, 3);
    assert!(run.stderr.contains("a\\u{1b}[2Jb\\u{202e}c"), "{}", run.stderr);
    assert!(!run.stderr.contains(['\u{1b}', '\u{202e}']));
}

#[test]
fn log_lines_are_on_stderr_and_only_if_asked_for() {
    let settings = "backup: { destination: /backups }";
    let run =
        |more: &[&str]| RedisOps::new().file("redis-ops.yaml", settings).args(["list", "-i", "x"]).args(more).run();
    assert!(!run(&[]).stderr.contains("settings file"));
    assert!(run(&["-v"]).stderr.contains("settings file path=redis-ops.yaml"));
    let of_variable = RedisOps::new()
        .file("redis-ops.yaml", settings)
        .args(["list", "-i", "x"])
        .env("REDIS_OPS_LOG", "redis_ops=info")
        .run();
    assert!(of_variable.stderr.contains("settings file"), "{}", of_variable.stderr);
    RedisOps::new()
        .args(["list"])
        .env("REDIS_OPS_LOG", "=====")
        .stderr(
            "error: invalid value in the environment variable REDIS_OPS_LOG\n\n\
             hint: `info`, or `redis_ops=debug,aws_config=info`\n",
        )
        .exit(3);
}

#[test]
fn an_answer_that_its_schema_does_not_know_is_refused_by_the_tests() {
    let (_, good) = RedisOps::new().args(["explain", "M06"]).json();
    type Change = fn(&mut serde_json::Map<String, Value>);
    let changes: [(&str, Change); 6] = [
        ("does not name `new`", |answer| drop(answer.insert("new".into(), 1.into()))),
        ("without why", |answer| drop(answer.remove("why"))),
        ("against type", |answer| drop(answer.insert("title".into(), 1.into()))),
        ("against enum", |answer| drop(answer.insert("topic".into(), "weather".into()))),
        ("against const", |answer| drop(answer.insert("schema_version".into(), 2.into()))),
        ("against format", |answer| drop(answer.insert("started_at".into(), "yesterday".into()))),
    ];
    assert_eq!(schema::check(&good), Ok(()));
    for (why, change) in changes {
        let mut bad = good.clone();
        change(bad.as_object_mut().unwrap());
        let refused = schema::check(&bad).expect_err(why);
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn verbose_says_each_step_and_never_a_password() {
    const PASSWORD: &str = "hunter2-never-shown";
    let Some(server) = RedisServer::builder().password(PASSWORD).start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let backup = |verbose: &str| {
        let url = format!("redis://127.0.0.1:{}", server.port());
        let line = ["backup", "-i", &url, "--name", "prod", "-r", &folder.path().display().to_string(), verbose];
        let run = RedisOps::new().args(line).env("REDISCLI_AUTH", PASSWORD).run();
        assert_eq!(run.code, 0, "{}", run.everything());
        assert!(!run.everything().contains(PASSWORD), "{verbose}: {}", run.stderr);
        run.stderr
    };
    let said = backup("-v");
    for words in ["connected to 127.0.0.1:", "reading from 127.0.0.1:", "wrote prod/", "/manifest.json, "] {
        assert!(said.contains(words), "no `{words}` in {said}");
    }
    assert!(!said.contains("sent INFO"), "{said}");
    assert!(
        said.lines().all(|line| !line.contains("wrote ") || line.starts_with("20")),
        "each line has its time: {said}"
    );
    assert!(backup("-vv").contains("sent INFO"));
    backup("-vvv");
}
