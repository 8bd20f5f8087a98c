//! Keys as commands over several connections: methods `restore` and `commands`.
//!
//! A plain thread reads the backup and makes commands ([`assemble`]); each connection ([`lane`]) sends them and reads the
//! answers; the [`ledger`] knows what is answered. The bytes in between are bounded ([`budget`]).

pub mod assemble;
pub mod batch;
pub mod budget;
pub mod calls;
pub mod lane;
pub mod ledger;
pub mod outbox;
mod reading;
pub mod replies;
pub mod vocabulary;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::blocking;
use crate::dataset::{Raw, ReadError, Reopen};
use crate::progress::Progress;
use crate::repository::manifest::CensusSummary;
use crate::restore::journal::{Created, Journal, Position};
use crate::restore::options::Existing;
use crate::restore::rate::{Pace, Rate};
use crate::restore::tally::Tally;
use assemble::Assembler;
use budget::Budget;
use calls::Calls;
use ledger::{Ledger, Stop, Unanswered};
use outbox::{Outbox, Routes};
use reading::{Read, Reading, keep_names};

/// Bytes of a batch, unless a rate asks for less.
const BATCH: usize = 256 * 1024;
/// Bytes that wait to be sent, over all connections. A single larger value passes alone.
const ON_THE_WAY: usize = 4 * 1024 * 1024;
/// Batches that may wait for one connection.
const QUEUE: usize = 4;
/// So many members of one value are compared with each other in memory, at twelve bytes each: 6 MiB. Those of a larger value wait in a
/// temporary file.
pub const MEMBERS_COMPARED: usize = 1 << 19;

/// What a replay needs beside the connections.
#[derive(Debug)]
pub struct Job {
    /// What becomes of each key.
    pub plan: assemble::Plan,
    /// Where the keys of a cluster go.
    pub routes: Routes,
    /// The limit per second.
    pub rate: Option<Rate>,
    /// A target that answers nothing for so long is lost.
    pub silence: Duration,
    /// Where progress is kept for `--resume`; `None`: nowhere.
    pub journal: Option<Journal>,
    /// What an earlier run has done.
    pub before: Position,
    /// Where the names of created keys go, if they may have to be taken back.
    pub created: Option<Created>,
    /// What the manifest says of the keys, where there is one.
    pub census: Option<CensusSummary>,
    /// Bytes of the RDB; `None`: nobody knows before its end.
    pub raw_bytes: Option<u64>,
    /// Set by a signal.
    pub cancel: CancellationToken,
}

/// What a replay has done.
#[derive(Debug)]
pub struct Replayed {
    /// What became of the keys that were reached.
    pub tally: Tally,
    /// The backup turned out bad.
    pub bad: Option<ReadError>,
    /// The target or a connection failed.
    pub stop: Option<Stop>,
    /// A signal came.
    pub interrupted: bool,
    /// Keys that were sent and not answered; not in the tally.
    pub unanswered: Vec<Unanswered>,
    /// Names of the keys that were created.
    pub created: Option<Created>,
    /// Where progress is kept.
    pub journal: Option<Journal>,
    /// How far the replay got.
    pub position: Position,
    /// Every key that failed can be tried again.
    pub failed_are_known: bool,
    /// Commands that were sent.
    pub calls: Calls,
    /// Bytes after the end of the RDB, which were left out.
    pub trailing_bytes: u64,
}

impl Replayed {
    /// Whether all of the backup was read, sent and answered.
    pub fn is_complete(&self) -> bool {
        self.bad.is_none() && self.stop.is_none() && !self.interrupted && self.unanswered.is_empty()
    }
}

