//! DUMP payloads: what `DUMP` answers and `RESTORE` takes.
//!
//! ```text
//! [243 and metadata of the key]  type byte  body  u16 LE version  u64 LE CRC64 of all before it
//! ```
//! The body is that of the file. Servers check the type and the version independently of each other and read the body
//! without regard to the version, so that a payload whose type the target knows can be given a version that it takes
//! (Redis `cluster.c`, `createDumpPayload`, `verifyDumpPayload`).

mod builder;
mod listpack;
mod loss;
mod rebuilt_stream;
mod stream;
mod target;
mod transcode;

use super::crc64::{Crc64, crc64};
use super::cursor::Cursor;
use super::error::{ErrorKind, RdbError, Stop};
use super::opcode::{Dialect, KEY_META_OR_SLOT_IMPORT};
use super::types::ValueType;
use super::value::{Compared, Opcodes, Reader, Teller, Tools, Whose};
use super::visit::Visit;

pub use loss::Loss;
pub use target::Target;
pub use transcode::{NotPossible, rebuild, transcode};

/// Bytes behind the body: version and CRC64.
pub const FOOTER_LENGTH: usize = 10;

/// Most bytes of an element of a payload: the whole payload is in memory anyway.
const PIECE_LIMIT: u64 = 1 << 32;

/// Computes the CRC64 of a payload that is sent in parts.
#[derive(Debug, Default, Clone)]
pub struct Envelope {
    crc: Crc64,
}

impl Envelope {
    /// Begins a payload; gives what stands before the body. `key_meta` is that of
    /// [`super::visit::Entry::key_meta`], only for targets that know it (Redis 8.6 and newer).
    pub fn begin(value_type: ValueType, key_meta: Option<&[u8]>) -> (Self, Vec<u8>) {
        let mut head = Vec::with_capacity(key_meta.map_or(1, |meta| meta.len() + 2));
        if let Some(meta) = key_meta {
            head.push(KEY_META_OR_SLOT_IMPORT);
            head.extend_from_slice(meta);
        }
        head.push(value_type.0);
        let mut envelope = Self::default();
        envelope.body(&head);
        (envelope, head)
    }

    /// Takes the next bytes of the body.
    pub fn body(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
    }

    /// What stands behind the body.
    pub fn footer(mut self, version: u16) -> [u8; FOOTER_LENGTH] {
        let mut footer = [0; FOOTER_LENGTH];
        footer[..2].copy_from_slice(&version.to_le_bytes());
        self.crc.update(&footer[..2]);
        footer[2..].copy_from_slice(&self.crc.value().to_le_bytes());
        footer
    }
}

/// A whole payload.
pub fn payload(value_type: ValueType, key_meta: Option<&[u8]>, body: &[u8], version: u16) -> Vec<u8> {
    let (mut envelope, mut payload) = Envelope::begin(value_type, key_meta);
    envelope.body(body);
    payload.extend_from_slice(body);
    payload.extend_from_slice(&envelope.footer(version));
    payload
}

/// A payload whose checksum was found right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked<'a> {
    /// Version in the footer.
    pub version: u16,
    /// Metadata of the key (Redis 8.6 and newer).
    pub key_meta: Option<&'a [u8]>,
    /// Encoding of the value.
    pub value_type: ValueType,
    /// The value as the RDB has it, without type, version and checksum.
    pub body: &'a [u8],
}

impl Checked<'_> {
    /// Which meaning its type has.
    pub fn dialect(&self) -> Dialect {
        Dialect::of_footer(u32::from(self.version))
    }
}

/// Takes a payload apart. The body is not looked into.
///
/// # Errors
/// `Truncated` if it is shorter than any payload, `ChecksumMismatch`; a checksum of zero is a mismatch (only Redis 8.4 and
/// newer take it). `Corrupt` if the metadata of the key is.
pub fn check(payload: &[u8]) -> Result<Checked<'_>, RdbError> {
    let shortest = || RdbError::at(payload.len() as u64, ErrorKind::Truncated);
    let (signed, stored) = payload.split_last_chunk::<8>().ok_or_else(shortest)?;
    let (content, version) = signed.split_last_chunk::<2>().ok_or_else(shortest)?;
    let version = u16::from_le_bytes(*version);
    let (stored, computed) = (u64::from_le_bytes(*stored), crc64(signed));
    if stored != computed {
        return Err(RdbError::at(signed.len() as u64, ErrorKind::ChecksumMismatch { stored, computed }));
    }
    head(content, version)
}

