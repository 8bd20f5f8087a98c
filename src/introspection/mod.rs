//! Asks a server what it is and how it is, with read-only commands, and gives the answers as plain data.
//!
//! [`take`] makes a [`Snapshot`]; the rules judge it. Whatever is sent goes through the [`Gate`], whose list of commands is the
//! only one there is.

mod asking;
mod gate;
mod host;
mod interrupted;
pub mod keyspace;
mod live;
mod part;
mod peers;
mod snapshot;
mod topology;
mod wire;

pub use asking::{Options, Wanted, look_at_keys, take};
pub use gate::{Ask, Gate, NotAllowed, Question, Receipt};
pub use host::HostFacts;
pub use interrupted::{InterruptedRestore, REPLID_MARK};
pub use live::{server_facts, server_info, wire_of};
pub use part::Part;
pub use peers::{Peer, Peers, Quorum, SentinelSeen, ask_peer, ask_sentinel};
pub use snapshot::{Delta, Earlier, Estimate, Path, PrefixesBefore, Snapshot};
pub use topology::{Mode, NodeRole, PrimaryLink, ServerFacts};
pub use wire::Wire;
