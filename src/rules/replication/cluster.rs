//! R09, R13 and R14: does the cluster serve all slots, and do its nodes agree on who is who?

use std::collections::BTreeMap;

use super::super::case::{Case, percent, skip};
use super::super::judged::{Judged, Skipped};
use super::super::rule::Rule;
use super::R;
use crate::finding::Finding;
use crate::introspection::{Mode, Question};
use crate::replies::{ClusterNode, Info};

/// Slots of a cluster.
const SLOTS: u16 = 16_384;
/// Ranges of slots that are named.
const RANGES_SHOWN: usize = 3;

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "R09",
        title: "the cluster does not serve all slots",
        reads: "CLUSTER INFO: cluster_state, cluster_slots_assigned, cluster_slots_pfail, cluster_slots_fail; CLUSTER NODES",
        asks: &[Question::Cluster, Question::Nodes],
        threshold: "slots may be failing (PFAIL); critical: the state is not ok, slots have failed, or not all 16384 are assigned",
        why: "keys in such slots can be neither read nor written",
        fix: &[
            "bring the lost node back, or promote a replica of it",
            "CLUSTER ADDSLOTSRANGE <first> <last> (7.0; on the node that should serve them)",
            "redis-cli CLUSTER ADDSLOTS $(seq <first> <last>) (before 7.0; on the node that should serve them)",
            "CLUSTER NODES",
        ],
        source: "redis_exporter mixin",
        weight: 95,
        examine: state,
        ..R
    },
    Rule {
        id: "R13",
        title: "nodes of the cluster contradict each other",
        reads: "CLUSTER NODES of two readings; the slots that each node claims for itself",
        asks: &[Question::Nodes],
        threshold: "two primaries claim one slot, or two nodes have one address, in both readings; warning: only some nodes announce a host name",
        why: "clients are redirected to the wrong node, or back and forth",
        fix: &[
            "CLUSTER DELSLOTSRANGE <first> <last> (7.0; on the node with the older claim)",
            "redis-cli CLUSTER DELSLOTS $(seq <first> <last>) (before 7.0; on the node with the older claim)",
            "CLUSTER FORGET <id> (on every node)",
            "CONFIG SET cluster-announce-hostname <its name> (7.0; on the node that announces none)",
        ],
        source: "BetterDB's recommendations; valkey#2261, #1757, #2768, #304",
        weight: 85,
        examine: identities,
        ..R
    },
    Rule {
        id: "R14",
        title: "a replica follows a primary that is gone",
        reads: "CLUSTER NODES: flags fail and noaddr of the primaries that replicas follow",
        asks: &[Question::Nodes],
        threshold: "there is such a replica: the majority of the primaries marks its primary as failed after cluster-node-timeout",
        why: "the replica was not promoted and receives no data: its copy gets older, and its slots have no spare",
        fix: &[
            "CLUSTER FAILOVER TAKEOVER (on the replica, if its primary served slots)",
            "CLUSTER REPLICATE <id of a primary> (on the replica, if its primary served no slots)",
        ],
        source: "BetterDB's recommendations; valkey#2090",
        because_of: &["R13"],
        weight: 96,
        examine: orphans,
        ..R
    },
];

/// How a cluster serves its slots.
struct Service<'a> {
    /// In the node's own word; `None`: only its list of nodes is known.
    state: Option<&'a str>,
    assigned: u64,
    suspected: u64,
    failed: u64,
}

impl<'a> Service<'a> {
    /// As the node that was asked says.
    fn told(info: &'a Info) -> Self {
        let number = |name| info.u64(name).unwrap_or(0);
        // What a text was cut before is not missing in the cluster.
        Self {
            state: info.get("cluster_state"),
            assigned: info.u64("cluster_slots_assigned").unwrap_or(u64::from(SLOTS)),
            suspected: number("cluster_slots_pfail"),
            failed: number("cluster_slots_fail"),
        }
    }

    /// As its list of nodes says. Slots that are in no line of a list that was cut may be served all the same.
    fn seen(nodes: &[ClusterNode]) -> Self {
        let slots = |flag: fn(&ClusterNode) -> bool| -> u64 {
            let ranges = nodes.iter().filter(|node| flag(node)).flat_map(|node| &node.slots);
            ranges.map(|(first, last)| u64::from(last.saturating_sub(*first)) + 1).sum()
        };
        let known = |id: &String| nodes.iter().any(|node| node.id == *id);
        let whole = nodes.iter().any(|node| node.is("myself"))
            && nodes.iter().filter_map(|node| node.primary.as_ref()).all(known);
        let assigned = if whole { slots(|_| true) } else { u64::from(SLOTS) };
        let suspected = slots(|node| node.is("fail?"));
        Self { state: None, assigned, suspected, failed: slots(ClusterNode::is_lost) }
    }
}

