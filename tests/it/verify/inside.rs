//! Looks inside a backup: every type's values as JSON, held against what the servers themselves said of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::repository_of;
use crate::support::fixtures;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;
use crate::support::sample;

/// The bytes of `NAME` and `NAME_b64`.
fn bytes(object: &Value, name: &str) -> Vec<u8> {
    match object[format!("{name}_b64")].as_str() {
        Some(b64) => STANDARD.decode(b64).expect("base64"),
        None => object[name].as_str().unwrap_or_else(|| panic!("no {name} in {object}")).as_bytes().to_vec(),
    }
}

fn element(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.as_bytes().to_vec(),
        other => STANDARD.decode(other["b64"].as_str().expect("an element")).expect("base64"),
    }
}

/// A byte string as the fixtures write it.
fn fixture(bytes: &[u8]) -> Value {
    if bytes.len() <= 16_384 {
        return STANDARD.encode(bytes).into();
    }
    use sha2::Digest as _;
    json!({"len": bytes.len(), "sha256": hex::encode(sha2::Sha256::digest(bytes))})
}

fn milliseconds(time: &Value) -> Value {
    let Some(text) = time.as_str() else { return Value::Null };
    chrono::DateTime::parse_from_rfc3339(text).expect("a time").timestamp_millis().into()
}

/// Our value in the form of the fixtures.
fn normal(line: &Value) -> Value {
    let value = &line["value"];
    let list = || value.as_array().unwrap_or_else(|| panic!("a list: {line}")).clone();
    match line["type"].as_str().unwrap() {
        "string" => fixture(&bytes(line, "value")),
        "list" => list().iter().map(|one| fixture(&element(one))).collect(),
        "set" => {
            let mut members: Vec<Vec<u8>> = list().iter().map(element).collect();
            members.sort();
            members.iter().map(|one| fixture(one)).collect()
        }
        "hash" => {
            let field = |one: &Value| (bytes(one, "field"), bytes(one, "value"), milliseconds(&one["expires_at"]));
            let mut fields: Vec<_> = list().iter().map(field).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            fields.iter().map(|(field, value, at)| json!([fixture(field), fixture(value), at])).collect()
        }
        "zset" => {
            let score = |one: &Value| match &one["score"] {
                Value::String(text) => text.parse::<f64>().unwrap(),
                number => number.as_f64().unwrap(),
            };
            let mut members: Vec<_> = list().iter().map(|one| (bytes(one, "member"), score(one).to_bits())).collect();
            members.sort();
            members.iter().map(|(member, bits)| json!([fixture(member), bits])).collect()
        }
        "stream" => {
            let entries = value["entries"].as_array().unwrap().iter().map(|entry| {
                let fields = entry["fields"].as_array().unwrap().iter();
                let fields: Value =
                    fields.map(|pair| json!([fixture(&element(&pair[0])), fixture(&element(&pair[1]))])).collect();
                json!([entry["id"], fields])
            });
            let entries: Value = entries.collect();
            let mut groups: Vec<Value> = value["groups"].as_array().unwrap().iter().map(group).collect();
            groups.sort_by_key(|group| group["name"].to_string());
            json!({"entries": entries, "last_id": value["last_id"], "length": value["length"], "groups": groups})
        }
        _ => Value::Null,
    }
}

fn group(group: &Value) -> Value {
    let owner = |id: &Value| {
        let consumers = group["consumers"].as_array().unwrap().iter();
        let mut owners = consumers.filter(|one| one["pending"].as_array().unwrap().contains(id));
        owners.next().map(|one| fixture(&bytes(one, "name")))
    };
    let pending: Value = group["pending"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| json!([one["id"], owner(&one["id"]), one["delivered_ms"], one["count"]]))
        .collect();
    json!({"name": fixture(&bytes(group, "name")), "last_delivered_id": group["last_delivered_id"], "pending": pending})
}

/// What the fixture says, reduced to what is compared.
fn expected(key: &Value) -> Value {
    let value = &key["value"];
    match key["type"].as_str().unwrap() {
        "zset" => {
            let member = |one: &Value| {
                let bits = one[1].as_str().unwrap().parse::<f64>().unwrap().to_bits();
                json!([one[0], bits])
            };
            let mut members: Vec<Value> = value.as_array().unwrap().iter().map(member).collect();
            members.sort_by_key(|one| one[0].as_str().map(|text| STANDARD.decode(text).unwrap()));
            members.into()
        }
        "stream" => {
            let mut groups: Vec<Value> = value["groups"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| json!({"name": one["name"], "last_delivered_id": one["last_delivered_id"], "pending": one["pending"]}))
                .collect();
            groups.sort_by_key(|group| group["name"].to_string());
            json!({"entries": value["entries"], "last_id": value["last_id"], "length": value["length"], "groups": groups})
        }
        "string" | "list" | "set" | "hash" => value.clone(),
        _ => Value::Null,
    }
}

