//! zstd (RFC 8878): whole frames that say what they hold, and anybody's frames as a stream.

use zstd::bulk;
use zstd::stream::raw::{InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::{CParameter, compress_bound};

use super::{CodecErrorKind, FRAME_LIMIT, STORED_LIMIT};

const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// Magic, frame header descriptor: enough to know how long the header is. No frame is shorter.
pub(super) const FIRST: usize = 5;
const BLOCK_HEADER: usize = 3;
const CHECKSUM: usize = 4;

/// What a frame's first bytes tell.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing before there are this many bytes from the beginning of the frame.
    Need(usize),
    /// The frame is complete in the bytes given, and holds this many.
    Whole(usize),
    /// The frame holds a lot, or does not say how much.
    Stream,
    /// A skippable frame of this many bytes.
    Skip(u64),
    /// The bytes are no frame.
    None,
}

/// Whether these bytes begin a frame, skippable ones included.
pub(super) fn is_magic(first: &[u8]) -> bool {
    first.starts_with(&MAGIC) || is_skippable(first)
}

/// Whether bytes that may be too few for a whole magic could begin a frame.
pub(super) fn may_be_magic(first: &[u8]) -> bool {
    is_magic(first)
        || MAGIC.starts_with(first)
        || first.len() < 4 && first.first().is_some_and(|byte| byte & 0xf0 == 0x50)
}

fn is_skippable(first: &[u8]) -> bool {
    first.len() >= 4 && first[0] & 0xf0 == 0x50 && first[1..4] == [0x2a, 0x4d, 0x18]
}

/// Looks at the frame that begins with these (at least [`FIRST`]) bytes; of a frame that says what it holds the headers of the
/// blocks are followed to its end. See RFC 8878, 3.1.1.
pub(super) fn look(frame: &[u8]) -> Result<Look, CodecErrorKind> {
    if is_skippable(frame) {
        let Some(length) = frame.get(4..8) else { return Ok(Look::Need(8)) };
        return Ok(Look::Skip(8 + little_endian(length)));
    }
    if !frame.starts_with(&MAGIC) {
        return Ok(Look::None);
    }
    let descriptor = frame[4];
    let single_segment = descriptor & 0x20 != 0;
    let content_size = match (descriptor >> 6, single_segment) {
        (0, false) => return Ok(Look::Stream),
        (0, true) => 1,
        (flag, _) => 1 << flag,
    };
    let dictionary_id = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let at = FIRST + usize::from(!single_segment) + dictionary_id;
    let header = at + content_size;
    let Some(field) = frame.get(at..header) else { return Ok(Look::Need(header)) };
    // A field of two bytes counts from 256.
    let content = little_endian(field) + if content_size == 2 { 256 } else { 0 };
    match usize::try_from(content) {
        Ok(content) if content <= FRAME_LIMIT => {
            let checksum = if descriptor & 4 != 0 { CHECKSUM } else { 0 };
            follow_blocks(frame, header, checksum, content)
        }
        _ => Ok(Look::Stream),
    }
}

fn follow_blocks(frame: &[u8], mut at: usize, checksum: usize, content: usize) -> Result<Look, CodecErrorKind> {
    loop {
        let Some(block) = frame.get(at..at + BLOCK_HEADER) else { return Ok(Look::Need(at + BLOCK_HEADER)) };
        let field = little_endian(block);
        let (last, kind, size) = (field & 1 == 1, (field >> 1) & 3, usize::try_from(field >> 3).unwrap_or(usize::MAX));
        at += BLOCK_HEADER;
        // A block of type 1 is one byte, to be repeated.
        at += if kind == 1 { 1 } else { size };
        if at > STORED_LIMIT {
            return Err(CodecErrorKind::Corrupt(format!("{at} bytes are too many for a content of {content}")));
        }
        if last {
            let end = at + checksum;
            return Ok(if frame.len() < end { Look::Need(end) } else { Look::Whole(content) });
        }
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Makes frames, each with the size of its content and a checksum.
pub(super) struct Encoder(bulk::Compressor<'static>);

impl Encoder {
    pub(super) fn new(level: i32) -> Result<Self, CodecErrorKind> {
        let mut compressor = bulk::Compressor::new(level).map_err(corrupt)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true)).map_err(corrupt)?;
        Ok(Self(compressor))
    }

    /// Appends one frame to an empty `frame`.
    pub(super) fn encode(&mut self, raw: &[u8], frame: &mut Vec<u8>) -> Result<(), CodecErrorKind> {
        frame.reserve(compress_bound(raw.len()));
        self.0.compress_to_buffer(raw, frame).map_err(corrupt)?;
        Ok(())
    }
}

fn corrupt(error: std::io::Error) -> CodecErrorKind {
    CodecErrorKind::Corrupt(error.to_string())
}

/// Decodes whole frames, and checks their checksum before it gives anything.
pub(super) struct Decoder(bulk::Decompressor<'static>);

impl Decoder {
    pub(super) fn new() -> Result<Self, CodecErrorKind> {
        bulk::Decompressor::new().map(Self).map_err(corrupt)
    }

    /// Replaces what is in `raw` with the content of one frame, which says that it holds `length` bytes.
    pub(super) fn decode(&mut self, frame: &[u8], length: usize, raw: &mut Vec<u8>) -> Result<(), CodecErrorKind> {
        raw.clear();
        raw.reserve_exact(length);
        let got = self.0.decompress_to_buffer(frame, raw).map_err(corrupt)?;
        if got != length {
            return Err(CodecErrorKind::Corrupt(format!("the frame says {length} bytes and holds {got}")));
        }
        Ok(())
    }
}

/// Decodes one frame of anybody's as a stream: what comes out is not checked until the end has come. A frame that wants a
/// window above 128 MiB is refused by zstd itself.
pub(super) struct Stream(zstd::stream::raw::Decoder<'static>);

impl Stream {
    pub(super) fn new() -> Result<Self, CodecErrorKind> {
        zstd::stream::raw::Decoder::new().map(Self).map_err(corrupt)
    }

    /// Appends to `raw` within its capacity. Returns the bytes of `stored` that were used, and whether the frame has ended.
    pub(super) fn decode(&mut self, stored: &[u8], raw: &mut Vec<u8>) -> Result<(usize, bool), CodecErrorKind> {
        let mut input = InBuffer::around(stored);
        let at = raw.len();
        let mut output = OutBuffer::around_pos(raw, at);
        let wanted = self.0.run(&mut input, &mut output).map_err(corrupt)?;
        Ok((input.pos(), wanted == 0))
    }
}
