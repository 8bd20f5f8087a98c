//! What a key may be: the same everywhere, so that a repository can be copied from any place to any other.

use super::StorageError;

/// S3 allows 1024 bytes for prefix and key together.
const LONGEST_KEY: usize = 900;

/// Refuses a key that could leave the place, that is hidden, or that not every place can hold.
pub(super) fn check(key: &str) -> Result<(), StorageError> {
    if key.len() <= LONGEST_KEY && key.split('/').all(is_name) {
        return Ok(());
    }
    Err(StorageError::other(format!("`{}` cannot be the key of an object", key.escape_debug())))
}

/// Checks a prefix, which may be empty, end with a slash or within a name.
pub(super) fn check_prefix(prefix: &str) -> Result<(), StorageError> {
    match prefix.strip_suffix('/').unwrap_or(prefix) {
        "" if prefix.is_empty() => Ok(()),
        key => check(key),
    }
}

/// Whether a listing shows it.
pub(super) fn is_shown(key: &str) -> bool {
    key.split('/').all(is_name)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['\\', '\0', '\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_leave_the_place_are_refused() {
        for key in ["", "/", "a/", "/a", "a//b", "..", "a/../b", "a/./b", ".hidden", "a\\b", "a\0b", &"a".repeat(901)] {
            assert!(check(key).is_err(), "{key:?}");
        }
        for key in ["a", "a/b-c/d_e.json", "ü/ö"] {
            assert!(check(key).is_ok(), "{key:?}");
        }
        for prefix in ["", "a", "a/", "a/b"] {
            assert!(check_prefix(prefix).is_ok(), "{prefix:?}");
        }
        for prefix in ["/", "../", "a//", ".."] {
            assert!(check_prefix(prefix).is_err(), "{prefix:?}");
        }
    }
}
