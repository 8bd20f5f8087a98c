//! Elements that are too long to be held: their command leaves in parts. A member of a set or a sorted set waits in a temporary file
//! until it is known that it was not there before, and what its score is.

use xxhash_rust::xxh3::Xxh3;

use super::{Typed, Words};
use crate::census::KeyType;
use crate::rdb::Spool;
use crate::rdb::visit::{LONG_ELEMENT, Part, PartOf, Piece};
use crate::restore::replay::batch::{Grow, What, put_bulk, put_head, put_number};
use crate::restore::replay::outbox::Outbox;

/// Why a key is not made whose long member could not be read back.
const NOT_KEPT: &str = "a long member could not be kept in a temporary file";

/// The element that comes in parts.
#[derive(Debug, Default)]
pub(super) struct Long {
    /// The field, and its value if that is short.
    field: Vec<u8>,
    value: Vec<u8>,
    expire_ms: Option<i64>,
    member: Option<Box<Member>>,
    way: Way,
    /// Bytes that were announced and have not left.
    left: u64,
}

/// A member that waits.
#[derive(Default)]
struct Member {
    spool: Spool,
    hash: Xxh3,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Member of {} bytes", self.spool.length())
    }
}

/// What becomes of the bytes that come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// They belong to the field.
    #[default]
    Field,
    /// They are held, since they are few.
    Value,
    /// They wait until their member is complete.
    Member,
    /// The words of the command leave.
    Sent,
    /// The field has expired, or was there before.
    LeftOut,
}

impl Typed {
    /// Whether elements of this key may come in parts.
    pub fn takes_parts(&self) -> bool {
        matches!(self.kind, KeyType::List | KeyType::Hash | KeyType::Set | KeyType::Zset | KeyType::Stream)
    }

    /// A part of a long element.
    pub fn part(&mut self, outbox: &mut Outbox, part: Part<'_>) {
        if self.kind == KeyType::Stream {
            return self.stream.part(outbox, &mut self.target, part);
        }
        match part {
            Part::Begin { what: PartOf::SetMember | PartOf::ZsetMember, .. } => {
                self.long = Long { member: Some(Box::default()), way: Way::Member, ..Long::default() };
            }
            Part::Begin { what: PartOf::HashField { expire_ms }, .. } => {
                self.long = Long { expire_ms, ..Long::default() };
            }
            Part::Begin { what: PartOf::HashValue, length } => self.begin_value(outbox, length),
            Part::Begin { length, .. } => {
                self.begin_long(outbox, b"RPUSH", None, length);
                (self.long.way, self.long.left) = (Way::Sent, length);
            }
            Part::Bytes(bytes) => match self.long.way {
                Way::Field => self.long.field.extend_from_slice(bytes),
                Way::Value => self.long.value.extend_from_slice(bytes),
                Way::Member => {
                    if let Some(member) = &mut self.long.member {
                        member.hash.update(bytes);
                        member.spool.put(bytes);
                    }
                }
                Way::Sent => send_part(outbox, bytes, &mut self.long.left),
                Way::LeftOut => {}
            },
            Part::End { score } if self.long.way == Way::Member => self.end_member(outbox, score),
            // No server keeps a member without a score.
            Part::Dropped if self.long.way == Way::Member => self.long = Long::default(),
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
            self.has_repeated = true;
            Way::LeftOut
        } else if expire_ms.is_some_and(|at| at <= self.now_ms) {
            Way::LeftOut
        } else {
            self.fields_expire |= expire_ms.is_some() && self.format.field_expiry;
            self.long.field = field;
            let field = std::mem::take(&mut self.long.field);
            self.begin_long(outbox, b"HSET", Some(&field), length);
            (self.long.field, self.long.left) = (field, length);
            Way::Sent
        };
    }

    /// The transaction, and the command in it up to the bytes of the element.
    fn begin_long(&mut self, outbox: &mut Outbox, name: &[u8], before: Option<&[u8]>, length: u64) {
        self.target.at_once = false;
        if self.elements > 0 {
            self.send(outbox);
        }
        self.target.begin_chunk(outbox);
        outbox.calls.note_words(name, None);
        let bytes = &mut outbox.batch.bytes;
        put_head(bytes, 3 + usize::from(before.is_some()));
        put_bulk(bytes, name);
        put_bulk(bytes, &self.target.temporary);
        if let Some(before) = before {
            put_bulk(bytes, before);
        }
        bytes.push(b'$');
        put_number(bytes, length);
        bytes.extend_from_slice(b"\r\n");
    }

    /// The member is complete, and is sent unless it was there before.
    fn end_member(&mut self, outbox: &mut Outbox, score: Option<f64>) {
        let Some(member) = std::mem::take(&mut self.long).member else { return };
        if self.is_repeated_hash(member.hash.digest128()) || score.is_some_and(f64::is_nan) {
            return;
        }
        let length = member.spool.length();
        let mut text = [0; 40];
        match score {
            Some(score) => self.begin_long(outbox, b"ZADD", Some(super::words::score(score, &mut text)), length),
            None => self.begin_long(outbox, b"SADD", None, length),
        }
        let mut left = length;
        let is_whole = member.spool.read(0, length, |bytes| send_part(outbox, bytes, &mut left));
        complete(outbox, left);
        outbox.batch.bytes.extend_from_slice(b"\r\n");
        outbox.push(What::Queued, self.target.database, 0, 0, &[]);
        self.target.end_chunk(outbox, Grow::ByReply);
        self.total += 1;
        if !is_whole {
            self.spoil(outbox, NOT_KEPT);
        }
    }

    fn end_long(&mut self, outbox: &mut Outbox) {
        let Long { field, value, expire_ms, way, left, .. } = std::mem::take(&mut self.long);
        match way {
            Way::Field | Way::LeftOut | Way::Member => {}
            Way::Value => self.piece(outbox, Piece::HashField { field: &field, value: &value, expire_ms }),
            Way::Sent => {
                complete(outbox, left);
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

/// Bytes of a word of which `left` have not left.
pub(super) fn send_part(outbox: &mut Outbox, bytes: &[u8], left: &mut u64) {
    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    outbox.batch.bytes.extend_from_slice(&bytes[..n]);
    *left -= n as u64;
    outbox.may_split_command();
}

/// The bytes of a word that never came, since its value is damaged: the command has to have them, and its key is not made.
pub(super) fn complete(outbox: &mut Outbox, mut left: u64) {
    while left > 0 {
        send_part(outbox, &[0; 4096], &mut left);
    }
}
