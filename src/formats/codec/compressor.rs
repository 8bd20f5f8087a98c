//! Makes frames with several threads and gives them in order.

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

use super::crew::{Crew, Gone, InOrder, crew};
use super::{Codec, CodecError, CodecErrorKind, FRAME_INPUT, gzip, zstd};

/// Takes raw bytes; the frames come out of the [`Frames`] made with it, which another thread must drain.
///
/// Memory: at most `threads + 4` times [`FRAME_INPUT`] in raw bytes and as much in frames.
pub struct Compressor {
    codec: Codec,
    crew: Crew<Job, Result<Bytes, CodecError>>,
    block: Vec<u8>,
    spare: Receiver<Vec<u8>>,
    totals: Totals,
}

/// Compressed frames, in the order of what they hold.
pub struct Frames {
    results: InOrder<Result<Bytes, CodecError>>,
}

/// What went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Bytes of input.
    pub raw_bytes: u64,
    /// Independent frames made; 0 where nothing is compressed.
    pub frames: u64,
}

struct Job {
    block: Vec<u8>,
    offset: u64,
}

impl Compressor {
    /// Starts `threads` threads (at least one; none are needed for [`Codec::None`]), which run at a lower priority.
    ///
    /// # Errors
    /// If the system gives no thread, or zstd no memory.
    pub fn new(codec: Codec, threads: usize) -> Result<(Self, Frames), CodecError> {
        let threads = if codec == Codec::None { 1 } else { threads.max(1) };
        let (recycle, spare) = bounded(threads + 2);
        let (crew, results) =
            crew(threads, true, || worker(codec, recycle.clone())).map_err(|kind| CodecError::new(0, kind))?;
        let compressor = Self { codec, crew, block: Vec::with_capacity(FRAME_INPUT), spare, totals: Totals::default() };
        Ok((compressor, Frames { results }))
    }

    /// Takes the next raw bytes, of any length. Waits while the frames before it are not taken.
    ///
    /// # Errors
    /// [`CodecErrorKind::Stopped`] if the [`Frames`] are gone.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), CodecError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(FRAME_INPUT - self.block.len()));
            self.block.extend_from_slice(now);
            self.totals.raw_bytes += now.len() as u64;
            bytes = later;
            if self.block.len() == FRAME_INPUT {
                self.submit()?;
            }
        }
        Ok(())
    }

    /// Says that nothing follows: without it [`Frames::next`] ends in an error. Of no input one empty frame is made, so that
    /// the file is a valid one.
    ///
    /// # Errors
    /// [`CodecErrorKind::Stopped`] if the [`Frames`] are gone.
    pub fn finish(mut self) -> Result<Totals, CodecError> {
        if !self.block.is_empty() || self.totals.raw_bytes == 0 && self.codec != Codec::None {
            self.submit()?;
        }
        let (totals, offset) = (self.totals, self.totals.raw_bytes);
        self.crew.end().map_err(|Gone| stopped(offset))?;
        Ok(totals)
    }

    fn submit(&mut self) -> Result<(), CodecError> {
        let offset = self.totals.raw_bytes - self.block.len() as u64;
        let sent = if self.codec == Codec::None {
            let block = std::mem::replace(&mut self.block, Vec::with_capacity(FRAME_INPUT));
            self.crew.ready(Ok(Bytes::from(block)))
        } else {
            self.totals.frames += 1;
            let fresh = self.spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(FRAME_INPUT));
            let block = std::mem::replace(&mut self.block, fresh);
            self.crew.submit(Job { block, offset })
        };
        sent.map_err(|Gone| stopped(offset))
    }
}

impl Frames {
    /// The next frame, never empty; `None` after the last one. Waits for it.
    ///
    /// # Errors
    /// [`CodecErrorKind::Stopped`] if the [`Compressor`] was dropped without [`Compressor::finish`].
    #[allow(clippy::should_implement_trait)] // an iterator would go on after an error
    pub fn next(&mut self) -> Result<Option<Bytes>, CodecError> {
        match self.results.next() {
            Ok(frame) => frame.transpose(),
            Err(Gone) => Err(stopped(0)),
        }
    }
}

fn stopped(offset: u64) -> CodecError {
    CodecError::new(offset, CodecErrorKind::Stopped)
}

/// What one thread does: its encoder and its output buffer live as long as it does.
fn worker(codec: Codec, recycle: Sender<Vec<u8>>) -> impl FnMut(Job) -> Result<Bytes, CodecError> + Send + 'static {
    let mut encoder = None;
    let mut frame = Vec::new();
    move |Job { mut block, offset }| {
        let encoder = encoder.get_or_insert_with(|| Encoder::new(codec));
        let made = encoder.encode(&block, &mut frame).map_err(|kind| CodecError::new(offset, kind));
        block.clear();
        // A full pool lets this one go.
        let _ = recycle.try_send(block);
        made.map(|()| Bytes::copy_from_slice(&frame))
    }
}

enum Encoder {
    Gzip(gzip::Encoder),
    Zstd(Result<zstd::Encoder, CodecErrorKind>),
    None,
}

impl Encoder {
    fn new(codec: Codec) -> Self {
        match codec {
            Codec::None => Self::None,
            Codec::Gzip(level) => Self::Gzip(gzip::Encoder::new(level)),
            Codec::Zstd(level) => Self::Zstd(zstd::Encoder::new(level)),
        }
    }

    fn encode(&mut self, raw: &[u8], frame: &mut Vec<u8>) -> Result<(), CodecErrorKind> {
        frame.clear();
        match self {
            Self::Gzip(encoder) => encoder.encode(raw, frame),
            Self::Zstd(encoder) => encoder.as_mut().map_err(|kind| kind.clone())?.encode(raw, frame),
            Self::None => {
                frame.extend_from_slice(raw);
                Ok(())
            }
        }
    }
}
