//! Keys that are being written under another name: they never stay, and a value that lost one is written anew.

use std::time::{Duration, Instant};

use redis_ops::explain::Status;
use redis_ops::restore::{Existing, Method, Rate};

use super::stored::{Stored, message, with_each};
use super::support::{Restore, census, census_of};
use crate::support::redis_server::{RedisServer, servers};

/// Names that a restore gives to keys that are not complete.
fn temporary(server: &RedisServer) -> String {
    server.ok(&["KEYS", "*}redis-ops:*"])
}

/// A value of every kind, each of about two megabytes, so that it is written in several parts; and small ones.
fn fill(server: &RedisServer) {
    let filler = "x".repeat(500);
    let mut client = server.client();
    for part in 0..40 {
        let values: Vec<String> = (0..100).map(|number| format!("{part}:{number}:{filler}")).collect();
        let scores: Vec<String> = (0..100).map(|number| (part * 100 + number).to_string()).collect();
        let mut commands: Vec<Vec<&[u8]>> = Vec::new();
        let all = |head: [&'static str; 2]| -> Vec<&[u8]> {
            head.iter().map(|word| word.as_bytes()).chain(values.iter().map(|value| value.as_bytes())).collect()
        };
        commands.push(all(["RPUSH", "a list"]));
        commands.push(all(["SADD", "a set"]));
        let pairs = |head: [&'static str; 2]| -> Vec<&[u8]> {
            let both = scores.iter().zip(&values).flat_map(|(score, value)| [score.as_bytes(), value.as_bytes()]);
            head.iter().map(|word| word.as_bytes()).chain(both).collect()
        };
        commands.push(pairs(["ZADD", "a sorted set"]));
        commands.push(pairs(["HSET", "a hash"]));
        for value in &values {
            commands.push(vec![b"XADD", b"a stream", b"*", b"field", value.as_bytes()]);
        }
        client.pipe(commands).unwrap();
    }
    for command in [
        &["XGROUP", "CREATE", "a stream", "readers", "0"][..],
        &["XREADGROUP", "GROUP", "readers", "one", "COUNT", "1500", "STREAMS", "a stream", ">"],
        &["SETRANGE", "a string", "1000000", "end"],
        &["SET", "expires", "v", "EX", "100000"],
        &["RPUSH", "small", "1", "2"],
        &["EXPIRE", "a list", "100000"],
    ] {
        server.ok(command);
    }
}

fn rdb(server: &RedisServer) -> Vec<u8> {
    server.save();
    std::fs::read(server.dir().join("dump.rdb")).unwrap()
}

