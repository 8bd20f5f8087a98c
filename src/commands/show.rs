//! `redis-ops show`: everything known about one backup.

use anyhow::Result;

use super::which::Backup;
use super::{Context, Outcome};
use crate::hint::Misuse;

/// All that showing needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is shown.
    pub backup: Backup,
}

/// Shows.
pub async fn run(_settings: &Settings, _context: &Context) -> Result<Outcome> {
    Err(Misuse::not_supported_yet("`show`").into())
}
