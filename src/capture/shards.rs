//! The shards of a cluster: which nodes together hold the whole data set, and how much of it one of them holds.

use std::fmt;

use super::source::SourceError;
use crate::connection::{Address, Command, CommandError, Connection, Node};
use crate::replies::{ClusterNode, SlotRange};

/// All slots of a cluster.
pub const N_SLOTS: u64 = 16_384;

/// The slots that one node of a cluster serves. `Display`: `0-5460,7000`, as in `CLUSTER NODES`; `none` for none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slots(Vec<(u16, u16)>);

impl Slots {
    /// How many they are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(first, last)| u64::from(last.saturating_sub(*first)) + 1).sum()
    }

    /// Whether the node serves the whole cluster.
    pub fn is_all(&self) -> bool {
        self.count() >= N_SLOTS
    }
}

impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, (first, last)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}-{last}")? }
        }
        Ok(())
    }
}

/// The slots of the very node that is asked; of a replica those of its primary.
///
/// # Errors
/// If it does not answer `CLUSTER NODES`.
pub async fn slots_of(connection: &mut Connection) -> Result<Slots, CommandError> {
    let answer = connection.query(&Command::of(&["CLUSTER", "NODES"])).await?;
    Ok(own_slots(&ClusterNode::parse_list(answer.bytes().unwrap_or_default())))
}

fn own_slots(nodes: &[ClusterNode]) -> Slots {
    let Some(own) = nodes.iter().find(|node| node.is("myself")) else { return Slots::default() };
    let primary = own.primary.as_ref().and_then(|id| nodes.iter().find(|node| node.id == *id));
    let mut slots = primary.unwrap_or(own).slots.clone();
    slots.sort_unstable();
    Slots(slots)
}

/// The node of the cluster that serves exactly these slots now, as [`Slots`] shows them: the one that was named, or another primary.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_serves_its_own_slots_and_a_replica_those_of_its_primary() {
        let (one, two, three) = ("a".repeat(40), "b".repeat(40), "c".repeat(40));
        let nodes = |myself: usize| {
            let me = |index| if index == myself { "myself," } else { "" };
            ClusterNode::parse_list(
                format!(
                    "{one} 10.0.0.1:6379@16379 {}master - 0 0 1 connected 7000 0-5460 [93->-{two}]\n\
                     {two} 10.0.0.2:6379@16379 {}master - 0 0 2 connected\n\
                     {three} 10.0.0.3:6379@16379 {}slave {one} 0 0 1 connected\n",
                    me(1),
                    me(2),
                    me(3)
                )
                .as_bytes(),
            )
        };
        for (myself, shown, n_slots) in
            [(1, "0-5460,7000", 5462), (2, "none", 0), (3, "0-5460,7000", 5462), (4, "none", 0)]
        {
            let slots = own_slots(&nodes(myself));
            assert_eq!(
                (slots.to_string().as_str(), slots.count(), slots.is_all()),
                (shown, n_slots, false),
                "{myself}"
            );
        }
        let all = Slots(vec![(0, 8191), (8192, 16383)]);
        assert!(all.is_all());
    }
}
