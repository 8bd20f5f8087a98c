//! Which node is read, and when it is refused.

use std::fmt;
use std::time::Duration;

use super::slots::{self, N_SLOTS, Slots};
use super::tail::NoBarrier;
use crate::connection::{Address, Command, CommandError, CommandFault, ConnectError, Connection, Node, Retry};
use crate::explain::{Explain, Hint, Meaning};
use crate::figures::count;
use crate::introspection::{Cluster, ClusterShard, Member, Mode, NodeRole, SentinelMet, ServerFacts, Topology};
use crate::replies::{Info, ReplicaLine};

/// A replica that was last heard more seconds ago is not fresh. Replicas acknowledge every second.
const FRESH_SECONDS: u64 = 10;

/// What servers use where nobody has set `repl-timeout`.
const DEFAULT_REPL_TIMEOUT: Duration = Duration::from_secs(60);

/// Which node is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadFrom {
    /// A fresh replica of the primary, else the primary.
    #[default]
    Auto,
    /// A replica, or nothing.
    Replica,
    Primary,
    /// The very node that was named, whatever it is: the question is what *it* holds.
    Itself,
}

/// What is wanted of the node that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    pub read_from: ReadFrom,
    /// A replica that has lost its primary will do.
    pub stale: bool,
    /// A node of a cluster will do that serves a part of the slots.
    pub shard_only: bool,
}

impl From<ReadFrom> for Wanted {
    fn from(read_from: ReadFrom) -> Self {
        Self { read_from, ..Self::default() }
    }
}

/// A node that may be read.
#[derive(Debug)]
pub struct Chosen {
    /// How to reach it.
    pub node: Node,
    /// What it says of itself.
    pub facts: ServerFacts,
    /// Why this one, where that is worth a sentence.
    pub note: Option<String>,
    /// Whether the node is a replica that has lost its primary: its data may be old, and it replicates to nobody.
    pub is_stale: bool,
    /// The slots that it serves; `None` outside of a cluster, and where [`ReadFrom::Itself`] was wanted.
    pub slots: Option<Slots>,
}

impl Chosen {
    fn of(node: &Node, facts: ServerFacts) -> Self {
        Self { node: node.clone(), facts, note: None, is_stale: false, slots: None }
    }

    /// In words: that it holds a part of the cluster only. `None` where it holds all there is.
    pub fn part(&self) -> Option<String> {
        let slots = self.slots.as_ref().filter(|slots| !slots.is_all())?;
        let (some, all) = (count(slots.count()), count(N_SLOTS));
        Some(format!("one shard of a cluster only: {some} of {all} slots ({slots})"))
    }
}

/// Why no node may be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The node cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The node does not answer INFO.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The node is a Sentinel.
    #[error(transparent)]
    Sentinel(#[from] SentinelMet),
    /// The node, or all of its replicas, cannot serve a backup now.
    #[error("{0}")]
    Refused(String),
    /// The node is a replica whose primary is gone.
    #[error("the replica's link to its primary {primary} is down: its data may be old{}", if *.serves { "" } else { ", and the replica does not serve its data (`replica-serve-stale-data no`)" })]
    PrimaryLost {
        /// Address of the primary.
        primary: String,
        /// Whether it answers questions about its data meanwhile.
        serves: bool,
    },
    /// Some slots of the cluster are served by nobody.
    #[error("{} of {} slots of the cluster have no node that serves them ({slots}): a backup would not contain their keys", count(slots.count()), count(N_SLOTS))]
    Uncovered {
        /// The slots that nobody serves.
        slots: Slots,
    },
    /// Slots of the cluster are on their way from one node to another.
    #[error(
        "slots of the cluster are being moved between its nodes ({slots}): their keys could be in the backup twice, or not at all"
    )]
    Moving {
        /// The slots that are on the move.
        slots: Slots,
    },
    /// Whether slots are on their way cannot be found out: our user may not ask.
    #[error("could not tell whether slots of the cluster are being moved between its nodes: {0}")]
    MayNotAsk(CommandError),
    /// No node of a shard can be read, or none that is wanted.
    #[error("no {of} of the shard with the slots {slots} can be read: {tried}")]
    NoNode {
        /// The slots of the shard.
        slots: Slots,
        /// Each node and why it cannot be read.
        tried: String,
        /// `node`, or `replica` where no other was wanted.
        of: &'static str,
    },
    /// The slots belong to other nodes than before.
    #[error(
        "slots of the cluster were moved between its nodes during the backup: keys could be in the backup twice, or not at all"
    )]
    Moved,
    /// A barrier over all shards was asked for, and cannot be had.
    #[error("the shards of the cluster cannot be held at one moment: {0}")]
    Barrier(#[from] NoBarrier),
    /// The node is one of several nodes of a cluster.
    #[error("{node} serves only {} of {} slots: its backup would not contain the rest of the cluster", count(*.slots), count(N_SLOTS))]
    OneShard {
        node: String,
        /// How many slots it serves.
        slots: u64,
    },
}

