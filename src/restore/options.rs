//! What was asked for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::restore::choices::Choices;
use crate::restore::rate::Rate;

/// Connections to the target, unless told otherwise. The target is one thread: two keep it busy, more only share the work.
pub const CONNECTIONS: usize = 2;

/// How long a temporary key lives without another chunk: longer than any store is away or any connection silent, and short enough that
/// what is forgotten is gone by the time somebody looks.
pub const TEMPORARY_TTL: Duration = Duration::from_secs(20 * 60);

/// What was asked for: which keys, by which method, and what becomes of keys that the target holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The method that was asked for.
    pub method: Asked,
    /// What becomes of keys that the target holds already.
    pub existing: Existing,
    /// Replicas of the target may be wiped and synchronised anew (method `replica`).
    pub allow_replica_resync: bool,
    /// What cannot be expressed may be lost.
    pub accept_loss: bool,
    /// Which keys are restored, where they go, and when they expire.
    pub choices: Choices,
    /// At most so much per second.
    pub rate: Option<Rate>,
    /// Goes on where an earlier run stopped.
    pub resume: bool,
    /// Nobody looks into the backup before a target with data is written to. Its object is held against the manifest all the same.
    pub skip_verify: bool,
    /// The target is compared with the backup afterwards.
    pub proof: bool,
    /// Connections to the target.
    pub connections: usize,
    /// How long a temporary key of typed commands lives without another chunk.
    pub temporary_ttl: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: Asked::Auto,
            existing: Existing::MustBeEmpty,
            allow_replica_resync: false,
            accept_loss: false,
            choices: Choices::default(),
            rate: None,
            resume: false,
            skip_verify: false,
            proof: true,
            connections: CONNECTIONS,
            temporary_ttl: TEMPORARY_TTL,
        }
    }
}

/// The method that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asked {
    /// The fastest that the plan allows.
    #[default]
    Auto,
    /// This one and no other.
    Only(Method),
}

impl Asked {
    /// All that can be asked for, in the order in which they are listed.
    pub const ALL: [Self; 4] =
        [Self::Auto, Self::Only(Method::Restore), Self::Only(Method::Replica), Self::Only(Method::Commands)];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Only(method) => method.name(),
        }
    }
}

/// How keys get into the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The target replicates from us.
    Replica,
    /// A RESTORE per key.
    Restore,
    /// Commands of each key's type, such as RPUSH and HSET.
    Commands,
}

impl Method {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Replica => "replica",
            Self::Restore => "restore",
            Self::Commands => "commands",
        }
    }
}

/// Whether the target may hold keys, and what becomes of them: the one place where that is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// The target may hold no key: one that does is refused.
    #[default]
    MustBeEmpty,
    /// The target may hold keys, but none of the backup's names: if it has one, nothing is written at all.
    Fail,
    /// Keys of the backup's names stay as they are in the target.
    Skip,
    /// Keys of the backup's names are overwritten.
    Replace,
    /// All that the target holds is removed first: it becomes the backup.
    ReplaceAll,
}

impl Existing {
    /// The three that say what becomes of a single key, in the order in which they are listed.
    pub const BY_KEY: [Self; 3] = [Self::Fail, Self::Skip, Self::Replace];

    /// As it is typed behind `--on-conflict`, or as an option of its own.
    pub fn name(self) -> &'static str {
        match self {
            Self::MustBeEmpty => "must-be-empty",
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::Replace => "replace",
            Self::ReplaceAll => "replace-all",
        }
    }

    /// Whether something that the target holds may be gone afterwards: worth a question, and a safety backup.
    pub fn overwrites(self) -> bool {
        matches!(self, Self::Replace | Self::ReplaceAll)
    }
}
