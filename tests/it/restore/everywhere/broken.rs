//! What breaks in the middle: the target, the person's patience, the backup.

use super::super::stored::{Stored, backup_from, check_error, hint, keys, message, start, with_each};
use crate::support::redis_ops::Running;
use crate::support::redis_server::{Installed, RedisServer};

/// Three megabytes a second: what these backups hold lasts for some.
const RATE: [&str; 3] = ["--rate", "3MB", "--json"];

/// A restore that is held back, and has written something.
fn under_way(stored: &Stored, target: &RedisServer, method: &str) -> Running {
    let running = stored.restoring(target, &[&["--method", method], &RATE[..]].concat()).spawn();
    target.wait_for("some keys", |target| target.cli(&["DBSIZE"]).parse::<u64>().is_ok_and(|keys| keys > 300));
    running
}

/// A target that takes its time to load, and is loading.
fn loading(stored: &Stored, installed: &Installed, delay: &str) -> (RedisServer, Running) {
    let target = RedisServer::builder().version(installed).arg("key-load-delay", delay).start().unwrap();
    let running = stored.restoring(&target, &["--json"]).spawn();
    target.wait_for("it loads", |target| target.cli(&["INFO", "persistence"]).contains("\nloading:1"));
    (target, running)
}

/// A server on the port of one that is gone.
fn anew(installed: &Installed, port: u16) -> RedisServer {
    RedisServer::builder().version(installed).arg("port", &port.to_string()).start().unwrap()
}

#[test]
fn a_target_that_dies_in_the_middle_is_never_said_to_hold_anything() {
    with_each(|installed| {
        let stored = backup_from(installed, 3_000, 3_000);
        for method in ["restore", "commands"] {
            let mut target = start(installed);
            let running = under_way(&stored, &target, method);
            let port = target.port();
            target.kill();
            let run = running.wait();
            let answer = run.json();
            check_error(&(run.code, answer.clone()), "disconnected");
            let result = &answer["result"];
            assert_eq!((&result["target"]["keys_after"], &answer["proof"]), (&().into(), &().into()), "{answer}");
            let number = |name: &str| result[name].as_u64().unwrap();
            assert_eq!(number("restored") + number("unknown") + number("not_reached"), 3_000, "{answer}");
            let words = "of the backup at its last reply";
            assert!(message(&answer).contains(words) && !message(&answer).contains("holds"), "{answer}");

            // Started anew it has another run id, and nobody knows what it kept: the printed line looks, and goes on.
            let again = anew(installed, port);
            again.ok(&["SET", "key:0", "of another"]);
            let line = hint(&answer).split('`').find_map(|part| part.strip_prefix("redis-ops ")).expect("a line");
            let words: Vec<&str> = line.split(' ').collect();
            let (code, plan) = stored.typed(words.iter().copied()).args(["--plan"]).json();
            assert_eq!((code, &plan["plan"]["lines"][0]["code"]), (0, &"resume".into()), "{plan}");
            let (code, answer) = stored.typed(words.into_iter()).json();
            let result = &answer["result"];
            assert_eq!(
                (code, &result["restored"], &result["written_meanwhile"]),
                (1, &2_999.into(), &1.into()),
                "{answer}"
            );
            assert_eq!((keys(&again), again.ok(&["GET", "key:0"])), (3_000, "of another".into()));
            // Another server at another address is none that was started anew.
            let other = start(installed);
            let (code, answer) = stored.restore(&other, &["--method", method, "--resume"]);
            assert_eq!((code, keys(&other)), (2, 0), "{answer}");
        }
        let (mut target, running) = loading(&stored, installed, "1000");
        target.kill();
        let run = running.wait();
        let answer = run.json();
        assert_eq!((run.code, &answer["result"]["restored"]), (2, &0.into()), "{answer}");
        assert!(message(&answer).contains("has probably exited"), "{answer}");
    });
}

