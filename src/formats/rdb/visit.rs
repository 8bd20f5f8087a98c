//! What a reader of an RDB can be told: one trait, of which a visitor implements what it needs.
//!
//! The scanner calls these in the order of the file. Slices are borrowed from its buffers and valid only for the call.
//! Visitors are infallible: one that cannot go on (a full queue, a broken socket) remembers why and says so in
//! [`Visit::stopped`], and the caller that pushes bytes asks there.

use super::oddity::Oddity;
use super::opcode::Dialect;
use super::types::ValueType;

/// A visitor of an RDB. Every method does nothing by default.
pub trait Visit {
    /// The nine bytes at the start.
    fn header(&mut self, _dialect: Dialect, _version: u32) {}
    /// An aux field; names repeat, the last value counts.
    fn aux(&mut self, _name: &[u8], _value: &[u8]) {}
    /// The keys that follow belong to this database.
    fn database(&mut self, _index: u64) {}
    /// RESIZEDB: a hint that may lie.
    fn resize_hint(&mut self, _keys: u64, _expires: u64) {}
    /// SLOT_INFO of a cluster node: a hint.
    fn slot_info(&mut self, _slot: u64, _keys: u64, _expires: u64) {}
    /// The next shard of the backup of a cluster begins, with function libraries of its own: those of the shards before, as a rule.
    fn next_shard(&mut self) {}
    /// The source of one function library, beginning with `#!lua name=…` (the release candidates' form is converted to it).
    fn function(&mut self, _source: &[u8]) {}
    /// Whether the bytes of [`Visit::module_aux`] are wanted: they are held whole to be told.
    fn wants_module_aux(&self) -> bool {
        false
    }
    /// Data of a module that belongs to no key. `when` is 1 before the keys and 2 after them; `raw` starts behind `when`, and is
    /// empty unless [`Visit::wants_module_aux`].
    fn module_aux(&mut self, _module: u64, _when: u64, _raw: &[u8]) {}
    /// A key begins. What is returned says how much of its value is told.
    fn entry(&mut self, _entry: &Entry<'_>) -> Interest {
        Interest::default()
    }
    /// The value's bytes as they stand in the file (without type byte and key), in as many parts as they arrived. Only with
    /// [`Interest::raw`].
    fn raw(&mut self, _bytes: &[u8]) {}
    /// The value's content. Only with [`Interest::pieces`].
    fn piece(&mut self, _piece: Piece<'_>) {}
    /// The XXH3-128 (seed 0) of the field that the next [`Visit::piece`] brings. Said of a field longer than [`LONG_FIELD`]
    /// that stands in the file once for many elements: to hash it again with each would take time that the file's length
    /// does not bound.
    fn long_field(&mut self, _hash: u128) {}
    /// Whether elements that are longer than [`LONG_ELEMENT`] may be told by [`Visit::part`] instead of [`Visit::piece`]. Who says no
    /// makes the reader hold them whole.
    fn takes_parts(&self) -> bool {
        false
    }
    /// A part of a long element. Only with [`Interest::pieces`], and if [`Visit::takes_parts`].
    fn part(&mut self, _part: Part<'_>) {}
    /// Something odd that is read on past: in the value under way (told before its [`Visit::entry_end`], its pieces may be
    /// incomplete), or in the file. Only from a scanner that reads on, see [`super::Scanner::reading_on`].
    fn oddity(&mut self, _oddity: &Oddity<'_>) {}
    /// The key is complete.
    fn entry_end(&mut self, _end: &EntryEnd) {}
    /// The end of the file: opcode 255 and what follows it.
    fn end(&mut self, _checksum: Checksum) {}
    /// True when there is no point in pushing more.
    fn stopped(&self) -> bool {
        false
    }
}

/// Fields longer than this, in bytes, come with their hash where many elements share them.
pub const LONG_FIELD: usize = 128;

/// Elements longer than this, in bytes, may be told in parts.
pub const LONG_ELEMENT: u64 = 256 << 10;

/// A visitor that ignores all events; the structure is checked all the same.
impl Visit for () {}

impl<V: Visit + ?Sized> Visit for &mut V {
    fn header(&mut self, dialect: Dialect, version: u32) {
        (**self).header(dialect, version);
    }
    fn aux(&mut self, name: &[u8], value: &[u8]) {
        (**self).aux(name, value);
    }
    fn database(&mut self, index: u64) {
        (**self).database(index);
    }
    fn resize_hint(&mut self, keys: u64, expires: u64) {
        (**self).resize_hint(keys, expires);
    }
    fn slot_info(&mut self, slot: u64, keys: u64, expires: u64) {
        (**self).slot_info(slot, keys, expires);
    }
    fn next_shard(&mut self) {
        (**self).next_shard();
    }
    fn function(&mut self, source: &[u8]) {
        (**self).function(source);
    }
    fn wants_module_aux(&self) -> bool {
        (**self).wants_module_aux()
    }
    fn module_aux(&mut self, module: u64, when: u64, raw: &[u8]) {
        (**self).module_aux(module, when, raw);
    }
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        (**self).entry(entry)
    }
    fn raw(&mut self, bytes: &[u8]) {
        (**self).raw(bytes);
    }
    fn piece(&mut self, piece: Piece<'_>) {
        (**self).piece(piece);
    }
    fn long_field(&mut self, hash: u128) {
        (**self).long_field(hash);
    }
    fn takes_parts(&self) -> bool {
        (**self).takes_parts()
    }
    fn part(&mut self, part: Part<'_>) {
        (**self).part(part);
    }
    fn oddity(&mut self, oddity: &Oddity<'_>) {
        (**self).oddity(oddity);
    }
    fn entry_end(&mut self, end: &EntryEnd) {
        (**self).entry_end(end);
    }
    fn end(&mut self, checksum: Checksum) {
        (**self).end(checksum);
    }
    fn stopped(&self) -> bool {
        (**self).stopped()
    }
}

/// How much of a value a visitor wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interest {
    /// Its bytes as they stand in the file.
    pub raw: bool,
    /// Its content, piece by piece.
    pub pieces: bool,
}

/// A key and its attributes.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Number of the database.
    pub database: u64,
    /// Name of the key; may be empty, may be any bytes.
    pub key: &'a [u8],
    /// Encoding of the value.
    pub value_type: ValueType,
    /// Absolute expiry in Unix milliseconds; may lie in the past.
    pub expire_ms: Option<i64>,
    /// LRU idle time in seconds (opcode IDLE).
    pub idle_seconds: Option<u64>,
    /// LFU counter (opcode FREQ).
    pub frequency: Option<u8>,
    /// Raw body of KEY_META (Redis 8.6+): the count and what follows it, without the opcode.
    pub key_meta: Option<&'a [u8]>,
    /// Offset in the file of the first byte of the value (behind the key).
    pub value_offset: u64,
}

