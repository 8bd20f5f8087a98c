//! Removes a backup: the manifest first, so that it is no backup any more, and the reservation of its id last.
//!
//! Nothing is removed that somebody holds. A pin, and the mark of a reader, are written first, and the manifest is looked for then; here
//! the manifest is taken away first, and pins and marks are looked for then. So one of the two sees the other, and a manifest that was
//! taken away too soon is put back as it was. The backups that stay instead are looked for at the same moment: of two processes that
//! remove each what the other wants to keep, one at least sees that.
//!
//! Before the manifest goes a mark is laid beside it, `receipts/removing-TOKEN.json`. A folder without a manifest is otherwise taken for
//! a backup whose last write failed, which may be the only copy; with the mark it is what a killed removal has left.

use bytes::Bytes;
use chrono::Utc;
use futures_util::{StreamExt, stream};

use super::error::Doing;
use super::manifest::MANIFEST_LIMIT;
use super::manifest::Manifest;
use super::process::host;
use super::reserve::{exists, token};
use super::{BackupId, Begun, BegunBy, MANIFEST, ProcessMark, Repository, RepositoryError, check_instance, layout};
use crate::storage::{ObjectInfo, Odd, Shared, StorageError};

/// Objects that are removed at the same time.
const AT_ONCE: usize = 16;
/// How often it is tried to put a manifest back.
const TRIES: usize = 3;

/// What must hold for a published backup to be removed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms<'a> {
    /// Backups of the instance that stay instead. Unless each of them is there the backup stays.
    pub instead: &'a [BackupId],
    /// A restore that was killed within the last day holds the backup, so that it can be resumed.
    pub spares_interrupted: bool,
    /// [`Manifest::identity`] of the backup that is meant: an id may have been given to another by now. `None`: whatever is there.
    pub identity: Option<&'a str>,
}

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

    pub(super) fn held(held: Held) -> Self {
        Self { held: Some(held), ..Self::default() }
    }

    pub(super) fn and(mut self, more: Self) -> Self {
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
    /// A restore that was killed within the last day has read it, and may be resumed.
    Interrupted(BegunBy),
    /// The backup that was to stay instead is not there any more.
    NothingInstead(BackupId),
    /// Somebody is at work on it, or was within the time that it has.
    AtWork,
    /// It has a manifest: it was published meanwhile.
    Published,
    /// The way to its folder goes over a symbolic link: it belongs to another place as well.
    Elsewhere,
    /// This name in its folder is a symbolic link: what is behind it may be of another backup as well.
    Linked(String),
    /// Its manifest is that of another backup, which it names.
    OfAnother(String),
    /// Another backup was published under its id meanwhile.
    Replaced,
    /// Nothing in the folder proves that a backup was begun there.
    Foreign,
    /// It lacks nothing but its manifest.
    Complete,
}

/// Which objects of a folder are of its backup.
pub(super) struct Own {
    /// What the manifest names; `None`: no manifest can be read, and usual names are taken for ours.
    named: Option<Vec<String>>,
    token: String,
}

