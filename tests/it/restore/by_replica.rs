//! `redis-ops restore` where the target loads the file itself, as a person runs it.

use super::stored::{Stored, backup_of, check, check_error, hint};
use crate::support::redis_server::{Certificates, Installed, RedisServer, on_each, server_named, servers};
use crate::support::sample;

#[test]
fn every_version_loads_its_own_backup_and_is_proven_equal() {
    on_each(&servers(), |installed| {
        let source = sample::builder(installed).start().unwrap();
        sample::fill(&source);
        let stored = Stored::of(&source);
        let target = sample::builder(installed).start().unwrap();
        let answer = stored.restore(&target, &[]);
        check(&answer, 0, "replica");
        let (proof, result) = (&answer.1["proof"], &answer.1["result"]);
        assert_eq!((&proof["missing"], &proof["different"], &proof["extra"]), (&0.into(), &0.into(), &0.into()));
        assert_eq!(result["in_backup"], result["restored"], "{result}");
        let phase = |name: &str| result["phases"][name].as_f64().unwrap();
        assert!(phase("verify") > 0.0 && phase("load") > 0.0 && phase("proof") > 0.0, "{result}");
        assert_eq!(sample::contents(&target), sample::contents(&source), "{}", installed.name);
        assert_eq!(target.info("role"), "master");
        assert_eq!(target.ok(&["CONFIG", "GET", "repl-diskless-load"]), "repl-diskless-load\ndisabled");

        // The target has data now: only `--replace-all` lets go of it.
        check_error(&stored.restore(&target, &["--method", "replica"]), "target_not_empty");
        target.ok(&["SET", "mine", "x"]);
        let answer = stored.restore(&target, &["--replace-all", "--no-safety-backup", "--yes"]);
        check(&answer, 0, "replica");
        assert_eq!(sample::contents(&target), sample::contents(&source), "{}", installed.name);
    });
}

