//! R01–R08 and R10: replicas, their links and their lag.

use super::super::case::{Case, skip};
use super::super::judged::{Judged, Skipped};
use super::super::rule::Rule;
use super::R;
use crate::finding::Finding;
use crate::introspection::{InterruptedRestore, NodeRole, Part, Question};

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "R01",
        title: "the link to the primary is down",
        reads: "master_link_status, master_link_down_since_seconds (-1: never up), master_replid, master_port",
        limits: &[("critical", 10.0)],
        threshold: "the link is down; critical: for {critical} s, or it never came up in {critical} s of uptime",
        why: "this replica serves old data and cannot replace its primary",
        fix: &[
            "redis-ops health --host <primary> --port 6379",
            "CONFIG SET masterauth <the primary's password> (if the primary refuses the current one: see the server's log)",
            "redis-ops restore --undo --target-instance <this server> (if an interrupted restore is the cause)",
            "REPLICAOF NO ONE (by hand, if an interrupted restore is the cause)",
            "CONFIG SET repl-diskless-load disabled (the default, unless you had set another value)",
        ],
        source: "NetData; -1 observed",
        weight: 90,
        examine: link,
        ..R
    },
    Rule {
        id: "R02",
        title: "a replica lags behind",
        reads: "slaveN: lag of the replicas that are online",
        limits: &[("warning", 10.0), ("critical", 30.0)],
        threshold: "the last acknowledgement was at least {warning} s (critical: {critical} s) ago",
        why: "reads from the replica are old, and a failover to this replica loses the writes that the replica lacks",
        fix: &["on the replica: redis-ops diagnose connections"],
        source: "Zabbix: 30 s",
        because_of: &["M13"],
        weight: 65,
        examine: lag,
        ..R
    },
    Rule {
        id: "R03",
        title: "a replica is close to falling out of the backlog",
        reads: "master_repl_offset - slaveN offset, repl_backlog_size",
        limits: &[("warning", 0.25), ("critical", 0.75)],
        threshold: "the replica is at least {warning%} (critical: {critical%}) of the backlog behind",
        why: "if the replica reconnects now, it may need a full resync",
        fix: &["CONFIG SET repl-backlog-size <two minutes of writes> (takes that much memory)"],
        because_of: &["R02", "R04"],
        examine: lag_bytes,
        ..R
    },
    Rule {
        id: "R04",
        title: "the replication backlog covers too short a time",
        reads: "repl_backlog_size, master_repl_offset between two readings",
        limits: &[("warning", 60.0), ("critical", 20.0), ("rate", 10_240.0)],
        threshold: "the backlog covers less than {warning} s (critical: {critical} s) at the present rate, and the rate is at least {rateB} a second",
        why: "a replica that is disconnected for longer needs a full resync: a fork, a snapshot, and all data over the network",
        fix: &["CONFIG SET repl-backlog-size <two minutes of writes> (takes that much memory)"],
        source: "Redis documentation, replication",
        examine: backlog,
        ..R
    },
    Rule {
        id: "R05",
        title: "replicas need full resyncs",
        reads: "sync_full, sync_partial_err between two readings",
        limits: &[("loop", 2.0)],
        threshold: "a full resync ran between two readings; critical: {loop} did, which is a loop",
        why: "each full resync costs a fork and a copy of all data; a loop never ends by itself",
        fix: &[
            "redis-ops diagnose replication --since 1h",
            "CONFIG SET repl-backlog-size <two minutes of writes> (takes that much memory)",
        ],
        source: "BetterDB's recommendations",
        because_of: &["R26", "M13", "R04"],
        examine: full_syncs,
        ..R
    },
    Rule {
        id: "R06",
        title: "replicas are missing",
        reads: "connected_slaves, `expect.replicas`, min_slaves_good_slaves, min-replicas-to-write",
        asks: &[Question::Config],
        threshold: "there are fewer than expected; critical: none, or too few for writes",
        why: "fewer replicas can take over; with min-replicas-to-write the server refuses writes",
        fix: &[
            "bring the replicas back",
            "CONFIG SET min-replicas-to-write 0 (only if that takes too long: the server accepts writes again, which are lost if this machine fails)",
        ],
        source: "alert packs",
        weight: 80,
        examine: missing,
        ..R
    },
    Rule {
        id: "R07",
        title: "a replica accepts writes",
        reads: "slave_read_only",
        threshold: "slave_read_only is 0",
        why: "data written to the replica is lost at the next resync, unnoticed",
        fix: &["CONFIG SET replica-read-only yes (clients that write here get READONLY; undo: no)"],
        source: "practice (redis-doctor)",
        examine: writable,
        ..R
    },
    Rule {
        id: "R08",
        title: "the primary is silent",
        reads: "master_last_io_seconds_ago, CONFIG repl-ping-replica-period",
        asks: &[Question::Config],
        limits: &[("warning", 20.0), ("critical", 30.0), ("periods", 2.0)],
        threshold: "the link is up, and the primary sent nothing for {warning} s (critical: {critical} s), and for {periods} times repl-ping-replica-period",
        why: "the primary sends a ping every repl-ping-replica-period, ten seconds by default: it hangs, or the network loses packets",
        fix: &["on the primary: redis-ops health"],
        source: "Zabbix: 30 s",
        examine: silent,
        ..R
    },
    Rule {
        id: "R10",
        title: "there is no replica",
        reads: "connected_slaves",
        threshold: "a primary has no replica; warning only where `expect.replicas` asks for one (R06)",
        why: "if the machine fails, the service is down until a restore has finished",
        fix: &["on another machine: REPLICAOF <this host> <port>"],
        source: "practice (redis-doctor)",
        examine: no_spare,
        ..R
    },
];

