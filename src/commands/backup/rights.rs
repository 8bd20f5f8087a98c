//! What a user lacks for a backup: all of it at once, by each way that the data could be read.

use std::collections::BTreeSet;

use crate::explain::{Explain, Hint, Meaning};

/// Why the server cannot be read by replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoReplication {
    /// It was not asked for.
    NotWanted,
    /// These ACL rules are missing.
    Rules(Vec<String>),
    /// The server gives its data set to nobody, in words.
    Other(String),
}

/// A user who may not read the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.in_words())]
pub(super) struct Missing {
    pub(super) user: String,
    pub(super) replication: NoReplication,
    /// ACL rules that are missing to read the server key by key. Empty: that was not asked for.
    pub(super) by_key: Vec<String>,
}

impl Missing {
    fn in_words(&self) -> String {
        let Self { user, replication, by_key } = self;
        let by_key = match by_key.is_empty() {
            true => None,
            false => Some(format!("to read the server key by key (missing: {})", listed(by_key))),
        };
        match (replication, by_key) {
            (NoReplication::Rules(rules), None) => no_resync(user, rules),
            (NoReplication::Rules(rules), Some(by_key)) => format!("{}, and none {by_key}", no_resync(user, rules)),
            (NoReplication::Other(why), Some(by_key)) => {
                format!("{why}, and the user `{user}` has no permission {by_key}")
            }
            (NoReplication::Other(why), None) => why.clone(),
            (NoReplication::NotWanted, by_key) => {
                format!("the user `{user}` has no permission {}", by_key.unwrap_or_default())
            }
        }
    }
}

impl Explain for Missing {
    fn meaning(&self) -> Meaning {
        let line = |rules: &[String]| format!("{} {}", self.user, rules.join(" "));
        let replication = match &self.replication {
            NoReplication::Rules(rules) => Some(line(rules)),
            _ => None,
        };
        let by_key = (!self.by_key.is_empty()).then(|| line(&self.by_key));
        Meaning::of("permission_denied").hint(Hint::GrantBackup { replication, by_key })
    }
}

/// That a user may not replicate, and which ACL rules are missing for it.
pub(super) fn no_resync(user: &str, rules: &[String]) -> String {
    format!("the user `{user}` has no permission for a full resync (missing: {})", listed(rules))
}

fn listed(rules: &[String]) -> String {
    rules.iter().map(|rule| format!("`{rule}`")).collect::<Vec<_>>().join(" ")
}

/// Each rule once, in the order in which they were found.
pub(super) fn each_once(rules: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    rules.into_iter().filter(|rule| seen.insert(rule.clone())).collect()
}
