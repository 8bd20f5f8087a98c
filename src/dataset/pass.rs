//! One pass over an RDB: its chunks go, in order, to a [`Take`].
//!
//! Taking is plain code, which blocks: [`drive`] runs on a thread that may, and [`run`] brings such a thread. Where the bytes come from (a
//! store, a file, a server) and what is made of them (an inspection, a census, commands for a target) is decided by the caller.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::raw::{Opened, Raw, RawError, Seen};
use crate::dataset::foreign::{Foreign, are_commands};
use crate::explain::{Explain, Interrupted, Meaning};
use crate::progress::Progress;
use crate::rdb::visit::Visit;
use crate::rdb::{RdbError, Scanner, Summary};

/// Reports of progress that wait until they are heard. More of them become one.
const REPORTS_AHEAD: usize = 16;

/// Takes the bytes of an RDB.
pub trait Take {
    /// Why it does not go on.
    type Error: From<RawError>;

    /// Takes the next chunk.
    ///
    /// # Errors
    /// The pass ends with this error.
    fn take(&mut self, chunk: &[u8]) -> Result<(), Self::Error>;

    /// Whether it wants no more: the pass then ends early, without an error.
    fn has_enough(&self) -> bool {
        false
    }

    /// The error of a pass that was cancelled.
    fn interrupted() -> Self::Error;
}

/// How a pass ended that met no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The last chunk was taken.
    AtTheEnd,
    /// The taker wanted no more.
    Early,
}

/// Hands one chunk after the other to the taker, and tells the length of each. Blocks as long as `next` does.
///
/// # Errors
/// What `next` or the taker met, or [`Take::interrupted`].
pub fn drive<T: Take>(
    mut next: impl FnMut() -> Option<Result<Bytes, RawError>>,
    taker: &mut T,
    cancel: &CancellationToken,
    mut advance: impl FnMut(u64),
) -> Result<Ended, T::Error> {
    while let Some(chunk) = next() {
        if cancel.is_cancelled() {
            return Err(T::interrupted());
        }
        let chunk = chunk?;
        taker.take(&chunk)?;
        advance(chunk.len() as u64);
        if taker.has_enough() {
            return Ok(Ended::Early);
        }
    }
    // What ended with us has not come to its end.
    if cancel.is_cancelled() { Err(T::interrupted()) } else { Ok(Ended::AtTheEnd) }
}

/// Where the chunks of a pass come from.
#[derive(Debug)]
pub enum Feed {
    /// What is stored.
    Opened(Box<Opened>),
    /// The raw bytes of a shard, whose end is held against its manifest.
    Raw(Raw),
    /// What somebody else reads: a server's answer, say.
    Channel(mpsc::Receiver<Bytes>),
}

impl Feed {
    /// The next chunk; blocks.
    fn next(&mut self) -> Option<Result<Bytes, RawError>> {
        match self {
            Self::Opened(opened) => opened.raw.next(),
            Self::Raw(raw) => raw.next(),
            Self::Channel(receiver) => receiver.blocking_recv().map(Ok),
        }
    }
}

/// A pass that met no error.
#[derive(Debug)]
pub struct Passed<T> {
    /// The taker, with what it was given.
    pub taker: T,
    /// Whether it was given everything.
    pub ended: Ended,
    /// What was read of the stored bytes; `None` where another feed held it against its manifest, and where the taker wanted no more.
    pub seen: Option<Seen>,
}

/// A pass on a thread of its own.
///
/// # Errors
/// As [`drive`]. After `cancel` this returns at once, whatever the thread still waits for: a pipe or a server may be silent for long.
pub async fn run<T>(
    mut feed: Feed,
    mut taker: T,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Passed<T>, T::Error>
where
    T: Take + Send + 'static,
    T::Error: Send + 'static,
{
    let (sender, mut receiver) = mpsc::channel(REPORTS_AHEAD);
    let stop = cancel.clone();
    let work = tokio::task::spawn_blocking(move || {
        let mut unheard = 0;
        let ended = drive(
            || feed.next(),
            &mut taker,
            &stop,
            |length| {
                unheard += length;
                if sender.try_send(unheard).is_ok() {
                    unheard = 0;
                }
            },
        )?;
        let _ = sender.blocking_send(unheard);
        let seen = match (feed, ended) {
            (Feed::Opened(opened), Ended::AtTheEnd) => Some(opened.seen()?),
            _ => None,
        };
        Ok(Passed { taker, ended, seen })
    });
    let telling = async {
        while let Some(length) = receiver.recv().await {
            progress.advance(length);
        }
    };
    tokio::select! {
        () = telling => {}
        () = cancel.cancelled() => return Err(T::interrupted()),
    }
    work.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Why an RDB could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The RDB is damaged, or newer than we know ([`RdbError::is_newer_than_known`]).
    #[error(transparent)]
    Rdb(#[from] RdbError),
    /// Its bytes do not come, or are not those that were stored.
    #[error(transparent)]
    Raw(#[from] RawError),
    /// A signal came.
    #[error("interrupted")]
    Interrupted,
}

impl ReadError {
    /// Whether the store or the disk gives no more of it: that says nothing of the data.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Raw(RawError::Storage(_) | RawError::File(_)))
    }

    /// The stable name for JSON answers.
    pub fn code(&self) -> &'static str {
        self.meaning().code
    }
}

impl Explain for ReadError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Rdb(error) => error.meaning().at_rest(),
            Self::Raw(error) => error.meaning().or("unreadable"),
            Self::Interrupted => Interrupted.meaning(),
        }
    }
}

/// Takes bytes as an RDB: a visitor is told what is in it.
#[derive(Debug)]
pub struct Scanned<V> {
    scanner: Scanner,
    visit: V,
}

impl<V: Visit> Scanned<V> {
    /// For this visitor. A value that contradicts itself is told as far as it can be read, and does not cost those behind it; the members
    /// of one value are compared with each other as long as they are no more than `members_compared`, at twelve bytes each.
    pub fn by(visit: V, members_compared: usize) -> Self {
        Self { scanner: Scanner::new().reading_on(members_compared), visit }
    }

    /// Members of values that were not compared with each other.
    pub fn not_compared(&self) -> u64 {
        self.scanner.not_compared()
    }

    /// The visitor, whatever was taken.
    pub fn into_visit(self) -> V {
        self.visit
    }

    /// The visitor, and what the RDB says at its end.
    ///
    /// # Errors
    /// The RDB ends too early, or with another checksum than its own; or commands follow it: it is an append-only file, of which only the
    /// beginning was read.
    pub fn finish(self) -> Result<(V, Summary), ReadError> {
        Ok((self.visit, end_of(self.scanner)?))
    }
}

/// What an RDB at rest says at its end.
///
/// # Errors
/// As [`Scanned::finish`].
pub fn end_of(scanner: Scanner) -> Result<Summary, ReadError> {
    let summary = scanner.finish()?;
    match are_commands(&summary.trailing_start) {
        true => Err(ReadError::Raw(Foreign::aof_with_preamble().into())),
        false => Ok(summary),
    }
}

impl<V: Visit> Take for Scanned<V> {
    type Error = ReadError;

    fn take(&mut self, chunk: &[u8]) -> Result<(), ReadError> {
        Ok(self.scanner.push(chunk, &mut self.visit)?)
    }

    fn has_enough(&self) -> bool {
        self.visit.stopped()
    }

    fn interrupted() -> ReadError {
        ReadError::Interrupted
    }
}
