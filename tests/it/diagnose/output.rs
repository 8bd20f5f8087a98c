//! What a diagnosis looks like: tables, formats, files, history.

use serde_json::Value;

use super::lab::Diagnosis;
use super::quiet::SHARED_MACHINE;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, servers};

#[test]
fn the_verdict_is_the_last_line_and_the_table_says_what_and_how() {
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["SET", "doc:1", &"x".repeat(1_500_000)]);
    server.ok(&["CONFIG", "SET", "maxmemory", "2mb"]);
    let run = RedisOps::new().args(["diagnose", "memory", "-i", &server.url()]).run();
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert_eq!(run.code, 2, "{text}");
    let last = text.lines().last().expect("a line");
    assert!(
        last.starts_with("critical: 1 critical") && last.contains("worst: memory is nearly full (M01: used "),
        "{last}"
    );
    assert!(text.contains("CRITICAL  M01"), "{text}");
    assert!(text.contains("fix: CONFIG SET maxmemory"), "{text}");
    assert!(text.contains("probe: "), "{text}");
    assert!(!text.contains('\u{1b}'), "no colour in a pipe");
}

#[test]
fn every_format_says_the_same() {
    let Some(server) = RedisServer::builder().arg("slowlog-log-slower-than", "-1").start() else { return };
    let run = |format: &str| {
        let run = RedisOps::new()
            .args(["diagnose", "connections", "-f", format, "--window", "100ms", "-i", &server.url()])
            .file("redis-ops.yaml", SHARED_MACHINE)
            .run();
        assert_eq!(run.code, 1, "{format}: {}", run.stderr);
        String::from_utf8_lossy(&run.stdout).into_owned()
    };
    let line = run("nagios");
    assert!(line.starts_with("REDIS-OPS WARNING - 1 warning; worst: the slow log records too little (C22"), "{line}");
    assert_eq!(run("nagios").lines().count(), 1);
    let junit = run("junit");
    let (_, case) = junit
        .split_once("<testcase name=\"C22: the slow log records too little\" classname=\"diagnose.connections\">")
        .unwrap_or_else(|| panic!("no case C22: {junit}"));
    assert!(case.trim_start().starts_with("<failure message=\"the slow log records too little\">"), "{junit}");
    let lines = run("ndjson");
    let first: Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("an object");
    assert_eq!(first["id"], "C22");
    let json: Value = serde_json::from_str(&run("json")).expect("an object");
    for field in ["instance", "server", "findings", "skipped", "facts", "probe", "verdict"] {
        assert!(!json[field].is_null(), "{field}");
    }
    for field in ["id", "severity", "title", "evidence", "threshold", "why", "fix", "source"] {
        assert!(!json["findings"][0][field].is_null(), "{field}: {:#}", json["findings"][0]);
    }
}

#[test]
fn fail_on_and_mutes_decide_the_exit_code() {
    let Some(server) = RedisServer::builder().arg("slowlog-log-slower-than", "-1").start() else { return };
    let code = |more: &[&str], mute: &str| {
        let run = RedisOps::new()
            .args(["diagnose", "connections", "--json", "--window", "50ms", "-i", &server.url()])
            .args(more);
        run.file("redis-ops.yaml", format!("{SHARED_MACHINE}{mute}")).run().code
    };
    assert_eq!(code(&[], ""), 1);
    assert_eq!(code(&["--fail-on", "critical"], ""), 0);
    assert_eq!(code(&["--fail-on", "never"], ""), 0);
    assert_eq!(code(&[], "  mute: [{rule: C22, until: 2999-01-01, reason: known}]\n"), 0);
    assert_eq!(code(&[], "  mute: [{rule: C22, until: 2001-01-01, reason: known}]\n"), 1, "it has ended");
    assert_eq!(code(&[], "  mute: [{rule: X99, reason: typing error}]\n"), 3);
}

