//! Removes a backup: the manifest first, so that it is no backup any more, and the reservation of its id last. What was left of a backup
//! that failed goes in the same order.
//!
//! Nothing is removed that somebody holds. A pin, and the mark of a reader, are written first, and the manifest is looked for then; here
//! the manifest is taken away first, and pins and marks are looked for then. So one of the two sees the other, and a manifest that was
//! taken away too soon is put back as it was.

use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::{StreamExt, stream};

use super::error::Doing;
use super::manifest::MANIFEST_LIMIT;
use super::{BackupId, BegunBy, MANIFEST, Repository, RepositoryError, check_instance, layout};
use crate::storage::{ObjectInfo, Shared, StorageError};

/// Objects that are removed at the same time.
const AT_ONCE: usize = 16;
/// How often it is tried to put a manifest back.
const TRIES: usize = 3;
/// What lies in the place of a manifest that must not come any more, as long as its backup is removed; no longer than this, bytes.
const FENCE_LIMIT: u64 = 256;
const FENCE: &str = "{\"discarded\": \"";

/// An object that should be gone and is not.
#[derive(Debug)]
pub struct Leftover {
    pub key: String,
    /// Why it could not be removed.
    pub error: StorageError,
}

/// What became of a backup that was to be removed.
#[derive(Debug, Default)]
pub struct Removal {
    /// Objects that are gone now.
    pub objects: u64,
    /// Bytes that they had.
    pub bytes: u64,
    /// What could not be removed; if the manifest is among it, the backup is as it was.
    pub left: Vec<Leftover>,
    /// Why the backup was left as it was.
    pub held: Option<Held>,
}

impl Removal {
    /// Whether nothing of it is left.
    pub fn is_complete(&self) -> bool {
        self.left.is_empty() && self.held.is_none()
    }

    /// Whether the backup can be restored as before.
    pub fn stays(&self) -> bool {
        self.held.is_some() || self.left.iter().any(|left| left.key.ends_with(&format!("/{MANIFEST}")))
    }

    fn held(held: Held) -> Self {
        Self { held: Some(held), ..Self::default() }
    }

    fn and(mut self, more: Self) -> Self {
        self.objects += more.objects;
        self.bytes += more.bytes;
        self.left.extend(more.left);
        self
    }
}

/// Why a backup must not be removed just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// By the pin of this name.
    Pinned(String),
    /// A restore reads it.
    BeingRead(BegunBy),
    /// Somebody is at work on it, or was within the time that it has.
    AtWork,
    /// It has a manifest: it was published meanwhile.
    Published,
}

impl Repository {
    /// What holds a backup, by the names of its objects and the marks of its readers.
    pub(crate) async fn held_by(&self, instance: &str, id: BackupId, objects: &[ObjectInfo]) -> Vec<Held> {
        let folder = layout::folder(instance, id);
        let pin = |object: &ObjectInfo| Some(layout::pin_of(object.key.strip_prefix(&folder)?)?.to_owned());
        let pins = objects.iter().filter_map(pin).map(Held::Pinned);
        let readers = self.readers_among(&folder, objects).await.into_iter().map(Held::BeingRead);
        pins.chain(readers).collect()
    }

    /// Removes a backup, whether it was published or not, with all that was learned and decided of it. What cannot be removed is
    /// named; the manifest is tried first, and if it stays, everything stays. One that is pinned or being read stays as it is.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] if there is nothing; otherwise if the place cannot be listed, or a manifest that was taken away
    /// too soon cannot be put back.
    pub async fn remove(&self, instance: &str, id: BackupId) -> Result<Removal, RepositoryError> {
        check_instance(instance)?;
        let folder = layout::folder(instance, id);
        let mut objects = self.storage.list(&folder).await.doing("list", &folder)?;
        if objects.is_empty() {
            return Err(RepositoryError::NotFound(format!("{instance}/{id}")));
        }
        if let Some(held) = self.held_by(instance, id, &objects).await.into_iter().next() {
            return Ok(Removal::held(held));
        }
        let manifest = format!("{folder}{MANIFEST}");
        let mut removal = Removal::default();
        if let Some(of_manifest) = objects.iter().find(|object| object.key == manifest) {
            (removal.objects, removal.bytes) = (1, of_manifest.length);
            let bytes = self.storage.get(&manifest, MANIFEST_LIMIT).await.ok();
            if let Err(error) = self.storage.delete(&manifest).await {
                return Ok(Removal { left: vec![Leftover { key: manifest, error }], ..Removal::default() });
            }
            objects = self.storage.list(&folder).await.doing("list", &folder)?;
            objects.retain(|object| object.key != manifest);
            if let (Some(bytes), Some(held)) = (bytes, self.held_by(instance, id, &objects).await.into_iter().next()) {
                self.put_back(&manifest, bytes).await?;
                return Ok(Removal::held(held));
            }
        }
        self.abort_uploads(&folder).await;
        Ok(removal.and(in_order(&self.storage, objects).await))
    }

