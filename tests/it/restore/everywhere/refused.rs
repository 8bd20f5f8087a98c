//! What bars a way, and which way is taken then.

use super::super::stored::{Stored, backup_from, check, check_error, hint, keys, message, start, with_each};
use crate::support::redis_server::{Client, Installed, RedisServer, free_port};
use crate::support::sentinel::Sentinel;

fn primary(installed: &Installed, setting: &str, value: &str) -> RedisServer {
    RedisServer::builder().version(installed).arg(setting, value).start().unwrap()
}

/// The level of a line of the plan.
fn level<'a>(answer: &'a serde_json::Value, code: &str) -> Option<&'a str> {
    answer["plan"]["lines"].as_array()?.iter().find(|line| line["code"] == code)?["level"].as_str()
}

#[test]
fn where_the_target_cannot_reach_us_the_next_method_is_used_and_this_is_said() {
    with_each(|installed| {
        let (stored, target) = (backup_from(installed, 100, 100), start(installed));
        let nowhere = format!("127.0.0.1:{}", free_port());
        let answer = stored.restore(&target, &["--method", "replica", "--advertise", &nowhere]);
        check_error(&answer, "not_reached");
        let words = "the target is a primary and holds 0 keys (0 before)";
        assert!(message(&answer.1).contains(words), "{}", answer.1);
        let answer = stored.restore(&target, &["--advertise", &nowhere]);
        check(&answer, 0, "restore");
        let barred = &answer.1["result"]["barred"];
        assert_eq!((&barred["method"], &barred["code"]), (&"replica".into(), &"not_reached".into()));
        assert_eq!(keys(&target), 100);
    });
}

#[test]
fn a_target_that_refuses_replicaof_is_restored_in_another_way() {
    with_each(|installed| {
        let stored = backup_from(installed, 100, 100);
        let renamed = primary(installed, "rename-command", "REPLICAOF NO-SUCH");
        check_error(&stored.restore(&renamed, &["--method", "replica"]), "method");
        let answer = stored.restore(&renamed, &[]);
        check(&answer, 0, "restore");
        assert!(answer.1["plan"]["why"].as_str().unwrap().contains("REPLICAOF"), "{}", answer.1);

        let server = start(installed);
        server.ok(&["ACL", "SETUSER", "ops", "on", ">secret", "~*", "&*", "+@all", "-replicaof", "-slaveof"]);
        let url = format!("redis://ops:secret@127.0.0.1:{}", server.port());
        // Known beforehand also on 6.2, which has no ACL DRYRUN: the command is tried in a transaction that is dropped.
        check_error(&stored.restoring_into(&url, &["--method", "replica"]).json(), "method");
        let answer = stored.restoring_into(&url, &[]).json();
        check(&answer, 0, "restore");
        let why = answer.1["plan"]["why"].as_str().unwrap();
        assert!(why.contains("REPLICAOF"), "{}", answer.1);

        let cluster = primary(installed, "cluster-enabled", "yes");
        let slots: Vec<String> = (0..16384).map(|slot| slot.to_string()).collect();
        let words: Vec<&str> = ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str)).collect();
        cluster.ok(&words);
        cluster.wait_for("the cluster", |server| server.cli(&["GET", "x"]).is_empty());
        check_error(&stored.restore(&cluster, &["--method", "replica"]), "method");
        check(&stored.restore(&cluster, &[]), 0, "restore");
    });
}

