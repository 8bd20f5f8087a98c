//! The reading side of a restore: a visitor of the RDB that makes commands of its keys.
//!
//! The commands are written straight into the batch; a key costs no allocation of its own.

mod function;
mod payload;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::census::KeyType;
use crate::rdb::opcode::Dialect;
use crate::rdb::types::ValueType;
use crate::rdb::visit::{Entry, EntryEnd, Interest, Part, PartOf, Piece, Visit};
use crate::rdb::{Kind, Oddity, OddityKind, Repeated};
use crate::restore::choices::{Choices, Ttl, Wanted};
use crate::restore::clock::Clock;
use crate::restore::mend::Mended;
use crate::restore::met::{Found, Met};
use crate::restore::module_types::{Has, survives_malformed};
use crate::restore::options::Existing;
use crate::restore::replay::calls::Calls;
use crate::restore::replay::outbox::Outbox;
use crate::restore::target_format::{
    Loss, NEWEST_VECTOR_SETS, PAYLOAD_ADDS, Route, TargetFormat, fits, version_numbers,
};
use crate::restore::typed::Typed;
pub use function::{Libraries, name_of};
use payload::Payload;

/// A value up to this length is collected before its command is complete. Of a longer one the length has to be known
/// beforehand, so it comes in a second pass.
const HELD_AT_MOST: u64 = 16 * 1024 * 1024;

/// Bytes of the longest value that is collected for a target with this `proto-max-bulk-len`: what it does not take in one piece
/// comes in a second pass as well, when its length is known, and goes in parts.
pub fn held_at_most(longest_bulk: u64) -> u64 {
    HELD_AT_MOST.min(longest_bulk.saturating_sub(PAYLOAD_ADDS))
}

/// Why a key is left that was not there before the restore was interrupted.
const WRITTEN_BY_OTHERS: &str = "the target has another value or expiry of it: somebody else has written this key since the restore was interrupted";
/// What is said of a key that is written over.
const UNSURE: &str =
    "it stood in the target since the restore was interrupted, and could not be compared with the backup";

/// What decides which commands a key becomes.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the target takes.
    pub format: TargetFormat,
    /// Which keys are wanted, and where they go.
    pub choices: Choices,
    /// What becomes of keys that the target has. Where it should have none, one that is there all the same counts as failed.
    pub existing: Existing,
    /// All keys go by typed commands, none as a payload.
    pub by_commands: bool,
    /// No earlier run of this restore has sent anything.
    pub begins_anew: bool,
    /// Nobody else has keys in the target: small values go straight to their name.
    pub target_was_empty: bool,
    /// `proto-max-bulk-len` of the target, in bytes: longer collections go by typed commands.
    pub longest_bulk: u64,
    /// That of the target.
    pub clock: Clock,
    /// What cannot be kept may be lost.
    pub accept_loss: bool,
    /// A server was seen to write the backup.
    pub trusted: bool,
    /// Values of keys that stand in the backup more than once: only the first of each key that is wanted is sent.
    pub repeated: Arc<Repeated>,
    /// Where values begin that cannot be read to their end.
    pub damaged: Arc<BTreeSet<u64>>,
    /// Keys before this number were decided by an earlier run.
    pub done: u64,
    /// Keys before this number may have been sent by an earlier run.
    pub sent: u64,
    /// Keys of those that stand in the target.
    pub met: Arc<Found>,
    /// What makes the names of temporary keys this restore's own, in all its runs.
    pub token: u64,
    /// How long a temporary key lives without another chunk.
    pub temporary_ttl: Duration,
    /// Function libraries that stand in the target where an interrupted restore goes on.
    pub libraries: Libraries,
}

