//! The file of a page: looked at before the work begins, and written whole or not at all.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use crate::commands::whole_file;
use crate::explain::{Context as _, Hint, Misuse, Result};

/// What a page says of itself before the version; a file that says so is one that may be replaced.
pub const GENERATOR: &str = "redis-ops ";
/// Bytes from the beginning of a page within which it says so.
const HEAD: u64 = 4096;

/// Says whether a page may be written to this path, and where that really is, before any work is done. Blocks.
///
/// # Errors
/// The path names a folder, a pipe, a device, a file that is no page of ours, or lies in a folder that cannot be written to.
pub fn checked(path: &Path) -> Result<PathBuf> {
    let shown = path.display();
    if path == Path::new("-") {
        return Err(Misuse::usage("the page cannot go to stdout, which has the answer").hint(Hint::PageFile).into());
    }
    let refused = |why: &str| Misuse::usage(format!("cannot write the page to {shown}: {why}"));
    // The file behind a link is replaced, and not the link.
    let real = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(refused(&error.to_string()).into()),
    };
    match fs::symlink_metadata(&real) {
        Ok(found) if found.is_dir() => {
            return Err(refused("this is a folder").hint("add a file name to the path").into());
        }
        Ok(found) if !found.is_file() => return Err(refused("this is not a regular file").into()),
        Ok(found) if found.len() > 0 && !is_a_page(&real) => {
            return Err(refused("this file exists, and is not a page of redis-ops").hint(Hint::PageFile).into());
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound && real.file_name().is_some() => {}
        Err(error) => return Err(refused(&error.to_string()).into()),
    }
    match whole_file::try_beside(&real) {
        Ok(()) => Ok(real),
        Err(error) => Err(refused(&error.to_string()).into()),
    }
}

/// Writes a page. Blocks.
///
/// # Errors
/// It cannot be written; what was there before still is.
pub fn write(path: &Path, page: &str) -> Result<()> {
    whole_file::write(path, page).with_context(|| format!("cannot write the page to {}", path.display()))
}

fn is_a_page(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    let mark = format!("<meta name=\"generator\" content=\"{GENERATOR}");
    read.is_ok() && String::from_utf8_lossy(&head).contains(&mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_no_place_for_a_page_is_refused_before_the_work() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("dump.rdb"), b"REDIS0011").expect("a file");
        std::os::unix::fs::symlink("/dev/null", at("link")).expect("a link");
        std::os::unix::fs::symlink(at("gone"), at("dangling")).expect("a link");
        let socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
        for (path, why) in [
            (PathBuf::from("-"), "the page cannot go to stdout"),
            (folder.path().to_owned(), "this is a folder"),
            (at("dump.rdb"), "this file exists, and is not a page of redis-ops"),
            (PathBuf::from("/dev/null"), "this is not a regular file"),
            (at("link"), "this is not a regular file"),
            (at("dangling"), "this is not a regular file"),
            (at("socket"), "this is not a regular file"),
            (at("no/such/folder/page.html"), "No such file or directory"),
        ] {
            let refused = checked(&path).expect_err("refused");
            assert!(refused.to_string().contains(why), "{}: {refused}", path.display());
        }
        drop(socket);
        assert_eq!(fs::read(at("dump.rdb")).expect("the file"), b"REDIS0011");
    }

    #[test]
    fn a_page_replaces_a_page_an_empty_file_and_what_a_link_leads_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let page = format!("<!DOCTYPE html><meta name=\"generator\" content=\"{GENERATOR}0.0.1\">");
        fs::write(at("empty.html"), "").expect("a file");
        fs::write(at("old.html"), &page).expect("a file");
        std::os::unix::fs::symlink(at("old.html"), at("link.html")).expect("a link");
        for name in ["new.html", "empty.html", "old.html", "link.html"] {
            let real = checked(&at(name)).expect("a place for a page");
            write(&real, &format!("{page}{name}")).expect("written");
            assert_eq!(fs::read_to_string(at(name)).expect("the page"), format!("{page}{name}"));
        }
        assert!(fs::symlink_metadata(at("link.html")).expect("the link").is_symlink());
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).expect("the folder").flatten().map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, ["empty.html", "link.html", "new.html", "old.html"]);
    }
}
