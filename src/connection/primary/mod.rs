//! Our side as a primary: a target that was told `REPLICAOF` comes to our listening socket, is recognised, and is fed one RDB, and
//! a replication stream behind it where one is wanted.
//!
//! ```text
//! Listener::bind ─► REPLICAOF to the target (not ours) ─► Listener::recognise ─► Link::full_resync ─► its REPLCONF ACK
//! ```
//!
//! By hand, because a client library buffers a bulk whole and an RDB is one bulk. Nothing but bytes is known here: that they
//! are a good RDB, and what the target is told before and after, is the business of `restore`.

mod error;
mod handshake;
mod link;
mod listener;
mod request;
mod tls;

pub(crate) use error::FeedError;
pub use handshake::Caller;
pub(crate) use link::Snapshot;
pub use link::{Link, Loaded, Streamed};
pub use listener::Listener;
pub(crate) use tls::server_config;