fn link(case: &Case<'_>) -> Judged {
    let server = &case.snapshot.server;
    let Some(primary) = &server.primary else { return Ok(None) };
    // A text that was cut says nothing about the link.
    case.text("master_link_status")?;
    if let Some(running) = &case.snapshot.restore {
        let finding = case.warning().evidence("primary", format!("{}:{}", primary.host, primary.port));
        return Ok(Some(finding.evidence("cause", running.to_string()).fix(running.way_on())));
    }
    let left = match &case.snapshot.left_behind {
        Part::Got(left) => left.clone().map(|left| (left.words.clone(), left.commands(), left.record.is_some())),
        // Nobody has looked at what this machine has written down: what the server says of itself may do.
        _ => InterruptedRestore::of(server).map(|left| (left.words(), Vec::new(), false)),
    };
    if let Some((words, commands, is_written_down)) = left {
        let is_known =
            is_written_down || primary.down_seconds.unwrap_or(server.uptime_seconds) as f64 >= case.limit("critical");
        let finding = if is_known { case.critical() } else { case.warning() };
        let finding = finding.evidence("primary", format!("{}:{}", primary.host, primary.port));
        let finding = finding.evidence("cause", words).fix("redis-ops restore --undo --target-instance <this server>");
        if is_written_down {
            let by_hand = commands.into_iter().map(|command| format!("{command} (by hand)"));
            return Ok(Some(by_hand.fold(finding, |finding, command| finding.fix(command))));
        }
        return Ok(Some(
            finding
                .fix("REPLICAOF NO ONE (by hand)")
                .fix("CONFIG SET repl-diskless-load disabled (the default, unless you had set another value)"),
        ));
    }
    if primary.up {
        return Ok(None);
    }
    let seconds = primary.down_seconds.unwrap_or(server.uptime_seconds);
    let finding = if seconds as f64 >= case.limit("critical") { case.critical() } else { case.warning() };
    let finding = finding.evidence("primary", format!("{}:{}", primary.host, primary.port));
    let finding = match primary.down_seconds {
        Some(seconds) => finding.evidence("down_seconds", seconds),
        None => finding.evidence("never_up_in_seconds", server.uptime_seconds),
    };
    Ok(Some(
        finding
            .evidence("syncing", primary.syncing)
            .fix(format!("redis-ops health --host {} --port {}", primary.host, primary.port))
            .fix("CONFIG SET masterauth <the primary's password> (if the primary refuses the current one: see the server's log)"),
    ))
}

