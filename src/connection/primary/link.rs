//! The connection of a target that replicates from us: `+FULLRESYNC`, the RDB, its acknowledgement, and a stream behind it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::FeedError;
use super::request::{Request, Requests};

/// How often a target that waits for the RDB hears from us; its `repl-timeout` is 60 seconds by default, and while it reads
/// the first line its patience is 5 seconds.
const KEEPALIVE: Duration = Duration::from_secs(1);
/// How often a target that loads is sent a `PING`, as primaries do (`repl-ping-replica-period`).
const PING_PERIOD: Duration = Duration::from_secs(10);
/// Asks for an acknowledgement as soon as the target can; on its own it sends one each second.
const GETACK: &[u8] = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// A stream of bytes both ways: TCP, or TLS on top of it.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// What the target is told that it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The replication id, exactly 40 characters: a target takes no other length.
    pub replid: String,
    /// The offset of the snapshot.
    pub offset: u64,
    /// Bytes of the RDB.
    pub length: u64,
    /// Nothing but the RDB is sent: whatever follows it counts as offset, and the target is to stand at `offset` exactly. It must have a
    /// `repl-timeout` that is longer than its loading takes.
    pub is_exact: bool,
}

/// A target that has the whole RDB in its memory, and says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// From the first byte of the RDB handed to the network to the acknowledgement.
    pub elapsed: Duration,
    /// From the first byte to the last.
    pub transfer: Duration,
    /// The offset it acknowledged.
    pub acknowledged: u64,
    /// Bytes that were sent behind the RDB: questions and signs of life, which count as offset.
    pub behind: u64,
}

/// A target that has processed a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streamed {
    /// Bytes of the stream.
    pub bytes: u64,
    /// The offset that it acknowledged: all of them.
    pub acknowledged: u64,
    /// From the first byte to the acknowledgement.
    pub elapsed: Duration,
}

/// The recognised connection of the target.
pub struct Link {
    stream: Box<dyn Duplex>,
    requests: Requests,
    peer: SocketAddr,
}

impl Link {
    pub(super) fn new(stream: Box<dyn Duplex>, requests: Requests, peer: SocketAddr) -> Self {
        Self { stream, requests, peer }
    }

    /// Where the target came from.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Sends the RDB of `chunks`, in which the end of the channel is the end of the file, and waits until the target has loaded
    /// it. `sent` is told of every chunk's bytes. `patience`: how long the target may neither take nor send a byte.
    ///
    /// Always a full resync: `+CONTINUE` would keep the target's data and hang our stream onto it. The length is announced
    /// (`$<length>`), so that the end is a count and not a mark, and so that commands may follow at once.
    ///
    /// The connection stays open for as long as the link lives: drop it after an error, and after the target was told that it
    /// is a primary again.
    ///
    /// # Errors
    /// See [`FeedError`]. Unless all bytes were sent, the target never saw a whole RDB.
    pub async fn full_resync(
        &mut self,
        snapshot: &Snapshot,
        chunks: mpsc::Receiver<Bytes>,
        sent: &(dyn Fn(u64) + Sync),
        patience: Duration,
    ) -> Result<Loaded, FeedError> {
        let (reader, writer) = tokio::io::split(&mut self.stream);
        let state = State { sent: AtomicU64::new(0), behind: AtomicU64::new(0), length: snapshot.length };
        let times = Times::default();
        let writing = Writing { writer, state: &state, times: &times, patience }.run(snapshot, chunks, sent);
        let reading = Reading { reader, requests: &mut self.requests, state: &state, patience }.run(snapshot.offset);
        let acknowledged = tokio::select! {
            error = writing => return Err(error),
            acknowledged = reading => acknowledged?,
        };
        let behind = state.behind.load(Ordering::Relaxed);
        Ok(Loaded { elapsed: times.since_first(), transfer: times.transfer(), acknowledged, behind })
    }

