//! What would happen: judged from plain data, before anything is written.

mod capacity;
mod clock;
mod contents;
mod expiries;
mod learned;
mod methods;
mod reading;
mod refused;
mod rights;
mod sameness;
mod state;
mod state_folder;
mod to_disk;
mod verdict;

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::restore::facts::{BackupFacts, TargetFacts};
use crate::restore::options::{Asked, Method, Options};
use crate::restore::tally::FailedKey;
use crate::restore::target_format::TargetFormat;
pub use capacity::{in_mb, names_decide, room, room_for_missing};
pub use contents::{FUNCTIONS_REFUSED, choice_decides_databases, chosen_none, highest_database, module_records};
pub use methods::{ANY_METHOD, ANY_METHOD_WITH_LOSS, Candidate, may_be_fed};
pub use reading::{empties_for_a_choice, must_count_expired, needs_survey};
pub use refused::Refused;
pub use sameness::SAME_SERVER;
pub use state::beside_keys;
pub use to_disk::to_disk;

/// No key of the backup is what was chosen.
pub const NOTHING_CHOSEN: &str = "nothing_chosen";

/// Flags that let a restore into a target that holds keys.
pub const OVER_OTHER_KEYS: &str = "--on-conflict fail|skip|replace, or --replace-all";
/// The restore was to go on, and there is nothing to go on with.
pub const NOTHING_TO_RESUME: &str = "nothing_to_resume";

/// The stable name of the line about keys that both have and that stay.
const KEPT: &str = "kept";

/// Lines beside those about losses whose warning is one of the report as well.
const TOLD_BY_THE_REPORT: &[&str] = &[
    "rebuilt",
    "trailing_bytes",
    "functions_lost",
    "module_missing",
    "module_untrusted",
    expiries::EXPIRED,
    expiries::SOON,
    clock::NOT_SHIFTED,
    state::SAVED,
    state::WRITTEN,
    KEPT,
    rights::RIGHTS,
    ALONE,
    contents::NOT_IN_BACKUP,
    contents::FUNCTIONS_STAY,
    contents::FUNCTIONS_REFUSED,
];

/// Another restore into the target is at work.
pub const LOCKED: &str = "locked";

/// The stable name of the line about other restores.
const ALONE: &str = "alone";

/// The stable name of the line about a verification that found damage.
const VERIFIED_BAD: &str = "verified";

/// Flags that let a restore go on where the target has a key or a library of the same name.
pub const OVER_SAME_NAMES: &str = "--on-conflict skip|replace";

/// What a restore would do: everything that was looked at, and the method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// What was looked at, in the order it is shown.
    pub lines: Vec<Line>,
    /// The method that is used; `None`: none can be.
    pub method: Option<Method>,
    /// Why that method is used, or why none can be.
    pub why: String,
    /// All methods, with predicted seconds.
    pub methods: Vec<Candidate>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The verdict for this line of the plan.
    pub level: Level,
    /// The stable name of the line in JSON answers.
    pub code: &'static str,
    /// The sentence for people.
    pub text: String,
    /// The flag that lets the restore go on all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flag: Option<&'static str>,
    /// Commands that would mend the target.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fix: Vec<String>,
    /// The keys that the line is about, or the first of them; the text never names a key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<FailedKey>,
}

/// The verdict for one thing that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The restore may go on.
    Ok,
    /// Nobody could tell.
    Unknown,
    /// Something is worth knowing before the restore.
    Warning,
    /// The restore is refused as it was asked for.
    Refused,
}

impl Line {
    fn new(level: Level, code: &'static str, text: impl Into<String>) -> Self {
        Self { level, code, text: text.into(), flag: None, fix: Vec::new(), keys: Vec::new() }
    }

    fn ok(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Ok, code, text)
    }

    fn unknown(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Unknown, code, text)
    }

    fn warning(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Warning, code, text)
    }

    fn refused(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Refused, code, text)
    }

    fn flag(mut self, flag: &'static str) -> Self {
        self.flag = Some(flag);
        self
    }

    fn fix(mut self, command: impl Into<String>) -> Self {
        self.fix.push(command.into());
        self
    }

    fn keys(mut self, keys: &[FailedKey]) -> Self {
        self.keys.extend_from_slice(keys);
        self
    }
}

impl Plan {
    /// The line that says that no key was chosen.
    fn nothing_chosen(&self) -> Option<&Line> {
        self.lines.iter().find(|line| line.code == NOTHING_CHOSEN)
    }

