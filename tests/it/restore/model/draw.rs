//! Draws cases: mostly small ones, in which names, choices and disturbances meet.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::case::{
    Blob, Case, Choices, Contents, Data, Disturbance, Existing, Expiry, Field, Group, Key, Origin, Stream, Ttl,
};

/// Few names, so that backup and target often have the same.
const NAMES: [&[u8]; 13] = [
    b"a",
    b"b",
    b"user:1",
    b"user:2",
    b"user:10",
    b"",
    b"a*b",
    b"[x]",
    b"\xff\x00\r\n",
    "\u{dc}n\u{ef}:1".as_bytes(),
    b"a b",
    b"{tag}1",
    b"user:\x01",
];
const GLOBS: [&str; 11] =
    ["*", "user:*", "?", "user:?", "[ab]", "[^a]*", "a\\*b", "\\[x\\]", "[x]", "*:1*", "nobody:*"];
const DATABASES: [u64; 4] = [0, 1, 2, 9];
const TYPES: [&str; 6] = ["string", "list", "set", "hash", "zset", "stream"];
const SCORES: [&str; 9] = ["0", "-0", "1.5", "-inf", "inf", "3e300", "17179869184", "0.1", "-7"];
const LIBRARIES: [&str; 3] = ["greet", "count", "tidy"];

/// Any case between servers of so many versions.
pub fn cases(n_servers: usize) -> impl Strategy<Value = Case> {
    let servers = (0..n_servers, 0..n_servers);
    let contents = (contents(12), prop_oneof![2 => Just(Contents::default()), 3 => contents(6)]);
    let how = (
        prop_oneof![3 => Just(Origin::Backup), 1 => Just(Origin::File)],
        prop_oneof![3 => Just("restore"), 3 => Just("commands"), 2 => Just("auto"), 1 => Just("replica")],
        choices(),
        select(vec![Existing::Nothing, Existing::Skip, Existing::Replace, Existing::ReplaceAll, Existing::Fail]),
    );
    let around =
        (any_bool(2, 1), any_bool(1, 3), any_bool(3, 1), option::weighted(0.7, 10_000..100_000_u32), disturbance());
    (servers, contents, how, around).prop_map(
        |((source, target), (backup, target_holds), (origin, method, choices, existing), around)| {
            let (accept_loss, is_proven, is_safe, rate, disturbance) = around;
            // What is refused anyway is drawn often enough.
            let must_be_empty = existing == Existing::Nothing && backup.keys.len() % 3 != 0;
            let target_holds = if must_be_empty { Contents::default() } else { target_holds };
            // Slow only where somebody waits for it.
            let rate = rate.filter(|_| disturbance != Disturbance::None && method != "replica");
            Case {
                source,
                target,
                backup,
                target_holds,
                origin,
                method,
                choices,
                existing,
                accept_loss,
                is_proven,
                is_safe,
                rate,
                disturbance,
            }
        },
    )
}

fn any_bool(no: u32, yes: u32) -> impl Strategy<Value = bool> {
    prop_oneof![no => Just(false), yes => Just(true)]
}

fn contents(most: usize) -> impl Strategy<Value = Contents> {
    let libraries = prop_oneof![3 => Just(Vec::new()), 1 => proptest::sample::subsequence(LIBRARIES.to_vec(), 1..=2)];
    (vec(key(), 0..=most), libraries).prop_map(|(keys, libraries)| {
        let unique: BTreeMap<_, _> = keys.into_iter().map(|key| ((key.database, key.name.clone()), key)).collect();
        Contents { keys: unique.into_values().collect(), libraries }
    })
}

fn key() -> impl Strategy<Value = Key> {
    let name = select(NAMES.to_vec()).prop_map(|name| Blob(name.to_vec()));
    let database = prop_oneof![4 => Just(0), 3 => select(DATABASES.to_vec())];
    (database, name, data(), expiry()).prop_map(|(database, name, data, expiry)| Key { database, name, data, expiry })
}

