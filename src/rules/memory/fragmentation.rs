//! Memory that is held and not used. A bare ratio says nothing: an empty server shows 12.3. Every rule takes bytes as well.

use super::super::case::{Case, skip};
use super::super::judged::Judged;
use super::super::rule::{RULE, Rule};
use super::{GIB, MIB};
use crate::finding::Finding;

/// Not every build with jemalloc defragments: one that does not refuses this.
const DEFRAGMENT: &str = "CONFIG SET activedefrag yes (if the build supports it; takes processor time; undo: no)";

/// What brings kept pages back without jemalloc.
const RESTART: &str = "restart the server, or fail over to a fresh replica: freshly loaded data has no gaps";

/// Whether the server is built with libc's allocator: it has nothing to purge, and nothing that defragments.
pub(super) fn is_libc(case: &Case<'_>) -> bool {
    case.snapshot.info.get("mem_allocator").is_some_and(|name| name.starts_with("libc"))
}

/// What closes holes: only a server with jemalloc can do it by itself, and Debian's, among others, are built without and refuse it.
fn defragment(case: &Case<'_>, finding: Finding) -> Finding {
    let jemalloc = case.snapshot.info.get("mem_allocator").is_none_or(|name| name.starts_with("jemalloc"));
    let finding = match jemalloc {
        true => finding.fix(DEFRAGMENT),
        false => finding,
    };
    finding.fix(RESTART)
}

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "M04",
        title: "the allocator is fragmented",
        reads: "allocator_frag_ratio, allocator_frag_bytes (Redis 7.4 and later)",
        limits: &[
            ("warning", 1.25),
            ("critical", 1.5),
            ("floor", 100.0 * MIB),
            ("critical_floor", GIB),
            ("critical_share", 0.2),
        ],
        threshold: "the ratio is at least {warning} and at least {floorB} are wasted; critical: at least {critical}, and at least {critical_floorB} or {critical_share%} of used_memory",
        why: "the allocator cannot return the gaps between small allocations to the system",
        fix: &[DEFRAGMENT, RESTART],
        source: "object.c, MEMORY DOCTOR; redis.conf, active-defrag-ignore-bytes",
        examine: allocator,
        ..RULE
    },
    Rule {
        id: "M05",
        title: "the allocator is fragmented",
        reads: "allocator_frag_ratio, allocator_frag_bytes (Redis up to 7.2, and Valkey, which compute the ratio differently from 7.4)",
        limits: &[("warning", 1.5), ("critical", 2.0), ("floor", 100.0 * MIB), ("critical_floor", GIB)],
        threshold: "the ratio is at least {warning} and at least {floorB} are wasted; critical: at least {critical} and {critical_floorB}",
        why: "the allocator cannot return the gaps between small allocations to the system",
        fix: &[DEFRAGMENT, RESTART],
        source: "object.c: the ratio was allocator_active / allocator_allocated before 7.4",
        examine: allocator_before,
        ..RULE
    },
    Rule {
        id: "M06",
        title: "far more memory is resident than the data needs",
        reads: "mem_fragmentation_ratio, mem_fragmentation_bytes",
        limits: &[("warning", 1.5), ("critical", 2.0), ("floor", 100.0 * MIB), ("critical_floor", GIB), ("peak", 1.5)],
        threshold: "the ratio is at least {warning} and the excess is at least {floorB}; critical: at least {critical} and {critical_floorB}; does not fire if the peak was at least {peak} times the present use: then M07 fires",
        why: "the server occupies memory that holds no data",
        fix: &["MEMORY PURGE", DEFRAGMENT, RESTART],
        source: "object.c, MEMORY DOCTOR (1.4 and 10 MB); alert packs use the bare ratio 1.5",
        because_of: &["M04", "M05", "M09", "M10"],
        examine: resident,
        ..RULE
    },
    Rule {
        id: "M07",
        title: "a past peak explains the resident memory",
        reads: "used_memory_peak / used_memory",
        limits: &[("peak", 1.5), ("floor", 100.0 * MIB)],
        threshold: "the peak was at least {peak} times the present use, at least {floorB} more are resident than used, and fragmentation (M04, M05) does not explain most of that",
        why: "after a peak the fragmentation ratio says little: the allocator keeps the pages for the next peak",
        fix: &["MEMORY PURGE", RESTART],
        source: "Redis documentation, memory optimization",
        examine: peak,
        ..RULE
    },
    Rule {
        id: "M09",
        title: "the allocator keeps pages it could return",
        reads: "allocator_rss_ratio, allocator_rss_bytes",
        limits: &[("ratio", 1.1), ("floor", 100.0 * MIB), ("share", 0.05)],
        threshold: "the ratio is at least {ratio}, and the excess is at least {floorB} and at least {share%} of used_memory",
        why: "the allocator returns these pages slowly, or at once after MEMORY PURGE",
        fix: &["MEMORY PURGE"],
        source: "object.c, MEMORY DOCTOR",
        examine: retained,
        ..RULE
    },
    Rule {
        id: "M10",
        title: "the process holds memory outside the allocator",
        reads: "rss_overhead_ratio, rss_overhead_bytes",
        limits: &[("ratio", 1.1), ("floor", 100.0 * MIB), ("share", 0.05)],
        threshold: "the ratio is at least {ratio}, and the excess is at least {floorB} and at least {share%} of used_memory",
        why: "the allocator does not count the memory of Lua, modules and shared libraries",
        fix: &["MODULE LIST", "SCRIPT FLUSH (EVALSHA then returns NOSCRIPT until the script is sent again)"],
        source: "object.c, MEMORY DOCTOR",
        examine: overhead,
        ..RULE
    },
];

