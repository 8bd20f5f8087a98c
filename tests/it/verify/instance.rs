//! Is this server equal to that backup?

use std::fs;

use super::{backup_into, repository_of, repository_of_what_expires, told, verify};
use crate::backup::Folder;
use crate::support::cluster::{Cluster, any_kind};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, on_each, server_named, servers};
use crate::support::sample;

/// Far in the future, Unix milliseconds.
const LATER: &str = "4102444800000";

#[test]
fn a_server_is_equal_to_its_backup_whatever_its_version_is() {
    on_each(&servers(), |installed| {
        let Some(server) = sample::builder(installed).start() else { return };
        sample::fill(&server);
        let (folder, id) = repository_of(&server);
        let (code, answer) = verify(&folder, &["-i", &server.url(), "--backup-id", &id]).json();
        assert_eq!(code, 0, "{}: {answer:#}", installed.name);
        assert_eq!(answer["backup_id"], id.as_str());
        assert_eq!(told(&answer), ([0, 0, 0], Vec::new()));
        assert_eq!(answer["comparison"]["equal"].as_u64(), answer["comparison"]["equal"].as_u64().filter(|n| *n >= 20));
        assert_eq!(answer["comparison"]["ratio"], 1.0);
        assert_eq!(answer["comparison"]["consistency"], "point_in_time");
        assert_eq!(answer["comparison"]["buckets"]["differing"], 0, "the fast path was taken: {answer:#}");
    });
}

#[test]
fn equal_data_in_another_version_and_other_encodings_are_equal() {
    // Every server loads what the oldest one wrote; and has its own limits for small encodings.
    let Some(oldest) = servers().into_iter().find(|installed| installed.is("6.2")) else { return };
    let Some(source) = sample::builder(&oldest).start() else { return };
    sample::fill(&source);
    let (folder, _) = repository_of(&source);
    source.save();
    let dump = source.dir().join("dump.rdb");
    for installed in servers() {
        let mut builder = RedisServer::builder().version(&installed).dump(&dump).arg("list-max-ziplist-size", "3");
        for name in ["hash-max-ziplist-entries", "zset-max-ziplist-entries", "set-max-intset-entries"] {
            builder = builder.arg(name, "1");
        }
        let Some(server) = builder.start() else { return };
        let run = verify(&folder, &["-i", &server.url(), "--backup-id", "prod/latest"]).run();
        assert_eq!(run.code, 0, "{}: {}{}", installed.name, run.text(), run.stderr);
    }
}

