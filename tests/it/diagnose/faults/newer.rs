//! What only newer servers tell of: slots that move as a whole, backups that the server keeps itself, buffers of cluster links.

use std::time::Duration;

use super::super::lab::{Diagnosis, apply, follow};
use crate::support::redis_server::{RedisServer, free_port, server_named};

/// Minutes and days are long for a test: how long is a limit like any other.
const SOONER: &str = "diagnose: {thresholds: {R28: {warning: 1, critical: 7200}, P27: {warning: 1}}}\n";

/// Two nodes of a cluster that know each other; the first has all slots.
fn two_nodes(name: &str) -> Option<(RedisServer, RedisServer)> {
    let installed = server_named(name)?;
    let start = |bus: &str| {
        RedisServer::builder()
            .version(&installed)
            .arg("cluster-enabled", "yes")
            .arg("cluster-node-timeout", "60000")
            .arg("cluster-port", bus)
            .start()
    };
    let (first_bus, second_bus) = (free_port().to_string(), free_port().to_string());
    let (first, second) = (start(&first_bus)?, start(&second_bus)?);
    first.ok(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    first.ok(&["CLUSTER", "MEET", "127.0.0.1", &second.port().to_string(), &second_bus]);
    for server in [&first, &second] {
        server.wait_for("the cluster", |server| {
            let info = server.ok(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:2")
        });
    }
    Some((first, second))
}

fn signal(server: &RedisServer, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(server.pid() as i32).expect("a process");
    rustix::process::kill_process(pid, signal).expect("a signal");
}

/// The diagnosis of a migration whose other side does not answer: it is found, and the printed fix ends it.
#[track_caller]
fn stands_still(asked: &RedisServer, other: &RedisServer, begin: &[&str], state: &str) {
    signal(other, rustix::process::Signal::STOP);
    asked.ok(begin);
    let diagnose = || Diagnosis::with_settings(asked, "replication", SOONER, &["--window", "100ms"]);
    let begun = std::time::Instant::now();
    let diagnosis = loop {
        let diagnosis = diagnose();
        if diagnosis.finding("R28").is_some() {
            break diagnosis;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{:#}", diagnosis.json["findings"]);
    };
    let finding = diagnosis.finding("R28").expect("it was there");
    assert_eq!((&finding["evidence"]["slots"], &finding["severity"]), (&"0-100".into(), &"warning".into()));
    assert!(finding["evidence"]["state"].as_str().is_some_and(|said| said.contains(state)), "{finding:#}");
    apply(asked, finding);
    diagnose().is_silent("R28");
    signal(other, rustix::process::Signal::CONT);
}

#[test]
fn a_slot_migration_of_redis_that_stands_still() {
    let Some((source, target)) = two_nodes("redis-server-8.10") else { return };
    stands_still(&target, &source, &["CLUSTER", "MIGRATION", "IMPORT", "0", "100"], "auth");
}

#[test]
fn a_slot_migration_of_valkey_that_stands_still() {
    let Some((source, target)) = two_nodes("valkey-server-9.1") else { return };
    let id = target.ok(&["CLUSTER", "MYID"]);
    let begin = ["CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", "0", "100", "NODE", &id];
    stands_still(&source, &target, &begin, "establish");
}

#[test]
fn messages_for_a_node_that_does_not_read() {
    const SOONER: &str = "diagnose: {thresholds: {M37: {floor: 5000000}}}\n";
    for name in ["redis-server-7.0", "redis-server-8.10", "valkey-server-9.1"] {
        let Some((server, deaf)) = two_nodes(name) else { continue };
        signal(&deaf, rustix::process::Signal::STOP);
        // Every node gets every message.
        let message = vec![b'x'; 1_000_000];
        server.pipe((0..20).map(|_| vec![b"PUBLISH".as_slice(), b"news", &message]));
        let diagnosis = Diagnosis::with_settings(&server, "memory", SOONER, &["--window", "100ms"]);
        let finding = diagnosis.finding("M37").unwrap_or_else(|| panic!("{name}: {:#}", diagnosis.json["findings"]));
        follow(finding, "CLUSTER NODES");
        signal(&deaf, rustix::process::Signal::CONT);
        let links = |server: &RedisServer| server.info("mem_cluster_links").parse::<u64>();
        server.wait_for("it has read them", |server| links(server).is_ok_and(|bytes| bytes < 5_000_000));
        Diagnosis::with_settings(&server, "memory", SOONER, &["--window", "100ms"]).is_silent("M37");
    }
}

#[test]
fn a_backup_of_the_server_that_nobody_took_away() {
    let Some(installed) = server_named("redis-server-8.10") else { return };
    let Some(server) = RedisServer::builder().version(&installed).start() else { return };
    server.ok(&["SET", "a", "b"]);
    let state = |server: &RedisServer, state: &str| server.cli(&["BACKUP", "STATUS"]).contains(state);
    let diagnose = || Diagnosis::with_settings(&server, "persistence", SOONER, &["--window", "100ms"]);
    diagnose().is_silent("P27");
    server.ok(&["BACKUP", "START"]);
    server.wait_for("it takes what is written", |server| state(server, "incrementing"));
    server.ok(&["BACKUP", "SEAL"]);
    server.wait_for("it is sealed", |server| state(server, "sealed"));
    let begun = std::time::Instant::now();
    let diagnosis = loop {
        let diagnosis = diagnose();
        if diagnosis.finding("P27").is_some() {
            break diagnosis;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{:#}", diagnosis.json["findings"]);
    };
    let finding = diagnosis.first_is("P27");
    assert_eq!(finding["evidence"]["state"], "sealed", "{finding:#}");
    apply(&server, finding);
    diagnose().is_silent("P27");
}
