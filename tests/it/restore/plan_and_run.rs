//! A plan says what the run does: the same method, and no only where that is no as well.

use std::collections::BTreeSet;

use super::stored::Stored;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Certificates, RedisServer, server_named, servers};

/// What both have to say: the exit code of the run, and the method or the code of the refusal.
#[derive(Debug, Clone, Copy)]
enum Expected {
    Goes(i32, &'static str),
    Refused(&'static str),
}

use Expected::{Goes, Refused};

#[track_caller]
fn check(stored: &Stored, target: &RedisServer, more: &[&str], expected: Expected) {
    let (plan_code, plan) = stored.restore(target, &[more, &["--plan"]].concat());
    let (code, run) = stored.restore(target, more);
    let words = format!("{more:?}\nplan {plan_code}: {plan}\nrun {code}: {run}");
    match expected {
        Goes(expected, method) => {
            assert_eq!((plan_code, code), (expected, expected), "{words}");
            let methods = (plan["plan"]["method"].as_str(), run["result"]["method"].as_str());
            assert_eq!(methods, (Some(method), Some(method)), "{words}");
        }
        Refused(reason) => {
            assert_eq!((plan_code, code), (2, 2), "{words}");
            let reasons = (plan["error"]["code"].as_str(), run["error"]["code"].as_str());
            assert_eq!(reasons, (Some(reason), Some(reason)), "{words}");
            assert!(run["result"].is_null(), "{words}");
        }
    }
    target.ok(&["FLUSHALL"]);
}

/// A Redis 7.4 with these of its modules.
fn with_modules(names: &[&str]) -> Option<RedisServer> {
    let installed = server_named("redis-server-7.4")?;
    let folder = installed.path.parent()?.parent()?.join("7.4/lib");
    let mut builder = RedisServer::builder().version(&installed);
    for name in names {
        let path = folder.join(format!("{name}.so"));
        if !path.exists() {
            crate::support::skip(&format!("{name}.so"));
            return None;
        }
        builder = builder.arg("loadmodule", &path.display().to_string());
    }
    builder.start()
}

const ALL: [&str; 4] = ["rejson", "redisbloom", "redistimeseries", "redisearch"];

/// A server that loads a whole file loses what its modules keep beside the keys.
#[test]
fn a_target_without_keys_and_with_search_indexes_is_not_empty() {
    let (Some(source), Some(target)) = (with_modules(&ALL), with_modules(&ALL)) else { return };
    source.fill(20, 10);
    let stored = Stored::of(&source);
    target.ok(&["FT.CREATE", "theirs", "ON", "HASH", "PREFIX", "1", "their:", "SCHEMA", "t", "TEXT"]);
    let (code, plan) = stored.restore(&target, &["--plan"]);
    assert_eq!((code, &plan["plan"]["method"]), (0, &"restore".into()), "{plan:#}");
    assert!(said(&plan, "empty").contains("its 1 search index stays"), "{plan:#}");
    let (code, answer) = stored.restore(&target, &[]);
    assert_eq!(
        (code, target.ok(&["FT._LIST"]).as_str(), target.ok(&["DBSIZE"]).as_str()),
        (0, "theirs", "20"),
        "{answer}"
    );
    target.ok(&["FLUSHALL"]);
    target.ok(&["FT.CREATE", "theirs", "ON", "HASH", "PREFIX", "1", "their:", "SCHEMA", "t", "TEXT"]);
    let (code, answer) = stored.restore(&target, &["--method", "replica"]);
    assert_eq!((code, target.ok(&["FT._LIST"]).as_str()), (2, "theirs"), "{answer}");
    // Everything goes, and that is asked about, and saved before.
    let (code, answer) = stored.restore(&target, &["--replace-all"]);
    assert_eq!((code, &answer["error"]["code"]), (2, &"not_confirmed".into()), "{answer}");
    let (_, plan) = stored.restore(&target, &["--replace-all", "--plan"]);
    assert!(said(&plan, "replace_all").contains("0 keys and 1 search index"), "{plan:#}");
    let (code, answer) = stored.restore(&target, &["--replace-all", "--yes"]);
    assert!(code == 0 && answer["safety_backup"].is_object(), "{answer:#}");
}

#[test]
fn values_of_modules_go_where_their_modules_are() {
    let (Some(source), Some(whole), Some(part), Some(bare)) =
        (with_modules(&ALL), with_modules(&ALL), with_modules(&["redisbloom"]), with_modules(&[]))
    else {
        return;
    };
    source.ok(&["JSON.SET", "json", "$", "{\"a\":[1,2]}"]);
    source.ok(&["BF.ADD", "bloom", "x"]);
    source.ok(&["TS.ADD", "series", "1", "2"]);
    // It is written with addresses of memory, which differ after each load.
    source.ok(&["TOPK.RESERVE", "top", "5"]);
    source.ok(&["TOPK.ADD", "top", "a", "b", "a"]);
    source.ok(&["SET", "plain", "1"]);
    let stored = Stored::of(&source);
    for method in ["auto", "replica", "restore"] {
        let chosen = if method == "restore" { "restore" } else { "replica" };
        check(&stored, &whole, &["--method", method], Goes(0, chosen));
    }
    for target in [&part, &bare] {
        check(&stored, target, &[], Refused("module_missing"));
        check(&stored, target, &["--method", "restore"], Refused("module_missing"));
        check(&stored, target, &["--method", "replica"], Refused("module_missing"));
        check(&stored, target, &["--accept-loss"], Goes(1, "restore"));
        // What is not chosen is no loss.
        for choice in [["--keys", "plain"], ["--type", "string"]] {
            check(&stored, target, &choice, Goes(0, "restore"));
        }
        check(&stored, target, &["--keys", "json", "--method", "restore"], Refused("module_missing"));
    }
    for target in [&whole, &part] {
        check(&stored, target, &["--method", "commands"], Refused("unsupported_type"));
        check(&stored, target, &["--method", "commands", "--accept-loss"], Goes(1, "commands"));
    }
    let (_, answer) = stored.restore(&part, &["--accept-loss"]);
    let lost: Vec<&str> =
        answer["result"]["lost"].as_array().unwrap().iter().filter_map(|key| key["key"].as_str()).collect();
    assert_eq!(lost.into_iter().collect::<BTreeSet<_>>(), ["json", "series"].into(), "{answer}");
    assert_eq!((part.ok(&["BF.EXISTS", "bloom", "x"]), part.ok(&["GET", "plain"])), ("1".into(), "1".into()));
}

#[test]
fn a_plan_names_a_function_that_another_library_of_the_target_has() {
    let Some(installed) = server_named("redis-server-8.0").or_else(|| server_named("valkey-server-8.1")) else {
        return;
    };
    let library = |library: &str, functions: &[&str]| {
        let register = |name: &&str| format!("redis.register_function('{name}', function() return 1 end)\n");
        format!("#!lua name={library}\n{}", functions.iter().map(register).collect::<String>())
    };
    let start = || RedisServer::builder().version(&installed).start().unwrap();
    let (source, target) = (start(), start());
    source.ok(&["SET", "key", "1"]);
    source.ok(&["FUNCTION", "LOAD", &library("mine", &["first", "second"])]);
    let stored = Stored::of(&source);
    let functions = |answer: &serde_json::Value| {
        let lines = answer["plan"]["lines"].as_array().unwrap();
        let line = lines.iter().find(|line| line["code"].as_str().unwrap().starts_with("functions")).unwrap();
        (line["level"].as_str().unwrap().to_owned(), line["text"].as_str().unwrap().to_owned())
    };
    target.ok(&["FUNCTION", "LOAD", &library("other", &["third", "seco"])]);
    let (code, plan) = stored.restore(&target, &["--plan"]);
    assert_eq!((code, functions(&plan).0.as_str()), (0, "ok"), "{plan}");
    let (code, answer) = stored.restore(&target, &[]);
    assert_eq!((code, &answer["proof"]["functions"]["equal"]), (0, &true.into()), "{answer}");
    target.ok(&["FUNCTION", "DELETE", "mine"]);
    target.ok(&["FUNCTION", "LOAD", "REPLACE", &library("other", &["third", "second"])]);
    for more in [&["--on-conflict", "skip"][..], &["--on-conflict", "replace", "--no-safety-backup", "--yes"], &[]] {
        let (code, plan) = stored.restore(&target, &[more, &["--plan"]].concat());
        let (level, text) = functions(&plan);
        assert_eq!((code, level.as_str()), (2, if more.is_empty() { "ok" } else { "refused" }), "{more:?}: {plan}");
        assert!(more.is_empty() || text.contains("`second` is in the library `other` of the target"), "{text}");
        target.ok(&["DEL", "absent"]);
        let (code, answer) = stored.restore(&target, more);
        let expected = if more.is_empty() { "target_not_empty" } else { "functions_refused" };
        assert_eq!((code, &answer["error"]["code"]), (2, &expected.into()), "{answer}");
    }
    target.ok(&["FLUSHALL"]);
    check(&stored, &target, &[], Refused("functions_refused"));
    let (code, answer) = stored.restore(&target, &["--replace-all", "--no-safety-backup", "--yes"]);
    assert_eq!((code, target.ok(&["DBSIZE"]).as_str()), (0, "1"), "{answer}");
}

/// A server has written each value: that we have put the file together makes none of them doubtful.
#[test]
fn values_of_modules_that_were_read_key_by_key_go_back() {
    let (Some(source), Some(target), Some(bare)) = (with_modules(&ALL), with_modules(&ALL), with_modules(&[])) else {
        return;
    };
    source.ok(&["JSON.SET", "json", "$", "{\"a\":[1,2]}"]);
    source.ok(&["BF.ADD", "bloom", "x"]);
    source.ok(&["CF.ADD", "cuckoo", "x"]);
    source.ok(&["CMS.INITBYDIM", "sketch", "10", "3"]);
    source.ok(&["TDIGEST.CREATE", "digest"]);
    source.ok(&["TS.ADD", "series", "1", "2"]);
    let stored = Stored::by_scan(&source);
    // What modules keep beside the keys may be lacking, which is a warning.
    for method in ["auto", "restore"] {
        check(&stored, &target, &["--method", method], Goes(1, "restore"));
    }
    check(&stored, &bare, &[], Refused("module_missing"));
    let (code, answer) = stored.restore(&target, &[]);
    assert_eq!((code, &answer["result"]["restored"]), (1, &6.into()), "{answer}");
    let found = [&["BF.EXISTS", "bloom", "x"][..], &["CF.EXISTS", "cuckoo", "x"], &["TS.GET", "series"]];
    assert_eq!(found.map(|ask| target.ok(ask)), ["1", "1", "1\n2"]);
    // A file that others name the same is none of ours.
    let file = stored.object();
    let path = tempfile::tempdir().unwrap();
    let copy = path.path().join("dump.rdb.gz");
    std::fs::copy(file, &copy).unwrap();
    let line =
        ["restore", "--file", copy.to_str().unwrap(), "--target-instance", &target.url(), "--replace-all", "--yes"];
    let (code, answer) = stored.typed(line.into_iter()).args(["--no-safety-backup"]).json();
    assert_eq!((code, &answer["error"]["code"]), (2, &"module_untrusted".into()), "{answer}");
}

#[test]
fn what_a_module_has_written_beside_the_keys_goes_with_the_whole_file_only() {
    let (Some(source), Some(target)) = (with_modules(&ALL), with_modules(&ALL)) else { return };
    source.ok(&["HSET", "doc:1", "title", "hello"]);
    let without = Stored::of(&source);
    source.ok(&["FT.CREATE", "idx", "ON", "HASH", "PREFIX", "1", "doc:", "SCHEMA", "title", "TEXT"]);
    let stored = Stored::of(&source);

    check(&without, &target, &["--method", "restore"], Goes(0, "restore"));
    for method in ["restore", "commands"] {
        check(&stored, &target, &["--method", method], Refused("module_data_lost"));
        check(&stored, &target, &["--method", method, "--accept-loss"], Goes(1, method));
        // A choice of keys leaves it out on purpose.
        check(&stored, &target, &["--method", method, "--keys", "doc:*"], Goes(0, method));
    }
    target.ok(&["SET", "mine", "1"]);
    check(&stored, &target, &["--on-conflict", "skip"], Refused("module_data_lost"));
    let (code, answer) = stored.restore(&target, &[]);
    assert_eq!((code, &answer["result"]["method"]), (0, &"replica".into()), "{answer}");
    assert_eq!(target.ok(&["FT._LIST"]), "idx");
    let (code, answer) = stored.restore(
        &target,
        &["--method", "restore", "--on-conflict", "replace", "--no-safety-backup", "--yes", "--accept-loss"],
    );
    assert_eq!((code, &answer["result"]["lost_module_data"]), (1, &1.into()), "{answer}");
    // An index that is not there is no difference of a key: what was not compared is said.
    target.ok(&["FT.DROPINDEX", "idx"]);
    let (_, compared) = stored.verify(&["--instance", &target.url()]).json();
    for said in [&answer["proof"]["not_compared"], &compared["comparison"]["not_compared"]] {
        let said = said.as_str().unwrap_or_default();
        assert!(said.contains("that modules keep beside the keys (types `"), "{said}: {compared:#}");
        assert!(said.contains("ft_index0"), "{said}");
    }
}

#[test]
fn a_vector_set_of_a_newer_redis_goes_into_every_one_of_the_same_form() {
    let (Some(newest), Some(same), Some(older)) =
        (server_named("redis-server-8.10"), server_named("redis-server-8.0-sid"), server_named("redis-server-8.0"))
    else {
        return;
    };
    let [source, same, older] =
        [newest, same, older].map(|installed| RedisServer::builder().version(&installed).start().unwrap());
    source.ok(&["VADD", "vectors", "VALUES", "3", "1", "2", "3", "one"]);
    source.ok(&["SET", "plain", "1"]);
    let stored = Stored::of(&source);
    check(&stored, &same, &[], Goes(0, "restore"));
    let (code, _) = stored.restore(&same, &[]);
    assert_eq!((code, same.ok(&["VCARD", "vectors"])), (0, "1".into()));
    check(&stored, &older, &[], Refused("module_missing"));
    check(&stored, &older, &["--accept-loss"], Goes(1, "restore"));
    assert_eq!(older.ok(&["PING"]), "PONG");
}

#[test]
fn typed_commands_do_not_call_a_type_unknown_that_the_target_has() {
    let Some(installed) = server_named("redis-server-8.10") else { return };
    let start = || RedisServer::builder().version(&installed).start().unwrap();
    let (source, target) = (start(), start());
    source.ok(&["ARSET", "array", "0", "a"]);
    source.ok(&["SET", "plain", "1"]);
    let stored = Stored::of(&source);
    check(&stored, &target, &["--method", "restore"], Goes(0, "restore"));
    check(&stored, &target, &["--method", "commands"], Refused("unsupported_type"));
    let (_, answer) = stored.restore(&target, &["--method", "commands"]);
    let message = answer["error"]["causes"].to_string();
    assert!(message.contains("only as payload") && !message.contains("does not know"), "{message}");
    check(&stored, &target, &["--method", "commands", "--accept-loss"], Goes(1, "commands"));
}

#[test]
fn a_command_that_the_target_has_not_bars_the_methods_that_need_it() {
    let Some(source) = RedisServer::start() else { return };
    source.fill(20, 10);
    source.ok(&["RPUSH", "list", "a", "b"]);
    let stored = Stored::of(&source);
    let without = |name: &str| RedisServer::builder().arg("rename-command", &format!("{name} hidden")).start().unwrap();

    let target = without("RESTORE");
    check(&stored, &target, &[], Goes(0, "replica"));
    check(&stored, &target, &["--method", "restore"], Refused("method"));
    check(&stored, &target, &["--method", "commands"], Goes(0, "commands"));
    target.ok(&["SET", "mine", "1"]);
    check(&stored, &target, &["--on-conflict", "skip"], Goes(0, "commands"));

    let target = without("REPLICAOF");
    check(&stored, &target, &[], Goes(0, "restore"));
    check(&stored, &target, &["--method", "replica"], Refused("method"));

    let target = without("RPUSH");
    check(&stored, &target, &["--method", "commands"], Refused("method"));
    check(&stored, &target, &["--method", "restore"], Goes(0, "restore"));

    let target = without("UNLINK");
    check(&stored, &target, &["--method", "restore"], Refused("unknown_command"));
    check(&stored, &target, &[], Goes(0, "replica"));
}

#[test]
fn a_module_that_dies_of_a_malformed_value_gets_none_from_a_file_of_others() {
    let (Some(source), Some(target)) = (with_modules(&ALL), with_modules(&ALL)) else { return };
    source.ok(&["JSON.SET", "json", "$", "1"]);
    source.ok(&["BF.ADD", "bloom", "x"]);
    source.save();
    let file = source.dir().join("dump.rdb").display().to_string();
    let restore = |more: &[&str]| {
        let url = target.url();
        RedisOps::new().args([&["restore", "--file", &file, "--target-instance", &url], more].concat()).json()
    };
    for more in [&[][..], &["--plan"]] {
        let (code, answer) = restore(more);
        assert_eq!((code, &answer["error"]["code"]), (2, &"module_untrusted".into()), "{answer}");
    }
    let (code, answer) = restore(&["--accept-loss"]);
    assert_eq!(
        (code, &answer["result"]["method"], &answer["result"]["lost_count"]),
        (1, &"restore".into(), &1.into()),
        "{answer}"
    );
    assert_eq!((target.ok(&["JSON.GET", "json"]), target.ok(&["EXISTS", "bloom"])), ("1".into(), "0".into()));
}

/// A backup's plan and run: exit codes and methods.
#[track_caller]
fn check_backup(server: &RedisServer, repository: &str, more: &[&str], expected: Result<(i32, &str), ()>) {
    let run = |last: &[&str]| {
        let url = server.url();
        let line = [&["-i", &url, "-r", repository, "backup", "--name", "test"], more, last].concat();
        RedisOps::new().args(line).json()
    };
    let ((plan_code, plan), (code, run)) = (run(&["--plan"]), run(&[]));
    let words = format!("{more:?}\nplan {plan_code}: {plan}\nrun {code}: {run}");
    match expected {
        Ok((expected, method)) => {
            assert_eq!((plan_code, code), (expected, expected), "{words}");
            assert_eq!(
                (&plan["plan"]["method"], &run["source"]["method"]),
                (&method.into(), &method.into()),
                "{words}"
            );
        }
        Err(()) => {
            assert_eq!((plan_code, code), (2, 2), "{words}");
        }
    }
}

/// What the sending side may say is in one list, which the plan asks about: none of it is refused only when it is sent.
#[test]
fn a_user_without_one_of_the_typed_commands_is_refused_by_the_plan() {
    let Some(installed) = server_named("redis-server-7.4").or_else(|| server_named("redis-server-7.0")) else { return };
    let source = RedisServer::builder().version(&installed).start().unwrap();
    source.ok(&["SET", "a", "1"]);
    source.ok(&["RPUSH", "b", "1"]);
    let stored = Stored::of(&source);
    for (name, code) in [
        ("multi", 2),
        ("exec", 2),
        ("pexpire", 2),
        ("persist", 2),
        ("rename", 2),
        ("llen", 2),
        ("strlen", 2),
        // There is no such value.
        ("xadd", 0),
        ("zcard", 0),
        ("restore", 0),
    ] {
        let target = RedisServer::builder().version(&installed).start().unwrap();
        target.ok(&["ACL", "SETUSER", "default", &format!("-{name}")]);
        let words = ["--method", "commands", "--no-proof"];
        let (planned, plan) = stored.restore(&target, &[&words[..], &["--plan"]].concat());
        let (done, answer) = stored.restore(&target, &words);
        assert_eq!((planned, done), (code, code), "{name}: {plan} {answer}");
        if code == 2 {
            assert_eq!(plan["error"]["code"], "permission_denied", "{name}: {plan}");
            assert_eq!(target.ok(&["DBSIZE"]), "0", "{name}");
        }
    }
}

#[test]
fn a_backup_by_scan_is_planned_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["SET", "a", "1"]);
    check_backup(&server, &place, &[], Ok((0, "replication")));
    check_backup(&server, &place, &["--source", "scan"], Ok((1, "scan")));
    for rules in ["+@all -psync", "+@all -replconf", "+@all -psync -replconf"] {
        let rules: Vec<&str> = ["ACL", "SETUSER", "default"].into_iter().chain(rules.split(' ')).collect();
        server.ok(&rules);
        check_backup(&server, &place, &[], Ok((1, "scan")));
        check_backup(&server, &place, &["--source", "replication"], Err(()));
    }

