//! Removes what is left of a backup that was never published, or whose removal was broken off: once its last sign of life is old enough,
//! and only what is proven to be ours.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::error::Doing;
use super::life::SILENCE;
use super::remove::{Held, Leftover, Own, Removal, in_order};
use super::{BackupId, Begun, MANIFEST, Repository, RepositoryError, check_instance, layout};
use crate::storage::{ObjectInfo, StorageError};

/// What lies in the place of a manifest that must not come any more, as long as its backup is removed; no longer than this, bytes.
const FENCE_LIMIT: u64 = 256;
const FENCE: &str = "{\"discarded\": \"";

/// Whether an upload below the folder of a backup is one of ours, by the name that its object would get.
pub(crate) fn is_own_upload(name: &str) -> bool {
    layout::is_usual(name) || layout::is_known(name) || is_tokened(name)
}

/// `dump-TOKEN.rdb.gz`: a name for a place that keeps no conditions.
fn is_tokened(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let token = stem.strip_prefix("dump-").or_else(|| stem.strip_prefix("census-"));
    token.is_some_and(|token| token.len() >= 8 && token.chars().all(|c| c.is_ascii_hexdigit()))
}

impl Repository {
    /// Why a folder of which no manifest can be read is not to be removed, however old it is.
    pub(crate) async fn spared(
        &self,
        instance: &str,
        id: BackupId,
        objects: &[ObjectInfo],
        uploads: u64,
        begun: Option<&Begun>,
    ) -> Result<Option<Held>, RepositoryError> {
        let folder = layout::folder(instance, id);
        if let (held @ Some(_), _) = self.odd(&folder).await? {
            return Ok(held);
        }
        let names: Vec<&str> = objects.iter().filter_map(|object| object.key.strip_prefix(&folder)).collect();
        if let Some(pin) = names.iter().find_map(|name| layout::pin_of(name)) {
            return Ok(Some(Held::Pinned(pin.to_owned())));
        }
        let is_begun = begun.is_some_and(|begun| begun.id == id.to_string() && begun.instance == instance);
        // A sign of life that came when all else was removed is ours, and so is what a verification wrote then, and what stands in place of
        // a manifest.
        let mut are_signs = true;
        for name in &names {
            are_signs &= layout::is_heartbeat(name)
                || layout::is_receipt(name)
                || (*name == MANIFEST && self.is_fence(&format!("{folder}{MANIFEST}")).await);
        }
        if !is_begun && !are_signs {
            return Ok(Some(Held::Foreign));
        }
        let is_dump = |name: &str| {
            let token = begun.map(|begun| begun.token.as_str()).unwrap_or_default();
            !layout::is_census(name)
                && (layout::is_usual(name) || (!layout::is_heartbeat(name) && layout::carries(name, token)))
        };
        let is_complete = uploads == 0
            && !names.contains(&MANIFEST)
            && !names.iter().any(|name| layout::is_removing(name))
            && names.iter().any(|name| is_dump(name))
            && names.iter().any(|name| layout::is_census(name));
        Ok(is_complete.then_some(Held::Complete))
    }

    /// Removes what is left of a backup that was never published and whose last sign of life, by the clock of the store, is older than
    /// `silent`: its objects, its unfinished uploads and hidden parts. One that is complete but for its manifest stays.
    ///
    /// # Errors
    /// If the place cannot be listed or asked.
    pub async fn remove_left(
        &self,
        instance: &str,
        id: BackupId,
        silent: TimeDelta,
    ) -> Result<Removal, RepositoryError> {
        self.remove_unpublished(instance, id, silent, false).await
    }

    /// As [`Repository::remove_left`], for somebody who names the backup: one that is complete but for its manifest goes as well.
    ///
    /// # Errors
    /// As [`Repository::remove_left`].
    pub async fn remove_named_left(&self, instance: &str, id: BackupId) -> Result<Removal, RepositoryError> {
        self.remove_unpublished(instance, id, TimeDelta::zero(), true).await
    }

    async fn remove_unpublished(
        &self,
        instance: &str,
        id: BackupId,
        silent: TimeDelta,
        is_named: bool,
    ) -> Result<Removal, RepositoryError> {
        check_instance(instance)?;
        let folder = layout::folder(instance, id);
        let objects = self.storage.list(&folder).await.doing("list", &folder)?;
        let uploads = self
            .storage
            .unfinished(&folder)
            .await
            .doing("list the uploads below", &folder)?
            .unwrap_or_default()
            .uploads;
        if objects.is_empty() && uploads.is_empty() {
            return Err(RepositoryError::NotFound(format!("{instance}/{id}")));
        }
        let unfinished = self.unfinished_backup(&folder, &objects, &uploads).await;
        let is_silent =
            unfinished.silent_for().is_some_and(|time| TimeDelta::from_std(time).is_ok_and(|time| time >= silent));
        if unfinished.is_running() || !is_silent {
            return Ok(Removal::held(Held::AtWork));
        }
        let count = uploads.len() as u64;
        match self.spared(instance, id, &objects, count, unfinished.begun.as_ref()).await? {
            Some(Held::Complete) if is_named => {}
            Some(held) => return Ok(Removal::held(held)),
            None => {}
        }
        let (objects, foreign) = Own::of(None, unfinished.begun.as_ref()).part(&folder, objects);
        if objects.is_empty() {
            let is_ours = |key: &str| key.strip_prefix(&folder).is_some_and(is_own_upload);
            if !uploads.iter().any(|upload| is_ours(&upload.key)) {
                return Ok(Removal::held(Held::Foreign));
            }
            let bytes = self.abort_uploads(&folder).await;
            return Ok(Removal { foreign, bytes, ..Removal::default() });
        }
        if let Err(error) = self.may_remove(&folder).await {
            let key = objects[0].key.clone();
            return Ok(Removal { left: vec![Leftover { key, error }], ..Removal::default() });
        }
        // A writer that was stopped for a day and wakes at this moment must not publish what is being removed.
        let manifest = format!("{folder}{MANIFEST}");
        let fenced = match self.fence(&manifest).await.doing("write", &manifest)? {
            Fence::Published => return Ok(Removal::held(Held::Published)),
            Fence::Stands => true,
            Fence::NotKept => false,
        };
        let of_uploads = self.abort_uploads(&folder).await;
        let rest: Vec<ObjectInfo> = objects.into_iter().filter(|object| object.key != manifest).collect();
        let (begun, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|object| object.key == format!("{folder}{}", layout::BEGUN));
        let mut removal = in_order(&self.storage, others).await;
        if fenced && let Err(error) = self.storage.delete(&manifest).await {
            removal.left.push(Leftover { key: manifest, error });
        }
        if removal.left.is_empty() {
            removal = removal.and(in_order(&self.storage, begun).await);
        }
        removal.bytes += of_uploads;
        removal.foreign = foreign;
        removal.foreign.extend(self.odd(&folder).await.map(|(_, unlisted)| unlisted).unwrap_or_default());
        Ok(removal)
    }

