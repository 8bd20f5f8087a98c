//! Which backups there are.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::draft::BEGUN_LIMIT;
use super::error::Doing;
use super::manifest::Manifest;
use super::{BackupId, Begun, MANIFEST, Receipt, Repository, RepositoryError, check_instance, layout};
use crate::storage::ObjectInfo;

/// Backups that are looked at at the same time.
const AT_ONCE: usize = 16;

/// One backup, or what is left of one.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Instance name.
    pub instance: String,
    /// Its id.
    pub id: BackupId,
    /// What it is.
    pub status: ListedStatus,
    /// All that is stored of it, sorted by key.
    pub objects: Vec<ObjectInfo>,
    /// The newest verification, whatever it has found (`status` and `level` in its content).
    pub verified: Option<Receipt>,
    /// Names of the pins that keep it.
    pub pins: Vec<String>,
}

/// The objects of every backup, by instance and id.
pub(super) type Folders = BTreeMap<(String, BackupId), Vec<ObjectInfo>>;

/// What a backup is.
#[derive(Debug, Clone, PartialEq)]
pub enum ListedStatus {
    /// It exists.
    Published(Box<Manifest>),
    /// Its manifest is there and cannot be used, for this reason.
    Unreadable(String),
    /// It has no manifest: it is being made, or was interrupted. `None`: nobody knows who began it.
    Incomplete(Option<Begun>),
}

impl Listed {
    /// The manifest, if it exists.
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.status {
            ListedStatus::Published(manifest) => Some(manifest),
            _ => None,
        }
    }
}

impl Repository {
    /// The backups of one instance or of all, newest first. A backup that cannot be read is in the list and says why.
    ///
    /// # Errors
    /// If the place cannot be listed or asked.
    pub async fn list(&self, instance: Option<&str>) -> Result<Vec<Listed>, RepositoryError> {
        let folders = self.folders(instance).await?;
        // Manifests are read side by side, but not all at once.
        let asked = folders.into_iter().map(|((instance, id), objects)| self.look_at(instance, id, objects));
        let mut backups: Vec<Listed> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        backups.sort_by(|a, b| b.id.cmp(&a.id).then_with(|| a.instance.cmp(&b.instance)));
        Ok(backups)
    }

    /// The objects of every backup, by instance and id. What is no backup's is passed over.
    pub(super) async fn folders(&self, instance: Option<&str>) -> Result<Folders, RepositoryError> {
        let prefix = match instance {
            Some(name) => {
                check_instance(name)?;
                format!("{name}/")
            }
            None => String::new(),
        };
        let whole = if prefix.is_empty() { self.describe() } else { prefix.clone() };
        let mut folders = BTreeMap::<_, Vec<ObjectInfo>>::new();
        for object in self.storage.list(&prefix).await.doing("list", &whole)? {
            if let Some(backup) = backup_of(&object.key) {
                folders.entry(backup).or_default().push(object);
            }
        }
        Ok(folders)
    }

    async fn look_at(
        &self,
        instance: String,
        id: BackupId,
        objects: Vec<ObjectInfo>,
    ) -> Result<Listed, RepositoryError> {
        let folder = layout::folder(&instance, id);
        let keys: Vec<&str> = objects.iter().map(|object| object.key.as_str()).collect();
        let names: Vec<&str> = keys.iter().filter_map(|key| key.strip_prefix(folder.as_str())).collect();
        let status = if names.contains(&MANIFEST) {
            match self.load(&instance, id).await {
                Ok(manifest) => ListedStatus::Published(Box::new(manifest)),
                Err(RepositoryError::Manifest { source, .. }) => ListedStatus::Unreadable(source.to_string()),
                // It has gone since the place was listed.
                Err(RepositoryError::NotFound(_) | RepositoryError::Incomplete { .. }) => {
                    ListedStatus::Incomplete(None)
                }
                Err(error) => return Err(error),
            }
        } else {
            ListedStatus::Incomplete(self.begun(&folder).await)
        };
        let verified = self.newest_of(&folder, &keys, "verify").await?;
        let pin = |name: &&str| Some(name.strip_prefix(layout::PINS)?.trim_end_matches(".json").to_owned());
        let pins = names.iter().filter_map(pin).collect();
        Ok(Listed { instance, id, status, verified, pins, objects })
    }

    /// Who began it, as far as that can be read.
    async fn begun(&self, folder: &str) -> Option<Begun> {
        let body = self.storage.get(&format!("{folder}{}", layout::BEGUN), BEGUN_LIMIT).await.ok()?;
        serde_json::from_slice(&body).ok()
    }
}

fn backup_of(key: &str) -> Option<(String, BackupId)> {
    let mut names = key.splitn(3, '/');
    let (instance, id) = (names.next()?, names.next()?.parse().ok()?);
    names.next()?;
    check_instance(instance).ok()?;
    Some((instance.to_owned(), id))
}
