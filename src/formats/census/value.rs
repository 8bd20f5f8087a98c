//! The hash of one value, piece by piece. What it is made of stands in [`super`].

use super::key_type::KeyType;
use super::sponge::Sponge;
use super::stream::StreamDigest;
use super::topk::Heap;
use super::vectorset::VectorsetDigest;
use crate::rdb::visit::{ArrayValue, LONG_FIELD, Part, PartOf, Piece};

/// What a value comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ValueDigest {
    pub key_type: KeyType,
    /// Bytes of a string; elements, members, fields, entries of the others; parts of a module's value.
    pub count: u64,
    pub hash: u128,
    /// Fields of a hash that have an expiry, those left out among them.
    pub fields_with_expiry: u64,
    /// Fields of a hash that were left out, because they had expired.
    pub expired_fields: u64,
}

/// Reads the pieces of one value after another.
#[derive(Default)]
pub(super) struct ValueHasher {
    key_type: Option<KeyType>,
    count: u64,
    sum: u128,
    fields_with_expiry: u64,
    expired_fields: u64,
    /// What is in order: bytes of a string, elements of a list, …
    ordered: Sponge,
    /// One member, one field, …
    member: Sponge,
    stream: StreamDigest,
    vectorset: VectorsetDigest,
    insert_index: Option<u64>,
    /// The hash of the field that comes next, where it is known.
    field: Option<u128>,
    /// The element that is told in parts.
    in_parts: InParts,
    /// Addresses of memory in values of modules are passed over.
    by_meaning: bool,
    /// The place in a TopK's heap that is read.
    heap: Option<Heap>,
}

/// What is known of an element that is told in parts.
#[derive(Default)]
struct InParts {
    what: Option<PartOf>,
    /// Of a field: its name, if it is a long one.
    name: Option<Sponge>,
    expire_ms: Option<i64>,
    /// Its field has expired.
    is_left_out: bool,
}

impl ValueHasher {
    /// Passes over addresses of memory that modules write with a value: they change with every load.
    pub fn by_meaning(&mut self) {
        self.by_meaning = true;
    }

    /// A value begins, in an encoding of this type.
    #[inline]
    pub fn begin(&mut self, key_type: KeyType) {
        self.key_type = Some(key_type);
        self.count = 0;
        self.sum = 0;
        self.fields_with_expiry = 0;
        self.expired_fields = 0;
        self.insert_index = None;
        self.field = None;
        self.in_parts = InParts::default();
        self.heap = None;
        self.ordered.clear();
        self.member.clear();
        if key_type == KeyType::Stream {
            self.stream.clear();
        }
    }

    /// The field of the next part has this hash.
    #[inline]
    pub fn long_field(&mut self, hash: u128) {
        self.field = Some(hash);
    }

    /// What a vector set consists of is looked at whole.
    pub fn takes_parts(&self) -> bool {
        self.key_type != Some(KeyType::Vectorset)
    }

    /// The next of an element that is told in parts: to the same hash as if it were told in one.
    pub fn part(&mut self, part: Part<'_>, fields_expired_before: Option<i64>) {
        match part {
            Part::Begin { what, length } => {
                self.in_parts.what = Some(what);
                self.begin_part(what, length, fields_expired_before);
            }
            Part::Bytes(bytes) => match self.in_parts.what {
                Some(PartOf::StreamField) => match &mut self.in_parts.name {
                    Some(name) => name.bytes(bytes),
                    None => self.ordered.bytes(bytes),
                },
                Some(what) if is_in_order(what) => match &mut self.heap {
                    Some(heap) => heap.bytes(bytes, &mut self.ordered),
                    None => self.ordered.bytes(bytes),
                },
                Some(PartOf::HashField { .. } | PartOf::HashValue) if self.in_parts.is_left_out => {}
                Some(PartOf::HashField { .. }) => match &mut self.in_parts.name {
                    Some(name) => name.bytes(bytes),
                    None => self.member.bytes(bytes),
                },
                Some(_) => self.member.bytes(bytes),
                None => {}
            },
            Part::End { score } => match std::mem::take(&mut self.in_parts) {
                InParts { is_left_out: true, .. } => self.member.clear(),
                InParts { what, .. } if what.is_none_or(is_in_order) => {}
                _ => {
                    if let Some(score) = score {
                        self.member.number(score_bits(score));
                    }
                    self.add_member();
                }
            },
            Part::Dropped => {
                self.in_parts = InParts::default();
                self.member.clear();
            }
        }
    }

