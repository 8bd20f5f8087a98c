//! The reading side of a replay: a plain thread that reads the backup, makes commands of its keys, and writes down how far it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::MEMBERS_COMPARED;
use super::assemble::Assembler;
use super::calls::Calls;
use super::ledger::{Ledger, Stop};
use crate::dataset::pass::{self, Ended};
use crate::dataset::{NotAsStored, Raw, RawError, ReadError, Reopen, Take};
use crate::progress::{Progress, Unit};
use crate::rdb::Scanner;
use crate::repository::manifest::CensusSummary;
use crate::restore::journal::{Created, Journal, Position};
use crate::restore::tally::Tally;

/// Keys that the journal says may have been sent, beyond those that were: so it need not be written for each.
const RESERVED: u64 = 1 << 20;
/// No key of an RDB takes fewer bytes: its type, the length of its name, and a value.
const SHORTEST_KEY: u64 = 3;
/// So many times is a key written from its start again whose temporary key was gone.
const TRIES: u32 = 5;
/// How often the reading side looks whether everything is answered.
const LOOK: Duration = Duration::from_millis(2);

/// The reading side.
pub(super) struct Reading {
    pub(super) assembler: Assembler,
    pub(super) ledger: Arc<Ledger>,
    pub(super) journal: Option<Journal>,
    /// Where the names of created keys go.
    pub(super) created: Option<Created>,
    /// The journal says that keys up to this number may have been sent.
    pub(super) reserved: u64,
    pub(super) before: Position,
    /// What the manifest says of the keys.
    pub(super) census: Option<CensusSummary>,
    /// Bytes that a pass reads, where they are known.
    pub(super) raw_bytes: Option<u64>,
    pub(super) cancel: CancellationToken,
    pub(super) progress: Arc<dyn Progress>,
}

/// What the reading side knows at its end.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) bad: Option<ReadError>,
    pub(super) journal: Option<Journal>,
    pub(super) created: Option<Created>,
    /// Keys with this number or a higher one were not sent.
    pub(super) sent: u64,
    pub(super) deferred: BTreeMap<u64, u64>,
    /// Lengths of values that were too long to be collected.
    pub(super) lengths: BTreeMap<u64, u64>,
    pub(super) calls: Calls,
    /// What is known without a pass that was broken off.
    pub(super) frozen: Option<Tally>,
    pub(super) to_the_end: bool,
    /// Values that would have needed a second look at a backup that can be read once.
    pub(super) only_once: u64,
    pub(super) trailing_bytes: u64,
}

