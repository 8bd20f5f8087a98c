//! Function libraries: a set of sources.

use std::collections::{BTreeMap, BTreeSet};

/// Of more libraries than this no names are kept, and one that comes twice counts twice.
pub const LIBRARIES_KEPT: usize = 1024;

/// Bytes that are kept of a name; a longer one is cut.
const NAME_KEPT: usize = 256;

/// The libraries of a data set. A cluster has the same ones on every shard: they count once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Functions {
    /// Names by the hash of the source.
    pub(super) libraries: BTreeMap<u128, Vec<u8>>,
    /// Beyond the limit: how many, and the sum of their hashes.
    pub(super) beyond: (u64, u128),
}

impl Functions {
    pub(super) fn add(&mut self, source: &[u8], hash: u128) {
        if self.libraries.contains_key(&hash) {
            return;
        }
        let name = name(source);
        self.insert(hash, name[..name.len().min(NAME_KEPT)].to_vec());
    }

    pub(super) fn insert(&mut self, hash: u128, name: Vec<u8>) {
        if self.libraries.contains_key(&hash) {
            return;
        }
        if self.libraries.len() < LIBRARIES_KEPT {
            self.libraries.insert(hash, name);
        } else {
            self.beyond = (self.beyond.0.saturating_add(1), self.beyond.1.wrapping_add(hash));
        }
    }

    /// How many libraries there are.
    pub fn count(&self) -> u64 {
        (self.libraries.len() as u64).saturating_add(self.beyond.0)
    }

    /// The sum of the hashes of the sources, modulo 2^128.
    pub fn digest(&self) -> u128 {
        self.libraries.keys().fold(self.beyond.1, |sum, hash| sum.wrapping_add(*hash))
    }

    /// Their names, sorted; empty where the source does not name one.
    pub fn names(&self) -> Vec<&[u8]> {
        let mut names: Vec<&[u8]> = self.libraries.values().map(Vec::as_slice).collect();
        names.sort_unstable();
        names
    }

    /// Whether a server that has these libraries has what is wanted: one of every name, and none that is not among them. Of a name that
    /// the wanted ones have twice, since two shards disagreed, it has one.
    pub fn is_one_of(&self, wanted: &Self) -> bool {
        if self.beyond.0 > 0 || wanted.beyond.0 > 0 {
            return (self.count(), self.digest()) == (wanted.count(), wanted.digest());
        }
        let names = |set: &Self| set.libraries.values().cloned().collect::<BTreeSet<_>>();
        self.libraries.keys().all(|hash| wanted.libraries.contains_key(hash)) && names(self) == names(wanted)
    }

    /// Names, and the hash of the source that stands there under each; those that are kept.
    pub fn sources(&self) -> impl Iterator<Item = (&[u8], u128)> {
        self.libraries.iter().map(|(hash, name)| (name.as_slice(), *hash))
    }

    /// The libraries of this set and of the other.
    pub fn merged(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        for (hash, name) in &other.libraries {
            sum.insert(*hash, name.clone());
        }
        sum.beyond.0 = sum.beyond.0.saturating_add(other.beyond.0);
        sum.beyond.1 = sum.beyond.1.wrapping_add(other.beyond.1);
        sum
    }
}

/// What stands behind `name=` in the first line.
fn name(source: &[u8]) -> &[u8] {
    let line = source.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let words = line.split(|byte| byte.is_ascii_whitespace());
    words.filter_map(|word| word.strip_prefix(b"name=")).next().unwrap_or_default()
}