    fn begin_part(&mut self, what: PartOf, length: u64, fields_expired_before: Option<i64>) {
        match what {
            PartOf::ListElement => {
                self.count += 1;
                self.ordered.number(length);
            }
            PartOf::ModuleString => {
                self.count += 1;
                self.ordered.bytes(&[5]);
                self.ordered.number(length);
                self.heap = self.heap_of(length);
            }
            PartOf::SetMember | PartOf::ZsetMember => self.member.number(length),
            PartOf::HashField { expire_ms } => {
                self.key_type = Some(KeyType::Hash);
                self.field = None;
                if expire_ms.is_some() {
                    self.fields_with_expiry += 1;
                }
                self.in_parts.is_left_out = expire_ms.is_some() && expire_ms < fields_expired_before;
                self.expired_fields += u64::from(self.in_parts.is_left_out);
                self.in_parts.expire_ms = expire_ms;
                self.member.number(length);
                self.in_parts.name = (length > LONG_FIELD as u64).then(Sponge::default);
            }
            PartOf::StreamField => {
                self.field = None;
                self.ordered.number(length);
                self.in_parts.name = (length > LONG_FIELD as u64).then(Sponge::default);
            }
            PartOf::StreamValue => {
                if let Some(mut name) = self.in_parts.name.take() {
                    self.ordered.wide(name.squeeze());
                }
                self.ordered.number(length);
            }
            PartOf::ArrayElement { index } => {
                self.count += 1;
                self.ordered.number(index);
                self.ordered.bytes(&[0]);
                self.ordered.number(length);
            }
            PartOf::HashValue => {
                if let Some(mut name) = self.in_parts.name.take() {
                    self.member.wide(name.squeeze());
                }
                self.member.optional(self.in_parts.expire_ms);
                self.member.number(length);
            }
        }
    }

    /// The next part. Fields that expired before `fields_expired_before` (Unix milliseconds) are left out.
    #[inline]
    pub fn piece(&mut self, piece: Piece<'_>, fields_expired_before: Option<i64>) {
        match piece {
            Piece::String(part) => {
                self.count += part.len() as u64;
                self.ordered.bytes(part);
            }
            Piece::ListElement(element) => {
                self.count += 1;
                self.ordered.string(element);
            }
            Piece::SetMember(member) => {
                self.member.string(member);
                self.add_member();
            }
            Piece::HashField { field, value, expire_ms } => {
                self.key_type = Some(KeyType::Hash);
                let known = self.field.take();
                if expire_ms.is_some() {
                    self.fields_with_expiry += 1;
                    if expire_ms < fields_expired_before {
                        self.expired_fields += 1;
                        return;
                    }
                }
                self.member.name(field, known);
                self.member.optional(expire_ms);
                self.member.string(value);
                self.add_member();
            }
            Piece::ZsetMember { member, score } => {
                self.member.string(member);
                self.member.number(score_bits(score));
                self.add_member();
            }
            Piece::StreamEntry { id, n_fields } => {
                self.count += 1;
                self.ordered.number(id.ms);
                self.ordered.number(id.seq);
                self.ordered.number(n_fields);
            }
            Piece::StreamField { field, value } => {
                self.ordered.name(field, self.field.take());
                self.ordered.string(value);
            }
            other => self.rare(other),
        }
    }

