//! A01–A11: locks, rate limits, sessions, secrets and cached values, known by their names. A name may mislead: what rests on it alone is
//! information, and a warning where something is seen to come of it ([`Case::by_name`]).

use super::super::case::Case;
use super::super::judged::{Judged, Skipped};
use super::super::keyspace::quoted;
use super::super::rule::Rule;
use super::A;
use crate::finding::Finding;
use crate::introspection::keyspace::{Purpose, PurposeStats, purpose as purpose_of};

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "A01",
        title: "locks never expire",
        reads: "PTTL of keys named like locks (`lock:…`, `…:lock`, `mutex:…`)",
        threshold: "a lock has no time to live; warning: SETNX is in use, or evictions, refused writes or growing memory are seen",
        why: "if the owner crashes, the lock stays and every waiting process waits forever",
        fix: &["PEXPIRE <key> 30000 NX (Redis 7.0 or newer; on older servers without NX)"],
        source: "laravel/horizon#1738, python-redis-lock#73, ShedLock#65",
        weight: 80,
        examine: immortal_locks,
        ..A
    },
    Rule {
        id: "A02",
        title: "locks have a long time to live",
        reads: "PTTL of keys named like locks",
        threshold: "a lock lives for more than five minutes; warning: evictions, refused writes or growing memory are seen as well",
        why: "after a crash all others wait that long",
        fix: &["in the application: SET <key> <token> NX PX 30000, and renew it while the work goes on"],
        source: "practice (redis-doctor)",
        examine: long_locks,
        ..A
    },
    Rule {
        id: "A03",
        title: "locks hold no random token",
        reads: "STRLEN of keys named like locks",
        threshold: "the value is shorter than 16 bytes; warning: evictions, refused writes or growing memory are seen as well",
        why: "an owner whose lock has expired releases the next owner's lock, because the two locks look the same",
        fix: &["in the application: SET <key> <16 random bytes> NX PX 30000, released by a script that compares"],
        source: "Redis documentation, SET and distributed locks",
        examine: weak_tokens,
        ..A
    },
    Rule {
        id: "A05",
        title: "rate limits never expire",
        reads: "PTTL and OBJECT ENCODING of keys named like rate limits (`rate:…`, `ratelimit:…`, `throttle:…`)",
        threshold: "a counter has no time to live; warning: evictions, refused writes or growing memory are seen as well",
        why: "INCR and EXPIRE are two commands: if EXPIRE is lost, that user stays locked out",
        fix: &["EXPIRE <key> 60 NX (Redis 7.0 or newer; on older servers without NX)"],
        source: "redis#4548, zuul-ratelimit#162",
        weight: 78,
        examine: immortal_counters,
        ..A
    },
    Rule {
        id: "A06",
        title: "rate limits last for days",
        reads: "PTTL of keys named like rate limits",
        threshold: "the time to live is above a day; info only",
        why: "most likely seconds and milliseconds were mixed up",
        fix: &["in the application: EX takes seconds, PX milliseconds"],
        examine: long_windows,
        ..A
    },
    Rule {
        id: "A07",
        title: "sessions never expire",
        reads: "PTTL of keys named like sessions (`session:…`, `sess:…`)",
        limits: &[("share", 0.01)],
        threshold: "at least {share%} of the sessions have no time to live; warning: evictions, refused writes or growing memory are seen as well",
        why: "their memory is never freed, and a stolen session stays valid",
        fix: &["EXPIRE <key> 86400 NX (Redis 7.0 or newer; on older servers without NX)"],
        source: "redis-store#179, redis-rails#99, tomcat-redis-session-manager#105",
        weight: 76,
        examine: immortal_sessions,
        ..A
    },
    Rule {
        id: "A08",
        title: "sessions live longer than a day",
        reads: "PTTL of keys named like sessions",
        threshold: "5 % of the sessions live for more than 24 h; warning: evictions, refused writes or growing memory are seen as well",
        why: "a stolen session stays valid for that long",
        fix: &["in the application: EXPIRE <session> 86400"],
        source: "the platform's integration page",
        examine: long_sessions,
        ..A
    },
    Rule {
        id: "A09",
        title: "session indexes never expire",
        reads: "TYPE and PTTL of keys named like sessions",
        threshold: "a set, sorted set or list has no time to live, but the sessions beside it have one; warning: evictions, refused writes or growing memory are seen as well",
        why: "sessions expire, but their index entries stay",
        fix: &["in the application: EXPIRE the index whenever it is written"],
        source: "redisson#2763, spring-session#3477",
        because_of: &["A07"],
        examine: immortal_indexes,
        ..A
    },
    Rule {
        id: "A10",
        title: "one-time secrets never expire",
        reads: "PTTL of keys named like secrets (`otp:…`, `token:…`, `reset:…`, `verify:…`)",
        threshold: "a secret has no time to live; warning: evictions, refused writes or growing memory are seen as well",
        why: "a code that was sent once stays valid forever",
        fix: &["EXPIRE <key> 600 NX (Redis 7.0 or newer; on older servers without NX)"],
        source: "practice (redis-doctor)",
        weight: 79,
        examine: immortal_secrets,
        ..A
    },
    Rule {
        id: "A11",
        title: "cached values never expire",
        reads: "PTTL of keys named `cache:…`",
        limits: &[("share", 0.20)],
        threshold: "at least {share%} of the cached values have no time to live; warning: evictions, refused writes or growing memory are seen as well",
        why: "they are never refreshed, and freed only under an allkeys policy",
        fix: &["EXPIRE <key> 3600 NX (Redis 7.0 or newer; on older servers without NX)"],
        source: "practice (redis-doctor)",
        examine: immortal_cache,
        ..A
    },
];

