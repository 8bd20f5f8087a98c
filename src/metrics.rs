//! What is known about a server, as Prometheus text with redis_exporter's names.
//!
//! redis_exporter's names are what dashboards and alerts are written for, so they are kept, odd ones too. What is ours begins
//! with `redis_ops_`. `redis_ops_memory_used` is the platform's own alias of the resident memory; everybody else's "memory
//! used" is `redis_memory_used_bytes`.

mod backups;
mod serve;
mod text;

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::introspection::{Receipt, ServerFacts};
use crate::replies::metric_names::{Kind, NAMES, OF_CLUSTERS, OF_REPLICAS};
use crate::replies::{Info, SlowEntry};

use backups::{ages_of, of_backups};
use text::Text;

pub use backups::{Ages, Backups};
pub use serve::{Limits, Source, serve};

/// What the metrics tell of one instance.
#[derive(Debug, Clone, Default)]
pub struct Metrics<'a> {
    /// INFO; `None`: the server cannot be reached.
    pub info: Option<&'a Info>,
    /// CLUSTER INFO, of a node of a cluster.
    pub cluster: Option<&'a Info>,
    /// The slow log, newest first.
    pub slow: Option<&'a [SlowEntry]>,
    /// When the server was started, in Unix seconds of its own clock.
    pub started_at: Option<u64>,
    /// What is wrong.
    pub findings: &'a [Finding],
    /// What asking cost.
    pub receipt: Receipt,
    /// Round trip of a PING in seconds.
    pub ping_seconds: Option<f64>,
    /// Why it cannot be reached, as a stable code; empty: it can.
    pub error: &'static str,
    /// Its backups; `None`: nothing is known of them.
    pub backups: Option<Backups>,
    /// What the ages of its backups are reckoned with; `None`: no repository was named.
    pub ages: Option<Ages<'a>>,
    /// Whether the repository answers; `None`: none was named.
    pub repository_up: Option<bool>,
}

/// The text of the exposition format, version 0.0.4. Every line is labelled with nothing but its own labels: which instance it
/// is Prometheus adds.
pub fn render(metrics: &Metrics<'_>) -> String {
    let mut text = Text::default();
    text.gauge("redis_up", "Whether the server answers.", f64::from(u8::from(metrics.info.is_some())));
    let error = [("err", metrics.error)];
    let failed = f64::from(u8::from(!metrics.error.is_empty()));
    text.sample("redis_exporter_last_scrape_error", "gauge", "Why the server could not be asked.", &error, failed);
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    text.sample("redis_ops_build_info", "gauge", "The version of redis-ops.", &version, 1.0);
    if let Some(info) = metrics.info {
        plain(&mut text, info);
        about(&mut text, info);
        keyspace(&mut text, info);
        replication(&mut text, info);
        commands(&mut text, info);
    }
    if let Some(started_at) = metrics.started_at {
        text.gauge("redis_start_time_seconds", "When the server was started.", started_at as f64);
    }
    if let Some(slow) = metrics.slow {
        slow_log(&mut text, slow);
    }
    if let Some(cluster) = metrics.cluster {
        of_cluster(&mut text, cluster);
    }
    let seconds = metrics.receipt.seconds;
    text.gauge("redis_exporter_last_scrape_duration_seconds", "Seconds that collecting these numbers took.", seconds);
    for finding in metrics.findings {
        let severity = serde_json::to_value(finding.severity).ok().and_then(|value| value.as_str().map(str::to_owned));
        let labels = [("rule", finding.id.as_str()), ("severity", severity.as_deref().unwrap_or_default())];
        text.sample("redis_ops_finding", "gauge", "A finding of `redis-ops diagnose`.", &labels, 1.0);
    }
    text.gauge(
        "redis_ops_probe_commands",
        "Commands that collecting these numbers took.",
        metrics.receipt.commands as f64,
    );
    text.gauge("redis_ops_probe_seconds", "Seconds that collecting them took.", metrics.receipt.seconds);
    if let Some(seconds) = metrics.ping_seconds {
        text.gauge("redis_ops_ping_seconds", "One PING.", seconds);
    }
    if let Some(up) = metrics.repository_up {
        text.gauge("redis_ops_repository_up", "Whether the repository answers.", f64::from(u8::from(up)));
    }
    if let Some(backups) = &metrics.backups {
        of_backups(&mut text, backups);
        if let Some(ages) = &metrics.ages {
            ages_of(&mut text, backups, ages);
        }
    }
    text.finish()
}

