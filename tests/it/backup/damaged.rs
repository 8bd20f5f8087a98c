//! A store, or the way to it, that damages what is read: once, and the backup is good; each time, and it is damaged.

use std::time::{Duration, Instant};

use crate::support::proxy::{Proxy, Way};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;
use crate::support::s3::{Fault, S3Server};

const SECOND: Duration = Duration::from_secs(1);

fn with(store: &S3Server, arguments: &[&str]) -> RedisOps {
    let run = RedisOps::new().args(arguments).args(["-r", &store.location("redis"), "--progress", "none"]);
    store.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value))
}

/// A store with one backup of about 5 MB.
fn stored(compression: &str) -> Option<(RedisServer, S3Server)> {
    let server = RedisServer::start()?;
    server.fill(5000, 1000);
    let store = S3Server::start();
    let run = with(&store, &["backup", "-i", &server.url(), "--name", "prod", "--compression", compression]).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    Some((server, store))
}

/// The request for the dump itself.
fn dump(compression: &str) -> String {
    let extension = match compression {
        "gzip" => ".gz",
        "zstd" => ".zst",
        _ => "",
    };
    format!("/dump.rdb{extension}?x-id=GetObject")
}

/// Lines about what arrived damaged.
fn told(stderr: &str) -> usize {
    stderr.lines().filter(|line| line.contains("reading it again")).count()
}

#[test]
fn what_arrives_damaged_once_is_read_once_more() {
    for compression in ["gzip", "zstd"] {
        let Some((_server, store)) = stored(compression) else { return };
        let target = RedisServer::start().expect("another one of the same kind");
        let rdb = tempfile::tempdir().unwrap();
        let file = rdb.path().join("out.rdb").display().to_string();
        for (number, arguments) in [
            &["verify", "--backup-id", "latest"][..],
            &["verify", "--backup-id", "latest", "--level", "checksum"],
            &["restore", "--backup-id", "latest", "--to-file", &file],
            &["restore", "--backup-id", "latest", "--target-instance", &target.url(), "--method", "restore"],
            &[
                "restore",
                "--backup-id",
                "latest",
                "--target-instance",
                &target.url(),
                "--replace-all",
                "--yes",
                "--no-safety-backup",
            ],
        ]
        .iter()
        .enumerate()
        {
            // In the first frame, in the middle, and in the last one.
            for at in [2_000, 2_400_000 + number * 100_000] {
                if number > 2 && at == 2_000 {
                    continue;
                }
                // A file is never replaced.
                let _ = std::fs::remove_file(&file);
                store.inject(&dump(compression), 1, Fault::DamageAnswer(at));
                let run = with(&store, arguments).run();
                assert_eq!(run.code, 0, "{compression} {at} {arguments:?}: {}", run.everything());
                assert_eq!(told(&run.stderr), 1, "{compression} {at} {arguments:?}: {}", run.stderr);
            }
        }
        assert_eq!(target.cli(&["DBSIZE"]), "5000");
    }
}

#[test]
fn an_uncompressed_dump_that_arrives_damaged_is_verified_once_more() {
    let Some((_server, store)) = stored("none") else { return };
    for level in ["checksum", "structure"] {
        store.inject(&dump("none"), 1, Fault::DamageAnswer(1_000_000));
        let run = with(&store, &["verify", "--backup-id", "latest", "--level", level]).run();
        assert_eq!((run.code, told(&run.stderr)), (0, 1), "{level}: {}", run.everything());
    }
}

#[test]
fn small_objects_that_arrive_damaged_are_read_once_more_too() {
    let Some((_server, store)) = stored("gzip") else { return };
    for object in ["/census.bin?x-id=GetObject", "/manifest.json?x-id=GetObject"] {
        for arguments in [&["verify", "--backup-id", "latest"][..], &["show", "latest"], &["list"]] {
            store.inject(object, 1, Fault::DamageAnswer(900));
            let run = with(&store, arguments).run();
            assert_eq!(run.code, 0, "{object} {arguments:?}: {}", run.everything());
            assert!(!run.text().contains("unreadable"), "{object} {arguments:?}: {}", run.text());
        }
    }
}

