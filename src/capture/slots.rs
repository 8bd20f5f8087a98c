//! The slots of a cluster that one node serves.

use crate::connection::{Command, CommandError, Connection};
use crate::replies::ClusterNode;

pub(crate) use crate::replies::{N_SLOTS, Slots};

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
    Slots::of(primary.unwrap_or(own).slots.clone())
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
    }
}
