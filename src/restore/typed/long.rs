//! Elements of lists and values of hashes that are too long to be held: their command leaves in parts.

use super::{Typed, Words};
use crate::census::KeyType;
use crate::rdb::visit::{LONG_ELEMENT, Part, PartOf, Piece};
use crate::restore::replay::batch::{Grow, What, put_bulk, put_head, put_number};
use crate::restore::replay::outbox::Outbox;

/// The element that comes in parts.
#[derive(Debug, Default)]
pub(super) struct Long {
    /// The field, and its value if that is short.
    field: Vec<u8>,
    value: Vec<u8>,
    expire_ms: Option<i64>,
    way: Way,
}

/// What becomes of the bytes that come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// They belong to the field.
    #[default]
    Field,
    /// They are held, since they are few.
    Value,
    /// The words of the command leave.
    Sent,
    /// The field has expired, or was there before.
    LeftOut,
}

impl Typed {
    /// Whether elements of this key may come in parts. Of sets and sorted sets they are held: one that comes twice is left out, and the
    /// score stands before the member.
    pub fn takes_parts(&self) -> bool {
        matches!(self.kind, KeyType::List | KeyType::Hash)
    }

    /// A part of a long element.
    pub fn part(&mut self, outbox: &mut Outbox, part: Part<'_>) {
        match part {
            Part::Begin { what: PartOf::HashField { expire_ms }, .. } => {
                self.long = Long { expire_ms, ..Long::default() };
            }
            Part::Begin { what: PartOf::HashValue, length } => self.begin_value(outbox, length),
            Part::Begin { length, .. } => {
                self.begin_long(outbox, b"RPUSH", length);
                self.long.way = Way::Sent;
            }
            Part::Bytes(bytes) => match self.long.way {
                Way::Field => self.long.field.extend_from_slice(bytes),
                Way::Value => self.long.value.extend_from_slice(bytes),
                Way::Sent => {
                    outbox.batch.bytes.extend_from_slice(bytes);
                    outbox.may_split_command();
                }
                Way::LeftOut => {}
            },
            Part::End { .. } | Part::Dropped => self.end_long(outbox),
        }
    }

    fn begin_value(&mut self, outbox: &mut Outbox, length: u64) {
        let expire_ms = self.choices.field_expiry(self.long.expire_ms);
        let field = std::mem::take(&mut self.long.field);
        self.long.way = if length <= LONG_ELEMENT {
            self.long.field = field;
            Way::Value
        } else if self.is_repeated(&field) {
            Way::LeftOut
        } else if expire_ms.is_some_and(|at| at <= self.now_ms) {
            self.expired_fields += 1;
            Way::LeftOut
        } else {
            self.fields_expire |= expire_ms.is_some() && self.format.field_expiry;
            self.long.field = field;
            self.begin_long(outbox, b"HSET", length);
            Way::Sent
        };
    }

    /// The transaction, and the command in it up to the bytes of the element.
    fn begin_long(&mut self, outbox: &mut Outbox, name: &[u8], length: u64) {
        self.target.direct = false;
        if self.elements > 0 {
            self.send(outbox);
        }
        self.target.begin_chunk(outbox);
        outbox.calls.note_words(name, None);
        let bytes = &mut outbox.batch.bytes;
        put_head(bytes, if name == b"HSET" { 4 } else { 3 });
        put_bulk(bytes, name);
        put_bulk(bytes, self.target.name());
        if name == b"HSET" {
            put_bulk(bytes, &self.long.field);
        }
        bytes.push(b'$');
        put_number(bytes, length);
        bytes.extend_from_slice(b"\r\n");
    }

    fn end_long(&mut self, outbox: &mut Outbox) {
        let Long { field, value, expire_ms, way } = std::mem::take(&mut self.long);
        match way {
            Way::Field | Way::LeftOut => {}
            Way::Value => self.piece(outbox, Piece::HashField { field: &field, value: &value, expire_ms }),
            Way::Sent => {
                outbox.batch.bytes.extend_from_slice(b"\r\n");
                outbox.push(What::Queued, self.target.database, 0, 0, &[]);
                let grow = match self.kind {
                    KeyType::Hash if self.fields_expire => Grow::Unknown,
                    KeyType::Hash => Grow::ByReply,
                    _ => Grow::By(1),
                };
                self.target.end_chunk(outbox, grow);
                self.total += 1;
                if let Some(at) = self.choices.field_expiry(expire_ms)
                    && self.format.field_expiry
                {
                    self.field_expiries = Words::default();
                    self.field_expiries.add(at.to_string().as_bytes());
                    self.field_expiries.add(&field);
                    self.send_field_expiries(outbox);
                }
            }
        }
    }
}
