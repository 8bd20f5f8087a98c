//! A case of a rule: a made-up snapshot, written as what differs from a healthy server.
//!
//! A case is text, a line a change to a healthy server:
//!
//! ```text
//! used_memory:95                 a field of INFO; `-name` removes one
//! before evicted_keys:0          the same field a second earlier; `seconds 60` sets how much earlier
//! client addr=1.2.3.4:5 idle=9   a line of CLIENT LIST; `clients 100 idle=9` a hundred
//! config maxclients 100          a setting
//! key lock:a string - 90 3 raw   name, type, milliseconds to live, bytes, length, encoding, seconds idle, uses counted;
//!                                `keys 100 x: …` a hundred
//! peer 10.0.0.2:6379 role:slave  another server: a healthy one with these fields; `save=…` its setting
//! node 1 10.0.0.2:7000@1 master - 0 0 1 connected 0-9   a line of CLUSTER NODES; `node_before` one of the first reading
//! slot 7 100 5000                a slot of this node: keys, microseconds
//! log 1:M 19 Sep 2024 05:50:17.014 # …   a line of the server's log
//! refused shop key user:1        an entry of ACL LOG: user, reason, object; `denied 10 20.0` ten logins twenty seconds ago
//! waited 8.7                     how long the longest answer to us took; `waiting 9`, `container 100`, `processes 9 9`: its machine
//! grew 3600 audit: 1000          an earlier run: seconds ago, prefix, keys
//! answer Slots [[7,["key-count",9]]]   what the server says to any question, as JSON: read as a live answer is
//! ```

use std::collections::BTreeMap;

use super::super::*;
use super::healthy::{healthy, now, with};
use super::several;
use crate::introspection::keyspace::{Basis, CompactLimits, KeySeen, Profiler, StreamGroupSeen};
use crate::introspection::{Earlier, HostFacts, Mode, Ours, Part, ServerFacts, Wire};
use crate::replies::{AclUser, Client, Config, DeniedAccess, Info, Reply, SlowEntry};

pub(super) struct Given {
    pub(super) snapshot: Snapshot,
    pub(super) settings: RuleSettings,
}

