//! What was asked for.

use std::time::Duration;

use serde::Serialize;

use crate::restore::choices::Choices;
use crate::restore::rate::Rate;

/// Connections to the target, unless told otherwise. The target is one thread: two keep it busy, more only share the work.
pub const CONNECTIONS: usize = 2;

/// How long a temporary key lives without another chunk: longer than any store is away or any connection silent, and short enough that
/// what is forgotten is gone by the time somebody looks.
pub const TEMPORARY_TTL: Duration = Duration::from_secs(20 * 60);

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How.
    pub method: Asked,
    /// What becomes of keys that the target has; `None`: it must be empty.
    pub on_conflict: Option<OnConflict>,
    /// The target becomes the backup: what it holds is removed.
    pub replace_all: bool,
    /// Replicas of the target may be wiped and synchronised anew (method `replica`).
    pub allow_replica_resync: bool,
    /// What cannot be expressed may be lost.
    pub accept_loss: bool,
    /// Which keys.
    pub choices: Choices,
    /// At most so much per second.
    pub rate: Option<Rate>,
    /// Goes on where an earlier run stopped.
    pub resume: bool,
    /// Nobody looks into the backup before a target with data is written to. Its object is held against the manifest all the same.
    pub skip_verify: bool,
    /// Connections to the target.
    pub connections: usize,
    /// How long a temporary key of typed commands lives without another chunk.
    pub temporary_ttl: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: Asked::Auto,
            on_conflict: None,
            replace_all: false,
            allow_replica_resync: false,
            accept_loss: false,
            choices: Choices::default(),
            rate: None,
            resume: false,
            skip_verify: false,
            connections: CONNECTIONS,
            temporary_ttl: TEMPORARY_TTL,
        }
    }
}

/// The method that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The fastest that the plan allows.
    Auto,
    /// This one.
    Only(Method),
}

/// How keys get into the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The target replicates from us.
    Replica,
    /// A RESTORE per key.
    Restore,
    /// Typed commands.
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

/// What becomes of keys that the target has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// One such key, and nothing is written.
    Fail,
    /// They stay.
    Skip,
    /// They are overwritten.
    Replace,
}
