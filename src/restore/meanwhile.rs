//! Going on with a restore that was interrupted: keys that it may have sent after its journal was last written are looked at before
//! anything is sent. A key that stands in the target as it is in the backup was sent, and counts as restored. A key that stands there with
//! another value or expiry was written by somebody else, for keys are written whole or not at all: `--on-conflict` of this run says
//! whether the key is left, overwritten or refused, and its name is told.

mod dumped;

use std::collections::BTreeSet;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::census::{Digester, KeyType, Record, Sink};
use crate::connection::{CommandError, ConnectError, Node};
use crate::dataset::pass::{self, Feed};
use crate::dataset::{Raw, ReadError, Scanned};
use crate::explain::{Explain, Interrupted, Meaning};
use crate::progress::{Hidden, Progress, Unit};
use crate::rdb::Oddity;
use crate::rdb::visit::{Entry, EntryEnd, Interest, Part, Piece, Visit};
use crate::restore::journal::Position;
use crate::restore::mend::Mended;
use crate::restore::met::Found;
use crate::restore::replay::MEMBERS_COMPARED;
use crate::restore::sent::Sent;
use crate::restore::target_format::TargetFormat;
use dumped::Asking;

/// Keys that are asked for in one go, and bytes that they have in the backup.
const KEYS_AT_ONCE: usize = 500;
const BYTES_AT_ONCE: u64 = 1 << 20;

/// Why it could not be told; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum MeanwhileError {
    /// The backup is bad.
    #[error(transparent)]
    Backup(#[from] ReadError),
    /// The target cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The target gives no answer.
    #[error(transparent)]
    Target(#[from] CommandError),
    /// A signal came.
    #[error("interrupted")]
    Interrupted,
}

impl Explain for MeanwhileError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Backup(error) => error.meaning(),
            Self::Connect(error) => error.meaning(),
            Self::Target(error) => error.meaning(),
            Self::Interrupted => Interrupted.meaning(),
        }
    }
}

/// What is looked at.
#[derive(Debug)]
pub struct Looking<'a> {
    /// The target server.
    pub node: &'a Node,
    /// What it takes.
    pub format: TargetFormat,
    /// What is sent.
    pub sent: Sent,
    /// How far the interrupted run got.
    pub position: &'a Position,
    /// Streams are not sent as they stand in the backup.
    pub lossy_streams: bool,
    /// "Now" in Unix milliseconds.
    pub now_ms: i64,
    /// Set by a signal.
    pub cancel: &'a CancellationToken,
}

impl Looking<'_> {
    /// Looks. `raw`: the backup, which is read as far as the interrupted run may have sent it.
    ///
    /// # Errors
    /// See [`MeanwhileError`].
    pub async fn look(self, raw: Raw, progress: &dyn Progress) -> Result<Found, MeanwhileError> {
        let Self { node, format, sent, position, lossy_streams, now_ms, cancel } = self;
        // How many of them there are is known at the end: the journal runs ahead of what was sent.
        progress.phase("finding out which keys the interrupted run has written", Unit::Keys, None);
        let pending: BTreeSet<u64> = position.deferred.keys().chain(position.failed.keys()).copied().collect();
        let failed: BTreeSet<u64> = position.failed.keys().copied().collect();
        let (sender, mut batches) = mpsc::channel::<Vec<Candidate>>(4);
        let names = Names {
            digester: Digester::choosing(Last::default(), sent).by_meaning().fields_expired_before(now_ms),
            from: position.prefix,
            to: position.sent,
            pending,
            failed,
            lossy_streams,
            ordinal: 0,
            is_meant: false,
            is_odd: false,
            sender,
            batch: Vec::new(),
            bytes: 0,
            is_over: false,
        };
        let reading = async {
            let passed =
                pass::run(Feed::Raw(raw), Scanned::by(names, MEMBERS_COMPARED), &Hidden::default(), cancel).await?;
            let rest = match passed.ended {
                pass::Ended::AtTheEnd => passed.taker.finish()?.0,
                pass::Ended::Early => passed.taker.into_visit(),
            };
            // Nobody listens where the target gives no answer, and that is said.
            let _ = rest.sender.send(rest.batch).await;
            Ok::<_, ReadError>(())
        };
        // The sender is moved in: when the pass ends, the receiver finds its channel closed, and stops asking.
        let asking = async move {
            let mut found = Found::new();
            let mut asking = Asking::begin(node, format, now_ms).await?;
            while let Some(batch) = batches.recv().await {
                asking.about(&batch, &mut found).await?;
                progress.advance(batch.len() as u64);
            }
            Ok::<_, MeanwhileError>(found)
        };
        let (read, found) = tokio::join!(reading, asking);
        let found = found?;
        match read {
            Err(ReadError::Interrupted) => Err(MeanwhileError::Interrupted),
            read => Ok(read.map(|()| found)?),
        }
    }
}

