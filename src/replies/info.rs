//! INFO: sections of `name:value` lines.
//!
//! Fields are found by name, never by position or number: releases add fields to lines, too (`subexpiry=`,
//! `keys_with_volatile_items=`), and `db0_distrib_strings_sizes` is no database although it begins like one.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A parsed INFO answer. Unknown fields are kept, missing ones are `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Info {
    fields: Vec<(Box<str>, Box<str>)>,
    /// The places of the fields, sorted by name, those of one name in their order: an INFO of four megabytes has 150,000 of them.
    by_name: Vec<u32>,
    sections: Vec<String>,
}

/// A logical database of the Keyspace section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Database {
    /// Keys, with those that have expired but were not yet removed.
    pub keys: u64,
    /// Keys that have a time to live.
    pub expires: u64,
    /// Decaying average of the time to live in milliseconds: to be shown, never judged.
    pub avg_ttl_ms: u64,
}

/// A line of the Commandstats section.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CommandStats {
    /// How often it was executed.
    pub calls: u64,
    /// CPU time in microseconds, all calls together.
    pub usec: u64,
    /// Refused before execution (wrong arity, OOM, no permission).
    pub rejected_calls: u64,
    /// Calls that failed while executing.
    pub failed_calls: u64,
}

/// A line of the Latencystats section, in microseconds since the start or the last reset.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Latencies {
    /// Pairs of percentile (`50.0`, `99.0`, `99.9`) and microseconds, as configured on the server.
    pub percentiles: Vec<(f64, f64)>,
}

impl Latencies {
    /// The value of one percentile in microseconds, if the server reports it.
    pub fn at(&self, percentile: f64) -> Option<f64> {
        self.percentiles.iter().find(|(p, _)| (p - percentile).abs() < 1e-6).map(|(_, usec)| *usec)
    }
}

/// A `slaveN` line of a primary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplicaLine {
    /// Address as the primary sees it.
    pub ip: String,
    /// Port as announced.
    pub port: u16,
    /// `online`, `send_bulk`, `wait_bgsave`, …
    pub state: String,
    pub offset: Option<u64>,
    /// Seconds since its last acknowledgement; says something only while `state` is `online`.
    pub lag: Option<u64>,
}

impl Info {
    /// Parses an INFO answer; also text that a person has pasted (blank lines, other line ends, garbage in between).
    pub fn parse(text: &str) -> Self {
        let mut info = Self::default();
        for line in text.lines() {
            let line = line.trim_end_matches('\r');
            if let Some(section) = line.strip_prefix('#') {
                info.sections.push(section.trim().to_owned());
            } else if let Some((name, value)) = line.split_once(':')
                && !name.is_empty()
            {
                info.push(name.trim_start(), value);
            }
        }
        info.sorted()
    }

