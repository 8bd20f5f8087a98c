//! `--rate`: the plan reckons with what is sent, as the limit does.

use super::stored::{Stored, start};
use crate::support::redis_server::{RedisServer, server_named};

/// The seconds that a plan predicts for a method.
fn predicted(plan: &serde_json::Value, method: &str) -> f64 {
    let methods = plan["plan"]["methods"].as_array().unwrap();
    methods.iter().find(|one| one["method"] == method).and_then(|one| one["seconds"].as_f64()).unwrap()
}

#[test]
fn a_plan_reckons_with_the_bytes_that_are_sent() {
    let Some(installed) = server_named("redis-server-7.4").or_else(|| server_named("valkey-server-8.1")) else {
        return;
    };
    let every = |script: &str, n: u32| format!("for i = 1, {n} do {script} end return 'OK'");
    for (name, script) in [
        ("small strings", every("redis.call('SET', 's:' .. i, i)", 3000)),
        ("strings that expire", every("redis.call('SET', 'e:' .. i, 'v', 'EX', 1000000)", 3000)),
        ("small hashes", every("redis.call('HSET', 'h:' .. i, 'a', 1, 'b', 2)", 2000)),
        ("small sorted sets", every("redis.call('ZADD', 'z:' .. i, 1, 'a', 2.5, 'b')", 2000)),
        ("streams", every("redis.call('XADD', 'x:' .. i, '*', 'a', 1)", 1000)),
        ("long strings that are packed", every("redis.call('SET', 'l:' .. i, string.rep('x', 300000))", 4)),
        ("a long list", every("redis.call('RPUSH', 'list', string.rep('y', 100) .. i)", 6000)),
        ("a long hash", every("redis.call('HSET', 'hash', 'field:' .. i, string.rep('z', 60))", 6000)),
    ] {
        let (source, target) = (start(&installed), start(&installed));
        source.ok(&["EVAL", &script, "0"]);
        let stored = Stored::of(&source);
        for method in ["restore", "commands"] {
            let (code, plan) = stored.restore(&target, &["--plan", "--method", method, "--rate", "100kB"]);
            assert_eq!(code, 0, "{plan:#}");
            let reckoned = predicted(&plan, method) * 100_000.0;
            let received = |target: &RedisServer| target.info("total_net_input_bytes").parse::<f64>().unwrap();
            let before = received(&target);
            let (code, answer) = stored.restore(&target, &["--method", method, "--no-proof"]);
            assert_eq!(code, 0, "{answer:#}");
            // What it was asked before is a few thousand bytes; a prediction is no finer than a tenth of a second.
            let sent = received(&target) - before;
            let share = reckoned / sent;
            assert!(reckoned < 2.0 * sent && sent < 2.0 * reckoned + 20_000.0, "{name} by {method}: {share:.2}");
            target.ok(&["FLUSHALL"]);
        }
    }
}

#[test]
fn keys_that_expire_while_a_slow_restore_sends_are_foretold() {
    let Some(source) = RedisServer::start() else { return };
    // About 20 bytes of the RDB each, and 110 that are sent.
    source.ok(&["EVAL", "for i = 1, 2000 do redis.call('SET', 's:' .. i, 'v', 'EX', 100) end return 'OK'", "0"]);
    let (stored, target) = (Stored::of(&source), RedisServer::start().unwrap());
    let (code, plan) = stored.restore(&target, &["--plan", "--method", "restore", "--rate", "1kB"]);
    let lines = plan["plan"]["lines"].as_array().unwrap();
    assert!(code == 1 && lines.iter().any(|line| line["code"] == "expires_soon"), "{plan:#}");
}

#[test]
fn a_printed_line_that_repeats_a_restore_has_every_option_that_was_typed() {
    let Some(source) = RedisServer::start() else { return };
    source.fill(20, 10);
    let (stored, target) = (Stored::of(&source), RedisServer::start().unwrap());
    target.ok(&["SET", "mine", "1"]);
    let typed =
        ["--method", "restore", "--exclude", "zzz*", "--ttl", "shift", "--rate", "60kB", "--skip-verify", "--no-proof"];
    for more in [&["--plan"][..], &[]] {
        let (code, answer) = stored.restore(&target, &[&typed[..], more].concat());
        let hint = super::stored::hint(&answer);
        let line = hint.split('`').find(|part| part.starts_with("redis-ops restore ")).unwrap_or_default();
        assert_eq!(code, 2, "{answer:#}");
        let options =
            "--method restore --on-conflict replace --exclude 'zzz*' --ttl shift --rate 60000 --skip-verify --no-proof";
        assert!(line.ends_with(options), "{line}");
    }
}

#[test]
fn why_a_replica_goes_on_with_nothing_is_said_of_every_method() {
    let Some(source) = RedisServer::start() else { return };
    source.fill(20, 10);
    let (stored, target) = (Stored::of(&source), RedisServer::start().unwrap());
    let (_, plan) = stored.restore(&target, &["--plan", "--method", "restore", "--resume"]);
    let words = "an interrupted restore can be resumed only by method `restore` or `commands`";
    assert_eq!(plan["plan"]["methods"][0]["against"], words, "{plan:#}");
}
