//! Data at rest: a backup of a repository, a file, or what comes through a pipe. The only home of how it is found, opened and read.
//!
//! ```text
//! backup   manifest ─► object (decrypted) ─► frames ─► Raw ─┐
//! file     .rdb .rdb.gz .rdb.zst ─────────────────────► Raw ─┼─► one pass: a Take (pass)
//! pipe     standard input, once ──────────────────────► Raw ─┘
//! ```

mod at_rest;
mod error;
mod feed;
mod file;
pub(crate) mod foreign;
mod joined;
mod keys_read;
mod moment;
mod open;
pub(crate) mod pass;
pub(crate) mod raw;
mod sealed;
mod stored;
mod tail;
mod unpack;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::UNIX_EPOCH;

use crate::encryption::Key;
use crate::figures::counted;
use crate::repository::manifest::Manifest;
use crate::repository::{BackupId, Repository};

pub(crate) use at_rest::CENSUS_LIMIT;
pub(crate) use error::{DatasetError, of_rdb};
pub use error::{damaged, missing_object, sealed_damage};
pub(crate) use foreign::Foreign;
pub(crate) use keys_read::KeysRead;
pub use pass::Take;
pub(crate) use pass::{ReadError, Scanned};
pub(crate) use raw::{NotAsStored, Opened, Padding};
pub use raw::{Raw, RawError, Seen};
pub(crate) use stored::codec_of;
pub(crate) use tail::{TailError, TailRead, read_tail};

/// Opens a data set once more, on a thread that may block.
pub type Reopen = Box<dyn FnMut() -> Result<Raw, RawError> + Send>;

/// Data at rest. Cheap to clone: all clones are the same data set.
#[derive(Debug, Clone)]
pub enum Dataset {
    /// A backup of a repository.
    Backup(Backup),
    /// A file, which can be read as often as needed.
    File(LocalFile),
    /// Standard input, which can be read once.
    Pipe(Pipe),
}

/// A backup in a repository: [`Dataset::Backup`].
#[derive(Debug, Clone)]
pub struct Backup {
    /// Where it lies.
    pub repository: Repository,
    /// What is known of it.
    pub manifest: Arc<Manifest>,
    /// The key that has opened it, once something was opened.
    opened_by: Arc<OnceLock<Key>>,
}

/// A file on this machine: [`Dataset::File`].
#[derive(Debug, Clone)]
pub struct LocalFile {
    /// Where it lies.
    pub path: PathBuf,
    around: Arc<Mutex<Around>>,
}

/// Bytes that can be read only once: [`Dataset::Pipe`].
#[derive(Debug, Clone)]
pub struct Pipe {
    opened: Arc<Mutex<Option<Opened>>>,
    around: Arc<Mutex<Around>>,
    /// Version of the RDB, as its first bytes say; 0 where they are no RDB's.
    pub rdb_version: u32,
}

/// What is odd around the RDB of a file.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// Whether the file is the base of a multi-part append-only file, whose increments lie beside it.
    pub is_aof_base: bool,
    /// When the RDB was begun, by the clock of its server, Unix milliseconds; `None`: it does not say, or was not opened yet.
    pub created_ms: Option<i64>,
    /// Zero bytes behind its compressed data, known once it was read.
    pub padding: Padding,
}

impl Around {
    fn of(opened: &Opened) -> Self {
        let (is_aof_base, created_ms) = (opened.is_aof_base, opened.created_ms);
        Self { is_aof_base, created_ms, padding: opened.padding.clone() }
    }

    /// What a person should know of it; `what`: what becomes of the later writes beside the base of an append-only file.
    pub fn warnings(&self, what: &str) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.is_aof_base {
            warnings.push(format!(
                "the file is the base of a multi-part append-only file: later writes are in the increments beside it (`*.incr.aof`), \
                 and {what}"
            ));
        }
        if self.padding.bytes() > 0 {
            let padding = counted(self.padding.bytes(), "zero byte");
            warnings.push(format!("{padding} after the compressed data are left out"));
        }
        warnings
    }
}

impl Dataset {
    /// A backup whose manifest was read.
    pub fn backup(repository: &Repository, manifest: Manifest) -> Self {
        Self::Backup(Backup::new(repository, manifest))
    }

    /// A file that was not opened yet. `-` is a file of that name: see [`Dataset::stdin`].
    pub fn file(path: &Path) -> Self {
        Self::File(LocalFile { path: path.to_owned(), around: Arc::default() })
    }

    /// The manifest of a backup.
    pub fn manifest(&self) -> Option<&Manifest> {
        match self {
            Self::Backup(backup) => Some(&backup.manifest),
            Self::File(_) | Self::Pipe(_) => None,
        }
    }

    /// The id of a backup.
    pub fn id(&self) -> Option<BackupId> {
        self.manifest().map(|manifest| manifest.id)
    }

    /// `INSTANCE/ID`, the path, or `standard input`.
    pub fn name(&self) -> String {
        match self {
            Self::Backup(Backup { manifest, .. }) => format!("{}/{}", manifest.instance, manifest.id),
            Self::File(file) => file.path.display().to_string(),
            Self::Pipe(_) => "standard input".to_owned(),
        }
    }

    /// Objects that hold an RDB each; 1 for a file and a pipe.
    pub fn shards(&self) -> usize {
        self.manifest().map_or(1, |manifest| manifest.shards.len())
    }

    /// Bytes of RDB in all shards, where that is known.
    pub fn raw_bytes(&self) -> Option<u64> {
        self.manifest().map(|manifest| manifest.shards.iter().map(|shard| shard.raw_bytes).sum())
    }

    /// When the backup was taken, Unix milliseconds, as its manifest says.
    pub fn created_ms(&self) -> Option<i64> {
        self.manifest().map(|manifest| manifest.created_at.timestamp_millis())
    }

    /// What tells these data from others: the digests of a backup's RDBs, length and time of a file.
    pub fn digest(&self) -> String {
        match self {
            Self::Backup(Backup { manifest, .. }) => {
                let digests: Vec<&str> = manifest
                    .shards
                    .iter()
                    .map(|shard| if shard.is_told() { shard.raw_sha256.as_str() } else { shard.stored_sha256.as_str() })
                    .collect();
                digests.join(" ")
            }
            Self::File(file) => {
                let told = std::fs::metadata(&file.path).map(|found| {
                    let modified = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                    format!("{} {}", found.len(), modified.map_or(0, |since| since.as_nanos()))
                });
                told.unwrap_or_default()
            }
            // Nobody reads it twice.
            Self::Pipe(_) => format!("process {} at {}", std::process::id(), chrono::Utc::now()),
        }
    }

    /// False for a pipe.
    pub fn can_be_read_again(&self) -> bool {
        !matches!(self, Self::Pipe(_))
    }

    /// What is odd around the RDB of a file or a pipe that was opened. Nothing is around that of a backup.
    pub fn around(&self) -> Around {
        match self {
            Self::Backup(_) => Around::default(),
            Self::File(LocalFile { around, .. }) | Self::Pipe(Pipe { around, .. }) => lock(around).clone(),
        }
    }
}

impl Backup {
    /// A backup whose manifest was read.
    pub fn new(repository: &Repository, manifest: Manifest) -> Self {
        Self { repository: repository.clone(), manifest: Arc::new(manifest), opened_by: Arc::default() }
    }

    /// The key that has opened it; `None`: it is not encrypted, or nothing of it was opened yet.
    pub fn opened_by(&self) -> Option<&Key> {
        self.opened_by.get()
    }
}

/// A panic while one of these is held leaves nothing half done in it.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
