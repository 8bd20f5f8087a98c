//! The source for servers that refuse replication (managed services): SCAN and DUMP, key by key, put together to an RDB.
//!
//! The result is an RDB as that server would have written it: its own version of the format and encodings (they stand in the
//! payloads of DUMP), all databases, expiries, functions. Backup and verify work on it unchanged. It differs in this:
//!
//! - **It is fuzzy.** Each key is as it was at some moment of the scan, and no two need be of the same moment. A key that was there
//!   from beginning to end is in it; one that came, went or was renamed meanwhile may be or not be.
//! - LRU and LFU are not in it, nor data of modules outside of keys.
//! - Every key costs the server two looks at its expiry and one DUMP: three hits each in `keyspace_hits` (four from Redis 8.1 on)
//!   ([`Report::keyspace_hits_added`]). Their LRU is not touched where the server knows `CLIENT NO-TOUCH` (7.2 and newer).
//! - DUMP makes the whole value in the server's memory, but not in ours. Keys are asked together up to 8 MiB, by what `MEMORY USAGE`
//!   estimates; one of 4 MiB and more is asked for alone, and passes in pieces (`large`), and so do the keys of a batch whose answers
//!   have more than 32 MiB. Only where the server takes no `MULTI` a large value is held whole; the report says so.
//!
//! SCAN may give a key twice when its table shrinks meanwhile. The table is walked in the order of the reversed bits of the bucket
//! number (`dict.c`, `dictScan`), in which buckets that become one when it shrinks are neighbours: what comes twice comes soon
//! again. A window of the last 900,000 keys therefore finds them, in bounded memory.

mod encoder;
pub(super) mod error;
mod large;
mod payload;
mod recent;
mod server;

use std::collections::VecDeque;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;

use super::incoming::{CaptureError, Source};
use crate::connection::Node;
use crate::figures::{count, span};
use crate::rdb::dump;

use encoder::Encoder;
pub use error::ScanError;
use large::{Large, Next, Opened};
use recent::Recent;
use server::{Expiry, Fetched, Server};

/// How many keys SCAN is asked for at a time.
const PAGE: usize = 256;
/// Bytes that are asked for in one go, as far as they can be estimated.
const BATCH_BYTES: u64 = 8 << 20;
/// A key of so many bytes, as far as they can be estimated, is asked for alone.
const LARGE: u64 = 4 << 20;
/// A key whose expiry changes all the time is asked for so often, and then taken as it is.
const ATTEMPTS: u32 = 5;
/// A scan of one database is given up when no key came that was not there before for so many times the silence that is allowed: ten
/// times 65 seconds, unless something else was typed. A table of a thousand million empty places is walked in that time.
const SILENCES_WITHOUT_A_KEY: u32 = 10;
/// A scan of one database is also given up when it has named so many times as many keys as there are, and [`KEYS_MORE`]. Each place of
/// the table is visited once, while it may double a few times.
const TIMES_AS_MANY: u64 = 4;
/// A scan may always name this many keys more than there are, before [`TIMES_AS_MANY`] ends it.
const KEYS_MORE: u64 = 100_000;
/// Modules that keep no data outside of keys: those that are part of every Redis 8 and of every Valkey 9.1.
const WITHOUT_AUX: &[&str] = &["vectorset", "lua"];

/// A server being read key by key. Pull its chunks by [`Source::next`]; dropping it ends it.
pub struct Scan {
    server: Server,
    encoder: Encoder,
    recent: Recent,
    databases: VecDeque<u32>,
    walk: Option<Walk>,
    /// A large value that is being read, and its key.
    large: Option<(Vec<u8>, Box<Large>)>,
    /// The server takes no transactions: large values are held whole.
    holds_whole: bool,
    stage: Stage,
    report: Report,
}