    let managed = RedisServer::builder().arg("rename-command", "PSYNC hidden1").arg("rename-command", "SYNC hidden2");
    let managed = managed.start().unwrap();
    managed.ok(&["SET", "a", "1"]);
    check_backup(&managed, &place, &[], Ok((1, "scan")));
    check_backup(&managed, &place, &["--source", "replication"], Err(()));
}

/// Whoever may not replicate is read key by key, if each command of that is allowed: the plan tries them.
#[test]
fn a_plan_by_scan_knows_what_the_user_may_not_do() {
    for name in ["redis-server-6.2", "redis-server-7.4", "valkey-server-9.1"] {
        let Some(installed) = server_named(name) else { continue };
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().display().to_string();
        let is_old = installed.is("6.2");
        for (rules, may) in [
            ("-dump", false),
            ("-time", false),
            ("-scan", false),
            ("-select", false),
            ("-pexpiretime", is_old),
            ("-pttl", !is_old),
            ("resetkeys ~a:*", false),
            ("resetkeys ~a:* ~b:*", true),
            ("-randomkey", true),
            ("-randomkey -function", is_old),
            ("-memory -type -dbsize -function", true),
        ] {
            let server = RedisServer::builder().version(&installed).start().unwrap();
            server.pipe([
                vec![b"SET".as_slice(), b"a:1", b"1"],
                vec![b"SET", b"b:1", b"1"],
                vec![b"SELECT", b"3"],
                vec![b"SET", b"a:2", b"1"],
            ]);
            let rules = format!("-psync -replconf {rules}");
            let words: Vec<&str> = ["ACL", "SETUSER", "default"].into_iter().chain(rules.split(' ')).collect();
            // A command that this server has not needs no right.
            if server.cli(&words).contains("Unknown command") {
                continue;
            }
            check_backup(&server, &place, &[], if may { Ok((1, "scan")) } else { Err(()) });
        }
    }
}

