//! A batch whose answers are still coming: what they have said so far.

use crate::restore::replay::batch::Command;
use crate::restore::replay::ledger::Gone;
use crate::restore::tally::Tally;

/// A batch that is not answered to the end.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) tally: Tally,
    pub(super) end_ordinal: u64,
    pub(super) ends_round: bool,
    pub(super) created: Vec<u8>,
    /// Numbers of keys that failed.
    pub(super) failed: Vec<u64>,
    /// Keys that have to be written from their start again.
    pub(super) gone: Vec<Gone>,
    /// Keys that wait for the answer to their renaming.
    pub(super) renames: usize,
    pub(super) answered: bool,
}

impl Open {
    /// The target has refused a key.
    pub(super) fn failed(&mut self, command: &Command, key: &[u8], reason: impl Into<String>) {
        self.tally.failed(command.database, key, reason);
        self.failed.push(command.ordinal);
    }
}
