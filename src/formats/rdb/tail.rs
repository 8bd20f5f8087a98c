//! Length and CRC64 of a file whose end is not known before it comes.

use super::crc64::Crc64;
use super::error::{ErrorKind, RdbError};
use super::visit::Checksum;

/// The shortest file: header, EOF, checksum.
const SHORTEST: u64 = 18;

/// Takes the bytes of a file in order, and holds the last eight back: once they turn out to be the end, they are compared
/// with the CRC64 of all bytes before them.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    crc: Crc64,
    held: [u8; 8],
    n_held: usize,
    length: u64,
}

impl Tail {
    /// At the start of a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let Some((before, last)) = bytes.split_last_chunk::<8>() else {
            let mut joined = [0; 16];
            joined[..self.n_held].copy_from_slice(&self.held[..self.n_held]);
            joined[self.n_held..self.n_held + bytes.len()].copy_from_slice(bytes);
            let n = self.n_held + bytes.len();
            let out = n.saturating_sub(8);
            self.crc.update(&joined[..out]);
            self.n_held = n - out;
            self.held[..self.n_held].copy_from_slice(&joined[out..n]);
            return;
        };
        self.crc.update(&self.held[..self.n_held]);
        self.crc.update(before);
        (self.held, self.n_held) = (*last, 8);
    }

    /// Bytes so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The CRC64 of all bytes so far and of `more`.
    pub(crate) fn crc_with(&self, more: &[u8]) -> u64 {
        let mut crc = self.crc.clone();
        crc.update(&self.held[..self.n_held]);
        crc.update(more);
        crc.value()
    }

    /// The bytes so far are the whole file: compares its last eight with the CRC64 of those before.
    ///
    /// # Errors
    /// `Truncated` if the file is shorter than any file, `ChecksumMismatch` if the two differ.
    pub fn finish(&self) -> Result<Checksum, RdbError> {
        if self.length < SHORTEST {
            return Err(RdbError::at(self.length, ErrorKind::Truncated));
        }
        compare(u64::from_le_bytes(self.held), self.crc.value(), self.length - 8)
    }
}

/// Judges the eight bytes at the end.
pub(crate) fn compare(stored: u64, computed: u64, offset: u64) -> Result<Checksum, RdbError> {
    match stored {
        0 => Ok(Checksum::Absent),
        _ if stored == computed => Ok(Checksum::Verified(stored)),
        _ => Err(RdbError::at(offset, ErrorKind::ChecksumMismatch { stored, computed })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::crc64::crc64;

    #[test]
    fn the_last_eight_bytes_are_compared_however_the_file_is_cut() {
        let mut file: Vec<u8> = b"REDIS9999".iter().copied().chain(0..100).collect();
        let crc = crc64(&file);
        file.extend(crc.to_le_bytes());
        for step in 1..40 {
            let mut tail = Tail::new();
            file.chunks(step).for_each(|part| tail.push(part));
            assert_eq!(tail.finish(), Ok(Checksum::Verified(crc)), "in steps of {step}");
            tail.push(b"x");
            assert_eq!(tail.finish().map_err(|error| error.code()), Err("checksum_mismatch"));
        }
    }

    #[test]
    fn zero_means_that_none_was_computed() {
        let mut tail = Tail::new();
        tail.push(b"REDIS9999\xff\0\0\0\0\0\0\0\0");
        assert_eq!(tail.finish(), Ok(Checksum::Absent));
    }
}