/// A key that the interrupted run may have sent, as it is in the backup.
#[derive(Debug)]
struct Candidate {
    ordinal: u64,
    value: Value,
    database: u64,
    key: Vec<u8>,
    /// What is sent of it may be something else.
    is_unsure: bool,
    /// The interrupted run has failed at it.
    has_failed: bool,
}

/// What tells a value from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Value {
    key_type: KeyType,
    elements: u64,
    hash: u128,
    expire_ms: Option<i64>,
}

/// Keeps the last key.
#[derive(Debug, Default)]
struct Last(Option<(u64, Vec<u8>, Value)>);

impl Sink for Last {
    fn key(&mut self, record: &Record<'_>) {
        let &Record { key_type, elements, value: hash, expire_ms, .. } = record;
        self.0 = Some((record.database, record.key.to_vec(), Value { key_type, elements, hash, expire_ms }));
    }
}

/// Reads the keys that may have been sent.
struct Names {
    digester: Digester<Last, Sent>,
    from: u64,
    to: u64,
    /// Keys before `from` that are open.
    pending: BTreeSet<u64>,
    /// Of those: keys at which the interrupted run has failed.
    failed: BTreeSet<u64>,
    lossy_streams: bool,
    ordinal: u64,
    is_meant: bool,
    is_odd: bool,
    sender: mpsc::Sender<Vec<Candidate>>,
    batch: Vec<Candidate>,
    bytes: u64,
    /// Nobody listens any more.
    is_over: bool,
}

impl Names {
    fn flush(&mut self) {
        if !self.batch.is_empty() {
            self.is_over |= self.sender.blocking_send(std::mem::take(&mut self.batch)).is_err();
        }
        self.bytes = 0;
    }
}

impl Visit for Names {
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        let in_range = self.from <= self.ordinal && self.ordinal < self.to;
        self.is_meant = in_range || self.pending.contains(&self.ordinal);
        self.is_odd = false;
        match self.is_meant {
            true => self.digester.entry(entry),
            false => Interest::default(),
        }
    }

    fn piece(&mut self, piece: Piece<'_>) {
        self.digester.piece(piece);
    }

    fn long_field(&mut self, hash: u128) {
        self.digester.long_field(hash);
    }

    fn takes_parts(&self) -> bool {
        self.digester.takes_parts()
    }

    fn part(&mut self, part: Part<'_>) {
        self.digester.part(part);
    }

    fn oddity(&mut self, oddity: &Oddity<'_>) {
        self.is_odd |= oddity.owner.is_some() && Mended::of(oddity.kind).is_some();
    }

    fn entry_end(&mut self, end: &EntryEnd) {
        if std::mem::take(&mut self.is_meant) {
            self.digester.entry_end(end);
            if let Some((database, key, value)) = self.digester.sink_mut().0.take() {
                let is_unsure = self.is_odd || self.lossy_streams && value.key_type == KeyType::Stream;
                let has_failed = self.failed.contains(&self.ordinal);
                self.bytes += end.raw_length + key.len() as u64;
                self.batch.push(Candidate { ordinal: self.ordinal, value, database, key, is_unsure, has_failed });
                if self.batch.len() >= KEYS_AT_ONCE || self.bytes >= BYTES_AT_ONCE {
                    self.flush();
                }
            }
        }
        self.ordinal += 1;
    }

    fn stopped(&self) -> bool {
        self.is_over || self.ordinal >= self.to && self.pending.range(self.ordinal..).next().is_none()
    }
}
