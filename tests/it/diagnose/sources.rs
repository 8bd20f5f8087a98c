//! Where a diagnosis has its keys from: commands, a replication stream, a backup, a file; all say the same.

use serde_json::Value;

use super::lab::Diagnosis;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, on_each, servers};

/// Locks, counters, sessions, a stream with a group, an odd name: something for many rules.
fn faults(server: &RedisServer) {
    server.ok(&["SET", "lock:order:17", "0123456789abcdef"]);
    server.ok(&["INCR", "rate:10.0.0.1"]);
    server.ok(&["SET", "otp:4411", "999999"]);
    server.ok(&["SET", "user:undefined", "x"]);
    server.ok(&["SET", "session:1", "x", "EX", "3600"]);
    server.ok(&["SET", "big", &"x".repeat(2_000_000)]);
    server.pipe((0..12_000).map(|_| vec![b"XADD".as_slice(), b"events", b"*", b"f", b"v"]));
    server.ok(&["XGROUP", "CREATE", "events", "workers", "0"]);
    server.ok(&["XREADGROUP", "GROUP", "workers", "one", "COUNT", "1000", "STREAMS", "events", ">"]);
}

fn evidence<'a>(diagnosis: &'a Diagnosis, rule: &str, name: &str) -> &'a Value {
    &diagnosis.finding(rule).unwrap_or_else(|| panic!("no {rule}: {:?}", diagnosis.rules()))["evidence"][name]
}

#[test]
fn commands_a_stream_a_backup_and_a_file_say_the_same() {
    on_each(&servers(), |installed| {
        let Some(server) = RedisServer::builder().version(installed).start() else { return };
        faults(&server);
        let repository = tempfile::tempdir().expect("a folder");
        let place = repository.path().display().to_string();
        let backup = RedisOps::new().args(["backup", "-i", &server.url(), "--name", "shop", "-r", &place]).run();
        assert_eq!(backup.code, 0, "{}", backup.stderr);
        server.save();
        let file = server.dir().join("dump.rdb").display().to_string();
        for topic in ["keyspace", "patterns"] {
            let of = |more: &[&str]| {
                let run = RedisOps::new().args(["diagnose", topic, "--json", "--window", "50ms"]).args(more).run();
                Diagnosis::of_run(&run)
            };
            let live = of(&["-i", &server.url()]);
            assert!(!live.rules().is_empty(), "{}: {topic}", installed.name);
            let others = [
                ("the stream", of(&["-i", &server.url(), "--via", "replication"])),
                ("the backup", of(&["--backup-id", "latest", "-r", &place])),
                ("the file", of(&["--file", &file])),
            ];
            for (source, other) in &others {
                // K06 is what the server's own INFO says of sizes (8.0), which is in no backup; K04 says the same from the keys.
                let of_keys = |diagnosis: &Diagnosis| {
                    diagnosis.loud().into_iter().filter(|rule| *rule != "K06").map(str::to_owned).collect::<Vec<_>>()
                };
                assert_eq!(of_keys(other), of_keys(&live), "{}: {topic} from {source}", installed.name);
                assert_eq!(other.code, live.code, "{}: {topic} from {source}", installed.name);
            }
            if topic == "keyspace" {
                assert_eq!(others[1].1.json["instance"].as_str().map(|name| name.starts_with("shop/")), Some(true));
                assert_eq!(others[1].1.json["probe"]["commands"], 0, "a backup costs the server nothing");
                // Servers before 7.0 do not count what a group has read.
                for (source, other) in others.iter().filter(|_| live.finding("K13").is_some()) {
                    assert_eq!(
                        evidence(other, "K13", "lag"),
                        evidence(&live, "K13", "lag"),
                        "{}: {source}",
                        installed.name
                    );
                }
            }
        }
    });
}

