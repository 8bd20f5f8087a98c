//! A backup that does not exist yet: it has an id and objects, and no manifest.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::error::Doing;
use super::{BackupId, ProcessMark, RepositoryError, layout};
use crate::encryption::{self, Recipients};
use crate::storage::{Expected, Shared, StorageError, Upload};

/// Most bytes of `begun.json`.
pub(super) const BEGUN_LIMIT: u64 = 16 * 1024;

/// Machine and process that begin a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BegunBy {
    /// Name of the machine.
    pub host: String,
    /// Process id on that machine.
    pub pid: u32,
}

impl BegunBy {
    /// This machine and this process.
    pub fn own() -> Self {
        Self { host: super::process::host(), pid: std::process::id() }
    }
}

/// `begun.json`: who has reserved an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The id it reserves.
    pub id: String,
    /// Name of the instance.
    pub instance: String,
    /// When the backup was begun.
    #[serde(serialize_with = "crate::times::serialize")]
    pub begun_at: DateTime<Utc>,
    /// Machine and process that began it.
    #[serde(flatten)]
    pub by: BegunBy,
    /// A random token, by which a writer recognises its own `begun.json`.
    pub token: String,
    /// What tells the process from any other; `None` where the system does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessMark>,
}

/// An id that is reserved, and what was uploaded under it. It becomes a backup by [`Repository::commit`], and goes away by
/// [`Repository::discard`].
///
/// [`Repository::commit`]: super::Repository::commit
/// [`Repository::discard`]: super::Repository::discard
#[derive(Debug)]
pub struct Draft {
    pub(super) storage: Shared,
    pub(super) begun: Begun,
    pub(super) id: BackupId,
    pub(super) keeps_conditions: bool,
    /// To whom its objects are encrypted; `None`: they are not.
    pub(super) recipients: Option<Recipients>,
    /// Keys that were begun, in order; `begun.json` first. The manifest is never among them.
    pub(super) keys: Noted,
    /// A manifest was sent, and nobody can say yet that it is not there.
    pub(super) may_be_published: AtomicBool,
}

/// Keys that are to be removed if the draft is given up.
#[derive(Debug, Clone, Default)]
pub(super) struct Noted(Arc<Mutex<Vec<String>>>);

impl Noted {
    fn note(&self, key: &str) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !keys.iter().any(|noted| noted == key) {
            keys.push(key.to_owned());
        }
    }

    /// What lies there is another's: it is not ours to remove.
    fn strike(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|noted| noted != key);
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The writer that `begun.json` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Us,
    Another,
    /// There is no `begun.json`.
    Nobody,
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

    /// To whom its objects are encrypted; `None`: they are not.
    pub fn recipients(&self) -> Option<&Recipients> {
        self.recipients.as_ref()
    }

    /// The name that an object of this backup gets: `dump.rdb.gz`, encrypted `dump.rdb.gz.age`; where the place keeps no conditions
    /// `dump-TOKEN.rdb.gz`, so that no other process can write over it or take it for its own.
    pub fn object_name(&self, plain: &str) -> String {
        let plain = &format!("{plain}{}", self.recipients.as_ref().map_or("", |_| encryption::EXTENSION));
        if self.keeps_conditions {
            return plain.to_owned();
        }
        let token = &self.begun.token;
        match plain.split_once('.') {
            Some((stem, extension)) => format!("{stem}-{token}.{extension}"),
            None => format!("{plain}-{token}"),
        }
    }

    /// Begins an object of the backup. `name` comes from [`Draft::object_name`].
    ///
    /// # Errors
    /// If `name` cannot be one, or the place refuses.
    pub async fn upload(&self, name: &str) -> Result<Box<dyn Upload>, RepositoryError> {
        let key = layout::object_key(self.instance(), self.id, name)?;
        self.note(&key);
        let inner = match self.storage.upload(&key).await {
            Err(error) if error.is_taken() => {
                // What lies there was there before.
                self.keys.strike(&key);
                return Err(error).doing("write", &key);
            }
            begun => begun.doing("write", &key)?,
        };
        let (storage, begun_key) = (self.storage.clone(), self.key(layout::BEGUN));
        let (token, noted) = (self.begun.token.clone(), self.keys.clone());
        Ok(Box::new(DraftUpload { inner, storage, begun_key, token, key, noted, sent: 0 }))
    }

    /// Writes a small object of the backup, such as `census.bin`. `name` comes from [`Draft::object_name`].
    ///
    /// # Errors
    /// If `name` cannot be one, or the place refuses.
    pub async fn put_small(&self, name: &str, body: Bytes) -> Result<(), RepositoryError> {
        let key = layout::object_key(self.instance(), self.id, name)?;
        self.note(&key);
        let error = match self.storage.create(&key, body.clone()).await {
            Ok(()) => return Ok(()),
            Err(error @ StorageError::Taken) => {
                self.keys.strike(&key);
                return Err(error).doing("write", &key);
            }
            Err(error) => error,
        };
        // The answer to our own write may have got lost: then the very bytes are there, in the folder that is ours.
        let is_there = self.storage.get(&key, body.len() as u64).await.is_ok_and(|found| found == body);
        if is_there && self.owns(&key).await {
            return Ok(());
        }
        if error.is_taken() && !is_there {
            self.keys.strike(&key);
        }
        Err(error).doing("write", &key)
    }

    /// Removes an object of the draft that another one has taken the place of. `name` comes from [`Draft::object_name`].
    ///
    /// # Errors
    /// If `name` cannot be one, or the place refuses: then it is removed with the draft, or left beside the backup.
    pub async fn withdraw(&self, name: &str) -> Result<(), RepositoryError> {
        let key = layout::object_key(self.instance(), self.id, name)?;
        if self.owns(&key).await {
            self.storage.delete(&key).await.doing("remove", &key)?;
            self.keys.strike(&key);
        }
        Ok(())
    }

    /// Gives signs of life for as long as it is polled; it never ends. A sign that cannot be given is not worth an error.
    pub async fn keep_alive(&self, every: Duration) -> Infallible {
        loop {
            sleep(every).await;
            self.give_sign().await;
        }
    }

    async fn give_sign(&self) {
        if let Err(error) = self.claim().await {
            tracing::debug!(%error, "cannot write the heartbeat");
        }
    }

    /// Writes the heartbeat, whose name carries the token: whatever is replaced is ours.
    pub(super) async fn claim(&self) -> Result<(), RepositoryError> {
        let key = self.key(&layout::heartbeat(&self.begun.token));
        self.note(&key);
        let body = Bytes::from(serde_json::to_vec_pretty(&self.begun).unwrap_or_default());
        let Err(error) = self.storage.replace(&key, body.clone()).await else { return Ok(()) };
        // The answer may have got lost.
        let is_there = self.storage.get(&key, BEGUN_LIMIT).await.is_ok_and(|found| found == body);
        if is_there { Ok(()) } else { Err(error).doing("write", &key) }
    }

    pub(super) fn note(&self, key: &str) {
        self.keys.note(key);
    }

    pub(super) fn noted(&self) -> Vec<String> {
        self.keys.all()
    }

    pub(super) fn may_be_published(&self) -> bool {
        self.may_be_published.load(Ordering::Relaxed)
    }

    pub(super) fn key(&self, name: &str) -> String {
        layout::folder(self.instance(), self.id) + name
    }

    pub(super) fn backup(&self) -> String {
        format!("{}/{}", self.instance(), self.id)
    }

    /// Asks whose token stands in `begun.json` now.
    pub(super) async fn owner(&self) -> Result<Owner, RepositoryError> {
        let key = self.key(layout::BEGUN);
        owner(&self.storage, &key, &self.begun.token).await.doing("read back", &key)
    }

    /// Whether an object is proven to be ours: its name carries our token, or it lies in a folder that is ours alone.
    async fn owns(&self, key: &str) -> bool {
        is_own(&self.storage, key, &self.key(layout::BEGUN), &self.begun.token).await
    }
}

