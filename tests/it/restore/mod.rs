//! Putting backups into servers.

mod replica;
