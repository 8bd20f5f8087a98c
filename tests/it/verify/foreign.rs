//! Files that people take for an RDB: each is named for what it is, with the way to an RDB, whatever the command; and nothing is done.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::backup::Folder;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, server_named};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A tar archive with one file (POSIX ustar).
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = vec![0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(b"0000644");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[257..263].copy_from_slice(b"ustar\0");
    let padding = vec![0; content.len().next_multiple_of(512) - content.len() + 1024];
    [header.as_slice(), content, &padding].concat()
}

/// Every command that takes a file, with it.
fn commands(path: &Path, repository: &str, target: &str) -> Vec<RedisOps> {
    let path = path.to_str().unwrap();
    let lines: [&[&str]; 6] = [
        &["verify", "--file", path],
        &["show", "--file", path],
        &["diagnose", "keyspace", "--file", path],
        &["backup", "--from-file", path, "--name", "adopted", "-r", repository],
        &["restore", "--file", path, "--to-file", "restored.rdb"],
        &["restore", "--file", path, "--target-instance", target, "--yes"],
    ];
    lines.iter().map(|line| RedisOps::new().args(*line).args(["--progress", "none"])).collect()
}

/// Every command says the same of the file: its name and the way. Nothing is published or restored.
#[track_caller]
fn check(path: &Path, target: &RedisServer, what: &str, way: &str) {
    let repository = Folder::new();
    for command in commands(path, &repository.text(), &target.url()) {
        let run = command.arg("--json").run();
        let json: Value = run.json();
        let error = &json["error"];
        assert_eq!((run.code, &error["code"]), (3, &"not_an_rdb".into()), "{}: {json:#}", run.line);
        let words = format!("{} {}", error["message"], error["causes"]);
        assert!(words.contains(what), "{}: {what} is not in {words}", run.line);
        assert!(!words.contains("damage"), "{words}");
        let hint = error["hint"].as_str().unwrap_or_default();
        assert!(hint.contains(way), "{}: {way} is not in {hint}", run.line);
    }
    assert_eq!(repository.files(), Vec::<String>::new());
    assert_eq!(target.ok(&["DBSIZE"]), "0");
}

