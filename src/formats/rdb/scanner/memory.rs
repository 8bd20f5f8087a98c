//! What the scanner holds: no more than a MiB and the largest piece that has to be looked at as a whole.

use crate::rdb::Scanner;
use crate::rdb::visit::{Entry, Interest, Visit};

const MIB: usize = 1 << 20;

/// Bytes of all its buffers. (Behind a long compressed string stands a window of 72 KiB more.)
fn held(scanner: &Scanner) -> usize {
    let buffers =
        [&scanner.carry, &scanner.kept, &scanner.tools.first.0, &scanner.tools.second.0, &scanner.trailing_start];
    buffers.map(Vec::capacity).iter().sum()
}

/// Wants all there is; in parts, where that is said.
struct All(bool, bool);

impl Visit for All {
    fn entry(&mut self, _entry: &Entry<'_>) -> Interest {
        Interest { raw: self.0, pieces: self.0 }
    }

    fn takes_parts(&self) -> bool {
        self.1
    }
}

/// Reads a file of these records: nothing is held beyond `piece`, if everything is told and if nothing is, and in the end
/// less than a MiB.
#[track_caller]
fn check(what: &str, records: &[u8], piece: [usize; 2]) {
    check_parts(what, records, piece, false);
}

#[track_caller]
fn check_parts(what: &str, records: &[u8], piece: [usize; 2], in_parts: bool) {
    let file = [b"REDIS0011", records, b"\x00\x01e\x01v\xff\0\0\0\0\0\0\0\0"].concat();
    for (piece, told) in piece.into_iter().zip([true, false]) {
        for chunk in [1 << 20, 4096, 1000] {
            let (mut scanner, mut most) = (Scanner::new(), 0);
            for part in file.chunks(chunk) {
                scanner.push(part, &mut All(told, in_parts)).unwrap_or_else(|error| panic!("{what}: {error}"));
                most = most.max(held(&scanner));
            }
            assert!(scanner.finish().is_ok());
            assert!(most <= MIB + piece, "{what}, told {told}, in parts of {chunk}: {most} bytes");
            assert!(
                held(&scanner) < MIB,
                "{what}, told {told}, in parts of {chunk}: {} bytes in the end",
                held(&scanner)
            );
        }
    }
}

/// A length of 32 bits.
fn length(n: usize) -> Vec<u8> {
    [&[0x80][..], &u32::try_from(n).unwrap().to_be_bytes()].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [length(bytes.len()), bytes.to_vec()].concat()
}

/// One byte, then references to it: so many times 264 bytes, and one.
fn compressed(n: usize) -> Vec<u8> {
    let packed = [&[0, b'x'][..], &[0xe0, 0xff, 0].repeat(n)].concat();
    [vec![0xc3], length(packed.len()), length(1 + 264 * n), packed].concat()
}

#[test]
fn a_string_takes_no_memory_however_long_it_is() {
    let long = vec![b'x'; 4 * MIB];
    check("string", &[b"\x00\x01k", &string(&long)[..]].concat(), [0, 0]);
    check("compressed string", &[b"\x00\x01k", &compressed(20_000)[..]].concat(), [0, 0]);
}

#[test]
fn an_element_is_held_if_somebody_wants_to_hear_it() {
    let element = string(&vec![b'x'; 3 * MIB]);
    check("list", &[b"\x01\x01k\x02", &element[..], &element].concat(), [element.len(), 0]);
    check("plain node", &[b"\x12\x01k\x01\x01", &element[..]].concat(), [element.len(), 0]);
    check("hash", &[b"\x04\x01k\x01", &element[..], &element].concat(), [2 * element.len(), 0]);
    check("module", &[b"\x07\x01k\x01\x05", &element[..], b"\x00"].concat(), [element.len(), 0]);
    let packed = compressed(10_000);
    check("compressed element", &[b"\x01\x01k\x01", &packed[..]].concat(), [264 * 10_000, 0]);
}

#[test]
fn a_packed_value_is_held_once() {
    let numbers: Vec<u8> = (0..MIB as i64 / 2).flat_map(i64::to_le_bytes).collect();
    let blob = [&[8, 0, 0, 0][..], &u32::try_from(MIB / 2).unwrap().to_le_bytes(), &numbers].concat();
    check("intset", &[b"\x0b\x01k", &string(&blob)[..]].concat(), [blob.len() + 16; 2]);
}

#[test]
fn a_long_packed_value_is_not_held() {
    let text = vec![b'x'; 3 * MIB];
    let frame = |entries: &[u8], n: u16| {
        let size = u32::try_from(7 + entries.len()).unwrap();
        [&size.to_le_bytes()[..], &n.to_le_bytes(), entries, &[0xff]].concat()
    };
    // Its length behind it, in groups of seven bits.
    let element = |text: &[u8]| {
        let total = text.len() + 5;
        let behind =
            [total >> 21, total >> 14 & 127 | 128, total >> 7 & 127 | 128, total & 127 | 128].map(|group| group as u8);
        [&[0xf0][..], &u32::try_from(text.len()).unwrap().to_le_bytes(), text, &behind].concat()
    };
    let long = element(&text);
    let small = |number: u8| [number, 1];
    let hash = frame(&[&small(1)[..], &long, &long, &small(2)].concat(), 4);
    check_parts("hash", &[b"\x10\x01k", &string(&hash)[..]].concat(), [256 << 10; 2], true);
    let list = string(&frame(&[&long[..], &long].concat(), 2));
    check_parts("list", &[b"\x12\x01k\x02\x02", &list[..], b"\x02", &list].concat(), [256 << 10; 2], true);
    let entry = [&small(2)[..], &small(0), &small(0), &long, &small(4)].concat();
    let node = frame(&[&small(1)[..], &small(0), &small(1), b"\x81f\x02", &small(0), &entry].concat(), 10);
    let stream = [b"\x0f\x01k\x01\x10", &[0; 15][..], &[1], &string(&node), &[1, 0, 1, 0]].concat();
    check_parts("stream", &stream, [256 << 10; 2], true);
}

#[test]
fn what_nobody_asked_for_is_not_kept() {
    let data = string(&vec![b'x'; 3 * MIB]);
    check("module data", &[b"\xf7\x01\x02\x02\x05", &data[..], b"\x00"].concat(), [0, 0]);
    // The name and the value of an aux field are told to everybody.
    check("aux", &[b"\xfa\x01a", &data[..]].concat(), [data.len() + 16; 2]);
}
