//! Removes what a plan says: each backup is looked at once more before, for minutes may have gone by.

use tokio_util::sync::CancellationToken;

use super::plan::{LEFT_FOR, NeededBy, Plan, hold, is_founded};
use super::policy::{Hold, Why};
use crate::progress::{Progress, Unit};
use crate::repository::{BackupId, Leftover, Removal, Repository, RepositoryError};

/// After so many removals it is looked again whether what the plan keeps is there.
const BATCH: usize = 16;

/// What became of a backup, or of what is left of one, that was to be removed.
#[derive(Debug)]
pub struct Done {
    pub instance: String,
    pub id: BackupId,
    pub fate: Fate,
}

/// What became of something that was to be removed.
#[derive(Debug)]
pub enum Fate {
    Removed,
    /// Somebody else has removed it meanwhile.
    Gone,
    /// It stays for this reason, which came up after the plan was made.
    Kept(Why),
    /// Its writer is at work again, or has published it.
    AtWork,
    /// These objects stay.
    Left(Vec<Leftover>),
    /// It could not be looked at, or not put back as it was.
    Failed(RepositoryError),
    /// It was not come to: a signal stopped the prune.
    NotReached,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Report {
    /// Objects that are gone.
    pub objects: u64,
    /// Bytes that they had.
    pub bytes: u64,
    /// Unfinished uploads that were aborted in folders of published backups.
    pub uploads: u64,
    /// Objects in the folders of removed backups that are not of these backups, and stay.
    pub foreign: Vec<String>,
    /// The instance of which no good backup that the plan keeps was there any more: nothing else was removed.
    pub unfounded: Option<String>,
    /// Each backup that was to be removed, in the order of the plan.
    pub backups: Vec<Done>,
    /// What was left of backups that failed, in the order of the plan.
    pub left: Vec<Done>,
}

impl Report {
    /// Whether something that should be gone is there because the store did not remove it.
    pub fn is_incomplete(&self) -> bool {
        let failed = |done: &Done| matches!(done.fate, Fate::Left(_) | Fate::Failed(_) | Fate::NotReached);
        self.backups.iter().chain(&self.left).any(failed)
    }

    fn add(&mut self, removed: Result<Removal, RepositoryError>) -> Fate {
        match removed {
            Ok(removal) => {
                self.objects += removal.objects;
                self.bytes += removal.bytes;
                self.foreign.extend(removal.foreign.iter().cloned());
                fate(removal)
            }
            Err(RepositoryError::NotFound(_)) => Fate::Gone,
            Err(error) => Fate::Failed(error),
        }
    }
}

fn fate(removal: Removal) -> Fate {
    match removal.held {
        Some(held) => hold(held).map_or(Fate::AtWork, |hold| Fate::Kept(Why::Held(hold))),
        None if removal.left.is_empty() => Fate::Removed,
        None => Fate::Left(removal.left),
    }
}

/// Carries out a plan, the oldest backups first. A signal stops it between two backups.
pub async fn carry_out(
    plan: &Plan,
    repository: &Repository,
    needed_by: NeededBy<'_>,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Report {
    let mut report = Report::default();
    let total = plan.backups.iter().filter(|backup| !backup.is_kept()).count()
        + plan.left.iter().filter(|left| !left.is_kept).count();
    progress.phase("removing backups", Unit::Backups, Some(total as u64));
    // What was looked at last, and how many were removed since.
    let mut looked_at: Option<(&str, usize)> = None;
    for backup in plan.backups.iter().rev().filter(|backup| !backup.is_kept()) {
        let is_due = looked_at.is_none_or(|(of, since)| of != backup.instance || since >= BATCH);
        if is_due && !cancel.is_cancelled() && report.unfounded.is_none() {
            match is_founded(plan, &backup.instance, repository).await {
                Ok(true) => looked_at = Some((&backup.instance, 0)),
                Ok(false) => report.unfounded = Some(backup.instance.clone()),
                Err(error) => {
                    let (instance, id) = (backup.instance.clone(), backup.id);
                    report.backups.push(Done { instance, id, fate: Fate::Failed(error) });
                    progress.advance(1);
                    continue;
                }
            }
        }
        looked_at = looked_at.map(|(of, since)| (of, since + 1));
        let fate = match cancel.is_cancelled() || report.unfounded.is_some() {
            true => Fate::NotReached,
            false => carry_out_one(repository, &backup.instance, backup.id, needed_by, &mut report).await,
        };
        report.backups.push(Done { instance: backup.instance.clone(), id: backup.id, fate });
        progress.advance(1);
    }
    for left in plan.left.iter().rev().filter(|left| !left.is_kept) {
        let (instance, id) = (&left.instance, left.id);
        let fate = if cancel.is_cancelled() || report.unfounded.is_some() {
            Fate::NotReached
        } else if left.is_published {
            match repository.abort_uploads_of(instance, id, LEFT_FOR).await {
                Ok(aborted) => {
                    report.uploads += aborted.unwrap_or(0);
                    Fate::Removed
                }
                Err(error) => Fate::Failed(error),
            }
        } else {
            let removed = repository.remove_left(instance, id, LEFT_FOR).await;
            report.add(removed)
        };
        report.left.push(Done { instance: instance.clone(), id, fate });
        progress.advance(1);
    }
    report.backups.reverse();
    report.left.reverse();
    report
}

/// Removes one backup, unless something needs or holds it by now.
pub async fn carry_out_one(
    repository: &Repository,
    instance: &str,
    id: BackupId,
    needed_by: NeededBy<'_>,
    report: &mut Report,
) -> Fate {
    if let Some(what) = needed_by(instance, id) {
        return Fate::Kept(Why::Held(Hold::NeededBy(what)));
    }
    let removed = repository.remove(instance, id).await;
    report.add(removed)
}
