//! What is odd in a file that can be read on past it, and what servers do with it.
//!
//! A scanner that reads on ([`super::Scanner::reading_on`]) tells each [`Oddity`] to its visitor, between the entry and the end
//! of the value that it belongs to; [`Oddities`] keeps the first of each kind and counts all. [`fate`] says what a server does
//! with such a file: from running real servers of these versions on files made for it, started with default settings; what was
//! not run is [`Fate::Unknown`].
//!
//! # How bad it is
//!
//! | worst fate on a server that meets the file's needs | finding | `verify` exits |
//! |---|---|---|
//! | one refuses the file, or dies when it loads it or uses the key | critical | 2 |
//! | all known ones take it | info: a note | 0 |
//! | a function or script that nobody has compiled here | info, and not known to be immune when a server is fed | 0 |
//!
//! Refusing is as bad as dying: a server that starts with the file ends, and a replica that is fed it ends.

mod collected;
mod compile;
mod fate;
mod functions;
mod kind;
mod lua;
mod server;

pub use collected::{NAME_KEPT, Named, Oddities, Seen};
pub use fate::{Fate, fate};
pub(crate) use functions::Libraries;
pub use functions::logs_while_it_loads;
pub use kind::OddityKind;
pub use server::Server;

use super::types::ValueType;

/// What is odd, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oddity<'a> {
    /// What is odd.
    pub kind: OddityKind,
    /// The kind more exactly, in words.
    pub what: &'static str,
    /// Byte in the file: of what is odd where that is known, else of the value's end.
    pub offset: u64,
    /// The key that it belongs to; `None`: to the file.
    pub owner: Option<Owner<'a>>,
    /// The name of the function library that it belongs to, where it has one that can be read; `None`: to none.
    pub library: Option<&'a [u8]>,
    /// As the file says and as it is (entries of a stream); or how often (duplicates) and 0.
    pub numbers: Option<(u64, u64)>,
}

/// The key that is odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner<'a> {
    /// Number of its database.
    pub database: u64,
    /// Its name, at most the first [`NAME_KEPT`] bytes.
    pub key: &'a [u8],
    /// Bytes of the whole name.
    pub key_length: u64,
    /// Encoding of its value.
    pub value_type: ValueType,
}
