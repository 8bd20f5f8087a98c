//! The machine below: limits, swapping, forks.

use super::super::case::{Case, percent, skip};
use super::super::judged::Judged;
use super::super::rule::{RULE, Rule};
use super::MIB;
use super::fragmentation::is_libc;
use crate::figures;
use crate::finding::Finding;

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "M35",
        title: "maxmemory is more than the machine or the container has",
        reads: "maxmemory, `--memory-limit`, the control groups of a server on this machine, total_system_memory",
        limits: &[("critical", 0.80)],
        threshold: "maxmemory is larger; critical: {critical%} of the available memory is resident",
        why: "the limit never takes effect: the kernel kills the server before it refuses or evicts anything",
        fix: &["CONFIG SET maxmemory <80 % of what the machine or the container has>"],
        source: "Redis documentation, administration",
        weight: 82,
        examine: limit_beyond_the_machine,
        ..RULE
    },
    Rule {
        id: "M02",
        title: "there is no memory limit",
        reads: "maxmemory, used_memory_rss / total_system_memory",
        limits: &[("critical", 0.80)],
        threshold: "maxmemory is 0; warning: `expect.maxmemory` is set; critical: {critical%} of the machine's memory is in use",
        why: "without a limit the server does not refuse writes when the machine is full: the kernel kills it",
        fix: &["CONFIG SET maxmemory <80 to 90 % of the machine's memory>"],
        source: "Redis documentation, administration",
        examine: no_limit,
        ..RULE
    },
    Rule {
        id: "M03",
        title: "the machine is nearly full",
        reads: "used_memory_rss / total_system_memory",
        limits: &[("warning", 0.80), ("critical", 0.90)],
        threshold: "resident memory reaches {warning%} (critical: {critical%}) of the machine's memory; in a container set `diagnose.memory_limit`, because INFO shows the host's memory",
        why: "a full machine swaps, or the kernel's OOM killer ends a process",
        fix: &["CONFIG SET maxmemory <less>", "MEMORY PURGE"],
        source: "common alert rules: 90 %; Memorystore 80 and 90 %",
        weight: 75,
        examine: machine_full,
        ..RULE
    },
    Rule {
        id: "M08",
        title: "part of the memory is swapped out",
        reads: "VmSwap of a server on this machine; elsewhere used_memory - used_memory_rss, without backlog and buffers",
        limits: &[("warning", 0.95), ("critical", 0.80), ("floor", 10.0 * MIB)],
        threshold: "{floorB} are swapped out and less than {warning%} (critical: {critical%}) of used_memory is resident; where VmSwap is unknown, at most a warning, when {floorB} are neither resident nor in backlog and buffers and the server is not loading",
        why: "a command that touches a swapped page waits for the disk, and all other commands wait for it",
        fix: &["CONFIG SET maxmemory <less than the machine's free memory>", "grep Swap /proc/<pid>/smaps"],
        source: "Redis documentation, INFO and latency",
        weight: 75,
        examine: swapped,
        ..RULE
    },
    Rule {
        id: "M20",
        title: "a fork may not fit into the machine's memory",
        reads: "used_memory_rss + max(rdb_last_cow_size, aof_last_cow_size), current_cow_size, total_system_memory",
        limits: &[("warning", 0.80), ("critical", 0.90)],
        threshold: "resident plus copied memory reaches {warning%} of the machine's memory; critical: {critical%} while a child process runs",
        why: "a save copies every page that is written meanwhile, up to twice the memory; if that does not fit, the kernel kills the server during the save",
        fix: &["CONFIG SET maxmemory <less>", "sysctl vm.overcommit_memory=1"],
        source: "Redis documentation, administration",
        because_of: &["M03", "M02"],
        examine: fork_headroom,
        ..RULE
    },
    Rule {
        id: "M25",
        title: "the kernel is not set up for forking",
        reads: "/sys/kernel/mm/transparent_hugepage/enabled, vm.overcommit_memory (of a local server)",
        threshold: "transparent huge pages are `always`, or overcommit_memory is 0; always a note",
        why: "with huge pages a fork copies 2 MiB for every byte written; without overcommit the kernel refuses the fork for a save when the server uses more than half of the memory",
        fix: &["echo madvise > /sys/kernel/mm/transparent_hugepage/enabled", "sysctl vm.overcommit_memory=1"],
        source: "Redis documentation, administration and latency",
        examine: kernel,
        ..RULE
    },
];

fn no_limit(case: &Case<'_>) -> Judged {
    if case.number("maxmemory")? != 0 || case.snapshot.info.get("role") == Some("slave") {
        return Ok(None);
    }
    let memory = case.machine_memory();
    let rss = case.number("used_memory_rss");
    let share = memory.as_ref().ok().zip(rss.ok()).map(|(memory, rss)| rss as f64 / *memory as f64);
    let finding = match share {
        Some(share) if share >= case.limit("critical") => case.critical(),
        _ if case.expect().maxmemory => case.warning(),
        _ => case.info(),
    };
    let finding = finding.evidence("maxmemory", 0);
    Ok(Some(match memory {
        Ok(memory) => finding.evidence("machine_memory", memory).fix(format!(
            "CONFIG SET maxmemory {}mb (undo: 0)",
            (memory as f64 * super::SHARE_OF_MACHINE) as u64 >> 20
        )),
        Err(_) => finding.fix("CONFIG SET maxmemory <80 to 90 % of the machine's memory>"),
    }))
}