fn state(case: &Case<'_>) -> Judged {
    if case.snapshot.server.mode != Mode::Cluster {
        return Ok(None);
    }
    let nodes = case.snapshot.answers.nodes.got().map_or(&[] as &[ClusterNode], Vec::as_slice);
    let Service { state, assigned, suspected, failed } = match case.snapshot.answers.cluster.need("CLUSTER INFO") {
        Ok(info) => Service::told(info),
        Err(_) if !nodes.is_empty() => Service::seen(nodes),
        Err(missing) => return Err(missing.into()),
    };
    let finding = if state.is_some_and(|state| state != "ok") || failed > 0 || assigned < u64::from(SLOTS) {
        case.critical()
    } else if suspected > 0 {
        case.warning()
    } else {
        return Ok(None);
    };
    // The verdict quotes what stands first: who is lost, and what that costs.
    let lost = nodes.iter().filter(|node| node.is_lost() && !node.slots.is_empty());
    let finding = lost.fold(finding, |finding, node| {
        finding
            .evidence("lost_node", node.address())
            .fix(format!("bring {} back, or promote a replica of it", node.address()))
    });
    let finding = state.into_iter().fold(finding, |finding, state| finding.evidence("cluster_state", state));
    let finding = match assigned < u64::from(SLOTS) {
        true => finding
            .evidence("slots_assigned", assigned)
            .evidence("share", percent(assigned as f64 / f64::from(SLOTS)))
            .evidence("slots_failed", failed),
        false => finding.evidence("slots_failed", failed).evidence("slots_assigned", assigned),
    };
    let finding = finding.evidence("slots_suspected", suspected);
    let unassigned = if assigned < u64::from(SLOTS) { unassigned(nodes) } else { Vec::new() };
    let finding = unassigned.iter().take(RANGES_SHOWN).fold(finding, |finding, (first, last)| match case.knows(7, 0) {
        true => finding.fix(format!("CLUSTER ADDSLOTSRANGE {first} {last} (on the node that should serve them)")),
        false => finding
            .fix(format!("redis-cli CLUSTER ADDSLOTS $(seq {first} {last}) (on the node that should serve them)")),
    });
    Ok(Some(finding.fix("CLUSTER NODES")))
}

/// Ranges of slots that nobody serves; none where the nodes are not known.
fn unassigned(nodes: &[ClusterNode]) -> Vec<(u16, u16)> {
    let mut served: Vec<(u16, u16)> = nodes.iter().flat_map(|node| node.slots.iter().copied()).collect();
    served.sort_unstable();
    let (mut free, mut next) = (Vec::new(), 0_u16);
    for (first, last) in served {
        if first > next {
            free.push((next, first - 1));
        }
        next = next.max(last.saturating_add(1));
    }
    if next < SLOTS && !nodes.is_empty() {
        free.push((next, SLOTS - 1));
    }
    free
}

/// The nodes, in a cluster.
fn nodes<'a>(case: &Case<'a>) -> Result<Option<&'a [ClusterNode]>, Skipped> {
    if case.snapshot.server.mode != Mode::Cluster {
        return Ok(None);
    }
    Ok(Some(case.snapshot.answers.nodes.need("CLUSTER NODES")?.as_slice()))
}

fn identities(case: &Case<'_>) -> Judged {
    let Some(nodes) = nodes(case)? else { return Ok(None) };
    let Some(before) = case.snapshot.nodes_before.got() else {
        return skip("there is only one reading of CLUSTER NODES, and a repair in progress looks the same");
    };
    if let Some(finding) = claimed_twice(case) {
        return Ok(Some(finding));
    }
    let doubled = same_address(before);
    if let Some((address, ids)) = same_address(nodes).into_iter().find(|(address, _)| doubled.contains_key(address)) {
        let dead = nodes.iter().filter(|node| node.address() == address && node.is_lost());
        let finding = case.critical().evidence("address", address.as_str()).evidence("ids", ids.clone());
        let finding = dead.fold(finding, |finding, node| finding.fix(format!("CLUSTER FORGET {}", node.id)));
        return Ok(Some(finding.fix("CLUSTER FORGET <the id that CLUSTER MYID there does not say> (on every node)")));
    }
    let named = nodes.iter().filter(|node| !node.hostname.is_empty()).count();
    let nameless = nodes.iter().find(|node| node.hostname.is_empty() && !node.is_lost());
    // Before 7.0 there is nothing to announce.
    Ok(nameless.filter(|_| named > 0 && case.knows(7, 0)).map(|node| {
        case.warning()
            .evidence("announce_a_name", named)
            .evidence("nodes", nodes.len())
            .evidence("without", node.address())
            .fix(format!("on {}: CONFIG SET cluster-announce-hostname <its name>", node.address()))
    }))
}

