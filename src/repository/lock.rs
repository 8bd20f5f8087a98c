//! One run at a time on the backups of an instance: `INSTANCE/lock.json`.
//!
//! The lock spares a server two snapshots at once, and a person two prunes that get into each other's way. Nothing that must hold rests on
//! it: two backups at once get two ids, two prunes look at each backup again. So a lock that cannot be taken or was lost never stops a run.
//!
//! It is created only if there is none, carries a token, and lapses [`LAPSES_AFTER`] after its last renewal by the clock of the store; who
//! takes over a lock that has lapsed, or releases its own, removes it only as long as it is the very one that was looked at. Where a store
//! keeps no conditions, or a lapsed lock was in the way, the new one is read back after a while: of two at the same moment one remains.
//! Where objects cannot be removed the lock would stay for ever: it says so itself, and no run takes it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::error::Doing;
use super::life::{HEARTBEAT_SECONDS, SILENCE, lives};
use super::reserve::{SETTLING, token};
use super::{BegunBy, ProcessMark, Repository, RepositoryError, check_instance};
use crate::storage::{Shared, StorageError};

/// The name of the lock in the folder of its instance. It is no backup's id.
const LOCK: &str = "lock.json";
/// How the names of what is written beside the instances begin.
const OWN_AT_ROOT: &str = "redis-ops-";
/// Most bytes of a lock.
const LOCK_LIMIT: u64 = 16 * 1024;
/// Without a renewal for so long a lock has lapsed.
const LAPSES_AFTER: TimeDelta = SILENCE;
/// How often a lock that others take and release meanwhile is tried for.
const TRIES: usize = 8;
/// Releasing takes no longer; a lock that stays lapses.
const RELEASING: Duration = Duration::from_secs(5);

/// Who holds the lock of an instance: what `lock.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// Name of the instance.
    pub instance: String,
    /// Machine and process.
    #[serde(flatten)]
    pub by: BegunBy,
    /// When it was taken, by the clock of the holder.
    #[serde(serialize_with = "crate::times::serialize")]
    pub since: DateTime<Utc>,
    /// What the holder does: `backup`, `prune`, `delete`, `restore`.
    pub command: String,
    /// A random token, by which a holder recognises its own lock.
    pub token: String,
    /// What tells the process from any other; `None` where the system does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessMark>,
    /// Why the store did not remove it when it was released: then nobody holds it, and nobody takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays_because: Option<String>,
}

/// Whether a lock that lies there holds anybody off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LockState {
    /// Somebody holds it.
    Held,
    /// It is damaged, or was written by a newer version: whether somebody holds it nobody can tell, and it holds off as if.
    Unreadable,
    /// It was not renewed for too long.
    Lapsed,
    /// Its process, on this machine, has ended.
    Dead,
    /// It was released, and the store does not remove objects.
    Stays,
}

impl LockState {
    /// Whether no other run may begin.
    pub fn holds_off(self) -> bool {
        matches!(self, Self::Held | Self::Unreadable)
    }
}

/// A lock that lies in the repository.
#[derive(Debug, Clone)]
pub struct FoundLock {
    /// What it says; `None`: it is none of ours.
    pub holder: Option<LockHolder>,
    pub state: LockState,
    /// When it lapses unless it is renewed, by the clock of the store; `None` where the store does not tell when it was written.
    pub lapses_at: Option<DateTime<Utc>>,
    /// What lies in its place and is no object, in words: that never lapses.
    pub in_the_way: Option<&'static str>,
    body: Bytes,
}

/// What came of a try for a lock.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of them at a time")]
pub enum Locking {
    /// It is ours.
    Taken(Lock),
    /// Another run holds it.
    Held(Box<FoundLock>),
    /// No lock can be taken here, for this reason.
    Impossible(String),
}

impl FoundLock {
    /// Something that is no object has the name of the lock.
    fn no_object(what: &'static str) -> Self {
        let in_the_way = Some(what);
        Self { holder: None, state: LockState::Unreadable, lapses_at: None, in_the_way, body: Bytes::new() }
    }