#[test]
fn the_plan_says_what_it_means_for_the_target() {
    let (Some(stored), Some(target)) = (backup_of(100), RedisServer::start()) else { return };
    let run = stored.restoring(&target, &["--plan"]).run();
    let text = run.text();
    assert_eq!(run.code, 0, "{text}");
    for words in [
        "with method `replica`",
        "refuses writes",
        "disconnects blocked clients",
        "the whole backup is read and verified first",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(target.ok(&["DBSIZE"]), "0");
    assert_eq!(target.info("role"), "master");
}

#[test]
fn a_string_that_is_longer_than_a_command_can_only_be_loaded_by_the_target_itself() {
    // Zeros that the server does not shorten in its file; what we store of them is small. The target takes less in one piece than a
    // server does by itself (512 MiB), so that no string of that size has to be made.
    let length = 80 << 20;
    let plain = || RedisServer::builder().arg("rdbcompression", "no");
    let Some(source) = plain().start() else { return };
    source.ok(&["SETRANGE", "big", &(length - 1).to_string(), "x"]);
    source.ok(&["SET", "small", "x"]);
    let stored = Stored::of(&source);
    drop(source);
    let target = plain().arg("proto-max-bulk-len", "64mb").start().unwrap();
    let answer = stored.restore(&target, &["--method", "restore"]);
    check_error(&answer, "value_too_large");
    let hint = answer.1["error"]["hint"].as_str().unwrap();
    for words in ["CONFIG SET proto-max-bulk-len 84934656", "CONFIG SET proto-max-bulk-len 67108864   # afterwards"] {
        assert!(hint.contains(words), "{hint}");
    }
    assert_eq!(target.ok(&["DBSIZE"]), "0");
    check(&stored.restore(&target, &[]), 0, "replica");
    assert_eq!(target.ok(&["STRLEN", "big"]), length.to_string());
}

#[test]
fn a_string_that_only_its_file_has_shortened_goes_by_restore_but_not_by_commands() {
    let Some(source) = RedisServer::start() else { return };
    source.ok(&["SETRANGE", "big", "3000000", "x"]);
    let (stored, target) =
        (Stored::of(&source), RedisServer::builder().arg("proto-max-bulk-len", "1mb").start().unwrap());
    check_error(&stored.restore(&target, &["--method", "commands"]), "value_too_large");
    check(&stored.restore(&target, &["--method", "restore"]), 0, "restore");
    assert_eq!(target.ok(&["STRLEN", "big"]), "3000001");
}

#[test]
fn a_target_that_replicates_by_tls_is_shown_the_certificate_that_was_named() {
    let Some(installed) = servers().into_iter().find(RedisServer::has_tls) else { return };
    let Some(stored) = backup_of(100) else { return };
    let builder = RedisServer::builder().version(&installed).tls(Certificates::new());
    let target = builder.arg("tls-replication", "yes").start().unwrap();
    let file = |name: &str| target.dir().join(name).display().to_string();
    let url = format!("rediss://localhost:{}", target.tls_port().unwrap());
    let run = |more: &[&str]| stored.restoring_into(&url, more).args(["--tls-ca", &file("ca.pem")]).json();
    let answer = run(&["--method", "replica"]);
    check_error(&answer, "certificate");
    assert!(hint(&answer.1).contains("--tls-cert"), "{}", answer.1);
    // Of another authority.
    let other = tempfile::tempdir().unwrap();
    Certificates::new().write_to(other.path());
    let [certificate, key] = ["server.pem", "server.key"].map(|name| other.path().join(name).display().to_string());
    let answer = run(&["--method", "replica", "--tls-cert", &certificate, "--tls-key", &key]);
    check_error(&answer, "certificate");
    let message = answer.1["error"]["causes"].to_string();
    assert!(message.contains("TLS handshake") && message.contains("tls-ca-cert-file"), "{message}");
    assert_eq!((target.ok(&["DBSIZE"]), target.info("role")), ("0".into(), "master".into()));
    let (certificate, key) = (file("server.pem"), file("server.key"));
    check(&run(&["--tls-cert", &certificate, "--tls-key", &key]), 0, "replica");
    assert_eq!(target.ok(&["DBSIZE"]), "100");
}

#[test]
fn a_million_tiny_keys_are_brought_over_and_proven() {
    let n_keys = 1_000_000;
    let Some(source) = RedisServer::builder().arg("enable-debug-command", "yes").start() else { return };
    source.ok(&["DEBUG", "POPULATE", &n_keys.to_string(), "k", "1"]);
    let (stored, target) = (Stored::of(&source), RedisServer::start().unwrap());
    drop(source);
    let answer = stored.restore(&target, &[]);
    check(&answer, 0, "replica");
    assert_eq!(answer.1["proof"]["equal"], n_keys, "{}", answer.1);
}

fn pair(from: &Installed, into: &Installed) -> (RedisServer, RedisServer) {
    let source = RedisServer::builder().version(from).start().unwrap();
    sample::fill(&source);
    (source, RedisServer::builder().version(into).start().unwrap())
}

#[test]
fn between_versions_the_way_is_chosen_that_the_target_survives() {
    for (from, into, method, code) in [
        ("redis-server-6.2", "redis-server-8.0", "replica", 0),
        ("redis-server-8.0", "redis-server-6.2", "restore", 1),
        ("redis-server-7.0", "valkey-server-9.1", "replica", 0),
        ("valkey-server-8.1", "valkey-server-9.1", "replica", 0),
        ("redis-server-8.0", "valkey-server-9.1", "restore", 0),
        ("valkey-server-9.1", "redis-server-8.0", "restore", 0),
        ("valkey-server-9.1", "redis-server-7.0", "restore", 1),
    ] {
        let (Some(from), Some(into)) = (server_named(from), server_named(into)) else { continue };
        let (source, target) = pair(&from, &into);
        let stored = Stored::of(&source);
        let lossy = code == 1;
        if lossy {
            let (code, answer) = stored.restore(&target, &[]);
            assert_eq!((code, target.ok(&["DBSIZE"]).as_str()), (2, "0"), "{} into {}: {answer}", from.name, into.name);
            let hint = answer["error"]["hint"].as_str().unwrap_or_default();
            assert!(hint.contains("--accept-loss"), "{answer}");
        }
        let answer = stored.restore(&target, if lossy { &["--accept-loss"] } else { &[] });
        check(&answer, code, method);
        let (proof, result) = (&answer.1["proof"], &answer.1["result"]);
        // What was said to be lost is named, and is no equality.
        let lost = &result["lost_in_part"];
        assert_eq!(
            (&proof["missing"], &proof["different"], &proof["announced"]["different"]),
            (&0.into(), lost, lost),
            "{} into {}: {}",
            from.name,
            into.name,
            answer.1
        );
        assert_eq!(proof["is_equal"], *lost == 0, "{}", answer.1);
        assert_eq!(result["lost"].as_array().unwrap().len(), usize::try_from(lost.as_u64().unwrap()).unwrap());
        // By typed commands all goes everywhere, and what a target would die of it is never fed.
        let all = ["--replace-all", "--no-safety-backup", "--yes", "--accept-loss"];
        let answer = stored.restore(&target, &[&["--method", "commands"], &all[..]].concat());
        let proof = &answer.1["proof"];
        assert!(answer.0 <= 1, "{}", answer.1);
        assert_eq!(
            (&proof["missing"], &proof["different"]),
            (&0.into(), &proof["announced"]["different"]),
            "{}",
            answer.1
        );
        if method != "replica" {
            let answer = stored.restore(&target, &[&["--method", "replica"], &all[..]].concat());
            check_error(&answer, "method");
        }
        assert!(!target.log().contains("ASSERTION"), "it has survived");
    }
}
