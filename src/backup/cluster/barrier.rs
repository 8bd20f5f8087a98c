//! From shards that are of one moment each to one moment of all: the streams behind their RDBs are kept up to the offsets at which all
//! primaries held their writes.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::prepared::Consistent;
use super::shards::{Capture, may_go_better};
use super::shot::Shot;
use crate::backup::captured::Made;
use crate::backup::held::Held;
use crate::backup::report::Trouble;
use crate::backup::within_grace;
use crate::blocking;
use crate::capture::CaptureError;
use crate::capture::absolute;
use crate::capture::source::SourceError;
use crate::capture::tail::{NoBarrier, Sealed, Sealing, Spooled, barrier, changes, seal};
use crate::connection::Node;
use crate::connection::replication::Position;
use crate::figures::{count, counted};
use crate::repository::Draft;
use crate::repository::manifest::{Consistency, Tail};
use crate::storage::StorageError;

/// A follower may be behind its primary by so long: it reads a replica, mostly.
const PATIENCE: Duration = Duration::from_secs(60);

/// Frames between the compression and the upload.
const FRAMES_AHEAD: usize = 8;

/// Holds all shards at one moment, if that is wanted and can be had.
pub(super) async fn held(
    capture: &Capture<'_>,
    shots: Vec<Shot>,
    cancel: &CancellationToken,
) -> Result<(Vec<Made>, Held), Trouble> {
    let only = |shots: Vec<Shot>| shots.into_iter().map(|shot| shot.made).collect();
    if let Some(why) = &capture.prepared.no_barrier {
        return Ok((only(shots), Held::Not(why.clone())));
    }
    let mut shots = shots;
    let drawn = tokio::select! {
        drawn = drawn(capture, &mut shots, cancel) => drawn?,
        () = cancel.cancelled() => return Err(CaptureError::Interrupted.into()),
    };
    match drawn {
        Ok(cut) => Ok((only(shots), Held::At(cut))),
        Err(why) if capture.prepared.settings.consistent == Consistent::Barrier => Err(SourceError::from(why).into()),
        Err(why) => {
            capture.progress.note(&format!("each shard is from a moment of its own: {why}"));
            for shot in &mut shots {
                if let Some(tail) = shot.made.tail.take() {
                    withdraw(capture.draft, &tail.object).await;
                }
            }
            Ok((only(shots), Held::Not(why)))
        }
    }
}

/// Draws the line, and stores the streams up to it. The inner error: it cannot be drawn, but the RDBs are good.
async fn drawn(
    capture: &Capture<'_>,
    shots: &mut [Shot],
    cancel: &CancellationToken,
) -> Result<Result<barrier::Cut, NoBarrier>, Trouble> {
    for (index, shot) in shots.iter_mut().enumerate() {
        if shot.made.consistency == Consistency::Fuzzy {
            return Ok(Err(NoBarrier::ByKey(shot.made.node.clone())));
        }
        let Some(why) = shot.is_lost(index) else { continue };
        // Once: what does not keep up with the writes will not keep up next time.
        capture.progress.note(&format!("reading shard {index} (slots {}) again: {why}", capture.slots(index)));
        let fresh = match capture.tried(index, capture.prepared.settings.retries + 1, cancel).await {
            Ok(fresh) => fresh,
            // The first RDB of the shard is as good as before.
            Err(trouble) if may_go_better(&trouble) || matches!(trouble, Trouble::Source(_)) => {
                return Ok(Err(NoBarrier::Lost { shard: index, why: trouble.to_string() }));
            }
            Err(trouble) => return Err(trouble),
        };
        let old = std::mem::replace(shot, fresh);
        withdraw(capture.draft, &old.made.object).await;
        if let Some(why) = shot.is_lost(index) {
            return Ok(Err(why));
        }
    }
    let held = match primaries(capture).await {
        Ok(primaries) => barrier::hold(&primaries).await,
        Err(why) => Err(why),
    };
    let cut = match held {
        Ok(cut) => cut,
        Err(why) => return Ok(Err(why)),
    };
    let mut commands = 0;
    for (index, (shot, place)) in shots.iter_mut().zip(&cut.places).enumerate() {
        match tail(capture, shot, index, place, cancel).await? {
            Ok(tail) => {
                commands += tail.as_ref().map_or(0, |tail| tail.commands);
                shot.made.tail = tail;
            }
            Err(why) => return Ok(Err(why)),
        }
    }
    capture.progress.note(&format!(
        "all shards were held at one moment, for {} ms; {} in their streams lead there",
        cut.held.as_millis(),
        counted(commands, "command")
    ));
    Ok(Ok(cut))
}

