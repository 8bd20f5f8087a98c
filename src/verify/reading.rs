//! Reads one object to its end: digests, structure, census, and a copy of the RDB where one is wanted.

use std::fs::File;
use std::io::Write as _;

use tokio_util::sync::CancellationToken;

use super::{Level, VerifyError, codec_of, damaged, of_rdb, raw_error};
use crate::capture::{Inspected, Inspector, Opened, RawError, Seen};
use crate::codec::{Codec, Sha256Digest};
use crate::finding::Finding;
use crate::progress::Progress;
use crate::repository::manifest::Shard;

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
    /// Damage.
    pub(super) trouble: Option<Finding>,
}

impl Read {
    /// Whether what came may be what was stored. A compressed frame that is damaged was read twice already.
    pub(super) fn is_as_stored(&self, shard: &Shard) -> bool {
        match &self.seen {
            Some(seen) => seen.stored_sha256.as_ref() == Some(&shard.stored_sha256),
            None => codec_of(&shard.object) != Codec::None,
        }
    }
}

/// What is done with the raw bytes.
pub(super) enum Looking {
    /// They are hashed.
    Digest(Sha256Digest, u64),
    /// Every structure is walked.
    Structure {
        inspector: Box<Inspector>,
        /// They are hashed as well: of use where somebody has said what they should be.
        sha256: Option<Sha256Digest>,
        /// They are copied as well.
        copy: Option<File>,
    },
}

impl Looking {
    /// As much as a level asks for.
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
}

/// Reads to the end on a thread of its own, telling how far it is.
pub(super) async fn drive(
    opened: Opened,
    looking: Looking,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Read, VerifyError> {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let stop = cancel.clone();
    let work = tokio::task::spawn_blocking(move || look(opened, looking, &stop, |length| _ = sender.send(length)));
    while let Some(length) = receiver.recv().await {
        progress.advance(length);
    }
    work.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

fn look(
    mut opened: Opened,
    mut looking: Looking,
    cancel: &CancellationToken,
    advance: impl Fn(u64),
) -> Result<Read, VerifyError> {
    let mut trouble = None;
    while let Some(chunk) = opened.raw.next() {
        if cancel.is_cancelled() {
            return Err(VerifyError::Interrupted);
        }
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(RawError::Codec(error)) => {
                trouble = Some(damaged(error.code(), &error.to_string(), error.offset, "stored"));
                break;
            }
            Err(error) => return Err(raw_error(error)),
        };
        let looked = match &mut looking {
            Looking::Digest(sha256, length) => {
                sha256.update(&chunk);
                *length += chunk.len() as u64;
                Ok(())
            }
            Looking::Structure { inspector, sha256, copy } => {
                if let Some(file) = copy {
                    file.write_all(&chunk)?;
                }
                if let Some(sha256) = sha256 {
                    sha256.update(&chunk);
                }
                inspector.push(&chunk)
            }
        };
        advance(chunk.len() as u64);
        if let Err(error) = looked {
            trouble = Some(of_rdb(&error));
            break;
        }
    }
    if trouble.is_some() {
        return Ok(Read { trouble, ..Read::default() });
    }
    let seen = match opened.seen() {
        Ok(seen) => seen,
        Err(RawError::Codec(error)) => {
            let trouble = Some(damaged(error.code(), &error.to_string(), error.offset, "stored"));
            return Ok(Read { trouble, ..Read::default() });
        }
        Err(error) => return Err(raw_error(error)),
    };
    let seen = Some(seen);
    Ok(match looking {
        Looking::Digest(sha256, length) => {
            Read { seen, raw_bytes: Some(length), raw_sha256: Some(sha256.finish()), ..Read::default() }
        }
        Looking::Structure { inspector, sha256, .. } => match inspector.finish() {
            Ok(inspected) => Read {
                seen,
                raw_bytes: Some(inspected.raw_bytes + inspected.trailing_bytes),
                raw_sha256: sha256.map(Sha256Digest::finish),
                trouble: inspected.broken.as_ref().map(of_rdb),
                inspected: Some(inspected),
            },
            Err(error) => Read { seen, trouble: Some(of_rdb(&error)), ..Read::default() },
        },
    })
}
