//! Clusters: slots, nodes and replicas.

use super::super::lab::{Diagnosis, apply, apply_elsewhere, follow};
use super::{server, set};
use crate::support::redis_server::{Installed, RedisServer, server_named};

#[test]
fn a_cluster_without_slots() {
    let Some(server) = server(&[("cluster-enabled", "yes")]) else { return };
    let diagnosis = Diagnosis::of(&server, "replication", &[]);
    apply(&server, diagnosis.first_is("R09"));
    server.wait_for("it serves", |server| server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    Diagnosis::of(&server, "replication", &[]).has_gone("R09");
}

/// Primaries that share the slots, and know each other.
#[track_caller]
fn cluster(installed: Option<&Installed>, count: usize) -> Option<Vec<RedisServer>> {
    let start = || {
        let builder = RedisServer::builder().arg("cluster-enabled", "yes").arg("cluster-node-timeout", "2000");
        let builder = builder.arg("cluster-replica-no-failover", "yes");
        match installed {
            Some(installed) => builder.version(installed).start(),
            None => builder.start(),
        }
    };
    let servers = (0..count).map(|_| start()).collect::<Option<Vec<RedisServer>>>()?;
    for (n, server) in servers.iter().enumerate() {
        server.ok(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()]);
        let (first, last) = (16_384 * n / count, 16_384 * (n + 1) / count - 1);
        server.ok(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
        server.ok(&["CLUSTER", "MEET", "127.0.0.1", &servers[0].port().to_string()]);
    }
    for server in &servers {
        server.wait_for("the cluster is whole", |server| {
            let info = server.cli(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{count}"))
        });
    }
    Some(servers)
}

#[test]
fn a_replica_whose_primary_is_gone() {
    let Some(mut servers) = cluster(None, 3) else { return };
    let Some(replica) =
        server(&[("cluster-enabled", "yes"), ("cluster-replica-no-failover", "yes"), ("cluster-node-timeout", "2000")])
    else {
        return;
    };
    replica.ok(&["CLUSTER", "MEET", "127.0.0.1", &servers[0].port().to_string()]);
    let lost = servers[2].ok(&["CLUSTER", "MYID"]);
    replica.wait_for("it knows its primary", |server| server.cli(&["CLUSTER", "NODES"]).contains(&lost));
    replica.wait_for("it follows", |server| server.cli(&["CLUSTER", "REPLICATE", &lost]) == "OK");
    replica.wait_for("it is in sync", |server| server.info("master_link_status") == "up");
    servers[0].wait_for("the others know", |server| {
        server.cli(&["CLUSTER", "NODES"]).lines().any(|line| line.contains("slave") && line.contains(&lost))
    });
    servers[2].kill();
    let failed = |line: &str| line.starts_with(&lost) && line.split([' ', ',']).any(|flag| flag == "fail");
    servers[0].wait_for("it is called failed", |server| server.cli(&["CLUSTER", "NODES"]).lines().any(failed));
    let diagnosis = Diagnosis::of(&servers[0], "replication", &[]);
    let finding = diagnosis.first_is("R14");
    assert!(diagnosis.finding("R09").is_some(), "the slots are not served: {:#}", diagnosis.json["findings"]);
    apply_elsewhere(&[&replica], finding);
    servers[0].wait_for("the slots are served", |server| server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    let after = Diagnosis::of(&servers[0], "replication", &[]);
    after.has_gone("R14");
    after.has_gone("R09");
}

#[test]
fn two_nodes_that_both_claim_a_slot() {
    let Some(servers) = cluster(None, 3) else { return };
    // One forgets another, as after a botched repair, and takes what it thinks is nobody's. The other has the newer claim and keeps it.
    let forgotten = servers[2].ok(&["CLUSTER", "MYID"]);
    servers[0].ok(&["CLUSTER", "FORGET", &forgotten]);
    servers[0].ok(&["CLUSTER", "ADDSLOTS", "16000"]);
    let diagnosis = Diagnosis::of(&servers[1], "replication", &[]);
    let finding = diagnosis.first_is("R13");
    assert_eq!((&finding["severity"], &finding["evidence"]["slot"]), (&"critical".into(), &16_000.into()));
    apply_elsewhere(&servers.iter().collect::<Vec<_>>(), finding);
    Diagnosis::of(&servers[1], "replication", &[]).has_gone("R13");
}

#[test]
fn keys_of_slots_that_the_node_does_not_serve() {
    let Some(installed) = server_named("valkey-server-8.1") else { return };
    let Some(servers) = cluster(Some(&installed), 1) else { return };
    let server = &servers[0];
    set(server, 200, |n| format!("{{user}}:{n}"), None);
    set(server, 100, |n| format!("order:{n}"), None);
    let slot = server.ok(&["CLUSTER", "KEYSLOT", "{user}"]);
    Diagnosis::of(server, "keyspace", &[]).has_gone("K15");
    server.ok(&["CLUSTER", "DELSLOTS", &slot]);
    let diagnosis = Diagnosis::of(server, "keyspace", &[]);
    let finding = diagnosis.first_is("K15");
    assert_eq!(finding["evidence"]["unreachable_keys"], 200);
    // The first slot that is not served is the one that is missing here.
    assert!(
        finding["fix"][0].as_str().is_some_and(|fix| fix.contains(&format!("COUNTKEYSINSLOT {slot} "))),
        "{finding:#}"
    );
    follow(finding, "CLUSTER ADDSLOTS <slot>");
    server.ok(&["CLUSTER", "ADDSLOTS", &slot]);
    Diagnosis::of(server, "keyspace", &[]).has_gone("K15");
}

#[test]
fn a_shard_that_holds_far_more_than_the_others() {
    const SMALLER: &str = "diagnose: {thresholds: {K09: {keys: 500}}}\n";
    let Some(servers) = cluster(None, 3) else { return };
    let slot: u16 = servers[0].ok(&["CLUSTER", "KEYSLOT", "{tenant}"]).parse().expect("a slot");
    let owner = &servers[usize::from(slot) * 3 / 16_384];
    set(owner, 1000, |n| format!("{{tenant}}:{n}"), None);
    // Whichever node is asked.
    for server in &servers {
        let diagnosis = Diagnosis::with_settings(server, "keyspace", SMALLER, &[]);
        let finding = diagnosis.first_is("K09");
        assert_eq!((&finding["evidence"]["measure"], &finding["evidence"]["most"]), (&"keys".into(), &1000.into()));
        follow(finding, "a hash tag that many keys share");
    }
    // Another tag for each key, and they are spread.
    owner.ok(&["FLUSHALL"]);
    for n in 0..3000 {
        let key = format!("tenant:{n}");
        let slot: u16 = servers[0].ok(&["CLUSTER", "KEYSLOT", &key]).parse().expect("a slot");
        servers[usize::from(slot) * 3 / 16_384].ok(&["SET", &key, "x"]);
    }
    Diagnosis::with_settings(&servers[0], "keyspace", SMALLER, &[]).has_gone("K09");
}
