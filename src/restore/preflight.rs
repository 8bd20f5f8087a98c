//! Asks a target what a plan needs to know: in two round trips, with commands that only read. What our user may not ask
//! is not known then, and the plan says so.

mod rights;

use std::collections::{BTreeMap, BTreeSet};

use crate::connection::{Address, Command, CommandError, CommandFault, Connection, Node, ServerError};
use crate::introspection::{Mode, ServerFacts};
use crate::replies::{ClusterNode, Config, Info, Reply, SlotRange};
use crate::restore::clock::{Clock, now_ms};
use crate::restore::facts::{Counters, TargetFacts};
use crate::restore::replay::vocabulary::{COMMANDS, KEY};
use crate::restore::target_format::version_numbers;

/// Settings that matter.
const SETTINGS: &[&str] = &[
    "databases",
    "cluster-databases",
    "proto-max-bulk-len",
    "appendonly",
    "min-replicas-to-write",
    "stop-writes-on-bgsave-error",
    "save",
    "tls-replication",
];

/// What makes the target load the file itself, and save it then.
const TO_LOAD: [(&str, &[&str]); 2] = [("replicaof", &["REPLICAOF", "NO", "ONE"]), ("bgsave", &["BGSAVE"])];

/// What tells whether there is something that would be replaced.
const TO_LOOK: [(&str, &[&str]); 1] = [("function|list", &["FUNCTION", "LIST"])];

/// What reads a target back by replication, and what does key by key.
const BY_REPLICATION: [(&str, &[&str]); 2] =
    [("psync", &["PSYNC", "?", "-1"]), ("replconf", &["REPLCONF", "capa", "eof"])];
const BY_KEY: [(&str, &[&str]); 4] =
    [("scan", &["SCAN", "0"]), ("pexpiretime", &["PEXPIRETIME", KEY]), ("pttl", &["PTTL", KEY]), ("time", &["TIME"])];

/// Commands that a restore may need, as `ACL DRYRUN` is asked about them.
fn needed() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let sent = COMMANDS.iter().map(|command| (command.name, command.words));
    sent.chain(TO_LOAD).chain(TO_LOOK).chain(BY_REPLICATION).chain(BY_KEY)
}

/// On which every Sentinel listens at each server that it watches (Redis `sentinel.c`, `SENTINEL_HELLO_CHANNEL`).
const SENTINEL_CHANNEL: &str = "__sentinel__:hello";

type Answer = Result<Reply, ServerError>;

/// Asks. `highest`: the highest database that keys go to; `more`: further commands that are needed, such as `flushall`.
///
/// # Errors
/// The connection broke, or INFO is refused: without it nothing can be planned.
pub async fn ask(
    node: &Node,
    connection: &mut Connection,
    highest: u64,
    more: &[&str],
) -> Result<TargetFacts, CommandError> {
    if node.parts.is_empty() {
        return ask_one(node, connection, highest, more).await;
    }
    let mut each = Vec::new();
    for primary in node.each() {
        let mut own = primary.connect().await.map_err(|error| CommandError {
            command: "INFO".to_owned(),
            fault: CommandFault::Disconnected { reason: error.to_string() },
        })?;
        each.push(ask_one(&primary, &mut own, highest, more).await?);
    }
    let info = read_info(connection).await?;
    let whole = TargetFacts {
        address: node.to_string(),
        databases: info.databases().into_iter().map(|(index, keys)| (u64::from(index), keys)).collect(),
        counters: counters_of(&info),
        server: ServerFacts::from_info(&info),
        ..TargetFacts::of_parts(each)
    };
    Ok(whole)
}

