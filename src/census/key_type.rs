//! The type of a key, by the name that `TYPE` gives, whatever its encoding is.

use std::fmt;

use crate::rdb::opcode::ValueType;

/// What a key is. Encodings (listpack, hash table, …) are not told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// `string`
    String,
    /// `list`
    List,
    /// `set`
    Set,
    /// `zset`
    Zset,
    /// `hash`
    Hash,
    /// `stream`
    Stream,
    /// `array` (Redis 8.8)
    Array,
    /// `gcra` (Redis 8.8 built with it, 8.10)
    Gcra,
    /// `vectorset` (Redis 8): written as a module's value, though it is part of the server.
    Vectorset,
    /// `module:<nine characters>`
    Module(ModuleName),
    /// `type:<number>`: an encoding that is not in the table, told only by readers that know more than this one.
    Unknown(u8),
}

/// Longest text of [`KeyType::write_name`], in bytes.
pub(super) const NAME_LENGTH: usize = 16;

impl KeyType {
    /// The type that an encoding belongs to. A module's name is not known before its value begins: see
    /// [`KeyType::of_module`]. The numbers 29 to 32 are template hashes here (Redis 8.10); a build of 8.8 with GCRA, which
    /// uses 29 for it, is recognised by its content.
    pub fn of_encoding(encoding: ValueType) -> Self {
        match encoding.0 {
            0 => Self::String,
            1 | 10 | 14 | 18 => Self::List,
            2 | 11 | 20 => Self::Set,
            3 | 5 | 12 | 17 => Self::Zset,
            4 | 9 | 13 | 16 | 22..=25 | 29..=32 => Self::Hash,
            6 | 7 => Self::Module(ModuleName(0)),
            15 | 19 | 21 | 26 | 27 => Self::Stream,
            28 => Self::Array,
            33 => Self::Gcra,
            other => Self::Unknown(other),
        }
    }

    /// The type of a module's value, by the packed id that stands before it (nine characters of 6 bits, then 10 bits of
    /// version, which is not part of the type).
    pub fn of_module(id: u64) -> Self {
        let name = ModuleName(id >> 10);
        if name.text() == *b"vectorset" { Self::Vectorset } else { Self::Module(name) }
    }

    /// The type that a name of [`fmt::Display`] stands for.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "string" => Self::String,
            "list" => Self::List,
            "set" => Self::Set,
            "zset" => Self::Zset,
            "hash" => Self::Hash,
            "stream" => Self::Stream,
            "array" => Self::Array,
            "gcra" => Self::Gcra,
            "vectorset" => Self::Vectorset,
            other => match other.split_once(':')? {
                ("module", name) => Self::Module(ModuleName::parse(name)?),
                ("type", number) => Self::Unknown(number.parse().ok()?),
                _ => return None,
            },
        })
    }

    /// Whether a key of this type is gone once it has no elements: all aggregates but streams.
    pub(super) fn vanishes_when_empty(self) -> bool {
        matches!(self, Self::List | Self::Set | Self::Zset | Self::Hash | Self::Array)
    }

    /// Puts the name into `buffer` and returns it.
    pub(super) fn write_name<'a>(&self, buffer: &'a mut [u8; NAME_LENGTH]) -> &'a [u8] {
        match self {
            Self::String => b"string",
            Self::List => b"list",
            Self::Set => b"set",
            Self::Zset => b"zset",
            Self::Hash => b"hash",
            Self::Stream => b"stream",
            Self::Array => b"array",
            Self::Gcra => b"gcra",
            Self::Vectorset => b"vectorset",
            Self::Module(name) => {
                buffer[..7].copy_from_slice(b"module:");
                buffer[7..].copy_from_slice(&name.text());
                buffer
            }
            Self::Unknown(number) => {
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
