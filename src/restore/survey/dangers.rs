//! What kills a server that loads an RDB itself: noted while it is read.

use std::collections::{BTreeMap, BTreeSet};

use crate::rdb::Oddities;
use crate::rdb::types::ValueType;
use crate::rdb::visit::Entry;

/// What matters to a server that loads the file itself (method `replica`): it exits, or aborts, on what it does not expect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dangers {
    /// Encodings of the values that are in it.
    pub value_types: BTreeSet<ValueType>,
    /// Keys with metadata of their own (Redis 8.6), which only a server that knows their class loads.
    pub key_meta: u64,
    /// Modules that have written data that belongs to no key: without the module a server does not load the file.
    pub module_aux: BTreeSet<String>,
    /// Records of such data that say anything, by the type's name: most modules write one that says nothing.
    pub module_data: BTreeMap<String, u64>,
    /// Function libraries for an engine other than Lua.
    pub other_engines: u64,
    /// What contradicts itself, and what servers refuse or die of.
    pub oddities: Oddities,
    /// Keys were compared with each other.
    pub compared: bool,
}

impl Dangers {
    pub(super) fn note(&mut self, entry: &Entry<'_>) {
        // Nearly always the same few.
        if !self.value_types.contains(&entry.value_type) {
            self.value_types.insert(entry.value_type);
        }
        self.key_meta += u64::from(entry.key_meta.is_some());
    }

    pub(super) fn note_function(&mut self, source: &[u8]) {
        let engine = source.strip_prefix(b"#!").unwrap_or_default();
        let is_lua = engine.get(..3).is_some_and(|word| word.eq_ignore_ascii_case(b"lua"));
        self.other_engines += u64::from(!is_lua);
    }
}
