//! What lies in the folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::{LINKS_FOLLOWED, write};
use crate::storage::{ObjectInfo, Odd, key};

/// Length and time of one file; whatever is no file is not there.
pub(super) fn info(path: &Path, key: String) -> io::Result<ObjectInfo> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let modified = metadata.modified().ok().map(DateTime::<Utc>::from);
    Ok(ObjectInfo { key, length: metadata.len(), modified, is_archived: false })
}

/// What is told of a folder that cannot be read, by its key: it ends the walk, or does not.
type Unreadable<'a> = &'a mut dyn FnMut(&str, io::Error) -> io::Result<()>;

pub(super) fn objects(root: &Path, prefix: &str, unreadable: Unreadable<'_>) -> io::Result<Vec<ObjectInfo>> {
    let mut found = Vec::new();
    let visit = &mut |key: String, path: &Path| {
        if key::is_shown(&key) {
            found.extend(present(info(path, key))?);
        }
        Ok(())
    };
    walk(root, prefix, visit, unreadable)?;
    found.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(found)
}

/// Temporary files of uploads, under the key that the object would have had, and where they lie.
pub(super) fn unfinished(root: &Path, prefix: &str) -> io::Result<Vec<(ObjectInfo, PathBuf)>> {
    let mut found: Vec<(ObjectInfo, PathBuf)> = Vec::new();
    let visit = &mut |key: String, path: &Path| {
        let (folder, name) = key.rsplit_once('/').map_or(("", key.as_str()), |(folder, name)| (folder, name));
        if let Some(name) = write::temporary_for(name) {
            let key = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            if key.starts_with(prefix) {
                found.extend(present(info(path, key))?.map(|object| (object, path.to_owned())));
            }
        }
        Ok(())
    };
    // What cannot be seen cannot be counted, and says so where it is listed.
    walk(root, prefix, visit, &mut |_, _| Ok(()))?;
    found.sort_by(|(a, _), (b, _)| a.key.cmp(&b.key));
    Ok(found)
}

/// Gives every file whose key may begin with `prefix`, with its key; the hidden ones of that folder too.
fn walk(
    root: &Path,
    prefix: &str,
    visit: &mut dyn FnMut(String, &Path) -> io::Result<()>,
    unreadable: Unreadable<'_>,
) -> io::Result<()> {
    let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match entries(root, &root.join(&folder)) {
            // A place that cannot be read at all is no folder of it that cannot.
            Err(error) if !folder.is_empty() && fs::read_dir(root).is_ok() => {
                unreadable(&folder, error)?;
                continue;
            }
            entries => entries?,
        };
        for entry in entries.into_iter().flatten() {
            let entry = entry?;
            // A name that is not UTF-8 cannot be a key.
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let key = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if is_folder(&entry, key.split('/').count() <= LINKS_FOLLOWED)? {
                if key.starts_with(prefix) || prefix.starts_with(&format!("{key}/")) {
                    folders.push(key);
                }
            } else if key.starts_with(prefix) || name.starts_with('.') {
                visit(key, &entry.path())?;
            }
        }
    }
    Ok(())
}

/// See [`crate::storage::Storage::odd`]; nothing where there is no such folder.
pub(super) fn odd(root: &Path, folder: &str) -> io::Result<Odd> {
    let mut way = String::new();
    for name in folder.split('/').filter(|name| !name.is_empty()) {
        if !way.is_empty() {
            way.push('/');
        }
        way.push_str(name);
        match fs::symlink_metadata(root.join(&way)) {
            Ok(found) if found.is_symlink() => return Ok(Odd { link: Some(way), ..Odd::default() }),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let (mut odd, mut folders) = (Odd::default(), vec![(way, root.join(folder))]);
    while let Some((folder, path)) = folders.pop() {
        for entry in entries(root, &path)?.into_iter().flatten() {
            let entry = entry?;
            let (kind, name) = (entry.file_type()?, entry.file_name());
            let key = format!("{folder}/{}", name.to_string_lossy());
            // A name that is not UTF-8 is shown in a way that no key can be read from.
            let is_text = name.to_str().is_some();
            if kind.is_symlink() {
                odd.link.get_or_insert(key);
            } else if kind.is_dir() {
                folders.push((key, entry.path()));
            } else if !(kind.is_file() && is_text && key::is_shown(&key))
                && name.to_str().is_none_or(|name| write::temporary_for(name).is_none())
            {
                odd.unlisted.push(key);
            }
        }
    }
    odd.unlisted.sort();
    Ok(odd)
}

fn is_folder(entry: &fs::DirEntry, follow: bool) -> io::Result<bool> {
    let kind = entry.file_type()?;
    Ok(kind.is_dir() || (follow && kind.is_symlink() && entry.path().is_dir()))
}

/// The entries of a folder; `None` if it is not there while the root is.
fn entries(root: &Path, folder: &Path) -> io::Result<Option<fs::ReadDir>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && root.exists() => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory && folder != root => Ok(None),
        read => read.map(Some),
    }
}

/// A file that goes away while it is listed is not there.
fn present(info: io::Result<ObjectInfo>) -> io::Result<Option<ObjectInfo>> {
    match info {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // A link to itself leads to nothing.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => Ok(None),
        info => info.map(Some),
    }
}
