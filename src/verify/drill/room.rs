//! A private folder, removed at the end.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use tempfile::TempDir;

use super::Drill;
use crate::blocking;

/// The RDB in the folder.
pub(super) const RDB: &str = "dump.rdb";

/// A folder that nobody else may enter. Removed when dropped.
#[derive(Debug)]
pub struct Room<'a> {
    drill: &'a Drill,
    folder: TempDir,
}

impl<'a> Room<'a> {
    /// The folder, and the file in it into which the RDB is written.
    pub(super) async fn make(drill: &'a Drill) -> io::Result<(Self, File)> {
        let place = drill.options.folder.clone();
        let (folder, rdb) = blocking::run(move || make(&place)).await?;
        Ok((Self { drill, folder }, rdb))
    }

    pub(super) fn drill(&self) -> &Drill {
        self.drill
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn make(place: &Path) -> io::Result<(TempDir, File)> {
    // A short name: the path of a unix socket has at most 107 bytes.
    let mut named = tempfile::Builder::new();
    named.prefix("redis-ops-").permissions(Permissions::from_mode(0o700));
    let folder = named.tempdir_in(place)?;
    let rdb = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.path().join(RDB))?;
    Ok((folder, rdb))
}

/// Bytes that are free for us in a folder; `None` where the system does not say.
pub(super) fn free(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
