//! What older and other servers tell of their clients: lists of answers, kept buffers, counters below zero, queues.

use super::super::case::{Case, skip};
use super::super::judged::Judged;
use super::super::rule::{RULE, Rule, Topic};
use super::{MIB, owner};
use crate::introspection::Question;

/// More than the connections that a server can have.
const NO_COUNT: u64 = 1 << 31;
/// A day, in seconds.
const DAY: f64 = 86_400.0;

const C: Rule = Rule { topic: Topic::Connections, ..RULE };

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "C43",
        title: "a client does not read its replies",
        reads: "client_longest_output_list (up to 4.0)",
        limits: &[("warning", 10_000.0), ("critical", 1_000_000.0)],
        threshold: "{warning} (critical: {critical}) replies wait in one output buffer",
        why: "the replies stay in the server's memory, and normal clients have no limit",
        fix: &[
            "CLIENT LIST (the client with the largest omem; a MONITOR, a subscriber or a large pipeline)",
            "CLIENT KILL <its address> (that client loses its connection and what was not read)",
        ],
        source: "redis#1063; server.c",
        weight: 90,
        examine: longest_list,
        ..C
    },
    Rule {
        id: "C44",
        title: "query buffers hold unused memory",
        reads: "CLIENT LIST: qbuf-free",
        asks: &[Question::Clients],
        limits: &[("each", MIB), ("warning", 64.0 * MIB)],
        threshold: "one client's buffer has {eachB} free; warning: the buffers of all clients have {warningB} free",
        why: "a buffer that grew for one large command stays large while its client is busy; maxmemory does not count it",
        fix: &[
            "send large values in pieces",
            "CLIENT KILL ID <the largest> (its next connection begins with a small buffer)",
        ],
        source: "redis#11912; networking.c, clientsCronResizeQueryBuffer",
        examine: free_buffers,
        ..C
    },
    Rule {
        id: "C45",
        title: "a counter went below zero",
        reads: "connected_clients, blocked_clients, rdb_changes_since_last_save, client_read_buffer_bytes",
        threshold: "a number of clients is above 2147483648, a number of bytes is above 2^63, or a count is negative",
        why: "the server subtracted more than it had added: this number and everything computed from it is wrong",
        fix: &["leave this number out of alerts; run the newest release of the server"],
        source: "dragonfly#4693",
        examine: below_zero,
        ..C
    },
    Rule {
        id: "C46",
        title: "long-lived connections may have long queues",
        reads: "CLIENT LIST of Dragonfly: age",
        asks: &[Question::Clients],
        limits: &[("share", 0.5)],
        threshold: "{share%} of the connections are older than a day",
        why: "the pipeline queue of a Dragonfly connection can grow for as long as the connection lasts",
        fix: &["run the newest Dragonfly", "let pools renew their connections after some hours"],
        source: "dragonfly#4182",
        examine: queues,
        ..C
    },
];

fn longest_list(case: &Case<'_>) -> Judged {
    let longest = case.number("client_longest_output_list")?;
    Ok(case.grade(longest as f64).map(|finding| finding.evidence("client_longest_output_list", longest)))
}

fn free_buffers(case: &Case<'_>) -> Judged {
    let clients = case.clients()?;
    let Some(largest) = clients.iter().max_by_key(|client| client.qbuf_free) else { return Ok(None) };
    if (largest.qbuf_free as f64) < case.limit("each") {
        return Ok(None);
    }
    let all = clients.iter().map(|client| client.qbuf_free).fold(0, u64::saturating_add);
    let finding = if all as f64 >= case.limit("warning") { case.warning() } else { case.info() };
    let finding = finding.evidence("free_bytes", all).evidence("largest_bytes", largest.qbuf_free);
    Ok(Some(finding.evidence("client", largest.id).evidence("owner", owner(largest))))
}

fn below_zero(case: &Case<'_>) -> Judged {
    let info = &case.snapshot.info;
    let clients = ["connected_clients", "blocked_clients"];
    let bytes = ["client_read_buffer_bytes", "mem_clients_normal", "used_memory_dataset"];
    let counts = ["rdb_changes_since_last_save", "changes_since_last_save", "connected_clients", "blocked_clients"];
    if clients.iter().chain(&bytes).chain(&counts).all(|name| info.get(name).is_none()) {
        return skip("the server reports none of these counters");
    }
    let wrapped = |name: &&str| info.u64(name).is_some_and(|count| count >= NO_COUNT);
    let huge =
        |name: &&str| info.get(name).and_then(|text| text.parse::<u128>().ok()).is_some_and(|count| count >= 1 << 63);
    let negative = |name: &&str| info.i64(name).is_some_and(|count| count < 0);
    let field = clients.into_iter().find(wrapped).or_else(|| bytes.into_iter().find(huge));
    let field = field.or_else(|| counts.into_iter().find(negative));
    Ok(field.map(|name| case.info().evidence(name, info.get(name).unwrap_or_default())))
}

fn queues(case: &Case<'_>) -> Judged {
    if case.snapshot.server.name != "dragonfly" {
        return skip("the server is not Dragonfly");
    }
    let clients = case.clients()?;
    let old = clients.iter().filter(|client| client.age as f64 >= DAY).count();
    let many = !clients.is_empty() && old as f64 >= clients.len() as f64 * case.limit("share");
    Ok(many.then(|| {
        let oldest = clients.iter().map(|client| client.age).max().unwrap_or(0);
        case.info()
            .evidence("older_than_a_day", old)
            .evidence("connections", clients.len())
            .evidence("oldest_seconds", oldest)
    }))
}
