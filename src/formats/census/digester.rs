//! Reads a data set piece by piece and hands on one record per key.

use xxhash_rust::xxh3::xxh3_128;

use super::choice::{Candidate, Choice, Chosen, Everything, Tally};
use super::key_type::{KeyType, NAME_LENGTH};
use super::sponge::Sponge;
use super::value::{ValueDigest, ValueHasher};
use crate::rdb::visit::{Entry, EntryEnd, Interest, Part, PartOf, Piece, Visit};

/// A buffer for key names is given back when a name was longer than this, in bytes.
const KEPT: usize = 64 * 1024;

/// Bytes before the name in a row: database and length.
const HEAD: usize = 16;

/// A key and the hashes of its content. [`super`] documents what goes into them.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Number of the database.
    pub database: u64,
    /// Name of the key.
    pub key: &'a [u8],
    /// Type of the value, whatever its encoding.
    pub key_type: KeyType,
    /// Absolute expiry in Unix milliseconds.
    pub expire_ms: Option<i64>,
    /// Bytes of its name and of its value as they stand in the file.
    pub bytes: u64,
    /// Bytes of a string; elements, members, fields or entries of the others; parts of a module's value.
    pub elements: u64,
    /// Fields of a hash that have an expiry.
    pub fields_with_expiry: u64,
    /// True for a hash all of whose fields had expired and were left out, and for an aggregate that is written without
    /// elements: servers from 6.2 on do not load those. It counts all the same.
    pub emptied: bool,
    /// Hash of database and name: it says which key this is, and in which bucket it belongs.
    pub identity: u128,
    /// Hash of the value alone; to be compared only between records of one type and one number of elements.
    pub value: u128,
    /// Hash of database, name, type, expiry and value: what is added to the digest.
    pub content: u128,
}

/// Receives what a [`Digester`] reads.
pub trait Sink {
    /// Takes a key that was read to its end.
    fn key(&mut self, record: &Record<'_>);
    /// Asked before a value is read: false if a key of this identity need not be told.
    fn wants(&self, _identity: u128) -> bool {
        true
    }
    /// A function library: its source, and the source's hash.
    fn function(&mut self, _source: &[u8], _hash: u128) {}
    /// An aux field of the file.
    fn aux(&mut self, _name: &[u8], _value: &[u8]) {}
    /// Whether records of modules that belong to no key are told.
    fn wants_module_aux(&self) -> bool {
        false
    }
    /// Such a record: the id of the module's type, and the record's bytes.
    fn module_aux(&mut self, _module: u64, _raw: &[u8]) {}
    /// True when there is no point in going on.
    fn stopped(&self) -> bool {
        false
    }
}

impl<A: Sink, B: Sink> Sink for (A, B) {
    fn key(&mut self, record: &Record<'_>) {
        self.0.key(record);
        self.1.key(record);
    }
    fn wants(&self, identity: u128) -> bool {
        self.0.wants(identity) || self.1.wants(identity)
    }
    fn function(&mut self, source: &[u8], hash: u128) {
        self.0.function(source, hash);
        self.1.function(source, hash);
    }
    fn aux(&mut self, name: &[u8], value: &[u8]) {
        self.0.aux(name, value);
        self.1.aux(name, value);
    }
    fn wants_module_aux(&self) -> bool {
        self.0.wants_module_aux() || self.1.wants_module_aux()
    }
    fn module_aux(&mut self, module: u64, raw: &[u8]) {
        self.0.module_aux(module, raw);
        self.1.module_aux(module, raw);
    }
    fn stopped(&self) -> bool {
        self.0.stopped() || self.1.stopped()
    }
}

impl<S: Sink> Sink for &mut S {
    fn key(&mut self, record: &Record<'_>) {
        (**self).key(record);
    }
    fn wants(&self, identity: u128) -> bool {
        (**self).wants(identity)
    }
    fn function(&mut self, source: &[u8], hash: u128) {
        (**self).function(source, hash);
    }
    fn aux(&mut self, name: &[u8], value: &[u8]) {
        (**self).aux(name, value);
    }
    fn wants_module_aux(&self) -> bool {
        (**self).wants_module_aux()
    }
    fn module_aux(&mut self, module: u64, raw: &[u8]) {
        (**self).module_aux(module, raw);
    }
    fn stopped(&self) -> bool {
        (**self).stopped()
    }
}

/// A visitor that makes a [`Record`] of every key. Allocates nothing per key.
pub struct Digester<S, C = Everything> {
    sink: S,
    choice: C,
    tally: Tally,
    fields_expired_before: Option<i64>,
    by_own_clock: bool,
    value: ValueHasher,
    /// Database and name of the key under way, and what else its hash is made of.
    row: Vec<u8>,
    key_length: usize,
    identity: u128,
    /// As it stands in the file; the row has what it counts as.
    database: u64,
    expire_ms: Option<i64>,
    under_way: bool,
    functions: Sponge,
}

impl<S: Sink> Digester<S> {
    /// Every key goes to `sink`.
    pub fn new(sink: S) -> Self {
        Self::choosing(sink, Everything)
    }
}

impl<S: Sink, C: Choice> Digester<S, C> {
    /// Only what `choice` takes goes to `sink`.
    pub fn choosing(sink: S, choice: C) -> Self {
        Self {
            sink,
            choice,
            tally: Tally::default(),
            fields_expired_before: None,
            by_own_clock: false,
            value: ValueHasher::default(),
            row: Vec::new(),
            key_length: 0,
            identity: 0,
            database: 0,
            expire_ms: None,
            under_way: false,
            functions: Sponge::default(),
        }
    }

