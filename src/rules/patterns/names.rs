//! A12–A20: how keys are named and how long they live, by prefix.

use super::super::case::{Case, percent};
use super::super::judged::Judged;
use super::super::keyspace::quoted;
use super::super::rule::Rule;
use super::A;
use crate::figures;
use crate::introspection::keyspace::Oddity;

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "A12",
        title: "some keys of a prefix expire and some do not",
        reads: "PTTL of the keys looked at, by prefix",
        limits: &[("low", 0.05), ("high", 0.95), ("keys", 20.0)],
        threshold: "between {low%} and {high%} of at least {keys} keys have no time to live; warning: evictions, refused writes or growing memory are seen as well",
        why: "one code path forgets to set the time to live",
        fix: &["redis-ops diagnose patterns --full (then EXPIRE <key> <seconds>)"],
        source: "practice (redis-doctor)",
        because_of: &["A01", "A05", "A07", "A10", "A11", "A09"],
        examine: inconsistent,
        ..A
    },
    Rule {
        id: "A13",
        title: "many keys expire in the same second",
        reads: "PTTL of the keys looked at, by prefix",
        limits: &[("share", 0.10), ("keys", 100.0)],
        threshold: "{share%} of a prefix's keys, and at least {keys}, expire in one second; warning: {keys} keys expire between two readings, or evictions, refused writes or growing memory are seen",
        why: "all clients miss at once and query the database behind the cache, while the server is busy deleting",
        fix: &["in the application: add a random part to the time to live"],
        examine: stampede,
        ..A
    },
    Rule {
        id: "A14",
        title: "key names do not follow one pattern",
        reads: "the names looked at",
        limits: &[("share", 0.02), ("keys", 10.0)],
        threshold: "two prefixes are variants of one word, {share%} of at least {keys} names use another separator, or names have empty segments, spaces or control characters; info only",
        why: "an application that looks for a key under one spelling misses the keys under the other",
        fix: &["in the application: use `type:id`"],
        source: "Redis documentation, keys: object-type:id",
        examine: naming,
        ..A
    },
    Rule {
        id: "A15",
        title: "key names were built from missing values",
        reads: "the names looked at: `undefined`, `null`, `NaN`, `{id}`, `%s` as a segment",
        threshold: "there is such a name; warning: evictions, refused writes or growing memory are seen as well",
        why: "everyone whose value is missing shares one key, and sees each other's data",
        fix: &["in the application: refuse to build a key name from a missing value", "UNLINK <key>"],
        weight: 60,
        examine: placeholders,
        ..A
    },
    Rule {
        id: "A19",
        title: "a queue grows and no worker reads it",
        reads: "LLEN of the lists looked at, blocked_clients",
        limits: &[("warning", 10_000.0)],
        threshold: "a list has at least {warning} entries, and no client waits for one",
        why: "the workers are gone or too slow",
        fix: &["start workers; CLIENT LIST shows the clients that wait"],
        weight: 65,
        examine: queue,
        ..A
    },
    Rule {
        id: "A20",
        title: "many keys share one hash tag",
        reads: "the part in braces of the names looked at",
        limits: &[("warning", 0.05), ("critical", 0.20), ("keys", 1000.0)],
        threshold: "in a cluster, at least {warning%} (critical: {critical%}) of at least {keys} keys have one hash tag; outside a cluster: info only",
        why: "all these keys are in one slot, which resharding cannot split",
        fix: &["in the application: choose a finer tag"],
        source: "redis-ops, seen in a cluster",
        examine: hot_tag,
        ..A
    },
];

fn inconsistent(case: &Case<'_>) -> Judged {
    let keyspace = case.keyspace()?;
    let mixed = keyspace.prefixes.iter().filter(|prefix| prefix.keys as f64 >= case.limit("keys")).find(|prefix| {
        let share = prefix.without_ttl as f64 / prefix.keys as f64;
        share >= case.limit("low") && share <= case.limit("high") && prefix.name != "(other)" && prefix.name != "*"
    });
    Ok(mixed.map(|prefix| {
        case.by_name()
            .evidence("prefix", prefix.name.as_str())
            .evidence("without_ttl", prefix.without_ttl)
            .evidence("of", prefix.keys)
            .evidence("example_without", prefix.example_without_ttl.clone())
            .evidence("example_with", prefix.example_with_ttl.clone())
            .fix(format!(
                "redis-ops diagnose patterns --full (then EXPIRE {} <seconds>)",
                quoted(prefix.example_without_ttl.as_deref().unwrap_or_default())
            ))
    }))
}