#[test]
fn whom_a_sentinel_watches_is_never_made_a_replica() {
    with_each(|installed| {
        let (stored, target) = (backup_from(installed, 100, 100), start(installed));
        let sentinel = Sentinel::of(&target, 1).unwrap();
        target.wait_for("the Sentinel", |target| target.cli(&["CLIENT", "LIST"]).contains("name=sentinel-"));
        let answer = stored.restore(&target, &["--method", "replica"]);
        check_error(&answer, "method");
        assert!(message(&answer.1).contains("Sentinel watches the target"), "{}", answer.1);
        // Without a word about the method the next one is taken, and the danger that is left is named.
        let answer = stored.restore(&target, &[]);
        check(&answer, 0, "restore");
        assert!(answer.1["plan"]["why"].as_str().unwrap().contains("Sentinel"), "{}", answer.1["plan"]);
        for method in ["restore", "commands"] {
            let all = ["--method", method, "--replace-all", "--no-safety-backup", "--yes"];
            let answer = stored.restore(&target, &all);
            check(&answer, 0, method);
            assert_eq!(level(&answer.1, "sentinel"), Some("warning"), "{}", answer.1["plan"]);
        }
        assert!(!target.log().contains("REPLICAOF"), "{}", target.log());
        let mut client = Client::tcp(sentinel.port()).unwrap();
        let told = client.ask(&[b"SENTINEL", b"MASTER", b"mymaster"]).unwrap().to_string();
        assert!(told.contains("flags\nmaster\n"), "{told}");
    });
}

#[test]
fn who_may_not_see_the_clients_cannot_tell_that_no_sentinel_watches() {
    with_each(|installed| {
        let (stored, target) = (backup_from(installed, 10, 100), start(installed));
        target.ok(&["ACL", "SETUSER", "ops", "on", ">secret", "~*", "&*", "+@all", "-client"]);
        let url = format!("redis://ops:secret@127.0.0.1:{}", target.port());
        let (code, answer) = stored.restoring_into(&url, &["--plan"]).json();
        let plan = &answer["plan"];
        // Nor whether another restore is at work, which is a warning.
        assert_eq!((code, level(&answer, "sentinel"), &plan["method"]), (1, Some("unknown"), &"restore".into()));
        assert!(plan["why"].as_str().unwrap().contains("could not tell whether a Sentinel watches"), "{plan}");
        // Who asks for it by name has been told.
        let (code, answer) = stored.restoring_into(&url, &["--plan", "--method", "replica"]).json();
        assert_eq!((code, level(&answer, "sentinel")), (1, Some("unknown")), "{answer}");
        // The channel that Sentinels listen on tells of them all the same.
        let _sentinel = Sentinel::of(&target, 1).unwrap();
        target
            .wait_for("the Sentinel", |target| target.cli(&["PUBSUB", "NUMSUB", "__sentinel__:hello"]).ends_with('1'));
        check_error(&stored.restoring_into(&url, &["--method", "replica"]).json(), "method");
        assert!(!target.log().contains("REPLICAOF"), "{}", target.log());
    });
}

#[test]
fn replicas_of_the_target_are_wiped_only_when_it_was_allowed() {
    with_each(|installed| {
        let stored = backup_from(installed, 100, 100);
        let (target, replica) = (start(installed), start(installed));
        replica.ok(&["REPLICAOF", "127.0.0.1", &target.port().to_string()]);
        replica.wait_for("its link", |server| server.info("master_link_status") == "up");
        let answer = stored.restore(&target, &["--method", "replica"]);
        check_error(&answer, "method");
        assert!(hint(&answer.1).contains("--allow-replica-resync"), "{}", answer.1);
        let answer = stored.restore(&target, &["--method", "replica", "--allow-replica-resync"]);
        check(&answer, 0, "replica");
        replica.wait_for("the data", |server| server.cli(&["DBSIZE"]) == "100" && server.info("role") == "slave");

        check(&stored.restore(&target, &["--replace-all", "--no-safety-backup", "--yes"]), 0, "restore");
        replica.wait_for("the data again", |server| server.cli(&["DBSIZE"]) == "100");
    });
}

#[test]
fn a_database_that_the_target_has_not_is_refused_and_can_be_moved() {
    with_each(|installed| {
        let source = start(installed);
        let mut client = source.client();
        client.ask(&[b"SELECT", b"12"]).unwrap();
        client.ask(&[b"SET", b"far", b"x"]).unwrap();
        let (stored, target) = (Stored::of(&source), primary(installed, "databases", "8"));
        for more in [&[][..], &["--method", "replica"], &["--method", "restore"], &["--method", "commands"]] {
            let answer = stored.restore(&target, more);
            check_error(&answer, "database_out_of_range");
            assert!(message(&answer.1).contains("keys go to database 12: the target has 8 databases"), "{}", answer.1);
            assert!(hint(&answer.1).contains("--db"), "{}", answer.1);
        }
        assert!(target.info("db0").is_empty(), "nothing was written");
        let answer = stored.restore(&target, &["--db", "12:3"]);
        check(&answer, 0, "restore");
        assert_eq!(answer.1["proof"]["equal"], 1, "{}", answer.1);
    });
}

