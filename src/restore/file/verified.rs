//! A restore to a file, a folder or a pipe as a whole: the backup is verified to its end, and only then written.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{
    AofLayout, FileError, Written, expired, folder, folder_of, must_be_new, place, temporary, to_dir, to_file,
    to_writer,
};
use crate::blocking;
use crate::capture::{Inspected, Inspector};
use crate::dataset::pass::{self, Feed};
use crate::dataset::{Dataset, KeysRead, RawError, ReadError};
use crate::examination;
use crate::explain::{Context as _, Interrupted, Misuse, Result, Status};
use crate::progress::{Progress, Unit};
use crate::rdb::visit::Checksum;
use crate::repository::manifest::{CensusSummary, StructureFinding};
use crate::restore::RdbSource;
use crate::restore::clock::now_ms;
use crate::restore::facts::BackupFacts;
use crate::restore::plan::{self, Plan};
use crate::restore::planning::must_be_readable_as_one;
use crate::restore::target_format::version_numbers;

/// Takes piece after piece of an RDB, and may block.
pub type Put = Box<dyn FnMut(&[u8]) -> io::Result<()> + Send>;

/// Where the RDB goes.
pub enum Destination {
    /// A file that does not exist yet.
    File(PathBuf),
    /// A folder, as a server that is not running loads it at its start.
    Folder(PathBuf),
    /// A pipe, in which nothing can be taken back.
    Pipe(Put),
}

impl Destination {
    /// Whether nobody else's data lies or is made there. Blocks.
    fn must_be_free(&self) -> Result<(), FileError> {
        match self {
            Self::File(path) => {
                place::must_be_no_backup(path)?;
                must_be_new(path)
            }
            Self::Folder(path) => {
                place::must_be_no_backup(path)?;
                place::must_have_no_server(path)?;
                folder::must_be_new(path)
            }
            Self::Pipe(_) => Ok(()),
        }
    }

    /// Whether there is room for an RDB of so many bytes. Blocks.
    fn must_have_room(&self, bytes: u64) -> Result<(), FileError> {
        match self {
            Self::File(path) => temporary::must_have_room(folder_of(path), bytes),
            Self::Folder(path) => {
                let there = path.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
                temporary::must_have_room(there, bytes)
            }
            Self::Pipe(_) => Ok(()),
        }
    }
}

/// An RDB that was verified and written.
pub struct Restored {
    /// What the verification found.
    pub inspected: Inspected,
    /// The files that are complete, and on the disk.
    pub written: Written,
}

impl Restored {
    /// What the structure of the RDB has of findings: a server that loads the file may not take it.
    pub fn findings(&self) -> Vec<StructureFinding> {
        let Inspected { oddities, needs, broken, .. } = &self.inspected;
        examination::structure(oddities, needs, broken.as_ref())
    }

    /// Keys in the file whose time has passed.
    pub fn expired(&self) -> u64 {
        self.inspected.read.as_ref().map_or(0, KeysRead::expired)
    }

    /// A warning, where what was written is not all that a person would expect of it.
    pub fn status(&self) -> Status {
        let is_odd =
            self.inspected.trailing_bytes > 0 || !self.findings().is_empty() || !self.inspected.is_version_known();
        if is_odd { Status::Warning } else { Status::Ok }
    }

    /// `result` of the JSON answer.
    pub fn json(&self) -> serde_json::Value {
        let Self { inspected, written } = self;
        let files: Vec<String> = written.files.iter().map(|file| file.display().to_string()).collect();
        serde_json::json!({
            "method": "file", "in_backup": inspected.keys, "restored": inspected.keys, "files": files, "bytes": written.bytes,
            "expired": self.expired(), "warnings": written.warnings, "trailing_bytes": inspected.trailing_bytes, "findings": self.findings(),
        })
    }
}

