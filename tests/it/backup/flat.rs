//! Memory does not grow with the size of a value, nor with what a server answers: each run stays below 128 MiB.

use redis_ops::census::{Census, Counter};
use redis_ops::rdb::Scanner;
use redis_ops::repository::BackupId;
use redis_ops::repository::manifest::Manifest;
use serde_json::Value;

use super::{Folder, backup, failure};
use crate::support::fake_primary::{Act, FakePrimary};
use crate::support::redis_ops::{RedisOps, Run};
use crate::support::redis_server::{Installed, RedisServer, on_each_async, server_named, servers, shifts_clocks};
use crate::support::s3::S3Server;
use crate::support::sample;

const LIMIT: u64 = 128 << 20;

/// Runs it, and it has never had more than 128 MiB.
#[track_caller]
fn flat(command: RedisOps) -> Run {
    let (run, most) = command.spawn().wait_and_weigh();
    println!("{} MiB: {}", most >> 20, run.line);
    assert!(most > 1 << 20, "nothing was measured of {}", run.line);
    assert!(most < LIMIT, "{} MiB: {}", most >> 20, run.line);
    run
}

#[track_caller]
fn good(run: &Run, code: i32) {
    assert_eq!(run.code, code, "{}: {}{}", run.line, run.text(), run.stderr);
}

/// A server with an element of 80 MiB in a plain hash, in a packed one, in a sorted set and in a stream, with long ones of a set and a list,
/// and with small keys; made there, nothing is sent.
fn server() -> Option<RedisServer> {
    let newest = server_named("redis-server-8.0").or_else(|| server_named("redis-server"))?;
    let server = RedisServer::builder().version(&newest).arg("rdbcompression", "no");
    let server = server.arg("hash-max-listpack-value", "1000000000").start()?;
    server.fill(1000, 10);
    let make = "local s = string.rep('0123456789', 8 * 1024 * 1024) local call = redis.call \
                local long = string.sub(s, 1, 1000000) \
                for index = 1, 200 do call('HSET', 'hash', 'f' .. index, index) end \
                call('HSET', 'hash', 'a', s, 'b', 'short', 'c', 'small') \
                call('RPUSH', 'list', 'x', long, 'y') \
                call('SADD', 'set', long, 'small') \
                call('ZADD', 'zset', '1.5', s, '2', 'small') \
                call('XADD', 'stream', '1-1', 'f', 'v') \
                call('XADD', 'stream', '1-2', 'f', 'v', 'long', s, 'last', 'w') \
                call('XGROUP', 'CREATE', 'stream', 'g', '1-1') \
                call('HSET', 'packed', 'x', '1', 'a', s) return 'OK'";
    server.ok(&["EVAL", make, "0"]);
    Some(server)
}

#[test]
fn elements_of_eighty_mebibytes_pass_in_pieces_through_all_commands() {
    let Some(source) = server() else { return };
    let folder = Folder::new();
    good(&flat(backup(&source.url(), &folder.text(), &[])), 0);
    let id = {
        let (_, list) = RedisOps::new().args(["list", "-r", &folder.text()]).json();
        list["backups"][0]["id"].as_str().expect("an id").to_owned()
    };
    let backup_id = format!("prod/{id}");
    let verify = ["verify", "-r", &folder.text(), "--backup-id", &backup_id, "--progress", "none"];
    good(&flat(RedisOps::new().args(verify)), 0);
    for method in ["restore", "commands", "replica"] {
        let target = RedisServer::builder().version(source.installed()).start().expect("it started before");
        let words = ["restore", "-r", &folder.text(), "--backup-id", &backup_id, "--target-instance", &target.url()];
        let run = flat(RedisOps::new().args(words).args(["--method", method, "--yes", "--progress", "none"]));
        good(&run, 0);
        for field in ["a", "b", "c"] {
            let length = |server: &RedisServer| server.cli(&["HSTRLEN", "hash", field]);
            assert_eq!(length(&target), length(&source), "{method}, field {field}");
        }
        let ends = |server: &RedisServer| server.cli(&["LRANGE", "list", "-1", "-1"]);
        assert_eq!((ends(&target), target.cli(&["LLEN", "list"])), (ends(&source), source.cli(&["LLEN", "list"])));
        for question in [
            &["SCARD", "set"][..],
            &["ZRANGE", "zset", "1", "-1", "WITHSCORES"],
            &["XLEN", "stream"],
            &["XINFO", "GROUPS", "stream"],
            &["XRANGE", "stream", "1-1", "1-1"],
            &["HSTRLEN", "packed", "a"],
        ] {
            assert_eq!(target.cli(question), source.cli(question), "{method}: {question:?}");
        }
        assert_eq!(target.cli(&["DBSIZE"]), source.cli(&["DBSIZE"]), "{method}");
    }
}

