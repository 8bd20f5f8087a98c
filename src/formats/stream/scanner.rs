//! Finds commands in bytes that come cut anywhere. Of a command its first words are kept, and of those their first bytes: what passes may
//! be 512 MB long. Nothing is allocated for a command; the buffer for words is one, and is used again.

use super::{StreamError, StreamErrorKind};

/// Words of a command that are kept.
pub const WORDS_KEPT: usize = 8;

/// Bytes of a word that are kept.
pub const WORD_KEPT: usize = 512;

/// The most words of a command. A server's own limit is 2³¹−1.
const WORDS_LIMIT: u64 = 1 << 31;

/// The longest word, bytes: far above `proto-max-bulk-len` (512 MB), which can be set.
const WORD_LIMIT: u64 = 1 << 40;

/// A whole command.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    /// The offset behind the last byte before it.
    pub start: u64,
    /// The offset behind its last byte.
    pub end: u64,
    /// How many words it has, its name included.
    pub n_words: u64,
    /// The database in force for it. For `SELECT`: the one it selects.
    pub database: u32,
    /// Whether the stream is inside a transaction behind it. Where it is not, the stream may be cut at `end`.
    pub in_transaction: bool,
    /// The last offset before it at which the stream may be cut: its own start, or that of its `MULTI`.
    pub safe_before: u64,
    words: &'a [Word],
    kept: &'a [u8],
}

/// A word that was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    /// Its end in the buffer of kept bytes.
    end: usize,
    /// Its whole length.
    length: u64,
}