#[test]
fn a_folder_that_is_not_there_yet_is_made_as_planned() {
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["SET", "a", "1"]);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("not/there/yet").display().to_string();
    check_backup(&server, &place, &[], Ok((0, "replication")));
    std::fs::write(folder.path().join("file"), "").unwrap();
    let place = folder.path().join("file/below").display().to_string();
    let run = |last: &[&str]| {
        let url = server.url();
        RedisOps::new().args([&["-i", &url, "-r", &place, "backup", "--name", "test"], last].concat()).json().0
    };
    assert_eq!((run(&["--plan"]), run(&[])), (2, 2));
}

/// Whatever a user may not do, and whatever a server was told to forget: what the plan calls good is done, and what it refuses leaves nothing.
#[test]
fn the_plan_knows_what_the_run_meets_of_rights_and_renamed_commands() {
    let Some(installed) = server_named("redis-server-7.4") else { return };
    let source = RedisServer::builder().version(&installed).start().unwrap();
    for command in [
        &["SET", "str:1", "1"][..],
        &["SET", "str:2", "1", "PX", "4000000000"],
        &["RPUSH", "list", "a", "b"],
        &["HSET", "hash", "a", "1", "b", "2"],
        &["HPEXPIRE", "hash", "4000000000", "FIELDS", "1", "a"],
        &["XADD", "stream", "1-1", "a", "1"],
        &["XGROUP", "CREATE", "stream", "group", "0"],
        &["XREADGROUP", "GROUP", "group", "me", "STREAMS", "stream", ">"],
        &["FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)"],
    ] {
        source.ok(command);
    }
    source.pipe([vec![b"SELECT".as_slice(), b"15"], vec![b"SET", b"str:3", b"1"], vec![b"SELECT", b"0"]]);
    let stored = Stored::of(&source);
    let rights = [
        &["resetkeys", "~str:*"][..],
        &["resetkeys", "%R~*", "%W~str:*"],
        &["resetkeys", "%W~*"],
        &["-select"],
        &["-restore"],
        &["-function"],
        &["-multi"],
        &["-rename"],
        &["-xsetid"],
        &["-pexpireat"],
        &["-replicaof"],
    ];
    let renamed = [
        "MULTI",
        "FUNCTION",
        "SELECT",
        "XSETID",
        "PERSIST",
        "HPEXPIREAT",
        "XGROUP",
        "XCLAIM",
        "PEXPIRE",
        "XADD",
        "RESTORE",
    ];
    let with_rights = |rules: &[&str]| {
        let target = RedisServer::builder().version(&installed).start().unwrap();
        target.ok(&[&["ACL", "SETUSER", "default"], rules].concat());
        target
    };
    let without = |name: &str| {
        RedisServer::builder().version(&installed).arg("rename-command", &format!("{name} hidden")).start().unwrap()
    };
    let cases = rights.iter().map(|rules| (rules.join(" "), Ok(*rules)));
    for (words, case) in cases.chain(renamed.iter().map(|name| ((*name).to_owned(), Err(*name)))) {
        for method in ["auto", "replica", "restore", "commands"] {
            let target = case.map_or_else(without, with_rights);
            let typed = ["--method", method, "--no-proof"];
            let (planned, plan) = stored.restore(&target, &[&typed[..], &["--plan"]].concat());
            let (done, run) = stored.restore(&target, &typed);
            assert_eq!(planned == 0, done <= 1, "{words} by {method}: {planned} {plan} {done} {run}");
            if planned != 0 {
                let keys = target.info("db0") + &target.info("db15");
                assert_eq!((done, keys.as_str()), (2, ""), "{words} by {method}: {run}");
                // The message names the backup with its age, which goes on.
                for field in ["code", "causes", "hint"] {
                    assert_eq!(plan["error"][field], run["error"][field], "{words} by {method}");
                }
            }
        }
    }
}

