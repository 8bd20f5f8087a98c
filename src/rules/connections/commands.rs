//! Slow and dangerous commands, errors, refused logins.

use super::super::case::{Case, skip};
use super::super::judged::{Judged, Skipped};
use super::super::rule::{RULE, Rule, Topic};
use crate::finding::Finding;
use crate::introspection::Question;
use crate::replies::{DeniedAccess, SlowEntry};

const C: Rule = Rule { topic: Topic::Connections, ..RULE };

/// Commands whose time grows with all keys. What deletes all keys is K18's.
const ALL_KEYS: &[&str] = &["keys"];
/// Commands whose time grows with one value, that are often called on a value that has grown.
const WHOLE_VALUE: &[&str] = &[
    "SMEMBERS",
    "HGETALL",
    "SORT",
    "SORT_RO",
    "LRANGE",
    "ZRANGE",
    "SINTER",
    "SUNION",
    "SDIFF",
    "HKEYS",
    "HVALS",
    "ZUNIONSTORE",
    "ZINTERSTORE",
    "DEL",
];

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "C20",
        title: "commands are slow",
        reads: "entries that the slow log gained between two readings; in a text, their times",
        asks: &[Question::Slowlog],
        limits: &[("warning", 1.0), ("critical", 10.0), ("least", 3.0), ("recent", 60.0)],
        threshold: "{warning} (critical: {critical}) commands a second are slower than slowlog-log-slower-than; in a text, at least {least} of the last {recent} s",
        why: "a slow command delays all others",
        fix: &["SLOWLOG GET 10"],
        source: "Zabbix template: 1 a second",
        because_of: &["C21"],
        weight: 60,
        examine: slow_rate,
        ..C
    },
    Rule {
        id: "C21",
        title: "commands that read everything are in use",
        reads: "INFO commandstats of KEYS between two readings, SLOWLOG",
        asks: &[Question::Clients, Question::Slowlog],
        limits: &[("per_minute", 1.0), ("usec", 100_000.0), ("minutes", 60.0), ("harmless", 10_000.0)],
        threshold: "KEYS was called, or the slow log of the last {minutes} minutes has a command that reads a whole value; info: none of those in the slow log took {harmless} µs, and KEYS was not called meanwhile; critical: one took {usec} µs, or KEYS was called more than {per_minute} times a minute for at least a minute",
        why: "KEYS reads every key name, and the server serves nobody else meanwhile",
        fix: &[
            "in the application: SCAN instead of KEYS, and HSCAN, SSCAN or ZSCAN instead of whole values",
            "ACL SETUSER <user> -keys (6.0; once nobody needs it; the user then gets NOPERM; undo: +keys)",
            "SLOWLOG RESET (once that is done)",
        ],
        source: "Redis documentation, KEYS; ray#32537",
        weight: 70,
        examine: dangerous,
        ..C
    },
    Rule {
        id: "C22",
        title: "the slow log records too little",
        reads: "slowlog-log-slower-than, slowlog-max-len, SLOWLOG",
        asks: &[Question::Config, Question::Slowlog],
        limits: &[("slower", 1_000_000.0), ("seconds", 60.0)],
        threshold: "the slow log is off, starts above {slower} µs or keeps no entries; info: all its entries are younger than {seconds} s",
        why: "when an incident is examined, the evidence is missing",
        fix: &["CONFIG SET slowlog-log-slower-than 10000", "CONFIG SET slowlog-max-len 1024"],
        source: "latency.c, LATENCY DOCTOR",
        examine: blind,
        ..C
    },
    Rule {
        id: "C23",
        title: "the server does not monitor its own latency",
        reads: "latency-monitor-threshold",
        asks: &[Question::Config],
        threshold: "the threshold is 0, the default",
        why: "LATENCY DOCTOR and LATENCY HISTORY have no data",
        fix: &["CONFIG SET latency-monitor-threshold 100"],
        source: "observed: LATENCY DOCTOR refuses with the default",
        examine: unwatched,
        ..C
    },
    Rule {
        id: "C25",
        title: "many commands fail",
        reads: "total_error_replies, errorstats and the failed and rejected calls of commandstats between two readings, ACL LOG, CLIENT LIST",
        asks: &[Question::Clients, Question::Denied],
        limits: &[("warning", 0.01), ("critical", 0.05), ("floor", 10.0)],
        threshold: "at least {warning%} (critical: {critical%}) of the commands fail, and at least {floor}; critical: any LOADING, MISCONF, CLUSTERDOWN, MASTERDOWN or READONLY error",
        why: "clients see these errors",
        fix: &[
            "INFO errorstats",
            "ACL LOG 10",
            "ACL SETUSER <user> +<command> (6.0; if that is meant to be allowed)",
            "redis-ops diagnose memory",
            "redis-ops diagnose persistence",
            "redis-ops diagnose replication",
            "redis-ops diagnose keyspace",
            "redis-ops health",
            "CLUSTER INFO",
            "SCRIPT KILL",
        ],
        source: "Azure: errors > 0",
        because_of: &["M18", "P01", "C26", "R01", "R09", "P09"],
        weight: 55,
        examine: errors,
        ..C
    },
    Rule {
        id: "C26",
        title: "logins are refused",
        reads: "ACL LOG of the last five minutes, acl_access_denied_auth (7.2), errorstat_WRONGPASS",
        asks: &[Question::Denied],
        limits: &[("warning", 10.0), ("critical", 50.0), ("seconds", 300.0)],
        threshold: "{warning} (critical: {critical}) logins fail within {seconds} s",
        why: "someone guesses passwords, or an application has an old password",
        fix: &[
            "ACL LOG 10 (who it was)",
            "give the application the current password, or block the attacker",
            "ACL LOG RESET (once that is done)",
        ],
        source: "BetterDB's recommendations",
        weight: 60,
        examine: refused_logins,
        ..C
    },
    Rule {
        id: "C30",
        title: "large replies are frequent",
        reads: "COMMANDLOG GET large-reply (Valkey 8.1)",
        asks: &[Question::LargeReplies],
        limits: &[("count", 5.0), ("seconds", 300.0)],
        threshold: "one pattern had {count} large replies within {seconds} s",
        why: "a reply of more than 1 MiB blocks the thread and fills the network",
        fix: &["read parts: HSCAN, LRANGE with a range, GETRANGE"],
        source: "BetterDB's recommendations; valkey#2926",
        examine: large_replies,
        ..C
    },
];

