//! K09 and K15: how keys are spread over the nodes and slots of a cluster.

use super::super::case::{Case, percent, skip};
use super::super::judged::Judged;
use super::super::rule::Rule;
use super::K;
use crate::figures;
use crate::introspection::{Mode, NodeRole, Question};
use crate::replies::Info;

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "K09",
        title: "one shard of the cluster holds far more than the others",
        reads: "INFO of every primary: used_memory and keys",
        limits: &[("warning", 1.5), ("critical", 3.0), ("floor", 104_857_600.0), ("keys", 10_000.0)],
        threshold: "one primary has {warning} (critical: {critical}) times the median memory or keys of the primaries, and at least {floorB} or {keys} keys",
        why: "this shard is full while the others have room, and the slowest shard limits the cluster",
        fix: &[
            "redis-cli --cluster rebalance <host>:<port>",
            "redis-ops diagnose patterns (A20: a hash tag that many keys share)",
        ],
        source: "practice (redis-doctor)",
        because_of: &["A20"],
        weight: 58,
        examine: skew,
        ..K
    },
    Rule {
        id: "K15",
        title: "a node of the cluster holds keys of slots it does not serve",
        reads: "INFO keyspace and, in the same moment, CLUSTER SLOT-STATS (Valkey 8.0, Redis 8.2)",
        asks: &[Question::Nodes, Question::KeysAtSlots, Question::Slots],
        limits: &[("critical", 0.01)],
        threshold: "the node has such keys, while no slot is being moved; critical: {critical%} of its keys",
        why: "no client can reach these keys, and they take memory",
        fix: &[
            "CLUSTER COUNTKEYSINSLOT <slot> (and so on, for every slot that is not served but has keys)",
            "CLUSTER GETKEYSINSLOT <slot> 100 (check whether anyone needs them, then DEL)",
            "CLUSTER ADDSLOTS <slot> (if nobody else serves it)",
        ],
        source: "BetterDB's recommendations; valkey#539",
        weight: 57,
        examine: orphans,
        ..K
    },
];

/// Its name, the limit from which it counts, and the number.
type Measure = (&'static str, &'static str, fn(&Info) -> u64);

/// What the primaries are compared by.
const MEASURES: [Measure; 2] = [
    ("used_memory", "floor", |info| info.u64("used_memory").unwrap_or(0)),
    ("keys", "keys", |info| figures::sum(info.databases().values().map(|database| database.keys))),
];

fn skew(case: &Case<'_>) -> Judged {
    if case.snapshot.server.mode != Mode::Cluster {
        return Ok(None);
    }
    let peers = case.snapshot.peers.need("the other nodes of the cluster")?;
    let others = peers.seen.iter().filter(|peer| peer.info.get("role") == Some("master"));
    let mut primaries: Vec<(&str, &Info)> = others.map(|peer| (peer.address.as_str(), &peer.info)).collect();
    if case.snapshot.server.role == NodeRole::Primary {
        primaries.push(("this node", &case.snapshot.info));
    }
    // Of two, each is as far from the median as the other.
    if primaries.len() < 3 {
        return match peers.unreachable.first() {
            Some((address, reason)) => skip(format!("{address} could not be asked: {reason}")),
            None => skip("there are fewer than three primaries to compare"),
        };
    }
    let mut worst: Option<(f64, &str, &str, u64, u64)> = None;
    for (name, floor, measure) in MEASURES {
        let mut values: Vec<u64> = primaries.iter().map(|(_, info)| measure(info)).collect();
        values.sort_unstable();
        let median = values[values.len() / 2];
        let Some((address, most)) =
            primaries.iter().map(|(address, info)| (*address, measure(info))).max_by_key(|(_, value)| *value)
        else {
            continue;
        };
        let ratio = most as f64 / median.max(1) as f64;
        if most as f64 >= case.limit(floor) && worst.is_none_or(|(other, ..)| ratio > other) {
            worst = Some((ratio, name, address, most, median));
        }
    }
    let Some((ratio, name, address, most, median)) = worst else { return Ok(None) };
    Ok(case.grade(ratio).map(|finding| {
        finding
            .evidence("node", address)
            .evidence("measure", name)
            .evidence("most", most)
            .evidence("median", median)
            .evidence("times", (ratio * 10.0).round() / 10.0)
            .evidence("primaries", primaries.len())
    }))
}

fn orphans(case: &Case<'_>) -> Judged {
    if case.snapshot.server.mode != Mode::Cluster {
        return Ok(None);
    }
    let slots = case.snapshot.answers.slots.need("CLUSTER SLOT-STATS")?;
    if case.snapshot.server.role != NodeRole::Primary {
        return skip("the server is not a primary");
    }
    let held = *case.snapshot.answers.keys_at_slots.need("INFO keyspace")?;
    let nodes = case.snapshot.answers.nodes.need("CLUSTER NODES")?;
    if nodes.iter().any(|node| node.is("myself") && node.moving > 0) {
        return skip("slots are being moved: their keys are on two nodes");
    }
    let served = figures::sum(slots.iter().map(|slot| slot.keys));
    let lost = held.saturating_sub(served);
    if lost == 0 {
        return Ok(None);
    }
    let share = lost as f64 / held as f64;
    let finding = if share >= case.limit("critical") { case.critical() } else { case.warning() };
    let finding = finding.evidence("unreachable_keys", lost).evidence("keys", held).evidence("share", percent(share));
    // Which slots those are nobody says; the gaps between the node's own are where to look.
    let own: std::collections::BTreeSet<u16> = slots.iter().map(|slot| slot.slot).collect();
    let first = (0..16_384_u16).find(|slot| !own.contains(slot)).unwrap_or(0);
    Ok(Some(
        finding
            .evidence("slots_served", own.len())
            .fix(format!("CLUSTER COUNTKEYSINSLOT {first} (and so on, for every slot that is not served but has keys)"))
            .fix("CLUSTER GETKEYSINSLOT <slot> 100 (check whether anyone needs them, then DEL)")
            .fix("CLUSTER ADDSLOTS <slot> (if nobody else serves it)"),
    ))
}
