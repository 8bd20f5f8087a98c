//! The last living replica: its primary is gone, and it replicates to nobody.

use super::{Folder, backup, failure};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Installed, RedisServer, on_each, servers};

/// A replica with 20 keys whose primary is gone.
fn orphan(installed: &Installed, serves: &str) -> Option<RedisServer> {
    let mut primary = RedisServer::builder().version(installed).start()?;
    primary.fill(20, 10);
    let builder = RedisServer::builder().version(installed).arg("replicaof", &format!("127.0.0.1 {}", primary.port()));
    let replica = builder.arg("replica-serve-stale-data", serves).start()?;
    replica.wait_for("the link to the primary", |server| server.info("master_link_status") == "up");
    primary.kill();
    replica.wait_for("the end of the link", |server| server.info("master_link_status") == "down");
    Some(replica)
}

#[test]
fn the_last_living_replica_is_taken_on_purpose_only() {
    on_each(&servers(), |installed| {
        let Some(replica) = orphan(installed, "yes") else { return };
        let folder = Folder::new();
        for more in [&[][..], &["--plan"], &["--shard-only"]] {
            let run = backup(&replica.url(), &folder.text(), &[&["--json"], more].concat()).run();
            assert_eq!(failure(&run), (2, "source_not_fit".to_owned()), "{}: {}", installed.name, run.everything());
            let hint = run.json()["error"]["hint"].as_str().unwrap_or_default().to_owned();
            assert!(hint.contains("--stale"), "{}: {hint}", installed.name);
            assert_eq!(folder.files(), Vec::<String>::new());
        }
        let run = backup(&replica.url(), &folder.text(), &["--stale", "--plan", "--json"]).run();
        assert_eq!((run.code, &run.json()["plan"]["method"]), (1, &"scan".into()), "{}", run.everything());

        let run = backup(&replica.url(), &folder.text(), &["--stale", "--source", "replication", "--json"]).run();
        assert_eq!((run.code, folder.files()), (2, Vec::new()), "{}: {}", installed.name, run.everything());

        let run = backup(&replica.url(), &folder.text(), &["--stale", "--json"]).run();
        let answer = run.json();
        assert_eq!(
            (run.code, &answer["source"]["method"]),
            (1, &"scan".into()),
            "{}: {}",
            installed.name,
            run.everything()
        );
        assert_eq!((&answer["backup"]["stale"], &answer["backup"]["census"]["keys"]), (&true.into(), &20.into()));
        assert!(answer["warnings"].to_string().contains("may be old"), "{answer}");
        assert!(run.stderr.contains("may be old"), "said before it begins: {}", run.stderr);

        for (line, words) in
            [(&["list"][..], "stale"), (&["show", "prod/latest"], "a replica that had lost its primary")]
        {
            let run = RedisOps::new().args(line).args(["-r", &folder.text()]).run();
            assert!(run.code == 0 && run.text().contains(words), "{words}: {}", run.everything());
        }
    });
}

#[test]
fn a_replica_that_never_had_the_data_is_not_published_as_an_old_copy() {
    let Some(installed) = servers().pop() else { return };
    // Nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let builder = RedisServer::builder().version(&installed).arg("replicaof", &format!("127.0.0.1 {port}"));
    let Some(replica) = builder.start() else { return };
    let folder = Folder::new();
    let run = backup(&replica.url(), &folder.text(), &["--stale", "--json"]).run();
    assert_eq!(failure(&run), (2, "source_not_fit".to_owned()), "{}", run.everything());
    assert!(run.json()["error"].to_string().contains("has no keys"), "{}", run.everything());
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn a_replica_that_serves_nothing_without_its_primary_is_told_how_to_become_one() {
    on_each(&servers(), |installed| {
        let Some(replica) = orphan(installed, "no") else { return };
        let folder = Folder::new();
        for more in [&[][..], &["--stale"]] {
            let run = backup(&replica.url(), &folder.text(), &[&["--json"], more].concat()).run();
            assert_eq!(failure(&run), (2, "source_not_fit".to_owned()), "{}: {}", installed.name, run.everything());
            let hint = run.json()["error"]["hint"].as_str().unwrap_or_default().to_owned();
            assert!(hint.contains("`REPLICAOF NO ONE`"), "{}: {hint}", installed.name);
        }
        replica.ok(&["REPLICAOF", "NO", "ONE"]);
        let run = backup(&replica.url(), &folder.text(), &["--json"]).run();
        assert_eq!((run.code, &run.json()["backup"]["census"]["keys"]), (0, &20.into()), "{}", run.everything());
    });
}
