//! Fields of INFO and their names in redis_exporter: `metrics` writes them, and a pasted scrape is read by them.

use super::Info;

/// Whether it may fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A value that goes up and down.
    Gauge,
    /// Only when the server restarts.
    Counter,
}

/// From here on an unsigned number of 64 bits is one that went below zero.
const BELOW_ZERO: f64 = (1_u64 << 63) as f64;

/// How a field becomes a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// 1 where it is this word.
    Word(&'static str),
    /// INFO's number times this factor.
    Times(f64),
}

impl Scale {
    /// The number of a field; `None` where the server does not report it.
    pub fn of(self, info: &Info, field: &str) -> Option<f64> {
        match self {
            Self::Word(good) => info.get(field).map(|word| f64::from(u8::from(word == good))),
            // A counter that went below zero is no number.
            Self::Times(factor) => info.f64(field).filter(|number| *number < BELOW_ZERO).map(|number| number * factor),
        }
    }

    /// What INFO says where this is the number. A number that is not finite is none.
    pub fn text(self, number: f64) -> Option<String> {
        match self {
            // Of statuses two words are known; a link is up or down.
            Self::Word(good) if number == 1.0 => Some(good.to_owned()),
            Self::Word("up") => Some("down".to_owned()),
            Self::Word(_) => Some("err".to_owned()),
            Self::Times(factor) => plain(number / factor),
        }
    }
}

/// A number as INFO writes it: without an exponent, and without a point where it is whole.
pub fn plain(number: f64) -> Option<String> {
    let whole =
        (number - number.round()).abs() < 1e-6 * number.abs().max(1.0) && number.abs() < 9e15 && number.abs() >= 1.0;
    match () {
        () if !number.is_finite() => None,
        () if whole || number == 0.0 => Some(format!("{}", number.round() as i64)),
        () => Some(format!("{number}")),
    }
}

use Kind::{Counter, Gauge};

const ONE: Scale = Scale::Times(1.0);
const OK: Scale = Scale::Word("ok");

