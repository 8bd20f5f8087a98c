//! Stretches of an archive in which no time can be chosen: the stream is there, and nobody has noted when it was written, since the
//! archiver was down and has read it later from the backlog of the server, or since another archiver followed the server meanwhile.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::repository::segment::{Index, Mark};

/// The longest time between two marks up to which a time between them can be chosen, microseconds. The archiver looks at the server once a
/// second; a busy server, or a link that breaks and is made again, costs a few looks.
const APART_US: i64 = 5_000_000;

/// The same for archives of earlier versions, which note the marks of an idle server every 10 s only.
const APART_EARLIER_US: i64 = 15_000_000;

/// Two marks that are too far apart, with stream between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// The last mark before it: a time in the silence goes back to this.
    pub before: Mark,
    /// The first mark behind it.
    pub after: Mark,
}

/// A silence as JSON answers tell it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownSilence {
    #[serde(serialize_with = "crate::times::serialize_some")]
    pub from: Option<DateTime<Utc>>,
    #[serde(serialize_with = "crate::times::serialize_some")]
    pub to: Option<DateTime<Utc>>,
    pub from_offset: u64,
    pub to_offset: u64,
}

impl Silence {
    /// As JSON answers tell it.
    pub fn shown(&self) -> ShownSilence {
        let time = |mark: Mark| DateTime::from_timestamp_micros(mark.time_us);
        ShownSilence {
            from: time(self.before),
            to: time(self.after),
            from_offset: self.before.offset,
            to_offset: self.after.offset,
        }
    }

    /// Bytes of stream in it.
    pub fn bytes(&self) -> u64 {
        self.after.offset - self.before.offset
    }
}

/// The silences of segments that follow one another. Marks at one offset may be as far apart as they like: nothing was written between.
pub fn silences<'a>(indexes: impl IntoIterator<Item = &'a Index>) -> Vec<Silence> {
    let (mut found, mut last): (Vec<Silence>, Option<(Mark, i64)>) = (Vec::new(), None);
    for index in indexes {
        let limit = if index.newest_marks { APART_US } else { APART_EARLIER_US };
        for mark in index.marks.iter().copied() {
            if let Some((before, limit)) = last {
                if mark.offset < before.offset {
                    // Of segments that overlap.
                    continue;
                }
                if mark.offset > before.offset && mark.time_us - before.time_us > limit {
                    found.push(Silence { before, after: mark });
                }
            }
            last = Some((mark, limit));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;

    fn index(newest_marks: bool, marks: &[(u64, i64)]) -> Index {
        Index {
            index_version: 1,
            replid: "a".repeat(40),
            from: 0,
            to: 100,
            database: 0,
            database_behind: 0,
            marks: marks.iter().map(|(offset, s)| Mark { offset: *offset, time_us: s * S }).collect(),
            newest_marks,
            commands: [].into(),
            events: Vec::new(),
            events_left_out: 0,
            raw_sha256: String::new(),
            previous: None,
            gap: None,
            tool_version: String::new(),
        }
    }

    #[track_caller]
    fn check(indexes: &[Index], expected: &[(u64, u64)]) {
        let found: Vec<_> = silences(indexes).iter().map(|one| (one.before.offset, one.after.offset)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn marks_far_apart_are_a_silence_where_something_was_written_between() {
        check(&[index(true, &[(1, 0), (2, 5), (3, 11)])], &[(2, 3)]);
        check(&[index(true, &[(1, 0), (1, 60), (2, 61)])], &[]);
        check(&[index(true, &[(1, 0)]), index(true, &[(1, 0), (7, 20)])], &[(1, 7)]);
    }

    #[test]
    fn an_idle_server_in_an_archive_of_an_earlier_version_is_no_silence() {
        check(&[index(false, &[(1, 0), (2, 11), (3, 27)])], &[(2, 3)]);
    }

    #[test]
    fn segments_that_overlap_make_no_silence() {
        check(&[index(true, &[(1, 0), (9, 4)]), index(true, &[(4, 2), (12, 6)])], &[]);
    }
}