/// What is known of a key once it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EntryEnd {
    /// Bytes of the value in the file, without type byte and key.
    pub raw_length: u64,
    /// Elements, members, fields, living entries; 1 for a string or a module's value. An aggregate with none (but a stream)
    /// is skipped by servers from 6.2 on.
    pub n_elements: u64,
}

/// The eight bytes at the end of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// CRC64 in the file equals the one computed.
    Verified(u64),
    /// The file holds zero: the server computes none (`rdbchecksum no`).
    Absent,
    /// Versions before 5 have no checksum.
    NotInThisVersion,
}

/// Id of a stream entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// The time of the id in Unix milliseconds.
    pub ms: u64,
    /// Sequence number within the millisecond.
    pub seq: u64,
}

/// A part of a value, whatever its encoding was.
#[derive(Debug, Clone, Copy)]
pub enum Piece<'a> {
    /// The next bytes of a string value; an empty string may have none or an empty part.
    String(&'a [u8]),
    /// The next element, head first.
    ListElement(&'a [u8]),
    /// A member, in no order.
    SetMember(&'a [u8]),
    /// A field, in no order.
    HashField {
        /// Name of the field.
        field: &'a [u8],
        /// Value of the field.
        value: &'a [u8],
        /// Its own absolute expiry in Unix milliseconds.
        expire_ms: Option<i64>,
    },
    /// A member of a sorted set, in no order.
    ZsetMember {
        /// Name of the member.
        member: &'a [u8],
        /// The score; never NaN.
        score: f64,
    },
    /// A living entry of a stream, in ascending order. Its `n_fields` fields follow as [`Piece::StreamField`].
    StreamEntry {
        /// Id of the entry.
        id: StreamId,
        /// How many fields follow.
        n_fields: u64,
    },
    /// A field of the entry before, in order.
    StreamField {
        /// Name of the field.
        field: &'a [u8],
        /// Value of the field.
        value: &'a [u8],
    },
    /// What a stream says of itself; follows its entries.
    StreamInfo(&'a StreamInfo),
    /// A consumer group; its pending entries and consumers follow.
    StreamGroup {
        /// Name as the file holds it; any bytes.
        name: &'a [u8],
        /// Last delivered id.
        last_id: StreamId,
        /// Entries read; `None` before RDB 10 and where the file says -1 (unknown).
        entries_read: Option<u64>,
    },
    /// A pending entry of the group before: who owns it follows with the consumers.
    StreamPending {
        /// Id of the entry (which may have been deleted).
        id: StreamId,
        /// Last delivery in Unix milliseconds.
        delivered_ms: i64,
        /// How often it was delivered.
        count: u64,
    },
    /// A consumer of the group before; the ids it owns follow.
    StreamConsumer {
        /// Name as the file holds it; any bytes.
        name: &'a [u8],
        /// Last seen, Unix milliseconds.
        seen_ms: i64,
        /// Last active; `None` before RDB 11 and where the file says -1 (never).
        active_ms: Option<i64>,
    },
    /// The consumer before owns this pending entry of its group.
    StreamOwned(StreamId),
    /// A pending entry of the group before that nobody owns (Redis 8.8, XNACK).
    StreamReleased(StreamId),
    /// Settings of a stream's idempotent producers (Redis 8.6+); producers follow.
    StreamIdempotence {
        /// How long an id is remembered.
        duration_seconds: u64,
        /// How many ids are remembered.
        max_entries: u64,
    },
    /// An idempotent producer; what it has sent follows.
    StreamProducer(&'a [u8]),
    /// An id that the producer before used, and the entry it made.
    StreamProduced {
        /// The producer's id.
        iid: &'a [u8],
        /// The entry's id.
        id: StreamId,
    },
    /// An element of an array (Redis 8.8), ascending.
    ArrayElement {
        /// Index of the element.
        index: u64,
        /// Value of the element.
        value: ArrayValue<'a>,
    },
    /// The array's insert index, if it has one.
    ArrayInsertIndex(u64),
    /// A module's value begins: nine characters of name and a version, packed (see [`super::module`]).
    Module(u64),
    /// The module wrote a signed number.
    ModuleSigned(i64),
    /// The module wrote an unsigned number.
    ModuleUnsigned(u64),
    /// The module wrote a float.
    ModuleFloat(f32),
    /// The module wrote a double.
    ModuleDouble(f64),
    /// The module wrote a string.
    ModuleString(&'a [u8]),
    /// A value of type GCRA (Redis 8.8 built with it, 8.10).
    Gcra(u64),
}

/// A part of an element that is told in parts: `Begin` and its `Bytes` for each of its strings (a field and its value are two), then
/// `End`.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// A string begins, and has so many bytes.
    Begin {
        /// What it is.
        what: PartOf,
        /// How long it is in all.
        length: u64,
    },
    /// Its next bytes.
    Bytes(&'a [u8]),
    /// The element is complete.
    End {
        /// Score of a member of a sorted set; never NaN.
        score: Option<f64>,
    },
    /// The element is complete and does not count: its parts are to be dropped.
    Dropped,
}

/// What a string is that is told in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartOf {
    /// The next element of a list.
    ListElement,
    /// A member of a set.
    SetMember,
    /// A member of a sorted set.
    ZsetMember,
    /// A field of a hash.
    HashField {
        /// Its own absolute expiry in Unix milliseconds.
        expire_ms: Option<i64>,
    },
    /// The value of the field before.
    HashValue,
    /// What a module wrote as one string.
    ModuleString,
    /// A field of the stream entry before.
    StreamField,
    /// The value of the field before.
    StreamValue,
    /// An element of an array.
    ArrayElement {
        /// Index of the element.
        index: u64,
    },
}

/// What a stream says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamInfo {
    /// How many entries the stream holds now.
    pub length: u64,
    /// Last id ever given.
    pub last_id: StreamId,
    /// First living id; `None` before RDB 10.
    pub first_id: Option<StreamId>,
    /// Highest deleted id; `None` before RDB 10.
    pub max_deleted_id: Option<StreamId>,
    /// Entries ever added; `None` before RDB 10.
    pub entries_added: Option<u64>,
}

/// An element of an array.
#[derive(Debug, Clone, Copy)]
pub enum ArrayValue<'a> {
    /// A string of bytes.
    Bytes(&'a [u8]),
    /// A signed whole number.
    Integer(i64),
    /// A double; may be infinite.
    Double(f64),
}
