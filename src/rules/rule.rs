//! A rule: what is known about it, and its function.

use serde::Serialize;

use super::case::Case;
use super::facts::Facts;
use super::judged::Judged;
use super::remedies;
use crate::finding::Remedy;
use crate::introspection::Question;

/// What a rule is about; the words of `diagnose TOPIC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    Memory,
    Connections,
    Keyspace,
    Persistence,
    Replication,
    Security,
    Patterns,
}

impl Topic {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Memory,
        Self::Connections,
        Self::Keyspace,
        Self::Persistence,
        Self::Replication,
        Self::Security,
        Self::Patterns,
    ];

    /// Whether its rules look at keys.
    pub fn looks_at_keys(self) -> bool {
        matches!(self, Self::Keyspace | Self::Patterns)
    }

    /// The topic as it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Connections => "connections",
            Self::Keyspace => "keyspace",
            Self::Persistence => "persistence",
            Self::Replication => "replication",
            Self::Security => "security",
            Self::Patterns => "patterns",
        }
    }
}

#[derive(Debug)]
pub struct Rule {
    /// Its number, `M06`: a letter for the topic.
    pub id: &'static str,
    /// What it is about.
    pub topic: Topic,
    /// What is wrong when it finds something, in one line without numbers.
    pub title: &'static str,
    /// The fields and commands it looks at.
    pub reads: &'static str,
    /// What it needs answered, besides INFO and what the keys look like.
    pub asks: &'static [Question],
    /// Its limits by name, which settings may override. `warning` and `critical` grade a value; others are floors.
    pub limits: &'static [(&'static str, f64)],
    /// When it fires, in words; `{name}` stands for a limit.
    pub threshold: &'static str,
    /// Why that matters.
    pub why: &'static str,
    /// Commands that mend it, where the function has no better ones.
    pub fix: &'static [&'static str],
    /// Where limit and reason come from.
    pub source: &'static str,
    /// Rules whose finding explains this one.
    pub because_of: &'static [&'static str],
    /// Which of two findings of one severity stands first: the higher.
    pub weight: u8,
    pub examine: fn(&Case<'_>) -> Judged,
}

/// What most rules share, so that the table holds what is particular.
pub(super) const RULE: Rule = Rule {
    id: "",
    topic: Topic::Memory,
    title: "",
    reads: "",
    asks: &[],
    limits: &[],
    threshold: "",
    why: "",
    fix: &[],
    source: "redis-ops (no published threshold)",
    because_of: &[],
    weight: 50,
    examine: |_| Ok(None),
};

impl Rule {
    /// The rule without its function.
    pub fn facts(&self) -> Facts {
        let Self { id, title, limits, threshold, why, source, .. } = *self;
        Facts { id, title, limits, threshold, why, source }
    }

    /// The default of a limit; `None` if the rule has no limit of this name.
    pub fn limit(&self, name: &str) -> Option<f64> {
        self.facts().limit(name)
    }

    /// What its fixes do, may cost, and how they are undone.
    pub fn remedies(&self) -> Vec<Remedy> {
        self.fix.iter().map(|fix| remedies::of(fix, None)).collect()
    }

    /// What is known about it, as text for `explain`.
    pub fn explanation(&self, threshold: &str) -> String {
        let mut text = format!("{}  {}\n\n", self.id, self.title);
        let mut line = |name: &str, value: &str| {
            if !value.is_empty() {
                text.push_str(&format!("{name:<15} {value}\n"));
            }
        };
        line("topic", self.topic.name());
        line("reads", self.reads);
        line("fires when", threshold);
        line("why", self.why);
        for remedy in self.remedies() {
            line("fix", &remedy.command);
            line("  does", &remedy.does);
            line("  costs", &remedy.costs);
            line("  undo", &remedy.undo);
        }
        if !self.because_of.is_empty() {
            line("often caused by", &self.because_of.join(" "));
        }
        line("source", self.source);
        let limits: Vec<String> = self.limits.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        if !limits.is_empty() {
            line("settings", &format!("diagnose.thresholds.{}: {{{}}}", self.id, limits.join(", ")));
        }
        text
    }
}
