//! A backup from one repository into another: under its own id, held against its manifest while its bytes pass, published last.
//!
//! The copy is the same backup: its manifest says the same, but for the names of the objects where the other store needs names of its own.
//! What was learned of the backup later (receipts, pins) stays where it was learned.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::codec::Sha256Digest;
use crate::explain::{Explain, Hint, Interrupted, Meaning};
use crate::progress::{Progress, Unit};
use crate::repository::manifest::Manifest;
use crate::repository::{BackupId, BegunBy, Draft, HEARTBEAT_SECONDS, ReadFor, Reading, Repository, RepositoryError};
use crate::storage::{Expected, StorageError, Upload};

/// After an interruption a request that is on its way gets so long to end.
const GRACE: Duration = Duration::from_secs(5);

/// What became of a backup that was to be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// It was there already, the very same.
    pub was_there: bool,
    /// Objects of the backup, without its manifest.
    pub objects: u64,
    /// Bytes of all of them together.
    pub bytes: u64,
}

/// Why a backup was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Where it is.
    #[error("cannot read the backup")]
    From(#[source] RepositoryError),
    /// Where it is to be.
    #[error("cannot write the copy")]
    To(#[source] RepositoryError),
    /// What is stored is not what the manifest says.
    #[error("{object} is damaged: {what}; nothing was published")]
    Damaged {
        /// Name of the object in its folder.
        object: String,
        /// In words, as a part of a sentence: what differs.
        what: String,
    },
    /// Another backup has the id.
    #[error("another backup has the id {0} there")]
    IsAnother(String),
    /// The copy that is there is not whole.
    #[error("the copy that is there is damaged: {object} {what}")]
    DamagedThere {
        /// Name of the object in its folder.
        object: String,
        /// In words, as the end of a sentence: what is wrong with it.
        what: String,
    },
    /// An earlier copy was broken off, and its process may live.
    #[error("{0} is being written there by another process")]
    AtWork(String),
    /// What was sent cannot be taken away again.
    #[error("{error}; left behind: {left}")]
    LeftBehind {
        /// Why it was not copied.
        error: Box<CopyError>,
        /// The objects that are left, by name.
        left: String,
    },
    /// A signal came.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl CopyError {
    /// True if a signal was the reason.
    pub fn is_interrupted(&self) -> bool {
        match self {
            Self::LeftBehind { error, .. } => error.is_interrupted(),
            Self::Interrupted(_) => true,
            _ => false,
        }
    }

    /// The error and its causes.
    pub fn in_one_line(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        text
    }
}

impl Explain for CopyError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::From(error) | Self::To(error) => error.meaning(),
            Self::Damaged { .. } => Meaning::of("checksum_mismatch"),
            Self::DamagedThere { .. } => {
                Meaning::of("corrupt").hint(Hint::words("delete the damaged copy there, and copy the backup again"))
            }
            Self::IsAnother(_) => Meaning::of("already_exists"),
            Self::AtWork(_) => Meaning::of("locked"),
            Self::LeftBehind { error, .. } => error.meaning(),
            Self::Interrupted(error) => error.meaning(),
        }
    }
}

/// An object of a backup as its manifest names it.
struct Part {
    object: String,
    sha256: String,
    /// `None`: the manifest does not say.
    bytes: Option<u64>,
}

