//! The numbers behind the findings, for tables and JSON.

use serde_json::{Map, Value, json};

use crate::introspection::{NodeRole, Snapshot};
use crate::replies::Info;
use crate::rules::Topic;

/// How a value is shown to people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shown {
    /// The value unchanged.
    Plain,
    /// The value unchanged, above the others: it says what they are worth.
    Above,
    /// 0 and 1 as no and yes.
    Flag,
    /// As a size.
    Bytes,
    /// A number with separators: `1,602`.
    Count,
    /// As a share of 1, with a bar.
    Share,
    /// As a share of 1 without a bar.
    Percent,
    /// As a span of time.
    Seconds,
    /// As a time that never was, whatever the value.
    Never,
    /// In milliseconds, from microseconds.
    Micros,
    /// With one decimal, per second.
    Rate,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// Its name in JSON, the server's own word where it has one.
    pub name: &'static str,
    /// Its name in a table; empty: only JSON has it.
    pub label: &'static str,
    /// The value in base units.
    pub value: Value,
    /// How it is shown.
    pub shown: Shown,
}

/// The facts of one topic; those the server does not report are left out.
pub fn facts(snapshot: &Snapshot, topic: Topic) -> Vec<Fact> {
    let mut list = List { snapshot, facts: Vec::new() };
    match topic {
        Topic::Memory => list.memory(),
        Topic::Connections => list.connections(),
        Topic::Keyspace => list.keyspace(),
        Topic::Persistence => list.persistence(),
        Topic::Replication => list.replication(),
        Topic::Security | Topic::Patterns => {}
    }
    list.facts
}

/// The facts as a JSON object.
pub fn object(facts: &[Fact]) -> Map<String, Value> {
    facts.iter().map(|fact| (fact.name.to_owned(), fact.value.clone())).collect()
}

struct List<'a> {
    snapshot: &'a Snapshot,
    facts: Vec<Fact>,
}

