//! The newest backup of an instance, and when one was last proven good: what monitoring asks every minute, so it takes few requests.

use chrono::{DateTime, TimeDelta, Utc};

use super::listing::Folders;
use super::manifest::Manifest;
use super::receipts::newest_by_some_clock;
use super::{MANIFEST, Receipt, Repository, RepositoryError, State, layout};
use crate::storage::{ObjectInfo, StorageError};

/// Receipts of verifications that found damage are passed over; so many of them and no more.
const RECEIPTS_READ: usize = 16;

/// Manifests that cannot be read are passed over; so many of them and no more.
const UNREAD: usize = 32;

/// Whether an error is about one backup, and says nothing of the others.
pub(super) fn is_one_backups_trouble(error: &RepositoryError) -> bool {
    match error {
        RepositoryError::Manifest { .. } | RepositoryError::NotFound(_) | RepositoryError::Incomplete { .. } => true,
        RepositoryError::Storage { source, .. } => {
            matches!(source, StorageError::Archived(_) | StorageError::AccessDenied(_) | StorageError::Other(_))
        }
        _ => false,
    }
}

/// How it stands with the backups of an instance.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Newest {
    /// The newest published backup that is no safety backup, is not of the future, can be read, and is [`State::Sound`].
    pub backup: Option<Manifest>,
    /// When the newest published backup was taken that is no safety backup, is not of the future and is not known to be damaged: with
    /// findings in its structure as well, for the source would give the same again.
    pub taken: Option<DateTime<Utc>>,
    /// The newest verification of any of its backups that found no damage.
    pub verified: Option<Receipt>,
    /// The newest drill of any of its backups that found it good.
    pub drilled: Option<Drilled>,
}

/// A backup was loaded into a server, and found good there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drilled {
    /// When that was.
    pub at: DateTime<Utc>,
    /// Seconds from the first byte to a server that serves; `None` where the receipt does not say.
    pub rto_seconds: Option<f64>,
}

impl Repository {
    /// How it stands with the backups of an instance: one listing, one manifest and one receipt most of the time, however many
    /// backups there are.
    ///
    /// # Errors
    /// If the name cannot be an instance's, or the place cannot be listed or read.
    pub async fn newest(&self, instance: &str) -> Result<Newest, RepositoryError> {
        let folders = self.folders(Some(instance)).await?;
        let (backup, taken) = self.newest_sound(instance, &folders).await?;
        let verified = self.newest_good(instance, &folders).await?;
        Ok(Newest { backup, taken, verified, drilled: self.newest_drill(instance, &folders).await? })
    }

    /// The names of the instances that have backups here, in order.
    ///
    /// # Errors
    /// As [`Repository::newest`].
    pub async fn instances(&self) -> Result<Vec<String>, RepositoryError> {
        let mut names: Vec<String> =
            self.folders(None).await?.into_keys().map(|(instance, _)| instance.to_string()).collect();
        names.dedup();
        Ok(names)
    }

    /// The newest published backup of an instance that is no safety backup, can be read, and is [`State::Sound`].
    ///
    /// # Errors
    /// As [`Repository::newest`].
    pub async fn newest_backup(&self, instance: &str) -> Result<Option<Manifest>, RepositoryError> {
        Ok(self.newest_sound(instance, &self.folders(Some(instance)).await?).await?.0)
    }

