//! Which buckets differ.

use crate::census::{Buckets, bucket_index};

/// Some of 2^bits buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSet {
    bits: u32,
    members: Vec<bool>,
}

impl BucketSet {
    /// All there are.
    pub fn all() -> Self {
        Self { bits: 0, members: vec![true] }
    }

    /// Whether a key of this identity is in one of them.
    #[inline]
    pub fn contains(&self, identity: u128) -> bool {
        self.members[bucket_index(identity, self.bits)]
    }

    /// How many buckets are in the set.
    pub fn count(&self) -> usize {
        self.members.iter().filter(|member| **member).count()
    }

    /// True for none.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }
}

/// What the buckets of two censuses say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketDifference {
    /// The buckets in which something differs.
    pub buckets: BucketSet,
    /// Keys in the buckets that are equal.
    pub equal_keys: u64,
    /// Keys of the left side in buckets that differ: so many records are to be expected.
    pub left_keys: u64,
    /// Keys of the right side in the buckets that differ.
    pub right_keys: u64,
}

/// Compares bucket by bucket, in as many buckets as the coarser has. Equal buckets hold equal keys with equal values and expiries.
///
/// What differs need not be a difference to the user: expiries within a tolerance, keys and hash fields that have expired
/// since. The keys tell.
pub fn compare_buckets(left: &Buckets, right: &Buckets) -> BucketDifference {
    let bits = left.bits().min(right.bits());
    let mut difference = BucketDifference {
        buckets: BucketSet { bits, members: Vec::with_capacity(1 << bits) },
        equal_keys: 0,
        left_keys: 0,
        right_keys: 0,
    };
    for (left, right) in left.folded(bits).all().iter().zip(right.folded(bits).all()) {
        difference.buckets.members.push(left != right);
        if left == right {
            difference.equal_keys += left.keys;
        } else {
            difference.left_keys += left.keys;
            difference.right_keys += right.keys;
        }
    }
    difference
}
