//! Brings a throwaway server to a moment: it replicates from us, is fed the base as the data set of the source's own history, and then the
//! stretch of stream behind it. It stands then where the source stood, under the same replication id and at the same offset, and can be
//! read like any replica.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::stretch;
use super::{Checked, MomentError, tails};
use crate::blocking;
use crate::connection::primary::{Caller, FeedError, Link, Listener, Snapshot};
use crate::connection::{Command, Node};
use crate::dataset::{Dataset, Raw};
use crate::progress::{Progress, Unit};
use crate::replies::Info;
use crate::repository::Repository;
use crate::repository::manifest::Manifest;
use crate::scratch::{self, Binary, Throwaway};

/// Chunks between the store and the socket.
const CHUNKS_AHEAD: usize = 4;

/// How long the server may take to connect to us.
const REACH: Duration = Duration::from_secs(20);

/// How long it may neither take nor acknowledge a byte.
const PATIENCE: Duration = Duration::from_secs(120);

/// Databases that it has at least.
const DATABASES: u64 = 16;

/// A throwaway server at a moment. Killed when dropped.
pub struct Built {
    server: Throwaway,
    // Held so that the server is a replica whose link is up.
    _link: Link,
    _folder: TempDir,
    /// The offset at which it stands.
    pub offset: u64,
}

impl Built {
    /// How to reach it.
    pub fn node(&self) -> Node {
        self.server.node()
    }
}