fn is_primary(case: &Case<'_>) -> Result<(), Skipped> {
    match case.snapshot.server.role {
        NodeRole::Primary => Ok(()),
        _ => Err(Skipped("the server is not a primary".to_owned())),
    }
}

fn lag(case: &Case<'_>) -> Judged {
    let replicas = &case.snapshot.info.replicas();
    let online = replicas.iter().filter(|replica| replica.state == "online");
    let Some((worst, lag)) = online.filter_map(|replica| Some((replica, replica.lag?))).max_by_key(|(_, lag)| *lag)
    else {
        return Ok(None);
    };
    Ok(case.grade(lag as f64).map(|finding| {
        finding.evidence("replica", format!("{}:{}", worst.ip, worst.port)).evidence("lag_seconds", lag)
    }))
}

/// A larger backlog: the same figure whichever rule asks for it. Two minutes of writes at the present rate, or eight times what the slowest
/// replica lacks, and at least twice what it is; at most a tenth of the machine's memory, and, from a gigabyte on, as much as the data: more than
/// that a full resync would not send. `None`: it is as large as it should become.
fn larger_backlog(case: &Case<'_>) -> Option<String> {
    const MIB: u64 = 1 << 20;
    let size = case.number("repl_backlog_size").ok()?;
    let offset = case.number_or_zero("master_repl_offset");
    let rate = case.delta("master_repl_offset").map(|delta| delta.rate()).unwrap_or(0.0);
    let online = case.snapshot.info.replicas().into_iter().filter(|replica| replica.state == "online");
    let behind = online.filter_map(|replica| Some(offset.saturating_sub(replica.offset?))).max().unwrap_or(0);
    let wanted = ((rate * 120.0) as u64).max(behind.saturating_mul(8)).max(size.saturating_mul(2));
    let machine = case.machine_memory().map_or(u64::MAX, |memory| memory / 10);
    let data = case.number_or_zero("used_memory").max(1 << 30);
    let bytes = wanted.min(machine).min(data);
    let megabytes = bytes.div_ceil(MIB).max(1).next_power_of_two();
    (megabytes.saturating_mul(MIB) > size)
        .then(|| format!("CONFIG SET repl-backlog-size {megabytes}mb (takes that much memory; undo: {size})"))
}

/// What is left where the backlog has the size that it should have.
const LARGE_ENOUGH: &str =
    "fewer or smaller writes, or a faster way to the replica: the backlog is as large as it should become";

/// The finding with a larger backlog, where there is one to be had.
fn with_larger_backlog(case: &Case<'_>, finding: Finding) -> Finding {
    match larger_backlog(case) {
        Some(command) => finding.fix(command),
        None => finding.fix(LARGE_ENOUGH),
    }
}

fn lag_bytes(case: &Case<'_>) -> Judged {
    let (offset, size) = (case.number("master_repl_offset")?, case.number("repl_backlog_size")?);
    let online = case.snapshot.info.replicas().into_iter().filter(|replica| replica.state == "online");
    let behind = online.filter_map(|replica| Some((offset.saturating_sub(replica.offset?), replica)));
    let Some((bytes, worst)) = behind.max_by_key(|(bytes, _)| *bytes) else { return Ok(None) };
    let share = bytes as f64 / size.max(1) as f64;
    Ok(case.grade(share).map(|finding| {
        let finding = finding.evidence("replica", format!("{}:{}", worst.ip, worst.port));
        with_larger_backlog(case, finding.evidence("bytes_behind", bytes).evidence("repl_backlog_size", size))
    }))
}

