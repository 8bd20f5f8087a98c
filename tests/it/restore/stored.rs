//! A backup in a repository of its own, and restores of it as a person runs them.

use std::path::PathBuf;

use redis_ops::repository::manifest::Manifest;
use serde_json::Value;

use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Installed, RedisServer, on_each, server_named, servers};

/// An RDB that is stored as a backup, and the folder of what restores of it leave for `--resume`.
pub struct Stored {
    folder: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Stored {
    /// A backup of what a server holds.
    pub fn of(server: &RedisServer) -> Self {
        Self::with(server, &[])
    }

    /// The same, with more options.
    pub fn with(server: &RedisServer, more: &[&str]) -> Self {
        Self::made(server, more, 0)
    }

    /// A backup that is read key by key, which is a warning.
    pub fn by_scan(server: &RedisServer) -> Self {
        Self::made(server, &["--source", "scan"], 1)
    }

    fn made(server: &RedisServer, more: &[&str], expected: i32) -> Self {
        let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let line = ["-i", &server.url(), "-r", &folder.path().display().to_string(), "backup", "--name", "test"]
            .map(str::to_owned);
        let (code, answer) = RedisOps::new().args(line).args(more).json();
        assert_eq!(code, expected, "{answer}");
        Self { folder, state }
    }

    /// A restore of it, not started yet.
    pub fn restoring(&self, target: &RedisServer, more: &[&str]) -> RedisOps {
        self.restoring_into(&target.url(), more)
    }

    /// The same, with this address of the target.
    pub fn restoring_into(&self, url: &str, more: &[&str]) -> RedisOps {
        let repository = self.folder.path().display().to_string();
        let line = ["-r", &repository, "restore", "--backup-id", "test/latest", "--target-instance", url];
        RedisOps::new().args(line).args(more).env("XDG_STATE_HOME", self.state.path())
    }

    /// Anything typed, where restores have left what they need to go on.
    pub fn typed<'a>(&self, words: impl Iterator<Item = &'a str>) -> RedisOps {
        RedisOps::new().args(words).env("XDG_STATE_HOME", self.state.path())
    }

    /// What `XDG_STATE_HOME` is.
    pub fn state(&self) -> &std::path::Path {
        self.state.path()
    }

    /// Exit code and answer of a restore of it.
    #[track_caller]
    pub fn restore(&self, target: &RedisServer, more: &[&str]) -> (i32, Value) {
        self.restoring(target, more).json()
    }

    /// A restore of it to a file or folder, not started yet.
    pub fn to_disk(&self, more: &[&str]) -> RedisOps {
        RedisOps::new().args(["-r", &self.place(), "restore", "--backup-id", "test/latest"]).args(more)
    }

    /// A verification of it, not started yet.
    pub fn verify(&self, more: &[&str]) -> RedisOps {
        RedisOps::new().args(["-r", &self.place(), "verify", "--backup-id", "test/latest"]).args(more)
    }

    /// The repository.
    pub fn place(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// Changes what its manifest says, and seals it again.
    pub fn rewrite_manifest(&self, change: impl FnOnce(&mut Manifest)) {
        let path = self.object().with_file_name("manifest.json");
        let mut manifest = Manifest::decode(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut manifest);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, manifest.encode().unwrap()).unwrap();
    }

    /// The file that holds the data.
    pub fn object(&self) -> PathBuf {
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else if entry.file_name().to_string_lossy().starts_with("dump.rdb") {
                    return entry.path();
                }
            }
        }
        panic!("no dump")
    }
}

/// So many strings, from the server on PATH.
pub fn backup_of(n_keys: usize) -> Option<Stored> {
    let source = RedisServer::start()?;
    source.fill(n_keys, 100);
    Some(Stored::of(&source))
}

/// A server of a version.
pub fn start(installed: &Installed) -> RedisServer {
    RedisServer::builder().version(installed).start().unwrap()
}

/// So many strings of so many bytes, from a server of a version.
pub fn backup_from(installed: &Installed, n_keys: usize, length: usize) -> Stored {
    let source = start(installed);
    source.fill(n_keys, length);
    Stored::of(&source)
}

/// The versions that every fault is tried with: side by side, since they mostly wait. Where none is there, whatever is.
#[track_caller]
pub fn with_each(test: impl Fn(&Installed) + Sync) {
    let names = ["redis-server-6.2", "redis-server-7.0", "redis-server-8.0", "valkey-server-8.1", "valkey-server-9.1"];
    let mut found: Vec<Installed> = names.into_iter().filter_map(server_named).collect();
    if found.is_empty() {
        found.extend(servers().into_iter().take(1));
    }
    on_each(&found, test);
}

#[track_caller]
pub fn check(answer: &(i32, Value), code: i32, method: &str) {
    assert_eq!((answer.0, &answer.1["result"]["method"]), (code, &method.into()), "{}", answer.1);
}

#[track_caller]
pub fn check_error(answer: &(i32, Value), code: &str) {
    assert_eq!((answer.0, &answer.1["error"]["code"]), (2, &code.into()), "{}", answer.1);
}

/// The message of the error, behind the names of both sides.
pub fn message(answer: &Value) -> &str {
    let error = &answer["error"];
    let said = error["message"].as_str().unwrap_or_default();
    if said.starts_with("cannot restore ") { error["causes"][0].as_str().unwrap_or_default() } else { said }
}

/// The hint of the error.
pub fn hint(answer: &Value) -> &str {
    answer["error"]["hint"].as_str().unwrap_or_default()
}

/// Keys in the target's first database.
pub fn keys(server: &RedisServer) -> u64 {
    server.ok(&["DBSIZE"]).parse().unwrap()
}
