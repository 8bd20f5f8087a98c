//! Keys of an RDB, counted while they are read, to be held against what its manifest says of them.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_128;

use super::raw::NotAsStored;
use crate::census::KeyType;
use crate::rdb::visit::Entry;
use crate::repository::manifest::{CensusSummary, DatabaseCount};

/// The name under which a census adds up what it has no room for.
const OTHER: &str = "other";

/// How many keys and libraries were read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeysRead {
    databases: BTreeMap<u64, DatabaseCount>,
    types: BTreeMap<KeyType, u64>,
    /// Hashes of the sources: a census counts the different ones.
    functions: BTreeSet<u128>,
    /// Keys that expire until this moment (Unix milliseconds) are counted.
    until_ms: Option<i64>,
    expired: u64,
}

impl KeysRead {
    /// Counts the keys as well that expire until this moment, in Unix milliseconds.
    pub fn expiring_until(until_ms: i64) -> Self {
        Self { until_ms: Some(until_ms), ..Self::default() }
    }

    /// How many those are; 0 where none were to be counted.
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// A key was read.
    pub fn entry(&mut self, entry: &Entry<'_>) {
        let count = self.databases.entry(entry.database).or_default();
        count.keys += 1;
        count.expires += u64::from(entry.expire_ms.is_some());
        let is_expired = |at: i64| self.until_ms.is_some_and(|until| at <= until);
        self.expired += u64::from(entry.expire_ms.is_some_and(is_expired));
        *self.types.entry(KeyType::of_encoding(entry.value_type)).or_default() += 1;
    }

    /// A function library was read; whether it is one that was not read before.
    pub fn function(&mut self, source: &[u8]) -> bool {
        self.functions.insert(xxh3_128(source))
    }

    /// Holds what was read of a whole RDB against what its manifest says of it.
    ///
    /// # Errors
    /// The manifest counts other keys or libraries: it was changed, or is the manifest of another backup.
    pub fn must_be(&self, said: &CensusSummary) -> Result<(), NotAsStored> {
        let keys: u64 = self.databases.values().map(|count| count.keys).sum();
        let expires: u64 = self.databases.values().map(|count| count.expires).sum();
        NotAsStored::counted("number of keys", &said.keys, &keys)?;
        NotAsStored::counted("number of keys with an expiry", &said.expires, &expires)?;
        NotAsStored::counted("number of function libraries", &said.functions, &(self.functions.len() as u64))?;
        if !said.by_database.contains_key(OTHER) {
            let counts = |(number, count): (String, &DatabaseCount)| (number, (count.keys, count.expires));
            let said: BTreeMap<_, _> =
                said.by_database.iter().map(|(number, count)| counts((number.clone(), count))).collect();
            let found = self.databases.iter().map(|(number, count)| counts((number.to_string(), count))).collect();
            NotAsStored::counted("number of keys in each database (keys, with an expiry)", &said, &found)?;
        }
        if !said.by_type.contains_key(OTHER) {
            let said = by_kind(said.by_type.iter().map(|(name, keys)| (name.clone(), *keys)));
            let found = by_kind(self.types.iter().map(|(name, keys)| (name.to_string(), *keys)));
            NotAsStored::counted("number of keys of each type", &said, &found)?;
        }
        Ok(())
    }
}

/// Keys by what is known of a type before its value is read: not which module it is of, and not what the encoding 29 stands for.
fn by_kind(types: impl Iterator<Item = (String, u64)>) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for (name, keys) in types {
        let kind = match name.split(':').next().unwrap_or_default() {
            "vectorset" => "module",
            "gcra" => "hash",
            kind => kind,
        };
        *found.entry(kind.to_owned()).or_default() += keys;
    }
    found
}