impl Explain for SourceError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Connect(error) => error.meaning(),
            Self::Command(error) => error.meaning(),
            Self::Sentinel(met) => met.meaning(),
            Self::Refused(_) => Meaning::of("source_not_fit"),
            Self::PrimaryLost { serves: true, .. } => Meaning::of("source_not_fit").hint(Hint::ReadStale),
            Self::PrimaryLost { serves: false, .. } => Meaning::of("source_not_fit").hint(
                "if the primary is gone for good, `REPLICAOF NO ONE` on the replica makes it a primary that can be backed up",
            ),
            Self::Uncovered { .. } => Meaning::of("cluster_down").hint(Hint::AllowGaps),
            Self::Moving { .. } => Meaning::of("slots_moving").hint(Hint::WaitForSlots),
            Self::MayNotAsk(error) => may_not_ask(error),
            Self::NoNode { of: "replica", .. } => Meaning::of("source_not_fit").hint(Hint::ReadAnyNode),
            Self::NoNode { .. } => Meaning::of("source_not_fit").hint(Hint::GapsAnyway),
            Self::Moved => Meaning::of("slots_moving").hint(Hint::WaitForSlots),
            Self::Barrier(why) => why.meaning(),
            Self::OneShard { .. } => Meaning::of("one_shard").hint(Hint::ShardByShard),
        }
    }
}

/// The right that is missing first, and what does without it.
fn may_not_ask(error: &CommandError) -> Meaning {
    let meaning = error.meaning();
    match meaning.hint.clone() {
        Some(hint) => meaning.hint(hint.and(Hint::GapsAnyway)),
        None => meaning.hint(Hint::GapsAnyway),
    }
}

/// What a server says of itself. A server that is loading answers as well.
///
/// # Errors
/// If it does not answer INFO.
pub async fn facts(connection: &mut Connection) -> Result<ServerFacts, CommandError> {
    Ok(ServerFacts::from_info(&info(connection).await?))
}

/// INFO, parsed.
///
/// # Errors
/// If it is not answered.
pub async fn info(connection: &mut Connection) -> Result<Info, CommandError> {
    let answer = connection.query(&Command::new("INFO")).await?;
    Ok(Info::from_bytes(answer.bytes().unwrap_or_default()))
}

/// For how long a server keeps a replica that takes nothing (`repl-timeout`); its default where it does not say.
pub async fn repl_timeout(node: &Node) -> Duration {
    asked_repl_timeout(node).await.filter(|time| !time.is_zero()).unwrap_or(DEFAULT_REPL_TIMEOUT)
}

async fn asked_repl_timeout(node: &Node) -> Option<Duration> {
    let mut connection = node.connect().await.ok()?;
    // Managed services let nobody ask.
    let answer = connection.query(&Command::of(&["CONFIG", "GET", "repl-timeout"])).await.ok()?;
    u64::try_from(answer.field("repl-timeout")?.integer()?).ok().map(Duration::from_secs)
}

/// Chooses the node to read: `node` itself, or one of its replicas, which spares the primary the fork.
///
/// # Errors
/// If nobody that is wanted can serve a backup now.
pub async fn choose(node: &Node, wanted: impl Into<Wanted>) -> Result<Chosen, SourceError> {
    let (facts, connection) = meet(node).await?;
    choose_met(node, facts, connection, wanted.into()).await
}

/// What an address leads to: one server to read, or a cluster to read shard by shard.
pub enum Found {
    /// One server holds all that is wanted; what stands behind the address that was named.
    One(Box<Chosen>, Topology),
    /// Several nodes together hold it.
    Cluster(Cluster),
}

/// Finds out what is to be read behind an address: the node itself or one of its replicas, as [`choose`] does; or a cluster of
/// several shards, whichever of its nodes was named.
///
/// # Errors
/// As [`choose`].
pub async fn find(node: &Node, wanted: Wanted) -> Result<Found, SourceError> {
    let (facts, mut connection) = meet(node).await?;
    match Topology::of(node, &facts, &mut connection).await? {
        Topology::Cluster(cluster) if cluster.shards.len() > 1 && !wanted.shard_only => Ok(Found::Cluster(cluster)),
        topology => Ok(Found::One(Box::new(choose_met(node, facts, connection, wanted).await?), topology)),
    }
}

