//! The source by SCAN and DUMP gives what replication gives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis_ops::capture::scan::{Report, Scan, ScanError};
use redis_ops::census::{Census, Counter};
use redis_ops::connection::{Address, Credentials, Node, Secret};
use redis_ops::rdb::visit::Checksum;
use redis_ops::rdb::{Scanner, Summary};

use crate::support::redis_server::{RedisServer, on_each_async, server_named, servers};
use crate::support::sample;

fn node(server: &RedisServer) -> Node {
    Node::new(Address::tcp("127.0.0.1", server.port()))
}

/// All chunks, put together.
async fn read(node: &Node) -> Result<(Vec<u8>, Report), ScanError> {
    let mut scan = Scan::begin(node).await?;
    let mut rdb = Vec::new();
    while let Some(chunk) = scan.next_chunk().await? {
        assert!(!chunk.is_empty() && chunk.len() <= 1 << 20);
        rdb.extend_from_slice(&chunk);
    }
    Ok((rdb, scan.report()))
}

#[track_caller]
fn census(rdb: &[u8]) -> (Census, Summary) {
    let (mut scanner, mut counter) = (Scanner::new(), Counter::of_everything(0));
    scanner.push(rdb, &mut counter).unwrap();
    let summary = scanner.finish().unwrap();
    assert!(matches!(summary.checksum, Checksum::Verified(_)) && summary.trailing == 0, "{summary:?}");
    (counter.finish(), summary)
}

#[test]
fn a_scan_gives_the_census_of_the_server_s_own_rdb() {
    on_each_async(&servers(), async |installed| {
        let server = sample::builder(installed).start().unwrap();
        sample::fill(&server);
        let (scanned, report) =
            read(&node(&server)).await.unwrap_or_else(|error| panic!("{}: {error}", installed.name));
        let ((found, summary), (expected, own)) = (census(&scanned), census(&sample::rdb(&server)));
        assert_eq!((summary.dialect, summary.version), (own.dialect, own.version), "{}", installed.name);
        assert!(
            (found.keys, found.digest) == (expected.keys, expected.digest),
            "{}: {} and {} keys",
            installed.name,
            found.keys,
            expected.keys
        );
        assert_eq!((found.expires, found.fields_with_expiry), (expected.expires, expected.fields_with_expiry));
        assert_eq!((&found.by_database, &found.functions), (&expected.by_database, &expected.functions));
        let types = |census: &Census| {
            census.by_type.iter().map(|(kind, total)| (*kind, total.keys, total.elements)).collect::<Vec<_>>()
        };
        assert_eq!(types(&found), types(&expected), "{}", installed.name);
        assert_eq!((report.keys, report.gone, report.duplicates, report.warnings), (found.keys, 0, 0, vec![]));
    });
}

/// Redis 8.10.2 crashes when it is asked for the memory of such a value.
#[tokio::test(flavor = "multi_thread")]
async fn a_vector_set_that_expires_is_scanned_and_the_server_lives() {
    let Some(installed) = server_named("redis-server-8.10") else { return };
    let server = RedisServer::builder().version(&installed).start().unwrap();
    for n in ["1", "2", "3", "4"] {
        server.ok(&["VADD", "vectors", "VALUES", "3", n, "1", "0.5", &format!("element{n}")]);
    }
    server.ok(&["PEXPIRE", "vectors", "1000000000"]);
    server.ok(&["SET", "plain", "value"]);
    let (scanned, _) = read(&node(&server)).await.unwrap();
    assert_eq!((census(&scanned).1.keys, server.ok(&["DBSIZE"])), (2, "2".to_owned()));
}

#[test]
fn a_server_starts_from_what_was_scanned() {
    on_each_async(&servers(), async |installed| {
        let server = sample::builder(installed).start().unwrap();
        sample::fill(&server);
        let (scanned, _) = read(&node(&server)).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("scanned.rdb"), scanned).unwrap();
        let copy = sample::builder(installed).dump(folder.path().join("scanned.rdb")).start().unwrap();
        assert_eq!(sample::contents(&copy), sample::contents(&server), "{}", installed.name);
    });
}

#[test]
fn an_empty_server_gives_an_empty_rdb_of_its_version() {
    on_each_async(&servers(), async |installed| {
        let server = RedisServer::builder().version(installed).start().unwrap();
        let (scanned, report) = read(&node(&server)).await.unwrap();
        let ((found, summary), (_, own)) = (census(&scanned), census(&sample::rdb(&server)));
        assert_eq!((found.keys, report.keys, summary.version), (0, 0, own.version), "{}", installed.name);
    });
}

#[test]
fn the_hits_that_it_adds_are_the_hits_that_it_reports() {
    on_each_async(&servers(), async |installed| {
        let server = sample::builder(installed).start().unwrap();
        server.fill(1000, 10);
        let before: u64 = server.info("keyspace_hits").parse().unwrap();
        let (_, report) = read(&node(&server)).await.unwrap();
        let added = server.info("keyspace_hits").parse::<u64>().unwrap() - before;
        assert_eq!((report.keys, report.keyspace_hits_added), (1000, added), "{}", installed.name);
    });
}

