//! A pipe that is silent: the first signal ends whoever reads from it.

use crate::support::fixtures::own_folder;
use crate::support::redis_ops::RedisOps;

#[test]
fn the_first_signal_ends_whoever_reads_a_silent_pipe() {
    let rdb = std::fs::read(own_folder().join("sampler-redis-6.2.14.rdb")).expect("a fixture");
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let lines: [&[&str]; 6] = [
        &["verify", "--file", "-"],
        &["show", "--file", "-"],
        &["show", "--file", "-", "--format", "ndjson"],
        &["diagnose", "keyspace", "--file", "-"],
        &["diagnose", "all", "--from", "-"],
        &["backup", "--from-file", "-", "--name", "piped", "-r", &place],
    ];
    for line in lines {
        // Nothing came yet; half of it came.
        for sent in [&[][..], &rdb[..rdb.len() / 2]] {
            let mut run = RedisOps::new().args(line).stdin(sent).stdin_stays_open().spawn();
            // Before it listens to signals it would just die of one.
            while !listens_to_signals(run.id()) {
                assert!(!run.has_ended(), "{line:?}");
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            run.signal("INT");
            run.wait_until_it_says("stopping");
            let run = run.wait();
            assert_eq!(run.code, 130, "{line:?} with {} bytes: {}", sent.len(), run.stderr);
        }
    }
    assert!(!folder.path().join("piped").exists() || nothing_published(&place), "nothing was published");
}

/// Whether a process hears SIGINT. A signal that comes between its handler and who waits for it is lost; the handler of SIGTERM is set
/// after both.
fn listens_to_signals(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & (1 << 14) != 0)
}

fn nothing_published(place: &str) -> bool {
    let (_, list) = RedisOps::new().args(["list", "-r", place]).json();
    list["backups"].as_array().is_some_and(|backups| backups.iter().all(|one| one["status"] != "published"))
}
