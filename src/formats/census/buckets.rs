//! Keys by the hash of database and name: count and digest of each bucket, so that two censuses tell where they differ.

/// Counted are 2^16 buckets (1.5 MiB); what is kept is folded to as many as the keys are worth.
pub const BITS_COUNTED: u32 = 16;

/// After folding a bucket holds no more than this many keys on average, unless all 2^16 are needed.
const KEYS_PER_BUCKET: u64 = 64;

/// The keys whose identity falls into one bucket, added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    /// How many keys are in the bucket.
    pub keys: u64,
    /// The sum of their content hashes, modulo 2^128.
    pub digest: u128,
}

/// 2^bits buckets. A key belongs into the bucket that the highest bits of its identity say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    bits: u32,
    all: Vec<Bucket>,
}

impl Buckets {
    /// Empty buckets, 2^bits of them, at most 2^16.
    pub fn new(bits: u32) -> Self {
        let bits = bits.min(BITS_COUNTED);
        Self { bits, all: vec![Bucket::default(); 1 << bits] }
    }

    /// From the buckets themselves; nothing unless there are 2^0 to 2^16.
    pub fn from_vec(all: Vec<Bucket>) -> Option<Self> {
        let bits = all.len().trailing_zeros();
        (all.len().is_power_of_two() && bits <= BITS_COUNTED).then_some(Self { bits, all })
    }

    /// There are 2^bits buckets.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// The buckets in order.
    pub fn all(&self) -> &[Bucket] {
        &self.all
    }

    /// Adds a key by its identity and content hash.
    #[inline]
    pub fn add(&mut self, identity: u128, content: u128) {
        let bucket = &mut self.all[index(identity, self.bits)];
        bucket.keys += 1;
        bucket.digest = bucket.digest.wrapping_add(content);
    }

    /// The bits of the bucket number that so many keys are worth: 1 bucket for up to 64 keys, 2^16 from about two millions on.
    pub fn worth(keys: u64) -> u32 {
        (keys.div_ceil(KEYS_PER_BUCKET).max(1)).next_power_of_two().trailing_zeros().min(BITS_COUNTED)
    }

    /// These buckets, summed up to at most 2^`bits`.
    pub fn folded(&self, bits: u32) -> Self {
        let Some(fewer) = self.bits.checked_sub(bits) else { return self.clone() };
        let all = self.all.chunks(1 << fewer).map(|group| group.iter().copied().fold(Bucket::default(), plus));
        Self { bits, all: all.collect() }
    }

    /// Adds the buckets of another part of the same data set; as many remain as the smaller has.
    pub fn merged(&self, other: &Self) -> Self {
        let bits = self.bits.min(other.bits);
        let mut sum = self.folded(bits);
        for (bucket, more) in sum.all.iter_mut().zip(other.folded(bits).all) {
            *bucket = plus(*bucket, more);
        }
        sum
    }

    /// The sum of all.
    pub fn total(&self) -> Bucket {
        self.all.iter().copied().fold(Bucket::default(), plus)
    }
}

fn plus(one: Bucket, other: Bucket) -> Bucket {
    Bucket { keys: one.keys.saturating_add(other.keys), digest: one.digest.wrapping_add(other.digest) }
}

/// The bucket, among 2^bits, of a key with this identity.
#[inline]
pub fn index(identity: u128, bits: u32) -> usize {
    // Two steps, because a shift by all 128 bits is none.
    (identity >> (128 - BITS_COUNTED)) as usize >> (BITS_COUNTED - bits.min(BITS_COUNTED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_keeps_every_key_and_agrees_with_counting_in_fewer() {
        let hashes: Vec<u128> = (0..1000_u128).map(|n| xxhash_rust::xxh3::xxh3_128(&n.to_le_bytes())).collect();
        let mut many = Buckets::new(16);
        hashes.iter().for_each(|hash| many.add(*hash, hash.rotate_left(64)));
        for bits in 0..=16 {
            let mut few = Buckets::new(bits);
            hashes.iter().for_each(|hash| few.add(*hash, hash.rotate_left(64)));
            assert_eq!(many.folded(bits), few, "{bits} bits");
            assert_eq!(few.total(), many.total());
        }
    }

    #[test]
    fn the_number_of_buckets_follows_the_number_of_keys() {
        for (keys, bits) in [(0, 0), (64, 0), (65, 1), (128, 1), (129, 2), (1 << 21, 15), (1 << 22, 16), (u64::MAX, 16)]
        {
            assert_eq!(Buckets::worth(keys), bits, "{keys} keys");
        }
    }
}
