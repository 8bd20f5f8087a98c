//! What is restored: a backup of a repository, or a file.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::capture::{NotAsStored, Padding, Promised, Raw, RawError, open_file, open_object};
use crate::codec::{Codec, Sha256Digest};
use crate::commands::backup::threads;
use crate::commands::which::{self, Backup};
use crate::commands::{Context, Outcome};
use crate::explain::{Context as _, Failure, Interrupted, Misuse, Result, Status};
use crate::printer::words;
use crate::progress::{Progress, Unit};
use crate::rdb::Scanner;
use crate::repository::Repository;
use crate::repository::manifest::{Manifest, Shard};
use crate::restore::BackupFacts;
use crate::restore::replay::Reopen;
use crate::storage::Reader;

/// Bytes before the first opcode: the magic word and the version.
const HEADER: usize = 9;

/// What is restored.
pub enum Source {
    /// A backup.
    Stored {
        /// Where it lies.
        repository: Repository,
        /// What is known of it.
        manifest: Box<Manifest>,
    },
    /// A file.
    File {
        /// Where it lies.
        path: PathBuf,
        /// It is the base of a multi-part append-only file.
        is_aof_base: bool,
        /// Zero bytes behind its gzip data, once it was read.
        padding: Mutex<Padding>,
    },
    /// Standard input, which can be read once.
    Pipe {
        /// Its bytes, from the first on; taken once.
        raw: Mutex<Option<Raw>>,
        /// Version of the RDB, as its first bytes say.
        rdb_version: u32,
    },
}

impl Source {
    /// Finds it.
    pub async fn open(backup: &Backup, context: &Context) -> Result<Self> {
        match backup {
            Backup::File(file) if file.path() == Path::new("-") => {
                let piped = tokio::task::spawn_blocking(pipe);
                tokio::select! {
                    () = context.cancel.cancelled() => Err(Interrupted.into()),
                    piped = piped => piped?,
                }
            }
            Backup::File(file) => {
                // What is no RDB is told before a target is asked anything.
                let opened = open_file(file.path(), threads()).with_context(|| format!("open {file}"))?;
                Ok(Self::File {
                    path: file.path().to_owned(),
                    is_aof_base: opened.is_aof_base,
                    padding: Mutex::default(),
                })
            }
            Backup::Stored { place, id, instance } => {
                let repository = place.open().await?;
                let manifest = which::load(&repository, id, instance.as_deref(), context).await?;
                if manifest.shards.is_empty() {
                    let name = format!("{}/{}", manifest.instance, manifest.id);
                    let words = format!("the manifest of {name} names no shard: there is nothing to restore");
                    return Err(Failure::new("corrupt", words).into());
                }
                if manifest.shards.len() != 1 {
                    return Err(Misuse::not_supported_yet("the restore of a backup of several shards").into());
                }
                Ok(Self::Stored { repository, manifest: Box::new(manifest) })
            }
        }
    }

