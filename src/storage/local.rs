//! A local folder. An object is written under a hidden temporary name, made durable, and then linked to its name: linking
//! fails where there is one already, so nothing is ever renamed onto an existing name.

mod list;
mod read;
mod write;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::{LeftUploads, ObjectInfo, Odd, Reader, Reason, Storage, StorageError, Survey, Upload, key};
use crate::blocking;
use crate::explain::Hint;

/// A folder. It is made when the first object is written.
#[derive(Debug, Clone)]
pub struct Local {
    root: PathBuf,
    /// By how much the clock that dates its files is ahead of ours, once it was asked: a file server has its own.
    ahead: Arc<OnceLock<TimeDelta>>,
}

/// Links to folders are followed so many names below the root: to an instance on another disk, or to a backup of it. Deeper ones are
/// not, because they may lead in a circle.
const LINKS_FOLLOWED: usize = 2;

/// A file is dated by a clock that goes by ticks: so little is no difference.
const TICKS: TimeDelta = TimeDelta::seconds(2);

impl Local {
    /// The folder at `root`; it need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        // So that it stays the same folder if the process changes its own.
        Self { root: std::path::absolute(&root).unwrap_or(root), ahead: Arc::default() }
    }

    fn path(&self, key: &str) -> Result<PathBuf, StorageError> {
        key::check(key)?;
        Ok(self.root.join(key))
    }

    /// Runs a piece of work on this path that waits for the disk.
    async fn blocking<T: Send + 'static>(
        &self,
        path: &Path,
        used: Use,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (root, path) = (self.root.clone(), path.to_owned());
        blocking::run(move || work(&root).map_err(|error| of_io(&root, &path, used, error))).await
    }
}

/// What is done with a file or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    /// It is made, replaced or removed: its folder has to allow that.
    Write,
}

impl Use {
    /// What forbids it: the path itself or its folder, or the first above it that can be seen at all.
    fn forbidden_by(self, path: &Path) -> &Path {
        let path = if self == Self::Write { path.parent().unwrap_or(path) } else { path };
        path.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(path)
    }

    /// The rights that are missing.
    fn needs(self, path: &Path) -> String {
        let shown = path.display();
        match self {
            Self::Read if path.is_dir() => format!("read and search {shown}, and to search the folders above"),
            Self::Read => format!("read {shown}, and to search the folders above"),
            Self::Write => format!("write to {shown} and search it, and to search the folders above"),
        }
    }
}

#[async_trait]
impl Storage for Local {
    fn describe(&self) -> String {
        super::Location::Local(self.root.clone()).to_string()
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), StorageError> {
        let path = self.path(key)?;
        self.blocking(&path.clone(), Use::Write, move |root| {
            let mut temporary = write::Temporary::create(root, &path)?;
            temporary.write(&body)?;
            temporary.publish().map(|_| ())
        })
        .await
    }

    async fn replace(&self, key: &str, body: Bytes) -> Result<(), StorageError> {
        let path = self.path(key)?;
        self.blocking(&path.clone(), Use::Write, move |root| {
            let mut temporary = write::Temporary::over(root, &path)?;
            temporary.write(&body)?;
            temporary.replace()
        })
        .await
    }

    fn keeps_conditions_by_nature(&self) -> Option<bool> {
        // A link is made only where there is none.
        Some(true)
    }

    async fn keeps_conditions(&self, _key: &str, _body: Bytes) -> Result<bool, StorageError> {
        Ok(true)
    }

    async fn try_writing(&self, folder: &str) -> Result<Option<u64>, StorageError> {
        key::check_prefix(folder)?;
        let folder = self.root.join(folder.trim_end_matches('/'));
        // Of a file that would lie in it.
        let tried = folder.join("file");
        self.blocking(&tried, Use::Write, move |_| write::try_writing(&folder)).await.map(Some)
    }

    fn now(&self) -> DateTime<Utc> {
        Utc::now() + self.ahead.get().copied().unwrap_or_default()
    }

    async fn hear_clock(&self) {
        if self.ahead.get().is_some() {
            return;
        }
        let file = self.root.join("file");
        let dated = self.blocking(&file, Use::Write, |root| {
            let before = Utc::now();
            Ok(DateTime::<Utc>::from(write::date_of_a_file(root)?) - before)
        });
        match dated.await {
            Ok(ahead) => drop(self.ahead.set(if ahead.abs() < TICKS { TimeDelta::zero() } else { ahead })),
            Err(error) => tracing::debug!(%error, "the clock of the folder is not known"),
        }
    }

