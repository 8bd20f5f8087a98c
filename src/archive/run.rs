//! The archiver as a whole: attaches, reads, goes on after every break.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::DateTime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::attach::{Attached, attach, harm};
use super::keeper::{Keeper, Kept};
use super::opened::{self, Opened};
use super::spool::{self, Head, Spool};
use super::writer::{WriteError, Writer};
use super::{ArchiveError, GapFound, Options, Report};
use crate::blocking;
use crate::capture::pulse::Pulse;
use crate::capture::source::SourceError;
use crate::connection::ConnectFault;
use crate::connection::replication::{Beginning, Position, ReplicationError};
use crate::progress::Voice;
use crate::repository::LastMark;
use crate::repository::Repository;
use crate::repository::segment::Gap;

/// The number of the shard of an instance that has one.
const SHARD: u32 = 0;

/// The pause before a server that is gone is looked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// How often the server hears from us, and the disk is made to keep what was written.
const TICK: Duration = Duration::from_secs(1);

/// How long the last segments may take to reach the store once the archiver is stopped.
const FAREWELL: Duration = Duration::from_secs(20);

/// Complete files that may wait: the limit of the spool comes first.
const FILES_AHEAD: usize = 4096;

/// Follows the instance until `cancel` is set or the time is over; both are its normal end. `anew` is told where a history begins that is
/// joined to nothing: only a backup that is taken from then on leads into it.
///
/// # Errors
/// It cannot begin, another archiver is at work, or the server never lets itself be followed.
pub async fn run(
    options: &Options,
    repository: &Repository,
    voice: &dyn Voice,
    anew: mpsc::Sender<()>,
    cancel: &CancellationToken,
) -> Result<Report, ArchiveError> {
    // A file that is being written is ended where it may end, so nothing is dropped in the middle.
    let stop = cancel.child_token();
    let mut archiver = Archiver::begin(options, repository, &stop).await?;
    archiver.anew = Some(anew);
    let timer = options.stop_after.map(|time| {
        let stop = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            stop.cancel();
        })
    });
    let mut has_followed = false;
    let outcome = loop {
        match archiver.follow(&stop, &mut has_followed, voice).await {
            Broken::Stopped => break Ok(()),
            Broken::Link(error) => {
                tracing::info!("the link broke: {error}");
                if !has_followed && is_for_good(&error) {
                    break Err(error);
                }
            }
            Broken::Fatal(error) => break Err(error),
        }
        if let Err(error) = archiver.rewind().await {
            break Err(error);
        }
        tokio::select! {
            () = stop.cancelled() => break Ok(()),
            () = tokio::time::sleep(PAUSE) => {}
        }
    };
    if let Some(timer) = timer {
        timer.abort();
    }
    // What the keeper has met comes first: it is why the rest has ended.
    let report = archiver.end().await?;
    outcome.map(|()| report)
}

/// Whether the first attempt to follow has shown that no other one will do better.
fn is_for_good(error: &ArchiveError) -> bool {
    match error {
        ArchiveError::Replication(error) => error.is_for_good(),
        ArchiveError::Source(SourceError::Connect(error)) => !matches!(error.fault, ConnectFault::Loading),
        ArchiveError::Source(_) | ArchiveError::Harm(_) | ArchiveError::Cluster { .. } => true,
        _ => false,
    }
}

/// Why following has ended.
enum Broken {
    /// A signal came, or the time is over.
    Stopped,
    /// It may go on later.
    Link(ArchiveError),
    /// It may not.
    Fatal(ArchiveError),
}

impl From<ReplicationError> for Broken {
    fn from(error: ReplicationError) -> Self {
        Self::Link(error.into())
    }
}