/// Entries that the slow log gained, and in how many seconds: between two readings, or, of a text, by the times of the newest.
fn slow_lately(case: &Case<'_>, entries: &[SlowEntry]) -> Result<(u64, f64), Skipped> {
    // A live server is read twice, and its log may hold what we have asked.
    if case.snapshot.receipt.commands > 0 || case.snapshot.slowlog_gained.got().is_some() {
        let gained = *case.snapshot.slowlog_gained.need("the slow log")?;
        return Ok((gained, case.snapshot.comparable()?.seconds));
    }
    let now = case.snapshot.server_seconds();
    let recent = entries.iter().filter(|entry| now.saturating_sub(entry.at) as f64 <= case.limit("recent"));
    let (mut count, mut oldest) = (0, 0);
    for entry in recent {
        count += 1;
        oldest = oldest.max(now.saturating_sub(entry.at));
    }
    // One slow command in a second is no rate.
    if (count as f64) < case.limit("least") {
        return Ok((0, 1.0));
    }
    Ok((count, (oldest as f64).max(1.0)))
}

fn slow_rate(case: &Case<'_>) -> Judged {
    let entries = case.snapshot.answers.slowlog.need("SLOWLOG")?;
    let (gained, seconds) = slow_lately(case, entries)?;
    let rate = gained as f64 / seconds;
    Ok(case.grade(rate).map(|finding| {
        let finding = finding.evidence("per_second", (rate * 10.0).round() / 10.0);
        match worst_pattern(entries.iter().take(usize::try_from(gained).unwrap_or(usize::MAX))) {
            Some((pattern, count, usec)) => {
                finding.evidence("pattern", pattern).evidence("entries", count).evidence("longest_us", usec)
            }
            None => finding,
        }
        .fix("SLOWLOG GET 10")
    }))
}

/// The pattern that took the most time together: its entries and the longest.
fn worst_pattern<'a>(entries: impl Iterator<Item = &'a SlowEntry>) -> Option<(String, u64, u64)> {
    let mut patterns: std::collections::BTreeMap<String, (u64, u64, u64)> = std::collections::BTreeMap::new();
    for entry in entries {
        let pattern = crate::introspection::keyspace::escaped(entry.pattern().as_bytes());
        let (count, sum, longest) = patterns.entry(pattern).or_default();
        *count += 1;
        *sum = sum.saturating_add(entry.usec);
        *longest = (*longest).max(entry.usec);
    }
    let (pattern, (count, _, longest)) = patterns.into_iter().max_by_key(|(_, (_, sum, _))| *sum)?;
    Some((pattern, count, longest))
}