#[test]
fn each_difference_is_named() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(3000, 20);
    server.pipe((0..200_000).map(|_| vec![b"RPUSH".as_slice(), b"long:list", b"element"]));
    let members: Vec<Vec<u8>> = (0..1_000_000).map(|member| format!("member:{member}").into_bytes()).collect();
    server.pipe(members.chunks(1000).map(|some| {
        let words = [b"SADD".as_slice(), b"large:set"].into_iter();
        words.chain(some.iter().map(Vec::as_slice)).collect()
    }));
    for command in [
        &["SET", "stays", "x"][..],
        &["SET", "becomes a list", "x"],
        &["SET", "ttl", "x"],
        &["PEXPIREAT", "ttl", LATER],
        &["HSET", "hash", "a", "1"],
        &["SET", "moves", "x"],
        &["SET", "goes", "x"],
    ] {
        server.ok(command);
    }
    let (folder, id) = repository_of(&server);
    for command in [
        &["DEL", "goes"][..],
        &["SET", "comes", "x"],
        &["DEL", "becomes a list"],
        &["RPUSH", "becomes a list", "x"],
        &["PEXPIREAT", "ttl", "4102444801000"],
        &["HSET", "hash", "a", "2"],
        &["LSET", "long:list", "100000", "other"],
        &["SREM", "large:set", "member:777777"],
        &["SADD", "large:set", "member:777778x"],
        &["MOVE", "moves", "3"],
    ] {
        server.ok(command);
    }
    let compare = |more: &[&str]| {
        let url = server.url();
        let (code, answer) = verify(&folder, &[&["-i", &url, "--backup-id", &id][..], more].concat()).json();
        (code, told(&answer), answer)
    };
    let all = [
        "expiry ttl",
        "extra comes",
        "extra moves",
        "missing goes",
        "missing moves",
        "type becomes a list",
        "value hash",
        "value large:set",
        "value long:list",
    ];
    let (code, (counts, named), answer) = compare(&[]);
    assert_eq!((code, counts), (2, [2, 2, 5]), "{answer:#}");
    assert_eq!(named, all);
    assert_eq!(answer["status"], "failed");
    assert_eq!(answer["comparison"]["different_by"], serde_json::json!({"type": 1, "value": 3, "expiry": 1}));
    let moved: Vec<_> =
        answer["comparison"]["by_key"].as_array().unwrap().iter().filter(|key| key["key"] == "moves").collect();
    assert_eq!((&moved[0]["database"], &moved[1]["database"]), (&0.into(), &3.into()), "{moved:?}");

    // Spilled to a file, the answer is the same.
    assert_eq!(compare(&["--memory", "20KiB"]).1.1, all);
    // A second is a difference, unless it may be.
    assert_eq!(compare(&["--ttl-tolerance", "999ms"]).1.0, [2, 2, 5]);
    assert_eq!(compare(&["--ttl-tolerance", "1s"]).1.0, [2, 2, 4]);
    // Only some keys, one database, a few names.
    assert_eq!(compare(&["--keys", "h*", "--keys", "c*"]).1.1, ["extra comes", "value hash"]);
    assert_eq!(compare(&["--keys", "key:*"]).0, 0);
    assert_eq!(compare(&["--db", "3"]).1.1, ["extra moves"]);
    assert_eq!(compare(&["--limit", "2"]).1.1.len(), 2);
    assert_eq!(compare(&["--limit", "0"]).1.0, [2, 2, 5]);
    // What is a no.
    for (fail_on, keys, code) in [
        ("missing", "*", 2),
        ("missing", "comes", 0),
        ("extra", "comes", 2),
        ("different", "comes", 0),
        ("extra,missing", "hash", 0),
        ("different", "hash", 2),
        ("any", "comes", 2),
    ] {
        assert_eq!(compare(&["--fail-on", fail_on, "--keys", keys]).0, code, "{fail_on} {keys}");
    }
    // For people.
    let run = verify(&folder, &["-i", &server.url(), "--backup-id", &id, "-q"]).run();
    assert!(
        run.text().contains("value") && run.text().contains("long:list") && run.stderr.is_empty(),
        "{}",
        run.everything()
    );
    assert!(
        run.text()
            .lines()
            .last()
            .unwrap()
            .contains("5 different (1 in type, 3 in value, 1 in expiry), 2 only in the backup, 2 only in the instance"),
        "{}",
        run.text()
    );
}

#[test]
fn what_expired_since_is_no_difference() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(100, 20);
    let set = |milliseconds: &str| drop(server.ok(&["SET", "short", "x", "PX", milliseconds]));
    let lives = |server: &RedisServer| server.ok(&["EXISTS", "short"]) == "1";
    let (folder, id) = repository_of_what_expires(&server, set, lives);
    let (code, answer) = verify(&folder, &["-i", &server.url(), "--backup-id", &id]).json();
    assert_eq!((code, told(&answer).0), (0, [0, 0, 0]), "{answer:#}");
    assert_eq!(
        (answer["comparison"]["expired"].as_u64(), answer["comparison"]["equal"].as_u64()),
        (Some(1), Some(100))
    );
}

#[test]
fn hash_fields_that_expired_since_are_no_difference() {
    for installed in
        servers().iter().filter(|installed| installed.is("redis-server-8.0") || installed.is("valkey-server-9"))
    {
        let Some(server) = sample::builder(installed).start() else { return };
        let set = |milliseconds: &str| {
            server.ok(&["HSET", "some", "stays", "1", "goes", "2"]);
            server.ok(&["HPEXPIRE", "some", milliseconds, "FIELDS", "1", "goes"]);
            server.ok(&["HSET", "all", "goes", "1"]);
            server.ok(&["HPEXPIRE", "all", milliseconds, "FIELDS", "1", "goes"]);
        };
        let lives = |server: &RedisServer| server.ok(&["EXISTS", "all"]) == "1" || server.ok(&["HLEN", "some"]) == "2";
        let (folder, id) = repository_of_what_expires(&server, set, lives);
        // The moment of the look is a second: the next one has to begin.
        let second = |server: &RedisServer| server.ok(&["TIME"]).lines().next().map(str::to_owned);
        let of_the_end = second(&server);
        server.wait_for("the next second", |server| second(server) != of_the_end);
        let (code, answer) = verify(&folder, &["-i", &server.url(), "--backup-id", &id]).json();
        assert_eq!((code, told(&answer).0), (0, [0, 0, 0]), "{}: {answer:#}", installed.name);
        server.ok(&["HSET", "some", "stays", "2"]);
        let (code, answer) = verify(&folder, &["-i", &server.url(), "--backup-id", &id]).json();
        assert_eq!((code, told(&answer).1), (2, vec!["value some".to_owned()]), "{}", installed.name);
    }
}

