//! A private folder, removed at the end.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use tempfile::TempDir;

use super::Drill;
use crate::blocking;
use crate::scratch::{self, RDB};

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
    let folder = scratch::folder(place)?;
    let rdb = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.path().join(RDB))?;
    Ok((folder, rdb))
}
