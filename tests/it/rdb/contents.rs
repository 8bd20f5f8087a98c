//! What is decoded equals what the server itself said of its data.

use redis_ops::rdb::visit::Checksum;
use serde_json::{Value, json};

use super::recorder::{Contents, list, scan_whole, sort};
use crate::support::fixtures;

/// The keys of a fixture's JSON, brought into the form of [`Contents`].
fn expected(json: &Value) -> Vec<(u64, Value)> {
    let mut keys = Vec::new();
    for (database, list_of_keys) in json["dbs"].as_object().unwrap() {
        for key in list_of_keys.as_array().unwrap() {
            let mut key = key.clone();
            for information in ["encoding", "expired_at_save", "fields_expired_at_save"] {
                key.as_object_mut().unwrap().remove(information);
            }
            normalize(&mut key);
            keys.push((database.parse().unwrap(), key));
        }
    }
    sort_keys(&mut keys);
    keys
}

fn normalize(key: &mut Value) {
    match key["type"].as_str().unwrap() {
        "zset" => {
            for pair in list(key, "value") {
                let score: f64 = pair[1].as_str().unwrap().parse().unwrap();
                pair[1] = json!(format!("{:016x}", score.to_bits()));
            }
            list(key, "value").sort_by_key(ToString::to_string);
        }
        "set" | "hash" => list(key, "value").sort_by_key(ToString::to_string),
        "stream" => {
            for group in list(&mut key["value"], "groups") {
                sort(list(group, "consumers"), "name");
            }
            sort(list(&mut key["value"], "groups"), "name");
        }
        // A module's value: only that it is one.
        "vectorset" => key["value"] = json!([]),
        _ => {}
    }
}

fn sort_keys(keys: &mut [(u64, Value)]) {
    keys.sort_by_key(|(database, key)| (*database, key["key_b64"].to_string()));
}

#[test]
fn every_file_holds_what_the_server_said() {
    for fixture in fixtures::valid() {
        let mut contents = Contents::default();
        let summary =
            scan_whole(&fixture.rdb, &mut contents).unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
        sort_keys(&mut contents.keys);
        let expected = expected(&fixture.json);
        assert_eq!(contents.keys.len(), expected.len(), "{}: number of keys", fixture.name);
        for (found, expected) in contents.keys.iter_mut().zip(&expected) {
            // The server that read the file may have no policy that makes it keep them.
            for attribute in ["lfu_freq", "lru_idle_s"] {
                if expected.1.get(attribute).is_none() {
                    found.1.as_object_mut().unwrap().remove(attribute);
                }
            }
            assert_eq!(found, expected, "{}", fixture.name);
        }
        let mut functions = contents.functions;
        functions.sort_by_key(ToString::to_string);
        let mut sources = fixture.json["functions"].as_array().cloned().unwrap_or_default();
        sources.sort_by_key(ToString::to_string);
        assert_eq!(functions, sources, "{}", fixture.name);

        let counts = &fixture.json["counts"];
        assert_eq!((summary.keys, summary.trailing), (counts["keys"].as_u64().unwrap(), 0), "{}", fixture.name);
        assert_eq!(summary.expires, counts["with_expiry"].as_u64().unwrap(), "{}", fixture.name);
        assert_eq!(summary.length, fixture.rdb.len() as u64, "{}", fixture.name);
        assert_eq!((summary.hint_mismatches, summary.empty_keys), (0, 0), "{}", fixture.name);
        assert_eq!(u64::from(summary.version), fixture.json["rdb_version"].as_u64().unwrap(), "{}", fixture.name);
        let zeroed = fixture.name.ends_with("rdbchecksum_no");
        let expected =
            if summary.version < 5 { Some(Checksum::NotInThisVersion) } else { zeroed.then_some(Checksum::Absent) };
        match (summary.checksum, expected) {
            (Checksum::Verified(_), None) => {}
            (found, expected) => assert_eq!(Some(found), expected, "{}", fixture.name),
        }
    }
}
