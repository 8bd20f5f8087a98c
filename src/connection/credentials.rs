//! Who we are to a server: a user name and a password that nothing prints.

use std::fmt;
use std::path::Path;

use crate::explain::{Explain, Meaning};
use crate::private_files;

/// The longest password file that is read, in bytes. A path to something endless must not fill the memory.
const PASSWORD_FILE_LIMIT: u64 = 64 * 1024;

/// A text that is never shown: no `Display`, and `Debug` prints `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text that must not be shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Who we are to a server. Without a password there is no `AUTH`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The ACL user (Redis 6.0 or newer); `None` means the server's `default` user.
    pub username: Option<String>,
    /// The password; `None` sends no `AUTH`.
    pub password: Option<Secret>,
}

impl Credentials {
    /// Whether nothing is known: neither user nor password.
    pub fn is_empty(&self) -> bool {
        self.username.is_none() && self.password.is_none()
    }
}

/// Reads a password file: its content without one newline (`\n` or `\r\n`) at the end.
///
/// # Errors
/// A file that cannot be read, is longer than 64 KiB, is empty or is not UTF-8.
pub fn read_password_file(path: &Path) -> Result<Secret, PasswordFileError> {
    let fail = |reason: String| PasswordFileError { path: path.display().to_string(), reason };
    let mut text = private_files::read_secret(path, PASSWORD_FILE_LIMIT).map_err(fail)?.text;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err(fail("it is empty".to_owned()));
    }
    Ok(Secret(text))
}

/// A password file that cannot be used. Its content is not part of the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the password file {path}: {reason}")]
pub struct PasswordFileError {
    /// The path as it was given.
    pub path: String,
    /// Why, in words.
    pub reason: String,
}

impl Explain for PasswordFileError {
    fn meaning(&self) -> Meaning {
        Meaning::of("usage").unknown()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &[u8], expected: Result<&str, &str>) {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), content).expect("it can be written");
        let read = read_password_file(file.path());
        match expected {
            Ok(password) => assert_eq!(read.expect("a password").expose(), password),
            Err(reason) => assert_eq!(read.expect_err("an error").reason, reason),
        }
    }

    #[test]
    fn one_newline_at_the_end_of_a_password_file_is_not_part_of_the_password() {
        check(b"secret", Ok("secret"));
        check(b"secret\n", Ok("secret"));
        check(b"secret\r\n", Ok("secret"));
        check(b"secret\n\n", Ok("secret\n"));
        check(b" se cret \n", Ok(" se cret "));
    }

    #[test]
    fn a_password_file_that_cannot_be_used_says_why() {
        check(b"", Err("it is empty"));
        check(b"\n", Err("it is empty"));
        check(b"\xff\xfe", Err("it is not UTF-8"));
        check(&vec![b'x'; 65_537], Err("it is longer than 65536 bytes"));
        let missing = read_password_file(Path::new("/nonexistent/password")).expect_err("there is none");
        assert!(missing.to_string().starts_with("cannot read the password file /nonexistent/password: "), "{missing}");
    }

    #[test]
    fn a_password_is_in_no_debug_output() {
        let credentials =
            Credentials { username: Some("ops".into()), password: Some(Secret::new("hunter2-do-not-print")) };
        let shown = format!("{credentials:?} {credentials:#?}");
        assert!(shown.contains("ops") && shown.contains("***") && !shown.contains("hunter2"), "{shown}");
    }
}
