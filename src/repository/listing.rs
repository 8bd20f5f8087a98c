//! Which backups there are.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::draft::BEGUN_LIMIT;
use super::error::Doing;
use super::manifest::Manifest;
use super::remove::Own;
use super::{
    BackupId, Begun, MANIFEST, Receipt, Repository, RepositoryError, Unfinished, check_instance, is_own_upload, layout,
};
use crate::storage::{LeftUploads, ObjectInfo, StorageError, Survey};

/// Backups that are looked at at the same time.
const AT_ONCE: usize = 16;

/// A backup, or what is left of a backup that was never finished.
#[derive(Debug, Clone)]
pub struct Listed {
    pub instance: String,
    pub id: BackupId,
    /// Whether the backup is published, running, or left behind.
    pub status: ListedStatus,
    /// Every object of the backup, sorted by key.
    pub objects: Vec<ObjectInfo>,
    /// The last verification, whatever it has found (`status` and `level` in its content), or one that is there and cannot be read.
    pub verified: Option<Receipt>,
    /// Names of the pins that keep it.
    pub pins: Vec<String>,
}

/// The objects of every backup, by instance and id.
pub(super) type Folders = BTreeMap<(String, BackupId), Vec<ObjectInfo>>;

/// How far a backup has come.
#[derive(Debug, Clone, PartialEq)]
pub enum ListedStatus {
    /// The backup has a manifest.
    Published(Box<Manifest>),
    /// Its manifest is there and cannot be used, for this reason.
    Unreadable(String),
    /// Its manifest is there, and a newer program wrote it, as this reason says. Nothing is wrong with it.
    Newer(String),
    /// Its manifest is there and was moved to an archive, as the store says.
    Archived(String),
    /// Its manifest, or its whole folder, may not be read, as the store says.
    AccessDenied(String),
    /// The backup has no manifest yet, and its writer is at work.
    Running(Box<Unfinished>),
    /// The backup has no manifest, and its writer is gone.
    Left(Box<Unfinished>),
}

/// What a listing tells beside the backups.
#[derive(Debug, Default)]
pub struct Overview {
    /// Uploads that were begun and neither completed nor aborted, with the bytes of their parts as far as the store tells; of a folder
    /// its hidden `.part` files. `None`: the place cannot tell, or we may not ask.
    pub unfinished: Option<Vec<ObjectInfo>>,
    /// So many of them are of a size that the place does not tell.
    pub unmeasured: u64,
    /// Folders that cannot be read and are no backup's: what is in them is not listed.
    pub unreadable: Vec<(String, StorageError)>,
    /// Folders within those of backups that cannot be read: receipts and pins may lie there.
    pub partly: Vec<String>,
    /// Backups that were chosen, and were not given for there were too many.
    pub left_out: u64,
}

impl Overview {
    /// The instances whose folders cannot be read, as far as names and places tell, and why.
    pub fn unread_instances(&self) -> impl Iterator<Item = (&str, &StorageError)> {
        self.unreadable.iter().filter_map(|(folder, error)| {
            let name = folder.trim_end_matches('/');
            check_instance(name).is_ok().then_some((name, error))
        })
    }
}

/// Which backups of a listing are wanted. What is not wanted is not read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chosen {
    /// Those that were begun after this moment; `None`: whenever. An id tells the minute, and no more.
    pub since: Option<DateTime<Utc>>,
    /// The newest so many; `None`: all.
    pub limit: Option<u64>,
}