fn limit_beyond_the_machine(case: &Case<'_>) -> Judged {
    let (limit, memory) = (case.maxmemory()?, case.machine_memory()?);
    if limit <= memory {
        return Ok(None);
    }
    let share = case.number("used_memory_rss").map(|rss| rss as f64 / memory as f64).unwrap_or(0.0);
    let finding = if share >= case.limit("critical") { case.critical() } else { case.warning() };
    let megabytes = (memory as f64 * super::SHARE_OF_MACHINE) as u64 >> 20;
    Ok(Some(finding.evidence("maxmemory", limit).evidence("machine_memory", memory).fix(format!(
        "CONFIG SET maxmemory {}mb (below the current use, keys are evicted or writes refused; undo: {limit})",
        megabytes.max(1)
    ))))
}

fn machine_full(case: &Case<'_>) -> Judged {
    let (rss, memory) = (case.number("used_memory_rss")?, case.machine_memory()?);
    let share = rss as f64 / memory as f64;
    Ok(case.grade(share).map(|finding| {
        let finding = finding.evidence("used_memory_rss", rss).evidence("machine_memory", memory);
        let finding = finding.evidence("share", percent(share)).fix("CONFIG SET maxmemory <less>");
        if is_libc(case) { finding } else { finding.fix("MEMORY PURGE") }
    }))
}

fn swapped(case: &Case<'_>) -> Judged {
    let server = &case.snapshot.server;
    if server.name == "redis" && server.version_numbers() == (7, 2, 0) {
        return skip("Redis 7.2.0 reports a wrong used_memory: see M32");
    }
    let known = case.snapshot.host.got().and_then(|host| host.swapped_bytes);
    let (used, rss) = (case.number("used_memory")?, case.number("used_memory_rss")?);
    let floor = case.limit("floor");
    let share = |bytes: u64| 1.0 - bytes as f64 / used.max(1) as f64;
    let told = |finding: Finding| finding.evidence("used_memory", used).evidence("used_memory_rss", rss);
    if let Some(swapped) = known {
        let finding = if swapped as f64 > floor { case.grade_low(share(swapped)) } else { None };
        return Ok(finding.map(|finding| told(finding).evidence("swapped_bytes", swapped)));
    }
    if case.snapshot.info.flag("loading").unwrap_or(false) {
        return Ok(None);
    }
    // What was allocated and never touched is not resident, either: a backlog is as large as it may become (before 7.0), and a buffer as
    // large as the command that is on its way.
    let buffers = RESERVED.iter().map(|name| case.number_or_zero(name));
    let missing = used.saturating_sub(rss).saturating_sub(figures::sum(buffers));
    if missing as f64 <= floor || share(missing) >= case.limit("warning") {
        return Ok(None);
    }
    // Which of the two nobody knows from here: the headline does not claim the worse.
    let title = "part of the memory is not resident: swapped out, or reserved and never touched".to_owned();
    let finding = Finding { title, ..told(case.warning()).evidence("not_resident", missing) };
    Ok(Some(finding.evidence("swap", "not known from here")))
}

/// Memory that may be reserved and untouched.
const RESERVED: &[&str] = &[
    "repl_backlog_size",
    "mem_clients_normal",
    "mem_clients_slaves",
    "mem_replication_backlog",
    "mem_total_replication_buffers",
    "mem_aof_buffer",
];

fn fork_headroom(case: &Case<'_>) -> Judged {
    let (rss, memory) = (case.number("used_memory_rss")?, case.machine_memory()?);
    let cow = case.number_or_zero("rdb_last_cow_size").max(case.number_or_zero("aof_last_cow_size"));
    let current = case.number_or_zero("current_cow_size");
    let running =
        case.number_or_zero("rdb_bgsave_in_progress") > 0 || case.number_or_zero("aof_rewrite_in_progress") > 0;
    let share = rss.saturating_add(cow.max(current)) as f64 / memory as f64;
    let finding = if running && share >= case.limit("critical") {
        case.critical()
    } else if share >= case.limit("warning") {
        case.warning()
    } else {
        return Ok(None);
    };
    Ok(Some(
        finding
            .evidence("used_memory_rss", rss)
            .evidence("copied_bytes", cow.max(current))
            .evidence("machine_memory", memory)
            .evidence("share", percent(share)),
    ))
}

fn kernel(case: &Case<'_>) -> Judged {
    let host = case.snapshot.host.need("the server's machine")?;
    let mut finding = case.info();
    if host.transparent_huge_pages.as_deref() == Some("always") {
        finding = finding
            .evidence("transparent_hugepage", "always")
            .fix("echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
    }
    if host.overcommit_memory == Some(0) {
        finding = finding.evidence("vm.overcommit_memory", 0).fix("sysctl vm.overcommit_memory=1");
    }
    Ok((!finding.evidence.is_empty()).then_some(finding))
}
