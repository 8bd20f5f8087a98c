//! The healthy server that every case changes something of.

use chrono::{DateTime, TimeZone, Utc};

use crate::replies::Info;

pub(super) fn now() -> DateTime<Utc> {
    Utc.timestamp_opt(1_800_000_000, 0).single().expect("a moment")
}

/// A healthy server of Redis 8.0 with ten thousand keys, an hour up.
pub(super) fn healthy() -> Info {
    // Thousands of cases begin with it.
    static HEALTHY: std::sync::OnceLock<Info> = std::sync::OnceLock::new();
    HEALTHY.get_or_init(read).clone()
}

fn read() -> Info {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/info/redis-8.0.6.txt");
    let info = Info::parse(&std::fs::read_to_string(path).expect("a captured INFO"));
    info.with(&[
        ("uptime_in_seconds", Some("3600")),
        ("db0", Some("keys=10000,expires=5000,avg_ttl=1000")),
        ("rdb_last_save_time", Some("1799999990")),
        ("config_file", Some("/etc/redis.conf")),
        ("errorstat_ERR", None),
        ("server_time_usec", Some("1800000000000000")),
    ])
}

pub(super) fn with(info: &Info, changes: &[(String, Option<String>)]) -> Info {
    let borrowed: Vec<(&str, Option<&str>)> =
        changes.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    info.with(&borrowed)
}
