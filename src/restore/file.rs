//! Method `file`: the RDB on disk, for a server that is not running: one `dump.rdb`, or a folder that a server with AOF starts from.
//!
//! A server with `appendonly yes` ignores its `dump.rdb` at start, and would come up empty. [`to_dir`] therefore makes an
//! append-only file whose base is the RDB. All of it appears at once, complete and on the disk, or not at all.

mod expired;
mod folder;
mod place;
mod temporary;
mod verified;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use crate::explain::{Explain, Interrupted, Meaning};
use crate::figures::bytes;
use crate::progress::{Progress, Unit};

use super::{RdbSource, SourceError};

pub use expired::in_words as expired_in_words;
pub use folder::{AofLayout, to_dir};
pub use verified::{Destination, Restored, plan, restore};

use temporary::Temporary;

/// Files that are complete, and on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What a server reads, the RDB first.
    pub files: Vec<PathBuf>,
    /// Bytes of the RDB.
    pub bytes: u64,
    /// What a person should know before a server is started on it.
    pub warnings: Vec<String>,
}

/// Why nothing was written. What was begun is removed.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It would have to be overwritten.
    #[error("`{}` already exists", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// A backup lies there.
    #[error("`{}` is the folder of a backup", path.display())]
    InBackup {
        /// The folder that holds the backup's `begun.json`.
        path: PathBuf,
    },
    /// The folder that the file was to get into is none.
    #[error("there is no folder `{}`", path.display())]
    NoFolder {
        /// Where the file was to lie.
        path: PathBuf,
    },
    /// A server works there.
    #[error("a server runs in {} (pid {pid}): it would replace the files when it saves or ends", path.display())]
    InUse {
        /// The folder that was to get the files.
        path: PathBuf,
        /// The process of the server.
        pid: u32,
    },
    /// There is not enough room on the disk.
    #[error("{} are needed at {}, but {} are free", bytes(*needed), path.display(), bytes(*available))]
    NoSpace {
        /// The folder that has too little room.
        path: PathBuf,
        /// Bytes that the file needs there.
        needed: u64,
        /// Bytes free for us.
        available: u64,
    },
    /// The file system refuses.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which file or folder.
        path: PathBuf,
        /// What the file system says.
        #[source]
        error: io::Error,
    },
    /// The source of the RDB broke.
    #[error("the source of the RDB failed")]
    Source(#[from] SourceError),
    /// We were asked to stop.
    #[error("interrupted")]
    Cancelled,
}

impl FileError {
    fn write(path: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists { path: path.to_owned() },
            _ => Self::Write { path: path.to_owned(), error },
        }
    }

    /// The stable name of this error in JSON answers.
    pub fn code(&self) -> &'static str {
        self.meaning().code
    }
}

impl Explain for FileError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Exists { .. } => {
                Meaning::of("already_exists").hint("nothing was written; choose another path, or move it away")
            }
            Self::InBackup { .. } => Meaning::of("already_exists").hint("nothing was written; choose a path outside the repository"),
            Self::InUse { .. } => Meaning::of("in_use")
                .hint("nothing was written; end the server first, or restore into the running server"),
            Self::NoFolder { .. } => Meaning::of("cannot_write").hint("nothing was written; make the folder, or choose another path"),
            Self::NoSpace { .. } => Meaning::of("target_too_small"),
            Self::Write { error, .. } if is_full(error) => Meaning::of("no_space").hint(
                "nothing was written; free some space, or name another place (a file size limit of the process counts, too: `ulimit -f`)",
            ),
            Self::Write { .. } => Meaning::of("cannot_write"),
            Self::Source(error) => error.meaning(),
            Self::Cancelled => Interrupted.meaning(),
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Writes the RDB as one file. It has its name only once it is whole and on the disk. An existing file is replaced, in one step, only
/// with `overwrite`. Blocks.
///
/// # Errors
/// See [`FileError`].
pub fn to_file(
    path: &Path,
    source: RdbSource,
    overwrite: bool,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Written, FileError> {
    // What counts is the last step, which does not overwrite either.
    if !overwrite {
        must_be_new(path)?;
    }
    let folder = folder_of(path);
    temporary::must_have_room(folder, source.length)?;
    let bytes = source.length;
    let mut file = Temporary::create(folder, path)?;
    write(&mut file, source, progress, cancel)?;
    file.become_permanent(path, overwrite)?;
    let reminder = "a server with `appendonly yes` ignores this file at start: start it with `appendonly no`, then \
                    `CONFIG SET appendonly yes`; or let `--to-dir` write what such a server reads";
    Ok(Written { files: vec![path.to_owned()], bytes, warnings: vec![reminder.to_owned()] })
}

/// The folder that a file lies in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Nothing has that name, and its folder is there. Blocks.
fn must_be_new(path: &Path) -> Result<(), FileError> {
    if path.symlink_metadata().is_ok() {
        return Err(FileError::Exists { path: path.to_owned() });
    }
    match folder_of(path) {
        folder if folder.is_dir() => Ok(()),
        folder => Err(FileError::NoFolder { path: folder.to_owned() }),
    }
}

/// Hands the pieces of the RDB to a writer: into a pipe, where nothing can be taken back. The end of the RDB comes only if all of it is
/// what was verified. Blocks.
///
/// # Errors
/// See [`FileError`]; what was written until then stays written.
pub fn to_writer(
    source: RdbSource,
    progress: &dyn Progress,
    cancel: &CancellationToken,
    mut put: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), FileError> {
    progress.phase("writing", Unit::Bytes, Some(source.length));
    for piece in source.pieces() {
        if cancel.is_cancelled() {
            return Err(FileError::Cancelled);
        }
        let piece = piece?;
        put(&piece).map_err(|error| FileError::Write { path: PathBuf::from("stdout"), error })?;
        progress.advance(piece.len() as u64);
    }
    Ok(())
}

/// All pieces of the source into a file, and the file onto the disk.
fn write(
    file: &mut Temporary,
    source: RdbSource,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<(), FileError> {
    let path = file.path().to_owned();
    to_writer(source, progress, cancel, |piece| file.write_all(piece)).map_err(|error| match error {
        FileError::Write { error, .. } => FileError::write(&path, error),
        error => error,
    })?;
    file.sync()
}
