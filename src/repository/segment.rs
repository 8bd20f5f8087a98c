//! A segment of an archive: the bytes of a replication stream from one offset to another as zstd frames, and behind them, in a frame that
//! every zstd reader passes over, an index that says what they are. `zstdcat` of the segments of a timeline is the text of an AOF.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RepositoryError;
use crate::codec::skippable;

/// Version of the index; a reader refuses a higher one.
pub const INDEX_VERSION: u32 = 1;

/// The last bytes of a segment, behind the length of the index.
const MAGIC: [u8; 8] = *b"ROINDEX1";

/// Length of the index and the magic.
pub const FOOTER: usize = 12;

/// An index may not be longer, bytes: one holds a mark a second, and at most [`EVENTS_KEPT`] events.
pub const INDEX_LIMIT: u64 = 8 << 20;

/// Events that an index names; what is found beyond is counted only.
pub const EVENTS_KEPT: usize = 1000;

/// Digits of an offset in a name.
const DIGITS: usize = 20;

/// Where a segment lies. It holds the bytes behind `from` up to `to`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentName {
    /// The history that it is part of.
    pub replid: String,
    /// The offset of the last byte before it.
    pub from: u64,
    /// The offset of its last byte.
    pub to: u64,
}

impl SegmentName {
    /// Its key below the folder of the shard.
    pub fn key(&self) -> String {
        format!("{}/{:020}-{:020}.zst", self.replid, self.from, self.to)
    }

    /// The name in a key below the folder of the shard; `None`: it is no segment's.
    pub fn parse(key: &str) -> Option<Self> {
        let (replid, name) = key.split_once('/')?;
        let (from, to) = name.strip_suffix(".zst")?.split_once('-')?;
        let number = |digits: &str| {
            let good = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
            good.then(|| digits.parse::<u64>().ok()).flatten()
        };
        let (from, to) = (number(from)?, number(to)?);
        (is_replid(replid) && from < to).then(|| Self { replid: replid.to_owned(), from, to })
    }

    /// Bytes of the stream in it.
    pub fn raw_bytes(&self) -> u64 {
        self.to - self.from
    }
}

/// Whether a text is a replication id: 40 letters and digits.
pub fn is_replid(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// What was at an offset: the server's own clock, microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, i64)", into = "(u64, i64)")]
pub struct Mark {
    /// Everything up to this offset was done by then.
    pub offset: u64,
    /// The server's clock.
    pub time_us: i64,
}

impl From<(u64, i64)> for Mark {
    fn from((offset, time_us): (u64, i64)) -> Self {
        Self { offset, time_us }
    }
}

impl From<Mark> for (u64, i64) {
    fn from(mark: Mark) -> Self {
        (mark.offset, mark.time_us)
    }
}

/// A command after which people ask for the moment before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its name, and what else tells it: `FLUSHALL`, `FUNCTION FLUSH`.
    pub command: String,
    /// The last offset before it at which the stream may be cut: before its `MULTI`, if it stands in one.
    pub before: u64,
    /// The offset of its last byte.
    pub end: u64,
    /// The database in force.
    pub database: u32,
    /// Keys that it names, where it is one of a burst of removals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
}

/// The segment before another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// Its history; another one where the server has changed its role between the two.
    pub replid: String,
    /// The offset of the last byte before it.
    pub from: u64,
    /// The SHA-256 of its raw bytes.
    pub raw_sha256: String,
}

/// A part of the stream that nobody has: the server no longer had it when the archiver came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The history that was followed before.
    pub replid: String,
    /// The last offset that was followed.
    pub after: u64,
}

/// What is known of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Version of this format.
    pub index_version: u32,
    /// The history that it is part of.
    pub replid: String,
    /// The offset of the last byte before it.
    pub from: u64,
    /// The offset of its last byte.
    pub to: u64,
    /// The database in force at `from`.
    pub database: u32,
    /// The database in force at `to`.
    pub database_behind: u32,
    /// Pairs of offset and time, in the order in which they were read.
    pub marks: Vec<Mark>,
    /// Of the marks at one offset the newest is there too; without this, marks at one offset are left out for 10 s (earlier versions).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub newest_marks: bool,
    /// Commands by name.
    pub commands: BTreeMap<String, u64>,
    /// What people look for afterwards, in order; at most [`EVENTS_KEPT`].
    pub events: Vec<Event>,
    /// Events beyond those.
    #[serde(default)]
    pub events_left_out: u64,
    /// The SHA-256 of its raw bytes.
    pub raw_sha256: String,
    /// The segment before it; `None`: it is the first, or what was before it is lost.
    pub previous: Option<Previous>,
    /// What is lost before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
    /// Version of the tool that wrote it.
    pub tool_version: String,
}

