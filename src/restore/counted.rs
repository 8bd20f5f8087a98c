//! What a target had counted when a restore began, kept by its journal: a run that goes on learns from it whether others have written since.
//!
//! How often the interrupted run has called its own commands nobody knows for sure. So only commands tell of others that no run of this
//! restore has sent.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::replies::{CommandStats, Info};
use crate::restore::replay::vocabulary::{COMMANDS, Sent, When};

/// How often each command had been called before the first key was sent, by its name in `INFO commandstats`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counted(BTreeMap<String, u64>);

impl Counted {
    /// What INFO says now.
    pub fn of(info: &Info) -> Self {
        let counts = info.command_stats().into_iter().map(|(name, stats)| (name.to_owned(), stats.calls));
        Self(counts.collect())
    }

    /// Commands that were called since, and that only others can have called; `None`: the counters began anew meanwhile. `called`: commands
    /// that the runs of this restore are known to have sent; `by_commands`: they send all values by typed commands.
    pub fn by_others(&self, info: &Info, called: &BTreeSet<String>, by_commands: bool) -> Option<Vec<String>> {
        // A journal of an earlier version has counted nothing.
        if self.0.is_empty() {
            return Some(Vec::new());
        }
        let now = info.command_stats();
        let sent = called.iter().map(|name| (name.as_str(), 1));
        let counted = self.0.iter().map(|(name, calls)| (name.as_str(), *calls));
        if was_reset(self.0.get(RESET).copied(), &now) || began_anew(counted.chain(sent), &now) {
            return None;
        }
        let grown = now.into_iter().filter(|(name, stats)| {
            stats.calls > self.0.get(*name).copied().unwrap_or(0) && !may_be_ours(name, called, by_commands)
        });
        Some(grown.map(|(name, _)| name.to_owned()).collect())
    }
}

/// The command after which a target counts all commands from zero again: what was called before shows nowhere any more.
const RESET: &str = "config|resetstat";

/// Whether the counters between two looks at INFO began anew.
pub fn began_anew_between(before: &Info, now: &BTreeMap<&str, CommandStats>) -> bool {
    let before = before.command_stats();
    let earlier = before.get(RESET).map(|stats| stats.calls);
    was_reset(earlier, now) || began_anew(before.into_iter().map(|(name, stats)| (name, stats.calls)), now)
}

/// Said by the counter of the command itself, which begins anew with the others. One node of a cluster is enough.
fn was_reset(earlier: Option<u64>, now: &BTreeMap<&str, CommandStats>) -> bool {
    now.get(RESET).map_or(0, |stats| stats.calls) > earlier.unwrap_or(0)
}

/// Whether a command that was called so often by then was called less often by now.
fn began_anew<'a>(mut before: impl Iterator<Item = (&'a str, u64)>, now: &BTreeMap<&str, CommandStats>) -> bool {
    // Servers before 7.0 do not tell subcommands apart.
    let calls = |name: &str| {
        let stats = now.get(name).or_else(|| now.get(name.split('|').next().unwrap_or_default()));
        stats.map_or(0, |stats| stats.calls + stats.rejected_calls)
    };
    before.any(|(name, earlier)| calls(name) < earlier)
}

fn may_be_ours(name: &str, called: &BTreeSet<String>, by_commands: bool) -> bool {
    let is_typed = |command: &&Sent| matches!(command.when, When::Typed | When::TypedOf(_) | When::FieldExpiry);
    // One value that went so may have been followed by another of any type.
    let by_commands = by_commands || COMMANDS.iter().filter(is_typed).any(|command| called.contains(command.name));
    let mut ours = COMMANDS.iter().filter(|command| command.name == name || command.container() == name);
    ours.any(|command| by_commands || !is_typed(&command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_run_has_sent_tells_of_others() {
        let info = |restore, set, xgroup, incr| {
            Info::parse(&format!(
                "cmdstat_restore:calls={restore},usec=1\ncmdstat_set:calls={set},usec=1\ncmdstat_xgroup:calls={xgroup},usec=1\n\
                 cmdstat_incr:calls={incr},usec=1\n"
            ))
        };
        let counted = Counted::of(&info(5, 5, 5, 5));
        let called = BTreeSet::from(["restore".to_owned()]);
        let by_others = |info: &Info, by_commands| counted.by_others(info, &called, by_commands);
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(by_others(&info(9, 5, 5, 5), false), names(&[]));
        assert_eq!(by_others(&info(9, 6, 5, 5), false), names(&["set"]));
        assert_eq!(by_others(&info(9, 6, 6, 6), true), names(&["incr"]));
        let typed = BTreeSet::from(["xgroup|create".to_owned()]);
        assert_eq!(counted.by_others(&info(9, 6, 6, 5), &typed, false), names(&[]));
        assert_eq!(Counted::default().by_others(&info(9, 9, 9, 9), &called, false), names(&[]));
        // The counters began anew: fewer calls than before, or none of what we know to have sent.
        assert_eq!(by_others(&info(1, 1, 1, 1), false), None);
        let never = Counted::of(&Info::parse("cmdstat_info:calls=1,usec=1\n"));
        assert_eq!(never.by_others(&Info::parse("cmdstat_info:calls=1,usec=1\n"), &called, false), None);
    }
}