fn expiry() -> impl Strategy<Value = Expiry> {
    prop_oneof![
        12 => Just(Expiry::Never),
        5 => any::<u16>().prop_map(Expiry::Far),
        3 => Just(Expiry::Passed),
        1 => (300..2500_u16).prop_map(Expiry::Near),
    ]
}

fn blob() -> impl Strategy<Value = Blob> {
    prop_oneof![
        4 => "[a-z]{0,6}".prop_map(|text| Blob(text.into_bytes())),
        2 => any::<i64>().prop_map(|number| Blob(number.to_string().into_bytes())),
        2 => vec(any::<u8>(), 0..12).prop_map(Blob),
        1 => (50..5000_usize).prop_map(|length| Blob(vec![b'x'; length])),
    ]
}

fn data() -> impl Strategy<Value = Data> {
    let field = || (blob(), blob(), expiry()).prop_map(|(name, value, expiry)| Field { name, value, expiry });
    let fields = vec(field(), 1..6).prop_map(|fields| {
        let unique: BTreeMap<_, _> = fields.into_iter().map(|field| (field.name.clone(), field)).collect();
        Data::Hash(unique.into_values().collect())
    });
    prop_oneof![
        4 => blob().prop_map(Data::Text),
        2 => vec(blob(), 1..6).prop_map(Data::List),
        2 => vec(blob(), 1..6).prop_map(Data::Set),
        4 => fields,
        2 => vec((blob(), select(SCORES.to_vec())), 1..6).prop_map(Data::Zset),
        3 => stream().prop_map(Data::Stream),
        1 => (select(TYPES.to_vec()), 130..1500_usize, 1..120_usize)
            .prop_map(|(of, count, length)| Data::Many { of, count, length }),
    ]
}

fn stream() -> impl Strategy<Value = Stream> {
    let group =
        (vec(0..4_usize, 0..3), any::<bool>()).prop_map(|(consumers, acknowledged)| Group { consumers, acknowledged });
    (0..8_usize, option::of(1..4_usize), vec(group, 0..3)).prop_map(|(entries, deleted, groups)| Stream {
        entries,
        deleted,
        groups,
    })
}

fn choices() -> impl Strategy<Value = Choices> {
    let some = |of: Vec<&'static str>| prop_oneof![4 => Just(Vec::new()), 1 => vec(select(of), 1..3)];
    let moved = prop_oneof![3 => Just(None), 6 => select(vec![0, 1, 2, 5]).prop_map(Some), 1 => Just(Some(20_u64))];
    let databases = vec((select(DATABASES.to_vec()), moved), 1..3).prop_map(|moves| moves.into_iter().collect());
    let databases = prop_oneof![4 => Just(BTreeMap::new()), 1 => databases];
    let ttl = prop_oneof![4 => Just(Ttl::Keep), 1 => Just(Ttl::Shift), 1 => Just(Ttl::Strip)];
    // Most restores are of everything.
    let any = (some(GLOBS.to_vec()), some(GLOBS.to_vec()), databases, some(TYPES.to_vec()), ttl.clone())
        .prop_map(|(keys, exclude, databases, types, ttl)| Choices { keys, exclude, databases, types, ttl });
    let all = ttl.prop_map(|ttl| Choices {
        keys: Vec::new(),
        exclude: Vec::new(),
        databases: BTreeMap::new(),
        types: Vec::new(),
        ttl,
    });
    prop_oneof![2 => all, 3 => any]
}

fn disturbance() -> impl Strategy<Value = Disturbance> {
    prop_oneof![
        5 => Just(Disturbance::None),
        1 => (signal(), 0..1200_u64)
            .prop_map(|(name, after)| Disturbance::Signal { name, of_the_first_write: false, after }),
        3 => (signal(), 0..60_u64)
            .prop_map(|(name, after)| Disturbance::Signal { name, of_the_first_write: true, after }),
        2 => (any::<bool>(), 0..800_u64)
            .prop_map(|(of_the_backup, after)| Disturbance::Stranger { of_the_backup, after }),
    ]
}

fn signal() -> impl Strategy<Value = &'static str> {
    select(vec!["INT", "TERM", "KILL"])
}
