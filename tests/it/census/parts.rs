//! Elements that are too long to be held: their digests are those of the elements told whole.

use redis_ops::census::{Census, Counter};
use redis_ops::rdb::visit::{Checksum, Entry, EntryEnd, Interest, Part, Piece, Visit};
use redis_ops::rdb::{Oddity, Scanner};

const MIB: usize = 1 << 20;

/// What a counter hears; with `whole` it does not say that it takes parts. `parts`: how many began.
struct Heard {
    counter: Counter,
    whole: bool,
    parts: usize,
    longest: usize,
    odd: usize,
}

impl Visit for Heard {
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        self.counter.entry(entry)
    }
    fn piece(&mut self, piece: Piece<'_>) {
        self.counter.piece(piece);
    }
    fn takes_parts(&self) -> bool {
        !self.whole && self.counter.takes_parts()
    }
    fn part(&mut self, part: Part<'_>) {
        match part {
            Part::Begin { .. } => self.parts += 1,
            Part::Bytes(bytes) => self.longest = self.longest.max(bytes.len()),
            _ => {}
        }
        self.counter.part(part);
    }
    fn oddity(&mut self, oddity: &Oddity<'_>) {
        self.odd += 1;
        self.counter.oddity(oddity);
    }
    fn entry_end(&mut self, end: &EntryEnd) {
        self.counter.entry_end(end);
    }
    fn end(&mut self, checksum: Checksum) {
        self.counter.end(checksum);
    }
}

fn read(version: u32, magic: &str, key: &[u8], whole: bool, reading_on: bool, chunk: usize) -> (Census, Heard) {
    let width = 9 - magic.len();
    let head = format!("{magic}{version:0width$}");
    let file = [head.as_bytes(), key, b"\xff\0\0\0\0\0\0\0\0"].concat();
    let mut scanner = if reading_on { Scanner::new().reading_on(1000) } else { Scanner::new() };
    let mut heard = Heard { counter: Counter::of_everything(0), whole, parts: 0, longest: 0, odd: 0 };
    for part in file.chunks(chunk) {
        scanner.push(part, &mut heard).unwrap_or_else(|error| panic!("{error}"));
    }
    assert_eq!(scanner.finish().unwrap().length, file.len() as u64);
    let counter = std::mem::replace(&mut heard.counter, Counter::of_everything(0));
    (counter.finish(), heard)
}

/// The same census in parts as whole, whatever the file is cut into; and so many strings came in parts.
#[track_caller]
fn check(what: &str, (magic, version): (&str, u32), key: &[u8], n_parts: usize, n_odd: usize) -> Census {
    let (expected, heard) = read(version, magic, key, true, true, usize::MAX);
    assert_eq!((heard.parts, heard.odd, expected.keys), (0, n_odd, 1), "{what}, whole");
    for chunk in [usize::MAX, 300_001, 65_536, 4096 + 1] {
        for reading_on in [true, false] {
            let (census, heard) = read(version, magic, key, false, reading_on || n_odd > 0, chunk);
            assert!((census.keys, census.digest) == (expected.keys, expected.digest), "{what}, in pushes of {chunk}");
            assert_eq!(census.fields_with_expiry, expected.fields_with_expiry, "{what}");
            assert_eq!(heard.parts, n_parts, "{what}, in pushes of {chunk}");
            assert!(heard.longest <= MIB, "{what}: {} bytes at once", heard.longest);
            assert_eq!(heard.odd, n_odd, "{what}, in pushes of {chunk}");
        }
    }
    expected
}

fn length(n: usize) -> Vec<u8> {
    [&[0x80][..], &u32::try_from(n).unwrap().to_be_bytes()].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [length(bytes.len()), bytes.to_vec()].concat()
}

