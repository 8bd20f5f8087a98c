//! When backups are taken: a cron line of five fields, always in UTC, as the ids of backups are.
//!
//! The times that it names are the business of `croner`. What other schedulers are told is written from the fields themselves, so only what
//! all of them understand is taken: numbers, names, lists, ranges and steps; no seconds, no `L`, `W` or `#`.

use chrono::{DateTime, Utc};
use croner::Cron;

/// The shorthands of cron, and what they stand for.
const SHORTHANDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// What one field of a cron line may hold.
struct Kind {
    name: &'static str,
    from: u32,
    to: u32,
    /// Names for the numbers from `from` on.
    names: &'static [&'static str],
}

const KINDS: [Kind; 5] = [
    Kind { name: "minute", from: 0, to: 59, names: &[] },
    Kind { name: "hour", from: 0, to: 23, names: &[] },
    Kind { name: "day of the month", from: 1, to: 31, names: &[] },
    Kind { name: "month", from: 1, to: 12, names: &MONTHS },
    // Seven is Sunday as well.
    Kind { name: "day of the week", from: 0, to: 7, names: &DAYS },
];

/// A cron line that was understood.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Five fields; what a shorthand stands for.
    line: String,
    cron: Cron,
    fields: [Field; 5],
}

/// The numbers of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    numbers: Vec<u32>,
    /// It is `*` alone.
    is_star: bool,
}

impl std::str::FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let line = match text.strip_prefix('@') {
            Some(_) => {
                let found = SHORTHANDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
                let known = SHORTHANDS.map(|(name, _)| format!("`{name}`")).join(", ");
                found.ok_or_else(|| format!("`{text}` is not a schedule; there are {known}"))?.1
            }
            None => text,
        };
        if line.is_empty() {
            return Err("the schedule is empty".to_owned());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let words: [&str; 5] = words.as_slice().try_into().map_err(|_| {
            let fields = KINDS.map(|kind| kind.name).join(", ");
            format!("a cron line has five fields ({fields}), and `{text}` has {}", words.len())
        })?;
        let mut fields = Vec::with_capacity(5);
        for (word, kind) in words.iter().zip(&KINDS) {
            fields.push(field(word, kind)?);
        }
        let fields: [Field; 5] = fields.try_into().map_err(|_| "a cron line has five fields".to_owned())?;
        let [minute, hour, day, month, weekday] = words;
        // Cron takes such a field for "any day", Kubernetes for a choice: they would run at different times.
        let has_step = |field: &str| field.starts_with("*/");
        if has_step(day) && weekday != "*" || has_step(weekday) && day != "*" {
            return Err(format!(
                "`{text}` names days of the month and of the week, and one of them with `*/`: cron, systemd and Kubernetes read \
                 that differently; list the days (`1,3,5`), or leave one of the two fields `*`"
            ));
        }
        // Sunday is 0 for all of them, 7 only for some.
        let numbers = || fields[4].numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let weekday = if weekday.contains('7') { numbers() } else { weekday.to_owned() };
        let line = format!("{minute} {hour} {day} {month} {weekday}");
        let cron: Cron = line.parse().map_err(|error| format!("`{text}`: {error}"))?;
        cron.find_next_occurrence(&DateTime::UNIX_EPOCH, false)
            .map_err(|_| format!("`{text}` names a day that never comes"))?;
        Ok(Self { line, cron, fields })
    }
}

