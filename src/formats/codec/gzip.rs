//! gzip (RFC 1952): whole members as we write them, and anybody's members as a stream.
//!
//! A member of ours says in an extra field how long it is, so that a reader can tell members apart without decoding them and
//! several threads can decode at a time. Other readers skip the field.
//!
//! ```text
//! 1f 8b 08 04   magic, deflate, "has extra fields"
//! 00 00 00 00   no time
//! 00 ff         no hint on compression, unknown system
//! 08 00         bytes of extra fields
//! 52 4f 04 00   subfield "RO", 4 bytes
//! .. .. .. ..   length of the whole member, little endian
//! …             deflate data, CRC32 and length of the content
//! ```

use flate2::{Crc, Decompress, FlushDecompress, Status};
use libdeflater::{CompressionLvl, Compressor};

use super::{CodecErrorKind, FRAME_LIMIT, STORED_LIMIT};

/// How every gzip member begins.
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Bytes of a member of ours before its deflate data. No valid member of any program is shorter in all.
pub(super) const HEADER: usize = 20;

const BEGIN: [u8; 16] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 8, 0, b'R', b'O', 4, 0];
const TRAILER: usize = 8;

/// Makes members. A member is compressed whole, which is what libdeflate is made for: it packs as tightly as zlib's level 3 in
/// two thirds of the time that zlib-rs takes for its level 2, and that time is most of what a backup costs the machine.
pub(super) struct Encoder(Compressor);

impl Encoder {
    pub(super) fn new(level: u32) -> Self {
        let level = i32::try_from(level).ok().and_then(|level| CompressionLvl::new(level).ok());
        Self(Compressor::new(level.unwrap_or_default()))
    }

    /// Appends one member to an empty `frame`.
    pub(super) fn encode(&mut self, raw: &[u8], frame: &mut Vec<u8>) -> Result<(), CodecErrorKind> {
        frame.extend_from_slice(&BEGIN);
        frame.resize(HEADER + self.0.deflate_compress_bound(raw.len()), 0);
        let length = self.0.deflate_compress(raw, &mut frame[HEADER..]);
        let length = length.map_err(|error| CodecErrorKind::Corrupt(error.to_string()))?;
        frame.truncate(HEADER + length);
        let mut crc = Crc::new();
        crc.update(raw);
        frame.extend_from_slice(&crc.sum().to_le_bytes());
        frame.extend_from_slice(&crc.amount().to_le_bytes());
        let length = u32::try_from(frame.len()).expect("a block of 1 MiB does not grow to 4 GiB");
        frame[BEGIN.len()..HEADER].copy_from_slice(&length.to_le_bytes());
        Ok(())
    }
}

/// The length of the member that begins with these (at least [`HEADER`]) bytes, if it is one of ours; `None` for others'.
pub(super) fn member_length(first: &[u8]) -> Result<Option<usize>, CodecErrorKind> {
    if !first.starts_with(&BEGIN) || first.len() < HEADER {
        return Ok(None);
    }
    let length = le_u32(&first[BEGIN.len()..HEADER]);
    if !(HEADER + TRAILER..=STORED_LIMIT).contains(&length) {
        return Err(CodecErrorKind::Corrupt(format!("a gzip member cannot have {length} bytes")));
    }
    Ok(Some(length))
}

fn le_u32(bytes: &[u8]) -> usize {
    let bytes = bytes.try_into().expect("four bytes are given");
    usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
}

/// Decodes whole members of ours, and checks length and CRC32 before it gives anything.
pub(super) struct Decoder(Decompress);

impl Decoder {
    pub(super) fn new() -> Self {
        Self(Decompress::new(false))
    }

    /// Replaces what is in `raw` with the content of one member.
    pub(super) fn decode(&mut self, member: &[u8], raw: &mut Vec<u8>) -> Result<(), CodecErrorKind> {
        let corrupt = |what: &str| CodecErrorKind::Corrupt(what.to_owned());
        let (body, trailer) = member.split_at(member.len() - TRAILER);
        let body = body.get(HEADER..).ok_or_else(|| corrupt("the member is too short"))?;
        let length = le_u32(&trailer[4..]);
        if length > FRAME_LIMIT {
            return Err(CodecErrorKind::Corrupt(format!("the member says it holds {length} bytes")));
        }
        raw.clear();
        // One byte more than there should be shows content that is too long, and lets an empty member end.
        raw.reserve_exact(length + 1);
        self.0.reset(false);
        match self.0.decompress_vec(body, raw, FlushDecompress::Finish) {
            Ok(Status::StreamEnd) => {}
            Ok(_) => return Err(corrupt("the deflate data does not end where it should")),
            Err(_) => return Err(corrupt(NOT_DEFLATE)),
        }
        if self.0.total_in() != body.len() as u64 || raw.len() != length {
            return Err(corrupt("its length is not what it says"));
        }
        let mut crc = Crc::new();
        crc.update(raw);
        if crc.sum().to_le_bytes() != trailer[..4] {
            return Err(corrupt("its CRC32 is wrong"));
        }
        Ok(())
    }
}

/// What the library says of it is about its own states, not about the data.
const NOT_DEFLATE: &str = "the deflate data is not valid";

/// Decodes one member of anybody's as a stream: what comes out is not checked until the end has come.
pub(super) struct Stream(Decompress);

impl Stream {
    pub(super) fn new() -> Self {
        // zlib's gzip mode: reads the header, and compares CRC32 and length at the end.
        Self(Decompress::new_gzip(15))
    }

    /// Appends to `raw` within its capacity. Returns the bytes of `stored` that were used, and whether the member has ended.
    pub(super) fn decode(&mut self, stored: &[u8], raw: &mut Vec<u8>) -> Result<(usize, bool), CodecErrorKind> {
        let before = self.0.total_in();
        let status = self
            .0
            .decompress_vec(stored, raw, FlushDecompress::None)
            .map_err(|_| CodecErrorKind::Corrupt(NOT_DEFLATE.to_owned()))?;
        let used = usize::try_from(self.0.total_in() - before).unwrap_or(stored.len());
        Ok((used, status == Status::StreamEnd))
    }
}
