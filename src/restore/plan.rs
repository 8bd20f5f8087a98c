//! What would happen: judged from plain data, before anything is written.

mod capacity;
mod clock;
mod contents;
mod expiries;
mod methods;
mod reading;
mod rights;
mod sameness;
mod state;
mod state_folder;
mod to_disk;
mod verdict;

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::explain::{Explain, Hint, Meaning, NOTHING_WRITTEN};
use crate::restore::alone::OTHERS_END;
use crate::restore::facts::{BackupFacts, TargetFacts};
use crate::restore::functions::Taken;
use crate::restore::options::{Asked, Existing, Method, Options};
use crate::restore::tally::FailedKey;
use crate::restore::target_format::TargetFormat;
pub use capacity::{in_mb, names_decide, room, room_for_missing};
pub use contents::{FUNCTIONS_REFUSED, choice_decides_databases, chosen_none, highest_database, module_records};
pub use methods::{ANY_METHOD, ANY_METHOD_WITH_LOSS, Candidate, may_be_fed};
pub use reading::{empties_for_a_choice, must_count_expired, needs_survey};
pub use sameness::SAME_SERVER;
pub use state::beside_keys;
pub use to_disk::to_disk;

/// No key of the backup is what was chosen.
pub const NOTHING_CHOSEN: &str = "nothing_chosen";

/// Flags that let a restore into a target that holds keys.
pub const OVER_OTHER_KEYS: &str = "--on-conflict fail|skip|replace, or --replace-all";
/// The restore was to go on, and there is nothing to go on with.
pub const NOTHING_TO_RESUME: &str = "nothing_to_resume";

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

/// A restore that was refused before anything was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    /// The stable name of the line in JSON answers.
    pub code: &'static str,
    /// The sentence for people.
    pub text: String,
    /// The flag that lets the restore go on all the same.
    pub flag: Option<&'static str>,
    /// Commands that would mend the target.
    pub fix: Vec<String>,
    /// The keys that the line is about, or the first of them; the text never names a key.
    pub keys: Vec<FailedKey>,
    /// What else refuses the restore.
    pub others: Vec<Refused>,
}

impl Refused {
    /// A refusal that no flag gets around.
    pub fn of(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), flag: None, fix: Vec::new(), keys: Vec::new(), others: Vec::new() }
    }

    /// Names the flag that lets the restore go on all the same.
    #[must_use]
    pub fn flag(mut self, flag: &'static str) -> Self {
        self.flag = Some(flag);
        self
    }

    /// The first reason and the others.
    fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.others)
    }

    /// Whether this is one of its reasons.
    pub fn is_for(&self, code: &str) -> bool {
        self.all().any(|refused| refused.code == code)
    }

    /// Whether nothing is against it but what the target holds.
    pub fn is_for_what_is_there(&self) -> bool {
        self.all().all(|refused| matches!(refused.code, "target_not_empty" | "functions_exist" | "key_exists"))
    }

    /// Puts all reasons into the text, each with what names its keys.
    #[must_use]
    pub fn with_all(mut self, names: impl Fn(&[FailedKey]) -> String) -> Self {
        let texts: Vec<String> =
            self.all().map(|refused| format!("{}{}", refused.text, names(&refused.keys))).collect();
        self.text = texts.join("; ");
        self.others.iter_mut().for_each(|other| other.text.clear());
        self
    }
}

