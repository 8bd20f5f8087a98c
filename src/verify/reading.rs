//! Reads one object to its end: digests, structure, census, and a copy of the RDB where one is wanted.

use std::fs::File;
use std::io::{self, Write as _};

use tokio_util::sync::CancellationToken;

use super::{Level, VerifyError};
use crate::capture::{Inspected, Inspector};
use crate::codec::{Codec, Sha256Digest};
use crate::dataset::pass::{self, Feed};
use crate::dataset::{Opened, RawError, Seen, Take, codec_of, damaged, of_rdb, sealed_damage};
use crate::finding::Finding;
use crate::progress::Progress;
use crate::rdb::RdbError;
use crate::repository::manifest::{Manifest, Shard};

/// What reading one object came to.
#[derive(Default)]
pub(super) struct Read {
    /// What was stored; `None` where damage ended the reading.
    pub(super) seen: Option<Seen>,
    /// Length of the RDB.
    pub(super) raw_bytes: Option<u64>,
    /// Its SHA-256, if anybody asked.
    pub(super) raw_sha256: Option<String>,
    /// What the RDB was found to be, if anybody looked inside.
    pub(super) inspected: Option<Inspected>,
    pub(super) trouble: Option<Finding>,
    /// It was read as it is stored, encrypted, and not unpacked.
    pub(super) is_sealed: bool,
}

impl Read {
    /// Whether what came may be what was stored. What is compressed or encrypted was read twice already where
    /// it was damaged.
    pub(super) fn is_as_stored(&self, manifest: &Manifest, shard: &Shard) -> bool {
        match &self.seen {
            Some(seen) => seen.stored_sha256.as_ref() == Some(&shard.stored_sha256),
            None => codec_of(manifest) != Codec::None || manifest.encryption.is_some(),
        }
    }
}

/// What is done with the raw bytes.
pub(super) enum Looking {
    /// The bytes are hashed.
    Digest(Sha256Digest, u64),
    /// The bytes are those of an encrypted object, which is hashed as it is stored.
    Sealed,
    /// Every structure is walked.
    Structure {
        inspector: Box<Inspector>,
        /// The hash of the bytes, of use where a manifest says what it should be.
        sha256: Option<Sha256Digest>,
        /// The file to which the bytes are copied.
        copy: Option<File>,
    },
}

impl Looking {
    /// The work that a level asks for.
    pub(super) fn at(level: Level, moment_ms: i64, copy: Option<File>) -> Self {
        match level {
            Level::Manifest | Level::Checksum => Self::Digest(Sha256Digest::new(), 0),
            Level::Structure | Level::Drill => Self::Structure {
                inspector: Box::new(Inspector::with_census(moment_ms).judging()),
                sha256: Some(Sha256Digest::new()),
                copy,
            },
        }
    }

    fn finish(self, seen: Option<Seen>) -> Read {
        match self {
            Self::Digest(sha256, length) => {
                Read { seen, raw_bytes: Some(length), raw_sha256: Some(sha256.finish()), ..Read::default() }
            }
            Self::Sealed => Read { seen, is_sealed: true, ..Read::default() },
            Self::Structure { inspector, sha256, .. } => match inspector.finish() {
                Ok(inspected) => Read {
                    seen,
                    raw_bytes: Some(inspected.raw_bytes + inspected.trailing_bytes),
                    raw_sha256: sha256.map(Sha256Digest::finish),
                    trouble: inspected.broken.as_ref().map(of_rdb),
                    inspected: Some(inspected),
                    is_sealed: false,
                },
                Err(error) => Read { seen, trouble: Some(of_rdb(&error)), ..Read::default() },
            },
        }
    }
}

/// What ends a reading early.
pub(super) enum Halt {
    /// Damage: that is the answer.
    Damage(Finding),
    /// There is no answer.
    Error(VerifyError),
}

impl From<RawError> for Halt {
    fn from(error: RawError) -> Self {
        match error {
            RawError::Codec(error) => Self::Damage(damaged(error.code(), &error.to_string(), error.offset, "stored")),
            RawError::Encryption(error) if error.is_damage() => Self::Damage(sealed_damage(&error)),
            error => Self::Error(error.into()),
        }
    }
}

impl From<RdbError> for Halt {
    fn from(error: RdbError) -> Self {
        Self::Damage(of_rdb(&error))
    }
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Error(error.into())
    }
}

impl Take for Looking {
    type Error = Halt;

    fn take(&mut self, chunk: &[u8]) -> Result<(), Halt> {
        match self {
            Self::Digest(sha256, length) => {
                sha256.update(chunk);
                *length += chunk.len() as u64;
            }
            Self::Sealed => {}
            Self::Structure { inspector, sha256, copy } => {
                if let Some(file) = copy {
                    file.write_all(chunk)?;
                }
                if let Some(sha256) = sha256 {
                    sha256.update(chunk);
                }
                inspector.push(chunk)?;
            }
        }
        Ok(())
    }

    fn interrupted() -> Halt {
        Halt::Error(VerifyError::Interrupted)
    }
}

/// Reads to the end on a thread of its own, telling how far it is.
pub(super) async fn drive(
    opened: Opened,
    looking: Looking,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Read, VerifyError> {
    match pass::run(Feed::Opened(Box::new(opened)), looking, progress, cancel).await {
        Ok(passed) => Ok(passed.taker.finish(passed.seen)),
        Err(Halt::Damage(trouble)) => Ok(Read { trouble: Some(trouble), ..Read::default() }),
        Err(Halt::Error(error)) => Err(error),
    }
}
