//! What others do at the same moment as a removal: pins, readers, other removals.

use chrono::TimeDelta;

use super::place::{Place, elsewhere, read_whole, scheduled, verify};
use super::removal::{a_pin, carried_out, ids, keep_last, planned, repository, three};
use crate::repository::{ReadFor, Terms};
use crate::retention::{Fate, nobody};
use crate::storage::Storage;

#[tokio::test]
async fn a_need_that_comes_up_after_the_plan_is_heard() {
    let place = Place::new("2024-01-01T01:00:00Z");
    let [first, ..] = three(&place).await;
    let plan = planned(&place, &keep_last(1)).await;
    let needs = move |_: &str, id| (id == first).then(|| "the archive".to_owned());
    let report = carried_out(&place, &plan, &needs).await;
    assert!(matches!(report.backups[1].fate, Fate::Kept(_)), "{report:?}");
    assert!(!report.is_incomplete());
    assert_eq!(ids(&place).await.len(), 2);
}

#[tokio::test]
async fn a_pin_and_a_reader_that_come_after_the_plan_are_seen() {
    let place = Place::new("2024-01-01T01:00:00Z");
    let [first, second, _] = three(&place).await;
    let plan = planned(&place, &keep_last(1)).await;
    let repository = repository(&place);
    repository.pin("prod", first, "audit", &a_pin(&place)).await.unwrap();
    let reading = repository.begin_reading("prod", second, ReadFor::Restore, elsewhere()).await.unwrap();
    let report = carried_out(&place, &plan, &nobody).await;
    assert!(report.backups.iter().all(|done| matches!(done.fate, Fate::Kept(_))), "{report:?}");
    for id in [first, second] {
        read_whole(&repository, "prod", id).await.unwrap();
    }
    // A reader that is done lets go, and so does one of which nothing is heard; a restore may be resumed for a day.
    reading.end().await;
    repository.lift_pin("prod", first, "audit").await.unwrap();
    let silent = repository.begin_reading("prod", first, ReadFor::Restore, elsewhere()).await.unwrap();
    let once = repository.begin_reading("prod", second, ReadFor::Once, elsewhere()).await.unwrap();
    place.pass(TimeDelta::minutes(17));
    let verdicts: Vec<String> =
        planned(&place, &keep_last(1)).await.backups.iter().map(|backup| backup.verdict[0].to_string()).collect();
    assert_eq!(verdicts[1], "no rule keeps it");
    assert!(verdicts[2].starts_with("read by an interrupted restore (pid 7 on elsewhere)"), "{verdicts:?}");
    assert!(
        repository
            .remove("prod", first, Terms { instead: &[], spares_interrupted: true, identity: None })
            .await
            .unwrap()
            .stays()
    );
    drop(once);
    place.pass(TimeDelta::hours(24));
    carried_out(&place, &planned(&place, &keep_last(1)).await, &nobody).await;
    assert_eq!(ids(&place).await, ["2024-01-03-01-00"]);
    drop(silent);
}

#[tokio::test]
async fn another_backup_that_got_the_id_after_the_plan_is_not_removed() {
    let place = Place::new("2024-01-01T01:00:00Z");
    let [first, ..] = three(&place).await;
    let plan = planned(&place, &keep_last(1)).await;
    // Another process removes the backup, and publishes another under its id.
    let folder = format!("prod/{first}/");
    let mut manifest = repository(&place).load("prod", first).await.unwrap();
    manifest.labels.insert("whose".to_owned(), "of another".to_owned());
    place.delete(&format!("{folder}manifest.json")).await.unwrap();
    place.create(&format!("{folder}manifest.json"), manifest.encode().unwrap().into()).await.unwrap();
    let report = carried_out(&place, &plan, &nobody).await;
    let Fate::Kept(why) = &report.backups[1].fate else { panic!("{report:?}") };
    assert_eq!(why.to_string(), "another backup was published under this id meanwhile");
    read_whole(&repository(&place), "prod", first).await.unwrap();
    assert_eq!(ids(&place).await, ["2024-01-03-01-00", "2024-01-01-01-00"], "the other one is gone");
}

