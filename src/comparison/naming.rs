//! Names of a few keys of which only the hashes are known.

use std::collections::HashMap;

use super::record::NAME_KEPT;
use crate::census::{Record, Sink};

/// The sink that finds them.
#[derive(Debug, Clone, Default)]
pub struct Naming {
    wanted: HashMap<u128, Option<(u64, Vec<u8>)>>,
    left: usize,
}

impl Naming {
    pub(super) fn of(identities: impl Iterator<Item = u128>) -> Self {
        let wanted: HashMap<_, _> = identities.map(|identity| (identity, None)).collect();
        Self { left: wanted.len(), wanted }
    }

    /// True if there is none left to find: no pass is needed.
    pub fn is_complete(&self) -> bool {
        self.left == 0
    }

    pub(super) fn into_found(self) -> HashMap<u128, (u64, Vec<u8>)> {
        self.wanted.into_iter().filter_map(|(identity, found)| Some((identity, found?))).collect()
    }
}

impl Sink for Naming {
    fn key(&mut self, record: &Record<'_>) {
        if let Some(found @ None) = self.wanted.get_mut(&record.identity) {
            *found = Some((record.database, record.key[..record.key.len().min(NAME_KEPT)].to_vec()));
            self.left -= 1;
        }
    }

    fn wants(&self, identity: u128) -> bool {
        self.wanted.get(&identity).is_some_and(Option::is_none)
    }

    /// True as soon as all are found.
    fn stopped(&self) -> bool {
        self.is_complete()
    }
}