#[test]
fn each_foreign_format_is_named_by_every_command() {
    let Some(target) = RedisServer::start() else { return };
    let folder = TempDir::new().unwrap();
    let xml = b"<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>";
    let rdb = b"REDIS0011\xff\0\0\0\0\0\0\0\0";
    let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("dump.zip", b"PK\x03\x04\x14\0\0\0\x08\0".to_vec(), "a zip archive", "unzip -p"),
        ("dump.tar", tar("dump.rdb", rdb), "a tar archive", "tar -xOf"),
        ("dump.tar.gz", gzip(&tar("dump.rdb", rdb)), "a tar archive inside gzip", "tar -xOf"),
        ("dump.rdb.xz", b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4F".to_vec(), "xz data", "xz -dc"),
        ("dump.rdb.lz4", b"\x04\x22\x4d\x18\x64\x40\xa7".to_vec(), "lz4 data", "lz4 -dc"),
        ("dump.rdb.bz2", b"BZh91AY&SY\x12\x34".to_vec(), "bzip2 data", "bzip2 -dc"),
        ("dump.rdb.age", b"age-encryption.org/v1\n-> X25519 abc\n".to_vec(), "encrypted with age", "age -d"),
        ("twice.gz.gz", gzip(&gzip(rdb)), "gzip data inside gzip", "packed twice"),
        (
            "appendonly.aof",
            b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n".to_vec(),
            "an append-only file",
            "redis-server --appendonly yes",
        ),
        ("aof.gz", gzip(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"), "an append-only file", "redis-server --appendonly yes"),
        (
            "pointer.rdb",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n".to_vec(),
            "a pointer of git LFS",
            "git lfs pull",
        ),
        ("page.rdb", b"<!DOCTYPE html>\n<html><body>Sign in</body></html>".to_vec(), "a web page", "download"),
        ("error.rdb", xml.to_vec(), "an S3 store (NoSuchKey)", "refused the download"),
        (
            "transfer.rdb",
            [
                b"$EOF:0123456789012345678901234567890123456789\r\n",
                &rdb[..],
                b"0123456789012345678901234567890123456789",
            ]
            .concat(),
            "a diskless replication transfer",
            "tail -c +48",
        ),
        ("counted.rdb", [b"$18\r\n", &rdb[..]].concat(), "a replication transfer", "tail -c +6 "),
        (
            "appendonly.aof.manifest",
            b"file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n".to_vec(),
            "the manifest of a multi-part append-only file",
            "redis-server --appendonly yes",
        ),
        ("empty.rdb", Vec::new(), "an empty file", "take the dump again"),
        ("empty.rdb.gz", gzip(b""), "an empty file inside gzip", "take the dump again"),
    ];
    for (name, content, what, way) in cases {
        let path: PathBuf = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        check(&path, &target, what, way);
    }
    let plain = folder.path().join("plain");
    std::fs::create_dir(&plain).unwrap();
    check(&plain, &target, "a directory", "give the RDB file itself");
}

#[test]
fn the_way_out_of_a_transfer_is_right() {
    let rdb = b"REDIS0011\xff\0\0\0\0\0\0\0\0";
    let mark = [b'x'; 40];
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("FILE");
    for (content, line) in [
        ([b"$EOF:", &mark[..], b"\r\n", rdb, &mark].concat(), "tail -c +48 FILE | head -c -40"),
        ([&b"$18\r\n"[..], rdb].concat(), "tail -c +6 FILE"),
    ] {
        std::fs::write(&file, content).unwrap();
        let out = std::process::Command::new("sh").arg("-c").arg(line).current_dir(folder.path()).output().unwrap();
        assert_eq!(out.stdout, rdb, "{line}");
    }
}

/// What a real server with `appendonly yes` keeps, in its folder, once it has rewritten it and taken one more write.
fn server_with_aof(name: &str) -> Option<(RedisServer, TempDir)> {
    let installed = server_named(name)?;
    let folder = TempDir::new().unwrap();
    let dir = folder.path().display().to_string();
    let server = RedisServer::builder().version(&installed).arg("appendonly", "yes").arg("dir", &dir).start().unwrap();
    server.ok(&["SET", "before", "1"]);
    server.ok(&["BGREWRITEAOF"]);
    server.wait_for("the rewrite has ended", |server| {
        server.info("aof_rewrite_in_progress") == "0" && server.info("aof_rewrite_scheduled") == "0"
    });
    server.ok(&["SET", "after", "2"]);
    Some((server, folder))
}

#[test]
fn an_append_only_file_with_an_rdb_preamble_is_refused_by_name() {
    let Some((_server, folder)) = server_with_aof("redis-server-6.2") else { return };
    let Some(target) = RedisServer::start() else { return };
    let path = folder.path().join("appendonly.aof");
    assert!(std::fs::read(&path).unwrap().starts_with(b"REDIS"), "the server writes a preamble");
    check(&path, &target, "an append-only file that begins with an RDB", "redis-server --appendonly yes");
    check(
        folder.path(),
        &target,
        "the directory of a server that keeps an append-only file",
        "redis-server --appendonly yes",
    );
}

#[test]
fn an_rdb_with_commands_behind_it_is_refused_although_no_aux_field_tells() {
    let Some(target) = RedisServer::start() else { return };
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("appendonly.aof");
    // As a server goes on with an `appendonly.aof` that `--to-dir` wrote.
    let rdb = std::fs::read(crate::support::fixtures::own_folder().join("sampler-redis-6.2.14.rdb")).unwrap();
    std::fs::write(&path, [&rdb[..], b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"].concat()).unwrap();
    let repository = Folder::new();
    for command in commands(&path, &repository.text(), &target.url()) {
        let run = command.arg("--json").run();
        if run.line.contains("diagnose") {
            // It looks at the keys of the RDB, and says nothing of what is restored.
            continue;
        }
        let error = &run.json()["error"];
        let code = if run.line.contains("--target-instance") { [2, 3] } else { [3, 3] };
        assert!(code.contains(&run.code), "{}: {}", run.line, run.text());
        assert_eq!(error["code"], "not_an_rdb", "{}: {error:#}", run.line);
        let words = format!("{} {}", error["message"], error["causes"]);
        assert!(words.contains("an append-only file that begins with an RDB"), "{}: {words}", run.line);
    }
    assert_eq!(repository.files(), Vec::<String>::new());
    assert_eq!(target.ok(&["DBSIZE"]), "0");
}

#[test]
fn the_parts_of_a_multi_part_append_only_file_are_named_and_its_base_warns() {
    let Some((_server, folder)) = server_with_aof("redis-server-7.4") else { return };
    let Some(target) = RedisServer::start() else { return };
    let parts = folder.path().join("appendonlydir");
    check(
        folder.path(),
        &target,
        "the directory of a server that keeps an append-only file",
        "redis-server --appendonly yes",
    );
    check(&parts, &target, "the directory of a multi-part append-only file", "redis-server --appendonly yes");
    let names: Vec<PathBuf> = std::fs::read_dir(&parts).unwrap().map(|entry| entry.unwrap().path()).collect();
    let the = |end: &str| {
        names.iter().find(|path| path.to_str().unwrap().ends_with(end)).unwrap_or_else(|| panic!("{names:?}"))
    };
    check(the(".manifest"), &target, "the manifest of a multi-part append-only file", "redis-server --appendonly yes");
    check(the(".incr.aof"), &target, "append-only file", "redis-server --appendonly yes");

    let base = the(".base.rdb").to_str().unwrap();
    let repository = Folder::new();
    let (code, verified) = RedisOps::new().args(["verify", "--file", base]).json();
    let findings = verified["findings"].to_string();
    assert!(code == 1 && findings.contains("aof_base") && findings.contains("*.incr.aof"), "{verified:#}");
    let adopt = ["backup", "--from-file", base, "--name", "adopted", "-r", &repository.text()];
    let (code, adopted) = RedisOps::new().args(adopt).json();
    assert!(code == 1 && adopted["warnings"].to_string().contains("*.incr.aof"), "{adopted:#}");
    let (code, restored) = RedisOps::new().args(["restore", "--file", base, "--target-instance", &target.url()]).json();
    assert!(code == 1 && restored["warnings"].to_string().contains("*.incr.aof"), "{restored:#}");
    assert_eq!(target.ok(&["KEYS", "*"]), "before");
}