/// What was read, and what it cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Keys in the RDB.
    pub keys: u64,
    /// Keys that SCAN named and that were gone a moment later.
    pub gone: u64,
    /// Keys that SCAN named more than once; they are in the RDB once.
    pub duplicates: u64,
    /// Commands that were sent to the server.
    pub commands: u64,
    /// By how much `keyspace_hits` of the server has grown through us.
    pub keyspace_hits_added: u64,
    /// How often the connection broke and was opened again.
    pub reconnects: u64,
    /// What the server holds and the RDB does not, and why.
    pub lacks: Vec<String>,
    /// Why the function libraries could not be read: nobody knows whether there are any.
    pub functions_unread: Option<String>,
    /// What else is worth a word.
    pub warnings: Vec<String>,
}

/// Refuses a payload of another version than that of the file.
fn same_version(version: u16, expected: Option<u16>) -> Result<(), ScanError> {
    if Some(version) == expected {
        return Ok(());
    }
    let reason = format!("it is of RDB version {version}, the first was of {expected:?}");
    Err(ScanError::Payload { reason })
}

enum Stage {
    Begin,
    Keys,
    Done,
}

/// The walk through one database.
struct Walk {
    database: u32,
    /// `None`: SCAN has come to its end.
    cursor: Option<Vec<u8>>,
    /// Keys to be asked for, with the estimate of their size.
    keys: VecDeque<(Vec<u8>, u64)>,
    is_written: bool,
    /// Keys that SCAN named for the first time.
    n_named: u64,
    /// Keys that may be named before the server is asked how many there are.
    n_plausible: u64,
    /// When a key was named last that was not there before; the time in which we did not ask does not count.
    found_at: Instant,
}

impl Scan {
    /// Connects, and finds out what can be asked.
    ///
    /// # Errors
    /// If the server cannot be reached, or does not answer INFO.
    pub async fn begin(node: &Node) -> Result<Self, ScanError> {
        Ok(Self {
            server: Server::connect(node).await?,
            encoder: Encoder::default(),
            recent: Recent::default(),
            databases: VecDeque::new(),
            walk: None,
            large: None,
            holds_whole: false,
            stage: Stage::Begin,
            report: Report::default(),
        })
    }

    /// What was read so far; complete once [`Source::next`] has given `None`.
    pub fn report(&self) -> Report {
        Report {
            commands: self.server.commands,
            reconnects: self.server.reconnects,
            keyspace_hits_added: self.report.keyspace_hits_added + self.server.hits_in_vain,
            ..self.report.clone()
        }
    }

    async fn advance(&mut self) -> Result<(), ScanError> {
        match (&self.stage, &mut self.walk) {
            (Stage::Begin, _) => self.head().await,
            (Stage::Keys, _) if self.large.is_some() => self.pass().await,
            (Stage::Keys, Some(walk)) => match walk.keys.front() {
                Some((_, size)) if *size >= LARGE && !self.holds_whole => self.open().await,
                Some(_) => self.batch().await,
                None if walk.cursor.is_some() => self.page().await,
                None => self.next_database().await,
            },
            (Stage::Keys, _) => self.next_database().await,
            (Stage::Done, _) => Ok(()),
        }
    }

    /// Writes what stands before the first key: header, aux fields, function libraries.
    async fn head(&mut self) -> Result<(), ScanError> {
        let functions = self.server.functions().await?;
        let version = match &functions {
            Ok(Some(functions)) => functions.version,
            Ok(None) | Err(_) => self.server.rdb_version().await?,
        };
        self.encoder.header(version);
        let facts = &self.server.facts;
        let name = if facts.is_valkey() { "valkey-ver" } else { "redis-ver" };
        self.encoder.aux(name, &facts.version);
        self.encoder.aux("redis-bits", "64");
        self.encoder.aux("ctime", &self.server.began_seconds.to_string());
        self.encoder.aux("used-mem", &facts.used_memory.to_string());
        // Unknown fields are ignored by every server; to a person this one says what the file is.
        self.encoder.aux("redis-ops-source", "scan");
        match functions {
            Ok(Some(functions)) => self.encoder.functions(functions.body()),
            Ok(None) => {}
            Err(error) => {
                self.report.lacks.push(format!("functions are not in the backup: {error}"));
                self.report.functions_unread = Some(error.to_string());
            }
        }
        let modules: Vec<&str> =
            facts.modules.iter().map(String::as_str).filter(|module| !WITHOUT_AUX.contains(module)).collect();
        if !modules.is_empty() {
            let modules = modules.join(", ");
            self.report.lacks.push(format!("module data outside of keys is not in the backup (modules: {modules})"));
        }
        self.databases = self.server.databases().await?.into();
        self.stage = Stage::Keys;
        Ok(())
    }

