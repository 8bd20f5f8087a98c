//! A TopK of RedisBloom: its heap is written as it lies in memory, with the address of every item and bytes that nothing fills.
//!
//! RedisBloom `rm_topk.c`, `TopKRdbSave`, and `topk.h`, `HeapBucket`: fingerprint and length of the item (4 bytes each), its address (8),
//! its count (4), and 4 bytes up to the next bucket. The items themselves follow as strings of their own.

use super::key_type::ModuleName;
use super::sponge::Sponge;

/// The module's type.
const TOPK: &[u8; 9] = b"TopK-TYPE";
/// The heap is so many parts of the value: behind k, width, depth, decay and the counters.
const PART: u64 = 6;
/// Bytes of a bucket.
const BUCKET: usize = 24;

/// The heap while its bytes come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Heap {
    /// Bytes of the bucket that went by.
    at: usize,
}

impl Heap {
    /// The heap, if this part of a value of this type is one. What is not laid out as known is hashed as it stands.
    pub fn of(name: ModuleName, part: u64, length: u64) -> Option<Self> {
        let is_heap = name.text() == *TOPK && part == PART && length.is_multiple_of(BUCKET as u64);
        is_heap.then(Self::default)
    }

    /// The next bytes: to the hash goes what is the same after every load.
    pub fn bytes(&mut self, mut bytes: &[u8], sponge: &mut Sponge) {
        while !bytes.is_empty() {
            let (end, counts) = match self.at {
                0..8 => (8, true),
                8..16 => (16, false),
                16..20 => (20, true),
                _ => (BUCKET, false),
            };
            let (run, rest) = bytes.split_at(bytes.len().min(end - self.at));
            if counts {
                sponge.bytes(run);
            }
            self.at = (self.at + run.len()) % BUCKET;
            bytes = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::key_type::KeyType;
    use super::super::value::ValueHasher;
    use crate::rdb::visit::{Part, PartOf, Piece};

    /// The hash of a TopK with one bucket per count, whose items lie at these addresses; told in parts of so many bytes, or whole.
    fn hash(by_meaning: bool, address: u64, counts: &[u32], in_parts: Option<usize>) -> u128 {
        let mut heap = Vec::new();
        for count in counts {
            heap.extend_from_slice(&7_u32.to_le_bytes());
            heap.extend_from_slice(&1_u32.to_le_bytes());
            heap.extend_from_slice(&address.to_le_bytes());
            heap.extend_from_slice(&count.to_le_bytes());
            heap.extend_from_slice(&(address as u32).to_le_bytes());
        }
        let KeyType::Module(name) = KeyType::parse("module:TopK-TYPE").expect("a module") else { panic!("a module") };
        let mut hasher = ValueHasher::default();
        if by_meaning {
            hasher.by_meaning();
        }
        hasher.begin(KeyType::Module(name));
        for number in [5, 8, 7] {
            hasher.piece(Piece::ModuleUnsigned(number), None);
        }
        hasher.piece(Piece::ModuleDouble(0.9), None);
        hasher.piece(Piece::ModuleString(b"counters"), None);
        match in_parts {
            None => hasher.piece(Piece::ModuleString(&heap), None),
            Some(length) => {
                hasher.part(Part::Begin { what: PartOf::ModuleString, length: heap.len() as u64 }, None);
                heap.chunks(length).for_each(|bytes| hasher.part(Part::Bytes(bytes), None));
                hasher.part(Part::End { score: None }, None);
            }
        }
        hasher.piece(Piece::ModuleString(b"a\0"), None);
        hasher.finish().hash
    }

    #[test]
    fn where_items_lie_in_memory_is_no_difference_and_what_they_count_is() {
        let one = hash(true, 0x7f00_1234, &[3, 1], None);
        assert_eq!(one, hash(true, 0x5600_4321, &[3, 1], None));
        assert_ne!(one, hash(true, 0x7f00_1234, &[3, 2], None));
        assert_ne!(hash(false, 0x7f00_1234, &[3, 1], None), hash(false, 0x5600_4321, &[3, 1], None));
        for length in [1, 5, 24, 40] {
            assert_eq!(one, hash(true, 0x7f00_1234, &[3, 1], Some(length)), "{length}");
        }
    }
}
