//! A month of hourly and nightly backups, with crashes, on a clock that a test moves.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use tokio_util::sync::CancellationToken;

use super::place::{Place, back_up, elsewhere, read_whole, verify};
use crate::progress::Hidden;
use crate::repository::manifest::{Purpose, StructureState};
use crate::repository::{BackupId, ReadFor, Repository};
use crate::retention::{Policy, Wanted, carry_out, nobody, plan};

/// Two instances: one is backed up each hour, one each night at one. Every backup that is taken is verified, and prunes follow.
#[tokio::test]
async fn a_month_ends_with_exactly_the_backups_that_the_policy_names() {
    let place = Place::new("2024-03-01T00:00:00Z");
    let repository = Repository::new(Arc::new(place.clone()));
    let policy = Policy { last: 3, hourly: 24, daily: 7, weekly: 4, ..Policy::default() };
    let mut taken: Vec<(&str, DateTime<Utc>)> = Vec::new();
    let (mut backups_that_died, mut prunes_that_died, mut restored) = (0, 0, 0);
    for hour in 0..31 * 24_u32 {
        let now = place.time();
        for instance in ["hourly", "nightly"] {
            if instance == "nightly" && now.hour() != 1 {
                continue;
            }
            // Every seventh backup dies on its way, another time at another request; so does every fifth prune.
            let lives_for = (hour % 7 == 3).then_some(hour / 7 % 8);
            let backup = back_up(&place, instance, Purpose::Scheduled, StructureState::Verified);
            let done = place.mortal(lives_for, backup).await.transpose().expect("the store takes it");
            backups_that_died += u32::from(done.is_none());
            // One may have died when it was published already.
            let id = BackupId::new(now);
            if repository.load(instance, id).await.is_ok() {
                verify(&place, instance, id).await;
                taken.push((instance, now));
            }
            if instance == "hourly" && hour % 4 != 2 {
                continue;
            }
            let pruning = async {
                let wanted = Wanted::One(instance.to_owned());
                let plan = plan(&repository, &wanted, &policy, &nobody).await.expect("a plan");
                carry_out(&plan, &repository, &nobody, &Hidden {}, &CancellationToken::new()).await
            };
            let lives_for = (hour % 10 == 2).then_some(hour / 10 % 4);
            prunes_that_died += u32::from(place.mortal(lives_for, pruning).await.is_none());
            // A restore of the newest, and of the oldest, between two crashes.
            let listed = repository.list(Some(instance)).await.expect("a list");
            let there: Vec<BackupId> =
                listed.iter().filter(|listed| listed.manifest().is_some()).map(|listed| listed.id).collect();
            for id in there.first().into_iter().chain(there.last()) {
                let reading =
                    repository.begin_reading(instance, *id, ReadFor::Once, elsewhere()).await.expect("a mark");
                read_whole(&repository, instance, *id).await.expect("a restore");
                reading.end().await;
                restored += 1;
            }
        }
        place.pass(TimeDelta::hours(1));
    }
    assert!(
        backups_that_died > 40 && prunes_that_died > 20 && restored > 300,
        "{backups_that_died} {prunes_that_died}"
    );

    // A day later nobody is at work any more, and one prune tidies up.
    place.pass(TimeDelta::hours(24));
    let last = plan(&repository, &Wanted::All, &policy, &nobody).await.expect("a plan");
    carry_out(&last, &repository, &nobody, &Hidden {}, &CancellationToken::new()).await;
    let listed = repository.list(None).await.expect("a list");
    for instance in ["hourly", "nightly"] {
        let there: Vec<BackupId> = listed.iter().filter(|one| one.instance == instance).map(|one| one.id).collect();
        let times: Vec<DateTime<Utc>> = taken.iter().filter(|(of, _)| *of == instance).map(|(_, time)| *time).collect();
        assert_eq!(there, named(&times, &policy), "{instance}");
    }
    for one in &listed {
        assert!(one.manifest().is_some() && one.verified.as_ref().is_some_and(|receipt| receipt.is_good()), "{one:?}");
        read_whole(&repository, &one.instance, one.id).await.expect("all of it");
    }
}

/// What the policy names, newest first: the newest of each hour, day and week, and the last three; the oldest where a rule has room left.
/// A rule that has room keeps the oldest that there was when it was asked, which is the first of all.
fn named(times: &[DateTime<Utc>], policy: &Policy) -> Vec<BackupId> {
    let newest_first: Vec<DateTime<Utc>> = times.iter().rev().copied().collect();
    let mut keep: Vec<DateTime<Utc>> = newest_first.iter().take(3).copied().collect();
    for (format, count) in [("%F %H", policy.hourly), ("%F", policy.daily), ("%G-%V", policy.weekly)] {
        let mut seen: Vec<String> = Vec::new();
        for time in &newest_first {
            let text = time.format(format).to_string();
            if !seen.contains(&text) && (seen.len() as u64) < count {
                seen.push(text);
                keep.push(*time);
            }
        }
        assert_eq!(seen.len() as u64, count, "a month fills each rule");
    }
    keep.sort_unstable();
    keep.dedup();
    keep.into_iter().rev().map(BackupId::new).collect()
}
