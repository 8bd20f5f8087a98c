//! Looks at keys one by one and keeps what the rules need, in memory that does not grow with the keys.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use super::certainty::{Sums, interval};
use super::frequent::Frequent;
use super::names::{self, Oddity, Purpose, escaped};
use super::variants;
use super::{Basis, BigKey, COLD_DAYS, HotKey, Idle, KeyspaceProfile, Prefix, PurposeStats, StreamSeen};

/// Names of keys in use that are kept: more are no hot key.
const JUST_USED_KEPT: usize = 4;
/// Prefixes told apart; further ones are counted together as `(other)`.
const PREFIXES_KEPT: usize = 2048;
/// Prefixes of the finished profile.
pub const PREFIXES_SHOWN: usize = 200;
/// Largest keys kept.
const LARGEST_KEPT: usize = 50;
const STREAMS_KEPT: usize = 100;
/// Examples kept of anything.
const EXAMPLES: usize = 3;
/// Bytes shown of a name.
const NAME_SHOWN: usize = 120;
/// Length from which a string is too long to be a token, and shorter than which it is too short to be a random one.
const TOKEN_BYTES: u64 = 16;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// One key, as far as its source tells.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeySeen<'a> {
    pub database: u32,
    pub key: &'a [u8],
    /// `string`, `list`, `set`, `zset`, `hash`, `stream`, or a module's type.
    pub kind: &'a str,
    /// Milliseconds to live; `None`: for ever.
    pub ttl_ms: Option<u64>,
    /// Bytes in memory, or in the RDB.
    pub bytes: Option<u64>,
    /// Bytes of a string, elements of a collection.
    pub length: Option<u64>,
    /// OBJECT ENCODING, `int`, `listpack`, …; empty where unknown.
    pub encoding: &'a str,
    /// Seconds without use.
    pub idle_seconds: Option<u64>,
    /// The counter of an LFU policy.
    pub frequency: Option<u64>,
}

/// The limits of the compact encodings, as configured: setting and number.
#[derive(Debug, Clone, Default)]
pub struct CompactLimits {
    /// Name and value of the setting for hashes.
    pub hash: Option<(String, u64)>,
    /// Name and value of the setting for sets.
    pub set: Option<(String, u64)>,
    /// Of sorted sets.
    pub zset: Option<(String, u64)>,
}

/// `lfu-log-factor` where nobody says otherwise.
const LFU_LOG_FACTOR: f64 = 10.0;
/// With which counter a key begins (evict.c, `LFU_INIT_VAL`).
const LFU_INITIAL: f64 = 5.0;

/// The uses that a counter of an LFU policy stands for: at `c` it rises with chance `1 / ((c - 5) * factor + 1)` (evict.c,
/// `LFULogIncr`).
fn uses(frequency: u64) -> f64 {
    let steps = (frequency as f64 - LFU_INITIAL).max(0.0);
    1.0 + steps + LFU_LOG_FACTOR * steps * (steps - 1.0).max(0.0) / 2.0
}

#[derive(Debug, Clone, Default)]
struct PrefixState {
    stats: Prefix,
    sizes: Sums,
    seconds: Frequent<u64, 64>,
}

/// Builds a [`KeyspaceProfile`].
#[derive(Debug, Clone)]
pub struct Profiler {
    now_ms: u64,
    seen: u64,
    bytes: Option<u64>,
    without_ttl: u64,
    limits: CompactLimits,
    prefixes: HashMap<Vec<u8>, PrefixState>,
    purposes: BTreeMap<Purpose, PurposeStats>,
    largest: BinaryHeap<Reverse<Large>>,
    separators: BTreeMap<char, u64>,
    oddities: BTreeMap<Oddity, (u64, Vec<String>)>,
    name_bytes: u64,
    longest_name: Option<(String, u64)>,
    tags: Frequent<Vec<u8>, 64>,
    streams: Vec<StreamSeen>,
    sizes: Sums,
    ttl_sum_ms: f64,
    idle: Option<Idle>,
    hottest: Option<HotKey>,
    uses: Option<f64>,
}

type BigKeyParts = (u32, String, Option<u64>, Option<u64>, Option<u64>);

/// What makes a key large, a tie-breaker, its name, and the rest.
type Large = (u64, u64, Vec<u8>, BigKeyParts);

impl Profiler {
    /// `now_ms` is Unix time in milliseconds: times to live are spread over the clock's seconds.
    pub fn new(now_ms: u64, limits: CompactLimits) -> Self {
        Self {
            now_ms,
            seen: 0,
            bytes: None,
            without_ttl: 0,
            limits,
            prefixes: HashMap::new(),
            purposes: BTreeMap::new(),
            largest: BinaryHeap::new(),
            separators: BTreeMap::new(),
            oddities: BTreeMap::new(),
            name_bytes: 0,
            longest_name: None,
            tags: Frequent::default(),
            streams: Vec::new(),
            sizes: Sums::default(),
            ttl_sum_ms: 0.0,
            idle: None,
            hottest: None,
            uses: None,
        }
    }

