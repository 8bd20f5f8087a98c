//! Asks a server what it is and how it is, with read-only commands, and gives the answers as plain data.
//!
//! [`take`] makes a [`Snapshot`]; the rules judge it, and each says which [`Question`]s it needs answered. Whatever is sent goes
//! through the [`Gate`], and only a [`ReadOnly`] command does.

mod again;
mod asking;
mod deployment;
mod gate;
mod held;
mod host;
mod interrupted;
pub(crate) mod keyspace;
mod left_behind;
mod live;
mod ours;
mod pace;
mod part;
mod peers;
mod question;
pub(crate) mod record;
mod sentinel_met;
mod snapshot;
mod topology;
mod wire;

pub(crate) use again::{COMMANDS_OF_A_LOOK, Looks};
pub(crate) use asking::{Options, look_at_keys, take};
pub(crate) use deployment::{Cluster, ClusterShard, Member, Moving, Topology};
pub(crate) use gate::Receipt;
pub(crate) use held::held_writes;
pub(crate) use host::{HostFacts, waiting_at};
pub(crate) use interrupted::{InterruptedRestore, REPLID_MARK};
pub(crate) use left_behind::{LeftBehind, answers};
pub(crate) use live::wire_of;
pub(crate) use ours::Ours;
pub(crate) use pace::{Pace, Paced};
pub(crate) use part::Part;
pub(crate) use peers::{Peer, Peers, SentinelSeen, ask_peer, ask_sentinel};
pub(crate) use question::Question;
pub(crate) use record::{Change, Primary, Record, Recorded, Running};
pub(crate) use sentinel_met::SentinelMet;
pub(crate) use snapshot::{Delta, Earlier, Estimate, Path, PrefixesBefore, Snapshot};
pub use topology::ServerFacts;
pub(crate) use topology::{Mode, NodeRole};
#[cfg(test)]
pub(crate) use {peers::Quorum, question::Answers, wire::Wire};
