//! Removes a backup: the manifest first, so that it is no backup any more, and the reservation of its id last. What was left of a backup
//! that failed goes in the same order.
//!
//! Nothing is removed that somebody holds. A pin, and the mark of a reader, are written first, and the manifest is looked for then; here
//! the manifest is taken away first, and pins and marks are looked for then. So one of the two sees the other, and a manifest that was
//! taken away too soon is put back as it was.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};

use super::error::Doing;
use super::manifest::MANIFEST_LIMIT;
use super::manifest::Manifest;
use super::{BackupId, Begun, BegunBy, MANIFEST, Repository, RepositoryError, check_instance, layout};
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
    /// Objects in its folder that are not of the backup: nobody but their owner removes them.
    pub foreign: Vec<String>,
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
        self.foreign.extend(more.foreign);
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
    /// The way to its folder goes over a symbolic link: it belongs to another place as well.
    Elsewhere,
    /// Its manifest is that of another backup, which it names.
    OfAnother(String),
    /// Nothing in the folder proves that a backup was begun there.
    Foreign,
    /// It lacks nothing but its manifest.
    Complete,
}

/// Which objects of a folder are of its backup.
struct Own {
    /// What the manifest names; `None`: no manifest can be read, and usual names are taken for ours.
    named: Option<Vec<String>>,
    token: String,
}

impl Own {
    fn of(manifest: Option<&Manifest>, begun: Option<&Begun>) -> Self {
        let named = manifest.map(|manifest| {
            let mut named: Vec<String> = vec![layout::CENSUS.to_owned()];
            for shard in &manifest.shards {
                named.push(shard.object.clone());
                named.extend(shard.tail.iter().map(|tail| tail.object.clone()));
                named.extend(shard.census.iter().filter_map(|census| census.object.clone()));
            }
            named.extend(manifest.census.iter().filter_map(|census| census.object.clone()));
            named
        });
        Self { named, token: begun.map(|begun| begun.token.clone()).unwrap_or_default() }
    }

    fn has(&self, name: &str) -> bool {
        let is_named = match &self.named {
            Some(named) => named.iter().any(|own| own == name),
            None => layout::is_usual(name),
        };
        is_named || layout::is_known(name) || (!name.contains('/') && layout::carries(name, &self.token))
    }

