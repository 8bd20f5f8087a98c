//! Errors that explain themselves: a stable code, how bad the error is whatever the command was, and what may help.
//!
//! [`Explain`] stands beside each error type, in the file of that type. An error type that wraps others asks the one that it holds, by a
//! `match` without `_`: a new arm does not compile without an answer. Commands return a [`Fault`], and only what explains itself
//! becomes one. Which options an error's hint names is chosen in `cli`: here a [`Hint`] says what may help, not how it is typed.

mod common;
mod fault;
mod hint;
mod of_others;
mod status;

pub use common::{Bug, Failure, Interrupted, Misuse};
pub use fault::{Context, Fault, Result};
pub use hint::{Hint, NOTHING_WRITTEN};
pub use status::Status;

/// An error that says what it means.
pub trait Explain: std::error::Error {
    /// Its code, its status and its hint.
    fn meaning(&self) -> Meaning;
}

/// The code of what has no name of its own.
const FAILED: &str = "failed";

/// What an error means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// The stable name in JSON answers, snake_case.
    pub code: &'static str,
    /// The exit status, where it is the same for every command. `None`: 2 for a command that does something, 3 for one that answers
    /// a question.
    pub status: Option<Status>,
    /// What may help.
    pub hint: Option<Hint>,
}

impl Meaning {
    /// This code, and nothing more.
    pub fn of(code: &'static str) -> Self {
        Self { code, status: None, hint: None }
    }

    /// Exit 3 for every command: what was asked was not understood, or nobody could tell.
    #[must_use]
    pub fn unknown(self) -> Self {
        Self { status: Some(Status::Unknown), ..self }
    }

    /// Says what may help.
    #[must_use]
    pub fn hint(self, hint: impl Into<Hint>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Of data at rest, which can be verified: what is damaged in it is no reason to give up the rest.
    #[must_use]
    pub fn at_rest(self) -> Self {
        match self.code {
            "truncated" | "corrupt" | "checksum_mismatch" if self.hint.is_none() => self.hint(Hint::VerifyTells),
            _ => self,
        }
    }

    /// This meaning, under `code` if the error has no code of its own.
    #[must_use]
    pub fn or(self, code: &'static str) -> Self {
        if self.code == FAILED { Self { code, ..self } } else { self }
    }

    /// A mistake of ours, never the user's.
    pub fn bug() -> Self {
        Self::of("bug").unknown().hint(Hint::ReportIt)
    }
}
