//! Reserving an id, so that two backups that begin in one minute get two.
//!
//! Where the place keeps "only if it is not there", `begun.json` decides. Elsewhere each writer first raises a flag of its own, the
//! heartbeat, whose name carries its token so that nobody writes over it, and only then looks for the flags of others. Of two that do
//! so, at least one sees the other, however slow either is: a process that sees a flag gives way, and of two that see each other the one
//! with
//! the smaller token waits for the other to go. So `begun.json` is written by one of them only.
//!
//! That holds where a listing shows what was written before it. Where it shows it later (Swift), `begun.json` is read back after a while
//! as well, and the flags are looked for once more. Should two hold one id all the same, their objects have different names, and the
//! second manifest is not written.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep, timeout};

use super::draft::{Noted, Owner};
use super::error::Doing;
use super::{BackupId, Begun, BegunBy, Draft, ProcessMark, Repository, RepositoryError, check_instance, layout};
use crate::storage::{Shared, StorageError};

/// Where conditions are not kept, the time between writing `begun.json` and looking whose it is, and how long a writer that gives way
/// may take to lower its flag.
pub(super) const SETTLING: Duration = Duration::from_millis(800);
/// How often it is looked whether the flags of those that have to give way are gone.
const LOOKS: u32 = 4;
/// Lowering a flag takes no longer; what is left then is named.
const LOWERING: Duration = Duration::from_secs(5);

impl Repository {
    /// Reserves an id for a backup that begins at `now`: that of the minute, or the next free one with a number. What must be
    /// known before an hour of streaming is known then: that the place is there and may be written to.
    ///
    /// # Errors
    /// If the instance's name cannot be one, or the place refuses.
    pub async fn begin(&self, instance: &str, now: DateTime<Utc>, by: BegunBy) -> Result<Draft, RepositoryError> {
        check_instance(instance)?;
        let kept = self.establish(now).await?;
        let mut free = self.behind_its_minute(instance, BackupId::new(now)).await;
        while let Some(id) = free {
            let mut draft = self.draft(instance, id, now, by.clone(), kept)?;
            if reserve(&mut draft, kept).await? {
                return Ok(draft);
            }
            free = id.next();
        }
        Err(RepositoryError::MinuteIsFull(instance.to_owned()))
    }

    /// Reserves this very id, for a backup that has it elsewhere: its copy is that backup, of the same moment.
    ///
    /// # Errors
    /// [`RepositoryError::AlreadyExists`]: the id is taken here. Otherwise as [`Repository::begin`].
    pub async fn begin_copy(
        &self,
        instance: &str,
        id: BackupId,
        now: DateTime<Utc>,
        by: BegunBy,
    ) -> Result<Draft, RepositoryError> {
        check_instance(instance)?;
        let kept = self.establish(now).await?;
        // Its objects are copied as they are: encrypted, if they were.
        let mut draft = Draft { recipients: None, ..self.draft(instance, id, now, by, kept)? };
        match reserve(&mut draft, kept).await? {
            true => Ok(draft),
            false => Err(RepositoryError::AlreadyExists(format!("{instance}/{id}"))),
        }
    }

    fn draft(
        &self,
        instance: &str,
        id: BackupId,
        now: DateTime<Utc>,
        by: BegunBy,
        kept: Option<bool>,
    ) -> Result<Draft, RepositoryError> {
        let process = if by.pid == std::process::id() { ProcessMark::own() } else { None };
        let begun =
            Begun { id: id.to_string(), instance: instance.to_owned(), begun_at: now, by, token: token()?, process };
        Ok(Draft {
            storage: self.storage.clone(),
            begun,
            id,
            keeps_conditions: kept == Some(true),
            recipients: self.encryption.to.clone(),
            keys: Noted::default(),
            may_be_published: AtomicBool::new(false),
        })
    }
}

impl Repository {
    /// The id behind all that the same minute has: one that was removed meanwhile is not given to a newer backup than those behind it,
    /// for ids are the order of backups. `None`: the minute is full. Where that cannot be listed it is the first.
    async fn behind_its_minute(&self, instance: &str, first: BackupId) -> Option<BackupId> {
        let names = self.storage.list(&format!("{instance}/{first}")).await.unwrap_or_default();
        let ids = names.iter().filter_map(|object| object.key.split('/').nth(1)?.parse::<BackupId>().ok());
        match ids.filter(|id| id.minute() == first.minute()).max() {
            Some(last) => last.next(),
            None => Some(first),
        }
    }
}

/// Writes `begun.json`; false if the id is taken.
async fn reserve(draft: &mut Draft, kept: Option<bool>) -> Result<bool, RepositoryError> {
    if draft.keeps_conditions {
        return write(draft).await;
    }
    if exists(&draft.storage, &draft.key(layout::BEGUN)).await? {
        return Ok(false);
    }
    if let Err(error) = draft.claim().await {
        // The flag may have been raised all the same: only its answer was not heard.
        lower(draft).await;
        return Err(error);
    }
    let won = match is_alone(draft).await {
        Ok(true) => write_and_settle(draft).await,
        lost => lost,
    };
    if !matches!(won, Ok(true)) {
        lower(draft).await;
        return won;
    }
    if kept.is_none() {
        // Nobody may write the marker, so this place is asked with what is ours: the same bytes again.
        let key = draft.key(layout::BEGUN);
        draft.keeps_conditions = draft.storage.keeps_conditions(&key, encoded(draft)?).await.doing("write", &key)?;
    }
    Ok(true)
}

