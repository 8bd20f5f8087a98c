//! What a restore with choices leaves in its target: the decisions of the sending side once more, for the comparison afterwards.

use crate::census::{Candidate, Choice, Chosen, KeyType};
use crate::restore::choices::{Choices, Wanted};
use crate::restore::target_format::TargetFormat;

/// An expiry that has passed for everybody.
const PASSED: i64 = i64::MIN;

/// What is sent with these choices to a target of this form.
#[derive(Debug, Clone)]
pub struct Sent {
    choices: Choices,
    /// The target knows expiry of hash fields.
    field_expiry: bool,
    now_ms: i64,
}

impl Sent {
    /// What these choices leave of a backup in a target of this format, as of `now_ms` (Unix milliseconds).
    pub fn new(choices: Choices, format: TargetFormat, now_ms: i64) -> Self {
        Self { choices, field_expiry: format.field_expiry, now_ms }
    }

    /// Where a database goes.
    pub fn database_of(&self, database: u64) -> u64 {
        self.choices.database(database)
    }

    /// The expiry of a field of a hash in the target.
    pub fn expiry_of_field(&self, expire_ms: Option<i64>) -> Option<i64> {
        match self.choices.field_expiry(expire_ms) {
            // Not brought to life in a target in which it would stay for ever.
            Some(at) if at <= self.now_ms => Some(PASSED),
            at => at.filter(|_| self.field_expiry),
        }
    }

    /// What becomes of a key.
    pub fn chosen(&self, candidate: &Candidate<'_>) -> Chosen {
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

impl Choice for Sent {
    fn database(&mut self, database: u64) -> u64 {
        self.database_of(database)
    }

    fn field_expiry(&mut self, expire_ms: Option<i64>) -> Option<i64> {
        self.expiry_of_field(expire_ms)
    }

    fn choose(&mut self, candidate: &Candidate<'_>) -> Chosen {
        self.chosen(candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::Ttl;

    #[test]
    fn expiries_of_fields_follow_the_choice_and_the_target() {
        let sent = |ttl, field_expiry| {
            let shift_ms = if ttl == Ttl::Shift { 700 } else { 0 };
            Sent { choices: Choices { ttl, shift_ms, ..Choices::default() }, field_expiry, now_ms: 1000 }
        };
        for (ttl, field_expiry, before, after) in [
            (Ttl::Keep, true, Some(2000), Some(2000)),
            (Ttl::Keep, true, Some(1000), Some(PASSED)),
            (Ttl::Keep, false, Some(2000), None),
            (Ttl::Keep, false, Some(1000), Some(PASSED)),
            (Ttl::Strip, true, Some(500), None),
            (Ttl::Shift, true, Some(500), Some(1200)),
            (Ttl::Keep, true, None, None),
        ] {
            assert_eq!(sent(ttl, field_expiry).expiry_of_field(before), after, "{ttl:?} {field_expiry} {before:?}");
        }
    }
}
