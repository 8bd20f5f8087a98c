//! Opens data at rest, shard by shard.

use std::io;
use std::path::Path;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::open::{open_file, open_object, open_sealed};
use super::raw::{Opened, Promised, Raw, RawError};
use super::{Around, Backup, Dataset, DatasetError, LocalFile, Pipe, Reopen, lock};
use crate::blocking;
use crate::codec::{self, Codec, Sha256Digest};
use crate::encryption::Key;
use crate::progress::{Progress, Unit};
use crate::rdb::Scanner;
use crate::repository::manifest::{Compression, Manifest, Shard};
use crate::storage::Reader;

/// Bytes of an RDB before the first opcode: the magic word and the version.
const HEADER: usize = 9;

/// The version in the header. What is wrong with the data is reported by the pass that reads it.
fn version_of(opened: &mut Opened) -> u32 {
    let first = match opened.raw.peek() {
        Some(Ok(first)) => first.clone(),
        Some(Err(_)) | None => Bytes::new(),
    };
    let mut scanner = Scanner::new();
    let _ = scanner.push(&first[..first.len().min(HEADER)], &mut ());
    scanner.header().map_or(0, |(_, version)| version)
}

impl Dataset {
    /// Standard input, once its first bytes are there: they say what it is.
    ///
    /// # Errors
    /// Standard input is no RDB or cannot be read, or a signal came before its first bytes did.
    pub async fn stdin(cancel: &CancellationToken) -> Result<Self, DatasetError> {
        let opened = unblocked(|| open_file(Path::new("-"), codec::cores()), cancel).await?;
        let mut opened = opened?;
        let rdb_version = version_of(&mut opened);
        let around = Around::of(&opened);
        Ok(Self::Pipe(Pipe {
            opened: std::sync::Arc::new(std::sync::Mutex::new(Some(opened))),
            around: std::sync::Arc::new(std::sync::Mutex::new(around)),
            rdb_version,
        }))
    }

    /// Version of the RDB in a file, as its first bytes say; 0 where they are no RDB's.
    ///
    /// # Errors
    /// The file cannot be read, or a signal came.
    pub async fn version_of_file(&self, cancel: &CancellationToken) -> Result<u32, DatasetError> {
        Ok(version_of(&mut self.open(0, cancel).await?))
    }

    /// A file by the name that was typed: `-` is standard input. It is opened, so that what is no RDB is told at once.
    ///
    /// # Errors
    /// The file is no RDB or cannot be read, or a signal came.
    pub async fn by_path(path: &Path, cancel: &CancellationToken) -> Result<Self, DatasetError> {
        if path == Path::new("-") {
            return Self::stdin(cancel).await;
        }
        let found = Self::file(path);
        found.open(0, cancel).await?;
        Ok(found)
    }

    /// Opens a shard, numbered from 0, to be read from its first byte. What was stored is not held against the manifest yet: see
    /// [`Opened::held`].
    ///
    /// # Errors
    /// The shard is not there, is no RDB, or cannot be read; or a signal came.
    pub async fn open(&self, shard: usize, cancel: &CancellationToken) -> Result<Opened, DatasetError> {
        match self {
            Self::Backup(backup) => backup.open(backup.shard(shard)?).await,
            Self::File(file) => {
                let path = file.path.clone();
                let opened = unblocked(move || open_file(&path, codec::cores()), cancel).await??;
                file.keep_around(&opened);
                Ok(opened)
            }
            Self::Pipe(pipe) => lock(&pipe.opened).take().ok_or(DatasetError::ReadBefore),
        }
    }

