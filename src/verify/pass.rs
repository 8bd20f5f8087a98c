//! One pass over an RDB: its bytes come from a store, a file or a server, and a visitor is told what is in it.
//!
//! Scanning is plain code on a thread of its own; a bounded channel lies between it and a server.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::capture::pipeline::Source;
use crate::capture::source::SourceError;
use crate::capture::{CaptureError, Opened, RawError, Seen};
use crate::explain::{Explain, Interrupted, Meaning};
use crate::progress::Progress;
use crate::rdb::visit::Visit;
use crate::rdb::{RdbError, Scanner, Summary};

/// Chunks of at most 256 KiB between the socket and the scanner.
const CHUNKS_AHEAD: usize = 64;

/// A pass that came to its end.
#[derive(Debug)]
pub struct Passed<V> {
    /// The visitor, with what it has heard.
    pub visit: V,
    /// What the file said at its end; `None`: the visitor wanted no more.
    pub summary: Option<Summary>,
    /// What was read of the stored bytes; `None` for a server, and where the visitor wanted no more.
    pub seen: Option<Seen>,
}

/// Why a pass did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The RDB is damaged, or newer than we know ([`RdbError::is_newer_than_known`]).
    #[error(transparent)]
    Rdb(#[from] RdbError),
    /// Its bytes do not come.
    #[error(transparent)]
    Raw(#[from] RawError),
    /// The server, or the way to it.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// Nobody could be asked which nodes to read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A signal.
    #[error("interrupted")]
    Interrupted,
}

impl Explain for PassError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Rdb(error) => error.meaning(),
            Self::Raw(error) => error.meaning(),
            Self::Capture(error) => error.meaning(),
            Self::Source(error) => error.meaning(),
            Self::Interrupted => Interrupted.meaning(),
        }
    }
}

/// Reads what is stored to its end, or until the visitor wants no more.
///
/// # Errors
/// See [`PassError`].
pub async fn stored<V: Visit + Send + 'static>(
    opened: Opened,
    visit: V,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Passed<V>, PassError> {
    run(Feed::Opened(Box::new(opened)), visit, progress, cancel).await
}

/// Reads what a server sends to its end.
///
/// # Errors
/// See [`PassError`]: the first thing that went wrong, not what followed from it.
pub async fn streamed<V: Visit + Send + 'static>(
    source: &mut dyn Source,
    visit: V,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Passed<V>, PassError> {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let feeding = async move {
        while let Some(chunk) = source.next().await? {
            if sender.send(chunk).await.is_err() {
                // Whoever scans has ended, and says why.
                break;
            }
        }
        Ok::<_, CaptureError>(())
    };
    let both = async { tokio::join!(feeding, run(Feed::Server(receiver), visit, progress, cancel)) };
    let (fed, passed) = tokio::select! {
        both = both => both,
        // A server may be silent for long.
        () = cancel.cancelled() => return Err(PassError::Interrupted),
    };
    // That the file ends too early is then only the consequence.
    fed?;
    let passed = passed?;
    match passed.summary.as_ref().map_or(0, |summary| summary.trailing) {
        0 => Ok(passed),
        // What the server never sends after its RDB cannot belong to it.
        trailing => Err(CaptureError::Trailing(trailing).into()),
    }
}

/// Where bytes come from.
enum Feed {
    Opened(Box<Opened>),
    Server(mpsc::Receiver<Bytes>),
}

impl Feed {
    fn next(&mut self) -> Option<Result<Bytes, RawError>> {
        match self {
            Self::Opened(opened) => opened.raw.next(),
            Self::Server(receiver) => receiver.blocking_recv().map(Ok),
        }
    }
}

async fn run<V: Visit + Send + 'static>(
    feed: Feed,
    visit: V,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Passed<V>, PassError> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let stop = cancel.clone();
    let work = tokio::task::spawn_blocking(move || scan(feed, visit, &stop, |length| _ = sender.send(length)));
    let telling = async {
        while let Some(length) = receiver.recv().await {
            progress.advance(length);
        }
    };
    tokio::select! {
        () = telling => {}
        // The thread notices at its next chunk; where none comes it ends when its feeder does.
        () = cancel.cancelled() => return Err(PassError::Interrupted),
    }
    work.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

fn scan<V: Visit>(
    mut feed: Feed,
    mut visit: V,
    cancel: &CancellationToken,
    advance: impl Fn(u64),
) -> Result<Passed<V>, PassError> {
    // A value that contradicts itself is compared as far as it can be read, and does not cost the others.
    let mut scanner = Scanner::new().reading_on(0);
    while let Some(chunk) = feed.next() {
        if cancel.is_cancelled() {
            return Err(PassError::Interrupted);
        }
        let chunk = chunk?;
        scanner.push(&chunk, &mut visit)?;
        advance(chunk.len() as u64);
        if visit.stopped() {
            return Ok(Passed { visit, summary: None, seen: None });
        }
    }
    let summary = scanner.finish()?;
    let seen = match feed {
        Feed::Opened(opened) => Some(opened.seen()?),
        Feed::Server(_) => None,
    };
    Ok(Passed { visit, summary: Some(summary), seen })
}
