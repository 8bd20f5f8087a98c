//! A store in memory whose clock is an argument, and whose callers may die before any request that changes something.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::repository::manifest::{Manifest, Purpose, Structure, StructureState};
use crate::repository::{BackupId, BegunBy, Receipt, Repository, RepositoryError};
use crate::storage::{LeftUploads, Memory, ObjectInfo, Odd, Reader, Storage, StorageError, Upload};

/// The store. Clones share it.
#[derive(Debug, Clone)]
pub struct Place {
    objects: Memory,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    now: DateTime<Utc>,
    modified: BTreeMap<String, DateTime<Utc>>,
    /// Uploads that nobody has completed, and when they were begun.
    uploads: Vec<(String, DateTime<Utc>)>,
    /// Changes that are still made before the process dies; `None`: it lives on.
    lives_for: Option<u32>,
    died: bool,
    /// What decides how often a request lets others go first.
    dice: u64,
    locked: Vec<&'static str>,
    /// Another process removes all below a prefix before the change of this number.
    strike: Option<(u32, String)>,
    /// Changes so far: the keys that were written or removed.
    changes: Vec<String>,
}

impl Place {
    pub fn new(now: &str) -> Self {
        let shared = Shared {
            now: now.parse().expect("a time"),
            modified: BTreeMap::new(),
            uploads: Vec::new(),
            lives_for: None,
            died: false,
            dice: 1,
            locked: Vec::new(),
            strike: None,
            changes: Vec::new(),
        };
        Self { objects: Memory::new(), shared: Arc::new(Mutex::new(shared)) }
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().expect("no test panics while it holds this")
    }

    pub fn time(&self) -> DateTime<Utc> {
        self.shared().now
    }

    pub fn pass(&self, time: TimeDelta) {
        self.shared().now += time;
    }

    /// Another order in which those who work at the same time come to their turns.
    pub fn throw(&self, dice: u64) {
        self.shared().dice = dice | 1;
    }

    /// Another process removes all below a prefix, at once, before the change of this number, counted from now.
    pub fn strike(&self, number: u32, prefix: &str) {
        self.shared().strike = Some((number, prefix.to_owned()));
    }

    /// The keys that were written or removed, in order.
    pub fn changes(&self) -> Vec<String> {
        self.shared().changes.clone()
    }

    /// Removing an object whose key holds this is refused.
    pub fn lock(&self, part: &'static str) {
        self.shared().locked.push(part);
    }

    /// Does a process's work; it dies before the change of this number, counted from 0. `None`: it died.
    pub async fn mortal<T>(&self, lives_for: Option<u32>, work: impl Future<Output = T>) -> Option<T> {
        (self.shared().lives_for, self.shared().died) = (lives_for, false);
        let death = async {
            while !self.shared().died {
                tokio::task::yield_now().await;
            }
        };
        let done = tokio::select! {
            biased;
            done = work => Some(done),
            () = death => None,
        };
        (self.shared().lives_for, self.shared().died) = (None, false);
        done
    }

    async fn turn(&self) {
        let others_first = {
            let mut shared = self.shared();
            shared.dice = shared.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (shared.dice >> 60) % 4
        };
        for _ in 0..others_first {
            tokio::task::yield_now().await;
        }
    }

    /// Before a change: a process whose time has come stops here for ever.
    async fn change(&self, key: &str) {
        self.turn().await;
        let struck = {
            let mut shared = self.shared();
            match &mut shared.strike {
                Some((0, _)) => shared.strike.take().map(|(_, prefix)| prefix),
                Some((left, _)) => {
                    *left -= 1;
                    None
                }
                None => None,
            }
        };
        for object in self.objects.list(&struck.clone().unwrap_or_default()).await.unwrap_or_default() {
            if struck.is_some() {
                drop(self.objects.delete(&object.key).await);
                self.shared().changes.push(object.key);
            }
        }
        self.shared().changes.push(key.to_owned());
        let dies = {
            let mut shared = self.shared();
            match shared.lives_for {
                Some(0) => {
                    shared.died = true;
                    true
                }
                Some(left) => {
                    shared.lives_for = Some(left - 1);
                    false
                }
                None => false,
            }
        };
        if dies {
            std::future::pending::<()>().await;
        }
    }

    fn written(&self, key: &str) {
        let mut shared = self.shared();
        let now = shared.now;
        shared.modified.insert(key.to_owned(), now);
    }

    fn dated(&self, object: ObjectInfo) -> ObjectInfo {
        let modified = self.shared().modified.get(&object.key).copied();
        ObjectInfo { modified, ..object }
    }
}

#[async_trait]
impl Storage for Place {
    fn describe(&self) -> String {
        "a place".to_owned()
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), StorageError> {
        self.change(key).await;
        self.objects.create(key, body).await?;
        self.written(key);
        Ok(())
    }

    async fn replace(&self, key: &str, body: Bytes) -> Result<(), StorageError> {
        self.change(key).await;
        self.objects.replace(key, body).await?;
        self.written(key);
        Ok(())
    }

    async fn keeps_conditions(&self, key: &str, body: Bytes) -> Result<bool, StorageError> {
        self.objects.keeps_conditions(key, body).await
    }

