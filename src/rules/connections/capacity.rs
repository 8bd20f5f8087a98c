//! How many connections there are, whose they are, and what they wait for.

use std::collections::HashMap;

use super::super::case::{Case, percent, skip};
use super::super::judged::Judged;
use super::super::rule::{RULE, Rule, Topic};
use super::owner;
use crate::figures;
use crate::introspection::Question;
use crate::replies::Client;

/// What the rules of this file share.
const C: Rule = Rule { topic: Topic::Connections, ..RULE };

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "C01",
        title: "nearly all connections are taken",
        reads: "(connected_clients + connected_slaves + cluster_connections) / maxclients",
        asks: &[Question::Config],
        limits: &[("warning", 0.80), ("critical", 0.95)],
        threshold: "at least {warning%} (critical: {critical%}) of maxclients are connected",
        why: "at maxclients the server refuses new connections, also those of redis-ops",
        fix: &["CONFIG SET maxclients <twice what it is> (the process needs that many file descriptors: ulimit -n)"],
        source: "networking.c counts all of them; common alert rules: 80 %",
        because_of: &["C47", "C04"],
        weight: 80,
        examine: near_the_limit,
        ..C
    },
    Rule {
        id: "C02",
        title: "connections are refused",
        reads: "rejected_connections between two readings",
        threshold: "the counter grew between two readings; earlier ones are info only",
        why: "clients cannot connect: maxclients is reached, or protected mode refuses them",
        fix: &["CONFIG SET maxclients <twice what it is> (the process needs that many file descriptors: ulimit -n)"],
        source: "alert packs",
        because_of: &["C47", "C01", "C04"],
        weight: 75,
        examine: refused,
        ..C
    },
    Rule {
        id: "C03",
        title: "connections are short-lived",
        reads: "total_connections_received between two readings, ages in CLIENT LIST",
        asks: &[Question::Clients],
        limits: &[("warning", 10.0), ("critical", 100.0), ("age", 10.0)],
        threshold: "more than {warning} connections a second are opened and closed again, and the median age is below {age} s; critical: above {critical} a second",
        why: "without a connection pool every request pays for a handshake, which is expensive with TLS",
        fix: &["use a connection pool in the application"],
        examine: churn,
        ..C
    },
    Rule {
        id: "C04",
        title: "idle connections pile up",
        reads: "CLIENT LIST: idle of applications",
        asks: &[Question::Clients],
        limits: &[
            ("idle", 3600.0),
            ("count", 100.0),
            ("share", 0.30),
            ("critical_count", 500.0),
            ("critical_share", 0.50),
        ],
        threshold: "{count} connections, and {share%} of all, are idle for {idle} s; critical: {critical_count} and {critical_share%}",
        why: "a pool leaks, or peers disappeared without closing: in the end the server refuses connections",
        fix: &["CONFIG SET timeout 300", "CONFIG SET tcp-keepalive 60"],
        source: "practice (redis-doctor); redis_exporter#1161, redis#15102",
        weight: 85,
        examine: idle,
        ..C
    },
    Rule {
        id: "C05",
        title: "one client holds most connections",
        reads: "CLIENT LIST by name, library, user and address",
        asks: &[Question::Clients],
        limits: &[("share", 0.50), ("count", 100.0), ("usage", 0.50)],
        threshold: "one client holds at least {share%} of at least {count} connections, while {usage%} of maxclients is in use",
        why: "the finding names the connection pool to check first",
        fix: &["CLIENT LIST", "CLIENT KILL ID <id> (of idle connections)"],
        source: "BetterDB's recommendations",
        because_of: &["C47", "C04", "C01"],
        examine: leak_owner,
        ..C
    },
    Rule {
        id: "C06",
        title: "connections are anonymous",
        reads: "CLIENT LIST: name, lib-name",
        asks: &[Question::Clients],
        limits: &[("share", 0.50), ("count", 20.0)],
        threshold: "{share%} of more than {count} connections have neither a name nor a library",
        why: "nobody can tell which application a nameless connection belongs to",
        fix: &["CLIENT SETNAME <application> (in the application, or the setting of its client library)"],
        source: "practice (redis-doctor)",
        examine: anonymous,
        ..C
    },
    Rule {
        id: "C07",
        title: "nearly all clients wait for data",
        reads: "blocked_clients, CLIENT LIST flags b",
        asks: &[Question::Clients],
        limits: &[("share", 0.80), ("count", 10.0), ("usage", 0.50)],
        threshold: "{share%} of at least {count} application connections are blocked; info only, because idle workers wait like this; warning: they take {usage%} of maxclients",
        why: "either no producer adds work, or so many clients wait that no connections are left for others",
        fix: &[
            "check whether the producers are running: no data arrives for the waiting clients",
            "fewer workers, or a time limit in their BLPOP, BRPOP or XREAD",
        ],
        examine: blocked,
        ..C
    },
];

