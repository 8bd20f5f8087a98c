//! The backup of a target before its keys are overwritten or removed.

use std::sync::OnceLock;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::backup;
use crate::capture::source::{ReadFrom, choose};
use crate::capture::spool::Spooling;
use crate::codec::{self, Codec};
use crate::connection::replication;
use crate::explain::{Fault, Result};
use crate::progress::Progress;
use crate::repository::manifest::Purpose;
use crate::repository::{BegunBy, Repository};
use crate::restore::{Next, Request, Watcher};

/// Bytes that may wait on this machine's disk while the store is away.
const SPOOL_LIMIT: u64 = 1_000_000_000;

/// Where a safety backup goes to, and as what.
pub struct Safety<'a> {
    /// The repository that takes the backup.
    pub repository: &'a Repository,
    /// Name of the target's instance there.
    pub instance: String,
    /// When the restore began: the id of the backup comes from it.
    pub now: DateTime<Utc>,
    /// Is told how far the backup is.
    pub progress: Box<dyn Progress>,
    /// Becomes the backup that was taken, so that it is known however the restore ends.
    pub taken: &'a OnceLock<SafetyTaken>,
}

/// A safety backup that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SafetyTaken {
    /// Name of the target's instance in the repository.
    pub instance: String,
    /// Id of the backup.
    pub id: String,
    /// The line to type that brings back what the target held.
    pub command: String,
}

/// Takes the safety backup, and says what brings it back.
///
/// # Errors
/// The target cannot be read, or the repository refuses.
pub(super) async fn take(request: &Request, safety: &Safety<'_>, watcher: &Watcher<'_>) -> Result<()> {
    let chosen = choose(&request.node, ReadFrom::Primary).await?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let options = backup::Options {
        method: backup::Method::Auto,
        stale: false,
        instance: safety.instance.clone(),
        purpose: Purpose::Safety,
        labels: Default::default(),
        codec: Codec::GZIP,
        threads: codec::cores(),
        rate: None,
        spool: Spooling { folder: std::env::temp_dir(), limit: SPOOL_LIMIT },
        replication: replication::Options { silence: chosen.node.silence, ..Default::default() },
        now: safety.now,
        by: BegunBy { host, pid: std::process::id() },
    };
    let taken = backup::run(&options, &chosen, safety.repository, &*safety.progress, watcher.cancel).await;
    safety.progress.finish();
    let taken = taken.map_err(|failed| {
        Fault::from(failed.error).context(format!("the safety backup failed; {} is unchanged", request.node))
    })?;
    let name = format!("{}/{}", taken.manifest.instance, taken.manifest.id);
    let line = request.line(Next::BringBack(&name));
    watcher.voice.insist(&format!("safety backup {name} was taken; to undo the restore: `{line}`"));
    let (instance, id) = (taken.manifest.instance, taken.manifest.id.to_string());
    // Nobody has set it before: a restore takes one safety backup.
    let _ = safety.taken.set(SafetyTaken { instance, id, command: line });
    Ok(())
}