/// What a value takes is estimated from its encoding: prefix by prefix, each of one type, as MEMORY USAGE says it.
#[test]
fn memory_estimated_from_an_rdb_is_near_what_the_server_says() {
    const SCRIPT: &str = include_str!("../../fixtures/dataset.lua");
    on_each(&servers(), |installed| {
        let Some(server) = RedisServer::builder().version(installed).start() else { return };
        for from in 0..4 {
            server.ok(&["EVAL", SCRIPT, "0", &(from * 500).to_string(), "500"]);
        }
        server.save();
        let file = server.dir().join("dump.rdb").display().to_string();
        let of = |more: &[&str]| {
            let run = RedisOps::new().args(["diagnose", "keyspace", "--json", "--top", "20", "--window", "0s"]);
            let json = Diagnosis::of_run(&run.args(more).run()).json;
            let prefixes = json["facts"]["keyspace"]["prefixes"].as_array().cloned();
            prefixes
                .unwrap_or_else(|| panic!("prefixes: {json:#}"))
                .iter()
                .map(|prefix| (prefix["name"].to_string(), prefix["bytes"].as_f64().expect("bytes")))
                .collect::<std::collections::BTreeMap<_, _>>()
        };
        let (measured, estimated) = (of(&["-i", &server.url(), "--full"]), of(&["--file", &file]));
        assert_eq!(measured.len(), 9, "{}: {measured:?}", installed.name);
        // MEMORY USAGE of Valkey 8.1 leaves out the name of the key. Without jemalloc sizes are others, as far as they are small.
        let limit = if installed.is("valkey-server-8.1") { 0.25 } else { 0.15 };
        let off = |name: &String| estimated[name] / measured[name] - 1.0;
        let total = estimated.values().sum::<f64>() / measured.values().sum::<f64>() - 1.0;
        assert!(total.abs() <= limit, "{}: {total:+.3}", installed.name);
        if server.info("mem_allocator").starts_with("jemalloc") && limit < 0.2 {
            let wrong: Vec<String> = measured
                .keys()
                .filter(|name| off(name).abs() > limit)
                .map(|name| format!("{name} {:+.3} of {}", off(name), measured[name]))
                .collect();
            assert!(wrong.is_empty(), "{}: {wrong:?}", installed.name);
        }
    });
}

/// Collections beyond the limits of listpacks, of each type by itself: what a server sends to a replica is weighed as its version and its
/// allocator keep it.
#[test]
fn memory_of_large_collections_is_estimated_as_each_version_keeps_them() {
    const OF_EACH: usize = 3;
    type Words = fn(usize) -> Vec<String>;
    let types: [(&str, &str, usize, Words); 8] = [
        ("sets", "SADD", 200, |n| vec![format!("member:{n}")]),
        ("names", "SADD", 1000, |n| vec![format!("member:{n:030}")]),
        ("numbers", "SADD", 1000, |n| vec![n.to_string()]),
        ("boards", "ZADD", 200, |n| vec![n.to_string(), format!("member:{n}")]),
        ("ratings", "ZADD", 20, |n| vec![format!("{n}.5"), format!("member:{n}")]),
        ("objects", "HSET", 1000, |n| vec![format!("field:{n}"), format!("value{n:020}")]),
        ("queues", "RPUSH", 300, |n| vec![format!("element{n}")]),
        ("events", "XADD", 150, |n| vec!["*".to_owned(), "f".to_owned(), format!("value{n}")]),
    ];
    on_each(&servers(), |installed| {
        let Some(server) = RedisServer::builder().version(installed).start() else { return };
        let mut wrong = Vec::new();
        let mut measured = std::collections::BTreeMap::new();
        for (prefix, command, elements, words) in types {
            for key in (0..OF_EACH).map(|n| format!("{prefix}:{n}")) {
                let lines: Vec<Vec<String>> = (0..elements).map(words).collect();
                server.pipe(lines.iter().map(|words| {
                    let words = words.iter().map(String::as_bytes);
                    [command.as_bytes(), key.as_bytes()].into_iter().chain(words).collect::<Vec<_>>()
                }));
                // A table that grows is in memory twice until enough commands have moved it.
                if command == "SADD" {
                    server.pipe((0..1100).map(|_| vec![b"SISMEMBER".as_slice(), key.as_bytes(), b"x"]));
                }
                let usage = server.ok(&["MEMORY", "USAGE", &key, "SAMPLES", "0"]);
                *measured.entry(prefix).or_insert(0.0) += usage.trim().parse::<f64>().expect("bytes");
            }
        }
        let more = ["--via", "replication", "--top", "20", "--window", "0s"];
        let json = Diagnosis::of(&server, "keyspace", &more).json;
        let prefixes = json["facts"]["keyspace"]["prefixes"].as_array().cloned().unwrap_or_default();
        for (prefix, measured) in measured {
            let own = prefixes.iter().find(|own| own["name"].as_str().is_some_and(|name| name.starts_with(prefix)));
            let estimated = own.and_then(|own| own["bytes"].as_f64()).unwrap_or(0.0);
            let off = estimated / measured - 1.0;
            if off.abs() > 0.15 {
                wrong.push(format!("{prefix} {off:+.3} of {measured}"));
            }
        }
        assert!(wrong.is_empty(), "{}: {wrong:?}", installed.name);
    });
}

