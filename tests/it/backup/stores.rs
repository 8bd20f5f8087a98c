//! Backups on S3, a store that fails, and repositories in which something is wrong.

use std::path::Path;

use super::{Folder, backed_up, failure};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;
use crate::support::s3::{Fault, Manners, S3Server};

/// Any command, with what it needs to reach the store.
fn with(store: &S3Server, arguments: &[&str]) -> RedisOps {
    let run = RedisOps::new().args(arguments).args(["-r", &store.location("redis"), "--progress", "none"]);
    store.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value))
}

fn backup_to(store: &S3Server, server: &RedisServer, more: &[&str]) -> RedisOps {
    with(store, &["backup", "-i", &server.url(), "--name", "prod"]).args(more)
}

/// Nothing of a backup lies in the store: no object, no part of an upload.
#[track_caller]
fn assert_nothing_left(store: &S3Server) {
    let mut found = Vec::new();
    files(&store.objects(), &mut found);
    // The marker stays whatever becomes of a backup.
    found.retain(|file| !file.ends_with("redis-ops-repository.json"));
    found.extend(store.left_of_uploads());
    assert_eq!(found, Vec::<String>::new());
}

fn files(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            files(&entry.path(), found);
        } else {
            found.push(entry.path().display().to_string());
        }
    }
}

#[test]
fn a_backup_on_s3_is_listed_shown_and_verified() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(30_000, 1000);
    let store = S3Server::start();
    // A prefix at which nothing is may be mistyped.
    let (code, answer) = with(&store, &["list"]).json();
    assert_eq!((code, &answer["error"]["code"]), (3, &"not_found".into()), "{answer}");
    let run = backup_to(&store, &server, &["--json", "--compression", "none"]).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    assert!(store.count("UploadPart") >= 3, "30 MB go in parts: {}", store.count("UploadPart"));
    let (code, list) = with(&store, &["list"]).json();
    assert_eq!((code, &list["backups"][0]["keys"]), (0, &30_000.into()));
    let (code, shown) = with(&store, &["show", "latest"]).json();
    assert_eq!((code, shown["objects"].as_array().map(Vec::len)), (0, Some(4)));
    let (code, verified) = with(&store, &["verify", "--backup-id", "latest"]).json();
    assert_eq!((code, &verified["checked"]["keys"]), (0, &30_000.into()), "{verified}");
    assert_eq!(store.left_of_uploads(), Vec::<String>::new());
}

#[test]
fn a_store_without_conditions_or_newer_checksums_will_do() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(100, 100);
    for manners in [
        Manners { ignores_conditions: true, ..Manners::default() },
        Manners { refuses_conditions: true, ..Manners::default() },
        Manners { refuses_checksums: true, ..Manners::default() },
    ] {
        let store = S3Server::start();
        store.behave(manners);
        let run = backup_to(&store, &server, &[]).run();
        assert_eq!(run.code, 0, "{}", run.everything());
        assert_eq!(with(&store, &["verify", "--backup-id", "latest"]).json().0, 0);
    }
}

#[test]
fn a_part_that_fails_for_good_leaves_nothing() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(30_000, 1000);
    for fault in [Fault::Answer("InternalError"), Fault::BreakRequest(100_000)] {
        let store = S3Server::start();
        store.inject("partNumber=2", 100, fault);
        let run = backup_to(&store, &server, &["--json", "--compression", "none", "--store-retry", "2s"]).run();
        assert_eq!(failure(&run), (2, "storage_unavailable".to_owned()), "{}", run.text());
        assert_nothing_left(&store);
    }
}

#[test]
fn a_part_that_fails_once_is_sent_again() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(30_000, 1000);
    let store = S3Server::start();
    store.inject("partNumber=1", 1, Fault::Answer("InternalError"));
    store.inject("partNumber=2", 1, Fault::BreakRequest(50_000));
    let run = backup_to(&store, &server, &["--compression", "none"]).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    assert_eq!(with(&store, &["verify", "--backup-id", "latest"]).json().0, 0);
}

#[test]
fn what_is_wrong_with_the_store_is_named() {
    let Some(server) = RedisServer::start() else { return };
    let store = S3Server::start();
    let elsewhere = RedisOps::new().args(["backup", "-i", &server.url(), "--json", "-r", "s3://no-such-bucket/x"]);
    let run = store.env().into_iter().fold(elsewhere, |run, (name, value)| run.env(&name, value)).run();
    assert_eq!(failure(&run), (2, "no_such_bucket".to_owned()), "{}", run.text());

    let run = backup_to(&store, &server, &["--json"]).env("AWS_SECRET_ACCESS_KEY", "wrong").run();
    assert_eq!(failure(&run), (2, "access_denied".to_owned()), "{}", run.text());
    assert!(!run.everything().contains("wrong"), "{}", run.everything());

    // The same question from a command that answers one.
    let run = with(&store, &["list", "--json"]).env("AWS_SECRET_ACCESS_KEY", "wrong").run();
    assert_eq!(failure(&run), (3, "access_denied".to_owned()), "{}", run.text());
}

