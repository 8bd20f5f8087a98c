//! K01–K16: what the keys are like.

use super::case::{Case, human, percent, skip};
use super::rule::{Judged, RULE, Rule, Topic};
use super::settings::Profile;
use crate::introspection::Mode;

const K: Rule = Rule { topic: Topic::Keyspace, ..RULE };

/// All of them.
pub(super) const RULES: &[&[Rule]] = &[FROM_INFO, FROM_KEYS];

const FROM_INFO: &[Rule] = &[
    Rule {
        id: "K01",
        title: "keys live for ever",
        reads: "INFO keyspace: (keys - expires) / keys",
        limits: &[("warning", 0.20), ("critical", 0.50), ("keys", 100.0)],
        threshold: "{warning%} and {critical%} of at least {keys} keys, where the profile is cache or session",
        why: "they are never freed",
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
        threshold: "{warning} % and {critical} % of at least {expires} keys with a time to live",
        why: "the active expiry falls behind; it tolerates 10 % by default",
        fix: &["CONFIG SET active-expire-effort 4"],
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
        threshold: "the cycle reaches its time cap more than {capped} times a second; critical when it takes {share%} of the time",
        why: "masses of keys expire together, and clients wait meanwhile",
        fix: &["spread times to live by a random part"],
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
        threshold: "strings of {stringB} or collections of {items} elements; critical {critical_stringB} and {critical_items}",
        why: "reading or deleting one of them holds up all clients",
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
        threshold: "fewer than {warning%} or {critical%} of at least {lookups} lookups, where the profile is cache",
        why: "the cache does not hold what is asked for",
        fix: &["redis-ops diagnose memory"],
        source: "usual practice; linuxfabrik#623 on stores",
        because_of: &["M15"],
        examine: hit_ratio,
        ..K
    },
    Rule {
        id: "K16",
        title: "several logical databases are in use",
        reads: "INFO keyspace",
        threshold: "more than one holds keys; information only",
        why: "a cluster has one only (Valkey 9 aside)",
        source: "RedisInsight",
        examine: databases,
        ..K
    },
];

const FROM_KEYS: &[Rule] = &[
    Rule {
        id: "K04",
        title: "a string is very large",
        reads: "MEMORY USAGE or STRLEN of the keys looked at",
        limits: &[("warning", 1_048_576.0), ("critical", 10_485_760.0)],
        threshold: "{warningB} and {criticalB}",
        why: "each read sends all of it, and the thread does nothing else meanwhile",
        source: "Azure: keep values below 100 kB; redis-doctor: 10 MB",
        weight: 60,
        examine: big_string,
        ..K
    },
    Rule {
        id: "K05",
        title: "a collection is very large",
        reads: "length and MEMORY USAGE of the keys looked at",
        limits: &[("warning", 10_000.0), ("critical", 100_000.0), ("critical_bytes", 67_108_864.0)],
        threshold: "{warning} elements; critical {critical} or {critical_bytesB}; streams are K13's",
        why: "commands that read it whole hold up all clients, and it cannot be split over a cluster",
        source: "practice (redis-doctor)",
        because_of: &["A19"],
        weight: 60,
        examine: big_collection,
        ..K
    },
    Rule {
        id: "K10",
        title: "one prefix holds most of the memory",
        reads: "MEMORY USAGE of the keys looked at, by prefix",
        limits: &[("share", 0.50), ("keys", 1000.0), ("floor", 10_485_760.0)],
        threshold: "{share%} of at least {keys} keys and {floorB}; a warning when memory is nearly full",
        why: "it says whose data to look at first",
        source: "redis#14605, dragonfly#4282",
        because_of: &["M01", "M17"],
        examine: dominance,
        ..K
    },
    Rule {
        id: "K11",
        title: "names of keys are long",
        reads: "the names looked at",
        limits: &[("mean", 128.0), ("longest", 1024.0), ("keys", 100.0)],
        threshold: "{mean} bytes on average of at least {keys} keys, or one of {longest}",
        why: "each name is held in memory and compared at every access",
        fix: &["use a hash of what makes the name long"],
        source: "Redis documentation, keys",
        examine: long_names,
        ..K
    },
    Rule {
        id: "K12",
        title: "one prefix holds several types",
        reads: "TYPE of the keys looked at",
        limits: &[("keys", 2.0)],
        threshold: "two types with at least {keys} keys each",
        why: "a command for one type fails on the other (WRONGTYPE)",
        source: "practice (redis-doctor)",
        examine: mixed_types,
        ..K
    },
    Rule {
        id: "K13",
        title: "a stream is not worked off",
        reads: "XLEN, XINFO GROUPS of the streams looked at",
        limits: &[("length", 100_000.0), ("lag", 10_000.0), ("pending", 10_000.0)],
        threshold: "{length} entries, or {lag} not delivered to a group; critical {pending} delivered and not acknowledged",
        why: "consumers are too slow or gone, and the stream grows",
        source: "practice (redis-doctor)",
        weight: 70,
        examine: stream,
        ..K
    },
];

