//! The policy against a reference that is as plain as can be, and the cases that people meet.

use proptest::prelude::*;

use super::*;

fn at(time: &str) -> DateTime<Utc> {
    time.parse().expect("a time")
}

/// A sound backup that nobody holds.
fn backup(time: DateTime<Utc>) -> Candidate {
    Candidate {
        id: BackupId::new(time),
        state: State::Sound,
        safety: false,
        part: String::new(),
        verified: false,
        holds: Vec::new(),
    }
}

fn backups(times: &[&str]) -> Vec<Candidate> {
    times.iter().map(|time| backup(at(time))).collect()
}

/// The ids that are kept, oldest first, with their reasons.
fn kept(backups: &[Candidate], policy: &Policy, now: &str) -> Vec<String> {
    let verdicts = judge(backups, policy, at(now));
    assert!(verdicts.iter().all(|verdict| !verdict.is_empty()), "each verdict has a reason: {verdicts:?}");
    let mut kept: Vec<(BackupId, String)> = backups
        .iter()
        .zip(verdicts)
        .filter(|(_, verdict)| keeps(verdict))
        .map(|(backup, verdict)| {
            let reasons: Vec<String> = verdict.iter().map(ToString::to_string).collect();
            (backup.id, format!("{}: {}", backup.id, reasons.join(", ")))
        })
        .collect();
    kept.sort();
    kept.into_iter().map(|(_, line)| line).collect()
}

#[test]
fn each_day_and_week_keeps_its_newest_and_a_rule_with_room_the_oldest() {
    let all = backups(&[
        "2024-01-01T01:00:00Z", // Monday
        "2024-01-03T01:00:00Z",
        "2024-01-07T01:00:00Z", // Sunday
        "2024-01-08T01:00:00Z", // Monday
        "2024-01-08T13:00:00Z",
    ]);
    let policy = Policy { daily: 2, weekly: 4, ..Policy::default() };
    assert_eq!(
        kept(&all, &policy, "2024-01-09T00:00:00Z"),
        [
            "2024-01-01-01-00: oldest weekly",
            "2024-01-07-01-00: daily, weekly",
            "2024-01-08-13-00: daily, weekly, newest sound, last of its instance",
        ]
    );
}

#[test]
fn within_counts_back_from_the_newest_and_not_from_today() {
    let all = backups(&["2024-01-01T00:00:00Z", "2024-01-09T00:00:00Z", "2024-01-10T00:00:00Z"]);
    let policy = Policy { within: Some("2d".parse().unwrap()), ..Policy::default() };
    let expected = ["2024-01-09-00-00: within", "2024-01-10-00-00: within, newest sound, last of its instance"];
    // Years after the last backup nothing more has gone.
    assert_eq!(kept(&all, &policy, "2030-01-01T00:00:00Z"), expected);
}

#[test]
fn the_year_of_a_week_is_that_of_its_thursday() {
    // 2024-12-30 is in the first week of 2025; 2023-01-01 is in the last of 2022.
    let all =
        backups(&["2022-12-31T00:00:00Z", "2023-01-01T00:00:00Z", "2024-12-30T00:00:00Z", "2025-01-01T00:00:00Z"]);
    let policy = Policy { weekly: 2, ..Policy::default() };
    assert_eq!(
        kept(&all, &policy, "2025-02-01T00:00:00Z"),
        ["2023-01-01-00-00: weekly", "2025-01-01-00-00: weekly, newest sound, last of its instance"]
    );
}

