//! Turns what a node sends into an object of checked bytes.
//!
//! ```text
//! node   replication ─► Inspector ─► compressed frames ─► object      (pipeline)
//! node   SCAN + DUMP ─► the same, where replication is refused         (scan)
//! ```

pub(crate) mod incoming;
pub(crate) mod inspect;
pub(crate) mod pipeline;
pub mod scan;
pub(crate) mod shards;
pub(crate) mod slots;
pub(crate) mod source;
pub(crate) mod spool;

pub(crate) use incoming::CaptureError;
pub use incoming::Source;
pub use inspect::Inspector;
pub(crate) use inspect::{Inspected, KEYS_COMPARED, server_of};
