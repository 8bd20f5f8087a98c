//! What is left of a target when the restore that feeds it is killed: a primary, with its settings, or one printed command away from
//! that.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redis_ops::connection::{Address, Node};
use redis_ops::progress::Hidden;
use redis_ops::restore::replica::{self, Load, ReplicaOptions, Safeguard};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::replica::whole;
use super::stored::{Stored, backup_from, hint, keys, message, with_each};
use crate::support::redis_ops::{RedisOps, Running};
use crate::support::redis_server::{
    Certificates, Installed, RedisServer, on_each, on_each_async, server_named, servers,
};
use crate::support::sample;

const SETTING: &str = "repl-diskless-load";

fn setting(target: &RedisServer) -> String {
    target.ok(&["CONFIG", "GET", SETTING]).lines().nth(1).unwrap_or_default().to_owned()
}

/// Files that restores have left on this machine about servers that they feed.
fn records(state: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(state.join("redis-ops/restores")) else { return Vec::new() };
    let is_record =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("replica-"));
    entries.flatten().map(|entry| entry.path()).filter(is_record).collect()
}

/// The processes that a process has started: the guard, if it is there.
fn children(id: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    let mut found: Vec<u32> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    // A thread of it may have started them.
    for task in std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(text.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn kill(id: u32) {
    let id = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
}

fn is_alive(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[track_caller]
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until the target is a primary, while trying to take the port that it replicates from.
#[track_caller]
fn wait_for_the_guard(target: &RedisServer) {
    let (begun, name) = (Instant::now(), &target.installed().name);
    loop {
        let (role, port) = (target.info("role"), target.info("master_port"));
        if role == "master" {
            break;
        }
        if let Ok(port) = port.parse::<u16>()
            && let Ok(taken) = TcpListener::bind(("127.0.0.1", port))
        {
            assert_eq!(target.info("role"), "master", "{name}: its port was free while it was a replica");
            drop(taken);
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{name}: still a replica");
        std::thread::sleep(Duration::from_millis(2));
    }
    target.wait_for("its settings to be back", |target| setting(target) == "disabled");
    target.ok(&["SET", "a write", "works"]);
}

/// A restore by `replica` that was begun.
fn begun(stored: &Stored, target: &RedisServer, more: &[&str]) -> Running {
    stored.restoring(target, &["--method", "replica", "--no-proof"]).args(more).spawn()
}

fn slow(installed: &Installed) -> RedisServer {
    RedisServer::builder().version(installed).arg("key-load-delay", "100").start().unwrap()
}

/// A target that loads what a restore feeds it.
fn loading(stored: &Stored, installed: &Installed) -> (RedisServer, Running) {
    let target = slow(installed);
    let run = begun(stored, &target, &[]);
    target.wait_for("it loads", |target| target.info("loading") == "1");
    (target, run)
}

#[test]
fn a_restore_that_is_killed_while_the_target_loads_leaves_a_primary() {
    with_each(|installed| {
        let stored = backup_from(installed, 20_000, 500);
        let (target, run) = loading(&stored, installed);
        assert_eq!(setting(&target), "on-empty-db", "{}", installed.name);
        assert_eq!(records(stored.state()).len(), 1);
        let guards = children(run.id());
        run.signal("KILL");
        wait_for_the_guard(&target);
        // What was on its way to the target is loaded, where that was all of it.
        assert!([1, 20_001].contains(&keys(&target)), "{}", installed.name);
        wait_until("the record to be gone", || records(stored.state()).is_empty());
        wait_until("the guard to have ended", || !guards.iter().any(|id| is_alive(*id)));
    });
}

#[test]
fn a_restore_that_is_killed_after_the_load_leaves_a_primary_with_all_keys() {
    with_each(|installed| {
        let stored = backup_from(installed, 20_000, 500);
        let (target, run) = loading(&stored, installed);
        wait_until("everything to be sent", || target.info("loading_loaded_bytes") != "0");
        // It sleeps while the target comes to its end, and never hears of it.
        run.signal("STOP");
        // What was not sent yet is never sent: then the load breaks off instead.
        std::thread::sleep(Duration::from_millis(500));
        run.signal("KILL");
        wait_for_the_guard(&target);
        let keys = keys(&target);
        assert!(keys == 20_001 || keys == 1, "{}: {keys}", installed.name);
    });
}

#[test]
fn a_restore_that_is_killed_at_any_moment_leaves_a_primary_with_its_settings() {
    let all = servers();
    for (index, delay) in (0..24_u64).map(|step| step * 17 % 240).enumerate() {
        let installed = &all[index % all.len()];
        let stored = backup_from(installed, 2_000, 100);
        let target = RedisServer::builder().version(installed).start().unwrap();
        let run = begun(&stored, &target, &[]);
        wait_until("it to begin", || !records(stored.state()).is_empty() || !is_alive(run.id()));
        std::thread::sleep(Duration::from_millis(delay) / 4);
        run.signal("KILL");
        // A signal to the restore comes before what it had sent was read.
        std::thread::sleep(Duration::from_millis(50));
        wait_for_the_guard(&target);
        wait_until("the record to be gone", || records(stored.state()).is_empty() || is_stale(&target));
        let keys = keys(&target);
        assert!([1, 2_001].contains(&keys), "{} after {delay}: {keys}", installed.name);
    }
}

/// Killed between the record and the guard: nothing was changed, and the record says nothing that is not so.
fn is_stale(target: &RedisServer) -> bool {
    target.info("role") == "master"
}

#[test]
fn each_way_of_loading_is_led_back_by_the_guard() {
    on_each_async(&servers(), async |installed| {
        let source = RedisServer::builder().version(installed).start().unwrap();
        source.fill(20_000, 500);
        let rdb = sample::rdb(&source);
        for (load, old) in [(Load::Memory, 0), (Load::Disk, 1_000), (Load::Swap, 1_000)] {
            let target = slow(installed);
            target.fill(old, 10);
            let state = tempfile::tempdir().unwrap();
            let program = PathBuf::from(env!("CARGO_BIN_EXE_redis-ops"));
            let safeguard = Some(Safeguard { state: state.path().to_owned(), program, lines: None });
            let options = ReplicaOptions { safeguard, ..ReplicaOptions::new(load) };
            let (node, source) = (Node::new(Address::tcp("127.0.0.1", target.port())), whole(&rdb));
            let feeding = tokio::spawn(async move {
                replica::feed(&node, source, &options, &Hidden::default(), &CancellationToken::new()).await.is_ok()
            });
            let loads = |target: &RedisServer| target.info("loading") == "1" || target.info("async_loading") == "1";
            target.wait_for("it loads", loads);
            // As if it had been killed: nothing of it is left to clean up.
            feeding.abort();
            assert!(feeding.await.is_err(), "{} by {load:?} was over already", installed.name);
            wait_for_the_guard(&target);
            let old = old as u64;
            let expected = if load == Load::Disk { [20_001; 3] } else { [old + 1, 1, 20_001] };
            let keys = keys(&target);
            // Swapping aside, a target that takes in a socket has let go of its old data before.
            assert!(expected.contains(&keys), "{} by {load:?}: {keys}", installed.name);
            wait_until("the record to be gone", || std::fs::read_dir(state.path()).unwrap().next().is_none());
        }
    });
}

/// The restore and its guard, both killed: as when the machine is lost.
#[track_caller]
fn lost(stored: &Stored, installed: &Installed) -> RedisServer {
    let (target, run) = loading(stored, installed);
    let guards = children(run.id());
    assert_eq!(guards.len(), 1, "one guard");
    // The guard first: it would notice.
    kill(guards[0]);
    run.signal("KILL");
    target.wait_for("the load to end", |target| target.info("loading") == "0");
    assert_eq!(target.info("role"), "slave");
    target
}

fn answer(run: RedisOps, code: i32) -> Value {
    let (found, answer) = run.json();
    assert_eq!(found, code, "{answer}");
    answer
}

#[test]
fn what_killing_both_leaves_is_recognised_by_every_command_and_undone_by_the_printed_one() {
    with_each(|installed| {
        let stored = backup_from(installed, 20_000, 500);
        let target = lost(&stored, installed);
        let (url, primary) = (target.url(), format!("127.0.0.1:{}", target.info("master_port")));
        let command = format!("redis-ops restore --undo --target-instance {url}");

        for more in [&[][..], &["--resume"], &["--plan"]] {
            let refused = answer(stored.restoring(&target, more), 2);
            assert_eq!(refused["error"]["code"], "interrupted_restore", "{refused}");
            assert_eq!(
                message(&refused),
                format!("an interrupted restore left this server a replica of {primary}"),
                "{}",
                installed.name
            );
            let hint = hint(&refused);
            for words in [&command, "`REPLICAOF NO ONE`", "`CONFIG SET repl-diskless-load disabled`"] {
                assert!(hint.contains(words), "{hint}");
            }
        }
        // These know nothing but what the server says.
        let health = RedisOps::new().args(["-i", &url, "health", "--json"]).run().text().to_owned();
        let diagnosis = RedisOps::new().args(["-i", &url, "diagnose", "replication", "--json"]).run().text().to_owned();
        for (text, command) in [(&health, command.as_str()), (&diagnosis, "redis-ops restore --undo")] {
            assert!(text.contains("interrupted restore") && text.contains(command), "{}: {text}", installed.name);
            assert!(text.contains("REPLICAOF NO ONE") && text.contains(&primary), "{}: {text}", installed.name);
        }

        let undone = answer(stored.typed(command.split(' ').skip(1)), 0);
        assert_eq!(undone["undo"]["was_replica_of"], primary, "{undone}");
        assert_eq!(undone["undo"]["put_back"], serde_json::json!(["repl-diskless-load disabled"]), "{undone}");
        assert_eq!((target.info("role").as_str(), setting(&target).as_str()), ("master", "disabled"));
        assert!(records(stored.state()).is_empty());
        // Once more does nothing.
        let undone = answer(stored.typed(command.split(' ').skip(1)), 0);
        assert_eq!(undone["undo"]["was_replica_of"], Value::Null, "{undone}");
        target.ok(&["CONFIG", "SET", "key-load-delay", "0"]);
        let anew = ["--method", "replica", "--replace-all", "--no-safety-backup", "--yes"];
        let (code, done) = stored.restore(&target, &anew);
        assert_eq!((code, keys(&target)), (0, 20_000), "{}: {done}", installed.name);
        assert_eq!(setting(&target), "disabled");
    });
}

/// What is to be typed by hand, as the hint names it.
fn by_hand(hint: &str) -> Vec<Vec<String>> {
    let commands = hint.split('`').filter(|part| part.starts_with("REPLICAOF ") || part.starts_with("CONFIG SET "));
    commands.map(|command| command.split(' ').map(str::to_owned).collect()).collect()
}

#[test]
fn a_machine_that_is_lost_at_any_moment_leaves_a_target_that_the_printed_commands_lead_back() {
    let moments = std::sync::atomic::AtomicU64::new(0);
    with_each(|installed| {
        for _ in 0..6 {
            let moment = moments.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let stored = backup_from(installed, 2_000, 100);
            let target = slow(installed);
            let run = begun(&stored, &target, &[]);
            wait_until("it to begin", || !records(stored.state()).is_empty() || !is_alive(run.id()));
            std::thread::sleep(Duration::from_millis(moment * 37 % 300));
            let guards = children(run.id());
            guards.iter().for_each(|guard| kill(*guard));
            run.signal("KILL");
            // A process dies only when it has its turn once more, and holds its connections and its port until then.
            wait_until("it to be gone", || !is_alive(run.id()) && !guards.iter().any(|guard| is_alive(*guard)));
            target
                .wait_for("nobody to be there", |target| !target.ok(&["CLIENT", "LIST"]).contains("redis-ops-restore"));
            let is_settled =
                |target: &RedisServer| target.info("loading") == "0" && target.info("master_sync_in_progress") != "1";
            target.wait_for("it to be settled", is_settled);
            let (url, words) = (target.url(), format!("{} at {moment}", installed.name));
            let command = format!("redis-ops restore --undo --target-instance {url}");
            if target.info("role") == "slave" {
                let health = RedisOps::new().args(["-i", &url, "health"]).run();
                let diagnosis = RedisOps::new().args(["-i", &url, "diagnose", "replication"]).run();
                for text in [health.everything(), diagnosis.everything()] {
                    assert!(text.contains("interrupted restore"), "{words}: {text}");
                }
                let refused = answer(stored.restoring(&target, &[]), 2);
                assert_eq!(refused["error"]["code"], "interrupted_restore", "{words}: {refused}");
                assert!(hint(&refused).contains(&command), "{words}: {refused}");
                if moment.is_multiple_of(2) {
                    answer(stored.typed(command.split(' ').skip(1)), 0);
                } else {
                    for command in by_hand(hint(&refused)) {
                        let typed: Vec<&str> = command.iter().map(String::as_str).collect();
                        target.ok(&typed);
                    }
                }
                assert_eq!(
                    (target.info("role").as_str(), setting(&target).as_str()),
                    ("master", "disabled"),
                    "{words}"
                );
            }
            target.ok(&["CONFIG", "SET", "key-load-delay", "0"]);
            let anew = ["--replace-all", "--no-safety-backup", "--yes"];
            let (code, done) = stored.restore(&target, &anew);
            assert_eq!((code, keys(&target), setting(&target).as_str()), (0, 2_000, "disabled"), "{words}: {done}");
            assert!(records(stored.state()).is_empty(), "{words}");
        }
    });
}

#[test]
fn a_stranger_who_takes_the_port_of_a_lost_machine_is_found_out_by_whoever_knows_of_the_restore() {
    with_each(|installed| {
        let stored = backup_from(installed, 20_000, 500);
        let target = lost(&stored, installed);
        let port = target.info("master_port");
        let stranger = RedisServer::builder().version(installed).arg("port", &port).start().unwrap();
        stranger.fill(7, 10);
        target.ok(&["CONFIG", "SET", "key-load-delay", "0"]);
        target.wait_for("the stranger's data", |target| {
            target.info("master_link_status") == "up" && target.cli(&["DBSIZE"]) == "7"
        });
        let refused = answer(stored.restoring(&target, &[]), 2);
        assert_eq!(refused["error"]["code"], "interrupted_restore", "{}: {refused}", installed.name);
        // So do those who only look, and are told where restores write down what they change.
        let url = target.url();
        for looking in [&["health", "--json", "-i", &url][..], &["diagnose", "replication", "--json", "-i", &url]] {
            let run = stored.typed(looking.iter().copied()).run();
            let text = run.text();
            assert!(run.code > 0 && text.contains("interrupted restore"), "{}: {text}", installed.name);
            for command in ["restore --undo", "REPLICAOF NO ONE", "CONFIG SET repl-diskless-load disabled"] {
                assert!(text.contains(command), "{}: no {command} in {text}", installed.name);
            }
        }
        // Another machine sees a replica of a primary that lives, and leaves it alone.
        let undo = RedisOps::new().args(["restore", "--undo", "--target-instance", &target.url()]);
        assert_eq!(answer(undo, 2)["error"]["code"], "not_interrupted");
        let undo = ["restore", "--undo", "--target-instance", &target.url()];
        answer(stored.typed(undo.into_iter()), 0);
        assert_eq!((target.info("role").as_str(), setting(&target).as_str()), ("master", "disabled"));
    });
}

#[test]
fn a_port_of_ones_own_below_the_free_ones_is_known_where_the_restore_was_written_down() {
    let Some(installed) = server_named("redis-server-7.4").or_else(|| servers().into_iter().next()) else { return };
    let stored = backup_from(&installed, 20_000, 500);
    let target = slow(&installed);
    // Below the ports that a system gives away; from 26,000 on another test holds one.
    let free = (20_000..26_000).find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)).unwrap();
    let run = begun(&stored, &target, &["--listen", &format!("127.0.0.1:{free}")]);
    target.wait_for("it to load", |target| target.info("loading") == "1");
    children(run.id()).into_iter().for_each(kill);
    run.signal("KILL");
    // While it loads, too.
    let url = target.url();
    for looking in [&["health", "--json", "-i", &url][..], &["diagnose", "replication", "--json", "-i", &url]] {
        let text = stored.typed(looking.iter().copied()).run().text().to_owned();
        assert!(text.contains("interrupted restore"), "{text}");
    }
    target.wait_for("the load to end", |target| target.info("loading") == "0");
    assert_eq!(target.info("master_port"), free.to_string());
    let refused = answer(stored.restoring(&target, &[]), 2);
    assert_eq!(refused["error"]["code"], "interrupted_restore", "{refused}");
    // Where nothing is known of it, a replica that never reached its primary is no more than that; but it is undone by who says so.
    let undo = || RedisOps::new().args(["restore", "--undo", "--target-instance", &target.url()]);
    assert_eq!(answer(undo(), 2)["error"]["code"], "not_confirmed");
    assert_eq!(answer(undo().arg("--yes"), 0)["undo"]["was_replica_of"], format!("127.0.0.1:{free}"));
}

#[test]
fn a_replica_whose_primary_is_away_is_not_promoted_without_a_question() {
    let Some(target) = RedisServer::start() else { return };
    // Of those ports that a system gives away; nobody is there.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    target.ok(&["REPLICAOF", "127.0.0.1", &port.to_string()]);
    let undo = || RedisOps::new().args(["restore", "--undo", "--target-instance", &target.url()]);
    assert_eq!(answer(undo(), 2)["error"]["code"], "not_confirmed");
    assert_eq!(target.info("role"), "slave");
    let health = RedisOps::new().args(["health", "-i", &target.url()]).run();
    assert!(health.everything().contains("the primary is down or cannot be reached"), "{}", health.everything());
    assert_eq!(answer(undo().arg("--yes"), 0)["undo"]["was_replica_of"], format!("127.0.0.1:{port}"));
}

#[test]
fn a_machine_that_knows_nothing_of_the_restore_undoes_it_too_and_says_what_it_does_not_know() {
    with_each(|installed| {
        let stored = backup_from(installed, 20_000, 500);
        let target = lost(&stored, installed);
        let undo = || RedisOps::new().args(["restore", "--undo", "--target-instance", &target.url()]);
        let undone = answer(undo(), 0);
        let words = undone["undo"]["settings"].as_str().unwrap();
        assert!(words.contains("is unknown") && words.contains("on-empty-db"), "{words}");
        assert_eq!((target.info("role").as_str(), setting(&target).as_str()), ("master", "disabled"));
    });
}

#[test]
fn a_setting_that_a_restore_has_left_is_never_taken_for_the_one_before() {
    let Some(installed) = servers().into_iter().next() else { return };
    let stored = backup_from(&installed, 20_000, 500);
    let target = lost(&stored, &installed);
    // By hand, and half of it.
    target.ok(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(setting(&target), "on-empty-db");
    let anew = ["--method", "replica", "--no-proof", "--replace-all", "--no-safety-backup", "--yes"];
    let (code, answer) = stored.restore(&target, &anew);
    assert_eq!((code, setting(&target).as_str()), (0, "disabled"), "{answer}");
}

#[test]
fn the_next_restore_puts_back_what_a_killed_one_has_left_of_the_settings_of_a_primary() {
    with_each(|installed| {
        let stored = backup_from(installed, 20_000, 500);
        let target = lost(&stored, installed);
        target.ok(&["REPLICAOF", "NO", "ONE"]);
        target.ok(&["FLUSHALL"]);
        assert_eq!(setting(&target), "on-empty-db");
        let run = stored.restoring(&target, &["--method", "restore", "--plan"]).run();
        assert_eq!((run.code, setting(&target).as_str()), (0, "on-empty-db"), "a plan changes nothing: {}", run.stderr);
        let run = stored.restoring(&target, &["--method", "restore", "--no-proof"]).run();
        assert_eq!((run.code, setting(&target).as_str()), (0, "disabled"), "{}", run.stderr);
        assert!(run.stderr.contains("put back to `repl-diskless-load disabled`"), "{}", run.stderr);
        assert!(records(stored.state()).is_empty());
    });
}

#[test]
fn the_guard_of_a_killed_restore_prints_the_line_that_begins_anew() {
    with_each(|installed| {
        let stored = backup_from(installed, 20_000, 500);
        let (target, run) = loading(&stored, installed);
        run.signal("KILL");
        let run = run.wait();
        assert_eq!(target.info("role"), "master", "{}", run.stderr);
        target.ok(&["CONFIG", "SET", "key-load-delay", "0"]);
        let line = run.stderr.split('`').find_map(|part| part.strip_prefix("redis-ops restore ")).expect("a line");
        assert_eq!(line.contains("--on-conflict replace --yes"), keys(&target) > 0, "{line}");
        let (code, answer) = stored.typed(["restore"].into_iter().chain(line.split(' '))).json();
        // As it was typed: without a proof.
        assert_eq!((code, &answer["result"]["restored"]), (0, &20_000.into()), "{line}: {answer}");
    });
}

#[test]
fn a_guard_holds_no_file_that_the_restore_was_given() {
    let Some(installed) = servers().pop() else { return };
    let stored = backup_from(&installed, 20_000, 500);
    let lock = tempfile::NamedTempFile::new().unwrap();
    // As `flock` gives its lock to the command that it starts.
    rustix::io::fcntl_setfd(&lock, rustix::io::FdFlags::empty()).unwrap();
    let (_target, run) = loading(&stored, &installed);
    let holds = |id: u32| {
        let files = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap();
        files.flatten().any(|file| std::fs::read_link(file.path()).is_ok_and(|path| path == lock.path()))
    };
    let guards = children(run.id());
    assert!(holds(run.id()) && !guards.is_empty());
    assert!(!guards.into_iter().any(holds));
    assert_eq!(run.wait().code, 0);
}

#[test]
fn nobody_who_reads_a_restore_whose_target_has_died_waits_for_its_guard() {
    let Some(installed) = servers().pop() else { return };
    let stored = backup_from(&installed, 20_000, 500);
    let (mut target, run) = loading(&stored, &installed);
    let port = target.port();
    target.kill();
    // Until its stdout and stderr have ended.
    let run = run.wait();
    assert_eq!(run.code, 2, "{}", run.everything());
    assert!(!run.stderr.contains("the restore into"), "the guard has nothing to add: {}", run.stderr);
    // It goes on trying, and finds the server that is started anew.
    assert_eq!(records(stored.state()).len(), 1);
    let again = RedisServer::builder().version(&installed).arg("port", &port.to_string()).start().unwrap();
    wait_until("the record to be gone", || records(stored.state()).is_empty());
    assert_eq!((again.info("role").as_str(), setting(&again).as_str()), ("master", "disabled"));
}

#[test]
fn a_replica_of_somebody_who_lives_is_not_undone() {
    let (Some(primary), Some(replica)) = (RedisServer::start(), RedisServer::start()) else { return };
    replica.ok(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    let undo = || RedisOps::new().args(["restore", "--undo", "--target-instance", &replica.url()]);
    replica.wait_for("the link", |replica| replica.info("master_link_status") == "up");
    let refused = answer(undo(), 2);
    assert_eq!(refused["error"]["code"], "not_interrupted", "{refused}");
    assert_eq!(replica.info("role"), "slave");
    let nothing = RedisOps::new().args(["restore", "--undo", "--target-instance", &primary.url()]);
    assert_eq!(answer(nothing, 0)["undo"]["was_replica_of"], Value::Null);
}

/// A socket that holds a port of this machine, and refuses whoever connects to it.
fn deaf(port: u16) -> Option<tokio::net::TcpSocket> {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(std::net::SocketAddr::from(([127, 0, 0, 1], port))).ok()?;
    Some(socket)
}

#[test]
fn a_replica_whose_primary_is_away_is_not_undone_without_a_yes_of_somebody() {
    on_each(&servers(), |installed| {
        // Below the ports that a system gives away: nobody takes it for one of a restore. Held, so that no other test's server answers there.
        let (_held, port) = (26_000..32_000).find_map(|port| Some((deaf(port)?, port))).unwrap();
        let never = RedisServer::builder().version(installed).start().unwrap();
        never.ok(&["REPLICAOF", "127.0.0.1", &port.to_string()]);
        let undo =
            |target: &RedisServer| RedisOps::new().args(["restore", "--undo", "--target-instance", &target.url()]);
        let refused = answer(undo(&never), 2);
        let words = message(&refused);
        assert!(words.contains("Either an interrupted restore left it so"), "{}: {refused}", installed.name);
        assert!(hint(&refused).contains("--yes"), "{refused}");
        assert_eq!(never.info("role"), "slave", "{}", installed.name);

        // One that has known its primary is no restore's, whoever says yes.
        let server = || RedisServer::builder().version(installed).start().unwrap();
        let (primary, known) = (server(), server());
        let primary_port = primary.port().to_string();
        known.ok(&["REPLICAOF", "127.0.0.1", &primary_port]);
        known.wait_for("the link", |known| known.info("master_link_status") == "up");
        drop(primary);
        known.wait_for("the link to be gone", |known| known.info("master_link_status") == "down");
        let refused = answer(undo(&known).arg("--yes"), 2);
        assert_eq!(refused["error"]["code"], "not_interrupted", "{}: {refused}", installed.name);
        assert_eq!(known.info("role"), "slave", "{}", installed.name);
        assert_eq!(answer(undo(&never).arg("--yes"), 0)["undo"]["was_replica_of"], format!("127.0.0.1:{port}"));
    });
}

#[test]
fn a_target_with_a_password_and_tls_is_led_back_and_no_secret_is_in_the_process_list() {
    on_each(&servers().into_iter().filter(RedisServer::has_tls).collect::<Vec<_>>(), |installed| {
        let stored = backup_from(installed, 20_000, 500);
        let builder =
            RedisServer::builder().version(installed).tls(Certificates::new()).password("s3cret-of-this-test");
        let target = builder.arg("tls-replication", "yes").arg("key-load-delay", "100").start().unwrap();
        let file = |name: &str| target.dir().join(name).display().to_string();
        let url = format!("rediss://localhost:{}", target.tls_port().unwrap());
        let run = stored
            .restoring_into(&url, &["--method", "replica", "--no-proof", "--tls-ca", &file("ca.pem")])
            .args(["--tls-cert", &file("server.pem"), "--tls-key", &file("server.key")])
            .env("REDIS_OPS_PASSWORD", "s3cret-of-this-test")
            .spawn();
        target.wait_for("it loads", |target| target.info("loading") == "1");
        let guards = children(run.id());
        assert_eq!(guards.len(), 1);
        for name in ["cmdline", "environ"] {
            let text =
                String::from_utf8_lossy(&std::fs::read(format!("/proc/{}/{name}", guards[0])).unwrap()).into_owned();
            assert!(!text.contains("s3cret"), "{text}");
        }
        let record = std::fs::read_to_string(&records(stored.state())[0]).unwrap();
        assert!(!record.contains("s3cret") && record.contains("on-empty-db"), "{record}");
        run.signal("KILL");
        wait_for_the_guard(&target);
    });
}

#[test]
fn the_guard_is_in_no_session_of_ours_and_ends_with_the_restore() {
    let Some(installed) = server_named("redis-server-7.4").or_else(|| servers().into_iter().next()) else { return };
    let stored = backup_from(&installed, 20_000, 500);
    for signal in [None, Some("TERM"), Some("INT")] {
        let (target, run) = loading(&stored, &installed);
        let guards = children(run.id());
        assert_eq!(guards.len(), 1);
        // The sixth field: the session.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", guards[0])).unwrap();
        let session = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(3)).unwrap().to_owned();
        assert_eq!(session, guards[0].to_string(), "{stat}");
        if let Some(signal) = signal {
            run.signal(signal);
        }
        let ended = run.wait();
        assert_eq!(
            ended.code,
            match signal {
                None => 0,
                Some("TERM") => 143,
                _ => 130,
            },
            "{}",
            ended.stderr
        );
        assert!(!is_alive(guards[0]), "{signal:?}");
        assert!(records(stored.state()).is_empty());
        assert_eq!((target.info("role").as_str(), setting(&target).as_str()), ("master", "disabled"));
    }
}

#[test]
fn a_guard_that_nobody_has_ordered_ends_at_once() {
    let run = RedisOps::new().arg("restore-guard").run();
    assert_eq!(run.code, 3);
    assert!(run.stderr.contains("only a restore starts"), "{}", run.stderr);
}
