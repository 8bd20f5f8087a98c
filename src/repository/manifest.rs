//! The manifest: everything known about a backup at the moment it began to exist.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::BackupId;

mod tail;
mod words;

pub use tail::{Barrier, Tail};
pub use words::{Compression, Encryption, Kind};
pub(crate) use words::{Mode, Role};

/// The highest format that is known. A reader refuses a higher one.
///
/// It goes up when a reader of the format before would be wrong, and only then: when it would restore another data set than the one that
/// was backed up (a part of it, or another moment), call good what is not, or remove what is still needed. What it may pass over is a
/// new field of the same format. A word of a field that exists already (`compression: lzma`) needs no new format either: readers refuse
/// it by name. A writer uses the lowest format that says all it has to say, so that older programs read what they can.
///
/// | format | since | what a reader must know |
/// |---|---|---|
/// | 1 | 0.1.0 | one moment, in one object for each shard |
/// | 2 | 0.1.0 | [`Shard::tail`]: the object alone is another moment |
pub const FORMAT_VERSION: u32 = 2;

/// The format of a manifest that has nothing to say that readers of it do not know.
pub const LEAST_FORMAT: u32 = 1;

/// A manifest may not be longer than this, in bytes. One of 1,000 shards has about 3 MB.
pub const MANIFEST_LIMIT: u64 = 4 << 20;

/// Findings that a manifest names; what is found beyond is counted only.
pub const FINDINGS_KEPT: usize = 256;

/// `manifest.json`. Unknown fields are ignored on reading: fields are added, never renamed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format; a reader refuses what is above [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Id of the backup.
    pub id: BackupId,
    /// Name of the instance, the first folder of the backup.
    pub instance: String,
    /// When the backup began.
    #[serde(serialize_with = "crate::times::serialize")]
    pub created_at: DateTime<Utc>,
    /// When the manifest was written.
    #[serde(serialize_with = "crate::times::serialize")]
    pub finished_at: DateTime<Utc>,
    /// What its objects are.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Why it was taken.
    pub purpose: Purpose,
    /// Whether it is one moment.
    pub consistency: Consistency,
    /// Version of the tool that wrote it.
    pub tool_version: String,
    /// Labels given by the user.
    pub labels: BTreeMap<String, String>,
    /// The server it was taken from; for an adopted file what the file says of it.
    pub server: Server,
    /// How its objects are compressed.
    pub compression: Compression,
    /// `None`: not encrypted.
    pub encryption: Option<Encryption>,
    /// The public keys of those who can decrypt it; `None`: not encrypted. Empty: whoever knows the passphrase can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipients: Option<Vec<String>>,
    /// The shards, in the order of their numbers; a single server has one.
    pub shards: Vec<Shard>,
    /// When the data were so: from the earliest to the latest of the shards. `None`: not known, or an earlier version made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moment: Option<Moment>,
    /// At which moment the shards were held, if they are of one moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barrier: Option<Barrier>,
    /// Why the shards are not of one moment, in words; `None`: they are, there is one shard, or an earlier version made the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_barrier: Option<String>,
    /// Seconds from the moment of the earliest shard to that of the latest, at most; `None`: there is one shard, they are of one moment, or
    /// a moment is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_seconds: Option<f64>,
    /// What is in all shards together; `None` where the structure was not understood.
    pub census: Option<CensusSummary>,
    /// Whether the structure was understood to the end, and whether it is sound: the worst of the shards.
    pub structure: Structure,
    /// What is wrong with the structure: at most [`FINDINGS_KEPT`], the worst first. Empty where nothing was found, and in a backup
    /// that an earlier version made.
    #[serde(default)]
    pub findings: Vec<StructureFinding>,
    /// What a server must have to load it; `None`: not known (an earlier version made it, or the structure was not understood).
    #[serde(default)]
    pub needs: Option<Needs>,
    /// How many AUX records each module has in it, by the module's type name (search indexes, say); `None`: not counted.
    #[serde(default)]
    pub module_aux: Option<BTreeMap<String, u64>>,
    /// Whether the data was read from a replica that had lost its primary.
    #[serde(default)]
    pub stale: bool,
    /// What the source holds and the backup does not, and why: function libraries that our user might not read, say. Empty where nothing
    /// is known to lack, and in a backup that an earlier version made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
}

