//! How full it is, and how soon it will be.

use super::super::case::{Case, percent, skip};
use super::super::judged::Judged;
use super::super::rule::{RULE, Rule};
use super::super::settings::Profile;
use super::more_memory;
use crate::finding::Severity;
use crate::introspection::Question;

/// Seconds between two readings from which a growth of memory is no breathing.
const SLOPE_SECONDS: f64 = 600.0;

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "M01",
        title: "memory is nearly full",
        reads: "INFO memory: (used_memory - mem_not_counted_for_evict) / maxmemory",
        limits: &[("warning", 0.80), ("critical", 0.90), ("evicting_warning", 0.90), ("evicting_critical", 0.95)],
        threshold: "used memory reaches {warning%} (critical: {critical%}) of maxmemory; where keys can be evicted, {evicting_warning%} (critical: {evicting_critical%}); an allkeys-* cache may be full",
        why: "at the limit, writes fail or keys are evicted",
        fix: &["CONFIG SET maxmemory <more, if the machine has it>", "redis-ops diagnose keyspace"],
        source: "Redis documentation, key eviction; common alert rules: 80 to 90 %",
        weight: 80,
        examine: usage,
        ..RULE
    },
    Rule {
        id: "M17",
        title: "the eviction policy has nothing to evict",
        reads: "maxmemory_policy, INFO keyspace: expires / keys",
        limits: &[("share", 0.05), ("usage", 0.5), ("critical_usage", 0.8), ("keys", 1000.0)],
        threshold: "the policy is volatile-*, less than {share%} of the keys have a time to live, and {usage%} of maxmemory is in \
                    use or there are {keys} keys; critical: no key has a time to live, and {critical_usage%} is in use",
        why: "volatile-* evicts only keys with a time to live: without such keys it behaves like noeviction, and writes fail when memory is full",
        fix: &[
            "CONFIG SET maxmemory <more, if the machine has it>",
            "in the application: set a time to live on data that may expire (EXPIRE)",
            "CONFIG SET maxmemory-policy allkeys-lru (may delete any key, even one that should stay: only for a cache)",
        ],
        source: "Redis documentation, key eviction",
        weight: 90,
        examine: dead_policy,
        ..RULE
    },
    Rule {
        id: "M19",
        title: "a cache is about to refuse writes instead of evicting",
        reads: "maxmemory_policy, INFO keyspace, used_memory",
        limits: &[("share", 0.8), ("warning", 0.85), ("critical", 0.95), ("keys", 100.0)],
        threshold: "the policy is noeviction, at least {share%} of at least {keys} keys have a time to live, and memory is at {warning%} (critical: {critical%}) of maxmemory",
        why: "most keys are temporary, but the server will refuse writes instead of evicting them",
        fix: &[
            "CONFIG SET maxmemory-policy volatile-ttl (deletes keys with a time to live, those that expire soonest first; undo: noeviction)",
        ],
        source: "practice (redis-doctor)",
        weight: 85,
        examine: noeviction_cache,
        ..RULE
    },
    Rule {
        id: "M22",
        title: "a hash table is growing near the limit",
        reads: "mem_overhead_db_hashtable_rehashing",
        limits: &[("share", 0.05), ("floor", 10.0 * super::MIB), ("usage", 0.75)],
        threshold: "the tables take {share%} of used_memory and {floorB}, while {usage%} of maxmemory is in use",
        why: "while a hash table doubles, the old and the new one exist together: that may push memory over the limit",
        fix: &["redis-ops diagnose keyspace"],
        examine: rehashing,
        ..RULE
    },
    Rule {
        id: "M23",
        title: "collections have just outgrown their compact encoding",
        reads: "OBJECT ENCODING and length of the keys looked at, CONFIG *-max-listpack-entries",
        asks: &[Question::Config],
        limits: &[("share", 0.20), ("keys", 100.0)],
        threshold: "at least {share%} of a prefix's keys, and at least {keys} keys, are above the limit but below twice the limit",
        why: "above the limit a collection takes up to ten times the memory",
        fix: &["CONFIG SET hash-max-listpack-entries <twice what it is> (7.0; before hash-max-ziplist-entries)"],
        source: "Redis documentation, memory optimization",
        examine: outgrown,
        ..RULE
    },
    Rule {
        id: "M24",
        title: "memory will be full soon",
        reads: "used_memory of two snapshots",
        limits: &[("warning", 7.0), ("critical", 1.0), ("minutes", 10.0), ("growth", 0.01)],
        threshold: "at the present growth memory is full in less than {warning} (critical: {critical}) days; the snapshots must be {minutes} minutes apart and the growth {growth%} of maxmemory",
        why: "when memory is full, writes fail or keys are evicted",
        fix: &["CONFIG SET maxmemory <more, if the machine has it>", "redis-ops diagnose keyspace"],
        examine: time_to_full,
        ..RULE
    },
];

fn usage(case: &Case<'_>) -> Judged {
    let limit = case.maxmemory()?;
    let usage = case.usage()?;
    let policy = case.snapshot.info.get("maxmemory_policy").unwrap_or("noeviction");
    // A full cache is a good cache; M15 says when it evicts too fast.
    if policy.starts_with("allkeys-") && case.profile == Profile::Cache {
        return Ok(None);
    }
    let (keys, expires) = case.snapshot.keys_and_expires();
    let few_expires = (expires as f64) < keys as f64 * 0.05;
    let cannot_evict = policy == "noeviction" || (policy.starts_with("volatile-") && few_expires);
    let (warning, critical) =
        if cannot_evict { ("warning", "critical") } else { ("evicting_warning", "evicting_critical") };
    let severity = if usage >= case.limit(critical) {
        Severity::Critical
    } else if usage >= case.limit(warning) {
        Severity::Warning
    } else {
        return Ok(None);
    };
    let finding = case
        .finding(severity)
        .evidence("used", percent(usage))
        .evidence("used_memory", case.number("used_memory")?)
        .evidence("maxmemory", limit)
        .evidence("maxmemory_policy", policy);
    Ok(Some(finding.fix(more_memory(case, limit)).fix("redis-ops diagnose keyspace")))
}

