//! Compression in independent frames, and digests of what passes. Plain threads and slices: nothing here awaits.
//!
//! What is written is an ordinary `.gz` or `.zst` file: members (gzip) or frames (zstd) of [`FRAME_INPUT`] bytes one after
//! the other, which `zcat` and `zstd -dc` read as one. Because each stands for itself, several threads make and check them.
//! What is read may be any `.gz` or `.zst` file.

mod block;
mod compressor;
mod crew;
mod decompressor;
mod digest;
mod framed;
mod gzip;
mod priority;
#[cfg(test)]
mod tests;
mod zstd;

use std::fmt;
use std::str::FromStr;

use crate::explain::{Explain, Meaning};

pub use block::Block;
pub use compressor::{Compressor, Frames};
pub use decompressor::{Content, Decompressor};
pub use digest::Sha256Digest;
pub use framed::{FrameMaker, Unpacker, skippable};
pub use priority::lower_priority;

/// Bytes of input in one frame that we write. The last one is shorter.
pub const FRAME_INPUT: usize = 1 << 20;

/// A frame that says it holds more than this is not ours, and is decoded as a stream, bytes.
const FRAME_LIMIT: usize = 4 << 20;

/// What a frame of [`FRAME_LIMIT`] bytes may be long when stored: what does not compress grows a little.
const STORED_LIMIT: usize = FRAME_LIMIT + (64 << 10);

/// More threads would compress faster than any server sends, and each costs some MiB.
const THREADS_AT_MOST: usize = 8;

/// Threads that compress and unpack: one for each core of this machine, 8 at most. They run at a lower priority than a server on the same
/// machine.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(1, THREADS_AT_MOST)
}

/// How an object is compressed, and how hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Stored as it is.
    None,
    /// gzip members, level 1 to 9.
    Gzip(u32),
    /// zstd frames, level 1 to 22.
    Zstd(i32),
}

impl Codec {
    /// gzip as we write it unless told otherwise: the fastest, and it stores the standard data set in 0.43 of its bytes.
    pub const GZIP: Self = Self::Gzip(1);
    /// zstd as we write it unless told otherwise.
    pub const ZSTD: Self = Self::Zstd(1);

    /// `none`, `gzip` or `zstd`: the word in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip(_) => "gzip",
            Self::Zstd(_) => "zstd",
        }
    }

    /// What is appended to a file's name: nothing, `.gz` or `.zst`.
    pub fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip(_) => ".gz",
            Self::Zstd(_) => ".zst",
        }
    }

    /// How a file is compressed, by its first bytes (four are enough). What is neither gzip nor zstd counts as plain.
    pub fn detect(first: &[u8]) -> Self {
        if first.starts_with(&gzip::MAGIC) {
            Self::GZIP
        } else if zstd::is_magic(first) {
            Self::ZSTD
        } else {
            Self::None
        }
    }
}

impl Default for Codec {
    fn default() -> Self {
        Self::GZIP
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Gzip(level) => write!(f, "gzip:{level}"),
            Self::Zstd(level) => write!(f, "zstd:{level}"),
        }
    }
}

/// Not the name of a codec, or a level that it has not; the text is a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownCodec(String);

impl Explain for UnknownCodec {
    fn meaning(&self) -> Meaning {
        Meaning::of("usage").unknown()
    }
}

impl FromStr for Codec {
    type Err = UnknownCodec;

    /// `gzip`, `zstd` or `none`, and a level behind a colon.
    fn from_str(text: &str) -> Result<Self, UnknownCodec> {
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level)),
            None => (text, None),
        };
        match name {
            "none" if level.is_none() => Ok(Self::None),
            "none" => Err(UnknownCodec(format!("`{text}`: `none` has no level"))),
            "gzip" => level.map_or(Ok(Self::GZIP), |level| ranged(text, level, 1, 9).map(Self::Gzip)),
            "zstd" => level.map_or(Ok(Self::ZSTD), |level| ranged(text, level, 1, 22).map(Self::Zstd)),
            _ => Err(UnknownCodec(format!(
                "`{text}` is not a compression: use `gzip`, `zstd` or `none`, or add a level, as in `zstd:3`"
            ))),
        }
    }
}

fn ranged<N: FromStr + PartialOrd + fmt::Display>(
    text: &str,
    level: &str,
    least: N,
    most: N,
) -> Result<N, UnknownCodec> {
    match level.parse::<N>() {
        Ok(level) if level >= least && level <= most => Ok(level),
        _ => Err(UnknownCodec(format!("`{text}`: the level is a number from {least} to {most}"))),
    }
}

/// What went wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} (at byte {offset})")]
pub struct CodecError {
    /// Offset of the frame in the stored bytes, for a frame that is decoded as it comes (one of somebody else's, or a very
    /// long one) of the part of it that was being decoded, at its early end of that end; for compression, in the raw bytes.
    pub offset: u64,
    /// What it is.
    pub kind: CodecErrorKind,
}

impl CodecError {
    fn new(offset: u64, kind: CodecErrorKind) -> Self {
        Self { offset, kind }
    }

    /// The stable code for JSON.
    pub fn code(&self) -> &'static str {
        match self.kind {
            CodecErrorKind::Truncated => "truncated",
            CodecErrorKind::Corrupt(_) | CodecErrorKind::TrailingGarbage => "corrupt",
            CodecErrorKind::Stopped | CodecErrorKind::NoThread(_) => "internal",
        }
    }
}

impl Explain for CodecError {
    fn meaning(&self) -> Meaning {
        Meaning::of(self.code())
    }
}

impl CodecError {
    /// Whether nothing is wrong with the data: the neighbour in the pipe has ended, and says why.
    pub fn is_stopped(&self) -> bool {
        self.kind == CodecErrorKind::Stopped
    }
}

/// What is wrong with compressed data, or with the threads that work on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecErrorKind {
    /// The stored bytes end within a frame, or there are none.
    #[error("the compressed data ends too early")]
    Truncated,
    /// A frame is damaged: what its decoder says.
    #[error("a compressed frame is damaged: {0}")]
    Corrupt(String),
    /// After the last frame comes something that is no frame.
    #[error("there is other data after the last compressed frame")]
    TrailingGarbage,
    /// The other end of the pipe has gone without an ending: it has failed, and its own error says why.
    #[error("the receiving side has stopped")]
    Stopped,
    /// The system gave us no thread.
    #[error("cannot start a thread: {0}")]
    NoThread(String),
}
