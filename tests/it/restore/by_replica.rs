//! `redis-ops restore` where the target loads the file itself, as a person runs it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::redis_ops::{RedisOps, Running};
use crate::support::redis_server::{Certificates, Installed, RedisServer, free_port, server_named, servers};
use crate::support::sample;

/// An RDB that is stored as a backup.
struct Stored {
    folder: tempfile::TempDir,
}

impl Stored {
    /// A backup of what a server holds.
    fn of(server: &RedisServer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let line = ["-i", &server.url(), "-r", &folder.path().display().to_string(), "backup", "--name", "test"]
            .map(str::to_owned);
        let (code, answer) = RedisOps::new().args(line).json();
        assert_eq!(code, 0, "{answer}");
        Self { folder }
    }

    fn line(&self, target: &RedisServer, more: &[&str]) -> Vec<String> {
        let repository = self.folder.path().display().to_string();
        let url = target.url();
        let line = ["-r", &repository, "restore", "--backup-id", "test/latest", "--target-instance", &url];
        line.iter().chain(more).map(|word| (*word).to_owned()).collect()
    }

    fn restore(&self, target: &RedisServer, more: &[&str]) -> (i32, Value) {
        RedisOps::new().args(self.line(target, more)).json()
    }

    /// The file that holds the data.
    fn object(&self) -> PathBuf {
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else if entry.file_name().to_string_lossy().starts_with("dump.rdb") {
                    return entry.path();
                }
            }
        }
        panic!("no dump")
    }
}

fn backup_of(n_keys: usize) -> Option<Stored> {
    let source = RedisServer::start()?;
    source.fill(n_keys, 100);
    Some(Stored::of(&source))
}

/// So much that it does not all fit between us and the target.
fn large_backup() -> Option<Stored> {
    let source = RedisServer::start()?;
    source.fill(20_000, 800);
    Some(Stored::of(&source))
}

#[track_caller]
fn check(answer: &(i32, Value), code: i32, method: &str) {
    assert_eq!((answer.0, &answer.1["result"]["method"]), (code, &method.into()), "{}", answer.1);
}

#[track_caller]
fn check_error(answer: &(i32, Value), code: &str) {
    assert_eq!((answer.0, &answer.1["error"]["code"]), (2, &code.into()), "{}", answer.1);
}

#[test]
fn every_version_loads_its_own_backup_and_is_proven_equal() {
    for installed in servers() {
        let source = sample::builder(&installed).start().unwrap();
        sample::fill(&source);
        let stored = Stored::of(&source);
        let target = sample::builder(&installed).start().unwrap();
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
    }
}