impl Manifest {
    /// From when the data is: a file that was adopted is as old as its server says (aux field `ctime`), and a moment that was put together is
    /// older than the backup that holds it. Never later than the backup.
    pub fn data_from(&self) -> DateTime<Utc> {
        let moment = self.moment.map(|moment| moment.from);
        let from = match self.purpose {
            Purpose::Adopted => moment,
            Purpose::PointInTime => self.labels.get(NOT_BEFORE).and_then(|text| text.parse().ok()).or(moment),
            _ => None,
        };
        from.map_or(self.created_at, |from| from.min(self.created_at))
    }

    /// False where the structure has findings: such a backup is kept because it may be the only copy, but it is not good.
    pub fn is_sound(&self) -> bool {
        self.structure.state != StructureState::Findings
    }

    /// The public keys to which it is encrypted; empty: it is encrypted with a passphrase. `None`: it is not encrypted.
    pub fn encrypted_to(&self) -> Option<&[String]> {
        self.encryption.as_ref().map(|_| self.recipients.as_deref().unwrap_or_default())
    }

    /// The slots of a backup that holds a part of a cluster only.
    pub fn slots_of_part(&self) -> Option<&str> {
        let [shard] = self.shards.as_slice() else { return None };
        shard.slots.as_deref().filter(|slots| *slots != "0-16383")
    }
}

/// Why a backup was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// By a schedule (`--if-due`).
    Scheduled,
    /// A person started the backup.
    Manual,
    /// Before a restore overwrote the data; never `latest`.
    Safety,
    /// From a file that somebody had.
    Adopted,
    /// A base and the replication stream up to one moment, put together.
    PointInTime,
}

/// The label of a moment: the time, by the clock of its source, before which it is not.
pub const NOT_BEFORE: &str = "not-before";

impl Purpose {
    /// Whether it stands for the state of its instance when it was taken: neither a safety backup nor a moment that was put together later
    /// does, and so none of them is the latest.
    pub fn is_of_its_time(self) -> bool {
        !matches!(self, Self::Safety | Self::PointInTime)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheduled => "scheduled",
            Self::Manual => "manual",
            Self::Safety => "safety",
            Self::Adopted => "adopted",
            Self::PointInTime => "point in time",
        })
    }
}

/// Whether a backup is one moment of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// All data is of one moment.
    PointInTime,
    /// The shards were held at one moment.
    Barrier,
    /// Each shard is of one moment, and the moments differ.
    PointInTimePerShard,
    /// Made key by key while others wrote.
    Fuzzy,
}

/// The server a backup was taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Server {
    /// `redis`, `valkey`, or what the file says.
    pub name: String,
    /// Version as INFO gives it: `8.0.6`.
    pub version: String,
    /// `run_id` of INFO; empty where unknown.
    #[serde(default)]
    pub run_id: String,
    /// How it ran.
    #[serde(default)]
    pub mode: Mode,
    /// What it was to others.
    #[serde(default)]
    pub role: Role,
    /// `os` of INFO.
    #[serde(default)]
    pub os: String,
    /// Bytes; 0 is no limit.
    #[serde(default)]
    pub maxmemory: u64,
    /// Eviction policy of the source: `maxmemory-policy`.
    #[serde(default)]
    pub maxmemory_policy: String,
    /// Names of the modules loaded.
    #[serde(default)]
    pub modules: Vec<String>,
}

/// An RDB and the object in which it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shard {
    /// Number of the shard, from 0.
    pub index: u32,
    /// Slot ranges it serves, `0-5460`; `None` outside a cluster.
    pub slots: Option<String>,
    /// Address it was read from, without secrets.
    pub node: String,
    /// Replication id of the moment; empty where unknown (a file, a server older than PSYNC).
    pub replid: String,
    /// Replication offset of the moment.
    pub offset: Option<u64>,
    /// RDB version, `11`, or `80` with Valkey's magic.
    pub rdb_version: u32,
    /// Aux fields by name; the last value counts. Escaped where it is not text; values above 256 bytes are cut.
    pub aux: BTreeMap<String, String>,
    /// Name of the object beside the manifest, `dump.rdb.gz`.
    pub object: String,
    /// Bytes of the RDB.
    pub raw_bytes: u64,
    /// Bytes of the object.
    pub stored_bytes: u64,
    /// SHA-256 of the RDB, hex; empty: the backup is encrypted.
    pub raw_sha256: String,
    /// SHA-256 of the object, hex.
    pub stored_sha256: String,
    /// CRC64 at the end of the file, 16 hex digits; `None`: the server computed none, or the backup is encrypted.
    pub crc64: Option<String>,
    /// Independent compressed frames in the object.
    pub frames: u64,
    /// When the data of this shard were so; `None`: not known, or an earlier version made the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moment: Option<Moment>,
    /// Whether this shard is one moment; `None`: as the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<Consistency>,
    /// Whether the structure of this shard was understood, and is sound; `None`: as that of the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structure: Option<Structure>,
    /// What is in this shard; `None`: as in the backup, which has one shard, or not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub census: Option<CensusSummary>,
    /// Keys in the object of slots that were still on their way to the node: copies that the node did not show to anybody. They are in no
    /// census, and are not restored.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub keys_outside: u64,
    /// The writes of this shard between its object and the barrier; `None`: there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<Tail>,
}

