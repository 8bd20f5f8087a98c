//! How many bytes go over the wire for keys, by each of the two methods that go key by key: what `--rate` counts. A small key takes several
//! times as much of it as of the RDB.
//!
//! What is reckoned here is what `replay::assemble::payload` and `typed` send.

use crate::census::KeyType;
use crate::rdb::visit::{Entry, EntryEnd, Part, Piece};

/// Bytes that go over the wire for keys of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Bytes of a RESTORE for each key.
    pub restore: u64,
    /// Bytes of typed commands, such as HSET.
    pub commands: u64,
}

/// `REPLACE` as a word of a RESTORE.
pub const REPLACE: u64 = bulk(7);

/// The brackets of a transaction: `MULTI` and `EXEC`.
const TRANSACTION: u64 = 4 + bulk(5) + 4 + bulk(4);
/// An expiry in milliseconds since 1970, in digits.
const TIME: u64 = 13;
/// The id of a stream entry, in digits.
const STREAM_ID: u64 = 15;
/// What the name of a temporary key has beside the key's.
const TEMPORARY: u64 = 35;
/// Elements, and bytes of them, after which a command is sent.
const PER_COMMAND: (u64, u64) = (1024, 256 * 1024);

/// A word of a command as it is sent.
const fn bulk(length: u64) -> u64 {
    5 + digits(length) + length
}

const fn digits(number: u64) -> u64 {
    match number.checked_ilog10() {
        Some(log) => log as u64 + 1,
        None => 1,
    }
}

impl Amount {
    /// What so many keys take, as far as a manifest tells: `bytes` of the RDB, keys that expire, and how many of all are strings.
    pub fn estimated(bytes: u64, keys: u64, expires: u64, strings: u64) -> Self {
        let key = Key { name: 0, expires: false, marks: 0 };
        let expiry = bulk(TIME) - bulk(1);
        let restore = bytes + keys * key.restored(0) + expires * expiry;
        let others = keys.saturating_sub(strings);
        let (of_string, of_other) = (key.set(0), key.published(0));
        let commands = bytes + strings * of_string + others * of_other + expires * (bulk(4) + bulk(TIME));
        Self { restore, commands }
    }
}

/// A key that is being read.
#[derive(Debug, Clone, Copy, Default)]
struct Key {
    /// Bytes of its name.
    name: u64,
    expires: bool,
    /// Bytes of the words that tell when the key was used.
    marks: u64,
}

impl Key {
    /// `RESTORE key ttl payload ABSTTL`, with so many bytes of the value.
    const fn restored(self, value: u64) -> u64 {
        let ttl = if self.expires { TIME } else { 1 };
        // The type stands before the value, version and CRC64 behind it.
        4 + bulk(7) + bulk(self.name) + bulk(ttl) + bulk(1 + value + 10) + bulk(6) + self.marks
    }

    /// `SET key value NX PXAT time`.
    const fn set(self, value: u64) -> u64 {
        let expiry = if self.expires { bulk(4) + bulk(TIME) } else { 0 };
        4 + bulk(3) + bulk(self.name) + bulk(value) + bulk(2) + expiry
    }

    const fn temporary(self) -> u64 {
        bulk(self.name + TEMPORARY)
    }

    /// The transaction that writes a value under a temporary name and renames it, with so many bytes of words.
    const fn published(self, words: u64) -> u64 {
        let expiry = if self.expires { 4 + bulk(9) + self.temporary() + bulk(TIME) } else { 0 };
        let written = 5 + bulk(4) + self.temporary() + words;
        let renamed = 4 + bulk(8) + self.temporary() + bulk(self.name);
        TRANSACTION + written + expiry + renamed + 4 + bulk(6) + self.temporary()
    }

    /// One more transaction for a part of a value that is too long for one command.
    const fn chunk(self) -> u64 {
        TRANSACTION + 3 * (4 + bulk(6) + self.temporary()) + 5 + bulk(4) + self.temporary()
    }
}

