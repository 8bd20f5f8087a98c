//! K01–K03, K06, K08 and K16: what INFO says of the keys; none is looked at.

use super::super::case::{Case, percent, skip};
use super::super::judged::Judged;
use super::super::rule::Rule;
use super::super::settings::Profile;
use super::K;
use crate::figures;
use crate::introspection::keyspace::escaped;
use crate::introspection::{Mode, Question};

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "K01",
        title: "keys never expire",
        reads: "INFO keyspace: (keys - expires) / keys",
        limits: &[("warning", 0.20), ("critical", 0.50), ("keys", 100.0)],
        threshold: "at least {warning%} (critical: {critical%}) of at least {keys} keys have no time to live, and the profile is cache or session",
        why: "their memory is never freed",
        fix: &["redis-ops diagnose patterns"],
        source: "rdbtools#27, rdb-tools#58",
        because_of: &["A07", "A11"],
        examine: immortal,
        ..K
    },
    Rule {
        id: "K02",
        title: "many keys have expired and still take memory",
        reads: "expired_stale_perc",
        limits: &[("warning", 10.0), ("critical", 25.0), ("expires", 1000.0)],
        threshold: "{warning} % (critical: {critical} %) of at least {expires} keys with a time to live have expired",
        why: "the active expiry falls behind; by default it tolerates 10 %",
        fix: &[
            "CONFIG SET active-expire-effort 4 (6.0; uses more CPU; the default is 1)",
            "CONFIG SET hz 50 (before 6.0; uses more CPU; the default is 10)",
        ],
        source: "expire.c",
        because_of: &["K03", "A13"],
        examine: stale,
        ..K
    },
    Rule {
        id: "K03",
        title: "expiring takes the server's time",
        reads: "expired_time_cap_reached_count, expire_cycle_cpu_milliseconds between two readings",
        limits: &[("share", 0.10), ("capped", 2.0)],
        threshold: "the cycle reaches its time limit more than {capped} times a second; critical: it takes {share%} of the time",
        why: "many keys expire together, and clients wait meanwhile",
        fix: &["spread times to live by adding a random part"],
        source: "Redis documentation, latency",
        because_of: &["A13"],
        examine: starved,
        ..K
    },
    Rule {
        id: "K06",
        title: "there are very large keys",
        reads: "INFO keysizes (Redis 8.0)",
        limits: &[
            ("string", 1_048_576.0),
            ("items", 131_072.0),
            ("critical_string", 67_108_864.0),
            ("critical_items", 1_048_576.0),
        ],
        threshold: "a string has at least {stringB} or a collection at least {items} elements; critical: {critical_stringB} or {critical_items}",
        why: "reading or deleting one of them blocks all clients",
        fix: &["redis-ops diagnose keyspace --full"],
        source: "observed on 8.0; redis#13592",
        examine: sizes,
        ..K
    },
    Rule {
        id: "K08",
        title: "most lookups find nothing",
        reads: "keyspace_hits, keyspace_misses between two readings",
        limits: &[("warning", 0.80), ("critical", 0.50), ("lookups", 1000.0)],
        threshold: "fewer than {warning%} (critical: {critical%}) of at least {lookups} lookups find a key, and the profile is cache",
        why: "the cache does not hold the keys that clients ask for",
        fix: &["redis-ops diagnose memory"],
        source: "usual practice; github.com/Linuxfabrik/monitoring-plugins/issues/623",
        because_of: &["M15"],
        examine: hit_ratio,
        ..K
    },
    Rule {
        id: "K16",
        title: "several logical databases are in use",
        reads: "INFO keyspace",
        threshold: "more than one database has keys; info only",
        why: "a cluster has only database 0 (except Valkey 9)",
        fix: &["in the application: use a key prefix instead of a database, before moving to a cluster"],
        source: "RedisInsight",
        examine: databases,
        ..K
    },
    Rule {
        id: "K18",
        title: "all keys were deleted",
        reads: "INFO commandstats of FLUSHALL and FLUSHDB, SLOWLOG, INFO keyspace, used_memory_peak",
        asks: &[Question::Slowlog],
        limits: &[("minutes", 60.0), ("shrunk", 3.0), ("bytes", 262_144.0)],
        threshold: "FLUSHALL or FLUSHDB was called; critical: between two readings, or in the slow log of the last {minutes} minutes while no keys are left; warning: in that slow log, or no keys are left, or the data took {shrunk} times as much memory once, and {bytes} bytes more; otherwise info",
        why: "the data is lost, unless a backup or a disconnected replica has it",
        fix: &[
            "redis-ops list",
            "redis-ops restore --backup-id latest --target-instance <this server> --plan",
            "ACL SETUSER <user> -flushall -flushdb (6.0; the user then gets NOPERM)",
        ],
        source: "Redis documentation, FLUSHALL",
        weight: 93,
        examine: flushed,
        ..K
    },
];

