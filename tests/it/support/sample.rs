//! Data of every type, small and large, in several databases, with expiries, groups and functions, as far as a server has them.

use super::redis_server::{Installed, RedisServer, Reply};

/// A server of this version that answers `DEBUG DIGEST`.
pub fn builder(installed: &Installed) -> super::redis_server::Builder {
    let builder = RedisServer::builder().version(installed);
    if installed.is("6.2") { builder } else { builder.arg("enable-debug-command", "yes") }
}

/// Far enough in the future for every test, Unix milliseconds.
const LATER: &str = "4102444800000";

/// Fills a server with every type that it has.
#[track_caller]
pub fn fill(server: &RedisServer) {
    let script: &[&[&str]] = &[
        &["SET", "string", "value"],
        &["SET", "number", "12345"],
        &["SET", "", "the empty key"],
        &["SET", "expires", "some day"],
        &["PEXPIREAT", "expires", LATER],
        &["RPUSH", "list", "a", "b", "3", ""],
        &["SADD", "numbers", "1", "2", "70000", "5000000000"],
        &["SADD", "words", "a", "b", "c"],
        &["HSET", "hash", "field", "value", "n", "1"],
        &["PEXPIREAT", "hash", LATER],
        &["ZADD", "zset", "1.5", "a", "-inf", "b", "3e300", "c"],
        &["SETBIT", "bits", "4000", "1"],
        &["PFADD", "hll", "a", "b", "c"],
        &["GEOADD", "geo", "13.361389", "38.115556", "Palermo"],
        &["XADD", "stream", "1-1", "field", "value", "second", "x"],
        &["XADD", "stream", "2-1", "field", "value", "second", "y"],
        &["XADD", "stream", "3-5", "other", "z"],
        &["XGROUP", "CREATE", "stream", "readers", "0"],
        &["XREADGROUP", "GROUP", "readers", "alice", "COUNT", "2", "STREAMS", "stream", ">"],
        &["XGROUP", "CREATECONSUMER", "stream", "readers", "bob"],
        &["XDEL", "stream", "2-1"],
        &["XADD", "no-entries", "1-1", "a", "b"],
        &["XDEL", "no-entries", "1-1"],
    ];
    for command in script {
        server.ok(command);
    }
    let text = |n: usize| format!("element-{n}-{}", "x".repeat(n % 90));
    let elements: Vec<(String, String)> = (0..600).map(|index| (text(index), format!("{index}.25"))).collect();
    server.pipe(elements.iter().flat_map(|(member, score)| {
        [
            vec![b"RPUSH".as_slice(), b"large:list", member.as_bytes()],
            vec![b"SADD", b"large:set", member.as_bytes()],
            vec![b"HSET", b"large:hash", member.as_bytes(), score.as_bytes()],
            vec![b"ZADD", b"large:zset", score.as_bytes(), member.as_bytes()],
            vec![b"XADD", b"large:stream", b"*", b"field", member.as_bytes()],
        ]
    }));
    let long = vec![b'r'; 100_000];
    server.pipe([vec![b"SET".as_slice(), b"long", &long], vec![b"RPUSH", b"long:list", b"a", &long, b"b"]]);
    let mut other = server.client();
    for command in [&["SELECT", "9"][..], &["SET", "in another database", "x"], &["SET", "string", "not the same"]] {
        let words: Vec<_> = command.iter().map(|word| word.as_bytes()).collect();
        assert!(!matches!(other.ask(&words).unwrap(), Reply::Error(_)));
    }
    fill_newer(server);
}

/// What not every version has.
fn fill_newer(server: &RedisServer) {
    if has(server, "FUNCTION") {
        server.ok(&[
            "FUNCTION",
            "LOAD",
            "#!lua name=greet\nredis.register_function('hello', function() return 'hi' end)",
        ]);
    }
    if has(server, "HPEXPIREAT") {
        server.ok(&["HSET", "fields", "stays", "1", "goes", "2"]);
        server.ok(&["HPEXPIREAT", "fields", LATER, "FIELDS", "1", "goes"]);
        let fields: Vec<String> = (0..600).map(|index| format!("field-{index}")).collect();
        server.pipe(fields.iter().map(|field| vec![b"HSET".as_slice(), b"large:fields", field.as_bytes(), b"value"]));
        server.ok(&["HPEXPIREAT", "large:fields", LATER, "FIELDS", "2", "field-1", "field-599"]);
    }
}

/// Whether a server has a command.
pub fn has(server: &RedisServer, command: &str) -> bool {
    matches!(server.reply(&["COMMAND", "INFO", command]), Reply::Array(found) if matches!(found.first(), Some(Reply::Array(_))))
}

/// The digest over all keys, values and expiries, and the functions.
#[track_caller]
pub fn contents(server: &RedisServer) -> (String, String, Vec<String>) {
    let functions = if has(server, "FUNCTION") { server.ok(&["FUNCTION", "LIST", "WITHCODE"]) } else { String::new() };
    let keyspace = server.ok(&["INFO", "keyspace"]);
    // `avg_ttl` is an estimate that moves.
    let counts = keyspace.lines().filter(|line| line.starts_with("db"));
    let counts = counts.map(|line| line.split(",avg_ttl").next().unwrap_or_default().to_owned()).collect();
    (server.ok(&["DEBUG", "DIGEST"]), functions, counts)
}

/// The RDB that the server writes of its data now.
#[track_caller]
pub fn rdb(server: &RedisServer) -> Vec<u8> {
    server.save();
    std::fs::read(server.dir().join("dump.rdb")).expect("it was saved")
}
