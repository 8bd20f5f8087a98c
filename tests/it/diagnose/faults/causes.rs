//! Causes that are easily missed: leaks, stalls, pauses, containers, loops, storms.

use std::time::Duration;

use super::super::lab::{Diagnosis, Repeat, apply, deaf, fixes, follow};
use super::{MS, follow_primary, server, set};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Client, Installed, RedisServer, server_named, servers};

/// The installed versions of these names.
fn of(names: &[&str]) -> Vec<Installed> {
    servers().into_iter().filter(|installed| names.iter().any(|name| installed.is(name))).collect()
}

fn start(installed: &Installed, settings: &[(&str, &str)]) -> Option<RedisServer> {
    let builder = RedisServer::builder().version(installed);
    settings.iter().fold(builder, |builder, (name, value)| builder.arg(name, value)).start()
}

#[test]
fn connections_that_are_never_given_back() {
    let Some(server) = server(&[("maxclients", "2000")]) else { return };
    let clients: Vec<Client> = (0..500).map(|_| Client::tcp(server.port()).expect("a connection")).collect();
    let port = server.port();
    let mut kept = Vec::new();
    let leak = Repeat::new(move || {
        kept.extend(Client::tcp(port));
        std::thread::sleep(MS(20));
    });
    let diagnosis = Diagnosis::of(&server, "connections", &[]);
    let finding = diagnosis.first_is("C47");
    assert!(finding["evidence"]["full_in_seconds"].as_f64().is_some_and(|seconds| seconds < 3600.0), "{finding:#}");
    assert!(finding["evidence"]["most_of"].as_str().is_some_and(|owner| owner.contains("127.0.0.1")), "{finding:#}");
    follow(finding, "close connections");
    drop((leak, clients));
    Diagnosis::of(&server, "connections", &[]).is_silent("C47");
}

/// No server before Valkey 8.1 says that it is paused.
#[test]
fn writes_that_somebody_has_paused() {
    for installed in of(&["redis-server-6.2", "redis-server-7.0", "redis-server-8.0", "valkey-server-8.0"]) {
        let Some(server) = start(&installed, &[]) else { return };
        server.ok(&["CLIENT", "PAUSE", "600000", "WRITE"]);
        let _held = deaf(&server, b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n", 1);
        server.wait_for("it is held", |server| server.info("blocked_clients") == "1");
        let diagnosis = Diagnosis::of(&server, "connections", &["--window", "100ms"]);
        let finding = diagnosis.first_is("C28");
        assert_eq!(finding["evidence"]["command"], "set", "{}: {finding:#}", installed.name);
        apply(&server, finding);
        Diagnosis::of(&server, "connections", &["--window", "100ms"]).is_silent("C28");
    }
}

/// One is refused for its command, the other for its key: what mends the one does not mend the other.
#[test]
fn what_the_access_list_refuses_is_told_apart_and_each_has_its_fix() {
    for installed in of(&["redis-server-6.2", "redis-server-8.10", "valkey-server-9.1"]) {
        let Some(server) = start(&installed, &[]) else { return };
        server.ok(&["ACL", "SETUSER", "app", "on", ">app-password", "~app:*", "+@read"]);
        let mut app = server.client();
        app.ask(&[b"AUTH", b"app", b"app-password"]).expect("an answer");
        let _storm = Repeat::new(move || {
            let _ = app.ask(&[b"SET", b"app:1", b"x"]);
            let _ = app.ask(&[b"GET", b"other:7"]);
            std::thread::sleep(MS(2));
        });
        let window = ["--window", "500ms"];
        let diagnosis = Diagnosis::of(&server, "connections", &window);
        let finding = diagnosis.first_is("C25");
        let evidence = &finding["evidence"];
        assert_eq!(evidence["user"], "app", "{}: {finding:#}", installed.name);
        let (named, other) = match evidence["refused"].as_str() {
            Some("command") => (evidence["command"] == "set" && evidence["key"].is_null(), "key other:7"),
            _ => (evidence["key"] == "other:7" && evidence["command"].is_null(), "command set"),
        };
        let also = evidence["also_refused"].as_str().unwrap_or_default();
        assert!(named && also.starts_with(other), "{}: {finding:#}", installed.name);
        apply(&server, finding);
        Diagnosis::of(&server, "connections", &window).is_silent("C25");
    }
}

#[test]
fn a_limit_that_is_more_than_the_container_has() {
    let Some(server) = server(&[("maxmemory", "200mb")]) else { return };
    let container = ["--memory-limit", "100mb", "--window", "100ms"];
    let diagnosis = Diagnosis::of(&server, "memory", &container);
    let finding = diagnosis.first_is("M35");
    apply(&server, finding);
    Diagnosis::of(&server, "memory", &container).is_silent("M35");
    Diagnosis::of(&server, "memory", &["--window", "100ms"]).is_silent("M35");
}

/// Seconds are long for a test: what counts as standing still is a limit like any other.
const SOONER: &str = "diagnose: {thresholds: {C49: {warning: 0.2, critical: 60}}}\n";

#[test]
fn a_script_that_held_up_everybody_and_has_just_ended() {
    let Some(server) = server(&[]) else { return };
    let turn = "local begun = redis.call('TIME') local now = begun repeat now = redis.call('TIME') until (now[1] - begun[1]) * 1000000 + now[2] - begun[2] > 400000 return 1";
    server.ok(&["EVAL", turn, "0"]);
    let diagnosis = Diagnosis::with_settings(&server, "connections", SOONER, &["--window", "100ms"]);
    let finding = diagnosis.finding("C49").unwrap_or_else(|| panic!("{:#}", diagnosis.json["findings"]));
    assert!(finding["evidence"]["command"].as_str().is_some_and(|text| text.starts_with("EVAL")), "{finding:#}");
    follow(finding, "small steps");
}

#[test]
fn a_server_that_does_not_answer_us_for_a_while() {
    let Some(server) = server(&[("tcp-backlog", "5")]) else { return };
    let pid = rustix::process::Pid::from_raw(server.pid() as i32).expect("a process");
    let signal = |signal| rustix::process::kill_process(pid, signal).expect("a signal");
    signal(rustix::process::Signal::STOP);
    // They wait in the kernel, and nobody else gets in: ours is tried again after a second.
    let port = server.port();
    let waiting: Vec<_> =
        (0..6).map(|_| std::net::TcpStream::connect(("127.0.0.1", port)).expect("it waits")).collect();
    let run = RedisOps::new().args(["diagnose", "connections", "--json", "--window", "100ms", "-i", &server.url()]);
    let running = run.file("redis-ops.yaml", SOONER).spawn();
    let ours = format!(":{port:04X} 02 ");
    let begun = std::time::Instant::now();
    while !std::fs::read_to_string("/proc/net/tcp").unwrap_or_default().contains(&ours) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never asked to be let in");
        std::thread::sleep(MS(5));
    }
    signal(rustix::process::Signal::CONT);
    let diagnosis = Diagnosis::of_run(&running.wait());
    let finding = diagnosis.finding("C48").unwrap_or_else(|| panic!("{:#}", diagnosis.json["findings"]));
    assert_eq!(finding["severity"], "critical");
    follow(finding, "redis-ops diagnose connections --sort time");
    drop(waiting);
    Diagnosis::of(&server, "connections", &["--window", "100ms"]).is_silent("C48");
}

