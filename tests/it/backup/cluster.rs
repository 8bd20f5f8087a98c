//! One node of a cluster is the cluster only if it serves every slot.

use super::{Folder, backed_up, backup, failure};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Installed, RedisServer, free_port, servers};

/// The servers whose bus can be told where to listen (7.0): the usual place, 10,000 ports higher, may not exist here.
fn clusters() -> impl Iterator<Item = Installed> {
    servers().into_iter().filter(|installed| !installed.is("6.2"))
}

/// A node of a cluster that serves these slots, with keys in some of them.
fn node(installed: &Installed, first: u16, last: u16) -> Option<(RedisServer, u64)> {
    let builder = RedisServer::builder().version(installed).arg("cluster-enabled", "yes");
    let builder = builder.arg("cluster-port", &free_port().to_string());
    let server = builder.arg("cluster-require-full-coverage", "no").start()?;
    server.ok(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
    server.wait_for("the cluster", |server| server.ok(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    let keys = (0..200).filter(|n| server.cli(&["SET", &format!("key:{n}"), "value"]) == "OK").count();
    assert!(keys > 0, "{}", installed.name);
    Some((server, keys as u64))
}

#[test]
fn a_node_that_serves_every_slot_is_backed_up_and_compared_as_the_cluster() {
    for installed in clusters() {
        let Some((server, keys)) = node(&installed, 0, 16383) else { return };
        let folder = Folder::new();
        let answer = backed_up(&server.url(), &folder.text(), &[]);
        let manifest = &answer["backup"];
        assert_eq!(manifest["shards"][0]["slots"], "0-16383", "{}: {answer}", installed.name);
        assert_eq!((&manifest["census"]["keys"], keys), (&keys.into(), 200), "{}", installed.name);
        let line = ["verify", "-r", &folder.text(), "--backup-id", "prod/latest", "-i", &server.url()];
        let (code, answer) = RedisOps::new().args(line).json();
        assert_eq!((code, &answer["comparison"]["equal"]), (0, &200.into()), "{}: {answer}", installed.name);
        let run = RedisOps::new().args(["list", "-r", &folder.text()]).run();
        assert!(!run.text().contains("one shard"), "{}", run.text());
        let run = backup(&server.url(), &folder.text(), &["--plan"]).run();
        assert_eq!(run.code, 0, "{}", run.everything());
    }
}

#[test]
fn a_node_that_serves_a_part_is_refused_with_the_number_and_taken_on_purpose_only() {
    for installed in clusters() {
        let Some((server, keys)) = node(&installed, 0, 5460) else { return };
        let folder = Folder::new();
        for more in [&[][..], &["--plan"], &["--source", "scan"]] {
            let run = backup(&server.url(), &folder.text(), &[&["--json"], more].concat()).run();
            assert_eq!(failure(&run), (2, "one_shard".to_owned()), "{more:?}: {}", run.everything());
            assert!(run.text().contains("5,461 of 16,384 slots"), "{}", run.text());
            assert!(run.json()["error"]["hint"].as_str().is_some_and(|hint| hint.contains("--shard-only")));
            assert_eq!(folder.files(), Vec::<String>::new());
        }
        let run = backup(&server.url(), &folder.text(), &["--shard-only", "--plan"]).run();
        assert_eq!(run.code, 1, "{}", run.everything());
        assert!(run.text().contains("5,461 of 16,384 slots (0-5460)"), "{}", run.text());

        let run = backup(&server.url(), &folder.text(), &["--shard-only", "--json"]).run();
        let answer = run.json();
        assert_eq!((run.code, &answer["backup"]["shards"][0]["slots"]), (1, &"0-5460".into()), "{}", run.everything());
        assert_eq!(answer["backup"]["census"]["keys"], keys);
        assert!(answer["warnings"].to_string().contains("5,461 of 16,384 slots (0-5460)"), "{answer}");

        let (_, listed) = RedisOps::new().args(["list", "-r", &folder.text()]).json();
        assert_eq!(listed["backups"][0]["slots"], "0-5460");
        for (line, words) in
            [(&["list"][..], "one shard"), (&["show", "prod/latest"], "0-5460: one shard of a cluster only")]
        {
            let run = RedisOps::new().args(line).args(["-r", &folder.text()]).run();
            assert!(run.code == 0 && run.text().contains(words), "{words}: {}", run.everything());
        }
        // Equal to that shard is not equal to the cluster.
        let line = ["verify", "-r", &folder.text(), "--backup-id", "prod/latest", "-i", &server.url()];
        let (code, answer) = RedisOps::new().args(line).json();
        assert_eq!((code, &answer["comparison"]["equal"]), (1, &keys.into()), "{}: {answer}", installed.name);
        let run = RedisOps::new().args(line).run();
        assert!(run.text().contains("one shard of a cluster only (slots 0-5460)"), "{}", run.everything());

        // The node that it is of takes it back; so does a server without a cluster, which hears that it is a part.
        server.ok(&["FLUSHALL"]);
        let line = ["restore", "-r", &folder.text(), "--backup-id", "prod/latest", "--target-instance", &server.url()];
        let (code, answer) = RedisOps::new().args(line).json();
        assert_eq!((code, &answer["result"]["restored"]), (0, &keys.into()), "{}: {answer}", installed.name);
        let single = RedisServer::builder().version(&installed).start().unwrap();
        let url = single.url();
        for method in ["auto", "restore"] {
            let line = [
                "restore",
                "-r",
                &folder.text(),
                "--backup-id",
                "prod/latest",
                "--target-instance",
                &url,
                "--method",
                method,
            ];
            let run = RedisOps::new().args(line).run();
            assert_eq!(run.code, 0, "{}: {}", installed.name, run.everything());
            assert!(run.everything().contains("one shard of a cluster only (slots 0-5460)"), "{}", run.everything());
            single.ok(&["FLUSHALL"]);
        }
        // Another node does not serve these slots.
        let Some((other, _)) = node(&installed, 5461, 10922) else { return };
        other.ok(&["FLUSHALL"]);
        let line = ["restore", "-r", &folder.text(), "--backup-id", "prod/latest", "--target-instance", &other.url()];
        let (code, answer) = RedisOps::new().args(line).json();
        assert_eq!((code, &answer["error"]["code"]), (2, &"cluster".into()), "{}: {answer}", installed.name);
    }
}

#[test]
fn what_is_no_cluster_has_no_part_to_be_taken() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(3, 3);
    let folder = Folder::new();
    let answer = backed_up(&server.url(), &folder.text(), &["--shard-only", "--stale"]);
    assert_eq!(
        (&answer["backup"]["shards"][0]["slots"], &answer["backup"]["stale"]),
        (&serde_json::Value::Null, &false.into())
    );
}

#[test]
fn a_replica_in_a_cluster_is_read_itself_and_does_not_send_us_to_its_primary() {
    // The oldest and the newest whose bus can be told where to listen.
    let all: Vec<Installed> = clusters().collect();
    for installed in all.iter().take(1).chain(all.iter().skip(1).last()) {
        let bus = free_port().to_string();
        let start = |bus: &str| {
            let builder = RedisServer::builder().version(installed).arg("cluster-enabled", "yes");
            // While this lasts nobody calls the cluster down.
            builder.arg("cluster-port", bus).arg("cluster-node-timeout", "600000").start()
        };
        let (Some(mut primary), Some(replica)) = (start(&bus), start(&free_port().to_string())) else { return };
        primary.ok(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        primary.wait_for("the cluster", |server| server.ok(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
        for n in 0..50 {
            primary.ok(&["SET", &format!("key:{n}"), "value"]);
        }
        let id = primary.ok(&["CLUSTER", "MYID"]);
        replica.ok(&["CLUSTER", "MEET", "127.0.0.1", &primary.port().to_string(), &bus]);
        replica.wait_for("it follows", |server| server.cli(&["CLUSTER", "REPLICATE", &id]) == "OK");
        replica.wait_for("it is in sync", |server| server.info("master_link_status") == "up");
        replica.wait_for("it is whole", |server| server.ok(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
        let folder = Folder::new();
        let run = backup(&replica.url(), &folder.text(), &["--source", "scan", "--json"]).run();
        let name = &installed.name;
        assert_eq!(
            (run.code, &run.json()["backup"]["census"]["keys"]),
            (1, &50.into()),
            "{name}: {}",
            run.everything()
        );
        let (_, answer) = RedisOps::new().args(["diagnose", "keyspace", "--full", "-i", &replica.url()]).json();
        assert!(!answer.to_string().contains("MOVED"), "{name}: {answer:#}");

        primary.kill();
        replica.wait_for("the end of the link", |server| server.info("master_link_status") == "down");
        let run = backup(&replica.url(), &folder.text(), &["--stale", "--json"]).run();
        assert_eq!(
            (run.code, &run.json()["backup"]["census"]["keys"]),
            (1, &50.into()),
            "{name}: {}",
            run.everything()
        );
        // Once the cluster is called down nobody is served, unless that is set.
        replica.ok(&["CONFIG", "SET", "cluster-node-timeout", "500"]);
        replica
            .wait_for("the cluster is down", |server| server.ok(&["CLUSTER", "INFO"]).contains("cluster_state:fail"));
        let run = backup(&replica.url(), &folder.text(), &["--stale", "--json"]).run();
        assert_eq!(failure(&run), (2, "cluster_down".to_owned()), "{name}: {}", run.everything());
        let hint = run.json()["error"]["hint"].as_str().unwrap_or_default().to_owned();
        assert!(hint.contains("cluster-allow-reads-when-down yes"), "{name}: {hint}");
        replica.ok(&["CONFIG", "SET", "cluster-allow-reads-when-down", "yes"]);
        let run = backup(&replica.url(), &folder.text(), &["--stale", "--json"]).run();
        assert_eq!(
            (run.code, &run.json()["backup"]["census"]["keys"]),
            (1, &50.into()),
            "{name}: {}",
            run.everything()
        );
    }
}