    /// Aborts uploads below the folder of a published backup that were begun before a time, by the clock of the store: none of them
    /// can be of use any more. Returns how many there were, and their bytes as far as the store tells; `None` where the store cannot tell.
    ///
    /// # Errors
    /// If the place refuses.
    pub async fn abort_uploads_of(
        &self,
        instance: &str,
        id: BackupId,
        silent: TimeDelta,
    ) -> Result<Option<(u64, u64)>, RepositoryError> {
        check_instance(instance)?;
        let folder = layout::folder(instance, id);
        if self.odd(&folder).await?.0.is_some() {
            return Ok(None);
        }
        self.abort_own(&folder, self.now() - silent).await.doing("abort uploads below", &folder)
    }

    /// Aborts the uploads that would have become objects of ours, one key after the other: others may upload to the same folder. Returns
    /// how many there were, and their bytes.
    async fn abort_own(&self, folder: &str, before: DateTime<Utc>) -> Result<Option<(u64, u64)>, StorageError> {
        let Some(found) = self.storage.unfinished(folder).await? else { return Ok(None) };
        let mut bytes = BTreeMap::<String, u64>::new();
        for upload in found.uploads.into_iter().filter(|upload| upload.modified.is_none_or(|begun| begun < before)) {
            if upload.key.strip_prefix(folder).is_some_and(is_own_upload) {
                *bytes.entry(upload.key).or_default() += upload.length;
            }
        }
        let (mut aborted, mut freed) = (0, 0);
        for (key, bytes) in bytes {
            let count = self.storage.abort_unfinished(&key, before).await?.unwrap_or_default();
            aborted += count;
            freed += if count > 0 { bytes } else { 0 };
        }
        Ok(Some((aborted, freed)))
    }

    /// What a process that died had uploaded is seen by nobody, and billed; not every store can tell of it. Returns the bytes that are
    /// freed.
    pub(super) async fn abort_uploads(&self, folder: &str) -> u64 {
        // An upload that was begun this very second is no younger than now by another clock.
        match self.abort_own(folder, self.now() + TimeDelta::minutes(1)).await {
            Ok(aborted) => aborted.map_or(0, |(_, bytes)| bytes),
            Err(error) => {
                tracing::warn!(folder, %error, "unfinished uploads cannot be aborted");
                0
            }
        }
    }

    /// In a folder: removes what is left of objects below a prefix whose writers were killed, once it is old enough that none of them is
    /// at work. A store has no such parts: small objects are one request there. Nothing rests on it, so an error is no trouble.
    pub(super) async fn clear_parts(&self, prefix: &str) {
        if self.storage.keeps_conditions_by_nature().is_none() {
            return;
        }
        if let Err(error) = self.storage.abort_unfinished(prefix, self.now() - SILENCE).await {
            tracing::debug!(prefix, %error, "hidden parts cannot be removed");
        }
    }

    /// Writes something in place of a manifest that must not come any more.
    async fn fence(&self, manifest: &str) -> Result<Fence, StorageError> {
        if self.keeps_conditions().await.ok().flatten() != Some(true) {
            // Whoever publishes there looks for its `begun.json` before.
            return match self.storage.head(manifest).await {
                Err(StorageError::NotFound) => Ok(Fence::NotKept),
                Err(error) => Err(error),
                Ok(_) if self.is_fence(manifest).await => Ok(Fence::Stands),
                Ok(_) => Ok(Fence::Published),
            };
        }
        match self.storage.create(manifest, Bytes::from(format!("{FENCE}pruned\"}}\n"))).await {
            Ok(()) => Ok(Fence::Stands),
            Err(error) if error.is_taken() => {
                Ok(if self.is_fence(manifest).await { Fence::Stands } else { Fence::Published })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether what lies in place of a manifest says that there is none to come: its writer, or a prune, was killed while it removed
    /// what was left.
    pub(super) async fn is_fence(&self, manifest: &str) -> bool {
        self.storage.get(manifest, FENCE_LIMIT).await.is_ok_and(|body| body.starts_with(FENCE.as_bytes()))
    }
}

enum Fence {
    Stands,
    /// The store keeps no conditions.
    NotKept,
    Published,
}
