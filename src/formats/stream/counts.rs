//! How many commands of each name there were.

use std::collections::BTreeMap;

/// The longest name that is counted by itself, bytes. Servers have none of more than 30.
const NAME_LIMIT: usize = 40;

/// The most names that are counted by themselves. Servers have about 500 commands, modules some more.
const NAMES_LIMIT: usize = 2000;

/// What is counted under no name of its own.
const OTHERS: &str = "others";

/// Commands by name, in upper case. A name is allocated once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    by_name: BTreeMap<String, u64>,
}

impl Counts {
    /// Counts one command.
    pub fn add(&mut self, name: &[u8]) {
        let mut upper = [0; NAME_LIMIT];
        let known = upper.get_mut(..name.len()).and_then(|upper| {
            upper.copy_from_slice(name);
            upper.make_ascii_uppercase();
            std::str::from_utf8(upper).ok().filter(|name| name.bytes().all(|byte| byte.is_ascii_graphic()))
        });
        let name = known.unwrap_or(OTHERS);
        if let Some(count) = self.by_name.get_mut(name) {
            *count += 1;
            return;
        }
        let name = if self.by_name.len() < NAMES_LIMIT { name } else { OTHERS };
        *self.by_name.entry(name.to_owned()).or_default() += 1;
    }

    /// How many there were of each name.
    pub fn by_name(&self) -> &BTreeMap<String, u64> {
        &self.by_name
    }

    /// How many there were in all.
    pub fn total(&self) -> u64 {
        self.by_name.values().sum()
    }
}
