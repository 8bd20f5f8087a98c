//! Where the archiver before this one stood: by the spool, or by the repository.

use std::io;

use super::ArchiveError;
use super::spool::{self, Head, Spool, Spooled};
use crate::repository::Repository;
use crate::repository::segment::Previous;

/// A file of the spool, its last safe offset, and the database in force there.
pub(super) type Found = (Spooled, u64, u32);

/// The files that wait in the spool, each cut behind its last whole transaction, and what is in the repository as far as this machine
/// knows. Files that hold nothing, or were carried already, are removed. Blocks.
///
/// # Errors
/// The folder cannot be read, or a file of it cannot be cut or removed.
pub(super) fn found_again(spool: &Spool) -> io::Result<(Vec<Found>, Option<Head>)> {
    let folder = spool.folder();
    let (mut files, head) = (spool.waiting()?, spool::head(folder)?);
    // A file that is in the repository, whose end was written down, and that was not removed yet.
    let is_kept =
        |file: &Spooled| head.as_ref().is_some_and(|head| head.replid == file.replid && file.from < head.offset);
    for file in files.extract_if(.., |file| is_kept(file)) {
        spool::remove(folder, &file)?;
    }
    let mut found = Vec::new();
    for file in files {
        let (safe, database) = spool::cut(folder, &file)?;
        if safe == file.from {
            spool::remove(folder, &file)?;
        } else {
            found.push((file, safe, database));
        }
    }
    Ok((found, head))
}

/// What the repository says of the last segment, for an archiver that comes to a machine with an empty spool.
pub(super) async fn in_repository(
    repository: &Repository,
    instance: &str,
    shard: u32,
) -> Result<Option<Head>, ArchiveError> {
    let timeline = repository.timeline(instance, shard).await?;
    let mut newest = None;
    for last in timeline.lasts() {
        let index = repository.segment_index(instance, shard, last).await?;
        let time = index.marks.last().map(|mark| mark.time_us);
        if newest.as_ref().is_none_or(|(other, _)| *other <= time) {
            newest = Some((time, index));
        }
    }
    Ok(newest.map(|(_, index)| Head {
        replid: index.replid.clone(),
        offset: index.to,
        // The server selects one anew only after a full resync: what is in force is read from the segment's own end.
        database: index.database_behind,
        previous: Some(Previous { replid: index.replid, from: index.from, raw_sha256: index.raw_sha256 }),
        gap: None,
    }))
}
