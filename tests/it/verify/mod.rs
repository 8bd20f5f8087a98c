//! Proof: instances held against backups, backups against each other, drills, walks, and looks inside.

mod all;
mod drill;
mod file;
mod foreign;
mod inside;
mod instance;
mod lies;
mod mutations;
mod poison;
mod two;

use serde_json::Value;

use crate::backup::{Folder, backed_up};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;

/// A repository with one backup of a server, under the name `prod`; and the backup's id.
#[track_caller]
fn repository_of(server: &RedisServer) -> (Folder, String) {
    let folder = Folder::new();
    let id = backup_into(&folder, server);
    (folder, id)
}

/// One more backup; its id.
#[track_caller]
fn backup_into(folder: &Folder, server: &RedisServer) -> String {
    backed_up(&server.url(), &folder.text(), &[])["backup"]["id"].as_str().expect("an id").to_owned()
}

/// `redis-ops verify` on a repository.
fn verify(folder: &Folder, more: &[&str]) -> RedisOps {
    RedisOps::new().args(["verify", "-r", &folder.text(), "--progress", "none"]).args(more)
}

/// Missing, extra, different, and the keys that are named, as `difference name`, sorted.
fn told(answer: &Value) -> ([u64; 3], Vec<String>) {
    let comparison = &answer["comparison"];
    let count = |name: &str| comparison[name].as_u64().unwrap_or_else(|| panic!("no {name} in {answer:#}"));
    let by_key = comparison["by_key"].as_array().unwrap_or_else(|| panic!("no by_key in {answer:#}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut named: Vec<String> =
        by_key.iter().map(|key| format!("{} {}", text(&key["difference"]), text(&key["key"]))).collect();
    named.sort();
    ([count("missing"), count("extra"), count("different")], named)
}
