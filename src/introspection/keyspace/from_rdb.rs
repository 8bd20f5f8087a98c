//! Profiles the keyspace from an RDB while it passes: exact, and without a question to the server.

use std::collections::BTreeMap;

use super::profiler::{CompactLimits, KeySeen, Profiler};
use super::weight::{self, Layout, Weight};
use super::{Basis, KeyspaceProfile, StreamGroupSeen, StreamSeen, escaped};
use crate::rdb::types::{Kind, ValueType};
use crate::rdb::visit::{ArrayValue, Entry, EntryEnd, Interest, Part, Piece, StreamInfo, Visit};
use crate::replies::{Database, Info};

/// Digits of the longest 64-bit number, with its sign.
const NUMBER_LENGTH: usize = 20;

/// A visitor of an RDB that profiles its keys. `bytes` of the profile are what the keys are estimated to take in the memory of the
/// server that wrote it ([`Weight`]).
#[derive(Debug)]
pub struct RdbProfile {
    profiler: Profiler,
    now_ms: u64,
    keys: u64,
    key: Vec<u8>,
    database: u32,
    kind: &'static str,
    ttl_ms: Option<u64>,
    idle_seconds: Option<u64>,
    frequency: Option<u64>,
    length: u64,
    text: Vec<u8>,
    groups: Vec<StreamGroupSeen>,
    streams: Vec<StreamSeen>,
    entries_added: u64,
    weight: Weight,
    layout: Layout,
    allocator: Option<String>,
    info: BTreeMap<&'static str, String>,
    databases: BTreeMap<u32, Database>,
}

/// What a file says of its server, by the names of INFO.
const TOLD: &[(&[u8], &str)] =
    &[(b"redis-ver", "redis_version"), (b"valkey-ver", "valkey_version"), (b"used-mem", "used_memory")];
/// The most databases that are counted separately.
const DATABASES_KEPT: usize = 4096;
/// What hangs on a stream's group in memory, in bytes: the group with its trees, a pending entry in two of them, a consumer.
const OF_A_GROUP: u64 = 600;
const OF_A_PENDING_ENTRY: u64 = 100;
const OF_A_CONSUMER: u64 = 200;
/// Bytes of what a file says of its server that are read.
const TOLD_LENGTH: usize = 64;

impl RdbProfile {
    /// `now_ms`: Unix time in milliseconds from which times to live are counted, unless the file says when it was made.
    pub fn new(now_ms: u64) -> Self {
        Self {
            profiler: Profiler::new(now_ms, CompactLimits::default()),
            now_ms,
            keys: 0,
            key: Vec::new(),
            database: 0,
            kind: "",
            ttl_ms: None,
            idle_seconds: None,
            frequency: None,
            length: 0,
            text: Vec::new(),
            groups: Vec::new(),
            streams: Vec::new(),
            entries_added: 0,
            weight: Weight::default(),
            layout: Layout::of(None, None, None),
            allocator: None,
            info: BTreeMap::new(),
            databases: BTreeMap::new(),
        }
    }

    /// The allocator of the server that sends the RDB, `mem_allocator` of INFO: no file tells it.
    #[must_use]
    pub fn with_allocator(mut self, name: &str) -> Self {
        self.allocator = Some(name.to_owned());
        self
    }

    /// What INFO would have said: version and memory as far as the file tells them, and the keys by database.
    pub fn info(&self) -> Info {
        let mut text = String::new();
        for (name, value) in &self.info {
            text.push_str(&format!("{name}:{value}\n"));
        }
        for (index, database) in &self.databases {
            text.push_str(&format!("db{index}:keys={},expires={}\n", database.keys, database.expires));
        }
        Info::parse(&text)
    }

    /// The profile of what has passed.
    pub fn finish(mut self) -> KeyspaceProfile {
        for seen in self.profiler.streams_mut() {
            if let Some(own) = self.streams.iter_mut().find(|own| own.database == seen.database && own.key == seen.key)
            {
                seen.groups = std::mem::take(&mut own.groups);
            }
        }
        let profile = self.profiler.finish(Basis::Everything, self.keys);
        KeyspaceProfile { sizes_are_of_rdb: true, ..profile }
    }

