//! Makes seeds for every target out of RDB files: `seeds CORPUS_FOLDER RDB_FOLDER…`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use redis_ops::census::{Counter, encode};
use redis_ops::checks;
use redis_ops::rdb::dump::payload;
use redis_ops::rdb::visit::{Entry, EntryEnd, Interest, Visit};
use redis_ops::rdb::{Dialect, Scanner, ValueType};
use xxhash_rust::xxh3::xxh3_64;

/// Longer files and values slow the fuzzer down more than they tell it.
const LONGEST: usize = 4096;

/// Seeds of one target and one type of value, or form of a file: more of them only repeat each other.
const ENOUGH: usize = 40;

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let corpus = arguments.next().expect("usage: seeds CORPUS_FOLDER RDB_FOLDER…");
    let mut seeds = Seeds { corpus, written: HashMap::new() };
    arguments.for_each(|folder| seeds.folder(&folder));
    println!("{} seeds", seeds.written.values().sum::<usize>());
}

struct Seeds {
    corpus: PathBuf,
    written: HashMap<(&'static str, u8), usize>,
}

impl Seeds {
    fn folder(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).expect("a folder of RDB files") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                self.folder(&path);
            } else if path.extension().is_some_and(|extension| extension == "rdb") {
                self.file(&fs::read(&path).expect("a file"));
            }
        }
    }

    fn file(&mut self, rdb: &[u8]) {
        if rdb.len() <= LONGEST {
            self.write("scanner", rdb.get(8).copied().unwrap_or(0), &[&[1], rdb].concat());
        }
        let mut values = Values::default();
        let mut scanner = Scanner::new();
        _ = scanner.push(rdb, &mut values);
        for (value_type, body) in values.found {
            if body.len() > LONGEST {
                continue;
            }
            let version = values.version;
            let form = u8::from(version == 80) * 4;
            self.write("values", value_type.0, &[&[value_type.0, form], &body[..]].concat());
            self.write(
                "dump",
                value_type.0,
                &payload(value_type, None, &body, u16::try_from(version).expect("two bytes")),
            );
            if let Some((string, packed)) = string(&body) {
                if packed {
                    self.write("lzf", value_type.0, &[&[0], string].concat());
                } else if let Some(index) = checks::PACKED.iter().position(|packed| *packed == value_type.0) {
                    self.write("packed", value_type.0, &[&[index as u8], string].concat());
                }
            }
            // The first node of a chain or of a stream: 12, 13, 14 and 15 are its names in the target.
            let (skipped, how) = match value_type.0 {
                14 => (1, 12),
                18 => (2, 13),
                25 => (8, 14),
                15 | 19 | 21 => (18, 15),
                _ => continue,
            };
            if let Some((string, false)) = body.get(skipped..).and_then(string) {
                self.write("packed", how, &[&[how], string].concat());
            }
        }
        let mut counter = Counter::of_everything(0);
        _ = Scanner::new().push(rdb, &mut counter);
        let census = encode(&counter.finish());
        if census.len() <= LONGEST {
            self.write("census", 0, &census);
        }
    }

    fn write(&mut self, target: &'static str, form: u8, bytes: &[u8]) {
        let written = self.written.entry((target, form)).or_default();
        if *written == ENOUGH {
            return;
        }
        *written += 1;
        let folder = self.corpus.join(target);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(format!("seed-{:016x}", xxh3_64(bytes))), bytes).expect("a seed");
    }
}

/// The string at the start, and whether it is compressed.
fn string(bytes: &[u8]) -> Option<(&[u8], bool)> {
    fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
        match *bytes {
            [first @ 0..0x40, ref rest @ ..] => Some((first.into(), rest)),
            [first @ 0x40..0x80, second, ref rest @ ..] => {
                Some((usize::from(first & 63) << 8 | usize::from(second), rest))
            }
            _ => None,
        }
    }
    if let Some(rest) = bytes.strip_prefix(b"\xc3") {
        let (n, rest) = length(rest)?;
        let (_, rest) = length(rest)?;
        return Some((rest.get(..n)?, true));
    }
    let (n, rest) = length(bytes)?;
    Some((rest.get(..n)?, false))
}

#[derive(Default)]
struct Values {
    found: Vec<(ValueType, Vec<u8>)>,
    version: u32,
    body: Vec<u8>,
    value_type: Option<ValueType>,
}

impl Visit for Values {
    fn header(&mut self, _dialect: Dialect, version: u32) {
        self.version = version;
    }
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        (self.value_type, self.body) = (Some(entry.value_type), Vec::new());
        Interest { raw: true, pieces: false }
    }
    fn raw(&mut self, bytes: &[u8]) {
        self.body.extend_from_slice(bytes);
    }
    fn entry_end(&mut self, _end: &EntryEnd) {
        self.found.extend(self.value_type.take().map(|value_type| (value_type, std::mem::take(&mut self.body))));
    }
}
