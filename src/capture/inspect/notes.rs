//! What an inspector notes while an RDB goes by: aux fields, oddities, modules, keys that stand there twice, a census.

use std::collections::BTreeMap;

use crate::census::Counter;
use crate::dataset::KeysRead;
use crate::rdb::visit::{Checksum, Entry, EntryEnd, Interest, Part, Piece, Visit};
use crate::rdb::{Dialect, DuplicateKeys, Oddities, Oddity};

/// Aux fields of one file that are kept; a file may hold any number.
const AUX_KEPT: usize = 64;

/// Bytes of an aux value that are kept: a Lua script may stand in one (Redis up to 6.2).
const AUX_LENGTH: usize = 256;

/// Modules whose AUX records are counted; a file may name any number.
const MODULES_KEPT: usize = 64;

/// What an inspector hears of an RDB; events go on to the census where one is made.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) counter: Option<Counter>,
    pub(super) duplicates: Option<DuplicateKeys>,
    /// Keys and libraries, to be held against a manifest.
    pub(super) read: Option<KeysRead>,
    pub(super) aux: BTreeMap<String, String>,
    pub(super) oddities: Oddities,
    pub(super) module_aux: BTreeMap<String, u64>,
}

impl Visit for Notes {
    fn header(&mut self, dialect: Dialect, version: u32) {
        if let Some(counter) = &mut self.counter {
            counter.header(dialect, version);
        }
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        let name_text = readable(name);
        if self.aux.len() < AUX_KEPT || self.aux.contains_key(&name_text) {
            self.aux.insert(name_text, readable(value));
        }
        if let Some(counter) = &mut self.counter {
            counter.aux(name, value);
        }
    }

    fn database(&mut self, index: u64) {
        if let Some(counter) = &mut self.counter {
            counter.database(index);
        }
    }

    fn function(&mut self, source: &[u8]) {
        if let Some(read) = &mut self.read {
            read.function(source);
        }
        if let Some(counter) = &mut self.counter {
            counter.function(source);
        }
    }

    fn module_aux(&mut self, module: u64, _when: u64, _raw: &[u8]) {
        let (name, _) = crate::rdb::module::name(module);
        if self.module_aux.len() < MODULES_KEPT || self.module_aux.contains_key(&name) {
            *self.module_aux.entry(name).or_default() += 1;
        }
    }

    #[inline]
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        if let Some(duplicates) = &mut self.duplicates {
            duplicates.entry(entry);
        }
        if let Some(read) = &mut self.read {
            read.entry(entry);
        }
        match &mut self.counter {
            Some(counter) => counter.entry(entry),
            None => Interest::default(),
        }
    }

    #[inline]
    fn raw(&mut self, bytes: &[u8]) {
        if let Some(counter) = &mut self.counter {
            counter.raw(bytes);
        }
    }

    #[inline]
    fn piece(&mut self, piece: Piece<'_>) {
        if let Some(counter) = &mut self.counter {
            counter.piece(piece);
        }
    }

    fn long_field(&mut self, hash: u128) {
        if let Some(counter) = &mut self.counter {
            counter.long_field(hash);
        }
    }

    fn takes_parts(&self) -> bool {
        self.counter.as_ref().is_none_or(Visit::takes_parts)
    }

    fn part(&mut self, part: Part<'_>) {
        if let Some(counter) = &mut self.counter {
            counter.part(part);
        }
    }

    fn oddity(&mut self, oddity: &Oddity<'_>) {
        self.oddities.add(oddity);
        if let Some(counter) = &mut self.counter {
            counter.oddity(oddity);
        }
    }

    #[inline]
    fn entry_end(&mut self, end: &EntryEnd) {
        if let Some(counter) = &mut self.counter {
            counter.entry_end(end);
        }
    }

    fn end(&mut self, checksum: Checksum) {
        if let Some(counter) = &mut self.counter {
            counter.end(checksum);
        }
    }
}

/// Foreign bytes as text that is safe in a manifest: escaped where they are not printable, cut where they are long.
fn readable(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(AUX_LENGTH)];
    let text = match std::str::from_utf8(cut) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => cut.escape_ascii().to_string(),
    };
    if cut.len() < bytes.len() { format!("{text}…") } else { text }
}
