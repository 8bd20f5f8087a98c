//! Data at rest: a backup or a file, that can be read as often as needed.

use std::path::Path;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::pass::{self, PassError};
use super::{VerifyError, codec_of, raw_error};
use crate::capture::{open_file, open_object};
use crate::census::{Census, DIGEST_VERSION};
use crate::codec::Sha256Digest;
use crate::explain::{Explain, Meaning};
use crate::finding::Finding;
use crate::progress::Progress;
use crate::rdb::visit::{Entry, Interest, Visit};
use crate::repository::manifest::{Manifest, StructureState};
use crate::repository::{Repository, RepositoryError};
use crate::storage::StorageError;
use crate::{census, examination};

/// `census.bin` may not be longer than this, in bytes.
const CENSUS_LIMIT: u64 = 16 << 20;

/// Data at rest.
#[derive(Debug, Clone, Copy)]
pub enum AtRest<'a> {
    /// A backup of a repository.
    Backup {
        /// The repository.
        repository: &'a Repository,
        /// The backup's manifest.
        manifest: &'a Manifest,
    },
    /// A file; `-` is standard input, and can be read only once.
    File(&'a Path),
}

/// Why data at rest cannot be held against anything.
#[derive(Debug, thiserror::Error)]
pub enum AtRestError {
    /// It is damaged: the finding says how.
    #[error("{what} is damaged: {}", .finding.title)]
    Damaged {
        /// The backup or the file.
        what: String,
        /// What was found.
        finding: Box<Finding>,
    },
    /// It is newer than we know.
    #[error("{what} is newer than this version knows: it was understood up to byte {up_to} only")]
    NotUnderstood {
        /// The backup or the file.
        what: String,
        /// Offset in the RDB.
        up_to: u64,
    },
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] VerifyError),
}

impl AtRestError {
    /// The stable code of what was found in damaged data.
    pub fn code_of(finding: &Finding) -> &'static str {
        match finding.id.as_str() {
            "truncated" => "truncated",
            "checksum_mismatch" => "checksum_mismatch",
            _ => "corrupt",
        }
    }
}

impl Explain for AtRestError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Damaged { finding, .. } => Meaning::of(Self::code_of(finding)).at_rest(),
            Self::NotUnderstood { .. } => Meaning::of("unsupported_rdb_version").hint("a newer redis-ops may read it"),
            Self::Unreadable(error) => error.meaning(),
        }
    }
}