/// Addresses that several nodes have.
fn same_address(nodes: &[ClusterNode]) -> BTreeMap<String, Vec<String>> {
    let mut by_address: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // Nodes without an address have none in common.
    for node in nodes.iter().filter(|node| node.port != 0 && !node.host.is_empty() && !node.is("handshake")) {
        by_address.entry(node.address()).or_default().push(node.id.clone());
    }
    by_address.retain(|_, ids| ids.len() > 1);
    by_address
}

/// Two primaries that each say of themselves that they serve one slot. One node's view cannot show that.
fn claimed_twice(case: &Case<'_>) -> Option<Finding> {
    let own = case.snapshot.answers.nodes.got()?.iter().filter(|node| node.is("myself"));
    let peers = case.snapshot.peers.got()?.seen.iter().filter_map(|peer| peer.nodes.got());
    let theirs = peers.flat_map(|nodes| nodes.iter().filter(|node| node.is("myself")));
    let mut claims: Vec<(u16, u16, &ClusterNode)> = own
        .chain(theirs)
        .filter(|node| node.is("master"))
        .flat_map(|node| node.slots.iter().map(move |(first, last)| (*first, *last, node)))
        .collect();
    claims.sort_by_key(|(first, last, _)| (*first, *last));
    let (one, other) = claims.windows(2).find_map(|pair| {
        let [one, other] = pair else { return None };
        (other.0 <= one.1 && other.2.id != one.2.id).then_some((one, other))
    })?;
    let older = if one.2.epoch <= other.2.epoch { one.2 } else { other.2 };
    let (first, last) = (other.0, one.1.min(other.1));
    let finding =
        case.critical().evidence("slot", first).evidence("claimed_by", vec![one.2.address(), other.2.address()]);
    Some(match case.knows(7, 0) {
        true => {
            finding.fix(format!("on {}: CLUSTER DELSLOTSRANGE {first} {last} (its claim is older)", older.address()))
        }
        false => finding.fix(format!(
            "redis-cli -h {} -p {} CLUSTER DELSLOTS $(seq {first} {last}) (its claim is older)",
            older.host, older.port
        )),
    })
}

fn orphans(case: &Case<'_>) -> Judged {
    let Some(nodes) = nodes(case)? else { return Ok(None) };
    let primary_of = |node: &ClusterNode| {
        let id = node.primary.as_deref()?;
        Some((id.to_owned(), nodes.iter().find(|other| other.id == id)))
    };
    let stuck = nodes.iter().filter(|node| node.is("slave") && !node.is_lost()).find_map(|node| {
        let (id, primary) = primary_of(node)?;
        primary.is_none_or(ClusterNode::is_lost).then_some((node, id, primary))
    });
    let Some((node, id, primary)) = stuck else { return Ok(None) };
    let finding = case
        .critical()
        .evidence("replica", node.address())
        .evidence("primary", primary.map_or(id, |primary| primary.address()));
    let serves = primary.is_some_and(|primary| !primary.slots.is_empty());
    let finding = finding.evidence("primary_had_slots", serves);
    // Without the slots of its primary there is nothing to take over: it can only follow somebody else.
    if serves {
        return Ok(Some(finding.fix(format!("on {}: CLUSTER FAILOVER TAKEOVER", node.address()))));
    }
    let replicas =
        |primary: &&ClusterNode| nodes.iter().filter(|node| node.primary.as_ref() == Some(&primary.id)).count();
    let living = nodes.iter().filter(|node| node.is("master") && !node.is_lost() && !node.slots.is_empty());
    let other = living.min_by_key(replicas).map_or("<id of a primary>", |primary| primary.id.as_str());
    Ok(Some(finding.fix(format!("on {}: CLUSTER REPLICATE {other}", node.address()))))
}
