//! Makes a segment of a file of the spool: frames, and the index behind them. Blocks.

use std::io;
use std::path::Path;

use super::spool::{self, Head, Spooled};
use crate::codec::{CodecError, FrameMaker, Sha256Digest};
use crate::explain::{Explain, Meaning};
use crate::repository::segment::{EVENTS_KEPT, Event, INDEX_VERSION, Index, Mark};
use crate::stream::{Command, Counts, Scanner, StreamError};

/// Keys that are removed between two marks, from which on that is a burst that somebody may look for.
const BURST: u64 = 1000;

/// A segment that can be stored.
#[derive(Debug)]
pub struct Sealed {
    /// What it holds.
    pub index: Index,
    /// What is stored: frames and index.
    pub body: Vec<u8>,
    /// The database in force behind it.
    pub database: u32,
}

/// Why there is no segment.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The file cannot be read.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// It holds no stream.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// It cannot be compressed.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl Explain for SealError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Disk(error) => error.meaning(),
            Self::Stream(error) => error.meaning(),
            Self::Codec(error) => error.meaning(),
        }
    }
}

/// Makes a segment of a file that ends where the stream may be cut.
///
/// # Errors
/// See [`SealError`].
pub fn seal(folder: &Path, spooled: &Spooled, head: Option<&Head>) -> Result<Sealed, SealError> {
    let marks = spool::marks(folder, spooled)?;
    let mut scanner = Scanner::at(spooled.from, spooled.database);
    let (mut digest, mut maker, mut body) = (Sha256Digest::new(), FrameMaker::new()?, Vec::new());
    let mut notes = Notes::new(&marks);
    let mut give = |frame: &[u8]| {
        body.extend_from_slice(frame);
        Ok::<(), SealError>(())
    };
    spool::read(&spooled.raw(folder), |bytes| {
        digest.update(bytes);
        scanner.push(bytes, |command| notes.take(command))?;
        maker.push(bytes, &mut give)
    })?;
    maker.finish(&mut give)?;
    let (counts, events, events_left_out) = notes.finish();
    let index = Index {
        index_version: INDEX_VERSION,
        replid: spooled.replid.clone(),
        from: spooled.from,
        to: scanner.offset(),
        database: spooled.database,
        database_behind: scanner.database(),
        marks,
        newest_marks: true,
        commands: counts.by_name().clone(),
        events,
        events_left_out,
        raw_sha256: digest.finish(),
        previous: head.and_then(|head| head.previous.clone()),
        gap: head.and_then(|head| head.gap.clone()),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    body.extend(index.encode());
    Ok(Sealed { index, body, database: scanner.database() })
}

/// What an index says of the commands of a segment.
struct Notes<'a> {
    marks: &'a [Mark],
    counts: Counts,
    events: Vec<Event>,
    left_out: u64,
    removals: Option<Event>,
    overwrites: Option<Event>,
}

impl<'a> Notes<'a> {
    fn new(marks: &'a [Mark]) -> Self {
        Self { marks, counts: Counts::default(), events: Vec::new(), left_out: 0, removals: None, overwrites: None }
    }

    fn take(&mut self, command: &Command<'_>) {
        self.counts.add(command.name());
        // Bursts are counted from mark to mark.
        while self.marks.first().is_some_and(|mark| mark.offset < command.end) {
            self.marks = &self.marks[1..];
            self.end_bursts();
        }
        let event = |name: &str, keys| Event {
            command: name.to_owned(),
            before: command.safe_before,
            end: command.end,
            database: command.database,
            keys,
        };
        for name in ["FLUSHALL", "FLUSHDB", "SWAPDB"] {
            if command.is(name) {
                self.keep(event(name, None));
            }
        }
        if command.is("FUNCTION") && command.word_is(1, "FLUSH") {
            self.keep(event("FUNCTION FLUSH", None));
        }
        let adds = |burst: &mut Option<Event>, new: Event| match burst {
            Some(burst) => {
                burst.end = new.end;
                burst.keys = Some(burst.keys.unwrap_or(0) + new.keys.unwrap_or(0));
            }
            None => *burst = Some(new),
        };
        if command.is("DEL") || command.is("UNLINK") {
            adds(&mut self.removals, event("DEL", Some(command.n_words - 1)));
        }
        if command.is("RESTORE") && (4..8).any(|word| command.word_is(word, "REPLACE")) {
            adds(&mut self.overwrites, event("RESTORE REPLACE", Some(1)));
        }
    }

    fn end_bursts(&mut self) {
        let removals = self.removals.take().filter(|burst| burst.keys.is_some_and(|keys| keys >= BURST));
        let overwrites = self.overwrites.take();
        removals.into_iter().chain(overwrites).for_each(|burst| self.keep(burst));
    }

    fn keep(&mut self, event: Event) {
        if self.events.len() < EVENTS_KEPT { self.events.push(event) } else { self.left_out += 1 }
    }

    fn finish(mut self) -> (Counts, Vec<Event>, u64) {
        self.end_bursts();
        self.events.sort_by_key(|event| event.before);
        (self.counts, self.events, self.left_out)
    }
}