pub(super) fn given(text: &str) -> Given {
    let mut now_changes: Vec<(String, Option<String>)> = Vec::new();
    let mut before_changes: Vec<(String, Option<String>)> = Vec::new();
    let mut settings = RuleSettings::default();
    let mut snapshot = Snapshot::from_info(healthy(), now());
    let (mut clients, mut config, mut slow, mut denied) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut profiler = Profiler::new(
        1_800_000_000_000,
        CompactLimits { hash: Some(("hash-max-listpack-entries".into(), 128)), ..CompactLimits::default() },
    );
    let (mut n_keys, mut basis, mut total, mut seconds, mut one_reading) = (0_u64, Basis::Everything, None, 1.0, false);
    let mut groups = Vec::new();
    let (mut cluster, mut before_cluster) = (Vec::new(), Vec::new());
    let mut answers = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split(' ').collect();
        match word {
            "seconds" => seconds = rest.parse().expect("seconds"),
            "one_reading" => one_reading = true,
            "before" => before_changes.push(change(rest)),
            "client" => clients.push(client(rest)),
            "clients" => {
                let (count, line) = rest.split_once(' ').unwrap_or((rest, ""));
                clients.extend((0..count.parse().expect("a count")).map(|_| client(line)));
            }
            "config" => {
                let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
                config.push((name.to_owned(), value.to_owned()));
            }
            "slow" => slow.push(slow_entry(&words, slow.len())),
            "gained" => snapshot.slowlog_gained = Part::Got(rest.parse().expect("a count")),
            "large" => {
                let mut entries = snapshot.answers.large_replies.got().cloned().unwrap_or_default();
                entries.push(slow_entry(&words, entries.len()));
                snapshot.answers.large_replies = Part::Got(entries);
            }
            "denied" => denied.push(DeniedAccess {
                count: words[0].parse().expect("a count"),
                age_seconds: words[1].parse().expect("seconds"),
                reason: "auth".into(),
                ..DeniedAccess::default()
            }),
            "refused" => denied.push(DeniedAccess {
                count: 1,
                username: words[0].into(),
                reason: words[1].into(),
                object: words[2].into(),
                ..DeniedAccess::default()
            }),
            "waited" => {
                snapshot.receipt.commands = 1;
                snapshot.receipt.longest_wait_seconds = rest.parse().expect("seconds");
            }
            "waiting" => {
                let waiting_connections = Some(rest.parse().expect("a count"));
                snapshot.host =
                    Part::Got(HostFacts { waiting_connections, somaxconn: Some(4096), ..HostFacts::default() });
            }
            "container" => {
                let memory_limit = Some(rest.parse().expect("bytes"));
                snapshot.host = Part::Got(HostFacts { memory_limit, ..HostFacts::default() });
            }
            "processes" => {
                let number = |at: usize| words[at].parse().expect("a count");
                snapshot.host =
                    Part::Got(HostFacts { processes: Some((number(0), number(1))), ..HostFacts::default() });
            }
            "pings" => {
                let mut wire = Wire::default();
                let times: Vec<_> =
                    words.iter().map(|us| std::time::Duration::from_micros(us.parse().expect("µs"))).collect();
                wire.set_pings(&times);
                snapshot.wire = Part::Got(wire);
            }
            // Of each PING, in the order told.
            "waits" => {
                let Part::Got(wire) = &mut snapshot.wire else { panic!("`waits` stands below `pings`") };
                let waits = words.iter().map(|us| us.parse::<u64>().expect("µs"));
                let rest = wire.pings_us.iter().zip(waits).map(|(ping, waited)| ping.saturating_sub(waited));
                wire.set_undelayed(&rest.map(std::time::Duration::from_micros).collect::<Vec<_>>());
            }
            "late" => {
                let times: Vec<_> =
                    words.iter().map(|us| std::time::Duration::from_micros(us.parse().expect("µs"))).collect();
                let Part::Got(wire) = &mut snapshot.wire else { panic!("`late` stands below `pings`") };
                wire.set_late(&times);
            }
            "profile" => settings.profile = serde_json::from_value(rest.into()).ok(),
            "expect_replicas" => settings.expect.replicas = rest.parse().ok(),
            "expect" => match rest {
                "maxmemory" => settings.expect.maxmemory = true,
                "backup" => settings.expect.backup = true,
                _ => settings.expect.persistence = true,
            },
            "limit" => {
                let limits: BTreeMap<String, f64> = [(words[1].to_owned(), words[2].parse().expect("a limit"))].into();
                settings.limits.0.insert(words[0].to_owned(), limits);
            }
            "log" => {
                let mut log = snapshot.log.got().cloned().unwrap_or_default();
                assert!(log.take(rest), "no line of a log: {rest}");
                snapshot.log = Part::Got(log);
            }
            "nic" => settings.nic_mbps = rest.parse().ok(),
            "backup_age" => snapshot.backup_age_seconds = Part::Got(rest.parse().ok()),
            "thp" => {
                snapshot.host = Part::Got(HostFacts {
                    transparent_huge_pages: Some(rest.into()),
                    overcommit_memory: Some(1),
                    ..HostFacts::default()
                })
            }
            "pause" => {
                snapshot.host =
                    Part::Got(HostFacts { longest_pause_us: Some(rest.parse().expect("µs")), ..HostFacts::default() })
            }
            "peer" | "unreachable" | "node" | "node_before" | "claims" | "slot" | "hot" | "sentinel" | "grew" => {
                several::add(&mut snapshot, word, rest, &words)
            }
            "answer" => answers.push(rest.split_once(' ').expect("a question and its answer")),
            "held" => snapshot.answers.keys_at_slots = Part::Got(rest.parse().expect("a count")),
            "before_cluster" => before_cluster.push(rest.to_owned()),
            "user" => {
                snapshot.answers.default_user = Part::Got(AclUser {
                    enabled: true,
                    nopass: rest == "open",
                    passwords: 0,
                    commands: "+@all".into(),
                    keys: "~*".into(),
                })
            }
            "local" => snapshot.path.local = true,
            "private" => snapshot.path.private = true,
            "denied_config" => snapshot.answers.config = Part::Denied("NOPERM".into()),
            "cluster" => cluster.push(rest.to_owned()),
            "sample" => (basis, total) = (Basis::Sample, Some(rest.parse().expect("a total"))),
            "key" => {
                profiler.note(&key(&words, words[0]));
                n_keys += 1;
            }
            "keys" => {
                let count: u64 = words[0].parse().expect("a count");
                for n in 0..count {
                    profiler.note(&key(&words[1..], &format!("{}{n}", words[1])));
                }
                n_keys += count;
            }
            "group" => groups.push(StreamGroupSeen {
                name: "g".into(),
                pending: words[0].parse().expect("pending"),
                lag: words[1].parse().ok(),
                consumers: 1,
            }),
            _ => now_changes.push(change(line)),
        }
    }
    for stream in profiler.streams_mut() {
        stream.groups = groups.clone();
    }
    let borrowed = |changes: &[(String, Option<String>)]| changes.to_vec();
    let (now_changes, before_changes) = (borrowed(&now_changes), borrowed(&before_changes));
    let info = with(&healthy(), &now_changes);
    snapshot.server = ServerFacts::from_info(&info);
    if !one_reading {
        let info = with(&with(&healthy(), &now_changes), &before_changes);
        let cluster = (!before_cluster.is_empty()).then(|| Info::parse(&before_cluster.join("\n")));
        snapshot.earlier = Some(Earlier { seconds, info, cluster, ours: Ours::default() });
    }
    snapshot.info = info;
    snapshot.answers.clients = Part::Got(clients);
    if matches!(snapshot.answers.config, Part::NotAsked) {
        let defaults = [
            ("save", "3600 1 300 100 60 10000"),
            ("appendonly", "no"),
            ("slowlog-log-slower-than", "10000"),
            ("slowlog-max-len", "128"),
            ("latency-monitor-threshold", "100"),
            ("enable-debug-command", "no"),
            ("protected-mode", "yes"),
            ("client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
            ("tracking-table-max-keys", "1000000"),
        ];
        let defaults = defaults.map(|(name, value)| (name.to_owned(), value.to_owned()));
        snapshot.answers.config = Part::Got(defaults.into_iter().chain(config).collect::<Config>());
    }
    snapshot.answers.slowlog = Part::Got(slow);
    snapshot.answers.denied = Part::Got(denied);
    if !cluster.is_empty() {
        snapshot.answers.cluster = Part::Got(Info::parse(&cluster.join("\n")));
        snapshot.server.mode = Mode::Cluster;
    }
    if n_keys > 0 {
        snapshot.keyspace = Part::Got(profiler.finish(basis, total.unwrap_or(n_keys)));
    }
    for (name, answer) in answers {
        let asked = all().flat_map(|rule| rule.asks).find(|question| format!("{question:?}") == name);
        let answer = reply(&serde_json::from_str(answer).expect("an answer is JSON"));
        asked.expect("a question of some rule").answered(Part::answered(answer), &mut snapshot.answers);
    }
    Given { snapshot, settings }
}

