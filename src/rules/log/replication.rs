//! R20–R24 and R29–R31: what a log or an application says of replicas, primaries, Sentinels and clusters.

use super::super::case::Case;
use super::super::judged::Judged;
use super::super::rule::{RULE, Rule, Topic};
use super::said;
use crate::finding::{Finding, Severity};
use crate::replies::LogEvent;

/// Times that something has to be there to be a loop.
const AGAIN: f64 = 3.0;

const R: Rule = Rule { topic: Topic::Replication, ..RULE };

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "R20",
        title: "replicas are disconnected at their output buffer limit",
        reads: "the log: a client with flag S scheduled to be closed for overcoming of output buffer limits",
        threshold: "the log has such a line",
        why: "the replica needs a full resync; writes during the resync fill the same buffer, and the replica is disconnected again",
        fix: &[
            "CONFIG SET client-output-buffer-limit \"slave 536870912 268435456 120\" (costs up to 512 MB for each replica; the default is 256mb 64mb 60)",
            "redis-ops diagnose replication",
        ],
        source: "networking.c; redis#4420",
        weight: 90,
        examine: replica_buffers,
        ..R
    },
    Rule {
        id: "R21",
        title: "the primary refuses the replica's password",
        reads: "the log: Unable to AUTH to MASTER, NOAUTH",
        threshold: "the log has such a line",
        why: "the replica receives no data until masterauth (and masteruser) match the primary",
        fix: &["CONFIG SET masterauth <the primary's password> (on the replica; CONFIG REWRITE keeps it)"],
        source: "replication.c, syncWithMaster",
        weight: 95,
        examine: refused_password,
        ..R
    },
    Rule {
        id: "R22",
        title: "the link to the primary breaks again and again",
        reads: "the log: Connection with master lost, MASTER timeout, Error condition on socket for SYNC",
        limits: &[("warning", AGAIN)],
        threshold: "the log has {warning} such lines",
        why: "the replica serves old data, and each new link may cost the primary a full resync",
        fix: &["redis-ops diagnose replication"],
        source: "replication.c",
        because_of: &["R20", "R21"],
        examine: primary_lost,
        ..R
    },
    Rule {
        id: "R23",
        title: "replicas request full resyncs again and again",
        reads: "the log: Full resync requested by replica, Starting BGSAVE for SYNC",
        limits: &[("warning", AGAIN)],
        threshold: "the log has {warning} such lines",
        why: "each full resync costs the primary a fork and sends all data over the network",
        fix: &["redis-ops diagnose replication"],
        source: "replication.c",
        because_of: &["R20"],
        examine: full_resyncs,
        ..R
    },
    Rule {
        id: "R24",
        title: "the cluster is down",
        reads: "the log: Cluster state changed: fail; a client's error: CLUSTERDOWN",
        threshold: "there is such a line",
        why: "with cluster-require-full-coverage every node refuses every command while a single slot is missing",
        fix: &["CLUSTER NODES", "CLUSTER INFO"],
        source: "cluster.c, clusterUpdateState",
        weight: 85,
        examine: cluster_failed,
        ..R
    },
    Rule {
        id: "R29",
        title: "the replica cannot connect to its primary",
        reads: "the log: Unable to connect to MASTER, Error condition on socket for SYNC, Connecting to MASTER",
        limits: &[("critical", AGAIN)],
        threshold: "the log has such a line; critical: {critical} of them",
        why: "the replica serves old data or none, and cannot replace its primary; \"Invalid argument\" usually means that the primary's name has no address",
        fix: &[
            "getent hosts <primary> (on the replica's machine or in its container: shows whether the name has an address)",
            "redis-ops health --host <primary> --port 6379",
            "REPLICAOF <host> <port> (on the replica, if the primary's address is wrong)",
        ],
        source: "replication.c, connectWithMaster",
        because_of: &["R21"],
        weight: 85,
        examine: not_connected,
        ..R
    },
    Rule {
        id: "R30",
        title: "the Sentinels found the primary down",
        reads: "a Sentinel's log: +odown master, -failover-abort-…, +switch-master, -odown master",
        threshold: "the log has +odown or -failover-abort-…; warning: it also says that the primary came back or was replaced",
        why: "nobody takes writes until the primary is back or a replica is promoted; \"no good slave\": every replica is down, disconnected from the primary for too long, or has priority 0",
        fix: &[
            "redis-ops health --host <primary> --port 6379",
            "SENTINEL REPLICAS <group> (on a Sentinel)",
            "bring the primary back, or promote a replica of it",
        ],
        source: "sentinel.c",
        weight: 95,
        examine: not_replaced,
        ..R
    },
    Rule {
        id: "R31",
        title: "a client writes to a replica: its writes are refused (READONLY)",
        reads: "a client's error: READONLY You can't write against a read only replica",
        threshold: "there is such an error",
        why: "the application knows the wrong server, or has not noticed a failover; none of its writes succeeds there",
        fix: &[
            "redis-ops diagnose replication",
            "in the application: connect to the primary, or ask the Sentinels or the cluster for it, and reconnect on READONLY",
        ],
        source: "server.c, processCommand",
        weight: 85,
        examine: read_only,
        ..R
    },
];

