//! No false alarms, no harm: healthy servers of every version, users with few rights, and what a diagnosis costs.

use super::lab::Diagnosis;
use crate::support::redis_server::{RedisServer, on_each, server_named, servers};

/// A little of everything that applications keep, as it should be kept.
fn standard_data(server: &RedisServer) {
    let users: Vec<String> = (0..300).map(|n| format!("user:{n}")).collect();
    server.pipe(users.iter().map(|key| vec![b"HSET".as_slice(), key.as_bytes(), b"name", b"n", b"mail", b"m"]));
    let sessions: Vec<(String, String)> =
        (0..300).map(|n| (format!("session:{n:032x}"), (3600 + n * 7).to_string())).collect();
    server.pipe(
        sessions
            .iter()
            .map(|(key, ttl)| vec![b"SET".as_slice(), key.as_bytes(), b"0123456789abcdef", b"EX", ttl.as_bytes()]),
    );
    // Collections, half of them with an end.
    let groups: Vec<String> = (0..100).map(|n| format!("group:{n}")).collect();
    server.pipe(groups.iter().map(|key| vec![b"SADD".as_slice(), key.as_bytes(), b"1", b"2", b"three"]));
    let carts: Vec<String> = (0..100).map(|n| format!("cart:{n}")).collect();
    server.pipe(carts.iter().map(|key| vec![b"RPUSH".as_slice(), key.as_bytes(), b"a", b"b"]));
    let trends: Vec<String> = (0..100).map(|n| format!("trend:{n}")).collect();
    server.pipe(trends.iter().map(|key| vec![b"ZADD".as_slice(), key.as_bytes(), b"1", b"a", b"2", b"b"]));
    let ends: Vec<(&String, String)> =
        carts.iter().chain(&trends).zip((0..).map(|n| (7200 + n * 11).to_string())).collect();
    server.pipe(ends.iter().map(|(key, ttl)| vec![b"EXPIRE".as_slice(), key.as_bytes(), ttl.as_bytes()]));
    server.ok(&["SET", "lock:import:1", "9f86d081884c7d659a2feaa0c55ad015", "NX", "PX", "30000"]);
    server.ok(&["SET", "rate:10.0.0.1", "3", "EX", "60"]);
    server.ok(&["RPUSH", "queue:mail", "a", "b"]);
    server.ok(&["ZADD", "board:all", "1", "a"]);
    server.ok(&["XADD", "events:all", "*", "f", "v"]);
}

/// A machine that runs other tests beside answers late, and C15 says so truly; `rules::cases` holds its limits.
pub(super) const SHARED_MACHINE: &str = "diagnose:\n  thresholds: {C15: {warning: 1000000, critical: 2000000}}\n";

#[test]
fn a_healthy_server_of_every_version_gives_no_warning() {
    on_each(&servers(), |installed| {
        // As it comes: it saves.
        let builder = RedisServer::builder().version(installed).arg("save", "3600 1 300 100 60 10000");
        let Some(server) = builder.start() else { return };
        for filled in [false, true] {
            if filled {
                standard_data(&server);
            }
            let diagnosis = Diagnosis::with_settings(&server, "all", SHARED_MACHINE, &["--window", "300ms"]);
            assert!(
                diagnosis.loud().is_empty(),
                "{} (with data: {filled}): {:#}",
                installed.name,
                diagnosis.json["findings"]
            );
            assert_eq!(diagnosis.code, 0, "{}", installed.name);
        }
    });
}

/// Topics that promise to touch no key.
const TOUCH_NO_KEY: [&str; 5] = ["memory", "connections", "persistence", "replication", "security"];

/// Diagnoses each of them, and counts at the server what that took.
#[track_caller]
fn costs_twelve_commands_and_no_hit(server: &RedisServer, more: &[&str]) {
    let name = &server.installed().name;
    let calls = || server.info("total_commands_processed").parse::<u64>().expect("a number");
    let lookups = || (server.info("keyspace_hits"), server.info("keyspace_misses"));
    let before = lookups();
    // A PING; where there is a password AUTH, too. What else the greeting says (CLIENT SETNAME) is counted.
    let greeting = if more.is_empty() { 1 } else { 2 };
    for topic in TOUCH_NO_KEY {
        let at_first = calls();
        let diagnosis = Diagnosis::of(server, topic, more);
        let probe = &diagnosis.json["probe"];
        let (pings, said) = (probe["pings"].as_u64().expect("a number"), probe["commands"].as_u64().expect("a number"));
        // One INFO is the test's own.
        let sent = calls() - at_first - pings - 1 - greeting;
        assert!(sent <= 12 && said <= 12, "{name}: {topic} took {sent} commands, and says {said}");
        assert_eq!(probe["keyspace_hits_added"], 0, "{name}: {topic}");
    }
    assert_eq!(lookups(), before, "{name}");
}

#[test]
fn five_topics_cost_twelve_commands_each_and_touch_no_key() {
    on_each(&servers(), |installed| {
        let Some(server) = RedisServer::builder().version(installed).start() else { return };
        standard_data(&server);
        costs_twelve_commands_and_no_hit(&server, &[]);
    });
}

