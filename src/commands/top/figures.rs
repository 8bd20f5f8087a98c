//! The figures of the first page: what each says in words, and how it went.

use std::time::Duration;

use super::trends::{From, Trend, Trends, bytes_behind, hit_ratio, rate};
use crate::diagnose::Report;
use crate::finding::Severity;
use crate::introspection::{NodeRole, Snapshot};
use crate::printer::words::{age, bytes, count, counted};

/// A figure in a row of the screen.
pub struct Figure<'a> {
    pub label: &'static str,
    pub value: String,
    /// How it went, and where the lowest bar stands.
    pub trend: Option<(&'a Trend, From)>,
    /// How loud it is: a figure that alone tells trouble.
    pub severity: Option<Severity>,
}

/// All figures, two in each row; the rows that matter most come first, for a small window shows no others.
pub fn rows<'a>(report: &Report, trends: &'a Trends) -> Vec<[Figure<'a>; 2]> {
    let snapshot = &report.snapshot;
    let info = &snapshot.info;
    let number = |name: &str| info.u64(name);
    let blocked = number("blocked_clients").unwrap_or(0);
    vec![
        [
            figure("memory", memory(snapshot), Some((&trends.memory, From::Least))),
            figure("clients", clients(snapshot), Some((&trends.clients, From::Least))),
        ],
        [
            limit(snapshot),
            Figure {
                severity: (blocked > 0).then_some(Severity::Info),
                ..figure("blocked", count(blocked), Some((&trends.blocked, From::Zero)))
            },
        ],
        [
            figure("commands", per_second(snapshot, "total_commands_processed"), Some((&trends.commands, From::Zero))),
            figure("net in", bytes_per_second(snapshot, "total_net_input_bytes"), Some((&trends.net_in, From::Zero))),
        ],
        [
            figure("hit ratio", hits(snapshot), Some((&trends.hits, From::Zero))),
            figure(
                "net out",
                bytes_per_second(snapshot, "total_net_output_bytes"),
                Some((&trends.net_out, From::Zero)),
            ),
        ],
        [
            figure("evicted", per_second(snapshot, "evicted_keys"), Some((&trends.evicted, From::Zero))),
            figure("slow log", slow(snapshot), Some((&trends.slow, From::Zero))),
        ],
        [figure("keys", keys(snapshot), Some((&trends.keys, From::Least))), replication(snapshot, trends)],
        [
            figure("resident", resident(snapshot), None),
            figure("answer", answer(snapshot), Some((&trends.answer, From::Zero))),
        ],
        [
            saved(snapshot),
            figure("errors", per_second(snapshot, "total_error_replies"), Some((&trends.errors, From::Zero))),
        ],
    ]
}

fn figure<'a>(label: &'static str, value: String, trend: Option<(&'a Trend, From)>) -> Figure<'a> {
    Figure { label, value, trend, severity: None }
}

/// What the server does not tell, or what takes two looks.
const UNKNOWN: &str = "-";

fn or_unknown(value: Option<String>) -> String {
    value.unwrap_or_else(|| UNKNOWN.to_owned())
}

fn memory(snapshot: &Snapshot) -> String {
    let used = snapshot.info.u64("used_memory").map(bytes);
    let limit = snapshot.info.u64("maxmemory").filter(|limit| *limit > 0).map(bytes);
    or_unknown(used.map(|used| limit.map_or(used.clone(), |limit| format!("{used} of {limit}"))))
}

fn limit(snapshot: &Snapshot) -> Figure<'static> {
    let policy = crate::printer::words::escape(snapshot.server.maxmemory_policy.as_bytes());
    let maxmemory = snapshot.info.u64("maxmemory").filter(|limit| *limit > 0);
    let share = maxmemory.zip(snapshot.memory_against_limit()).map(|(limit, used)| used as f64 / limit as f64);
    match share {
        None => figure("limit", "none".to_owned(), None),
        Some(share) => Figure {
            severity: (share >= 0.9).then_some(if share >= 1.0 { Severity::Critical } else { Severity::Warning }),
            ..figure("limit", format!("{:.0}% used, {policy}", share * 100.0), None)
        },
    }
}

fn clients(snapshot: &Snapshot) -> String {
    let limit = snapshot.info.u64("maxclients").map(|limit| format!(" of {}", count(limit)));
    or_unknown(
        snapshot
            .info
            .u64("connected_clients")
            .map(|clients| format!("{}{}", count(clients), limit.unwrap_or_default())),
    )
}