fn near_the_limit(case: &Case<'_>) -> Judged {
    let clients = case.number("connected_clients")?;
    let all =
        figures::sum([clients, case.number_or_zero("connected_slaves"), case.number_or_zero("cluster_connections")]);
    let limit = match case.number("maxclients") {
        Ok(limit) => limit,
        Err(missing) => {
            case.snapshot.answers.config.got().and_then(|config| config.u64("maxclients")).ok_or(missing)?
        }
    };
    let share = all as f64 / limit.max(1) as f64;
    Ok(case.grade(share).map(|finding| {
        let finding = finding.evidence("connections", all).evidence("maxclients", limit);
        finding.evidence("share", percent(share)).fix(more_connections(limit))
    }))
}

/// Room for twice as many connections: the same figure whichever rule asks for it.
fn more_connections(limit: u64) -> String {
    let wanted = limit.saturating_mul(2).max(1000);
    format!("CONFIG SET maxclients {wanted} (the process needs that many file descriptors: ulimit -n; undo: {limit})")
}

fn refused(case: &Case<'_>) -> Judged {
    let total = case.number("rejected_connections")?;
    if total == 0 {
        return Ok(None);
    }
    let finding = match case.delta("rejected_connections") {
        Ok(delta) if delta.amount > 0 => {
            case.critical().evidence("refused", delta.amount).evidence("seconds", (delta.seconds * 10.0).round() / 10.0)
        }
        _ => case.info(),
    };
    let limit = case.number_or_zero("maxclients");
    Ok(Some(
        finding
            .evidence("refused_since_start", total)
            .evidence("connected_clients", case.number_or_zero("connected_clients"))
            .evidence("maxclients", limit)
            .fix(more_connections(limit)),
    ))
}

fn churn(case: &Case<'_>) -> Judged {
    let came = case.delta("total_connections_received")?;
    // Those that stay are a pool that fills, or a leak (C47): only what was closed again was short-lived.
    let before = case.snapshot.comparable()?.info.u64("connected_clients");
    let stayed = before.zip(case.number("connected_clients").ok()).map_or(0, |(then, now)| now.saturating_sub(then));
    let rate = came.amount.saturating_sub(stayed) as f64 / came.seconds;
    let mut ages: Vec<u64> = case.applications()?.iter().map(|client| client.age).collect();
    ages.sort_unstable();
    // With nobody left connected the churn is complete.
    let median = ages.get(ages.len() / 2).copied().unwrap_or(0);
    let young = (median as f64) < case.limit("age");
    let finding = match (rate >= case.limit("critical"), rate >= case.limit("warning") && young) {
        (true, _) if young => case.critical(),
        (_, true) => case.warning(),
        _ => return Ok(None),
    };
    Ok(Some(finding.evidence("connections_per_second", rate.round()).evidence("median_age_seconds", median)))
}

