//! Method `commands`: a key as typed commands, for what no payload can carry to this target.
//!
//! A value is written in chunks under a temporary key, which gets the real name once every step was answered well; so
//! nobody ever sees half a value, a list is never added to twice, and a key that somebody else has made meanwhile is not touched:
//! `RENAMENX` leaves it. A value that fits one command does the same in one transaction. A string is set with `NX`.
//!
//! A temporary key has a TTL from its first command on, so that nothing stays of one that is forgotten. Each chunk is a transaction
//! that finds the key there, adds to it, counts it and renews the TTL; the last one counts it, gives it the expiry that it is to have,
//! and renames it. One that is gone meanwhile (expired while the source was stalled, evicted) is seen by the next of them, and written
//! from its start again. Its name is the token of the restore, which the journal keeps, and the number of the key: a run that goes
//! on removes what the interrupted one has left.

mod long;
mod stream;
mod target;
mod words;

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_128;

use crate::census::KeyType;
use crate::rdb::visit::{Entry, Piece};
use crate::restore::choices::Choices;
use crate::restore::mend::FIRST_EXPIRED;
use crate::restore::replay::batch::{Card, Expected, Grow, What};
use crate::restore::replay::outbox::Outbox;
use crate::restore::target_format::TargetFormat;
use long::Long;
pub use stream::KEPT_OF_A_STREAM;
use stream::Stream;
use target::Target;
pub use target::token_of;
use words::Words;

/// A command is sent when it has so many bytes …
const BYTES_PER_COMMAND: usize = 256 * 1024;
/// … or elements.
const ELEMENTS_PER_COMMAND: i64 = 1024;

/// So many members of one value are compared with each other, at about 20 bytes each: as many as a table of 2^20 places takes, for one
/// more would double it.
const NAMES_COMPARED: usize = (1 << 20) / 8 * 7;

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
    /// Some of its fields have an expiry: they may go while it is written.
    fields_expire: bool,
    /// Members or fields of the value that is being made.
    seen: HashSet<u128>,
    /// One of them came again, and was left out.
    has_repeated: bool,
    stream: Stream,
    /// The element that comes in parts.
    long: Long,
}

fn card_of(kind: KeyType) -> Card {
    match kind {
        KeyType::List => Card::Llen,
        KeyType::Set => Card::Scard,
        KeyType::Zset => Card::Zcard,
        KeyType::Hash => Card::Hlen,
        KeyType::Stream => Card::Xlen,
        _ => Card::Strlen,
    }
}

impl Typed {
    /// For a target. `token` makes the names of temporary keys its own, `ttl_ms` is how long they live without another chunk.
    pub fn new(format: TargetFormat, choices: Choices, token: u64, ttl_ms: u64) -> Self {
        Self {
            format,
            target: Target::new(token, ttl_ms),
            kind: KeyType::String,
            words: Words::default(),
            elements: 0,
            total: 0,
            field_expiries: Words::default(),
            choices,
            now_ms: 0,
            fields_expire: false,
            seen: HashSet::new(),
            has_repeated: false,
            stream: Stream::default(),
            long: Long::default(),
        }
    }

