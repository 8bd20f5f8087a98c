use proptest::prelude::*;

use super::*;

/// What a scanner tells of a command, as plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    start: u64,
    end: u64,
    n_words: u64,
    database: u32,
    in_transaction: bool,
    safe_before: u64,
    words: Vec<Vec<u8>>,
    lengths: Vec<u64>,
}

fn packed(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn scan(scanner: &mut Scanner, bytes: &[u8], seen: &mut Vec<Seen>) -> Result<(), StreamError> {
    scanner.push(bytes, |command| {
        seen.push(Seen {
            start: command.start,
            end: command.end,
            n_words: command.n_words,
            database: command.database,
            in_transaction: command.in_transaction,
            safe_before: command.safe_before,
            words: (0..WORDS_KEPT).map_while(|index| command.word(index)).map(<[u8]>::to_vec).collect(),
            lengths: (0..WORDS_KEPT).map_while(|index| command.length_of(index)).collect(),
        });
    })
}

fn whole(bytes: &[u8]) -> (Vec<Seen>, Scanner, Result<(), StreamError>) {
    let (mut scanner, mut seen) = (Scanner::at(100, 0), Vec::new());
    let result = scan(&mut scanner, bytes, &mut seen);
    (seen, scanner, result)
}

#[track_caller]
fn check(commands: &[&[&[u8]]]) -> Vec<Seen> {
    let bytes: Vec<u8> = commands.iter().flat_map(|words| packed(words)).collect();
    let (seen, scanner, result) = whole(&bytes);
    assert_eq!(result, Ok(()));
    assert_eq!(scanner.offset(), 100 + bytes.len() as u64);
    assert_eq!(seen.len(), commands.len());
    for step in [1, 2, 3, 7] {
        let (mut cut, mut seen_cut) = (Scanner::at(100, 0), Vec::new());
        for part in bytes.chunks(step) {
            assert_eq!(scan(&mut cut, part, &mut seen_cut), Ok(()));
        }
        assert_eq!(seen_cut, seen, "in steps of {step}");
    }
    seen
}

#[test]
fn commands_databases_and_transactions_are_told() {
    let seen = check(&[
        &[b"SELECT", b"3"],
        &[b"set", b"a", b"*3\r\n$3\r\n#TS:1"],
        &[b"MULTI"],
        &[b"DEL", b"a"],
        &[b"SELECT", b"0"],
        &[b"exec"],
        &[b"REPLCONF", b"GETACK", b"*"],
    ]);
    assert_eq!(seen.iter().map(|seen| seen.database).collect::<Vec<_>>(), [3, 3, 3, 3, 0, 0, 0]);
    let inside: Vec<bool> = seen.iter().map(|seen| seen.in_transaction).collect();
    assert_eq!(inside, [false, false, true, true, true, false, false]);
    // Whoever wants the state before DEL has to stop before MULTI.
    assert_eq!(seen[3].safe_before, seen[2].start);
    assert_eq!(seen[6].safe_before, seen[5].end);
    assert_eq!(seen[1].words[2], b"*3\r\n$3\r\n#TS:1");
}

#[test]
fn of_long_words_and_of_many_the_beginning_is_kept() {
    let long = vec![b'x'; 3 * WORD_KEPT];
    let many: Vec<&[u8]> = (0..100).map(|_| b"w".as_slice()).collect();
    let seen = check(&[&[b"SET", &long, &long, b""], &many, &[b"PING"]]);
    assert_eq!(seen[0].words, [b"SET".to_vec(), vec![b'x'; WORD_KEPT], vec![b'x'; WORD_KEPT], Vec::new()]);
    assert_eq!(seen[0].lengths, [3, 3 * WORD_KEPT as u64, 3 * WORD_KEPT as u64, 0]);
    assert_eq!((seen[1].n_words, seen[1].words.len()), (100, WORDS_KEPT));
    assert_eq!(seen[2].words, [b"PING"]);
}

#[test]
fn a_value_of_512_megabytes_passes_by() {
    let (mut scanner, mut seen) = (Scanner::at(0, 0), Vec::new());
    scan(&mut scanner, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n", &mut seen).expect("a head");
    let part = vec![0; 1 << 20];
    for _ in 0..512 {
        scan(&mut scanner, &part, &mut seen).expect("a value");
    }
    assert!(seen.is_empty() && scanner.held() <= WORDS_KEPT * WORD_KEPT);
    scan(&mut scanner, b"\r\n", &mut seen).expect("its end");
    assert_eq!((seen.len(), seen[0].lengths[2]), (1, 512 << 20));
}

#[test]
fn line_breaks_between_commands_count_as_bytes() {
    let (seen, scanner, result) = whole(b"\n*1\r\n$4\r\nPING\r\n\n\n");
    assert_eq!(result, Ok(()));
    assert_eq!((seen[0].start, seen[0].end, scanner.safe()), (101, 115, 117));
}

#[test]
fn what_is_no_stream_is_refused_where_it_is() {
    for (bytes, offset, kind) in [
        (b"PING\r\n".as_slice(), 100, StreamErrorKind::NoCommand(b'P')),
        (b"*1\r\n$4\r\nPINGX\r\n", 112, StreamErrorKind::WordEnd),
        (b"*0\r\n", 103, StreamErrorKind::Length),
        (b"*-1\r\n", 101, StreamErrorKind::Length),
        (b"*1\r\n:1\r\n", 104, StreamErrorKind::Length),
        (b"*1\r\n$\r\n", 105, StreamErrorKind::Length),
        (b"*1\r\n$9999999999999999\r\n", 120, StreamErrorKind::Length),
        (b"*2\r\n$6\r\nSELECT\r\n$1\r\nx\r\n", 123, StreamErrorKind::Database),
    ] {
        let (_, _, result) = whole(bytes);
        assert_eq!(result, Err(StreamError { offset, kind }), "{}", bytes.escape_ascii());
    }
}

#[test]
fn names_are_counted_in_upper_case_and_few() {
    let mut counts = Counts::default();
    for name in [b"set".as_slice(), b"SET", b"Ping", &[b'x'; 100], b"a\xff", b"a b"] {
        counts.add(name);
    }
    let found: Vec<(&str, u64)> = counts.by_name().iter().map(|(name, n)| (name.as_str(), *n)).collect();
    assert_eq!(found, [("PING", 1), ("SET", 2), ("others", 3)]);
    for number in 0..3000 {
        counts.add(format!("C{number}").as_bytes());
    }
    assert!(counts.by_name().len() <= 2001);
    assert_eq!(counts.total(), 3006);
}

fn any_word() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(vec!["SET", "MULTI", "EXEC", "SELECT", "1", "PING", "*3\r\n$1\r\n"])
            .prop_map(|word| word.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..700),
    ]
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_commands(
        commands in prop::collection::vec(prop::collection::vec(any_word(), 1..12), 0..12),
        cuts in prop::collection::vec(1_usize..300, 1..20),
        breaks in prop::collection::vec(0_usize..3, 12),
    ) {
        let mut bytes = Vec::new();
        for (command, breaks) in commands.iter().zip(&breaks) {
            let words: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
            bytes.extend(packed(&words));
            bytes.extend(std::iter::repeat_n(b'\n', *breaks));
        }
        same_however_cut(&bytes, &cuts);
    }

    #[test]
    fn any_bytes_give_the_same_or_the_same_error(
        bytes in prop::collection::vec(prop::sample::select(b"*$123\r\nSELCTMUI0x".to_vec()), 0..80),
        cuts in prop::collection::vec(1_usize..9, 1..20),
    ) {
        same_however_cut(&bytes, &cuts);
    }
}

fn same_however_cut(bytes: &[u8], cuts: &[usize]) {
    let (seen, scanner, result) = whole(bytes);
    let (mut cut, mut seen_cut, mut rest, mut failed) = (Scanner::at(100, 0), Vec::new(), bytes, Ok(()));
    for length in cuts.iter().cycle() {
        if rest.is_empty() || failed.is_err() {
            break;
        }
        let (part, left) = rest.split_at((*length).min(rest.len()));
        (failed, rest) = (scan(&mut cut, part, &mut seen_cut), left);
    }
    assert_eq!(failed, result);
    assert_eq!(seen_cut, seen);
    if result.is_ok() {
        assert_eq!((cut.offset(), cut.safe(), cut.database()), (scanner.offset(), scanner.safe(), scanner.database()));
    }
}
