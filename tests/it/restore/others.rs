//! Others at the same target: another restore, people who write, and nodes that look like this one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use super::stored::{Stored, backup_of, hint, message, with_each};
use crate::support::redis_server::{RedisServer, Reply, free_port, server_named};

#[test]
fn of_two_restores_into_one_target_one_ends_and_writes_no_key() {
    let Some(stored) = backup_of(3_000) else { return };
    let other = {
        let source = RedisServer::start().unwrap();
        let names: Vec<String> = (0..3_000).map(|number| format!("of another:{number}")).collect();
        let value = "x".repeat(100);
        source.pipe(names.iter().map(|name| vec![b"SET".as_slice(), name.as_bytes(), value.as_bytes()]));
        Stored::of(&source)
    };
    for round in 0..4 {
        // The one that may go on does not end before the other has: the whole would take minutes at this rate.
        let words = ["--method", "restore", "--rate", "1kB", "--on-conflict", "skip", "--json"];
        let target = RedisServer::start().unwrap();
        let first = stored.restoring(&target, &words).spawn();
        if round == 0 {
            target.wait_for("the first", |target| target.ok(&["CLIENT", "LIST"]).contains("name=redis-ops-restore:"));
        }
        let second = other.restoring(&target, &words).spawn();
        let (ended, first_ended, goes_on) = first.or(second);
        let pattern = if first_ended { "key:*" } else { "of another:*" };
        assert!(round > 0 || pattern == "of another:*", "the first was there before the other came");
        let locked = ended.json();
        assert_eq!((ended.code, &locked["error"]["code"]), (2, &"locked".into()), "{locked}");
        assert!(message(&locked).contains("another restore"), "{locked}");
        assert!(hint(&locked).contains("`CLIENT LIST`"), "{locked}");
        let (code, plan) = other.restore(&target, &["--plan", "--on-conflict", "skip"]);
        assert_eq!((code, &plan["error"]["code"]), (2, &"locked".into()), "a plan says so as well: {plan}");
        let (words, also) = (hint(&plan), other.restore(&target, &["--plan"]).1);
        assert!(words.starts_with("wait until the other restore ends") && !words.contains("--resume"), "{plan}");
        assert_eq!(hint(&also), words, "whatever the target holds by now: {also}");
        target.wait_for("keys of the one that goes on", |target| target.ok(&["DBSIZE"]) != "0");
        assert_eq!(target.ok(&["KEYS", pattern]), "", "no key of the one that ended");
        goes_on.signal("KILL");
    }
}

#[test]
fn keys_that_others_changed_meanwhile_are_a_warning_and_not_a_failure() {
    with_each(|installed| {
        let source = RedisServer::builder().version(installed).start().unwrap();
        source.fill(3_000, 100);
        let stored = Stored::of(&source);
        for method in ["restore", "commands"] {
            let target = RedisServer::builder().version(installed).start().unwrap();
            let run = stored.restoring(&target, &["--method", method, "--rate", "300kB", "--json"]).spawn();
            target.wait_for("keys", |target| target.ok(&["DBSIZE"]).parse::<u64>().unwrap() > 100);
            let mut keys = (0..3_000).map(|number| format!("key:{number}"));
            let changed = keys.find(|key| target.ok(&["EXISTS", key]) == "1").unwrap();
            let removed = keys.find(|key| target.ok(&["EXISTS", key]) == "1").unwrap();
            target.ok(&["SET", &changed, "of somebody else"]);
            target.ok(&["DEL", &removed]);
            let ended = run.wait();
            let answer = ended.json();
            assert_eq!(ended.code, 1, "{} {method}: {answer}", installed.name);
            assert_eq!(answer["result"]["target"]["others_wrote"], true, "{answer}");
            let proof = &answer["proof"];
            assert_eq!((&proof["missing"], &proof["different"]), (&1.into(), &1.into()), "{answer}");
        }
        // Nobody else: none of what we have called is taken for theirs.
        let target = RedisServer::builder().version(installed).start().unwrap();
        let (code, answer) = stored.restore(&target, &["--method", "commands"]);
        assert_eq!((code, &answer["result"]["target"]["others_wrote"]), (0, &false.into()), "{answer}");
    });
}

