//! Looks at the keys of a live server: a sample drawn by RANDOMKEY, or all of them by SCAN.
//!
//! The first keys of a SCAN are no sample: since Redis 7.4 and Valkey 8 a cluster node hands out slot after slot, and a
//! tenant behind one hash tag is all of it or none. RANDOMKEY is fair enough.

use std::collections::BTreeMap;

use super::names::{Purpose, escaped, purpose};
use super::profiler::{CompactLimits, KeySeen, Profiler};
use super::{Basis, KeyspaceProfile, StreamGroupSeen};
use crate::connection::{CommandError, CommandFault, ServerError};
use crate::explain::{Context as _, Result};
use crate::introspection::gate::Gate;
use crate::introspection::question::ReadOnly;
use crate::replies::{Config, Database, Info, Reply};

/// Keys drawn in one write.
const BATCH: usize = 500;
/// Keys of the first page: nobody knows yet how long their names are.
const FIRST_PAGE: usize = 50;
/// Bytes of names in one page: names may be long, up to 512 MiB each.
const PAGE_BYTES: usize = 1 << 20;
/// Keys of which a full pass asks since when they are idle: no more than a sample does.
const IDLE_ASKED: u64 = 10_000;
/// Keys drawn before anything is called sure.
const LEAST_DRAWN: u64 = 2000;
/// A sample is sure when no prefix's share of keys or bytes may be off by more than this.
const SURE: f64 = 0.015;
/// Below this a collection cannot have outgrown its compact encoding or be big.
const LENGTH_WORTH_ASKING: u64 = 1024;
/// Streams whose groups are asked for.
const STREAMS_ASKED: usize = 100;

/// Hears how many keys more were met, where every key is looked at.
pub type Met<'a> = &'a (dyn Fn(u64) + Send + Sync);

/// How thorough to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Keys drawn at random until every share is sure, this many at most; all where there are no more.
    Sample(u64),
    /// Every key, by SCAN.
    Full,
}

/// Looks at the keys. `info` is what INFO says, `now_ms` Unix time in milliseconds.
///
/// # Errors
///
/// The connection broke, or the user may not draw or scan keys, or not ask for their type.
pub async fn profile(
    gate: &mut Gate<'_>,
    pass: Pass,
    info: &Info,
    config: Option<&Config>,
    now_ms: u64,
    met: Met<'_>,
) -> Result<KeyspaceProfile> {
    let databases = info.databases();
    let total: u64 = databases.values().map(|database| database.keys).sum();
    let mut profiler = Profiler::new(now_ms, compact_limits(config));
    let mut streams = Vec::new();
    // So that the keys looked at do not become the last to be evicted. Unknown before 7.2, and of no consequence then.
    gate.one(ReadOnly::new(&["CLIENT", "NO-TOUCH", "ON"])?).await?;
    let lfu = info.get("maxmemory_policy").is_some_and(|policy| policy.ends_with("-lfu"));
    let mut look = Look {
        gate,
        profiler: &mut profiler,
        streams: &mut streams,
        database: 0,
        used: match (lfu, pass) {
            (true, _) => Some("FREQ"),
            // What a sample says of idle keys is sure enough; asked of millions it would be a fourth of the server's work.
            (false, Pass::Full) if total > IDLE_ASKED => None,
            (false, _) => Some("IDLETIME"),
        },
        expires: true,
        sizes_later: crashes_of_sizes(info),
        name_bytes: 0,
        names: 0,
        met,
        sizes_lack: None,
    };
    let sample = match pass {
        Pass::Sample(most) if total > most => Some(most),
        _ => None,
    };
    match sample {
        Some(most) => look.draw(&databases, total, most).await?,
        None => {
            for (index, database) in &databases {
                look.select(*index, database).await?;
                look.scan().await?;
            }
        }
    }
    let sizes_lack = look.sizes_lack.take();
    ask_about_groups(gate, &mut profiler, &streams).await?;
    let basis = if sample.is_some() { Basis::Sample } else { Basis::Everything };
    Ok(KeyspaceProfile { sizes_lack, ..profiler.finish(basis, total) })
}