#[test]
fn safety_backups_live_seven_days_and_count_for_no_rule() {
    let mut all =
        backups(&["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "2024-01-05T00:00:00Z", "2024-01-12T00:00:00Z"]);
    for young in [1, 2, 3] {
        all[young].safety = true;
    }
    let policy = Policy { last: 1, ..Policy::default() };
    assert_eq!(
        kept(&all, &policy, "2024-01-12T12:00:00Z"),
        ["2024-01-01-00-00: last, newest sound, last of its instance", "2024-01-12-00-00: recent safety backup"]
    );
    // Where there is nothing else the newest of them stays.
    all.remove(0);
    assert_eq!(kept(&all, &policy, "2025-01-01T00:00:00Z"), ["2024-01-12-00-00: newest sound, last of its instance"]);
    let policy = Policy { safety: Duration::from_secs(400 * 86_400), ..policy };
    assert_eq!(kept(&all, &policy, "2025-01-01T00:00:00Z").len(), 3);
}

#[test]
fn what_is_held_verified_or_the_last_good_one_stays() {
    let mut all = backups(&[
        "2024-01-01T00:00:00Z",
        "2024-01-02T00:00:00Z",
        "2024-01-03T00:00:00Z",
        "2024-01-04T00:00:00Z",
        "2024-01-05T00:00:00Z",
        "2024-01-06T00:00:00Z",
    ]);
    all[0].holds = vec![Hold::Pinned("audit".into())];
    all[1].verified = true;
    all[2].holds = vec![Hold::NeededBy("the archive from offset 42".into())];
    all[4].state = State::Unreadable;
    all[5].state = State::Unsound;
    let policy = Policy { last: 1, ..Policy::default() };
    assert_eq!(
        kept(&all, &policy, "2024-01-07T00:00:00Z"),
        [
            "2024-01-01-00-00: pinned (audit)",
            "2024-01-02-00-00: newest verified",
            "2024-01-03-00-00: needed by the archive from offset 42",
            "2024-01-04-00-00: newest sound",
            "2024-01-05-00-00: manifest unreadable",
            "2024-01-06-00-00: last, last of its instance",
        ]
    );
}

#[test]
fn a_damaged_backup_displaces_no_good_one() {
    let mut all = backups(&["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z"]);
    all[2].state = State::Damaged;
    let policy = Policy { last: 1, ..Policy::default() };
    assert_eq!(
        kept(&all, &policy, "2024-01-07T00:00:00Z"),
        [
            "2024-01-02-00-00: last, newest sound, last of its instance",
            "2024-01-03-00-00: damaged, and it may be the only copy",
        ]
    );
    // Nobody deletes the only one by accident, whatever is known of it.
    for state in [State::Damaged, State::Unreadable] {
        all[2].state = state;
        assert!(judge(&all[2..], &policy, at("2024-01-07T00:00:00Z"))[0].iter().any(Why::forbids));
    }
}

#[test]
fn a_clock_that_was_ahead_decides_nothing() {
    let all = backups(&["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "2099-01-01T00:00:00Z"]);
    let policy = Policy { within: Some("1h".parse().unwrap()), last: 1, ..Policy::default() };
    assert_eq!(
        kept(&all, &policy, "2024-01-03T00:00:00Z"),
        ["2024-01-02-00-00: last, within, newest sound, last of its instance", "2099-01-01-00-00: dated in the future"]
    );
    // Our own clock moved back: what is newer than it stays, and nothing is judged that is not older.
    assert_eq!(kept(&all, &policy, "2023-01-01T00:00:00Z").len(), 3);
}

#[test]
fn a_part_of_a_cluster_stands_for_no_other_part() {
    let mut all = backups(&["2024-01-01T00:00:00Z", "2024-01-01T00:01:00Z", "2024-01-02T00:00:00Z"]);
    all[0].part = "0-5460".into();
    all[1].part = "5461-10922".into();
    all[2].part = "0-5460".into();
    let policy = Policy { daily: 1, ..Policy::default() };
    let kept = kept(&all, &policy, "2024-01-03T00:00:00Z");
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept[0].starts_with("2024-01-01-00-01: daily"), "{kept:?}");
}

#[test]
fn a_policy_says_itself_in_words_and_knows_whether_it_keeps_anything() {
    let policy = Policy { last: 3, yearly: UNLIMITED, within: Some("2d".parse().unwrap()), ..Policy::default() };
    assert_eq!(policy.to_string(), "last 3, yearly unlimited, within 2 days; safety backups for 7 d");
    assert!(!policy.keeps_nothing() && Policy::default().keeps_nothing());
}

/// What a rule's name says, as text: two backups of one text are of one hour, day and so on.
fn text(rule: Rule, time: DateTime<Utc>) -> String {
    let format = match rule {
        Rule::Hourly => "%Y-%m-%d %H",
        Rule::Daily => "%Y-%m-%d",
        Rule::Weekly => "%G-%V",
        Rule::Monthly => "%Y-%m",
        Rule::Yearly => "%Y",
        Rule::Last | Rule::Within => "%Y-%m-%d %H:%M",
    };
    time.format(format).to_string()
}

/// The ids that must be kept, found by looking at each rule alone and at each backup alone.
fn naive(all: &[Candidate], policy: &Policy, now: DateTime<Utc>) -> Vec<BackupId> {
    let odd = |backup: &&Candidate| {
        matches!(backup.state, State::Unreadable | State::Damaged) || backup.id.minute() > now + TimeDelta::minutes(10)
    };
    let mut keep: Vec<BackupId> =
        all.iter().filter(|backup| odd(backup) || !backup.holds.is_empty()).map(|backup| backup.id).collect();
    let judged: Vec<&Candidate> = all.iter().filter(|backup| !odd(backup)).collect();
    let mut parts: Vec<&str> = judged.iter().map(|backup| backup.part.as_str()).collect();
    parts.sort_unstable();
    parts.dedup();
    for part in parts {
        let mut of_part: Vec<&Candidate> = judged.iter().filter(|backup| backup.part == part).copied().collect();
        of_part.sort_by_key(|backup| std::cmp::Reverse(backup.id));
        let (safety, counted): (Vec<&Candidate>, Vec<&Candidate>) =
            of_part.iter().copied().partition(|backup| backup.safety);
        for rule in Rule::COUNTING {
            let count = usize::try_from(policy.count(rule)).unwrap();
            let mut seen: Vec<String> = Vec::new();
            for (place, backup) in counted.iter().enumerate() {
                let text = if rule == Rule::Last { place.to_string() } else { text(rule, backup.id.minute()) };
                if !seen.contains(&text) {
                    seen.push(text);
                    if seen.len() <= count {
                        keep.push(backup.id);
                    }
                }
            }
            if seen.len() < count {
                keep.extend(counted.last().map(|backup| backup.id));
            }
        }
        if let (Some(within), Some(newest)) = (policy.within, counted.first()) {
            let young = |backup: &&&Candidate| {
                newest.id.minute() - backup.id.minute() < TimeDelta::hours(i64::from(within.hours))
            };
            keep.extend(counted.iter().filter(young).map(|backup| backup.id));
        }
        let young = |backup: &&&Candidate| now - backup.id.minute() < TimeDelta::from_std(policy.safety).unwrap();
        keep.extend(safety.iter().filter(young).map(|backup| backup.id));
        let in_order: Vec<&Candidate> = counted.iter().chain(&safety).copied().collect();
        keep.extend(in_order.first().map(|backup| backup.id));
        keep.extend(in_order.iter().find(|backup| backup.verified).map(|backup| backup.id));
        keep.extend(in_order.iter().find(|backup| backup.state == State::Sound).map(|backup| backup.id));
    }
    keep.sort();
    keep.dedup();
    keep
}

/// Backups of some years, many of them close together, of which few are odd.
fn some_backups() -> impl Strategy<Value = Vec<Candidate>> {
    let minute = prop_oneof![0_i64..2_000, 0_i64..60_000, 0_i64..2_000_000];
    let one = (minute, 0_u8..20, 0_u8..8, any::<bool>(), 0_u8..12, 0_u8..6);
    prop::collection::vec(one, 0..60).prop_map(|drawn| {
        let mut all: Vec<Candidate> = Vec::new();
        for (minute, state, safety, verified, held, part) in drawn {
            let id = BackupId::new(
                at("2026-06-01T00:00:00Z") - TimeDelta::minutes(minute) + TimeDelta::minutes(i64::from(state) * 20),
            );
            if all.iter().any(|other| other.id == id) {
                continue;
            }
            all.push(Candidate {
                id,
                state: match state {
                    0 => State::Unreadable,
                    1 | 2 => State::Unsound,
                    3 => State::Damaged,
                    _ => State::Sound,
                },
                safety: safety == 0,
                part: if part == 0 { "0-5460".to_owned() } else { String::new() },
                verified: verified && held > 6,
                holds: if held == 0 { vec![Hold::Pinned("p".into())] } else { Vec::new() },
            });
        }
        all
    })
}

fn some_policy() -> impl Strategy<Value = Policy> {
    let count = || prop_oneof![Just(0_u64), 1_u64..5, 1_u64..40];
    let counts = (count(), count(), count(), count(), count(), count());
    let within = prop::option::of(0_u32..40 * 24);
    (counts, within, 0_u64..20 * 86_400).prop_map(|((last, hourly, daily, weekly, monthly, yearly), within, safety)| {
        Policy {
            last,
            hourly,
            daily,
            weekly,
            monthly,
            yearly,
            within: within.map(|hours| Span { hours, ..Span::default() }),
            safety: Duration::from_secs(safety),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_policy_keeps_what_a_plain_reading_of_each_rule_keeps(all in some_backups(), policy in some_policy()) {
        let now = at("2026-06-01T00:00:00Z");
        let verdicts = judge(&all, &policy, now);
        let kept = all.iter().zip(&verdicts).filter(|(_, verdict)| keeps(verdict)).map(|(backup, _)| backup.id);
        let mut kept: Vec<BackupId> = kept.collect();
        kept.sort();
        prop_assert_eq!(kept, naive(&all, &policy, now));
    }

    /// A prune that follows a prune removes nothing more, and the order of the list says nothing.
    #[test]
    fn a_second_prune_finds_nothing_to_do(all in some_backups(), policy in some_policy()) {
        let now = at("2026-06-01T00:00:00Z");
        let verdicts = judge(&all, &policy, now);
        let mut kept: Vec<Candidate> =
            all.iter().zip(&verdicts).filter(|(_, verdict)| keeps(verdict)).map(|(backup, _)| backup.clone()).collect();
        kept.reverse();
        // What was kept because it was the oldest of a rule with room, or the newest that was verified, is so still.
        for (backup, verdict) in kept.iter().zip(judge(&kept, &policy, now)) {
            prop_assert!(keeps(&verdict), "{} went in a second prune", backup.id);
        }
    }
}