    /// Who holds it, for people: `backup, process 17 on host a, since 2026-11-28 01:00 UTC`.
    pub fn in_words(&self) -> String {
        if let Some(what) = self.in_the_way {
            return format!("lock.json is {what}");
        }
        match &self.holder {
            Some(LockHolder { by, since, command, .. }) => format!(
                "{}, process {} on host {}, since {}",
                command.escape_debug(),
                by.pid,
                by.host.escape_debug(),
                since.format("%Y-%m-%d %H:%M UTC")
            ),
            None => "lock.json is damaged, or was written by a newer version of redis-ops".to_owned(),
        }
    }
}

impl Repository {
    /// The lock of an instance, if there is one.
    ///
    /// # Errors
    /// [`RepositoryError::InvalidName`], or what the place says.
    pub async fn lock_of(&self, instance: &str) -> Result<Option<FoundLock>, RepositoryError> {
        let key = key_of(instance)?;
        let body = match self.storage.get(&key, LOCK_LIMIT).await {
            Ok(body) => body,
            // Without the right to list, S3 says "denied" of what is not there.
            Err(StorageError::NotFound | StorageError::NoSuchPlace(_) | StorageError::AccessDenied(_)) => {
                let in_the_way = self.storage.in_the_way(&key).await;
                return Ok(in_the_way.map(FoundLock::no_object));
            }
            Err(error) => return Err(error).doing("read", &key),
        };
        let written = match self.storage.head(&key).await {
            Ok(info) => info.modified,
            Err(StorageError::NotFound) => return Ok(None),
            Err(error) => return Err(error).doing("look at", &key),
        };
        let holder: Option<LockHolder> = serde_json::from_slice(&body).ok();
        let lapses_at = written.map(|written| written + LAPSES_AFTER);
        let has_ended = || {
            let holder = holder.as_ref()?;
            lives(&holder.by, holder.process.as_ref()).map(|lives| !lives)
        };
        let is_over = || lapses_at.is_some_and(|at| at <= self.now());
        if is_over() {
            // By the clock that has dated it: ours may be ahead of it.
            self.hear_clock().await;
        }
        let state = match () {
            () if holder.as_ref().is_some_and(|holder| holder.stays_because.is_some()) => LockState::Stays,
            () if has_ended() == Some(true) => LockState::Dead,
            () if is_over() => LockState::Lapsed,
            () if holder.is_none() => LockState::Unreadable,
            () => LockState::Held,
        };
        Ok(Some(FoundLock { holder, state, lapses_at, in_the_way: None, body }))
    }

    /// Tries to take the lock of an instance for `command`. A lock whose holder is dead or silent is taken over.
    ///
    /// # Errors
    /// The place cannot be reached, or the name cannot be an instance's. Anything else that keeps a lock from being taken is
    /// [`Locking::Impossible`].
    pub async fn try_lock(&self, instance: &str, command: &str) -> Result<Locking, RepositoryError> {
        let key = key_of(instance)?;
        let kept = match self.storage.keeps_conditions_by_nature() {
            Some(kept) => kept,
            None => self.keeps_conditions().await?.unwrap_or(false),
        };
        let holder = LockHolder {
            instance: instance.to_owned(),
            by: BegunBy::own(),
            since: Utc::now(),
            command: command.to_owned(),
            token: token()?,
            process: ProcessMark::own(),
            stays_because: None,
        };
        let body = encoded(&holder)?;
        let mut may_be_contested = !kept;
        for _ in 0..TRIES {
            match self.lock_of(instance).await? {
                None => {}
                Some(found) if found.state.holds_off() => return Ok(Locking::Held(Box::new(found))),
                Some(found) => match self.storage.delete_same(&key, &found.body).await {
                    Ok(true) => may_be_contested = true,
                    // Another run was quicker: it is looked who.
                    Ok(false) => continue,
                    Err(error @ StorageError::Unavailable(_)) => return Err(error).doing("remove", &key),
                    Err(error) => {
                        return Ok(Locking::Impossible(format!("the store does not remove {key}: {error}")));
                    }
                },
            }
            let begun = Instant::now();
            match self.storage.create(&key, body.clone()).await {
                Ok(()) => {}
                Err(error) if error.is_taken() => continue,
                Err(error @ StorageError::Unavailable(_)) => return Err(error).doing("write", &key),
                Err(error) => return Ok(Locking::Impossible(format!("{key} cannot be written: {error}"))),
            }
            if may_be_contested {
                sleep(SETTLING.max(begun.elapsed() * 2)).await;
                // It cannot be read back: then it is worth what it is worth.
                if self.storage.get(&key, LOCK_LIMIT).await.is_ok_and(|found| found != body) {
                    continue;
                }
            }
            // One that was killed while it wrote its lock, or looked whether the folder can be written to, has left a part.
            self.clear_parts(&key).await;
            self.clear_parts(OWN_AT_ROOT).await;
            return Ok(Locking::Taken(Lock::over(self.storage.clone(), key, holder, body)));
        }
        match self.lock_of(instance).await? {
            Some(found) => Ok(Locking::Held(Box::new(found))),
            None => Ok(Locking::Impossible(format!(
                "{key} is in the way: it is no file, or others take and release it all the time"
            ))),
        }
    }

