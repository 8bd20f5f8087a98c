//! Lies that are told by a few bytes: what `verify` says of each, and what real servers do with it.

use serde_json::{Value, json};

use super::file::verify;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Client, Installed, RedisServer, server_named};

/// A file with its checksum.
fn rdb(header: &str, body: &[&[u8]]) -> Vec<u8> {
    let mut bytes = [header.as_bytes(), &body.concat(), b"\xff"].concat();
    bytes.extend(redis_ops::rdb::crc64(&bytes).to_le_bytes());
    bytes
}

/// A server that can be told to load a file again and again.
fn judge(name: &str) -> Option<RedisServer> {
    let installed: Installed = server_named(name)?;
    let debug = if installed.is("6.2") { ("maxmemory", "0") } else { ("enable-debug-command", "yes") };
    RedisServer::builder().version(&installed).arg(debug.0, debug.1).start()
}

/// Whether a server takes the file; `None` where it is not at hand.
fn takes(name: &str, bytes: &[u8]) -> Option<bool> {
    let server = judge(name)?;
    std::fs::write(server.dir().join("dump.rdb"), bytes).expect("written");
    let answer = Client::unix(&server.socket()).and_then(|mut client| client.ask(&[b"DEBUG", b"RELOAD", b"NOSAVE"]));
    // Some end when they are told to load what they refuse.
    Some(answer.is_ok_and(|answer| answer.to_string() == "OK"))
}

/// Exit code and answer of `verify`.
fn verified(bytes: &[u8]) -> (i32, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dump.rdb");
    std::fs::write(&path, bytes).expect("written");
    verify(&path).json()
}

fn ids(json: &Value) -> Vec<&str> {
    json["findings"].as_array().expect("findings").iter().filter_map(|finding| finding["id"].as_str()).collect()
}

/// A file, what is said of it, and what a server does.
#[track_caller]
fn check(bytes: &[u8], expected: (i32, &[&str]), server: &str, is_taken: bool) {
    let (code, json) = verified(bytes);
    assert_eq!((code, &ids(&json)[..]), expected, "{json:#}");
    if let Some(taken) = takes(server, bytes) {
        assert_eq!(taken, is_taken, "{server}");
    }
}

const TEMPLATE: &[u8] = b"\xf2\x00\x02";
/// A hash of template 0 as a listpack: the id, then the values `1` and `2`.
const HASH: &[u8] = b"\x1e\x01h\x0d\x0d\x00\x00\x00\x03\x00\x00\x01\x01\x01\x02\x01\xff";

#[test]
fn fields_of_a_template_ascend_by_length_and_bytes_and_stand_there_once() {
    let file = |fields: &[u8]| rdb("REDIS0015", &[TEMPLATE, fields, HASH]);
    check(&file(b"\x01b\x02aa"), (0, &[]), "redis-server-8.10", true);
    check(&file(b"\x02aa\x01b"), (2, &["template_fields"]), "redis-server-8.10", false);
    check(&file(b"\x01b\x01b"), (2, &["duplicate_member", "template_fields"]), "redis-server-8.10", false);
    // The same field as a number and as text; and in a template that no hash has.
    check(&file(b"\x017\xc0\x07"), (2, &["duplicate_member", "template_fields"]), "redis-server-8.10", false);
    let unused = rdb("REDIS0015", &[b"\xf2\x05\x02\x01b\x01b", b"\x00\x01k\x01v"]);
    check(&unused, (2, &["template_fields"]), "redis-server-8.10", false);
    let number = rdb("REDIS0015", &[b"\xf2\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01a"]);
    check(&number, (2, &["corrupt"]), "redis-server-8.10", false);
}

#[test]
fn an_array_has_elements_and_their_indexes_ascend() {
    let array = |body: &[u8]| rdb("REDIS0014", &[b"\x1c\x01a", body]);
    check(&array(b"\x02\x00\x00\x00\x01x\x01\x00\x01y"), (0, &[]), "redis-server-8.10", true);
    check(&array(b"\x00\x00"), (2, &["empty_array", "empty_key"]), "redis-server-8.10", false);
    check(&array(b"\x02\x00\x01\x00\x01x\x01\x00\x01y"), (0, &["array_order"]), "redis-server-8.10", true);
    check(&array(b"\x02\x00\x01\x00\x01x\x00\x00\x01y"), (0, &["array_order"]), "redis-server-8.10", true);
}

#[test]
fn a_group_has_read_no_more_than_was_added() {
    let stream = |read: &[u8]| {
        let (empty, group) = (&b"\x15\x01s\x00\x00\x05\x01\x00\x00\x00\x00\x02\x01"[..], &b"\x01g\x05\x01"[..]);
        rdb("REDIS0012", &[empty, group, read, b"\x00\x00"])
    };
    check(&stream(b"\x02"), (0, &[]), "redis-server-8.10", true);
    check(&stream(b"\x81\xff\xff\xff\xff\xff\xff\xff\xff"), (0, &[]), "redis-server-8.10", true);
    check(&stream(b"\x03"), (2, &["stream_counters"]), "redis-server-8.10", false);
    assert!(takes("redis-server-8.0", &stream(b"\x03")).unwrap_or(true));
}

