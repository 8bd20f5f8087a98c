//! Files of other projects agree with the expectations that came with them.

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use redis_ops::rdb::Scanner;
use serde_json::{Map, Value, json};

use super::recorder::{Contents, scan_whole};
use crate::support::{fixtures, skip};

fn folder() -> Option<PathBuf> {
    let folder = fixtures::folder().map(|folder| folder.join("public"));
    if folder.is_none() {
        skip("fixtures");
    }
    folder
}

fn plain(value: &Value) -> Value {
    json!(String::from_utf8(BASE64.decode(value.as_str().unwrap()).unwrap()).unwrap())
}

/// A key's value in the form of librdb's `_data` files.
fn in_their_form(key: &Value) -> Value {
    let items = |value: &Value| value.as_array().unwrap().clone();
    match key["type"].as_str().unwrap() {
        "string" => plain(&key["value"]),
        "list" | "set" => json!(items(&key["value"]).iter().map(plain).collect::<Vec<_>>()),
        "hash" => pairs(items(&key["value"]).iter().map(|pair| (plain(&pair[0]), plain(&pair[1])))),
        "zset" => pairs(items(&key["value"]).iter().map(|pair| {
            let bits = u64::from_str_radix(pair[1].as_str().unwrap(), 16).unwrap();
            (plain(&pair[0]), json!(f64::from_bits(bits).to_string()))
        })),
        "stream" => {
            let entries = items(&key["value"]["entries"]);
            json!({"entries": entries.iter().map(|entry| {
                let fields = pairs(items(&entry[1]).iter().map(|pair| (plain(&pair[0]), plain(&pair[1]))));
                json!({"id": entry[0], "items": fields})
            }).collect::<Vec<_>>()})
        }
        other => panic!("{other}"),
    }
}

fn pairs(pairs: impl Iterator<Item = (Value, Value)>) -> Value {
    Value::Object(pairs.map(|(name, value)| (name.as_str().unwrap().to_owned(), value)).collect())
}

/// Scores are compared as numbers: the expectations print some digits only.
fn agree(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::String(found), Value::String(expected)) if found != expected => {
            let (Ok(found), Ok(expected)) = (found.parse::<f64>(), expected.parse::<f64>()) else { return false };
            (found - expected).abs() <= expected.abs() * 1e-6
        }
        (Value::Object(found), Value::Object(expected)) => {
            found.len() == expected.len()
                && found.iter().all(|(name, found)| expected.get(name).is_some_and(|expected| agree(found, expected)))
        }
        _ => found == expected,
    }
}

#[track_caller]
fn check(file: &str, expectation: &str, is_set: bool) {
    let Some(folder) = folder() else { return };
    let folder = folder.join("librdb");
    let text = fs::read_to_string(folder.join(expectation)).unwrap();
    let mut contents = Contents::default();
    scan_whole(&fs::read(folder.join(file)).unwrap(), &mut contents).unwrap();
    let text = text.trim();
    let expected: Vec<Map<String, Value>> = if text.starts_with('[') {
        serde_json::from_str(text).unwrap()
    } else {
        vec![serde_json::from_str(&format!("{{{text}}}")).unwrap()]
    };
    let mut expected: Vec<(String, Value)> =
        expected.into_iter().flatten().filter(|(name, _)| !name.starts_with("__")).collect();
    assert_eq!(contents.keys.len(), expected.len(), "{file}");
    for (_, key) in &contents.keys {
        let name = plain(&key["key_b64"]);
        let at = expected.iter().position(|(expected, _)| *expected == name.as_str().unwrap()).unwrap();
        let (_, mut value) = expected.swap_remove(at);
        let mut found = in_their_form(key);
        if is_set {
            for set in [&mut found, &mut value] {
                set.as_array_mut().unwrap().sort_by_key(ToString::to_string);
            }
        }
        assert!(agree(&found, &value), "{file}: {found} instead of {value}");
    }
}

#[test]
fn librdb_says_the_same_of_its_files() {
    check("hash_lp_v11.rdb", "hash_lp_v11_data.json", false);
    check("hash_v3.rdb", "hash_data.json", false);
    check("hash_v3.rdb", "plain_hash_data.json", false);
    check("hash_zl_v6.rdb", "hash_zl_v6_data.json", false);
    check("multiple_dbs.rdb", "multiple_dbs_data.json", false);
    check("plain_list_v6.rdb", "plain_list_v6_data.json", false);
    check("plain_zset_2_v11.rdb", "plain_zset_2_v11_data.json", false);
    check("quicklist.rdb", "quicklist_data.json", false);
    check("set_is_v11.rdb", "set_is_v11_data.json", true);
    check("stream_v11.rdb", "stream_data.json", false);
    check("zset_lp_v11.rdb", "zset_lp_v11_data.json", false);
    check("mem_policy_lru.rdb", "mem_policy_lru.json", false);
    check("set_not_expired_v11.rdb", "set_not_expired.json", false);
}

#[test]
fn files_are_accepted_and_refused_as_servers_do_it() {
    let Some(folder) = folder() else { return };
    let index = fs::read_to_string(folder.join("INDEX.tsv")).unwrap();
    for line in index.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let (name, loaded_by) = (cells[0], cells[5]);
        let mut scanner = Scanner::new();
        let result = scanner.push(&fs::read(folder.join(name)).unwrap(), &mut ()).and_then(|()| scanner.finish());
        // A module that a server lacks is no damage.
        let lacks_a_module = loaded_by.contains("module");
        if loaded_by.contains("loads") || lacks_a_module {
            let summary = result.unwrap_or_else(|error| panic!("{name}: {error}"));
            if let Some(keys) =
                loaded_by.rsplit("loads (").next().and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok())
                && !lacks_a_module
            {
                assert_eq!(summary.keys - summary.empty_keys, keys, "{name}");
            }
        } else if loaded_by.contains("refuses") {
            assert!(result.is_err(), "{name}: {result:?}");
        }
    }
}

#[test]
fn an_append_only_file_follows_its_preamble() {
    let Some(folder) = folder() else { return };
    let mut scanner = Scanner::new();
    scanner.push(&fs::read(folder.join("redis/rdb-preamble.aof")).unwrap(), &mut ()).unwrap();
    let summary = scanner.finish().unwrap();
    assert!(summary.trailing > 0 && summary.trailing_start.starts_with(b"*"));
}
