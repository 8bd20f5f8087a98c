//! Which times of an archive can be chosen, and where only offsets can.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::time_of;
use crate::moment::{Silence, Window};
use crate::printer::words;
use crate::times;

/// Silences that a table lists, the newest; the JSON answer has all.
const LISTED: usize = 10;

/// Silences that the verdict names; more are counted.
const NAMED: usize = 2;

/// The times of one window.
pub(super) struct Times<'a> {
    window: &'a Window,
    begins: DateTime<Utc>,
    ends: Option<i64>,
}

impl<'a> Times<'a> {
    /// `None`: no moment of the window can be restored.
    pub(super) fn of(window: &'a Window) -> Option<Self> {
        let base = window.base.as_ref()?;
        Some(Self { window, begins: base.at, ends: window.to.marks.last().map(|mark| mark.time_us) })
    }

    /// From when to when times can be chosen.
    fn stretches(&self) -> Vec<(String, String)> {
        let (mut stretches, mut begins) = (Vec::new(), self.begins.timestamp_micros());
        for silence in &self.window.silences {
            if silence.before.time_us > begins {
                stretches.push((begins, silence.before.time_us));
            }
            begins = silence.after.time_us;
        }
        stretches.extend(self.ends.filter(|ends| *ends >= begins).map(|ends| (begins, ends)));
        stretches.into_iter().filter_map(|(from, to)| Some((time_of(Some(from))?, time_of(Some(to))?))).collect()
    }

    /// The rows of the table, if not every time can be chosen.
    pub(super) fn rows(&self) -> Vec<(&'static str, String)> {
        let silences = &self.window.silences;
        if silences.is_empty() {
            return Vec::new();
        }
        let stretches = self.stretches();
        let left_out = stretches.len().saturating_sub(LISTED);
        let mut listed: Vec<String> =
            stretches[left_out..].iter().map(|(from, to)| format!("{from} to {to}")).collect();
        if left_out > 0 {
            listed.insert(0, format!("{} before", words::counted(left_out as u64, "stretch")));
        }
        let mut rows = vec![("times", listed.join(", and "))];
        let left_out = silences.len().saturating_sub(LISTED);
        for silence in &silences[left_out..] {
            rows.push((
                "offsets only",
                format!(
                    "{}: offsets {} to {}, {} of stream; no archiver noted the time then, so `--to-time` cannot choose between them",
                    between(silence),
                    silence.before.offset,
                    silence.after.offset,
                    words::bytes(silence.bytes())
                ),
            ));
        }
        if left_out > 0 {
            rows.push(("offsets only", format!("{} before", words::counted(left_out as u64, "stretch"))));
        }
        rows
    }

    /// What the verdict adds; empty where every time can be chosen.
    pub(super) fn exception(&self) -> String {
        match self.window.silences.as_slice() {
            [] => String::new(),
            few if few.len() <= NAMED => {
                let named: Vec<String> = few.iter().map(between).collect();
                format!(" (only by offset: {})", named.join(", and "))
            }
            many => format!(" (only by offset in {})", words::counted(many.len() as u64, "stretch")),
        }
    }

    /// `times` of the JSON answer.
    pub(super) fn json(&self) -> Vec<Value> {
        self.stretches().into_iter().map(|(from, to)| json!({ "from": from, "to": to })).collect()
    }
}

/// `2026-11-01T13:00:01Z to 2026-11-01T13:00:09Z`.
fn between(silence: &Silence) -> String {
    let text = |time: Option<DateTime<Utc>>| time.map_or_else(|| "an unknown time".to_owned(), times::text);
    let shown = silence.shown();
    format!("{} to {}", text(shown.from), text(shown.to))
}