    /// Sends a replication stream behind the RDB, and waits until the target has processed all of it. `from`: the offset at which the
    /// target stands. `patience`: how long it may neither take a byte nor acknowledge one.
    ///
    /// An acknowledgement says that a command was processed, not that it succeeded: a target that does not know a command says so in its
    /// log, and goes on.
    ///
    /// # Errors
    /// See [`FeedError`]; the lengths in it are those of the stream, of which the whole is not known.
    pub async fn feed_stream(
        &mut self,
        from: u64,
        mut chunks: mpsc::Receiver<Bytes>,
        sent: &(dyn Fn(u64) + Sync),
        patience: Duration,
    ) -> Result<Streamed, FeedError> {
        let begun = Instant::now();
        let (reader, mut writer) = tokio::io::split(&mut self.stream);
        // The end is known when the last chunk was sent.
        let state = State { sent: AtomicU64::new(0), behind: AtomicU64::new(0), length: u64::MAX };
        let all = std::sync::OnceLock::new();
        let writing = async {
            while let Some(chunk) = chunks.recv().await {
                let write = async {
                    writer.write_all(&chunk).await?;
                    writer.flush().await
                };
                match timeout(patience, write).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return state.broken(error),
                    Err(_) => return state.stalled(patience),
                }
                state.sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                sent(chunk.len() as u64);
            }
            let _ = all.set(from + state.sent());
            // A replica acknowledges each second by itself: a question would count as offset.
            std::future::pending().await
        };
        let reading = follow_acknowledgements(reader, &mut self.requests, &state, &all, patience);
        let acknowledged = tokio::select! {
            error = writing => return Err(error),
            acknowledged = reading => acknowledged?,
        };
        Ok(Streamed { bytes: state.sent(), acknowledged, elapsed: begun.elapsed() })
    }
}

/// How far the transfer is; both halves look at it.
struct State {
    sent: AtomicU64,
    /// Bytes behind the RDB.
    behind: AtomicU64,
    length: u64,
}

impl State {
    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whether the target has all that it needs. Not whether the source has ended: an acknowledgement may be faster.
    fn complete(&self) -> bool {
        self.sent() >= self.length
    }

    fn broken(&self, error: std::io::Error) -> FeedError {
        FeedError::Broken { sent: self.sent(), length: self.length, error }
    }

    fn stalled(&self, waited: Duration) -> FeedError {
        FeedError::Stalled { sent: self.sent(), length: self.length, waited }
    }
}

#[derive(Default)]
struct Times {
    first: std::sync::OnceLock<Instant>,
    last: std::sync::OnceLock<Instant>,
}

impl Times {
    fn since_first(&self) -> Duration {
        self.first.get().map_or(Duration::ZERO, Instant::elapsed)
    }

    fn transfer(&self) -> Duration {
        match (self.first.get(), self.last.get()) {
            (Some(first), Some(last)) => last.duration_since(*first),
            _ => Duration::ZERO,
        }
    }
}

struct Writing<'a> {
    writer: WriteHalf<&'a mut Box<dyn Duplex>>,
    state: &'a State,
    times: &'a Times,
    patience: Duration,
}