/// Field, name, kind, scale, help.
pub const NAMES: &[(&str, &str, Kind, Scale, &str)] = &[
    ("uptime_in_seconds", "redis_uptime_in_seconds", Gauge, ONE, "Seconds since the start."),
    ("process_id", "redis_process_id", Gauge, ONE, "Process id."),
    ("io_threads_active", "redis_io_threads_active", Gauge, ONE, "Whether I/O threads are active."),
    ("connected_clients", "redis_connected_clients", Gauge, ONE, "Connections of clients."),
    ("maxclients", "redis_config_maxclients", Gauge, ONE, "Limit of connections."),
    ("maxclients", "redis_max_clients", Gauge, ONE, "Limit of connections."),
    ("blocked_clients", "redis_blocked_clients", Gauge, ONE, "Clients that wait for data."),
    ("tracking_clients", "redis_tracking_clients", Gauge, ONE, "Clients that cache."),
    ("pubsub_clients", "redis_pubsub_clients", Gauge, ONE, "Subscribers."),
    ("watching_clients", "redis_watching_clients", Gauge, ONE, "Clients that watch keys."),
    ("clients_in_timeout_table", "redis_clients_in_timeout_table", Gauge, ONE, "Clients that wait with a time limit."),
    ("cluster_connections", "redis_cluster_connections", Gauge, ONE, "Connections of the cluster bus."),
    (
        "client_recent_max_input_buffer",
        "redis_client_recent_max_input_buffer_bytes",
        Gauge,
        ONE,
        "Largest input buffer.",
    ),
    (
        "client_recent_max_output_buffer",
        "redis_client_recent_max_output_buffer_bytes",
        Gauge,
        ONE,
        "Largest output buffer.",
    ),
    ("used_memory", "redis_memory_used_bytes", Gauge, ONE, "Memory allocated by the server (used_memory)."),
    ("used_memory_rss", "redis_memory_used_rss_bytes", Gauge, ONE, "Resident memory."),
    ("used_memory_rss", "redis_ops_memory_used", Gauge, ONE, "The platform's alias of redis_memory_used_rss_bytes."),
    ("used_memory_peak", "redis_memory_used_peak_bytes", Gauge, ONE, "Peak of redis_memory_used_bytes."),
    ("used_memory_lua", "redis_memory_used_lua_bytes", Gauge, ONE, "Memory of Lua."),
    ("used_memory_overhead", "redis_memory_used_overhead_bytes", Gauge, ONE, "Memory that holds no data."),
    ("used_memory_startup", "redis_memory_used_startup_bytes", Gauge, ONE, "Memory at the start."),
    ("used_memory_dataset", "redis_memory_used_dataset_bytes", Gauge, ONE, "Memory of the data."),
    ("used_memory_scripts", "redis_memory_used_scripts_bytes", Gauge, ONE, "Memory of cached scripts."),
    ("number_of_cached_scripts", "redis_number_of_cached_scripts", Gauge, ONE, "Cached scripts."),
    ("maxmemory", "redis_memory_max_bytes", Gauge, ONE, "maxmemory; 0 is no limit."),
    ("total_system_memory", "redis_total_system_memory_bytes", Gauge, ONE, "Memory of the machine."),
    ("mem_fragmentation_ratio", "redis_mem_fragmentation_ratio", Gauge, ONE, "Resident memory divided by used memory."),
    ("mem_fragmentation_bytes", "redis_mem_fragmentation_bytes", Gauge, ONE, "Resident memory minus used memory."),
    ("mem_clients_normal", "redis_mem_clients_normal", Gauge, ONE, "Buffers of clients."),
    ("mem_clients_slaves", "redis_mem_clients_slaves", Gauge, ONE, "Buffers of replicas."),
    (
        "mem_not_counted_for_evict",
        "redis_mem_not_counted_for_eviction_bytes",
        Gauge,
        ONE,
        "Memory that does not count against maxmemory.",
    ),
    (
        "allocator_frag_ratio",
        "redis_allocator_frag_ratio",
        Gauge,
        ONE,
        "Fragmentation inside the allocator, as a ratio.",
    ),
    ("allocator_frag_bytes", "redis_allocator_frag_bytes", Gauge, ONE, "Fragmentation inside the allocator, in bytes."),
    ("allocator_rss_bytes", "redis_allocator_rss_bytes", Gauge, ONE, "Pages the allocator keeps."),
    ("active_defrag_running", "redis_active_defrag_running", Gauge, ONE, "1 if active defragmentation is running."),
    ("lazyfree_pending_objects", "redis_lazyfree_pending_objects", Gauge, ONE, "Objects that wait to be freed."),
    ("loading", "redis_loading_dump_file", Gauge, ONE, "1 if the server is loading its data."),
    ("rdb_changes_since_last_save", "redis_rdb_changes_since_last_save", Gauge, ONE, "Changes since the last save."),
    ("rdb_bgsave_in_progress", "redis_rdb_bgsave_in_progress", Gauge, ONE, "Whether a save runs."),
    (
        "rdb_last_save_time",
        "redis_rdb_last_save_timestamp_seconds",
        Gauge,
        ONE,
        "Unix time of the last successful save.",
    ),
    ("rdb_last_bgsave_status", "redis_rdb_last_bgsave_status", Gauge, OK, "Whether the last save succeeded."),
    ("rdb_last_bgsave_time_sec", "redis_rdb_last_bgsave_duration_sec", Gauge, ONE, "Seconds the last save took."),
    (
        "rdb_current_bgsave_time_sec",
        "redis_rdb_current_bgsave_duration_sec",
        Gauge,
        ONE,
        "Seconds the running save has taken.",
    ),
    ("rdb_last_cow_size", "redis_rdb_last_cow_size_bytes", Gauge, ONE, "Memory copied during the last save."),
    ("aof_enabled", "redis_aof_enabled", Gauge, ONE, "Whether there is an append-only file."),
    (
        "aof_rewrite_in_progress",
        "redis_aof_rewrite_in_progress",
        Gauge,
        ONE,
        "1 if the append-only file is being rewritten.",
    ),
    (
        "aof_last_bgrewrite_status",
        "redis_aof_last_bgrewrite_status",
        Gauge,
        OK,
        "Whether the last rewrite of the append-only file succeeded.",
    ),
    (
        "aof_last_write_status",
        "redis_aof_last_write_status",
        Gauge,
        OK,
        "Whether the last write to the append-only file succeeded.",
    ),
    ("aof_last_cow_size", "redis_aof_last_cow_size_bytes", Gauge, ONE, "Memory copied during the last rewrite."),
    ("aof_current_size", "redis_aof_current_size_bytes", Gauge, ONE, "Size of the append-only file in bytes."),
    (
        "aof_base_size",
        "redis_aof_base_size_bytes",
        Gauge,
        ONE,
        "Size of the append-only file after the last rewrite, in bytes.",
    ),
    ("aof_delayed_fsync", "redis_aof_delayed_fsync", Gauge, ONE, "Writes that waited for the disk."),
    ("total_connections_received", "redis_connections_received_total", Counter, ONE, "Connections."),
    ("total_commands_processed", "redis_commands_processed_total", Counter, ONE, "Commands."),
    ("instantaneous_ops_per_sec", "redis_instantaneous_ops_per_sec", Gauge, ONE, "Commands a second."),
    ("total_net_input_bytes", "redis_net_input_bytes_total", Counter, ONE, "Bytes received."),
    ("total_net_output_bytes", "redis_net_output_bytes_total", Counter, ONE, "Bytes sent."),
    ("rejected_connections", "redis_rejected_connections_total", Counter, ONE, "Connections refused."),
    ("total_error_replies", "redis_total_error_replies", Counter, ONE, "Error replies."),
    ("sync_full", "redis_replica_resyncs_full", Gauge, ONE, "Full resyncs."),
    ("sync_partial_ok", "redis_replica_partial_resync_accepted", Gauge, ONE, "Partial resyncs."),
    ("sync_partial_err", "redis_replica_partial_resync_denied", Gauge, ONE, "Partial resyncs refused."),
    ("expired_keys", "redis_expired_keys_total", Counter, ONE, "Keys expired."),
    (
        "expired_stale_perc",
        "redis_expired_stale_percentage",
        Gauge,
        ONE,
        "Share of keys that have expired and are still there.",
    ),
    (
        "expired_time_cap_reached_count",
        "redis_expired_time_cap_reached_total",
        Counter,
        ONE,
        "Expiry cycles that ran out of time.",
    ),
    ("evicted_keys", "redis_evicted_keys_total", Counter, ONE, "Keys evicted."),
    ("evicted_clients", "redis_evicted_clients_total", Counter, ONE, "Clients evicted."),
    ("keyspace_hits", "redis_keyspace_hits_total", Counter, ONE, "Lookups that found a key."),
    ("keyspace_misses", "redis_keyspace_misses_total", Counter, ONE, "Lookups that found no key."),
    ("pubsub_channels", "redis_pubsub_channels", Gauge, ONE, "Channels."),
    ("pubsub_patterns", "redis_pubsub_patterns", Gauge, ONE, "Pattern subscriptions."),
    ("latest_fork_usec", "redis_latest_fork_seconds", Gauge, Scale::Times(1e-6), "Seconds the last fork took."),
    ("connected_slaves", "redis_connected_slaves", Gauge, ONE, "Replicas."),
    ("master_repl_offset", "redis_master_repl_offset", Gauge, ONE, "Replication offset."),
    ("second_repl_offset", "redis_second_repl_offset", Gauge, ONE, "Offset of the former replication id."),
    ("repl_backlog_active", "redis_repl_backlog_is_active", Gauge, ONE, "Whether there is a backlog."),
    ("repl_backlog_size", "redis_replication_backlog_bytes", Gauge, ONE, "Size of the replication backlog."),
    ("repl_backlog_histlen", "redis_repl_backlog_history_bytes", Gauge, ONE, "Bytes in the replication backlog."),
    ("slave_read_only", "redis_slave_info_read_only", Gauge, ONE, "1 if the replica is read-only."),
    ("used_cpu_sys", "redis_cpu_sys_seconds_total", Counter, ONE, "System time."),
    ("used_cpu_user", "redis_cpu_user_seconds_total", Counter, ONE, "User time."),
    ("used_cpu_sys_children", "redis_cpu_sys_children_seconds_total", Counter, ONE, "System time of children."),
    ("used_cpu_user_children", "redis_cpu_user_children_seconds_total", Counter, ONE, "User time of children."),
    (
        "used_cpu_sys_main_thread",
        "redis_cpu_sys_main_thread_seconds_total",
        Counter,
        ONE,
        "System time of the main thread.",
    ),
    (
        "used_cpu_user_main_thread",
        "redis_cpu_user_main_thread_seconds_total",
        Counter,
        ONE,
        "User time of the main thread.",
    ),
    ("cluster_enabled", "redis_cluster_enabled", Gauge, ONE, "Whether the server is a cluster node."),
    ("maxmemory", "redis_config_maxmemory", Gauge, ONE, "maxmemory; 0 is no limit."),
    ("tracking_total_keys", "redis_tracking_total_keys", Gauge, ONE, "Keys remembered for clients that cache."),
    (
        "tracking_total_items",
        "redis_tracking_total_items",
        Gauge,
        ONE,
        "Keys remembered for clients that cache, counted once for each client.",
    ),
    (
        "tracking_total_prefixes",
        "redis_tracking_total_prefixes",
        Gauge,
        ONE,
        "Prefixes remembered for clients that cache.",
    ),
    ("allocator_active", "redis_allocator_active_bytes", Gauge, ONE, "Pages that the allocator uses."),
    ("allocator_allocated", "redis_allocator_allocated_bytes", Gauge, ONE, "Bytes requested from the allocator."),
    ("allocator_resident", "redis_allocator_resident_bytes", Gauge, ONE, "Pages that the allocator holds."),
    (
        "allocator_muzzy",
        "redis_allocator_muzzy_bytes",
        Gauge,
        ONE,
        "Dirty pages that the allocator returned lazily (muzzy).",
    ),
    ("allocator_rss_ratio", "redis_allocator_rss_ratio", Gauge, ONE, "Pages held divided by pages used."),
    ("rss_overhead_ratio", "redis_rss_overhead_ratio", Gauge, ONE, "Resident memory divided by pages held."),
    ("rss_overhead_bytes", "redis_rss_overhead_bytes", Gauge, ONE, "Resident memory minus pages held."),
    ("active_defrag_hits", "redis_defrag_hits", Gauge, ONE, "Values moved by defragmenting."),
    ("active_defrag_misses", "redis_defrag_misses", Gauge, ONE, "Values looked at and not moved."),
    ("active_defrag_key_hits", "redis_defrag_key_hits", Gauge, ONE, "Keys of which something was moved."),
    ("active_defrag_key_misses", "redis_defrag_key_misses", Gauge, ONE, "Keys looked at and not moved."),
    (
        "repl_backlog_first_byte_offset",
        "redis_repl_backlog_first_byte_offset",
        Gauge,
        ONE,
        "Offset of the first byte in the replication backlog.",
    ),
    ("migrate_cached_sockets", "redis_migrate_cached_sockets_total", Gauge, ONE, "Connections kept for MIGRATE."),
    (
        "slave_expires_tracked_keys",
        "redis_slave_expires_tracked_keys",
        Gauge,
        ONE,
        "Keys with an expiry in a replica that takes writes.",
    ),
    ("evicted_scripts", "redis_evicted_scripts_total", Counter, ONE, "Scripts evicted."),
    ("acl_access_denied_auth", "redis_acl_access_denied_auth_total", Counter, ONE, "Logins refused."),
    ("acl_access_denied_cmd", "redis_acl_access_denied_cmd_total", Counter, ONE, "Commands refused by the ACL."),
    ("acl_access_denied_key", "redis_acl_access_denied_key_total", Counter, ONE, "Keys refused by the ACL."),
    (
        "acl_access_denied_channel",
        "redis_acl_access_denied_channel_total",
        Counter,
        ONE,
        "Channels refused by the ACL.",
    ),
    ("slowlog_commands_count", "redis_slowlog_commands_total", Counter, ONE, "Slow commands (Redis 8.8)."),
    (
        "slowlog_commands_time_ms_sum",
        "redis_slowlog_commands_duration_seconds_total",
        Counter,
        Scale::Times(1e-3),
        "Seconds that slow commands took (Redis 8.8).",
    ),
    ("mem_cluster_links", "redis_mem_cluster_links_bytes", Gauge, ONE, "Buffers of cluster links."),
    (
        "mem_total_replication_buffers",
        "redis_mem_total_replication_buffers_bytes",
        Gauge,
        ONE,
        "Buffers of replicas, the backlog among them.",
    ),
    ("total_forks", "redis_forks_total", Counter, ONE, "Child processes."),
];

