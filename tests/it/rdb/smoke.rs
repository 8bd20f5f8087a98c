//! A short run of every fuzz target: the same checks, over fixtures that were changed in ways that go deeper than one bit.

use redis_ops::census::{Counter, encode};
use redis_ops::rdb::Scanner;
use redis_ops::rdb::dump::payload;
use redis_ops::rdb::visit::{Entry, EntryEnd, Interest, Visit};

use crate::support::fixtures;

#[path = "../../../fuzz/checks/mod.rs"]
mod checks;

/// Changed inputs of each target.
const ROUNDS: usize = 1000;

/// Longer files say nothing that shorter ones do not, and take longer.
const LONGEST: usize = 4096;

/// Numbers that are the same in every run (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap() % limit.max(1)
    }

    /// Bytes in which lengths, types and ends are made of.
    fn odd_byte(&mut self) -> u8 {
        [0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xc0, 0xc3, 0xf1, 0xfe, 0xff][self.below(13)]
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length);
        let most = 1 << self.below(8);
        start..(start + 1 + self.below(most)).min(length)
    }

    /// One to four changes; `other` gives parts.
    fn changed(&mut self, bytes: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let range = self.range(bytes.len());
            match self.below(8) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => bytes[at] = self.odd_byte(),
                2 if !bytes.is_empty() => bytes[at] = bytes[at].wrapping_add([1, 255][self.below(2)]),
                3 => bytes.insert(at, self.odd_byte()),
                4 => drop(bytes.drain(range)),
                5 => {
                    let part = bytes[range].to_vec();
                    bytes.splice(at..at, part);
                }
                6 => {
                    let part = other[self.range(other.len())].to_vec();
                    bytes.splice(range, part);
                }
                _ => bytes.truncate(at),
            }
        }
        bytes
    }
}

/// Every seed unchanged, then many of them changed: what is told of them must hold, whatever they are.
#[track_caller]
fn smoke(check: fn(&[u8]), seeds: &[Vec<u8>]) {
    assert!(!seeds.is_empty());
    seeds.iter().for_each(|seed| check(seed));
    let mut chance = Chance(1);
    for _ in 0..ROUNDS {
        let (seed, other) = (&seeds[chance.below(seeds.len())], &seeds[chance.below(seeds.len())]);
        check(&chance.changed(seed, other));
    }
}

#[test]
fn a_changed_file_is_read_alike_whole_and_cut() {
    let seeds: Vec<Vec<u8>> = files().map(|rdb| [&[1], &rdb[..]].concat()).collect();
    smoke(checks::scanner, &seeds);
}

#[test]
fn a_changed_stream_is_read_alike_whole_and_cut() {
    let stream = |commands: &[&[&str]]| {
        let mut bytes = vec![3];
        for words in commands {
            bytes.extend(format!("*{}\r\n", words.len()).bytes());
            words.iter().for_each(|word| bytes.extend(format!("${}\r\n{word}\r\n", word.len()).bytes()));
        }
        bytes
    };
    smoke(
        checks::stream,
        &[
            stream(&[&["SELECT", "3"], &["SET", "a", "1"], &["PING"]]),
            stream(&[&["MULTI"], &["SELECT", "1"], &["DEL", "a"], &["EXEC"], &["REPLCONF", "GETACK", "*"]]),
            stream(&[&["SET", "a", "*1\r\n$4\r\nPING\r\n"], &["SET", "b", ""]]),
        ],
    );
}

#[test]
fn a_changed_value_is_read_alike_alone_and_in_a_file() {
    let seeds: Vec<Vec<u8>> = values()
        .into_iter()
        .map(|value| [&[value.value_type, u8::from(value.version >= 80) * 4], &value.body[..]].concat())
        .collect();
    smoke(checks::values, &seeds);
}

