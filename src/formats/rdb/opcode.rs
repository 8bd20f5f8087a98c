//! The families of the format, and the numbers that stand where a type byte may stand and are none; types: [`super::types`].

use std::sync::OnceLock;

/// Which family wrote the file; the numbers 22, 23, 242 and 243 mean other things in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `REDIS` and four digits: Redis, Valkey up to 8.1, and most others.
    Redis,
    /// `VALKEY` and three digits: Valkey 9 and newer.
    Valkey,
}

impl Dialect {
    /// The newest version of the format that this reader knows (Redis 8.10 writes 15, Valkey 9.2 writes 81).
    pub const fn newest_known(self) -> u32 {
        match self {
            Self::Redis => 15,
            Self::Valkey => 81,
        }
    }

    /// The dialect of a DUMP payload, which has no magic word: Valkey's numbers begin at 80.
    pub const fn of_footer(version: u32) -> Self {
        if version >= 80 { Self::Valkey } else { Self::Redis }
    }

    /// The word at the start of a file.
    pub const fn magic(self) -> &'static [u8] {
        match self {
            Self::Redis => b"REDIS",
            Self::Valkey => b"VALKEY",
        }
    }
}

/// End of the file; the checksum follows from version 5 on.
pub const EOF: u8 = 255;
/// The records that follow belong to this database.
pub const SELECT_DB: u8 = 254;
/// Expiry of the next key in Unix seconds.
pub const EXPIRE_SECONDS: u8 = 253;
/// Expiry of the next key in Unix milliseconds.
pub const EXPIRE_MS: u8 = 252;
/// How many keys the database has: a hint.
pub const RESIZE_DB: u8 = 251;
/// A name and a value of the file itself.
pub const AUX: u8 = 250;
/// LFU counter of the next key.
pub const FREQUENCY: u8 = 249;
/// LRU idle seconds of the next key.
pub const IDLE: u8 = 248;
/// Data of a module that belongs to no key.
pub const MODULE_AUX: u8 = 247;
/// A function library as the release candidates of 7.0 wrote it.
pub const FUNCTION_PRE_GA: u8 = 246;
/// A function library.
pub const FUNCTION: u8 = 245;
/// How many keys a cluster slot has: a hint (Redis 7.4+).
pub const SLOT_INFO: u8 = 244;
/// Redis 8.6+: metadata of the next key. Valkey 9.0+: a slot import that is under way.
pub const KEY_META_OR_SLOT_IMPORT: u8 = 243;
/// Redis 8.10: field names shared by hashes. Valkey 9.2: a write command to be applied.
pub const TEMPLATE_OR_UPDATE: u8 = 242;

/// The name of the aux field that stands before another shard where several are read as one file. It is drawn anew by every process, so that
/// no file from outside can hold it: its libraries would be passed over as those of a shard.
pub fn next_shard() -> &'static [u8] {
    static NAME: OnceLock<[u8; 16]> = OnceLock::new();
    NAME.get_or_init(|| {
        let mut name = [0; 16];
        // Without random numbers nothing is passed over that a file could name: no aux field is called by sixteen zeros and our address.
        if getrandom::fill(&mut name).is_err() {
            name[..8].copy_from_slice(&(std::ptr::from_ref(&NAME) as usize as u64).to_le_bytes());
        }
        name
    })
}