/// Of a replica, labelled with its primary: field, name, scale, help.
pub const OF_REPLICAS: &[(&str, &str, Scale, &str)] = &[
    ("master_link_status", "redis_master_link_up", Scale::Word("up"), "Whether the primary is connected."),
    ("master_last_io_seconds_ago", "redis_master_last_io_seconds_ago", ONE, "Seconds since the primary was heard."),
    ("master_sync_in_progress", "redis_master_sync_in_progress", ONE, "1 if a full resync is running."),
    ("slave_repl_offset", "redis_slave_repl_offset", ONE, "Replication offset that the replica has processed."),
    ("slave_priority", "redis_slave_priority", ONE, "Which replica a Sentinel promotes first: the lowest above 0."),
];

/// Of CLUSTER INFO: field, name, kind, help.
pub const OF_CLUSTERS: &[(&str, &str, Kind, &str)] = &[
    ("cluster_slots_assigned", "redis_cluster_slots_assigned", Gauge, "Slots that some node serves."),
    ("cluster_slots_ok", "redis_cluster_slots_ok", Gauge, "Slots of nodes that are up."),
    ("cluster_slots_pfail", "redis_cluster_slots_pfail", Gauge, "Slots of nodes that are suspected to fail."),
    ("cluster_slots_fail", "redis_cluster_slots_fail", Gauge, "Slots of nodes that have failed."),
    ("cluster_known_nodes", "redis_cluster_known_nodes", Gauge, "Nodes."),
    ("cluster_size", "redis_cluster_size", Gauge, "Primaries with slots."),
    ("cluster_current_epoch", "redis_cluster_current_epoch", Gauge, "Epoch of the cluster."),
    ("cluster_my_epoch", "redis_cluster_my_epoch", Gauge, "Epoch of this node."),
    ("cluster_stats_messages_sent", "redis_cluster_messages_sent_total", Counter, "Messages to other nodes."),
    ("cluster_stats_messages_received", "redis_cluster_messages_received_total", Counter, "Messages of other nodes."),
];

