//! Asks the other servers of the deployment: replicas, the primary, the nodes of a cluster, the Sentinels.
//!
//! The other servers are reached as the one that was named: with its user, and over TLS if that is. A server that cannot be reached is
//! named, and the
//! rules that need it say so.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::connection::{Address, Credentials, Node, Retry};
use crate::explain::{Context as _, Failure, Result};
use crate::introspection::{Mode, Part, Peer, Peers, Receipt, SentinelSeen, Snapshot, ask_peer, ask_sentinel};
use crate::rules::Topic;

/// Servers asked at most; a cluster of a thousand nodes is judged by the first of them.
const ASKED: usize = 64;
/// How long one of them may take: it is a courtesy of its, and the person on call waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks them as far as the topics need it, and puts what they say into the snapshot.
pub async fn ask(node: &Node, topics: &[Topic], snapshot: &mut Snapshot) {
    let in_cluster = snapshot.server.mode == Mode::Cluster;
    let wanted = topics.contains(&Topic::Replication) || (in_cluster && topics.contains(&Topic::Keyspace));
    if wanted && snapshot.server.mode != Mode::Sentinel {
        let places = places(snapshot);
        let (peers, receipts) = all(node, places, in_cluster).await;
        receipts.into_iter().for_each(|receipt| snapshot.receipt.add(receipt));
        snapshot.peers = Part::Got(peers);
    }
    if topics.contains(&Topic::Replication) {
        snapshot.sentinels = sentinels(node, snapshot).await;
    }
}

/// Where the others are, as the server knows them; without itself.
fn places(snapshot: &Snapshot) -> Vec<(String, u16)> {
    if snapshot.server.mode == Mode::Cluster {
        let nodes = snapshot.answers.nodes.got().map_or(&[][..], Vec::as_slice);
        let living = nodes.iter().filter(|other| !other.is("myself") && !other.is_lost() && other.port != 0);
        return living.map(|other| (other.host.clone(), other.port)).take(ASKED).collect();
    }
    match &snapshot.server.primary {
        Some(link) => vec![(link.host.clone(), link.port)],
        // Whoever takes a backup is in the list, too, and listens nowhere.
        None => snapshot
            .server
            .replicas
            .iter()
            .filter(|line| line.port != 0)
            .map(|line| (line.ip.clone(), line.port))
            .take(ASKED)
            .collect(),
    }
}

async fn all(node: &Node, places: Vec<(String, u16)>, in_cluster: bool) -> (Peers, Vec<Receipt>) {
    let mut asking = JoinSet::new();
    for (host, port) in places {
        let address = Address::tcp(host, port);
        let name = address.to_string();
        // One attempt: what is down is a finding of its own.
        let other = Node { name: name.clone(), address, database: 0, retry: Retry::never(), ..node.clone() };
        asking.spawn(async move {
            let asked = tokio::time::timeout(PATIENCE, ask_one(other, name.clone(), in_cluster)).await;
            let asked = asked.unwrap_or_else(|_| {
                Err(Failure::new("timeout", format!("no answer within {} s", PATIENCE.as_secs())).into())
            });
            (name, asked)
        });
    }
    let (mut peers, mut receipts) = (Peers::default(), Vec::new());
    while let Some(joined) = asking.join_next().await {
        match joined {
            Ok((_, Ok((peer, receipt)))) => {
                peers.seen.push(peer);
                receipts.push(receipt);
            }
            Ok((name, Err(error))) => peers.unreachable.push((name, format!("{error:#}"))),
            Err(error) => tracing::warn!("another server was not asked: {error}"),
        }
    }
    // They answer in any order; a report has one.
    peers.seen.sort_by(|a, b| a.address.cmp(&b.address));
    peers.unreachable.sort();
    (peers, receipts)
}

async fn ask_one(node: Node, name: String, in_cluster: bool) -> Result<(Peer, Receipt)> {
    let mut connection = node.connect_even_while_loading().await?;
    ask_peer(&mut connection, name, in_cluster).await.context("cannot ask the server")
}

/// What the Sentinels say: the one that was named, or those that were asked for the primary's address.
async fn sentinels(node: &Node, snapshot: &mut Snapshot) -> Part<Vec<SentinelSeen>> {
    let (hosts, service) = match &node.address {
        Address::Sentinel { hosts, service } => (hosts.clone(), Some(service.as_str())),
        _ if snapshot.server.mode == Mode::Sentinel => (Vec::new(), None),
        _ => return Part::NotAsked,
    };
    let mut nodes: Vec<Node> =
        hosts.into_iter().take(ASKED).map(|(host, port)| node.sentinel_at(&host, port)).collect();
    if nodes.is_empty() {
        nodes.push(node.clone());
    }
    let (mut seen, mut refused) = (Vec::new(), Vec::new());
    for node in nodes {
        match tokio::time::timeout(PATIENCE, sentinel(&node, service)).await {
            Ok(Ok((sentinel, receipt))) => {
                snapshot.receipt.add(receipt);
                seen.push(sentinel);
            }
            Ok(Err(error)) => refused.push(format!("{}: {error:#}", node.address)),
            Err(_) => refused.push(format!("{}: no answer within {} s", node.address, PATIENCE.as_secs())),
        }
    }
    if seen.is_empty() { Part::Denied(refused.join("; ")) } else { Part::Got(seen) }
}

async fn sentinel(node: &Node, service: Option<&str>) -> Result<(SentinelSeen, Receipt)> {
    let connected = match node.connect().await {
        // Most Sentinels have no password of their own: the one that is meant for the server is then left out.
        Err(error) if node.sentinel.is_none() && node.credentials != Credentials::default() => {
            let open = Node { credentials: Credentials::default(), ..node.clone() };
            open.connect().await.map_err(|_| error)
        }
        connected => connected,
    };
    ask_sentinel(&mut connected?, node.address.to_string(), service).await
}
