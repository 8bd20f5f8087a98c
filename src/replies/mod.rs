//! What Redis and Valkey answer, as data: pure parsers of INFO, CLIENT LIST, SLOWLOG and the rest.
//!
//! Nothing here talks to a server. Text replies are parsed from bytes, structured ones from [`Reply`], which `connection`
//! fills in. All parsers are tolerant: what is unknown is kept or skipped, what is missing is `None`, and nothing panics,
//! because fields come and go with every release and forks pin or rename some.

mod acl;
mod client_list;
mod cluster_nodes;
mod cluster_slots;
mod config;
mod hot_keys;
mod info;
mod reply;
mod slot_stats;
mod slowlog;

pub use acl::{AclUser, DeniedAccess};
pub use client_list::{Client, ClientKind};
pub use cluster_nodes::ClusterNode;
pub use cluster_slots::SlotRange;
pub use config::{Config, OutputBufferLimit};
pub use hot_keys::HotKeys;
pub use info::{CommandStats, Database, Info, Latencies, ReplicaLine};
pub use reply::Reply;
pub use slot_stats::SlotStats;
pub use slowlog::{LargeEntry, SlowEntry};
