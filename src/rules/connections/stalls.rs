//! C48 and C49: the server stood still, and what piled up before it meanwhile.

use super::super::case::{Case, skip};
use super::super::judged::Judged;
use super::super::rule::{RULE, Rule, Topic};
use crate::introspection::Question;
use crate::introspection::keyspace::escaped;

/// `tcp-backlog` where nobody has set it.
const DEFAULT_BACKLOG: u64 = 511;

const C: Rule = Rule { topic: Topic::Connections, ..RULE };

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "C48",
        title: "connections wait to be accepted",
        reads: "/proc/net/tcp of a server on this machine: connections waiting at its port; tcp-backlog, net.core.somaxconn",
        asks: &[Question::Config],
        limits: &[("share", 0.8), ("waiting", 5.0)],
        threshold: "at least {waiting} connections wait, and at least {share%} of the queue is full",
        why: "the server is too busy to accept: the kernel drops further connections, and clients see timeouts of 1, 3 and 7 s",
        fix: &[
            "redis-ops diagnose connections --sort time",
            "sysctl net.core.somaxconn=4096 (and tcp-backlog in the configuration file, then a restart: lets more connections wait, accepts none faster)",
        ],
        source: "Redis documentation, clients: tcp-backlog",
        because_of: &["C49", "C18", "C21"],
        weight: 78,
        examine: waiting_at_the_door,
        ..C
    },
    Rule {
        id: "C49",
        title: "the server stalled",
        reads: "how long the commands of redis-ops waited for a reply, SLOWLOG, LATENCY LATEST",
        asks: &[Question::Slowlog, Question::Latency],
        limits: &[("warning", 2.0), ("critical", 5.0), ("minutes", 10.0)],
        threshold: "the server did not reply for {warning} (critical: {critical}) seconds, now or in the last {minutes} minutes",
        why: "one command, script or fork blocks every client: clients time out, and replicas and Sentinels consider the server dead",
        fix: &[
            "SLOWLOG GET 10",
            "LATENCY LATEST",
            "in the application: small steps instead of one long script or command",
        ],
        source: "Redis documentation, latency",
        because_of: &["C21", "K18"],
        weight: 79,
        examine: stall,
        ..C
    },
];

fn waiting_at_the_door(case: &Case<'_>) -> Judged {
    let host = case.snapshot.host.need("the server's machine")?;
    let Some(waiting) = host.waiting_connections else { return skip("the server's port is not known on this machine") };
    let backlog = case.config()?.u64("tcp-backlog").unwrap_or(DEFAULT_BACKLOG);
    let most = host.somaxconn.unwrap_or(DEFAULT_BACKLOG).min(backlog).max(1);
    let full = waiting as f64 >= most as f64 * case.limit("share") && waiting as f64 >= case.limit("waiting");
    Ok(full.then(|| case.critical().evidence("waiting", waiting).evidence("may_wait", most)))
}

/// A time in which nobody was answered.
struct Stall {
    seconds: f64,
    what: &'static str,
    who: String,
    ago: u64,
}

fn stall(case: &Case<'_>) -> Judged {
    if case.snapshot.server.loading {
        return skip("the server is loading: it replies only between two pieces of data");
    }
    let now = case.snapshot.server_seconds();
    let recent = |at: u64| now.saturating_sub(at) as f64 <= case.limit("minutes") * 60.0;
    let mut stalls = vec![Stall {
        seconds: case.snapshot.receipt.longest_wait_seconds,
        what: "no_reply_to",
        who: "a command of redis-ops".to_owned(),
        ago: 0,
    }];
    let slow = case.snapshot.answers.slowlog.got().into_iter().flatten().filter(|entry| recent(entry.at));
    stalls.extend(slow.map(|entry| Stall {
        seconds: entry.usec as f64 / 1e6,
        what: "command",
        who: escaped(entry.pattern().as_bytes()),
        ago: now.saturating_sub(entry.at),
    }));
    let events = case.snapshot.answers.latency.got().into_iter().flatten().filter(|event| recent(event.at));
    stalls.extend(events.map(|event| Stall {
        seconds: event.latest_ms as f64 / 1000.0,
        what: "event",
        who: escaped(event.name.as_bytes()),
        ago: now.saturating_sub(event.at),
    }));
    let longest = stalls.into_iter().max_by(|one, other| one.seconds.total_cmp(&other.seconds));
    let Some(longest) = longest else { return skip("no source shows how long commands took") };
    let told = case.snapshot.answers.slowlog.got().is_some() || case.snapshot.answers.latency.got().is_some();
    if case.snapshot.receipt.commands == 0 && !told {
        return skip("neither the waiting times of redis-ops nor the slow log nor LATENCY LATEST is available");
    }
    Ok(case.grade(longest.seconds).map(|finding| {
        finding
            .evidence("seconds", (longest.seconds * 10.0).round() / 10.0)
            .evidence(longest.what, longest.who)
            .evidence("seconds_ago", longest.ago)
    }))
}
