//! Looks at the keys of a live server: a sample drawn by RANDOMKEY, or all of them by SCAN.
//!
//! The first keys of a SCAN are no sample: since Redis 7.4 and Valkey 8 a cluster node hands out slot after slot, and a
//! tenant behind one hash tag is all of it or none. RANDOMKEY is fair enough.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::names::{Purpose, escaped, purpose};
use super::profiler::{CompactLimits, KeySeen, Profiler};
use super::{Basis, KeyspaceProfile, StreamGroupSeen};
use crate::introspection::gate::{Gate, Question};
use crate::replies::{Config, Database, Reply};

/// Keys asked about in one write.
const BATCH: usize = 500;
/// COUNT of SCAN.
const SCAN_COUNT: usize = 1000;
/// Below this a collection cannot have outgrown its compact encoding or be big.
const LENGTH_WORTH_ASKING: u64 = 1024;
/// Streams whose groups are asked for.
const STREAMS_ASKED: usize = 100;

/// How thorough to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// This many keys drawn at random; all where there are no more.
    Sample(u64),
    /// Every key, by SCAN.
    Full,
}

/// Looks at the keys. `databases` is what INFO says, `now_ms` Unix time in milliseconds.
///
/// # Errors
///
/// The connection broke, or the user may not so much as draw or scan keys.
pub async fn profile(
    gate: &mut Gate<'_>,
    pass: Pass,
    databases: &BTreeMap<u32, Database>,
    config: Option<&Config>,
    now_ms: u64,
) -> Result<KeyspaceProfile> {
    let total: u64 = databases.values().map(|database| database.keys).sum();
    let mut profiler = Profiler::new(now_ms, compact_limits(config));
    let mut streams = Vec::new();
    // So that the keys looked at do not become the last to be evicted. Unknown before 7.2, and of no consequence then.
    gate.one(Question::new(&["CLIENT", "NO-TOUCH", "ON"])?).await?;
    let everything = match pass {
        Pass::Full => true,
        Pass::Sample(size) => total <= size,
    };
    for (index, database) in databases {
        let selected = gate.one(Question::new(&["SELECT", &index.to_string()])?).await?;
        refused(&selected).with_context(|| format!("select database {index}"))?;
        let mut look = Look { gate, profiler: &mut profiler, streams: &mut streams, database: *index };
        match pass {
            Pass::Sample(size) if !everything => {
                // Each database gets its share of the sample.
                let share = (size as f64 * database.keys as f64 / total.max(1) as f64).ceil() as usize;
                look.draw(share).await?;
            }
            _ => look.scan().await?,
        }
    }
    ask_about_groups(gate, &mut profiler, &streams).await?;
    Ok(profiler.finish(if everything { Basis::Everything } else { Basis::Sample }, total))
}

