//! `verify --instance` without a backup: which one is meant, and how differences are told.

use super::verify;
use crate::backup::{Folder, backed_up};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;

/// The settings of two servers, and the folder of their backups.
fn settings(folder: &Folder, prod: &RedisServer, staging: &RedisServer) -> String {
    format!(
        "instances:\n  prod: {{ url: \"{}\" }}\n  staging: {{ url: \"{}\" }}\n  spare: {{ host: 127.0.0.1, port: 1 }}\nbackup: {{ destination: \"{}\" }}\n",
        prod.url(),
        staging.url(),
        folder.text()
    )
}

#[test]
fn an_instance_is_compared_with_what_was_restored_into_it_until_a_newer_good_backup_is_there() {
    let (Some(prod), Some(staging)) = (RedisServer::start(), RedisServer::start()) else { return };
    prod.fill(100, 10);
    let folder = Folder::new();
    let settings = settings(&folder, &prod, &staging);
    let run = |line: &[&str]| RedisOps::new().file("redis-ops.yaml", &settings).args(line).args(["--progress", "none"]);
    let id = |answer: &serde_json::Value| answer["backup"]["id"].as_str().expect("an id").to_owned();
    let (code, answer) = run(&["backup", "-i", "prod"]).json();
    assert_eq!(code, 0, "{answer}");
    let of_prod = id(&answer);
    let (code, answer) = run(&["backup", "-i", "staging"]).json();
    assert_eq!(code, 0, "{answer}");
    let before = id(&answer);

    // Nothing was restored: the newest of its own.
    let (code, answer) = run(&["verify", "--instance", "staging"]).json();
    assert_eq!((code, &answer["backup_id"]), (0, &before.as_str().into()), "{answer}");
    assert_eq!(answer["chosen"]["how"], "newest");

    let (code, answer) = run(&["restore", "--backup-id", "prod/latest", "--target-instance", "staging"]).json();
    assert_eq!(code, 0, "{answer}");
    let verified = run(&["verify", "--instance", "staging", "--json"]).run();
    let answer = verified.json();
    assert_eq!((verified.code, &answer["backup_id"]), (0, &of_prod.as_str().into()), "{answer}");
    assert_eq!((&answer["instance"], &answer["chosen"]["how"]), (&"prod".into(), &"restored".into()));
    assert!(verified.stderr.contains(&format!("backup prod/{of_prod} (")), "{}", verified.stderr);
    assert!(verified.stderr.contains("it was restored into staging at "), "{}", verified.stderr);

    // A newer one of the instance itself, and somebody has written since.
    staging.ok(&["SET", "of staging", "1"]);
    let (code, answer) = run(&["backup", "-i", "staging"]).json();
    assert_eq!(code, 0, "{answer}");
    let newest = id(&answer);
    let verified = run(&["verify", "--instance", "staging", "--json"]).run();
    let answer = verified.json();
    assert_eq!((verified.code, &answer["backup_id"]), (0, &newest.as_str().into()), "{answer}");
    let why = answer["chosen"]["why"].as_str().expect("a reason");
    assert!(why.starts_with(&format!("the newest good backup of staging, taken after prod/{of_prod} was")), "{why}");

    // One that was found damaged is no good one.
    let object = folder.path().join("staging").join(&newest).join("dump.rdb.gz");
    let mut bytes = std::fs::read(&object).expect("the object");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&object, bytes).expect("the object");
    assert_eq!(run(&["verify", "--backup-id", &format!("staging/{newest}"), "--level", "checksum"]).run().code, 2);
    let (_, answer) = run(&["verify", "--instance", "staging"]).json();
    assert_eq!((&answer["backup_id"], &answer["chosen"]["how"]), (&of_prod.as_str().into(), &"restored".into()));
}

#[test]
fn differences_are_told_by_side_those_on_both_sides_first() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(200, 10);
    server.ok(&["SET", "changes", "1"]);
    let folder = Folder::new();
    backed_up(&server.url(), &folder.text(), &[]);
    server.ok(&["FLUSHALL"]);
    server.ok(&["SET", "changes", "2"]);
    server.ok(&["SET", "comes", "1"]);
    let run = verify(&folder, &["-i", &server.url(), "--backup-id", "latest", "--limit", "10"]).run();
    assert_eq!(run.code, 2, "{}", run.everything());
    let lines: Vec<&str> = run.text().lines().collect();
    let first = lines.iter().position(|line| line.starts_with("DIFFERENCE")).expect("a table") + 1;
    assert!(lines[first].starts_with("other value") && lines[first].contains("changes"), "{lines:#?}");
    assert!(lines[first + 1].starts_with("only in the backup"), "{lines:#?}");
    assert_eq!(lines[first + 10], "… 192 more");
    let verdict = lines.last().expect("a verdict");
    assert!(
        verdict.contains("1 different (1 in value), 200 only in the backup, 1 only in the instance; 0 equal"),
        "{verdict}"
    );
    let run = verify(&folder, &["-i", &server.url(), "--backup-id", "latest", "--keys", "c*"]).run();
    assert!(run.text().contains("only in the instance") && !run.text().contains(" more"), "{}", run.text());
}

#[test]
fn a_backup_is_not_compared_with_itself() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    let id = super::backup_into(&folder, &server);
    for (one, other) in [("latest", "latest"), (&id, "prod/latest"), ("prod/latest", &id)] {
        let (code, answer) = verify(&folder, &["--backup-id", one, "--against", other]).json();
        assert_eq!((code, &answer["error"]["code"]), (3, &"usage".into()), "{answer}");
        let said = answer["error"]["message"].as_str().expect("a message");
        assert_eq!(said, format!("the backup prod/{id} would be compared with itself"));
    }
    super::backup_into(&folder, &server);
    let (code, answer) = verify(&folder, &["--backup-id", "latest", "--against", &id]).json();
    assert_eq!(code, 0, "{answer}");
}
