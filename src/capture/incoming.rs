//! The bytes that a server sends, whichever way they come.

use async_trait::async_trait;
use bytes::Bytes;

use super::scan::error::ScanError;
use crate::codec::CodecError;
use crate::connection::replication::{Payload, ReplicationError};
use crate::dataset::RawError;
use crate::explain::{Explain, Hint, Interrupted, Meaning};
use crate::figures::{bytes, span};
use crate::rdb::RdbError;
use crate::storage::StorageError;

/// Where raw bytes come from, asynchronously.
#[async_trait]
pub trait Source: Send {
    /// The next chunk, at most 1 MiB; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, CaptureError>;
}

#[async_trait]
impl Source for Payload {
    async fn next(&mut self) -> Result<Option<Bytes>, CaptureError> {
        Ok(Payload::next(self).await?)
    }
}

/// Why nothing good was stored.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The RDB is damaged.
    #[error(transparent)]
    Rdb(#[from] RdbError),
    /// The server, or the way to it.
    #[error(transparent)]
    Replication(#[from] ReplicationError),
    /// The server, or the way to it, when it is read key by key.
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A local file.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// The bytes of a file or a stored backup do not come.
    #[error(transparent)]
    Raw(#[from] RawError),
    /// The server sent more than one RDB: bytes behind its end.
    #[error("{0} bytes follow the end of the RDB")]
    Trailing(u64),
    /// The store takes nothing, and what may wait for it is full: the server cannot be kept waiting any longer.
    #[error(
        "the store has accepted no data for {}, and the spool in {} is full with {}",
        span(*waited), folder.display(), bytes(*held)
    )]
    SpoolFull {
        /// Where it waits.
        folder: std::path::PathBuf,
        /// Bytes that wait.
        held: u64,
        /// The source's `repl-timeout`, after which it drops a replica that takes nothing.
        waited: std::time::Duration,
    },
    /// A signal, or another part of the backup that failed, told it to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Explain for CaptureError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Rdb(error) => error.meaning(),
            Self::Replication(error) => error.meaning(),
            Self::Scan(error) => error.meaning(),
            Self::Storage(error) => error.meaning(),
            Self::Codec(error) => error.meaning(),
            Self::File(error) => error.meaning(),
            Self::Raw(error) => error.meaning(),
            Self::Trailing(_) => Meaning::of("corrupt"),
            Self::SpoolFull { .. } => Meaning::of("spool_full").hint(Hint::MoreSpool),
            Self::Interrupted => Interrupted.meaning(),
        }
    }
}
