//! The shards of a cluster: which nodes together hold the whole data set.

use super::slots::slots_of;
use super::source::SourceError;
use crate::connection::Node;
use crate::introspection::Cluster;

/// The node of the cluster that serves exactly these slots now, as [`Slots`](super::slots::Slots) shows them: the one that was named, or another primary.
///
/// # Errors
/// If nobody does, or the cluster cannot be asked.
pub async fn serving(node: &Node, slots: &str) -> Result<Node, SourceError> {
    let named = [node.clone()];
    for candidate in named.into_iter().chain(primaries(node).await?) {
        if slots_of(&mut candidate.connect().await?).await?.to_string() == slots {
            return Ok(candidate);
        }
    }
    Err(SourceError::Refused(format!("no node of the cluster serves exactly the slots {slots} that the backup holds")))
}

/// The primaries of the cluster that a node belongs to, in the order of their slots. They are reached as the node is.
///
/// # Errors
/// If the node cannot be reached, or does not say.
pub async fn primaries(node: &Node) -> Result<Vec<Node>, SourceError> {
    let cluster = Cluster::seen_by(node, &mut node.connect().await?).await?;
    if cluster.shards.is_empty() {
        return Err(SourceError::Refused("no node of the cluster serves any slot".to_owned()));
    }
    Ok(cluster.shards.into_iter().map(|shard| shard.primary.node).collect())
}
