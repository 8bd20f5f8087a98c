//! Hashes of more members than memory is spent on: they wait in a temporary file until the value ends.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

/// Bytes of the file at most: half a billion members.
const MOST_BYTES: u64 = 4 << 30;

/// Bytes of one hash.
const WIDTH: u64 = size_of::<u64>() as u64;

/// Sorted runs of hashes, in a file that has no name any more: it is gone with the process.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    /// Where each run begins, in hashes, and where the last one ends.
    ends: Vec<u64>,
}

impl Spool {
    /// An empty one, in the folder for temporary files.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile()?, ends: vec![0] })
    }

    /// How many hashes there are.
    pub(super) fn len(&self) -> u64 {
        self.ends.last().copied().unwrap_or_default()
    }

    /// Adds hashes as another run.
    pub(super) fn put(&mut self, tags: &mut [u64]) -> io::Result<()> {
        let end = self.len() + tags.len() as u64;
        if end * WIDTH > MOST_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        tags.sort_unstable();
        let mut out = BufWriter::with_capacity(1 << 16, &self.file);
        for tag in tags.iter() {
            out.write_all(&tag.to_le_bytes())?;
        }
        out.flush()?;
        drop(out);
        self.ends.push(end);
        Ok(())
    }

    /// The hashes of which the highest `bits` bits are `part`, from all runs.
    pub(super) fn part(&self, bits: u32, part: u64, tags: &mut Vec<u64>, most: usize) -> io::Result<()> {
        tags.clear();
        let mut buffer = vec![0; 1 << 16];
        for [from, to] in self.ends.array_windows::<2>() {
            let begin = self.first_of(*from, *to, bits, part)?;
            let end = self.first_of(begin, *to, bits, part + 1)?;
            if tags.len() as u64 + (end - begin) > most as u64 {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            let (mut at, last) = (begin * WIDTH, end * WIDTH);
            while at < last {
                let n = (last - at).min(buffer.len() as u64) as usize;
                self.file.read_exact_at(&mut buffer[..n], at)?;
                tags.extend(buffer[..n].as_chunks::<8>().0.iter().map(|tag| u64::from_le_bytes(*tag)));
                at += n as u64;
            }
        }
        Ok(())
    }

    /// The first hash of a run that belongs to this part or to a later one.
    fn first_of(&self, mut from: u64, mut to: u64, bits: u32, part: u64) -> io::Result<u64> {
        while from < to {
            let middle = from + (to - from) / 2;
            let mut tag = [0; 8];
            self.file.read_exact_at(&mut tag, middle * WIDTH)?;
            if u64::from_le_bytes(tag) >> (64 - bits) < part { from = middle + 1 } else { to = middle }
        }
        Ok(from)
    }
}