#[test]
fn a_pasted_info_is_judged_as_far_as_it_goes() {
    for installed in servers() {
        let Some(server) = RedisServer::builder().version(&installed).start() else { return };
        let text = server.ok(&["INFO"]);
        let run = RedisOps::new().args(["diagnose", "all", "--json", "--from", "-"]).stdin(text).run();
        let diagnosis = Diagnosis::of_run(&run);
        assert!(diagnosis.loud().is_empty(), "{}: {:?}", installed.name, diagnosis.loud());
        assert_eq!(diagnosis.json["probe"]["commands"], 0);
    }
    let run = RedisOps::new().args(["diagnose", "all", "--json", "--from", "-"]).stdin("hello\n").run();
    assert_eq!(run.code, 3);
}

#[test]
fn the_keys_of_a_file_are_judged_like_those_of_the_server() {
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["SET", "lock:order:17", "0123456789abcdef"]);
    server.ok(&["INCR", "rate:10.0.0.1"]);
    server.ok(&["SET", "user:1", "x"]);
    server.save();
    let file = server.dir().join("dump.rdb").display().to_string();
    let live = Diagnosis::of(&server, "patterns", &[]);
    let run = RedisOps::new().args(["diagnose", "patterns", "--json", "--file", &file]).run();
    let stored = Diagnosis::of_run(&run);
    assert_eq!(live.rules(), ["A01", "A05"]);
    assert_eq!(stored.rules(), live.rules());
    assert_eq!(stored.finding("A01").map(|finding| &finding["evidence"]["without_ttl"]), Some(&Value::from(1)));
}

#[test]
fn a_damaged_file_is_not_judged() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("dump.rdb");
    std::fs::write(&file, b"REDIS0011\xfa\x09redis-ver").expect("written");
    let run = RedisOps::new().args(["diagnose", "keyspace", "--json", "--file", &file.display().to_string()]).run();
    assert_eq!(run.code, 3, "{}", String::from_utf8_lossy(&run.stdout));
}

#[test]
fn keys_can_be_hidden_everywhere() {
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["SET", "lock:very-private-name", "0123456789abcdef"]);
    for format in ["table", "json", "ndjson", "nagios", "junit"] {
        let run = RedisOps::new()
            .args(["diagnose", "all", "--hide-keys", "--window", "50ms", "-f", format, "-i", &server.url()])
            .run();
        let text = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(!text.contains("very-private-name"), "{format}: {text}");
        assert!(text.contains("sha256:") || format == "nagios", "{format}: {text}");
    }
}

#[test]
fn names_from_the_server_cannot_drive_the_terminal() {
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["SET", "lock:\u{1b}[2Jevil", "x"]);
    server.ok(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
    server.ok(&["GET", "evil\u{1b}[31m\u{202e}"]);
    let run = RedisOps::new().args(["diagnose", "all", "--window", "50ms", "-i", &server.url()]).run();
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
}

#[test]
fn runs_are_remembered_and_compared_with() {
    let Some(server) = RedisServer::builder().arg("maxmemory", "100mb").start() else { return };
    let state = tempfile::tempdir().expect("a folder");
    let diagnose = |more: &[&str]| {
        let run =
            RedisOps::new().args(["diagnose", "memory", "--json", "--window", "50ms", "-i", &server.url()]).args(more);
        Diagnosis::of_run(&run.env("XDG_STATE_HOME", state.path()).run())
    };
    diagnose(&[]);
    // For its owner only: the folders (beside the one that was there) and the files.
    let mut folders = vec![state.path().to_owned()];
    let mut n_files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let mode = std::os::unix::fs::PermissionsExt::mode(&entry.metadata().expect("there").permissions()) & 0o777;
            let is_folder = entry.path().is_dir();
            assert_eq!(mode, if is_folder { 0o700 } else { 0o600 }, "{}", entry.path().display());
            if is_folder { folders.push(entry.path()) } else { n_files += 1 }
        }
    }
    assert!(n_files > 0);
    server.ok(&["SET", "a", &"x".repeat(5000)]);
    server.ok(&["CONFIG", "SET", "maxmemory", "1"]);
    server.cli(&["SET", "b", "refused"]);
    server.ok(&["CONFIG", "SET", "maxmemory", "100mb"]);
    let now = diagnose(&[]);
    assert_eq!(
        now.finding("M18").map(|finding| &finding["severity"]),
        Some(&Value::from("info")),
        "it was before this window"
    );
    let since = diagnose(&["--since", "1h"]);
    assert_eq!(since.first_is("M18")["severity"], "critical", "it was since the first run");
    // None is as old as that: it is said with what the counters are compared.
    let run = RedisOps::new().args(["diagnose", "memory", "--window", "50ms", "--since", "1h", "-i", &server.url()]);
    let run = run.env("XDG_STATE_HOME", state.path()).run();
    let said = "no saved run of this instance is 1 h old: this run is compared with the oldest one";
    assert!(run.stderr.contains(said), "{}", run.stderr);
}

