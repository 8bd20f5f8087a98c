//! One server of a text, while it is read, and as the plain data that a look at a live server gives.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};

use crate::figures;
use crate::introspection::{Earlier, HostFacts, Ours, Part, Snapshot};
use crate::replies::{Client, ClusterNode, Config, DeniedAccess, Info, LatencyEvent, Reply, ServerLog, SlowEntry};

use super::field;
use super::known;

/// Fields that every INFO has once: the second of them belongs to another INFO.
const ONCE: &[&str] = &[
    "redis_version",
    "run_id",
    "uptime_in_seconds",
    "connected_clients",
    "used_memory",
    "used_memory_rss",
    "role",
    "total_connections_received",
    "rdb_last_save_time",
];
/// Fields that tell one server from another.
const IDENTITY: &[&str] = &["run_id", "process_id", "tcp_port"];

/// A server, as far as its lines were read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// Where it is, if a prompt or a command names it.
    pub address: Option<String>,
    info: Vec<(String, String)>,
    /// The values of what tells this INFO from another.
    telling: BTreeMap<String, String>,
    sections: Vec<&'static str>,
    pub clients: Vec<Client>,
    pub cluster: Vec<(String, String)>,
    pub nodes: Vec<ClusterNode>,
    settings: Vec<(String, String)>,
    pub slowlog: Vec<SlowEntry>,
    pub latency: Vec<LatencyEvent>,
    /// What LATENCY DOCTOR tells, without a moment.
    pub spikes: Vec<LatencyEvent>,
    pub denied: Vec<DeniedAccess>,
    pub log: ServerLog,
    /// Fields of its clients are those of Dragonfly alone.
    pub is_dragonfly: bool,
    swapped: Option<u64>,
    /// Values of which letters were read as digits.
    pub letters: usize,
}

impl Draft {
    /// Whether nothing was read of it.
    pub fn is_blank(&self) -> bool {
        self.info.is_empty()
            && self.clients.is_empty()
            && self.cluster.is_empty()
            && self.nodes.is_empty()
            && self.settings.is_empty()
            && self.slowlog.is_empty()
            && self.latency.is_empty()
            && self.spikes.is_empty()
            && self.denied.is_empty()
            && self.log.lines == 0
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.telling.get(name).map(String::as_str)
    }

    pub fn section(&mut self, section: &'static str) {
        if !self.sections.contains(&section) {
            self.sections.push(section);
        }
    }

    pub fn field(&mut self, name: &str, value: String) {
        if let Some(section) = known::section_of(name) {
            self.section(section);
        }
        if ONCE.contains(&name) || IDENTITY.contains(&name) {
            self.telling.entry(name.to_owned()).or_insert_with(|| value.clone());
        }
        self.info.push((name.to_owned(), value));
    }

    /// A line of redis.conf or a pair of CONFIG GET; `save` may be there several times.
    pub fn setting(&mut self, name: &str, value: &str) {
        match self.settings.iter_mut().find(|(other, _)| other == name) {
            Some((_, before)) if name == "save" || name == "client-output-buffer-limit" => {
                before.push(' ');
                before.push_str(value);
            }
            Some((_, before)) => value.clone_into(before),
            None => self.settings.push((name.to_owned(), value.to_owned())),
        }
    }

    pub fn of_the_machine(&mut self, name: &str, value: u64) {
        if name == "swapped" {
            self.swapped = Some(value);
        }
    }

    /// Whether this field belongs to another INFO than the one that was read so far.
    pub fn begins_another(&self, name: &str, value: &str) -> bool {
        let other = |name: &&str| self.get(name).is_some_and(|before| before != value);
        (ONCE.contains(&name) && self.get(name).is_some()) || IDENTITY.iter().filter(|id| **id == name).any(other)
    }

    /// Another INFO, of which is not known yet whose it is.
    pub fn followed(&self) -> Self {
        Self { address: self.address.clone(), ..Self::default() }
    }

    /// Whether both are readings of one server, of which this is the earlier.
    pub fn is_followed_by(&self, later: &Self) -> bool {
        let (mut told, mut same) = (false, true);
        for name in IDENTITY {
            if let (Some(one), Some(other)) = (self.get(name), later.get(name)) {
                told = true;
                same &= one == other;
            }
        }
        let address = self.address.is_some() && self.address == later.address;
        same && (self.get("run_id").is_some() && told || address)
    }

    /// What was read, as a person calls it.
    pub fn said(&self) -> Vec<String> {
        let mut said = Vec::new();
        if !self.info.is_empty() {
            let sections: Vec<String> = self.sections.iter().map(|section| section.to_lowercase()).collect();
            said.push(format!("INFO ({})", sections.join(", ")));
        }
        if self.letters > 0 {
            let values = figures::counted(self.letters as u64, "value");
            said.push(format!("letters that look like digits in {values} of it"));
        }
        if !self.clients.is_empty() {
            said.push(format!("CLIENT LIST of {}", figures::count(self.clients.len() as u64)));
        }
        if !self.cluster.is_empty() {
            said.push("CLUSTER INFO".to_owned());
        }
        if !self.nodes.is_empty() {
            said.push(format!("CLUSTER NODES of {}", figures::count(self.nodes.len() as u64)));
        }
        if !self.slowlog.is_empty() {
            said.push(format!("SLOWLOG of {}", figures::count(self.slowlog.len() as u64)));
        }
        let events = self.latency.len() + self.spikes.len();
        if events > 0 {
            said.push(format!("LATENCY of {}", figures::counted(events as u64, "event")));
        }
        if !self.denied.is_empty() {
            said.push(format!("ACL LOG of {}", figures::count(self.denied.len() as u64)));
        }
        if self.log.lines > 0 {
            said.push(format!("a server log of {}", figures::counted(self.log.lines, "line")));
        }
        if !self.settings.is_empty() {
            said.push(figures::counted(self.settings.len() as u64, "setting"));
        }
        said
    }

