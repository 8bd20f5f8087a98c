//! Putting backups into servers.

mod file;
mod replica;
