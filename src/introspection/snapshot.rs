//! The snapshot: all that the rules look at, as plain data, taken once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::gate::Receipt;
use super::host::HostFacts;
use super::keyspace::KeyspaceProfile;
use super::left_behind::LeftBehind;
use super::ours::Ours;
use super::part::Part;
use super::peers::{Peers, SentinelSeen};
use super::question::Answers;
use super::record::Running;
use super::topology::ServerFacts;
use super::wire::Wire;
use crate::replies::{ClusterNode, Info, ServerLog};

/// A server at one moment, with an earlier moment to compare counters with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    #[serde(serialize_with = "crate::times::serialize")]
    pub taken_at: DateTime<Utc>,
    /// The last INFO.
    pub info: Info,
    /// What it says of the server.
    pub server: ServerFacts,
    /// An earlier INFO; `None` where there is only one (a pasted text).
    pub earlier: Option<Earlier>,
    /// What it has answered besides INFO.
    #[serde(flatten)]
    pub answers: Answers,
    /// Entries that the slow log gained in the window.
    pub slowlog_gained: Part<u64>,
    /// CLUSTER NODES at the first reading.
    pub nodes_before: Part<Vec<ClusterNode>>,
    /// The other servers of the deployment.
    pub peers: Part<Peers>,
    /// The Sentinels that watch it.
    pub sentinels: Part<Vec<SentinelSeen>>,
    /// Times of the connection and of our PINGs.
    pub wire: Part<Wire>,
    /// The machine, if the server runs on ours.
    pub host: Part<HostFacts>,
    /// What the keys look like.
    pub keyspace: Part<KeyspaceProfile>,
    /// Keys by prefix of earlier runs, in any order.
    pub prefixes_before: Part<Vec<PrefixesBefore>>,
    /// Whether an interrupted restore left it as it is, by what is written down on this machine and by what it says.
    #[serde(default)]
    pub left_behind: Part<Option<LeftBehind>>,
    /// The restore that feeds it from this machine at the moment.
    #[serde(default)]
    pub restore: Option<Running>,
    /// Seconds since the last published backup of this instance; `Got(None)`: there is none.
    pub backup_age_seconds: Part<Option<u64>>,
    /// What the server logged: no server tells it, a person may.
    #[serde(default = "Part::default")]
    pub log: Part<ServerLog>,
    /// How we are connected.
    pub path: Path,
    /// What asking cost.
    pub receipt: Receipt,
}

/// How a snapshot's server was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Path {
    /// Over a loopback address or a Unix socket.
    pub local: bool,
    /// Over a private, link-local or loopback address.
    pub private: bool,
    pub tls: bool,
}

/// An INFO taken before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Earlier {
    /// Seconds between the two.
    pub seconds: f64,
    pub info: Info,
    /// CLUSTER INFO of that time, where it was asked for.
    pub cluster: Option<Info>,
    /// What we have sent in between ourselves.
    #[serde(default)]
    pub ours: Ours,
}

/// How many keys a prefix had at an earlier run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PrefixesBefore {
    /// How long ago.
    pub seconds_ago: f64,
    /// By the prefix's name, escaped.
    pub keys: BTreeMap<String, Estimate>,
}

/// Between which numbers the truth is, in 95 of 100 samples; both are the same where every key was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Estimate {
    /// The lower one.
    pub least: f64,
    /// The upper one.
    pub most: f64,
}

/// How far a counter went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delta {
    /// How far the counter went.
    pub amount: u64,
    /// In how many seconds; greater than 0.
    pub seconds: f64,
}

impl Delta {
    /// The growth of the counter per second.
    pub fn rate(self) -> f64 {
        self.amount as f64 / self.seconds
    }
}

/// Counters that our own questions alone make grow.
const ALWAYS_GROW: &[&str] = &["total_commands_processed", "total_net_input_bytes", "total_net_output_bytes"];
/// What CONFIG RESETSTAT leaves alone (`resetServerStats` in Redis' `server.c`).
const OUTLIVE_A_RESET: &[&str] = &["master_repl_offset", "used_cpu_", "number_of_cached_scripts"];

