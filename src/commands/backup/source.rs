//! What a backup of a server reads: one node, or a node of each shard of a cluster.

use std::time::Duration;

use super::Shards;
use crate::backup::cluster::Prepared;
use crate::backup::{self, Method};
use crate::capture::source::{self, Chosen, Found, SourceError, Wanted};
use crate::connection::Node;
use crate::introspection::Topology;
use crate::printer::Printer;
use crate::progress::Voice;

/// What is read: one node, or a node of each shard of a cluster.
pub(super) enum Source {
    One(Box<Chosen>, Topology),
    Cluster(Box<Prepared>),
}

/// Finds out what is to be read, and waits for slots that are on the move, unless only a plan is wanted.
pub(super) async fn find(
    node: &Node,
    wanted: Wanted,
    shards: Shards,
    method: Method,
    (encrypted, only_plan): (bool, bool),
    voice: &dyn Voice,
) -> Result<Source, SourceError> {
    let cluster = match source::find(node, wanted).await? {
        Found::One(chosen, topology) => return Ok(Source::One(chosen, topology)),
        Found::Cluster(cluster) => cluster,
    };
    let settings = backup::cluster::Settings {
        read_from: wanted.read_from,
        parallel: shards.parallel,
        retries: shards.retries,
        wait: if only_plan { Duration::ZERO } else { shards.wait },
        allow_gaps: shards.allow_gaps,
        consistent: shards.consistent,
        tail_limit: shards.tail_limit,
        by_key: method == Method::Scan,
        encrypted,
    };
    Ok(Source::Cluster(Box::new(backup::cluster::prepare(node, cluster, settings, voice).await?)))
}

impl Source {
    /// What stands behind the address: `standalone`, `replication`, `sentinel` or `cluster`.
    pub(super) fn topology(&self) -> &'static str {
        match self {
            Self::One(_, topology) => topology.as_str(),
            Self::Cluster(_) => "cluster",
        }
    }

    /// Every node that is read; those of a cluster with the words for their shard.
    pub(super) fn nodes(&self) -> Box<dyn Iterator<Item = (Option<String>, &Chosen)> + '_> {
        match self {
            Self::One(chosen, _) => Box::new(std::iter::once((None, &**chosen))),
            Self::Cluster(_) => {
                let named = |(index, (slots, chosen))| (Some(format!("shard {index} (slots {slots})")), chosen);
                Box::new(self.shards().into_iter().enumerate().map(named))
            }
        }
    }

    /// The shards of a cluster, with the node of each that is read; none of a single server.
    pub(super) fn shards(&self) -> Vec<(String, &Chosen)> {
        match self {
            Self::One(..) => Vec::new(),
            Self::Cluster(prepared) => {
                let slots = prepared.cluster.shards.iter().map(|shard| shard.slots.to_string());
                slots.zip(&prepared.chosen).collect()
            }
        }
    }

    /// Says which nodes are read, where that is worth a sentence.
    pub(super) fn say(&self, printer: &Printer) {
        match self {
            Self::One(chosen, _) => {
                let facts = &chosen.facts;
                let role = facts.role.as_str();
                tracing::info!("reading from {}: {} {} as {role}", chosen.node, facts.name, facts.version);
                if let Some(note) = &chosen.note {
                    printer.say(note);
                }
            }
            Self::Cluster(prepared) => {
                printer.say(&prepared.in_words());
                for (index, (shard, chosen)) in prepared.cluster.shards.iter().zip(&prepared.chosen).enumerate() {
                    let why = chosen.note.as_deref().unwrap_or_default();
                    tracing::info!("shard {index} (slots {}): reading {}: {why}", shard.slots, chosen.node);
                }
            }
        }
    }
}