/// `COMMAND` tells which commands the target has, and which of them write.
#[test]
fn a_target_that_does_not_answer_command_is_restored_to_without_a_warning_and_what_it_lacks_is_seen_all_the_same() {
    let Some(source) = RedisServer::start() else { return };
    source.fill(50, 10);
    source.ok(&["RPUSH", "list", "a"]);
    let stored = Stored::of(&source);
    let forget = |more: &[&str]| {
        let builder = RedisServer::builder().arg("rename-command", "COMMAND hidden");
        more.iter().fold(builder, |builder, name| builder.arg("rename-command", &format!("{name} hidden-{name}")))
    };
    for method in ["auto", "replica", "restore", "commands"] {
        let target = forget(&[]).start().unwrap();
        let (planned, plan) = stored.restore(&target, &["--method", method, "--plan"]);
        let (done, answer) = stored.restore(&target, &["--method", method]);
        assert_eq!((planned, done), (0, 0), "{method}: {plan} {answer}");
        assert_eq!((&answer["result"]["restored"], target.ok(&["DBSIZE"])), (&51.into(), "51".into()), "{answer}");
        assert_ne!(answer["result"]["target"]["others_wrote"], true, "{answer}");
        // A server from 7.0 on says by ACL DRYRUN which commands it has.
        let lines = plan["plan"]["lines"].as_array().unwrap();
        let is_unknown = lines.iter().any(|line| line["code"] == "commands" && line["level"] == "unknown");
        assert_eq!(is_unknown, target.installed().is("6.2"), "{plan}");
    }
    let target = forget(&["RESTORE", "RENAME"]).start().unwrap();
    if target.installed().is("6.2") {
        return;
    }
    for method in ["restore", "commands"] {
        let (planned, plan) = stored.restore(&target, &["--method", method, "--plan"]);
        let (done, answer) = stored.restore(&target, &["--method", method]);
        assert_eq!((planned, done, target.ok(&["DBSIZE"])), (2, 2, "0".into()), "{method}: {plan} {answer}");
    }
}