    async fn next_database(&mut self) -> Result<(), ScanError> {
        let Some(database) = self.databases.pop_front() else {
            self.encoder.end();
            self.walk = None;
            self.stage = Stage::Done;
            return Ok(());
        };
        self.server.select(database).await?;
        self.recent = Recent::default();
        self.walk = Some(Walk {
            database,
            cursor: Some(b"0".to_vec()),
            keys: VecDeque::new(),
            is_written: false,
            n_named: 0,
            n_plausible: KEYS_MORE,
            found_at: Instant::now(),
        });
        Ok(())
    }

    /// The next keys, without those that were there before.
    async fn page(&mut self) -> Result<(), ScanError> {
        let Some(walk @ Walk { cursor: Some(_), .. }) = &mut self.walk else { return Ok(()) };
        let (cursor, mut keys) = self.server.scan(walk.cursor.as_deref().unwrap_or(b"0"), PAGE).await?;
        let n_found = keys.len();
        keys.retain(|key| self.recent.insert(key));
        self.report.duplicates += (n_found - keys.len()) as u64;
        walk.n_named += keys.len() as u64;
        let database = walk.database;
        let endless = |reason| ScanError::Endless { database, reason };
        if walk.n_named > walk.n_plausible {
            let n_there = self.server.size().await?;
            walk.n_plausible = n_there.saturating_mul(TIMES_AS_MANY).saturating_add(KEYS_MORE);
            if walk.n_named > walk.n_plausible {
                let (named, there) = (count(walk.n_named), count(n_there));
                return Err(endless(format!("`SCAN` returned {named} keys, but `DBSIZE` says {there}")));
            }
        }
        let patience = self.server.silence().saturating_mul(SILENCES_WITHOUT_A_KEY);
        if keys.is_empty() && cursor != b"0" && walk.found_at.elapsed() >= patience {
            let patience = span(patience);
            return Err(endless(format!("`SCAN` returned no new key for {patience}")));
        }
        let is_empty = keys.is_empty();
        let sizes = self.server.sizes(&keys).await?;
        self.report.keyspace_hits_added += if self.server.asks_types() { keys.len() as u64 } else { 0 };
        walk.cursor = (cursor != b"0").then_some(cursor);
        walk.keys.extend(keys.into_iter().zip(sizes));
        if !is_empty {
            walk.found_at = Instant::now();
        }
        Ok(())
    }

