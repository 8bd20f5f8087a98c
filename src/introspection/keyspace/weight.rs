//! What a key of an RDB takes in a server's memory, estimated: the file tells the encoding and the lengths, and the server's version how
//! it keeps them. As MEMORY USAGE counts (Redis `object.c`, `objectComputeSize`), with the sizes that jemalloc hands out.

mod layout;

use std::io::Write as _;

use crate::rdb::types::{Kind, ValueType};

pub(super) use layout::Layout;
use layout::{ENTRY, header};

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

/// Bytes of an object: `sizeof(robj)`.
const OBJECT: u64 = 16;
/// Bytes of a node of a list (`list-max-listpack-size -2`), of a stream (`stream-node-max-bytes`, `stream-node-max-entries`).
const LIST_NODE: u64 = 8192;
const STREAM_NODE: u64 = 4096;
const STREAM_NODE_ENTRIES: u64 = 100;
/// Bytes at the beginning of a stream's node: its first entry's id, counts, the names of its fields.
const STREAM_NODE_HEAD: u64 = 27;
/// Bytes up to which an object holds its value.
const EMBEDDED: u64 = 64;

/// The value of one key while its elements pass.
#[derive(Debug)]
pub(super) struct Weight {
    layout: Layout,
    shape: Shape,
    /// Bytes of the elements in a listpack.
    packed: u64,
    /// Bytes of the elements, each in an allocation of its own, with what hangs on it.
    strings: u64,
    /// Bytes of the widest number.
    width: u64,
}

impl Default for Weight {
    fn default() -> Self {
        Self { layout: Layout::of(None, None, None), shape: Shape::Other, packed: 0, strings: 0, width: 2 }
    }
}

impl Weight {
    /// Of a value of this type.
    pub fn begin(value_type: ValueType, layout: Layout) -> Self {
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
        Self { layout, shape, ..Self::default() }
    }

    /// A member or an element.
    pub fn element(&mut self, element: &[u8]) {
        self.pack(element);
        self.strings = self.strings.saturating_add(self.apart(element.len() as u64));
    }

    /// A field of a hash, and its value.
    pub fn pair(&mut self, field: &[u8], value: &[u8]) {
        self.pack(field);
        self.pack(value);
        self.strings = self.strings.saturating_add(self.layout.pair(field.len() as u64, value.len() as u64));
    }

    /// A string of which only the length is known.
    pub fn long(&mut self, length: u64) {
        self.packed = self.packed.saturating_add(packed_text(length));
        self.strings = self.strings.saturating_add(self.apart(length));
    }

    fn pack(&mut self, element: &[u8]) {
        let number = (element.len() <= 20).then(|| std::str::from_utf8(element).ok()?.parse::<i64>().ok()).flatten();
        match number {
            Some(number) => {
                self.width = self.width.max(width(number));
                self.packed += packed_number(number);
            }
            None => self.packed = self.packed.saturating_add(packed_text(element.len() as u64)),
        }
    }

    /// An element that is not packed.
    fn apart(&self, length: u64) -> u64 {
        match self.shape {
            Shape::Table { is_set: true } => self.layout.member(length),
            Shape::Skiplist => self.layout.node(length),
            _ => self.layout.text(length),
        }
    }

