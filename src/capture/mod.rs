//! Turns a node, a stored backup or a file into checked bytes and entries.
//!
//! ```text
//! node     replication ──► Inspector ──► compressed frames ──► object      (pipeline)
//! backup   object ──► frames ──► Raw ──► Inspector or entries              (stored)
//! file     .rdb .rdb.gz .rdb.zst - ──► Raw ──► Inspector or entries        (file)
//! ```

pub mod raw;

pub use raw::{Raw, RawError};
