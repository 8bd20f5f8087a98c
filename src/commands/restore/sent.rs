//! What a restore with choices leaves in the target, as the proof asks for it.

use super::carry_out::{Work, now_ms};
use crate::census::{Candidate, Chosen};
use crate::restore::sent::Sent;
use crate::restore::target_format::TargetFormat;
use crate::verify::comparing::Mapping;

/// By a restore that has just ended.
pub fn by(work: &Work<'_>) -> Sent {
    Sent::new(work.options.choices.clone(), TargetFormat::of(&work.target.server), now_ms())
}

impl Mapping for Sent {
    fn database(&self, database: u64) -> u64 {
        self.database_of(database)
    }

    fn field_expiry(&self, expire_ms: Option<i64>) -> Option<i64> {
        self.expiry_of_field(expire_ms)
    }

    fn choose(&self, candidate: &Candidate<'_>) -> Chosen {
        self.chosen(candidate)
    }
}
