//! `redis-ops health`: up, degraded or down, with reasons.

use anyhow::Result;

use super::which::Server;
use super::{Context, Outcome};
use crate::hint::Misuse;

/// All that it needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Which server is asked.
    pub server: Server,
}

/// Asks, and answers.
pub async fn run(_settings: &Settings, _context: &Context) -> Result<Outcome> {
    Err(Misuse::not_supported_yet("`health`").into())
}
