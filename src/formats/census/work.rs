//! How much work a file can make: counted in bytes that are hashed, since a clock says something else on every machine.

use super::Counter;
use super::sponge::tests::HASHED;
use crate::rdb::Scanner;

/// Bytes of a name that stands in the file once.
const LONG: usize = 100_000;

/// How often it is used.
const USES: u16 = 2000;

/// No more than so many bytes are hashed for one of the file. A value of a byte that has a field of 128 comes near.
const MOST: u64 = 100;

/// A census of a Redis file of this version, without a checksum.
/// Gives the digest.
#[track_caller]
fn check(what: &str, version: &str, records: &[u8]) -> u128 {
    let file = [b"REDIS", version.as_bytes(), records, &[0xff, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    HASHED.set(0);
    let (mut scanner, mut counter) = (Scanner::new(), Counter::of_everything(0));
    scanner.push(&file, &mut counter).unwrap_or_else(|error| panic!("{what}: {error}"));
    scanner.finish().unwrap_or_else(|error| panic!("{what}: {error}"));
    let (hashed, length) = (HASHED.get(), file.len() as u64);
    let census = counter.finish();
    assert!(census.keys > 0);
    assert!(hashed > 0 && hashed <= length * MOST, "{what}: {hashed} bytes are hashed in a file of {length}");
    census.digest
}

/// A length in the form of 32 bits.
fn length(n: usize) -> Vec<u8> {
    [&[0x80][..], &u32::try_from(n).unwrap().to_be_bytes()].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&length(bytes.len()), bytes].concat()
}

/// A small number of a listpack.
fn small(number: u8) -> Vec<u8> {
    vec![number, 1]
}

/// A text of a listpack: 0xf0 and 32 bits of length before it, its length behind it in groups of seven bits.
fn text(bytes: &[u8]) -> Vec<u8> {
    let whole = bytes.len() + 5;
    assert!((0x4000..0x20_0000).contains(&whole));
    let head = u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let back = [(whole >> 14) as u8, 0x80 | (whole >> 7) as u8, 0x80 | whole as u8];
    [&[0xf0][..], &head, bytes, &back].concat()
}

fn listpack(n_elements: u16, elements: &[u8]) -> Vec<u8> {
    let total = u32::try_from(elements.len() + 7).unwrap().to_le_bytes();
    [&total[..], &n_elements.to_le_bytes(), elements, &[0xff]].concat()
}

/// A stream of type 15 with one node, and what follows its last id.
fn stream(n_entries: u16, node: &[u8], behind: &[u8]) -> Vec<u8> {
    [
        &[15][..],
        &string(b"k"),
        &[1],
        &string(&[0; 16]),
        &string(node),
        &length(n_entries.into()),
        &length(usize::MAX >> 33),
        &[0],
        behind,
    ]
    .concat()
}

#[test]
fn a_field_that_many_entries_of_a_stream_share_is_hashed_once() {
    let number = |n: u16| [&[0xf1][..], &n.to_le_bytes(), &[3]].concat();
    let mut node = [number(USES), small(0), small(1), text(&[b'f'; LONG]), small(0)].concat();
    for entry in 1..=USES {
        // The master's fields, a later millisecond, one value, four elements before this one.
        node.extend([small(2), number(entry), small(0), small(1), small(4)].concat());
    }
    check("stream", "0011", &stream(USES, &listpack(5 + 5 * USES, &node), &[0]));
}

#[test]
fn a_consumer_that_owns_many_entries_is_hashed_once() {
    let ids: Vec<[u8; 16]> = (0..u128::from(USES)).map(u128::to_be_bytes).collect();
    let pending: Vec<u8> = ids.iter().flat_map(|id| [&id[..], &[0; 8], &[1]].concat()).collect();
    let mut group = [string(b"group"), vec![0, 0], length(ids.len()), pending].concat();
    group.extend([vec![1], string(&[b'c'; LONG]), vec![0; 8], length(ids.len()), ids.concat()].concat());
    let none = listpack(4, &[small(0), small(0), small(0), small(0)].concat());
    check("consumer", "0011", &stream(0, &none, &[vec![1], group].concat()));
}

#[test]
fn a_field_that_many_hashes_share_is_hashed_once() {
    let template = [vec![242, 1, 2], string(&[b'f'; LONG]), string(&[b'g'; LONG])].concat();
    let one = |key: u16| [&[32, 2][..], &key.to_le_bytes(), &[1, 0xc0, 5, 0xc0, 6]].concat();
    check("template", "0015", &[template, (0..USES).flat_map(one).collect()].concat());
    // The same in one listpack: the template's number, then the values.
    let template = [vec![242, 1, 1], string(&[b'f'; LONG])].concat();
    let values = listpack(2, &[small(1), small(5)].concat());
    let one = |key: u16| [&[30, 2][..], &key.to_le_bytes(), &string(&values)].concat();
    check("packed template", "0015", &[template, (0..USES).flat_map(one).collect()].concat());
}

#[test]
fn whether_a_long_field_is_shared_makes_no_difference() {
    let field = [b'f'; LONG];
    let hash = [vec![4], string(b"k"), vec![1], string(&field), string(b"v")].concat();
    let template = [vec![242, 1, 1], string(&field), vec![32], string(b"k"), vec![1], string(b"v")].concat();
    assert_eq!(check("hash", "0015", &hash), check("hash with a template", "0015", &template));

    // Count, deleted, fields, end; flags, milliseconds, sequence number, fields, field, value, elements before this one.
    let own = [&[1, 0, 0, 0, 0, 1, 0, 1].map(small).concat()[..], &text(&field), &[1, 6].map(small).concat()].concat();
    let own = stream(1, &listpack(11, &own), &[0]);
    let shared = [&[1, 0, 1].map(small).concat()[..], &text(&field), &[0, 2, 1, 0, 1, 4].map(small).concat()].concat();
    let shared = stream(1, &listpack(10, &shared), &[0]);
    assert_eq!(check("own fields", "0011", &own), check("shared fields", "0011", &shared));
}
