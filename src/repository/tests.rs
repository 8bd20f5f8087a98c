//! What a repository promises, on memory; the same on every kind of place is in `tests/it/storage`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::manifest::*;
use super::*;
use crate::storage::{Memory, Storage};

/// A manifest of one shard of seven bytes.
pub(super) fn example(instance: &str, id: &str) -> Manifest {
    serde_json::from_value(json!({
        "format_version": 1, "id": id, "instance": instance,
        "created_at": "2024-01-01T01:00:00Z", "finished_at": "2024-01-01T01:00:05Z",
        "type": "rdb", "purpose": "manual", "consistency": "point_in_time", "tool_version": "0.1.0", "labels": {},
        "server": {"name": "redis", "version": "8.0.2"}, "compression": "gzip", "encryption": null,
        "shards": [{
            "index": 0, "slots": null, "node": "127.0.0.1:6379", "replid": "", "offset": null, "rdb_version": 12, "aux": {},
            "object": "dump.rdb.gz", "raw_bytes": 9, "stored_bytes": 7, "raw_sha256": "", "stored_sha256": "",
            "crc64": null, "frames": 1
        }],
        "census": null, "structure": {"state": "verified", "understood_up_to": 9}
    }))
    .unwrap()
}

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

fn somebody() -> BegunBy {
    BegunBy { host: "host".into(), pid: 7 }
}

pub(super) async fn begin(repository: &Repository, instance: &str, time: &str) -> Draft {
    repository.begin(instance, at(time), somebody()).await.unwrap()
}

pub(super) async fn upload(draft: &Draft) {
    let mut upload = draft.upload(&draft.object_name("dump.rdb.gz")).await.unwrap();
    upload.write(Bytes::from_static(b"content")).await.unwrap();
    assert_eq!(upload.complete().await.unwrap(), 7);
}

/// A manifest of what [`upload`] has uploaded.
fn of(draft: &Draft) -> Manifest {
    let mut manifest = example(draft.instance(), &draft.id().to_string());
    manifest.shards[0].object = draft.object_name("dump.rdb.gz");
    manifest
}

pub(super) async fn publish(repository: &Repository, instance: &str, time: &str, purpose: Purpose) -> BackupId {
    let draft = begin(repository, instance, time).await;
    upload(&draft).await;
    let manifest = Manifest { purpose, ..of(&draft) };
    repository.commit(&draft, manifest).await.unwrap();
    draft.id()
}

pub(super) fn with_memory() -> (Memory, Repository) {
    let memory = Memory::new();
    (memory.clone(), Repository::new(Arc::new(memory)))
}

#[tokio::test]
async fn a_backup_exists_from_commit_on_and_not_before() {
    for memory in [Memory::new(), Memory::ignoring_conditions()] {
        let repository = Repository::new(Arc::new(memory));
        let draft = begin(&repository, "prod", "2024-01-01T01:00:30Z").await;
        upload(&draft).await;
        let id = draft.id();
        assert!(matches!(repository.load("prod", id).await, Err(RepositoryError::Incomplete { .. })));
        assert!(matches!(repository.resolve("latest", None).await, Err(RepositoryError::NotFound(_))));
        let listed = repository.list(None).await.unwrap();
        let begun = listed[0].unfinished().and_then(|unfinished| unfinished.begun.clone()).expect("it was begun");
        assert_eq!((begun.by.pid, begun.begun_at), (7, at("2024-01-01T01:00:30Z")));

        let manifest = repository.commit(&draft, of(&draft)).await.unwrap();
        assert_eq!(repository.load("prod", id).await.unwrap(), manifest);
        assert_eq!(repository.list(None).await.unwrap()[0].manifest(), Some(&manifest));
        let mut reader = repository.open_object(&manifest, &draft.object_name("dump.rdb.gz"), 3).await.unwrap();
        assert_eq!(reader.next().await.unwrap().unwrap(), "tent");
    }
}

#[tokio::test]
async fn a_manifest_that_is_not_true_is_not_published() {
    let (_, repository) = with_memory();
    let draft = begin(&repository, "prod", "2024-01-01T01:00:00Z").await;
    let good = example("prod", "2024-01-01-01-00");
    assert!(repository.commit(&draft, good.clone()).await.is_err(), "the object is missing");
    upload(&draft).await;
    let mut short = good.clone();
    short.shards[0].stored_bytes = 8;
    let mut elsewhere = good.clone();
    elsewhere.shards[0].object = "../2023-01-01-01-00/dump.rdb.gz".into();
    for wrong in [short, elsewhere, example("other", "2024-01-01-01-00"), example("prod", "2024-01-01-01-01")] {
        assert!(repository.commit(&draft, wrong).await.is_err());
    }
    assert!(repository.load("prod", draft.id()).await.is_err());
    repository.commit(&draft, good).await.unwrap();
}