fn purpose(case: &Case<'_>, purpose: Purpose) -> Result<PurposeStats, Skipped> {
    Ok(case.keyspace()?.purpose(purpose))
}

/// The command that gives a key of some purpose the time to live that the platform has for it.
fn ending(purpose: Purpose) -> (&'static str, &'static str) {
    match purpose {
        Purpose::Lock => ("PEXPIRE", "30000"),
        Purpose::RateLimit => ("EXPIRE", "60"),
        Purpose::Session => ("EXPIRE", "86400"),
        Purpose::Secret => ("EXPIRE", "600"),
        Purpose::Cache => ("EXPIRE", "3600"),
    }
}

fn immortal(case: &Case<'_>, finding: Finding, purpose: Purpose, stats: &PurposeStats, count: u64) -> Judged {
    let keyspace = case.keyspace()?;
    let (command, ttl) = ending(purpose);
    let finding = finding
        .evidence("without_ttl", count)
        .evidence("of", stats.keys)
        .evidence("examples", stats.examples_without_ttl.clone())
        .evidence("looked_at", keyspace.confidence());
    // Who has set one meanwhile keeps it; servers before 7.0 do not know the word.
    let major =
        case.snapshot.info.get("redis_version").and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    let knows_nx = major.is_some_and(|major| major >= 7);
    let only = if knows_nx { " NX" } else { "" };
    let examples = &stats.examples_without_ttl;
    let finding =
        examples.iter().fold(finding, |finding, key| finding.fix(format!("{command} {} {ttl}{only}", quoted(key))));
    let others = count.saturating_sub(examples.len() as u64);
    let pattern = examples.first().and_then(|example| pattern(example, purpose));
    // Without NX it would change the time to live of those that have one; and where others of the name are meant to stay for ever
    // no pattern tells them apart.
    let safe = knows_nx && others > 0 && count == stats.without_ttl;
    Ok(Some(match pattern.filter(|_| safe) {
        Some(pattern) => finding.fix(format!(
            "redis-cli --scan --pattern '{pattern}' | sed 's/.*/{command} \"&\" {ttl} NX/' | redis-cli (the other {others})"
        )),
        None => finding,
    }))
}

/// A pattern that matches the keys of a purpose and no others: where the first part of the name tells it.
fn pattern(example: &str, purpose: Purpose) -> Option<String> {
    let at = example.find([':', '.', '/', '_', '-', '|'])?;
    let first = &example[..=at];
    let plain = first[..at].bytes().all(|byte| byte.is_ascii_alphanumeric());
    (plain && purpose_of(format!("{first}x").as_bytes()) == Some(purpose)).then(|| format!("{first}*"))
}

fn immortal_locks(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::Lock)?;
    if stats.without_ttl == 0 {
        return Ok(None);
    }
    // Code that takes locks without an end is at work, and not just a name that looks like one.
    let setnx = case.snapshot.info.command_stats().get("setnx").map_or(0, |stats| stats.calls);
    let finding = if setnx > 0 { case.warning().evidence("setnx_since_start", setnx) } else { case.by_name() };
    immortal(case, finding, Purpose::Lock, &stats, stats.without_ttl)
}

fn long_locks(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::Lock)?;
    if stats.over_five_minutes == 0 && stats.over_an_hour == 0 {
        return Ok(None);
    }
    Ok(Some(longest(case.by_name().evidence("over_an_hour", stats.over_an_hour), &stats)))
}

fn longest(finding: Finding, stats: &PurposeStats) -> Finding {
    finding.evidence("longest_seconds", stats.longest_ttl_ms / 1000).evidence("example", stats.example_longest.clone())
}

fn weak_tokens(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::Lock)?;
    Ok((stats.short_values > 0)
        .then(|| case.by_name().evidence("short_tokens", stats.short_values).evidence("locks", stats.measured_values)))
}

fn immortal_counters(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::RateLimit)?;
    if stats.numbers_without_ttl == 0 {
        return Ok(None);
    }
    immortal(case, case.by_name(), Purpose::RateLimit, &stats, stats.numbers_without_ttl)
}

fn long_windows(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::RateLimit)?;
    Ok((stats.over_a_day > 0).then(|| longest(case.info(), &stats)))
}

fn immortal_sessions(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::Session)?;
    let count = stats.without_ttl - stats.indexes_without_ttl.min(stats.without_ttl);
    let share = count as f64 / stats.keys.max(1) as f64;
    if count == 0 || share < case.limit("share") {
        return Ok(None);
    }
    immortal(case, case.by_name(), Purpose::Session, &stats, count)
}

fn long_sessions(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::Session)?;
    Ok((stats.over_a_day > 0)
        .then(|| longest(case.by_name().evidence("over_a_day", stats.over_a_day).evidence("of", stats.keys), &stats)))
}

fn immortal_indexes(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::Session)?;
    let others_expire = stats.without_ttl < stats.keys;
    Ok((stats.indexes_without_ttl > 0 && others_expire).then(|| {
        case.by_name().evidence("indexes", stats.indexes_without_ttl).evidence("examples", stats.examples_without_ttl)
    }))
}

fn immortal_secrets(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::Secret)?;
    if stats.without_ttl == 0 {
        return Ok(None);
    }
    immortal(case, case.by_name(), Purpose::Secret, &stats, stats.without_ttl)
}

fn immortal_cache(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::Cache)?;
    if stats.without_ttl == 0 || (stats.without_ttl as f64 / stats.keys.max(1) as f64) < case.limit("share") {
        return Ok(None);
    }
    immortal(case, case.by_name(), Purpose::Cache, &stats, stats.without_ttl)
}