    /// Removes what is left of a backup that was never published and whose last sign of life, by the clock of the store, is older than
    /// `silent`: its objects, its unfinished uploads and hidden parts.
    ///
    /// # Errors
    /// If the place cannot be listed or asked.
    pub async fn remove_left(
        &self,
        instance: &str,
        id: BackupId,
        silent: TimeDelta,
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
        if objects.is_empty() {
            self.abort_uploads(&folder).await;
            return Ok(Removal::default());
        }
        // Asks for the right to remove before anything is written: where nothing can be removed nothing must be left behind either.
        let probe = format!("{folder}{}", layout::heartbeat("none"));
        if let Err(error) = self.storage.delete(&probe).await {
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
        self.abort_uploads(&folder).await;
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
        Ok(removal)
    }

    /// Aborts uploads below the folder of a published backup that were begun before a time, by the clock of the store: none of them
    /// can be of use any more. Returns how many there were; `None` where the store cannot tell.
    ///
    /// # Errors
    /// If the place refuses.
    pub async fn abort_uploads_of(
        &self,
        instance: &str,
        id: BackupId,
        silent: TimeDelta,
    ) -> Result<Option<u64>, RepositoryError> {
        check_instance(instance)?;
        let folder = layout::folder(instance, id);
        let before = self.now() - silent;
        self.storage.abort_unfinished(&folder, before).await.doing("abort uploads below", &folder)
    }

    /// What a process that died had uploaded is seen by nobody, and billed; not every store can tell of it.
    async fn abort_uploads(&self, folder: &str) {
        // An upload that was begun this very second is no younger than now by another clock.
        if let Err(error) = self.storage.abort_unfinished(folder, self.now() + TimeDelta::minutes(1)).await {
            tracing::warn!(folder, %error, "unfinished uploads cannot be aborted");
        }
    }

    async fn put_back(&self, manifest: &str, bytes: Bytes) -> Result<(), RepositoryError> {
        let mut last = Ok(());
        for _ in 0..TRIES {
            last = match self.storage.create(manifest, bytes.clone()).await {
                Err(error) if !error.is_taken() => Err(error),
                _ => return Ok(()),
            };
        }
        last.doing("put back", manifest)
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

/// Removes the objects: the others side by side, then `begun.json`; while anything else is left its id stays reserved.
async fn in_order(storage: &Shared, objects: Vec<ObjectInfo>) -> Removal {
    let (begun, others): (Vec<_>, Vec<_>) =
        objects.into_iter().partition(|object| object.key.rsplit('/').next() == Some(layout::BEGUN));
    let mut removal = Removal::default();
    for some in [others, begun] {
        if !removal.left.is_empty() {
            break;
        }
        let mut removed = stream::iter(some)
            .map(|object| async move { (storage.delete(&object.key).await, object) })
            .buffer_unordered(AT_ONCE);
        while let Some((result, object)) = removed.next().await {
            match result {
                Ok(()) => {
                    removal.objects += 1;
                    removal.bytes += object.length;
                }
                Err(error) => removal.left.push(Leftover { key: object.key, error }),
            }
        }
    }
    removal.left.sort_by(|a, b| a.key.cmp(&b.key));
    removal
}