impl Explain for Refused {
    fn meaning(&self) -> Meaning {
        // Whatever else there is against it: what the target holds is another restore's by now.
        if self.code == LOCKED {
            return Meaning::of(LOCKED).hint(Hint::words(OTHERS_END));
        }
        let mut hint = Hint::words(NOTHING_WRITTEN);
        let mut flags: Vec<&str> = Vec::new();
        // With another flag there would still be nothing to restore.
        let helps = !self.is_for(NOTHING_CHOSEN);
        let wanted: Vec<&str> = self.all().filter_map(|refused| refused.flag).filter(|_| helps).collect();
        // With a flag, and a remedy of something else beside it: neither helps alone.
        let apart = |refused: &&Self| refused.flag.is_none() && !refused.fix.is_empty();
        if !wanted.is_empty() && self.all().any(|refused| apart(&refused)) {
            hint = hint.and(Hint::EachBlocks);
        }
        for flag in wanted.iter().copied() {
            // Of a key and of a library of the same name the same is said.
            let is_said = flag == OVER_SAME_NAMES && wanted.contains(&OVER_OTHER_KEYS)
                || flag == "--accept-loss" && wanted.contains(&ANY_METHOD_WITH_LOSS);
            if !is_said && !flags.contains(&flag) {
                flags.push(flag);
                hint = hint.and(match flag {
                    OVER_SAME_NAMES if self.is_for("functions_exist") => Hint::OverLibraries,
                    flag => Hint::GoAhead(flag),
                });
            }
        }
        match self.code {
            "read_only" => {
                let primary = self.text.split_once("replica of ").and_then(|(_, rest)| rest.split_once(": "));
                hint = hint.and(Hint::IntoPrimary(primary.map_or("HOST:PORT", |(address, _)| address).to_owned()));
            }
            "cluster" => hint = hint.and("restore into a server that is not part of a cluster"),
            "database_not_selected" if self.text.contains("NOPERM") => {
                hint = hint.and(Hint::grant("+select", &self.text))
            }
            _ => {}
        }
        let fix = in_one_line(self.all().flat_map(|refused| &refused.fix));
        if !fix.is_empty() {
            let then = if flags.is_empty() { "then restore again" } else { "and restore again" };
            hint = hint.and(format!("on the target, run `{}`, {then}", fix.join("`, `")));
        }
        if self.code == state_folder::CODE {
            hint = hint.and(Hint::OtherStateFolder);
        }
        if self.code == NOTHING_TO_RESUME {
            hint = hint.and(Hint::WithoutResume);
        }
        if self.code == state::CERTIFICATE {
            hint = hint.and(Hint::NameCertificate);
        }
        match self.code {
            NOTHING_CHOSEN => Meaning::of(self.code).hint(hint).unknown(),
            code => Meaning::of(code).hint(hint),
        }
    }
}

/// The commands that mend a target, with the permissions of a user in one line.
fn in_one_line<'a>(fixes: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for fix in fixes {
        let granted = fix.strip_prefix("ACL SETUSER ").and_then(|rest| rest.split_once(' '));
        let same = granted.and_then(|(user, rules)| {
            let begin = format!("ACL SETUSER {user} ");
            Some((lines.iter_mut().find(|line| line.starts_with(&begin))?, rules))
        });
        match same {
            Some((line, rules)) => {
                for rule in rules.split(' ') {
                    if !line.split(' ').any(|there| there == rule) {
                        line.push(' ');
                        line.push_str(rule);
                    }
                }
            }
            None => lines.push(fix.clone()),
        }
    }
    lines
}