fn idle(case: &Case<'_>) -> Judged {
    let clients = case.applications()?;
    let limit = case.limit("idle");
    let idle: Vec<&&Client> =
        clients.iter().filter(|client| client.idle as f64 >= limit && !client.is_blocked()).collect();
    let (count, share) = (idle.len() as f64, idle.len() as f64 / clients.len().max(1) as f64);
    let finding = if count >= case.limit("critical_count") && share >= case.limit("critical_share") {
        case.critical()
    } else if count >= case.limit("count") && share >= case.limit("share") {
        case.warning()
    } else {
        return Ok(None);
    };
    let owners = by_owner(idle.iter().map(|client| **client));
    let finding = finding.evidence("idle", idle.len()).evidence("connections", clients.len());
    // A twelfth of what counts as idle here: 300 s of an hour.
    let timeout = (limit / 12.0).clamp(1.0, 300.0) as u64;
    let finding = finding.fix(format!("CONFIG SET timeout {timeout}")).fix("CONFIG SET tcp-keepalive 60");
    Ok(Some(match owners.first() {
        Some((owner, count)) => finding.evidence("most_of", owner.as_str()).evidence("its_idle", *count),
        None => finding,
    }))
}

pub(super) fn by_owner<'a>(clients: impl Iterator<Item = &'a Client>) -> Vec<(String, usize)> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for client in clients {
        *counts.entry(owner(client)).or_default() += 1;
    }
    let mut owners: Vec<(String, usize)> = counts.into_iter().collect();
    owners.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    owners
}

fn leak_owner(case: &Case<'_>) -> Judged {
    let clients = case.applications()?;
    let usage = case.number("connected_clients")? as f64 / case.number("maxclients")?.max(1) as f64;
    if (clients.len() as f64) < case.limit("count") || usage < case.limit("usage") {
        return Ok(None);
    }
    let owners = by_owner(clients.iter().copied());
    let Some((owner, count)) = owners.first() else { return Ok(None) };
    let share = *count as f64 / clients.len() as f64;
    if share < case.limit("share") || owners.len() < 2 {
        return Ok(None);
    }
    let finding = case.warning().evidence("owner", owner.as_str()).evidence("connections", *count);
    Ok(Some(
        finding.evidence("share", percent(share)).fix("CLIENT LIST").fix("CLIENT KILL ID <id> (of idle connections)"),
    ))
}

fn anonymous(case: &Case<'_>) -> Judged {
    let clients = case.applications()?;
    let nameless = clients.iter().filter(|client| client.name.is_empty() && client.lib_name.is_empty()).count();
    let share = nameless as f64 / clients.len().max(1) as f64;
    let speaks = clients.len() as f64 > case.limit("count") && share >= case.limit("share");
    // Nothing is wrong with the server: it is worth a warning only to those who look for order.
    Ok(speaks.then(|| case.info().evidence("nameless", nameless).evidence("connections", clients.len())))
}

fn blocked(case: &Case<'_>) -> Judged {
    let clients = case.applications()?;
    let waiting: Vec<&&Client> = clients.iter().filter(|client| client.is_blocked()).collect();
    let share = waiting.len() as f64 / clients.len().max(1) as f64;
    if (waiting.len() as f64) < case.limit("count") || share < case.limit("share") {
        return Ok(None);
    }
    let Some(longest) = waiting.iter().max_by_key(|client| client.idle) else { return skip("nobody waits") };
    let usage = waiting.len() as f64 / case.number("maxclients").unwrap_or(10_000).max(1) as f64;
    let finding = if usage >= case.limit("usage") { case.warning() } else { case.info() };
    Ok(Some(
        finding
            .evidence("blocked", waiting.len())
            .evidence("connections", clients.len())
            .evidence("command", longest.cmd.as_str())
            .evidence("longest_wait_seconds", longest.idle)
            .evidence("owner", owner(longest)),
    ))
}
