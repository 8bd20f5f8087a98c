//! The id of a backup: the UTC minute it began, and a number where several began in it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::explain::{Explain, Hint, Meaning};

/// What is typed for the newest backup of an instance that is no safety backup.
pub(super) const LATEST: &str = "latest";

const MINUTE: &str = "%Y-%m-%d-%H-%M";
/// Characters of `2024-01-01-01-00`.
const MINUTE_LENGTH: usize = 16;
/// By how much the clocks of two machines may differ without a word.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(10);
/// Ids in one minute. No more than a guard against going on for ever.
pub(super) const MOST_IN_A_MINUTE: u32 = 1000;

/// `2024-01-01-01-00`, `2024-01-01-01-00-2`, …; ordered by time, `-10` after `-2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupId {
    minute: NaiveDateTime,
    /// From 1, which is not written.
    number: u32,
}

impl BackupId {
    /// The first id of the minute that `time` lies in. Years are those of four digits.
    pub fn new(time: DateTime<Utc>) -> Self {
        let text = time.format(MINUTE).to_string();
        let minute = NaiveDateTime::parse_from_str(&text, MINUTE).unwrap_or(time.naive_utc());
        Self { minute, number: 1 }
    }

    /// The next one of the same minute; `None` after a thousand.
    pub fn next(self) -> Option<Self> {
        (self.number < MOST_IN_A_MINUTE).then_some(Self { number: self.number + 1, ..self })
    }

    /// Whether the backup began in the future: the clock of the machine that named it was ahead of ours, by more than clocks
    /// usually differ. Such a backup is never taken for the newest while there is another.
    pub fn is_ahead(self, now: DateTime<Utc>) -> bool {
        self.minute() > now + CLOCKS_DIFFER
    }

    /// The minute it began.
    pub fn minute(self) -> DateTime<Utc> {
        self.minute.and_utc()
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.minute.format(MINUTE))?;
        if self.number > 1 { write!(f, "-{}", self.number) } else { Ok(()) }
    }
}

impl Serialize for BackupId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BackupId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Not the id of a backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a backup id, such as `2024-01-01-01-00`")]
pub struct NotAnId(String);

impl Explain for NotAnId {
    fn meaning(&self) -> Meaning {
        Meaning::of("usage").unknown().hint(Hint::ListBackups)
    }
}

impl FromStr for BackupId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        parse(text).ok_or_else(|| NotAnId(text.escape_debug().to_string()))
    }
}

fn parse(text: &str) -> Option<BackupId> {
    let (minute, number) = text.split_at_checked(MINUTE_LENGTH)?;
    let minute = NaiveDateTime::parse_from_str(minute, MINUTE).ok()?;
    let number = match number.strip_prefix('-') {
        Some(digits) => digits.parse().ok().filter(|number| *number > 1)?,
        None if number.is_empty() => 1,
        None => return None,
    };
    let id = BackupId { minute, number };
    // Blanks, signs, zeros in front: there is one way to write an id.
    (id.to_string() == text).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_in_one_way_only() {
        for text in ["2024-01-01-01-00", "2024-02-29-23-59", "2024-01-01-01-00-2", "2024-01-01-01-00-10"] {
            assert_eq!(text.parse::<BackupId>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "latest",
            "2024-01-01-01",
            "2024-02-30-01-00",
            "2023-02-29-01-00",
            "2024-01-01-24-00",
            "2024-01-01-01-00-",
            "2024-01-01-01-00-0",
            "2024-01-01-01-00-1",
            "2024-01-01-01-00-02",
            "2024-01-01-01-00-+2",
            "2024-1-01-01-000",
            "2024-01-01-01-00x",
            "2024-01-01-01-00/x",
            "+024-01-01-01-00",
            "2024-01-01-01-0ä",
        ] {
            assert!(text.parse::<BackupId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn they_are_ordered_by_time_and_number() {
        let ordered =
            ["2023-12-31-23-59", "2024-01-01-01-00", "2024-01-01-01-00-2", "2024-01-01-01-00-10", "2024-01-01-01-01"];
        let ids: Vec<BackupId> = ordered.iter().map(|text| text.parse().unwrap()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn the_seconds_do_not_count() {
        let time = "2024-01-01T01:00:59.9Z".parse().unwrap();
        let id = BackupId::new(time);
        assert_eq!(id.to_string(), "2024-01-01-01-00");
        assert_eq!(id, "2024-01-01-01-00".parse().unwrap());
        assert_eq!(id.next().unwrap().to_string(), "2024-01-01-01-00-2");
    }
}
