//! A batch: commands as bytes, and what each of their replies will mean.

use crate::restore::tally::Tally;

/// Commands on their way to the target, in one piece.
#[derive(Debug, Default)]
pub struct Batch {
    /// Number in the order of the backup, over all connections.
    pub sequence: u64,
    /// The commands, in RESP.
    pub bytes: Vec<u8>,
    /// Names of the keys, one after the other.
    pub names: Vec<u8>,
    /// What the replies mean, in order.
    pub commands: Vec<Command>,
    /// What became of keys that were not sent.
    pub tally: Tally,
    /// Numbers of keys that failed without being sent.
    pub failed: Vec<u64>,
    /// All keys of the backup with a smaller number are in this batch or in earlier ones.
    pub end_ordinal: u64,
    /// With it all batches of other primaries were sent that hold keys before its end.
    pub ends_round: bool,
    /// Its last command goes on in the next batch: nothing may come in between.
    pub continues: bool,
}

/// A command and the key it is about.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// What its reply means.
    pub what: What,
    /// Number of its key in the order of the backup.
    pub ordinal: u64,
    /// Number of the database in the target.
    pub database: u64,
    /// Absolute expiry that the key will have; 0: none.
    pub expire_ms: i64,
    /// CRC64 of the payload; 0 where there is none.
    pub crc64: u64,
    /// Fields of the key whose time had passed when it was read: they count once the target has the key.
    pub gone_fields: u64,
    /// Where its name begins in [`Batch::names`].
    pub name_at: u32,
    /// Bytes of the key's name.
    pub name_length: u32,
    /// Bytes of the temporary key's name, which follows the key's; 0: there is none.
    pub temporary_length: u32,
}

/// What a reply means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Only an error matters.
    Select,
    /// A function library was loaded.
    Function {
        /// One of that name is overwritten.
        replace: bool,
        /// It was loaded into another primary of the cluster as well, where it is counted.
        again: bool,
    },
    /// The key is there.
    Whole,
    /// A part of a key; the reply has to be this.
    Step(Expected),
    /// A command of a transaction was taken; the answer to the whole transaction says what it did.
    Queued,
    /// The answer to a transaction that adds to a temporary key.
    Chunk(Chunk),
    /// No command and no reply: the string was set under its own name.
    StepsEnd,
    /// The answer to the transaction that writes a whole value under a temporary name, and gives it the real one.
    Published {
        /// A key of that name is overwritten.
        replace: bool,
        /// How many elements were written; `None`: the writing does not say.
        elements: Option<i64>,
    },
    /// No command and no reply: all steps of this key were sent to its temporary name, which now gets the real one.
    Rename {
        /// A key of that name is overwritten.
        replace: bool,
        /// What counts its elements.
        card: Card,
        /// They are as many as were counted when the last of them was written.
        exact: bool,
    },
    /// The answer to the transaction that counts, renames and sets the expiry. `replace` as there.
    Renamed {
        /// A key of that name is overwritten.
        replace: bool,
    },
    /// The temporary key was removed.
    Cleaned,
}

impl What {
    /// Whether a reply will come.
    pub fn has_reply(self) -> bool {
        !matches!(self, Self::StepsEnd | Self::Rename { .. })
    }
}

/// What the answer to the `EXEC` of a chunk has to show. A chunk is a transaction that adds to a temporary key: `MULTI`, `UNLINK` (the
/// first) or `EXISTS`, the writing, the counting, `PEXPIRE`, `EXEC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// It begins the key; what an earlier run left under its name is removed.
    pub first: bool,
    /// By how much the count grows.
    pub grow: Grow,
}

/// By how much the count of a temporary key's elements grows with a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grow {
    /// The count grows by this number.
    By(i64),
    /// The count grows by what the writing command has answered: members that were not there.
    ByReply,
    /// Fields may expire meanwhile.
    Unknown,
}

/// The command that counts the elements of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a command of Redis")]
pub enum Card {
    Strlen,
    Llen,
    Scard,
    Zcard,
    Hlen,
    Xlen,
}

impl Card {
    /// The name of the command as it is sent.
    pub fn name(self) -> &'static [u8] {
        match self {
            Self::Strlen => b"STRLEN",
            Self::Llen => b"LLEN",
            Self::Scard => b"SCARD",
            Self::Zcard => b"ZCARD",
            Self::Hlen => b"HLEN",
            Self::Xlen => b"XLEN",
        }
    }
}

/// What the reply to a step has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Any reply but an error.
    Anything,
    /// `OK`, not a null: then a key of that name is there.
    New,
    /// An array of so many elements.
    Elements(usize),
    /// None: the key is not to be made, for this reason.
    Never(&'static str),
}

impl Batch {
    /// Whether the batch neither sends a command nor counts a key.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.commands.is_empty() && self.tally == Tally::default()
    }

    /// Adds a key's name (and the one of its temporary key behind it); gives where it begins.
    pub fn name(&mut self, parts: &[&[u8]]) -> u32 {
        // A batch is closed long before its names reach 4 GiB: names are parts of its bytes.
        let at = u32::try_from(self.names.len()).expect("names of a batch are below 4 GiB");
        for part in parts {
            self.names.extend_from_slice(part);
        }
        at
    }

    /// Empties the batch for another use; large buffers are given back to the system.
    pub fn reuse(mut self, usual: usize) -> Self {
        if self.bytes.capacity() > 2 * usual {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.names.clear();
        self.commands.clear();
        self.failed.clear();
        let Self { bytes, names, commands, failed, .. } = self;
        Self { bytes, names, commands, failed, ..Self::default() }
    }
}

/// Adds the head of a command of `n` words.
pub fn put_head(bytes: &mut Vec<u8>, n: usize) {
    bytes.push(b'*');
    put_number(bytes, n as u64);
    bytes.extend_from_slice(b"\r\n");
}

/// Adds a word of a command.
pub fn put_bulk(bytes: &mut Vec<u8>, word: &[u8]) {
    bytes.push(b'$');
    put_number(bytes, word.len() as u64);
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(word);
    bytes.extend_from_slice(b"\r\n");
}

/// Adds a whole command.
pub fn put_command(bytes: &mut Vec<u8>, words: &[&[u8]]) {
    put_head(bytes, words.len());
    for word in words {
        put_bulk(bytes, word);
    }
}

/// A number in decimal digits, without an allocation.
pub fn put_number(bytes: &mut Vec<u8>, number: u64) {
    let mut digits = [0_u8; 20];
    bytes.extend_from_slice(decimal(number, &mut digits));
}

/// A number in decimal digits at the end of `digits`.
pub fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_commands_are_written_as_redis_reads_them() {
        for number in [0, 9, 10, 1234, u64::MAX] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            assert_eq!(bytes, number.to_string().as_bytes());
        }
        let mut bytes = Vec::new();
        put_command(&mut bytes, &[b"SET", b"", b"12"]);
        assert_eq!(bytes, b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$2\r\n12\r\n");
    }
}
