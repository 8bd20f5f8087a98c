//! CLIENT LIST: one line a connection, `name=value` separated by spaces.
//!
//! Values hold anything but spaces and line ends, so a pair is split at its first `=` only. Fields come with releases
//! (6.2 has 26, Valkey 8.1 has 34), unknown ones are left out.

use serde::{Deserialize, Serialize};

/// What kind of connection it is, from its flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientKind {
    /// A connection of an application.
    Normal,
    /// A replica of this server.
    Replica,
    /// The primary of this server.
    Primary,
    /// Subscribed to channels or patterns.
    Pubsub,
    /// A connection that runs MONITOR.
    Monitor,
}

/// A connection to the server. Sizes are bytes, times seconds; what the server does not report is 0 or empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Client {
    pub id: u64,
    /// `ip:port`, or the path of a socket and `:0`.
    pub addr: String,
    /// CLIENT SETNAME; foreign text.
    pub name: String,
    /// Seconds since it connected.
    pub age: u64,
    /// Seconds since its last command.
    pub idle: u64,
    /// A letter for each property: `N` normal, `S` replica, `M` primary, `P` pub/sub, `O` MONITOR, `x` MULTI, `b` blocked, …
    pub flags: String,
    pub db: u64,
    pub sub: u64,
    pub psub: u64,
    /// Shard channels subscribed (7.0.3).
    pub ssub: u64,
    /// Commands queued by MULTI; `None` outside.
    pub multi: Option<u64>,
    /// Keys watched (7.4).
    pub watch: u64,
    pub qbuf: u64,
    /// Room in the query buffer that nothing is in.
    pub qbuf_free: u64,
    /// Arguments of the command that is being read.
    pub argv_mem: u64,
    /// Memory of the queued commands (7.0).
    pub multi_mem: u64,
    /// Output buffer beyond the fixed part.
    pub omem: u64,
    /// Answers waiting in the output list.
    pub oll: u64,
    /// All memory of the connection.
    pub tot_mem: u64,
    /// Last command, `client|list`; `NULL` before the first.
    pub cmd: String,
    pub user: String,
    /// Name of the client library; empty before 7.2.
    pub lib_name: String,
    pub lib_ver: String,
    /// Bytes sent to it since it connected (Redis 8.x, Valkey 8).
    pub tot_net_out: u64,
}

/// Commands that write and wait for nothing: whoever is blocked in one of them is held back.
const WRITES: &[&str] = &[
    "set", "setex", "psetex", "setnx", "getset", "append", "incr", "incrby", "decr", "decrby", "mset", "hset", "hmset",
    "hincrby", "hdel", "lpush", "rpush", "lpop", "rpop", "ltrim", "sadd", "srem", "spop", "zadd", "zrem", "zincrby",
    "xadd", "xack", "del", "unlink", "expire", "pexpire", "eval", "evalsha", "fcall", "exec", "publish", "flushall",
    "flushdb",
];

impl Client {
    /// Parses an answer; lines without an id are skipped.
    pub fn parse_list(bytes: &[u8]) -> Vec<Self> {
        bytes.split(|byte| *byte == b'\n').filter_map(|line| Self::parse(&String::from_utf8_lossy(line))).collect()
    }

    /// Parses one line; `None` without an id.
    pub fn parse(line: &str) -> Option<Self> {
        let mut client = Self::default();
        let mut has_id = false;
        for pair in line.trim_end_matches('\r').split(' ') {
            let Some((name, value)) = pair.split_once('=') else { continue };
            let number = || value.parse().unwrap_or(0);
            match name {
                "id" => {
                    client.id = value.parse().ok()?;
                    has_id = true;
                }
                "addr" => value.clone_into(&mut client.addr),
                "name" => value.clone_into(&mut client.name),
                "age" => client.age = number(),
                "idle" => client.idle = number(),
                "flags" => value.clone_into(&mut client.flags),
                "db" => client.db = number(),
                "sub" => client.sub = number(),
                "psub" => client.psub = number(),
                "ssub" => client.ssub = number(),
                "multi" => client.multi = value.parse().ok(),
                "watch" => client.watch = number(),
                "qbuf" => client.qbuf = number(),
                "qbuf-free" => client.qbuf_free = number(),
                "argv-mem" => client.argv_mem = number(),
                "multi-mem" => client.multi_mem = number(),
                "omem" => client.omem = number(),
                "oll" => client.oll = number(),
                "tot-mem" => client.tot_mem = number(),
                "cmd" => value.clone_into(&mut client.cmd),
                "user" => value.clone_into(&mut client.user),
                "lib-name" => value.clone_into(&mut client.lib_name),
                "lib-ver" => value.clone_into(&mut client.lib_ver),
                "tot-net-out" => client.tot_net_out = number(),
                _ => {}
            }
        }
        has_id.then_some(client)
    }

