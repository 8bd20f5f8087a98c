//! Replication: broken, lagging, set up differently.

use super::super::lab::{Diagnosis, Repeat, Sentinel, apply, apply_elsewhere, follow};
use super::{MS, follow_primary, server};

#[test]
fn a_primary_that_is_gone() {
    let (Some(mut primary), Some(replica)) = (server(&[]), server(&[])) else { return };
    follow_primary(&replica, &primary);
    primary.kill();
    replica.wait_for("the link is down", |server| server.info("master_link_status") == "down");
    let diagnosis = Diagnosis::of(&replica, "replication", &[]);
    // What the finding says, as it stands: its health is asked for. It is down, and is started again in its place.
    let finding = diagnosis.first_is("R01");
    let (host, port) = ("127.0.0.1".to_owned(), primary.port().to_string());
    follow(finding, &format!("redis-ops health --host {host} --port {port}"));
    let health = || {
        let run = crate::support::redis_ops::RedisOps::new().args(["health", "--host", &host, "--port", &port]);
        run.run().code
    };
    assert_eq!(health(), 2);
    let Some(_again) = server(&[("port", &port)]) else { return };
    assert_eq!(health(), 0);
    replica.wait_for("the link is up", |server| server.info("master_link_status") == "up");
    Diagnosis::of(&replica, "replication", &[]).has_gone("R01");
}

#[test]
fn a_replication_link_with_an_old_password() {
    let (Some(primary), Some(replica)) = (server(&[]), server(&[])) else { return };
    follow_primary(&replica, &primary);
    primary.ok(&["CONFIG", "SET", "requirepass", "new-password"]);
    let mut client = primary.client();
    client.ask(&[b"AUTH", b"new-password"]).expect("an answer");
    client.ask(&[b"CLIENT", b"KILL", b"TYPE", b"REPLICA"]).expect("an answer");
    replica.wait_for("the link is down", |server| server.info("master_link_status") == "down");
    let diagnosis = Diagnosis::of(&replica, "replication", &[]);
    follow(diagnosis.first_is("R01"), "CONFIG SET masterauth <the primary's password>");
    replica.ok(&["CONFIG", "SET", "masterauth", "new-password"]);
    replica.wait_for("the link is up", |server| server.info("master_link_status") == "up");
    Diagnosis::of(&replica, "replication", &[]).has_gone("R01");
}

#[test]
fn a_link_that_never_came_up() {
    let Some(replica) = server(&[]) else { return };
    replica.ok(&["REPLICAOF", "127.0.0.1", "1"]);
    replica.wait_for("ten seconds pass", |server| {
        server.info("uptime_in_seconds").parse::<u64>().is_ok_and(|uptime| uptime >= 10)
    });
    let diagnosis = Diagnosis::of(&replica, "replication", &[]);
    let finding = diagnosis.first_is("R01");
    assert_eq!(finding["severity"], "critical");
    follow(finding, "redis-ops health --host 127.0.0.1 --port 1");
    let Some(primary) = server(&[]) else { return };
    follow_primary(&replica, &primary);
    Diagnosis::of(&replica, "replication", &[]).has_gone("R01");
}

#[test]
fn a_replica_that_lags() {
    let (Some(primary), Some(replica)) = (server(&[]), server(&[])) else { return };
    follow_primary(&replica, &primary);
    primary.wait_for("it is online", |server| server.info("slave0").contains("state=online"));
    // A stopped process acknowledges nothing.
    let stop = |signal| {
        let pid = rustix::process::Pid::from_raw(replica.pid() as i32).expect("a process");
        rustix::process::kill_process(pid, signal).expect("a signal");
    };
    stop(rustix::process::Signal::STOP);
    primary.wait_for("it lags", |server| {
        let line = server.info("slave0");
        line.split(',')
            .any(|pair| pair.strip_prefix("lag=").is_some_and(|lag| lag.parse::<u64>().is_ok_and(|lag| lag >= 10)))
    });
    let diagnosis = Diagnosis::of(&primary, "replication", &[]);
    follow(diagnosis.first_is("R02"), "on the replica: redis-ops diagnose connections");
    stop(rustix::process::Signal::CONT);
    primary.wait_for("it has caught up", |server| {
        server.info("slave0").contains("lag=0") || server.info("slave0").contains("lag=1")
    });
    Diagnosis::of(&primary, "replication", &[]).has_gone("R02");
}

#[test]
fn writes_that_wait_for_replicas() {
    let Some(server) = server(&[("min-replicas-to-write", "1")]) else { return };
    let diagnosis = Diagnosis::of(&server, "replication", &[]);
    let finding = diagnosis.first_is("R06");
    // The guard is not taken away first.
    assert_eq!(finding["fix"][0], "bring the replicas back", "{finding:#}");
    let Some(replica) = self::server(&[]) else { return };
    follow_primary(&replica, &server);
    server.wait_for("it is counted", |server| server.info("min_slaves_good_slaves") == "1");
    Diagnosis::of(&server, "replication", &[]).has_gone("R06");
}