    /// The newest sound backup, and when the newest was taken that is not damaged.
    async fn newest_sound(
        &self,
        instance: &str,
        folders: &Folders,
    ) -> Result<(Option<Manifest>, Option<DateTime<Utc>>), RepositoryError> {
        let (mut taken, mut unread, now) = (None, 0, Utc::now());
        for ((_, id), objects) in folders.iter().rev().filter(|((_, id), _)| !id.is_ahead(now)) {
            let manifest = layout::folder(instance, *id) + MANIFEST;
            if !objects.iter().any(|object| object.key == manifest) {
                continue;
            }
            match self.load(instance, *id).await {
                Ok(manifest) if !manifest.purpose.is_of_its_time() => {}
                Ok(manifest) => {
                    let verified = self.verified_by(&layout::folder(instance, *id), objects).await?;
                    let state = State::of(&manifest, objects, verified.as_ref());
                    if state != State::Damaged {
                        taken = taken.or(Some(manifest.created_at));
                    }
                    if state == State::Sound {
                        return Ok((Some(manifest), taken));
                    }
                }
                // What cannot be read, or was removed meanwhile, is no backup that one could restore.
                Err(error) if is_one_backups_trouble(&error) => {
                    unread += 1;
                    if unread == UNREAD {
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok((None, taken))
    }

    /// When a backup was taken since a moment, if one was: the newest that is no safety backup. One whose manifest is archived or may
    /// not be read was published and counts; one of the future and one that is known to be damaged do not. Only manifests of that time
    /// are read, however many there are.
    ///
    /// # Errors
    /// As [`Repository::newest`].
    pub async fn taken_since(
        &self,
        instance: &str,
        moment: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, RepositoryError> {
        let folders = self.folders(Some(instance)).await?;
        // An id is the minute that its backup began in.
        let young = |id: super::BackupId| id.minute() + TimeDelta::minutes(1) > moment;
        let now = Utc::now();
        let taken = folders.iter().rev().filter(|((_, id), _)| !id.is_ahead(now));
        for ((_, id), objects) in taken.take_while(|((_, id), _)| young(*id)) {
            let manifest = layout::folder(instance, *id) + MANIFEST;
            if !objects.iter().any(|object| object.key == manifest) {
                continue;
            }
            match self.load(instance, *id).await {
                Ok(manifest) if !manifest.purpose.is_of_its_time() || manifest.created_at < moment => {}
                Ok(manifest) => {
                    let verified = self.verified_by(&layout::folder(instance, *id), objects).await?;
                    // What contradicts itself since it was taken is no damage that another backup mends: the source would give the same.
                    let verified = verified.filter(|_| manifest.is_sound());
                    if State::of(&manifest, objects, verified.as_ref()) != State::Damaged {
                        return Ok(Some(manifest.created_at));
                    }
                }
                Err(RepositoryError::Storage {
                    source: StorageError::Archived(_) | StorageError::AccessDenied(_),
                    ..
                }) => return Ok(Some(id.minute())),
                Err(error) if is_one_backups_trouble(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Of each backup the verification that stands is read, for it carries on what those before it have proven; the newest first, until no
    /// older one can tell of a newer drill.
    async fn newest_drill(&self, instance: &str, folders: &Folders) -> Result<Option<Drilled>, RepositoryError> {
        let mut last: Option<(DateTime<Utc>, super::BackupId)> = None;
        for (time, id, objects) in by_verification(folders).into_iter().take(RECEIPTS_READ) {
            if last.is_some_and(|(drilled, _)| drilled >= time) {
                break;
            }
            if let Some(receipt) = self.verified_by(&layout::folder(instance, id), objects).await?
                && let Some(drilled) = receipt.proven("drill")
            {
                last = last.max(Some((drilled, id)));
            }
        }
        let Some((at, id)) = last else { return Ok(None) };
        let receipt = self.receipt_of(instance, id, "verify", at).await?;
        let rto_seconds = receipt.and_then(|receipt| receipt.content.get("rto_seconds")?.as_f64());
        Ok(Some(Drilled { at, rto_seconds }))
    }

    /// The last verification of any backup that has read it and found it good, and that nothing found since stands against.
    async fn newest_good(&self, instance: &str, folders: &Folders) -> Result<Option<Receipt>, RepositoryError> {
        let mut last: Option<Receipt> = None;
        for (time, id, objects) in by_verification(folders).into_iter().take(RECEIPTS_READ) {
            if last.as_ref().is_some_and(|last| last.time >= time) {
                break;
            }
            if let Some(receipt) = self.verified_by(&layout::folder(instance, id), objects).await?
                && matches!(receipt.text("status"), Some("ok" | "warning"))
                && receipt.text("level") != Some("manifest")
                && last.as_ref().is_none_or(|last| last.time < receipt.time)
            {
                last = Some(receipt);
            }
        }
        Ok(last)
    }
}

/// The backups that were verified, those first that were verified last, with the time and their objects.
fn by_verification(folders: &Folders) -> Vec<(DateTime<Utc>, super::BackupId, &[ObjectInfo])> {
    let mut verified: Vec<_> = folders
        .iter()
        .filter_map(|((instance, id), objects)| {
            let (time, _) = newest_by_some_clock(&layout::folder(instance, *id), objects).into_iter().next()?;
            Some((time, *id, objects.as_slice()))
        })
        .collect();
    verified.sort_by_key(|(time, id, _)| std::cmp::Reverse((*time, *id)));
    verified
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use serde_json::json;

    use super::super::manifest::Purpose;
    use super::super::tests::{publish, with_memory};
    use super::*;

    #[tokio::test]
    async fn the_newest_is_no_safety_backup_and_a_verification_that_failed_proves_nothing() {
        let (_, repository) = with_memory();
        assert_eq!(repository.newest("prod").await.unwrap(), Newest::default());
        let old = publish(&repository, "prod", "2024-01-01T01:00:00Z", Purpose::Scheduled).await;
        let new = publish(&repository, "prod", "2024-01-02T01:00:00Z", Purpose::Manual).await;
        publish(&repository, "prod", "2024-01-03T01:00:00Z", Purpose::Safety).await;
        publish(&repository, "other", "2024-01-04T01:00:00Z", Purpose::Manual).await;
        for (id, time, status) in [
            (old, "2024-01-05T01:00:00Z", "warning"),
            (new, "2024-01-05T00:00:00Z", "ok"),
            (new, "2024-01-06T00:00:00Z", "failed"),
        ] {
            let time: DateTime<Utc> = time.parse().unwrap();
            let receipt = Receipt { time, content: json!({ "status": status }) };
            repository.write_receipt("prod", id, "verify", &receipt).await.unwrap();
        }
        let newest = repository.newest("prod").await.unwrap();
        // The newest is known to be damaged.
        assert_eq!(newest.backup.map(|manifest| manifest.id), Some(old));
        assert_eq!(newest.verified.map(|receipt| receipt.time.to_rfc3339()), Some("2024-01-05T01:00:00+00:00".into()));
    }

    #[tokio::test]
    async fn the_newest_drill_is_found_behind_quicker_looks() {
        let (_, repository) = with_memory();
        let old = publish(&repository, "prod", "2024-01-01T01:00:00Z", Purpose::Scheduled).await;
        let new = publish(&repository, "prod", "2024-01-02T01:00:00Z", Purpose::Scheduled).await;
        assert_eq!(repository.newest("prod").await.unwrap().drilled, None);
        for (id, time, level, proven_at, rto) in [
            (old, "2024-01-01T05:00:00Z", "drill", json!({ "drill": "2024-01-01T05:00:00Z" }), json!(9.0)),
            (new, "2024-01-02T05:00:00Z", "drill", json!({ "drill": "2024-01-02T05:00:00Z" }), json!(1.5)),
            (new, "2024-01-03T05:00:00Z", "checksum", json!({ "drill": "2024-01-02T05:00:00Z" }), json!(null)),
            (old, "2024-01-04T05:00:00Z", "checksum", json!({ "drill": "2024-01-01T05:00:00Z" }), json!(null)),
        ] {
            let content = json!({ "status": "ok", "level": level, "proven_at": proven_at, "rto_seconds": rto });
            let receipt = Receipt { time: time.parse().unwrap(), content };
            repository.write_receipt("prod", id, "verify", &receipt).await.unwrap();
        }
        let drilled = repository.newest("prod").await.unwrap().drilled.unwrap();
        assert_eq!((drilled.at.to_rfc3339(), drilled.rto_seconds), ("2024-01-02T05:00:00+00:00".into(), Some(1.5)));
    }

    #[tokio::test]
    async fn one_with_findings_is_no_good_one() {
        use super::super::manifest::{Structure, StructureState};
        use super::super::tests::{begin, example, upload};
        let (_, repository) = with_memory();
        let old = publish(&repository, "prod", "2024-01-01T01:00:00Z", Purpose::Manual).await;
        let draft = begin(&repository, "prod", "2024-01-02T01:00:00Z").await;
        upload(&draft).await;
        let structure = Structure { state: StructureState::Findings, understood_up_to: 9 };
        let manifest = Manifest { structure, ..example("prod", &draft.id().to_string()) };
        repository.commit(&draft, manifest).await.unwrap();
        let newest = repository.newest("prod").await.unwrap();
        assert_eq!(newest.backup.map(|manifest| manifest.id), Some(old));
        // But it is the latest: it may be the only copy.
        assert_eq!(repository.resolve("prod/latest", None).await.unwrap().id, draft.id());
    }

    #[tokio::test]
    async fn an_unreadable_backup_is_passed_over() {
        use crate::storage::Storage as _;
        let (memory, repository) = with_memory();
        let old = publish(&repository, "prod", "2024-01-01T01:00:00Z", Purpose::Manual).await;
        memory.create("prod/2024-01-02-01-00/manifest.json", "{".into()).await.unwrap();
        let newest = repository.newest("prod").await.unwrap();
        assert_eq!(newest.backup.map(|manifest| manifest.id), Some(old));
    }
}