/// Makes commands of keys.
#[derive(Debug)]
pub struct Assembler {
    plan: Plan,
    outbox: Outbox,
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
    /// The fields of the hash that goes as a payload, where they may have expiries.
    fields: Option<Fields>,
    /// Where the key that is being read goes.
    database: u64,
    /// A server removes the key with its last element, so a key without elements is not sent.
    vanishes: bool,
    /// What is odd in the value that is being read.
    odd: Option<(Mended, OddityKind)>,
    /// The same of values that come in a second pass.
    odd_and_deferred: BTreeMap<u64, (Mended, OddityKind)>,
    /// Keys that stand there more than once, and of which one was taken: by the offset of their first value.
    taken: BTreeSet<u64>,
    /// The first bytes of the name of the key that is odd.
    name: Vec<u8>,
    payload: Payload,
    typed: Typed,
}

/// When the fields of a hash expire.
#[derive(Debug, Clone, Copy, Default)]
struct Fields {
    /// A field has no expiry, or none has been read yet.
    living: bool,
    /// At least one field never expires.
    lasting: bool,
    /// The last of the others, Unix milliseconds.
    last_ms: i64,
}

impl Fields {
    fn note(&mut self, expire_ms: Option<i64>, now_ms: i64) {
        match expire_ms {
            None => (self.living, self.lasting) = (true, true),
            Some(at) => {
                self.living |= at > now_ms;
                self.last_ms = self.last_ms.max(at);
            }
        }
    }
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

    /// How many batches were sent.
    pub fn batches(&self) -> u64 {
        self.outbox.sequence()
    }