/// Copies one backup. It exists in `to` when this returns.
///
/// # Errors
/// Then it does not, and what was sent is removed.
pub async fn copy(
    from: &Repository,
    to: &Repository,
    (instance, id): (&str, BackupId),
    by: BegunBy,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Copied, CopyError> {
    let manifest = from.load(instance, id).await.map_err(CopyError::From)?;
    let parts = parts(&manifest);
    let bytes = parts.iter().filter_map(|part| part.bytes).sum();
    let copied = |was_there| Copied { was_there, objects: parts.len() as u64, bytes };
    if is_there(to, &manifest).await? {
        return Ok(copied(true));
    }
    // A removal waits for those who read. Without the right to say so the backup is read all the same.
    let reading = match from.begin_reading(instance, id, ReadFor::Once, by.clone()).await {
        Ok(reading) => Some(reading),
        Err(error @ RepositoryError::NotFound(_)) => return Err(CopyError::From(error)),
        Err(error) => {
            tracing::info!(%error, "the backup cannot be marked as being read: a prune may remove it");
            None
        }
    };
    let done = begin_and_carry(from, to, &manifest, &parts, by, reading.as_ref(), progress, cancel).await;
    if let Some(reading) = reading {
        reading.end().await;
    }
    done.map(|()| copied(false))
}

#[expect(clippy::too_many_arguments, reason = "two places, what is carried, and who looks on")]
async fn begin_and_carry(
    from: &Repository,
    to: &Repository,
    manifest: &Manifest,
    parts: &[Part],
    by: BegunBy,
    reading: Option<&Reading>,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<(), CopyError> {
    let draft = to.begin_copy(&manifest.instance, manifest.id, to.now(), by).await.map_err(CopyError::To)?;
    let carried = tokio::select! {
        carried = carry(from, &draft, manifest, parts, progress, cancel) => carried,
        never = draft.keep_alive(Duration::from_secs(HEARTBEAT_SECONDS)) => match never {},
        never = alive(reading) => match never {},
    };
    let published = match carried {
        Ok(copy) => within_grace(to.commit(&draft, copy), cancel).await.and_then(|done| done.map_err(CopyError::To)),
        Err(error) => Err(error),
    };
    match published {
        Ok(_) => Ok(()),
        Err(error) => {
            let discarded = to.discard(draft).await;
            let left: Vec<String> = discarded.left.iter().map(|leftover| leftover.key.clone()).collect();
            Err(match left.is_empty() {
                true => error,
                false => CopyError::LeftBehind { error: Box::new(error), left: left.join(", ") },
            })
        }
    }
}

async fn alive(reading: Option<&Reading>) -> std::convert::Infallible {
    match reading {
        Some(reading) => reading.keep_alive().await,
        None => std::future::pending().await,
    }
}

/// Whether the very backup is in the other place; what a copy that was killed has left there is removed.
async fn is_there(to: &Repository, manifest: &Manifest) -> Result<bool, CopyError> {
    let name = format!("{}/{}", manifest.instance, manifest.id);
    match to.load(&manifest.instance, manifest.id).await {
        Ok(found) if without_names(&found) == without_names(manifest) => {
            for Part { object, bytes, .. } in parts(&found) {
                let length = to.object_length(&found, &object).await.map_err(CopyError::To)?;
                let what = match (length, bytes) {
                    (None, _) => "is missing".to_owned(),
                    (Some(length), Some(bytes)) if length != bytes => format!("has {length} bytes, not {bytes}"),
                    _ => continue,
                };
                return Err(CopyError::DamagedThere { object, what });
            }
            Ok(true)
        }
        Ok(_) => Err(CopyError::IsAnother(name)),
        Err(RepositoryError::NotFound(_)) => Ok(false),
        Err(RepositoryError::Incomplete { .. }) => {
            match crate::retention::carry_out_unpublished(to, &manifest.instance, manifest.id).await {
                Ok(_) => Ok(false),
                Err(_) => Err(CopyError::AtWork(name)),
            }
        }
        // Of a bucket that is not there nobody can say that it holds nothing.
        Err(error) => Err(CopyError::To(error)),
    }
}

/// What a manifest says, whatever its objects are called.
fn without_names(manifest: &Manifest) -> String {
    renamed(manifest, |_| String::new()).identity()
}

fn renamed(manifest: &Manifest, name: impl Fn(&str) -> String) -> Manifest {
    let mut copy = manifest.clone();
    for shard in &mut copy.shards {
        shard.object = name(&shard.object);
        if let Some(tail) = &mut shard.tail {
            tail.object = name(&tail.object);
        }
    }
    if let Some(object) = copy.census.as_mut().and_then(|census| census.object.as_mut()) {
        *object = name(object);
    }
    copy
}

fn parts(manifest: &Manifest) -> Vec<Part> {
    let mut parts = Vec::new();
    for shard in &manifest.shards {
        let (object, sha256) = (shard.object.clone(), shard.stored_sha256.clone());
        parts.push(Part { object, sha256, bytes: Some(shard.stored_bytes) });
        if let Some(tail) = &shard.tail {
            let sha256 = tail.stored_sha256.clone();
            parts.push(Part { object: tail.object.clone(), sha256, bytes: Some(tail.stored_bytes) });
        }
    }
    let census = manifest.census.as_ref().and_then(|census| census.object.clone().zip(census.sha256.clone()));
    parts.extend(census.map(|(object, sha256)| Part { object, sha256, bytes: None }));
    parts
}

/// Carries every object over, and gives the manifest of the copy.
async fn carry(
    from: &Repository,
    draft: &Draft,
    manifest: &Manifest,
    parts: &[Part],
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Manifest, CopyError> {
    progress.phase("copying", Unit::Bytes, Some(parts.iter().filter_map(|part| part.bytes).sum()));
    for part in parts {
        let name = draft.object_name(&part.object);
        let mut upload = draft.upload(&name).await.map_err(CopyError::To)?;
        upload.expect(Expected { bytes: part.bytes.unwrap_or_default(), bytes_per_second: None });
        let sent = tokio::select! {
            sent = send(from, manifest, part, upload.as_mut(), progress) => sent,
            () = cancel.cancelled() => Err(Interrupted.into()),
        };
        if let Err(error) = sent {
            if let Err(error) = upload.abort().await {
                tracing::warn!("the upload could not be aborted: {error}");
            }
            return Err(error);
        }
        within_grace(upload.complete(), cancel).await?.map_err(|error| writing(&name, error))?;
    }
    Ok(renamed(manifest, |object| draft.object_name(object)))
}

async fn send(
    from: &Repository,
    manifest: &Manifest,
    part: &Part,
    upload: &mut dyn Upload,
    progress: &dyn Progress,
) -> Result<(), CopyError> {
    let damaged = |what: String| CopyError::Damaged { object: part.object.clone(), what };
    let reading = |source| CopyError::From(RepositoryError::Storage { doing: format!("read {}", part.object), source });
    let mut chunks = from.open_object(manifest, &part.object, 0).await.map_err(CopyError::From)?;
    let (mut digest, mut bytes) = (Sha256Digest::new(), 0_u64);
    while let Some(chunk) = chunks.next().await.map_err(reading)? {
        digest.update(&chunk);
        bytes += chunk.len() as u64;
        if part.bytes.is_some_and(|expected| bytes > expected) {
            break;
        }
        let length = chunk.len() as u64;
        upload.write(chunk).await.map_err(|error| writing(&part.object, error))?;
        progress.advance(length);
    }
    match part.bytes {
        Some(expected) if expected != bytes => Err(damaged(format!("it has {bytes} bytes, not {expected}"))),
        _ if digest.finish() != part.sha256 => Err(damaged("its SHA-256 is not that of the manifest".to_owned())),
        _ => Ok(()),
    }
}

fn writing(object: &str, source: StorageError) -> CopyError {
    CopyError::To(RepositoryError::Storage { doing: format!("write {object}"), source })
}

async fn within_grace<T>(work: impl Future<Output = T>, cancel: &CancellationToken) -> Result<T, CopyError> {
    let out_of_patience = async {
        cancel.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = out_of_patience => Err(Interrupted.into()),
    }
}
