//! How a backup is made.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::capture::spool::Spooling;
use crate::codec::Codec;
use crate::connection::replication;
use crate::repository::BegunBy;
use crate::repository::manifest::Purpose;

/// How a backup is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the instance in the repository.
    pub instance: String,
    /// Why the backup is taken.
    pub purpose: Purpose,
    /// Labels that the manifest keeps.
    pub labels: BTreeMap<String, String>,
    /// Name of the object that holds the RDB, without extensions: `dump`; in a cluster `shard-0000`, ….
    pub stem: String,
    /// How the RDB is compressed.
    pub codec: Codec,
    /// Threads that compress.
    pub threads: usize,
    /// At most so many bytes of the RDB a second.
    pub rate: Option<u64>,
    /// How the server is read.
    pub method: Method,
    /// A replica that has lost its primary is read all the same, key by key.
    pub stale: bool,
    /// How the server sends its data.
    pub replication: replication::Options,
    /// Where bytes wait while the store is away, and how many.
    pub spool: Spooling,
    /// The moment that the data is of, where it is not the one at which the server is read: that is put together from a base and stream.
    pub moment: Option<crate::repository::manifest::Moment>,
    /// When the backup begins; its id comes from this time.
    pub now: DateTime<Utc>,
    /// Machine and process that make the backup.
    pub by: BegunBy,
}

/// How a server's data is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// By replication, or key by key where the server does not allow that.
    #[default]
    Auto,
    /// By replication: one moment.
    Replication,
    /// By SCAN and DUMP: key by key, while others write.
    Scan,
}