#[test]
fn every_rule_is_explained_without_a_server() {
    let run = RedisOps::new().args(["explain", "m06"]).run();
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert_eq!(run.code, 0);
    assert!(text.starts_with("M06  far more memory is resident than the data needs\n"), "{text}");
    assert!(
        text.contains("MEMORY PURGE")
            && text.contains("the ratio is at least 1.5 and the excess is at least 100.0 MiB"),
        "{text}"
    );
    let run = RedisOps::new().args(["explain", "M99"]).run();
    assert_eq!(run.code, 3);
    assert!(
        run.stderr.contains("there is no rule `M99`") && run.stderr.contains("`redis-ops explain` lists all rules"),
        "{}",
        run.stderr
    );
}

#[test]
fn what_is_watched_is_said_again_and_again_in_lines_that_tell_when() {
    let Some(server) = RedisServer::builder().arg("slowlog-log-slower-than", "-1").start() else { return };
    let watch = |format: &str| {
        let run = RedisOps::new().args(["diagnose", "connections", "--window", "50ms", "--watch", "100ms"]);
        run.args(["-f", format, "-i", &server.url()])
    };
    let mut running = watch("ndjson").spawn();
    running.wait_until_it_answers("at two moments", |lines| lines.matches("\"id\":\"C22\"").count() >= 2);
    running.signal("INT");
    let run = running.wait();
    // The last verdict: a signal is how watching ends.
    assert_eq!(run.code, 1, "{}", run.stderr);
    let lines: Vec<Value> = run.text().lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let moments: std::collections::BTreeSet<&str> = lines
        .iter()
        .filter(|line| line["id"] == "C22")
        .map(|line| line["taken_at"].as_str().expect("a time"))
        .collect();
    assert!(moments.len() >= 2, "{}", run.text());
    for format in ["json", "junit"] {
        let run = watch(format).run();
        assert_eq!(run.code, 3, "{}", run.everything());
        assert!(run.everything().contains("with `--watch`, use `--format table`"), "{}", run.everything());
    }
}

/// In a finished text a name cannot be told from what looks like it: one of `0` is in every number.
#[test]
fn a_key_that_is_called_zero_hides_nothing_but_itself() {
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["SET", "0", &"x".repeat(1_500_000)]);
    let run = RedisOps::new().args(["diagnose", "keyspace", "--hide-keys", "-i", &server.url()]).run();
    let version = server.info("redis_version");
    assert!(run.text().contains(&version), "{version} is no hash: {}", run.text());
    assert!(run.text().contains("UNLINK sha256:"), "{}", run.text());
    let json =
        RedisOps::new().args(["diagnose", "keyspace", "--hide-keys", "--json", "-i", &server.url()]).run().json();
    assert_eq!(json["server"]["redis_version"], version.as_str(), "{json:#}");
    let big = json["findings"].as_array().expect("findings").iter().find(|finding| finding["id"] == "K04");
    let big = big.expect("a large string");
    assert!(big["evidence"]["key"].as_str().is_some_and(|key| key.starts_with("sha256:")), "{big:#}");
}

#[test]
fn several_files_are_read_as_one_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let info = write("info.txt", "role:master\nconnected_slaves:0\nconnected_clients:1\n");
    let clients =
        write("clients.txt", "id=5 addr=10.0.0.5:1 fd=8 name=web age=100 idle=1 flags=N omem=300000000 cmd=get\n");
    let run = RedisOps::new().args(["diagnose", "connections", "--json", "--from", &info, &clients]).run();
    let diagnosis = Diagnosis::of_run(&run);
    diagnosis.first_is("C08");
    assert_eq!(diagnosis.json["read"].as_array().map(Vec::len), Some(2), "{:#}", diagnosis.json["read"]);
}
