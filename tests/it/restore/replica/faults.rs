//! What goes wrong on the way, and what the target is afterwards: a primary, with what it held or with everything.

use std::time::{Duration, Instant};

use redis_ops::connection::{Credentials, Secret};
use redis_ops::progress::Hidden;
use redis_ops::restore::replica::{self, Advertise, Holds, Load, ReplicaError, ReplicaFault, ReplicaOptions};
use tokio_util::sync::CancellationToken;

use super::{check_back_to_normal, feed, node, source_of, whole};
use crate::support::redis_server::{Installed, RedisServer, free_port, on_each_async, server_named, servers};
use crate::support::sample;

/// An RDB of a few megabytes, of this version.
fn large_rdb(installed: &Installed, n_keys: usize) -> Vec<u8> {
    let source = RedisServer::builder().version(installed).start().unwrap();
    source.fill(n_keys, 500);
    sample::rdb(&source)
}

fn keys_now(error: &ReplicaError) -> u64 {
    let Holds::Keys(now) = &error.left.holds else { panic!("{error:?}") };
    now.values().map(|database| database.keys).sum()
}

#[test]
fn a_target_that_cannot_reach_us_is_a_primary_again_with_its_data() {
    on_each_async(&servers(), async |installed| {
        let target = sample::builder(installed).start().unwrap();
        sample::fill(&target);
        let (rdb, before) = (sample::rdb(&target), sample::contents(&target));
        for load in [Load::Disk, Load::Swap] {
            let advertise = Some(Advertise { host: "127.0.0.1".into(), port: Some(free_port()) });
            let reach = Duration::from_secs(2);
            let options = ReplicaOptions { advertise, reach, ..ReplicaOptions::new(load) };
            let error = feed(&target, whole(&rdb), &options).await.expect_err("nobody listens there");
            assert!(matches!(error.fault, ReplicaFault::NotReached { .. }), "{error:?}");
            assert!(error.may_go_another_way());
            assert_eq!(sample::contents(&target), before, "{}", installed.name);
        }
        check_back_to_normal(&target, "disabled");
    });
}

#[test]
fn a_source_that_breaks_leaves_the_old_data_of_a_primary() {
    on_each_async(&servers(), async |installed| {
        let rdb = large_rdb(installed, 5_000);
        let target = sample::builder(installed).start().unwrap();
        sample::fill(&target);
        let before = sample::contents(&target);
        // Half-way, and with nothing missing but the word that it ended well.
        for given in [rdb.len() / 2, rdb.len()] {
            for load in [Load::Disk, Load::Swap] {
                let source = source_of(&rdb, given, 64 * 1024, Some("the last frame is damaged"));
                let error = feed(&target, source, &ReplicaOptions::new(load)).await.expect_err("it broke");
                assert!(matches!(error.fault, ReplicaFault::Source { .. }), "{error:?}");
                assert!(!error.may_go_another_way());
                assert_eq!(error.left.primary, Some(true), "{error:?}");
                assert_eq!(sample::contents(&target), before, "{} by {load:?} at {given}", installed.name);
            }
        }
        check_back_to_normal(&target, "disabled");
    });
}

#[test]
fn a_source_that_breaks_leaves_an_empty_target_empty() {
    on_each_async(&servers(), async |installed| {
        let rdb = large_rdb(installed, 5_000);
        let target = RedisServer::builder().version(installed).start().unwrap();
        let source = source_of(&rdb, rdb.len() / 2, 64 * 1024, Some("connection reset"));
        let error = feed(&target, source, &ReplicaOptions::new(Load::Memory)).await.expect_err("it broke");
        assert_eq!((error.left.primary, keys_now(&error)), (Some(true), 0), "{}: {error:?}", installed.name);
        assert!(error.to_string().contains("the target is a primary and holds 0 keys"), "{error}");
        check_back_to_normal(&target, "disabled");
    });
}

#[test]
fn bytes_that_are_not_the_ones_that_were_verified_never_become_a_whole_rdb() {
    on_each_async(&servers(), async |installed| {
        let mut rdb = large_rdb(installed, 2_000);
        let middle = rdb.len() / 2;
        rdb[middle] ^= 1;
        let target = sample::builder(installed).start().unwrap();
        sample::fill(&target);
        let before = sample::contents(&target);
        let error = feed(&target, whole(&rdb), &ReplicaOptions::new(Load::Disk)).await.expect_err("a bit has flipped");
        assert_eq!(error.code(), "checksum_mismatch", "{error:?}");
        assert_eq!(sample::contents(&target), before, "{}", installed.name);
    });
}