#[test]
fn a_replica_that_takes_writes() {
    let (Some(primary), Some(replica)) = (server(&[]), server(&[("replica-read-only", "no")])) else { return };
    follow_primary(&replica, &primary);
    let diagnosis = Diagnosis::of(&replica, "replication", &[]);
    let finding = diagnosis.first_is("R07");
    apply(&replica, finding);
    Diagnosis::of(&replica, "replication", &[]).has_gone("R07");
}

#[test]
fn a_replica_with_less_memory_than_its_primary() {
    let (Some(primary), Some(replica)) = (server(&[("maxmemory", "100mb")]), server(&[("maxmemory", "50mb")])) else {
        return;
    };
    follow_primary(&replica, &primary);
    primary.wait_for("it is online", |server| server.info("slave0").contains("state=online"));
    // Both sides see it; each says where to type what.
    let seen_there = Diagnosis::of(&replica, "replication", &[]);
    assert_eq!(seen_there.first_is("R11")["fix"][0], "CONFIG SET maxmemory 104857600");
    let diagnosis = Diagnosis::of(&primary, "replication", &[]);
    let finding = diagnosis.first_is("R11");
    assert_eq!(finding["severity"], "critical");
    apply_elsewhere(&[&replica], finding);
    Diagnosis::of(&primary, "replication", &[]).has_gone("R11");
    Diagnosis::of(&replica, "replication", &[]).has_gone("R11");
}

#[test]
fn a_primary_that_became_a_replica() {
    let (Some(one), Some(other)) = (server(&[]), server(&[])) else { return };
    let state = tempfile::tempdir().expect("a folder");
    let diagnose = |more: &[&str]| {
        let run = crate::support::redis_ops::RedisOps::new()
            .args(["diagnose", "replication", "--json", "--window", "50ms", "-i", &one.url()])
            .args(more)
            .env("XDG_STATE_HOME", state.path());
        Diagnosis::of_run(&run.run())
    };
    diagnose(&[]).has_gone("R12");
    follow_primary(&one, &other);
    let diagnosis = diagnose(&["--since", "1h"]);
    let finding = diagnosis.first_is("R12");
    assert_eq!(
        (&finding["evidence"]["role_before"], &finding["evidence"]["role_now"]),
        (&"master".into(), &"slave".into())
    );
    follow(finding, "find out what triggers the failovers");
    // It has come to rest: nothing changes within a window.
    diagnose(&[]).has_gone("R12");
}

#[test]
fn two_coordinators_that_fight() {
    let (Some(one), Some(other)) = (server(&[]), server(&[])) else { return };
    follow_primary(&one, &other);
    let port = other.port().to_string();
    let mut client = one.client();
    let fight = Repeat::new(move || {
        for command in [["REPLICAOF", "NO", "ONE"], ["REPLICAOF", "127.0.0.1", &port]] {
            let _ = client.ask(&command.map(str::as_bytes));
            std::thread::sleep(MS(150));
        }
    });
    // A window may end where it began, and see no change.
    let diagnosis = (0..20)
        .map(|_| Diagnosis::of(&one, "replication", &[]))
        .find(|diagnosis| diagnosis.loud().contains(&"R12"))
        .expect("one of twenty windows sees a change");
    follow(diagnosis.finding("R12").expect("it was seen"), "find out what triggers the failovers");
    // Seen, and stopped.
    drop(fight);
    follow_primary(&one, &other);
    let after = Diagnosis::of(&one, "replication", &[]);
    after.has_gone("R12");
    assert!(after.loud().is_empty(), "{:?}", after.loud());
}

#[test]
fn too_few_sentinels_for_a_quorum() {
    let Some(primary) = server(&[]) else { return };
    let Some(sentinel) = Sentinel::of(&primary, 2) else { return };
    let diagnosis = Diagnosis::of_port(sentinel.port(), "replication", &[]);
    let finding = diagnosis.first_is("R15");
    assert_eq!(finding["evidence"]["group"], "mymaster");
    follow(finding, "or add one");
    // The same through the address that names Sentinel and group.
    let url = format!("redis+sentinel://127.0.0.1:{}/mymaster", sentinel.port());
    let run = crate::support::redis_ops::RedisOps::new().args(["diagnose", "replication", "--json", "-i", &url]).run();
    Diagnosis::of_run(&run).first_is("R15");
    let _second = Sentinel::of(&primary, 2);
    primary.wait_for("they know each other", |_| {
        let mut client = crate::support::redis_server::Client::tcp(sentinel.port()).expect("a connection");
        client.ask(&[b"SENTINEL", b"CKQUORUM", b"mymaster"]).is_ok_and(|reply| reply.to_string().starts_with("OK"))
    });
    Diagnosis::of_port(sentinel.port(), "replication", &[]).has_gone("R15");
}
