//! The sizes of the backups of an instance over time, and the days on which one is missing. Plain reckoning; nothing is drawn here.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

/// Days that are drawn, the newest.
pub const DAYS: usize = 92;
/// Backups that are drawn one by one, where they are of a few days only.
pub const SINGLE: usize = 92;
/// From so many days on a column stands for a day.
const BY_DAY: usize = 4;
/// Days with backups before and after a gap that tell whether there ought to be one a day.
const NEIGHBOURS: usize = 5;
/// A size that differs by more than this share of the one before is a jump.
const JUMP: f64 = 0.3;

/// A published backup.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    pub id: String,
    pub at: DateTime<Utc>,
    pub raw_bytes: u64,
}

/// A backup, or the last one of a day; or that there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    pub label: String,
    /// `None`: there is no backup, and the days around have one each.
    pub taken: Option<Taken>,
    /// By how much the size differs from the one before, as a share of that.
    pub change: Option<f64>,
}

impl Slot {
    pub fn jumps(&self) -> bool {
        self.change.is_some_and(|change| change.abs() > JUMP)
    }
}

/// The sizes over time, oldest first, with the days that lack a backup. Days that may lack one (weekly backups) are left out.
pub fn slots(taken: &[Taken], now: DateTime<Utc>) -> Vec<Slot> {
    let mut sorted = taken.to_vec();
    sorted.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
    // The last of a day stands for it.
    let by_day: BTreeMap<NaiveDate, &Taken> = sorted.iter().map(|taken| (taken.at.date_naive(), taken)).collect();
    let mut slots: Vec<Slot> = match by_day.len() < BY_DAY {
        true => {
            let slot = |taken: &Taken| Slot {
                label: taken.at.format("%Y-%m-%d %H:%M").to_string(),
                taken: Some(taken.clone()),
                change: None,
            };
            sorted.iter().map(slot).collect()
        }
        false => {
            let days: Vec<NaiveDate> = by_day.keys().copied().collect();
            let missing = missing(&days, now.date_naive());
            let slot = |day: NaiveDate, taken: Option<&Taken>| Slot {
                label: day.to_string(),
                taken: taken.cloned(),
                change: None,
            };
            let mut slots: BTreeMap<NaiveDate, Slot> =
                by_day.iter().map(|(day, taken)| (*day, slot(*day, Some(taken)))).collect();
            slots.extend(missing.into_iter().map(|day| (day, slot(day, None))));
            slots.into_values().collect()
        }
    };
    let mut before: Option<u64> = None;
    for slot in &mut slots {
        let Some(size) = slot.taken.as_ref().map(|taken| taken.raw_bytes) else { continue };
        slot.change = before.filter(|before| *before > 0).map(|before| (size as f64 - before as f64) / before as f64);
        before = Some(size);
    }
    let most = if by_day.len() < BY_DAY { SINGLE } else { DAYS };
    slots.split_off(slots.len().saturating_sub(most))
}

/// The days without a backup where the days around have one each: the usual (median) distance of the [`NEIGHBOURS`] days with backups before
/// a gap, and of those after it, is one day. The gap up to today has only days before it; today itself is not over.
fn missing(days: &[NaiveDate], today: NaiveDate) -> Vec<NaiveDate> {
    let mut missing = Vec::new();
    for (at, day) in days.iter().enumerate() {
        let next = days.get(at + 1).copied().unwrap_or(today);
        let has_gap = (next - *day).num_days() > 1;
        let before = &days[(at + 1).saturating_sub(NEIGHBOURS)..=at];
        let after = &days[at + 1..days.len().min(at + 1 + NEIGHBOURS)];
        // One day says nothing of a rhythm: a gap behind the first backup of all is none.
        let is_daily = |days: &[NaiveDate]| (days.len() > 1).then(|| median_distance(days) == 1);
        let ought = is_daily(before) == Some(true) && is_daily(after) != Some(false);
        if has_gap && ought {
            // A gap of years is named by its end.
            missing.extend(day.iter_days().skip(1).take_while(|day| *day < next).take(366));
        }
    }
    missing
}

