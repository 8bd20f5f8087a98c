//! What a person pasted: whatever INFO, CLIENT LIST, SLOWLOG, a log went through on the way here, it is read into the same plain
//! data that a look at a live server gives.
//!
//! First what the text came in is taken off ([`unwrap`], [`line`]), then each line is recognised by itself ([`reading`]), so that a
//! text may begin and end anywhere, hold several answers, and those of several servers. What nobody understood is counted and said.

mod alone;
mod answer;
mod exposition;
mod field;
mod flat;
mod known;
mod line;
mod literal;
mod markup;
mod numbered;
mod raw;
mod reading;
mod resp;
mod server;
mod unwrap;

use chrono::{DateTime, Utc};

use crate::explain::{Explain, Meaning};
use crate::introspection::{Part, Peer, Peers, Snapshot};

pub use reading::NotUnderstood;
use reading::Reading;
use server::Draft;
pub use unwrap::LIMIT;

/// Servers of one text that are told apart.
const MOST_SERVERS: usize = 16;

/// What a text held.
#[derive(Debug, Clone, PartialEq)]
pub struct Pasted {
    /// The servers in it, in order; one at least.
    pub servers: Vec<Server>,
    pub not_understood: NotUnderstood,
    /// Lines that were understood.
    pub understood: usize,
}

/// A server in a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Where it is, if the text tells.
    pub address: Option<String>,
    pub snapshot: Snapshot,
    /// What was read of it: `INFO (memory)`, `CLIENT LIST of 40`.
    pub read: Vec<String>,
}

/// A text of which nothing can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// More than is held in memory for it.
    #[error("the text is longer than {} MiB", unwrap::LIMIT >> 20)]
    TooLong,
    /// No line in it is one of a server's answers.
    #[error(
        "the text contains nothing that is known: no INFO, CLIENT LIST, SLOWLOG, CLUSTER INFO or NODES, no settings, no server log"
    )]
    NothingKnown,
}

impl Explain for Unreadable {
    fn meaning(&self) -> Meaning {
        match self {
            Self::TooLong => Meaning::of("too_long").unknown().hint("the last lines are enough: `tail -n 100000`"),
            Self::NothingKnown => Meaning::of("not_info").unknown(),
        }
    }
}

/// Reads a text, or several that belong together. `now` stands for the moment it was taken at, where it does not say.
///
/// # Errors
///
/// It is too long, or nothing in it was understood.
pub fn read<B: AsRef<[u8]>>(texts: &[B], now: DateTime<Utc>) -> Result<Pasted, Unreadable> {
    // What is in several files was pasted together: an INFO in one and the connections in another are of one server.
    let texts = texts.iter().map(|text| unwrap::text(text.as_ref())).collect::<Result<Vec<_>, _>>()?;
    let text = texts.join("\n\n");
    if text.len() as u64 > LIMIT {
        return Err(Unreadable::TooLong);
    }
    let Reading { drafts, mentioned, not_understood, understood, .. } = Reading::of(&text);
    let drafts: Vec<Draft> = drafts.into_iter().filter(|draft| !draft.is_blank()).take(MOST_SERVERS).collect();
    if drafts.is_empty() {
        return Err(Unreadable::NothingKnown);
    }
    Ok(Pasted { servers: servers(&drafts, mentioned.as_deref(), now), not_understood, understood })
}

/// Two readings of one server are one server, at two moments.
fn servers(drafts: &[Draft], mentioned: Option<&str>, now: DateTime<Utc>) -> Vec<Server> {
    let mut servers = Vec::new();
    for (at, draft) in drafts.iter().enumerate() {
        if drafts[at + 1..].iter().any(|later| draft.is_followed_by(later)) {
            continue;
        }
        let earlier = drafts[..at].iter().rev().find(|earlier| earlier.is_followed_by(draft));
        servers.push(Server {
            address: draft.address.clone(),
            snapshot: draft.snapshot(earlier, mentioned, now),
            read: draft.said(),
        });
    }
    know_each_other(&mut servers);
    servers
}

/// What was pasted together belongs together: each server is another's peer.
fn know_each_other(servers: &mut [Server]) {
    let peer = |(at, server): (usize, &Server)| Peer {
        address: server.address.clone().unwrap_or_else(|| format!("server {}", at + 1)),
        info: server.snapshot.info.clone(),
        save: Part::NotAsked,
        nodes: server.snapshot.answers.nodes.clone(),
    };
    let peers: Vec<Peer> = servers.iter().enumerate().map(peer).collect();
    if peers.len() < 2 {
        return;
    }
    for (at, server) in servers.iter_mut().enumerate() {
        let others = peers.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, peer)| peer.clone());
        server.snapshot.peers = Part::Got(Peers { seen: others.collect(), unreachable: Vec::new() });
    }
}

#[cfg(test)]
mod tests;
