//! What a server is: name, version, mode, role, and whom it follows or feeds.

use serde::{Deserialize, Serialize};

use crate::figures;
use crate::replies::{Info, ReplicaLine, Watched};

/// How a server is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A single server, perhaps with replicas.
    Standalone,
    /// A node of a cluster.
    Cluster,
    /// A sentinel: it holds no data.
    Sentinel,
}

impl Mode {
    /// The word of the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Cluster => "cluster",
            Self::Sentinel => "sentinel",
        }
    }
}

/// Whether a server takes writes or follows another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    /// INFO says `master`.
    Primary,
    /// INFO says `slave`.
    Replica,
    /// INFO says `sentinel` or nothing.
    Other,
}

impl NodeRole {
    /// The word of the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
            Self::Other => "other",
        }
    }
}

/// What a replica knows of its primary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrimaryLink {
    /// Host of the primary.
    pub host: String,
    /// Port of the primary.
    pub port: u16,
    /// Whether INFO says `master_link_status:up`.
    pub up: bool,
    /// Seconds since the link broke; `None` while it is up, and when it never was (the server says -1).
    pub down_seconds: Option<u64>,
    /// Seconds since the primary was last heard; `None` when it never was.
    pub last_io_seconds: Option<u64>,
    /// A full resync is being loaded.
    pub syncing: bool,
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFacts {
    /// What `server_name` says, else `valkey`, `dragonfly`, `keydb`, `redis-enterprise`, `redis-windows`, `redis`.
    pub name: String,
    /// Its own version: of Valkey not the `redis_version` that it is pinned to (7.2.4).
    pub version: String,
    /// `redis_version`: the compatibility it claims.
    pub redis_version: String,
    /// Changes with every start.
    pub run_id: String,
    /// How it is run.
    pub mode: Mode,
    /// Whether it takes writes.
    pub role: NodeRole,
    /// Kernel and architecture.
    pub os: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Bytes in use by the allocator's account.
    pub used_memory: u64,
    /// Whose allocator it uses, `jemalloc-5.3.0` or `libc`: `mem_allocator` of INFO.
    #[serde(skip)]
    pub allocator: String,
    /// Limit in bytes; 0 is none.
    pub maxmemory: u64,
    /// Eviction policy: `maxmemory_policy` of INFO.
    pub maxmemory_policy: String,
    /// Names of the modules loaded.
    pub modules: Vec<String>,
    /// Whether the server is loading its data set and answers `LOADING`.
    pub loading: bool,
    /// Replication id; empty on a sentinel.
    pub replid: String,
    /// Replication offset: of a replica what it has processed.
    pub repl_offset: u64,
    /// The replicas that are connected to the server.
    #[serde(skip)]
    pub replicas: Vec<ReplicaLine>,
    /// Its primary, if it is a replica.
    pub primary: Option<PrimaryLink>,
    /// What a Sentinel watches.
    #[serde(skip)]
    pub watches: Vec<Watched>,
    /// Keys in all databases.
    pub keys: u64,
}

impl ServerFacts {
    /// Reads them from INFO. What is missing is empty or 0: managed services leave fields out.
    pub fn from_info(info: &Info) -> Self {
        let text = |name| info.get(name).unwrap_or_default().to_owned();
        let number = |name| info.u64(name).unwrap_or(0);
        let redis_version = text("redis_version");
        let valkey = info.text("valkey_version");
        let dragonfly = info.text("dragonfly_version");
        let name = info.text("server_name").unwrap_or_else(|| product(info));
        let role = match info.get("role") {
            // KeyDB: follows others, and takes writes all the same.
            Some("master" | "active-replica") => NodeRole::Primary,
            Some("slave") => NodeRole::Replica,
            _ => NodeRole::Other,
        };
        let offset = match role {
            NodeRole::Replica => info.u64("slave_repl_offset").or(info.u64("master_repl_offset")),
            _ => info.u64("master_repl_offset"),
        };
        Self {
            name: name.to_owned(),
            version: match dragonfly.or(valkey) {
                Some(version) => version.trim_start_matches("df-").trim_start_matches('v').to_owned(),
                None => redis_version.clone(),
            },
            run_id: text("run_id"),
            mode: mode(info),
            role,
            os: text("os"),
            uptime_seconds: number("uptime_in_seconds"),
            used_memory: number("used_memory"),
            allocator: text("mem_allocator"),
            maxmemory: number("maxmemory"),
            maxmemory_policy: text("maxmemory_policy"),
            modules: info.modules().into_iter().map(|(name, _)| name).collect(),
            // Since 7.0 `loading` stays 0 while a replica loads asynchronously and goes on answering.
            loading: info.flag("loading").unwrap_or(false),
            replid: text("master_replid"),
            repl_offset: offset.unwrap_or(0),
            replicas: info.replicas(),
            primary: (role == NodeRole::Replica).then(|| primary_link(info)),
            watches: if mode(info) == Mode::Sentinel { Watched::parse_list(info) } else { Vec::new() },
            keys: figures::sum(info.databases().values().map(|database| database.keys)),
            redis_version,
        }
    }

