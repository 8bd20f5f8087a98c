//! What every place for objects promises. Where a place cannot keep "only if it is not there", it must say so.

use std::sync::Arc;

use bytes::Bytes;
use chrono::Utc;
use redis_ops::storage::{Local, Memory, Shared, Storage, StorageError};

use super::{connect, keys, read, sample, upload};
use crate::support::s3::{Manners, S3Server};

#[tokio::test]
async fn memory_keeps_its_promises() {
    holds(Arc::new(Memory::new()), true).await;
    holds(Arc::new(Memory::ignoring_conditions()), false).await;
}

#[tokio::test]
async fn a_local_folder_keeps_its_promises() {
    let folder = tempfile::tempdir().unwrap();
    holds(Arc::new(Local::new(folder.path())), true).await;
    left_behind(&Local::new(folder.path())).await;
}

#[tokio::test]
async fn s3_keeps_its_promises() {
    let server = S3Server::start();
    holds(connect(&server, "").await, true).await;
    holds(connect(&server, "a/prefix").await, true).await;
    assert_eq!(server.left_of_uploads(), Vec::<String>::new());
}

#[tokio::test]
async fn s3_that_ignores_conditions_says_so() {
    let server = S3Server::start();
    server.behave(Manners { ignores_conditions: true, ..Manners::default() });
    holds(connect(&server, "a/prefix").await, false).await;
}

#[tokio::test]
async fn s3_that_knows_neither_conditions_nor_checksums_works_all_the_same() {
    let server = S3Server::start();
    server.behave(Manners { refuses_conditions: true, refuses_checksums: true, ..Manners::default() });
    holds(connect(&server, "a/prefix").await, false).await;
}

/// Everything in turn, on a place that is empty.
pub(super) async fn holds(storage: Shared, conditions: bool) {
    let storage = &*storage;
    whether_conditions_are_kept(storage, conditions).await;
    nothing_is_there(storage).await;
    small_objects_come_back(storage).await;
    creating_twice_is_refused(storage, conditions).await;
    large_objects_come_back(storage, conditions).await;
    listings_show_what_is_there(storage).await;
    bad_keys_are_refused(storage).await;
    what_is_deleted_is_gone(storage).await;
    if conditions {
        side_by_side(storage).await;
    }
}

/// It is found out with an object that is there, and `replace` replaces whatever the place keeps.
async fn whether_conditions_are_kept(storage: &dyn Storage, conditions: bool) {
    storage.create("marker", Bytes::from_static(b"first")).await.unwrap();
    let kept = storage.keeps_conditions("marker", Bytes::from_static(b"second")).await.unwrap();
    assert_eq!(kept, conditions, "{}", storage.describe());
    let by_nature = storage.keeps_conditions_by_nature();
    assert!(by_nature.is_none_or(|kept| kept == conditions), "{by_nature:?}");
    assert_eq!(storage.get("marker", 100).await.unwrap(), if kept { "first" } else { "second" });
    for body in ["third", "fourth"] {
        storage.replace("marker", body.into()).await.unwrap();
        assert_eq!(storage.get("marker", 100).await.unwrap(), body);
    }
    assert_eq!(keys(storage, "").await, ["marker"], "finding that out leaves nothing");
    storage.delete("marker").await.unwrap();
}

async fn nothing_is_there(storage: &dyn Storage) {
    assert!(matches!(storage.get("no/such", 10).await, Err(StorageError::NotFound | StorageError::NoSuchPlace(_))));
    let opened = storage.open("no/such", 0).await.err();
    assert!(matches!(opened, Some(StorageError::NotFound | StorageError::NoSuchPlace(_))), "{opened:?}");
    assert!(matches!(storage.head("no/such").await, Err(StorageError::NotFound | StorageError::NoSuchPlace(_))));
}

