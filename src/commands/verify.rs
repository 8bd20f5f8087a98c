//! `redis-ops verify`: proves a backup good, or an instance equal to a backup.

mod all;
mod answer;
pub(in crate::commands) mod compare;
mod one;

use std::path::PathBuf;
use std::time::Duration;

use super::instances::Only;
use super::which::{Backup, Place, Server};
use super::{Context, Outcome};
use crate::dataset::Dataset;
use crate::explain::Result;

pub use answer::hide_keys;

pub use crate::verify::Level;
pub use crate::verify::walk::Sample;

/// Complete settings of `verify`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is verified.
    pub subject: Subject,
    /// How much is proven of each backup.
    pub level: Level,
    /// Shows what the data is made of.
    pub census: bool,
    /// An older backup is no; `None`: any age will do.
    pub max_age: Option<Duration>,
    /// The server of [`Level::Drill`]; `None`: looked for on `PATH`.
    pub server_binary: Option<PathBuf>,
    /// Where the drill and large comparisons put what they need for a while.
    pub temporary: PathBuf,
    /// Bytes of memory for comparing; `None`: a few dozen MiB.
    pub memory: Option<usize>,
}

/// What is verified.
#[derive(Debug, Clone)]
pub enum Subject {
    One {
        backup: Backup,
        /// What it is compared with; `None`: with nothing but its own manifest.
        comparison: Option<Comparison>,
    },
    /// Every backup of a repository.
    All {
        place: Place,
        /// Only of this instance; `None`: of all.
        instance: Option<Only>,
        /// How many of them; `None`: all.
        sample: Option<Sample>,
        /// Only those that were not verified for this long; `None`: whenever.
        older_than: Option<Duration>,
    },
}

/// What a backup is compared with, and how.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// What the first data set is compared with.
    pub with: Other,
    /// Which differences are a no.
    pub fail_on: Vec<FailOn>,
    /// By how much two expiry times may differ.
    pub ttl_tolerance: Duration,
    /// Globs of which one must match; empty: every key.
    pub keys: Vec<String>,
    /// Only this database; `None`: all.
    pub database: Option<u32>,
    /// How many keys that differ are named.
    pub limit: u64,
}

/// The other side of a comparison.
#[derive(Debug, Clone)]
pub enum Other {
    /// A live instance.
    Server {
        server: Box<Server>,
        /// No backup was named: the one that was restored into it last is meant, if there is a receipt.
        last_restored: bool,
    },
    Backup {
        place: Place,
        /// As it was typed.
        id: String,
    },
}

/// A kind of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailOn {
    /// Keys that the other side lacks.
    Missing,
    /// Keys that differ in type, value or expiry; functions.
    Different,
    /// Keys that only the other side has.
    Extra,
    /// Every kind of difference.
    Any,
}

pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    let answer = match &settings.subject {
        Subject::One { backup, comparison: Some(comparison) } => {
            compare::run(settings, backup, comparison, context).await?
        }
        Subject::One { backup, .. } => match super::which::open(backup, context).await? {
            Dataset::Backup(backup) => one::stored(settings, &backup, context).await?.0,
            data => one::file(settings, &data, context).await?,
        },
        Subject::All { place, instance, sample, older_than } => {
            all::run(settings, place, instance.as_ref(), (*sample, *older_than), context).await?
        }
    };
    Ok(answer.into_outcome(context))
}
