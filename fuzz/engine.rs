//! The RDB engine and the census, as the whole crate names them, and nothing else of it; and what must hold of them.

// What only the rest of the tool calls.
#![allow(dead_code)]

extern crate self as redis_ops;

#[path = "../src/rdb/mod.rs"]
pub mod rdb;

#[path = "../src/census/mod.rs"]
pub mod census;

#[path = "../src/stream/mod.rs"]
pub mod stream;

// The tests of the whole crate hold the same things against mutated files.
#[path = "checks/mod.rs"]
pub mod checks;
