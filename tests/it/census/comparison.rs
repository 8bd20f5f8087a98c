//! The comparison names exactly what was changed.

use std::collections::BTreeMap;

use redis_ops::census::Digester;
use redis_ops::comparison::{BucketSet, Difference, Differences, Options, Recorder, compare, compare_buckets};
use redis_ops::rdb::visit::{StreamId, Visit};
use tempfile::TempDir;

use super::digest::census;
use super::model::{Chance, Group, Key, Pending, Value, tell};

/// No key in these tests has expired by then, unless a test says so.
const NOW: i64 = 1_800_000_000_000;

struct Comparing {
    folder: TempDir,
    options: Options,
    buckets: Option<BucketSet>,
}

impl Comparing {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::new(folder.path(), NOW);
        Self { folder, options, buckets: None }
    }

    fn recorded(&self, keys: &[Key], chance: &mut Chance) -> Recorder {
        let mut digester = Digester::new(Recorder::new(&self.options)).fields_expired_before(self.options.look_ms);
        if let Some(buckets) = &self.buckets {
            digester.sink_mut().restrict(buckets);
        }
        tell(keys, &mut digester, chance);
        let tally = digester.tally();
        if !digester.stopped() {
            assert_eq!((tally.taken, tally.taken + tally.unwanted), (digester.sink().recorded(), keys.len() as u64));
        }
        digester.into_sink()
    }

    /// Compares two sides.
    fn run(&self, left: &[Key], right: &[Key], chance: &mut Chance) -> Differences {
        let one = self.recorded(left, chance);
        let other = self.recorded(right, chance);
        let differences = compare(one, other, &self.options).unwrap();
        assert_eq!(std::fs::read_dir(self.folder.path()).unwrap().count(), 0, "no file remains");
        differences
    }
}

fn named(differences: &Differences) -> BTreeMap<(u64, Vec<u8>), Difference> {
    let examples = differences.examples.iter();
    examples.map(|example| (example.key.clone(), example.difference)).collect()
}

/// The beginning of what a key is, for a message.
fn about(key: &Key) -> String {
    format!("{key:?}").chars().take(500).collect()
}

fn random_keys(chance: &mut Chance, count: u64) -> Vec<Key> {
    (0..count).map(|number| Key::random(chance, number)).collect()
}

/// Changes one key, and says how; nothing if this key cannot be changed so.
fn edit(key: &mut Key, chance: &mut Chance) -> Option<Difference> {
    if chance.one_in(6) {
        key.expire_ms = match key.expire_ms {
            Some(moment) if chance.one_in(2) => Some(moment + if chance.one_in(2) { 1 } else { -1000 }),
            Some(_) => None,
            None => Some(2_000_000_000_000),
        };
        return Some(Difference::Expiry);
    }
    let before = key.value.clone();
    match &mut key.value {
        Value::String(bytes) if bytes.is_empty() => bytes.push(0),
        Value::String(bytes) => {
            let at = chance.index(bytes);
            bytes[at] ^= 1 << chance.below(8);
        }
        Value::List(elements) => match chance.below(4) {
            0 => elements.push(chance.bytes()),
            1 => drop(elements.remove(chance.index(elements))),
            2 => elements.reverse(),
            _ => {
                let at = chance.index(elements);
                elements[at].push(b'+');
            }
        },
        Value::Set(members) => match chance.below(3) {
            0 => members.push(b"new".to_vec()),
            1 if members.len() > 1 => drop(members.remove(chance.index(members))),
            _ => {
                let at = chance.index(members);
                members[at].push(b'+');
            }
        },
        Value::Hash(fields) => {
            let at = chance.index(fields);
            match chance.below(5) {
                0 => fields.push((b"new".to_vec(), b"".to_vec(), None)),
                1 if fields.len() > 1 => drop(fields.remove(at)),
                2 => fields[at].0.push(b'+'),
                3 => fields[at].2 = fields[at].2.map_or(Some(1_999_999_999_999), |moment| Some(moment + 1)),
                _ => fields[at].1.push(0),
            }
        }
        Value::Zset(members) => {
            let at = chance.index(members);
            match chance.below(3) {
                0 => members.push((b"new".to_vec(), 0.0)),
                1 => members[at].0.push(b'+'),
                _ => members[at].1 = if members[at].1 == 1.5 { 1.5000000000000002 } else { 1.5 },
            }
        }
        Value::Stream(stream) => match chance.below(4) {
            0 => stream.last_id.seq += 1,
            1 if !stream.entries.is_empty() => {
                let at = chance.index(&stream.entries);
                stream.entries[at].1.push((b"f".to_vec(), b"v".to_vec()));
            }
            2 => stream.groups.push(Group { name: b"new group".to_vec(), ..Group::default() }),
            _ => edit_group(stream.groups.first_mut()?, chance),
        },
        Value::Module(_, parts) => parts.push(super::model::Part::Unsigned(1)),
    }
    (key.value != before).then_some(Difference::Value)
}

