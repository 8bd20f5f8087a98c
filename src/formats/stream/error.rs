//! What is no replication stream.

use std::fmt;

use crate::explain::{Explain, Meaning};

/// Bytes that are no commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamError {
    /// The offset of the byte that does not fit, as the scanner counts.
    pub offset: u64,
    /// What is wrong with it.
    pub kind: StreamErrorKind,
}

/// Why bytes are no commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamErrorKind {
    /// A command begins with `*`.
    NoCommand(u8),
    /// A length that is none, or beyond what a server sends.
    Length,
    /// A word does not end where its length says.
    WordEnd,
    /// `SELECT` of something that is no database.
    Database,
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {} of the replication stream: ", self.offset)?;
        match self.kind {
            StreamErrorKind::NoCommand(byte) => write!(f, "a command begins with byte 0x{byte:02x}"),
            StreamErrorKind::Length => f.write_str("a length cannot be read"),
            StreamErrorKind::WordEnd => f.write_str("a word is longer than its length says"),
            StreamErrorKind::Database => f.write_str("SELECT names no database"),
        }
    }
}

impl std::error::Error for StreamError {}

impl Explain for StreamError {
    fn meaning(&self) -> Meaning {
        Meaning::of("corrupt")
    }
}
