//! The digest: as documented, the same for the same data, and another after every edit.

use redis_ops::census::{Candidate, Census, Choice, Chosen, Count, Counter, Digester, KeyType, Record, Sink};
use redis_ops::rdb::types::ValueType;
use redis_ops::rdb::visit::{ArrayValue, Entry, EntryEnd, Piece, Visit};

use super::model::{Chance, Key, Value, tell};
use super::reference;

pub fn census(keys: &[Key], chance: &mut Chance) -> Census {
    let mut counter = Counter::of_everything(0);
    tell(keys, &mut counter, chance);
    counter.finish()
}

#[derive(Default)]
struct Contents(Vec<(Vec<u8>, u128, u128)>);

impl Sink for Contents {
    fn key(&mut self, record: &Record<'_>) {
        self.0.push((record.key.to_vec(), record.identity, record.content));
    }
}

#[test]
fn every_key_has_the_hash_that_the_documentation_says() {
    let mut chance = Chance::new(1);
    let keys: Vec<Key> = (0..3000).map(|number| Key::random(&mut chance, number)).collect();
    let mut digester = Digester::new(Contents::default());
    tell(&keys, &mut digester, &mut chance);
    let mut seen = digester.into_sink().0;
    assert_eq!(seen.len(), keys.len());
    seen.sort();
    let mut expected: Vec<_> =
        keys.iter().map(|key| (key.name.clone(), reference::identity(key), reference::content(key))).collect();
    expected.sort();
    for (seen, expected) in seen.iter().zip(&expected) {
        assert_eq!(seen, expected, "{:?}", keys.iter().find(|key| key.name == expected.0));
    }
}

#[test]
fn order_encoding_and_parts_do_not_matter() {
    let mut chance = Chance::new(2);
    let keys: Vec<Key> = (0..500).map(|number| Key::random(&mut chance, number)).collect();
    let expected = reference::digest(&keys);
    for _ in 0..20 {
        let census = census(&keys, &mut chance);
        assert_eq!((census.digest, census.keys), (expected, 500));
    }
}

