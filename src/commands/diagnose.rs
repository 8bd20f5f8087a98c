//! `redis-ops diagnose`: what is wrong with a server, or with the data in a backup.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use chrono::NaiveDate;

use super::which::{Backup, File, Server};
use super::{Context, Outcome};
use crate::hint::Misuse;

/// All that a diagnosis needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What is looked at.
    pub topic: Topic,
    /// Where the facts come from.
    pub origin: Origin,
    /// How long rates are measured; `None`: as the topic has it.
    pub window: Option<Duration>,
    /// Only what happened in this last time; `None`: all that is known.
    pub since: Option<Duration>,
    /// Looks again after this long, until interrupted; `None`: once.
    pub watch: Option<Duration>,
    /// Looks at every key rather than at a sample.
    pub full: bool,
    /// Entries in lists.
    pub top: u64,
    /// What lists are sorted by; `None`: as the topic has it.
    pub sort: Option<String>,
    /// From which severity on the answer is no.
    pub fail_on: FailOn,
    /// What the settings file says about rules.
    pub rules: Rules,
}

/// Where the facts of a diagnosis come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// A server.
    Server(Box<Server>),
    /// A file that holds the reply to INFO.
    Info(File),
    /// A backup.
    Backup(Backup),
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it, and the help says more")]
pub enum Topic {
    Memory,
    Connections,
    Keyspace,
    Persistence,
    Replication,
    Security,
    Patterns,
    All,
}

/// From which severity on the answer is no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailOn {
    /// Warnings are exit 1, critical findings exit 2.
    #[default]
    Warning,
    /// Warnings are exit 0, critical findings exit 2.
    Critical,
    /// Findings are exit 0.
    Never,
}

/// The `diagnose` block of the settings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rules {
    /// What the server is for; `None`: not said.
    pub profile: Option<String>,
    /// What must be so.
    pub expect: Expect,
    /// Rules that are silent for a while.
    pub mute: Vec<Mute>,
    /// Limits of one's own, by rule.
    pub thresholds: BTreeMap<String, Threshold>,
}

/// What must be so; `None`: not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expect {
    /// Connected replicas.
    pub replicas: Option<u64>,
    /// A backup that is recent enough.
    pub backup: Option<bool>,
    /// A limit on memory.
    pub maxmemory: Option<bool>,
}

/// A rule that is silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mute {
    /// Its number.
    pub rule: String,
    /// The last day; `None`: for good.
    pub until: Option<NaiveDate>,
    /// Why, for whoever wonders.
    pub reason: String,
}

/// A limit of one's own; `None`: as the rule has it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Threshold {
    /// From here on a warning.
    pub warning: Option<f64>,
    /// From here on critical.
    pub critical: Option<f64>,
}

/// Diagnoses.
pub async fn run(_settings: &Settings, _context: &Context) -> Result<Outcome> {
    Err(Misuse::not_supported_yet("`diagnose`").into())
}