#[test]
fn a_stream_and_a_backup_add_no_hits() {
    let Some(server) = RedisServer::start() else { return };
    faults(&server);
    let before = server.info("keyspace_hits");
    let diagnosis = Diagnosis::of(&server, "all", &["--via", "replication", "--window", "50ms"]);
    assert_eq!(server.info("keyspace_hits"), before);
    assert_eq!(diagnosis.json["probe"]["keyspace_hits_added"], 0);
    assert!(diagnosis.rules().contains(&"A01"), "{:?}", diagnosis.rules());
    assert!(!diagnosis.loud().contains(&"R05"), "our own resync is no finding: {:?}", diagnosis.loud());
}

#[test]
fn what_looking_at_keys_will_cost_is_said_beforehand() {
    let Some(server) = RedisServer::start() else { return };
    faults(&server);
    let run = RedisOps::new().args(["diagnose", "patterns", "--window", "50ms", "-i", &server.url()]).run();
    assert!(run.stderr.contains("looking at 7 keys: adds at most 35 keyspace hits"), "{}", run.stderr);
    let run = RedisOps::new().args(["diagnose", "memory", "--window", "50ms", "-i", &server.url()]).run();
    assert_eq!(run.stderr, "");
}

#[test]
fn a_backup_is_judged_with_what_its_manifest_knows() {
    let Some(server) = RedisServer::builder().arg("maxmemory", "100mb").arg("maxmemory-policy", "volatile-lru").start()
    else {
        return;
    };
    server.fill(2000, 100);
    let repository = tempfile::tempdir().expect("a folder");
    let place = repository.path().display().to_string();
    assert_eq!(RedisOps::new().args(["backup", "-i", &server.url(), "-r", &place]).run().code, 0);
    let run = RedisOps::new().args(["diagnose", "memory", "--json", "--backup-id", "latest", "-r", &place]).run();
    // Two thousand keys and none that could be evicted: that is known without the server.
    Diagnosis::of_run(&run).first_is("M17");
    let run = RedisOps::new().args(["diagnose", "memory", "--json", "--backup-id", "2001", "-r", &place]).run();
    assert_eq!(run.code, 3, "{}", String::from_utf8_lossy(&run.stdout));
}