    /// Those that are of the backup, and the keys of the others.
    fn part(&self, folder: &str, objects: Vec<ObjectInfo>) -> (Vec<ObjectInfo>, Vec<String>) {
        let (own, foreign): (Vec<_>, Vec<_>) =
            objects.into_iter().partition(|object| object.key.strip_prefix(folder).is_some_and(|name| self.has(name)));
        (own, foreign.into_iter().map(|object| object.key).collect())
    }
}

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
    /// What holds a backup, by the names of its objects and the marks of its readers.
    pub(crate) async fn held_by(&self, instance: &str, id: BackupId, objects: &[ObjectInfo]) -> Vec<Held> {
        let folder = layout::folder(instance, id);
        let pin = |object: &ObjectInfo| Some(layout::pin_of(object.key.strip_prefix(&folder)?)?.to_owned());
        let pins = objects.iter().filter_map(pin).map(Held::Pinned);
        let readers = self.readers_among(&folder, objects).await.into_iter().map(Held::BeingRead);
        pins.chain(readers).collect()
    }

    /// Whether the folder of a backup is behind a symbolic link; what cannot be asked is held as well.
    pub(crate) async fn elsewhere(&self, instance: &str, id: BackupId) -> Option<Held> {
        let is_elsewhere = self.storage.leads_elsewhere(&layout::folder(instance, id)).await.unwrap_or(true);
        is_elsewhere.then_some(Held::Elsewhere)
    }

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
        if self.storage.leads_elsewhere(&folder).await.doing("look at", &folder)? {
            return Ok(Some(Held::Elsewhere));
        }
        let names: Vec<&str> = objects.iter().filter_map(|object| object.key.strip_prefix(&folder)).collect();
        if let Some(pin) = names.iter().find_map(|name| layout::pin_of(name)) {
            return Ok(Some(Held::Pinned(pin.to_owned())));
        }
        let is_begun = begun.is_some_and(|begun| begun.id == id.to_string() && begun.instance == instance);
        // A sign of life that came when all else was removed is ours, and so is what stands in place of a manifest.
        let mut are_signs = true;
        for name in &names {
            are_signs &= layout::is_heartbeat(name)
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
            && names.iter().any(|name| is_dump(name))
            && names.iter().any(|name| layout::is_census(name));
        Ok(is_complete.then_some(Held::Complete))
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
        if self.storage.leads_elsewhere(&folder).await.doing("look at", &folder)? {
            return Ok(Removal::held(Held::Elsewhere));
        }
        if let Some(held) = self.held_by(instance, id, &objects).await.into_iter().next() {
            return Ok(Removal::held(held));
        }
        let manifest = format!("{folder}{MANIFEST}");
        let begun = self.begun(&format!("{folder}{}", layout::BEGUN)).await;
        let mut own = Own::of(None, begun.as_ref());
        let mut removal = Removal::default();
        if let Some(of_manifest) = objects.iter().find(|object| object.key == manifest) {
            (removal.objects, removal.bytes) = (1, of_manifest.length);
            let bytes = self.storage.get(&manifest, MANIFEST_LIMIT).await.ok();
            if let Some(bytes) = &bytes {
                if let Some(other) = another(bytes, instance, id) {
                    return Ok(Removal::held(Held::OfAnother(other)));
                }
                own = Own::of(Manifest::decode(bytes).ok().as_ref(), begun.as_ref());
            }
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
        let (objects, foreign) = own.part(&folder, objects);
        removal.foreign = foreign;
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
        let count = uploads.len() as u64;
        if let Some(held) = self.spared(instance, id, &objects, count, unfinished.begun.as_ref()).await? {
            return Ok(Removal::held(held));
        }
        let (objects, foreign) = Own::of(None, unfinished.begun.as_ref()).part(&folder, objects);
        if objects.is_empty() {
            self.abort_uploads(&folder).await;
            return Ok(Removal { foreign, ..Removal::default() });
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
        removal.foreign = foreign;
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
        if self.storage.leads_elsewhere(&folder).await.doing("look at", &folder)? {
            return Ok(None);
        }
        self.abort_own(&folder, self.now() - silent).await.doing("abort uploads below", &folder)
    }

    /// Aborts the uploads that would have become objects of ours, one key after the other: others may upload to the same folder.
    async fn abort_own(&self, folder: &str, before: DateTime<Utc>) -> Result<Option<u64>, StorageError> {
        let Some(found) = self.storage.unfinished(folder).await? else { return Ok(None) };
        let mut keys: Vec<String> = found.uploads.into_iter().map(|upload| upload.key).collect();
        keys.sort();
        keys.dedup();
        let mut aborted = 0;
        for key in keys.iter().filter(|key| key.strip_prefix(folder).is_some_and(is_own_upload)) {
            aborted += self.storage.abort_unfinished(key, before).await?.unwrap_or_default();
        }
        Ok(Some(aborted))
    }

    /// What a process that died had uploaded is seen by nobody, and billed; not every store can tell of it.
    async fn abort_uploads(&self, folder: &str) {
        // An upload that was begun this very second is no younger than now by another clock.
        if let Err(error) = self.abort_own(folder, self.now() + TimeDelta::minutes(1)).await {
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

/// The backup that a manifest is of, if it is another than the one of its folder.
fn another(manifest: &[u8], instance: &str, id: BackupId) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Names {
        instance: String,
        id: String,
    }
    let names: Names = serde_json::from_slice(manifest).ok()?;
    let is_same = names.instance == instance && names.id == id.to_string();
    (!is_same).then(|| format!("{}/{}", names.instance, names.id))
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
