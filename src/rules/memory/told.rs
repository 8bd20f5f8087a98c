//! What the numbers themselves give away: an account that is wrong, a limit that was crossed, a setting that is hidden.

use super::super::case::{Case, percent, skip};
use super::super::judged::Judged;
use super::super::rule::{RULE, Rule};
use super::MIB;

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "M32",
        title: "this version reports a wrong used_memory",
        reads: "redis_version, used_memory, used_memory_rss",
        limits: &[("ratio", 2.0), ("floor", 100.0 * MIB)],
        threshold: "the version is Redis 7.2.0, and used_memory is {ratio} times used_memory_rss and {floorB} more",
        why: "used_memory grows although the data does not: eviction, OOM errors and shares of maxmemory depend on it and are wrong; nothing is swapped out",
        fix: &["run the newest 7.2 release (restart or fail over; until then trust used_memory_rss)"],
        source: "redis#12526",
        weight: 95,
        examine: counts_wrong,
        ..RULE
    },
    Rule {
        id: "M33",
        title: "the service does not report its eviction policy",
        reads: "maxmemory_policy of a managed service (Redis Enterprise)",
        threshold: "INFO has used_memory and no maxmemory_policy",
        why: "limit and policy are settings of the service: CONFIG is refused, and libraries that check the policy warn needlessly",
        fix: &["look for eviction policy and memory limit in the service's console"],
        source: "sidekiq#5086",
        examine: hidden_policy,
        ..RULE
    },
    Rule {
        id: "M34",
        title: "memory briefly exceeded the limit",
        reads: "used_memory_peak, maxmemory",
        limits: &[("ratio", 1.25), ("floor", 10.0 * MIB)],
        threshold: "the peak was {ratio} times maxmemory and {floorB} above it",
        why: "the server checks the limit before a command, not during it: a large command, or the buffers of clients or replicas, can exceed it; or the limit was lowered since",
        fix: &["leave room above maxmemory on the machine", "redis-ops diagnose connections --sort memory"],
        source: "redis#2746",
        examine: crossed,
        ..RULE
    },
];

fn counts_wrong(case: &Case<'_>) -> Judged {
    let (used, rss) = (case.number("used_memory")?, case.number("used_memory_rss")?);
    let server = &case.snapshot.server;
    if server.name != "redis" || server.version_numbers() != (7, 2, 0) {
        return Ok(None);
    }
    let more = used.saturating_sub(rss) as f64;
    let wrong = used as f64 >= rss as f64 * case.limit("ratio") && more >= case.limit("floor");
    Ok(wrong.then(|| {
        let finding = case.warning().evidence("redis_version", server.version.as_str());
        finding.evidence("used_memory", used).evidence("used_memory_rss", rss)
    }))
}

fn hidden_policy(case: &Case<'_>) -> Judged {
    if case.snapshot.server.name != "redis-enterprise" {
        return skip("the server is not a managed service that is known to hide the policy");
    }
    let hidden = case.number("used_memory").is_ok() && case.snapshot.info.get("maxmemory_policy").is_none();
    Ok(hidden.then(|| case.info().evidence("server", case.snapshot.server.name.as_str())))
}

fn crossed(case: &Case<'_>) -> Judged {
    let (limit, peak) = (case.maxmemory()?, case.number("used_memory_peak")?);
    let above = peak.saturating_sub(limit) as f64;
    let crossed = peak as f64 >= limit as f64 * case.limit("ratio") && above >= case.limit("floor");
    Ok(crossed.then(|| {
        let share = percent(peak as f64 / limit as f64);
        case.info().evidence("used_memory_peak", peak).evidence("maxmemory", limit).evidence("peak_share", share)
    }))
}