fn per_second(snapshot: &Snapshot, counter: &str) -> String {
    or_unknown(rate(snapshot, counter).map(|rate| match rate {
        0.0 => "0/s".to_owned(),
        rate if rate < 100.0 => format!("{rate:.1}/s"),
        rate => format!("{}/s", count(rate.round() as u64)),
    }))
}

fn bytes_per_second(snapshot: &Snapshot, counter: &str) -> String {
    or_unknown(rate(snapshot, counter).map(|rate| format!("{}/s", bytes(rate.round() as u64))))
}

fn hits(snapshot: &Snapshot) -> String {
    match (hit_ratio(snapshot), snapshot.delta("keyspace_hits").is_ok()) {
        (Some(ratio), _) => format!("{:.1}%", ratio * 100.0),
        (None, true) => "no lookups".to_owned(),
        (None, false) => UNKNOWN.to_owned(),
    }
}

fn slow(snapshot: &Snapshot) -> String {
    let Some(entries) = snapshot.answers.slowlog.got() else { return UNKNOWN.to_owned() };
    let kept = entries.len() as u64;
    match snapshot.slowlog_gained.got() {
        Some(gained) => format!("{} new, {} kept", count(*gained), count(kept)),
        None => format!("{} kept", count(kept)),
    }
}

fn keys(snapshot: &Snapshot) -> String {
    let (keys, expires) = snapshot.keys_and_expires();
    match keys {
        0 => "0".to_owned(),
        keys => format!("{}, {:.0}% expire", count(keys), expires as f64 / keys as f64 * 100.0),
    }
}

fn replication<'a>(snapshot: &Snapshot, trends: &'a Trends) -> Figure<'a> {
    let server = &snapshot.server;
    if let Some(primary) = &server.primary {
        let heard = primary.last_io_seconds.map(|seconds| age(Duration::from_secs(seconds)));
        let (value, severity) = match (primary.up, primary.syncing) {
            (true, _) => (format!("link up, heard {} ago", or_unknown(heard)), None),
            (false, true) => ("full sync runs".to_owned(), Some(Severity::Warning)),
            (false, false) => {
                let down = primary.down_seconds.map(|seconds| format!(" for {}", age(Duration::from_secs(seconds))));
                (format!("link down{}", down.unwrap_or_default()), Some(Severity::Critical))
            }
        };
        return Figure { severity, ..figure("primary", value, None) };
    }
    let replicas = server.replicas.len() as u64;
    if server.role != NodeRole::Primary || replicas == 0 {
        return figure("replicas", "none".to_owned(), None);
    }
    let lag = server.replicas.iter().filter_map(|replica| replica.lag).max();
    let lag = lag.map(|lag| format!(", lag {lag} s")).unwrap_or_default();
    let behind = bytes_behind(snapshot).map(|behind| format!(", {}", bytes(behind))).unwrap_or_default();
    figure("replicas", format!("{replicas}{lag}{behind}"), Some((&trends.behind, From::Zero)))
}

fn resident(snapshot: &Snapshot) -> String {
    let ratio = snapshot.info.f64("mem_fragmentation_ratio").map(|ratio| format!(", {ratio:.2} of used"));
    or_unknown(snapshot.info.u64("used_memory_rss").map(|rss| format!("{}{}", bytes(rss), ratio.unwrap_or_default())))
}

fn answer(snapshot: &Snapshot) -> String {
    format!("{:.1} ms", snapshot.receipt.longest_wait_seconds * 1000.0)
}

fn saved(snapshot: &Snapshot) -> Figure<'static> {
    if snapshot.server.loading {
        let share = snapshot.info.f64("loading_loaded_perc").map(|share| format!("{share:.0}%"));
        let left =
            snapshot.info.u64("loading_eta_seconds").map(|seconds| format!("{} left", counted(seconds, "second")));
        let known: Vec<String> = share.into_iter().chain(left).collect();
        let value = if known.is_empty() { "runs".to_owned() } else { known.join(", ") };
        return Figure { severity: Some(Severity::Warning), ..figure("loading", value, None) };
    }
    let last = snapshot.info.u64("rdb_last_save_time");
    let last = last.map(|at| age(Duration::from_secs(snapshot.server_seconds().saturating_sub(at))));
    let failed = snapshot.info.get("rdb_last_bgsave_status").is_some_and(|status| status != "ok");
    let value = last.map(|ago| format!("{ago} ago{}", if failed { ", failed since" } else { "" }));
    Figure { severity: failed.then_some(Severity::Warning), ..figure("saved", or_unknown(value), None) }
}

#[cfg(test)]
#[path = "figures_tests.rs"]
mod tests;
