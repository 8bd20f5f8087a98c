//! Files that lie about their content, of which real servers die: whatever a target is given of them by a restore, it lives, while all of
//! it is used, and when it loads its own file again.
//!
//! By default every file goes by `auto` into three versions. `REDIS_OPS_FULL_MATRIX=1` tries every version on this machine and every
//! method, and starts each server anew from what it saved.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;

use crate::support::fixtures;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Builder, Client, Installed, RedisServer, Reply, server_named, servers};

/// What a server may allocate: a table for 2^36 keys is more.
const ADDRESS_SPACE: u64 = 6 << 30;

const METHODS: [&str; 4] = ["auto", "replica", "restore", "commands"];

fn files() -> Vec<PathBuf> {
    let Some(folder) = fixtures::folder() else {
        crate::support::skip("fixtures");
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = ["poison", "reports"]
        .iter()
        .flat_map(|part| fs::read_dir(folder.join(part)).unwrap().flatten())
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rdb"))
        .collect();
    files.sort();
    assert!(files.len() > 150, "{} files", files.len());
    files
}

/// A server that can be told to load what it has saved.
fn builder(installed: &Installed) -> Builder {
    let debug = if installed.is("6.2") { ("maxmemory", "0") } else { ("enable-debug-command", "yes") };
    RedisServer::builder().version(installed).arg(debug.0, debug.1)
}

fn start(installed: &Installed) -> RedisServer {
    let server = builder(installed).start().unwrap();
    let limit = Rlimit { current: Some(ADDRESS_SPACE), maximum: Some(ADDRESS_SPACE) };
    prlimit(Pid::from_raw(server.pid().cast_signed()), Resource::As, limit).unwrap();
    server
}

/// Exit code and answer of a restore of this file.
fn restore(file: &Path, server: &RedisServer, more: &[&str]) -> (i32, Value) {
    let (file, url) = (file.display().to_string(), server.url());
    let line = ["restore", "--file", &file, "--target-instance", &url];
    RedisOps::new().args([&line, more].concat()).json()
}

/// The elements of an answer.
fn items(reply: Reply) -> Vec<Vec<u8>> {
    match reply {
        Reply::Array(items) => items.into_iter().flat_map(self::items).collect(),
        Reply::Bulk(bytes) => vec![bytes],
        _ => Vec::new(),
    }
}

/// Keys of a database.
fn keys(client: &mut Client, database: u64) -> io::Result<Vec<Vec<u8>>> {
    client.ask(&[b"SELECT", database.to_string().as_bytes()])?;
    Ok(items(client.ask(&[b"KEYS", b"*"])?))
}

/// Reads and changes a key in all the ways that walk through its value. Error replies are fine; an answer that does not come is not.
fn use_key(client: &mut Client, key: &[u8]) -> io::Result<()> {
    let large = vec![b'x'; 100_000];
    client.ask(&[b"OBJECT", b"ENCODING", key])?;
    client.ask(&[b"DUMP", key])?;
    client.ask(&[b"MEMORY", b"USAGE", key, b"SAMPLES", b"0"])?;
    let kind = client.ask(&[b"TYPE", key])?.to_string();
    let mut ask = |words: &[&[u8]]| client.ask(words);
    match kind.as_str() {
        "string" => {
            ask(&[b"GETRANGE", key, b"0", b"-1"])?;
            ask(&[b"APPEND", key, b"x"])?;
        }
        "list" => {
            let elements = items(ask(&[b"LRANGE", key, b"0", b"-1"])?);
            ask(&[b"LRANGE", key, b"-1000", b"-1"])?;
            ask(&[b"LPUSH", key, b"x", &large])?;
            ask(&[b"RPUSH", key, b"x"])?;
            for element in elements.iter().take(5) {
                ask(&[b"LINSERT", key, b"BEFORE", element, b"y"])?;
                ask(&[b"LREM", key, b"1", element])?;
            }
            ask(&[b"RPOP", key])?;
        }
        "set" => {
            let members = items(ask(&[b"SMEMBERS", key])?);
            ask(&[b"SRANDMEMBER", key, b"100"])?;
            if let Some(member) = members.first() {
                ask(&[b"SREM", key, member])?;
                ask(&[b"SADD", key, member])?;
            }
            ask(&[b"SADD", key, b"x", &large])?;
            for member in &members {
                ask(&[b"SISMEMBER", key, member])?;
                ask(&[b"SREM", key, member])?;
            }
            ask(&[b"SPOP", key])?;
        }
        "zset" => {
            let members = items(ask(&[b"ZRANGE", key, b"0", b"-1"])?);
            ask(&[b"ZREVRANGE", key, b"0", b"-1", b"WITHSCORES"])?;
            ask(&[b"ZRANGEBYSCORE", key, b"-inf", b"+inf"])?;
            if let Some(member) = members.first() {
                ask(&[b"ZINCRBY", key, b"1", member])?;
            }
            ask(&[b"ZADD", key, b"1", b"x", b"2", &large])?;
            for member in &members {
                ask(&[b"ZRANK", key, member])?;
                ask(&[b"ZREM", key, member])?;
            }
            ask(&[b"ZPOPMIN", key])?;
        }
        "hash" => {
            let fields = items(ask(&[b"HKEYS", key])?);
            ask(&[b"HGETALL", key])?;
            ask(&[b"HTTL", key, b"FIELDS", b"1", b"x"])?;
            if let Some(field) = fields.first() {
                ask(&[b"HSET", key, field, b"new"])?;
                ask(&[b"HPEXPIRE", key, b"100000", b"FIELDS", b"1", field])?;
                ask(&[b"HPERSIST", key, b"FIELDS", b"1", field])?;
            }
            ask(&[b"HSET", key, b"x", &large])?;
            for field in &fields {
                ask(&[b"HGET", key, field])?;
                ask(&[b"HDEL", key, field])?;
            }
        }
        "stream" => {
            ask(&[b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"])?;
            ask(&[b"XREVRANGE", key, b"+", b"-"])?;
            let groups = items(ask(&[b"XINFO", b"GROUPS", key])?);
            for group in groups {
                ask(&[b"XPENDING", key, &group])?;
                ask(&[b"XREADGROUP", b"GROUP", &group, b"tester", b"COUNT", b"10", b"STREAMS", key, b">"])?;
                ask(&[b"XAUTOCLAIM", key, &group, b"tester", b"0", b"0"])?;
                ask(&[b"XGROUP", b"DESTROY", key, &group])?;
            }
            let ids = items(ask(&[b"XRANGE", key, b"-", b"+"])?);
            ask(&[b"XADD", key, b"*", b"a", b"b"])?;
            for id in ids.iter().take(50) {
                ask(&[b"XDEL", key, id])?;
            }
            // Without an entry it stays a key.
            ask(&[b"XTRIM", key, b"MAXLEN", b"0"])?;
        }
        _ => {}
    }
    Ok(())
}

/// Uses every key; the error is that of a server that is gone.
fn use_all(server: &RedisServer) -> io::Result<()> {
    let mut client = Client::unix(&server.socket())?;
    // It writes down all that it holds, and loads that.
    let reload = |client: &mut Client| match client.ask(&[b"DEBUG", b"RELOAD"])? {
        Reply::Simple(_) => Ok(()),
        other => Err(io::Error::other(format!("it does not load what it saved: {other}"))),
    };
    reload(&mut client)?;
    for database in 0..16 {
        for key in keys(&mut client, database)? {
            use_key(&mut client, &key)?;
        }
    }
    reload(&mut client)
}

fn delete_all(server: &RedisServer) -> io::Result<()> {
    let mut client = Client::unix(&server.socket())?;
    for database in 0..16 {
        for key in keys(&mut client, database)? {
            client.ask(&[b"DEL", &key])?;
        }
    }
    client.ask(&[b"FLUSHALL"])?;
    client.ask(&[b"FUNCTION", b"FLUSH"])?;
    match client.ask(&[b"PING"])? {
        Reply::Simple(_) => Ok(()),
        other => Err(io::Error::other(other.to_string())),
    }
}

/// Starts another server from what this one has saved: whether it comes up, with as many keys.
fn starts_again(server: &RedisServer) -> io::Result<()> {
    let mut client = Client::unix(&server.socket())?;
    // The save of the proof may not have ended yet.
    let begun = std::time::Instant::now();
    while !matches!(client.ask(&[b"SAVE"])?, Reply::Simple(_)) {
        if begun.elapsed() > std::time::Duration::from_secs(60) {
            return Err(io::Error::other("it cannot save what it holds"));
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (installed, dump) = (server.installed().clone(), server.dir().join("dump.rdb"));
    let again = std::panic::catch_unwind(|| builder(&installed).dump(&dump).start().unwrap());
    let again = again.map_err(|_| io::Error::other("it does not start from its own file"))?;
    use_all(&again)
}

/// Restores one file by one method and uses what comes of it; says what went wrong.
fn check(server: &RedisServer, file: &Path, method: &str, full: bool) -> Result<(), String> {
    let (code, answer) = restore(file, server, &["--method", method, "--accept-loss"]);
    let said = || format!("exit {code}, {}", answer["error"]["message"]);
    if !(0..=3).contains(&code) || answer["error"]["code"] == "bug" {
        return Err(format!("{}: {answer}", said()));
    }
    let after =
        |what: &str, result: io::Result<()>| result.map_err(|error| format!("{what} after {}: {error}", said()));
    let role = || server.reply(&["ROLE"]).to_string();
    after("it is gone", Client::unix(&server.socket()).and_then(|mut client| client.ask(&[b"PING"])).map(|_| ()))?;
    if !role().starts_with("master") {
        return Err(format!("it is no primary after {}", said()));
    }
    if full {
        after("it does not start again", starts_again(server))?;
    }
    after("it dies when it is used", use_all(server))?;
    after("it dies of deleting", delete_all(server))
}

/// All files, by these methods, into a server of this version; gives each violation.
fn matrix(installed: &Installed, methods: &[&str], full: bool) -> Vec<String> {
    let mut violations = Vec::new();
    let mut server = start(installed);
    for file in files() {
        for method in methods {
            if let Err(what) = check(&server, &file, method, full) {
                let name = file.file_name().unwrap().to_string_lossy().into_owned();
                violations.push(format!("{} {method} {name}: {what}", installed.name));
                server = start(installed);
            }
        }
    }
    violations
}

/// No command makes a stream entry without a field.
#[test]
fn entries_without_a_field_are_a_loss_of_typed_commands_that_the_plan_names() {
    let (Some(installed), Some(folder)) = (server_named("redis-server-7.0"), fixtures::folder()) else { return };
    let server = start(&installed);
    let file = folder.join("poison/stream15_lp_nfields_zero.rdb");
    for more in [&["--plan"][..], &[]] {
        let (code, answer) = restore(&file, &server, &[&["--method", "commands"], more].concat());
        assert_eq!((code, &answer["error"]["code"]), (2, &"empty_entries_lost".into()), "{answer}");
        assert_eq!(server.ok(&["DBSIZE"]), "0");
    }
    let (code, answer) = restore(&file, &server, &["--method", "commands", "--accept-loss"]);
    assert_eq!((code, &answer["error"], &answer["result"]["lost_in_part"]), (1, &Value::Null, &1.into()), "{answer}");
    server.ok(&["FLUSHALL"]);
    let (code, answer) = restore(&file, &server, &["--method", "restore"]);
    assert_eq!((code, &answer["proof"]["equal"]), (0, &1.into()), "{answer}");
}

#[test]
fn no_target_dies_of_a_file_that_lies() {
    let full = std::env::var_os("REDIS_OPS_FULL_MATRIX").is_some();
    let only = std::env::var("REDIS_OPS_MATRIX_SERVER").unwrap_or_default();
    let names = ["redis-server-7.0", "redis-server-8.0", "valkey-server-9.1"];
    let versions: Vec<Installed> = match full {
        true => servers().into_iter().filter(|installed| installed.name.contains(&only)).collect(),
        false => names.into_iter().filter_map(server_named).collect(),
    };
    let methods = if full { &METHODS[..] } else { &METHODS[..1] };
    let violations: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> =
            versions.iter().map(|installed| scope.spawn(move || matrix(installed, methods, full))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

#[test]
fn one_bad_value_does_not_cost_the_others() {
    let Some(folder) = fixtures::folder() else { return };
    let file = folder.join("reports/stream_xlen_5_holds_2.rdb");
    let (Some(lenient), Some(strict)) = (RedisServer::start(), server_named("valkey-server-9.1")) else { return };
    let strict = RedisServer::builder().version(&strict).start().unwrap();
    // Redis loads it as it stands, and would save it so; Valkey 9 ends when it loads it. Neither is fed it.
    for server in [&lenient, &strict] {
        let (code, answer) = restore(&file, server, &["--method", "replica"]);
        assert_eq!(
            (code, &answer["error"]["code"], server.ok(&["DBSIZE"])),
            (2, &"method".into(), "0".into()),
            "{answer}"
        );
    }
    for (server, method) in [
        (&lenient, "auto"),
        (&lenient, "restore"),
        (&lenient, "commands"),
        (&strict, "auto"),
        (&strict, "restore"),
        (&strict, "commands"),
    ] {
        let (code, answer) = restore(&file, server, &["--method", method]);
        assert_eq!(code, 1, "{answer}");
        let rebuilt = answer["result"]["rebuilt_keys"].as_array().unwrap();
        assert_eq!((&answer["result"]["rebuilt"], rebuilt.len()), (&1.into(), 1), "{answer}");
        let name = rebuilt[0]["key"].as_str().unwrap();
        assert_eq!((server.ok(&["XLEN", name]), server.ok(&["TYPE", name])), ("2".into(), "stream".into()));
        let all = answer["result"]["in_backup"].as_u64().unwrap();
        assert_eq!((&answer["result"]["restored"], server.ok(&["DBSIZE"])), (&all.into(), all.to_string()));
        server.ok(&["FLUSHALL"]);
        let (_, answer) = restore(&file, server, &["--method", method, "--exclude", name]);
        let left = (&answer["result"]["rebuilt"], &answer["result"]["skipped_by_choice"], &answer["error"]["code"]);
        assert_eq!(left, (&0.into(), &1.into(), &Value::Null), "{answer}");
        assert_eq!(server.ok(&["EXISTS", name]), "0");
        server.ok(&["FLUSHALL"]);
    }
}

/// A server that loads the wrong length counts on from there, and refuses its own file when the entries are gone.
#[test]
fn a_stream_that_lies_about_its_length_leaves_no_file_behind_that_its_server_refuses() {
    let file = fixtures::own_folder().join("stream_xlen_5_holds_2.rdb");
    for name in ["redis-server-6.2", "redis-server-7.0", "redis-server-7.4", "redis-server-8.0", "valkey-server-8.1"] {
        let Some(installed) = server_named(name) else { continue };
        let server = start(&installed);
        for entries_first in [true, false] {
            let (code, answer) = restore(&file, &server, &[]);
            assert_eq!((code, &answer["result"]["rebuilt"]), (1, &1.into()), "{name}: {answer}");
            let key = answer["result"]["rebuilt_keys"][0]["key"].as_str().unwrap().to_owned();
            let mut client = Client::unix(&server.socket()).unwrap();
            let Reply::Array(entries) = client.ask(&[b"XRANGE", key.as_bytes(), b"-", b"+"]).unwrap() else {
                panic!("{name}: no entries")
            };
            assert_eq!(server.ok(&["XLEN", &key]), entries.len().to_string(), "{name}");
            for entry in entries.into_iter().filter(|_| entries_first) {
                let id = String::from_utf8(items(entry).remove(0)).unwrap();
                assert_eq!(server.ok(&["XDEL", &key, &id]), "1", "{name}");
            }
            server.ok(&["XTRIM", &key, "MAXLEN", "0"]);
            assert_eq!(server.ok(&["XLEN", &key]), "0", "{name}");
            server.ok(&["XSETID", &key, "9999999999999-0"]);
            starts_again(&server).unwrap_or_else(|error| panic!("{name}: {error}"));
            delete_all(&server).unwrap();
        }
    }
}

#[test]
fn of_two_members_of_one_name_the_first_counts() {
    let Some(folder) = fixtures::folder() else { return };
    let Some(server) = RedisServer::start() else { return };
    for (name, ask) in [
        ("dup_hash_lp_small.rdb", "HLEN"),
        ("dup_hash_int_vs_raw.rdb", "HLEN"),
        ("dup_set_lp_small.rdb", "SCARD"),
        ("dup_zset_lp_small.rdb", "ZCARD"),
    ] {
        let file = folder.join("poison").join(name);
        let mut found = Vec::new();
        for method in ["restore", "commands"] {
            let (code, answer) = restore(&file, &server, &["--method", method]);
            if answer["error"]["code"] == "unsupported_rdb_version" {
                continue;
            }
            assert_eq!((code, &answer["result"]["rebuilt"]), (1, &1.into()), "{name} {method}: {answer}");
            let key = answer["result"]["rebuilt_keys"][0]["key"].as_str().unwrap().to_owned();
            let n: u64 = server.ok(&[ask, &key]).parse().unwrap();
            found.push((n, server.cli(&["HGETALL", &key])));
            assert!(n > 0, "{name} {method}");
            server.ok(&["FLUSHALL"]);
        }
        assert!(found.windows(2).all(|pair| pair[0].0 == pair[1].0), "both methods resolve it alike: {name} {found:?}");
    }
}

/// The target's error quotes the byte at which it gave up, and no client may take that for a broken connection.
#[test]
fn a_library_with_a_byte_that_is_no_text_is_refused_by_name() {
    for installed in servers() {
        if installed.is("6.2") {
            continue;
        }
        let start = || RedisServer::builder().version(&installed).arg("rdbcompression", "no").start().unwrap();
        let (source, target) = (start(), start());
        let code = "#!lua name=bytes\nlocal n = 1\nredis.register_function('f', function() return n end)";
        source.ok(&["FUNCTION", "LOAD", code]);
        source.ok(&["SET", "key", "1"]);
        source.save();
        let mut rdb = fs::read(source.dir().join("dump.rdb")).unwrap();
        let at = rdb.windows(7).position(|words| words == b"local n").unwrap() + 8;
        rdb[at] = 0xf3;
        let end = rdb.len() - 8;
        let sum = redis_ops::rdb::crc64(&rdb[..end]);
        rdb[end..].copy_from_slice(&sum.to_le_bytes());
        let file = tempfile::NamedTempFile::with_suffix(".rdb").unwrap();
        fs::write(file.path(), rdb).unwrap();
        // A server that starts with this file exits.
        let (code, answer) = RedisOps::new().args(["verify", "--file", &file.path().display().to_string()]).json();
        assert_eq!((code, &answer["findings"][0]["id"]), (2, &"function_syntax".into()), "{answer:#}");
        for method in ["auto", "restore"] {
            let (code, answer) = restore(file.path(), &target, &["--method", method]);
            assert_eq!((code, target.ok(&["DBSIZE"]).as_str()), (2, "0"), "{} {method}: {answer}", installed.name);
            let said = answer["error"].to_string();
            assert!(said.contains("function library"), "{} {method}: {said}", installed.name);
            let (code, answer) = restore(file.path(), &target, &["--method", method, "--accept-loss"]);
            assert_eq!((code, target.ok(&["GET", "key"]).as_str()), (1, "1"), "{} {method}: {answer}", installed.name);
            target.ok(&["FLUSHALL"]);
        }
    }
}

#[test]
fn a_hash_whose_first_of_two_fields_has_expired_is_lost_and_not_said_to_be_there() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hash_field_twice_and_expired.rdb");
    for installed in servers() {
        if !["redis-server-7.4", "redis-server-8"].iter().any(|name| installed.is(name)) {
            continue;
        }
        let server = RedisServer::builder().version(&installed).start().unwrap();
        for method in ["auto", "restore", "commands"] {
            let (code, answer) = restore(&file, &server, &["--method", method]);
            let result = &answer["result"];
            let counts = ["restored", "lost_count", "expired"].map(|name| result[name].as_u64());
            assert_eq!((code, counts), (1, [Some(2), Some(1), Some(1)]), "{} {method}: {answer:#}", installed.name);
            assert_eq!(result["lost"][0]["key"], "hfe:part-long", "{answer:#}");
            assert_eq!(server.ok(&["DBSIZE"]), "2", "{} {method}", installed.name);
            server.ok(&["FLUSHALL"]);
        }
    }
}

#[test]
fn a_key_that_stands_there_twice_is_restored_once_and_only_if_that_is_agreed_to() {
    let Some(folder) = fixtures::folder() else { return };
    let Some(server) = RedisServer::start() else { return };
    let file = folder.join("poison/dupkey_int_vs_raw.rdb");
    for method in ["auto", "restore", "commands"] {
        let (code, plan) = restore(&file, &server, &["--method", method, "--plan"]);
        let (run_code, answer) = restore(&file, &server, &["--method", method]);
        assert_eq!((code, run_code), (2, 2), "{plan}\n{answer}");
        assert_eq!((&plan["error"]["code"], &answer["error"]["code"]), (&"keys_twice".into(), &"keys_twice".into()));
        assert_eq!(server.ok(&["DBSIZE"]), "0");
        let (code, plan) = restore(&file, &server, &["--method", method, "--accept-loss", "--plan"]);
        let (run_code, answer) = restore(&file, &server, &["--method", method, "--accept-loss"]);
        assert_eq!((code, run_code), (1, 1), "{plan}\n{answer}");
        assert_eq!((&answer["result"]["lost_count"], server.ok(&["DBSIZE"])), (&1.into(), "1".into()), "{answer}");
        server.ok(&["FLUSHALL"]);
    }
}

#[test]
fn functions_are_asked_about_before_anything_is_written() {
    let Some(folder) = fixtures::folder() else { return };
    let Some(installed) = server_named("redis-server-8.0") else { return };
    let server = RedisServer::builder().version(&installed).start().unwrap();
    for name in ["func_garbage.rdb", "func_loop.rdb", "func_dup.rdb"] {
        let file = folder.join("poison").join(name);
        for method in ["auto", "restore"] {
            let (code, answer) = restore(&file, &server, &["--method", method]);
            assert_eq!(code, 2, "{name}: {answer}");
            let code = answer["error"]["code"].as_str().unwrap();
            assert!(["functions_refused", "functions_lost"].contains(&code), "{name}: {answer}");
            assert_eq!(
                (server.ok(&["DBSIZE"]), server.ok(&["FUNCTION", "LIST"])),
                ("0".into(), String::new()),
                "{name}"
            );
        }
        let (code, answer) = restore(&file, &server, &["--method", "restore", "--accept-loss"]);
        assert_eq!((code, &answer["result"]["functions"]["failed"]), (1, &0.into()), "{name}: {answer}");
        assert!(answer["result"]["functions"]["lost"].as_u64().unwrap() > 0, "{name}: {answer}");
        server.ok(&["FLUSHALL"]);
        server.ok(&["FUNCTION", "FLUSH"]);
    }
    let (code, answer) = restore(&folder.join("poison/func_ok.rdb"), &server, &["--method", "restore"]);
    assert_eq!((code, &answer["result"]["functions"]["restored"]), (0, &1.into()), "{answer}");
}
