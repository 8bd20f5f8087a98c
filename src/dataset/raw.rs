//! The bytes of an RDB, wherever they are stored: read, checked and unpacked ahead on other threads, taken chunk by chunk.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

use super::file::Chunks;
use super::foreign::Foreign;
use crate::codec::{CodecError, Sha256Digest};
use crate::encryption::EncryptionError;
use crate::explain::{Explain, Hint, Meaning};
use crate::finding::{Finding, Severity};
use crate::storage::StorageError;

/// Chunks that wait between producer and consumer. With chunks of at most 1 MiB this bounds the memory, of which a pass over a backup has
/// two of these behind each other.
const CHUNKS_AHEAD: usize = 3;

/// An RDB as a stream of chunks. The end of the chunks is the end of the stream; an error ends it, too.
#[derive(Debug)]
pub struct Raw {
    from: Origin,
    /// Read already, to see what it is.
    peeked: VecDeque<Result<Bytes, RawError>>,
}

#[derive(Debug)]
enum Origin {
    /// Bytes that another thread sends.
    Channel(Receiver<Result<Bytes, RawError>>),
    /// A file that is not compressed: the thread that takes a chunk reads it, and finds it in its processor's cache.
    File(Chunks),
}

impl Origin {
    fn next(&mut self) -> Option<Result<Bytes, RawError>> {
        match self {
            Self::Channel(receiver) => receiver.recv().ok(),
            Self::File(chunks) => chunks.next().map(|chunk| Ok(chunk?)),
        }
    }
}

impl Raw {
    /// A stream and the end that feeds it. A feeder that finds the other end gone stops.
    pub fn channel() -> (Sender<Result<Bytes, RawError>>, Self) {
        let (sender, receiver) = bounded(CHUNKS_AHEAD);
        (sender, Self { from: Origin::Channel(receiver), peeked: VecDeque::new() })
    }

    /// The next chunk; blocks, so never call it on a thread of the runtime. `None` at the end.
    #[allow(clippy::should_implement_trait, reason = "an iterator would invite to collect it")]
    pub fn next(&mut self) -> Option<Result<Bytes, RawError>> {
        self.peeked.pop_front().or_else(|| self.from.next())
    }

    /// The chunk that [`Raw::next`] gives next; blocks, too.
    pub fn peek(&mut self) -> Option<&Result<Bytes, RawError>> {
        if self.peeked.is_empty() {
            self.peeked.extend(self.from.next());
        }
        self.peeked.front()
    }

    /// A file that is not compressed.
    pub(super) fn of_file(chunks: Chunks) -> Self {
        Self { from: Origin::File(chunks), peeked: VecDeque::new() }
    }

    /// The next chunk without taking it, at least so long unless the stream is shorter; blocks.
    pub(super) fn peek_bytes(&mut self, least: usize) -> Option<&Result<Bytes, RawError>> {
        while let Some(Ok(first)) = self.peek()
            && first.len() < least
            && self.peeked.len() == 1
            && let Some(more) = self.from.next()
        {
            match (self.peeked.pop_front(), more) {
                (Some(Ok(first)), Ok(more)) => self.peeked.push_front(Ok([first, more].concat().into())),
                (first, more) => self.peeked.extend(first.into_iter().chain([more])),
            }
        }
        self.peeked.front()
    }
}

/// Why the bytes of an RDB do not come.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// The object cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A local file cannot be read.
    #[error(transparent)]
    File(#[from] io::Error),
    /// What is stored is damaged.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// What is stored is not what its manifest names.
    #[error(transparent)]
    NotAsStored(#[from] NotAsStored),
    /// What is stored is encrypted, and cannot be opened, or is damaged.
    #[error(transparent)]
    Encryption(#[from] EncryptionError),
    /// The bytes are something else than an RDB.
    #[error(transparent)]
    Foreign(#[from] Foreign),
}

impl Explain for RawError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Storage(error) => error.meaning(),
            Self::File(error) => error.meaning(),
            Self::Codec(error) => error.meaning().at_rest(),
            Self::NotAsStored(error) => error.meaning(),
            Self::Encryption(error) => error.meaning().at_rest(),
            Self::Foreign(error) => error.meaning(),
        }
    }
}

