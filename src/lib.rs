//! `redis-ops`: takes a backup of a Redis or Valkey that is proven good, puts it back without surprises, proves that it is
//! back, and says in one screen what is wrong with a server.
//!
//! The modules stand on floors. A module looks down, never up, never across its own floor; `tests/it/floors.rs` holds this.
//!
//! ```text
//! floor 6   cli                      what was typed becomes what was meant
//! floor 5   commands                 one file per subcommand: composes operations, shows results
//! floor 4   printer                  where words go
//! floor 3b  operations               what is made of several operations: a restore with its safety backup and proof
//! floor 3a  archive backup moment restore verify diagnose health lock metrics retention   what the tool does
//! floor 2b  capture examination comparison rules scratch                      what several operations do
//! floor 2a  dataset pasted                                                    data at rest, what a person pasted: opened, read
//! floor 1   repository census introspection finding progress                  words that the floors above share
//! floor 0b  connection storage ping encryption                                talking: Redis, a place for objects, a monitor; keys for what is stored
//! floor 0a  rdb stream codec replies figures times schedule private_files process_group   bytes: the RDB format, the replication stream
//! ground    explain blocking slots                              what an error means; where work may wait; the slot of a key
//! ```
//!
//! `rdb stream codec census explain slots` look at nothing but each other. They are a crate of their own, `redis-ops-formats` in
//! `src/formats`, which is optimized in debug builds too.
//!
//! What must always hold is written down in `ARCHITECTURE.md`.
//!
//! The program needs `cli::main` alone. What else is `pub` is what `tests/it`, `benches` and `fuzz` take hold of.

// Modules like all others, for those who look down at them.
use redis_ops_formats::slots;
pub use redis_ops_formats::{census, codec, explain, rdb, stream};

mod blocking;

mod figures;
mod private_files;
mod process_group;
pub mod replies;
mod schedule;
mod times;

pub mod connection;
pub mod encryption;
mod ping;
pub mod storage;

pub mod finding;
pub mod introspection;
pub mod progress;
pub mod repository;

pub mod dataset;
mod pasted;

pub mod capture;
pub mod comparison;
pub mod examination;
mod rules;
pub mod scratch;

pub mod archive;
mod backup;
mod diagnose;
mod health;
mod lock;
mod metrics;
mod moment;
pub mod restore;
mod retention;
pub mod verify;

mod operations;

mod printer;

mod commands;

pub mod cli;