fn dangerous(case: &Case<'_>) -> Judged {
    let calls = case.calls(ALL_KEYS);
    let now = case.snapshot.server_seconds();
    let horizon = now.saturating_sub((case.limit("minutes") * 60.0) as u64);
    let slow = case.snapshot.answers.slowlog.got().map_or(&[] as &[SlowEntry], Vec::as_slice);
    let walks = |entry: &&SlowEntry| {
        let lower = entry.command.to_ascii_lowercase();
        ALL_KEYS.contains(&lower.as_str()) || WHOLE_VALUE.contains(&entry.command.as_str())
    };
    let recent: Vec<&SlowEntry> = slow.iter().filter(|entry| entry.at >= horizon).filter(walks).collect();
    let called = calls.as_ref().map(|delta| delta.amount).unwrap_or(0);
    if called == 0 && recent.is_empty() {
        return match (calls, case.snapshot.answers.slowlog.need("SLOWLOG")) {
            (Err(reason), Err(_)) => Err(reason),
            _ => Ok(None),
        };
    }
    let longest = recent.iter().map(|entry| entry.usec).max().unwrap_or(0);
    let often = calls.is_ok_and(|delta| delta.seconds >= 60.0 && delta.rate() * 60.0 > case.limit("per_minute"));
    let finding = match longest as f64 {
        _ if often => case.critical(),
        longest if longest >= case.limit("usec") => case.critical(),
        // The log of somebody who looks at everything.
        longest if called == 0 && longest < case.limit("harmless") => case.info(),
        _ => case.warning(),
    };
    let finding = if called > 0 { finding.evidence("calls_between_readings", called) } else { finding };
    let in_log = !recent.is_empty();
    let finding = match worst_pattern(recent.into_iter()) {
        Some((pattern, count, usec)) => {
            finding.evidence("pattern", pattern).evidence("entries", count).evidence("longest_us", usec)
        }
        None => finding,
    };
    // Whose connection it was, if it is still there.
    let clients = case.snapshot.answers.clients.got().map_or(&[][..], Vec::as_slice);
    let caller = clients.iter().find(|client| client.cmd == "keys" && !client.user.is_empty());
    let finding =
        finding.fix("in the application: SCAN instead of KEYS, and HSCAN, SSCAN or ZSCAN instead of whole values");
    let finding = match caller {
        Some(client) => finding.evidence("keys_by", super::owner(client)),
        None => finding,
    };
    // `default` is everybody: nobody is locked out of a command for what one application does.
    let user = caller.map(|client| client.user.as_str()).filter(|user| *user != "default");
    let finding = match (user, case.knows(6, 0)) {
        (_, false) => finding,
        (Some(user), true) => finding.fix(format!(
            "ACL SETUSER {0} -keys (once it has changed: it then gets NOPERM; undo: ACL SETUSER {0} +keys)",
            crate::introspection::keyspace::escaped(user.as_bytes())
        )),
        (None, true) => {
            finding.fix("ACL SETUSER <user> -keys (once nobody needs it: the user then gets NOPERM; undo: +keys)")
        }
    };
    Ok(Some(if in_log { finding.fix("SLOWLOG RESET (once that is done)") } else { finding }))
}

fn blind(case: &Case<'_>) -> Judged {
    let config = case.config()?;
    let slower = config.i64("slowlog-log-slower-than").or(config.i64("commandlog-execution-slower-than"));
    let kept = config.u64("slowlog-max-len").or(config.u64("commandlog-slow-execution-max-len"));
    let (Some(slower), Some(kept)) = (slower, kept) else {
        return skip("the server does not report its slow log settings");
    };
    let told = |finding: Finding| finding.evidence("slowlog-log-slower-than", slower).evidence("slowlog-max-len", kept);
    if slower < 0 || slower as f64 >= case.limit("slower") || kept == 0 {
        return Ok(Some(told(case.warning())));
    }
    let entries = case.snapshot.answers.slowlog.need("SLOWLOG")?;
    let now = case.snapshot.server_seconds();
    let oldest = entries.iter().map(|entry| entry.at).min().unwrap_or(0);
    let full = entries.len() as u64 >= kept.min(128);
    let young = (now.saturating_sub(oldest) as f64) < case.limit("seconds");
    // It sees much and keeps little of it: C20 says whether that is too much.
    Ok((full && young && slower > 0).then(|| {
        told(case.info())
            .evidence("entries", entries.len())
            .evidence("oldest_seconds", now.saturating_sub(oldest))
            .fix(format!("CONFIG SET slowlog-max-len {}", kept.saturating_mul(8).clamp(1024, 16_384)))
    }))
}

