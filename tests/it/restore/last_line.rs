//! The last line of a restore has the word of its exit code, whichever way it ends.

use std::io::Write as _;

use super::stored::{Stored, start};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Installed, RedisServer, server_named};
use crate::support::sample;

/// Runs it, and holds the last line against the code.
#[track_caller]
fn ends(run: RedisOps, code: i32) -> String {
    let run = run.run();
    let last = run.text().trim_end().lines().last().unwrap_or_default().to_owned();
    let word = if code == 0 { "ok: " } else { "warning: " };
    assert!(run.code == code && last.starts_with(word), "{word}, but {last}\n{}", run.everything());
    last
}

#[test]
fn a_format_that_nobody_knows() {
    let builder = RedisServer::builder().arg("rdbchecksum", "no");
    let (Some(source), Some(target)) = (builder.start(), RedisServer::start()) else { return };
    source.fill(20, 10);
    source.save();
    let mut rdb = std::fs::read(source.dir().join("dump.rdb")).unwrap();
    let version = rdb.iter().position(u8::is_ascii_digit).unwrap();
    rdb[version..9].fill(b'9');
    let folder = tempfile::tempdir().unwrap();
    let [file, out] = ["new.rdb", "out.rdb"].map(|name| folder.path().join(name).display().to_string());
    std::fs::write(&file, &rdb).unwrap();
    let line = ["restore", "--file", &file, "--target-instance", &target.url(), "--no-proof"];
    ends(RedisOps::new().args(line).arg("--plan"), 1);
    let last = ends(RedisOps::new().args(line), 1);
    assert!(last.contains("`--no-proof`") && last.ends_with("redis-ops does not know this RDB version"), "{last}");
    ends(RedisOps::new().args(["restore", "--file", &file, "--to-file", &out, "--plan"]), 1);
    ends(RedisOps::new().args(["restore", "--file", &file, "--to-file", &out]), 1);
}

#[test]
fn keys_that_stay_or_have_expired() {
    let Some(installed) = with_functions() else { return };
    let (source, target) = (sample::builder(&installed).start().unwrap(), start(&installed));
    source.fill(20, 10);
    source.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    source.ok(&["SET", "short", "v", "PX", "1"]);
    let stored = Stored::of(&source);
    for more in [&[][..], &["--no-proof"], &["--method", "commands"]] {
        let last = ends(stored.restoring(&target, more), 1);
        assert!(more.contains(&"--no-proof") || last.contains("and 1 has expired"), "{last}");
        ends(stored.restoring(&target, &[more, &["--on-conflict", "skip"]].concat()), 1);
        target.ok(&["FLUSHALL"]);
        ends(stored.restoring(&target, &[more, &["--exclude", "short"]].concat()), 0);
        target.ok(&["FLUSHALL"]);
    }
}

#[test]
fn what_only_the_plan_knows() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(20, 10);
    let stored = Stored::of(&source);
    stored.rewrite_manifest(|manifest| manifest.lacks = vec!["the functions: no permission".to_owned()]);
    for more in [&[][..], &["--no-proof"]] {
        let last = ends(stored.restoring(&target, more), 1);
        assert!(last.ends_with("; the backup does not hold everything that its source held"), "{last}");
        target.ok(&["FLUSHALL"]);
    }
}

#[test]
fn a_file_with_something_around_it() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(20, 10);
    source.save();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&std::fs::read(source.dir().join("dump.rdb")).unwrap()).unwrap();
    let mut padded = encoder.finish().unwrap();
    padded.resize(padded.len() + 100, 0);
    let folder = tempfile::tempdir().unwrap();
    let [file, out] = ["padded.rdb.gz", "out.rdb"].map(|name| folder.path().join(name).display().to_string());
    std::fs::write(&file, padded).unwrap();
    ends(RedisOps::new().args(["restore", "--file", &file, "--to-file", &out]), 1);
    ends(RedisOps::new().args(["restore", "--file", &file, "--target-instance", &target.url(), "--plan"]), 1);
    ends(RedisOps::new().args(["restore", "--file", &file, "--target-instance", &target.url()]), 1);
}

fn library(code: &str) -> String {
    format!("#!lua name=mine\nredis.register_function('f', function() return {code} end)")
}

/// A server that knows functions.
fn with_functions() -> Option<Installed> {
    server_named("redis-server-7.4").or_else(|| server_named("valkey-server-8.1"))
}

