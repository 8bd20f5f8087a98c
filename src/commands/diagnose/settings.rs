//! The settings of `diagnose`: what is looked at, where the facts come from, and what the rules are told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;

use crate::commands::which::{Backup, File, Place, Server};
use crate::explain::{Hint, Misuse};
use crate::rules::{self, Profile, RuleSettings};

/// Complete settings of `diagnose`.
#[derive(Debug, Clone)]
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
    /// How the keys of a server are read.
    pub via: Via,
    /// Entries in lists.
    pub top: u64,
    /// What lists are sorted by; `None`: as the topic has it.
    pub sort: Option<Sort>,
    /// From which severity on the answer is no.
    pub fail_on: FailOn,
    /// What the settings file says about rules.
    pub rules: Rules,
    /// Where the backups of the server are; `None`: nobody has said.
    pub repository: Option<Place>,
    /// Where earlier runs are remembered; `None`: nowhere.
    pub state_folder: Option<PathBuf>,
    /// Where restores write down what they change on a target; `None`: nowhere.
    pub restores: Option<PathBuf>,
}

/// Where the facts of a diagnosis come from.
#[derive(Debug, Clone)]
pub enum Origin {
    Server(Box<Server>),
    /// Files that hold what a person pasted: answers of servers, their logs.
    Text(Vec<File>),
    Backup(Backup),
}

/// How the keys of a server are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Via {
    /// By commands: a sample, or all.
    #[default]
    Commands,
    /// All, as a replica gets them: no keyspace hits, but a fork.
    Replication,
}

/// What lists are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "see `redis-ops help diagnose`")]
pub enum Sort {
    Clients,
    Memory,
    Idle,
    Output,
    Time,
    Count,
    Keys,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// What the rules of one topic look at.
    One(rules::Topic),
    All,
}

impl Topic {
    /// The topic as it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::One(topic) => topic.name(),
            Self::All => "all",
        }
    }
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
    /// Limits of one's own, by rule and by the name that `explain` shows.
    pub thresholds: BTreeMap<String, BTreeMap<String, f64>>,
    /// Memory of the server's container in bytes; `None`: as the machine says.
    pub memory_limit: Option<u64>,
    /// Bandwidth of the server's network in megabits a second; `None`: not known.
    pub nic_mbps: Option<f64>,
}

/// What must be so; `None`: not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expect {
    pub replicas: Option<u64>,
    /// A backup that is recent enough.
    pub backup: Option<bool>,
    /// A limit on memory.
    pub maxmemory: Option<bool>,
}

/// A rule that is silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mute {
    pub rule: String,
    /// The first day on which it speaks again; `None`: never.
    pub until: Option<NaiveDate>,
    /// Why the rule is silent.
    pub reason: String,
}

impl Topic {
    /// Its lists can be sorted so: else nothing would happen, and nobody would know why.
    pub(super) fn can_sort_by(self, sort: Option<Sort>) -> Result<(), Misuse> {
        let (can, hint) = match (self, sort) {
            (_, None) | (Self::All, _) => return Ok(()),
            (Self::One(rules::Topic::Connections), Some(sort)) => (
                sort != Sort::Keys,
                "connections by `clients`, `memory`, `idle` or `output`, slow commands by `time` or `count`",
            ),
            (Self::One(rules::Topic::Keyspace), Some(sort)) => {
                (matches!(sort, Sort::Memory | Sort::Keys), "key prefixes by `memory` or `keys`")
            }
            _ => (false, "`diagnose connections` and `diagnose keyspace` have lists"),
        };
        if can { Ok(()) } else { Err(Misuse::usage("this topic has no list with this order").hint(hint)) }
    }
}

impl Rules {
    /// The settings of the rules.
    ///
    /// # Errors
    /// There is no such profile, rule or limit.
    pub(in crate::commands) fn to_rules(&self) -> Result<RuleSettings, Misuse> {
        let profile = match self.profile.as_deref() {
            None | Some("auto") => None,
            Some(name) => Some(Profile::named(name).ok_or_else(|| {
                let known = Profile::ALL.map(|profile| format!("`{}`", profile.name())).join(", ");
                Misuse::usage(format!("there is no profile `{name}`")).hint(format!("{known} or `auto`"))
            })?),
        };
        let expect = self.expect;
        let settings = RuleSettings {
            profile,
            expect: rules::Expect {
                replicas: expect.replicas,
                backup: expect.backup.unwrap_or(false),
                maxmemory: expect.maxmemory.unwrap_or(false),
                persistence: false,
            },
            limits: rules::Limits(self.thresholds.iter().map(|(id, limits)| (named(id), limits.clone())).collect()),
            mutes: self
                .mute
                .iter()
                .map(|mute| rules::Mute { rule: named(&mute.rule), until: mute.until, reason: mute.reason.clone() })
                .collect(),
            memory_limit: self.memory_limit,
            nic_mbps: self.nic_mbps,
        };
        settings.check().map_err(|error| {
            Misuse::settings(format!("the `diagnose` block of the settings: {error}")).hint(Hint::LookUpRule)
        })?;
        Ok(settings)
    }
}

/// A rule's name in whatever case it was typed.
fn named(id: &str) -> String {
    rules::by_id(id.trim()).map_or_else(|| id.to_owned(), |rule| rule.id.to_owned())
}
