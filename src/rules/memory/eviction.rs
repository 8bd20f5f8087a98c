//! What happens at the limit: eviction, refusals, and memory that is freed slower than it is deleted.

use super::super::case::{Case, percent, skip};
use super::super::judged::Judged;
use super::super::rule::{RULE, Rule};
use super::super::settings::Profile;
use super::more_memory;

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "M15",
        title: "keys are being evicted",
        reads: "evicted_keys, keyspace_hits and keyspace_misses between two readings",
        limits: &[("turnover_seconds", 600.0), ("hit_ratio", 0.5), ("good_ratio", 0.9), ("lookups", 1000.0)],
        threshold: "any key is evicted from a store that holds the only copy of its data; in a cache: the evictions would replace \
                    all keys within {turnover_seconds} s and fewer than {good_ratio%} of the lookups find their key; critical: \
                    fewer than {hit_ratio%} of at least {lookups} lookups do",
        why: "a data store loses data; a cache that evicts what it has just stored does useless work",
        fix: &["CONFIG SET maxmemory <more, if the machine has it>", "redis-ops diagnose keyspace"],
        source: "Valkey alert packs; practice (BetterDB pairs eviction with the hit ratio)",
        weight: 70,
        examine: evicting,
        ..RULE
    },
    Rule {
        id: "M16",
        title: "eviction cannot keep up",
        reads: "current_eviction_exceeded_time, total_eviction_exceeded_time (milliseconds above the limit)",
        limits: &[("warning", 1.0), ("critical", 5000.0)],
        threshold: "memory is above maxmemory for {warning} ms (critical: {critical} ms), and the policy allows eviction",
        why: "memory grows beyond the limit, and every command evicts keys before it runs",
        fix: &["CONFIG SET maxmemory-eviction-tenacity 50", "CONFIG SET lazyfree-lazy-eviction yes"],
        source: "Redis documentation, key eviction",
        because_of: &["M17", "M01", "C08", "M15"],
        examine: exceeded,
        ..RULE
    },
    Rule {
        id: "M18",
        title: "writes are refused for lack of memory",
        reads: "errorstat_OOM between two readings",
        threshold: "the counter grew between two readings; earlier errors are info only",
        why: "clients get `OOM command not allowed` now",
        fix: &["CONFIG SET maxmemory <more, if the machine has it>"],
        source: "Redis documentation, key eviction",
        because_of: &["M17", "M19", "M01", "C08"],
        weight: 85,
        examine: refusals,
        ..RULE
    },
    Rule {
        id: "M21",
        title: "memory is freed more slowly than keys are deleted",
        reads: "lazyfree_pending_objects of two readings",
        limits: &[("warning", 10_000.0), ("critical", 1_000_000.0)],
        threshold: "more than {warning} (critical: {critical}) objects are waiting to be freed, and their number does not fall",
        why: "deleted data still takes memory",
        fix: &["redis-ops diagnose memory --watch 5s"],
        examine: lazy_free,
        ..RULE
    },
];

fn evicting(case: &Case<'_>) -> Judged {
    let evicted = case.delta("evicted_keys")?;
    if evicted.amount == 0 {
        return Ok(None);
    }
    let (keys, _) = case.snapshot.keys_and_expires();
    let turnover = keys as f64 / evicted.rate();
    let hits = case.delta("keyspace_hits").map(|delta| delta.amount).unwrap_or(0);
    let misses = case.delta("keyspace_misses").map(|delta| delta.amount).unwrap_or(0);
    let lookups = hits.saturating_add(misses);
    let ratio = hits as f64 / lookups.max(1) as f64;
    let thrashing = lookups as f64 >= case.limit("lookups") && ratio < case.limit("hit_ratio");
    let finding = match case.profile {
        Profile::Cache if thrashing => case.critical(),
        // What is asked for is there: it evicts what nobody wants.
        Profile::Cache if lookups > 0 && ratio >= case.limit("good_ratio") => case.info(),
        Profile::Cache if turnover <= case.limit("turnover_seconds") => case.warning(),
        Profile::Cache => case.info(),
        _ => case.warning(),
    };
    let finding = finding
        .evidence("evicted_per_second", evicted.rate().round())
        .evidence("keys", keys)
        .evidence("turnover_seconds", turnover.round())
        .evidence("profile", case.profile.name());
    let finding = if lookups > 0 { finding.evidence("hit_ratio", percent(ratio)) } else { finding };
    let limit = case.number_or_zero("maxmemory");
    Ok(Some(finding.fix(more_memory(case, limit)).fix("redis-ops diagnose keyspace")))
}

fn exceeded(case: &Case<'_>) -> Judged {
    let now = case.number("current_eviction_exceeded_time")?;
    // The server counts this time without evicting, too: what is wrong then is told by M01 and M18. And it counts on where the limit
    // was taken away while it was exceeded.
    let info = &case.snapshot.info;
    if info.get("maxmemory_policy") == Some("noeviction") || info.u64("maxmemory") == Some(0) {
        return Ok(None);
    }
    Ok(case.grade(now as f64).map(|finding| finding.evidence("current_eviction_exceeded_time_ms", now)))
}

fn refusals(case: &Case<'_>) -> Judged {
    let total = case.snapshot.info.error_stats().get("OOM").copied().unwrap_or(0);
    let limit = case.number_or_zero("maxmemory");
    let fix = more_memory(case, limit);
    if !case.snapshot.info.sections().iter().any(|section| section == "Errorstats") {
        return skip("the server does not report errorstats (6.2 and later)");
    }
    if total == 0 {
        return Ok(None);
    }
    let policy = case.snapshot.info.get("maxmemory_policy").unwrap_or_default();
    let finding = match case.errors("OOM") {
        Ok(delta) if delta.amount > 0 => {
            case.critical().evidence("refused_per_second", (delta.rate() * 10.0).round() / 10.0)
        }
        _ => case.info(),
    };
    Ok(Some(finding.evidence("refused_since_start", total).evidence("maxmemory_policy", policy).fix(fix)))
}

fn lazy_free(case: &Case<'_>) -> Judged {
    let now = case.number("lazyfree_pending_objects")?;
    let before = case.snapshot.comparable()?.info.u64("lazyfree_pending_objects").unwrap_or(0);
    if now < before {
        return Ok(None);
    }
    Ok(case
        .grade(now as f64)
        .map(|finding| finding.evidence("lazyfree_pending_objects", now).evidence("before", before)))
}
