//! What a server may be asked, and what it is asked for a snapshot.
//!
//! A question has everything in this file: that its command only reads, its words, which servers know it, what reads the answer,
//! and where the answer is kept. A rule that needs one names it in its `asks`.

use serde::{Deserialize, Serialize};

use super::part::Part;
use super::topology::{Mode, ServerFacts};
use crate::connection::Command;
use crate::explain::{Explain, Meaning};
use crate::figures;
use crate::replies::{
    AclUser, Client, ClusterNode, Config, DeniedAccess, HotKeys, Info, LargeEntry, LatencyEvent, Reply, ServerBackup,
    SlotMigration, SlotStats, SlowEntry,
};

/// Commands that may be sent: the first word, others where they matter, and how many keyspace hits one adds.
///
/// Observed on 7.0.15: TYPE, PTTL, OBJECT and the length commands count as hits, MEMORY USAGE, RANDOMKEY and SCAN do not.
const ALLOWED: &[(&str, &str, u64)] = &[
    ("ACL", "GETUSER", 0),
    ("ACL", "LOG", 0),
    ("BACKUP", "STATUS", 0),
    ("CLIENT", "LIST", 0),
    ("CLIENT", "NO-TOUCH", 0),
    ("CLUSTER", "GETSLOTMIGRATIONS", 0),
    ("CLUSTER", "INFO", 0),
    // Others below MIGRATION move slots: the third word is held, too.
    ("CLUSTER", "MIGRATION STATUS", 0),
    ("CLUSTER", "NODES", 0),
    ("CLUSTER", "SLOT-STATS", 0),
    ("COMMANDLOG", "GET", 0),
    ("CONFIG", "GET", 0),
    ("HLEN", "", 1),
    ("HOTKEYS", "GET", 0),
    ("INFO", "", 0),
    ("LATENCY", "LATEST", 0),
    ("LLEN", "", 1),
    ("MEMORY", "USAGE", 0),
    ("OBJECT", "ENCODING", 1),
    ("OBJECT", "FREQ", 1),
    ("OBJECT", "IDLETIME", 1),
    ("PING", "", 0),
    ("PTTL", "", 1),
    ("RANDOMKEY", "", 0),
    ("SCAN", "", 0),
    ("SCARD", "", 1),
    ("SELECT", "", 0),
    ("SENTINEL", "CKQUORUM", 0),
    ("SLOWLOG", "GET", 0),
    ("STRLEN", "", 1),
    ("TYPE", "", 1),
    ("XINFO", "GROUPS", 1),
    ("XLEN", "", 1),
    ("ZCARD", "", 1),
];

/// A command of the list of those that only read. There is no other way to make one than [`ReadOnly::new`].
#[derive(Debug, Clone)]
pub struct ReadOnly {
    command: Command,
    hits: u64,
}

impl ReadOnly {
    /// A command of the list.
    ///
    /// # Errors
    ///
    /// The command's name, if it is not on the list.
    pub fn new<W: AsRef<[u8]>>(words: &[W]) -> Result<Self, NotAllowed> {
        let is = |at: usize, name: &str| {
            words.get(at).is_some_and(|word| word.as_ref().eq_ignore_ascii_case(name.as_bytes()))
        };
        let allowed = ALLOWED.iter().find(|(command, others, _)| {
            is(0, command) && others.split_whitespace().zip(1..).all(|(word, at)| is(at, word))
        });
        let refused = || {
            let first = words.first().map(|word| String::from_utf8_lossy(word.as_ref()).to_ascii_uppercase());
            NotAllowed(first.unwrap_or_default())
        };
        let (_, _, hits) = allowed.ok_or_else(refused)?;
        Ok(Self { command: Command::of(words), hits: *hits })
    }

    /// What is sent.
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// How many keyspace hits it adds to the server's statistics.
    pub(super) fn hits(&self) -> u64 {
        self.hits
    }
}

/// A command that is not on the list of read-only commands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the command {0} is not on the list of commands that a diagnosis may send")]
pub struct NotAllowed(pub String);

// Nobody types which questions are put: one that is not allowed is a mistake of ours.
impl Explain for NotAllowed {
    fn meaning(&self) -> Meaning {
        Meaning::bug()
    }
}

/// CLIENT LIST is not asked for where there are more connections: a line has about 350 bytes, here and in the server.
const MOST_CLIENTS: u64 = 30_000;
/// Entries of a log that are read.
const ENTRIES: &str = "128";

/// What a server is asked for a snapshot, besides INFO. They are sent in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// CONFIG GET of what the rules read.
    Config,
    Clients,
    Slowlog,
    /// LATENCY LATEST: what held the server up.
    Latency,
    /// COMMANDLOG GET of large replies.
    LargeReplies,
    /// ACL GETUSER of the user `default`.
    DefaultUser,
    Denied,
    Cluster,
    Nodes,
    /// The keys of all databases. Beside [`Slots`](Self::Slots) in one write: nobody else's command comes between them.
    KeysAtSlots,
    Slots,
    HotKeys,
    /// Slots that move as a whole, and moved lately.
    Migrations,
    /// The backup that the server keeps itself.
    Backup,
}