/// Bytes that are not those that a manifest names: another backup's object, an older version of it, or damage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} does not match the manifest: {property} {found}, not {expected}")]
pub struct NotAsStored {
    what: &'static str,
    property: Property,
    expected: String,
    found: String,
}

impl NotAsStored {
    /// The stable name for JSON answers.
    pub fn code(&self) -> &'static str {
        match self.property {
            Property::Length | Property::Digest => "checksum_mismatch",
            Property::Count(_) => "census_mismatch",
        }
    }

    /// Holds what was counted in an RDB against what its manifest says.
    pub(super) fn counted<T: PartialEq + std::fmt::Debug>(
        what: &'static str,
        expected: &T,
        found: &T,
    ) -> Result<(), Self> {
        if expected == found {
            return Ok(());
        }
        same("the RDB", Property::Count(what), format!("{expected:?}"), format!("{found:?}"))
    }

    /// The finding that a report of damage gives.
    pub fn finding(&self) -> Finding {
        let (id, title) = match self.property {
            Property::Length => ("wrong_length", format!("{} has another length", self.what)),
            Property::Digest => ("checksum_mismatch", format!("{}'s SHA-256 differs", self.what)),
            Property::Count(what) => {
                ("census_mismatch", format!("the manifest gives another {what} than {}", self.what))
            }
        };
        Finding::new(Severity::Critical, id, title)
            .evidence("expected", self.expected.clone())
            .evidence("found", self.found.clone())
    }
}

/// What is compared with a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Property {
    Length,
    Digest,
    /// What was counted in it.
    Count(&'static str),
}

impl std::fmt::Display for Property {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Length => f.write_str("its length in bytes is"),
            Self::Digest => f.write_str("its SHA-256 is"),
            Self::Count(what) => write!(f, "its {what} is"),
        }
    }
}

impl Explain for NotAsStored {
    fn meaning(&self) -> Meaning {
        Meaning::of(self.code()).hint(Hint::OtherBackup)
    }
}

/// What a manifest says of an object. Digests are SHA-256, hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promised {
    /// Bytes of the object.
    pub stored_bytes: u64,
    /// SHA-256 of the object, hex.
    pub stored_sha256: String,
    /// Bytes of the RDB in it.
    pub raw_bytes: u64,
    /// SHA-256 of the RDB, hex.
    pub raw_sha256: String,
}

impl Promised {
    /// Holds the length of an object against what was promised.
    ///
    /// # Errors
    /// The object has another length.
    pub fn length(&self, found: u64) -> Result<(), NotAsStored> {
        same("the object", Property::Length, self.stored_bytes.to_string(), found.to_string())
    }

    /// Holds an object that was read to its end against what was promised.
    ///
    /// # Errors
    /// The object has another length, or another digest.
    pub fn object(&self, bytes: u64, sha256: &str) -> Result<(), NotAsStored> {
        self.length(bytes)?;
        same("the object", Property::Digest, self.stored_sha256.clone(), sha256.to_owned())
    }

    fn rdb(&self, bytes: u64, sha256: String) -> Result<(), NotAsStored> {
        same("the RDB", Property::Length, self.raw_bytes.to_string(), bytes.to_string())?;
        // Of an encrypted backup the manifest says none: the encryption tells of every changed byte.
        if self.raw_sha256.is_empty() {
            return Ok(());
        }
        same("the RDB", Property::Digest, self.raw_sha256.clone(), sha256)
    }
}

fn same(what: &'static str, property: Property, expected: String, found: String) -> Result<(), NotAsStored> {
    if expected == found { Ok(()) } else { Err(NotAsStored { what, property, expected, found }) }
}

