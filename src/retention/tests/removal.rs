//! What a removal does in its order, and what it leaves alone.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use super::place::{Place, back_up, elsewhere, read_whole, scheduled};
use crate::progress::Hidden;
use crate::repository::manifest::{Purpose, StructureState};
use crate::repository::{ListedStatus, Pin, Repository};
use crate::retention::plan::NeededBy;
use crate::retention::{Fate, Plan, Policy, Report, Wanted, carry_out, nobody, plan};
use crate::storage::{LeftUploads, Storage, StorageError};

pub(super) fn repository(place: &Place) -> Repository {
    Repository::new(Arc::new(place.clone()))
}

pub(super) fn keep_last(last: u64) -> Policy {
    Policy { last, ..Policy::default() }
}

pub(super) async fn planned(place: &Place, policy: &Policy) -> Plan {
    plan(&repository(place), &Wanted::All, policy, &nobody).await.expect("a plan")
}

pub(super) async fn carried_out(place: &Place, plan: &Plan, needed_by: NeededBy<'_>) -> Report {
    carry_out(plan, &repository(place), needed_by, &Hidden {}, &CancellationToken::new()).await
}

pub(super) async fn ids(place: &Place) -> Vec<String> {
    let listed = repository(place).list(None).await.expect("a list");
    listed.iter().filter(|listed| listed.manifest().is_some()).map(|listed| listed.id.to_string()).collect()
}

pub(super) fn a_pin(place: &Place) -> Pin {
    Pin { pinned_at: place.time(), host: "host".to_owned(), reason: None }
}

/// Three backups, a day apart.
pub(super) async fn three(place: &Place) -> [crate::repository::BackupId; 3] {
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(scheduled(place, "prod").await);
        place.pass(TimeDelta::days(1));
    }
    ids.try_into().expect("three")
}

#[tokio::test]
async fn what_somebody_needs_stays_and_is_named() {
    let place = Place::new("2024-01-01T01:00:00Z");
    let [first, second, _] = three(&place).await;
    let needs =
        move |instance: &str, id| (instance == "prod" && id == first).then(|| "the archive from offset 42".to_owned());
    let plan = plan(&repository(&place), &Wanted::All, &keep_last(1), &needs).await.unwrap();
    let kept: Vec<String> = plan.backups.iter().map(|backup| format!("{:?}", backup.verdict)).collect();
    assert!(kept[2].contains("the archive from offset 42"), "{kept:?}");
    assert!(carried_out(&place, &plan, &needs).await.backups.iter().all(|done| matches!(done.fate, Fate::Removed)));
    assert_eq!(ids(&place).await, ["2024-01-03-01-00", "2024-01-01-01-00"]);
    assert!(!ids(&place).await.contains(&second.to_string()));
}

#[tokio::test]
async fn a_manifest_that_the_store_holds_keeps_the_whole_backup() {
    let place = Place::new("2024-01-01T01:00:00Z");
    let [first, ..] = three(&place).await;
    place.lock("2024-01-01-01-00/manifest.json");
    let report = carried_out(&place, &planned(&place, &keep_last(1)).await, &nobody).await;
    let Fate::Left(left) = &report.backups[1].fate else { panic!("{report:?}") };
    assert!(matches!(left[0].error, StorageError::Locked(_)) && left[0].key.ends_with("manifest.json"), "{left:?}");
    assert!(report.is_incomplete());
    read_whole(&repository(&place), "prod", first).await.unwrap();
    assert_eq!(ids(&place).await.len(), 2, "the one that is not held is gone");
}

#[tokio::test]
async fn an_object_that_the_store_holds_is_garbage_of_a_later_prune() {
    let place = Place::new("2024-01-01T01:00:00Z");
    three(&place).await;
    place.lock("2024-01-01-01-00/dump");
    let report = carried_out(&place, &planned(&place, &keep_last(1)).await, &nobody).await;
    assert!(matches!(&report.backups[1].fate, Fate::Left(left) if left.len() == 1), "{report:?}");
    assert_eq!(ids(&place).await, ["2024-01-03-01-00"]);
    // It has no manifest any more, and is reported each time from the next day on, and nothing grows.
    place.pass(TimeDelta::hours(25));
    let before = place.list("").await.unwrap();
    for _ in 0..2 {
        let plan = planned(&place, &keep_last(1)).await;
        assert_eq!(plan.left.len(), 1, "{plan:?}");
        assert!(carried_out(&place, &plan, &nobody).await.is_incomplete());
        let keys = |objects: &[crate::storage::ObjectInfo]| {
            objects.iter().map(|object| object.key.clone()).collect::<Vec<_>>()
        };
        assert_eq!(keys(&place.list("").await.unwrap()), keys(&before));
    }
}