/// What stands before the value in a payload of this version, of which the beginning is there: the metadata of the key, the type,
/// and what there is of the value. Its checksum is left to the caller.
///
/// # Errors
/// `Truncated` if it does not reach so far; `Corrupt` if the metadata is.
pub fn head(content: &[u8], version: u16) -> Result<Checked<'_>, RdbError> {
    let mut rest = content;
    let mut key_meta = None;
    if rest.first() == Some(&KEY_META_OR_SLOT_IMPORT) && Dialect::of_footer(version.into()) == Dialect::Redis {
        let n = metadata_length(&rest[1..]).map_err(|stop| unstopped(stop, content.len()))?;
        key_meta = Some(&rest[1..=n]);
        rest = &rest[1 + n..];
    }
    let truncated = || RdbError::at(content.len() as u64, ErrorKind::Truncated);
    let (value_type, body) = rest.split_first().ok_or_else(truncated)?;
    Ok(Checked { version, key_meta, value_type: ValueType(*value_type), body })
}

fn metadata_length(bytes: &[u8]) -> Result<usize, Stop> {
    let mut cursor = Cursor::new(bytes, 1);
    let mut tools = Tools::new(PIECE_LIMIT);
    let classes = cursor.length()?;
    if classes > 7 {
        return Err(Stop::corrupt(1, "a key with more than seven classes of metadata"));
    }
    let mut quiet = Teller { visit: &mut (), pieces: false, whose: Whose::Strict };
    for _ in 0..classes {
        cursor.array::<4>()?;
        Opcodes::default().run(&mut cursor, &mut tools, &mut quiet)?;
    }
    Ok(bytes.len() - cursor.available())
}

/// Decodes the body of one value, whole: tells its pieces, gives how many elements it has (see
/// [`super::visit::EntryEnd::n_elements`]). For DUMP payloads `dialect` is [`Checked::dialect`].
///
/// # Errors
/// What is wrong, with offsets counted from the start of the body; `Truncated` if it ends early, `Corrupt` if it does not
/// end with the value.
pub fn decode_value<V: Visit>(
    value_type: ValueType,
    dialect: Dialect,
    version: u32,
    body: &[u8],
    visit: &mut V,
) -> Result<u64, RdbError> {
    decode(value_type, dialect, version, body, visit, Whose::Strict, Tools::new(PIECE_LIMIT))
}

/// The most members of one value that are compared with each other.
const MEMBERS_COMPARED: usize = 4 << 20;

/// The same, reading on past what is odd: that is told by [`Visit::oddity`], without an owner. Members are compared with each
/// other, up to 4 million.
///
/// # Errors
/// As [`decode_value`], but not for damage inside of the value that leaves its end known.
pub fn judge_value<V: Visit>(
    value_type: ValueType,
    dialect: Dialect,
    version: u32,
    body: &[u8],
    visit: &mut V,
) -> Result<u64, RdbError> {
    let mut tools = Tools::new(PIECE_LIMIT);
    tools.compared = Some(Box::new(Compared::new(MEMBERS_COMPARED)));
    decode(value_type, dialect, version, body, visit, Whose::Told(None), tools)
}

/// Generic where that pays, as is [`super::Scanner::push`]: a debug build compiles the reading once, in this crate.
#[cfg(debug_assertions)]
#[inline(never)]
fn decode(
    value_type: ValueType,
    dialect: Dialect,
    version: u32,
    body: &[u8],
    mut visit: &mut dyn Visit,
    whose: Whose<'_>,
    tools: Tools,
) -> Result<u64, RdbError> {
    decode_for(value_type, dialect, version, body, &mut visit, whose, tools)
}

#[cfg(not(debug_assertions))]
use decode_for as decode;

fn decode_for<V: Visit>(
    value_type: ValueType,
    dialect: Dialect,
    version: u32,
    body: &[u8],
    visit: &mut V,
    whose: Whose<'_>,
    mut tools: Tools,
) -> Result<u64, RdbError> {
    let unstopped = |stop| unstopped(stop, body.len());
    let unknown = || RdbError::at(0, ErrorKind::UnknownType(value_type.0));
    let kind = value_type.kind(dialect, version).ok_or_else(unknown)?;
    let mut reader = Reader::new(value_type, kind, dialect, true);
    let mut cursor = Cursor::new(body, 0);
    reader.run(&mut cursor, &mut tools, visit, whose).map_err(unstopped)?;
    if cursor.available() > 0 {
        return Err(RdbError::at(cursor.offset(), ErrorKind::Corrupt("bytes behind the value")));
    }
    Ok(reader.n_elements())
}

fn unstopped(stop: Stop, length: usize) -> RdbError {
    match stop {
        Stop::More(_) => RdbError::at(length as u64, ErrorKind::Truncated),
        Stop::Fault(error) => *error,
    }
}
