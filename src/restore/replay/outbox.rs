//! Where commands are collected, and from where they go to the connections in turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Command, What, put_command};
use super::budget::Budget;
use super::calls::Calls;
use super::ledger::Ledger;
use crate::replies::slot_of;
use crate::restore::rate::Pace;

/// Where the keys of a cluster go.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    /// How many primaries take commands; 0 or 1 for one server.
    pub n_primaries: usize,
    /// The number of the primary that serves each slot; empty for one server.
    pub owners: Vec<u16>,
}

/// Collects commands into batches, and hands those to the connections.
#[derive(Debug)]
pub struct Outbox {
    /// The batch that is being filled.
    pub batch: Batch,
    /// Number of the key that is being sent.
    pub ordinal: u64,
    /// Fields of that key whose time had passed when it was read, if others live.
    pub gone_fields: u64,
    /// Commands that were sent.
    pub calls: Calls,
    lanes: Vec<mpsc::Sender<Batch>>,
    turn: usize,
    /// Which primary of a cluster serves each slot; empty for one server.
    owners: Vec<u16>,
    /// The primary that the batch is for.
    primary: usize,
    /// The batches for the other primaries, and the database that each is in; the place of the one that is being filled is empty.
    parked: Vec<(Batch, Option<u64>)>,
    /// All keys with a smaller number were begun or decided.
    end: u64,
    /// Batches were sent, and others that hold keys before them were not.
    round_is_open: bool,
    /// A key that is sent in several batches stays on one connection.
    pinned: Option<usize>,
    database: Option<u64>,
    /// As long as only database 0 was seen, SELECT is not needed (and may be forbidden).
    several: bool,
    sequence: u64,
    keys: u64,
    usual: usize,
    budget: Arc<Budget>,
    ledger: Arc<Ledger>,
    used: crossbeam_channel::Receiver<Batch>,
    pace: Pace,
    cancel: CancellationToken,
    ending: bool,
}

impl Outbox {
    /// Sends to these connections. `cancel`: set by a signal; no other key is begun then.
    ///
    /// In a cluster the connections are in the order of the primaries, as many for each.
    pub fn new(
        (lanes, routes): (Vec<mpsc::Sender<Batch>>, Routes),
        used: crossbeam_channel::Receiver<Batch>,
        budget: Arc<Budget>,
        ledger: Arc<Ledger>,
        pace: Pace,
        usual: usize,
        cancel: CancellationToken,
    ) -> Self {
        let usual = pace.piece(usual);
        Self {
            batch: Batch::default(),
            ordinal: 0,
            gone_fields: 0,
            calls: Calls::default(),
            lanes,
            turn: 0,
            owners: routes.owners,
            primary: 0,
            parked: (0..routes.n_primaries.max(1)).map(|_| Default::default()).collect(),
            end: 0,
            round_is_open: false,
            pinned: None,
            database: None,
            several: false,
            sequence: 0,
            keys: 0,
            usual,
            budget,
            ledger,
            used,
            pace,
            cancel,
            ending: false,
        }
    }

    /// How many bytes of the backup to read at once: no more than a tenth of a second's worth where a rate slows the restore down.
    pub fn stride(&self) -> usize {
        if self.pace.is_limited() { self.usual } else { usize::MAX }
    }

    /// How many primaries take commands; 1 for one server.
    pub fn n_primaries(&self) -> usize {
        self.parked.len()
    }

    /// What follows is about this key.
    pub fn route(&mut self, key: &[u8]) {
        if !self.owners.is_empty() {
            self.turn_to(usize::from(self.owners[usize::from(slot_of(key))]));
        }
    }

    /// What follows goes to this primary.
    pub fn turn_to(&mut self, primary: usize) {
        if primary != self.primary && primary < self.parked.len() {
            let (batch, database) = std::mem::take(&mut self.parked[primary]);
            let parked = (std::mem::replace(&mut self.batch, batch), std::mem::replace(&mut self.database, database));
            self.parked[self.primary] = parked;
            self.primary = primary;
        }
    }

    /// What follows belongs to this database.
    pub fn select(&mut self, database: u64) {
        self.several |= database != 0;
        if !self.several || self.database == Some(database) {
            return;
        }
        let mut digits = [0; 20];
        self.calls.note_words(b"SELECT", None);
        put_command(&mut self.batch.bytes, &[b"SELECT", super::batch::decimal(database, &mut digits)]);
        self.push(What::Select, database, 0, 0, &[]);
        self.database = Some(database);
    }

    /// Notes what the reply to the command means whose bytes were added. `names`: the key's, and that of its temporary key.
    pub fn push(&mut self, what: What, database: u64, expire_ms: i64, crc64: u64, names: &[&[u8]]) {
        let length = |index: usize| names.get(index).map_or(0, |name: &&[u8]| name.len());
        let narrow = |length: usize| u32::try_from(length).expect("names are shorter than 4 GiB");
        let (name_length, temporary_length) = (narrow(length(0)), narrow(length(1)));
        let name_at = self.batch.name(names);
        let ordinal = self.ordinal;
        let gone_fields = self.gone_fields;
        let command =
            Command { what, ordinal, database, expire_ms, crc64, gone_fields, name_at, name_length, temporary_length };
        self.batch.commands.push(command);
    }

