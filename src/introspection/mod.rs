//! Asks a server what it is and how it is, with read-only commands, and gives the answers as plain data.
//!
//! [`take`] makes a [`Snapshot`]; the rules judge it, and each says which [`Question`]s it needs answered. Whatever is sent goes
//! through the [`Gate`], and only a [`ReadOnly`] command does.

mod asking;
mod gate;
mod host;
mod interrupted;
pub mod keyspace;
mod live;
mod part;
mod peers;
mod question;
mod snapshot;
mod topology;
mod wire;

pub use asking::{Options, look_at_keys, take};
pub use gate::{Ask, Gate, Receipt};
pub use host::HostFacts;
pub use interrupted::{InterruptedRestore, REPLID_MARK};
pub use live::{server_facts, server_info, wire_of};
pub use part::Part;
pub use peers::{Peer, Peers, Quorum, SentinelSeen, ask_peer, ask_sentinel};
pub use question::{Answers, NotAllowed, Question, ReadOnly};
pub use snapshot::{Delta, Earlier, Estimate, Path, PrefixesBefore, Snapshot};
pub use topology::{Mode, NodeRole, PrimaryLink, ServerFacts};
pub use wire::Wire;
