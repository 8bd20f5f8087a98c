//! A part of a snapshot: got, or not, and why not. What was not got is skipped by the rules, never taken for good.

use serde::{Deserialize, Serialize};

use crate::replies::Reply;

/// A part of a snapshot.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "state", content = "value", rename_all = "snake_case")]
pub enum Part<T> {
    /// Here it is.
    Got(T),
    /// The server refused: no permission, or a renamed command.
    Denied(String),
    /// The server does not know it: an older version, or another product.
    Unsupported(String),
    /// Not asked for, since the answer would be too large.
    TooLarge(String),
    #[default]
    NotAsked,
}

impl Part<Reply> {
    /// The answer itself, or why the server gave none.
    pub fn answered(reply: Reply) -> Self {
        let Reply::Error(message) = &reply else { return Self::Got(reply) };
        let unknown = message.contains("unknown command") || message.contains("nknown subcommand");
        let message = message.chars().filter(|character| !character.is_control()).take(120).collect();
        if unknown { Self::Unsupported(message) } else { Self::Denied(message) }
    }

    /// What the answer says.
    pub fn read<T>(self, parse: impl FnOnce(&Reply) -> Option<T>) -> Part<T> {
        match self {
            Self::Got(reply) => parse(&reply).map_or_else(|| Part::Denied("the answer is empty".to_owned()), Part::Got),
            Self::Denied(reason) => Part::Denied(reason),
            Self::Unsupported(reason) => Part::Unsupported(reason),
            Self::TooLarge(reason) => Part::TooLarge(reason),
            Self::NotAsked => Part::NotAsked,
        }
    }
}

impl<T> Part<T> {
    /// The value.
    ///
    /// # Errors
    ///
    /// Why there is none, as the reason of a skipped rule. `what` names the part.
    pub fn need(&self, what: &str) -> Result<&T, String> {
        match self {
            Self::Got(value) => Ok(value),
            Self::Denied(reason) => Err(format!("{what}: denied: {reason}")),
            Self::Unsupported(reason) => Err(format!("{what}: not supported by this server: {reason}")),
            Self::TooLarge(reason) => Err(format!("{what}: too large to request: {reason}")),
            Self::NotAsked => Err(format!("{what}: not read in this run")),
        }
    }

    /// The value, where the reason does not matter.
    pub fn got(&self) -> Option<&T> {
        match self {
            Self::Got(value) => Some(value),
            _ => None,
        }
    }
}

impl<T> From<T> for Part<T> {
    fn from(value: T) -> Self {
        Self::Got(value)
    }
}
