//! Proof: instances held against backups, backups against each other, drills, walks, and looks inside.

mod all;
mod chosen;
mod drill;
mod file;
mod foreign;
mod inside;
mod instance;
mod known;
mod lies;
mod manifest;
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

/// A repository with a backup that was taken while what `set` has made, to live so many milliseconds, was still there: each attempt that
/// took too long on this machine is followed by one with more time. Returns once the server itself says that it is gone.
#[track_caller]
fn repository_of_what_expires(
    server: &RedisServer,
    set: impl Fn(&str),
    lives: impl Fn(&RedisServer) -> bool,
) -> (Folder, String) {
    for milliseconds in ["500", "2000", "8000", "30000"] {
        set(milliseconds);
        let (folder, id) = repository_of(server);
        if lives(server) {
            server.wait_for("it expires", |server| !lives(server));
            return (folder, id);
        }
    }
    panic!("no backup ends within 30 seconds");
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
