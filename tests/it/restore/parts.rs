//! A backup that is not all of its cluster, or not of this day, is never restored or verified without a word about that.

use super::stored::{Stored, backup_of};
use crate::support::redis_server::RedisServer;

fn line<'a>(plan: &'a serde_json::Value, code: &str) -> &'a str {
    let lines = plan["plan"]["lines"].as_array().unwrap();
    let found = lines.iter().find(|line| line["code"] == code);
    found.unwrap_or_else(|| panic!("no line {code}: {plan}"))["text"].as_str().unwrap()
}

fn plan(stored: &Stored) -> serde_json::Value {
    let target = RedisServer::start().unwrap();
    let (code, answer) = stored.restore(&target, &["--plan"]);
    assert_eq!(code, 0, "{answer}");
    answer
}

#[test]
fn a_plan_and_a_verification_say_that_a_backup_is_one_shard_or_stale() {
    let Some(stored) = backup_of(100) else { return };
    let (code, whole) = stored.verify(&[]).json();
    assert_eq!((code, &whole["stale"], whole.get("slots")), (0, &false.into(), None), "{whole}");
    assert!(!plan(&stored).to_string().contains("one_shard"));

    stored.rewrite_manifest(|manifest| {
        manifest.shards[0].slots = Some("0-5460".into());
        manifest.stale = true;
    });
    let planned = plan(&stored);
    assert!(line(&planned, "one_shard").contains("slots 0-5460"), "{planned}");
    assert!(line(&planned, "stale").contains("its data may be old"), "{planned}");
    let (code, verified) = stored.verify(&[]).json();
    assert_eq!((code, &verified["stale"], &verified["slots"]), (0, &true.into(), &"0-5460".into()), "{verified}");
    let text = stored.verify(&[]).run();
    for words in ["one shard of a cluster only (slots 0-5460)", "its data may be old"] {
        assert!(text.text().contains(words), "{}", text.text());
    }
}
