//! Takes a snapshot of a live server.
//!
//! Counters are read before anything that would change them, all that can be asked together goes in one write, and a
//! refusal is noted where its answer would have been.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};

use super::gate::{Ask, Gate, Question};
use super::host::HostFacts;
use super::keyspace::{self, Pass};
use super::part::Part;
use super::snapshot::{Earlier, Path, Snapshot};
use super::topology::Mode;
use super::wire::Wire;
use crate::figures;
use crate::replies::{
    AclUser, Client, ClusterNode, Config, DeniedAccess, HotKeys, Info, MemoryStats, Reply, SlotStats, SlowEntry,
};

/// Between two PINGs, so that measuring the way to the server is no load on it.
const PING_EVERY: Duration = Duration::from_millis(20);
/// The name that our connections give themselves.
const OWN_NAME: &str = "redis-ops";
/// How long the machine is watched for pauses.
const PAUSES_FOR: Duration = Duration::from_secs(1);
/// CLIENT LIST is not asked for where there are more connections: a line has about 350 bytes, here and in the server.
const MOST_CLIENTS: u64 = 30_000;
/// Entries of the slow log that are read.
const SLOWLOG_ENTRIES: &str = "128";

/// What to ask for. INFO is always asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// CLIENT LIST.
    pub clients: bool,
    /// SLOWLOG and the log of large replies.
    pub slow: bool,
    /// MEMORY STATS.
    pub memory: bool,
    /// ACL of the user `default`.
    pub users: bool,
    /// ACL LOG.
    pub refusals: bool,
    /// PINGs.
    pub pings: bool,
    /// CLUSTER NODES of a cluster's node, and what a Sentinel says of its groups.
    pub nodes: bool,
    /// CLUSTER SLOT-STATS of a cluster's node, and HOTKEYS GET.
    pub hot: bool,
    /// A busy loop on the server's machine, if that is ours.
    pub pauses: bool,
}

/// How to take a snapshot.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What to ask for.
    pub wanted: Wanted,
    /// Between the two readings of the counters; zero reads once.
    pub window: Duration,
    /// The clock.
    pub now: DateTime<Utc>,
    /// How we are connected.
    pub path: Path,
}

/// Takes a snapshot. `phases` is what connecting took.
///
/// # Errors
///
/// The connection broke, or the server does not answer INFO: then there is nothing to judge.
pub async fn take(asker: &mut dyn Ask, options: &Options, phases: Wire) -> Result<Snapshot> {
    let mut gate = Gate::new(asker);
    let first = gate.info().await?;
    let begun = Instant::now();
    let mut snapshot = Snapshot::from_info(first, options.now);
    snapshot.path = options.path;
    ask_the_rest(&mut gate, options, &mut snapshot).await?;
    if options.wanted.pings {
        let mut wire = phases;
        ping(&mut gate, options.window.saturating_sub(begun.elapsed()), &mut wire).await?;
        snapshot.wire = Part::Got(wire);
    }
    if !options.window.is_zero() {
        tokio::time::sleep(options.window.saturating_sub(begun.elapsed())).await;
        second_reading(&mut gate, options, begun, &mut snapshot).await?;
    }
    // A CLIENT LIST of ten thousand takes its time, too, and that is ours.
    if let Part::Got(entries) = &mut snapshot.slowlog {
        entries.retain(|entry| entry.name != OWN_NAME);
    }
    if options.path.local {
        let mut host = HostFacts::read(snapshot.info.u64("process_id"));
        if options.wanted.pauses {
            host = tokio::task::spawn_blocking(move || {
                host.measure_pauses(PAUSES_FOR);
                host
            })
            .await
            .context("measure pauses of the machine")?;
        }
        snapshot.host = Part::Got(host);
    }
    snapshot.receipt = gate.receipt();
    Ok(snapshot)
}

/// Looks at the keys of a server of which a snapshot was taken. After it, because that adds hits to the statistics that it holds.
pub async fn look_at_keys(asker: &mut dyn Ask, pass: Pass, snapshot: &mut Snapshot) {
    let mut gate = Gate::new(asker);
    let now_ms = u64::try_from(snapshot.taken_at.timestamp_millis()).unwrap_or(0);
    let looked = keyspace::profile(&mut gate, pass, &snapshot.info, snapshot.config.got(), now_ms).await;
    snapshot.keyspace = match looked {
        Ok(profile) => Part::Got(profile),
        Err(error) => Part::Denied(format!("{error:#}")),
    };
    snapshot.receipt.add(gate.receipt());
}

