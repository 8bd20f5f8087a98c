//! A01–A22: what applications get wrong, read from the names and times to live of their keys and from what they call.

use super::case::{Case, percent, skip};
use super::keyspace::quoted;
use super::rule::{Judged, RULE, Rule, Topic};
use crate::finding::Finding;
use crate::introspection::keyspace::{Oddity, Purpose, PurposeStats};
use crate::replies::ClientKind;

const A: Rule = Rule { topic: Topic::Patterns, ..RULE };

/// All of them.
pub(super) const RULES: &[&[Rule]] = &[PURPOSES, NAMES, CALLS];

const PURPOSES: &[Rule] = &[
    Rule {
        id: "A01",
        title: "locks live for ever",
        reads: "PTTL of keys named like locks (`lock:…`, `…:lock`, `mutex:…`)",
        threshold: "any without a time to live",
        why: "when its owner crashes the lock stays, and whoever waits for it waits for ever",
        source: "laravel/horizon#1738, python-redis-lock#73, ShedLock#65",
        weight: 80,
        examine: immortal_locks,
        ..A
    },
    Rule {
        id: "A02",
        title: "locks live long",
        reads: "PTTL of keys named like locks",
        threshold: "above five minutes; critical above an hour",
        why: "after a crash everybody waits this long",
        fix: &["in the application: SET <key> <token> NX PX 30000, and renew it while the work goes on"],
        source: "practice (redis-doctor)",
        examine: long_locks,
        ..A
    },
    Rule {
        id: "A03",
        title: "locks hold no random token",
        reads: "STRLEN of keys named like locks",
        threshold: "any shorter than 16 bytes",
        why: "an owner that was too late releases the next owner's lock, because it cannot tell them apart",
        fix: &["in the application: SET <key> <16 random bytes> NX PX 30000, released by a script that compares"],
        source: "Redis documentation, SET and distributed locks",
        examine: weak_tokens,
        ..A
    },
    Rule {
        id: "A05",
        title: "rate limits never end",
        reads: "PTTL and OBJECT ENCODING of keys named like rate limits (`rate:…`, `ratelimit:…`, `throttle:…`)",
        threshold: "any counter without a time to live",
        why: "INCR and EXPIRE are two commands: if the second is lost, that user is locked out for ever",
        source: "redis#4548, zuul-ratelimit#162",
        weight: 78,
        examine: immortal_counters,
        ..A
    },
    Rule {
        id: "A06",
        title: "rate limits last for days",
        reads: "PTTL of keys named like rate limits",
        threshold: "above a day; information only",
        why: "most likely seconds were taken for milliseconds",
        examine: long_windows,
        ..A
    },
    Rule {
        id: "A07",
        title: "sessions live for ever",
        reads: "PTTL of keys named like sessions (`session:…`, `sess:…`)",
        limits: &[("warning", 0.01), ("critical", 0.10)],
        threshold: "{warning%} and {critical%} of them",
        why: "they are never freed, and a stolen one never ends",
        source: "redis-store#179, redis-rails#99, tomcat-redis-session-manager#105",
        weight: 76,
        examine: immortal_sessions,
        ..A
    },
    Rule {
        id: "A08",
        title: "sessions live longer than a day",
        reads: "PTTL of keys named like sessions",
        threshold: "above 24 h and 5 %",
        why: "the platform's rule is 24 hours",
        fix: &["in the application: EXPIRE <session> 86400"],
        source: "the platform's integration page",
        examine: long_sessions,
        ..A
    },
    Rule {
        id: "A09",
        title: "indexes of sessions live for ever",
        reads: "TYPE and PTTL of keys named like sessions",
        threshold: "any set, sorted set or list without a time to live beside sessions that have one",
        why: "sessions expire and their entries stay",
        fix: &["in the application: EXPIRE the index whenever it is written"],
        source: "redisson#2763, spring-session#3477",
        because_of: &["A07"],
        examine: immortal_indexes,
        ..A
    },
    Rule {
        id: "A10",
        title: "one-time secrets live for ever",
        reads: "PTTL of keys named like secrets (`otp:…`, `token:…`, `reset:…`, `verify:…`)",
        threshold: "any without a time to live",
        why: "a code that was sent once opens the door for ever",
        source: "practice (redis-doctor)",
        weight: 79,
        examine: immortal_secrets,
        ..A
    },
    Rule {
        id: "A11",
        title: "cached values live for ever",
        reads: "PTTL of keys named `cache:…`",
        limits: &[("warning", 0.20), ("critical", 0.80)],
        threshold: "{warning%} and {critical%} of them",
        why: "they are never freed unless an allkeys policy evicts them, and never refreshed",
        source: "practice (redis-doctor)",
        examine: immortal_cache,
        ..A
    },
];

