//! How often we have called which command that writes: whatever the target has counted beyond that was called by others.

use std::collections::{BTreeMap, BTreeSet};

use crate::replies::Info;
use crate::restore::counted::began_anew_between;
use crate::restore::replay::vocabulary;

/// Commands of ours, as `INFO commandstats` names them, and how often they were sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Calls(BTreeMap<&'static str, u64>);

impl Calls {
    /// A command was sent.
    pub fn note(&mut self, name: &'static str) {
        *self.0.entry(name).or_default() += 1;
    }

    /// Adds what was sent elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (name, calls) in &other.0 {
            *self.0.entry(name).or_default() += calls;
        }
    }

    /// A command as it is sent, noted by its first two words.
    ///
    /// # Panics
    /// In builds with debug assertions, if the plan asks no rights for it.
    pub fn note_words(&mut self, first: &[u8], second: Option<&[u8]>) {
        let name = vocabulary::name_of(first, second);
        debug_assert!(name.is_some(), "{} is not in the vocabulary", String::from_utf8_lossy(first));
        if let Some(name) = name {
            self.note(name);
        }
    }

    /// Names of the commands that were sent, and of those that were sent `before`.
    pub fn names(&self, before: &BTreeSet<String>) -> BTreeSet<String> {
        before.iter().cloned().chain(self.0.keys().map(|name| (*name).to_owned())).collect()
    }

    /// Commands that were called more often between two looks at INFO than we have; `None` where the target does not count, or began to
    /// count anew in between.
    pub fn beyond<'a>(&self, before: &Info, after: &'a Info) -> Option<Vec<&'a str>> {
        let after = after.command_stats();
        if after.is_empty() || began_anew_between(before, &after) {
            return None;
        }
        let before = before.command_stats();
        let grown = after.into_iter().filter(|(name, stats)| {
            // What the target refuses before it begins is no call for it, and was sent by us all the same.
            let earlier = before.get(*name).map_or(0, |stats| stats.calls + stats.rejected_calls);
            (stats.calls + stats.rejected_calls).saturating_sub(earlier) > self.of(name)
        });
        Some(grown.map(|(name, _)| name).collect())
    }

    /// Servers before 7.0 do not tell subcommands apart.
    fn of(&self, name: &str) -> u64 {
        let part_of = |own: &str| own == name || own.strip_prefix(name).is_some_and(|rest| rest.starts_with('|'));
        self.0.iter().filter(|(own, _)| part_of(own)).map(|(_, calls)| calls).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_called_is_beyond_ours() {
        let mut calls = Calls::default();
        calls.note("restore");
        calls.note_words(b"XGROUP", Some(b"CREATE"));
        calls.note_words(b"XGROUP", Some(b"DESTROY"));
        calls.note_words(b"SET", Some(b"key"));
        let info = |restore, set, xgroup| {
            Info::parse(&format!(
                "cmdstat_restore:calls={restore},usec=1,usec_per_call=1\ncmdstat_set:calls={set},usec=1,usec_per_call=1\n\
                 cmdstat_xgroup:calls={xgroup},usec=1,usec_per_call=1\n"
            ))
        };
        let before = info(5, 5, 5);
        assert_eq!(calls.beyond(&before, &info(6, 6, 7)), Some(vec![]));
        assert_eq!(calls.beyond(&before, &info(6, 7, 7)), Some(vec!["set"]));
        assert_eq!(calls.beyond(&before, &info(6, 6, 8)), Some(vec!["xgroup"]));
        assert_eq!(calls.beyond(&before, &Info::parse("role:master\n")), None);
        // Counters that began anew hide what others called before.
        assert_eq!(calls.beyond(&before, &info(4, 5, 5)), None);
        // Two of three were sent by others: ours was refused for want of memory.
        let refused = Info::parse(
            "cmdstat_restore:calls=7,usec=1,rejected_calls=1,failed_calls=0\ncmdstat_set:calls=5,usec=1\ncmdstat_xgroup:calls=5,usec=1\n",
        );
        assert_eq!(calls.beyond(&before, &refused), Some(vec!["restore"]));
    }
}