/// What a client was told to be written is in the target or in the safety backup: a target that others write to is not emptied.
#[test]
fn a_target_that_others_write_to_is_not_emptied() {
    with_each(|installed| {
        let source = RedisServer::builder().version(installed).start().unwrap();
        source.fill(300, 100);
        let stored = Stored::of(&source);
        let target = RedisServer::builder().version(installed).start().unwrap();
        target.fill(500, 10);
        for method in ["replica", "restore", "commands"] {
            let run = |more: &[&str]| {
                stored.restoring(&target, &["--method", method, "--yes"]).args(more.iter().copied()).json()
            };
            let (ended, written) = beside_a_writer(&target, method, || run(&["--replace-all"]));
            let (code, answer) = ended;
            assert_eq!((code, &answer["error"]["code"]), (2, &"target_changed".into()), "{method}: {answer}");
            assert!(hint(&answer).contains("stop the clients"), "{answer}");
            assert_eq!(target.ok(&["DBSIZE"]), (500 + written).to_string(), "{} {method}", installed.name);
            assert_eq!(target.ok(&["EXISTS", &format!("{method}:{written}")]), "1");

            // Who writes over single names goes on, and is told.
            if method != "replica" {
                let ((code, answer), _) = beside_a_writer(&target, "late", || run(&["--on-conflict", "replace"]));
                assert_eq!(code, 1, "{method}: {answer}");
                let unsaved = answer["result"]["target"]["unsaved"].as_str().unwrap_or_default();
                assert!(unsaved.contains("not in the safety backup"), "{method}: {answer}");
            }
            // They have stopped.
            let (code, answer) = run(&["--replace-all"]);
            assert_eq!(code, 0, "{} {method}: {answer}", installed.name);
            assert_eq!(answer["result"]["target"]["unsaved"], serde_json::Value::Null, "{answer}");
            target.ok(&["FLUSHALL"]);
            target.fill(500, 10);
        }
    });
}

/// What `run` gives, and how many keys of others were written meanwhile: the first is there before it begins.
fn beside_a_writer<T>(target: &RedisServer, prefix: &str, run: impl FnOnce() -> T) -> (T, u64) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // A test that fails lets go of the receiver, and so ends the writer.
        let (sender, first) = mpsc::channel();
        let is_over = &is_over;
        let writer = scope.spawn(move || {
            let (mut client, mut written) = (target.client(), 0);
            while !is_over.load(Ordering::Relaxed) && (written == 0 || sender.send(()).is_ok()) {
                let key = format!("{prefix}:{}", written + 1);
                // A replica refuses writes: only what it has confirmed counts.
                written +=
                    u64::from(client.ask(&[b"SET", key.as_bytes(), b"mine"]).unwrap() == Reply::Simple("OK".into()));
            }
            written
        });
        first.recv().unwrap();
        let ended = run();
        is_over.store(true, Ordering::Relaxed);
        (ended, writer.join().unwrap())
    })
}

