//! `--resume` where there is nothing to go on with: because other choices were made then, or because all was written.

use std::time::Duration;

use super::stored::{backup_of, hint, message};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;
use crate::support::s3::{Manners, S3Server};

#[test]
fn the_choices_that_differ_are_named() {
    let (Some(stored), Some(target)) = (backup_of(2_000), RedisServer::start()) else { return };
    let begun = ["--method", "restore", "--keys", "key:*", "--db", "0:1", "--on-conflict", "skip"];
    let running = stored.restoring(&target, &[&begun[..], &["--rate", "20kB"]].concat()).spawn();
    target.wait_for("some keys", |target| target.info("db1").contains("keys=") && target.info("db1") != "keys=0");
    running.signal("INT");
    let run = running.wait();
    assert_eq!(run.code, 130, "{}", run.everything());
    for (typed, words) in [
        (
            &["--method", "restore", "--keys", "key:*", "--db", "0:2", "--on-conflict", "skip"][..],
            &["`--db` was `0:1` and is `0:2`"][..],
        ),
        (&["--method", "restore", "--keys", "key:*", "--on-conflict", "skip"], &["`--db` was `0:1` and is not given"]),
        (
            &["--method", "commands", "--db", "0:1", "--ttl", "strip"],
            &[
                "`--method` was `restore` and is `commands`",
                "`--on-conflict` was `skip` and is not given",
                "`--ttl` was `keep` and is `strip`",
                "`--keys` was `key:*` and is not given",
            ],
        ),
    ] {
        for plan in [&["--plan"][..], &[]] {
            let (code, answer) = stored.restore(&target, &[typed, &["--resume"], plan].concat());
            assert_eq!((code, &answer["error"]["code"]), (2, &"nothing_to_resume".into()), "{typed:?}: {answer}");
            for words in words {
                assert!(
                    message(&answer).contains(words) || answer["error"].to_string().contains(words),
                    "{words}: {answer}"
                );
            }
        }
    }
    // Where the method alone differs, all of the line that goes on is known.
    let typed = [&["--method", "commands"], &begun[2..], &["--resume"]].concat();
    let (_, answer) = stored.restore(&target, &typed);
    let words = hint(&answer);
    assert!(words.contains(" --method restore ") && words.contains("--resume` continues the interrupted"), "{answer}");
    let (code, answer) = stored.restore(&target, &[&begun[..], &["--resume"]].concat());
    assert_eq!((code, &answer["result"]["restored"]), (0, &2_000.into()), "{answer}");
}

#[test]
fn what_was_completed_in_another_way_is_not_gone_on_with_over_what_clients_wrote_since() {
    let (Some(stored), Some(target)) = (backup_of(2_000), RedisServer::start()) else { return };
    for conflict in ["fail", "replace"] {
        target.ok(&["FLUSHALL"]);
        let begun = ["--method", "restore", "--on-conflict", conflict, "--rate", "20kB", "--yes"];
        let running = stored.restoring(&target, &begun).spawn();
        target.wait_for("some keys", |target| target.ok(&["DBSIZE"]).parse::<u64>().is_ok_and(|keys| keys > 50));
        running.signal("INT");
        let run = running.wait();
        let said = run.everything();
        let mut lines = said.split('`').filter_map(|part| part.strip_prefix("redis-ops "));
        let line = lines.find(|line| line.contains("--resume")).unwrap_or_else(|| panic!("{said}")).to_owned();
        // A choice that leaves out nothing is all of it.
        let choice: &[&str] = if conflict == "fail" { &[] } else { &["--db", "0"] };
        let over = ["--method", "commands", "--on-conflict", "replace", "--no-safety-backup", "--yes"];
        let (code, answer) = stored.restore(&target, &[&over[..], choice].concat());
        assert_eq!((code, &answer["result"]["restored"]), (0, &2_000.into()), "{conflict}: {answer}");
        target.ok(&["SET", "key:1", "of a client"]);
        target.ok(&["DEL", "key:2"]);
        let (code, answer) = stored.typed(line.split(' ')).json();
        assert_eq!((code, &answer["error"]["code"]), (2, &"nothing_to_resume".into()), "{line}: {answer}");
        assert_eq!((target.ok(&["GET", "key:1"]).as_str(), target.ok(&["DBSIZE"]).as_str()), ("of a client", "1999"));
    }
}