    /// Leaves out hash fields whose expiry lies before this moment (Unix milliseconds). Redis 7.4 and newer keep such
    /// fields for a while and hide them, Valkey drops them when it loads: with the same moment on both sides, equal data
    /// have equal digests all the same. A hash that has none left is marked [`Record::emptied`].
    pub fn fields_expired_before(mut self, moment_ms: i64) -> Self {
        self.fields_expired_before = Some(moment_ms);
        self
    }

    /// Passes over addresses of memory that modules write with a value: for comparisons. The digest of a data set holds its bytes.
    pub fn by_meaning(mut self) -> Self {
        self.value.by_meaning();
        self
    }

    /// Leaves out hash fields that had expired at the moment which the file itself names (aux `ctime`, a second: its end is meant).
    /// `moment_ms` holds where it
    /// names none. [`Digester::moment`] tells which it was.
    pub fn fields_expired_by_own_clock(self, moment_ms: i64) -> Self {
        Self { by_own_clock: true, ..self.fields_expired_before(moment_ms) }
    }

    /// The moment before which hash fields are left out, Unix milliseconds.
    pub fn moment(&self) -> Option<i64> {
        self.fields_expired_before
    }

    /// How many keys were taken, left and expired.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// What receives the records.
    pub fn sink(&self) -> &S {
        &self.sink
    }

    /// The sink, to change it between passes.
    pub fn sink_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Gives back what received the records.
    pub fn into_sink(self) -> S {
        self.sink
    }

    fn hand_on(&mut self, value: &ValueDigest, raw_length: u64) {
        let emptied = value.count == 0 && value.key_type.vanishes_when_empty();
        let candidate = Candidate {
            database: self.database,
            key: &self.row[HEAD..],
            key_type: value.key_type,
            expire_ms: self.expire_ms,
            emptied,
        };
        let expire_ms = match self.choice.choose(&candidate) {
            Chosen::Take { expire_ms } => expire_ms,
            Chosen::Leave => {
                self.tally.left += 1;
                return;
            }
            Chosen::Expired => {
                self.tally.expired += 1;
                return;
            }
        };
        self.tally.taken += 1;
        // A hash that has none left is an expired key.
        self.tally.expired_fields += if emptied { 0 } else { value.expired_fields };
        let content = self.content(value, expire_ms);
        self.sink.key(&Record {
            database: self.choice.database(self.database),
            key: &self.row[HEAD..HEAD + self.key_length],
            key_type: value.key_type,
            expire_ms,
            bytes: self.key_length as u64 + raw_length,
            elements: value.count,
            fields_with_expiry: value.fields_with_expiry,
            emptied,
            identity: self.identity,
            value: value.hash,
            content,
        });
    }

