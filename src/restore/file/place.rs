//! Where a restore to disk must not go: into the folder of a backup, and into the folder that a server works in.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::FileError;

/// What reserves the id of a backup, and stands in the folder of each.
const BEGUN: &str = "begun.json";
/// How the processes of servers are called.
const SERVERS: [&str; 3] = ["redis-server", "valkey-server", "keydb-server"];

/// Checks a path before anything is written there. Blocks.
///
/// # Errors
/// [`FileError::InBackup`]: a backup lies there, and belongs to its repository.
pub(super) fn must_be_no_backup(path: &Path) -> Result<(), FileError> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let backup = path.ancestors().skip(1).chain([path.as_path()]).find(|folder| folder.join(BEGUN).exists());
    backup.map_or(Ok(()), |folder| Err(FileError::InBackup { path: folder.to_owned() }))
}

/// Checks a folder before it gets what a server reads at its start. Where the system does not show the processes, nothing is known of them.
/// Blocks.
///
/// # Errors
/// [`FileError::InUse`]: a server works there, and replaces what it finds when it saves.
pub(super) fn must_have_no_server(folder: &Path) -> Result<(), FileError> {
    let Ok(real) = folder.canonicalize() else { return Ok(()) };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let numbered = |path: &PathBuf| path.file_name().and_then(OsStr::to_str).and_then(|name| name.parse::<u32>().ok());
    for process in processes {
        let Some(pid) = numbered(&process) else { continue };
        // A server changes into its `dir`.
        if fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == real)
            && let Ok(name) = fs::read_to_string(process.join("comm"))
            && SERVERS.iter().any(|server| name.starts_with(server))
        {
            return Err(FileError::InUse { path: folder.to_owned(), pid });
        }
    }
    Ok(())
}
