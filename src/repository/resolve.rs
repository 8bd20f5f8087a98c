//! Which backup is meant: an exact id, a unique beginning, `latest`, or either behind an instance's name.

use std::collections::BTreeMap;

use chrono::Utc;

use super::backup_id::LATEST;
use super::listing::{backup_of, in_folders};
use super::newest::is_one_backups_trouble;
use super::{BackupId, MANIFEST, Repository, RepositoryError, check_instance, layout};
use crate::storage::{StorageError, Survey};

/// The backup that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub instance: String,
    pub id: BackupId,
    /// Others were meant as well, and it was chosen because it is the target instance's: worth saying.
    pub chosen_by_target: bool,
}

impl Repository {
    /// Finds the one published backup that `selector` means: an exact id, a unique beginning of one, or `latest`; each also as
    /// `INSTANCE/…`. An exact id beats a beginning. If several instances have it, that of `target` is meant. `latest` passes over
    /// safety backups and, while there is another, over those of the future, but not over one whose manifest cannot be read: that is for the user to know.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`], [`RepositoryError::Ambiguous`], [`RepositoryError::Incomplete`] (an exact id without a
    /// manifest), or what the place says.
    pub async fn resolve(&self, selector: &str, target: Option<&str>) -> Result<Resolved, RepositoryError> {
        let (instance, wanted) = match selector.rsplit_once('/') {
            Some((instance, wanted)) => (Some(instance), wanted),
            None => (None, selector),
        };
        let mut backups = self.ids(instance).await?;
        let candidates =
            if wanted == LATEST { self.latest(&backups.published).await? } else { backups.matching(wanted) };
        match choose(candidates, target) {
            Choice::One(resolved) => Ok(resolved),
            Choice::Several(candidates) => {
                Err(RepositoryError::Ambiguous { selector: selector.escape_debug().to_string(), candidates })
            }
            Choice::None => match backups.unreadable.take() {
                Some((folder, source)) => Err(RepositoryError::Storage { doing: format!("list {folder}"), source }),
                None if backups.published.is_empty() && backups.incomplete.is_empty() => {
                    let of = instance.map_or_else(String::new, |name| format!(" of {}", name.escape_debug()));
                    let selector = selector.escape_debug();
                    Err(RepositoryError::NotFound(format!("`{selector}`: {} holds no backups{of}", self.describe())))
                }
                None => Err(backups.missing(selector, wanted, target)),
            },
        }
    }

    /// Instance and id of every published backup, by the names of its objects: none is read.
    ///
    /// # Errors
    /// What the place says.
    pub(crate) async fn published(&self) -> Result<Vec<(String, BackupId)>, RepositoryError> {
        Ok(self.ids(None).await?.published)
    }

    async fn ids(&self, instance: Option<&str>) -> Result<Ids, RepositoryError> {
        let mut ids = Ids { published: Vec::new(), incomplete: Vec::new(), unreadable: None };
        let Survey { objects, unreadable } = self.survey(instance).await?;
        let folders: Vec<(String, BackupId)> = unreadable.iter().filter_map(|(folder, _)| backup_of(folder)).collect();
        ids.unreadable = unreadable.into_iter().find(|(folder, _)| may_hold_backups(folder));
        for ((instance, id), objects) in in_folders(objects) {
            let manifest = layout::folder(&instance, id) + MANIFEST;
            let published = objects.iter().any(|object| object.key == manifest);
            if published { &mut ids.published } else { &mut ids.incomplete }.push((instance, id));
        }
        // The folder of a backup that cannot be read may be that of the one that is meant: loading it says so.
        for folder in folders {
            if !ids.published.contains(&folder) && !ids.incomplete.contains(&folder) {
                ids.published.push(folder);
            }
        }
        Ok(ids)
    }

    /// The latest of each instance.
    async fn latest(&self, published: &[(String, BackupId)]) -> Result<Vec<(String, BackupId)>, RepositoryError> {
        let mut by_instance = BTreeMap::<&str, Vec<BackupId>>::new();
        for (instance, id) in published {
            by_instance.entry(instance).or_default().push(*id);
        }
        let (mut latest, now) = (Vec::new(), Utc::now());
        for (instance, mut ids) in by_instance {
            ids.sort();
            // Those of a clock that was ahead come last: they would hide all that are taken until then.
            let (ahead, mut ids): (Vec<_>, Vec<_>) = ids.into_iter().partition(|id| id.is_ahead(now));
            ids.splice(0..0, ahead);
            while let Some(id) = ids.pop() {
                match self.load(instance, id).await {
                    Ok(manifest) if !manifest.purpose.is_of_its_time() => {}
                    // It was removed meanwhile.
                    Err(RepositoryError::NotFound(_) | RepositoryError::Incomplete { .. }) => {}
                    Err(error) if !is_one_backups_trouble(&error) => return Err(error),
                    // One that is archived or unreadable is chosen all the same, so that loading it says so; that of another instance
                    // is nobody's trouble.
                    Ok(_) | Err(_) => {
                        latest.push((instance.to_owned(), id));
                        break;
                    }
                }
            }
        }
        Ok(latest)
    }
}

struct Ids {
    published: Vec<(String, BackupId)>,
    incomplete: Vec<(String, BackupId)>,
    /// The folder of an instance or of a backup that cannot be read: what is looked for may be in it.
    unreadable: Option<(String, StorageError)>,
}

/// Whether a folder is that of an instance, or of a backup.
fn may_hold_backups(folder: &str) -> bool {
    let mut names = folder.split('/');
    let is_instance = names.next().is_some_and(|name| check_instance(name).is_ok());
    is_instance && names.next().is_none_or(|id| id.is_empty() || id.parse::<BackupId>().is_ok())
}

impl Ids {
    fn matching(&self, wanted: &str) -> Vec<(String, BackupId)> {
        let exact = with(&self.published, |id| id == wanted);
        // Without the year a beginning says nothing; `2` would match until the year 3000.
        if exact.is_empty() && wanted.len() >= 4 { with(&self.published, |id| id.starts_with(wanted)) } else { exact }
    }

    fn missing(&self, selector: &str, wanted: &str, target: Option<&str>) -> RepositoryError {
        let incomplete = with(&self.incomplete, |id| id == wanted);
        let ours = incomplete.iter().find(|(instance, _)| Some(instance.as_str()) == target);
        match ours.or(incomplete.first()) {
            Some((instance, id)) => RepositoryError::Incomplete { instance: instance.clone(), id: *id },
            None => RepositoryError::NotFound(format!("`{}`", selector.escape_debug())),
        }
    }
}

fn with(ids: &[(String, BackupId)], matches: impl Fn(&str) -> bool) -> Vec<(String, BackupId)> {
    ids.iter().filter(|(_, id)| matches(&id.to_string())).cloned().collect()
}

enum Choice {
    One(Resolved),
    Several(Vec<(String, BackupId)>),
    None,
}

fn choose(mut candidates: Vec<(String, BackupId)>, target: Option<&str>) -> Choice {
    let resolved = |(instance, id), chosen_by_target| Choice::One(Resolved { instance, id, chosen_by_target });
    let mut ours = candidates.iter().filter(|(instance, _)| Some(instance.as_str()) == target);
    match (candidates.len(), ours.next(), ours.next()) {
        (0, ..) => Choice::None,
        (1, ..) => candidates.pop().map_or(Choice::None, |candidate| resolved(candidate, false)),
        (_, Some(one), None) => resolved(one.clone(), true),
        _ => Choice::Several(candidates),
    }
}
