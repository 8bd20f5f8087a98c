//! A folder that a server starts from, with AOF or without.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use crate::progress::Progress;
use crate::restore::RdbSource;

use super::temporary::{Temporary, must_have_room, sync_folder, temporary_name};
use super::{FileError, Written, write};

const DUMP: &str = "dump.rdb";
/// The server's default of `appendfilename`.
const AOF: &str = "appendonly.aof";
/// The server's default of `appenddirname`.
const AOF_FOLDER: &str = "appendonlydir";
const BASE: &str = "appendonly.aof.1.base.rdb";
const INCREMENT: &str = "appendonly.aof.1.incr.aof";
const MANIFEST: &str = "appendonly.aof.manifest";
/// Lines of Redis 7.0's `aof.c`, `getAofManifestAsString`.
const MANIFEST_TEXT: &str =
    "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";

/// How a server keeps its append-only file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AofLayout {
    /// `appendonlydir/` with a base, increments and a manifest: Redis 7.0 and newer, every Valkey.
    MultiPart,
    /// One `appendonly.aof` that begins with an RDB: Redis 4.0 to 6.2 (`aof-use-rdb-preamble`). Newer ones convert it at start.
    SingleFile,
}

impl AofLayout {
    /// By the version of the server that will be started, Valkey's own included.
    pub fn of(version: (u32, u32, u32)) -> Self {
        if version >= (7, 0, 0) { Self::MultiPart } else { Self::SingleFile }
    }
}

/// Writes what a server finds its data in, whether it has `appendonly yes` or not: the append-only file, and the same RDB as
/// `dump.rdb` (one file with two names where the disk can do that). Names are the server's defaults. Nothing that is there already is
/// touched. Blocks.
///
/// # Errors
/// [`FileError::Exists`] if the folder holds data of a server already; see [`FileError`].
pub fn to_dir(
    folder: &Path,
    layout: AofLayout,
    source: RdbSource,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Written, FileError> {
    let made = MadeFolder::create(folder)?;
    let written = within(folder, layout, source, progress, cancel);
    if written.is_ok() {
        made.keep();
    }
    written
}

fn within(
    folder: &Path,
    layout: AofLayout,
    source: RdbSource,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Written, FileError> {
    must_be_new(folder)?;
    must_have_room(folder, source.length)?;
    let bytes = source.length;
    let rdb = match layout {
        AofLayout::SingleFile => {
            let path = folder.join(AOF);
            let mut file = Temporary::create(folder, &path)?;
            write(&mut file, source, progress, cancel)?;
            file.become_permanent(&path, false)?;
            path
        }
        AofLayout::MultiPart => multi_part(folder, source, progress, cancel)?,
    };
    let mut warnings = Vec::new();
    let mut files = vec![rdb.clone()];
    if layout == AofLayout::MultiPart {
        files.extend([INCREMENT, MANIFEST].map(|name| folder.join(AOF_FOLDER).join(name)));
    }
    // A server replaces both by rename, never in place, so that two names of one file do not hurt each other.
    match fs::hard_link(&rdb, folder.join(DUMP)) {
        Ok(()) => files.push(folder.join(DUMP)),
        Err(error) => warnings.push(format!("there is no `{DUMP}` ({error}): start the server with `appendonly yes`")),
    }
    sync_folder(folder)?;
    if folder.join("nodes.conf").exists() {
        // The file of a cluster node: with it the new server joins the cluster it was copied from.
        warnings.push("the folder has a `nodes.conf`: a server started here joins that cluster again".to_owned());
    }
    Ok(Written { files, bytes, warnings })
}

/// Whether a folder holds nothing that a server reads at its start. Blocks.
pub(super) fn must_be_new(folder: &Path) -> Result<(), FileError> {
    let mut paths = [AOF_FOLDER, AOF, DUMP].into_iter().map(|name| folder.join(name));
    match paths.find(|path| path.symlink_metadata().is_ok()) {
        Some(path) => Err(FileError::Exists { path }),
        None => Ok(()),
    }
}

/// A folder that was made for the files, with those above it that were missing: dropping it removes what is empty of them.
struct MadeFolder(Vec<PathBuf>);

impl MadeFolder {
    fn create(folder: &Path) -> Result<Self, FileError> {
        // `Path::new("a").parent()` is empty, which is the folder that we are in.
        let missing = folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
        let made = Self(missing.map(Path::to_owned).collect());
        fs::create_dir_all(folder).map_err(|error| FileError::write(folder, error))?;
        Ok(made)
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for MadeFolder {
    fn drop(&mut self) {
        for folder in &self.0 {
            if let Err(error) = fs::remove_dir(folder) {
                tracing::debug!("{} stays: {error}", folder.display());
            }
        }
    }
}

/// The set is made in a folder with a temporary name, so that no server ever sees half of it.
fn multi_part(
    folder: &Path,
    source: RdbSource,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<PathBuf, FileError> {
    let workshop = Workshop::create(folder)?;
    let base = workshop.path.join(BASE);
    let mut file = Temporary::create(&workshop.path, &base)?;
    write(&mut file, source, progress, cancel)?;
    file.become_permanent(&base, false)?;
    for (name, content) in [(INCREMENT, ""), (MANIFEST, MANIFEST_TEXT)] {
        let path = workshop.path.join(name);
        let mut file = Temporary::create(&workshop.path, &path)?;
        file.write_all(content.as_bytes()).map_err(|error| FileError::write(&path, error))?;
        file.sync()?;
        file.become_permanent(&path, false)?;
    }
    let set = folder.join(AOF_FOLDER);
    workshop.become_permanent(&set)?;
    Ok(set.join(BASE))
}

/// A folder under a temporary name, which is removed with all that is in it unless it becomes permanent.
struct Workshop {
    path: PathBuf,
    ours: bool,
}

impl Workshop {
    fn create(parent: &Path) -> Result<Self, FileError> {
        let path = parent.join(temporary_name(AOF_FOLDER, 0));
        fs::create_dir(&path).map_err(|error| FileError::write(&path, error))?;
        let workshop = Self { path, ours: true };
        workshop.give_to_owner_of(parent).map_err(|error| FileError::write(&workshop.path, error))?;
        Ok(workshop)
    }

    fn give_to_owner_of(&self, parent: &Path) -> std::io::Result<()> {
        use std::os::unix::fs::{MetadataExt, chown};
        let owner = fs::metadata(parent)?;
        if rustix::process::geteuid().is_root() && owner.uid() != 0 {
            chown(&self.path, Some(owner.uid()), Some(owner.gid()))?;
        }
        Ok(())
    }

    /// A folder is never renamed onto one that holds something.
    fn become_permanent(mut self, path: &Path) -> Result<(), FileError> {
        fs::rename(&self.path, path).map_err(|error| FileError::write(path, error))?;
        self.ours = false;
        Ok(())
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a temporary folder was left");
        }
    }
}
