//! A server that has loaded a file and saved it again has the same data: in another order, other encodings, another version.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::fixtures::{census_of, folder};

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

/// Lets a server load this file and save it again.
fn saved_again(program: &Path, file: &Path, settings: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(file, folder.path().join("dump.rdb")).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(program);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.args(["--databases", "100", "--dir"]).arg(folder.path()).args(settings).stdout(Stdio::null());
    let _running = Running(command.spawn().unwrap());
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
        let Ok(mut connection) = TcpStream::connect(("127.0.0.1", port)) else { continue };
        let mut answer = [0; 5];
        // While it loads it says so.
        if connection.write_all(b"SAVE\r\n").is_ok()
            && connection.read_exact(&mut answer).is_ok()
            && &answer == b"+OK\r\n"
        {
            return fs::read(folder.path().join("dump.rdb")).unwrap();
        }
    }
    panic!("{} did not save {}", program.display(), file.display());
}

#[track_caller]
fn check(source: &str, program: &str, cases: &[&str], settings: &[&str]) {
    let (Some(folder), Some(program)) = (folder(), server(program)) else { return };
    for case in cases {
        let file = folder.join("generated").join(source).join(case).with_extension("rdb");
        let again = saved_again(&program, &file, settings);
        let (before, after) = (census_of(&fs::read(&file).unwrap(), usize::MAX), census_of(&again, usize::MAX));
        let about = format!("{case} of {source} in {}", program.display());
        assert!(before.keys > 0, "{about}");
        assert!(before.same_keys(&after), "{about}: {} and {} keys", before.keys, after.keys);
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