impl Reading {
    /// Reads the backup, as often as its long values need, until all of it is answered or nothing more will come. Blocks.
    pub(super) fn read(mut self, raw: Raw, mut reopen: Option<Reopen>) -> Read {
        // What an earlier run has left for a later pass: the first pass goes on behind its prefix, and does not meet these keys.
        let mut pending = self.before.deferred.clone();
        pending.extend(&self.before.failed);
        let mut lengths = pending.clone();
        let (mut bad, trailing_bytes) = match self.pass(raw, &pending) {
            Ok(trailing) => (None, trailing),
            // The same signal may have ended whoever writes into our standard input.
            Err(_) if self.cancel.is_cancelled() => (None, 0),
            Err(error) => (Some(error), 0),
        };
        // The key that was being read may have been sent in part, so it counts as sent: a run that goes on looks for it in the target.
        let sent = (self.assembler.keys_read() + 1).max(self.before.sent);
        let (mut only_once, mut tries, mut to_the_end) = (0, 0, false);
        // What is known when another pass begins: if that pass is broken off, the run that goes on begins it again, and counts it again.
        let mut frozen = None;
        let mut whole = !self.is_stopped();
        pending.extend(self.assembler.deferred());
        while bad.is_none() {
            lengths.extend(&pending);
            // A pass that was broken off may have stopped within a command, and half a command must not be sent.
            let batches = if whole { self.assembler.finish() } else { self.assembler.batches() };
            // Only the last answer tells whether a temporary key has lasted until its renaming: what is gone is known after it, not before.
            self.wait_for_answers(batches);
            let gone = self.ledger.take_gone();
            let again = gone.iter().map(|gone| (gone.ordinal, length_of(&lengths, gone.ordinal)));
            if !whole || self.is_stopped() {
                // What is gone is not there, and so it was not reached.
                pending.extend(again);
                to_the_end = whole && pending.is_empty();
                break;
            }
            // The pass went to its end: nothing of it has to be counted again.
            frozen = None;
            if !gone.is_empty() && (tries == TRIES || reopen.is_none()) {
                self.ledger.give_up(&gone, GONE);
            } else {
                // Eviction or a stalled source takes some temporary keys; a target that takes them every time will not do better later.
                tries += u32::from(!gone.is_empty());
                pending.extend(again);
            }
            if pending.is_empty() {
                to_the_end = true;
                break;
            }
            match reopen.as_mut().map(|open| open()) {
                Some(Ok(raw)) => {
                    // The journal has no word for half a pass, so it is written before the pass begins and not while it goes on.
                    frozen = Some(self.ledger.prefix().1);
                    self.write_journal(&pending);
                    // It reads the whole backup again.
                    self.progress.phase("loading what is left", Unit::Bytes, self.raw_bytes);
                    self.assembler.again(pending.clone());
                    bad = self.pass(raw, &pending).err();
                    whole = !self.is_stopped();
                    if whole {
                        pending = self.assembler.deferred().clone();
                    }
                }
                Some(Err(error)) => bad = Some(error.into()),
                // A pipe cannot be read twice.
                None => {
                    only_once = pending.len() as u64;
                    break;
                }
            }
        }
        let calls = self.assembler.calls().clone();
        Read {
            bad,
            journal: self.journal,
            created: self.created,
            sent,
            deferred: pending,
            lengths,
            calls,
            frozen,
            to_the_end,
            only_once,
            trailing_bytes,
        }
    }

    /// Waits until every batch is answered to its end, or nothing more will come.
    fn wait_for_answers(&self, batches: u64) {
        // The target answers in milliseconds, and this is asked once a pass: a look now and then is simpler than a signal from each connection.
        while !self.ledger.has_answered(batches) && !self.ledger.is_stopped() && !self.assembler.is_closed() {
            std::thread::sleep(LOOK);
        }
    }

    /// Reads the backup from its start to its end, or until there is no point in going on; gives the bytes behind its end.
    fn pass(&mut self, mut raw: Raw, deferred: &BTreeMap<u64, u64>) -> Result<u64, ReadError> {
        // Reads on behind what is odd: a value that contradicts itself is no reason to leave out those behind it.
        let scanner = Scanner::new().reading_on(MEMBERS_COMPARED);
        let mut sending = Sending { reading: self, scanner, deferred, ended: false };
        // A signal ends it between two keys, and not before.
        match pass::drive(|| raw.next(), &mut sending, &CancellationToken::new(), |_| {})? {
            Ended::AtTheEnd => {
                let scanner = sending.scanner;
                if self.cancel.is_cancelled() {
                    return Ok(0);
                }
                let trailing = pass::end_of(scanner)?.trailing;
                self.must_be_as_said().map_err(RawError::from)?;
                Ok(trailing)
            }
            Ended::Early => Ok(0),
        }
    }

    /// Holds the keys of a pass over all of them against the manifest.
    fn must_be_as_said(&self) -> Result<(), NotAsStored> {
        match &self.census {
            Some(said) if !self.assembler.is_another_pass() && !self.is_stopped() => {
                self.assembler.read().must_be(said)
            }
            _ => Ok(()),
        }
    }

    fn is_stopped(&self) -> bool {
        self.cancel.is_cancelled() || self.ledger.is_stopped()
    }

    /// Writes down how far everything is answered, from time to time.
    fn checkpoint(&mut self, before: &BTreeMap<u64, u64>) {
        // What another pass has done is not told apart from what it has not.
        if self.journal.as_ref().is_some_and(Journal::is_due) && !self.assembler.is_another_pass() {
            self.write_journal(before);
        }
    }