fn field(word: &str, kind: &Kind) -> Result<Field, String> {
    let mut numbers = Vec::new();
    for part in word.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<u32>().ok().filter(|step| *step > 0)),
            None => (part, Some(1)),
        };
        let bounds = match range.split_once('-') {
            Some((from, to)) => number(from, kind).zip(number(to, kind)),
            None if range == "*" => Some((kind.from, if kind.to == 7 { 6 } else { kind.to })),
            // To some that is from 5 to the end, to others a mistake.
            None if part.contains('/') => {
                let Kind { name, to, .. } = kind;
                return Err(format!(
                    "`{part}` is no {name}: a step is of a range (`{range}-{to}/…`) or of all (`*/…`)"
                ));
            }
            None => number(range, kind).map(|one| (one, one)),
        };
        let wrong = || {
            let Kind { name, from, to, .. } = kind;
            format!("`{part}` is no {name}: use {from} to {to}, `*`, ranges (`1-5`), lists (`1,15`) and steps (`*/10`)")
        };
        let ((from, to), step) = bounds.zip(step).ok_or_else(wrong)?;
        if from > to {
            let last = if kind.to == 7 && to == 0 { " (as the end of a range Sunday is 7)" } else { "" };
            return Err(format!("`{part}` is no {}: the range ends before it begins{last}", kind.name));
        }
        numbers.extend((from..=to).step_by(step as usize).map(|number| if kind.to == 7 { number % 7 } else { number }));
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(Field { numbers, is_star: word == "*" })
}

fn number(word: &str, kind: &Kind) -> Option<u32> {
    let named = kind.names.iter().position(|name| name.eq_ignore_ascii_case(word));
    let number = match named {
        Some(at) => u32::try_from(at).ok()? + kind.from,
        None if word.bytes().all(|byte| byte.is_ascii_digit()) => word.parse().ok()?,
        None => return None,
    };
    (kind.from..=kind.to).contains(&number).then_some(number)
}

impl Schedule {
    /// Five fields, as cron and Kubernetes take them.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The last moment at or before `now` that it names; `None`: there is none.
    pub fn last(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.cron.find_previous_occurrence(&now, true).ok()
    }

