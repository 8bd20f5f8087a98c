//! A server that answers PING and does nothing else is not up; one that would refuse a write is not writable.

use std::time::Duration;

use super::lab::Sentinel;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Installed, RedisServer, Reply, servers};

/// The oldest of each family, and the newest.
fn some() -> Vec<Installed> {
    let all = servers();
    let wanted =
        ["redis-server-6.2", "redis-server-7.0", "redis-server-8.10", "valkey-server-8.0", "valkey-server-9.1"];
    let some: Vec<Installed> =
        all.iter().filter(|installed| wanted.iter().any(|name| installed.is(name))).cloned().collect();
    if some.is_empty() { all } else { some }
}

/// Exit codes of `live`, `ready` and `writable`, and the first reason of the last that is not 0.
#[track_caller]
fn levels(server: &RedisServer, expected: [i32; 3], code: &str) {
    for (level, expected) in ["live", "ready", "writable"].into_iter().zip(expected) {
        let (found, answer) = RedisOps::new().args(["health", "-i", &server.url(), "--require", level]).json();
        let name = &server.installed().name;
        assert_eq!(found, expected, "{name}: {level}: {answer:#}");
        if expected > 0 {
            assert_eq!(answer["reasons"][0]["code"], code, "{name}: {level}: {answer:#}");
        }
    }
}

/// Nothing was written, and nobody has even tried.
#[track_caller]
fn is_untouched(server: &RedisServer) {
    let text = server.ok(&["INFO", "everything"]);
    let set = text.lines().find_map(|line| line.strip_prefix("cmdstat_set:"));
    assert!(set.is_none_or(|set| set.starts_with("calls=0,")), "{}: {set:?}", server.installed().name);
}

