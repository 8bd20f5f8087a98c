//! Which backups an archive cannot do without: of each stretch without a hole the first base, from which on every moment of it can be
//! restored, and the last one, which is the nearest to its end.

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
    // By the end of the stretch: the first base that leads there.
    let mut firsts: BTreeMap<(String, u64), (BackupId, u64)> = BTreeMap::new();
    // The farthest comes first: it is the one that is kept for an end.
    for base in bases(repository, instance).await? {
        let path = timeline.path(&base.at, None).unwrap_or_default();
        let Some(end) = path.last().map(|last| (last.replid.clone(), last.to)) else { continue };
        if !firsts.contains_key(&end) {
            needed.insert(base.manifest.id, format!("the archive up to offset {}", end.1));
        }
        // A moment that was put together can be put together again.
        if base.manifest.purpose.is_of_its_time() {
            firsts.insert(end, (base.manifest.id, base.at.offset));
        }
    }
    for (id, from) in firsts.into_values() {
        needed.entry(id).or_insert_with(|| format!("the archive from offset {from} on"));
    }
    Ok(needed)
}
