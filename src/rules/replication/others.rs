//! R11, R12 and R15: what the other servers of the deployment say, and who decides which of them is the primary.

use super::super::case::{Case, skip};
use super::super::judged::Judged;
use super::super::rule::Rule;
use super::R;
use crate::introspection::{Mode, NodeRole, Peer, Question, ServerFacts};
use crate::replies::Info;

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "R11",
        title: "servers with the same data are configured differently",
        reads: "INFO and CONFIG save of the servers with the same master_replid: maxmemory, maxmemory_policy, aof_enabled, save, version",
        asks: &[Question::Config],
        threshold: "maxmemory, the policy or the version differs; critical: a replica has less maxmemory than its primary; info: only persistence differs, because many save only on the replica",
        why: "after a failover the new primary behaves differently: it evicts keys or refuses writes that the old one accepted",
        fix: &[
            "CONFIG SET maxmemory <what the primary has> (on the replica)",
            "CONFIG SET maxmemory-policy <what the primary has> (on the replica)",
            "bring both to one version",
            "make both servers alike",
        ],
        source: "BetterDB's recommendations; valkey#1193",
        weight: 55,
        examine: drift,
        ..R
    },
    Rule {
        id: "R12",
        title: "the primary changed",
        reads: "role, master_replid and cluster_current_epoch of two readings",
        asks: &[Question::Cluster],
        limits: &[("critical", 3.0), ("seconds", 60.0)],
        threshold: "the primary changed once between two readings; critical: {critical} times, at a rate of at least {critical} \
                    in {seconds} s",
        why: "each failover loses the writes that were not yet replicated; if the failovers continue, several tools compete for \
              choosing the primary",
        fix: &[
            "find out what triggers the failovers: see the logs of the Sentinels or of the operator",
            "redis-ops diagnose replication --window 60s",
        ],
        source: "BetterDB's recommendations",
        weight: 70,
        examine: churn,
        ..R
    },
    Rule {
        id: "R15",
        title: "the Sentinels cannot fail over",
        reads: "INFO sentinel: sentinel_tilt; SENTINEL CKQUORUM of each group",
        threshold: "a Sentinel is in TILT mode; critical: too few Sentinels of a group are reachable for a quorum",
        why: "if the primary fails, no replica is promoted",
        fix: &[
            "bring the missing Sentinels back, or add one",
            "SENTINEL RESET <group> (on a Sentinel; forgets Sentinels that are gone for good)",
            "wait half a minute; if TILT mode does not end, check the clock and the load of the Sentinel's machine",
        ],
        source: "practice (redis-doctor)",
        weight: 75,
        examine: quorum,
        ..R
    },
];

/// Whether both hold the history of one primary.
fn of_one_data_set(info: &Info, peer: &Info) -> bool {
    let id = |info: &Info| info.text("master_replid").map(str::to_owned);
    id(info).is_some() && id(info) == id(peer)
}

/// A difference between two servers: how bad, of what, there, here, and the command that ends it.
struct Difference {
    severity: crate::finding::Severity,
    name: &'static str,
    theirs: String,
    ours: String,
    fix: Option<String>,
}

fn drift(case: &Case<'_>) -> Judged {
    let peers = case.snapshot.peers.need("the other servers")?;
    let info = &case.snapshot.info;
    let mut related = peers.seen.iter().filter(|peer| of_one_data_set(info, &peer.info)).peekable();
    if related.peek().is_none() {
        return match peers.unreachable.first() {
            Some((address, reason)) => skip(format!("{address} could not be asked: {reason}")),
            None => skip("no other server has this data set"),
        };
    }
    let all = related
        .filter_map(|peer| Some((peer, differences(case, peer).into_iter().rev().max_by_key(|other| other.severity)?)));
    let Some((peer, worst)) = all.max_by_key(|(_, difference)| difference.severity) else { return Ok(None) };
    let names: Vec<&str> = differences(case, peer).iter().map(|difference| difference.name).collect();
    let finding = case
        .finding(worst.severity)
        .evidence("setting", worst.name)
        .evidence("here", worst.ours)
        .evidence("there", worst.theirs)
        .evidence("server", peer.address.as_str())
        .evidence("all_that_differ", names.join(", "));
    Ok(Some(finding.fix(worst.fix.unwrap_or_else(|| format!("make {} and this server alike", peer.address)))))
}

