//! What stands behind one address: a server alone, a primary with replicas, servers that Sentinels watch, or a cluster with its shards.

use std::collections::{BTreeMap, BTreeSet};

use super::{Mode, ServerFacts};
use crate::connection::{Address, Command, CommandError, CommandFault, Connection, Node};
use crate::replies::{ClusterNode, ShardNode, SlotMigration, SlotRange, Slots};

/// What stands behind the address of a server.
#[derive(Debug, Clone, PartialEq)]
pub enum Topology {
    /// One server, which nobody follows.
    Standalone,
    /// A primary and its replicas, named by one of them.
    Replication,
    /// The same, named by Sentinels.
    Sentinel,
    /// Several nodes that share the slots of a cluster.
    Cluster(Cluster),
}

impl Topology {
    /// Finds out what stands behind a server that is connected and has said what it is.
    ///
    /// # Errors
    /// A node of a cluster does not say how its cluster looks.
    pub async fn of(node: &Node, facts: &ServerFacts, connection: &mut Connection) -> Result<Self, CommandError> {
        Ok(match (facts.mode, &node.address) {
            (Mode::Cluster, _) => Self::Cluster(Cluster::seen_by(node, connection).await?),
            (_, Address::Sentinel { .. }) => Self::Sentinel,
            _ if facts.primary.is_some() || facts.replicas.iter().any(|replica| replica.port != 0) => Self::Replication,
            _ => Self::Standalone,
        })
    }

    /// The word for JSON answers.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Replication => "replication",
            Self::Sentinel => "sentinel",
            Self::Cluster(_) => "cluster",
        }
    }
}

/// A cluster, as one of its nodes sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// The shards that serve slots, in the order of their first slot.
    pub shards: Vec<ClusterShard>,
}

/// A primary with slots, and the replicas that follow it.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterShard {
    /// The slots that it serves; slots on the move belong to the node that still answers for them.
    pub slots: Slots,
    pub primary: Member,
    pub replicas: Vec<Member>,
}

/// A node of a cluster, and how it is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its 40 hexadecimal digits.
    pub id: String,
    /// Reached as the node that was asked is: with its credentials, TLS and time limits.
    pub node: Node,
    /// The name or address of the machine, as the cluster announces it: what two members on one machine have in common.
    pub host: String,
    /// The name that it announces (`cluster-announce-hostname`); empty for none.
    pub hostname: String,
    /// Its port for TLS, where it names one.
    pub tls_port: Option<u16>,
    /// The cluster says that it has failed, or nobody knows where it is.
    pub is_lost: bool,
}

impl Cluster {
    /// How each primary that serves slots is reached, in the order of the shards.
    pub fn primaries(&self) -> Vec<Node> {
        self.shards.iter().map(|shard| shard.primary.node.clone()).collect()
    }

    /// Asks a node for the nodes (`CLUSTER NODES`), and how clients reach them (`CLUSTER SHARDS` from 7.0 on, else `CLUSTER SLOTS`).
    ///
    /// # Errors
    /// The connection broke, or the node refuses `CLUSTER NODES`.
    pub async fn seen_by(node: &Node, connection: &mut Connection) -> Result<Self, CommandError> {
        let nodes = match connection.query(&Command::of(&["CLUSTER", "NODES"])).await {
            Err(CommandError { command, fault: CommandFault::NoPermission { rule, text } }) => {
                let rule = all_missing(connection, rule).await;
                return Err(CommandError { command, fault: CommandFault::NoPermission { rule, text } });
            }
            nodes => nodes?,
        };
        let ways = [Command::of(&["CLUSTER", "SHARDS"]), Command::of(&["CLUSTER", "SLOTS"])];
        let mut ways = connection.pipeline(&ways).await?.into_iter().map(Result::ok);
        let (shards, slots) = (ways.next().flatten(), ways.next().flatten());
        let shards = shards.map(|reply| ShardNode::parse_list(&reply)).unwrap_or_default();
        let slots = slots.and_then(|reply| SlotRange::parse_list(&reply)).unwrap_or_default();
        let nodes = ClusterNode::parse_list(nodes.bytes().unwrap_or_default());
        Ok(Self::of(node, &nodes, &shards, &slots))
    }

