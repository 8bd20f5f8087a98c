//! One bit flipped anywhere: never a panic, and with a checksum never accepted.

use redis_ops::rdb::visit::{Checksum, Entry, Interest, Visit};
use redis_ops::rdb::{RdbError, Summary};

use super::cuts::lengths;
use super::recorder::scan;
use crate::support::fixtures;

/// Wants the pieces, or does not, and forgets them.
struct Wants(bool);

impl Visit for Wants {
    fn entry(&mut self, _entry: &Entry<'_>) -> Interest {
        Interest { raw: false, pieces: self.0 }
    }
}

fn flipped(file: &[u8], bit: usize, name: &str) {
    let mut file = file.to_vec();
    file[bit / 8] ^= 1 << (bit % 8);
    let mut results: Vec<Result<Summary, RdbError>> = Vec::new();
    for pieces in [true, false] {
        let whole = scan(&file, [], &mut Wants(pieces));
        let cut = scan(&file, lengths(bit as u64), &mut Wants(pieces));
        assert_eq!(whole, cut, "{name}, bit {bit}, pieces {pieces}");
        results.push(whole);
    }
    for result in results {
        match result {
            Err(error) => assert!(error.offset <= file.len() as u64 && !error.to_string().is_empty()),
            // A version before 5 has no checksum: the one in the file is what follows the end.
            Ok(summary) if summary.version < 5 => {}
            Ok(summary) => assert_eq!(summary.checksum, Checksum::Absent, "{name}, bit {bit} was not noticed"),
        }
    }
}

#[test]
fn every_bit_of_small_files() {
    let small = ["sampler", "list_small", "zset_small", "set_intset", "hash_small", "stream_basic", "functions"];
    for fixture in fixtures::valid() {
        let case = fixture.name.rsplit('/').next().unwrap();
        let is_old = fixture.name.starts_with("old/");
        let server = ["6.2.14", "7.2.6", "8.0.6", "9.1.2"].iter().any(|server| fixture.name.contains(server));
        if fixture.rdb.len() <= 900 && (is_old || (server && small.contains(&case))) {
            (0..fixture.rdb.len() * 8).for_each(|bit| flipped(&fixture.rdb, bit, &fixture.name));
        }
    }
}

#[test]
fn some_bits_of_every_file() {
    for (index, fixture) in fixtures::valid().into_iter().enumerate() {
        let n = match fixture.rdb.len() {
            0..20_000 => 8,
            20_000..100_000 => 2,
            _ => 1,
        };
        for step in 0..n {
            let bits = fixture.rdb.len() * 8;
            let bit = (step * 2_654_435_761 + index * 40_503 + 77) % bits;
            flipped(&fixture.rdb, bit, &fixture.name);
        }
    }
}
