//! Splits stored bytes into frames, has several threads check and decode them, and gives the content in order.

use crossbeam_channel::{Receiver, Sender, bounded};

use super::block::Block;
use super::crew::{Crew, Gone, InOrder, crew};
use super::{Codec, CodecError, CodecErrorKind, gzip, zstd};

/// Content that a stream of someone else's hands on at a time, bytes.
const STREAM_OUTPUT: usize = 256 << 10;

/// Takes stored bytes; the content comes out of the [`Content`] made with it, which another thread must drain.
///
/// A frame that says how long it is (all of ours, small ones of anybody's) is checked as a whole before its content is used.
/// A member or frame that does not (most `.gz` files are one single member) is decoded as a stream: its content is handed on
/// before its checksum has been seen, and the error comes at its end.
///
/// Memory: at most `threads + 4` frames of 4 MiB, stored and decoded; of our own files 1 MiB each.
pub struct Decompressor {
    codec: Codec,
    crew: Crew<Job, Decoded>,
    state: State,
    frame: Vec<u8>,
    /// Where `frame`, or what is streamed, begins in the stored bytes.
    offset: u64,
    frames: u64,
    has_streamed: bool,
    spare: Receiver<Vec<u8>>,
    recycle: Sender<Vec<u8>>,
}

/// Decoded content, in order.
pub struct Content {
    results: InOrder<Decoded>,
    taken: u64,
    recycle: Sender<Vec<u8>>,
    failed: Option<CodecError>,
}

type Decoded = Result<Vec<u8>, CodecError>;

struct Job {
    frame: Vec<u8>,
    length: usize,
    offset: u64,
}

enum State {
    /// Gathers a frame's bytes until there are so many.
    Frame(usize),
    /// Within a frame that is decoded as it comes; so many of its bytes were used.
    Stream(Stream, u64),
    /// Leaves out so many bytes.
    Skip(u64),
    /// Behind the last frame come zero bytes: so many so far.
    Padding(u64),
    /// Nothing is compressed.
    Plain,
}

enum Next {
    Need(usize),
    Whole(usize),
    Stream(Stream),
    Skip(u64),
    Padding,
}

