//! The mark of a restore beside the backup that it reads: as long as it lives nobody removes the backup.

use crate::dataset::{Backup, Dataset};
use crate::explain::{Context as _, Result};
use crate::repository::{BegunBy, Reading, RepositoryError};

/// Does a restore's work while the mark lies beside its backup. Without the right to write there the work is done all the same.
///
/// # Errors
/// The backup was removed meanwhile: nothing was written. Or what the work says.
pub(super) async fn marked<T>(source: &Dataset, work: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(reading) = begin(source).await? else { return work.await };
    let ended = tokio::select! {
        ended = work => ended,
        never = reading.keep_alive() => match never {},
    };
    reading.end().await;
    ended
}

async fn begin(source: &Dataset) -> Result<Option<Reading>> {
    let Dataset::Backup(Backup { repository, manifest }) = source else { return Ok(None) };
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let by = BegunBy { host, pid: std::process::id() };
    match repository.begin_reading(&manifest.instance, manifest.id, by).await {
        Ok(reading) => Ok(Some(reading)),
        Err(error @ RepositoryError::NotFound(_)) => Err(error).context("the backup was removed; nothing was written"),
        Err(error) => {
            tracing::info!(%error, "the backup cannot be marked as being read: a prune may remove it");
            Ok(None)
        }
    }
}
