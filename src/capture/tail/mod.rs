//! One moment over all shards of a cluster. Each shard's replication stream is followed from before its RDB is taken; when the last RDB is
//! there, the writes of all primaries are held for some milliseconds, and each stream is kept up to the offset of that moment: a tail.
//!
//! ```text
//! followers ─► a file for each shard (follow, spooled) ─┐
//! barrier   ─► the offsets of all primaries at a moment ┴─► seal: the stretch from the RDB to that offset ─► object
//! ```
//!
//! The link that carries the RDB cannot be the follower. It is an `rdb-only` one (6.2 and newer), for which the server keeps no commands
//! and which ends with the RDB. A full one would go on, but everything that is written during the transfer would wait in the server's
//! output buffer, whose limit (`client-output-buffer-limit replica`) ends the transfer of a large data set. A link of its own is read all
//! the time and costs the server nothing that it has to keep. It goes on from the offset that the server names in INFO: where a backlog
//! is active, as on every server that has a replica, that costs no snapshot at all. Else the empty filter makes the snapshot one of about
//! 172 bytes; 6.2 knows no filter, and is left and asked again, for the first attempt has made the backlog.

pub mod barrier;
mod error;
mod follow;
mod seal;
mod spooled;

pub use error::NoBarrier;
pub use follow::{Following, Lost};
pub use seal::{Sealed, Sealing, changes, seal};
pub use spooled::Spooled;
