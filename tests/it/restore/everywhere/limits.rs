//! What does not fit: memory, the longest value, time that has passed.

use super::super::stored::{Stored, backup_from, check, check_error, hint, keys, message, start, with_each};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Installed, RedisServer};

fn small(installed: &Installed, policy: &str) -> RedisServer {
    let builder = RedisServer::builder().version(installed).arg("maxmemory", "5mb");
    builder.arg("maxmemory-policy", policy).start().unwrap()
}

/// A file of a server that does not say how much memory it took, so that the plan cannot know.
fn silent_about_memory(installed: &Installed) -> tempfile::NamedTempFile {
    let server = start(installed);
    server.fill(3_000, 3_000);
    server.save();
    let mut rdb = std::fs::read(server.dir().join("dump.rdb")).unwrap();
    let at = rdb.windows(8).position(|words| words == b"used-mem").unwrap();
    rdb[at..at + 8].copy_from_slice(b"used-xem");
    let end = rdb.len() - 8;
    let sum = redis_ops::rdb::crc64(&rdb[..end]);
    rdb[end..].copy_from_slice(&sum.to_le_bytes());
    let file = tempfile::NamedTempFile::with_suffix(".rdb").unwrap();
    std::fs::write(file.path(), rdb).unwrap();
    file
}

#[test]
fn a_target_that_is_too_small_is_refused_before_and_told_apart_where_that_cannot_be_known() {
    with_each(|installed| {
        let (stored, file) = (backup_from(installed, 3_000, 3_000), silent_about_memory(installed));
        let name = file.path().display().to_string();
        for (policy, method) in [("noeviction", "restore"), ("noeviction", "commands"), ("allkeys-lru", "restore")] {
            let target = small(installed, policy);
            let answer = stored.restore(&target, &["--method", method]);
            check_error(&answer, "target_too_small");
            assert!(message(&answer.1).contains(policy) && hint(&answer.1).contains("maxmemory"), "{}", answer.1);
            assert_eq!(keys(&target), 0);

            let line = ["restore", "--file", &name, "--target-instance", &target.url(), "--method", method];
            let answer = RedisOps::new().args(line).json();
            let result = &answer.1["result"];
            let number = |value: &serde_json::Value| value.as_u64().unwrap();
            if policy == "noeviction" {
                check_error(&answer, "out_of_memory");
                assert_eq!(number(&result["restored"]), keys(&target), "{}", answer.1);
                assert!(message(&answer.1).contains("the target accepts no more data"), "{}", answer.1);
            } else {
                check_error(&answer, "target_too_small");
                assert!(message(&answer.1).contains("the target evicted"), "{}", answer.1);
                let there = number(&result["target"]["keys_after"]);
                assert_eq!(number(&result["restored"]), 3_000, "it said OK to all: {}", answer.1);
                assert_eq!(number(&result["target"]["evicted"]), 3_000 - there, "{}", answer.1);
            }
        }
    });
}