impl Own {
    pub(super) fn of(manifest: Option<&Manifest>, begun: Option<&Begun>) -> Self {
        let named = manifest.map(|manifest| {
            let mut named: Vec<String> = vec![layout::CENSUS.to_owned()];
            named.extend(manifest.objects().map(|(object, _)| object.to_owned()));
            for shard in &manifest.shards {
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

    /// Whether an object is one that the manifest names.
    fn is_data(&self, folder: &str, object: &ObjectInfo) -> bool {
        let name = object.key.strip_prefix(folder);
        name.is_some_and(|name| self.named.iter().flatten().any(|own| own == name))
    }

    /// Those that are of the backup, and the keys of the others.
    pub(super) fn part(&self, folder: &str, objects: Vec<ObjectInfo>) -> (Vec<ObjectInfo>, Vec<String>) {
        let (own, foreign): (Vec<_>, Vec<_>) =
            objects.into_iter().partition(|object| object.key.strip_prefix(folder).is_some_and(|name| self.has(name)));
        (own, foreign.into_iter().map(|object| object.key).collect())
    }
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

    /// Why a symbolic link on the way to the folder of a backup, or in the folder, holds the backup, and the files there that no listing
    /// shows. What cannot be asked is held as well.
    pub(crate) async fn oddities(&self, instance: &str, id: BackupId) -> (Option<Held>, Vec<String>) {
        self.odd(&layout::folder(instance, id)).await.unwrap_or((Some(Held::Elsewhere), Vec::new()))
    }

    pub(super) async fn odd(&self, folder: &str) -> Result<(Option<Held>, Vec<String>), RepositoryError> {
        let Odd { link, unlisted } = self.storage.odd(folder).await.doing("look at", folder)?;
        let held = link.map(|link| match link.strip_prefix(folder) {
            Some(name) => Held::Linked(name.to_owned()),
            None => Held::Elsewhere,
        });
        Ok((held, unlisted))
    }

    /// Those of some objects of a backup that do not carry the token of its writer.
    pub(crate) async fn without_token(&self, instance: &str, id: BackupId, keys: Vec<String>) -> Vec<String> {
        let begun = self.begun(&format!("{}{}", layout::folder(instance, id), layout::BEGUN)).await;
        let Some(begun) = begun else { return keys };
        keys.into_iter().filter(|key| !layout::carries(key, &begun.token)).collect()
    }

    /// Removes a backup, whether it was published or not, with all that was learned and decided of it. What cannot be removed is
    /// named; the manifest is tried first, and if it stays, everything stays. One that is pinned or being read, or that `terms` hold,
    /// stays as it is.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] if there is nothing; otherwise if the place cannot be listed, or a manifest that was taken away
    /// too soon cannot be put back.
    pub async fn remove(&self, instance: &str, id: BackupId, terms: Terms<'_>) -> Result<Removal, RepositoryError> {
        check_instance(instance)?;
        let folder = layout::folder(instance, id);
        let mut objects = self.storage.list(&folder).await.doing("list", &folder)?;
        if objects.is_empty() {
            return Err(RepositoryError::NotFound(format!("{instance}/{id}")));
        }
        let (held, unlisted) = self.odd(&folder).await?;
        if let Some(held) = held {
            return Ok(Removal::held(held));
        }
        if let Some(held) = self.forbidden(instance, id, &objects, terms).await? {
            return Ok(Removal::held(held));
        }
        let manifest = format!("{folder}{MANIFEST}");
        let begun = self.begun(&format!("{folder}{}", layout::BEGUN)).await;
        let mut own = Own::of(None, begun.as_ref());
        let mut removal = Removal::default();
        if let Some(of_manifest) = objects.iter().find(|object| object.key == manifest) {
            (removal.objects, removal.bytes) = (1, of_manifest.length);
            let got = self.storage.get(&manifest, MANIFEST_LIMIT).await;
            if let Some(identity) = terms.identity {
                match &got {
                    Ok(now) if Manifest::decode(now).is_ok_and(|now| now.identity() == identity) => {}
                    Ok(_) => return Ok(Removal::held(Held::Replaced)),
                    // Another process is removing it as well.
                    Err(StorageError::NotFound) => {}
                    // It may be another backup by now.
                    Err(error) => return Err(error.clone()).doing("read", &manifest),
                }
            }
            let bytes = got.ok();
            if let Some(bytes) = &bytes {
                if let Some(other) = another(bytes, instance, id) {
                    return Ok(Removal::held(Held::OfAnother(other)));
                }
                own = Own::of(Manifest::decode(bytes).ok().as_ref(), begun.as_ref());
            }
            if let Err(error) = self.may_remove(&folder).await {
                return Ok(Removal { left: vec![Leftover { key: manifest, error }], ..Removal::default() });
            }
            let mark = self.mark_removal(instance, id).await;
            if let Err(error) = self.storage.delete(&manifest).await {
                self.unmark_removal(mark).await;
                return Ok(Removal { left: vec![Leftover { key: manifest, error }], ..Removal::default() });
            }
            let before = objects;
            objects = self.storage.list(&folder).await.doing("list", &folder)?;
            objects.retain(|object| object.key != manifest);
            // What cannot be asked now is no reason to go on.
            let forbidden = self.forbidden(instance, id, &objects, terms).await;
            if let (Some(bytes), Ok(Some(_)) | Err(_)) = (bytes, &forbidden) {
                self.put_back(&manifest, bytes).await?;
                self.unmark_removal(mark).await;
                // Another process may have been removing it as well, and gone on.
                let there = self.storage.list(&folder).await.doing("list", &folder)?;
                let (data, _) = own.part(&folder, before);
                let has = |object: &ObjectInfo| there.iter().any(|other| other.key == object.key);
                if !data.iter().filter(|object| own.is_data(&folder, object)).all(has) {
                    self.storage.delete(&manifest).await.doing("remove", &manifest)?;
                    return Err(RepositoryError::NotFound(format!("{instance}/{id}")));
                }
                return forbidden.map(|held| held.map_or_else(Removal::default, Removal::held));
            }
        }
        removal.bytes += self.abort_uploads(&folder).await;
        let (objects, foreign) = own.part(&folder, objects);
        removal.foreign = foreign;
        removal.foreign.extend(unlisted);
        let was_published = removal.objects > 0;
        let removal = removal.and(in_order(&self.storage, objects).await);
        // Another process that was removing it as well may have put the manifest back over data that is gone now.
        if was_published && removal.left.is_empty() && exists(&self.storage, &manifest).await? {
            self.storage.delete(&manifest).await.doing("remove", &manifest)?;
        }
        Ok(removal)
    }

    /// What forbids to remove a backup: a pin, a reader, or that nothing would be there instead.
    async fn forbidden(
        &self,
        instance: &str,
        id: BackupId,
        objects: &[ObjectInfo],
        terms: Terms<'_>,
    ) -> Result<Option<Held>, RepositoryError> {
        if let Some(held) = self.held_by(instance, id, objects).await.into_iter().next() {
            return Ok(Some(held));
        }
        if terms.spares_interrupted
            && let Some(by) = self.interrupted_by(instance, id, objects).await
        {
            return Ok(Some(Held::Interrupted(by)));
        }
        Ok(self.first_gone(instance, terms.instead).await?.map(Held::NothingInstead))
    }

    /// The first of some backups of an instance that is not published any more; `None`: all are there.
    ///
    /// # Errors
    /// If the place cannot be asked.
    pub async fn first_gone(&self, instance: &str, ids: &[BackupId]) -> Result<Option<BackupId>, RepositoryError> {
        let looks = ids.iter().map(|id| async move {
            let there = exists(&self.storage, &(layout::folder(instance, *id) + MANIFEST)).await?;
            Ok((!there).then_some(*id))
        });
        let mut looks = stream::iter(looks).buffer_unordered(AT_ONCE);
        while let Some(look) = looks.next().await {
            if let gone @ (Err(_) | Ok(Some(_))) = look {
                return gone;
            }
        }
        Ok(None)
    }

    /// Asks for the right to remove, with the name of an object that nobody has: where nothing can be removed nothing is left behind
    /// either.
    pub(super) async fn may_remove(&self, folder: &str) -> Result<(), StorageError> {
        self.storage.delete(&format!("{folder}{}", layout::heartbeat("none"))).await
    }

    /// Says that a backup is being removed. Where that cannot be written it is removed all the same.
    async fn mark_removal(&self, instance: &str, id: BackupId) -> Option<String> {
        let by = BegunBy { host: host(), pid: std::process::id() };
        let (token, process) = (token().ok()?, ProcessMark::own());
        let key = layout::folder(instance, id) + &layout::removing(&token);
        let instance = instance.to_owned();
        let body = Begun { id: id.to_string(), instance, begun_at: Utc::now(), by, token, process };
        let body = serde_json::to_vec_pretty(&body).ok()?;
        match self.storage.replace(&key, Bytes::from(body)).await {
            Ok(()) => Some(key),
            Err(error) => {
                tracing::debug!(%error, "cannot write the mark of a removal");
                None
            }
        }
    }

    /// Takes the mark away of a removal that did not come about.
    async fn unmark_removal(&self, mark: Option<String>) {
        if let Some(key) = mark
            && let Err(error) = self.storage.delete(&key).await
        {
            tracing::debug!(%error, key, "cannot remove the mark of a removal");
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
        let doing = "put back the manifest, which was removed while another process pinned or read the backup (without its \
                     manifest the backup cannot be restored):";
        last.doing(doing, manifest)
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

/// Removes objects: the others side by side, then the mark of the removal, then `begun.json`. While anything else is left its id stays
/// reserved, and the folder tells what became of it.
pub(super) async fn in_order(storage: &Shared, objects: Vec<ObjectInfo>) -> Removal {
    let mut in_turn = [Vec::new(), Vec::new(), Vec::new()];
    for object in objects {
        let turn = match object.key.splitn(3, '/').nth(2) {
            Some(layout::BEGUN) => 2,
            Some(name) if layout::is_removing(name) => 1,
            _ => 0,
        };
        in_turn[turn].push(object);
    }
    let mut removal = Removal::default();
    for some in in_turn {
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
