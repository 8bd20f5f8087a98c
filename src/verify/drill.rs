//! Drills a restore: loads a backup into a throwaway server, reads it back, and measures both.
//!
//! The server lives in a folder of its own that nobody else may enter, listens on a unix socket there and nowhere else, writes
//! nothing, and is the first that the kernel ends when memory runs out. It may be of another version than the source.

mod demand;
mod room;

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::VerifyError;
use super::comparing::{self, CompareError};
use super::live::{self, Expected, Living};
use super::view::View;
use crate::blocking;
use crate::census::Census;
use crate::dataset::Dataset;
use crate::finding::{Finding, Severity};
use crate::progress::{Progress, Unit};
use crate::repository::manifest::Server;
pub use crate::scratch::ScratchError as DrillError;
use crate::scratch::{self, Binary, Ended, Throwaway};

pub use demand::Demand;
use demand::Needed;
pub use room::Room;

/// How a drill is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// The server; `None`: `redis-server` or `valkey-server` of `path`.
    pub binary: Option<PathBuf>,
    /// Folders in which a server is looked for (`PATH`).
    pub path: Vec<PathBuf>,
    /// Where the private folder is made.
    pub folder: PathBuf,
    /// Bytes of memory that may be used; `None`: what the machine says is available.
    pub memory: Option<u64>,
    /// Bytes of memory for the comparison.
    pub memory_limit: usize,
}

impl Options {
    /// The server on `PATH`, the system's folder for temporary files.
    pub fn new() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self {
            binary: None,
            path: std::env::split_paths(&path).collect(),
            folder: std::env::temp_dir(),
            memory: None,
            memory_limit: comparing::MEMORY_LIMIT,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// A drill that may begin: there is a server.
#[derive(Debug)]
pub struct Drill {
    binary: Binary,
    options: Options,
}

impl Drill {
    /// Looks for a server.
    ///
    /// # Errors
    /// If there is none, or what was named is none.
    pub async fn prepare(options: &Options) -> Result<Self, DrillError> {
        let options = options.clone();
        blocking::run(move || {
            let binary = Binary::find(options.binary.as_deref(), &options.path)?;
            Ok(Self { binary, options })
        })
        .await
    }

    /// Has the machine memory and room for the largest? One is loaded at a time.
    ///
    /// # Errors
    /// If it has not.
    pub async fn must_fit(&self, demands: impl Iterator<Item = Demand>) -> Result<(), DrillError> {
        let options = &self.options;
        let Needed { memory: needed, room } = Demand::of_the_largest(demands);
        let folder = options.folder.clone();
        let (memory_available, room_available) =
            blocking::run(move || (scratch::memory_available(), scratch::room_available(&folder))).await;
        if let Some(available) = options.memory.or(memory_available).filter(|available| needed > *available) {
            return Err(DrillError::TooLittleMemory { needed, available });
        }
        if let Some(available) = room_available.filter(|available| room > *available) {
            return Err(DrillError::TooLittleRoom { folder: options.folder.clone(), needed: room, available });
        }
        Ok(())
    }

    /// A private folder for one shard, and the file in it into which the RDB is written.
    ///
    /// # Errors
    /// If it cannot be made.
    pub async fn room(&self) -> std::io::Result<(Room<'_>, File)> {
        Room::make(self).await
    }
}

/// What was measured and proven.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// `redis` or `valkey`.
    pub server: String,
    /// Version of the throwaway server.
    pub version: String,
    /// Shards that were loaded.
    pub shards: u64,
    /// Keys that were read back and are the same.
    pub keys: u64,
    /// Keys whose time had passed: a server drops them when it loads.
    pub expired: u64,
    /// Fetching and unpacking, loading, reading back, in seconds.
    pub seconds: Seconds,
    /// From the stored backup to a server that answers, in seconds: what a restore takes at least.
    pub rto_seconds: f64,
    /// The most memory that the server's allocator used, bytes.
    pub peak_memory_bytes: u64,
    /// The most memory that the server had resident, bytes; with what reading it back cost.
    pub peak_rss_bytes: u64,
    /// What was wrong.
    #[serde(skip)]
    pub findings: Vec<Finding>,
}

/// How long the steps of a drill took: see [`Outcome`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Seconds {
    /// Reading the store, unpacking, checking, writing the RDB.
    pub fetch: f64,
    /// From the start of the server to its first good answer.
    pub load: f64,
    /// Reading it back and comparing.
    pub compare: f64,
}

impl Outcome {
    /// Together with the shards before.
    pub(super) fn merged(mut self, before: Option<Self>) -> Self {
        let Some(before) = before else { return self };
        self.shards += before.shards;
        self.keys += before.keys;
        self.expired += before.expired;
        self.seconds.fetch += before.seconds.fetch;
        self.seconds.load += before.seconds.load;
        self.seconds.compare += before.seconds.compare;
        self.rto_seconds += before.rto_seconds;
        self.peak_memory_bytes = self.peak_memory_bytes.max(before.peak_memory_bytes);
        self.peak_rss_bytes = self.peak_rss_bytes.max(before.peak_rss_bytes);
        self.findings.extend(before.findings);
        self
    }
}

