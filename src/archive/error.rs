//! Why an archiver ends that nobody has stopped.

use crate::capture::source::SourceError;
use crate::connection::replication::ReplicationError;
use crate::explain::{Explain, Hint, Meaning};
use crate::repository::RepositoryError;
use crate::stream::StreamError;

/// Why an archiver ends.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// No node can be followed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The server does not let us follow it.
    #[error(transparent)]
    Replication(#[from] ReplicationError),
    /// The repository cannot be used.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The server sends something that is no replication stream.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The spool cannot be used.
    #[error("the spool in {folder}: {error}")]
    Spool {
        /// Where it lies.
        folder: String,
        /// What the system says.
        error: String,
    },
    /// Another archiver is at work.
    #[error("another archiver already follows this instance: {0}")]
    Locked(String),
    /// The server cannot be followed at this moment.
    #[error("{0}")]
    NotNow(String),
    /// The node is one of several of a cluster.
    #[error("{node} is a node of a cluster, and archives of clusters are not supported yet")]
    Cluster {
        /// The node that was named.
        node: String,
    },
    /// Following would do harm.
    #[error("{0}")]
    Harm(String),
}

impl Explain for ArchiveError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Source(error) => error.meaning(),
            Self::Replication(error) => error.meaning(),
            Self::Repository(error) => error.meaning(),
            Self::Stream(error) => error.meaning(),
            Self::Spool { .. } => Meaning::of("no_space"),
            Self::Locked(_) => Meaning::of("locked").hint("one archiver follows an instance; end the other one first"),
            Self::Cluster { .. } => Meaning::of("one_shard").hint(Hint::WholeCluster),
            Self::NotNow(_) => Meaning::of("source_not_fit"),
            Self::Harm(_) => Meaning::of("source_not_fit").hint("follow a replica, or add one to this primary"),
        }
    }
}
