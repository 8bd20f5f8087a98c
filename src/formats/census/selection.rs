//! Which keys are meant: `--keys`, `--exclude`, `--db`, `--type`.

use std::collections::BTreeSet;
use std::fmt;

use super::choice::{Candidate, Choice, Chosen};
use super::glob::Glob;
use super::key_type::{KeyType, VECTORSET};
use crate::rdb::Kind;

/// A type that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeFilter {
    /// Keys of exactly this type.
    One(KeyType),
    /// Keys of every module.
    AnyModule,
}

impl TypeFilter {
    /// `string`, `hash`, …, `module:NAME`, or `module` for any; nothing if there is no such type.
    pub fn parse(name: &str) -> Option<Self> {
        if name == "module" { Some(Self::AnyModule) } else { KeyType::parse(name).map(Self::One) }
    }

    /// The names of all types that a server can tell apart, in the order in which they are listed; a module's own name may follow
    /// `module:`.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Kind::ALL.into_iter().map(Kind::name).chain([VECTORSET])
    }

    fn fits(self, key_type: KeyType) -> bool {
        match self {
            Self::One(own) => own == key_type,
            Self::AnyModule => matches!(key_type, KeyType::Module(_)),
        }
    }
}

impl fmt::Display for TypeFilter {
    /// As [`TypeFilter::parse`] reads it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(key_type) => key_type.fmt(out),
            Self::AnyModule => out.write_str(Kind::Module.name()),
        }
    }
}

/// Keys chosen by name, database and type. The default means all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// The name fits one of these; none: any name.
    pub keys: Vec<Glob>,
    /// The name fits none of these.
    pub exclude: Vec<Glob>,
    /// The database is one of these; none: any.
    pub databases: BTreeSet<u64>,
    /// The type is one of these; none: any.
    pub types: Vec<TypeFilter>,
}

impl Selection {
    /// True if every key is meant.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a key of this name and database can be meant.
    pub fn takes_name(&self, database: u64, key: &[u8]) -> bool {
        (self.databases.is_empty() || self.databases.contains(&database))
            && (self.keys.is_empty() || self.keys.iter().any(|glob| glob.matches(key)))
            && !self.exclude.iter().any(|glob| glob.matches(key))
    }

    /// Whether a key of this type can be meant.
    pub fn takes_type(&self, key_type: KeyType) -> bool {
        self.types.is_empty() || self.types.iter().any(|filter| filter.fits(key_type))
    }

    /// Whether a key is meant.
    pub fn takes(&self, database: u64, key: &[u8], key_type: KeyType) -> bool {
        self.takes_type(key_type) && self.takes_name(database, key)
    }
}

impl Choice for &Selection {
    fn may_take(&mut self, database: u64, key: &[u8]) -> bool {
        self.takes_name(database, key)
    }
    fn choose(&mut self, candidate: &Candidate<'_>) -> Chosen {
        if self.takes_type(candidate.key_type) { Chosen::as_it_is(candidate) } else { Chosen::Leave }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_meant_when_nothing_speaks_against_it() {
        let selection = Selection {
            keys: vec![Glob::new("user:*"), Glob::new("session:*")],
            exclude: vec![Glob::new("*:tmp")],
            databases: [0, 3].into(),
            types: vec![TypeFilter::One(KeyType::Hash), TypeFilter::AnyModule],
        };
        let module = KeyType::parse("module:MBbloom--").expect("a module");
        for (database, key, key_type, meant) in [
            (0, "user:1", KeyType::Hash, true),
            (3, "session:1", module, true),
            (1, "user:1", KeyType::Hash, false),
            (0, "other", KeyType::Hash, false),
            (0, "user:tmp", KeyType::Hash, false),
            (0, "user:1", KeyType::String, false),
        ] {
            assert_eq!(selection.takes(database, key.as_bytes(), key_type), meant, "{database} {key} {key_type}");
        }
        assert!(Selection::default().takes(7, b"", KeyType::Gcra) && Selection::default().is_everything());
    }
}