const NAMES: &[Rule] = &[
    Rule {
        id: "A12",
        title: "some keys of a prefix expire and some do not",
        reads: "PTTL of the keys looked at, by prefix",
        limits: &[("low", 0.05), ("high", 0.95), ("keys", 20.0)],
        threshold: "between {low%} and {high%} of at least {keys} keys have no time to live",
        why: "one way through the code forgets it",
        source: "practice (redis-doctor)",
        because_of: &["A01", "A05", "A07", "A10", "A11", "A09"],
        examine: inconsistent,
        ..A
    },
    Rule {
        id: "A13",
        title: "many keys expire in the same second",
        reads: "PTTL of the keys looked at, by prefix",
        limits: &[("warning", 0.10), ("critical", 0.50), ("keys", 100.0), ("critical_keys", 10_000.0)],
        threshold: "{warning%} of a prefix and {keys} keys; critical {critical%} and {critical_keys} keys",
        why: "everybody misses at once and asks the database behind, and the server is busy deleting",
        fix: &["in the application: add a random part to the time to live"],
        examine: stampede,
        ..A
    },
    Rule {
        id: "A14",
        title: "names do not follow one form",
        reads: "the names looked at",
        limits: &[("share", 0.02), ("keys", 10.0)],
        threshold: "two prefixes that are one word, another separator in {share%} of at least {keys} names, empty segments, spaces or control characters",
        why: "who looks for a key under one form misses those under the other",
        fix: &["in the application: use `type:id`"],
        source: "Redis documentation, keys: object-type:id",
        examine: naming,
        ..A
    },
    Rule {
        id: "A15",
        title: "names were made from absent values",
        reads: "the names looked at: `undefined`, `null`, `NaN`, `{id}`, `%s` as a segment",
        limits: &[("critical", 100.0)],
        threshold: "any; critical from {critical} keys",
        why: "all who lack the value share one key, and see each other's data",
        fix: &["in the application: refuse to make a name from an absent value"],
        weight: 60,
        examine: placeholders,
        ..A
    },
    Rule {
        id: "A19",
        title: "a queue grows and nobody takes from it",
        reads: "LLEN of the lists looked at, blocked_clients",
        limits: &[("warning", 10_000.0)],
        threshold: "{warning} entries, and no client waits for any",
        why: "the workers are gone or too slow",
        fix: &["start workers; CLIENT LIST shows who takes"],
        weight: 65,
        examine: queue,
        ..A
    },
    Rule {
        id: "A20",
        title: "many keys share one hash tag",
        reads: "the part in braces of the names looked at",
        limits: &[("warning", 0.05), ("critical", 0.20), ("keys", 1000.0)],
        threshold: "{warning%} and {critical%} of at least {keys} keys, in a cluster; elsewhere information",
        why: "they are all in one slot, which no resharding can split",
        fix: &["in the application: choose a finer tag"],
        source: "observed in a cluster",
        examine: hot_tag,
        ..A
    },
];

const CALLS: &[Rule] = &[
    Rule {
        id: "A04",
        title: "locks are taken with SETNX",
        reads: "INFO commandstats of SETNX and EXPIRE between two readings",
        threshold: "both are called",
        why: "a crash between the two leaves a lock that never ends",
        fix: &["in the application: SET <key> <token> NX PX 30000"],
        source: "laravel/horizon#1738, ShedLock#65",
        because_of: &["A01"],
        examine: setnx,
        ..A
    },
    Rule {
        id: "A16",
        title: "a subscriber is too slow",
        reads: "CLIENT LIST: omem of subscribers, client-output-buffer-limit pubsub",
        limits: &[("warning", 0.60), ("critical", 0.90)],
        threshold: "{warning%} of the hard limit or the whole soft one; critical {critical%}",
        why: "at the limit it is disconnected, and the messages in its buffer are lost",
        source: "redis.conf: pubsub 32mb 8mb 60; redis#3893, #6412",
        weight: 70,
        examine: slow_subscriber,
        ..A
    },
    Rule {
        id: "A17",
        title: "there are many pattern subscriptions",
        reads: "pubsub_patterns",
        limits: &[("warning", 1000.0), ("critical", 10_000.0)],
        threshold: "{warning} and {critical}",
        why: "every PUBLISH is compared with every pattern",
        fix: &["subscribe to channels, or use SSUBSCRIBE"],
        source: "Redis documentation, PUBLISH",
        examine: subscriptions,
        ..A
    },
    Rule {
        id: "A18",
        title: "messages are published to nobody",
        reads: "INFO commandstats of PUBLISH between two readings, pubsub_clients (7.4)",
        threshold: "any, without a subscriber; information only",
        why: "they are gone at once",
        fix: &["use a stream where messages must wait"],
        examine: unheard,
        ..A
    },
    Rule {
        id: "A21",
        title: "scripts are sent whole, each time another",
        reads: "INFO commandstats of EVAL and EVALSHA between two readings, number_of_cached_scripts",
        limits: &[("calls", 100.0), ("scripts", 10.0)],
        threshold: "{calls} EVAL and more than ten for one EVALSHA, and {scripts} new scripts",
        why: "each new text is compiled and kept",
        fix: &["in the application: pass arguments as KEYS and ARGV, and use EVALSHA or FCALL"],
        source: "object.c, MEMORY DOCTOR",
        examine: eval,
        ..A
    },
    Rule {
        id: "A22",
        title: "commands come one by one",
        reads: "total_commands_processed / total_reads_processed between two readings",
        limits: &[("rate", 5000.0), ("ratio", 1.05)],
        threshold: "{rate} commands a second, and fewer than {ratio} in one read; information only",
        why: "a pipeline saves a system call and a round trip a command",
        fix: &["in the application: use pipelines"],
        source: "Redis documentation, pipelining",
        examine: chatty,
        ..A
    },
];

