//! Single values as people read them: sizes, counts, spans of time, and foreign text that must not drive a terminal.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

pub use crate::figures::{age, bytes, count, counted, span};

/// Foreign text (keys, client names, what a server said) made harmless: control characters, what reorders or hides text, and bytes
/// that are not UTF-8 are written as escapes. A backslash is doubled, so that two different keys never look the same.
pub fn escape(bytes: &[u8]) -> String {
    let mut safe = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => safe.push_str("\\\\"),
                '\n' => safe.push_str("\\n"),
                '\r' => safe.push_str("\\r"),
                '\t' => safe.push_str("\\t"),
                c if c.is_ascii_control() => safe.push_str(&format!("\\x{:02x}", u32::from(c))),
                c if c.is_control() || is_invisible(c) => safe.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
                c => safe.push(c),
            }
        }
        for byte in chunk.invalid() {
            safe.push_str(&format!("\\x{byte:02x}"));
        }
    }
    safe
}

/// As [`escape`], of a text in which a backslash stays one: names that were escaped when they were read, and commands to be typed.
pub fn escape_line(text: &str) -> String {
    escape(text.as_bytes()).replace("\\\\", "\\")
}

/// A message of several lines that may hold foreign text: as [`escape`], but lines stay lines and a backslash stays one.
pub fn escape_lines(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => safe.push('\n'),
            c if c.is_control() || is_invisible(c) => safe.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => safe.push(c),
        }
    }
    safe
}

/// Passwords inside URLs made unreadable: `redis://ops:***@host`. The last net below what is never shown by its type: a URL may
/// have been typed where something else was expected, and an error then quotes it.
pub fn redact_urls(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        safe.push_str(before);
        // A password may hold `/` or `@` that somebody forgot to escape: the last `@` before the next space counts.
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '`' | '\'')).unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(sign) => {
                match after[..sign].find(':') {
                    Some(colon) => safe.push_str(&format!("{}:***", &after[..colon])),
                    None => safe.push_str(&after[..sign]),
                }
                &after[sign..]
            }
            None => after,
        };
    }
    safe + rest
}

/// Unicode's format characters (general category Cf) that reorder or hide text, and the line separators.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether key names may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keys {
    /// As they are.
    #[default]
    Shown,
    /// As a hash (`--hide-keys`): the same key gives the same hash, on every machine.
    Hidden,
}

impl Keys {
    /// A key for a terminal.
    pub fn show(self, key: &[u8]) -> String {
        match self {
            Self::Shown => escape(key),
            Self::Hidden => hash(key),
        }
    }

    /// Puts a hash in the place of every key that a JSON value names, where keys are to be hidden.
    pub fn hide(self, value: &mut Value) {
        if self == Self::Shown {
            return;
        }
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide(item)),
            Value::Object(fields) => {
                if let Some(key) = key_of(fields) {
                    fields.remove("key_b64");
                    self.insert(fields, &key);
                }
                fields.values_mut().for_each(|field| self.hide(field));
            }
            _ => {}
        }
    }

    /// Puts a key into a JSON object: `key`, and `key_b64` beside it where it is not UTF-8.
    pub fn insert(self, object: &mut Map<String, Value>, key: &[u8]) {
        match self {
            Self::Hidden => drop(object.insert("key".to_owned(), hash(key).into())),
            Self::Shown => {
                object.insert("key".to_owned(), String::from_utf8_lossy(key).into());
                if std::str::from_utf8(key).is_err() {
                    object.insert("key_b64".to_owned(), STANDARD.encode(key).into());
                }
            }
        }
    }
}

/// The exact name of the key that a JSON object is about: see [`Keys::insert`].
pub fn key_of(object: &Map<String, Value>) -> Option<Vec<u8>> {
    let exact = object.get("key_b64").and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
    exact.or_else(|| object.get("key")?.as_str().map(|text| text.as_bytes().to_vec()))
}

/// The first 8 bytes of the SHA-256, which nobody confuses with a key name.
fn hash(key: &[u8]) -> String {
    format!("sha256:{}", hex::encode(&Sha256::digest(key)[..8]))
}

/// Columns of a terminal that a text takes.
pub fn width_of(text: &str) -> usize {
    text.width()
}