fn plain(text: &mut Text, info: &Info) {
    for (field, name, kind, scale, help) in NAMES {
        if let Some(value) = scale.of(info, field) {
            let kind = if *kind == Kind::Counter { "counter" } else { "gauge" };
            text.sample(name, kind, help, &[], value);
        }
    }
}

fn about(text: &mut Text, info: &Info) {
    let facts = ServerFacts::from_info(info);
    let role = info.get("role").unwrap_or_default();
    let labels = [
        ("role", role),
        ("redis_version", facts.redis_version.as_str()),
        ("server_name", facts.name.as_str()),
        ("server_version", facts.version.as_str()),
        ("redis_mode", facts.mode.as_str()),
        ("os", facts.os.as_str()),
        ("maxmemory_policy", facts.maxmemory_policy.as_str()),
        ("run_id", facts.run_id.as_str()),
    ];
    text.sample("redis_instance_info", "gauge", "Version, role and mode of the server.", &labels, 1.0);
}

fn keyspace(text: &mut Text, info: &Info) {
    for (index, database) in info.databases() {
        let name = format!("db{index}");
        let labels = [("db", name.as_str())];
        text.sample("redis_db_keys", "gauge", "Keys.", &labels, database.keys as f64);
        text.sample("redis_db_keys_expiring", "gauge", "Keys with a time to live.", &labels, database.expires as f64);
        let average = database.avg_ttl_ms as f64 / 1000.0;
        text.sample("redis_db_avg_ttl_seconds", "gauge", "A decaying average of times to live.", &labels, average);
    }
}

fn replication(text: &mut Text, info: &Info) {
    if let (Some(host), Some(port)) = (info.get("master_host"), info.get("master_port")) {
        let read_only = info.get("slave_read_only").unwrap_or_default();
        let labels = [("master_host", host), ("master_port", port)];
        let all = [labels[0], labels[1], ("read_only", read_only)];
        text.sample("redis_slave_info", "gauge", "The primary of this replica.", &all, 1.0);
        for (field, name, scale, help) in OF_REPLICAS {
            if let Some(value) = scale.of(info, field) {
                text.sample(name, "gauge", help, &labels, value);
            }
        }
    }
    for replica in info.replicas() {
        let port = replica.port.to_string();
        let labels =
            [("slave_ip", replica.ip.as_str()), ("slave_port", port.as_str()), ("slave_state", replica.state.as_str())];
        if let Some(offset) = replica.offset {
            text.sample(
                "redis_connected_slave_offset_bytes",
                "gauge",
                "Replication offset of a replica.",
                &labels,
                offset as f64,
            );
        }
        if let Some(lag) = replica.lag {
            text.sample(
                "redis_connected_slave_lag_seconds",
                "gauge",
                "Seconds since its last acknowledgement.",
                &labels,
                lag as f64,
            );
        }
    }
}

/// Of the hundred newest entries: more are not read.
fn slow_log(text: &mut Text, slow: &[SlowEntry]) {
    text.gauge("redis_slowlog_length", "Entries of the slow log, 128 at most.", slow.len() as f64);
    let last = slow.iter().max_by_key(|entry| entry.id);
    let id = last.map_or(0.0, |entry| entry.id as f64);
    text.gauge("redis_slowlog_last_id", "Number of the newest entry of the slow log.", id);
    let seconds = last.map_or(0.0, |entry| entry.usec as f64 / 1e6);
    text.gauge("redis_last_slow_execution_duration_seconds", "Seconds that the newest slow command took.", seconds);
}

fn of_cluster(text: &mut Text, cluster: &Info) {
    let state = cluster.get("cluster_state").map(|state| f64::from(u8::from(state == "ok")));
    if let Some(ok) = state {
        text.gauge("redis_cluster_state", "Whether the cluster state is ok.", ok);
    }
    for (field, name, kind, help) in OF_CLUSTERS {
        let kind = if *kind == Kind::Counter { "counter" } else { "gauge" };
        if let Some(value) = cluster.f64(field) {
            text.sample(name, kind, help, &[], value);
        }
    }
}

