//! The key that typed commands write: under a temporary name, in chunks or in one transaction.

use super::words::Words;
use crate::restore::replay::batch::{Card, Chunk, Expected, Grow, What, put_command};
use crate::restore::replay::outbox::Outbox;

/// After so many commands that are no chunks the TTL is renewed all the same.
const STEPS_PER_RENEWAL: u64 = 1024;

/// The key that is being made.
#[derive(Debug)]
pub(in crate::restore) struct Target {
    pub(super) key: Vec<u8>,
    pub(super) temporary: Vec<u8>,
    pub(super) database: u64,
    pub(super) expire_ms: i64,
    pub(super) replace: bool,
    /// The value fits one command so far.
    pub(super) at_once: bool,
    /// What counts its elements.
    pub(super) card: Card,
    /// No chunk of it was sent yet.
    pub(super) first: bool,
    /// Commands since the TTL was renewed.
    pub(super) steps: u64,
    token: u64,
    /// Milliseconds that the temporary key lives without another chunk.
    ttl_ms: u64,
}

impl Target {
    /// A target for all keys of a restore, one after the other. `token` makes the names of temporary keys its own, `ttl_ms` is how long
    /// they live without another chunk.
    pub(super) fn new(token: u64, ttl_ms: u64) -> Self {
        Self {
            key: Vec::new(),
            temporary: Vec::new(),
            database: 0,
            expire_ms: 0,
            replace: false,
            at_once: false,
            card: Card::Strlen,
            first: true,
            steps: 0,
            token,
            ttl_ms,
        }
    }

    /// Sends a command that is no chunk, and says what its reply has to be.
    pub(super) fn send(&mut self, outbox: &mut Outbox, words: &Words, expected: Expected) {
        outbox.select(self.database);
        put(outbox, words);
        outbox.push(What::Step(expected), self.database, 0, 0, &[]);
        outbox.may_split();
        self.steps += 1;
        if self.steps >= STEPS_PER_RENEWAL {
            self.chunk(outbox, &[], Grow::Unknown);
        }
    }

    /// Sends commands that add to the temporary key, as one transaction.
    pub(super) fn chunk(&mut self, outbox: &mut Outbox, commands: &[Words], grow: Grow) {
        self.begin_chunk(outbox);
        for words in commands {
            put(outbox, words);
            outbox.push(What::Queued, self.database, 0, 0, &[]);
        }
        self.end_chunk(outbox, grow);
    }

    /// The transaction up to the commands that add.
    pub(super) fn begin_chunk(&mut self, outbox: &mut Outbox) {
        let begin: &[u8] = if self.first { b"UNLINK" } else { b"EXISTS" };
        outbox.select(self.database);
        self.queued(outbox, &[b"MULTI"]);
        self.queued(outbox, &[begin, &self.temporary]);
    }

    fn queued(&self, outbox: &mut Outbox, words: &[&[u8]]) {
        outbox.calls.note_words(words[0], None);
        put_command(&mut outbox.batch.bytes, words);
        outbox.push(What::Queued, self.database, 0, 0, &[]);
    }

    /// The rest of the transaction.
    pub(super) fn end_chunk(&mut self, outbox: &mut Outbox, grow: Grow) {
        let ttl = self.ttl_ms.to_string();
        self.queued(outbox, &[self.card.name(), &self.temporary]);
        self.queued(outbox, &[b"PEXPIRE", &self.temporary, ttl.as_bytes()]);
        outbox.calls.note_words(b"EXEC", None);
        put_command(&mut outbox.batch.bytes, &[b"EXEC"]);
        outbox.push(What::Chunk(Chunk { first: self.first, grow }), self.database, 0, 0, &[]);
        (self.first, self.steps) = (false, 0);
        // Not before: what others send over the same connection must not come into the transaction.
        outbox.may_split();
    }

    /// Sends a string that one command writes whole.
    pub(super) fn set(&mut self, outbox: &mut Outbox, words: &Words) {
        self.send(outbox, words, Expected::New);
        outbox.push(What::StepsEnd, self.database, self.expire_ms, 0, &[&self.key]);
    }

