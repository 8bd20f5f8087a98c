//! A verified RDB on its way to where it must be exactly that: its end is held back until everything before it is known good.

use bytes::Bytes;

use crate::dataset::{Raw, RawError};
use crate::explain::{Explain, Meaning};
use crate::rdb::Tail;
use crate::rdb::visit::Checksum;

/// The largest piece that is handed on at once. It bounds memory, and how long a slow taker may take for one.
const PIECE: usize = 256 * 1024;

/// A verified RDB, to be passed on exactly as it is.
#[derive(Debug)]
pub struct RdbSource {
    /// Its length in bytes, as the verification found it; without what may trail behind the RDB.
    pub length: u64,
    /// Bytes that trail behind the RDB, as the verification found them: they are not handed on.
    pub trailing: u64,
    /// The checksum at its end, as the verification found it; `None` if it has none (`rdbchecksum no`, versions before 5).
    pub crc64: Option<u64>,
    /// The bytes of the RDB, as they are read.
    pub raw: Raw,
}

/// Why the bytes that were verified do not come.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// They cannot be read.
    #[error(transparent)]
    Read(RawError),
    /// There are more or fewer than were verified.
    #[error("it is not the {length} bytes that were verified")]
    Length {
        /// Bytes that were verified.
        length: u64,
    },
    /// They are not the ones that were verified.
    #[error("its checksum is not {expected:016x}, which was verified")]
    Changed {
        /// What was verified.
        expected: u64,
    },
}

impl Explain for SourceError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Read(error) => error.meaning().or("storage_unavailable"),
            Self::Length { .. } => Meaning::of("storage_unavailable"),
            Self::Changed { .. } => Meaning::of("checksum_mismatch"),
        }
    }
}

impl RdbSource {
    /// Its bytes in pieces of at most 256 KiB; blocks. The last ones come only after the source has ended without an error, is as
    /// long as it should be, and its checksum is both right and the one that was verified: what comes out whole is what was
    /// verified. After an error nothing comes.
    pub(super) fn pieces(self) -> Pieces {
        Pieces { source: self, tail: Tail::new(), read: 0, ready: Bytes::new(), held: Bytes::new(), ended: false }
    }
}

/// The pieces of an RDB: see [`RdbSource::pieces`].
pub(super) struct Pieces {
    source: RdbSource,
    tail: Tail,
    /// Bytes that came, those behind the RDB as well.
    read: u64,
    /// May go out.
    ready: Bytes,
    /// The newest chunk, which may turn out to be the last.
    held: Bytes,
    ended: bool,
}

impl Iterator for Pieces {
    type Item = Result<Bytes, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && !self.ended {
            if let Err(error) = self.advance() {
                self.ended = true;
                return Some(Err(error));
            }
        }
        let piece = self.ready.split_to(self.ready.len().min(PIECE));
        (!piece.is_empty()).then_some(Ok(piece))
    }
}

