//! What a backup came to: what was published and what that cost the server, or why nothing was.

use serde::Serialize;

use crate::capture::CaptureError;
use crate::capture::source::SourceError;
use crate::connection::replication::ReplicationError;
use crate::explain::{Explain, Meaning, Status};
use crate::repository::manifest::Manifest;
use crate::repository::{Leftover, RepositoryError};
use crate::storage::StorageError;

/// A backup that was published.
#[derive(Debug)]
pub struct Report {
    /// The backup's manifest.
    pub manifest: Manifest,
    /// What was read of a cluster, in words; `None`: the source is none.
    pub of_cluster: Option<String>,
    /// Where it came from, and what that cost; empty for a file, one for each shard of a cluster.
    pub sources: Vec<SourceReport>,
    /// What a verification has to say against it that is no fault of the backup: no checksum, say.
    pub reservations: Vec<String>,
    /// Why the answer is not simply yes.
    pub warnings: Vec<String>,
    /// Yes, or yes with warnings.
    pub status: Status,
}

/// Where a backup came from, and what that cost the server.
#[derive(Debug, Clone, Serialize)]
pub struct SourceReport {
    /// Address, without secrets.
    pub node: String,
    /// Number of the shard in a backup of a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<u32>,
    /// Why this node of the shard was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// `primary` or `replica`.
    pub role: String,
    /// `replication` or `scan`.
    pub method: &'static str,
    /// `diskless` or `disk`; `None` where no RDB was sent.
    pub transfer: Option<&'static str>,
    /// From the first command to the last byte.
    pub seconds: f64,
    /// Bytes of the RDB per second.
    pub bytes_per_second: f64,
    /// Keyspace hits of the server that our own commands have caused.
    pub keyspace_hits_added: u64,
    /// What the server says it cost.
    pub impact: Impact,
}

/// What the snapshot cost the server; `None` where it does not say.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Impact {
    /// Time that the fork stopped it, microseconds.
    pub fork_usec: Option<u64>,
    /// Memory that was copied because it was written to meanwhile, bytes.
    pub cow_bytes: Option<u64>,
}

/// Why there is no backup. What was uploaded was removed, or is named.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct BackupError {
    #[source]
    pub error: Trouble,
    /// The id that was reserved, if it came so far.
    pub backup_id: Option<String>,
    /// Objects that could not be removed.
    pub leftovers: Vec<Leftover>,
    /// The manifest was sent, and nobody can say whether it is there: nothing was removed then.
    pub may_be_published: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The repository or its store.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The stream, or what was in it.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// No node of a shard can be read, or the cluster is another one than before.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The file that was to be adopted, or what was in it.
    #[error(transparent)]
    File(CaptureError),
}

impl Explain for BackupError {
    fn meaning(&self) -> Meaning {
        self.error.meaning()
    }
}

impl Explain for Trouble {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Repository(error) => error.meaning(),
            Self::Capture(error) => error.meaning(),
            Self::Source(error) => error.meaning(),
            Self::File(error) => error.meaning().at_rest(),
        }
    }
}

impl From<ReplicationError> for Trouble {
    fn from(error: ReplicationError) -> Self {
        Self::Capture(error.into())
    }
}

impl From<StorageError> for Trouble {
    fn from(error: StorageError) -> Self {
        Self::Capture(error.into())
    }
}
