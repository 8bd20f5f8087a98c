//! A moment between two backups as an ordinary backup: base and stream into a throwaway server, and that read back into the repository. It
//! carries the source's own replication id and offset.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::encrypting::encrypted_as;
use crate::blocking;
use crate::capture::source::{ReadFrom, choose};
use crate::capture::spool::Spooling;
use crate::codec::{self, Codec};
use crate::connection::replication;
use crate::explain::{Context as _, Fault, Result};
use crate::moment::{self, Moment, MomentError};
use crate::progress::Progress;
use crate::repository::manifest::{self, Manifest, NOT_BEFORE, Purpose, Shard};
use crate::repository::{BegunBy, Repository};
use crate::scratch::{self, Binary, ScratchError};
use crate::{backup, figures};

/// Bytes that may wait on this machine's disk while the store is away.
const SPOOL_LIMIT: u64 = 1_000_000_000;

/// What a throwaway server needs in memory, as a multiple of what the source used. The stream may add to it.
const MEMORY_FACTOR: f64 = 1.5;

/// Where a throwaway server comes from.
#[derive(Debug, Clone)]
pub struct ScratchOptions {
    /// The server; `None`: `redis-server` or `valkey-server` of `path`.
    pub binary: Option<PathBuf>,
    /// Folders in which a server is looked for (`PATH`).
    pub path: Vec<PathBuf>,
    /// Where its private folder is made.
    pub folder: PathBuf,
}

/// A server that was found and has room.
#[derive(Debug, Clone)]
pub struct ScratchFound {
    binary: Binary,
    /// Bytes of memory that it needs, about.
    pub needed: u64,
    /// Bytes that are there; `None` where nobody says.
    pub available: Option<u64>,
}

impl ScratchFound {
    /// The server itself.
    pub fn binary(&self) -> &Binary {
        &self.binary
    }

    /// What people know it by: `redis 7.0.15`.
    pub fn name(&self) -> String {
        format!("{} {}", self.binary.name, self.binary.version)
    }
}

/// Looks for a throwaway server, and whether the machine has the memory for the largest of these shards, which are loaded one after the
/// other.
///
/// # Errors
/// There is no server, or too little memory.
pub async fn find_scratch(options: &ScratchOptions, shards: &[Shard]) -> Result<ScratchFound, MomentError> {
    let used = |shard: &Shard| {
        let told = shard.aux.get("used-mem").and_then(|bytes| bytes.parse::<u64>().ok());
        told.unwrap_or_else(|| shard.raw_bytes.saturating_mul(5) / 2)
    };
    let used = shards.iter().map(used).max().unwrap_or_default();
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate"
    )]
    let needed = (used as f64 * MEMORY_FACTOR) as u64;
    let options = options.clone();
    let (binary, available) =
        blocking::run(move || (Binary::find(options.binary.as_deref(), &options.path), scratch::memory_available()))
            .await;
    if let Some(available) = available.filter(|available| needed > *available) {
        return Err(ScratchError::TooLittleMemory { needed, available }.into());
    }
    Ok(ScratchFound { binary: binary?, needed, available })
}

/// Makes a backup of a moment.
///
/// # Errors
/// A segment is damaged, the throwaway server does not take what it is fed, or the backup is not published.
pub async fn materialise(
    repository: &Repository,
    moment: &Moment,
    found: &ScratchFound,
    options: &ScratchOptions,
    now: DateTime<Utc>,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Manifest> {
    // Everything is read once before anything is made of it: a damaged segment costs no server.
    let checked = moment::check(repository, moment, cancel).await?;
    let built = moment::build(repository, &checked, (&found.binary, &options.folder), progress, cancel).await?;
    let chosen = choose(&built.node(), ReadFrom::Itself).await.context("read the throwaway server")?;
    let shown = moment.shown();
    let of_data = when(moment, &shown);
    let mut labels: BTreeMap<String, String> =
        [("base".to_owned(), shown.base), ("offset".to_owned(), shown.offset.to_string())].into();
    if let Some(time) = shown.not_before {
        labels.insert(NOT_BEFORE.to_owned(), crate::times::text(time));
    }
    let options = backup::Options {
        stem: backup::WHOLE.to_owned(),
        method: backup::Method::Replication,
        stale: false,
        instance: moment.base.instance.clone(),
        purpose: Purpose::PointInTime,
        labels,
        codec: Codec::GZIP,
        threads: codec::cores(),
        rate: None,
        spool: Spooling { folder: options.folder.clone(), limit: SPOOL_LIMIT },
        replication: replication::Options { silence: chosen.node.silence, ..Default::default() },
        moment: Some(of_data),
        now,
        by: BegunBy::own(),
    };
    let repository = encrypted_as(repository.clone(), &moment.base).await?;
    let taken = backup::run(&options, &chosen, &repository, progress, cancel).await;
    let taken = taken.map_err(|failed| Fault::from(failed.error).context("store the moment as a backup"))?;
    let stored = taken.manifest.shards.first().and_then(|shard| shard.offset);
    if stored != Some(built.offset) {
        let words = format!(
            "the backup {}/{} of the moment is of offset {}, not {}",
            taken.manifest.instance,
            taken.manifest.id,
            stored.map_or_else(|| "none".to_owned(), figures::count),
            figures::count(built.offset)
        );
        return Err(crate::explain::Failure::new("inconsistent", words).into());
    }
    Ok(taken.manifest)
}

/// Between which times the data was as it is. Without a mark before it: not before its base.
fn when(moment: &Moment, shown: &moment::Shown) -> manifest::Moment {
    let of_base = moment.base.moment.map_or(moment.base.created_at, |moment| moment.from);
    let from = shown.not_before.unwrap_or(of_base);
    manifest::Moment { from, to: shown.not_after.unwrap_or(from).max(from) }
}