#[test]
fn functions_are_data() {
    let Some(server) = RedisServer::start() else { return };
    if !sample::has(&server, "FUNCTION") {
        return;
    }
    sample::fill(&server);
    let (folder, id) = repository_of(&server);
    server.ok(&["FUNCTION", "FLUSH"]);
    let (code, answer) = verify(&folder, &["-i", &server.url(), "--backup-id", &id]).json();
    assert_eq!((code, told(&answer).0), (2, [0, 0, 0]));
    assert_eq!(
        answer["comparison"]["functions"],
        serde_json::json!({"expected": 1, "found": 0, "equal": false, "differing": []})
    );
}

#[test]
fn without_an_id_the_backup_that_was_restored_last_is_meant_and_else_the_latest_of_the_instance() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(100, 20);
    let (folder, first) = repository_of(&server);
    server.ok(&["SET", "later", "1"]);
    let second = backup_into(&folder, &server);
    // A backup of another instance is newer still.
    let other = RedisOps::new().args(["backup", "-i", &server.url(), "--name", "zoo", "-r", &folder.text()]).run();
    assert_eq!(other.code, 0, "{}", other.stderr);

    let settings = format!("instances:\n  prod:\n    url: {}\n", server.url());
    let ask = || {
        let run = verify(&folder, &["-i", "prod", "--json"]).file("redis-ops.yaml", &settings).run();
        (run.code, run.json()["backup_id"].as_str().unwrap_or_default().to_owned(), run.stderr.clone())
    };
    let (code, id, words) = ask();
    assert_eq!((code, &id), (0, &second), "{words}");
    assert!(words.contains(&format!("prod/{second}")) && words.contains("the newest good backup of prod"), "{words}");

    let receipts = folder.path().join("prod").join(&first).join("receipts");
    fs::create_dir_all(&receipts).unwrap();
    let receipt = |name: &str, target: &str| fs::write(receipts.join(format!("restore-{name}.json")), target).unwrap();
    // After both backups were taken: no newer one is there.
    receipt("2098-01-01T00-00-00.000Z", r#"{"target": {"instance": "prod", "run_id": "x"}}"#);
    receipt("2098-01-02T00-00-00.000Z", r#"{"target": {"instance": "elsewhere", "run_id": "y"}}"#);
    let (code, id, words) = ask();
    assert_eq!((code, &id), (2, &first), "{words}");
    assert!(words.contains("restored into prod"), "{words}");
}

#[test]
fn what_cannot_be_reached_or_understood_is_no_answer() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 20);
    let (folder, id) = repository_of(&server);
    let (code, answer) = verify(&folder, &["-i", "redis://127.0.0.1:1", "--backup-id", &id, "--timeout", "1s"]).json();
    assert_eq!((code, answer["error"]["code"].as_str()), (3, Some("connection_refused")), "{answer:#}");
    let (code, answer) = verify(&folder, &["-i", &server.url(), "--backup-id", "2001-01-01"]).json();
    assert_eq!((code, answer["error"]["code"].as_str()), (3, Some("not_found")), "{answer:#}");

    // An RDB with a type that nobody knows yet, in a version that nobody knows yet; without a checksum.
    let newer = folder.path().join("newer.rdb");
    fs::write(&newer, b"REDIS0099\xfe\x00\xc8\x03abcwhatever\xff\0\0\0\0\0\0\0\0").unwrap();
    let run =
        RedisOps::new().args(["backup", "--from-file"]).arg(&newer).args(["--name", "new", "-r", &folder.text()]).run();
    assert_eq!(run.code, 1, "{}", run.everything());
    for more in [&["-i", &server.url()][..], &["--against", &format!("prod/{id}")]] {
        let (code, answer) = verify(&folder, &[&["--backup-id", "new/latest"][..], more].concat()).json();
        assert_eq!((code, answer["status"].as_str()), (3, Some("unknown")), "{answer:#}");
    }
}

