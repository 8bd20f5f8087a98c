//! Forms that no server on this machine writes, put together from the description of the format.

use redis_ops::census::Counter;
use redis_ops::rdb::dump::{Loss, Target, transcode};
use redis_ops::rdb::visit::{Checksum, Entry, Interest, Piece, Visit};
use redis_ops::rdb::{Dialect, RdbError, Scanner, Summary, Tail, ValueType, crc64};

use super::recorder::{Recorder, scan};
use crate::census::reference::Row;

/// A file with this header and these records, its end and its checksum.
fn file(header: &str, records: &[&[u8]]) -> Vec<u8> {
    let mut file = [header.as_bytes(), &records.concat(), b"\xff"].concat();
    let crc = crc64(&file);
    file.extend(crc.to_le_bytes());
    file
}

/// What is told of the values in a file, the same whole and byte by byte.
#[track_caller]
fn told(file: &[u8]) -> Result<Vec<String>, RdbError> {
    let mut whole = Recorder::new(true, true);
    let result = scan(file, [], &mut whole);
    let mut slow = Recorder::new(true, true);
    assert_eq!(scan(file, std::iter::repeat(1), &mut slow), result);
    let quiet = scan(file, [], &mut Recorder::new(false, false));
    assert_eq!(quiet.is_ok(), result.is_ok(), "{quiet:?} without pieces, {result:?} with them");
    assert!(result.is_err() || slow.events == whole.events);
    result.map(|_: Summary| whole.events)
}

/// A listpack of short strings and small numbers.
fn listpack(elements: &[&str]) -> Vec<u8> {
    let mut blob = vec![0; 6];
    for element in elements {
        match element.parse::<u8>() {
            Ok(number) => blob.extend([number, 1]),
            Err(_) => {
                blob.push(0x80 | element.len() as u8);
                blob.extend_from_slice(element.as_bytes());
                blob.push(element.len() as u8 + 1);
            }
        }
    }
    blob.push(0xff);
    let n = blob.len() as u8;
    (blob[0], blob[4]) = (n, elements.len() as u8);
    [&[n][..], &blob].concat()
}

const HASH_OF_TWO: [&str; 2] = [
    "HashField { field: [97], value: [120], expire_ms: None }",
    "HashField { field: [98], value: [55], expire_ms: None }",
];

#[track_caller]
fn holds(events: &[String], expected: &[&str]) {
    let found: Vec<&String> = events.iter().filter(|event| expected.contains(&event.as_str())).collect();
    assert_eq!(found, expected, "in {events:#?}");
}

#[test]
fn hashes_find_their_template_in_the_file_or_bring_it() {
    let template = b"\xf2\x05\x02\x01a\x01b";
    let reference = [b"\x1e\x01k", &listpack(&["5", "x", "7"])[..]].concat();
    holds(&told(&file("REDIS0015", &[template, &reference])).unwrap(), &HASH_OF_TWO);
    holds(&told(&file("REDIS0015", &[template, b"\x20\x01k\x05\x01x\x017"])).unwrap(), &HASH_OF_TWO);
    let packed = [b"\x1d\x01k\x00", &listpack(&["a", "b"])[..], &listpack(&["0", "x", "7"])].concat();
    holds(&told(&file("REDIS0015", &[&packed])).unwrap(), &HASH_OF_TWO);
    holds(&told(&file("REDIS0015", &[b"\x1f\x01k\x01\x02\x01a\x01b\x01x\xc0\x07"])).unwrap(), &HASH_OF_TWO);

    for damaged in [&reference[..], b"\x20\x01k\x05\x01x\x017", b"\xf2\x05\x00"] {
        assert_eq!(told(&file("REDIS0015", &[damaged])).unwrap_err().code(), "corrupt");
    }
    assert_eq!(told(&file("REDIS0015", &[template, template])).unwrap_err().code(), "corrupt");
    let short = [b"\x1e\x01k", &listpack(&["5", "x"])[..]].concat();
    assert_eq!(told(&file("REDIS0015", &[template, &short])).unwrap_err().code(), "corrupt");
}

