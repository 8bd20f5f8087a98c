//! What can go wrong with a repository.

use super::{BackupId, MARKER, ManifestError, REPOSITORY_FORMAT};
use crate::explain::{Explain, Hint, Meaning};
use crate::storage::StorageError;

/// Candidates that an error names; there may be more.
const NAMED: usize = 10;

/// What can go wrong with a repository. Its causes are in `source()`.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// There is no such backup.
    #[error("there is no backup {0}")]
    NotFound(String),
    /// The id is reserved, but nothing was published under it.
    #[error("backup {instance}/{id} was never finished: it has no manifest")]
    Incomplete {
        /// Name of the instance.
        instance: String,
        /// Id of the backup.
        id: BackupId,
    },
    /// Several backups are meant by what was given.
    #[error("`{selector}` is ambiguous: {}", names(selector, candidates))]
    Ambiguous {
        /// What was given.
        selector: String,
        /// Instance and id of each.
        candidates: Vec<(String, BackupId)>,
    },
    /// Someone else has published under our id.
    #[error("backup {0} already exists: another process wrote it")]
    AlreadyExists(String),
    /// No id is left in this minute.
    #[error("there are too many backups of `{0}` in this minute")]
    MinuteIsFull(String),
    /// A name that cannot be a folder or an object.
    #[error("invalid name `{0}`: use letters, digits and `-` `_` `.`, at most 128 characters")]
    InvalidName(String),
    /// The manifest that is to be published does not fit what was uploaded.
    #[error("the manifest does not match the stored objects: {0}")]
    Inconsistent(String),
    /// The manifest is there, but cannot be used.
    #[error("cannot read the manifest of backup {backup}")]
    Manifest {
        /// The backup, as `instance/id`.
        backup: String,
        /// What is wrong with the manifest.
        source: ManifestError,
    },
    /// The manifest was sent, and nobody can say whether it is there: nothing was removed.
    #[error("cannot tell whether backup {backup} was published: {why}")]
    Unclear {
        /// The backup, as `instance/id`.
        backup: String,
        /// What the store said.
        why: String,
    },
    /// A newer program made the repository.
    #[error("the repository has format {0}; this version of redis-ops supports formats up to {REPOSITORY_FORMAT}")]
    NewerRepository(u64),
    /// What lies where the marker belongs is none.
    #[error("`{MARKER}` in the repository is damaged or not from redis-ops: {0}")]
    Marker(String),
    /// A segment of an archive that cannot be used.
    #[error("segment {key} of the archive: {why}")]
    Segment {
        /// The name of the segment.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// Another archiver writes the archive.
    #[error("{0}")]
    Locked(String),
    /// The name of a point is taken.
    #[error("the archive has a point `{0}` already: a name is used once")]
    PointExists(String),
    /// The place for objects has failed.
    #[error("cannot {doing}")]
    Storage {
        /// What we were doing, with the key.
        doing: String,
        /// Why the store failed.
        source: StorageError,
    },
}

impl RepositoryError {
    /// The stable code for JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) | Self::Incomplete { .. } => "not_found",
            Self::Ambiguous { .. } => "ambiguous",
            Self::AlreadyExists(_) | Self::MinuteIsFull(_) => "already_exists",
            Self::InvalidName(_) => "usage",
            Self::Inconsistent(_) | Self::Marker(_) | Self::Segment { .. } => "corrupt",
            Self::Locked(_) => "locked",
            Self::PointExists(_) => "already_exists",
            Self::Unclear { .. } => "storage_unavailable",
            Self::NewerRepository(_) => "unsupported_format",
            Self::Manifest { source, .. } => source.code(),
            Self::Storage { source, .. } => source.code(),
        }
    }
}

impl Explain for RepositoryError {
    fn meaning(&self) -> Meaning {
        let meaning = Meaning::of(self.code());
        match self {
            // Which backup is meant, and where, is a question of what was typed.
            Self::NotFound(_) => meaning.unknown().hint(Hint::ListBackups),
            Self::Incomplete { .. } => meaning.unknown().hint(Hint::ListPublished),
            Self::Ambiguous { selector, candidates } => {
                let of = candidates.first().map(|(instance, _)| instance);
                if candidates.iter().all(|(instance, _)| Some(instance) == of) {
                    return meaning.unknown().hint("type more of the id");
                }
                // The newest of another instance is other data: which one is meant is for the reader to say.
                let of = match selector == LATEST {
                    true => candidates.iter().take(NAMED).map(|(instance, _)| format!("{instance}/{LATEST}")).collect(),
                    false => vec!["INSTANCE/ID".to_owned()],
                };
                meaning.unknown().hint(Hint::NameInstance(of.join("` or `--backup-id ")))
            }
            Self::InvalidName(_) => meaning.unknown(),
            Self::NewerRepository(_) => meaning.unknown().hint("use the newer redis-ops that created it"),
            Self::Marker(_) => meaning.unknown().hint(Hint::OtherRepositoryOrMarker),
            Self::Unclear { backup, .. } => meaning.hint(Hint::LookForBackup(backup.clone())),
            Self::Manifest { source, .. } => source.meaning(),
            Self::Storage { source, .. } => source.meaning(),
            Self::Locked(_) => meaning.hint(Hint::ArchiveStatus),
            Self::AlreadyExists(_)
            | Self::MinuteIsFull(_)
            | Self::Inconsistent(_)
            | Self::Segment { .. }
            | Self::PointExists(_) => meaning,
        }
    }
}

/// How the newest backup is asked for.
const LATEST: &str = "latest";

fn names(selector: &str, candidates: &[(String, BackupId)]) -> String {
    if selector == LATEST {
        let of = candidates.iter().take(NAMED).map(|(instance, _)| instance.as_str()).collect::<Vec<_>>().join(", ");
        let more = if candidates.len() > NAMED { ", …" } else { "" };
        return format!("the repository holds backups of {of}{more}");
    }
    let mut text =
        candidates.iter().take(NAMED).map(|(instance, id)| format!("{instance}/{id}")).collect::<Vec<_>>().join(", ");
    if candidates.len() > NAMED {
        text += &format!(" and {} more", candidates.len() - NAMED);
    }
    text
}

/// Says what we were doing when the place for objects failed.
pub(super) trait Doing<T> {
    fn doing(self, verb: &str, key: &str) -> Result<T, RepositoryError>;
}

impl<T> Doing<T> for Result<T, StorageError> {
    fn doing(self, verb: &str, key: &str) -> Result<T, RepositoryError> {
        self.map_err(|source| RepositoryError::Storage { doing: format!("{verb} {key}"), source })
    }
}
