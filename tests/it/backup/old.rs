//! A repository that an earlier version wrote is as good as ever.

use std::fs;
use std::path::Path;

use super::Folder;
use crate::support::fixtures::own_folder;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, servers};

/// A copy of what version 0.1.0 left of a Redis 6.2 with eight keys, before manifests had `findings`, `needs` and `module_aux`.
fn repository() -> Folder {
    let folder = Folder::new();
    copy(&own_folder().join("repository_of_0.1.0"), folder.path());
    folder
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
