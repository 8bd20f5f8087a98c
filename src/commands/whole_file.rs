//! A file that others read while it is replaced: written beside the old one and renamed, so that nobody ever sees half of it.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::explain::{Misuse, Result};

/// Writes beside the file and renames: no reader sees half of it, and what is left of a full disk is removed. Blocks.
///
/// # Errors
/// The path names no file, or it cannot be written.
pub fn write(path: &Path, text: &str) -> Result<()> {
    path.file_name().ok_or_else(|| Misuse::usage("this names no file"))?;
    let mut file = beside(path)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error.into())
}

/// Says whether [`write`] could begin: a file is created beside this one, and removed again. Blocks.
///
/// # Errors
/// The folder does not exist, or nothing can be created there.
pub fn try_beside(path: &Path) -> io::Result<()> {
    beside(path)?.close()
}

fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Who reads it is often another user: a collector, a web server.
    let readable = Permissions::from_mode(0o666);
    tempfile::Builder::new().suffix(".new").permissions(readable).tempfile_in(folder)
}
