//! What the keys of a server or of a backup look like: by prefix, by purpose, the largest, the odd.
//!
//! The same profile is built from a sample of RANDOMKEY, from a full SCAN, and from an RDB; the rules need not know which.

mod asking;
mod certainty;
mod frequent;
mod from_rdb;
mod growing;
mod names;
mod profiler;
mod scanning;
mod variants;
mod weight;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::figures;
pub use asking::profile;
pub(crate) use asking::{Met, Pass};
pub(crate) use from_rdb::RdbProfile;
pub(crate) use growing::GrowingSample;
pub use names::{Oddity, purpose};
pub(crate) use names::{Purpose, escaped};
#[cfg(test)]
pub(crate) use profiler::{CompactLimits, KeySeen, Profiler};

/// Where a profile comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Keys drawn by RANDOMKEY.
    Sample,
    Everything,
}

/// What the keys look like. Shares refer to `seen`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyspaceProfile {
    /// Where it comes from.
    pub basis: Basis,
    /// Keys looked at.
    pub seen: u64,
    /// Keys there are.
    pub total: u64,
    /// Bytes of the keys looked at; `None` where the source does not tell.
    pub bytes: Option<u64>,
    /// The ACL rule for want of which sizes are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes_lack: Option<String>,
    /// Keys without a time to live, of those looked at.
    pub without_ttl: u64,
    /// Prefixes, those with the most bytes (else keys) first; at most [`profiler::PREFIXES_SHOWN`].
    pub prefixes: Vec<Prefix>,
    /// Keys by purpose.
    pub purposes: BTreeMap<Purpose, PurposeStats>,
    /// The largest keys by bytes or elements, largest first.
    pub largest: Vec<BigKey>,
    /// The separators of names by how many keys use them first.
    pub separators: BTreeMap<char, u64>,
    /// Odd names: how many, and examples.
    pub oddities: BTreeMap<Oddity, (u64, Vec<String>)>,
    /// Prefixes that are likely one, written in two ways, with the reason.
    pub variants: Vec<(String, String, String)>,
    /// Bytes of all names looked at.
    pub name_bytes: u64,
    /// The longest name, cut, and its length.
    pub longest_name: Option<(String, u64)>,
    /// The most frequent hash tag and at least how many keys have it.
    pub hash_tag: Option<(String, u64)>,
    /// Streams, longest first.
    pub streams: Vec<StreamSeen>,
    /// Milliseconds to live of all keys looked at that have such, together.
    #[serde(default)]
    pub ttl_sum_ms: f64,
    /// How long keys were not used; `None` where they do not tell.
    #[serde(default)]
    pub idle: Option<Idle>,
    /// The key that was used most; `None` without an LFU policy.
    #[serde(default)]
    pub hottest: Option<HotKey>,
    /// Estimated uses of all keys looked at; `None` without an LFU policy.
    #[serde(default)]
    pub uses: Option<f64>,
    /// Sizes are estimated from an RDB: no server was asked for them.
    #[serde(default)]
    pub sizes_are_of_rdb: bool,
    /// By how much a share of keys or bytes of a prefix may be off, in 95 of 100 samples; 0 where everything was looked at.
    #[serde(default)]
    pub margin: f64,
}

/// Days without use from which a key is cold.
pub const COLD_DAYS: u64 = 7;

/// How long keys were not used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Idle {
    /// Keys that told it.
    pub keys: u64,
    /// Bytes of those keys.
    pub bytes: u64,
    /// Keys that were not used for [`COLD_DAYS`].
    pub cold_keys: u64,
    pub cold_bytes: u64,
    /// A key of this kind that never expires, if there is one.
    pub example: Option<String>,
    /// Keys that were used within the last second: a few of them, and how many there are.
    #[serde(default)]
    pub just_used: Vec<String>,
    #[serde(default)]
    pub just_used_keys: u64,
}

/// A key that is used much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HotKey {
    pub key: String,
    /// OBJECT FREQ: a logarithmic counter up to 255.
    pub frequency: u64,
    /// The uses it stands for.
    pub uses: f64,
}

