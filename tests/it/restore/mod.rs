//! Putting backups into servers.

mod faults;
mod file;
mod replica;
mod round_trip;
mod support;
