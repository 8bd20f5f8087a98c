//! Judges what INFO says.

use std::time::Duration;

use super::{Health, Level, Reason, milliseconds};
use crate::figures::{self, count};
use crate::introspection::{Mode, NodeRole, ServerFacts};
use crate::replies::Info;

/// An answer that took longer is called slow: clients have waited as long.
pub const SLOW: Duration = Duration::from_secs(1);

fn span(seconds: u64) -> String {
    figures::span(Duration::from_secs(seconds))
}

/// Judges an INFO.
pub fn judge(info: &Info, level: Level, rtt: Duration) -> Health {
    let facts = ServerFacts::from_info(info);
    let mut health = Health {
        redis_version: info.text("redis_version").map(str::to_owned),
        server_name: Some(facts.name.clone()),
        server_version: Some(facts.version.clone()).filter(|version| !version.is_empty()),
        connected_clients: info.u64("connected_clients"),
        used_memory_human: info.text("used_memory_human").map(str::to_owned),
        used_memory: info.u64("used_memory"),
        maxmemory: info.u64("maxmemory"),
        maxclients: info.u64("maxclients"),
        role: Some(if facts.mode == Mode::Sentinel { "sentinel" } else { facts.role.as_str() }),
        uptime_seconds: info.u64("uptime_in_seconds"),
        rtt_ms: Some(milliseconds(rtt)),
        ..Health::up()
    };
    for (needs, code, text) in serving(info, &facts).into_iter().chain(writing(info, &facts)) {
        health.add(needs, level, Reason { code, text });
    }
    let (clients, limit) = (info.u64("connected_clients"), info.u64("maxclients"));
    if let (Some(clients), Some(limit)) = (clients, limit)
        && clients.saturating_mul(20) >= limit.saturating_mul(19)
    {
        let text = format!("{} of {} connections are taken", count(clients), count(limit));
        // Nobody is turned away yet: this never takes it down.
        health.add(None, level, Reason { code: "too_many_clients", text });
    }
    if rtt >= SLOW {
        let text = format!("the server took {:.1} s to answer", rtt.as_secs_f64());
        health.add(None, level, Reason { code: "slow", text });
    }
    health
}