#[test]
fn functions_need_a_server_that_has_them_whatever_the_version_says() {
    let source = b"#!lua name=l\nredis.register_function('f', function() return 1 end)";
    let file = rdb("REDIS0006", &[b"\xf5\x40", &[source.len() as u8], source]);
    let (code, json) = verified(&file);
    assert_eq!((code, &ids(&json)[..]), (0, &["functions_not_run"][..]), "{json:#}");
    let servers = json["needs"]["servers"].as_array().expect("servers");
    assert!(!servers.contains(&json!("redis 6.2")) && servers.contains(&json!("redis 7.0")), "{servers:?}");
    let taken = ["redis-server-6.2", "redis-server-7.0"].map(|name| takes(name, &file));
    assert!(taken[0] != Some(true) && taken[1] != Some(false), "{taken:?}");
}

#[test]
fn a_database_that_announces_far_more_keys_than_it_holds_is_told() {
    let hint = |keys: [u8; 4], more: &[u8]| rdb("REDIS0009", &[b"\xfb\x80", &keys, b"\x01", more, b"\x00\x01k\x01v"]);
    // 2^31-1, also where it is corrected; and what is a table of some MiB.
    for (keys, more, expected) in [
        ([0x7f, 0xff, 0xff, 0xff], &b""[..], 2),
        ([0x7f, 0xff, 0xff, 0xff], b"\xfb\x01\x00", 2),
        ([0x08, 0, 0, 0], b"", 2),
        ([0x07, 0xff, 0xff, 0xff], b"", 0),
    ] {
        let (code, json) = verified(&hint(keys, more));
        let is_told = ids(&json).contains(&"huge_hint");
        assert_eq!((code, is_told), (expected, expected == 2), "{keys:?}: {json:#}");
    }
}

/// Compressed strings that do not expand, as servers read them: a value, a list's element, a field of a hash.
const UNEXPANDED: [&[u8]; 4] = [
    b"\x00\x03bad\xc3\x03\x0a\x01ab",
    b"\x01\x03bad\x02\x01x\xc3\x03\x0a\x01ab",
    b"\x04\x03bad\x01\xc3\x03\x0a\x01ab\x01v",
    b"\x00\x03bad\xc3\x02\x40\xff\x00a",
];

#[test]
fn a_string_that_does_not_expand_costs_its_own_key_and_no_other() {
    let target = RedisServer::start();
    for bad in UNEXPANDED {
        let file = rdb("REDIS0009", &[b"\x00\x05first\x01v", bad, b"\x00\x04last\x01v"]);
        check(&file, (2, &["unreadable_value"]), "redis-server-7.0", false);
        let (_, json) = verified(&file);
        assert_eq!(json["findings"][0]["evidence"]["first"][0]["key"], "bad", "{json:#}");
        let Some(target) = &target else { continue };
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dump.rdb");
        std::fs::write(&path, &file).expect("written");
        let (file, url) = (path.display().to_string(), target.url());
        for method in ["auto", "commands"] {
            let line = ["restore", "--file", &file, "--target-instance", &url, "--method", method, "--accept-loss"];
            let (code, answer) = RedisOps::new().args(line).json();
            assert_eq!((code, &answer["result"]["restored"]), (1, &json!(2)), "{method}: {answer:#}");
            assert_eq!(
                target.ok(&["MGET", "first", "bad", "last"]).replace("\"", ""),
                target.ok(&["MGET", "first", "none", "last"])
            );
            target.ok(&["FLUSHALL"]);
        }
    }
}

#[test]
fn a_long_string_that_does_not_expand_is_passed_by_in_parts() {
    // Literals of 32 bytes that bring one byte less than is claimed.
    let literals: Vec<u8> = (0..10_000).flat_map(|_| [&[31][..], &[b'x'; 32]].concat()).collect();
    let length = |n: usize| [&[0x80][..], &u32::try_from(n).expect("short").to_be_bytes()].concat();
    let string = [&b"\xc3"[..], &length(literals.len()), &length(320_001), &literals].concat();
    let file = rdb("REDIS0009", &[b"\x00\x03bad", &string, b"\x00\x04last\x01v"]);
    let (code, json) = verified(&file);
    assert_eq!((code, &ids(&json)[..]), (2, &["unreadable_value"][..]), "{json:#}");
    assert_eq!(
        (&json["findings"][0]["evidence"]["first"][0]["key"], &json["checked"]["keys"]),
        (&json!("bad"), &json!(2))
    );
}

