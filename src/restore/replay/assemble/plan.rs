//! What decides which commands a key becomes: the target's form, what was asked for, and what an earlier run has done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::rdb::Repeated;
use crate::restore::choices::Choices;
use crate::restore::clock::Clock;
use crate::restore::met::Found;
use crate::restore::options::Existing;
use crate::restore::target_format::TargetFormat;

/// What decides which commands a key becomes.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the target takes.
    pub format: TargetFormat,
    /// The keys that are wanted, and where they go.
    pub choices: Choices,
    /// What becomes of keys that the target has. Where it should have none, one that is there all the same counts as failed.
    pub existing: Existing,
    /// All keys go by typed commands, none as a payload.
    pub by_commands: bool,
    /// `proto-max-bulk-len` of the target, in bytes: longer collections go by typed commands.
    pub longest_bulk: u64,
    /// The target's clock.
    pub clock: Clock,
    /// What cannot be kept may be lost.
    pub accept_loss: bool,
    /// A server was seen to write the backup.
    pub trusted: bool,
    /// Values of keys that stand in the backup more than once: only the first of each key that is wanted is sent.
    pub repeated: Arc<Repeated>,
    /// Where values begin that cannot be read to their end.
    pub damaged: Arc<BTreeSet<u64>>,
    /// Keys before this number were decided by an earlier run.
    pub done: u64,
    /// Keys before this number may have been sent by an earlier run.
    pub sent: u64,
    /// Keys of those that stand in the target.
    pub met: Arc<Found>,
    /// What makes the names of temporary keys this restore's own, in all its runs.
    pub token: u64,
    /// How long a temporary key lives without another chunk.
    pub temporary_ttl: Duration,
    /// Function libraries that stand in the target, where that decides what is sent.
    pub libraries: Libraries,
}

/// Function libraries of the target, before a restore begins.
#[derive(Debug, Clone, Default)]
pub enum Libraries {
    /// No restore was interrupted: nothing of the backup can be among them.
    #[default]
    OfOthers,
    /// The target does not say.
    Unknown,
    /// Their sources, by name, where an interrupted restore goes on: it may have loaded some of them.
    Are(BTreeMap<Vec<u8>, Vec<u8>>),
    /// Their sources, by name, where a restore begins that leaves them as they are.
    Stay(BTreeMap<Vec<u8>, Vec<u8>>),
}
