//! A repository that an earlier version wrote is as good as ever.

use std::fs;
use std::path::Path;

use super::Folder;
use crate::support::fixtures::own_folder;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, servers};

/// A copy of what version 0.1.0 left of a Redis 6.2 with eight keys, before manifests had `findings`, `needs` and `module_aux`.
fn repository() -> Folder {
    repository_at("repository_of_0.1.0")
}

fn repository_at(name: &str) -> Folder {
    let folder = Folder::new();
    copy(&own_folder().join(name), folder.path());
    folder
}

/// What the same version left of such a server with zstd, without compression, and key by key.
#[test]
fn every_way_to_store_is_read() {
    let repository = repository_at("repository_of_0.1.0_codecs");
    let (code, list) = RedisOps::new().args(["list", "-r", &repository.text()]).json();
    assert_eq!((code, list["backups"].as_array().map(Vec::len)), (0, Some(3)), "{list}");
    let target = RedisServer::start();
    for (instance, object, verdict) in
        [("zstd", "dump.rdb.zst", 0), ("plain", "dump.rdb", 0), ("scan", "dump.rdb.gz", 1)]
    {
        let id = format!("{instance}/latest");
        let (code, show) = RedisOps::new().args(["show", &id, "-r", &repository.text()]).json();
        assert_eq!((code, show["backup"]["shards"][0]["object"].as_str()), (0, Some(object)), "{show}");
        let (code, verify) =
            RedisOps::new().args(["verify", "--backup-id", &id, "--census", "-r", &repository.text()]).json();
        assert!(code <= verdict && verify["checked"]["keys"] == 8, "{instance}: {code} {verify}");
        let Some(target) = &target else { continue };
        target.ok(&["FLUSHALL"]);
        let (code, restore) = RedisOps::new()
            .args(["restore", "--backup-id", &id, "-r", &repository.text()])
            .args(["--target-instance", &target.url(), "--yes", "--progress", "none"])
            .json();
        assert_eq!((code, restore["result"]["restored"].as_u64()), (0, Some(8)), "{instance}: {restore}");
        assert_eq!(target.ok(&["LRANGE", "queue", "0", "-1"]), "a\nb\nc");
    }
    // A repository without a marker is backed up into as ever.
    if let Some(server) = &target {
        super::backed_up(&server.url(), &repository.text(), &[]);
        let marker = fs::read_to_string(repository.path().join("redis-ops-repository.json")).expect("the marker");
        assert!(marker.contains("\"format_version\": 1"), "{marker}");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the fixture") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

#[test]
fn it_is_listed_shown_and_verified() {
    let repository = repository();
    let (code, list) = RedisOps::new().args(["list", "-r", &repository.text()]).json();
    let backup = &list["backups"][0];
    assert_eq!((code, backup["status"].as_str(), backup["keys"].as_u64()), (0, Some("published"), Some(8)), "{list}");

    let (code, show) = RedisOps::new().args(["show", "latest", "-r", &repository.text()]).json();
    assert_eq!((code, show["backup"]["structure"]["state"].as_str()), (0, Some("verified")), "{show}");
    assert_eq!(show["census"]["by_type"]["string"], 3, "{show}");

    let (code, verify) = RedisOps::new().args(["verify", "--backup-id", "latest", "-r", &repository.text()]).json();
    assert_eq!((code, verify["status"].as_str()), (0, Some("ok")), "{verify}");
}

#[test]
fn it_is_restored_into_every_server() {
    let repository = repository();
    for installed in servers() {
        let target = RedisServer::builder().version(&installed).start().unwrap();
        let url = target.url();
        let (code, restore) = RedisOps::new()
            .args(["restore", "--backup-id", "redis-prod/latest", "-r", &repository.text()])
            .args(["--target-instance", &url, "--yes", "--progress", "none"])
            .json();
        assert_eq!((code, restore["result"]["restored"].as_u64()), (0, Some(8)), "{}: {restore}", installed.name);
        assert_eq!(target.ok(&["HGET", "user:1", "name"]), "Ada");
        assert!(target.ok(&["PTTL", "session:1"]).parse::<i64>().unwrap() > 0);
    }
}

/// What each later format of a manifest left: three backups of one server and one file, with and without findings.
#[test]
fn every_form_of_the_manifest_is_listed_shown_verified_and_restored() {
    for name in ["repository_of_0.1.0_findings", "repository_with_moments"] {
        let repository = repository_at(name);
        let (code, list) = RedisOps::new().args(["list", "-r", &repository.text()]).json();
        let status: Vec<&str> =
            list["backups"].as_array().unwrap().iter().filter_map(|one| one["status"].as_str()).collect();
        assert_eq!((code, status), (0, vec!["published"; 3]), "{name}: {list}");
        for (instance, keys, verdict) in [("redis-prod", 9, 0), ("scan", 9, 1), ("findings", 2, 2)] {
            let id = format!("{instance}/latest");
            let (code, show) = RedisOps::new().args(["show", &id, "-r", &repository.text()]).json();
            assert_eq!((code, show["census"]["keys"].as_u64()), (0, Some(keys)), "{name} {id}: {show}");
            let (code, verify) = RedisOps::new().args(["verify", "--backup-id", &id, "-r", &repository.text()]).json();
            assert!(code <= verdict && (code == 2) == (verdict == 2), "{name} {id}: {code} {verify}");
        }
        for instance in ["redis-prod", "scan"] {
            let Some(target) = RedisServer::start() else { continue };
            let id = format!("{instance}/latest");
            let (code, restore) = RedisOps::new()
                .args(["restore", "--backup-id", &id, "-r", &repository.text(), "--accept-loss"])
                .args(["--target-instance", &target.url(), "--yes", "--progress", "none"])
                .json();
            assert!(code <= 1 && restore["result"]["restored"] == 9, "{name} {id}: {code} {restore}");
            assert_eq!(target.ok(&["GET", "greeting"]), "hello");
            assert_eq!(target.ok(&["XLEN", "log"]), "1");
        }
    }
}
