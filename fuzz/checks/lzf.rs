//! A compressed string, against the plainest way to expand it.

use redis_ops::rdb::dump::decode_value;
use redis_ops::rdb::visit::{Piece, Visit};
use redis_ops::rdb::{Dialect, Scanner, ValueType};

use super::length;

/// The first byte says by how much the announced length is wrong (mostly not at all), the others are compressed text.
pub fn lzf(data: &[u8]) {
    let Some((&error, compressed)) = data.split_first() else { return };
    let plain = expand(compressed);
    let error = if error < 0xf0 { 0 } else { usize::from(error - 0xef) };
    let announced = plain.as_ref().map_or(1000, Vec::len) + error;
    let mut body = vec![0xc3];
    length(&mut body, compressed.len());
    length(&mut body, announced);
    body.extend_from_slice(compressed);

    let mut text = Text(Vec::new());
    let result = decode_value(ValueType::STRING, Dialect::Redis, 11, &body, &mut text);
    // Nothing stands for nothing: servers take it.
    let expected = plain.filter(|plain| error == 0 && plain.is_empty() == compressed.is_empty());
    assert_eq!(result.is_ok(), expected.is_some(), "{result:?}");
    if let Some(expected) = &expected {
        assert_eq!(&text.0, expected);
    }

    // Nobody listens: it is checked and not expanded. In small parts: it is not held.
    for cut in [usize::MAX, 7] {
        let mut scanner = Scanner::with_piece_limit(64);
        let file = [b"REDIS0011\x00\x01k", &body[..], &[0xff, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
        let result = file.chunks(cut.min(file.len())).try_for_each(|part| scanner.push(part, &mut ()));
        assert_eq!(result.and_then(|()| scanner.finish()).is_ok(), expected.is_some());
    }
}

struct Text(Vec<u8>);

impl Visit for Text {
    fn piece(&mut self, piece: Piece<'_>) {
        if let Piece::String(part) = piece {
            self.0.extend_from_slice(part);
        }
    }
}

/// Byte by byte; `None` for what no compressor writes.
fn expand(mut input: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while let Some((&control, rest)) = input.split_first() {
        let control = usize::from(control);
        if control < 32 {
            let (literal, rest) = rest.split_at_checked(control + 1)?;
            out.extend_from_slice(literal);
            input = rest;
            continue;
        }
        let (mut n, mut rest) = (control >> 5, rest);
        if n == 7 {
            let (&more, after) = rest.split_first()?;
            (n, rest) = (n + usize::from(more), after);
        }
        let (&low, rest) = rest.split_first()?;
        let from = out.len().checked_sub(((control & 31) << 8) + usize::from(low) + 1)?;
        for at in from..from + n + 2 {
            out.push(out[at]);
        }
        input = rest;
    }
    Some(out)
}
