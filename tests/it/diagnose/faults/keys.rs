//! Keys: without an end, named in many ways, too large.

use super::super::lab::{Diagnosis, Repeat, apply, deaf, follow};
use super::{MS, server, set};
use crate::support::redis_server::RedisServer;

/// A fault in the keys: first finding, then gone once the printed commands were typed.
#[track_caller]
fn in_the_keys(rule: &str, make: impl Fn(&RedisServer)) {
    let Some(server) = server(&[]) else { return };
    set(&server, 40, |n| format!("user:{n}"), None);
    make(&server);
    let diagnosis = Diagnosis::of(&server, "patterns", &[]);
    let finding = diagnosis.first_is(rule);
    // A name alone is worth a note.
    assert_eq!(finding["severity"], "info", "{finding:#}");
    apply(&server, finding);
    Diagnosis::of(&server, "patterns", &[]).is_silent(rule);
}

/// What rests on names is a warning where something is seen to come of it.
#[test]
fn names_that_fill_the_memory() {
    let Some(server) = server(&[("maxmemory", "4mb"), ("maxmemory-policy", "allkeys-lru")]) else { return };
    let mut client = server.client();
    let mut n = 0_u64;
    let _load = Repeat::new(move || {
        n += 1;
        let _ = client.ask(&[b"SET", format!("cache:page:{}", n % 4000).as_bytes(), &[b'x'; 2000]]);
    });
    server.wait_for("eviction begins", |server| server.info("evicted_keys") != "0");
    let diagnosis = Diagnosis::of(&server, "patterns", &[]);
    let finding = diagnosis.finding("A11").expect("cached values without an end");
    assert_eq!(finding["severity"], "warning", "{finding:#}");
    assert!(finding["evidence"]["evicted_meanwhile"].as_u64().is_some_and(|count| count > 0), "{finding:#}");
}

#[test]
fn a_lock_without_ttl() {
    in_the_keys("A01", |server| drop(server.ok(&["SET", "lock:order:17", "0123456789abcdef"])));
}

#[test]
fn a_rate_counter_without_ttl() {
    in_the_keys("A05", |server| drop(server.ok(&["INCR", "rate:10.0.0.1"])));
}

#[test]
fn a_session_without_ttl() {
    in_the_keys("A07", |server| {
        set(server, 20, |n| format!("session:{n:032x}"), Some("3600"));
        server.ok(&["HSET", "session:forgotten", "user", "1"]);
    });
}

#[test]
fn a_secret_without_ttl() {
    in_the_keys("A10", |server| drop(server.ok(&["SET", "otp:4411", "999999"])));
}

#[test]
fn a_cache_without_ttl() {
    in_the_keys("A11", |server| {
        server.ok(&["SET", "cache:home", "<html>"]);
    });
}

/// A fault in the keys whose fix is in the application: it says these words, and `mend` does it.
#[track_caller]
fn in_the_application(topic: &str, rule: &str, make: impl Fn(&RedisServer), words: &str, mend: impl Fn(&RedisServer)) {
    let Some(server) = server(&[]) else { return };
    set(&server, 40, |n| format!("user:{n}"), None);
    make(&server);
    let diagnosis = Diagnosis::of(&server, topic, &[]);
    follow(diagnosis.first_is(rule), words);
    mend(&server);
    Diagnosis::of(&server, topic, &[]).is_silent(rule);
}

#[test]
fn mixed_naming() {
    let make = |server: &RedisServer| set(server, 3, |n| format!("users:{n}"), None);
    in_the_application("patterns", "A14", make, "use `type:id`", |server| {
        for n in 0..3 {
            server.ok(&["RENAME", &format!("users:{n}"), &format!("user:{n}")]);
        }
    });
}

#[test]
fn names_made_of_absent_values() {
    in_the_keys("A15", |server| drop(server.ok(&["SET", "user:undefined", "x"])));
}

#[test]
fn a_stampede_of_equal_expiries() {
    let at = "4102444800";
    let make = |server: &RedisServer| {
        set(server, 500, |n| format!("page:{n}"), None);
        let keys: Vec<String> = (0..500).map(|n| format!("page:{n}")).collect();
        server.pipe(keys.iter().map(|key| vec![b"EXPIREAT".as_slice(), key.as_bytes(), at.as_bytes()]));
    };
    in_the_application("patterns", "A13", make, "add a random part to the time to live", |server| {
        let keys: Vec<(String, String)> =
            (0..500).map(|n| (format!("page:{n}"), (4_102_444_800_u64 + n * 7).to_string())).collect();
        server.pipe(keys.iter().map(|(key, at)| vec![b"EXPIREAT".as_slice(), key.as_bytes(), at.as_bytes()]));
    });
}