    async fn in_the_way(&self, key: &str) -> Option<&'static str> {
        let path = self.path(key).ok()?;
        let at = path.clone();
        let looked = self.blocking(&at, Use::Read, move |_| {
            let kind = path.symlink_metadata()?.file_type();
            Ok(match path.metadata() {
                Ok(target) if target.is_file() => None,
                Ok(target) if target.is_dir() => Some("a folder"),
                Err(_) if kind.is_symlink() => Some("a link that leads nowhere"),
                // A file that is gone by now.
                Err(_) => None,
                Ok(_) => Some("no file"),
            })
        });
        looked.await.ok().flatten()
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, StorageError> {
        let path = self.path(key)?;
        match self.blocking(&path.clone(), Use::Read, move |_| read::whole(&path, limit)).await? {
            Ok(body) => Ok(body),
            Err(length) => Err(StorageError::TooLarge { length, limit }),
        }
    }

    async fn open(&self, key: &str, offset: u64) -> Result<Reader, StorageError> {
        let path = self.path(key)?;
        let named = path.clone();
        let file = self.blocking(&path, Use::Read, move |_| read::open(&named, offset)).await?;
        Ok(Box::new(read::FileChunks::new(self.clone(), path, file)))
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
        let path = self.path(key)?;
        let key = key.to_owned();
        self.blocking(&path.clone(), Use::Read, move |_| list::info(&path, key)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        key::check_prefix(prefix)?;
        let (at, prefix) = (self.root.join(prefix), prefix.to_owned());
        self.blocking(&at, Use::Read, move |root| list::objects(root, &prefix, &mut |_, error| Err(error))).await
    }

    async fn survey(&self, prefix: &str) -> Result<Survey, StorageError> {
        key::check_prefix(prefix)?;
        let (at, prefix) = (self.root.join(prefix), prefix.to_owned());
        self.blocking(&at, Use::Read, move |root| {
            let mut unreadable = Vec::new();
            let objects = list::objects(root, &prefix, &mut |folder, error| {
                let path = root.join(folder);
                unreadable.push((format!("{folder}/"), of_io(&path, &path, Use::Read, error)));
                Ok(())
            })?;
            Ok(Survey { objects, unreadable })
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        let path = self.path(key)?;
        self.blocking(&path.clone(), Use::Write, move |root| write::remove(root, &path)).await
    }

    async fn odd(&self, folder: &str) -> Result<Odd, StorageError> {
        key::check_prefix(folder)?;
        let folder = folder.trim_end_matches('/').to_owned();
        let at = self.root.join(&folder);
        self.blocking(&at, Use::Read, move |root| list::odd(root, &folder)).await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StorageError> {
        let path = self.path(key)?;
        let target = path.clone();
        let temporary = self.blocking(&path, Use::Write, move |root| write::Temporary::create(root, &target)).await?;
        Ok(Box::new(write::FileUpload::new(self.clone(), temporary)))
    }

    async fn unfinished(&self, prefix: &str) -> Result<Option<LeftUploads>, StorageError> {
        key::check_prefix(prefix)?;
        let (at, prefix) = (self.root.join(prefix), prefix.to_owned());
        let found = self.blocking(&at, Use::Read, move |root| list::unfinished(root, &prefix)).await?;
        let uploads = found.into_iter().map(|(object, _)| object).collect();
        Ok(Some(LeftUploads { uploads, unmeasured: 0 }))
    }

    async fn abort_unfinished(&self, prefix: &str, before: DateTime<Utc>) -> Result<Option<u64>, StorageError> {
        key::check_prefix(prefix)?;
        let (at, prefix) = (self.root.join(prefix), prefix.to_owned());
        let removed = self.blocking(&at, Use::Write, move |root| {
            let old = |object: &ObjectInfo| object.modified.is_some_and(|modified| modified < before);
            let mut removed = 0;
            for (_, path) in list::unfinished(root, &prefix)?.into_iter().filter(|(object, _)| old(object)) {
                write::remove(root, &path)?;
                removed += 1;
            }
            Ok(removed)
        });
        removed.await.map(Some)
    }
}

/// What the system says of a path below the root, in our words.
fn of_io(root: &Path, path: &Path, used: Use, error: io::Error) -> StorageError {
    use io::ErrorKind;
    let shown = root.display();
    if let Some(file) = root.ancestors().find(|above| above.exists()).filter(|above| !above.is_dir()) {
        return StorageError::NotAPlace(
            Reason::new(format!("{} is a file, not a folder", file.display())).hint(Hint::NameFolder),
        );
    }
    // Where a link leads nowhere the system says that there is something, or that there is nothing: neither tells what to do.
    if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound)
        && (used == Use::Write || !root.exists())
        && let Some((link, to)) = leads_nowhere(path)
    {
        let reason = Reason::new(format!("{} is a symbolic link to {}, which", link.display(), to.display()));
        let hint = format!("create {}, remove the link, or name another folder", to.display());
        return StorageError::NoSuchPlace(reason.hint(hint));
    }
    match error.kind() {
        // Without its folder an object is not missing: the place is.
        ErrorKind::NotFound if !root.exists() => StorageError::NoSuchPlace(format!("the folder {shown}").into()),
        ErrorKind::NotFound | ErrorKind::IsADirectory | ErrorKind::NotADirectory => StorageError::NotFound,
        ErrorKind::AlreadyExists => StorageError::AlreadyExists,
        ErrorKind::ReadOnlyFilesystem => StorageError::AccessDenied(
            Reason::new(format!("{} ({error})", used.forbidden_by(path).display()))
                .hint("mount that file system read-write, or name another folder"),
        ),
        ErrorKind::PermissionDenied => {
            let user = rustix::process::geteuid().as_raw();
            let forbids = used.forbidden_by(path);
            let needs = used.needs(forbids);
            StorageError::AccessDenied(
                Reason::new(format!("{} ({error})", forbids.display()))
                    .hint(format!("the user of this process (uid {user}) needs to {needs}")),
            )
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            StorageError::Full(format!("{shown} ({error})").into())
        }
        ErrorKind::TimedOut | ErrorKind::StaleNetworkFileHandle | ErrorKind::HostUnreachable => {
            StorageError::unavailable(
                Reason::new(format!("{shown} ({error})"))
                    .hint("fix the mount of that network file system, then try again"),
            )
        }
        ErrorKind::Unsupported => StorageError::other(
            Reason::new(format!("{shown}: {error}")).hint("name a folder on another file system, such as ext4 or xfs"),
        ),
        _ => StorageError::other(format!("{shown}: {error}")),
    }
}

/// The link on the way to this path that leads nowhere, and where it leads to.
fn leads_nowhere(path: &Path) -> Option<(PathBuf, PathBuf)> {
    // Behind a slash at its end a link is followed.
    let path: PathBuf = path.components().collect();
    let link = path.ancestors().find(|at| at.symlink_metadata().is_ok())?;
    let to = std::fs::read_link(link).ok().filter(|_| !link.exists())?;
    Some((link.to_owned(), link.parent().map_or_else(|| to.clone(), |folder| folder.join(&to))))
}

#[cfg(test)]
mod tests {
    use super::*;

    // errno of Linux: ENOSPC, EDQUOT, EFBIG, EACCES, EROFS, ESTALE.
    #[test]
    fn a_full_disk_and_a_forbidden_one_are_told_apart() {
        for (errno, code) in [
            (28, "no_space"),
            (122, "no_space"),
            (27, "no_space"),
            (13, "access_denied"),
            (30, "access_denied"),
            (116, "storage_unavailable"),
        ] {
            let error = of_io(Path::new("/"), Path::new("/"), Use::Read, io::Error::from_raw_os_error(errno));
            assert_eq!(error.code(), code, "errno {errno}: {error}");
        }
    }

    #[test]
    fn a_file_in_place_of_a_folder_is_told_as_that() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        for root in [file.clone(), file.join("below/it"), "/dev/null".into()] {
            for errno in [17, 20, 2] {
                let error = of_io(&root, &root, Use::Read, io::Error::from_raw_os_error(errno));
                assert_eq!(error.code(), "not_a_store", "{}: {error}", root.display());
            }
        }
    }
}
