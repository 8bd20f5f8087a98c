//! What is chosen decides what is lost, and what stays.

use super::stored::Stored;
use crate::support::redis_server::{RedisServer, server_named};

const LATER: &str = "4102444800000";

#[test]
fn an_expiry_of_a_field_that_is_left_out_or_has_passed_is_not_lost() {
    let (Some(new), Some(old)) = (server_named("redis-server-8.0"), server_named("redis-server-6.2")) else { return };
    let source = RedisServer::builder().version(&new).start().unwrap();
    source.ok(&["HSET", "hash", "stays", "1", "expires", "2"]);
    source.ok(&["HPEXPIREAT", "hash", LATER, "FIELDS", "1", "expires"]);
    let stored = Stored::of(&source);
    for method in ["restore", "commands"] {
        let target = RedisServer::builder().version(&old).start().unwrap();
        let (code, answer) = stored.restore(&target, &["--method", method]);
        assert_eq!((code, &answer["error"]["code"]), (2, &"field_expiry_lost".into()), "{answer}");
        let (code, answer) = stored.restore(&target, &["--method", method, "--ttl", "strip"]);
        assert_eq!((code, &answer["result"]["lost_in_part"]), (0, &0.into()), "{method}: {answer}");
        assert_eq!(target.ok(&["HMGET", "hash", "stays", "expires"]), "1\n2");
    }

    source.ok(&["HPEXPIRE", "hash", "1500", "FIELDS", "1", "expires"]);
    let stored = Stored::of(&source);
    source.wait_for("the field to expire", |source| source.ok(&["HEXISTS", "hash", "expires"]) == "0");
    for method in ["restore", "commands"] {
        let target = RedisServer::builder().version(&old).start().unwrap();
        let (code, answer) = stored.restore(&target, &["--method", method]);
        // It has expired, which is a warning, and no loss.
        let result = &answer["result"];
        assert_eq!((code, &result["lost_in_part"], &result["expired_fields"]), (1, &0.into(), &1.into()), "{answer}");
        assert_eq!(target.ok(&["HGETALL", "hash"]), "stays\n1");
    }
}

#[test]
fn a_key_that_has_expired_leaves_the_targets_key_of_its_name_and_the_proof_agrees() {
    let Some(installed) = server_named("redis-server-8.0") else { return };
    let start = || RedisServer::builder().version(&installed).start().unwrap();
    let (source, target) = (start(), start());
    source.ok(&["SET", "lives", "1"]);
    source.ok(&["SET", "a", "of the backup", "PX", "1500"]);
    source.ok(&["HSET", "b", "field", "of the backup"]);
    source.ok(&["HPEXPIRE", "b", "1500", "FIELDS", "1", "field"]);
    let stored = Stored::of(&source);
    source.wait_for("both to expire", |source| source.ok(&["EXISTS", "a", "b"]) == "0");
    for method in ["restore", "commands"] {
        for conflict in ["skip", "replace", "fail"] {
            target.ok(&["FLUSHALL"]);
            // Whether anything of a hash lives is not known yet where names are compared.
            let names = if conflict == "fail" { &["a"][..] } else { &["a", "b"] };
            names.iter().for_each(|name| drop(target.ok(&["RPUSH", name, "of the target"])));
            let options = ["--method", method, "--on-conflict", conflict, "--yes"];
            let (code, answer) = stored.restore(&target, &options);
            let result = &answer["result"];
            assert_eq!((code, &result["restored"], &result["expired"]), (1, &1.into(), &2.into()), "{answer}");
            assert_eq!((&answer["proof"]["equal"], &answer["proof"]["different"]), (&1.into(), &0.into()), "{answer}");
            for name in names {
                assert_eq!(target.ok(&["LRANGE", name, "0", "-1"]), "of the target", "{method} {conflict}");
            }
        }
    }
}

#[test]
fn a_name_of_two_databases_that_go_to_one_is_said_to_be_lost_beforehand() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    for words in [["0", "a", "zero"], ["1", "a", "one"], ["1", "b", "one"]] {
        source.ok(&[
            "EVAL",
            "redis.call('SELECT', ARGV[1]) redis.call('SET', KEYS[1], ARGV[2])",
            "1",
            words[1],
            words[0],
            words[2],
        ]);
    }
    let stored = Stored::of(&source);
    for method in ["auto", "restore", "commands"] {
        for conflict in [&[][..], &["--on-conflict", "skip"], &["--on-conflict", "replace", "--yes"]] {
            target.ok(&["FLUSHALL"]);
            let options = [&["--method", method, "--db", "0:1", "--db", "1"], conflict].concat();
            let (planned, plan) = stored.restore(&target, &[&options[..], &["--plan"]].concat());
            let (code, answer) = stored.restore(&target, &options);
            assert_eq!((planned, &plan["error"]["code"]), (2, &"keys_twice".into()), "{plan}");
            assert_eq!((code, &answer["error"]["code"]), (2, &"keys_twice".into()), "{answer}");
            assert_eq!(target.ok(&["INFO", "keyspace"]).lines().count(), 1, "nothing was written");

            let (code, answer) = stored.restore(&target, &[&options[..], &["--accept-loss"]].concat());
            let result = &answer["result"];
            assert_eq!((code, &result["restored"], &result["lost_count"]), (1, &2.into(), &1.into()), "{answer}");
            assert_eq!(
                target.ok(&["EVAL", "redis.call('SELECT', 1) return redis.call('MGET', 'a', 'b')", "0"]),
                "zero\none"
            );
        }
    }
    // Databases that change places are not united.
    target.ok(&["FLUSHALL"]);
    let (code, answer) = stored.restore(&target, &["--db", "0:1", "--db", "1:0"]);
    assert_eq!((code, &answer["result"]["restored"]), (0, &3.into()), "{answer}");
}
