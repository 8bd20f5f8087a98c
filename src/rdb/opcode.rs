//! The numbers that stand where a type byte may stand.

use std::fmt;

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
/// All that follows belongs to this database.
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

/// The type byte of a value, understood only together with its [`Dialect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueType(pub u8);

impl ValueType {
    /// A string.
    pub const STRING: Self = Self(0);
    /// A list of plain strings.
    pub const LIST: Self = Self(1);
    /// A set of plain strings.
    pub const SET: Self = Self(2);
    /// A sorted set with ASCII scores.
    pub const ZSET: Self = Self(3);
    /// A hash of plain strings.
    pub const HASH: Self = Self(4);
    /// A sorted set with binary scores.
    pub const ZSET_2: Self = Self(5);
    /// A module's value without an end that can be found (Redis 4.0 release candidates).
    pub const MODULE: Self = Self(6);
    /// A module's value.
    pub const MODULE_2: Self = Self(7);
    /// A hash as zipmap.
    pub const HASH_ZIPMAP: Self = Self(9);
    /// A list as ziplist.
    pub const LIST_ZIPLIST: Self = Self(10);
    /// A set of integers.
    pub const SET_INTSET: Self = Self(11);
    /// A sorted set as ziplist.
    pub const ZSET_ZIPLIST: Self = Self(12);
    /// A hash as ziplist.
    pub const HASH_ZIPLIST: Self = Self(13);
    /// A list of ziplists.
    pub const LIST_QUICKLIST: Self = Self(14);
    /// A stream as Redis 5.0 writes it.
    pub const STREAM: Self = Self(15);
    /// A hash as listpack.
    pub const HASH_LISTPACK: Self = Self(16);
    /// A sorted set as listpack.
    pub const ZSET_LISTPACK: Self = Self(17);
    /// A list of listpacks and plain nodes.
    pub const LIST_QUICKLIST_2: Self = Self(18);
    /// A stream as Redis 7.0 writes it.
    pub const STREAM_2: Self = Self(19);
    /// A set as listpack.
    pub const SET_LISTPACK: Self = Self(20);
    /// A stream as Redis 7.2 writes it.
    pub const STREAM_3: Self = Self(21);
    /// Valkey: a hash with field expiry. Redis: the same by the release candidates of 7.4.
    pub const HASH_22: Self = Self(22);
    /// Valkey 9.2: a path hash. Redis: a hash with field expiry as listpack, by the release candidates of 7.4.
    pub const HASH_23: Self = Self(23);
    /// A hash with field expiry.
    pub const HASH_METADATA: Self = Self(24);
    /// A hash with field expiry as listpack.
    pub const HASH_LISTPACK_EX: Self = Self(25);
    /// A stream as Redis 8.6 writes it.
    pub const STREAM_4: Self = Self(26);
    /// A stream as Redis 8.8 writes it.
    pub const STREAM_5: Self = Self(27);
    /// An array (Redis 8.8).
    pub const ARRAY: Self = Self(28);
    /// Version 14: GCRA. From 15 on: a hash with its template inside, as listpack.
    pub const GCRA_14_OR_TEMPLATE_LISTPACK: Self = Self(29);
    /// A hash as listpack whose template stands in the file.
    pub const TEMPLATE_LISTPACK_REF: Self = Self(30);
    /// A hash with its template inside.
    pub const TEMPLATE_ARRAY: Self = Self(31);
    /// A hash whose template stands in the file.
    pub const TEMPLATE_ARRAY_REF: Self = Self(32);
    /// GCRA (Redis 8.10).
    pub const GCRA: Self = Self(33);

    /// The version of the format in which Redis began to write it; 0 for a number that Redis has not.
    pub const fn first_version(self) -> u32 {
        match self.0 {
            0..=4 | 9..=13 => 1,
            5..=7 => 8,
            14 => 7,
            15 => 9,
            16..=19 => 10,
            20 | 21 => 11,
            22..=25 => 12,
            26 => 13,
            27..=29 => 14,
            30..=33 => 15,
            _ => 0,
        }
    }

    /// What users see, `None` for a number that this version of the dialect does not have or whose layout we do not
    /// know (type 6, Valkey's path hash).
    ///
    /// Numbers up to 21 are accepted in every version: third parties write them under older version numbers, and servers
    /// check them independently of the version.
    #[inline]
    pub const fn kind(self, dialect: Dialect, version: u32) -> Option<Kind> {
        let redis = matches!(dialect, Dialect::Redis);
        Some(match self.0 {
            0 => Kind::String,
            1 | 10 | 14 | 18 => Kind::List,
            2 | 11 | 20 => Kind::Set,
            3 | 5 | 12 | 17 => Kind::Zset,
            4 | 9 | 13 | 16 => Kind::Hash,
            7 => Kind::Module,
            15 | 19 | 21 => Kind::Stream,
            22 if !redis => Kind::Hash,
            22..=25 if redis && version >= 12 => Kind::Hash,
            26 if redis && version >= 13 => Kind::Stream,
            27 if redis && version >= 14 => Kind::Stream,
            28 if redis && version >= 14 => Kind::Array,
            29 if redis && version == 14 => Kind::Gcra,
            29..=32 if redis && version >= 15 => Kind::Hash,
            33 if redis && version >= 15 => Kind::Gcra,
            _ => return None,
        })
    }
}

/// What `TYPE` says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Bytes.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    Zset,
    /// A hash.
    Hash,
    /// A stream.
    Stream,
    /// A module's own type.
    Module,
    /// An array (Redis 8.8).
    Array,
    /// A rate limiter (Redis 8.8, built with it).
    Gcra,
}

impl Kind {
    /// The word that `TYPE` answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::Zset => "zset",
            Self::Hash => "hash",
            Self::Stream => "stream",
            Self::Module => "module",
            Self::Array => "array",
            Self::Gcra => "gcra",
        }
    }

    /// Servers from 6.2 on skip a key of this kind that has no elements, and refuse it in RESTORE.
    pub const fn vanishes_when_empty(self) -> bool {
        matches!(self, Self::List | Self::Set | Self::Zset | Self::Hash | Self::Array)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
