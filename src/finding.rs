//! Something worth saying about a server or a backup, with its evidence: what verify, diagnose and health are made of.

use serde::Serialize;
use serde_json::{Map, Value};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is wrong yet.
    Info,
    /// Will hurt, or might.
    Warning,
    /// Something hurts the server or its clients now.
    Critical,
}

/// A fix before anybody types it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// The fix as it is printed.
    pub command: String,
    /// What changes once it is typed.
    pub does: String,
    /// What may be lost, slowed down or refused for it.
    pub costs: String,
    /// How the change is taken back, or that it cannot be.
    pub undo: String,
}

/// One thing found, in words a person can act on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Stable name: a rule's number (`M06`) or a snake_case code (`checksum_mismatch`).
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it is, in one line without the numbers.
    pub title: String,
    /// The numbers and names it rests on.
    pub evidence: Map<String, Value>,
    /// The limit that was crossed, in words; empty where there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub threshold: String,
    /// Why it matters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Commands that mend it, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fix: Vec<String>,
    /// What each of these commands does, may cost, and how it is undone, in the same order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<Remedy>,
    /// Where the fact comes from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The finding that explains this one: both are one incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caused_by: Option<String>,
}

impl Finding {
    /// A finding with nothing but a name and a title.
    pub fn new(severity: Severity, id: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            severity,
            title: title.into(),
            evidence: Map::new(),
            threshold: String::new(),
            why: String::new(),
            fix: Vec::new(),
            remedies: Vec::new(),
            source: String::new(),
            caused_by: None,
        }
    }

    /// Adds a number or a name that the finding rests on.
    #[must_use]
    pub fn evidence(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.evidence.insert(name.to_owned(), value.into());
        self
    }

    /// Says which limit was crossed.
    #[must_use]
    pub fn threshold(mut self, text: impl Into<String>) -> Self {
        self.threshold = text.into();
        self
    }

    /// Says why it matters.
    #[must_use]
    pub fn why(mut self, text: impl Into<String>) -> Self {
        self.why = text.into();
        self
    }

    /// Adds a command that mends it.
    #[must_use]
    pub fn fix(mut self, command: impl Into<String>) -> Self {
        self.fix.push(command.into());
        self
    }

    /// Says where the fact comes from.
    #[must_use]
    pub fn source(mut self, text: impl Into<String>) -> Self {
        self.source = text.into();
        self
    }
}