    /// The bytes of a shard, whose end comes only if they are what the manifest names; of a file and a pipe nobody has said anything.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub async fn raw(&self, shard: usize, cancel: &CancellationToken) -> Result<Raw, DatasetError> {
        Ok(self.open(shard, cancel).await?.held())
    }

    /// Opens the shard once more, from a thread that may block; `None` for a pipe. Must be called within a runtime.
    pub fn reopen(&self, shard: usize) -> Option<Reopen> {
        match self {
            Self::Pipe(_) => None,
            Self::File(file) => {
                let path = file.path.clone();
                Some(Box::new(move || Ok(open_file(&path, codec::cores())?.raw)))
            }
            Self::Backup(_) => {
                let (data, runtime) = (self.clone(), tokio::runtime::Handle::current());
                Some(Box::new(move || {
                    let never = CancellationToken::new();
                    runtime.block_on(data.raw(shard, &never)).map_err(|error| match error {
                        DatasetError::Raw(error) => error,
                        error => RawError::File(io::Error::other(error.to_string())),
                    })
                }))
            }
        }
    }

    /// Asks whether each object of a backup is there, and as long as its manifest says.
    ///
    /// # Errors
    /// An object is missing or has another length, or the store cannot be asked.
    pub async fn must_be_there(&self) -> Result<(), DatasetError> {
        let Self::Backup(backup) = self else { return Ok(()) };
        for shard in &backup.manifest.shards {
            backup.must_be_there(shard).await?;
        }
        Ok(())
    }

    /// Opens what is encrypted, so that a key that does not fit is told before anything else is done.
    ///
    /// # Errors
    /// No key that was given opens it, or it cannot be read.
    pub async fn must_open(&self) -> Result<(), DatasetError> {
        let Self::Backup(backup) = self else { return Ok(()) };
        match (backup.manifest.encrypted_to(), backup.manifest.shards.first()) {
            (Some(_), Some(shard)) => backup.open(shard).await.map(drop),
            _ => Ok(()),
        }
    }

    /// The key that has opened it; `None`: it is not encrypted, or nothing of it was opened yet.
    pub fn opened_by(&self) -> Option<&Key> {
        match self {
            Self::Backup(backup) => backup.opened_by(),
            Self::File(_) | Self::Pipe(_) => None,
        }
    }

    /// Reads each object of a backup to its end, without unpacking it: it has to be the one that its manifest names.
    ///
    /// # Errors
    /// The object is another one or cannot be read, or a signal came.
    pub async fn must_be_as_stored(
        &self,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<(), DatasetError> {
        let Self::Backup(backup) = self else { return Ok(()) };
        let stored = backup.manifest.shards.iter().map(|shard| shard.stored_bytes).sum();
        progress.phase("verifying", Unit::Bytes, Some(stored));
        for shard in &backup.manifest.shards {
            backup.must_be_as_stored(shard, progress, cancel).await?;
        }
        Ok(())
    }
}

impl Backup {
    fn shard(&self, number: usize) -> Result<&Shard, DatasetError> {
        let what = || format!("{}/{}", self.manifest.instance, self.manifest.id);
        self.manifest.shards.get(number).ok_or_else(|| DatasetError::NoShard { what: what() })
    }

    /// The object of a shard has to be there, and as long as the manifest says.
    async fn must_be_there(&self, shard: &Shard) -> Result<(), DatasetError> {
        match self.repository.object_length(&self.manifest, &shard.object).await? {
            Some(length) => Ok(promised(shard).length(length).map_err(RawError::from)?),
            // Its absence is told as by reading it.
            None => self.reader(shard).await.map(drop),
        }
    }

