//! What leads the shards of a backup to one moment, and what a manifest says of them together.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Manifest, Moment};

/// Bytes of the replication stream that follow the RDB of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// Name of the object beside the manifest.
    pub object: String,
    /// Replication offset behind which it begins: that of the RDB.
    pub from: u64,
    /// Replication offset of its last byte: that of the barrier.
    pub to: u64,
    /// Bytes of it that are not of the stream, and count as no offset there: a `SELECT` at its beginning, and of 6.2 expiries as moments.
    #[serde(default)]
    pub added_bytes: u64,
    /// SHA-256 of what the object holds, hex.
    pub raw_sha256: String,
    /// Bytes of the object, which is a sequence of zstd frames.
    pub stored_bytes: u64,
    /// SHA-256 of the object, hex.
    pub stored_sha256: String,
    /// Commands of the stream.
    pub commands: u64,
}

impl Tail {
    /// Bytes of the stream, and what was added to it.
    pub fn raw_bytes(&self) -> u64 {
        self.to.saturating_sub(self.from).saturating_add(self.added_bytes)
    }
}

/// The moment at which the shards of a cluster were held.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Barrier {
    /// Seconds for which each primary held its writes.
    pub held_seconds: f64,
    /// When that was, by the clock of the machine that made the backup.
    #[serde(serialize_with = "crate::times::serialize")]
    pub at: DateTime<Utc>,
}

impl Manifest {
    /// The objects that hold its data, with their lengths: an RDB for each shard, and the tails.
    pub fn objects(&self) -> impl Iterator<Item = (&str, u64)> {
        let tails = self.shards.iter().filter_map(|shard| shard.tail.as_ref());
        let rdbs = self.shards.iter().map(|shard| (shard.object.as_str(), shard.stored_bytes));
        rdbs.chain(tails.map(|tail| (tail.object.as_str(), tail.stored_bytes)))
    }

    /// Bytes of these objects.
    pub fn stored_bytes(&self) -> u64 {
        self.objects().map(|(_, length)| length).sum()
    }

    /// Bytes of the streams that lead from the RDBs of the shards to the barrier; `None`: the RDBs alone are the backup.
    pub fn tail_bytes(&self) -> Option<u64> {
        let tails = self.shards.iter().filter_map(|shard| shard.tail.as_ref());
        tails.map(Tail::raw_bytes).reduce(u64::saturating_add)
    }

    /// Seconds between the moments of the RDBs of the shards, at most, whatever tails lead on from them. `None`: not known.
    pub fn skew_of_bases(&self) -> Option<f64> {
        let mut each = self.shards.iter().map(|shard| shard.moment);
        let first = each.next()??;
        let all = each.try_fold(first, |all, one| {
            let one = one?;
            Some(Moment { from: all.from.min(one.from), to: all.to.max(one.to) })
        })?;
        (self.shards.len() > 1).then(|| (all.to - all.from).as_seconds_f64())
    }
}
