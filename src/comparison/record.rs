//! What is remembered of a key.

use crate::census::{KeyType, Record};

/// Bytes that are kept of a name; a longer one is cut.
pub(super) const NAME_KEPT: usize = 64 * 1024;

/// The expiry of a key that never expires.
const NEVER: i64 = i64::MIN;

/// A key without its name. Halves instead of whole numbers, so that it needs no 16-byte alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Compact {
    identity: [u64; 2],
    value: [u64; 2],
    expire_ms: i64,
    /// Type and mark, see below.
    pub kind: u32,
    /// Which of several records of one key came last.
    pub sequence: u32,
}

/// Mark: nothing is in it, see [`Record::emptied`].
const EMPTIED: u32 = 1 << 31;

/// Bytes of [`Compact`] in a run.
pub(super) const COMPACT_LENGTH: usize = 48;

impl Compact {
    pub fn of(record: &Record<'_>, sequence: u32) -> Self {
        // The number of elements is part of the value. Any odd factor keeps different numbers different.
        let count = u128::from(record.elements).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let value = record.value.wrapping_add(count);
        let kind = kind_of(record.key_type) | if record.emptied { EMPTIED } else { 0 };
        Self {
            identity: split(record.identity),
            value: split(value),
            expire_ms: record.expire_ms.unwrap_or(NEVER),
            kind,
            sequence,
        }
    }

    pub fn identity(&self) -> u128 {
        join(self.identity)
    }

    /// By key, and for one key in the order of reading.
    pub fn order(&self) -> (u64, u64, u32) {
        (self.identity[0], self.identity[1], self.sequence)
    }

    pub fn same_type(&self, other: &Self) -> bool {
        self.kind & !EMPTIED == other.kind & !EMPTIED
    }

    pub fn same_value(&self, other: &Self) -> bool {
        self.value == other.value
    }

    pub fn same_expiry(&self, other: &Self, tolerance_ms: u64) -> bool {
        match (self.expire_ms, other.expire_ms) {
            (NEVER, NEVER) => true,
            (NEVER, _) | (_, NEVER) => false,
            (one, two) => one.abs_diff(two) <= tolerance_ms,
        }
    }

    /// Whether it was gone at this moment, by its own expiry or by that of its last field.
    pub fn expired(&self, look_ms: i64) -> bool {
        self.kind & EMPTIED != 0 || (self.expire_ms != NEVER && self.expire_ms < look_ms)
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        for number in [self.identity[0], self.identity[1], self.value[0], self.value[1], self.expire_ms as u64] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.kind.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
    }

    pub fn read(bytes: &[u8; COMPACT_LENGTH]) -> Self {
        let number = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[at * 8..at * 8 + 8]);
            u64::from_le_bytes(eight)
        };
        let last = number(5);
        Self {
            identity: [number(0), number(1)],
            value: [number(2), number(3)],
            expire_ms: number(4) as i64,
            kind: last as u32,
            sequence: (last >> 32) as u32,
        }
    }
}

fn split(number: u128) -> [u64; 2] {
    [(number >> 64) as u64, number as u64]
}

fn join(halves: [u64; 2]) -> u128 {
    u128::from(halves[0]) << 64 | u128::from(halves[1])
}

/// 31 bits for a type: its own number for those that every server has, a hash of the name for the others.
fn kind_of(key_type: KeyType) -> u32 {
    match key_type {
        KeyType::String => 0,
        KeyType::List => 1,
        KeyType::Set => 2,
        KeyType::Zset => 3,
        KeyType::Hash => 4,
        KeyType::Stream => 5,
        other => 16 + (xxhash_rust::xxh3::xxh3_64(other.to_string().as_bytes()) % (EMPTIED as u64 - 16)) as u32,
    }
}
