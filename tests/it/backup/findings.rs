//! What came as it was sent, but is not sound: it is kept, since it may be the only copy, and nobody calls it good.

use std::path::PathBuf;

use serde_json::Value;

use super::{Folder, backup};
use crate::support::fake_primary::{Act, FakePrimary, counted, full_resync};
use crate::support::fixtures::{self, own_folder};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, server_named};

fn primary_that_sends(rdb: &[u8]) -> FakePrimary {
    super::primary().on("PSYNC", [Act::send(full_resync(1)), Act::send(counted(rdb)), Act::Close]).start()
}

fn on(repository: &Folder, line: &[&str]) -> RedisOps {
    RedisOps::new().args(line).args(["-r", &repository.text(), "--progress", "none"])
}

#[test]
fn a_key_that_a_source_sends_twice_is_published_and_not_called_good_by_anybody() {
    let rdb = std::fs::read(own_folder().join("corrupt/key_twice.rdb")).unwrap();
    let repository = Folder::new();
    let run = backup(&primary_that_sends(&rdb).url(), &repository.text(), &["--json"]).run();
    let answer = run.json();
    let manifest = &answer["backup"];
    assert_eq!((run.code, &answer["status"]), (1, &"warning".into()), "{answer:#}");
    assert_eq!(manifest["structure"]["state"], "findings", "{answer:#}");
    assert_eq!(
        (&manifest["findings"][0]["id"], &manifest["findings"][0]["count"]),
        (&"duplicate_key".into(), &1.into())
    );
    assert!(
        manifest["findings"][0]["why"]
            .as_str()
            .unwrap()
            .contains("redis 7.4, redis 8.0, redis 8.10, valkey 7.2, valkey 8.0, valkey 8.1, valkey 9.1 crash on it"),
        "{answer:#}"
    );
    assert!(answer["warnings"].to_string().contains("a key is in the file"), "{answer:#}");

    // At every level, and in a walk.
    for level in ["manifest", "checksum", "structure"] {
        let (code, verified) = on(&repository, &["verify", "--backup-id", "latest", "--level", level]).json();
        assert_eq!((code, &verified["status"]), (2, &"failed".into()), "{level}: {verified:#}");
        let ids: Vec<&Value> = verified["findings"].as_array().unwrap().iter().map(|finding| &finding["id"]).collect();
        assert!(ids.contains(&&"duplicate_key".into()), "{level}: {verified:#}");
    }
    let (code, walked) = on(&repository, &["verify", "--all"]).json();
    assert_eq!((code, &walked["backups"][0]["status"]), (2, &"failed".into()), "{walked:#}");

    // `latest` chooses it, and says so.
    let run = on(&repository, &["show", "latest"]).run();
    assert!(run.stderr.contains("warning: the structure of prod/"), "{}", run.stderr);
    assert!(run.text().contains("finding      a key is in the file twice"), "{}", run.text());
    let (_, list) = on(&repository, &["list"]).json();
    assert_eq!((&list["backups"][0]["structure"], &list["backups"][0]["findings"]), (&"findings".into(), &1.into()));
    let run = on(&repository, &["list"]).run();
    assert!(
        run.text().contains(" findings ") && run.text().contains("1 with findings in the structure"),
        "{}",
        run.text()
    );

    // It counts as taken, but not as a good one.
    let settings = format!("backup:\n  destination: {}\n  schedule: \"* * 1 1 *\"\n", repository.text());
    let server = RedisServer::start();
    if let Some(server) = server {
        let line = ["backup", "-i", &server.url(), "--name", "prod", "--if-due"];
        let (code, due) = RedisOps::new().args(line).file("redis-ops.yaml", &settings).json();
        assert_eq!((code, &due["due"]), (0, &false.into()), "{due:#}");
        let settings = format!("instances:\n  prod:\n    url: {}\n", server.url());
        let run = on(&repository, &["metrics", "-i", "prod"]).file("redis-ops.yaml", &settings).run();
        assert_eq!(run.code, 0, "{}", run.everything());
        let text = run.text();
        assert!(text.contains("redis_ops_repository_up 1"), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("redis_ops_last_backup")), "{text}");
    }
}

/// Name of the stream in it.
const KEY: &str = "jobs";

/// A file whose stream says that it has five entries and has two.
fn wrong_length() -> PathBuf {
    own_folder().join("reports/stream_xlen_5_holds_2.rdb")
}

/// The two findings of one stream, with database, key and both counts.
#[track_caller]
fn check_named(code: i32, answer: &Value) {
    let manifest = &answer["backup"];
    // Redis 8.10 counts the entries, and compares the length with the number of entries ever added as well.
    assert_eq!((code, &manifest["structure"]["state"]), (1, &"findings".into()), "{answer:#}");
    let findings = manifest["findings"].as_array().unwrap();
    let ids: Vec<&Value> = findings.iter().map(|finding| &finding["id"]).collect();
    assert_eq!(ids, ["stream_length", "stream_counters"], "{answer:#}");
    for finding in findings {
        let place = &finding["places"][0];
        assert_eq!((&place["key"], &place["database"]), (&KEY.into(), &0.into()), "{place:#}");
    }
    let place = &findings[0]["places"][0];
    assert_eq!((&place["announced"], &place["found"]), (&5.into(), &2.into()), "{place:#}");
    let words = format!("`{KEY}` of database 0 announces 5, but holds 2");
    assert!(answer["warnings"].to_string().contains(&words), "{words}: {answer:#}");
    for words in ["its structure has 2 findings: ", "(redis 8.10 refuses it; "] {
        assert_eq!(answer["warnings"].to_string().matches(words).count(), 1, "{words}: {answer:#}");
    }
}

