//! Bytes and what they mean: the RDB format, the replication stream, compressed frames, the census of a data set, and what an error means.
//!
//! The lowest floors of `redis-ops`, as far as they look at nothing but each other; `redis_ops` shows them under its own name. They are a
//! crate of their own so that they can be optimized where the floors above are not: a debug build spends most of its time in here.

pub mod explain;
pub mod slots;

pub mod codec;
pub mod rdb;
pub mod stream;

pub mod census;