    /// Completes the row that begins with database and name.
    #[inline]
    fn content(&mut self, value: &ValueDigest, expire_ms: Option<i64>) -> u128 {
        let mut buffer = [0; NAME_LENGTH];
        let name = value.key_type.write_name(&mut buffer);
        self.row.extend_from_slice(&(name.len() as u64).to_le_bytes());
        self.row.extend_from_slice(name);
        match expire_ms {
            None => self.row.push(0),
            Some(moment) => {
                self.row.push(1);
                self.row.extend_from_slice(&moment.to_le_bytes());
            }
        }
        self.row.extend_from_slice(&value.count.to_le_bytes());
        self.row.extend_from_slice(&value.hash.to_le_bytes());
        xxh3_128(&self.row)
    }
}

impl<S: Sink, C: Choice> Visit for Digester<S, C> {
    fn aux(&mut self, name: &[u8], value: &[u8]) {
        if self.by_own_clock && name == b"ctime" {
            let seconds = std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
            self.fields_expired_before = seconds.and_then(end_of_second).or(self.fields_expired_before);
        }
        self.sink.aux(name, value);
    }

    fn wants_module_aux(&self) -> bool {
        self.sink.wants_module_aux()
    }

    fn module_aux(&mut self, module: u64, _when: u64, raw: &[u8]) {
        self.sink.module_aux(module, raw);
    }

    fn function(&mut self, source: &[u8]) {
        self.functions.string(source);
        let hash = self.functions.squeeze();
        self.sink.function(source, hash);
    }

    #[inline]
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        self.under_way = false;
        if !self.choice.may_take(entry.database, entry.key) {
            self.tally.left += 1;
            return Interest::default();
        }
        if self.row.capacity() > KEPT {
            self.row = Vec::new();
        }
        self.row.clear();
        self.row.extend_from_slice(&self.choice.database(entry.database).to_le_bytes());
        self.row.extend_from_slice(&(entry.key.len() as u64).to_le_bytes());
        self.row.extend_from_slice(entry.key);
        self.identity = xxh3_128(&self.row);
        if !self.sink.wants(self.identity) {
            self.tally.unwanted += 1;
            return Interest::default();
        }
        self.under_way = true;
        self.database = entry.database;
        self.expire_ms = entry.expire_ms;
        self.key_length = entry.key.len();
        self.value.begin(KeyType::of_encoding(entry.value_type));
        Interest { raw: false, pieces: true }
    }

    #[inline]
    fn piece(&mut self, piece: Piece<'_>) {
        if self.under_way {
            let piece = match piece {
                Piece::HashField { field, value, expire_ms: Some(at) } => {
                    Piece::HashField { field, value, expire_ms: self.choice.field_expiry(Some(at)) }
                }
                piece => piece,
            };
            self.value.piece(piece, self.fields_expired_before);
        }
    }

    #[inline]
    fn long_field(&mut self, hash: u128) {
        if self.under_way {
            self.value.long_field(hash);
        }
    }

    fn takes_parts(&self) -> bool {
        self.value.takes_parts()
    }

    fn part(&mut self, part: Part<'_>) {
        if self.under_way {
            let part = match part {
                Part::Begin { what: PartOf::HashField { expire_ms: Some(at) }, length } => {
                    let expire_ms = self.choice.field_expiry(Some(at));
                    Part::Begin { what: PartOf::HashField { expire_ms }, length }
                }
                part => part,
            };
            self.value.part(part, self.fields_expired_before);
        }
    }

    #[inline]
    fn entry_end(&mut self, end: &EntryEnd) {
        if std::mem::take(&mut self.under_way) {
            let value = self.value.finish();
            self.hand_on(&value, end.raw_length);
        }
    }

    fn stopped(&self) -> bool {
        self.sink.stopped()
    }
}

/// The last millisecond of a Unix second.
fn end_of_second(seconds: i64) -> Option<i64> {
    seconds.checked_mul(1000)?.checked_add(999)
}