    /// Whether nothing more can be sent.
    pub fn is_closed(&self) -> bool {
        self.outbox.is_closed()
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
            (None, existing) => Some(existing == Existing::Replace),
            (Some(Met::Same), _) => {
                tally.restored(database);
                None
            }
            (Some(Met::Other | Met::Unsure), Existing::Skip) => {
                tally.skipped_existing += 1;
                None
            }
            // All keys of the backup's names are written over.
            (Some(Met::Other | Met::Unsure), Existing::Replace) => Some(true),
            // There was to be none of this name when the restore began: if it is not ours, it is somebody else's.
            (Some(Met::Unsure), Existing::MustBeEmpty | Existing::Fail | Existing::ReplaceAll) => {
                tally.overwritten(database, key, UNSURE);
                Some(true)
            }
            (Some(Met::Other), Existing::MustBeEmpty | Existing::Fail | Existing::ReplaceAll) => {
                tally.written_by_others += 1;
                self.outbox.failed(database, key, WRITTEN_BY_OTHERS);
                None
            }
        }
    }

    fn begin(&mut self, entry: &Entry<'_>, database: u64, expire_ms: Option<i64>) -> Interest {
        let ordinal = self.ordinal;
        self.outbox.ordinal = ordinal;
        self.database = database;
        if let Some(loss) = self.loses_all(entry, ordinal) {
            self.lose(entry.key, loss);
            return self.leave();
        }
        let Some(replace) = self.replaces(ordinal, entry.key) else { return self.leave() };
        let known = self.only.as_ref().and_then(|only| only.get(&ordinal).copied()).filter(|length| *length > 0);
        let mut route = match self.plan.by_commands {
            true => self.plan.format.by_commands(entry.value_type),
            false => self.plan.format.route(entry.value_type, self.dialect, self.version),
        };
        // Expiries of fields stand within the payload.
        if self.plan.choices.ttl != Ttl::Keep && entry.value_type.has_field_expiry() {
            route = self.plan.format.by_commands(entry.value_type);
        }
        // What contradicts itself is never sent as it stands, and is too long to be rebuilt in memory.
        if route == Route::Payload && self.odd_and_deferred.contains_key(&ordinal) {
            route = self.plan.format.by_commands(entry.value_type);
        }
        // Longer than the target takes in one piece.
        if route == Route::Payload && known.is_some_and(|length| !fits(length, self.plan.longest_bulk)) {
            route = self.plan.format.by_commands(entry.value_type);
        }
        match route {
            Route::Payload => {
                self.outbox.select(database);
                self.payload.begin(&mut self.outbox, entry, self.plan.format, database, expire_ms, replace, known);
                self.current = Current::Payload;
                let has_expiries = entry.value_type.has_field_expiry();
                self.fields = has_expiries.then(Fields::default);
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
                // Straight to its name only where nobody can have it; what an interrupted run left would be added to.
                // Where keys of others are reckoned with, they must not get elements of ours.
                let are_expected = matches!(self.plan.existing, Existing::Skip | Existing::Replace);
                let direct = self.plan.target_was_empty && ordinal >= self.plan.sent && !are_expected;
                self.typed.begin(ordinal, entry, database, expire_ms, replace, direct, self.now_ms);
                self.current = Current::Typed;
                Interest { raw: false, pieces: true }
            }
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

    /// Why nothing of this key can be kept: its value is damaged, or it stands there twice.
    fn loses_all(&mut self, entry: &Entry<'_>, ordinal: u64) -> Option<Loss> {
        if let Some(first) = self.plan.repeated.get(&entry.value_offset)
            && self.only.is_none()
            && !self.taken.insert(*first)
        {
            return Some(Loss::Twice);
        }
        let found = self.odd_and_deferred.get(&ordinal).and_then(|(mended, _)| mended.loses_all());
        found.or_else(|| self.plan.damaged.contains(&entry.value_offset).then_some(Loss::Damaged))
    }

    /// Why a module's value is not sent.
    fn loses_module_value(&self, key_type: KeyType) -> Option<Loss> {
        // What a file of others says of itself may be wrong.
        let source = if self.plan.trusted { self.source } else { NEWEST_VECTOR_SETS };
        if self.plan.format.has_module_type(key_type, source) == Has::No {
            return Some(Loss::Module);
        }
        let is_risk =
            !self.plan.trusted && key_type != KeyType::Vectorset && !survives_malformed(&key_type.to_string());
        is_risk.then_some(Loss::Untrusted)
    }

    /// Nothing of this key is kept: lost where that was accepted, else failed.
    fn lose(&mut self, key: &[u8], loss: Loss) {
        match self.plan.accept_loss {
            true => self.outbox.batch.tally.lost(self.database, key, loss.words()),
            false => self.outbox.failed(self.database, key, loss.words()),
        }
    }

    /// The value was read, and something in it is odd: what becomes of the command that was begun.
    fn settle_odd(&mut self, mended: Mended, kind: OddityKind) {
        let name = std::mem::take(&mut self.name);
        match (self.current, mended.loses_all()) {
            (Current::Payload, Some(loss)) => {
                self.payload.abandon(&mut self.outbox);
                self.lose(&name, loss);
                self.current = Current::Nothing;
            }
            (Current::Typed, Some(loss)) => self.typed.spoil(&mut self.outbox, loss.words()),
            (Current::Payload | Current::Typed, None) => {
                if self.current == Current::Payload {
                    self.payload.rebuild(self.dialect, self.version, self.plan.format);
                }
                if mended != Mended::Same {
                    self.outbox.batch.tally.rebuilt(self.database, &name, kind.words());
                }
            }
            _ => {}
        }
        self.name = name;
    }

    fn leave(&mut self) -> Interest {
        self.current = Current::Nothing;
        Interest::default()
    }
}

impl Visit for Assembler {
    fn header(&mut self, dialect: Dialect, version: u32) {
        (self.dialect, self.version) = (dialect, version);
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        if name == b"redis-ver" {
            self.source = version_numbers(&String::from_utf8_lossy(value));
        }
    }

    fn function(&mut self, source: &[u8]) {
        if self.only.is_none() && self.plan.done == 0 {
            function::send(&mut self.outbox, &self.plan, source);
        }
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        if self.outbox.is_ending() {
            self.current = Current::NotReached;
            return Interest::default();
        }
        let ordinal = self.ordinal;
        self.odd = None;
        self.vanishes = entry.value_type.kind(self.dialect, self.version).is_some_and(Kind::vanishes_when_empty)
            && self.only.is_none();
        let meant = match &self.only {
            Some(only) => only.contains_key(&ordinal),
            None => ordinal >= self.plan.done,
        };
        if !meant {
            return self.leave();
        }
        let key_type = KeyType::of_encoding(entry.value_type);
        let plan = &self.plan;
        match plan.choices.decide(entry.database, entry.key, key_type, entry.expire_ms, self.now_ms) {
            Wanted::No => {
                self.outbox.batch.tally.skipped_by_choice += 1;
                self.leave()
            }
            Wanted::Expired => {
                self.outbox.batch.tally.expired += 1;
                self.leave()
            }
            Wanted::Yes { database, expire_ms } => self.begin(entry, database, expire_ms),
        }
    }

    fn raw(&mut self, bytes: &[u8]) {
        if self.current != Current::Payload {
            return;
        }
        self.payload.push(&mut self.outbox, bytes);
        if self.payload.is_too_long(held_at_most(self.plan.longest_bulk)) {
            self.payload.abandon(&mut self.outbox);
            self.current = Current::Deferred;
        }
    }

    fn piece(&mut self, piece: Piece<'_>) {
        match (self.current, piece) {
            (Current::Typed, piece) => self.typed.piece(&mut self.outbox, piece),
            (_, Piece::HashField { expire_ms, .. }) => {
                if let Some(fields) = &mut self.fields {
                    fields.note(expire_ms, self.now_ms);
                }
            }
            (Current::Payload, Piece::Module(id)) => {
                if let Some(loss) = self.loses_module_value(KeyType::of_module(id)) {
                    self.payload.lose(&mut self.outbox, loss);
                    self.current = Current::Nothing;
                }
            }
            _ => {}
        }
    }

    fn takes_parts(&self) -> bool {
        // Of what goes as a payload only a module's id and the expiries of fields are of interest.
        self.current != Current::Typed || self.typed.takes_parts()
    }

    fn part(&mut self, part: Part<'_>) {
        match part {
            part if self.current == Current::Typed => self.typed.part(&mut self.outbox, part),
            Part::Begin { what: PartOf::HashField { expire_ms }, .. } => {
                if let Some(fields) = &mut self.fields {
                    fields.note(expire_ms, self.now_ms);
                }
            }
            _ => {}
        }
    }

    fn oddity(&mut self, oddity: &Oddity<'_>) {
        let (Some(owner), Some(mended)) = (oddity.owner, Mended::of(oddity.kind)) else { return };
        self.odd = self.odd.max(Some((mended, oddity.kind)));
        self.name.clear();
        self.name.extend_from_slice(owner.key);
    }

    fn entry_end(&mut self, end: &EntryEnd) {
        if self.current == Current::NotReached {
            return;
        }
        let ordinal = self.ordinal;
        self.ordinal += 1;
        if let Some(fields) = self.fields.take() {
            // The target says OK to a hash of which nothing lives, and keeps nothing.
            let is_unsent = match self.current {
                Current::Payload => !fields.living && self.payload.abandon_whole(&mut self.outbox),
                current => !fields.living && current == Current::Deferred,
            };
            if is_unsent {
                self.current = Current::Nothing;
                self.outbox.batch.tally.expired += 1;
            } else if !fields.lasting {
                self.payload.gone_by(fields.last_ms);
            }
        }
        if let Some((mended, kind)) = self.odd.take() {
            if end.raw_length > held_at_most(self.plan.longest_bulk) {
                self.odd_and_deferred.insert(ordinal, (mended, kind));
            }
            self.settle_odd(mended, kind);
        }
        match std::mem::replace(&mut self.current, Current::Nothing) {
            Current::Nothing | Current::NotReached => self.outbox.decided(ordinal),
            Current::Deferred => {
                self.deferred.insert(ordinal, end.raw_length);
                self.outbox.decided(ordinal);
            }
            // Servers leave it out when they load it, and refuse it in RESTORE.
            Current::Payload if end.n_elements == 0 && self.vanishes => {
                self.payload.abandon(&mut self.outbox);
                self.outbox.batch.tally.expired += 1;
                self.outbox.decided(ordinal);
            }
            Current::Payload => {
                self.payload.end(&mut self.outbox, self.plan.longest_bulk);
                self.outbox.entry_end(ordinal);
            }
            Current::Typed => {
                self.typed.end(&mut self.outbox);
                self.outbox.entry_end(ordinal);
            }
        }
    }

    fn stopped(&self) -> bool {
        self.outbox.is_closed()
    }
}