fn immortal(case: &Case<'_>) -> Judged {
    if !matches!(case.profile, Profile::Cache | Profile::Session) {
        return skip("only of caches and session stores keys are expected to expire (`--profile`)");
    }
    let (keys, expires) = case.snapshot.keys_and_expires();
    if (keys as f64) < case.limit("keys") {
        return Ok(None);
    }
    let share = keys.saturating_sub(expires) as f64 / keys as f64;
    // An allkeys policy frees them all the same.
    let evicts = case.snapshot.info.get("maxmemory_policy").is_some_and(|policy| policy.starts_with("allkeys-"));
    let finding = if evicts && share >= case.limit("warning") { Some(case.info()) } else { case.grade(share) };
    Ok(finding.map(|finding| finding.evidence("keys", keys).evidence("without_ttl", percent(share))))
}

fn stale(case: &Case<'_>) -> Judged {
    let share = case.decimal("expired_stale_perc")?;
    let (_, expires) = case.snapshot.keys_and_expires();
    if (expires as f64) < case.limit("expires") {
        return Ok(None);
    }
    Ok(case.grade(share).map(|finding| finding.evidence("expired_stale_perc", share).evidence("expires", expires)))
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
        return skip("only a cache is expected to find what is asked for (`--profile cache`)");
    }
    let (hits, misses) = (case.delta("keyspace_hits")?.amount, case.delta("keyspace_misses")?.amount);
    if ((hits + misses) as f64) < case.limit("lookups") {
        return skip(format!("there were only {} lookups between the two readings", hits + misses));
    }
    let ratio = hits as f64 / (hits + misses) as f64;
    Ok(case
        .grade_low(ratio)
        .map(|finding| finding.evidence("hit_ratio", percent(ratio)).evidence("lookups", hits + misses)))
}

fn databases(case: &Case<'_>) -> Judged {
    let databases = case.snapshot.info.databases();
    let several = databases.len() > 1 && case.snapshot.server.mode == Mode::Standalone;
    Ok(several.then(|| case.info().evidence("databases", databases.len())))
}

fn big_string(case: &Case<'_>) -> Judged {
    let keyspace = case.keyspace()?;
    let strings = keyspace.largest.iter().filter(|big| big.kind == "string");
    let size = |big: &crate::introspection::keyspace::BigKey| big.bytes.or(big.length).unwrap_or(0);
    let Some(worst) = strings.max_by_key(|big| size(big)) else { return Ok(None) };
    let bytes = size(worst);
    Ok(case.grade(bytes as f64).map(|finding| {
        finding
            .evidence("key", worst.key.as_str())
            .evidence("bytes", bytes)
            .evidence("looked_at", keyspace.confidence())
            .fix(format!("UNLINK {} (once nobody needs it), or store it in parts", quoted(&worst.key)))
    }))
}

/// A name as it can be typed into redis-cli.
pub(super) fn quoted(key: &str) -> String {
    let plain = key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\'' && byte != b'\\');
    if plain && !key.is_empty() { key.to_owned() } else { format!("\"{}\"", key.replace('"', "\\\"")) }
}

fn big_collection(case: &Case<'_>) -> Judged {
    let keyspace = case.keyspace()?;
    let collections = keyspace.largest.iter().filter(|big| !matches!(big.kind.as_str(), "string" | "stream"));
    let judged = collections.filter_map(|big| {
        let (length, bytes) = (big.length.unwrap_or(0) as f64, big.bytes.unwrap_or(0) as f64);
        let critical = length >= case.limit("critical") || bytes >= case.limit("critical_bytes");
        (critical || length >= case.limit("warning")).then_some((critical, big.length.unwrap_or(0), big))
    });
    let Some((critical, length, worst)) = judged.max_by_key(|(critical, length, _)| (*critical, *length)) else {
        return Ok(None);
    };
    let finding = if critical { case.critical() } else { case.warning() };
    Ok(Some(
        finding
            .evidence("key", worst.key.as_str())
            .evidence("type", worst.kind.as_str())
            .evidence("elements", length)
            .evidence("bytes", worst.bytes)
            .evidence("looked_at", keyspace.confidence())
            .fix(format!("UNLINK {} (once nobody needs it), or spread it over several keys", quoted(&worst.key))),
    ))
}

