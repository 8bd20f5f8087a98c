//! The shards of a cluster at the one moment that their tails lead to, as an ordinary backup: each goes through a throwaway server, RDB and
//! stream, and is read back into the repository with the source's own replication id and the offset of the barrier.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::{ScratchFound, ScratchOptions};
use crate::backup::{self, Assembly};
use crate::capture::source::{ReadFrom, choose};
use crate::capture::spool::Spooling;
use crate::codec::{self, Codec};
use crate::connection::replication;
use crate::explain::{Fault, Result};
use crate::moment;
use crate::progress::Progress;
use crate::repository::manifest::{Manifest, NOT_BEFORE, Purpose};
use crate::repository::{BegunBy, Listed, Repository};

/// Bytes that may wait on this machine's disk while the store is away.
const SPOOL_LIMIT: u64 = 1_000_000_000;

/// The label that says by its digest which backup another was made of.
const MADE_OF: &str = "made-of";

/// What was made of a backup with tails before, if it is still there: a restore that was interrupted goes on with that.
///
/// # Errors
/// The repository cannot be listed.
pub async fn applied_before(repository: &Repository, manifest: &Manifest) -> Result<Option<Manifest>> {
    let identity = manifest.identity();
    let listed = repository.list(Some(&manifest.instance)).await?;
    let made = |one: &Manifest| one.labels.get(MADE_OF) == Some(&identity) && one.is_sound();
    Ok(listed.iter().filter_map(Listed::manifest).find(|one| made(one)).cloned())
}

/// Makes a backup without tails of one that has some.
///
/// # Errors
/// A tail is damaged, the throwaway server does not take what it is fed, or the backup is not published.
pub async fn apply_tails(
    repository: &Repository,
    manifest: &Manifest,
    found: &ScratchFound,
    options: &ScratchOptions,
    now: DateTime<Utc>,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Manifest> {
    // Everything is read once before anything is made of it: a damaged tail costs no server.
    let databases = moment::check_tails(repository, manifest, cancel).await?;
    let mut labels: BTreeMap<String, String> = [
        ("base".to_owned(), format!("{}/{}", manifest.instance, manifest.id)),
        (MADE_OF.to_owned(), manifest.identity()),
    ]
    .into();
    if let Some(barrier) = &manifest.barrier {
        labels.insert(NOT_BEFORE.to_owned(), crate::times::text(barrier.at));
    }
    let options = backup::Options {
        stem: backup::WHOLE.to_owned(),
        method: backup::Method::Replication,
        stale: false,
        instance: manifest.instance.clone(),
        purpose: Purpose::PointInTime,
        labels,
        codec: Codec::GZIP,
        threads: codec::cores(),
        rate: None,
        spool: Spooling { folder: options.folder.clone(), limit: SPOOL_LIMIT },
        replication: replication::Options::default(),
        moment: manifest.moment,
        now,
        by: BegunBy::own(),
    };
    let failed = |failed: backup::BackupError| Fault::from(failed.error).context("store the moment as a backup");
    let mut assembly = Assembly::begin(options, repository, cancel).await.map_err(failed)?;
    for (index, shard) in manifest.shards.iter().enumerate() {
        let folder = assembly.folder().to_owned();
        let place = (found.binary(), folder.as_path());
        let building = moment::build_tail(repository, manifest, index, databases, place, progress, cancel);
        let built = match assembly.alive_while(building).await {
            Ok(built) => built,
            Err(error) => {
                assembly.give_up().await;
                return Err(
                    Fault::from(error).context(format!("bring a throwaway server to the moment of shard {index}"))
                );
            }
        };
        let chosen = match choose(&built.node(), ReadFrom::Itself).await {
            Ok(chosen) => chosen,
            Err(error) => {
                assembly.give_up().await;
                return Err(Fault::from(error).context("read the throwaway server"));
            }
        };
        assembly = assembly.add(&chosen, shard, &manifest.server, progress, cancel).await.map_err(failed)?;
    }
    let taken = assembly.publish(manifest.barrier, manifest.moment, cancel).await.map_err(failed)?;
    Ok(taken.manifest)
}