    /// Removes the lock of an instance that carries this token, whoever holds it; false if there is none, or another.
    ///
    /// # Errors
    /// The place cannot be asked, or does not remove it.
    pub async fn break_lock(&self, instance: &str, token: &str) -> Result<bool, RepositoryError> {
        let key = key_of(instance)?;
        let Some(found) = self.lock_of(instance).await? else { return Ok(false) };
        if found.holder.as_ref().is_none_or(|holder| holder.token != token) {
            return Ok(false);
        }
        self.storage.delete_same(&key, &found.body).await.doing("remove", &key)
    }
}

fn key_of(instance: &str) -> Result<String, RepositoryError> {
    check_instance(instance)?;
    Ok(format!("{instance}/{LOCK}"))
}

fn encoded(holder: &LockHolder) -> Result<Bytes, RepositoryError> {
    let body = serde_json::to_vec_pretty(holder);
    Ok(body.map_err(|error| RepositoryError::Inconsistent(error.to_string()))?.into())
}

/// A lock that this process holds. Dropped without [`Lock::release`] it is renewed no more, and lapses.
#[derive(Debug)]
pub struct Lock {
    storage: Shared,
    key: String,
    holder: LockHolder,
    body: Bytes,
    renewal: JoinHandle<()>,
    is_lost: Arc<AtomicBool>,
}

impl Lock {
    fn over(storage: Shared, key: String, holder: LockHolder, body: Bytes) -> Self {
        let is_lost = Arc::new(AtomicBool::new(false));
        let renewal = tokio::spawn(renew(storage.clone(), key.clone(), body.clone(), Arc::clone(&is_lost)));
        Self { storage, key, holder, body, renewal, is_lost }
    }

