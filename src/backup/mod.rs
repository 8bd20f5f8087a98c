//! Makes one backup. It exists once its manifest is written, and not before.

mod assembly;
mod captured;
pub mod cluster;
mod expected;
mod held;
mod options;
mod publish;
mod report;
mod sending;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use captured::{Made, capture_file, capture_node};
use expected::Last;

pub use assembly::Assembly;
pub use options::{Method, Options};
pub use report::{BackupError, Impact, Report, SourceReport, Trouble};

use crate::capture::CaptureError;
use crate::capture::source::Chosen;
use crate::dataset::Dataset;
use crate::progress::Progress;
use crate::repository::{Discarded, Draft, HEARTBEAT_SECONDS, Repository, RepositoryError};
use crate::storage::StorageError;

/// The object of a backup that is one RDB, without extensions.
pub const WHOLE: &str = "dump";

/// Backs up one server.
///
/// # Errors
/// Anything that keeps the backup from being good: then there is none.
pub async fn run(
    options: &Options,
    chosen: &Chosen,
    repository: &Repository,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Report, BackupError> {
    // Asks for the right to write now: after an hour of streaming is too late to learn it is missing.
    let draft = begin(options, repository, cancel).await?;
    let last = Last::of(options, repository).await;
    let captured = with_heartbeat(&draft, capture_node(options, chosen, last, &draft, progress, cancel)).await;
    finish(options, repository, draft, captured, cancel).await
}

/// Adopts an RDB file that somebody has.
///
/// # Errors
/// As [`run`].
pub async fn adopt(
    options: &Options,
    data: &Dataset,
    repository: &Repository,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Report, BackupError> {
    let draft = begin(options, repository, cancel).await?;
    let last = Last::of(options, repository).await;
    let captured = with_heartbeat(&draft, capture_file(options, data, last, &draft, progress, cancel)).await;
    let captured = captured.map_err(|trouble| match trouble {
        Trouble::Capture(error) => Trouble::File(error),
        trouble => trouble,
    });
    finish(options, repository, draft, captured, cancel).await
}

/// After an interruption a request to the store that is on its way gets so long to end.
const GRACE: Duration = Duration::from_secs(5);

/// Waits for a request to the store; after an interruption no longer than [`GRACE`], so that nobody has to send a second signal.
async fn within_grace<T>(work: impl Future<Output = T>, cancel: &CancellationToken) -> Option<T> {
    let out_of_patience = async {
        cancel.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = out_of_patience => None,
    }
}

/// While data is captured, others see that somebody is at work.
async fn with_heartbeat<T>(draft: &Draft, work: impl Future<Output = T>) -> T {
    let every = Duration::from_secs(HEARTBEAT_SECONDS);
    tokio::select! {
        done = work => done,
        never = draft.keep_alive(every) => match never {},
    }
}

async fn finish(
    options: &Options,
    repository: &Repository,
    draft: Draft,
    captured: Result<Made, Trouble>,
    cancel: &CancellationToken,
) -> Result<Report, BackupError> {
    match captured {
        Ok(made) => publish::publish(options, repository, draft, vec![made], publish::Whole::default(), cancel).await,
        Err(error) => Err(abandon(repository, draft, error).await),
    }
}

async fn begin(options: &Options, repository: &Repository, cancel: &CancellationToken) -> Result<Draft, BackupError> {
    let failed = |error| BackupError { error, backup_id: None, leftovers: Vec::new(), may_be_published: false };
    match within_grace(repository.begin(&options.instance, options.now, options.by.clone()), cancel).await {
        Some(begun) => begun.map_err(|error| failed(error.into())),
        None => Err(failed(CaptureError::Interrupted.into())),
    }
}

async fn abandon(repository: &Repository, draft: Draft, error: Trouble) -> BackupError {
    let backup_id = Some(draft.id().to_string());
    let Discarded { left, may_be_published } = repository.discard(draft).await;
    let error = match error {
        // Now it can be told: it was not.
        Trouble::Repository(RepositoryError::Unclear { backup, why }) if !may_be_published => {
            StorageError::unavailable(format!("cannot publish {backup}: {why}")).into()
        }
        error => error,
    };
    BackupError { error, backup_id, leftovers: left, may_be_published }
}
