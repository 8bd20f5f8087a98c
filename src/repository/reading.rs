//! Readers: a restore leaves a mark beside the backup that it reads, `receipts/reading-TOKEN.json`, gives signs of life while it runs,
//! and takes the mark away at its end. While the mark lives nobody removes the backup, and for a day after it was killed no prune does:
//! it may be resumed. A verification and a restore into a file leave a mark as well, `reading-once-TOKEN.json`, which lapses with them.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use tokio::time::{sleep, timeout};

use super::error::Doing;
use super::life::{HEARTBEAT_SECONDS, SILENCE};
use super::reserve::{exists, token};
use super::{BackupId, Begun, BegunBy, MANIFEST, ProcessMark, Repository, RepositoryError, check_instance, layout};
use crate::storage::{ObjectInfo, Shared};

/// Most bytes of a mark.
const MARK_LIMIT: u64 = 16 * 1024;
/// For so long after its last sign of life a restore that was killed may be resumed, and no prune removes its backup.
pub const INTERRUPTED_FOR: TimeDelta = TimeDelta::hours(24);
/// Taking the mark away takes no longer; one that stays lapses.
const TIDYING: Duration = Duration::from_secs(3);

/// Who reads a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFor {
    /// A restore into a server: it can be resumed once it was killed.
    Restore,
    /// Anybody else: what is broken off is begun again.
    Once,
}

/// A backup that is being read. Dropped without [`Reading::end`] its mark lapses with the process.
#[derive(Debug)]
pub struct Reading {
    storage: Shared,
    key: String,
    body: Bytes,
}

impl Repository {
    /// Says beside a backup that this process reads it.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`]: the backup was removed at this very moment. Anything else: the mark cannot be written, and the
    /// backup can be read all the same.
    pub async fn begin_reading(
        &self,
        instance: &str,
        id: BackupId,
        reader: ReadFor,
        by: BegunBy,
    ) -> Result<Reading, RepositoryError> {
        check_instance(instance)?;
        let process = if by.pid == std::process::id() { ProcessMark::own() } else { None };
        let begun = Begun {
            id: id.to_string(),
            instance: instance.to_owned(),
            begun_at: Utc::now(),
            by,
            token: token()?,
            process,
        };
        let folder = layout::folder(instance, id);
        let key = folder.clone() + &layout::reading(&begun.token, reader == ReadFor::Restore);
        let body =
            serde_json::to_vec_pretty(&begun).map_err(|error| RepositoryError::Inconsistent(error.to_string()))?;
        let reading = Reading { storage: self.storage.clone(), key, body: body.into() };
        reading.storage.replace(&reading.key, reading.body.clone()).await.doing("write", &reading.key)?;
        // Who removes a backup takes its manifest away first, and looks for readers then: one of the two sees the other.
        if !exists(&self.storage, &format!("{folder}{MANIFEST}")).await? {
            reading.end().await;
            return Err(RepositoryError::NotFound(format!("{instance}/{id}")));
        }
        Ok(reading)
    }

    /// Who reads a backup just now, by the marks among its objects: the process lives, and where that cannot be asked its last sign is
    /// young by the clock of the store. A mark that cannot be read counts by its age alone.
    pub(super) async fn readers_among(&self, folder: &str, objects: &[ObjectInfo]) -> Vec<BegunBy> {
        let mut readers = Vec::new();
        for object in objects {
            if object.key.strip_prefix(folder).is_some_and(layout::is_reading) {
                let (by, lives) = self.mark(object).await;
                readers.extend(lives.then_some(by));
            }
        }
        readers
    }

    /// The restore that was killed less than [`INTERRUPTED_FOR`] after its last sign of life, by the clock of the store.
    pub(crate) async fn interrupted_by(&self, instance: &str, id: BackupId, objects: &[ObjectInfo]) -> Option<BegunBy> {
        let folder = layout::folder(instance, id);
        for object in objects {
            let is_young = object.modified.is_none_or(|sign| self.now().signed_duration_since(sign) < INTERRUPTED_FOR);
            if is_young && object.key.strip_prefix(&folder).is_some_and(layout::is_resumable) {
                let (by, lives) = self.mark(object).await;
                if !lives {
                    return Some(by);
                }
            }
        }
        None
    }

    /// Takes away the marks of restores of this machine that were killed: none of them is gone on with any more. What cannot be removed
    /// lapses.
    pub async fn forget_interrupted(&self, instance: &str, id: BackupId) {
        let folder = layout::folder(instance, id);
        for object in self.storage.list(&folder).await.unwrap_or_default() {
            if !object.key.strip_prefix(&folder).is_some_and(layout::is_resumable) {
                continue;
            }
            let begun = self.storage.get(&object.key, MARK_LIMIT).await.ok();
            let begun: Option<Begun> = begun.and_then(|body| serde_json::from_slice(&body).ok());
            // Of a process of another machine nobody can tell here.
            if begun.is_some_and(|begun| begun.lives() == Some(false)) {
                let removed = self.storage.delete(&object.key).await;
                tracing::debug!(key = object.key, ?removed, "the mark of a restore that is not gone on with");
            }
        }
    }

    /// Whose mark it is, and whether that process lives.
    async fn mark(&self, object: &ObjectInfo) -> (BegunBy, bool) {
        let begun = self.storage.get(&object.key, MARK_LIMIT).await;
        let begun: Option<Begun> = begun.ok().and_then(|body| serde_json::from_slice(&body).ok());
        let is_young = object.modified.is_none_or(|sign| self.now().signed_duration_since(sign) < SILENCE);
        let lives = begun.as_ref().and_then(Begun::lives).unwrap_or(is_young);
        let unknown = || BegunBy { host: "unknown".to_owned(), pid: 0 };
        (begun.map_or_else(unknown, |begun| begun.by), lives)
    }
}

impl Reading {
    /// Gives signs of life for as long as it is polled; it never ends. A sign that cannot be given is not worth an error.
    pub async fn keep_alive(&self) -> Infallible {
        loop {
            sleep(Duration::from_secs(HEARTBEAT_SECONDS)).await;
            if let Err(error) = self.storage.replace(&self.key, self.body.clone()).await {
                tracing::debug!(%error, "cannot write the mark that protects the backup while it is read");
            }
        }
    }

    /// Takes the mark away. One that cannot be removed does no harm: it lapses.
    pub async fn end(self) {
        if !matches!(timeout(TIDYING, self.storage.delete(&self.key)).await, Ok(Ok(()))) {
            tracing::debug!(key = self.key, "cannot remove the mark that protected the backup while it was read");
        }
    }
}
