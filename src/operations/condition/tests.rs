//! The condition of an instance, on a calendar that stands still: 2024-03-15 is a Friday.

use super::*;

fn at(time: &str) -> DateTime<Utc> {
    time.parse().expect("a time")
}

fn taken(time: &str, raw_bytes: u64) -> Taken {
    Taken {
        id: BackupId::new(at(time)),
        at: at(time),
        from: at(time),
        keys: Some(3),
        raw_bytes,
        stored_bytes: raw_bytes / 2,
        proof: None,
        drill: None,
        safety: false,
        state: State::Sound,
    }
}

/// Backups, newest first.
fn of(taken: Vec<Taken>) -> Gathered {
    Gathered { taken, ..Gathered::default() }
}

fn nightly() -> Expected {
    let policy = Policy { daily: 4, weekly: 2, ..Policy::default() };
    Expected { schedule: Some(schedule("0 1 * * *").expect("a schedule")), policy: Some(policy) }
}

#[test]
fn the_last_good_backup_is_no_safety_backup_and_has_no_findings() {
    let mut all = vec![
        taken("2024-03-15T01:00:00Z", 9),
        taken("2024-03-14T01:00:00Z", 9),
        taken("2024-03-13T01:00:00Z", 9),
        taken("2099-01-01T00:00:00Z", 9),
    ];
    all[0].safety = true;
    all[1].state = State::Unsound;
    let found = judge::judge("prod", of(all), &Expected::default(), at("2024-03-15T09:00:00Z"));
    assert_eq!(found.last_good.map(|good| good.id.to_string()).as_deref(), Some("2024-03-13-01-00"));
    assert_eq!((found.backups, found.missed, found.holes.len()), (4, None, 0));
}

#[test]
fn a_backup_is_missing_an_hour_after_its_time() {
    let all = || of(vec![taken("2024-03-14T01:00:00Z", 9)]);
    for (now, next, missed) in [
        ("2024-03-15T00:59:00Z", "2024-03-15T01:00:00Z", None),
        ("2024-03-15T01:30:00Z", "2024-03-16T01:00:00Z", None),
        ("2024-03-15T02:01:00Z", "2024-03-16T01:00:00Z", Some("2024-03-15T01:00:00Z")),
    ] {
        let found = judge::judge("prod", all(), &nightly(), at(now));
        assert_eq!((found.next_due, found.missed), (Some(at(next)), missed.map(at)), "{now}");
    }
    let never = judge::judge("prod", Gathered::default(), &nightly(), at("2024-03-15T09:00:00Z"));
    assert!(never.missed.is_some() && never.last_good.is_none());
}

#[test]
fn a_day_without_its_backup_is_a_hole() {
    let all =
        of(vec![taken("2024-03-15T01:00:00Z", 9), taken("2024-03-13T01:00:00Z", 9), taken("2024-02-28T01:00:00Z", 9)]);
    let found = judge::judge("prod", all, &nightly(), at("2024-03-15T09:00:00Z"));
    // Today is not over, and the rule keeps four days; the week before this one has no backup.
    assert_eq!(
        found.holes,
        ["no daily for Thursday, 2024-03-14", "no daily for Tuesday, 2024-03-12", "no weekly for week 10 of 2024"]
    );
    // What lies before the first backup is no hole, and neither is a day on which none is due.
    let young = of(vec![taken("2024-03-15T01:00:00Z", 9), taken("2024-03-14T12:00:00Z", 9)]);
    assert_eq!(judge::judge("prod", young, &nightly(), at("2024-03-15T09:00:00Z")).holes, [""; 0]);
    let weekdays = Expected { schedule: Some(schedule("0 1 * * 1-5").expect("a schedule")), ..nightly() };
    let all = of(vec![taken("2024-03-18T01:00:00Z", 9), taken("2024-03-15T01:00:00Z", 9)]);
    assert_eq!(judge::judge("prod", all, &weekdays, at("2024-03-18T09:00:00Z")).holes, [""; 0]);
}

#[test]
fn growth_is_told_over_a_week_or_over_what_there_is() {
    let now = at("2024-03-15T09:00:00Z");
    let grown = |all: Vec<Taken>| judge::judge("prod", of(all), &Expected::default(), now).growth;
    assert_eq!(grown(vec![taken("2024-03-15T01:00:00Z", 9)]), None);
    let all = vec![taken("2024-03-15T01:00:00Z", 9), taken("2024-03-14T01:00:00Z", 12)];
    assert_eq!(grown(all.clone()), Some(Growth { since: at("2024-03-14T01:00:00Z"), raw_bytes: -3 }));
    let more = vec![taken("2024-03-08T01:00:00Z", 5), taken("2024-01-01T01:00:00Z", 1)];
    assert_eq!(grown([all, more].concat()), Some(Growth { since: at("2024-03-08T01:00:00Z"), raw_bytes: 4 }));
}

#[test]
fn proofs_are_read_from_the_newest_receipt_of_each_backup() {
    let receipt = Receipt {
        time: at("2024-03-15T05:00:00Z"),
        content: serde_json::json!({
            "status": "ok", "level": "checksum",
            "proven_at": { "checksum": "2024-03-15T05:00:00Z", "structure": "2024-03-10T05:00:00Z", "drill": "2024-03-10T05:00:00Z" }
        }),
    };
    let id = BackupId::new(at("2024-03-10T01:00:00Z"));
    let (proof, drill) = proofs(id, &receipt);
    assert_eq!(proof.map(|proof| (proof.level, proof.at)), Some(("checksum".to_owned(), at("2024-03-15T05:00:00Z"))));
    assert_eq!(drill.map(|drill| drill.at), Some(at("2024-03-10T05:00:00Z")));
    // Damage has ended every proof.
    let damaged = Receipt { content: serde_json::json!({ "status": "failed", "proven_at": {} }), ..receipt };
    assert_eq!(proofs(id, &damaged), (None, None));
}
