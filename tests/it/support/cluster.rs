//! Real clusters on loopback: primaries, each with a replica, under ports of their own.
//!
//! ```ignore
//! let Some(cluster) = Cluster::start(&installed, &[]) else { return };     // 3 primaries, 3 replicas
//! cluster.fill(600);                                                       // keys in every shard
//! cluster.primary(0).ok(&["SET", …]); cluster.replica(0).url();
//! ```

use super::redis_server::{Installed, RedisServer, free_port, servers};

/// The slots of three shards.
pub const RANGES: [(u16, u16); 3] = [(0, 5460), (5461, 10922), (10923, 16383)];

/// The function library that [`Cluster::load_function`] loads.
pub const FUNCTION: &str = "#!lua name=mine\nredis.register_function('mine', function() return 1 end)";

/// A cluster of three primaries and a replica of each. Killed when dropped.
pub struct Cluster {
    nodes: Vec<RedisServer>,
}

/// One of each kind whose bus can be told where to listen (7.0): the oldest and the newest Redis, and the newest Valkey.
pub fn kinds() -> Vec<Installed> {
    servers()
        .into_iter()
        .filter(|installed| ["7.0", "8.10", "valkey-server-9"].iter().any(|kind| installed.is(kind)))
        .collect()
}

/// The newest of [`kinds`], for what does not depend on the server.
pub fn any_kind() -> Option<Installed> {
    kinds().into_iter().find(|installed| installed.is("8.10"))
}

impl Cluster {
    /// Three primaries and three replicas of one version, with more settings for each node. Nobody calls a node failed within ten minutes.
    pub fn start(installed: &Installed, settings: &[(&str, &str)]) -> Option<Self> {
        Self::of(&[installed, installed, installed], true, settings)
    }

