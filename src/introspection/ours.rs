//! What we ourselves add to the counters of a server that we look at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a diagnosis added to the server's counters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ours {
    /// Commands, PINGs too.
    pub commands: u64,
    /// Error replies to them, by their first word.
    pub errors: BTreeMap<String, u64>,
}

impl Ours {
    /// Adds what was sent besides.
    pub fn add(&mut self, other: &Self) {
        self.commands += other.commands;
        for (name, count) in &other.errors {
            *self.errors.entry(name.clone()).or_default() += count;
        }
    }

    /// What came since then.
    #[must_use]
    pub fn since(&self, then: &Self) -> Self {
        let gained = |name: &String, count: u64| count.saturating_sub(then.errors.get(name).copied().unwrap_or(0));
        Self {
            commands: self.commands.saturating_sub(then.commands),
            errors: self.errors.iter().map(|(name, count)| (name.clone(), gained(name, *count))).collect(),
        }
    }
}
