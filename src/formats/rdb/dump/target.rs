//! What a server takes in RESTORE.

use crate::rdb::opcode::Dialect;
use crate::rdb::types::{Kind, ValueType};

/// A server to which payloads are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Its meaning of the types from 22 on.
    pub dialect: Dialect,
    /// The newest version that it takes in a footer.
    pub rdb_version: u32,
}

impl Target {
    /// The target for a product (`redis`, `valkey`, `redict`, `keydb`; case does not matter) and its version (`7.2.4`,
    /// `8.10`). `None` for what we know nothing of.
    ///
    /// Redict 7.3 writes version 12, but none of the types that came with it; KeyDB 6 is a Redis 6.
    pub fn of(product: &str, version: &str) -> Option<Self> {
        let mut numbers = version.split('.').map(|part| {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            part[..digits].parse::<u32>().ok()
        });
        let version = (numbers.next()??, numbers.next().flatten().unwrap_or(0));
        let redis = |rdb_version| Some(Self { dialect: Dialect::Redis, rdb_version });
        match product.to_ascii_lowercase().as_str() {
            "redis" => redis(match version {
                (0..2, _) | (2, 0..6) => return None,
                (2, _) | (3, 0..2) => 6,
                (3, _) => 7,
                (4, _) => 8,
                (5 | 6, _) => 9,
                (7, 0..2) => 10,
                (7, 2..4) => 11,
                (7, _) | (8, 0..6) => 12,
                (8, 6..8) => 13,
                (8, 8..10) => 14,
                _ => 15,
            }),
            "valkey" => match version {
                (0..9, _) => redis(11),
                (9, 0..2) => Some(Self { dialect: Dialect::Valkey, rdb_version: 80 }),
                _ => Some(Self { dialect: Dialect::Valkey, rdb_version: 81 }),
            },
            "redict" => redis(11),
            "keydb" => redis(9),
            _ => None,
        }
    }

    /// True if a value of this type, read from a file or payload of this dialect and version, can be sent as it is.
    pub fn accepts(&self, value_type: ValueType, dialect: Dialect, version: u32) -> bool {
        if !value_type.stands_alone(dialect) {
            return false;
        }
        if value_type.is_common() {
            return self.rdb_version >= value_type.first_version();
        }
        let kind = value_type.kind(dialect, version);
        dialect == self.dialect && kind.is_some() && kind == value_type.kind(dialect, self.rdb_version)
    }

    /// True if a payload may begin with the key's metadata.
    pub fn takes_key_meta(&self) -> bool {
        self.dialect == Dialect::Redis && self.rdb_version >= 13
    }

    /// The plain type that carries a kind to this target; streams apart.
    pub(super) fn plain_type(&self, kind: Kind, has_expiries: bool) -> Option<ValueType> {
        Some(match kind {
            Kind::String => ValueType::STRING,
            Kind::List => ValueType::LIST,
            Kind::Set => ValueType::SET,
            Kind::Zset if self.rdb_version < 8 => ValueType::ZSET,
            Kind::Zset => ValueType::ZSET_2,
            Kind::Hash if has_expiries && self.dialect == Dialect::Valkey => ValueType::HASH_22,
            Kind::Hash if has_expiries && self.rdb_version >= 12 => ValueType::HASH_METADATA,
            Kind::Hash => ValueType::HASH,
            _ => return None,
        })
    }

    /// The newest stream that this target reads.
    pub(super) fn stream_type(&self) -> Option<ValueType> {
        Some(match (self.dialect, self.rdb_version) {
            (Dialect::Valkey, _) | (_, 11 | 12) => ValueType::STREAM_3,
            (_, 0..=8) => return None,
            (_, 9) => ValueType::STREAM,
            (_, 10) => ValueType::STREAM_2,
            (_, 13) => ValueType::STREAM_4,
            _ => ValueType::STREAM_5,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_versions_give_the_version_that_their_source_names() {
        let cases = [
            ("redis", "2.8.24", Some((Dialect::Redis, 6))),
            ("redis", "3.2.1", Some((Dialect::Redis, 7))),
            ("redis", "5.0.14", Some((Dialect::Redis, 9))),
            ("Redis", "6.2.14", Some((Dialect::Redis, 9))),
            ("redis", "7.0.15", Some((Dialect::Redis, 10))),
            ("redis", "7.2.6", Some((Dialect::Redis, 11))),
            ("redis", "7.4.1", Some((Dialect::Redis, 12))),
            ("redis", "8.4.0", Some((Dialect::Redis, 12))),
            ("redis", "8.6.1", Some((Dialect::Redis, 13))),
            ("redis", "8.8-rc1", Some((Dialect::Redis, 14))),
            ("redis", "8.10.0", Some((Dialect::Redis, 15))),
            ("valkey", "7.2.8", Some((Dialect::Redis, 11))),
            ("valkey", "8.1.1", Some((Dialect::Redis, 11))),
            ("valkey", "9.1.2", Some((Dialect::Valkey, 80))),
            ("valkey", "9.2.0", Some((Dialect::Valkey, 81))),
            ("redict", "7.3.6", Some((Dialect::Redis, 11))),
            ("something", "1.0", None),
            ("redis", "", None),
        ];
        for (product, version, expected) in cases {
            let target = Target::of(product, version).map(|target| (target.dialect, target.rdb_version));
            assert_eq!(target, expected, "{product} {version}");
        }
    }

    #[test]
    fn a_type_is_accepted_where_it_is_known_and_means_the_same() {
        use Dialect::{Redis, Valkey};
        let target = |product, version| Target::of(product, version).unwrap();
        let cases = [
            (ValueType::LIST_QUICKLIST_2, Redis, 10, target("redis", "6.2"), false),
            (ValueType::LIST_QUICKLIST_2, Redis, 10, target("redis", "7.0"), true),
            (ValueType::STREAM_3, Redis, 11, target("redis", "7.0"), false),
            (ValueType::HASH_METADATA, Redis, 12, target("valkey", "9.1"), false),
            (ValueType::HASH_METADATA, Redis, 12, target("redis", "8.0"), true),
            (ValueType::HASH_22, Valkey, 80, target("valkey", "9.0"), true),
            (ValueType::HASH_22, Valkey, 80, target("redis", "8.0"), false),
            (ValueType::HASH_22, Redis, 12, target("valkey", "9.0"), false),
            (ValueType::GCRA_14_OR_TEMPLATE_LISTPACK, Redis, 14, target("redis", "8.10"), false),
            (ValueType::TEMPLATE_LISTPACK_REF, Redis, 15, target("redis", "8.10"), false),
            (ValueType::ZSET_2, Redis, 9, target("redis", "3.2"), false),
        ];
        for (value_type, dialect, version, target, expected) in cases {
            assert_eq!(
                target.accepts(value_type, dialect, version),
                expected,
                "{value_type:?} {dialect:?} to {target:?}"
            );
        }
    }
}
