//! Holds two data sets against each other: first by the buckets of their censuses, then key by key.
//!
//! ```text
//! let difference = compare_buckets(&left.buckets, &right.buckets);           nothing to read: enough if it is empty
//!
//! let mut recorder = Recorder::new(&options);
//! recorder.restrict(&difference.buckets);                                   values of other buckets are not even decoded
//! let mut left = Digester::choosing(recorder, choice).fields_expired_before(now);
//! scanner.push(bytes, &mut left) …                                         one pass over each side, also at the same time
//!
//! let mut differences = compare(left.into_sink(), right.into_sink(), &options)?;
//! differences.equal += difference.equal_keys;                              those that nobody had to look at
//! ```
//!
//! Both sides are read with the same moment for [`crate::census::Digester::fields_expired_before`], so that hash fields which
//! one server hides and another drops are no difference. With a choice of keys the buckets of whole censuses still say which
//! keys are equal, but not how many of them are chosen: who wants that number compares without restriction.
//!
//! A side whose differing buckets are not known before it is read is recorded whole; what turns out not to differ is passed over by
//! [`Recorder::restrict`] afterwards.
//!
//! A record is 56 bytes and its name in memory, 52 and its name on disk (names with eight bytes of database). Beyond [`Options::memory_limit`] records are sorted
//! by identity and written as a run to a file that has no name; the runs of both sides are then read side by side. Memory does not grow
//! with the number of keys, but for 32 bytes per run.

mod buckets;
mod join;
mod record;
mod recorder;
mod report;
mod run;

pub(crate) use buckets::BucketDifference;
pub use buckets::{BucketSet, compare_buckets};
pub use join::compare;
pub use recorder::Recorder;
pub use report::{Difference, Differences, Example};

use std::path::PathBuf;

/// How two data sets are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Bytes of memory for the records of one side; more go to a file.
    pub memory_limit: usize,
    /// The folder for such files. They are deleted while open: nothing remains, however the program ends.
    pub folder: PathBuf,
    /// The most examples that are kept of each kind of difference. The counts are exact all the same.
    pub examples: usize,
    /// Expiries that are not further apart than this are equal, in milliseconds.
    pub ttl_tolerance_ms: u64,
    /// The moment of the look, Unix milliseconds: a key that only one side has, and whose expiry lies before it, has expired
    /// since and is no difference. `i64::MIN`: nothing has.
    pub look_ms: i64,
}

impl Options {
    /// 32 MiB per side, 100 examples, no tolerance.
    pub fn new(folder: impl Into<PathBuf>, look_ms: i64) -> Self {
        Self { memory_limit: 32 << 20, folder: folder.into(), examples: 100, ttl_tolerance_ms: 0, look_ms }
    }
}