#[tokio::test]
async fn a_second_commit_is_refused_and_changes_nothing() {
    for memory in [Memory::new(), Memory::ignoring_conditions()] {
        let repository = Repository::new(Arc::new(memory));
        let draft = begin(&repository, "prod", "2024-01-01T01:00:00Z").await;
        upload(&draft).await;
        let first = repository.commit(&draft, of(&draft)).await.unwrap();
        let mut second = first.clone();
        second.tool_version = "another".into();
        let error = repository.commit(&draft, second).await.unwrap_err();
        assert_eq!(error.code(), "already_exists");
        assert_eq!(repository.load("prod", draft.id()).await.unwrap(), first);
    }
}

#[tokio::test]
async fn a_discarded_draft_leaves_nothing_and_gives_its_id_back() {
    let (memory, repository) = with_memory();
    let draft = begin(&repository, "prod", "2024-01-01T01:00:00Z").await;
    upload(&draft).await;
    draft.put_small(CENSUS, Bytes::from_static(b"census")).await.unwrap();
    assert_eq!(memory.list("prod/").await.unwrap().len(), 3);
    assert!(repository.discard(draft).await.is_clean());
    assert_eq!(memory.list("prod/").await.unwrap(), []);
    assert_eq!(begin(&repository, "prod", "2024-01-01T01:00:59Z").await.id().to_string(), "2024-01-01-01-00");
}

#[tokio::test]
async fn a_taken_minute_gets_a_number() {
    let (_, repository) = with_memory();
    for expected in ["2024-01-01-01-00", "2024-01-01-01-00-2", "2024-01-01-01-00-3"] {
        assert_eq!(begin(&repository, "prod", "2024-01-01T01:00:00Z").await.id().to_string(), expected);
    }
    assert_eq!(begin(&repository, "other", "2024-01-01T01:00:00Z").await.id().to_string(), "2024-01-01-01-00");
}