/// All that needs no second look, in one write.
async fn ask_the_rest(gate: &mut Gate<'_>, options: &Options, snapshot: &mut Snapshot) -> Result<()> {
    let wanted = options.wanted;
    let cluster = snapshot.server.mode == Mode::Cluster;
    let valkey = snapshot.server.is_valkey();
    let mut list: Vec<(&str, Question)> = vec![("config", Question::new(&config_words(&snapshot.info))?)];
    let mut add = |wanted: bool, name: &'static str, words: &[&str]| -> Result<()> {
        if wanted {
            list.push((name, Question::new(words)?));
        }
        Ok(())
    };
    let connections = snapshot.info.u64("connected_clients").unwrap_or(0);
    add(wanted.clients && connections <= MOST_CLIENTS, "clients", &["CLIENT", "LIST"])?;
    if wanted.clients && connections > MOST_CLIENTS {
        let (there, most) = (figures::count(connections), figures::count(MOST_CLIENTS));
        snapshot.clients = Part::TooLarge(format!("{there} connections, of which at most {most} are listed"));
    }
    add(wanted.slow, "slowlog", &["SLOWLOG", "GET", SLOWLOG_ENTRIES])?;
    add(wanted.slow && valkey, "large", &["COMMANDLOG", "GET", SLOWLOG_ENTRIES, "large-reply"])?;
    if wanted.slow && !valkey {
        snapshot.large_replies = Part::Unsupported("COMMANDLOG is Valkey's".to_owned());
    }
    add(wanted.memory, "memory", &["MEMORY", "STATS"])?;
    add(wanted.users, "default", &["ACL", "GETUSER", "default"])?;
    add(wanted.refusals, "denied", &["ACL", "LOG", "128"])?;
    add(cluster, "cluster", &["CLUSTER", "INFO"])?;
    add(wanted.nodes && cluster, "nodes", &["CLUSTER", "NODES"])?;
    let version = snapshot.server.version_numbers();
    let (counts_slots, counts_keys) =
        if valkey { (version >= (8, 0, 0), false) } else { (version >= (8, 2, 0), version >= (8, 6, 0)) };
    // Side by side in one write: nobody else's command comes between them.
    add(wanted.hot && cluster && counts_slots, "keys", &["INFO", "keyspace"])?;
    add(wanted.hot && cluster && counts_slots, "slots", &["CLUSTER", "SLOT-STATS", "SLOTSRANGE", "0", "16383"])?;
    add(wanted.hot && counts_keys, "hot", &["HOTKEYS", "GET"])?;
    if wanted.hot && cluster && !counts_slots {
        snapshot.slots = Part::Unsupported("CLUSTER SLOT-STATS came with Valkey 8.0 and Redis 8.2".to_owned());
    }
    let questions: Vec<Question> = list.iter().map(|(_, question)| question.clone()).collect();
    let replies = gate.ask(&questions).await?;
    for ((name, _), reply) in list.iter().zip(replies) {
        match *name {
            "config" => {
                snapshot.config =
                    Part::of(reply, |reply| Some(Config::parse(reply)).filter(|config| !config.is_empty()))
            }
            "clients" => snapshot.clients = Part::of(reply, |reply| Some(Client::parse_list(reply.bytes()?))),
            "slowlog" => snapshot.slowlog = Part::of(reply, |reply| Some(SlowEntry::parse_list(reply))),
            "large" => snapshot.large_replies = Part::of(reply, |reply| Some(SlowEntry::parse_list(reply))),
            "memory" => snapshot.memory_stats = Part::of(reply, |reply| Some(MemoryStats::parse(reply))),
            "default" => snapshot.default_user = Part::of(reply, AclUser::parse),
            "denied" => snapshot.denied = Part::of(reply, |reply| Some(DeniedAccess::parse_list(reply))),
            "nodes" => snapshot.nodes = Part::of(reply, |reply| Some(ClusterNode::parse_list(reply.bytes()?))),
            "keys" => {
                snapshot.keys_at_slots = Part::of(reply, |reply| {
                    let info = Info::from_bytes(reply.bytes()?);
                    Some(figures::sum(info.databases().values().map(|database| database.keys)))
                })
            }
            "slots" => snapshot.slots = Part::of(reply, |reply| Some(SlotStats::parse_list(reply))),
            "hot" => snapshot.hot_keys = Part::of(reply, HotKeys::parse),
            _ => snapshot.cluster = Part::of(reply, |reply| Some(Info::from_bytes(reply.bytes()?))),
        }
    }
    // Our own connections are not what is wrong with the server. They say their name; where that is refused, what this one is
    // doing right now gives it away, and no further command is spent on it.
    if let Part::Got(clients) = &mut snapshot.clients {
        clients.retain(|client| client.name != OWN_NAME && !matches!(client.cmd.as_str(), "client" | "client|list"));
    }
    Ok(())
}