    /// All keys up to this number are in the batch or were before: a place where it can end.
    pub fn entry_end(&mut self, ordinal: u64) {
        self.end = ordinal + 1;
        self.keys += 1;
        // The rest of a key that was sent in parts leaves at once: the keys behind it need not stay on that connection.
        if self.pinned.is_some() || self.batch.bytes.len() >= self.usual || self.keys >= self.pace.keys() {
            self.flush();
            self.pinned = None;
        }
    }

    /// The key that is being sent cannot be.
    pub fn failed(&mut self, database: u64, key: &[u8], reason: impl Into<String>) {
        self.batch.tally.failed(database, key, reason);
        self.batch.failed.push(self.ordinal);
    }

    /// How many batches were sent.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// A key is decided without being sent; the batch's tally says how.
    pub fn decided(&mut self, ordinal: u64) {
        self.end = ordinal + 1;
    }

    /// Between two commands of one key: sends what there is, if it is enough. The rest of the key follows on the same
    /// connection, and has to select its database again.
    pub fn may_split(&mut self) {
        if self.batch.bytes.len() >= self.usual {
            self.split(false);
        }
    }

    /// Within a command: sends what there is, if it is enough.
    pub fn may_split_command(&mut self) {
        if self.batch.bytes.len() >= self.usual {
            self.split(true);
        }
    }

    fn split(&mut self, continues: bool) {
        let lane = match self.pinned {
            Some(lane) => lane,
            None => self.next_lane(),
        };
        self.pinned = Some(lane);
        self.batch.continues = continues;
        // Keys before this one wait for other primaries.
        let ends_round = self.parked.iter().all(|(batch, _)| batch.is_empty());
        self.send(Some(lane), ends_round);
    }

    /// Sends what there is, to all primaries.
    pub fn flush(&mut self) {
        let (here, pinned) = (self.primary, self.pinned);
        let is_waiting = |outbox: &Self, primary: usize| match primary == here {
            true => !outbox.batch.is_empty(),
            false => !outbox.parked[primary].0.is_empty(),
        };
        let waiting: Vec<usize> = (0..self.parked.len()).filter(|primary| is_waiting(self, *primary)).collect();
        match waiting.last() {
            Some(last) => {
                for primary in &waiting {
                    self.turn_to(*primary);
                    self.send(pinned.filter(|_| *primary == here), primary == last);
                }
                self.turn_to(here);
            }
            // What was sent last has left others behind that were sent since.
            None if self.round_is_open => self.send(pinned, true),
            None => {}
        }
    }

    /// Whether nothing more can be sent.
    pub fn is_closed(&self) -> bool {
        self.budget.is_closed() || self.ledger.is_stopped()
    }

    /// Whether no other key is to be begun; as of the last batch, so that it costs nothing per key.
    pub fn is_ending(&self) -> bool {
        self.ending
    }

    /// Whether a key was sent in part: what is left of it has to follow.
    pub fn is_within_a_key(&self) -> bool {
        self.pinned.is_some()
    }

    /// Sends the batch. `ends_round`: no other one holds keys before its end.
    fn send(&mut self, lane: Option<usize>, ends_round: bool) {
        // Where no buffer has come back a new one is made: those that are on their way come back only with answers.
        let fresh = self.used.try_recv().unwrap_or_default();
        let mut batch = std::mem::replace(&mut self.batch, fresh);
        // Until a key is complete, those before it are.
        (batch.end_ordinal, batch.ends_round) = (self.end, ends_round);
        self.round_is_open = !ends_round;
        batch.sequence = self.sequence;
        self.sequence += 1;
        self.wait(batch.bytes.len() as u64);
        self.keys = 0;
        let weight = batch.bytes.len();
        // Waits until enough was sent. A budget that is closed gives nothing: this batch is dropped, and its keys were not reached.
        if self.budget.take(weight) {
            let lane = lane.unwrap_or_else(|| self.next_lane());
            // A connection that is gone has stopped everything; what is not sent is not counted.
            if self.lanes[lane].blocking_send(batch).is_err() {
                self.budget.close();
            }
        }
        // Every connection selects for itself, and the next batch may go over another one.
        self.database = None;
    }

    /// The next connection to the primary with room; if none has any, the one whose turn it is.
    fn next_lane(&mut self) -> usize {
        let n = (self.lanes.len() / self.parked.len()).max(1);
        let first = self.primary * n;
        let free = (0..n).map(|step| (self.turn + step) % n).find(|lane| self.lanes[first + lane].capacity() > 0);
        let lane = free.unwrap_or(self.turn % n);
        self.turn = (lane + 1) % n;
        first + lane
    }

    fn wait(&mut self, bytes: u64) {
        let mut left = self.pace.wait(bytes, self.keys, Instant::now());
        loop {
            self.ending |= self.is_closed() || self.cancel.is_cancelled();
            if left == Duration::ZERO || self.ending {
                return;
            }
            // A signal must not wait for a rate of a few keys a minute.
            let step = left.min(Duration::from_millis(100));
            std::thread::sleep(step);
            left -= step;
        }
    }
}