    fn of(asked: &Node, nodes: &[ClusterNode], shards: &[ShardNode], ranges: &[SlotRange]) -> Self {
        let ways: BTreeMap<&str, &ShardNode> = shards.iter().map(|shard| (shard.id.as_str(), shard)).collect();
        let endpoints: BTreeMap<&str, &SlotRange> = ranges.iter().map(|range| (range.id.as_str(), range)).collect();
        let member = |seen: &ClusterNode| {
            let way = ways.get(seen.id.as_str());
            let with_tls = asked.tls.is_some();
            let port = way.and_then(|way| if with_tls { way.tls_port } else { way.port }).unwrap_or(seen.port);
            let endpoint =
                way.map(|way| way.endpoint.as_str()).or(endpoints.get(seen.id.as_str()).map(|at| at.host.as_str()));
            let known = endpoint.filter(|endpoint| !matches!(*endpoint, "" | "?")).unwrap_or(seen.host.as_str());
            let node = match seen.is("myself") && known.is_empty() {
                // A node that does not know its own address is the one that was asked.
                true => Node { name: asked.address.to_string(), ..asked.clone() },
                false => asked.beside(known, port),
            };
            Member {
                id: seen.id.clone(),
                node,
                host: if seen.host.is_empty() { known.to_owned() } else { seen.host.clone() },
                hostname: seen.hostname.clone(),
                tls_port: way.and_then(|way| way.tls_port),
                is_lost: seen.is_lost() || way.is_some_and(|way| way.health == "failed"),
            }
        };
        let serving = nodes.iter().filter(|node| !node.slots.is_empty());
        let mut shards: Vec<ClusterShard> = serving
            .map(|primary| ClusterShard {
                slots: Slots::of(primary.slots.clone()),
                primary: member(primary),
                replicas: nodes
                    .iter()
                    .filter(|node| node.primary.as_ref() == Some(&primary.id) && !node.is("handshake"))
                    .map(member)
                    .collect(),
            })
            .collect();
        shards.sort_by(|one, other| one.slots.cmp(&other.slots));
        Self { shards }
    }

    /// The slots that some node serves.
    pub fn slots(&self) -> Slots {
        Slots::of(self.shards.iter().flat_map(|shard| shard.slots.ranges().to_vec()).collect())
    }

    /// Which slots go together: what has to be the same before and after a backup. A failover changes nothing of it.
    pub fn partition(&self) -> Vec<&Slots> {
        self.shards.iter().map(|shard| &shard.slots).collect()
    }

    /// All members, the primary of each shard first.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.shards.iter().flat_map(|shard| std::iter::once(&shard.primary).chain(&shard.replicas))
    }

    /// The slots that are on the move now, as the primaries tell of themselves: by marks (`[93->-…]`), or as a whole (`CLUSTER MIGRATION
    /// STATUS` of Redis 8.4, `CLUSTER GETSLOTMIGRATIONS` of Valkey 9.0). A primary that cannot be reached tells nothing.
    pub async fn moving(&self) -> Moving {
        let mut moving = BTreeSet::new();
        let mut hidden = None;
        for shard in &self.shards {
            match moving_at(&shard.primary.node).await {
                Ok((slots, forbidden)) => {
                    moving.extend(slots);
                    hidden = hidden.or(forbidden);
                }
                Err(error) => tracing::debug!("cannot ask {} for slots on the move: {error}", shard.primary.node),
            }
        }
        Moving { slots: Slots::of(moving.into_iter().collect()), hidden }
    }
}

/// The rules that a user lacks who may not ask for the nodes: all of them at once, so that nobody adds one after the other.
async fn all_missing(connection: &mut Connection, first: String) -> String {
    let questions = [
        Command::of(&["CLUSTER", "SHARDS"]),
        Command::of(&["CLUSTER", "SLOTS"]),
        Command::of(&["CLUSTER", "MIGRATION", "STATUS", "ALL"]),
        Command::of(&["CLUSTER", "GETSLOTMIGRATIONS"]),
    ];
    let answers = connection.pipeline(&questions).await.unwrap_or_default();
    let mut rules = vec![first];
    for (question, answer) in questions.iter().zip(answers) {
        if let Err(error) = answer
            && let CommandFault::NoPermission { rule, .. } = error.fault(&question.name())
            && !rules.contains(&rule)
        {
            rules.push(rule);
        }
    }
    rules.join(" ")
}

/// The slots that are on the move.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Moving {
    pub slots: Slots,
    /// The question that a primary does not answer to our user: then there may be others.
    pub hidden: Option<CommandError>,
}