async fn ask_one(
    node: &Node,
    connection: &mut Connection,
    highest: u64,
    more: &[&str],
) -> Result<TargetFacts, CommandError> {
    let info = read_info(connection).await?;
    let server = ServerFacts::from_info(&info);

    let mut commands: Vec<Command> = SETTINGS.iter().map(|name| Command::of(&["CONFIG", "GET", name])).collect();
    commands.push(Command::of(&["ACL", "WHOAMI"]));
    commands.push(Command::of(&["FUNCTION", "LIST"]));
    commands.push(Command::of(&["CLIENT", "LIST"]));
    commands.push(Command::of(&["PUBSUB", "NUMSUB", SENTINEL_CHANNEL]));
    commands.push(Command::of(&["CLUSTER", "NODES"]));
    commands.push(Command::of(&["CLUSTER", "MYID"]));
    commands.push(Command::of(&["CLUSTER", "SLOTS"]));
    commands.push(Command::of(&["TIME"]));
    // Servers before 7.0 do not tell subcommands apart.
    let mut used: BTreeSet<&str> = more.iter().map(|name| name.split('|').next().unwrap_or(name)).collect();
    COMMANDS.iter().for_each(|command| {
        used.insert(command.container());
    });
    used.extend(TO_LOAD.map(|(name, _)| name));
    let used: Vec<&str> = used.into_iter().collect();
    commands.push(Command::of(&[&["COMMAND", "INFO"], &used[..]].concat()));
    let asked = now_ms();
    let mut answers = connection.pipeline(&commands).await?.into_iter();
    let answered = now_ms();
    let config: Vec<Answer> = answers.by_ref().take(SETTINGS.len()).collect();
    let [user, functions, clients, listeners, nodes, id, slots, time, known] = std::array::from_fn(|_| answers.next());
    let config = config_of(config);

    let missing = missing_of(known, &used);
    let user = text_of(user);
    let slot_ranges = match server.mode {
        Mode::Cluster => own_slots(nodes, text_of(id), slots),
        _ => None,
    };
    let rights = rights::ask(node, connection, (user.as_deref(), version_numbers(&server.version)), more).await?;
    let selects = ask_select(connection, node, highest).await?;
    let indexes = ask_indexes(connection, &server).await?;

    let number = |name: &str| config.u64(name);
    let cluster = server.mode == Mode::Cluster;
    // Valkey 9 has a number of its own for clusters; elsewhere a cluster has database 0 only.
    let n_databases = if cluster { number("cluster-databases").or(Some(1)) } else { number("databases") };
    let saves = config.get("save").map(|save| !save.is_empty());
    let stops = config.get("stop-writes-on-bgsave-error") == Some("yes");
    let failed = info.get("rdb_last_bgsave_status") == Some("err");
    Ok(TargetFacts {
        address: node.to_string(),
        databases: info.databases().into_iter().map(|(index, keys)| (u64::from(index), keys)).collect(),
        selects,
        names_held: None,
        n_databases,
        longest_bulk: number("proto-max-bulk-len"),
        append_only: config.get("appendonly").map(|value| value == "yes").or(info.flag("aof_enabled")),
        min_replicas: number("min-replicas-to-write"),
        saves,
        writes_stopped: saves == Some(true) && stops && failed,
        host_memory: info.u64("total_system_memory").filter(|bytes| *bytes > 0),
        host_free: if is_here(&node.address) { free_memory() } else { None },
        function_names: function_names_of(functions.as_ref()),
        functions: functions_of(functions),
        indexes: indexes.unwrap_or_default(),
        may_have_indexes: indexes.is_none(),
        function_sources: None,
        not_read_back: not_read_back(&server, rights.commands.as_deref().unwrap_or_default(), highest > 0),
        lacks_certificate: config.get("tls-replication") == Some("yes") && !has_certificate(node),
        // A server that does not tell it to this user knows it by the name that we gave.
        user: user.or_else(|| node.user().map(str::to_owned)),
        forbidden: rights.commands,
        key_patterns: rights.patterns,
        keys_refused: rights.keys,
        tells_commands: missing.is_some() || rights.missing.is_some(),
        missing: missing.or(rights.missing).unwrap_or_default(),
        watched: is_watched(clients, listeners),
        slots: slot_ranges.as_ref().map(|ranges| n_slots(ranges)),
        slot_ranges: slot_ranges.unwrap_or_default(),
        clock: milliseconds_of(time).map(|time| Clock::read(time, asked, answered)),
        counters: counters_of(&info),
        server,
    })
}

/// Only the clock.
///
/// # Errors
/// The connection broke.
pub async fn clock(connection: &mut Connection) -> Result<Option<Clock>, CommandError> {
    let asked = now_ms();
    let time = connection.pipeline(&[Command::of(&["TIME"])]).await?.into_iter().next();
    Ok(milliseconds_of(time).map(|time| Clock::read(time, asked, now_ms())))
}

/// Only the counters, before and after.
///
/// # Errors
/// The connection broke, or INFO is refused.
pub async fn counters(connection: &mut Connection) -> Result<(Counters, Info), CommandError> {
    let info = read_info(connection).await?;
    Ok((counters_of(&info), info))
}