#[test]
fn a_hash_of_which_every_field_has_expired_is_expired_and_not_restored() {
    for name in ["redis-server-7.4", "redis-server-8.0", "valkey-server-9.1"] {
        let Some(installed) = server_named(name) else { continue };
        let source = RedisServer::builder().version(&installed).start().unwrap();
        source.ok(&["HSET", "gone", "a", "1", "b", "2"]);
        source.ok(&["HSET", "half", "a", "1", "b", "2"]);
        source.ok(&["HPEXPIRE", "gone", "4000", "FIELDS", "2", "a", "b"]);
        source.ok(&["HPEXPIRE", "half", "4000", "FIELDS", "1", "a"]);
        let stored = Stored::of(&source);
        source.wait_for("the fields to expire", |source| {
            source.ok(&["EXISTS", "gone"]) == "0" && source.ok(&["HEXISTS", "half", "a"]) == "0"
        });
        // It takes nobody's place.
        let target = RedisServer::builder().version(&installed).start().unwrap();
        target.ok(&["SET", "gone", "of the target"]);
        let (code, answer) = stored.restore(&target, &["--on-conflict", "fail"]);
        assert_eq!((code, &answer["error"]), (1, &serde_json::Value::Null), "{name}: {answer}");
        assert_eq!((&answer["result"]["expired"], &answer["result"]["restored"]), (&1.into(), &1.into()), "{answer}");
        assert_eq!((target.ok(&["GET", "gone"]), target.ok(&["HKEYS", "half"])), ("of the target".into(), "b".into()));
        let (code, answer) = stored.restore(&target, &["--on-conflict", "fail"]);
        assert_eq!((code, &answer["error"]["code"]), (2, &"key_exists".into()), "{name}: {answer}");
        for method in ["restore", "commands", "replica"] {
            let target = RedisServer::builder().version(&installed).start().unwrap();
            let (code, answer) = stored.restore(&target, &["--method", method, "--accept-loss"]);
            let result = &answer["result"];
            assert_eq!((&result["restored"], &result["expired"]), (&1.into(), &1.into()), "{name} {method}: {answer}");
            assert_eq!(code, 1, "{name} {method}: {answer}");
            // A server that has loaded such a hash itself drops it a moment later.
            target.wait_for("it to be gone", |target| target.ok(&["EXISTS", "gone"]) == "0");
            let found = [&["HEXISTS", "half", "a"][..], &["HGET", "half", "b"]].map(|ask| target.ok(ask));
            assert_eq!(found, ["0", "2"], "{name} {method}");
        }
    }
}

#[test]
fn fields_are_never_moved_beyond_what_a_server_takes() {
    let Some(installed) = server_named("redis-server-8.0") else { return };
    let source = RedisServer::builder().version(&installed).start().unwrap();
    source.ok(&["HSET", "h", "a", "1"]);
    source.ok(&["HPEXPIREAT", "h", "70368744177663", "FIELDS", "1", "a"]);
    let stored = Stored::of(&source);
    let target = RedisServer::builder().version(&installed).start().unwrap();
    let (code, answer) = stored.restore(&target, &["--ttl", "shift", "--accept-loss"]);
    assert_eq!(
        (code, target.ok(&["HPEXPIRETIME", "h", "FIELDS", "1", "a"]).as_str()),
        (0, "70368744177663"),
        "{answer}"
    );
}

