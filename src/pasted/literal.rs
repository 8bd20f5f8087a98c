//! Values as programs print them: JSON, Python and Ruby dictionaries. One reader for all, which forgives what is cut.

use crate::replies::Reply;

/// Values within values.
const DEPTH: usize = 32;

/// What stood at the beginning of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Read {
    /// The value, as far as it goes; `None` where there is none.
    pub value: Option<Reply>,
    /// Bytes that were looked at.
    pub taken: usize,
    /// The text ended before the value did.
    pub is_open: bool,
}

/// Reads one value from the beginning of a text.
pub(super) fn read(text: &str) -> Read {
    let mut reader = Reader { text, at: 0, is_open: false };
    let value = reader.value(0);
    Read { value, taken: reader.at, is_open: reader.is_open }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    is_open: bool,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, mark: &str) -> bool {
        let eaten = self.rest().starts_with(mark);
        if eaten {
            self.at += mark.len();
        }
        eaten
    }

    fn value(&mut self, depth: usize) -> Option<Reply> {
        self.blanks();
        self.is_open |= self.peek().is_none();
        if depth > DEPTH {
            return None;
        }
        match self.peek()? {
            '{' => self.map(depth),
            '[' => self.array(']', depth),
            '(' => self.array(')', depth),
            '"' | '\'' => self.string(),
            'b' | 'u' | 'r' if matches!(self.rest().as_bytes().get(1), Some(b'"' | b'\'')) => {
                self.at += 1;
                self.string()
            }
            ':' => {
                self.at += 1;
                self.word()
            }
            _ => self.word(),
        }
    }

    fn map(&mut self, depth: usize) -> Option<Reply> {
        self.at += 1;
        let mut pairs = Vec::new();
        loop {
            self.blanks();
            if self.eat("}") {
                return Some(Reply::Map(pairs));
            }
            if self.peek().is_none() {
                self.is_open = true;
                return Some(Reply::Map(pairs));
            }
            let before = self.at;
            let Some(name) = self.value(depth + 1) else { break };
            self.blanks();
            if !(self.eat("=>") || self.eat(":") || self.eat("=")) {
                self.is_open |= self.peek().is_none();
                self.at = before;
                break;
            }
            let Some(value) = self.value(depth + 1) else { break };
            pairs.push((name, value));
            self.blanks();
            self.eat(",");
        }
        // What is no pair ends the dictionary: those before it stand.
        (!pairs.is_empty()).then_some(Reply::Map(pairs))
    }

    fn array(&mut self, end: char, depth: usize) -> Option<Reply> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.blanks();
            match self.peek() {
                None => {
                    self.is_open = true;
                    return Some(Reply::Array(items));
                }
                Some(found) if found == end => {
                    self.at += 1;
                    return Some(Reply::Array(items));
                }
                _ => {}
            }
            let Some(value) = self.value(depth + 1) else { break };
            items.push(value);
            self.blanks();
            self.eat(",");
        }
        (!items.is_empty()).then_some(Reply::Array(items))
    }

    fn string(&mut self) -> Option<Reply> {
        let (text, taken) = quoted(self.rest())?;
        self.at += taken;
        Some(Reply::Bytes(text.into_bytes()))
    }

    /// A number, a name without quotes, or a word such as `None`.
    fn word(&mut self) -> Option<Reply> {
        let rest = self.rest();
        let end = rest.find(|character: char| !(character.is_alphanumeric() || "_-.+%|".contains(character)));
        let word = &rest[..end.unwrap_or(rest.len())];
        if word.is_empty() {
            return None;
        }
        self.at += word.len();
        Some(match word {
            "None" | "nil" | "null" => Reply::Nil,
            "True" | "true" => Reply::from("1"),
            "False" | "false" => Reply::from("0"),
            _ => word.parse::<i64>().map_or_else(|_| Reply::from(word), Reply::Integer),
        })
    }
}

