//! The same key twice in one database: servers end with an error, or abort, when they load such a file.

use xxhash_rust::xxh3::xxh3_128;

use super::visit::{Entry, Interest, Visit};

/// A mark is a key's hash (80 bits) above its value's offset (48 bits: 256 TiB).
const OFFSET_BITS: u32 = 48;
const LAST_OFFSET: u64 = (1 << OFFSET_BITS) - 1;

/// Marks are kept in so many groups, by the highest bits of the hash, 2^10. To look a key up at once, in a table of all keys,
/// would wait for memory longer than reading the key takes; what is needed to search a group fits the processor's cache.
const GROUP_BITS: u32 = 10;

/// So many marks wait for their groups: added in a row, they wait for memory together.
const WAITING: usize = 1024;

/// A visitor that remembers a mark of every key, up to a limit, and finds keys that come twice once all have come.
#[derive(Debug)]
pub struct DuplicateKeys {
    waiting: Vec<u128>,
    groups: Vec<Vec<u128>>,
    /// From which offset on which database.
    databases: Vec<(u64, u64)>,
    /// The hash of the last of them, which is added to that of its keys. (As a seed it would not do: XXH3 mixes a seed and a short
    /// key so that another seed with another key gives the same.)
    database_hash: u128,
    most: u64,
    remembered: u64,
    unchecked: u64,
}

/// Keys that stand in the file more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Duplicates {
    /// How many keys were found again: one that stands there three times counts twice.
    pub count: u64,
    /// The one that comes again first.
    pub first: Option<DuplicateKey>,
    /// Keys beyond the limit: whether they stand there twice was not looked for.
    pub unchecked: u64,
}

/// A key that stands in the file more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DuplicateKey {
    /// Number of its database.
    pub database: u64,
    /// Offset of its second value.
    pub value_offset: u64,
}

impl DuplicateKeys {
    /// Remembers at most so many keys, at 16 to 20 bytes each.
    pub fn new(most: u64) -> Self {
        let (waiting, groups) = (Vec::with_capacity(WAITING), vec![Vec::new(); 1 << GROUP_BITS]);
        Self { waiting, groups, databases: Vec::new(), database_hash: 0, most, remembered: 0, unchecked: 0 }
    }

    /// What was found.
    pub fn finish(mut self) -> Duplicates {
        self.distribute();
        let (mut count, mut first) = (0, u64::MAX);
        for group in &self.groups {
            for pair in suspects(group).array_windows::<2>() {
                if hash_of(pair[0]) == hash_of(pair[1]) {
                    count += 1;
                    first = first.min(offset_of(pair[1]));
                }
            }
        }
        let first = (count > 0).then(|| {
            let index = self.databases.partition_point(|(from, _)| *from <= first);
            let database = index.checked_sub(1).map_or(0, |index| self.databases[index].1);
            DuplicateKey { database, value_offset: first }
        });
        Duplicates { count, first, unchecked: self.unchecked }
    }

    fn distribute(&mut self) {
        for mark in self.waiting.drain(..) {
            let group = &mut self.groups[(mark >> (128 - GROUP_BITS)) as usize];
            if group.len() == group.capacity() {
                // Doubling would hold twice of what is needed just when there is most of it.
                group.reserve_exact((group.len() / 4).max(64));
            }
            group.push(mark);
        }
    }
}

fn mark(hash: u128, offset: u64) -> u128 {
    hash >> OFFSET_BITS << OFFSET_BITS | u128::from(offset & LAST_OFFSET)
}

fn hash_of(mark: u128) -> u128 {
    mark >> OFFSET_BITS
}

fn offset_of(mark: u128) -> u64 {
    mark as u64 & LAST_OFFSET
}

