//! The most frequent items of a stream, in fixed memory.

use std::collections::HashMap;
use std::hash::Hash;

/// Counts with at most `CAPACITY` counters (Misra and Gries): a count is never too high, and too low by at most
/// `total / (CAPACITY + 1)`.
#[derive(Debug, Clone)]
pub struct Frequent<K, const CAPACITY: usize> {
    counters: HashMap<K, u64>,
}

impl<K: Hash + Eq + Clone, const CAPACITY: usize> Default for Frequent<K, CAPACITY> {
    fn default() -> Self {
        Self { counters: HashMap::new() }
    }
}

impl<K: Hash + Eq + Clone, const CAPACITY: usize> Frequent<K, CAPACITY> {
    /// Counts one item.
    pub fn note(&mut self, item: K) {
        if let Some(count) = self.counters.get_mut(&item) {
            *count += 1;
        } else if self.counters.len() < CAPACITY {
            self.counters.insert(item, 1);
        } else {
            self.counters.retain(|_, count| {
                *count -= 1;
                *count > 0
            });
        }
    }

    /// The most frequent item and a lower bound of its count.
    pub fn top(&self) -> Option<(&K, u64)> {
        self.counters.iter().max_by_key(|(_, count)| **count).map(|(item, count)| (item, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frequent_item_is_found_among_many_rare_ones() {
        let mut frequent: Frequent<u64, 16> = Frequent::default();
        for n in 0..10_000_u64 {
            frequent.note(if n % 5 == 0 { 7 } else { 1000 + n });
        }
        let (item, count) = frequent.top().expect("an item");
        assert_eq!(*item, 7);
        assert!((2000 - 10_000 / 17..=2000).contains(&count), "{count}");
        assert!(frequent.counters.len() <= 16);
    }
}
