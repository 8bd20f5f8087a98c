//! Removes what a plan says: each backup is looked at once more before, for minutes may have gone by. Where a backup is gone that the
//! plan keeps, it is planned anew, and only what both plans remove goes.

use tokio_util::sync::CancellationToken;

use super::plan::{LEFT_FOR, NeededBy, Plan, Wanted, hold, is_founded, plan as plan_anew};
use super::policy::{Hold, Policy, Why};
use crate::progress::{Progress, Unit};
use crate::repository::{BackupId, Held, Leftover, Removal, Repository, RepositoryError, Terms};

/// After so many removals the objects of what the plan keeps are looked at again, not the manifests alone.
const BATCH: usize = 16;
/// How often it is planned anew for one backup: others keep removing what is to stay.
const PLANS: usize = 5;

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
    /// It stays: this backup, which was to stay instead, was removed by another process meanwhile.
    NothingInstead(BackupId),
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
    /// Objects of those that are gone that the place has only hidden: their versions stay, and nothing is freed by them.
    pub hidden: u64,
    /// Unfinished uploads that were aborted in folders of published backups.
    pub uploads: u64,
    /// Objects in the folders of removed backups that are not of these backups, and stay.
    pub foreign: Vec<String>,
    /// Instance and id of backups that the plan kept and somebody else has removed meanwhile: it was planned anew without them.
    pub changed: Vec<(String, BackupId)>,
    /// Each backup that was to be removed, in the order of the plan.
    pub backups: Vec<Done>,
    /// What was left of backups that failed, in the order of the plan.
    pub left: Vec<Done>,
}

impl Report {
    /// Whether something that should be gone is there because the store did not remove it.
    pub fn is_incomplete(&self) -> bool {
        let failed = |done: &Done| {
            matches!(done.fate, Fate::Left(_) | Fate::Failed(_) | Fate::NotReached | Fate::NothingInstead(_))
        };
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
        Some(Held::NothingInstead(id)) => Fate::NothingInstead(id),
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
    let mut ground = Ground { repository, needed_by, policy: &plan.policy, plan: plan.clone(), looked_at: None };
    for backup in plan.backups.iter().rev().filter(|backup| !backup.is_kept()) {
        let fate = match cancel.is_cancelled() {
            true => Fate::NotReached,
            false => ground.remove(&backup.instance, backup.id, &mut report).await,
        };
        report.backups.push(Done { instance: backup.instance.clone(), id: backup.id, fate });
        progress.advance(1);
    }
    for left in plan.left.iter().rev().filter(|left| !left.is_kept) {
        let (instance, id) = (&left.instance, left.id);
        let fate = if cancel.is_cancelled() {
            Fate::NotReached
        } else if left.is_published {
            match repository.abort_uploads_of(instance, id, LEFT_FOR).await {
                Ok(aborted) => {
                    let (count, bytes) = aborted.unwrap_or_default();
                    report.uploads += count;
                    report.bytes += bytes;
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
    report.hidden = repository.hidden();
    report.backups.reverse();
    report.left.reverse();
    report
}

/// What the removals rest on: the plan, as it was made last for each instance.
struct Ground<'a> {
    repository: &'a Repository,
    needed_by: NeededBy<'a>,
    policy: &'a Policy,
    plan: Plan,
    /// The instance whose kept backups were looked at last, with their objects, and how many removals ago.
    looked_at: Option<(String, usize)>,
}

impl Ground<'_> {
    /// Removes one backup if all is there that is to stay instead.
    async fn remove(&mut self, instance: &str, id: BackupId, report: &mut Report) -> Fate {
        // By a plan that was made anew it may be what stays.
        if let Some(why) = self.kept(instance, id) {
            return Fate::Kept(why);
        }
        for _ in 0..PLANS {
            match self.gone(instance, id).await {
                Ok(None) => {}
                Ok(Some(gone)) => {
                    if let Some(why) = self.anew(instance, id, gone, report).await {
                        return why;
                    }
                }
                Err(error) => return Fate::Failed(error),
            }
            let instead = self.plan.instead_of(instance, id);
            let identity = self.plan.identity(instance, id);
            let terms = Terms { instead: &instead, spares_interrupted: true, identity: identity.as_deref() };
            match carry_out_one(self.repository, instance, id, terms, self.needed_by, report).await {
                // It went at the very moment.
                Fate::NothingInstead(_) => {}
                fate => return fate,
            }
        }
        let instead = self.plan.instead_of(instance, id);
        instead.first().map_or(Fate::AtWork, |first| Fate::NothingInstead(*first))
    }

    /// A backup that is to stay and is gone, or of which an object is: every time by its manifest, now and then by a listing.
    async fn gone(&mut self, instance: &str, id: BackupId) -> Result<Option<BackupId>, RepositoryError> {
        let instead = self.plan.instead_of(instance, id);
        if let Some(gone) = self.repository.first_gone(instance, &instead).await? {
            return Ok(Some(gone));
        }
        if let Some((of, since)) = &mut self.looked_at
            && of == instance
            && *since < BATCH
        {
            *since += 1;
            return Ok(None);
        }
        self.looked_at = Some((instance.to_owned(), 0));
        let is_founded = is_founded(&self.plan, instance, self.repository).await?;
        Ok(if is_founded { None } else { instead.first().copied() })
    }

    /// Plans anew for one instance; why the backup stays by the new plan, if it does.
    async fn anew(&mut self, instance: &str, id: BackupId, gone: BackupId, report: &mut Report) -> Option<Fate> {
        let wanted = Wanted::One(instance.to_owned());
        match plan_anew(self.repository, &wanted, self.policy, self.needed_by).await {
            Ok(plan) => {
                self.plan.backups.retain(|backup| backup.instance != instance);
                self.plan.backups.extend(plan.backups);
            }
            Err(error) => return Some(Fate::Failed(error)),
        }
        let changed = (instance.to_owned(), gone);
        if !report.changed.contains(&changed) {
            report.changed.push(changed);
        }
        match self.plan.verdict(instance, id) {
            None => Some(Fate::Gone),
            Some(_) => self.kept(instance, id).map(Fate::Kept),
        }
    }

    /// Why the plan keeps a backup, if it does.
    fn kept(&self, instance: &str, id: BackupId) -> Option<Why> {
        self.plan.verdict(instance, id)?.iter().find(|why| why.keeps()).cloned()
    }
}

/// Removes one backup, unless something needs or holds it by now, or what is to stay instead is not there.
pub async fn carry_out_one(
    repository: &Repository,
    instance: &str,
    id: BackupId,
    terms: Terms<'_>,
    needed_by: NeededBy<'_>,
    report: &mut Report,
) -> Fate {
    if let Some(what) = needed_by(instance, id) {
        return Fate::Kept(Why::Held(Hold::NeededBy(what)));
    }
    let removed = repository.remove(instance, id, terms).await;
    report.hidden = repository.hidden();
    report.add(removed)
}

/// Removes what there is of a backup that was never published, and that somebody names.
///
/// # Errors
/// Why it stays: somebody is at work on it or holds it, or it is another's.
pub async fn carry_out_unpublished(repository: &Repository, instance: &str, id: BackupId) -> Result<Report, Why> {
    let mut report = Report::default();
    let removed = repository.remove_named_left(instance, id).await;
    report.hidden = repository.hidden();
    let fate = match report.add(removed) {
        Fate::Kept(why) => return Err(why),
        Fate::AtWork => return Err(Why::Held(Hold::AtWork)),
        fate => fate,
    };
    report.backups.push(Done { instance: instance.to_owned(), id, fate });
    Ok(report)
}
