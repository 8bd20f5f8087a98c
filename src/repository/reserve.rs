//! Reserving an id, so that two backups that begin in one minute get two.
//!
//! Where the place keeps "only if it is not there", `begun.json` decides. Elsewhere a writer looks first, writes, waits, and reads back
//! whose it is; a write that took long may have gone over that of a writer who has read back already, so whoever was slow looks for the
//! claims of others as well. What is still possible then is that two hold one id: object names carry the token there, so neither harms
//! the other, and the second manifest is not written.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep};

use super::draft::Owner;
use super::error::Doing;
use super::{BackupId, Begun, BegunBy, Draft, ProcessMark, Repository, RepositoryError, check_instance, layout};
use crate::storage::{Shared, StorageError};

/// Where conditions are not kept, the time between writing `begun.json` and looking whose it is: a writer that had looked
/// before we wrote has written by then, or has taken so long that it looks for our claim.
const SETTLING: Duration = Duration::from_millis(800);

impl Repository {
    /// Reserves an id for a backup that begins at `now`: that of the minute, or the next free one with a number. What must be
    /// known before an hour of streaming is known then: that the place is there and may be written to.
    ///
    /// # Errors
    /// If the instance's name cannot be one, or the place refuses.
    pub async fn begin(&self, instance: &str, now: DateTime<Utc>, by: BegunBy) -> Result<Draft, RepositoryError> {
        check_instance(instance)?;
        let kept = self.establish(now).await?;
        let process = if by.pid == std::process::id() { ProcessMark::own() } else { None };
        let mut free = Some(BackupId::new(now));
        while let Some(id) = free {
            let begun = Begun {
                id: id.to_string(),
                instance: instance.to_owned(),
                begun_at: now,
                by: by.clone(),
                token: token()?,
                process: process.clone(),
            };
            let mut draft = Draft {
                storage: self.storage.clone(),
                begun,
                id,
                keeps_conditions: kept == Some(true),
                keys: Mutex::default(),
                may_be_published: AtomicBool::new(false),
            };
            if reserve(&mut draft, kept).await? {
                return Ok(draft);
            }
            free = id.next();
        }
        Err(RepositoryError::MinuteIsFull(instance.to_owned()))
    }
}

/// Writes `begun.json`; false if the id is taken.
async fn reserve(draft: &mut Draft, kept: Option<bool>) -> Result<bool, RepositoryError> {
    let key = draft.key(layout::BEGUN);
    let looked = Instant::now();
    if !draft.keeps_conditions && exists(&draft.storage, &key).await? {
        return Ok(false);
    }
    let body =
        serde_json::to_vec_pretty(&draft.begun).map_err(|error| RepositoryError::Inconsistent(error.to_string()))?;
    let body = bytes::Bytes::from(body);
    if let Err(error) = draft.storage.create(&key, body.clone()).await {
        // Whose is it? The answer to our own write may have got lost, and the place says to the second that it is there already.
        match (draft.owner().await, error) {
            (Ok(Owner::Us), _) => {}
            (Ok(Owner::Another | Owner::Nobody), StorageError::AlreadyExists) => return Ok(false),
            (_, error) => return Err(error).doing("write", &key),
        }
    }
    draft.note(&key);
    if draft.keeps_conditions {
        return Ok(true);
    }
    let took = looked.elapsed();
    sleep(SETTLING.max(took * 2)).await;
    if draft.owner().await? != Owner::Us || (took > SETTLING / 2 && is_claimed_by_another(draft).await?) {
        return Ok(false);
    }
    if kept.is_none() {
        // Nobody may write the marker, so this place is asked with what is ours: the same bytes again.
        draft.keeps_conditions = draft.storage.keeps_conditions(&key, body).await.doing("write", &key)?;
    }
    if !draft.keeps_conditions {
        draft.give_sign().await;
    }
    Ok(true)
}

/// Whether the folder holds the heartbeat of another draft.
pub(super) async fn is_claimed_by_another(draft: &Draft) -> Result<bool, RepositoryError> {
    let folder = draft.key("");
    let objects = draft.storage.list(&folder).await.doing("list", &folder)?;
    let name = |key: &str| key.strip_prefix(&folder).map(str::to_owned);
    let others = objects.iter().filter_map(|object| name(&object.key));
    Ok(others.into_iter().any(|name| layout::is_heartbeat(&name) && !layout::carries(&name, &draft.begun.token)))
}

pub(super) async fn exists(storage: &Shared, key: &str) -> Result<bool, RepositoryError> {
    match storage.head(key).await {
        Ok(_) => Ok(true),
        Err(StorageError::NotFound | StorageError::NoSuchPlace(_)) => Ok(false),
        Err(error) => Err(error).doing("look at", key),
    }
}

fn token() -> Result<String, RepositoryError> {
    let mut token = [0; 16];
    getrandom::fill(&mut token).map_err(|error| RepositoryError::Storage {
        doing: "make a token".to_owned(),
        source: StorageError::other(error.to_string()),
    })?;
    Ok(hex::encode(token))
}
