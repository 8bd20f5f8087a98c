//! Connections that hold the server's memory or time.

use super::super::case::{Case, percent, skip};
use super::super::judged::Judged;
use super::super::memory::limit_for_clients;
use super::super::rule::{RULE, Rule, Topic};
use super::{MIB, owner};
use crate::figures;
use crate::finding::Finding;
use crate::introspection::Question;
use crate::replies::{Client, ClientKind};

const C: Rule = Rule { topic: Topic::Connections, ..RULE };

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "C08",
        title: "a client does not read its replies",
        reads: "CLIENT LIST: omem of applications, client-output-buffer-limit",
        asks: &[Question::Clients],
        limits: &[("warning", 64.0 * MIB), ("critical", 256.0 * MIB), ("share", 0.05)],
        threshold: "{warningB} (critical: {criticalB}) of replies wait for one client; also critical: {share%} of maxmemory and \
                    more than 1 MiB",
        why: "replies pile up in the server's memory, by default without a limit",
        fix: &[
            "CLIENT KILL ID <id>",
            "CONFIG SET client-output-buffer-limit \"normal 512mb 128mb 60\" (disconnects clients that do not read; undo: \"normal 0 0 0\")",
        ],
        source: "redis.conf: client-output-buffer-limit normal 0 0 0",
        weight: 90,
        examine: slow_reader,
        ..C
    },
    Rule {
        id: "C09",
        title: "a client sends huge commands",
        reads: "CLIENT LIST: qbuf + qbuf-free + argv-mem + multi-mem, client-query-buffer-limit, maxmemory",
        asks: &[Question::Config, Question::Clients],
        limits: &[("warning", 32.0 * MIB), ("critical", 0.50), ("share", 0.25)],
        threshold: "one client's commands take {warningB}; critical: {critical%} of client-query-buffer-limit (1 GiB by default), or the commands of all clients take {share%} of maxmemory and more than 1 MiB",
        why: "a pipeline or a MULTI stays in the server's memory until it is executed",
        fix: &["split the batch in the application", "CLIENT KILL ID <id>"],
        source: "server.c: PROTO_MAX_QUERYBUF_LEN",
        // Before M01 (80): where commands take the room that the limit leaves, more room is no remedy.
        weight: 82,
        examine: query_buffer,
        ..C
    },
    Rule {
        id: "C10",
        title: "connections are closed because of their buffers",
        reads: "client_output_buffer_limit_disconnections, client_query_buffer_limit_disconnections (Redis 7.4, Valkey 8) between two readings",
        limits: &[("critical", 10.0)],
        threshold: "the counter grew between two readings; critical: {critical} a minute",
        why: "the client reconnects and does the same again, unnoticed",
        fix: &["redis-ops diagnose connections --sort memory"],
        because_of: &["C08", "M13", "A16"],
        examine: buffer_kills,
        ..C
    },
    Rule {
        id: "C11",
        title: "clients are evicted",
        reads: "evicted_clients (7.0) between two readings, CONFIG maxmemory-clients",
        asks: &[Question::Config],
        threshold: "the counter grew between two readings",
        why: "the buffers of all clients together exceed maxmemory-clients",
        fix: &[
            "redis-ops diagnose connections --sort memory",
            "CONFIG SET maxmemory-clients 10% (7.0; disconnects the clients with the largest buffers above that; undo: 0)",
        ],
        source: "Redis documentation, clients",
        because_of: &["C08"],
        examine: evicted,
        ..C
    },
    Rule {
        id: "C12",
        title: "a transaction was left open",
        reads: "CLIENT LIST: flags x, multi, idle",
        asks: &[Question::Clients],
        limits: &[("idle", 10.0), ("critical", 10.0)],
        threshold: "a client sent MULTI and then nothing for {idle} s; critical: {critical} connections did",
        why: "the queued commands wait in memory, and the application has probably failed between MULTI and EXEC",
        fix: &["CLIENT KILL ID <id>"],
        examine: stuck_multi,
        ..C
    },
    Rule {
        id: "C13",
        title: "MONITOR is running",
        reads: "CLIENT LIST: flags O",
        asks: &[Question::Clients],
        limits: &[("critical", 3600.0)],
        threshold: "a client runs MONITOR; critical: for {critical} s",
        why: "the server copies every command to that client, which halves the throughput",
        fix: &["CLIENT KILL ID <id>"],
        source: "Redis documentation, MONITOR",
        weight: 60,
        examine: monitor,
        ..C
    },
    Rule {
        id: "C14",
        title: "the tracking table is nearly full",
        reads: "tracking_total_keys / tracking-table-max-keys",
        asks: &[Question::Config],
        limits: &[("warning", 0.90)],
        threshold: "the table holds {warning%} of tracking-table-max-keys",
        why: "when the table is full the server invalidates keys that have not changed",
        fix: &["CONFIG SET tracking-table-max-keys 2000000"],
        source: "server.c: the default is a million",
        examine: tracking,
        ..C
    },
];

