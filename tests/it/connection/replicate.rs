//! Replicating from real servers.

use std::time::Duration;

use redis_ops::connection::replication::{Framing, Options, Payload, Transfer, full_resync};
use redis_ops::connection::{Credentials, Node, Secret};

use super::{node, node_as};
use crate::support::redis_server::{Installed, RedisServer, on_each_async, servers};

async fn read(mut payload: Payload) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(chunk) = payload.next().await.expect("bytes") {
        all.extend_from_slice(&chunk);
    }
    all
}

fn options(transfer: Transfer) -> Options {
    Options { transfer, silence: Duration::from_secs(60) }
}

/// What an RDB looks like from outside: magic and four digits, and the opcode of the end before eight bytes of CRC64.
#[track_caller]
fn check_shape(rdb: &[u8], installed: &Installed) {
    let magic = &rdb[..9];
    assert!(magic.starts_with(b"REDIS") || magic.starts_with(b"VALKEY"), "{}: {magic:?}", installed.name);
    assert_eq!(rdb[rdb.len() - 9], 0xff, "{}", installed.name);
}

/// A server with data of every size, a diskless and a disk transfer of it.
async fn both_transfers(installed: &Installed, n_keys: usize) -> Option<(RedisServer, Vec<u8>, Vec<u8>)> {
    let server = RedisServer::builder().version(installed).arg("repl-diskless-sync", "yes").start()?;
    server.fill(n_keys, 1000);
    let diskless = full_resync(&node(&server.url()), &options(Transfer::Diskless)).await.expect("a header");
    assert!(matches!(diskless.framing(), Framing::Marked(_)), "{}", installed.name);
    assert!(diskless.is_rdb_only(), "{}", installed.name);
    assert_eq!(diskless.replid().map(str::to_owned), Some(server.info("master_replid")), "{}", installed.name);
    let diskless = read(diskless).await;
    assert!(!server.dir().join("dump.rdb").exists(), "{}: its own file is left alone", installed.name);
    let disk = full_resync(&node(&server.url()), &options(Transfer::Disk)).await.expect("a header");
    let length = disk.length().expect("a length");
    let disk = read(disk).await;
    assert_eq!(disk.len() as u64, length);
    Some((server, diskless, disk))
}

#[test]
fn every_server_gives_the_same_data_set_in_both_ways() {
    on_each_async(&servers(), async |installed| {
        let Some((server, diskless, disk)) = both_transfers(installed, 3000).await else { return };
        check_shape(&diskless, installed);
        check_shape(&disk, installed);
        // From disk we got the very file that the server wrote.
        assert_eq!(std::fs::read(server.dir().join("dump.rdb")).expect("its dump"), disk, "{}", installed.name);
        // The second snapshot differs in its time and memory fields, and in the order of nothing.
        assert!(diskless.len().abs_diff(disk.len()) < 100, "{}: {} {}", installed.name, diskless.len(), disk.len());
        assert!(disk.len() > 3_000_000, "{}", installed.name);
    });
}

#[test]
fn a_server_loads_what_every_server_gave() {
    on_each_async(&servers(), async |installed| {
        let Some((_, diskless, disk)) = both_transfers(installed, 100).await else { return };
        for rdb in [diskless, disk] {
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), rdb).expect("it is written");
            let Some(second) = RedisServer::builder().version(installed).dump(file.path()).start() else { return };
            assert_eq!(second.ok(&["DBSIZE"]), "100", "{}", installed.name);
        }
    });
}

#[tokio::test]
async fn valkey_9_1_gives_the_version_that_was_announced() {
    for installed in servers().iter().filter(|installed| installed.is("valkey-server-9.1")) {
        let Some(server) = RedisServer::builder().version(installed).start() else { return };
        // Without the announced version such a field makes the save fail.
        server.ok(&["HSET", "h", "f", "v"]);
        server.ok(&["HPEXPIRE", "h", "1000000", "FIELDS", "1", "f"]);
        let payload = full_resync(&node(&server.url()), &options(Transfer::Diskless)).await.expect("a header");
        assert!(read(payload).await.starts_with(b"VALKEY080"), "{}", installed.name);
    }
}

