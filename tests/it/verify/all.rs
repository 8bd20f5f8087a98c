//! Walks over a repository, ages, and what CI and monitoring read.

use std::fs;

use super::{backup_into, repository_of, verify};
use crate::backup::Folder;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;
use crate::support::s3::{Manners, S3Server};

fn receipts(folder: &Folder, id: &str) -> usize {
    folder.files().iter().filter(|file| file.starts_with(&format!("prod/{id}/receipts/verify-"))).count()
}

#[test]
fn a_walk_verifies_every_backup_and_does_not_stop_at_a_damaged_one() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(100, 10);
    let (folder, first) = repository_of(&server);
    let second = backup_into(&folder, &server);
    let third = backup_into(&folder, &server);
    let (code, answer) = verify(&folder, &["--all", "--level", "checksum"]).json();
    assert_eq!((code, answer["checked"]["backups"].as_u64()), (0, Some(3)), "{answer:#}");
    for id in [&first, &second, &third] {
        assert_eq!(receipts(&folder, id), 1, "{id}");
    }
    // All were verified just now: nothing is due, and nothing was damaged.
    let (code, answer) = verify(&folder, &["--all", "--level", "checksum", "--older-than", "7d"]).json();
    assert_eq!((code, answer["checked"]["backups"].as_u64()), (0, Some(0)), "{answer:#}");
    // A higher level was not reached yet.
    let (_, answer) = verify(&folder, &["--all", "--level", "structure", "--older-than", "7d", "--sample", "1"]).json();
    assert_eq!(answer["backups"][0]["backup_id"], first.as_str(), "{answer:#}");
    // Now that one is the one verified last.
    let (_, answer) = verify(&folder, &["--all", "--level", "checksum", "--sample", "10%"]).json();
    assert_eq!(
        (answer["checked"]["backups"].as_u64(), answer["backups"][0]["backup_id"].as_str()),
        (Some(1), Some(second.as_str()))
    );

    let object = folder.path().join("prod").join(&second).join("dump.rdb.gz");
    let mut bytes = fs::read(&object).unwrap();
    let last = bytes.len() - 20;
    bytes[last] ^= 0x40;
    fs::write(&object, bytes).unwrap();
    fs::write(folder.path().join("prod").join(&third).join("manifest.json"), b"{}").unwrap();
    let (code, answer) = verify(&folder, &["--all", "--level", "checksum"]).json();
    let status = |id: &str| {
        let all = answer["backups"].as_array().unwrap();
        all.iter().find(|one| one["backup_id"] == id).map(|one| one["status"].as_str().unwrap().to_owned())
    };
    assert_eq!(code, 2, "{answer:#}");
    assert_eq!([status(&first), status(&second), status(&third)].map(Option::unwrap), ["ok", "failed", "failed"]);
}

#[test]
fn a_walk_reads_several_backups_at_the_same_time_and_tells_them_in_their_order() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(100, 10);
    let store = S3Server::start();
    let with = |arguments: &[&str]| {
        let run = RedisOps::new().args(arguments).args(["-r", &store.location("redis"), "--progress", "none"]);
        store.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value))
    };
    let ids: Vec<String> = (0..6)
        .map(|_| {
            let (code, answer) = with(&["backup", "-i", &server.url(), "--name", "prod"]).json();
            assert_eq!(code, 0, "{answer:#}");
            answer["backup"]["id"].as_str().unwrap().to_owned()
        })
        .collect();
    let object = store.objects().join("redis/prod").join(&ids[1]).join("dump.rdb.gz");
    let mut bytes = fs::read(&object).unwrap();
    let last = bytes.len() - 20;
    bytes[last] ^= 0x40;
    fs::write(&object, bytes).unwrap();
    // What overlaps was seen by the store: no clock decides.
    store.behave(Manners { dumps_take: std::time::Duration::from_millis(400), ..Manners::default() });
    let (code, answer) = with(&["verify", "--all", "--level", "checksum"]).json();
    assert_eq!(code, 2, "{answer:#}");
    let told: Vec<(&str, &str)> = answer["backups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["backup_id"].as_str().unwrap(), one["status"].as_str().unwrap()))
        .collect();
    let status = |number| if number == 1 { "failed" } else { "ok" };
    let expected: Vec<(&str, &str)> =
        ids.iter().enumerate().map(|(number, id)| (id.as_str(), status(number))).collect();
    assert_eq!(told, expected, "{answer:#}");
    assert!((2..=4).contains(&store.most_dumps_at_once()), "{}", store.most_dumps_at_once());
}

#[test]
fn an_empty_repository_is_not_good() {
    let folder = Folder::new();
    let run = verify(&folder, &["--all"]).run();
    assert_eq!(run.code, 3, "{}", run.everything());
    assert!(run.text().starts_with("unknown: nothing was checked"), "{}", run.text());
}

