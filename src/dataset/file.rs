//! A file, in chunks whose buffers are used again.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::codec::{Block, Codec};

/// How much is read at once, bytes: it stays in the processor's cache until it has been looked at.
const CHUNK: usize = 256 << 10;

/// A Ctrl-C ends the program that writes into our standard input as well: it is heard before an early end is told as damage.
const SIGNALS_ARRIVE: std::time::Duration = std::time::Duration::from_millis(50);

/// Buffers that are kept for the next chunks. A reader that holds more chunks at a time makes them be allocated.
const SPARE: usize = 2;

/// Reads where [`Chunks::next`] is called.
pub(super) struct Chunks {
    file: Box<dyn Read + Send>,
    /// Read already, to see what it is.
    first: Option<Bytes>,
    home: Sender<Vec<u8>>,
    spare: Receiver<Vec<u8>>,
    length: u64,
    ended: bool,
    is_stdin: bool,
}

impl Chunks {
    /// Opens a file; `-` is standard input. Says how it is compressed, by its first bytes.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Codec)> {
        let is_stdin = path == Path::new("-");
        let file: Box<dyn Read + Send> = if is_stdin { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
        let (home, spare) = bounded(SPARE);
        let mut chunks = Self { file, first: None, home, spare, length: 0, ended: false, is_stdin };
        let first = chunks.read()?;
        let codec = Codec::detect(&first);
        chunks.first = Some(first);
        Ok((chunks, codec))
    }

    /// The next bytes; nothing at the end, and after an error.
    pub(super) fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.ended {
            return None;
        }
        let chunk = self.first.take().map_or_else(|| self.read(), Ok);
        match chunk {
            Ok(chunk) if chunk.is_empty() => {
                self.ended = true;
                if self.is_stdin {
                    std::thread::sleep(SIGNALS_ARRIVE);
                }
                None
            }
            Ok(chunk) => {
                self.length += chunk.len() as u64;
                Some(Ok(chunk))
            }
            Err(error) => {
                self.ended = true;
                Some(Err(error))
            }
        }
    }

    /// Bytes that were taken.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Reads until the buffer is full or the file ends.
    fn read(&mut self) -> io::Result<Bytes> {
        let mut buffer = self.spare.try_recv().unwrap_or_default();
        // Only a buffer that is new, or was not full, has anything to be filled with zeros.
        buffer.resize(CHUNK, 0);
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        buffer.truncate(filled);
        Ok(Bytes::from_owner(Block::new(buffer, self.home.clone())))
    }
}

impl std::fmt::Debug for Chunks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunks").field("length", &self.length).field("ended", &self.ended).finish_non_exhaustive()
    }
}
