//! Attaches to a server that may be followed without harm.

use super::{ArchiveError, Options};
use crate::capture::pulse::{Pulse, Pulses};
use crate::capture::source::{self, SourceError};
use crate::connection::replication::{Beginning, Follower, Position};

/// A server that lets us follow it.
pub(super) struct Attached {
    pub(super) follower: Follower,
    pub(super) beginning: Beginning,
    pub(super) pulses: Pulses,
    pub(super) first: Pulse,
}

/// Chooses a node and attaches to it, unless that would do harm.
pub(super) async fn attach(options: &Options, from: Option<&Position>) -> Result<Attached, ArchiveError> {
    let chosen = match source::choose(&options.node, options.wanted).await {
        Err(SourceError::OneShard { node, .. }) => return Err(ArchiveError::Cluster { node }),
        chosen => chosen?,
    };
    let node = &chosen.node;
    let mut pulses = Pulses::of(node);
    let silent = || ArchiveError::NotNow(format!("{node} does not say its clock and its offset (TIME, INFO, MULTI)"));
    let first = tokio::time::timeout(node.timeout.saturating_mul(2), pulses.next()).await.map_err(|_| silent())?;
    if let Some(harm) = harm(&first) {
        return Err(harm);
    }
    let (mut follower, beginning) = Follower::attach(node, from, options.node.silence).await?;
    // What 6.2 sends is the whole data set: it is not kept, a backup is.
    while follower.next_of_rdb().await?.is_some() {}
    Ok(Attached { follower, beginning, pulses, first })
}

/// Why this server may not be followed now.
pub(super) fn harm(pulse: &Pulse) -> Option<ArchiveError> {
    if pulse.fails_over {
        return Some(ArchiveError::NotNow("the server hands its role over: a follower would take part in it".into()));
    }
    if pulse.counts_replicas {
        return Some(ArchiveError::Harm(
            "`min-replicas-to-write` is in force on this primary, which would count the archive as a replica: a write that \
             should be refused would be accepted"
                .into(),
        ));
    }
    None
}
