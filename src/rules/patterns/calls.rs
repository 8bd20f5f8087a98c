//! A04 and A16–A22: what applications call, and how; no key is looked at.

use super::super::case::{Case, skip};
use super::super::judged::Judged;
use super::super::rule::Rule;
use super::A;
use crate::introspection::Question;
use crate::replies::ClientKind;

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "A04",
        title: "locks are taken with SETNX",
        reads: "INFO commandstats of SETNX and EXPIRE between two readings",
        threshold: "both commands are called",
        why: "a crash between the two leaves a lock that never expires",
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
        asks: &[Question::Config, Question::Clients],
        limits: &[("warning", 0.60), ("critical", 0.90)],
        threshold: "the subscriber's buffer reaches {warning%} of the hard limit or all of the soft limit; critical: {critical%}",
        why: "at the limit the server disconnects the subscriber, and the messages in its buffer are lost",
        fix: &["CLIENT KILL ID <id>", "read faster, or use a stream"],
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
        threshold: "there are at least {warning} (critical: {critical}) patterns",
        why: "the server compares every PUBLISH with every pattern",
        fix: &["subscribe to channels, or use SSUBSCRIBE"],
        source: "Redis documentation, PUBLISH",
        examine: subscriptions,
        ..A
    },
    Rule {
        id: "A18",
        title: "messages are published without subscribers",
        reads: "INFO commandstats of PUBLISH between two readings, pubsub_clients (7.4)",
        threshold: "PUBLISH is called and nobody subscribes; info only",
        why: "the messages are lost at once",
        fix: &["use a stream where messages must wait"],
        examine: unheard,
        ..A
    },
    Rule {
        id: "A21",
        title: "script texts differ on every call",
        reads: "INFO commandstats of EVAL and EVALSHA between two readings, number_of_cached_scripts",
        limits: &[("calls", 100.0), ("scripts", 10.0)],
        threshold: "there are {calls} EVAL calls, more than ten for each EVALSHA, and {scripts} new scripts",
        why: "the server compiles and keeps each new text",
        fix: &["in the application: pass arguments as KEYS and ARGV, and use EVALSHA or FCALL"],
        source: "object.c, MEMORY DOCTOR",
        examine: eval,
        ..A
    },
    Rule {
        id: "A22",
        title: "commands are not pipelined",
        reads: "total_commands_processed / total_reads_processed between two readings",
        limits: &[("rate", 5000.0), ("ratio", 1.05)],
        threshold: "clients send {rate} commands a second, and the server reads fewer than {ratio} commands at a time; info only",
        why: "a pipeline saves a system call and a round trip for each command",
        fix: &["in the application: use pipelines"],
        source: "Redis documentation, pipelining",
        examine: chatty,
        ..A
    },
];

fn setnx(case: &Case<'_>) -> Judged {
    let (setnx, expire) = (case.calls(&["setnx"])?.amount, case.calls(&["expire", "pexpire"])?.amount);
    Ok((setnx > 0 && expire > 0).then(|| case.warning().evidence("setnx", setnx).evidence("expire", expire)))
}

fn slow_subscriber(case: &Case<'_>) -> Judged {
    let subscribers = case.clients()?.iter().filter(|client| client.kind() == ClientKind::Pubsub);
    let Some(worst) = subscribers.max_by_key(|client| client.omem) else { return Ok(None) };
    // Without CONFIG the server's default limits are the best guess.
    let limit = case.snapshot.answers.config.got().and_then(|config| config.output_buffer_limit("pubsub"));
    let (hard, soft) = limit.map_or((32 << 20, 8 << 20), |limit| (limit.hard, limit.soft));
    if hard == 0 && soft == 0 {
        return skip("the server sets no buffer limit for subscribers");
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
