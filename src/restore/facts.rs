//! What a plan is made of: the backup and the target as plain data.

mod backup;
mod target;

pub use backup::{BackupFacts, Expiries, Origin};
pub use target::{Counters, TargetFacts};