async fn meet(node: &Node) -> Result<(ServerFacts, Connection), SourceError> {
    let mut connection = node.connect().await?;
    let facts = facts(&mut connection).await?;
    match SentinelMet::of(node, &facts) {
        Some(met) => Err(met.into()),
        None => Ok((facts, connection)),
    }
}

async fn choose_met(
    node: &Node,
    facts: ServerFacts,
    mut connection: Connection,
    wanted: Wanted,
) -> Result<Chosen, SourceError> {
    let read_from = wanted.read_from;
    refuse(&facts)?;
    if let Some(link) = facts.primary.as_ref().filter(|link| !link.up) {
        let serves = serves_data(&mut connection).await;
        if !wanted.stale || !serves {
            return Err(SourceError::PrimaryLost { primary: format!("{}:{}", link.host, link.port), serves });
        }
        // Nobody can tell an empty data set from one that never arrived: the link may never have been up.
        if facts.keys == 0 {
            let words = format!(
                "the replica has lost its primary {}:{} and has no keys: there is nothing to back up, or the data of the primary never arrived",
                link.host, link.port
            );
            return Err(SourceError::Refused(words));
        }
        let note = format!(
            "the replica has lost its primary {}:{}: reading the replica key by key, its data may be old",
            link.host, link.port
        );
        return whole(Chosen { note: Some(note), is_stale: true, ..Chosen::of(node, facts) }, connection, wanted).await;
    }

    if matches!(read_from, ReadFrom::Primary | ReadFrom::Itself)
        || facts.role == NodeRole::Replica
        || facts.mode == Mode::Cluster
    {
        if read_from == ReadFrom::Primary && facts.role == NodeRole::Replica {
            return Err(SourceError::Refused(
                "the instance is a replica, but `--read-from primary` was given".to_owned(),
            ));
        }
        return whole(Chosen::of(node, facts), connection, wanted).await;
    }
    drop(connection);
    let (mut tried, mut has_server) = (Vec::new(), false);
    for line in &facts.replicas {
        // What has no address is no server: another backup, mostly.
        has_server |= line.port != 0 && !line.ip.is_empty();
        match replica(node, line, &facts).await {
            Ok(chosen) => return Ok(chosen),
            Err(reason) => tried.push(format!("{}:{}: {reason}", line.ip, line.port)),
        }
    }
    let why = if tried.is_empty() { "the primary has no replica".to_owned() } else { tried.join("; ") };
    if read_from == ReadFrom::Replica {
        return Err(SourceError::Refused(format!("no replica can serve a backup: {why}")));
    }
    let note = has_server.then(|| format!("reading the primary: no replica is ready ({why})"));
    Ok(Chosen { note, ..Chosen::of(node, facts) })
}

/// Finds out what part of its cluster the node holds, and refuses one that does not hold all of it, unless that is wanted.
async fn whole(chosen: Chosen, mut connection: Connection, wanted: Wanted) -> Result<Chosen, SourceError> {
    if chosen.facts.mode != Mode::Cluster || wanted.read_from == ReadFrom::Itself {
        return Ok(chosen);
    }
    let slots = slots::slots_of(&mut connection).await?;
    if !slots.is_all() && !wanted.shard_only {
        return Err(SourceError::OneShard { node: chosen.node.to_string(), slots: slots.count() });
    }
    Ok(Chosen { slots: Some(slots), ..chosen })
}

/// Whether a replica without its primary answers questions about its data (`replica-serve-stale-data`).
async fn serves_data(connection: &mut Connection) -> bool {
    let answer = connection.query(&Command::new("DBSIZE")).await;
    !matches!(answer, Err(CommandError { fault: CommandFault::MasterDown, .. }))
}

