//! A look at a whole backup before a restore: what only reading all of it tells.

mod amount;
mod dangers;
mod streams;
mod surveyor;

use std::collections::{BTreeMap, BTreeSet};

use crate::census::KeyType;
use crate::dataset::KeysRead;
use crate::rdb::{OddityKind, Repeated};
use crate::repository::manifest::DatabaseCount;
use crate::restore::functions::Sources;
use crate::restore::tally::FailedKey;
use crate::restore::target_format::Loss;
pub use amount::{Amount, REPLACE};
pub use dangers::Dangers;
pub use surveyor::Surveyor;

/// What reading all of a backup tells.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Survey {
    /// Version of the RDB format.
    pub version: u32,
    /// Aux fields of use.
    pub aux: BTreeMap<String, String>,
    /// Keys and libraries, to be held against the manifest.
    pub read: KeysRead,
    /// Bytes of the RDB.
    pub bytes: u64,
    /// Bytes behind its end, which are left out.
    pub trailing_bytes: u64,
    /// Keys in all databases.
    pub keys: u64,
    /// Keys by database of the backup.
    pub databases: BTreeMap<u64, DatabaseCount>,
    /// Keys by type name.
    pub by_type: BTreeMap<String, u64>,
    /// The same of the wanted keys that had not expired.
    pub wanted_by_type: BTreeMap<String, u64>,
    /// Names of the function libraries.
    pub functions: BTreeSet<String>,
    /// The sources of the function libraries.
    pub sources: Sources,
    /// Keys that are wanted and had not expired.
    pub wanted: u64,
    /// Databases of the target that they go to.
    pub goes_to: BTreeSet<u64>,
    /// Bytes of their values.
    pub wanted_bytes: u64,
    /// Bytes of the values of all keys.
    pub value_bytes: u64,
    /// Bytes that go over the wire for the wanted keys, none of which replaces another.
    pub sent: Amount,
    /// Keys that are wanted and had expired.
    pub expired: u64,
    /// Fields that had expired, in wanted hashes of which other fields live.
    pub expired_fields: u64,
    /// Keys among `expired` whose time has passed by the target's clock, and not by ours.
    pub expired_by_clock: u64,
    /// Wanted keys that live, and expire within the hour: how many in each second from then on, the first being 0.
    pub soon: BTreeMap<u64, u64>,
    /// The same of fields of wanted hashes.
    pub soon_fields: BTreeMap<u64, u64>,
    /// Keys left out by choice.
    pub left_out: u64,
    /// Wanted keys that go by typed commands.
    pub by_commands: u64,
    /// Types of wanted keys that go by typed commands, at least in part.
    pub types_by_commands: BTreeSet<KeyType>,
    /// Fields of wanted hashes expire.
    pub field_expiries: bool,
    /// Wanted streams that the target holds in an older form: with their entries, groups and pending entries, without the counters
    /// and times that came later.
    pub simpler_streams: u64,
    /// Wanted keys of which something is lost, or all: how many.
    pub losses: BTreeMap<Loss, u64>,
    /// The first of each kind.
    pub lost_keys: BTreeMap<Loss, Vec<FailedKey>>,
    /// The first wanted vector sets, which not every target takes.
    pub vector_sets: Vec<FailedKey>,
    /// Wanted keys whose values contradict themselves and are rebuilt: how many, the first, and what is odd in them.
    pub rebuilt: u64,
    /// The first of the keys that are rebuilt.
    pub rebuilt_keys: Vec<FailedKey>,
    /// Why keys are rebuilt: what contradicts itself in them.
    pub rebuilt_kinds: BTreeSet<OddityKind>,
    /// Where values begin that cannot be read to their end, wanted or not.
    pub damaged: BTreeSet<u64>,
    /// Values of keys that stand there more than once, if such were looked for.
    pub repeated: Repeated,
    /// How many databases a server needs that loads the file, also for those without keys.
    pub needs_databases: u64,
    /// Longest string among the wanted keys.
    pub longest_string: Option<(u64, FailedKey)>,
    /// The checksum of the file, which proves its bytes; `None`: it has none.
    pub crc64: Option<u64>,
    /// What matters to a server that loads the file itself.
    pub dangers: Dangers,
}