    fn write_journal(&mut self, before: &BTreeMap<u64, u64>) {
        let Some(journal) = self.journal.as_mut() else { return };
        let (prefix, tally) = self.ledger.prefix();
        let mut deferred = before.clone();
        deferred.extend(self.assembler.deferred());
        // Temporary keys that are gone are no keys of the target: a run that goes on has to write these from their start.
        deferred.extend(self.ledger.gone_so_far().into_iter().map(|number| (number, 0)));
        let failed = self.ledger.all_failed().unwrap_or_default().into_iter();
        let failed =
            failed.filter(|number| *number < prefix && !deferred.contains_key(number)).map(|number| (number, 0));
        let position = Position {
            prefix,
            sent: self.reserved,
            tally,
            failed: failed.collect(),
            deferred,
            was_empty: self.before.was_empty,
            emptying: false,
            token: self.before.token,
            counted: self.before.counted.clone(),
            called: self.assembler.calls().names(&self.before.called),
            evicted: self.before.evicted,
        };
        // Here a journal that cannot be written ends the restore: keys that were sent without its knowledge could not be told from those
        // of others when somebody goes on.
        if let Err(error) = journal.write(&position) {
            self.ledger.stop(Stop::Journal(error.to_string()));
        }
    }
}

/// One pass of the reading side: chunks become commands.
struct Sending<'a> {
    reading: &'a mut Reading,
    scanner: Scanner,
    /// What the journal knew before this pass.
    deferred: &'a BTreeMap<u64, u64>,
    ended: bool,
}

impl Sending<'_> {
    fn take_piece(&mut self, piece: &[u8]) -> Result<(), ReadError> {
        let Self { reading, scanner, deferred, ended } = self;
        // The journal says it before it is so: what a run that dies has sent is known to the next one.
        let ahead = reading.assembler.keys_read() + piece.len() as u64 / SHORTEST_KEY + 2;
        if ahead > reading.reserved {
            reading.reserved = (ahead + RESERVED).max(reading.before.sent);
            reading.write_journal(deferred);
            if reading.is_stopped() {
                *ended = true;
                return Ok(());
            }
        }
        // Blocks where the target is slower than the source: the budget gives room only for what was sent.
        scanner.push(piece, &mut reading.assembler)?;
        reading.progress.advance(piece.len() as u64);
        reading.created = reading.created.take().map(|created| keep_names(created, &reading.ledger));
        // A key that was sent in part is sent to its end: half of it would be left under its temporary name.
        *ended = reading.ledger.is_stopped() || reading.cancel.is_cancelled() && !reading.assembler.is_within_a_key();
        if !*ended {
            reading.assembler.tick();
            reading.checkpoint(deferred);
        }
        Ok(())
    }
}

impl Take for Sending<'_> {
    type Error = ReadError;

    fn take(&mut self, chunk: &[u8]) -> Result<(), ReadError> {
        // With a slow rate one chunk takes minutes: progress, the journal and the clock must not wait for its end.
        for piece in chunk.chunks(self.reading.assembler.stride()) {
            self.take_piece(piece)?;
            if self.ended {
                break;
            }
        }
        Ok(())
    }

    fn has_enough(&self) -> bool {
        self.ended
    }

    fn interrupted() -> ReadError {
        ReadError::Interrupted
    }
}

/// Writes the names of the keys that the target has by now to their file. Blocks.
pub(super) fn keep_names(mut created: Created, ledger: &Ledger) -> Created {
    if let Err(error) = created.append(&ledger.take_created()) {
        // A key whose name is not kept could not be taken back if the backup turns out bad.
        ledger.stop(Stop::Journal(error.to_string()));
    }
    created
}

/// Why a key failed whose temporary key did not last.
const GONE: &str = "the temporary key disappeared repeatedly before it was complete: it expired or was evicted while the value was written";

fn length_of(lengths: &BTreeMap<u64, u64>, number: u64) -> u64 {
    lengths.get(&number).copied().unwrap_or(0)
}
