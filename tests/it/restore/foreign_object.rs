//! An object that is not the one that its manifest names: another backup's, in its place. Nothing of it stays anywhere.

use std::path::Path;

use serde_json::Value;

use super::stored::Stored;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;

/// A server with so many keys of a name, and a function library of that name.
fn source(name: &str, keys: usize) -> Option<RedisServer> {
    let server = RedisServer::start()?;
    for key in 0..keys {
        server.ok(&["SET", &format!("{name}:{key}"), name]);
    }
    let library = format!("#!lua name={name}\nredis.register_function('{name}', function() return 1 end)");
    server.ok(&["FUNCTION", "LOAD", &library]);
    Some(server)
}

/// A backup with another one's object in its place.
fn swapped() -> Option<Stored> {
    let (ours, theirs) = (source("ours", 50)?, source("theirs", 5_000)?);
    let (ours, theirs) = (Stored::of(&ours), Stored::of(&theirs));
    std::fs::copy(theirs.object(), ours.object()).unwrap();
    Some(ours)
}

/// A backup that is not compressed, in which one value was changed: as long as before, and with a right CRC64.
fn changed() -> Option<Stored> {
    // Longer than what is held back before anything is sent.
    let server = source("ours", 30_000)?;
    let stored = Stored::with(&server, &["--compression", "none"]);
    let mut rdb = std::fs::read(stored.object()).unwrap();
    let at = rdb.windows(10).position(|bytes| bytes == b"ours:29999").unwrap();
    rdb[at] = b'y';
    let end = rdb.len() - 8;
    let crc = redis_ops::rdb::crc64(&rdb[..end]);
    rdb[end..].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(stored.object(), rdb).unwrap();
    Some(stored)
}

#[track_caller]
fn check_refused(stored: &Stored, target: &RedisServer, more: &[&str]) -> Value {
    let (code, answer) = stored.restore(target, more);
    assert_eq!((code, &answer["error"]["code"]), (2, &"checksum_mismatch".into()), "{more:?}: {answer}");
    assert!(!answer["error"]["message"].as_str().unwrap().is_empty());
    answer
}

const METHODS: [&str; 4] = ["auto", "replica", "restore", "commands"];

#[test]
fn an_empty_target_is_empty_afterwards_whatever_the_method() {
    let (Some(swapped), Some(changed), Some(target)) = (swapped(), changed(), RedisServer::start()) else { return };
    for stored in [&swapped, &changed] {
        for method in METHODS {
            for more in [&[][..], &["--no-proof"], &["--skip-verify"], &["--no-proof", "--skip-verify"]] {
                check_refused(stored, &target, &[&["--method", method], more].concat());
                let holds = (target.ok(&["DBSIZE"]), target.ok(&["FUNCTION", "LIST"]), target.ok(&["ROLE"]));
                assert_eq!((&*holds.0, &*holds.1), ("0", ""), "{method} {more:?}");
                assert!(holds.2.starts_with("master"), "{method} {more:?}");
            }
        }
    }
}

#[test]
fn what_was_streamed_is_taken_back_key_by_key() {
    let (Some(stored), Some(target)) = (changed(), RedisServer::start()) else { return };
    let answer = check_refused(&stored, &target, &["--method", "restore"]);
    let taken = &answer["result"]["taken_back"];
    assert!(taken["removed"].as_u64().unwrap() > 0, "the test needs a backup of which something is sent: {answer}");
    assert_eq!(
        (&taken["functions"], target.ok(&["DBSIZE"]), target.ok(&["FUNCTION", "LIST"])),
        (&1.into(), "0".into(), "".into())
    );
    let flushed = target.cli(&["INFO", "commandstats"]);
    assert!(!flushed.contains("cmdstat_flush"), "{flushed}");
}

