//! The largest keys: a bounded list.

use std::cmp::Ordering;

use super::digester::Record;
use super::key_type::KeyType;

/// Keys that are kept unless the caller says otherwise.
pub const LARGEST_KEPT: usize = 100;

/// Bytes that are kept of a name; a longer one is cut.
pub const NAME_KEPT: usize = 1024;

/// A large key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeKey {
    /// Number of the database.
    pub database: u64,
    /// Its name, or its first [`NAME_KEPT`] bytes.
    pub name: Vec<u8>,
    /// Bytes of the whole name.
    pub name_length: u64,
    pub key_type: KeyType,
    /// Bytes of name and value in the file.
    pub bytes: u64,
    pub elements: u64,
}

impl LargeKey {
    fn of(record: &Record<'_>) -> Self {
        Self {
            database: record.database,
            name: record.key[..record.key.len().min(NAME_KEPT)].to_vec(),
            name_length: record.key.len() as u64,
            key_type: record.key_type,
            bytes: record.bytes,
            elements: record.elements,
        }
    }

    /// The largest first; among equals by database and name, so that the order of a file does not matter.
    fn order(&self, other: &Self) -> Ordering {
        let rest = |key: &Self| (key.database, key.name_length, key.key_type, key.elements);
        (other.bytes.cmp(&self.bytes))
            .then_with(|| self.name.cmp(&other.name))
            .then_with(|| rest(self).cmp(&rest(other)))
    }
}

/// Up to `limit` keys, the largest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Largest {
    limit: usize,
    /// Sorted up to `limit`; the candidates behind it wait for [`Largest::settle`].
    keys: Vec<LargeKey>,
    /// A key with fewer bytes than this is not among the largest.
    threshold: u64,
}

impl Largest {
    /// A list of at most `limit` keys.
    pub fn new(limit: usize) -> Self {
        Self { limit, keys: Vec::new(), threshold: if limit == 0 { u64::MAX } else { 0 } }
    }

    /// From a list that was kept.
    pub fn from_keys(limit: usize, keys: Vec<LargeKey>) -> Self {
        let mut largest = Self { limit, keys, threshold: 0 };
        largest.settle();
        largest
    }

    /// The keys, largest first.
    pub fn keys(&self) -> &[LargeKey] {
        &self.keys
    }

    /// How many there can be.
    pub fn limit(&self) -> usize {
        self.limit
    }

    #[inline]
    pub(super) fn add(&mut self, record: &Record<'_>) {
        if record.bytes >= self.threshold {
            self.admit(record);
        }
    }

    fn admit(&mut self, record: &Record<'_>) {
        if self.limit == 0 {
            return;
        }
        // Where all keys are of one size each would come in, and be copied: those that would not stay go at once.
        if self.threshold > 0 && record.bytes == self.threshold {
            let last = &self.keys[self.limit - 1];
            if record.key[..record.key.len().min(NAME_KEPT)] > last.name[..] {
                return;
            }
        }
        self.keys.push(LargeKey::of(record));
        // In batches: a list that is sorted anew for every key would cost more than the key.
        if self.keys.len() >= self.limit.saturating_mul(2).max(self.limit.saturating_add(16)) {
            self.settle();
        }
    }

    /// Sorts, cuts, and sets the threshold.
    pub(super) fn settle(&mut self) {
        self.keys.sort_by(LargeKey::order);
        self.keys.truncate(self.limit);
        if self.keys.len() == self.limit {
            self.threshold = self.keys.last().map_or(u64::MAX, |smallest| smallest.bytes);
        }
    }

    /// The largest of both; the smaller limit holds.
    pub fn merged(&self, other: &Self) -> Self {
        let keys = self.keys.iter().chain(&other.keys).cloned().collect();
        Self::from_keys(self.limit.min(other.limit), keys)
    }
}
