//! The type of a key, by the name that `TYPE` gives, whatever its encoding is.

use std::fmt;

use crate::rdb::types::{Kind, ValueType};

/// What a key is. Encodings (listpack, hash table, …) are not told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// A string; `TYPE` answers `string`.
    String,
    /// A list; `TYPE` answers `list`.
    List,
    /// A set; `TYPE` answers `set`.
    Set,
    /// A sorted set; `TYPE` answers `zset`.
    Zset,
    /// A hash; `TYPE` answers `hash`.
    Hash,
    /// A stream; `TYPE` answers `stream`.
    Stream,
    /// `array` (Redis 8.8)
    Array,
    /// `gcra` (Redis 8.8 built with it, 8.10)
    Gcra,
    /// `vectorset` (Redis 8): written as a module's value, though it is part of the server.
    Vectorset,
    /// A value of a module, shown as `module:<nine characters>`.
    Module(ModuleName),
    /// `type:<number>`: an encoding that is not in the table, told only by readers that know more than this one.
    Unknown(u8),
}

/// What a vector set is called, by TYPE and as a module's type.
pub(super) const VECTORSET: &str = "vectorset";

/// Longest text of [`KeyType::write_name`], in bytes.
pub(super) const NAME_LENGTH: usize = 16;

impl KeyType {
    /// The type that an encoding belongs to. A module's name is not known before its value begins: see
    /// [`KeyType::of_module`]. The numbers 29 to 32 are template hashes here (Redis 8.10); a build of 8.8 with GCRA, which
    /// uses 29 for it, is recognised by its content.
    pub fn of_encoding(encoding: ValueType) -> Self {
        encoding.newest_kind().map_or(Self::Unknown(encoding.0), Self::from)
    }

    /// The type of a module's value, by the packed id that stands before it (nine characters of 6 bits, then 10 bits of
    /// version, which is not part of the type).
    pub fn of_module(id: u64) -> Self {
        let name = ModuleName(id >> 10);
        if name.text() == *VECTORSET.as_bytes() { Self::Vectorset } else { Self::Module(name) }
    }

    /// The type that a name of [`fmt::Display`] stands for.
    pub fn parse(name: &str) -> Option<Self> {
        match Kind::named(name) {
            // Which module is said behind a colon.
            Some(Kind::Module) => None,
            Some(kind) => Some(Self::from(kind)),
            None if name == VECTORSET => Some(Self::Vectorset),
            None => match name.split_once(':')? {
                ("module", name) => Some(Self::Module(ModuleName::parse(name)?)),
                ("type", number) => Some(Self::Unknown(number.parse().ok()?)),
                _ => None,
            },
        }
    }

    /// What the server calls it, where it is a type of its own.
    fn kind(self) -> Option<Kind> {
        Some(match self {
            Self::String => Kind::String,
            Self::List => Kind::List,
            Self::Set => Kind::Set,
            Self::Zset => Kind::Zset,
            Self::Hash => Kind::Hash,
            Self::Stream => Kind::Stream,
            Self::Array => Kind::Array,
            Self::Gcra => Kind::Gcra,
            Self::Vectorset | Self::Module(_) | Self::Unknown(_) => return None,
        })
    }

    /// Whether a key of this type is gone once it has no elements: all aggregates but streams.
    pub(super) fn vanishes_when_empty(self) -> bool {
        self.kind().is_some_and(Kind::vanishes_when_empty)
    }

    /// Puts the name into `buffer` and returns it.
    pub(super) fn write_name<'a>(&self, buffer: &'a mut [u8; NAME_LENGTH]) -> &'a [u8] {
        match (self.kind(), self) {
            (Some(kind), _) => kind.name().as_bytes(),
            (None, Self::Module(name)) => {
                buffer[..7].copy_from_slice(b"module:");
                buffer[7..].copy_from_slice(&name.text());
                buffer
            }
            (None, Self::Unknown(number)) => {
                buffer[..5].copy_from_slice(b"type:");
                let mut end = 5;
                for digit in [number / 100, number / 10 % 10, number % 10] {
                    if digit != 0 || end > 5 {
                        buffer[end] = b'0' + digit;
                        end += 1;
                    }
                }
                &buffer[..end]
            }
            (None, _) => VECTORSET.as_bytes(),
        }
    }
}

impl From<Kind> for KeyType {
    /// A kind as a key type; a module's value has no name yet.
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::String => Self::String,
            Kind::List => Self::List,
            Kind::Set => Self::Set,
            Kind::Zset => Self::Zset,
            Kind::Hash => Self::Hash,
            Kind::Stream => Self::Stream,
            Kind::Module => Self::Module(ModuleName(0)),
            Kind::Array => Self::Array,
            Kind::Gcra => Self::Gcra,
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; NAME_LENGTH];
        out.pad(std::str::from_utf8(self.write_name(&mut buffer)).unwrap_or("?"))
    }
}

/// The 54 bits of a module type's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleName(u64);

/// Redis `module.c`, `ModuleTypeNameCharSet`.
const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl ModuleName {
    /// Nine characters of `A-Z a-z 0-9 - _`.
    pub fn text(self) -> [u8; 9] {
        std::array::from_fn(|at| CHARACTERS[(self.0 >> (6 * (8 - at)) & 63) as usize])
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bits = 0;
        for byte in text.bytes() {
            bits = bits << 6 | CHARACTERS.iter().position(|character| *character == byte)? as u64;
        }
        (text.len() == 9).then_some(Self(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named_by_the_id_before_its_value() {
        let bloom = KeyType::Module(ModuleName::parse("MBbloom--").expect("nine characters"));
        let KeyType::Module(name) = bloom else { panic!("a module") };
        assert_eq!(KeyType::of_module(name.0 << 10 | 4), bloom);
        assert_eq!(bloom.to_string(), "module:MBbloom--");
        let vectorset = ModuleName::parse("vectorset").expect("nine characters");
        assert_eq!(KeyType::of_module(vectorset.0 << 10), KeyType::Vectorset);
    }

    #[test]
    fn every_name_is_read_back() {
        let all = (0..=255).map(|number| KeyType::of_encoding(ValueType(number)));
        for key_type in all.chain([KeyType::Vectorset, KeyType::Gcra]) {
            assert_eq!(KeyType::parse(&key_type.to_string()), Some(key_type), "{key_type}");
        }
        for wrong in ["", "String", "module:", "module:too-long-name", "module:short", "type:256", "set:"] {
            assert_eq!(KeyType::parse(wrong), None, "{wrong}");
        }
    }
}