/// A key with one value, told by hand.
fn told(encoding: u8, key: &[u8], pieces: &[Piece<'_>]) -> u128 {
    let mut counter = Counter::of_everything(0);
    let entry = Entry {
        database: 0,
        key,
        value_type: ValueType(encoding),
        expire_ms: None,
        idle_seconds: None,
        frequency: None,
        key_meta: None,
        value_offset: 0,
    };
    assert!(counter.entry(&entry).pieces);
    pieces.iter().for_each(|piece| counter.piece(*piece));
    counter.entry_end(&EntryEnd { raw_length: 1, n_elements: 0 });
    counter.finish().digest
}

#[test]
fn where_one_string_ends_and_the_next_begins_matters() {
    let pairs = [
        (
            told(1, b"k", &[Piece::ListElement(b"ab"), Piece::ListElement(b"c")]),
            told(1, b"k", &[Piece::ListElement(b"a"), Piece::ListElement(b"bc")]),
        ),
        (
            told(1, b"k", &[Piece::ListElement(b"a"), Piece::ListElement(b"b")]),
            told(1, b"k", &[Piece::ListElement(b"b"), Piece::ListElement(b"a")]),
        ),
        (told(1, b"k", &[Piece::ListElement(b"")]), told(1, b"k", &[Piece::ListElement(b""), Piece::ListElement(b"")])),
        (told(2, b"k", &[Piece::SetMember(b"a")]), told(1, b"k", &[Piece::ListElement(b"a")])),
        (told(0, b"ka", &[Piece::String(b"b")]), told(0, b"k", &[Piece::String(b"ab")])),
        (
            told(4, b"k", &[Piece::HashField { field: b"ab", value: b"c", expire_ms: None }]),
            told(4, b"k", &[Piece::HashField { field: b"a", value: b"bc", expire_ms: None }]),
        ),
        // Swapped values have the same fields and the same values.
        (
            told(
                4,
                b"k",
                &[
                    Piece::HashField { field: b"a", value: b"1", expire_ms: None },
                    Piece::HashField { field: b"b", value: b"2", expire_ms: None },
                ],
            ),
            told(
                4,
                b"k",
                &[
                    Piece::HashField { field: b"a", value: b"2", expire_ms: None },
                    Piece::HashField { field: b"b", value: b"1", expire_ms: None },
                ],
            ),
        ),
        // Added twice is not taken away, as it would be with exclusive or.
        (told(2, b"k", &[Piece::SetMember(b"a"), Piece::SetMember(b"a")]), told(2, b"k", &[])),
    ];
    for (index, (one, other)) in pairs.into_iter().enumerate() {
        assert_ne!(one, other, "pair {index}");
    }
    assert_eq!(told(0, b"k", &[]), told(0, b"k", &[Piece::String(b"")]), "an empty string has no part or an empty one");
}

#[test]
fn an_array_and_a_rate_limit_are_hashed_as_documented() {
    use reference::Row;
    let content = |name: &str, count: u64, value: u128| {
        Row::default().u64(0).str(b"k").str(name.as_bytes()).opt(None).u64(count).u128(value).hash()
    };
    let elements = [
        Piece::ArrayElement { index: 3, value: ArrayValue::Bytes(b"x") },
        Piece::ArrayElement { index: 9, value: ArrayValue::Integer(-12) },
        Piece::ArrayElement { index: 10, value: ArrayValue::Double(2.5) },
    ];
    let row = || {
        let row = Row::default().u64(3).raw(&[0]).str(b"x").u64(9).raw(&[0]).str(b"-12");
        row.u64(10).raw(&[1]).u64(2.5_f64.to_bits())
    };
    assert_eq!(told(28, b"k", &elements), content("array", 3, row().u64(u64::MAX).hash()));
    let with_index = [&[Piece::ArrayInsertIndex(11)], &elements[..]].concat();
    assert_eq!(told(28, b"k", &with_index), content("array", 3, row().u64(11).hash()));
    // Type 29 is a rate limit in one build and a template hash in others: the content tells.
    assert_eq!(told(29, b"k", &[Piece::Gcra(77)]), content("gcra", 1, Row::default().u64(77).hash()));
    assert_eq!(
        told(29, b"k", &[Piece::HashField { field: b"f", value: b"v", expire_ms: None }]),
        told(4, b"k", &[Piece::HashField { field: b"f", value: b"v", expire_ms: None }]),
    );
}

#[test]
fn a_vector_set_is_the_same_in_any_order_and_with_any_graph() {
    let id = (b"vectorset".iter()).fold(0_u64, |bits, byte| {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        bits << 6 | letters.iter().position(|letter| letter == byte).unwrap() as u64
    }) << 10;
    let set = |elements: &[(&'static [u8], &'static [u8], [u64; 3])]| {
        let mut pieces = vec![Piece::Module(id)];
        pieces.extend([3, elements.len() as u64, 16, 0].map(Piece::ModuleUnsigned));
        for (name, vector, parameters) in elements {
            pieces.extend([Piece::ModuleString(name), Piece::ModuleString(vector), Piece::ModuleUnsigned(3)]);
            pieces.extend(parameters.map(Piece::ModuleUnsigned));
        }
        told(7, b"k", &pieces)
    };
    let one = set(&[(b"a", b"123", [1, 0, 7]), (b"b", b"456", [2, 0, 8])]);
    use reference::Row;
    let element = |name: &[u8], vector: &[u8], last| Row::default().str(name).str(b"").str(vector).u64(last).hash();
    let value = Row::default().u64(3).u64(16).u64(0).u128(0);
    let value = value.sum([element(b"a", b"123", 7), element(b"b", b"456", 8)].into_iter()).hash();
    assert_eq!(one, Row::default().u64(0).str(b"k").str(b"vectorset").opt(None).u64(2).u128(value).hash());
    assert_eq!(one, set(&[(b"b", b"456", [1, 4, 8]), (b"a", b"123", [9, 1, 7])]));
    for other in [
        set(&[(b"a", b"123", [1, 0, 7])]),
        set(&[(b"a", b"123", [1, 0, 7]), (b"b", b"457", [2, 0, 8])]),
        set(&[(b"a", b"123", [1, 0, 7]), (b"c", b"456", [2, 0, 8])]),
        set(&[(b"a", b"123", [1, 0, 7]), (b"b", b"456", [2, 0, 9])]),
        set(&[(b"a", b"456", [1, 0, 7]), (b"b", b"123", [2, 0, 8])]),
    ] {
        assert_ne!(one, other);
    }
    // What is written in another way still counts, part by part.
    assert_ne!(
        told(7, b"k", &[Piece::Module(id), Piece::ModuleSigned(1)]),
        told(7, b"k", &[Piece::Module(id), Piece::ModuleSigned(2)])
    );
}

#[test]
fn what_is_chosen_counts_as_it_was_chosen_and_the_rest_is_counted_apart() {
    let mut chance = Chance::new(3);
    let keys: Vec<Key> = (0..400).map(|number| Key::random(&mut chance, number)).collect();
    // As a restore would: only databases 0 and 1, into one; expiries moved by an hour; no lists; what has expired not at all.
    struct Restored(i64);
    impl Choice for Restored {
        fn may_take(&mut self, database: u64, _key: &[u8]) -> bool {
            database <= 1
        }
        fn database(&mut self, _database: u64) -> u64 {
            7
        }
        fn choose(&mut self, candidate: &Candidate<'_>) -> Chosen {
            assert!(candidate.database <= 1);
            match candidate {
                Candidate { key_type: KeyType::List, .. } => Chosen::Leave,
                Candidate { expire_ms: Some(moment), .. } if *moment < self.0 => Chosen::Expired,
                Candidate { expire_ms, .. } => Chosen::Take { expire_ms: expire_ms.map(|moment| moment + 3_600_000) },
            }
        }
    }
    let limit = 1_900_500_000_000;
    let mut counter = Digester::choosing(Count::new(0), Restored(limit));
    tell(&keys, &mut counter, &mut chance);
    let tally = counter.tally();
    let mut expected = Vec::new();
    let (mut left, mut expired) = (0, 0);
    for key in keys {
        if key.database > 1 || matches!(key.value, Value::List(_)) {
            left += 1;
        } else if key.expire_ms.is_some_and(|moment| moment < limit) {
            expired += 1;
        } else {
            expected.push(Key { database: 7, expire_ms: key.expire_ms.map(|moment| moment + 3_600_000), ..key });
        }
    }
    assert!(left > 0 && expired > 0 && !expected.is_empty());
    assert_eq!((tally.taken, tally.left, tally.expired), (expected.len() as u64, left, expired));
    let result = counter.finish();
    assert_eq!(result.digest, reference::digest(&expected));
    let direct = census(&expected, &mut chance);
    assert_eq!((&result.buckets, &result.by_database), (&direct.buckets, &direct.by_database));
}

#[test]
fn fields_that_have_expired_can_be_left_out() {
    let field = |name: &str, expiry| (name.as_bytes().to_vec(), b"v".to_vec(), expiry);
    let key = |name: &str, fields| Key { database: 0, name: name.into(), expire_ms: None, value: Value::Hash(fields) };
    let before = [
        key("some", vec![field("a", None), field("b", Some(99)), field("c", Some(100))]),
        key("all", vec![field("a", Some(1)), field("b", Some(99))]),
    ];
    let after = [key("some", vec![field("a", None), field("c", Some(100))]), key("all", vec![])];

    struct Emptied(Vec<Vec<u8>>);
    impl Sink for Emptied {
        fn key(&mut self, record: &Record<'_>) {
            if record.emptied {
                self.0.push(record.key.to_vec());
            }
        }
    }
    let mut counter = Digester::new((Count::new(0), Emptied(Vec::new()))).fields_expired_before(100);
    tell(&before, &mut counter, &mut Chance::new(4));
    let (count, emptied) = counter.into_sink();
    let census = count.finish();
    assert_eq!(census.digest, reference::digest(&after));
    assert_eq!((census.fields_with_expiry, emptied.0), (4, vec![b"all".to_vec()]));
}
