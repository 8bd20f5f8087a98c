//! Sorted records on disk: many runs in one file that has no name.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::record::{COMPACT_LENGTH, Compact};

/// Bytes read at once from each run, unless the limit allows less.
const READ: usize = 64 * 1024;
const READ_LEAST: usize = 4 * 1024;

/// A file of runs.
#[derive(Debug)]
pub(super) struct Runs {
    file: File,
    /// Where each ends.
    ends: Vec<u64>,
}

impl Runs {
    /// Creates the file, readable by nobody else and without a name.
    pub fn create(folder: &Path) -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile_in(folder)?, ends: Vec::new() })
    }

    /// Appends a run; the records are sorted.
    pub fn append<'a>(&mut self, records: impl Iterator<Item = (Compact, &'a [u8])>) -> io::Result<()> {
        let mut length = self.ends.last().copied().unwrap_or_default();
        let mut block = Vec::with_capacity(2 * READ);
        for (compact, name) in records {
            compact.write(&mut block);
            block.extend_from_slice(&(name.len() as u32).to_le_bytes());
            block.extend_from_slice(name);
            if block.len() >= READ {
                self.file.write_all(&block)?;
                length += block.len() as u64;
                block.clear();
            }
        }
        self.file.write_all(&block)?;
        self.ends.push(length + block.len() as u64);
        Ok(())
    }

    /// A reader for each run. Together their buffers take about `memory` bytes.
    pub fn readers(&self, memory: usize) -> Vec<Reader<'_>> {
        let size = (memory / self.ends.len().max(1)).clamp(READ_LEAST, READ);
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let reader = |(at, end)| Reader { file: &self.file, at, end, size, block: Vec::new(), used: 0 };
        starts.zip(self.ends.iter().copied()).map(reader).collect()
    }
}

/// Reads one run from its beginning.
pub(super) struct Reader<'a> {
    file: &'a File,
    at: u64,
    end: u64,
    size: usize,
    block: Vec<u8>,
    used: usize,
}

impl Reader<'_> {
    /// The next record; its name goes into `name`.
    pub fn next(&mut self, name: &mut Vec<u8>) -> io::Result<Option<Compact>> {
        const HEAD: usize = COMPACT_LENGTH + 4;
        if self.used == self.block.len() && self.at == self.end {
            return Ok(None);
        }
        self.fill(HEAD)?;
        let head = &self.block[self.used..self.used + HEAD];
        let (compact, length) = head.split_first_chunk().ok_or(io::ErrorKind::UnexpectedEof)?;
        let compact = Compact::read(compact);
        let length = u32::from_le_bytes(length.try_into().map_err(io::Error::other)?) as usize;
        self.used += HEAD;
        self.fill(length)?;
        name.clear();
        name.extend_from_slice(&self.block[self.used..self.used + length]);
        self.used += length;
        Ok(Some(compact))
    }

    /// Sees that so many bytes are in the block.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        if self.block.len() - self.used >= wanted {
            return Ok(());
        }
        self.block.drain(..self.used);
        self.used = 0;
        let have = self.block.len();
        let more = (self.end - self.at).min(self.size.max(wanted) as u64) as usize;
        if have + more < wanted {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.block.resize(have + more, 0);
        self.file.read_exact_at(&mut self.block[have..], self.at)?;
        self.at += more as u64;
        Ok(())
    }
}
