//! What is known so far, from all connections: counts, how far everything is answered, and why it stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::connection::CommandFault;
use crate::figures::counted;
use crate::restore::replay::calls::Calls;
use crate::restore::tally::Tally;

/// Why nothing more is sent to the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The target answers in a way that all further keys would get, too.
    Refused(CommandFault),
    /// A connection broke.
    Lost(String),
    /// The journal cannot be written.
    Journal(String),
    /// So many values are too long to be held in memory, and the backup cannot be read again for them.
    OnlyOnce(u64),
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(fault) => write!(f, "the target accepts no more data: {fault}"),
            Self::Lost(reason) => write!(f, "the connection to the target broke: {reason}"),
            Self::Journal(reason) => write!(f, "the journal cannot be written: {reason}"),
            Self::OnlyOnce(values) => {
                write!(
                    f,
                    "{} longer than 16 MiB can be written only by reading the backup twice, and this backup can be read only once",
                    counted(*values, "value")
                )
            }
        }
    }
}

impl Stop {
    /// The stable name for JSON answers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(fault) => fault.code(),
            Self::Lost(_) => "disconnected",
            Self::Journal(_) => "journal",
            Self::OnlyOnce(_) => "value_too_large",
        }
    }
}

/// A key that was sent and not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// Database of the key in the target.
    pub database: u64,
    /// Name of the key.
    pub key: Vec<u8>,
    /// When the key expires, Unix milliseconds; 0: never.
    pub expire_ms: i64,
}

/// Numbers of failed keys that are kept, to try them again.
const FAILED_KEPT: usize = 1 << 20;

/// A key whose temporary key was gone, or short, before it was complete: it has to be written from its start again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Number of the key in the order of the backup.
    pub ordinal: u64,
    /// Database of the key in the target.
    pub database: u64,
    /// Name of the key.
    pub key: Vec<u8>,
}

/// What became of every batch, in the order of the backup. The reading side and all connections share it.
#[derive(Debug, Default)]
pub struct Ledger {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What became of the keys of all batches before `next`; `beyond` holds later batches that were answered out of order.
    answered: Tally,
    beyond: BTreeMap<u64, (Tally, Option<u64>)>,
    /// Of batches that were sent side by side to several primaries, before all of them are answered.
    round: Tally,
    next: u64,
    prefix: u64,
    partial: Tally,
    unanswered: Vec<Unanswered>,
    stop: Option<Stop>,
    /// Names of created keys that are not in their file yet.
    created: Vec<u8>,
    gone: Vec<Gone>,
    failed: BTreeSet<u64>,
    /// More keys failed than numbers are kept.
    failed_more: bool,
    calls: Calls,
}

impl Ledger {
    /// Begins with what an earlier run has done.
    pub fn new(before: Tally, prefix: u64) -> Self {
        Self { state: Mutex::new(State { answered: before, prefix, ..State::default() }) }
    }

    /// A batch is answered to the end. `end_ordinal`: all keys before it are in this batch or in earlier ones; `None`: some of them are in
    /// batches to other primaries that follow.
    pub fn complete(&self, sequence: u64, tally: Tally, end_ordinal: Option<u64>) {
        let mut state = self.lock();
        // Connections are of different speed, so batches are answered out of order. The journal knows one number, below which every key is
        // decided: it may pass a batch only when all before it are answered too.
        state.beyond.insert(sequence, (tally, end_ordinal));
        while let Some((tally, end)) = {
            let next = state.next;
            state.beyond.remove(&next)
        } {
            state.round.add(tally);
            state.next += 1;
            // What is counted and how far everything is answered go together: a run that goes on counts the keys behind that again.
            if let Some(end) = end {
                let round = std::mem::take(&mut state.round);
                state.answered.add(round);
                // A batch of a second pass ends at a key that an earlier pass has gone over: the prefix never goes back.
                state.prefix = state.prefix.max(end);
            }
        }
    }

    /// Keys that have to be written again.
    pub fn gone(&self, keys: impl IntoIterator<Item = Gone>) {
        self.lock().gone.extend(keys);
    }

    /// The numbers of the keys that have to be written again, in the order of the backup.
    pub fn gone_so_far(&self) -> Vec<u64> {
        self.lock().gone.iter().map(|gone| gone.ordinal).collect()
    }

    /// Takes the keys that have to be written again from their start.
    pub fn take_gone(&self) -> Vec<Gone> {
        std::mem::take(&mut self.lock().gone)
    }

    /// Keys that have to be written again, and will not be.
    pub fn give_up(&self, keys: &[Gone], reason: &str) {
        let mut state = self.lock();
        for key in keys {
            // All batches are answered when a pass ends, so what is counted here is in order.
            state.answered.failed(key.database, &key.key, reason);
            state.failed.insert(key.ordinal);
        }
    }

    /// Notes the numbers of keys that failed.
    pub fn failed(&self, ordinals: &[u64]) {
        let mut state = self.lock();
        for ordinal in ordinals {
            // A target that refuses everything must not fill our memory with numbers.
            if state.failed.len() < FAILED_KEPT {
                state.failed.insert(*ordinal);
            } else {
                state.failed_more = true;
            }
        }
    }