/// An RDB that is stored somewhere, being read.
#[derive(Debug)]
pub struct Opened {
    /// Its bytes, unpacked.
    pub raw: Raw,
    /// Whether the file is the base of a multi-part append-only file, whose increments lie beside it.
    pub is_aof_base: bool,
    /// When the RDB was begun, by the clock of its server, Unix milliseconds; `None`: it does not say, or is of a repository.
    pub created_ms: Option<i64>,
    /// Zero bytes behind the last compressed frame, once all was read.
    pub padding: Padding,
    /// What the manifest says of it; `None` for a file, of which nobody has said anything.
    pub(super) promised: Option<Promised>,
    /// What other threads have seen, if they read.
    pub(super) reading: Option<JoinHandle<Result<Seen, RawError>>>,
}

/// What was read of the stored bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// How many bytes were read of the object as it is stored.
    pub stored_bytes: u64,
    /// Their SHA-256, hex; `None` for a file, of which nobody has said what it should be.
    pub stored_sha256: Option<String>,
    /// Independent compressed frames among them.
    pub frames: u64,
}

/// Zero bytes behind the last compressed frame (some tapes and devices fill their last block up): they are left out. Counted when they have
/// been read.
#[derive(Debug, Clone, Default)]
pub struct Padding(pub(super) Arc<AtomicU64>);

impl Padding {
    /// The zero bytes that were read so far.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Opened {
    /// Its bytes, whose end comes only if the object and the RDB in it are what the manifest names: else an error does. What is longer
    /// ends with the first chunk that is too much. Of a file nobody has said anything.
    #[must_use]
    pub fn held(mut self) -> Raw {
        let Some(promised) = self.promised.take() else { return self.raw };
        let (sender, raw) = Raw::channel();
        thread::spawn(move || {
            let (mut digest, mut length) = (Sha256Digest::new(), 0);
            while let Some(chunk) = self.raw.next() {
                let chunk = chunk.and_then(|bytes| {
                    digest.update(&bytes);
                    length += bytes.len() as u64;
                    if length > promised.raw_bytes {
                        promised.rdb(length, String::new())?;
                    }
                    Ok(bytes)
                });
                let is_last = chunk.is_err();
                if sender.send(chunk).is_err() || is_last {
                    return;
                }
            }
            let held = promised.rdb(length, digest.finish()).map_err(RawError::from);
            let held = held.and_then(|()| self.seen()).and_then(|seen| {
                Ok(promised.object(seen.stored_bytes, seen.stored_sha256.as_deref().unwrap_or_default())?)
            });
            if let Err(error) = held {
                let _ = sender.send(Err(error));
            }
        });
        raw
    }

    /// What was read, once [`Raw::next`] has come to the end; blocks until then.
    ///
    /// # Errors
    /// What [`Raw::next`] said as well.
    pub fn seen(self) -> Result<Seen, RawError> {
        match (self.raw.from, self.reading) {
            (Origin::File(chunks), _) => Ok(Seen { stored_bytes: chunks.length(), stored_sha256: None, frames: 0 }),
            (from, reading) => {
                // A consumer that stopped early must not be waited for.
                drop(from);
                let reading = reading.expect("whatever comes from another thread has one that reads");
                reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
        }
    }
}

/// A copy of the error: one for the consumer, one for the report of what was seen.
pub(super) fn again(error: &RawError) -> RawError {
    match error {
        RawError::File(error) => RawError::File(io::Error::new(error.kind(), error.to_string())),
        RawError::Codec(error) => RawError::Codec(error.clone()),
        RawError::Storage(error) => RawError::Storage(error.clone()),
        RawError::NotAsStored(error) => RawError::NotAsStored(error.clone()),
        RawError::Encryption(error) => RawError::Encryption(error.clone()),
        RawError::Foreign(error) => RawError::Foreign(error.clone()),
    }
}