    /// A shard of each of these versions, with or without a replica.
    pub fn of(versions: &[&Installed], replicas: bool, settings: &[(&str, &str)]) -> Option<Self> {
        let mut busses = Vec::new();
        let mut start = |installed: &Installed| {
            let builder = || {
                let builder = RedisServer::builder().version(installed).arg("cluster-enabled", "yes");
                let builder = builder.arg("cluster-node-timeout", "600000");
                settings.iter().fold(builder, |builder, (name, value)| builder.arg(name, value))
            };
            if !installed.is("6.2") {
                let bus = free_port().to_string();
                let server = builder().arg("cluster-port", &bus).start();
                busses.push(bus);
                return server;
            }
            // Before 7.0 nodes talk to each other at a port that is 10,000 higher, which may not exist or be taken.
            let server = (0..20).find_map(|_| {
                let server = builder().start()?;
                (server.port() < 55_000 && server.ok(&["CLUSTER", "INFO"]).contains("cluster_state")).then_some(server)
            })?;
            busses.push((server.port() + 10_000).to_string());
            Some(server)
        };
        let mut nodes = versions.iter().map(|installed| start(installed)).collect::<Option<Vec<_>>>()?;
        let n = nodes.len();
        if replicas {
            for installed in versions {
                nodes.push(start(installed)?);
            }
        }
        let slots = |index: usize| (16384 * index / n, 16384 * (index + 1) / n - 1);
        for (index, node) in nodes.iter().take(n).enumerate() {
            let (first, last) = if n == 3 { (RANGES[index].0.into(), RANGES[index].1.into()) } else { slots(index) };
            let slots: Vec<String> = (first..=last).map(|slot| slot.to_string()).collect();
            node.ok(&["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str)).collect::<Vec<_>>());
            node.ok(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
        }
        for (node, bus) in nodes.iter().zip(&busses).skip(1) {
            let port = node.port().to_string();
            let words = ["CLUSTER", "MEET", "127.0.0.1", &port, bus];
            nodes[0].ok(&words[..if versions.iter().any(|installed| installed.is("6.2")) { 4 } else { 5 }]);
        }
        let all = nodes.len();
        for node in &nodes {
            node.wait_for("everybody is known", |node| {
                let text = node.ok(&["CLUSTER", "NODES"]);
                text.lines().count() == all && !text.contains("handshake")
            });
        }
        for index in n..all {
            let id = nodes[index - n].ok(&["CLUSTER", "MYID"]);
            nodes[index].wait_for("it follows", |node| node.cli(&["CLUSTER", "REPLICATE", &id]) == "OK");
        }
        let cluster = Self { nodes };
        cluster.wait_until_whole(n);
        Some(cluster)
    }

    fn wait_until_whole(&self, n: usize) {
        for (index, node) in self.nodes.iter().enumerate() {
            node.wait_for("the cluster is whole", |node| {
                node.ok(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
                    && node.ok(&["CLUSTER", "NODES"]).matches("slave").count() == self.nodes.len() - n
            });
            if index >= n {
                node.wait_for("it is in sync", |node| node.info("master_link_status") == "up");
            }
        }
    }

    /// The primary of a shard.
    pub fn primary(&self, shard: usize) -> &RedisServer {
        &self.nodes[shard]
    }

    pub fn primary_mut(&mut self, shard: usize) -> &mut RedisServer {
        &mut self.nodes[shard]
    }

    /// The replica of a shard, in a cluster of three.
    pub fn replica(&self, shard: usize) -> &RedisServer {
        &self.nodes[3 + shard]
    }

    /// The servers, primaries first, for whoever keeps them.
    pub fn into_nodes(self) -> Vec<RedisServer> {
        self.nodes
    }

    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The node that serves a key, among the first `n`.
    fn owner(&self, key: &str) -> &RedisServer {
        let owns = |node: &&RedisServer| !node.cli(&["EXISTS", key]).starts_with("MOVED");
        self.nodes.iter().find(owns).expect("a node serves it")
    }

    /// Asks the node that serves a key.
    pub fn ok(&self, key: &str, command: &[&str]) -> String {
        self.owner(key).ok(command)
    }

    /// Writes so many strings, a tenth with an expiry, and a list, a hash and a function library; gives how many keys there are then.
    pub fn fill(&self, n: usize) -> u64 {
        let n_primaries = self.nodes.iter().filter(|node| node.info("role") == "master").count();
        let mut by_node: Vec<Vec<String>> = vec![Vec::new(); self.nodes.len()];
        for number in 0..n {
            let key = format!("key:{number}");
            let slot = u32::from(slot_of(key.as_bytes()));
            let node = match n_primaries {
                3 => {
                    RANGES.iter().position(|(first, last)| (*first..=*last).contains(&(slot as u16))).expect("a shard")
                }
                primaries => {
                    (0..primaries).find(|index| slot < (16384 * (index + 1) / primaries) as u32).expect("a shard")
                }
            };
            by_node[node].push(key);
        }
        for (node, keys) in self.nodes.iter().zip(&by_node) {
            let value = vec![b'v'; 40];
            node.pipe(keys.iter().enumerate().map(|(index, key)| match index % 10 {
                0 => vec![&b"SET"[..], key.as_bytes(), &value, b"EX", b"864000"],
                _ => vec![&b"SET"[..], key.as_bytes(), &value],
            }));
        }
        self.ok("list", &["RPUSH", "list", "a", "b", "c"]);
        self.ok("hash", &["HSET", "hash", "field", "value"]);
        n as u64 + 2
    }

    /// The same library on every primary.
    pub fn load_function(&self) {
        for node in self.nodes.iter().filter(|node| node.info("role") == "master") {
            node.ok(&["FUNCTION", "LOAD", FUNCTION]);
        }
    }

    /// Keys of all primaries.
    pub fn keys(&self) -> u64 {
        let primaries = self.nodes.iter().filter(|node| node.info("role") == "master");
        primaries.map(|node| node.ok(&["DBSIZE"]).parse::<u64>().expect("a number")).sum()
    }

    /// CLUSTER NODES of every node, without the times of their pings: what has to be the same before and after.
    pub fn seen(&self) -> Vec<Vec<String>> {
        let of = |node: &RedisServer| {
            let text = node.ok(&["CLUSTER", "NODES"]);
            let mut lines: Vec<String> = text
                .lines()
                .map(|line| {
                    let words: Vec<&str> = line.split(' ').collect();
                    [&words[..4], &words[6..]].concat().join(" ")
                })
                .collect();
            lines.sort();
            lines
        };
        self.nodes.iter().map(of).collect()
    }

    pub fn url(&self) -> String {
        self.nodes[0].url()
    }
}

/// The slot of a key without a tag, bit by bit.
pub fn slot_of(key: &[u8]) -> u16 {
    let crc = key.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 },
        )
    });
    crc % 16384
}
