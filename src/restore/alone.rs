//! One restore into one target at a time: each names its connections before it looks for others, so that of two at least one sees the
//! other.

use std::time::{Duration, Instant};

use crate::connection::{Command, ConnectError, Connection, Node};
use crate::explain::{Explain, Hint, Meaning};

/// How the names of a restore's connections begin; a token of its own follows.
const PREFIX: &str = "redis-ops-restore:";
/// How long another restore that came later may take to see us and to end.
const OTHERS_LEAVE: Duration = Duration::from_secs(3);
/// How often we look whether it has.
const LOOK: Duration = Duration::from_millis(50);
/// What to do about another restore into the same target.
pub(super) const OTHERS_END: &str = "wait until the other restore ends; `CLIENT LIST` on the target shows the connections of restores by their name \
                      (`redis-ops-restore:…`)";

/// The right to restore into a target. Ends when dropped.
#[derive(Debug)]
pub struct Alone {
    /// To each primary of the target.
    _connections: Vec<Connection>,
    name: String,
    is_sure: bool,
}

impl Alone {
    /// What all connections of this restore have to be called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the target has said that no other restore is at work; one that does not list its clients has not.
    pub fn is_sure(&self) -> bool {
        self.is_sure
    }
}

/// Why a restore may not begin.
#[derive(Debug, thiserror::Error)]
pub enum AloneError {
    /// The target cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Another restore is at work.
    #[error("another restore into {target} is running: its connection comes from {address}; nothing was written")]
    Locked {
        /// Name of the target, without secrets.
        target: String,
        /// Where the other one is.
        address: String,
    },
}

impl Explain for AloneError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Connect(error) => error.meaning(),
            Self::Locked { .. } => Meaning::of("locked").hint(Hint::words(OTHERS_END)),
        }
    }
}

/// A connection of another restore, as the target lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Other {
    id: u64,
    address: String,
}

/// Takes a name, and looks for other restores: of two the one with the higher client id ends. One that came later and sees us ends by
/// itself; one that has looked before we had a name does not, and then we do.
///
/// # Errors
/// See [`AloneError`]. A target that does not list its clients cannot be asked: then nobody is in the way.
pub async fn alone(node: &Node) -> Result<Alone, AloneError> {
    let token = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
    let name = format!("{PREFIX}{token:016x}");
    let (mut connections, mut is_sure) = (Vec::new(), true);
    for primary in node.each() {
        let (connection, lists) = alone_at(&primary, &name).await?;
        connections.push(connection);
        is_sure &= lists;
    }
    Ok(Alone { _connections: connections, name, is_sure })
}

/// The connection that holds the name, and whether the target lists its clients.
async fn alone_at(node: &Node, name: &str) -> Result<(Connection, bool), AloneError> {
    let named = Node { client_name: Some(name.to_owned()), ..node.clone() };
    let mut connection = named.connect().await?;
    let begun = Instant::now();
    loop {
        let answer = connection.query(&Command::of(&["CLIENT", "LIST"])).await;
        let Some(text) = answer.ok().and_then(|answer| answer.text()) else { return Ok((connection, false)) };
        let (own, others) = look(&text, name);
        let Some(first) = others.first() else { return Ok((connection, true)) };
        let came_before = own.is_none_or(|own| first.id < own);
        if came_before || begun.elapsed() >= OTHERS_LEAVE {
            return Err(AloneError::Locked { target: node.to_string(), address: first.address.clone() });
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether another restore into a target is at work.
pub(super) enum AtWork {
    Nobody,
    /// Its connection comes from this address.
    From(String),
    /// The target does not list its clients.
    Unknown,
}

/// Looks whether another restore into this target is at work.
pub(super) async fn at_work(connection: &mut Connection) -> AtWork {
    let answer = connection.query(&Command::of(&["CLIENT", "LIST"])).await;
    match answer.ok().and_then(|answer| answer.text()) {
        None => AtWork::Unknown,
        Some(text) => look(&text, "").1.into_iter().next().map_or(AtWork::Nobody, |other| AtWork::From(other.address)),
    }
}

/// Our own lowest id, and the connections of other restores, lowest id first.
fn look(list: &str, name: &str) -> (Option<u64>, Vec<Other>) {
    let (mut own, mut others) = (None::<u64>, Vec::new());
    for line in list.lines() {
        let field = |field: &str| line.split(' ').find_map(|word| word.strip_prefix(field)?.strip_prefix('='));
        let (Some(id), Some(called)) = (field("id").and_then(|id| id.parse().ok()), field("name")) else { continue };
        if called == name {
            own = Some(own.map_or(id, |own| own.min(id)));
        } else if called.starts_with(PREFIX) {
            others.push(Other { id, address: field("addr").unwrap_or("?").to_owned() });
        }
    }
    others.sort_by_key(|other| other.id);
    (own, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_restores_are_found_among_the_clients_by_their_names() {
        let list = "id=7 addr=10.0.0.1:1 laddr=x name=redis-ops-restore:aa db=0\nid=5 addr=10.0.0.2:2 name=redis-ops-restore:bb age=1\n\
                    id=9 addr=10.0.0.1:3 name=redis-ops-restore:aa db=0\nid=3 addr=10.0.0.3:4 name=app db=0\nid=x name=\n";
        let (own, others) = look(list, "redis-ops-restore:aa");
        assert_eq!((own, others), (Some(7), vec![Other { id: 5, address: "10.0.0.2:2".into() }]));
        assert_eq!(look("", "redis-ops-restore:aa"), (None, vec![]));
    }
}