    /// The plain data that the rules judge. `mentioned`: a version that the words around it tell; `now`: the moment for what does not tell its own.
    pub fn snapshot(&self, earlier: Option<&Self>, mentioned: Option<&str>, now: DateTime<Utc>) -> Snapshot {
        let info = self.as_info(mentioned);
        // Ages are counted from the moment at which INFO was taken, if it tells.
        let taken_at = info.i64("server_time_usec").and_then(DateTime::from_timestamp_micros);
        let taken_at = taken_at.or_else(|| self.newest_moment()).unwrap_or(now);
        let mut snapshot = Snapshot::from_info(info, taken_at);
        // There is no connection of ours that somebody could listen to, though there are settings.
        snapshot.path.private = !self.settings.is_empty();
        snapshot.earlier = earlier.and_then(|earlier| {
            let before = earlier.as_info(mentioned);
            let seconds = seconds_between(&before, &snapshot.info)?;
            Some(Earlier { seconds, info: before, cluster: None, ours: Ours::default() })
        });
        if !self.clients.is_empty() {
            snapshot.answers.clients = Part::Got(self.clients.clone());
        }
        if !self.cluster.is_empty() {
            snapshot.answers.cluster = Part::Got(text_of(&self.cluster, &[]));
        }
        if !self.nodes.is_empty() {
            snapshot.answers.nodes = Part::Got(self.nodes.clone());
        }
        if !self.settings.is_empty() {
            let pairs = self.settings.iter().flat_map(|(name, value)| [name.as_str().into(), value.as_str().into()]);
            snapshot.answers.config = Part::Got(Config::parse(&Reply::Array(pairs.collect())));
        }
        if !self.slowlog.is_empty() {
            snapshot.answers.slowlog = Part::Got(self.slowlog.clone());
        }
        if !self.latency.is_empty() || !self.spikes.is_empty() {
            let at = u64::try_from(taken_at.timestamp()).unwrap_or(0);
            let spikes = self.spikes.iter().map(|spike| LatencyEvent { at, ..spike.clone() });
            snapshot.answers.latency = Part::Got(self.latency.iter().cloned().chain(spikes).collect());
        }
        if !self.denied.is_empty() {
            snapshot.answers.denied = Part::Got(self.denied.clone());
        }
        if self.log.lines > 0 {
            snapshot.log = Part::Got(self.log.clone());
        }
        if let Some(swapped) = self.swapped {
            snapshot.host = Part::Got(HostFacts { swapped_bytes: Some(swapped), ..HostFacts::default() });
        }
        snapshot
    }

    /// The newest moment that its logs name: they were copied soon after.
    fn newest_moment(&self) -> Option<DateTime<Utc>> {
        let moments = self.slowlog.iter().map(|entry| entry.at).chain(self.latency.iter().map(|event| event.at));
        DateTime::from_timestamp(i64::try_from(moments.max()?).ok()?, 0)
    }

    /// The fields as INFO, with what other parts of the text say in their place.
    fn as_info(&self, mentioned: Option<&str>) -> Info {
        let mut fields = self.info.clone();
        let mut names: HashSet<String> = fields.iter().map(|(name, _)| name.clone()).collect();
        let mut add = |name: &str, value: &str| {
            if names.insert(name.to_owned()) {
                fields.push((name.to_owned(), value.to_owned()));
            }
        };
        for (name, value) in &self.info {
            if let Some((plain, bytes)) = field::from_human(name, value) {
                add(&plain, &bytes);
            }
        }
        for (name, value) in &self.settings {
            match name.as_str() {
                "maxmemory" | "maxclients" => add(name, value),
                "maxmemory-policy" => add("maxmemory_policy", value),
                _ => {}
            }
        }
        if self.is_dragonfly {
            add("server_name", "dragonfly");
        }
        if let Some(version) = mentioned {
            add("redis_version", version);
        }
        if !self.cluster.is_empty() || !self.nodes.is_empty() {
            add("cluster_enabled", "1");
        }
        let number = |name: &str| {
            fields.iter().find(|(other, _)| other == name).and_then(|(_, value)| value.parse::<i64>().ok())
        };
        // Before 5.0, and on forks, only the ratio is told.
        if let (Some(used), Some(resident)) = (number("used_memory"), number("used_memory_rss"))
            && !names.contains("mem_fragmentation_bytes")
        {
            fields.push(("mem_fragmentation_bytes".to_owned(), resident.saturating_sub(used).to_string()));
            if !names.contains("mem_fragmentation_ratio") {
                let ratio = resident as f64 / used.max(1) as f64;
                fields.push(("mem_fragmentation_ratio".to_owned(), format!("{ratio:.2}")));
            }
        }
        text_of(&fields, &self.sections)
    }
}

/// Seconds between two readings of one server, by what they say of the time.
fn seconds_between(before: &Info, now: &Info) -> Option<f64> {
    let micros = |info: &Info| info.i64("server_time_usec");
    let uptime = |info: &Info| info.i64("uptime_in_seconds");
    let seconds = match (micros(before), micros(now)) {
        (Some(before), Some(now)) => now.checked_sub(before)? as f64 / 1e6,
        _ => uptime(now)?.checked_sub(uptime(before)?)? as f64,
    };
    (seconds > 0.0).then_some(seconds)
}

fn text_of(fields: &[(String, String)], sections: &[&str]) -> Info {
    let mut text = String::new();
    for section in sections {
        text.push_str(&format!("# {section}\n"));
    }
    for (name, value) in fields {
        text.push_str(&format!("{name}:{value}\n"));
    }
    Info::parse(&text)
}
