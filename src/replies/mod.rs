//! What Redis and Valkey answer, as data: pure parsers of INFO, CLIENT LIST, SLOWLOG and the rest.
//!
//! Nothing here talks to a server. Text replies are parsed from bytes, structured ones from [`Reply`], which `connection`
//! fills in. All parsers are tolerant: what is unknown is kept or skipped, what is missing is `None`, and nothing panics,
//! because fields come and go with every release and forks pin or rename some.

mod acl;
mod client_list;
mod cluster_nodes;
mod cluster_shards;
mod cluster_slots;
mod config;
mod hot_keys;
mod info;
mod latency;
pub(crate) mod metric_names;
mod reply;
mod server_backup;
mod server_log;
mod slot_migration;
mod slot_stats;
mod slowlog;
mod watched;

pub(crate) use crate::slots::{N_SLOTS, Slots, slot_of};
pub(crate) use acl::{AclUser, DeniedAccess};
pub(crate) use client_list::{Client, ClientKind};
pub(crate) use cluster_nodes::ClusterNode;
pub(crate) use cluster_shards::ShardNode;
pub(crate) use cluster_slots::SlotRange;
pub(crate) use config::Config;
pub(crate) use hot_keys::HotKeys;
pub use info::Info;
pub(crate) use info::{CommandStats, Database, ReplicaLine};
pub(crate) use latency::LatencyEvent;
pub use reply::Reply;
pub(crate) use server_backup::ServerBackup;
pub(crate) use server_log::{LogEvent, ServerLog};
pub(crate) use slot_migration::SlotMigration;
pub(crate) use slot_stats::SlotStats;
pub(crate) use slowlog::{LargeEntry, SlowEntry};
pub(crate) use watched::Watched;