fn median_distance(days: &[NaiveDate]) -> i64 {
    let mut distances: Vec<i64> = days.windows(2).map(|pair| (pair[1] - pair[0]).num_days()).collect();
    distances.sort_unstable();
    distances[distances.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Backups at one in the night of these days of January 2024, of these sizes.
    fn taken(days: &[(u32, u64)]) -> Vec<Taken> {
        let one = |(day, raw_bytes): &(u32, u64)| Taken {
            id: format!("2024-01-{day:02}-01-00"),
            at: format!("2024-01-{day:02}T01:00:00Z").parse().expect("a time"),
            raw_bytes: *raw_bytes,
        };
        days.iter().map(one).collect()
    }

    /// The days that are missing on the morning of a day.
    #[track_caller]
    fn check(days: &[u32], today: u32, missing: &[u32]) {
        let all: Vec<(u32, u64)> = days.iter().map(|day| (*day, 100)).collect();
        let now = format!("2024-01-{today:02}T09:00:00Z").parse().expect("a time");
        let found: Vec<String> =
            slots(&taken(&all), now).into_iter().filter(|slot| slot.taken.is_none()).map(|slot| slot.label).collect();
        let expected: Vec<String> = missing.iter().map(|day| format!("2024-01-{day:02}")).collect();
        assert_eq!(found, expected, "{days:?} on day {today}");
    }

    #[test]
    fn a_day_is_missing_where_the_days_around_have_a_backup_each() {
        check(&[1, 2, 3, 4, 5, 6], 6, &[]);
        // Today is not over.
        check(&[1, 2, 3, 4, 5, 6], 7, &[]);
        check(&[1, 2, 3, 4, 5, 6], 9, &[7, 8]);
        check(&[1, 2, 3, 5, 6, 7], 7, &[4]);
        check(&[1, 2, 3, 9, 10, 11], 11, &[4, 5, 6, 7, 8]);
        // Two gaps close together are two gaps.
        check(&[1, 2, 3, 4, 6, 8, 9, 10, 11], 11, &[5, 7]);
    }

    #[test]
    fn no_day_is_missing_between_weekly_backups_nor_where_old_ones_were_thinned_out() {
        check(&[1, 8, 15, 22, 29], 31, &[]);
        check(&[1, 8, 15, 22, 23, 24, 25, 26], 26, &[]);
        check(&[1, 8, 22, 23, 24, 25, 26], 26, &[]);
        check(&[2, 4, 6, 8, 10, 12], 12, &[]);
        check(&[1, 2, 3], 20, &[]);
    }

    #[test]
    fn a_size_that_differs_by_more_than_thirty_percent_jumps() {
        let now = "2024-01-08T09:00:00Z".parse().expect("a time");
        let slots = slots(&taken(&[(1, 100), (2, 130), (3, 131), (4, 91), (5, 92), (6, 200), (7, 139)]), now);
        let jumps: Vec<(&str, bool)> = slots.iter().map(|slot| (slot.label.as_str(), slot.jumps())).collect();
        assert_eq!(
            jumps,
            [
                ("2024-01-01", false),
                ("2024-01-02", false),
                ("2024-01-03", false),
                ("2024-01-04", true),
                ("2024-01-05", false),
                ("2024-01-06", true),
                ("2024-01-07", true)
            ]
        );
    }

    #[test]
    fn backups_of_a_few_days_stand_one_by_one_and_of_many_days_the_newest() {
        let now = "2024-06-01T09:00:00Z".parse().expect("a time");
        let one = |day: &str| Taken { id: String::new(), at: format!("{day}Z").parse().expect("a time"), raw_bytes: 1 };
        let hourly = [one("2024-05-31T07:00:00"), one("2024-05-31T08:00:00"), one("2024-06-01T08:00:00")];
        let labels: Vec<String> = slots(&hourly, now).into_iter().map(|slot| slot.label).collect();
        assert_eq!(labels, ["2024-05-31 07:00", "2024-05-31 08:00", "2024-06-01 08:00"]);
        let first: NaiveDate = "2024-01-01".parse().expect("a day");
        let long: Vec<Taken> = first.iter_days().take(150).map(|day| one(&format!("{day}T01:00:00"))).collect();
        let slots = slots(&long, "2024-05-29T09:00:00Z".parse().expect("a time"));
        assert_eq!(slots.len(), 92);
        assert_eq!(slots.last().map(|slot| slot.label.as_str()), Some("2024-05-29"));
    }
}