/// Brings a throwaway server to a moment.
///
/// # Errors
/// See [`MomentError`].
pub async fn build(
    repository: &Repository,
    checked: &Checked,
    (binary, place): (&Binary, &Path),
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Built, MomentError> {
    let moment = &checked.moment;
    let fed = Fed {
        repository,
        base: &moment.base,
        shard: 0,
        replid: &moment.at.replid,
        from: moment.from.offset,
        to: moment.at.offset,
        added_bytes: checked.added_bytes,
        highest_database: checked.highest_database,
    };
    let sending = |sender| stretch::send(repository, moment, cancel, sender);
    feed(&fed, sending, (binary, place), progress, cancel).await
}

/// Brings a throwaway server to the moment that the tail of a shard leads to. `highest_database`: that the tails select.
///
/// # Errors
/// See [`MomentError`].
pub async fn build_tail(
    repository: &Repository,
    manifest: &Manifest,
    shard: usize,
    highest_database: u32,
    (binary, place): (&Binary, &Path),
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Built, MomentError> {
    let held = &manifest.shards[shard];
    let base = held.offset.unwrap_or_default();
    let fed = Fed {
        repository,
        base: manifest,
        shard,
        replid: &held.replid,
        from: base,
        to: held.tail.as_ref().map_or(base, |tail| tail.to),
        added_bytes: held.tail.as_ref().map_or(0, |tail| tail.added_bytes),
        highest_database,
    };
    let sending = |sender| tails::send(repository, manifest, shard, cancel, sender);
    feed(&fed, sending, (binary, place), progress, cancel).await
}

/// A base, and the stream that is fed behind it.
struct Fed<'a> {
    repository: &'a Repository,
    base: &'a Manifest,
    shard: usize,
    /// The history that the server is told to be in.
    replid: &'a str,
    from: u64,
    to: u64,
    /// Bytes that are fed beside those of the stream.
    added_bytes: u64,
    highest_database: u32,
}

async fn feed<F: Future<Output = Result<(), MomentError>>>(
    to_feed: &Fed<'_>,
    sending: impl FnOnce(mpsc::Sender<Bytes>) -> F,
    (binary, place): (&Binary, &Path),
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Built, MomentError> {
    let census = to_feed.base.census.as_ref();
    let of_base = census
        .iter()
        .flat_map(|census| census.by_database.keys())
        .filter_map(|name| name.parse::<u64>().ok())
        .max()
        .unwrap_or(0);
    let databases = (of_base.max(u64::from(to_feed.highest_database)) + 1).max(DATABASES);
    let (binary, place) = (binary.clone(), place.to_owned());
    let (folder, mut server) = blocking::run(move || {
        let folder = scratch::folder(&place).map_err(MomentError::Folder)?;
        let server = Throwaway::start(&binary, folder.path(), databases)?;
        Ok::<_, MomentError>((folder, server))
    })
    .await?;
    if let Err(ended) = server.ready().await? {
        return Err(server.silent(&format!("it came down ({})", ended.exit)).await.into());
    }
    let (link, offset) = tokio::select! {
        fed = fed(to_feed, sending, &server, progress, cancel) => fed?,
        () = cancel.cancelled() => return Err(MomentError::Interrupted),
    };
    Ok(Built { server, _link: link, _folder: folder, offset })
}

async fn fed<F: Future<Output = Result<(), MomentError>>>(
    to_feed: &Fed<'_>,
    sending: impl FnOnce(mpsc::Sender<Bytes>) -> F,
    server: &Throwaway,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<(Link, u64), MomentError> {
    let Fed { repository, base, shard, replid: history, from, to, added_bytes, .. } = *to_feed;
    let listener = Listener::bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0), None).await;
    let listener = listener.map_err(MomentError::Folder)?;
    let port = listener.address().map_err(MomentError::Folder)?.port();
    let mut connection = server.node().connect().await?;
    let replicaof = Command::of(&["REPLICAOF", "127.0.0.1", &port.to_string()]);
    let mut answers = connection.pipeline(&[Command::of(&["INFO", "replication"]), replicaof]).await?.into_iter();
    let replid = answers
        .next()
        .and_then(Result::ok)
        .and_then(|answer| Some(Info::from_bytes(answer.bytes()?).get("master_replid")?.to_owned()));
    let silent = "it does not say its replication id";
    let Some(replid) = replid else { return Err(server.silent(&silent).await.into()) };
    let caller = Caller { replid, addresses: Some(vec![Ipv4Addr::LOCALHOST.into()]), ports: None };
    let Ok(mut link) = tokio::time::timeout(REACH, listener.recognise(&caller)).await else {
        return Err(server.silent(&"it does not connect to redis-ops").await.into());
    };

    let length = base.shards[shard].raw_bytes;
    progress.phase("loading the base into a throwaway server", Unit::Bytes, Some(length));
    let raw = Dataset::backup(repository, base.clone()).raw(shard, cancel).await.map_err(|error| {
        MomentError::Damaged { key: format!("{}/{}", base.instance, base.id), why: error.to_string() }
    })?;
    let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
    let pump = tokio::task::spawn_blocking(move || pump(raw, &sender));
    // What is added to the stream counts as offset: the server begins so much earlier, and ends at the moment. Where that is before the
    // beginning it is given a history of its own.
    let (replid, begins) = match from.checked_sub(added_bytes) {
        Some(begins) => (history.to_owned(), begins),
        None => (caller.replid.clone(), from),
    };
    let ends = begins + (to - from) + added_bytes;
    let snapshot = Snapshot { replid, offset: begins, length, is_exact: true };
    let advance = |bytes| progress.advance(bytes);
    let loaded = link.full_resync(&snapshot, chunks, &advance, PATIENCE).await;
    let read = pump.await.unwrap_or(Ok(()));
    if let Err(why) = read {
        let key = format!("{}/{}", base.instance, base.id);
        return Err(MomentError::Damaged { key, why });
    }
    loaded.map_err(|error| feed_error("the base", error))?;

    let bytes = to - from;
    progress.phase("replaying the stream", Unit::Bytes, Some(bytes));
    let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
    let feeding = link.feed_stream(begins, chunks, &advance, PATIENCE);
    let (sent, fed) = tokio::join!(sending(sender), feeding);
    sent?;
    let streamed = fed.map_err(|error| feed_error("the stream", error))?;
    if streamed.acknowledged != ends {
        let words = format!("it stands at offset {}, not {ends}", streamed.acknowledged);
        return Err(server.silent(&words).await.into());
    }
    Ok((link, ends))
}

fn feed_error(what: &'static str, error: FeedError) -> MomentError {
    MomentError::Feed { what, error }
}

/// Moves the base from the store to the socket's channel; blocks.
fn pump(mut raw: Raw, sender: &mpsc::Sender<Bytes>) -> Result<(), String> {
    while let Some(chunk) = raw.next() {
        let chunk = chunk.map_err(|error| error.to_string())?;
        if sender.blocking_send(chunk).is_err() {
            break;
        }
    }
    Ok(())
}