    /// Looks at one key.
    pub fn note(&mut self, seen: &KeySeen<'_>) {
        self.seen += 1;
        self.without_ttl += u64::from(seen.ttl_ms.is_none());
        if let Some(bytes) = seen.bytes {
            self.bytes = Some(self.bytes.unwrap_or(0).saturating_add(bytes));
        }
        self.ttl_sum_ms += seen.ttl_ms.unwrap_or(0) as f64;
        self.sizes.add(seen.bytes.unwrap_or(0) as f64);
        self.note_use(seen);
        self.note_name(seen.key);
        self.note_prefix(seen);
        if let Some(purpose) = names::purpose(seen.key) {
            note_purpose(self.purposes.entry(purpose).or_default(), seen);
        }
        self.note_size(seen);
    }

    fn note_use(&mut self, seen: &KeySeen<'_>) {
        if let Some(seconds) = seen.idle_seconds {
            let (idle, bytes) = (self.idle.get_or_insert_default(), seen.bytes.unwrap_or(0));
            idle.keys += 1;
            idle.bytes = idle.bytes.saturating_add(bytes);
            if seconds <= 1 {
                idle.just_used_keys += 1;
                if idle.just_used.len() < JUST_USED_KEPT {
                    idle.just_used.push(shown(seen.key));
                }
            }
            if seconds >= COLD_DAYS * DAY_MS / 1000 {
                idle.cold_keys += 1;
                idle.cold_bytes = idle.cold_bytes.saturating_add(bytes);
                if idle.example.is_none() && seen.ttl_ms.is_none() {
                    idle.example = Some(shown(seen.key));
                }
            }
        }
        if let Some(frequency) = seen.frequency {
            let uses = uses(frequency);
            *self.uses.get_or_insert_default() += uses;
            if self.hottest.as_ref().is_none_or(|hottest| frequency > hottest.frequency) {
                self.hottest = Some(HotKey { key: shown(seen.key), frequency, uses });
            }
        }
    }

    fn note_name(&mut self, key: &[u8]) {
        self.name_bytes = self.name_bytes.saturating_add(key.len() as u64);
        if self.longest_name.as_ref().is_none_or(|(_, length)| key.len() as u64 > *length) {
            self.longest_name = Some((shown(key), key.len() as u64));
        }
        if let Some(separator) = names::first_separator(key) {
            *self.separators.entry(char::from(separator)).or_default() += 1;
        }
        if let Some(oddity) = names::oddity(key) {
            let (count, examples) = self.oddities.entry(oddity).or_default();
            *count += 1;
            keep_example(examples, key);
        }
        if let Some(tag) = names::hash_tag(key) {
            self.tags.note(tag[..tag.len().min(NAME_SHOWN)].to_vec());
        }
    }

    fn note_prefix(&mut self, seen: &KeySeen<'_>) {
        let (now_ms, outgrown) = (self.now_ms, self.outgrown(seen));
        let name = names::prefix(seen.key);
        let name = &name[..name.len().min(NAME_SHOWN)];
        // Most are known: their name is not copied.
        let state = match self.prefixes.get_mut(name) {
            Some(state) => state,
            None => {
                let is_full = self.prefixes.len() >= PREFIXES_KEPT;
                self.prefixes.entry(if is_full { b"(other)".to_vec() } else { name.to_vec() }).or_default()
            }
        };
        state.sizes.add(seen.bytes.unwrap_or(0) as f64);
        let stats = &mut state.stats;
        stats.keys += 1;
        stats.bytes = stats.bytes.saturating_add(seen.bytes.unwrap_or(0));
        match stats.types.get_mut(seen.kind) {
            Some(count) => *count += 1,
            None => _ = stats.types.insert(seen.kind.to_owned(), 1),
        }
        match seen.ttl_ms {
            None => {
                stats.without_ttl += 1;
                stats.example_without_ttl.get_or_insert_with(|| shown(seen.key));
            }
            Some(ttl) => {
                state.seconds.note(now_ms.saturating_add(ttl) / 1000);
                stats.example_with_ttl.get_or_insert_with(|| shown(seen.key));
            }
        }
        if let Some(setting) = outgrown {
            *stats.just_outgrown.entry(setting).or_default() += 1;
        }
    }

    /// The setting whose limit this collection has passed by less than twice.
    fn outgrown(&self, seen: &KeySeen<'_>) -> Option<String> {
        let (limit, big) = match seen.kind {
            "hash" => (&self.limits.hash, "hashtable"),
            "set" => (&self.limits.set, "hashtable"),
            "zset" => (&self.limits.zset, "skiplist"),
            _ => return None,
        };
        let (setting, limit) = limit.as_ref()?;
        let length = seen.length?;
        (seen.encoding == big && length > *limit && length <= limit.saturating_mul(2)).then(|| setting.clone())
    }

