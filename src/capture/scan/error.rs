//! Why a server could not be read key by key.

use crate::connection::{CommandError, CommandFault, ConnectError};
use crate::explain::{Explain, Meaning};
use crate::rdb::RdbError;

/// Why there is no RDB. What came before is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The server cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A command failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Another server answers: after a restart or a failover SCAN would go on in another table.
    #[error("the server is not the one that the scan started with (it was restarted, or failed over)")]
    OtherServer,
    /// The cursor never came back to its beginning.
    #[error("`SCAN` of database {database} never ends: {reason}")]
    Endless {
        /// Number of the database.
        database: u32,
        /// What shows it.
        reason: String,
    },
    /// What DUMP answered is damaged.
    #[error("the payload of a key is damaged")]
    Damaged(#[from] RdbError),
    /// A payload is not what the others are.
    #[error("the payload of a key cannot be used: {reason}")]
    Payload {
        /// What is wrong with it.
        reason: String,
    },
}

impl Explain for ScanError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Connect(error) => error.meaning(),
            Self::Command(error) => match &error.fault {
                CommandFault::ClusterDown { .. } => error.meaning().hint(
                    "`CONFIG SET cluster-allow-reads-when-down yes` lets a node be read while the cluster is down, and `no` puts that back",
                ),
                _ => error.meaning(),
            },
            Self::OtherServer => Meaning::of("server_changed")
                .hint("start again: all keys must be read from the same server"),
            Self::Endless { .. } => Meaning::of("scan_endless")
                .hint("is this a proxy that mixes up `SCAN` cursors, or not a Redis server? Name the Redis server itself"),
            Self::Damaged(error) => error.meaning(),
            Self::Payload { .. } => Meaning::of("corrupt"),
        }
    }
}
