//! A span of the calendar as restic spells it: `2y5m7d3h`. Here `m` is months.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Months, TimeDelta, Utc};

/// Years, months, days and hours, in this order; each may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    pub years: u32,
    pub months: u32,
    pub days: u32,
    pub hours: u32,
}

impl Span {
    /// Whether it is no time at all.
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }

    /// The moment that is so long before another; the earliest of all where a calendar does not reach so far back.
    pub fn before(self, time: DateTime<Utc>) -> DateTime<Utc> {
        let months = self.years.saturating_mul(12).saturating_add(self.months);
        let days = TimeDelta::try_days(i64::from(self.days));
        let hours = TimeDelta::try_hours(i64::from(self.hours));
        time.checked_sub_months(Months::new(months))
            .and_then(|time| time.checked_sub_signed(days?))
            .and_then(|time| time.checked_sub_signed(hours?))
            .unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// Seconds of it; `None` where it has months or years, which are not all of one length.
    pub fn seconds(self) -> Option<u64> {
        let seconds = u64::from(self.days) * 86_400 + u64::from(self.hours) * 3600;
        (self.years == 0 && self.months == 0).then_some(seconds)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "expected years, months, days and hours in this order, such as 7d, 6m or 1y6m: m is months, h is hours"
                .to_owned()
        };
        let mut span = Self::default();
        let mut rest = text.trim();
        let units = [('y', &mut span.years), ('m', &mut span.months), ('d', &mut span.days), ('h', &mut span.hours)];
        if rest.is_empty() {
            return Err(wrong());
        }
        for (unit, value) in units {
            let Some((number, after)) = rest.split_once(unit) else { continue };
            if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit()) {
                return Err(wrong());
            }
            *value = number.parse().map_err(|_| wrong())?;
            rest = after;
        }
        if rest.is_empty() { Ok(span) } else { Err(wrong()) }
    }
}

/// `1 year 6 months`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(self.years, "year"), (self.months, "month"), (self.days, "day"), (self.hours, "hour")];
        let said: Vec<String> = parts
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, unit)| format!("{n} {unit}{}", if *n == 1 { "" } else { "s" }))
            .collect();
        f.write_str(if said.is_empty() { "no time".to_owned() } else { said.join(" ") }.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_spelled_as_restic_spells_it() {
        for (text, says, since) in [
            ("6m", "6 months", "2026-05-29T01:00:00Z"),
            ("1y6m", "1 year 6 months", "2025-05-29T01:00:00Z"),
            ("2y5m7d3h", "2 years 5 months 7 days 3 hours", "2024-06-21T22:00:00Z"),
            ("26h", "26 hours", "2026-11-27T23:00:00Z"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string(), says);
            assert_eq!(span.before("2026-11-29T01:00:00Z".parse().unwrap()), since.parse::<DateTime<Utc>>().unwrap());
        }
        for text in
            ["", "6", "6M", "6min", "30s", "1d1m", "1h1d", "d", "-1d", "1.5d", "7d 3h", "6mo", "1w", "99999999999d"]
        {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