#[test]
fn the_least_rights_are_enough_and_each_of_them_is_named_when_missing() {
    on_each_async(&servers(), async |installed| {
        let Some(server) = RedisServer::builder().version(installed).start() else { return };
        let rights = ["+psync", "+replconf"];
        for missing in [None, Some("+psync"), Some("+replconf")] {
            let mut command = vec!["ACL", "SETUSER", "backup", "reset", "on", ">pw"];
            command.extend(rights.iter().filter(|right| Some(**right) != missing));
            server.ok(&command);
            let result = full_resync(&node_as(&server.url(), "backup:pw"), &options(Transfer::Diskless)).await;
            match (result, missing) {
                (Ok(payload), None) => check_shape(&read(payload).await, installed),
                (Err(error), Some(right)) => {
                    assert_eq!(error.code(), "permission_denied");
                    assert!(error.to_string().ends_with(&format!("the ACL rule `{right}` is missing")), "{error}");
                }
                (result, _) => panic!("{}: {missing:?}: {result:?}", installed.name),
            }
        }
    });
}

#[tokio::test]
async fn a_loading_server_and_a_replica_without_its_primary_say_so() {
    let Some(source) = RedisServer::start() else { return };
    source.fill(500, 10);
    source.save();
    let builder = RedisServer::builder().dump(source.dir().join("dump.rdb")).arg("key-load-delay", "10000");
    let Some(loading) = builder.arg("loading-process-events-interval-bytes", "1024").start_loading() else { return };
    let error = full_resync(&node(&loading.url()), &Options::default()).await.expect_err("it is loading");
    assert_eq!(error.code(), "loading", "{error}");

    let Some(orphan) = RedisServer::builder().arg("replicaof", "127.0.0.1 1").start() else { return };
    let error = full_resync(&node(&orphan.url()), &Options::default()).await.expect_err("it has no primary");
    assert_eq!(error.code(), "no_primary_link", "{error}");
}

#[test]
fn a_source_that_cannot_save_says_so() {
    on_each_async(&servers(), async |installed| {
        let Some(server) = RedisServer::builder().version(installed).start() else { return };
        server.fill(10, 10);
        // The folder goes, and with it the place for the server's own dump.
        std::fs::remove_dir_all(server.dir()).expect("it can go");
        let result = full_resync(&node(&server.url()), &options(Transfer::Disk)).await;
        let error = result.expect_err("there is nowhere to save");
        // Its words where the fork itself fails; from the failing child the connection is just closed.
        assert!(["snapshot_failed", "disconnected"].contains(&error.code()), "{}: {error}", installed.name);
    });
}

#[tokio::test]
async fn a_server_that_drops_us_for_our_slowness_is_answered_with_that_reason() {
    let Some(server) = RedisServer::builder().arg("repl-diskless-sync", "yes").arg("repl-timeout", "6").start() else {
        return;
    };
    // More than what fits into the buffers between us.
    server.fill(32, 1 << 20);
    let mut payload = full_resync(&node(&server.url()), &options(Transfer::Diskless)).await.expect("a header");
    payload.next().await.expect("bytes");
    server.wait_for("the end of its patience", |server| server.info("connected_slaves") == "0");
    let error = loop {
        match payload.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it was dropped"),
            Err(error) => break error,
        }
    };
    assert!(
        error.to_string().contains("; redis-ops had not read for ") && error.to_string().contains("`repl-timeout`"),
        "{error}"
    );
}

#[tokio::test]
async fn replication_goes_through_a_unix_socket_with_a_password() {
    let Some(server) = RedisServer::builder().password("right").start() else { return };
    server.fill(10, 10);
    let node = Node {
        credentials: Credentials { username: None, password: Some(Secret::new("right")) },
        ..node(&format!("unix://{}", server.socket().display()))
    };
    let payload = full_resync(&node, &options(Transfer::Diskless)).await.expect("a header");
    check_shape(&read(payload).await, server.installed());
}

#[test]
fn nothing_of_us_looks_like_a_replica_and_nothing_stays() {
    on_each_async(&servers(), async |installed| {
        // Long enough to be looked at; nobody waits for the end of it.
        let builder = RedisServer::builder().version(installed).arg("repl-diskless-sync", "yes");
        let Some(server) = builder.arg("repl-diskless-sync-delay", "600").start() else { return };
        let address = node(&server.url());
        let waiting =
            tokio::spawn(async move { full_resync(&address, &options(Transfer::Diskless)).await.map(|_| ()) });
        // Sentinels and others see a replica without an address, and so nothing that they could take for one of theirs.
        server.wait_for("the replica", |server| server.info("connected_slaves") == "1");
        assert!(server.info("slave0").starts_with("ip=,port=0,"), "{}: {}", installed.name, server.info("slave0"));
        waiting.abort();
        // The server notices at its next newline, at the latest.
        server.wait_for("no replica any more", |server| server.info("connected_slaves") == "0");
    });
}