fn flushed(case: &Case<'_>) -> Judged {
    const COMMANDS: &[&str] = &["flushall", "flushdb"];
    let stats = case.snapshot.info.command_stats();
    let total = figures::sum(COMMANDS.iter().filter_map(|name| stats.get(name)).map(|stats| stats.calls));
    let meanwhile = case.calls(COMMANDS).map(|delta| delta.amount).unwrap_or(0);
    let (now, slow) = (case.snapshot.server_seconds(), case.snapshot.answers.slowlog.got());
    let horizon = now.saturating_sub((case.limit("minutes") * 60.0) as u64);
    let last = slow.into_iter().flatten().filter(|entry| entry.at >= horizon);
    let last = last.filter(|entry| COMMANDS.contains(&entry.command.to_ascii_lowercase().as_str()));
    let last = last.max_by_key(|entry| entry.at);
    if total == 0 && last.is_none() {
        return match stats.is_empty() && slow.is_none() {
            true => skip("the server reports neither commandstats nor its slow log"),
            false => Ok(None),
        };
    }
    let (keys, _) = case.snapshot.keys_and_expires();
    // An application writes on: a few keys say nothing of those that were deleted.
    let [peak, used, startup] =
        ["used_memory_peak", "used_memory", "used_memory_startup"].map(|name| case.number_or_zero(name));
    let (peak, used) = (peak.saturating_sub(startup) as f64, used.saturating_sub(startup) as f64);
    let has_shrunk = peak >= used * case.limit("shrunk") && peak - used >= case.limit("bytes");
    let finding = match (meanwhile > 0, last.is_some(), keys == 0) {
        (true, ..) | (_, true, true) => case.critical(),
        (_, true, _) | (_, _, true) => case.warning(),
        _ if has_shrunk => case.warning(),
        _ => case.info(),
    };
    let finding = finding.evidence("calls_since_start", total.max(1)).evidence("keys_now", keys);
    let finding = if meanwhile > 0 { finding.evidence("calls_between_readings", meanwhile) } else { finding };
    let finding = if has_shrunk { finding.evidence("used_memory_peak", peak as u64 + startup) } else { finding };
    Ok(Some(match last {
        Some(entry) => {
            let at = i64::try_from(entry.at).ok().and_then(|at| chrono::DateTime::from_timestamp(at, 0));
            let at = at.map(crate::times::text).unwrap_or_default();
            let by = if entry.name.is_empty() { entry.addr.clone() } else { format!("{} {}", entry.name, entry.addr) };
            finding.evidence("at", at).evidence("by", escaped(by.as_bytes()))
        }
        None => finding,
    }))
}