/// Whether `allocator_frag_ratio` counts only the holes in small bins (Redis 7.4 and later).
fn counts_small_bins(case: &Case<'_>) -> bool {
    let server = &case.snapshot.server;
    server.name == "redis" && server.version_numbers() >= (7, 4, 0)
}

fn allocator(case: &Case<'_>) -> Judged {
    if !counts_small_bins(case) {
        return skip("this server's allocator_frag_ratio has the older meaning: see M05");
    }
    let (ratio, bytes) = (case.decimal("allocator_frag_ratio")?, case.signed("allocator_frag_bytes")? as f64);
    let used = case.number("used_memory")? as f64;
    let large = bytes >= case.limit("critical_floor") || bytes >= used * case.limit("critical_share");
    if ratio < case.limit("warning") || bytes < case.limit("floor") {
        return Ok(None);
    }
    let finding = if ratio >= case.limit("critical") && large { case.critical() } else { case.warning() };
    let finding = finding.evidence("allocator_frag_ratio", ratio).evidence("allocator_frag_bytes", bytes as i64);
    Ok(Some(defragment(case, finding)))
}

fn allocator_before(case: &Case<'_>) -> Judged {
    if counts_small_bins(case) {
        return skip("this server's allocator_frag_ratio has the newer meaning: see M04");
    }
    let finding = by_ratio_and_bytes(case, "allocator_frag_ratio", "allocator_frag_bytes")?;
    Ok(finding.map(|finding| defragment(case, finding)))
}

fn resident(case: &Case<'_>) -> Judged {
    if peak_ratio(case).is_ok_and(|ratio| ratio > case.limit("peak")) {
        return Ok(None);
    }
    let finding = by_ratio_and_bytes(case, "mem_fragmentation_ratio", "mem_fragmentation_bytes")?;
    if !is_libc(case) {
        return Ok(finding.map(|finding| defragment(case, finding.fix("MEMORY PURGE"))));
    }
    Ok(finding.map(|finding| {
        finding
            .evidence("mem_allocator", case.snapshot.info.get("mem_allocator"))
            .fix(RESTART)
            .fix("run a build with jemalloc: libc keeps what lies between values in use")
    }))
}

fn by_ratio_and_bytes(case: &Case<'_>, ratio_name: &str, bytes_name: &str) -> Judged {
    let bytes = match bytes_name {
        "mem_fragmentation_bytes" => held_beyond_use(case)?,
        _ => case.signed(bytes_name)?,
    };
    let ratio = case.decimal(ratio_name).or_else(|missing| match ratio_name {
        "mem_fragmentation_ratio" => ratio_of_use(case),
        _ => Err(missing),
    })?;
    if ratio < case.limit("warning") || (bytes as f64) < case.limit("floor") {
        return Ok(None);
    }
    let critical = ratio >= case.limit("critical") && bytes as f64 >= case.limit("critical_floor");
    let finding = if critical { case.critical() } else { case.warning() };
    Ok(Some(finding.evidence(ratio_name, ratio).evidence(bytes_name, bytes)))
}

/// `mem_fragmentation_bytes`, reckoned where the server does not tell it: Redis before 5.0, KeyDB, Dragonfly.
fn held_beyond_use(case: &Case<'_>) -> Result<i64, super::super::Skipped> {
    case.signed("mem_fragmentation_bytes").or_else(|_| {
        let (rss, used) = (case.number("used_memory_rss")?, case.number("used_memory")?);
        Ok(i64::try_from(rss).unwrap_or(i64::MAX).saturating_sub(i64::try_from(used).unwrap_or(i64::MAX)))
    })
}

/// `mem_fragmentation_ratio`, reckoned where the server does not tell it.
fn ratio_of_use(case: &Case<'_>) -> Result<f64, super::super::Skipped> {
    Ok(case.number("used_memory_rss")? as f64 / case.number("used_memory")?.max(1) as f64)
}

fn peak_ratio(case: &Case<'_>) -> Result<f64, super::super::Skipped> {
    Ok(case.number("used_memory_peak")? as f64 / case.number("used_memory")?.max(1) as f64)
}

fn peak(case: &Case<'_>) -> Judged {
    let (ratio, bytes) = (peak_ratio(case)?, held_beyond_use(case)?);
    // Holes between allocations are no pages that are kept for the next peak: they stay.
    let holes = case.snapshot.info.i64("allocator_frag_bytes").unwrap_or(0);
    if ratio <= case.limit("peak") || (bytes as f64) < case.limit("floor") || holes.saturating_mul(2) >= bytes {
        return Ok(None);
    }
    let finding = case.info().evidence("used_memory_peak", case.number("used_memory_peak")?);
    let finding = finding.fix(if is_libc(case) { RESTART } else { "MEMORY PURGE" });
    Ok(Some(finding.evidence("used_memory", case.number("used_memory")?).evidence("mem_fragmentation_bytes", bytes)))
}

fn retained(case: &Case<'_>) -> Judged {
    held(case, "allocator_rss_ratio", "allocator_rss_bytes")
}

fn overhead(case: &Case<'_>) -> Judged {
    held(case, "rss_overhead_ratio", "rss_overhead_bytes")
}

fn held(case: &Case<'_>, ratio_name: &str, bytes_name: &str) -> Judged {
    let (ratio, bytes) = (case.decimal(ratio_name)?, case.signed(bytes_name)?);
    let used = case.number("used_memory")? as f64;
    let much = bytes as f64 >= case.limit("floor") && bytes as f64 >= used * case.limit("share");
    Ok((ratio > case.limit("ratio") && much)
        .then(|| case.info().evidence(ratio_name, ratio).evidence(bytes_name, bytes)))
}
