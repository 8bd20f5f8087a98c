//! zstd frames made and read one after the other on the caller's own thread: for objects of a few MiB that come every few seconds.

use super::{Codec, CodecError, CodecErrorKind, FRAME_INPUT, zstd};

/// Content that is handed on at a time, bytes.
const OUTPUT: usize = 256 << 10;

/// The first four bytes of a skippable frame (RFC 8878, 3.1.2).
const SKIPPABLE: [u8; 4] = 0x184D_2A50_u32.to_le_bytes();

/// Makes frames of at most [`FRAME_INPUT`] bytes of content each.
pub struct FrameMaker {
    encoder: zstd::Encoder,
    block: Vec<u8>,
    frame: Vec<u8>,
    frames: u64,
}

impl FrameMaker {
    /// Compresses by the level of [`Codec::ZSTD`].
    ///
    /// # Errors
    /// zstd gets no memory.
    pub fn new() -> Result<Self, CodecError> {
        let Codec::Zstd(level) = Codec::ZSTD else { unreachable!("zstd has a level") };
        let encoder = zstd::Encoder::new(level).map_err(|kind| CodecError::new(0, kind))?;
        Ok(Self { encoder, block: Vec::with_capacity(FRAME_INPUT), frame: Vec::new(), frames: 0 })
    }

    /// Takes the next bytes, and gives each frame that they fill.
    ///
    /// # Errors
    /// zstd fails, or what takes the frames.
    pub fn push<E: From<CodecError>>(
        &mut self,
        mut bytes: &[u8],
        give: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(FRAME_INPUT - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == FRAME_INPUT {
                self.give(give)?;
            }
        }
        Ok(())
    }

    /// Gives the last frame. Of no input one empty frame is made.
    ///
    /// # Errors
    /// As [`FrameMaker::push`].
    pub fn finish<E: From<CodecError>>(&mut self, give: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.block.is_empty() && self.frames > 0 { Ok(()) } else { self.give(give) }
    }

    fn give<E: From<CodecError>>(&mut self, give: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.frame.clear();
        self.encoder.encode(&self.block, &mut self.frame).map_err(|kind| CodecError::new(0, kind))?;
        self.block.clear();
        self.frames += 1;
        give(&self.frame)
    }
}

/// A frame that every zstd reader passes over.
pub fn skippable(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("an index is far below 4 GiB");
    let mut frame = Vec::with_capacity(8 + content.len());
    frame.extend(SKIPPABLE);
    frame.extend(length.to_le_bytes());
    frame.extend_from_slice(content);
    frame
}

/// Reads frames; skippable ones are passed over.
pub struct Unpacker {
    stream: zstd::Stream,
    raw: Vec<u8>,
    offset: u64,
    is_between: bool,
}

impl Unpacker {
    /// At the beginning of a frame.
    ///
    /// # Errors
    /// zstd gets no memory.
    pub fn new() -> Result<Self, CodecError> {
        let stream = zstd::Stream::new().map_err(|kind| CodecError::new(0, kind))?;
        Ok(Self { stream, raw: Vec::with_capacity(OUTPUT), offset: 0, is_between: true })
    }

    /// Takes the next stored bytes, and gives what they hold.
    ///
    /// # Errors
    /// The bytes are damaged, or what takes the content fails.
    pub fn push<E: From<CodecError>>(
        &mut self,
        mut stored: &[u8],
        give: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            self.raw.clear();
            let decoded = self.stream.decode(stored, &mut self.raw);
            let (used, ended) = decoded.map_err(|kind| CodecError::new(self.offset, kind))?;
            stored = &stored[used..];
            self.offset += used as u64;
            if used > 0 || !self.raw.is_empty() {
                self.is_between = ended;
            }
            let was_full = self.raw.len() == self.raw.capacity();
            if !self.raw.is_empty() {
                give(&self.raw)?;
            }
            if stored.is_empty() && !was_full {
                return Ok(());
            }
        }
    }

    /// Says that nothing follows.
    ///
    /// # Errors
    /// The bytes end within a frame.
    pub fn finish(self) -> Result<(), CodecError> {
        match self.is_between {
            true => Ok(()),
            false => Err(CodecError::new(self.offset, CodecErrorKind::Truncated)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(stored: &[u8], step: usize) -> Result<Vec<u8>, CodecError> {
        let (mut unpacker, mut raw) = (Unpacker::new()?, Vec::new());
        for part in stored.chunks(step) {
            unpacker.push(part, &mut |bytes: &[u8]| {
                raw.extend_from_slice(bytes);
                Ok::<(), CodecError>(())
            })?;
        }
        unpacker.finish().map(|()| raw)
    }

    #[test]
    fn frames_and_an_index_behind_them_are_read_however_they_are_cut() {
        let raw: Vec<u8> = (0..FRAME_INPUT + 4321).map(|at| (at % 251) as u8).collect();
        let (mut maker, mut stored) = (FrameMaker::new().expect("memory"), Vec::new());
        let mut give = |frame: &[u8]| {
            stored.extend_from_slice(frame);
            Ok::<(), CodecError>(())
        };
        maker.push(&raw, &mut give).expect("made");
        maker.finish(&mut give).expect("made");
        let frames = stored.len();
        stored.extend(skippable(b"an index"));
        for step in [1, 1000, stored.len()] {
            assert_eq!(unpacked(&stored, step).expect("read"), raw, "in steps of {step}");
        }
        assert!(unpacked(&stored[..frames - 1], 100).is_err());
        assert!(unpacked(&stored[..stored.len() - 1], 100).is_err());
    }
}