impl Question {
    /// The questions that every snapshot asks, whatever the rules read.
    pub const ALWAYS: [Self; 2] = [Self::Config, Self::Cluster];

    /// The words for this server, or why it is not asked.
    pub(super) fn words(self, info: &Info, server: &ServerFacts) -> Result<Vec<&'static str>, Part<Reply>> {
        let (cluster, valkey) = (server.mode == Mode::Cluster, server.is_valkey());
        let version = server.version_numbers();
        let counts_slots = version >= if valkey { (8, 0, 0) } else { (8, 2, 0) };
        Ok(match self {
            Self::Config => config_words(info),
            Self::Clients => match info.u64("connected_clients").unwrap_or(0) {
                there if there > MOST_CLIENTS => {
                    let (there, most) = (figures::count(there), figures::count(MOST_CLIENTS));
                    let why = format!("{there} connections, of which at most {most} are listed");
                    return Err(Part::TooLarge(why));
                }
                _ => vec!["CLIENT", "LIST"],
            },
            Self::Slowlog => vec!["SLOWLOG", "GET", ENTRIES],
            // A topic has twelve commands: where there is a command log it is asked instead.
            Self::Latency if valkey => return Err(Part::NotAsked),
            Self::Latency => vec!["LATENCY", "LATEST"],
            Self::LargeReplies if valkey => vec!["COMMANDLOG", "GET", ENTRIES, "large-reply"],
            Self::LargeReplies => return Err(Part::Unsupported("only Valkey has COMMANDLOG".to_owned())),
            Self::DefaultUser => vec!["ACL", "GETUSER", "default"],
            Self::Denied => vec!["ACL", "LOG", ENTRIES],
            Self::Cluster if cluster => vec!["CLUSTER", "INFO"],
            Self::Nodes if cluster => vec!["CLUSTER", "NODES"],
            Self::KeysAtSlots if cluster && counts_slots => vec!["INFO", "keyspace"],
            Self::Slots if cluster && counts_slots => vec!["CLUSTER", "SLOT-STATS", "SLOTSRANGE", "0", "16383"],
            Self::Slots if cluster => {
                let why = "CLUSTER SLOT-STATS needs Valkey 8.0 or Redis 8.2";
                return Err(Part::Unsupported(why.to_owned()));
            }
            Self::HotKeys if !valkey && version >= (8, 6, 0) => vec!["HOTKEYS", "GET"],
            Self::Migrations if cluster && valkey && version >= (9, 0, 0) => vec!["CLUSTER", "GETSLOTMIGRATIONS"],
            Self::Migrations if cluster && !valkey && version >= (8, 4, 0) => {
                vec!["CLUSTER", "MIGRATION", "STATUS", "ALL"]
            }
            Self::Backup if !valkey && version >= (8, 10, 0) => vec!["BACKUP", "STATUS"],
            Self::Migrations if cluster => {
                let why = "atomic slot migration needs Redis 8.4 or Valkey 9.0";
                return Err(Part::Unsupported(why.to_owned()));
            }
            Self::Backup => return Err(Part::Unsupported("BACKUP needs Redis 8.10".to_owned())),
            Self::Cluster | Self::Nodes | Self::KeysAtSlots | Self::Slots | Self::HotKeys | Self::Migrations => {
                return Err(Part::NotAsked);
            }
        })
    }

    /// Reads the answer, and puts what it says in its place.
    pub fn answered(self, answer: Part<Reply>, answers: &mut Answers) {
        match self {
            Self::Config => {
                answers.config = answer.read(|reply| Some(Config::parse(reply)).filter(|config| !config.is_empty()));
            }
            Self::Clients => answers.clients = answer.read(|reply| Some(Client::parse_list(reply.bytes()?))),
            Self::Slowlog => answers.slowlog = answer.read(|reply| Some(SlowEntry::parse_list(reply))),
            Self::Latency => answers.latency = answer.read(|reply| Some(LatencyEvent::parse_list(reply))),
            Self::LargeReplies => answers.large_replies = answer.read(|reply| Some(SlowEntry::parse_list(reply))),
            Self::DefaultUser => answers.default_user = answer.read(AclUser::parse),
            Self::Denied => answers.denied = answer.read(|reply| Some(DeniedAccess::parse_list(reply))),
            Self::Cluster => answers.cluster = answer.read(|reply| Some(Info::from_bytes(reply.bytes()?))),
            Self::Nodes => answers.nodes = answer.read(|reply| Some(ClusterNode::parse_list(reply.bytes()?))),
            Self::KeysAtSlots => {
                answers.keys_at_slots = answer.read(|reply| {
                    let info = Info::from_bytes(reply.bytes()?);
                    Some(figures::sum(info.databases().values().map(|database| database.keys)))
                });
            }
            Self::Slots => answers.slots = answer.read(|reply| Some(SlotStats::parse_list(reply))),
            Self::HotKeys => answers.hot_keys = answer.read(HotKeys::parse),
            Self::Migrations => answers.migrations = answer.read(|reply| Some(SlotMigration::parse_list(reply))),
            Self::Backup => answers.backup = answer.read(ServerBackup::parse),
        }
    }
}

