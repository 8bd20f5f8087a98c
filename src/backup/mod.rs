//! Makes one backup. It exists once its manifest is written, and not before.

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::capture::pipeline::{self, Source, Stored};
use crate::capture::source::{self, Chosen};
use crate::capture::{CaptureError, Inspected, Opened};
use crate::codec::Codec;
use crate::connection::replication::{self, Framing, Payload, ReplicationError, Transfer};
use crate::examination;
use crate::introspection::ServerFacts;
use crate::progress::{Progress, Unit};
use crate::repository::manifest::{
    Consistency, FORMAT_VERSION, Manifest, Purpose, Server, Shard, Structure, StructureState,
};
use crate::repository::{BegunBy, Draft, Leftover, Repository, RepositoryError};
use crate::status::Status;
use crate::storage::{StorageError, Upload};

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
    /// How the server sends its data.
    pub replication: replication::Options,
    /// When it begins: its id comes from it.
    pub now: DateTime<Utc>,
    /// Who makes it.
    pub by: BegunBy,
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
    /// `diskless` or `disk`.
    pub transfer: &'static str,
    /// From the first command to the last byte.
    pub seconds: f64,
    /// Of the RDB.
    pub bytes_per_second: f64,
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
    let draft = begin(options, repository).await?;
    let made = match capture_node(options, chosen, &draft, progress, cancel).await {
        Ok(made) => made,
        Err(error) => return Err(abandon(repository, draft, error).await),
    };
    publish(options, repository, draft, made).await
}