impl List<'_> {
    fn info(&self) -> &Info {
        &self.snapshot.info
    }

    fn add(&mut self, name: &'static str, label: &'static str, shown: Shown, value: Option<Value>) {
        if let Some(value) = value {
            self.facts.push(Fact { name, label, value, shown });
        }
    }

    fn number(&mut self, name: &'static str, label: &'static str, shown: Shown) {
        let value = match self.info().u64(name) {
            // A counter that went below zero is no fact (C45).
            Some(below_zero) if i64::try_from(below_zero).is_err() => None,
            Some(number) => Some(number.into()),
            None => self.info().f64(name).map(Value::from),
        };
        self.add(name, label, shown, value);
    }

    fn text(&mut self, name: &'static str, label: &'static str) {
        let value = self.info().text(name).map(Value::from);
        self.add(name, label, Shown::Plain, value);
    }

    fn rate(&mut self, counter: &'static str, name: &'static str, label: &'static str) {
        let rate = self.snapshot.delta(counter).ok().map(|delta| Value::from((delta.rate() * 10.0).round() / 10.0));
        self.add(name, label, Shown::Rate, rate);
    }

    fn memory(&mut self) {
        let limit = self.info().u64("maxmemory").filter(|limit| *limit > 0);
        let usage = limit.and_then(|limit| Some(self.snapshot.memory_against_limit()? as f64 / limit as f64));
        self.number("used_memory", "used", Shown::Bytes);
        self.add("maxmemory", "limit", Shown::Bytes, limit.map(Value::from));
        self.add("used_share", "used / limit", Shown::Share, usage.map(Value::from));
        self.text("maxmemory_policy", "policy");
        self.number("used_memory_rss", "resident", Shown::Bytes);
        self.number("used_memory_peak", "peak", Shown::Bytes);
        self.number("used_memory_dataset", "data", Shown::Bytes);
        self.number("total_system_memory", "machine", Shown::Bytes);
        self.number("mem_fragmentation_ratio", "fragmentation", Shown::Plain);
        let held = self.info().i64("mem_fragmentation_bytes").map(Value::from);
        self.add("mem_fragmentation_bytes", "fragmentation bytes", Shown::Bytes, held);
        self.number("mem_clients_normal", "client buffers", Shown::Bytes);
        self.keys();
        self.rate("evicted_keys", "evicted_per_second", "evicted");
        self.rate("expired_keys", "expired_per_second", "expired");
        self.number("evicted_keys", "evicted since start", Shown::Count);
        self.hit_ratio();
    }

    /// How many keys there are: a text may lack the section that tells it, and 0 would be a lie.
    fn keys(&mut self) -> bool {
        let told = self.info().sections().iter().any(|section| section == "Keyspace")
            || !self.info().databases().is_empty()
            || self.snapshot.keyspace.got().is_some();
        if told {
            let (keys, expires) = self.snapshot.keys_and_expires();
            // Beside the keys that were looked at these are other ones: those that the server counts.
            let label = if self.snapshot.keyspace.got().is_some() { "keys in INFO" } else { "keys" };
            self.add("keys", label, Shown::Count, Some(keys.into()));
            self.add("expires", "with time to live", Shown::Count, Some(expires.into()));
        }
        told
    }

    fn hit_ratio(&mut self) {
        let hits = self.snapshot.delta("keyspace_hits").ok().map(|delta| delta.amount);
        let misses = self.snapshot.delta("keyspace_misses").ok().map(|delta| delta.amount);
        let lookups = hits.zip(misses).map(|(hits, misses)| (hits, hits.saturating_add(misses)));
        let ratio = lookups.filter(|(_, lookups)| *lookups > 0);
        let ratio = ratio.map(|(hits, lookups)| Value::from(hits as f64 / lookups as f64));
        self.add("hit_ratio", "hit ratio", Shown::Percent, ratio);
    }

    fn connections(&mut self) {
        let wire = self.snapshot.wire.got().cloned();
        // A counter that went below zero is no fact.
        let clients = self.info().u64("connected_clients").filter(|clients| *clients < 1 << 31);
        self.add("connected_clients", "clients", Shown::Count, clients.map(Value::from));
        self.number("maxclients", "limit", Shown::Count);
        let share = clients.zip(self.info().u64("maxclients"));
        let share = share.map(|(clients, limit)| Value::from(clients as f64 / limit.max(1) as f64));
        self.add("clients_share", "clients / limit", Shown::Share, share);
        self.number("blocked_clients", "blocked", Shown::Count);
        self.rate("total_connections_received", "connections_per_second", "new connections");
        self.rate("total_commands_processed", "commands_per_second", "commands");
        self.rate("total_error_replies", "errors_per_second", "errors");
        self.number("rejected_connections", "refused since start", Shown::Count);
        if let Some(wire) = wire {
            let micros = |time: Option<u64>| time.map(Value::from);
            self.add("dns_us", "dns", Shown::Micros, micros(wire.dns_us));
            self.add("tcp_us", "tcp", Shown::Micros, micros(wire.tcp_us));
            self.add("tls_us", "tls", Shown::Micros, micros(wire.tls_us));
            self.add("auth_us", "handshake", Shown::Micros, micros(wire.auth_us));
            self.add("ping_p50_us", "ping p50", Shown::Micros, micros(wire.percentile(50.0)));
            self.add("ping_p99_us", "ping p99", Shown::Micros, micros(wire.percentile(99.0)));
            self.add("ping_max_us", "ping max", Shown::Micros, micros(wire.percentile(100.0)));
        }
        let busy = self.snapshot.delta("eventloop_duration_sum").ok();
        let busy = busy.map(|delta| Value::from((delta.amount as f64 / 1e6 / delta.seconds).min(1.0)));
        self.add("event_loop_share", "event loop busy", Shown::Share, busy);
    }

    fn keyspace(&mut self) {
        if let Some(profile) = self.snapshot.keyspace.got() {
            let (seen, basis, bytes) = (profile.seen, profile.confidence(), profile.bytes);
            self.add("looked_at", "looked at", Shown::Above, Some(basis.into()));
            self.add("keys_seen", "", Shown::Count, Some(seen.into()));
            let label = if profile.sizes_are_of_rdb { "memory (estimated)" } else { "memory" };
            self.add("bytes_seen", label, Shown::Bytes, bytes.map(Value::from));
        }
        if !self.info().is_empty() {
            if self.keys() {
                let databases = self.info().databases().len();
                self.add("databases", "databases", Shown::Count, Some(databases.into()));
            }
            self.hit_ratio();
        }
    }

    fn persistence(&mut self) {
        let config = self.snapshot.answers.config.got();
        let setting = |name: &str| config.and_then(|config| config.get(name)).map(Value::from);
        let (save, append) = (setting("save"), setting("appendonly"));
        // By the server's own clock: ours may be wrong, or that of the server.
        let now = self.snapshot.server_seconds();
        let age = self.info().u64("rdb_last_save_time").map(|at| Value::from(now.saturating_sub(at)));
        self.text("rdb_last_bgsave_status", "last save");
        self.add("seconds_since_save", "since last save", Shown::Seconds, age);
        self.number("rdb_changes_since_last_save", "changes since last save", Shown::Count);
        // 0 where nothing was saved since the start.
        let copied = self.info().u64("rdb_last_cow_size").filter(|bytes| *bytes > 0);
        self.add("rdb_last_cow_size", "copied on write", Shown::Bytes, copied.map(Value::from));
        self.add("save", "save", Shown::Plain, save);
        self.add("appendonly", "append-only file", Shown::Plain, append);
        self.number("aof_current_size", "append-only file size", Shown::Bytes);
        self.number("latest_fork_usec", "last fork", Shown::Micros);
        self.number("loading", "loading", Shown::Flag);
    }

    /// -1: there is no link. Only of one that never came up is known that nothing was heard of the primary.
    fn last_heard(&mut self) {
        let never =
            self.snapshot.server.primary.as_ref().is_some_and(|primary| !primary.up && primary.down_seconds.is_none());
        let (label, shown) = match self.info().i64("master_last_io_seconds_ago") {
            Some(-1) if never => ("primary last heard", Shown::Never),
            Some(-1) => ("", Shown::Seconds),
            _ => ("primary last heard", Shown::Seconds),
        };
        self.number("master_last_io_seconds_ago", label, shown);
    }

    fn replication(&mut self) {
        // Other roles, such as a Sentinel's, in the server's own word.
        let role = match self.snapshot.server.role {
            NodeRole::Other => self.info().text("role"),
            role => Some(role.as_str()),
        };
        self.add("role", "role", Shown::Plain, role.map(Value::from));
        self.number("connected_slaves", "replicas", Shown::Count);
        self.text("master_link_status", "link to primary");
        self.last_heard();
        self.number("master_repl_offset", "offset", Shown::Count);
        self.number("repl_backlog_size", "backlog", Shown::Bytes);
        self.rate("master_repl_offset", "replicated_bytes_per_second", "replicated bytes");
        let replicas = self.info().replicas();
        let offset = self.info().u64("master_repl_offset").unwrap_or(0);
        let list: Vec<Value> = replicas
            .iter()
            .map(|replica| {
                let behind = replica.offset.map(|own| offset.saturating_sub(own));
                json!({"address": format!("{}:{}", replica.ip, replica.port), "state": replica.state, "lag": replica.lag, "bytes_behind": behind})
            })
            .collect();
        self.add("replicas", "", Shown::Plain, (!list.is_empty()).then_some(Value::Array(list)));
    }
}
