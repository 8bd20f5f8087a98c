//! `lock`: a job under a lock on a real server.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::backup::failure;
use crate::support::redis_ops::{RedisOps, Running};
use crate::support::redis_server::{RedisServer, servers};

fn lock(server: &RedisServer, action: &str, more: &[&str]) -> RedisOps {
    RedisOps::new().args(["lock", action, "-i", &server.url(), "--key", "lock:nightly"]).args(more)
}

/// A job that goes on until it is ended, with a child that would outlive it; says so once both run, in a file of its own.
fn at_work(server: &RedisServer, more: &[&str]) -> (Running, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let script = "sleep 1000 & echo $! > child.new; mv child.new child; wait";
    let run = lock(server, "run", more).args(["--", "sh", "-c", script]).dir(folder.path()).spawn();
    let begun = Instant::now();
    while !folder.path().join("child").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the job never began");
        std::thread::sleep(Duration::from_millis(5));
    }
    (run, folder)
}

/// The child of the job is gone, or about to be taken by its parent.
#[track_caller]
fn is_gone(folder: &tempfile::TempDir) {
    let pid = std::fs::read_to_string(folder.path().join("child")).unwrap();
    let begun = Instant::now();
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the child of the job goes on: {stat}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_job_runs_under_the_lock_and_its_exit_code_is_ours() {
    for installed in servers() {
        let Some(server) = RedisServer::builder().version(&installed).start() else { return };
        let script = "echo \"$REDIS_OPS_LOCK_KEY $REDIS_OPS_LOCK_TOKEN\"; exit 7";
        let run = lock(&server, "run", &["--", "sh", "-c", script]).run();
        let words: Vec<&str> = run.text().split_whitespace().collect();
        assert_eq!((run.code, words[0], words[1].len()), (7, "lock:nightly", 32), "{}", run.everything());
        assert_eq!(server.cli(&["EXISTS", "lock:nightly"]), "0", "it is released");
        let run = lock(&server, "run", &["--json", "--", "true"]).run();
        assert_eq!((run.code, &run.json()["exit_code"]), (0, &Value::from(0)), "{}", run.everything());
        // What the job prints is not in the way of the one object.
        let run = lock(&server, "run", &["--json", "--", "echo", "words of the job"]).run();
        assert_eq!((run.code, &run.json()["exit_code"]), (0, &Value::from(0)), "{}", run.everything());
        assert!(run.stderr.contains("words of the job"), "{}", run.everything());
        let run = lock(&server, "run", &["--json", "--", "/nowhere/at-all"]).run();
        assert_eq!(failure(&run), (2, "not_found".to_owned()), "{}", run.everything());
        assert_eq!(server.cli(&["EXISTS", "lock:nightly"]), "0", "it is released");
        // A job that a signal has ended says so as a shell does.
        assert_eq!(lock(&server, "run", &["--", "sh", "-c", "kill -TERM $$"]).run().code, 143);
    }
}

#[test]
fn a_second_job_hears_who_has_the_lock_and_the_lock_lives_as_long_as_the_job() {
    let Some(server) = RedisServer::start() else { return };
    let (running, folder) = at_work(&server, &["--ttl", "4s"]);
    let run = lock(&server, "run", &["--json", "--", "true"]).run();
    assert_eq!(failure(&run), (2, "locked".to_owned()), "{}", run.text());
    let message = run.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains(&format!("held by process {} on host ", running.id())), "{message}");
    // It is renewed: the server says so more often than it would live alone.
    server.wait_for("renewals", |server| {
        let calls = server.cli(&["INFO", "commandstats"]);
        let calls =
            calls.lines().find_map(|line| line.strip_prefix("cmdstat_pexpire:calls=")?.split(',').next()?.parse().ok());
        calls.unwrap_or(0) >= 3
    });
    let (_, status) = lock(&server, "status", &[]).json();
    let token = status["lock"]["token"].as_str().unwrap().to_owned();
    assert_eq!(status["held"], true, "{status}");
    let wrong = lock(&server, "release", &["--token", "wrong", "--json"]).run();
    assert_eq!(failure(&wrong), (2, "locked".to_owned()));

    // Released by hand: the job is ended, and what it has started as well.
    let (code, released) = lock(&server, "release", &["--token", &token]).json();
    assert_eq!((code, &released["released"]), (0, &true.into()), "{released}");
    let run = running.wait();
    assert!(run.code == 2 && run.stderr.contains("the lock lock:nightly was lost"), "{}", run.everything());
    is_gone(&folder);
    let (_, status) = lock(&server, "status", &[]).json();
    assert_eq!(status["held"], false, "{status}");
    let nothing = lock(&server, "release", &["--token", &token, "--json"]).run();
    assert_eq!(failure(&nothing), (2, "not_found".to_owned()));
}

