//! Servers as far as it matters what they do with an odd file.

use crate::rdb::dump::Target;
use crate::rdb::opcode::Dialect;

/// A version that was tried. Not tried, since nobody had them: Redis 7.2, whose loader is that of 7.0 with the types of 7.4 that it
/// knows (20 and 21), and Valkey 7.2, which was Redis 7.2.4 under another name: both get the worse of their neighbours. Valkey 9.0 stands
/// between 8.1, which looks into no packed value, and 9.1, which looks into each: it gets the worse of the two for each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    Redis62,
    Redis70,
    Redis74,
    Redis80,
    Redis810,
    Valkey80,
    Valkey81,
    Valkey91,
}

impl Line {
    pub(super) const REDIS: [((u32, u32), Self); 5] = [
        ((6, 2), Self::Redis62),
        ((7, 0), Self::Redis70),
        ((7, 4), Self::Redis74),
        ((8, 0), Self::Redis80),
        ((8, 10), Self::Redis810),
    ];
    pub(super) const VALKEY: [((u32, u32), Self); 3] =
        [((8, 0), Self::Valkey80), ((8, 1), Self::Valkey81), ((9, 1), Self::Valkey91)];

    /// The lines that a version is, or lies between; and whether it lies beyond all of them.
    pub(super) fn around(lines: &[((u32, u32), Self)], version: (u32, u32)) -> (Vec<Self>, bool) {
        let older = lines.iter().rev().find(|(of, _)| *of <= version);
        let newer = lines.iter().find(|(of, _)| *of >= version);
        let mut around: Vec<Self> = older.into_iter().chain(newer).map(|(_, line)| *line).collect();
        around.dedup();
        (around, older.is_none() || newer.is_none())
    }

    pub(super) const fn is_valkey(self) -> bool {
        matches!(self, Self::Valkey80 | Self::Valkey81 | Self::Valkey91)
    }
}

/// A product and version, placed among those that were tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The flavour and version: `redis 7.2`.
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

    /// The flavour and version of the server: `redis 7.2`.
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
