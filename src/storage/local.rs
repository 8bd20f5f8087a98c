//! A local folder. An object is written under a hidden temporary name, made durable, and then linked to its name: linking
//! fails where there is one already, so nothing is ever renamed onto an existing name.

mod list;
mod read;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{LeftUploads, ObjectInfo, Reader, Reason, Storage, StorageError, Survey, Upload, key};
use crate::blocking;
use crate::explain::Hint;

/// A folder. It is made when the first object is written.
#[derive(Debug, Clone)]
pub struct Local {
    root: PathBuf,
}

impl Local {
    /// The folder at `root`; it need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        // So that it stays the same folder if the process changes its own.
        Self { root: std::path::absolute(&root).unwrap_or(root) }
    }

    fn path(&self, key: &str) -> Result<PathBuf, StorageError> {
        key::check(key)?;
        Ok(self.root.join(key))
    }

    /// Runs a piece of work that waits for the disk.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let root = self.root.clone();
        blocking::run(move || work(&root).map_err(|error| of_io(&root, error))).await
    }
}

/// The path, or the first folder above it that is there: what is missing is made in that one, which may forbid it.
fn there(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(path)
}

#[async_trait]
impl Storage for Local {
    fn describe(&self) -> String {
        super::Location::Local(self.root.clone()).to_string()
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), StorageError> {
        let path = self.path(key)?;
        let created = self.blocking(move |root| {
            let create = || {
                let mut temporary = write::Temporary::create(root, &path)?;
                temporary.write(&body)?;
                temporary.publish().map(|_| ())
            };
            match create() {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Err(of_io(there(&path), error))),
                created => created.map(Ok),
            }
        });
        created.await?
    }

    async fn replace(&self, key: &str, body: Bytes) -> Result<(), StorageError> {
        let path = self.path(key)?;
        self.blocking(move |root| {
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
        let folder = folder.trim_end_matches('/').to_owned();
        let tried = self.blocking(move |root| {
            let folder = root.join(folder);
            Ok(write::try_writing(&folder).map_err(|error| of_io(there(&folder), error)))
        });
        tried.await?.map(Some)
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, StorageError> {
        let path = self.path(key)?;
        match self.blocking(move |_| read::whole(&path, limit)).await? {
            Ok(body) => Ok(body),
            Err(length) => Err(StorageError::TooLarge { length, limit }),
        }
    }

    async fn open(&self, key: &str, offset: u64) -> Result<Reader, StorageError> {
        let path = self.path(key)?;
        let file = self.blocking(move |_| read::open(&path, offset)).await?;
        Ok(Box::new(read::FileChunks::new(self.clone(), file)))
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
        let path = self.path(key)?;
        let key = key.to_owned();
        self.blocking(move |_| list::info(&path, key)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        key::check_prefix(prefix)?;
        let prefix = prefix.to_owned();
        self.blocking(move |root| list::objects(root, &prefix, &mut |_, error| Err(error))).await
    }

    async fn survey(&self, prefix: &str) -> Result<Survey, StorageError> {
        key::check_prefix(prefix)?;
        let prefix = prefix.to_owned();
        self.blocking(move |root| {
            let mut unreadable = Vec::new();
            let objects = list::objects(root, &prefix, &mut |folder, error| {
                unreadable.push((format!("{folder}/"), of_io(&root.join(folder), error)));
                Ok(())
            })?;
            Ok(Survey { objects, unreadable })
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        let path = self.path(key)?;
        self.blocking(move |root| write::remove(root, &path)).await
    }

    async fn leads_elsewhere(&self, folder: &str) -> Result<bool, StorageError> {
        key::check_prefix(folder)?;
        let folder = folder.to_owned();
        self.blocking(move |root| {
            let mut path = root.to_owned();
            for name in folder.split('/').filter(|name| !name.is_empty()) {
                path.push(name);
                match std::fs::symlink_metadata(&path) {
                    Ok(found) if found.is_symlink() => return Ok(true),
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            Ok(false)
        })
        .await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StorageError> {
        let path = self.path(key)?;
        let temporary = self.blocking(move |root| write::Temporary::create(root, &path)).await?;
        Ok(Box::new(write::FileUpload::new(self.clone(), temporary)))
    }

    async fn unfinished(&self, prefix: &str) -> Result<Option<LeftUploads>, StorageError> {
        key::check_prefix(prefix)?;
        let prefix = prefix.to_owned();
        let found = self.blocking(move |root| list::unfinished(root, &prefix)).await?;
        let uploads = found.into_iter().map(|(object, _)| object).collect();
        Ok(Some(LeftUploads { uploads, unmeasured: 0 }))
    }

    async fn abort_unfinished(&self, prefix: &str, before: DateTime<Utc>) -> Result<Option<u64>, StorageError> {
        key::check_prefix(prefix)?;
        let prefix = prefix.to_owned();
        let removed = self.blocking(move |root| {
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

/// What the system says, in our words.
fn of_io(root: &Path, error: io::Error) -> StorageError {
    use io::ErrorKind;
    let shown = root.display();
    if let Some(file) = root.ancestors().find(|above| above.exists()).filter(|above| !above.is_dir()) {
        return StorageError::NotAPlace(
            Reason::new(format!("{} is not a folder", file.display())).hint(Hint::NameFolder),
        );
    }
    match error.kind() {
        // Without its folder an object is not missing: the place is.
        ErrorKind::NotFound if !root.exists() => StorageError::NoSuchPlace(format!("the folder {shown}").into()),
        ErrorKind::NotFound | ErrorKind::IsADirectory | ErrorKind::NotADirectory => StorageError::NotFound,
        ErrorKind::AlreadyExists => StorageError::AlreadyExists,
        ErrorKind::ReadOnlyFilesystem => StorageError::AccessDenied(
            Reason::new(format!("{shown} ({error})")).hint("mount that file system read-write, or name another folder"),
        ),
        ErrorKind::PermissionDenied => {
            let user = rustix::process::geteuid().as_raw();
            StorageError::AccessDenied(Reason::new(format!("{shown} ({error})")).hint(format!(
                "the user of this process (uid {user}) needs to read, write and search {shown} and all below it, and to search the folders above"
            )))
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
            let error = of_io(Path::new("/"), io::Error::from_raw_os_error(errno));
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
                let error = of_io(&root, io::Error::from_raw_os_error(errno));
                assert_eq!(error.code(), "not_a_store", "{}: {error}", root.display());
            }
        }
    }
}