impl Decompressor {
    /// Starts `threads` threads (at least one) for what follows `frames` good frames: a frame begins at `offset` of the stored bytes. The
    /// level of the codec does not matter.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn from_frame(codec: Codec, threads: usize, offset: u64, frames: u64) -> Result<(Self, Content), CodecError> {
        let threads = if codec == Codec::None { 1 } else { threads.max(1) };
        // Every frame under way has two buffers that come back: what is stored and what it holds.
        let (recycle, spare) = bounded(2 * threads + 4);
        let make = || worker(codec, spare.clone(), recycle.clone());
        let (crew, results) = crew(threads, false, make).map_err(|kind| CodecError::new(0, kind))?;
        let state = if codec == Codec::None { State::Plain } else { State::Frame(first(codec)) };
        let content = Content { results, taken: 0, recycle: recycle.clone(), failed: None };
        let (frame, has_streamed) = (Vec::new(), false);
        let decompressor = Self { codec, crew, state, frame, offset, frames, has_streamed, spare, recycle };
        Ok((decompressor, content))
    }

    /// Takes the next stored bytes, of any length. Waits while the content before it is not taken.
    ///
    /// # Errors
    /// What is wrong with the stored bytes, as far as it shows without decoding ([`Content::next`] says the same, after the
    /// good content before it); [`CodecErrorKind::Stopped`] if the [`Content`] is gone.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), CodecError> {
        while !bytes.is_empty() {
            let used = self.take(bytes).map_err(|error| self.report(error))?;
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// Says that nothing follows, and returns the number of frames (0 where nothing is compressed).
    ///
    /// # Errors
    /// [`CodecErrorKind::Truncated`] or [`CodecErrorKind::TrailingGarbage`] if the bytes end within a frame.
    pub fn finish(self) -> Result<u64, CodecError> {
        let kind = match &self.state {
            State::Plain | State::Padding(_) => None,
            // Fewer than a header would have.
            State::Frame(_) if self.is_padding() => None,
            State::Frame(_) if self.frame.is_empty() && self.frames > 0 => None,
            State::Frame(_) if self.frames > 0 && !self.begins_a_frame() => Some(CodecErrorKind::TrailingGarbage),
            State::Frame(_) if !self.frame.is_empty() && !self.begins_a_frame() => Some(not_compressed(self.codec)),
            State::Frame(_) | State::Stream(..) | State::Skip(_) => Some(CodecErrorKind::Truncated),
        };
        if let Some(kind) = kind {
            // What is decoded as it comes ends where the bytes do: its content up to there was handed on.
            let seen = if let State::Stream(_, seen) = &self.state { *seen } else { 0 };
            return Err(self.report(CodecError::new(self.offset + seen, kind)));
        }
        let offset = self.offset;
        self.crew.end().map_err(|Gone| CodecError::new(offset, CodecErrorKind::Stopped))?;
        Ok(self.frames)
    }

    /// Zero bytes behind the last frame so far, as `gzip -d` leaves them out, too: no frame begins so, of neither codec.
    pub fn padding(&self) -> u64 {
        match &self.state {
            State::Padding(bytes) => *bytes,
            State::Frame(_) if self.is_padding() => self.frame.len() as u64,
            _ => 0,
        }
    }

    fn is_padding(&self) -> bool {
        self.frames > 0 && is_padding(self.codec, &self.frame)
    }

    /// Whether a frame was decoded as it came. If none was, every block of the [`Content`] is a frame.
    pub fn has_streamed(&self) -> bool {
        self.has_streamed
    }

    /// Uses some of the bytes, at least one.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, CodecError> {
        match &mut self.state {
            State::Plain => {
                let mut block = self.spare.try_recv().unwrap_or_default();
                block.clear();
                let used = bytes.len().min(STREAM_OUTPUT);
                block.extend_from_slice(&bytes[..used]);
                self.offset += used as u64;
                self.hand_on(block)?;
                Ok(used)
            }
            State::Frame(need) => {
                let used = bytes.len().min(*need - self.frame.len());
                self.frame.extend_from_slice(&bytes[..used]);
                if self.frame.len() == *need {
                    self.decide()?;
                }
                Ok(used)
            }
            State::Skip(left) => {
                let used = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= used as u64;
                self.offset += used as u64;
                if *left == 0 {
                    self.state = State::Frame(first(self.codec));
                }
                Ok(used)
            }
            State::Stream(..) => self.stream(bytes),
            State::Padding(padding) => {
                if let Some(at) = bytes.iter().position(|byte| *byte != 0) {
                    let kind = CodecErrorKind::TrailingGarbage;
                    return Err(CodecError::new(self.offset + *padding + at as u64, kind));
                }
                *padding += bytes.len() as u64;
                Ok(bytes.len())
            }
        }
    }

    /// Enough of a frame is there to say more of it.
    fn decide(&mut self) -> Result<(), CodecError> {
        let frame_error = |kind| CodecError::new(self.offset, kind);
        match look(self.codec, &self.frame, self.frames).map_err(frame_error)? {
            Next::Need(need) => self.state = State::Frame(need),
            Next::Whole(length) => {
                let mut fresh = self.spare.try_recv().unwrap_or_default();
                fresh.clear();
                let frame = std::mem::replace(&mut self.frame, fresh);
                let offset = self.offset;
                self.offset += frame.len() as u64;
                self.frames += 1;
                self.state = State::Frame(first(self.codec));
                let job = Job { frame, length, offset };
                self.crew.submit(job).map_err(|Gone| CodecError::new(offset, CodecErrorKind::Stopped))?;
            }
            Next::Skip(length) => {
                let seen = self.frame.len() as u64;
                self.offset += seen;
                self.frame.clear();
                self.state = if length > seen { State::Skip(length - seen) } else { State::Frame(first(self.codec)) };
            }
            Next::Padding => {
                self.state = State::Padding(self.frame.len() as u64);
                self.frame.clear();
            }
            Next::Stream(stream) => {
                self.state = State::Stream(stream, 0);
                self.has_streamed = true;
                let mut begun = std::mem::take(&mut self.frame);
                let mut rest = begun.as_slice();
                while !rest.is_empty() {
                    // A frame this short may end, and the next begin, within what was gathered.
                    let used = self.take(rest)?;
                    rest = &rest[used..];
                }
                begun.clear();
                let _ = self.recycle.try_send(begun);
            }
        }
        Ok(())
    }

    fn stream(&mut self, bytes: &[u8]) -> Result<usize, CodecError> {
        let State::Stream(stream, done) = &mut self.state else { return Ok(0) };
        let mut used = 0;
        loop {
            let mut block = self.spare.try_recv().unwrap_or_default();
            block.clear();
            block.reserve_exact(STREAM_OUTPUT);
            let at = *done;
            let (now, ended) =
                stream.decode(&bytes[used..], &mut block).map_err(|kind| CodecError::new(self.offset + at, kind))?;
            used += now;
            *done += now as u64;
            let idle = now == 0 && block.is_empty();
            if !block.is_empty() {
                let offset = self.offset;
                let gone = |Gone| CodecError::new(offset, CodecErrorKind::Stopped);
                self.crew.ready(Ok(block)).map_err(gone)?;
            }
            if ended {
                self.offset += *done;
                self.frames += 1;
                self.state = State::Frame(first(self.codec));
                return Ok(used);
            }
            // All is used, and what the decoder still held back has come out: a full block may hide more.
            if used == bytes.len() && idle {
                return Ok(used);
            }
            if idle {
                return Err(CodecError::new(self.offset + *done, corrupt("the decoder makes no progress")));
            }
        }
    }

    fn hand_on(&self, block: Vec<u8>) -> Result<(), CodecError> {
        self.crew.ready(Ok(block)).map_err(|Gone| CodecError::new(self.offset, CodecErrorKind::Stopped))
    }

    fn begins_a_frame(&self) -> bool {
        let seen = self.frame.as_slice();
        match self.codec {
            Codec::Gzip(_) => seen.starts_with(&gzip::MAGIC) || gzip::MAGIC.starts_with(seen),
            Codec::Zstd(_) => zstd::may_be_magic(seen),
            Codec::None => true,
        }
    }

    /// Puts the error where the reader of the content will meet it, and returns it.
    fn report(&self, error: CodecError) -> CodecError {
        // If the reader has gone, the caller still has it.
        let _ = self.crew.ready(Err(error.clone()));
        error
    }
}

