//! What `list` and `show` know of backups: whose they are, how old, what a verification found, what became of them.

use serde_json::Value;

use super::{backup_into, verify};
use crate::backup::Folder;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;

fn list(folder: &Folder, more: &[&str]) -> RedisOps {
    RedisOps::new().args(["list", "-r", &folder.text(), "--progress", "none"]).args(more)
}

fn show(folder: &Folder, more: &[&str]) -> RedisOps {
    RedisOps::new().args(["show", "-r", &folder.text(), "--progress", "none"]).args(more)
}

#[test]
fn an_instance_that_nobody_knows_is_no_empty_list() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    backup_into(&folder, &server);
    let settings = "instances:\n  prod: { host: a }\n  spare: { host: b }\n";
    let (code, answer) = list(&folder, &["-i", "prd"]).file("redis-ops.yaml", settings).json();
    assert_eq!((code, &answer["error"]["code"]), (3, &"not_found".into()), "{answer}");
    let said = answer["error"]["message"].as_str().expect("a message");
    assert!(said.starts_with("there is no instance `prd`, neither in the settings nor in "), "{said}");
    assert_eq!(answer["error"]["hint"], "did you mean `prod`? there are: `prod`, `spare`");
    let (code, answer) = verify(&folder, &["--all", "-i", "prd"]).file("redis-ops.yaml", settings).json();
    assert_eq!((code, &answer["error"]["code"]), (3, &"not_found".into()), "{answer}");
    // One of the settings is there, with backups or without.
    let run = list(&folder, &["-i", "spare"]).file("redis-ops.yaml", settings).run();
    assert!(run.code == 0 && run.text().starts_with("ok: no backups of spare yet in "), "{}", run.everything());
    let (code, answer) = list(&folder, &["-i", "spare"]).file("redis-ops.yaml", settings).json();
    assert_eq!((code, answer["backups"].as_array().map(Vec::len)), (0, Some(0)), "{answer}");
    // Backups outlive the settings.
    assert_eq!(list(&folder, &["-i", "prod"]).run().code, 0);
    assert_eq!(list(&folder, &["-i", &server.url()]).run().code, 3);
    // A typed instance filters: another's backup is not shown in its place.
    let (code, answer) = show(&folder, &["latest", "-i", "spare"]).file("redis-ops.yaml", settings).json();
    assert_eq!((code, &answer["error"]["code"]), (3, &"not_found".into()), "{answer}");
    assert_eq!(show(&folder, &["latest", "-i", "prod"]).run().code, 0);
}

#[test]
fn a_list_is_as_long_as_it_is_wanted() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    let ids: Vec<String> = (0..3).map(|_| backup_into(&folder, &server)).collect();
    let of_another = ["backup", "-i", &server.url(), "--name", "other", "-r", &folder.text(), "--progress", "none"];
    assert_eq!(RedisOps::new().args(of_another).run().code, 0);
    let names = |more: &[&str]| {
        let (code, answer) = list(&folder, more).json();
        assert_eq!(code, 0, "{answer}");
        let name =
            |backup: &Value| format!("{}/{}", backup["instance"].as_str().unwrap(), backup["id"].as_str().unwrap());
        let names: Vec<String> = answer["backups"].as_array().expect("backups").iter().map(name).collect();
        (names, answer["left_out"].as_u64())
    };
    let of_prod = |ids: &[String]| ids.iter().rev().map(|id| format!("prod/{id}")).collect::<Vec<_>>();
    assert_eq!(names(&["-i", "prod", "--limit", "2"]), (of_prod(&ids[1..]), Some(1)));
    assert_eq!(names(&["-i", "prod", "--since", "1h"]), (of_prod(&ids), Some(0)));
    assert_eq!(names(&["--since", "2999-01-01"]).0.len(), 0);
    assert_eq!(names(&["--since", "2020-01-01T00:00:00Z"]).0.len(), 4);
    let (mut latest, _) = names(&["--latest"]);
    latest.sort();
    assert_eq!((latest.len(), &latest[1]), (2, &format!("prod/{}", ids[2])));
    assert!(latest[0].starts_with("other/"));

    let run = list(&folder, &["-i", "prod", "--limit", "1"]).run();
    let head = run.text().lines().next().expect("a heading");
    assert!(head.contains("TAKEN (UTC)") && head.contains("AGE"), "{head}");
    assert!(run.text().ends_with("; … 2 more (`--limit`)\n"), "{}", run.text());
    let run = list(&folder, &["--since", "yesterday"]).run();
    assert!(run.code == 3 && run.stderr.contains("a span of time (7d), a day (2026-11-01)"), "{}", run.everything());
}

