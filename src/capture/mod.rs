//! Turns what a node sends into an object of checked bytes.
//!
//! ```text
//! node   replication ─► Inspector ─► compressed frames ─► object      (pipeline)
//! node   SCAN + DUMP ─► the same, where replication is refused         (scan)
//! ```

pub mod incoming;
pub mod inspect;
pub mod pipeline;
pub mod scan;
pub mod shards;
pub mod slots;
pub mod source;
pub mod spool;

pub use incoming::{CaptureError, Source};
pub use inspect::{Inspected, Inspector, KEYS_COMPARED, server_of};