fn unwatched(case: &Case<'_>) -> Judged {
    match case.config()?.u64("latency-monitor-threshold") {
        Some(0) => Ok(Some(case.info().evidence("latency-monitor-threshold", 0))),
        Some(_) => Ok(None),
        None => skip("the server does not report latency-monitor-threshold"),
    }
}

/// Errors that mean: the server cannot serve, whatever is asked.
const OUTAGES: &[&str] = &["LOADING", "MISCONF", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "NOREPLICAS", "BUSY"];

fn errors(case: &Case<'_>) -> Judged {
    let errors = case.delta("total_error_replies")?;
    let commands = case.delta("total_commands_processed")?;
    let share = errors.amount as f64 / (commands.amount + errors.amount).max(1) as f64;
    let names: Vec<String> = case.snapshot.info.error_stats().keys().map(|name| (*name).to_owned()).collect();
    let mut gained: Vec<(u64, String)> = names
        .into_iter()
        .filter_map(|name| Some((case.errors(&name).ok()?.amount, name)))
        .filter(|(count, _)| *count > 0)
        .collect();
    gained.sort_by(|a, b| b.cmp(a));
    let outage = gained.iter().find(|(_, name)| OUTAGES.contains(&name.as_str()));
    let finding = match outage {
        Some(_) => Some(case.critical()),
        None if errors.amount as f64 >= case.limit("floor") => case.grade(share),
        None => None,
    };
    Ok(finding.map(|finding| {
        let finding = finding.evidence("errors", errors.amount).evidence("share", super::super::case::percent(share));
        let finding = gained.iter().take(3).fold(finding, |finding, (count, name)| finding.evidence(name, *count));
        let name = outage.or(gained.first()).map_or("", |(_, name)| name.as_str());
        let denied = denied(case);
        let finding = match failing_command(case) {
            // The access list says who was refused what; the counters of commands mix that with others.
            Some((command, count)) if name != "NOPERM" || denied.is_empty() => {
                let sender = last_sender(case, &command);
                let finding = finding.evidence("command", command).evidence("its_errors", count);
                sender.into_iter().fold(finding, |finding, sender| finding.evidence("last_sent_by", sender))
            }
            _ => finding,
        };
        if name == "NOPERM" { refused_access(&denied, finding) } else { finding.fix(meaning(name)) }
    }))
}

/// The command that failed or was refused most often between the two readings.
fn failing_command(case: &Case<'_>) -> Option<(String, u64)> {
    let earlier = case.snapshot.comparable().ok()?;
    let before = earlier.info.command_stats();
    let gained = case.snapshot.info.command_stats().into_iter().map(|(name, now)| {
        let (failed, rejected) = before.get(name).map_or((0, 0), |then| (then.failed_calls, then.rejected_calls));
        let (failed, rejected) = (now.failed_calls.saturating_sub(failed), now.rejected_calls.saturating_sub(rejected));
        (failed.saturating_add(rejected), name.to_owned())
    });
    gained.max().filter(|(count, _)| *count > 0).map(|(count, name)| (name, count))
}

/// The owner of most connections whose last command was this one. Which keys it named no server tells.
fn last_sender(case: &Case<'_>, command: &str) -> Option<String> {
    let clients = case.snapshot.answers.clients.got()?;
    let mut owners: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    for client in clients.iter().filter(|client| client.cmd.eq_ignore_ascii_case(command)) {
        *owners.entry(super::owner(client)).or_default() += 1;
    }
    owners.into_iter().max_by_key(|(_, count)| *count).map(|(owner, _)| owner)
}

/// What the access list has refused, but for logins: the last ones first.
fn denied<'a>(case: &Case<'a>) -> Vec<&'a DeniedAccess> {
    let all = case.snapshot.answers.denied.got().map_or(&[][..], Vec::as_slice);
    all.iter().filter(|entry| entry.reason != "auth").collect()
}