    /// The score of the member before: a whole number, or as many digits as it needs.
    pub fn score(&mut self, score: f64) {
        if score.fract() == 0.0 && score.abs() < 1e15 {
            self.packed += packed_number(score as i64);
        } else {
            let mut digits = [0_u8; 32];
            let mut rest = &mut digits[..];
            // What does not fit is cut: servers write 17 digits at most.
            let _ = write!(rest, "{score}");
            let left = rest.len();
            self.packed += packed_text((digits.len() - left) as u64);
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
    pub fn finish(&self, key: &Key, raw_length: u64) -> u64 {
        let layout = self.layout;
        let value = match self.shape {
            Shape::Text => return of_text(layout, key),
            Shape::Packed => layout.allocated(self.packed.saturating_add(7)),
            Shape::Integers => layout.allocated(8 + self.width.saturating_mul(key.elements)),
            Shape::Table { is_set } => {
                56_u64.saturating_add(layout.table(is_set, key.elements)).saturating_add(self.strings)
            }
            // `zset`, `zskiplist`, a head with 32 levels; then an entry and a node for each member.
            Shape::Skiplist => 760_u64.saturating_add(layout.sorted(key.elements)).saturating_add(self.strings),
            Shape::List => {
                let bytes = self.packed.saturating_add(7);
                match bytes.div_ceil(LIST_NODE) {
                    1 if layout.packed_lists => layout.allocated(bytes),
                    1 => 72 + layout.allocated(bytes),
                    nodes => bytes.saturating_add(40 + nodes * 32),
                }
            }
            Shape::Stream => self.stream(key.elements),
            Shape::Other => raw_length,
        };
        key.bytes(layout).saturating_add(value)
    }

    fn stream(&self, entries: u64) -> u64 {
        let nodes = self.packed.div_ceil(STREAM_NODE).max(entries.div_ceil(STREAM_NODE_ENTRIES)).max(1);
        // A node is made as long as it may become, and cut when the next one begins; Redis 8.2 makes it as long as it is.
        let is_cut = self.layout.together && !self.layout.is_valkey;
        let of_one = self.packed / nodes + STREAM_NODE_HEAD;
        let last = if is_cut { self.layout.allocated(of_one) } else { of_one.max(STREAM_NODE) };
        // Thirty pointers for each of the two nodes of the tree, until that was measured.
        let tree = match (self.layout.together, is_cut) {
            (false, _) => 504,
            (true, false) => 100,
            (true, true) => 32,
        };
        let whole = (nodes - 1).saturating_mul(of_one).saturating_add(last).saturating_add(nodes.saturating_mul(tree));
        whole.saturating_add(88).saturating_add(self.strings)
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
            true => layout.allocated(self.within()),
            false => layout.text(self.name) + ENTRY + layout.allocated(OBJECT),
        }
    }

    /// Bytes of the object with the name in it.
    fn within(&self) -> u64 {
        OBJECT + 8 * u64::from(self.expires) + 1 + header(self.name) + self.name + 1
    }
}

fn of_text(layout: Layout, key: &Key) -> u64 {
    let length = key.elements;
    // The value stands in the object, too, while that is short.
    let with_value = (key.within() + 4).saturating_add(length) - if layout.bare { 8 } else { 0 };
    match layout.together {
        _ if key.is_number => key.bytes(layout),
        true if with_value <= EMBEDDED => layout.allocated(with_value),
        true => key.bytes(layout).saturating_add(layout.text(length)),
        // `OBJ_ENCODING_EMBSTR_SIZE_LIMIT` is 44.
        false if length <= 44 => layout.text(key.name) + ENTRY + layout.allocated(OBJECT + 4 + length),
        false => key.bytes(layout).saturating_add(layout.text(length)),
    }
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
    fn elements_of_a_listpack_are_as_long_as_they_are_written() {
        assert_eq!((packed_number(127), packed_number(-1), packed_number(1 << 40)), (2, 3, 10));
        assert_eq!((packed_text(0), packed_text(63), packed_text(64), packed_text(5000)), (2, 65, 67, 5007));
        assert_eq!(packed_text(u64::MAX), u64::MAX);
        let of_score = |score| {
            let mut weight = Weight::default();
            weight.score(score);
            weight.packed
        };
        assert_eq!([7.0, 0.5, 0.1, f64::MAX].map(of_score), [2, 5, 5, 34]);
    }

    #[test]
    fn a_key_takes_what_memory_usage_says() {
        let apart = Layout::of(Some(SEVEN), None, None);
        let string = |length| Weight::begin(ValueType::STRING, apart).finish(&key(11, length), 0);
        // `SET key:1234567 …`: MEMORY USAGE of Redis 7.0 says 72 for 10 bytes, 168 for 100.
        assert_eq!((string(10), string(100)), (16 + 24 + 32, 16 + 24 + 16 + 112));
        let number = Key { is_number: true, ..key(11, 3) };
        assert_eq!(Weight::begin(ValueType::STRING, apart).finish(&number, 0), 56);
        let of = |value_type, layout| {
            let mut weight = Weight::begin(value_type, layout);
            (0..20).for_each(|n| weight.element(format!("alpha:{}", n * 1000).as_bytes()));
            weight.finish(&key(9, 20), 0)
        };
        let newer = Layout::of(Some("7.4.2"), None, None);
        let valkey = Layout::of(Some("7.2.4"), Some("9.1.0"), None);
        assert_eq!(of(ValueType::LIST_QUICKLIST_2, apart) - of(ValueType::LIST_QUICKLIST_2, newer), 72);
        assert!(of(ValueType::SET, valkey) < of(ValueType::SET, apart));
        let mut numbers = Weight::begin(ValueType::SET_INTSET, apart);
        (0..16).for_each(|n| numbers.element(format!("{}", 900_000 + n).as_bytes()));
        assert_eq!(numbers.finish(&key(8, 16), 0), 16 + 24 + 16 + 80);
    }

    /// What MEMORY USAGE … SAMPLES 0 has said of a set, a sorted set and a hash of 5,000: `member:` and 30 digits, `member:N` scored N,
    /// `field:N` with `valueN`.
    #[test]
    fn large_collections_take_what_each_version_says() {
        for (redis, valkey, allocator, set, sorted_set, hash) in [
            (Some("7.0.15"), None, None, 458_416, 566_328, 378_336),
            (Some("8.0.6"), None, None, 425_648, 532_888, 345_568),
            (Some("8.10.0"), None, Some("libc"), 425_624, 452_909, 268_401),
            (None, Some("8.0.1"), None, 326_216, 532_992, 345_560),
            (None, Some("8.1.1"), None, 314_136, 420_720, 233_624),
            (None, Some("9.1.0"), None, 313_200, 341_492, 234_232),
        ] {
            let layout = Layout::of(redis, valkey, allocator);
            let of = |value_type, add: &dyn Fn(&mut Weight, u64)| {
                let mut weight = Weight::begin(value_type, layout);
                (0..5000).for_each(|n| add(&mut weight, n));
                weight.finish(&key(8, 5000), 0) as f64
            };
            let member = |weight: &mut Weight, n: u64| weight.element(format!("member:{n}").as_bytes());
            let pair = |weight: &mut Weight, n: u64| {
                weight.pair(format!("field:{n}").as_bytes(), format!("value{n}").as_bytes())
            };
            let long = |weight: &mut Weight, n: u64| weight.element(format!("member:{n:030}").as_bytes());
            let own = [of(ValueType::SET, &long), of(ValueType::ZSET_2, &member), of(ValueType::HASH, &pair)];
            for (own, measured) in own.into_iter().zip([set, sorted_set, hash]) {
                let off = own / f64::from(measured) - 1.0;
                assert!(off.abs() < 0.12, "{redis:?} {valkey:?}: {own} of {measured}");
            }
        }
    }
}
