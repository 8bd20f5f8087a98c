//! How far a restore got.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::restore::counted::Counted;
use crate::restore::tally::Tally;

/// How far a restore got.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// All keys of the backup with a smaller number are decided.
    pub prefix: u64,
    /// No key with this number or a higher one was sent.
    pub sent: u64,
    /// What became of the keys before `prefix`.
    pub tally: Tally,
    /// Keys before `prefix` that are not decided all the same: their values are large and come later. Number and length.
    pub deferred: BTreeMap<u64, u64>,
    /// Keys before `prefix` that failed and are tried again: number, and length where that is known. Counted as failed in `tally`.
    #[serde(default)]
    pub failed: BTreeMap<u64, u64>,
    /// The target held nothing, or everything in it was removed, before the first key was sent.
    #[serde(default)]
    pub was_empty: bool,
    /// Everything in the target is being removed: nothing says yet that it was.
    #[serde(default)]
    pub emptying: bool,
    /// What the names of temporary keys are made of.
    #[serde(default)]
    pub token: u64,
    /// What the target had counted before the first key was sent.
    #[serde(default)]
    pub counted: Counted,
    /// Commands that were sent with keys so far.
    #[serde(default)]
    pub called: BTreeSet<String>,
    /// Keys that the target had thrown away to make room before the first key was sent (`evicted_keys`); `None`: a journal of an earlier
    /// version.
    #[serde(default)]
    pub evicted: Option<u64>,
}

impl Position {
    /// Where a run goes on that does not know what the target has kept of what it was sent: every key that may have been sent is looked at.
    #[must_use]
    pub fn trusting_nothing(self) -> Self {
        let Self { sent, was_empty, emptying, token, counted, called, .. } = self;
        Self { sent, was_empty, emptying, token, counted, called, ..Self::default() }
    }

    /// Whether a target that has thrown away so many keys by now may have thrown away some that it was sent; the number began anew if it is
    /// smaller than before.
    pub fn may_lack(&self, evicted: u64) -> bool {
        self.evicted.is_some_and(|before| before != evicted)
    }
}
