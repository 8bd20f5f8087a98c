//! Files of real servers: their digest is that of the content the servers told, and the same from all of them.

use base64::Engine;
use redis_ops::census::{Census, Counter, KeyType, decode, encode};
use redis_ops::rdb::Scanner;
use redis_ops::rdb::visit::StreamId;
use serde_json::Value as Json;
use std::collections::BTreeMap;

use super::model::{Chance, Group, Key, Pending, Stream, Value};
use super::reference;
use crate::support::fixtures::{damaged, folder, named, valid};

pub fn census_of(bytes: &[u8], cut: usize) -> Census {
    let mut counter = Counter::of_everything(0);
    let mut scanner = Scanner::new();
    for part in bytes.chunks(cut.max(1)) {
        scanner.push(part, &mut counter).unwrap();
    }
    scanner.finish().unwrap();
    counter.finish()
}

/// Nothing if a string is told by its hash only.
fn bytes(json: &Json) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD.decode(json.as_str()?).ok()
}

fn id(json: &Json) -> StreamId {
    let (ms, seq) = json.as_str().unwrap().split_once('-').unwrap();
    StreamId { ms: ms.parse().unwrap(), seq: seq.parse().unwrap() }
}

fn list(json: &Json) -> &[Json] {
    json.as_array().unwrap()
}

fn stream(json: &Json) -> Option<Value> {
    let fields = |fields: &Json| {
        list(fields).iter().map(|pair| Some((bytes(&pair[0])?, bytes(&pair[1])?))).collect::<Option<Vec<_>>>()
    };
    let entries = list(&json["entries"]).iter().map(|entry| Some((id(&entry[0]), fields(&entry[1])?)));
    let groups = list(&json["groups"]).iter().map(|group| {
        let pending = list(&group["pending"]).iter().map(|one| Pending {
            id: id(&one[0]),
            owner: bytes(&one[1]),
            delivered_ms: one[2].as_i64().unwrap(),
            count: one[3].as_u64().unwrap(),
        });
        Group {
            name: bytes(&group["name"]).unwrap(),
            last_id: id(&group["last_delivered_id"]),
            consumers: list(&group["consumers"]).iter().map(|one| bytes(&one["name"]).unwrap()).collect(),
            pending: pending.collect(),
        }
    });
    let groups = groups.collect();
    Some(Value::Stream(Stream { entries: entries.collect::<Option<_>>()?, last_id: id(&json["last_id"]), groups }))
}

/// Nothing for what cannot be rebuilt: strings told by their hash, vector sets.
fn value(kind: &str, json: &Json) -> Option<Value> {
    let each = |json: &Json| list(json).iter().map(bytes).collect::<Option<Vec<_>>>();
    Some(match kind {
        "string" => Value::String(bytes(json)?),
        "list" => Value::List(each(json)?),
        "set" => Value::Set(each(json)?),
        "hash" => {
            let field = |one: &Json| Some((bytes(&one[0])?, bytes(&one[1])?, one[2].as_i64()));
            Value::Hash(list(json).iter().map(field).collect::<Option<_>>()?)
        }
        "zset" => {
            let member = |one: &Json| Some((bytes(&one[0])?, one[1].as_str()?.parse().ok()?));
            Value::Zset(list(json).iter().map(member).collect::<Option<_>>()?)
        }
        "stream" => stream(json)?,
        _ => return None,
    })
}

fn keys(json: &Json) -> Option<Vec<Key>> {
    let mut keys = Vec::new();
    for (database, list) in json["dbs"].as_object().unwrap() {
        for key in list.as_array().unwrap() {
            keys.push(Key {
                database: database.parse().unwrap(),
                name: bytes(&key["key_b64"]).unwrap(),
                expire_ms: key["expire_at_ms"].as_i64(),
                value: value(key["type"].as_str().unwrap(), &key["value"])?,
            });
        }
    }
    Some(keys)
}

#[test]
fn the_census_of_a_file_is_what_its_server_told() {
    let (mut rebuilt, mut all) = (0, 0);
    for file in valid() {
        let (json, about) = (file.json, file.name);
        let census = census_of(&file.rdb, usize::MAX);
        all += 1;
        let counts = &json["counts"];
        assert_eq!(census.keys, counts["keys"].as_u64().unwrap(), "{about}");
        assert_eq!(census.expires, counts["with_expiry"].as_u64().unwrap(), "{about}");
        assert_eq!(census.fields_with_expiry, counts["fields_with_expiry"].as_u64().unwrap_or(0), "{about}");
        let types: BTreeMap<String, u64> =
            census.by_type.iter().map(|(name, total)| (name.to_string(), total.keys)).collect();
        let expected: BTreeMap<String, u64> = serde_json::from_value(counts["by_type"].clone()).unwrap();
        assert_eq!(types, expected, "{about}");
        for (database, total) in &census.by_database {
            let expected = &counts["per_db"][database.to_string()];
            assert_eq!(total.keys, expected["keys"].as_u64().unwrap(), "{about}");
            assert_eq!(total.expires, expected["with_expiry"].as_u64().unwrap(), "{about}");
        }
        let functions = json["functions"].as_array().map_or(0, Vec::len);
        assert_eq!(census.functions.count(), functions as u64, "{about}");
        if let Some(keys) = keys(&json) {
            assert_eq!(census.digest, reference::digest(&keys), "{about}");
            rebuilt += 1;
        }
    }
    assert!(all > if folder().is_some() { 400 } else { 3 });
    assert!(rebuilt * 10 > all * 8, "{rebuilt} of {all} files were rebuilt from their contents");
}