/// Patterns of keys are compared by what fits them.
#[test]
fn a_choice_of_keys_goes_where_the_user_may_write_all_of_them() {
    let Some(source) = RedisServer::start() else { return };
    for key in ["a:1", "a:x1", "b:1"] {
        source.ok(&["SET", key, "value"]);
    }
    let stored = Stored::of(&source);
    for (rules, keys, expected) in [
        (&["~a:*"][..], "a:*", true),
        (&["~a:*"], "a:?", true),
        (&["~a:[0-9]*", "~a:x*"], "a:[0-9x]*", true),
        (&["~a:*"], "*", false),
        (&["~a:?"], "a:*", false),
        (&["%R~*", "%W~a:*"], "a:*", true),
        (&["%R~*", "%W~a:*"], "b:*", false),
        // RESTORE reads nothing.
        (&["%R~a:*", "%W~b:*"], "b:*", true),
        (&["%R~a:*", "%W~b:*"], "a:*", false),
        (&["%W~*"], "a:*", true),
    ] {
        let target = RedisServer::start().unwrap();
        if target.installed().is("6.2") && rules[0].starts_with('%') {
            continue;
        }
        target.ok(&[&["ACL", "SETUSER", "default", "resetkeys"], rules].concat());
        let words = ["--method", "restore", "--keys", keys, "--no-proof"];
        let (planned, plan) = stored.restore(&target, &[&words[..], &["--plan"]].concat());
        let (done, answer) = stored.restore(&target, &words);
        assert_eq!((planned == 0, done < 2), (expected, expected), "{rules:?} {keys}: {plan} {answer}");
        // Temporary keys of typed commands are called otherwise.
        let words = ["--method", "commands", "--keys", keys, "--no-proof", "--plan"];
        assert_eq!(stored.restore(&target, &words).0, 2, "{rules:?} {keys}");
    }
}

#[test]
fn a_state_folder_that_cannot_be_written_refuses_before_anything_is_done_and_says_how_to_name_another() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(20, 10);
    let stored = Stored::of(&source);
    // Nobody's rights help here, those of root neither.
    std::fs::write(stored.state().join("redis-ops"), "a file").unwrap();
    for method in ["auto", "restore", "commands", "replica"] {
        check(&stored, &target, &["--method", method], Refused("state_folder"));
    }
    let (_, answer) = stored.restore(&target, &["--plan"]);
    let hint = answer["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("`XDG_STATE_HOME`"), "{hint}");
    let other = tempfile::tempdir().unwrap();
    let (code, answer) = stored.restoring(&target, &[]).env("XDG_STATE_HOME", other.path()).json();
    assert_eq!((code, target.ok(&["DBSIZE"])), (0, "20".into()), "{answer}");
}

/// A proof that nobody may make is no surprise after the last key was written.
#[test]
fn a_target_that_cannot_be_read_back_is_refused_unless_nobody_asks_for_a_proof() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    if target.installed().is("6.2") {
        return;
    }
    source.fill(20, 10);
    let stored = Stored::of(&source);
    target.ok(&["ACL", "SETUSER", "default", "-psync"]);
    check(&stored, &target, &[], Goes(0, "replica"));
    target.ok(&["ACL", "SETUSER", "default", "-scan"]);
    for method in ["restore", "commands", "replica"] {
        check(&stored, &target, &["--method", method], Refused("permission_denied"));
        check(&stored, &target, &["--method", method, "--no-proof"], Goes(0, method));
    }
    let (_, answer) = stored.restore(&target, &[]);
    let hint = answer["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("+psync") && hint.contains("--no-proof"), "{hint}");
}

#[test]
fn a_target_that_replicates_by_tls_is_not_promised_what_it_would_refuse() {
    let Some(installed) = servers().into_iter().find(RedisServer::has_tls) else { return };
    let Some(source) = RedisServer::start() else { return };
    source.fill(20, 10);
    let stored = Stored::of(&source);
    let builder = RedisServer::builder().version(&installed).tls(Certificates::new());
    let target = builder.arg("tls-replication", "yes").start().unwrap();
    check(&stored, &target, &[], Goes(0, "restore"));
    check(&stored, &target, &["--method", "replica"], Refused("certificate"));
    let (_, answer) = stored.restore(&target, &["--method", "replica", "--plan"]);
    assert!(answer["error"]["hint"].as_str().unwrap().contains("--tls-cert"), "{answer}");
}

/// Only what is lost is warned of.
#[test]
fn a_stream_that_comes_back_whole_is_not_called_simpler() {
    let (Some(newer), Some(older)) = (server_named("redis-server-7.0"), server_named("redis-server-6.2")) else {
        return;
    };
    let [source, older, newer] =
        [&newer, &older, &newer].map(|installed| RedisServer::builder().version(installed).start().unwrap());
    source.ok(&["XADD", "plain", "1-1", "a", "1"]);
    source.ok(&["XGROUP", "CREATE", "plain", "group", "0"]);
    let simpler = |stored: &Stored, target: &RedisServer, method: &str| {
        let (code, plan) = stored.restore(target, &["--method", method, "--plan"]);
        assert_eq!(code, 0, "{plan}");
        plan["plan"]["lines"].as_array().unwrap().iter().any(|line| line["code"] == "streams_simpler")
    };
    let stored = Stored::of(&source);
    assert!(!simpler(&stored, &older, "restore") && !simpler(&stored, &newer, "commands"));
    // The one that was deleted counts among those that were added.
    source.ok(&["XADD", "counted", "1-1", "a", "1"]);
    source.ok(&["XADD", "counted", "1-2", "a", "1"]);
    source.ok(&["XDEL", "counted", "1-1"]);
    let stored = Stored::of(&source);
    assert!(simpler(&stored, &older, "restore") && !simpler(&stored, &newer, "commands"));
}

