//! Replies as redis-cli shows them: `1) 1) (integer) 14`, a level deeper for each number.

use crate::replies::Reply;

use super::literal;

/// Levels that are told apart; no answer that is read has more than three.
const DEPTH: usize = 16;

/// A number with which redis-cli begins an element, and what stands behind it.
fn number(text: &str) -> Option<(usize, &str)> {
    let blanks = text.len() - text.trim_start().len();
    let digits = text[blanks..].bytes().take_while(u8::is_ascii_digit).count();
    let end = blanks + digits;
    let mark = text[end..].chars().next().filter(|mark| ")#~".contains(*mark) && (1..=9).contains(&digits))?;
    let rest = &text[end + mark.len_utf8()..];
    if !(rest.is_empty() || rest.starts_with(' ')) {
        return None;
    }
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    Some((text.len() - rest.len(), rest))
}

/// Whether a line is an element of such a reply.
pub(super) fn is_element(line: &str) -> bool {
    number(line).is_some()
}

/// Reads the lines of one reply.
pub(super) fn reply(lines: &[String]) -> Reply {
    // Open arrays: where the text of their elements begins, and what is in them. Numbers are right-aligned, their ends are not.
    let mut open: Vec<(usize, Vec<Reply>)> = Vec::new();
    let mut top = Vec::new();
    for line in lines {
        let (mut column, mut rest) = (0, line.as_str());
        let mut levels = Vec::new();
        while let Some((taken, behind)) = number(rest).filter(|_| levels.len() < DEPTH) {
            column += taken;
            levels.push(column);
            rest = behind;
        }
        let Some(first) = levels.first().copied() else { continue };
        while open.last().is_some_and(|(column, _)| *column > first) {
            close(&mut open, &mut top);
        }
        for column in levels {
            if open.last().is_none_or(|(last, _)| *last < column) && open.len() < DEPTH {
                open.push((column, Vec::new()));
            }
        }
        if let Some((_, items)) = open.last_mut() {
            items.extend(element(rest));
        }
    }
    while !open.is_empty() {
        close(&mut open, &mut top);
    }
    match top.len() {
        1 => top.swap_remove(0),
        _ => Reply::Array(top),
    }
}

/// Ends the innermost array.
fn close(open: &mut Vec<(usize, Vec<Reply>)>, top: &mut Vec<Reply>) {
    let Some((_, items)) = open.pop() else { return };
    match open.last_mut() {
        Some((_, outer)) => outer.push(Reply::Array(items)),
        None => top.push(Reply::Array(items)),
    }
}

/// An element: one value, or a name and a value of a map (`1# "count" => (integer) 3`).
fn element(text: &str) -> Vec<Reply> {
    if let Some((name, taken)) = literal::quoted(text)
        && let Some(rest) = text[taken..].trim_start().strip_prefix("=>")
    {
        return vec![Reply::from(name.as_str()), single(rest)];
    }
    vec![single(text)]
}

/// `(integer) 7`, `"text"`, `(nil)`, `text`.
pub(super) fn single(text: &str) -> Reply {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("(integer)") {
        return rest.trim().parse().map_or(Reply::Nil, Reply::Integer);
    }
    if let Some(rest) = text.strip_prefix("(double)") {
        return Reply::from(rest.trim());
    }
    if let Some(rest) = text.strip_prefix("(error)") {
        return Reply::Error(rest.trim().to_owned());
    }
    match text {
        "(nil)" => Reply::Nil,
        "(true)" => Reply::from("1"),
        "(false)" => Reply::from("0"),
        "(empty array)" | "(empty list or set)" | "(empty hash)" | "(empty set)" => Reply::Array(Vec::new()),
        _ => match literal::quoted(text) {
            Some((inner, _)) => Reply::Bytes(inner.into_bytes()),
            None => Reply::from(text),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Reply {
        reply(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn levels_are_told_apart_by_their_columns() {
        let text = " 1) 1) (integer) 14\n    2) (integer) 1700000000\n    3) (integer) 52000\n    4) 1) \"KEYS\"\n       2) \"a\\x00*\"\n    5) \"10.0.0.9:5\"\n    6) \"\"\n10) 1) (integer) 13\n    2) (integer) 2\n    3) (integer) 3\n    4) 1) \"GET\"\n";
        let reply = read(text);
        assert_eq!(reply.items().len(), 2);
        let entry = reply.items()[0].items();
        assert_eq!((entry.len(), entry[3].items().len()), (6, 2));
        assert_eq!(entry[3].items()[1], Reply::from("a\0*"));
        assert_eq!(reply.items()[1].items()[0], Reply::Integer(13));
    }

    #[test]
    fn flat_lists_and_maps_are_read() {
        assert_eq!(read("1) \"maxmemory\"\n2) \"0\"").field("maxmemory"), Some(&Reply::from("0")));
        let map = read("1) 1# \"count\" => (integer) 3\n   2# \"reason\" => \"auth\"");
        assert_eq!(map.items()[0].field("reason"), Some(&Reply::from("auth")));
        for text in ["1)", "1) 1) 1) 1)", "9999999999) x", "2) (integer) x\n1) (nil)", "1)x", ") a"] {
            let _ = read(text);
        }
        assert!(is_element(" 1) a") && !is_element("1)a") && !is_element("a 1) b"));
    }
}
