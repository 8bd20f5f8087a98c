//! Method `replica`, against real servers of every version.

mod faults;
mod limits;
mod strangers;

use std::time::Duration;

use bytes::Bytes;
use redis_ops::connection::{Address, Node};
use redis_ops::dataset::{Raw, RawError};
use redis_ops::progress::Hidden;
use redis_ops::restore::RdbSource;
use redis_ops::restore::load::Loaded;
use redis_ops::restore::replica::{self, Fed, Holds, Load, ReplicaError, ReplicaOptions};
use tokio_util::sync::CancellationToken;

use super::support::{Restore, saved};
use crate::support::redis_server::{Certificates, Installed, RedisServer, on_each_async, servers};
use crate::support::sample;

/// A source with these bytes, in chunks of this many, and perhaps an error after them.
pub fn source_of(rdb: &[u8], given: usize, chunk: usize, error: Option<&'static str>) -> RdbSource {
    let crc64 = u64::from_le_bytes(rdb[rdb.len() - 8..].try_into().unwrap());
    let (sender, raw) = Raw::channel();
    let chunks: Vec<_> = rdb[..given].chunks(chunk).map(Bytes::copy_from_slice).collect();
    std::thread::spawn(move || {
        for chunk in chunks {
            if sender.send(Ok(chunk)).is_err() {
                return;
            }
        }
        if let Some(error) = error {
            let _ = sender.send(Err(RawError::File(std::io::Error::other(error))));
        }
    });
    RdbSource { length: rdb.len() as u64, trailing: 0, crc64: Some(crc64), raw }
}

pub fn whole(rdb: &[u8]) -> RdbSource {
    source_of(rdb, rdb.len(), 64 * 1024, None)
}

pub fn node(server: &RedisServer) -> Node {
    Node::new(Address::tcp("127.0.0.1", server.port()))
}

pub async fn feed(target: &RedisServer, source: RdbSource, options: &ReplicaOptions) -> Result<Fed, ReplicaError> {
    replica::feed(&node(target), source, options, &Hidden::default(), &CancellationToken::new()).await
}

/// The target is a primary that takes writes, whose settings are as they were.
#[track_caller]
pub fn check_back_to_normal(target: &RedisServer, diskless_load: &str) {
    assert_eq!(target.info("role"), "master");
    assert_eq!(target.ok(&["CONFIG", "GET", "repl-diskless-load"]), format!("repl-diskless-load\n{diskless_load}"));
    target.ok(&["SET", "a write", "works"]);
}

async fn check_exact(installed: &Installed, load: Load, old_keys: usize) {
    let source = sample::builder(installed).start().unwrap();
    sample::fill(&source);
    let rdb = sample::rdb(&source);
    let target = sample::builder(installed).start().unwrap();
    target.fill(old_keys, 10);

    let fed = feed(&target, whole(&rdb), &ReplicaOptions::new(load)).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(fed.bytes, rdb.len() as u64);
    assert!(fed.elapsed >= fed.transfer && fed.elapsed < Duration::from_secs(60), "{fed:?}");
    assert_eq!(fed.left.before.values().map(|database| database.keys).sum::<u64>(), old_keys as u64);
    let Holds::Keys(now) = &fed.left.holds else { panic!("{fed:?}") };
    assert!(fed.left.not_put_back.is_empty() && fed.left.problem.is_none(), "{fed:?}");

    let (expected, found) = (sample::contents(&source), sample::contents(&target));
    assert_eq!(found, expected, "{} by {load:?}", installed.name);
    assert_eq!(now.keys().copied().collect::<Vec<_>>(), [0, 9]);
    check_back_to_normal(&target, "disabled");
}

#[test]
fn every_version_takes_its_own_rdb_into_an_empty_target() {
    on_each_async(&servers(), async |installed| {
        check_exact(installed, Load::Memory, 0).await;
    });
}

#[test]
fn old_data_is_replaced_as_a_whole_through_the_disk() {
    on_each_async(&servers(), async |installed| {
        check_exact(installed, Load::Disk, 1000).await;
    });
}

