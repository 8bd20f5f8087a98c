//! What an interrupted restore may have sent is compared before anything is sent: nothing that somebody else wrote is lost unsaid.

use std::sync::Arc;

use redis_ops::explain::Status;
use redis_ops::progress::{Progress, Unit};
use redis_ops::restore::journal::{Decided, Identity, Journal, Position};
use redis_ops::restore::options::Existing;
use redis_ops::restore::{Method, Options, RunError};
use serde_json::Value;

use super::stored::{Stored, check_error, hint, keys, start, with_each};
use super::support::{Restore, saved};
use crate::support::redis_server::{Installed, RedisServer, servers};

/// A backup of keys of every type, and a target into which a restore of it was killed that had sent some of them.
fn killed(installed: &Installed, method: &str, more: &[&str]) -> (Stored, RedisServer, u64) {
    // So slow that it does not end before it is killed, however busy this machine is. Typed commands are more bytes for the same keys.
    let rate = if method == "commands" { "90kB" } else { "60kB" };
    killed_when(installed, method, rate, more, |_, target| keys(target) > 500)
}

fn killed_when(
    installed: &Installed,
    method: &str,
    rate: &str,
    more: &[&str],
    when: impl Fn(&Stored, &RedisServer) -> bool,
) -> (Stored, RedisServer, u64) {
    let source = start(installed);
    source.fill(3_000, 100);
    let names: Vec<String> = (0..3_000).map(|number| format!("list:{number}")).collect();
    let far = "4102444800000";
    source.pipe(names.iter().flat_map(|name| {
        [vec![b"RPUSH".as_slice(), name.as_bytes(), b"a", b"b"], vec![b"PEXPIREAT", name.as_bytes(), far.as_bytes()]]
    }));
    let hashes: Vec<String> = (0..1_000).map(|number| format!("hash:{number}")).collect();
    source.pipe(hashes.iter().map(|name| vec![b"HSET".as_slice(), name.as_bytes(), b"a", b"1", b"b", b"2"]));
    let streams: Vec<String> = (0..500).map(|number| format!("stream:{number}")).collect();
    source.pipe(streams.iter().map(|name| vec![b"XADD".as_slice(), name.as_bytes(), b"1-1", b"a", b"1"]));
    let (stored, target) = (Stored::of(&source), start(installed));
    let words = [&["--method", method, "--rate", rate], more].concat();
    let run = stored.restoring(&target, &words).spawn();
    target.wait_for("some keys", |target| when(&stored, target));
    run.signal("KILL");
    target.wait_for("nobody to be there", |target| !target.ok(&["CLIENT", "LIST"]).contains("redis-ops-restore"));
    (stored, target, 7_500)
}

/// Some key of this kind that is there.
fn some(target: &RedisServer, kind: &str, n: usize) -> String {
    let mut names = (0..n).map(|number| format!("{kind}:{number}"));
    names.find(|name| target.ok(&["EXISTS", name]) == "1").unwrap()
}

fn number(answer: &Value, name: &str) -> u64 {
    answer["result"][name].as_u64().unwrap()
}

#[test]
fn what_stands_there_as_it_is_in_the_backup_counts_as_restored_and_is_not_sent_again() {
    with_each(|installed| {
        for method in ["restore", "commands"] {
            let (stored, target, all) = killed(installed, method, &[]);
            // What was killed before it got its name is no key of the backup yet.
            let unnamed = target.ok(&["KEYS", "*}redis-ops:*"]).lines().count() as u64;
            let there = keys(&target) - unnamed;
            target.ok(&["CONFIG", "RESETSTAT"]);
            let (code, answer) = stored.restore(&target, &["--method", method, "--resume"]);
            assert_eq!((code, number(&answer, "restored")), (0, all), "{} {method}: {answer}", installed.name);
            let stats = target.ok(&["INFO", "commandstats"]);
            let calls = |name: &str| -> u64 {
                let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
                line.and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or(0)
            };
            let sent = calls("restore") + calls("set") + calls("rpush") + calls("hset") + calls("xadd");
            assert!(sent + there <= all + 10, "{} {method}: {sent} sent, {there} were there", installed.name);
        }
    });
}