    /// The first line that refuses the restore, before all others the one that no key was chosen.
    pub fn refusal(&self) -> Option<&Line> {
        self.nothing_chosen().or_else(|| self.first_refusal())
    }

    fn first_refusal(&self) -> Option<&Line> {
        self.lines.iter().find(|line| line.level == Level::Refused)
    }

    /// All lines that refuse the restore, as one refusal: who accepts one loss of several is to know of all.
    pub fn refused(&self) -> Option<Refused> {
        // Where there is nothing to restore, nothing else matters.
        if let Some(line) = self.nothing_chosen() {
            return Some(Refused::from(line));
        }
        let mut refused = self.lines.iter().filter(|line| line.level == Level::Refused).map(Refused::from);
        let first = refused.next()?;
        Some(Refused { others: refused.collect(), ..first })
    }

    /// The method that is used where the target cannot load the file itself after all; `None`: there is none.
    pub fn next_after_replica(&self) -> Option<Method> {
        let possible = self.methods.iter().filter(|candidate| candidate.against.is_none());
        possible.map(|candidate| candidate.method).find(|method| *method != Method::Replica)
    }
}

/// Whether a line says what stands against the methods that go key by key, and nothing else stands against what was asked for.
fn bars_all(code: &str, method: &Line) -> bool {
    match code {
        "value_too_large" => method.flag.is_none(),
        _ => contents::LOSSES.contains(&code) && method.flag.is_none_or(|flag| flag == "--accept-loss"),
    }
}

/// Whether a line refuses nothing, or nothing but what goes key by key: who asked for another way is not refused for that.
fn refuses_other_ways_at_most(line: &Line) -> bool {
    line.level != Level::Refused || line.code == "functions_lost" || contents::LOSSES.contains(&line.code)
}

/// Judges everything that is known of both sides, and chooses the method.
pub fn make(backup: &BackupFacts, target: &TargetFacts, options: &Options) -> Plan {
    let format = TargetFormat::of(&target.server);
    let (methods, chosen) = methods::choose(backup, target, options);
    let fed = matches!(chosen, Ok((Method::Replica, _)));
    let mut lines = Vec::new();
    lines.extend(state::role(backup, target));
    lines.extend(sameness::same_server(backup, target));
    lines.extend(state::existing_keys(target, options));
    lines.push(rights::rights(backup, target, options, chosen.as_ref().ok().map(|(method, _)| *method)));
    lines.extend(state::reading_back(target, options));
    lines.extend(state::no_proof(backup, options.proof));
    lines.extend(state::certificate(target, options));
    lines.extend(state::commands(target, options, fed));
    lines.extend(state::company(backup, target, options, fed));
    lines.push(contents::format(backup, format, options));
    lines.extend(contents::nothing_chosen(backup, options));
    lines.extend(contents::part_or_old(backup));
    lines.extend(contents::trailing(backup));
    if !fed {
        // A server that loads the file itself loses nothing.
        lines.extend(contents::losses(backup, format, options));
        lines.extend(contents::module_data(backup, options));
    }
    lines.extend(contents::modules(backup, target, options));
    lines.extend(contents::functions(backup, target, options, format));
    lines.extend(contents::databases(backup, target, options, fed));
    lines.extend(expiries::expired(backup, options));
    lines.extend(expiries::soon(backup, chosen.as_ref().ok().map(|(method, _)| *method), &methods));
    lines.extend(clock::clock(backup, target, options));
    lines.extend(clock::not_shifted(backup, options, target.clock.unwrap_or_default().now_ms()));
    lines.extend(capacity::longest_value(backup, target, fed));
    lines.extend(capacity::memory(backup, target, options));
    if fed {
        lines.extend(state::while_it_loads(backup, target, options, &methods));
    }
    let (method, why) = match chosen {
        Ok((method, why)) => (Some(method), why),
        // Who asked for the one way that is barred is told why, and behind that what other ways would lose.
        Err(line) if options.method == Asked::Only(Method::Replica) && lines.iter().all(refuses_other_ways_at_most) => {
            let why = line.text.clone();
            lines.insert(0, line);
            (None, why)
        }
        // What bars every way has a line of its own, which says what mends it.
        Err(line) if lines.iter().any(|other| other.level == Level::Refused && bars_all(other.code, &line)) => {
            (None, line.text)
        }
        Err(line) => {
            let why = line.text.clone();
            lines.push(line);
            (None, why)
        }
    };
    Plan { lines, method, why, methods }
}