    /// The next moment after `now`.
    pub fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.cron.find_next_occurrence(&now, false).ok()
    }

    /// The next so many moments after `now`.
    pub fn following(&self, now: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
        std::iter::successors(self.next(now), |last| self.next(*last)).take(count).collect()
    }

    /// Whether a moment of it lies in this span, its beginning included.
    pub fn has_one_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        self.cron.find_next_occurrence(&from, true).is_ok_and(|time| time < to)
    }

    /// What systemd's `OnCalendar=` takes; two lines where cron means the day of the month or the day of the week.
    pub fn on_calendar(&self) -> Vec<String> {
        let [minutes, hours, days, months, weekdays] = &self.fields;
        let list = |field: &Field, kind: &Kind, width: usize| {
            let all = (kind.from..=kind.to).count();
            if field.numbers.len() == all {
                return "*".to_owned();
            }
            let numbers = field.numbers.iter().map(|number| format!("{number:0width$}"));
            numbers.collect::<Vec<_>>().join(",")
        };
        let time = format!("{}:{}:00 UTC", list(hours, &KINDS[1], 2), list(minutes, &KINDS[0], 2));
        let date = |day: &str| format!("*-{}-{day} {time}", list(months, &KINDS[3], 2));
        let of_days = list(days, &KINDS[2], 2);
        let names = |day: &u32| {
            let name = DAYS[*day as usize % 7];
            format!("{}{}", &name[..1], name[1..].to_ascii_lowercase())
        };
        let of_week = weekdays.numbers.iter().map(names).collect::<Vec<_>>().join(",");
        let is_every_weekday = weekdays.numbers.len() == 7;
        match (days.is_star, weekdays.is_star) {
            (_, true) => vec![date(&of_days)],
            (true, false) if is_every_weekday => vec![date("*")],
            (true, false) => vec![format!("{of_week} {}", date("*"))],
            // Both are given: cron means one or the other.
            (false, false) if is_every_weekday || of_days == "*" => vec![date("*")],
            (false, false) => vec![date(&of_days), format!("{of_week} {}", date("*"))],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Schedule {
        line.parse().unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn what_every_scheduler_understands_is_taken() {
        for (line, next) in [
            ("0 1 * * *", "2026-11-29T01:00:00Z"),
            ("@daily", "2026-11-29T00:00:00Z"),
            ("@Hourly", "2026-11-28T13:00:00Z"),
            ("*/15 * * * *", "2026-11-28T12:45:00Z"),
            ("5-59/20 2-4,22 * * *", "2026-11-28T22:05:00Z"),
            ("30 3 1 jan-mar *", "2027-01-01T03:30:00Z"),
            ("0 4 * * sun", "2026-11-29T04:00:00Z"),
            ("0 4 * * 7", "2026-11-29T04:00:00Z"),
            ("@midnight", "2026-11-29T00:00:00Z"),
            ("0 1 1 * 0-6", "2026-11-29T01:00:00Z"),
            ("0 4 13 * 5", "2026-12-04T04:00:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
        ] {
            let now = "2026-11-28T12:30:00Z".parse().unwrap();
            let expected: DateTime<Utc> = next.parse().unwrap();
            assert_eq!(of(line).next(now), Some(expected), "{line}");
            assert_eq!(of(line).last(expected), Some(expected), "{line}");
            assert!(!of(line).has_one_between(now + chrono::TimeDelta::seconds(1), expected), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_do() {
        for (line, says) in [
            ("", "is empty"),
            ("5/15 * * * *", "`5/15` is no minute: a step is of a range (`5-59/…`)"),
            ("0 1 * * sat-sun", "ends before it begins (as the end of a range Sunday is 7)"),
            ("0 1 */2 * 1", "read that differently"),
            ("0 1 1 * */2", "read that differently"),
            ("0 1 * *", "has 4"),
            ("0 0 1 * * *", "has 6"),
            ("60 1 * * *", "`60` is no minute: use 0 to 59"),
            ("0 24 * * *", "no hour"),
            ("0 1 L * *", "`L` is no day of the month"),
            ("0 1 * * 5#2", "no day of the week"),
            ("0 1 * * 5-2", "no day of the week"),
            ("*/0 1 * * *", "no minute"),
            ("+5 1 * * *", "no minute"),
            ("0 1 31 2 *", "never comes"),
            ("@dayly", "`@daily`"),
            ("every night", "has 2"),
        ] {
            let error = line.parse::<Schedule>().err().unwrap_or_else(|| panic!("{line} was taken"));
            assert!(error.contains(says), "{line}: {error}");
        }
    }

    #[test]
    fn sunday_has_the_one_number_that_all_of_them_know() {
        for (line, told) in
            [("0 3 * * 7", "0 3 * * 0"), ("0 3 * * 5-7", "0 3 * * 0,5,6"), ("0 3 * * sun", "0 3 * * sun")]
        {
            assert_eq!(of(line).line(), told);
        }
    }

    #[test]
    fn systemd_is_told_the_same_moments() {
        for (line, calendar) in [
            ("0 1 * * *", &["*-*-* 01:00:00 UTC"][..]),
            ("*/20 * * * *", &["*-*-* *:00,20,40:00 UTC"]),
            ("@weekly", &["Sun *-*-* 00:00:00 UTC"]),
            ("30 3 1 1-3 *", &["*-01,02,03-01 03:30:00 UTC"]),
            ("0 4 13 * 5", &["*-*-13 04:00:00 UTC", "Fri *-*-* 04:00:00 UTC"]),
            ("0 4 */10 * *", &["*-*-01,11,21,31 04:00:00 UTC"]),
            ("0 4 * * */2", &["Sun,Tue,Thu,Sat *-*-* 04:00:00 UTC"]),
            // One or the other, and one of them is every day.
            ("0 1 1 * 0-6", &["*-*-* 01:00:00 UTC"]),
            ("0 1 1-31 * 1", &["*-*-* 01:00:00 UTC"]),
            ("0 1 * * 1-7", &["*-*-* 01:00:00 UTC"]),
        ] {
            assert_eq!(of(line).on_calendar(), calendar, "{line}");
        }
    }
}
