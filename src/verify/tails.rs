//! The tails of the shards: whether they are there, and lead to the moment that the manifest names.

use tokio_util::sync::CancellationToken;

use super::{Checked, VerifyError};
use crate::dataset::{TailError, missing_object, read_tail};
use crate::figures::{count, counted};
use crate::finding::{Finding, Severity};
use crate::repository::Repository;
use crate::repository::manifest::{Manifest, Tail};

fn all(manifest: &Manifest) -> impl Iterator<Item = &Tail> {
    manifest.shards.iter().filter_map(|shard| shard.tail.as_ref())
}

/// Whether every tail is there in its length, and goes on from its RDB.
pub(super) async fn presence(
    repository: &Repository,
    manifest: &Manifest,
    checked: &mut Checked,
) -> Result<Vec<Finding>, VerifyError> {
    let mut findings = Vec::new();
    for shard in &manifest.shards {
        let Some(tail) = &shard.tail else { continue };
        if shard.offset != Some(tail.from) || tail.to < tail.from {
            let title = "the replication stream of a shard does not go on from its RDB";
            findings.push(wrong(tail, "tail_misplaced", title));
        }
        let Some(length) = repository.object_length(manifest, &tail.object).await? else {
            findings.push(missing_object(&tail.object));
            continue;
        };
        checked.objects += 1;
        if length != tail.stored_bytes {
            let (has, told) = (counted(length, "byte"), count(tail.stored_bytes));
            let title = format!("{} has {has}; the manifest says {told}", tail.object);
            findings.push(wrong(tail, "wrong_length", &title));
        }
    }
    Ok(findings)
}

/// Reads every tail to its end.
pub(super) async fn contents(
    repository: &Repository,
    manifest: &Manifest,
    checked: &mut Checked,
    cancel: &CancellationToken,
) -> Result<Vec<Finding>, VerifyError> {
    let mut findings = Vec::new();
    for tail in all(manifest) {
        let mut read = read_tail(repository, manifest, tail, None, cancel).await;
        if matches!(read, Err(TailError::Damaged(_))) {
            // The way damages bytes as well.
            read = read_tail(repository, manifest, tail, None, cancel).await;
        }
        match read {
            Ok(_) => {
                checked.stored_bytes += tail.stored_bytes;
                checked.raw_bytes += tail.raw_bytes();
            }
            Err(TailError::Missing) => findings.push(missing_object(&tail.object)),
            Err(TailError::Damaged(why)) => findings.push(wrong(tail, "checksum_mismatch", &why)),
            Err(TailError::Repository(error)) => return Err(error.into()),
            Err(TailError::Interrupted) => return Err(VerifyError::Interrupted),
        }
    }
    Ok(findings)
}

/// What a drill leaves open: it loads the RDBs, and no stream.
pub(super) fn not_drilled(manifest: &Manifest) -> Option<Finding> {
    all(manifest).next().map(|_| {
        Finding::new(
            Severity::Info,
            "tails_not_loaded",
            "the drill has loaded the RDBs of the shards, without their replication streams",
        )
        .why("the streams that lead all shards to one moment were read and are as stored; `restore` applies them")
    })
}

fn wrong(tail: &Tail, id: &str, title: &str) -> Finding {
    Finding::new(Severity::Critical, id, title).evidence("object", tail.object.as_str())
}