/// Settings the rules read. Asked by name where the server takes several (7.0), else all, of which secrets are dropped
/// while parsing.
fn config_words(info: &Info) -> Vec<&'static str> {
    let major = info.get("redis_version").and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    let mut words = vec!["CONFIG", "GET"];
    if major.is_some_and(|major| major >= 7) {
        words.extend_from_slice(SETTINGS);
    } else {
        words.push("*");
    }
    words
}

const SETTINGS: &[&str] = &[
    "acllog-max-len",
    "activedefrag",
    "appendfsync",
    "appendonly",
    "auto-aof-rewrite-*",
    "client-output-buffer-limit",
    "client-query-buffer-limit",
    "dir",
    "enable-debug-command",
    "enable-protected-configs",
    "hash-max-*-entries",
    "latency-monitor-threshold",
    "latency-tracking",
    "lazyfree-lazy-eviction",
    "maxclients",
    "maxmemory*",
    "min-*-to-write",
    "no-appendfsync-on-rewrite",
    "protected-mode",
    "repl-backlog-size",
    "repl-diskless-sync*",
    "repl-timeout",
    "replica-read-only",
    "save",
    "set-max-*-entries",
    "slowlog-log-slower-than",
    "commandlog-*",
    "slowlog-max-len",
    "stop-writes-on-bgsave-error",
    "tcp-keepalive",
    "timeout",
    "tracking-table-max-keys",
    "zset-max-*-entries",
];

/// PINGs until the window ends, ten at least.
async fn ping(gate: &mut Gate<'_>, window: Duration, wire: &mut Wire) -> Result<()> {
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.len() < 10 || begun.elapsed() + PING_EVERY < window {
        times.push(gate.ping().await?);
        if window.is_zero() {
            continue;
        }
        tokio::time::sleep(PING_EVERY.min(window / 10)).await;
    }
    wire.set_pings(&times);
    Ok(())
}

async fn second_reading(gate: &mut Gate<'_>, options: &Options, begun: Instant, snapshot: &mut Snapshot) -> Result<()> {
    let last_id = |entries: &[SlowEntry]| entries.iter().map(|entry| entry.id + 1).max().unwrap_or(0);
    let info = gate.info().await?;
    let seconds = begun.elapsed().as_secs_f64();
    let before =
        Snapshot::from_info(info, snapshot.taken_at + chrono::Duration::from_std(begun.elapsed()).unwrap_or_default());
    let first = std::mem::replace(&mut snapshot.info, before.info);
    snapshot.server = before.server;
    snapshot.taken_at = before.taken_at;
    snapshot.earlier = Some(Earlier { seconds, info: first, cluster: snapshot.cluster.got().cloned() });
    if options.wanted.nodes && snapshot.nodes.got().is_some() {
        let questions = [Question::new(&["CLUSTER", "INFO"])?, Question::new(&["CLUSTER", "NODES"])?];
        let mut replies = gate.ask(&questions).await?.into_iter();
        if let (Some(cluster), Some(nodes)) = (replies.next(), replies.next()) {
            snapshot.cluster = Part::of(cluster, |reply| Some(Info::from_bytes(reply.bytes()?)));
            let nodes = Part::of(nodes, |reply| Some(ClusterNode::parse_list(reply.bytes()?)));
            snapshot.nodes_before = std::mem::replace(&mut snapshot.nodes, nodes);
        }
    }
    if let (true, Part::Got(entries)) = (options.wanted.slow, &mut snapshot.slowlog) {
        let newest = gate.one(Question::new(&["SLOWLOG", "GET", SLOWLOG_ENTRIES])?).await?;
        let now = SlowEntry::parse_list(&newest);
        let before = last_id(entries);
        let own = now.iter().filter(|entry| entry.id >= before && entry.name == OWN_NAME).count() as u64;
        snapshot.slowlog_gained = Part::Got(last_id(&now).saturating_sub(before).saturating_sub(own));
        *entries = now;
    }
    Ok(())
}

#[cfg(test)]
#[path = "asking_tests.rs"]
mod tests;