/// Who was refused what by the access list, and what would allow it: a fix for each, since one does not mend the other.
fn refused_access(denied: &[&DeniedAccess], finding: Finding) -> Finding {
    let shown = |text: &str| crate::introspection::keyspace::escaped(text.as_bytes());
    let Some((last, others)) = denied.split_first() else { return finding.fix("ACL LOG 10") };
    let object = match last.reason.as_str() {
        what @ ("command" | "channel") => what,
        _ => "key",
    };
    let mut finding = finding
        .evidence("user", shown(&last.username))
        .evidence("refused", last.reason.as_str())
        .evidence(object, shown(&last.object))
        .evidence("times", last.count)
        .evidence("last_address", last.addr.as_str())
        .fix("ACL LOG 10");
    if let Some(other) = others.first() {
        let DeniedAccess { username, reason, object, count, .. } = other;
        finding = finding
            .evidence("also_refused", format!("{reason} {} of {}, {count} times", shown(object), shown(username)));
    }
    let mut fixes: Vec<String> = denied.iter().take(SHOWN).filter_map(|entry| allowing(entry, &shown)).collect();
    fixes.dedup();
    fixes.into_iter().fold(finding, Finding::fix)
}

/// So many refusals get a fix.
const SHOWN: usize = 3;

fn allowing(entry: &DeniedAccess, shown: &impl Fn(&str) -> String) -> Option<String> {
    let (user, object) = (shown(&entry.username), shown(&entry.object));
    let rule = match entry.reason.as_str() {
        "command" => format!("+{object}"),
        // The beginning of the name stands for all that are named so.
        "key" => object.split_once(':').map_or(format!("~{object}"), |(prefix, _)| format!("~{prefix}:*")),
        "channel" => format!("&{object}"),
        _ => return None,
    };
    let typed = !rule.contains(' ') && !user.is_empty();
    typed.then(|| format!("ACL SETUSER {user} {rule} (if that is meant to be allowed)"))
}

/// What to do about an error.
fn meaning(error: &str) -> &'static str {
    match error {
        "OOM" => "redis-ops diagnose memory",
        "MISCONF" => "redis-ops diagnose persistence",
        "LOADING" => "redis-ops health (the server is loading: wait)",
        "MASTERDOWN" | "READONLY" | "NOREPLICAS" => "redis-ops diagnose replication",
        "CLUSTERDOWN" => "CLUSTER INFO",
        "WRONGPASS" | "NOAUTH" | "NOPERM" => "ACL LOG 10",
        "BUSY" => "SCRIPT KILL",
        "WRONGTYPE" => "redis-ops diagnose keyspace",
        _ => "INFO errorstats",
    }
}

fn refused_logins(case: &Case<'_>) -> Judged {
    let recent = case.snapshot.answers.denied.got().map(|denied| {
        let logins = denied.iter().filter(|entry| entry.reason == "auth" && entry.age_seconds <= case.limit("seconds"));
        logins.fold((0_u64, None), |(sum, last), entry| (sum.saturating_add(entry.count), last.or(Some(entry))))
    });
    let counter = case.delta("acl_access_denied_auth").or_else(|_| case.errors("WRONGPASS"));
    let counted =
        counter.as_ref().ok().filter(|delta| delta.seconds <= case.limit("seconds") * 2.0).map(|delta| delta.amount);
    let count = match (&recent, counted) {
        (Some((sum, _)), counted) => (*sum).max(counted.unwrap_or(0)),
        (None, Some(counted)) => counted,
        (None, None) => return skip("neither ACL LOG nor two readings of the counter are available"),
    };
    Ok(case.grade(count as f64).map(|finding| {
        let finding = finding.evidence("refused", count);
        match recent.and_then(|(_, last)| last) {
            Some(entry) => finding
                .evidence("user", crate::introspection::keyspace::escaped(entry.username.as_bytes()))
                .evidence("last_address", entry.addr.as_str()),
            None => finding,
        }
    }))
}

fn large_replies(case: &Case<'_>) -> Judged {
    let entries = case.snapshot.answers.large_replies.need("COMMANDLOG")?;
    let now = case.snapshot.server_seconds();
    let recent = entries.iter().filter(|entry| (now.saturating_sub(entry.at) as f64) <= case.limit("seconds"));
    let Some((pattern, count, bytes)) = worst_pattern(recent) else { return Ok(None) };
    Ok((count as f64 >= case.limit("count")).then(|| {
        case.warning().evidence("pattern", pattern).evidence("entries", count).evidence("largest_bytes", bytes)
    }))
}
