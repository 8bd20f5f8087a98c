//! A visitor that hears everything and keeps a digest of it.

use std::fmt::{self, Debug, Write as _};

use redis_ops::rdb::Dialect;
use redis_ops::rdb::visit::{ArrayValue, Checksum, Entry, EntryEnd, Interest, Piece, Visit};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

/// Digests all it is told, strings and raw bytes joined: it does not matter how the bytes were cut.
pub struct Hearing {
    interest: Interest,
    all: Words,
    string: Xxh3Default,
    raw: Xxh3Default,
    raw_length: u64,
    /// Bytes of content that were told, but of values whose form repeats names.
    pub heard: u64,
    repeats: bool,
    /// The hash that was told of the next field.
    field: Option<u128>,
}

struct Words(Xxh3Default);

impl fmt::Write for Words {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

impl Hearing {
    pub fn new(raw: bool, pieces: bool) -> Self {
        let hash = Xxh3Default::new;
        Self {
            interest: Interest { raw, pieces },
            all: Words(hash()),
            string: hash(),
            raw: hash(),
            raw_length: 0,
            heard: 0,
            repeats: false,
            field: None,
        }
    }

    /// Of everything but parts of a value that is not at its end.
    pub fn digest(&self) -> u128 {
        self.all.0.digest128()
    }

    /// Of the parts of a string that no [`Visit::entry_end`] has ended.
    pub fn string_digest(&self) -> u128 {
        self.string.digest128()
    }

    fn note(&mut self, what: impl Debug) {
        write!(self.all, "{what:?};").expect("a hash takes everything");
    }
}

impl Visit for Hearing {
    fn header(&mut self, dialect: Dialect, version: u32) {
        self.note((dialect, version));
    }
    fn aux(&mut self, name: &[u8], value: &[u8]) {
        self.note((name, value));
    }
    fn database(&mut self, index: u64) {
        self.note(index);
    }
    fn resize_hint(&mut self, keys: u64, expires: u64) {
        self.note(("hint", keys, expires));
    }
    fn slot_info(&mut self, slot: u64, keys: u64, expires: u64) {
        self.note((slot, keys, expires));
    }
    fn function(&mut self, source: &[u8]) {
        self.note(source);
    }
    fn wants_module_aux(&self) -> bool {
        true
    }
    fn module_aux(&mut self, module: u64, when: u64, raw: &[u8]) {
        self.note((module, when, raw));
    }
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        self.note(entry);
        self.repeats = matches!(entry.value_type.0, 15 | 19 | 21 | 26 | 27 | 29..=32);
        (self.string, self.raw, self.raw_length) = (Xxh3Default::new(), Xxh3Default::new(), 0);
        self.interest
    }
    fn raw(&mut self, bytes: &[u8]) {
        assert!(self.interest.raw && !bytes.is_empty());
        self.raw.update(bytes);
        self.raw_length += bytes.len() as u64;
    }
    fn piece(&mut self, piece: Piece<'_>) {
        assert!(self.interest.pieces);
        if !self.repeats {
            self.heard += content(&piece);
        }
        if let Some(hash) = self.field.take() {
            match piece {
                Piece::HashField { field, .. } | Piece::StreamField { field, .. } => {
                    assert_eq!(xxh3_128(field), hash);
                }
                _ => panic!("the hash of a field, and no field"),
            }
        }
        match piece {
            Piece::String(part) => self.string.update(part),
            Piece::ZsetMember { score, .. } => {
                assert!(!score.is_nan());
                self.note(piece);
            }
            piece => self.note(piece),
        }
    }
    fn long_field(&mut self, hash: u128) {
        assert!(self.interest.pieces && self.field.replace(hash).is_none());
    }
    fn entry_end(&mut self, end: &EntryEnd) {
        assert!(!self.interest.raw || self.raw_length == end.raw_length);
        let (string, raw) = (self.string.digest128(), self.raw.digest128());
        self.note((end, string, raw));
    }
    fn end(&mut self, checksum: Checksum) {
        self.note(checksum);
    }
}

fn content(piece: &Piece<'_>) -> u64 {
    let n = match piece {
        Piece::String(bytes) | Piece::ListElement(bytes) | Piece::SetMember(bytes) | Piece::ModuleString(bytes) => {
            bytes.len()
        }
        Piece::HashField { field, value, .. } => field.len() + value.len(),
        Piece::ZsetMember { member, .. } => member.len(),
        Piece::ArrayElement { value: ArrayValue::Bytes(bytes), .. } => bytes.len(),
        _ => 0,
    };
    n as u64
}
