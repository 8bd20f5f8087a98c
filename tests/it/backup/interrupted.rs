//! Ctrl-C at every stage: nothing is published, nothing is left.

use std::time::Duration;

use super::{Folder, backup};
use crate::support::fake_primary::{Act, FakePrimary, counted, full_resync, tiny_rdb};

/// Starts a backup of a primary that stops at some point, waits until it has come there, and interrupts it.
#[track_caller]
fn check(primary: &FakePrimary, reached: &str, signal: &str, code: i32) {
    let folder = Folder::new();
    let running = backup(&primary.url(), &folder.text(), &["--json"]).spawn();
    let begun = std::time::Instant::now();
    while !primary.heard().iter().any(|words| words.first().is_some_and(|word| word.eq_ignore_ascii_case(reached))) {
        assert!(begun.elapsed() < Duration::from_secs(60), "the primary never heard {reached}");
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal(signal);
    let run = running.wait();
    assert_eq!(run.code, code, "{}", run.everything());
    assert_eq!(run.json()["error"]["code"], "interrupted", "{}", run.text());
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn while_the_server_answers_nothing() {
    check(&super::primary().on("INFO", [Act::Silence]).start(), "INFO", "INT", 130);
}

#[test]
fn while_the_server_saves() {
    check(&super::primary().on("PSYNC", [Act::send("\n\n"), Act::Silence]).start(), "PSYNC", "INT", 130);
}

#[test]
fn in_the_middle_of_the_stream() {
    let rdb = tiny_rdb();
    let half = counted(&rdb)[..10].to_vec();
    let acts = [Act::send(full_resync(1)), Act::send(half), Act::Silence];
    check(&super::primary().on("PSYNC", acts.clone()).start(), "PSYNC", "INT", 130);
    check(&super::primary().on("PSYNC", acts).start(), "PSYNC", "TERM", 143);
}

#[test]
fn nobody_reads_the_answer() {
    let Some(server) = crate::support::redis_server::RedisServer::start() else { return };
    server.fill(10, 10);
    let folder = Folder::new();
    let run = backup(&server.url(), &folder.text(), &[]).without_reader().run();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    folder.the("manifest.json");
}