    /// The id of the backup; a file has none.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Stored { manifest, .. } => Some(&manifest.id),
            Self::File { .. } | Self::Pipe { .. } => None,
        }
    }

    /// For people.
    pub fn name(&self) -> String {
        match self {
            Self::Stored { manifest, .. } => format!("{}/{}", manifest.instance, manifest.id),
            Self::File { path, .. } => path.display().to_string(),
            Self::Pipe { .. } => "standard input".to_owned(),
        }
    }

    /// When the backup was taken, as its manifest says.
    pub fn created_ms(&self) -> Option<i64> {
        match self {
            Self::Stored { manifest, .. } => Some(manifest.created_at.timestamp_millis()),
            Self::File { .. } | Self::Pipe { .. } => None,
        }
    }

    /// What is known without reading it.
    pub fn facts(&self) -> BackupFacts {
        match self {
            Self::Stored { manifest, .. } => BackupFacts::of_manifest(manifest),
            Self::File { .. } => BackupFacts { name: self.name(), understood: true, ..BackupFacts::default() },
            Self::Pipe { rdb_version, .. } => BackupFacts {
                name: self.name(),
                server: "a server that is not known yet".to_owned(),
                rdb_version: *rdb_version,
                understood: true,
                only_once: true,
                ..BackupFacts::default()
            },
        }
    }

    /// Bytes of the RDB, where that is known.
    pub fn raw_bytes(&self) -> Option<u64> {
        match self {
            Self::Stored { manifest, .. } => Some(manifest.shards.iter().map(|shard| shard.raw_bytes).sum()),
            Self::File { .. } | Self::Pipe { .. } => None,
        }
    }

    /// What tells this RDB from others: a digest, or length and time of a file.
    pub fn digest(&self) -> String {
        match self {
            Self::Stored { manifest, .. } => self::shard(manifest).raw_sha256.clone(),
            Self::File { path, .. } => std::fs::metadata(path)
                .map(|file| format!("{} {:?}", file.len(), file.modified().ok()))
                .unwrap_or_default(),
            // Nobody resumes it.
            Self::Pipe { .. } => format!("process {} at {}", std::process::id(), chrono::Utc::now()),
        }
    }

    /// Adds what was odd about a file to an answer that is good otherwise.
    pub fn with_warnings(&self, outcome: Outcome, context: &Context) -> Outcome {
        let Self::File { is_aof_base, padding, .. } = self else { return outcome };
        let padding = padding.lock().unwrap_or_else(PoisonError::into_inner).bytes();
        let mut warnings = Vec::new();
        if *is_aof_base {
            let words = "the file is the base of a multi-part append-only file: later writes are in the increments beside it \
                         (`*.incr.aof`), and are not restored";
            warnings.push(words.to_owned());
        }
        if padding > 0 {
            warnings.push(format!("{} behind the gzip data are left out", words::counted(padding, "zero byte")));
        }
        if warnings.is_empty() {
            return outcome;
        }
        warnings.iter().for_each(|warning| context.printer.say(&format!("warning: {warning}")));
        let status = outcome.status.and(Status::Warning);
        Outcome { status, ..outcome }.field("warnings", &warnings)
    }

    /// A pipe can be read once.
    pub fn can_be_read_again(&self) -> bool {
        !matches!(self, Self::Pipe { .. })
    }

    /// Its bytes, unpacked.
    pub async fn raw(&self) -> Result<Raw> {
        let name = self.name();
        match self {
            Self::Stored { repository, manifest } => {
                Ok(stored(repository, manifest).await.with_context(|| format!("read {name}"))?)
            }
            Self::File { path, padding, .. } => {
                let opened = open_file(path, threads()).with_context(|| format!("open {name}"))?;
                *padding.lock().unwrap_or_else(PoisonError::into_inner) = opened.padding.clone();
                Ok(opened.raw)
            }
            Self::Pipe { raw, .. } => {
                let raw = raw.lock().unwrap_or_else(PoisonError::into_inner).take();
                raw.ok_or_else(|| Misuse::usage("standard input can be read only once").into())
            }
        }
    }

    /// Asks whether the object of a backup is there, and as long as its manifest says. Of a file nobody has said anything.
    pub async fn must_be_there(&self) -> Result<()> {
        let Self::Stored { repository, manifest } = self else { return Ok(()) };
        object(repository, manifest).await.map(drop).with_context(|| format!("read {}", self.name()))
    }

    /// Reads the object of a backup to its end, without unpacking it: it has to be the one that its manifest names.
    pub async fn must_be_as_stored(&self, progress: &dyn Progress, cancel: &CancellationToken) -> Result<()> {
        let Self::Stored { repository, manifest } = self else { return Ok(()) };
        let shard = shard(manifest);
        progress.phase("verifying", Unit::Bytes, Some(shard.stored_bytes));
        let mut reader = object(repository, manifest).await?;
        for is_last in [false, true] {
            let (mut digest, mut length) = (Sha256Digest::new(), 0);
            while let Some(chunk) = reader.next().await? {
                digest.update(&chunk);
                length += chunk.len() as u64;
                progress.advance(chunk.len() as u64);
                if cancel.is_cancelled() {
                    return Err(Interrupted.into());
                }
            }
            match promised(shard).object(length, &digest.finish()) {
                // The way damages bytes as well.
                Err(error) if !is_last => tracing::warn!("{error}: it is read once more"),
                held => return Ok(held?),
            }
            reader.back_to(0).await?;
        }
        Ok(())
    }

    /// The same once more, from a thread that may block.
    pub fn reopen(&self) -> Option<Reopen> {
        match self {
            Self::Pipe { .. } => None,
            Self::File { path, .. } => {
                let path = path.clone();
                Some(Box::new(move || Ok(open_file(&path, threads())?.raw)))
            }
            Self::Stored { repository, manifest } => {
                let (repository, manifest) = (repository.clone(), manifest.clone());
                let runtime = tokio::runtime::Handle::current();
                Some(Box::new(move || {
                    runtime.block_on(stored(&repository, &manifest)).map_err(|error| {
                        match error.downcast_ref::<NotAsStored>() {
                            Some(error) => error.clone().into(),
                            None => RawError::File(std::io::Error::other(format!("{error:#}"))),
                        }
                    })
                }))
            }
        }
    }
}

/// Standard input, of which the first bytes say what it is. Blocks until they are there.
fn pipe() -> Result<Source> {
    let mut raw = open_file(Path::new("-"), threads()).context("read standard input")?.raw;
    let mut scanner = Scanner::new();
    let first = match raw.peek() {
        Some(Ok(first)) => first.clone(),
        Some(Err(_)) | None => Bytes::new(),
    };
    // What is wrong with it is said where it is read; here only the header counts.
    let _ = scanner.push(&first[..first.len().min(HEADER)], &mut ());
    let rdb_version = scanner.header().map_or(0, |(_, version)| version);
    Ok(Source::Pipe { raw: Mutex::new(Some(raw)), rdb_version })
}

fn shard(manifest: &Manifest) -> &Shard {
    manifest.shards.first().expect("`Source::open` takes backups of one shard only")
}

fn promised(shard: &Shard) -> Promised {
    Promised {
        stored_bytes: shard.stored_bytes,
        stored_sha256: shard.stored_sha256.clone(),
        raw_bytes: shard.raw_bytes,
        raw_sha256: shard.raw_sha256.clone(),
    }
}

/// Opens the object of a backup to be read; one of another length is not begun.
async fn object(repository: &Repository, manifest: &Manifest) -> Result<Reader> {
    let shard = shard(manifest);
    if let Some(length) = repository.object_length(manifest, &shard.object).await? {
        promised(shard).length(length)?;
    }
    Ok(repository.open_object(manifest, &shard.object, 0).await?)
}

async fn stored(repository: &Repository, manifest: &Manifest) -> Result<Raw> {
    let shard = shard(manifest);
    let reader = object(repository, manifest).await?;
    let codec = [Codec::GZIP, Codec::ZSTD].into_iter().find(|codec| shard.object.ends_with(codec.extension()));
    let opened = open_object(reader, codec.unwrap_or(Codec::None), threads())?;
    Ok(opened.held_against(promised(shard)))
}