async fn moving_at(node: &Node) -> Result<(Vec<(u16, u16)>, Option<CommandError>), String> {
    let mut connection = node.connect().await.map_err(|error| error.to_string())?;
    let questions = [
        Command::of(&["CLUSTER", "NODES"]),
        Command::of(&["CLUSTER", "MIGRATION", "STATUS", "ALL"]),
        Command::of(&["CLUSTER", "GETSLOTMIGRATIONS"]),
    ];
    let answers = connection.pipeline(&questions).await.map_err(|error| error.to_string())?;
    let mut moving = Vec::new();
    if let Some(Ok(nodes)) = answers.first() {
        let nodes = ClusterNode::parse_list(nodes.bytes().unwrap_or_default());
        let marks = nodes.iter().filter(|node| node.is("myself")).flat_map(|node| &node.marks);
        moving.extend(marks.map(|slot| (*slot, *slot)));
    }
    let mut hidden = None;
    for (question, answer) in questions.iter().zip(&answers) {
        // A server that knows no such command has no such migration; one that forbids it may have some.
        if let Err(error) = answer
            && let fault @ CommandFault::NoPermission { .. } = error.fault(&question.name())
        {
            hidden = hidden.or(Some(CommandError { command: question.name(), fault }));
        }
    }
    for answer in answers.iter().skip(1).flatten() {
        let under_way = SlotMigration::parse_list(answer).into_iter().filter(|migration| !migration.has_ended());
        moving.extend(under_way.flat_map(|migration| ranges(&migration.slots)));
    }
    Ok((moving, hidden))
}

/// `0-100 200`, as both servers write it.
fn ranges(text: &str) -> Vec<(u16, u16)> {
    let range = |word: &str| {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    text.split([' ', ',']).filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(text: &str, shards: &[ShardNode], ranges: &[SlotRange]) -> Cluster {
        let asked = Node::new(Address::tcp("10.0.0.9", 7009));
        Cluster::of(&asked, &ClusterNode::parse_list(text.as_bytes()), shards, ranges)
    }

    #[test]
    fn shards_stand_in_the_order_of_their_slots_with_those_that_follow() {
        let text = "aa 10.0.0.1:7000@17000 master - 0 0 1 connected 5461-16383\n\
                    bb :7001@17001 myself,master - 0 0 2 connected 0-5460 [93->-aa]\n\
                    cc 10.0.0.2:7002@17002,c.example slave,fail aa 0 0 1 connected\n\
                    dd 10.0.0.3:7003@17003 master - 0 0 3 connected\n";
        let found = cluster(text, &[], &[]);
        assert_eq!(found.partition().iter().map(ToString::to_string).collect::<Vec<_>>(), ["0-5460", "5461-16383"]);
        assert!(found.slots().is_all());
        let addresses: Vec<String> = found.members().map(|member| member.node.address.to_string()).collect();
        assert_eq!(
            addresses,
            ["10.0.0.9:7009", "10.0.0.1:7000", "10.0.0.2:7002"],
            "who does not know itself was asked"
        );
        let lost: Vec<bool> = found.members().map(|member| member.is_lost).collect();
        assert_eq!(lost, [false, false, true]);
        assert_eq!(found.shards[1].replicas[0].hostname, "c.example");
    }

    #[test]
    fn a_node_is_reached_where_the_cluster_says_that_clients_should() {
        let text = "aa 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383\n";
        let shard = |endpoint: &str| ShardNode {
            id: "aa".to_owned(),
            endpoint: endpoint.to_owned(),
            port: Some(7000),
            tls_port: Some(7443),
            health: "online".to_owned(),
        };
        let at = |shards: &[ShardNode]| cluster(text, shards, &[]).shards[0].primary.node.address.to_string();
        assert_eq!(at(&[shard("a.example")]), "a.example:7000");
        assert_eq!(at(&[shard("?")]), "10.0.0.1:7000");
        assert_eq!(at(&[]), "10.0.0.1:7000");
    }

    #[test]
    fn slots_of_a_migration_are_read_as_both_servers_write_them() {
        assert_eq!(ranges("0-100 200"), [(0, 100), (200, 200)]);
        assert_eq!(ranges("5,7-9"), [(5, 5), (7, 9)]);
        assert!(ranges("").is_empty());
    }
}