impl From<&Line> for Refused {
    fn from(line: &Line) -> Self {
        Self {
            code: line.code,
            text: line.text.clone(),
            flag: line.flag,
            fix: line.fix.clone(),
            keys: line.keys.clone(),
            others: Vec::new(),
        }
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

    /// The restore was to go on, and there is nothing to go on with.
    pub(super) fn has_nothing_to_resume(&mut self, why: &str) {
        self.lines.retain(|line| line.code != state::RESUME);
        self.lines.insert(0, Line::refused(NOTHING_TO_RESUME, why));
    }

    /// This restore was begun before, and is not asked to go on.
    pub(super) fn may_be_resumed(&mut self) {
        let text = "an earlier run of this restore was interrupted: part of the backup may be in the target";
        self.lines.insert(0, Line::warning("interrupted", text).flag("--resume"));
    }

    /// What the target holds is overwritten or deleted: it is backed up before, into this place; `None`: it is not.
    pub fn saves_into(&mut self, place: Option<&str>) {
        self.lines.push(match place {
            Some(place) => Line::ok("safety_backup", format!("the target is backed up into {place} first")),
            None => {
                let text =
                    "no safety backup is taken: what is overwritten or deleted in the target cannot be brought back";
                Line::warning("safety_backup", text)
            }
        });
    }

    /// The target was started anew since the restore was interrupted.
    pub(super) fn goes_on_after_a_restart(&mut self) {
        let text =
            "the target was restarted after the restore was interrupted: every key that it was sent is compared first";
        self.lines.retain(|line| line.code != state::RESUME);
        self.lines.insert(0, Line::warning(state::RESUME, text));
    }

    /// The target has thrown away keys to make room since the restore began that this one goes on with.
    pub(super) fn goes_on_after_evictions(&mut self) {
        let text = "the target evicted keys after the restore had begun: every key that it was sent is compared first, and what is missing is \
                    written again";
        self.lines.retain(|line| line.code != state::RESUME);
        self.lines.insert(0, Line::ok(state::RESUME, text));
    }

    /// Others have written since the restore was interrupted that this one goes on with, or may have where what the target had counted
    /// `is_lost`.
    pub(super) fn goes_on_beside_others(&mut self, is_lost: bool, existing: Existing) {
        let who = if is_lost { "other clients may have written" } else { "other clients have written" };
        let then = match existing {
            Existing::Replace => "their values of keys that are also in the backup are overwritten",
            _ => "the keys that they wrote stay",
        };
        let text = format!("{who} to the target since the restore was interrupted: {then}");
        // What nobody can tell the report does not say.
        let code = if is_lost { state::MAY_BE_WRITTEN } else { state::WRITTEN };
        self.lines.push(Line::warning(code, text));
    }

    /// Another restore into the target is at work; its connection comes from this address.
    pub(super) fn is_locked(&mut self, address: &str) {
        let text = format!("another restore into the target is running: its connection comes from {address}");
        self.lines.insert(0, Line::refused(LOCKED, text));
    }

    /// Nobody can tell whether another restore is at work: two would mix what they write.
    pub(super) fn may_be_locked(&mut self, target: &TargetFacts) {
        let user = rights::user(target);
        let text =
            format!("{user} may not run `CLIENT LIST`: whether another restore into the target is running is unknown");
        self.lines.push(Line::warning(ALONE, text));
    }

    /// Where the target is to come for the backup nobody can listen.
    pub(super) fn cannot_listen(&mut self, why: &str) {
        self.lines.push(Line::refused("cannot_listen", why));
    }

    /// A function of the backup has a name that another library of the target has, for sure or perhaps: the target refuses the library.
    pub(super) fn function_is_taken(&mut self, taken: &Taken, accept_loss: bool) {
        let Taken { library, function, by, is_registered } = taken;
        let text = match is_registered {
            true => format!(
                "the target does not take the function library `{library}` of the backup: its function `{function}` is in the library `{by}` of the target"
            ),
            false => format!(
                "could not tell whether the target takes the function library `{library}` of the backup: the library names `{function}`, which is a function of the library `{by}` of the target"
            ),
        };
        let level = if accept_loss || !is_registered { Level::Warning } else { Level::Refused };
        self.lines.retain(|line| line.code != contents::FUNCTIONS);
        self.lines.push(Line::new(level, FUNCTIONS_REFUSED, text).flag("--accept-loss"));
    }

    /// Which names of the backup the target has was asked: the line about them says so, and does not foretell.
    pub(super) fn names_are(&mut self, taken: Option<Refused>) {
        let Some(line) = self.lines.iter_mut().find(|line| line.code == state::ON_CONFLICT) else { return };
        match taken {
            Some(Refused { code, text, flag, keys, .. }) => {
                *line = Line { flag, keys, ..Line::refused(code, text) };
            }
            None if line.text.ends_with(state::IF_ANY) => {
                let held = line.text.trim_end_matches(state::IF_ANY).to_owned();
                line.text = format!("{held}: none of them is also in the backup");
            }
            None => {}
        }
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
