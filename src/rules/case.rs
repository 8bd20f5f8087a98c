//! A snapshot before one rule: what its function reads from, and how it speaks.

use super::facts::Facts;
use super::judged::{Judged, Skipped};
use super::settings::{Expect, Profile, RuleSettings};
use crate::figures;
use crate::finding::{Finding, Severity};
use crate::introspection::keyspace::KeyspaceProfile;
use crate::introspection::{Delta, Snapshot};
use crate::replies::{Client, ClientKind, Config, ServerLog};

/// Why rules about a server's log are skipped: no server tells it.
pub const NO_LOG: &str = "no log of the server was given: `diagnose --from` reads one";

/// Seconds between two readings from which a growth of memory is no breathing.
const GROWTH_SECONDS: f64 = 600.0;
/// The share by which memory has to grow to be called growing.
const GROWTH: f64 = 0.01;

/// A snapshot before one rule.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What is judged.
    pub snapshot: &'a Snapshot,
    /// What the server is for.
    pub profile: Profile,
    rule: Facts,
    settings: &'a RuleSettings,
}

impl<'a> Case<'a> {
    /// A snapshot before one rule.
    pub fn new(snapshot: &'a Snapshot, rule: Facts, settings: &'a RuleSettings, profile: Profile) -> Self {
        Self { snapshot, profile, rule, settings }
    }

