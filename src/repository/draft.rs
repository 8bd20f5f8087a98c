//! A backup that does not exist yet: it has an id and objects, and no manifest.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::error::Doing;
use super::manifest::{MANIFEST_LIMIT, Manifest};
use super::{BackupId, Leftover, MANIFEST, Repository, RepositoryError, check_instance, layout, remove};
use crate::storage::{Shared, StorageError, Upload};

/// Most bytes of `begun.json`.
pub(super) const BEGUN_LIMIT: u64 = 16 * 1024;

/// Where conditions are not kept, the time between writing `begun.json` and looking whose it is: a writer that had looked
/// before we wrote has written by then.
const SETTLING: Duration = Duration::from_millis(800);

/// Who begins a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BegunBy {
    /// Name of the machine.
    pub host: String,
    /// Process id.
    pub pid: u32,
}

/// `begun.json`: who has reserved an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The id it reserves.
    pub id: String,
    /// Instance name.
    pub instance: String,
    /// When.
    pub begun_at: DateTime<Utc>,
    /// Who.
    #[serde(flatten)]
    pub by: BegunBy,
    /// Random: whose it is.
    pub token: String,
}

/// An id that is reserved, and what was uploaded under it. It becomes a backup by [`Repository::commit`], and goes away by
/// [`Repository::discard`].
#[derive(Debug)]
pub struct Draft {
    storage: Shared,
    begun: Begun,
    id: BackupId,
    keeps_conditions: bool,
    /// Keys that were begun, in order; `begun.json` first.
    keys: Mutex<Vec<String>>,
}

impl Draft {
    /// The reserved id.
    pub fn id(&self) -> BackupId {
        self.id
    }

    /// The instance's name.
    pub fn instance(&self) -> &str {
        &self.begun.instance
    }

    /// Whether the place keeps "only if it is not there". If not, two writers at the same moment are not excluded.
    pub fn keeps_conditions(&self) -> bool {
        self.keeps_conditions
    }

    /// Begins an object of the backup, such as `dump.rdb.gz`.
    ///
    /// # Errors
    /// If `name` cannot be one, or the place refuses.
    pub async fn upload(&self, name: &str) -> Result<Box<dyn Upload>, RepositoryError> {
        let key = layout::object_key(self.instance(), self.id, name)?;
        self.note(&key);
        self.storage.upload(&key).await.doing("write", &key)
    }

    /// Writes a small object of the backup, such as `census.bin`.
    ///
    /// # Errors
    /// If `name` cannot be one, or the place refuses.
    pub async fn put_small(&self, name: &str, body: Bytes) -> Result<(), RepositoryError> {
        let key = layout::object_key(self.instance(), self.id, name)?;
        self.note(&key);
        self.storage.create(&key, body).await.doing("write", &key)
    }

    fn note(&self, key: &str) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).push(key.to_owned());
    }

    fn key(&self, name: &str) -> String {
        layout::folder(self.instance(), self.id) + name
    }

    fn backup(&self) -> String {
        format!("{}/{}", self.instance(), self.id)
    }

    /// Whether `begun.json` is still the one that we have written.
    async fn is_ours(&self) -> Result<bool, RepositoryError> {
        let key = self.key(layout::BEGUN);
        let body = match self.storage.get(&key, BEGUN_LIMIT).await {
            // Whoever had it has given it back.
            Err(StorageError::NotFound) => return Ok(false),
            got => got.doing("read back", &key)?,
        };
        Ok(serde_json::from_slice::<Begun>(&body).is_ok_and(|found| found.token == self.begun.token))
    }
}

impl Repository {
    /// Reserves an id for a backup that begins at `now`: that of the minute, or the next free one with a number. What must be
    /// known before an hour of streaming is known then: that the place is there and may be written to.
    ///
    /// # Errors
    /// If the instance's name cannot be one, or the place refuses.
    pub async fn begin(&self, instance: &str, now: DateTime<Utc>, by: BegunBy) -> Result<Draft, RepositoryError> {
        check_instance(instance)?;
        let keeps_conditions = self.keeps_conditions().await?;
        let mut free = Some(BackupId::new(now));
        while let Some(id) = free {
            let begun = Begun {
                id: id.to_string(),
                instance: instance.to_owned(),
                begun_at: now,
                by: by.clone(),
                token: token()?,
            };
            let draft = Draft { storage: self.storage.clone(), begun, id, keeps_conditions, keys: Mutex::default() };
            if reserve(&draft).await? {
                draft.note(&draft.key(layout::BEGUN));
                return Ok(draft);
            }
            free = id.next();
        }
        Err(RepositoryError::MinuteIsFull(instance.to_owned()))
    }

