//! What a plan is made of: the backup and the target as plain data.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::capture::server_of;
use crate::dataset::Dataset;
use crate::introspection::ServerFacts;
use crate::rdb::opcode::Dialect;
use crate::replies::Database;
use crate::repository::manifest::{Consistency, DatabaseCount, Manifest, Purpose, StructureState};
use crate::restore::clock::Clock;
use crate::restore::survey::Survey;

/// What is known of a backup before it is restored. `None`: not known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BackupFacts {
    /// For people: the id, or the name of the file.
    pub name: String,
    /// When it was taken, Unix milliseconds.
    pub created_ms: Option<i64>,
    /// The clock of the server it was taken from, against ours of that moment.
    pub clock: Clock,
    /// Name and version of the server it was taken from.
    pub server: String,
    /// Version of the RDB format; from 80 on it is Valkey's own.
    pub rdb_version: u32,
    /// Bytes of the RDB.
    pub raw_bytes: Option<u64>,
    /// Bytes behind its end, which are left out; 0 where nobody has looked yet.
    pub trailing_bytes: u64,
    /// `used_memory` of the server at that moment.
    pub used_memory: Option<u64>,
    /// Keys in all databases.
    pub keys: Option<u64>,
    /// By database.
    pub databases: BTreeMap<u64, DatabaseCount>,
    /// Keys by type name.
    pub by_type: BTreeMap<String, u64>,
    /// It is of one shard of a cluster only: the slots of that.
    pub slots_of_part: Option<String>,
    /// It was read from a replica that had lost its primary.
    pub stale: bool,
    /// Function libraries.
    pub functions: u64,
    /// Bytes in the RDB of all values of one type together, the most of those types of which a value that is too long for one command
    /// cannot be written in parts, or not without a loss: strings, streams, and those of modules.
    pub bytes_in_one_piece: Option<u64>,
    /// Modules of the server it was taken from.
    pub source_modules: Vec<String>,
    /// Records of module data that belongs to no key, by the type that has written them; `None`: not counted.
    pub module_aux: Option<BTreeMap<String, u64>>,
    /// Who made the RDB.
    pub origin: Origin,
    /// It comes through a pipe: what is read is gone.
    pub only_once: bool,
    /// Whether the structure was understood to the end.
    pub understood: bool,
    /// Its manifest says that something in it contradicts itself.
    pub has_findings: bool,
    /// What only reading all of it tells.
    pub survey: Option<Survey>,
}

/// Who made an RDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// We captured it over replication: a server wrote it.
    Captured,
    /// Somebody had it, or we put it together key by key.
    #[default]
    Foreign,
}

impl BackupFacts {
    /// What is known without reading it.
    pub fn of(data: &Dataset) -> Self {
        match data {
            Dataset::Backup(backup) => Self::of_manifest(&backup.manifest),
            Dataset::File(_) => Self { name: data.name(), understood: true, ..Self::default() },
            Dataset::Pipe(pipe) => Self {
                name: data.name(),
                server: "a server that is not known yet".to_owned(),
                rdb_version: pipe.rdb_version,
                understood: true,
                only_once: true,
                ..Self::default()
            },
        }
    }

