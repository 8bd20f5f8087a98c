//! All integration tests are one binary, so that they link once. A module a room of the house.

#![allow(missing_docs, clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]

mod support;

mod archive;
mod backup;
mod blocking;
mod census;
mod cli;
mod connection;
mod diagnose;
mod encryption;
mod errors;
mod floors;
mod rdb;
mod restore;
mod retention;
mod storage;
mod top;
mod verify;
mod words;
