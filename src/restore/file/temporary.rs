//! A file under a temporary name, which is removed unless it becomes permanent.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use super::FileError;

/// How many names are tried before the folder is taken to be at fault.
const NAMES_TRIED: u32 = 16;

/// A file that nobody else has opened or named.
pub(super) struct Temporary {
    file: File,
    path: PathBuf,
    /// Whether the name is still ours to remove.
    ours: bool,
}

impl Temporary {
    /// A new file in `folder`, readable by its owner only, named after the one it will become. Root leaves it to the owner of the
    /// folder: that is the user the server runs as.
    pub(super) fn create(folder: &Path, future: &Path) -> Result<Self, FileError> {
        let name = future.file_name().unwrap_or_default().to_string_lossy();
        let mut failure = io::Error::from(io::ErrorKind::AlreadyExists);
        for attempt in 0..NAMES_TRIED {
            let path = folder.join(temporary_name(&name, attempt));
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => {
                    let temporary = Self { file, path, ours: true };
                    temporary.give_to_owner_of(folder).map_err(|error| FileError::write(&temporary.path, error))?;
                    return Ok(temporary);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => failure = error,
                Err(error) => return Err(FileError::Write { path, error }),
            }
        }
        Err(FileError::Write { path: folder.to_owned(), error: failure })
    }

    fn give_to_owner_of(&self, folder: &Path) -> io::Result<()> {
        let owner = fs::metadata(folder)?;
        if rustix::process::geteuid().is_root() && owner.uid() != 0 {
            fchown(&self.file, Some(owner.uid()), Some(owner.gid()))?;
        }
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until the bytes are on the disk.
    pub(super) fn sync(&self) -> Result<(), FileError> {
        self.file.sync_all().map_err(|error| FileError::write(&self.path, error))
    }

    /// Gives it its name, and waits until the name is on the disk.
    pub(super) fn become_permanent(mut self, path: &Path, overwrite: bool) -> Result<(), FileError> {
        let named = if overwrite { fs::rename(&self.path, path) } else { rename_without_overwriting(&self.path, path) };
        named.map_err(|error| FileError::write(path, error))?;
        self.ours = false;
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync_folder(folder)
    }
}

impl Write for Temporary {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a temporary file was left");
        }
    }
}

/// A name that nobody has, hidden, and telling what it is.
pub(super) fn temporary_name(name: &str, attempt: u32) -> String {
    // Without random numbers the process and the attempt are different enough: names are taken exclusively.
    let chance = getrandom::u64().unwrap_or(u64::from(std::process::id()) << 32 | u64::from(attempt));
    format!(".{name}.redis-ops-{chance:016x}")
}

/// A hard link fails where a file is, which a plain rename does not.
fn rename_without_overwriting(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // A file system without links: what is left is to look first.
        Err(_) if to.symlink_metadata().is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
    }
}

/// Waits until the names in a folder are on the disk.
pub(super) fn sync_folder(folder: &Path) -> Result<(), FileError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| FileError::write(folder, error))
}

/// Refuses a disk that is too full, before an hour of writing. Where the system does not say, writing will.
pub(super) fn must_have_room(folder: &Path, needed: u64) -> Result<(), FileError> {
    let Ok(space) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let available = space.f_bavail.saturating_mul(space.f_frsize);
    if available < needed {
        return Err(FileError::NoSpace { path: folder.to_owned(), needed, available });
    }
    Ok(())
}