fn immortal(case: &Case<'_>) -> Judged {
    if !matches!(case.profile, Profile::Cache | Profile::Session) {
        return skip("keys are expected to expire only in caches and session stores (`--profile`)");
    }
    let (keys, expires) = case.snapshot.keys_and_expires();
    if (keys as f64) < case.limit("keys") {
        return Ok(None);
    }
    let share = keys.saturating_sub(expires) as f64 / keys as f64;
    // An allkeys policy frees them all the same.
    let evicts = case.snapshot.info.get("maxmemory_policy").is_some_and(|policy| policy.starts_with("allkeys-"));
    // That sessions live here was guessed from names.
    let guessed = case.profile == Profile::Session && case.settings().profile.is_none();
    let finding =
        if (evicts || guessed) && share >= case.limit("warning") { Some(case.info()) } else { case.grade(share) };
    Ok(finding.map(|finding| finding.evidence("keys", keys).evidence("without_ttl", percent(share))))
}

fn stale(case: &Case<'_>) -> Judged {
    let share = case.decimal("expired_stale_perc")?;
    let (_, expires) = case.snapshot.keys_and_expires();
    if (expires as f64) < case.limit("expires") {
        return Ok(None);
    }
    Ok(case.grade(share).map(|finding| {
        let finding = finding.evidence("expired_stale_perc", share).evidence("expires", expires);
        match case.knows(6, 0) {
            true => finding.fix("CONFIG SET active-expire-effort 4 (uses more CPU; the default is 1)"),
            false => finding.fix("CONFIG SET hz 50 (uses more CPU; the default is 10)"),
        }
    }))
}

fn starved(case: &Case<'_>) -> Judged {
    let capped = case.delta("expired_time_cap_reached_count")?;
    let busy = case.delta("expire_cycle_cpu_milliseconds")?;
    let share = busy.amount as f64 / 1000.0 / busy.seconds;
    let finding = if share >= case.limit("share") {
        case.critical()
    } else if capped.rate() > case.limit("capped") {
        case.warning()
    } else {
        return Ok(None);
    };
    Ok(Some(finding.evidence("time_cap_reached", capped.amount).evidence("of_the_time", percent(share))))
}

fn sizes(case: &Case<'_>) -> Judged {
    let sizes = case.snapshot.info.key_sizes();
    if sizes.is_empty() {
        return skip("the server does not report sizes (Redis 8.0 and later), or there are no keys");
    }
    let mut worst: Option<(bool, String, u64, u64)> = None;
    for (kind, buckets) in sizes {
        let string = kind.starts_with("strings");
        let (warning, critical) = if string { ("string", "critical_string") } else { ("items", "critical_items") };
        let large = buckets.iter().filter(|(bound, count)| *bound as f64 >= case.limit(warning) && *count > 0);
        if let Some((bound, _)) = large.clone().max_by_key(|(bound, _)| *bound) {
            let count = large.map(|(_, count)| *count).fold(0, u64::saturating_add);
            let found = (*bound as f64 >= case.limit(critical), kind, *bound, count);
            worst = worst.max(Some(found));
        }
    }
    Ok(worst.map(|(critical, kind, bound, count)| {
        let finding = if critical { case.critical() } else { case.warning() };
        finding.evidence("kind", kind).evidence("keys", count).evidence("largest_at_least", bound)
    }))
}

fn hit_ratio(case: &Case<'_>) -> Judged {
    if case.profile != Profile::Cache {
        return skip("lookups are expected to succeed only in a cache (`--profile cache`)");
    }
    let (hits, misses) = (case.delta("keyspace_hits")?.amount, case.delta("keyspace_misses")?.amount);
    let lookups = hits.saturating_add(misses);
    if (lookups as f64) < case.limit("lookups") {
        return skip(format!("there were only {} between the two readings", figures::counted(lookups, "lookup")));
    }
    let ratio = hits as f64 / lookups as f64;
    Ok(case.grade_low(ratio).map(|finding| finding.evidence("hit_ratio", percent(ratio)).evidence("lookups", lookups)))
}

fn databases(case: &Case<'_>) -> Judged {
    let databases = case.snapshot.info.databases();
    let several = databases.len() > 1 && case.snapshot.server.mode == Mode::Standalone;
    Ok(several.then(|| case.info().evidence("databases", databases.len())))
}