    /// What the manifest tells, of its first shard.
    pub fn of_manifest(manifest: &Manifest) -> Self {
        let shard = manifest.shards.first();
        let census = manifest.census.as_ref();
        let databases = census.into_iter().flat_map(|census| &census.by_database);
        Self {
            name: format!("{}/{}", manifest.instance, manifest.id),
            created_ms: Some(manifest.created_at.timestamp_millis()),
            clock: clock_of(manifest).unwrap_or_default(),
            server: format!("{} {}", manifest.server.name, manifest.server.version),
            rdb_version: shard.map_or(0, |shard| shard.rdb_version),
            raw_bytes: Some(manifest.shards.iter().map(|shard| shard.raw_bytes).sum()),
            trailing_bytes: match shard {
                Some(shard) if manifest.structure.state == StructureState::Verified || census.is_some() => {
                    shard.raw_bytes.saturating_sub(manifest.structure.understood_up_to)
                }
                _ => 0,
            },
            used_memory: shard.and_then(|shard| shard.aux.get("used-mem")?.parse().ok()),
            keys: census.map(|census| census.keys),
            databases: databases.filter_map(|(number, count)| Some((number.parse().ok()?, *count))).collect(),
            by_type: census.map(|census| census.by_type.clone()).unwrap_or_default(),
            functions: census.map_or(0, |census| census.functions),
            bytes_in_one_piece: census.map(|census| {
                let in_parts = ["list", "set", "zset", "hash"];
                let others = census.bytes_by_type.iter().filter(|(name, _)| !in_parts.contains(&name.as_str()));
                others.map(|(_, bytes)| *bytes).max().unwrap_or(0)
            }),
            source_modules: manifest.server.modules.clone(),
            module_aux: manifest.module_aux.clone(),
            origin: match (manifest.purpose, manifest.consistency) {
                (Purpose::Adopted, _) | (_, Consistency::Fuzzy) => Origin::Foreign,
                _ => Origin::Captured,
            },
            only_once: false,
            // With findings, but read to its end: then it has a census.
            understood: manifest.structure.state == StructureState::Verified
                || manifest.structure.state == StructureState::Findings && manifest.census.is_some(),
            has_findings: manifest.structure.state == StructureState::Findings,
            slots_of_part: manifest.slots_of_part().map(str::to_owned),
            stale: manifest.stale,
            survey: None,
        }
    }

    /// What reading all of a file has told.
    pub fn of_survey(name: String, survey: Survey) -> Self {
        let aux = |name: &str| survey.aux.get(name);
        let server = match server_of(&survey.aux) {
            (_, "") => "an unknown server".to_owned(),
            (name, version) => format!("{name} {version}"),
        };
        Self {
            name,
            created_ms: aux("ctime").and_then(|text| text.parse::<i64>().ok()?.checked_mul(1000)),
            server,
            rdb_version: survey.version,
            raw_bytes: Some(survey.bytes),
            trailing_bytes: survey.trailing_bytes,
            used_memory: aux("used-mem").and_then(|text| text.parse().ok()),
            keys: Some(survey.keys),
            databases: survey.databases.clone(),
            by_type: survey.by_type.clone(),
            functions: survey.functions.len() as u64,
            understood: true,
            survey: Some(survey),
            ..Self::default()
        }
    }

    /// Adds what reading all of it has told.
    #[must_use]
    pub fn surveyed(self, survey: Survey) -> Self {
        let facts = Self::of_survey(self.name, survey);
        Self {
            created_ms: self.created_ms.or(facts.created_ms),
            clock: self.clock,
            bytes_in_one_piece: self.bytes_in_one_piece,
            source_modules: self.source_modules,
            module_aux: self.module_aux,
            has_findings: self.has_findings,
            origin: self.origin,
            only_once: self.only_once,
            ..facts
        }
    }

    /// When it was taken by the clock of its server, by which its keys expire, in Unix milliseconds.
    pub fn taken_ms(&self) -> Option<i64> {
        let is_off = self.clock.is_off().is_some();
        self.created_ms.map(|created| if is_off { self.clock.at(created) } else { created })
    }

    /// Keys that expire; `None`: nobody has counted.
    pub fn expires(&self) -> Option<u64> {
        self.keys.map(|_| self.databases.values().map(|count| count.expires).sum())
    }

    /// Whose form it is.
    pub fn dialect(&self) -> Dialect {
        Dialect::of_footer(self.rdb_version)
    }

    /// Names of the modules whose values are in it. Vector sets are part of Redis 8, and not named here.
    pub fn modules(&self) -> BTreeSet<&str> {
        self.by_type.keys().filter_map(|name| name.strip_prefix("module:")).collect()
    }
}

