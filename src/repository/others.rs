//! Runs that are making a backup of an instance at this moment.

use std::time::Duration;

use super::listing::in_folders;
use super::{MANIFEST, Repository, RepositoryError, Unfinished, layout};

/// A process that gave a sign of life so recently may still be at work: two heartbeats.
const YOUNG: Duration = Duration::from_secs(600);

impl Repository {
    /// Backups of an instance that somebody seems to be making: begun, not published, with a sign of life that is younger than ten minutes,
    /// and a process that is not known to have ended. Reads `begun.json` of those alone, whatever else is there.
    ///
    /// # Errors
    /// If the place cannot be listed.
    pub async fn others(&self, instance: &str) -> Result<Vec<Unfinished>, RepositoryError> {
        let mut uploads = in_folders(self.unfinished(Some(instance)).await.into_iter().flat_map(|left| left.uploads));
        let mut others = Vec::new();
        for ((name, id), objects) in self.folders(Some(instance)).await? {
            let folder = layout::folder(&name, id);
            if objects.iter().any(|object| object.key.strip_prefix(&folder) == Some(MANIFEST)) {
                continue;
            }
            let uploads = uploads.remove(&(name, id)).unwrap_or_default();
            let unfinished = self.unfinished_backup(&folder, &objects, &uploads).await;
            let is_young = unfinished.silent_for().is_some_and(|silent| silent < YOUNG);
            let has_ended = unfinished.begun.as_ref().and_then(|begun| begun.lives()) == Some(false);
            if is_young && !has_ended {
                others.push(unfinished);
            }
        }
        Ok(others)
    }
}
