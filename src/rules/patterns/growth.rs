//! A23: prefixes that grow from run to run.

use super::super::case::{Case, percent, skip};
use super::super::judged::Judged;
use super::super::rule::Rule;
use super::A;
use crate::introspection::PrefixesBefore;
use crate::introspection::keyspace::Prefix;

pub(in super::super) const RULES: &[Rule] = &[Rule {
    id: "A23",
    title: "a prefix keeps growing",
    reads: "keys by prefix in this run and in earlier runs that looked at keys",
    limits: &[("growth", 0.10), ("keys", 1000.0), ("without_ttl", 0.95), ("minutes", 10.0), ("days", 1.0)],
    threshold: "the prefix grew with every run, by {growth%} and {keys} keys over at least {minutes} minutes, and {without_ttl%} \
                of its keys have no time to live; critical: memory is full within {days} days",
    why: "each request, user or job adds a key that nobody deletes",
    fix: &["in the application: set EX when writing the key, or DEL it after use"],
    because_of: &["A07", "A11", "A12"],
    examine: unbounded,
    ..A
}];

fn unbounded(case: &Case<'_>) -> Judged {
    let keyspace = case.keyspace()?;
    let Some(before) = case.snapshot.prefixes_before.got() else {
        return skip("no saved run has looked at keys");
    };
    let old = |run: &&PrefixesBefore| run.seconds_ago >= case.limit("minutes") * 60.0;
    let Some(oldest) = before.iter().filter(old).max_by(|a, b| a.seconds_ago.total_cmp(&b.seconds_ago)) else {
        return skip("no saved run that looked at keys is old enough");
    };
    let mut worst: Option<(f64, &Prefix, f64)> = None;
    for prefix in keyspace.prefixes.iter().filter(|prefix| prefix.name != "(other)" && prefix.name != "*") {
        let immortal = prefix.without_ttl as f64 / prefix.keys.max(1) as f64;
        if immortal < case.limit("without_ttl") {
            continue;
        }
        // As few as there may be now against as many as there may have been then: chance is no growth.
        let (_, low, _) = keyspace.share(prefix.keys);
        let now = low * keyspace.total as f64;
        let Some(then) = oldest.keys.get(&prefix.name).map(|estimate| estimate.most) else { continue };
        let grew = now - then;
        if grew >= case.limit("keys")
            && grew >= then * case.limit("growth")
            && rises(&prefix.name, before)
            && worst.as_ref().is_none_or(|(other, ..)| grew > *other)
        {
            worst = Some((grew, prefix, then));
        }
    }
    let Some((grew, prefix, then)) = worst else { return Ok(None) };
    let days = super::super::memory::days_to_full(case);
    let finding = if days.is_some_and(|days| days < case.limit("days")) { case.critical() } else { case.warning() };
    let finding = finding
        .evidence("prefix", prefix.name.as_str())
        .evidence("grew_by_keys", grew.round())
        .evidence("from_keys", then.round())
        .evidence("hours", (oldest.seconds_ago / 360.0).round() / 10.0)
        .evidence("without_ttl", percent(prefix.without_ttl as f64 / prefix.keys.max(1) as f64))
        .evidence("example", prefix.example_without_ttl.clone())
        .evidence("looked_at", keyspace.confidence());
    Ok(Some(finding))
}

/// Whether a prefix never became smaller in the runs before.
fn rises(name: &str, before: &[PrefixesBefore]) -> bool {
    let mut runs: Vec<&PrefixesBefore> = before.iter().collect();
    runs.sort_by(|a, b| b.seconds_ago.total_cmp(&a.seconds_ago));
    let seen: Vec<_> = runs.iter().filter_map(|run| run.keys.get(name)).collect();
    // The later one at its most against the earlier one at its least: only a sure fall is one.
    seen.windows(2).all(|pair| pair[1].most >= pair[0].least)
}