#[test]
fn a_sample_stops_when_it_is_sure_and_says_how_sure() {
    let Some(server) = RedisServer::start() else { return };
    // Three of ten keys are sessions; all are about as large.
    let keys: Vec<String> =
        (0..40_000).map(|n| if n % 10 < 3 { format!("session:{n}") } else { format!("user:{n}") }).collect();
    server.pipe(keys.iter().map(|key| vec![b"SET".as_slice(), key.as_bytes(), b"0123456789"]));
    let diagnosis = Diagnosis::of(&server, "keyspace", &["--window", "50ms"]);
    let facts = &diagnosis.json["facts"]["keyspace"];
    let seen = facts["keys_seen"].as_u64().expect("a number");
    assert!((2000..8000).contains(&seen), "{seen}");
    let said = facts["looked_at"].as_str().expect("words");
    assert!(said.contains("of 40,000, ±1."), "{said}");
    let prefixes = facts["prefixes"].as_array().expect("a list");
    let sessions = prefixes.iter().find(|prefix| prefix["name"] == "session:").expect("it is there");
    let share = sessions["keys"].as_u64().expect("a number") as f64 / seen as f64;
    // Five standard deviations: chance does not fail this test in a lifetime.
    assert!((share - 0.3).abs() < 0.04, "{share}");
    // All of them are exact.
    let full = Diagnosis::of(&server, "keyspace", &["--full", "--window", "50ms"]);
    let facts = &full.json["facts"]["keyspace"];
    assert_eq!((facts["keys_seen"].as_u64(), facts["looked_at"].as_str()), (Some(40_000), Some("all 40,000 keys")));
    let sessions = facts["prefixes"].as_array().expect("a list").iter().find(|prefix| prefix["name"] == "session:");
    assert_eq!(sessions.map(|prefix| &prefix["keys"]), Some(&Value::from(12_000)));
}

#[test]
fn a_sample_of_a_cluster_is_not_that_of_its_first_slots() {
    // Since 7.4 SCAN hands out slot after slot: its first keys are of one tenant, or of none.
    let Some(installed) = crate::support::redis_server::server_named("redis-server-8.0") else { return };
    let Some(server) = RedisServer::builder().version(&installed).arg("cluster-enabled", "yes").start() else { return };
    server.ok(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    server.wait_for("it serves", |server| server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    let keys: Vec<String> =
        (0..40_000).map(|n| if n % 4 == 0 { format!("{{tenant}}:{n}") } else { format!("user:{n}") }).collect();
    server.pipe(keys.iter().map(|key| vec![b"SET".as_slice(), key.as_bytes(), b"0123456789"]));
    let diagnosis = Diagnosis::of(&server, "patterns", &["--window", "50ms"]);
    let finding = diagnosis.first_is("A20");
    let share = finding["evidence"]["share"].as_str().and_then(|share| share.trim_end_matches('%').parse::<f64>().ok());
    assert!(share.is_some_and(|share| (share - 25.0).abs() < 5.0), "{finding:#}");
}

#[test]
fn names_as_long_as_they_may_be_are_looked_at_in_small_pages() {
    let Some(server) = RedisServer::start() else { return };
    let keys: Vec<String> = (0..60).map(|n| format!("{n}:{}", "x".repeat(200_000))).collect();
    server.pipe(keys.iter().map(|key| vec![b"SET".as_slice(), key.as_bytes(), b"1"]));
    let diagnosis = Diagnosis::of(&server, "keyspace", &["--window", "50ms", "--full"]);
    assert_eq!(diagnosis.json["facts"]["keyspace"]["keys_seen"], 60);
    diagnosis.first_is("K11");
}

#[test]
fn a_user_who_may_not_ask_for_types_is_told_so() {
    let Some(server) = RedisServer::start() else { return };
    faults(&server);
    server.ok(&["ACL", "SETUSER", "probe", "on", "nopass", "~*", "+info", "+ping", "+scan", "+randomkey", "+select"]);
    let run = RedisOps::new()
        .args(["diagnose", "patterns", "--json", "--window", "50ms", "--username", "probe", "-i", &server.url()])
        .env("REDIS_OPS_PASSWORD", "any")
        .run();
    let diagnosis = Diagnosis::of_run(&run);
    let skipped = diagnosis.json["skipped"].as_array().expect("a list");
    let reason = skipped.iter().find(|skipped| skipped["id"] == "A01").map(|skipped| skipped["reason"].to_string());
    assert!(reason.as_ref().is_some_and(|reason| reason.contains("`+type` is missing")), "{reason:?}");
}
