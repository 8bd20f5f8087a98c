//! What a key of an RDB takes in a server's memory, estimated: the file tells the encoding and the lengths, and the server's version how
//! it keeps them. As MEMORY USAGE counts (Redis `object.c`, `objectComputeSize`), with the sizes that jemalloc hands out.

use crate::rdb::types::{Kind, ValueType};

/// The shape of a value in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    /// A listpack or ziplist.
    Packed,
    Integers,
    /// A hash table of members, or of fields and values.
    Table {
        is_set: bool,
    },
    Skiplist,
    List,
    Stream,
    /// A module's value: what it takes only the module knows.
    Other,
}

/// How a server keeps keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// The key stands within the object of its value: Redis 8.2, Valkey 8.1.
    together: bool,
    /// Short lists are one listpack: Redis 7.2, Valkey.
    packed_lists: bool,
    is_valkey: bool,
}

impl Layout {
    /// By what a file says of its server; without a word as Redis 7.0 does.
    pub fn of(redis: Option<&str>, valkey: Option<&str>) -> Self {
        let number = |version: Option<&str>| -> Option<(u32, u32)> {
            let mut parts = version?.split('.').map(|part| part.parse().ok());
            Some((parts.next()??, parts.next()??))
        };
        match (number(valkey), number(redis)) {
            (Some(version), _) => Self { together: version >= (8, 1), packed_lists: true, is_valkey: true },
            (None, Some(version)) => {
                Self { together: version >= (8, 2), packed_lists: version >= (7, 2), is_valkey: false }
            }
            (None, None) => Self { together: false, packed_lists: false, is_valkey: false },
        }
    }
}

/// Bytes of an object and of an entry of a hash table: `sizeof(robj)`, `sizeof(dictEntry)`.
const OBJECT: u64 = 16;
const ENTRY: u64 = 24;
/// Bytes of a node of a list (`list-max-listpack-size -2`), of a stream (`stream-node-max-bytes`).
const LIST_NODE: u64 = 8192;
const STREAM_NODE: u64 = 4096;

/// The value of one key while its elements pass.
#[derive(Debug)]
pub(super) struct Weight {
    shape: Shape,
    /// Bytes of the elements in a listpack.
    packed: u64,
    /// Bytes of the elements, each in an allocation of its own.
    strings: u64,
    /// Bytes of the widest number.
    width: u64,
}

impl Default for Weight {
    fn default() -> Self {
        Self { shape: Shape::Other, packed: 0, strings: 0, width: 2 }
    }
}

impl Weight {
    /// Of a value of this type.
    pub fn begin(value_type: ValueType) -> Self {
        type V = ValueType;
        let kind = value_type.newest_kind();
        let shape = match value_type {
            V::SET_INTSET => Shape::Integers,
            V::HASH_ZIPMAP
            | V::ZSET_ZIPLIST
            | V::HASH_ZIPLIST
            | V::HASH_LISTPACK
            | V::ZSET_LISTPACK
            | V::SET_LISTPACK
            | V::HASH_LISTPACK_EX
            | V::GCRA_14_OR_TEMPLATE_LISTPACK
            | V::TEMPLATE_LISTPACK_REF => Shape::Packed,
            _ => match kind {
                Some(Kind::String) => Shape::Text,
                Some(Kind::List) => Shape::List,
                Some(Kind::Set) => Shape::Table { is_set: true },
                Some(Kind::Hash) => Shape::Table { is_set: false },
                Some(Kind::Zset) => Shape::Skiplist,
                Some(Kind::Stream) => Shape::Stream,
                _ => Shape::Other,
            },
        };
        Self { shape, ..Self::default() }
    }

    /// A member, an element, a field or its value.
    pub fn element(&mut self, element: &[u8]) {
        let number = (element.len() <= 20).then(|| std::str::from_utf8(element).ok()?.parse::<i64>().ok()).flatten();
        match number {
            Some(number) => {
                self.width = self.width.max(width(number));
                self.packed += packed_number(number);
                self.strings += text(element.len() as u64);
            }
            None => self.long(element.len() as u64),
        }
    }

    /// A string of which only the length is known.
    pub fn long(&mut self, length: u64) {
        self.packed = self.packed.saturating_add(packed_text(length));
        self.strings = self.strings.saturating_add(text(length));
    }

