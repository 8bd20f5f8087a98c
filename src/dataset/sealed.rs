//! An encrypted object: its stored bytes are hashed as they come, and its content is decrypted chunk by chunk. Plain code, which blocks.

use std::io::{self, BufRead, Read};
use std::sync::{Arc, Mutex};

use bytes::{Buf as _, Bytes};

use super::feed::Feed;
use super::lock;
use super::raw::RawError;
use crate::codec::Sha256Digest;
use crate::encryption::{EncryptionError, Identities, Key, OpenError, Unsealed, of_chunk};

/// Decrypted bytes are handed on in chunks of this length.
const CHUNK: usize = 256 << 10;

/// Most bytes before the content: a recipient takes about 100.
const HEADER_LIMIT: u64 = 1 << 20;

/// An encrypted object, opened.
pub(super) struct Sealed {
    content: Unsealed<Stored>,
    passed: Arc<Mutex<Passed>>,
    by: Identities,
    to: Vec<String>,
    /// Bytes of the content that were handed on.
    position: u64,
    /// Where damage was met before.
    read_again: Option<u64>,
}

/// What has passed of the stored bytes.
struct Passed {
    /// Where they come from; taken back where they are read once more.
    feed: Option<Feed>,
    length: u64,
    sha256: Sha256Digest,
    /// The header was read.
    is_open: bool,
}

impl Sealed {
    /// Reads the header, and finds the key that opens it; `to`: the public keys that the manifest names.
    ///
    /// # Errors
    /// No key that was given opens it, its header is damaged, or it cannot be read.
    pub(super) fn open(feed: Feed, by: &Identities, to: &[String]) -> Result<(Self, Key), RawError> {
        let passed = Passed { feed: Some(feed), length: 0, sha256: Sha256Digest::new(), is_open: false };
        let passed = Arc::new(Mutex::new(passed));
        let stored = Stored { chunk: Bytes::new(), passed: passed.clone() };
        let (content, key) = by.open(stored, to).map_err(raw)?;
        lock(&passed).is_open = true;
        Ok((Self { content, passed, by: by.clone(), to: to.to_owned(), position: 0, read_again: None }, key))
    }

    /// The next chunk of the content. What arrives damaged may be sound in the store: it is read once more before it counts as damaged.
    pub(super) fn next(&mut self) -> Option<Result<Bytes, RawError>> {
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            let damage = match self.content.by_ref().take(CHUNK as u64).read_to_end(&mut chunk) {
                Ok(0) => return None,
                Ok(_) => None,
                Err(error) => match of_chunk(error) {
                    OpenError::Encryption(error) if error.is_damage() => Some(error),
                    error => return Some(Err(raw(error))),
                },
            };
            match damage {
                // Good bytes before the damage go first: it is met again.
                _ if !chunk.is_empty() => {
                    self.position += chunk.len() as u64;
                    return Some(Ok(chunk.into()));
                }
                Some(damage) if self.read_again == Some(self.position) => return Some(Err(damage.into())),
                Some(damage) => {
                    tracing::warn!("the stored data arrived damaged ({damage}); reading it again");
                    self.read_again = Some(self.position);
                    if let Err(error) = self.once_more() {
                        return Some(Err(error));
                    }
                }
                None => return None,
            }
        }
    }

    /// Reads the object once more, up to where it was read before.
    fn once_more(&mut self) -> Result<(), RawError> {
        let Some(feed) = lock(&self.passed).feed.take() else { return Err(EncryptionError::Truncated.into()) };
        let (mut fresh, _) = Self::open(feed.back_to(0)?, &self.by, &self.to)?;
        let known = io::copy(&mut fresh.content.by_ref().take(self.position), &mut io::sink());
        if known.map_err(|error| raw(of_chunk(error)))? < self.position {
            return Err(EncryptionError::Truncated.into());
        }
        (self.content, self.passed) = (fresh.content, fresh.passed);
        Ok(())
    }

    /// How many stored bytes have passed, and their digest.
    pub(super) fn seen(&self) -> (u64, Option<String>) {
        let passed = lock(&self.passed);
        (passed.length, Some(passed.sha256.clone().finish()))
    }
}

/// An error of the store comes back as what it was.
fn raw(error: OpenError) -> RawError {
    match error {
        OpenError::Encryption(error) => error.into(),
        OpenError::Io(error) => match error.downcast::<RawError>() {
            Ok(error) => error,
            Err(error) => error.into(),
        },
    }
}

/// The stored bytes, as `age` reads them.
struct Stored {
    chunk: Bytes,
    passed: Arc<Mutex<Passed>>,
}

impl Read for Stored {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let found = self.fill_buf()?;
        let length = found.len().min(into.len());
        into[..length].copy_from_slice(&found[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Stored {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.chunk.is_empty() {
            let mut passed = lock(&self.passed);
            if !passed.is_open && passed.length > HEADER_LIMIT {
                return Err(io::ErrorKind::InvalidData.into());
            }
            match passed.feed.as_mut().and_then(Feed::next) {
                Some(Ok(chunk)) => self.chunk = chunk,
                Some(Err(error)) => return Err(io::Error::other(RawError::from(error))),
                None => break,
            }
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, length: usize) {
        let mut passed = lock(&self.passed);
        passed.sha256.update(&self.chunk[..length]);
        passed.length += length as u64;
        drop(passed);
        self.chunk.advance(length);
    }
}
