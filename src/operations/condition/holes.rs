//! What the policy keeps and no backup is of: a day of the last seven without a daily, say.

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::{Expected, Taken};
use crate::retention::UNLIMITED;

/// So many holes of a kind are named; of a rule without limit so many periods are looked at.
const LOOKED_AT: u64 = 60;

/// A period of the calendar: where it begins and ends, and what it is called.
struct Period {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    name: String,
}

/// The period that is so many before the one that a moment lies in.
type Calendar = fn(DateTime<Utc>, u64) -> Option<Period>;

/// The holes, newest first within each rule. Only periods count that are over, that lie behind the oldest backup, and in which the
/// schedule has a backup; without a schedule one a day is expected.
pub(super) fn holes(good: &[&Taken], expected: &Expected, now: DateTime<Utc>) -> Vec<String> {
    let (Some(policy), Some(oldest)) = (&expected.policy, good.last()) else { return Vec::new() };
    let kinds: [(&str, u64, Calendar); 5] = [
        ("hourly", if expected.schedule.is_some() { policy.hourly } else { 0 }, hour),
        ("daily", policy.daily, day),
        ("weekly", policy.weekly, week),
        ("monthly", policy.monthly, month),
        ("yearly", policy.yearly, year),
    ];
    let mut holes = Vec::new();
    for (word, count, period) in kinds {
        let count = if count == UNLIMITED { LOOKED_AT } else { count.min(LOOKED_AT) };
        // Of as many periods as the rule keeps the first is not over yet.
        for back in 1..count {
            let Some(period) = period(now, back) else { break };
            if period.from < oldest.at {
                break;
            }
            let is_expected =
                expected.schedule.as_ref().is_none_or(|cron| cron.has_one_between(period.from, period.to));
            if is_expected && !good.iter().any(|taken| period.from <= taken.at && taken.at < period.to) {
                holes.push(format!("no {word} for {}", period.name));
            }
        }
    }
    holes
}

fn hour(now: DateTime<Utc>, back: u64) -> Option<Period> {
    let begun = now - TimeDelta::seconds(now.timestamp().rem_euclid(3600));
    let from = begun - TimeDelta::hours(i64::try_from(back).ok()?);
    Some(Period { from, to: from + TimeDelta::hours(1), name: from.format("%Y-%m-%d %H:00").to_string() })
}

fn day(now: DateTime<Utc>, back: u64) -> Option<Period> {
    let from = now.date_naive().checked_sub_days(Days::new(back))?;
    between(from, from.checked_add_days(Days::new(1))?, from.format("%A, %Y-%m-%d").to_string())
}

fn week(now: DateTime<Utc>, back: u64) -> Option<Period> {
    let today = now.date_naive();
    let monday = today.checked_sub_days(Days::new(u64::from(today.weekday().num_days_from_monday())))?;
    let from = monday.checked_sub_days(Days::new(back * 7))?;
    between(from, from.checked_add_days(Days::new(7))?, from.format("week %V of %G").to_string())
}

fn month(now: DateTime<Utc>, back: u64) -> Option<Period> {
    let first = now.date_naive().with_day(1)?;
    let from = first.checked_sub_months(Months::new(u32::try_from(back).ok()?))?;
    between(from, from.checked_add_months(Months::new(1))?, from.format("%B %Y").to_string())
}

fn year(now: DateTime<Utc>, back: u64) -> Option<Period> {
    let number = now.year() - i32::try_from(back).ok()?;
    let from = NaiveDate::from_ymd_opt(number, 1, 1)?;
    between(from, NaiveDate::from_ymd_opt(number + 1, 1, 1)?, number.to_string())
}

fn between(from: NaiveDate, to: NaiveDate, name: String) -> Option<Period> {
    let at = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    Some(Period { from: at(from), to: at(to), name })
}