#[test]
fn a_plan_knows_whether_names_are_taken() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(300, 10);
    let stored = Stored::of(&source);
    for method in ["auto", "restore", "commands"] {
        let words = ["--method", method, "--on-conflict", "fail"];
        target.ok(&["SET", "of another", "1"]);
        let (code, plan) = stored.restore(&target, &[&words[..], &["--plan"]].concat());
        assert!(code == 0 && plan.to_string().contains("none of them is also in the backup"), "{plan}");
        check(&stored, &target, &words, Goes(0, if method == "commands" { "commands" } else { "restore" }));
        let taken = source.ok(&["RANDOMKEY"]);
        target.ok(&["SET", &taken, "1"]);
        check(&stored, &target, &words, Refused("key_exists"));
    }
}

#[test]
fn a_plan_listens_where_the_run_would() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(30, 10);
    let stored = Stored::of(&source);
    let busy = format!("127.0.0.1:{}", source.port());
    check(&stored, &target, &["--method", "replica", "--listen", &busy], Refused("cannot_listen"));
}

#[test]
fn a_plan_says_where_it_cannot_look_for_other_restores() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(30, 10);
    let stored = Stored::of(&source);
    target.ok(&["ACL", "SETUSER", "u", "on", ">secret", "~*", "&*", "+@all", "-client|list"]);
    let url = target.url().replace("redis://", "redis://u:secret@");
    let (code, plan) = stored.restoring_into(&url, &["--plan"]).json();
    assert!(code == 1 && plan.to_string().contains("may not run `CLIENT LIST`"), "{plan}");
    let (code, run) = stored.restoring_into(&url, &[]).json();
    assert!(code == 1 && run["plan"].to_string().contains("may not run `CLIENT LIST`"), "{run}");
    assert_eq!(run["proof"]["equal"], 30, "{run}");
}

#[test]
fn a_refusal_names_all_that_would_be_lost_and_so_does_the_answer_once_that_is_accepted() {
    let (Some(newer), Some(older)) = (server_named("redis-server-8.0"), server_named("redis-server-6.2")) else {
        return;
    };
    let [source, target] = [newer, older].map(|installed| RedisServer::builder().version(&installed).start().unwrap());
    source.ok(&["HSET", "hash", "field", "1"]);
    source.ok(&["HEXPIRE", "hash", "100000", "FIELDS", "1", "field"]);
    source.ok(&["VADD", "vectors", "VALUES", "3", "1", "2", "3", "one"]);
    source.ok(&["FUNCTION", "LOAD", "#!lua name=mine\nredis.register_function('f', function() return 1 end)"]);
    let stored = Stored::of(&source);
    for more in [&["--plan"][..], &[]] {
        let (code, answer) = stored.restore(&target, more);
        let causes = answer["error"]["causes"].to_string();
        assert_eq!(code, 2, "{answer}");
        for words in ["expiry of hash fields", "(`hash`)", "vector sets", "(`vectors`)", "1 function library"] {
            assert!(causes.contains(words), "{words}: {answer}");
        }
        assert_eq!(answer["error"]["hint"].as_str().unwrap().matches("--accept-loss").count(), 1, "{answer}");
    }
    let run = stored.restoring(&target, &["--accept-loss"]).run();
    let text = run.text();
    assert_eq!(run.code, 1, "{text}");
    assert!(text.contains("function libraries lost") && text.contains("vector sets of Redis 8"), "{text}");
}

#[test]
fn method_replica_that_cannot_be_used_says_why_first_and_its_hint_leads_through() {
    let (Some(newer), Some(older)) = (server_named("redis-server-8.0"), server_named("redis-server-6.2")) else {
        return;
    };
    let [source, target] = [newer, older].map(|installed| RedisServer::builder().version(&installed).start().unwrap());
    source.ok(&["HSET", "hash", "field", "1"]);
    source.ok(&["HEXPIRE", "hash", "100000", "FIELDS", "1", "field"]);
    let stored = Stored::of(&source);
    let (code, answer) = stored.restore(&target, &["--method", "replica"]);
    let cause = answer["error"]["causes"][0].as_str().unwrap();
    assert!(code == 2 && cause.starts_with("method `replica` cannot be used: the target cannot load"), "{answer}");
    let hint = answer["error"]["hint"].as_str().unwrap();
    // The line that leads through, and no flag that would be refused alone.
    assert!(hint.contains("`--method auto --accept-loss` uses another method"), "{answer}");
    assert!(!hint.contains("`--accept-loss`"), "{answer}");
    let run = stored.restoring(&target, &["--method", "auto", "--accept-loss", "--plan"]).run();
    assert!(run.code == 1 && run.text().contains("1 key by typed commands (SET, HSET, …)\n"), "{}", run.text());
    assert_eq!(stored.restore(&target, &["--method", "auto", "--accept-loss"]).0, 1);
}

#[test]
fn a_refusal_for_keys_and_libraries_gives_each_advice_once() {
    let Some(installed) = server_named("redis-server-8.0") else { return };
    let [source, target] = [0, 1].map(|_| RedisServer::builder().version(&installed).start().unwrap());
    for server in [&source, &target] {
        server.ok(&["SET", "key", "1"]);
        server.ok(&["FUNCTION", "LOAD", "#!lua name=mine\nredis.register_function('f', function() return 1 end)"]);
    }
    let stored = Stored::of(&source);
    for more in [&["--plan"][..], &[]] {
        let (code, answer) = stored.restore(&target, more);
        let hint = answer["error"]["hint"].as_str().unwrap();
        assert!(
            code == 2
                && answer["error"]["causes"][0]
                    .as_str()
                    .unwrap()
                    .contains("function library `mine` is in the backup and in the target"),
            "{answer}"
        );
        for word in ["--on-conflict skip", "--on-conflict replace", "--replace-all"] {
            assert_eq!(hint.matches(word).count(), 1, "{word}: {answer}");
        }
    }
}