#[test]
fn a_restore_that_was_killed_while_it_was_proven_names_the_line_that_proves_it() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(500, 50);
    let store = S3Server::start();
    let state = tempfile::tempdir().unwrap();
    let with = |words: &[&str]| {
        let run = RedisOps::new().args(words).env("XDG_STATE_HOME", state.path());
        store.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value))
    };
    let place = store.location("redis");
    assert_eq!(with(&["backup", "-i", &source.url(), "--name", "prod", "-r", &place]).run().code, 0);
    let url = target.url();
    let line =
        ["restore", "-r", &place, "--backup-id", "prod/latest", "--target-instance", &url, "--method", "restore"];
    // The proof reads the backup once more, and waits for it.
    store.behave(Manners { dumps_take: Duration::from_secs(2), ..Manners::default() });
    let mut running = with(&line).spawn();
    running.wait_until_it_says("comparing the target with the backup");
    running.signal("KILL");
    running.wait();
    store.behave(Manners::default());
    let (code, answer) = with(&[&line[..], &["--resume"]].concat()).json();
    assert_eq!((code, &answer["error"]["code"]), (2, &"nothing_to_resume".into()), "{answer}");
    assert!(answer["error"].to_string().contains("all of the backup was written"), "{answer}");
    let typed = hint(&answer).split('`').find_map(|part| part.strip_prefix("redis-ops ")).expect("a line");
    assert!(typed.starts_with("verify"), "{typed}");
    let (code, proven) = with(&typed.split(' ').collect::<Vec<_>>()).json();
    assert_eq!((code, &proven["comparison"]["equal"]), (0, &500.into()), "{proven}");
    // Where other keys stay in the target, the line that proves it writes nothing either.
    target.ok(&["SET", "of another", "1"]);
    let over = [&line[..], &["--on-conflict", "replace", "--no-safety-backup", "--yes"]].concat();
    store.behave(Manners { dumps_take: Duration::from_secs(2), ..Manners::default() });
    let mut running = with(&over).spawn();
    running.wait_until_it_says("comparing the target with the backup");
    // As after SIGINT, and whoever asks: what is missing is the proof.
    running.signal("INT");
    assert_eq!(running.wait().code, 130);
    store.behave(Manners::default());
    let mut typed = "";
    let answers =
        [&over[..], &line[..]].map(|line| ["--resume", "--plan"].map(|more| with(&[line, &[more]].concat()).json().1));
    for answer in answers[0][..1].iter().chain(&answers[1]) {
        typed = hint(answer).split('`').find_map(|part| part.strip_prefix("redis-ops ")).expect("a line");
        assert!(typed.starts_with("verify") && typed.ends_with("--fail-on missing --fail-on different"), "{answer}");
        // Before the ways that write.
        let at = |words: &str| hint(answer).find(words);
        assert!(at("--on-conflict skip").is_none_or(|other| at("redis-ops verify") < Some(other)), "{answer}");
    }
    assert_eq!(with(&typed.split(' ').collect::<Vec<_>>()).json().0, 0);
    // Another restore into the target leaves nothing of the note.
    target.ok(&["FLUSHALL"]);
    assert_eq!(with(&line).json().0, 0);
    target.ok(&["FLUSHALL"]);
    let (_, answer) = with(&[&line[..], &["--resume"]].concat()).json();
    assert!(!answer["error"].to_string().contains("was written"), "{answer}");
}

#[test]
fn what_was_written_before_is_not_said_to_be_there_once_the_target_holds_fewer_keys() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(500, 50);
    source.ok(&["SET", "short", "v", "EX", "1000"]);
    let store = S3Server::start();
    let state = tempfile::tempdir().unwrap();
    let with = |words: &[&str]| {
        let run = RedisOps::new().args(words).env("XDG_STATE_HOME", state.path());
        store.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value))
    };
    let place = store.location("redis");
    assert_eq!(with(&["backup", "-i", &source.url(), "--name", "prod", "-r", &place]).run().code, 0);
    let url = target.url();
    let line =
        ["restore", "-r", &place, "--backup-id", "prod/latest", "--target-instance", &url, "--method", "restore"];
    store.behave(Manners { dumps_take: Duration::from_secs(2), ..Manners::default() });
    let mut running = with(&line).spawn();
    running.wait_until_it_says("comparing the target with the backup");
    running.signal("KILL");
    running.wait();
    store.behave(Manners::default());
    let over = ["--on-conflict", "replace", "--no-safety-backup"];
    let said = |more: &[&str]| {
        let run = with(&[&line[..], more].concat()).run();
        run.everything().contains("all of the backup was written")
    };
    let ways: [&[&str]; 4] = [
        &["--plan"],
        &["--resume"],
        &["--resume", "--plan"],
        &["--on-conflict", "replace", "--no-safety-backup", "--plan"],
    ];
    for more in ways {
        assert!(said(more), "{more:?}");
    }
    // A key that has expired since is no loss.
    target.ok(&["PEXPIRE", "short", "1"]);
    target.wait_for("the expiry", |target| target.ok(&["EXISTS", "short"]) == "0");
    assert!(said(&["--plan"]));
    target.ok(&["DEL", "key:1"]);
    for more in ways {
        assert!(!said(more), "one key is gone: {more:?}");
    }
    target.ok(&["FLUSHALL"]);
    target.ok(&["SET", "key:1", "of before"]);
    for more in ways {
        assert!(!said(more), "emptied: {more:?}");
    }
    assert_eq!(with(&[&line[..], &over, &["--yes"]].concat()).run().code, 0);
}
