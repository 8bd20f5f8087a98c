//! Connections: taken, idle, deaf, waiting, slow, refused.

use super::super::lab::{Diagnosis, Repeat, apply, deaf, fixes, follow, idle, slow_wire};
use super::{MS, server, set};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Client, RedisServer, Reply, server_named, servers};

#[test]
fn a_reader_that_does_not_read() {
    let Some(server) = server(&[("maxmemory", "1gb")]) else { return };
    server.fill(1, 1_000_000);
    let reader = deaf(&server, b"*2\r\n$3\r\nGET\r\n$5\r\nkey:0\r\n", 100);
    server.wait_for("its buffer grows", |server| {
        server.cli(&["CLIENT", "LIST"]).lines().any(|line| line.contains("cmd=get") && !line.contains("omem=0 "))
    });
    let diagnosis = Diagnosis::of(&server, "connections", &[]);
    let finding = diagnosis.first_is("C08");
    let kill = &fixes(finding)[0];
    assert_eq!(kill[..3], ["CLIENT", "KILL", "ID"]);
    apply(&server, finding);
    Diagnosis::of(&server, "connections", &[]).has_gone("C08");
    drop(reader);
}

#[test]
fn nearly_all_connections_taken() {
    let Some(server) = server(&[("maxclients", "600")]) else { return };
    let clients = idle(&server, 500);
    let diagnosis = Diagnosis::of(&server, "connections", &[]);
    let finding = diagnosis.first_is("C01");
    assert_eq!(finding["evidence"]["connections"].as_u64().map(|n| n >= 500), Some(true));
    apply(&server, finding);
    Diagnosis::of(&server, "connections", &[]).has_gone("C01");
    drop(clients);
}

#[test]
fn idle_connections_that_pile_up() {
    // An hour is long for a test: what counts as idle is a limit like any other.
    const SOONER: &str = "diagnose: {thresholds: {C04: {idle: 6}}}\n";
    let Some(server) = server(&[]) else { return };
    let clients = idle(&server, 500);
    server.wait_for("all are idle", |server| {
        let list = server.cli(&["CLIENT", "LIST"]);
        list.lines().filter(|line| idle_seconds(line) >= 6).count() >= 500
    });
    let diagnosis = Diagnosis::with_settings(&server, "connections", SOONER, &[]);
    let finding = diagnosis.first_is("C04");
    assert_eq!(finding["severity"], "critical");
    apply(&server, finding);
    server.wait_for("they are closed", |server| server.info("connected_clients").parse::<u32>().is_ok_and(|n| n < 10));
    Diagnosis::with_settings(&server, "connections", SOONER, &[]).has_gone("C04");
    drop(clients);
}

fn idle_seconds(line: &str) -> u64 {
    let idle = line.split(' ').find_map(|pair| pair.strip_prefix("idle="));
    idle.and_then(|idle| idle.parse().ok()).unwrap_or(0)
}

#[test]
fn connections_that_are_refused() {
    let Some(server) = server(&[("maxclients", "30")]) else { return };
    let clients = idle(&server, 27);
    let port = server.port();
    let knocking = Repeat::new(move || {
        let taken: Vec<_> = (0..8).filter_map(|_| Client::tcp(port).ok()).collect();
        std::thread::sleep(MS(15));
        drop(taken);
        std::thread::sleep(MS(25));
    });
    // Now and then it is we who are refused: that is the fault, too, and another attempt is what a person would make.
    let diagnosis = (0..20)
        .map(|_| Diagnosis::of(&server, "connections", &["--window", "2s"]))
        .find(|diagnosis| diagnosis.code != 3)
        .expect("one of twenty attempts finds a place");
    assert_eq!(diagnosis.code, 2);
    let rules = diagnosis.rules();
    assert!(rules[0] == "C01" || rules[0] == "C02", "{rules:?}");
    assert!(rules.contains(&"C02"), "{rules:?}");
    let finding = diagnosis.finding("C02").expect("refused");
    // Whoever types it is refused, too, now and then, and types it again.
    for words in fixes(finding) {
        let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        server.wait_for("the fix finds a place", |server| {
            let answer = Client::unix(&server.socket()).and_then(|mut client| client.ask(&words));
            matches!(answer, Ok(Reply::Simple(ok)) if ok == "OK")
        });
    }
    drop(knocking);
    let after = Diagnosis::of(&server, "connections", &[]);
    after.has_gone("C01");
    after.has_gone("C02");
    drop(clients);
}