/// The limits of the compact encodings; servers before 7.0 say ziplist.
fn compact_limits(config: Option<&Config>) -> CompactLimits {
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

fn refused(reply: &Reply) -> Result<()> {
    match reply {
        Reply::Error(message) => anyhow::bail!("{message}"),
        _ => Ok(()),
    }
}

struct Look<'a, 'b> {
    gate: &'a mut Gate<'b>,
    profiler: &'a mut Profiler,
    streams: &'a mut Vec<(u32, Vec<u8>)>,
    database: u32,
}

/// A key of which the first questions are answered.
struct Half {
    key: Vec<u8>,
    kind: String,
    ttl_ms: Option<u64>,
    bytes: Option<u64>,
}

impl Look<'_, '_> {
    async fn draw(&mut self, mut wanted: usize) -> Result<()> {
        while wanted > 0 {
            let batch = wanted.min(BATCH);
            wanted -= batch;
            let questions = vec![Question::new(&["RANDOMKEY"])?; batch];
            let replies = self.gate.ask(&questions).await?;
            if let Some(reply) = replies.first() {
                refused(reply).context("draw keys at random")?;
            }
            let keys = replies.iter().filter_map(|reply| reply.bytes().map(<[u8]>::to_vec)).collect();
            self.describe(keys).await?;
        }
        Ok(())
    }

    async fn scan(&mut self) -> Result<()> {
        let mut cursor = b"0".to_vec();
        loop {
            let question = Question::new(&[b"SCAN" as &[u8], &cursor, b"COUNT", SCAN_COUNT.to_string().as_bytes()])?;
            let reply = self.gate.one(question).await?;
            refused(&reply).context("scan the keys")?;
            let [next, keys] = reply.items() else { anyhow::bail!("SCAN answered something else") };
            let keys: Vec<Vec<u8>> = keys.items().iter().filter_map(|key| key.bytes().map(<[u8]>::to_vec)).collect();
            for batch in keys.chunks(BATCH) {
                self.describe(batch.to_vec()).await?;
            }
            cursor = next.bytes().context("SCAN without a cursor")?.to_vec();
            if cursor == b"0" {
                return Ok(());
            }
        }
    }

    async fn describe(&mut self, keys: Vec<Vec<u8>>) -> Result<()> {
        let mut questions = Vec::with_capacity(keys.len() * 3);
        for key in &keys {
            questions.push(Question::new(&[b"TYPE" as &[u8], key])?);
            questions.push(Question::new(&[b"PTTL" as &[u8], key])?);
            questions.push(Question::new(&[b"MEMORY" as &[u8], b"USAGE", key])?);
        }
        let replies = self.gate.ask(&questions).await?;
        let halves: Vec<Half> =
            keys.into_iter().zip(replies.chunks_exact(3)).filter_map(|(key, answers)| half(key, answers)).collect();
        self.measure(&halves).await
    }

    /// Asks for lengths and encodings, where they can tell something.
    async fn measure(&mut self, halves: &[Half]) -> Result<()> {
        let mut questions = Vec::new();
        let mut asked = Vec::new();
        for half in halves {
            let wanted = wanted(half);
            if let Some(command) = wanted.length {
                questions.push(Question::new(&[command.as_bytes(), &half.key])?);
            }
            if wanted.encoding {
                questions.push(Question::new(&[b"OBJECT" as &[u8], b"ENCODING", &half.key])?);
            }
            asked.push(wanted);
        }
        let replies = if questions.is_empty() { Vec::new() } else { self.gate.ask(&questions).await? };
        let mut replies = replies.into_iter();
        for (half, wanted) in halves.iter().zip(asked) {
            let length =
                wanted.length.and_then(|_| replies.next()).and_then(|reply| u64::try_from(reply.integer()?).ok());
            let encoding = wanted.encoding.then(|| replies.next()).flatten().and_then(|reply| match reply {
                Reply::Error(_) => None,
                other => other.text(),
            });
            if half.kind == "stream" && self.streams.len() < STREAMS_ASKED {
                self.streams.push((self.database, half.key.clone()));
            }
            self.profiler.note(&KeySeen {
                database: self.database,
                key: &half.key,
                kind: &half.kind,
                ttl_ms: half.ttl_ms,
                bytes: half.bytes,
                length,
                encoding: encoding.as_deref().unwrap_or_default(),
            });
        }
        Ok(())
    }
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
            (purpose == Some(Purpose::Lock) || half.bytes.is_none()).then_some("STRLEN"),
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

fn half(key: Vec<u8>, answers: &[Reply]) -> Option<Half> {
    let kind = answers[0].text()?;
    // It expired or was deleted between two questions.
    if kind == "none" || answers[1].integer() == Some(-2) {
        return None;
    }
    let ttl_ms = answers[1].integer().and_then(|ttl| u64::try_from(ttl).ok());
    let bytes = answers[2].integer().and_then(|bytes| u64::try_from(bytes).ok());
    Some(Half { key, kind, ttl_ms, bytes })
}

async fn ask_about_groups(gate: &mut Gate<'_>, profiler: &mut Profiler, streams: &[(u32, Vec<u8>)]) -> Result<()> {
    let mut selected = None;
    for (database, key) in streams {
        if selected != Some(*database) {
            gate.one(Question::new(&["SELECT", &database.to_string()])?).await?;
            selected = Some(*database);
        }
        let reply = gate.one(Question::new(&[b"XINFO" as &[u8], b"GROUPS", key])?).await?;
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
