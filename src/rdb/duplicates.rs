//! The same key twice in one database: servers end with an error, or abort, when they load such a file.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::Xxh3Default;

use super::visit::{Entry, Interest, Visit};

/// A visitor that remembers a hash of 128 bits of every key, up to a limit, and finds keys that come twice.
#[derive(Debug, Default)]
pub struct DuplicateKeys {
    seen: HashSet<u128, BuildHasherDefault<Already>>,
    most: usize,
    unchecked: u64,
    first: Option<DuplicateKey>,
    count: u64,
}

/// A key that stands in the file more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateKey {
    /// Number of its database.
    pub database: u64,
    /// Its name.
    pub key: Vec<u8>,
    /// Offset of its second value.
    pub value_offset: u64,
}

/// The keys are hashes already.
#[derive(Debug, Default)]
struct Already(u64);

impl Hasher for Already {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for (index, byte) in bytes.iter().enumerate() {
            self.0 ^= u64::from(*byte) << (index % 8 * 8);
        }
    }

    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}

impl DuplicateKeys {
    /// Remembers at most so many keys, at about 20 to 40 bytes each.
    pub fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// How many keys were found again.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The first key that was found again.
    pub fn first(&self) -> Option<&DuplicateKey> {
        self.first.as_ref()
    }

    /// Keys beyond the limit that were not remembered: two of these being the same was not noticed.
    pub fn unchecked(&self) -> u64 {
        self.unchecked
    }
}

impl Visit for DuplicateKeys {
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        let mut hash = Xxh3Default::new();
        hash.update(&entry.database.to_le_bytes());
        hash.update(entry.key);
        let hash = hash.digest128();
        if self.seen.contains(&hash) {
            self.count += 1;
            self.first.get_or_insert_with(|| DuplicateKey {
                database: entry.database,
                key: entry.key.to_vec(),
                value_offset: entry.value_offset,
            });
        } else if self.seen.len() < self.most {
            self.seen.insert(hash);
        } else {
            self.unchecked += 1;
        }
        Interest::default()
    }
}