    /// Valkey or another fork that says so.
    pub fn is_valkey(&self) -> bool {
        self.name == "valkey"
    }

    /// The server's own version as numbers; 0 where it has none.
    pub fn version_numbers(&self) -> (u32, u32, u32) {
        let mut parts = self.version.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }
}

/// What a server is that does not say its name.
fn product(info: &Info) -> &'static str {
    let has = |names: &[&str]| names.iter().any(|name| info.get(name).is_some());
    let zeros = |id: &str| id.len() == 40 && id.bytes().all(|byte| byte == b'0');
    match () {
        () if has(&["valkey_version"]) => "valkey",
        () if has(&["dragonfly_version"]) => "dragonfly",
        () if has(&[
            "mvcc_depth",
            "master_global_link_status",
            "instantaneous_lock_contention",
            "storage_provider_read_hits",
        ]) =>
        {
            "keydb"
        }
        // Its build id has forty digits; those of others have sixteen.
        () if info.get("redis_build_id").is_some_and(zeros) => "redis-enterprise",
        () if info.get("os").is_some_and(|os| os.starts_with("Windows")) => "redis-windows",
        () if info.get("multiplexing_api").is_some_and(|api| api.to_ascii_lowercase().starts_with("winsock")) => {
            "redis-windows"
        }
        () => "redis",
    }
}

fn mode(info: &Info) -> Mode {
    // Valkey 8 has `server_mode` instead of `redis_mode`.
    let mode = info.text("redis_mode").or(info.text("server_mode"));
    match mode {
        Some("cluster") => Mode::Cluster,
        Some("sentinel") => Mode::Sentinel,
        Some(_) => Mode::Standalone,
        None if info.flag("cluster_enabled") == Some(true) => Mode::Cluster,
        None => Mode::Standalone,
    }
}

fn primary_link(info: &Info) -> PrimaryLink {
    let up = info.get("master_link_status") == Some("up");
    PrimaryLink {
        host: info.get("master_host").unwrap_or_default().to_owned(),
        port: info.u64("master_port").and_then(|port| u16::try_from(port).ok()).unwrap_or(0),
        up,
        // Where it never was up, old versions count from 1970: no link can be down for longer than the server is up.
        down_seconds: match info.u64("master_link_down_since_seconds") {
            Some(seconds) if !up => {
                Some(seconds).filter(|seconds| *seconds <= info.u64("uptime_in_seconds").unwrap_or(u64::MAX))
            }
            _ => None,
        },
        last_io_seconds: info.u64("master_last_io_seconds_ago"),
        syncing: info.flag("master_sync_in_progress").unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(name: &str) -> Info {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/info").join(name);
        Info::parse(&std::fs::read_to_string(path).expect("a captured INFO"))
    }

    #[test]
    fn every_version_says_what_it_is() {
        for (file, name, version) in [
            ("redis-6.2.14.txt", "redis", "6.2.14"),
            ("redis-7.0.15.txt", "redis", "7.0.15"),
            ("redis-8.0.6.txt", "redis", "8.0.6"),
            ("valkey-8.0.1.txt", "valkey", "8.0.1"),
            ("valkey-8.1.1.txt", "valkey", "8.1.1"),
            ("valkey-9.1.2.txt", "valkey", "9.1.2"),
        ] {
            let facts = ServerFacts::from_info(&captured(file));
            assert_eq!((facts.name.as_str(), facts.version.as_str()), (name, version));
            assert_eq!((facts.mode, facts.role, facts.keys), (Mode::Standalone, NodeRole::Primary, 6), "{file}");
            assert_eq!(facts.run_id.len(), 40, "{file}");
            assert_eq!(facts.maxmemory_policy, "noeviction", "{file}");
        }
    }

    #[test]
    fn a_replica_says_whom_it_follows() {
        let info = Info::parse(
            "redis_version:7.0.15\nrole:slave\nmaster_host:10.0.0.1\nmaster_port:6379\nmaster_link_status:down\n\
             master_last_io_seconds_ago:-1\nmaster_sync_in_progress:0\nslave_repl_offset:12\nmaster_repl_offset:9\n\
             master_link_down_since_seconds:-1\n",
        );
        let facts = ServerFacts::from_info(&info);
        let link = facts.primary.expect("a replica");
        assert_eq!((link.host.as_str(), link.port, link.up), ("10.0.0.1", 6379, false));
        assert_eq!((link.down_seconds, link.last_io_seconds), (None, None), "-1 is never");
        assert_eq!((facts.role, facts.repl_offset), (NodeRole::Replica, 12));
    }

    #[test]
    fn an_empty_answer_is_no_trouble() {
        let facts = ServerFacts::from_info(&Info::parse(""));
        assert_eq!((facts.role, facts.version_numbers(), facts.primary), (NodeRole::Other, (0, 0, 0), None));
    }
}