#[test]
fn a_load_that_is_interrupted_ends_with_a_primary() {
    on_each_async(&servers(), async |installed| {
        let rdb = large_rdb(installed, 20_000);
        for load in [Load::Memory, Load::Disk] {
            let target = RedisServer::builder().version(installed).arg("key-load-delay", "100").start().unwrap();
            let (node, cancel) = (node(&target), CancellationToken::new());
            let stop = cancel.clone();
            let (source, options) = (whole(&rdb), ReplicaOptions::new(load));
            let feeding =
                tokio::spawn(async move { replica::feed(&node, source, &options, &Hidden::default(), &cancel).await });
            target.wait_for("it loads", |target| target.info("loading") == "1");
            stop.cancel();
            let error = feeding.await.unwrap().expect_err("it was interrupted");
            assert!(matches!(error.fault, ReplicaFault::Cancelled), "{error:?}");
            assert_eq!(error.left.primary, Some(true), "{}: {error:?}", installed.name);
            // A file that is complete is loaded to its end; a socket that closes ends the load.
            let expected = if load == Load::Disk { 20_000 } else { 0 };
            assert_eq!(keys_now(&error), expected, "{} by {load:?}", installed.name);
            check_back_to_normal(&target, "disabled");
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_before_the_target_has_come_leaves_it_alone() {
    let Some(target) = RedisServer::start() else { return };
    target.fill(10, 10);
    let rdb = sample::rdb(&target);
    let cancel = CancellationToken::new();
    cancel.cancel();
    let options = ReplicaOptions::new(Load::Disk);
    let result = replica::feed(&node(&target), whole(&rdb), &options, &Hidden::default(), &cancel).await;
    let error = result.expect_err("it was interrupted");
    assert!(matches!(error.fault, ReplicaFault::Cancelled) && keys_now(&error) == 10, "{error:?}");
}

#[test]
fn a_target_that_forbids_replicaof_is_left_as_it_is() {
    on_each_async(&servers(), async |installed| {
        let target = sample::builder(installed).start().unwrap();
        target.fill(10, 10);
        let rdb = sample::rdb(&target);
        target.ok(&["ACL", "SETUSER", "ops", "on", ">secret", "~*", "+@all", "-replicaof", "-slaveof"]);
        let mut node = node(&target);
        node.credentials = Credentials { username: Some("ops".into()), password: Some(Secret::new("secret")) };
        let options = ReplicaOptions::new(Load::Disk);
        let result = replica::feed(&node, whole(&rdb), &options, &Hidden::default(), &CancellationToken::new()).await;
        let error = result.expect_err("it is forbidden");
        assert_eq!(error.code(), "permission_denied", "{}", installed.name);
        assert!(error.may_go_another_way() && keys_now(&error) == 10, "{error:?}");
    });
}

#[test]
fn a_cluster_node_a_replica_and_a_renamed_command_are_refused() {
    on_each_async(&servers(), async |installed| {
        let rdb = large_rdb(installed, 10);
        let options = ReplicaOptions::new(Load::Disk);
        let cluster = RedisServer::builder().version(installed).arg("cluster-enabled", "yes").start().unwrap();
        let error = feed(&cluster, whole(&rdb), &options).await.expect_err("a cluster");
        assert!(matches!(error.fault, ReplicaFault::Refused(_)) && error.may_go_another_way(), "{error:?}");

        let primary = RedisServer::builder().version(installed).start().unwrap();
        let replica = RedisServer::builder().version(installed).start().unwrap();
        replica.ok(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
        let error = feed(&replica, whole(&rdb), &options).await.expect_err("a replica");
        assert!(matches!(error.fault, ReplicaFault::NotAPrimary) && !error.may_go_another_way(), "{error:?}");
        assert_eq!(replica.info("master_port"), primary.port().to_string(), "nobody has touched it");

        let renamed =
            RedisServer::builder().version(installed).arg("rename-command", "REPLICAOF NO-SUCH").start().unwrap();
        let error = feed(&renamed, whole(&rdb), &options).await.expect_err("renamed");
        assert_eq!(error.code(), "unknown_command", "{error:?}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_dies_on_the_way_is_said_to_have_exited() {
    let Some(installed) = server_named("redis-server-7.0") else { return };
    let rdb = large_rdb(&installed, 20_000);
    let mut target = RedisServer::builder().version(&installed).arg("key-load-delay", "1000").start().unwrap();
    let (node, begun) = (node(&target), Instant::now());
    let (source, options) = (whole(&rdb), ReplicaOptions::new(Load::Memory));
    let feeding = tokio::spawn(async move {
        replica::feed(&node, source, &options, &Hidden::default(), &CancellationToken::new()).await
    });
    target.wait_for("it loads", |target| target.info("loading") == "1");
    target.kill();
    let error = feeding.await.unwrap().expect_err("it died");
    assert_eq!((error.left.primary, &error.left.holds), (None, &Holds::Unknown), "{error:?}");
    assert!(error.to_string().contains("has probably exited"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(120), "it says so at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_somebody_else_made_a_replica_is_not_taken_from_them() {
    let Some(installed) = server_named("redis-server-7.0") else { return };
    let rdb = large_rdb(&installed, 100);
    let target = RedisServer::builder().version(&installed).start().unwrap();
    // It never comes to us; meanwhile another administrator gives it another primary.
    let advertise = Some(Advertise { host: "127.0.0.1".into(), port: Some(free_port()) });
    let options = ReplicaOptions { advertise, reach: Duration::from_secs(3), ..ReplicaOptions::new(Load::Disk) };
    let elsewhere = free_port().to_string();
    let node = node(&target);
    let feeding = tokio::spawn(async move {
        replica::feed(&node, whole(&rdb), &options, &Hidden::default(), &CancellationToken::new()).await
    });
    target.wait_for("it is told", |target| target.info("role") == "slave");
    target.ok(&["REPLICAOF", "127.0.0.1", &elsewhere]);
    let error = feeding.await.unwrap().expect_err("it did not come");
    assert_eq!(target.info("master_port"), elsewhere);
    assert_eq!(error.left.primary, Some(false), "{error:?}");
    assert!(!error.may_go_another_way() && error.to_string().contains("from outside"), "{error}");
}