/// Redis 8.10.2 crashes when it is asked for the memory of a vector set with an expiry, and 8.0 does not. Valkey calls itself Redis 7.2.
pub(super) fn crashes_of_sizes(info: &Info) -> bool {
    let mut numbers =
        info.get("redis_version").unwrap_or_default().split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (8, 1)
}

/// Types whose values the server itself keeps, and no module.
const OF_THE_SERVER: [&str; 6] = ["string", "list", "set", "zset", "hash", "stream"];

/// The limits of the compact encodings; servers before 7.0 say ziplist.
pub(super) fn compact_limits(config: Option<&Config>) -> CompactLimits {
    let limit = |names: [&str; 2]| {
        let config = config?;
        names.iter().find_map(|name| Some(((*name).to_owned(), config.u64(name)?)))
    };
    CompactLimits {
        hash: limit(["hash-max-listpack-entries", "hash-max-ziplist-entries"]),
        set: limit(["set-max-listpack-entries", "set-max-intset-entries"]),
        zset: limit(["zset-max-listpack-entries", "zset-max-ziplist-entries"]),
    }
}

/// An error where a command was refused: nothing that it was to tell may be taken for a value.
pub(super) fn refused(command: &str, reply: &Reply) -> Result<()> {
    match reply {
        Reply::Error(message) => {
            let fault = ServerError::parse(message).fault(command);
            Err(CommandError { command: command.to_owned(), fault }.into())
        }
        _ => Ok(()),
    }
}

/// The ACL rule for want of which a command was refused.
fn lacking(command: &str, reply: &Reply) -> Option<String> {
    let Reply::Error(message) = reply else { return None };
    match ServerError::parse(message).fault(command) {
        CommandFault::NoPermission { rule, .. } => Some(rule),
        _ => None,
    }
}

pub(super) struct Look<'a, 'b> {
    pub(super) gate: &'a mut Gate<'b>,
    pub(super) profiler: &'a mut Profiler,
    pub(super) met: Met<'a>,
    pub(super) streams: &'a mut Vec<(u32, Vec<u8>)>,
    pub(super) database: u32,
    /// The subcommand of OBJECT that tells how much a key is used.
    pub(super) used: Option<&'static str>,
    /// Whether any key of this database has a time to live.
    pub(super) expires: bool,
    /// The memory of a key is asked for once its type is known, and that of a module's value never.
    pub(super) sizes_later: bool,
    /// Bytes of the names met so far, and how many names: so that a page of long names is a short one.
    pub(super) name_bytes: usize,
    pub(super) names: usize,
    /// The ACL rule for want of which no size is known.
    pub(super) sizes_lack: Option<String>,
}

/// A key of which the first questions are answered.
pub(super) struct Half {
    key: Vec<u8>,
    kind: String,
    ttl_ms: Option<u64>,
    bytes: Option<u64>,
    /// Its size is still to be asked for.
    lacks_bytes: bool,
    used: Option<u64>,
}

impl Look<'_, '_> {
    async fn select(&mut self, index: u32, database: &Database) -> Result<()> {
        if self.names == 0 || self.database != index {
            let selected = self.gate.one(ReadOnly::new(&["SELECT", &index.to_string()])?).await?;
            refused("SELECT", &selected).with_context(|| format!("cannot select database {index}"))?;
        }
        (self.database, self.expires) = (index, database.expires > 0);
        Ok(())
    }

    /// The number of keys whose names fit into a page; a few while the length of names is not known yet.
    pub(super) fn page(&self, most: usize) -> usize {
        match self.names {
            0 => most.min(FIRST_PAGE),
            names => (PAGE_BYTES / (self.name_bytes / names).max(1)).clamp(1, most),
        }
    }

    pub(super) fn note_names(&mut self, keys: &[Vec<u8>]) {
        self.names += keys.len();
        self.name_bytes += keys.iter().map(Vec::len).sum::<usize>();
    }