/// Adopts an RDB file that somebody has.
///
/// # Errors
/// As [`run`].
pub async fn adopt(
    options: &Options,
    file: Opened,
    repository: &Repository,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Report, BackupError> {
    let draft = begin(options, repository).await?;
    let made = match capture_file(options, file, &draft, progress, cancel).await {
        Ok(made) => made,
        Err(error) => return Err(abandon(repository, draft, error).await),
    };
    publish(options, repository, draft, made).await
}

/// What is needed for a manifest.
struct Made {
    stored: Stored,
    object: String,
    node: String,
    replid: String,
    offset: Option<u64>,
    server: Server,
    source: Option<SourceReport>,
}

async fn begin(options: &Options, repository: &Repository) -> Result<Draft, BackupError> {
    repository.begin(&options.instance, options.now, options.by.clone()).await.map_err(|error| BackupError {
        error: error.into(),
        backup_id: None,
        leftovers: Vec::new(),
    })
}

async fn abandon(repository: &Repository, draft: Draft, error: Trouble) -> BackupError {
    let backup_id = Some(draft.id().to_string());
    BackupError { error, backup_id, leftovers: repository.discard(draft).await }
}

async fn capture_node(
    options: &Options,
    chosen: &Chosen,
    draft: &Draft,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Made, Trouble> {
    let began = Instant::now();
    progress.phase("waiting for the snapshot", Unit::Bytes, None);
    let mut payload = tokio::select! {
        payload = replication::full_resync(&chosen.node, &options.replication) => payload?,
        () = cancel.cancelled() => return Err(CaptureError::Interrupted.into()),
    };
    progress.phase("reading", Unit::Bytes, payload.length());
    let (stored, object) = store(options, &mut payload, draft, progress, cancel).await?;
    // What the server never sends after its RDB cannot belong to it.
    if stored.inspected.trailing_bytes > 0 {
        return Err(CaptureError::Trailing(stored.inspected.trailing_bytes).into());
    }
    let source = report(chosen, &payload, &stored.inspected, options.replication.transfer, began).await;
    Ok(Made {
        stored,
        object,
        node: chosen.node.address.to_string(),
        replid: payload.replid().unwrap_or_default().to_owned(),
        offset: payload.offset(),
        server: server(&chosen.facts),
        source: Some(source),
    })
}

async fn capture_file(
    options: &Options,
    file: Opened,
    draft: &Draft,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Made, Trouble> {
    progress.phase("reading", Unit::Bytes, None);
    let mut source = FileSource(Some(file));
    let (stored, object) = store(options, &mut source, draft, progress, cancel).await?;
    let aux = &stored.inspected.aux;
    let named = |field: &str| aux.get(field).cloned();
    let server = Server {
        name: if aux.contains_key("valkey-ver") { "valkey" } else { "redis" }.to_owned(),
        version: named("valkey-ver").or_else(|| named("redis-ver")).unwrap_or_default(),
        ..Server::default()
    };
    Ok(Made {
        object,
        node: "file".to_owned(),
        replid: named("repl-id").unwrap_or_default(),
        offset: named("repl-offset").and_then(|offset| offset.parse().ok()),
        server,
        source: None,
        stored,
    })
}

/// Streams into an object of the draft. It is complete, and good, when this returns.
async fn store(
    options: &Options,
    source: &mut dyn Source,
    draft: &Draft,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<(Stored, String), Trouble> {
    let object = format!("dump.rdb{}", options.codec.extension());
    let mut upload = draft.upload(&object).await?;
    let settings = pipeline::Options {
        codec: options.codec,
        threads: options.threads,
        rate: options.rate,
        moment_ms: options.now.timestamp_millis(),
    };
    let stored = match pipeline::store(source, upload.as_mut(), settings, progress, cancel).await {
        Ok(stored) => stored,
        Err(error) => {
            abort(upload).await;
            return Err(error.into());
        }
    };
    let length = upload.complete().await?;
    if length != stored.stored_bytes {
        let words = format!("{object} has {length} bytes, {} were sent", stored.stored_bytes);
        return Err(StorageError::Other(words).into());
    }
    Ok((stored, object))
}

/// Cleaning up never hides the first error.
async fn abort(upload: Box<dyn Upload>) {
    if let Err(error) = upload.abort().await {
        tracing::warn!("the upload could not be aborted: {error}");
    }
}

async fn publish(options: &Options, repository: &Repository, draft: Draft, made: Made) -> Result<Report, BackupError> {
    let mut manifest = manifest(options, &draft, &made);
    if let Some(census) = &made.stored.inspected.census {
        let rest = bytes::Bytes::from(crate::census::encode(census));
        let sha256 = crate::codec::Sha256Digest::of(&rest);
        if let Err(error) = draft.put_small(CENSUS_OBJECT, rest).await {
            return Err(abandon(repository, draft, error.into()).await);
        }
        let summary = manifest.census.get_or_insert_with(|| examination::summarize(census));
        (summary.object, summary.sha256) = (Some(CENSUS_OBJECT.to_owned()), Some(sha256));
    }
    manifest.finished_at = Utc::now();
    // The manifest goes last, so that an interrupted backup is no backup.
    let manifest = match repository.commit(&draft, manifest).await {
        Ok(manifest) => manifest,
        Err(error) => return Err(abandon(repository, draft, error.into()).await),
    };
    let warnings = warnings(&made.stored.inspected);
    let status = if warnings.is_empty() { Status::Ok } else { Status::Warning };
    Ok(Report { manifest, source: made.source, warnings, status })
}

/// Name of the object that holds what is too long for the manifest.
const CENSUS_OBJECT: &str = "census.bin";

fn warnings(inspected: &Inspected) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(error) = inspected.not_understood {
        warnings.push(format!("the RDB is newer than this version knows ({error}): its bytes are stored and whole, without a census"));
    }
    if inspected.trailing_bytes > 0 {
        warnings.push(format!("{} bytes follow the end of the RDB; they are stored as well", inspected.trailing_bytes));
    }
    warnings
}

fn manifest(options: &Options, draft: &Draft, made: &Made) -> Manifest {
    let inspected = &made.stored.inspected;
    Manifest {
        format_version: FORMAT_VERSION,
        id: draft.id().to_string(),
        instance: options.instance.clone(),
        created_at: options.now,
        finished_at: options.now,
        kind: "rdb".to_owned(),
        purpose: options.purpose,
        consistency: Consistency::PointInTime,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        labels: options.labels.clone(),
        server: made.server.clone(),
        compression: options.codec.name().to_owned(),
        encryption: None,
        shards: vec![Shard {
            index: 0,
            slots: None,
            node: made.node.clone(),
            replid: made.replid.clone(),
            offset: made.offset,
            rdb_version: inspected.rdb_version,
            aux: inspected.aux.clone(),
            object: made.object.clone(),
            raw_bytes: inspected.raw_bytes + inspected.trailing_bytes,
            stored_bytes: made.stored.stored_bytes,
            raw_sha256: inspected.raw_sha256.clone(),
            stored_sha256: made.stored.stored_sha256.clone(),
            crc64: inspected.crc64(),
            frames: made.stored.frames,
        }],
        census: inspected.census.as_ref().map(examination::summarize),
        structure: Structure {
            state: if inspected.not_understood.is_some() {
                StructureState::NotUnderstood
            } else {
                StructureState::Verified
            },
            understood_up_to: inspected.structure.understood_up_to,
        },
    }
}

/// A server as it stands in a manifest.
pub fn server(facts: &ServerFacts) -> Server {
    Server {
        name: facts.name.clone(),
        version: facts.version.clone(),
        run_id: facts.run_id.clone(),
        mode: facts.mode.as_str().to_owned(),
        role: facts.role.as_str().to_owned(),
        os: facts.os.clone(),
        maxmemory: facts.maxmemory,
        maxmemory_policy: facts.maxmemory_policy.clone(),
        modules: facts.modules.clone(),
    }
}

async fn report(
    chosen: &Chosen,
    payload: &Payload,
    inspected: &Inspected,
    asked: Transfer,
    began: Instant,
) -> SourceReport {
    let seconds = began.elapsed().as_secs_f64();
    let transfer = match (payload.framing(), asked) {
        (Framing::Marked(_), _) => "diskless",
        (Framing::Counted(_), _) => "disk",
    };
    #[allow(clippy::cast_precision_loss, reason = "a rate need not be exact")]
    let bytes_per_second = inspected.raw_bytes as f64 / seconds.max(1e-9);
    SourceReport {
        node: chosen.node.address.to_string(),
        role: chosen.facts.role.as_str().to_owned(),
        method: "replication",
        transfer,
        seconds,
        bytes_per_second,
        impact: impact(chosen).await.unwrap_or_default(),
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
