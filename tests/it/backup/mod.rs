//! Taking backups.

mod scan;