#[test]
fn a_target_that_restarts_in_the_middle_is_said_to_have_forgotten() {
    with_each(|installed| {
        let (stored, mut target) = (backup_from(installed, 3_000, 3_000), start(installed));
        let running = under_way(&stored, &target, "restore");
        // It notices nothing before the new one is there.
        running.signal("STOP");
        let port = target.port();
        target.kill();
        let again = anew(installed, port);
        running.signal("CONT");
        let run = running.wait();
        let answer = run.json();
        check_error(&(run.code, answer.clone()), "disconnected");
        assert_eq!(answer["result"]["target"]["restarted"], true, "{answer}");
        assert!(message(&answer).contains("it was restarted since"), "{answer}");
        assert!(message(&answer).contains("and now has 0 keys"), "{answer}");
        assert!(hint(&answer).contains("--on-conflict skip"), "{answer}");
        assert_eq!((keys(&again), again.info("role").as_str()), (0, "master"));

        // The same while it loads the file itself.
        let (mut target, running) = loading(&stored, installed, "1000");
        running.signal("STOP");
        let port = target.port();
        target.kill();
        let again = anew(installed, port);
        running.signal("CONT");
        let run = running.wait();
        let answer = run.json();
        assert_eq!((run.code, &answer["result"]["restored"]), (2, &0.into()), "{answer}");
        assert_eq!(answer["result"]["target"]["restarted"], true, "{answer}");
        assert!(message(&answer).contains("the target is a primary and holds 0 keys"), "{answer}");
        assert_eq!((keys(&again), again.info("role").as_str()), (0, "master"));
    });
}

#[test]
fn an_interruption_says_what_the_target_holds_and_resume_applies_nothing_twice() {
    with_each(|installed| {
        let source = start(installed);
        source.fill(3_000, 1_500);
        let names = |prefix: &str, n: usize| (0..n).map(|at| format!("{prefix}:{at}")).collect::<Vec<_>>();
        let (lists, streams) = (names("list", 1_500), names("stream", 500));
        source.pipe(lists.iter().map(|name| vec![b"RPUSH".as_slice(), name.as_bytes(), b"a", b"b", b"a"]));
        source.pipe(streams.iter().flat_map(|name| {
            let name = name.as_bytes();
            [
                vec![b"XADD".as_slice(), name, b"1-1", b"field", b"value"],
                vec![b"XADD", name, b"2-1", b"field", b"value"],
                vec![b"XGROUP", b"CREATE", name, b"group", b"0"],
                vec![b"XREADGROUP", b"GROUP", b"group", b"reader", b"COUNT", b"1", b"STREAMS", name, b">"],
            ]
        }));
        let (stored, target) = (Stored::of(&source), start(installed));
        for method in ["restore", "commands"] {
            target.ok(&["FLUSHALL"]);
            let running = under_way(&stored, &target, method);
            running.signal("INT");
            let run = running.wait();
            let answer = run.json();
            assert_eq!((run.code, &answer["error"]["code"]), (130, &"interrupted".into()), "{answer}");
            let restored = answer["result"]["restored"].as_u64().unwrap();
            assert_eq!((restored, answer["result"]["resumable"].as_bool()), (keys(&target), Some(true)), "{answer}");
            assert!(restored < 5_000 && message(&answer).contains("--resume"), "{answer}");

            // Exactly as it is said.
            let line = message(&answer).split('`').find(|part| part.starts_with("redis-ops restore")).unwrap();
            let (code, answer) = stored.typed(line.split(' ').skip(1)).json();
            assert_eq!((code, &answer["result"]["restored"]), (0, &5_000.into()), "{line}: {answer}");
            let proof = &answer["proof"];
            assert_eq!((&proof["equal"], &proof["different"]), (&5_000.into(), &0.into()), "{answer}");
            let answer = stored.restore(&target, &["--method", method, "--resume"]);
            check_error(&answer, "nothing_to_resume");
        }
    });
}