fn stampede(case: &Case<'_>) -> Judged {
    let keyspace = case.keyspace()?;
    let worst = keyspace.prefixes.iter().max_by_key(|prefix| prefix.same_second);
    let Some(prefix) = worst.filter(|prefix| prefix.same_second as f64 >= case.limit("keys")) else { return Ok(None) };
    let share = prefix.same_second as f64 / prefix.keys.max(1) as f64;
    let together = (share * keyspace.share(prefix.keys).0 * keyspace.total as f64).round();
    if share < case.limit("share") {
        return Ok(None);
    }
    let expired = case.delta("expired_keys").map(|delta| delta.amount).unwrap_or(0);
    let finding = if expired as f64 >= case.limit("keys") {
        case.warning().evidence("expired_meanwhile", expired)
    } else {
        case.by_name()
    };
    Ok(Some(
        finding
            .evidence("prefix", prefix.name.as_str())
            .evidence("in_one_second", together as u64)
            .evidence("share_of_prefix", percent(share))
            .evidence("looked_at", keyspace.confidence()),
    ))
}

fn naming(case: &Case<'_>) -> Judged {
    let keyspace = case.keyspace()?;
    let mut finding = case.info();
    if let Some((one, other, reason)) = keyspace.variants.first() {
        finding = finding.evidence("prefixes", format!("{one} and {other} ({reason})"));
    }
    let total = figures::sum(keyspace.separators.values().copied());
    let rare = keyspace.separators.iter().filter(|(_, count)| {
        let share = **count as f64 / total.max(1) as f64;
        share >= case.limit("share") && share < 0.5
    });
    let rare: Vec<String> = rare.map(|(separator, count)| format!("{separator} in {count}")).collect();
    if !rare.is_empty() && total as f64 >= case.limit("keys") {
        finding = finding.evidence("other_separators", rare.join(", "));
    }
    for (oddity, name) in [(Oddity::EmptySegment, "empty_segments"), (Oddity::Unprintable, "unprintable")] {
        if let Some((count, examples)) = keyspace.oddities.get(&oddity) {
            finding = finding.evidence(name, *count).evidence("example", examples.first().cloned());
        }
    }
    Ok((!finding.evidence.is_empty()).then(|| finding.evidence("looked_at", keyspace.confidence())))
}

fn placeholders(case: &Case<'_>) -> Judged {
    let keyspace = case.keyspace()?;
    let Some((count, examples)) = keyspace.oddities.get(&Oddity::Placeholder) else { return Ok(None) };
    let finding = case.by_name().evidence("keys", *count).evidence("examples", examples.clone());
    let finding = finding.fix("in the application: refuse to build a key name from a missing value");
    Ok(Some(examples.iter().fold(finding, |finding, key| finding.fix(format!("UNLINK {}", quoted(key))))))
}

fn queue(case: &Case<'_>) -> Judged {
    let keyspace = case.keyspace()?;
    if case.number_or_zero("blocked_clients") > 0 {
        return Ok(None);
    }
    let lists = keyspace.largest.iter().filter(|big| big.kind == "list");
    let Some((length, worst)) = lists.filter_map(|big| Some((big.length?, big))).max_by_key(|(length, _)| *length)
    else {
        return Ok(None);
    };
    Ok(case
        .grade(length as f64)
        .map(|finding| finding.evidence("list", worst.key.as_str()).evidence("entries", length)))
}

fn hot_tag(case: &Case<'_>) -> Judged {
    let keyspace = case.keyspace()?;
    let Some((tag, count)) = keyspace.hash_tag.as_ref().filter(|_| keyspace.seen as f64 >= case.limit("keys")) else {
        return Ok(None);
    };
    let (share, low, high) = keyspace.share(*count);
    let cluster = case.snapshot.server.mode == crate::introspection::Mode::Cluster;
    let finding = match case.grade(low) {
        Some(finding) if cluster => finding,
        Some(_) => case.info(),
        None => return Ok(None),
    };
    Ok(Some(
        finding
            .evidence("tag", format!("{{{tag}}}"))
            .evidence("share", percent(share))
            .evidence("between", format!("{} and {}", percent(low), percent(high)))
            .evidence("looked_at", keyspace.confidence()),
    ))
}
