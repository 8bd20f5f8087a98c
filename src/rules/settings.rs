//! What a person may say about the rules: what a server is for, what it should have, other limits, mutes.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::facts::Facts;
use crate::explain::{Explain, Hint, Meaning};
use crate::figures;
use crate::introspection::Snapshot;
use crate::introspection::keyspace::Purpose;

/// What a server is for: full memory is normal for a cache and the end for a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Its data can be had elsewhere.
    Cache,
    /// Its data is the only copy.
    Store,
    /// Work waits in it.
    Queue,
    /// Logins live in it for a while.
    Session,
}

impl Profile {
    /// All, in the order in which they are listed.
    pub const ALL: [Self; 4] = [Self::Cache, Self::Store, Self::Queue, Self::Session];

    /// The profile of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// The profile as it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Store => "store",
            Self::Queue => "queue",
            Self::Session => "session",
        }
    }
}

/// What there should be. What is absent is not judged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// How many replicas should be connected.
    pub replicas: Option<u64>,
    /// Whether there should be a verified backup.
    pub backup: bool,
    /// Whether there should be a memory limit.
    pub maxmemory: bool,
    /// Whether the server should persist, by RDB or AOF.
    pub persistence: bool,
}

/// A rule that shall be silent for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mute {
    pub rule: String,
    /// The first day on which it speaks again; `None`: never.
    #[serde(default)]
    pub until: Option<NaiveDate>,
    pub reason: String,
}

impl Mute {
    fn has_ended(&self, now: DateTime<Utc>) -> bool {
        self.until.is_some_and(|day| now.date_naive() >= day)
    }
}

/// Limits that override the rules' own, by rule and name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Limits(pub BTreeMap<String, BTreeMap<String, f64>>);

impl Limits {
    /// A limit of a rule; `None` if it has none of this name.
    pub fn get(&self, rule: &Facts, name: &str) -> Option<f64> {
        self.0.get(rule.id).and_then(|limits| limits.get(name)).copied().or_else(|| rule.limit(name))
    }
}

/// A setting that names what is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// No rule has this number.
    #[error("there is no rule `{0}`")]
    NoSuchRule(String),
    /// The rule has no limit of this name.
    #[error("rule {rule} has no limit `{name}`; it has: {known}")]
    NoSuchLimit {
        rule: String,
        name: String,
        /// The limits that the rule has.
        known: String,
    },
}

impl Explain for SettingError {
    fn meaning(&self) -> Meaning {
        Meaning::of("settings").unknown().hint(Hint::LookUpRule)
    }
}

/// Everything that settings say about the rules.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuleSettings {
    /// What the server is for; `None`: guessed.
    pub profile: Option<Profile>,
    /// What there should be.
    pub expect: Expect,
    pub limits: Limits,
    pub mutes: Vec<Mute>,
    /// Memory limit of the server's container in bytes: INFO says what the machine has.
    pub memory_limit: Option<u64>,
    /// Bandwidth of the server's network in megabits a second.
    pub nic_mbps: Option<f64>,
}

impl RuleSettings {
    /// Checks that rules and limits exist: a typing error must not silence or loosen anything.
    ///
    /// # Errors
    ///
    /// The first that does not.
    pub fn check(&self) -> Result<(), SettingError> {
        let rule =
            |id: &str| super::by_id(id).filter(|rule| rule.id == id).ok_or(SettingError::NoSuchRule(id.to_owned()));
        for (id, limits) in &self.limits.0 {
            let rule = rule(id)?;
            if let Some(name) = limits.keys().find(|name| rule.limit(name).is_none()) {
                let known: Vec<&str> = rule.limits.iter().map(|(name, _)| *name).collect();
                let known = known.join(", ");
                return Err(SettingError::NoSuchLimit { rule: id.clone(), name: name.clone(), known });
            }
        }
        self.mutes.iter().try_for_each(|mute| rule(&mute.rule).map(|_| ()))
    }

    /// What the server is for: as set, else guessed from its eviction policy, from workers that wait, and from the names of its keys.
    pub fn profile_of(&self, snapshot: &Snapshot) -> Profile {
        self.profile.unwrap_or_else(|| {
            let policy = snapshot.info.get("maxmemory_policy").unwrap_or_default();
            if policy.starts_with("allkeys-") {
                Profile::Cache
            } else if has_workers(&snapshot.info) {
                Profile::Queue
            } else if holds_sessions(snapshot) {
                Profile::Session
            } else {
                Profile::Store
            }
        })
    }

    /// The mute that silences a rule at a moment.
    pub fn mute_of(&self, id: &str, now: DateTime<Utc>) -> Option<&Mute> {
        self.mutes.iter().find(|mute| mute.rule == id && !mute.has_ended(now))
    }

    /// Mutes that silence nothing any more.
    pub fn ended(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Mute> {
        self.mutes.iter().filter(move |mute| mute.has_ended(now))
    }

    /// A rule's threshold in words, with the limits that hold.
    pub fn threshold_text(&self, rule: &Facts) -> String {
        let mut text = rule.threshold.to_owned();
        for (name, _) in rule.limits {
            let value = self.limits.get(rule, name).unwrap_or_default();
            text = in_seconds(&text, &format!("{{{name}}} s"), &seconds(value));
            text = text.replace(&format!("{{{name}}}"), &number(value));
            text = text.replace(&format!("{{{name}%}}"), &format!("{} %", number(value * 100.0)));
            text = text.replace(&format!("{{{name}B}}"), &figures::bytes(value as u64));
        }
        text
    }
}

/// Commands with which workers wait for work.
const WAITING: &[&str] =
    &["blpop", "brpop", "blmove", "brpoplpush", "blmpop", "bzpopmin", "bzpopmax", "bzmpop", "xreadgroup"];

/// Whether somebody waits for work at this moment.
fn has_workers(info: &crate::replies::Info) -> bool {
    let stats = info.command_stats();
    let waited = WAITING.iter().any(|name| stats.get(name).is_some_and(|stats| stats.calls > 0));
    // A command that waits is counted when it has ended: of the first ones nothing is counted yet.
    let waits = info.u64("blocked_clients").unwrap_or(0) > 0;
    waits && (waited || info.u64("total_blocking_keys").unwrap_or(0) > 0)
}

/// Whether half of the keys are named like sessions and expire.
fn holds_sessions(snapshot: &Snapshot) -> bool {
    let Some(keyspace) = snapshot.keyspace.got().filter(|keyspace| keyspace.seen > 0) else { return false };
    let sessions = keyspace.purpose(Purpose::Session);
    sessions.keys.saturating_mul(2) >= keyspace.seen && sessions.without_ttl.saturating_mul(2) <= sessions.keys
}

/// Replaces a number of seconds, and leaves `{name} scripts` alone.
fn in_seconds(text: &str, what: &str, by: &str) -> String {
    let mut parts = text.split(what);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_word = part.starts_with(|next: char| next.is_alphanumeric());
        whole.push_str(if is_word { what } else { by });
        whole.push_str(part);
    }
    whole
}

fn number(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    if rounded >= 1000.0 && rounded.fract() == 0.0 { figures::count(rounded as u64) } else { format!("{rounded}") }
}

/// Below two minutes people think in seconds.
fn seconds(value: f64) -> String {
    if value >= 120.0 && value.is_finite() {
        figures::span(Duration::from_secs(value as u64))
    } else {
        format!("{} s", number(value))
    }
}
