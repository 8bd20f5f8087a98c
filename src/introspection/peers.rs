//! The other servers of one deployment: what a primary's replicas, a cluster's nodes and the Sentinels say of themselves.

use serde::{Deserialize, Serialize};

use super::gate::{Ask, Gate, Receipt};
use super::part::Part;
use super::question::{Question, ReadOnly};
use crate::explain::Result;
use crate::replies::{ClusterNode, Config, Info, Reply};

/// Groups of one Sentinel whose quorum is asked for.
const GROUPS_ASKED: usize = 100;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// `host:port`, as the server that named it knows it.
    pub address: String,
    /// What it says of itself.
    pub info: Info,
    /// Its setting `save`.
    pub save: Part<String>,
    /// CLUSTER NODES as this server sees it; not asked outside of a cluster.
    pub nodes: Part<Vec<ClusterNode>>,
}

/// The other servers of the deployment: those that answered, and those that could not be asked.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Peers {
    /// The servers that answered.
    pub seen: Vec<Peer>,
    /// Servers that could not be asked, each with the reason.
    pub unreachable: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentinelSeen {
    /// The address, as `host:port`.
    pub address: String,
    /// What it says of itself.
    pub info: Info,
    /// The groups it watches, with what it says of their quorum.
    pub groups: Vec<Quorum>,
}

/// What a Sentinel says of the quorum of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// The group's name.
    pub group: String,
    /// Whether there are enough Sentinels to agree on a failure and to elect who acts.
    pub reached: bool,
    /// Its own words.
    pub says: String,
}

/// Asks another server: INFO, its `save`, and in a cluster how it sees the nodes.
///
/// # Errors
///
/// The connection broke, or INFO is refused.
pub async fn ask_peer(asker: &mut dyn Ask, address: String, in_cluster: bool) -> Result<(Peer, Receipt)> {
    let mut gate = Gate::new(asker);
    let info = gate.info().await?;
    let save = gate.one(ReadOnly::new(&["CONFIG", "GET", "save"])?).await?;
    let save = Part::answered(save).read(|reply| Config::parse(reply).get("save").map(str::to_owned));
    let nodes = if in_cluster { gate.answers(&[Question::Nodes], &info).await?.nodes } else { Part::NotAsked };
    Ok((Peer { address, info, save, nodes }, gate.receipt()))
}

/// Asks a Sentinel about itself and its groups; about one where that is named.
///
/// # Errors
///
/// The connection broke, or INFO is refused.
pub async fn ask_sentinel(
    asker: &mut dyn Ask,
    address: String,
    group: Option<&str>,
) -> Result<(SentinelSeen, Receipt)> {
    let mut gate = Gate::new(asker);
    let info = gate.info().await?;
    let mut groups = Vec::new();
    for name in watched(&info).into_iter().filter(|name| group.is_none_or(|group| group == name)).take(GROUPS_ASKED) {
        let reply = gate.one(ReadOnly::new(&["SENTINEL", "CKQUORUM", &name])?).await?;
        let (reached, says) = match reply {
            Reply::Error(message) => (false, message),
            other => (true, other.text().unwrap_or_default()),
        };
        groups.push(Quorum { group: name, reached, says });
    }
    Ok((SentinelSeen { address, info, groups }, gate.receipt()))
}

/// The groups that a Sentinel's INFO names: `master0:name=mymaster,status=ok,…`.
fn watched(info: &Info) -> Vec<String> {
    let numbered = info.with_prefix("master").filter(|(index, _)| index.parse::<u32>().is_ok());
    numbered
        .filter_map(|(_, value)| value.split(',').find_map(|pair| pair.strip_prefix("name=")).map(str::to_owned))
        .collect()
}