/// What a file holds, in a form that is equal for equal data: times of reading and what is left out of the digest taken away.
fn normal(json: &Json) -> String {
    let mut databases = json["dbs"].clone();
    for key in databases.as_object_mut().unwrap().values_mut().flat_map(|list| list.as_array_mut().unwrap()) {
        let key = key.as_object_mut().unwrap();
        key.retain(|name, _| ["key_b64", "type", "expire_at_ms", "value"].contains(&name.as_str()));
        match key["type"].as_str().unwrap() {
            "stream" => {
                for name in ["first_id", "max_deleted_id", "entries_added", "length"] {
                    key["value"].as_object_mut().unwrap().remove(name);
                }
                for group in key["value"]["groups"].as_array_mut().unwrap() {
                    group.as_object_mut().unwrap().remove("entries_read");
                    for consumer in group["consumers"].as_array_mut().unwrap() {
                        consumer.as_object_mut().unwrap().retain(|name, _| !name.ends_with("_time_ms"));
                    }
                }
            }
            "zset" => {
                for member in key["value"].as_array_mut().unwrap() {
                    if ["-0", "-0.0", "0", "0.0"].contains(&member[1].as_str().unwrap()) {
                        member[1] = "0".into();
                    }
                }
            }
            _ => {}
        }
    }
    databases.to_string()
}

#[test]
fn equal_data_of_different_servers_have_equal_digests_and_others_have_not() {
    let mut cases: BTreeMap<String, BTreeMap<u128, (String, Vec<String>)>> = BTreeMap::new();
    let (mut equal, mut unequal) = (0, 0);
    for file in valid() {
        let Some(case) = file.json["case"].as_str().map(str::to_owned) else { continue };
        let server = file.name;
        // Of vector sets the server tells rounded vectors only, and each run makes other projections.
        if case == "vectorset" {
            continue;
        }
        let (census, normal) = (census_of(&file.rdb, usize::MAX), normal(&file.json));
        let digests = cases.entry(case.clone()).or_default();
        for (digest, (other, servers)) in digests.iter() {
            assert_eq!(*digest == census.digest, *other == normal, "{case}: {server} and {servers:?}");
        }
        match digests.entry(census.digest) {
            std::collections::btree_map::Entry::Occupied(mut one) => {
                equal += 1;
                one.get_mut().1.push(server);
            }
            std::collections::btree_map::Entry::Vacant(one) => {
                unequal += 1;
                one.insert((normal, vec![server]));
            }
        }
    }
    let enough = folder().is_none() || equal > 300;
    assert!(enough, "{equal} digests were equal to another server's, {unequal} were new");
}

#[test]
fn a_damaged_file_is_counted_as_far_as_it_was_read() {
    for file in damaged() {
        for cut in [usize::MAX, 13] {
            let mut counter = Counter::of_everything(0);
            let mut scanner = Scanner::new();
            let _ = file.rdb.chunks(cut).try_for_each(|part| scanner.push(part, &mut counter));
            let taken = counter.tally().taken;
            let census = counter.finish();
            let in_types: u64 = census.by_type.values().map(|total| total.keys).sum();
            assert_eq!((census.keys, in_types), (taken, taken), "{}", file.name);
            assert_eq!(decode(&encode(&census)).as_ref(), Ok(&census.folded()), "{}", file.name);
        }
    }
}

#[test]
fn how_a_file_is_cut_does_not_matter() {
    let mut chance = Chance::new(31);
    for server in ["redis-6.2.14", "redis-8.0.2", "valkey-9.1.2"] {
        for case in ["sampler", "stream_groups_large", "hash_hashtable", "string_1mib", "list_huge_elements", "mixed"] {
            let Some(file) = named(&format!("generated/{server}/{case}")) else {
                crate::support::skip("fixtures");
                return;
            };
            let bytes = file.rdb;
            let whole = census_of(&bytes, usize::MAX);
            let cuts = [1, 7, 100, 4096, 1 + chance.below(70_000) as usize];
            for cut in cuts.into_iter().filter(|cut| bytes.len() / cut < 400_000) {
                assert_eq!(census_of(&bytes, cut), whole, "{server} {case} in parts of {cut}");
            }
        }
    }
}

#[test]
fn vector_sets_are_read_element_by_element() {
    for server in ["redis-8.0.2", "redis-8.0.6"] {
        let Some(file) = named(&format!("generated/{server}/vectorset")) else {
            crate::support::skip("fixtures");
            return;
        };
        let json = file.json;
        let keys = list(&json["dbs"]["0"]).iter().filter(|key| key["type"] == "vectorset");
        let elements: usize = keys.map(|key| list(&key["value"]["elements"]).len()).sum();
        let census = census_of(&file.rdb, 100);
        assert_eq!(census.by_type[&KeyType::Vectorset].elements, elements as u64, "{server}");
    }
}