/// Weighs the keys that go by. A value is taken by its length in the file, or exactly, by its pieces.
#[derive(Debug, Default)]
pub(super) struct Scales {
    /// Values are looked into: strings and packed blobs are compressed in the file, and are not in typed commands.
    pub is_exact: bool,
    key: Key,
    /// Bytes of the words that were told of the value; of a string without the frame of its one word.
    told: u64,
}

impl Scales {
    /// A key begins.
    pub fn begin(&mut self, entry: &Entry<'_>, expires: bool) {
        let marks = match (entry.idle_seconds, entry.frequency) {
            (Some(seconds), _) => bulk(8) + bulk(digits(seconds)),
            (None, Some(_)) => bulk(4) + bulk(3),
            (None, None) => 0,
        };
        self.key = Key { name: entry.key.len() as u64, expires, marks };
        self.told = 0;
    }

    /// A part of its value.
    pub fn piece(&mut self, piece: &Piece<'_>) {
        let length = |bytes: &[u8]| bulk(bytes.len() as u64);
        self.told += match piece {
            Piece::String(bytes) => bytes.len() as u64,
            Piece::ListElement(element) => length(element),
            Piece::SetMember(member) => length(member),
            Piece::ZsetMember { member, score } => length(member) + bulk(score_digits(*score)),
            Piece::HashField { field, value, expire_ms } => {
                // `HPEXPIREAT key time FIELDS 1 field`
                let expiry = 4 + bulk(10) + self.key.temporary() + bulk(TIME) + bulk(6) + bulk(1) + length(field);
                length(field) + length(value) + if expire_ms.is_some() { expiry } else { 0 }
            }
            Piece::StreamEntry { .. } => 5 + bulk(4) + self.key.temporary() + bulk(STREAM_ID),
            Piece::StreamField { field, value } => length(field) + length(value),
            // `XGROUP CREATE key name id ENTRIESREAD n`, `XGROUP CREATECONSUMER key group name`, `XCLAIM …`
            Piece::StreamGroup { name, .. } => 80 + self.key.temporary() + length(name),
            Piece::StreamConsumer { name, .. } => 60 + self.key.temporary() + length(name),
            Piece::StreamPending { .. } => 120 + self.key.temporary(),
            Piece::StreamInfo(_) => 100 + self.key.temporary(),
            _ => 0,
        };
    }

    /// A part of an element that is long.
    pub fn part(&mut self, part: &Part<'_>) {
        if let Part::Begin { length, .. } = part {
            self.told += bulk(*length);
        }
    }

    /// The value was read to its end.
    pub fn end(&self, key_type: KeyType, end: &EntryEnd, amount: &mut Amount) {
        let (key, length, elements) = (self.key, end.raw_length, end.n_elements);
        amount.restore += key.restored(length);
        let frame = bulk(0);
        let words = match key_type {
            _ if self.is_exact => self.told,
            KeyType::String => length,
            KeyType::Zset | KeyType::Hash => length + 2 * elements * frame,
            KeyType::Stream => length + elements * (5 + bulk(4) + key.temporary() + bulk(STREAM_ID)),
            _ => length + elements * frame,
        };
        amount.commands += match key_type {
            KeyType::String if words <= PER_COMMAND.1 => key.set(words),
            // Never in one transaction: entries, then what the stream says of itself, then its name.
            KeyType::Stream => key.published(words) + key.chunk() * (2 + elements / PER_COMMAND.0),
            _ => key.published(words) + (elements / PER_COMMAND.0).max(words / PER_COMMAND.1) * key.chunk(),
        };
    }
}

/// About as many digits as a score is written with.
fn score_digits(score: f64) -> u64 {
    match score.fract() == 0.0 && score.abs() < 1e15 {
        true => digits(score.abs() as u64) + u64::from(score < 0.0),
        false => 17,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_as_long_as_it_is_sent() {
        for word in [b"".as_slice(), b"a", b"0123456789", &[b'x'; 1000]] {
            let mut bytes = Vec::new();
            crate::restore::replay::batch::put_bulk(&mut bytes, word);
            assert_eq!(bulk(word.len() as u64), bytes.len() as u64, "{}", word.len());
        }
    }
}
