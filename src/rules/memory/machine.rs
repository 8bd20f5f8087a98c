//! The machine below: limits, swapping, forks.

use super::super::case::{Case, percent, skip};
use super::super::judged::Judged;
use super::super::rule::{RULE, Rule};
use super::MIB;

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "M02",
        title: "there is no memory limit",
        reads: "maxmemory, used_memory_rss / total_system_memory",
        limits: &[("critical", 0.80)],
        threshold: "maxmemory is 0; a warning where `expect.maxmemory` is set, critical at {critical%} of the machine's memory",
        why: "without a limit the kernel kills the server when the machine is full, instead of the server refusing a write",
        source: "Redis documentation, administration",
        examine: no_limit,
        ..RULE
    },
    Rule {
        id: "M03",
        title: "the machine is nearly full",
        reads: "used_memory_rss / total_system_memory",
        limits: &[("warning", 0.80), ("critical", 0.90)],
        threshold: "{warning%} and {critical%} of the machine's memory; in a container give `diagnose.memory_limit`, INFO shows the host's",
        why: "next comes swapping, or the kernel's OOM killer",
        fix: &["CONFIG SET maxmemory <less>", "MEMORY PURGE"],
        source: "alert packs agree on 90 %; Memorystore 80 and 90 %",
        weight: 75,
        examine: machine_full,
        ..RULE
    },
    Rule {
        id: "M08",
        title: "part of the memory is swapped out",
        reads: "mem_fragmentation_ratio below 1 and mem_fragmentation_bytes; of a local server VmSwap",
        limits: &[("warning", 0.95), ("critical", 0.80), ("floor", 10.0 * MIB)],
        threshold: "less than {warning%} or {critical%} of used_memory is resident and {floorB} are missing, while nothing is being loaded",
        why: "a command that touches a swapped page waits for the disk, and all others wait for it",
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
        threshold: "resident and copied memory reach {warning%} of the machine's; critical at {critical%} while a child runs",
        why: "a save copies the pages that are written meanwhile, up to twice the memory; the kernel then kills the server in the middle of it",
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
        threshold: "transparent huge pages `always`, or overcommit_memory 0",
        why: "huge pages make a fork copy 2 MiB for every byte written; without overcommit a save of more than half the memory is refused",
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
        Ok(memory) => finding
            .evidence("machine_memory", memory)
            .fix(format!("CONFIG SET maxmemory {}mb", (memory as f64 * 0.8) as u64 >> 20)),
        Err(_) => finding.fix("CONFIG SET maxmemory <80 to 90 % of the machine's memory>"),
    }))
}

fn machine_full(case: &Case<'_>) -> Judged {
    let (rss, memory) = (case.number("used_memory_rss")?, case.machine_memory()?);
    let share = rss as f64 / memory as f64;
    Ok(case.grade(share).map(|finding| {
        finding.evidence("used_memory_rss", rss).evidence("machine_memory", memory).evidence("share", percent(share))
    }))
}

fn swapped(case: &Case<'_>) -> Judged {
    let server = &case.snapshot.server;
    if server.name == "redis" && server.version_numbers() == (7, 2, 0) {
        return skip("Redis 7.2.0 counts used_memory wrong: see M32");
    }
    // The machine says that nothing is: the rest was reserved and never touched.
    if case.snapshot.host.got().and_then(|host| host.swapped_bytes) == Some(0) {
        return Ok(None);
    }
    let swapped = case.snapshot.host.got().and_then(|host| host.swapped_bytes).unwrap_or(0);
    let (used, rss) = (case.number("used_memory")?, case.number("used_memory_rss")?);
    let loading = case.snapshot.info.flag("loading").unwrap_or(false);
    let missing = used.saturating_sub(rss);
    let floor = case.limit("floor");
    if loading || (missing as f64 <= floor && swapped as f64 <= floor) {
        return Ok(None);
    }
    let resident = (rss as f64 / used.max(1) as f64).min(1.0 - swapped as f64 / used.max(1) as f64);
    Ok(case.grade_low(resident).map(|finding| {
        finding
            .evidence("used_memory", used)
            .evidence("used_memory_rss", rss)
            .evidence("swapped_bytes", swapped.max(missing))
    }))
}

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
