//! Files that only we may read: what a run remembers for a later one holds names of servers and of keys; and what a person keeps secret.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Makes a folder, and those above it that are missing, for us alone (0700). One that is there already is closed to others, if it is ours.
///
/// # Errors
/// The folder cannot be made.
pub fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        // Another user's folder, say: what is written into it is closed all the same.
        let _ = fs::set_permissions(path, Permissions::from_mode(0o700));
    }
    Ok(())
}

/// A new, empty file for us alone (0600), in place of one that is there.
///
/// # Errors
/// The file cannot be made, or not be closed to others.
pub fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // An earlier version may have made it.
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// The content of a file that holds a secret. Nothing prints it: there is no `Debug`.
pub struct Secret {
    /// All of it.
    pub text: String,
    /// Whether users of this machine may read the file who are neither its owner nor of its group.
    pub is_open: bool,
}

/// Reads a file that holds a secret. A path to something endless must not fill the memory: more than `limit` bytes are an error.
///
/// # Errors
/// Why it cannot be read, in words; none of its content is part of them.
pub fn read_secret(path: &Path, limit: u64) -> Result<Secret, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let is_open = file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o004 != 0);
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content).map_err(|error| error.to_string())?;
    if content.len() as u64 > limit {
        return Err(format!("it is longer than {limit} bytes"));
    }
    let text = String::from_utf8(content).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(Secret { text, is_open })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_and_what_was_open_is_closed() {
        let above = tempfile::tempdir().expect("a folder");
        let (one, two) = (above.path().join("one"), above.path().join("one/two"));
        folder(&two).expect("made");
        assert_eq!((mode(&one), mode(&two)), (0o700, 0o700));
        fs::set_permissions(&two, Permissions::from_mode(0o755)).expect("opened");
        let file = two.join("file");
        fs::write(&file, "old").expect("written");
        fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("opened");
        folder(&two).expect("there");
        create(&file).expect("made anew");
        assert_eq!((mode(&two), mode(&file), fs::read(&file).expect("read").len()), (0o700, 0o600, 0));
    }
}
