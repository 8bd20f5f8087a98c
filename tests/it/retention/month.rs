//! A month of a real repository in a folder: nightly backups and one more a day, some of them killed, each followed by a prune, with a
//! clock that is a month behind in the beginning.

use std::collections::BTreeSet;

use super::{DAY, at, ids};
use crate::backup::Folder;
use crate::support::redis_server::{RedisServer, shifts_clocks};

#[test]
fn a_month_of_backups_that_are_killed_now_and_then_ends_with_what_the_policy_names() {
    let (Some(server), true) = (RedisServer::start(), shifts_clocks()) else { return };
    let folder = Folder::new();
    let settings = format!(
        "instances: {{ prod: {{ host: 127.0.0.1, port: {} }} }}\nbackup:\n  destination: {}\n  \
         retention: {{ keep_last: 2, keep_daily: 7, keep_weekly: 4 }}\n",
        server.port(),
        folder.text()
    );
    let run = |ahead: i64, arguments: &[&str]| {
        let run = at(ahead).expect("a clock").file("redis-ops.yaml", &settings);
        run.args(arguments).args(["--progress", "none"])
    };
    let mut taken: Vec<String> = Vec::new();
    let mut killed = 0;
    for visit in 0..31 * 2_i64 {
        let ahead = (visit - 31 * 2) * DAY / 2;
        server.ok(&["SET", "visit", &visit.to_string()]);
        if visit % 7 == 3 {
            // Killed at some moment: what it leaves is none of the next one's trouble.
            let backup = run(ahead, &["backup", "-i", "prod"]).spawn();
            let begun = std::time::Instant::now();
            while folder.files().iter().filter(|file| file.ends_with("begun.json")).count() < taken.len()
                && begun.elapsed().as_millis() < (visit as u128 * 3) % 120
            {
                std::thread::yield_now();
            }
            backup.signal("KILL");
            backup.wait();
            killed += 1;
            let published: BTreeSet<String> = ids(&folder.text()).into_iter().collect();
            taken.extend(published.iter().filter(|id| !taken.contains(id)).cloned().collect::<Vec<_>>());
        } else {
            let (code, answer) = run(ahead, &["backup", "-i", "prod", "--prune"]).json();
            assert_eq!(code, 0, "{answer:#}");
            taken.push(answer["backup"]["id"].as_str().unwrap().to_owned());
        }
    }
    assert!(killed > 8);
    // What the killed ones left is dated by the clock of the folder.
    super::age(folder.path(), 48);
    let last = run(0, &["prune", "-i", "prod", "--yes"]).json();
    assert_eq!(last.0, 0, "{:#}", last.1);
    taken.sort();
    let there = ids(&folder.text());
    // The newest of each of seven days and of four weeks, and two; a rule with room to spare keeps the oldest.
    let named = newest_of(&taken, 7, |id| id[..10].to_owned())
        .into_iter()
        .chain(newest_of(&taken, 4, week))
        .chain(taken.iter().rev().take(2).cloned())
        .collect::<BTreeSet<String>>();
    assert_eq!(there.iter().cloned().collect::<BTreeSet<_>>(), named);
    let (code, verified) = run(0, &["verify", "--all", "-r", &folder.text()]).json();
    assert_eq!((code, &verified["checked"]["backups"]), (0, &named.len().into()), "{verified:#}");
    let mut folders: Vec<String> = folder.files();
    folders.retain(|file| file.starts_with("prod/") && !there.iter().any(|id| file.contains(id.as_str())));
    assert_eq!(folders, Vec::<String>::new(), "nothing is left of those that were killed");
}

fn newest_of(oldest_first: &[String], count: usize, bucket: impl Fn(&str) -> String) -> Vec<String> {
    let mut seen = Vec::new();
    let mut newest = Vec::new();
    for id in oldest_first.iter().rev() {
        let bucket = bucket(id);
        if !seen.contains(&bucket) && seen.len() < count {
            seen.push(bucket);
            newest.push(id.clone());
        }
    }
    newest
}

/// The ISO week of an id.
fn week(id: &str) -> String {
    let day = chrono::NaiveDate::parse_from_str(&id[..10], "%Y-%m-%d").unwrap();
    day.format("%G-%V").to_string()
}
