//! Memory that is no data: buffers of clients and replicas, scripts.

use super::super::case::{Case, percent, skip};
use super::super::judged::Judged;
use super::super::rule::{RULE, Rule};
use super::{MIB, limit_for_clients};
use crate::figures;
use crate::introspection::Question;
use crate::replies::ClientKind;

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "M11",
        title: "buffers take memory away from the data",
        reads: "mem_clients_normal, mem_clients_slaves, mem_total_replication_buffers, mem_aof_buffer, used_memory_scripts, mem_cluster_links / maxmemory",
        limits: &[("warning", 0.30), ("critical", 0.50)],
        threshold: "buffers take at least {warning%} (critical: {critical%}) of maxmemory; also critical: they take more memory than the \
                    data while keys are evicted",
        why: "keys are evicted to make room for buffers",
        fix: &[
            "redis-ops diagnose connections",
            "redis-ops diagnose replication",
            "redis-ops diagnose persistence",
            "SCRIPT FLUSH ASYNC (6.2; EVALSHA then returns NOSCRIPT until the script is sent again)",
        ],
        source: "BetterDB's recommendations",
        because_of: &["C08", "M13", "C09"],
        examine: overhead,
        ..RULE
    },
    Rule {
        id: "M12",
        title: "connections hold much memory",
        reads: "mem_clients_normal / connected_clients, share of maxmemory, CONFIG maxmemory-clients",
        asks: &[Question::Config],
        limits: &[("average", 200_000.0), ("floor", 50.0 * MIB), ("critical", 0.10)],
        threshold: "clients hold {averageB} on average and {floorB} together; critical: {critical%} of maxmemory",
        why: "slow readers and huge pipelines use the server's memory",
        fix: &[
            "redis-ops diagnose connections",
            "CONFIG SET maxmemory-clients 10% (7.0; disconnects the clients with the largest buffers above that; undo: 0)",
        ],
        source: "object.c, MEMORY DOCTOR",
        because_of: &["C08", "C09"],
        examine: client_buffers,
        ..RULE
    },
    Rule {
        id: "M13",
        title: "a replica's output buffer nears its limit",
        reads: "CLIENT LIST: omem of replicas, client-output-buffer-limit, repl-backlog-size",
        asks: &[Question::Config, Question::Clients],
        limits: &[("warning", 0.60), ("critical", 0.90)],
        threshold: "the buffer reaches {warning%} (critical: {critical%}) of the limit, or of the backlog where that is larger",
        why: "above the limit the replica is disconnected, needs a full resync, and exceeds the limit again",
        fix: &[
            "CONFIG SET client-output-buffer-limit \"replica 512mb 256mb 120\" (twice the present limit, if the machine has that \
             much memory)",
        ],
        source: "networking.c; redis#4420",
        examine: replica_buffers,
        ..RULE
    },
    Rule {
        id: "M14",
        title: "the script cache keeps growing",
        reads: "number_of_cached_scripts, used_memory_scripts",
        limits: &[("warning", 1000.0), ("critical", 0.05), ("floor", 10.0 * MIB)],
        threshold: "more than {warning} scripts are cached; critical: they take {critical%} of used_memory and {floorB}",
        why: "EVAL with arguments inside the script text adds a new script on every call, and the server keeps each of them",
        fix: &["SCRIPT FLUSH ASYNC (6.2; EVALSHA then returns NOSCRIPT until the script is sent again)"],
        source: "object.c, MEMORY DOCTOR",
        because_of: &["A21"],
        examine: scripts,
        ..RULE
    },
    Rule {
        id: "M36",
        title: "scripts are compiled and evicted again",
        reads: "evicted_scripts between two readings (Redis 7.4, Valkey 8.1)",
        limits: &[("warning", 10.0)],
        threshold: "{warning} scripts are evicted a second",
        why: "EVAL with arguments inside the script text compiles a new script on every call, and each evicts another",
        fix: &["in the application: pass arguments as KEYS and ARGV, and use EVALSHA or FCALL"],
        source: "eval.c, evalScriptLRU",
        because_of: &["A21"],
        weight: 62,
        examine: script_churn,
        ..RULE
    },
    Rule {
        id: "M37",
        title: "buffers of replicas or cluster links hold much memory",
        reads: "mem_total_replication_buffers - repl_backlog_size (7.0), mem_clients_slaves (before), mem_cluster_links (7.0)",
        limits: &[("floor", 100.0 * MIB), ("warning", 0.10), ("critical", 0.50)],
        threshold: "they hold at least {floorB}, and at least {warning%} (critical: {critical%}) of used_memory",
        why: "data for a replica or node that does not read it piles up in the server's memory",
        fix: &["redis-ops diagnose replication", "CLUSTER NODES"],
        source: "server.c: these are not counted when maxmemory is compared",
        because_of: &["M13", "R02"],
        weight: 61,
        examine: buffers_for_servers,
        ..RULE
    },
];

fn script_churn(case: &Case<'_>) -> Judged {
    let evicted = case.delta("evicted_scripts")?;
    Ok(case.grade(evicted.rate()).map(|finding| {
        finding
            .evidence("evicted_scripts", evicted.amount)
            .evidence("number_of_cached_scripts", case.number_or_zero("number_of_cached_scripts"))
    }))
}