/// Holds the digest of a file with the one key `k` against its documentation: the name of the type, its elements, the hash of the value.
#[track_caller]
fn digest_is(file: &[u8], name: &str, count: u64, value: Row) {
    let mut counter = Counter::of_everything(0);
    scan(file, [], &mut counter).unwrap();
    let key = Row::default().u64(0).str(b"k").str(name.as_bytes()).opt(None).u64(count).u128(value.hash());
    assert_eq!(counter.finish().digest, key.hash());
}

#[test]
fn arrays_and_rate_limiters_are_read() {
    let array = b"\x1c\x01k\x04\x01\x09\x00\x00\x05hello\x02\x01\xff\xff\xff\xff\xff\xff\xff\xff\x03\x02\0\0\0\0\0\0\xf8\x3f\x40\x80\x03\x02ab";
    let events = told(&file("REDIS0014", &[array])).unwrap();
    holds(
        &events,
        &[
            "ArrayInsertIndex(9)",
            "ArrayElement { index: 0, value: Bytes([104, 101, 108, 108, 111]) }",
            "ArrayElement { index: 2, value: Integer(-1) }",
            "ArrayElement { index: 3, value: Double(1.5) }",
            "ArrayElement { index: 128, value: Bytes([97, 98]) }",
        ],
    );
    holds(&told(&file("REDIS0014", &[b"\x1d\x01k\x07"])).unwrap(), &["Gcra(7)"]);
    let limiter = file("REDIS0015", &[b"\x21\x01k\x07"]);
    holds(&told(&limiter).unwrap(), &["Gcra(7)"]);
    digest_is(&limiter, "gcra", 1, Row::default().u64(7));
}

#[test]
fn metadata_of_a_key_is_told_with_it_and_with_no_other() {
    let meta = b"\xf3\x02\x11\x22\x33\x44\x02\x07\x00\x55\x66\x77\x88\x05\x02hi\x00";
    let events = told(&file("REDIS0013", &[meta, b"\x00\x01k\x01v\x00\x01l\x01w"])).unwrap();
    let raw = format!("key_meta: Some({:?})", &meta[1..]);
    assert_eq!(events.iter().filter(|event| event.contains(&raw)).count(), 1);
    assert_eq!(events.iter().filter(|event| event.contains("key_meta: None")).count(), 1);
}

#[test]
fn a_slot_import_of_valkey_is_passed_over() {
    let events = told(&file("VALKEY080", &[b"\xf3\x03job\x02\x01\x02\x05\x40\x80\x00\x01k\x01v"])).unwrap();
    assert!(events.iter().any(|event| event.starts_with("Entry {")));
}

#[test]
fn the_dialect_decides_what_a_number_means() {
    let known: &[(&str, &[u8], bool)] = &[
        ("REDIS0012", b"\x16\x01k\x01\x00\x01f\x01v", true),
        ("REDIS0011", b"\x16\x01k\x01\x00\x01f\x01v", false),
        ("VALKEY080", b"\x16\x01k\x01\x01f\x01v\xff\xff\xff\xff\xff\xff\xff\xff", true),
        ("VALKEY080", b"\x18\x01k\0\0\0\0\0\0\0\0\x01\x00\x01f\x01v", false),
        ("REDIS0012", b"\x18\x01k\0\0\0\0\0\0\0\0\x01\x00\x01f\x01v", true),
        ("REDIS0012", b"\xf3\x00\x00\x01k\x01v", false),
        ("REDIS0014", b"\xf2\x05\x01\x01a", false),
    ];
    for (header, record, expected) in known {
        let result = told(&file(header, &[record]));
        assert_eq!(result.is_ok(), *expected, "{header} {record:?}: {result:?}");
        assert!(result.is_ok_and(|_| true) || !told(&file(header, &[record])).unwrap_err().is_newer_than_known());
    }
}