/// Verifies a backup, and writes its RDB as it is. The backup is read twice, so it cannot be a pipe.
///
/// # Errors
/// The backup is a pipe, or damaged, and nothing was written; or the destination refuses, and what was begun is removed, except in a pipe.
pub async fn restore(
    source: &Dataset,
    destination: Destination,
    progress: Arc<dyn Progress>,
    cancel: &CancellationToken,
) -> Result<Restored> {
    let destination = must_be_possible(source, destination).await?;
    progress.phase("verifying", Unit::Bytes, source.raw_bytes());
    let feed = Feed::Raw(source.raw(0, cancel).await?);
    let inspector = Inspector::without_census().judging().counting(now_ms());
    let said = source.manifest().and_then(|manifest| manifest.census.as_ref());
    let inspected = match pass::run(feed, inspector, &*progress, cancel).await {
        Err(ReadError::Interrupted) => return Err(Interrupted.into()),
        passed => passed.and_then(|passed| finish(passed.taker, said)),
    };
    let inspected = inspected.with_context(|| format!("cannot verify {}; nothing was written", source.name()))?;
    let crc64 = match inspected.checksum {
        Checksum::Verified(crc) => Some(crc),
        Checksum::Absent | Checksum::NotInThisVersion => None,
    };
    // The second reading has to give exactly the bytes of the first: its end is held back until they are known to be the same.
    let raw = source.raw(0, cancel).await?;
    let rdb = RdbSource { length: inspected.raw_bytes, trailing: inspected.trailing_bytes, crc64, raw };
    // The layout of the server that wrote the backup; a newer server converts the older layout when it starts.
    let layout = AofLayout::of(version_numbers(inspected.server().1));
    let stop = cancel.clone();
    let written = tokio::task::spawn_blocking(move || write(destination, rdb, layout, &*progress, &stop)).await?;
    match written {
        Err(FileError::Cancelled) => Err(Interrupted.into()),
        written => {
            Ok(Restored { inspected, written: written.with_context(|| format!("cannot write {}", source.name()))? })
        }
    }
}

/// What would be written where: all that is asked before the backup is read, and how many of its keys have expired.
///
/// # Errors
/// As [`restore`], as far as that is known before the backup is read.
pub async fn plan(source: &Dataset, destination: Destination, cancel: &CancellationToken) -> Result<Plan> {
    let place = match &destination {
        Destination::File(path) => format!("`{}` does not exist yet", path.display()),
        Destination::Folder(path) => format!("`{}` holds no data of a server", path.display()),
        Destination::Pipe(_) => "the RDB goes to stdout".to_owned(),
    };
    let is_written = !matches!(destination, Destination::Pipe(_));
    must_be_possible(source, destination).await?;
    let mut facts = BackupFacts::of(source);
    if matches!(source, Dataset::File(_)) {
        facts.rdb_version = source.version_of_file(cancel).await?;
    }
    let raw_bytes = facts.raw_bytes.filter(|_| is_written);
    let expired = expired::in_words(expired::so_far(source, cancel).await);
    Ok(plan::to_disk(&BackupFacts { raw_bytes, ..facts }, place, expired))
}

/// What is known before the backup is read, rather than after an hour of reading.
async fn must_be_possible(source: &Dataset, destination: Destination) -> Result<Destination> {
    must_be_readable_as_one(source)?;
    if source.shards() > 1 {
        return Err(Misuse::not_supported_yet("writing a backup of several shards to a file or a folder").into());
    }
    if !source.can_be_read_again() {
        let words = "standard input can be read only once, and the backup has to be verified first";
        return Err(Misuse::usage(words).into());
    }
    let bytes = source.raw_bytes();
    let (place, destination) = blocking::run(move || {
        let free = destination.must_be_free();
        (free.and_then(|()| bytes.map_or(Ok(()), |bytes| destination.must_have_room(bytes))), destination)
    })
    .await;
    place.with_context(|| format!("cannot write {}", source.name()))?;
    let there = match source.must_be_there().await {
        Ok(()) => source.must_open().await,
        gone => gone,
    };
    there.with_context(|| format!("cannot read {}; nothing was written", source.name()))?;
    Ok(destination)
}

fn write(
    destination: Destination,
    rdb: RdbSource,
    layout: AofLayout,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Written, FileError> {
    let bytes = rdb.length;
    match destination {
        Destination::File(path) => to_file(&path, rdb, false, progress, cancel),
        Destination::Folder(path) => to_dir(&path, layout, rdb, progress, cancel),
        Destination::Pipe(put) => {
            to_writer(rdb, progress, cancel, put)?;
            Ok(Written { files: Vec::new(), bytes, warnings: Vec::new() })
        }
    }
}

fn finish(inspector: Inspector, said: Option<&CensusSummary>) -> Result<Inspected, ReadError> {
    let inspected = inspector.finish()?;
    inspected.must_end_with_the_rdb().map_err(RawError::from)?;
    if let (Some(said), Some(read)) = (said, &inspected.read) {
        read.must_be(said).map_err(RawError::from)?;
    }
    Ok(inspected)
}