#[test]
fn the_plan_says_what_it_means_for_the_target() {
    let (Some(stored), Some(target)) = (backup_of(100), RedisServer::start()) else { return };
    let run = RedisOps::new().args(stored.line(&target, &["--plan"])).run();
    let text = run.text();
    assert_eq!(run.code, 0, "{text}");
    for words in
        ["by `replica`", "refuses writes", "cuts off blocked clients", "the whole backup is read and verified first"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(target.ok(&["DBSIZE"]), "0");
    assert_eq!(target.info("role"), "master");
}

#[test]
fn where_the_target_cannot_reach_us_the_next_method_is_used_and_this_is_said() {
    let (Some(stored), Some(target)) = (backup_of(100), RedisServer::start()) else { return };
    let nowhere = format!("127.0.0.1:{}", free_port());
    let answer = stored.restore(&target, &["--method", "replica", "--advertise", &nowhere]);
    check_error(&answer, "not_reached");
    let message = answer.1["error"]["message"].as_str().unwrap();
    assert!(message.contains("the target is a primary and holds 0 keys (0 before)"), "{message}");
    let answer = stored.restore(&target, &["--advertise", &nowhere]);
    check(&answer, 0, "restore");
    let barred = &answer.1["result"]["barred"];
    assert_eq!((&barred["method"], &barred["code"]), (&"replica".into(), &"not_reached".into()));
    assert_eq!(target.ok(&["DBSIZE"]), "100");
}

#[test]
fn a_target_that_refuses_replicaof_is_restored_in_another_way() {
    let Some(stored) = backup_of(100) else { return };
    let renamed = RedisServer::builder().arg("rename-command", "REPLICAOF NO-SUCH").start().unwrap();
    check_error(&stored.restore(&renamed, &["--method", "replica"]), "unknown_command");
    let answer = stored.restore(&renamed, &[]);
    check(&answer, 0, "restore");
    assert_eq!(answer.1["result"]["barred"]["code"], "unknown_command");

    let server = RedisServer::start().unwrap();
    server.ok(&["ACL", "SETUSER", "ops", "on", ">secret", "~*", "+@all", "-replicaof", "-slaveof"]);
    let url = format!("redis://ops:secret@127.0.0.1:{}", server.port());
    let line = |more: &[&str]| {
        let mut line = stored.line(&server, more);
        let at = line.iter().position(|word| *word == server.url()).unwrap();
        line[at].clone_from(&url);
        line
    };
    check_error(&RedisOps::new().args(line(&["--method", "replica"])).json(), "method");
    let answer = RedisOps::new().args(line(&[])).json();
    check(&answer, 0, "restore");
    assert!(answer.1["plan"]["why"].as_str().unwrap().contains("REPLICAOF"), "{}", answer.1["plan"]["why"]);

    let cluster = RedisServer::builder().arg("cluster-enabled", "yes").start().unwrap();
    cluster.ok(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    cluster.wait_for("the cluster", |server| {
        server.info("cluster_enabled") == "1" && server.cli(&["GET", "x"]).is_empty()
    });
    check_error(&stored.restore(&cluster, &["--method", "replica"]), "method");
    check(&stored.restore(&cluster, &[]), 0, "restore");
}

#[test]
fn whom_sentinel_watches_is_never_made_a_replica() {
    let (Some(stored), Some(target)) = (backup_of(100), RedisServer::start()) else { return };
    let mut sentinel = target.client();
    sentinel.ask(&[b"CLIENT", b"SETNAME", b"sentinel-0123456789-cmd"]).unwrap();
    let answer = stored.restore(&target, &["--method", "replica"]);
    check_error(&answer, "method");
    assert!(answer.1["error"]["message"].as_str().unwrap().contains("Sentinel"), "{}", answer.1["error"]);
    check(&stored.restore(&target, &[]), 0, "restore");
}

#[test]
fn replicas_of_the_target_are_wiped_only_when_it_was_allowed() {
    let Some(stored) = backup_of(100) else { return };
    let (target, replica) = (RedisServer::start().unwrap(), RedisServer::start().unwrap());
    replica.ok(&["REPLICAOF", "127.0.0.1", &target.port().to_string()]);
    replica.wait_for("its link", |server| server.info("master_link_status") == "up");
    let answer = stored.restore(&target, &["--method", "replica"]);
    check_error(&answer, "method");
    assert!(answer.1["error"]["hint"].as_str().unwrap().contains("--allow-replica-resync"), "{}", answer.1["error"]);
    let answer = stored.restore(&target, &["--method", "replica", "--allow-replica-resync"]);
    check(&answer, 0, "replica");
    replica.wait_for("the data", |server| server.cli(&["DBSIZE"]) == "100" && server.info("role") == "slave");

    check(&stored.restore(&target, &["--replace-all", "--no-safety-backup", "--yes"]), 0, "restore");
    replica.wait_for("the data again", |server| server.cli(&["DBSIZE"]) == "100");
}

fn while_loading(stored: &Stored, target: &RedisServer) -> Running {
    let running = RedisOps::new().args(stored.line(target, &["--json"])).spawn();
    target.wait_for("it loads", |target| target.cli(&["INFO", "persistence"]).contains("\nloading:1"));
    running
}

#[test]
fn an_interruption_during_the_load_leaves_a_primary_and_says_what_it_holds() {
    let Some(stored) = large_backup() else { return };
    let target = RedisServer::builder().arg("key-load-delay", "200").start().unwrap();
    let running = while_loading(&stored, &target);
    running.signal("INT");
    let run = running.wait();
    let answer = run.json();
    assert_eq!((run.code, &answer["error"]["code"]), (130, &"interrupted".into()), "{answer}");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("the target is a primary and holds 0 keys"), "{message}");
    assert_eq!((target.info("role").as_str(), target.ok(&["DBSIZE"]).as_str()), ("master", "0"));
    assert_eq!(target.ok(&["CONFIG", "GET", "repl-diskless-load"]), "repl-diskless-load\ndisabled");
}

#[test]
fn a_target_that_dies_during_the_load_is_said_to_have_died() {
    let Some(stored) = large_backup() else { return };
    let mut target = RedisServer::builder().arg("key-load-delay", "500").start().unwrap();
    let running = while_loading(&stored, &target);
    target.kill();
    let run = running.wait();
    let answer = run.json();
    assert_eq!((run.code, &answer["result"]["restored"]), (2, &0.into()), "{answer}");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("it has probably exited"), "{message}");
}

