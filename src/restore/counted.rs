//! What a target had counted when a restore began, kept by its journal: a run that goes on learns from it whether others have written since.
//!
//! How often the interrupted run has called its own commands nobody knows for sure. So only commands tell of others that no run of this
//! restore has sent.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::replies::Info;
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

    /// Commands that were called since, and that only others can have called. `called`: commands that the runs of this restore are known to
    /// have sent; `by_commands`: they send all values by typed commands.
    pub fn by_others(&self, info: &Info, called: &BTreeSet<String>, by_commands: bool) -> Vec<String> {
        // A journal of an earlier version has counted nothing.
        if self.0.is_empty() {
            return Vec::new();
        }
        let grown = info.command_stats().into_iter().filter(|(name, stats)| {
            stats.calls > self.0.get(*name).copied().unwrap_or(0) && !may_be_ours(name, called, by_commands)
        });
        grown.map(|(name, _)| name.to_owned()).collect()
    }
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
        assert_eq!(by_others(&info(9, 5, 5, 5), false), Vec::<String>::new());
        assert_eq!(by_others(&info(9, 6, 5, 5), false), ["set"]);
        assert_eq!(by_others(&info(9, 6, 6, 6), true), ["incr"]);
        assert_eq!(by_others(&info(1, 1, 1, 1), false), Vec::<String>::new(), "the counters began anew");
        let typed = BTreeSet::from(["xgroup|create".to_owned()]);
        assert_eq!(counted.by_others(&info(9, 6, 6, 5), &typed, false), Vec::<String>::new());
        assert!(Counted::default().by_others(&info(9, 9, 9, 9), &called, false).is_empty());
    }
}
