//! The verdict of a plan as a sentence, and the time of a method in words.

use std::time::Duration;

use super::{Candidate, Level, Line, Plan, contents, expiries};
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
