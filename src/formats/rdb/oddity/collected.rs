//! Oddities of one file, bounded: counts, and the first of each kind.

use std::collections::BTreeMap;

use super::{Oddity, OddityKind};
use crate::rdb::types::ValueType;

/// The most oddities of one kind that are kept with their names.
pub const KEPT_OF_A_KIND: usize = 20;

/// Bytes of a key's name that are kept.
pub const NAME_KEPT: usize = 256;

/// The oddities of a file. Memory: some KiB for each kind and encoding that is met, of which there are few.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Oddities {
    seen: BTreeMap<(OddityKind, Option<ValueType>), Seen>,
    /// Members and keys that were not compared with each other, since there are too many.
    pub not_compared: u64,
    /// The members among them.
    pub members_not_compared: u64,
}

/// Oddities of one kind in values of one encoding.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// How many there are, kept or not.
    pub count: u64,
    /// The first of them.
    pub first: Vec<Named>,
}

/// An oddity that is kept by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What is odd, in words.
    pub what: &'static str,
    /// Byte in the file.
    pub offset: u64,
    /// Database and name of the key, the latter cut after [`NAME_KEPT`] bytes (empty: of a key that stands there
    /// twice it is not known); `None`: it belongs to the file.
    pub key: Option<(u64, Vec<u8>)>,
    /// The name of the function library, cut after [`NAME_KEPT`] bytes; `None`: it belongs to none, or has none that can be read.
    pub library: Option<Vec<u8>>,
    /// The two numbers of the first one, as in [`Oddity::numbers`].
    pub numbers: Option<(u64, u64)>,
}

impl Oddities {
    /// Counts one, and keeps it if it is among the first of its kind.
    pub fn add(&mut self, oddity: &Oddity<'_>) {
        let seen = self.seen.entry((oddity.kind, oddity.owner.map(|owner| owner.value_type))).or_default();
        seen.count += 1;
        if seen.first.len() < KEPT_OF_A_KIND {
            seen.first.push(Named {
                what: oddity.what,
                offset: oddity.offset,
                key: oddity.owner.map(|owner| (owner.database, owner.key[..owner.key.len().min(NAME_KEPT)].to_vec())),
                library: oddity.library.map(|name| name[..name.len().min(NAME_KEPT)].to_vec()),
                numbers: oddity.numbers,
            });
        }
    }

    /// Puts names to oddities of a kind of which only the places were known; how often there are some stays.
    pub fn name(&mut self, kind: OddityKind, named: Vec<Named>) {
        for (_, seen) in self.seen.iter_mut().filter(|((of, _), _)| *of == kind) {
            let numbers = seen.first.first().and_then(|first| first.numbers);
            if !named.is_empty() {
                seen.first.clone_from(&named);
                seen.first.truncate(KEPT_OF_A_KIND);
                seen.first[0].numbers = numbers;
            }
        }
    }

    /// A server is known to have loaded all libraries: what their code looks like is no matter.
    pub fn functions_were_loaded(&mut self) {
        let is_of_code = |kind: OddityKind| {
            matches!(kind, OddityKind::FunctionSyntax | OddityKind::FunctionNeverEnds | OddityKind::FunctionMayNotEnd)
        };
        self.seen.retain(|(kind, _), _| !is_of_code(*kind));
    }

    /// All kinds met, by the encoding of the value (`None`: of the file).
    pub fn iter(&self) -> impl Iterator<Item = (OddityKind, Option<ValueType>, &Seen)> {
        self.seen.iter().map(|((kind, value_type), seen)| (*kind, *value_type, seen))
    }
}