impl Content {
    /// The next bytes, checked as [`Decompressor`] says, and never empty; `None` at a good end. Waits for them.
    ///
    /// # Errors
    /// What is wrong with the stored bytes, after all that is good before it, and the same again on every further call;
    /// [`CodecErrorKind::Stopped`] if the [`Decompressor`] was dropped without [`Decompressor::finish`].
    #[allow(clippy::should_implement_trait, reason = "an iterator would go on after an error")]
    pub fn next(&mut self) -> Result<Option<Block>, CodecError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        loop {
            let next = self.results.next();
            self.taken += u64::from(matches!(next, Ok(Some(Ok(_)))));
            match next {
                Ok(Some(Ok(block))) if block.is_empty() => {}
                Ok(Some(Ok(block))) => return Ok(Some(Block::new(block, self.recycle.clone()))),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(self.failed.insert(error).clone()),
                Err(Gone) => {
                    let error = CodecError::new(0, CodecErrorKind::Stopped);
                    return Err(self.failed.insert(error).clone());
                }
            }
        }
    }
}

impl Content {
    /// Good blocks so far, those without content as well.
    pub fn taken(&self) -> u64 {
        self.taken
    }
}

/// Bytes to gather before a frame can be looked at.
fn first(codec: Codec) -> usize {
    match codec {
        Codec::Zstd(_) => zstd::FIRST,
        _ => gzip::HEADER,
    }
}

fn look(codec: Codec, frame: &[u8], frames: u64) -> Result<Next, CodecErrorKind> {
    let foreign = || if frames > 0 { CodecErrorKind::TrailingGarbage } else { not_compressed(codec) };
    if frames > 0 && is_padding(codec, frame) {
        return Ok(Next::Padding);
    }
    match codec {
        Codec::Zstd(_) => Ok(match zstd::look(frame)? {
            zstd::Look::Need(need) => Next::Need(need),
            zstd::Look::Whole(length) => Next::Whole(length),
            zstd::Look::Skip(length) => Next::Skip(length),
            zstd::Look::Stream => Next::Stream(Stream::Zstd(zstd::Stream::new()?)),
            zstd::Look::None => return Err(foreign()),
        }),
        _ if !frame.starts_with(&gzip::MAGIC) => Err(foreign()),
        _ => Ok(match gzip::member_length(frame)? {
            Some(length) if frame.len() < length => Next::Need(length),
            Some(length) => Next::Whole(length),
            None => Next::Stream(Stream::Gzip(gzip::Stream::new())),
        }),
    }
}

fn is_padding(codec: Codec, frame: &[u8]) -> bool {
    matches!(codec, Codec::Gzip(_) | Codec::Zstd(_)) && !frame.is_empty() && frame.iter().all(|byte| *byte == 0)
}

fn corrupt(what: &str) -> CodecErrorKind {
    CodecErrorKind::Corrupt(what.to_owned())
}

fn not_compressed(codec: Codec) -> CodecErrorKind {
    CodecErrorKind::Corrupt(format!("this is not {}", codec.name()))
}

enum Stream {
    Gzip(gzip::Stream),
    Zstd(zstd::Stream),
}

impl Stream {
    fn decode(&mut self, stored: &[u8], raw: &mut Vec<u8>) -> Result<(usize, bool), CodecErrorKind> {
        match self {
            Self::Gzip(stream) => stream.decode(stored, raw),
            Self::Zstd(stream) => stream.decode(stored, raw),
        }
    }
}

enum Decoder {
    Gzip(gzip::Decoder),
    Zstd(Result<zstd::Decoder, CodecErrorKind>),
}

/// What one thread does: its decoder lives as long as it does.
fn worker(
    codec: Codec,
    spare: Receiver<Vec<u8>>,
    recycle: Sender<Vec<u8>>,
) -> impl FnMut(Job) -> Decoded + Send + 'static {
    let mut decoder = None;
    move |Job { mut frame, length, offset }| {
        let decoder = decoder.get_or_insert_with(|| match codec {
            Codec::Zstd(_) => Decoder::Zstd(zstd::Decoder::new()),
            _ => Decoder::Gzip(gzip::Decoder::new()),
        });
        let mut raw = spare.try_recv().unwrap_or_default();
        let decoded = match decoder {
            Decoder::Gzip(decoder) => decoder.decode(&frame, &mut raw),
            Decoder::Zstd(Ok(decoder)) => decoder.decode(&frame, length, &mut raw),
            Decoder::Zstd(Err(kind)) => Err(kind.clone()),
        };
        frame.clear();
        let _ = recycle.try_send(frame);
        decoded.map(|()| raw).map_err(|kind| CodecError::new(offset, kind))
    }
}
