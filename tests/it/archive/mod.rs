//! Archives: a server is followed, killed processes leave no hole, and any moment comes back as it was.

mod follow;
mod harm;
mod moments;

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::backup::Folder;
use crate::support::redis_ops::{RedisOps, Running};
use crate::support::redis_server::{Builder, Installed, RedisServer, Reply};

/// A repository, and the state of an archiver.
pub struct Lab {
    pub folder: Rc<Folder>,
    pub state: TempDir,
}

impl Lab {
    pub fn new() -> Self {
        Self { folder: Rc::new(Folder::new()), state: TempDir::new().expect("a folder") }
    }

    /// `redis-ops WORDS… -r REPOSITORY`.
    pub fn run(&self, words: &[&str]) -> RedisOps {
        RedisOps::new().env("XDG_STATE_HOME", self.state.path()).args(words).args(["-r", &self.folder.text()])
    }

    /// An archiver that stores what was written after a second.
    pub fn archiver(&self, server: &RedisServer, more: &[&str]) -> Running {
        let url = server.url();
        let words = ["archive", "-i", &url, "--name", "x", "--json", "--rpo", "1s"];
        let running = self.run(&words).args(more).spawn();
        server.wait_for("the archiver", |server| server.info("slave0").contains("state=online"));
        running
    }

    pub fn backup(&self, server: &RedisServer) -> String {
        let url = server.url();
        let (code, answer) = self.run(&["backup", "-i", &url, "--name", "x"]).json();
        assert!(code <= 1, "{answer:#}");
        answer["backup"]["id"].as_str().expect("an id").to_owned()
    }

    /// Waits until the repository holds so many backups: an archiver takes one where a history begins.
    #[track_caller]
    pub fn published(&self, server: &RedisServer, n: usize) {
        let manifests = || self.folder.files().iter().filter(|file| file.ends_with("manifest.json")).count();
        server.wait_for("a base", |_| manifests() == n);
    }

    /// Segments of the archive, by name.
    pub fn segments(&self) -> Vec<String> {
        let files = self.folder.files();
        files.into_iter().filter(|file| file.contains("/archive/") && file.ends_with(".zst")).collect()
    }

    /// The text of all segments of the archive, which have one history.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for segment in self.segments() {
            let file = std::fs::File::open(self.folder.path().join(segment)).expect("a segment");
            std::io::copy(&mut zstd::stream::read::Decoder::new(file).expect("zstd"), &mut text).expect("frames");
        }
        text
    }

    /// Waits until the archive has reached an offset.
    #[track_caller]
    pub fn wait_for(&self, offset: u64) {
        let begun = Instant::now();
        loop {
            let reached = self.segments().iter().filter_map(|name| offsets(name)).map(|(_, to)| to).max();
            if reached >= Some(offset) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "the archive reaches {reached:?}, not {offset}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The offsets in the name of a segment.
pub fn offsets(name: &str) -> Option<(u64, u64)> {
    let (from, to) = name.rsplit('/').next()?.strip_suffix(".zst")?.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

/// Ends an archiver as a service manager does, and gives its answer.
#[track_caller]
pub fn stop(running: Running) -> Value {
    running.signal("TERM");
    let run = running.wait();
    assert!(run.code <= 1, "{}", run.everything());
    run.json()
}

/// Kills it.
pub fn kill(running: Running) {
    running.signal("KILL");
    running.wait();
}

/// The offset of a server, and the digest of its data at that very moment.
#[track_caller]
pub fn digest(server: &RedisServer) -> (u64, String) {
    let mut client = server.client();
    for command in [&["MULTI"][..], &["INFO", "replication"], &["DEBUG", "DIGEST"]] {
        let words: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
        client.ask(&words).expect("an answer");
    }
    match client.ask(&[b"EXEC"]).expect("an answer") {
        Reply::Array(answers) => {
            let text = answers[0].to_string();
            let offset = text.split("master_repl_offset:").nth(1).expect("an offset");
            let offset: String = offset.chars().take_while(char::is_ascii_digit).collect();
            (offset.parse().expect("a number"), answers[1].to_string())
        }
        other => panic!("{other:?}"),
    }
}

/// A server whose offset moves soon.
pub fn lively() -> Builder {
    RedisServer::builder().arg("repl-ping-replica-period", "1")
}

/// One that lets itself be asked for its digest.
pub fn builder(installed: &Installed) -> Builder {
    let builder = lively().version(installed);
    match installed.is("6.2") {
        true => builder,
        false => builder.arg("enable-debug-command", "yes"),
    }
}

/// Writes a mix of commands; `turn` makes them others each time.
#[track_caller]
pub fn write(server: &RedisServer, turn: u64) {
    let n = turn.to_string();
    let key = |name: &str| format!("{name}:{}", turn % 7);
    let mut client = server.client();
    for command in [
        vec!["SET", &key("plain"), &n],
        vec!["SET", &key("expires"), &n, "EX", "100000"],
        vec!["INCRBYFLOAT", "float", "0.25"],
        vec!["RPUSH", &key("list"), &n, "b", "c"],
        vec!["LPOP", &key("list")],
        vec!["SADD", "set", &n, "x", "y", "z"],
        vec!["SPOP", "set"],
        vec!["ZADD", "zset", &n, &n],
        vec!["ZADD", "zset", "1000", "stays"],
        vec!["ZPOPMIN", "zset"],
        vec!["HSET", &key("hash"), "f", &n],
        vec!["XADD", "stream", "MAXLEN", "~", "100", "*", "f", &n],
        vec!["EVAL", "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('INCR', KEYS[2])", "2", "a", "b", &n],
        vec!["PUBLISH", "channel", &n],
        vec!["SELECT", "5"],
        vec!["SET", "in five", &n],
        vec!["SELECT", "0"],
        vec!["MULTI"],
        vec!["APPEND", "text", &n],
        vec!["SELECT", "5"],
        vec!["INCR", "in one"],
        vec!["SELECT", "0"],
        vec!["SETRANGE", "bits", "7", &n],
        vec!["DEL", &key("plain")],
        vec!["EXEC"],
    ] {
        let words: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
        let reply = client.ask(&words).expect("an answer");
        assert!(!matches!(reply, Reply::Error(_)), "{command:?}: {reply}");
    }
    if turn % 9 == 4 {
        server.ok(&["SWAPDB", "0", "1"]);
    }
}

/// All files of a folder, for messages.
pub fn tree(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(tree(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}