fn differences(case: &Case<'_>, peer: &Peer) -> Vec<Difference> {
    use crate::finding::Severity::{Critical, Info as Note, Warning};
    let info = &case.snapshot.info;
    let we_are_primary = case.snapshot.server.role == NodeRole::Primary;
    let primary_info = if we_are_primary { info } else { &peer.info };
    let mut list = Vec::new();
    let mut add = |severity, name, ours: Option<&str>, theirs: Option<&str>, fix: Option<String>| {
        if let (Some(ours), Some(theirs)) = (ours, theirs)
            && ours != theirs
        {
            list.push(Difference { severity, name, theirs: theirs.to_owned(), ours: ours.to_owned(), fix });
        }
    };
    // The primary's setting is the one that works today.
    let set = |name: &str, field: &str| {
        let value = primary_info.get(field)?;
        let command = format!("CONFIG SET {name} {value}");
        Some(if we_are_primary { format!("on {}: {command}", peer.address) } else { command })
    };
    let both = |name: &str| (info.get(name).map(str::to_owned), peer.info.get(name).map(str::to_owned));
    let limit = |info: &Info| match info.u64("maxmemory")? {
        0 => Some(u64::MAX),
        limit => Some(limit),
    };
    let (ours, theirs) = both("maxmemory");
    let replica_info = if we_are_primary { &peer.info } else { info };
    let less = limit(replica_info).zip(limit(primary_info)).is_some_and(|(replica, primary)| replica < primary);
    let severity = if less { Critical } else { Warning };
    add(severity, "maxmemory", ours.as_deref(), theirs.as_deref(), set("maxmemory", "maxmemory"));
    let (ours, theirs) = both("maxmemory_policy");
    add(Warning, "maxmemory-policy", ours.as_deref(), theirs.as_deref(), set("maxmemory-policy", "maxmemory_policy"));
    let version = |info: &Info| {
        let facts = ServerFacts::from_info(info);
        (!facts.version.is_empty()).then(|| format!("{} {}", facts.name, facts.version))
    };
    let (ours, theirs) = (version(info), version(&peer.info));
    add(
        Warning,
        "version",
        ours.as_deref(),
        theirs.as_deref(),
        Some(format!("bring both to one version: this server and {}", peer.address)),
    );
    let word = |info: &Info| info.flag("aof_enabled").map(|on| if on { "yes" } else { "no" });
    add(Note, "appendonly", word(info), word(&peer.info), None);
    let save = case.snapshot.answers.config.got().and_then(|config| config.get("save"));
    add(Note, "save", save, peer.save.got().map(String::as_str), None);
    list
}

fn churn(case: &Case<'_>) -> Judged {
    let earlier = case.snapshot.comparable()?;
    let differs = |name: &str| match (case.snapshot.info.get(name), earlier.info.get(name)) {
        (Some(now), Some(before)) => u64::from(now != before),
        _ => 0,
    };
    let role = differs("role");
    let history = if role == 0 && begins_a_history(&earlier.info) { 0 } else { differs("master_replid") };
    let epoch = |info: Option<&Info>| info.and_then(|info| info.u64("cluster_current_epoch"));
    let epochs = match (epoch(case.snapshot.answers.cluster.got()), epoch(earlier.cluster.as_ref())) {
        (Some(now), Some(before)) => now.saturating_sub(before),
        _ => 0,
    };
    // A promotion changes all three: it is one change all the same.
    let changes = role.max(history).max(epochs);
    if changes == 0 {
        return Ok(None);
    }
    let often = changes as f64 / earlier.seconds * case.limit("seconds") >= case.limit("critical");
    let fights = changes as f64 >= case.limit("critical") && often;
    let finding = if fights { case.critical() } else { case.warning() };
    let finding = finding.evidence("changes", changes).evidence("seconds", earlier.seconds.round());
    let finding = match (earlier.info.get("role"), case.snapshot.info.get("role")) {
        (Some(before), Some(now)) => finding.evidence("role_before", before).evidence("role_now", now),
        _ => finding,
    };
    Ok(Some(finding.evidence("epochs", epochs)))
}

/// Whether a new replication id would be no failover: a replica takes over that of its primary with its first synchronization, and a primary
/// makes one for its first replica (Redis `replication.c`, `syncCommand`).
fn begins_a_history(before: &Info) -> bool {
    match before.get("role") {
        Some("slave") => before.get("master_link_status") == Some("down"),
        Some("master") => before.get("repl_backlog_active") == Some("0"),
        _ => false,
    }
}

fn quorum(case: &Case<'_>) -> Judged {
    if case.snapshot.server.mode != Mode::Sentinel && case.snapshot.sentinels.got().is_none() {
        return skip("no Sentinel was asked: name one, or `redis+sentinel://host,host/service`");
    }
    let sentinels = case.snapshot.sentinels.need("the Sentinels")?;
    let broken = sentinels.iter().find_map(|seen| Some((seen, seen.groups.iter().find(|group| !group.reached)?)));
    if let Some((seen, group)) = broken {
        return Ok(Some(
            case.critical()
                .evidence("group", group.group.as_str())
                .evidence("sentinel", seen.address.as_str())
                .evidence("says", group.says.as_str())
                .fix("bring the missing Sentinels back, or add one")
                .fix(format!(
                    "on {}: SENTINEL RESET {} (forgets Sentinels that are gone for good)",
                    seen.address, group.group
                )),
        ));
    }
    let tilted = sentinels.iter().find(|seen| seen.info.u64("sentinel_tilt") == Some(1));
    Ok(tilted.map(|seen| {
        case.warning().evidence("sentinel", seen.address.as_str()).evidence("sentinel_tilt", 1).fix(
            "wait half a minute; if TILT mode does not end, check the clock and the load of the Sentinel's machine",
        )
    }))
}
