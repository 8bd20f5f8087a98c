//! Keys as JSON, one object a line, written while they pass: no value is held as a whole, but for a string up to 1 MiB.
//!
//! ```text
//! {"database":0,"key":"user:1","type":"hash","expires_at":null,"expires_at_ms":null,"value":[{"field":"name","value":"ann"}],"elements":1,"bytes":27}
//! ```
//!
//! What is not UTF-8 comes twice: readable, and exactly (`key_b64`, `field_b64`, `member_b64`, `value_b64`; an element of a list or
//! a set becomes `{"text": …, "b64": …}`). A longer string has `value_b64` alone.

mod stream;
mod text;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use text::{number, quoted};

use crate::census::{KeyType, Selection};
use crate::printer::Printer;
use crate::printer::words::Keys;
use crate::rdb::visit::{ArrayValue, Entry, EntryEnd, Interest, Piece, Visit};
use crate::times;

/// Strings are read as text up to this length, bytes, and longer lines are not kept until their end.
const TEXT_LIMIT: usize = 1 << 20;

/// Lines are written out when there are so many bytes of them.
const WRITE_AT: usize = 64 << 10;

/// Where lines go.
pub enum Out {
    /// Lines go to stdout at once.
    Stdout(Printer),
    /// Kept, up to so many bytes.
    Kept(usize),
}

pub struct Lines {
    selection: Selection,
    /// The one key that was named; `None`: the keys of the selection.
    name: Option<Vec<u8>>,
    keys: Keys,
    values: bool,
    limit: u64,
    /// Goes on behind the limit, to know how many there are.
    counts_all: bool,
    out: Out,
    text: String,
    /// Bytes of `text` that are whole lines: only such go out, so that damage is told on a line of its own.
    whole: usize,
    /// Keys that were meant.
    pub matched: u64,
    /// Why it could not go on: the answer is lost, or too long to be kept.
    pub failed: Option<std::io::Error>,
    under_way: bool,
    key_length: u64,
    key_type: Option<KeyType>,
    value: State,
    string: Vec<u8>,
    is_long: bool,
    tail: String,
}

/// How far the JSON of a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is written, not even the type.
    Fresh,
    /// `"value":` is written.
    Named,
    /// Inside the list of elements.
    Elements,
    /// A stream's entry: fields follow.
    Fields(bool),
    /// A stream's groups: in one of them, at its pending entries or at its consumers.
    Groups,
    Pending(bool),
    Owned(bool),
}

impl Lines {
    /// Keys of a selection, at most so many; values too if they are wanted.
    pub fn new(selection: Selection, keys: Keys, values: bool, limit: u64, out: Out) -> Self {
        let counts_all = matches!(out, Out::Kept(_));
        Self {
            selection,
            name: None,
            keys,
            values,
            limit,
            counts_all,
            out,
            text: String::new(),
            whole: 0,
            matched: 0,
            failed: None,
            under_way: false,
            key_length: 0,
            key_type: None,
            value: State::Fresh,
            string: Vec::new(),
            is_long: false,
            tail: String::new(),
        }
    }

    /// Only keys of this name, in whatever database.
    #[must_use]
    pub fn named(mut self, name: Option<Vec<u8>>) -> Self {
        self.name = name;
        self
    }

    /// The lines that were kept; writes out what was not.
    pub fn finish(mut self) -> (String, u64, Option<std::io::Error>) {
        self.write_out();
        (self.text, self.matched, self.failed)
    }

    fn is_meant(&self, entry: &Entry<'_>) -> bool {
        let by_name = self.name.as_ref().is_none_or(|name| entry.key == name.as_slice());
        by_name && self.selection.takes_name(entry.database, entry.key)
    }

    fn write_out(&mut self) {
        if self.failed.is_some() {
            return;
        }
        match &self.out {
            Out::Stdout(printer) => {
                let is_long = self.whole == 0 && self.text.len() >= TEXT_LIMIT;
                let ready = if is_long { self.text.len() } else { std::mem::take(&mut self.whole) };
                self.failed = printer.answer(&self.text[..ready]).err();
                self.text.drain(..ready);
            }
            Out::Kept(limit) if self.text.len() > *limit => {
                self.failed = Some(std::io::Error::other("the value is too large to be shown as a whole"));
            }
            Out::Kept(_) => {}
        }
    }

    /// Writes the type, once it is known, and the name of the value.
    fn begin_value(&mut self, key_type: KeyType) {
        if self.value != State::Fresh {
            return;
        }
        self.key_type = Some(key_type);
        self.text.push_str(&format!(",\"type\":{}", quoted(&key_type.to_string())));
        self.value = State::Named;
        if self.values && key_type != KeyType::String {
            self.text.push_str(",\"value\":");
        }
    }

    /// The next element of a list begins.
    fn next(&mut self) {
        match self.value {
            State::Elements => self.text.push(','),
            _ => self.text.push('['),
        }
        self.value = State::Elements;
    }

    fn string_part(&mut self, part: &[u8]) {
        self.string.extend_from_slice(part);
        if self.string.len() > TEXT_LIMIT {
            if !self.is_long {
                self.is_long = true;
                self.text.push_str(",\"value_b64\":\"");
            }
            // Three bytes are four characters: what is left over waits.
            let whole = self.string.len() / 3 * 3;
            STANDARD.encode_string(&self.string[..whole], &mut self.text);
            self.string.drain(..whole);
            self.write_out();
        }
    }

