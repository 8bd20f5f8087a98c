//! Writes what is read into the spool, one file for each segment to come. Blocks.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::spool::{Complete, Head, Spooled, joins, remove};
use crate::connection::replication::Position;
use crate::explain::{Explain, Meaning};
use crate::private_files;
use crate::repository::segment::Mark;
use crate::stream::Scanner;

/// Marks at the same offset are kept so far apart, microseconds.
const MARKS_APART_US: i64 = 10_000_000;

/// What writing some bytes has led to.
#[derive(Debug, Default)]
pub struct Written {
    /// Files that are complete.
    pub closed: Vec<Complete>,
    /// The server asks for an acknowledgement.
    pub is_asked: bool,
}

/// The file that is being written.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    spooled: Spooled,
    file: File,
    marks_file: File,
    scanner: Scanner,
    /// The last offset at which the stream may be cut, and the database in force there.
    safe: u64,
    database: u32,
    begun: Instant,
    /// Something else than signs of life was written.
    has_writes: bool,
    /// Marks ahead of what was read.
    ahead: VecDeque<Mark>,
    last_mark: Option<Mark>,
    /// The newest mark at the offset of the last one, which is written once the offset moves or the file ends: up to it nothing was written.
    held: Option<Mark>,
    is_synced: bool,
}

