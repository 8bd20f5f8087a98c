//! What a restore with choices leaves in the target: the same decisions once more, for the proof.

use super::carry_out::{Work, now_ms};
use crate::census::{Candidate, Chosen, KeyType};
use crate::restore::Choices;
use crate::restore::choices::Wanted;
use crate::restore::target_format::TargetFormat;
use crate::verify::comparing::Mapping;

/// An expiry that has passed for everybody.
const PASSED: i64 = i64::MIN;

/// What was sent.
pub struct Sent {
    choices: Choices,
    /// The target knows expiry of hash fields.
    field_expiry: bool,
    now_ms: i64,
}

impl Sent {
    /// By a restore that has just ended.
    pub fn by(work: &Work<'_>) -> Self {
        let field_expiry = TargetFormat::of(&work.target.server).field_expiry;
        Self { choices: work.options.choices.clone(), field_expiry, now_ms: now_ms() }
    }
}

impl Mapping for Sent {
    fn database(&self, database: u64) -> u64 {
        self.choices.database(database)
    }

    fn field_expiry(&self, expire_ms: Option<i64>) -> Option<i64> {
        match self.choices.field_expiry(expire_ms) {
            // Not brought to life in a target in which it would stay for ever.
            Some(at) if at <= self.now_ms => Some(PASSED),
            at => at.filter(|_| self.field_expiry),
        }
    }

    fn choose(&self, candidate: &Candidate<'_>) -> Chosen {
        let &Candidate { database, key, key_type, expire_ms, .. } = candidate;
        // Modules were chosen before their name was known.
        let key_type = if matches!(key_type, KeyType::Module(_)) { KeyType::of_module(0) } else { key_type };
        match self.choices.decide(database, key, key_type, expire_ms, self.now_ms) {
            // A hash of which every field has expired was not sent, and has left the target's key of its name as it was.
            Wanted::Yes { .. } if candidate.emptied => Chosen::Expired,
            Wanted::Yes { expire_ms, .. } => Chosen::Take { expire_ms },
            Wanted::No => Chosen::Leave,
            Wanted::Expired => Chosen::Expired,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::Ttl;

    #[test]
    fn expiries_of_fields_follow_the_choice_and_the_target() {
        let sent =
            |ttl, field_expiry| Sent { choices: Choices { ttl, ..Choices::default() }, field_expiry, now_ms: 1000 };
        for (ttl, field_expiry, before, after) in [
            (Ttl::Keep, true, Some(2000), Some(2000)),
            (Ttl::Keep, true, Some(1000), Some(PASSED)),
            (Ttl::Keep, false, Some(2000), None),
            (Ttl::Keep, false, Some(1000), Some(PASSED)),
            (Ttl::Strip, true, Some(500), None),
            (Ttl::Shift(700), true, Some(500), Some(1200)),
            (Ttl::Keep, true, None, None),
        ] {
            assert_eq!(sent(ttl, field_expiry).field_expiry(before), after, "{ttl:?} {field_expiry} {before:?}");
        }
    }
}
