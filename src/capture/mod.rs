//! Turns what a node sends into an object of checked bytes.
//!
//! ```text
//! node   replication ─► Inspector ─► compressed frames ─► object      (pipeline)
//! node   SCAN + DUMP ─► the same, where replication is refused         (scan)
//! node   its stream behind the RDB ─► a file, up to a moment of all shards ─► object      (tail)
//! ```

pub(crate) mod absolute;
pub(crate) mod incoming;
pub(crate) mod inspect;
pub(crate) mod pipeline;
pub(crate) mod pulse;
pub mod scan;
pub(crate) mod shards;
pub(crate) mod slots;
pub(crate) mod source;
pub(crate) mod spool;
pub(crate) mod tail;

pub(crate) use incoming::CaptureError;
pub use incoming::Source;
pub use inspect::Inspector;
pub(crate) use inspect::{Inspected, KEYS_COMPARED, server_of};