impl<'a> Command<'a> {
    /// One of its first [`WORDS_KEPT`] words, of which at most [`WORD_KEPT`] bytes are left.
    pub fn word(&self, index: usize) -> Option<&'a [u8]> {
        let word = self.words.get(index)?;
        let begin = index.checked_sub(1).map_or(0, |before| self.words[before].end);
        self.kept.get(begin..word.end)
    }

    /// The whole length of one of its first [`WORDS_KEPT`] words, bytes.
    pub fn length_of(&self, index: usize) -> Option<u64> {
        Some(self.words.get(index)?.length)
    }

    /// Its name as it stands in the stream.
    pub fn name(&self) -> &'a [u8] {
        self.word(0).unwrap_or_default()
    }

    /// Whether it has this name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }

    /// Whether one of its words is this one, in any case.
    pub fn word_is(&self, index: usize, word: &str) -> bool {
        self.word(index).is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Whether the stream may be cut behind it.
    pub fn is_safe(&self) -> bool {
        !self.in_transaction
    }

    /// Whether it changes no data and is of no use to a target: signs of life, questions to replicas, messages to subscribers.
    pub fn is_for_replicas_alone(&self) -> bool {
        self.is("PING") || self.is("PUBLISH") || self.is("SPUBLISH") || self.is_question()
    }

    /// `REPLCONF GETACK`: the server asks for an acknowledgement.
    pub fn is_question(&self) -> bool {
        self.is("REPLCONF") && self.word_is(1, "GETACK")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a command, or in the line breaks before it.
    Between,
    /// In the number behind `*` or `$`; the line break has begun or not.
    Number { of_words: bool, value: u64, digits: u8, ends: bool },
    /// Before the `$` of a word.
    Dollar,
    /// In a word.
    Word { left: u64 },
    /// Behind a word: `\r`, then `\n`.
    WordEnd { has_return: bool },
}

/// A stream that is read from a place at which a command begins.
#[derive(Debug, Clone)]
pub struct Scanner {
    state: State,
    /// The offset behind the last byte that was pushed.
    offset: u64,
    start: u64,
    safe: u64,
    database: u32,
    in_transaction: bool,
    n_words: u64,
    words_left: u64,
    words: Vec<Word>,
    kept: Vec<u8>,
}

impl Scanner {
    /// A stream whose first byte comes behind `offset`, outside of a transaction, with this database in force.
    pub fn at(offset: u64, database: u32) -> Self {
        Self {
            state: State::Between,
            offset,
            start: offset,
            safe: offset,
            database,
            in_transaction: false,
            n_words: 0,
            words_left: 0,
            words: Vec::with_capacity(WORDS_KEPT),
            kept: Vec::with_capacity(WORDS_KEPT * WORD_KEPT),
        }
    }

    /// The offset behind the last byte that was pushed.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The last offset at which the stream may be cut: behind a command, and in no transaction.
    pub fn safe(&self) -> u64 {
        self.safe
    }

    /// The database in force.
    pub fn database(&self) -> u32 {
        self.database
    }

    /// Takes the next bytes, and tells of each command that ends in them.
    ///
    /// # Errors
    /// The bytes are no replication stream. There is no going on after that.
    pub fn push(&mut self, bytes: &[u8], mut see: impl FnMut(&Command<'_>)) -> Result<(), StreamError> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.state {
                State::Word { left } => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - at);
                    self.keep(&bytes[at..at + length]);
                    at += length;
                    self.offset += length as u64;
                    let left = left - length as u64;
                    self.state = if left == 0 { State::WordEnd { has_return: false } } else { State::Word { left } };
                    continue;
                }
                State::Between => match byte {
                    b'*' => {
                        self.start = self.offset;
                        self.words.clear();
                        self.kept.clear();
                        self.state = State::Number { of_words: true, value: 0, digits: 0, ends: false };
                    }
                    // A sign of life that older servers send. It belongs to nothing: before and behind it the stream may be cut.
                    b'\n' | b'\r' if !self.in_transaction => self.safe = self.offset + 1,
                    b'\n' | b'\r' => {}
                    other => return Err(self.error(StreamErrorKind::NoCommand(other))),
                },
                State::Dollar if byte == b'$' => {
                    self.state = State::Number { of_words: false, value: 0, digits: 0, ends: false };
                }
                State::Dollar => return Err(self.error(StreamErrorKind::Length)),
                State::Number { of_words, value, digits, ends } => match (byte, ends) {
                    (b'0'..=b'9', false) if digits < 15 => {
                        let value = value * 10 + u64::from(byte - b'0');
                        self.state = State::Number { of_words, value, digits: digits + 1, ends };
                    }
                    (b'\r', false) if digits > 0 => {
                        self.state = State::Number { of_words, value, digits, ends: true };
                    }
                    (b'\n', true) => self.number(of_words, value)?,
                    _ => return Err(self.error(StreamErrorKind::Length)),
                },
                State::WordEnd { has_return } => match (byte, has_return) {
                    (b'\r', false) => self.state = State::WordEnd { has_return: true },
                    (b'\n', true) => {
                        self.words_left -= 1;
                        self.state = State::Dollar;
                        if self.words_left == 0 {
                            at += 1;
                            self.offset += 1;
                            self.ended(&mut see)?;
                            continue;
                        }
                    }
                    _ => return Err(self.error(StreamErrorKind::WordEnd)),
                },
            }
            at += 1;
            self.offset += 1;
        }
        Ok(())
    }

    fn number(&mut self, of_words: bool, value: u64) -> Result<(), StreamError> {
        if of_words {
            if value == 0 || value > WORDS_LIMIT {
                return Err(self.error(StreamErrorKind::Length));
            }
            (self.n_words, self.words_left) = (value, value);
            self.state = State::Dollar;
            return Ok(());
        }
        if value > WORD_LIMIT {
            return Err(self.error(StreamErrorKind::Length));
        }
        if self.words.len() < WORDS_KEPT {
            self.words.push(Word { end: self.kept.len(), length: value });
        }
        self.state = if value == 0 { State::WordEnd { has_return: false } } else { State::Word { left: value } };
        Ok(())
    }

    /// Keeps the beginning of the word that is being read, if it is one of the first.
    fn keep(&mut self, bytes: &[u8]) {
        if self.n_words - self.words_left >= WORDS_KEPT as u64 {
            return;
        }
        let begin = self.words.len().checked_sub(2).map_or(0, |before| self.words[before].end);
        let room = WORD_KEPT - (self.kept.len() - begin);
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if let Some(word) = self.words.last_mut() {
            word.end = self.kept.len();
        }
    }

    fn ended(&mut self, see: &mut impl FnMut(&Command<'_>)) -> Result<(), StreamError> {
        self.state = State::Between;
        let begin = |index: usize| if index == 0 { 0 } else { self.words[index - 1].end };
        let word = |index: usize| self.words.get(index).map(|word| &self.kept[begin(index)..word.end]);
        let name = word(0).unwrap_or_default();
        match name.len() {
            6 if name.eq_ignore_ascii_case(b"SELECT") => {
                let database = word(1).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
                self.database = database.ok_or_else(|| self.error(StreamErrorKind::Database))?;
            }
            5 if name.eq_ignore_ascii_case(b"MULTI") => self.in_transaction = true,
            4 if name.eq_ignore_ascii_case(b"EXEC") => self.in_transaction = false,
            7 if name.eq_ignore_ascii_case(b"DISCARD") => self.in_transaction = false,
            _ => {}
        }
        see(&Command {
            start: self.start,
            end: self.offset,
            n_words: self.n_words,
            database: self.database,
            in_transaction: self.in_transaction,
            safe_before: self.safe,
            words: &self.words,
            kept: &self.kept,
        });
        if !self.in_transaction {
            self.safe = self.offset;
        }
        Ok(())
    }

    /// Bytes of memory that it holds for words.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.kept.capacity()
    }

    fn error(&self, kind: StreamErrorKind) -> StreamError {
        StreamError { offset: self.offset, kind }
    }
}
