//! The last keys that SCAN gave, as hashes.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_128;

/// How many are remembered: 900,000 of 16 bytes, which the set and the queue hold in about 32 MiB.
const WINDOW: usize = 900_000;

/// A window over the keys. 128 bits: that two different keys are taken for one is less likely than that the memory errs.
#[derive(Default)]
pub(super) struct Recent {
    set: HashSet<u128, BuildHasherDefault<Already>>,
    queue: VecDeque<u128>,
}

impl Recent {
    /// Whether the key was not there yet; it is from now on.
    pub(super) fn insert(&mut self, key: &[u8]) -> bool {
        let hash = xxh3_128(key);
        if !self.set.insert(hash) {
            return false;
        }
        self.queue.push_back(hash);
        if self.queue.len() > WINDOW
            && let Some(oldest) = self.queue.pop_front()
        {
            self.set.remove(&oldest);
        }
        true
    }
}

/// What is hashed is a hash already.
#[derive(Default)]
struct Already(u64);

impl Hasher for Already {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // `u128` is hashed by `write_u128`; this serves whatever else might come.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_new_once_within_the_window() {
        let mut recent = Recent::default();
        assert!(recent.insert(b"a") && recent.insert(b"") && recent.insert(b"b"));
        assert!(!recent.insert(b"a") && !recent.insert(b""));
    }

    #[test]
    fn memory_is_bounded_by_forgetting_the_oldest() {
        let mut recent = Recent::default();
        for index in 0..=WINDOW as u64 {
            assert!(recent.insert(&index.to_le_bytes()));
        }
        assert_eq!((recent.set.len(), recent.queue.len()), (WINDOW, WINDOW));
        assert!(!recent.insert(&1_u64.to_le_bytes()), "the second is still known");
        assert!(recent.insert(&0_u64.to_le_bytes()), "the first is forgotten");
    }
}