#[test]
fn what_is_newer_than_known_can_be_proven_whole_all_the_same() {
    let unknown: &[(&str, &[u8])] = &[
        ("REDIS0016", b"\x63\x01k something quite new"),
        ("REDIS0099", b"\xf1 something quite new"),
        ("VALKEY082", b"\x17 something quite new"),
        ("VALKEY081", b"\x17\x01k path hash"),
        ("VALKEY081", b"\xf2*1\r\n"),
    ];
    for (header, record) in unknown {
        let good = file(header, &[b"\x00\x01k\x01v", record]);
        let mut bad = good.clone();
        let last = bad.len() - 12;
        bad[last] ^= 1;
        for length in [1, 5, good.len()] {
            for (file, expected) in [(&good, true), (&bad, false)] {
                let mut scanner = Scanner::new();
                let mut parts = file.chunks(length);
                let error = parts.by_ref().find_map(|part| scanner.push(part, &mut ()).err()).unwrap();
                assert!(error.is_newer_than_known(), "{header}: {error}");
                assert_eq!(error.offset, 14, "{header}: {error}");
                parts.for_each(|part| scanner.skim(part));
                assert_eq!(scanner.skim_finish().is_ok(), expected, "{header}, parts of {length}");
            }
        }
        let mut tail = Tail::new();
        tail.push(&good);
        assert!(matches!(tail.finish(), Ok(Checksum::Verified(_))));
    }
    let read = Scanner::new();
    assert!(read.finish().is_err());
    let mut scanner = Scanner::new();
    scanner.push(&file("REDIS0016", &[b"\x00\x01k\x01v"]), &mut ()).unwrap();
    assert!(!scanner.finish().unwrap().is_version_known());
}

/// A stream of the newest form: no nodes, one group with two pending entries, of which a consumer owns the first.
fn stream(owned: u8, released: &[u8]) -> Vec<u8> {
    let id = |seq: u8| [&[0; 15][..], &[seq]].concat();
    let pending = |seq: u8| [&id(seq)[..], &[0; 8], b"\x01"].concat();
    let mut body = b"\x00\x00\x09\x00\x00\x00\x08\x00\x09\x01\x01g\x09\x00\x07\x02".to_vec();
    body.extend([pending(1), pending(2)].concat());
    body.extend(b"\x01\x01c\x05\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0\x01");
    body.extend(id(owned));
    body.push(released.len() as u8);
    released.iter().for_each(|seq| body.extend(id(*seq)));
    // Idempotence: 100 seconds, 50 entries, one producer with one id.
    body.extend(b"\x40\x64\x32\x01\x01p\x01\x01i\x09\x00\x01\x00");
    body
}

#[test]
fn a_pending_entry_has_one_owner_or_was_released() {
    let record = |owned, released: &[u8]| [b"\x1b\x01k", &stream(owned, released)[..]].concat();
    let events = told(&file("REDIS0014", &[&record(1, &[2])])).unwrap();
    holds(
        &events,
        &[
            "StreamOwned(StreamId { ms: 0, seq: 1 })",
            "StreamReleased(StreamId { ms: 0, seq: 2 })",
            "StreamIdempotence { duration_seconds: 100, max_entries: 50 }",
            "StreamProducer([112])",
            "StreamProduced { iid: [105], id: StreamId { ms: 9, seq: 0 } }",
        ],
    );
    for (owned, released) in [(1, &[][..]), (1, &[1]), (3, &[2]), (1, &[2, 2])] {
        assert_eq!(told(&file("REDIS0014", &[&record(owned, released)])).unwrap_err().code(), "corrupt");
    }
}

#[test]
fn a_stream_for_an_older_server_says_what_it_lost() {
    let body = stream(1, &[2]);
    let to = |product, version| {
        let target = Target::of(product, version).unwrap();
        transcode(ValueType::STREAM_5, Dialect::Redis, 14, &body, &target).unwrap()
    };
    let same = to("redis", "8.8");
    assert_eq!((same.value_type, same.lost), (ValueType::STREAM_5, vec![]));
    let released = [Loss::ReleasedEntries(1)];
    assert_eq!(to("redis", "8.6").lost, released);
    assert_eq!(to("valkey", "9.1").lost, [Loss::Idempotence { producers: 1 }, released[0]]);
    assert_eq!(
        to("redis", "6.2").lost,
        [
            Loss::StreamCounters,
            Loss::Idempotence { producers: 1 },
            released[0],
            Loss::ConsumerActivity(1),
            Loss::GroupEntriesRead(1)
        ]
    );
    for (product, version) in [("redis", "8.6"), ("redis", "7.2"), ("redis", "7.0"), ("redis", "6.2")] {
        let made = to(product, version);
        let record = [&[made.value_type.0][..], b"\x01k", &made.body].concat();
        let events = told(&file("REDIS0013", &[&record])).unwrap();
        assert_eq!(events.iter().filter(|event| event.starts_with("StreamPending")).count(), 1);
    }
}

