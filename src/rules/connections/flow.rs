//! Bandwidth, pauses, threads.

use super::super::case::{Case, percent, skip};
use super::super::judged::Judged;
use super::super::rule::{RULE, Rule, Topic};

const C: Rule = Rule { topic: Topic::Connections, ..RULE };

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "C27",
        title: "the network is nearly full",
        reads: "total_net_input_bytes and total_net_output_bytes between two readings, `diagnose.nic_mbps`",
        limits: &[("warning", 0.70), ("critical", 0.90)],
        threshold: "{warning%} and {critical%} of the bandwidth that the settings name",
        why: "beyond it answers wait for the wire",
        fix: &["redis-ops diagnose keyspace"],
        examine: bandwidth,
        ..C
    },
    Rule {
        id: "C28",
        title: "clients are paused",
        reads: "paused_actions, paused_reason, paused_timeout_milliseconds (Valkey 8.1)",
        limits: &[("critical", 30_000.0)],
        threshold: "any; critical with more than {critical} ms to go",
        why: "CLIENT PAUSE or a failover holds commands back",
        fix: &["CLIENT UNPAUSE"],
        source: "observed on Valkey 8.1",
        examine: paused,
        ..C
    },
    Rule {
        id: "C29",
        title: "one I/O thread has most of the clients",
        reads: "INFO threads: io_thread_N clients= (Redis 8)",
        limits: &[("warning", 2.0), ("clients", 100.0)],
        threshold: "{warning} times the mean of the threads, with {clients} clients at least",
        why: "the others are idle while it is busy",
        fix: &["reconnect clients, so that they are spread again"],
        examine: skewed_threads,
        ..C
    },
];

fn bandwidth(case: &Case<'_>) -> Judged {
    let Some(megabits) = case.settings().nic_mbps else {
        return skip("the settings do not name the bandwidth (`diagnose.nic_mbps`)");
    };
    let (input, output) = (case.delta("total_net_input_bytes")?, case.delta("total_net_output_bytes")?);
    let rate = input.rate().max(output.rate());
    let share = rate * 8.0 / (megabits * 1e6);
    Ok(case.grade(share).map(|finding| {
        finding
            .evidence("input_bytes_per_second", input.rate().round())
            .evidence("output_bytes_per_second", output.rate().round())
            .evidence("share", percent(share))
    }))
}

fn paused(case: &Case<'_>) -> Judged {
    let actions = case.text("paused_actions")?;
    if actions == "none" {
        return Ok(None);
    }
    let left = case.number_or_zero("paused_timeout_milliseconds");
    let finding = if left as f64 > case.limit("critical") { case.critical() } else { case.warning() };
    let reason = case.snapshot.info.get("paused_reason").unwrap_or_default();
    Ok(Some(finding.evidence("paused_actions", actions).evidence("paused_reason", reason).evidence("left_ms", left)))
}

fn skewed_threads(case: &Case<'_>) -> Judged {
    let clients: Vec<f64> = case
        .snapshot
        .info
        .with_prefix("io_thread_")
        .filter_map(|(_, value)| value.split(',').find_map(|pair| pair.strip_prefix("clients="))?.parse().ok())
        .collect();
    if clients.len() < 2 {
        return skip("there is one thread");
    }
    let (sum, max) = (clients.iter().sum::<f64>(), clients.iter().copied().fold(0.0, f64::max));
    let skew = max / (sum / clients.len() as f64).max(1.0);
    let finding = if sum >= case.limit("clients") { case.grade(skew) } else { None };
    Ok(finding.map(|finding| {
        finding.evidence("threads", clients.len()).evidence("busiest_clients", max).evidence("clients", sum)
    }))
}
