//! What is known of a backup before it is restored, from its manifest and from reading it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::capture::server_of;
use crate::census::Expiry;
use crate::dataset::Dataset;
use crate::rdb::opcode::Dialect;
use crate::repository::manifest::{CensusSummary, Consistency, DatabaseCount, Manifest, Purpose, StructureState};
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
    /// What tells that server from others.
    pub taken_from: TakenFrom,
    /// Version of the RDB format; from 80 on it is Valkey's own.
    pub rdb_version: u32,
    /// Bytes of the RDB.
    pub raw_bytes: Option<u64>,
    /// Bytes behind its end, which are left out; 0 where nobody has looked yet.
    pub trailing_bytes: u64,
    /// `used_memory` of the server at that moment.
    pub used_memory: Option<u64>,
    /// What its manifest says of its keys; `None`: nothing.
    pub census: Option<CensusSummary>,
    /// Keys in all databases.
    pub keys: Option<u64>,
    /// When its keys expire, as far as that was asked without reading it.
    pub expiries: Option<Expiries>,
    /// Keys by database of the backup.
    pub databases: BTreeMap<u64, DatabaseCount>,
    /// Keys by type name.
    pub by_type: BTreeMap<String, u64>,
    /// Shards of a cluster that are in it; 1 for a single server, 0 for a file.
    pub shards: usize,
    /// It is of one shard of a cluster only: the slots of that.
    pub slots_of_part: Option<String>,
    /// It was read from a replica that had lost its primary.
    pub stale: bool,
    /// What the server that it was taken from held and the backup does not, and why.
    pub lacks: Vec<String>,
    /// How many function libraries the backup holds.
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
    /// We put the RDB together from what a server itself has dumped, key by key: its values are those of a server.
    pub dumped: bool,
    /// The backup comes through a pipe: what is read is gone.
    pub only_once: bool,
    /// Whether the structure was understood to the end.
    pub understood: bool,
    /// The manifest says that something in the backup contradicts itself.
    pub has_findings: bool,
    /// What only reading the whole backup tells.
    pub survey: Option<Survey>,
}

/// When the keys of a backup expire, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiries {
    /// Now by the clock that decides, in the time of the backup: what moves expiries moves them to earlier.
    pub now_ms: i64,
    /// How many keys expire when; `None`: the backup does not tell.
    pub keys: Option<Expiry>,
    /// Fields of hashes expire as well: a hash of which no field lives is gone with them, and only reading it tells.
    pub fields: bool,
}

/// What tells the server that a backup was taken from from others. Empty: not known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TakenFrom {
    /// `run_id` of INFO.
    pub run_id: String,
    /// Its replication id.
    pub replid: String,
    /// Host and port.
    pub node: String,
}

/// Who made an RDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// We captured it over replication: a server wrote it.
    Captured,
    /// Somebody else wrote the file, or we put it together key by key.
    #[default]
    Foreign,
}

impl BackupFacts {
    /// What is known of a backup without reading it.
    pub fn of(data: &Dataset) -> Self {
        match data {
            Dataset::Backup(backup) => Self::of_manifest(&backup.manifest),
            Dataset::File(_) => {
                let created_ms = data.around().created_ms;
                Self { name: data.name(), created_ms, understood: true, ..Self::default() }
            }
            Dataset::Pipe(pipe) => Self {
                name: data.name(),
                created_ms: data.around().created_ms,
                server: "a server that is not known yet".to_owned(),
                rdb_version: pipe.rdb_version,
                understood: true,
                only_once: true,
                ..Self::default()
            },
        }
    }

