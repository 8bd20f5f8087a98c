//! K04, K05 and K10–K13: what the keys looked at are like.

use std::collections::BTreeMap;

use super::super::case::{Case, percent, skip};
use super::super::judged::Judged;
use super::super::rule::Rule;
use super::{K, quoted};
use crate::figures;
use crate::finding::Finding;
use crate::introspection::keyspace::{BigKey, KeyspaceProfile};

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "K04",
        title: "a string is very large",
        reads: "MEMORY USAGE or STRLEN of the keys looked at",
        limits: &[("warning", 1_048_576.0), ("critical", 10_485_760.0)],
        threshold: "a string has at least {warningB} (critical: {criticalB})",
        why: "each read sends the whole value, and the thread serves nobody else meanwhile",
        fix: &["in the application: store the value in parts, and read the part that is needed", "UNLINK <key>"],
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
        threshold: "a collection has at least {warning} elements; critical: {critical} or {critical_bytesB}; streams: see K13",
        why: "commands that read the whole collection block all clients, and a cluster cannot split the collection",
        fix: &["in the application: spread the elements over several keys", "UNLINK <key>"],
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
        threshold: "one prefix holds at least {share%} of the bytes of at least {keys} keys, and at least {floorB}; warning: memory is nearly full",
        why: "the finding names the data to look at first",
        fix: &["redis-ops diagnose keyspace --full"],
        source: "redis#14605, dragonfly#4282",
        because_of: &["M01", "M17"],
        examine: dominance,
        ..K
    },
    Rule {
        id: "K11",
        title: "key names are long",
        reads: "the names looked at",
        limits: &[("mean", 128.0), ("longest", 1024.0), ("keys", 100.0)],
        threshold: "names have {mean} bytes on average over at least {keys} keys, or one has {longest}",
        why: "every name takes memory and is compared on each access",
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
        threshold: "two types have at least {keys} keys each",
        why: "a command for one type fails on a key of the other (WRONGTYPE)",
        fix: &["in the application: one type per prefix"],
        source: "practice (redis-doctor)",
        examine: mixed_types,
        ..K
    },
    Rule {
        id: "K13",
        title: "a stream is not consumed fast enough",
        reads: "XLEN, XINFO GROUPS of the streams looked at",
        limits: &[("length", 100_000.0), ("lag", 10_000.0), ("pending", 10_000.0)],
        threshold: "a stream has at least {length} entries, or at least {lag} are not delivered to a group; critical: at least {pending} are delivered and not acknowledged",
        why: "consumers are too slow or gone, and the stream grows",
        fix: &[
            "XAUTOCLAIM <stream> <group> <consumer> 60000 0 (6.2)",
            "XTRIM <stream> MAXLEN ~ 10000 (deletes the oldest entries, also those that nobody has read)",
        ],
        source: "practice (redis-doctor)",
        weight: 70,
        examine: stream,
        ..K
    },
];

fn big_string(case: &Case<'_>) -> Judged {
    let keyspace = case.keyspace()?;
    let strings = keyspace.largest.iter().filter(|big| big.kind == "string");
    let size = |big: &BigKey| big.bytes.or(big.length).unwrap_or(0);
    let Some(worst) = strings.max_by_key(|big| size(big)) else { return Ok(None) };
    let bytes = size(worst);
    Ok(case.grade(bytes as f64).map(|finding| {
        finding
            .evidence("key", worst.key.as_str())
            .evidence("bytes", bytes)
            .evidence("looked_at", keyspace.confidence())
            .fix("in the application: store the value in parts, and read the part that is needed")
            .fix(format!("UNLINK {}", quoted(&worst.key)))
    }))
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
            .fix("in the application: spread the elements over several keys")
            .fix(format!("UNLINK {}", quoted(&worst.key))),
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
    let several = |types: &BTreeMap<String, u64>| {
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
    let mut worst: Option<(bool, u64, Finding)> = None;
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
            if case.knows(6, 2) {
                finding = finding.fix(format!("XAUTOCLAIM {name} {} <consumer> 60000 0", quoted(&group.name)));
            }
        }
        if let Some(group) = lagging {
            finding = finding.evidence("lagging_group", group.name.as_str()).evidence("lag", group.lag);
        }
        finding = finding
            .fix(format!("XTRIM {name} MAXLEN ~ 10000 (deletes the oldest entries, also those that nobody has read)"));
        let rank = (pending.is_some(), stream.length);
        if worst.as_ref().is_none_or(|(critical, length, _)| rank > (*critical, *length)) {
            worst = Some((rank.0, rank.1, finding));
        }
    }
    Ok(worst.map(|(_, _, finding)| finding.evidence("looked_at", human_confidence(keyspace))))
}

fn human_confidence(keyspace: &KeyspaceProfile) -> String {
    match keyspace.bytes {
        Some(bytes) => format!("{}, {}", keyspace.confidence(), figures::bytes(bytes)),
        None => keyspace.confidence(),
    }
}