/// Three nodes of a cluster that all have the same port, as containers do.
#[test]
fn a_node_of_a_cluster_on_one_port_does_not_pass_for_a_single_server() {
    let Some(installed) = server_named("redis-server-7.4").or_else(|| server_named("redis-server-7.0")) else { return };
    let Some(stored) = backup_of(40) else { return };
    let (port, bus) = (free_port().to_string(), free_port().to_string());
    let nodes: Vec<RedisServer> = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
        .iter()
        .map(|address| {
            let builder = RedisServer::builder().version(&installed).arg("cluster-enabled", "yes").arg("bind", address);
            let builder = builder.arg("cluster-announce-ip", address);
            builder.arg("port", &port).arg("cluster-port", &bus).start().unwrap()
        })
        .collect();
    for (node, slots) in nodes.iter().zip([("0", "5460"), ("5461", "10922"), ("10923", "16383")]) {
        node.ok(&["CLUSTER", "ADDSLOTSRANGE", slots.0, slots.1]);
    }
    for address in ["127.0.0.2", "127.0.0.3"] {
        nodes[0].ok(&["CLUSTER", "MEET", address, &port, &bus]);
    }
    for node in &nodes {
        node.wait_for("the cluster to be whole", |node| node.ok(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    }
    // Whichever of them is named: each key goes to the node that serves its slot.
    for address in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
        let (code, answer) = stored.restoring_into(&format!("redis://{address}:{port}"), &[]).json();
        assert_eq!((code, &answer["proof"]["is_equal"]), (0, &true.into()), "{address}: {answer}");
        let held: Vec<u64> = nodes.iter().map(|node| node.ok(&["DBSIZE"]).parse().unwrap()).collect();
        assert!(held.iter().all(|keys| *keys > 0) && held.iter().sum::<u64>() == 40, "{address}: {held:?}");
        for node in &nodes {
            node.ok(&["FLUSHALL"]);
        }
    }
}

/// Going on would meet the same refusal.
#[test]
fn a_right_that_is_taken_away_meanwhile_is_named_before_the_line_that_goes_on() {
    let Some(stored) = backup_of(2_000) else { return };
    let target = RedisServer::start().unwrap();
    let run = stored.restoring(&target, &["--method", "restore", "--rate", "100kB", "--json"]).spawn();
    target.wait_for("keys", |target| target.ok(&["DBSIZE"]).parse::<u64>().unwrap() > 50);
    target.ok(&["ACL", "SETUSER", "default", "-restore"]);
    let ended = run.wait();
    let answer = ended.json();
    assert_eq!((ended.code, &answer["error"]["code"]), (2, &"permission_denied".into()), "{answer}");
    let hint = hint(&answer);
    let (right, line) = (hint.find("+restore"), hint.find("--resume"));
    assert!(right.is_some() && right < line, "{hint}");
    target.ok(&["ACL", "SETUSER", "default", "+restore"]);
    let line = hint.split('`').find_map(|part| part.strip_prefix("redis-ops ")).unwrap();
    let (code, answer) = stored.typed(line.split(' ')).json();
    assert_eq!((code, target.ok(&["DBSIZE"])), (0, "2000".into()), "{line}: {answer}");
}

/// An app goes on writing while a restore runs: what it wrote first is its own, unless it was said that the backup's keys go over others.
#[test]
fn a_key_that_somebody_else_wrote_first_is_left_and_is_no_failure() {
    with_each(|installed| {
        let source = RedisServer::builder().version(installed).start().unwrap();
        source.fill(2_000, 100);
        let names: Vec<String> = (0..1_000).map(|number| format!("list:{number}")).collect();
        source.pipe(names.iter().map(|name| vec![b"RPUSH".as_slice(), name.as_bytes(), b"a", b"b"]));
        let stored = Stored::of(&source);
        for (method, existing) in
            [("restore", ""), ("commands", ""), ("restore", "skip"), ("commands", "skip"), ("commands", "replace")]
        {
            let target = RedisServer::builder().version(installed).start().unwrap();
            let mut words = vec!["--method", method, "--rate", "120kB", "--json"];
            if !existing.is_empty() {
                words.extend(["--on-conflict", existing, "--no-safety-backup", "--yes"]);
            }
            let run = stored.restoring(&target, &words).spawn();
            target.wait_for("keys", |target| target.ok(&["DBSIZE"]).parse::<u64>().unwrap() > 50);
            // Only what is not there is written: `NX`, and elements of a type that no list takes.
            let first = |kind: &str, n: usize, command: &[&str]| {
                let mut names = (0..n).rev().map(|number| format!("{kind}:{number}"));
                names
                    .find(|name| !target.ok(&[&command[..1], &[name.as_str()], &command[1..]].concat()).is_empty())
                    .unwrap()
            };
            let string = first("key", 2_000, &["SET", "of an app", "NX"]);
            let list = first("list", 1_000, &["SET", "of an app", "NX"]);
            let ended = run.wait();
            let answer = ended.json();
            let words = format!("{} {method} {existing}: {answer}", installed.name);
            assert_eq!((ended.code, &answer["error"]), (1, &serde_json::Value::Null), "{words}");
            let result = &answer["result"];
            let counts =
                ["in_backup", "restored", "skipped_existing", "failed"].map(|name| result[name].as_u64().unwrap());
            let (found, listed) = (target.ok(&["GET", &string]), target.ok(&["TYPE", &list]));
            match existing {
                "replace" => {
                    assert_eq!(counts, [3_000, 3_000, 0, 0], "{words}");
                    assert!(found != "of an app" && listed == "list", "{words}");
                }
                existing => {
                    assert_eq!(counts, [3_000, 2_998, 2, 0], "{words}");
                    assert_eq!(result["written_meanwhile"], if existing == "skip" { 0 } else { 2 }, "{words}");
                    assert_eq!((found.as_str(), listed.as_str()), ("of an app", "string"), "{words}");
                }
            }
        }
    });
}

/// How many keys of each kind the next test has.
const OF_A_KIND: u64 = 300;

/// Makes every key that is not there, as an app does that never touches what others have made; answers how many it has made.
const APP: &str = "
    local made = 0
    local function make(key, command, ...)
        if redis.call('EXISTS', key) == 0 then redis.call(command, key, ...); made = made + 1 end
    end
    for i = 0, ARGV[1] - 1 do
        make('h:'..i, 'HSET', 'f', 'app'); make('e:'..i, 'HSET', 'f', 'app'); make('z:'..i, 'ZADD', 77, 'm')
        make('l:'..i, 'RPUSH', 'app'); make('t:'..i, 'SADD', 'app'); make('s:'..i, 'SET', 'app')
    end
    return made";

/// Answers how many of these keys are as the app makes them, and how many are as they are in the backup.
const LOOK: &str = "
    local function all(command, key, ...) return table.concat(redis.call(command, key, ...), ' ') end
    local apps, ours = 0, 0
    for i = 0, ARGV[1] - 1 do
        local found = {
            {all('HGETALL', 'h:'..i), 'f app', 'f backup g backup'},
            {all('HGETALL', 'e:'..i)..(redis.call('PTTL', 'e:'..i) > 0 and ' expires' or ''), 'f app', 'f backup g backup expires'},
            {all('ZRANGE', 'z:'..i, 0, -1, 'WITHSCORES'), 'm 77', 'm 1'}, {all('LRANGE', 'l:'..i, 0, -1), 'app', 'backup'},
            {all('SMEMBERS', 't:'..i), 'app', 'backup'}, {redis.call('GET', 's:'..i), 'app', 'backup'}
        }
        for _, value in ipairs(found) do
            if value[1] == value[2] then apps = apps + 1 end
            if value[1] == value[3] then ours = ours + 1 end
        end
    end
    return apps..' '..ours";

#[test]
fn a_key_that_somebody_else_has_made_first_is_never_written_to() {
    let n = OF_A_KIND.to_string();
    with_each(|installed| {
        let source = RedisServer::builder().version(installed).start().unwrap();
        source.ok(&[
            "EVAL",
            "for i = 0, ARGV[1] - 1 do
                redis.call('HSET', 'h:'..i, 'f', 'backup', 'g', 'backup'); redis.call('ZADD', 'z:'..i, 1, 'm')
                redis.call('HSET', 'e:'..i, 'f', 'backup', 'g', 'backup'); redis.call('PEXPIREAT', 'e:'..i, 4102444800000)
                redis.call('RPUSH', 'l:'..i, 'backup'); redis.call('SADD', 't:'..i, 'backup'); redis.call('SET', 's:'..i, 'backup')
            end",
            "0",
            &n,
        ]);
        let stored = Stored::of(&source);
        for (method, existing, old) in
            [("commands", "", ""), ("commands", "fail", "old"), ("commands", "skip", ""), ("restore", "fail", "old")]
        {
            let target = RedisServer::builder().version(installed).start().unwrap();
            let rate = if method == "restore" { "25kB" } else { "80kB" };
            let mut words = vec!["--method", method, "--rate", rate, "--json"];
            if !existing.is_empty() {
                words.extend(["--on-conflict", existing]);
            }
            if !old.is_empty() {
                target.ok(&["SET", old, "of before"]);
            }
            let run = stored.restoring(&target, &words).spawn();
            target.wait_for("keys", |target| target.ok(&["DBSIZE"]).parse::<u64>().unwrap() > 20);
            let made: u64 = target.ok(&["EVAL", APP, "0", &n]).parse().unwrap();
            let ended = run.wait();
            let answer = ended.json();
            let words = format!("{} {method} {existing}: {answer}", installed.name);
            let ours = 6 * OF_A_KIND - made;
            assert!(made > 0 && ours > 0, "{words}");
            assert_eq!(target.ok(&["EVAL", LOOK, "0", &n]), format!("{made} {ours}"), "{words}");
            assert_eq!((ended.code, &answer["error"]), (1, &serde_json::Value::Null), "{words}");
            let result = &answer["result"];
            let counts = ["restored", "written_meanwhile", "skipped_existing", "failed"];
            let counts = counts.map(|name| result[name].as_u64().unwrap());
            assert_eq!(counts, [ours, if existing == "skip" { 0 } else { made }, made, 0], "{words}");
            assert_eq!(target.ok(&["KEYS", "*redis-ops:*"]), "", "{words}");
        }
    });
}
