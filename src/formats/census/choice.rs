//! Which keys count, and with which expiry: where a census is to say what a restore with options would leave behind.

use super::key_type::KeyType;

/// A key about which is decided.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Number of the database, before [`Choice::database`].
    pub database: u64,
    /// Name of the key.
    pub key: &'a [u8],
    /// Its type; a module by its name.
    pub key_type: KeyType,
    /// Absolute expiry in Unix milliseconds.
    pub expire_ms: Option<i64>,
    /// True if nothing is in it, so that no server would keep it, see [`super::Record::emptied`].
    pub emptied: bool,
}

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// The key counts, with this expiry.
    Take {
        /// Absolute, in Unix milliseconds; usually the candidate's own.
        expire_ms: Option<i64>,
    },
    /// The choice leaves the key out.
    Leave,
    /// The choice takes the key, but its time has passed: it is counted apart.
    Expired,
}

impl Chosen {
    /// The key counts as it is.
    pub fn as_it_is(candidate: &Candidate<'_>) -> Self {
        Self::Take { expire_ms: candidate.expire_ms }
    }
}

/// Decides about keys. A closure `FnMut(&Candidate) -> Chosen` is one.
pub trait Choice {
    /// Asked before a value is read: false where name and database alone say that the key is not meant. Then
    /// [`Choice::choose`] is not asked.
    fn may_take(&mut self, _database: u64, _key: &[u8]) -> bool {
        true
    }
    /// Under which number a database counts. Asked before a value is read.
    fn database(&mut self, database: u64) -> u64 {
        database
    }
    /// With which expiry a field of a hash counts, before those that have expired are left out.
    fn field_expiry(&mut self, expire_ms: Option<i64>) -> Option<i64> {
        expire_ms
    }
    /// Asked when the value has been read.
    fn choose(&mut self, candidate: &Candidate<'_>) -> Chosen;
}

impl<F: FnMut(&Candidate<'_>) -> Chosen> Choice for F {
    fn choose(&mut self, candidate: &Candidate<'_>) -> Chosen {
        self(candidate)
    }
}

/// Every key counts as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Everything;

impl Choice for Everything {
    #[inline]
    fn choose(&mut self, candidate: &Candidate<'_>) -> Chosen {
        Chosen::as_it_is(candidate)
    }
}

/// How many keys were chosen. The first four add up to the keys that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Keys that were handed on.
    pub taken: u64,
    /// Keys that the choice leaves out.
    pub left: u64,
    /// Keys whose time had passed.
    pub expired: u64,
    /// Passed over, unread, because the sink had no use for them.
    pub unwanted: u64,
    /// Fields that were left out because they had expired, of hashes that were handed on with others.
    pub expired_fields: u64,
}