fn backlog(case: &Case<'_>) -> Judged {
    is_primary(case)?;
    if case.number("connected_slaves")? == 0 {
        return Ok(None);
    }
    let size = case.number("repl_backlog_size")?;
    let rate = case.delta("master_repl_offset")?.rate();
    if rate < case.limit("rate") {
        return Ok(None);
    }
    let seconds = size as f64 / rate;
    Ok(case.grade_low(seconds).map(|finding| {
        let finding = finding.evidence("covers_seconds", (seconds * 10.0).round() / 10.0);
        with_larger_backlog(
            case,
            finding.evidence("repl_backlog_size", size).evidence("bytes_per_second", rate.round()),
        )
    }))
}

fn full_syncs(case: &Case<'_>) -> Judged {
    let full = case.delta("sync_full")?;
    if full.amount == 0 {
        return Ok(None);
    }
    // One replica that joins is no loop.
    let again = full.amount as f64 >= case.limit("loop") && full.amount > case.number_or_zero("connected_slaves");
    let finding = if again { case.critical() } else { case.warning() };
    let refused = case.delta("sync_partial_err").map(|delta| delta.amount).unwrap_or(0);
    let finding = finding.evidence("full_resyncs", full.amount).evidence("partial_refused", refused);
    Ok(Some(with_larger_backlog(case, finding.fix("redis-ops diagnose replication --since 1h"))))
}

fn missing(case: &Case<'_>) -> Judged {
    is_primary(case)?;
    let connected = case.number("connected_slaves")?;
    let needed = case.snapshot.answers.config.got().and_then(|config| {
        config.u64("min-replicas-to-write").or(config.u64("min-slaves-to-write")).filter(|needed| *needed > 0)
    });
    let good = case.snapshot.info.u64("min_slaves_good_slaves").unwrap_or(connected);
    if let Some(needed) = needed.filter(|needed| good < *needed) {
        let finding = case.critical().evidence("good_replicas", good).evidence("min-replicas-to-write", needed);
        return Ok(Some(
            finding
                .evidence("writes", "refused (NOREPLICAS)")
                .fix("bring the replicas back")
                .fix(format!(
                    "CONFIG SET {} 0 (only if that takes too long: the server accepts writes again, which are lost if this machine fails; undo: {needed})",
                    if case.knows(5, 0) { "min-replicas-to-write" } else { "min-slaves-to-write" }
                )),
        ));
    }
    let Some(expected) = case.expect().replicas else {
        return if needed.is_some() {
            Ok(None)
        } else {
            skip("the settings do not say how many replicas to expect (`diagnose.expect.replicas`)")
        };
    };
    if connected >= expected {
        return Ok(None);
    }
    let finding = if connected == 0 { case.critical() } else { case.warning() };
    Ok(Some(
        finding.evidence("connected_slaves", connected).evidence("expected", expected).fix("bring the replicas back"),
    ))
}

fn writable(case: &Case<'_>) -> Judged {
    if case.snapshot.server.role != NodeRole::Replica {
        return Ok(None);
    }
    Ok((case.number("slave_read_only")? == 0).then(|| {
        let name = if case.knows(5, 0) { "replica-read-only" } else { "slave-read-only" };
        case.critical()
            .evidence("slave_read_only", 0)
            .fix(format!("CONFIG SET {name} yes (clients that write here get READONLY; undo: no)"))
    }))
}

fn silent(case: &Case<'_>) -> Judged {
    let Some(primary) = &case.snapshot.server.primary else { return Ok(None) };
    let Some(seconds) = primary.last_io_seconds.filter(|_| primary.up) else { return Ok(None) };
    // The setting of the replica: a deployment has one for all its servers.
    let config = case.snapshot.answers.config.got();
    let period = config.and_then(|config| config.u64("repl-ping-replica-period")).unwrap_or(0);
    if (seconds as f64) < period as f64 * case.limit("periods") {
        return Ok(None);
    }
    Ok(case.grade(seconds as f64).map(|finding| finding.evidence("master_last_io_seconds_ago", seconds)))
}

fn no_spare(case: &Case<'_>) -> Judged {
    is_primary(case)?;
    Ok((case.number("connected_slaves")? == 0).then(|| case.info().evidence("connected_slaves", 0)))
}
