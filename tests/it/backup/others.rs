//! Another run that seems to be at the same instance is worth a warning, and keeps nobody from a backup.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use super::{Folder, backup};
use crate::support::redis_server::RedisServer;

/// Somebody elsewhere has begun a backup, and gave a sign of life so long ago.
fn begun_elsewhere(folder: &Folder, ago: Duration) {
    let begun = folder.path().join("prod/2024-01-01-01-00");
    fs::create_dir_all(&begun).expect("a folder");
    let file = begun.join("begun.json");
    let text = "{\"id\": \"2024-01-01-01-00\", \"instance\": \"prod\", \"begun_at\": \"2024-01-01T01:00:00Z\", \"host\": \"backup-7\", \
                \"pid\": 4711, \"token\": \"t\"}";
    fs::write(&file, text).expect("a file");
    File::options()
        .write(true)
        .open(&file)
        .and_then(|file| file.set_modified(SystemTime::now() - ago))
        .expect("a time");
}

#[test]
fn a_young_heartbeat_of_another_run_is_a_warning_with_its_host_and_process() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    let folder = Folder::new();
    begun_elsewhere(&folder, Duration::from_secs(540));
    let words = "another run seems to be making the backup prod/2024-01-01-01-00: process 4711 on host backup-7, last sign of life 9 min";
    let run = backup(&server.url(), &folder.text(), &["--plan", "--json"]).run();
    let plan = run.json();
    assert_eq!(run.code, 0, "{plan}");
    let lines = plan["plan"]["lines"].as_array().expect("lines");
    let warned = lines.iter().find(|line| line["status"] == "warning").unwrap_or_else(|| panic!("no warning: {plan}"));
    assert!(warned["text"].as_str().is_some_and(|text| text.starts_with(words)), "{warned}");

    let run = backup(&server.url(), &folder.text(), &["--json"]).run();
    let answer = run.json();
    assert_eq!((run.code, &answer["status"]), (0, &"ok".into()), "nobody is refused: {answer}");
    assert!(answer["warnings"][0].as_str().is_some_and(|text| text.starts_with(words)), "{answer}");
    assert!(run.stderr.contains(&format!("warning: {words}")), "{}", run.stderr);

    // One that was silent for longer has most likely ended.
    begun_elsewhere(&folder, Duration::from_secs(660));
    let run = backup(&server.url(), &folder.text(), &["--json"]).run();
    assert_eq!((run.code, run.json()["warnings"].as_array().map(Vec::len)), (0, Some(0)), "{}", run.everything());
}