impl Room<'_> {
    /// Starts a server on the RDB of `source` that lies here, reads its data back, and holds them against the census of the RDB.
    ///
    /// # Errors
    /// If that could not be done; that the server cannot load the RDB, or holds something else, is an outcome.
    pub async fn load(
        &self,
        source: &Server,
        census: &Census,
        fetching: Duration,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<Outcome, VerifyError> {
        let drill = self.drill();
        let mut outcome = Outcome {
            server: drill.binary.name.clone(),
            version: drill.binary.version.clone(),
            shards: 1,
            keys: 0,
            expired: 0,
            seconds: Seconds { fetch: fetching.as_secs_f64(), ..Seconds::default() },
            rto_seconds: 0.0,
            peak_memory_bytes: 0,
            peak_rss_bytes: 0,
            findings: Vec::new(),
        };
        progress.phase("loading into a throwaway server", Unit::Keys, None);
        let databases = census.by_database.keys().next_back().map_or(16, |last| last.saturating_add(1).max(16));
        let (binary, folder) = (drill.binary.clone(), self.path().to_owned());
        let mut server = blocking::run(move || Throwaway::start(&binary, &folder, databases)).await?;
        let loaded = tokio::select! {
            loaded = server.ready() => loaded?,
            () = cancel.cancelled() => return Err(VerifyError::Interrupted),
        };
        match loaded {
            Ok(took) => outcome.seconds.load = took.as_secs_f64(),
            Err(ended) => {
                outcome.findings.push(refused(&ended, &drill.binary, source));
                return Ok(outcome);
            }
        }
        outcome.rto_seconds = outcome.seconds.fetch + outcome.seconds.load;
        let info = server.info().await?;
        outcome.peak_memory_bytes = info.u64("used_memory_peak").unwrap_or(0);

        let began = std::time::Instant::now();
        let comparison = self.read_back(&server, census, progress, cancel).await;
        outcome.seconds.compare = began.elapsed().as_secs_f64();
        outcome.peak_rss_bytes = server.peak_rss().await.unwrap_or_else(|| info.u64("used_memory_rss").unwrap_or(0));
        let comparison = match comparison {
            Ok(comparison) => comparison,
            Err(error) => return Err(unreadable(error, &server).await),
        };
        outcome.keys = comparison.differences.equal;
        outcome.expired = comparison.differences.expired;
        if !comparison.is_equal() {
            outcome.findings.push(differs(&comparison));
        }
        Ok(outcome)
    }

    async fn read_back(
        &self,
        server: &Throwaway,
        census: &Census,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<comparing::Comparison, CompareError> {
        let options = comparing::Options {
            memory_limit: self.drill().options.memory_limit,
            folder: self.path().to_owned(),
            examples: NAMED,
            ..comparing::Options::default()
        };
        let node = server.node();
        let mut payload = live::snapshot(&node, &live::replication_options(&node), cancel).await?;
        let data = Dataset::file(&self.path().join(scratch::RDB));
        let expected = Expected { data: &data, view: View::Everything, census: Some(census.clone()) };
        let mut servers = [Living { node: "the throwaway server".to_owned(), data: &mut payload }];
        live::compare(&expected, &mut servers, &View::Everything, &options, progress, cancel).await
    }
}

/// Keys of each kind that a finding names.
const NAMED: usize = 10;

/// The server has come down rather than load the RDB. Whose fault that is depends on which server it was.
fn refused(ended: &Ended, binary: &Binary, source: &Server) -> Finding {
    let same_family = binary.name == source.name || source.name.is_empty();
    let is_newer = same_family && !source.version.is_empty() && numbers(&binary.version) >= numbers(&source.version);
    let needs_module = ended.log.to_ascii_lowercase().contains("module");
    let finding = if is_newer && !needs_module && source.modules.is_empty() {
        Finding::new(Severity::Critical, "drill_load_failed", "a server of the same or a newer version cannot load it")
    } else {
        let title = format!(
            "the drill was not possible: the throwaway server ({} {}) cannot load a backup of {} {}",
            binary.name, binary.version, source.name, source.version
        );
        Finding::new(Severity::Warning, "could_not_tell", title)
            .why("the throwaway server is older than the source, of another family, or lacks a module: this does not mean that \
                  the backup is bad")
            .fix("name a server like the source with `--server-binary PATH`")
    };
    finding
        .evidence("server", format!("{} {}", binary.name, binary.version))
        .evidence("source", format!("{} {}", source.name, source.version))
        .evidence("log", ended.log.as_str())
        .evidence("exit", ended.exit.as_str())
}

fn differs(comparison: &comparing::Comparison) -> Finding {
    let differences = &comparison.differences;
    let keys: Vec<String> = differences
        .examples
        .iter()
        .take(NAMED)
        .map(|example| {
            let (database, key) = &example.key;
            format!("{}: {} (database {database})", example.difference.name(), key.escape_ascii())
        })
        .collect();
    Finding::new(Severity::Critical, "drill_differs", "the server that loaded it has a different value")
        .evidence("missing", differences.missing)
        .evidence("extra", differences.extra)
        .evidence("different", differences.different())
        .evidence("functions_equal", comparison.functions.as_ref().is_none_or(|functions| functions.equal))
        .evidence("keys", keys)
}

async fn unreadable(error: CompareError, server: &Throwaway) -> VerifyError {
    if error.is_interrupted() {
        return VerifyError::Interrupted;
    }
    match error {
        CompareError::AtRest(error) => error.into(),
        CompareError::Records(error) => VerifyError::File(error),
        other => {
            let mut words = other.to_string();
            let mut cause = std::error::Error::source(&other);
            while let Some(error) = cause {
                words.push_str(&format!(": {error}"));
                cause = error.source();
            }
            server.silent(&words).await.into()
        }
    }
}

fn numbers(version: &str) -> Vec<u32> {
    version.split(['.', '-']).map_while(|part| part.parse().ok()).collect()
}
