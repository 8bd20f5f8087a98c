//! Why data at rest cannot be read.

use super::pass::ReadError;
use super::raw::RawError;
use crate::encryption::EncryptionError;
use crate::explain::{Explain, Interrupted, Meaning};
use crate::finding::{Finding, Severity};
use crate::rdb::RdbError;
use crate::repository::RepositoryError;

/// Why data at rest cannot be read, or not to their end.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The bytes are damaged: the finding says how.
    #[error("{what} is damaged: {}", .finding.title)]
    Damaged {
        /// The backup or the file.
        what: String,
        /// What was found.
        finding: Box<Finding>,
    },
    /// The RDB is newer than we know.
    #[error("{what} is newer than this version of redis-ops supports: it was read only up to byte {up_to}")]
    NotUnderstood {
        /// The backup or the file.
        what: String,
        /// Offset in the RDB.
        up_to: u64,
    },
    /// The manifest names no object: there is nothing to read.
    #[error("the manifest of {what} lists no shards: there is nothing to read")]
    NoShard { what: String },
    /// Standard input was read before.
    #[error("standard input can be read only once")]
    ReadBefore,
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The bytes do not come, or are not those that were stored.
    #[error(transparent)]
    Raw(#[from] RawError),
    /// A signal came.
    #[error("interrupted")]
    Interrupted,
}

impl Explain for DatasetError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Damaged { finding, .. } => Meaning::of(Self::code_of(finding)).at_rest(),
            Self::NotUnderstood { .. } => Meaning::of("unsupported_rdb_version").hint("a newer redis-ops may read it"),
            Self::NoShard { .. } => Meaning::of("corrupt"),
            Self::ReadBefore => Meaning::of("usage").unknown(),
            Self::Repository(error) => error.meaning(),
            Self::Raw(error) => error.meaning(),
            Self::Interrupted => Interrupted.meaning(),
        }
    }
}

impl DatasetError {
    /// The stable name in JSON answers of what was found.
    pub fn code_of(finding: &Finding) -> &'static str {
        match finding.id.as_str() {
            "truncated" => "truncated",
            "checksum_mismatch" => "checksum_mismatch",
            _ => "corrupt",
        }
    }

    /// The error of a reading whose damage is told as a finding: `what` was read, and its `object` if it is a backup's.
    pub(super) fn of_reading(error: ReadError, what: String, object: Option<&str>) -> Self {
        let finding = match error {
            ReadError::Rdb(error) if error.is_newer_than_known() => {
                return Self::NotUnderstood { what, up_to: error.offset };
            }
            ReadError::Rdb(error) => of_rdb(&error),
            ReadError::Raw(RawError::Codec(error)) => damaged(error.code(), &error.to_string(), error.offset, "stored"),
            ReadError::Raw(RawError::NotAsStored(error)) => error.finding(),
            ReadError::Raw(RawError::Encryption(error)) if error.is_damage() => sealed_damage(&error),
            ReadError::Raw(error) => return Self::Raw(error),
            ReadError::Interrupted => return Self::Interrupted,
        };
        let finding = match object {
            Some(object) => finding.evidence("object", object),
            None => finding,
        };
        Self::Damaged { what, finding: Box::new(finding) }
    }
}

/// An RDB that cannot be read on.
pub fn of_rdb(error: &RdbError) -> Finding {
    damaged(error.code(), &error.to_string(), error.offset, "rdb")
}

/// Encrypted bytes that were changed, or cut off.
pub fn sealed_damage(error: &EncryptionError) -> Finding {
    Finding::new(Severity::Critical, error.code(), error.to_string())
}

/// Damage at an offset in bytes of `rdb` or of what is `stored`.
pub fn damaged(code: &str, words: &str, offset: u64, offset_in: &str) -> Finding {
    Finding::new(Severity::Critical, code, words).evidence("offset", offset).evidence("offset_in", offset_in)
}

/// An object that a manifest names and the store does not have.
pub fn missing_object(object: &str) -> Finding {
    Finding::new(Severity::Critical, "missing_object", "an object of the backup is missing").evidence("object", object)
}
