//! Bandwidth, pauses, threads.

use super::super::case::{Case, percent, skip};
use super::super::judged::Judged;
use super::super::rule::{RULE, Rule, Topic};
use super::{MIB, owner};
use crate::introspection::Question;
use crate::replies::Client;

const C: Rule = Rule { topic: Topic::Connections, ..RULE };

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "C27",
        title: "the network is nearly full",
        reads: "total_net_input_bytes and total_net_output_bytes between two readings, `diagnose.nic_mbps`",
        limits: &[("warning", 0.70), ("critical", 0.90)],
        threshold: "traffic reaches {warning%} (critical: {critical%}) of the bandwidth in the settings",
        why: "replies wait for the network",
        fix: &["redis-ops diagnose keyspace"],
        examine: bandwidth,
        ..C
    },
    Rule {
        id: "C28",
        title: "clients are paused",
        reads: "paused_actions, paused_reason, paused_timeout_milliseconds (Valkey 8.1); elsewhere clients that are blocked in a write command",
        asks: &[Question::Clients],
        limits: &[("critical", 30_000.0)],
        threshold: "clients are paused; critical: for another {critical} ms, or a client has waited that long",
        why: "CLIENT PAUSE or a failover delays commands",
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
        threshold: "one thread has {warning} times the average number of clients, and the server has at least {clients} clients",
        why: "the other threads are idle while this one is busy",
        fix: &["reconnect clients to spread them again"],
        examine: skewed_threads,
        ..C
    },
    Rule {
        id: "C50",
        title: "replies are large",
        reads: "total_net_output_bytes / total_commands_processed between two readings, CLIENT LIST tot-net-out",
        asks: &[Question::Clients],
        limits: &[("each", 100.0 * 1024.0), ("rate", 10.0 * MIB)],
        threshold: "commands return {eachB} on average, and {rateB} a second",
        why: "each large reply blocks the thread and the network, and stays in the server's memory until it is read",
        fix: &["read parts: HSCAN, LRANGE with a range, GETRANGE", "redis-ops diagnose keyspace --full"],
        source: "Azure: keep values below 100 kB",
        because_of: &["C30", "C08"],
        // Before K04 (60): a large value that nobody reads can wait.
        weight: 61,
        examine: large_answers,
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
    let Ok(actions) = case.text("paused_actions") else { return paused_by_clients(case) };
    if actions == "none" {
        return Ok(None);
    }
    let left = case.number_or_zero("paused_timeout_milliseconds");
    let finding = if left as f64 > case.limit("critical") { case.critical() } else { case.warning() };
    let reason = case.snapshot.info.get("paused_reason").unwrap_or_default();
    Ok(Some(finding.evidence("paused_actions", actions).evidence("paused_reason", reason).evidence("left_ms", left)))
}

fn paused_by_clients(case: &Case<'_>) -> Judged {
    let clients = case.clients()?;
    let held: Vec<&Client> = clients.iter().filter(|client| client.is_held()).collect();
    let Some(longest) = held.iter().max_by_key(|client| client.idle) else { return Ok(None) };
    let critical = longest.idle as f64 * 1000.0 > case.limit("critical");
    let finding = if critical { case.critical() } else { case.warning() };
    Ok(Some(
        finding
            .evidence("waiting_writes", held.len())
            .evidence("command", longest.cmd.as_str())
            .evidence("longest_wait_seconds", longest.idle)
            .evidence("owner", owner(longest)),
    ))
}

fn large_answers(case: &Case<'_>) -> Judged {
    let info = &case.snapshot.info;
    let replicas = case.number_or_zero("connected_slaves");
    if replicas > 0 && info.get("total_net_repl_output_bytes").is_none() {
        return skip("this version counts replication traffic as replies (7.0 and later do not)");
    }
    let (output, commands) = (case.delta("total_net_output_bytes")?, case.delta("total_commands_processed")?);
    let each = output.amount as f64 / commands.amount.max(1) as f64;
    if output.rate() < case.limit("rate") || each < case.limit("each") {
        return Ok(None);
    }
    let finding = case
        .warning()
        .evidence("bytes_per_command", each.round() as u64)
        .evidence("output_bytes_per_second", output.rate().round() as u64);
    // Since it connected, of those that tell: who has got most.
    let clients = case.snapshot.answers.clients.got().map_or(&[][..], Vec::as_slice);
    let reader = clients.iter().filter(|client| client.tot_net_out > 0).max_by_key(|client| client.tot_net_out);
    Ok(Some(match reader {
        Some(reader) => finding.evidence("most_to", owner(reader)).evidence("command", reader.cmd.as_str()),
        None => finding,
    }))
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