impl Writer {
    /// Begins a file at a place.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn begin(folder: &Path, at: &Position, database: u32, joins: Option<&Head>) -> io::Result<Self> {
        let spooled = Spooled { from: at.offset, database, replid: at.replid.clone() };
        // Before the first byte: a file without it would seem to follow the one before.
        if let Some(joins) = joins {
            let mut file = private_files::create(&spooled.joins(folder))?;
            file.write_all(&serde_json::to_vec(joins).map_err(io::Error::other)?)?;
            file.sync_data()?;
        }
        let file = private_files::create(&spooled.raw(folder))?;
        let marks_file = private_files::create(&spooled.marks(folder))?;
        Ok(Self {
            folder: folder.to_owned(),
            file,
            marks_file,
            scanner: Scanner::at(at.offset, database),
            safe: at.offset,
            database,
            begun: Instant::now(),
            has_writes: false,
            ahead: VecDeque::new(),
            last_mark: None,
            held: None,
            is_synced: true,
            spooled,
        })
    }

    /// The place behind the last whole transaction.
    pub fn safe(&self) -> Position {
        Position { replid: self.spooled.replid.clone(), offset: self.safe }
    }

    /// The database in force there.
    pub fn database(&self) -> u32 {
        self.database
    }

    /// The last offset that was read.
    pub fn offset(&self) -> u64 {
        self.scanner.offset()
    }

    /// Bytes in the file.
    pub fn length(&self) -> u64 {
        self.scanner.offset() - self.spooled.from
    }

    /// Takes the next bytes. A file is complete at the first place at which the stream may be cut and the file has `size` bytes, however
    /// many of them come at once.
    ///
    /// # Errors
    /// The bytes are no stream, or the file cannot be written.
    pub fn push(&mut self, bytes: &[u8], size: u64) -> Result<Written, WriteError> {
        let (mut written, mut at) = (Written::default(), self.scanner.offset());
        let (mut cuts, mut from) = (Vec::new(), self.spooled.from);
        let (mut safe, mut database, mut has_writes) = (self.safe, self.database, self.has_writes);
        self.scanner.push(bytes, |command| {
            written.is_asked |= command.is_question();
            has_writes |= !(command.is("PING") || command.is("REPLCONF") || command.is("SELECT"));
            if command.is_safe() {
                (safe, database) = (command.end, command.database);
                if safe - from >= size {
                    cuts.push((safe, database));
                    (from, has_writes) = (safe, false);
                }
            }
        })?;
        let mut rest = bytes;
        for (end, database) in cuts {
            let (now, later) = rest.split_at(usize::try_from(end - at).expect("it lies within these bytes"));
            self.file.write_all(now)?;
            (self.safe, self.database) = (end, database);
            written.closed.push(self.roll()?);
            (rest, at) = (later, end);
        }
        self.is_synced = false;
        self.file.write_all(rest)?;
        (self.safe, self.database, self.has_writes) = (safe, database, has_writes);
        self.take_marks()?;
        Ok(written)
    }

    /// Ends the file if it may end here: it holds something, and nothing of a transaction that is not whole.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn close(&mut self) -> io::Result<Option<Complete>> {
        if self.length() == 0 || self.safe != self.scanner.offset() {
            return Ok(None);
        }
        self.roll().map(Some)
    }

    /// Whether the file is as old as a segment may be: `rpo` with writes in it, `idle` without.
    pub fn is_due(&self, rpo: std::time::Duration, idle: std::time::Duration) -> bool {
        self.length() > 0 && self.begun.elapsed() >= if self.has_writes { rpo } else { idle }
    }

    /// Goes on in a new file behind the last safe place.
    fn roll(&mut self) -> io::Result<Complete> {
        self.take_marks()?;
        self.write_held()?;
        self.file.sync_data()?;
        let mut next = Self::begin(&self.folder, &self.safe(), self.database, None)?;
        std::mem::swap(&mut next.ahead, &mut self.ahead);
        // It may have read on behind that place already.
        std::mem::swap(&mut next.scanner, &mut self.scanner);
        // The same mark tells when the next file begins.
        if let Some(mark) = self.last_mark.filter(|mark| mark.offset == self.safe) {
            next.ahead.push_front(mark);
        }
        let old = std::mem::replace(self, next);
        Ok(Complete { bytes: self.spooled.from - old.spooled.from, spooled: old.spooled })
    }

    /// Notes a pair of clock and offset.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn mark(&mut self, mark: Mark) -> io::Result<()> {
        self.ahead.push_back(mark);
        self.take_marks()
    }

    fn take_marks(&mut self) -> io::Result<()> {
        while let Some(mark) = self.ahead.front().copied().filter(|mark| mark.offset <= self.safe) {
            self.ahead.pop_front();
            let is_news = self
                .last_mark
                .is_none_or(|last| last.offset != mark.offset || (mark.time_us - last.time_us).abs() >= MARKS_APART_US);
            if mark.offset < self.spooled.from {
                continue;
            }
            if !is_news {
                self.held = Some(mark);
                continue;
            }
            if self.last_mark.is_some_and(|last| last.offset != mark.offset) {
                self.write_held()?;
            }
            self.write_mark(mark)?;
        }
        Ok(())
    }

    fn write_mark(&mut self, mark: Mark) -> io::Result<()> {
        writeln!(self.marks_file, "{} {}", mark.offset, mark.time_us)?;
        (self.last_mark, self.held) = (Some(mark), None);
        Ok(())
    }

    fn write_held(&mut self) -> io::Result<()> {
        match self.held {
            Some(mark) => self.write_mark(mark),
            None => Ok(()),
        }
    }

    /// The newest mark that belongs to what was read, whether it stands in the file or not.
    pub fn newest_mark(&self) -> Option<Mark> {
        self.held.or(self.last_mark)
    }

    /// Has the disk keep what was written.
    ///
    /// # Errors
    /// The disk says no.
    pub fn sync(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.is_synced, true) {
            self.file.sync_data()?;
        }
        Ok(())
    }

    /// Forgets what is behind the last safe place: it is asked for once more.
    ///
    /// # Errors
    /// The file cannot be cut.
    pub fn rewind(&mut self) -> io::Result<()> {
        let length = self.safe - self.spooled.from;
        self.file.set_len(length)?;
        self.file.seek(SeekFrom::Start(length))?;
        self.scanner = Scanner::at(self.safe, self.database);
        self.ahead.clear();
        Ok(())
    }

    /// Gives up an empty file. What it was joined to is what the next one is joined to.
    ///
    /// # Errors
    /// The files cannot be removed.
    pub fn discard(self) -> io::Result<Option<Head>> {
        let joins = joins(&self.folder, &self.spooled)?;
        remove(&self.folder, &self.spooled)?;
        Ok(joins)
    }
}

/// Why bytes are not in the spool.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The disk says no.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// They are no stream.
    #[error(transparent)]
    Stream(#[from] crate::stream::StreamError),
}

impl Explain for WriteError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Disk(error) => error.meaning(),
            Self::Stream(error) => error.meaning(),
        }
    }
}
