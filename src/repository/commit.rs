//! The end of a draft: its manifest makes it a backup, or what was uploaded is removed.
//!
//! Whether the manifest is there is what decides, not whether the store answered. Nothing is removed while it may be there.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use tokio::time::{sleep, timeout_at};

use super::draft::Owner;
use super::error::Doing;
use super::manifest::{MANIFEST_LIMIT, Manifest};
use super::reserve::{exists, is_claimed_by_another};
use super::{Draft, Leftover, MANIFEST, Repository, RepositoryError, decode, layout};
use crate::storage::StorageError;

/// Pauses between tries to write and find the manifest.
const PAUSES: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];
/// Cleaning up takes no longer; what is left then is named.
const CLEANING: Duration = Duration::from_secs(8);
/// Taking away the heartbeat of a backup that exists takes no longer.
const TIDYING: Duration = Duration::from_secs(3);

/// What lies where the manifest belongs.
enum Found {
    Ours,
    /// A good manifest of another writer.
    Another,
    Nothing,
    /// Neither can be told, for this reason.
    Unclear(String),
    /// The manifest may be there, but we may not read it.
    Denied,
}

impl Repository {
    /// Writes the manifest: from here on the backup exists. Before that it makes sure that the manifest is this draft's and
    /// that its objects are there with the lengths it names.
    ///
    /// # Errors
    /// The draft is none the worse and can be discarded. [`RepositoryError::Unclear`]: nobody can say whether the manifest is there;
    /// then [`Repository::discard`] removes nothing.
    pub async fn commit(&self, draft: &Draft, manifest: Manifest) -> Result<Manifest, RepositoryError> {
        examine(draft, &manifest).await?;
        let failed = |source| RepositoryError::Manifest { backup: draft.backup(), source };
        let bytes = Bytes::from(manifest.encode().map_err(failed)?);
        let key = draft.key(MANIFEST);
        if !draft.keeps_conditions && (exists(&draft.storage, &key).await? || !may_publish(draft).await?) {
            return Err(RepositoryError::AlreadyExists(draft.backup()));
        }
        draft.may_be_published.store(true, Ordering::Relaxed);
        let not_there = || draft.may_be_published.store(false, Ordering::Relaxed);
        let mut pauses = PAUSES.into_iter();
        loop {
            let created = draft.storage.create(&key, bytes.clone()).await;
            let found = find(draft, &key, &bytes).await;
            match (&created, &found) {
                (_, Found::Ours) => break,
                // The store wrote it under the condition, and keeps conditions: reading it back is a right we do not have.
                (Ok(()), Found::Denied) if draft.keeps_conditions => break,
                (_, Found::Another) => {
                    not_there();
                    return Err(RepositoryError::AlreadyExists(draft.backup()));
                }
                // Refused, and not there.
                (Err(error), Found::Nothing) if is_refusal(error) => {
                    not_there();
                    return Err(error.clone()).doing("write", &key);
                }
                _ => {}
            }
            match (pauses.next(), created, found) {
                (Some(pause), ..) => {
                    sleep(pause).await;
                    must_be_there(draft, &manifest).await?;
                }
                (None, Err(error), Found::Nothing) => return Err(error).doing("write", &key),
                (None, created, found) => {
                    return Err(RepositoryError::Unclear { backup: draft.backup(), why: why(created.err(), found) });
                }
            }
        }
        // One that began so long ago may have been taken for that of a dead writer, and its objects removed since they were looked at.
        if self.now() - draft.begun.begun_at > TimeDelta::hours(12)
            && let Err(error) = must_be_there(draft, &manifest).await
        {
            draft.storage.delete(&key).await.doing("withdraw", &key)?;
            not_there();
            return Err(error);
        }
        tidy(draft).await;
        Ok(manifest)
    }

    /// Removes what was uploaded under a draft, and gives the id back. What is not proven to be ours stays, and so does everything
    /// while the manifest may be there. It ends after ten seconds at most. What is left is named.
    pub async fn discard(&self, draft: Draft) -> Discarded {
        let deadline = tokio::time::Instant::now() + CLEANING;
        let mut left: Vec<String> = draft.noted();
        let mut errors = Vec::new();
        let cleaned = timeout_at(deadline, clean(&draft, &mut left, &mut errors)).await;
        let why = match cleaned {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(StorageError::unavailable(format!("removing it took longer than {} s", CLEANING.as_secs()))),
        };
        if let Some(error) = why {
            errors.extend(left.into_iter().map(|key| Leftover { key, error: error.clone() }));
        }
        Discarded { left: errors, may_be_published: draft.may_be_published() }
    }
}

/// What became of a draft that was given up.
#[derive(Debug)]
pub struct Discarded {
    /// Objects that are still there.
    pub left: Vec<Leftover>,
    /// The manifest was sent, and nobody can say whether it is there.
    pub may_be_published: bool,
}

impl Discarded {
    /// Nothing is left, and nothing was published.
    pub fn is_clean(&self) -> bool {
        self.left.is_empty() && !self.may_be_published
    }
}

/// Whether a draft may still publish where conditions are not kept: its `begun.json` is there, or went under that of a writer who gave
/// way, which is seen by the claim that is missing.
async fn may_publish(draft: &Draft) -> Result<bool, RepositoryError> {
    match draft.owner().await? {
        Owner::Us => Ok(true),
        Owner::Another => Ok(!is_claimed_by_another(draft).await?),
        // Somebody has removed it: then the id may be another's by now.
        Owner::Nobody => Ok(false),
    }
}

