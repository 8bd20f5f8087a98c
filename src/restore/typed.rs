//! Method `commands`: a key as typed commands, for what no payload can carry to this target.
//!
//! A value is written in chunks under a temporary key, which gets the real name once every step was answered well; so
//! nobody ever sees half a value, and a list is never added to twice. A value that fits one command goes straight to its
//! name where nobody else can have it.

mod stream;
mod words;

use crate::census::KeyType;
use crate::rdb::visit::{Entry, Piece};
use crate::restore::choices::Choices;
use crate::restore::replay::batch::{Expected, What};
use crate::restore::replay::outbox::Outbox;
use crate::restore::target_format::TargetFormat;
pub use stream::KEPT_OF_A_STREAM;
use stream::Stream;
use words::Words;

/// A command is sent when it has so many bytes …
const BYTES_PER_COMMAND: usize = 256 * 1024;
/// … or elements.
const ELEMENTS_PER_COMMAND: i64 = 1024;

/// Makes typed commands of the pieces of a value.
#[derive(Debug)]
pub struct Typed {
    format: TargetFormat,
    /// Where commands go: shared with what streams need.
    target: Target,
    kind: KeyType,
    words: Words,
    /// Elements in the command that is being made, and in all before it.
    elements: i64,
    total: i64,
    /// Expiries of fields that follow their HSET.
    field_expiries: Words,
    choices: Choices,
    now_ms: i64,
    expired_fields: u64,
    stream: Stream,
}

/// The key that is being made.
#[derive(Debug, Default)]
pub(in crate::restore) struct Target {
    key: Vec<u8>,
    temporary: Vec<u8>,
    database: u64,
    expire_ms: i64,
    replace: bool,
    /// Straight to its name.
    direct: bool,
    /// Number of temporary keys made so far.
    made: u64,
    token: u64,
}

impl Target {
    /// The name that commands are sent to.
    fn name(&self) -> &[u8] {
        if self.direct { &self.key } else { &self.temporary }
    }

    /// Sends a command and says what its reply has to be.
    fn send(&self, outbox: &mut Outbox, words: &Words, expected: Expected) {
        outbox.select(self.database);
        words.put(&mut outbox.batch.bytes);
        outbox.push(What::Step(expected), self.database, 0, 0, &[]);
        outbox.may_split();
    }

    /// A name nobody has, in the same slot of a cluster where that is possible.
    fn make_temporary(&mut self) {
        self.made += 1;
        self.temporary.clear();
        let tag = hash_tag(&self.key);
        self.temporary.push(b'{');
        self.temporary.extend_from_slice(tag);
        self.temporary.extend_from_slice(format!("}}redis-ops:{:016x}:{}", self.token, self.made).as_bytes());
    }
}

/// What decides the slot of a key: what stands in its first braces, else all of it.
fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = memchr::memchr(b'{', key) else { return key };
    match memchr::memchr(b'}', &key[open + 1..]) {
        Some(length) if length > 0 => &key[open + 1..open + 1 + length],
        _ => key,
    }
}

impl Typed {
    /// For a target. `token` makes the names of temporary keys its own.
    pub fn new(format: TargetFormat, choices: Choices, token: u64) -> Self {
        Self {
            format,
            target: Target { token, ..Target::default() },
            kind: KeyType::String,
            words: Words::default(),
            elements: 0,
            total: 0,
            field_expiries: Words::default(),
            choices,
            now_ms: 0,
            expired_fields: 0,
            stream: Stream::default(),
        }
    }

    /// A key begins. `direct`: nobody else has it.
    pub fn begin(
        &mut self,
        entry: &Entry<'_>,
        database: u64,
        expire_ms: Option<i64>,
        replace: bool,
        direct: bool,
        now_ms: i64,
    ) {
        self.kind = KeyType::of_encoding(entry.value_type);
        self.target.key.clear();
        self.target.key.extend_from_slice(entry.key);
        self.target.make_temporary();
        self.target.database = database;
        self.target.expire_ms = expire_ms.unwrap_or(0);
        self.target.replace = replace;
        // A stream is many commands.
        self.target.direct = direct && self.kind != KeyType::Stream;
        (self.elements, self.total, self.expired_fields, self.now_ms) = (0, 0, 0, now_ms);
        self.words.clear();
        self.field_expiries.clear();
        self.stream.begin();
    }

