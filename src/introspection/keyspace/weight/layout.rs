//! How a version of a server keeps keys and values, and what its allocator hands out: as MEMORY USAGE … SAMPLES 0 counts. Measured on
//! Redis 6.2, 7.0, 7.4, 8.0 and 8.10, Valkey 8.0, 8.1 and 9.1.

/// How a server keeps keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Layout {
    /// The key stands within the object of its value: Redis 8.2, Valkey 8.1.
    pub(super) together: bool,
    /// An object that holds its value has no pointer to it: Valkey 9.0.
    pub(super) bare: bool,
    /// Short lists are one listpack: Redis 7.2, Valkey.
    pub(super) packed_lists: bool,
    pub(super) is_valkey: bool,
    pub(super) tables: Tables,
    is_libc: bool,
}

/// How elements of sets, hashes and sorted sets are kept once they are too many for a listpack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tables {
    /// An entry of 24 bytes for each element, and its strings apart: Redis to 8.0.
    Chained,
    /// The same with 16 bytes for an element of a set: Redis 8.2.
    ChainedSets,
    /// Entries of 16 bytes; a field is one with its value, and short strings count as long as they are: Redis 8.4.
    Counted,
    /// As `Chained`; members of a set stand in the table, all but those that share a place: Valkey 8.0.
    OpenSets,
    /// Buckets of 64 bytes for seven elements; a field is one with its value: Valkey 8.1.
    Buckets,
}

/// Bytes of an entry of a hash table: `sizeof(dictEntry)`, `sizeof(dictEntryNoValue)`.
pub(super) const ENTRY: u64 = 24;
const ENTRY_WITHOUT_VALUE: u64 = 16;
/// Bytes of a bucket of Valkey's hash table, and elements in one that has no other behind it.
const BUCKET: u64 = 64;
const IN_A_BUCKET: u64 = 7;
/// Bytes up to which Valkey keeps a field and its value together.
const TOGETHER: u64 = 128;
/// Of 1,024 nodes of a skiplist so many have one level, two, …
const LEVELS: [(u64, u64); 5] = [(1, 768), (2, 192), (3, 48), (4, 12), (5, 4)];

impl Layout {
    /// By what a file says of its server, without a word as Redis 7.0 does; `allocator`: `mem_allocator` of INFO, jemalloc where nobody
    /// tells.
    pub fn of(redis: Option<&str>, valkey: Option<&str>, allocator: Option<&str>) -> Self {
        let number = |version: Option<&str>| -> Option<(u32, u32)> {
            let mut parts = version?.split('.').map(|part| part.parse().ok());
            Some((parts.next()??, parts.next()??))
        };
        let is_libc = allocator.is_some_and(|name| name.starts_with("libc"));
        match (number(valkey), number(redis)) {
            (Some(version), _) => Self {
                together: version >= (8, 1),
                bare: version >= (9, 0),
                packed_lists: true,
                is_valkey: true,
                tables: if version >= (8, 1) { Tables::Buckets } else { Tables::OpenSets },
                is_libc,
            },
            (None, redis) => {
                let version = redis.unwrap_or((7, 0));
                let tables = match version {
                    version if version >= (8, 4) => Tables::Counted,
                    version if version >= (8, 2) => Tables::ChainedSets,
                    _ => Tables::Chained,
                };
                let (together, packed_lists) = (version >= (8, 2), version >= (7, 2));
                Self { together, bare: false, packed_lists, is_valkey: false, tables, is_libc }
            }
        }
    }

    /// What the allocator hands out for so many bytes. jemalloc: 16, 32, … 128, then four sizes for each power of two. glibc: eight bytes
    /// less than a multiple of 16, and 24 at least.
    pub(super) fn allocated(self, bytes: u64) -> u64 {
        if self.is_libc {
            return bytes.saturating_add(8).checked_next_multiple_of(16).map_or(bytes, |whole| (whole - 8).max(24));
        }
        let step = match bytes {
            0..=8 => 8,
            9..=128 => 16,
            _ => 1 << ((bytes - 1).ilog2() - 2),
        };
        bytes.checked_next_multiple_of(step).unwrap_or(bytes)
    }

    /// A string in an allocation of its own.
    pub(super) fn text(self, length: u64) -> u64 {
        self.allocated(sds(length))
    }

    /// A member of a set in a table.
    pub(super) fn member(self, length: u64) -> u64 {
        match self.tables {
            Tables::Counted if length < SHORT => sds(length),
            _ => self.text(length),
        }
    }

    /// A field of a hash in a table, and its value.
    pub(super) fn pair(self, field: u64, value: u64) -> u64 {
        // A value within an entry is never of the shortest kind of string.
        let both = sds(field).saturating_add(sds(value).max(value.saturating_add(4)));
        match self.tables {
            Tables::Counted => both,
            Tables::Buckets if both <= TOGETHER => self.allocated(both),
            Tables::Buckets => self.allocated(sds(field).saturating_add(8)).saturating_add(self.text(value)),
            _ => self.text(field).saturating_add(self.text(value)),
        }
    }