/// A text between quotes, with its escapes read, and how many bytes it takes; one that does not end goes on to the end.
pub(super) fn quoted(text: &str) -> Option<(String, usize)> {
    let mut characters = text.char_indices();
    let (_, quote) = characters.next().filter(|(_, quote)| matches!(quote, '"' | '\''))?;
    let mut read = String::new();
    let mut bytes: Vec<u8> = Vec::new();
    while let Some((at, character)) = characters.next() {
        if character == quote {
            flush(&mut bytes, &mut read);
            return Some((read, at + character.len_utf8()));
        }
        if character != '\\' {
            flush(&mut bytes, &mut read);
            read.push(character);
            continue;
        }
        let escaped = characters.next().map_or('\\', |(_, escaped)| escaped);
        let mut digits = |count: usize| {
            let rest = characters.as_str();
            let digits = rest.get(..count).and_then(|digits| u32::from_str_radix(digits, 16).ok());
            if digits.is_some() {
                characters.nth(count - 1);
            }
            digits
        };
        match escaped {
            // Bytes of one character stand behind each other.
            'x' => match digits(2).and_then(|number| u8::try_from(number).ok()) {
                Some(byte) => bytes.push(byte),
                None => read.push('x'),
            },
            'u' => {
                flush(&mut bytes, &mut read);
                read.push(digits(4).and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            other => {
                flush(&mut bytes, &mut read);
                read.push(match other {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'a' => '\u{7}',
                    'b' => '\u{8}',
                    other => other,
                });
            }
        }
    }
    flush(&mut bytes, &mut read);
    Some((read, text.len()))
}

fn flush(bytes: &mut Vec<u8>, read: &mut String) {
    if !bytes.is_empty() {
        read.push_str(&String::from_utf8_lossy(bytes));
        bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str, name: &str) -> Option<Reply> {
        read(text).value.and_then(|reply| reply.field(name).cloned())
    }

    #[test]
    fn dictionaries_of_every_language_are_read() {
        for text in [
            r#"{"a": 1, "b": {"c": "x\ny"}}"#,
            r#"{'a': 1, 'b': {'c': 'x\ny'}}"#,
            r#"{"a"=>1, "b"=>{"c"=>"x\ny"}}"#,
            r#"{:a=>1, :b=>{:c=>"x\ny"}}"#,
            r#"{a: 1, b: {c: "x\ny"}}"#,
            r#"{b'a': 1, b'b': {b'c': b'x\ny'}}"#,
            "{\n \"a\": 1,\n \"b\": {\n  \"c\": \"x\\ny\"\n }\n}",
        ] {
            assert_eq!(field(text, "a"), Some(Reply::Integer(1)), "{text}");
            assert_eq!(
                field(text, "b").and_then(|inner| inner.field("c").cloned()),
                Some(Reply::from("x\ny")),
                "{text}"
            );
            let whole = read(text);
            assert!(whole.taken == text.len() && !whole.is_open, "{text}");
        }
        let text = r#"[{'id': 14, 'command': b'KEYS *'}, (1, None, True, 2.5)]"#;
        let reply = read(text).value.expect("an array");
        assert_eq!(reply.items()[0].field("command"), Some(&Reply::from("KEYS *")));
        assert_eq!(reply.items()[1].items(), [Reply::Integer(1), Reply::Nil, Reply::from("1"), Reply::from("2.5")]);
        assert_eq!(quoted(r#""h\xc3\xa9\x00\u00e9" rest"#), Some(("hé\0é".to_owned(), 21)));
    }

    #[test]
    fn what_is_cut_gives_what_was_there() {
        let text = r#"{"a"=>1, "b"=>{"c"=>"xy"}, "d"=>[1, 2]}"#;
        for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            assert!(cut == 0 || read(&text[..cut]).is_open, "{cut}");
        }
        assert_eq!(field(r#"{"a"=>1, "b"=>"x"#, "a"), Some(Reply::Integer(1)));
        assert_eq!(read("}").value, None);
        assert_eq!(read(&"[".repeat(10_000)).value, None);
        assert_eq!(field("{'a': 1 some words", "a"), Some(Reply::Integer(1)));
    }
}