impl Pieces {
    fn advance(&mut self) -> Result<(), SourceError> {
        let length = self.source.length;
        match self.source.raw.next() {
            Some(chunk) => {
                let mut chunk = chunk.map_err(SourceError::Read)?;
                self.read += chunk.len() as u64;
                if self.read > length.saturating_add(self.source.trailing) {
                    return Err(SourceError::Length { length });
                }
                let left = length - self.tail.length();
                chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                self.tail.push(&chunk);
                if !chunk.is_empty() {
                    self.ready = std::mem::replace(&mut self.held, chunk);
                }
            }
            None if self.read != length.saturating_add(self.source.trailing) => {
                return Err(SourceError::Length { length });
            }
            None => {
                if let Some(expected) = self.source.crc64
                    && !matches!(self.tail.finish(), Ok(Checksum::Verified(found)) if found == expected)
                {
                    return Err(SourceError::Changed { expected });
                }
                self.ready = std::mem::take(&mut self.held);
                self.ended = true;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::crc64;

    /// Bytes that end like an RDB, with their checksum.
    fn file(length: usize) -> (Vec<u8>, u64) {
        let mut bytes: Vec<u8> = (0..length).map(|index| (index * 7 % 251) as u8).collect();
        let crc = crc64(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        (bytes, crc)
    }

    /// What comes out at the other end, and how it ended.
    fn pass(
        chunks: Vec<Result<Bytes, RawError>>,
        length: u64,
        trailing: u64,
        crc64: Option<u64>,
    ) -> (Vec<u8>, Result<(), SourceError>) {
        let (feeder, raw) = Raw::channel();
        let feeding = std::thread::spawn(move || chunks.into_iter().for_each(|chunk| drop(feeder.send(chunk))));
        let mut found = Vec::new();
        let mut result = Ok(());
        for piece in (RdbSource { length, trailing, crc64, raw }).pieces() {
            match piece {
                Ok(piece) => found.extend_from_slice(&piece),
                Err(error) => result = Err(error),
            }
        }
        feeding.join().unwrap();
        (found, result)
    }

    fn cut(bytes: &[u8], step: usize) -> Vec<Result<Bytes, RawError>> {
        bytes.chunks(step).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect()
    }

    #[test]
    fn what_was_verified_passes_however_it_is_cut() {
        let (bytes, crc) = file(1000);
        for step in [1, 3, 7, 8, 9, 500, 1001, 1005, 2000] {
            let (found, result) = pass(cut(&bytes, step), bytes.len() as u64, 0, Some(crc));
            assert!(result.is_ok(), "in steps of {step}: {result:?}");
            assert_eq!(found, bytes, "in steps of {step}");
        }
        let large = file(PIECE * 3);
        let (found, result) = pass(cut(&large.0, PIECE * 2 + 1), large.0.len() as u64, 0, Some(large.1));
        assert!(result.is_ok() && found == large.0);
    }

    #[test]
    fn what_trails_behind_the_rdb_is_left_out_and_must_be_as_long_as_before() {
        let (bytes, crc) = file(1000);
        let with_more = [&bytes[..], b"0123456789"].concat();
        for step in [1, 3, 8, 500, 1008, 1010, 2000] {
            let (found, result) = pass(cut(&with_more, step), bytes.len() as u64, 10, Some(crc));
            assert!(result.is_ok() && found == bytes, "in steps of {step}: {result:?}");
            for trailing in [0, 9, 11] {
                let (_, result) = pass(cut(&with_more, step), bytes.len() as u64, trailing, Some(crc));
                assert!(matches!(result, Err(SourceError::Length { .. })), "{trailing} in steps of {step}: {result:?}");
            }
        }
    }

    #[track_caller]
    fn check_held_back(
        chunks: Vec<Result<Bytes, RawError>>,
        length: u64,
        crc64: u64,
        expected: fn(&SourceError) -> bool,
    ) {
        let (found, result) = pass(chunks, length, 0, Some(crc64));
        let error = result.expect_err("it must not pass");
        assert!(expected(&error), "{error:?}");
        assert!((found.len() as u64) < length, "the target saw {} of {length} bytes", found.len());
    }

    #[test]
    fn the_end_is_held_back_from_a_target_if_anything_is_wrong() {
        let (bytes, crc) = file(1000);
        let length = bytes.len() as u64;
        let mut flipped = bytes.clone();
        flipped[500] ^= 1;
        for step in [1, 8, 100, 2000] {
            check_held_back(cut(&flipped, step), length, crc, |error| matches!(error, SourceError::Changed { .. }));
            check_held_back(cut(&bytes, step), length, crc ^ 1, |error| matches!(error, SourceError::Changed { .. }));
            check_held_back(cut(&bytes[..1007], step), length, crc, |error| {
                matches!(error, SourceError::Length { .. })
            });
            let mut broken = cut(&bytes, step);
            broken.push(Err(RawError::File(std::io::Error::other("the last frame is damaged"))));
            check_held_back(broken, length, crc, |error| matches!(error, SourceError::Read(_)));
        }
        check_held_back(cut(&[&bytes[..], b"x"].concat(), 100), length, crc, |error| {
            matches!(error, SourceError::Length { .. })
        });
    }
}
