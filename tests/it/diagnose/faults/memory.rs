//! Memory: full, refused, evicted, fragmented.

use super::super::lab::{Diagnosis, Repeat, apply, follow};
use super::{MS, server};
use crate::support::redis_server::RedisServer;

/// Keys until the server refuses more.
fn fill_up(server: &RedisServer, name: &str, ttl: Option<&str>) {
    let mut client = server.client();
    let value = vec![b'x'; 10_000];
    for n in 0..100_000 {
        let key = format!("{name}{n}");
        let mut words = vec![b"SET".as_slice(), key.as_bytes(), &value];
        if let Some(seconds) = ttl {
            words.extend([b"EX".as_slice(), seconds.as_bytes()]);
        }
        if matches!(client.ask(&words), Ok(crate::support::redis_server::Reply::Error(_))) {
            return;
        }
    }
    panic!("it never was full");
}

#[test]
fn memory_full_with_noeviction() {
    let Some(server) = server(&[("maxmemory", "10mb")]) else { return };
    fill_up(&server, "doc:", None);
    let writes = Repeat::command(&server, &["SET", "more", &"x".repeat(200_000)], MS(20));
    let diagnosis = Diagnosis::of(&server, "memory", &[]);
    let finding = diagnosis.first_is("M01");
    assert_eq!((diagnosis.code, finding["severity"].as_str()), (2, Some("critical")));
    assert_eq!(diagnosis.finding("M18").expect("writes are refused")["caused_by"], "M01");
    assert!(!diagnosis.rules().contains(&"M16"), "nothing is evicted, and nothing falls behind with that");
    drop(writes);
    apply(&server, finding);
    Diagnosis::of(&server, "memory", &[]).has_gone("M01");
}

#[test]
fn a_limit_that_was_set_far_below_what_is_used() {
    let Some(server) = server(&[]) else { return };
    server.fill(3000, 2000);
    server.ok(&["CONFIG", "SET", "maxmemory", "2mb"]);
    let diagnosis = Diagnosis::of(&server, "memory", &[]);
    let finding = diagnosis.first_is("M01");
    apply(&server, finding);
    assert_eq!(server.ok(&["SET", "more", "room"]), "OK");
    Diagnosis::of(&server, "memory", &[]).has_gone("M01");
}

/// Redis 7.0 and later, Valkey: the time above the limit is counted on where the limit is gone.
#[test]
fn a_limit_that_was_taken_away_while_it_was_exceeded() {
    let Some(server) = server(&[("maxmemory-policy", "volatile-lru")]) else { return };
    server.fill(3000, 2000);
    server.ok(&["CONFIG", "SET", "maxmemory", "2mb"]);
    server.cli(&["SET", "more", "refused"]);
    server.ok(&["CONFIG", "SET", "maxmemory", "0"]);
    Diagnosis::of(&server, "memory", &["--window", "100ms"]).is_silent("M16");
}

#[test]
fn a_policy_with_nothing_to_evict() {
    let Some(server) = server(&[("maxmemory", "10mb"), ("maxmemory-policy", "volatile-lru")]) else { return };
    fill_up(&server, "audit:", None);
    let writes = Repeat::command(&server, &["SET", "more", &"x".repeat(200_000)], MS(20));
    let diagnosis = Diagnosis::of(&server, "memory", &[]);
    let finding = diagnosis.first_is("M17");
    assert_eq!(diagnosis.code, 2);
    assert_eq!(diagnosis.finding("M18").expect("writes are refused")["caused_by"], "M17");
    drop(writes);
    apply(&server, finding);
    let after = Diagnosis::of(&server, "memory", &[]);
    after.has_gone("M17");
    assert_eq!(server.ok(&["SET", "more", "x"]), "OK");
}

#[test]
fn a_cache_that_refuses_writes_instead_of_evicting() {
    let Some(server) = server(&[("maxmemory", "10mb")]) else { return };
    fill_up(&server, "page:", Some("3600"));
    let diagnosis = Diagnosis::of(&server, "memory", &[]);
    let finding = diagnosis.first_is("M19");
    apply(&server, finding);
    Diagnosis::of(&server, "memory", &[]).has_gone("M19");
}

#[test]
fn a_cache_that_evicts_what_it_just_stored() {
    let Some(server) = server(&[("maxmemory", "6mb"), ("maxmemory-policy", "allkeys-lru")]) else { return };
    let mut client = server.client();
    let mut n = 0_u64;
    // Four thousand pages in turn: more than the limit holds, and not without end.
    let _load = Repeat::new(move || {
        n += 1;
        let key = format!("page:{}", n % 4000);
        let _ = client.ask(&[b"SET", key.as_bytes(), &[b'x'; 2000]]);
    });
    server.wait_for("eviction begins", |server| server.info("evicted_keys") != "0");
    let diagnosis = Diagnosis::of(&server, "memory", &[]);
    let finding = diagnosis.first_is("M15");
    assert_eq!(finding["severity"], "warning");
    // While the load goes on: a third more at a time, until it is enough.
    let mut finding = finding.clone();
    for _ in 0..5 {
        apply(&server, &finding);
        let after = Diagnosis::of(&server, "memory", &[]);
        match after.finding("M15").filter(|after| after["severity"] != "info") {
            Some(again) => finding = again.clone(),
            None => return,
        }
    }
    panic!("it evicts with {}", server.info("maxmemory_human"));
}

#[test]
fn fragmentation_after_deleting_most_keys() {
    // Three of four values are deleted here and there: what is left holds every page. The floors are lowered: 100 MiB of holes take
    // long to make.
    const LOWER: &str =
        "diagnose: {thresholds: {M05: {warning: 1.3, floor: 4000000}, M04: {warning: 1.1, floor: 4000000}}}\n";
    let Some(server) = server(&[]) else { return };
    server.fill(60_000, 400);
    let doomed: Vec<String> = (0..60_000).filter(|n| n % 4 != 0).map(|n| format!("key:{n}")).collect();
    server.pipe(doomed.iter().map(|key| vec![b"DEL".as_slice(), key.as_bytes()]));
    let diagnosis = Diagnosis::with_settings(&server, "memory", LOWER, &[]);
    let rules = diagnosis.rules();
    assert!(rules[0] == "M05" || rules[0] == "M04", "{:#}", diagnosis.json["findings"]);
    let finding = diagnosis.finding(rules[0]).expect("it was first");
    let silent = Diagnosis::of(&server, "memory", &[]);
    assert!(
        silent.loud().is_empty(),
        "with its own floor the rule does not cry over some ten MiB: {:?}",
        silent.loud()
    );
    // Where the allocator is not the server's own it refuses to defragment: then the second fix is for it.
    if server.cli(&["CONFIG", "SET", "activedefrag", "yes"]) == "OK" {
        follow(finding, "CONFIG SET activedefrag yes (if the build supports it");
        server.ok(&["CONFIG", "SET", "active-defrag-ignore-bytes", "1mb"]);
        let gone = |server: &RedisServer| {
            let after = Diagnosis::with_settings(server, "memory", LOWER, &["--window", "0s"]);
            !after.loud().contains(&rules[0])
        };
        server.wait_for("it is defragmented", gone);
        return;
    }
    follow(finding, "restart the server");
    server.save();
    let again = RedisServer::builder().version(server.installed()).dump(server.dir().join("dump.rdb")).start();
    Diagnosis::with_settings(&again.expect("it starts again"), "memory", LOWER, &[]).has_gone(rules[0]);
}