/// Refuses a server that has no whole data set to give.
fn refuse(facts: &ServerFacts) -> Result<(), SourceError> {
    if facts.loading {
        return Err(SourceError::Refused("the server is loading its data set; try again when it is done".to_owned()));
    }
    match &facts.primary {
        Some(link) if link.syncing => Err(SourceError::Refused(
            "the replica is receiving its data set from its primary; try again later".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// A replica of the primary, if it is fresh and can be reached under the address that the primary knows.
async fn replica(primary: &Node, line: &ReplicaLine, facts: &ServerFacts) -> Result<Chosen, Reason> {
    if line.state != "online" {
        return Err(Reason(format!("not ready (state `{}`)", line.state)));
    }
    if line.port == 0 || line.ip.is_empty() {
        return Err(Reason("has no address of its own".to_owned()));
    }
    if let Some(lag) = line.lag.filter(|lag| *lag > FRESH_SECONDS) {
        return Err(Reason(format!("was last heard {lag} s ago")));
    }
    // One attempt: an address behind NAT must not cost the time of three.
    let retry = Retry::never();
    let node = Node { name: primary.name.clone(), retry, ..primary.beside(&line.ip, line.port) };
    let mut connection = node.connect().await.map_err(|error| Reason(error.to_string()))?;
    let own = self::facts(&mut connection).await.map_err(|error| Reason(error.to_string()))?;
    refuse(&own).map_err(|error| Reason(error.to_string()))?;
    if own.primary.as_ref().is_some_and(|link| !link.up) {
        return Err(Reason("has lost its primary".to_owned()));
    }
    if own.replid != facts.replid {
        return Err(Reason("has a different replication history than the primary".to_owned()));
    }
    let note = format!("reading the replica {}:{}, so that the primary does not have to fork", line.ip, line.port);
    Ok(Chosen { note: Some(note), ..Chosen::of(&node, own) })
}

/// Chooses the node of a shard that is read: a fresh replica, which spares the primary the fork, else the primary; why is in
/// [`Chosen::note`]. `avoid`: members that have failed us, which are taken only where nobody else will do.
///
/// # Errors
/// [`SourceError::NoNode`]: none of its members that are wanted can serve a backup now, and why each cannot.
pub async fn choose_in(shard: &ClusterShard, read_from: ReadFrom, avoid: &[Address]) -> Result<Chosen, SourceError> {
    let (mut tried, mut put_off) = (Vec::new(), Vec::new());
    let primary = member(&shard.primary).await;
    if read_from != ReadFrom::Primary {
        for replica in &shard.replicas {
            match fresh(replica, primary.as_ref().ok()).await {
                Ok(chosen) if avoid.contains(&replica.node.address) => put_off.push(chosen),
                Ok(chosen) => return Ok(chosen),
                Err(Reason(why)) => tried.push(format!("{}: {why}", replica.node.address)),
            }
        }
    }
    if read_from != ReadFrom::Replica {
        match primary {
            Ok(facts) if facts.role == NodeRole::Primary => {
                let note = match tried.as_slice() {
                    [] if shard.replicas.is_empty() => "its primary, which has no replica".to_owned(),
                    [] => "its primary".to_owned(),
                    tried => format!("its primary: no replica is ready ({})", tried.join("; ")),
                };
                let chosen = Chosen { note: Some(note), ..Chosen::of(&shard.primary.node, facts) };
                match avoid.contains(&shard.primary.node.address) {
                    true => put_off.push(chosen),
                    false => return Ok(chosen),
                }
            }
            Ok(_) => tried.push(format!("{}: is not a primary any more", shard.primary.node.address)),
            Err(Reason(why)) => tried.push(format!("{}: {why}", shard.primary.node.address)),
        }
    }
    put_off.into_iter().next().ok_or_else(|| SourceError::NoNode {
        slots: shard.slots.clone(),
        tried: if tried.is_empty() { "it has none".to_owned() } else { tried.join("; ") },
        of: if read_from == ReadFrom::Replica { "replica" } else { "node" },
    })
}

/// What a member says of itself, if it has a whole data set to give.
async fn member(member: &Member) -> Result<ServerFacts, Reason> {
    // One attempt: an address behind NAT must not cost the time of three.
    let node = Node { retry: Retry::never(), ..member.node.clone() };
    let reason = |error: &dyn fmt::Display| Reason(error.to_string());
    let mut connection = node.connect().await.map_err(|error| reason(&error.fault))?;
    let facts = facts(&mut connection).await.map_err(|error| reason(&error))?;
    refuse(&facts).map_err(|error| reason(&error))?;
    Ok(facts)
}

/// A replica of a shard, if it is as far as its primary but for some seconds.
async fn fresh(replica: &Member, primary: Option<&ServerFacts>) -> Result<Chosen, Reason> {
    if replica.is_lost {
        return Err(Reason("the cluster says that it has failed".to_owned()));
    }
    let own = member(replica).await?;
    let Some(link) = &own.primary else { return Err(Reason("is not a replica any more".to_owned())) };
    if !link.up {
        return Err(Reason("has lost its primary".to_owned()));
    }
    if let Some(lag) = link.last_io_seconds.filter(|lag| *lag > FRESH_SECONDS) {
        return Err(Reason(format!("has last heard its primary {lag} s ago")));
    }
    if primary.is_some_and(|primary| primary.replid != own.replid) {
        return Err(Reason("has a different replication history than its primary".to_owned()));
    }
    let note = "a replica, so that the primary does not have to fork".to_owned();
    Ok(Chosen { note: Some(note), ..Chosen::of(&replica.node, own) })
}

struct Reason(String);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
