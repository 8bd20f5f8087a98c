//! The table of damaged files, line by line.

use redis_ops::rdb::visit::{Checksum, Entry, Interest, Visit};
use redis_ops::rdb::{DuplicateKeys, Scanner};

use crate::support::fixtures;

/// Looks for duplicate keys and wants the pieces, or does not.
struct Checker {
    duplicates: DuplicateKeys,
    pieces: bool,
}

impl Visit for Checker {
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        self.duplicates.entry(entry);
        Interest { raw: false, pieces: self.pieces }
    }
}

#[test]
fn every_damaged_file_is_judged_as_the_table_says() {
    for damaged in fixtures::damaged() {
        for pieces in [false, true] {
            let name = &damaged.name;
            let mut checker = Checker { duplicates: DuplicateKeys::new(1000), pieces };
            let mut scanner = Scanner::new();
            let result = scanner.push(&damaged.rdb, &mut checker).and_then(|()| scanner.finish());
            println!("{name}: {}", result.as_ref().map_or_else(ToString::to_string, |_| "read to its end".to_owned()));
            match result {
                Err(error) => {
                    assert!(damaged.must_refuse, "{name} ({}): {error}", damaged.what);
                    let length = damaged.rdb.len() as u64;
                    // A wrong byte within the checksum is known to be wrong with all eight.
                    let least = if error.code() == "checksum_mismatch" { damaged.offset - 7 } else { damaged.offset };
                    assert!((least..=length).contains(&error.offset), "{name}: {error}, not {}", damaged.offset);
                    if name.starts_with("trunc") {
                        assert_eq!((error.code(), error.offset), ("truncated", length), "{name}: {error}");
                    }
                    assert!(!error.is_newer_than_known(), "{name}: {error}");
                }
                Ok(summary) => {
                    let refused = checker.duplicates.finish().count > 0 || !summary.is_version_known();
                    assert_eq!(refused, damaged.must_refuse, "{name}: {}", damaged.what);
                    let remark = &damaged.remark;
                    assert_eq!(summary.checksum == Checksum::Absent, remark.contains("no checksum"), "{name}");
                    assert_eq!(summary.trailing > 0, remark.contains("follow"), "{name}");
                    assert_eq!(summary.empty_keys > 0, remark.contains("key is empty"), "{name}");
                    assert!(summary.hint_mismatches > 0 || !remark.contains("does not agree"), "{name}");
                }
            }
        }
    }
}