impl KeyspaceProfile {
    /// The share that `count` of the keys looked at stands for, with the bounds that hold in 95 of 100 samples (Wilson);
    /// exact where everything was looked at.
    pub fn share(&self, count: u64) -> (f64, f64, f64) {
        if self.seen == 0 {
            return (0.0, 0.0, 0.0);
        }
        let (n, p) = (self.seen as f64, count as f64 / self.seen as f64);
        if self.basis == Basis::Everything {
            return (p, p, p);
        }
        let (low, high) = certainty::interval(n, p);
        (p, low, high)
    }

    /// How sure it is, in words: `all 812 keys`, `5,000 random keys of 70,000, ±1.5 percentage points`.
    pub fn confidence(&self) -> String {
        let (seen, total) = (figures::count(self.seen), figures::count(self.total));
        match (self.basis, self.seen) {
            (Basis::Everything, 1) => "the only key".to_owned(),
            (Basis::Everything, _) => format!("all {seen} keys"),
            (Basis::Sample, _) => {
                format!("{seen} random keys of {total}, ±{:.1} percentage points", self.margin * 100.0)
            }
        }
    }

    /// The statistics of a purpose; empty ones where no key has it.
    pub fn purpose(&self, purpose: Purpose) -> PurposeStats {
        self.purposes.get(&purpose).cloned().unwrap_or_default()
    }
}

/// Keys with one beginning.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Prefix {
    /// The prefix, escaped: `session:`.
    pub name: String,
    /// Keys looked at.
    pub keys: u64,
    /// Their bytes, if known.
    pub bytes: u64,
    /// By how much their share of all bytes may be off, in 95 of 100 samples; 0 where everything was looked at.
    #[serde(default)]
    pub bytes_margin: f64,
    /// Keys that never expire.
    pub without_ttl: u64,
    pub types: BTreeMap<String, u64>,
    /// A key of the prefix that never expires.
    pub example_without_ttl: Option<String>,
    /// A key of the prefix that has an expiry.
    pub example_with_ttl: Option<String>,
    /// At least this many expire within one second.
    pub same_second: u64,
    /// Collections that just outgrew the compact encoding, by the setting that would keep them small.
    pub just_outgrown: BTreeMap<String, u64>,
}

/// Keys with one purpose.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PurposeStats {
    /// Keys looked at.
    pub keys: u64,
    /// Keys that never expire.
    pub without_ttl: u64,
    /// Strings that hold a number and have no time to live.
    pub numbers_without_ttl: u64,
    /// Sets, sorted sets and lists without a time to live: indexes beside the thing itself.
    pub indexes_without_ttl: u64,
    /// Times to live above five minutes.
    pub over_five_minutes: u64,
    /// Above an hour.
    pub over_an_hour: u64,
    /// Above a day and five percent.
    pub over_a_day: u64,
    /// The longest, in milliseconds.
    pub longest_ttl_ms: u64,
    /// Strings shorter than 16 bytes: too short for a random token.
    pub short_values: u64,
    /// Strings whose length is known.
    pub measured_values: u64,
    /// Some keys without a time to live.
    pub examples_without_ttl: Vec<String>,
    /// A key with the longest time to live.
    pub example_longest: Option<String>,
}

/// A large key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BigKey {
    pub database: u32,
    pub key: String,
    pub kind: String,
    /// Bytes, if known.
    pub bytes: Option<u64>,
    /// Bytes of a string, elements of a collection.
    pub length: Option<u64>,
    /// Milliseconds to live; `None`: for ever.
    pub ttl_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSeen {
    pub database: u32,
    pub key: String,
    pub length: u64,
    /// Consumer groups; empty where nobody asked.
    pub groups: Vec<StreamGroupSeen>,
}

/// A consumer group of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamGroupSeen {
    pub name: String,
    /// Delivered and not acknowledged.
    pub pending: u64,
    /// Not yet delivered; `None` where the server cannot tell.
    pub lag: Option<u64>,
    pub consumers: u64,
}