#[test]
fn replicas_that_are_insisted_on_and_missing_stop_writes() {
    for installed in some() {
        let Some(server) = RedisServer::builder().version(&installed).start() else { return };
        levels(&server, [0, 0, 0], "");
        server.ok(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
        levels(&server, [1, 1, 2], "no_replicas");
        is_untouched(&server);
        // One of two: only a write tells.
        let Some(replica) = RedisServer::builder().version(&installed).start() else { return };
        replica.ok(&["REPLICAOF", "127.0.0.1", &server.port().to_string()]);
        server.wait_for("the replica is counted", |server| server.info("min_slaves_good_slaves") == "1");
        levels(&server, [0, 0, 0], "");
        server.ok(&["CONFIG", "SET", "min-replicas-to-write", "2"]);
        levels(&server, [0, 0, 2], "no_replicas");
        is_untouched(&server);
    }
}

#[test]
fn full_memory_without_anything_to_evict_stops_writes() {
    for installed in some() {
        let builder = RedisServer::builder().version(&installed).arg("maxmemory-policy", "volatile-lru");
        let Some(server) = builder.start() else { return };
        server.ok(&["APPEND", "a", &"x".repeat(400_000)]);
        server.ok(&["CONFIG", "SET", "maxmemory", "1mb"]);
        levels(&server, [1, 1, 2], "out_of_memory");
        server.ok(&["CONFIG", "SET", "maxmemory", "100mb"]);
        levels(&server, [0, 0, 0], "");
        is_untouched(&server);
    }
}

#[test]
fn paused_writes_are_no_writes_and_a_pause_of_all_is_silence() {
    for installed in some() {
        let Some(server) = RedisServer::builder().version(&installed).start() else { return };
        server.ok(&["CLIENT", "PAUSE", "600000", "WRITE"]);
        let (code, answer) =
            RedisOps::new().args(["health", "-i", &server.url(), "--require", "writable", "--timeout", "500ms"]).json();
        assert_eq!((code, &answer["reasons"][0]["code"]), (2, &"paused".into()), "{}: {answer:#}", installed.name);
        // Once a client waits, nobody has to ask for a write to see it.
        let mut writer = server.client();
        writer.send(&[b"DEL", b"nobody"]).expect("it can be sent");
        server.wait_for("the write to wait", |server| server.info("blocked_clients") == "1");
        let (code, answer) = RedisOps::new().args(["health", "-i", &server.url()]).json();
        assert_eq!((code, &answer["reasons"][0]["code"]), (1, &"paused".into()), "{}: {answer:#}", installed.name);
        server.ok(&["CLIENT", "UNPAUSE"]);
        drop(writer);
        levels(&server, [0, 0, 0], "");
        is_untouched(&server);
        let mut client = server.client();
        assert!(matches!(client.ask(&[b"CLIENT", b"PAUSE", b"600000", b"ALL"]), Ok(Reply::Simple(_))));
        let (code, answer) = RedisOps::new().args(["health", "-i", &server.url(), "--timeout", "300ms"]).json();
        assert_eq!((code, &answer["reasons"][0]["code"]), (2, &"timeout".into()), "{}: {answer:#}", installed.name);
        let text = answer["reasons"][0]["text"].as_str().unwrap_or_default();
        assert!(text.contains("CLIENT PAUSE"), "{text}");
    }
}

#[test]
fn a_cluster_that_is_down_is_not_ready() {
    for installed in some() {
        let builder = RedisServer::builder().version(&installed).arg("cluster-enabled", "yes");
        let builder = match installed.is("6.2") {
            // Its bus is at a port 10,000 higher, which may not exist here.
            true => continue,
            false => builder.arg("cluster-port", &crate::support::redis_server::free_port().to_string()),
        };
        let Some(server) = builder.arg("cluster-require-full-coverage", "no").start() else { return };
        levels(&server, [1, 2, 2], "cluster_down");
        // One slot of all: what a write is tried with lies in that.
        server.ok(&["CLUSTER", "ADDSLOTS", "16000"]);
        server.wait_for("it serves", |server| server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
        levels(&server, [0, 0, 0], "");
        server.ok(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
        levels(&server, [1, 1, 2], "no_replicas");
        is_untouched(&server);
    }
}

#[test]
fn an_answer_that_took_seconds_is_degraded() {
    let Some(server) = RedisServer::start() else { return };
    let signal = |name| {
        let id = i32::try_from(server.pid()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
        rustix::process::kill_process(id, name).expect("it can be signalled");
    };
    // Connections to the server that are established on the side of the clients.
    let connected = || {
        let towards = format!(":{:04X} 01 ", server.port());
        std::fs::read_to_string("/proc/net/tcp").unwrap_or_default().matches(&towards).count()
    };
    signal(rustix::process::Signal::STOP);
    let before = connected();
    let mut run = RedisOps::new().args(["health", "-i", &server.url(), "--json"]).spawn();
    let begun = std::time::Instant::now();
    while connected() == before {
        assert!(begun.elapsed() < Duration::from_secs(120) && !run.has_ended(), "it never came");
        std::thread::sleep(Duration::from_millis(5));
    }
    // The answer takes as long as this, whatever else the machine has to do.
    std::thread::sleep(Duration::from_millis(1500));
    signal(rustix::process::Signal::CONT);
    let run = run.wait();
    let answer = run.json();
    assert_eq!((run.code, &answer["health"]), (1, &"degraded".into()), "{answer:#}");
    assert_eq!(answer["reasons"][0]["code"], "slow", "{answer:#}");
}

#[test]
fn who_may_not_write_is_told_what_info_tells() {
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["ACL", "SETUSER", "probe", "on", ">probe-password", "+info", "+ping", "+client"]);
    let health = |server: &RedisServer| {
        let run = RedisOps::new().args(["health", "-i", &server.url(), "--require", "writable", "--username", "probe"]);
        run.env("REDIS_OPS_PASSWORD", "probe-password").json().0
    };
    assert_eq!(health(&server), 0);
    server.ok(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    assert_eq!(health(&server), 2);
}

#[test]
fn every_command_says_that_it_was_asked_of_a_sentinel() {
    let Some(server) = RedisServer::start() else { return };
    let Some(sentinel) = Sentinel::of(&server, 1) else { return };
    let url = format!("redis://127.0.0.1:{}", sentinel.port());
    let folder = tempfile::tempdir().expect("a folder");
    let repository = folder.path().display().to_string();
    let made = RedisOps::new().args(["backup", "-r", &repository, "-i", &server.url(), "--name", "prod"]).run();
    assert_eq!(made.code, 0, "{}", made.everything());
    for (line, code) in [
        (&["health", "-i", &url][..], 2),
        (&["health", "-i", &url, "--require", "writable"], 2),
        (&["diagnose", "all", "-i", &url, "--window", "0s"], 3),
        (&["diagnose", "memory", "-i", &url, "--window", "0s"], 3),
        (&["backup", "-r", &repository, "-i", &url, "--name", "other"], 2),
        (&["verify", "-r", &repository, "--backup-id", "prod/latest", "-i", &url], 3),
        (&["restore", "-r", &repository, "--backup-id", "prod/latest", "--target-instance", &url], 2),
        (&["restore", "-r", &repository, "--backup-id", "prod/latest", "--target-instance", &url, "--plan"], 2),
    ] {
        let run = RedisOps::new().args(line).run();
        let said = run.everything();
        assert_eq!(run.code, code, "{line:?}: {said}");
        assert!(said.contains("is a Sentinel"), "{line:?}: {said}");
        assert!(said.contains("redis+sentinel://127.0.0.1:") && said.contains("/mymaster"), "{line:?}: {said}");
        assert!(!said.contains("no warnings"), "{line:?}: {said}");
    }
}
