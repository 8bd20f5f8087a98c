//! What must never be published, and what is said instead.

use super::{Folder, backup, failure};
use crate::support::fake_primary::{Act, FakePrimary, MARK, counted, full_resync, marked, tiny_rdb};
use crate::support::fixtures;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;

/// A primary that sends these bytes as its RDB, and then closes.
fn primary_that_sends(header_and_rdb: Vec<u8>) -> FakePrimary {
    super::primary().on("PSYNC", [Act::send(full_resync(1)), Act::send(header_and_rdb), Act::Close]).start()
}

/// The backup fails with this code, and nothing at all is left in the repository.
#[track_caller]
fn check_nothing_published(primary: &FakePrimary, code: &str, words: &str) {
    let folder = Folder::new();
    let run = backup(&primary.url(), &folder.text(), &["--json"]).run();
    assert_eq!(failure(&run), (2, code.to_owned()), "{}", run.text());
    assert!(run.text().contains(words), "{words:?} in {}", run.text());
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn a_connection_cut_anywhere_publishes_nothing() {
    let rdb = tiny_rdb();
    for stream in [counted(&rdb), marked(&rdb, &MARK)] {
        let header = stream.len() - rdb.len() - if stream.ends_with(&MARK) { MARK.len() } else { 0 };
        for length in [3, header + 5, header + rdb.len() / 2, stream.len() - 1] {
            let primary = primary_that_sends(stream[..length].to_vec());
            check_nothing_published(&primary, "disconnected", "");
        }
    }
}

#[test]
fn every_damaged_file_is_refused_when_it_comes_from_a_primary() {
    for damaged in fixtures::damaged() {
        let folder = Folder::new();
        let primary = primary_that_sends(counted(&damaged.rdb));
        let run = backup(&primary.url(), &folder.text(), &["--json"]).run();
        let published = folder.files().iter().any(|file| file.ends_with("manifest.json"));
        let name = &damaged.name;
        // Bytes behind the end: a server never sends them. A version that does not exist yet cannot be told from one that will.
        let refused = damaged.must_refuse || name.starts_with("trailing_");
        // What arrived as it was sent may be the only copy: it is kept, and is not called good.
        let arrived_as_sent = checksum_is_right(&damaged.rdb) && !name.starts_with("trailing_");
        match name.as_str() {
            "version_9999.rdb" => assert_eq!((run.code, published), (1, true), "{name}: {}", run.text()),
            _ if refused && arrived_as_sent && published => {
                let state = &run.json()["backup"]["structure"]["state"];
                assert_eq!((run.code, state), (1, &"findings".into()), "{name} ({}): {}", damaged.what, run.text());
            }
            _ if refused => {
                assert_eq!((run.code, folder.files()), (2, Vec::new()), "{name} ({}): {}", damaged.what, run.text());
                let json = run.json();
                assert!(json["error"]["message"].is_string(), "{name}: {json}");
            }
            _ => assert!(run.code <= 1 && published, "{name} ({}): {}", damaged.what, run.text()),
        }
    }
}

/// Whether the last eight bytes are the CRC64 of those before.
fn checksum_is_right(rdb: &[u8]) -> bool {
    rdb.split_last_chunk::<8>().is_some_and(|(body, stored)| redis_ops::rdb::crc64(body).to_le_bytes() == *stored)
}

#[test]
fn a_newer_rdb_is_stored_whole_without_a_census() {
    // Version 99 with an opcode that nobody knows yet, and the CRC64 of it all.
    let mut rdb = b"REDIS0099\xfa\x09redis-ver\x0299.0\xf0\x01\x02\x03".to_vec();
    rdb.splice(20..20, []);
    rdb.push(0xff);
    let crc = redis_ops::rdb::crc64(&rdb);
    rdb.extend_from_slice(&crc.to_le_bytes());
    let folder = Folder::new();
    let run = backup(&primary_that_sends(counted(&rdb)).url(), &folder.text(), &["--json"]).run();
    assert_eq!(run.code, 1, "{}", run.text());
    let manifest = &run.json()["backup"];
    assert_eq!(manifest["structure"]["state"], "not_understood");
    assert_eq!(
        (&manifest["census"], &manifest["shards"][0]["raw_bytes"]),
        (&serde_json::Value::Null, &rdb.len().into())
    );
    let (code, verified) = RedisOps::new().args(["verify", "--backup-id", "latest", "-r", &folder.text()]).json();
    assert_eq!((code, &verified["status"]), (3, &"unknown".into()), "{verified}");

    // The same with one bit of its body turned is no RDB at all.
    rdb[24] ^= 1;
    check_nothing_published(&primary_that_sends(counted(&rdb)), "checksum_mismatch", "");
}

#[test]
fn the_wrong_password_is_named() {
    let Some(server) = RedisServer::builder().password("right").start() else { return };
    let folder = Folder::new();
    let run = backup(&server.url(), &folder.text(), &["--json"]).env("REDIS_OPS_PASSWORD", "wrong").run();
    assert_eq!(failure(&run), (2, "authentication_failed".to_owned()));
    assert!(!run.everything().contains("wrong\""), "{}", run.everything());
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn a_missing_right_is_named() {
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["ACL", "SETUSER", "little", "on", ">pw", "-@all", "+ping", "+info", "+client", "+replconf"]);
    let folder = Folder::new();
    let run = backup(&server.url(), &folder.text(), &["--json", "--username", "little", "--source", "replication"])
        .env("REDIS_OPS_PASSWORD", "pw")
        .run();
    assert_eq!(failure(&run), (2, "permission_denied".to_owned()));
    assert!(run.text().contains("+psync"), "{}", run.text());
    assert_eq!(folder.files(), Vec::<String>::new(), "the reservation is taken back");
}

#[test]
fn nobody_at_home_is_named() {
    let folder = Folder::new();
    let port = crate::support::redis_server::free_port();
    let run = backup(&format!("redis://127.0.0.1:{port}"), &folder.text(), &["--json"]).run();
    assert_eq!(failure(&run), (2, "connection_refused".to_owned()));
    assert!(run.json()["error"]["hint"].is_string(), "{}", run.text());
}

#[test]
fn a_server_that_loads_is_not_read() {
    let primary = super::primary()
        .on("PING", [Act::send("-LOADING Redis is loading the dataset in memory\r\n")])
        .on("INFO", [Act::send("$20\r\nrole:master\r\nloading:\r\n")])
        .start();
    let folder = Folder::new();
    let run = backup(&primary.url(), &folder.text(), &["--json"]).run();
    assert_eq!(failure(&run), (2, "loading".to_owned()), "{}", run.text());
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn a_server_that_cannot_save_says_so() {
    let primary = super::primary()
        .on(
            "PSYNC",
            [
                Act::send(full_resync(1)),
                Act::send("\n\n-ERR BGSAVE failed, replication can't continue\r\n"),
                Act::Close,
            ],
        )
        .start();
    check_nothing_published(&primary, "snapshot_failed", "BGSAVE failed");
}

#[test]
fn a_folder_that_is_full_leaves_nothing_behind() {
    // A small file system of its own takes the right to mount one.
    let folder = Folder::new();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(folder.path())
        .stderr(std::process::Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        return crate::support::skip("right to mount a small file system");
    }
    let Some(server) = RedisServer::start() else { return };
    server.fill(3000, 400);
    let run = backup(&server.url(), &folder.text(), &["--json", "--compression", "none"]).run();
    let files = folder.files();
    drop(std::process::Command::new("umount").arg(folder.path()).status());
    assert_eq!(failure(&run), (2, "no_space".to_owned()), "{}", run.text());
    assert_eq!(files, Vec::<String>::new());
}

/// The limit of a process is met in the middle of a file, as the end of a disk is that others fill up meanwhile.
#[test]
fn a_file_that_cannot_grow_any_more_leaves_nothing_under_its_name() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(3000, 400);
    let whole = Folder::new();
    assert_eq!(backup(&server.url(), &whole.text(), &["--compression", "none"]).run().code, 0);
    let Some(limited) = RedisOps::with_files_of_at_most(100_000) else { return crate::support::skip("prlimit") };
    let folder = Folder::new();
    let words = ["backup", "-i", &server.url(), "-r", &folder.text(), "--name", "prod", "--compression", "none"];
    let run = limited.args(words).arg("--json").run();
    assert_eq!(failure(&run), (2, "no_space".to_owned()), "{}", run.text());
    assert_eq!(folder.files(), Vec::<String>::new());
    for option in ["--to-file", "--to-dir"] {
        let (folder, limited) = (Folder::new(), RedisOps::with_files_of_at_most(100_000).expect("as before"));
        let path = folder.path().join("made/of it");
        // A file is written into a folder that is there; a folder is made.
        let path = if option == "--to-file" { folder.path().join("dump.rdb") } else { path };
        let words = ["restore", "-r", &whole.text(), "--backup-id", "latest", option];
        let run = limited.args(words).arg(&path).arg("--json").run();
        assert_eq!(failure(&run), (2, "no_space".to_owned()), "{option}: {}", run.text());
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().map(|file| file.path()).collect();
        assert!(left.is_empty(), "{option}: {left:?}");
    }
}

#[test]
fn whoever_wants_to_be_alone_waits_for_the_other_run() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    let first = super::primary().on("PSYNC", [Act::send("\n"), Act::Silence]).start();
    let running = backup(&first.url(), &folder.text(), &[]).spawn();
    server.wait_for("the first run to begin", |_| folder.files().iter().any(|file| file.ends_with("begun.json")));
    let run = backup(&server.url(), &folder.text(), &["--json", "--wait-lock", "100ms"]).run();
    assert_eq!(failure(&run), (2, "locked".to_owned()), "{}", run.text());

    // Killed, it cannot take back what it has begun; but it is not running any more.
    running.signal("KILL");
    running.wait();
    let run = backup(&server.url(), &folder.text(), &["--wait-lock", "100ms"]).run();
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn two_backups_in_the_same_minute_get_two_ids() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    let folder = Folder::new();
    let running: Vec<_> =
        (0..4).map(|_| backup(&server.url(), &folder.text(), &["--json", "--no-lock"]).spawn()).collect();
    let mut ids: Vec<String> = running
        .into_iter()
        .map(|running| {
            let run = running.wait();
            assert_eq!(run.code, 0, "{}", run.everything());
            run.json()["backup"]["id"].as_str().unwrap().to_owned()
        })
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "{ids:?}");
    for id in ids {
        let (code, _) =
            RedisOps::new().args(["verify", "--backup-id", &format!("prod/{id}"), "-r", &folder.text()]).json();
        assert_eq!(code, 0, "{id}");
    }
}