async fn read_info(connection: &mut Connection) -> Result<Info, CommandError> {
    // `everything` also names the modules' fields and commandstats, on every version.
    let answer = connection.query(&Command::of(&["INFO", "everything"])).await?;
    Ok(Info::from_bytes(answer.bytes().unwrap_or_default()))
}

fn counters_of(info: &Info) -> Counters {
    let number = |name| info.u64(name).unwrap_or(0);
    let keys = info.databases().values().map(|database| database.keys).sum();
    Counters { evicted: number("evicted_keys"), expired: number("expired_keys"), keys }
}

/// Names and values of all answers; those that were refused are missing.
fn config_of(answers: Vec<Answer>) -> Config {
    let pairs = answers.into_iter().filter_map(Result::ok).flat_map(|reply| {
        let pairs = reply.pairs().into_iter().map(|(name, value)| (name, value.clone())).collect::<Vec<_>>();
        pairs.into_iter().flat_map(|(name, value)| [Reply::from(name.as_str()), value])
    });
    Config::parse(&Reply::Array(pairs.collect()))
}

fn text_of(answer: Option<Answer>) -> Option<String> {
    answer?.ok()?.text()
}

/// What our user may not use of replication, if both ways of reading are barred. `several`: keys go to other databases than 0.
fn not_read_back(server: &ServerFacts, forbidden: &[String], several: bool) -> Vec<String> {
    let of =
        |names: &[&str]| forbidden.iter().filter(|name| names.contains(&name.as_str())).cloned().collect::<Vec<_>>();
    // PEXPIRETIME came with 7.0.
    let expiry = if version_numbers(&server.version) >= (7, 0, 0) { "pexpiretime" } else { "pttl" };
    let by_key: &[&str] = &["scan", "dump", "time", expiry, "select"];
    let (by_replication, by_key) =
        (of(&BY_REPLICATION.map(|(name, _)| name)), of(if several { by_key } else { &by_key[..4] }));
    let is_barred = !by_replication.is_empty() && !by_key.is_empty();
    if is_barred { by_replication } else { Vec::new() }
}

/// Whether there is a certificate of ours for whoever replicates from us.
fn has_certificate(node: &Node) -> bool {
    node.tls.as_ref().is_some_and(|tls| tls.certificate.is_some() && tls.key.is_some())
}

/// The answer to TIME, which is seconds and microseconds, as Unix milliseconds.
fn milliseconds_of(answer: Option<Answer>) -> Option<i64> {
    let reply = answer?.ok()?;
    let part = |at: usize| reply.items().get(at)?.text()?.parse::<i64>().ok();
    part(0)?.checked_mul(1000)?.checked_add(part(1)? / 1000)
}

/// Whether a Sentinel is connected: its two connections are called `sentinel-<8 digits>-cmd` and `…-pubsub` (Redis `sentinel.c`,
/// `sentinelSetClientName`), and one of them listens on its channel, which also finds one whose user may not give itself a name. Who
/// may not see the list of clients cannot say that there is none.
fn is_watched(clients: Option<Answer>, listeners: Option<Answer>) -> Option<bool> {
    let named = text_of(clients).map(|list| list.lines().any(|line| line.contains(" name=sentinel-")));
    let listening = listeners.and_then(Result::ok).and_then(|counts| counts.items().get(1)?.integer());
    if listening.is_some_and(|listeners| listeners > 0) { Some(true) } else { named }
}

/// How many search indexes there are; `None`: the target does not say.
async fn ask_indexes(connection: &mut Connection, server: &ServerFacts) -> Result<Option<u64>, CommandError> {
    if !server.modules.iter().any(|name| name == "search") {
        return Ok(Some(0));
    }
    let answer = connection.pipeline(&[Command::of(&["FT._LIST"])]).await?.into_iter().next();
    Ok(answer.and_then(Result::ok).map(|names| names.items().len() as u64))
}

fn functions_of(answer: Option<Answer>) -> Option<BTreeSet<String>> {
    let names = |reply: Reply| {
        reply.items().iter().filter_map(|library| library.field("library_name")?.text()).collect::<BTreeSet<_>>()
    };
    match answer? {
        Ok(reply) => Some(names(reply)),
        // A server that knows no functions has none.
        Err(error) if error.code == "ERR" => Some(BTreeSet::new()),
        Err(_) => None,
    }
}

