//! The formats, as the whole crate names them, and nothing else of it; and what must hold of them.

extern crate self as redis_ops;

pub use redis_ops_formats::{census, rdb, stream};

// The tests of the whole crate hold the same things against mutated files.
#[path = "checks/mod.rs"]
pub mod checks;