    fn end_value(&mut self) {
        match self.key_type {
            Some(KeyType::String) if self.is_long => {
                STANDARD.encode_string(&self.string, &mut self.text);
                self.text.push('"');
            }
            Some(KeyType::String) => {
                let string = std::mem::take(&mut self.string);
                self.text.push(',');
                self.pair("value", &string);
            }
            Some(KeyType::Stream) => self.end_stream(),
            Some(KeyType::Gcra) if self.value == State::Named => {}
            _ => match self.value {
                State::Elements => self.text.push(']'),
                _ => self.text.push_str("[]"),
            },
        }
        let tail = std::mem::take(&mut self.tail);
        self.text.push_str(&tail);
    }
}

impl Visit for Lines {
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        self.under_way = false;
        if !self.is_meant(entry) {
            return Interest::default();
        }
        self.matched += 1;
        if self.matched > self.limit {
            return Interest::default();
        }
        self.under_way = true;
        self.key_length = entry.key.len() as u64;
        (self.value, self.key_type, self.is_long) = (State::Fresh, None, false);
        self.string.clear();
        let mut head = Map::new();
        head.insert("database".to_owned(), entry.database.into());
        self.keys.insert(&mut head, entry.key);
        head.insert("expires_at".to_owned(), entry.expire_ms.and_then(times::of_millis).into());
        // Exactly, also where it is beyond every calendar.
        head.insert("expires_at_ms".to_owned(), entry.expire_ms.into());
        let head = Value::Object(head).to_string();
        self.text.push_str(head.trim_end_matches('}'));
        let key_type = KeyType::of_encoding(entry.value_type);
        let is_module = matches!(key_type, KeyType::Module(_));
        if !is_module {
            self.begin_value(key_type);
        }
        // A module's name stands at the beginning of its value.
        Interest { raw: false, pieces: self.values || is_module }
    }

    fn takes_parts(&self) -> bool {
        !self.values
    }

    fn piece(&mut self, piece: Piece<'_>) {
        if !self.under_way || self.failed.is_some() {
            return;
        }
        if let Piece::Module(id) = piece {
            return self.begin_value(KeyType::of_module(id));
        }
        if !self.values {
            return;
        }
        match piece {
            Piece::String(part) => self.string_part(part),
            Piece::ListElement(element) | Piece::SetMember(element) | Piece::ModuleString(element) => {
                self.next();
                self.element(element);
            }
            Piece::HashField { field, value, expire_ms } => {
                self.next();
                self.text.push('{');
                self.pair("field", field);
                self.text.push(',');
                self.pair("value", value);
                if let Some(time) = expire_ms.and_then(times::of_millis) {
                    self.text.push_str(&format!(",\"expires_at\":\"{time}\""));
                }
                self.text.push('}');
            }
            Piece::ZsetMember { member, score } => {
                self.next();
                self.text.push('{');
                self.pair("member", member);
                self.text.push_str(&format!(",\"score\":{}}}", number(score)));
            }
            Piece::ArrayElement { index, value } => {
                self.next();
                self.text.push_str(&format!("{{\"index\":{index},"));
                match value {
                    ArrayValue::Bytes(bytes) => self.pair("value", bytes),
                    ArrayValue::Integer(integer) => self.text.push_str(&format!("\"value\":{integer}")),
                    ArrayValue::Double(double) => self.text.push_str(&format!("\"value\":{}", number(double))),
                }
                self.text.push('}');
            }
            Piece::ArrayInsertIndex(index) => self.tail = format!(",\"insert_index\":{index}"),
            Piece::ModuleSigned(value) => {
                self.next();
                self.text.push_str(&value.to_string());
            }
            Piece::ModuleUnsigned(value) => {
                self.next();
                self.text.push_str(&value.to_string());
            }
            Piece::ModuleFloat(value) => {
                self.next();
                self.text.push_str(&number(f64::from(value)));
            }
            Piece::ModuleDouble(value) => {
                self.next();
                self.text.push_str(&number(value));
            }
            Piece::Gcra(value) => self.text.push_str(&value.to_string()),
            other => self.stream(other),
        }
        if self.text.len() >= WRITE_AT {
            self.write_out();
        }
    }

    fn entry_end(&mut self, end: &EntryEnd) {
        if !std::mem::take(&mut self.under_way) {
            return;
        }
        if self.values {
            self.end_value();
        }
        if self.key_type != Some(KeyType::String) {
            self.text.push_str(&format!(",\"elements\":{}", end.n_elements));
        }
        self.text.push_str(&format!(",\"bytes\":{}}}\n", self.key_length + end.raw_length));
        self.whole = self.text.len();
        if self.text.len() >= WRITE_AT {
            self.write_out();
        }
    }

    fn stopped(&self) -> bool {
        let gone = matches!(&self.out, Out::Stdout(printer) if printer.reader_has_gone());
        self.failed.is_some() || gone || (!self.counts_all && self.matched >= self.limit && !self.under_way)
    }
}
