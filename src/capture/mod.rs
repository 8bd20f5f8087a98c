//! Turns a node, a stored backup or a file into checked bytes.
//!
//! ```text
//! node     replication ─► Inspector ─► compressed frames ─► object      (pipeline)
//! node     SCAN + DUMP ─► the same, where replication is refused         (scan)
//! backup   object ─► frames ─► Raw ─► Inspector or entries              (open, unpack, raw)
//! file     .rdb .rdb.gz .rdb.zst - ─► Raw ─► Inspector or entries       (open, unpack, raw)
//! ```

mod file;
pub mod foreign;
pub mod inspect;
mod open;
pub mod pipeline;
pub mod raw;
pub mod scan;
pub mod shards;
pub mod slots;
pub mod source;
pub mod spool;
mod unpack;

pub use foreign::Foreign;
pub use inspect::{Inspected, Inspector, KEYS_COMPARED, server_of};
pub use open::{open_file, open_object};
pub use pipeline::CaptureError;
pub use raw::{NotAsStored, Opened, Padding, Promised, Raw, RawError, Seen};