/// What a server has answered, each in its place; [`Part::NotAsked`] where nobody asked.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Answers {
    pub config: Part<Config>,
    /// Connections, our own left out.
    pub clients: Part<Vec<Client>>,
    /// The slow log, newest first.
    pub slowlog: Part<Vec<SlowEntry>>,
    /// The last time of each kind of event that held the server up.
    #[serde(default)]
    pub latency: Part<Vec<LatencyEvent>>,
    /// Valkey's log of large replies, newest first; `usec` is bytes.
    pub large_replies: Part<Vec<LargeEntry>>,
    /// The user `default`.
    pub default_user: Part<AclUser>,
    /// ACL LOG, newest first.
    pub denied: Part<Vec<DeniedAccess>>,
    pub cluster: Part<Info>,
    pub nodes: Part<Vec<ClusterNode>>,
    /// Keys of all databases at the moment of `slots`.
    pub keys_at_slots: Part<u64>,
    /// CLUSTER SLOT-STATS of the slots that this node serves.
    pub slots: Part<Vec<SlotStats>>,
    pub hot_keys: Part<HotKeys>,
    /// Slots that move as a whole, and those that did lately.
    #[serde(default)]
    pub migrations: Part<Vec<SlotMigration>>,
    /// The backup that the server keeps on its own disk.
    #[serde(default)]
    pub backup: Part<ServerBackup>,
}

/// Settings the rules read. Asked by name where the server takes several (7.0), else all, of which secrets are dropped
/// while parsing.
fn config_words(info: &Info) -> Vec<&'static str> {
    let major = info.get("redis_version").and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    let mut words = vec!["CONFIG", "GET"];
    if major.is_some_and(|major| major >= 7) {
        words.extend_from_slice(SETTINGS);
    } else {
        words.push("*");
    }
    words
}

const SETTINGS: &[&str] = &[
    "acllog-max-len",
    "active-expire-effort",
    "activedefrag",
    "appendfsync",
    "appendonly",
    "auto-aof-rewrite-*",
    "client-output-buffer-limit",
    "client-query-buffer-limit",
    "dir",
    "enable-debug-command",
    "enable-protected-configs",
    "hash-max-*-entries",
    "hz",
    "latency-monitor-threshold",
    "latency-tracking",
    "lazyfree-lazy-eviction",
    "maxclients",
    "maxmemory*",
    "min-*-to-write",
    "no-appendfsync-on-rewrite",
    "protected-mode",
    "repl-backlog-size",
    "repl-diskless-load",
    "repl-diskless-sync*",
    "repl-timeout",
    "replica-read-only",
    "save",
    "set-max-*-entries",
    "slowlog-log-slower-than",
    "commandlog-*",
    "slowlog-max-len",
    "stop-writes-on-bgsave-error",
    "tcp-backlog",
    "tcp-keepalive",
    "timeout",
    "tracking-table-max-keys",
    "zset-max-*-entries",
];
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commands_of_the_list_can_be_made() {
        for words in
            [&["INFO", "everything"] as &[&str], &["info"], &["CONFIG", "GET", "*"], &["object", "encoding", "k"]]
        {
            assert!(ReadOnly::new(words).is_ok(), "{words:?}");
        }
        for words in [
            &["SET", "a", "b"] as &[&str],
            &["CONFIG", "SET", "maxmemory", "0"],
            &["CONFIG"],
            &["CONFIG", "RESETSTAT"],
            &["CLIENT", "KILL", "ID", "1"],
            &["CLUSTER", "FORGET", "x"],
            &["HOTKEYS", "START"],
            &["OBJECT", "HELP"],
            &["SENTINEL", "FAILOVER", "x"],
            &["SLOWLOG", "RESET"],
            &["MEMORY", "PURGE"],
            &["ACL", "SETUSER", "x"],
            &["KEYS", "*"],
            &["MONITOR"],
            &["EVAL", "return 1", "0"],
            &["DEBUG", "SLEEP", "1"],
            &["FLUSHALL"],
            &["SHUTDOWN"],
            &[],
        ] {
            assert!(ReadOnly::new(words).is_err(), "{words:?}");
        }
    }
}
