//! That it does no harm: what it sends, how much of it, and that nothing is changed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{USUAL, top_of, versions};
use crate::support::redis_server::{RedisServer, Reply, on_each};

/// Commands in any second at most.
const PER_SECOND: u64 = 20;
/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(12);

/// What may be sent: greetings, and what only reads.
const HARMLESS: &[&str] = &[
    "acl|getuser",
    "acl|log",
    "acl",
    "auth",
    "backup|status",
    "client",
    "client|list",
    "client|no-evict",
    "client|no-touch",
    "client|setinfo",
    "client|setname",
    "commandlog|get",
    "config",
    "config|get",
    "hello",
    "hlen",
    "hotkeys|get",
    "info",
    "latency",
    "latency|latest",
    "llen",
    "memory",
    "memory|usage",
    "object",
    "object|encoding",
    "ping",
    "pttl",
    "randomkey",
    "readonly",
    "scard",
    "select",
    "slowlog",
    "slowlog|get",
    "strlen",
    "type",
    "zcard",
];

/// The calls of each command, and the server's own clock in microseconds.
fn calls(server: &mut crate::support::redis_server::Client) -> (u64, BTreeMap<String, u64>) {
    let Ok(Reply::Bulk(info)) = server.ask(&[b"INFO", b"everything"]) else { panic!("INFO") };
    let info = String::from_utf8_lossy(&info).into_owned();
    let mut clock = 0;
    let mut calls = BTreeMap::new();
    for line in info.lines() {
        if let Some(time) = line.strip_prefix("server_time_usec:") {
            clock = time.trim().parse().expect("a time");
        }
        if let Some((name, stats)) = line.strip_prefix("cmdstat_").and_then(|rest| rest.split_once(':')) {
            let count =
                |field: &str| stats.split(field).nth(1).and_then(|rest| rest.split(',').next()?.trim().parse().ok());
            // Refused ones were sent as well.
            let count = count("calls=").unwrap_or(0) + count("rejected_calls=").unwrap_or(0);
            calls.insert(name.to_owned(), count);
        }
    }
    (clock, calls)
}

#[test]
fn twenty_commands_a_second_are_the_most_and_none_of_them_writes() {
    on_each(&versions(), |installed| {
        let Some(server) = RedisServer::builder().version(installed).start() else { return };
        server.fill(2000, 10);
        server.ok(&["HSET", "hash:1", "a", "1"]);
        server.ok(&["RPUSH", "list:1", "a"]);
        let settings = server.cli(&["CONFIG", "GET", "*"]);
        let digest = server.cli(&["DEBUG", "DIGEST"]);
        let keys = server.cli(&["DBSIZE"]);
        let mut watcher = server.client();
        let (_, before) = calls(&mut watcher);

        let Some(mut terminal) = top_of(&server, USUAL, &[]) else { return };
        terminal.wait_for_screen("FINDINGS");
        // The page that asks the most.
        terminal.press("k");
        terminal.wait_for_screen("random keys of ");
        let (begun, mut seen) = (Instant::now(), Vec::new());
        while begun.elapsed() < WATCHED {
            let (clock, calls) = calls(&mut watcher);
            // Without those of this test, one of which is not yet counted where it is answered.
            let own = seen.len() as u64;
            seen.push((clock, calls.values().sum::<u64>() - own));
            std::thread::sleep(Duration::from_millis(40));
        }
        terminal.press("q");
        terminal.end();

        for (at, (from, first)) in seen.iter().enumerate() {
            let within = seen[at..].iter().take_while(|(clock, _)| clock - from <= 1_000_000);
            let (_, last) = within.last().expect("itself");
            assert!(last - first <= PER_SECOND, "{}: {} in a second", installed.name, last - first);
        }
        let (first, last) = (seen.first().expect("a reading").1, seen.last().expect("a reading").1);
        assert!(last - first > 50, "{}: it was asked something: {}", installed.name, last - first);

        let (_, after) = calls(&mut watcher);
        let sent: Vec<&String> = after
            .iter()
            .filter(|(name, count)| before.get(*name).copied().unwrap_or(0) < **count)
            .map(|(name, _)| name)
            .collect();
        let harmful: Vec<_> = sent.iter().filter(|name| !HARMLESS.contains(&name.as_str())).collect();
        assert!(harmful.is_empty(), "{}: {harmful:?}", installed.name);
        assert_eq!(server.cli(&["CONFIG", "GET", "*"]), settings, "{}", installed.name);
        assert_eq!(server.cli(&["DBSIZE"]), keys);
        assert_eq!(server.cli(&["DEBUG", "DIGEST"]), digest);
    });
}