#[test]
fn a_key_that_somebody_else_has_written_meanwhile_is_left_and_named_and_the_printed_line_goes_over_it() {
    with_each(|installed| {
        for method in ["restore", "commands"] {
            let (stored, target, all) = killed(installed, method, &[]);
            let (string, list) = (some(&target, "key", 3_000), some(&target, "list", 3_000));
            target.ok(&["SET", &string, "of somebody else"]);
            // The same value with another expiry is another key.
            target.ok(&["PERSIST", &list]);
            let resume = ["--method", method, "--resume"];
            let lead = |text: &str| text.split('`').find_map(|part| part.strip_prefix("redis-ops ")).map(str::to_owned);
            if method == "commands" {
                let run = stored.restoring(&target, &resume).run();
                let text = String::from_utf8_lossy(&run.stdout).into_owned();
                let line =
                    lead(&text).filter(|_| text.contains("kept 2 keys that other clients wrote during the restore"));
                let line = line.unwrap_or_else(|| panic!("{text}"));
                // It overwrites more than these two: it is not agreed to beforehand.
                let asks = text.contains("overwrites every key that is also in the backup, and asks first");
                assert!(asks && !line.contains("--yes"), "{text}");
                let (code, answer) = stored.typed(line.split(' ').chain(["--yes"])).json();
                assert_eq!((run.code, code, &answer["proof"]["equal"]), (1, 0, &all.into()), "{line}: {answer}");
                continue;
            }
            let (code, answer) = stored.restore(&target, &resume);
            // The contract: what others changed meanwhile is a warning.
            assert_eq!((code, &answer["error"]), (1, &Value::Null), "{} {method}: {answer}", installed.name);
            assert_eq!((number(&answer, "failed"), number(&answer, "written_meanwhile")), (0, 2), "{answer}");
            assert_eq!(number(&answer, "restored"), all - 2, "{} {method}: {answer}", installed.name);
            let failures = answer["result"]["written_meanwhile_keys"].as_array().unwrap();
            let mut names: Vec<&str> = failures.iter().map(|failure| failure["key"].as_str().unwrap()).collect();
            names.sort_unstable();
            assert_eq!(names, [string.as_str(), list.as_str()], "{answer}");
            assert_eq!(target.ok(&["GET", &string]), "of somebody else", "{} {method}", installed.name);
            assert_eq!(target.ok(&["PTTL", &list]), "-1", "{} {method}", installed.name);
        }
    });
}

#[test]
fn the_same_command_after_a_kill_names_the_line_that_goes_on() {
    let Some(installed) = servers().into_iter().next() else { return };
    for (method, more) in
        [("restore", &[][..]), ("commands", &["--on-conflict", "fail"]), ("auto", &["--on-conflict", "fail"])]
    {
        let begun = if method == "auto" { "restore" } else { method };
        let (stored, target, all) = killed(&installed, begun, more);
        let plan = ["--method", method, "--plan"];
        let (code, answer) = stored.restore(&target, &[&plan, more].concat());
        assert!(code == 2 && hint(&answer).contains("--resume`"), "{method}: {answer}");
        let (code, answer) = stored.restore(&target, &[&["--method", method], more].concat());
        assert!(
            code == 2 && hint(&answer).starts_with("an earlier run of this restore was interrupted; to continue it: `"),
            "{method}: {answer}"
        );
        let mut lines = hint(&answer).split('`').filter_map(|part| part.strip_prefix("redis-ops "));
        let line = lines.next().filter(|line| line.contains("--resume")).unwrap_or_else(|| panic!("{answer}"));
        // As slow as it was asked for, which this test does not wait for.
        let rate = if begun == "commands" { " --rate 90000" } else { " --rate 60000" };
        assert!(line.contains(rate), "{line}");
        let (code, answer) = stored.typed(line.replace(rate, "").split(' ')).json();
        assert_eq!((code, number(&answer, "restored")), (0, all), "{method}: {line}: {answer}");
        // The mark of the run that was killed holds the backup no longer.
        let receipts = std::fs::read_dir(stored.object().parent().unwrap().join("receipts")).unwrap();
        let marks = receipts.flatten().filter(|file| file.file_name().to_string_lossy().starts_with("reading-"));
        assert_eq!(marks.count(), 0);
    }
}

