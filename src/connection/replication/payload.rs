//! The RDB as it comes from a server, and nothing else: the framing is taken off.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use memchr::memmem;
use tokio::io::AsyncReadExt;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::LEAST_RATE;
use super::error::{ReplicationError, ReplicationFault, Stage, reason_of};
use super::shutdown::Watch;
use crate::connection::Stream;
use crate::connection::wire::Wire;

/// How much is read at once, and the longest chunk that is given, in bytes.
const CHUNK_LENGTH: usize = 256 * 1024;

/// The length of the mark that ends an RDB of unknown length, in bytes (Redis `replication.c`, `CONFIG_RUN_ID_SIZE`).
pub(super) const MARK_LENGTH: usize = 40;

/// How a server tells where its RDB ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// An RDB that was saved to the server's disk first: this many bytes.
    Counted(u64),
    /// An RDB straight from the saving process: these bytes follow its end.
    Marked([u8; MARK_LENGTH]),
}

/// What the server said before its RDB.
pub(super) struct Header {
    pub(super) replid: Option<String>,
    pub(super) offset: Option<u64>,
    pub(super) framing: Framing,
    pub(super) rdb_only: bool,
}

/// An RDB on its way to us. Dropping it closes the connection, and the server stops.
pub struct Payload {
    /// The connection; `None` once the server is to shut down: the task that watches for that takes it away, also while nobody reads.
    stream: Arc<Mutex<Option<Stream>>>,
    watch: Watch,
    buffer: BytesMut,
    target: String,
    header: Header,
    silence: Duration,
    given: u64,
    ended: bool,
    left_at: Instant,
    unread: Duration,
    pace: Pace,
    too_slow: Option<(u64, Duration)>,
}

impl Payload {
    pub(super) fn new(wire: Wire, target: String, header: Header, silence: Duration, mut watch: Watch) -> Self {
        let stream = Arc::new(Mutex::new(Some(wire.stream)));
        watch.hang_up(&stream);
        Self {
            stream,
            watch,
            buffer: wire.buffer,
            target,
            header,
            silence,
            given: 0,
            ended: false,
            left_at: Instant::now(),
            unread: Duration::ZERO,
            pace: Pace::default(),
            too_slow: None,
        }
    }

    /// The history that the data set belongs to: 40 characters. `None` if the server knows no `PSYNC`.
    pub fn replid(&self) -> Option<&str> {
        self.header.replid.as_deref()
    }

    /// The point in that history. `None` if the server knows no `PSYNC`.
    pub fn offset(&self) -> Option<u64> {
        self.header.offset
    }

    /// How the end is told. [`Framing::Counted`] means that the server saved to its disk, whatever was asked for.
    pub fn framing(&self) -> Framing {
        self.header.framing
    }

    /// The length of the RDB in bytes, if the server announced it.
    pub fn length(&self) -> Option<u64> {
        match self.header.framing {
            Framing::Counted(length) => Some(length),
            Framing::Marked(_) => None,
        }
    }

    /// Whether the server keeps no commands back for us meanwhile (6.2 and newer). If it does, many writes during a long transfer
    /// may exceed its `client-output-buffer-limit replica`.
    pub fn is_rdb_only(&self) -> bool {
        self.header.rdb_only
    }

