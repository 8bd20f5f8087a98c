//! A replication stream, whole and cut.

use redis_ops::stream::{Scanner, StreamError};

/// The first byte says how the stream is cut, the others are the stream. Behind each place at which it may be cut, reading can begin anew
/// and tells the same.
pub fn stream(data: &[u8]) {
    let Some((&how, bytes)) = data.split_first() else { return };
    let (whole, result) = read(bytes, usize::MAX);
    let (cut, result_cut) = read(bytes, usize::from(how % 16) + 1);
    assert_eq!(result, result_cut, "cut it is read differently");
    assert_eq!(whole, cut, "cut it is told differently");

    for told in whole.iter().filter(|told| told.is_safe) {
        let rest = &bytes[usize::try_from(told.end).expect("inputs are short")..];
        let (mut scanner, mut found) = (Scanner::at(told.end, told.database), None);
        let _ = scanner.push(rest, |command| {
            found.get_or_insert((command.start, command.end, command.database));
        });
        let next = whole.iter().find(|next| next.start >= told.end);
        assert_eq!(found, next.map(|next| (next.start, next.end, next.database)));
    }
}

#[derive(Debug, PartialEq)]
struct Told {
    start: u64,
    end: u64,
    database: u32,
    is_safe: bool,
    words: Vec<Vec<u8>>,
}

fn read(bytes: &[u8], step: usize) -> (Vec<Told>, Result<u64, StreamError>) {
    let (mut scanner, mut told) = (Scanner::at(0, 0), Vec::new());
    for part in bytes.chunks(step.min(bytes.len().max(1))) {
        let result = scanner.push(part, |command| {
            told.push(Told {
                start: command.start,
                end: command.end,
                database: command.database,
                is_safe: command.is_safe(),
                words: (0..8).map_while(|at| command.word(at)).map(<[u8]>::to_vec).collect(),
            });
        });
        if let Err(error) = result {
            return (told, Err(error));
        }
    }
    (told, Ok(scanner.safe()))
}
