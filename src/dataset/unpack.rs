//! From stored bytes to their content, ahead of who takes it: a thread reads, hashes and splits into frames, others decode, and one
//! hands on.
//!
//! A frame that arrives damaged may be sound in the store: the way damages bytes as well. So it is read once more, from its first byte
//! on, before it counts as damaged. The SHA-256 of what is stored goes back to a mark before that byte and hashes what comes then.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use crossbeam_channel::Sender;

use super::feed::Feed;
use super::file::Chunks;
use super::raw::{Opened, Padding, Raw, RawError, Seen, again};
use super::sealed::Sealed;
use crate::codec::{Codec, CodecError, Content, Decompressor, Sha256Digest};
use crate::storage::Reader;

/// Marks are so many bytes apart, or as far as chunks are.
const MARK_EVERY: u64 = 1 << 20;
/// A frame is no longer than so many distances between marks (a whole frame has at most 4 MiB and 64 KiB).
const MARKS_PER_FRAME: usize = 5;
/// Frames under way beside one for each thread.
const FRAMES_AHEAD: usize = 8;

/// Where stored bytes come from, chunk by chunk.
pub(super) enum Stored {
    Object(Feed),
    File(Chunks),
    /// An encrypted object: what is read of it is decrypted already.
    Sealed(Box<Sealed>),
}

impl Stored {
    /// Must be called within a runtime.
    pub(super) fn object(reader: Reader) -> Self {
        Self::Object(Feed::of(reader))
    }

    fn next(&mut self) -> Option<Result<Bytes, RawError>> {
        match self {
            Self::Object(feed) => feed.next().map(|chunk| Ok(chunk?)),
            Self::File(chunks) => chunks.next().map(|chunk| Ok(chunk?)),
            Self::Sealed(sealed) => sealed.next(),
        }
    }
}

/// Begins to read.
pub(super) fn open(stored: Stored, codec: Codec, threads: usize) -> Result<Opened, RawError> {
    let (sender, raw) = Raw::channel();
    let sha256 = matches!(stored, Stored::Object(_)).then(Sha256Digest::new);
    let begin = Begin { codec, threads, mark: Mark { offset: 0, sha256 }, frame: 0, frames: 0 };
    let padding = Padding::default();
    let pass = Pass::begin(stored, begin, padding.clone())?;
    let reading = thread::Builder::new().name("unpack".to_owned()).spawn(move || hand_on(pass, &sender))?;
    Ok(Opened { raw, is_aof_base: false, created_ms: None, padding, promised: None, reading: Some(reading) })
}

/// Hands the content on, frame after frame.
fn hand_on(mut pass: Pass, sender: &Sender<Result<Bytes, RawError>>) -> Result<Seen, RawError> {
    let mut read_again = None;
    loop {
        let damage = match pass.content.next() {
            Ok(Some(block)) => match sender.send(Ok(Bytes::from_owner(block))) {
                Ok(()) => continue,
                // Nobody takes more.
                Err(_) => return pass.end().seen,
            },
            Ok(None) => return pass.end().seen,
            Err(error) if error.is_stopped() => {
                // The reading ended early, and says why.
                let seen = pass.end().seen;
                if let Err(error) = &seen {
                    let _ = sender.send(Err(again(error)));
                }
                return seen;
            }
            Err(damage) => damage,
        };
        // Damage is said after the good bytes before it.
        pass = match pass.once_more(damage, &mut read_again) {
            Ok(pass) => pass,
            Err(error) => {
                let _ = sender.send(Err(again(&error)));
                return Err(error);
            }
        };
    }
}

/// Where a pass begins.
struct Begin {
    codec: Codec,
    threads: usize,
    /// From here on stored bytes are hashed.
    mark: Mark,
    /// From here on they are decoded, after so many good frames.
    frame: u64,
    frames: u64,
}

/// What had been hashed up to an offset of the stored bytes; `None` where nobody asks for it.
#[derive(Clone)]
struct Mark {
    offset: u64,
    sha256: Option<Sha256Digest>,
}

/// Stored bytes on their way through the threads.
struct Pass {
    content: Content,
    reading: JoinHandle<Ended>,
    codec: Codec,
    threads: usize,
    /// Good frames before it.
    frames: u64,
    padding: Padding,
}