    /// Some keys in one round trip; those that changed under our hands once more.
    async fn batch(&mut self) -> Result<(), ScanError> {
        let Some(walk) = &mut self.walk else { return Ok(()) };
        let (mut keys, mut bytes) = (Vec::new(), 0);
        while let Some((key, size)) = walk.keys.pop_front_if(|(_, size)| {
            keys.is_empty() || (bytes + *size <= BATCH_BYTES && (*size < LARGE || self.holds_whole))
        }) {
            bytes += size;
            keys.push(key);
        }
        for attempt in 1..=ATTEMPTS {
            let fetched = match self.server.fetch(&keys, attempt == ATTEMPTS).await {
                Ok(fetched) => fetched,
                // They are larger than they were said to be: each by itself, then.
                Err(error) if self.server.is_too_large(&error).await? => {
                    // At most: who knows how many of them it had looked at when we hung up.
                    self.report.keyspace_hits_added += server::HITS_PER_KEY * keys.len() as u64;
                    if let Some(walk) = &mut self.walk {
                        keys.into_iter().rev().for_each(|key| walk.keys.push_front((key, LARGE)));
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            let mut again = Vec::new();
            for (key, fetched) in keys.into_iter().zip(fetched) {
                match fetched {
                    Fetched::Gone => self.report.gone += 1,
                    Fetched::Unsettled => {
                        self.report.keyspace_hits_added += server::HITS_PER_KEY;
                        again.push(key);
                    }
                    Fetched::Key { payload, expiry } => {
                        self.report.keyspace_hits_added += server::HITS_PER_KEY;
                        self.write(&key, &payload, expiry)?;
                    }
                }
            }
            if again.is_empty() {
                break;
            }
            keys = again;
        }
        if let Some(walk) = &mut self.walk {
            walk.found_at = Instant::now();
        }
        Ok(())
    }

    fn write(&mut self, key: &[u8], payload: &[u8], expiry: Expiry) -> Result<(), ScanError> {
        let payload = dump::check(payload)?;
        same_version(payload.version, self.encoder.version())?;
        self.write_database();
        self.encoder.key(key, expiry, &payload);
        self.report.keys += 1;
        Ok(())
    }

    /// The database's number, before its first key.
    fn write_database(&mut self) {
        if let Some(walk) = &mut self.walk
            && !walk.is_written
        {
            walk.is_written = true;
            self.encoder.database(walk.database);
        }
    }

    /// Asks for the large key whose turn it is.
    async fn open(&mut self) -> Result<(), ScanError> {
        let Some((key, size)) = self.walk.as_mut().and_then(|walk| walk.keys.pop_front()) else { return Ok(()) };
        match self.server.open(&key).await? {
            Opened::Gone => self.report.gone += 1,
            Opened::Value(large) => self.large = Some((key, large)),
            Opened::Refused(error) => {
                self.holds_whole = true;
                self.server.take_all();
                let warning = format!("large values were kept whole in memory: the server refuses `MULTI` ({error})");
                self.report.warnings.push(warning);
                if let Some(walk) = &mut self.walk {
                    walk.keys.push_front((key, size));
                }
            }
        }
        Ok(())
    }

    /// The next piece of a large value.
    async fn pass(&mut self) -> Result<(), ScanError> {
        let (Some((_, large)), Some(version)) = (&mut self.large, self.encoder.version()) else { return Ok(()) };
        let next = large.next(version).await?;
        let expiry = large.expiry;
        match next {
            Next::Begin(key_meta, value_type, first) => {
                self.write_database();
                if let Some((key, _)) = &self.large {
                    self.encoder.begin(key, expiry, key_meta.as_deref(), value_type);
                }
                self.encoder.body(&first);
            }
            Next::Bytes(bytes) => self.encoder.body(&bytes),
            Next::End => {
                self.server.lane = self.large.take().map(|(_, large)| large.into_lane());
                self.report.keys += 1;
                self.report.keyspace_hits_added += Large::HITS;
                if let Some(walk) = &mut self.walk {
                    walk.found_at = Instant::now();
                }
            }
        }
        Ok(())
    }

    /// The next chunk of at most 1 MiB; `None` at the end.
    ///
    /// # Errors
    /// See [`ScanError`]. Nothing more comes then.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, ScanError> {
        loop {
            if let Some(chunk) = self.encoder.take(matches!(self.stage, Stage::Done)) {
                return Ok(Some(chunk));
            }
            if matches!(self.stage, Stage::Done) {
                return Ok(None);
            }
            if let Err(error) = self.advance().await {
                // A file without an end can never be taken for a whole one.
                (self.stage, self.encoder) = (Stage::Done, Encoder::default());
                return Err(error);
            }
        }
    }
}

#[async_trait]
impl Source for Scan {
    async fn next(&mut self) -> Result<Option<Bytes>, CaptureError> {
        Ok(self.next_chunk().await?)
    }
}