/// The field of INFO, or of CLUSTER INFO, that a sample of this name was made from, and how.
pub fn field_of(name: &str) -> Option<(&'static str, Scale)> {
    let plain = NAMES.iter().map(|(field, own, _, scale, _)| (*field, *own, *scale));
    let replicas = OF_REPLICAS.iter().map(|(field, own, scale, _)| (*field, *own, *scale));
    let clusters = OF_CLUSTERS.iter().map(|(field, own, _, _)| (*field, *own, ONE));
    let state = ("cluster_state", "redis_cluster_state", OK);
    let mut all = plain.chain(replicas).chain(clusters).chain([state]);
    all.find(|(_, own, _)| *own == name).map(|(field, _, scale)| (field, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_leads_back_to_its_field() {
        let text = |name: &str, number: f64| {
            let (field, scale) = field_of(name).expect(name);
            format!("{field}:{}", scale.text(number).expect("a number"))
        };
        assert_eq!(text("redis_memory_used_bytes", 4.290772992e9), "used_memory:4290772992");
        assert_eq!(text("redis_rdb_last_bgsave_status", 0.0), "rdb_last_bgsave_status:err");
        assert_eq!(text("redis_master_link_up", 0.0), "master_link_status:down");
        assert_eq!(text("redis_latest_fork_seconds", 0.0123), "latest_fork_usec:12300");
        assert_eq!(text("redis_mem_fragmentation_ratio", 1.03), "mem_fragmentation_ratio:1.03");
        assert_eq!(text("redis_cluster_state", 1.0), "cluster_state:ok");
        assert_eq!((field_of("redis_up").is_none(), plain(f64::NAN)), (true, None));
    }
}
