//! Finds a key that stands twice in one database: servers end with an error, or abort, when they load such a file.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_128;

use super::visit::{Entry, Interest, Visit};

/// Keys are kept in so many groups, by the highest bits of their hash, 2^9. To look a key up at once, in a table of all keys,
/// would wait for memory longer than reading the key takes; what is needed to search a group fits the processor's cache.
const GROUP_BITS: u32 = 9;
const GROUPS: usize = 1 << GROUP_BITS;

/// Keys of a group that are gathered before they are put away together: 200 KiB for all groups, which the processor's cache
/// holds, so that no key waits for memory.
const RUN: usize = 32;

/// Runs that are allocated at a time (400 KiB). They are never moved: growing by copying would cost as much as hashing.
const SLAB: usize = 1 << 10;

/// A visitor that remembers every key, up to a limit, and finds those that come twice once all have come.
///
/// Of a key are remembered 73 bits of its hash, nine of them by its group, and the offset of its value: among 100 million keys two
/// look alike once in two million files.
#[derive(Debug)]
pub struct DuplicateKeys {
    gathered: Vec<Run>,
    put_away: Vec<Vec<Run>>,
    /// Of which group each run is that was put away.
    owners: Vec<u16>,
    /// From which offset on which database.
    databases: Vec<(u64, u64)>,
    /// The hash of the last of them, which is added to that of its keys. (As a seed it would not do: XXH3 mixes a seed and a short
    /// key so that another seed with another key gives the same.)
    database_hash: u128,
    most: u64,
    remembered: u64,
    unchecked: u64,
}

/// Some keys of one group, in the order of the file.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// What follows in their hash on the bits of the group.
    tags: [u64; RUN],
    /// How far behind the first of them their values stand.
    distances: [u32; RUN],
    /// Offset of the first one's value.
    first: u64,
    length: usize,
}

const EMPTY: Run = Run { tags: [0; RUN], distances: [0; RUN], first: 0, length: 0 };

impl Run {
    fn tags(&self) -> &[u64] {
        &self.tags[..self.length]
    }

    fn keys(&self) -> impl Iterator<Item = Key> {
        let distances = self.distances.iter().map(|distance| u64::from(*distance));
        self.tags().iter().zip(distances).map(|(tag, distance)| Key { tag: *tag, value_offset: self.first + distance })
    }
}

/// A key of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    tag: u64,
    value_offset: u64,
}

/// Keys that stand in the file more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Duplicates {
    /// How many keys were found again: one that stands there three times counts twice.
    pub count: u64,
    /// The first key that comes a second time.
    pub first: Option<DuplicateKey>,
    /// Keys beyond the limit: whether they stand there twice was not looked for.
    pub unchecked: u64,
}

/// The most values of repeated keys that are compared.
pub const REPEATED_AT_MOST: usize = 10_000;

/// Which values belong to keys that stand in the file more than once: the offset of each value, and of the first value of the same key.
pub type Repeated = BTreeMap<u64, u64>;

/// A key that stands in the file more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DuplicateKey {
    /// Number of its database.
    pub database: u64,
    /// Offset of its second value.
    pub value_offset: u64,
}

impl DuplicateKeys {
    /// Remembers at most so many keys, at 12.5 bytes each and a MiB in all.
    pub fn new(most: u64) -> Self {
        Self {
            gathered: vec![EMPTY; GROUPS],
            put_away: Vec::new(),
            owners: Vec::new(),
            databases: Vec::new(),
            database_hash: 0,
            most,
            remembered: 0,
            unchecked: 0,
        }
    }

    /// What was found.
    pub fn finish(self) -> Duplicates {
        self.finish_with_offsets().0
    }

    /// What was found, and which values those are; of more than [`REPEATED_AT_MOST`] only the count is known.
    pub fn finish_with_offsets(self) -> (Duplicates, Repeated) {
        let (mut count, mut first) = (0, u64::MAX);
        let mut repeated = Repeated::new();
        let mut search = Search::default();
        for runs in self.groups() {
            for [one, next] in search.suspects(&runs).array_windows::<2>() {
                if one.tag == next.tag {
                    count += 1;
                    first = first.min(next.value_offset);
                    if repeated.len() < REPEATED_AT_MOST {
                        let origin = repeated.get(&one.value_offset).copied().unwrap_or(one.value_offset);
                        repeated.insert(one.value_offset, origin);
                        repeated.insert(next.value_offset, origin);
                    }
                }
            }
        }
        let first = (count > 0).then(|| {
            let index = self.databases.partition_point(|(from, _)| *from <= first);
            let database = index.checked_sub(1).map_or(0, |index| self.databases[index].1);
            DuplicateKey { database, value_offset: first }
        });
        (Duplicates { count, first, unchecked: self.unchecked }, repeated)
    }

