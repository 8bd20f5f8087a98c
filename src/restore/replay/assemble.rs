//! The reading side of a restore: a visitor of the RDB that makes commands of its keys.
//!
//! The commands are written straight into the batch; a key costs no allocation of its own.

mod fields;
mod function;
mod losses;
mod payload;
mod plan;
mod visit;

use std::collections::{BTreeMap, BTreeSet};

use crate::dataset::KeysRead;
use crate::rdb::OddityKind;
use crate::rdb::opcode::Dialect;
use crate::rdb::types::ValueType;
use crate::rdb::visit::{Entry, Interest};
use crate::restore::choices::Ttl;
use crate::restore::mend::Mended;
use crate::restore::met::Met;
use crate::restore::options::Existing;
use crate::restore::replay::calls::Calls;
use crate::restore::replay::outbox::Outbox;
use crate::restore::target_format::{PAYLOAD_ADDS, Route, fits};
use crate::restore::typed::Typed;
use fields::Fields;
pub use function::name_of;
use payload::Payload;
pub use plan::{Libraries, Plan};

/// A value up to this length is collected before its command is complete. Of a longer one the length has to be known
/// beforehand, so it comes in a second pass.
const HELD_AT_MOST: u64 = 16 * 1024 * 1024;

/// Bytes of the longest value that is collected for a target with this `proto-max-bulk-len`: what it does not take in one piece
/// comes in a second pass as well, when its length is known, and goes in parts.
pub fn held_at_most(longest_bulk: u64) -> u64 {
    HELD_AT_MOST.min(longest_bulk.saturating_sub(PAYLOAD_ADDS))
}

/// Why a key is left that was not there before the restore was interrupted.
const WRITTEN_BY_OTHERS: &str = "the target has a different value or expiry: another client wrote this key after the restore was interrupted, so it was kept";
/// What is said of a key that is written over.
const UNSURE: &str = "the key was in the target when the restore resumed, and could not be compared with the backup";

/// Makes commands of keys.
#[derive(Debug)]
pub struct Assembler {
    plan: Plan,
    outbox: Outbox,
    /// All keys and libraries of the first pass.
    read: KeysRead,
    in_first_shard: bool,
    /// Names of the libraries that were met.
    libraries: BTreeSet<Vec<u8>>,
    dialect: Dialect,
    version: u32,
    /// Version of the Redis that wrote the file, if it says.
    source: (u32, u32, u32),
    /// Number of the next key of the file.
    ordinal: u64,
    /// In a second pass: only these, with their length.
    only: Option<BTreeMap<u64, u64>>,
    deferred: BTreeMap<u64, u64>,
    now_ms: i64,
    current: Current,
    /// The fields of the hash that is being read, where they may have expiries.
    fields: Option<Fields>,
    /// Where the key that is being read goes.
    database: u64,
    /// A server removes the key with its last element, so a key without elements is not sent.
    vanishes: bool,
    /// What is odd in the value that is being read.
    odd: Option<(Mended, OddityKind)>,
    /// Oddities of values that come in a second pass, by the number of their key.
    odd_and_deferred: BTreeMap<u64, (Mended, OddityKind)>,
    /// Keys that stand there more than once, and of which one was taken: by the offset of their first value.
    taken: BTreeSet<u64>,
    /// The first bytes of the name of the key that is odd.
    name: Vec<u8>,
    payload: Payload,
    typed: Typed,
}

/// What is done with the key that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Current {
    /// Nothing is sent: the key is accounted for.
    Nothing,
    /// Nothing is sent in this pass.
    Deferred,
    /// Nothing, and nothing is known of it: no other key is begun.
    NotReached,
    /// It becomes a RESTORE.
    Payload,
    /// It becomes typed commands.
    Typed,
}

