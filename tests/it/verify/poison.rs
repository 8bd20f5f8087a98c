//! Files that lie, each with a right CRC64: what real servers do with them stands in a table beside them.

use std::path::Path;
use std::process::Command;

use redis_ops::rdb::Server;
use serde_json::{Value, json};

use super::file::verify;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::servers;
use crate::support::{fixtures, skip};

/// A file and what each server did with it.
struct Lie {
    name: String,
    fates: Vec<(String, String)>,
}

fn lies() -> Vec<Lie> {
    let table = std::fs::read_to_string(fixtures::own_folder().join("poison/SERVERS.tsv")).expect("the table");
    let mut lines = table.lines();
    let heading = lines.next().expect("a heading");
    // As the tool names them.
    let columns: Vec<String> = heading.split('\t').skip(1).map(|column| column.replacen('-', " ", 1)).collect();
    let of = |line: &str| {
        let mut cells = line.split('\t');
        let name = cells.next().expect("a name").to_owned();
        Lie { name, fates: columns.iter().cloned().zip(cells.map(str::to_owned)).collect() }
    };
    lines.map(of).collect()
}

/// The servers of which a finding says one of these words.
fn named(finding: &Value, words: &[&str]) -> Vec<String> {
    let names = words.iter().filter_map(|word| finding["evidence"][*word].as_str());
    names.flat_map(|names| names.split(", ")).map(str::to_owned).collect()
}

/// A key twice of which one has expired: a server that starts with the file leaves that one out, a replica that is fed it does not.
const NOT_AT_START: &str = "dupkey_second_expired.rdb";

#[test]
fn no_file_that_a_server_refuses_or_dies_of_is_good_without_a_word() {
    let mut wrong = Vec::new();
    let lies = lies();
    assert!(lies.len() > 140, "{} lines", lies.len());
    for lie in lies {
        let (code, json) = verify(&fixtures::own_folder().join("poison").join(&lie.name)).json();
        let findings = json["findings"].as_array().cloned().unwrap_or_default();
        let needs = &json["needs"];
        let servers = needs["servers"].as_array().cloned().unwrap_or_default();
        // Servers of the table had 16 databases, and no modules. Where the file is damaged its needs are not known.
        let are_met = |server: &str| {
            needs.is_null()
                || (servers.iter().any(|name| name == server)
                    && needs["databases"].as_u64().unwrap_or(1) <= 16
                    && needs["modules"].as_array().is_none_or(Vec::is_empty))
        };
        let takes = |fate: &str| fate.starts_with("up:") && fate.ends_with(":ok");
        let tried: Vec<_> = lie.fates.iter().filter(|(server, _)| are_met(server)).collect();
        for (server, fate) in tried.iter().filter(|(_, fate)| !takes(fate)) {
            let is_said = |finding: &Value| named(finding, &["dies", "refuses", "unknown"]).contains(server);
            if code != 2 && !findings.iter().any(is_said) {
                wrong.push(format!("{}: {server} says `{fate:.60}`, and nothing is said ({code})", lie.name));
            }
        }
        // A version that was not tried with it may refuse what those that were take: it gets the worse of its neighbours.
        let elsewhere = |finding: &Value| {
            named(finding, &["dies", "refuses"]).iter().any(|name| !tried.iter().any(|(server, _)| server == name))
        };
        let all_take = tried.iter().all(|(_, fate)| takes(fate)) && lie.name != NOT_AT_START;
        let critical = |finding: &&Value| finding["severity"] == "critical" && !elsewhere(finding);
        if all_take && (findings.iter().any(|finding| critical(&finding)) || (code > 1 && findings.is_empty())) {
            wrong.push(format!("{}: all take it, and it is called {code}: {findings:?}", lie.name));
        }
    }
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
}

/// Nobody has Redis 7.2 and Valkey 7.2, which is the same: they get the worse of their neighbours.
#[test]
fn the_table_has_each_server_that_findings_name() {
    let columns: Vec<String> = lies()[0].fates.iter().map(|(name, _)| name.clone()).collect();
    for name in &columns {
        let (product, version) = name.split_once(' ').expect("a product and a version");
        assert!(Server::of(product, version).is_some(), "{name}");
    }
    let known: Vec<String> = Server::known().iter().map(|server| server.name().to_owned()).collect();
    let missing: Vec<&String> = known.iter().filter(|name| !columns.contains(name)).collect();
    assert_eq!(missing, ["redis 7.2", "valkey 7.2"]);
}

#[test]
fn a_need_is_no_finding() {
    let poison = fixtures::own_folder().join("poison");
    let (code, json) = verify(&poison.join("db_16.rdb")).json();
    assert_eq!((code, &json["findings"], &json["needs"]["databases"]), (0, &json!([]), &json!(17)));
    let (code, json) = verify(&poison.join("func_ok.rdb")).json();
    assert_eq!((code, &json["needs"]["functions"]), (0, &json!(1)));
    assert_eq!(json["findings"][0]["id"], "functions_not_run");
    let (code, json) = verify(&poison.join("stream21_ok.rdb")).json();
    assert_eq!((code, &json["findings"]), (0, &json!([])));
    let servers = json["needs"]["servers"].as_array().expect("servers");
    assert!(!servers.contains(&json!("redis 7.0")) && servers.contains(&json!("redis 7.2")), "{servers:?}");
}