    /// The score of the member before: a number of some digits.
    pub fn score(&mut self, score: f64) {
        if score.fract() == 0.0 && score.abs() < 1e15 {
            self.packed += packed_number(score as i64);
        } else {
            self.packed += packed_text(17);
        }
    }

    /// A value within an entry of a stream.
    pub fn element_of_stream(&mut self, value: &[u8]) {
        self.packed = self.packed.saturating_add(packed_text(value.len() as u64));
    }

    /// An entry of a stream: flags, both parts of its id, the number of its pieces.
    pub fn stream_entry(&mut self) {
        self.packed += 10;
    }

    /// What hangs on a stream's groups: pending entries, consumers.
    pub fn beside(&mut self, bytes: u64) {
        self.strings = self.strings.saturating_add(bytes);
    }

    /// The estimate in bytes, the key's name with it. `length` and `is_number` are of a string, `raw_length` is that in the file.
    pub fn finish(&self, layout: Layout, key: &Key, raw_length: u64) -> u64 {
        let value = match self.shape {
            Shape::Text => return of_text(layout, key),
            Shape::Packed => allocated(self.packed.saturating_add(7)),
            Shape::Integers => allocated(8 + self.width.saturating_mul(key.elements)),
            Shape::Table { is_set } => self.table(layout, is_set, key.elements),
            Shape::Skiplist => {
                // `zset`, `zskiplist`, a head with 32 levels; then an entry and a node for each member.
                let each = if layout.together { 60 * key.elements } else { 74 * key.elements + slots(key.elements) };
                760_u64.saturating_add(each).saturating_add(self.strings)
            }
            Shape::List => {
                let bytes = self.packed.saturating_add(7);
                match bytes.div_ceil(LIST_NODE) {
                    1 if layout.packed_lists => allocated(bytes),
                    1 => 72 + allocated(bytes),
                    nodes => bytes.saturating_add(40 + nodes * 32),
                }
            }
            Shape::Stream => self.stream(layout),
            Shape::Other => raw_length,
        };
        key.bytes(layout).saturating_add(value)
    }

    fn table(&self, layout: Layout, is_set: bool, elements: u64) -> u64 {
        let each = match (layout.together, layout.is_valkey && is_set) {
            (true, _) => 11 * elements,
            (false, true) => slots(elements),
            (false, false) => slots(elements) + ENTRY * elements,
        };
        56_u64.saturating_add(each).saturating_add(self.strings)
    }

    fn stream(&self, layout: Layout) -> u64 {
        let bytes = self.packed.saturating_add(27);
        let nodes = bytes.div_ceil(STREAM_NODE);
        // Thirty pointers for each of the two nodes of the tree, until that was measured.
        let tree = if layout.together { 100 } else { 504 };
        // A node is made as long as it may become.
        let whole = if layout.together && !layout.is_valkey { allocated(bytes) } else { bytes.max(STREAM_NODE) };
        whole.saturating_add(88 + nodes * tree).saturating_add(self.strings)
    }
}

/// What the estimate takes from the key itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// Bytes of its name.
    pub name: u64,
    pub expires: bool,
    /// Elements of the value; of a string its length.
    pub elements: u64,
    /// A string that is a number.
    pub is_number: bool,
}

impl Key {
    /// Name, object, and the entry in the database.
    fn bytes(&self, layout: Layout) -> u64 {
        match layout.together {
            true => allocated(self.within()),
            false => text(self.name) + ENTRY + OBJECT,
        }
    }

    /// Bytes of the object with the name in it.
    fn within(&self) -> u64 {
        OBJECT + 8 * u64::from(self.expires) + 1 + header(self.name) + self.name + 1
    }
}

fn of_text(layout: Layout, key: &Key) -> u64 {
    let length = key.elements;
    match layout.together {
        _ if key.is_number => key.bytes(layout),
        // The value stands in the object, too, while that is short.
        true if key.within() + 4 + length <= 64 => allocated(key.within() + 4 + length),
        true => key.bytes(layout).saturating_add(text(length)),
        // `OBJ_ENCODING_EMBSTR_SIZE_LIMIT` is 44.
        false if length <= 44 => text(key.name) + ENTRY + allocated(OBJECT + 4 + length),
        false => key.bytes(layout).saturating_add(text(length)),
    }
}

