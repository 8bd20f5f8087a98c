//! Which backups an archive cannot do without: of each stretch that leads to an end of its own the newest base, and the one that the stretch
//! begins with. Without that the moments before the next base are gone, though their stream is there.

use std::collections::BTreeMap;

use super::choose::bases;
use super::{MomentError, SHARD};
use crate::repository::{BackupId, Repository};

/// The backups of an instance without which archived stream leads nowhere, and what they are needed for, in words.
///
/// # Errors
/// The archive or the backups cannot be listed.
pub async fn needed(repository: &Repository, instance: &str) -> Result<BTreeMap<BackupId, String>, MomentError> {
    let mut needed = BTreeMap::new();
    let timeline = repository.timeline(instance, SHARD).await?;
    if timeline.is_empty() {
        return Ok(needed);
    }
    let mut first: BTreeMap<(String, u64), (BackupId, u64)> = BTreeMap::new();
    // The farthest comes first: it is the one that is kept for an end.
    for base in bases(repository, instance).await? {
        let path = timeline.path(&base.at, None).unwrap_or_default();
        let Some(end) = path.last().map(|last| (last.replid.clone(), last.to)) else { continue };
        if !first.contains_key(&end) {
            needed.insert(base.manifest.id, format!("the archive up to offset {}", end.1));
        }
        first.insert(end, (base.manifest.id, base.at.offset));
    }
    for (id, offset) in first.into_values() {
        needed.entry(id).or_insert_with(|| format!("the archive from offset {offset}"));
    }
    Ok(needed)
}
