//! `census.bin`: a census as bytes.
//!
//! ```text
//! magic "RDBCENSU" · version u32 · digest version u32 · sections · XXH3-128 of all before it
//! section   tag (one byte) · length u64 · so many bytes
//! ```
//!
//! Fixed numbers are little-endian; in sections a number is a varint of seven bits per byte, lowest first, a time is a varint
//! in zigzag form, an optional thing has one byte 0 or 1 before it, a string its length as varint. A reader passes over
//! sections it does not know; all that it knows but histogram and lists must be there once.

use std::fmt;

use xxhash_rust::xxh3::xxh3_128;

use super::DIGEST_VERSION;
use super::totals::Census;
use crate::explain::{Explain, Meaning};

mod read;
mod write;

/// The version that is written; a reader refuses a higher one.
pub const FILE_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"RDBCENSU";
const HEADER: usize = MAGIC.len() + 4 + 4;
const TRAILER: usize = 16;

const TOTALS: u8 = 1;
const DATABASES: u8 = 2;
const TYPES: u8 = 3;
const FUNCTIONS: u8 = 4;
const EXPIRY: u8 = 5;
const LARGEST: u8 = 6;
const BUCKETS: u8 = 7;

/// Why bytes are no census.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The bytes do not begin as a census does.
    Magic,
    /// The census was written by a newer version of this tool, in this version of the form.
    Newer(u32),
    /// Its digest is of another version and says nothing to this one.
    Digest(u32),
    /// The bytes are not those that were written: cut, or changed.
    Checksum,
    /// The section with this tag says something impossible.
    Section(u8),
    /// The section with this tag is missing.
    Missing(u8),
}

impl fmt::Display for Malformed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => write!(out, "not a census file"),
            Self::Newer(version) => write!(out, "census file of version {version}, newer than {FILE_VERSION}"),
            Self::Digest(version) => write!(out, "census with digest version {version}, not {DIGEST_VERSION}"),
            Self::Checksum => write!(out, "census file is truncated or changed"),
            Self::Section(tag) => write!(out, "census file has a malformed section {tag}"),
            Self::Missing(tag) => write!(out, "census file has no section {tag}"),
        }
    }
}

impl std::error::Error for Malformed {}

impl Explain for Malformed {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Newer(_) | Self::Digest(_) => Meaning::of("unsupported_format"),
            Self::Magic | Self::Checksum | Self::Section(_) | Self::Missing(_) => Meaning::of("corrupt"),
        }
    }
}

/// The bytes of a census, its buckets folded to what its keys are worth ([`Census::folded`]): at most about 1.7 MiB, a few
/// hundred bytes and the largest keys' names for a small one.
pub fn encode(census: &Census) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FILE_VERSION.to_le_bytes());
    bytes.extend_from_slice(&DIGEST_VERSION.to_le_bytes());
    write::sections(census, &mut bytes);
    let checksum = xxh3_128(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Reads what [`encode`] wrote; whatever the bytes are, it takes memory in proportion to them only.
pub fn decode(bytes: &[u8]) -> Result<Census, Malformed> {
    if bytes.get(..MAGIC.len()) != Some(MAGIC) {
        return Err(Malformed::Magic);
    }
    let number = |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes);
    let (Some(version), Some(digest)) = (number(MAGIC.len()), number(MAGIC.len() + 4)) else {
        return Err(Malformed::Checksum);
    };
    if version > FILE_VERSION {
        return Err(Malformed::Newer(version));
    }
    if bytes.len() < HEADER + TRAILER {
        return Err(Malformed::Checksum);
    }
    let (content, checksum) = bytes.split_at(bytes.len() - TRAILER);
    if xxh3_128(content).to_le_bytes() != checksum {
        return Err(Malformed::Checksum);
    }
    if digest != DIGEST_VERSION {
        return Err(Malformed::Digest(digest));
    }
    read::sections(&content[HEADER..])
}
