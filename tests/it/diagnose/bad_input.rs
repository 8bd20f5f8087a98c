//! Servers that are odd, hostile, half dead or very busy: an answer, or an error in time; never a panic.

use std::time::{Duration, Instant};

use super::lab::Diagnosis;
use crate::support::fake_primary::{Act, FakePrimary};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, on_each, servers};

/// A server that says what real ones do not.
fn fake(answers: &[(&str, Vec<u8>)]) -> FakePrimary {
    answers
        .iter()
        .fold(FakePrimary::new(), |primary, (command, answer)| primary.on(command, [Act::send(answer.clone())]))
        .start()
}

fn bulk(text: &str) -> Vec<u8> {
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}

fn diagnose(url: &str, topic: &str, more: &[&str]) -> crate::support::redis_ops::Run {
    RedisOps::new().args(["diagnose", topic, "--json", "--window", "50ms", "-i", url]).args(more).run()
}

const INFO: &str = "redis_version:8.0.6\r\nrole:master\r\nrun_id:a\r\nused_memory:1000\r\nmaxmemory:0\r\n";

#[test]
fn a_server_that_hangs_after_ping_is_given_up_in_time() {
    let primary = FakePrimary::new().on("INFO", [Act::Silence]).start();
    let begun = Instant::now();
    let run = diagnose(&primary.url(), "all", &["--timeout", "1s"]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert!(String::from_utf8_lossy(&run.stdout).contains("timeout"), "{}", String::from_utf8_lossy(&run.stdout));
}

#[test]
fn a_server_of_any_version_that_stands_still_is_given_up_in_time() {
    on_each(&servers(), |installed| {
        let Some(server) = RedisServer::builder().version(installed).start() else { return };
        let signal = |signal| {
            let pid = rustix::process::Pid::from_raw(server.pid() as i32).expect("a process");
            rustix::process::kill_process(pid, signal).expect("a signal");
        };
        // The kernel takes the connection, and nobody reads from it.
        signal(rustix::process::Signal::STOP);
        let begun = Instant::now();
        let run = diagnose(&server.url(), "memory", &["--timeout", "500ms"]);
        signal(rustix::process::Signal::CONT);
        assert_eq!(
            (run.code, &run.json()["error"]["code"]),
            (3, &"timeout".into()),
            "{}: {}",
            installed.name,
            run.stderr
        );
        assert!(begun.elapsed() < Duration::from_secs(60), "{}: {:?}", installed.name, begun.elapsed());
        assert!(Diagnosis::of_run(&diagnose(&server.url(), "memory", &[])).loud().is_empty(), "{}", installed.name);
    });
}

#[test]
fn a_server_that_refuses_all_but_info_is_judged_by_that() {
    let primary = fake(&[("INFO", bulk(INFO))]);
    let diagnosis = Diagnosis::of_run(&diagnose(&primary.url(), "all", &[]));
    assert!(diagnosis.loud().is_empty(), "{:?}", diagnosis.loud());
    assert!(diagnosis.rules().contains(&"S10"), "{:?}", diagnosis.rules());
    let skipped = diagnosis.json["skipped"].as_array().expect("a list");
    assert!(skipped.len() > 80, "{}", skipped.len());
}

#[test]
fn numbers_beyond_all_bounds_and_unknown_fields_are_no_trouble() {
    let wild = format!(
        "{INFO}evicted_keys:9223372036854775808\r\nconnected_clients:18446744073709551615\r\nmaxclients:18446744073709551615\r\n\
         rejected_connections:-1\r\nmem_fragmentation_ratio:nan\r\nused_memory_rss:99999999999999999999999\r\n\
         db0:keys=18446744073709551615,expires=18446744073709551615,avg_ttl=18446744073709551615,new=?\r\n\
         db0_distrib_zsets_items:0=18446744073709551614,2G=18446744073709551615\r\nslave0:ip=,port=99999,lag=-1\r\n\
         cmdstat_get:calls=x\r\nlatency_percentiles_usec_get:p50=,p99=inf\r\nfuture_field:\r\nmodule:name\r\n"
    );
    let primary = fake(&[("INFO", bulk(&wild))]);
    let run = diagnose(&primary.url(), "all", &[]);
    Diagnosis::of_run(&run);
    assert!(run.code <= 2 && !run.stderr.contains("bug in redis-ops"), "{} {}", run.code, run.stderr);
}

#[test]
fn ten_thousand_connections_with_evil_names_are_one_table() {
    let line = |n: usize| {
        format!(
            "id={n} addr=10.0.{}.{}:1 name=web\u{1b}[31m{n} age=9 idle=1 flags=N db=0 cmd=get user=\u{202e}x omem=0 a=b=c\n",
            n / 250,
            n % 250
        )
    };
    let list: String = (0..10_000).map(line).collect();
    let primary = fake(&[("INFO", bulk(INFO)), ("CLIENT LIST", bulk(&list))]);
    let run = RedisOps::new().args(["diagnose", "connections", "--window", "50ms", "-i", &primary.url()]).run();
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(text.contains("more (`--top`)"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
    assert!(text.lines().count() < 120, "{} lines", text.lines().count());
}

#[test]
fn a_slow_log_with_binary_arguments_is_cut_and_escaped() {
    let argument = b"\x00\xff\x1b[2J\r\n";
    let mut entry = b"*1\r\n*6\r\n:7\r\n:1700000000\r\n:250000\r\n*3\r\n$4\r\nKEYS\r\n$8\r\n".to_vec();
    entry.extend_from_slice(&argument[..8]);
    entry.extend_from_slice(b"\r\n$26\r\n... (1000000 more bytes)..\r\n$12\r\n10.0.0.1:999\r\n$2\r\n\x07\x08\r\n");
    let primary = fake(&[("INFO", bulk(INFO)), ("SLOWLOG", entry)]);
    let run = RedisOps::new().args(["diagnose", "connections", "--window", "50ms", "-i", &primary.url()]).run();
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(text.contains("KEYS"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}') && !text.contains('\0'), "{text:?}");
}

#[test]
fn names_and_arguments_of_every_version_cannot_drive_the_terminal() {
    on_each(&servers(), |installed| {
        let Some(server) = RedisServer::builder().version(installed).arg("slowlog-log-slower-than", "0").start() else {
            return;
        };
        let mut client = server.client();
        // A name may hold what is not ASCII only where the server lets it: most do not.
        let _ = client.ask(&[b"CLIENT", b"SETNAME", "web\u{202e}x".as_bytes()]);
        client.ask(&[b"SET", b"\x00\xff\x1b[2J\r\n", &[0x9b; 300]]).expect("an answer");
        client.ask(&[b"\x1b[31m\x07"]).expect("an answer");
        let run = RedisOps::new().args(["diagnose", "all", "--window", "50ms", "-i", &server.url()]).run();
        let text = run.everything();
        assert!(text.contains("\\x1b[2J"), "{}: the slow log shows it: {text}", installed.name);
        let evil = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(evil), "{}: {text:?}", installed.name);
        let run = diagnose(&server.url(), "all", &[]);
        assert!(run.code <= 2, "{}: {}", installed.name, run.stderr);
        assert!(run.json()["facts"]["connections"]["slow_commands"].is_array(), "{}", installed.name);
    });
}

#[test]
fn renamed_commands_are_skipped_and_named() {
    on_each(&servers(), |installed| {
        let builder = RedisServer::builder().version(installed);
        let server = builder.arg("rename-command", "CONFIG hidden").arg("rename-command", "SLOWLOG hidden2").start();
        let Some(server) = server else { return };
        let diagnosis = Diagnosis::of_run(&diagnose(&server.url(), "all", &[]));
        assert!(diagnosis.loud().is_empty(), "{}: {:?}", installed.name, diagnosis.loud());
        let skipped = diagnosis.json["skipped"].as_array().expect("a list");
        let reason = |rule: &str| {
            skipped.iter().find(|skipped| skipped["id"] == rule).map(|skipped| skipped["reason"].to_string())
        };
        assert!(
            reason("C22").is_some_and(|reason| reason.contains("unknown command")),
            "{}: {skipped:#?}",
            installed.name
        );
    });
}

#[test]
fn a_server_that_is_loading_is_told_as_that() {
    let info = format!("{INFO}loading:1\r\nloading_eta_seconds:7\r\n");
    let loading = b"-LOADING Redis is loading the dataset in memory\r\n".to_vec();
    let primary = fake(&[
        ("INFO", bulk(&info)),
        ("PING", loading.clone()),
        ("CONFIG", loading.clone()),
        ("SCAN", loading.clone()),
        ("SELECT", loading),
    ]);
    let run = diagnose(&primary.url(), "persistence", &[]);
    let diagnosis = Diagnosis::of_run(&run);
    assert_eq!((diagnosis.first_is("P09")["severity"].as_str(), run.code), (Some("critical"), 2));
}

#[test]
fn a_server_of_any_version_that_is_loading_is_told_as_that() {
    on_each(&servers(), |installed| {
        let Some(source) = RedisServer::builder().version(installed).start() else { return };
        source.fill(60, 1_100_000);
        source.save();
        // It listens after every 2 MB, and loads for nine seconds: we ask at once.
        let builder = RedisServer::builder().version(installed).dump(source.dir().join("dump.rdb"));
        let Some(server) = builder.arg("key-load-delay", "150000").start_loading() else { return };
        for topic in ["persistence", "all"] {
            let run = diagnose(&server.url(), topic, &[]);
            let diagnosis = Diagnosis::of_run(&run);
            assert_eq!(diagnosis.first_is("P09")["severity"], "critical", "{}: {topic}", installed.name);
            assert_eq!(run.code, 2, "{}: {topic}", installed.name);
        }
    });
}
