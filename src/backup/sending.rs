//! One stream into one object of a draft.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::options::Options;
use super::report::Trouble;
use super::within_grace;
use crate::capture::pipeline::{self, Stored};
use crate::capture::spool::Spooling;
use crate::capture::{CaptureError, Source};
use crate::figures::{count, counted};
use crate::progress::Progress;
use crate::repository::Draft;
use crate::storage::{Expected, StorageError, Upload};

/// What is known of a stream before it comes.
pub(super) struct Flow {
    pub(super) expected: Expected,
    /// For a source that does not wait: what may wait for the store, and the source's `repl-timeout`.
    pub(super) spool: Option<(Spooling, Duration)>,
}

/// Streams a node into an object of the draft. When this returns, the object is complete, and its bytes are good.
pub(super) async fn store(
    options: &Options,
    source: &mut dyn Source,
    flow: Flow,
    draft: &Draft,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<(Stored, String), Trouble> {
    let object = draft.object_name(&format!("{}.rdb{}", options.stem, options.codec.extension()));
    let mut upload = draft.upload(&object).await?;
    upload.expect(flow.expected);
    let settings = pipeline::Options {
        codec: options.codec,
        threads: options.threads,
        rate: options.rate,
        moment_ms: options.now.timestamp_millis(),
        spool: flow.spool,
        recipients: draft.recipients().cloned(),
    };
    let stored = match pipeline::store(source, upload.as_mut(), settings, progress, cancel).await {
        Ok(stored) => stored,
        Err(error) => {
            abort(upload).await;
            return Err(error.into());
        }
    };
    let Some(completed) = within_grace(upload.complete(), cancel).await else {
        return Err(CaptureError::Interrupted.into());
    };
    let length = completed?;
    if length != stored.stored_bytes {
        let words = format!("{object} has {}, but {} were sent", counted(length, "byte"), count(stored.stored_bytes));
        return Err(StorageError::other(words).into());
    }
    Ok((stored, object))
}

/// Cleaning up never hides the first error, and never takes long.
async fn abort(upload: Box<dyn Upload>) {
    match tokio::time::timeout(ABORTING, upload.abort()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("the upload could not be aborted: {error}"),
        Err(_) => tracing::warn!("the upload could not be aborted within {} s", ABORTING.as_secs()),
    }
}

/// Parts in flight get five seconds of it to settle.
const ABORTING: Duration = Duration::from_secs(6);
