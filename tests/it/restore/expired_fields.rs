//! Fields of hashes whose time has passed: no target gets them, and nobody is told that it has all.

use super::stored::Stored;
use crate::support::redis_server::{Installed, RedisServer, servers};

/// The servers whose hashes know expiries of fields.
fn know_them() -> Vec<Installed> {
    let known = ["redis-server-7.4", "redis-server-8", "valkey-server-9"];
    servers().into_iter().filter(|installed| known.iter().any(|name| installed.is(name))).collect()
}

fn start(installed: &Installed) -> RedisServer {
    let builder = RedisServer::builder().version(installed);
    let server = builder.arg("enable-debug-command", "yes").start().unwrap();
    // What has expired stays in memory, and goes into the backup.
    server.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    server
}

/// Five hashes that have lost a field of two, and one that has both.
fn fill(server: &RedisServer, milliseconds: &str) {
    for number in 0..5 {
        let name = format!("hash:{number}");
        server.ok(&["HSET", &name, "goes", "1", "stays", "2"]);
        server.ok(&["HPEXPIRE", &name, milliseconds, "FIELDS", "1", "goes"]);
    }
    server.ok(&["HSET", "whole", "goes", "1", "stays", "2"]);
}

fn text<'a>(plan: &'a serde_json::Value, code: &str) -> &'a str {
    let lines = plan["plan"]["lines"].as_array().unwrap();
    lines.iter().find(|line| line["code"] == code).and_then(|line| line["text"].as_str()).unwrap_or("nothing")
}

#[test]
fn fields_that_have_expired_are_counted_by_plan_run_and_proof() {
    for installed in know_them() {
        let (source, target) = (start(&installed), start(&installed));
        fill(&source, "1");
        let stored = Stored::of(&source);
        for method in ["auto", "restore", "commands"] {
            let (planned, plan) = stored.restore(&target, &["--method", method, "--plan"]);
            let words = "5 hash fields expired since the backup was taken, and are not restored";
            assert_eq!((planned, text(&plan, "expired")), (1, words), "{} {method}: {plan:#}", installed.name);
            let (code, answer) = stored.restore(&target, &["--method", method]);
            let result = &answer["result"];
            let counts = ["restored", "expired", "expired_fields"].map(|name| result[name].as_u64().unwrap());
            assert_eq!((code, counts), (1, [6, 0, 5]), "{} {method}: {answer:#}", installed.name);
            let proof = &answer["proof"];
            assert_eq!((&proof["missing"], &proof["different"]), (&0.into(), &0.into()), "{answer:#}");
            assert_eq!(proof["expired_fields"], 5, "{} {method}: {answer:#}", installed.name);
            assert_eq!(target.ok(&["HGETALL", "hash:3"]), "stays\n2", "{} {method}", installed.name);
            assert_eq!(target.ok(&["HLEN", "whole"]), "2", "{} {method}", installed.name);
            target.ok(&["FLUSHALL"]);
        }
        // The words that people read.
        let said = stored.restoring(&target, &["--method", "restore"]).run();
        let (all, proof) = (said.everything(), "holds 6 keys as in the backup, and 5 hash fields have expired");
        assert!(said.code == 1 && all.contains(proof) && all.contains("fields of hashes expired"), "{all}");
        target.ok(&["FLUSHALL"]);
        // Without their expiries all of them are wanted.
        let (code, answer) = stored.restore(&target, &["--ttl", "strip"]);
        assert_eq!((code, &answer["result"]["expired_fields"]), (0, &0.into()), "{}: {answer:#}", installed.name);
        assert_eq!(target.ok(&["HGET", "hash:3", "goes"]), "1", "{}", installed.name);
    }
}

#[test]
fn a_plan_names_the_fields_that_expire_before_the_restore_ends() {
    for installed in know_them() {
        let (source, target) = (start(&installed), start(&installed));
        fill(&source, "60000");
        source.fill(1_000, 100);
        let stored = Stored::of(&source);
        // All of it at this rate takes more than a minute.
        let (code, plan) = stored.restore(&target, &["--method", "restore", "--rate", "1kB", "--plan"]);
        let said = text(&plan, "expires_soon");
        assert!(code == 1 && said.starts_with("5 hash fields expire before the restore ends"), "{said}: {plan:#}");
    }
}

#[test]
fn a_comparison_with_a_server_says_how_many_fields_have_expired() {
    for installed in know_them() {
        let server = start(&installed);
        fill(&server, "1500");
        let stored = Stored::of(&server);
        server.wait_for("the fields have expired", |server| server.ok(&["HGET", "hash:4", "goes"]).is_empty());
        // The moment of the look is a second: the next one has to begin.
        let second = |server: &RedisServer| server.ok(&["TIME"]).lines().next().map(str::to_owned);
        let of_the_end = second(&server);
        server.wait_for("the next second", |server| second(server) != of_the_end);
        let run = stored.verify(&["-i", &server.url()]).run();
        let all = run.everything();
        assert!(run.code == 0 && all.contains("5 hash fields expired since"), "{}: {all}", installed.name);
    }
}
