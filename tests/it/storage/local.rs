//! What only a local folder can do: crash, fill up, be forbidden.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use redis_ops::storage::{Local, Storage, StorageError};

use super::{keys, sample, upload};
use crate::support::skip;

#[tokio::test]
async fn what_a_crash_leaves_is_never_shown_and_can_be_found() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::new(folder.path());
    let mut begun = local.upload("prod/id/dump.rdb.gz").await.unwrap();
    begun.write(Bytes::from_static(b"half")).await.unwrap();
    std::mem::forget(begun); // as if the process had been killed
    assert_eq!(keys(&local, "").await, Vec::<String>::new());
    let left = local.unfinished("prod/").await.unwrap().unwrap().uploads;
    assert_eq!((left[0].key.as_str(), left[0].length), ("prod/id/dump.rdb.gz", 4));
    assert_eq!(local.unfinished("other/").await.unwrap().unwrap().uploads, []);
}

#[tokio::test]
async fn foreign_files_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".DS_Store"), "x").unwrap();
    fs::create_dir(folder.path().join(".git")).unwrap();
    fs::write(folder.path().join(".git/config"), "x").unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("circle")).unwrap();
    let local = Local::new(folder.path());
    assert_eq!(keys(&local, "").await, Vec::<String>::new());
    assert_eq!(local.unfinished("").await.unwrap().unwrap().uploads, []);
}

#[tokio::test]
async fn an_object_takes_the_folders_along_that_it_leaves_empty() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::new(folder.path());
    for key in ["list/a/1", "list/b/c/d"] {
        local.create(key, Bytes::from_static(b"x")).await.unwrap();
    }
    local.delete("list/b/c/d").await.unwrap();
    let left: Vec<_> =
        fs::read_dir(folder.path().join("list")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["a"]);
}

#[tokio::test]
async fn only_the_owner_can_read_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::new(folder.path().join("new"));
    upload(&local, "prod/dump", &Bytes::from_static(b"data")).await.unwrap();
    let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("new"), mode("new/prod"), mode("new/prod/dump")), (0o700, 0o700, 0o600));
}

#[tokio::test]
async fn a_folder_is_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::new(folder.path());
    local.create("a/b/c", Bytes::from_static(b"x")).await.unwrap();
    assert!(matches!(local.get("a/b", 10).await, Err(StorageError::NotFound)));
    assert!(matches!(local.head("a/b").await, Err(StorageError::NotFound)));
    local.delete("a/b").await.unwrap();
    assert_eq!(keys(&local, "").await, ["a/b/c"]);
}

#[tokio::test]
async fn a_folder_that_is_missing_is_named_and_made_when_something_is_written() {
    let local = Local::new("/no/such/folder");
    let error = local.list("").await.unwrap_err();
    assert!(matches!(&error, StorageError::NoSuchPlace(_)), "{error:?}");
    assert!(error.to_string().contains("/no/such/folder"));

    let folder = tempfile::tempdir().unwrap();
    let local = Local::new(folder.path().join("not/there/yet"));
    assert!(local.list("").await.is_err());
    local.create("a/b", Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(keys(&local, "").await, ["a/b"]);
}

/// A file system of one megabyte; `None` where we may not make one.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn mount() -> Option<Self> {
        Self::with("size=1m")
    }

    fn with(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn folders_that_were_made_for_a_file_which_cannot_be_made_are_removed() {
    // The root of the file system is one of these; what is left is enough for two folders, and not for the file in them.
    let Some(tiny) = Tiny::with("size=1m,nr_inodes=3") else { return skip("mount") };
    for key in ["prod/small", "prod/2026/small"] {
        let local = Local::new(tiny.path().join(if key == "prod/small" { "root" } else { "" }));
        assert_eq!(local.create(key, sample(10)).await.unwrap_err().code(), "no_space", "{key}");
        let left: Vec<_> = std::fs::read_dir(tiny.path()).unwrap().flatten().map(|file| file.path()).collect();
        assert!(left.is_empty(), "{key}: {left:?}");
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_leaves_nothing() {
    let Some(tiny) = Tiny::mount() else { return skip("mount") };
    let local = Local::new(tiny.path());
    let error = upload(&local, "prod/dump", &sample(3 << 20)).await.unwrap_err();
    assert!(matches!(&error, StorageError::Full(_)), "{error:?}");
    let error = local.create("prod/small", sample(2 << 20)).await.unwrap_err();
    assert_eq!(error.code(), "no_space");
    assert_eq!(keys(&local, "").await, Vec::<String>::new());
    assert_eq!(local.unfinished("").await.unwrap().unwrap().uploads, []);
    upload(&local, "prod/dump", &sample(500_000)).await.unwrap();
}