/// Bytes that do not repeat soon.
fn long(seed: u32) -> Vec<u8> {
    (0..MIB as u32).map(|at| (at.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8).collect()
}

/// One byte, then references to it: 264 bytes each. Enough to be long while it is compressed, too.
fn compressed() -> Vec<u8> {
    let packed = [&[0, b'x'][..], &[0xe0, 0xff, 0].repeat(100_000)].concat();
    [vec![0xc3], length(packed.len()), length(1 + 264 * 100_000), packed].concat()
}

const REDIS: (&str, u32) = ("REDIS", 12);

#[test]
fn lists_and_sets() {
    let two = [string(&long(1)), vec![2], b"ab".to_vec(), string(&long(2)), vec![0xc0, 7]].concat();
    check("list", REDIS, &[b"\x01\x01k\x04", &two[..]].concat(), 2, 0);
    check("set", REDIS, &[b"\x02\x01k\x04", &two[..]].concat(), 2, 0);
    check("compressed", REDIS, &[b"\x01\x01k\x01", &compressed()[..]].concat(), 1, 0);
    check("plain node", REDIS, &[b"\x12\x01k\x02\x01", &string(&long(3))[..], b"\x01\x02ab"].concat(), 1, 0);
    // What is found of members that are there twice is found in parts, too.
    let twice = [string(&long(1)), string(&long(1))].concat();
    check("set with a member twice", REDIS, &[b"\x02\x01k\x02", &twice[..]].concat(), 2, 1);
}

#[test]
fn sorted_sets() {
    let score = 1.5_f64.to_le_bytes();
    let members = [&string(&long(1))[..], &score, b"\x01m", &score].concat();
    check("binary scores", REDIS, &[b"\x05\x01k\x02", &members[..]].concat(), 1, 0);
    let members = [&string(&long(1))[..], b"\x031.5", b"\x01m", b"\x012"].concat();
    check("scores as text", REDIS, &[b"\x03\x01k\x02", &members[..]].concat(), 1, 0);
    let members = [&string(&long(1))[..], &f64::NAN.to_le_bytes(), b"\x01m", &score].concat();
    check("a score that is none", REDIS, &[b"\x05\x01k\x02", &members[..]].concat(), 1, 1);
}

#[test]
fn hashes() {
    let fields = [
        [string(&long(1)), vec![1, b'v']].concat(),
        [vec![1, b'f'], string(&long(2))].concat(),
        [string(&long(3)), string(&long(4))].concat(),
        [string(&[b'g'; 200]), string(&long(5))].concat(),
        [vec![1, b'h'], vec![0xc0, 5]].concat(),
    ];
    // Field and value of four elements; the fifth is told whole.
    check("hash", REDIS, &[b"\x04\x01k\x05", &fields.concat()[..]].concat(), 8, 0);
    let expiring = |at: u64, field: &[u8]| [&[0x81][..], &at.to_be_bytes(), field].concat();
    let with = [
        expiring(0, &fields[0]),
        expiring(1_900_000_000_000, &fields[1]),
        expiring(1_900_000_000_001, &fields[2]),
        expiring(0, &fields[4]),
    ];
    let census = check("absolute expiries", REDIS, &[b"\x16\x01k\x04", &with.concat()[..]].concat(), 6, 0);
    assert_eq!(census.fields_with_expiry, 2);
    let earliest = 1_900_000_000_000_i64.to_le_bytes();
    let with = [expiring(1, &fields[1]), expiring(0, &fields[2])];
    check("relative expiries", REDIS, &[b"\x18\x01k", &earliest[..], b"\x02", &with.concat()].concat(), 4, 0);
    // The expiry stands behind the value, and belongs before it: field and value wait for it.
    let with = [&fields[1][..], &1_900_000_000_000_i64.to_le_bytes()].concat();
    check("expiry behind", ("VALKEY", 80), &[b"\x16\x01k\x01", &with[..]].concat(), 2, 0);
}

#[test]
fn modules() {
    // `ReJSON-RL` 3, one string, the end.
    let id = [0x81_u8].iter().copied().chain(0x44_92_4e_33_8f_91_10_03_u64.to_be_bytes()).collect::<Vec<u8>>();
    check("module", REDIS, &[b"\x07\x01k", &id[..], b"\x05", &string(&long(1)), b"\x00"].concat(), 1, 0);
}

/// An element of a listpack: a text of a MiB, or a number of one byte. Its length stands behind it.
fn packed(element: Result<u32, u8>) -> Vec<u8> {
    match element {
        Ok(seed) => {
            let (text, total) = (long(seed), MIB + 5);
            let behind = [total >> 14, total >> 7 & 127 | 128, total & 127 | 128].map(|group| group as u8);
            [&[0xf0][..], &(MIB as u32).to_le_bytes(), &text, &behind].concat()
        }
        Err(number) => vec![number, 1],
    }
}

fn listpack(elements: &[Result<u32, u8>]) -> Vec<u8> {
    let packed: Vec<u8> = elements.iter().flat_map(|element| packed(*element)).collect();
    let (size, n) = (7 + packed.len() as u32, elements.len() as u16);
    string(&[&size.to_le_bytes()[..], &n.to_le_bytes(), &packed, b"\xff"].concat())
}

#[test]
fn packed_values() {
    let check = |what, head: &[u8], elements: &[Result<u32, u8>], tail: &[u8], n_parts, n_odd| {
        check(what, REDIS, &[head, &listpack(elements), tail].concat(), n_parts, n_odd);
    };
    check("list", b"\x12\x01k\x01\x02", &[Ok(1), Err(2), Ok(3)], b"", 2, 0);
    check("set", b"\x14\x01k", &[Ok(1), Err(2), Ok(3)], b"", 2, 0);
    check("set with a member twice", b"\x14\x01k", &[Ok(1), Err(2), Ok(1)], b"", 2, 1);
    check("hash", b"\x10\x01k", &[Err(1), Ok(1), Ok(2), Err(2), Ok(3), Ok(4), Err(5), Err(6)], b"", 6, 0);
    check("sorted set", b"\x11\x01k", &[Ok(1), Err(1), Err(7), Err(2), Ok(3), Err(3)], b"", 2, 0);
    check("sorted set out of order", b"\x11\x01k", &[Ok(1), Err(3), Err(7), Err(2), Ok(3), Err(4)], b"", 2, 1);

    // Three entries of a node whose only name is 9; the second has names of its own, the third is deleted.
    let master = [Err(2), Err(1), Err(1), Err(9), Err(0)];
    let first = [Err(2), Err(0), Err(1), Ok(1), Err(4)];
    let second = [Err(0), Err(0), Err(2), Err(2), Ok(2), Err(1), Err(3), Ok(3), Err(8)];
    let third = [Err(3), Err(0), Err(3), Ok(4), Err(4)];
    let head = [&b"\x0f\x01k\x01\x10"[..], &[0; 15], &[1]].concat();
    let node = [&master[..], &first, &second, &third].concat();
    check("stream", &head, &node, &[2, 1, 3, 0], 6, 0);
}

#[test]
fn arrays() {
    let elements = [&b"\x02\x00\x07\x00"[..], &string(&long(1)), b"\x09\x01", &5_i64.to_le_bytes()].concat();
    check("array", ("REDIS", 14), &[&b"\x1c\x01k"[..], &elements].concat(), 1, 0);
}