/// Names of the functions of each library.
fn function_names_of(answer: Option<&Answer>) -> BTreeMap<String, BTreeSet<String>> {
    let names = |library: &Reply| {
        let functions = library.field("functions").into_iter().flat_map(Reply::items);
        functions.filter_map(|function| function.field("name")?.text()).collect()
    };
    let libraries = answer.into_iter().flatten().flat_map(Reply::items);
    libraries.filter_map(|library| Some((library.field("library_name")?.text()?, names(library)))).collect()
}

/// The commands among these that the server does not have; `None`: the server does not say.
fn missing_of(answer: Option<Answer>, used: &[&str]) -> Option<Vec<String>> {
    let known = answer?.ok()?;
    let is_missing = |(_, entry): &(&&str, &Reply)| match entry {
        Reply::Nil => true,
        entry => entry.items().is_empty(),
    };
    Some(used.iter().zip(known.items()).filter(is_missing).map(|(name, _)| (*name).to_owned()).collect())
}

/// Whether a database is there and ours to use: the only sure way is to select it. The connection ends where it began.
async fn ask_select(
    connection: &mut Connection,
    node: &Node,
    highest: u64,
) -> Result<Option<Result<(), String>>, CommandError> {
    let there = Command::of(&["SELECT", &highest.to_string()]);
    let back = Command::of(&["SELECT", &node.database.to_string()]);
    if highest == 0 && node.database == 0 {
        return Ok(None);
    }
    let answers = connection.pipeline(&[there, back]).await?;
    Ok(answers.into_iter().next().map(|answer| answer.map(|_| ()).map_err(|error| error.to_string())))
}

/// Slots that the node itself serves, as it says of itself. Nodes are told apart by their ids: in containers all of them mostly have
/// one and the same port, and which addresses they have depends on whom one asks. `None`: it does not say.
fn own_slots(nodes: Option<Answer>, id: Option<String>, slots: Option<Answer>) -> Option<Vec<(u16, u16)>> {
    let nodes = text_of(nodes).map(|text| ClusterNode::parse_list(text.as_bytes())).unwrap_or_default();
    if let Some(own) = nodes.iter().find(|node| node.is("myself")) {
        return Some(own.slots.clone());
    }
    let (id, ranges) = (id?, SlotRange::parse_list(&slots?.ok()?).unwrap_or_default());
    Some(
        ranges
            .iter()
            .filter(|range| range.id == id && range.count() > 0)
            .map(|range| (range.first, range.last))
            .collect(),
    )
}

fn n_slots(ranges: &[(u16, u16)]) -> u64 {
    ranges.iter().map(|(first, last)| u64::from(last.saturating_sub(*first)) + 1).sum()
}

/// Whether a server is on this host for sure.
fn is_here(address: &Address) -> bool {
    match address {
        Address::Unix { .. } => true,
        Address::Tcp { host, .. } => {
            host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        }
        Address::Sentinel { .. } => false,
    }
}

/// `MemAvailable` of this host, in bytes; `None` where the system does not tell (Linux does).
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three nodes on one port, as containers have them.
    fn slots() -> Reply {
        let range = |first, last, ip: &str, id: &str| {
            let node = vec![ip.into(), 6379.into(), id.into()];
            Reply::Array(vec![Reply::Integer(first), Reply::Integer(last), Reply::Array(node)])
        };
        Reply::Array(vec![
            range(0, 5460, "10.0.0.1", "aa"),
            range(5461, 10922, "10.0.0.2", "bb"),
            range(10923, 16383, "10.0.0.3", "cc"),
        ])
    }

    #[test]
    fn a_node_is_known_by_its_id_and_not_by_its_port() {
        let nodes = "aa 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-5460 [93-<-bb]\n\
                     bb 10.0.0.2:6379@16379 master - 0 0 2 connected 5461-10922\n\
                     cc 10.0.0.3:6379@16379 master - 0 0 3 connected 10923-16383\n";
        let text = |text: &str| Some(Ok(Reply::from(text)));
        assert_eq!(own_slots(text(nodes), None, None).map(|ranges| n_slots(&ranges)), Some(5461));
        assert_eq!(own_slots(None, Some("bb".into()), Some(Ok(slots()))), Some(vec![(5461, 10922)]));
        assert_eq!(
            own_slots(None, Some("dd".into()), Some(Ok(slots()))),
            Some(Vec::new()),
            "a replica, or one that serves none"
        );
        assert_eq!(own_slots(None, None, Some(Ok(slots()))), None);
        assert_eq!(own_slots(None, Some("aa".into()), None), None);
    }
}
