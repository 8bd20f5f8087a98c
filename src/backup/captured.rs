//! From a node or a file to a stored object, and all that a manifest says of it.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use super::expected::{Last, expected};
use super::options::{Method, Options};
use super::report::{Impact, SourceReport, Trouble};
use super::sending::{Flow, store};
use crate::blocking;
use crate::capture::pipeline::Stored;
use crate::capture::scan::Scan;
use crate::capture::source::{self, Chosen};
use crate::capture::{CaptureError, Inspected, Source};
use crate::connection::replication::{self, Framing};
use crate::dataset::{Dataset, DatasetError, Opened, RawError};
use crate::figures::counted;
use crate::introspection::ServerFacts;
use crate::progress::{Progress, Unit};
use crate::repository::Draft;
use crate::repository::manifest::{Consistency, Mode, Moment, Role, Server, Tail};

/// What is needed for a manifest.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) stored: Stored,
    pub(super) object: String,
    pub(super) node: String,
    pub(super) replid: String,
    pub(super) offset: Option<u64>,
    pub(super) server: Server,
    pub(super) consistency: Consistency,
    pub(super) slots: Option<String>,
    pub(super) stale: bool,
    pub(super) moment: Option<Moment>,
    pub(super) source: Option<SourceReport>,
    /// What the source holds and the backup does not, and why.
    pub(super) lacks: Vec<String>,
    /// What leads on from the RDB to the moment of all shards.
    pub(super) tail: Option<Tail>,
    pub(super) warnings: Vec<String>,
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
            server: server(&chosen.facts),
            consistency: Consistency::PointInTime,
            slots: chosen.slots.as_ref().map(ToString::to_string),
            stale: chosen.is_stale,
            moment: None,
            source: Some(source),
            lacks: Vec::new(),
            tail: None,
            warnings: chosen.part().map(|part| format!("the backup holds {part}")).into_iter().collect(),
        }
    }
}

pub(super) async fn capture_node(
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
            progress.note(&format!("reading key by key, so the data is not from a single moment: {error}"));
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
    let moment = Some(options.moment.unwrap_or_else(|| Moment { from: asked, to: Utc::now() }));
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
    made.warnings.push("it was read key by key, so the data is not from a single moment".to_owned());
    if told.gone > 0 {
        made.warnings.push(format!("gone before they could be read: {}", counted(told.gone, "key")));
    }
    made.warnings.extend(told.lacks.iter().cloned().chain(told.warnings));
    made.lacks = told.lacks;
    Ok(made)
}

pub(super) async fn capture_file(
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
        lacks: Vec::new(),
        tail: None,
        warnings: data.around().warnings("not in the backup"),
        stored,
    })
}

/// The second that a file names, by the clock of the server that wrote it.
fn second(ctime: &str) -> Option<Moment> {
    let from = DateTime::from_timestamp(ctime.parse().ok()?, 0)?;
    Some(Moment { from, to: from + TimeDelta::milliseconds(999) })
}

/// A server as it stands in a manifest.
fn server(facts: &ServerFacts) -> Server {
    Server {
        name: facts.name.clone(),
        version: facts.version.clone(),
        run_id: facts.run_id.clone(),
        mode: Mode::of(facts.mode.as_str()),
        role: Role::of(facts.role.as_str()),
        os: facts.os.clone(),
        maxmemory: facts.maxmemory,
        maxmemory_policy: facts.maxmemory_policy.clone(),
        modules: facts.modules.clone(),
    }
}

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
        shard: None,
        why: None,
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
        let (opened, chunk) = blocking::run(move || {
            let chunk = opened.raw.next();
            (opened, chunk)
        })
        .await;
        self.0 = Some(opened);
        Ok(chunk.transpose()?)
    }
}