#[test]
fn a_finding_names_the_key_and_both_counts() {
    let file = fixtures::own_folder().join("stream_xlen_5_holds_2.rdb");
    let (code, json) = verify(&file).json();
    assert_eq!(code, 2, "{json}");
    let finding = &json["findings"][0];
    assert_eq!(finding["id"], "stream_length");
    let first = &finding["evidence"]["first"][0];
    assert_eq!(first["numbers"], json!([5, 2]));
    let key = first["key"].as_str().expect("a key");
    assert!(finding["evidence"]["refuses"].as_str().is_some_and(|names| names.contains("redis 8.10")), "{finding}");
    // Its name is not shown where it is to be hidden.
    let run = verify(&file).args(["--hide-keys"]).run();
    assert!(!run.text().contains(key) && run.text().contains("sha256:"), "{}", run.text());
}

/// What a backup says when it is taken is what a verification says of it: the same code, each thing once, and the worst first.
#[test]
fn a_backup_and_its_verification_say_the_same() {
    let poison = fixtures::own_folder().join("poison");
    for (name, code, id) in [("exp_twice.rdb", 1, "expiry_twice"), ("dup_set_lp_small.rdb", 2, "duplicate_member")] {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().display().to_string();
        let file = poison.join(name).display().to_string();
        let line = ["backup", "--from-file", &file, "--name", "odd", "-r", &place];
        let (taken, answer) = RedisOps::new().args(line).json();
        assert_eq!(taken, 1, "{name}: {answer:#}");
        let (verified, json) = RedisOps::new().args(["verify", "-r", &place, "--backup-id", "odd/latest"]).json();
        let findings = json["findings"].as_array().cloned().unwrap_or_default();
        let ids: Vec<&str> = findings.iter().filter_map(|finding| finding["id"].as_str()).collect();
        let different: std::collections::BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!((ids.len(), ids.contains(&id)), (different.len(), true), "{name}: {ids:?}");
        assert_eq!((verified, ids[0]), (code, id), "{name}: {json:#}");
        let rank = |finding: &Value| match finding["severity"].as_str() {
            Some("critical") => 0,
            Some("warning") => 1,
            _ => 2,
        };
        assert!(findings.is_sorted_by_key(rank), "{name}: {ids:?}");
    }
}

#[test]
fn what_real_servers_wrote_is_good() {
    let mut wrong = Vec::new();
    for fixture in fixtures::valid() {
        let mut inspector = redis_ops::capture::Inspector::without_census().judging();
        let inspected = inspector.push(&fixture.rdb).and_then(|()| inspector.finish());
        match inspected {
            Ok(inspected) => {
                let findings = redis_ops::examination::oddities(&inspected.oddities, &inspected.needs);
                let said = findings.iter().filter(|finding| finding.severity > redis_ops::finding::Severity::Info);
                wrong.extend(said.map(|finding| format!("{}: {finding:?}", fixture.name)));
            }
            Err(error) => wrong.push(format!("{}: {error}", fixture.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// So many mutants are tried here; `scripts/campaign.sh poison` tries as many as it is told.
const MUTANTS: &str = "60";

#[test]
fn a_mutant_that_is_called_good_loads_into_every_server_at_hand() {
    let servers = servers();
    let Some(folder) = servers.iter().find_map(|server| server.path.parent()?.parent()) else {
        return skip("no server was found");
    };
    if Command::new("python3").arg("--version").output().is_err() {
        return skip("there is no python3");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/campaign/poison.py");
    let done = Command::new("python3")
        .arg(script)
        .args([MUTANTS, "--seed", "20261128", "--jobs", "1"])
        .env("REDIS_OPS_BINARY", env!("CARGO_BIN_EXE_redis-ops"))
        .env("REDIS_OPS_SERVERS", folder)
        .output()
        .expect("python3 runs");
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(done.status.success(), "{said}");
    println!("{said}");
}

/// Servers read a length of 2^64-1 as an error of their own reader, and give up on the file: seen with RESIZEDB on all of them.
#[test]
fn a_number_that_servers_take_for_an_error_of_reading_is_damage() {
    const RESIZE_DB: u8 = 0xfb;
    for opcode in [RESIZE_DB, 0xfe, 0xf8] {
        let mut bytes = b"REDIS0009".to_vec();
        bytes.extend([opcode, 0x81]);
        bytes.extend([0xff; 8]);
        // It holds two numbers.
        bytes.extend((opcode == RESIZE_DB).then_some(0));
        bytes.extend(b"\x00\x01k\x01v\xff");
        bytes.extend(redis_ops::rdb::crc64(&bytes).to_le_bytes());
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dump.rdb");
        std::fs::write(&path, &bytes).expect("written");
        let (code, json) = verify(&path).json();
        assert_eq!((code, json["findings"][0]["id"].as_str()), (2, Some("corrupt")), "{opcode}: {json:#}");
    }
}