/// Keys that the journal counts as done are not looked at before the run that goes on: the proof finds them, and what the target has counted
/// tells that others have written.
#[test]
fn what_others_change_between_two_runs_is_a_warning_whether_the_journal_had_it_or_not() {
    let Some(installed) = servers().into_iter().next() else { return };
    for method in ["restore", "commands"] {
        let journalled = |stored: &Stored| {
            let folders = std::fs::read_dir(stored.state().join("redis-ops/restores")).ok();
            let text = folders.and_then(|mut all| std::fs::read(all.next()?.ok()?.path().join("position.json")).ok());
            text.and_then(|text| serde_json::from_slice::<Position>(&text).ok()).map_or(0, |position| position.prefix)
        };
        // At this rate the whole takes minutes: the journal is written on the way, and not when a chunk of the file is through.
        let when = |stored: &Stored, _: &RedisServer| journalled(stored) > 500;
        let (stored, target, all) = killed_when(&installed, method, "15kB", &[], when);
        assert!(keys(&target) < all / 2, "{method}: {} of {all}", keys(&target));
        let names = target.ok(&["KEYS", "key:*"]);
        let names: Vec<&str> = names.lines().filter(|name| !name.contains('}')).collect();
        target.pipe(names.iter().map(|name| vec![b"SETRANGE".as_slice(), name.as_bytes(), b"0", b"theirs"]));
        let (code, answer) = stored.restore(&target, &["--method", method, "--resume"]);
        assert_eq!((code, &answer["error"]), (1, &Value::Null), "{method}: {answer}");
        assert_eq!(answer["result"]["target"]["others_wrote"], true, "{method}: {answer}");
        let (left, different) = (number(&answer, "written_meanwhile"), answer["proof"]["different"].as_u64().unwrap());
        assert!(different == names.len() as u64 && left < different, "{method}: {} of {all}: {answer}", names.len());
    }
}

#[test]
fn with_skip_what_somebody_else_has_written_stays() {
    with_each(|installed| {
        let (stored, target, all) = killed(installed, "restore", &["--on-conflict", "skip"]);
        let string = some(&target, "key", 3_000);
        target.ok(&["SET", &string, "of somebody else"]);
        let words = ["--method", "restore", "--on-conflict", "skip", "--resume"];
        let (code, answer) = stored.restore(&target, &words);
        assert_eq!((code, number(&answer, "skipped_existing")), (1, 1), "{}: {answer}", installed.name);
        assert_eq!(number(&answer, "restored"), all - 1, "{answer}");
        assert_eq!(target.ok(&["GET", &string]), "of somebody else");
    });
}