    /// The runs of each group.
    fn groups(&self) -> Vec<Vec<&Run>> {
        let mut groups: Vec<Vec<&Run>> = vec![Vec::new(); GROUPS];
        for (run, owner) in self.put_away.iter().flatten().zip(&self.owners) {
            groups[usize::from(*owner)].push(run);
        }
        for (group, run) in groups.iter_mut().zip(&self.gathered) {
            group.push(run);
        }
        groups
    }

    #[inline]
    fn remember(&mut self, hash: u128, value_offset: u64) {
        let group = (hash >> (128 - GROUP_BITS)) as usize;
        let run = &mut self.gathered[group];
        if run.length == RUN || value_offset - run.first > u64::from(u32::MAX) {
            if run.length > 0 {
                keep(&mut self.put_away, run);
                self.owners.push(group as u16);
            }
            (run.first, run.length) = (value_offset, 0);
        }
        run.tags[run.length] = (hash << GROUP_BITS >> 64) as u64;
        run.distances[run.length] = (value_offset - run.first) as u32;
        run.length += 1;
    }
}

fn keep(put_away: &mut Vec<Vec<Run>>, run: &Run) {
    match put_away.last_mut() {
        Some(slab) if slab.len() < SLAB => slab.push(*run),
        _ => {
            let mut slab = Vec::with_capacity(SLAB);
            slab.push(*run);
            put_away.push(slab);
        }
    }
}

/// Searches one group after the other.
#[derive(Debug, Default)]
struct Search {
    once: Vec<u64>,
    twice: Vec<u64>,
}

impl Search {
    /// The keys of a group that may have their like in it, sorted. Few are left, since a key that has a bit of its own among 16
    /// times as many has no like; where somebody made hashes that share one, all are sorted, and that takes no longer than sorting.
    fn suspects(&mut self, runs: &[&Run]) -> Vec<Key> {
        let keys: usize = runs.iter().map(|run| run.length).sum();
        let bits = (keys * 16).next_power_of_two().trailing_zeros().max(6);
        let place_of = |tag: u64| {
            let bit = tag >> (64 - bits);
            ((bit / 64) as usize, 1 << (bit % 64))
        };
        for map in [&mut self.once, &mut self.twice] {
            map.clear();
            map.resize(1 << (bits - 6), 0);
        }
        for tag in runs.iter().flat_map(|run| run.tags()) {
            let (word, bit) = place_of(*tag);
            self.twice[word] |= self.once[word] & bit;
            self.once[word] |= bit;
        }
        let mut suspects = Vec::new();
        for run in runs {
            suspects.extend(run.keys().filter(|key| {
                let (word, bit) = place_of(key.tag);
                self.twice[word] & bit != 0
            }));
        }
        suspects.sort_unstable();
        suspects
    }
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
        self.remember(hash, entry.value_offset);
        Interest::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::types::ValueType;

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
    fn values_that_stand_far_apart_are_told_exactly() {
        let far = u64::from(u32::MAX);
        let offsets = [1, far, far + 1, far + 2, 9 * far, 9 * far + 7, u64::MAX - 1];
        for (at, first) in offsets.iter().enumerate() {
            let mut duplicates = DuplicateKeys::new(u64::MAX);
            for (number, offset) in offsets.iter().enumerate() {
                // All in one group.
                duplicates.remember(if number == at { 0 } else { (number as u128 + 1) << 64 }, *offset);
            }
            duplicates.remember(0, u64::MAX);
            let found = duplicates.finish();
            assert_eq!(found.count, 1, "{first}");
            assert_eq!(found.first.map(|key| key.value_offset), Some(u64::MAX), "{first}");
        }
    }

    #[test]
    fn hashes_that_share_most_of_their_bits_are_told_apart() {
        let run = |from: u64| {
            let mut run = Run { length: RUN, ..EMPTY };
            (0..RUN).for_each(|at| run.tags[at] = u64::MAX << 32 | (from + at as u64));
            run
        };
        let runs: Vec<Run> = (0..5000).step_by(RUN).map(run).collect();
        let suspects = Search::default().suspects(&runs.iter().collect::<Vec<_>>());
        assert_eq!(suspects.len(), runs.len() * RUN);
        assert!(suspects.array_windows::<2>().all(|[one, other]| one.tag < other.tag));
    }
}
