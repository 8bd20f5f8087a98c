//! Backs up a cluster: each shard from a node of its own, all under one id and one manifest.
//!
//! The shards are read side by side, each as one moment of its own. Whether their slots are those of before is looked at once all of
//! them are stored; then the manifest is written, or all is removed. Where the servers let us, the streams behind the RDBs lead all
//! shards to one moment ([`barrier`]).

mod barrier;
mod prepared;
mod shards;
mod shot;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use super::captured::Made;
use super::expected::Last;
use super::held::Held;
use super::options::Options;
use super::report::{BackupError, Report, Trouble};
use super::{abandon, begin, publish, with_heartbeat};
use crate::figures::counted;
use crate::progress::{Progress, Unit};
use crate::repository::Repository;
use shards::{Capture, Gate};
use shot::Shot;

pub use prepared::{Consistent, Prepared, Settings, prepare};

/// How often it is looked whether slots have come to rest, or a shard has a node again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Backs up all shards.
///
/// # Errors
/// Anything that keeps one shard from being good, or the cluster from being the same before and after: then there is no backup.
pub async fn run(
    options: &Options,
    prepared: &Prepared,
    repository: &Repository,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Report, BackupError> {
    let draft = begin(options, repository, cancel).await?;
    let last = Last::of(options, repository).await.map(|last| last.share(prepared.chosen.len() as u64));
    let capture = Capture { options, prepared, last, draft: &draft, progress, gate: Gate::of(prepared) };
    let captured = with_heartbeat(&draft, all(&capture, cancel)).await;
    match captured {
        Ok((made, held)) => {
            let whole = publish::Whole { gaps: prepared.gaps.clone(), held: Some(held) };
            publish::publish(options, repository, draft, made, whole, cancel).await
        }
        Err(error) => Err(abandon(repository, draft, error).await),
    }
}

/// Reads all shards, and holds them at one moment if that can be had.
async fn all(capture: &Capture<'_>, cancel: &CancellationToken) -> Result<(Vec<Made>, Held), Trouble> {
    let n = capture.prepared.chosen.len();
    capture.progress.phase(&format!("reading {}", counted(n as u64, "shard")), Unit::Bytes, None);
    // The first shard that fails for good ends the others.
    let stop = cancel.child_token();
    let mut running: FuturesUnordered<_> = (0..n).map(|index| capture.shard(index, &stop)).collect();
    let mut made: BTreeMap<usize, Shot> = BTreeMap::new();
    let mut first = None;
    while let Some((index, ended)) = running.next().await {
        match ended {
            Ok(one) => {
                capture.progress.note(&format!("shard {index} of {n} is stored (slots {})", capture.slots(index)));
                made.insert(index, one);
            }
            Err(trouble) => {
                stop.cancel();
                first.get_or_insert(trouble);
            }
        }
    }
    drop(running);
    if let Some(trouble) = first {
        return Err(trouble);
    }
    let (made, held) = barrier::held(capture, made.into_values().collect(), cancel).await?;
    capture.must_be_as_before().await?;
    Ok((made, held))
}
