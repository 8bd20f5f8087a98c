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
