//! Which node is read, and when it is refused.

use std::fmt;

use crate::connection::{Address, CommandError, ConnectError, Connection, Node};
use crate::introspection::{Mode, NodeRole, ServerFacts};
use crate::replies::{Info, ReplicaLine};

/// A replica that was last heard more seconds ago is not fresh. Replicas acknowledge every second.
const FRESH_SECONDS: u64 = 10;

/// Which node is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadFrom {
    /// A fresh replica of the primary, else the primary.
    #[default]
    Auto,
    /// A replica, or nothing.
    Replica,
    /// The primary.
    Primary,
    /// The very node that was named, whatever it is: the question is what *it* holds.
    Itself,
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
}

/// Why no node may be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It does not answer INFO.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// It, or all of its replicas, cannot serve a backup now.
    #[error("{0}")]
    Refused(String),
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
    let reply = connection.query(&redis::cmd("INFO")).await?;
    let text = match &reply {
        redis::Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        redis::Value::VerbatimString { text, .. } | redis::Value::SimpleString(text) => text.clone(),
        _ => String::new(),
    };
    Ok(Info::parse(&text))
}

/// Chooses the node to read: `node` itself, or one of its replicas, which spares the primary the fork.
///
/// # Errors
/// If nobody that is wanted can serve a backup now.
pub async fn choose(node: &Node, read_from: ReadFrom) -> Result<Chosen, SourceError> {
    let mut connection = node.connect().await?;
    let facts = facts(&mut connection).await?;
    refuse(&facts)?;
    drop(connection);

    if matches!(read_from, ReadFrom::Primary | ReadFrom::Itself)
        || facts.role == NodeRole::Replica
        || facts.mode == Mode::Cluster
    {
        if read_from == ReadFrom::Primary && facts.role == NodeRole::Replica {
            return Err(SourceError::Refused(
                "the instance is a replica, and `--read-from primary` was asked".to_owned(),
            ));
        }
        return Ok(Chosen { node: node.clone(), facts, note: None });
    }
    let mut tried = Vec::new();
    for line in &facts.replicas {
        match replica(node, line, &facts).await {
            Ok(chosen) => return Ok(chosen),
            Err(reason) => tried.push(format!("{}:{}: {reason}", line.ip, line.port)),
        }
    }
    let why = if tried.is_empty() { "the primary has no replica".to_owned() } else { tried.join("; ") };
    if read_from == ReadFrom::Replica {
        return Err(SourceError::Refused(format!("no replica can serve a backup: {why}")));
    }
    let note = (!tried.is_empty()).then(|| format!("reading the primary: no replica can serve ({why})"));
    Ok(Chosen { node: node.clone(), facts, note })
}

/// Refuses a server that has no whole data set to give.
fn refuse(facts: &ServerFacts) -> Result<(), SourceError> {
    if facts.mode == Mode::Sentinel {
        return Err(SourceError::Refused(
            "the instance is a Sentinel, which holds no data; name its primary with `redis+sentinel://host,host/service`"
                .to_owned(),
        ));
    }
    if facts.loading {
        return Err(SourceError::Refused("the server is loading its data set; try again when it has ended".to_owned()));
    }
    match &facts.primary {
        Some(link) if link.syncing => Err(SourceError::Refused(
            "the replica is receiving its data set from its primary; try again later".to_owned(),
        )),
        Some(link) if !link.up => Err(SourceError::Refused(format!(
            "the replica has lost its primary {}:{}: its data may be old; read the primary instead",
            link.host, link.port
        ))),
        _ => Ok(()),
    }
}

/// One replica of the primary, if it is fresh and can be reached under the address that the primary knows.
async fn replica(primary: &Node, line: &ReplicaLine, facts: &ServerFacts) -> Result<Chosen, Reason> {
    if line.state != "online" {
        return Err(Reason(format!("is {}", line.state)));
    }
    if line.port == 0 || line.ip.is_empty() {
        return Err(Reason("has no address of its own".to_owned()));
    }
    if let Some(lag) = line.lag.filter(|lag| *lag > FRESH_SECONDS) {
        return Err(Reason(format!("was last heard {lag} s ago")));
    }
    // One attempt: an address behind NAT must not cost the time of three.
    let retry = crate::connection::Retry::never();
    let node = Node { address: Address::tcp(line.ip.clone(), line.port), retry, ..primary.clone() };
    let mut connection = node.connect().await.map_err(|error| Reason(error.to_string()))?;
    let own = self::facts(&mut connection).await.map_err(|error| Reason(error.to_string()))?;
    refuse(&own).map_err(|error| Reason(error.to_string()))?;
    if own.replid != facts.replid {
        return Err(Reason("follows another history than the primary".to_owned()));
    }
    let note = format!("reading the replica {}:{}, to spare its primary the fork", line.ip, line.port);
    Ok(Chosen { node, facts: own, note: Some(note) })
}

struct Reason(String);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
