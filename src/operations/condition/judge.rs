//! From what was gathered of an instance to its condition: plain code over plain data.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Condition, Expected, Gathered, Growth, Proof, Taken, holes};
use crate::explain::Misuse;
use crate::repository::State;
use crate::schedule::Schedule;

/// Growth is told over this time, as far as there are backups that old.
const GROWTH_OVER: TimeDelta = TimeDelta::days(7);
/// So long after its time a backup is not missing yet: it is being made.
const GRACE: TimeDelta = TimeDelta::hours(1);

/// Understands a cron line of five fields.
///
/// # Errors
/// What is wrong with it.
pub fn schedule(line: &str) -> Result<Schedule, Misuse> {
    line.parse::<Schedule>().map_err(|error| Misuse::settings(format!("`backup.schedule`: {error}")))
}

pub(super) fn judge(instance: &str, gathered: Gathered, expected: &Expected, now: DateTime<Utc>) -> Condition {
    let Gathered { taken, unreadable, broken, stored_bytes, running, left, pinned, denied } = gathered;
    let (backups, taken) = (taken.len() as u64, taken);
    let counted = || taken.iter().filter(|one| !one.safety && !one.id.is_ahead(now));
    let good: Vec<&Taken> = counted().filter(|one| one.state == State::Sound).collect();
    let newest = |proof: fn(&Taken) -> Option<&Proof>| {
        let counted = taken.iter().filter(|one| !one.safety);
        counted.filter_map(proof).max_by_key(|proof| proof.at).cloned()
    };
    let last_good = good.first().copied().cloned();
    // The newest first.
    let doubtful = counted().next().filter(|one| one.state != State::Sound).cloned();
    // What contradicts itself is no damage that another backup mends: the source would give the same.
    let last_taken = counted().find(|one| one.state != State::Damaged);
    let (next_due, missed) = due(expected, last_taken, now);
    Condition {
        instance: instance.to_owned(),
        backups,
        unreadable,
        broken,
        stored_bytes,
        last_verified: newest(|taken| taken.proof.as_ref()),
        last_drill: newest(|taken| taken.drill.as_ref()),
        next_due,
        missed,
        growth: growth(&good),
        holes: holes::holes(&good, expected, now),
        last_good,
        doubtful,
        denied,
        running,
        left,
        pinned,
        all_damaged: backups + broken > 0
            && unreadable == broken
            && taken.iter().all(|one| one.state == State::Damaged),
        only_safety: !taken.is_empty() && taken.iter().all(|one| one.safety),
    }
}

/// When the next backup is due, and since when one is missing.
fn due(
    expected: &Expected,
    last: Option<&Taken>,
    now: DateTime<Utc>,
) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
    let Some(cron) = &expected.schedule else { return (None, None) };
    let next = cron.next(now);
    let before = cron.last(now - GRACE);
    // An id is the minute that its backup began in, which is not before the time it was due.
    (next, before.filter(|due| last.is_none_or(|last| last.at < *due)))
}

/// The newest against the newest of those that are a week older, or against the oldest.
fn growth(good: &[&Taken]) -> Option<Growth> {
    let last = good.first()?;
    let old = good.iter().find(|one| last.at - one.at >= GROWTH_OVER).or(good.last())?;
    let bytes = |taken: &Taken| i64::try_from(taken.raw_bytes).unwrap_or(i64::MAX);
    (old.id != last.id).then(|| Growth { since: old.at, raw_bytes: bytes(last) - bytes(old) })
}