impl Assembler {
    /// A first pass over all keys.
    pub fn new(plan: Plan, outbox: Outbox) -> Self {
        let now_ms = plan.clock.now_ms();
        Self {
            typed: Typed::new(
                plan.format,
                plan.choices.clone(),
                plan.token,
                u64::try_from(plan.temporary_ttl.as_millis()).unwrap_or(u64::MAX).max(1),
            ),
            plan,
            outbox,
            read: KeysRead::default(),
            in_first_shard: true,
            libraries: BTreeSet::new(),
            dialect: Dialect::Redis,
            version: 0,
            source: (0, 0, 0),
            ordinal: 0,
            only: None,
            deferred: BTreeMap::new(),
            now_ms,
            current: Current::Nothing,
            fields: None,
            database: 0,
            vanishes: false,
            odd: None,
            odd_and_deferred: BTreeMap::new(),
            taken: BTreeSet::new(),
            name: Vec::new(),
            payload: Payload::default(),
        }
    }

    /// Another pass, over these keys only (number and length; 0: not known).
    pub fn again(&mut self, only: BTreeMap<u64, u64>) {
        self.ordinal = 0;
        self.only = Some(only);
        self.deferred = BTreeMap::new();
        self.current = Current::Nothing;
    }

    /// Whether this is not the first pass over all keys.
    pub fn is_another_pass(&self) -> bool {
        self.only.is_some()
    }

    /// Keys and libraries of the pass over all of them.
    pub fn read(&self) -> &KeysRead {
        &self.read
    }

    /// How many batches were sent.
    pub fn batches(&self) -> u64 {
        self.outbox.sequence()
    }

    /// Whether nothing more can be sent.
    pub fn is_closed(&self) -> bool {
        self.outbox.is_closed()
    }

    /// How many bytes of the backup to read at once: see [`Outbox::stride`].
    pub fn stride(&self) -> usize {
        self.outbox.stride()
    }

    /// Number of keys that were read so far.
    pub fn keys_read(&self) -> u64 {
        self.ordinal
    }

    /// Keys whose values are too long to be collected: number and length.
    pub fn deferred(&self) -> &BTreeMap<u64, u64> {
        &self.deferred
    }

    /// Whether a key was begun and is not complete: see [`Outbox::is_within_a_key`].
    pub fn is_within_a_key(&self) -> bool {
        self.outbox.is_within_a_key()
    }

    /// Sends what is left; gives how many batches were sent in all.
    pub fn finish(&mut self) -> u64 {
        self.outbox.flush();
        self.outbox.sequence()
    }

    /// Commands that were sent.
    pub fn calls(&self) -> &Calls {
        &self.outbox.calls
    }

    /// Takes the clock anew: called once per chunk, so that it costs nothing per key.
    pub fn tick(&mut self) {
        self.now_ms = self.plan.clock.now_ms();
    }

    /// What becomes of a key that an interrupted run may have sent and that stands in the target: whether it is written over; `None`: it
    /// is not sent, and counted.
    fn replaces(&mut self, ordinal: u64, key: &[u8]) -> Option<bool> {
        let (database, existing) = (self.database, self.plan.existing);
        let tally = &mut self.outbox.batch.tally;
        match (self.plan.met.get(&ordinal), existing) {
            // Nothing of this name was met: a key that appears meanwhile is refused by the target itself (`BUSYKEY`), unless it may go.
            (None, existing) => Some(existing == Existing::Replace),
            // The interrupted run has sent it, and only the answer was lost.
            (Some(Met::Same), _) => {
                tally.restored(database);
                None
            }
            (Some(Met::Other | Met::Failed | Met::Unsure), Existing::Skip) => {
                tally.skipped_existing += 1;
                None
            }
            // All keys of the backup's names are written over.
            (Some(Met::Other | Met::Failed | Met::Unsure), Existing::Replace) => Some(true),
            // There was to be none of this name when the restore began: if it is not ours, it is somebody else's.
            (Some(Met::Unsure), Existing::MustBeEmpty | Existing::Fail | Existing::ReplaceAll) => {
                tally.overwritten(database, key, UNSURE);
                Some(true)
            }
            (Some(Met::Other), Existing::MustBeEmpty | Existing::Fail | Existing::ReplaceAll) => {
                tally.left_to_others(database, key, WRITTEN_BY_OTHERS);
                None
            }
            // It may be theirs with elements of the backup's beside.
            (Some(Met::Failed), Existing::MustBeEmpty | Existing::Fail | Existing::ReplaceAll) => {
                tally.written_by_others += 1;
                self.outbox.failed(database, key, WRITTEN_BY_OTHERS);
                None
            }
        }
    }

