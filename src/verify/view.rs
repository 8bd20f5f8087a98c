//! Which keys of a data set a comparison is about, and as what they count.

use std::sync::Arc;

use crate::census::{Candidate, Choice, Chosen, Selection};

/// Which keys of a side count, and as what.
#[derive(Clone, Default)]
pub enum View {
    /// Every key of the backup, unchanged.
    #[default]
    Everything,
    /// Only these, as they are.
    Selected(Arc<Selection>),
    /// A restore that moves databases or expiries leaves other keys behind than the backup holds.
    Mapped(Arc<dyn Mapping>),
}

/// A [`Choice`] that several passes can share.
pub trait Mapping: Send + Sync {
    /// Whether a key of this name may count, whatever its value is: as [`Choice::may_take`].
    fn may_take(&self, _database: u64, _key: &[u8]) -> bool {
        true
    }
    /// The database in which a key ought to be: as [`Choice::database`].
    fn database(&self, database: u64) -> u64 {
        database
    }
    /// The expiry that a hash field ought to have, in Unix milliseconds: as [`Choice::field_expiry`].
    fn field_expiry(&self, expire_ms: Option<i64>) -> Option<i64> {
        expire_ms
    }
    /// Whether a key counts, and with which expiry: as [`Choice::choose`].
    fn choose(&self, candidate: &Candidate<'_>) -> Chosen;
}

impl View {
    /// Only the keys of a selection; everything where that means all.
    pub fn of(selection: Selection) -> Self {
        if selection.is_everything() { Self::Everything } else { Self::Selected(Arc::new(selection)) }
    }

    /// True if the census of the whole says it all.
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::Everything)
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Everything => f.write_str("Everything"),
            Self::Selected(selection) => selection.fmt(f),
            Self::Mapped(_) => f.write_str("Mapped"),
        }
    }
}

impl Choice for View {
    #[inline]
    fn may_take(&mut self, database: u64, key: &[u8]) -> bool {
        match self {
            Self::Selected(selection) => selection.takes_name(database, key),
            Self::Mapped(mapping) => mapping.may_take(database, key),
            Self::Everything => true,
        }
    }

    #[inline]
    fn database(&mut self, database: u64) -> u64 {
        match self {
            Self::Mapped(mapping) => mapping.database(database),
            Self::Everything | Self::Selected(_) => database,
        }
    }

    #[inline]
    fn field_expiry(&mut self, expire_ms: Option<i64>) -> Option<i64> {
        match self {
            Self::Mapped(mapping) => mapping.field_expiry(expire_ms),
            Self::Everything | Self::Selected(_) => expire_ms,
        }
    }

    #[inline]
    fn choose(&mut self, candidate: &Candidate<'_>) -> Chosen {
        match self {
            Self::Everything => Chosen::as_it_is(candidate),
            Self::Selected(selection) => (&**selection).choose(candidate),
            Self::Mapped(mapping) => mapping.choose(candidate),
        }
    }
}
