//! Backups by the built binary: from real servers and from a scripted primary, to folders and to S3.

mod ahead;
mod away;
mod barrier;
mod cluster;
mod damaged;
mod end_to_end;
mod faults;
mod findings;
mod flat;
mod https;
mod interrupted;
mod leftovers;
mod lost_replies;
mod old;
mod others;
mod rights;
mod scan;
mod secrets;
mod services;
mod shards;
mod shutdown;
mod stale;
mod stores;
mod telling;
mod users;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::fake_primary::{Act, FakePrimary, Script};
use crate::support::redis_ops::{RedisOps, Run};

/// A repository in a folder of its own.
pub struct Folder {
    folder: TempDir,
}

impl Folder {
    pub fn new() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder") }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn text(&self) -> String {
        self.path().display().to_string()
    }

    /// Everything that lies in it, relative, sorted; without the marker, which stays whatever becomes of a backup.
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        collect(self.path(), self.path(), &mut found);
        found.retain(|file| file != "redis-ops-repository.json");
        found.sort();
        found
    }

    /// The one file of this name.
    #[track_caller]
    pub fn the(&self, name: &str) -> PathBuf {
        let found: Vec<String> = self.files().into_iter().filter(|file| file.ends_with(name)).collect();
        assert_eq!(found.len(), 1, "{name} among {:?}", self.files());
        self.path().join(&found[0])
    }
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            found.push(path.strip_prefix(root).expect("below").display().to_string());
        }
    }
}

/// A scripted primary that says in INFO what it is.
pub fn primary() -> Script {
    let info = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrole:master\r\nloading:0\r\n";
    FakePrimary::new().on("INFO", [Act::send(format!("${}\r\n{info}\r\n", info.len()))])
}

/// A backup of the server at `url` into a folder, with more arguments.
pub fn backup(url: &str, repository: &str, more: &[&str]) -> RedisOps {
    RedisOps::new().args(["backup", "-i", url, "--name", "prod", "-r", repository, "--progress", "none"]).args(more)
}

/// Backs up, which must go well, and returns the JSON answer.
#[track_caller]
pub fn backed_up(url: &str, repository: &str, more: &[&str]) -> Value {
    let run = backup(url, repository, more).arg("--json").run();
    assert_eq!(run.code, 0, "{}: {}{}", run.line, run.text(), run.stderr);
    run.json()
}

/// The end of a command that must have failed: its exit code and its stable error code.
#[track_caller]
pub fn failure(run: &Run) -> (i32, String) {
    let json = run.json();
    let code = json["error"]["code"].as_str().unwrap_or_else(|| panic!("no error in {json}"));
    let message = json["error"]["message"].as_str().unwrap_or_default();
    assert!(!message.is_empty(), "an error says what happened: {json}");
    (run.code, code.to_owned())
}
