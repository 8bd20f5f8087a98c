//! What kills a server that loads an RDB itself: noted while it is read.

use std::collections::{BTreeSet, HashSet};

use xxhash_rust::xxh3::xxh3_64;

use crate::rdb::opcode::ValueType;
use crate::rdb::visit::{Entry, Piece};

/// So many members of one value are compared with each other, at about 20 bytes each.
const MEMBERS_COMPARED: usize = 1 << 20;

/// What matters to a server that loads the file itself (method `replica`): it exits, or aborts, on what it does not expect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dangers {
    /// Encodings of the values that are in it.
    pub value_types: BTreeSet<ValueType>,
    /// Keys with metadata of their own (Redis 8.6), which only a server that knows their class loads.
    pub key_meta: u64,
    /// Modules that have written data that belongs to no key: without the module a server does not load the file.
    pub module_aux: BTreeSet<String>,
    /// Function libraries for an engine other than Lua.
    pub other_engines: u64,
    /// Keys of one database, and members of one value, that stand there twice; `None`: nobody has looked, or not at all of them.
    pub twice: Option<u64>,
    pub(super) members_twice: u64,
    pub(super) members_unchecked: u64,
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

/// Looks for members that come twice in one value. Servers refuse them in the plain forms (Redis `rdb.c`, `rdbLoadObject`: "Duplicate
/// set members detected"), and find them in packed ones only if told to look.
#[derive(Debug, Default)]
pub(super) struct Members {
    listens: bool,
    seen: HashSet<u64>,
    twice: u64,
    unchecked: u64,
}

impl Members {
    pub(super) fn begin(&mut self, value_type: ValueType) {
        // Sets, hashes and sorted sets, which have their members one by one in the file.
        self.listens = matches!(value_type.0, 2..=5 | 22..=24);
    }

    pub(super) fn listens(&self) -> bool {
        self.listens
    }

    pub(super) fn piece(&mut self, piece: Piece<'_>) {
        let (Piece::SetMember(member) | Piece::ZsetMember { member, .. } | Piece::HashField { field: member, .. }) =
            piece
        else {
            return;
        };
        if !self.listens {
            return;
        }
        if self.seen.len() < MEMBERS_COMPARED {
            self.twice += u64::from(!self.seen.insert(xxh3_64(member)));
        } else {
            self.unchecked += 1;
        }
    }

    /// The value is complete: members that came twice, and those that were not looked at.
    pub(super) fn end(&mut self) -> (u64, u64) {
        if self.listens {
            // The table of a large value is not kept for the small ones.
            if self.seen.capacity() > 4096 { self.seen = HashSet::new() } else { self.seen.clear() }
        }
        self.listens = false;
        (std::mem::take(&mut self.twice), std::mem::take(&mut self.unchecked))
    }
}
