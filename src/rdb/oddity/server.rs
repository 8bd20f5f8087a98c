//! Servers as far as it matters what they do with an odd file.

use super::fate::Line;
use crate::rdb::dump::Target;
use crate::rdb::opcode::Dialect;

/// A product and version, placed among those that were tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `redis 7.2`.
    name: String,
    /// What it reads.
    pub(super) format: Target,
    /// The tried versions that it is one of, or lies between.
    pub(super) lines: Vec<Line>,
    /// Older or newer than all that was tried.
    pub(super) is_beyond: bool,
}

impl Server {
    /// `redis`, `valkey`, `redict` or `keydb` and a version (`7.2.4`); `None` for what we know nothing of.
    pub fn of(product: &str, version: &str) -> Option<Self> {
        let format = Target::of(product, version)?;
        let mut numbers =
            version.split('.').map(|part| part.trim_end_matches(|c: char| !c.is_ascii_digit()).parse::<u32>());
        let version = (numbers.next()?.ok()?, numbers.next().and_then(Result::ok).unwrap_or(0));
        let product = product.to_ascii_lowercase();
        let (lines, is_beyond) = match product.as_str() {
            "redis" => Line::around(&Line::REDIS, version),
            "valkey" if version < (8, 0) => (vec![Line::Redis70, Line::Redis74, Line::Valkey80], false),
            "valkey" => Line::around(&Line::VALKEY, version),
            // A Redis 7.2 by its source, and a Redis 6 with threads.
            "redict" => (vec![Line::Redis70, Line::Redis74], false),
            _ => (vec![Line::Redis62], true),
        };
        Some(Self { name: format!("{product} {}.{}", version.0, version.1), format, lines, is_beyond })
    }

    /// The versions that findings name.
    pub fn known() -> Vec<Self> {
        [
            ("redis", "6.2"),
            ("redis", "7.0"),
            ("redis", "7.2"),
            ("redis", "7.4"),
            ("redis", "8.0"),
            ("redis", "8.10"),
            ("valkey", "7.2"),
            ("valkey", "8.0"),
            ("valkey", "8.1"),
            ("valkey", "9.1"),
        ]
        .into_iter()
        .filter_map(|(product, version)| Self::of(product, version))
        .collect()
    }

    /// `redis 7.2`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True if it reads files of this dialect and version (Redis `rdb.c`, `rdbLoadRio`: none newer than its own; Valkey 9 and newer
    /// also files of Redis up to version 11).
    pub fn reads(&self, dialect: Dialect, version: u32) -> bool {
        match (dialect, self.format.dialect) {
            (Dialect::Redis, Dialect::Valkey) => version <= 11,
            (Dialect::Valkey, Dialect::Redis) => false,
            _ => version <= self.format.rdb_version,
        }
    }
}
