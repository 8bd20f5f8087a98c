//! `redis-ops list`: the backups of a repository, newest first.

use anyhow::Result;

use super::which::Place;
use super::{Context, Outcome};
use crate::hint::Misuse;

/// All that a listing needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The repository.
    pub place: Place,
    /// Only of this instance; `None`: of all.
    pub instance: Option<String>,
}

/// Lists.
pub async fn run(_settings: &Settings, _context: &Context) -> Result<Outcome> {
    Err(Misuse::not_supported_yet("`list`").into())
}