    /// Numbers of the keys that failed so far; `None` if there are too many to be kept.
    pub fn all_failed(&self) -> Option<BTreeSet<u64>> {
        let state = self.lock();
        (!state.failed_more).then(|| state.failed.clone())
    }

    /// Notes commands that were sent.
    pub fn called(&self, calls: &Calls) {
        self.lock().calls.add(calls);
    }

    /// Whether so many batches are answered to their end.
    pub fn has_answered(&self, batches: u64) -> bool {
        self.lock().next >= batches
    }

    /// A batch is answered in part, and nothing more will come.
    pub fn broken_off(&self, tally: Tally, unanswered: impl IntoIterator<Item = Unanswered>) {
        let mut state = self.lock();
        // Counted for the report, and not for the prefix: a run that goes on asks about these keys again.
        state.partial.add(tally);
        state.unanswered.extend(unanswered);
    }

    /// Notes names of keys that the target has now.
    pub fn created(&self, records: &[u8]) {
        // Connections call this, and they never wait for a disk. The reading side takes the names to their file with every chunk, so
        // what waits here is no more than was on its way to the target.
        self.lock().created.extend_from_slice(records);
    }

    /// Takes the names that are not in their file yet.
    pub fn take_created(&self) -> Vec<u8> {
        std::mem::take(&mut self.lock().created)
    }

    /// Nothing more is to be sent; the first reason counts.
    pub fn stop(&self, stop: Stop) {
        self.lock().stop.get_or_insert(stop);
    }

    /// Whether [`Ledger::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.lock().stop.is_some()
    }

    /// All keys with a smaller number are decided, and what became of them.
    pub fn prefix(&self) -> (u64, Tally) {
        let state = self.lock();
        (state.prefix, state.answered.clone())
    }

    /// What became of everything, once all connections have ended.
    pub fn close(&self) -> Closed {
        let mut state = self.lock();
        let mut tally = state.answered.clone();
        // Batches behind one that never was answered: their keys are in the target, and count for this report.
        for (part, _) in std::mem::take(&mut state.beyond).into_values() {
            tally.add(part);
        }
        tally.add(std::mem::take(&mut state.round));
        tally.add(std::mem::take(&mut state.partial));
        Closed {
            tally,
            prefix: state.prefix,
            unanswered: std::mem::take(&mut state.unanswered),
            stop: state.stop.take(),
            gone: std::mem::take(&mut state.gone).iter().map(|gone| gone.ordinal).collect(),
            failed: (!state.failed_more).then(|| std::mem::take(&mut state.failed)),
            calls: std::mem::take(&mut state.calls),
        }
    }

    /// A lock of the standard library, in async code too: it is held for a few lines that touch memory alone, never across an `await`
    /// and never while a disk is waited for. Every change leaves the state whole, so that a connection that panics while it holds the
    /// lock has broken nothing.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known once all connections have ended.
#[derive(Debug)]
pub struct Closed {
    /// What became of all keys that were answered or not sent on purpose.
    pub tally: Tally,
    /// All keys with a smaller number are decided.
    pub prefix: u64,
    /// Keys that were sent and not answered.
    pub unanswered: Vec<Unanswered>,
    /// Why the restore stopped early, if it did.
    pub stop: Option<Stop>,
    /// Numbers of the keys that failed; `None`: too many.
    pub failed: Option<BTreeSet<u64>>,
    /// Numbers of the keys whose temporary keys were gone, and that were not written again.
    pub gone: Vec<u64>,
    /// Commands that were sent beside the batches.
    pub calls: Calls,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_grows_only_without_gaps() {
        let ledger = Ledger::default();
        let one = || Tally { restored: 1, ..Tally::default() };
        ledger.complete(1, one(), Some(20));
        ledger.complete(2, one(), Some(30));
        assert_eq!(ledger.prefix(), (0, Tally::default()), "batch 0 is missing");
        ledger.complete(0, one(), Some(10));
        assert_eq!(ledger.prefix().0, 30);
        ledger.complete(4, one(), Some(50));
        ledger.broken_off(one(), []);
        ledger.stop(Stop::Lost("first".into()));
        ledger.stop(Stop::Lost("second".into()));
        let closed = ledger.close();
        assert_eq!((closed.prefix, closed.tally.restored), (30, 5));
        assert_eq!(closed.stop, Some(Stop::Lost("first".into())));
    }

    #[test]
    fn what_is_counted_and_how_far_all_is_answered_go_together_over_several_primaries() {
        let ledger = Ledger::default();
        let one = || Tally { restored: 1, ..Tally::default() };
        ledger.complete(0, one(), None);
        ledger.complete(1, one(), None);
        assert_eq!(ledger.prefix(), (0, Tally::default()), "the third primary has not answered");
        ledger.complete(2, one(), Some(30));
        assert_eq!((ledger.prefix().0, ledger.prefix().1.restored), (30, 3));
        ledger.complete(3, one(), None);
        let closed = ledger.close();
        assert_eq!((closed.prefix, closed.tally.restored), (30, 4));
    }
}