async fn small_objects_come_back(storage: &dyn Storage) {
    for (key, body) in [("small/a.json", "content"), ("small/empty", ""), ("top", "x")] {
        storage.create(key, Bytes::from(body)).await.unwrap();
        assert_eq!(storage.get(key, body.len() as u64).await.unwrap(), body);
        let info = storage.head(key).await.unwrap();
        assert_eq!((info.key.as_str(), info.length), (key, body.len() as u64));
        let age = chrono::Utc::now() - info.modified.unwrap();
        assert!(age.num_seconds().abs() < 3600, "it was written now, not {age} ago");
    }
    let error = storage.get("small/a.json", 6).await.unwrap_err();
    assert!(matches!(error, StorageError::TooLarge { length: 7, limit: 6 }), "{error}");
}

async fn creating_twice_is_refused(storage: &dyn Storage, conditions: bool) {
    storage.create("twice", Bytes::from_static(b"first")).await.unwrap();
    let second = storage.create("twice", Bytes::from_static(b"second")).await;
    let uploaded = upload(storage, "twice", &sample(11 << 20)).await;
    if conditions {
        assert!(matches!(second, Err(StorageError::AlreadyExists)), "{second:?}");
        assert!(uploaded.as_ref().is_err_and(StorageError::is_taken), "{uploaded:?}");
        assert_eq!(storage.get("twice", 100).await.unwrap(), "first");
    } else {
        assert!(second.is_ok() && uploaded.is_ok());
    }
    storage.delete("twice").await.unwrap();
}

async fn large_objects_come_back(storage: &dyn Storage, conditions: bool) {
    const PART: usize = 5 << 20;
    for length in [0, 1, PART - 1, PART, PART + 1, 4 * PART + 12_345] {
        let body = sample(length);
        assert_eq!(upload(storage, "large/object", &body).await.unwrap(), length as u64);
        assert_eq!(storage.head("large/object").await.unwrap().length, length as u64);
        for offset in [0, 1, length / 2, length, length + 1] {
            let expected = body.get(offset..).unwrap_or_default();
            assert!(read(storage, "large/object", offset as u64).await.unwrap() == expected, "{length} from {offset}");
        }
        if conditions {
            let again = upload(storage, "large/object", &body).await;
            assert!(again.as_ref().is_err_and(StorageError::is_taken), "{length}: {again:?}");
        }
        storage.delete("large/object").await.unwrap();
    }

    // What is not completed is not there.
    for ending in ["abort", "drop"] {
        let mut begun = storage.upload("large/begun").await.unwrap();
        begun.write(sample(2 * PART + 1)).await.unwrap();
        assert!(!keys(storage, "").await.iter().any(|key| key.contains("begun")));
        if ending == "abort" {
            begun.abort().await.unwrap()
        } else {
            drop(begun)
        }
        assert!(matches!(storage.head("large/begun").await, Err(StorageError::NotFound)), "{ending}");
    }
}

async fn listings_show_what_is_there(storage: &dyn Storage) {
    let all = ["list/a/1", "list/a/2", "list/a-b/1", "list/ab", "list/b/c/d", "list/ä/ö"];
    for key in all {
        storage.create(key, Bytes::from(key)).await.unwrap();
    }
    let mut sorted = all.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!(keys(storage, "list/").await, sorted);
    assert_eq!(keys(storage, "list/a").await, ["list/a-b/1", "list/a/1", "list/a/2", "list/ab"], "within a name");
    assert_eq!(keys(storage, "list/a/").await, ["list/a/1", "list/a/2"]);
    assert_eq!(keys(storage, "list/none/").await, Vec::<String>::new());
    let object = storage.list("list/ab").await.unwrap().remove(0);
    assert_eq!((object.key.as_str(), object.length), ("list/ab", 7));
}

