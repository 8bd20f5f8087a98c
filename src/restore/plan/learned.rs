//! What a restore learns after its plan was made, from its journal and from the target: each adds a line or changes one.

use super::{
    ALONE, FUNCTIONS_REFUSED, KEPT, LOCKED, Level, Line, NOTHING_TO_RESUME, Plan, Refused, contents, rights, state,
};
use crate::figures::counted;
use crate::restore::facts::TargetFacts;
use crate::restore::functions::{Taken, WOULD_CRASH};
use crate::restore::options::Existing;

impl Plan {
    /// The restore was to go on, and there is nothing to go on with.
    pub(in crate::restore) fn has_nothing_to_resume(&mut self, why: &str) {
        self.lines.retain(|line| line.code != state::RESUME);
        self.lines.insert(0, Line::refused(NOTHING_TO_RESUME, why));
    }

    /// This restore was begun before, and is not asked to go on.
    pub(in crate::restore) fn may_be_resumed(&mut self) {
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
    pub(in crate::restore) fn goes_on_after_a_restart(&mut self) {
        let text =
            "the target was restarted after the restore was interrupted: every key that it was sent is compared first";
        self.lines.retain(|line| line.code != state::RESUME);
        self.lines.insert(0, Line::warning(state::RESUME, text));
    }

    /// The target has thrown away keys to make room since the restore began that this one goes on with.
    pub(in crate::restore) fn goes_on_after_evictions(&mut self) {
        let text = "the target evicted keys after the restore had begun: every key that it was sent is compared first, and what is missing is \
                    written again";
        self.lines.retain(|line| line.code != state::RESUME);
        self.lines.insert(0, Line::ok(state::RESUME, text));
    }

    /// Others have written since the restore was interrupted that this one goes on with, or may have where what the target had counted
    /// `is_lost`.
    pub(in crate::restore) fn goes_on_beside_others(&mut self, is_lost: bool, existing: Existing) {
        let who = if is_lost { "other clients may have written" } else { "other clients have written" };
        let then = match existing {
            Existing::Replace => "their values of keys that are also in the backup are overwritten",
            _ => "the keys that they wrote stay",
        };
        let text = format!("{who} to the target since the restore was interrupted: {then}");
        // What nobody can tell the report does not say: it is no warning of the run.
        self.lines.push(match is_lost {
            true => Line::unknown(state::MAY_BE_WRITTEN, text),
            false => Line::warning(state::WRITTEN, text),
        });
    }

    /// Another restore into the target is at work; its connection comes from this address.
    pub(in crate::restore) fn is_locked(&mut self, address: &str) {
        let text = format!("another restore into the target is running: its connection comes from {address}");
        self.lines.insert(0, Line::refused(LOCKED, text));
    }

    /// Nobody can tell whether another restore is at work: two would mix what they write.
    pub(in crate::restore) fn may_be_locked(&mut self, target: &TargetFacts) {
        let user = rights::user(target);
        let text =
            format!("{user} may not run `CLIENT LIST`: whether another restore into the target is running is unknown");
        self.lines.push(Line::warning(ALONE, text));
    }

    /// Where the target is to come for the backup nobody can listen.
    pub(in crate::restore) fn cannot_listen(&mut self, why: &str) {
        self.lines.push(Line::refused("cannot_listen", why));
    }

    /// A function of the backup has a name that another library of the target has, for sure or perhaps: the target refuses the library.
    pub(in crate::restore) fn function_is_taken(&mut self, taken: &Taken, accept_loss: bool) {
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

    /// A function library of the backup would crash the target: it is not loaded there.
    pub(in crate::restore) fn function_would_crash(&mut self, library: &str, accept_loss: bool) {
        let text = format!("the target does not take the function library `{library}` of the backup: {WOULD_CRASH}");
        let level = if accept_loss { Level::Warning } else { Level::Refused };
        self.lines.retain(|line| line.code != contents::FUNCTIONS);
        self.lines.push(Line::new(level, FUNCTIONS_REFUSED, text).flag("--accept-loss"));
    }

    /// So many keys of the backup are in the target as well, and stay there as they are.
    pub(in crate::restore) fn names_stay(&mut self, keys: u64) {
        if keys > 0 {
            let what = counted(keys, "key");
            let (is, stays) = if keys == 1 { ("is", "stays") } else { ("are", "stay") };
            let text = format!("{what} of the backup {is} also in the target and {stays} unchanged");
            self.lines.push(Line::warning(KEPT, text));
        }
    }

    /// Which names of the backup the target has was asked: the line about them says so, and does not foretell.
    pub(in crate::restore) fn names_are(&mut self, taken: Option<Refused>) {
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
