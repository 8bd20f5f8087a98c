//! Builds plain values from pieces.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_128;

use super::target::Target;
use crate::rdb::opcode::Dialect;
use crate::rdb::types::{Kind, ValueType};
use crate::rdb::value::LATEST_EXPIRY;
use crate::rdb::visit::{Piece, Visit};

/// Appends a length in its shortest form.
pub(super) fn length(out: &mut Vec<u8>, n: u64) {
    match (u8::try_from(n), u16::try_from(n), u32::try_from(n)) {
        (Ok(n @ 0..64), ..) => out.push(n),
        (_, Ok(n @ 0..0x4000), _) => out.extend((n | 0x4000).to_be_bytes()),
        (.., Ok(n)) => {
            out.push(0x80);
            out.extend(n.to_be_bytes());
        }
        _ => {
            out.push(0x81);
            out.extend(n.to_be_bytes());
        }
    }
}

/// Appends a string as it is.
pub(super) fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    length(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Collects the pieces of one value that is not a stream.
#[derive(Debug)]
pub(super) struct Builder {
    kind: Kind,
    text_scores: bool,
    latest: i64,
    items: Vec<u8>,
    count: u64,
    /// Where each field begins in `items`, and its expiry.
    expiries: Vec<(usize, Option<i64>)>,
    seen: HashSet<u128>,
    pub(super) duplicates: u64,
    /// Fields whose expiry is later than the target can write down.
    pub(super) beyond: u64,
}

impl Builder {
    pub(super) fn new(kind: Kind, target: &Target) -> Self {
        Self {
            kind,
            text_scores: target.rdb_version < 8,
            latest: if target.dialect == Dialect::Redis { LATEST_EXPIRY } else { i64::MAX },
            items: Vec::new(),
            count: 0,
            expiries: Vec::new(),
            seen: HashSet::new(),
            duplicates: 0,
            beyond: 0,
        }
    }

    /// Elements, members or fields.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Fields with an expiry of their own.
    pub(super) fn n_expiries(&self) -> u64 {
        self.expiries.iter().filter(|(_, expiry)| expiry.is_some()).count() as u64
    }

    /// When the last field expires, Unix milliseconds; `None`: one of them never does.
    pub(super) fn gone_ms(&self) -> Option<i64> {
        let all = self.expiries.len() as u64 == self.count && self.beyond == 0;
        let expiries = self.expiries.iter().filter(|_| all).map(|(_, expiry)| *expiry);
        expiries.collect::<Option<Vec<i64>>>()?.into_iter().max()
    }

    /// The body for a plain type.
    pub(super) fn body(&self, value_type: ValueType) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.items.len() + 32 + 9 * self.expiries.len());
        if self.kind == Kind::String {
            string(&mut body, &self.items);
            return body;
        }
        let earliest = self.expiries.iter().filter_map(|(_, expiry)| *expiry).min().unwrap_or(0);
        if value_type == ValueType::HASH_METADATA {
            body.extend(earliest.to_le_bytes());
        }
        length(&mut body, self.count);
        if !matches!(value_type, ValueType::HASH_METADATA | ValueType::HASH_22) {
            body.extend_from_slice(&self.items);
            return body;
        }
        let ends = self.expiries.iter().skip(1).map(|(start, _)| *start).chain([self.items.len()]);
        for ((start, expiry), end) in self.expiries.iter().zip(ends) {
            if value_type == ValueType::HASH_METADATA {
                length(&mut body, expiry.map_or(0, |expiry| expiry.abs_diff(earliest) + 1));
            }
            body.extend_from_slice(&self.items[*start..end]);
            if value_type == ValueType::HASH_22 {
                body.extend(expiry.unwrap_or(-1).to_le_bytes());
            }
        }
        body
    }

    /// True the first time. Servers find the first of two in a packed encoding, and refuse the second in a plain one.
    fn is_new(&mut self, name: &[u8]) -> bool {
        let is_new = self.seen.insert(xxh3_128(name));
        if is_new {
            self.count += 1;
        } else {
            self.duplicates += 1;
        }
        is_new
    }
}

impl Visit for Builder {
    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::String(part) => self.items.extend_from_slice(part),
            Piece::ListElement(element) => {
                self.count += 1;
                string(&mut self.items, element);
            }
            Piece::SetMember(member) if self.is_new(member) => string(&mut self.items, member),
            // No server keeps a member without a score.
            Piece::ZsetMember { score, .. } if score.is_nan() => {}
            Piece::ZsetMember { member, score } if self.is_new(member) => {
                string(&mut self.items, member);
                if self.text_scores {
                    text_score(&mut self.items, score);
                } else {
                    self.items.extend(score.to_le_bytes());
                }
            }
            Piece::HashField { field, value, expire_ms } if self.is_new(field) => {
                let expiry = expire_ms.filter(|expiry| *expiry <= self.latest);
                self.beyond += u64::from(expiry != expire_ms);
                // Zero means none in Redis; both are long past.
                self.expiries.push((self.items.len(), expiry.map(|expiry| expiry.max(1))));
                string(&mut self.items, field);
                string(&mut self.items, value);
            }
            _ => {}
        }
    }
}

fn text_score(out: &mut Vec<u8>, score: f64) {
    if score.is_infinite() {
        out.push(if score > 0.0 { 254 } else { 255 });
        return;
    }
    // The shortest text that is read back as the same bits; with an exponent it has at most 24 bytes.
    let text = format!("{score:e}");
    out.push(u8::try_from(text.len()).expect("a double has at most 24 digits and signs"));
    out.extend_from_slice(text.as_bytes());
}
