//! Keys expire by the clock of the server that holds them: where it is not ours, the plan says so, and the counts are right.

use serde_json::Value;

use super::stored::{Stored, with_each};
use crate::support::redis_server::{Installed, RedisServer, servers, shifts_clocks};

/// Ten keys that live for ten minutes, and five that stay.
fn backup_with_expiries(installed: &Installed, ahead: i64) -> Stored {
    let source = RedisServer::builder().version(installed).clock_ahead(ahead).start().unwrap();
    for number in 0..10 {
        source.ok(&["SET", &format!("short:{number}"), "1", "EX", "600"]);
    }
    for number in 0..5 {
        source.ok(&["SET", &format!("long:{number}"), "1"]);
    }
    Stored::of(&source)
}

fn line<'a>(plan: &'a Value, code: &str) -> Option<&'a Value> {
    plan["plan"]["lines"].as_array().unwrap().iter().find(|line| line["code"] == code)
}

fn text<'a>(plan: &'a Value, code: &str) -> &'a str {
    line(plan, code).and_then(|line| line["text"].as_str()).unwrap_or_default()
}

#[test]
fn keys_that_die_of_a_target_whose_clock_is_ahead_are_expired_and_not_restored() {
    if !shifts_clocks() {
        return;
    }
    with_each(|installed| {
        let stored = backup_with_expiries(installed, 0);
        let ahead = || RedisServer::builder().version(installed).clock_ahead(3_600).start().unwrap();
        for method in ["replica", "restore", "commands"] {
            let target = ahead();
            let (code, plan) = stored.restore(&target, &["--method", method, "--plan"]);
            let words = format!("{} {method}: {plan}", installed.name);
            assert_eq!(code, 1, "{words}");
            assert!(text(&plan, "clock").contains("ahead of this machine's: 10 keys have already expired"), "{words}");
            assert_eq!(line(&plan, "clock").unwrap()["level"], "warning", "{words}");

            let run = stored.restoring(&target, &["--method", method, "--json"]).run();
            let (code, answer) = (run.code, run.json());
            let words = format!("{} {method}: {answer}", installed.name);
            let (result, proof) = (&answer["result"], &answer["proof"]);
            let counts = ["in_backup", "restored", "expired", "failed"].map(|name| result[name].as_u64().unwrap());
            assert_eq!((code, counts), (1, [15, 5, 10, 0]), "{words}");
            assert_eq!((&proof["equal"], &proof["missing"], &proof["expired"]), (&5.into(), &0.into(), &10.into()));
            target.wait_for("what has expired to go", |target| target.ok(&["DBSIZE"]) == "5");

            // They live for as long as they had left, by the clock that decides.
            target.ok(&["FLUSHALL"]);
            let (code, answer) = stored.restore(&target, &["--method", "restore", "--ttl", "shift"]);
            assert_eq!((code, &answer["result"]["restored"]), (0, &15.into()), "{words}\n{answer}");
            let left: i64 = target.ok(&["TTL", "short:0"]).parse().unwrap();
            assert!((500..=600).contains(&left), "{words}: {left}");
        }
        let target = ahead();
        let run = stored.restoring(&target, &["--method", "replica"]).run();
        assert!(run.text().contains("holds 5 keys as in the backup, and 10 have expired"), "{}", run.text());
        let (code, plan) = stored.restore(&ahead(), &["--ttl", "strip", "--plan"]);
        assert_eq!((code, line(&plan, "clock")), (0, None), "{plan}");
    });
}

#[test]
fn a_clock_that_is_behind_is_warned_of_and_loses_nothing() {
    if !shifts_clocks() {
        return;
    }
    let Some(installed) = servers().into_iter().next() else { return };
    let stored = backup_with_expiries(&installed, 0);
    let target = RedisServer::builder().version(&installed).clock_ahead(-3_600).start().unwrap();
    let (code, plan) = stored.restore(&target, &["--plan"]);
    assert!(code == 0 && text(&plan, "clock").contains("1 h behind this machine's"), "{plan}");
    let (code, answer) = stored.restore(&target, &[]);
    assert_eq!((code, &answer["proof"]["equal"]), (0, &15.into()), "{answer}");

    // That of the server that the backup is of.
    let stored = backup_with_expiries(&installed, -3_600);
    let target = RedisServer::builder().version(&installed).start().unwrap();
    let (code, plan) = stored.restore(&target, &["--plan"]);
    let words = text(&plan, "clock_of_source");
    // With the keys that have expired by our clock, as the run counts them.
    assert!(code == 1 && words.contains("at least") && words.contains("behind this machine's"), "{plan}");
    let (code, answer) = stored.restore(&target, &[]);
    let counts = ["restored", "expired"].map(|name| answer["result"][name].as_u64().unwrap());
    assert_eq!((code, counts), (1, [5, 10]), "{answer}");
    target.ok(&["FLUSHALL"]);
    let (code, answer) = stored.restore(&target, &["--ttl", "shift"]);
    assert_eq!((code, &answer["result"]["restored"]), (0, &15.into()), "{answer}");
    let left: i64 = target.ok(&["TTL", "short:0"]).parse().unwrap();
    assert!((500..=600).contains(&left), "{left}");
}

/// What expires after the target has taken it is gone when the restore ends: all numbers say the same.
#[test]
fn keys_that_expire_before_they_are_compared_count_as_expired_everywhere() {
    let Some(source) = RedisServer::start() else { return };
    source.fill(2_000, 100);
    source.ok(&["SET", "short", "1", "PX", "2500"]);
    let stored = Stored::of(&source);
    let target = RedisServer::start().unwrap();
    // The restore takes longer than the key has left.
    let (code, answer) = stored.restore(&target, &["--method", "restore", "--rate", "70kB"]);
    let result = &answer["result"];
    let counts = ["in_backup", "restored", "expired"].map(|name| result[name].as_u64().unwrap());
    assert_eq!((code, counts), (1, [2_001, 2_000, 1]), "{answer}");
    assert_eq!((&answer["proof"]["equal"], &answer["proof"]["missing"]), (&2_000.into(), &0.into()), "{answer}");
}