/// A reading that has ended, well or not.
struct Ended {
    seen: Result<Seen, RawError>,
    stored: Stored,
    marks: VecDeque<Mark>,
    /// Every block of the content was a whole frame.
    in_frames: bool,
}

impl Pass {
    fn begin(stored: Stored, begin: Begin, padding: Padding) -> Result<Self, RawError> {
        let Begin { codec, threads, frame, frames, .. } = begin;
        let (decompressor, content) = Decompressor::from_frame(codec, threads, frame, frames)?;
        let padded = padding.clone();
        let reading = thread::Builder::new()
            .name("read".to_owned())
            .spawn(move || Reading::new(stored, decompressor, begin, padded).run())?;
        Ok(Self { content, reading, codec, threads, frames, padding })
    }

    /// Waits for the reading, which takes nothing more.
    fn end(self) -> Ended {
        drop(self.content);
        self.reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Reads the damaged frame again, and what follows it; the damage itself where that is of no use: it is the second time, a local
    /// file, or a frame that is handed on while it is decoded.
    fn once_more(self, damage: CodecError, read_again: &mut Option<u64>) -> Result<Self, RawError> {
        let (codec, threads, padding) = (self.codec, self.threads, self.padding.clone());
        let frames = self.frames + self.content.taken();
        let Ended { stored, mut marks, in_frames, .. } = self.end();
        let frame = damage.offset;
        while marks.back().is_some_and(|mark| mark.offset > frame) {
            marks.pop_back();
        }
        let (Stored::Object(feed), Some(mark), true) = (stored, marks.pop_back(), in_frames) else {
            return Err(damage.into());
        };
        if *read_again == Some(frame) {
            return Err(damage.into());
        }
        *read_again = Some(frame);
        tracing::warn!("the stored data arrived damaged at byte {frame} ({}); reading it again", damage.kind);
        let stored = Stored::Object(feed.back_to(mark.offset)?);
        Self::begin(stored, Begin { codec, threads, mark, frame, frames }, padding)
    }
}

/// What the reading thread does.
struct Reading {
    stored: Stored,
    decompressor: Decompressor,
    /// How far the unpacking has come.
    at: Mark,
    /// From here on bytes are decoded.
    frame: u64,
    marks: VecDeque<Mark>,
    most_marks: usize,
    padding: Padding,
}

impl Reading {
    fn new(stored: Stored, decompressor: Decompressor, begin: Begin, padding: Padding) -> Self {
        let most_marks = (begin.threads + FRAMES_AHEAD) * MARKS_PER_FRAME;
        let marks = VecDeque::from([begin.mark.clone()]);
        Self { stored, decompressor, at: begin.mark, frame: begin.frame, marks, most_marks, padding }
    }

    fn run(mut self) -> Ended {
        let passed = self.pass();
        let in_frames = !self.decompressor.has_streamed();
        let Self { stored, decompressor, at, marks, padding, .. } = self;
        let seen = passed.and_then(|()| {
            padding.0.store(decompressor.padding(), Ordering::Relaxed);
            let frames = decompressor.finish()?;
            let (stored_bytes, stored_sha256) = match &stored {
                Stored::Sealed(sealed) => sealed.seen(),
                Stored::Object(_) | Stored::File(_) => (at.offset, at.sha256.map(Sha256Digest::finish)),
            };
            Ok(Seen { stored_bytes, stored_sha256, frames })
        });
        Ended { seen, stored, marks, in_frames }
    }

    fn pass(&mut self) -> Result<(), RawError> {
        while let Some(chunk) = self.stored.next() {
            let chunk = chunk?;
            let known = self.frame.saturating_sub(self.at.offset).min(chunk.len() as u64);
            self.at.offset += chunk.len() as u64;
            if let Some(sha256) = &mut self.at.sha256 {
                sha256.update(&chunk);
            }
            self.mark();
            self.decompressor.push(&chunk[usize::try_from(known).unwrap_or(chunk.len())..])?;
        }
        Ok(())
    }

    fn mark(&mut self) {
        if self.marks.back().is_none_or(|mark| mark.offset + MARK_EVERY <= self.at.offset) {
            if self.marks.len() >= self.most_marks {
                self.marks.pop_front();
            }
            self.marks.push_back(self.at.clone());
        }
    }
}
