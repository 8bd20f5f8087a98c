//! What a data set contains.

use std::collections::BTreeMap;

use super::buckets::Buckets;
use super::expiry::Expiry;
use super::functions::Functions;
use super::key_type::KeyType;
use super::largest::Largest;

/// More databases than this are counted together.
pub const DATABASES_KEPT: usize = 16_384;

/// More types than this (a file can name modules as it likes) are counted together.
pub const TYPES_KEPT: usize = 256;

/// Keys of one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DatabaseTotal {
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
}

/// Keys of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TypeTotal {
    pub keys: u64,
    /// Bytes of names and values in the file, without type bytes, lengths of names and expiries.
    pub bytes: u64,
    /// Elements, see [`super::Record::elements`].
    pub elements: u64,
}

/// The result of a census.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    /// Keys in all databases, those among them that had expired as well.
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
    /// Hash fields with an expiry of their own.
    pub fields_with_expiry: u64,
    /// By number of the database; at most [`DATABASES_KEPT`].
    pub by_database: BTreeMap<u64, DatabaseTotal>,
    /// Keys of further databases.
    pub other_databases: DatabaseTotal,
    /// By type; at most [`TYPES_KEPT`].
    pub by_type: BTreeMap<KeyType, TypeTotal>,
    /// Keys of further types.
    pub other_types: TypeTotal,
    /// The content digest of all keys, of [`super::DIGEST_VERSION`].
    pub digest: u128,
    /// Function libraries; their digest is kept apart from that of the keys.
    pub functions: Functions,
    /// When the keys expire, from the moment of the census.
    pub expiry: Expiry,
    /// The largest keys.
    pub largest: Largest,
    /// Count and digest by key hash.
    pub buckets: Buckets,
}

impl Census {
    /// The census of no keys, with 2^`bucket_bits` buckets and room for so many of the `largest` keys.
    pub fn empty(moment_ms: i64, largest: usize, bucket_bits: u32) -> Self {
        Self {
            keys: 0,
            expires: 0,
            fields_with_expiry: 0,
            by_database: BTreeMap::new(),
            other_databases: DatabaseTotal::default(),
            by_type: BTreeMap::new(),
            other_types: TypeTotal::default(),
            digest: 0,
            functions: Functions::default(),
            expiry: Expiry::new(moment_ms),
            largest: Largest::new(largest),
            buckets: Buckets::new(bucket_bits),
        }
    }

    /// The content digest as 32 hex digits, as it stands in a manifest.
    pub fn digest_hex(&self) -> String {
        format!("{:032x}", self.digest)
    }

    /// The census of two disjoint parts of a data set, such as the shards of a cluster. In which order more than two are put
    /// together does not matter as long as fewer databases, types and libraries were seen than are kept.
    pub fn merged(&self, other: &Self) -> Self {
        let mut sum = Self {
            keys: self.keys.saturating_add(other.keys),
            expires: self.expires.saturating_add(other.expires),
            fields_with_expiry: self.fields_with_expiry.saturating_add(other.fields_with_expiry),
            by_database: self.by_database.clone(),
            other_databases: self.other_databases,
            by_type: self.by_type.clone(),
            other_types: self.other_types,
            digest: self.digest.wrapping_add(other.digest),
            functions: self.functions.merged(&other.functions),
            expiry: self.expiry.merged(&other.expiry),
            largest: self.largest.merged(&other.largest),
            buckets: self.buckets.merged(&other.buckets),
        };
        sum.other_databases.add(other.other_databases);
        sum.other_types.add(other.other_types);
        for (database, total) in &other.by_database {
            sum.database(*database).add(*total);
        }
        for (key_type, total) in &other.by_type {
            sum.key_type(*key_type).add(*total);
        }
        sum
    }

    /// This census with as many buckets as its keys are worth: what `file::encode` writes, and what reading that file gives back.
    pub fn folded(&self) -> Self {
        let buckets = self.buckets.folded(Buckets::worth(self.keys));
        Self { buckets, ..self.clone() }
    }

    pub(super) fn database(&mut self, database: u64) -> &mut DatabaseTotal {
        if self.by_database.len() >= DATABASES_KEPT && !self.by_database.contains_key(&database) {
            return &mut self.other_databases;
        }
        self.by_database.entry(database).or_default()
    }

    pub(super) fn key_type(&mut self, key_type: KeyType) -> &mut TypeTotal {
        if self.by_type.len() >= TYPES_KEPT && !self.by_type.contains_key(&key_type) {
            return &mut self.other_types;
        }
        self.by_type.entry(key_type).or_default()
    }
}

impl DatabaseTotal {
    pub(super) fn add(&mut self, more: Self) {
        self.keys = self.keys.saturating_add(more.keys);
        self.expires = self.expires.saturating_add(more.expires);
    }
}

impl TypeTotal {
    pub(super) fn add(&mut self, more: Self) {
        self.keys = self.keys.saturating_add(more.keys);
        self.bytes = self.bytes.saturating_add(more.bytes);
        self.elements = self.elements.saturating_add(more.elements);
    }
}
