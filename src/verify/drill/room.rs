//! A private folder, removed at the end.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use tempfile::TempDir;

use super::Drill;

/// The RDB in the folder.
pub(super) const RDB: &str = "dump.rdb";

/// A folder that nobody else may enter. Removed when dropped.
#[derive(Debug)]
pub struct Room<'a> {
    drill: &'a Drill,
    folder: TempDir,
}

impl<'a> Room<'a> {
    pub(super) fn make(drill: &'a Drill) -> io::Result<Self> {
        // A short name: the path of a unix socket has at most 107 bytes.
        let mut named = tempfile::Builder::new();
        named.prefix("redis-ops-").permissions(Permissions::from_mode(0o700));
        Ok(Self { drill, folder: named.tempdir_in(&drill.options.folder)? })
    }

    /// The file into which the RDB is written.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn rdb(&self) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path().join(RDB))
    }

    pub(super) fn drill(&self) -> &Drill {
        self.drill
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Bytes that are free for us in a folder; `None` where the system does not say.
pub(super) fn free(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