    /// A key begins, of this number in the backup. `at_once`: nothing can stand under its temporary name yet.
    #[expect(clippy::too_many_arguments, reason = "one call, and all of it is needed there")]
    pub fn begin(
        &mut self,
        ordinal: u64,
        entry: &Entry<'_>,
        database: u64,
        expire_ms: Option<i64>,
        replace: bool,
        at_once: bool,
        now_ms: i64,
    ) {
        self.kind = KeyType::of_encoding(entry.value_type);
        self.target.key.clear();
        self.target.key.extend_from_slice(entry.key);
        // Who goes on with an interrupted run finds what it has left under the same name.
        self.target.make_temporary(ordinal);
        (self.target.card, self.target.first, self.target.steps) = (card_of(self.kind), true, 0);
        self.target.database = database;
        self.target.expire_ms = expire_ms.unwrap_or(0);
        self.target.replace = replace;
        // A stream is many commands.
        self.target.at_once = at_once && self.kind != KeyType::Stream;
        (self.elements, self.total, self.now_ms) = (0, 0, now_ms);
        (self.fields_expire, self.has_repeated) = (false, false);
        self.words.clear();
        self.field_expiries.clear();
        // The table of a large value is not kept for the small ones.
        if self.seen.capacity() > 4096 {
            self.seen = HashSet::new()
        } else {
            self.seen.clear()
        }
        self.stream.begin();
        self.long = Long::default();
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
            // Of two of one name the first counts: that is the one a server finds.
            Piece::SetMember(member) | Piece::ZsetMember { member, .. } | Piece::HashField { field: member, .. }
                if self.is_repeated(member) =>
            {
                self.has_repeated = true;
            }
            Piece::SetMember(member) => self.element(outbox, &[member]),
            // No server keeps a member without a score.
            Piece::ZsetMember { score, .. } if score.is_nan() => {}
            Piece::ZsetMember { member, score } => {
                let mut text = [0; 40];
                let score = words::score(score, &mut text);
                self.element(outbox, &[score, member]);
            }
            Piece::HashField { field, value, expire_ms } => {
                let expire_ms = self.choices.field_expiry(expire_ms);
                if expire_ms.is_some_and(|at| at <= self.now_ms) {
                    return;
                }
                self.element(outbox, &[field, value]);
                if let Some(at) = expire_ms
                    && self.format.field_expiry
                {
                    self.fields_expire = true;
                    let mut digits = [0; 20];
                    let at = crate::restore::replay::batch::decimal(u64::try_from(at).unwrap_or(0), &mut digits);
                    self.field_expiries.add(at);
                    self.field_expiries.add(field);
                }
            }
            piece => self.stream.piece(outbox, &mut self.target, piece),
        }
    }

    /// Whether a member was told before; of more than [`NAMES_COMPARED`] it is not known.
    fn is_repeated(&mut self, name: &[u8]) -> bool {
        self.is_repeated_hash(xxh3_128(name))
    }

    fn is_repeated_hash(&mut self, hash: u128) -> bool {
        self.seen.len() < NAMES_COMPARED && !self.seen.insert(hash)
    }

    /// What was told of the value is not all of it, and not right: the key is not made.
    pub fn spoil(&mut self, outbox: &mut Outbox, reason: &'static str) {
        self.stream.complete(outbox, &mut self.target);
        self.target.spoil(outbox, reason);
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
            self.target.at_once = false;
            self.send(outbox);
        }
    }

    /// The command that writes the elements, to this name.
    fn command(&self, first: bool, to: &[u8]) -> Words {
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
        head.add(to);
        head.append(&self.words);
        if self.kind == KeyType::String && self.words.is_empty() {
            head.add(b"");
        }
        head
    }

    /// Sends a chunk to the temporary name.
    fn send(&mut self, outbox: &mut Outbox) {
        let (first, elements) = (self.total == 0, self.elements);
        self.total += elements;
        let command = self.command(first, &self.target.temporary);
        let grow = match self.kind {
            KeyType::Hash if self.fields_expire => Grow::Unknown,
            KeyType::Set | KeyType::Zset | KeyType::Hash => Grow::ByReply,
            _ => Grow::By(elements),
        };
        self.target.chunk(outbox, &[command], grow);
        self.words.clear();
        self.elements = 0;
        self.send_field_expiries(outbox);
    }

    /// Sends the whole value, which fits one command.
    fn send_at_once(&mut self, outbox: &mut Outbox) {
        let expires = self.target.expire_ms != 0;
        if self.kind != KeyType::String || expires && !self.sets_expiry() {
            let elements = (self.kind != KeyType::String).then_some(self.elements);
            let command = self.command(true, &self.target.temporary);
            return self.target.publish(outbox, &command, elements);
        }
        let mut command = self.command(true, &self.target.key);
        if !self.target.replace {
            command.add(b"NX");
        }
        if expires {
            command.add(b"PXAT");
            command.add(self.target.expire_ms.to_string().as_bytes());
        }
        self.target.set(outbox, &command);
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
            for word in [b"HPEXPIREAT", &self.target.temporary[..], pair[0], b"FIELDS", b"1", pair[1]] {
                command.add(word);
            }
            self.target.send(outbox, &command, Expected::Anything);
        }
    }

    /// The value is complete.
    pub fn end(&mut self, outbox: &mut Outbox) {
        if self.kind == KeyType::Stream {
            self.stream.end(outbox, &mut self.target, self.format);
        } else if self.elements > 0 || self.kind == KeyType::String && self.total == 0 {
            if self.target.at_once && self.field_expiries.is_empty() {
                return self.send_at_once(outbox);
            }
            self.send(outbox);
        } else if self.total == 0 && self.has_repeated {
            return outbox.batch.tally.lost(self.target.database, &self.target.key, FIRST_EXPIRED);
        } else if self.total == 0 {
            // Nothing is left of it: all its fields have expired, or it was an empty aggregate that no server keeps.
            outbox.batch.tally.expired += 1;
            return;
        }
        let (database, expire_ms) = (self.target.database, self.target.expire_ms);
        let exact = !(self.kind == KeyType::Hash && self.fields_expire);
        let Target { key, temporary, replace, card, .. } = &self.target;
        let (what, names) = (What::Rename { replace: *replace, card: *card, exact }, [&key[..], &temporary[..]]);
        outbox.push(what, database, expire_ms, 0, &names);
    }
}
