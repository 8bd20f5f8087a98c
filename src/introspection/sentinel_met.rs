//! A Sentinel that was asked where a server was meant: what it watches, and how to name that.

use super::topology::{Mode, ServerFacts};
use crate::connection::Node;
use crate::explain::{Explain, Meaning};
use crate::replies::Watched;

/// A Sentinel, where a server was meant that holds data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{node} is a Sentinel, which holds no data; it watches {}", Watched::words(.groups))]
pub struct SentinelMet {
    /// Where it is.
    node: String,
    /// Its address, as it stands in a URL.
    address: String,
    groups: Vec<Watched>,
}

impl SentinelMet {
    /// Whether what was reached is a Sentinel.
    pub fn of(node: &Node, server: &ServerFacts) -> Option<Self> {
        let met = || Self { node: node.to_string(), address: node.address.to_string(), groups: server.watches.clone() };
        (server.mode == Mode::Sentinel).then(met)
    }

    /// The URL that names the first group, or its form.
    pub fn url(&self) -> String {
        let group = self.groups.first().map_or("NAME", |group| group.name.as_str());
        format!("redis+sentinel://{}/{group}", self.address)
    }
}

impl Explain for SentinelMet {
    fn meaning(&self) -> Meaning {
        Meaning::of("sentinel").hint(format!("`{}` names the primary of the group", self.url()))
    }
}