fn purpose(case: &Case<'_>, purpose: Purpose) -> Result<PurposeStats, super::Skipped> {
    Ok(case.keyspace()?.purpose(purpose))
}

fn immortal(case: &Case<'_>, finding: Finding, stats: &PurposeStats, count: u64, ttl: &str) -> Judged {
    let keyspace = case.keyspace()?;
    let finding = finding
        .evidence("without_ttl", count)
        .evidence("of", stats.keys)
        .evidence("examples", stats.examples_without_ttl.clone())
        .evidence("looked_at", keyspace.confidence());
    let finding = stats
        .examples_without_ttl
        .iter()
        .fold(finding, |finding, key| finding.fix(format!("{} {} {ttl}", command(ttl), quoted(key))));
    Ok(Some(finding))
}

/// Milliseconds are long numbers: `30000` is a PEXPIRE.
fn command(ttl: &str) -> &'static str {
    if ttl == "30000" { "PEXPIRE" } else { "EXPIRE" }
}

fn immortal_locks(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::Lock)?;
    if stats.without_ttl == 0 {
        return Ok(None);
    }
    immortal(case, case.critical(), &stats, stats.without_ttl, "30000")
}

fn long_locks(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::Lock)?;
    let finding = match (stats.over_an_hour, stats.over_five_minutes) {
        (0, 0) => return Ok(None),
        (0, _) => case.warning(),
        _ => case.critical(),
    };
    Ok(Some(longest(finding, &stats)))
}

fn longest(finding: Finding, stats: &PurposeStats) -> Finding {
    finding.evidence("longest_seconds", stats.longest_ttl_ms / 1000).evidence("example", stats.example_longest.clone())
}

fn weak_tokens(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::Lock)?;
    Ok((stats.short_values > 0)
        .then(|| case.warning().evidence("short_tokens", stats.short_values).evidence("locks", stats.measured_values)))
}

fn immortal_counters(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::RateLimit)?;
    if stats.numbers_without_ttl == 0 {
        return Ok(None);
    }
    immortal(case, case.critical(), &stats, stats.numbers_without_ttl, "60")
}

fn long_windows(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::RateLimit)?;
    Ok((stats.over_a_day > 0).then(|| longest(case.info(), &stats)))
}

fn immortal_sessions(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::Session)?;
    let count = stats.without_ttl - stats.indexes_without_ttl.min(stats.without_ttl);
    let share = count as f64 / stats.keys.max(1) as f64;
    match case.grade(share) {
        Some(finding) if count > 0 => immortal(case, finding, &stats, count, "86400"),
        _ => Ok(None),
    }
}

fn long_sessions(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::Session)?;
    Ok((stats.over_a_day > 0)
        .then(|| longest(case.warning().evidence("over_a_day", stats.over_a_day).evidence("of", stats.keys), &stats)))
}

fn immortal_indexes(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::Session)?;
    let others_expire = stats.without_ttl < stats.keys;
    Ok((stats.indexes_without_ttl > 0 && others_expire).then(|| {
        case.warning().evidence("indexes", stats.indexes_without_ttl).evidence("examples", stats.examples_without_ttl)
    }))
}

fn immortal_secrets(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::Secret)?;
    if stats.without_ttl == 0 {
        return Ok(None);
    }
    immortal(case, case.critical(), &stats, stats.without_ttl, "600")
}

fn immortal_cache(case: &Case<'_>) -> Judged {
    let stats = purpose(case, Purpose::Cache)?;
    match case.grade(stats.without_ttl as f64 / stats.keys.max(1) as f64) {
        Some(finding) if stats.without_ttl > 0 => immortal(case, finding, &stats, stats.without_ttl, "3600"),
        _ => Ok(None),
    }
}