fn edit_group(group: &mut Group, chance: &mut Chance) {
    let consumers = group.consumers.clone();
    let several = group.pending.len() > 1;
    match (chance.below(6), group.pending.first_mut()) {
        (0, Some(pending)) => pending.count += 1,
        (1, Some(pending)) => pending.delivered_ms += 1,
        // Another owner, or none any more.
        (2, Some(pending)) => {
            let owner = consumers.iter().find(|name| Some(*name) != pending.owner.as_ref()).cloned();
            pending.owner = if pending.owner.is_some() && chance.one_in(2) { None } else { owner };
        }
        (3, Some(pending)) => pending.id.seq += 100,
        (4, _) => group.consumers.push(b"new consumer".to_vec()),
        (_, Some(_)) if several => drop(group.pending.pop()),
        _ => {
            let id = StreamId { ms: 1, seq: 0 };
            group.pending.push(Pending { id, delivered_ms: 1, count: 1, owner: Some(consumers[0].clone()) });
        }
    }
}

#[test]
fn a_single_edit_among_many_keys_is_found_and_named_a_thousand_times() {
    let mut chance = Chance::new(21);
    let left = random_keys(&mut chance, 200);
    let left_census = census(&left, &mut chance);
    let mut comparing = Comparing::new();
    let (mut edits, mut seen) = (0, BTreeMap::new());
    while edits < 1500 {
        let mut right = left.clone();
        let at = chance.index(&right);
        let mut key = right[at].clone();
        let expected = match chance.below(10) {
            0 => {
                right.remove(at);
                Difference::Missing
            }
            1 => {
                key.name.extend(b"-extra");
                right.push(key.clone());
                Difference::Extra
            }
            2 if !matches!(key.value, Value::Set(_)) => {
                key.value = Value::Set(vec![b"m".to_vec()]);
                right[at] = key.clone();
                Difference::Type
            }
            _ => {
                let Some(expected) = edit(&mut key, &mut chance) else { continue };
                right[at] = key.clone();
                expected
            }
        };
        edits += 1;
        *seen.entry(expected).or_insert(0) += 1;
        let right_census = census(&right, &mut chance);
        assert!((right_census.keys, right_census.digest) != (left_census.keys, left_census.digest), "{}", about(&key));

        // In one bucket, and only its keys are looked at.
        let buckets = compare_buckets(&left_census.folded().buckets, &right_census.buckets);
        assert_eq!(buckets.buckets.count(), 1, "{}", about(&key));
        assert_eq!(buckets.left_keys + buckets.equal_keys, 200);
        comparing.buckets = Some(buckets.buckets);
        let differences = comparing.run(&left, &right, &mut chance);
        let wanted = BTreeMap::from([((key.database, key.name.clone()), expected)]);
        assert!(named(&differences) == wanted, "{expected:?} of {}", about(&key));
        assert_eq!(differences.count(expected), 1);
        assert_eq!(differences.missing + differences.extra + differences.different(), 1);
        let equal = if expected == Difference::Extra { 200 } else { 199 };
        assert_eq!(differences.equal + buckets.equal_keys, equal);
    }
    assert_eq!(seen.len(), Difference::ALL.len(), "{seen:?}");
}

#[test]
fn telling_the_same_keys_again_is_no_difference_a_thousand_times() {
    let mut chance = Chance::new(22);
    let comparing = Comparing::new();
    for _ in 0..1000 {
        let keys = random_keys(&mut chance, 12);
        let (left, right) = (census(&keys, &mut chance), census(&keys, &mut chance));
        assert!((left.keys, left.digest) == (right.keys, right.digest));
        let buckets = compare_buckets(&left.buckets, &right.folded().buckets);
        assert!(buckets.buckets.is_empty() && buckets.equal_keys == 12);
        let differences = comparing.run(&keys, &keys, &mut chance);
        assert!(differences.is_equal() && differences.equal == 12, "{differences:?}");
    }
}

#[test]
fn many_differences_are_counted_exactly_whether_they_fit_the_memory_or_not() {
    let mut chance = Chance::new(23);
    let left = random_keys(&mut chance, 5000);
    let mut right = Vec::new();
    let mut expected = BTreeMap::new();
    for key in &left {
        let mut key = key.clone();
        if chance.one_in(10) {
            expected.insert((key.database, key.name.clone()), Difference::Missing);
            continue;
        }
        if chance.one_in(5)
            && let Some(difference) = edit(&mut key, &mut chance)
        {
            expected.insert((key.database, key.name.clone()), difference);
        }
        right.push(key);
    }
    for number in 0..300 {
        let key = Key::random(&mut chance, 1_000_000 + number);
        expected.insert((key.database, key.name.clone()), Difference::Extra);
        right.push(key);
    }
    for (memory_limit, spills) in [(32 << 20, false), (100_000, true), (4_000, true), (0, true)] {
        let mut comparing = Comparing::new();
        comparing.options.memory_limit = memory_limit;
        comparing.options.examples = 10_000;
        assert_eq!(comparing.recorded(&left, &mut chance).spilled(), spills, "{memory_limit} bytes");
        let differences = comparing.run(&left, &right, &mut chance);
        assert!(named(&differences) == expected, "{memory_limit} bytes");
        for difference in Difference::ALL {
            let count = expected.values().filter(|other| **other == difference).count() as u64;
            assert!(count > 0 || difference == Difference::Type);
            assert_eq!(differences.count(difference), count, "{difference:?}");
        }
        assert_eq!(differences.equal + differences.different() + differences.missing, 5000);
        assert_eq!(differences.equal + differences.different() + differences.extra, right.len() as u64);
    }
}