    /// What the manifest tells of the backup's first shard.
    pub fn of_manifest(manifest: &Manifest) -> Self {
        let shard = manifest.shards.first();
        let census = manifest.census.as_ref();
        let databases = census.into_iter().flat_map(|census| &census.by_database);
        Self {
            name: format!("{}/{}", manifest.instance, manifest.id),
            created_ms: Some(manifest.data_from().timestamp_millis()),
            clock: clock_of(manifest).unwrap_or_default(),
            server: format!("{} {}", manifest.server.name, manifest.server.version),
            taken_from: TakenFrom {
                run_id: manifest.server.run_id.clone(),
                replid: shard.map(|shard| shard.replid.clone()).unwrap_or_default(),
                node: shard.map(|shard| shard.node.clone()).unwrap_or_default(),
            },
            rdb_version: shard.map_or(0, |shard| shard.rdb_version),
            raw_bytes: Some(manifest.shards.iter().map(|shard| shard.raw_bytes).sum()),
            trailing_bytes: match shard {
                Some(shard) if manifest.structure.state == StructureState::Verified || census.is_some() => {
                    shard.raw_bytes.saturating_sub(manifest.structure.understood_up_to)
                }
                _ => 0,
            },
            used_memory: manifest
                .shards
                .iter()
                .map(|shard| shard.aux.get("used-mem")?.parse::<u64>().ok())
                .try_fold(0_u64, |sum, bytes| Some(sum.saturating_add(bytes?)))
                .filter(|_| shard.is_some()),
            census: census.cloned(),
            keys: census.map(|census| census.keys),
            expiries: None,
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
            dumped: manifest.purpose != Purpose::Adopted && manifest.consistency == Consistency::Fuzzy,
            only_once: false,
            // With findings, but read to its end: then it has a census.
            understood: manifest.structure.state == StructureState::Verified
                || manifest.structure.state == StructureState::Findings && manifest.census.is_some(),
            has_findings: manifest.structure.state == StructureState::Findings,
            shards: manifest.shards.len(),
            slots_of_part: manifest.slots_of_part().map(str::to_owned),
            stale: manifest.stale,
            lacks: manifest.lacks.clone(),
            survey: None,
        }
    }

    /// Whether a server is known to have written each value.
    pub fn has_values_of_a_server(&self) -> bool {
        self.origin == Origin::Captured || self.dumped
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
            dumped: self.dumped,
            census: self.census,
            slots_of_part: self.slots_of_part,
            stale: self.stale,
            lacks: self.lacks.clone(),
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

    /// Redis or Valkey flavour of the RDB format.
    pub fn dialect(&self) -> Dialect {
        Dialect::of_footer(self.rdb_version)
    }

    /// Keys that are restored, by type name: those that were chosen and have not expired where all of it was read, else all.
    pub fn restored_by_type(&self) -> &BTreeMap<String, u64> {
        self.survey.as_ref().map_or(&self.by_type, |survey| &survey.wanted_by_type)
    }

    /// Names of the types of modules among what is restored. Vector sets are part of Redis 8, and not named here.
    pub fn modules(&self) -> BTreeSet<&str> {
        self.restored_by_type().keys().filter_map(|name| name.strip_prefix("module:")).collect()
    }
}

/// The clock of the server that a captured RDB is of: it writes down when it began (`ctime`, in whole seconds), and so do we.
fn clock_of(manifest: &Manifest) -> Option<Clock> {
    // What a throwaway server has written has our own clock, and the moment is by that of the source.
    let is_captured = !matches!(manifest.purpose, Purpose::Adopted | Purpose::PointInTime)
        && manifest.consistency != Consistency::Fuzzy;
    let ctime: i64 = manifest.shards.first()?.aux.get("ctime").filter(|_| is_captured)?.parse().ok()?;
    let moment = manifest.shards.first().and_then(|shard| shard.moment).or(manifest.moment);
    let (from, to) = moment.map_or((manifest.created_at, manifest.finished_at), |moment| (moment.from, moment.to));
    let (from, to) = (from.timestamp_millis(), to.timestamp_millis());
    Some(Clock::read(ctime.checked_mul(1000)?, from.saturating_sub(1000), to))
}
