//! Proving backups good.

mod file;
