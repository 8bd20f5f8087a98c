//! What an error means to whoever reads it: a stable code, how bad it is whatever the command was, and what may help.
//!
//! Typed errors are found anywhere in a chain. How errors are shown is the business of `commands`.

use std::fmt;

use crate::status::Status;
use crate::storage::StorageError;

/// What was asked cannot be understood, or cannot be done as it was asked: exit 3 for every command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misuse {
    code: &'static str,
    message: String,
    hint: Option<String>,
}

impl Misuse {
    /// Something on the command line, or a variable that stands for it.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: "usage", message: message.into(), hint: None }
    }

    /// Something in the settings file.
    pub fn settings(message: impl Into<String>) -> Self {
        Self { code: "settings", message: message.into(), hint: None }
    }

    /// Something that will be there one day and is not yet.
    pub fn not_supported_yet(what: &str) -> Self {
        Self { code: "not_supported", message: format!("{what} is not supported yet"), hint: None }
    }

    /// No such backup, or one that cannot be told from another (`not_found`, `ambiguous`).
    pub fn which_backup(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// Says what may help: one line, without `hint:`.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The stable code for JSON.
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Misuse {}

/// Stopped by a signal. Whoever sees it has cleaned up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// A panic that was caught: our own mistake, never the user's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is a bug in redis-ops: {0}")]
pub struct Bug(pub String);

/// What an error means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// Stable, snake_case.
    pub code: &'static str,
    /// The exit status, where it does not depend on the command.
    pub status: Option<Status>,
    /// One line that may help, without `hint:`.
    pub hint: Option<String>,
}

impl Meaning {
    fn new(code: &'static str) -> Self {
        Self { code, status: None, hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Looks for the first error of the chain, from the outside in, that is one of ours.
pub fn explain(error: &anyhow::Error) -> Meaning {
    // `downcast_ref` also finds what was given as a context, which the chain shows only as text.
    if let Some(misuse) = error.downcast_ref::<Misuse>() {
        return of_misuse(misuse);
    }
    if error.is::<Interrupted>() {
        return Meaning::new("interrupted");
    }
    error.chain().find_map(of_one).unwrap_or_else(|| Meaning::new("failed"))
}

fn of_one(error: &(dyn std::error::Error + 'static)) -> Option<Meaning> {
    if let Some(misuse) = error.downcast_ref::<Misuse>() {
        return Some(of_misuse(misuse));
    }
    if error.is::<Interrupted>() {
        return Some(Meaning::new("interrupted"));
    }
    let panicked = error.downcast_ref::<tokio::task::JoinError>().is_some_and(tokio::task::JoinError::is_panic);
    if panicked || error.is::<Bug>() {
        let meaning = Meaning::new("bug").hint("please report it, with the command line and this message");
        return Some(Meaning { status: Some(Status::Unknown), ..meaning });
    }
    if let Some(storage) = error.downcast_ref::<StorageError>() {
        return Some(of_storage(storage));
    }
    None
}

fn of_misuse(misuse: &Misuse) -> Meaning {
    Meaning { code: misuse.code, status: Some(Status::Unknown), hint: misuse.hint.clone() }
}

fn of_storage(error: &StorageError) -> Meaning {
    let meaning = Meaning::new(error.code());
    match error {
        StorageError::NoSuchPlace(_) => {
            meaning.hint("create the bucket or the folder first, or correct `--repository`")
        }
        StorageError::AccessDenied(_) => meaning
            .hint("the credentials need the rights to list, get and put below the prefix, and to delete what was not finished"),
        StorageError::Full(_) => meaning.hint("free some space, or name another place with `--repository`"),
        StorageError::Unavailable(_) => meaning.hint("check `--s3-endpoint`, the network and the certificate; then try again"),
        _ => meaning,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_typed_error_is_found_below_its_contexts() {
        let error = Err::<(), _>(StorageError::AccessDenied("PutObject".into()))
            .context("write begun.json")
            .context("begin a backup")
            .unwrap_err();
        let meaning = explain(&error);
        assert_eq!(meaning.code, "access_denied");
        assert_eq!(meaning.status, None);
        assert!(meaning.hint.is_some());
    }

    #[test]
    fn misuse_is_could_not_tell_for_every_command() {
        let error = anyhow::Error::new(Misuse::usage("no target").hint("name it")).context("restore");
        let meaning = explain(&error);
        assert_eq!(
            (meaning.code, meaning.status, meaning.hint.as_deref()),
            ("usage", Some(Status::Unknown), Some("name it"))
        );
    }

    #[test]
    fn what_nobody_knows_is_failed() {
        assert_eq!(explain(&anyhow::anyhow!("odd")).code, "failed");
    }
}
