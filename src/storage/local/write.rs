//! Writing files: a temporary name, fsync, a link to the final name, fsync of the folder.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{LINKS_FOLLOWED, Local, Use};
use crate::storage::{StorageError, Upload};

/// What is in a backup concerns only its owner.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// How often a folder is made again that someone removes, because it is empty, before our file is in it.
const ATTEMPTS: usize = 5;

/// A file that has no name yet. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Temporary {
    root: PathBuf,
    file: Arc<File>,
    path: PathBuf,
    target: PathBuf,
    present: bool,
}

impl Temporary {
    /// Makes the folders and the file, under a name that no listing shows.
    pub(super) fn create(root: &Path, target: &Path) -> io::Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::try_create(root, target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => attempt += 1,
                created => return created,
            }
        }
    }

    /// A temporary file for a name that may be taken: [`Temporary::replace`] puts it in the place of the other.
    pub(super) fn over(root: &Path, target: &Path) -> io::Result<Self> {
        Self::beside(root, target)
    }

    fn try_create(root: &Path, target: &Path) -> io::Result<Self> {
        if target.exists() {
            // Known before anything is written; what decides is the link at the end.
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Self::beside(root, target)
    }

    fn beside(root: &Path, target: &Path) -> io::Result<Self> {
        let folder = folder_of(target)?;
        must_be_listed(root, folder)?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = target.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let path = folder.join(format!(".{name}.{}.part", hex::encode(random)));
        let mut made = Made::default();
        create_folders(root, folder, &mut made)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&path)?;
        made.keep();
        Ok(Self { root: root.to_owned(), file: Arc::new(file), path, target: target.to_owned(), present: true })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(bytes)
    }

    /// Gives the file its name, durably, and returns its length.
    pub(super) fn publish(mut self) -> io::Result<u64> {
        self.file.sync_all()?;
        let length = self.file.metadata()?.len();
        match give_name(&self.path, &self.target)? {
            Named::Linked => self.remove()?,
            Named::Renamed => self.present = false,
        }
        sync_folder(folder_of(&self.target)?)?;
        Ok(length)
    }

    /// Gives the file its name, in place of the one that has it.
    pub(super) fn replace(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, &self.target)?;
        self.present = false;
        sync_folder(folder_of(&self.target)?)
    }

    fn remove(&mut self) -> io::Result<()> {
        self.present = false;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes the file, and the folders that were made for it, if it has got no name.
    fn give_up(&mut self) -> io::Result<()> {
        if self.present {
            self.remove()?;
            remove_empty_folders(&self.root, folder_of(&self.target)?)?;
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = self.give_up() {
            tracing::warn!("cannot remove the temporary file {}: {error}", self.path.display());
        }
    }
}

/// How a file got its name.
enum Named {
    /// It has the one that it had as well.
    Linked,
    Renamed,
}

/// Gives a file a name that no other has.
fn give_name(path: &Path, target: &Path) -> io::Result<Named> {
    match fs::hard_link(path, target) {
        Ok(()) => Ok(Named::Linked),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // FAT and some network file systems know no links: there a rename that refuses to replace does as well.
        Err(error) => match renameat_with(CWD, path, CWD, target, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(Named::Renamed),
            Err(rustix::io::Errno::EXIST) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(renaming) => Err(neither(error, renaming)),
        },
    }
}

/// Makes a file that has no name of ours in the folder, or in the first above it that is there, gives it another as a backup's files get
/// theirs, removes it, and returns how many bytes are free for us.
pub(super) fn try_writing(root: &Path) -> io::Result<u64> {
    let there = root.ancestors().find(|folder| folder.symlink_metadata().is_ok()).ok_or(io::ErrorKind::NotFound)?;
    if !there.exists() {
        // A link that leads nowhere, where no folder can be made.
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    if !there.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let path = there.join(format!(".redis-ops-plan.{}.part", hex::encode(random)));
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&path)?;
    let named = path.with_extension("named.part");
    let done = give_name(&path, &named);
    let removed = match &done {
        Ok(Named::Linked) => fs::remove_file(&named).and_then(|()| fs::remove_file(&path)),
        Ok(Named::Renamed) => fs::remove_file(&named),
        Err(_) => fs::remove_file(&path),
    };
    done?;
    removed?;
    let system = rustix::fs::statvfs(there)?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize))
}

/// When the file system says that a file was made which is made now, under a name that is hidden, and removed.
pub(super) fn date_of_a_file(root: &Path) -> io::Result<std::time::SystemTime> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let path = root.join(format!(".redis-ops-clock.{}.part", hex::encode(random)));
    let file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&path)?;
    let date = file.metadata().and_then(|metadata| metadata.modified());
    fs::remove_file(&path)?;
    date
}

