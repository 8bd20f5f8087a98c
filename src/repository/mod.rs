//! The backups of a place for objects: which there are, what is known of them, and how one comes into being.
//!
//! A backup exists if and only if its manifest exists. [`Repository::begin`] reserves an id, objects are uploaded through the
//! [`Draft`], and [`Repository::commit`] writes the manifest, last and once. How the bytes of a backup are made and judged is left
//! to the floors above.

mod archive;
mod backup_id;
mod commit;
mod draft;
mod error;
mod format;
mod layout;
mod left;
mod life;
mod listing;
mod lock;
pub mod manifest;
mod marker;
mod newest;
mod others;
mod pins;
mod place;
mod process;
mod reading;
mod receipt;
mod receipts;
mod remove;
mod reserve;
mod resolve;
mod seal;
pub mod segment;
mod state;
pub mod timeline;

use std::sync::Arc;

use bytes::Bytes;

use crate::encryption::Encryption;
use crate::storage::{ObjectInfo, Reader, Shared, StorageError};
use error::Doing;
use manifest::{MANIFEST_LIMIT, Manifest};

pub use archive::{Archiver, LastMark, NamedPoint};
pub use backup_id::BackupId;
pub use commit::Discarded;
pub(crate) use draft::Begun;
pub use draft::{BegunBy, Draft};
pub use error::RepositoryError;
pub(crate) use format::{MARKER, REPOSITORY_FORMAT};
pub(crate) use layout::{CENSUS, MANIFEST, check_instance, instance_name};
pub(crate) use left::is_own_upload;
pub(crate) use life::{HEARTBEAT_SECONDS, Unfinished};
pub use listing::ListedStatus;
pub(crate) use listing::{Chosen, Listed, Overview};
pub(crate) use lock::{FoundLock, Lock, LockState, Locking};
pub(crate) use marker::Room;
pub(crate) use newest::Newest;
pub use pins::Pin;
pub use place::Place;
pub(crate) use process::ProcessMark;
pub use reading::Reading;
pub use reading::{INTERRUPTED_FOR, ReadFor};
pub(crate) use receipt::Receipt;
pub(crate) use remove::Leftover;
pub use remove::{Held, Removal, Terms};
pub(crate) use seal::ManifestError;
pub use state::State;

/// Backups in a place for objects.
#[derive(Debug, Clone)]
pub struct Repository {
    storage: Shared,
    /// The marker, once it was asked for.
    known: Arc<tokio::sync::Mutex<marker::Known>>,
    /// To whom its new backups are encrypted, and what opens those that are.
    encryption: Encryption,
}

impl Repository {
    /// The repository in this place. Nothing is asked or written yet.
    pub fn new(storage: Shared) -> Self {
        Self { storage, known: Arc::default(), encryption: Encryption::default() }
    }

    /// The same, with backups that are encrypted, and keys that open them.
    #[must_use]
    pub fn with_encryption(self, encryption: Encryption) -> Self {
        Self { encryption, ..self }
    }

    /// To whom new backups are encrypted, and what opens those that are.
    pub fn encryption(&self) -> &Encryption {
        &self.encryption
    }

    /// Where it is, for people.
    pub fn describe(&self) -> String {
        self.storage.describe()
    }

    /// How many objects this process has removed that the place has only hidden: their versions stay, and take room.
    pub fn hidden(&self) -> u64 {
        self.storage.hidden()
    }

    /// Whether "only if it is not there" is kept by the place, as its marker remembers; `None`: nobody has found out yet. Where it is
    /// not, two writers at the same moment are not excluded.
    ///
    /// # Errors
    /// As [`Repository::marker`].
    pub async fn keeps_conditions(&self) -> Result<Option<bool>, RepositoryError> {
        Ok(self.marker().await?.and_then(|marker| marker.keeps_conditions))
    }

    /// The manifest of a backup.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`], [`RepositoryError::Incomplete`], [`RepositoryError::Manifest`], or what the place says.
    pub async fn load(&self, instance: &str, id: BackupId) -> Result<Manifest, RepositoryError> {
        check_instance(instance)?;
        let backup = format!("{instance}/{id}");
        let folder = layout::folder(instance, id);
        let key = format!("{folder}{MANIFEST}");
        let bytes = match self.manifest_bytes(&key).await {
            Err(StorageError::NotFound) => {
                return Err(match self.storage.head(&format!("{folder}{}", layout::BEGUN)).await {
                    Ok(_) => RepositoryError::Incomplete { instance: instance.to_owned(), id },
                    Err(_) => RepositoryError::NotFound(backup),
                });
            }
            Err(StorageError::TooLarge { length, .. }) => {
                return Err(RepositoryError::Manifest { backup, source: ManifestError::TooLong(length) });
            }
            got => got.doing("read", &key)?,
        };
        decode(instance, id, &bytes).map_err(|source| RepositoryError::Manifest { backup, source })
    }

    /// What lies where a manifest belongs. One that does not hold against its own SHA-256 is read once more: the way damages bytes as
    /// well.
    async fn manifest_bytes(&self, key: &str) -> Result<Bytes, StorageError> {
        let bytes = self.storage.get(key, MANIFEST_LIMIT).await?;
        if Manifest::decode(&bytes).is_ok() { Ok(bytes) } else { self.storage.get(key, MANIFEST_LIMIT).await }
    }

    /// The bytes of an object of a backup, from `offset` on. `object` is a name from the manifest.
    ///
    /// # Errors
    /// If the object is missing ([`StorageError::NotFound`]) or cannot be read.
    pub async fn open_object(&self, manifest: &Manifest, object: &str, offset: u64) -> Result<Reader, RepositoryError> {
        let key = self.key_of(manifest, object)?;
        self.storage.open(&key, offset).await.doing("read", &key)
    }

    /// The bytes of a small object of a backup, whole; more than `limit` bytes are an error.
    ///
    /// # Errors
    /// If the object is missing ([`StorageError::NotFound`]), too long, or cannot be read.
    pub async fn get_object(&self, manifest: &Manifest, object: &str, limit: u64) -> Result<Bytes, RepositoryError> {
        let key = self.key_of(manifest, object)?;
        self.storage.get(&key, limit).await.doing("read", &key)
    }

    /// The length of an object of a backup, bytes; `None` if it is missing.
    ///
    /// # Errors
    /// If the place cannot be asked.
    pub async fn object_length(&self, manifest: &Manifest, object: &str) -> Result<Option<u64>, RepositoryError> {
        let key = self.key_of(manifest, object)?;
        match self.storage.head(&key).await {
            Ok(info) => Ok(Some(info.length)),
            Err(StorageError::NotFound) => Ok(None),
            Err(error) => Err(error).doing("look at", &key),
        }
    }

    /// Lists every object of a backup, sorted by key.
    ///
    /// # Errors
    /// If the place cannot be listed.
    pub async fn objects(&self, manifest: &Manifest) -> Result<Vec<ObjectInfo>, RepositoryError> {
        let folder = layout::folder(&manifest.instance, manifest.id);
        self.storage.list(&folder).await.doing("list", &folder)
    }

    fn key_of(&self, manifest: &Manifest, object: &str) -> Result<String, RepositoryError> {
        layout::object_key(&manifest.instance, manifest.id, object)
    }
}

/// Reads the manifest of this very backup.
fn decode(instance: &str, id: BackupId, bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let manifest = Manifest::decode(bytes)?;
    if manifest.instance != instance || manifest.id != id {
        return Err(ManifestError::Misplaced(
            format!("{}/{}", manifest.instance, manifest.id).escape_debug().to_string(),
        ));
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
use tests::example;