    /// Reads the object of a shard to its end. One that arrives as another is read once more: the way damages bytes as well.
    async fn must_be_as_stored(
        &self,
        shard: &Shard,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<(), DatasetError> {
        let mut reader = self.reader(shard).await?;
        for is_last in [false, true] {
            let (mut digest, mut length) = (Sha256Digest::new(), 0);
            while let Some(chunk) = reader.next().await.map_err(RawError::from)? {
                digest.update(&chunk);
                length += chunk.len() as u64;
                progress.advance(chunk.len() as u64);
                if cancel.is_cancelled() {
                    return Err(DatasetError::Interrupted);
                }
            }
            match promised(shard).object(length, &digest.finish()) {
                Err(error) if !is_last => tracing::warn!("{error}: reading it again"),
                held => return Ok(held.map_err(RawError::from)?),
            }
            reader.back_to(0).await.map_err(RawError::from)?;
        }
        Ok(())
    }

    /// The object of a shard, to be read.
    async fn reader(&self, shard: &Shard) -> Result<Reader, DatasetError> {
        let Self { repository, manifest, .. } = self;
        Ok(repository.open_object(manifest, &shard.object, 0).await?)
    }

    /// Opens a shard, to be read from its first byte.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub async fn open(&self, shard: &Shard) -> Result<Opened, DatasetError> {
        let (codec, threads) = (codec_of(&self.manifest), codec::cores());
        let mut opened = match self.manifest.encrypted_to() {
            None => open_object(self.reader(shard).await?, codec, threads)?,
            Some(to) => {
                self.must_be_openable()?;
                let by = &self.repository.encryption().by;
                let mut sealed = open_sealed(self.reader(shard).await?, codec, threads, by, to).await;
                if matches!(&sealed, Err(RawError::Encryption(error)) if error.may_be_damage()) {
                    // The way damages bytes as well.
                    sealed = open_sealed(self.reader(shard).await?, codec, threads, by, to).await;
                }
                let (opened, key) = sealed?;
                // All objects of a backup are encrypted to the same.
                let _ = self.opened_by.set(key);
                opened
            }
        };
        opened.promised = Some(promised(shard));
        Ok(opened)
    }

    /// Opens a shard as it is stored, encrypted and compressed: its length and its digest are all that can be asked of it.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub async fn open_as_stored(&self, shard: &Shard) -> Result<Opened, DatasetError> {
        Ok(open_object(self.reader(shard).await?, Codec::None, 1)?)
    }

    /// Refuses an encrypted backup where nothing was given that could open it. That it does is known once something was opened.
    ///
    /// # Errors
    /// [`crate::encryption::EncryptionError::NothingGiven`].
    pub fn must_be_openable(&self) -> Result<(), DatasetError> {
        let Some(to) = self.manifest.encrypted_to() else { return Ok(()) };
        Ok(self.repository.encryption().by.must_be_given(to).map_err(RawError::from)?)
    }

    /// The content of a small object, decrypted if it is encrypted.
    ///
    /// # Errors
    /// No key that was given opens it, or it is damaged.
    pub async fn content(&self, stored: Bytes) -> Result<Bytes, DatasetError> {
        let Some(to) = self.manifest.encrypted_to() else { return Ok(stored) };
        self.must_be_openable()?;
        let (by, to) = (self.repository.encryption().by.clone(), to.to_owned());
        let plain = blocking::run(move || by.opened(&stored, &to)).await;
        Ok(plain.map_err(RawError::from)?.into())
    }
}

impl LocalFile {
    fn keep_around(&self, opened: &Opened) {
        *lock(&self.around) = Around::of(opened);
    }
}

/// How the objects of a backup are compressed: as its manifest says, whatever they are called.
pub fn codec_of(manifest: &Manifest) -> Codec {
    match manifest.compression {
        Compression::Gzip => Codec::GZIP,
        Compression::Zstd => Codec::ZSTD,
        // A manifest with a newer word is refused when it is read.
        Compression::None | Compression::Newer(_) => Codec::None,
    }
}

/// What a manifest says of the object of a shard.
pub fn promised(shard: &Shard) -> Promised {
    Promised {
        stored_bytes: shard.stored_bytes,
        stored_sha256: shard.stored_sha256.clone(),
        raw_bytes: shard.raw_bytes,
        raw_sha256: shard.raw_sha256.clone(),
    }
}

/// Work that blocks, on a thread of its own; not waited for after a signal.
async fn unblocked<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    cancel: &CancellationToken,
) -> Result<T, DatasetError> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(DatasetError::Interrupted),
        done = blocking::run(work) => Ok(done),
    }
}