#[test]
fn clients_that_all_wait() {
    // Idle workers wait so, too: what is wrong with these is how many places they take.
    let Some(server) = server(&[("maxclients", "20")]) else { return };
    let _waiting: Vec<_> =
        (0..12).map(|_| deaf(&server, b"*3\r\n$5\r\nBLPOP\r\n$10\r\nqueue:jobs\r\n$1\r\n0\r\n", 1)).collect();
    server.wait_for("all wait", |server| server.info("blocked_clients") == "12");
    let diagnosis = Diagnosis::of(&server, "connections", &[]);
    let finding = diagnosis.first_is("C07");
    assert_eq!(
        (&finding["evidence"]["command"], &finding["severity"]),
        (&"blpop".into(), &"warning".into()),
        "{finding:#}"
    );
    follow(finding, "check whether the producers are running");
    let jobs: Vec<String> = (0..12).map(|n| format!("job {n}")).collect();
    server.pipe(jobs.iter().map(|job| vec![b"LPUSH".as_slice(), b"queue:jobs", job.as_bytes()]));
    server.wait_for("they have work", |server| server.info("blocked_clients") == "0");
    Diagnosis::of(&server, "connections", &[]).is_silent("C07");
}

#[test]
fn monitor_left_on() {
    let Some(server) = server(&[]) else { return };
    let _monitor = deaf(&server, b"*1\r\n$7\r\nMONITOR\r\n", 1);
    server.wait_for("it monitors", |server| server.cli(&["CLIENT", "LIST"]).contains("flags=O"));
    let diagnosis = Diagnosis::of(&server, "connections", &[]);
    let finding = diagnosis.first_is("C13");
    apply(&server, finding);
    Diagnosis::of(&server, "connections", &[]).has_gone("C13");
}

#[test]
fn keys_in_the_slow_log() {
    let Some(server) = server(&[("slowlog-log-slower-than", "1000")]) else { return };
    set(&server, 100_000, |n| format!("user:{n}"), None);
    server.ok(&["ACL", "SETUSER", "shop", "on", ">shop-password", "~*", "&*", "+@all"]);
    let mut shop = server.client();
    shop.ask(&[b"AUTH", b"shop", b"shop-password"]).expect("an answer");
    let asking = Repeat::new(move || {
        let _ = shop.ask(&[b"KEYS", b"user:*"]);
        std::thread::sleep(MS(50));
    });
    server.wait_for("it is slow", |server| server.ok(&["SLOWLOG", "LEN"]) != "0");
    let diagnosis = Diagnosis::of(&server, "connections", &[]);
    let finding = diagnosis.first_is("C21");
    assert!(
        finding["evidence"]["pattern"].as_str().is_some_and(|pattern| pattern.starts_with("KEYS user:")),
        "{finding:#}"
    );
    follow(finding, "in the application: SCAN instead of KEYS");
    // The application is changed, and the log emptied; then nobody but it loses KEYS.
    drop(asking);
    apply(&server, finding);
    Diagnosis::of(&server, "connections", &[]).has_gone("C21");
    let all = finding["fix"].to_string();
    if all.contains("ACL SETUSER shop -keys") {
        server.ok(&["ACL", "SETUSER", "shop", "-keys"]);
    }
    assert!(!all.contains("ACL SETUSER default"), "nobody else is locked out: {all}");
    assert!(!server.cli(&["KEYS", "x"]).contains("NOPERM"));
}

#[test]
fn a_slow_log_that_is_off() {
    let Some(server) = server(&[("slowlog-log-slower-than", "-1")]) else { return };
    let diagnosis = Diagnosis::of(&server, "connections", &[]);
    let finding = diagnosis.first_is("C22");
    apply(&server, finding);
    Diagnosis::of(&server, "connections", &[]).has_gone("C22");
}

#[test]
fn a_transaction_that_was_left() {
    let Some(server) = server(&[]) else { return };
    let _left = deaf(&server, b"*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\n", 1);
    server.wait_for("it is idle", |server| {
        let list = server.cli(&["CLIENT", "LIST"]);
        list.lines().any(|line| line.contains("flags=x") && idle_seconds(line) > 10)
    });
    let diagnosis = Diagnosis::of(&server, "connections", &[]);
    let finding = diagnosis.first_is("C12");
    apply(&server, finding);
    Diagnosis::of(&server, "connections", &[]).has_gone("C12");
}