#[test]
fn what_arrives_damaged_each_time_is_damaged() {
    for compression in ["gzip", "zstd", "none"] {
        let Some((_server, store)) = stored(compression) else { return };
        store.inject(&dump(compression), 10_000, Fault::DamageAnswer(2_000));
        let (code, answer) = with(&store, &["verify", "--backup-id", "latest"]).json();
        assert_eq!(code, 2, "{compression}: {answer}");
        let target = RedisServer::start().expect("another one of the same kind");
        let run =
            with(&store, &["restore", "--backup-id", "latest", "--target-instance", &target.url(), "--json"]).run();
        assert_eq!(run.code, 2, "{compression}: {}", run.everything());
        assert_eq!(target.cli(&["DBSIZE"]), "0", "{compression}: what was written of it is gone again");
        if compression != "none" {
            assert!(answer.to_string().contains("frame is damaged"), "{answer}");
        }
    }
    // So it is when the object itself is damaged, wherever.
    let Some((_server, store)) = stored("gzip") else { return };
    let found = walk(&store.objects()).into_iter().find(|path| path.ends_with("dump.rdb.gz")).expect("the dump");
    let mut bytes = std::fs::read(&found).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(&found, bytes).unwrap();
    let run = with(&store, &["verify", "--backup-id", "latest"]).run();
    assert_eq!(run.code, 2, "{}", run.everything());
    assert!(run.text().contains("frame is damaged"), "{}", run.text());
    assert_eq!(told(&run.stderr), 1, "{}", run.stderr);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

/// The store goes away in the middle of what is read: it is waited for.
#[test]
fn a_store_that_goes_away_while_it_is_read_is_waited_for() {
    let Some((_server, store)) = stored("none") else { return };
    let target = RedisServer::start().expect("another one of the same kind");
    let rdb = tempfile::tempdir().unwrap();
    let file = rdb.path().join("out.rdb").display().to_string();
    for arguments in [
        &["verify", "--backup-id", "latest"][..],
        &["restore", "--backup-id", "latest", "--to-file", &file],
        &["restore", "--backup-id", "latest", "--target-instance", &target.url(), "--method", "restore"],
    ] {
        let proxy = Proxy::before(&store.endpoint());
        let before = store.count("GetObject");
        // The first answer ends in the middle, and then nobody is there for four seconds.
        store.inject(&dump("none"), 1, Fault::BreakAnswer(1_000_000));
        let run = with(&store, arguments).env("AWS_ENDPOINT_URL_S3", proxy.endpoint()).spawn();
        let begun = Instant::now();
        let dumps = || {
            let requests = store.requests();
            requests[..]
                .iter()
                .filter(|request| request.operation == "GetObject" && request.uri.contains("/dump.rdb"))
                .count()
        };
        let dumps_before = dumps();
        while dumps() == dumps_before && begun.elapsed() < 60 * SECOND {
            std::thread::sleep(Duration::from_millis(2));
        }
        proxy.for_a_while(Way::Cut, 4 * SECOND);
        let run = run.wait();
        assert_eq!(run.code, 0, "{arguments:?}: {}", run.everything());
        assert!(begun.elapsed() >= 4 * SECOND, "{arguments:?}: {:?}", begun.elapsed());
        assert!(store.count("GetObject") > before);
    }
    assert_eq!(target.cli(&["DBSIZE"]), "5000");
}

/// The store breaks off in the middle, and does not let us read on: that is what is said, and nothing of the backup's bytes.
#[test]
fn a_store_that_breaks_off_for_good_is_no_damage() {
    let Some((_server, store)) = stored("gzip") else { return };
    let target = RedisServer::start().expect("another one of the same kind");
    let rdb = tempfile::tempdir().unwrap();
    let file = rdb.path().join("out.rdb").display().to_string();
    let into = ["restore", "--backup-id", "latest", "--target-instance", &target.url(), "--method"];
    for (arguments, code) in [
        (vec!["verify", "--backup-id", "latest"], 3),
        (vec!["verify", "--backup-id", "latest", "--level", "checksum"], 3),
        (vec!["restore", "--backup-id", "latest", "--to-file", &file], 2),
        ([&into[..], &["restore"]].concat(), 2),
        ([&into[..], &["commands"]].concat(), 2),
        ([&into[..], &["replica"]].concat(), 2),
    ] {
        store.inject(&dump("gzip"), 1, Fault::BreakAnswer(1_000_000));
        store.inject(&dump("gzip"), 1, Fault::Answer("AccessDenied"));
        let run = with(&store, &arguments).arg("--json").run();
        let answer = run.json();
        assert_eq!(
            (run.code, answer["error"]["code"].as_str()),
            (code, Some("access_denied")),
            "{arguments:?}: {answer}"
        );
        assert!(answer["error"]["hint"].as_str().is_some_and(|hint| hint.contains("s3:GetObject")), "{answer}");
        assert!(!answer.to_string().contains("damaged"), "{arguments:?}: {answer}");
        assert_eq!(target.cli(&["DBSIZE"]), "0", "{arguments:?}: what was written of it is gone again");
        assert_eq!(std::fs::read_dir(rdb.path()).unwrap().count(), 0, "{arguments:?}");
    }
}
