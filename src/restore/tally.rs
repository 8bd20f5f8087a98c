//! What became of every key: numbers that add up, and names where something went wrong.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// At most this many names are kept of each kind; the counts go on.
pub const NAMES_KEPT: usize = 100;

/// What became of the keys of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Keys that the target says it has.
    pub restored: u64,
    /// Keys that were left as they are, since the target had a key of that name.
    pub skipped_existing: u64,
    /// Keys among `skipped_existing` that somebody else wrote after the restore had begun.
    #[serde(default)]
    pub written_meanwhile: u64,
    /// The first of those, by name.
    #[serde(default)]
    pub written_meanwhile_keys: Vec<FailedKey>,
    /// Keys that `--keys`, `--exclude`, `--db` or `--type` left out.
    pub skipped_by_choice: u64,
    /// Keys whose time had passed before the target had them.
    pub expired: u64,
    /// Fields whose time had passed before the target had them, in hashes of which other fields live.
    #[serde(default)]
    pub expired_fields: u64,
    /// Keys that the target refused.
    pub failed: u64,
    /// Keys that cannot be expressed on this target, and whose loss was accepted.
    pub lost: u64,
    /// Keys that were sent in another form, since what stands in the backup contradicts itself.
    #[serde(default)]
    pub rebuilt: u64,
    /// The first of those, by name.
    #[serde(default)]
    pub rebuilt_keys: Vec<FailedKey>,
    /// Keys of the target that were written over although this restore had not written them, and nobody had asked for that of all keys:
    /// see [`crate::restore::meanwhile`]. They count as restored as well.
    #[serde(default)]
    pub overwritten: u64,
    /// The first of those, by name.
    #[serde(default)]
    pub overwritten_keys: Vec<FailedKey>,
    /// Keys among `failed` that somebody else has written since the restore began, or was interrupted.
    #[serde(default)]
    pub written_by_others: u64,
    /// Keys that were sent, and whose answer did not come before the connection broke.
    pub unknown: u64,
    /// Temporary keys of an interrupted run that were found and removed.
    #[serde(default)]
    pub leftovers: u64,
    /// What became of the function libraries.
    pub functions: Functions,
    /// Restored keys by number of the target's database.
    pub by_database: BTreeMap<u64, u64>,
    /// The first failures, by name.
    pub failures: Vec<FailedKey>,
    /// The first lost keys, by name: those that are lost, and those of which a part is ([`FailedKey::in_part`]).
    pub lost_keys: Vec<FailedKey>,
    /// The first function libraries of the target that differ from the backup's of the same name and stayed, by name.
    #[serde(default)]
    pub differing_libraries: Vec<String>,
}

/// What became of the function libraries of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Functions {
    /// Libraries that were loaded.
    pub restored: u64,
    /// Libraries that were there already, or left out by choice.
    pub skipped: u64,
    /// Libraries among `skipped` that were left out by choice.
    #[serde(default)]
    pub not_selected: u64,
    /// Libraries among `skipped` whose code in the target is not that of the backup.
    #[serde(default)]
    pub differing: u64,
    /// Libraries that the target refused.
    pub failed: u64,
    /// Libraries that are lost: the target knows no functions, or does not take them.
    pub lost: u64,
    /// Libraries among `failed` that somebody else has loaded since the restore was interrupted.
    #[serde(default)]
    pub written_by_others: u64,
}

/// A key that is not restored, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedKey {
    /// Its database in the target.
    pub database: u64,
    /// Its name; what is not UTF-8 is replaced, see `key_b64`.
    pub key: String,
    /// Its name in base64, where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key_b64: Option<String>,
    /// The server's words, or ours.
    pub reason: String,
    /// Whether the key itself is restored, and only a part of it is lost.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub in_part: bool,
}

impl FailedKey {
    /// A key by the bytes of its name.
    pub fn new(database: u64, key: &[u8], reason: impl Into<String>) -> Self {
        use base64::Engine as _;
        let text = std::str::from_utf8(key);
        Self {
            database,
            key: text.map_or_else(|_| String::from_utf8_lossy(key).into_owned(), str::to_owned),
            key_b64: text.err().map(|_| base64::engine::general_purpose::STANDARD.encode(key)),
            reason: reason.into(),
            in_part: false,
        }
    }

    /// The exact name of the key.
    pub fn name(&self) -> Vec<u8> {
        use base64::Engine as _;
        let exact = self.key_b64.as_ref().and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok());
        exact.unwrap_or_else(|| self.key.clone().into_bytes())
    }
}

impl Tally {
    /// A key is in the target.
    pub fn restored(&mut self, database: u64) {
        self.restored += 1;
        *self.by_database.entry(database).or_default() += 1;
    }

    /// Keys that were restored are taken back, so many of each of the target's databases: they are not reached any more.
    pub fn taken_back(&mut self, by_database: &BTreeMap<u64, u64>) {
        for (database, keys) in by_database {
            self.restored = self.restored.saturating_sub(*keys);
            let left = self.by_database.get(database).copied().unwrap_or(0).saturating_sub(*keys);
            if left > 0 {
                self.by_database.insert(*database, left);
            } else {
                self.by_database.remove(database);
            }
        }
    }

