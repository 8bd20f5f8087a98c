//! Errors of which every floor may have need: those that have nothing to say but words, a code and what may help.

use std::fmt;

use super::{Explain, Hint, Meaning};

/// What was asked cannot be understood, or cannot be done as it was asked: exit 3 for every command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misuse {
    code: &'static str,
    message: String,
    hint: Option<Hint>,
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

    /// Says what may help.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Misuse {}

impl Explain for Misuse {
    fn meaning(&self) -> Meaning {
        Meaning { hint: self.hint.clone(), ..Meaning::of(self.code).unknown() }
    }
}

/// Something that was not done, or not completely, in words of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    code: &'static str,
    message: String,
    hint: Option<Hint>,
}

impl Failure {
    /// `code`: the stable name in JSON answers.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// Says what may help.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Explain for Failure {
    fn meaning(&self) -> Meaning {
        Meaning { hint: self.hint.clone(), ..Meaning::of(self.code) }
    }
}

/// Stopped by a signal. The function that returns this has cleaned up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Explain for Interrupted {
    fn meaning(&self) -> Meaning {
        Meaning::of("interrupted")
    }
}

/// A panic that was caught: our own mistake, never the user's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is a bug in redis-ops: {0}")]
pub struct Bug(pub String);

impl Explain for Bug {
    fn meaning(&self) -> Meaning {
        Meaning::bug()
    }
}
