//! Makes one backup. It exists once its manifest is written, and not before.

mod expected;
mod publish;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use expected::{Last, expected};

use crate::capture::Source;
use crate::capture::pipeline::{self, Stored};
use crate::capture::scan::Scan;
use crate::capture::source::{self, Chosen};
use crate::capture::spool::Spooling;
use crate::capture::{CaptureError, Inspected};
use crate::codec::Codec;
use crate::connection::replication::{self, Framing, ReplicationError};
use crate::dataset::{Around, Dataset, DatasetError, Opened, RawError};
use crate::explain::{Explain, Meaning, Status};
use crate::figures::{count, counted};
use crate::progress::{Progress, Unit};
use crate::repository::manifest::{Consistency, Manifest, Moment, Purpose, Server};
use crate::repository::{BegunBy, Discarded, Draft, HEARTBEAT_SECONDS, Leftover, Repository, RepositoryError};
use crate::storage::{Expected, StorageError, Upload};

/// How a backup is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the instance in the repository.
    pub instance: String,
    /// Why it is taken.
    pub purpose: Purpose,
    /// Kept in the manifest.
    pub labels: BTreeMap<String, String>,
    /// How it is compressed.
    pub codec: Codec,
    /// Threads that compress.
    pub threads: usize,
    /// At most so many bytes of the RDB a second.
    pub rate: Option<u64>,
    /// How the server is read.
    pub method: Method,
    /// A replica that has lost its primary is read all the same, key by key.
    pub stale: bool,
    /// How the server sends its data.
    pub replication: replication::Options,
    /// What may wait while the store is away.
    pub spool: Spooling,
    /// When it begins: its id comes from it.
    pub now: DateTime<Utc>,
    /// Who makes it.
    pub by: BegunBy,
}

/// How a server's data is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// By replication, or key by key where the server does not allow that.
    #[default]
    Auto,
    /// By replication: one moment.
    Replication,
    /// By SCAN and DUMP: key by key, while others write.
    Scan,
}

/// What was made.
#[derive(Debug)]
pub struct Report {
    /// The backup's manifest.
    pub manifest: Manifest,
    /// Where it came from, and what that cost; `None` for a file.
    pub source: Option<SourceReport>,
    /// Why the answer is not simply yes.
    pub warnings: Vec<String>,
    /// Yes, or yes with warnings.
    pub status: Status,
}

/// Where a backup came from, and what that cost the server.
#[derive(Debug, Clone, Serialize)]
pub struct SourceReport {
    /// Address, without secrets.
    pub node: String,
    /// `primary` or `replica`.
    pub role: String,
    /// `replication` or `scan`.
    pub method: &'static str,
    /// `diskless` or `disk`; `None` where no RDB was sent.
    pub transfer: Option<&'static str>,
    /// From the first command to the last byte.
    pub seconds: f64,
    /// Of the RDB.
    pub bytes_per_second: f64,
    /// By how much `keyspace_hits` of the server has grown through us.
    pub keyspace_hits_added: u64,
    /// What the server says it cost.
    pub impact: Impact,
}

/// What the snapshot cost the server; `None` where it does not say.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Impact {
    /// Time that the fork stopped it, microseconds.
    pub fork_usec: Option<u64>,
    /// Memory that was copied because it was written to meanwhile, bytes.
    pub cow_bytes: Option<u64>,
}

/// Why there is no backup. What was uploaded was removed, or is named.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct BackupError {
    /// What happened.
    #[source]
    pub error: Trouble,
    /// The id that was reserved, if it came so far.
    pub backup_id: Option<String>,
    /// Objects that could not be removed.
    pub leftovers: Vec<Leftover>,
    /// The manifest was sent, and nobody can say whether it is there: nothing was removed then.
    pub may_be_published: bool,
}

/// See [`BackupError`].
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The repository or its store.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The stream, or what was in it.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The file that was to be adopted, or what was in it.
    #[error(transparent)]
    File(CaptureError),
}

impl Explain for BackupError {
    fn meaning(&self) -> Meaning {
        self.error.meaning()
    }
}

impl Explain for Trouble {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Repository(error) => error.meaning(),
            Self::Capture(error) => error.meaning(),
            Self::File(error) => error.meaning().at_rest(),
        }
    }
}

impl From<ReplicationError> for Trouble {
    fn from(error: ReplicationError) -> Self {
        Self::Capture(error.into())
    }
}

impl From<StorageError> for Trouble {
    fn from(error: StorageError) -> Self {
        Self::Capture(error.into())
    }
}

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
        Ok(made) => publish::publish(options, repository, draft, made, cancel).await,
        Err(error) => Err(abandon(repository, draft, error).await),
    }
}