/// The server's clock at a command of a history that ends at `end` and has `before` in front of it, Unix microseconds: the next mark
/// behind it, else the last one before it.
pub fn time_of<'a>(indexes: impl Iterator<Item = &'a Index>, replid: &str, before: u64, end: u64) -> Option<i64> {
    let (mut behind, mut in_front): (Option<&Mark>, Option<&Mark>) = (None, None);
    for mark in indexes.filter(|index| index.replid == replid).flat_map(|index| &index.marks) {
        if mark.offset >= end {
            behind = behind.filter(|found| found.offset <= mark.offset).or(Some(mark));
        } else if mark.offset <= before {
            in_front = in_front.filter(|found| found.offset > mark.offset).or(Some(mark));
        }
    }
    behind.or(in_front).map(|mark| mark.time_us)
}

impl Index {
    /// The name under which it lies.
    pub fn name(&self) -> SegmentName {
        SegmentName { replid: self.replid.clone(), from: self.from, to: self.to }
    }

    /// What stands behind the frames of a segment.
    pub fn encode(&self) -> Vec<u8> {
        let mut content = serde_json::to_vec(self).expect("an index is plain data");
        let length = u32::try_from(content.len()).expect("an index is below 8 MiB");
        content.extend(length.to_le_bytes());
        content.extend(MAGIC);
        skippable(&content)
    }

    /// Bytes of the index that ends a segment, by the last [`FOOTER`] bytes of the segment. `None`: it has none.
    pub fn length(footer: &[u8]) -> Option<u64> {
        let (rest, magic) = footer.split_last_chunk::<8>()?;
        let (_, length) = rest.split_last_chunk::<4>()?;
        (*magic == MAGIC).then(|| u64::from(u32::from_le_bytes(*length)))
    }

    /// Reads an index, without its footer.
    ///
    /// # Errors
    /// It is damaged, another segment's, or of a newer version.
    pub fn decode(bytes: &[u8], of: &SegmentName) -> Result<Self, RepositoryError> {
        let wrong = |why: String| RepositoryError::Segment { key: of.key(), why };
        let index: Self =
            serde_json::from_slice(bytes).map_err(|error| wrong(format!("its index is damaged: {error}")))?;
        if index.index_version > INDEX_VERSION {
            return Err(wrong(format!("its index has version {}", index.index_version)));
        }
        if index.name() != *of {
            return Err(wrong("its index is that of another segment".to_owned()));
        }
        Ok(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLID: &str = "8371445ee47fed5cbf8c4d15b2a0a4b0c8a8a5a8";

    #[test]
    fn names_are_taken_apart_or_passed_over() {
        let name = SegmentName { replid: REPLID.to_owned(), from: 7, to: u64::MAX };
        assert_eq!(name.key(), format!("{REPLID}/00000000000000000007-18446744073709551615.zst"));
        assert_eq!(SegmentName::parse(&name.key()), Some(name));
        for wrong in [
            "x/00000000000000000001-00000000000000000002.zst",
            &format!("{REPLID}/00000000000000000002-00000000000000000002.zst"),
            &format!("{REPLID}/1-2.zst"),
            &format!("{REPLID}/0000000000000000000+-00000000000000000002.zst"),
            &format!("{REPLID}/00000000000000000001-00000000000000000002.gz"),
        ] {
            assert_eq!(SegmentName::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_index_is_found_at_the_end_and_read_again() {
        let index = Index {
            index_version: INDEX_VERSION,
            newest_marks: true,
            replid: REPLID.to_owned(),
            from: 1,
            to: 9,
            database: 3,
            database_behind: 4,
            marks: vec![Mark { offset: 4, time_us: -5 }],
            commands: [("SET".to_owned(), 2)].into(),
            events: vec![Event { command: "FLUSHALL".into(), before: 1, end: 2, database: 0, keys: None }],
            events_left_out: 0,
            raw_sha256: String::new(),
            previous: None,
            gap: Some(Gap { replid: REPLID.to_owned(), after: 0 }),
            tool_version: "0".to_owned(),
        };
        let stored = index.encode();
        let (rest, footer) = stored.split_at(stored.len() - FOOTER);
        let length = usize::try_from(Index::length(footer).expect("a footer")).expect("short");
        assert_eq!(Index::decode(&rest[rest.len() - length..], &index.name()).expect("read"), index);
        let other = SegmentName { to: 10, ..index.name() };
        assert!(Index::decode(&rest[rest.len() - length..], &other).is_err());
        assert_eq!(Index::length(b"000000000000"), None);
    }
}
