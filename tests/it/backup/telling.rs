//! Telling others how a backup has ended: commands of the user, and a monitor.

use std::time::{Duration, Instant};

use super::{Folder, backup};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;
use crate::support::web::{Answer, Web};

const NOWHERE: &str = "redis://127.0.0.1:1";

#[test]
fn a_command_gets_the_answer_on_stdin_and_no_password() {
    let Some(server) = RedisServer::builder().password("hunter2-and-more").start() else { return };
    let folder = Folder::new();
    let home = tempfile::tempdir().unwrap();
    let hook = |name: &str| format!("cat > {name}; env > {name}.env");
    let (good, bad) = (hook("good"), hook("bad"));
    let told = ["--on-success", &good, "--on-failure", &bad];
    let run = |url: &str| {
        let run = backup(url, &folder.text(), &told).dir(home.path());
        run.env("REDIS_OPS_PASSWORD", "hunter2-and-more")
            .env("ANOTHER_NAME", "x hunter2-and-more y")
            .env("PGPASSWORD", "other-pw")
            .env("sessions_password", "other-pw")
            .env("HTTPS_PROXY_OF_OTHERS", "http://u:other-pw@proxy:1")
            .env("OTHER_INSTANCE", "redis://:other-pw@127.0.0.1:1")
            .env("A_URL", "http://proxy:1/a@b:c")
            .run()
    };
    let read = |name: &str| std::fs::read_to_string(home.path().join(name)).unwrap_or_default();
    let answer = |name: &str| serde_json::from_str::<serde_json::Value>(&read(name)).expect("JSON");

    let ran = run(&server.url());
    assert_eq!((ran.code, read("bad")), (0, String::new()), "{}", ran.everything());
    assert_eq!((&answer("good")["command"], &answer("good")["status"]), (&"backup".into(), &"ok".into()));
    assert!(answer("good")["backup"]["id"].is_string());
    assert!(
        read("good.env").contains("REDIS_OPS_EXIT_CODE=0")
            && !read("good.env").contains("hunter2-and-more")
            && !read("good.env").contains("other-pw")
            && read("good.env").contains("A_URL="),
        "{}",
        read("good.env")
    );

    let ran = run(NOWHERE);
    assert_eq!((ran.code, &answer("bad")["error"]["code"]), (2, &"connection_refused".into()), "{}", ran.everything());
    assert!(
        read("bad.env").contains("REDIS_OPS_EXIT_CODE=2") && !read("bad.env").contains("hunter2-and-more"),
        "{}",
        read("bad.env")
    );
}

#[test]
fn a_command_that_fails_floods_or_forks_changes_no_exit_code() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    for (hook, says) in [
        ("echo no way >&2; exit 3", "warning: the command of `--on-success` failed: exit 3"),
        ("head -c 200000000 /dev/zero | tr '\\0' x; exit 4", "failed: exit 4"),
        ("sleep 1000 & exit 5", "failed: exit 5"),
    ] {
        let begun = Instant::now();
        let run = backup(&server.url(), &folder.text(), &["--on-success", hook]).run();
        assert!(
            run.code == 0 && run.stderr.contains(says),
            "{hook}: {} {}",
            run.code,
            &run.stderr[..run.stderr.len().min(500)]
        );
        assert!(run.stderr.len() < 100_000 && begun.elapsed() < Duration::from_secs(59), "{hook}");
    }
}

#[test]
fn a_monitor_hears_of_the_start_and_of_the_end() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    let monitor = Web::start(|_| Answer { status: 200, headers: vec![], body: "OK".to_owned() });
    let url = format!("{}/ping/secret-uuid", monitor.endpoint());
    let run = backup(&server.url(), &folder.text(), &["--ping-url", &url]).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    assert_eq!(monitor.asked(), ["POST /ping/secret-uuid/start", "POST /ping/secret-uuid"]);
    let answer: serde_json::Value = serde_json::from_str(&monitor.bodies()[1]).expect("JSON");
    assert_eq!(answer["status"], "ok");

    // By the settings, and with a reason.
    let settings = format!("backup: {{ destination: \"{}\", ping_url: \"{url}\" }}\n", folder.text());
    let run = RedisOps::new().file("redis-ops.yaml", settings).args(["backup", "-i", NOWHERE]).run();
    assert_eq!(run.code, 2, "{}", run.everything());
    assert_eq!(monitor.asked()[2..], ["POST /ping/secret-uuid/fail"]);
    assert!(monitor.bodies()[2].contains("connection_refused"), "{:?}", monitor.bodies());
    // A plan tells nobody.
    assert_eq!(backup(&server.url(), &folder.text(), &["--ping-url", &url, "--plan"]).run().code, 0);
    assert_eq!(monitor.asked().len(), 3);
}

#[test]
fn a_monitor_that_cannot_be_told_changes_no_exit_code_and_its_path_is_no_news() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    let refuses = Web::start(|_| Answer { status: 404, headers: vec![], body: String::new() });
    let url = format!("{}/secret-uuid", refuses.endpoint());
    let run = backup(&server.url(), &folder.text(), &["--ping-url", &url]).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    assert!(run.stderr.contains("could not be told of the start: it answered 404"), "{}", run.stderr);
    assert!(!run.everything().contains("secret-uuid"), "{}", run.everything());
    // What may pass is tried again.
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let late = Web::start(move |_| {
        let status = if tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 { 503 } else { 200 };
        Answer { status, headers: vec![], body: String::new() }
    });
    let url = format!("{}/x", late.endpoint());
    let run = backup(&server.url(), &folder.text(), &["--ping-url", &url]).run();
    assert_eq!((run.code, late.asked().len()), (0, 3), "{}", run.everything());
    assert!(!run.stderr.contains("could not be told"), "{}", run.stderr);
    let run = backup(&server.url(), &folder.text(), &["--ping-url", "ftp://x"]).run();
    assert_eq!(run.code, 3, "{}", run.everything());
}

#[test]
fn a_signal_ends_the_command_that_is_told_of_the_end() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    let home = tempfile::tempdir().unwrap();
    let running = backup(&server.url(), &folder.text(), &["--on-success", "touch begun; sleep 50; touch ended"])
        .dir(home.path())
        .spawn();
    let begun = Instant::now();
    while !home.path().join("begun").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the command never began");
        std::thread::sleep(Duration::from_millis(5));
    }
    let asked = Instant::now();
    running.signal("TERM");
    let run = running.wait();
    assert!(asked.elapsed() < Duration::from_secs(45) && !home.path().join("ended").exists(), "{}", run.everything());
    assert!(run.stderr.contains("a signal has ended it"), "{}", run.everything());
}