fn commands(text: &mut Text, info: &Info) {
    for (command, stats) in info.command_stats() {
        let labels = [("cmd", command)];
        text.sample("redis_commands_total", "counter", "Calls.", &labels, stats.calls as f64);
        let seconds = stats.usec as f64 / 1e6;
        text.sample("redis_commands_duration_seconds_total", "counter", "Time spent in calls.", &labels, seconds);
        text.sample(
            "redis_commands_rejected_calls_total",
            "counter",
            "Refused calls.",
            &labels,
            stats.rejected_calls as f64,
        );
        text.sample(
            "redis_commands_failed_calls_total",
            "counter",
            "Failed calls.",
            &labels,
            stats.failed_calls as f64,
        );
    }
    for (error, count) in info.error_stats() {
        text.sample("redis_errors_total", "counter", "Error replies.", &[("err", error)], count as f64);
    }
    let calls: BTreeMap<_, _> = info.command_stats();
    for (command, latencies) in info.latency_stats() {
        for (percentile, usec) in &latencies.percentiles {
            let quantile = percentile.to_string();
            let labels = [("cmd", command), ("quantile", quantile.as_str())];
            text.sample(
                "redis_latency_percentiles_usec",
                "summary",
                "Latencies by command, since the start.",
                &labels,
                *usec,
            );
        }
        if let Some(stats) = calls.get(command) {
            text.part("redis_latency_percentiles_usec", "_sum", &[("cmd", command)], stats.usec as f64);
            text.part("redis_latency_percentiles_usec", "_count", &[("cmd", command)], stats.calls as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::finding::Severity;

    #[test]
    fn every_version_gives_well_formed_text_with_the_usual_names() {
        for file in ["redis-6.2.14", "redis-7.0.15", "redis-8.0.6", "valkey-8.0.1", "valkey-8.1.1", "valkey-9.1.2"] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/info/{file}.txt"));
            let info = Info::parse(&std::fs::read_to_string(path).expect("a captured INFO"));
            let findings = [Finding::new(Severity::Warning, "M01", "full")];
            let text = render(&Metrics { info: Some(&info), findings: &findings, ..Metrics::default() });
            for line in [
                "redis_up 1",
                "redis_connected_clients 1",
                "redis_config_maxclients 10000",
                "redis_db_keys{db=\"db0\"} 6",
                "redis_db_keys_expiring{db=\"db0\"} 4",
                "redis_commands_total{cmd=\"lpush\"} 3",
                "redis_errors_total{err=\"ERR\"} 1",
                "redis_rdb_last_bgsave_status 1",
                "redis_ops_finding{rule=\"M01\",severity=\"warning\"} 1",
            ] {
                assert!(text.lines().any(|other| other == line), "{file}: no `{line}` in\n{text}");
            }
            let rss = info.get("used_memory_rss").expect("a number");
            for name in ["redis_memory_used_rss_bytes", "redis_ops_memory_used"] {
                assert!(text.contains(&format!("{name} {rss}\n")), "{file}: {name}");
            }
            well_formed(&text);
            accepted_as_openmetrics(&text::openmetrics(&text));
        }
    }

    /// What the reference parser (prometheus_client) asks of OpenMetrics beyond that.
    fn accepted_as_openmetrics(text: &str) {
        let mut names = std::collections::HashSet::new();
        let (mut name, mut kind) = ("", "");
        let lines = text.strip_suffix("# EOF\n").expect("it says that it is whole").lines();
        for line in lines {
            assert!(!line.is_empty(), "a blank line");
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                (name, kind) = rest.split_once(' ').expect("a kind");
                assert!(["gauge", "counter", "summary", "unknown"].contains(&kind), "{line}");
                assert!(kind != "counter" || !name.ends_with("_total"), "{line}");
                let suffixes: &[&str] = match kind {
                    "counter" => &["", "_total", "_created"],
                    "summary" => &["", "_sum", "_count", "_created"],
                    _ => &[""],
                };
                for suffix in suffixes {
                    assert!(names.insert(format!("{name}{suffix}")), "{name}{suffix} is of two families");
                }
            } else if !line.starts_with('#') {
                let (labelled, value) = line.rsplit_once(' ').expect("a value");
                let bare = labelled.split('{').next().expect("a name");
                let value: f64 = value.parse().expect("a number");
                let suffix = bare.strip_prefix(name).unwrap_or_else(|| panic!("{line} in {name}"));
                match kind {
                    "counter" => assert!(suffix == "_total" && value >= 0.0, "{line}"),
                    "summary" => assert!(["", "_sum", "_count"].contains(&suffix) && value >= 0.0, "{line}"),
                    _ => assert!(suffix.is_empty(), "{line}"),
                }
                if kind == "summary" && suffix.is_empty() {
                    let quantile = labelled.split("quantile=\"").nth(1).expect("a quantile").trim_end_matches("\"}");
                    let share: f64 = quantile.parse().expect("a number");
                    assert!((0.0..=1.0).contains(&share) && quantile == format!("{share:?}"), "{line}");
                }
            }
        }
    }

    /// Each family has one TYPE before its first sample, all its samples together, and no sample twice.
    fn well_formed(text: &str) {
        let mut families: Vec<&str> = Vec::new();
        let mut samples = std::collections::HashSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let family = rest.split(' ').next().expect("a name");
                assert!(!families.contains(&family), "{family} twice");
                families.push(family);
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').expect("a value");
                assert!(value.parse::<f64>().is_ok(), "{line}");
                let bare = name.split('{').next().expect("a name");
                let family = families.last().expect("a type before");
                assert!(
                    bare == *family || bare == format!("{family}_sum") || bare == format!("{family}_count"),
                    "{line} in {family}"
                );
                assert!(samples.insert(name), "{name} twice");
            }
        }
    }

    #[test]
    fn a_server_that_cannot_be_reached_is_down_and_nothing_else() {
        let text = render(&Metrics::default());
        assert!(text.contains("redis_up 0\n"));
        assert!(!text.contains("redis_connected_clients"));
    }

    #[test]
    fn ages_say_whose_they_are_and_what_is_missing_is_below_zero() {
        let at = |time: &str| time.parse::<DateTime<Utc>>().expect("a time");
        let backups = Backups {
            last_at: Some(at("2024-01-02T01:00:00Z")),
            last_drill_at: Some(at("2024-01-01T01:00:00Z")),
            last_drill_rto_seconds: Some(2.5),
            ..Backups::default()
        };
        let ages = Ages {
            now: at("2024-01-02T02:00:00Z"),
            instance: "redis-prod",
            repository: "s3://backups/redis",
            next_due: Some(at("2024-01-02T01:30:00Z")),
        };
        let text = render(&Metrics { backups: Some(backups), ages: Some(ages), ..Metrics::default() });
        let labels = "{instance=\"redis-prod\",repository=\"s3://backups/redis\"}";
        for (name, value) in [
            ("redis_ops_backup_age_seconds", "3600"),
            ("redis_ops_last_drill_age_seconds", "90000"),
            ("redis_ops_last_drill_rto_seconds", "2.5"),
            ("redis_ops_next_due_seconds", "-1800"),
        ] {
            assert!(text.contains(&format!("{name}{labels} {value}\n")), "no {name} in\n{text}");
        }
        assert!(!text.contains("redis_ops_last_verified_age_seconds"), "none was ever verified: {text}");
        well_formed(&text);
    }

    #[test]
    fn labels_are_escaped() {
        let info = Info::parse("redis_version:7\nos:a\"b\\c\n");
        assert!(render(&Metrics { info: Some(&info), ..Metrics::default() }).contains("os=\"a\\\"b\\\\c\""));
        let info = Info::parse("redis_version:7\nos:a\x1b[2Jb\u{9b}c\n");
        let text = render(&Metrics { info: Some(&info), ..Metrics::default() });
        assert!(text.contains(r#"os="a\\x1b[2Jb\\x9bc""#), "{text}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    }
}
