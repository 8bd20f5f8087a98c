//! Counts, histogram, largest keys, functions, and putting shards together.

use redis_ops::census::{Census, Count, Counter, Digester, KeyType, SLOT_NAMES, bucket_index};
use redis_ops::rdb::types::ValueType;
use redis_ops::rdb::visit::{Entry, EntryEnd, Piece, Visit};

use super::digest::census;
use super::model::{Chance, Key, Value, tell};
use super::reference;

#[test]
fn keys_are_counted_by_database_type_and_bucket() {
    let mut chance = Chance::new(11);
    let keys: Vec<Key> = (0..2000).map(|number| Key::random(&mut chance, number)).collect();
    let census = census(&keys, &mut chance);
    assert_eq!(census.keys, 2000);
    assert_eq!(census.expires, keys.iter().filter(|key| key.expire_ms.is_some()).count() as u64);
    for (database, total) in &census.by_database {
        let own = keys.iter().filter(|key| key.database == *database);
        assert_eq!(total.keys, own.clone().count() as u64, "database {database}");
        assert_eq!(total.expires, own.filter(|key| key.expire_ms.is_some()).count() as u64);
    }
    assert_eq!(census.by_database.values().map(|total| total.keys).sum::<u64>(), 2000);
    for (key_type, total) in &census.by_type {
        let own = keys.iter().map(|key| reference::value(&key.value)).filter(|value| value.0 == key_type.to_string());
        assert_eq!(total.keys, own.clone().count() as u64, "{key_type}");
        assert_eq!(total.elements, own.map(|value| value.1 as u64).sum::<u64>(), "{key_type}");
    }
    assert_eq!(census.by_type.len(), 7);
    let folded = census.buckets.folded(5);
    for (index, bucket) in folded.all().iter().enumerate() {
        let own: Vec<Key> =
            keys.iter().filter(|key| bucket_index(reference::identity(key), 5) == index).cloned().collect();
        assert_eq!((bucket.keys, bucket.digest), (own.len() as u64, reference::digest(&own)), "bucket {index}");
    }
}

/// Tells a string key with so many bytes and this expiry.
fn tell_string(visitor: &mut impl Visit, name: &[u8], raw_length: u64, expire_ms: Option<i64>) {
    let entry = Entry {
        database: 0,
        key: name,
        value_type: ValueType(0),
        expire_ms,
        idle_seconds: None,
        frequency: None,
        key_meta: None,
        value_offset: 0,
    };
    visitor.entry(&entry);
    visitor.piece(Piece::String(b"x"));
    visitor.entry_end(&EntryEnd { raw_length, n_elements: 0 });
}

#[test]
fn time_left_is_reckoned_from_the_making_of_the_file() {
    let mut counter = Counter::of_everything(5);
    counter.aux(b"ctime", b"1000");
    let moment = 1_000_000;
    let hour = 3_600_000;
    let cases = [
        (moment - 1, "expired"),
        (i64::MIN + 1, "expired"),
        (moment, "1m"),
        (moment + 60_000, "1m"),
        (moment + 60_001, "10m"),
        (moment + hour, "1h"),
        (moment + hour + 1, "6h"),
        (moment + 24 * hour, "1d"),
        (moment + 7 * 24 * hour, "7d"),
        (moment + 400 * 24 * hour, "longer"),
        (i64::MAX, "longer"),
    ];
    for (at, (expiry, _)) in cases.iter().enumerate() {
        tell_string(&mut counter, at.to_string().as_bytes(), 3, Some(*expiry));
    }
    tell_string(&mut counter, b"never", 3, None);
    let census = counter.finish();
    assert_eq!(census.expiry.moment_ms, moment);
    for (slot, name) in SLOT_NAMES.iter().enumerate() {
        let expected = cases.iter().filter(|case| case.1 == *name).count() as u64;
        assert_eq!(census.expiry.slots[slot], expected, "{name}");
    }
    assert_eq!((census.expiry.earliest_ms, census.expiry.latest_ms), (Some(i64::MIN + 1), Some(i64::MAX)));
}