/// What is needed for a manifest.
struct Made {
    stored: Stored,
    object: String,
    node: String,
    replid: String,
    offset: Option<u64>,
    server: Server,
    consistency: Consistency,
    slots: Option<String>,
    stale: bool,
    moment: Option<Moment>,
    source: Option<SourceReport>,
    warnings: Vec<String>,
}

impl Made {
    /// From a node; what replication alone knows is left empty.
    fn of(chosen: &Chosen, stored: Stored, object: String, source: SourceReport) -> Self {
        Self {
            stored,
            object,
            node: chosen.node.address.to_string(),
            replid: String::new(),
            offset: None,
            server: publish::server(&chosen.facts),
            consistency: Consistency::PointInTime,
            slots: chosen.slots.as_ref().map(ToString::to_string),
            stale: chosen.is_stale,
            moment: None,
            source: Some(source),
            warnings: chosen.part().map(|part| format!("the backup holds {part}")).into_iter().collect(),
        }
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
            StorageError::unavailable(format!("publish {backup}: {why}")).into()
        }
        error => error,
    };
    BackupError { error, backup_id, leftovers: left, may_be_published }
}

async fn capture_node(
    options: &Options,
    chosen: &Chosen,
    last: Option<Last>,
    draft: &Draft,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Made, Trouble> {
    let began = Instant::now();
    // A replica without its primary replicates to nobody.
    if options.method == Method::Scan || (chosen.is_stale && options.method == Method::Auto) {
        return capture_by_scan(options, chosen, last, draft, began, progress, cancel).await;
    }
    progress.phase("waiting for the snapshot", Unit::Bytes, None);
    let spool = Some((options.spool.clone(), source::repl_timeout(&chosen.node).await));
    let asked = Utc::now();
    let payload = tokio::select! {
        payload = replication::full_resync(&chosen.node, &options.replication) => payload,
        () = cancel.cancelled() => return Err(CaptureError::Interrupted.into()),
    };
    let mut payload = match payload {
        Err(error) if options.method == Method::Auto && error.is_for_good() => {
            progress.note(&format!("reading key by key, which is not one moment of the data: {error}"));
            return capture_by_scan(options, chosen, last, draft, began, progress, cancel).await;
        }
        // It has lost its primary just now.
        Err(error) if options.method == Method::Auto && options.stale && error.is_no_primary_link() => {
            progress.note(&format!("reading the replica key by key, its data may be old: {error}"));
            let made = capture_by_scan(options, chosen, last, draft, began, progress, cancel).await?;
            return Ok(Made { stale: true, ..made });
        }
        payload => payload?,
    };
    // The server has fixed the moment before it says which offset it is.
    let moment = Some(Moment { from: asked, to: Utc::now() });
    progress.phase("reading", Unit::Bytes, payload.length());
    let flow = Flow { expected: expected(last, payload.length(), chosen.facts.used_memory), spool };
    let (stored, object) = store(options, &mut payload, flow, draft, progress, cancel).await?;
    // What the server never sends after its RDB cannot belong to it.
    if stored.inspected.trailing_bytes > 0 {
        return Err(CaptureError::Trailing(stored.inspected.trailing_bytes).into());
    }
    let transfer = match payload.framing() {
        Framing::Marked(_) => "diskless",
        Framing::Counted(_) => "disk",
    };
    let source = report(chosen, "replication", Some(transfer), &stored.inspected, began).await;
    Ok(Made {
        replid: payload.replid().unwrap_or_default().to_owned(),
        offset: payload.offset(),
        moment,
        ..Made::of(chosen, stored, object, source)
    })
}

async fn capture_by_scan(
    options: &Options,
    chosen: &Chosen,
    last: Option<Last>,
    draft: &Draft,
    began: Instant,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Made, Trouble> {
    let asked = Utc::now();
    let mut scan = tokio::select! {
        scan = Scan::begin(&chosen.node) => scan.map_err(CaptureError::from)?,
        () = cancel.cancelled() => return Err(CaptureError::Interrupted.into()),
    };
    progress.phase("reading key by key", Unit::Bytes, None);
    let flow = Flow { expected: expected(last, None, chosen.facts.used_memory), spool: None };
    let (stored, object) = store(options, &mut scan, flow, draft, progress, cancel).await?;
    let told = scan.report();
    let source = SourceReport {
        keyspace_hits_added: told.keyspace_hits_added,
        ..report(chosen, "scan", None, &stored.inspected, began).await
    };
    let moment = Some(Moment { from: asked, to: Utc::now() });
    let mut made = Made { consistency: Consistency::Fuzzy, moment, ..Made::of(chosen, stored, object, source) };
    made.warnings
        .push("it was read key by key while others may have written: it is not one moment of the data".to_owned());
    if told.gone > 0 {
        made.warnings.push(format!("gone before they could be read: {}", counted(told.gone, "key")));
    }
    made.warnings.extend(told.warnings);
    Ok(made)
}

async fn capture_file(
    options: &Options,
    data: &Dataset,
    last: Option<Last>,
    draft: &Draft,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Made, Trouble> {
    progress.phase("reading", Unit::Bytes, None);
    let opened = data.open(0, cancel).await.map_err(|error| match error {
        DatasetError::Raw(error) => CaptureError::from(error),
        DatasetError::Interrupted => CaptureError::Interrupted,
        error => CaptureError::from(std::io::Error::other(error.to_string())),
    })?;
    let mut source = FileSource(Some(opened));
    let flow = Flow { expected: expected(last, None, 0), spool: None };
    let (stored, object) = store(options, &mut source, flow, draft, progress, cancel).await?;
    stored.inspected.must_end_with_the_rdb().map_err(|foreign| CaptureError::from(RawError::from(foreign)))?;
    let mut warnings = Vec::new();
    let Around { is_aof_base, padding } = data.around();
    if is_aof_base {
        let words = "the file is the base of a multi-part append-only file: later writes are in the increments beside it \
                     (`*.incr.aof`), and not in the backup";
        warnings.push(words.to_owned());
    }
    if padding.bytes() > 0 {
        warnings.push(format!("{} behind the gzip data are left out", counted(padding.bytes(), "zero byte")));
    }
    let aux = &stored.inspected.aux;
    let named = |field: &str| aux.get(field).cloned();
    let (name, version) = stored.inspected.server();
    let server = Server { name: name.to_owned(), version: version.to_owned(), ..Server::default() };
    Ok(Made {
        object,
        node: "file".to_owned(),
        replid: named("repl-id").unwrap_or_default(),
        offset: named("repl-offset").and_then(|offset| offset.parse().ok()),
        server,
        consistency: Consistency::PointInTime,
        slots: None,
        stale: false,
        moment: named("ctime").as_deref().and_then(second),
        source: None,
        warnings,
        stored,
    })
}

/// The second that a file names, by the clock of the server that wrote it.
fn second(ctime: &str) -> Option<Moment> {
    let from = DateTime::from_timestamp(ctime.parse().ok()?, 0)?;
    Some(Moment { from, to: from + TimeDelta::milliseconds(999) })
}

/// What is known of a stream before it comes.
struct Flow {
    expected: Expected,
    /// For a source that does not wait: what may wait for the store, and the source's `repl-timeout`.
    spool: Option<(Spooling, Duration)>,
}

/// Streams into an object of the draft. It is complete, and good, when this returns.
async fn store(
    options: &Options,
    source: &mut dyn Source,
    flow: Flow,
    draft: &Draft,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<(Stored, String), Trouble> {
    let object = draft.object_name(&format!("dump.rdb{}", options.codec.extension()));
    let mut upload = draft.upload(&object).await?;
    upload.expect(flow.expected);
    let settings = pipeline::Options {
        codec: options.codec,
        threads: options.threads,
        rate: options.rate,
        moment_ms: options.now.timestamp_millis(),
        spool: flow.spool,
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
        let words = format!("{object} has {}, {} were sent", counted(length, "byte"), count(stored.stored_bytes));
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

async fn report(
    chosen: &Chosen,
    method: &'static str,
    transfer: Option<&'static str>,
    inspected: &Inspected,
    began: Instant,
) -> SourceReport {
    let seconds = began.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "a rate need not be exact")]
    let bytes_per_second = inspected.raw_bytes as f64 / seconds.max(1e-9);
    SourceReport {
        node: chosen.node.address.to_string(),
        role: chosen.facts.role.as_str().to_owned(),
        method,
        transfer,
        seconds,
        bytes_per_second,
        keyspace_hits_added: 0,
        // A scan forks nothing: what the server says of its last fork is another's.
        impact: if transfer.is_some() { impact(chosen).await.unwrap_or_default() } else { Impact::default() },
    }
}

/// Asked after the transfer; a server that does not answer now has given us its data all the same.
async fn impact(chosen: &Chosen) -> Option<Impact> {
    let mut connection = chosen.node.connect().await.ok()?;
    let info = source::info(&mut connection).await.ok()?;
    Some(Impact { fork_usec: info.u64("latest_fork_usec"), cow_bytes: info.u64("rdb_last_cow_size") })
}

/// The bytes of a file as an asynchronous source.
struct FileSource(Option<Opened>);

#[async_trait::async_trait]
impl Source for FileSource {
    async fn next(&mut self) -> Result<Option<bytes::Bytes>, CaptureError> {
        let Some(mut opened) = self.0.take() else { return Ok(None) };
        let (opened, chunk) = tokio::task::spawn_blocking(move || {
            let chunk = opened.raw.next();
            (opened, chunk)
        })
        .await
        .expect("reading a chunk does not panic");
        self.0 = Some(opened);
        Ok(chunk.transpose()?)
    }
}
