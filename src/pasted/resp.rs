//! Replies as they go over the wire, copied from a trace: `*2`, `$9`, `maxmemory`, `$1`, `0`, a line each.

use crate::replies::Reply;

/// Values within values.
const DEPTH: usize = 16;

/// Whether a line begins an array or a map.
pub(super) fn is_beginning(line: &str) -> bool {
    length(line, &['*', '%', '~']).is_some()
}

/// Whether a line says how long the text behind it is.
pub(super) fn is_length(line: &str) -> bool {
    length(line, &['$', '=']).is_some()
}

fn length(line: &str, marks: &[char]) -> Option<usize> {
    let digits = line.trim_end().strip_prefix(marks)?;
    (digits.len() <= 9 && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

/// Reads one value from the first of these lines on, and how many of them were looked at; a text that ends within it gives what was
/// there.
pub(super) fn reply(lines: &[&str]) -> (Option<Reply>, usize) {
    let mut at = 0;
    (value(lines, &mut at, 0), at)
}

fn value(lines: &[&str], at: &mut usize, depth: usize) -> Option<Reply> {
    let line = lines.get(*at)?.trim_end_matches('\r');
    *at += 1;
    if depth > DEPTH {
        return None;
    }
    if let Some(count) = length(line, &['*', '~']) {
        return Some(Reply::Array(several(lines, at, count, depth)));
    }
    if let Some(count) = length(line, &['%']) {
        return Some(Reply::Array(several(lines, at, count.saturating_mul(2), depth)));
    }
    if let Some(bytes) = length(line, &['$', '=']) {
        return Some(bulk(lines, at, bytes));
    }
    let mut characters = line.chars();
    let (mark, rest) = (characters.next()?, characters.as_str());
    Some(match mark {
        ':' => rest.trim().parse().map_or(Reply::Nil, Reply::Integer),
        '+' | ',' => Reply::from(rest),
        '-' => Reply::Error(rest.to_owned()),
        '#' => Reply::from(if rest.starts_with('t') { "1" } else { "0" }),
        '_' | '$' | '*' => Reply::Nil,
        // A trace that was tidied up has lost its marks.
        _ => return None,
    })
}

fn several(lines: &[&str], at: &mut usize, count: usize, depth: usize) -> Vec<Reply> {
    let mut items = Vec::new();
    while items.len() < count {
        let Some(item) = value(lines, at, depth + 1) else { break };
        items.push(item);
    }
    items
}

/// As many lines as the announced bytes take; a line end is one byte here and two on the wire.
fn bulk(lines: &[&str], at: &mut usize, bytes: usize) -> Reply {
    let mut text = String::new();
    let mut taken = 0;
    while let Some(line) = lines.get(*at) {
        let line = line.trim_end_matches('\r');
        text.push_str(line);
        taken += line.len();
        *at += 1;
        if taken >= bytes {
            break;
        }
        text.push('\n');
        taken += 2;
    }
    Reply::Bytes(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<Reply>, usize) {
        reply(&text.split('\n').collect::<Vec<_>>())
    }

    #[test]
    fn arrays_are_read_with_both_line_ends() {
        for text in ["*2\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n", "*2\n$9\nmaxmemory\n$1\n0\n", "%1\n$9\nmaxmemory\n+0\n"] {
            let (reply, taken) = read(text);
            let reply = reply.expect("a reply");
            assert_eq!(reply.field("maxmemory").and_then(Reply::text).as_deref(), Some("0"), "{text:?}");
            assert!(taken >= 4);
        }
        let slow = "*1\n*4\n:14\n:1700000000\n:52000\n*1\n$4\nKEYS\n";
        assert_eq!(read(slow).0.expect("a reply").items()[0].items().len(), 4);
        assert!(is_beginning("*3\r") && !is_beginning("*bold*") && !is_beginning("* item") && is_length("$5"));
    }

    #[test]
    fn what_is_cut_or_lies_is_no_trouble() {
        for text in ["*999999999\n:1\n", "$999999999\nab", "*1", "$-1", "*-1", &"*1\n".repeat(1000)] {
            let _ = read(text);
        }
    }
}
