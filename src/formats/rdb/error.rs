//! What can be wrong with an RDB, and where.

use std::fmt;

use super::opcode::Dialect;
use crate::explain::{Explain, Meaning};

/// An RDB that could not be read on. Everything before [`RdbError::offset`] was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RdbError {
    /// Byte in the file (from 0) where that stands which is wrong; for a file that ends early, its length.
    pub offset: u64,
    /// What is wrong.
    pub kind: ErrorKind,
    /// Set by the scanner where the header gives a version that this reader does not know: then a structure that it
    /// takes for damage may be a newer form.
    pub newer_file: bool,
}

/// What is wrong with an RDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The file begins with neither `REDIS` nor `VALKEY`.
    WrongMagic,
    /// A version that never was.
    UnsupportedVersion(Dialect, u32),
    /// A value type that is not known in this dialect and version.
    UnknownType(u8),
    /// An opcode that is not known in this dialect and version.
    UnknownOpcode(u8),
    /// The structure contradicts itself.
    Corrupt(&'static str),
    /// A piece is larger than a decoder accepts to hold in memory.
    TooLarge {
        /// Bytes that it claims to have.
        claimed: u64,
        /// Bytes that are accepted.
        limit: u64,
    },
    /// The CRC64 at the end is not that of the bytes before it.
    ChecksumMismatch {
        /// As it stands in the file.
        stored: u64,
        /// The checksum of the bytes that were read.
        computed: u64,
    },
    /// The bytes end before the structure does.
    Truncated,
}

impl RdbError {
    /// An error at a byte.
    pub const fn at(offset: u64, kind: ErrorKind) -> Self {
        Self { offset, kind, newer_file: false }
    }

    /// The stable word for scripts: one of `unsupported_rdb_version`, `unknown_type`, `corrupt`, `checksum_mismatch`,
    /// `truncated`.
    pub const fn code(&self) -> &'static str {
        match self.kind {
            ErrorKind::UnsupportedVersion(..) => "unsupported_rdb_version",
            ErrorKind::UnknownType(_) | ErrorKind::UnknownOpcode(_) => "unknown_type",
            ErrorKind::WrongMagic | ErrorKind::Corrupt(_) | ErrorKind::TooLarge { .. } => "corrupt",
            ErrorKind::ChecksumMismatch { .. } => "checksum_mismatch",
            ErrorKind::Truncated => "truncated",
        }
    }

    /// True where the cause may be that the file is newer than this reader: its version is higher than the newest known,
    /// or it holds what is known to exist but whose layout is not (Valkey's path hash and UPDATE). Such a file can still be stored: go on
    /// with [`super::Scanner::skim`]. An unknown number in a version that is known is damage.
    pub const fn is_newer_than_known(&self) -> bool {
        self.newer_file && !matches!(self.kind, ErrorKind::ChecksumMismatch { .. } | ErrorKind::Truncated)
    }
}

impl fmt::Display for RdbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = self.offset;
        match self.kind {
            ErrorKind::WrongMagic => write!(f, "not an RDB: wrong magic word at byte {offset}"),
            ErrorKind::UnsupportedVersion(dialect, version) => {
                write!(f, "unsupported version {version} of the {dialect:?} format at byte {offset}")
            }
            ErrorKind::UnknownType(number) => write!(f, "unknown value type {number} at byte {offset}"),
            ErrorKind::UnknownOpcode(number) => write!(f, "unknown opcode {number} at byte {offset}"),
            ErrorKind::Corrupt(what) => write!(f, "{what} at byte {offset}"),
            ErrorKind::TooLarge { claimed, limit } => {
                write!(f, "a piece of {claimed} bytes at byte {offset}, more than the {limit} that are accepted")
            }
            ErrorKind::ChecksumMismatch { stored, computed } => {
                write!(f, "checksum mismatch at byte {offset}: {stored:016x} in the file, {computed:016x} computed")
            }
            ErrorKind::Truncated if offset == 0 => f.write_str("the file is empty"),
            ErrorKind::Truncated => write!(f, "the file ends early, after {offset} bytes"),
        }
    }
}

impl std::error::Error for RdbError {}

impl Explain for RdbError {
    fn meaning(&self) -> Meaning {
        Meaning::of(self.code())
    }
}

/// Why a parser stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The unit that begins at [`super::cursor::Cursor::base`] needs so many bytes before it makes sense to try again.
    More(u64),
    /// The bytes are wrong.
    Fault(Box<RdbError>),
}

impl Stop {
    #[cold]
    pub(crate) fn fault(offset: u64, kind: ErrorKind) -> Self {
        Self::Fault(Box::new(RdbError::at(offset, kind)))
    }

    #[cold]
    pub(crate) fn corrupt(offset: u64, what: &'static str) -> Self {
        Self::fault(offset, ErrorKind::Corrupt(what))
    }
}