/// What is in the way of serving: the level that fails with it (`None`: none), a code, and words.
type Trouble = (Option<Level>, &'static str, String);

/// What is in the way of reads, too.
fn serving(info: &Info, facts: &ServerFacts) -> Vec<Trouble> {
    let mut found = Vec::new();
    if facts.loading {
        let eta = info.u64("loading_eta_seconds").map(|eta| format!(", about {} to go", span(eta))).unwrap_or_default();
        found.push((Some(Level::Ready), "loading", format!("the server is loading its data{eta}")));
    }
    if let Some(primary) = facts.primary.as_ref().filter(|primary| !primary.up) {
        let since = primary
            .down_seconds
            .map_or("never up since the start".to_owned(), |seconds| format!("for {}", span(seconds)));
        let text = format!("the link to the primary {}:{} is down ({since})", primary.host, primary.port);
        found.push((Some(Level::Ready), "master_down", text));
    }
    if info.get("aof_enabled") == Some("1") && info.get("aof_last_write_status") == Some("err") {
        let text = "the append-only file cannot be written: writes are refused".to_owned();
        found.push((Some(Level::Ready), "misconf", text));
    }
    if info.get("rdb_last_bgsave_status") == Some("err") {
        // Whether that stops writes is a setting; where it does, PING says so before we get here.
        found.push((None, "save_failed", "the last save failed".to_owned()));
    }
    found
}

/// What is in the way of writes.
fn writing(info: &Info, facts: &ServerFacts) -> Vec<Trouble> {
    let mut found = Vec::new();
    if facts.role == NodeRole::Replica {
        found.push((Some(Level::Writable), "read_only", "not writable: the server is a replica".to_owned()));
    }
    // Buffers of replicas and of the append-only file are not counted against the limit.
    let counted = facts.used_memory.saturating_sub(info.u64("mem_not_counted_for_evict").unwrap_or(0));
    let expiring = figures::sum(info.databases().values().map(|database| database.expires));
    if facts.maxmemory > 0 && counted >= facts.maxmemory {
        let why = match facts.maxmemory_policy.as_str() {
            "noeviction" => Some("nothing is evicted".to_owned()),
            policy if policy.starts_with("volatile-") && expiring == 0 => {
                Some(format!("`{policy}` evicts only keys with an expiry, and there are none"))
            }
            _ => None,
        };
        if let Some(why) = why {
            found.push((
                Some(Level::Writable),
                "out_of_memory",
                format!("memory is full, and {why}: writes are refused"),
            ));
        }
    }
    // The field is there where `min-replicas-to-write` is set; how many it wants is not told.
    if facts.role == NodeRole::Primary && info.u64("min_slaves_good_slaves") == Some(0) {
        let text =
            "no replica keeps up, but `min-replicas-to-write` requires one or more: writes are refused".to_owned();
        found.push((Some(Level::Writable), "no_replicas", text));
    }
    // Valkey 8.1.
    if info.get("paused_actions").is_some_and(|actions| actions != "none") {
        found.push((Some(Level::Writable), "paused", "writes are paused: `CLIENT PAUSE`, or a failover".to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[track_caller]
    fn check(changes: &str, expected: [(Level, State); 3], code: &str) {
        let base =
            "redis_version:7.0.15\nrole:master\nconnected_clients:1\nmaxclients:100\nmaxmemory:0\nused_memory:50\n";
        // The last of two fields with one name does not count: changes go first.
        let info = Info::parse(&format!("{changes}\n{base}"));
        for (level, state) in expected {
            let health = judge(&info, level, Duration::from_micros(123));
            assert_eq!(health.health, state, "{changes} at {level:?}: {:?}", health.reasons);
            assert_eq!(health.rtt_ms, Some(0.123));
            let codes: Vec<_> = health.reasons.iter().map(|reason| reason.code).collect();
            assert!(codes.contains(&code) || code.is_empty() || state == State::Up, "{codes:?}");
        }
    }

    #[test]
    fn what_is_required_decides() {
        use Level::{Live, Ready, Writable};
        use State::{Degraded, Down, Up};
        check("", [(Live, Up), (Ready, Up), (Writable, Up)], "");
        check("loading:1", [(Live, Degraded), (Ready, Down), (Writable, Down)], "loading");
        check(
            "role:slave\nmaster_link_status:down",
            [(Live, Degraded), (Ready, Down), (Writable, Down)],
            "master_down",
        );
        check("role:slave\nmaster_link_status:up", [(Live, Up), (Ready, Up), (Writable, Down)], "read_only");
        check("min_slaves_good_slaves:0", [(Live, Degraded), (Ready, Degraded), (Writable, Down)], "no_replicas");
        check("min_slaves_good_slaves:1", [(Live, Up), (Ready, Up), (Writable, Up)], "");
        check("paused_actions:write", [(Live, Degraded), (Ready, Degraded), (Writable, Down)], "paused");
        check("paused_actions:none", [(Live, Up), (Ready, Up), (Writable, Up)], "");
        let full = "maxmemory:50\nmaxmemory_policy:volatile-lru";
        check(full, [(Live, Degraded), (Ready, Degraded), (Writable, Down)], "out_of_memory");
        check(&format!("db0:keys=9,expires=1,avg_ttl=0\n{full}"), [(Live, Up), (Ready, Up), (Writable, Up)], "");
        check(&format!("mem_not_counted_for_evict:1\n{full}"), [(Live, Up), (Ready, Up), (Writable, Up)], "");
        check(
            "maxmemory:50\nmaxmemory_policy:noeviction",
            [(Live, Degraded), (Ready, Degraded), (Writable, Down)],
            "out_of_memory",
        );
        check("maxmemory:50\nmaxmemory_policy:allkeys-lru", [(Live, Up), (Ready, Up), (Writable, Up)], "");
        check("connected_clients:95", [(Live, Degraded), (Ready, Degraded), (Writable, Degraded)], "too_many_clients");
        check("rdb_last_bgsave_status:err", [(Live, Degraded), (Ready, Degraded), (Writable, Degraded)], "save_failed");
        check(
            "aof_enabled:1\naof_last_write_status:err",
            [(Live, Degraded), (Ready, Down), (Writable, Down)],
            "misconf",
        );
    }

    #[test]
    fn an_answer_that_took_seconds_is_degraded() {
        let info = Info::parse("redis_version:7.0.15\nrole:master\n");
        for level in [Level::Live, Level::Ready, Level::Writable] {
            let health = judge(&info, level, Duration::from_millis(2300));
            assert_eq!((health.health, health.reasons[0].code), (State::Degraded, "slow"));
            assert_eq!(health.reasons[0].text, "the server took 2.3 s to answer");
            assert_eq!(judge(&info, level, Duration::from_millis(900)).health, State::Up);
        }
    }
}