#[test]
fn keys_that_stay_are_in_it_once_while_others_come_and_go() {
    on_each_async(&servers(), async |installed| {
        let server = Arc::new(RedisServer::builder().version(installed).start().unwrap());
        server.fill(5_000, 20);
        let stop = Arc::new(AtomicBool::new(false));
        // The table grows and shrinks all the time.
        let (others, ended) = (Arc::clone(&server), Arc::clone(&stop));
        let writing = std::thread::spawn(move || {
            let names: Vec<String> = (0..40_000).map(|index| format!("other:{index}")).collect();
            let mut rounds = 0;
            while !ended.load(Ordering::Relaxed) {
                others.pipe(names.iter().map(|name| vec![b"SET".as_slice(), name.as_bytes(), b"x"]));
                others.pipe(names.chunks(100).map(|names| {
                    std::iter::once(b"UNLINK".as_slice()).chain(names.iter().map(|name| name.as_bytes())).collect()
                }));
                rounds += 1;
            }
            rounds
        });
        let mut found = Vec::new();
        for _ in 0..3 {
            let (scanned, report) = read(&node(&server)).await.unwrap();
            found.push((scanned, report));
        }
        stop.store(true, Ordering::Relaxed);
        assert!(writing.join().unwrap() > 0);
        for (scanned, report) in found {
            let mut names = Names::default();
            let mut scanner = Scanner::new();
            scanner.push(&scanned, &mut names).unwrap();
            let n_all = names.0.len();
            names.0.sort();
            names.0.dedup();
            assert_eq!((n_all as u64, names.0.len()), (report.keys, n_all), "{}: a key twice", installed.name);
            let stayed = names.0.iter().filter(|name| name.starts_with(b"key:")).count();
            assert_eq!(stayed, 5_000, "{}: {report:?}", installed.name);
        }
    });
}

/// Names of all keys.
#[derive(Default)]
struct Names(Vec<Vec<u8>>);

impl redis_ops::rdb::visit::Visit for Names {
    fn entry(&mut self, entry: &redis_ops::rdb::visit::Entry<'_>) -> redis_ops::rdb::visit::Interest {
        self.0.push(entry.key.to_vec());
        Default::default()
    }
}

#[test]
fn a_user_who_may_only_read_gets_everything_but_the_functions() {
    on_each_async(&servers(), async |installed| {
        let server = sample::builder(installed).start().unwrap();
        sample::fill(&server);
        server.ok(&[
            "ACL", "SETUSER", "reader", "on", ">secret", "~*", "-@all", "+info", "+scan", "+dump", "+select", "+ping",
        ]);
        let more =
            if installed.is("6.2") { vec!["+pttl", "+time"] } else { vec!["+pexpiretime", "+time", "+randomkey"] };
        server.ok(&[vec!["ACL", "SETUSER", "reader"], more].concat());
        let mut node = node(&server);
        node.credentials = Credentials { username: Some("reader".into()), password: Some(Secret::new("secret")) };
        let (scanned, report) = read(&node).await.unwrap_or_else(|error| panic!("{}: {error}", installed.name));
        let ((found, _), (expected, _)) = (census(&scanned), census(&sample::rdb(&server)));
        assert!((found.keys, found.digest) == (expected.keys, expected.digest), "{}", installed.name);
        let n_warnings = usize::from(sample::has(&server, "FUNCTION"));
        assert_eq!((report.lacks.len(), report.warnings.len()), (n_warnings, 0), "{}: {report:?}", installed.name);
        assert!(report.lacks.iter().all(|what| what.contains("functions are not in the backup")));

        server.ok(&["ACL", "SETUSER", "reader", "-dump"]);
        let error = read(&node).await.expect_err("without DUMP there is nothing");
        assert!(error.to_string().contains("dump"), "{error}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_is_opened_again_but_never_to_another_server() {
    let Some(mut server) = RedisServer::start() else { return };
    server.fill(20_000, 200);
    let mut scan = Scan::begin(&node(&server)).await.unwrap();
    let mut rdb = scan.next_chunk().await.unwrap().unwrap().to_vec();
    server.ok(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    while let Some(chunk) = scan.next_chunk().await.unwrap() {
        rdb.extend_from_slice(&chunk);
    }
    assert_eq!((census(&rdb).0.keys, scan.report().reconnects), (20_000, 1));

    let mut scan = Scan::begin(&node(&server)).await.unwrap();
    scan.next_chunk().await.unwrap();
    server.kill();
    let error = loop {
        match scan.next_chunk().await {
            Ok(chunk) => assert!(chunk.is_some(), "it must not end well"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ScanError::Connect(_)), "{error:?}");
    assert!(scan.next_chunk().await.unwrap().is_none(), "nothing comes after an error");
}

#[test]
fn a_large_value_comes_in_chunks() {
    on_each_async(&servers(), async |installed| {
        let server = RedisServer::builder().version(installed).start().unwrap();
        server.fill(3, 20_000_000);
        let (scanned, _) = read(&node(&server)).await.unwrap();
        let (scanned, whole) = (census(&scanned).0, census(&sample::rdb(&server)).0);
        assert!((scanned.keys, scanned.digest) == (whole.keys, whole.digest), "{}", installed.name);
    });
}