/// The clock of the server that a captured RDB is of: it writes down when it began (`ctime`, in whole seconds), and so do we.
fn clock_of(manifest: &Manifest) -> Option<Clock> {
    let is_captured = manifest.purpose != Purpose::Adopted && manifest.consistency != Consistency::Fuzzy;
    let ctime: i64 = manifest.shards.first()?.aux.get("ctime").filter(|_| is_captured)?.parse().ok()?;
    let moment = manifest.shards.first().and_then(|shard| shard.moment).or(manifest.moment);
    let (from, to) = moment.map_or((manifest.created_at, manifest.finished_at), |moment| (moment.from, moment.to));
    let (from, to) = (from.timestamp_millis(), to.timestamp_millis());
    Some(Clock::read(ctime.checked_mul(1000)?, from.saturating_sub(1000), to))
}

/// What is known of a target. `None`: not known, mostly because our user may not ask.
#[derive(Debug, Clone)]
pub struct TargetFacts {
    /// For people.
    pub address: String,
    /// What it says of itself.
    pub server: ServerFacts,
    /// Databases that hold keys.
    pub databases: BTreeMap<u64, Database>,
    /// It answered `SELECT` of the highest database that is needed.
    pub selects: Option<Result<(), String>>,
    /// `databases`.
    pub n_databases: Option<u64>,
    /// `proto-max-bulk-len` in bytes.
    pub longest_bulk: Option<u64>,
    /// `appendonly`.
    pub append_only: Option<bool>,
    /// It has save points (`save`).
    pub saves: Option<bool>,
    /// `min-replicas-to-write`.
    pub min_replicas: Option<u64>,
    /// `stop-writes-on-bgsave-error` holds back writes now: the last save failed.
    pub writes_stopped: bool,
    /// Bytes of memory of its host; as the server says.
    pub host_memory: Option<u64>,
    /// Bytes that are free there, if it is our own host.
    pub host_free: Option<u64>,
    /// Names of its function libraries.
    pub functions: Option<BTreeSet<String>>,
    /// The user we are.
    pub user: Option<String>,
    /// Commands that our user may not use, of those that are needed.
    pub forbidden: Option<Vec<String>>,
    /// Commands that the server has not, of those that may be needed: it was told to forget them (`rename-command`).
    pub missing: Vec<String>,
    /// Whether it says which commands it has, so that `missing` is all of them.
    pub tells_commands: bool,
    /// The user may write only some keys: the patterns.
    pub key_patterns: Option<String>,
    /// Commands that it may not use with any key, of those that are needed; `None`: the server does not say (before Redis 7.0).
    pub keys_refused: Option<Vec<String>>,
    /// What keeps it from being read back, by replication and key by key: the commands that our user may not use.
    pub not_read_back: Vec<String>,
    /// It replicates by TLS, and we have no certificate to show it.
    pub lacks_certificate: bool,
    /// A Sentinel is connected.
    pub watched: Option<bool>,
    /// In a cluster: slots that this node serves.
    pub slots: Option<u64>,
    /// Its clock.
    pub clock: Option<Clock>,
    /// Counters at this moment.
    pub counters: Counters,
}

/// Counters of a server that tell what happened beside us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counters {
    /// `evicted_keys`.
    pub evicted: u64,
    /// `expired_keys`.
    pub expired: u64,
    /// Keys in all databases.
    pub keys: u64,
}

impl TargetFacts {
    /// Keys in all databases.
    pub fn keys(&self) -> u64 {
        self.databases.values().map(|database| database.keys).sum()
    }

    /// Whether it has none of these commands of that name.
    pub fn lacks(&self, names: &[&str]) -> Option<&str> {
        self.missing.iter().map(String::as_str).find(|missing| names.contains(missing))
    }

    /// `proto-max-bulk-len`, or its default.
    pub fn longest_bulk(&self) -> u64 {
        self.longest_bulk.unwrap_or(512 * 1024 * 1024)
    }
}
