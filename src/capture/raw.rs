//! The bytes of an RDB, wherever they are stored: read, checked and unpacked ahead on other threads, taken chunk by chunk.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::mpsc;

use crate::codec::{Codec, CodecError, Content, Decompressor, Sha256Digest};
use crate::storage::{Reader, StorageError};

/// Chunks that wait between producer and consumer. With chunks of at most 1 MiB this bounds the memory.
const CHUNKS_AHEAD: usize = 8;

/// Chunks that wait between a store and the unpacking: some hide a round trip.
const STORED_AHEAD: usize = 8;

/// How much is read from a file at once, bytes.
const FILE_CHUNK: usize = 256 << 10;

/// An RDB as a stream of chunks. The end of the chunks is the end of the stream; an error ends it, too.
#[derive(Debug)]
pub struct Raw {
    receiver: Receiver<Result<Bytes, RawError>>,
    peeked: Option<Result<Bytes, RawError>>,
}

impl Raw {
    /// A stream and the end that feeds it. A feeder that finds the other end gone stops.
    pub fn channel() -> (Sender<Result<Bytes, RawError>>, Self) {
        let (sender, receiver) = bounded(CHUNKS_AHEAD);
        (sender, Self { receiver, peeked: None })
    }

    /// The next chunk; blocks, so never call it on a thread of the runtime. `None` at the end.
    #[allow(clippy::should_implement_trait, reason = "an iterator would invite to collect it")]
    pub fn next(&mut self) -> Option<Result<Bytes, RawError>> {
        self.peeked.take().or_else(|| self.receiver.recv().ok())
    }

    /// The chunk that [`Raw::next`] gives next; blocks, too.
    pub fn peek(&mut self) -> Option<&Result<Bytes, RawError>> {
        if self.peeked.is_none() {
            self.peeked = self.receiver.recv().ok();
        }
        self.peeked.as_ref()
    }

    /// The same bytes, whose end comes only if they have this SHA-256 (hex): else an error does.
    #[must_use]
    pub fn proven(mut self, sha256: String) -> Self {
        let (sender, raw) = Self::channel();
        thread::spawn(move || {
            let mut digest = Sha256Digest::new();
            while let Some(chunk) = self.next() {
                let is_last = chunk.is_err();
                if let Ok(bytes) = &chunk {
                    digest.update(bytes);
                }
                if sender.send(chunk).is_err() || is_last {
                    return;
                }
            }
            if digest.finish() != sha256 {
                let words = "the bytes are not those that were stored: another SHA-256";
                let _ = sender.send(Err(io::Error::new(io::ErrorKind::InvalidData, words).into()));
            }
        });
        raw
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
}

/// An RDB that is stored somewhere, being read.
#[derive(Debug)]
pub struct Opened {
    /// Its bytes, unpacked.
    pub raw: Raw,
    /// How it is compressed.
    pub codec: Codec,
    reading: JoinHandle<Result<Seen, RawError>>,
}

/// What was read of the stored bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Their number.
    pub stored_bytes: u64,
    /// Their SHA-256, hex.
    pub stored_sha256: String,
    /// Independent compressed frames among them.
    pub frames: u64,
}