#[test]
fn a_target_with_data_is_not_touched() {
    let (Some(swapped), Some(changed), Some(target)) = (swapped(), changed(), source("mine", 20)) else { return };
    let written = || {
        let text = target.cli(&["INFO", "persistence"]);
        let line = text.lines().find(|line| line.starts_with("rdb_changes_since_last_save")).map(str::to_owned);
        (line.unwrap(), target.ok(&["DBSIZE"]), target.ok(&["FUNCTION", "LIST"]))
    };
    let before = written();
    for stored in [&swapped, &changed] {
        for existing in [
            &["--replace-all", "--no-safety-backup", "--yes"][..],
            &["--on-conflict", "replace", "--no-safety-backup", "--yes"],
            &["--on-conflict", "skip"],
            &["--on-conflict", "fail"],
        ] {
            for more in [&[][..], &["--no-proof", "--skip-verify"], &["--method", "commands", "--skip-verify"]] {
                check_refused(stored, &target, &[existing, more].concat());
                assert_eq!(written(), before, "{existing:?} {more:?}");
            }
        }
    }
}

#[test]
fn no_safety_backup_is_taken_for_it() {
    let (Some(stored), Some(target)) = (changed(), source("mine", 20)) else { return };
    let safety = tempfile::tempdir().unwrap();
    let place = safety.path().display().to_string();
    let run = stored.restoring(&target, &["--replace-all", "--yes", "--skip-verify"]);
    let settings = format!("backup:\n  destination: \"{place}\"\n");
    let (code, answer) = run.file("redis-ops.yaml", settings).json();
    assert_eq!((code, &answer["error"]["code"]), (2, &"checksum_mismatch".into()), "{answer}");
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0);
}

#[test]
fn no_file_has_its_name_before_it_is_the_right_one() {
    let (Some(swapped), Some(changed)) = (swapped(), changed()) else { return };
    for stored in [&swapped, &changed] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump.rdb").display().to_string();
        let dir = folder.path().join("data").display().to_string();
        for to in [["--to-file", &*path], ["--to-dir", &*dir]] {
            let (code, answer) = stored.to_disk(&to).json();
            assert_eq!((code, &answer["error"]["code"]), (2, &"checksum_mismatch".into()), "{to:?}: {answer}");
            // A file is always verified before it gets its name: who wants less is told so.
            let (code, answer) = stored.to_disk(&[&to[..], &["--skip-verify"]].concat()).json();
            assert_eq!((code, &answer["error"]["code"]), (3, &"usage".into()), "{to:?}: {answer}");
        }
        let run = stored.to_disk(&["--to-file", "-"]).run();
        assert_eq!((run.code, run.stdout.len()), (2, 0), "{}", run.stderr);
        assert_eq!(files_below(folder.path()), Vec::<String>::new());
    }
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files_below(&path)),
            path => found.push(path.display().to_string()),
        }
    }
    found
}

#[test]
fn a_plan_sees_an_object_that_is_missing_or_of_another_length() {
    let (Some(stored), Some(target)) = (swapped(), RedisServer::start()) else { return };
    check_refused(&stored, &target, &["--plan"]);
    std::fs::remove_file(stored.object()).unwrap();
    for more in [&["--plan"][..], &[]] {
        let (code, answer) = stored.restore(&target, more);
        assert_eq!((code, &answer["error"]["code"]), (2, &"not_found".into()), "{answer}");
    }
}

#[test]
fn a_manifest_without_a_shard_is_never_good() {
    let (Some(server), Some(target)) = (source("ours", 3), RedisServer::start()) else { return };
    let stored = Stored::of(&server);
    stored.rewrite_manifest(|manifest| manifest.shards.clear());
    for level in ["manifest", "checksum", "structure"] {
        let (code, answer) = stored.verify(&["--level", level]).json();
        assert_eq!((code, &answer["status"]), (3, &"unknown".into()), "{level}: {answer}");
    }
    for more in [&["--plan"][..], &[]] {
        let (code, answer) = stored.restore(&target, more);
        assert_eq!((code, &answer["error"]["code"]), (2, &"corrupt".into()), "{answer}");
    }
    let (code, answer) = RedisOps::new().args(["-i", &server.url(), "-r", &stored.place(), "verify"]).json();
    assert_ne!(code, 0, "{answer}");
}