    /// How many bytes of the RDB were given by [`Payload::next`] so far.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// The next bytes of the RDB: at least one, at most 256 KiB; `None` after its end. Dropping the future loses nothing.
    ///
    /// The server is never to wait for us: call it again soon, with a channel in between if need be.
    ///
    /// # Errors
    /// [`ReplicationFault::Silent`], [`ReplicationFault::Dribbles`], [`ReplicationFault::ShuttingDown`] and
    /// [`ReplicationFault::Disconnected`], also before the mark is complete. Up to 39 bytes that came before the connection ended may then not have been given: they could have been part of the mark.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ReplicationError> {
        self.unread = self.unread.max(self.left_at.elapsed());
        let chunk = self.next_chunk().await;
        self.left_at = Instant::now();
        chunk
    }

    async fn next_chunk(&mut self) -> Result<Option<Bytes>, ReplicationError> {
        loop {
            let (length, is_last) = self.ready();
            self.ended |= is_last;
            if length > 0 {
                self.given += length as u64;
                return Ok(Some(self.buffer.split_to(length).freeze()));
            }
            if self.ended {
                return Ok(None);
            }
            self.fill().await?;
        }
    }

    /// How many bytes at the beginning of the buffer surely belong to the RDB, and whether it ends with them.
    fn ready(&self) -> (usize, bool) {
        if self.ended {
            return (0, true);
        }
        let most = self.buffer.len().min(CHUNK_LENGTH);
        match &self.header.framing {
            Framing::Counted(length) => {
                let left = length - self.given;
                let ready = usize::try_from(left).unwrap_or(usize::MAX).min(most);
                (ready, ready as u64 == left)
            }
            // The first mark is the end. It is drawn after the fork, 160 random bits, so that the data, which is older, holds it by
            // chance never; and what comes after it is not to be relied on: nothing, the end of the connection, newlines (7.0), or
            // commands. A mark may be split over reads: what could be its beginning is held back.
            Framing::Marked(mark) => match memmem::find(&self.buffer[..self.buffer.len()], mark) {
                Some(at) if at <= CHUNK_LENGTH => (at, true),
                _ => (self.buffer.len().saturating_sub(MARK_LENGTH - 1).min(CHUNK_LENGTH), false),
            },
        }
    }

    /// Waits for bytes, and takes with them all that is there already.
    async fn fill(&mut self) -> Result<(), ReplicationError> {
        // Not at once: what came last may have been the end.
        if let Some((n_bytes, waited)) = self.too_slow {
            return Err(self.error(ReplicationFault::Dribbles { stage: self.stage(), n_bytes, waited }));
        }
        self.buffer.reserve(CHUNK_LENGTH);
        let (before, begun) = (self.buffer.len(), Instant::now());
        let link = self.stream.clone();
        let mut link = link.lock().await;
        let Some(stream) = link.as_mut() else { return Err(self.shutting_down()) };
        let read = tokio::select! {
            biased;
            read = timeout(self.silence, stream.read_buf(&mut self.buffer)) => read,
            () = self.watch.shutting_down() => {
                *link = None;
                return Err(self.shutting_down());
            }
        };
        match read {
            Err(_) => {
                let fault = ReplicationFault::Silent { stage: self.stage(), waited: self.silence };
                return Err(self.error(fault));
            }
            Ok(Ok(0)) => return Err(self.disconnected(None)),
            Ok(Err(error)) => return Err(self.disconnected(reason_of(&error))),
            Ok(Ok(_)) => {}
        }
        while self.buffer.len() < CHUNK_LENGTH
            // An end or an error that shows here shows again at the next read.
            && let Some(Ok(1..)) = stream.read_buf(&mut self.buffer).now_or_never()
        {}
        let n_bytes = (self.buffer.len() - before) as u64;
        self.too_slow = self.pace.came(n_bytes, begun.elapsed(), self.silence);
        Ok(())
    }

    fn shutting_down(&self) -> ReplicationError {
        self.error(ReplicationFault::ShuttingDown { stage: self.stage() })
    }

    fn stage(&self) -> Stage {
        Stage::Receiving(self.given + self.buffer.len() as u64)
    }

    fn disconnected(&self, reason: Option<String>) -> ReplicationError {
        let (stage, expected, unread) = (self.stage(), self.length(), self.unread);
        self.error(ReplicationFault::Disconnected { stage, expected, reason, unread })
    }

    fn error(&self, fault: ReplicationFault) -> ReplicationError {
        ReplicationError { target: self.target.clone(), fault }
    }
}

/// How much came since when, counting the time only in which the server was waited for.
#[derive(Debug, Default)]
struct Pace {
    n_bytes: u64,
    waited: Duration,
}

impl Pace {
    /// Counts what came. If it is too little once a `window` of waiting is full: how much it was, and in which time.
    fn came(&mut self, n_bytes: u64, waited: Duration, window: Duration) -> Option<(u64, Duration)> {
        self.n_bytes += n_bytes;
        self.waited += waited;
        if self.waited < window {
            return None;
        }
        let least = u64::try_from(window.as_millis()).unwrap_or(u64::MAX).saturating_mul(LEAST_RATE) / 1000;
        let Self { n_bytes, waited } = std::mem::take(self);
        // For people: milliseconds are enough.
        let waited = Duration::from_millis(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
        (n_bytes < least).then_some((n_bytes, waited))
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload")
            .field("target", &self.target)
            .field("replid", &self.header.replid)
            .field("offset", &self.header.offset)
            .field("framing", &self.header.framing)
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
