//! The stream of a shard in a file without a name, and where it may be cut. Blocks.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::explain::{Explain, Meaning};
use crate::repository::segment::Mark;
use crate::stream::{Scanner, StreamError};

/// Marks that are kept: one a second for three days.
const MARKS_KEPT: usize = 3 * 86_400;

/// Why a stream cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The file cannot be written or read.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// The bytes are no stream.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

impl Explain for SpoolError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Disk(error) => error.meaning(),
            Self::Stream(error) => error.meaning(),
        }
    }
}

/// A stretch of a replication stream in a file.
#[derive(Debug)]
pub struct Spooled {
    file: File,
    /// The offset behind which it begins.
    from: u64,
    scanner: Scanner,
    /// The last offset at which it may be cut, and the database in force there.
    safe: u64,
    database: u32,
    /// Offsets and the clock of the server.
    marks: Vec<Mark>,
}

impl Spooled {
    /// An empty stretch behind an offset.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn begin(folder: &Path, from: u64) -> io::Result<Self> {
        let file = tempfile::tempfile_in(folder)?;
        Ok(Self { file, from, scanner: Scanner::at(from, 0), safe: from, database: 0, marks: Vec::new() })
    }

    /// Takes the next bytes; whether the server asks for an acknowledgement in them.
    ///
    /// # Errors
    /// See [`SpoolError`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<bool, SpoolError> {
        let (mut is_asked, mut database) = (false, self.database);
        self.scanner.push(bytes, |command| {
            is_asked |= command.is_question();
            if command.is_safe() {
                database = command.database;
            }
        })?;
        (self.safe, self.database) = (self.scanner.safe(), database);
        self.file.write_all(bytes)?;
        Ok(is_asked)
    }

    /// Gives up what lies behind the last place at which the stream may be cut: it is asked for once more.
    ///
    /// # Errors
    /// The file cannot be cut.
    pub fn rewind(&mut self) -> io::Result<()> {
        self.file.set_len(self.safe - self.from)?;
        self.file.seek(SeekFrom::End(0))?;
        self.scanner = Scanner::at(self.safe, self.database);
        Ok(())
    }

    /// Notes the clock of the server at an offset.
    pub fn mark(&mut self, mark: Mark) {
        if self.marks.len() < MARKS_KEPT {
            self.marks.push(mark);
        }
    }

    /// The last offset that was read.
    pub fn read(&self) -> u64 {
        self.scanner.offset()
    }

    /// The last offset at which it may be cut.
    pub fn safe(&self) -> u64 {
        self.safe
    }

    pub(super) fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Gives the bytes between two offsets, piece by piece.
    ///
    /// # Errors
    /// The file does not have them, or `give` fails.
    pub(super) fn between<E: From<io::Error>>(
        &self,
        from: u64,
        to: u64,
        mut give: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(mut at) = from.checked_sub(self.from) else {
            return Err(io::Error::other(format!("offset {from} lies before {}", self.from)).into());
        };
        let end = to.saturating_sub(self.from);
        let mut piece = vec![0; PIECE];
        while at < end {
            let length = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
            self.file.read_exact_at(&mut piece[..length], at)?;
            give(&piece[..length])?;
            at += length as u64;
        }
        Ok(())
    }
}

/// Bytes that are read at a time.
const PIECE: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
    const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

    #[test]
    fn what_lies_behind_the_last_safe_place_is_given_up_and_comes_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut spooled = Spooled::begin(folder.path(), 100).unwrap();
        spooled.push(SET).unwrap();
        let safe = 100 + SET.len() as u64;
        spooled.push(&[MULTI, SET].concat()).unwrap();
        assert_eq!((spooled.safe(), spooled.read() > safe), (safe, true));
        spooled.rewind().unwrap();
        assert_eq!((spooled.safe(), spooled.read()), (safe, safe));
        spooled.push(&[MULTI, SET, EXEC].concat()).unwrap();
        let mut found = Vec::new();
        spooled
            .between(safe, spooled.read(), |bytes| {
                found.extend_from_slice(bytes);
                io::Result::Ok(())
            })
            .unwrap();
        assert_eq!(found, [MULTI, SET, EXEC].concat());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
        assert!(spooled.between(99, 120, |_| io::Result::Ok(())).is_err());
    }
}
