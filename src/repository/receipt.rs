//! What was learned of a backup after it was published: a verification, a restore.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::layout;
use crate::storage::ObjectInfo;

/// By so much the clock of a machine may be ahead of the store's before the times that it writes are not taken as they are.
const AHEAD: TimeDelta = TimeDelta::minutes(10);

/// When a receipt was written: as its name says, but no later than the store says. One whose writer's clock was ahead would hide every
/// later one.
pub(super) fn written_at(kind: &str, folder: &str, object: &ObjectInfo) -> Option<DateTime<Utc>> {
    let named = layout::receipt_time(kind, object.key.strip_prefix(folder)?)?;
    Some(object.modified.filter(|modified| named - *modified > AHEAD).unwrap_or(named))
}

/// The words that a verification may have for what it found.
const STATUSES: [&str; 4] = ["ok", "warning", "failed", "unknown"];
/// The word for a receipt that is there and does not say what was found.
const UNREADABLE: &str = "unreadable";

/// What was learned, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// When it was written: the time in its name.
    pub time: DateTime<Utc>,
    /// The fields of the receipt. A verification writes `level` and `status`.
    pub content: Value,
}

impl Receipt {
    /// In place of one that is there and says nothing that anybody could rely on.
    pub(super) fn unreadable(time: DateTime<Utc>, why: &str) -> Self {
        Self { time, content: json!({ "status": UNREADABLE, "found": [format!("the receipt cannot be read: {why}")] }) }
    }

    /// Whether it is there and cannot be read, so that nobody knows what it says.
    pub fn is_unreadable(&self) -> bool {
        self.text("status") == Some(UNREADABLE)
    }

    /// Whether it has one of the words that a verification writes.
    pub(super) fn has_known_status(&self) -> bool {
        self.text("status").is_some_and(|status| STATUSES.contains(&status))
    }

    /// Whether a verification could not tell whether the backup is good, and none before it had found it good.
    pub fn is_open(&self) -> bool {
        self.text("status") == Some("unknown") && !self.is_good()
    }

    /// How much it weighs against another of which nobody can say which is the later: damage most, then what cannot be read.
    pub(super) fn weight(&self) -> u8 {
        match self.text("status") {
            Some("failed") => 2,
            Some(UNREADABLE) => 1,
            _ => 0,
        }
    }

    /// Whether a verification has found the backup good, or had done so before and has not found damage since.
    pub fn is_good(&self) -> bool {
        let proven = self.content.get("proven_at").and_then(Value::as_object);
        // Names and lengths prove nothing of the bytes.
        let has_read = self.text("level") != Some("manifest");
        has_read && matches!(self.text("status"), Some("ok" | "warning"))
            || proven.is_some_and(|levels| !levels.is_empty())
    }

    /// When a verification has last found the backup good at this level, and damage was not found since.
    pub fn proven(&self, level: &str) -> Option<DateTime<Utc>> {
        self.content.get("proven_at")?.get(level)?.as_str()?.parse().ok()
    }

    /// A field of the content that is a text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.content.get(field).and_then(Value::as_str)
    }
}