fn dominance(case: &Case<'_>) -> Judged {
    let keyspace = case.keyspace()?;
    let Some(bytes) = keyspace.bytes else { return skip("the sizes of keys are not known") };
    let Some(first) = keyspace.prefixes.first() else { return Ok(None) };
    let share = first.bytes as f64 / bytes.max(1) as f64;
    let enough = keyspace.seen as f64 >= case.limit("keys") && bytes as f64 >= case.limit("floor");
    if !enough || share < case.limit("share") {
        return Ok(None);
    }
    let nearly_full = case.usage().is_ok_and(|usage| usage >= 0.8);
    let finding = if nearly_full { case.warning() } else { case.info() };
    Ok(Some(
        finding
            .evidence("prefix", first.name.as_str())
            .evidence("share", percent(share))
            .evidence("keys", first.keys)
            .evidence("looked_at", keyspace.confidence()),
    ))
}

fn long_names(case: &Case<'_>) -> Judged {
    let keyspace = case.keyspace()?;
    let mean = keyspace.name_bytes as f64 / keyspace.seen.max(1) as f64;
    let Some((name, longest)) = &keyspace.longest_name else { return Ok(None) };
    let many = keyspace.seen as f64 >= case.limit("keys") && mean >= case.limit("mean");
    let one = *longest as f64 >= case.limit("longest");
    Ok((many || one).then(|| {
        let finding = case.warning().evidence("mean_bytes", mean.round()).evidence("longest_bytes", *longest);
        finding.evidence("longest", name.as_str()).evidence("looked_at", keyspace.confidence())
    }))
}

fn mixed_types(case: &Case<'_>) -> Judged {
    let keyspace = case.keyspace()?;
    let several = |types: &std::collections::BTreeMap<String, u64>| {
        types.values().filter(|count| **count as f64 >= case.limit("keys")).count() >= 2
    };
    // The rest of all prefixes is no prefix, and names without a separator share nothing.
    let prefixes = keyspace
        .prefixes
        .iter()
        .filter(|prefix| prefix.name.ends_with([':', '.', '/', '_', '-', '|']) && prefix.name != "*:");
    let Some(mixed) = prefixes.into_iter().find(|prefix| several(&prefix.types)) else { return Ok(None) };
    // `user:1` a hash and `user:1:visits` a set are a usual design.
    let types: Vec<String> = mixed.types.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    Ok(Some(case.info().evidence("prefix", mixed.name.as_str()).evidence("types", types.join(", "))))
}

fn stream(case: &Case<'_>) -> Judged {
    let keyspace = case.keyspace()?;
    let mut worst: Option<(bool, u64, crate::finding::Finding)> = None;
    for stream in &keyspace.streams {
        let pending = stream
            .groups
            .iter()
            .max_by_key(|group| group.pending)
            .filter(|group| group.pending as f64 >= case.limit("pending"));
        let lagging = stream
            .groups
            .iter()
            .filter(|group| group.lag.is_some_and(|lag| lag as f64 >= case.limit("lag")))
            .max_by_key(|group| group.lag);
        let long = stream.length as f64 >= case.limit("length");
        if pending.is_none() && lagging.is_none() && !long {
            continue;
        }
        let finding = if pending.is_some() { case.critical() } else { case.warning() };
        let mut finding = finding.evidence("stream", stream.key.as_str()).evidence("entries", stream.length);
        let name = quoted(&stream.key);
        if let Some(group) = pending {
            finding = finding.evidence("group", group.name.as_str()).evidence("pending", group.pending);
            finding = finding.fix(format!("XAUTOCLAIM {name} {} <consumer> 60000 0", quoted(&group.name)));
        }
        if let Some(group) = lagging {
            finding = finding.evidence("lagging_group", group.name.as_str()).evidence("lag", group.lag);
        }
        finding = finding.fix(format!("XTRIM {name} MAXLEN ~ 10000"));
        let rank = (pending.is_some(), stream.length);
        if worst.as_ref().is_none_or(|(critical, length, _)| rank > (*critical, *length)) {
            worst = Some((rank.0, rank.1, finding));
        }
    }
    Ok(worst.map(|(_, _, finding)| finding.evidence("looked_at", human_confidence(keyspace))))
}

fn human_confidence(keyspace: &crate::introspection::keyspace::KeyspaceProfile) -> String {
    match keyspace.bytes {
        Some(bytes) => format!("{}, {}", keyspace.confidence(), human(bytes)),
        None => keyspace.confidence(),
    }
}