    /// What kind of connection it is. A connection that runs MONITOR is flagged as a replica, too.
    pub fn kind(&self) -> ClientKind {
        let has = |flag| self.flags.contains(flag);
        match () {
            () if has('O') => ClientKind::Monitor,
            () if has('S') => ClientKind::Replica,
            () if has('M') => ClientKind::Primary,
            () if has('P') => ClientKind::Pubsub,
            () => ClientKind::Normal,
        }
    }

    /// Waits in BLPOP, XREAD BLOCK, WAIT and the like.
    pub fn is_blocked(&self) -> bool {
        self.flags.contains('b')
    }

    /// Is blocked in a command that waits for nothing: the server holds writes back, as during `CLIENT PAUSE` or a failover.
    pub fn is_held(&self) -> bool {
        self.is_blocked() && WRITES.contains(&self.cmd.as_str())
    }

    /// The address without the port.
    pub fn ip(&self) -> &str {
        self.addr.rsplit_once(':').map_or(self.addr.as_str(), |(ip, _)| ip)
    }

    /// What it holds of the server's memory for what it has sent: query buffer, arguments, queued commands.
    pub fn input_bytes(&self) -> u64 {
        self.qbuf.saturating_add(self.argv_mem).saturating_add(self.multi_mem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REDIS_6_2: &str = "id=18 addr=127.0.0.1:46850 laddr=127.0.0.1:17101 fd=7 name= age=0 idle=0 flags=N db=0 sub=0 psub=0 multi=-1 qbuf=26 qbuf-free=32744 argv-mem=10 obl=0 oll=0 omem=0 tot-mem=49810 events=r cmd=client user=default redir=-1";
    const REDIS_8_0: &str = "id=19 addr=127.0.0.1:55896 laddr=127.0.0.1:17103 fd=12 name=a=b age=3 idle=2 flags=Px db=0 sub=1 psub=0 ssub=0 multi=2 watch=0 qbuf=26 qbuf-free=20448 argv-mem=10 multi-mem=7 rbs=16384 rbp=16384 obl=0 oll=1 omem=20504 tot-mem=37786 events=r cmd=client|list user=app redir=-1 resp=2 lib-name=redis-py lib-ver=5.0 io-thread=0";
    const VALKEY_9_1: &str = "id=18 addr=[::1]:51816 laddr=[::1]:17106 fd=9 name= age=0 idle=0 flags=b capa= db=0 sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=0 qbuf-free=0 argv-mem=10 multi-mem=0 rbs=16384 rbp=16384 obl=0 oll=0 omem=0 tot-mem=17050 events=r cmd=blpop user=default redir=-1 resp=2 lib-name= lib-ver= tot-net-in=26 tot-net-out=9 tot-cmds=0 invented=1";

    #[test]
    fn lines_of_every_generation_are_read() {
        let text = format!("{REDIS_6_2}\n{REDIS_8_0}\r\n{VALKEY_9_1}\n\nno id here\n");
        let clients = Client::parse_list(text.as_bytes());
        assert_eq!(clients.len(), 3);
        assert_eq!((clients[0].id, clients[0].tot_mem, clients[0].multi), (18, 49810, None));
        assert_eq!((clients[1].name.as_str(), clients[1].multi, clients[1].input_bytes()), ("a=b", Some(2), 43));
        assert_eq!((clients[1].kind(), clients[1].lib_name.as_str()), (ClientKind::Pubsub, "redis-py"));
        assert_eq!((clients[2].ip(), clients[2].tot_net_out, clients[2].is_blocked()), ("[::1]", 9, true));
    }

    #[test]
    fn a_monitor_is_no_replica() {
        assert_eq!(Client::parse("id=1 flags=O").map(|client| client.kind()), Some(ClientKind::Monitor));
        assert_eq!(Client::parse("id=1 flags=S").map(|client| client.kind()), Some(ClientKind::Replica));
        assert_eq!(Client::parse("id=1 flags=OS").map(|client| client.kind()), Some(ClientKind::Monitor));
    }

    #[test]
    fn odd_names_and_damaged_lines_are_no_trouble() {
        let line = b"id=7 name=\x1b[31m\xff\x00 age=x idle=-1 flags= addr=/tmp/redis.sock:0";
        let clients = Client::parse_list(line);
        assert_eq!(clients.len(), 1);
        assert_eq!((clients[0].age, clients[0].ip()), (0, "/tmp/redis.sock"));
        assert!(clients[0].name.starts_with('\u{1b}'));
        for cut in 0..line.len() {
            let _ = Client::parse_list(&line[cut..]);
        }
        assert!(Client::parse_list(b"id=99999999999999999999999 addr=x").is_empty());
    }

    #[test]
    fn ten_thousand_lines_are_read() {
        let text: String =
            (0..10_000).map(|id| format!("{}\n", REDIS_8_0.replacen("id=19", &format!("id={id}"), 1))).collect();
        let clients = Client::parse_list(text.as_bytes());
        assert_eq!(clients.len(), 10_000);
        assert_eq!(clients[9_999].id, 9_999);
    }
}