    /// A part of its value.
    pub fn piece(&mut self, outbox: &mut Outbox, piece: Piece<'_>) {
        match piece {
            Piece::String(bytes) => {
                self.room(outbox, bytes.len());
                self.words.extend_last(bytes);
                self.elements += bytes.len() as i64;
            }
            Piece::ListElement(element) => self.element(outbox, &[element]),
            Piece::SetMember(member) => self.element(outbox, &[member]),
            Piece::ZsetMember { member, score } => {
                let mut text = [0; 40];
                let score = words::score(score, &mut text);
                self.element(outbox, &[score, member]);
            }
            Piece::HashField { field, value, expire_ms } => {
                let expire_ms = self.choices.expiry(expire_ms);
                if expire_ms.is_some_and(|at| at <= self.now_ms) {
                    self.expired_fields += 1;
                    return;
                }
                self.element(outbox, &[field, value]);
                if let Some(at) = expire_ms
                    && self.format.field_expiry
                {
                    let mut digits = [0; 20];
                    let at = crate::restore::replay::batch::decimal(u64::try_from(at).unwrap_or(0), &mut digits);
                    self.field_expiries.add(at);
                    self.field_expiries.add(field);
                }
            }
            piece => self.stream.piece(outbox, &self.target, self.format, piece),
        }
    }

    fn element(&mut self, outbox: &mut Outbox, parts: &[&[u8]]) {
        self.room(outbox, parts.iter().map(|part| part.len()).sum());
        for part in parts {
            self.words.add(part);
        }
        self.elements += 1;
    }

    /// Sends the command that is being made, if it would become too long.
    fn room(&mut self, outbox: &mut Outbox, more: usize) {
        let full = self.words.length() > 0 && self.words.length() + more > BYTES_PER_COMMAND;
        let many = self.kind != KeyType::String && self.elements >= ELEMENTS_PER_COMMAND;
        if full || many {
            // More than one command: only the whole of it may be seen.
            self.target.direct = false;
            self.send(outbox);
        }
    }

    fn send(&mut self, outbox: &mut Outbox) {
        let (first, elements) = (self.total == 0, self.elements);
        self.total += elements;
        let mut head = Words::default();
        let name: &[u8] = match self.kind {
            KeyType::List => b"RPUSH",
            KeyType::Set => b"SADD",
            KeyType::Zset => b"ZADD",
            KeyType::Hash => b"HSET",
            _ if first => b"SET",
            _ => b"APPEND",
        };
        head.add(name);
        head.add(self.target.name());
        head.append(&self.words);
        let mut expected = Expected::Anything;
        if self.target.direct {
            expected = Expected::Number(elements);
            if self.kind == KeyType::String {
                if self.words.is_empty() {
                    head.add(b"");
                }
                head.add(b"NX");
                if self.target.expire_ms != 0 && self.sets_expiry() {
                    head.add(b"PXAT");
                    head.add(self.target.expire_ms.to_string().as_bytes());
                }
                expected = Expected::Ok;
            }
        } else if self.kind == KeyType::String && self.words.is_empty() {
            head.add(b"");
        }
        self.target.send(outbox, &head, expected);
        self.words.clear();
        self.elements = 0;
        self.send_field_expiries(outbox);
    }

    /// `SET … PXAT` came with 6.2.
    fn sets_expiry(&self) -> bool {
        self.format.server >= (6, 2, 0)
    }

    fn send_field_expiries(&mut self, outbox: &mut Outbox) {
        let words = std::mem::take(&mut self.field_expiries);
        let pairs: Vec<&[u8]> = words.iter().collect();
        for pair in pairs.chunks_exact(2) {
            let mut command = Words::default();
            for word in [b"HPEXPIREAT", self.target.name(), pair[0], b"FIELDS", b"1", pair[1]] {
                command.add(word);
            }
            self.target.send(outbox, &command, Expected::Anything);
        }
    }

    /// The value is complete.
    pub fn end(&mut self, outbox: &mut Outbox) {
        if self.kind == KeyType::Stream {
            self.stream.end(outbox, &self.target, self.format);
        } else if self.elements > 0 || self.kind == KeyType::String && self.total == 0 {
            self.send(outbox);
        } else if self.total == 0 {
            // Nothing is left of it: all its fields have expired, or it was an empty aggregate that no server keeps.
            outbox.batch.tally.expired += 1;
            return;
        }
        let target = &self.target;
        let (database, expire_ms) = (target.database, target.expire_ms);
        let with_value = target.direct && self.kind == KeyType::String && self.sets_expiry();
        if expire_ms != 0 && !with_value {
            let mut command = Words::default();
            for word in [b"PEXPIREAT", target.name(), expire_ms.to_string().as_bytes()] {
                command.add(word);
            }
            target.send(outbox, &command, Expected::Anything);
        }
        let names: [&[u8]; 2] = [&target.key, &target.temporary];
        if target.direct {
            outbox.push(What::StepsEnd, database, expire_ms, 0, &names[..1]);
        } else {
            outbox.push(What::Rename { replace: target.replace }, database, expire_ms, 0, &names);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::hash_tag;

    #[test]
    fn the_temporary_name_lies_in_the_slot_of_the_key() {
        for (key, tag) in
            [("a", "a"), ("{user}:1", "user"), ("a{b}c{d}", "b"), ("{}x", "{}x"), ("a{b", "a{b"), ("", "")]
        {
            assert_eq!(hash_tag(key.as_bytes()), tag.as_bytes(), "{key}");
        }
    }
}