    /// What the settings say there should be.
    pub fn expect(&self) -> &'a Expect {
        &self.settings.expect
    }

    pub fn settings(&self) -> &'a RuleSettings {
        self.settings
    }

    /// A limit of the rule: from the settings, else its own. The tests let no rule name a limit that it does not have.
    pub fn limit(&self, name: &str) -> f64 {
        let limit = self.settings.limits.get(&self.rule, name);
        debug_assert!(limit.is_some(), "rule {} has no limit `{name}`", self.rule.id);
        limit.unwrap_or(f64::INFINITY)
    }

    /// A whole number of INFO.
    pub fn number(&self, name: &str) -> Result<u64, Skipped> {
        self.snapshot.info.u64(name).ok_or_else(|| missing(name))
    }

    /// A whole number of INFO, 0 where the server does not report it.
    pub fn number_or_zero(&self, name: &str) -> u64 {
        self.snapshot.info.u64(name).unwrap_or(0)
    }

    /// A whole number of INFO that may be negative.
    pub fn signed(&self, name: &str) -> Result<i64, Skipped> {
        self.snapshot.info.i64(name).ok_or_else(|| missing(name))
    }

    /// A number of INFO.
    pub fn decimal(&self, name: &str) -> Result<f64, Skipped> {
        self.snapshot.info.f64(name).ok_or_else(|| missing(name))
    }

    /// A text of INFO.
    pub fn text(&self, name: &str) -> Result<&'a str, Skipped> {
        self.snapshot.info.get(name).ok_or_else(|| missing(name))
    }

    /// How far a counter went between the two readings.
    pub fn delta(&self, name: &str) -> Result<Delta, Skipped> {
        Ok(self.snapshot.delta(name)?)
    }

    /// How far the sum of some commands' calls went.
    pub fn calls(&self, commands: &[&str]) -> Result<Delta, Skipped> {
        let sum = |info: &crate::replies::Info| {
            let stats = info.command_stats();
            figures::sum(commands.iter().filter_map(|command| stats.get(command)).map(|stats| stats.calls))
        };
        Ok(self.snapshot.since("commandstats", sum(&self.snapshot.info), |info| Some(sum(info)))?)
    }

    /// How far an error's count went.
    pub fn errors(&self, name: &str) -> Result<Delta, Skipped> {
        Ok(self.snapshot.errors(name)?)
    }

    /// The settings of the server.
    pub fn config(&self) -> Result<&'a Config, Skipped> {
        Ok(self.snapshot.answers.config.need("CONFIG GET")?)
    }

    pub fn clients(&self) -> Result<&'a [Client], Skipped> {
        Ok(self.snapshot.answers.clients.need("CLIENT LIST")?)
    }

    /// What the server logged, where a person pasted it.
    pub fn server_log(&self) -> Result<&'a ServerLog, Skipped> {
        self.snapshot.log.got().ok_or_else(|| Skipped(NO_LOG.to_owned()))
    }

    /// The connections of applications.
    pub fn applications(&self) -> Result<Vec<&'a Client>, Skipped> {
        Ok(self.clients()?.iter().filter(|client| client.kind() == ClientKind::Normal).collect())
    }

    /// What the keys look like.
    pub fn keyspace(&self) -> Result<&'a KeyspaceProfile, Skipped> {
        let keyspace = self.snapshot.keyspace.need("the keys")?;
        if keyspace.seen == 0 {
            return Err(Skipped("there are no keys".to_owned()));
        }
        Ok(keyspace)
    }

    /// `maxmemory`, if there is one.
    pub fn maxmemory(&self) -> Result<u64, Skipped> {
        match self.number("maxmemory")? {
            0 => Err(Skipped("there is no maxmemory".to_owned())),
            limit => Ok(limit),
        }
    }

    /// The share of `maxmemory` in use, as the server itself reckons.
    pub fn usage(&self) -> Result<f64, Skipped> {
        let used = self.snapshot.memory_against_limit().ok_or_else(|| missing("used_memory"))?;
        Ok(used as f64 / self.maxmemory()? as f64)
    }

    /// Memory of the machine, or of the container where the settings name its limit.
    pub fn machine_memory(&self) -> Result<u64, Skipped> {
        match self.settings.memory_limit {
            Some(limit) => Ok(limit),
            None => match (self.number("total_system_memory"), self.container_memory()) {
                (Ok(bytes), limit) if bytes > 0 => Ok(limit.map_or(bytes, |limit| limit.min(bytes))),
                (_, Some(limit)) => Ok(limit),
                _ => Err(missing("total_system_memory")),
            },
        }
    }

    /// What the control groups of a server on this machine allow it.
    fn container_memory(&self) -> Option<u64> {
        self.snapshot.host.got().and_then(|host| host.memory_limit)
    }

    /// A finding of this severity, with all that the table knows.
    pub fn finding(&self, severity: Severity) -> Finding {
        let rule = &self.rule;
        Finding::new(severity, rule.id, rule.title)
            .threshold(self.settings.threshold_text(rule))
            .why(rule.why)
            .source(rule.source)
    }

    /// A finding that is worth knowing; nothing is wrong yet.
    pub fn info(&self) -> Finding {
        self.finding(Severity::Info)
    }

    /// A finding of something that will hurt.
    pub fn warning(&self) -> Finding {
        self.finding(Severity::Warning)
    }

    /// A finding of something that hurts now.
    pub fn critical(&self) -> Finding {
        self.finding(Severity::Critical)
    }

    /// A finding that rests on the names of keys alone: information, and a warning where something is seen to come of it.
    pub fn by_name(&self) -> Finding {
        match self.consequence() {
            Some((what, value)) => self.warning().evidence(what, value),
            None => self.info(),
        }
    }

    /// What comes of too many keys: evictions, refused writes, memory that grows.
    fn consequence(&self) -> Option<(&'static str, u64)> {
        let gained = |delta: Result<Delta, Skipped>| delta.ok().map(|delta| delta.amount).filter(|amount| *amount > 0);
        if let Some(evicted) = gained(self.delta("evicted_keys")) {
            return Some(("evicted_meanwhile", evicted));
        }
        if let Some(refused) = gained(self.errors("OOM")) {
            return Some(("writes_refused_meanwhile", refused));
        }
        let earlier = self.snapshot.comparable().ok().filter(|earlier| earlier.seconds >= GROWTH_SECONDS)?;
        let (now, before) = (self.number("used_memory").ok()?, earlier.info.u64("used_memory")?);
        let grown = now.checked_sub(before)?;
        (grown as f64 >= before as f64 * GROWTH).then_some(("memory_grown_meanwhile", grown))
    }

    /// Whether the server has what came with this version of Redis; Valkey is as Redis 7.2 to that.
    pub fn knows(&self, major: u32, minor: u32) -> bool {
        let version = self.snapshot.server.redis_version.split('.');
        let mut numbers = version.map(|part| part.parse().unwrap_or(0)).chain(std::iter::repeat(0));
        (numbers.next(), numbers.next()) >= (Some(major), Some(minor))
    }

    /// A finding if the value reaches the limit `warning` or `critical`, of which a rule may have one only: the more the worse.
    pub fn grade(&self, value: f64) -> Option<Finding> {
        let limit = |name| self.settings.limits.get(&self.rule, name);
        if limit("critical").is_some_and(|limit| value >= limit) {
            Some(self.critical())
        } else if limit("warning").is_some_and(|limit| value >= limit) {
            Some(self.warning())
        } else {
            None
        }
    }

    /// A finding if the value is below the limit `warning` or `critical`: the less the worse.
    pub fn grade_low(&self, value: f64) -> Option<Finding> {
        let limit = |name| self.settings.limits.get(&self.rule, name);
        if limit("critical").is_some_and(|limit| value < limit) {
            Some(self.critical())
        } else if limit("warning").is_some_and(|limit| value < limit) {
            Some(self.warning())
        } else {
            None
        }
    }
}

/// No finding for this reason.
pub(super) fn skip(reason: impl Into<String>) -> Judged {
    Err(Skipped(reason.into()))
}

fn missing(name: &str) -> Skipped {
    Skipped(format!("the server does not report `{name}`"))
}

/// A share as a percentage with one decimal, for evidence.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}
