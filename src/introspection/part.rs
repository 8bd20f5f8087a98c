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
    /// It was not asked for, since the answer would be too large.
    TooLarge(String),
    /// Nobody asked.
    #[default]
    NotAsked,
}

impl<T> Part<T> {
    /// What an answer holds, or why it holds nothing.
    pub fn of(reply: Reply, parse: impl FnOnce(&Reply) -> Option<T>) -> Self {
        if let Reply::Error(message) = &reply {
            let unknown = message.contains("unknown command") || message.contains("nknown subcommand");
            let message = message.chars().filter(|character| !character.is_control()).take(120).collect();
            return if unknown { Self::Unsupported(message) } else { Self::Denied(message) };
        }
        parse(&reply).map_or_else(|| Self::Denied("the answer is empty".to_owned()), Self::Got)
    }

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
            Self::TooLarge(reason) => Err(format!("{what}: too large to be asked for: {reason}")),
            Self::NotAsked => Err(format!("{what}: not asked for")),
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