    /// Sends the command that writes the whole value to its temporary name, and gives it its own in the same transaction: what somebody
    /// else has written meanwhile stays as it is, and of a process that is killed nothing stays.
    pub(super) fn publish(&mut self, outbox: &mut Outbox, words: &Words, elements: Option<i64>) {
        outbox.select(self.database);
        self.queued(outbox, &[b"MULTI"]);
        put(outbox, words);
        outbox.push(What::Queued, self.database, 0, 0, &[]);
        if self.expire_ms != 0 {
            self.queued(outbox, &[b"PEXPIREAT", &self.temporary, self.expire_ms.to_string().as_bytes()]);
        }
        let rename: &[u8] = if self.replace { b"RENAME" } else { b"RENAMENX" };
        self.queued(outbox, &[rename, &self.temporary, &self.key]);
        // It is gone, unless the name was taken.
        self.queued(outbox, &[b"UNLINK", &self.temporary]);
        outbox.calls.note_words(b"EXEC", None);
        put_command(&mut outbox.batch.bytes, &[b"EXEC"]);
        let what = What::Published { replace: self.replace, elements };
        outbox.push(what, self.database, self.expire_ms, 0, &[&self.key]);
    }

    /// Sends what no answer fits: the steps of this key count as failed, and what they have made is removed.
    pub(super) fn spoil(&mut self, outbox: &mut Outbox, reason: &'static str) {
        self.at_once = false;
        let mut command = Words::default();
        command.add(b"EXISTS");
        command.add(&self.temporary);
        self.send(outbox, &command, Expected::Never(reason));
    }

    /// A name nobody has, in the same slot of a cluster where that is possible.
    pub(super) fn make_temporary(&mut self, ordinal: u64) {
        self.temporary.clear();
        let tag = hash_tag(&self.key);
        self.temporary.push(b'{');
        self.temporary.extend_from_slice(tag);
        self.temporary.extend_from_slice(MARK);
        self.temporary.extend_from_slice(format!("{:016x}:{ordinal}", self.token).as_bytes());
    }
}

/// Adds a command to the batch, and to what we have called.
fn put(outbox: &mut Outbox, words: &Words) {
    let mut first = words.iter();
    if let Some(name) = first.next() {
        outbox.calls.note_words(name, first.next());
    }
    words.put(&mut outbox.batch.bytes);
}

/// What the name of a temporary key is made of, if it is one.
pub fn token_of(name: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(&name[memchr::memmem::rfind(name, MARK)? + MARK.len()..]).ok()?;
    let (token, ordinal) = text.split_once(':')?;
    ordinal.parse::<u64>().ok()?;
    u64::from_str_radix(token, 16).ok().filter(|_| token.len() == 16)
}

/// What stands in the name of a temporary key behind the name of the key itself.
const MARK: &[u8] = b"}redis-ops:";

/// What decides the slot of a key: what stands in its first braces, else all of it.
fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = memchr::memchr(b'{', key) else { return key };
    match memchr::memchr(b'}', &key[open + 1..]) {
        Some(length) if length > 0 => &key[open + 1..open + 1 + length],
        _ => key,
    }
}

#[cfg(test)]
mod tests {
    use super::{Target, hash_tag, token_of};

    #[test]
    fn the_name_of_a_temporary_key_tells_whose_it_is() {
        let mut target = Target { key: b"a{b}\xff".to_vec(), ..Target::new(0xfeed, 1) };
        target.make_temporary(12);
        assert_eq!(token_of(&target.temporary), Some(0xfeed));
        for other in ["a", "{a}redis-ops:12", "{a}redis-ops:feed:1", "{a}redis-ops:000000000000feed:x", "{a}redis-ops:"]
        {
            assert_eq!(token_of(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn the_temporary_name_lies_in_the_slot_of_the_key() {
        for (key, tag) in
            [("a", "a"), ("{user}:1", "user"), ("a{b}c{d}", "b"), ("{}x", "{}x"), ("a{b", "a{b"), ("", "")]
        {
            assert_eq!(hash_tag(key.as_bytes()), tag.as_bytes(), "{key}");
        }
    }
}