/// The primaries as they are now, one for each shard: after a failover they are others than before.
async fn primaries(capture: &Capture<'_>) -> Result<Vec<Node>, NoBarrier> {
    let not_now = |error: SourceError| NoBarrier::NotNow { node: "the cluster".to_owned(), why: error.to_string() };
    let now = capture.seen_again().await.map_err(not_now)?;
    let mut primaries = Vec::new();
    for shard in &capture.prepared.cluster.shards {
        let same = now.shards.iter().find(|other| other.slots == shard.slots);
        let same = same.ok_or(SourceError::Moved).map_err(not_now)?;
        primaries.push(same.primary.node.clone());
    }
    Ok(primaries)
}

/// Stores the stream of a shard up to the barrier; `None`: nothing was written to it since its RDB.
async fn tail(
    capture: &Capture<'_>,
    shot: &mut Shot,
    shard: usize,
    place: &Position,
    cancel: &CancellationToken,
) -> Result<Result<Option<Tail>, NoBarrier>, Trouble> {
    let Some(Ok(mut following)) = shot.tail.take() else {
        return Ok(Err(NoBarrier::Lost { shard, why: "it was not followed".to_owned() }));
    };
    match following.reached(place, PATIENCE).await {
        Ok(()) => {}
        Err(Some(lost)) => return Ok(Err(shot.why(shard, lost))),
        Err(None) => return Ok(Err(NoBarrier::Behind { shard, offset: place.offset, waited: PATIENCE })),
    }
    let Some(spooled) = following.end().await else {
        return Ok(Err(NoBarrier::Lost { shard, why: "it broke at its end".to_owned() }));
    };
    let from = shot.made.offset.unwrap_or(place.offset);
    let aux = &shot.made.stored.inspected.aux;
    let stretch = Sealing {
        from,
        to: place.offset,
        // A replica goes on with its primary's stream, which may have selected a database long ago.
        database: aux.get("repl-stream-db").and_then(|database| database.parse().ok()).unwrap_or(0),
        is_relative: absolute::is_relative(&shot.made.server),
    };
    let (spooled, changed) = blocking::run(move || {
        let changed = changes(&spooled, stretch);
        (spooled, changed)
    })
    .await;
    match changed {
        Ok(true) => {}
        Ok(false) => return Ok(Ok(None)),
        Err(why) => return Ok(Err(why)),
    }
    let object = capture.draft.object_name(&format!("tail-{shard:04}.zst"));
    match store(capture.draft, &object, spooled, stretch, cancel).await? {
        Ok(sealed) => Ok(Ok(Some(Tail {
            object,
            from,
            to: place.offset,
            added_bytes: sealed.added_bytes,
            raw_sha256: sealed.raw_sha256,
            stored_bytes: sealed.stored_bytes,
            stored_sha256: sealed.stored_sha256,
            commands: sealed.commands,
        }))),
        Err(why) => Ok(Err(why)),
    }
}

async fn store(
    draft: &Draft,
    object: &str,
    spooled: Spooled,
    stretch: Sealing,
    cancel: &CancellationToken,
) -> Result<Result<Sealed, NoBarrier>, Trouble> {
    let mut upload = draft.upload(object).await?;
    let (sender, frames) = mpsc::channel::<Bytes>(FRAMES_AHEAD);
    let sealing = blocking::run(move || seal(&spooled, stretch, |frame| sender.blocking_send(frame).is_ok()));
    // If a write fails nobody takes more frames, and the thread ends.
    let writing = async {
        let mut frames = frames;
        while let Some(frame) = frames.recv().await {
            upload.write(frame).await?;
        }
        Ok::<_, StorageError>(())
    };
    let (sealed, written) = tokio::join!(sealing, writing);
    if let Err(error) = written {
        let _ = upload.abort().await;
        return Err(error.into());
    }
    let sealed = match sealed {
        Ok(sealed) => sealed,
        Err(why) => {
            let _ = upload.abort().await;
            return Ok(Err(why));
        }
    };
    let Some(completed) = within_grace(upload.complete(), cancel).await else {
        return Err(CaptureError::Interrupted.into());
    };
    match completed? {
        length if length == sealed.stored_bytes => Ok(Ok(sealed)),
        length => {
            let words =
                format!("{object} has {}, but {} were sent", counted(length, "byte"), count(sealed.stored_bytes));
            Err(StorageError::other(words).into())
        }
    }
}

/// What stays is no part of the backup.
async fn withdraw(draft: &Draft, object: &str) {
    if let Err(error) = draft.withdraw(object).await {
        tracing::warn!("{object} is no part of the backup, and could not be removed: {error}");
    }
}