    #[inline]
    fn add_member(&mut self) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(self.member.squeeze());
    }

    fn rare(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::ArrayElement { index, value } => self.array_element(index, value),
            Piece::ArrayInsertIndex(index) => self.insert_index = Some(index),
            Piece::Gcra(value) => {
                self.key_type = Some(KeyType::Gcra);
                self.count += 1;
                self.ordered.number(value);
            }
            Piece::Module(id) => {
                let key_type = KeyType::of_module(id);
                self.key_type = Some(key_type);
                if key_type == KeyType::Vectorset {
                    self.vectorset.begin(id);
                }
            }
            Piece::ModuleSigned(_)
            | Piece::ModuleUnsigned(_)
            | Piece::ModuleFloat(_)
            | Piece::ModuleDouble(_)
            | Piece::ModuleString(_) => self.module_part(piece),
            other => self.stream.piece(other, &mut self.member),
        }
    }

    /// A number and its text are one value to a client: which of them the file holds depends on the encoding.
    fn array_element(&mut self, index: u64, value: ArrayValue<'_>) {
        self.count += 1;
        self.ordered.number(index);
        match value {
            ArrayValue::Bytes(bytes) => {
                self.ordered.bytes(&[0]);
                self.ordered.string(bytes);
            }
            ArrayValue::Integer(number) => {
                self.ordered.bytes(&[0]);
                self.ordered.string(number.to_string().as_bytes());
            }
            ArrayValue::Double(number) => {
                self.ordered.bytes(&[1]);
                self.ordered.number(score_bits(number));
            }
        }
    }

    /// The string of this length that was counted last, if addresses of memory stand in it.
    fn heap_of(&self, length: u64) -> Option<Heap> {
        match self.key_type {
            Some(KeyType::Module(name)) if self.by_meaning => Heap::of(name, self.count, length),
            _ => None,
        }
    }

    fn module_part(&mut self, piece: Piece<'_>) {
        self.count += 1;
        if self.key_type == Some(KeyType::Vectorset) {
            self.vectorset.part(piece, &mut self.member);
        }
        match piece {
            Piece::ModuleSigned(number) => {
                self.ordered.bytes(&[1]);
                self.ordered.bytes(&number.to_le_bytes());
            }
            Piece::ModuleUnsigned(number) => {
                self.ordered.bytes(&[2]);
                self.ordered.number(number);
            }
            Piece::ModuleFloat(number) => {
                self.ordered.bytes(&[3]);
                self.ordered.bytes(&number.to_bits().to_le_bytes());
            }
            Piece::ModuleDouble(number) => {
                self.ordered.bytes(&[4]);
                self.ordered.number(number.to_bits());
            }
            Piece::ModuleString(bytes) => {
                self.ordered.bytes(&[5]);
                match self.heap_of(bytes.len() as u64) {
                    Some(mut heap) => {
                        self.ordered.number(bytes.len() as u64);
                        heap.bytes(bytes, &mut self.ordered);
                    }
                    None => self.ordered.string(bytes),
                }
            }
            _ => {}
        }
    }

    /// The value is complete.
    #[inline]
    pub fn finish(&mut self) -> ValueDigest {
        let key_type = self.key_type.take().unwrap_or(KeyType::Unknown(u8::MAX));
        let (mut count, mut hash) = (self.count, self.sum);
        match key_type {
            KeyType::Set | KeyType::Hash | KeyType::Zset => {}
            KeyType::String | KeyType::List | KeyType::Gcra | KeyType::Module(_) | KeyType::Unknown(_) => {
                hash = self.ordered.squeeze();
            }
            KeyType::Stream => {
                let entries = self.ordered.squeeze();
                hash = self.stream.finish(entries, &mut self.member);
            }
            KeyType::Array => {
                // An index is below 2^64 - 1: that number says that there is none.
                self.ordered.number(self.insert_index.unwrap_or(u64::MAX));
                hash = self.ordered.squeeze();
            }
            KeyType::Vectorset => {
                hash = self.ordered.squeeze();
                if let Some((n_elements, canonical)) = self.vectorset.finish(&mut self.member) {
                    (count, hash) = (n_elements, canonical);
                }
            }
        }
        ValueDigest {
            key_type,
            count,
            hash,
            fields_with_expiry: self.fields_with_expiry,
            expired_fields: self.expired_fields,
        }
    }
}

/// Whether such strings are hashed in their order, and not each for itself.
fn is_in_order(what: PartOf) -> bool {
    match what {
        PartOf::ListElement | PartOf::ModuleString | PartOf::ArrayElement { .. } => true,
        PartOf::StreamField | PartOf::StreamValue => true,
        PartOf::SetMember | PartOf::ZsetMember | PartOf::HashField { .. } | PartOf::HashValue => false,
    }
}

/// A listpack turns -0 into 0, a skiplist does not: they are one number.
fn score_bits(score: f64) -> u64 {
    if score == 0.0 { 0 } else { score.to_bits() }
}