    /// Whether another run has taken the lock from this one, which was silent for too long.
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// Removes the lock if it is still this very one. The reason, if the store does not remove it: then the lock itself says that nobody
    /// holds it.
    pub async fn release(self) -> Result<(), String> {
        self.renewal.abort();
        if self.is_lost() {
            return Ok(());
        }
        let released = tokio::time::timeout(RELEASING, self.storage.delete_same(&self.key, &self.body)).await;
        let why = match released {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error @ (StorageError::AccessDenied(_) | StorageError::Locked(_)))) => error.to_string(),
            Ok(Err(error)) => return Err(self.lapses(&error.to_string())),
            Err(_) => return Err(self.lapses("the store does not answer")),
        };
        let says_so = LockHolder { stays_because: Some(why.clone()), ..self.holder.clone() };
        match encoded(&says_so) {
            Ok(body) if self.storage.replace(&self.key, body.clone()).await.is_ok() => {
                Err(format!("the store does not remove {}: {why}; runs of this instance go without a lock", self.key))
            }
            _ => Err(self.lapses(&why)),
        }
    }

    fn lapses(&self, why: &str) -> String {
        format!("{} cannot be removed ({why}): the lock expires after {} min", self.key, LAPSES_AFTER.num_minutes())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// Renews a lock for as long as it is ours: the store's own time of the write is what counts.
async fn renew(storage: Shared, key: String, body: Bytes, is_lost: Arc<AtomicBool>) {
    loop {
        sleep(Duration::from_secs(HEARTBEAT_SECONDS)).await;
        match storage.get(&key, LOCK_LIMIT).await {
            Ok(found) if found == body => {
                if let Err(error) = storage.replace(&key, body.clone()).await {
                    tracing::debug!(%error, "the lock cannot be renewed");
                }
            }
            Ok(_) | Err(StorageError::NotFound) => {
                tracing::warn!("{key} was taken by another run: this one was silent for too long; it goes on");
                is_lost.store(true, Ordering::Relaxed);
                return;
            }
            Err(error) => tracing::debug!(%error, "the lock cannot be looked at"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::storage::{Memory, Storage};

    fn over(memory: &Memory) -> Repository {
        Repository::new(Arc::new(memory.clone()))
    }

    async fn taken(repository: &Repository) -> Lock {
        match repository.try_lock("prod", "backup").await.unwrap() {
            Locking::Taken(lock) => lock,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn one_holds_it_the_other_hears_who_and_a_release_frees_it() {
        for memory in [Memory::new(), Memory::ignoring_conditions()] {
            let repository = over(&memory);
            let lock = taken(&repository).await;
            let Locking::Held(found) = repository.try_lock("prod", "prune").await.unwrap() else { panic!("not held") };
            assert!(found.in_words().starts_with(&format!("backup, process {} on host ", std::process::id())));
            assert!(matches!(repository.try_lock("other", "backup").await.unwrap(), Locking::Taken(_)));
            lock.release().await.unwrap();
            taken(&repository).await.release().await.unwrap();
        }
    }

    #[tokio::test]
    async fn of_many_at_the_same_moment_one_gets_it_where_conditions_are_ignored() {
        let repository = over(&Memory::ignoring_conditions());
        let tries = (0..16).map(|_| repository.try_lock("prod", "backup"));
        let tries = futures_util::future::join_all(tries).await;
        let taken = tries.into_iter().filter(|tried| matches!(tried, Ok(Locking::Taken(_)))).count();
        assert_eq!(taken, 1);
    }

    /// What a run on another machine has left.
    async fn of_another(memory: &Memory, stays_because: Option<&str>) -> LockHolder {
        let holder = LockHolder {
            instance: "prod".to_owned(),
            by: BegunBy { host: "far-away".to_owned(), pid: 7 },
            since: Utc::now(),
            command: "backup".to_owned(),
            token: "t".to_owned(),
            process: None,
            stays_because: stays_because.map(str::to_owned),
        };
        memory.replace("prod/lock.json", encoded(&holder).unwrap()).await.unwrap();
        holder
    }

    #[tokio::test]
    async fn a_lock_is_broken_by_its_token_alone() {
        let memory = Memory::new();
        let repository = over(&memory);
        of_another(&memory, None).await;
        assert!(matches!(repository.try_lock("prod", "backup").await.unwrap(), Locking::Held(_)));
        assert!(!repository.break_lock("prod", "u").await.unwrap());
        assert!(repository.break_lock("prod", "t").await.unwrap());
        taken(&repository).await;
    }

    #[tokio::test]
    async fn a_lock_that_stayed_is_taken_once_the_store_removes_it() {
        let memory = Memory::new();
        of_another(&memory, Some("denied")).await;
        let repository = over(&memory);
        assert_eq!(repository.lock_of("prod").await.unwrap().unwrap().state, LockState::Stays);
        taken(&repository).await;
    }

    #[tokio::test]
    async fn a_release_leaves_a_lock_alone_that_another_has_taken_over() {
        let memory = Memory::new();
        let repository = over(&memory);
        let lock = taken(&repository).await;
        let of_another = of_another(&memory, None).await;
        lock.release().await.unwrap();
        let there = repository.lock_of("prod").await.unwrap().and_then(|found| found.holder);
        assert_eq!(there.map(|holder| holder.token), Some(of_another.token));
    }
}
