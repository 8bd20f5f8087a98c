//! Which keys are wanted, where they go, and when they expire there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::census::{KeyType, Selection};
use crate::explain::Misuse;

/// `--keys`, `--exclude`, `--db`, `--type`, `--ttl`. The default means all, as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choices {
    /// The keys that are wanted. Its databases are those of the backup; none means all.
    pub selection: Selection,
    /// `--db N:M`: what lies in N goes to M. Databases that are not named keep their number.
    pub moved: BTreeMap<u64, u64>,
    /// What becomes of expiries.
    pub ttl: Ttl,
    /// Milliseconds by which [`Ttl::Shift`] moves expiries: the age of the backup. 0 for the other choices.
    pub shift_ms: i64,
}

/// What becomes of expiries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ttl {
    /// They stay the same moments; keys whose moment has passed are not restored.
    #[default]
    Keep,
    /// They move by the age of the backup: a key lives for as long as it had left to live when the backup was taken.
    Shift,
    /// There are none any more.
    Strip,
}

impl Ttl {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Shift => "shift",
            Self::Strip => "strip",
        }
    }
}

/// The latest moment at which a field of a hash may expire, in Unix milliseconds (Redis `t_hash.c`, `HFE_MAX_ABS_TIME_MSEC`).
const LATEST_OF_A_FIELD: i64 = (1 << 46) - 1;

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It goes to this database, with this expiry in Unix milliseconds.
    Yes {
        /// Number in the target.
        database: u64,
        /// When the key expires there, Unix milliseconds.
        expire_ms: Option<i64>,
    },
    /// It was left out by choice.
    No,
    /// Its time has passed.
    Expired,
}

impl Choices {
    /// True if the whole backup is wanted as it is.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Says how old the backup is, which `--ttl shift` has to know.
    ///
    /// # Errors
    /// Nobody knows: the backup is a file that does not say.
    pub fn dated(self, created_ms: Option<i64>, now_ms: i64) -> Result<Self, Misuse> {
        match (self.ttl, created_ms) {
            (Ttl::Keep | Ttl::Strip, _) => Ok(self),
            // A backup of a clock that is ahead moves nothing.
            (Ttl::Shift, Some(created)) => Ok(Self { shift_ms: (now_ms - created).max(0), ..self }),
            (Ttl::Shift, None) => Err(Misuse::usage(
                "`--ttl shift` needs the age of the backup, and this file does not record it (aux field `ctime`)",
            )),
        }
    }

    /// Decides about a key. A module's type is known by name only once its value begins: here any module fits
    /// `module`, and none fits a name.
    pub fn decide(&self, database: u64, key: &[u8], key_type: KeyType, expire_ms: Option<i64>, now_ms: i64) -> Wanted {
        if !self.selection.is_everything() && !self.selection.takes(database, key, key_type) {
            return Wanted::No;
        }
        let expire_ms = self.expiry(expire_ms);
        if expire_ms.is_some_and(|at| at <= now_ms) {
            return Wanted::Expired;
        }
        Wanted::Yes { database: self.database(database), expire_ms }
    }

    /// Where a database goes.
    pub fn database(&self, database: u64) -> u64 {
        self.moved.get(&database).copied().unwrap_or(database)
    }

    /// Whether keys of two databases go to one, where a name that both have can stand for one of them only.
    pub fn unites_databases(&self) -> bool {
        let from = &self.selection.databases;
        let to: BTreeSet<u64> = from.iter().map(|number| self.database(*number)).collect();
        to.len() < from.len()
    }

    /// What becomes of an expiry.
    pub fn expiry(&self, expire_ms: Option<i64>) -> Option<i64> {
        match self.ttl {
            Ttl::Keep => expire_ms,
            Ttl::Shift => expire_ms.map(|at| at.saturating_add(self.shift_ms)),
            Ttl::Strip => None,
        }
    }

    /// What becomes of the expiry of a field of a hash: no move makes it later than a server takes.
    pub fn field_expiry(&self, expire_ms: Option<i64>) -> Option<i64> {
        match self.ttl {
            Ttl::Shift => self.expiry(expire_ms).map(|at| at.min(LATEST_OF_A_FIELD)),
            Ttl::Keep | Ttl::Strip => self.expiry(expire_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::Glob;

    #[test]
    fn a_key_is_decided_by_name_place_and_time() {
        let mut choices = Choices::default();
        let decide = |choices: &Choices, database, key: &str, expire| {
            choices.decide(database, key.as_bytes(), KeyType::String, expire, 1000)
        };
        let yes = |database, expire_ms| Wanted::Yes { database, expire_ms };
        assert!(choices.is_everything());
        assert_eq!(decide(&choices, 3, "a", None), yes(3, None));
        assert_eq!(decide(&choices, 3, "a", Some(1000)), Wanted::Expired);
        assert_eq!(decide(&choices, 3, "a", Some(1001)), yes(3, Some(1001)));
        (choices.ttl, choices.shift_ms) = (Ttl::Shift, 500);
        assert_eq!(decide(&choices, 3, "a", Some(900)), yes(3, Some(1400)));
        assert_eq!(choices.field_expiry(Some(900)), Some(1400));
        assert_eq!(choices.field_expiry(Some(LATEST_OF_A_FIELD)), Some(LATEST_OF_A_FIELD));
        choices.shift_ms = i64::MAX;
        assert_eq!((choices.expiry(Some(900)), choices.field_expiry(Some(900))), (Some(i64::MAX), Some((1 << 46) - 1)));
        (choices.ttl, choices.shift_ms) = (Ttl::Strip, 0);
        assert_eq!(decide(&choices, 3, "a", Some(900)), yes(3, None));
        choices.moved = [(3, 0)].into();
        choices.selection = Selection { keys: vec![Glob::new("a*")], databases: [3].into(), ..Selection::default() };
        assert_eq!(decide(&choices, 3, "a", None), yes(0, None));
        assert_eq!(decide(&choices, 3, "b", None), Wanted::No);
        assert_eq!(decide(&choices, 0, "a", None), Wanted::No);
        assert!(!choices.unites_databases(), "nothing else goes to 0");
        choices.selection.databases.insert(1);
        assert!(!choices.unites_databases());
        choices.selection.databases.insert(0);
        assert!(choices.unites_databases(), "3 goes to 0, and 0 stays there");
    }
}