#[test]
fn the_largest_keys_are_the_same_in_any_order() {
    let mut chance = Chance::new(12);
    // Many of the same size, so that the names decide.
    let mut keys: Vec<(String, u64)> = (0..1000).map(|at| (format!("k{at:04}"), 10 + at % 7)).collect();
    let mut expected = keys.clone();
    expected.sort_by_key(|(name, length)| (u64::MAX - length, name.clone()));
    for limit in [0, 1, 7, 100, 999, 1000, 2000] {
        for _ in 0..5 {
            chance.shuffle(&mut keys);
            let mut counter = Digester::new(Count::keeping(0, limit));
            keys.iter().for_each(|(name, length)| tell_string(&mut counter, name.as_bytes(), *length, None));
            let census = counter.finish();
            let seen: Vec<_> = census.largest.keys().iter().map(|key| (&key.name[..], key.bytes)).collect();
            let wanted: Vec<_> =
                expected.iter().take(limit).map(|(name, length)| (name.as_bytes(), length + 5)).collect();
            assert_eq!(seen, wanted, "{limit} kept");
        }
    }
}

#[test]
fn a_long_name_is_cut_and_its_length_told() {
    let mut counter = Counter::of_everything(0);
    tell_string(&mut counter, &[b'n'; 5000], 2, None);
    let census = counter.finish();
    let key = &census.largest.keys()[0];
    assert_eq!((key.name.len(), key.name_length, key.bytes), (1024, 5000, 5002));
    assert_eq!((key.key_type, key.elements, key.database), (KeyType::String, 1, 0));
}

#[test]
fn functions_are_a_set_apart_from_the_keys() {
    let source = |name: &str| format!("#!lua name={name}\nredis.register_function('f', function() end)").into_bytes();
    let functions = |names: &[&str]| {
        let mut counter = Counter::of_everything(0);
        names.iter().for_each(|name| counter.function(&source(name)));
        counter.finish()
    };
    let both = functions(&["one", "two"]);
    assert_eq!((both.functions.count(), both.keys, both.digest), (2, 0, 0));
    assert_eq!(both.functions.names(), [b"one", b"two"]);
    let hash = |name| reference::Row::default().str(&source(name)).hash();
    assert_eq!(both.functions.digest(), hash("one").wrapping_add(hash("two")));
    assert_eq!(functions(&["two", "one", "two"]).functions, both.functions);
    assert_ne!(functions(&["one"]).functions.digest(), both.functions.digest());
    // Every shard of a cluster has them all.
    assert_eq!(both.merged(&both).functions, both.functions);
}

#[test]
fn shards_are_put_together_in_any_order_and_make_the_whole() {
    let mut chance = Chance::new(13);
    let shards: Vec<Vec<Key>> = [700, 3, 300]
        .iter()
        .enumerate()
        .map(|(at, count)| (0..*count).map(|number| Key::random(&mut chance, (at as u64) << 32 | number)).collect())
        .collect();
    let parts: Vec<Census> = shards.iter().map(|keys| census(keys, &mut chance)).collect();
    let [a, b, c] = &parts[..] else { panic!("three shards") };
    let merged = a.merged(b).merged(c);
    assert_eq!(merged, a.merged(&b.merged(c)));
    assert_eq!(merged, c.merged(a).merged(b));
    let whole: Vec<Key> = shards.concat();
    let whole = census(&whole, &mut chance);
    assert_eq!((merged.digest, merged.keys, merged.expires), (whole.digest, whole.keys, whole.expires));
    assert_eq!((&merged.buckets, &merged.expiry), (&whole.buckets, &whole.expiry));
    assert_eq!(merged.by_database, whole.by_database);
    assert!((merged.keys, merged.digest) == (whole.keys, whole.digest));
}

#[test]
fn many_databases_and_modules_do_not_take_much_memory() {
    let mut counter = Counter::of_everything(0);
    let mut chance = Chance::new(14);
    for number in 0..20_000_u64 {
        let value = Value::Module(number << 10, vec![]);
        let key = Key { database: number, name: vec![], expire_ms: None, value };
        tell(&[key], &mut counter, &mut chance);
    }
    let census = counter.finish();
    assert_eq!((census.by_database.len(), census.by_type.len()), (16_384, 256));
    assert_eq!((census.other_databases.keys, census.other_types.keys), (20_000 - 16_384, 20_000 - 256));
}
