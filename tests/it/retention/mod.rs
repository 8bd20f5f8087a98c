//! What is kept and what goes, as a person at the command line sees it: a folder, and an S3 store in this process.

mod copy;
mod doubt;
mod locks;
mod monitoring;
mod month;
mod named;
mod prune;
mod status;
mod stores;

use serde_json::Value;

use crate::backup::Folder;
use crate::support::fixtures::own_folder;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{shifted_clock, shifts_clocks};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// A run whose clock is ahead of ours by so many seconds, or behind; `None` where no such clock can be had.
fn at(ahead: i64) -> Option<RedisOps> {
    let library = shifted_clock()?;
    Some(RedisOps::new().env("LD_PRELOAD", library).env("CLOCK_AHEAD", ahead.to_string()))
}

/// Dates all files of a folder back by so many hours.
fn age(folder: &std::path::Path, hours: u64) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            age(&path, hours);
            continue;
        }
        let file = std::fs::File::options().append(true).open(&path).expect("it is ours");
        let date = file.metadata().and_then(|metadata| metadata.modified()).expect("a date");
        file.set_modified(date - std::time::Duration::from_secs(hours * 3600)).expect("it is ours");
    }
}

/// Lets an RDB say that its server wrote it at this Unix second.
fn write_down(rdb: &mut [u8], second: i64) {
    let name = b"ctime\xc2";
    let at = rdb.windows(name.len()).position(|window| window == name).expect("an aux field") + name.len();
    rdb[at..at + 4].copy_from_slice(&i32::try_from(second).expect("a second of this century").to_le_bytes());
    let end = rdb.len() - 8;
    let sum = redis_ops::rdb::crc64(&rdb[..end]);
    rdb[end..].copy_from_slice(&sum.to_le_bytes());
}

/// Takes a backup of a file of so many days ago, as it was done then, and returns its id.
#[track_caller]
fn days_ago(days: i64, name: &str, repository: &str) -> Option<String> {
    let mut rdb = std::fs::read(own_folder().join("sampler-redis-7.2.6.rdb")).expect("a fixture");
    write_down(&mut rdb, chrono::Utc::now().timestamp() - days * DAY);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("dump.rdb");
    std::fs::write(&file, rdb).expect("it is ours");
    let run = at(-days * DAY)?.args(["backup", "--from-file", file.to_str()?, "--name", name, "-r", repository]);
    let (code, answer) = run.args(["--progress", "none"]).json();
    assert!(code <= 1, "{answer:#}");
    Some(answer["backup"]["id"].as_str()?.to_owned())
}

/// A repository with backups of `prod` of so many days ago; `None` where no such clock can be had.
fn with_backups(days: &[i64]) -> Option<(Folder, Vec<String>)> {
    if !shifts_clocks() {
        return None;
    }
    let folder = Folder::new();
    let ids = days.iter().map(|days| days_ago(*days, "prod", &folder.text())).collect::<Option<Vec<String>>>()?;
    Some((folder, ids))
}

/// The ids that a repository has, newest first.
#[track_caller]
fn ids(repository: &str) -> Vec<String> {
    let (code, list) = RedisOps::new().args(["list", "-r", repository]).json();
    // 1: all that are left of an instance are damaged.
    assert!(code <= 1, "{list:#}");
    let published = |backup: &&Value| backup["status"] == "published";
    let all = list["backups"].as_array().expect("a list").iter().filter(published);
    all.map(|backup| backup["id"].as_str().expect("an id").to_owned()).collect()
}

/// Each backup of a prune's answer: `id action: reasons`.
#[track_caller]
fn verdicts(answer: &Value) -> Vec<String> {
    let all = answer["backups"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
    all.iter()
        .map(|backup| {
            let reasons: Vec<&str> =
                backup["reasons"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
            format!("{} {}", backup["action"].as_str().expect("a word"), reasons.join(", "))
        })
        .collect()
}