impl Shard {
    /// Whether the manifest has digests of the RDB itself: those of an encrypted one it keeps to itself, since a few values are soon
    /// guessed where a digest says which.
    pub fn is_told(&self) -> bool {
        !self.raw_sha256.is_empty()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The time in which data were as they stand in a backup, by the clock of the machine that captured them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Not before this.
    #[serde(serialize_with = "crate::times::serialize")]
    pub from: DateTime<Utc>,
    /// Not after this.
    #[serde(serialize_with = "crate::times::serialize")]
    pub to: DateTime<Utc>,
}

/// The census as far as it fits a manifest; the rest is in `census.bin`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CensusSummary {
    /// Keys in all databases.
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
    /// By number of the database.
    pub by_database: BTreeMap<String, DatabaseCount>,
    /// Keys by type name (`string`, `list`, …).
    pub by_type: BTreeMap<String, u64>,
    /// Bytes in the RDB by type name.
    pub bytes_by_type: BTreeMap<String, u64>,
    /// How many function libraries there are.
    pub functions: u64,
    /// Content digest, 32 hex digits.
    pub digest: String,
    /// How the digest was computed.
    pub digest_version: u32,
    /// Name of the object beside the manifest that holds the rest; `None`: there is none.
    pub object: Option<String>,
    /// SHA-256 of that object, hex.
    pub sha256: Option<String>,
}

/// Keys of one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct DatabaseCount {
    /// Keys of the database.
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
}

/// How far the structure was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Structure {
    /// Whether to the end.
    pub state: StructureState,
    /// Offset in the RDB up to which it was understood.
    pub understood_up_to: u64,
}

/// How far the structure of the RDB was understood: see [`Structure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StructureState {
    /// To the end, and it is sound.
    Verified,
    /// To the end, and servers refuse it, die of it or change it: see [`Manifest::findings`].
    Findings,
    /// Not to the end: the RDB is newer than we know.
    NotUnderstood,
}

/// A kind of fault in the structure of an RDB, and how often it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StructureFinding {
    /// Stable snake_case name, `duplicate_member`.
    pub id: String,
    /// What it is, in one line.
    pub title: String,
    /// What servers do with it, in words: which refuse, die or take it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// How many were found.
    pub count: u64,
    /// Index of the shard that it is in.
    #[serde(default)]
    pub shard: u32,
    /// The first of them, some.
    #[serde(default)]
    pub places: Vec<Place>,
}

/// Where a fault is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Offset in the RDB.
    pub offset: u64,
    /// Database, if it is in a key.
    #[serde(default)]
    pub database: Option<u64>,
    /// Key, escaped where it is not text and cut where it is long; `None` where it is in no key, and in an encrypted backup.
    #[serde(default)]
    pub key: Option<String>,
    /// What the value says of its own number of elements, where that is the fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<u64>,
    /// How many there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<u64>,
}

/// What a server must have to load an RDB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Needs {
    /// The databases that a server must have (`databases` of its configuration): the highest number that is selected, plus one.
    pub databases: u64,
    /// Modules whose values or AUX records are in the RDB, by the names of their types.
    #[serde(default)]
    pub modules: Vec<String>,
    /// The oldest server known to load it, `redis 7.4`; `None`: any of those that we know.
    #[serde(default)]
    pub version: Option<String>,
    /// How many function libraries there are.
    #[serde(default)]
    pub functions: u64,
}
