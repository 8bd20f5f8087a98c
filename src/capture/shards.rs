//! The shards of a cluster: which nodes together hold the whole data set.

use super::slots::slots_of;
use super::source::SourceError;
use crate::connection::{Address, Command, Node};
use crate::replies::SlotRange;

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
    let mut connection = node.connect().await?;
    let answer = connection.query(&Command::of(&["CLUSTER", "SLOTS"])).await?;
    let Some(ranges) = SlotRange::parse_list(&answer) else {
        return Err(SourceError::Refused("the node does not say which shards its cluster has".to_owned()));
    };
    let mut places: Vec<(u16, String, u16)> = Vec::new();
    for SlotRange { first, host, port, .. } in ranges {
        if !places.iter().any(|(_, known, at)| *known == host && *at == port) {
            places.push((first, host, port));
        }
    }
    if places.is_empty() {
        return Err(SourceError::Refused("no node of the cluster serves any slot".to_owned()));
    }
    places.sort();
    Ok(places.into_iter().map(|(_, host, port)| at(node, host, port)).collect())
}

/// A node of the cluster. One that does not know its own address is the one that was asked.
fn at(node: &Node, host: String, port: u16) -> Node {
    let address = match (&node.address, host.as_str()) {
        (Address::Tcp { host, .. }, "" | "?") => Address::tcp(host.clone(), port),
        (own, "" | "?") => own.clone(),
        _ => Address::tcp(host, port),
    };
    Node { name: address.to_string(), address, ..node.clone() }
}
