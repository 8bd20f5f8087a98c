//! A manifest that counts other keys than its RDB holds, sealed as it should be: before a target with keys is touched that is refused, and
//! what an empty one has got by then is taken back.

use redis_ops::repository::manifest::{CensusSummary, DatabaseCount, Manifest};
use serde_json::Value;

use super::stored::Stored;
use crate::support::redis_server::RedisServer;

type Lie = (&'static str, fn(&mut CensusSummary));

const LIES: [Lie; 6] = [
    ("number of keys", |census| census.keys += 1),
    ("number of keys", |census| census.keys -= 1),
    ("with an expiry", |census| census.expires += 1),
    ("in each database", |census| {
        census.by_database = [("3".to_owned(), DatabaseCount { keys: census.keys, expires: census.expires })].into();
    }),
    ("of each type", |census| {
        census.by_type = [("hash".to_owned(), census.keys)].into();
    }),
    ("function libraries", |census| census.functions += 1),
];

/// Enough keys for some to be sent before the last is read.
fn source() -> Option<RedisServer> {
    let server = RedisServer::start()?;
    server.fill(20_000, 50);
    server.ok(&["SET", "expires", "x", "EX", "100000"]);
    server.ok(&["HSET", "hash", "field", "value"]);
    server.ok(&["FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)"]);
    Some(server)
}

#[track_caller]
fn check(stored: &Stored, target: &RedisServer, more: &[&str], words: &str) -> Value {
    let (code, answer) = stored.restore(target, more);
    let error = &answer["error"];
    assert_eq!((code, &error["code"]), (2, &"census_mismatch".into()), "{words} {more:?}: {answer}");
    let told = format!("{error}");
    assert!(told.contains(words), "{words} {more:?}: {told}");
    answer
}

#[test]
fn a_manifest_that_counts_other_keys_restores_nothing() {
    let (Some(source), Some(empty), Some(full)) = (source(), RedisServer::start(), RedisServer::start()) else {
        return;
    };
    full.ok(&["SET", "mine", "1"]);
    let stored = Stored::of(&source);
    let honest = std::cell::RefCell::new(None);
    stored.rewrite_manifest(|manifest| *honest.borrow_mut() = manifest.census.clone());
    for (words, lie) in LIES {
        let lied = |manifest: &mut Manifest| {
            let mut census = honest.borrow().clone().unwrap();
            lie(&mut census);
            manifest.census = Some(census);
        };
        stored.rewrite_manifest(lied);
        for method in ["auto", "replica", "restore", "commands"] {
            for more in [&[][..], &["--no-proof"], &["--skip-verify"]] {
                check(&stored, &empty, &[&["--method", method], more].concat(), words);
                let holds = (empty.ok(&["DBSIZE"]), empty.ok(&["FUNCTION", "LIST"]));
                assert_eq!((&*holds.0, &*holds.1), ("0", ""), "{words} {method} {more:?}");
                assert!(empty.ok(&["ROLE"]).starts_with("master"), "{words} {method} {more:?}");
            }
        }
        let out = tempfile::tempdir().unwrap();
        for to in ["--to-file", "--to-dir"] {
            let path = out.path().join("out").display().to_string();
            let (code, answer) = stored.to_disk(&[to, &path]).json();
            assert_eq!((code, &answer["error"]["code"]), (2, &"census_mismatch".into()), "{words} {to}: {answer}");
            assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0, "{words} {to}");
        }
        for existing in [&["--replace-all"][..], &["--on-conflict", "replace"], &["--on-conflict", "skip"]] {
            let more =
                [existing, &["--yes"], if existing.contains(&"skip") { &[] } else { &["--no-safety-backup"] }].concat();
            check(&stored, &full, &more, words);
            assert_eq!((full.ok(&["DBSIZE"]), full.ok(&["GET", "mine"])), ("1".into(), "1".into()), "{words} {more:?}");
        }
    }
    stored.rewrite_manifest(|manifest| manifest.census = honest.borrow().clone());
    for method in ["replica", "restore", "commands"] {
        let (code, answer) = stored.restore(&empty, &["--method", method]);
        assert_eq!((code, &answer["result"]["restored"]), (0, &20_002.into()), "{method}: {answer}");
        empty.ok(&["FLUSHALL"]);
        empty.ok(&["FUNCTION", "FLUSH"]);
    }
}

/// Whatever a server holds, an honest census is no lie.
#[test]
fn what_every_server_writes_is_counted_as_its_manifest_says() {
    for installed in crate::support::redis_server::servers() {
        let source = crate::support::sample::builder(&installed).start().unwrap();
        crate::support::sample::fill(&source);
        let stored = Stored::of(&source);
        let target = RedisServer::builder().version(&installed).start().unwrap();
        for method in ["replica", "restore"] {
            let (code, answer) = stored.restore(&target, &["--method", method]);
            assert_eq!((code, &answer["error"]), (0, &Value::Null), "{} {method}: {answer}", installed.name);
            target.ok(&["FLUSHALL"]);
            if !installed.is("6.2") {
                target.ok(&["FUNCTION", "FLUSH"]);
            }
        }
    }
}