#[test]
fn a_scan_does_not_hold_large_values() {
    let Some(source) = server() else { return };
    let folder = Folder::new();
    let run = flat(backup(&source.url(), &folder.text(), &["--source", "scan", "--compression", "zstd:1"]));
    // Key by key is not one moment of the data.
    good(&run, 1);
    let compared = RedisOps::new().args(["verify", "-r", &folder.text(), "-i", &source.url(), "--progress", "none"]);
    good(&flat(compared.args(["--backup-id", "prod/latest"])), 0);
}

#[test]
fn a_large_field_that_expires_is_restored_in_pieces_too() {
    // In the file the expiry stands before the value, and with Valkey behind it.
    for installed in ["redis-server-7.4", "valkey-server-9.1"].into_iter().filter_map(server_named) {
        restored_with_a_field_that_expires(&installed);
    }
}

fn restored_with_a_field_that_expires(installed: &Installed) {
    let start = || RedisServer::builder().version(installed).arg("rdbcompression", "no").start();
    let (Some(source), Some(target)) = (start(), start()) else { return };
    let make = "redis.call('HSET', 'hash', 'a', string.rep('0123456789', 8 * 1024 * 1024), 'b', 'x') return 'OK'";
    source.ok(&["EVAL", make, "0"]);
    source.reply(&["HPEXPIREAT", "hash", "4000000000123", "FIELDS", "1", "a"]);
    let folder = Folder::new();
    good(&flat(backup(&source.url(), &folder.text(), &["--compression", "zstd:1"])), 0);
    for method in ["restore", "commands"] {
        target.ok(&["FLUSHALL"]);
        let words = ["restore", "-r", &folder.text(), "--backup-id", "prod/latest", "--target-instance", &target.url()];
        good(&flat(RedisOps::new().args(words).args(["--method", method, "--yes", "--progress", "none"])), 0);
        for question in [&["HSTRLEN", "hash", "a"][..], &["HPEXPIRETIME", "hash", "FIELDS", "2", "a", "b"]] {
            assert_eq!(target.cli(question), source.cli(question), "{method}: {question:?}");
        }
    }
}

/// Lists of old servers have ziplists, also around one long element; arrays have strings of any length.
#[test]
fn what_only_some_servers_have_passes_in_pieces_too() {
    let long = "string.rep('0123456789', 8 * 1024 * 1024)";
    for (name, make, questions) in [
        (
            "redis-server-6.2",
            format!("redis.call('RPUSH', 'k', 'x', {long}, 'y')"),
            vec![vec!["LLEN", "k"], vec!["LINDEX", "k", "2"]],
        ),
        ("redis-server-8.10", format!("redis.call('ARSET', 'k', '7', {long})"), vec![vec!["ARLEN", "k"]]),
    ] {
        let Some(installed) = server_named(name) else { continue };
        let start = || RedisServer::builder().version(&installed).arg("rdbcompression", "no").start();
        let (Some(source), Some(target)) = (start(), start()) else { continue };
        source.ok(&["EVAL", &format!("{make} return 'OK'"), "0"]);
        let folder = Folder::new();
        good(&flat(backup(&source.url(), &folder.text(), &["--compression", "zstd:1"])), 0);
        let words = ["restore", "-r", &folder.text(), "--backup-id", "prod/latest", "--target-instance", &target.url()];
        // It proves what it has written.
        good(&flat(RedisOps::new().args(words).args(["--method", "restore", "--yes", "--progress", "none"])), 0);
        for question in questions {
            assert_eq!(target.cli(&question), source.cli(&question), "{name}: {question:?}");
        }
    }
}

fn census(rdb: &[u8]) -> Census {
    let (mut scanner, mut counter) = (Scanner::new(), Counter::of_everything(0));
    scanner.push(rdb, &mut counter).unwrap();
    scanner.finish().unwrap();
    counter.finish()
}

