//! Reads the tails of a backup: the streams that lead from the RDBs of its shards to their one moment.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::MomentError;
use crate::dataset::{TailError, TailRead, read_tail};
use crate::repository::Repository;
use crate::repository::manifest::{Manifest, Tail};

/// Reads all of them once, and returns the highest database that they select.
///
/// # Errors
/// A tail is damaged, or cannot be read.
pub async fn check(
    repository: &Repository,
    manifest: &Manifest,
    cancel: &CancellationToken,
) -> Result<u32, MomentError> {
    let mut highest = 0;
    for tail in manifest.shards.iter().filter_map(|shard| shard.tail.as_ref()) {
        highest = read(repository, manifest, tail, None, cancel).await?.highest_database.max(highest);
    }
    Ok(highest)
}

/// Sends the tail of a shard; nothing where it has none.
///
/// # Errors
/// As [`check`].
pub async fn send(
    repository: &Repository,
    manifest: &Manifest,
    shard: usize,
    cancel: &CancellationToken,
    sender: mpsc::Sender<Bytes>,
) -> Result<(), MomentError> {
    match &manifest.shards[shard].tail {
        Some(tail) => read(repository, manifest, tail, Some(sender), cancel).await.map(drop),
        None => Ok(()),
    }
}

async fn read(
    repository: &Repository,
    manifest: &Manifest,
    tail: &Tail,
    sender: Option<mpsc::Sender<Bytes>>,
    cancel: &CancellationToken,
) -> Result<TailRead, MomentError> {
    let damaged = |why: String| MomentError::Damaged { key: tail.object.clone(), why };
    read_tail(repository, manifest, tail, sender, cancel).await.map_err(|error| match error {
        TailError::Repository(error) => error.into(),
        TailError::Interrupted => MomentError::Interrupted,
        error => damaged(error.to_string()),
    })
}