#[test]
fn a_function_library_that_is_there_already_is_a_difference_only_where_its_code_differs() {
    let Some(installed) = with_functions() else { return };
    let (source, target) = (start(&installed), start(&installed));
    source.fill(20, 10);
    source.ok(&["FUNCTION", "LOAD", &library("1")]);
    let stored = Stored::of(&source);
    let skip = ["--method", "restore", "--on-conflict", "skip"];
    for (code, expected) in [("1", 0), ("2", 1)] {
        target.ok(&["FUNCTION", "LOAD", "REPLACE", &library(code)]);
        let plan = ends(stored.restoring(&target, &[&skip[..], &["--plan"]].concat()), expected);
        assert_eq!(plan.contains("some data would differ"), expected == 1, "{plan}");
        let (_, plan) = stored.restore(&target, &[&skip[..], &["--plan"]].concat());
        assert_eq!(plan.to_string().contains("1 function library differs: `mine`"), expected == 1, "{plan:#}");
        let last = ends(stored.restoring(&target, &skip), expected);
        assert_eq!(last.contains("1 function library differs: `mine`"), expected == 1, "{last}");
        target.ok(&["FLUSHALL"]);
        let (_, answer) = stored.restore(&target, &skip);
        let functions = &answer["result"]["functions"];
        assert_eq!((&functions["skipped"], &functions["differing"]), (&1.into(), &expected.into()), "{answer:#}");
        assert!(target.ok(&["FUNCTION", "LIST", "WITHCODE"]).contains(&format!("return {code}")));
        target.ok(&["FLUSHALL"]);
        // Libraries belong to no key and to no database: a choice leaves them out, whatever the target has.
        let chosen = [&skip[..], &["--db", "0:3"]].concat();
        ends(stored.restoring(&target, &[&chosen[..], &["--plan"]].concat()), 0);
        ends(stored.restoring(&target, &chosen), 0);
        target.ok(&["FLUSHALL"]);
        let run = stored.restoring(&target, &chosen).run();
        assert!(run.text().contains("function libraries not selected"), "{}", run.text());
        target.ok(&["FLUSHALL"]);
    }
    // What is missing is loaded beside it, and compared.
    source.ok(&["FUNCTION", "LOAD", "#!lua name=other\nredis.register_function('g', function() return 1 end)"]);
    let stored = Stored::of(&source);
    target.ok(&["FUNCTION", "LOAD", "REPLACE", &library("1")]);
    ends(stored.restoring(&target, &[&skip[..], &["--plan"]].concat()), 0);
    ends(stored.restoring(&target, &skip), 0);
    assert!(target.ok(&["FUNCTION", "LIST"]).contains("other"));
}

/// An RDB that says when it was made, in Unix seconds, with a key that expires in 2100.
fn dated(ctime: i64, expires: bool) -> Vec<u8> {
    let ctime = ctime.to_string();
    let mut rdb = [b"REDIS0009\xfa\x05ctime".as_slice(), &[ctime.len() as u8], ctime.as_bytes(), b"\xfe\x00"].concat();
    if expires {
        rdb.extend([&[0xfc][..], &4_102_444_800_000_i64.to_le_bytes()].concat());
    }
    rdb.extend(b"\x00\x01a\x01v\xff");
    rdb.extend(redis_ops::rdb::crc64(&rdb).to_le_bytes());
    rdb
}

#[test]
fn a_file_that_is_dated_in_the_future_shifts_nothing_and_says_so() {
    let Some(target) = RedisServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dated.rdb");
    let now = chrono::Utc::now().timestamp();
    for (ctime, expires, code) in [(now + 3600, true, 1), (now + 3600, false, 0), (now - 3600, true, 0)] {
        std::fs::write(&path, dated(ctime, expires)).unwrap();
        let file = path.display().to_string();
        for method in ["restore", "commands"] {
            let line =
                ["restore", "--file", &file, "--target-instance", &target.url(), "--method", method, "--ttl", "shift"];
            let run = RedisOps::new().args(line).arg("--plan").run();
            let said = run.text().contains("in the future, so its age is unknown: expiries are not shifted");
            assert_eq!((run.code, said), (code, code == 1), "{}", run.everything());
            let last = ends(RedisOps::new().args(line), code);
            assert_eq!(last.ends_with("; expiries were not shifted"), code == 1, "{last}");
            target.ok(&["FLUSHALL"]);
        }
    }
}

#[test]
fn the_proof_and_the_receipt_say_what_is_not_as_in_the_backup() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(20, 10);
    source.ok(&["SET", "dies", "1", "EX", "100000"]);
    let stored = Stored::of(&source);
    let run = stored.restoring(&target, &["--method", "restore", "--ttl", "strip"]).run();
    let said =
        "proof: the target holds all 21 keys with the values in the backup; expiries were removed (`--ttl strip`)";
    assert!(run.code == 0 && run.text().contains(said), "{}", run.everything());
    target.ok(&["FLUSHALL"]);
    let run = stored.restoring(&target, &["--method", "restore", "--ttl", "shift"]).run();
    assert!(run.code == 0 && run.text().contains(" later (`--ttl shift`)"), "{}", run.everything());

    target.ok(&["SET", "dies", "other"]);
    target.ok(&["FUNCTION", "LOAD", "#!lua name=left\nredis.register_function('f', function() return 1 end)"]);
    let (code, answer) = stored.restore(&target, &["--on-conflict", "skip"]);
    assert_eq!((code, &answer["proof"]["equal"]), (1, &20.into()), "{answer}");
    let line = ["-r", &stored.place(), "show", "test/latest"].map(str::to_owned);
    let shown = RedisOps::new().args(line).run();
    assert!(
        shown.text().contains("0 keys into ") && shown.text().contains(", 21 kept; proof: 1 key differs"),
        "{}",
        shown.text()
    );
}
