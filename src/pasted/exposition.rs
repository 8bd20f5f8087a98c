//! A scrape of redis_exporter or of `redis-ops metrics`: its samples, as the fields of INFO that they were made from.

use std::collections::{BTreeMap, HashSet};

use super::known;
use super::line;
use super::literal;
use crate::replies::metric_names::{field_of, plain};

/// Samples of the exporter itself: they tell nothing of the server.
const OF_THE_EXPORTER: &[&str] = &["go_", "process_", "promhttp_", "python_"];

/// What a scrape tells of one server.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Scraped {
    /// The label `addr` or `instance` of its samples.
    pub address: Option<String>,
    /// Fields of INFO.
    pub fields: Vec<(String, String)>,
    /// Fields of CLUSTER INFO.
    pub cluster: Vec<(String, String)>,
}

/// A line of a scrape.
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// The servers of the samples that begin here, and how many lines there are; `None` where the first line is none.
pub(super) fn scrape(raw: &[&str]) -> Option<(Vec<Scraped>, usize)> {
    let mut servers: Vec<(Option<String>, Gathered)> = Vec::new();
    let mut taken = 0;
    for line in raw {
        let line = line::clean(line).text;
        let line = line.trim();
        match sample(line) {
            Some(sample) => {
                let address = sample.labels.get("addr").or_else(|| sample.labels.get("instance")).cloned();
                let at = servers.iter().position(|(other, _)| *other == address).unwrap_or_else(|| {
                    servers.push((address, Gathered::default()));
                    servers.len() - 1
                });
                servers[at].1.take(&sample);
            }
            None if is_comment(line) || taken > 0 && line.is_empty() => {}
            None => break,
        }
        taken += 1;
    }
    (!servers.is_empty()).then(|| {
        (servers.into_iter().map(|(address, gathered)| Scraped { address, ..gathered.finish() }).collect(), taken)
    })
}

fn is_comment(line: &str) -> bool {
    line.starts_with("# HELP ") || line.starts_with("# TYPE ") || line == "# EOF"
}

/// `name{label="value"} 4.29e+09`, with or without a time behind it.
fn sample(line: &str) -> Option<Sample> {
    let end = line.find(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))?;
    let (name, mut rest) = line.split_at(end);
    let of_a_server = name.starts_with("redis_") && !known::is_info(name);
    if !(of_a_server || OF_THE_EXPORTER.iter().any(|beginning| name.starts_with(beginning))) {
        return None;
    }
    let mut labels = BTreeMap::new();
    if let Some(mut inner) = rest.strip_prefix('{') {
        loop {
            inner = inner.trim_start_matches([',', ' ']);
            if let Some(behind) = inner.strip_prefix('}') {
                rest = behind;
                break;
            }
            let (label, value) = inner.split_once('=')?;
            let (value, taken) = literal::quoted(value).filter(|_| value.starts_with('"'))?;
            inner = &inner[label.len() + 1 + taken..];
            labels.insert(label.to_owned(), value);
        }
    }
    let mut words = rest.strip_prefix([' ', '\t'])?.split_whitespace();
    let value = words.next()?.parse().ok()?;
    let time = words.next().is_none_or(|time| time.parse::<f64>().is_ok());
    (time && words.next().is_none()).then(|| Sample { name: name.to_owned(), labels, value })
}

/// What several samples tell together.
#[derive(Debug, Default)]
struct Gathered {
    plain: Scraped,
    seen: HashSet<String>,
    /// Keys, keys that expire, and seconds to live on average.
    databases: BTreeMap<String, [f64; 3]>,
    /// Calls and seconds.
    commands: BTreeMap<String, [f64; 2]>,
    /// Lag and offset by address, port and state.
    replicas: BTreeMap<(String, String, String), [Option<f64>; 2]>,
}

impl Gathered {
    fn take(&mut self, sample: &Sample) {
        let label = |name: &str| sample.labels.get(name).cloned().unwrap_or_default();
        match sample.name.as_str() {
            "redis_instance_info" => self.about(&sample.labels),
            "redis_slave_info" => {
                self.about(&sample.labels);
                self.field("role", "slave".to_owned());
            }
            "redis_db_keys" => self.databases.entry(label("db")).or_default()[0] = sample.value,
            "redis_db_keys_expiring" => self.databases.entry(label("db")).or_default()[1] = sample.value,
            "redis_db_avg_ttl_seconds" => self.databases.entry(label("db")).or_default()[2] = sample.value,
            "redis_commands_total" => self.commands.entry(label("cmd")).or_default()[0] = sample.value,
            "redis_commands_duration_seconds_total" => {
                self.commands.entry(label("cmd")).or_default()[1] = sample.value;
            }
            "redis_errors_total" => {
                if let Some(count) = plain(sample.value) {
                    self.field(&format!("errorstat_{}", label("err")), format!("count={count}"));
                }
            }
            "redis_connected_slave_lag_seconds" | "redis_connected_slave_offset_bytes" => {
                let replica = (label("slave_ip"), label("slave_port"), label("slave_state"));
                let at = usize::from(sample.name.ends_with("_bytes"));
                self.replicas.entry(replica).or_default()[at] = Some(sample.value);
            }
            name => {
                if name == "redis_master_link_up" {
                    self.about(&sample.labels);
                }
                // The alias of the platform says the same again.
                let field = field_of(name).filter(|_| !name.starts_with("redis_ops_"));
                if let Some((field, text)) = field.and_then(|(field, scale)| Some((field, scale.text(sample.value)?))) {
                    self.field(field, text);
                }
            }
        }
    }