impl Writing<'_> {
    /// Ends only with an error: after the last byte it keeps the link alive until the reader has seen the acknowledgement.
    async fn run(
        mut self,
        snapshot: &Snapshot,
        chunks: mpsc::Receiver<Bytes>,
        sent: &(dyn Fn(u64) + Sync),
    ) -> FeedError {
        match self.rdb(snapshot, chunks, sent).await {
            // The target acknowledges each second by itself.
            Ok(()) if snapshot.is_exact => std::future::pending().await,
            Ok(()) => self.keep_alive().await,
            Err(error) => error,
        }
    }

    async fn rdb(
        &mut self,
        snapshot: &Snapshot,
        mut chunks: mpsc::Receiver<Bytes>,
        sent: &(dyn Fn(u64) + Sync),
    ) -> Result<(), FeedError> {
        self.write(format!("+FULLRESYNC {} {}\r\n", snapshot.replid, snapshot.offset).as_bytes()).await?;
        let mut next = self.first(&mut chunks).await?;
        // Before the first chunk is there nothing is announced: an announced RDB that does not come costs the target more.
        let _ = self.times.first.set(Instant::now());
        self.write(format!("${}\r\n", snapshot.length).as_bytes()).await?;
        while let Some(chunk) = next {
            let length = chunk.len() as u64;
            if self.state.sent() + length > snapshot.length {
                return Err(FeedError::SourceTooLong { length: snapshot.length });
            }
            self.write(&chunk).await?;
            self.state.sent.fetch_add(length, Ordering::Relaxed);
            sent(length);
            next = chunks.recv().await;
        }
        if self.state.sent() < snapshot.length {
            return Err(FeedError::SourceEnded { sent: self.state.sent(), length: snapshot.length });
        }
        let _ = self.times.last.set(Instant::now());
        if snapshot.is_exact { Ok(()) } else { self.write_behind(GETACK).await }
    }

    /// The first chunk; newlines go out while it is not there.
    async fn first(&mut self, chunks: &mut mpsc::Receiver<Bytes>) -> Result<Option<Bytes>, FeedError> {
        loop {
            match timeout(KEEPALIVE, chunks.recv()).await {
                Ok(chunk) => return Ok(chunk),
                Err(_) => self.write(b"\n").await?,
            }
        }
    }

    async fn keep_alive(&mut self) -> FeedError {
        loop {
            tokio::time::sleep(PING_PERIOD).await;
            // Not a newline: after the RDB every byte counts as offset, and a newline is no command.
            if let Err(error) = self.write_behind(PING).await {
                return error;
            }
        }
    }

    async fn write_behind(&mut self, bytes: &[u8]) -> Result<(), FeedError> {
        self.state.behind.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.write(bytes).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), FeedError> {
        let write = async {
            self.writer.write_all(bytes).await?;
            self.writer.flush().await
        };
        match timeout(self.patience, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.state.broken(error)),
            Err(_) => Err(self.state.stalled(self.patience)),
        }
    }
}

struct Reading<'a> {
    reader: ReadHalf<&'a mut Box<dyn Duplex>>,
    requests: &'a mut Requests,
    state: &'a State,
    patience: Duration,
}

impl Reading<'_> {
    /// The offset that the target acknowledges once it has loaded everything: it sends none before.
    async fn run(mut self, offset: u64) -> Result<u64, FeedError> {
        let mut bytes = [0; 1024];
        loop {
            while let Some(request) = self.requests.next().map_err(|reason| FeedError::Unexpected { reason })? {
                match request {
                    Request::Ack(_) if !self.state.complete() => {
                        return Err(FeedError::Unexpected {
                            reason: "an acknowledgement before the last byte was sent",
                        });
                    }
                    Request::Ack(acknowledged) if acknowledged >= offset => return Ok(acknowledged),
                    _ => {}
                }
            }
            // Only when all is sent is it the target's turn: before, silence is what a replica that receives does.
            let its_turn = self.state.complete();
            match timeout(self.patience, self.reader.read(&mut bytes)).await {
                Ok(Ok(0)) => return Err(FeedError::Closed { sent: self.state.sent(), length: self.state.length }),
                Ok(Ok(length)) => self.requests.push(&bytes[..length]),
                Ok(Err(error)) => return Err(self.state.broken(error)),
                Err(_) if its_turn => return Err(self.state.stalled(self.patience)),
                Err(_) => {}
            }
        }
    }
}

/// Reads acknowledgements until one covers all that was sent.
async fn follow_acknowledgements(
    mut reader: ReadHalf<&mut Box<dyn Duplex>>,
    requests: &mut Requests,
    state: &State,
    all: &std::sync::OnceLock<u64>,
    patience: Duration,
) -> Result<u64, FeedError> {
    let mut bytes = [0; 1024];
    let mut last = (Instant::now(), 0);
    loop {
        while let Some(request) = requests.next().map_err(|reason| FeedError::Unexpected { reason })? {
            if let Request::Ack(acknowledged) = request {
                if all.get().is_some_and(|all| acknowledged >= *all) {
                    return Ok(acknowledged);
                }
                if acknowledged > last.1 {
                    last = (Instant::now(), acknowledged);
                }
            }
        }
        if all.get().is_some() && last.0.elapsed() > patience {
            return Err(state.stalled(patience));
        }
        match timeout(patience, reader.read(&mut bytes)).await {
            Ok(Ok(0)) => return Err(FeedError::Closed { sent: state.sent(), length: state.length }),
            Ok(Ok(length)) => requests.push(&bytes[..length]),
            Ok(Err(error)) => return Err(state.broken(error)),
            Err(_) => return Err(state.stalled(patience)),
        }
    }
}
