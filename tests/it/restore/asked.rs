//! The one question of a destructive restore, asked on a terminal; and both sides by their names.

use serde_json::Value;

use super::stored::backup_of;
use crate::support::pty::Terminal;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;

/// `redis-prod` with a backup, and `redis-staging` with keys of its own, both by names of the settings.
struct Two {
    target: RedisServer,
    source: RedisServer,
    folder: tempfile::TempDir,
}

impl Two {
    fn new() -> Option<Self> {
        let (source, target) = (RedisServer::start()?, RedisServer::start()?);
        source.fill(500, 100);
        target.fill(300, 10);
        let folder = tempfile::tempdir().expect("a folder");
        let two = Self { target, source, folder };
        let settings = format!(
            "instances:\n  redis-prod: {{ url: \"{}\" }}\n  redis-staging: {{ url: \"{}\" }}\nbackup: {{ destination: \"{}\" }}\n",
            two.source.url(),
            two.target.url(),
            two.folder.path().join("backups").display(),
        );
        std::fs::create_dir(two.folder.path().join("backups")).expect("a folder");
        std::fs::write(two.settings(), settings).expect("the settings");
        let (code, answer) = RedisOps::new().args(["-c", &two.settings(), "backup", "-i", "redis-prod"]).json();
        assert_eq!(code, 0, "{answer}");
        Some(two)
    }

    fn settings(&self) -> String {
        self.folder.path().join("redis-ops.yaml").display().to_string()
    }

    fn asked(&self, ahead: &str, more: &[&str]) -> Terminal {
        let settings = self.settings();
        let line =
            ["-c", &settings, "restore", "--backup-id", "redis-prod/latest", "--target-instance", "redis-staging"];
        Terminal::start(&[&line[..], more].concat(), ahead)
    }

    fn restore(&self, more: &[&str]) -> RedisOps {
        let settings = self.settings();
        let line =
            ["-c", &settings, "restore", "--backup-id", "redis-prod/latest", "--target-instance", "redis-staging"];
        RedisOps::new().args(line).args(more)
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.target.port())
    }
}

const PROMPT: &str = "Type `redis-staging` to continue, anything else to stop:";