/// A good backup of fifty keys in a folder, to be damaged.
fn good() -> Option<Folder> {
    let server = RedisServer::start()?;
    server.fill(50, 200);
    let folder = Folder::new();
    backed_up(&server.url(), &folder.text(), &[]);
    Some(folder)
}

#[track_caller]
fn verify(folder: &Folder, level: &str) -> (i32, serde_json::Value) {
    RedisOps::new().args(["verify", "--backup-id", "latest", "-r", &folder.text(), "--level", level]).json()
}

#[test]
fn an_object_that_is_missing_or_short_is_named_at_the_lowest_level() {
    let Some(folder) = good() else { return };
    let object = folder.the("dump.rdb.gz");
    let bytes = std::fs::read(&object).unwrap();
    std::fs::write(&object, &bytes[..bytes.len() - 1]).unwrap();
    for level in ["manifest", "checksum", "structure"] {
        let (code, verified) = verify(&folder, level);
        assert_eq!((code, &verified["findings"][0]["id"]), (2, &"wrong_length".into()), "{level}: {verified}");
    }
    std::fs::remove_file(&object).unwrap();
    let (code, verified) = verify(&folder, "manifest");
    assert_eq!((code, &verified["findings"][0]["id"]), (2, &"missing_object".into()), "{verified}");
    assert_eq!(verified["findings"][0]["evidence"]["object"], "dump.rdb.gz");
}

#[test]
fn any_bit_that_turns_in_the_object_is_found() {
    let Some(folder) = good() else { return };
    let object = folder.the("dump.rdb.gz");
    let good = std::fs::read(&object).unwrap();
    for at in (0..good.len()).step_by(good.len() / 23 + 1) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&object, &bytes).unwrap();
        assert_eq!(verify(&folder, "manifest").0, 0, "its length is the same");
        for level in ["checksum", "structure"] {
            let (code, verified) = verify(&folder, level);
            assert_eq!(code, 2, "byte {at}, {level}: {verified}");
        }
    }
}

#[test]
fn a_manifest_that_cannot_be_used_is_listed_and_refused() {
    let Some(folder) = good() else { return };
    let manifest = folder.the("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    for (damage, code) in [
        ("{".to_owned(), "corrupt"),
        (text.replacen("\"instance\"", "\"Instance\"", 1), "checksum_mismatch"),
        (text.replacen("\"format_version\": 1", "\"format_version\": 3", 1), "unsupported_format"),
        (text.replacen("50", "51", 1), "checksum_mismatch"),
    ] {
        std::fs::write(&manifest, &damage).unwrap();
        let (listed, list) = RedisOps::new().args(["list", "-r", &folder.text()]).json();
        // What a newer version can read is not lost.
        let word = if code == "unsupported_format" { 0 } else { 1 };
        assert_eq!((listed, &list["backups"][0]["status"]), (word, &"unreadable".into()), "{list}");
        let run = RedisOps::new().args(["verify", "--backup-id", "latest", "-r", &folder.text(), "--json"]).run();
        let found = run.json();
        // Damage is an answer; a format that is newer than we know is none.
        let expected = if code == "unsupported_format" { 3 } else { 2 };
        assert_eq!((run.code, found["error"]["code"].as_str()), (expected, Some(code)), "{damage}\n{found}");
    }
}

#[test]
fn an_unfinished_backup_is_listed_and_is_none() {
    let Some(folder) = good() else { return };
    std::fs::remove_file(folder.the("manifest.json")).unwrap();
    let (code, list) = RedisOps::new().args(["list", "-r", &folder.text()]).json();
    assert_eq!((code, &list["backups"][0]["status"]), (1, &"left".into()));
    let run = RedisOps::new().args(["verify", "--backup-id", "latest", "-r", &folder.text(), "--json"]).run();
    assert_eq!(failure(&run), (3, "not_found".to_owned()));
}

#[test]
fn an_id_is_found_by_its_beginning() {
    let Some(folder) = good() else { return };
    let id =
        RedisOps::new().args(["list", "-r", &folder.text()]).json().1["backups"][0]["id"].as_str().unwrap().to_owned();
    for selector in [id.as_str(), &id[..10], "latest", &format!("prod/{id}"), "prod/latest"] {
        let (code, shown) = RedisOps::new().args(["show", selector, "-r", &folder.text()]).json();
        assert_eq!((code, &shown["backup"]["id"]), (0, &id.as_str().into()), "{selector}");
    }
    for selector in ["1999-01-01-00-00", "other/latest"] {
        let run = RedisOps::new().args(["show", selector, "-r", &folder.text(), "--json"]).run();
        assert_eq!(failure(&run), (3, "not_found".to_owned()), "{selector}");
    }
}
