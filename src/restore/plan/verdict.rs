//! How a restore ends as far as its plan can know, the verdict as a sentence, and the time of a method in words.

use std::time::Duration;

use super::{
    ALONE, Candidate, Level, Line, NOTHING_CHOSEN, Plan, TOLD_BY_THE_REPORT, VERIFIED_BAD, clock, contents, expiries,
    rights, state, to_disk,
};
use crate::explain::Status;
use crate::figures::span;
use crate::restore::tally::FailedKey;

/// Lines beside those about losses whose warning is that something is not as it is in the backup.
const CHANGES: &[&str] = &[
    "rebuilt",
    "functions_lost",
    "module_missing",
    "module_untrusted",
    expiries::EXPIRED,
    expiries::SOON,
    contents::FUNCTIONS_STAY,
    contents::FUNCTIONS_REFUSED,
];

impl Plan {
    /// How the restore ends, as far as the plan can know: with a warning where something that a line names makes the report say so
    /// ([`crate::restore::Report::status`]).
    pub fn foreseen(&self) -> Status {
        match self.refusal() {
            Some(line) if line.code == NOTHING_CHOSEN => return Status::Unknown,
            Some(_) => return Status::Failed,
            None if self.method.is_none() => return Status::Failed,
            None => {}
        }
        let is_told = |line: &Line| contents::LOSSES.contains(&line.code) || TOLD_BY_THE_REPORT.contains(&line.code);
        // What may fail at its first command is not promised.
        if self.lines.iter().any(|line| line.code == rights::RIGHTS && line.level == Level::Unknown) {
            return Status::Unknown;
        }
        let mut warnings = self.lines.iter().filter(|line| line.level == Level::Warning);
        if warnings.any(is_told) || self.is_doubted() || self.cannot_be_proven() { Status::Warning } else { Status::Ok }
    }

    /// How a restore to a file or a folder ends, as far as the plan can know.
    pub fn foreseen_on_disk(&self) -> Status {
        let is_told = |line: &Line| line.code == "trailing_bytes" || line.code == to_disk::FINDINGS;
        if self.lines.iter().any(is_told) || self.cannot_be_proven() { Status::Warning } else { Status::Ok }
    }

    /// Adds what the newest verification of the backup has found, if it found damage.
    pub(in crate::restore) fn doubt(&mut self, found: Option<String>) {
        self.lines.extend(found.map(|found| Line::warning(VERIFIED_BAD, found)));
    }

    /// Whether the newest verification of the backup found damage.
    pub fn is_doubted(&self) -> bool {
        self.lines.iter().any(|line| line.code == VERIFIED_BAD)
    }

    /// Whether the format of the backup is newer than we know: nobody can prove what is restored of it.
    pub fn cannot_be_proven(&self) -> bool {
        self.lines.iter().any(|line| line.code == contents::UNKNOWN_VERSION && line.level == Level::Warning)
    }

    /// Whether others have surely written since the restore was interrupted that this one goes on with.
    pub fn was_written_since(&self) -> bool {
        self.lines.iter().any(|line| line.code == state::WRITTEN)
    }

    /// Why the restore ends with a warning even where the report and the proof know of nothing, each as part of a sentence.
    pub fn reservations(&self) -> Vec<&'static str> {
        let has = |code: &str| self.lines.iter().any(|line| line.code == code && line.level == Level::Warning);
        [
            (self.is_doubted(), "the last verification of the backup found damage"),
            (self.cannot_be_proven(), "redis-ops does not know this RDB version"),
            (has(contents::NOT_IN_BACKUP), "the backup does not hold everything that its source held"),
            (has(clock::NOT_SHIFTED), "expiries were not shifted"),
            (has(ALONE), "another restore may have written to the target as well"),
        ]
        .into_iter()
        .filter_map(|(is_so, words)| is_so.then_some(words))
        .collect()
    }

    /// Whether a line warns, or could not tell.
    pub fn warns(&self) -> bool {
        self.lines.iter().any(|line| matches!(line.level, Level::Warning | Level::Unknown))
    }

    /// Whether what the target would hold is not all that the backup holds, or not as it is there.
    fn changes_data(&self) -> bool {
        let changes = |line: &Line| contents::LOSSES.contains(&line.code) || CHANGES.contains(&line.code);
        self.lines.iter().any(|line| line.level == Level::Warning && changes(line))
    }

    /// Whether the backup can be restored into the target, with the names of both sides; `foreseen`: how the restore ends, as far as the plan knows.
    /// `names`: names the keys of a line that refuses, behind its text.
    pub fn sentence(
        &self,
        backup: &str,
        target: &str,
        foreseen: Status,
        names: impl Fn(&[FailedKey]) -> String,
    ) -> (Status, String) {
        let no = |why: &str| (Status::Failed, format!("{backup} cannot be restored into {target}: {why}"));
        match (self.refused(), self.method) {
            (Some(refused), _) => no(&refused.with_all(names).text),
            (None, None) => no(&self.why),
            (None, Some(method)) => {
                let warned = match foreseen {
                    Status::Unknown => ", or fails: what this user may do is unknown",
                    Status::Warning if self.changes_data() => "; some data would differ from the backup: see above",
                    Status::Warning => "; with warnings: see above",
                    _ => "",
                };
                let why = &self.why;
                (
                    foreseen,
                    format!("{backup} would be restored into {target} with method `{}`: {why}{warned}", method.name()),
                )
            }
        }
    }
}

impl Candidate {
    /// The predicted time, no finer than a prediction is.
    pub fn time(&self) -> String {
        match self.seconds {
            None => "?".to_owned(),
            Some(seconds) if seconds < 1.0 => "under 1 s".to_owned(),
            Some(seconds) if seconds < 59.5 => format!("about {seconds:.0} s"),
            Some(seconds) => {
                format!("about {}", span(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)))
            }
        }
    }
}
