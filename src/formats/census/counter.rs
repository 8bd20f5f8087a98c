//! Counts: the sink that makes a [`Census`] of records.

use super::buckets::BITS_COUNTED;
use super::choice::{Choice, Everything};
use super::digester::{Digester, Record, Sink};
use super::expiry::Expiry;
use super::functions::Functions;
use super::key_type::KeyType;
use super::largest::LARGEST_KEPT;
use super::totals::{Census, DatabaseTotal, TypeTotal};

/// The visitor that makes a census: give it to a scanner, then call [`Counter::finish`].
pub type Counter<C = Everything> = Digester<Count, C>;

impl Counter {
    /// A census of everything. Time left is reckoned from `moment_ms` (Unix milliseconds), unless the file says before
    /// its first key when it was made (aux `ctime`).
    pub fn of_everything(moment_ms: i64) -> Self {
        Self::new(Count::new(moment_ms))
    }
}

impl<C: Choice> Counter<C> {
    /// The census of all keys that were visited.
    pub fn finish(self) -> Census {
        self.into_sink().finish()
    }
}

/// The sink that adds records up to a census.
pub struct Count {
    census: Census,
    /// The database under way and what was counted in it: a file goes from one to the next.
    database: (u64, DatabaseTotal),
    /// Totals of the types that every server has.
    types: [TypeTotal; PLAIN_TYPES.len()],
    /// Identity and content of keys that are not yet in their buckets. The buckets do not fit a processor's nearest cache:
    /// one by one each addition would wait for memory longer than all else takes, in a row they wait together.
    waiting: Vec<(u128, u128)>,
}

/// Keys that wait for their buckets at a time.
const WAITING: usize = 256;

/// Types that are counted without looking them up.
const PLAIN_TYPES: [KeyType; 6] =
    [KeyType::String, KeyType::List, KeyType::Set, KeyType::Zset, KeyType::Hash, KeyType::Stream];

impl Count {
    /// Counts nothing yet; time left is reckoned from `moment_ms` (Unix milliseconds), as in [`Counter::of_everything`].
    pub fn new(moment_ms: i64) -> Self {
        Self::keeping(moment_ms, LARGEST_KEPT)
    }

    /// As [`Count::new`], with so many of the largest keys.
    pub fn keeping(moment_ms: i64, largest: usize) -> Self {
        let census = Census::empty(moment_ms, largest, BITS_COUNTED);
        let waiting = Vec::with_capacity(WAITING);
        Self { census, database: Default::default(), types: Default::default(), waiting }
    }

    /// The census of all records that were taken.
    pub fn finish(mut self) -> Census {
        self.turn_to(0);
        self.fill_buckets();
        for (key_type, total) in PLAIN_TYPES.into_iter().zip(self.types) {
            if total.keys > 0 {
                self.census.key_type(key_type).add(total);
            }
        }
        self.census.largest.settle();
        self.census
    }

    /// The libraries that were counted since this was asked last: those of one server of several. They count no longer.
    pub fn take_functions(&mut self) -> Functions {
        std::mem::take(&mut self.census.functions)
    }

    fn fill_buckets(&mut self) {
        for (identity, content) in self.waiting.drain(..) {
            self.census.buckets.add(identity, content);
        }
    }

    fn turn_to(&mut self, database: u64) {
        let (before, total) = std::mem::replace(&mut self.database, (database, DatabaseTotal::default()));
        if total.keys > 0 {
            self.census.database(before).add(total);
        }
    }
}

impl Sink for Count {
    #[inline]
    fn key(&mut self, record: &Record<'_>) {
        let census = &mut self.census;
        census.keys += 1;
        census.fields_with_expiry += record.fields_with_expiry;
        census.digest = census.digest.wrapping_add(record.content);
        census.largest.add(record);
        if let Some(moment) = record.expire_ms {
            census.expires += 1;
            census.expiry.add(moment);
        }
        let total = TypeTotal { keys: 1, bytes: record.bytes, elements: record.elements };
        match PLAIN_TYPES.iter().position(|plain| *plain == record.key_type) {
            Some(at) => self.types[at].add(total),
            None => census.key_type(record.key_type).add(total),
        }
        self.waiting.push((record.identity, record.content));
        if self.waiting.len() == WAITING {
            self.fill_buckets();
        }
        if record.database != self.database.0 {
            self.turn_to(record.database);
        }
        self.database.1.add(DatabaseTotal { keys: 1, expires: u64::from(record.expire_ms.is_some()) });
    }

    fn function(&mut self, source: &[u8], hash: u128) {
        self.census.functions.add(source, hash);
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        if name == b"ctime" && self.census.keys == 0 {
            let seconds = std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
            if let Some(moment_ms) = seconds.and_then(|seconds| seconds.checked_mul(1000)) {
                self.census.expiry = Expiry::new(moment_ms);
            }
        }
    }
}
