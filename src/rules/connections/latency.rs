//! Where the time goes: on the way, or in the server.

use super::super::case::{Case, percent, skip};
use super::super::judged::{Judged, Skipped};
use super::super::rule::{RULE, Rule, Topic};

const C: Rule = Rule { topic: Topic::Connections, ..RULE };

/// Commands that take constant time: what is slow about them is not the command.
const CONSTANT: &[&str] = &["get", "set", "hget", "hset", "incr", "exists", "expire", "ping", "sadd", "lpush", "rpush"];

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "C15",
        title: "replies take long to arrive",
        reads: "the PINGs of redis-ops: 50th and 99th percentile",
        limits: &[("warning", 5000.0), ("critical", 25_000.0), ("median_share", 0.5)],
        threshold: "the 99th percentile reaches {warning} (critical: {critical}) µs, and the median at least {median_share} of \
                    that, because a single late reply is chance; what this machine adds is subtracted: how late \
                    redis-ops is woken, and how long redis-ops, and a server on the same machine, wait for a processor (if that is all, \
                    the finding is a note)",
        why: "every command of every client waits this long",
        fix: &["redis-ops diagnose connections --window 10s"],
        because_of: &["C28", "C49", "C21", "C20", "C13", "C18", "C19", "P09", "M08", "P06", "P07"],
        source: "Redis documentation, latency: 200 µs are usual on a 1 Gbit/s network",
        weight: 65,
        examine: round_trip,
        ..C
    },
    Rule {
        id: "C16",
        title: "the network is slow, not the server",
        reads: "the PINGs of redis-ops and the TCP handshake against INFO latencystats and the event loop (7.2)",
        limits: &[("floor", 2000.0), ("share", 0.10), ("busy", 0.50)],
        threshold: "over a network the median PING takes {floor} µs, the server spends less than {share%} of it, and its event loop is busy less than {busy%} of the time",
        why: "no change to the server will help",
        fix: &["ping and traceroute between the two machines; put them closer together"],
        because_of: &["C15"],
        weight: 66,
        examine: blame,
        ..C
    },
    Rule {
        id: "C17",
        title: "the machine itself stalls now and then",
        reads: "a busy loop beside the server, with `--full`",
        limits: &[("warning", 1000.0), ("critical", 10_000.0)],
        threshold: "the loop stalled for {warning} (critical: {critical}) µs at a time",
        why: "another virtual machine or the hypervisor uses the processor: every command of the server waits that long",
        fix: &[
            "redis-cli --intrinsic-latency 10 (on the server's machine)",
            "move the server to a machine with processors of its own",
        ],
        source: "Redis documentation, latency: 0.1 ms against 9.7 ms on a noisy machine",
        because_of: &["C19"],
        examine: jitter,
        ..C
    },
    Rule {
        id: "C18",
        title: "the event loop is busy",
        reads: "eventloop_duration_sum between two readings (7.2), else used_cpu_*_main_thread",
        limits: &[("warning", 0.80), ("critical", 0.95), ("seconds", 0.5)],
        threshold: "the loop is busy {warning%} (critical: {critical%}) of the time between two readings at least {seconds} s apart",
        why: "one thread serves all clients: when it is always busy, commands queue up",
        fix: &["redis-ops diagnose connections --sort time"],
        source: "BetterDB's recommendations",
        because_of: &["C21", "C20"],
        examine: event_loop,
        ..C
    },
    Rule {
        id: "C19",
        title: "the main thread uses a whole processor",
        reads: "used_cpu_user_main_thread + used_cpu_sys_main_thread between two readings",
        limits: &[("warning", 0.80), ("critical", 0.90)],
        threshold: "the thread uses {warning%} (critical: {critical%}) of one processor between two readings",
        why: "one thread executes all commands: a second processor does not help",
        fix: &["read from replicas", "spread the keys over a cluster"],
        source: "ElastiCache 90 %, Azure 80 %",
        because_of: &["C18", "C21"],
        examine: main_thread,
        ..C
    },
    Rule {
        id: "C24",
        title: "commands of constant time are slow",
        reads: "INFO latencystats: 99th percentile of GET, SET and the like, since the start",
        limits: &[("warning", 1000.0), ("critical", 10_000.0), ("calls", 1000.0)],
        threshold: "the 99th percentile is {warning} (critical: {critical}) µs over at least {calls} calls",
        why: "these commands never wait inside the server: the scheduler, a fork or huge pages delayed them",
        fix: &["redis-ops diagnose persistence"],
        source: "latency.c: the event fast-command",
        because_of: &["P06"],
        examine: constant_commands,
        ..C
    },
];