    fn note_size(&mut self, seen: &KeySeen<'_>) {
        let (bytes, length) = (seen.bytes.unwrap_or(0), seen.length.unwrap_or(0));
        if seen.kind == "stream" && self.streams.len() < STREAMS_KEPT {
            let stream = StreamSeen { database: seen.database, key: shown(seen.key), length, groups: Vec::new() };
            if !self.streams.contains(&stream) {
                self.streams.push(stream);
            }
        }
        let floor = self.largest.peek().map(|Reverse((bytes, length, ..))| (*bytes, *length));
        if self.largest.len() >= LARGEST_KEPT && floor.is_some_and(|floor| (bytes, length) <= floor) {
            return;
        }
        // A sample may draw a key twice.
        if self.largest.iter().any(|Reverse((_, _, key, parts))| key == seen.key && parts.0 == seen.database) {
            return;
        }
        let parts = (seen.database, seen.kind.to_owned(), seen.bytes, seen.length, seen.ttl_ms);
        self.largest.push(Reverse((bytes, length, seen.key[..seen.key.len().min(4096)].to_vec(), parts)));
        if self.largest.len() > LARGEST_KEPT {
            self.largest.pop();
        }
    }

    /// The streams met so far, to ask about their groups.
    pub fn streams_mut(&mut self) -> &mut Vec<StreamSeen> {
        &mut self.streams
    }

    /// Keys looked at so far.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// By how much the share of any prefix, in keys or in bytes, may be off if what was seen so far is a sample.
    pub fn margin(&self) -> f64 {
        let n = self.seen.max(1) as f64;
        let of_prefix = |state: &PrefixState| {
            let (low, high) = interval(n, state.stats.keys as f64 / n);
            ((high - low) / 2.0).max(state.sizes.margin_of(self.sizes))
        };
        self.prefixes.values().map(of_prefix).fold(0.0, f64::max)
    }

    /// Finishes. `total` is how many keys there are.
    pub fn finish(self, basis: Basis, total: u64) -> KeyspaceProfile {
        let sampled = basis == Basis::Sample;
        let margin = if sampled { self.margin() } else { 0.0 };
        let sizes = self.sizes;
        let mut prefixes: Vec<Prefix> = self
            .prefixes
            .into_iter()
            .map(|(name, state)| Prefix {
                name: escaped(&name),
                same_second: state.seconds.top().map_or(0, |(_, count)| count),
                bytes_margin: if sampled { state.sizes.margin_of(sizes) } else { 0.0 },
                ..state.stats
            })
            .collect();
        prefixes.sort_by(|a, b| (b.bytes, b.keys, &a.name).cmp(&(a.bytes, a.keys, &b.name)));
        let variants = variants::among(&prefixes);
        prefixes.truncate(PREFIXES_SHOWN);
        let mut streams = self.streams;
        streams.sort_by_key(|stream| Reverse(stream.length));
        KeyspaceProfile {
            basis,
            seen: self.seen,
            total,
            bytes: self.bytes,
            sizes_lack: None,
            without_ttl: self.without_ttl,
            prefixes,
            purposes: self.purposes,
            largest: self.largest.into_sorted_vec().into_iter().map(|Reverse(entry)| big_key(entry)).collect(),
            separators: self.separators,
            oddities: self.oddities,
            variants,
            name_bytes: self.name_bytes,
            longest_name: self.longest_name,
            hash_tag: self.tags.top().map(|(tag, count)| (escaped(tag), count)),
            streams,
            ttl_sum_ms: self.ttl_sum_ms,
            idle: self.idle,
            sizes_are_of_rdb: false,
            hottest: self.hottest,
            uses: self.uses,
            margin,
        }
    }
}

fn big_key((_, _, key, (database, kind, bytes, length, ttl_ms)): Large) -> BigKey {
    BigKey { database, key: escaped(&key), kind, bytes, length, ttl_ms }
}

fn note_purpose(stats: &mut PurposeStats, seen: &KeySeen<'_>) {
    stats.keys += 1;
    if seen.kind == "string"
        && let Some(length) = seen.length
    {
        stats.measured_values += 1;
        stats.short_values += u64::from(length < TOKEN_BYTES);
    }
    let Some(ttl) = seen.ttl_ms else {
        stats.without_ttl += 1;
        stats.numbers_without_ttl += u64::from(seen.encoding == "int");
        stats.indexes_without_ttl += u64::from(matches!(seen.kind, "set" | "zset" | "list"));
        keep_example(&mut stats.examples_without_ttl, seen.key);
        return;
    };
    stats.over_five_minutes += u64::from(ttl > 5 * MINUTE_MS);
    stats.over_an_hour += u64::from(ttl > HOUR_MS);
    stats.over_a_day += u64::from(ttl > DAY_MS + DAY_MS / 20);
    if ttl > stats.longest_ttl_ms {
        stats.longest_ttl_ms = ttl;
        stats.example_longest = Some(shown(seen.key));
    }
}

fn keep_example(examples: &mut Vec<String>, key: &[u8]) {
    let name = shown(key);
    if examples.len() < EXAMPLES && !examples.contains(&name) {
        examples.push(name);
    }
}

fn shown(key: &[u8]) -> String {
    let mut name = escaped(&key[..key.len().min(NAME_SHOWN)]);
    if key.len() > NAME_SHOWN {
        name.push('…');
    }
    name
}

#[cfg(test)]
#[path = "profiler_tests.rs"]
mod tests;
