//! What a node of a cluster says of the cluster.

use super::Reason;
use crate::connection::Node;
use crate::figures::count;
use crate::replies::{ClusterNode, Info, N_SLOTS, slot_of};

/// CLUSTER NODES of a thousand nodes with scattered slots is no longer, in bytes.
const ANSWER_LIMIT: usize = 8 << 20;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What is wrong with the cluster, in words.
    pub(super) trouble: Option<String>,
    /// The slots that this very node serves; `None`: it does not say.
    pub(super) slots: Option<Vec<(u16, u16)>>,
}

/// Asks for the state of the cluster and for the node's own slots. What is not answered is not known.
pub(super) async fn look(node: &Node) -> Seen {
    let asked = node.ask_at_once(&[&["CLUSTER", "INFO"], &["CLUSTER", "NODES"]], ANSWER_LIMIT).await;
    let Ok((answers, _)) = asked else { return Seen::default() };
    let [info, nodes] = answers.as_slice() else { return Seen::default() };
    let trouble = info.as_ref().ok().map(|text| Info::from_bytes(text)).and_then(|info| trouble(&info));
    let own = |text: &Vec<u8>| ClusterNode::parse_list(text).into_iter().find(|node| node.is("myself"));
    Seen { trouble, slots: nodes.as_ref().ok().and_then(own).map(|node| node.slots) }
}

fn trouble(info: &Info) -> Option<String> {
    let state = info.get("cluster_state").filter(|state| *state != "ok")?;
    let slots = |name: &str| info.u64(name).unwrap_or(0);
    let (assigned, failed) = (slots("cluster_slots_assigned"), slots("cluster_slots_fail"));
    let why = match (assigned < N_SLOTS, failed) {
        (true, _) => format!("only {} of {} slots are assigned", count(assigned), count(N_SLOTS)),
        (false, 0) => "the node cannot reach the majority of the primaries, or has just started".to_owned(),
        (false, failed) => format!("{} slots belong to failed nodes", count(failed)),
    };
    Some(format!("the cluster is down (`cluster_state:{state}`): {why}"))
}

/// A primary that serves no slot takes no write, whatever the state of the cluster.
pub(super) fn without_slots() -> Reason {
    Reason { code: "no_slots", text: "this node of the cluster serves no slot".to_owned() }
}

/// A key that lies in one of these slots: the same with a tag before it.
pub(super) fn key_in(slots: &[(u16, u16)], key: &str) -> Option<String> {
    // A slot is hit by one tag in 16,384: this finds one for nearly every node of one slot.
    let tags = 0..200_000_u32;
    let is_in = |slot: u16| slots.iter().any(|(first, last)| (*first..=*last).contains(&slot));
    tags.map(|tag| tag.to_string()).find(|tag| is_in(slot_of(tag.as_bytes()))).map(|tag| format!("{{{tag}}}{key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_lies_where_it_should() {
        for range in [(0, 5460), (10923, 16383), (7000, 7000)] {
            let key = key_in(&[range], "key").expect("a key");
            let tag = key.split_once('}').expect("a tag").0.trim_start_matches('{');
            assert!((range.0..=range.1).contains(&slot_of(tag.as_bytes())), "{key}");
        }
        assert_eq!(key_in(&[], "key"), None);
    }

    #[test]
    fn a_cluster_that_is_down_says_why() {
        let check = |text: &str, words: Option<&str>| {
            let found = trouble(&Info::parse(text));
            assert_eq!(found.is_some(), words.is_some(), "{text}");
            assert!(found.is_none_or(|found| found.contains(words.unwrap_or_default())), "{text}");
        };
        check("cluster_state:ok\ncluster_slots_assigned:16384\n", None);
        check("cluster_state:fail\ncluster_slots_assigned:5\n", Some("only 5 of 16,384 slots are assigned"));
        check(
            "cluster_state:fail\ncluster_slots_assigned:16384\ncluster_slots_fail:100\n",
            Some("100 slots belong to failed nodes"),
        );
        check("cluster_state:fail\ncluster_slots_assigned:16384\ncluster_slots_fail:0\n", Some("majority"));
        check("", None);
    }
}
