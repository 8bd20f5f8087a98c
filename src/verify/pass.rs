//! One pass over what a server sends.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::capture::source::SourceError;
use crate::capture::{CaptureError, Source};
use crate::dataset::pass::{self, Feed, ReadError, Scanned};
use crate::explain::{Explain, Meaning};
use crate::progress::Progress;
use crate::rdb::visit::Visit;

/// Chunks of at most 256 KiB between the socket and the scanner.
const CHUNKS_AHEAD: usize = 64;

/// Why a pass did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The RDB is damaged, or newer than we know.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The server, or the way to it.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The deployment could not be asked which nodes to read.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl Explain for PassError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Read(error) => error.meaning(),
            Self::Capture(error) => error.meaning(),
            Self::Source(error) => error.meaning(),
        }
    }
}

impl PassError {
    /// True if a signal was the reason.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Read(ReadError::Interrupted) | Self::Capture(CaptureError::Interrupted))
    }
}

/// Tells a visitor all that a server sends.
///
/// # Errors
/// See [`PassError`]: the first thing that went wrong, not what followed from it.
pub async fn streamed<V: Visit + Send + 'static>(
    source: &mut dyn Source,
    visit: V,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<V, PassError> {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let feeding = async move {
        while let Some(chunk) = source.next().await? {
            if sender.send(chunk).await.is_err() {
                // The scan has ended, and says why.
                break;
            }
        }
        Ok::<_, CaptureError>(())
    };
    let scanning = pass::run(Feed::Channel(receiver), Scanned::by(visit, 0), progress, cancel);
    let (fed, passed) = tokio::select! {
        both = async { tokio::join!(feeding, scanning) } => both,
        // A server may be silent for long.
        () = cancel.cancelled() => return Err(ReadError::Interrupted.into()),
    };
    // That the RDB ends too early is then only the consequence.
    fed?;
    let passed = passed?;
    if passed.ended == pass::Ended::Early {
        return Ok(passed.taker.into_visit());
    }
    let (visit, summary) = passed.taker.finish()?;
    match summary.trailing {
        0 => Ok(visit),
        // What the server never sends after its RDB cannot belong to it.
        trailing => Err(CaptureError::Trailing(trailing).into()),
    }
}