#[test]
fn a_format_that_nobody_knows_is_not_restored_unless_nobody_asks_for_a_proof() {
    let builder = RedisServer::builder().arg("rdbchecksum", "no");
    let (Some(source), Some(target)) = (builder.start(), RedisServer::start()) else { return };
    source.fill(20, 10);
    source.save();
    let mut rdb = std::fs::read(source.dir().join("dump.rdb")).unwrap();
    let version = rdb.iter().position(u8::is_ascii_digit).unwrap();
    rdb[version..9].fill(b'9');
    let folder = tempfile::tempdir().unwrap();
    let [file, repository] = ["new.rdb", "repository"].map(|name| folder.path().join(name).display().to_string());
    std::fs::write(&file, &rdb).unwrap();
    let run = RedisOps::new().args(["backup", "--from-file", &file, "--name", "new", "-r", &repository]).run();
    assert_eq!(run.code, 1, "{}", run.everything());
    let url = target.url();
    let of_backup = ["restore", "-r", &repository, "--backup-id", "new/latest", "--target-instance", &url];
    let of_file = ["restore", "--file", &file, "--target-instance", &url];
    for line in [&of_backup[..], &of_file] {
        for more in [&[][..], &["--plan"], &["--method", "commands"]] {
            let (code, answer) = RedisOps::new().args([line, more].concat()).json();
            assert_eq!((code, &answer["error"]["code"]), (2, &"unsupported_rdb_version".into()), "{more:?}: {answer}");
            assert!(answer["error"]["hint"].as_str().unwrap().contains("`--no-proof`"), "{answer}");
            assert_eq!(target.ok(&["DBSIZE"]), "0", "{more:?}: {answer}");
        }
        let agreed = |more: &[&str]| RedisOps::new().args([line, &["--no-proof"], more].concat()).json();
        let (planned, (code, answer)) = (agreed(&["--plan"]).0, agreed(&[]));
        assert_eq!((code, planned, target.ok(&["DBSIZE"]).as_str()), (1, 1, "20"), "{answer}");
        target.ok(&["FLUSHALL"]);
    }
    // No server that we know would start with it.
    for (number, more) in [&["--plan"][..], &[]].into_iter().enumerate() {
        let to = folder.path().join(format!("out-{number}.rdb")).display().to_string();
        let run = RedisOps::new().args(["restore", "--file", &file, "--to-file", &to]).args(more).run();
        let said = run.everything();
        let tells = said.contains("RDB version 9999 is newer") && !said.contains("redis-server");
        assert!(run.code == 1 && tells, "{more:?}: {said}");
    }
}

/// What a line of a plan says.
fn said<'a>(plan: &'a serde_json::Value, code: &str) -> &'a str {
    let lines = plan["plan"]["lines"].as_array().unwrap();
    lines.iter().find(|line| line["code"] == code).and_then(|line| line["text"].as_str()).unwrap_or("nothing")
}

#[test]
fn a_plan_says_for_every_method_how_many_keys_have_expired_and_how_many_will_have() {
    for name in ["redis-server-7.4", "valkey-server-8.1"] {
        let Some(installed) = server_named(name) else { continue };
        let start = || RedisServer::builder().version(&installed).arg("enable-debug-command", "yes").start().unwrap();
        let (source, target) = (start(), start());
        // What has expired stays in memory, and goes into the backup.
        source.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
        source.fill(20, 100);
        for number in 0..30 {
            source.ok(&["SET", &format!("gone:{number}"), "1", "PX", "1"]);
        }
        let mut gone = 30;
        if installed.is("7.4") {
            source.ok(&["HSET", "hash", "field", "1"]);
            source.ok(&["HPEXPIRE", "hash", "1", "FIELDS", "1", "field"]);
            gone += 1;
        }
        let stored = Stored::of(&source);
        for (method, by) in
            [("auto", "replica"), ("replica", "replica"), ("restore", "restore"), ("commands", "commands")]
        {
            let (_, plan) = stored.restore(&target, &["--method", method, "--plan"]);
            let words = format!("{gone} keys expired since the backup was taken, and are not restored");
            assert_eq!(said(&plan, "expired"), words, "{name} {method}: {plan:#}");
            check(&stored, &target, &["--method", method], Goes(1, by));
        }
        // With expiries that are left out nothing has expired: no word of it.
        let (code, plan) = stored.restore(&target, &["--ttl", "strip", "--plan"]);
        assert_eq!((code, said(&plan, "expired")), (0, "nothing"), "{plan:#}");

        // All of it at this rate takes more than a minute.
        source.ok(&["FLUSHALL"]);
        source.fill(1_000, 100);
        source.ok(&["SET", "soon", "1", "PX", "60000"]);
        let stored = Stored::of(&source);
        let (code, plan) = stored.restore(&target, &["--method", "restore", "--rate", "1kB", "--plan"]);
        assert!(said(&plan, "expires_soon").starts_with("1 key expires before the restore ends"), "{plan:#}");
        assert_eq!((code, stored.restore(&target, &["--method", "restore", "--plan"]).0), (1, 0));
    }
}

#[test]
fn keys_that_stay_need_no_room_twice() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(20_000, 300);
    let stored = Stored::of(&source);
    assert_eq!(stored.restore(&target, &[]).0, 0);
    let used: u64 = target.info("used_memory").parse().unwrap();
    for number in 0..2_000 {
        target.ok(&["DEL", &format!("key:{number}")]);
    }
    target.ok(&["CONFIG", "SET", "maxmemory", &(used * 6 / 5).to_string(), "maxmemory-policy", "allkeys-lru"]);
    let skip = ["--on-conflict", "skip"];
    let (code, plan) = stored.restore(&target, &[&skip[..], &["--plan"]].concat());
    assert_eq!((code, said(&plan, "target_too_small")), (1, "nothing"), "{plan:#}");
    let (code, answer) = stored.restore(&target, &skip);
    assert_eq!((code, target.ok(&["DBSIZE"]).as_str()), (1, "20000"), "{answer}");
    // Keys of others need theirs.
    target.ok(&["CONFIG", "SET", "maxmemory", "0"]);
    target.ok(&["FLUSHALL"]);
    let others: Vec<String> = (0..20_000).map(|number| format!("other:{number}")).collect();
    let value = vec![b'x'; 300];
    target.pipe(others.iter().map(|name| vec![b"SET".as_slice(), name.as_bytes(), &value]));
    target.ok(&["CONFIG", "SET", "maxmemory", &(used * 6 / 5).to_string()]);
    check(&stored, &target, &skip, Refused("target_too_small"));
}

#[test]
fn only_keys_that_are_chosen_need_their_databases() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::builder().arg("databases", "4").start())
    else {
        return;
    };
    source.ok(&["SET", "s:1", "1"]);
    let mut client = source.client();
    client.ask(&[b"SELECT", b"15"]).unwrap();
    client.ask(&[b"SET", b"far", b"1"]).unwrap();
    let stored = Stored::of(&source);
    for method in ["auto", "restore", "commands"] {
        let by = if method == "commands" { "commands" } else { "restore" };
        check(&stored, &target, &["--method", method, "--keys", "s:*"], Goes(0, by));
        check(&stored, &target, &["--method", method, "--exclude", "far"], Goes(0, by));
        for more in [&["--keys", "f*"][..], &["--type", "string"], &[]] {
            check(&stored, &target, &[&["--method", method], more].concat(), Refused("database_out_of_range"));
        }
    }
    // Where nothing is chosen no other line helps.
    target.ok(&["SET", "other", "1"]);
    for more in [&["--plan"][..], &[]] {
        let (code, answer) = stored.restore(&target, &[&["--db", "9"], more].concat());
        let hint = answer["error"]["hint"].as_str().unwrap();
        assert!(code >= 2 && answer["error"].to_string().contains("none matches"), "{answer}");
        assert!(!hint.contains("--on-conflict"), "{answer}");
    }
}

