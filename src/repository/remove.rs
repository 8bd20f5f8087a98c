//! Removes a backup: the manifest first, so that it is no backup any more, and the reservation of its id last. No command does so yet
//! (`prune` will); what was left of a backup that failed goes in the same order.

use chrono::Utc;

use super::error::Doing;
use super::{BackupId, MANIFEST, Repository, RepositoryError, check_instance, layout};
use crate::storage::{Shared, StorageError};

/// An object that should be gone and is not.
#[derive(Debug)]
pub struct Leftover {
    pub key: String,
    /// Why it could not be removed.
    pub error: StorageError,
}

impl Repository {
    /// Removes a backup, whether it was published or not, with all that was learned and decided of it. What cannot be removed is
    /// named; the manifest is tried first, and if it stays, everything stays.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] if there is nothing; otherwise if the place cannot be listed.
    pub async fn remove(&self, instance: &str, id: BackupId) -> Result<Vec<Leftover>, RepositoryError> {
        check_instance(instance)?;
        let folder = layout::folder(instance, id);
        let objects = self.storage.list(&folder).await.doing("list", &folder)?;
        if objects.is_empty() {
            return Err(RepositoryError::NotFound(format!("{instance}/{id}")));
        }
        // What a process that died had uploaded is seen by nobody, and billed; not every store can tell of it.
        if let Err(error) = self.storage.abort_unfinished(&folder, Utc::now()).await {
            tracing::warn!(folder, %error, "unfinished uploads cannot be aborted");
        }
        Ok(in_order(&self.storage, objects.into_iter().map(|object| object.key).collect()).await)
    }
}

/// Removes the objects: manifest, the others, `begun.json`.
pub(super) async fn in_order(storage: &Shared, mut keys: Vec<String>) -> Vec<Leftover> {
    let turn = |key: &String| match key.rsplit('/').next() {
        Some(name) if name == MANIFEST => 0,
        Some(name) if name == layout::BEGUN => 2,
        _ => 1,
    };
    keys.sort_by_key(turn);
    keys.dedup();
    let mut left = Vec::new();
    for key in keys {
        let is_manifest = turn(&key) == 0;
        // While anything else is left its id stays reserved.
        if turn(&key) == 2 && !left.is_empty() {
            continue;
        }
        if let Err(error) = storage.delete(&key).await {
            left.push(Leftover { key, error });
            if is_manifest {
                // A backup whose manifest stays must keep its objects.
                break;
            }
        }
    }
    left
}
