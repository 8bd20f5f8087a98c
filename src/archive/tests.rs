use std::fs;
use std::path::Path;
use std::time::Duration;

use super::sealing::seal;
use super::spool::{self, Head, Spool, Spooled};
use super::writer::Writer;
use crate::codec::{CodecError, Unpacker};
use crate::connection::replication::Position;
use crate::repository::segment::{FOOTER, Gap, Index, Mark};

const REPLID: &str = "8371445ee47fed5cbf8c4d15b2a0a4b0c8a8a5a8";
const START: u64 = 1000;

fn packed(commands: &[&[&str]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for words in commands {
        bytes.extend(format!("*{}\r\n", words.len()).bytes());
        words.iter().for_each(|word| bytes.extend(format!("${}\r\n{word}\r\n", word.len()).bytes()));
    }
    bytes
}

const SAMPLE: &[&[&str]] = &[
    &["SELECT", "3"],
    &["SET", "a", "*3\r\n$3\r\n"],
    &["MULTI"],
    &["SELECT", "0"],
    &["DEL", "a", "b"],
    &["EXEC"],
    &["PING"],
    &["FLUSHALL"],
    &["SET", "b", "#TS:1"],
];

fn sample() -> Vec<u8> {
    packed(SAMPLE)
}

fn start() -> Position {
    Position { replid: REPLID.to_owned(), offset: START }
}

fn first() -> Spooled {
    Spooled { from: START, database: 0, replid: REPLID.to_owned() }
}

/// The text of a segment, and its index.
fn opened(folder: &Path, spooled: &Spooled, head: Option<&Head>) -> (Vec<u8>, Index) {
    let sealed = seal(folder, spooled, head).expect("sealed");
    let (mut unpacker, mut raw) = (Unpacker::new().expect("memory"), Vec::new());
    unpacker
        .push(&sealed.body, &mut |bytes: &[u8]| {
            raw.extend_from_slice(bytes);
            Ok::<(), CodecError>(())
        })
        .expect("frames");
    unpacker.finish().expect("whole");
    let length = Index::length(&sealed.body[sealed.body.len() - FOOTER..]).expect("a footer");
    assert!(length > 0);
    (raw, sealed.index)
}

#[test]
fn whatever_byte_an_archiver_was_killed_at_nothing_is_lost_or_doubled() {
    let stream = sample();
    for killed_at in 0..=stream.len() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = Writer::begin(folder.path(), &start(), 0, None).expect("begun");
        writer.push(&stream[..killed_at], u64::MAX).expect("written");
        drop(writer);
        let (safe, database) = spool::cut(folder.path(), &first()).expect("cut");
        let kept = usize::try_from(safe - START).expect("short");
        assert!(kept <= killed_at, "{killed_at}");
        assert_eq!(fs::metadata(first().raw(folder.path())).expect("there").len(), kept as u64);
        // What comes after is asked for once more.
        let at = Position { replid: REPLID.to_owned(), offset: safe };
        let mut text = Vec::new();
        if kept > 0 {
            text.extend(opened(folder.path(), &first(), None).0);
        }
        let again = tempfile::tempdir().expect("a folder");
        let mut writer = Writer::begin(again.path(), &at, database, None).expect("begun");
        writer.push(&stream[kept..], u64::MAX).expect("written");
        if let Some(closed) = writer.close().expect("closed") {
            assert_eq!((closed.spooled.from, closed.spooled.database), (safe, database));
            text.extend(opened(again.path(), &closed.spooled, None).0);
        }
        assert_eq!(text, stream, "killed at {killed_at}");
    }
}