/// A text in at most so many columns: what is too long is cut in the middle, for names differ at both ends.
pub fn shorten(text: &str, width: usize) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    // The mark takes one column; of the others the beginning gets a little more.
    let room = width.saturating_sub(1);
    let tail_room = room * 2 / 5;
    let mut head = String::new();
    let mut taken = 0;
    for character in text.chars() {
        let wide = character.width().unwrap_or(0);
        if taken + wide > room - tail_room {
            break;
        }
        head.push(character);
        taken += wide;
    }
    let mut tail: Vec<char> = Vec::new();
    taken = 0;
    for character in text.chars().rev() {
        let wide = character.width().unwrap_or(0);
        if taken + wide > tail_room {
            break;
        }
        tail.push(character);
        taken += wide;
    }
    format!("{head}…{}", tail.iter().rev().collect::<String>())
}

/// A text in lines of at most so many columns, broken between words; a word that is longer than a line is broken anywhere.
pub fn fold(text: &str, width: usize) -> String {
    let mut folded = String::with_capacity(text.len() + text.len() / 40);
    let mut column = 0;
    for (index, word) in text.split(' ').enumerate() {
        let wide = width_of(word);
        if index > 0 && column + 1 + wide <= width {
            folded.push(' ');
            column += 1;
        } else if index > 0 {
            folded.push('\n');
            column = 0;
        }
        for character in word.chars() {
            let one = character.width().unwrap_or(0);
            if column + one > width && column > 0 {
                folded.push('\n');
                column = 0;
            }
            folded.push(character);
            column += one;
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_drive_a_terminal() {
        for (foreign, safe) in [
            (&b"user:1"[..], "user:1"),
            ("käse:\u{1f600}".as_bytes(), "käse:\u{1f600}"),
            (b"\x1b[31mred", "\\x1b[31mred"),
            (b"a\nb\r\tc\0", "a\\nb\\r\\tc\\x00"),
            (b"\xff\xfeok", "\\xff\\xfeok"),
            (b"back\\slash", "back\\\\slash"),
            ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
            ("abc\u{202e}fdp".as_bytes(), "abc\\u{202e}fdp"),
        ] {
            assert_eq!(escape(foreign), safe);
        }
    }

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        for (text, safe) in [
            (
                "cannot reach redis://ops:secret@host:6379/0: refused",
                "cannot reach redis://ops:***@host:6379/0: refused",
            ),
            ("'redis://:p@ss/w@host' and `rediss://:x@other`", "'redis://:***@host' and `rediss://:***@other`"),
            ("redis://host:6379", "redis://host:6379"),
            ("redis://ops@host:6379", "redis://ops@host:6379"),
            ("redis+sentinel://:secret@a,b/service", "redis+sentinel://:***@a,b/service"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(redact_urls(text), safe);
        }
    }

    #[test]
    fn a_message_keeps_its_lines() {
        assert_eq!(escape_lines("one\n\x1btwo \\"), "one\n\\u{1b}two \\");
    }

    #[test]
    fn a_key_that_is_not_text_comes_with_its_bytes() {
        let mut object = Map::new();
        Keys::Shown.insert(&mut object, b"a\xff");
        assert_eq!(Value::Object(object), serde_json::json!({"key": "a\u{fffd}", "key_b64": "Yf8="}));
        let mut object = Map::new();
        Keys::Shown.insert(&mut object, b"plain");
        assert_eq!(Value::Object(object), serde_json::json!({"key": "plain"}));
    }

    #[test]
    fn a_hidden_key_is_the_beginning_of_its_sha256() {
        // `printf secret | sha256sum` begins with 2bb80d537b1da3e3.
        assert_eq!(Keys::Hidden.show(b"secret"), "sha256:2bb80d537b1da3e3");
    }

    #[test]
    fn what_is_too_long_is_cut_in_the_middle_and_counted_in_columns() {
        for (text, width, cut) in [
            ("short", 5, "short"),
            ("redis-prod-eu-west-1", 11, "redis-…st-1"),
            ("ääääääää", 6, "äää…ää"),
            // Each of these takes two columns.
            ("\u{6f22}\u{5b57}\u{6f22}\u{5b57}", 6, "\u{6f22}…\u{5b57}"),
            ("abc", 0, "…"),
        ] {
            assert_eq!(shorten(text, width), cut);
            assert!(width_of(cut) <= width.max(1), "{cut}");
        }
    }

    #[test]
    fn lines_are_folded_between_words() {
        for (text, folded) in [
            ("one two three", "one two\nthree"),
            ("one twotwotwo3 four", "one\ntwotwotwo\n3 four"),
            ("one", "one"),
            ("", ""),
        ] {
            assert_eq!(fold(text, 9), folded, "{text}");
        }
    }
}
