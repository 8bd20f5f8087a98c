//! Moments as programs read them: RFC 3339 in UTC, with milliseconds and `Z`, in every answer and in all that is stored. One form sorts
//! as text, and every language parses it.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serializer;

/// A moment as text: `2024-01-01T01:00:00.000Z`.
pub fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The moment that is so many milliseconds after 1970; `None` where the calendar ends before.
pub fn of_millis(millis: i64) -> Option<String> {
    DateTime::from_timestamp_millis(millis).map(text)
}

/// A moment as [`text`], for `#[serde(serialize_with)]`.
pub fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*time))
}

/// As [`serialize`], where there may be none.
///
/// # Errors
/// As the serializer.
pub fn serialize_some<S: Serializer>(time: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serialize(time, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_has_milliseconds_and_a_z() {
        for (given, shown) in [
            ("2024-01-01T01:00:00Z", "2024-01-01T01:00:00.000Z"),
            ("2024-01-01T02:00:00.123456789+01:00", "2024-01-01T01:00:00.123Z"),
        ] {
            let time: DateTime<Utc> = given.parse().expect("a time");
            assert_eq!(text(time), shown);
        }
        assert_eq!(of_millis(0).as_deref(), Some("1970-01-01T00:00:00.000Z"));
        assert_eq!(of_millis(i64::MAX), None);
    }
}
