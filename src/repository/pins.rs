//! Pins: objects of their own beside a backup, `pins/NAME.json`, that keep the backup from being removed. The manifest never changes.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::error::Doing;
use super::reserve::exists;
use super::{BackupId, MANIFEST, Repository, RepositoryError, check_instance, layout};
use crate::storage::{ObjectInfo, StorageError};

/// Most bytes of a pin.
const PIN_LIMIT: u64 = 16 * 1024;

/// Who holds a backup, since when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// When the backup was pinned, by the clock of the machine that did so.
    #[serde(serialize_with = "crate::times::serialize")]
    pub pinned_at: DateTime<Utc>,
    /// Name of that machine.
    pub host: String,
    /// What the person who pinned it has said; `None`: nothing.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Repository {
    /// Pins a published backup under a name; false if there is a pin of that name already.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`], [`RepositoryError::Incomplete`]: there is no such backup, or it was removed at this very moment;
    /// [`RepositoryError::InvalidName`]; or what the place says.
    pub async fn pin(&self, instance: &str, id: BackupId, name: &str, pin: &Pin) -> Result<bool, RepositoryError> {
        let key = pin_key(instance, id, name)?;
        self.must_be_published(instance, id).await?;
        let body = serde_json::to_vec_pretty(pin).map_err(|error| RepositoryError::Inconsistent(error.to_string()))?;
        let is_new = match self.storage.create(&key, Bytes::from(body)).await {
            Ok(()) => true,
            Err(error) if error.is_taken() => false,
            Err(error) => return Err(error).doing("write", &key),
        };
        // Who removes a backup takes its manifest away first, and looks for pins then: one of the two sees the other.
        if let Err(error) = self.must_be_published(instance, id).await {
            if is_new {
                drop(self.storage.delete(&key).await);
            }
            return Err(error);
        }
        Ok(is_new)
    }

    /// Lifts a pin; one that is not there is no error.
    ///
    /// # Errors
    /// [`RepositoryError::InvalidName`], or what the place says.
    pub async fn lift_pin(&self, instance: &str, id: BackupId, name: &str) -> Result<(), RepositoryError> {
        let key = pin_key(instance, id, name)?;
        self.storage.delete(&key).await.doing("remove", &key)
    }

    /// The pins of a backup by their names, in order; `None` in place of one that cannot be read, which holds the backup all the same.
    ///
    /// # Errors
    /// If the place cannot be listed.
    pub async fn pins(&self, instance: &str, id: BackupId) -> Result<Vec<(String, Option<Pin>)>, RepositoryError> {
        check_instance(instance)?;
        let prefix = layout::folder(instance, id) + layout::PINS;
        let mut pins = Vec::new();
        for ObjectInfo { key, .. } in self.storage.list(&prefix).await.doing("list", &prefix)? {
            let Some(name) = layout::pin_of(&key[prefix.len() - layout::PINS.len()..]) else { continue };
            let read = self.storage.get(&key, PIN_LIMIT).await;
            pins.push((name.to_owned(), read.ok().and_then(|body| serde_json::from_slice(&body).ok())));
        }
        Ok(pins)
    }

    async fn must_be_published(&self, instance: &str, id: BackupId) -> Result<(), RepositoryError> {
        let folder = layout::folder(instance, id);
        match self.storage.head(&format!("{folder}{MANIFEST}")).await {
            Ok(_) => Ok(()),
            Err(StorageError::NotFound) => {
                Err(match exists(&self.storage, &format!("{folder}{}", layout::BEGUN)).await? {
                    true => RepositoryError::Incomplete { instance: instance.to_owned(), id },
                    false => RepositoryError::NotFound(format!("{instance}/{id}")),
                })
            }
            Err(error) => Err(error).doing("look at", &format!("{folder}{MANIFEST}")),
        }
    }
}

fn pin_key(instance: &str, id: BackupId, name: &str) -> Result<String, RepositoryError> {
    check_instance(instance)?;
    check_instance(name)?;
    Ok(format!("{}{}{name}.json", layout::folder(instance, id), layout::PINS))
}