    /// Labels that are named as fields are.
    fn about(&mut self, labels: &BTreeMap<String, String>) {
        for (name, value) in labels.iter().filter(|(name, _)| known::is_info(name)) {
            self.field(name, value.clone());
        }
    }

    fn field(&mut self, name: &str, value: String) {
        // Two names of one field: `redis_memory_max_bytes`, `redis_config_maxmemory`.
        if !value.is_empty() && self.seen.insert(name.to_owned()) {
            let of_cluster = name.starts_with("cluster_") && !known::is_info(name);
            let fields = if of_cluster { &mut self.plain.cluster } else { &mut self.plain.fields };
            fields.push((name.to_owned(), value));
        }
    }

    fn finish(mut self) -> Scraped {
        let whole = |number: f64| plain(number.round()).unwrap_or_default();
        for (name, [keys, expires, seconds]) in std::mem::take(&mut self.databases) {
            // The exporter tells of the sixteen that there may be.
            if keys > 0.0 {
                let (keys, expires, average) = (whole(keys), whole(expires), whole(seconds * 1000.0));
                self.field(&name, format!("keys={keys},expires={expires},avg_ttl={average}"));
            }
        }
        for (name, [calls, seconds]) in std::mem::take(&mut self.commands) {
            let (usec, each) = (seconds * 1e6, seconds * 1e6 / calls.max(1.0));
            let value = format!("calls={},usec={},usec_per_call={each:.2}", whole(calls), whole(usec));
            self.field(&format!("cmdstat_{name}"), value);
        }
        for (at, ((ip, port, state), [lag, offset])) in std::mem::take(&mut self.replicas).into_iter().enumerate() {
            let mut value = format!("ip={ip},port={port},state={state}");
            for (name, number) in [("offset", offset), ("lag", lag)] {
                if let Some(number) = number {
                    value.push_str(&format!(",{name}={}", whole(number)));
                }
            }
            self.field(&format!("slave{at}"), value);
        }
        self.plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP redis_up Whether\n# TYPE redis_up gauge\nredis_up 1\nredis_memory_used_bytes 4.290772992e+09 1700000000000\n\
        redis_memory_max_bytes 4.294967296e+09\nredis_config_maxmemory 4.294967296e+09\nredis_rdb_last_bgsave_status 0\n\
        redis_instance_info{maxmemory_policy=\"noeviction\",os=\"Linux 5\",redis_version=\"6.2.14\",role=\"master\",secret=\"x\"} 1\n\
        redis_db_keys{db=\"db0\"} 1.2e+06\nredis_db_keys{db=\"db1\"} 0\nredis_db_keys_expiring{db=\"db0\"} 3\n\
        redis_commands_total{cmd=\"get\"} 10\nredis_commands_duration_seconds_total{cmd=\"get\"} 0.5\n\
        redis_errors_total{err=\"OOM\"} 7\nredis_cluster_state 0\n\
        redis_connected_slave_lag_seconds{slave_ip=\"10.0.0.2\",slave_port=\"6379\",slave_state=\"online\"} 1\n\
        go_goroutines 9\n";

    fn lines(text: &str) -> Vec<&str> {
        text.split('\n').collect()
    }

    #[test]
    fn a_scrape_tells_what_info_has_told_the_exporter() {
        let (servers, taken) = scrape(&lines(TEXT)).expect("a scrape");
        assert_eq!((servers.len(), taken), (1, lines(TEXT).len()));
        let fields: BTreeMap<&str, &str> =
            servers[0].fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        for (name, value) in [
            ("used_memory", "4290772992"),
            ("maxmemory", "4294967296"),
            ("rdb_last_bgsave_status", "err"),
            ("maxmemory_policy", "noeviction"),
            ("role", "master"),
            ("db0", "keys=1200000,expires=3,avg_ttl=0"),
            ("cmdstat_get", "calls=10,usec=500000,usec_per_call=50000.00"),
            ("errorstat_OOM", "count=7"),
            ("slave0", "ip=10.0.0.2,port=6379,state=online,lag=1"),
        ] {
            assert_eq!(fields.get(name), Some(&value), "{name}");
        }
        assert!(!fields.contains_key("db1") && !fields.contains_key("secret"));
        assert_eq!(servers[0].cluster, [("cluster_state".to_owned(), "err".to_owned())]);
    }

    #[test]
    fn the_label_of_the_target_tells_servers_apart_and_a_field_of_info_is_no_sample() {
        let text =
            "redis_memory_used_bytes{instance=\"a:9121\"} 1\nredis_memory_used_bytes{instance=\"b:9121\"} 2\nprose";
        let (servers, taken) = scrape(&lines(text)).expect("a scrape");
        assert_eq!(
            servers.iter().filter_map(|server| server.address.as_deref()).collect::<Vec<_>>(),
            ["a:9121", "b:9121"]
        );
        assert_eq!(taken, 2);
        for text in ["redis_git_dirty 0", "used_memory 1", "redis_up", "redis_up up", "redis_up{a=\"b\" 1", "# HELP x"]
        {
            assert_eq!(scrape(&[text]), None, "{text}");
        }
    }
}