#[test]
fn latency_on_the_wire() {
    let Some(server) = server(&[]) else { return };
    let far = slow_wire(server.port(), MS(12));
    // Over loopback there is no network to blame.
    let diagnosis = Diagnosis::of_port(far, "connections", &["--window", "2s"]);
    diagnosis.first_is("C15");
    diagnosis.is_silent("C16");
    Diagnosis::of(&server, "connections", &[]).has_gone("C15");

    // The event loop is measured from 7.2 on. A machine has an address of its own, or no network at all.
    let newer = servers().into_iter().find(|installed| installed.is("valkey") || installed.is("redis-server-8"));
    let (Some(installed), Some(own)) = (newer, own_address()) else { return crate::support::skip("a network") };
    let Some(server) = RedisServer::builder().version(&installed).start() else { return };
    let far = slow_wire(server.port(), MS(12));
    let url = format!("redis://{own}:{far}");
    let run = RedisOps::new().args(["diagnose", "connections", "--json", "--window", "2s", "-i", &url]).run();
    let diagnosis = Diagnosis::of_run(&run);
    diagnosis.first_is("C15");
    let blame = diagnosis.finding("C16").expect("the network is to blame");
    assert_eq!(blame["caused_by"], "C15");
    follow(blame, "put them closer together");
}

/// The address under which others would reach this machine. Nothing is sent.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

#[test]
fn a_machine_that_stands_still_now_and_then() {
    // Other tests take the processors away for some milliseconds, too: the limits are set above that.
    const LONGER: &str =
        "diagnose: {thresholds: {C17: {warning: 150000, critical: 250000}, C15: {median_share: 0.01}}}\n";
    let Some(server) = server(&[]) else { return };
    let diagnose = |disturb: bool| {
        let run = RedisOps::new().args(["diagnose", "connections", "--json", "--full", "--window", "50ms"]);
        let mut running = run.args(["-i", &server.url()]).file("redis-ops.yaml", LONGER).spawn();
        // What a hypervisor does to a whole machine is done to the one process that watches for it.
        while disturb && !running.has_ended() {
            running.signal("STOP");
            std::thread::sleep(MS(300));
            running.signal("CONT");
            std::thread::sleep(MS(200));
        }
        Diagnosis::of_run(&running.wait())
    };
    let diagnosis = diagnose(true);
    let finding = diagnosis.first_is("C17");
    assert_eq!(finding["severity"], "critical", "{finding:#}");
    follow(finding, "a machine with processors of its own");
    let quiet = (0..5).map(|_| diagnose(false)).any(|after| !after.loud().contains(&"C17"));
    assert!(quiet, "nobody takes the processor away any more");
}

#[test]
fn logins_that_are_refused() {
    let Some(server) = RedisServer::builder().password("right-password").start() else { return };
    for _ in 0..60 {
        let mut client = Client::tcp(server.port()).expect("a connection");
        let _ = client.ask(&[b"AUTH", b"wrong-password"]);
    }
    // Whoever guesses has stopped when the log is emptied.
    let password = server.dir().join("password");
    std::fs::write(&password, "right-password").expect("written");
    let file = password.display().to_string();
    let diagnosis = Diagnosis::of(&server, "connections", &["--password-file", &file]);
    let finding = diagnosis.first_is("C26");
    follow(finding, "give the application the current password");
    apply(&server, finding);
    Diagnosis::of(&server, "connections", &["--password-file", &file]).has_gone("C26");
}

#[test]
fn debug_commands_that_are_open() {
    let Some(installed) = server_named("redis-server-8.0") else { return };
    let Some(server) = RedisServer::builder().version(&installed).arg("enable-debug-command", "yes").start() else {
        return;
    };
    let diagnosis = Diagnosis::of(&server, "security", &[]);
    follow(diagnosis.first_is("S06"), "enable-debug-command no");
    let again = RedisServer::builder().version(&installed).arg("enable-debug-command", "no").start();
    Diagnosis::of(&again.expect("it starts again"), "security", &[]).has_gone("S06");
}