/// Why a file gets no name, when it can neither be linked nor renamed.
fn neither(linking: io::Error, renaming: rustix::io::Errno) -> io::Error {
    use rustix::io::Errno;
    let unknown = |errno: Option<i32>| {
        let known = [Errno::PERM, Errno::NOSYS, Errno::OPNOTSUPP, Errno::INVAL, Errno::MLINK].map(Errno::raw_os_error);
        errno.is_some_and(|errno| known.contains(&errno))
    };
    if unknown(linking.raw_os_error()) && unknown(Some(renaming.raw_os_error())) {
        let words = "this file system cannot create a file without the risk of replacing another: it supports neither hard links nor a rename that never replaces";
        return io::Error::new(io::ErrorKind::Unsupported, words);
    }
    linking
}

/// The name that a temporary file's object would have had; `None` if it is none of ours.
pub(super) fn temporary_for(name: &str) -> Option<&str> {
    let (name, random) = name.strip_prefix('.')?.strip_suffix(".part")?.rsplit_once('.')?;
    (random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit()) && !name.is_empty()).then_some(name)
}

/// Removes a file, and the folders above it that are empty then.
pub(super) fn remove(root: &Path, path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        // A folder is no object: there is nothing of that name.
        Err(_) if path.is_dir() => return Ok(()),
        removed => removed?,
    }
    sync_folder(remove_empty_folders(root, folder_of(path)?)?)
}

/// Removes a folder and those above it as far as they are empty, and returns the first that stays.
fn remove_empty_folders<'a>(root: &Path, mut folder: &'a Path) -> io::Result<&'a Path> {
    // Not empty, or not ours to remove: then it stays.
    while folder != root && fs::remove_dir(folder).is_ok() {
        folder = folder_of(folder)?;
    }
    Ok(folder)
}

fn folder_of(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Folders that were made for a file. Dropping them removes those that are empty: a file that could not be made leaves none.
#[derive(Debug, Default)]
struct Made(Vec<PathBuf>);

impl Made {
    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            if let Err(error) = fs::remove_dir(folder) {
                tracing::debug!("{} stays: {error}", folder.display());
            }
        }
    }
}

/// Refuses a folder behind a link that no listing follows: what is written there nobody would find again.
fn must_be_listed(root: &Path, folder: &Path) -> io::Result<()> {
    let Ok(below) = folder.strip_prefix(root) else { return Ok(()) };
    let mut path = root.to_owned();
    for (names, name) in below.components().enumerate() {
        path.push(name);
        if names >= LINKS_FOLLOWED && path.is_symlink() {
            let link = path.display();
            let words =
                format!("{link} is a symbolic link, and a listing does not follow it: put a folder in its place");
            return Err(io::Error::other(words));
        }
    }
    Ok(())
}

/// Makes the folders down to `folder`, each one durable in the one above it.
fn create_folders(root: &Path, folder: &Path, made: &mut Made) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.is_dir()).collect();
    while let Some(folder) = missing.pop() {
        match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            created => {
                created?;
                made.0.push(folder.to_owned());
            }
        }
        if folder != root {
            sync_folder(folder_of(folder)?)?;
        }
    }
    Ok(())
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some file systems cannot do this for a folder; one that was removed meanwhile needs it no more.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::NotFound
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

/// A large file on its way.
pub(super) struct FileUpload {
    local: Local,
    temporary: Temporary,
}

impl FileUpload {
    pub(super) fn new(local: Local, temporary: Temporary) -> Self {
        Self { local, temporary }
    }
}

#[async_trait]
impl Upload for FileUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let file = Arc::clone(&self.temporary.file);
        self.local.blocking(&self.temporary.target, Use::Write, move |_| (&*file).write_all(&bytes)).await
    }

    async fn complete(self: Box<Self>) -> Result<u64, StorageError> {
        let Self { local, temporary } = *self;
        local.blocking(&temporary.target.clone(), Use::Write, move |_| temporary.publish()).await
    }

    async fn abort(self: Box<Self>) -> Result<(), StorageError> {
        let Self { local, mut temporary } = *self;
        local.blocking(&temporary.target.clone(), Use::Write, move |_| temporary.give_up()).await
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_file_system_without_links_and_without_such_a_rename_is_told_from_a_right_that_is_missing() {
        let of = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        // vfat says EPERM to a link; FUSE says ENOSYS, NFS EINVAL to RENAME_NOREPLACE.
        for (link, rename) in
            [(Errno::PERM, Errno::INVAL), (Errno::OPNOTSUPP, Errno::NOSYS), (Errno::NOSYS, Errno::INVAL)]
        {
            assert_eq!(neither(of(link), rename).kind(), io::ErrorKind::Unsupported);
        }
        assert_eq!(neither(of(Errno::ACCESS), Errno::ACCESS).kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(neither(of(Errno::NOSPC), Errno::INVAL).kind(), io::ErrorKind::StorageFull);
    }
}