#[test]
fn a_key_without_elements_is_not_counted_as_restored() {
    let Some(target) = RedisServer::start() else { return };
    let file = rdb("REDIS0009", &[b"\x00\x01k\x01v", b"\x02\x01s\x00"]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dump.rdb");
    std::fs::write(&path, &file).expect("written");
    let (file, url) = (path.display().to_string(), target.url());
    for method in ["replica", "restore", "commands"] {
        let line = ["restore", "--file", &file, "--target-instance", &url, "--method", method];
        let (code, answer) = RedisOps::new().args(line).json();
        let result = &answer["result"];
        assert_eq!((code, &result["restored"], &result["expired"]), (1, &json!(1), &json!(1)), "{method}: {answer:#}");
        assert_eq!(target.ok(&["DBSIZE"]), "1");
        target.ok(&["FLUSHALL"]);
    }
}

/// A stream of two entries, 1000-0 and 1001-0. The second stands there as differences to the first: these are listpack elements.
fn stream_with(milliseconds: &[u8], sequence: &[u8], flags: &[u8]) -> Vec<u8> {
    let small = |number: u8| vec![number, 1];
    let string = |text: &[u8]| [&[0x80 | text.len() as u8][..], text, &[text.len() as u8 + 1]].concat();
    let first =
        [small(2), small(0), small(1), string(b"f"), small(0), small(2), small(0), small(0), string(b"v"), small(4)];
    let second = [flags.to_vec(), milliseconds.to_vec(), sequence.to_vec(), string(b"w"), small(4)];
    let elements = [first.concat(), second.concat()].concat();
    let length = u32::try_from(elements.len() + 7).expect("short").to_le_bytes();
    let node = [&length[..], &[15, 0], &elements, b"\xff"].concat();
    let id = [&1000_u64.to_be_bytes()[..], &0_u64.to_be_bytes()].concat();
    // One node, its name and its listpack; two entries, the last of them 1001-0; no groups.
    let body = [&b"\x0f\x01k\x01\x10"[..], &id, &[node.len() as u8], &node, b"\x02\x43\xe9\x00\x00"].concat();
    rdb("REDIS0009", &[&body])
}

/// Servers read a number that is written as text only as they would write it, and die of the others when the stream is read, if they do
/// not when they load it.
#[test]
fn a_number_in_a_stream_that_is_no_text_of_a_number_is_told() {
    let text = |text: &str| [&[0x80 | text.len() as u8][..], text.as_bytes(), &[text.len() as u8 + 1]].concat();
    let (one, none, flags) = (vec![1, 1], vec![0, 1], vec![2, 1]);
    let reads = |name: &str, bytes: &[u8]| -> Option<bool> {
        let server = judge(name)?;
        std::fs::write(server.dir().join("dump.rdb"), bytes).expect("written");
        let mut client = Client::unix(&server.socket()).expect("a connection");
        let loaded = client.ask(&[b"DEBUG", b"RELOAD", b"NOSAVE"]);
        let read = client.ask(&[b"XRANGE", b"k", b"-", b"+"]);
        Some(
            loaded.is_ok_and(|answer| answer.to_string() == "OK")
                && read.is_ok_and(|all| all.to_string().contains("1001")),
        )
    };
    for (bytes, is_good) in [
        (stream_with(&one, &none, &flags), true),
        (stream_with(&text("1"), &text("0"), &text("2")), true),
        (stream_with(&one, &text("00"), &flags), false),
        (stream_with(&one, &text("-0"), &flags), false),
        (stream_with(&text("01"), &none, &flags), false),
        (stream_with(&text("+1"), &none, &flags), false),
        (stream_with(&one, &none, &text("02")), false),
    ] {
        let (code, json) = verified(&bytes);
        let expected: (i32, &[&str]) = if is_good { (0, &[]) } else { (2, &["unreadable_value"]) };
        assert_eq!((code, &ids(&json)[..]), expected, "{json:#}");
        for name in ["redis-server-7.0", "redis-server-8.10"] {
            assert_eq!(reads(name, &bytes).unwrap_or(is_good), is_good, "{name}: {bytes:02x?}");
        }
    }
}

/// What a node of a Valkey cluster writes while slots come to it: other servers die of it, so none of them is fed the file.
#[test]
fn slots_on_their_way_are_told_and_never_fed_to_a_server_that_is_no_node() {
    let import = |name: &[u8], first: &[u8], last: &[u8]| {
        rdb("VALKEY080", &[b"\xfe\x00\xf3", &[name.len() as u8], name, b"\x01", first, last, b"\x00\x01a\x01b"])
    };
    let job = [b'x'; 40];
    check(&import(&job, b"\x01", b"\x05"), (1, &["slot_import"]), "valkey-server-9.1", false);
    check(&import(b"", b"\x01", b"\x05"), (2, &["slot_import_form"]), "valkey-server-9.1", false);
    check(&import(&job, b"\x05", b"\x01"), (2, &["slot_import_form", "slot_import"]), "valkey-server-9.1", false);
    let Some(target) = judge("valkey-server-9.1") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dump.rdb");
    std::fs::write(&path, import(&job, b"\x01", b"\x05")).expect("written");
    let (file, url) = (path.display().to_string(), target.url());
    let (code, answer) = RedisOps::new().args(["restore", "--file", &file, "--target-instance", &url]).json();
    assert_eq!((code <= 1, &answer["result"]["method"]), (true, &json!("restore")), "{answer:#}");
    assert_eq!(target.ok(&["PING"]), "PONG");
}