/// Scans a server with ten values of 6 MiB and their expiries; they are what the server's own RDB holds. Gives the warnings.
async fn scanned(server: &RedisServer) -> Vec<String> {
    use redis_ops::capture::scan::Scan;
    use redis_ops::connection::{Address, Node};
    for index in 0..10 {
        let value = "6291456";
        server.ok(&["SETRANGE", &format!("large:{index}"), value, &index.to_string()]);
        if index % 2 == 0 {
            server.reply(&["PEXPIREAT", &format!("large:{index}"), &(4_000_000_000_123_u64 + index).to_string()]);
        }
        server.reply(&["SET", &format!("small:{index}"), "x"]);
    }
    let hits: u64 = server.info("keyspace_hits").parse().unwrap();
    let mut scan = Scan::begin(&Node::new(Address::tcp("127.0.0.1", server.port()))).await.unwrap();
    let mut rdb = Vec::new();
    while let Some(chunk) = scan.next_chunk().await.unwrap() {
        assert!(chunk.len() <= 1 << 20);
        rdb.extend_from_slice(&chunk);
    }
    let (name, report) = (&server.installed().name, scan.report());
    let added = server.info("keyspace_hits").parse::<u64>().unwrap() - hits;
    let (found, own) = (census(&rdb), census(&sample::rdb(server)));
    assert!((found.keys, found.digest) == (own.keys, own.digest), "{name}: {} and {} keys", found.keys, own.keys);
    assert_eq!((report.keys, report.gone, report.duplicates, found.expires), (20, 0, 0, 5), "{name}");
    // Where a batch was broken off, it says what there are at most.
    assert!(report.keyspace_hits_added >= added, "{name}: {report:?}, {added}");
    assert!(report.reconnects > 0 || report.keyspace_hits_added == added, "{name}: {report:?}, {added}");
    report.warnings
}

#[test]
fn large_values_have_their_own_expiry_on_every_server() {
    on_each_async(&servers(), async |installed| {
        let server = sample::builder(installed).arg("rdbcompression", "no").start().unwrap();
        assert_eq!(scanned(&server).await, Vec::<String>::new(), "{}", installed.name);
    });
}