/// What jemalloc hands out for so many bytes: 16, 32, … 128, then four sizes for each power of two.
fn allocated(bytes: u64) -> u64 {
    let step = match bytes {
        0..=8 => 8,
        9..=128 => 16,
        _ => 1 << ((bytes - 1).ilog2() - 2),
    };
    bytes.checked_next_multiple_of(step).unwrap_or(bytes)
}

/// Bytes before a string (`sds.h`).
fn header(length: u64) -> u64 {
    match length {
        0..=31 => 1,
        32..=255 => 3,
        256..=65_535 => 5,
        _ => 9,
    }
}

fn text(length: u64) -> u64 {
    allocated(length.saturating_add(header(length) + 1))
}

/// The array of a hash table.
fn slots(elements: u64) -> u64 {
    elements.max(4).checked_next_power_of_two().unwrap_or(elements).saturating_mul(8)
}

fn width(number: i64) -> u64 {
    match (i16::try_from(number), i32::try_from(number)) {
        (Ok(_), _) => 2,
        (_, Ok(_)) => 4,
        _ => 8,
    }
}

/// A number in a listpack, with the byte that leads back (`listpack.c`).
fn packed_number(number: i64) -> u64 {
    match number {
        0..=127 => 2,
        -4096..=4095 => 3,
        -32_768..=32_767 => 4,
        -8_388_608..=8_388_607 => 5,
        _ if i32::try_from(number).is_ok() => 6,
        _ => 10,
    }
}

fn packed_text(length: u64) -> u64 {
    let whole = length.saturating_add(match length {
        0..=63 => 1,
        64..=4095 => 2,
        _ => 5,
    });
    whole.saturating_add(match whole {
        0..=127 => 1,
        128..=16_383 => 2,
        _ => 3,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEVEN: &str = "7.0.15";

    fn key(name: u64, elements: u64) -> Key {
        Key { name, expires: false, elements, is_number: false }
    }

    #[test]
    fn sizes_are_those_of_the_allocator() {
        for (bytes, size) in [(1, 8), (9, 16), (128, 128), (129, 160), (257, 320), (1025, 1280), (4097, 5120)] {
            assert_eq!(allocated(bytes), size, "{bytes}");
        }
        assert_eq!((packed_number(127), packed_number(-1), packed_number(1 << 40)), (2, 3, 10));
        assert_eq!((packed_text(0), packed_text(63), packed_text(64), packed_text(5000)), (2, 65, 67, 5007));
        assert!(packed_text(u64::MAX) == u64::MAX && text(u64::MAX - 1) > 0 && slots(u64::MAX) > 0);
    }

    #[test]
    fn a_key_takes_what_memory_usage_says() {
        let apart = Layout::of(Some(SEVEN), None);
        let string = |length| Weight::begin(ValueType::STRING).finish(apart, &key(11, length), 0);
        // `SET key:1234567 …`: MEMORY USAGE of Redis 7.0 says 72 for 10 bytes, 168 for 100.
        assert_eq!((string(10), string(100)), (16 + 24 + 32, 16 + 24 + 16 + 112));
        let number = Key { is_number: true, ..key(11, 3) };
        assert_eq!(Weight::begin(ValueType::STRING).finish(apart, &number, 0), 56);
        let of = |value_type, layout| {
            let mut weight = Weight::begin(value_type);
            (0..20).for_each(|n| weight.element(format!("alpha:{}", n * 1000).as_bytes()));
            weight.finish(layout, &key(9, 20), 0)
        };
        let (newer, valkey) = (Layout::of(Some("7.4.2"), None), Layout::of(Some("7.2.4"), Some("9.1.0")));
        assert_eq!(of(ValueType::LIST_QUICKLIST_2, apart) - of(ValueType::LIST_QUICKLIST_2, newer), 72);
        assert!(of(ValueType::SET, valkey) < of(ValueType::SET, apart));
        let mut numbers = Weight::begin(ValueType::SET_INTSET);
        (0..16).for_each(|n| numbers.element(format!("{}", 900_000 + n).as_bytes()));
        assert_eq!(numbers.finish(apart, &key(8, 16), 0), 16 + 24 + 16 + 80);
    }
}