    /// Draws keys, in each round from every database its part, until all shares are sure.
    async fn draw(&mut self, databases: &BTreeMap<u32, Database>, total: u64, most: u64) -> Result<()> {
        while self.profiler.seen() < most {
            for (index, database) in databases {
                let round = self.page(BATCH) as f64;
                let share = (round * database.keys as f64 / total.max(1) as f64).ceil() as usize;
                if !self.draw_from(*index, database, share).await? {
                    // They are gone since INFO counted them.
                    return Ok(());
                }
            }
            if self.profiler.seen() >= LEAST_DRAWN && self.profiler.margin() <= SURE {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Draws so many keys of one database; whether there were any.
    pub(super) async fn draw_from(&mut self, index: u32, database: &Database, keys: usize) -> Result<bool> {
        self.select(index, database).await?;
        let drawn = self.gate.ask(&vec![ReadOnly::new(&["RANDOMKEY"])?; keys]).await?;
        if let Some(reply) = drawn.first() {
            refused("RANDOMKEY", reply).context("cannot read random keys")?;
        }
        let keys: Vec<Vec<u8>> = drawn.into_iter().filter_map(into_bytes).collect();
        if keys.is_empty() {
            return Ok(false);
        }
        self.note_names(&keys);
        let questions = self.first_questions(&keys)?;
        let answers = self.gate.ask(&questions).await?;
        let halves = self.halves(keys, answers)?;
        let questions = second_questions(&halves)?;
        let answers = if questions.is_empty() { Vec::new() } else { self.gate.ask(&questions).await? };
        self.note(&halves, answers);
        Ok(true)
    }

    /// What is asked of every key: its type, its size, how much it is used, and when it ends where any key does.
    pub(super) fn first_questions(&self, keys: &[Vec<u8>]) -> Result<Vec<ReadOnly>> {
        let mut questions = Vec::with_capacity(keys.len() * 4 + 1);
        for key in keys {
            questions.push(ReadOnly::new(&[b"TYPE" as &[u8], key])?);
            if !self.sizes_later {
                questions.push(ReadOnly::new(&[b"MEMORY" as &[u8], b"USAGE", key])?);
            }
            if self.expires {
                questions.push(ReadOnly::new(&[b"PTTL" as &[u8], key])?);
            }
            if let Some(used) = self.used {
                questions.push(ReadOnly::new(&[b"OBJECT" as &[u8], used.as_bytes(), key])?);
            }
        }
        Ok(questions)
    }

    pub(super) fn halves(&mut self, keys: Vec<Vec<u8>>, answers: Vec<Reply>) -> Result<Vec<Half>> {
        let number = |reply: &Reply| reply.integer().and_then(|number| u64::try_from(number).ok());
        let mut halves = Vec::with_capacity(keys.len());
        let mut answers = answers.into_iter();
        for key in keys {
            let Some(kind) = answers.next() else { break };
            let bytes = (!self.sizes_later).then(|| answers.next()).flatten();
            let ttl = self.expires.then(|| answers.next()).flatten();
            let used = self.used.and_then(|_| answers.next());
            refused("TYPE", &kind).context("cannot read the types of keys")?;
            if let Some(ttl) = &ttl {
                refused("PTTL", ttl).context("cannot read when keys expire")?;
            }
            if self.sizes_lack.is_none() {
                self.sizes_lack = bytes.as_ref().and_then(|reply| lacking("MEMORY USAGE", reply));
            }
            let Some(kind) = into_bytes(kind).and_then(|kind| String::from_utf8(kind).ok()) else { continue };
            // It expired or was deleted between two questions.
            if kind == "none" || ttl.as_ref().is_some_and(|reply| reply.integer() == Some(-2)) {
                continue;
            }
            halves.push(Half {
                key,
                lacks_bytes: self.sizes_later && OF_THE_SERVER.contains(&kind.as_str()),
                kind,
                ttl_ms: ttl.as_ref().and_then(number),
                bytes: bytes.as_ref().and_then(number),
                used: used.as_ref().and_then(number),
            });
        }
        Ok(halves)
    }

    /// Tells the profiler about keys of which everything is answered.
    pub(super) fn note(&mut self, halves: &[Half], answers: Vec<Reply>) {
        let mut answers = answers.into_iter();
        for half in halves {
            let wanted = wanted(half);
            let length =
                wanted.length.and_then(|_| answers.next()).and_then(|reply| u64::try_from(reply.integer()?).ok());
            let encoding = wanted.encoding.then(|| answers.next()).flatten().and_then(|reply| match reply {
                Reply::Error(_) => None,
                other => other.text(),
            });
            let late = half.lacks_bytes.then(|| answers.next()).flatten();
            if self.sizes_lack.is_none() {
                self.sizes_lack = late.as_ref().and_then(|reply| lacking("MEMORY USAGE", reply));
            }
            let late = late.and_then(|reply| u64::try_from(reply.integer()?).ok());
            if half.kind == "stream" && self.streams.len() < STREAMS_ASKED {
                self.streams.push((self.database, half.key.clone()));
            }
            let counts_uses = self.used == Some("FREQ");
            self.profiler.note(&KeySeen {
                database: self.database,
                key: &half.key,
                kind: &half.kind,
                ttl_ms: half.ttl_ms,
                bytes: half.bytes.or(late),
                length,
                encoding: encoding.as_deref().unwrap_or_default(),
                idle_seconds: half.used.filter(|_| !counts_uses),
                frequency: half.used.filter(|_| counts_uses),
            });
        }
    }
}

pub(super) fn into_bytes(reply: Reply) -> Option<Vec<u8>> {
    match reply {
        Reply::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// Lengths and encodings, where they can tell something.
pub(super) fn second_questions(halves: &[Half]) -> Result<Vec<ReadOnly>> {
    let mut questions = Vec::new();
    for half in halves {
        let wanted = wanted(half);
        if let Some(command) = wanted.length {
            questions.push(ReadOnly::new(&[command.as_bytes(), &half.key])?);
        }
        if wanted.encoding {
            questions.push(ReadOnly::new(&[b"OBJECT" as &[u8], b"ENCODING", &half.key])?);
        }
        if half.lacks_bytes {
            questions.push(ReadOnly::new(&[b"MEMORY" as &[u8], b"USAGE", &half.key])?);
        }
    }
    Ok(questions)
}

struct Wanted {
    length: Option<&'static str>,
    encoding: bool,
}

fn wanted(half: &Half) -> Wanted {
    let purpose = purpose(&half.key);
    let large = half.bytes.is_none_or(|bytes| bytes >= LENGTH_WORTH_ASKING);
    let (length, encoding) = match half.kind.as_str() {
        "string" => (
            (purpose == Some(Purpose::Lock) || half.bytes.is_none() && !half.lacks_bytes).then_some("STRLEN"),
            purpose == Some(Purpose::RateLimit),
        ),
        "list" => (large.then_some("LLEN"), false),
        "set" => (large.then_some("SCARD"), large),
        "zset" => (large.then_some("ZCARD"), large),
        "hash" => (large.then_some("HLEN"), large),
        "stream" => (Some("XLEN"), false),
        _ => (None, false),
    };
    Wanted { length, encoding }
}

async fn ask_about_groups(gate: &mut Gate<'_>, profiler: &mut Profiler, streams: &[(u32, Vec<u8>)]) -> Result<()> {
    let mut selected = None;
    for (database, key) in streams {
        if selected != Some(*database) {
            gate.one(ReadOnly::new(&["SELECT", &database.to_string()])?).await?;
            selected = Some(*database);
        }
        let reply = gate.one(ReadOnly::new(&[b"XINFO" as &[u8], b"GROUPS", key])?).await?;
        let groups: Vec<StreamGroupSeen> = reply.items().iter().map(group).collect();
        let name = escaped(key);
        if let Some(seen) =
            profiler.streams_mut().iter_mut().find(|seen| seen.database == *database && seen.key == name)
        {
            seen.groups = groups;
        }
    }
    Ok(())
}

fn group(reply: &Reply) -> StreamGroupSeen {
    let number = |name| reply.field(name).and_then(Reply::integer).and_then(|number| u64::try_from(number).ok());
    StreamGroupSeen {
        name: reply.field("name").and_then(Reply::bytes).map(escaped).unwrap_or_default(),
        pending: number("pending").unwrap_or(0),
        lag: number("lag"),
        consumers: number("consumers").unwrap_or(0),
    }
}
