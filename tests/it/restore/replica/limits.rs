//! What is refused for a target is what its loader dies of, and nothing else: tried with every pair of versions.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use redis_ops::introspection::ServerFacts;
use redis_ops::rdb::visit::{Entry, Interest, Visit};
use redis_ops::rdb::{Scanner, ValueType};
use redis_ops::replies::Info;
use redis_ops::restore::replica::not_accepted;

use crate::support::redis_server::{Installed, RedisServer, servers};
use crate::support::sample;

#[derive(Default)]
struct Types(BTreeSet<u8>);

impl Visit for Types {
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        self.0.insert(entry.value_type.0);
        Interest::default()
    }
}

fn refused(server: &RedisServer, rdb: &[u8]) -> Vec<String> {
    let (mut scanner, mut types) = (Scanner::new(), Types::default());
    scanner.push(rdb, &mut types).unwrap();
    let summary = scanner.finish().unwrap();
    let facts = ServerFacts::from_info(&Info::parse(&server.ok(&["INFO"])));
    not_accepted(&facts, summary.dialect, summary.version, types.0.into_iter().map(ValueType))
}

/// Whether a server comes up with this file as its dump.
fn loads(installed: &Installed, rdb: &Path) -> bool {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(rdb, folder.path().join("dump.rdb")).unwrap();
    let mut child = Command::new(&installed.path)
        .current_dir(folder.path())
        .args(["--port", "0", "--unixsocket", "socket", "--logfile", "log", "--save", ""])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let came_up = loop {
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        if log.to_lowercase().contains("ready to accept connections") {
            break true;
        }
        if child.try_wait().unwrap().is_some() {
            break false;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{}: {log}", installed.name);
        std::thread::sleep(Duration::from_millis(10));
    };
    let _ = child.kill();
    let _ = child.wait();
    came_up
}

#[test]
fn what_is_refused_is_what_the_server_dies_of() {
    let all = servers();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.rdb");
    let (mut n_loaded, mut n_refused) = (0, 0);
    for source in &all {
        let server = sample::builder(source).start().unwrap();
        sample::fill(&server);
        let rdb = sample::rdb(&server);
        std::fs::write(&path, &rdb).unwrap();
        for target in &all {
            let running = RedisServer::builder().version(target).start().unwrap();
            let refused = refused(&running, &rdb);
            let loads = loads(target, &path);
            assert_eq!(refused.is_empty(), loads, "{} into {}: {refused:?}", source.name, target.name);
            if loads { n_loaded += 1 } else { n_refused += 1 }
        }
    }
    // Every server takes its own; if there are old and new ones, the old refuse.
    assert!(n_loaded >= all.len() && (n_refused > 0 || all.len() < 2));
}