impl Listed {
    /// The manifest, if it exists.
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.status {
            ListedStatus::Published(manifest) => Some(manifest),
            _ => None,
        }
    }

    /// Whether its data lie in an archive class of the store, although its manifest can be read.
    pub fn lies_archived(&self) -> bool {
        let folder = layout::folder(&self.instance, self.id);
        let is_data = |name: &str| {
            self.manifest().is_some_and(|manifest| manifest.shards.iter().any(|shard| shard.object == name))
        };
        self.objects.iter().any(|object| object.is_archived && object.key.strip_prefix(&folder).is_some_and(is_data))
    }

    /// Objects in the folder of a published backup that its manifest does not name and that are none of ours by their names.
    pub(crate) fn strangers(&self) -> Vec<String> {
        let Some(manifest) = self.manifest() else { return Vec::new() };
        let folder = layout::folder(&self.instance, self.id);
        Own::of(Some(manifest), None).part(&folder, self.objects.clone()).1
    }

    /// Its objects that may hold it: pins, and marks of readers.
    pub fn holders(&self) -> Vec<ObjectInfo> {
        let folder = layout::folder(&self.instance, self.id);
        let holds = |name: &str| layout::pin_of(name).is_some() || layout::is_reading(name);
        let of_holders = |object: &&ObjectInfo| object.key.strip_prefix(&folder).is_some_and(holds);
        self.objects.iter().filter(of_holders).cloned().collect()
    }

    /// What there is of it where it has no manifest.
    pub fn unfinished(&self) -> Option<&Unfinished> {
        match &self.status {
            ListedStatus::Running(unfinished) | ListedStatus::Left(unfinished) => Some(unfinished),
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
        let mut backups = Vec::new();
        self.list_each(instance, |_| {}, |listed| backups.push(listed)).await?;
        Ok(backups)
    }

    /// Gives the backups of one instance or of all, newest first, one after the other, so that not all manifests are in memory at once.
    /// `total` is told before the first how many there are.
    ///
    /// # Errors
    /// If the place cannot be listed or asked.
    pub async fn list_each(
        &self,
        instance: Option<&str>,
        total: impl FnOnce(u64),
        each: impl FnMut(Listed),
    ) -> Result<Overview, RepositoryError> {
        self.list_chosen(instance, Chosen::default(), total, each).await
    }

    /// As [`Repository::list_each`], and only those that are wanted.
    ///
    /// # Errors
    /// If the place cannot be listed or asked.
    pub async fn list_chosen(
        &self,
        instance: Option<&str>,
        chosen: Chosen,
        total: impl FnOnce(u64),
        mut each: impl FnMut(Listed),
    ) -> Result<Overview, RepositoryError> {
        let Survey { objects, unreadable } = self.survey(instance).await?;
        let (unfinished, unmeasured) =
            self.unfinished(instance).await.map(|left| (left.uploads, left.unmeasured)).unzip();
        let unmeasured = unmeasured.unwrap_or_default();
        let mut unfinished_folders = in_folders(unfinished.iter().flatten().cloned());
        let (denied, unreadable): (Vec<_>, Vec<_>) =
            unreadable.into_iter().partition(|(folder, _)| backup_of(folder).is_some());
        let mut looks: Vec<Look> = in_folders(objects)
            .into_iter()
            .map(|((instance, id), objects)| {
                let uploads = unfinished_folders.remove(&(instance.clone(), id)).unwrap_or_default();
                Look { instance, id, objects, uploads, denied: None, hidden: None }
            })
            .collect();
        let mut partly = Vec::new();
        for (folder, error) in denied {
            let Some((instance, id)) = backup_of(&folder) else { continue };
            // A folder within the backup's own does not hide its manifest.
            let own = looks.iter_mut().find(|look| (&look.instance, look.id) == (&instance, id));
            if let Some(look) = own {
                if folder == layout::folder(&instance, id) + layout::RECEIPTS {
                    look.hidden = Some(error);
                }
                partly.push(folder);
            } else {
                looks.push(Look {
                    instance,
                    id,
                    objects: Vec::new(),
                    uploads: Vec::new(),
                    denied: Some(error),
                    hidden: None,
                });
            }
        }
        // What was uploaded without a single object beside it, as far as it is ours.
        looks.extend(unfinished_folders.into_iter().filter_map(|((instance, id), mut uploads)| {
            let folder = layout::folder(&instance, id);
            uploads.retain(|upload| upload.key.strip_prefix(&folder).is_some_and(is_own_upload));
            (!uploads.is_empty()).then(|| Look {
                instance,
                id,
                objects: Vec::new(),
                uploads,
                denied: None,
                hidden: None,
            })
        }));
        looks.sort_by(|a, b| b.id.cmp(&a.id).then_with(|| a.instance.cmp(&b.instance)));
        looks.retain(|look| chosen.since.is_none_or(|since| look.id.minute() + TimeDelta::minutes(1) > since));
        let wanted = chosen.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let left_out = looks.len().saturating_sub(wanted) as u64;
        looks.truncate(wanted);
        total(looks.len() as u64);
        // Manifests are read side by side, but not all at once.
        let mut looked = stream::iter(looks.into_iter().map(|look| self.look_at(look))).buffered(AT_ONCE);
        while let Some(listed) = looked.try_next().await? {
            each(listed);
        }
        Ok(Overview { unfinished, unmeasured, unreadable, partly, left_out })
    }

    /// The objects of every backup, by instance and id. What is no backup's is passed over.
    pub(super) async fn folders(&self, instance: Option<&str>) -> Result<Folders, RepositoryError> {
        let Survey { objects, unreadable } = self.survey(instance).await?;
        // Of an instance whose folder cannot be read nobody may say that it has no backups.
        let own = |folder: &str| instance.is_some_and(|name| folder.strip_suffix('/') == Some(name));
        match unreadable.into_iter().find(|(folder, _)| own(folder)) {
            Some((folder, source)) => Err(source).doing("list", &folder),
            None => Ok(in_folders(objects)),
        }
    }

    /// Lists every object, once the place is known to be a repository that we can read.
    pub(super) async fn survey(&self, instance: Option<&str>) -> Result<Survey, RepositoryError> {
        let prefix = match instance {
            Some(name) => {
                check_instance(name)?;
                format!("{name}/")
            }
            None => String::new(),
        };
        let whole = if prefix.is_empty() { self.describe() } else { prefix.clone() };
        let survey = self.storage.survey(&prefix).await.doing("list", &whole)?;
        self.marker().await?;
        Ok(survey)
    }

    /// Uploads that go on or were left; they are worth no error.
    pub(super) async fn unfinished(&self, instance: Option<&str>) -> Option<LeftUploads> {
        let prefix = instance.map(|name| format!("{name}/")).unwrap_or_default();
        match self.storage.unfinished(&prefix).await {
            Ok(found) => found,
            Err(error @ StorageError::Unavailable(_)) => {
                tracing::warn!("unfinished uploads cannot be listed, and any that are left stay: {error}");
                None
            }
            // A user without that right would hear of it with every list.
            Err(error) => {
                tracing::debug!(%error, "cannot list unfinished uploads");
                None
            }
        }
    }

    async fn look_at(&self, look: Look) -> Result<Listed, RepositoryError> {
        let Look { instance, id, objects, uploads, denied, hidden } = look;
        if let Some(error) = denied {
            let status = ListedStatus::AccessDenied(error.to_string());
            return Ok(Listed { instance, id, status, verified: None, pins: Vec::new(), objects });
        }
        let folder = layout::folder(&instance, id);
        let keys: Vec<&str> = objects.iter().map(|object| object.key.as_str()).collect();
        let names: Vec<&str> = keys.iter().filter_map(|key| key.strip_prefix(folder.as_str())).collect();
        let loaded = if names.contains(&MANIFEST) { Some(self.load(&instance, id).await) } else { None };
        let status = match loaded {
            Some(Ok(manifest)) => ListedStatus::Published(Box::new(manifest)),
            Some(Err(RepositoryError::Manifest { .. })) if self.is_fence(&format!("{folder}{MANIFEST}")).await => {
                self.unfinished_status(&folder, &objects, &uploads).await
            }
            Some(Err(RepositoryError::Manifest { source, .. })) if source.is_of_newer() => {
                ListedStatus::Newer(source.to_string())
            }
            Some(Err(RepositoryError::Manifest { source, .. })) => ListedStatus::Unreadable(source.to_string()),
            Some(Err(RepositoryError::Storage { source: StorageError::Archived(why), .. })) => {
                ListedStatus::Archived(why.to_string())
            }
            Some(Err(RepositoryError::Storage { source: StorageError::AccessDenied(why), .. })) => {
                ListedStatus::AccessDenied(why.to_string())
            }
            // A page that is no answer of a store is one object's trouble, as long as the place could be listed.
            Some(Err(RepositoryError::Storage { source: source @ StorageError::Other(_), .. })) => {
                ListedStatus::Unreadable(source.to_string())
            }
            // It has gone since the place was listed.
            None | Some(Err(RepositoryError::NotFound(_) | RepositoryError::Incomplete { .. })) => {
                self.unfinished_status(&folder, &objects, &uploads).await
            }
            Some(Err(error)) => return Err(error),
        };
        let verified = match hidden {
            Some(error) => Some(Receipt::unreadable(self.now(), &error.to_string())),
            None => self.verified_by(&folder, &objects).await?,
        };
        let pin = |name: &&str| Some(name.strip_prefix(layout::PINS)?.trim_end_matches(".json").to_owned());
        let pins = names.iter().filter_map(pin).collect();
        Ok(Listed { instance, id, status, verified, pins, objects })
    }

    async fn unfinished_status(&self, folder: &str, objects: &[ObjectInfo], uploads: &[ObjectInfo]) -> ListedStatus {
        let unfinished = Box::new(self.unfinished_backup(folder, objects, uploads).await);
        if unfinished.is_running() { ListedStatus::Running(unfinished) } else { ListedStatus::Left(unfinished) }
    }

    pub(super) async fn unfinished_backup(
        &self,
        folder: &str,
        objects: &[ObjectInfo],
        uploads: &[ObjectInfo],
    ) -> Unfinished {
        let all = objects;
        // What is not of a backup is no sign of life.
        let (objects, _) = Own::of(None, None).part(folder, all.to_vec());
        let objects = objects.as_slice();
        let newest = |objects: &[ObjectInfo]| objects.iter().filter_map(|object| object.modified).max();
        let begun_key = format!("{folder}{}", layout::BEGUN);
        let begun_object = objects.iter().find(|object| object.key == begun_key);
        let begun = match begun_object {
            Some(_) => self.begun(&begun_key).await,
            None => None,
        };
        let oldest = |objects: &[ObjectInfo]| objects.iter().filter_map(|object| object.modified).min();
        let since = match begun_object {
            Some(object) => object.modified,
            None => oldest(objects).or(oldest(uploads)),
        };
        Unfinished {
            begun,
            since,
            last_sign: newest(objects).max(newest(uploads)),
            now: self.now(),
            bytes: all.iter().chain(uploads).map(|object| object.length).sum(),
            uploads: uploads.len() as u64,
        }
    }

    /// Asks the place for its time, where it does not tell by itself.
    pub(crate) async fn hear_clock(&self) {
        self.storage.hear_clock().await;
    }

    /// The clock of the place.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.storage.now()
    }

    /// Reads `begun.json`; `None` where that is not possible.
    pub(super) async fn begun(&self, key: &str) -> Option<Begun> {
        let body = self.storage.get(key, BEGUN_LIMIT).await.ok()?;
        serde_json::from_slice(&body).ok()
    }
}

/// A backup that is to be looked at.
struct Look {
    instance: String,
    id: BackupId,
    objects: Vec<ObjectInfo>,
    uploads: Vec<ObjectInfo>,
    /// Why its folder cannot be read.
    denied: Option<StorageError>,
    /// Why the folder of its receipts cannot be read.
    hidden: Option<StorageError>,
}

pub(super) fn in_folders(objects: impl IntoIterator<Item = ObjectInfo>) -> Folders {
    let mut folders = Folders::new();
    for object in objects {
        if let Some(backup) = backup_of(&object.key) {
            folders.entry(backup).or_default().push(object);
        }
    }
    folders
}

pub(super) fn backup_of(key: &str) -> Option<(String, BackupId)> {
    let mut names = key.splitn(3, '/');
    let (instance, id) = (names.next()?, names.next()?.parse().ok()?);
    names.next()?;
    check_instance(instance).ok()?;
    Some((instance.to_owned(), id))
}
