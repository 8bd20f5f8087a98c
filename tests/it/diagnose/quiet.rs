//! No false alarms, no harm: healthy servers of every version, users with few rights, and what a diagnosis costs.

use super::lab::Diagnosis;
use crate::support::redis_server::{RedisServer, servers};

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
    server.ok(&["SET", "lock:import:1", "9f86d081884c7d659a2feaa0c55ad015", "NX", "PX", "30000"]);
    server.ok(&["SET", "rate:10.0.0.1", "3", "EX", "60"]);
    server.ok(&["RPUSH", "queue:mail", "a", "b"]);
    server.ok(&["ZADD", "board:all", "1", "a"]);
    server.ok(&["XADD", "events:all", "*", "f", "v"]);
}

#[test]
fn a_healthy_server_of_every_version_gives_no_warning() {
    for installed in servers() {
        let Some(server) = RedisServer::builder().version(&installed).start() else { return };
        for filled in [false, true] {
            if filled {
                standard_data(&server);
            }
            let diagnosis = Diagnosis::of(&server, "all", &["--window", "300ms"]);
            assert!(
                diagnosis.loud().is_empty(),
                "{} (with data: {filled}): {:#}",
                installed.name,
                diagnosis.json["findings"]
            );
            assert_eq!(diagnosis.code, 0, "{}", installed.name);
        }
    }
}

#[test]
fn memory_and_connections_cost_twelve_commands_and_touch_no_key() {
    for installed in servers() {
        let Some(server) = RedisServer::builder().version(&installed).start() else { return };
        standard_data(&server);
        let calls = |server: &RedisServer| server.info("total_commands_processed").parse::<u64>().expect("a number");
        let hits = server.info("keyspace_hits");
        for topic in ["memory", "connections"] {
            let before = calls(&server);
            let diagnosis = Diagnosis::of(&server, topic, &[]);
            let pings = diagnosis.json["probe"]["pings"].as_u64().expect("a number");
            // One INFO is the test's own, and one PING is the greeting's.
            let sent = calls(&server) - before - pings - 2;
            assert!(sent <= 12, "{}: {topic} took {sent} commands", installed.name);
            assert_eq!(diagnosis.json["probe"]["keyspace_hits_added"], 0);
        }
        assert_eq!(server.info("keyspace_hits"), hits, "{}", installed.name);
    }
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

#[test]
fn a_user_with_few_rights_gets_an_answer_and_is_told_what_was_skipped() {
    for installed in servers() {
        let Some(server) = RedisServer::builder().version(&installed).start() else { return };
        server.ok(&["ACL", "SETUSER", "probe", "on", ">probe-password", "+info", "+ping"]);
        let file = server.dir().join("password");
        std::fs::write(&file, "probe-password").expect("written");
        let file = file.display().to_string();
        let more = ["--username", "probe", "--password-file", file.as_str(), "--window", "100ms"];
        let diagnosis = Diagnosis::of(&server, "all", &more);
        assert!(diagnosis.loud().is_empty(), "{}: {:?}", installed.name, diagnosis.loud());
        let skipped = diagnosis.json["skipped"].as_array().expect("a list");
        let reason = |rule: &str| {
            skipped.iter().find(|skipped| skipped["id"] == rule).and_then(|skipped| skipped["reason"].as_str())
        };
        assert!(reason("C08").is_some_and(|reason| reason.contains("denied")), "{}: {skipped:?}", installed.name);
        assert!(reason("P10").is_some_and(|reason| reason.contains("denied")), "{}: {skipped:?}", installed.name);
        assert!(diagnosis.rules().contains(&"S10"), "{}", installed.name);
    }
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