#[test]
fn a_server_that_refuses_config_costs_no_more() {
    on_each(&servers(), |installed| {
        let Some(server) = RedisServer::builder().version(installed).start() else { return };
        standard_data(&server);
        server.ok(&["ACL", "SETUSER", "probe", "on", ">probe-password", "~*", "&*", "+@all", "-config"]);
        let file = server.dir().join("password");
        std::fs::write(&file, "probe-password").expect("written");
        let file = file.display().to_string();
        let more = ["--username", "probe", "--password-file", file.as_str()];
        costs_twelve_commands_and_no_hit(&server, &more);
        for topic in TOUCH_NO_KEY {
            let diagnosis = Diagnosis::with_settings(&server, topic, SHARED_MACHINE, &more);
            assert!(diagnosis.loud().is_empty(), "{}: {topic}: {:#}", installed.name, diagnosis.json["findings"]);
            let skipped = diagnosis.json["skipped"].as_array().expect("a list");
            let named =
                skipped.iter().any(|skipped| skipped["reason"].as_str().is_some_and(|text| text.contains("CONFIG")));
            assert!(named || ["memory", "replication"].contains(&topic), "{}: {topic}: {skipped:#?}", installed.name);
        }
    });
}

#[test]
fn ten_thousand_connections_cost_no_more() {
    const CONNECTIONS: usize = 10_000;
    let Some(server) = RedisServer::builder().arg("maxclients", "15000").start() else { return };
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let Ok(client) = std::net::TcpStream::connect(("127.0.0.1", server.port())) else {
            crate::support::skip("10,000 file descriptors");
            return;
        };
        clients.push(client);
    }
    server.wait_for("all are there", |server| {
        server.info("connected_clients").parse::<usize>().is_ok_and(|count| count >= CONNECTIONS)
    });
    costs_twelve_commands_and_no_hit(&server, &[]);
    let diagnosis = Diagnosis::of(&server, "connections", &[]);
    let groups = diagnosis.json["facts"]["connections"]["clients"].as_array().expect("a list");
    assert!(groups[0]["clients"].as_u64().is_some_and(|count| count >= CONNECTIONS as u64), "{groups:#?}");
}

#[test]
fn the_receipt_tells_the_hits_that_were_added() {
    let Some(server) = RedisServer::start() else { return };
    standard_data(&server);
    let hits = || server.info("keyspace_hits").parse::<u64>().expect("a number");
    let before = hits();
    let diagnosis = Diagnosis::of(&server, "keyspace", &[]);
    assert_eq!(diagnosis.json["probe"]["keyspace_hits_added"].as_u64(), Some(hits() - before));
}

/// Redis 8.10.2 crashes when it is asked for the memory of such a value.
#[test]
fn a_vector_set_that_expires_is_looked_at_and_the_server_lives() {
    let Some(installed) = server_named("redis-server-8.10") else { return };
    let Some(server) = RedisServer::builder().version(&installed).start() else { return };
    standard_data(&server);
    for n in ["1", "2", "3", "4"] {
        server.ok(&["VADD", "vectors", "VALUES", "3", n, "1", "0.5", &format!("element{n}")]);
    }
    server.ok(&["PEXPIRE", "vectors", "1000000000"]);
    let hits = || server.info("keyspace_hits").parse::<u64>().expect("a number");
    let before = hits();
    let diagnosis = Diagnosis::of(&server, "keyspace", &["--full"]);
    assert_eq!(diagnosis.json["probe"]["keyspace_hits_added"].as_u64(), Some(hits() - before));
    assert_eq!(server.ok(&["TYPE", "vectors"]), "vectorset");
    let types = diagnosis.json.to_string();
    assert!(types.contains("vectorset"), "{types}");
}

#[test]
fn a_user_with_few_rights_gets_an_answer_and_is_told_what_was_skipped() {
    on_each(&servers(), |installed| {
        let Some(server) = RedisServer::builder().version(installed).start() else { return };
        server.ok(&["ACL", "SETUSER", "probe", "on", ">probe-password", "+info", "+ping"]);
        let file = server.dir().join("password");
        std::fs::write(&file, "probe-password").expect("written");
        let file = file.display().to_string();
        let more = ["--username", "probe", "--password-file", file.as_str(), "--window", "100ms"];
        let diagnosis = Diagnosis::with_settings(&server, "all", SHARED_MACHINE, &more);
        assert!(diagnosis.loud().is_empty(), "{}: {:?}", installed.name, diagnosis.loud());
        let skipped = diagnosis.json["skipped"].as_array().expect("a list");
        let reason = |rule: &str| {
            skipped.iter().find(|skipped| skipped["id"] == rule).and_then(|skipped| skipped["reason"].as_str())
        };
        assert!(reason("C08").is_some_and(|reason| reason.contains("denied")), "{}: {skipped:?}", installed.name);
        assert!(reason("P10").is_some_and(|reason| reason.contains("denied")), "{}: {skipped:?}", installed.name);
        assert!(diagnosis.rules().contains(&"S10"), "{}", installed.name);
    });
}

#[test]
fn a_replica_is_diagnosed_without_a_write() {
    let (Some(primary), Some(replica)) = (RedisServer::start(), RedisServer::start()) else { return };
    standard_data(&primary);
    replica.ok(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    replica.wait_for("it is in sync", |server| server.info("master_link_status") == "up");
    let diagnosis = Diagnosis::of(&replica, "all", &["--window", "100ms"]);
    assert!(diagnosis.loud().is_empty(), "{:#}", diagnosis.json["findings"]);
    assert_eq!(diagnosis.json["server"]["role"], "replica");
}