    /// A member of a sorted set in a skiplist.
    pub(super) fn node(self, length: u64) -> u64 {
        // Score, pointers back and to the element; 16 bytes a level.
        let head = match self.tables {
            Tables::Counted => 24,
            Tables::Buckets if self.bare => 8,
            Tables::Buckets => 24,
            // Counted together with the table.
            _ => return self.text(length),
        };
        let node = |levels: u64| u128::from(self.allocated(sds(length).saturating_add(head + 16 * levels)));
        let of_1024: u128 = LEVELS.iter().map(|(levels, often)| node(*levels) * u128::from(*often)).sum();
        u64::try_from(of_1024 / 1024).unwrap_or(u64::MAX)
    }

    /// The table of a set or of a hash, without the strings in it.
    pub(super) fn table(self, is_set: bool, elements: u64) -> u64 {
        let entries = match (self.tables, is_set) {
            (Tables::Buckets, _) => return buckets(elements),
            (Tables::Counted, _) | (Tables::ChainedSets, true) => ENTRY_WITHOUT_VALUE.saturating_mul(elements),
            (Tables::OpenSets, true) => ENTRY_WITHOUT_VALUE.saturating_mul(sharing(elements)),
            _ => ENTRY.saturating_mul(elements),
        };
        slots(elements).saturating_add(entries)
    }

    /// Table and skiplist of a sorted set, without its members.
    pub(super) fn sorted(self, elements: u64) -> u64 {
        match self.tables {
            Tables::Counted | Tables::Buckets => self.table(true, elements),
            // An entry, and a node with its levels.
            _ => slots(elements).saturating_add(elements.saturating_mul(74)),
        }
    }
}

/// Bytes below which a string has the shortest header.
const SHORT: u64 = 32;

/// A string with what stands around it (`sds.h`).
fn sds(length: u64) -> u64 {
    length.saturating_add(header(length) + 1)
}

pub(super) fn header(length: u64) -> u64 {
    match length {
        0..=31 => 1,
        32..=255 => 3,
        256..=65_535 => 5,
        _ => 9,
    }
}

/// The array of a hash table.
fn slots(elements: u64) -> u64 {
    places(elements).saturating_mul(8)
}

fn places(elements: u64) -> u64 {
    elements.max(4).checked_next_power_of_two().unwrap_or(elements)
}

/// How many of the elements share their place in the table with one before, on the average.
fn sharing(elements: u64) -> u64 {
    let (elements, places) = (elements as f64, places(elements) as f64);
    (elements - places * (1.0 - (-elements / places).exp())).max(0.0) as u64
}

/// The buckets of Valkey's table: a power of two that has room for all, and one more behind each that is too full.
fn buckets(elements: u64) -> u64 {
    let first = elements.div_ceil(IN_A_BUCKET).checked_next_power_of_two().unwrap_or(elements);
    let mean = elements as f64 / first.max(1) as f64;
    let (mut term, mut fits) = ((-mean).exp(), 0.0);
    for count in 0..=IN_A_BUCKET {
        fits += term;
        term *= mean / (count + 1) as f64;
    }
    let behind = if first > 1 { (first as f64 * (1.0 - fits)).max(0.0) as u64 } else { 0 };
    first.saturating_add(behind).saturating_mul(BUCKET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_allocator() {
        let jemalloc = Layout::of(None, None, None);
        for (bytes, size) in [(1, 8), (9, 16), (128, 128), (129, 160), (257, 320), (1025, 1280), (4097, 5120)] {
            assert_eq!(jemalloc.allocated(bytes), size, "{bytes}");
        }
        let libc = Layout::of(None, None, Some("libc"));
        for (bytes, size) in [(1, 24), (24, 24), (25, 40), (41, 56), (4096, 4104), (u64::MAX, u64::MAX)] {
            assert_eq!(libc.allocated(bytes), size, "{bytes}");
        }
        for layout in [jemalloc, libc, Layout::of(Some("8.10.0"), None, None), Layout::of(None, Some("9.1.0"), None)] {
            let most = u64::MAX;
            assert!(layout.text(most) > 0 && layout.pair(most, most) > 0 && layout.node(most) > 0);
            assert!(layout.table(true, most) > 0 && layout.table(false, most) > 0 && layout.sorted(most) > 0);
        }
    }

    #[test]
    fn tables_are_as_large_as_those_of_their_version() {
        let table = |redis, valkey, is_set| Layout::of(redis, valkey, None).table(is_set, 5000);
        assert_eq!(table(Some("8.0.6"), None, true), 8192 * 8 + 24 * 5000);
        assert_eq!((table(Some("8.2.1"), None, true), table(Some("8.2.1"), None, false)), (145_536, 185_536));
        assert_eq!(table(Some("8.10.0"), None, false), 145_536);
        // Of 5,000 members in 8,192 places 1,257 share one.
        assert_eq!(table(None, Some("8.0.1"), true), 8192 * 8 + 16 * 1257);
        // 1,024 buckets, and 125 behind them, or one more or less.
        let buckets = table(None, Some("8.1.1"), true) / 64;
        assert!((1024 + 120..1024 + 135).contains(&buckets), "{buckets}");
    }
}
