//! Why the shards of a cluster are not of one moment.

use std::time::Duration;

use crate::connection::replication::ReplicationError;
use crate::connection::{CommandError, ConnectError};
use crate::explain::{Explain, Hint, Meaning};
use crate::figures::{bytes, span};

/// Why the shards of a cluster are not of one moment.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NoBarrier {
    /// Nobody asked for it.
    #[error("`--consistent none` was given")]
    NotWanted,
    /// The streams behind the RDBs would lie there unencrypted.
    #[error("redis-ops does not encrypt replication streams yet")]
    Encrypted,
    /// A server that is read key by key has no offset.
    #[error("{0} is read key by key, so it has no place in its replication stream")]
    ByKey(String),
    /// A primary cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A primary refuses a question.
    #[error("{node}: {error}")]
    Command {
        /// Name of the primary.
        node: String,
        /// What it said.
        error: CommandError,
    },
    /// The stream of a shard cannot be followed.
    #[error(transparent)]
    Follow(#[from] ReplicationError),
    /// A primary answers too slowly: writes would be held for too long.
    #[error("{node} takes {} ms to answer; at most {} ms are allowed", took.as_millis(), limit.as_millis())]
    Slow {
        /// Name of the primary.
        node: String,
        /// The fastest of some round trips.
        took: Duration,
        /// What is allowed.
        limit: Duration,
    },
    /// A primary is in a state in which writes must not be held, or its stream not be followed.
    #[error("{node}: {why}")]
    NotNow {
        /// Name of the server.
        node: String,
        /// What is under way there.
        why: String,
    },
    /// The offsets came too late each time: some writes were no longer held by then.
    #[error("the offsets of all primaries did not arrive within the {} ms for which writes were held ({tries} attempts)", held.as_millis())]
    TooLate {
        /// The last pause.
        held: Duration,
        /// How often it was tried.
        tries: u32,
    },
    /// The stream of a shard is lost.
    #[error("the replication stream of shard {shard} was lost: {why}")]
    Lost {
        /// The number of the shard.
        shard: usize,
        /// How it was lost, in words.
        why: String,
    },
    /// The stream of a shard has become longer than allowed, twice.
    #[error("shard {shard} was written to faster than it can be read: its replication stream exceeds {} (`--tail-limit`)", bytes(*limit))]
    TooLong {
        /// The number of the shard.
        shard: usize,
        /// Bytes that are allowed.
        limit: u64,
    },
    /// The follower is behind the moment of the barrier.
    #[error("the replication stream of shard {shard} did not reach offset {offset} within {}", span(*waited))]
    Behind {
        /// The number of the shard.
        shard: usize,
        /// The offset of the barrier.
        offset: u64,
        /// How long was waited.
        waited: Duration,
    },
    /// The stream cannot be kept on this machine, or holds what is no stream.
    #[error("cannot keep the replication stream of a shard: {0}")]
    Spool(String),
}

impl Explain for NoBarrier {
    fn meaning(&self) -> Meaning {
        let meaning = match self {
            Self::Connect(error) => error.meaning(),
            Self::Command { error, .. } => error.meaning(),
            Self::Follow(error) => error.meaning(),
            Self::TooLong { .. } => return Meaning::of("no_barrier").hint(Hint::LongerTails),
            _ => Meaning::of("no_barrier"),
        };
        match meaning.hint.clone() {
            Some(hint) => meaning.hint(hint.and(Hint::NoBarrier)),
            None => meaning.hint(Hint::NoBarrier),
        }
    }
}
