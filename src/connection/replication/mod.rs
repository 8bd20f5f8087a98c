//! Our side of replication, by hand: we ask a server for a full resynchronization as a replica does, and get its data set as one
//! RDB, however long. Client libraries would buffer it whole. A [`Follower`] reads the commands behind it.

mod error;
mod follow;
mod handshake;
mod payload;
mod permission;
mod shutdown;

use std::time::Duration;

pub use error::{ReplicationError, ReplicationFault, refusal};
pub use follow::{Beginning, Follower, Position};
pub use payload::{Framing, Payload};
pub use permission::may_psync;

use super::Node;

/// How the RDB may reach us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transfer {
    /// We say `capa eof`: the server may send the RDB straight from its child process, and does so if its own
    /// `repl-diskless-sync` says so. Waits up to `repl-diskless-sync-delay` (5 s). Does not touch the server's disk then.
    #[default]
    Diskless,
    /// We do not say `capa eof`: the server saves to its disk first, **and replaces its own dump file**.
    Disk,
}

/// How a resynchronization is asked for. What `auto` means is decided above, from `INFO` and `CONFIG`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How the RDB may reach us.
    pub transfer: Transfer,
    /// The longest time without a byte from the server, at any stage. In a diskless transfer it says nothing between the end of its
    /// delay and the first byte of the RDB, so `repl-timeout` (60 s) and the delay (5 s) together are what is sensible.
    ///
    /// Two more bounds come from it: for [`SNAPSHOT_SILENCES`] times as long a server may say that it is alive and not begin to send;
    /// and while it sends, it has to send [`LEAST_RATE`] on average over each such time in which it is waited for.
    pub silence: Duration,
}

/// How many silences a server may take to make its snapshot, while it says that it is alive.
pub const SNAPSHOT_SILENCES: u32 = 60;

/// What a server has to send at least, bytes a second: the slowest link that somebody may have is forty times as fast.
pub const LEAST_RATE: u64 = 1024;

impl Default for Options {
    fn default() -> Self {
        Self { transfer: Transfer::default(), silence: super::DEFAULT_SILENCE }
    }
}

/// Asks a server for its whole data set, and returns once it begins to send: then the header is read and [`Payload::next`] gives
/// the RDB. The server forks for it. Its data set is the one of the moment of the fork.
///
/// A second connection watches meanwhile whether the server is to shut down: since 7.0 it would wait for us (10 s).
///
/// # Errors
/// See [`ReplicationFault`]. Nothing is retried after the greeting, since another attempt would be another fork; but for a server that
/// hangs up on the question itself, which is asked once more.
pub async fn full_resync(node: &Node, options: &Options) -> Result<Payload, ReplicationError> {
    handshake::full_resync(node, options).await
}