    /// The target refused a key.
    pub fn failed(&mut self, database: u64, key: &[u8], reason: impl Into<String>) {
        self.failed += 1;
        if self.failures.len() < NAMES_KEPT {
            self.failures.push(FailedKey::new(database, key, reason));
        }
    }

    /// A key that somebody else has written since the restore began is left as it is.
    pub fn left_to_others(&mut self, database: u64, key: &[u8], reason: impl Into<String>) {
        self.skipped_existing += 1;
        self.written_meanwhile += 1;
        if self.written_meanwhile_keys.len() < NAMES_KEPT {
            self.written_meanwhile_keys.push(FailedKey::new(database, key, reason));
        }
    }

    /// A key cannot be expressed on this target.
    pub fn lost(&mut self, database: u64, key: &[u8], reason: impl Into<String>) {
        self.lost += 1;
        if self.lost_keys.len() < NAMES_KEPT {
            self.lost_keys.push(FailedKey::new(database, key, reason));
        }
    }

    /// A key is sent in another form.
    pub fn rebuilt(&mut self, database: u64, key: &[u8], reason: impl Into<String>) {
        self.rebuilt += 1;
        if self.rebuilt_keys.len() < NAMES_KEPT {
            self.rebuilt_keys.push(FailedKey::new(database, key, reason));
        }
    }

    /// A function library of this name was there already, and is not that of the backup.
    pub fn library_differs(&mut self, name: &[u8]) {
        self.functions.skipped += 1;
        self.functions.differing += 1;
        if self.differing_libraries.len() < NAMES_KEPT {
            self.differing_libraries.push(String::from_utf8_lossy(name).into_owned());
        }
    }

    /// A key of the target is written over that may be somebody else's.
    pub fn overwritten(&mut self, database: u64, key: &[u8], reason: impl Into<String>) {
        self.overwritten += 1;
        if self.overwritten_keys.len() < NAMES_KEPT {
            self.overwritten_keys.push(FailedKey::new(database, key, reason));
        }
    }

    /// Names keys of which a part is lost: they count as restored.
    pub fn lose_in_part<'a>(&mut self, keys: impl Iterator<Item = &'a FailedKey>) {
        let room = NAMES_KEPT.saturating_sub(self.lost_keys.len());
        self.lost_keys.extend(keys.take(room).map(|key| FailedKey { in_part: true, ..key.clone() }));
    }

    /// Keys of the backup about which something is known.
    pub fn accounted(&self) -> u64 {
        let Self { restored, skipped_existing, skipped_by_choice, expired, failed, lost, unknown, .. } = self;
        restored + skipped_existing + skipped_by_choice + expired + failed + lost + unknown
    }

    /// Adds what became of other keys.
    pub fn add(&mut self, other: Self) {
        self.restored += other.restored;
        self.skipped_existing += other.skipped_existing;
        self.written_meanwhile += other.written_meanwhile;
        self.skipped_by_choice += other.skipped_by_choice;
        self.expired += other.expired;
        self.expired_fields += other.expired_fields;
        self.failed += other.failed;
        self.lost += other.lost;
        self.unknown += other.unknown;
        self.leftovers += other.leftovers;
        self.rebuilt += other.rebuilt;
        self.overwritten += other.overwritten;
        self.written_by_others += other.written_by_others;
        self.functions.restored += other.functions.restored;
        self.functions.skipped += other.functions.skipped;
        self.functions.not_selected += other.functions.not_selected;
        self.functions.differing += other.functions.differing;
        let left = NAMES_KEPT.saturating_sub(self.differing_libraries.len());
        self.differing_libraries.extend(other.differing_libraries.into_iter().take(left));
        self.functions.failed += other.functions.failed;
        self.functions.lost += other.functions.lost;
        self.functions.written_by_others += other.functions.written_by_others;
        for (database, keys) in other.by_database {
            *self.by_database.entry(database).or_default() += keys;
        }
        let room = |names: &Vec<FailedKey>| NAMES_KEPT.saturating_sub(names.len());
        self.failures.extend(other.failures.into_iter().take(room(&self.failures)));
        let theirs = other.written_meanwhile_keys.into_iter().take(room(&self.written_meanwhile_keys));
        self.written_meanwhile_keys.extend(theirs);
        self.lost_keys.extend(other.lost_keys.into_iter().take(room(&self.lost_keys)));
        self.overwritten_keys.extend(other.overwritten_keys.into_iter().take(room(&self.overwritten_keys)));
        self.rebuilt_keys.extend(other.rebuilt_keys.into_iter().take(room(&self.rebuilt_keys)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_add_up_and_names_are_bounded() {
        let mut sum = Tally::default();
        for database in 0..3 {
            let mut part = Tally { expired: 1, skipped_existing: 2, ..Tally::default() };
            part.restored(database);
            for number in 0..60_u8 {
                part.failed(database, &[0xff, number], "Bad data format");
            }
            sum.add(part);
        }
        assert_eq!(sum.accounted(), 3 * (1 + 2 + 1 + 60));
        assert_eq!((sum.failed, sum.failures.len()), (180, NAMES_KEPT));
        assert_eq!(sum.by_database, [(0, 1), (1, 1), (2, 1)].into());
        assert_eq!(sum.failures[0].key_b64.as_deref(), Some("/wA="));
        assert_eq!(FailedKey::new(0, b"plain", "").key_b64, None);
    }
}
