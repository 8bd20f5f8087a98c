//! Answers that get lost, and writers that meet where conditions are not kept: a backup is published, or it is not and nothing is left;
//! nobody harms another's.

use std::time::Duration;

use bytes::Bytes;
use redis_ops::repository::manifest::Manifest;
use redis_ops::repository::{BackupId, Discarded, Draft, ListedStatus, Repository, RepositoryError};
use redis_ops::storage::{Memory, Storage as _, StorageError};

use super::faulty::{Act, Asked, Faulty};
use super::repository::{manifest, somebody};

fn places() -> [Faulty; 2] {
    [Faulty::over(Memory::new()), Faulty::over(Memory::ignoring_conditions())]
}

async fn begin(place: &Faulty) -> Draft {
    // Each with its own repository, as processes on several machines have.
    let now = "2024-01-01T01:00:00Z".parse().unwrap();
    Repository::new(place.shared()).begin("prod", now, somebody()).await.unwrap()
}

/// Uploads and publishes; gives the draft up where that fails.
async fn finish(place: &Faulty, draft: Draft) -> Result<Manifest, (RepositoryError, Discarded)> {
    let repository = Repository::new(place.shared());
    match publish(&repository, &draft).await {
        Ok(manifest) => Ok(manifest),
        Err(error) => Err((error, repository.discard(draft).await)),
    }
}

async fn publish(repository: &Repository, draft: &Draft) -> Result<Manifest, RepositoryError> {
    let object = draft.object_name("dump.rdb");
    let mut upload = draft.upload(&object).await?;
    upload.write(Bytes::from_static(b"content")).await.unwrap();
    let lost = |source| RepositoryError::Storage { doing: "complete".to_owned(), source };
    assert_eq!(upload.complete().await.map_err(lost)?, 7);
    draft.put_small(&draft.object_name("census.bin"), Bytes::from_static(b"census")).await?;
    repository.commit(draft, manifest(draft)).await
}

/// The backups that are whole: manifest and dump.
async fn whole(place: &Faulty) -> Vec<String> {
    let repository = Repository::new(place.inner.clone().into_shared());
    let mut found = Vec::new();
    for listed in repository.list(None).await.unwrap() {
        let Some(manifest) = listed.manifest() else { continue };
        let object = &manifest.shards[0].object;
        assert_eq!(repository.object_length(manifest, object).await.unwrap(), Some(7), "{}", manifest.id);
        found.push(manifest.id.to_string());
    }
    found
}

trait IntoShared {
    fn into_shared(self) -> redis_ops::storage::Shared;
}

impl IntoShared for Memory {
    fn into_shared(self) -> redis_ops::storage::Shared {
        std::sync::Arc::new(self)
    }
}

/// What a store says to a write that it has done already: the first answer got lost, and this is the one to the second try.
fn second_answers() -> [StorageError; 4] {
    [
        StorageError::unavailable("connection reset"),
        StorageError::AlreadyExists,
        StorageError::AccessDenied("403".into()),
        StorageError::NotFound,
    ]
}

#[tokio::test]
async fn a_backup_outlives_any_single_lost_answer() {
    for (asked, part) in [
        (Asked::Create, "redis-ops-repository.json"),
        (Asked::Replace, "heartbeat"),
        (Asked::Create, "begun.json"),
        (Asked::Complete, "dump"),
        (Asked::Create, "census"),
        (Asked::Create, "manifest.json"),
    ] {
        for answer in second_answers() {
            // Whoever says "not found" to a write has not done it, but to the end of an upload that is no more.
            if asked != Asked::Complete && matches!(answer, StorageError::NotFound) {
                continue;
            }
            for place in places() {
                place.inject(asked, part, 1, Act::DoneBut(answer.clone()));
                let draft = begin(&place).await;
                let done = finish(&place, draft).await;
                assert!(done.is_ok(), "{asked:?} {part} {answer}: {done:?}");
                assert_eq!(whole(&place).await, ["2024-01-01-01-00"], "{asked:?} {part} {answer}");
            }
        }
    }
}