impl AtRest<'_> {
    /// `INSTANCE/ID`, or the path.
    pub fn name(&self) -> String {
        match self {
            Self::Backup { manifest, .. } => format!("{}/{}", manifest.instance, manifest.id),
            Self::File(path) if *path == Path::new("-") => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Bytes of RDB that a pass reads, where that is known.
    pub fn raw_bytes(&self) -> Option<u64> {
        match self {
            Self::Backup { manifest, .. } => Some(manifest.shards.iter().map(|shard| shard.raw_bytes).sum()),
            Self::File(_) => None,
        }
    }

    /// Refuses a backup of which its manifest says already that nobody can look inside.
    ///
    /// # Errors
    /// [`AtRestError::NotUnderstood`].
    pub fn understood(&self) -> Result<(), AtRestError> {
        match self {
            Self::Backup { manifest, .. } if manifest.structure.state == StructureState::NotUnderstood => {
                Err(AtRestError::NotUnderstood { what: self.name(), up_to: manifest.structure.understood_up_to })
            }
            _ => Ok(()),
        }
    }

    /// The census that was made with the backup. `None` where there is none, or one whose digest says nothing to ours: then
    /// the data itself must be read.
    ///
    /// # Errors
    /// If it is damaged or cannot be read.
    pub async fn census(&self) -> Result<Option<Census>, AtRestError> {
        let Self::Backup { repository, manifest } = self else { return Ok(None) };
        let Some(summary) = manifest.census.as_ref().filter(|summary| summary.digest_version == DIGEST_VERSION) else {
            return Ok(None);
        };
        let (Some(object), Some(sha256)) = (&summary.object, &summary.sha256) else { return Ok(None) };
        let bytes = match repository.get_object(manifest, object, CENSUS_LIMIT).await {
            Ok(bytes) => bytes,
            // What was lost can be counted again.
            Err(error) => {
                tracing::warn!("the census of {} is not used: {error}", self.name());
                return Ok(None);
            }
        };
        match self.decode(&bytes, sha256) {
            Some(census) if (census.keys, census.digest_hex()) == (summary.keys, summary.digest.clone()) => {
                Ok(Some(census))
            }
            _ => {
                tracing::warn!("the census of {} is damaged: the data itself is read", self.name());
                Ok(None)
            }
        }
    }

    fn decode(&self, bytes: &Bytes, sha256: &str) -> Option<Census> {
        (Sha256Digest::of(bytes) == *sha256).then(|| census::decode(bytes).ok()).flatten()
    }

    /// The moment of the data, Unix milliseconds: the server's clock as the file names it, else when the backup began.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn moment_ms(&self, threads: usize) -> Result<Option<i64>, AtRestError> {
        match self {
            Self::Backup { manifest, .. } => {
                let ctime = |shard: &crate::repository::manifest::Shard| shard.aux.get("ctime")?.parse::<i64>().ok();
                let seconds = manifest.shards.iter().filter_map(ctime).max();
                Ok(Some(seconds.map_or(manifest.created_at.timestamp_millis(), end_of_second)))
            }
            Self::File(path) if *path == Path::new("-") => Ok(None),
            Self::File(path) => {
                let opened = open_file(path, threads).map_err(raw_error)?;
                let (hidden, never) = (crate::progress::Hidden::default(), CancellationToken::new());
                // What is wrong with it is found by the pass that follows.
                let passed = pass::stored(opened, Ctime::default(), &hidden, &never).await;
                Ok(passed.ok().and_then(|passed| passed.visit.seconds).map(end_of_second))
            }
        }
    }

    /// Tells a visitor all that is in it, shard after shard. The bytes are checked against the manifest on the way.
    ///
    /// # Errors
    /// If it is damaged, newer than we know, or cannot be read.
    pub async fn read<V: Visit + Send + 'static>(
        &self,
        mut visit: V,
        threads: usize,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<V, AtRestError> {
        match self {
            Self::File(path) => {
                let opened = open_file(path, threads).map_err(raw_error)?;
                Ok(pass::stored(opened, visit, progress, cancel).await.map_err(|error| self.error(error, None))?.visit)
            }
            Self::Backup { repository, manifest } => {
                self.understood()?;
                for shard in &manifest.shards {
                    let reader = match repository.open_object(manifest, &shard.object, 0).await {
                        Ok(reader) => reader,
                        Err(RepositoryError::Storage { source: StorageError::NotFound, .. }) => {
                            let finding = Box::new(super::missing_object(&shard.object));
                            return Err(AtRestError::Damaged { what: self.name(), finding });
                        }
                        Err(error) => return Err(AtRestError::Unreadable(error.into())),
                    };
                    let opened = open_object(reader, codec_of(&shard.object), threads).map_err(raw_error)?;
                    let passed = pass::stored(opened, visit, progress, cancel)
                        .await
                        .map_err(|error| self.error(error, Some(&shard.object)))?;
                    visit = passed.visit;
                    let Some(seen) = passed.seen else { return Ok(visit) };
                    let observed = examination::Observed {
                        stored_bytes: Some(seen.stored_bytes),
                        stored_sha256: seen.stored_sha256,
                        ..examination::Observed::default()
                    };
                    if let Some(finding) = examination::object(shard, &observed).pop() {
                        return Err(AtRestError::Damaged { what: self.name(), finding: Box::new(finding) });
                    }
                }
                Ok(visit)
            }
        }
    }

    fn error(&self, error: PassError, object: Option<&str>) -> AtRestError {
        let what = self.name();
        let damaged = |code: &str, words: String, offset: u64, offset_in: &str| {
            let mut finding = super::damaged(code, &words, offset, offset_in);
            if let Some(object) = object {
                finding = finding.evidence("object", object);
            }
            AtRestError::Damaged { what: what.clone(), finding: Box::new(finding) }
        };
        match error {
            PassError::Rdb(error) if error.is_newer_than_known() => {
                AtRestError::NotUnderstood { what, up_to: error.offset }
            }
            PassError::Rdb(error) => damaged(error.code(), error.to_string(), error.offset, "rdb"),
            PassError::Raw(crate::capture::RawError::Codec(error)) => {
                damaged(error.code(), error.to_string(), error.offset, "stored")
            }
            PassError::Raw(error) => AtRestError::Unreadable(raw_error(error)),
            // Data at rest come from no server.
            PassError::Capture(error) => AtRestError::Unreadable(std::io::Error::other(error.to_string()).into()),
            PassError::Source(error) => AtRestError::Unreadable(std::io::Error::other(error.to_string()).into()),
            PassError::Interrupted => AtRestError::Unreadable(VerifyError::Interrupted),
        }
    }
}

/// The last millisecond of a Unix second.
fn end_of_second(seconds: i64) -> i64 {
    seconds.saturating_mul(1000).saturating_add(999)
}

/// Looks for the moment that a file names before its first key.
#[derive(Debug, Default)]
struct Ctime {
    seconds: Option<i64>,
    keys_begin: bool,
}

impl Visit for Ctime {
    fn aux(&mut self, name: &[u8], value: &[u8]) {
        if name == b"ctime" {
            self.seconds = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        }
    }

    fn entry(&mut self, _entry: &Entry<'_>) -> Interest {
        self.keys_begin = true;
        Interest::default()
    }

    fn stopped(&self) -> bool {
        self.seconds.is_some() || self.keys_begin
    }
}