fn buffers_for_servers(case: &Case<'_>) -> Judged {
    let replicas = match case.number("mem_total_replication_buffers") {
        Ok(all) => all.saturating_sub(case.number_or_zero("repl_backlog_size")),
        Err(_) => case.number("mem_clients_slaves")?,
    };
    let links = case.number_or_zero("mem_cluster_links");
    let (sum, used) = (replicas.saturating_add(links), case.number("used_memory")?.max(1));
    if (sum as f64) < case.limit("floor") {
        return Ok(None);
    }
    let share = sum as f64 / used as f64;
    Ok(case.grade(share).map(|finding| {
        let fix = if links > replicas { "CLUSTER NODES" } else { "redis-ops diagnose replication" };
        finding
            .evidence("replication_buffers", replicas)
            .evidence("cluster_link_buffers", links)
            .evidence("share", percent(share))
            .fix(fix)
    }))
}

const COMPONENTS: &[(&str, &str)] = &[
    ("mem_clients_normal", "redis-ops diagnose connections"),
    ("mem_clients_slaves", "redis-ops diagnose replication"),
    ("mem_total_replication_buffers", "redis-ops diagnose replication"),
    ("mem_aof_buffer", "redis-ops diagnose persistence"),
    ("used_memory_scripts", "SCRIPT FLUSH"),
    ("mem_cluster_links", "redis-ops diagnose replication"),
];

fn overhead(case: &Case<'_>) -> Judged {
    let limit = case.maxmemory()?;
    let info = &case.snapshot.info;
    let parts: Vec<(&str, &str, u64)> = COMPONENTS
        .iter()
        // Since 7.0 the replicas' buffers are shared and counted in the total as well.
        .filter(|(name, _)| *name != "mem_clients_slaves" || info.get("mem_total_replication_buffers").is_none())
        .filter_map(|(name, fix)| Some((*name, *fix, info.u64(name)?)))
        .collect();
    let sum: u64 = parts.iter().map(|(_, _, bytes)| *bytes).fold(0, u64::saturating_add);
    let share = sum as f64 / limit as f64;
    let evicting = case.delta("evicted_keys").is_ok_and(|delta| delta.amount > 0);
    let beyond_data = info.u64("used_memory_dataset").is_some_and(|data| sum > data);
    let finding = if evicting && beyond_data { Some(case.critical()) } else { case.grade(share) };
    let Some((name, fix, bytes)) = parts.into_iter().max_by_key(|(_, _, bytes)| *bytes) else {
        return skip("the server does not report its buffers");
    };
    Ok(finding.map(|finding| {
        let fix = if name == "used_memory_scripts" { flush_scripts(case) } else { fix };
        finding.evidence("buffers", sum).evidence("share", percent(share)).evidence(name, bytes).fix(fix)
    }))
}

fn client_buffers(case: &Case<'_>) -> Judged {
    let bytes = case.number("mem_clients_normal")?;
    let clients = case.number("connected_clients")?.max(1);
    if (bytes as f64) < case.limit("floor") || ((bytes / clients) as f64) < case.limit("average") {
        return Ok(None);
    }
    let share = case.maxmemory().map(|limit| bytes as f64 / limit as f64).unwrap_or(0.0);
    let finding = if share >= case.limit("critical") { case.critical() } else { case.warning() };
    let finding = finding.evidence("mem_clients_normal", bytes).evidence("average", figures::bytes(bytes / clients));
    let finding = finding.fix("redis-ops diagnose connections");
    Ok(Some(limit_for_clients(case).into_iter().fold(finding, crate::finding::Finding::fix)))
}

fn replica_buffers(case: &Case<'_>) -> Judged {
    let replicas = case.clients()?.iter().filter(|client| client.kind() == ClientKind::Replica);
    let Some(worst) = replicas.max_by_key(|client| client.omem) else { return Ok(None) };
    let Some(limit) = case.config()?.output_buffer_limit("replica") else {
        return skip("the server does not report its output buffer limits");
    };
    if limit.hard == 0 {
        return Ok(None);
    }
    let hard = limit.hard.max(case.number_or_zero("repl_backlog_size"));
    let share = worst.omem as f64 / hard as f64;
    Ok(case.grade(share).map(|finding| {
        let finding =
            finding.evidence("replica", worst.addr.as_str()).evidence("omem", worst.omem).evidence("limit", hard);
        let class = if case.knows(5, 0) { "replica" } else { "slave" };
        // Twice what it is, and never more than a quarter of the machine.
        let most = case.machine_memory().map_or(u64::MAX, |memory| memory / 4);
        let wanted = hard.saturating_mul(2).max(512 << 20).min(most) >> 20;
        finding.fix(format!(
            "CONFIG SET client-output-buffer-limit \"{class} {wanted}mb {}mb 120\" (undo: \"{class} {} {} {}\")",
            wanted / 2,
            limit.hard,
            limit.soft,
            limit.soft_seconds
        ))
    }))
}

/// Forgets the scripts; who calls one by its hash has to send it again.
pub(super) fn flush_scripts(case: &Case<'_>) -> &'static str {
    match case.knows(6, 2) {
        true => "SCRIPT FLUSH ASYNC (EVALSHA then returns NOSCRIPT until the script is sent again)",
        false => "SCRIPT FLUSH (EVALSHA then returns NOSCRIPT until the script is sent again)",
    }
}

fn scripts(case: &Case<'_>) -> Judged {
    let scripts = case.number("number_of_cached_scripts")?;
    let bytes = case.number_or_zero("used_memory_scripts").max(case.number_or_zero("used_memory_scripts_eval"));
    let share = bytes as f64 / case.number("used_memory")?.max(1) as f64;
    let much = share >= case.limit("critical") && bytes as f64 >= case.limit("floor");
    let finding = match (much, scripts as f64 > case.limit("warning")) {
        (true, true) => case.critical(),
        (false, true) => case.warning(),
        _ => return Ok(None),
    };
    let finding = finding.evidence("number_of_cached_scripts", scripts).evidence("used_memory_scripts", bytes);
    Ok(Some(finding.fix(flush_scripts(case))))
}