#[test]
fn expiries_that_move_have_moved_by_as_much_before_an_interruption_and_after_it() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    let tomorrow = chrono::Utc::now().timestamp_millis() + 86_400_000;
    let keys: Vec<(String, String)> = (0..3_000).map(|at| (format!("key:{at}"), (tomorrow + at).to_string())).collect();
    // Nothing that LZF makes shorter.
    let value: Vec<u8> =
        (0..1_500_u32).map(|at| (at.wrapping_mul(at).wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    source.pipe(keys.iter().map(|(key, at)| vec![b"SET".as_slice(), key.as_bytes(), &value, b"PXAT", at.as_bytes()]));
    let stored = Stored::of(&source);
    let running = stored.restoring(&target, &[&["--method", "restore", "--ttl", "shift"], &RATE[..]].concat()).spawn();
    target.wait_for("some keys", |target| target.cli(&["DBSIZE"]).parse::<u64>().is_ok_and(|keys| keys > 300));
    running.signal("INT");
    let answer = running.wait().json();
    assert!(answer["result"]["restored"].as_u64().unwrap() < 3_000, "{answer}");

    let line = message(&answer).split('`').find(|part| part.starts_with("redis-ops restore")).unwrap();
    let (code, answer) = stored.typed(line.split(' ').skip(1)).json();
    assert_eq!((code, &answer["proof"]["equal"]), (0, &3_000.into()), "{line}: {answer}");
    let moved = "local least, most for at = 0, 2999 do \
                 local by = redis.call('PEXPIRETIME', 'key:' .. at) - ARGV[1] - at \
                 least, most = math.min(least or by, by), math.max(most or by, by) end \
                 return {least > 0 and 1 or 0, most - least}";
    assert_eq!(target.ok(&["EVAL", moved, "0", &tomorrow.to_string()]), "1\n0");
}

#[test]
fn an_interruption_is_heard_at_the_next_key_and_leaves_no_half_of_one() {
    // All of it comes in one piece from the repository, and goes slowly to the target.
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(3_000, 20);
    let running = |stored: &Stored, more: &[&str], there: u64| {
        let running = stored.restoring(&target, &[&["--json", "--rate"], more].concat()).spawn();
        target.wait_for("something", |target| target.cli(&["DBSIZE"]).parse::<u64>().is_ok_and(|keys| keys >= there));
        running.signal("INT");
        let answer = running.wait().json();
        assert_eq!(answer["result"]["restored"], keys(&target), "{answer}");
        answer["result"]["restored"].as_u64().unwrap()
    };
    assert!(running(&Stored::of(&source), &["30KB", "--method", "restore"], 300) < 3_000);

    // A list that is being made under its temporary name, and one that would follow.
    source.ok(&["FLUSHALL"]);
    target.ok(&["FLUSHALL"]);
    let element = "0123456789abcdef".repeat(64);
    for name in ["one", "other"] {
        source.pipe((0..3_000).map(|_| vec![b"RPUSH".as_slice(), name.as_bytes(), element.as_bytes()]));
    }
    assert_eq!(running(&Stored::of(&source), &["1MB", "--method", "commands"], 1), 1);
    let name = target.ok(&["KEYS", "*"]);
    assert_eq!((name.contains("redis-ops"), target.ok(&["LLEN", &name])), (false, "3000".to_owned()));
}

#[test]
fn an_interruption_while_it_loads_leaves_a_primary_and_says_what_it_holds() {
    with_each(|installed| {
        let stored = backup_from(installed, 3_000, 3_000);
        let (target, running) = loading(&stored, installed, "1000");
        running.signal("INT");
        let run = running.wait();
        let answer = run.json();
        assert_eq!((run.code, &answer["error"]["code"]), (130, &"interrupted".into()), "{answer}");
        assert!(message(&answer).contains("the target is a primary and holds 0 keys"), "{answer}");
        assert_eq!((target.info("role").as_str(), keys(&target)), ("master", 0));
        assert_eq!(target.ok(&["CONFIG", "GET", "repl-diskless-load"]), "repl-diskless-load\ndisabled");

        target.ok(&["CONFIG", "SET", "key-load-delay", "0"]);
        let line = message(&answer).split('`').find(|part| part.starts_with("redis-ops restore")).unwrap();
        let (code, answer) = stored.typed(line.split(' ').skip(1)).json();
        assert_eq!((code, &answer["proof"]["equal"]), (0, &3_000.into()), "{line}: {answer}");
    });
}

#[test]
fn a_load_that_was_to_replace_all_and_was_interrupted_is_begun_anew_by_the_printed_line() {
    with_each(|installed| {
        let stored = backup_from(installed, 3_000, 3_000);
        let target = RedisServer::builder().version(installed).arg("key-load-delay", "1000").start().unwrap();
        target.fill(10, 10);
        target.ok(&["SET", "of before", "1"]);
        let all = ["--replace-all", "--no-safety-backup", "--yes", "--method", "replica", "--json"];
        for signal in ["INT", "TERM", "KILL"] {
            let running = stored.restoring(&target, &all).spawn();
            let loads = |target: &RedisServer| target.info("loading") == "1" || target.info("async_loading") == "1";
            target.wait_for("it loads", loads);
            running.signal(signal);
            // Whoever reads stderr to its end hears the guard as well.
            let run = running.wait();
            target.wait_for("it to be a primary", |target| target.info("role") == "master");
            let words = if signal == "KILL" { run.stderr.clone() } else { message(&run.json()).to_owned() };
            let line = words.split('`').find(|part| part.starts_with("redis-ops restore"));
            let line = line.unwrap_or_else(|| panic!("{} {signal}: {words}", installed.name));
            target.ok(&["CONFIG", "SET", "key-load-delay", "0"]);
            let (code, answer) = stored.typed(line.split(' ').skip(1)).json();
            assert_eq!((code, &answer["proof"]["equal"]), (0, &3_000.into()), "{line}: {answer}");
            assert_eq!(target.ok(&["EXISTS", "of before"]), "0", "{line}");
            target.ok(&["CONFIG", "SET", "key-load-delay", "1000"]);
            target.ok(&["SET", "of before", "1"]);
        }
    });
}

/// Damages what stands a few bytes before the end: the last frame.
fn damage(stored: &Stored) {
    let path = stored.object();
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - 40;
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_backup_damaged_in_its_last_frame_never_reaches_a_target_or_is_taken_back() {
    with_each(|installed| {
        let (stored, target) = (backup_from(installed, 20_000, 100), start(installed));
        damage(&stored);
        let (code, answer) = stored.restore(&target, &[]);
        assert_eq!((code, keys(&target)), (2, 0), "{answer}");
        assert!(message(&answer).contains("nothing was written"), "{answer}");
        assert!(!target.log().contains("REPLICAOF"), "{}", target.log());
        let (code, answer) = stored.restore(&target, &["--method", "restore"]);
        assert_eq!((code, keys(&target)), (2, 0), "{answer}");
        // What is taken back is not restored.
        assert_eq!(answer["result"]["restored"], 0, "{answer}");
        assert!(answer["result"]["taken_back"]["removed"].as_u64().unwrap() > 0, "{answer}");
        // What typed commands would lose is found out first.
        let (code, answer) = stored.restore(&target, &["--method", "commands"]);
        assert_eq!((code, keys(&target), &answer["result"]), (2, 0, &().into()), "{answer}");

        target.ok(&["SET", "mine", "x"]);
        let all = ["--replace-all", "--no-safety-backup", "--yes"];
        let skip = ["--on-conflict", "skip"];
        for more in [&all[..], &skip, &[&all[..], &["--skip-verify"]].concat()] {
            let before = target.info("total_net_input_bytes").parse::<u64>().unwrap();
            let (code, answer) = stored.restore(&target, more);
            assert_eq!((code, target.ok(&["GET", "mine"]).as_str(), keys(&target)), (2, "x", 1), "{answer}");
            let sent = target.info("total_net_input_bytes").parse::<u64>().unwrap() - before;
            assert!(sent < 100_000, "{sent} bytes were sent, and so something of the backup");
        }
    });
}
