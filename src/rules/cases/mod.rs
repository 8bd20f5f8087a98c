//! The rules before made-up snapshots: each has at least one case that fires and one near miss that does not.
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
//! grew 3600 audit: 1000          an earlier run: seconds ago, prefix, keys
//! answer Slots [[7,["key-count",9]]]   what the server says to any question, as JSON: read as a live answer is
//! ```

mod connections;
mod declared;
mod keyspace;
mod log;
mod memory;
mod others;
mod patterns;
mod replication;
mod several;
mod told;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeZone, Utc};

use super::judged::Judged;
use super::*;
use crate::finding::Severity;
use crate::introspection::keyspace::{Basis, CompactLimits, KeySeen, Profiler, StreamGroupSeen};
use crate::introspection::{Earlier, HostFacts, Mode, Ours, Part, Wire};
use crate::replies::{AclUser, Client, Config, DeniedAccess, Info, Reply, SlowEntry};

/// Expected: this severity, or nothing.
type Case_ = (&'static str, Option<Severity>, &'static str);

const I: Option<Severity> = Some(Severity::Info);
const W: Option<Severity> = Some(Severity::Warning);
const C: Option<Severity> = Some(Severity::Critical);
const QUIET: Option<Severity> = None;

fn cases() -> Vec<&'static Case_> {
    [
        memory::CASES,
        connections::CASES,
        keyspace::CASES,
        others::CASES,
        patterns::CASES,
        replication::CASES,
        log::CASES,
        told::CASES,
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn now() -> DateTime<Utc> {
    Utc.timestamp_opt(1_800_000_000, 0).single().expect("a moment")
}

/// A healthy server of Redis 8.0 with ten thousand keys, an hour up.
fn healthy() -> Info {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/info/redis-8.0.6.txt");
    let info = Info::parse(&std::fs::read_to_string(path).expect("a captured INFO"));
    info.with(&[
        ("uptime_in_seconds", Some("3600")),
        ("db0", Some("keys=10000,expires=5000,avg_ttl=1000")),
        ("rdb_last_save_time", Some("1799999990")),
        ("config_file", Some("/etc/redis.conf")),
        ("errorstat_ERR", None),
        ("server_time_usec", Some("1800000000000000")),
    ])
}

struct Given {
    snapshot: Snapshot,
    settings: RuleSettings,
}

fn given(text: &str) -> Given {
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
            "pings" => {
                let mut wire = Wire::default();
                let times: Vec<_> =
                    words.iter().map(|us| std::time::Duration::from_micros(us.parse().expect("µs"))).collect();
                wire.set_pings(&times);
                snapshot.wire = Part::Got(wire);
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

use crate::introspection::ServerFacts;

fn change(line: &str) -> (String, Option<String>) {
    match line.strip_prefix('-') {
        Some(name) => (name.to_owned(), None),
        None => {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("`{line}` is no change"));
            (name.to_owned(), Some(value.to_owned()))
        }
    }
}

fn with(info: &Info, changes: &[(String, Option<String>)]) -> Info {
    let borrowed: Vec<(&str, Option<&str>)> =
        changes.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    info.with(&borrowed)
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

fn judged(id: &str, text: &str) -> Judged {
    let given = given(text);
    let rule = by_id(id).unwrap_or_else(|| panic!("no rule {id}"));
    let profile = given.settings.profile_of(&given.snapshot);
    // `Case` borrows for as long as the settings live: they are leaked, a few bytes a case.
    let given: &'static Given = Box::leak(Box::new(given));
    (rule.examine)(&Case::new(&given.snapshot, rule.facts(), &given.settings, profile))
}

#[test]
fn every_case_is_judged_as_it_says() {
    let mut wrong = Vec::new();
    for (id, expected, text) in cases() {
        let judged = judged(id, text);
        let got = match &judged {
            Ok(finding) => Ok(finding.as_ref().map(|finding| finding.severity)),
            Err(Skipped(reason)) => Err(reason.clone()),
        };
        if got.as_ref() != Ok(expected) {
            let evidence = judged.ok().flatten().map(|finding| finding.evidence);
            wrong.push(format!(
                "{id}: expected {expected:?}, got {got:?} {evidence:?}\n    {}",
                text.trim().replace('\n', "\n    ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_rule_has_a_case_that_fires_and_a_near_miss() {
    for rule in all() {
        let of_rule: Vec<_> = cases().into_iter().filter(|(id, ..)| *id == rule.id).collect();
        assert!(of_rule.iter().any(|(_, expected, _)| expected.is_some()), "{} never fires", rule.id);
        assert!(of_rule.iter().any(|(_, expected, _)| expected.is_none()), "{} has no near miss", rule.id);
    }
}

#[test]
fn the_table_is_complete_and_consistent() {
    let mut seen = std::collections::BTreeSet::new();
    for rule in all() {
        assert!(seen.insert(rule.id), "{} twice", rule.id);
        let letter = match rule.topic {
            Topic::Memory => 'M',
            Topic::Connections => 'C',
            Topic::Keyspace => 'K',
            Topic::Persistence => 'P',
            Topic::Replication => 'R',
            Topic::Security => 'S',
            Topic::Patterns => 'A',
        };
        assert!(rule.id.starts_with(letter), "{} is of topic {:?}", rule.id, rule.topic);
        for text in [rule.title, rule.reads, rule.threshold, rule.why, rule.source] {
            assert!(!text.is_empty(), "{} says too little", rule.id);
        }
        for cause in rule.because_of {
            assert!(by_id(cause).is_some(), "{} follows {cause}, which does not exist", rule.id);
        }
        let text = RuleSettings::default().threshold_text(&rule.facts());
        assert!(!text.contains("%}") && !text.contains("B}"), "{}: a limit is not filled in: {text}", rule.id);
        for (name, _) in rule.limits {
            assert!(rule.threshold.contains(&format!("{{{name}")), "{}: the threshold does not tell `{name}`", rule.id);
        }
    }
    assert!(seen.len() > 90, "{}", seen.len());
}

#[test]
fn what_is_missing_is_skipped_and_never_passed() {
    // A server that answers INFO with next to nothing, and refuses all else.
    let snapshot = Snapshot::from_info(Info::parse("redis_version:7.0.0\nrole:master\n"), now());
    let judgement = examine(&snapshot, &Topic::ALL, &RuleSettings::default());
    let harmless = [
        "M21", "M18", "C23", "K09", "K15", "K16", "R09", "R13", "R14", "R01", "R02", "R03", "R07", "R08", "S07", "P02",
        "P07", "P08", "C30",
    ];
    for id in &judgement.passed {
        assert!(harmless.contains(id), "{id} passed without anything to judge by");
    }
    assert!(judgement.skipped.iter().all(|skipped| !skipped.reason.is_empty()));
}

#[test]
fn a_restart_and_a_reset_between_two_readings_are_noticed() {
    let reason = |text| judged("M15", text).expect_err("cannot be judged").0;
    assert!(reason("evicted_keys:5\nbefore run_id:other").contains("restarted"));
    assert!(reason("evicted_keys:5\nbefore evicted_keys:6").contains("reset"));
    // It went past what it was since: only what grows with everything tells.
    assert!(
        reason("evicted_keys:5\ntotal_commands_processed:9\nbefore evicted_keys:4\nbefore total_commands_processed:10")
            .contains("RESETSTAT")
    );
    assert!(reason("evicted_keys:5\none_reading").contains("only one reading"));
}

#[test]
fn limits_and_mutes_of_the_settings_hold() {
    let text = "maxmemory:100\nused_memory:75\nlimit M01 warning 0.7";
    assert!(judged("M01", text).expect("judged").is_some());
    let mut settings = RuleSettings::default();
    settings.limits.0.insert("M01".into(), [("wraning".to_owned(), 1.0)].into());
    assert!(settings.check().expect_err("a typing error").to_string().contains("it has: warning, critical"));
    settings.limits.0.clear();
    settings.mutes =
        vec![Mute { rule: "M01".into(), until: chrono::NaiveDate::from_ymd_opt(2027, 1, 15), reason: "known".into() }];
    assert!(settings.check().is_ok());
    let given = given("maxmemory:100\nused_memory:95");
    assert_eq!(now().date_naive().to_string(), "2027-01-15");
    let speaks = examine(&given.snapshot, &[Topic::Memory], &settings);
    assert!(speaks.muted.is_empty() && speaks.findings.iter().any(|finding| finding.id == "M01"), "the day has come");
    assert_eq!(speaks.mutes_ended, settings.mutes);
    settings.mutes[0].until = chrono::NaiveDate::from_ymd_opt(2027, 1, 16);
    let muted = examine(&given.snapshot, &[Topic::Memory], &settings);
    assert_eq!((muted.muted.len(), muted.mutes_ended.len()), (1, 0));
    assert!(muted.findings.iter().all(|finding| finding.id != "M01"));
}

#[test]
fn one_incident_is_told_cause_first() {
    let given = given(
        "maxmemory:100000000\nused_memory:99000000\nused_memory_rss:99000000\nmaxmemory_policy:volatile-lru\ndb0:keys=10000,expires=0\nerrorstat_OOM:count=50\nbefore errorstat_OOM:count=1",
    );
    let judgement = examine(&given.snapshot, &[Topic::Memory], &given.settings);
    let told: Vec<(&str, Option<&str>)> =
        judgement.findings.iter().map(|finding| (finding.id.as_str(), finding.caused_by.as_deref())).collect();
    assert_eq!(told[0], ("M17", None), "{told:?}");
    assert!(told.contains(&("M18", Some("M17"))), "{told:?}");
}

#[test]
fn healthy_servers_of_every_version_have_nothing_to_warn_of() {
    for name in ["redis-6.2.14", "redis-7.0.15", "redis-8.0.6", "valkey-8.0.1", "valkey-8.1.1", "valkey-9.1.2"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/info/{name}.txt"));
        let info = Info::parse(&std::fs::read_to_string(path).expect("a captured INFO"));
        let mut snapshot = Snapshot::from_info(info.clone(), now());
        snapshot.earlier = Some(Earlier { seconds: 1.0, info, cluster: None, ours: Ours::default() });
        let judgement = examine(&snapshot, &Topic::ALL, &RuleSettings::default());
        let loud: Vec<_> = judgement.findings.iter().filter(|finding| finding.severity > Severity::Info).collect();
        assert!(loud.is_empty(), "{name}: {loud:#?}");
    }
}