#[test]
fn files_end_where_the_stream_may_be_cut_and_join() {
    let stream = sample();
    for (size, n_files) in [(1, 6), (40, 3), (60, 2), (1000, 1)] {
        // The same files, however many bytes come at once.
        for step in [1, 7, 1000] {
            let folder = tempfile::tempdir().expect("a folder");
            let mut writer = Writer::begin(folder.path(), &start(), 0, None).expect("begun");
            let mut files = Vec::new();
            for part in stream.chunks(step) {
                files.extend(writer.push(part, size).expect("written").closed);
            }
            files.extend(writer.close().expect("closed"));
            let (mut text, mut at) = (Vec::new(), START);
            for file in &files {
                let (raw, index) = opened(folder.path(), &file.spooled, None);
                assert_eq!((file.spooled.from, index.from, file.bytes), (at, at, raw.len() as u64));
                assert_eq!(
                    raw.windows(5).filter(|word| word == b"MULTI").count(),
                    raw.windows(4).filter(|word| word == b"EXEC").count()
                );
                at = index.to;
                text.extend(raw);
            }
            assert_eq!(text, stream, "size {size}, step {step}");
            assert_eq!(files.len(), n_files, "size {size}, step {step}: {files:?}");
        }
    }
}

#[test]
fn an_index_names_what_people_look_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = Writer::begin(folder.path(), &start(), 0, None).expect("begun");
    let stream = sample();
    for time_us in [1, 2] {
        writer.mark(Mark { offset: START, time_us }).expect("marked");
    }
    writer.mark(Mark { offset: START + stream.len() as u64, time_us: 5_000_000 }).expect("marked");
    writer.push(&stream, u64::MAX).expect("written");
    let file = writer.close().expect("closed").expect("a file");
    let gap = Gap { replid: REPLID.to_owned(), after: 7 };
    let (_, index) = opened(folder.path(), &file.spooled, Some(&Head::anew(&start(), Some(gap.clone()))));
    assert_eq!(index.gap, Some(gap));
    assert_eq!((index.database, index.database_behind), (0, 0));
    let [event] = index.events.as_slice() else { panic!("{:?}", index.events) };
    let before = packed(&SAMPLE[..7]);
    assert_eq!((event.command.as_str(), event.before), ("FLUSHALL", START + before.len() as u64));
    // Of marks at the same offset within ten seconds the first is kept, and the last before the offset moves on.
    assert_eq!(index.marks.iter().map(|mark| mark.time_us).collect::<Vec<_>>(), [1, 2, 5_000_000]);
    assert_eq!(index.commands.get("SET"), Some(&2));
}

#[test]
fn a_file_without_writes_is_due_later_and_never_within_a_transaction() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = Writer::begin(folder.path(), &start(), 0, None).expect("begun");
    let (now, never) = (Duration::ZERO, Duration::MAX);
    assert!(!writer.is_due(now, now), "an empty one never is");
    writer.push(&packed(&[&["PING"]]), u64::MAX).expect("written");
    assert!(!writer.is_due(now, never) && writer.is_due(never, now));
    writer.push(&packed(&[&["MULTI"], &["SET", "a", "1"]]), u64::MAX).expect("written");
    assert!(writer.is_due(now, never));
    assert_eq!(writer.close().expect("asked"), None);
    writer.push(&packed(&[&["EXEC"]]), u64::MAX).expect("written");
    assert!(writer.close().expect("closed").is_some());
}

#[test]
fn a_spool_is_held_by_one_and_tells_its_files_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path()).expect("opened").expect("free");
    assert!(Spool::open(folder.path()).expect("opened").is_none());
    let token = spool.token.clone();
    let mut writer = Writer::begin(folder.path(), &start(), 0, Some(&Head::anew(&start(), None))).expect("begun");
    writer.push(&sample(), 30).expect("written");
    let names: Vec<u64> = spool.waiting().expect("listed").iter().map(|file| file.from).collect();
    assert!(names.is_sorted() && names[0] == START, "{names:?}");
    assert_eq!(spool::joins(folder.path(), &first()).expect("read"), Some(Head::anew(&start(), None)));
    drop(spool);
    let again = Spool::open(folder.path()).expect("opened").expect("free");
    assert_eq!(again.token, token);
}