/// The marks of a group that may have their like in it, sorted. Few are left, since a mark that has a bit of its own among 32
/// times as many has no like; where somebody made hashes that share one, all are sorted, and that takes no longer than sorting.
fn suspects(group: &[u128]) -> Vec<u128> {
    let bits = (group.len() * 32).next_power_of_two().trailing_zeros();
    // The group has used the highest bits up.
    let bit_of = |mark: &u128| ((mark << GROUP_BITS) >> (128 - bits)) as usize;
    let (mut once, mut twice) = (vec![0_u64; (1 << bits) / 64 + 1], vec![0_u64; (1 << bits) / 64 + 1]);
    for mark in group {
        let (word, bit) = (bit_of(mark) / 64, 1 << (bit_of(mark) % 64));
        twice[word] |= once[word] & bit;
        once[word] |= bit;
    }
    let shares = |mark: &&u128| twice[bit_of(mark) / 64] >> (bit_of(mark) % 64) & 1 == 1;
    let mut suspects: Vec<u128> = group.iter().filter(shares).copied().collect();
    suspects.sort_unstable();
    suspects
}

impl Visit for DuplicateKeys {
    #[inline]
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        if self.remembered == self.most {
            self.unchecked += 1;
            return Interest::default();
        }
        self.remembered += 1;
        if self.databases.last().is_none_or(|(_, database)| *database != entry.database) {
            self.databases.push((entry.value_offset, entry.database));
            self.database_hash = xxh3_128(&entry.database.to_le_bytes());
        }
        let hash = xxh3_128(entry.key).wrapping_add(self.database_hash);
        if self.waiting.len() == WAITING {
            self.distribute();
        }
        self.waiting.push(mark(hash, entry.value_offset));
        Interest::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::opcode::ValueType;

    /// Keys by database and name; their values stand ten bytes apart, the first at 10.
    fn found(most: u64, keys: &[(u64, &[u8])]) -> Duplicates {
        let mut duplicates = DuplicateKeys::new(most);
        for (number, (database, key)) in keys.iter().enumerate() {
            duplicates.entry(&Entry {
                database: *database,
                key,
                value_type: ValueType::STRING,
                expire_ms: None,
                idle_seconds: None,
                frequency: None,
                key_meta: None,
                value_offset: 10 * (number as u64 + 1),
            });
        }
        duplicates.finish()
    }

    #[test]
    fn a_key_that_comes_again_is_found_where_it_does() {
        let long = [b'k'; 1000];
        let nothing = Duplicates::default();
        assert_eq!(found(9, &[]), nothing);
        // Found by the fuzzer: with the database as seed these two have one hash.
        assert_eq!(found(9, &[(0, b"key:8"), (1, b"jey:9")]), nothing);
        assert_eq!(found(9, &[(0, b"a"), (0, b"b"), (1, b"a"), (0, b""), (1, b""), (1, &long), (2, &long)]), nothing);
        let twice = [(0, &b"a"[..]), (7, b"b"), (7, b"c"), (7, b"b"), (0, b"a")];
        let first = Some(DuplicateKey { database: 7, value_offset: 40 });
        assert_eq!(found(9, &twice), Duplicates { count: 2, first, unchecked: 0 });
        let often = [(3, &long[..]), (3, &long), (3, &long)];
        let first = Some(DuplicateKey { database: 3, value_offset: 20 });
        assert_eq!(found(9, &often), Duplicates { count: 2, first, unchecked: 0 });
        assert_eq!(found(1, &often), Duplicates { count: 0, first: None, unchecked: 2 });
    }

    #[test]
    fn one_key_in_many_is_found() {
        let names: Vec<[u8; 4]> = (0..100_000_u32).map(u32::to_le_bytes).collect();
        let mut keys: Vec<(u64, &[u8])> = names.iter().map(|name| (0, &name[..])).collect();
        assert_eq!(found(u64::MAX, &keys), Duplicates::default());
        keys.push((0, &names[777]));
        let first = Some(DuplicateKey { database: 0, value_offset: 1_000_010 });
        assert_eq!(found(u64::MAX, &keys), Duplicates { count: 1, first, unchecked: 0 });
    }

    #[test]
    fn hashes_that_share_most_of_their_bits_are_told_apart() {
        let marks: Vec<u128> = (0..5000).map(|number| mark(u128::MAX << 64 | number << OFFSET_BITS, 1)).collect();
        let suspects = suspects(&marks);
        assert_eq!(suspects.len(), marks.len());
        assert!(suspects.array_windows::<2>().all(|[one, other]| hash_of(*one) < hash_of(*other)));
    }
}