/// Damages what stands a few bytes before the end: the last frame.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.len() - 40;
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_backup_damaged_in_its_last_frame_never_reaches_a_target_or_is_taken_back() {
    let (Some(stored), Some(target)) = (backup_of(20_000), RedisServer::start()) else { return };
    damage(&stored.object());
    let (code, answer) = stored.restore(&target, &[]);
    assert_eq!((code, target.ok(&["DBSIZE"]).as_str()), (2, "0"), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("nothing was written"), "{answer}");
    assert_eq!(target.info("total_commands_processed_by_replication"), "");
    let (code, answer) = stored.restore(&target, &["--method", "restore"]);
    assert_eq!((code, target.ok(&["DBSIZE"]).as_str()), (2, "0"), "{answer}");
    assert_eq!(answer["result"]["taken_back"]["removed"], answer["result"]["restored"], "{answer}");

    target.ok(&["SET", "mine", "x"]);
    let replace = ["--replace-all", "--no-safety-backup", "--yes"];
    let (code, answer) = stored.restore(&target, &replace);
    assert_eq!((code, target.ok(&["GET", "mine"]).as_str()), (2, "x"), "{answer}");
    let (code, answer) = stored.restore(&target, &[&replace[..], &["--skip-verify"]].concat());
    assert_eq!((code, target.ok(&["GET", "mine"]).as_str()), (2, "x"), "not even then: {answer}");
}

#[test]
fn keys_that_have_expired_since_are_counted_and_gone() {
    let Some(source) = RedisServer::builder().arg("enable-debug-command", "yes").start() else { return };
    source.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    source.fill(50, 10);
    for number in 0..10 {
        source.ok(&["SET", &format!("gone:{number}"), "x", "PX", "1"]);
    }
    let (stored, target) = (Stored::of(&source), RedisServer::start().unwrap());
    let answer = stored.restore(&target, &[]);
    check(&answer, 1, "replica");
    let result = &answer.1["result"];
    assert_eq!((&result["restored"], &result["expired"], &result["in_backup"]), (&50.into(), &10.into(), &60.into()));
    assert_eq!(
        (&answer.1["proof"]["missing"], &answer.1["proof"]["different"]),
        (&0.into(), &0.into()),
        "{}",
        answer.1
    );
    target.wait_for("they are gone", |target| target.cli(&["DBSIZE"]) == "50");
}

#[test]
fn a_string_of_600_mb_can_only_be_loaded_by_the_target_itself() {
    // Zeros that the server does not shorten in its file; what we store of them is small.
    let length = 600 << 20;
    let limits = || RedisServer::builder().arg("rdbcompression", "no");
    let Some(source) = limits().arg("proto-max-bulk-len", "1gb").start() else { return };
    source.ok(&["SETRANGE", "big", &(length - 1).to_string(), "x"]);
    source.ok(&["SET", "small", "x"]);
    let stored = Stored::of(&source);
    drop(source);
    let target = limits().start().unwrap();
    let answer = stored.restore(&target, &["--method", "restore"]);
    check_error(&answer, "value_too_large");
    let hint = answer.1["error"]["hint"].as_str().unwrap();
    for words in ["CONFIG SET proto-max-bulk-len 630194176", "CONFIG SET proto-max-bulk-len 536870912   # afterwards"] {
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
    let run = |more: &[&str]| {
        let mut line = stored.line(&target, more);
        let at = line.iter().position(|word| *word == target.url()).unwrap();
        line[at].clone_from(&url);
        RedisOps::new().args(["--tls-ca", &file("ca.pem")]).args(line).json()
    };
    let answer = run(&["--method", "replica"]);
    check_error(&answer, "certificate");
    assert!(answer.1["error"]["hint"].as_str().unwrap().contains("--tls-cert"), "{}", answer.1["error"]);
    let (certificate, key) = (file("server.pem"), file("server.key"));
    check(&run(&["--tls-cert", &certificate, "--tls-key", &key]), 0, "replica");
    assert_eq!(target.ok(&["DBSIZE"]), "100");
}

#[test]
fn millions_of_tiny_keys_pass_within_the_memory_of_a_few() {
    // Ten million take minutes in a build with checks; that many are measured by hand.
    let n_keys = 300_000;
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
        let proof = &answer.1["proof"];
        assert_eq!(
            (&proof["missing"], &proof["different"]),
            (&0.into(), &0.into()),
            "{} into {}: {}",
            from.name,
            into.name,
            answer.1
        );
        assert!(!target.log().contains("ASSERTION"), "it has survived");
    }
}

#[test]
fn a_database_that_the_target_has_not_is_refused_and_can_be_moved() {
    let Some(source) = RedisServer::start() else { return };
    let mut client = source.client();
    client.ask(&[b"SELECT", b"12"]).unwrap();
    client.ask(&[b"SET", b"far", b"x"]).unwrap();
    let (stored, target) = (Stored::of(&source), RedisServer::builder().arg("databases", "8").start().unwrap());
    check_error(&stored.restore(&target, &[]), "database_out_of_range");
    check_error(&stored.restore(&target, &["--method", "replica"]), "database_out_of_range");
    let answer = stored.restore(&target, &["--db", "12:3"]);
    check(&answer, 0, "restore");
    assert_eq!(answer.1["proof"]["equal"], 1, "{}", answer.1);
}
