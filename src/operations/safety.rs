//! The backup of a target before its keys are overwritten or removed.

use std::sync::OnceLock;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::encrypting::encrypted_as;
use super::turn::{Turns, take_turn};
use crate::backup;
use crate::capture::source::{Found, ReadFrom, find};
use crate::capture::spool::Spooling;
use crate::codec::{self, Codec};
use crate::connection::replication;
use crate::explain::{Context as _, Fault, Interrupted, Result};
use crate::progress::Progress;
use crate::replies::Info;
use crate::repository::manifest::Purpose;
use crate::repository::{BegunBy, Place};
use crate::restore::{Next, Planned, Watcher, preflight};

/// Bytes that may wait on this machine's disk while the store is away.
const SPOOL_LIMIT: u64 = 1_000_000_000;

/// The backup of the target before keys are overwritten or removed.
#[derive(Debug, Clone)]
pub enum SafetyBackup {
    /// Taken, into this repository.
    Into(Place),
    /// Not needed: nothing is overwritten.
    NotNeeded,
    /// Not wanted (`--no-safety-backup`).
    Declined,
}

/// How a safety backup is taken.
pub struct Safety<'a> {
    /// Where it goes to, if it is taken.
    pub backup: &'a SafetyBackup,
    /// How it gets along with other runs on the same instance.
    pub turns: Turns,
    /// When the restore began: the id of the backup comes from it.
    pub now: DateTime<Utc>,
    /// Makes what is told how far the backup is.
    pub progress: &'a (dyn Fn() -> Box<dyn Progress> + Sync),
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

/// Takes the safety backup where a restore overwrites or removes something, and says what brings it back; `instance`: the target's name
/// in the repository. Gives the target's INFO of the moment before the backup began: what others write from then on may not be in it.
///
/// # Errors
/// The target cannot be read, or the repository refuses.
pub(super) async fn take(
    planned: &Planned,
    instance: &str,
    safety: &Safety<'_>,
    watcher: &Watcher<'_>,
) -> Result<Option<Info>> {
    let repository = match safety.backup {
        SafetyBackup::Into(place) if planned.saves() => place.open().await?,
        SafetyBackup::Into(_) | SafetyBackup::NotNeeded | SafetyBackup::Declined => return Ok(None),
    };
    let request = &planned.request;
    let repository = match request.source.manifest() {
        Some(manifest) => encrypted_as(repository, manifest).await?,
        None => repository,
    };
    let (_, before) = preflight::counters(&mut request.node.connect().await?).await?;
    let found = find(&request.node, ReadFrom::Primary.into()).await?;
    let options = backup::Options {
        method: backup::Method::Auto,
        stale: false,
        instance: instance.to_owned(),
        purpose: Purpose::Safety,
        labels: Default::default(),
        stem: backup::WHOLE.to_owned(),
        codec: Codec::GZIP,
        threads: codec::cores(),
        rate: None,
        spool: Spooling { folder: std::env::temp_dir(), limit: SPOOL_LIMIT },
        replication: replication::Options { silence: request.node.silence, ..Default::default() },
        now: safety.now,
        moment: None,
        by: BegunBy::own(),
    };
    let progress = (safety.progress)();
    let names = [instance.to_owned()];
    let turn = tokio::select! {
        biased;
        () = watcher.cancel.cancelled() => Err(Interrupted.into()),
        turn = take_turn(&repository, &names, "restore", safety.turns, watcher.voice) => turn,
    };
    let turn = turn.context(format!("the safety backup was not taken; {} is unchanged", request.node))?;
    let taken = match found {
        Found::One(chosen, _) => backup::run(&options, &chosen, &repository, &*progress, watcher.cancel).await,
        Found::Cluster(cluster) => {
            // A safety backup has to go back without a server that streams are fed to.
            let settings = backup::cluster::Settings {
                consistent: backup::cluster::Consistent::None,
                tail_limit: None,
                by_key: false,
                encrypted: false,
                read_from: ReadFrom::Primary,
                parallel: None,
                retries: 2,
                wait: Duration::ZERO,
                allow_gaps: false,
            };
            match backup::cluster::prepare(&request.node, cluster, settings, watcher.voice).await {
                Ok(prepared) => {
                    backup::cluster::run(&options, &prepared, &repository, &*progress, watcher.cancel).await
                }
                Err(error) => {
                    turn.end(watcher.voice).await;
                    return Err(error.into());
                }
            }
        }
    };
    turn.end(watcher.voice).await;
    progress.finish();
    let taken = taken.map_err(|failed| {
        Fault::from(failed.error).context(format!("the safety backup failed; {} is unchanged", request.node))
    })?;
    let name = format!("{}/{}", taken.manifest.instance, taken.manifest.id);
    let line = request.line(Next::BringBack(&name));
    watcher.voice.insist(&format!(
        "safety backup {name} was taken; this command undoes the restore, and deletes everything written to the target since: `{line}`"
    ));
    let (instance, id) = (taken.manifest.instance, taken.manifest.id.to_string());
    // Nobody has set it before: a restore takes one safety backup.
    let _ = safety.taken.set(SafetyTaken { instance, id, command: line });
    Ok(Some(before))
}