#[test]
fn a_value_of_a_module_that_is_not_there_is_lost_only_where_that_is_accepted() {
    // Two strings and a value of some module: its id, a number, the end. No checksum.
    let rdb = [
        b"REDIS0009".as_slice(),
        b"\x00\x05first\x01x",
        b"\x07\x04mine\x81\x12\x34\x56\x78\x9a\xbc\xde\x01\x02\x05\x00",
        b"\x00\x06second\x01x",
        &[0xff, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    let file = tempfile::NamedTempFile::with_suffix(".rdb").unwrap();
    std::fs::write(file.path(), rdb).unwrap();
    let name = file.path().display().to_string();
    with_each(|installed| {
        let target = start(installed);
        // Where there is one (Redis 8 has vector sets, Valkey 9.1 Lua) it is not known what it takes.
        if target.cli(&["INFO", "modules"]).contains("module:name") {
            return;
        }
        for (method, code) in [("restore", "module_missing"), ("commands", "unsupported_type")] {
            let line = ["restore", "--file", &name, "--target-instance", &target.url(), "--method", method];
            check_error(&RedisOps::new().args(line).json(), code);
            assert_eq!(keys(&target), 0);

            let answer = RedisOps::new().args(line).args(["--accept-loss"]).json();
            check(&answer, 1, method);
            let result = &answer.1["result"];
            let numbers = ["restored", "lost_count", "failed"].map(|name| result[name].as_u64());
            assert_eq!(numbers, [Some(2), Some(1), Some(0)], "{}", answer.1);
            assert_eq!(answer.1["proof"]["equal"], 2, "{}", answer.1);
            target.ok(&["FLUSHALL"]);
        }
    });
}

#[test]
fn keys_that_have_expired_since_are_counted_and_gone() {
    with_each(|installed| {
        let builder = RedisServer::builder().version(installed);
        let source = if installed.is("6.2") { builder } else { builder.arg("enable-debug-command", "yes") };
        let source = source.start().unwrap();
        source.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
        source.fill(50, 10);
        for number in 0..10 {
            source.ok(&["SET", &format!("gone:{number}"), "x", "PX", "1"]);
        }
        let (stored, target) = (Stored::of(&source), start(installed));
        for method in ["replica", "restore", "commands"] {
            target.ok(&["FLUSHALL"]);
            let answer = stored.restore(&target, &["--method", method]);
            check(&answer, 1, method);
            let result = &answer.1["result"];
            let number = |name: &str| result[name].as_u64().unwrap();
            assert_eq!((number("restored"), number("expired"), number("in_backup")), (50, 10, 60), "{}", answer.1);
            let proof = &answer.1["proof"];
            assert_eq!((&proof["missing"], &proof["different"]), (&0.into(), &0.into()), "{}", answer.1);
            target.wait_for("they are gone", |target| target.cli(&["DBSIZE"]) == "50");
        }
    });
}

/// A value that LZF does not shorten.
fn noise(length: usize) -> String {
    let mut state = 7_u64;
    let letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/"[(state >> 58) as usize])
    };
    std::iter::repeat_with(letter).take(length).collect()
}

#[test]
fn what_a_stream_loses_only_because_of_its_size_is_said_before_the_first_write() {
    let Some(source) = RedisServer::start() else { return };
    let value = noise(1_000);
    let ids: Vec<String> = (1..=6_000).map(|id| format!("{id}-1")).collect();
    source.pipe(ids.iter().map(|id| vec![b"XADD".as_slice(), b"large", id.as_bytes(), b"f", value.as_bytes()]));
    source.pipe((0..3_000).map(|_| vec![b"RPUSH".as_slice(), b"list", value.as_bytes()]));
    source.ok(&["XGROUP", "CREATE", "large", "group", "0"]);
    source.ok(&["XREADGROUP", "GROUP", "group", "reader", "COUNT", "3", "STREAMS", "large", ">"]);
    source.ok(&["XDEL", "large", "2-1"]);
    let stored = Stored::of(&source);
    // Every value could go as it is, but not in one piece.
    let target = RedisServer::builder().arg("proto-max-bulk-len", "1mb").start().unwrap();
    for method in ["restore", "commands"] {
        target.ok(&["FLUSHALL"]);
        let answer = stored.restore(&target, &["--method", method]);
        check_error(&answer, "pending_entries_lost");
        let reason = answer.1["error"]["causes"][0].as_str().unwrap_or_default();
        assert!(reason.starts_with("1 key: pending stream entries"), "{}", answer.1);
        assert!(hint(&answer.1).contains("--accept-loss"), "{}", answer.1);
        assert_eq!(keys(&target), 0);
        let answer = stored.restore(&target, &["--method", method, "--accept-loss"]);
        check(&answer, 1, method);
        assert_eq!((&answer.1["result"]["lost_in_part"], keys(&target)), (&1.into(), 2), "{}", answer.1);
        assert_eq!((target.ok(&["XLEN", "large"]), target.ok(&["LLEN", "list"])), ("5999".into(), "3000".into()));
        assert_eq!(target.ok(&["XPENDING", "large", "group"]).lines().next(), Some("2"), "those of living messages");
    }
    // The target that loads the file itself loses nothing.
    target.ok(&["FLUSHALL"]);
    check(&stored.restore(&target, &["--method", "replica"]), 0, "replica");
    assert_eq!(target.ok(&["XPENDING", "large", "group"]).lines().next(), Some("3"));
}
