//! Restores into real servers.

mod command;
mod faults;
mod file;
mod replica;
mod round_trip;
mod support;
