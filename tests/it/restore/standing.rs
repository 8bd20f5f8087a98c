//! What a target holds when a restore ends: whether it is still the server that took the keys, and whether it has them on its disk.

use redis_ops::explain::Status;
use redis_ops::restore::Method;
use redis_ops::restore::standing::Turned;

use super::stored::{Stored, check, check_error, hint, message, with_each};
use super::support::{Restore, node, saved};
use crate::support::redis_server::{RedisServer, server_named};

/// Makes it a replica of another, and waits until it holds what that one does.
fn demote(target: &RedisServer, primary: &RedisServer) {
    target.ok(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    target.wait_for("its primary's data", |target| target.info("master_link_status") == "up");
}

#[test]
fn a_target_that_was_a_replica_meanwhile_is_not_said_to_hold_what_it_took() {
    with_each(|installed| {
        let start = || RedisServer::builder().version(installed).start().unwrap();
        let (source, primary) = (start(), start());
        source.fill(3_000, 100);
        primary.ok(&["SET", "of the group", "1"]);
        let stored = Stored::of(&source);
        for method in ["restore", "commands"] {
            let target = start();
            let words = ["--method", method, "--rate", "300kB", "--no-proof", "--json"];
            let run = stored.restoring(&target, &words).spawn();
            target.wait_for("keys", |target| target.ok(&["DBSIZE"]).parse::<u64>().unwrap() > 100);
            run.signal("STOP");
            let seen = std::cell::Cell::new(String::new());
            target.wait_for("what was sent to be there", |target| {
                let now = target.ok(&["DBSIZE"]);
                seen.replace(now.clone()) == now
            });
            // A failover and back: nothing that we send is refused.
            demote(&target, &primary);
            target.ok(&["REPLICAOF", "NO", "ONE"]);
            run.signal("CONT");
            let ended = run.wait();
            let answer = ended.json();
            assert!(target.ok(&["DBSIZE"]).parse::<u64>().unwrap() < 3_001, "some are gone");
            check_error(&(ended.code, answer.clone()), "role_changed");
            assert!(message(&answer).contains("it was made a replica of another server and then"), "{answer}");
            assert!(hint(&answer).contains("restores again from the start"), "{answer}");
            let target = &answer["result"]["target"];
            assert_eq!((&target["restarted"], target["turned"].is_string()), (&false.into(), true), "{answer}");
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_looked_at_again_after_it_was_compared() {
    let (Some(source), Some(primary)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(100, 10);
    let rdb = saved(&source);
    for method in [Method::Restore, Method::Commands, Method::Replica] {
        let target = RedisServer::start().unwrap();
        let mut report = match method {
            Method::Replica => Restore::of(&rdb).load(&target).await.unwrap(),
            method => Restore::of(&rdb).run(&target, method).await.unwrap(),
        };
        assert_eq!((report.status(), &report.turned), (Status::Ok, &None), "{report:?}");
        assert_eq!(report.look_again(&node(&target)).await.turned, None, "{report:?}");
        demote(&target, &primary);
        report.turned = report.look_again(&node(&target)).await.turned;
        let of = format!("127.0.0.1:{}", primary.port());
        assert_eq!((report.status(), &report.turned), (Status::Failed, &Some(Turned::Replica(of))), "{method:?}");
    }
}

/// Sets how long a file of a running server may become, in bytes: whoever writes more is killed, as on a full disk.
fn limit_files(server: &RedisServer, bytes: &str) -> bool {
    let limit = format!("--fsize={bytes}:unlimited");
    let done = std::process::Command::new("prlimit").args(["--pid", &server.pid().to_string(), &limit]).status();
    done.is_ok_and(|status| status.success())
}

#[test]
fn a_target_whose_append_only_file_cannot_be_rewritten_is_not_said_to_be_safe() {
    for name in ["redis-server-6.2", "redis-server-7.0", "redis-server-8.0", "valkey-server-9.1"] {
        let Some(installed) = server_named(name) else { continue };
        let start = |append_only: &str| {
            // The proof is not to need the disk.
            let builder = RedisServer::builder().version(&installed).arg("appendonly", append_only);
            builder.arg("repl-diskless-sync", "yes").start().unwrap()
        };
        let source = start("no");
        source.fill(3_000, 1_000);
        let stored = Stored::of(&source);
        let (target, full) = (start("yes"), start("yes"));
        let answer = stored.restore(&target, &[]);
        check(&answer, 0, "replica");
        assert_eq!(answer.1["result"]["target"]["durable"], true, "{name}: {}", answer.1);

        if !limit_files(&full, "1000000") {
            crate::support::skip("prlimit");
            return;
        }
        let answer = stored.restore(&full, &[]);
        check(&answer, 1, "replica");
        assert_eq!(answer.1["proof"]["equal"], 3_000, "{name}: {}", answer.1);
        let state = &answer.1["result"]["target"];
        assert_eq!(state["durable"], false, "{name}: {}", answer.1);
        let why = state["not_durable"].as_str().unwrap();
        assert!(why.contains("append-only file") && why.contains("restart"), "{name}: {why}");
        let run = stored.restoring(&full, &["--replace-all", "--no-safety-backup", "--yes"]).run();
        let text = run.text();
        assert!(text.contains("not on disk: the target could not rewrite"), "{name}: {text}");
    }
}

#[test]
fn a_target_with_save_points_has_saved_what_it_loaded_and_a_crash_does_not_bring_the_old_back() {
    with_each(|installed| {
        let start = |save: &str| RedisServer::builder().version(installed).arg("save", save).start().unwrap();
        let source = start("");
        source.fill(1_000, 1_000);
        let stored = Stored::of(&source);
        let mut target = start("3600 1");
        target.ok(&["SET", "old", "1"]);
        target.save();
        let answer = stored.restore(&target, &["--replace-all", "--no-safety-backup", "--yes"]);
        check(&answer, 0, "replica");
        assert_eq!(answer.1["result"]["target"]["durable"], true, "{}: {}", installed.name, answer.1);
        target.kill();
        let dump = target.dir().join("dump.rdb");
        let again = RedisServer::builder().version(installed).dump(&dump).start().unwrap();
        let found = (again.ok(&["EXISTS", "old"]), again.ok(&["DBSIZE"]));
        assert_eq!(found, ("0".into(), "1000".into()), "{}", installed.name);

        // One that is not ours to tell is warned of before, and said afterwards.
        let target = start("3600 1");
        target.ok(&["ACL", "SETUSER", "default", "-bgsave"]);
        let (code, plan) = stored.restore(&target, &["--plan"]);
        let lines = plan["plan"]["lines"].as_array().unwrap();
        let line = lines.iter().find(|line| line["code"] == "saved").unwrap();
        assert_eq!((code, line["level"].as_str().unwrap_or_default()), (1, "warning"), "{}: {plan}", installed.name);
        let answer = stored.restore(&target, &[]);
        check(&answer, 1, "replica");
        assert_eq!(answer.1["result"]["target"]["durable"], false, "{}: {}", installed.name, answer.1);
    });
}