#[test]
fn a_restore_that_goes_on_over_keys_saves_first_what_others_have_written_since() {
    let Some(installed) = servers().into_iter().next() else { return };
    let (stored, target, all) = killed(&installed, "restore", &["--on-conflict", "replace"]);
    let string = some(&target, "key", 3_000);
    target.ok(&["SET", &string, "of somebody else"]);
    let words = ["--method", "restore", "--on-conflict", "replace", "--resume"];
    // What was agreed to was the target as it was then.
    let (code, answer) = stored.restore(&target, &words);
    check_error(&(code, answer.clone()), "not_confirmed");
    assert_eq!(target.ok(&["GET", &string]), "of somebody else", "{answer}");
    let (code, plan) = stored.restore(&target, &[&words[..], &["--plan"]].concat());
    let lines = plan["plan"]["lines"].as_array().unwrap();
    assert!(code == 1 && lines.iter().any(|line| line["code"] == "written_since"), "{plan:#}");
    let run = stored.restoring(&target, &[&words[..], &["--json", "--yes"]].concat()).run();
    let answer = run.json();
    assert!(run.code == 1 && number(&answer, "restored") >= all - 1, "{}", run.everything());
    // All that they wrote is in the safety backup of this run.
    assert_eq!(answer["result"]["target"]["unsaved"], Value::Null, "{}", run.everything());
    let (_, list) = stored.typed(["list", "-r", &stored.place()].into_iter()).json();
    let saved: Vec<&Value> =
        list["backups"].as_array().unwrap().iter().filter(|one| one["purpose"] == "safety").collect();
    assert_eq!(saved.len(), 1, "{list:#}");
}

