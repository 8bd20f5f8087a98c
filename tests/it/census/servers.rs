//! A server that has loaded a file and saved it again has the same data: in another order, other encodings, another version.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis_ops::census::Glob;

use super::fixtures::census_of;
use super::model::Chance;
use crate::support::fixtures::{Fixture, named};

/// A server of this version, if the machine has it.
fn server(name: &str) -> Option<PathBuf> {
    let servers = std::env::var_os("REDIS_OPS_SERVERS").map(PathBuf::from);
    let servers = servers.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/redis-ops-servers")));
    let path = servers?.join("bin").join(name);
    if path.is_file() {
        return Some(path);
    }
    crate::support::skip("redis-server");
    None
}

/// Ended when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server in this folder, and connects once it has loaded what lies there.
fn started(program: &Path, folder: &Path, settings: &[&str]) -> (Running, BufReader<TcpStream>) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(program);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.args(["--databases", "100", "--dir"]).arg(folder).args(settings).stdout(Stdio::null());
    let running = Running(command.spawn().unwrap());
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
        let Ok(connection) = TcpStream::connect(("127.0.0.1", port)) else { continue };
        let mut connection = BufReader::new(connection);
        if ask(&mut connection, &[b"PING"]) == [b"+PONG"] {
            return (running, connection);
        }
    }
    panic!("{} did not start", program.display());
}

/// The strings of an answer; a line that is no string as it stands.
fn ask(connection: &mut BufReader<TcpStream>, command: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut request = format!("*{}\r\n", command.len()).into_bytes();
    for word in command {
        request.extend(format!("${}\r\n", word.len()).into_bytes());
        request.extend([word, &b"\r\n"[..]].concat());
    }
    connection.get_mut().write_all(&request).unwrap();
    let mut line = || {
        let mut line = Vec::new();
        connection.read_until(b'\n', &mut line).unwrap();
        line.truncate(line.len().saturating_sub(2));
        line
    };
    let first = line();
    let Some(count) = first.strip_prefix(b"*") else { return vec![first] };
    let count: usize = std::str::from_utf8(count).unwrap().parse().unwrap();
    // No string of these tests has a line feed.
    (0..count).map(|_| (line(), line()).1).collect()
}

/// Lets a server load this file and save it again.
fn saved_again(program: &Path, file: &Fixture, settings: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("dump.rdb"), &file.rdb).unwrap();
    let (_running, mut connection) = started(program, folder.path(), settings);
    assert_eq!(ask(&mut connection, &[b"SAVE"]), [b"+OK"], "{} in {}", file.name, program.display());
    fs::read(folder.path().join("dump.rdb")).unwrap()
}

#[track_caller]
fn check(source: &str, program: &str, cases: &[&str], settings: &[&str]) {
    let Some(program) = server(program) else { return };
    for case in cases {
        let Some(file) = named(&format!("generated/{source}/{case}")) else {
            crate::support::skip("fixtures");
            return;
        };
        let again = saved_again(&program, &file, settings);
        let (before, after) = (census_of(&file.rdb, usize::MAX), census_of(&again, usize::MAX));
        let about = format!("{case} of {source} in {}", program.display());
        assert!(before.keys > 0, "{about}");
        assert!(
            (before.keys, before.digest) == (after.keys, after.digest),
            "{about}: {} and {} keys",
            before.keys,
            after.keys
        );
        assert_eq!(before.functions.digest(), after.functions.digest(), "{about}");
    }
}

const OLD: &[&str] =
    &["mixed", "stream_groups_large", "stream_deleted", "zset_small", "list_huge_elements", "multi_db"];

#[test]
fn an_old_file_is_the_same_after_any_newer_server() {
    for program in ["redis-server-7.0", "redis-server-8.0", "valkey-server-8.1", "valkey-server-9.1"] {
        check("redis-6.2.14", program, OLD, &[]);
    }
}

#[test]
fn packed_or_not_is_the_same() {
    let never_packed = [
        ["--hash-max-listpack-entries", "0"],
        ["--zset-max-listpack-entries", "0"],
        ["--set-max-listpack-entries", "0"],
        ["--set-max-intset-entries", "0"],
        ["--list-max-listpack-size", "1"],
        ["--stream-node-max-entries", "3"],
        ["--rdbcompression", "no"],
    ];
    check(
        "redis-8.0.2",
        "redis-server-8.0",
        &["mixed", "sampler", "hash_field_ttl_small", "functions"],
        &never_packed.concat(),
    );
}

#[test]
fn a_vector_set_is_the_same_after_it_was_loaded() {
    check("redis-8.0.2", "redis-server-8.0", &["vectorset"], &[]);
}

#[test]
fn field_expiries_of_valkey_are_the_same_after_they_were_loaded() {
    check("valkey-9.1.2", "valkey-server-9.1", &["hash_field_ttl_small", "hash_field_ttl_hashtable", "mixed"], &[]);
}

#[test]
fn patterns_choose_the_keys_that_a_server_chooses() {
    let Some(program) = server("redis-server-8.0") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (_running, mut connection) = started(&program, folder.path(), &[]);
    let mut chance = Chance::new(41);
    let mut word = |letters: &[u8], most| -> Vec<u8> {
        (0..=chance.below(most)).map(|_| letters[chance.index(letters)]).collect()
    };
    let mut keys: Vec<Vec<u8>> = (0..400).map(|_| word(b"abc]-^[*\\?", 3)).collect();
    keys.sort();
    keys.dedup();
    for key in &keys {
        assert_eq!(ask(&mut connection, &[b"SET", key, b"v"]), [b"+OK"]);
    }
    for number in 0..3000 {
        // The first half odd, with many brackets; the second as people write them.
        let pattern = word(if number < 1500 { b"abc]-^[[*\\?" } else { b"aabbc*?" }, 6);
        let mut seen = ask(&mut connection, &[b"KEYS", &pattern]);
        seen.sort();
        let glob = Glob::new(&pattern);
        let ours: Vec<Vec<u8>> = keys.iter().filter(|key| glob.matches(key)).cloned().collect();
        let text = |keys: Vec<Vec<u8>>| keys.into_iter().map(|key| String::from_utf8(key).unwrap()).collect::<Vec<_>>();
        assert_eq!(text(ours), text(seen), "`{}`", String::from_utf8_lossy(&pattern));
    }
}