/// The same from so many lines on.
fn again(case: &Case<'_>, event: LogEvent) -> Judged {
    let count = case.server_log()?.events.get(&event).map_or(0, |seen| seen.count);
    if (count as f64) < case.limit("warning") { Ok(None) } else { said(case, event, Severity::Warning) }
}

fn replica_buffers(case: &Case<'_>) -> Judged {
    said(case, LogEvent::ReplicaOutputBuffer, Severity::Critical)
}

fn refused_password(case: &Case<'_>) -> Judged {
    said(case, LogEvent::PrimaryRefusedPassword, Severity::Critical)
}

fn primary_lost(case: &Case<'_>) -> Judged {
    again(case, LogEvent::PrimaryLost)
}

fn full_resyncs(case: &Case<'_>) -> Judged {
    again(case, LogEvent::FullResync)
}

fn cluster_failed(case: &Case<'_>) -> Judged {
    said(case, LogEvent::ClusterFailed, Severity::Critical)
}

fn not_connected(case: &Case<'_>) -> Judged {
    let log = case.server_log()?;
    let Some(seen) = log.events.get(&LogEvent::NotConnected) else { return Ok(None) };
    let critical = seen.count as f64 >= case.limit("critical");
    let finding = said(case, LogEvent::NotConnected, if critical { Severity::Critical } else { Severity::Warning })?;
    // "Connecting to MASTER redis-master:6379" stands in the line before.
    let place = log.events.get(&LogEvent::Connecting).and_then(|seen| seen.example.split_whitespace().last());
    let place = place.and_then(|place| place.rsplit_once(':')).filter(|(_, port)| port.parse::<u16>().is_ok());
    Ok(finding.map(|finding| match place {
        Some((host, port)) => finding
            .evidence("primary", format!("{host}:{port}"))
            .fix(format!("getent hosts {host} (on the replica's machine or in its container: shows whether the name has an address)"))
            .fix(format!("redis-ops health --host {host} --port {port}"))
            .fix("REPLICAOF <host> <port> (on the replica, if the primary's address is wrong)"),
        None => finding,
    }))
}

/// Group and address of a Sentinel's line: `+odown master mymaster 10.0.0.5 6379 #quorum 2/2`.
fn watched(line: &str) -> Option<(&str, &str, &str)> {
    let mut words = line.split_whitespace().skip_while(|word| *word != "master").skip(1);
    Some((words.next()?, words.next()?, words.next().filter(|port| port.parse::<u16>().is_ok())?))
}

fn not_replaced(case: &Case<'_>) -> Judged {
    let log = case.server_log()?;
    let is_over = [LogEvent::PrimaryBack, LogEvent::PrimarySwitched].iter().any(|event| log.events.contains_key(event));
    let severity = if is_over { Severity::Warning } else { Severity::Critical };
    // Why there was no failover says more than that one was needed.
    let event =
        [LogEvent::FailoverFailed, LogEvent::PrimaryDown].into_iter().find(|event| log.events.contains_key(event));
    let Some(event) = event else { return Ok(None) };
    let place = log.events.get(&event).and_then(|seen| watched(&seen.example));
    let finding = said(case, event, severity)?;
    let finding = finding.map(|finding| if is_over { finding.evidence("since", "back, or replaced") } else { finding });
    Ok(finding.map(|finding| match place {
        Some((group, host, port)) => named(finding, group, host, port),
        None => finding,
    }))
}

fn named(finding: Finding, group: &str, host: &str, port: &str) -> Finding {
    finding
        .evidence("group", group)
        .evidence("primary", format!("{host}:{port}"))
        .fix(format!("redis-ops health --host {host} --port {port}"))
        .fix(format!("SENTINEL REPLICAS {group} (on a Sentinel)"))
        .fix(format!("bring {host}:{port} back, or promote a replica of it"))
}

fn read_only(case: &Case<'_>) -> Judged {
    said(case, LogEvent::ReadOnly, Severity::Critical)
}