#[test]
fn every_value_is_exported_as_the_server_itself_said_it() {
    let all = fixtures::valid();
    let (mut files, mut keys) = (0, 0);
    let folder = tempfile::TempDir::new().unwrap();
    for fixture in all {
        // One server of each family and the odd ones; all of them say the same of the same cases.
        let wanted = ["redis-6.2", "redis-8.0.6", "valkey-9.1", "old/"];
        if !wanted.iter().any(|part| fixture.name.contains(part)) {
            continue;
        }
        let path = folder.path().join("file.rdb");
        std::fs::write(&path, &fixture.rdb).unwrap();
        let run = RedisOps::new().args(["show", "--format", "ndjson", "--progress", "none", "--file"]).arg(&path).run();
        assert_eq!(run.code, 0, "{}: {}", fixture.name, run.everything());
        let mut found: Vec<(u64, Vec<u8>, Value)> = run
            .text()
            .lines()
            .map(|line| {
                let line: Value =
                    serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: {error}: {line}", fixture.name));
                let told = json!([line["type"], line["expires_at_ms"], normal(&line)]);
                (line["database"].as_u64().unwrap(), bytes(&line, "key"), told)
            })
            .collect();
        let mut wanted: Vec<(u64, Vec<u8>, Value)> = Vec::new();
        for (database, keys) in fixture.json["dbs"].as_object().unwrap() {
            for key in keys.as_array().unwrap() {
                let name = STANDARD.decode(key["key_b64"].as_str().unwrap()).unwrap();
                wanted.push((
                    database.parse().unwrap(),
                    name,
                    json!([key["type"], key["expire_at_ms"], expected(key)]),
                ));
            }
        }
        found.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        wanted.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        keys += found.len();
        files += 1;
        for (found, wanted) in found.iter().zip(&wanted) {
            assert_eq!(found, wanted, "{}", fixture.name);
        }
        assert_eq!(found.len(), wanted.len(), "{}", fixture.name);
    }
    assert!(files == 0 || (files > 50 && keys > 500), "{files} files, {keys} keys");
}

#[test]
fn one_key_is_shown_with_its_value() {
    let Some(server) = RedisServer::start() else { return };
    sample::fill(&server);
    let (folder, _) = repository_of(&server);
    let show =
        |more: &[&str]| RedisOps::new().args(["show", "latest", "-r", &folder.text(), "--progress", "none"]).args(more);
    let (code, answer) = show(&["--key", "hash"]).json();
    assert_eq!(code, 0, "{answer:#}");
    let key = &answer["keys"][0];
    assert_eq!(
        (key["type"].as_str(), key["expires_at"].as_str()),
        (Some("hash"), Some("2100-01-01T00:00:00.000Z")),
        "{answer:#}"
    );
    assert_eq!(normal(key), json!([["ZmllbGQ=", "dmFsdWU=", null], ["bg==", "MQ==", null]]));
    assert_eq!(key["elements"], 2);
    assert!(key["bytes"].as_u64() > Some(10));
    // In two databases; in one of them.
    let (_, answer) = show(&["--key", "string"]).json();
    assert_eq!(answer["keys"].as_array().unwrap().len(), 2, "{answer:#}");
    let (_, answer) = show(&["--key", "string", "--db", "9"]).json();
    assert_eq!(
        (answer["keys"].as_array().unwrap().len(), answer["keys"][0]["value"].as_str()),
        (1, Some("not the same"))
    );
    let run = show(&["--key", "list"]).run();
    assert!(run.code == 0 && run.text().contains("\"a\"") && run.text().contains("never"), "{}", run.text());
    let (code, answer) = show(&["--key", "no such"]).json();
    assert_eq!((code, answer["error"]["code"].as_str()), (3, Some("not_found")));
}

#[test]
fn keys_are_listed_by_name_and_number() {
    let Some(server) = RedisServer::start() else { return };
    sample::fill(&server);
    let (folder, _) = repository_of(&server);
    let show =
        |more: &[&str]| RedisOps::new().args(["show", "latest", "-r", &folder.text(), "--progress", "none"]).args(more);
    let (code, answer) = show(&["--keys", "large:*", "--limit", "2"]).json();
    assert_eq!((code, answer["keys"].as_array().unwrap().len()), (0, 2), "{answer:#}");
    assert!(answer["matched"].as_u64() >= Some(5), "{answer:#}");
    assert!(answer["keys"][0]["value"].is_null() && answer["keys"][0]["elements"] == 600, "{answer:#}");
    let run = show(&["--keys", "large:*", "--limit", "3", "--format", "ndjson"]).run();
    assert_eq!(run.text().lines().count(), 3);
    assert!(run.text().lines().all(|line| line.contains("large:") && line.contains("element-599")), "{}", run.text());
    let run = show(&["--keys", "*", "--hide-keys"]).run();
    assert!(run.text().contains("sha256:") && !run.text().contains("large:"), "{}", run.text());
    // Whoever reads may stop.
    let run = show(&["--format", "ndjson"]).without_reader().run();
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn a_long_string_is_exported_exactly() {
    let Some(server) = RedisServer::start() else { return };
    let long: Vec<u8> = (0..3_000_001_u32).map(|n| (n % 251) as u8).collect();
    let text = "ä".repeat(400_000);
    server.pipe([vec![b"SET".as_slice(), b"long", &long], vec![b"SET", b"text", text.as_bytes()]]);
    let (folder, _) = repository_of(&server);
    let run = RedisOps::new()
        .args(["show", "latest", "-r", &folder.text(), "--format", "ndjson", "--progress", "none"])
        .run();
    for line in run.text().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let expected = if line["key"] == "long" { &long[..] } else { text.as_bytes() };
        assert!(bytes(&line, "value") == expected, "{}", line["key"]);
    }
    assert_eq!(run.text().lines().count(), 2);
}

#[test]
fn damage_is_said_behind_what_was_exported() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(2000, 100);
    let rdb = sample::rdb(&server);
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("cut.rdb");
    for cut in (0..8).map(|nth| rdb.len() / 2 + 37 * nth) {
        std::fs::write(&path, &rdb[..cut]).unwrap();
        let run = RedisOps::new().args(["show", "--format", "ndjson", "--progress", "none", "--file"]).arg(&path).run();
        let lines: Vec<Value> = run.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let last = lines.last().unwrap();
        assert_eq!((run.code, last["status"].as_str()), (2, Some("failed")), "{last:#}");
        assert!(last["error"]["message"].as_str().unwrap().contains("damaged"), "{last:#}");
        assert!(lines.len() > 500);
    }
}
