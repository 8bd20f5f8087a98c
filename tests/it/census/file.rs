//! `census.bin`: read as it was written, and safe on anything else.

use redis_ops::census::{Counter, Malformed, decode, encode};
use redis_ops::rdb::visit::Visit;
use xxhash_rust::xxh3::xxh3_128;

use super::digest::census;
use super::model::{Chance, Key, tell};

fn example(keys: u64) -> redis_ops::census::Census {
    let mut chance = Chance::new(keys);
    let keys: Vec<Key> = (0..keys).map(|number| Key::random(&mut chance, number)).collect();
    let mut counter = Counter::of_everything(-5);
    counter.function(b"#!lua name=mine engine=lua\nreturn 1");
    tell(&keys, &mut counter, &mut chance);
    counter.finish()
}

#[test]
fn a_census_is_read_as_it_was_written() {
    for keys in [0, 1, 5, 300, 3000] {
        let census = example(keys);
        let bytes = encode(&census);
        assert_eq!(decode(&bytes).as_ref(), Ok(&census.folded()), "{keys} keys");
        assert_eq!(encode(&census.folded()), bytes);
        assert!(bytes.len() < 160_000, "{keys} keys in {} bytes", bytes.len());
    }
    assert!(encode(&example(0)).len() < 200);
}

#[test]
fn what_is_cut_or_changed_is_refused() {
    let bytes = encode(&example(40));
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length]).is_err(), "cut to {length}");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(decode(&changed).is_err(), "byte {at} changed");
    }
    assert_eq!(decode(b""), Err(Malformed::Magic));
    assert_eq!(decode(b"RDBCENSU"), Err(Malformed::Checksum));
}

/// With the right checksum, so that only a look at the sections finds it.
fn sealed(mut content: Vec<u8>) -> Vec<u8> {
    let checksum = xxh3_128(&content);
    content.extend(checksum.to_le_bytes());
    content
}

#[test]
fn whatever_stands_in_the_sections_is_read_or_refused() {
    let bytes = encode(&example(12));
    let content = &bytes[..bytes.len() - 16];
    let mut chance = Chance::new(9);
    for _ in 0..20_000 {
        let mut changed = content.to_vec();
        for _ in 0..=chance.below(3) {
            let at = 16 + chance.index(&changed[16..]);
            changed[at] = if chance.one_in(2) { 0xff } else { chance.next() as u8 };
        }
        changed.truncate(if chance.one_in(4) { chance.index(&changed) } else { changed.len() });
        if let Ok(census) = decode(&sealed(changed)) {
            let total = census.buckets.total();
            assert_eq!((total.keys, total.digest), (census.keys, census.digest));
        }
    }
}

#[test]
fn versions_are_told_apart() {
    let bytes = encode(&example(3));
    let content = &bytes[..bytes.len() - 16];
    let changed = |at: usize, value: u8| {
        let mut changed = content.to_vec();
        changed[at] = value;
        decode(&sealed(changed))
    };
    assert_eq!(changed(8, 2), Err(Malformed::Newer(2)));
    assert_eq!(changed(12, 9), Err(Malformed::Digest(9)));
    assert_eq!(changed(0, b'X'), Err(Malformed::Magic));
    // A section that this version does not know.
    let mut more = content.to_vec();
    more.extend([200]);
    more.extend(3_u64.to_le_bytes());
    more.extend(b"new");
    assert_eq!(decode(&sealed(more)), Ok(example(3).folded()));
    // Twice the same section; a section missing.
    let twice = [content, &content[16..]].concat();
    assert_eq!(decode(&sealed(twice)), Err(Malformed::Section(1)));
    assert_eq!(decode(&sealed(content[..16].to_vec())), Err(Malformed::Missing(1)));
}

#[test]
fn an_empty_data_set_has_the_digest_zero() {
    assert_eq!(census(&[], &mut Chance::new(0)).digest_hex(), "0".repeat(32));
}