/// Counts the bytes of strings, and the largest part.
#[derive(Default)]
struct Sizes {
    total: usize,
    largest: usize,
    pieces: bool,
}

impl Visit for Sizes {
    fn entry(&mut self, _entry: &Entry<'_>) -> Interest {
        Interest { raw: false, pieces: self.pieces }
    }
    fn piece(&mut self, piece: Piece<'_>) {
        if let Piece::String(part) = piece {
            self.total += part.len();
            self.largest = self.largest.max(part.len());
        }
    }
}

#[test]
fn a_long_string_passes_through_in_parts() {
    let text = vec![b'x'; 20 << 20];
    let plain = [b"\x00\x01k\x80", &(text.len() as u32).to_be_bytes()[..], &text].concat();
    // One literal, then the longest references to it: 264 bytes of three.
    let n = 100_000_u32;
    let packed = [b"\x00x".to_vec(), b"\xe0\xff\x00".repeat(n as usize)].concat();
    let head = [&b"\x00\x01k\xc3\x80"[..], &(packed.len() as u32).to_be_bytes(), b"\x80", &(264 * n + 1).to_be_bytes()];
    let compressed = [&head.concat()[..], &packed].concat();
    for (record, length) in [(&plain, text.len()), (&compressed, 264 * n as usize + 1)] {
        let file = file("REDIS0009", &[record]);
        for (pieces, chunk) in [(true, 65536), (true, 1000), (false, 65536), (false, 1000)] {
            let mut sizes = Sizes { pieces, ..Sizes::default() };
            let mut scanner = Scanner::with_piece_limit(100_000);
            file.chunks(chunk).for_each(|part| scanner.push(part, &mut sizes).unwrap());
            scanner.finish().unwrap();
            assert_eq!(sizes.total, if pieces { length } else { 0 });
            assert!(sizes.largest < 100_000, "{}", sizes.largest);
        }
    }
}

#[test]
fn a_piece_over_the_limit_is_refused_and_passed_over_if_nobody_wants_it() {
    let element = [b"\x01\x01k\x01\x80\x00\x02\x00\x00", &[b'x'; 0x20000][..]].concat();
    let file = file("REDIS0009", &[&element]);
    for (pieces, expected) in [(true, Err("corrupt")), (false, Ok(1))] {
        let mut scanner = Scanner::with_piece_limit(100_000);
        let mut sizes = Sizes { pieces, ..Sizes::default() };
        let result = file.chunks(4096).try_for_each(|part| scanner.push(part, &mut sizes));
        let result = result.and_then(|()| scanner.finish());
        assert_eq!(result.map(|summary| summary.keys).map_err(|error| error.code()), expected);
    }
}

#[test]
fn a_packed_value_that_lies_is_damaged_before_it_is_too_large() {
    // A list's node of two gigabytes, whose listpack says that it has five bytes; one that says the same as its string, and is read up to
    // its first fault; and a set of numbers, which is held.
    let list = b"\x12\x01k\x01\x02\x80\x80\x00\x00\x00";
    for (head, size, expected) in [
        (&list[..], 5_u32, "header gives another size than the string that holds it"),
        (&list[..], 0x8000_0000, "listpack element with a wrong length behind it"),
        (b"\x0b\x01k\x80\x80\x00\x00\x00", 8, "a piece of"),
    ] {
        let value = [head, &size.to_le_bytes()[..], &[0; 100]].concat();
        let error = told(&file("REDIS0011", &[&value])).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn module_data_and_old_functions_are_told() {
    let aux = b"\xf7\x81\0\0\0\0\0\0\x04\x01\x02\x02\x01\x07\x05\x03abc\x03\0\0\x80\x3f\x04\0\0\0\0\0\0\xf0\x3f\x00";
    let function = b"\xf6\x03lib\x03LUA\x01\x04text\x04code";
    let events = told(&file("REDIS0010", &[aux, function])).unwrap();
    holds(
        &events,
        &[&format!("module aux 1025 2 {:?}", &aux[12..]), &format!("function {:?}", b"#!LUA name=lib\ncode")],
    );
    let damaged = b"\xf7\x01\x02\x02\x06\x00";
    assert_eq!(told(&file("REDIS0010", &[damaged])).unwrap_err().code(), "corrupt");
}
