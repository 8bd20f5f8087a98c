//! Health and metrics on real servers.

use serde_json::Value;

use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Client, RedisServer, Reply, on_each, servers};

#[track_caller]
fn health(server: &RedisServer, more: &[&str]) -> (i32, Value) {
    let run = RedisOps::new().args(["health", "--json", "-i", &server.url()]).args(more).run();
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    (run.code, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

fn codes(answer: &Value) -> Vec<&str> {
    answer["reasons"].as_array().expect("reasons").iter().filter_map(|reason| reason["code"].as_str()).collect()
}

#[test]
fn a_server_of_every_version_is_up() {
    on_each(&servers(), |installed| {
        let Some(server) = RedisServer::builder().version(installed).start() else { return };
        let (code, answer) = health(&server, &["--require", "writable"]);
        assert_eq!((code, answer["health"].as_str()), (0, Some("up")), "{}: {answer:#}", installed.name);
        assert_eq!(answer["redis_version"], server.info("redis_version"));
        assert_eq!(answer["role"], "primary");
        assert!(answer["connected_clients"].as_u64().is_some() && answer["rtt_ms"].as_f64().is_some());
        assert!(answer["used_memory_human"].as_str().is_some());
        assert_eq!(codes(&answer), Vec::<&str>::new());
    });
}

#[test]
fn nobody_there_is_down() {
    let run = RedisOps::new().args(["health", "--json", "-i", "redis://127.0.0.1:1"]).run();
    let answer: Value = serde_json::from_slice(&run.stdout).expect("JSON");
    assert_eq!((run.code, answer["health"].as_str()), (2, Some("down")));
    assert_eq!(codes(&answer), ["connection_refused"]);
    assert_eq!(answer["redis_version"], Value::Null);
}

#[test]
fn a_password_that_is_missing_or_wrong_is_down() {
    let Some(server) = RedisServer::builder().password("right-password").start() else { return };
    let (code, answer) = health(&server, &[]);
    assert_eq!((code, codes(&answer)), (2, vec!["password_required"]));
    let (code, answer) = health(&server, &["--require", "live"]);
    assert_eq!((code, answer["health"].as_str()), (1, Some("degraded")), "it answers");
    let file = server.dir().join("password");
    std::fs::write(&file, "wrong-password").expect("written");
    let (code, answer) = health(&server, &["--password-file", &file.display().to_string()]);
    assert_eq!((code, codes(&answer)), (2, vec!["authentication_failed"]));
}

#[test]
fn maxclients_is_down() {
    let Some(server) = RedisServer::builder().arg("maxclients", "5").start() else { return };
    let _taken: Vec<_> = (0..5).map(|_| Client::tcp(server.port()).expect("a connection")).collect();
    server.log();
    let (code, answer) = health(&server, &[]);
    assert_eq!((code, codes(&answer)), (2, vec!["too_many_clients"]), "{answer:#}");
}

#[test]
fn a_replica_without_its_primary_is_down_unless_answering_is_enough() {
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["REPLICAOF", "127.0.0.1", "1"]);
    let (code, answer) = health(&server, &[]);
    assert_eq!((code, codes(&answer)), (2, vec!["master_down"]), "{answer:#}");
    assert_eq!(health(&server, &["--require", "live"]).0, 1);
    server.ok(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
    let (code, answer) = health(&server, &[]);
    assert_eq!((code, codes(&answer)), (2, vec!["master_down"]), "{answer:#}");
}

#[test]
fn a_save_that_stops_writes_is_down() {
    let Some(server) = RedisServer::builder().arg("save", "1 1").start() else { return };
    std::fs::create_dir(server.dir().join("dump.rdb")).expect("a folder");
    std::fs::write(server.dir().join("dump.rdb/full"), "x").expect("written");
    server.ok(&["SET", "a", "1"]);
    server.wait_for("it fails", |server| server.info("rdb_last_bgsave_status") == "err");
    let (code, answer) = health(&server, &[]);
    assert_eq!((code, codes(&answer)), (2, vec!["misconf"]), "{answer:#}");
}

#[test]
fn full_memory_is_down_for_writers_only() {
    let Some(server) = RedisServer::builder().arg("maxmemory", "2mb").start() else { return };
    server.ok(&["SET", "a", &"x".repeat(400_000)]);
    server.ok(&["CONFIG", "SET", "maxmemory", "1mb"]);
    assert_eq!(health(&server, &[]).0, 1);
    let (code, answer) = health(&server, &["--require", "writable"]);
    assert_eq!((code, codes(&answer)), (2, vec!["out_of_memory"]), "{answer:#}");
}

/// The exit codes of all three levels, and the first reason.
#[track_caller]
fn levels(server: &RedisServer, expected: [i32; 3], reason: &str) {
    for (level, code) in ["live", "ready", "writable"].into_iter().zip(expected) {
        let (found, answer) = health(server, &["--require", level]);
        assert_eq!((found, codes(&answer).first()), (code, Some(&reason)), "{level}: {answer:#}");
        let state = ["up", "degraded", "down"][usize::try_from(code).expect("0 to 2")];
        assert_eq!(answer["health"], state, "{level}: {answer:#}");
    }
}

#[test]
fn what_answers_with_an_error_lives_and_does_nothing_else() {
    let Some(source) = RedisServer::builder().password("right-password").start() else { return };
    levels(&source, [1, 2, 2], "password_required");

    let Some(server) = RedisServer::builder().arg("maxclients", "5").start() else { return };
    // Whoever has asked before may still have a place: only one that answers is ours.
    let mut taken = Vec::new();
    while taken.len() < 5 {
        let mut client = Client::tcp(server.port()).expect("a connection");
        if matches!(client.ask(&[b"PING"]), Ok(Reply::Simple(_))) {
            taken.push(client);
        }
    }
    levels(&server, [1, 2, 2], "too_many_clients");
    drop(taken);

    let Some(server) = RedisServer::start() else { return };
    server.ok(&["REPLICAOF", "127.0.0.1", "1"]);
    server.ok(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
    levels(&server, [1, 2, 2], "master_down");

    let Some(server) = RedisServer::builder().arg("save", "1 1").start() else { return };
    std::fs::create_dir(server.dir().join("dump.rdb")).expect("a folder");
    std::fs::write(server.dir().join("dump.rdb/full"), "x").expect("written");
    server.ok(&["SET", "a", "1"]);
    server.wait_for("it fails", |server| server.info("rdb_last_bgsave_status") == "err");
    levels(&server, [1, 2, 2], "misconf");
}

#[test]
fn a_server_that_loads_its_data_lives_and_is_not_ready() {
    let Some(source) = RedisServer::start() else { return };
    source.fill(2000, 10);
    source.save();
    // Ten milliseconds a key: it loads for twenty seconds, and we ask at once.
    let builder = RedisServer::builder().dump(source.dir().join("dump.rdb")).arg("key-load-delay", "10000");
    let Some(server) = builder.arg("loading-process-events-interval-bytes", "1024").start_loading() else { return };
    levels(&server, [1, 2, 2], "loading");
}

#[test]
fn a_probe_is_one_connection_one_round_trip_and_few_commands() {
    const COUNTERS: [&str; 3] = ["total_connections_received", "total_commands_processed", "total_reads_processed"];
    for installed in servers() {
        for password in [None, Some("right-password")] {
            let builder = RedisServer::builder().version(&installed);
            let Some(server) = password
                .map_or(builder, |password| RedisServer::builder().version(&installed).password(password))
                .start()
            else {
                return;
            };
            let mut client = server.client();
            let mut counters = || {
                let Ok(Reply::Bulk(text)) = client.ask(&[b"INFO", b"stats"]) else { panic!("no INFO") };
                let text = String::from_utf8_lossy(&text).into_owned();
                COUNTERS.map(|name| {
                    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                    value.expect("a counter").trim().parse::<u64>().expect("a number")
                })
            };
            let before = counters();
            let run =
                RedisOps::new().args(["health", "-i", &server.url()]).env("REDIS_OPS_PASSWORD", password.unwrap_or(""));
            assert_eq!(run.run().code, 0);
            let after = counters();
            let [connections, commands, reads] = [0, 1, 2].map(|index| after[index] - before[index]);
            let greeting = if password.is_some() { 2 } else { 1 };
            assert_eq!(connections, 1, "{}", installed.name);
            // PING, INFO, and our own INFO of before.
            assert_eq!(commands, greeting + 2 + 1, "{}", installed.name);
            // All of it at once, the end of the connection, and our own two.
            assert!((2..=4).contains(&reads), "{}: {reads} reads", installed.name);
        }
    }
}

#[test]
fn the_nagios_line_is_one_line() {
    let Some(server) = RedisServer::start() else { return };
    let run = RedisOps::new().args(["health", "-f", "nagios", "-i", &server.url()]).run();
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(text.starts_with("REDIS-OPS OK - up | rtt="), "{text}");
    assert_eq!(text.lines().count(), 1);
    let limit: u64 = server.info("maxclients").parse().expect("a number");
    for number in ["ms;1000;;0; ", &format!(";{};;0;{limit} ", limit * 95 / 100), "B;;;0;"] {
        assert!(text.contains(number), "no `{number}` in {text}");
    }
}

#[test]
fn metrics_of_every_version_have_the_usual_names() {
    on_each(&servers(), |installed| {
        let Some(server) = RedisServer::builder().version(installed).start() else { return };
        server.ok(&["SET", "a", "1"]);
        let run = RedisOps::new().args(["metrics", "-i", &server.url()]).run();
        let text = String::from_utf8_lossy(&run.stdout).into_owned();
        assert_eq!(run.code, 0, "{}: {}", installed.name, run.stderr);
        for line in ["redis_up 1", "redis_db_keys{db=\"db0\"} 1", "redis_commands_total{cmd=\"set\"} 1"] {
            assert!(text.lines().any(|other| other == line), "{}: no {line} in\n{text}", installed.name);
        }
        let (code, answer) = RedisOps::new().args(["metrics", "-i", &server.url()]).json();
        assert_eq!((code, answer["metrics"]["redis_up"].as_f64()), (0, Some(1.0)), "{}", installed.name);
    });
}

#[test]
fn the_text_file_is_written_whole_and_says_when_the_server_is_down() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("redis.prom");
    let path = file.display().to_string();
    let run = RedisOps::new().args(["metrics", "-i", "redis://127.0.0.1:1", "--textfile", &path]).run();
    // What a timer runs has done its work; why the server is down is said all the same.
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.starts_with("error: cannot connect") && run.stderr.contains("hint: "), "{}", run.stderr);
    let (code, answer) = RedisOps::new().args(["metrics", "-i", "redis://127.0.0.1:1"]).json();
    assert_eq!((code, answer["status"].as_str(), answer["metrics"]["redis_up"].as_f64()), (0, Some("ok"), Some(0.0)));
    assert!(answer["error"]["code"].is_string(), "{answer:#}");
    let text = std::fs::read_to_string(&file).expect("written");
    assert!(text.contains("redis_up 0\n"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left beside it");
    // The collector is another user: the file is as open as any that is made here.
    let usual = std::fs::File::create(folder.path().join("usual")).expect("a file").metadata().expect("its mode");
    assert_eq!(std::fs::metadata(&file).expect("its mode").permissions(), usual.permissions());
    assert!(run.stdout.is_empty());
}