#[track_caller]
fn check_equal(server: &RedisServer, rdb: &[u8]) {
    let now = redis_ops::restore::run::now_ms();
    assert_eq!(census_of(server, now).digest, census(rdb, now).digest, "{}", server.installed().name);
    assert_eq!(temporary(server), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_stalls_for_longer_than_a_temporary_key_lives_costs_only_a_second_look() {
    let all = servers();
    let conflicts = [(Existing::MustBeEmpty, all.len()), (Existing::Replace, 1), (Existing::Skip, 1)];
    for (existing, n_servers) in conflicts {
        for installed in &all[..n_servers.min(all.len())] {
            let source = RedisServer::builder().version(installed).start().unwrap();
            fill(&source);
            let (rdb, target) = (rdb(&source), RedisServer::builder().version(installed).start().unwrap());
            if existing != Existing::MustBeEmpty {
                target.ok(&["SET", "other", "mine"]);
            }
            let mut restore = Restore::of(&rdb).options(|options| {
                options.temporary_ttl = Duration::from_millis(1_000);
                options.existing = existing;
            });
            restore.stalls = Some(Duration::from_millis(2_500));
            let report = restore.run(&target, Method::Commands).await.unwrap();
            assert_eq!(report.status(), Status::Ok, "{}: {report:?}", installed.name);
            assert!(report.adds_up());
            target.cli(&["DEL", "other"]);
            check_equal(&target, &rdb);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_temporary_key_never_lasts_fails_and_is_brought_by_resume() {
    let Some(source) = RedisServer::start() else { return };
    fill(&source);
    let (rdb, state) = (rdb(&source), tempfile::tempdir().unwrap());
    let target = RedisServer::start().unwrap();
    let mut restore = Restore::of(&rdb).options(|options| {
        // Each part comes later than the one before it lasts.
        options.temporary_ttl = Duration::from_millis(1);
        options.rate = Some(Rate::Bytes(8 << 20));
    });
    restore.state = Some(state.path().to_owned());
    let report = restore.run(&target, Method::Commands).await.unwrap();
    assert_eq!(report.status(), Status::Failed, "{report:?}");
    assert!(report.adds_up() && report.resumable && report.tally.failed > 0, "{report:?}");
    assert!(report.tally.failures[0].reason.contains("temporary key"), "{report:?}");
    assert_eq!(target.ok(&["EXISTS", "a list"]), "0");

    let mut restore = Restore::of(&rdb).options(|options| options.resume = true);
    restore.state = Some(state.path().to_owned());
    let report = restore.run(&target, Method::Commands).await.unwrap();
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert!(report.adds_up() && report.tally.failed == 0 && !report.resumable, "{report:?}");
    check_equal(&target, &rdb);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_evicts_temporary_keys_is_never_given_half_a_value() {
    for policy in ["volatile-ttl", "volatile-lru"] {
        let Some(source) = RedisServer::start() else { return };
        fill(&source);
        let (rdb, state) = (rdb(&source), tempfile::tempdir().unwrap());
        let target = RedisServer::start().unwrap();
        target.fill(1000, 1000);
        let used: u64 = target.info("used_memory").parse().unwrap();
        target.ok(&["CONFIG", "SET", "maxmemory-policy", policy]);
        target.ok(&["CONFIG", "SET", "maxmemory", &(used + 2_000_000).to_string()]);
        let of = |resume| {
            let mut restore = Restore::of(&rdb).options(|options| {
                options.resume = resume;
                options.existing = Existing::Replace;
            });
            restore.state = Some(state.path().to_owned());
            restore
        };
        let report = of(false).run(&target, Method::Commands).await.unwrap();
        assert_eq!(report.status(), Status::Failed, "{policy}: {report:?}");
        for (key, count, expected) in [
            ("a list", "LLEN", "4000"),
            ("a set", "SCARD", "4000"),
            ("a sorted set", "ZCARD", "4000"),
            ("a hash", "HLEN", "4000"),
            ("a stream", "XLEN", "4000"),
        ] {
            let found = target.cli(&[count, key]);
            assert!([expected, "0"].contains(&found.as_str()), "{policy}: {key} has {found}: {report:?}");
        }
        target.ok(&["CONFIG", "SET", "maxmemory", "0"]);
        if report.resumable {
            let report = of(true).run(&target, Method::Commands).await.unwrap();
            assert_eq!((report.tally.failed, report.adds_up()), (0, true), "{policy}: {report:?}");
            assert_eq!(target.ok(&["LLEN", "a list"]), "4000");
        }
        assert_eq!(temporary(&target), "");
    }
}

/// A restore by typed commands that was begun, slow enough to be caught with a key that is not complete.
fn under_way(stored: &Stored, target: &RedisServer, more: &[&str]) -> crate::support::redis_ops::Running {
    let words = ["--method", "commands", "--rate", "2MB", "--accept-loss"];
    let run = stored.restoring(target, &words).args(more).spawn();
    let begun = Instant::now();
    while temporary(target).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no temporary key was seen");
        std::thread::sleep(Duration::from_millis(3));
    }
    run
}

#[test]
fn what_a_killed_restore_has_left_is_gone_after_the_one_that_goes_on() {
    with_each(|installed| {
        let source = RedisServer::builder().version(installed).start().unwrap();
        fill(&source);
        let stored = Stored::of(&source);
        let rdb = rdb(&source);
        for more in [&[][..], &["--on-conflict", "replace", "--no-safety-backup", "--yes"]] {
            let target = RedisServer::builder().version(installed).start().unwrap();
            if !more.is_empty() {
                target.ok(&["SET", "other", "mine"]);
            }
            under_way(&stored, &target, more).signal("KILL");
            // Its connections are closed: what it had sent is done.
            target
                .wait_for("nobody to be there", |target| !target.ok(&["CLIENT", "LIST"]).contains("redis-ops-restore"));
            for name in temporary(&target).lines() {
                let ttl: i64 = target.ok(&["PTTL", name]).parse().unwrap();
                assert!(ttl > 0, "{}: {name} stays for ever", installed.name);
            }
            let words = ["--method", "commands", "--accept-loss", "--resume"];
            let (code, answer) = stored.restoring(&target, &words).args(more).json();
            assert_eq!(code, 0, "{}: {answer}", installed.name);
            assert_eq!(answer["result"]["failed"], 0, "{answer}");
            target.cli(&["DEL", "other"]);
            check_equal(&target, &rdb);
        }
    });
}

#[test]
fn what_a_killed_restore_has_left_is_gone_after_the_one_that_begins_anew() {
    with_each(|installed| {
        let source = RedisServer::builder().version(installed).start().unwrap();
        fill(&source);
        let stored = Stored::of(&source);
        let target = RedisServer::builder().version(installed).start().unwrap();
        target.ok(&["SET", "of somebody}redis-ops:0000000000000001:1", "mine"]);
        under_way(&stored, &target, &["--on-conflict", "skip"]).signal("KILL");
        target.wait_for("nobody to be there", |target| !target.ok(&["CLIENT", "LIST"]).contains("redis-ops-restore"));
        let left = temporary(&target).lines().count();
        // Another choice is another restore: it knows nothing of where that one was.
        let (code, answer) = stored.restore(&target, &["--on-conflict", "replace", "--no-safety-backup", "--yes"]);
        assert_eq!(code, 0, "{}: {answer}", installed.name);
        assert_eq!(answer["result"]["leftovers"], left - 1, "{answer}");
        assert_eq!(temporary(&target), "of somebody}redis-ops:0000000000000001:1", "{}", installed.name);
    });
}

#[test]
fn what_a_broken_link_has_left_is_gone_after_the_restore_that_goes_on() {
    with_each(|installed| {
        let source = RedisServer::builder().version(installed).start().unwrap();
        fill(&source);
        let stored = Stored::of(&source);
        let target = RedisServer::builder().version(installed).start().unwrap();
        let run = under_way(&stored, &target, &["--json"]);
        target.ok(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        let ended = run.wait();
        assert_eq!(ended.code, 2, "{}: {}", installed.name, ended.stderr);
        assert_eq!(ended.json()["result"]["resumable"], true, "{}", message(&ended.json()));
        let (code, answer) = stored.restoring(&target, &["--method", "commands", "--accept-loss", "--resume"]).json();
        assert_eq!((code, &answer["result"]["failed"]), (0, &0.into()), "{}: {answer}", installed.name);
        check_equal(&target, &rdb(&source));
    });
}

#[test]
fn keys_that_were_sent_after_the_last_word_of_the_journal_do_not_stop_the_one_that_goes_on() {
    with_each(|installed| {
        let source = RedisServer::builder().version(installed).start().unwrap();
        source.fill(20_000, 100);
        let stored = Stored::of(&source);
        for method in ["restore", "commands"] {
            let target = RedisServer::builder().version(installed).start().unwrap();
            let run = stored.restoring(&target, &["--method", method, "--rate", "1MB"]).spawn();
            target.wait_for("some keys", |target| target.ok(&["DBSIZE"]).parse::<u64>().unwrap() > 500);
            run.signal("KILL");
            target
                .wait_for("nobody to be there", |target| !target.ok(&["CLIENT", "LIST"]).contains("redis-ops-restore"));
            let (code, answer) = stored.restoring(&target, &["--method", method, "--resume"]).json();
            assert_eq!((code, target.ok(&["DBSIZE"]).as_str()), (0, "20000"), "{} {method}: {answer}", installed.name);
        }
    });
}