#[test]
fn a_queue_that_nobody_works_off() {
    let make = |server: &RedisServer| {
        let jobs: Vec<String> = (0..12_000).map(|n| n.to_string()).collect();
        server.pipe(jobs.iter().map(|job| vec![b"LPUSH".as_slice(), b"queue:mail", job.as_bytes()]));
    };
    in_the_application("patterns", "A19", make, "start workers", |server| {
        server.pipe((0..11_000).map(|_| vec![b"RPOP".as_slice(), b"queue:mail"]));
    });
}

#[test]
fn a_subscriber_that_is_too_slow() {
    let Some(server) = server(&[]) else { return };
    let subscriber = deaf(&server, b"*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n", 1);
    server.wait_for("it listens", |server| server.info("pubsub_channels") == "1");
    let message = "x".repeat(1_000_000);
    for _ in 0..26 {
        server.ok(&["PUBLISH", "news", &message]);
    }
    let diagnosis = Diagnosis::of(&server, "patterns", &[]);
    let finding = diagnosis.first_is("A16");
    apply(&server, finding);
    Diagnosis::of(&server, "patterns", &[]).has_gone("A16");
    drop(subscriber);
}

#[test]
fn setnx_in_use() {
    let Some(server) = server(&[]) else { return };
    let mut client = server.client();
    let locking = Repeat::new(move || {
        let _ = (client.ask(&[b"SETNX", b"l", b"1"]), client.ask(&[b"EXPIRE", b"l", b"30"]));
        std::thread::sleep(MS(10));
    });
    let diagnosis = Diagnosis::of(&server, "patterns", &[]);
    follow(diagnosis.first_is("A04"), "SET <key> <token> NX PX 30000");
    drop(locking);
    let _better = Repeat::command(&server, &["SET", "l", "0123456789abcdef", "NX", "PX", "30000"], MS(10));
    Diagnosis::of(&server, "patterns", &[]).has_gone("A04");
}

#[test]
fn a_big_string() {
    let Some(server) = server(&[]) else { return };
    server.fill(3, 12_000_000);
    server.ok(&["DEL", "key:1", "key:2"]);
    let diagnosis = Diagnosis::of(&server, "keyspace", &[]);
    let finding = diagnosis.first_is("K04");
    assert_eq!(finding["evidence"]["key"], "key:0");
    apply(&server, finding);
    Diagnosis::of(&server, "keyspace", &[]).has_gone("K04");
}

#[test]
fn a_big_collection() {
    let Some(server) = server(&[]) else { return };
    let members: Vec<String> = (0..20_000).map(|n| format!("member {n}")).collect();
    server.pipe(members.iter().map(|member| vec![b"SADD".as_slice(), b"all users", member.as_bytes()]));
    let diagnosis = Diagnosis::of(&server, "keyspace", &[]);
    let finding = diagnosis.first_is("K05");
    assert_eq!(finding["evidence"]["elements"], 20_000);
    apply(&server, finding);
    Diagnosis::of(&server, "keyspace", &[]).has_gone("K05");
}

#[test]
fn a_stream_that_nobody_acknowledges() {
    let Some(server) = server(&[]) else { return };
    server.pipe((0..12_000).map(|_| vec![b"XADD".as_slice(), b"events", b"*", b"f", b"v"]));
    server.ok(&["XGROUP", "CREATE", "events", "workers", "0"]);
    server.ok(&["XREADGROUP", "GROUP", "workers", "gone", "COUNT", "11000", "STREAMS", "events", ">"]);
    let diagnosis = Diagnosis::of(&server, "keyspace", &[]);
    let finding = diagnosis.first_is("K13");
    assert_eq!(finding["evidence"]["pending"], 11_000);
    follow(finding, "XAUTOCLAIM events workers");
    let mut worker = server.client();
    let mut start = "0-0".to_owned();
    loop {
        let words = ["XAUTOCLAIM", "events", "workers", "new", "0", &start, "COUNT", "1000"];
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let reply = worker.ask(&words).expect("an answer").to_string();
        let mut lines = reply.lines();
        start = lines.next().expect("a cursor").to_owned();
        let ids: Vec<&str> = lines.filter(|line| line.contains('-')).collect();
        let mut acknowledge: Vec<&[u8]> = vec![b"XACK", b"events", b"workers"];
        acknowledge.extend(ids.iter().map(|id| id.as_bytes()));
        if !ids.is_empty() {
            worker.ask(&acknowledge).expect("an answer");
        }
        if start == "0-0" {
            break;
        }
    }
    Diagnosis::of(&server, "keyspace", &[]).has_gone("K13");
}