#[tokio::test]
async fn what_failed_backups_leave_goes_after_a_day_by_the_clock_of_the_store() {
    let place = Place::new("2024-01-01T01:00:00Z");
    scheduled(&place, "prod").await;
    place.pass(TimeDelta::hours(1));
    // One dies with its data stored, one before that.
    for lives_for in [2, 1] {
        let backup = back_up(&place, "prod", Purpose::Manual, StructureState::Verified);
        assert!(place.mortal(Some(lives_for), backup).await.is_none());
        place.pass(TimeDelta::hours(1));
    }
    let left = planned(&place, &keep_last(1)).await.left;
    assert!(left.len() == 2 && left.iter().all(|left| left.is_kept), "{left:?}");
    place.pass(TimeDelta::hours(22));
    let left = planned(&place, &keep_last(1)).await.left;
    assert_eq!(left.iter().map(|left| left.is_kept).collect::<Vec<_>>(), [true, false], "{left:?}");
    place.pass(TimeDelta::hours(2));
    let report = carried_out(&place, &planned(&place, &keep_last(1)).await, &nobody).await;
    assert!(report.left.iter().all(|done| matches!(done.fate, Fate::Removed)), "{report:?}");
    assert_eq!(repository(&place).list(None).await.unwrap().len(), 1);
    assert_eq!(place.unfinished("").await.unwrap(), Some(LeftUploads::default()));
    assert!(place.list("").await.unwrap().iter().all(|object| !object.key.contains("01-02-00")), "nothing is left");
}