    /// Writes the manifest: from here on the backup exists. Before that it makes sure that the manifest is this draft's and
    /// that its objects are there with the lengths it names.
    ///
    /// # Errors
    /// The draft is none the worse and can be discarded. Where the answer to the last write got lost, the manifest is looked for;
    /// if that fails too it may be there, and [`Repository::discard`] removes it first.
    pub async fn commit(&self, draft: &Draft, manifest: Manifest) -> Result<Manifest, RepositoryError> {
        examine(draft, &manifest).await?;
        let failed = |source| RepositoryError::Manifest { backup: draft.backup(), source };
        let bytes = Bytes::from(manifest.encode().map_err(failed)?);
        let key = draft.key(MANIFEST);
        if !draft.keeps_conditions && (!draft.is_ours().await? || exists(&draft.storage, &key).await?) {
            return Err(RepositoryError::AlreadyExists(draft.backup()));
        }
        draft.note(&key);
        let created = draft.storage.create(&key, bytes.clone()).await;
        if created.is_ok() && draft.keeps_conditions {
            return Ok(manifest);
        }
        // Whose is it? The answer to our own write may have got lost, or another writer's has replaced it.
        match (created, draft.storage.get(&key, MANIFEST_LIMIT).await) {
            (_, Ok(found)) if found == bytes => Ok(manifest),
            (Ok(()) | Err(StorageError::AlreadyExists), Ok(_)) => {
                // It is another writer's: a discard must leave it alone.
                draft.keys.lock().unwrap_or_else(PoisonError::into_inner).retain(|noted| *noted != key);
                Err(RepositoryError::AlreadyExists(draft.backup()))
            }
            (Err(error), _) => Err(error).doing("write", &key),
            (Ok(()), Err(error)) => Err(error).doing("read back", &key),
        }
    }

    /// Removes what was uploaded under a draft, and gives the id back. What cannot be removed is named.
    pub async fn discard(&self, draft: Draft) -> Vec<Leftover> {
        let keys = draft.keys.into_inner().unwrap_or_else(PoisonError::into_inner);
        remove::in_order(&self.storage, keys).await
    }
}

/// Writes `begun.json`; false if the id is taken.
async fn reserve(draft: &Draft) -> Result<bool, RepositoryError> {
    let key = draft.key(layout::BEGUN);
    if !draft.keeps_conditions && exists(&draft.storage, &key).await? {
        return Ok(false);
    }
    let body =
        serde_json::to_vec_pretty(&draft.begun).map_err(|error| RepositoryError::Inconsistent(error.to_string()))?;
    match draft.storage.create(&key, body.into()).await {
        Ok(()) if draft.keeps_conditions => Ok(true),
        Ok(()) => {
            sleep(SETTLING).await;
            draft.is_ours().await
        }
        // The place may say so to our own write, sent again because the answer to the first got lost.
        Err(StorageError::AlreadyExists) => draft.is_ours().await,
        Err(error) => Err(error).doing("write", &key),
    }
}

/// Refuses a manifest that would not be true.
async fn examine(draft: &Draft, manifest: &Manifest) -> Result<(), RepositoryError> {
    let inconsistent = |what: String| Err(RepositoryError::Inconsistent(what));
    if manifest.instance != draft.instance() || manifest.id != draft.begun.id {
        return inconsistent(format!("it is that of {}/{}, not of {}", manifest.instance, manifest.id, draft.backup()));
    }
    for shard in &manifest.shards {
        let key = layout::object_key(draft.instance(), draft.id, &shard.object)?;
        let length = draft.storage.head(&key).await.doing("look at", &key)?.length;
        if length != shard.stored_bytes {
            return inconsistent(format!("{key} has {length} bytes, not the {} that were sent", shard.stored_bytes));
        }
    }
    if let Some(name) = manifest.census.as_ref().and_then(|census| census.object.as_ref()) {
        let key = layout::object_key(draft.instance(), draft.id, name)?;
        draft.storage.head(&key).await.doing("look at", &key)?;
    }
    Ok(())
}

async fn exists(storage: &Shared, key: &str) -> Result<bool, RepositoryError> {
    match storage.head(key).await {
        Ok(_) => Ok(true),
        Err(StorageError::NotFound | StorageError::NoSuchPlace(_)) => Ok(false),
        Err(error) => Err(error).doing("look at", key),
    }
}

fn token() -> Result<String, RepositoryError> {
    let mut token = [0; 16];
    getrandom::fill(&mut token).map_err(|error| RepositoryError::Storage {
        doing: "make a token".to_owned(),
        source: StorageError::other(error.to_string()),
    })?;
    Ok(hex::encode(token))
}
