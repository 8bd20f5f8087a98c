//! What an archiver finds when it begins: the files that an earlier run has left on this machine, and how far the repository is.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::spool::{self, Head, Spool};
use super::standing::{Found, found_again, in_repository};
use super::{ArchiveError, Options, keeper};
use crate::blocking;
use crate::repository::{Repository, RepositoryError};

/// What an archiver begins with.
pub(super) struct Opened {
    pub(super) spool: Arc<Spool>,
    /// Files that wait for the repository, each with its last safe offset and the database in force there.
    pub(super) files: Vec<Found>,
    /// Where the stream in the repository ends; `None`: it holds nothing yet.
    pub(super) head: Option<Head>,
    /// What this machine has carried into the repository is not there any more.
    pub(super) is_lost: bool,
}

/// Takes the spool of this instance for this process, and claims the archive in the repository.
///
/// # Errors
/// Another archiver is at work, the spool cannot be read, or the repository cannot be asked.
pub(super) async fn open(options: &Options, repository: &Repository, shard: u32) -> Result<Opened, ArchiveError> {
    let folders: PathBuf = options.state.join(&options.instance);
    let folder = spool::folder_for(&folders, shard, &repository.describe());
    let failed =
        |error: std::io::Error| ArchiveError::Spool { folder: folder.display().to_string(), error: error.to_string() };
    // A new repository is made here: what it holds is asked for below.
    repository.ready_for_archives(repository.now()).await?;
    let timeline = repository.timeline(&options.instance, shard).await?;
    let archiver = repository.archiver(&options.instance, shard).await?;
    // The repository may be another one than the state on this machine tells of: it was made again, or has another place by now.
    let holds = {
        let ends: HashSet<(String, u64)> =
            timeline.segments().map(|segment| (segment.replid.clone(), segment.to)).collect();
        move |head: &Head| ends.contains(&(head.replid.clone(), head.offset))
    };
    let (place, holds_head) = (repository.describe(), holds.clone());
    let is_of_place = move |head: Option<&Head>, token: &str| match head {
        Some(head) => holds_head(head),
        None => archiver.is_some_and(|archiver| archiver.token == token),
    };
    let opened = blocking::run(move || Spool::open_for(&folders, shard, &place, is_of_place));
    let spool = opened.await.map_err(failed)?;
    let spool = Arc::new(spool.ok_or_else(|| {
        ArchiveError::Locked(format!("a process on this machine holds {}", folder.join("lock").display()))
    })?);
    keeper::claim(repository, &options.instance, shard, &spool.token).await.map_err(|error| match error {
        RepositoryError::Locked(why) => ArchiveError::Locked(why),
        error => error.into(),
    })?;
    let spooled = spool.clone();
    let found = blocking::run(move || found_again(&spooled));
    let (files, head) = found.await.map_err(failed)?;
    let is_lost = head.as_ref().is_some_and(|head| !holds(head));
    let head = match head.filter(|_| !is_lost) {
        Some(head) => Some(head),
        None => in_repository(repository, &options.instance, shard).await?,
    };
    Ok(Opened { spool, files, head, is_lost })
}
