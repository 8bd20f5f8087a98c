//! `redis-ops restore` as a person runs it.

use serde_json::Value;

use super::stored::Stored;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, server_named};

/// A server with some data, an empty one, and a repository with a backup of the first.
struct Pair {
    source: RedisServer,
    target: RedisServer,
    folder: tempfile::TempDir,
}

impl Pair {
    fn new() -> Option<Self> {
        let (source, target) = (RedisServer::start()?, RedisServer::start()?);
        source.fill(500, 100);
        source.ok(&["RPUSH", "list", "a", "b"]);
        let folder = tempfile::tempdir().unwrap();
        let pair = Self { source, target, folder };
        let (code, answer) =
            RedisOps::new().args(["-i", &pair.source.url(), "-r", &pair.repository(), "backup"]).json();
        assert_eq!(code, 0, "{answer}");
        Some(pair)
    }

    fn repository(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// Runs a restore of the newest backup.
    fn restore(&self, more: &[&str]) -> (i32, Value) {
        let (repository, url) = (self.repository(), self.target.url());
        let mut line = vec!["-r", &repository, "restore", "--backup-id", "latest", "--target-instance", &url];
        line.extend(more);
        RedisOps::new().args(line).json()
    }
}

#[test]
fn a_backup_is_planned_restored_and_refused_the_second_time() {
    let Some(pair) = Pair::new() else { return };
    let (code, answer) = pair.restore(&["--plan"]);
    assert_eq!((code, &answer["plan"]["method"]), (0, &"replica".into()), "{answer}");
    assert_eq!(pair.target.ok(&["DBSIZE"]), "0", "a plan writes nothing");

    let (code, answer) = pair.restore(&["--no-proof"]);
    assert_eq!(code, 0, "{answer}");
    let result = &answer["result"];
    assert_eq!((&result["in_backup"], &result["restored"]), (&501.into(), &501.into()));
    assert_eq!(result["lost"], Value::Array(Vec::new()));
    assert!(result["phases"]["load"].as_f64().unwrap() > 0.0);
    assert_eq!(pair.target.ok(&["LRANGE", "list", "0", "-1"]), "a\nb");

    let (code, answer) = pair.restore(&[]);
    assert_eq!((code, &answer["error"]["code"]), (2, &"target_not_empty".into()), "{answer}");
    assert_eq!(answer["error"]["causes"][0], "the target holds 501 keys");
    let (code, list) = RedisOps::new().args(["-r", &pair.repository(), "list"]).json();
    assert_eq!(code, 0, "{list}");
    let newest = &list["backups"][0];
    let name = format!("{}/{}", newest["instance"].as_str().unwrap(), newest["id"].as_str().unwrap());
    let line = |method: &str| {
        format!(
            "`redis-ops restore -r file://{} --backup-id {name} --target-instance {}{method} --on-conflict replace` overwrites every key that is also in the backup, and asks first",
            pair.repository(),
            pair.target.url()
        )
    };
    let over = "choose what happens to the keys in the target: `--on-conflict skip` keeps them, `--replace-all` deletes all of them first";
    assert_eq!(answer["error"]["hint"], format!("{over}; {}. Nothing was written", line("")));
    let (code, answer) = pair.restore(&["--method", "replica"]);
    assert_eq!((code, &answer["error"]["code"]), (2, &"target_not_empty".into()), "{answer}");
    let hint = format!("`--replace-all` deletes everything in the target first; {}. Nothing was written", line(""));
    assert_eq!(answer["error"]["hint"], hint);
    let (code, answer) = pair.restore(&["--on-conflict", "fail"]);
    assert_eq!((code, &answer["error"]["code"]), (2, &"key_exists".into()), "{answer}");
    let message = answer["error"]["causes"][0].as_str().unwrap();
    assert!(
        message.starts_with("the target has 501 of the backup's keys (`") && message.ends_with("`, …)"),
        "{message}"
    );
    let (code, answer) = pair.restore(&["--on-conflict", "fail", "--hide-keys"]);
    let message = answer["error"]["causes"][0].as_str().unwrap();
    assert!(code == 2 && message.contains("`sha256:") && !message.contains("key:"), "{message}");
    let (code, answer) = pair.restore(&["--on-conflict", "skip", "--no-proof"]);
    assert_eq!((code, &answer["result"]["skipped"]), (1, &501.into()), "{answer}");
}

#[test]
fn replacing_all_asks_and_takes_a_safety_backup_first() {
    let Some(pair) = Pair::new() else { return };
    pair.target.ok(&["SET", "precious", "1"]);
    let (code, _) = pair.restore(&["--replace-all"]);
    assert_eq!(code, 2, "nobody is there to answer");
    assert_eq!(pair.target.ok(&["DBSIZE"]), "1");
    let (code, answer) = pair.restore(&["--replace-all", "--yes", "--no-proof"]);
    assert_eq!(code, 0, "{answer}");
    assert_eq!(pair.target.ok(&["DBSIZE"]), "501");
    let (code, list) = RedisOps::new().args(["-r", &pair.repository(), "list"]).json();
    let safety = list["backups"].as_array().unwrap().iter().filter(|backup| backup["purpose"] == "safety").count();
    assert_eq!((code, safety), (0, 1), "{list}");
}

#[test]
fn some_keys_of_any_file_go_where_they_are_wanted() {
    let Some(pair) = Pair::new() else { return };
    pair.source.wait_for("the end of the save", |server| server.info("rdb_bgsave_in_progress") == "0");
    pair.source.save();
    let file = pair.source.dir().join("dump.rdb").display().to_string();
    let url = pair.target.url();
    let line = ["restore", "--file", &file, "--target-instance", &url, "--keys", "list", "--db", "0:5", "--no-proof"];
    let (code, answer) = RedisOps::new().args(line).json();
    assert_eq!(
        (code, &answer["result"]["restored"], &answer["result"]["skipped"]),
        (0, &1.into(), &500.into()),
        "{answer}"
    );
    assert_eq!(pair.target.info("db5").split(',').next(), Some("keys=1"));
}

#[test]
fn a_restore_is_proven_by_reading_the_target_back() {
    let Some(pair) = Pair::new() else { return };
    let (code, answer) = pair.restore(&[]);
    assert_eq!(code, 0, "{answer}");
    let proof = &answer["proof"];
    assert_eq!(
        (&proof["equal"], &proof["missing"], &proof["different"]),
        (&501.into(), &0.into(), &0.into()),
        "{answer}"
    );
    assert_eq!(proof["is_equal"], true);

    // The receipt says which backup this server holds.
    let (code, verified) = RedisOps::new().args(["verify", "-r", &pair.repository(), "-i", &pair.target.url()]).json();
    assert_eq!((code, &verified["comparison"]["equal"]), (0, &501.into()), "{verified}");
}

#[test]
fn the_proof_of_a_part_looks_at_that_part() {
    let Some(pair) = Pair::new() else { return };
    let (code, answer) = pair.restore(&["--keys", "key:1*", "--db", "0:3"]);
    assert_eq!(code, 0, "{answer}");
    let keys = pair.source.ok(&["EVAL", "return #redis.call('KEYS', 'key:1*')", "0"]).parse::<u64>().unwrap();
    assert_eq!((&answer["proof"]["equal"], &answer["proof"]["missing"]), (&keys.into(), &0.into()), "{answer}");
}

#[test]
fn the_proof_reckons_with_changed_expiries_and_with_keys_that_stayed() {
    let Some(pair) = Pair::new() else { return };
    pair.source.ok(&["SET", "expires", "x", "PXAT", "4102444800000"]);
    let (code, answer) = RedisOps::new().args(["-i", &pair.source.url(), "-r", &pair.repository(), "backup"]).json();
    assert_eq!(code, 0, "{answer}");
    for ttl in ["strip", "shift"] {
        pair.target.ok(&["FLUSHALL"]);
        let (code, answer) = pair.restore(&["--ttl", ttl]);
        assert_eq!((code, &answer["proof"]["equal"]), (0, &502.into()), "{ttl}: {answer}");
    }
    assert_ne!(pair.target.ok(&["PEXPIRETIME", "expires"]), "4102444800000", "it was moved");
    // A key of the target that stayed is not as in the backup, and this was said.
    pair.target.ok(&["FLUSHALL"]);
    pair.target.ok(&["SET", "key:7", "mine"]);
    let (code, answer) = pair.restore(&["--on-conflict", "skip"]);
    let proof = &answer["proof"];
    assert_eq!((code, &proof["different"], &proof["announced"]["different"]), (1, &1.into(), &1.into()), "{answer}");
    assert_eq!(proof["equal"], 501, "{answer}");
}

#[test]
fn a_restore_that_lost_its_target_to_a_restart_cannot_go_on_and_says_why() {
    let Some(pair) = Pair::new() else { return };
    let (code, answer) = pair.restore(&["--resume", "--method", "restore"]);
    assert_eq!((code, &answer["error"]["code"]), (2, &"nothing_to_resume".into()), "{answer}");
    assert!(answer["error"]["hint"].as_str().unwrap().contains("--on-conflict skip"), "{answer}");
}

/// The words of the one complete line in an answer's hint.
fn line_in(answer: &Value) -> Vec<String> {
    let hint = answer["error"]["hint"].as_str().unwrap();
    let line =
        hint.split('`').find_map(|part| part.strip_prefix("redis-ops ")).unwrap_or_else(|| panic!("no line: {hint}"));
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn where_there_is_nothing_to_resume_one_complete_line_begins_anew() {
    let Some(pair) = Pair::new() else { return };
    for method in ["auto", "restore", "commands", "replica"] {
        // As a run leaves it that was killed after its last key, or early: without a journal.
        for keys in [500, 7, 0] {
            pair.target.ok(&["FLUSHALL"]);
            if keys > 0 {
                pair.target.fill(keys, 50);
            }
            let (code, answer) = pair.restore(&["--method", method, "--resume"]);
            assert_eq!((code, &answer["error"]["code"]), (2, &"nothing_to_resume".into()), "{method}: {answer}");
            let line = line_in(&answer);
            assert_eq!(line.iter().any(|word| word == "replace"), keys > 0, "{line:?}");
            // Nobody has proven that what is there came from the backup.
            let asks = RedisOps::new().args(&line).json();
            assert_eq!(
                (asks.0, &asks.1["error"]["code"] == "not_confirmed"),
                if keys > 0 { (2, true) } else { (0, false) },
                "{asks:?}"
            );
            let (code, answer) = if keys > 0 { RedisOps::new().args(&line).arg("--yes").json() } else { asks };
            assert_eq!((code, &answer["proof"]["equal"]), (0, &501.into()), "{method}, {keys} keys: {answer}");
        }
    }
    let (code, answer) = pair.restore(&["--method", "replica"]);
    assert_eq!((code, &answer["error"]["code"]), (2, &"target_not_empty".into()), "{answer}");
    let (code, answer) = RedisOps::new().args(line_in(&answer)).arg("--yes").json();
    assert_eq!((code, &answer["proof"]["equal"]), (0, &501.into()), "{answer}");
}

/// What a target holds may be somebody's own: no line that is ready to be typed writes over it without a question.
#[test]
fn a_refusal_offers_no_line_that_overwrites_unasked_and_the_plan_knows_when_there_is_nothing_to_resume() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(10, 10);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dump.rdb");
    std::fs::write(&file, crate::restore::support::saved(&source)).unwrap();
    let restore = |more: &[&str]| {
        let words = ["restore", "--target-instance", &target.url(), "--file"];
        RedisOps::new().args(words).arg(&file).args(more).json()
    };
    for holds in [false, true] {
        if holds {
            target.ok(&["SET", "mine", "1"]);
            let (code, answer) = restore(&[]);
            assert_eq!((code, &answer["error"]["code"]), (2, &"target_not_empty".into()), "{answer}");
            let hint = answer["error"]["hint"].as_str().unwrap();
            assert!(!hint.contains("--yes") && !hint.contains("--no-safety-backup"), "{hint}");
        }
        for method in ["auto", "restore", "commands"] {
            for plan in [true, false] {
                let words = [&["--method", method, "--resume"][..], if plan { &["--plan"] } else { &[] }].concat();
                let (code, answer) = restore(&words);
                assert_eq!((code, &answer["error"]["code"]), (2, &"nothing_to_resume".into()), "{words:?}: {answer}");
                let hint = answer["error"]["hint"].as_str().unwrap();
                assert!(!hint.contains("--yes") && !hint.contains("--no-safety-backup"), "{hint}");
            }
        }
        assert_eq!(target.ok(&["DBSIZE"]), if holds { "1" } else { "0" });
    }
}

#[test]
fn a_proof_that_is_cut_off_names_the_line_that_proves_it() {
    let Some(pair) = Pair::new() else { return };
    pair.source.fill(30_000, 100);
    let (code, answer) = RedisOps::new().args(["-i", &pair.source.url(), "-r", &pair.repository(), "backup"]).json();
    assert_eq!(code, 0, "{answer}");
    for (signal, ended) in [("TERM", 143), ("INT", 130), ("", 2)] {
        pair.target.ok(&["FLUSHALL"]);
        let (repository, url) = (pair.repository(), pair.target.url());
        let line = ["-r", &repository, "restore", "--backup-id", "latest", "--target-instance", &url];
        let mut restore = RedisOps::new().args(line).args(["--method", "restore"]).spawn();
        restore.wait_until_it_says("comparing the target with the backup");
        if signal.is_empty() {
            // Both tries lose their connections.
            while !restore.has_ended() {
                pair.target.ok(&["CLIENT", "KILL", "TYPE", "normal"]);
                pair.target.ok(&["CLIENT", "KILL", "TYPE", "replica"]);
            }
        } else {
            restore.signal(signal);
        }
        let run = restore.wait();
        assert_eq!(run.code, ended, "{}", run.stderr);
        assert!(run.stderr.contains("but the restore is not proven"), "{}", run.stderr);
        assert_eq!(run.stderr.contains("comparing once more"), signal.is_empty(), "{}", run.stderr);
        let line = run.stderr.split('`').find_map(|part| part.strip_prefix("redis-ops verify ")).expect("a line");
        let (code, answer) = RedisOps::new().arg("verify").args(line.split(' ')).json();
        assert_eq!(code, 0, "{line}: {answer}");
    }
}

#[test]
fn a_backup_is_written_to_a_file_that_a_server_loads() {
    let Some(pair) = Pair::new() else { return };
    let file = pair.folder.path().join("out.rdb");
    let line = ["-r", &pair.repository(), "restore", "--backup-id", "latest", "--to-file"];
    let (code, answer) = RedisOps::new().args(line).arg(&file).json();
    assert_eq!((code, &answer["result"]["restored"]), (0, &501.into()), "{answer}");
    let server = RedisServer::builder().dump(&file).start().unwrap();
    assert_eq!(server.ok(&["DBSIZE"]), "501");
    // What is there is not overwritten.
    let (code, answer) = RedisOps::new().args(line).arg(&file).json();
    assert_eq!((code, &answer["error"]["code"]), (2, &"already_exists".into()), "{answer}");

    let folder = pair.folder.path().join("data");
    let line = ["-r", &pair.repository(), "restore", "--backup-id", "latest", "--to-dir"];
    let (code, answer) = RedisOps::new().args(line).arg(&folder).json();
    assert_eq!(code, 0, "{answer}");
    assert!(folder.join("appendonlydir").is_dir(), "{answer}");
    let (code, answer) = RedisOps::new().args(line).arg(&folder).json();
    assert_eq!((code, &answer["error"]["code"]), (2, &"already_exists".into()), "{answer}");
    assert!(answer["error"]["hint"].as_str().unwrap().starts_with("nothing was written"), "{answer}");
}

#[test]
fn a_choice_that_no_key_meets_is_not_told_as_a_success() {
    let Some(pair) = Pair::new() else { return };
    let (code, answer) = pair.restore(&["--keys", "nobody:*"]);
    let result = &answer["result"];
    assert_eq!((code, &result["restored"], &result["skipped_by_choice"]), (3, &0.into(), &501.into()), "{answer}");
    assert_eq!(answer["proof"], Value::Null, "there is nothing to prove");
    let (code, answer) = pair.restore(&["--keys", "nobody:*", "--plan"]);
    assert_eq!((code, &answer["error"]["code"]), (3, &"nothing_chosen".into()), "{answer}");
    let line = ["--keys", "nobody:*"];
    let (repository, url) = (pair.repository(), pair.target.url());
    let run = RedisOps::new().args(["-r", &repository, "restore", "--backup-id", "latest", "--target-instance", &url]);
    let run = run.args(line).run();
    assert!(
        run.everything().contains("nothing was restored: the backup has 501 keys, but none matches"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_choice_that_no_key_meets_removes_nothing() {
    let Some(source) = RedisServer::start() else { return };
    source.fill(50, 10);
    let stored = Stored::of(&source);
    let target = RedisServer::start().unwrap();
    target.ok(&["SET", "precious", "1"]);
    for choice in [["--keys", "nobody:*"], ["--db", "7"], ["--type", "stream"], ["--exclude", "*"]] {
        for method in ["auto", "restore", "commands"] {
            for more in [&[][..], &["--skip-verify"], &["--plan"]] {
                let words = ["--method", method, "--replace-all", "--no-safety-backup", "--yes"];
                let (code, answer) = stored.restore(&target, &[&choice[..], &words, more].concat());
                let told = (code, &answer["error"]["code"], &answer["status"]);
                assert_eq!(
                    told,
                    (3, &"nothing_chosen".into(), &"unknown".into()),
                    "{choice:?} {method} {more:?}: {answer}"
                );
                assert_eq!(target.ok(&["GET", "precious"]), "1", "{choice:?} {method} {more:?}");
            }
        }
        // Whatever else stands against it.
        for more in [&["--on-conflict", "skip"][..], &[]] {
            let (code, answer) = stored.restore(&target, &[&choice[..], more].concat());
            assert_eq!((code, &answer["error"]["code"]), (3, &"nothing_chosen".into()), "{choice:?}: {answer}");
            assert!(answer["error"].to_string().contains(&format!("none matches `{}`", choice[0])), "{answer}");
        }
    }
    // A backup without keys is what it is.
    source.ok(&["FLUSHALL"]);
    let (code, answer) = Stored::of(&source).restore(&target, &["--keys", "nobody:*", "--on-conflict", "skip"]);
    assert_eq!((code, &answer["error"]), (0, &Value::Null), "{answer}");
}

#[test]
fn the_names_of_keys_that_would_be_lost_are_listed_or_hidden() {
    let (Some(new), Some(old)) = (server_named("redis-server-8.0"), server_named("redis-server-6.2")) else { return };
    let (source, target) =
        (RedisServer::builder().version(&new).start().unwrap(), RedisServer::builder().version(&old).start().unwrap());
    for number in 0..4 {
        let name = format!("secret:{number}");
        source.ok(&["HSET", &name, "a", "1"]);
        source.ok(&["HPEXPIREAT", &name, "4102444800000", "FIELDS", "1", "a"]);
    }
    let stored = Stored::of(&source);
    let run = stored.restoring(&target, &["--plan"]).run();
    assert!(run.code == 2 && run.text().matches("`secret:").count() >= 3, "{}", run.text());
    let (_, answer) = stored.restore(&target, &["--plan"]);
    let line = answer["plan"]["lines"].as_array().unwrap().iter().find(|line| line["code"] == "field_expiry_lost");
    assert_eq!(line.unwrap()["keys"].as_array().unwrap().len(), 4, "{answer}");
    let run = stored.restoring(&target, &["--plan", "--hide-keys"]).run();
    assert!(run.text().contains("`sha256:") && !run.everything().contains("secret:"), "{}", run.everything());
    let run = stored.restoring(&target, &["--accept-loss", "--hide-keys", "--json"]).run();
    assert!(run.code == 1 && !run.everything().contains("secret:"), "{}", run.everything());
}