#[test]
fn a_changed_packed_value_is_read_or_refused() {
    let seeds: Vec<Vec<u8>> = values()
        .into_iter()
        .filter_map(|value| {
            let index = checks::PACKED.iter().position(|packed| *packed == value.value_type)?;
            // Only those that have a length of one byte before them.
            let (length, blob) = value.body.split_first()?;
            (usize::from(*length) == blob.len()).then(|| [&[u8::try_from(index).unwrap()], blob].concat())
        })
        .collect();
    smoke(checks::packed, &seeds);
    // The same bytes as a list's node and as a stream's.
    let nodes: Vec<Vec<u8>> = seeds.iter().flat_map(|seed| (12..16).map(|how| [&[how], &seed[1..]].concat())).collect();
    smoke(checks::packed, &nodes);
}

#[test]
fn compressed_text_expands_as_the_plainest_reader_says() {
    let literal = |text: &[u8]| [&[u8::try_from(text.len() - 1).unwrap()], text].concat();
    let seeds = vec![
        [&[0], &literal(b"abcdefgh")[..], &[0x20, 7], &[0xe0, 200, 0], &literal(b"z")].concat(),
        [&[0], &literal(b"a")[..], &[0xe0, 255, 0], &[0xff, 255, 1], &[0x40, 100]].concat(),
        [&[0xf1], &literal(b"0123456789abcdefghijklmnopqrstuv")[..], &[0x60, 31], &literal(b"!")].concat(),
    ];
    smoke(checks::lzf, &seeds);
}

#[test]
fn a_changed_payload_becomes_for_every_target_the_same_or_nothing() {
    let seeds: Vec<Vec<u8>> = values()
        .into_iter()
        .map(|value| {
            let version = u16::try_from(value.version).unwrap();
            payload(redis_ops::rdb::ValueType(value.value_type), None, &value.body, version)
        })
        .collect();
    smoke(checks::dump, &seeds);
}

#[test]
fn a_changed_census_is_read_or_refused() {
    let seeds: Vec<Vec<u8>> = files()
        .map(|rdb| {
            let mut counter = Counter::of_everything(0);
            Scanner::new().push(&rdb, &mut counter).unwrap();
            encode(&counter.finish())
        })
        .filter(|census| census.len() <= LONGEST)
        .collect();
    smoke(checks::census, &seeds);
}

/// What the fuzzer found, each in the form that its check takes.
#[test]
fn what_broke_a_promise_once_keeps_it() {
    // A stream's node that claims another size than its string, and both are beyond what is held.
    checks::values(b"\x0f\x00\x01\x10\0\0\0\0\0\0\0\x02\0\x01\x02\x01\0\x01\0\x01\x80v\x02\x04\x01\xff\x01\x01\x01\0");
    // A compressed string that is cut within a token, which would be too long as well.
    checks::scanner(b"\x00REDIS0011\x00\x01k\xc3\x02\x01\x02a\xff\0\0\0\0\0\0\0\0");
    // A hash of Valkey with a field that expires at zero.
    checks::dump(b"\x16\x01\x01f\x01v\0\0\0\0\0\0\0\0\x50\0\0\0\0\0\0\0\0\0");
}

fn files() -> impl Iterator<Item = Vec<u8>> {
    fixtures::valid().into_iter().map(|fixture| fixture.rdb).filter(|rdb| rdb.len() <= LONGEST)
}

struct Value {
    value_type: u8,
    version: u32,
    body: Vec<u8>,
}

fn values() -> Vec<Value> {
    let mut found = Vec::new();
    for rdb in fixtures::valid().into_iter().map(|fixture| fixture.rdb).filter(|rdb| rdb.len() <= 100_000) {
        let mut bodies = Bodies { found: &mut found, version: 0 };
        Scanner::new().push(&rdb, &mut bodies).unwrap();
    }
    found.retain(|value| value.body.len() <= LONGEST);
    found
}

struct Bodies<'f> {
    found: &'f mut Vec<Value>,
    version: u32,
}

impl Visit for Bodies<'_> {
    fn header(&mut self, _dialect: redis_ops::rdb::Dialect, version: u32) {
        self.version = version;
    }
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        self.found.push(Value { value_type: entry.value_type.0, version: self.version, body: Vec::new() });
        Interest { raw: true, pieces: false }
    }
    fn raw(&mut self, bytes: &[u8]) {
        self.found.last_mut().unwrap().body.extend_from_slice(bytes);
    }
    fn entry_end(&mut self, _end: &EntryEnd) {}
}