    fn begin(&mut self, entry: &Entry<'_>, database: u64, expire_ms: Option<i64>) -> Interest {
        let ordinal = self.ordinal;
        self.outbox.route(entry.key);
        self.outbox.ordinal = ordinal;
        self.database = database;
        if let Some(loss) = self.loses_all(entry, ordinal) {
            self.lose(entry.key, loss);
            return self.leave();
        }
        let Some(replace) = self.replaces(ordinal, entry.key) else { return self.leave() };
        // In a second pass the length is known beforehand, so that RESTORE can be begun before the value has been read.
        let known = self.only.as_ref().and_then(|only| only.get(&ordinal).copied()).filter(|length| *length > 0);
        let mut route = match self.plan.by_commands {
            true => self.plan.format.by_commands(entry.value_type),
            false => self.plan.format.route(entry.value_type, self.dialect, self.version),
        };
        // Expiries of fields stand within the payload, where nothing can move or strip them without decoding the value.
        if self.plan.choices.ttl != Ttl::Keep && entry.value_type.has_field_expiry() {
            route = self.plan.format.by_commands(entry.value_type);
        }
        // What contradicts itself is never sent as it stands, and is too long to be rebuilt in memory.
        if route == Route::Payload && self.odd_and_deferred.contains_key(&ordinal) {
            route = self.plan.format.by_commands(entry.value_type);
        }
        // The target takes nothing longer than `proto-max-bulk-len` in one piece.
        if route == Route::Payload && known.is_some_and(|length| !fits(length, self.plan.longest_bulk)) {
            route = self.plan.format.by_commands(entry.value_type);
        }
        let has_expiries = entry.value_type.has_field_expiry();
        self.fields = has_expiries.then(Fields::default);
        match route {
            // RESTORE carries everything: encoding, expiry, idle time. It is atomic, and costs the target the least.
            Route::Payload => {
                self.outbox.select(database);
                self.payload.begin(&mut self.outbox, entry, self.plan.format, database, expire_ms, replace, known);
                self.current = Current::Payload;
                // Which module it is stands at the beginning of its value.
                Interest { raw: true, pieces: entry.value_type == ValueType::MODULE_2 || has_expiries }
            }
            // One atomic command, with expiry and idle time; a value too long to be held comes again, with a length.
            Route::Commands(_) if self.transcodes(entry) && known.is_none() => {
                self.outbox.select(database);
                self.payload.begin(&mut self.outbox, entry, self.plan.format, database, expire_ms, replace, None);
                self.payload.transcode(entry.value_type, self.dialect, self.version, self.plan.format);
                self.current = Current::Payload;
                Interest { raw: true, pieces: false }
            }
            Route::Commands(_) => {
                // What an interrupted run may have left under the temporary name is removed in a transaction of its own.
                let at_once = ordinal >= self.plan.sent;
                self.typed.begin(ordinal, entry, database, expire_ms, replace, at_once, self.now_ms);
                self.current = Current::Typed;
                Interest { raw: false, pieces: true }
            }
            // The plan has named this loss, and goes on only where it was agreed to.
            Route::Impossible(loss) => {
                self.outbox.batch.tally.lost(database, entry.key, loss.words());
                self.leave()
            }
        }
    }

    /// Whether a value that cannot go as it is goes as a payload of another form all the same. The fields of a hash with a
    /// template are not in its value. Fields with expiries go one by one: those that have expired must not come to life in a
    /// target that knows no such expiry.
    fn transcodes(&self, entry: &Entry<'_>) -> bool {
        !(self.plan.by_commands || entry.value_type.has_field_expiry() || entry.value_type.has_template())
    }

    /// A field of the hash that is being read.
    fn note_field(&mut self, expire_ms: Option<i64>) {
        if let Some(fields) = &mut self.fields {
            fields.note(self.plan.choices.field_expiry(expire_ms), self.now_ms);
        }
    }

    fn leave(&mut self) -> Interest {
        self.current = Current::Nothing;
        Interest::default()
    }
}
