//! A long string that has to wait for what stands behind it: in a temporary file, or in memory where none can be had.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

/// Bytes that are read back at a time.
const PIECE: usize = 64 << 10;

/// The bytes of strings, one behind the other, in a file that has no name: it is gone with the process.
#[derive(Debug, Default)]
pub struct Spool {
    file: Option<File>,
    length: u64,
    /// What did not get into the file.
    rest: Vec<u8>,
}

impl Spool {
    /// Adds bytes behind those that are there.
    pub fn put(&mut self, bytes: &[u8]) {
        if self.length == 0 && self.rest.is_empty() {
            self.file = tempfile::tempfile().ok();
        }
        let written = match &mut self.file {
            Some(file) if self.rest.is_empty() => file.write_all(bytes).is_ok(),
            _ => false,
        };
        if written {
            self.length += bytes.len() as u64;
        } else {
            // A file that was written to in part is read up to where it is known.
            self.rest.extend_from_slice(bytes);
        }
    }

    /// How many bytes there are.
    pub fn length(&self) -> u64 {
        self.length + self.rest.len() as u64
    }

    /// Gives the bytes back; false if a file cannot be read, and then not all of them.
    pub fn read(&self, from: u64, to: u64, mut tell: impl FnMut(&[u8])) -> bool {
        let mut at = from;
        let mut buffer = vec![0; PIECE];
        while at < to.min(self.length) {
            let n = usize::try_from(to.min(self.length) - at).unwrap_or(PIECE).min(PIECE);
            if self.file.as_ref().is_none_or(|file| file.read_exact_at(&mut buffer[..n], at).is_err()) {
                return false;
            }
            tell(&buffer[..n]);
            at += n as u64;
        }
        let of_rest = |offset: u64| usize::try_from(offset.saturating_sub(self.length)).unwrap_or(usize::MAX);
        match self.rest.get(of_rest(at.max(self.length))..of_rest(to)) {
            Some([]) => true,
            Some(rest) => {
                tell(rest);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_comes_back_from_the_file_and_from_memory() {
        let text: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
        let mut spool = Spool::default();
        text.chunks(70_001).take(2).for_each(|part| spool.put(part));
        // As if the disk were full from here on.
        text.chunks(70_001).skip(2).take(1).for_each(|part| spool.rest.extend_from_slice(part));
        text.chunks(70_001).skip(3).for_each(|part| spool.put(part));
        assert_eq!(spool.length(), text.len() as u64);
        for (from, to) in [(0, 300_000), (0, 10), (10, 140_002), (140_002, 140_003), (139_000, 299_999), (5, 5)] {
            let mut found = Vec::new();
            assert!(spool.read(from as u64, to as u64, |part| found.extend_from_slice(part)));
            assert!(found == text[from..to], "{from} to {to}: {} bytes", found.len());
        }
    }
}
