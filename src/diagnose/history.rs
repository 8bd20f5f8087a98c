//! What earlier runs saw: one file an instance, a line a run, the oldest dropped.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, IntoInnerError, Write as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::explain::{Context as _, Result};
use crate::introspection::keyspace::KeyspaceProfile;
use crate::introspection::{Estimate, PrefixesBefore, Snapshot};
use crate::private_files;
use crate::replies::Info;

/// Runs that are remembered.
const RUNS_KEPT: usize = 100;
/// Prefixes of a run that are remembered.
const PREFIXES_KEPT: usize = 50;
/// A file longer than this many bytes is not ours.
const FILE_LIMIT: u64 = 16 << 20;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    #[serde(serialize_with = "crate::times::serialize")]
    pub taken_at: DateTime<Utc>,
    /// What INFO said.
    pub info: Info,
    /// What CLUSTER INFO said, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Info>,
    /// Keys by prefix, where keys were looked at; the largest prefixes only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prefixes: BTreeMap<String, Estimate>,
}

impl Remembered {
    fn of(snapshot: &Snapshot) -> Self {
        let estimate = |profile: &KeyspaceProfile, keys: u64| {
            let (_, low, high) = profile.share(keys);
            let total = profile.total as f64;
            Estimate { least: (low * total).round(), most: (high * total).round() }
        };
        let prefixes = snapshot.keyspace.got().map(|profile| {
            let mut prefixes: Vec<_> = profile.prefixes.iter().collect();
            prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.keys));
            prefixes.truncate(PREFIXES_KEPT);
            prefixes.into_iter().map(|prefix| (prefix.name.clone(), estimate(profile, prefix.keys))).collect()
        });
        Self {
            taken_at: snapshot.taken_at,
            info: snapshot.info.clone(),
            cluster: snapshot.answers.cluster.got().cloned(),
            prefixes: prefixes.unwrap_or_default(),
        }
    }

    /// How many keys the prefixes had then; `None` where nobody looked, or the clock was another.
    pub fn prefixes_before(&self, now: DateTime<Utc>) -> Option<PrefixesBefore> {
        let seconds_ago = (now - self.taken_at).num_milliseconds() as f64 / 1000.0;
        (!self.prefixes.is_empty() && seconds_ago > 0.0)
            .then(|| PrefixesBefore { seconds_ago, keys: self.prefixes.clone() })
    }
}

/// The runs of one instance, oldest first.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    runs: Vec<Remembered>,
}

impl History {
    /// Reads them. A file that cannot be read or understood is an empty history: it is a convenience, no data.
    pub fn open(folder: &Path, instance: &str) -> Self {
        let safe: String =
            instance.chars().map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' }).collect();
        let path = folder.join(format!("{}.jsonl", safe.trim_start_matches('.')));
        let readable = fs::metadata(&path).is_ok_and(|metadata| metadata.len() <= FILE_LIMIT);
        let text = if readable { fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
        let runs = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Self { path, runs }
    }

    /// The runs, oldest first.
    pub fn runs(&self) -> &[Remembered] {
        &self.runs
    }

    /// The last run that is at least this old, else the oldest there is.
    pub fn before(&self, now: DateTime<Utc>, age: TimeDelta) -> Option<&Remembered> {
        let past: Vec<&Remembered> = self.runs.iter().filter(|run| run.taken_at < now).collect();
        past.iter().rev().find(|run| now - run.taken_at >= age).or(past.first()).copied()
    }

    /// Replaces the file at once, by another that lay beside it.
    fn replace(&self, folder: &Path) -> io::Result<()> {
        let mut file = BufWriter::new(NamedTempFile::new_in(folder)?);
        for run in &self.runs {
            serde_json::to_writer(&mut file, run)?;
            file.write_all(b"\n")?;
        }
        file.into_inner().map_err(IntoInnerError::into_error)?.persist(&self.path)?;
        Ok(())
    }

    /// Adds a run; the oldest goes where there are too many.
    pub fn add(&mut self, snapshot: &Snapshot) {
        self.runs.push(Remembered::of(snapshot));
        let surplus = self.runs.len().saturating_sub(RUNS_KEPT);
        self.runs.drain(..surplus);
    }

    /// Writes the file anew, readable for its owner only.
    ///
    /// # Errors
    /// The folder cannot be made or the file not be written.
    pub fn write(&self) -> Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        private_files::folder(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
        self.replace(folder).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    fn at(seconds: i64) -> DateTime<Utc> {
        Utc.timestamp_opt(1_800_000_000 + seconds, 0).single().expect("a moment")
    }

    #[test]
    fn runs_are_remembered_and_the_right_one_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        for seconds in [0, 600, 1200] {
            let mut history = History::open(folder.path(), "redis://a/b");
            let info = Info::parse(&format!("redis_version:8\nevicted_keys:{seconds}\n"));
            history.add(&Snapshot::from_info(info, at(seconds)));
            history.write().expect("written");
        }
        let history = History::open(folder.path(), "redis://a/b");
        assert_eq!(history.runs().len(), 3);
        let found = |age| history.before(at(1300), TimeDelta::seconds(age)).map(|run| run.taken_at);
        assert_eq!(found(50), Some(at(1200)));
        assert_eq!(found(600), Some(at(600)));
        assert_eq!(found(99_999), Some(at(0)), "the oldest there is");
        assert_eq!(history.before(at(0), TimeDelta::zero()), None);
        assert!(History::open(folder.path(), "other").runs().is_empty());
    }

    #[test]
    fn it_does_not_grow_without_end_and_garbage_is_no_trouble() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("a.jsonl"), "garbage\n{}\n").expect("written");
        let mut history = History::open(folder.path(), "a");
        for seconds in 0..150 {
            history.add(&Snapshot::from_info(Info::parse("a:1\n"), at(seconds)));
            history.write().expect("written");
        }
        let history = History::open(folder.path(), "a");
        assert_eq!((history.runs().len(), history.runs()[0].taken_at), (RUNS_KEPT, at(50)));
    }
}