/// What is proven to be another's is neither taken for ours nor removed with ours.
#[tokio::test]
async fn an_object_of_another_in_our_place_is_neither_taken_nor_removed() {
    for place in places() {
        for (asked, part, theirs) in [(Asked::Complete, "dump", &b"another"[..]), (Asked::Create, "census", b"anothe")]
        {
            let draft = begin(&place).await;
            let plain = if part == "dump" { "dump.rdb" } else { "census.bin" };
            let key = format!("prod/{}/{}", draft.id(), draft.object_name(plain));
            place.inner.create(&key, Bytes::from_static(theirs)).await.unwrap();
            place.inject(asked, part, 1, Act::NotDone(StorageError::Taken));
            let (error, discarded) = finish(&place, draft).await.unwrap_err();
            assert_eq!(error.code(), "already_exists", "{error}");
            assert!(discarded.is_clean(), "{discarded:?}");
            assert_eq!(place.inner.get(&key, 100).await.unwrap(), theirs, "{key}");
            let left = place.inner.list("prod/").await.unwrap();
            assert_eq!(left.iter().map(|object| &object.key).collect::<Vec<_>>(), [&key]);
            place.inner.delete(&key).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_manifest_whose_request_got_lost_is_sent_again() {
    for place in places() {
        let draft = begin(&place).await;
        place.inject(Asked::Create, "manifest.json", 2, Act::NotDone(StorageError::unavailable("reset")));
        finish(&place, draft).await.unwrap();
        assert_eq!(whole(&place).await, ["2024-01-01-01-00"]);
    }
}

#[tokio::test]
async fn nothing_is_removed_while_the_manifest_may_be_there() {
    for body in [&b""[..], b"<html>502 Bad Gateway</html>", b"{\"format_version\": 1}"] {
        for place in places() {
            let draft = begin(&place).await;
            // It is written, nobody hears of it, and reading it gives something else.
            place.inject(Asked::Create, "manifest.json", 1, Act::DoneBut(StorageError::unavailable("reset")));
            place.inject(Asked::Get, "manifest.json", 100, Act::Gives(body));
            let (error, discarded) = finish(&place, draft).await.unwrap_err();
            assert!(matches!(error, RepositoryError::Unclear { .. }), "{error}");
            assert!(discarded.may_be_published && !discarded.left.is_empty(), "{discarded:?}");
            assert_eq!(whole(&place).await, ["2024-01-01-01-00"], "the backup is there, whole");
        }
    }
    // A page for a moment is looked through.
    for place in places() {
        let draft = begin(&place).await;
        place.inject(Asked::Create, "manifest.json", 1, Act::DoneBut(StorageError::unavailable("reset")));
        place.inject(Asked::Get, "manifest.json", 2, Act::Gives(b""));
        finish(&place, draft).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_refused_leaves_nothing() {
    for place in places() {
        for error in [StorageError::AccessDenied("no".into()), StorageError::Full("no".into())] {
            let draft = begin(&place).await;
            place.inject(Asked::Create, "manifest.json", 1, Act::NotDone(error));
            let (_, discarded) = finish(&place, draft).await.unwrap_err();
            assert!(discarded.is_clean(), "{discarded:?}");
            assert_eq!(place.inner.list("prod/").await.unwrap(), []);
        }
        // The store is away for good when the manifest is written, and back when it is cleaned up.
        let draft = begin(&place).await;
        place.inject(Asked::Create, "manifest.json", 4, Act::NotDone(StorageError::unavailable("away")));
        let (_, discarded) = finish(&place, draft).await.unwrap_err();
        assert!(discarded.is_clean(), "{discarded:?}");
        assert_eq!(place.inner.list("prod/").await.unwrap(), []);
    }
}

/// Two backups of one name in one minute, where conditions are not kept and the first one's `begun.json` takes long: the second has
/// looked, written and read back before the first one's write arrives.
#[tokio::test]
async fn a_slow_writer_does_not_harm_the_one_that_was_quicker() {
    for slow in [600, 1200, 2500] {
        let memory = Memory::ignoring_conditions();
        let (first, second) = (Faulty::over(memory.clone()), Faulty::over(memory.clone()));
        Repository::new(first.shared())
            .begin("warm-up", "2024-01-01T00:00:00Z".parse().unwrap(), somebody())
            .await
            .unwrap();
        first.inject(Asked::Create, "begun.json", 1, Act::Takes(Duration::from_millis(slow)));
        let later = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            begin(&second).await
        };
        let (a, b) = tokio::join!(begin(&first), later);
        // Both go on at the same time.
        let (a, b) = tokio::join!(finish(&first, a), finish(&second, b));
        let ids: Vec<&BackupId> = [&a, &b].into_iter().filter_map(|done| Some(&done.as_ref().ok()?.id)).collect();
        assert!(!ids.is_empty(), "{slow}: {a:?} {b:?}");
        assert!(ids.len() == 1 || ids[0] != ids[1], "{slow}: {ids:?}");
        let mut published = whole(&first).await;
        published.sort();
        let mut expected: Vec<String> = ids.into_iter().map(ToString::to_string).collect();
        expected.sort();
        assert_eq!(published, expected, "{slow}: what was called published is there and whole");
    }
}

/// Any of the four writes of two backups of one minute may take any time, where conditions are not kept: each gets an id of its own.
#[tokio::test]
async fn two_writers_get_two_ids_however_late_either_writes() {
    const DELAYS: [u64; 3] = [0, 300, 1100];
    let pair = async |delays: [u64; 4], head_start: u64| {
        let memory = Memory::ignoring_conditions();
        let (first, second) = (Faulty::over(memory.clone()), Faulty::over(memory.clone()));
        let marker = Repository::new(first.shared());
        marker.begin("warm-up", "2024-01-01T00:00:00Z".parse().unwrap(), somebody()).await.unwrap();
        for (place, delays) in [(&first, &delays[..2]), (&second, &delays[2..])] {
            place.inject(Asked::Replace, "heartbeat", 1, Act::Takes(Duration::from_millis(delays[0])));
            place.inject(Asked::Create, "begun.json", 1, Act::Takes(Duration::from_millis(delays[1])));
        }
        let later = async {
            tokio::time::sleep(Duration::from_millis(head_start)).await;
            begin(&second).await
        };
        let (a, b) = tokio::join!(begin(&first), later);
        assert_ne!(a.id(), b.id(), "{delays:?}, {head_start}");
        for (draft, place) in [(a, &first), (b, &second)] {
            let done = finish(place, draft).await;
            assert!(done.is_ok(), "{delays:?}, {head_start}: {done:?}");
        }
        assert_eq!(whole(&first).await.len(), 2, "{delays:?}, {head_start}");
        let left = memory.list("prod/").await.unwrap();
        assert_eq!(left.len(), 8, "begun, census, dump and manifest of each: {left:?}");
    };
    let mut pairs = Vec::new();
    for number in 0..DELAYS.len().pow(4) {
        let delays = [0, 1, 2, 3].map(|place| DELAYS[number / DELAYS.len().pow(place) % DELAYS.len()]);
        pairs.extend([0, 50, 1500].map(|head_start| pair(delays, head_start)));
    }
    futures_util::future::join_all(pairs).await;
}

/// Even if two hold one id, neither takes anything from the other.
#[tokio::test]
async fn two_that_hold_one_id_do_not_harm_each_other() {
    let memory = Memory::ignoring_conditions();
    let place = Faulty::over(memory.clone());
    let a = begin(&place).await;
    // Somebody removes the reservation, and another takes the id.
    for object in memory.list("prod/").await.unwrap() {
        memory.delete(&object.key).await.unwrap();
    }
    let b = begin(&place).await;
    assert_eq!(a.id(), b.id());
    let published = finish(&place, b).await.unwrap();
    let (error, discarded) = finish(&place, a).await.unwrap_err();
    assert_eq!(error.code(), "already_exists");
    assert!(!discarded.may_be_published);
    assert_eq!(whole(&place).await, [published.id.to_string()]);
    let folder = format!("prod/{}/", published.id);
    let names: Vec<String> =
        memory.list(&folder).await.unwrap().iter().map(|object| object.key[folder.len()..].to_owned()).collect();
    assert!(names.contains(&"begun.json".to_owned()), "the reservation is the other's: {names:?}");
    assert_eq!(names.len(), 4, "begun, census, dump and manifest of the one that was published: {names:?}");
}

#[tokio::test]
async fn signs_of_life_are_given_and_go_away() {
    for place in places() {
        let draft = begin(&place).await;
        let before = place.inner.list("prod/").await.unwrap().len();
        let heartbeats = |objects: &[redis_ops::storage::ObjectInfo]| {
            objects.iter().filter(|object| object.key.contains("/heartbeat-")).count()
        };
        let first = async {
            while heartbeats(&place.inner.list("prod/").await.unwrap()) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            never = draft.keep_alive(Duration::from_millis(10)) => match never {},
            seen = tokio::time::timeout(Duration::from_secs(60), first) => seen.expect("a sign of life"),
        }
        let objects = place.inner.list("prod/").await.unwrap();
        assert_eq!(heartbeats(&objects), 1, "{before}: {objects:?}");
        let listed = Repository::new(place.shared()).list(None).await.unwrap();
        assert!(matches!(listed[0].status, ListedStatus::Running(_)), "{listed:?}");
        finish(&place, draft).await.unwrap();
        assert_eq!(heartbeats(&place.inner.list("prod/").await.unwrap()), 0);
    }
}

#[tokio::test]
async fn a_list_of_thousands_takes_one_request_each() {
    let place = Faulty::over(Memory::new());
    let draft = begin(&place).await;
    let template = manifest(&draft);
    let mut time: chrono::DateTime<chrono::Utc> = "2016-01-01T01:00:00Z".parse().unwrap();
    for _ in 0..3000 {
        time += chrono::TimeDelta::hours(1);
        let id = BackupId::new(time);
        let body = Manifest { id, instance: "many".into(), ..template.clone() }.encode().unwrap();
        place.inner.create(&format!("many/{id}/manifest.json"), body.into()).await.unwrap();
    }
    place.gets.lock().unwrap().clear();
    let (mut total, mut seen) = (0, Vec::new());
    Repository::new(place.shared())
        .list_each(Some("many"), |all| total = all, |listed| seen.push(listed.manifest().map(|_| listed.id)))
        .await
        .unwrap();
    assert_eq!((total, seen.len()), (3000, 3000));
    assert!(seen.iter().all(Option::is_some) && seen.is_sorted_by(|a, b| a > b), "newest first");
    assert_eq!(place.gets.lock().unwrap().len(), 3001, "each manifest, and the marker");
}

#[tokio::test]
async fn one_that_cannot_be_read_does_not_stop_the_others() {
    let place = Faulty::over(Memory::new());
    for _ in 0..3 {
        let draft = begin(&place).await;
        finish(&place, draft).await.unwrap();
    }
    let of =
        |id: &str| place.inner.list("").now_or_never().unwrap().unwrap().iter().filter(|o| o.key.contains(id)).count();
    assert!(of("2024-01-01-01-00-3") > 0);
    place.inject(Asked::Get, "01-00-3/manifest.json", 100, Act::NotDone(StorageError::Archived("Glacier".into())));
    place.inject(Asked::Get, "01-00-2/manifest.json", 100, Act::NotDone(StorageError::AccessDenied("403".into())));
    let repository = Repository::new(place.shared());
    let listed = repository.list(None).await.unwrap();
    assert!(matches!(listed[0].status, ListedStatus::Archived(_)), "{:?}", listed[0].status);
    assert!(matches!(listed[1].status, ListedStatus::AccessDenied(_)), "{:?}", listed[1].status);
    assert!(listed[2].manifest().is_some());
    let newest = repository.newest("prod").await.unwrap();
    assert_eq!(newest.backup.unwrap().id.to_string(), "2024-01-01-01-00", "the newest that can be read");
    let since = |text: &str| repository.taken_since("prod", text.parse().unwrap());
    // Published is published, even if its manifest is in an archive; and what is older is not asked.
    assert!(since("2024-01-01T01:00:00Z").await.unwrap().is_some());
    place.gets.lock().unwrap().clear();
    assert!(since("2024-01-01T02:00:00Z").await.unwrap().is_none());
    assert!(place.gets.lock().unwrap().iter().all(|key| !key.ends_with("/manifest.json")));
    // `latest` does not pass over it in silence.
    let found = repository.resolve("prod/latest", None).await.unwrap();
    assert_eq!(repository.load("prod", found.id).await.unwrap_err().code(), "archived");
}

use futures_util::FutureExt as _;