/// Sends all keys of a backup over these connections, which are authenticated and in database 0; in a cluster they are in the order of
/// its primaries, as many for each.
pub async fn run<S>(
    job: Job,
    streams: Vec<S>,
    raw: Raw,
    reopen: Option<Reopen>,
    progress: Arc<dyn Progress>,
) -> Replayed
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let keeps_names = job.created.is_some();
    let (was_empty, token) = (job.before.was_empty, job.before.token);
    let (counted, called) = (job.before.counted.clone(), job.before.called.clone());
    let evicted = job.before.evicted;
    let mut tally = job.before.tally.clone();
    // Keys that failed in an earlier run are tried again, and counted again.
    tally.failed = tally.failed.saturating_sub(job.before.failed.len() as u64);
    if tally.failed == 0 {
        tally.failures.clear();
    }
    // Keys that others have written count as failed, so they are tried and counted again as well.
    tally.written_by_others = 0;
    let ledger = Arc::new(Ledger::new(tally, job.before.prefix));
    let budget = Arc::new(Budget::new(ON_THE_WAY));
    // Buffers of sent batches come back to be filled again. Twice as many as can be on their way, for writer and reader each give one back.
    let (used_in, used_out) = crossbeam_channel::bounded(2 * QUEUE * streams.len().max(1));
    let shared = lane::Shared {
        ledger: ledger.clone(),
        budget: budget.clone(),
        used: used_in,
        usual: BATCH,
        silence: job.silence,
        skip_existing: job.plan.existing == Existing::Skip,
        // What an interrupted run may have sent was looked for before this one began.
        met_is_theirs: !matches!(job.plan.existing, Existing::Skip | Existing::Replace),
        accept_loss: job.plan.accept_loss,
        keeps_names,
        clock: job.plan.clock,
    };
    let mut lanes = Vec::new();
    let mut running = Vec::new();
    for stream in streams {
        let (sender, receiver) = mpsc::channel(QUEUE);
        lanes.push(sender);
        running.push(tokio::spawn(lane::run(stream, receiver, shared.clone())));
    }
    let outbox = Outbox::new(
        (lanes, job.routes),
        used_out,
        budget.clone(),
        ledger.clone(),
        Pace::new(job.rate),
        BATCH,
        job.cancel.clone(),
    );
    let reading = Reading {
        assembler: Assembler::new(job.plan, outbox),
        ledger: ledger.clone(),
        journal: job.journal,
        created: job.created,
        reserved: 0,
        before: job.before,
        census: job.census,
        raw_bytes: job.raw_bytes,
        cancel: job.cancel.clone(),
        progress,
    };
    // Reading waits for room on the way to the target, and must not hold up the connections while it does.
    let read = tokio::task::spawn_blocking(move || reading.read(raw, reopen)).await;
    // The reading side owned the senders of the batches: each connection now sends and hears what is left, and ends.
    for lane in running {
        if let Err(error) = lane.await {
            ledger.stop(Stop::Lost(format!("a connection's task ended: {error}")));
        }
    }
    let mut read = read.unwrap_or_else(|error| {
        ledger.stop(Stop::Lost(format!("the reading thread ended: {error}")));
        Read::default()
    });
    // Answers came after the reading side had ended: their names are written here.
    if let Some(created) = read.created.take() {
        let ledger = ledger.clone();
        read.created = Some(blocking::run(move || keep_names(created, &ledger)).await);
    }
    let closed = ledger.close();
    let failed_are_known = closed.failed.is_some();
    // Answers come after the reading side has ended, and some of them say that a temporary key is gone.
    let mut deferred = read.deferred;
    deferred.extend(closed.gone.iter().map(|number| (*number, read.lengths.get(number).copied().unwrap_or(0))));
    let failed = closed.failed.unwrap_or_default();
    // Keys beyond the prefix are read again anyway, and deferred ones have a pass of their own: neither may be tried twice.
    let failed = failed.into_iter().filter(|number| *number < closed.prefix && !deferred.contains_key(number));
    let position = Position {
        prefix: closed.prefix,
        sent: read.sent,
        tally: read.frozen.unwrap_or_else(|| ledger.prefix().1),
        failed: failed.map(|number| (number, read.lengths.get(&number).copied().unwrap_or(0))).collect(),
        deferred,
        was_empty,
        emptying: false,
        token,
        counted,
        called: closed.calls.names(&read.calls.names(&called)),
        evicted,
    };
    // The last word on how far it got. Without it the next run sends some keys once more, which is harmless: so no failure.
    if let Some(journal) = read.journal.take() {
        let (journal, written) = journal.written(position.clone()).await;
        if let Err(error) = written {
            tracing::warn!("cannot write the journal, so `--resume` will start earlier: {error}");
        }
        read.journal = Some(journal);
    }
    Replayed {
        tally: closed.tally,
        bad: read.bad,
        stop: closed.stop.or((read.only_once > 0).then_some(Stop::OnlyOnce(read.only_once))),
        interrupted: job.cancel.is_cancelled() && !read.to_the_end,
        unanswered: closed.unanswered,
        created: read.created,
        journal: read.journal,
        position,
        failed_are_known,
        calls: {
            let mut calls = closed.calls;
            calls.add(&read.calls);
            calls
        },
        trailing_bytes: read.trailing_bytes,
    }
}
