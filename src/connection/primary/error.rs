//! What can go wrong between a target that replicates from us and us.

use std::time::Duration;

use crate::explain::{Explain, Meaning};

/// A full resync that did not end with the target's acknowledgement.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The chunks ended before the announced length, for a reason that their source knows. The target never saw a whole RDB.
    #[error("the source ended after {sent} of {length} bytes")]
    SourceEnded { sent: u64, length: u64 },
    /// More chunks than announced. Nothing above the announced length was sent.
    #[error("the source is longer than the announced {length} bytes")]
    SourceTooLong { length: u64 },
    /// The target closed its connection. What it thinks is in its log.
    #[error("the target closed the connection after {sent} of {length} bytes")]
    Closed { sent: u64, length: u64 },
    /// The connection broke.
    #[error("the connection to the target broke after {sent} of {length} bytes: {error}")]
    Broken { sent: u64, length: u64, error: std::io::Error },
    /// The target neither took nor sent a byte for so long.
    #[error("the target accepted and sent no data for {} seconds, after {sent} of {length} bytes", waited.as_secs())]
    Stalled {
        sent: u64,
        length: u64,
        /// How long nothing moved.
        waited: Duration,
    },
    /// The target sent something that a replica does not send.
    #[error("the target does not behave like a replica: {reason}")]
    Unexpected {
        /// What it sent, in words; never its content.
        reason: &'static str,
    },
}

impl Explain for FeedError {
    fn meaning(&self) -> Meaning {
        Meaning::of("disconnected")
    }
}