impl Opened {
    /// What was read, once [`Raw::next`] has come to the end; blocks until then.
    ///
    /// # Errors
    /// What [`Raw::next`] said as well.
    pub fn seen(self) -> Result<Seen, RawError> {
        // A consumer that stopped early must not be waited for.
        drop(self.raw);
        self.reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Reads an object of a repository. Must be called within a runtime, which reads ahead.
///
/// # Errors
/// If the system gives no thread.
pub fn open_object(mut reader: Reader, codec: Codec, threads: usize) -> Result<Opened, RawError> {
    let (sender, receiver) = mpsc::channel(STORED_AHEAD);
    tokio::spawn(async move {
        while let Some(chunk) = reader.next().await.transpose() {
            let is_last = chunk.is_err();
            if sender.send(chunk).await.is_err() || is_last {
                return;
            }
        }
    });
    open(Stored::Object(receiver), codec, threads)
}

/// Reads a file: `.rdb`, `.rdb.gz` or `.rdb.zst`, told by its first bytes; `-` is standard input.
///
/// # Errors
/// If it cannot be opened or read.
pub fn open_file(path: &Path, threads: usize) -> Result<Opened, RawError> {
    let mut file: Box<dyn Read + Send> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let mut first = vec![0; FILE_CHUNK];
    let length = fill(&mut file, &mut first)?;
    first.truncate(length);
    let codec = Codec::detect(&first);
    open(Stored::File { first: Some(Bytes::from(first)), file }, codec, threads)
}

/// Where stored bytes come from, chunk by chunk.
enum Stored {
    Object(mpsc::Receiver<Result<Bytes, StorageError>>),
    File { first: Option<Bytes>, file: Box<dyn Read + Send> },
}

impl Stored {
    fn next(&mut self) -> Option<Result<Bytes, RawError>> {
        match self {
            Self::Object(receiver) => receiver.blocking_recv().map(|chunk| Ok(chunk?)),
            Self::File { first, file } => {
                if let Some(chunk) = first.take() {
                    return Some(Ok(chunk));
                }
                let mut chunk = vec![0; FILE_CHUNK];
                match fill(file, &mut chunk) {
                    Ok(0) => None,
                    Ok(length) => {
                        chunk.truncate(length);
                        Some(Ok(Bytes::from(chunk)))
                    }
                    Err(error) => Some(Err(error.into())),
                }
            }
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn open(mut stored: Stored, codec: Codec, threads: usize) -> Result<Opened, RawError> {
    let (sender, raw) = Raw::channel();
    let (decompressor, content) = Decompressor::new(codec, threads)?;
    let trouble = sender.clone();
    let reading = thread::Builder::new().name("read".to_owned()).spawn(move || {
        let seen = read(&mut stored, decompressor);
        // Damage is said by the content, after the good bytes before it. What the store says is said here.
        if let Err(RawError::Storage(_) | RawError::File(_)) = &seen {
            let words = seen.as_ref().map_err(again).err();
            let _ = words.map(|error| trouble.send(Err(error)));
        }
        seen
    })?;
    thread::Builder::new().name("unpack".to_owned()).spawn(move || unpack(content, &sender))?;
    Ok(Opened { raw, codec, reading })
}

fn read(stored: &mut Stored, mut decompressor: Decompressor) -> Result<Seen, RawError> {
    let (mut stored_bytes, mut sha256) = (0, Sha256Digest::new());
    let mut damage = None;
    while let Some(chunk) = stored.next() {
        let chunk = chunk?;
        stored_bytes += chunk.len() as u64;
        sha256.update(&chunk);
        if damage.is_none()
            && let Err(error) = decompressor.push(&chunk)
        {
            // A consumer that is gone needs no more bytes; behind damage the digest is still of use.
            if error.is_stopped() {
                return Err(error.into());
            }
            damage = Some(error);
        }
    }
    match damage {
        Some(error) => Err(error.into()),
        None => Ok(Seen { stored_bytes, stored_sha256: sha256.finish(), frames: decompressor.finish()? }),
    }
}

fn unpack(mut content: Content, sender: &Sender<Result<Bytes, RawError>>) {
    loop {
        let chunk = match content.next() {
            Ok(Some(chunk)) => Ok(Bytes::copy_from_slice(chunk)),
            Ok(None) => return,
            // The reading ended early, and says why.
            Err(error) if error.is_stopped() => return,
            Err(error) => Err(error.into()),
        };
        let is_last = chunk.is_err();
        if sender.send(chunk).is_err() || is_last {
            return;
        }
    }
}

/// The same error once more: for the consumer, and for who asks what was seen.
fn again(error: &RawError) -> RawError {
    match error {
        RawError::File(error) => RawError::File(io::Error::new(error.kind(), error.to_string())),
        RawError::Codec(error) => RawError::Codec(error.clone()),
        RawError::Storage(error) => RawError::Storage(error.clone()),
    }
}