#[test]
fn the_newest_good_backup_must_not_be_too_old() {
    let Some(server) = RedisServer::start() else { return };
    let (folder, _) = repository_of(&server);
    let ask = |more: &[&str]| verify(&folder, more).run().code;
    assert_eq!(ask(&["--backup-id", "latest", "--max-age", "26h"]), 0);
    assert_eq!(ask(&["--all", "--max-age", "26h"]), 0);
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(ask(&["--backup-id", "latest", "--max-age", "10ms"]), 2);
    assert_eq!(ask(&["--all", "--max-age", "10ms"]), 2);
    // Too old is said, and is not damage.
    let (_, answer) = verify(&folder, &["--max-age", "10ms"]).json();
    assert_eq!(answer["findings"][0]["id"], "backup_too_old", "{answer:#}");
    // The newest is damaged: it does not count.
    fs::write(folder.the("dump.rdb.gz"), b"not this").unwrap();
    let (code, answer) = verify(&folder, &["--all", "--max-age", "26h"]).json();
    assert_eq!((code, answer["ages"][0]["newest_good_age_seconds"].is_null()), (2, true), "{answer:#}");
}

#[test]
fn cron_monitoring_and_ci_get_what_they_read() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    let (folder, id) = repository_of(&server);
    // The verdict alone when all is well.
    let run = verify(&folder, &["--backup-id", "latest", "-q"]).run();
    assert!(
        run.code == 0 && run.text().lines().count() == 1 && run.text().starts_with("ok: prod/"),
        "{}",
        run.everything()
    );
    let nagios = |more: &[&str]| {
        let run = verify(&folder, &[&["--format", "nagios"][..], more].concat()).run();
        (run.code, run.text().to_owned())
    };
    let (code, line) = nagios(&["--backup-id", "latest", "--max-age", "26h"]);
    assert!(
        code == 0
            && line.starts_with("REDIS-OPS OK - prod/")
            && line.contains(" age=")
            && line.contains("s;;93600;0;")
            && line.lines().count() == 1,
        "{line}"
    );
    let (code, line) = nagios(&["--backup-id", "latest", "--max-age", "1ms"]);
    assert!(code == 2 && line.starts_with("REDIS-OPS CRITICAL - "), "{line}");
    let (code, line) = nagios(&["--backup-id", "1999-01-01"]);
    assert!(code == 3 && line.starts_with("REDIS-OPS UNKNOWN - "), "{line}");

    server.ok(&["SET", "<key>", "1"]);
    let run = verify(&folder, &["-i", &server.url(), "--backup-id", &id, "--format", "junit"]).run();
    let text = run.text();
    assert_eq!(run.code, 2);
    assert!(
        text.starts_with("<?xml") && text.contains("failures=\"1\"") && text.contains("extra: &lt;key&gt;"),
        "{text}"
    );
    let run = verify(&folder, &["--backup-id", "1999-01-01", "--format", "junit"]).run();
    assert!(run.code == 3 && run.text().contains("errors=\"1\""), "{}", run.everything());
}

#[test]
fn a_walk_tells_unreadable_manifests_and_missing_ones_from_damage() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    let (folder, damaged) = repository_of(&server);
    let [unreadable, left] = [0, 1].map(|_| backup_into(&folder, &server));
    backup_into(&folder, &server);
    let path = |id: &str, name: &str| folder.path().join("prod").join(id).join(name);
    fs::write(path(&damaged, "dump.rdb.gz"), b"not this").unwrap();
    fs::write(path(&unreadable, "manifest.json"), b"{}").unwrap();
    fs::remove_file(path(&left, "manifest.json")).unwrap();
    let run = verify(&folder, &["--all", "--level", "checksum"]).run();
    let words = "3 of 3 backups verified at level checksum, 1 good, 1 damaged, 1 with an unreadable manifest; 1 backup has no manifest: `redis-ops list` shows it";
    assert!(run.code == 2 && run.text().replace('\n', " ").contains(words), "{}", run.everything());
    let (_, answer) = verify(&folder, &["--all", "--level", "checksum"]).json();
    let checked = &answer["checked"];
    let counts = ["damaged", "unreadable", "left"].map(|name| checked[name].as_u64().unwrap());
    assert_eq!(counts, [2, 1, 1], "{answer:#}");
    // Nobody knows who has begun it.
    fs::write(path(&left, "begun.json"), b"{}").unwrap();
    let run = RedisOps::new().args(["list", "-r", &folder.text()]).run();
    assert!(run.text().contains("by an unknown process") && !run.text().contains("on an unknown"), "{}", run.text());
    let run = RedisOps::new().args(["status", "-r", &folder.text()]).run();
    assert!(!run.text().contains("on an unknown host"), "{}", run.text());
}