    /// Parses bytes; what is not UTF-8 is replaced.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self::parse(&String::from_utf8_lossy(bytes))
    }

    /// INFO of a cluster as if it were one server, as text: counts of keys, commands, bytes and evictions are added up, and what names a
    /// server or a history names all of them. All else is the first one's.
    pub fn of_parts(parts: &[Self]) -> String {
        let Some(first) = parts.first() else { return String::new() };
        let all = |name: &str| parts.iter().filter_map(|part| part.text(name)).collect::<Vec<_>>();
        let sum = |name: &str| parts.iter().filter_map(|part| part.u64(name)).fold(0, u64::saturating_add);
        let mut text = String::new();
        let mut put = |name: &str, value: &str| {
            text.push_str(name);
            text.push(':');
            text.push_str(value);
            text.push('\n');
        };
        const ADDED: &[&str] = &["evicted_keys", "expired_keys", "used_memory", "used_memory_rss", "connected_slaves"];
        for (name, value) in first.fields() {
            match name {
                _ if name.starts_with("cmdstat_") => {}
                _ if name.strip_prefix("db").is_some_and(|number| number.parse::<u32>().is_ok()) => {}
                // One that has no limit has all the room there is.
                "maxmemory" if all(name).contains(&"0") => put(name, "0"),
                "maxmemory" => put(name, &sum(name).to_string()),
                name if ADDED.contains(&name) => put(name, &sum(name).to_string()),
                // Which servers they are, whatever slots each serves by now: the order of the parts is that of their slots.
                "run_id" | "master_replid" => {
                    let mut each = all(name);
                    each.sort_unstable();
                    put(name, &each.join("+"));
                }
                // A history that was taken over from another primary, of any of them.
                "master_replid2" => {
                    let taken = all(name).into_iter().find(|id| id.bytes().any(|byte| byte != b'0'));
                    put(name, taken.unwrap_or(value));
                }
                "role" => put(name, all(name).into_iter().find(|role| *role != "master").unwrap_or(value)),
                "loading" => put(name, if all(name).contains(&"1") { "1" } else { value }),
                "rdb_last_bgsave_status" => put(name, if all(name).contains(&"err") { "err" } else { value }),
                name => put(name, value),
            }
        }
        let mut databases: BTreeMap<u32, Database> = BTreeMap::new();
        for (number, database) in parts.iter().flat_map(Self::databases) {
            let sum = databases.entry(number).or_default();
            sum.keys = sum.keys.saturating_add(database.keys);
            sum.expires = sum.expires.saturating_add(database.expires);
        }
        for (number, database) in databases {
            put(&format!("db{number}"), &format!("keys={},expires={},avg_ttl=0", database.keys, database.expires));
        }
        let mut commands: BTreeMap<&str, CommandStats> = BTreeMap::new();
        for (name, stats) in parts.iter().flat_map(Self::command_stats) {
            let sum = commands.entry(name).or_default();
            sum.calls = sum.calls.saturating_add(stats.calls);
            sum.rejected_calls = sum.rejected_calls.saturating_add(stats.rejected_calls);
            sum.failed_calls = sum.failed_calls.saturating_add(stats.failed_calls);
        }
        for (name, CommandStats { calls, rejected_calls, failed_calls, .. }) in commands {
            let counts = format!("calls={calls},usec=0,rejected_calls={rejected_calls},failed_calls={failed_calls}");
            put(&format!("cmdstat_{name}"), &counts);
        }
        text
    }

    fn push(&mut self, name: &str, value: &str) {
        self.fields.push((name.into(), value.into()));
    }

    /// With its fields in order for [`Info::get`].
    fn sorted(mut self) -> Self {
        self.fields.shrink_to_fit();
        self.by_name = (0..u32::try_from(self.fields.len()).unwrap_or(u32::MAX)).collect();
        self.by_name.sort_by(|a, b| self.fields[*a as usize].0.cmp(&self.fields[*b as usize].0));
        self
    }

    /// True when it holds no field at all: then the text was no INFO answer.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Names of its sections (`Server`, `Keyspace`), in order.
    pub fn sections(&self) -> &[String] {
        &self.sections
    }

    /// All fields in order; names may repeat (`module`).
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The text of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        // The first of a name that stands there several times.
        let at = self.by_name.partition_point(|at| &*self.fields[*at as usize].0 < name);
        let (found, value) = &self.fields[*self.by_name.get(at)? as usize];
        (&**found == name).then_some(&**value)
    }

    /// The text of a field, unless it is empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|text| !text.is_empty())
    }

    /// A whole number; `None` also for negative ones and those above 2^64.
    pub fn u64(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// A whole number with a sign; `None` above 2^63.
    pub fn i64(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    /// A number; a percent sign at its end is left out. `None` for infinities and NaN.
    pub fn f64(&self, name: &str) -> Option<f64> {
        self.get(name)?.trim_end_matches('%').parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// `1` is true and `0` is false.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            "1" | "yes" => Some(true),
            "0" | "no" => Some(false),
            _ => None,
        }
    }

    /// Fields whose name begins with `prefix`, without it.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.fields().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value)))
    }

    /// The logical databases that hold keys, by number.
    pub fn databases(&self) -> BTreeMap<u32, Database> {
        let number = |pairs: &HashMap<&str, &str>, name| pairs.get(name).and_then(|text: &&str| text.parse().ok());
        self.with_prefix("db")
            .filter_map(|(index, value)| {
                let (index, pairs) = (index.parse().ok()?, pairs(value));
                let database = Database {
                    keys: number(&pairs, "keys")?,
                    expires: number(&pairs, "expires").unwrap_or(0),
                    avg_ttl_ms: number(&pairs, "avg_ttl").unwrap_or(0),
                };
                Some((index, database))
            })
            .collect()
    }

    /// Commandstats by name; subcommands as `config|get`.
    pub fn command_stats(&self) -> BTreeMap<&str, CommandStats> {
        self.with_prefix("cmdstat_")
            .map(|(name, value)| {
                let pairs = pairs(value);
                let number = |name| pairs.get(name).and_then(|text| text.parse().ok()).unwrap_or(0);
                let stats = CommandStats {
                    calls: number("calls"),
                    usec: number("usec"),
                    rejected_calls: number("rejected_calls"),
                    failed_calls: number("failed_calls"),
                };
                (name, stats)
            })
            .collect()
    }

    /// Error replies by their first word (`OOM`, `WRONGTYPE`), since the start or CONFIG RESETSTAT.
    pub fn error_stats(&self) -> BTreeMap<&str, u64> {
        self.with_prefix("errorstat_")
            .filter_map(|(name, value)| Some((name, pairs(value).get("count")?.parse().ok()?)))
            .collect()
    }

    /// Latency percentiles by command (Redis 7.0 and later).
    pub fn latency_stats(&self) -> BTreeMap<&str, Latencies> {
        self.with_prefix("latency_percentiles_usec_")
            .map(|(name, value)| {
                let percentiles = value
                    .split(',')
                    .filter_map(|pair| {
                        let (percentile, usec) = pair.strip_prefix('p')?.split_once('=')?;
                        Some((percentile.parse().ok()?, usec.parse().ok()?))
                    })
                    .collect();
                (name, Latencies { percentiles })
            })
            .collect()
    }

    /// The replicas of a primary.
    pub fn replicas(&self) -> Vec<ReplicaLine> {
        self.with_prefix("slave")
            .filter(|(index, _)| !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()))
            .map(|(_, value)| {
                let pairs = pairs(value);
                let text = |name| pairs.get(name).copied().unwrap_or_default();
                ReplicaLine {
                    ip: text("ip").to_owned(),
                    port: text("port").parse().unwrap_or(0),
                    state: text("state").to_owned(),
                    offset: text("offset").parse().ok(),
                    lag: text("lag").parse().ok(),
                }
            })
            .collect()
    }

    /// Loaded modules: names with versions.
    pub fn modules(&self) -> Vec<(String, Option<u64>)> {
        self.fields()
            .filter(|(name, _)| *name == "module")
            .filter_map(|(_, value)| {
                let pairs = pairs(value);
                Some(((*pairs.get("name")?).to_owned(), pairs.get("ver").and_then(|text| text.parse().ok())))
            })
            .collect()
    }

    /// Sizes of keys by type, from `INFO keysizes` (Redis 8.0 and later): pairs of a bucket's lower bound and its keys.
    ///
    /// Counts of 2^63 and more are left out: servers up to 8.0.6 at least let a bucket fall below zero when a collection
    /// is emptied.
    pub fn key_sizes(&self) -> BTreeMap<String, Vec<(u64, u64)>> {
        let mut sizes: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
        for (name, value) in self.with_prefix("db") {
            let Some((index, kind)) = name.split_once("_distrib_") else { continue };
            if index.parse::<u32>().is_err() {
                continue;
            }
            let buckets = value.split(',').filter_map(|bucket| {
                let (bound, count) = bucket.split_once('=')?;
                Some((bucket_bound(bound)?, count.parse().ok().filter(|count: &u64| *count < 1 << 63)?))
            });
            sizes.entry(kind.to_owned()).or_default().extend(buckets);
        }
        sizes
    }

    /// The fields as INFO text, to be stored.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for section in &self.sections {
            text.push_str(&format!("# {section}\n"));
        }
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}:{value}\n"));
        }
        text
    }

    /// This INFO with some fields replaced, added or (`None`) removed.
    #[must_use]
    pub fn with(&self, changes: &[(&str, Option<&str>)]) -> Self {
        let changed = |name: &str| changes.iter().any(|(other, _)| *other == name);
        let mut info = Self { sections: self.sections.clone(), ..Self::default() };
        for (name, value) in self.fields().filter(|(name, _)| !changed(name)) {
            info.push(name, value);
        }
        for (name, value) in changes {
            if let Some(value) = value {
                info.push(name, value);
            }
        }
        info.sorted()
    }
}

/// `16K`, `2M`: INFO keysizes writes the bounds of its buckets short.
fn bucket_bound(text: &str) -> Option<u64> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'K' => (&text[..text.len() - 1], 1 << 10),
        b'M' => (&text[..text.len() - 1], 1 << 20),
        b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// Splits `a=1,b=2`. Values may hold `=`; the pairs of `module:` may hold commas inside brackets, which are not split.
fn pairs(text: &str) -> HashMap<&str, &str> {
    let mut depth = 0_u32;
    text.split(move |character| {
        match character {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    })
    .filter_map(|pair| pair.split_once('='))
    .collect()
}

impl Serialize for Info {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for Info {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(deserializer)?))
    }
}

#[cfg(test)]
#[path = "info_tests.rs"]
mod tests;