/// What stands on the screen, in one line with single spaces.
fn flat(shown: &str) -> String {
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_was_typed_before_the_question_is_no_answer_to_it() {
    let Some(two) = Two::new() else { return };
    for ahead in ["y\n", "yes\ny\nredis-staging\n", "redis-staging"] {
        let mut terminal = two.asked(ahead, &["--replace-all"]);
        terminal.wait_for(PROMPT);
        assert!(!terminal.has_ended(), "{ahead:?} is no answer: {}", terminal.shown());
        terminal.press("\n");
        let (code, shown) = terminal.end();
        assert_eq!(code, 2, "{ahead:?}: {shown}");
        assert!(shown.contains("not confirmed: nothing was done"), "{ahead:?}: {shown}");
        assert_eq!(two.target.ok(&["DBSIZE"]), "300");
    }
}

#[test]
fn the_question_names_both_sides_and_waits_while_the_name_is_typed_slowly() {
    let Some(two) = Two::new() else { return };
    let mut terminal = two.asked("", &["--replace-all"]);
    terminal.wait_for(PROMPT);
    let question = flat(&terminal.shown());
    let about = format!("This deletes all 300 keys in redis-staging ({}) and restores redis-prod/20", two.address());
    assert!(question.contains(&about), "{question}");
    assert!(question.contains(" old). A safety backup is taken first."), "{question}");
    for key in "redis-staging".chars() {
        // Longer than it takes a bar to move.
        std::thread::sleep(std::time::Duration::from_millis(250));
        terminal.press(&key.to_string());
    }
    terminal.wait_for("to stop:\r\nredis-staging");
    terminal.press("\n");
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(
        flat(&shown).contains(
            "this command undoes the restore, and deletes everything written to the target since: `redis-ops restore "
        ),
        "{shown}"
    );
    assert_eq!(two.target.ok(&["DBSIZE"]), "500");
}

#[test]
fn without_an_answer_nothing_is_done() {
    let Some(two) = Two::new() else { return };
    for (keys, said) in [
        ("\u{4}", "not confirmed: nothing was done"),
        // The first sends off what was typed, the second ends the input.
        ("redis-staging\u{4}\u{4}", "not confirmed: nothing was done"),
        ("yes\n", "not confirmed: nothing was done"),
        ("Redis-Staging\n", "not confirmed: nothing was done"),
    ] {
        let mut terminal = two.asked("", &["--on-conflict", "replace", "--no-safety-backup"]);
        terminal.wait_for(PROMPT);
        let question = flat(&terminal.shown());
        assert!(question.contains(") (300 keys) that are also in redis-prod/20"), "{question}");
        assert!(question.contains("No safety backup is taken: "), "{question}");
        terminal.press(keys);
        let (code, shown) = terminal.end();
        assert_eq!(code, 2, "{shown}");
        assert!(shown.contains(said), "{shown}");
    }
    let terminal = two.asked("", &["--replace-all"]);
    terminal.wait_for(PROMPT);
    terminal.interrupt();
    let (code, shown) = terminal.end();
    assert_eq!(code, 130, "{shown}");
    assert_eq!(two.target.ok(&["DBSIZE"]), "300");
}

#[test]
fn where_nobody_can_answer_the_refusal_says_what_would_be_asked() {
    let Some(two) = Two::new() else { return };
    let (code, answer) = two.restore(&["--replace-all"]).json();
    assert_eq!((code, &answer["error"]["code"]), (2, &"not_confirmed".into()), "{answer}");
    let said = answer["error"]["message"].as_str().expect("a message");
    assert!(said.starts_with("confirmation is needed, but there is no terminal. This deletes all 300 keys"), "{said}");
    check_sides(&two, &answer, false);
    assert_eq!(answer["safety_backup"], Value::Null);
}

/// Both sides stand in every answer.
#[track_caller]
fn check_sides(two: &Two, answer: &Value, is_source: bool) {
    let backup = &answer["backup"];
    assert_eq!((&backup["instance"], &backup["id"]), (&"redis-prod".into(), &answer["backup_id"]), "{answer}");
    assert!(backup["created_at"].is_string() && backup["age_seconds"].is_u64(), "{answer}");
    if is_source {
        assert_eq!(answer["target"]["is_source"], true, "{answer}");
    } else {
        let target = &answer["target"];
        assert_eq!((&target["instance"], &target["address"]), (&"redis-staging".into(), &two.address().into()));
        assert_eq!(target["is_source"], false, "{answer}");
    }
}

#[test]
fn plans_refusals_and_answers_name_the_backup_and_the_target() {
    let Some(two) = Two::new() else { return };
    let (code, answer) = two.restore(&[]).json();
    assert_eq!((code, &answer["error"]["code"]), (2, &"target_not_empty".into()), "{answer}");
    check_sides(&two, &answer, false);
    let said = answer["error"]["message"].as_str().expect("a message");
    assert!(
        said.starts_with("cannot restore redis-prod/20") && said.contains(" old) into redis-staging (127."),
        "{said}"
    );
    assert_eq!(answer["error"]["causes"][0], "the target holds 300 keys");
    let run = two.restore(&["--on-conflict", "skip", "--plan"]).run();
    assert!(run.text().contains(" old) would be restored into redis-staging (127.0.0.1:"), "{}", run.text());

    // `--quiet` swallows no way back.
    let run = two.restore(&["--replace-all", "--yes", "-q", "--json"]).run();
    let answer = run.json();
    assert_eq!(run.code, 0, "{answer}");
    check_sides(&two, &answer, false);
    let safety = &answer["safety_backup"];
    assert_eq!(safety["instance"], "redis-staging", "{answer}");
    let command = safety["command"].as_str().expect("a command");
    assert!(command.contains(safety["id"].as_str().expect("an id")), "{answer}");
    assert!(run.stderr.contains(&format!("everything written to the target since: `{command}`")), "{}", run.stderr);

    let run = two.restore(&["--replace-all", "--yes", "--no-proof"]).run();
    let text = flat(run.text());
    assert!(text.contains("500 keys of redis-prod/20") && text.contains(") restored into redis-staging ("), "{text}");
}

#[test]
fn a_plan_says_when_the_target_is_the_server_that_the_backup_was_taken_from() {
    let Some(two) = Two::new() else { return };
    let settings = two.settings();
    let line = ["-c", &settings, "restore", "latest", "--target-instance", "redis-prod", "--on-conflict", "skip"];
    let (code, answer) = RedisOps::new().args(line).arg("--plan").json();
    // All of its keys are there, and stay.
    assert_eq!(code, 1, "{answer}");
    check_sides(&two, &answer, true);
    let lines = answer["plan"]["lines"].as_array().expect("lines");
    let same = lines.iter().find(|line| line["code"] == "same_server").expect("a line about it");
    assert_eq!(same["text"], "the target is the server that the backup was taken from");
}

#[test]
fn functions_are_deleted_only_after_a_question_and_a_safety_backup() {
    let Some(two) = Two::new() else { return };
    two.target.ok(&["FLUSHALL"]);
    two.target.ok(&["FUNCTION", "LOAD", "#!lua name=mine\nredis.register_function('f', function() return 1 end)"]);
    let (code, plan) = two.restore(&["--replace-all", "--plan"]).json();
    assert_eq!(code, 0, "{plan}");
    assert!(
        plan.to_string()
            .contains("the target holds 0 keys and 1 function library: everything in the target is deleted first"),
        "{plan}"
    );
    let mut terminal = two.asked("", &["--replace-all"]);
    terminal.wait_for(PROMPT);
    let question = flat(&terminal.shown());
    assert!(question.contains("This deletes 1 function library in redis-staging"), "{question}");
    assert!(question.contains("A safety backup is taken first."), "{question}");
    terminal.press("redis-staging\n");
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(
        flat(&shown).contains(
            "this command undoes the restore, and deletes everything written to the target since: `redis-ops restore "
        ),
        "{shown}"
    );
    assert_eq!(two.target.ok(&["DBSIZE"]), "500");
}

#[test]
fn what_was_written_while_the_question_stood_there_is_not_deleted() {
    let Some(two) = Two::new() else { return };
    let mut terminal = two.asked("", &["--replace-all", "--no-safety-backup"]);
    terminal.wait_for(PROMPT);
    two.target.ok(&["SET", "mine", "x"]);
    terminal.press("redis-staging\n");
    let (code, shown) = terminal.end();
    assert_eq!(code, 2, "{shown}");
    assert!(flat(&shown).contains("now has 301 keys; you confirmed 300"), "{shown}");
    assert_eq!(two.target.ok(&["DBSIZE"]), "301");
}

#[test]
fn the_question_says_which_part_of_the_backup_is_put_there() {
    let Some(two) = Two::new() else { return };
    let mut terminal = two.asked("", &["--replace-all", "--no-safety-backup", "--keys", "key:1*"]);
    terminal.wait_for(PROMPT);
    let question = flat(&terminal.shown());
    assert!(question.contains("and restores the part of redis-prod/20"), "{question}");
    assert!(question.contains("that matches --keys 'key:1*'."), "{question}");
    terminal.press("\n");
    assert_eq!(terminal.end().0, 2);
}

#[test]
fn a_restore_of_a_part_and_a_comparison_of_nothing_prove_nothing() {
    let Some(two) = Two::new() else { return };
    let settings = two.settings();
    let verify = |more: &[&str]| RedisOps::new().args(["-c", &settings, "verify"]).args(more).json();
    let nothing = ["-i", "redis-staging", "--backup-id", "redis-prod/latest", "--keys", "none:*"];
    let (code, answer) = verify(&nothing);
    assert_eq!((code, &answer["status"]), (3, &"unknown".into()), "{answer}");

    let (code, answer) = RedisOps::new().args(["-c", &settings, "backup", "-i", "redis-staging"]).json();
    assert_eq!(code, 0, "{answer}");
    let (code, answer) = two.restore(&["--on-conflict", "skip", "--keys", "none:*"]).json();
    assert_eq!((code, &answer["error"]["code"]), (3, &"nothing_chosen".into()), "{answer}");
    let (_, answer) = verify(&["-i", "redis-staging"]);
    assert_eq!(answer["chosen"]["how"], "newest", "{answer}");
}

#[test]
fn a_server_that_a_restore_has_only_saved_is_no_instance_of_status() {
    let (Some(stored), Some(target)) = (backup_of(20), RedisServer::start()) else { return };
    target.ok(&["SET", "mine", "1"]);
    let (code, answer) = stored.restore(&target, &["--on-conflict", "replace", "--yes"]);
    assert!(code == 0 && answer["safety_backup"].is_object(), "{answer}");
    let place = stored.place();
    let run = RedisOps::new().args(["status", "-r", &place]).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    assert!(run.text().contains("1 instance with 1 backup,"), "{}", run.text());
    let saved = format!("127.0.0.1-{}: no backups, except 1 safety backup that restores have taken", target.port());
    assert!(run.text().contains(&saved), "{}", run.text());
    let (_, status) = RedisOps::new().args(["status", "-r", &place]).json();
    let only: Vec<_> = status["instances"].as_array().unwrap().iter().map(|one| &one["only_safety"]).collect();
    assert_eq!(only, [true, false], "{status}");
}