    fn note_stream(&mut self, info: &StreamInfo) {
        self.length = info.length;
        // Before RDB 10 nobody counted; without a trim it is the same.
        self.entries_added = info.entries_added.unwrap_or(info.length);
    }

    fn note_database(&mut self) {
        if self.databases.len() < DATABASES_KEPT || self.databases.contains_key(&self.database) {
            let database = self.databases.entry(self.database).or_default();
            database.keys += 1;
            database.expires += u64::from(self.ttl_ms.is_some());
        }
    }

    fn note_text(&mut self, part: &[u8]) {
        self.length = self.length.saturating_add(part.len() as u64);
        if self.text.len() <= NUMBER_LENGTH {
            self.text.extend_from_slice(&part[..part.len().min(NUMBER_LENGTH + 1)]);
        }
    }
}

/// The name that TYPE gives to an encoding; what nobody has yet can only be a module's.
fn kind(encoding: ValueType) -> &'static str {
    encoding.newest_kind().map_or("module", Kind::name)
}

impl Visit for RdbProfile {
    fn aux(&mut self, name: &[u8], value: &[u8]) {
        // Times to live are counted from the moment the file was made.
        let made = (name == b"ctime").then(|| std::str::from_utf8(value).ok()?.parse::<u64>().ok()).flatten();
        if let Some(seconds) = made.filter(|_| self.keys == 0) {
            self.now_ms = seconds.saturating_mul(1000);
        }
        let told = TOLD.iter().find(|(own, _)| *own == name && value.len() <= TOLD_LENGTH);
        if let (Some((_, field)), Ok(text)) = (told, std::str::from_utf8(value)) {
            let text = text.chars().filter(|character| !character.is_control()).collect();
            self.info.insert(field, text);
            let told = |name| self.info.get(name).map(String::as_str);
            self.layout = Layout::of(told("redis_version"), told("valkey_version"), self.allocator.as_deref());
        }
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        self.key.clear();
        self.key.extend_from_slice(entry.key);
        self.database = u32::try_from(entry.database).unwrap_or(u32::MAX);
        self.kind = kind(entry.value_type);
        self.ttl_ms = entry.expire_ms.map(|at| u64::try_from(at).unwrap_or(0).saturating_sub(self.now_ms));
        self.idle_seconds = entry.idle_seconds;
        self.frequency = entry.frequency.map(u64::from);
        self.length = 0;
        self.text.clear();
        self.groups.clear();
        self.weight = Weight::begin(entry.value_type, self.layout);
        // Nobody knows what a module keeps in memory.
        Interest { raw: false, pieces: self.kind != "module" }
    }

    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::String(part) => self.note_text(part),
            Piece::ListElement(element) | Piece::SetMember(element) => self.weight.element(element),
            Piece::HashField { field, value, .. } => self.weight.pair(field, value),
            Piece::ZsetMember { member, score } => {
                self.weight.element(member);
                self.weight.score(score);
            }
            Piece::StreamEntry { .. } => self.weight.stream_entry(),
            // The entries of a node share the names of their fields.
            Piece::StreamField { value, .. } => self.weight.element_of_stream(value),
            Piece::ArrayElement { value: ArrayValue::Bytes(bytes), .. } => self.weight.element(bytes),
            Piece::StreamInfo(info) => self.note_stream(info),
            Piece::StreamGroup { name, entries_read, .. } => {
                // As the server reckons: entries may have been deleted or trimmed since.
                let lag = entries_read.map(|read| self.entries_added.saturating_sub(read).min(self.length));
                self.weight.beside(OF_A_GROUP);
                self.groups.push(StreamGroupSeen { name: escaped(name), pending: 0, lag, consumers: 0 });
            }
            Piece::StreamPending { .. } => {
                self.weight.beside(OF_A_PENDING_ENTRY);
                if let Some(group) = self.groups.last_mut() {
                    group.pending += 1;
                }
            }
            Piece::StreamConsumer { .. } => {
                self.weight.beside(OF_A_CONSUMER);
                if let Some(group) = self.groups.last_mut() {
                    group.consumers += 1;
                }
            }
            _ => {}
        }
    }

    fn takes_parts(&self) -> bool {
        // Their lengths are enough.
        true
    }

    fn part(&mut self, part: Part<'_>) {
        if let Part::Begin { length, .. } = part {
            self.weight.long(length);
        }
    }

    fn entry_end(&mut self, end: &EntryEnd) {
        self.keys += 1;
        self.note_database();
        let number =
            self.kind == "string" && std::str::from_utf8(&self.text).is_ok_and(|text| text.parse::<i64>().is_ok());
        let length = if self.kind == "string" { self.length } else { end.n_elements };
        let name = self.key.len() as u64;
        let key = weight::Key { name, expires: self.ttl_ms.is_some(), elements: length, is_number: number };
        let bytes = self.weight.finish(&key, end.raw_length);
        self.profiler.note(&KeySeen {
            database: self.database,
            key: &self.key,
            kind: self.kind,
            ttl_ms: self.ttl_ms,
            bytes: Some(bytes),
            length: (self.kind != "module").then_some(length),
            encoding: if number { "int" } else { "" },
            idle_seconds: self.idle_seconds,
            frequency: self.frequency,
        });
        if self.kind == "stream" && !self.groups.is_empty() && self.streams.len() < 100 {
            let groups = std::mem::take(&mut self.groups);
            self.streams.push(StreamSeen {
                database: self.database,
                key: escaped(&self.key),
                length: self.length,
                groups,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspection::keyspace::Purpose;
    use crate::rdb::visit::StreamId;

    fn entry(key: &[u8], encoding: u8, expire_ms: Option<i64>) -> Entry<'_> {
        Entry {
            database: 1,
            key,
            value_type: ValueType(encoding),
            expire_ms,
            idle_seconds: None,
            frequency: None,
            key_meta: None,
            value_offset: 0,
        }
    }

    #[test]
    fn keys_of_a_file_are_profiled_like_those_of_a_server() {
        let mut visitor = RdbProfile::new(1_000_000);
        visitor.aux(b"redis-ver", b"7.0.15");
        visitor.aux(b"used-mem", b"1234567");
        visitor.entry(&entry(b"rate:1", 0, None));
        visitor.piece(Piece::String(b"1"));
        visitor.piece(Piece::String(b"7"));
        visitor.entry_end(&EntryEnd { raw_length: 2, n_elements: 1 });
        visitor.entry(&entry(b"session:1", 4, Some(1_060_000)));
        visitor.entry_end(&EntryEnd { raw_length: 9, n_elements: 2 });
        visitor.entry(&entry(b"events", 21, Some(5)));
        let trimmed = StreamInfo { length: 10, entries_added: Some(1000), ..StreamInfo::default() };
        visitor.piece(Piece::StreamInfo(&trimmed));
        visitor.piece(Piece::StreamGroup { name: b"g", last_id: StreamId::default(), entries_read: Some(994) });
        visitor.piece(Piece::StreamPending { id: StreamId::default(), delivered_ms: 0, count: 1 });
        visitor.entry_end(&EntryEnd { raw_length: 50, n_elements: 10 });
        let info = visitor.info();
        assert_eq!((info.get("redis_version"), info.u64("used_memory")), (Some("7.0.15"), Some(1_234_567)));
        assert_eq!(info.databases()[&1], Database { keys: 3, expires: 2, avg_ttl_ms: 0 });
        let profile = visitor.finish();
        assert_eq!((profile.seen, profile.total, profile.basis), (3, 3, Basis::Everything));
        assert_eq!(profile.purpose(Purpose::RateLimit).numbers_without_ttl, 1);
        assert_eq!(profile.purpose(Purpose::Session).longest_ttl_ms, 60_000);
        assert_eq!(profile.streams[0].groups[0].lag, Some(6));
        assert_eq!(profile.streams[0].groups[0].pending, 1);
        assert_eq!(profile.largest.iter().find(|big| big.key == "session:1").and_then(|big| big.length), Some(2));
    }
}
