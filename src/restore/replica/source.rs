//! From the source's blocking chunks to the socket's channel, with the last chunk held back until everything is known good.

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::capture::Raw;
use crate::rdb::Crc64;

use super::SourceError;

/// The largest piece that is handed to the network at once. It bounds memory, and how long a slow target may take for one.
const PIECE: usize = 256 * 1024;
/// Bytes of the checksum at the end of an RDB.
const TRAILER: usize = 8;

/// A verified RDB, to be sent exactly as it is.
#[derive(Debug)]
pub struct RdbSource {
    /// Its length in bytes, as the verification found it.
    pub length: u64,
    /// The checksum at its end, as the verification found it; `None` if it has none (`rdbchecksum no`, versions before 5).
    pub crc64: Option<u64>,
    /// Its bytes.
    pub raw: Raw,
}

impl RdbSource {
    /// Moves all chunks; blocks. The last bytes are handed on only when the source has ended without an error, is as long as it
    /// should be, and its checksum is both right and the one that was verified: what is sent is what was verified, or the
    /// target never sees its end.
    pub(super) fn pump(mut self, sender: &mpsc::Sender<Bytes>) -> Result<(), SourceError> {
        let mut held = Bytes::new();
        let mut tail = Tail::default();
        let mut length = 0_u64;
        while let Some(chunk) = self.raw.next() {
            let chunk = chunk.map_err(SourceError::Read)?;
            if chunk.is_empty() {
                continue;
            }
            length += chunk.len() as u64;
            if length > self.length {
                return Err(SourceError::Length { length: self.length });
            }
            tail.push(&chunk);
            if !hand_on(std::mem::replace(&mut held, chunk), sender) {
                // Nobody listens any more: they know why.
                return Ok(());
            }
        }
        if length != self.length {
            return Err(SourceError::Length { length: self.length });
        }
        if let Some(expected) = self.crc64 {
            tail.check(expected)?;
        }
        hand_on(held, sender);
        Ok(())
    }
}

/// Whether there is still somebody to take it.
fn hand_on(mut chunk: Bytes, sender: &mpsc::Sender<Bytes>) -> bool {
    while !chunk.is_empty() {
        let piece = chunk.split_to(chunk.len().min(PIECE));
        if sender.blocking_send(piece).is_err() {
            return false;
        }
    }
    true
}

/// The checksum over all but the last eight bytes, and those.
#[derive(Default)]
struct Tail {
    crc: Crc64,
    last: Vec<u8>,
}

impl Tail {
    fn push(&mut self, chunk: &[u8]) {
        let keep = chunk.len().min(TRAILER);
        let (body, end) = chunk.split_at(chunk.len() - keep);
        let out = (self.last.len() + keep).saturating_sub(TRAILER);
        self.crc.update(&self.last[..out]);
        self.last.drain(..out);
        // What was held back came before this chunk's body.
        if !body.is_empty() {
            self.crc.update(&self.last);
            self.last.clear();
            self.crc.update(body);
        }
        self.last.extend_from_slice(end);
    }

    fn check(&self, expected: u64) -> Result<(), SourceError> {
        let stored = <[u8; TRAILER]>::try_from(self.last.as_slice()).map(u64::from_le_bytes).ok();
        if stored == Some(expected) && self.crc.value() == expected {
            Ok(())
        } else {
            Err(SourceError::Changed { expected, computed: self.crc.value() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::RawError;
    use crate::rdb::crc64::crc64;

    /// Bytes that end like an RDB, with their checksum.
    fn file(length: usize) -> (Vec<u8>, u64) {
        let mut bytes: Vec<u8> = (0..length).map(|index| (index * 7 % 251) as u8).collect();
        let crc = crc64(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        (bytes, crc)
    }

    /// What comes out at the other end, and how it ended.
    fn pump(
        chunks: Vec<Result<Bytes, RawError>>,
        length: u64,
        crc64: Option<u64>,
    ) -> (Vec<u8>, Result<(), SourceError>) {
        let (feeder, raw) = Raw::channel();
        let (sender, mut receiver) = mpsc::channel(2);
        let pump = std::thread::spawn(move || RdbSource { length, crc64, raw }.pump(&sender));
        let feeding = std::thread::spawn(move || chunks.into_iter().for_each(|chunk| drop(feeder.send(chunk))));
        let mut found = Vec::new();
        while let Some(chunk) = receiver.blocking_recv() {
            found.extend_from_slice(&chunk);
        }
        feeding.join().unwrap();
        (found, pump.join().unwrap())
    }

    fn cut(bytes: &[u8], step: usize) -> Vec<Result<Bytes, RawError>> {
        bytes.chunks(step).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect()
    }

    #[test]
    fn what_was_verified_passes_however_it_is_cut() {
        let (bytes, crc) = file(1000);
        for step in [1, 3, 7, 8, 9, 500, 1001, 1005, 2000] {
            let (found, result) = pump(cut(&bytes, step), bytes.len() as u64, Some(crc));
            assert!(result.is_ok(), "in steps of {step}: {result:?}");
            assert_eq!(found, bytes, "in steps of {step}");
        }
        let large = file(PIECE * 3);
        let (found, result) = pump(cut(&large.0, PIECE * 2 + 1), large.0.len() as u64, Some(large.1));
        assert!(result.is_ok() && found == large.0);
    }

    #[track_caller]
    fn check_held_back(
        chunks: Vec<Result<Bytes, RawError>>,
        length: u64,
        crc64: u64,
        expected: fn(&SourceError) -> bool,
    ) {
        let (found, result) = pump(chunks, length, Some(crc64));
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
