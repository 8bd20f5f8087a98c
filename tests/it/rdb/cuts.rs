//! However a file is cut, it is told the same; wherever it ends too early, that is said.

use redis_ops::rdb::{ErrorKind, RdbError, Scanner};

use super::recorder::{Recorder, scan};
use crate::support::fixtures;

/// Parts of a few bytes up to some thousand, the same for the same seed.
pub fn lengths(mut seed: u64) -> impl Iterator<Item = usize> {
    std::iter::repeat_with(move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bits = (seed >> 60) as u32;
        1 + ((seed >> 30) & ((1 << bits.min(13)) - 1)) as usize
    })
}

#[test]
fn a_file_in_parts_is_told_like_a_whole_one() {
    for fixture in fixtures::valid() {
        for (raw, pieces) in [(true, true), (false, false)] {
            let mut whole = Recorder::new(raw, pieces);
            let summary = scan(&fixture.rdb, [], &mut whole);
            assert!(summary.is_ok(), "{}: {summary:?}", fixture.name);
            let seeds = if fixture.rdb.len() < 20_000 { 1..3 } else { 1..2 };
            for seed in seeds {
                let mut cut = Recorder::new(raw, pieces);
                assert_eq!(scan(&fixture.rdb, lengths(seed), &mut cut), summary, "{}, seed {seed}", fixture.name);
                assert!(cut.events == whole.events, "{}, seed {seed}, pieces {pieces}", fixture.name);
            }
        }
    }
}

#[test]
fn byte_by_byte_it_is_told_the_same_and_ends_early_at_every_offset() {
    for fixture in fixtures::valid() {
        for (raw, pieces) in [(true, true), (false, false)] {
            if fixture.rdb.len() > 40_000 {
                continue;
            }
            let mut whole = Recorder::new(raw, pieces);
            let summary = scan(&fixture.rdb, [], &mut whole).unwrap();
            let mut slow = Recorder::new(raw, pieces);
            let mut scanner = Scanner::new();
            for (offset, byte) in fixture.rdb.iter().enumerate() {
                let early = RdbError::at(offset as u64, ErrorKind::Truncated);
                assert_eq!(scanner.finish(), Err(early), "{} after {offset} bytes", fixture.name);
                assert!(!scanner.is_complete() && scanner.position() <= offset as u64);
                scanner.push(&[*byte], &mut slow).unwrap();
            }
            assert!(scanner.is_complete());
            assert_eq!(scanner.finish(), Ok(summary), "{}", fixture.name);
            assert!(slow.events == whole.events, "{}, pieces {pieces}", fixture.name);
        }
    }
}

#[test]
fn bytes_behind_the_end_are_counted_and_not_read() {
    let Some(fixture) = fixtures::named("sampler-redis-7.2.6") else { return };
    let mark = b"$0123456789012345678901234567890123456789";
    let file = [&fixture.rdb[..], mark].concat();
    for cut in [1, 7, 100, file.len()] {
        let mut scanner = Scanner::new();
        let mut last = 0;
        for part in file.chunks(cut) {
            scanner.push(part, &mut ()).unwrap();
            last = scanner.trailing_in_last_push();
        }
        let behind = (file.len() - fixture.rdb.len()).min(if file.len() % cut == 0 { cut } else { file.len() % cut });
        assert_eq!(last, behind, "in parts of {cut}");
        let summary = scanner.finish().unwrap();
        assert_eq!((summary.trailing, summary.length), (mark.len() as u64, fixture.rdb.len() as u64));
        assert_eq!(summary.trailing_start, mark[..16]);
    }
}