#[test]
fn a_damaged_backup_proves_nothing() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(3000, 50);
    let (folder, id) = repository_of(&server);
    let object = folder.the("dump.rdb.gz");
    let mut bytes = fs::read(&object).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&object, &bytes).unwrap();
    server.ok(&["SET", "key:1", "other"]);
    let (code, answer) = verify(&folder, &["-i", &server.url(), "--backup-id", &id]).json();
    assert_eq!((code, answer["status"].as_str()), (2, Some("failed")), "{answer:#}");
    assert!(answer["comparison"].is_null() && !answer["findings"].as_array().unwrap().is_empty(), "{answer:#}");
    fs::remove_file(&object).unwrap();
    let (code, answer) = verify(&folder, &["-i", &server.url(), "--backup-id", &id]).json();
    assert_eq!((code, answer["findings"][0]["id"].as_str()), (2, Some("missing_object")), "{answer:#}");
}

#[test]
fn a_census_that_is_lost_is_made_again_and_a_file_needs_none() {
    let Some(server) = RedisServer::start() else { return };
    sample::fill(&server);
    let (folder, id) = repository_of(&server);
    server.save();
    server.ok(&["RPUSH", "list", "one more"]);
    // Not of this version of the digest, as an older tool would have written it.
    let manifest = folder.the("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    assert!(text.contains("\"digest_version\""));
    let dump = server.dir().join("dump.rdb").display().to_string();
    let (code, answer) =
        RedisOps::new().args(["verify", "--file", &dump, "-i", &server.url(), "--progress", "none"]).json();
    assert_eq!((code, told(&answer).1), (2, vec!["value list".to_owned()]), "{answer:#}");
    fs::write(folder.the("census.bin"), b"nonsense").unwrap();
    // Its SHA-256 is in the manifest: the backup is not what was published.
    let (code, answer) = verify(&folder, &["-i", &server.url(), "--backup-id", &id]).json();
    assert_eq!((code, answer["findings"][0]["id"].as_str()), (2, Some("checksum_mismatch")), "{answer:#}");
}

#[test]
fn a_server_that_refuses_replication_is_read_key_by_key() {
    let Some(server) = RedisServer::start() else { return };
    sample::fill(&server);
    let (folder, id) = repository_of(&server);
    server.ok(&["ACL", "SETUSER", "reader", "on", ">long-password", "~*", "+@all", "-psync", "-sync", "-replconf"]);
    let ask = || {
        let url = format!("redis://reader:long-password@127.0.0.1:{}", server.port());
        let (code, answer) = verify(&folder, &["-i", &url, "--backup-id", &id]).json();
        assert_eq!(answer["comparison"]["consistency"], "fuzzy", "{answer:#}");
        (code, told(&answer).1)
    };
    assert_eq!(ask(), (0, Vec::new()));
    server.ok(&["RPUSH", "list", "one more"]);
    assert_eq!(ask(), (2, vec!["value list".to_owned()]));
}

#[test]
fn one_difference_in_an_empty_server_is_every_key() {
    let (Some(server), Some(empty)) = (RedisServer::start(), RedisServer::start()) else { return };
    server.fill(2500, 10);
    let (folder, id) = repository_of(&server);
    let (code, answer) = verify(&folder, &["-i", &empty.url(), "--backup-id", &id, "--limit", "7"]).json();
    let (counts, named) = told(&answer);
    assert_eq!((code, counts, named.len()), (2, [2500, 0, 0], 7));
    let nothing = Folder::new();
    let run = verify(&nothing, &["-i", &empty.url()]).run();
    assert_eq!(run.code, 3, "{}", run.everything());
}