fn slow_reader(case: &Case<'_>) -> Judged {
    let clients = case.applications()?;
    let Some(worst) = clients.iter().max_by_key(|client| client.omem) else { return Ok(None) };
    let share = case.maxmemory().map(|limit| worst.omem as f64 / limit as f64).unwrap_or(0.0);
    let finding =
        if worst.omem as f64 >= case.limit("critical") || (share >= case.limit("share") && worst.omem as f64 >= MIB) {
            case.critical()
        } else if worst.omem as f64 >= case.limit("warning") {
            case.warning()
        } else {
            return Ok(None);
        };
    Ok(Some(
        describe(finding, worst)
            .evidence("omem", worst.omem)
            .fix(format!("CLIENT KILL ID {}", worst.id))
            .fix("CONFIG SET client-output-buffer-limit \"normal 512mb 128mb 60\" (disconnects clients that do not read; undo: \"normal 0 0 0\")"),
    ))
}

fn describe(finding: Finding, client: &Client) -> Finding {
    finding.evidence("client", client.id).evidence("owner", owner(client)).evidence("command", client.cmd.as_str())
}

fn query_buffer(case: &Case<'_>) -> Judged {
    let clients = case.applications()?;
    let Some(worst) = clients.iter().max_by_key(|client| client.input_bytes()) else { return Ok(None) };
    let limit = case
        .snapshot
        .answers
        .config
        .got()
        .and_then(|config| config.u64("client-query-buffer-limit"))
        .unwrap_or(1 << 30);
    let bytes = worst.input_bytes() as f64;
    // The room of a buffer is taken from the data whether or not anything has arrived in it yet.
    let all = figures::sum(clients.iter().map(|client| client.input_bytes().saturating_add(client.qbuf_free)));
    let share = case.maxmemory().map(|limit| all as f64 / limit as f64).unwrap_or(0.0);
    let finding = if share >= case.limit("share") && all as f64 > MIB {
        case.critical().evidence("all_clients_bytes", all).evidence("share_of_maxmemory", percent(share))
    } else if bytes >= limit as f64 * case.limit("critical") {
        case.critical()
    } else if bytes >= case.limit("warning") {
        case.warning()
    } else {
        return Ok(None);
    };
    Ok(Some(
        describe(finding, worst)
            .evidence("bytes", worst.input_bytes())
            .evidence("limit", limit)
            .fix("split the batch in the application")
            .fix(format!("CLIENT KILL ID {}", worst.id)),
    ))
}

fn buffer_kills(case: &Case<'_>) -> Judged {
    let output = case.delta("client_output_buffer_limit_disconnections")?;
    let query = case.delta("client_query_buffer_limit_disconnections")?;
    let amount = output.amount.saturating_add(query.amount);
    if amount == 0 {
        return Ok(None);
    }
    let per_minute = amount as f64 / output.seconds * 60.0;
    let sustained = per_minute >= case.limit("critical") && amount as f64 >= case.limit("critical");
    let finding = if sustained { case.critical() } else { case.warning() };
    Ok(Some(finding.evidence("for_output", output.amount).evidence("for_queries", query.amount)))
}

fn evicted(case: &Case<'_>) -> Judged {
    let evicted = case.delta("evicted_clients")?;
    Ok((evicted.amount > 0).then(|| {
        let finding = case.warning().evidence("evicted_clients", evicted.amount);
        let finding = finding.fix("redis-ops diagnose connections --sort memory");
        limit_for_clients(case).into_iter().fold(finding, Finding::fix)
    }))
}

fn stuck_multi(case: &Case<'_>) -> Judged {
    let stuck: Vec<&Client> = case
        .clients()?
        .iter()
        .filter(|client| client.flags.contains('x') && client.idle as f64 > case.limit("idle"))
        .collect();
    let Some(oldest) = stuck.iter().max_by_key(|client| client.idle) else { return Ok(None) };
    let finding = if stuck.len() as f64 >= case.limit("critical") { case.critical() } else { case.warning() };
    let finding = finding.evidence("connections", stuck.len()).evidence("queued", oldest.multi.unwrap_or(0));
    let finding = finding.evidence("idle_seconds", oldest.idle).evidence("owner", owner(oldest));
    Ok(Some(kill_some(finding, &stuck)))
}

/// Commands that end some connections, and how many there are besides.
fn kill_some(finding: Finding, clients: &[&Client]) -> Finding {
    const SHOWN: usize = 5;
    let shown = clients.iter().take(SHOWN);
    let finding = shown.fold(finding, |finding, client| finding.fix(format!("CLIENT KILL ID {}", client.id)));
    match clients.len().saturating_sub(SHOWN) {
        0 => finding,
        others => finding.fix(format!("CLIENT LIST (names the other {others}: this list was cut)")),
    }
}

fn monitor(case: &Case<'_>) -> Judged {
    let monitors: Vec<&Client> = case.clients()?.iter().filter(|client| client.kind() == ClientKind::Monitor).collect();
    let Some(oldest) = monitors.iter().max_by_key(|client| client.age) else { return Ok(None) };
    let finding = if oldest.age as f64 >= case.limit("critical") { case.critical() } else { case.warning() };
    let finding = finding
        .evidence("connections", monitors.len())
        .evidence("age_seconds", oldest.age)
        .evidence("owner", owner(oldest));
    Ok(Some(kill_some(finding, &monitors)))
}

fn tracking(case: &Case<'_>) -> Judged {
    let keys = case.number("tracking_total_keys")?;
    let Some(limit) = case.config()?.u64("tracking-table-max-keys") else {
        return skip("the server does not report tracking-table-max-keys");
    };
    if limit == 0 {
        return Ok(None);
    }
    Ok(case
        .grade(keys as f64 / limit as f64)
        .map(|finding| finding.evidence("tracking_total_keys", keys).evidence("tracking-table-max-keys", limit)))
}
