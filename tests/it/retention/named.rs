//! Which backup is meant where several instances have one: the hint offers each, and picks none.

use super::days_ago;
use crate::backup::Folder;
use crate::support::redis_ops::RedisOps;

fn two() -> Option<(Folder, String, String)> {
    let folder = Folder::new();
    let first = days_ago(3, "blue", &folder.text())?;
    let second = days_ago(1, "green", &folder.text())?;
    Some((folder, first, second))
}

#[test]
fn the_hint_of_an_ambiguous_latest_offers_each_instance() {
    let Some((folder, ..)) = two() else { return };
    let run = RedisOps::new().args(["show", "latest", "-r", &folder.text(), "--json"]).run();
    let error = &run.json()["error"];
    assert_eq!((run.code, &error["code"]), (3, &"ambiguous".into()), "{}", run.everything());
    assert_eq!(error["message"], "`latest` is ambiguous: the repository holds backups of blue and green");
    assert_eq!(error["hint"], "choose the instance: `--backup-id blue/latest` or `--backup-id green/latest`");
    // What is offered can be typed.
    let run = RedisOps::new().args(["show", "--backup-id", "green/latest", "-r", &folder.text()]).run();
    assert_eq!(run.code, 0, "{}", run.everything());
}

#[test]
fn a_removal_without_a_question_wants_the_whole_id_and_says_how_it_is_typed() {
    let Some((folder, _, newest)) = two() else { return };
    let delete =
        |id: &str| RedisOps::new().args(["delete", id, "-r", &folder.text(), "--yes", "--last", "--json"]).run();
    let line = format!("to delete this backup: `redis-ops delete green/{newest} -r file://{} --yes`", folder.text());
    for (id, words) in [
        (
            "green/latest",
            "`green/latest` may be another backup by the time it is removed: with `--yes`, `delete` needs the whole id",
        ),
        (
            &newest[..],
            "names no instance, and the repository holds backups of 2 instances: with `--yes`, `delete` needs INSTANCE/ID",
        ),
    ] {
        let run = delete(id);
        let error = &run.json()["error"];
        assert_eq!((run.code, &error["code"]), (3, &"usage".into()), "{}", run.everything());
        assert!(error["message"].as_str().is_some_and(|text| text.ends_with(words)), "{error}");
        assert_eq!(error["hint"], line.as_str(), "{id}");
    }
    let run = delete(&format!("green/{newest}"));
    assert_eq!(run.code, 0, "{}", run.everything());
}