fn reply(json: &serde_json::Value) -> Reply {
    match json {
        serde_json::Value::String(text) => text.as_str().into(),
        serde_json::Value::Array(items) => Reply::Array(items.iter().map(reply).collect()),
        other => other.as_i64().map_or(Reply::Nil, Reply::Integer),
    }
}

fn change(line: &str) -> (String, Option<String>) {
    match line.strip_prefix('-') {
        Some(name) => (name.to_owned(), None),
        None => {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("`{line}` is no change"));
            (name.to_owned(), Some(value.to_owned()))
        }
    }
}

fn client(line: &str) -> Client {
    let full =
        format!("id=5 addr=10.0.0.9:4000 name=web age=1000 idle=1 flags=N cmd=get user=app lib-name=redis-py {line}");
    // The last of two pairs with one name counts.
    Client::parse(&full).expect("a client")
}

/// `slow USEC AGE_SECONDS COMMAND ARGUMENT`
fn slow_entry(words: &[&str], at: usize) -> SlowEntry {
    SlowEntry {
        id: 1000 - at as u64,
        at: 1_800_000_000 - words[1].parse::<u64>().expect("an age"),
        usec: words[0].parse().expect("µs"),
        command: words[2].to_owned(),
        arguments: words[3..].iter().map(|word| (*word).to_owned()).collect(),
        addr: String::new(),
        name: String::new(),
    }
}

fn key<'a>(words: &[&'a str], name: &'a str) -> KeySeen<'a> {
    let number = |at: usize| words.get(at).and_then(|word| word.parse().ok());
    KeySeen {
        database: 0,
        key: name.as_bytes(),
        kind: words.get(1).copied().unwrap_or("string"),
        ttl_ms: number(2),
        bytes: number(3),
        length: number(4),
        encoding: words.get(5).copied().unwrap_or_default(),
        idle_seconds: number(6),
        frequency: number(7),
    }
}
