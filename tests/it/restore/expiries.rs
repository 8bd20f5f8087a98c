//! Keys with two expiries, which no server writes: which one counts is the server's business, and known of each.

use crate::backup::{Folder, backup};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, on_each, server_named, servers};
use crate::support::sample;

/// Far enough in the future for every test, Unix milliseconds.
const SOONER: i64 = 4_102_444_800_000;
const LATER: i64 = 4_112_444_800_000;

/// One key with two expiries, and one with two of which one is in seconds.
fn file() -> Vec<u8> {
    let of_two = |name: u8, first: i64, last: i64| {
        let milliseconds = |at: i64| [&[0xfc][..], &at.to_le_bytes()].concat();
        [milliseconds(first), milliseconds(last), vec![0, 1, name, 1, b'v']].concat()
    };
    let mut rdb = [b"REDIS0009\xfe\x00".to_vec(), of_two(b'a', SOONER, LATER), of_two(b'b', LATER, SOONER)].concat();
    rdb.push(0xff);
    let crc = redis_ops::rdb::crc64(&rdb);
    rdb.extend(crc.to_le_bytes());
    rdb
}

fn expires(server: &RedisServer, key: &str) -> i64 {
    let (left, now) = (server.ok(&["PTTL", key]), server.ok(&["TIME"]));
    let mut now = now.split_whitespace().map(|number| number.parse::<i64>().unwrap());
    left.parse::<i64>().unwrap() + now.next().unwrap() * 1000 + now.next().unwrap() / 1000
}

/// The one of both that this is, give or take the time between two questions.
fn named(at: i64) -> &'static str {
    [("sooner", SOONER), ("later", LATER)]
        .into_iter()
        .find(|(_, of)| (of - at).abs() < 60_000)
        .map_or("neither", |(name, _)| name)
}

#[test]
fn the_last_counts_and_a_server_that_keeps_the_first_is_not_fed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("twice.rdb");
    std::fs::write(&path, file()).unwrap();
    let file = path.display().to_string();
    let (code, verified) = RedisOps::new().args(["verify", "--file", &file]).json();
    let finding = &verified["findings"][0];
    assert_eq!(
        (code, &finding["id"], &finding["severity"]),
        (1, &"expiry_twice".into(), &"warning".into()),
        "{verified:#}"
    );
    assert_eq!((&finding["evidence"]["count"], &finding["evidence"]["first"][0]["key"]), (&2.into(), &"a".into()));
    on_each(&servers(), |installed| {
        let name = &installed.name;
        // What the server itself makes of it.
        let loaded = RedisServer::builder().version(installed).dump(&path).start().unwrap();
        let keeps_first = installed.is("8.10");
        let expected = if keeps_first { ("sooner", "later") } else { ("later", "sooner") };
        assert_eq!((named(expires(&loaded, "a")), named(expires(&loaded, "b"))), expected, "{name}");
        assert!(
            finding["evidence"][if keeps_first { "unknown" } else { "takes" }]
                .to_string()
                .contains(&name.replace("-server-", " ").replace("-sid", "")),
            "{name}: {finding}"
        );

        let target = RedisServer::builder().version(installed).start().unwrap();
        let (code, answer) =
            RedisOps::new().args(["restore", "--file", &file, "--target-instance", &target.url()]).json();
        assert_eq!(code, 0, "{name}: {answer}");
        assert_eq!(answer["result"]["method"] == "replica", !keeps_first, "{name}: {answer}");
        assert_eq!((named(expires(&target, "a")), named(expires(&target, "b"))), ("later", "sooner"), "{name}");
        assert_eq!(answer["proof"]["is_equal"], true, "{name}: {answer}");
    });
}

/// A primary that has been a replica tells of each key that it removes in its stream: that is nobody's write.
#[test]
fn what_the_target_lets_expire_by_itself_is_no_write_of_others() {
    for installed in ["redis-server-7.0", "redis-server-8.0", "valkey-server-9.1"].into_iter().filter_map(server_named)
    {
        let name = &installed.name;
        let source = sample::builder(&installed).start().expect("a server");
        source.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
        let make = "for i = 1, 3000 do redis.call('SET', 'k:' .. i, 'v', 'PX', 1) end redis.call('SET', 'stays', 'v') return 'OK'";
        source.ok(&["EVAL", make, "0"]);
        let folder = Folder::new();
        let run = backup(&source.url(), &folder.text(), &[]).run();
        assert_eq!(run.code, 0, "{name}: {}", run.everything());
        let target = sample::builder(&installed).arg("hz", "500").start().expect("a server");
        let words = ["restore", "-r", &folder.text(), "--backup-id", "prod/latest", "--target-instance", &target.url()];
        let (code, answer) = RedisOps::new().args(words).args(["--method", "replica", "--yes"]).json();
        // The keys that have expired are told; that somebody wrote is not.
        assert_eq!(code, 1, "{name}: {answer:#}");
        assert_ne!(answer["result"]["others_wrote"], true, "{name}: {answer:#}");
        assert_eq!(answer["proof"]["is_equal"], true, "{name}: {answer:#}");
        target.wait_for("the expiries", |target| target.ok(&["DBSIZE"]) == "1");
    }
}