async fn bad_keys_are_refused(storage: &dyn Storage) {
    for key in ["", "..", "../x", "a/../../x", "/etc/passwd", "a//b", ".hidden", "a/.hidden"] {
        assert!(storage.create(key, Bytes::new()).await.is_err(), "{key:?}");
        assert!(storage.get(key, 10).await.is_err(), "{key:?}");
        assert!(storage.upload(key).await.is_err(), "{key:?}");
        assert!(storage.delete(key).await.is_err(), "{key:?}");
    }
    assert!(storage.list("../").await.is_err());
}

async fn what_is_deleted_is_gone(storage: &dyn Storage) {
    storage.delete("list/b/c/d").await.unwrap();
    storage.delete("list/b/c/d").await.unwrap();
    assert!(matches!(storage.get("list/b/c/d", 10).await, Err(StorageError::NotFound)));
    assert_eq!(storage.unfinished("").await.unwrap().unwrap_or_default().uploads, []);
}

/// What a process that died had uploaded can be taken away, where it can be seen, and what goes on meanwhile is left.
pub(super) async fn left_behind(storage: &dyn Storage) {
    let mut dead = storage.upload("left/dead").await.unwrap();
    dead.write(Bytes::from(vec![7; 1 << 20])).await.unwrap();
    std::mem::forget(dead);
    let Some(found) = storage.unfinished("left/").await.unwrap() else {
        assert_eq!(storage.abort_unfinished("left/", Utc::now()).await.unwrap(), None);
        return;
    };
    if !found.uploads.is_empty() {
        assert_eq!((found.uploads[0].length > 0, found.unmeasured), (true, 0), "{found:?}");
    }
    let long_ago = Utc::now() - chrono::TimeDelta::days(1);
    assert_eq!(storage.abort_unfinished("left/", long_ago).await.unwrap(), Some(0), "it is not that old");
    // A store's clock may be ahead of ours by a second.
    let soon = Utc::now() + chrono::TimeDelta::seconds(60);
    assert_eq!(storage.abort_unfinished("elsewhere/", soon).await.unwrap(), Some(0));
    assert_eq!(storage.abort_unfinished("left/", soon).await.unwrap(), Some(found.uploads.len() as u64));
    assert_eq!(storage.unfinished("left/").await.unwrap(), Some(redis_ops::storage::LeftUploads::default()));
}

/// Of many writers of the same object one wins, where conditions are kept.
async fn side_by_side(storage: &dyn Storage) {
    let writers = (0..8).map(|number| storage.create("race/object", Bytes::from(format!("writer {number}"))));
    let results = futures_util::future::join_all(writers).await;
    let won: Vec<usize> = (0..8).filter(|number| results[*number].is_ok()).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    assert_eq!(storage.get("race/object", 100).await.unwrap(), format!("writer {}", won[0]));
}

/// Every place is told of. A method with a default that is not passed on there would never reach the place itself: that compiles, and a
/// guard against symbolic links once held nobody that way.
#[test]
fn whatever_can_be_asked_of_a_place_is_passed_on() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/storage");
    let read = |name: &str| std::fs::read_to_string(source.join(name)).unwrap();
    let (room, told) = (read("mod.rs"), read("told.rs"));
    let methods = |text: &str| -> Vec<String> {
        let names = text.split("fn ").skip(1).filter_map(|rest| Some(rest.split_once(['(', '<'])?.0.to_owned()));
        names.collect()
    };
    for (name, place) in [("Storage", "Told"), ("Upload", "ToldUpload")] {
        let asked =
            room.split(&format!("pub trait {name}:")).nth(1).and_then(|rest| rest.split("\n}\n").next()).unwrap();
        let passed = told.split(&format!("impl {name} for {place}")).nth(1).and_then(|rest| rest.split("\n}\n").next());
        let passed = methods(passed.unwrap());
        let missing: Vec<String> = methods(asked).into_iter().filter(|method| !passed.contains(method)).collect();
        assert!(methods(asked).len() > 3, "{name}");
        assert!(missing.is_empty(), "src/storage/told.rs does not pass on {missing:?} of `{name}`");
    }
}
