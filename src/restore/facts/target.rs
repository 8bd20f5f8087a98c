//! What is known of a target before anything is written to it, and counters that tell later what happened beside us.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::introspection::ServerFacts;
use crate::replies::Database;
use crate::restore::clock::Clock;

/// What is known of a target. `None`: not known, mostly because our user may not ask.
#[derive(Debug, Clone)]
pub struct TargetFacts {
    /// Where the target is, for people; without secrets.
    pub address: String,
    /// What the server says of itself.
    pub server: ServerFacts,
    /// Databases that hold keys.
    pub databases: BTreeMap<u64, Database>,
    /// What the server answered to `SELECT` of the highest database that is needed.
    pub selects: Option<Result<(), String>>,
    /// Wanted keys of the backup whose names it has; `None`: not counted.
    pub names_held: Option<u64>,
    /// The setting `databases`, or how many databases a cluster has.
    pub n_databases: Option<u64>,
    /// `proto-max-bulk-len` in bytes.
    pub longest_bulk: Option<u64>,
    /// Whether the server keeps an append-only file (`appendonly`).
    pub append_only: Option<bool>,
    /// It has save points (`save`).
    pub saves: Option<bool>,
    /// Replicas without which the server takes no write (`min-replicas-to-write`).
    pub min_replicas: Option<u64>,
    /// `stop-writes-on-bgsave-error` holds back writes now: the last save failed.
    pub writes_stopped: bool,
    /// Bytes of memory of its host; as the server says.
    pub host_memory: Option<u64>,
    /// Bytes that are free there, if it is our own host.
    pub host_free: Option<u64>,
    /// Names of its function libraries.
    pub functions: Option<BTreeSet<String>>,
    /// Their sources by name, where they stay as they are; `None`: nobody has asked, or the server does not say.
    pub function_sources: Option<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Names of the functions in them, by library.
    pub function_names: BTreeMap<String, BTreeSet<String>>,
    /// Search indexes of its module `search`, which are no keys and go with all that it holds.
    pub indexes: u64,
    /// It may have some, and does not say.
    pub may_have_indexes: bool,
    /// The user that our connection is.
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
    /// Which those are: the first and the last of each range.
    pub slot_ranges: Vec<(u16, u16)>,
    /// Clock of the target against ours; `None`: it does not tell the time.
    pub clock: Option<Clock>,
    /// Counters at this moment.
    pub counters: Counters,
}

/// Counters of a server that tell what happened beside us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counters {
    /// Keys thrown away since the start to make room (`evicted_keys`).
    pub evicted: u64,
    /// Keys that have expired since the start (`expired_keys`).
    pub expired: u64,
    /// Keys in all databases.
    pub keys: u64,
}

impl TargetFacts {
    /// What is known of all primaries of a cluster together: of what limits a restore the worst.
    ///
    /// # Panics
    /// Without any primary.
    pub fn of_parts(each: Vec<Self>) -> Self {
        let mut each = each.into_iter();
        let mut all = each.next().expect("a cluster has a primary");
        let least = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        let either = |one: Option<bool>, other: Option<bool>| match (one, other) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        };
        let both = |one: Option<Vec<String>>, other: Option<Vec<String>>| {
            let (mut one, other) = (one?, other?);
            one.extend(other);
            one.sort();
            one.dedup();
            Some(one)
        };
        for part in each {
            all.selects = match (all.selects, part.selects) {
                (Some(Err(why)), _) | (_, Some(Err(why))) => Some(Err(why)),
                (one, other) => one.or(other),
            };
            all.n_databases = least(all.n_databases, part.n_databases);
            all.longest_bulk = least(all.longest_bulk, part.longest_bulk);
            all.append_only = either(all.append_only, part.append_only);
            all.saves = either(all.saves, part.saves);
            all.min_replicas = all.min_replicas.max(part.min_replicas);
            all.writes_stopped |= part.writes_stopped;
            all.host_memory = least(all.host_memory, part.host_memory);
            all.host_free = least(all.host_free, part.host_free);
            all.functions = match (all.functions, part.functions) {
                (Some(one), Some(other)) => Some(one.union(&other).cloned().collect()),
                _ => None,
            };
            all.function_names.extend(part.function_names);
            // Each node of a cluster has its own part of them all.
            all.indexes = all.indexes.max(part.indexes);
            all.may_have_indexes |= part.may_have_indexes;
            all.forbidden = both(all.forbidden, part.forbidden);
            all.missing.extend(part.missing);
            all.missing.sort();
            all.missing.dedup();
            all.tells_commands &= part.tells_commands;
            all.key_patterns = all.key_patterns.or(part.key_patterns);
            all.keys_refused = both(all.keys_refused, part.keys_refused);
            all.not_read_back.extend(part.not_read_back);
            all.not_read_back.sort();
            all.not_read_back.dedup();
            all.lacks_certificate |= part.lacks_certificate;
            all.watched = either(all.watched, part.watched);
            // Each primary has its own; what one of them wants of its replicas is judged by its own number.
            if all.min_replicas.is_none() {
                all.server.replicas.extend(part.server.replicas);
            }
            all.slots = all.slots.zip(part.slots).map(|(one, other)| one + other);
            all.slot_ranges.extend(part.slot_ranges);
        }
        all
    }

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
