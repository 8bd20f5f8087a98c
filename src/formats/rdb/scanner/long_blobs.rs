//! Packed values that are too long to be held are told like those that are held: whole or in parts, however the file is cut.

use std::path::{Path, PathBuf};

use crate::rdb::oddity::{Oddity, OddityKind};
use crate::rdb::visit::{Entry, EntryEnd, Interest, Part, PartOf, Piece, Visit};
use crate::rdb::{RdbError, Scanner};

/// What was told, with elements that came in parts put together.
#[derive(Default)]
struct Told {
    pieces: bool,
    takes_parts: bool,
    events: Vec<String>,
    strings: Vec<(PartOf, u64, Vec<u8>)>,
    /// Parts that were told, all in all.
    n_parts: u64,
    odd: Vec<(OddityKind, Option<(u64, u64)>)>,
}

impl Visit for Told {
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        self.events.push(format!("key {}", entry.key.escape_ascii()));
        Interest { raw: false, pieces: self.pieces }
    }

    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            // They come as they lie in the windows.
            Piece::String(_) => {}
            piece => self.events.push(format!("{piece:?}")),
        }
    }

    fn takes_parts(&self) -> bool {
        self.takes_parts
    }

    fn part(&mut self, part: Part<'_>) {
        match part {
            Part::Begin { what, length } => self.strings.push((what, length, Vec::new())),
            Part::Bytes(bytes) => {
                assert!(!bytes.is_empty() || self.strings.last().is_some_and(|(_, length, _)| *length == 0));
                self.strings.last_mut().expect("it has begun").2.extend_from_slice(bytes);
            }
            Part::Dropped => self.strings.clear(),
            Part::End { score } => {
                self.n_parts += 1;
                let strings = std::mem::take(&mut self.strings);
                assert!(strings.iter().all(|(_, length, bytes)| *length == bytes.len() as u64), "{strings:?}");
                let text = |index: usize| strings[index].2.as_slice();
                let piece = match strings[0].0 {
                    PartOf::ListElement => Piece::ListElement(text(0)),
                    PartOf::SetMember => Piece::SetMember(text(0)),
                    PartOf::ZsetMember => Piece::ZsetMember { member: text(0), score: score.expect("a score") },
                    PartOf::HashField { expire_ms } => Piece::HashField { field: text(0), value: text(1), expire_ms },
                    PartOf::StreamField => Piece::StreamField { field: text(0), value: text(1) },
                    what => panic!("{what:?}"),
                };
                self.piece(piece);
            }
        }
    }

    fn oddity(&mut self, oddity: &Oddity<'_>) {
        self.odd.push((oddity.kind, oddity.numbers));
    }

    fn entry_end(&mut self, end: &EntryEnd) {
        self.events.push(format!("{end:?}"));
    }
}

/// Reads a file in parts of this length; `long`: packed values of more bytes are not held, and elements of more are told in parts.
fn read(rdb: &[u8], chunk: usize, long: Option<[u64; 2]>, mut told: Told) -> (Told, Result<u64, RdbError>) {
    let mut scanner = Scanner::new().reading_on(1000);
    if let Some([blob, element]) = long {
        (scanner.tools.long_blob, scanner.tools.long_element) = (blob, element);
    }
    for part in rdb.chunks(chunk) {
        if scanner.push(part, &mut told).is_err() {
            break;
        }
    }
    let end = scanner.finish().map(|summary| summary.length);
    (told, end)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rdb") {
            found.push(path);
        }
    }
}

#[test]
fn long_packed_values_are_told_like_short_ones() {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures"), &mut found);
    let (mut n_files, mut n_parts) = (0, 0);
    for path in found {
        let rdb = std::fs::read(&path).unwrap();
        if rdb.len() > 60_000 {
            continue;
        }
        n_files += 1;
        for pieces in [true, false] {
            let told = |takes_parts| Told { pieces, takes_parts, ..Told::default() };
            let (held, end) = read(&rdb, 1 << 20, None, told(false));
            for (takes_parts, chunk, element) in [(false, 1 << 20, 4), (true, 1 << 20, 4), (true, 1, 0), (true, 13, 30)]
            {
                // A number and its text are one member, and what is told in parts is longer than any number.
                if element < 20 && path.to_string_lossy().contains("_int_str_") {
                    continue;
                }
                let (long, long_end) = read(&rdb, chunk, Some([0, element]), told(takes_parts));
                let what = format!("{}, pieces {pieces}, parts {takes_parts}, {chunk}", path.display());
                n_parts += long.n_parts;
                // Where a value cannot be read to its end it is not told how far it was.
                let is_unreadable = |told: &Told| told.odd.iter().any(|(kind, _)| *kind == OddityKind::UnreadableValue);
                assert_eq!(is_unreadable(&long), is_unreadable(&held), "{what}");
                assert_eq!(long_end, end, "{what}");
                if !is_unreadable(&held) && end.is_ok() {
                    assert_eq!(long.odd, held.odd, "{what}");
                    let differs = long.events.iter().zip(&held.events).find(|(one, other)| one != other);
                    assert_eq!((differs, long.events.len()), (None, held.events.len()), "{what}");
                }
            }
        }
    }
    assert!(n_files > 100 && n_parts > 1000, "{n_files} files, {n_parts} parts");
}