#[test]
fn all_keys_deleted_by_somebody() {
    let Some(server) = server(&[("slowlog-log-slower-than", "0")]) else { return };
    set(&server, 100, |n| format!("user:{n}"), None);
    let mut cleaner = server.client();
    cleaner.ask(&[b"CLIENT", b"SETNAME", b"nightly-cleaner"]).expect("an answer");
    cleaner.ask(&[b"FLUSHALL"]).expect("an answer");
    let diagnosis = Diagnosis::of(&server, "keyspace", &["--window", "100ms"]);
    let finding = diagnosis.first_is("K18");
    assert_eq!(finding["severity"], "critical");
    assert!(finding["evidence"]["by"].as_str().is_some_and(|by| by.contains("nightly-cleaner")), "{finding:#}");
    assert!(finding["evidence"]["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{finding:#}");
    follow(finding, "redis-ops restore --backup-id latest --target-instance ");
    assert!(!finding["fix"].to_string().contains("SCAN"), "{finding:#}");
}

#[test]
fn an_argument_that_is_on_its_way_takes_the_room_of_data() {
    for installed in of(&["redis-server-6.2", "redis-server-8.0", "valkey-server-9.1"]) {
        let Some(server) = start(&installed, &[("maxmemory", "20mb")]) else { return };
        let mut begun = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$60000000\r\n".to_vec();
        begun.extend(std::iter::repeat_n(b'x', 12_000_000));
        let sender = deaf(&server, &begun, 1);
        server.wait_for("it has arrived", |server| {
            let list = server.cli(&["CLIENT", "LIST"]);
            list.split([' ', '\n']).filter_map(|pair| pair.strip_prefix("qbuf=")).any(|bytes| bytes.len() >= 8)
        });
        let diagnosis = Diagnosis::of(&server, "connections", &["--window", "100ms"]);
        let finding = diagnosis.first_is("C09");
        assert_eq!(finding["severity"], "critical", "{}: {finding:#}", installed.name);
        apply(&server, finding);
        Diagnosis::of(&server, "connections", &["--window", "100ms"]).is_silent("C09");
        drop(sender);
    }
}

#[test]
fn a_full_resync_that_is_cut_off_again_and_again() {
    for installed in of(&["redis-server-6.2", "valkey-server-8.1"]) {
        let limits = [
            ("client-output-buffer-limit", "replica 1mb 0 0"),
            ("repl-backlog-size", "16kb"),
            ("rdb-key-save-delay", "1000"),
            ("repl-diskless-sync", "yes"),
        ];
        let (Some(primary), Some(replica)) = (start(&installed, &limits), start(&installed, &[])) else { return };
        set(&primary, 2000, |n| format!("user:{n}"), None);
        let writes = Repeat::command(&primary, &["SET", "more", &"x".repeat(200_000)], MS(5));
        replica.ok(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
        let syncs = |server: &RedisServer| server.info("sync_full").parse::<u32>().unwrap_or(0);
        primary.wait_for("it begins anew", |server| syncs(server) >= 2);
        let diagnosis = Diagnosis::of(&primary, "replication", &["--window", "6s"]);
        let finding = diagnosis.first_is("R26");
        assert_eq!(finding["severity"], "critical", "{}: {finding:#}", installed.name);
        apply(&primary, finding);
        drop(writes);
        primary.wait_for("it is online", |server| server.info("slave0").contains("state=online"));
        Diagnosis::of(&primary, "replication", &["--window", "100ms"]).is_silent("R26");
    }
}

#[test]
fn one_key_that_gets_all_the_work_without_an_lfu_policy() {
    let Some(server) = server(&[]) else { return };
    set(&server, 300, |n| format!("page:{n}"), None);
    let up = |server: &RedisServer| server.info("uptime_in_seconds").parse::<u64>().expect("a number");
    let from = up(&server);
    server.wait_for("the others are not used", |server| up(server) >= from + 3);
    let mut client = server.client();
    let hot = Repeat::new(move || {
        for _ in 0..50 {
            let _ = client.ask(&[b"GET", b"page:7"]);
        }
    });
    let diagnosis = Diagnosis::of(&server, "keyspace", &[]);
    let finding = diagnosis.first_is("K07");
    assert_eq!(finding["evidence"]["key"], "page:7", "{finding:#}");
    follow(finding, "store copies under several names");
    drop(hot);
    Diagnosis::of(&server, "keyspace", &[]).is_silent("K07");
}

#[test]
fn scripts_that_push_each_other_out() {
    for installed in of(&["redis-server-7.4", "redis-server-8.0", "valkey-server-9.1"]) {
        let Some(server) = start(&installed, &[]) else { return };
        let mut n = 0_u64;
        let (mut client, port) = (server.client(), server.port());
        let churn = Repeat::new(move || {
            n += 1;
            let _ = client.ask(&[b"EVAL", format!("return {n}").as_bytes(), b"0"]);
        });
        server.wait_for("they are pushed out", |server| {
            server.info("evicted_scripts").parse::<u64>().is_ok_and(|n| n > 0)
        });
        let diagnosis = Diagnosis::of_port(port, "memory", &[]);
        let finding = diagnosis.first_is("M36");
        follow(finding, "use EVALSHA or FCALL");
        drop(churn);
        Diagnosis::of(&server, "memory", &["--window", "300ms"]).is_silent("M36");
    }
}

#[test]
fn commands_that_the_access_list_refuses() {
    for installed in of(&["redis-server-6.2", "redis-server-8.10", "valkey-server-9.1"]) {
        let Some(server) = start(&installed, &[]) else { return };
        server.ok(&["ACL", "SETUSER", "shop", "on", ">shop-password", "~shop:*", "+get", "+ping"]);
        let mut shop = server.client();
        shop.ask(&[b"AUTH", b"shop", b"shop-password"]).expect("an answer");
        let storm = Repeat::new(move || {
            let _ = shop.ask(&[b"HGETALL", b"shop:1"]);
            std::thread::sleep(MS(2));
        });
        let diagnosis = Diagnosis::of(&server, "connections", &["--window", "500ms"]);
        let finding = diagnosis.first_is("C25");
        let evidence = &finding["evidence"];
        assert_eq!(
            (&evidence["user"], &evidence["command"]),
            (&"shop".into(), &"hgetall".into()),
            "{}: {finding:#}",
            installed.name
        );
        apply(&server, finding);
        Diagnosis::of(&server, "connections", &["--window", "500ms"]).has_gone("C25");
        drop(storm);
    }
}

#[test]
fn commands_on_keys_of_another_type() {
    for installed in of(&["redis-server-6.2", "redis-server-8.10", "valkey-server-9.1"]) {
        let Some(server) = start(&installed, &[]) else { return };
        server.ok(&["SET", "shop:1", "x"]);
        let mut shop = server.client();
        shop.ask(&[b"CLIENT", b"SETNAME", b"shop-worker"]).expect("an answer");
        let storm = Repeat::new(move || {
            let _ = shop.ask(&[b"LPUSH", b"shop:1", b"job"]);
            std::thread::sleep(MS(2));
        });
        let diagnosis = Diagnosis::of(&server, "connections", &["--window", "500ms"]);
        let finding = diagnosis.first_is("C25");
        let evidence = &finding["evidence"];
        assert!(evidence["WRONGTYPE"].as_u64().is_some_and(|count| count > 9), "{}: {finding:#}", installed.name);
        assert_eq!(evidence["command"], "lpush", "{}: {finding:#}", installed.name);
        let sender = evidence["last_sent_by"].as_str().unwrap_or_default();
        assert!(sender.starts_with("shop-worker@"), "{}: {finding:#}", installed.name);
        // Typed as it is printed it asks this server.
        follow(finding, &format!("redis-ops diagnose keyspace -i {}", server.url()));
        drop(storm);
        Diagnosis::of(&server, "connections", &["--window", "300ms"]).is_silent("C25");
    }
}

#[test]
fn answers_that_are_large() {
    let Some(server) = server(&[]) else { return };
    server.fill(1, 1_000_000);
    let reading = Repeat::command(&server, &["GET", "key:0"], MS(5));
    let diagnosis = Diagnosis::of(&server, "connections", &[]);
    let finding = diagnosis.finding("C50").unwrap_or_else(|| panic!("{:#}", diagnosis.json["findings"]));
    follow(finding, "read parts");
    drop(reading);
    Diagnosis::of(&server, "connections", &["--window", "300ms"]).is_silent("C50");
}

#[test]
fn what_is_meant_for_a_replica_piles_up() {
    const SOONER: &str = "diagnose: {thresholds: {M37: {floor: 5000000}}}\n";
    for installed in of(&["redis-server-6.2", "redis-server-8.0"]) {
        let (Some(primary), Some(replica)) = (start(&installed, &[]), start(&installed, &[])) else { return };
        follow_primary(&replica, &primary);
        primary.wait_for("it is online", |server| server.info("slave0").contains("state=online"));
        let pid = rustix::process::Pid::from_raw(replica.pid() as i32).expect("a process");
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("a signal");
        let value = vec![b'x'; 1_000_000];
        primary.pipe((0..20).map(|_| vec![b"SET".as_slice(), b"same", &value]));
        let diagnosis = Diagnosis::with_settings(&primary, "memory", SOONER, &["--window", "100ms"]);
        let finding =
            diagnosis.finding("M37").unwrap_or_else(|| panic!("{}: {:#}", installed.name, diagnosis.json["findings"]));
        follow(finding, "redis-ops diagnose replication");
        rustix::process::kill_process(pid, rustix::process::Signal::CONT).expect("a signal");
        primary.wait_for("it has caught up", |server| {
            let offset = server.info("master_repl_offset");
            server.info("slave0").contains(&format!("offset={offset}"))
        });
        Diagnosis::with_settings(&primary, "memory", SOONER, &["--window", "100ms"]).is_silent("M37");
    }
}

#[test]
fn a_slot_that_stays_between_two_nodes() {
    let Some(installed) = server_named("redis-server-8.0") else { return };
    let Some(server) = start(&installed, &[("cluster-enabled", "yes")]) else { return };
    server.ok(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    server.wait_for("the cluster", |server| server.ok(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    let Some(other) = start(&installed, &[("cluster-enabled", "yes")]) else { return };
    server.ok(&["CLUSTER", "MEET", "127.0.0.1", &other.port().to_string()]);
    let id = other.ok(&["CLUSTER", "MYID"]);
    server.wait_for("they have met", |server| server.ok(&["CLUSTER", "NODES"]).contains(&id));
    server.ok(&["CLUSTER", "SETSLOT", "93", "MIGRATING", &id]);
    let diagnosis = Diagnosis::of(&server, "replication", &["--window", "100ms"]);
    let finding = diagnosis.finding("R27").unwrap_or_else(|| panic!("{:#}", diagnosis.json["findings"]));
    assert_eq!(finding["evidence"]["slot"], 93);
    assert!(fixes(finding).iter().any(|words| words[..] == ["CLUSTER", "SETSLOT", "93", "STABLE"]), "{finding:#}");
    apply(&server, finding);
    Diagnosis::of(&server, "replication", &["--window", "100ms"]).is_silent("R27");
}
