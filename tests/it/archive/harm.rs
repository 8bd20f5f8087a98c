//! What a follower does to the server it follows: nothing.

use std::time::Instant;

use super::{Lab, lively, stop, write};
use crate::support::redis_server::servers;

#[test]
fn a_follower_is_counted_by_nobody_and_does_not_hold_up_a_shutdown() {
    for installed in servers() {
        let Some(mut server) = lively().version(&installed).start() else {
            return;
        };
        let lab = Lab::new();
        let running = lab.archiver(&server, &[]);
        write(&server, 1);
        lab.wait_for(server.info("master_repl_offset").parse().unwrap());
        let mut client = server.client();
        client.ask(&[b"SET", b"mine", b"1"]).unwrap();
        let counted = client.ask(&[b"WAIT", b"1", b"1500"]).unwrap().to_string();
        assert_eq!(counted, "0", "{}", installed.name);
        // A Sentinel cannot resolve this name, and takes nobody for a replica.
        assert!(server.info("slave0").contains("ip=x.invalid,"), "{}: {}", installed.name, server.info("slave0"));
        let begun = Instant::now();
        server.shut_down();
        let took = begun.elapsed();
        // Without an answer it waits for ten seconds.
        assert!(took.as_secs() < 8, "{}: {took:?}", installed.name);
        stop(running);
    }
}

#[test]
fn a_primary_that_counts_its_replicas_is_not_followed() {
    let Some(server) = lively().arg("min-replicas-to-write", "1").start() else { return };
    let lab = Lab::new();
    let (code, answer) = lab.run(&["archive", "-i", &server.url(), "--name", "x", "--for", "5s"]).json();
    assert_eq!((code, answer["error"]["code"].as_str()), (2, Some("source_not_fit")), "{answer:#}");
    assert!(answer["error"]["message"].to_string().contains("follow"), "{answer:#}");
    assert!(server.cli(&["SET", "a", "1"]).contains("NOREPLICAS"));
}

#[test]
fn a_change_of_roles_is_followed_without_a_loss() {
    for installed in servers() {
        let Some(primary) = lively().version(&installed).start() else { return };
        let Some(replica) = lively().version(&installed).start() else { return };
        let port = primary.port().to_string();
        replica.ok(&["REPLICAOF", "127.0.0.1", &port]);
        replica.wait_for("the link", |replica| replica.info("master_link_status") == "up");
        let lab = Lab::new();
        let running = lab.archiver(&replica, &[]);
        write(&primary, 1);
        lab.wait_for(primary.info("master_repl_offset").parse().unwrap());
        replica.ok(&["REPLICAOF", "NO", "ONE"]);
        write(&replica, 2);
        lab.wait_for(replica.info("master_repl_offset").parse().unwrap());
        let answer = stop(running);
        assert_eq!(answer["archive"]["gaps"], serde_json::json!([]), "{}: {answer:#}", installed.name);
        let mut histories: Vec<String> =
            lab.segments().iter().filter_map(|name| name.split('/').nth(3).map(str::to_owned)).collect();
        histories.dedup();
        histories.sort();
        histories.dedup();
        assert_eq!(histories.len(), 2, "{}: {:#?}", installed.name, lab.segments());
    }
}

#[test]
fn a_failover_finds_no_target_in_a_follower() {
    for installed in servers() {
        let Some(server) = lively().version(&installed).start() else { return };
        let lab = Lab::new();
        let running = lab.archiver(&server, &[]);
        // Until its first byte of stream a server takes whoever is attached for caught up.
        server.wait_for("its first byte", |server| server.info("master_repl_offset") != "0");
        let answer = server.cli(&["FAILOVER", "TIMEOUT", "1500"]);
        // Whether it is refused or waited for, nobody takes the role over.
        server.wait_for("the end of it", |server| server.info("master_failover_state") == "no-failover");
        assert_eq!(server.info("role"), "master", "{}: {answer}", installed.name);
        assert_eq!(server.cli(&["SET", "a", "1"]).trim(), "OK", "{}", installed.name);
        lab.wait_for(server.info("master_repl_offset").parse().unwrap());
        stop(running);
    }
}