fn library(name: &str, answer: &str) -> String {
    format!("#!lua name={name}\nredis.register_function('{name}', function() return '{answer}' end)")
}

#[test]
fn a_function_library_of_the_same_name_is_left_or_replaced_only_as_it_was_said() {
    with_each(|installed| {
        if installed.is("6.2") {
            return;
        }
        let (source, target) = (start(installed), start(installed));
        source.ok(&["FUNCTION", "LOAD", &library("greet", "theirs")]);
        source.ok(&["FUNCTION", "LOAD", &library("other", "theirs")]);
        source.fill(10, 10);
        let stored = Stored::of(&source);
        target.ok(&["FUNCTION", "LOAD", &library("mine", "mine")]);

        // None of these names is taken.
        let answer = stored.restore(&target, &[]);
        check(&answer, 0, "restore");
        assert_eq!(
            (answer.1["result"]["functions"]["restored"].as_u64(), keys(&target)),
            (Some(2), 10),
            "{}",
            answer.1
        );

        target.ok(&["FLUSHALL"]);
        target.ok(&["FUNCTION", "DELETE", "other"]);
        target.ok(&["FUNCTION", "LOAD", "REPLACE", &library("greet", "mine")]);
        let call = |name: &str| target.ok(&["FCALL", name, "0"]);
        let answer = stored.restore(&target, &[]);
        check_error(&answer, "functions_exist");
        assert!(hint(&answer.1).contains("--on-conflict"), "{}", answer.1);
        assert_eq!((call("greet").as_str(), keys(&target)), ("mine", 0), "nothing was written");

        let (planned, plan) = stored.restore(&target, &["--on-conflict", "skip", "--plan"]);
        assert_eq!(planned, 1, "{plan}");
        let answer = stored.restore(&target, &["--on-conflict", "skip"]);
        assert_eq!((answer.0, &answer.1["error"]), (1, &serde_json::Value::Null), "{}", answer.1);
        let functions = &answer.1["result"]["functions"];
        assert_eq!((&functions["restored"], &functions["skipped"]), (&1.into(), &1.into()), "{}", answer.1);
        assert_eq!((call("greet").as_str(), call("other").as_str(), keys(&target)), ("mine", "theirs", 10));

        target.ok(&["FLUSHALL"]);
        let answer = stored.restore(&target, &["--on-conflict", "replace"]);
        check(&answer, 0, "restore");
        assert_eq!((call("greet").as_str(), call("mine").as_str()), ("theirs", "mine"));

        let answer = stored.restore(&target, &["--replace-all", "--no-safety-backup", "--yes", "--method", "restore"]);
        check(&answer, 0, "restore");
        assert_eq!(target.ok(&["FUNCTION", "LIST"]).matches("library_name").count(), 2, "`mine` is gone");

        // A library that goes first may have a function of the same name.
        target.ok(&["FUNCTION", "FLUSH"]);
        target.ok(&["FUNCTION", "LOAD", &library("greet", "mine").replace("name=greet", "name=mine")]);
        let answer = stored.restore(&target, &["--on-conflict", "skip"]);
        check_error(&answer, "functions_refused");
        for method in ["auto", "restore", "commands"] {
            let words = ["--replace-all", "--no-safety-backup", "--yes", "--method", method];
            let (code, answer) = stored.restore(&target, &words);
            assert_eq!((code, call("greet").as_str()), (0, "theirs"), "{method}: {answer}");
            target.ok(&["FUNCTION", "FLUSH"]);
            target.ok(&["FUNCTION", "LOAD", &library("greet", "mine").replace("name=greet", "name=mine")]);
        }
    });
}
