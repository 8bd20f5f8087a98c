//! Which backups of a repository are due to be verified.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Level, receipt};
use crate::repository::Listed;

/// How many of all backups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// This many backups.
    Count(u64),
    /// This percentage of all backups, above 0 and at most 100.
    Percent(f64),
}

/// The backups to verify, those first that were verified longest ago, the never verified before all; those of one age oldest
/// first. One whose manifest cannot be read is always among them. What was begun and never finished is no backup.
///
/// `older_than`: only those without a good verification of this level, or a higher one, for so long.
pub fn due(
    all: &[Listed],
    level: Level,
    sample: Option<Sample>,
    older_than: Option<TimeDelta>,
    now: DateTime<Utc>,
) -> Vec<&Listed> {
    let mut due: Vec<(Option<DateTime<Utc>>, &Listed)> = all
        .iter()
        .filter(|listed| listed.unfinished().is_none())
        .map(|listed| (proven(listed, level), listed))
        .filter(|(proven, _)| match (proven, older_than) {
            (Some(time), Some(age)) => now.signed_duration_since(time) >= age,
            _ => true,
        })
        .collect();
    due.sort_by(|(one, left), (other, right)| {
        one.cmp(other).then_with(|| left.id.cmp(&right.id)).then_with(|| left.instance.cmp(&right.instance))
    });
    let wanted = wanted(sample, due.len());
    due.into_iter().take(wanted).map(|(_, listed)| listed).collect()
}

/// When it was last proven good at this level or a higher one.
fn proven(listed: &Listed, level: Level) -> Option<DateTime<Utc>> {
    receipt::proven_at(listed.verified.as_ref()?, level)
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of some backups, rounded up"
)]
fn wanted(sample: Option<Sample>, all: usize) -> usize {
    match sample {
        None => all,
        Some(Sample::Count(count)) => usize::try_from(count).unwrap_or(usize::MAX),
        Some(Sample::Percent(percent)) => (all as f64 * percent / 100.0).ceil() as usize,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::repository::{ListedStatus, Receipt, Unfinished};

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    /// Verified last at a time, when this was known to be proven.
    fn listed(id: &str, verified: Option<(&str, Value)>) -> Listed {
        Listed {
            instance: "a".to_owned(),
            id: id.parse().expect("an id"),
            status: ListedStatus::Unreadable("for the test".to_owned()),
            objects: Vec::new(),
            verified: verified
                .map(|(at, proven_at)| Receipt { time: time(at), content: json!({ "proven_at": proven_at }) }),
            pins: Vec::new(),
        }
    }

    fn ids(due: &[&Listed]) -> Vec<String> {
        due.iter().map(|listed| listed.id.to_string()).collect()
    }

    #[test]
    fn those_that_were_verified_longest_ago_come_first() {
        let both = json!({ "checksum": "2024-02-01T00:00:00Z", "structure": "2024-01-20T00:00:00Z" });
        let all = vec![
            listed("2024-01-03-00-00", Some(("2024-02-01T00:00:00Z", json!({ "structure": "2024-02-01T00:00:00Z" })))),
            // Looked at quickly on the first of February, and thoroughly before.
            listed("2024-01-02-00-00", Some(("2024-02-01T00:00:00Z", both))),
            listed("2024-01-04-00-00", None),
            // A lower level, and a bad answer, prove nothing.
            listed("2024-01-05-00-00", Some(("2024-02-01T00:00:00Z", json!({ "checksum": "2024-02-01T00:00:00Z" })))),
            listed("2024-01-06-00-00", Some(("2024-02-01T00:00:00Z", json!({})))),
        ];
        let now = time("2024-02-02T00:00:00Z");
        let due = |sample, days| {
            ids(&super::due(&all, Level::Structure, sample, days, now)).join(" ").replace("2024-01-", "")
        };
        assert_eq!(due(None, None), "04-00-00 05-00-00 06-00-00 02-00-00 03-00-00");
        assert_eq!(due(None, TimeDelta::try_days(7)), "04-00-00 05-00-00 06-00-00 02-00-00");
        assert_eq!(due(Some(Sample::Count(1)), None), "04-00-00");
        assert_eq!(due(Some(Sample::Percent(21.0)), None), "04-00-00 05-00-00");
        assert_eq!(due(Some(Sample::Percent(0.1)), None), "04-00-00");
    }

    #[test]
    fn what_was_never_finished_is_no_backup() {
        let left = Unfinished { begun: None, since: None, last_sign: None, now: Utc::now(), bytes: 0, uploads: 0 };
        let unfinished = Listed { status: ListedStatus::Left(Box::new(left)), ..listed("2024-01-01-00-00", None) };
        assert!(due(&[unfinished], Level::Checksum, None, None, Utc::now()).is_empty());
    }
}