#[test]
fn the_lock_of_another_is_never_removed_or_renewed() {
    let Some(server) = RedisServer::start() else { return };
    let (running, folder) = at_work(&server, &["--ttl", "4s"]);
    server.ok(&["SET", "lock:nightly", "of-another"]);
    let run = running.wait();
    assert_eq!(run.code, 2, "{}", run.everything());
    is_gone(&folder);
    assert_eq!(
        (server.cli(&["GET", "lock:nightly"]), server.cli(&["TTL", "lock:nightly"])),
        ("of-another".into(), "-1".into())
    );
}

#[test]
fn a_job_ends_when_its_server_is_gone_and_when_a_signal_comes() {
    let Some(mut server) = RedisServer::start() else { return };
    let (running, folder) = at_work(&server, &["--ttl", "20s"]);
    running.signal("TERM");
    let run = running.wait();
    assert_eq!(run.code, 143, "{}", run.everything());
    is_gone(&folder);
    assert_eq!(server.cli(&["EXISTS", "lock:nightly"]), "0", "it is released");

    // Ctrl-\ reaches us and not the job.
    let (running, folder) = at_work(&server, &["--ttl", "20s"]);
    running.signal("QUIT");
    let run = running.wait();
    assert_eq!(run.code, 131, "{}", run.everything());
    is_gone(&folder);
    assert_eq!(server.cli(&["EXISTS", "lock:nightly"]), "0", "it is released");

    let (running, folder) = at_work(&server, &["--ttl", "4s"]);
    server.kill();
    let run = running.wait();
    assert!(run.code == 2 && run.stderr.contains("was lost"), "{}", run.everything());
    is_gone(&folder);
}

#[test]
fn a_job_waits_for_the_lock() {
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["SET", "lock:nightly", "t", "PX", "300"]);
    assert_eq!(lock(&server, "run", &["--wait-lock", "1m", "--", "true"]).run().code, 0);
}

#[test]
fn a_lock_is_written_only_to_a_server_that_was_typed() {
    let run = RedisOps::new()
        .env("REDIS_OPS_INSTANCE", "redis://127.0.0.1:1")
        .args(["lock", "run", "--key", "k", "--json", "--", "true"])
        .run();
    assert_eq!(failure(&run), (3, "usage".to_owned()), "{}", run.text());
    for line in [
        &["run", "--key", "k"][..],
        &["run", "--", "true"],
        &["release", "--key", "k"],
        &["status", "--key", "k", "--token", "t"],
    ] {
        let run = RedisOps::new().args(["lock", "-i", "redis://127.0.0.1:1", "--json"]).args(line).run();
        // What stands behind `--` is the job's.
        assert_eq!(run.code, 3, "{line:?}: {}", run.everything());
    }
}

#[test]
fn the_lock_is_the_jobs_own_until_it_has_ended_however_long_that_takes() {
    let Some(server) = RedisServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    // It is asked to end, and takes twice as long as the lock would live alone.
    let script = "trap 'touch asked; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.5; done; touch ended; exit 5' TERM; \
                  touch begun; while :; do sleep 0.1; done";
    let running = lock(&server, "run", &["--ttl", "3s", "--", "sh", "-c", script]).dir(folder.path()).spawn();
    let there = |name: &str| folder.path().join(name).exists();
    server.wait_for("the job", |_| there("begun"));
    running.signal("TERM");
    server.wait_for("its end", |server| {
        let held = server.cli(&["EXISTS", "lock:nightly"]);
        assert!(there("ended") || held == "1", "the lock has lapsed under a job that runs");
        there("ended")
    });
    assert_eq!(running.wait().code, 143);
    assert_eq!(server.cli(&["EXISTS", "lock:nightly"]), "0", "it is released");
}

#[test]
fn ctrl_z_does_not_stop_a_job_under_a_lock() {
    let Some(server) = RedisServer::start() else { return };
    let (running, folder) = at_work(&server, &["--ttl", "6s"]);
    running.signal("TSTP");
    let renewals = |server: &RedisServer| -> u64 {
        let calls = server.cli(&["INFO", "commandstats"]);
        let of = |line: &str| line.strip_prefix("cmdstat_pexpire:calls=")?.split(',').next()?.parse().ok();
        calls.lines().find_map(of).unwrap_or(0)
    };
    let before = renewals(&server);
    server.wait_for("renewals", |server| renewals(server) >= before + 3);
    running.signal("TERM");
    let run = running.wait();
    assert!(run.code == 143 && run.stderr.contains("`sh` is not stopped"), "{}", run.everything());
    is_gone(&folder);
}