fn inconsistent(case: &Case<'_>) -> Judged {
    let keyspace = case.keyspace()?;
    let mixed = keyspace.prefixes.iter().filter(|prefix| prefix.keys as f64 >= case.limit("keys")).find(|prefix| {
        let share = prefix.without_ttl as f64 / prefix.keys as f64;
        share >= case.limit("low") && share <= case.limit("high") && prefix.name != "(other)" && prefix.name != "*"
    });
    Ok(mixed.map(|prefix| {
        case.warning()
            .evidence("prefix", prefix.name.as_str())
            .evidence("without_ttl", prefix.without_ttl)
            .evidence("of", prefix.keys)
            .evidence("example_without", prefix.example_without_ttl.clone())
            .evidence("example_with", prefix.example_with_ttl.clone())
            .fix(format!(
                "redis-ops diagnose patterns --full, then EXPIRE {} <seconds>",
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
    let finding = if share >= case.limit("critical") && together >= case.limit("critical_keys") {
        case.critical()
    } else if share >= case.limit("warning") {
        case.warning()
    } else {
        return Ok(None);
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
    let mut finding = case.warning();
    if let Some((one, other, reason)) = keyspace.variants.first() {
        finding = finding.evidence("prefixes", format!("{one} and {other}: {reason}"));
    }
    let total: u64 = keyspace.separators.values().sum();
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
    let finding = if *count as f64 >= case.limit("critical") { case.critical() } else { case.warning() };
    Ok(Some(finding.evidence("keys", *count).evidence("examples", examples.clone())))
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

fn setnx(case: &Case<'_>) -> Judged {
    let (setnx, expire) = (case.calls(&["setnx"])?.amount, case.calls(&["expire", "pexpire"])?.amount);
    Ok((setnx > 0 && expire > 0).then(|| case.warning().evidence("setnx", setnx).evidence("expire", expire)))
}

fn slow_subscriber(case: &Case<'_>) -> Judged {
    let subscribers = case.clients()?.iter().filter(|client| client.kind() == ClientKind::Pubsub);
    let Some(worst) = subscribers.max_by_key(|client| client.omem) else { return Ok(None) };
    // Without CONFIG the server's default limits are the best guess.
    let limit = case.snapshot.config.got().and_then(|config| config.output_buffer_limit("pubsub"));
    let (hard, soft) = limit.map_or((32 << 20, 8 << 20), |limit| (limit.hard, limit.soft));
    if hard == 0 && soft == 0 {
        return skip("subscribers have no limit here");
    }
    let share = if hard > 0 { worst.omem as f64 / hard as f64 } else { 0.0 };
    let finding = match case.grade(share) {
        Some(finding) => finding,
        None if soft > 0 && worst.omem >= soft => case.warning(),
        None => return Ok(None),
    };
    let name = crate::introspection::keyspace::escaped(worst.name.as_bytes());
    Ok(Some(
        finding
            .evidence("client", worst.id)
            .evidence("name", name)
            .evidence("address", worst.addr.as_str())
            .evidence("omem", worst.omem)
            .evidence("hard_limit", hard)
            .fix(format!("CLIENT KILL ID {}", worst.id))
            .fix("read faster, or use a stream"),
    ))
}

fn subscriptions(case: &Case<'_>) -> Judged {
    let patterns = case.number("pubsub_patterns")?;
    Ok(case.grade(patterns as f64).map(|finding| finding.evidence("pubsub_patterns", patterns)))
}

fn unheard(case: &Case<'_>) -> Judged {
    let (published, clients) = (case.calls(&["publish"])?.amount, case.number("pubsub_clients")?);
    Ok((published > 0 && clients == 0).then(|| case.info().evidence("published", published)))
}

fn eval(case: &Case<'_>) -> Judged {
    let (eval, by_hash) = (case.calls(&["eval"])?.amount, case.calls(&["evalsha", "fcall"])?.amount);
    let now = case.number("number_of_cached_scripts")?;
    let scripts = case.snapshot.since("number_of_cached_scripts", now, |info| info.u64("number_of_cached_scripts"));
    let gained = scripts.map(|delta| delta.amount).unwrap_or(0);
    let speaks = eval as f64 >= case.limit("calls")
        && eval > by_hash.saturating_mul(10)
        && gained as f64 >= case.limit("scripts");
    Ok(speaks
        .then(|| case.warning().evidence("eval", eval).evidence("evalsha", by_hash).evidence("new_scripts", gained)))
}

fn chatty(case: &Case<'_>) -> Judged {
    let (commands, reads) = (case.delta("total_commands_processed")?, case.delta("total_reads_processed")?);
    let ratio = commands.amount as f64 / reads.amount.max(1) as f64;
    let speaks = commands.rate() >= case.limit("rate") && ratio < case.limit("ratio");
    Ok(speaks.then(|| {
        case.info()
            .evidence("commands_per_second", commands.rate().round())
            .evidence("per_read", (ratio * 100.0).round() / 100.0)
    }))
}