#[test]
fn memory_that_nobody_uses() {
    // A key can be born old: RESTORE takes an idle time. Eight days, 12 MB.
    let Some(server) = server(&[]) else { return };
    server.ok(&["SET", "template", &"x".repeat(100_000)]);
    let dumped = server.client().ask(&[b"DUMP", b"template"]).expect("an answer");
    let crate::support::redis_server::Reply::Bulk(dumped) = dumped else { panic!("{dumped}") };
    let keys: Vec<String> = (0..120).map(|n| format!("report:{n}")).collect();
    server.pipe(
        keys.iter()
            .map(|key| vec![b"RESTORE".as_slice(), key.as_bytes(), b"0", dumped.as_slice(), b"IDLETIME", b"691200"]),
    );
    let diagnosis = Diagnosis::of(&server, "keyspace", &[]);
    let finding = diagnosis.first_is("K14");
    follow(finding, "set a time to live when writing");
    assert_eq!(finding["evidence"]["keys"], 120);
    server.pipe(keys.iter().skip(20).map(|key| vec![b"UNLINK".as_slice(), key.as_bytes()]));
    Diagnosis::of(&server, "keyspace", &[]).has_gone("K14");
}

#[test]
fn one_key_that_everybody_reads() {
    let Some(server) = server(&[("maxmemory", "100mb"), ("maxmemory-policy", "allkeys-lfu")]) else { return };
    set(&server, 40, |n| format!("user:{n}"), None);
    server.pipe((0..100_000).map(|_| vec![b"GET".as_slice(), b"user:7"]));
    let diagnosis = Diagnosis::of(&server, "keyspace", &[]);
    let finding = diagnosis.first_is("K07");
    assert!(!finding["fix"].to_string().contains("CLUSTER"), "no cluster, and the key is known: {finding:#}");
    assert_eq!(
        (&finding["evidence"]["key"], &finding["severity"]),
        (&"user:7".into(), &"critical".into()),
        "{finding:#}"
    );
    follow(finding, "store copies under several names");
    // As if a hundred copies had shared the reads.
    server.ok(&["DEL", "user:7"]);
    let copies: Vec<String> = (0..100).map(|n| format!("user:7:{n}")).collect();
    set(&server, 100, |n| copies[n].clone(), None);
    server.pipe((0..100_000).map(|n| vec![b"GET".as_slice(), copies[n % 100].as_bytes()]));
    Diagnosis::of(&server, "keyspace", &[]).has_gone("K07");
}

#[test]
fn a_prefix_that_grows_from_run_to_run() {
    const AT_ONCE: &str = "diagnose: {thresholds: {A23: {minutes: 0}}}\n";
    let Some(server) = server(&[]) else { return };
    let state = tempfile::tempdir().expect("a folder");
    let diagnose = || {
        let run = crate::support::redis_ops::RedisOps::new()
            .args(["diagnose", "patterns", "--json", "--window", "50ms", "-i", &server.url()])
            .file("redis-ops.yaml", AT_ONCE)
            .env("XDG_STATE_HOME", state.path());
        Diagnosis::of_run(&run.run())
    };
    set(&server, 2000, |n| format!("audit:{n}"), None);
    set(&server, 2000, |n| format!("page:{n}"), None);
    diagnose().has_gone("A23");
    set(&server, 4000, |n| format!("audit:{n}"), None);
    let diagnosis = diagnose();
    let finding = diagnosis.first_is("A23");
    assert_eq!(finding["evidence"]["prefix"], "audit:");
    follow(finding, "set EX when writing the key");
    set(&server, 6000, |n| format!("audit:{n}"), Some("3600"));
    diagnose().has_gone("A23");
}

#[test]
fn fifty_locks_without_ttl() {
    let Some(server) = server(&[]) else { return };
    set(&server, 40, |n| format!("user:{n}"), None);
    set(&server, 50, |n| format!("lock:order:{n}"), None);
    server.ok(&["SET", "lock:short", "0123456789abcdef", "PX", "2000000"]);
    let diagnosis = Diagnosis::of(&server, "patterns", &[]);
    let finding = diagnosis.first_is("A01");
    let fixes = finding["fix"].as_array().expect("fixes");
    let line = fixes.iter().filter_map(|fix| fix.as_str()?.strip_suffix(" (the other 47)")).next();
    let line = line.unwrap_or_else(|| panic!("no fix for the others: {fixes:#?}"));
    // As it stands: it names the server.
    let run = std::process::Command::new("sh").arg("-c").arg(line).output().expect("a shell");
    if !run.status.success() {
        crate::support::skip("redis-cli");
        return;
    }
    apply(&server, finding);
    Diagnosis::of(&server, "patterns", &[]).has_gone("A01");
    let kept: u64 = server.ok(&["PTTL", "lock:short"]).parse().expect("milliseconds");
    assert!(kept > 1_000_000, "who had a time to live keeps it: {kept}");
    assert_eq!(server.ok(&["TTL", "user:1"]), "-1", "who is no lock has none");
}