    fn now(&self) -> DateTime<Utc> {
        self.time()
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, StorageError> {
        self.turn().await;
        self.objects.get(key, limit).await
    }

    async fn open(&self, key: &str, offset: u64) -> Result<Reader, StorageError> {
        self.turn().await;
        self.objects.open(key, offset).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
        self.turn().await;
        Ok(self.dated(self.objects.head(key).await?))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        self.turn().await;
        Ok(self.objects.list(prefix).await?.into_iter().map(|object| self.dated(object)).collect())
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.change(key).await;
        if self.shared().locked.iter().any(|part| key.contains(part)) {
            return Err(StorageError::Locked("Access Denied because object protected by object lock.".into()));
        }
        self.objects.delete(key).await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StorageError> {
        let inner = self.objects.upload(key).await?;
        let begun = self.time();
        self.shared().uploads.push((key.to_owned(), begun));
        Ok(Box::new(Sending { place: self.clone(), key: key.to_owned(), inner }))
    }

    /// A map has no links.
    async fn odd(&self, _folder: &str) -> Result<Odd, StorageError> {
        Ok(Odd::default())
    }

    async fn unfinished(&self, prefix: &str) -> Result<Option<LeftUploads>, StorageError> {
        let shared = self.shared();
        let below = shared.uploads.iter().filter(|(key, _)| key.starts_with(prefix));
        let uploads = below
            .map(|(key, begun)| ObjectInfo { key: key.clone(), length: 1, modified: Some(*begun), is_archived: false })
            .collect();
        Ok(Some(LeftUploads { uploads, unmeasured: 0 }))
    }

    async fn abort_unfinished(&self, prefix: &str, before: DateTime<Utc>) -> Result<Option<u64>, StorageError> {
        self.change(prefix).await;
        let mut shared = self.shared();
        let count = shared.uploads.len();
        shared.uploads.retain(|(key, begun)| !key.starts_with(prefix) || *begun >= before);
        Ok(Some((count - shared.uploads.len()) as u64))
    }
}

struct Sending {
    place: Place,
    key: String,
    inner: Box<dyn Upload>,
}

#[async_trait]
impl Upload for Sending {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        self.inner.write(bytes).await
    }

    async fn complete(self: Box<Self>) -> Result<u64, StorageError> {
        let Self { place, key, inner } = *self;
        place.change(&key).await;
        // An upload that somebody has aborted cannot be completed any more.
        let at = place.shared().uploads.iter().position(|(begun, _)| *begun == key).ok_or(StorageError::NotFound)?;
        let length = inner.complete().await?;
        place.shared().uploads.remove(at);
        place.written(&key);
        Ok(length)
    }

    async fn abort(self: Box<Self>) -> Result<(), StorageError> {
        self.place.shared().uploads.retain(|(key, _)| *key != self.key);
        Ok(())
    }
}

/// A process of another machine, so that only signs of life tell whether it runs.
pub fn elsewhere() -> BegunBy {
    BegunBy { host: "elsewhere".to_owned(), pid: 7 }
}

/// What a backup holds: text that no other backup holds.
fn content(id: BackupId) -> Bytes {
    Bytes::from(format!("the data of {id}"))
}

/// Backs up as `backup` does: an id, the data, the manifest.
pub async fn back_up(
    place: &Place,
    instance: &str,
    purpose: Purpose,
    state: StructureState,
) -> Result<BackupId, RepositoryError> {
    let repository = Repository::new(Arc::new(place.clone()));
    let draft = repository.begin(instance, place.time(), elsewhere()).await?;
    let (id, object) = (draft.id(), draft.object_name("dump.rdb"));
    let mut upload = draft.upload(&object).await?;
    upload.write(content(id)).await.expect("memory takes it");
    let length = upload.complete().await.expect("memory takes it");
    let made: Manifest = serde_json::from_value(json!({
        "format_version": 1, "id": id.to_string(), "instance": instance,
        "created_at": place.time(), "finished_at": place.time(),
        "type": "rdb", "purpose": "manual", "consistency": "point_in_time", "tool_version": "0.1.0", "labels": {},
        "server": {"name": "redis", "version": "8.0.2"}, "compression": "none", "encryption": null,
        "shards": [{
            "index": 0, "slots": null, "node": "", "replid": "", "offset": null, "rdb_version": 12, "aux": {},
            "object": object, "raw_bytes": length, "stored_bytes": length, "raw_sha256": "", "stored_sha256": "",
            "crc64": null, "frames": 0
        }],
        "census": null, "structure": {"state": "verified", "understood_up_to": length}
    }))
    .expect("a manifest");
    let structure = Structure { state, ..made.structure };
    repository.commit(&draft, Manifest { purpose, structure, ..made }).await?;
    Ok(id)
}

/// Backs up an instance by the schedule.
pub async fn scheduled(place: &Place, instance: &str) -> BackupId {
    back_up(place, instance, Purpose::Scheduled, StructureState::Verified).await.expect("a backup")
}

/// Reads a backup as a restore does, to its last byte.
pub async fn read_whole(repository: &Repository, instance: &str, id: BackupId) -> Result<(), RepositoryError> {
    let manifest = repository.load(instance, id).await?;
    let mut reader = repository.open_object(&manifest, &manifest.shards[0].object, 0).await?;
    let mut read = Vec::new();
    while let Some(chunk) = reader.next().await.expect("memory gives it") {
        read.extend_from_slice(&chunk);
    }
    assert_eq!(Bytes::from(read), content(id), "the data of another backup");
    Ok(())
}

/// Says of a backup that it was found good.
pub async fn verify(place: &Place, instance: &str, id: BackupId) {
    // Two receipts of one millisecond would have one name.
    place.pass(TimeDelta::milliseconds(1));
    let repository = Repository::new(Arc::new(place.clone()));
    let receipt = Receipt { time: place.time(), content: json!({ "status": "ok", "level": "structure" }) };
    repository.write_receipt(instance, id, "verify", &receipt).await.expect("a receipt");
}