#[test]
fn a_stream_with_a_wrong_length_does_not_cost_the_other_keys() {
    // The file is of RDB version 10: Redis 7.0.
    for name in ["redis-server-7.0", "redis-server-7.4"] {
        let Some(installed) = server_named(name) else { return };
        let server = RedisServer::builder().version(&installed).dump(wrong_length()).start().unwrap();
        server.wait_for("it has loaded", |server| server.info("loading") == "0");
        server.ok(&["SET", "other", "value"]);
        let keys: u64 = server.ok(&["DBSIZE"]).parse().unwrap();
        for source in ["replication", "scan"] {
            let repository = Folder::new();
            let run = backup(&server.url(), &repository.text(), &["--source", source, "--json"]).run();
            check_named(run.code, &run.json());
            assert_eq!(run.json()["backup"]["census"]["keys"], keys, "{source}");

            // It is written as it is, and the server that wrote it starts with it.
            let folder = tempfile::tempdir().unwrap();
            let out = folder.path().join("out.rdb");
            let (code, written) =
                on(&repository, &["restore", "--backup-id", "prod/latest", "--to-file", out.to_str().unwrap()]).json();
            assert_eq!((code, &written["result"]["findings"][0]["id"]), (1, &"stream_length".into()), "{written:#}");
            let copy = RedisServer::builder().version(&installed).dump(out).start().unwrap();
            copy.wait_for("it has loaded", |copy| copy.info("loading") == "0");
            assert_eq!(
                (copy.ok(&["GET", "other"]).as_str(), copy.ok(&["DBSIZE"])),
                ("value", keys.to_string()),
                "{source}"
            );
        }
    }
}

#[test]
fn a_file_with_such_a_stream_is_adopted_byte_for_byte() {
    let repository = Folder::new();
    let path = wrong_length();
    let line = ["backup", "--from-file", path.to_str().unwrap(), "--name", "old", "--compression", "none"];
    let (code, answer) = on(&repository, &line).json();
    check_named(code, &answer);
    assert!(std::fs::read(repository.the("dump.rdb")).unwrap() == std::fs::read(&path).unwrap());
}

#[test]
fn what_crashes_any_server_is_never_adopted_as_sound() {
    let Some(folder) = fixtures::folder() else { return };
    let table = std::fs::read_to_string(folder.join("poison/SERVERS.tsv")).unwrap();
    let mut n_crashing = 0;
    for line in table.lines().skip(1).filter(|line| line.contains("CRASH")) {
        let name = line.split('\t').next().unwrap();
        let path = folder.join("poison").join(name);
        let repository = Folder::new();
        let line = ["backup", "--from-file", path.to_str().unwrap(), "--name", "poison"];
        let (code, answer) = on(&repository, &line).json();
        let state = &answer["backup"]["structure"]["state"];
        assert!(code == 2 || (code, state) == (1, &"findings".into()), "{name}: {answer:#}");
        n_crashing += 1;
    }
    assert!(n_crashing > 20, "{n_crashing} files of the table crash a server");
}

#[test]
fn what_cannot_be_read_on_is_kept_if_its_checksum_is_right_and_refused_if_not() {
    // A value of a type that no server has, in a file of a version that is known.
    let mut rdb = b"REDIS0009\xfa\x09redis-ver\x056.2.0\xfe\x00\x00\x01k\x01v\x77\x01x\x01y\xff".to_vec();
    rdb.extend_from_slice(&redis_ops::rdb::crc64(&rdb).to_le_bytes());
    let repository = Folder::new();
    let run = backup(&primary_that_sends(&rdb).url(), &repository.text(), &["--json"]).run();
    let manifest = &run.json()["backup"];
    assert_eq!((run.code, &manifest["structure"]["state"]), (1, &"findings".into()), "{}", run.text());
    assert_eq!((&manifest["findings"][0]["id"], &manifest["census"]), (&"unknown_type".into(), &Value::Null));
    let (code, verified) = on(&repository, &["verify", "--backup-id", "latest"]).json();
    assert_eq!((code, &verified["findings"][0]["id"]), (2, &"unknown_type".into()), "{verified:#}");

    for wrong in [rdb.len() - 1, 30] {
        let mut damaged = rdb.clone();
        damaged[wrong] ^= 1;
        let repository = Folder::new();
        let run = backup(&primary_that_sends(&damaged).url(), &repository.text(), &["--json"]).run();
        assert_eq!((run.code, repository.files()), (2, Vec::new()), "byte {wrong}: {}", run.text());
    }
}

#[test]
fn needs_and_module_data_stand_in_the_manifest() {
    let Some(folder) = fixtures::folder() else { return };
    let path = folder.join("reports/module_aux_index_valkey.rdb");
    let repository = Folder::new();
    let line = ["backup", "--from-file", path.to_str().unwrap(), "--name", "search"];
    let (_, answer) = on(&repository, &line).json();
    let manifest = &answer["backup"];
    let modules = manifest["module_aux"].as_object().unwrap_or_else(|| panic!("{answer:#}"));
    assert_eq!(modules.len(), 1, "{answer:#}");
    let module = modules.keys().next().unwrap();
    assert_eq!(manifest["needs"]["modules"], serde_json::json!([module]), "{answer:#}");
    let shown = on(&repository, &["show", "latest"]).run();
    assert!(shown.text().contains("module aux") && shown.text().contains(module.as_str()), "{}", shown.text());
}
