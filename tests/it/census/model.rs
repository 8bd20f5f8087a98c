//! Data as values in memory, made at random, and told to a visitor the way a scanner would tell them.

use redis_ops::rdb::opcode::Dialect;
use redis_ops::rdb::types::ValueType;
use redis_ops::rdb::visit::{Checksum, Entry, EntryEnd, Part as Parts, PartOf, Piece, StreamId, StreamInfo, Visit};

/// Numbers by chance, the same in every run.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Splitmix64.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    pub fn index<T>(&mut self, of: &[T]) -> usize {
        self.below(of.len() as u64) as usize
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn shuffle<T>(&mut self, of: &mut [T]) {
        for last in (1..of.len()).rev() {
            of.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// Short, for the most part.
    pub fn bytes(&mut self) -> Vec<u8> {
        let length = if self.one_in(40) { self.below(5000) } else { self.below(12) };
        (0..length).map(|_| self.next() as u8).collect()
    }

    pub fn expiry(&mut self) -> Option<i64> {
        self.one_in(3).then(|| 1_900_000_000_000 + self.below(1_000_000_000) as i64)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    pub database: u64,
    pub name: Vec<u8>,
    pub expire_ms: Option<i64>,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    String(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(Vec<Vec<u8>>),
    /// Field, value, expiry.
    Hash(Vec<(Vec<u8>, Vec<u8>, Option<i64>)>),
    Zset(Vec<(Vec<u8>, f64)>),
    Stream(Stream),
    /// Id, and parts by tag: signed, unsigned, float, double, string.
    Module(u64, Vec<Part>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    Signed(i64),
    Unsigned(u64),
    Float(f32),
    Double(f64),
    String(Vec<u8>),
}

/// Fields of a stream entry and their values.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stream {
    pub entries: Vec<(StreamId, Fields)>,
    pub last_id: StreamId,
    pub groups: Vec<Group>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Group {
    pub name: Vec<u8>,
    pub last_id: StreamId,
    pub consumers: Vec<Vec<u8>>,
    pub pending: Vec<Pending>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pending {
    pub id: StreamId,
    pub delivered_ms: i64,
    pub count: u64,
    pub owner: Option<Vec<u8>>,
}

impl Key {
    pub fn random(chance: &mut Chance, number: u64) -> Self {
        let database = if chance.one_in(4) { chance.below(5) } else { 0 };
        let mut name = format!("key:{number}:").into_bytes();
        name.extend(chance.bytes());
        Self { database, name, expire_ms: chance.expiry(), value: Value::random(chance) }
    }
}

/// Distinct, so that sets are sets.
fn distinct(chance: &mut Chance) -> Vec<Vec<u8>> {
    let count = 1 + if chance.one_in(20) { chance.below(600) } else { chance.below(8) };
    (0..count).map(|number| [&number.to_string().into_bytes()[..], b"-", &chance.bytes()].concat()).collect()
}

pub fn stream_id(chance: &mut Chance) -> StreamId {
    StreamId { ms: chance.below(1 << 41), seq: chance.below(4) }
}

impl Value {
    pub fn random(chance: &mut Chance) -> Self {
        match chance.below(8) {
            0 | 1 => Self::String(chance.bytes()),
            2 => Self::List((0..1 + chance.below(9)).map(|_| chance.bytes()).collect()),
            3 => Self::Set(distinct(chance)),
            4 => {
                Self::Hash(distinct(chance).into_iter().map(|field| (field, chance.bytes(), chance.expiry())).collect())
            }
            5 => {
                let score = |chance: &mut Chance| [0.0, 1.5, -3.0, f64::INFINITY, 1e300][chance.below(5) as usize];
                Self::Zset(distinct(chance).into_iter().map(|member| (member, score(chance))).collect())
            }
            6 => Self::Stream(Stream::random(chance)),
            _ => Self::Module(0x0a1b_2c3d_4e5f_6071, (0..chance.below(6)).map(|_| Part::random(chance)).collect()),
        }
    }

    /// Encodings that a file may use for it.
    fn encodings(&self) -> &'static [u8] {
        match self {
            Self::String(_) => &[0],
            Self::List(_) => &[1, 10, 14, 18],
            Self::Set(_) => &[2, 11, 20],
            Self::Hash(_) => &[4, 9, 13, 16, 22, 24, 25],
            Self::Zset(_) => &[3, 5, 12, 17],
            Self::Stream(_) => &[15, 19, 21, 26, 27],
            Self::Module(..) => &[7],
        }
    }
}

impl Part {
    fn random(chance: &mut Chance) -> Self {
        match chance.below(5) {
            0 => Self::Signed(chance.next() as i64),
            1 => Self::Unsigned(chance.next()),
            2 => Self::Float(chance.below(100) as f32 / 4.0),
            3 => Self::Double(chance.below(100) as f64 / 4.0),
            _ => Self::String(chance.bytes()),
        }
    }
}

impl Stream {
    fn random(chance: &mut Chance) -> Self {
        let mut entries = Vec::new();
        let mut id = stream_id(chance);
        for _ in 0..chance.below(6) {
            id.ms += 1 + chance.below(5);
            entries.push((id, (0..chance.below(4)).map(|_| (chance.bytes(), chance.bytes())).collect()));
        }
        let groups = (0..chance.below(3)).map(|number| Group::random(chance, number)).collect();
        Self { entries, last_id: id, groups }
    }
}

impl Group {
    fn random(chance: &mut Chance, number: u64) -> Self {
        let mut name = vec![number as u8];
        name.extend(chance.bytes());
        let consumers = distinct(chance);
        let mut pending = Vec::new();
        for number in 0..chance.below(5) {
            let id = StreamId { ms: 1000 + number, seq: chance.below(3) };
            let owner = (!chance.one_in(5)).then(|| consumers[chance.index(&consumers)].clone());
            pending.push(Pending { id, delivered_ms: chance.below(1 << 40) as i64, count: chance.below(9), owner });
        }
        Self { name, last_id: stream_id(chance), consumers, pending }
    }
}

/// Tells these keys. What has no order comes in any order, strings come in any number of parts, and everything that is no
/// content is by chance.
pub fn tell(keys: &[Key], visitor: &mut impl Visit, chance: &mut Chance) {
    let mut keys: Vec<&Key> = keys.iter().collect();
    chance.shuffle(&mut keys);
    visitor.header(Dialect::Redis, 9 + chance.below(4) as u32);
    for key in keys {
        if chance.one_in(2) {
            visitor.database(key.database);
        }
        let encodings = key.value.encodings();
        let entry = Entry {
            database: key.database,
            key: &key.name,
            value_type: ValueType(encodings[chance.index(encodings)]),
            expire_ms: key.expire_ms,
            idle_seconds: chance.one_in(2).then_some(chance.next()),
            frequency: chance.one_in(2).then_some(3),
            key_meta: None,
            value_offset: chance.next(),
        };
        if visitor.entry(&entry).pieces {
            tell_value(&key.value, visitor, chance);
        }
        visitor.entry_end(&EntryEnd { raw_length: 1 + chance.below(500), n_elements: 0 });
    }
    visitor.end(Checksum::Absent);
}

fn tell_value(value: &Value, visitor: &mut impl Visit, chance: &mut Chance) {
    match value {
        Value::String(bytes) => {
            let mut rest = &bytes[..];
            while !rest.is_empty() || chance.one_in(3) {
                let (part, behind) = rest.split_at(chance.below(rest.len() as u64 + 1) as usize);
                visitor.piece(Piece::String(part));
                rest = behind;
            }
        }
        Value::List(elements) => {
            for element in elements {
                if chance.one_in(3) {
                    tell_part(PartOf::ListElement, element, visitor, chance);
                    visitor.part(Parts::End { score: None });
                } else {
                    visitor.piece(Piece::ListElement(element));
                }
            }
        }
        Value::Set(members) => {
            let mut members = members.clone();
            chance.shuffle(&mut members);
            for member in &members {
                if chance.one_in(3) {
                    tell_part(PartOf::SetMember, member, visitor, chance);
                    visitor.part(Parts::End { score: None });
                } else {
                    visitor.piece(Piece::SetMember(member));
                }
            }
        }
        Value::Hash(fields) => {
            let mut fields = fields.clone();
            chance.shuffle(&mut fields);
            for (field, value, expire_ms) in &fields {
                if chance.one_in(3) {
                    tell_part(PartOf::HashField { expire_ms: *expire_ms }, field, visitor, chance);
                    tell_part(PartOf::HashValue, value, visitor, chance);
                    visitor.part(Parts::End { score: None });
                    continue;
                }
                visitor.piece(Piece::HashField { field, value, expire_ms: *expire_ms });
            }
        }
        Value::Zset(members) => {
            let mut members = members.clone();
            chance.shuffle(&mut members);
            for (member, score) in &members {
                let score = if *score == 0.0 && chance.one_in(2) { -0.0 } else { *score };
                if chance.one_in(3) {
                    tell_part(PartOf::ZsetMember, member, visitor, chance);
                    visitor.part(Parts::End { score: Some(score) });
                } else {
                    visitor.piece(Piece::ZsetMember { member, score });
                }
            }
        }
        Value::Stream(stream) => tell_stream(stream, visitor, chance),
        Value::Module(id, parts) => {
            visitor.piece(Piece::Module(*id));
            for part in parts {
                if let Part::String(bytes) = part
                    && visitor.takes_parts()
                    && chance.one_in(3)
                {
                    tell_part(PartOf::ModuleString, bytes, visitor, chance);
                    visitor.part(Parts::End { score: None });
                    continue;
                }
                visitor.piece(match part {
                    Part::Signed(number) => Piece::ModuleSigned(*number),
                    Part::Unsigned(number) => Piece::ModuleUnsigned(*number),
                    Part::Float(number) => Piece::ModuleFloat(*number),
                    Part::Double(number) => Piece::ModuleDouble(*number),
                    Part::String(bytes) => Piece::ModuleString(bytes),
                });
            }
        }
    }
}

/// A string in parts; now and then another element comes to nothing before it.
fn tell_part(what: PartOf, bytes: &[u8], visitor: &mut impl Visit, chance: &mut Chance) {
    if matches!(what, PartOf::ZsetMember) && chance.one_in(5) {
        visitor.part(Parts::Begin { what, length: 3 });
        visitor.part(Parts::Bytes(b"nan"));
        visitor.part(Parts::Dropped);
    }
    visitor.part(Parts::Begin { what, length: bytes.len() as u64 });
    let mut rest = bytes;
    while !rest.is_empty() {
        let (part, behind) = rest.split_at(chance.below(rest.len() as u64 + 1) as usize);
        visitor.part(Parts::Bytes(part));
        rest = behind;
    }
}

fn tell_stream(stream: &Stream, visitor: &mut impl Visit, chance: &mut Chance) {
    for (id, fields) in &stream.entries {
        visitor.piece(Piece::StreamEntry { id: *id, n_fields: fields.len() as u64 });
        for (field, value) in fields {
            visitor.piece(Piece::StreamField { field, value });
        }
    }
    visitor.piece(Piece::StreamInfo(&StreamInfo {
        length: stream.entries.len() as u64,
        last_id: stream.last_id,
        first_id: chance.one_in(2).then_some(StreamId::default()),
        max_deleted_id: chance.one_in(2).then_some(stream_id(chance)),
        entries_added: chance.one_in(2).then_some(chance.next()),
    }));
    let mut groups = stream.groups.clone();
    chance.shuffle(&mut groups);
    for group in &mut groups {
        let entries_read = chance.one_in(2).then_some(chance.next());
        visitor.piece(Piece::StreamGroup { name: &group.name, last_id: group.last_id, entries_read });
        chance.shuffle(&mut group.pending);
        for pending in &group.pending {
            let Pending { id, delivered_ms, count, .. } = *pending;
            visitor.piece(Piece::StreamPending { id, delivered_ms, count });
        }
        chance.shuffle(&mut group.consumers);
        for name in &group.consumers {
            let (seen_ms, active_ms) = (chance.next() as i64, chance.one_in(2).then_some(5));
            visitor.piece(Piece::StreamConsumer { name, seen_ms, active_ms });
            for pending in group.pending.iter().filter(|pending| pending.owner.as_ref() == Some(name)) {
                visitor.piece(Piece::StreamOwned(pending.id));
            }
        }
        for pending in group.pending.iter().filter(|pending| pending.owner.is_none()) {
            visitor.piece(Piece::StreamReleased(pending.id));
        }
    }
}
