//! Follows a server's replication stream into the repository.
//!
//! ```text
//! follower ─► spool (files on this machine, one for each segment to come) ─► seal: frames and an index ─► repository
//! pulse    ─► once a second: the server's clock and offset, whether it shuts down or hands its role over
//! ```
//!
//! What was read lies in the spool before anything else happens to it, so the store may be away and this process may be killed: the next
//! one finds the files, cuts the last one behind its last whole transaction, and asks the server for what comes after.

mod attach;
mod error;
mod keeper;
mod opened;
mod run;
mod sealing;
mod spool;
mod standing;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::capture::source::Wanted;
use crate::connection::Node;

pub use crate::capture::pulse::point;
pub use error::ArchiveError;
pub use run::run;

/// Raw bytes at which a segment ends.
pub const SEGMENT_SIZE: u64 = 16 << 20;

/// Seconds after which a segment ends, if something was written: what may be lost with this machine and its disk.
pub const RPO: Duration = Duration::from_secs(10);

/// How often a segment is written where nothing is: it proves that nothing was.
pub const IDLE: Duration = Duration::from_secs(300);

/// Bytes that may wait in the spool.
pub const SPOOL_LIMIT: u64 = 1_000_000_000;

/// How an instance is followed.
#[derive(Debug, Clone)]
pub struct Options {
    /// The instance's name in the repository.
    pub instance: String,
    /// The server, or one that knows it.
    pub node: Node,
    /// Which node of the deployment is followed.
    pub wanted: Wanted,
    /// For how long; `None`: until a signal comes.
    pub stop_after: Option<Duration>,
    /// Where the spool lies: the folder of archives on this machine.
    pub state: PathBuf,
    /// Raw bytes at which a segment ends: see [`SEGMENT_SIZE`].
    pub segment_size: u64,
    /// Time after which a segment with writes ends: see [`RPO`].
    pub rpo: Duration,
    /// Time after which one without writes ends: see [`IDLE`].
    pub idle: Duration,
    /// Bytes that may wait: see [`SPOOL_LIMIT`].
    pub spool_limit: u64,
}

/// What an archiver has done.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// The history that was followed last.
    pub replid: String,
    /// The offset at which this run began; `None`: no server was reached.
    pub from: Option<u64>,
    /// The last offset in the repository.
    pub to: Option<u64>,
    /// The server's clock at the last mark in the repository.
    #[serde(serialize_with = "crate::times::serialize_some")]
    pub recoverable_to: Option<DateTime<Utc>>,
    /// Segments that were written.
    pub segments: u64,
    /// Bytes of the stream in them.
    pub raw_bytes: u64,
    /// Bytes of these segments in the store.
    pub stored_bytes: u64,
    /// Times that the link to the server broke and the stream went on without a loss.
    pub resumed: u64,
    /// Parts of the stream that are lost.
    pub gaps: Vec<GapFound>,
    /// Bytes that lie in the spool still: the next run stores them.
    pub spooled_bytes: u64,
}

/// A part of the stream that is lost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GapFound {
    /// The history that was followed.
    pub replid: String,
    /// The last offset that was followed.
    pub after: u64,
    /// The history that is followed since.
    pub new_replid: String,
    /// The offset at which that begins.
    pub new_offset: u64,
}