impl Snapshot {
    /// A snapshot of nothing but an INFO text.
    pub fn from_info(info: Info, taken_at: DateTime<Utc>) -> Self {
        let server = ServerFacts::from_info(&info);
        Self {
            taken_at,
            server,
            info,
            earlier: None,
            answers: Answers::default(),
            slowlog_gained: Part::NotAsked,
            nodes_before: Part::NotAsked,
            peers: Part::NotAsked,
            sentinels: Part::NotAsked,
            wire: Part::NotAsked,
            host: Part::NotAsked,
            keyspace: Part::NotAsked,
            prefixes_before: Part::NotAsked,
            left_behind: Part::NotAsked,
            restore: None,
            backup_age_seconds: Part::NotAsked,
            log: Part::NotAsked,
            path: Path::default(),
            receipt: Receipt::default(),
        }
    }

    /// How far a counter of INFO went since the earlier one, without what we have added to it.
    ///
    /// # Errors
    ///
    /// Why that cannot be said: no earlier INFO, a restart or a reset in between, no such field.
    pub fn delta(&self, name: &str) -> Result<Delta, String> {
        let now = self.info.u64(name).ok_or_else(|| format!("the server does not report `{name}`"))?;
        let delta = self.since(name, now, |info| info.u64(name))?;
        let ours = self.earlier.as_ref().map_or(0, |earlier| match name {
            "total_commands_processed" => earlier.ours.commands,
            "total_error_replies" => earlier.ours.errors.values().copied().fold(0, u64::saturating_add),
            _ => 0,
        });
        Ok(Delta { amount: delta.amount.saturating_sub(ours), ..delta })
    }

    /// How often clients got an error since the earlier INFO; our own questions are not counted.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::delta`].
    pub fn errors(&self, name: &str) -> Result<Delta, String> {
        let count = |info: &Info| info.error_stats().get(name).copied().unwrap_or(0);
        let delta = self.since("errorstats", count(&self.info), |info| Some(count(info)))?;
        let ours = self.earlier.as_ref().and_then(|earlier| earlier.ours.errors.get(name)).copied().unwrap_or(0);
        Ok(Delta { amount: delta.amount.saturating_sub(ours), ..delta })
    }

    /// The moment by the server's own clock, in Unix seconds: what it dates is dated by that.
    pub fn server_seconds(&self) -> u64 {
        let own = self.info.u64("server_time_usec").map(|micros| micros / 1_000_000);
        own.unwrap_or_else(|| u64::try_from(self.taken_at.timestamp()).unwrap_or(0))
    }

    /// How far a number that is computed from INFO went since the earlier one; as [`Snapshot::delta`].
    ///
    /// # Errors
    ///
    /// As [`Snapshot::delta`].
    pub fn since(&self, name: &str, now: u64, then: impl Fn(&Info) -> Option<u64>) -> Result<Delta, String> {
        let earlier = self.comparable()?;
        if !OUTLIVE_A_RESET.iter().any(|prefix| name.starts_with(prefix)) && self.was_reset(earlier) {
            return Err("the counters were reset in between (CONFIG RESETSTAT)".to_owned());
        }
        let before = then(&earlier.info).unwrap_or(0);
        let amount = now.checked_sub(before).ok_or_else(|| format!("`{name}` was reset in between"))?;
        Ok(Delta { amount, seconds: earlier.seconds })
    }

    /// One of the counters that grow with everything a server does went back: whatever the others say now is not what they gained.
    fn was_reset(&self, earlier: &Earlier) -> bool {
        ALWAYS_GROW.iter().any(|name| match (earlier.info.u64(name), self.info.u64(name)) {
            (Some(before), Some(now)) => now < before,
            _ => false,
        })
    }

    /// The earlier INFO, if counters can be compared with it.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn comparable(&self) -> Result<&Earlier, String> {
        let earlier =
            self.earlier.as_ref().ok_or("there is only one reading, and totals since the start say little")?;
        if earlier.info.get("run_id") != self.info.get("run_id") {
            return Err("the server was restarted in between".to_owned());
        }
        if earlier.seconds <= 0.0 {
            return Err("no time passed between the two readings".to_owned());
        }
        Ok(earlier)
    }

    /// Keys of all databases, and those that have a time to live.
    pub fn keys_and_expires(&self) -> (u64, u64) {
        let databases = self.info.databases();
        databases.values().fold((0, 0), |(keys, expires), database| {
            (keys.saturating_add(database.keys), expires.saturating_add(database.expires))
        })
    }

    /// Counts against `maxmemory`: what the server itself compares with it (replica buffers and the AOF buffer left out).
    pub fn memory_against_limit(&self) -> Option<u64> {
        let not_counted = self.info.u64("mem_not_counted_for_evict").unwrap_or(0);
        Some(self.info.u64("used_memory")?.saturating_sub(not_counted))
    }
}