pub(super) async fn owner(storage: &Shared, begun_key: &str, token: &str) -> Result<Owner, StorageError> {
    match storage.get(begun_key, BEGUN_LIMIT).await {
        Ok(body) if serde_json::from_slice::<Begun>(&body).is_ok_and(|found| found.token == token) => Ok(Owner::Us),
        Ok(_) | Err(StorageError::TooLarge { .. }) => Ok(Owner::Another),
        Err(StorageError::NotFound) => Ok(Owner::Nobody),
        Err(error) => Err(error),
    }
}

async fn is_own(storage: &Shared, key: &str, begun_key: &str, token: &str) -> bool {
    layout::carries(key, token) || matches!(owner(storage, begun_key, token).await, Ok(Owner::Us))
}

/// An object of a draft on its way. A lost answer to the last request does not make it fail.
struct DraftUpload {
    inner: Box<dyn Upload>,
    storage: Shared,
    begun_key: String,
    token: String,
    key: String,
    noted: Noted,
    sent: u64,
}

#[async_trait]
impl Upload for DraftUpload {
    fn expect(&mut self, expected: Expected) {
        self.inner.expect(expected);
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        self.sent += bytes.len() as u64;
        self.inner.write(bytes).await
    }

    async fn complete(self: Box<Self>) -> Result<u64, StorageError> {
        let Self { inner, storage, begun_key, token, key, noted, sent } = *self;
        let error = match inner.complete().await {
            Ok(length) => return Ok(length),
            // The place has looked: it is another's, and stays when ours is given up.
            Err(error @ StorageError::Taken) => {
                noted.strike(&key);
                return Err(error);
            }
            Err(error) => error,
        };
        // The object may be there all the same: the answer got lost, and the store says to the second try that it is there already,
        // or that it knows no such upload. A place that can tell one upload from another has looked already; where it cannot, ours is
        // what is as long as what we sent, in a folder that nobody else writes to.
        let is_there = storage.head(&key).await.is_ok_and(|info| info.length == sent);
        if is_there && is_own(&storage, &key, &begun_key, &token).await {
            tracing::debug!(key, %error, "the object is there although its last request failed");
            return Ok(sent);
        }
        // One of another length that was there before is no object of ours.
        if error.is_taken() {
            noted.strike(&key);
        }
        Err(error)
    }

    async fn abort(self: Box<Self>) -> Result<(), StorageError> {
        self.inner.abort().await
    }
}