async fn find(draft: &Draft, key: &str, bytes: &Bytes) -> Found {
    match draft.storage.get(key, MANIFEST_LIMIT).await {
        Ok(found) if found == *bytes => Found::Ours,
        Ok(found) => match decode(draft.instance(), draft.id, &found) {
            Ok(_) => Found::Another,
            // An empty body, or a proxy's page: that says nothing of what the store holds.
            Err(error) => Found::Unclear(format!("the manifest does not read back as it was written: {error}")),
        },
        Err(StorageError::NotFound) => Found::Nothing,
        Err(StorageError::AccessDenied(_)) => Found::Denied,
        Err(error) => Found::Unclear(format!("cannot read the manifest back: {error}")),
    }
}

/// The store has looked at the request and refuses it: there is no such write on its way.
fn is_refusal(error: &StorageError) -> bool {
    !matches!(error, StorageError::Unavailable(_) | StorageError::Other(_)) && !error.is_taken()
}

fn why(error: Option<StorageError>, found: Found) -> String {
    let found = match found {
        Found::Unclear(why) => why,
        Found::Denied => "no permission to read the manifest back".to_owned(),
        _ => "the store accepted the manifest, but does not have it".to_owned(),
    };
    match error {
        Some(error) => format!("{error}; {found}"),
        None => found,
    }
}

/// A backup that exists needs no heartbeat. One that cannot be removed does no harm.
async fn tidy(draft: &Draft) {
    for key in draft.noted().into_iter().filter(|key| layout::is_heartbeat(key.rsplit('/').next().unwrap_or_default()))
    {
        if !matches!(tokio::time::timeout(TIDYING, draft.storage.delete(&key)).await, Ok(Ok(()))) {
            tracing::debug!(key, "cannot remove the heartbeat");
        }
    }
}

/// Removes the keys that are in `left`, one by one; `begun.json` last, and only if nothing else is left.
async fn clean(draft: &Draft, left: &mut Vec<String>, errors: &mut Vec<Leftover>) -> Result<(), StorageError> {
    let fence = if draft.may_be_published() { make_sure(draft).await? } else { None };
    draft.may_be_published.store(false, Ordering::Relaxed);
    let owner = super::draft::owner(&draft.storage, &draft.key(layout::BEGUN), &draft.begun.token).await;
    let begun = draft.key(layout::BEGUN);
    left.retain(|key| *key != begun);
    let is_ours = match owner {
        Ok(owner) => owner == Owner::Us,
        // Nothing that is in doubt is removed.
        Err(error) if draft.keeps_conditions => {
            left.push(begun);
            return Err(error);
        }
        Err(_) => false,
    };
    left.extend(fence);
    let provable = |key: &String| (draft.keeps_conditions && is_ours) || layout::carries(key, &draft.begun.token);
    // What is another's is not named as ours.
    left.retain(provable);
    if is_ours {
        left.push(begun.clone());
    }
    while let Some(key) = left.first().cloned() {
        if key == begun && !errors.is_empty() {
            // While anything else is left its id stays reserved.
            let error = StorageError::other("it stays, so that no other backup gets the id of the remaining objects");
            errors.push(Leftover { key, error });
            left.clear();
            break;
        }
        if let Err(error) = draft.storage.delete(&key).await {
            errors.push(Leftover { key: key.clone(), error });
        }
        left.remove(0);
    }
    Ok(())
}

/// Makes sure that the manifest, which was sent and not found, is not there and cannot come: a request whose answer got lost may still
/// be on its way. Where conditions are kept something else is written in its place, which is then to be removed.
async fn make_sure(draft: &Draft) -> Result<Option<String>, StorageError> {
    let key = draft.key(MANIFEST);
    let stays = || StorageError::other("the object stays, because the backup's manifest may be there");
    if !draft.keeps_conditions {
        for pause in &PAUSES[..2] {
            match draft.storage.head(&key).await {
                Err(StorageError::NotFound) => sleep(*pause).await,
                _ => return Err(stays()),
            }
        }
        return Ok(None);
    }
    let fence = Bytes::from(format!("{{\"discarded\": \"{}\"}}\n", draft.begun.token));
    match draft.storage.create(&key, fence.clone()).await {
        Ok(()) => Ok(Some(key)),
        Err(_) => match draft.storage.get(&key, MANIFEST_LIMIT).await {
            Ok(found) if found == fence => Ok(Some(key)),
            _ => Err(stays()),
        },
    }
}

/// Refuses to try again once objects are gone: what lay in the manifest's place meanwhile may have been a prune's, which took a writer
/// for dead that had been stopped for a day. That the store cannot be asked just now is no reason.
async fn must_be_there(draft: &Draft, manifest: &Manifest) -> Result<(), RepositoryError> {
    match examine(draft, manifest).await {
        Err(RepositoryError::Storage { source, .. }) if !matches!(source, StorageError::NotFound) => Ok(()),
        examined => examined,
    }
}

/// Refuses a manifest that would not be true.
async fn examine(draft: &Draft, manifest: &Manifest) -> Result<(), RepositoryError> {
    let inconsistent = |what: String| Err(RepositoryError::Inconsistent(what));
    if manifest.instance != draft.instance() || manifest.id != draft.id {
        return inconsistent(format!(
            "the manifest is that of {}/{}, not of {}",
            manifest.instance,
            manifest.id,
            draft.backup()
        ));
    }
    for (object, sent) in manifest.objects() {
        let key = layout::object_key(draft.instance(), draft.id, object)?;
        let length = draft.storage.head(&key).await.doing("look at", &key)?.length;
        if length != sent {
            return inconsistent(format!("{key} has {length} bytes, but {sent} were sent"));
        }
    }
    if let Some(name) = manifest.census.as_ref().and_then(|census| census.object.as_ref()) {
        let key = layout::object_key(draft.instance(), draft.id, name)?;
        draft.storage.head(&key).await.doing("look at", &key)?;
    }
    Ok(())
}