fn round_trip(case: &Case<'_>) -> Judged {
    let wire = case.snapshot.wire.need("the PINGs of redis-ops")?;
    let (Some(median), Some(p99)) = (wire.percentile(50.0), wire.percentile(99.0)) else {
        return skip("no PING was answered");
    };
    // A machine that wakes us late makes every answer late, whatever the server does.
    let rest = |percentile| wire.percentile_of_the_rest(percentile).unwrap_or(0) as f64;
    let grade = |p99: f64, median: f64| case.grade(p99.min(median / case.limit("median_share")));
    let waited = median.saturating_sub(rest(50.0) as u64 + wire.late());
    let finding = match grade(rest(99.0), rest(50.0)) {
        _ if wire.lost > 0 => Some(case.critical()),
        Some(finding) => Some(finding),
        // The answers are late, and the processors are why: clients on other machines wait for the server alone.
        None if waited > 0 => {
            grade(p99 as f64, median as f64).map(|_| case.info().evidence("waited_for_a_processor_us", waited))
        }
        None => None,
    };
    Ok(finding.map(|finding| {
        finding
            .evidence("ping_p50_us", median)
            .evidence("ping_p99_us", p99)
            .evidence("pings", wire.pings_us.len())
            .evidence("lost", wire.lost)
            .fix("redis-ops diagnose connections --window 10s")
    }))
}

/// What the server itself spends on a PING at most, in microseconds: its own latency, and the loop's mean turn. Without a measure of the
/// loop nobody can tell how long a PING has waited in the server.
fn server_time(case: &Case<'_>) -> Result<f64, Skipped> {
    let info = &case.snapshot.info;
    let own = info.latency_stats().get("ping").and_then(|stats| stats.at(99.0)).unwrap_or(0.0);
    let turn = info.f64("instantaneous_eventloop_duration_usec");
    turn.map(|turn| own + turn).ok_or(Skipped("the server does not measure its event loop (7.2 and later)".to_owned()))
}

fn blame(case: &Case<'_>) -> Judged {
    let wire = case.snapshot.wire.need("the PINGs of redis-ops")?;
    let Some(median) = wire.percentile_of_the_rest(50.0) else { return skip("no PING was answered") };
    if case.snapshot.path.local {
        return skip("there is no network between redis-ops and the server");
    }
    if case.snapshot.server.loading {
        return skip("the server is loading: it replies only between two pieces of data");
    }
    let server = server_time(case)?;
    let busy = busy_share(case).unwrap_or(0.0);
    let is_the_server = server > median as f64 * case.limit("share") || busy >= case.limit("busy");
    if (median as f64) < case.limit("floor") || is_the_server {
        return Ok(None);
    }
    let finding = case.warning().evidence("ping_p50_us", median).evidence("server_us", server.round());
    Ok(Some(match wire.tcp_us {
        Some(tcp) => finding.evidence("tcp_handshake_us", tcp),
        None => finding,
    }))
}

fn jitter(case: &Case<'_>) -> Judged {
    let longest = case.snapshot.host.got().and_then(|host| host.longest_pause_us);
    let Some(longest) = longest else {
        return skip("measured only with `--full` on the server's own machine: the test keeps a processor busy");
    };
    Ok(case.grade(longest as f64).map(|finding| finding.evidence("longest_pause_us", longest)))
}

fn event_loop(case: &Case<'_>) -> Judged {
    if case.delta("eventloop_duration_sum")?.seconds < case.limit("seconds") {
        return skip("the two readings are too close together");
    }
    let share = busy_share(case)?;
    Ok(case.grade(share).map(|finding| finding.evidence("busy", percent(share.min(1.0)))))
}

/// The share of the time between two readings in which the event loop was at work.
fn busy_share(case: &Case<'_>) -> Result<f64, Skipped> {
    let busy = case.delta("eventloop_duration_sum")?;
    // The sum holds the time between the system's wake-up and the next sleep: of a loop that sleeps none of it.
    Ok(busy.amount as f64 / 1e6 / busy.seconds)
}

fn main_thread(case: &Case<'_>) -> Judged {
    let earlier = case.snapshot.comparable()?;
    if earlier.seconds < 0.5 {
        return skip("the two readings are too close together");
    }
    let total = |info: &crate::replies::Info| {
        Some(info.f64("used_cpu_user_main_thread")? + info.f64("used_cpu_sys_main_thread")?)
    };
    let (Some(now), Some(before)) = (total(&case.snapshot.info), total(&earlier.info)) else {
        return skip("the server does not report the main thread's time");
    };
    let share = (now - before) / earlier.seconds;
    Ok(case.grade(share).map(|finding| finding.evidence("main_thread", percent(share.min(1.0)))))
}

fn constant_commands(case: &Case<'_>) -> Judged {
    let latencies = case.snapshot.info.latency_stats();
    if latencies.is_empty() {
        return skip("the server does not report latencies (7.0 and later, latency-tracking yes)");
    }
    let stats = case.snapshot.info.command_stats();
    let often = |name: &str| stats.get(name).is_some_and(|stats| stats.calls as f64 >= case.limit("calls"));
    let slowest = CONSTANT
        .iter()
        .filter(|name| often(name))
        .filter_map(|name| Some((*name, latencies.get(name)?.at(99.0)?)))
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let Some((name, usec)) = slowest else { return Ok(None) };
    Ok(case.grade(usec).map(|finding| finding.evidence("command", name).evidence("p99_us", usec.round())))
}