struct Archiver<'a> {
    options: &'a Options,
    spool: Arc<Spool>,
    writer: Option<Writer>,
    /// Where the stream goes on if no file is being written.
    position: Option<(Position, u32)>,
    anew: Option<mpsc::Sender<()>>,
    /// What this machine has carried into the repository is not there any more: only a new backup leads into what follows.
    is_lost: bool,
    /// What the next file is joined to, if the one that was to say so was given up empty.
    joins: Option<Head>,
    /// Complete files on their way to the keeper; `None`: no more will come.
    work: Option<mpsc::Sender<spool::Complete>>,
    keeper: JoinHandle<Result<Kept, ArchiveError>>,
    waiting: Arc<AtomicU64>,
    /// The newest mark: where no stream comes behind it, the sign of the archiver carries it into the repository.
    last_mark: watch::Sender<Option<LastMark>>,
    give_up: CancellationToken,
    report: Report,
}

impl<'a> Archiver<'a> {
    async fn begin(
        options: &'a Options,
        repository: &Repository,
        stop: &CancellationToken,
    ) -> Result<Self, ArchiveError> {
        let Opened { spool, files, head, is_lost } = opened::open(options, repository, SHARD).await?;
        let position = match files.last() {
            Some((file, safe, database)) => Some((Position { replid: file.replid.clone(), offset: *safe }, *database)),
            None => {
                head.as_ref().map(|head| (Position { replid: head.replid.clone(), offset: head.offset }, head.database))
            }
        };
        let waiting: u64 = files.iter().map(|(file, safe, _)| safe - file.from).sum();
        let waiting = Arc::new(AtomicU64::new(waiting));
        let (work, works) = mpsc::channel(FILES_AHEAD);
        let give_up = CancellationToken::new();
        let (last_mark, seen) = watch::channel(None);
        let keeper = Keeper {
            repository: repository.clone(),
            instance: options.instance.clone(),
            shard: SHARD,
            spool: spool.clone(),
            head,
            waiting: waiting.clone(),
            last_mark: seen,
            give_up: give_up.clone(),
            signed_at: Some(repository.now()),
            stop: stop.clone(),
        };
        let keeper = tokio::spawn(keeper.run(works));
        let archiver = Self {
            options,
            spool,
            writer: None,
            position,
            anew: None,
            is_lost,
            joins: None,
            work: Some(work),
            keeper,
            waiting,
            last_mark,
            give_up,
            report: Report::default(),
        };
        for (file, safe, _) in files {
            let bytes = safe - file.from;
            archiver.hand_over(spool::Complete { spooled: file, bytes }).await;
        }
        Ok(archiver)
    }

    async fn hand_over(&self, work: spool::Complete) {
        if let Some(sender) = &self.work {
            // A keeper that has ended says why by itself.
            let _ = sender.send(work).await;
        }
    }

    fn disk(&self, error: &dyn std::fmt::Display) -> ArchiveError {
        ArchiveError::Spool { folder: self.spool.folder().display().to_string(), error: error.to_string() }
    }

    /// The place behind which the stream goes on.
    fn stands(&self) -> Option<(Position, u32)> {
        match &self.writer {
            Some(writer) => Some((writer.safe(), writer.database())),
            None => self.position.clone(),
        }
    }