#[test]
fn what_is_no_lock_of_ours_is_said_to_be_that() {
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["SET", "lock:nightly", "plain"]);
    let run = lock(&server, "status", &[]).run();
    assert!(
        run.text().contains("holds a value that redis-ops did not write (`plain`), and has no time to live"),
        "{}",
        run.everything()
    );
    // No time is waited for that brings it to an end.
    let run = lock(&server, "run", &["--", "true"]).run();
    assert!(run.code == 2 && run.stderr.contains("hint: choose another `--key`"), "{}", run.everything());
    assert!(!run.stderr.contains("wait-lock"), "{}", run.everything());
    server.ok(&["PEXPIRE", "lock:nightly", "99000"]);
    let run = lock(&server, "run", &["--", "true"]).run();
    assert!(run.code == 2 && run.stderr.contains("held by another program (value `plain`)"), "{}", run.everything());
    assert!(run.stderr.contains("hint: to wait for the lock: `--wait-lock 10m`"), "{}", run.everything());
    server.ok(&["DEL", "lock:nightly"]);
    server.ok(&["HSET", "lock:nightly", "f", "v"]);
    for action in [&["status"][..], &["run", "--", "true"]] {
        let run = RedisOps::new().args(["lock", "-i", &server.url(), "--key", "lock:nightly"]).args(action).run();
        assert!(run.code == 2 && run.stderr.contains("cannot "), "{}", run.everything());
    }
}

#[test]
fn a_signal_that_means_something_to_the_job_reaches_it_and_the_lock_is_held() {
    let Some(server) = RedisServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = "trap 'echo usr1 >> heard' USR1; trap 'echo usr2 >> heard' USR2; trap 'echo alrm >> heard; exit 9' ALRM; \
                  touch begun; while :; do sleep 0.05; done";
    let running = lock(&server, "run", &["--", "sh", "-c", script]).dir(folder.path()).spawn();
    server.wait_for("the job", |_| folder.path().join("begun").exists());
    let mut expected = String::new();
    for (signal, line) in [("USR1", "usr1\n"), ("USR2", "usr2\n"), ("ALRM", "alrm\n")] {
        running.signal(signal);
        expected += line;
        let heard = || std::fs::read_to_string(folder.path().join("heard")).unwrap_or_default();
        server.wait_for(signal, |_| heard() == expected);
    }
    assert_eq!(running.wait().code, 9);
    assert_eq!(server.cli(&["EXISTS", "lock:nightly"]), "0", "it is released");
}

#[test]
fn one_that_was_suspended_for_longer_than_its_lock_lives_says_so() {
    let Some(server) = RedisServer::start() else { return };
    let (running, folder) = at_work(&server, &["--ttl", "1s"]);
    running.signal("STOP");
    server.wait_for("the lock to lapse", |server| server.cli(&["EXISTS", "lock:nightly"]) == "0");
    running.signal("CONT");
    let run = running.wait();
    assert_eq!(run.code, 2, "{}", run.everything());
    assert!(run.stderr.contains("redis-ops itself, or the whole machine, was suspended"), "{}", run.everything());
    is_gone(&folder);
}

#[test]
fn an_empty_key_is_refused() {
    for action in [&["run", "--json", "--", "true"][..], &["status", "--json"], &["release", "--token", "t", "--json"]]
    {
        let run = RedisOps::new().args(["lock", "-i", "redis://127.0.0.1:1", "--key", ""]).args(action).run();
        assert_eq!(failure(&run), (3, "usage".to_owned()), "{action:?}: {}", run.everything());
    }
}

#[test]
fn a_second_signal_leaves_no_job_without_its_lock() {
    let Some(server) = RedisServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    // It takes no notice of being asked.
    let script = "trap 'touch asked' TERM; sleep 1000 & echo $! > child.new; mv child.new child; touch begun; \
                  while :; do sleep 0.05; done";
    let running = lock(&server, "run", &["--", "sh", "-c", script]).dir(folder.path()).spawn();
    server.wait_for("the job", |_| folder.path().join("begun").exists());
    running.signal("TERM");
    server.wait_for("its signal", |_| folder.path().join("asked").exists());
    running.signal("QUIT");
    assert_eq!(running.wait().code, 131);
    is_gone(&folder);
}
