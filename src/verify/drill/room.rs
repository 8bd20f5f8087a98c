//! A private folder, removed at the end.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Drill;

/// The RDB in the folder.
pub(super) const RDB: &str = "dump.rdb";

/// A folder that nobody else may enter. Removed when dropped.
#[derive(Debug)]
pub struct Room<'a> {
    drill: &'a Drill,
    path: PathBuf,
}

impl<'a> Room<'a> {
    pub(super) fn make(drill: &'a Drill) -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        // A short name: the path of a unix socket has at most 107 bytes.
        let path = drill.options.folder.join(format!("redis-ops-{}", hex::encode(random)));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { drill, path })
    }

    /// The file into which the RDB is written.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn rdb(&self) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path.join(RDB))
    }

    pub(super) fn drill(&self) -> &Drill {
        self.drill
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!("{} could not be removed: {error}", self.path.display());
        }
    }
}

/// Bytes that are free for us in a folder; `None` where the system does not say.
pub(super) fn free(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