#[tokio::test]
async fn bad_manifests_are_listed_with_their_reason() {
    let (memory, repository) = with_memory();
    let good = example("prod", "2024-01-01-01-00").encode().unwrap();
    let newer = br#"{"format_version": 99}"#.to_vec();
    for (minute, body) in [
        ("01", b"not JSON".to_vec()),
        ("02", newer),
        ("03", good[..200].to_vec()),
        ("04", good.clone()),
        ("05", vec![b' '; 5_000_000]),
    ] {
        memory.create(&format!("prod/2024-01-01-01-{minute}/manifest.json"), body.into()).await.unwrap();
    }
    memory.create("prod/2024-01-01-01-00/manifest.json", good.into()).await.unwrap();
    memory.create("prod/not-a-backup/manifest.json", Bytes::from_static(b"{}")).await.unwrap();
    memory.create("stray.txt", Bytes::from_static(b"x")).await.unwrap();
    let listed = repository.list(Some("prod")).await.unwrap();
    let reasons: Vec<String> = listed
        .iter()
        .map(|backup| match &backup.status {
            ListedStatus::Unreadable(reason) => reason.clone(),
            ListedStatus::Published(_) => "good".into(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(reasons.len(), 6);
    for (reason, says) in
        reasons.iter().zip(["5000000 bytes", "prod/2024-01-01-01-00", "not JSON", "format 99", "not JSON", "good"])
    {
        assert!(reason.contains(says), "{reason}");
    }
    let error = repository.load("prod", "2024-01-01-01-02".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.code(), "unsupported_format");
}

#[tokio::test]
async fn the_newest_verification_and_the_pins_are_listed() {
    let (memory, repository) = with_memory();
    let id = publish(&repository, "prod", "2024-01-01T01:00:00Z", Purpose::Manual).await;
    for (time, level) in [("2024-01-03T00:00:00Z", "drill"), ("2024-01-02T00:00:00Z", "checksum")] {
        let receipt = Receipt { time: at(time), content: json!({"level": level, "status": "ok"}) };
        repository.write_receipt("prod", id, "verify", &receipt).await.unwrap();
    }
    memory.create("prod/2024-01-01-01-00/pins/audit.json", Bytes::from_static(b"{}")).await.unwrap();
    let backup = repository.list(None).await.unwrap().remove(0);
    let verified = backup.verified.unwrap();
    assert_eq!((verified.time, verified.text("level")), (at("2024-01-03T00:00:00Z"), Some("drill")));
    assert_eq!(backup.pins, ["audit"]);
    assert_eq!(repository.verified("prod", id).await.unwrap(), Some(verified));
}

#[tokio::test]
async fn a_removed_backup_is_gone_with_all_that_is_known_of_it() {
    let (memory, repository) = with_memory();
    let id = publish(&repository, "prod", "2024-01-01T01:00:00Z", Purpose::Manual).await;
    let other = publish(&repository, "prod", "2024-01-01T01:00:00Z", Purpose::Manual).await;
    let receipt = Receipt { time: at("2024-01-03T00:00:00Z"), content: json!({}) };
    repository.write_receipt("prod", id, "verify", &receipt).await.unwrap();
    assert!(repository.remove("prod", id, super::Terms::default()).await.unwrap().is_complete());
    assert!(memory.list("prod/2024-01-01-01-00/").await.unwrap().is_empty());
    assert!(
        repository.load("prod", other).await.is_ok(),
        "its neighbour, whose id begins in the same way, is untouched"
    );
    assert_eq!(repository.remove("prod", id, Terms::default()).await.unwrap_err().code(), "not_found");
}

/// What a selector means in a repository of two instances: the backup, with `*` where the target decided, or the error's code.
#[tokio::test]
async fn selectors_mean_what_the_contract_says() {
    let (memory, repository) = with_memory();
    for (instance, time, purpose) in [
        ("prod", "2024-01-01T01:00:00Z", Purpose::Manual),
        ("prod", "2024-01-01T01:00:00Z", Purpose::Manual),
        ("prod", "2024-02-01T01:00:00Z", Purpose::Scheduled),
        ("prod", "2024-03-01T01:00:00Z", Purpose::Safety),
        ("cache", "2024-01-01T01:00:00Z", Purpose::Manual),
        ("cache", "2023-05-05T05:05:00Z", Purpose::Manual),
    ] {
        publish(&repository, instance, time, purpose).await;
    }
    begin(&repository, "prod", "2024-04-01T01:00:00Z").await;

    let none: Option<&str> = None;
    for (selector, target, expected) in [
        // An exact id, of one instance or of several.
        ("2024-02-01-01-00", none, "prod/2024-02-01-01-00"),
        ("2024-02-01-01-00", Some("cache"), "prod/2024-02-01-01-00"),
        ("2024-01-01-01-00", none, "ambiguous"),
        ("2024-01-01-01-00", Some("prod"), "prod/2024-01-01-01-00*"),
        ("2024-01-01-01-00", Some("cache"), "cache/2024-01-01-01-00*"),
        ("2024-01-01-01-00", Some("staging"), "ambiguous"),
        ("2024-01-01-01-00-2", none, "prod/2024-01-01-01-00-2"),
        ("2024-03-01-01-00", none, "prod/2024-03-01-01-00"),
        // A unique beginning.
        ("2024-02", none, "prod/2024-02-01-01-00"),
        ("2023", none, "cache/2023-05-05-05-05"),
        ("2024-01-01", none, "ambiguous"),
        ("2024-01-01", Some("cache"), "cache/2024-01-01-01-00*"),
        ("2024-01-01", Some("prod"), "ambiguous"),
        ("2024", Some("prod"), "ambiguous"),
        ("2", none, "not_found"),
        ("", none, "not_found"),
        // With the instance.
        ("prod/2024-01-01-01-00", none, "prod/2024-01-01-01-00"),
        ("prod/2024-01-01-01-00", Some("cache"), "prod/2024-01-01-01-00"),
        ("cache/2024", none, "cache/2024-01-01-01-00"),
        ("prod/latest", none, "prod/2024-02-01-01-00"),
        ("cache/2024-02", none, "not_found"),
        ("staging/latest", none, "not_found"),
        ("../latest", none, "usage"),
        // The latest, safety backups passed over.
        ("latest", none, "ambiguous"),
        ("latest", Some("prod"), "prod/2024-02-01-01-00*"),
        ("latest", Some("cache"), "cache/2024-01-01-01-00*"),
        ("latest", Some("staging"), "ambiguous"),
        // What is not there, or never was finished.
        ("2025-01-01-01-00", none, "not_found"),
        ("2024-04-01-01-00", none, "not_found"),
        ("Latest", none, "not_found"),
    ] {
        let got = match repository.resolve(selector, target).await {
            Ok(found) => format!("{}/{}{}", found.instance, found.id, if found.chosen_by_target { "*" } else { "" }),
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(got, expected, "{selector:?} for {target:?}");
    }
    let unfinished = repository.resolve("2024-04-01-01-00", none).await.unwrap_err();
    assert!(unfinished.to_string().contains("never finished"), "{unfinished}");

    // A manifest that cannot be read is not passed over in silence.
    memory.create("cache/2024-06-01-01-00/manifest.json", Bytes::from_static(b"{")).await.unwrap();
    let found = repository.resolve("cache/latest", none).await.unwrap();
    assert_eq!(found.id.to_string(), "2024-06-01-01-00");
}