fn dead_policy(case: &Case<'_>) -> Judged {
    let limit = case.maxmemory()?;
    let policy = case.text("maxmemory_policy")?;
    let (keys, expires) = case.snapshot.keys_and_expires();
    if !policy.starts_with("volatile-") || keys == 0 {
        return Ok(None);
    }
    let share = expires as f64 / keys as f64;
    let usage = case.usage()?;
    let matters = usage >= case.limit("usage") || keys as f64 >= case.limit("keys");
    if share >= case.limit("share") || !matters {
        return Ok(None);
    }
    let critical = expires == 0 && usage >= case.limit("critical_usage");
    let finding = case.finding(if critical { Severity::Critical } else { Severity::Warning });
    Ok(Some(
        finding
            .evidence("maxmemory_policy", policy)
            .evidence("keys", keys)
            .evidence("expires", expires)
            .evidence("used", percent(usage))
            .evidence("maxmemory", limit)
            .fix(more_memory(case, limit))
            .fix("in the application: set a time to live on data that may expire (EXPIRE)")
            .fix(format!(
                "CONFIG SET maxmemory-policy allkeys-lru (may delete any key, even one that should stay: only for a cache; undo: {policy})"
            )),
    ))
}

fn noeviction_cache(case: &Case<'_>) -> Judged {
    let usage = case.usage()?;
    let (keys, expires) = case.snapshot.keys_and_expires();
    let share = expires as f64 / keys.max(1) as f64;
    let disposable = share >= case.limit("share") && keys as f64 >= case.limit("keys");
    if case.text("maxmemory_policy")? != "noeviction" || !disposable {
        return Ok(None);
    }
    Ok(case
        .grade(usage)
        .map(|finding| finding.evidence("used", percent(usage)).evidence("keys", keys).evidence("expires", expires)))
}

fn rehashing(case: &Case<'_>) -> Judged {
    let (bytes, used) = (case.number("mem_overhead_db_hashtable_rehashing")?, case.number("used_memory")?);
    let near = case.usage()? >= case.limit("usage");
    let grows = bytes as f64 >= case.limit("floor") && bytes as f64 >= used as f64 * case.limit("share");
    Ok((near && grows)
        .then(|| case.warning().evidence("mem_overhead_db_hashtable_rehashing", bytes).evidence("used_memory", used)))
}

fn outgrown(case: &Case<'_>) -> Judged {
    for prefix in &case.keyspace()?.prefixes {
        for (setting, keys) in &prefix.just_outgrown {
            let share = *keys as f64 / prefix.keys.max(1) as f64;
            if share >= case.limit("share") && *keys as f64 >= case.limit("keys") {
                let limit = case.snapshot.answers.config.got().and_then(|config| config.u64(setting)).unwrap_or(128);
                let finding = case
                    .warning()
                    .evidence("prefix", prefix.name.as_str())
                    .evidence("keys", *keys)
                    .evidence("share", percent(share))
                    .evidence(setting, limit);
                return Ok(Some(finding.fix(format!("CONFIG SET {setting} {}", limit.saturating_mul(2)))));
            }
        }
    }
    Ok(None)
}

/// Days until memory is full at the growth between two readings that are far enough apart; `None` where that cannot be said or
/// memory does not grow.
pub(in super::super) fn days_to_full(case: &Case<'_>) -> Option<f64> {
    let (limit, earlier) = (case.maxmemory().ok()?, case.snapshot.comparable().ok()?);
    let (now, before) = (case.number("used_memory").ok()?, earlier.info.u64("used_memory")?);
    let growth = now.checked_sub(before).filter(|growth| *growth > 0)?;
    (earlier.seconds >= SLOPE_SECONDS).then(|| days_left(limit, now, growth as f64, earlier.seconds))
}

/// Days until what is used reaches the limit, if it goes on growing as in these seconds.
fn days_left(limit: u64, now: u64, growth: f64, seconds: f64) -> f64 {
    limit.saturating_sub(now) as f64 / (growth / seconds) / 86_400.0
}

fn time_to_full(case: &Case<'_>) -> Judged {
    let limit = case.maxmemory()?;
    let earlier = case.snapshot.comparable()?;
    if earlier.seconds < case.limit("minutes") * 60.0 {
        return skip("the two readings are too close together to see growth; `--since` compares with the last run");
    }
    if case.profile == Profile::Cache {
        return Ok(None);
    }
    let now = case.number("used_memory")?;
    let Some(before) = earlier.info.u64("used_memory") else { return skip("the earlier reading has no used_memory") };
    let growth = now as f64 - before as f64;
    // What an allocator breathes is no growth.
    if growth < case.limit("growth") * limit as f64 {
        return Ok(None);
    }
    let days = days_left(limit, now, growth, earlier.seconds);
    Ok(case.grade_low(days).map(|finding| {
        finding
            .evidence("days", (days * 10.0).round() / 10.0)
            .evidence("grown_bytes", growth as u64)
            .evidence("seconds", earlier.seconds.round())
            .fix(more_memory(case, limit))
            .fix("redis-ops diagnose keyspace")
    }))
}
