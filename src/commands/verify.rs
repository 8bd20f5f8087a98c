//! `redis-ops verify`: proves a backup good, or an instance equal to a backup.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::diagnose::FailOn;
use super::which::{Backup, Place, Server};
use super::{Context, Outcome};
use crate::hint::Misuse;

/// All that a verification needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is verified.
    pub subject: Subject,
    /// How much is proven.
    pub level: Level,
    /// Shows what the data is made of.
    pub census: bool,
    /// From which severity on the answer is no.
    pub fail_on: FailOn,
    /// An older backup is no; `None`: any age will do.
    pub max_age: Option<Duration>,
    /// The server of [`Level::Drill`]; `None`: looked for on `PATH`.
    pub server_binary: Option<PathBuf>,
}

/// What is verified.
#[derive(Debug, Clone)]
pub enum Subject {
    /// One backup.
    One {
        /// Which.
        backup: Backup,
        /// What it is compared with; `None`: with nothing but its own manifest.
        comparison: Option<Comparison>,
    },
    /// Every backup of a repository.
    All {
        /// The repository.
        place: Place,
        /// Only of this instance; `None`: of all.
        instance: Option<String>,
        /// How many of them; `None`: all.
        sample: Option<Sample>,
        /// Only those that were not verified for this long; `None`: whenever.
        older_than: Option<Duration>,
    },
}

/// What a backup is compared with, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The other side.
    pub with: Other,
    /// By how much two expiry times may differ.
    pub ttl_tolerance: Duration,
    /// Globs of which one must match; empty: every key.
    pub keys: Vec<String>,
    /// How many keys that differ are named.
    pub limit: u64,
}

/// The other side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Other {
    /// A live instance.
    Server(Box<Server>),
    /// Another backup of the same repository, as it was typed.
    Backup(String),
}

/// How much is proven. Each level holds the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Presence and sizes.
    Manifest,
    /// SHA-256 of what is stored and of the raw stream.
    Checksum,
    /// Frames, CRC64, a full walk, key counts.
    #[default]
    Structure,
    /// Loaded into a throwaway server.
    Drill,
}

impl Level {
    /// As it is typed and stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Checksum => "checksum",
            Self::Structure => "structure",
            Self::Drill => "drill",
        }
    }
}

/// How many of all backups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// So many.
    Count(u64),
    /// Such a share, above 0 and at most 100.
    Percent(f64),
}

/// Verifies.
pub async fn run(_settings: &Settings, _context: &Context) -> Result<Outcome> {
    Err(Misuse::not_supported_yet("`verify`").into())
}