#[test]
fn examples_are_few_and_counts_are_all() {
    let mut chance = Chance::new(24);
    let mut comparing = Comparing::new();
    comparing.options.examples = 3;
    let differences = comparing.run(&random_keys(&mut chance, 50), &[], &mut chance);
    assert_eq!((differences.missing, differences.examples.len()), (50, 3));
    assert!(!differences.is_equal() && differences.ratio() == 0.0);
}

fn string(name: &str, expire_ms: Option<i64>) -> Key {
    Key { database: 0, name: name.into(), expire_ms, value: Value::String(b"v".to_vec()) }
}

#[test]
fn what_has_expired_since_is_no_difference() {
    let mut chance = Chance::new(25);
    let field = |name: &str, expiry| (name.as_bytes().to_vec(), b"v".to_vec(), expiry);
    let hash = |name: &str, fields| Key { database: 0, name: name.into(), expire_ms: None, value: Value::Hash(fields) };
    let left = [
        string("gone", Some(NOW - 1)),
        string("missing, though there is time", Some(NOW)),
        hash("one field gone", vec![field("a", None), field("b", Some(NOW - 1))]),
        hash("all fields gone", vec![field("a", Some(NOW - 1))]),
    ];
    // The living server has dropped what expired, and keeps a key that is on its way out.
    let right = [string("on its way", Some(NOW - 5)), hash("one field gone", vec![field("a", None)])];
    let differences = Comparing::new().run(&left, &right, &mut chance);
    assert_eq!((differences.equal, differences.expired, differences.missing), (1, 3, 1));
    assert_eq!(named(&differences).keys().next().unwrap().1, b"missing, though there is time");

    let mut never = Comparing::new();
    never.options.look_ms = i64::MIN;
    let differences = never.run(&left, &right, &mut chance);
    assert_eq!((differences.expired, differences.missing, differences.extra), (0, 3, 1));
}

#[test]
fn expiries_within_the_tolerance_are_equal() {
    let mut chance = Chance::new(26);
    let mut comparing = Comparing::new();
    comparing.options.ttl_tolerance_ms = 1000;
    let moment = 1_900_000_000_000;
    for (left, right, equal) in [
        (Some(moment), Some(moment + 1000), true),
        (Some(moment), Some(moment - 1000), true),
        (Some(moment), Some(moment + 1001), false),
        (Some(moment), None, false),
        (None, Some(moment), false),
        (None, None, true),
    ] {
        let differences = comparing.run(&[string("k", left)], &[string("k", right)], &mut chance);
        assert_eq!(differences.is_equal(), equal, "{left:?} {right:?}");
        assert_eq!(differences.different_expiry, u64::from(!equal));
    }
}

#[test]
fn a_key_in_another_database_is_missing_here_and_extra_there() {
    let mut chance = Chance::new(27);
    let moved = Key { database: 3, ..string("k", None) };
    let differences = Comparing::new().run(&[string("k", None)], &[moved], &mut chance);
    let expected = [((0, b"k".to_vec()), Difference::Missing), ((3, b"k".to_vec()), Difference::Extra)];
    assert_eq!(named(&differences), expected.into());
}

#[test]
fn of_a_key_that_is_read_twice_the_last_counts() {
    let mut chance = Chance::new(28);
    for memory_limit in [1 << 20, 0] {
        let mut comparing = Comparing::new();
        comparing.options.memory_limit = memory_limit;
        let mut digester = Digester::new(Recorder::new(&comparing.options));
        tell(&[string("k", None)], &mut digester, &mut chance);
        tell(&[string("k", Some(1_900_000_000_000))], &mut digester, &mut chance);
        let right = comparing.recorded(&[string("k", Some(1_900_000_000_000))], &mut chance);
        let differences = compare(digester.into_sink(), right, &comparing.options).unwrap();
        assert_eq!((differences.equal, differences.left_duplicates), (1, 1));
        assert!(differences.is_equal());
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_and_not_an_answer() {
    let mut chance = Chance::new(29);
    let mut comparing = Comparing::new();
    comparing.options.memory_limit = 0;
    comparing.options.folder = comparing.folder.path().join("not there");
    let keys = random_keys(&mut chance, 3);
    let left = comparing.recorded(&keys, &mut chance);
    let right = comparing.recorded(&keys, &mut chance);
    assert_eq!(compare(left, right, &comparing.options).unwrap_err().kind(), std::io::ErrorKind::NotFound);
}
