//! Reads the tail of a shard: the stream that leads from its RDB to the moment of all shards. Every byte is held against the manifest.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::blocking;
use crate::codec::{CodecError, Sha256Digest, Unpacker};
use crate::explain::{Explain, Interrupted, Meaning};
use crate::repository::manifest::{Manifest, Tail};
use crate::repository::{Repository, RepositoryError};
use crate::storage::StorageError;
use crate::stream::{Scanner, StreamError};

/// What a tail holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TailRead {
    /// Commands of the stream, with what was added to it.
    pub commands: u64,
    /// Messages to subscribers among them.
    pub messages: u64,
    /// The highest database that it selects.
    pub highest_database: u32,
}

/// Why a tail cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// It is not there.
    #[error("an object of the backup is missing")]
    Missing,
    /// It is not what the manifest says, or no stream.
    #[error("{0}")]
    Damaged(String),
    /// The place cannot be asked.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// A signal came.
    #[error("interrupted")]
    Interrupted,
}

impl Explain for TailError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Missing | Self::Damaged(_) => Meaning::of("corrupt"),
            Self::Repository(error) => error.meaning(),
            Self::Interrupted => Interrupted.meaning(),
        }
    }
}

impl From<CodecError> for TailError {
    fn from(error: CodecError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl From<StreamError> for TailError {
    fn from(error: StreamError) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// The bytes on their way through the digests and the scanner.
struct Passing {
    unpacker: Unpacker,
    stored: Sha256Digest,
    raw: Sha256Digest,
    raw_bytes: u64,
    scanner: Scanner,
    read: TailRead,
}

/// Reads a tail to its end, and sends what it holds if somebody wants that. The last bytes are sent before the digests are known: who
/// feeds them to a server reads the tail once before.
///
/// # Errors
/// See [`TailError`].
pub async fn read_tail(
    repository: &Repository,
    manifest: &Manifest,
    tail: &Tail,
    sender: Option<mpsc::Sender<Bytes>>,
    cancel: &CancellationToken,
) -> Result<TailRead, TailError> {
    let mut reader = match repository.open_object(manifest, &tail.object, 0).await {
        Err(RepositoryError::Storage { source: StorageError::NotFound, .. }) => return Err(TailError::Missing),
        reader => reader?,
    };
    let mut passing = Passing {
        unpacker: Unpacker::new()?,
        stored: Sha256Digest::new(),
        raw: Sha256Digest::new(),
        raw_bytes: 0,
        scanner: Scanner::at(0, 0),
        read: TailRead::default(),
    };
    loop {
        let chunk = tokio::select! {
            chunk = reader.next() => chunk,
            () = cancel.cancelled() => return Err(TailError::Interrupted),
        };
        let doing = || format!("read {}", tail.object);
        let chunk = chunk.map_err(|source| RepositoryError::Storage { doing: doing(), source })?;
        let Some(chunk) = chunk else { break };
        let wants = sender.is_some();
        let (result, back, raw) = blocking::run(move || {
            let mut raw = Vec::new();
            let result = passing.take(&chunk, wants.then_some(&mut raw));
            (result, passing, raw)
        })
        .await;
        passing = back;
        result?;
        // Who takes the bytes may have gone, and knows why.
        if let (Some(sender), false) = (&sender, raw.is_empty())
            && sender.send(raw.into()).await.is_err()
        {
            return Ok(passing.read);
        }
    }
    passing.finish(tail)
}

impl Passing {
    fn take(&mut self, chunk: &[u8], mut copy: Option<&mut Vec<u8>>) -> Result<(), TailError> {
        self.stored.update(chunk);
        let Self { unpacker, raw, raw_bytes, scanner, read, .. } = self;
        unpacker.push(chunk, &mut |bytes: &[u8]| {
            raw.update(bytes);
            *raw_bytes += bytes.len() as u64;
            scanner.push(bytes, |command| {
                read.commands += 1;
                read.messages += u64::from(command.is("PUBLISH") || command.is("SPUBLISH"));
                read.highest_database = read.highest_database.max(command.database);
            })?;
            if let Some(copy) = &mut copy {
                copy.extend_from_slice(bytes);
            }
            Ok::<(), TailError>(())
        })
    }

    fn finish(self, tail: &Tail) -> Result<TailRead, TailError> {
        let Self { unpacker, stored, raw, raw_bytes, scanner, read } = self;
        let damaged = |why: &str| Err(TailError::Damaged(why.to_owned()));
        if stored.finish() != tail.stored_sha256 {
            return damaged("the object's SHA-256 differs");
        }
        unpacker.finish()?;
        if raw.finish() != tail.raw_sha256 || raw_bytes != tail.raw_bytes() {
            return damaged("the stream is not the one that the manifest names");
        }
        if scanner.safe() != raw_bytes {
            return damaged("the stream ends within a command or a transaction");
        }
        match read.commands < tail.commands {
            true => damaged("the stream has fewer commands than the manifest says"),
            false => Ok(read),
        }
    }
}