#[tokio::test]
async fn a_writer_that_wakes_after_a_day_publishes_all_or_nothing() {
    for dice in 0..60 {
        let place = Place::new("2024-01-01T01:00:00Z");
        scheduled(&place, "prod").await;
        place.pass(TimeDelta::hours(1));
        let draft = repository(&place).begin("prod", place.time(), elsewhere()).await.unwrap();
        let mut upload = draft.upload("dump.rdb").await.unwrap();
        upload.write(bytes::Bytes::from(format!("the data of {}", draft.id()))).await.unwrap();
        upload.complete().await.unwrap();
        place.pass(TimeDelta::hours(25));
        let plan = planned(&place, &keep_last(9)).await;
        let like = repository(&place).load("prod", "2024-01-01-01-00".parse().unwrap()).await.unwrap();
        let mut manifest = crate::repository::manifest::Manifest { id: draft.id(), ..like };
        manifest.shards[0].object = "dump.rdb".to_owned();
        place.throw(dice * 7919);
        let repository = repository(&place);
        let committing = async {
            // A refusal is what it takes; the pauses of a writer that tries again are not waited for.
            tokio::time::timeout(std::time::Duration::from_millis(20), repository.commit(&draft, manifest)).await
        };
        let (committed, report) = tokio::join!(committing, carried_out(&place, &plan, &nobody));
        let is_published = repository.load("prod", draft.id()).await.is_ok();
        // One that is still trying has said nothing.
        assert!(is_published || !matches!(committed, Ok(Ok(_))), "{report:?}");
        if is_published {
            read_whole(&repository, "prod", draft.id()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_a_killed_prune_has_put_in_place_of_a_manifest_is_no_backup_and_goes_too() {
    let place = Place::new("2024-01-01T01:00:00Z");
    scheduled(&place, "prod").await;
    place.pass(TimeDelta::hours(1));
    let backup = back_up(&place, "prod", Purpose::Manual, StructureState::Verified);
    assert!(place.mortal(Some(2), backup).await.is_none());
    place.pass(TimeDelta::hours(25));
    // It dies at each of its changes.
    for lives_for in 0..6 {
        let plan = planned(&place, &keep_last(1)).await;
        place.mortal(Some(lives_for), carried_out(&place, &plan, &nobody)).await;
        let listed = repository(&place).list(None).await.unwrap();
        assert!(
            listed.iter().all(|listed| !matches!(listed.status, ListedStatus::Unreadable(_))),
            "after {lives_for}: {listed:?}"
        );
        // What it has written is young: a day later it is not.
        place.pass(TimeDelta::hours(25));
    }
    carried_out(&place, &planned(&place, &keep_last(1)).await, &nobody).await;
    assert_eq!(repository(&place).list(None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn uploads_in_the_folder_of_a_published_backup_go_after_a_day() {
    let place = Place::new("2024-01-01T01:00:00Z");
    let id = scheduled(&place, "prod").await;
    let upload = place.upload(&format!("prod/{id}/census.bin")).await.unwrap();
    assert!(planned(&place, &keep_last(1)).await.is_empty());
    place.pass(TimeDelta::hours(25));
    let plan = planned(&place, &keep_last(1)).await;
    assert!(plan.left.len() == 1 && plan.left[0].is_published && !plan.is_empty(), "{plan:?}");
    let report = carried_out(&place, &plan, &nobody).await;
    assert_eq!(report.uploads, 1);
    assert_eq!(place.unfinished("").await.unwrap(), Some(LeftUploads::default()));
    read_whole(&repository(&place), "prod", id).await.unwrap();
    drop(upload);
}

#[tokio::test]
async fn a_policy_for_some_instances_leaves_the_others_alone() {
    let place = Place::new("2024-01-01T01:00:00Z");
    three(&place).await;
    for _ in 0..3 {
        scheduled(&place, "theirs").await;
        place.pass(TimeDelta::hours(1));
    }
    let wanted = Wanted::These(vec!["prod".to_owned(), "not-there".to_owned()]);
    let plan = plan(&repository(&place), &wanted, &keep_last(1), &nobody).await.unwrap();
    assert_eq!((plan.instances.clone(), plan.others.clone()), (vec!["prod".to_owned()], vec!["theirs".to_owned()]));
    carried_out(&place, &plan, &nobody).await;
    assert_eq!(ids(&place).await.len(), 4);
}

#[tokio::test]
async fn ten_thousand_objects_of_failed_backups_go_in_one_prune() {
    let place = Place::new("2024-01-01T00:00:00Z");
    let id = scheduled(&place, "prod").await;
    for number in 0..10_000 {
        let (backup, object) = (number / 20, number % 20);
        let key = format!("prod/2023-0{}-01-01-00-{}/shard-{object:04}.rdb", 1 + backup % 9, 2 + backup / 9);
        place.create(&key, bytes::Bytes::from_static(b"x")).await.unwrap();
        if object == 0 {
            let id = key.split('/').nth(1).expect("an id");
            let begun = format!(
                r#"{{"id": "{id}", "instance": "prod", "begun_at": "2023-01-01T01:00:00Z", "host": "gone", "pid": 1, "token": "t"}}"#
            );
            place.create(&format!("prod/{id}/begun.json"), begun.into()).await.unwrap();
        }
    }
    place.pass(TimeDelta::hours(25));
    let plan = planned(&place, &keep_last(1)).await;
    assert_eq!(plan.left.len(), 500);
    let report = carried_out(&place, &plan, &nobody).await;
    assert!(!report.is_incomplete() && report.objects == 10_500, "{}", report.objects);
    assert_eq!(repository(&place).list(None).await.unwrap().len(), 1);
    read_whole(&repository(&place), "prod", id).await.unwrap();
}

#[tokio::test]
async fn files_of_others_stay_however_much_their_folder_looks_like_a_backup() {
    let place = Place::new("2024-01-01T01:00:00Z");
    let [first, ..] = three(&place).await;
    for key in
        ["photos/2023-05-01-10-00/beach.jpg", "prod/2023-05-01-10-00/dump.rdb.gz", "prod/2023-06-01-10-00/begun.json"]
    {
        place.create(key, bytes::Bytes::from_static(b"{}")).await.unwrap();
    }
    // A note that somebody has laid beside a backup.
    let note = format!("prod/{first}/README.md");
    place.create(&note, bytes::Bytes::from_static(b"mine")).await.unwrap();
    place.pass(TimeDelta::days(2));
    let plan = planned(&place, &keep_last(1)).await;
    assert!(plan.left.len() == 3 && plan.left.iter().all(|left| left.is_kept && left.held.is_some()), "{plan:?}");
    let report = carried_out(&place, &plan, &nobody).await;
    assert_eq!(report.foreign, std::slice::from_ref(&note));
    let there: Vec<String> = place.list("").await.unwrap().into_iter().map(|object| object.key).collect();
    for key in ["photos/2023-05-01-10-00/beach.jpg", "prod/2023-05-01-10-00/dump.rdb.gz", &note] {
        assert!(there.iter().any(|there| there == key), "{key} of {there:?}");
    }
    assert!(!there.iter().any(|there| there.starts_with(&format!("prod/{first}/")) && *there != note), "{there:?}");
    for _ in 0..2 {
        assert!(
            repository(&place)
                .remove_left("photos", "2023-05-01-10-00".parse().unwrap(), TimeDelta::hours(24))
                .await
                .unwrap()
                .held
                .is_some()
        );
    }
}

#[tokio::test]
async fn a_backup_that_lacks_its_manifest_alone_and_one_that_is_pinned_are_no_garbage() {
    let place = Place::new("2024-01-01T01:00:00Z");
    let [first, second, _] = three(&place).await;
    place.create(&format!("prod/{first}/census.bin"), bytes::Bytes::from_static(b"c")).await.unwrap();
    let repository = repository(&place);
    repository.pin("prod", second, "audit", &a_pin(&place)).await.unwrap();
    for id in [first, second] {
        place.delete(&format!("prod/{id}/manifest.json")).await.unwrap();
    }
    place.pass(TimeDelta::days(2));
    let plan = planned(&place, &keep_last(1)).await;
    let held: Vec<String> = plan.left.iter().map(|left| left.held.as_ref().expect("a hold").to_string()).collect();
    assert_eq!(
        held,
        ["pinned (audit)", "complete except for its manifest: it may be the only copy; `delete ID --last` removes it"]
    );
    assert!(plan.is_empty());
}

#[tokio::test]
async fn a_backup_whose_removal_was_killed_is_garbage_after_a_day() {
    for lives_for in 0.. {
        let place = Place::new("2024-01-01T01:00:00Z");
        let [first, ..] = three(&place).await;
        place.create(&format!("prod/{first}/census.bin"), bytes::Bytes::from_static(b"c")).await.unwrap();
        place.pass(TimeDelta::days(30));
        let plan = planned(&place, &keep_last(2)).await;
        let ended = place.mortal(Some(lives_for), carried_out(&place, &plan, &nobody)).await;
        let is_there = ids(&place).await.contains(&first.to_string());
        if is_there {
            read_whole(&repository(&place), "prod", first).await.unwrap();
        }
        let young = planned(&place, &keep_last(9)).await;
        // Its reservation alone, the last to go, is of no use to anybody.
        let waits = young.left.iter().all(|left| left.is_kept || left.objects == 1);
        assert!(waits && young.backups.iter().all(|one| one.is_kept()), "killed before change {lives_for}: {young:?}");
        place.pass(TimeDelta::hours(25));
        let policy = if is_there { keep_last(9) } else { keep_last(2) };
        let report = carried_out(&place, &planned(&place, &policy).await, &nobody).await;
        assert!(!report.is_incomplete(), "{report:?}");
        let left = place.list(&format!("prod/{first}/")).await.unwrap();
        assert_eq!(left.is_empty(), !is_there, "killed before change {lives_for}: {left:?}");
        if ended.is_some() {
            break;
        }
    }
}

#[tokio::test]
async fn a_backup_that_is_newer_than_we_know_stands_for_no_sound_one() {
    let place = Place::new("2024-01-01T01:00:00Z");
    let [.., sound] = three(&place).await;
    let state = StructureState::NotUnderstood;
    back_up(&place, "prod", Purpose::Scheduled, state).await.unwrap();
    let plan = planned(&place, &keep_last(1)).await;
    let kept: Vec<String> =
        plan.backups.iter().filter(|one| one.is_kept()).map(|one| format!("{:?}", one.verdict)).collect();
    assert_eq!(kept, ["[Rule(Last), Last]", "[NewestSound]"]);
    assert!(plan.backups[1].id == sound && plan.backups[1].is_kept(), "{plan:?}");
}
