//! A replication stream as commands: where each ends, which is in a transaction, which database is in force. Push bytes, get commands.
//!
//! A stream is what a server sends to its replicas behind the RDB: arrays of bulk strings one after the other, with bare line breaks
//! between them. It holds no time and no offsets; a caller that knows the offset of the first byte knows all others.

mod counts;
mod error;
mod scanner;
#[cfg(test)]
mod tests;

pub use counts::Counts;
pub use error::{StreamError, StreamErrorKind};
pub use scanner::{Command, Scanner, WORD_KEPT, WORDS_KEPT};