#[test]
fn all_nodes_of_a_cluster_are_read() {
    let Some(installed) = servers().into_iter().find(|installed| !installed.is("6.2")) else { return };
    let start = || {
        // The bus of a cluster listens 10,000 ports higher unless told otherwise.
        let bus = crate::support::redis_server::free_port().to_string();
        let builder = RedisServer::builder().version(&installed).arg("cluster-enabled", "yes");
        builder.arg("cluster-port", &bus).start().map(|server| (server, bus))
    };
    let (Some((one, _)), Some((two, bus)), Some(whole)) = (start(), start(), RedisServer::start()) else { return };
    one.ok(&["CLUSTER", "ADDSLOTSRANGE", "0", "8191"]);
    two.ok(&["CLUSTER", "ADDSLOTSRANGE", "8192", "16383"]);
    one.ok(&["CLUSTER", "MEET", "127.0.0.1", &two.port().to_string(), &bus]);
    for server in [&one, &two] {
        server.wait_for("the nodes know each other", |server| {
            let slots = server.ok(&["CLUSTER", "SLOTS"]);
            let state = server.ok(&["CLUSTER", "INFO"]);
            slots.contains("8191") && slots.contains("16383") && state.contains("cluster_state:ok")
        });
    }
    for n in 0..300 {
        let (key, value) = (format!("key:{n}"), n.to_string());
        whole.ok(&["SET", &key, &value]);
        if one.cli(&["SET", &key, &value]) != "OK" {
            two.ok(&["SET", &key, &value]);
        }
    }
    assert!(one.ok(&["DBSIZE"]) != "0" && two.ok(&["DBSIZE"]) != "0");
    let (folder, id) = repository_of(&whole);
    let ask = || verify(&folder, &["-i", &two.url(), "--backup-id", &id]).json();
    let (code, answer) = ask();
    assert_eq!((code, answer["comparison"]["equal"].as_u64()), (0, Some(300)), "{answer:#}");
    let node = if one.cli(&["GET", "key:7"]) == "7" { &one } else { &two };
    node.ok(&["SET", "key:7", "other"]);
    assert_eq!(told(&ask().1).1, ["value key:7"]);
}

#[test]
fn a_library_that_one_primary_of_a_cluster_lacks_is_a_difference() {
    let Some(installed) = any_kind() else { return };
    let Some(cluster) = Cluster::of(&[&installed, &installed, &installed], false, &[]) else { return };
    cluster.fill(60);
    cluster.load_function();
    let (folder, url) = (Folder::new(), cluster.url());
    backup_into(&folder, cluster.primary(0));
    let compare = || verify(&folder, &["-i", &url, "--backup-id", "prod/latest"]).json();
    assert_eq!(compare().0, 0);
    let node = cluster.primary(1);
    let address = format!("127.0.0.1:{}", node.port());
    let other = "#!lua name=mine\nredis.register_function('mine', function() return 2 end)";
    for (change, found) in [(&["FUNCTION", "FLUSH"][..], 0), (&["FUNCTION", "LOAD", other], 1)] {
        node.ok(change);
        let (code, answer) = compare();
        assert_eq!(code, 2, "{change:?}: {answer}");
        let functions = &answer["comparison"]["functions"];
        let told = serde_json::json!({"expected": 1, "found": found, "equal": false, "differing": [address]});
        assert_eq!(*functions, told, "{change:?}");
        let run = verify(&folder, &["-i", &url, "--backup-id", "prod/latest"]).run();
        assert!(run.text().contains(&format!("functions differ on {address}")), "{}", run.everything());
    }
}

/// Who may not read the functions of a server does not know whether they are those of the backup: neither equal nor different.
#[test]
fn functions_that_cannot_be_read_are_not_compared() {
    let Some(installed) = server_named("redis-server-7.0") else { return };
    let Some(server) = RedisServer::builder().version(&installed).start() else { return };
    server.fill(50, 20);
    let (folder, _) = repository_of(&server);
    server.ok(&[
        "ACL",
        "SETUSER",
        "reader",
        "on",
        ">long-password",
        "~*",
        "&*",
        "+@all",
        "-psync",
        "-sync",
        "-function|dump",
    ]);
    let url = server.url().replacen("redis://", "redis://reader:long-password@", 1);
    let looked = || verify(&folder, &["-i", &url, "--backup-id", "prod/latest"]).run();
    // None on either side, one that the backup lacks, and one that is the same: it is always the same answer.
    let library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    for step in 0..3 {
        if step == 1 {
            server.ok(&["FUNCTION", "LOAD", library]);
        }
        if step == 2 {
            backup_into(&folder, &server);
        }
        let run = looked();
        let all = run.everything();
        assert!(run.code == 1 && all.contains("function libraries could not be read"), "{step}: {all}");
        assert!(!all.contains("differ") && all.contains("function|dump"), "{step}: {all}");
    }
    // With the right the same question has its answer.
    server.ok(&["ACL", "SETUSER", "reader", "+function|dump"]);
    assert_eq!(looked().code, 0);
    server.ok(&["FUNCTION", "DELETE", "lib"]);
    assert_eq!(looked().code, 2);
}
