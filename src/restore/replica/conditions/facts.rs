//! What is known of a target that may be fed.

use crate::introspection::{Mode, NodeRole};
use crate::restore::facts::TargetFacts;

/// What is known of the target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The server's own version, `(7, 0, 15)`; Valkey's own, too.
    pub version: (u32, u32, u32),
    /// Whether the target is a node of a cluster.
    pub cluster: bool,
    /// Whether the target is a replica.
    pub replica: bool,
    /// Whether a Sentinel watches the target; `None`: the target does not say.
    pub sentinel: Option<bool>,
    /// Replicas of the target.
    pub replicas: usize,
    /// Databases that the target has (`databases`); `None`: the target does not say.
    pub databases: Option<u64>,
    /// Whether the target holds no key in any database, and no function library and no search index that we know of.
    pub empty: bool,
    /// Whether the target may have search indexes, since it does not say.
    pub may_have_indexes: bool,
    /// Whether the target may have functions, since it does not say.
    pub may_have_functions: bool,
    /// Whether we may run `REPLICAOF`; `None`: the target does not say.
    pub may_replicaof: Option<bool>,
    /// Whether the target replicates by TLS, and we have no certificate to show.
    pub lacks_certificate: bool,
    /// Memory of the target and of its host.
    pub memory: Memory,
}

impl Facts {
    /// From what the preflight has asked.
    pub fn of(target: &TargetFacts) -> Self {
        let forbidden = |name: &str| target.forbidden.as_ref().map(|names| names.iter().any(|other| other == name));
        Self {
            version: target.server.version_numbers(),
            cluster: target.server.mode == Mode::Cluster,
            replica: target.server.role == NodeRole::Replica,
            sentinel: target.watched,
            replicas: target.server.replicas.len(),
            databases: target.n_databases,
            // Functions go, too, and what modules keep beside the keys.
            empty: target.keys() == 0
                && target.indexes == 0
                && target.functions.as_ref().is_none_or(|names| names.is_empty()),
            may_have_indexes: target.may_have_indexes,
            may_have_functions: target.functions.is_none(),
            may_replicaof: match target.lacks(&["replicaof"]) {
                Some(_) => Some(false),
                None => forbidden("replicaof").map(|forbidden| !forbidden),
            },
            lacks_certificate: target.lacks_certificate,
            memory: Memory { used: target.server.used_memory, host: target.host_memory },
        }
    }
}

/// Memory of the target, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Bytes that the server uses now (`used_memory`).
    pub used: u64,
    /// What its host has (`total_system_memory`, or a container's limit where it is known).
    pub host: Option<u64>,
}
