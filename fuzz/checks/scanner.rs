//! A file, whole and cut.

use std::collections::HashSet;

use redis_ops::census::{Counter, decode, encode};
use redis_ops::rdb::visit::{Entry, Interest, Visit};
use redis_ops::rdb::{DuplicateKeys, ErrorKind, RdbError, Scanner, Summary, Tail};

use super::hearing::Hearing;
use super::{AMPLIFICATION, sealed};

/// The first byte says how the file is cut (its lowest bit: that the checksum is put right), the others are the file.
pub fn scanner(data: &[u8]) {
    let Some((&how, file)) = data.split_first() else { return };
    let file = &if how & 1 == 1 { sealed(file) } else { file.to_vec() };

    let mut results = Vec::new();
    for interested in [true, false] {
        let (mut whole, mut cut) = (Hearing::new(interested, interested), Hearing::new(interested, interested));
        let result = scan(file, &mut whole, std::iter::repeat(usize::MAX));
        assert_eq!(result, scan(file, &mut cut, lengths(how.into())), "cut it is read differently");
        if result.is_ok() {
            assert_eq!(whole.digest(), cut.digest(), "cut it is told differently");
        }
        assert!(whole.heard <= file.len() as u64 * AMPLIFICATION, "{} bytes told of {}", whole.heard, file.len());
        results.push(result);
    }
    // Who listens makes no difference, but that what is told must fit into memory.
    let too_large = |result: &Result<_, RdbError>| {
        result.as_ref().is_err_and(|error| matches!(error.kind, ErrorKind::TooLarge { .. }))
    };
    if too_large(&results[0]) {
        assert!(results[1].is_err());
    } else {
        assert_eq!(results[0], results[1]);
    }

    let mut counters = [Counter::of_everything(0), Counter::of_everything(0)];
    _ = scan(file, &mut counters[0], std::iter::repeat(usize::MAX));
    _ = scan(file, &mut counters[1], lengths(how.into()));
    let [whole, cut] = counters.map(Counter::finish);
    if let Ok(summary) = &results[0] {
        assert_eq!(whole, cut, "cut it is counted differently");
        assert_eq!((whole.keys, whole.expires), (summary.keys, summary.expires));
    }
    let bytes = encode(&whole);
    assert_eq!(encode(&decode(&bytes).expect("what was written can be read")), bytes);

    let mut keys = Keys { duplicates: DuplicateKeys::new(100), seen: HashSet::new(), again: Vec::new() };
    _ = scan(file, &mut keys, std::iter::repeat(usize::MAX));
    let found = keys.duplicates.finish();
    assert_eq!(found.count, keys.again.len() as u64);
    assert_eq!(found.first.map(|first| (first.database, first.value_offset)), keys.again.first().copied());
}

/// The first hundred keys, and those that came before.
struct Keys {
    duplicates: DuplicateKeys,
    seen: HashSet<(u64, Vec<u8>)>,
    again: Vec<(u64, u64)>,
}

impl Visit for Keys {
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        self.duplicates.entry(entry);
        if self.seen.len() + self.again.len() < 100 && !self.seen.insert((entry.database, entry.key.to_vec())) {
            self.again.push((entry.database, entry.value_offset));
        }
        Interest::default()
    }
}

/// Reads a file in parts of these lengths; where that fails, the rest is skimmed as a caller would.
fn scan<V: Visit>(file: &[u8], visit: &mut V, lengths: impl IntoIterator<Item = usize>) -> Result<Summary, RdbError> {
    let (mut scanner, mut tail) = (Scanner::new(), Tail::new());
    let (mut rest, mut failed) = (file, None);
    for length in lengths {
        let part;
        (part, rest) = rest.split_at(length.min(rest.len()));
        tail.push(part);
        match failed {
            Some(_) => scanner.skim(part),
            None => failed = scanner.push(part, visit).err(),
        }
        assert!(scanner.position() <= file.len() as u64);
        if rest.is_empty() {
            break;
        }
    }
    if failed.is_some() {
        assert_eq!(scanner.skim_finish(), tail.finish());
    }
    let result = scanner.finish();
    match &result {
        Ok(summary) => {
            assert!(failed.is_none() && scanner.is_complete());
            assert_eq!(summary.length + summary.trailing, file.len() as u64);
        }
        Err(error) => {
            assert!(error.offset <= file.len() as u64, "{error} in a file of {}", file.len());
            assert!(failed.is_none_or(|failed| failed == *error));
        }
    }
    result
}

/// Lengths of parts, from one byte up to some thousand.
fn lengths(mut seed: u64) -> impl Iterator<Item = usize> {
    std::iter::repeat_with(move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bits = (seed >> 60) as u32;
        1 + ((seed >> 30) & ((1 << bits.min(13)) - 1)) as usize
    })
}
