//! Finds out whether who connected is the target: it must name the replication id that only the target and we should know, come from
//! its address, and say its port.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::link::Duplex;
use super::request::{Request, Requests};

/// By what the target is known. Its replication id alone is not enough: `INFO` shows it to everybody who may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The `master_replid` that the target asked to continue.
    pub replid: String,
    /// The addresses that it may come from; `None`: any, for it comes another way than we go to it.
    pub addresses: Option<Vec<IpAddr>>,
    /// The ports that it may give as its own (`REPLCONF listening-port`); `None`: any.
    pub ports: Option<Vec<u16>>,
}

impl Caller {
    /// Whether it may come from this address.
    pub(super) fn may_come_from(&self, address: IpAddr) -> bool {
        let same = |other: &IpAddr| other.to_canonical() == address.to_canonical();
        self.addresses.as_ref().is_none_or(|addresses| addresses.iter().any(same))
    }
}

pub(super) enum Greeted {
    /// The target, and what it has sent beyond its greeting.
    Target(Requests),
    /// A caller that knows the target's replication id, and is not known to be the target.
    NotWhereItIs,
    /// A caller that is not the target.
    Stranger,
}

/// Answers the greeting of a replica until its `PSYNC`, and goes on only if that names the target's replication id, and the rest fits.
///
/// A target that was a primary offers to continue its own history, so it asks `PSYNC <its master_replid> <its offset + 1>`
/// (Redis 4.0+, `replicationCacheMasterUsingMyself`). Whoever asks for anything else is a stranger: they saw `+PONG` and `+OK` at
/// most. A first word that no replica says is not answered at all.
///
/// # Errors
/// The connection broke or ended.
pub(super) async fn recognise(stream: &mut dyn Duplex, peer: IpAddr, caller: &Caller) -> io::Result<Greeted> {
    let mut requests = Requests::default();
    let mut bytes = [0; 4096];
    let mut port = None;
    loop {
        // Whoever sends nonsense is not answered.
        while let Some(request) = requests.next().map_err(io::Error::other)? {
            match request {
                Request::Ping => stream.write_all(b"+PONG\r\n").await?,
                // The target sends its `masterauth`. Any is right: we let nobody in by it.
                Request::Auth => stream.write_all(b"+OK\r\n").await?,
                Request::Options { listening_port } => {
                    port = listening_port.or(port);
                    stream.write_all(b"+OK\r\n").await?;
                }
                Request::Psync { replid } if replid == caller.replid => {
                    let is_its = |ports: &Vec<u16>| port.is_some_and(|port| ports.contains(&port));
                    let fits = caller.may_come_from(peer) && caller.ports.as_ref().is_none_or(is_its);
                    return Ok(if fits { Greeted::Target(requests) } else { Greeted::NotWhereItIs });
                }
                Request::Psync { .. } | Request::Ack(_) | Request::Other => return Ok(Greeted::Stranger),
            }
        }
        stream.flush().await?;
        let length = stream.read(&mut bytes).await?;
        if length == 0 {
            return Ok(Greeted::Stranger);
        }
        requests.push(&bytes[..length]);
    }
}
