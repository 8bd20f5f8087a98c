//! `redis-ops explain`: what a rule of diagnose means, without a server.

use anyhow::Result;

use super::{Context, Outcome};
use crate::hint::Misuse;

/// All that it needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The rule's number, as it was typed.
    pub rule: String,
}

/// Explains.
pub async fn run(_settings: &Settings, _context: &Context) -> Result<Outcome> {
    Err(Misuse::not_supported_yet("`explain`").into())
}