    /// Attaches, and reads until something breaks or it is to stop.
    async fn follow(&mut self, stop: &CancellationToken, has_followed: &mut bool, voice: &dyn Voice) -> Broken {
        if self.waiting.load(Ordering::Relaxed) >= self.options.spool_limit {
            return Broken::Link(self.disk(&"it is full; the backlog of the server is the bridge"));
        }
        let stands = self.stands();
        let attached = tokio::select! {
            attached = attach(self.options, stands.as_ref().map(|(position, _)| position)) => attached,
            () = stop.cancelled() => return Broken::Stopped,
        };
        let Attached { mut follower, beginning, mut pulses, first } = match attached {
            Ok(attached) => attached,
            Err(error) => return Broken::Link(error),
        };
        let is_first = !std::mem::replace(has_followed, true);
        if let Err(error) = self.join(beginning, stands, is_first, voice).await {
            return Broken::Fatal(error);
        }
        let mut offset = first.mark.offset;
        let mut tick = tokio::time::interval(TICK);
        let mut is_leaving = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Broken::Stopped,
                chunk = follower.next() => match chunk {
                    Ok(chunk) => match self.push(chunk).await {
                        Ok(true) => pulses.hurry(),
                        Ok(false) => {}
                        Err(WriteError::Stream(error)) => return Broken::Fatal(error.into()),
                        Err(WriteError::Disk(error)) => return Broken::Fatal(self.disk(&error)),
                    },
                    Err(error) => return error.into(),
                },
                pulse = pulses.next() => {
                    offset = offset.max(pulse.mark.offset);
                    if let Some(harm) = harm(&pulse) {
                        return Broken::Link(harm);
                    }
                    if let Err(error) = self.mark(&pulse).await {
                        return Broken::Fatal(self.disk(&error));
                    }
                    if pulse.shuts_down {
                        is_leaving = true;
                        // The server waits for us: the truth lets it go.
                        let read = self.writer.as_ref().map_or(0, Writer::offset);
                        if let Err(error) = follower.acknowledge(read).await {
                            return error.into();
                        }
                    }
                }
                _ = tick.tick() => {
                    // At offset 0 an acknowledgement of 0 is a true one: the server might hand its role over to us.
                    if offset > 0 && !is_leaving && let Err(error) = follower.acknowledge(0).await {
                        return error.into();
                    }
                    if let Err(error) = self.tick().await {
                        return Broken::Fatal(self.disk(&error));
                    }
                    if self.waiting.load(Ordering::Relaxed) >= self.options.spool_limit {
                        return Broken::Link(self.disk(&"it is full"));
                    }
                }
            }
        }
    }

    /// Goes on where the server does.
    async fn join(
        &mut self,
        beginning: Beginning,
        stands: Option<(Position, u32)>,
        is_first: bool,
        voice: &dyn Voice,
    ) -> Result<(), ArchiveError> {
        let mut joins = None;
        let (at, database) = match (beginning, stands) {
            (Beginning::Continued { replid }, Some((position, database))) => {
                if !is_first {
                    self.report.resumed += 1;
                }
                if replid != position.replid {
                    voice.say(&format!(
                        "the server has another replication id since offset {}: the stream goes on without a loss",
                        position.offset
                    ));
                    self.close().await.map_err(|error| self.disk(&error))?;
                }
                joins = self.joins.take();
                (Position { replid, offset: position.offset }, database)
            }
            (Beginning::Continued { replid }, None) => (Position { replid, offset: 0 }, 0),
            (Beginning::Anew(position), Some((old, _))) => {
                self.close().await.map_err(|error| self.disk(&error))?;
                voice.say(&format!(
                    "gap: the server no longer has the stream after offset {}; the archive starts again at offset {}",
                    old.offset, position.offset
                ));
                self.report.gaps.push(GapFound {
                    replid: old.replid.clone(),
                    after: old.offset,
                    new_replid: position.replid.clone(),
                    new_offset: position.offset,
                });
                joins = Some(Head::anew(&position, Some(Gap { replid: old.replid, after: old.offset })));
                (position, 0)
            }
            (Beginning::Anew(position), None) => {
                joins = Some(Head::anew(&position, None));
                (position, 0)
            }
        };
        let needs_base = std::mem::take(&mut self.is_lost) || joins.is_some();
        if let (true, Some(anew)) = (needs_base, &self.anew) {
            // One that waits already is enough.
            let _ = anew.try_send(());
        }
        self.report.replid.clone_from(&at.replid);
        self.report.from.get_or_insert(at.offset);
        // A file that is being written goes on.
        if self.writer.as_ref().is_some_and(|writer| writer.safe() == at) {
            return Ok(());
        }
        self.joins = None;
        let folder = self.spool.folder().to_owned();
        let writer = blocking::run(move || Writer::begin(&folder, &at, database, joins.as_ref())).await;
        self.writer = Some(writer.map_err(|error| self.disk(&error))?);
        Ok(())
    }

    async fn with_writer<T: Send + 'static, E: From<std::io::Error> + Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Writer) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let Some(mut writer) = self.writer.take() else {
            return Err(E::from(std::io::Error::other("no file is being written")));
        };
        let (done, writer) = blocking::run(move || (work(&mut writer), writer)).await;
        self.writer = Some(writer);
        done
    }

    /// Whether the server asks for an acknowledgement.
    async fn push(&mut self, chunk: bytes::Bytes) -> Result<bool, WriteError> {
        let size = self.options.segment_size;
        let written = self.with_writer(move |writer| writer.push(&chunk, size)).await?;
        for closed in written.closed {
            self.complete(closed).await;
        }
        Ok(written.is_asked)
    }

    async fn mark(&mut self, pulse: &Pulse) -> std::io::Result<()> {
        let mark = pulse.mark;
        // A replica that follows another primary since is told by the link.
        if self.report.replid != pulse.replid {
            return Ok(());
        }
        let newest = self.with_writer(move |writer| writer.mark(mark).map(|()| writer.newest_mark())).await?;
        if let Some(mark) = newest {
            self.last_mark.send_replace(Some(LastMark { replid: pulse.replid.clone(), mark }));
        }
        Ok(())
    }

    async fn tick(&mut self) -> std::io::Result<()> {
        let (rpo, idle) = (self.options.rpo, self.options.idle);
        let closed = self.with_writer(move |writer| {
            writer.sync()?;
            if writer.is_due(rpo, idle) { writer.close() } else { std::io::Result::Ok(None) }
        });
        if let Some(closed) = closed.await? {
            self.complete(closed).await;
        }
        Ok(())
    }

    /// Ends the file that is being written at its last safe place.
    async fn close(&mut self) -> std::io::Result<()> {
        if self.writer.is_none() {
            return Ok(());
        }
        let closed = self
            .with_writer(|writer| {
                writer.rewind()?;
                writer.close()
            })
            .await?;
        if let Some(closed) = closed {
            self.complete(closed).await;
        }
        if let Some(writer) = self.writer.take() {
            self.position = Some((writer.safe(), writer.database()));
            self.joins = blocking::run(move || writer.discard()).await?.or(self.joins.take());
        }
        Ok(())
    }

    async fn complete(&mut self, complete: spool::Complete) {
        self.waiting.fetch_add(complete.bytes, Ordering::Relaxed);
        self.hand_over(complete).await;
    }

    /// What is behind the last whole transaction is asked for once more.
    async fn rewind(&mut self) -> Result<(), ArchiveError> {
        if self.writer.is_none() {
            return Ok(());
        }
        self.with_writer(Writer::rewind).await.map_err(|error| self.disk(&error))
    }

    async fn end(mut self) -> Result<Report, ArchiveError> {
        self.close().await.map_err(|error| self.disk(&error))?;
        // The keeper ends with the last file.
        self.work = None;
        let ended = tokio::select! {
            ended = &mut self.keeper => ended,
            () = tokio::time::sleep(FAREWELL) => {
                self.give_up.cancel();
                self.keeper.await
            }
        };
        let kept = ended.unwrap_or_else(|gone| std::panic::resume_unwind(gone.into_panic()))?;
        let mut report = self.report;
        (report.segments, report.raw_bytes, report.stored_bytes) = (kept.segments, kept.raw_bytes, kept.stored_bytes);
        report.to = kept.to;
        report.recoverable_to = kept.last_mark_us.and_then(DateTime::from_timestamp_micros);
        report.spooled_bytes = self.waiting.load(Ordering::Relaxed);
        Ok(report)
    }
}