#[tokio::test]
async fn two_prunes_at_once_remove_what_one_does() {
    let place = Place::new("2024-01-01T01:00:00Z");
    let [first, ..] = three(&place).await;
    verify(&place, "prod", first).await;
    let plan = planned(&place, &keep_last(1)).await;
    let (one, two) = tokio::join!(carried_out(&place, &plan, &nobody), carried_out(&place, &plan, &nobody));
    assert!(!one.is_incomplete() && !two.is_incomplete(), "{one:?} {two:?}");
    assert_eq!(ids(&place).await, ["2024-01-03-01-00", "2024-01-01-01-00"], "the newest, and the newest verified");
}

/// `delete --last` of the backup that a prune keeps, at each moment of the prune.
#[tokio::test]
async fn a_prune_never_removes_a_backup_once_what_it_keeps_is_gone() {
    let mut saved = 0;
    for moment in 0.. {
        let place = Place::new("2024-01-01T01:00:00Z");
        three(&place).await;
        let newest = scheduled(&place, "prod").await;
        let plan = planned(&place, &keep_last(1)).await;
        let before = place.changes().len();
        place.strike(moment, &format!("prod/{newest}/"));
        let report = carried_out(&place, &plan, &nobody).await;
        let changes = place.changes().split_off(before);
        let Some(struck) = changes.iter().position(|key| key.contains(&newest.to_string())) else { break };
        // A manifest whose removal was under way may go; after that none does.
        let manifests = changes[struck..].iter().filter(|key| key.ends_with("manifest.json")).count();
        let there = ids(&place).await;
        let last = changes.iter().rposition(|key| key.ends_with("manifest.json") && !key.contains(&newest.to_string()));
        assert!(
            !there.is_empty() || last.is_none_or(|last| last < struck),
            "moment {moment}: {changes:#?}\n{report:?}"
        );
        for id in &there {
            read_whole(&repository(&place), "prod", id.parse().unwrap()).await.unwrap();
        }
        if !there.is_empty() {
            saved += 1;
            assert_eq!(report.changed, [("prod".to_owned(), newest)], "moment {moment}: {manifests}");
            assert!(!report.is_incomplete(), "{report:?}");
        }
    }
    assert!(saved > 5, "{saved}");
}

/// Each keeps what the other removes.
#[tokio::test]
async fn of_two_prunes_that_rest_on_each_others_backups_one_gives_way() {
    for dice in 0..200 {
        let place = Place::new("2024-01-01T01:00:00Z");
        let first = scheduled(&place, "prod").await;
        place.pass(TimeDelta::minutes(1));
        let second = scheduled(&place, "prod").await;
        place.throw(dice * 7919);
        let repository = repository(&place);
        let (one, two) = ([second], [first]);
        let (one, two) = tokio::join!(
            repository.remove("prod", first, Terms { instead: &one, spares_interrupted: true, identity: None }),
            repository.remove("prod", second, Terms { instead: &two, spares_interrupted: true, identity: None }),
        );
        let there = ids(&place).await;
        assert!(!there.is_empty(), "dice {dice}: {one:?} {two:?}");
        for id in there {
            read_whole(&repository, "prod", id.parse().unwrap()).await.unwrap();
        }
        let marks = place.list("prod/").await.unwrap();
        assert!(!marks.iter().any(|object| object.key.contains("removing-")), "{marks:?}");
    }
}

/// One removal sees a pin that comes, and puts the manifest back; the other has removed the data by then.
#[tokio::test]
async fn two_removals_and_a_pin_leave_no_manifest_without_its_data() {
    for dice in 0..300 {
        let place = Place::new("2024-01-01T01:00:00Z");
        let [first, ..] = three(&place).await;
        place.throw(dice * 7919);
        let repository = repository(&place);
        let a_pin = a_pin(&place);
        let remove = || repository.remove("prod", first, Terms::default());
        let (one, two, pinned) = tokio::join!(remove(), remove(), repository.pin("prod", first, "audit", &a_pin));
        if ids(&place).await.contains(&first.to_string()) {
            let read = read_whole(&repository, "prod", first).await;
            assert!(read.is_ok(), "dice {dice}: {read:?} {one:?} {two:?} {pinned:?}");
        }
    }
}
