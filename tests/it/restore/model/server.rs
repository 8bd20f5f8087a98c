//! What a target is, beside what it holds: its role, its settings, and which files it loads.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::held;
use super::judge::Verdict;
use crate::support::redis_server::RedisServer;

/// How long a server may be on its way back to what it was, after the tool has died.
const PATIENCE: Duration = Duration::from_secs(60);

/// The first bytes of the files that a server writes: `REDIS0012`, `VALKEY080`.
fn format_of(server: &RedisServer) -> String {
    server.save();
    let file = std::fs::read(server.dir().join("dump.rdb")).expect("it was saved");
    String::from_utf8_lossy(&file[..9]).into_owned()
}

/// Both families read their own files of no newer version; Valkey 9 also those from before the families went apart.
pub fn loads(source: &RedisServer, target: &RedisServer) -> bool {
    let (written, own) = (format_of(source), format_of(target));
    let before_both = written.as_str() <= "REDIS0011" && own.starts_with("VALKEY");
    before_both || written[..5] == own[..5] && written <= own
}

pub fn settings(server: &RedisServer) -> BTreeMap<String, String> {
    held::pairs(server.reply(&["CONFIG", "GET", "*"]))
        .into_iter()
        .map(|(name, value)| (name, value.to_string()))
        .collect()
}

/// A guard makes the target a primary again.
pub fn wait_for_a_primary(server: &RedisServer) -> Verdict {
    let begun = Instant::now();
    loop {
        let info = server.cli(&["INFO", "replication"]);
        let is_loading = server.cli(&["INFO", "persistence"]).contains("loading:1");
        if info.contains("role:master") && !is_loading && server.cli(&["PING"]) == "PONG" {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("the target is left so: {info}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
