//! How far a restore got, and which restore it was.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::restore::tally::Tally;

/// Which restore it is: another one has another journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Name of the backup, or of the file.
    pub backup: String,
    /// SHA-256 or CRC64 of its RDB, hex.
    pub digest: String,
    /// `run_id` of the target: a target that was started anew may hold less than it said.
    pub target_run_id: String,
    /// Everything that decides which keys go where, in words.
    pub choices: String,
    /// By how many milliseconds expiries move, with `--ttl shift`. It grows with the time, and does not tell one restore from
    /// another: the rest of the keys is moved by as much as the first.
    #[serde(default)]
    pub shift_ms: Option<i64>,
}

impl Identity {
    /// The name of its folder.
    pub fn name(&self) -> String {
        let mut digest = Sha256::new();
        for part in [&self.backup, &self.digest, &self.target_run_id, &self.choices] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        hex::encode(&digest.finalize()[..16])
    }
}

/// How far a restore got.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// All keys of the backup with a smaller number are decided.
    pub prefix: u64,
    /// No key with this number or a higher one was sent.
    pub sent: u64,
    /// What became of the keys before `prefix`.
    pub tally: Tally,
    /// Keys before `prefix` that are not decided all the same: their values are large and come later. Number and length.
    pub deferred: BTreeMap<u64, u64>,
    /// Keys before `prefix` that failed and are tried again: number, and length where that is known. Counted as failed in `tally`.
    #[serde(default)]
    pub failed: BTreeMap<u64, u64>,
    /// The target held nothing, or everything in it was removed, before the first key was sent.
    #[serde(default)]
    pub was_empty: bool,
    /// Everything in the target is being removed: nothing says yet that it was.
    #[serde(default)]
    pub emptying: bool,
    /// What the names of temporary keys are made of.
    #[serde(default)]
    pub token: u64,
}