/// A file with one function library.
fn file_with_library(folder: &std::path::Path, code: &str) -> String {
    let mut rdb =
        [b"REDIS0010\xf5".as_slice(), &[0x40 | (code.len() >> 8) as u8, code.len() as u8], code.as_bytes()].concat();
    rdb.extend(b"\xfe\x00\x00\x03key\x01v\xff");
    rdb.extend(redis_ops::rdb::crc64(&rdb).to_le_bytes());
    let path = folder.join("library.rdb");
    std::fs::write(&path, rdb).unwrap();
    path.display().to_string()
}

#[test]
fn a_library_that_may_never_end_is_said_and_never_fed_to_a_target() {
    let folder = tempfile::tempdir().unwrap();
    let register = "redis.register_function('f', function() return 1 end)";
    for (code, verified, id) in [
        (format!("#!lua name=l1\nwhile true do end\n{register}"), 2, "function_never_ends"),
        (format!("#!lua name=l1\n{register} end"), 2, "function_syntax"),
        (format!("#!lua name=l1\nlocal i = 0 while i < 3 do i = i + 1 end\n{register}"), 0, "function_may_not_end"),
        (
            format!("#!lua name=l1\nlocal function f() while true do end end\nf()\n{register}"),
            0,
            "function_may_not_end",
        ),
    ] {
        let file = file_with_library(folder.path(), &code);
        let (exit, json) = RedisOps::new().args(["verify", "--file", &file]).json();
        assert_eq!((exit, &json["findings"][0]["id"]), (verified, &id.into()), "{code}: {json:#}");
        for name in ["redis-server-7.4", "valkey-server-9.1"] {
            let Some(installed) = server_named(name) else { continue };
            let target = RedisServer::builder().version(&installed).start().unwrap();
            let url = target.url();
            let restore = |more: &[&str]| {
                RedisOps::new().args(["restore", "--file", &file, "--target-instance", &url]).args(more).json()
            };
            // That it ends only the target can tell, who is asked with a limit of time.
            let ends = code.contains("i < 3");
            for more in [&["--plan"][..], &[]] {
                let (exit, answer) = restore(&[&["--method", "replica"], more].concat());
                assert_eq!(exit, 2, "{name} {code}: {answer:#}");
            }
            let (planned, run) = (restore(&["--plan"]), restore(&[]));
            match (ends, verified) {
                (true, _) => {
                    assert_eq!((planned.0, run.0, &run.1["result"]["method"]), (0, 0, &"restore".into()), "{run:?}")
                }
                (false, 2) => {
                    let codes = (&planned.1["error"]["code"], &run.1["error"]["code"]);
                    assert_eq!((planned.0, run.0, codes.0), (2, 2, codes.1), "{name} {code}: {run:?}");
                }
                (false, _) => assert_eq!((run.0, &run.1["error"]["code"]), (2, &"functions_refused".into()), "{run:?}"),
            }
            // A library of that name may stand there.
            target.ok(&["FUNCTION", "FLUSH"]);
            target.ok(&["FUNCTION", "LOAD", &format!("#!lua name=l1\n{register}")]);
            let (exit, answer) = restore(&["--replace-all", "--no-safety-backup", "--yes"]);
            assert_eq!(exit, if ends { 0 } else { 2 }, "{name} {code}: {answer:#}");
            assert!(target.ok(&["FUNCTION", "LIST"]).contains("l1"), "{name} {code}");
        }
    }
}

/// The run names what it has kept, and ends with a warning; the plan knows as much.
#[test]
fn a_plan_says_how_many_keys_stay_as_they_are() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(20, 10);
    source.ok(&["SET", "shared", "of the backup"]);
    let stored = Stored::of(&source);
    for (theirs, code) in [("alone", 0), ("shared", 1)] {
        for method in ["restore", "commands"] {
            target.ok(&["SET", theirs, "of the target"]);
            let more = ["--on-conflict", "skip", "--method", method];
            let (planned, plan) = stored.restore(&target, &[&more[..], &["--plan"]].concat());
            let says = said(&plan, "kept").contains("1 key of the backup is also in the target and stays unchanged");
            assert_eq!((planned, says), (code, code == 1), "{theirs} {method}: {plan:#}");
            let (done, answer) = stored.restore(&target, &more);
            assert_eq!(
                (done, &answer["result"]["skipped_existing"]),
                (code, &code.into()),
                "{theirs} {method}: {answer:#}"
            );
            assert_eq!(target.ok(&["GET", theirs]), "of the target");
            target.ok(&["FLUSHALL"]);
        }
    }
}

/// Valkey 9.1.2 crashes of a library that writes to its log while it is loaded, which every other server loads.
#[test]
fn a_library_that_would_crash_the_target_is_never_loaded_there() {
    let (Some(old), Some(new)) = (server_named("redis-server-7.0"), server_named("valkey-server-9.1")) else { return };
    let start = |installed| RedisServer::builder().version(installed).start();
    let (Some(source), Some(target)) = (start(&old), start(&new)) else { return };
    source.fill(20, 10);
    let body = "redis.log(redis.LOG_WARNING, 'hi')\nredis.register_function('f', function(k, a) return 1 end)";
    source.ok(&["FUNCTION", "LOAD", &format!("#!lua name=noisy\n{body}")]);
    let stored = Stored::of(&source);
    for method in ["auto", "replica", "restore", "commands"] {
        for more in [&["--method", method][..], &["--method", method, "--plan"]] {
            let (code, answer) = stored.restore(&target, more);
            assert_eq!(code, 2, "{more:?}: {answer:#}");
            assert_eq!((target.ok(&["PING"]), target.ok(&["DBSIZE"])), ("PONG".into(), "0".into()), "{more:?}");
        }
    }
    let lossy = ["--accept-loss"];
    let (planned, plan) = stored.restore(&target, &["--accept-loss", "--plan"]);
    assert_eq!((planned, said(&plan, "functions_refused").contains("`noisy`")), (1, true), "{plan:#}");
    let (code, answer) = stored.restore(&target, &lossy);
    assert_eq!((code, target.ok(&["DBSIZE"]).as_str()), (1, "20"), "{answer:#}");
    assert_eq!(target.ok(&["FUNCTION", "LIST"]), "");
}