/// What the journal counts as done the target may have thrown away before the run that goes on.
#[test]
fn keys_that_the_target_evicts_between_two_runs_are_written_again() {
    let Some(installed) = servers().into_iter().next() else { return };
    for method in ["restore", "commands"] {
        let evicted = |target: &RedisServer| target.info("evicted_keys").parse::<u64>().unwrap();
        let evicts = |_: &Stored, target: &RedisServer| {
            if keys(target) > 500 && evicted(target) == 0 {
                target.ok(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
                target.ok(&["CONFIG", "SET", "maxmemory", "1mb"]);
            }
            evicted(target) > 50
        };
        let (stored, target, all) = killed_when(&installed, method, "90kB", &[], evicts);
        target.ok(&["CONFIG", "SET", "maxmemory", "0"]);
        let line = ["--method", method, "--resume", "--no-proof"];
        let (_, plan) = stored.restore(&target, &[&line[..], &["--plan"]].concat());
        let says = plan["plan"]["lines"].as_array().unwrap().iter().any(|line| {
            line["code"] == "resume" && line["text"].as_str().unwrap().starts_with("the target evicted keys")
        });
        assert!(says, "{method}: {plan:#}");
        let (code, answer) = stored.restore(&target, &line);
        assert_eq!((code, number(&answer, "restored"), keys(&target)), (0, all, all), "{method}: {answer}");
    }
}

/// `CONFIG RESETSTAT`, which some monitoring calls every minute, takes away what tells of the others.
#[test]
fn a_restore_that_goes_on_over_keys_asks_where_nobody_can_tell_whether_others_have_written() {
    with_each(|installed| {
        let (stored, target, _) = killed(installed, "restore", &["--on-conflict", "replace"]);
        let string = some(&target, "key", 3_000);
        target.ok(&["SET", &string, "of somebody else"]);
        target.ok(&["CONFIG", "RESETSTAT"]);
        let words = ["--method", "restore", "--on-conflict", "replace", "--resume"];
        check_error(&stored.restore(&target, &words), "not_confirmed");
        assert_eq!(target.ok(&["GET", &string]), "of somebody else", "{}", installed.name);
        let (_, plan) = stored.restore(&target, &[&words[..], &["--plan"]].concat());
        let lines = plan["plan"]["lines"].as_array().unwrap();
        let says = lines.iter().any(|line| line["code"] == "may_be_written_since");
        assert!(says, "{}: {plan:#}", installed.name);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_was_killed_before_the_target_was_emptied_writes_nothing_into_it() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(100, 10);
    let (rdb, state) = (saved(&source), tempfile::tempdir().unwrap());
    target.ok(&["SET", "of before", "1"]);
    let identity = Identity {
        backup: "test".into(),
        digest: redis_ops::rdb::crc64(&rdb).to_string(),
        target_run_id: target.info("run_id"),
        decided: Decided::of(&Options::default(), Method::Restore),
        shift_ms: None,
        address: None,
        rate: None,
    };
    let position = Position { was_empty: true, emptying: true, token: 5, ..Position::default() };
    Journal::open(state.path(), &identity).unwrap().write(&position).unwrap();
    let resumed = || {
        let mut restore = Restore::of(&rdb).options(|options| options.resume = true);
        restore.state = Some(state.path().to_owned());
        restore
    };
    let refused = resumed().run(&target, Method::Restore).await;
    assert!(matches!(refused, Err(RunError::NotEmptied)), "{refused:?}");
    assert_eq!((keys(&target), target.ok(&["GET", "of before"]).as_str()), (1, "1"));
    // Nothing that was there is there any more: it was emptied.
    target.ok(&["DEL", "of before"]);
    let report = resumed().run(&target, Method::Restore).await.unwrap();
    assert_eq!((report.status(), report.tally.restored), (Status::Ok, 100), "{report:?}");
}

#[test]
fn a_journal_of_an_earlier_version_is_refused_by_name_and_the_printed_line_begins_anew() {
    let Some(installed) = servers().into_iter().next() else { return };
    let (stored, target, all) = killed(&installed, "restore", &[]);
    // As earlier versions have written which restore it was: the choices as a text of their own.
    let journals = stored.state().join("redis-ops/restores");
    let folder = std::fs::read_dir(&journals).unwrap().flatten().next().unwrap().path();
    let mut identity: Value = serde_json::from_slice(&std::fs::read(folder.join("restore.json")).unwrap()).unwrap();
    identity.as_object_mut().unwrap().remove("decided").expect("what was decided");
    identity["choices"] =
        "Choices { selection: Selection { keys: [], exclude: [], databases: {}, types: [] }, moved: {}, ttl: Keep } Restore None"
            .into();
    identity["shift_ms"] = Value::Null;
    std::fs::write(folder.join("restore.json"), identity.to_string()).unwrap();
    std::fs::rename(&folder, journals.join("0123456789abcdef0123456789abcdef")).unwrap();

    let (code, answer) = stored.restore(&target, &["--method", "restore", "--resume"]);
    check_error(&(code, answer.clone()), "nothing_to_resume");
    assert!(answer["error"]["causes"][0].as_str().unwrap().contains("an earlier version of redis-ops"), "{answer}");
    let line = hint(&answer).split('`').find_map(|part| part.strip_prefix("redis-ops ")).unwrap();
    assert!(hint(&answer).contains("asks first") && !line.contains("--yes"), "{answer}");
    let (code, answer) = stored.typed(line.split(' ').chain(["--yes"])).json();
    assert_eq!((code, &answer["proof"]["equal"]), (0, &all.into()), "{line}: {answer}");
}

#[test]
fn a_journal_is_there_before_a_target_is_emptied() {
    let Some(source) = RedisServer::start() else { return };
    source.fill(2_000, 100);
    let (stored, target) = (Stored::of(&source), RedisServer::start().unwrap());
    target.ok(&["SET", "of before", "1"]);
    // A state folder that cannot be written: nothing is removed for a restore that could not be led back.
    std::fs::write(stored.state().join("redis-ops"), "a file").unwrap();
    let words = ["--method", "restore", "--replace-all", "--no-safety-backup", "--yes"];
    let (code, answer) = stored.restore(&target, &words);
    assert_eq!((code, target.ok(&["GET", "of before"]).as_str()), (2, "1"), "{answer}");
}

fn library(name: &str, answer: u32) -> String {
    format!("#!lua name={name}\nredis.register_function('{name}', function() return {answer} end)")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_library_that_somebody_else_has_loaded_meanwhile_is_treated_as_a_key() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(100, 10);
    for name in ["ours", "replaced", "missing"] {
        source.ok(&["FUNCTION", "LOAD", &library(name, 1)]);
    }
    let rdb = saved(&source);
    for (existing, expected, answers) in [
        (Existing::MustBeEmpty, (2, 0, 1, 1), ["1", "2", "1"]),
        (Existing::Fail, (2, 0, 1, 1), ["1", "2", "1"]),
        (Existing::Skip, (2, 1, 0, 0), ["1", "2", "1"]),
        (Existing::Replace, (3, 0, 0, 0), ["1", "1", "1"]),
    ] {
        target.ok(&["FLUSHALL"]);
        target.ok(&["FUNCTION", "FLUSH"]);
        target.ok(&["FUNCTION", "LOAD", &library("ours", 1)]);
        target.ok(&["FUNCTION", "LOAD", &library("replaced", 2)]);
        let state = tempfile::tempdir().unwrap();
        let identity = Identity {
            backup: "test".into(),
            digest: redis_ops::rdb::crc64(&rdb).to_string(),
            target_run_id: target.info("run_id"),
            decided: Decided::of(&Options { existing, ..Options::default() }, Method::Restore),
            shift_ms: None,
            address: None,
            rate: None,
        };
        // Everything may have been sent, and nothing is known.
        let position = Position { was_empty: true, sent: 50, token: 5, ..Position::default() };
        Journal::open(state.path(), &identity).unwrap().write(&position).unwrap();
        let mut restore = Restore::of(&rdb).options(|options| {
            options.resume = true;
            options.existing = existing;
        });
        restore.state = Some(state.path().to_owned());
        let report = restore.run(&target, Method::Restore).await.unwrap();
        let functions = report.tally.functions;
        let found = (functions.restored, functions.skipped, functions.failed, functions.written_by_others);
        assert_eq!((found, report.tally.restored), (expected, 100), "{existing:?}: {report:?}");
        let found = ["ours", "replaced", "missing"].map(|name| target.ok(&["FCALL", name, "0"]));
        assert_eq!(found, answers, "{existing:?}");
    }
}

/// Keeps how much was done in each phase.
#[derive(Default)]
struct Phases(std::sync::Mutex<Vec<(String, Unit, u64)>>);

impl Progress for Phases {
    fn phase(&self, name: &str, unit: Unit, _total: Option<u64>) {
        self.0.lock().unwrap().push((name.to_owned(), unit, 0));
    }

    fn advance(&self, amount: u64) {
        if let Some((.., done)) = self.0.lock().unwrap().last_mut() {
            *done += amount;
        }
    }

    fn note(&self, _text: &str) {}

    fn finish(&self) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_that_are_compared_before_a_restore_goes_on_are_counted() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(100, 10);
    let (rdb, state) = (saved(&source), tempfile::tempdir().unwrap());
    Restore::of(&rdb).run(&target, Method::Restore).await.unwrap();
    let identity = Identity {
        backup: "test".into(),
        digest: redis_ops::rdb::crc64(&rdb).to_string(),
        target_run_id: target.info("run_id"),
        decided: Decided::of(&Options { accept_loss: true, ..Options::default() }, Method::Restore),
        shift_ms: None,
        address: None,
        rate: None,
    };
    let position = Position { was_empty: true, sent: 100, token: 5, ..Position::default() };
    Journal::open(state.path(), &identity).unwrap().write(&position).unwrap();
    let progress = Arc::new(Phases::default());
    let mut restore = Restore::of(&rdb).options(|options| options.resume = true);
    (restore.state, restore.progress) = (Some(state.path().to_owned()), progress.clone());
    let report = restore.run(&target, Method::Restore).await.unwrap();
    let phases = progress.0.lock().unwrap();
    assert_eq!(
        (report.status(), &phases[0]),
        (Status::Ok, &("finding out which keys the interrupted run has written".to_owned(), Unit::Keys, 100))
    );
    assert_eq!((&*phases[1].0, phases[1].2), ("loading", rdb.len() as u64), "{phases:?}");
}