#[test]
fn what_a_verification_found_is_said_in_words() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(100, 10);
    let folder = Folder::new();
    let id = backup_into(&folder, &server);
    let (code, answer) = show(&folder, &["latest"]).json();
    assert_eq!((code, answer["receipts"].as_array().map(Vec::len)), (0, Some(0)), "{answer}");
    assert_eq!(verify(&folder, &["--backup-id", "latest"]).run().code, 0);
    let run = show(&folder, &["latest"]).run();
    assert!(run.code == 0 && run.text().contains("good at level structure"), "{}", run.everything());

    // It is restored somewhere.
    let Some(target) = RedisServer::start() else { return };
    let url = target.url();
    let line = ["restore", "-r", &folder.text(), "--backup-id", "prod/latest", "--target-instance", &url];
    assert_eq!(RedisOps::new().args(line).args(["--progress", "none"]).run().code, 0);
    let (code, answer) = show(&folder, &["latest"]).json();
    let receipts = answer["receipts"].as_array().expect("receipts");
    let restored = receipts.iter().find(|receipt| receipt["kind"] == "restore").expect("a restore");
    assert_eq!((code, &restored["restored"], &restored["proven"]), (0, &100.into(), &true.into()), "{answer}");
    assert!(show(&folder, &["latest"]).run().text().contains("100 keys into 127.0.0.1-"), "{answer}");

    // Then its object is damaged, and somebody verifies it.
    let object = folder.path().join("prod").join(&id).join("dump.rdb.gz");
    let bytes = std::fs::read(&object).expect("the object");
    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&object, damaged).expect("the object");
    let (code, found) = verify(&folder, &["--backup-id", "latest", "--level", "checksum"]).json();
    let found = found["findings"][0]["title"].as_str().expect("a finding").to_owned();
    assert_eq!(code, 2, "{found}");
    let run = list(&folder, &[]).run();
    let note = format!("damaged: prod/{id}: {found}");
    assert!(run.code == 1 && run.text().contains(&note), "{}", run.text());
    assert!(run.text().contains(", 1 damaged"), "{}", run.text());
    let (_, answer) = list(&folder, &[]).json();
    assert_eq!(answer["backups"][0]["verified_found"][0], found.as_str(), "{answer}");
    let run = show(&folder, &["latest"]).run();
    assert_eq!(run.code, 2, "{}", run.everything());
    assert!(run.text().contains(&format!("UTC) found: {found}")), "{}", run.text());
    let (code, answer) = show(&folder, &["latest"]).json();
    assert_eq!((code, &answer["status"]), (2, &"failed".into()), "{answer}");

    // It is put right, and found good again.
    std::fs::write(&object, bytes).expect("the object");
    assert_eq!(verify(&folder, &["--backup-id", "latest"]).run().code, 0);
    assert_eq!(show(&folder, &["latest"]).run().code, 0);

    // Then it is gone.
    std::fs::remove_file(&object).expect("the object");
    let (code, answer) = show(&folder, &["latest"]).json();
    assert_eq!((code, &answer["missing_objects"]), (2, &serde_json::json!(["dump.rdb.gz"])), "{answer}");
    let run = show(&folder, &["latest"]).run();
    assert!(run.text().contains("it is not complete: the object dump.rdb.gz is missing"), "{}", run.text());
}

#[test]
fn backups_that_are_switched_off_are_no_failure_of_a_cron_job() {
    let folder = Folder::new();
    let settings = format!(
        "instances:\n  prod: {{ host: 127.0.0.1, port: 1 }}\nbackup:\n  enabled: false\n  schedule: \"0 1 * * *\"\n  destination: \"{}\"\n",
        folder.text()
    );
    let backup = || RedisOps::new().file("redis-ops.yaml", &settings).args(["backup", "-i", "prod", "--if-due"]);
    let run = backup().run();
    assert_eq!(run.code, 0, "{}", run.everything());
    assert_eq!(run.text(), "ok: no backup of prod is taken: the settings say `backup.enabled: false`\n");
    let (code, answer) = backup().json();
    assert_eq!((code, &answer["due"], &answer["enabled"]), (0, &false.into(), &false.into()), "{answer}");
}
