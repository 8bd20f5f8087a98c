//! The mark of a reader beside the backup that it reads: as long as it lives nobody removes the backup.

use crate::dataset::{Backup, Dataset};
use crate::explain::{Context as _, Result};
use crate::repository::{BegunBy, ReadFor, Reading, RepositoryError};

/// Does a restore's work while the mark lies beside its backup. Without the right to write there the work is done all the same. The mark
/// stays where the work can be gone on with: `is_resumable` says so of what came of it.
///
/// # Errors
/// The backup was removed meanwhile: nothing was written. Or what the work says.
pub(super) async fn marked<T>(
    source: &Dataset,
    work: impl Future<Output = Result<T>>,
    is_resumable: impl FnOnce(&T) -> bool,
) -> Result<T> {
    let begun = begin(source, ReadFor::Restore).await.context("the backup was removed; nothing was written")?;
    let Some(reading) = begun else { return work.await };
    let ended = alive(&reading, work).await;
    // Without it the mark lapses as that of a killed restore does.
    if !ended.as_ref().is_ok_and(is_resumable) {
        reading.end().await;
    }
    ended
}

/// Reads a backup while a mark lies beside it, which lapses with this process.
///
/// # Errors
/// The backup was removed meanwhile. Or what the work says.
pub async fn read_marked<T>(source: &Dataset, work: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(reading) = begin(source, ReadFor::Once).await? else { return work.await };
    let ended = alive(&reading, work).await;
    reading.end().await;
    ended
}

async fn alive<T>(reading: &Reading, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        ended = work => ended,
        never = reading.keep_alive() => match never {},
    }
}

async fn begin(source: &Dataset, read_for: ReadFor) -> Result<Option<Reading>> {
    let Dataset::Backup(Backup { repository, manifest, .. }) = source else { return Ok(None) };
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let by = BegunBy { host, pid: std::process::id() };
    match repository.begin_reading(&manifest.instance, manifest.id, read_for, by).await {
        Ok(reading) => Ok(Some(reading)),
        Err(error @ RepositoryError::NotFound(_)) => Err(error.into()),
        Err(error) => {
            tracing::info!(%error, "the backup cannot be marked as being read: a prune may remove it");
            Ok(None)
        }
    }
}