/// Before 7.0 a value is asked for again when a millisecond passed between two looks at the clock: each time counts on the server.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_again_is_in_the_hits_that_are_reported() {
    use redis_ops::capture::scan::Scan;
    use redis_ops::connection::{Address, Node};
    let Some(installed) = server_named("redis-server-6.2") else { return };
    if !shifts_clocks() {
        return;
    }
    let server = RedisServer::builder().version(&installed).clock_step(700).start().unwrap();
    for (key, length) in [("small", "10"), ("large", "6291456"), ("larger", "8291456")] {
        server.ok(&["SETRANGE", key, length, "x"]);
        server.reply(&["PEXPIREAT", key, "4000000000123"]);
    }
    let hits = || server.info("keyspace_hits").parse::<u64>().unwrap();
    let before = hits();
    let mut scan = Scan::begin(&Node::new(Address::tcp("127.0.0.1", server.port()))).await.unwrap();
    while scan.next_chunk().await.unwrap().is_some() {}
    let report = scan.report();
    assert_eq!((report.keys, report.reconnects), (3, 0));
    assert_eq!(report.keyspace_hits_added, hits() - before);
    assert!(report.keyspace_hits_added > 9, "nothing was asked for again: {report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_read_in_pieces_where_nobody_says_how_large_they_are() {
    let Some(installed) = server_named("redis-server-7.0") else { return };
    let server = RedisServer::builder().version(&installed).arg("rename-command", "MEMORY ''");
    let server = server.arg("rdbcompression", "no").start().unwrap();
    // Some are asked for in one batch: more comes than a batch may have, and each is asked for alone.
    let warnings = scanned(&server).await;
    assert_eq!(warnings, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_transactions_is_read_all_the_same_and_it_is_said() {
    let Some(installed) = server_named("redis-server-7.0") else { return };
    let server = RedisServer::builder().version(&installed).arg("rename-command", "MULTI ''").start().unwrap();
    let warnings = scanned(&server).await;
    assert!(warnings.len() == 1 && warnings[0].contains("`MULTI`"), "{warnings:?}");
}

/// INFO of a server that has so many connections, as a bulk string.
fn info(connections: u64, more: &str) -> Vec<u8> {
    let text = format!(
        "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nuptime_in_seconds:5000\r\n# Clients\r\nconnected_clients:\
         {connections}\r\nmaxclients:2000000\r\n# Replication\r\nrole:master\r\n# Persistence\r\nloading:0\r\n{more}"
    );
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}

fn diagnose(url: &str) -> RedisOps {
    RedisOps::new().args(["diagnose", "connections", "-i", url, "--progress", "none", "--window", "50ms", "--json"])
}

#[test]
fn an_info_of_sixty_megabytes_is_refused_with_its_limit() {
    let line = "errorstat_SOME-ERROR-OF-A-SCRIPT:count=1\r\n";
    let long = info(1, &line.repeat(60_000_000 / line.len()));
    let primary = FakePrimary::new().on("INFO", [Act::send(long)]).start();
    let folder = Folder::new();
    for command in [diagnose(&primary.url()), backup(&primary.url(), &folder.text(), &["--json"])] {
        let run = flat(command);
        assert_eq!(failure(&run).1, "reply_too_large", "{}: {}", run.line, run.text());
        assert!(run.text().contains("longer than the limit of 4.0 MiB"), "{}", run.text());
    }
}

#[test]
fn an_info_of_four_megabytes_is_read() {
    // Short lines are what takes the most: each becomes a name and a value.
    let lines: String = (0..4_000_000 / 27).map(|error| format!("errorstat_E{error:07}:count=1\r\n")).collect();
    let primary = FakePrimary::new().on("INFO", [Act::send(info(10, &lines))]).start();
    let run = flat(diagnose(&primary.url()));
    assert!(run.json()["error"].is_null(), "{}", run.text());
}

#[test]
fn a_million_connections_are_not_listed_and_the_rest_is_judged() {
    let primary = FakePrimary::new().on("INFO", [Act::send(info(1_000_000, ""))]).start();
    let run = flat(diagnose(&primary.url()));
    let answer: Value = run.json();
    assert!(answer["error"].is_null(), "{answer}");
    assert!(run.text().contains("at most 30,000 are listed"), "{answer}");
    let heard = primary.heard();
    assert!(!heard.iter().any(|words| words[..] == ["CLIENT", "LIST"]), "{heard:?}");
}

#[test]
fn a_list_of_connections_that_is_longer_than_was_said_is_refused() {
    let line =
        "id=1 addr=127.0.0.1:5000 laddr=127.0.0.1:6379 fd=8 name= age=1 idle=1 flags=N db=0 cmd=get user=default\n";
    let text = line.repeat(100_000_000 / line.len());
    let list = format!("${}\r\n{text}\r\n", text.len());
    let primary = FakePrimary::new().on("INFO", [Act::send(info(10, ""))]).on("CLIENT LIST", [Act::send(list)]).start();
    let run = flat(diagnose(&primary.url()));
    assert_eq!(failure(&run).1, "reply_too_large", "{}", run.text());
}

#[test]
fn a_listing_of_twenty_thousand_beginnings_is_flat_in_every_format() {
    let folder = Folder::new();
    let begin: chrono::DateTime<chrono::Utc> = "2020-01-01T00:00:00Z".parse().expect("a moment");
    for minute in 0..20_000 {
        let id = (begin + chrono::TimeDelta::minutes(minute)).format("%Y-%m-%d-%H-%M").to_string();
        let place = folder.path().join("prod").join(&id);
        std::fs::create_dir_all(&place).expect("a folder");
        let begun = format!(
            r#"{{"id":"{id}","instance":"prod","begun_at":"2020-01-01T00:00:00Z","host":"backup-7","pid":4711,"token":"t"}}"#
        );
        std::fs::write(place.join("begun.json"), begun).expect("a file");
    }
    for (format, n_lines) in [("table", 40_000), ("ndjson", 20_000), ("json", 20_000 * 20)] {
        let run = flat(RedisOps::new().args(["list", "-r", &folder.text(), "--format", format, "--progress", "none"]));
        good(&run, 0);
        assert!(run.text().lines().count() >= n_lines, "{format}: {} lines", run.text().lines().count());
    }
}

/// A store with thousands of backups: one GET each, read side by side, with signs of life.
#[test]
fn a_listing_of_three_thousand_backups_asks_for_each_once() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    let store = S3Server::start();
    let with = |arguments: &[&str]| {
        let run = RedisOps::new().args(arguments).args(["-r", &store.location("redis")]);
        store.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value))
    };
    let run = with(&["backup", "-i", &server.url(), "--name", "prod", "--json"]).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    let id = run.json()["backup"]["id"].as_str().expect("an id").to_owned();
    let place = store.objects().join("redis/prod");
    let manifest = Manifest::decode(&std::fs::read(place.join(id).join("manifest.json")).unwrap()).unwrap();
    let begin: chrono::DateTime<chrono::Utc> = "2020-01-01T00:00:00Z".parse().expect("a moment");
    for hour in 1..3000 {
        let id = BackupId::new(begin + chrono::TimeDelta::hours(hour));
        std::fs::create_dir(place.join(id.to_string())).unwrap();
        let body = Manifest { id, ..manifest.clone() }.encode().unwrap();
        std::fs::write(place.join(id.to_string()).join("manifest.json"), body).unwrap();
    }
    let asked = |operation: &str| store.count(operation);
    for format in ["table", "json"] {
        let (gets, lists) = (asked("GetObject"), asked("ListObjectsV2"));
        let run = flat(with(&["list", "--format", format, "--progress", "json"]));
        good(&run, 0);
        assert!(run.text().matches("prod").count() >= 3000, "{format}");
        // And the marker.
        assert_eq!(asked("GetObject") - gets, 3001, "{format}");
        assert!(asked("ListObjectsV2") - lists <= 5, "{format}: {}", asked("ListObjectsV2") - lists);
        assert!(run.stderr.contains("reading manifests"), "{format}: {}", run.stderr);
    }
}