#[test]
fn old_data_is_replaced_as_a_whole_by_swapping() {
    on_each_async(&servers(), async |installed| {
        check_exact(installed, Load::Swap, 1000).await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rdb_of_the_oldest_version_goes_into_every_newer_one() {
    let all = servers();
    let Some(oldest) = all.iter().find(|installed| installed.is("6.2")) else {
        return crate::support::skip("redis-server-6.2");
    };
    let source = sample::builder(oldest).start().unwrap();
    sample::fill(&source);
    let rdb = sample::rdb(&source);
    let (_, _, counts) = sample::contents(&source);
    for installed in all {
        let target = sample::builder(&installed).start().unwrap();
        let options = ReplicaOptions::new(Load::Memory);
        feed(&target, whole(&rdb), &options).await.unwrap_or_else(|error| panic!("{}: {error}", installed.name));
        // Newer servers add `subexpiry=0` and the like to the counts.
        let found = sample::contents(&target).2;
        assert!(found.iter().zip(&counts).all(|(found, expected)| found.starts_with(expected)), "{found:?}");
    }
}

#[test]
fn a_target_that_replicates_by_tls_is_shown_our_certificate() {
    on_each_async(&servers().into_iter().filter(RedisServer::has_tls).collect::<Vec<_>>(), async |installed| {
        let source = sample::builder(installed).start().unwrap();
        sample::fill(&source);
        let rdb = sample::rdb(&source);
        let certificates = Certificates::new();
        let target = sample::builder(installed).tls(certificates).arg("tls-replication", "yes").start().unwrap();

        let mut options = ReplicaOptions::new(Load::Memory);
        let error = feed(&target, whole(&rdb), &options).await.expect_err("there is no certificate");
        assert!(error.may_go_another_way() && error.code() == "certificate", "{error}");

        let (certificate, key) = (target.dir().join("server.pem"), target.dir().join("server.key"));
        options.certificate = Some(replica::Certificate { certificate, key });
        feed(&target, whole(&rdb), &options).await.unwrap_or_else(|error| panic!("{}: {error}", installed.name));
        assert_eq!(sample::contents(&target), sample::contents(&source), "{}", installed.name);
        check_back_to_normal(&target, "disabled");
    });
}

#[test]
fn the_password_that_the_target_has_for_its_primary_is_taken() {
    on_each_async(&servers(), async |installed| {
        let source = sample::builder(installed).start().unwrap();
        sample::fill(&source);
        let rdb = sample::rdb(&source);
        let target = sample::builder(installed).arg("masterauth", "hunter2").arg("masteruser", "ops").start().unwrap();
        let options = ReplicaOptions::new(Load::Memory);
        feed(&target, whole(&rdb), &options).await.unwrap_or_else(|error| panic!("{}: {error}", installed.name));
        assert_eq!(sample::contents(&target), sample::contents(&source), "{}", installed.name);
    });
}

/// Reading a large backup takes hours, in which a target does not stay as it was.
#[tokio::test]
async fn what_was_written_since_the_plan_is_not_replaced() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(50, 10);
    let restore = Restore::of(&saved(&source));
    let library: &[&str] =
        &["FUNCTION", "LOAD", "#!lua name=mine\nredis.register_function('f', function() return 1 end)"];
    let set: &[&str] = &["SET", "mine", "x"];
    for writes in [&[set][..], &[set, &["MOVE", "mine", "7"]], &[library]] {
        let happens = || writes.iter().for_each(|words| drop(target.ok(words)));
        let loaded = restore.load_after(&target, happens).await.expect("the plan allows it");
        let Loaded::Changed(error) = loaded else { panic!("{writes:?}: {loaded:?}") };
        assert_eq!(error.code(), "target_not_empty", "{writes:?}: {error}");
        let holds = [target.info("db0"), target.info("db7"), target.ok(&["FUNCTION", "LIST"])].concat();
        assert!(holds.contains("keys=1") || holds.contains("mine"), "{holds}");
        assert_eq!(target.info("role"), "master");
        target.ok(&["FLUSHALL"]);
        target.ok(&["FUNCTION", "FLUSH"]);
    }
    let report = restore.load(&target).await.expect("an empty target is loaded");
    assert_eq!(report.tally.restored, 50);
}