fn encoded(draft: &Draft) -> Result<bytes::Bytes, RepositoryError> {
    let body = serde_json::to_vec_pretty(&draft.begun);
    Ok(body.map_err(|error| RepositoryError::Inconsistent(error.to_string()))?.into())
}

/// Writes `begun.json`; false if it is another's.
async fn write(draft: &Draft) -> Result<bool, RepositoryError> {
    let key = draft.key(layout::BEGUN);
    if let Err(error) = draft.storage.create(&key, encoded(draft)?).await {
        // Whose is it? The answer to our own write may have got lost, and the place says to the second that it is there already.
        match (draft.owner().await, error) {
            (Ok(Owner::Us), _) => {}
            (Ok(Owner::Another | Owner::Nobody), error) if error.is_taken() => return Ok(false),
            (_, error) => return Err(error).doing("write", &key),
        }
    }
    draft.note(&key);
    Ok(true)
}

/// Reserves an id in a store that ignores conditions: `begun.json` is read back once every other process that was about to write has
/// written.
async fn write_and_settle(draft: &Draft) -> Result<bool, RepositoryError> {
    let begun = Instant::now();
    if !write(draft).await? {
        return Ok(false);
    }
    let took = begun.elapsed();
    sleep(SETTLING.max(took * 2)).await;
    if draft.owner().await? != Owner::Us {
        return Ok(false);
    }
    // A flag that was raised meanwhile is lowered again, by who saw ours; one that stays has not seen it.
    if took > SETTLING / 2 && is_claimed_by_another(draft).await? {
        sleep(SETTLING).await;
        return Ok(!is_claimed_by_another(draft).await?);
    }
    Ok(true)
}

/// Whether nobody else wants the id, once our flag is raised.
async fn is_alone(draft: &Draft) -> Result<bool, RepositoryError> {
    for look in 1..=LOOKS {
        let others = match others(draft).await {
            // Then flags are of no use; what follows is what is left.
            Err(RepositoryError::Storage { source: StorageError::AccessDenied(_), .. }) => return Ok(true),
            others => others?,
        };
        match others {
            Others::None => return Ok(true),
            Others::GiveWay if look < LOOKS => sleep(SETTLING).await,
            Others::GiveWay | Others::Stay => return Ok(false),
        }
    }
    Ok(false)
}

/// Who else wants the id.
enum Others {
    None,
    /// Some who have to give way to us, unless they had not seen our flag.
    GiveWay,
    /// The id is taken, or this process has to give way.
    Stay,
}

async fn others(draft: &Draft) -> Result<Others, RepositoryError> {
    let names = names(draft).await?;
    let flags = flags(&names, &draft.begun.token);
    if names.iter().any(|name| name == layout::BEGUN) || flags.iter().any(|token| *token < draft.begun.token.as_str()) {
        return Ok(Others::Stay);
    }
    Ok(if flags.is_empty() { Others::None } else { Others::GiveWay })
}

/// The names in the draft's folder.
async fn names(draft: &Draft) -> Result<Vec<String>, RepositoryError> {
    let folder = draft.key("");
    let objects = draft.storage.list(&folder).await.doing("list", &folder)?;
    Ok(objects.iter().filter_map(|object| object.key.strip_prefix(&folder)).map(str::to_owned).collect())
}

/// The tokens of the flags of others.
fn flags<'a>(names: &'a [String], own: &str) -> Vec<&'a str> {
    names.iter().filter_map(|name| layout::heartbeat_of(name)).filter(|token| *token != own).collect()
}

/// Whether the folder holds the flag of another draft.
pub(super) async fn is_claimed_by_another(draft: &Draft) -> Result<bool, RepositoryError> {
    Ok(!flags(&names(draft).await?, &draft.begun.token).is_empty())
}

/// Takes the flag of a draft away that does not come into being. What is left of it does no harm.
async fn lower(draft: &Draft) {
    let key = draft.key(&layout::heartbeat(&draft.begun.token));
    if !matches!(timeout(LOWERING, draft.storage.delete(&key)).await, Ok(Ok(()))) {
        tracing::warn!(
            "another backup started with the same id; {key} is left over from this attempt, and cannot be removed"
        );
    }
}

pub(super) async fn exists(storage: &Shared, key: &str) -> Result<bool, RepositoryError> {
    match storage.head(key).await {
        Ok(_) => Ok(true),
        Err(StorageError::NotFound | StorageError::NoSuchPlace(_)) => Ok(false),
        Err(error) => Err(error).doing("look at", key),
    }
}

pub(super) fn token() -> Result<String, RepositoryError> {
    let mut token = [0; 16];
    getrandom::fill(&mut token).map_err(|error| RepositoryError::Storage {
        doing: "make a token".to_owned(),
        source: StorageError::other(error.to_string()),
    })?;
    Ok(hex::encode(token))
}
