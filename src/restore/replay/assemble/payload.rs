//! One RESTORE command, made while the value arrives.
//!
//! `RESTORE key ttl payload [REPLACE] ABSTTL [IDLETIME s | FREQ n]`, where the payload is the type, the value as it stands in
//! the file, the format version (little-endian, two bytes) and a CRC64 over all of it (Redis `cluster.c`, `createDumpPayload`).

use crate::figures::bytes;
use crate::rdb::dump::{NotPossible, Target, rebuild, transcode};
use crate::rdb::opcode::{self, Dialect};
use crate::rdb::types::{Kind, ValueType};
use crate::rdb::visit::Entry;
use crate::rdb::{Crc64, crc64};
use crate::restore::mend::FIRST_EXPIRED;
use crate::restore::replay::batch::{What, decimal, put_bulk, put_head, put_number};
use crate::restore::replay::outbox::Outbox;
use crate::restore::target_format::{Loss, TargetFormat, fits};

/// Version and CRC64 at the end.
const FOOTER: u64 = 10;

/// What is left of a value in a form that the target knows.
enum Known {
    Something,
    Nothing,
    /// Fields of a hash that have all expired, though one of the same name behind them had not.
    Gone,
}

/// The command that is being made.
#[derive(Debug)]
pub struct Payload {
    /// Where the command begins in the batch.
    command_at: usize,
    /// Where the payload's length stands, and how many digits were left for it.
    digits_at: usize,
    digits: usize,
    /// Where the payload begins.
    payload_at: usize,
    /// Bytes of the value so far.
    length: u64,
    /// Known beforehand: the command leaves in parts, and the sum is carried on.
    known: Option<(u64, Crc64)>,
    key: Vec<u8>,
    tail: Vec<u8>,
    version: u32,
    database: u64,
    expire_ms: i64,
    /// When the key is gone; 0: never.
    gone_ms: i64,
    /// Where the type stands.
    type_at: usize,
    /// As it stands in the file.
    value_type: ValueType,
    /// The value is put together anew, whether or not the target knows the encoding.
    rebuilds: bool,
    /// The target does not know the encoding: what it is, and of which file.
    foreign: Option<(ValueType, Dialect, u32)>,
    target: Target,
}

impl Default for Payload {
    fn default() -> Self {
        Self {
            command_at: 0,
            digits_at: 0,
            digits: 0,
            payload_at: 0,
            length: 0,
            known: None,
            key: Vec::new(),
            tail: Vec::new(),
            version: 0,
            database: 0,
            expire_ms: 0,
            gone_ms: 0,
            type_at: 0,
            value_type: ValueType::STRING,
            rebuilds: false,
            foreign: None,
            target: Target { dialect: Dialect::Redis, rdb_version: 9 },
        }
    }
}

impl Payload {
    /// The value that begins has an encoding that the target does not know: it is brought into one that it does.
    pub fn transcode(&mut self, value_type: ValueType, dialect: Dialect, version: u32, format: TargetFormat) {
        self.foreign = Some((value_type, dialect, version));
        self.target = format.reads;
    }

    /// The value that was pushed contradicts itself: it is put together anew.
    pub fn rebuild(&mut self, dialect: Dialect, version: u32, format: TargetFormat) {
        self.foreign = Some((self.value_type, dialect, version));
        self.target = format.reads;
        self.rebuilds = true;
    }

    /// Begins the command of a key. `known`: the length of the value, if it is to leave in parts.
    #[expect(clippy::too_many_arguments, reason = "one call, and all of it is needed there")]
    pub fn begin(
        &mut self,
        outbox: &mut Outbox,
        entry: &Entry<'_>,
        format: TargetFormat,
        database: u64,
        expire_ms: Option<i64>,
        replace: bool,
        known: Option<u64>,
    ) {
        self.key.clear();
        self.key.extend_from_slice(entry.key);
        self.version = format.version();
        self.database = database;
        self.expire_ms = expire_ms.unwrap_or(0);
        self.gone_ms = self.expire_ms;
        self.length = 0;
        // The head of the command says how many words it has, so what follows the payload is made before it.
        let words = self.make_tail(entry, replace);
        // Other servers would take its first byte for a type.
        let meta = entry.key_meta.filter(|_| format.reads.takes_key_meta());
        let meta_length = meta.map_or(0, |meta| meta.len() + 1);
        let bytes = &mut outbox.batch.bytes;
        self.command_at = bytes.len();
        put_head(bytes, 4 + words);
        bytes.extend_from_slice(b"$7\r\nRESTORE\r\n");
        put_bulk(bytes, entry.key);
        let mut digits = [0; 20];
        // A moment before 1970 has passed, and those keys are not sent.
        put_bulk(bytes, decimal(u64::try_from(self.expire_ms).unwrap_or(0), &mut digits));
        bytes.push(b'$');
        self.digits_at = bytes.len();
        match known {
            Some(length) => put_number(bytes, length + 1 + FOOTER + meta_length as u64),
            // Most values are about as long as the one before.
            None => bytes.resize(bytes.len() + self.digits.max(1), b'0'),
        }
        bytes.extend_from_slice(b"\r\n");
        self.payload_at = bytes.len();
        if let Some(meta) = meta {
            bytes.push(opcode::KEY_META_OR_SLOT_IMPORT);
            bytes.extend_from_slice(meta);
        }
        self.type_at = bytes.len();
        (self.value_type, self.rebuilds, self.foreign) = (entry.value_type, false, None);
        bytes.push(entry.value_type.0);
        // The bytes leave before the checksum is due, so the sum over them is carried on while they go by.
        self.known = known.map(|length| {
            let mut crc = Crc64::new();
            crc.update(&bytes[self.payload_at..]);
            (length, crc)
        });
    }

    /// What follows the payload; gives how many words it is.
    fn make_tail(&mut self, entry: &Entry<'_>, replace: bool) -> usize {
        self.tail.clear();
        self.tail.extend_from_slice(b"\r\n$6\r\nABSTTL\r\n");
        let mut words = 1;
        if replace {
            self.tail.extend_from_slice(b"$7\r\nREPLACE\r\n");
            words += 1;
        }
        let mut digits = [0; 20];
        if let Some(seconds) = entry.idle_seconds {
            self.tail.extend_from_slice(b"$8\r\nIDLETIME\r\n");
            // The server reads a signed number of seconds and multiplies it by 1000.
            put_bulk(&mut self.tail, decimal(seconds.min(u64::from(u32::MAX)), &mut digits));
            words += 2;
        } else if let Some(frequency) = entry.frequency {
            self.tail.extend_from_slice(b"$4\r\nFREQ\r\n");
            put_bulk(&mut self.tail, decimal(u64::from(frequency), &mut digits));
            words += 2;
        }
        words
    }

    /// The next bytes of the value.
    pub fn push(&mut self, outbox: &mut Outbox, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        outbox.batch.bytes.extend_from_slice(bytes);
        if let Some((_, crc)) = self.known.as_mut() {
            crc.update(bytes);
            outbox.may_split_command();
        }
    }

    /// Whether the value is longer than may be collected, in bytes.
    pub fn is_too_long(&self, at_most: u64) -> bool {
        self.known.is_none() && self.length > at_most
    }

    /// Takes the command back out of the batch.
    pub fn abandon(&mut self, outbox: &mut Outbox) {
        outbox.batch.bytes.truncate(self.command_at);
    }

    /// Takes the command back out of the batch, if nothing of it has left.
    pub fn abandon_whole(&mut self, outbox: &mut Outbox) -> bool {
        let whole = self.known.is_none();
        if whole {
            self.abandon(outbox);
        }
        whole
    }

    /// The key will be gone by then, whatever its own expiry is.
    pub fn gone_by(&mut self, at_ms: i64) {
        self.gone_ms = if self.expire_ms == 0 { at_ms } else { at_ms.min(self.expire_ms) };
    }

    /// The target cannot take it after all.
    pub fn lose(&mut self, outbox: &mut Outbox, loss: Loss) {
        // What has left in parts cannot be taken back; it will be refused, and counted then.
        if self.known.is_none() {
            self.abandon(outbox);
        }
        outbox.batch.tally.lost(self.database, &self.key, loss.words());
    }

    /// Completes the command, for a target with this `proto-max-bulk-len`, at this moment of its clock.
    pub fn end(&mut self, outbox: &mut Outbox, longest_bulk: u64, now_ms: i64) {
        match self.make_known(&mut outbox.batch.bytes, now_ms) {
            Ok(Known::Something) => {}
            // The target says OK to it, and keeps nothing.
            Ok(Known::Gone) => {
                self.abandon(outbox);
                outbox.batch.tally.lost(self.database, &self.key, FIRST_EXPIRED);
                return;
            }
            // Servers leave it out when they load it, and refuse it in RESTORE.
            Ok(Known::Nothing) => {
                self.abandon(outbox);
                outbox.batch.tally.expired += 1;
                return;
            }
            Err(reason) => {
                self.abandon(outbox);
                outbox.failed(self.database, &self.key, reason.to_string());
                return;
            }
        }
        // What its own form had packed may be longer in another one. The target would close the connection on it.
        let length = (outbox.batch.bytes.len() - self.type_at) as u64;
        if self.known.is_none() && !fits(length, longest_bulk) {
            self.abandon(outbox);
            let reason = format!(
                "in a format that the target supports the value has {}, but the target accepts {} in one piece; `--method commands` writes it in parts",
                bytes(length),
                bytes(longest_bulk)
            );
            outbox.failed(self.database, &self.key, reason);
            return;
        }
        // The checksum is over type, value and version.
        let version = (self.version as u16).to_le_bytes();
        let bytes = &mut outbox.batch.bytes;
        let crc = match self.known.take() {
            Some((_, mut crc)) => {
                crc.update(&version);
                bytes.extend_from_slice(&version);
                crc.value()
            }
            None => {
                bytes.extend_from_slice(&version);
                let crc = crc64(&bytes[self.payload_at..]);
                let length = (bytes.len() - self.payload_at) as u64 + 8;
                self.write_length(bytes, length);
                crc
            }
        };
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&self.tail);
        outbox.calls.note("restore");
        outbox.push(What::Whole, self.database, self.gone_ms, crc, &[&self.key]);
    }

    /// Replaces the type and the value, if the target does not know the encoding.
    fn make_known(&mut self, bytes: &mut Vec<u8>, now_ms: i64) -> Result<Known, NotPossible> {
        let Some((value_type, dialect, version)) = self.foreign.take() else { return Ok(Known::Something) };
        let make = if self.rebuilds { rebuild } else { transcode };
        let known = make(value_type, dialect, version, &bytes[self.type_at + 1..], &self.target)?;
        // In the form that the target knows nothing of it is left, and a server keeps no such key.
        let vanishes = value_type.kind(dialect, version).is_some_and(Kind::vanishes_when_empty);
        if known.n_elements == 0 && vanishes {
            return Ok(Known::Nothing);
        }
        if known.gone_ms.is_some_and(|at| at <= now_ms) {
            return Ok(Known::Gone);
        }
        bytes.truncate(self.type_at);
        bytes.push(known.value_type.0);
        bytes.extend_from_slice(&known.body);
        Ok(Known::Something)
    }

    /// Writes the payload's length where room was left for it, and makes more room or less where that was wrong.
    fn write_length(&mut self, bytes: &mut Vec<u8>, length: u64) {
        let mut buffer = [0; 20];
        let digits = decimal(length, &mut buffer);
        let room = self.digits.max(1);
        let after = self.digits_at + room;
        let end = bytes.len();
        // The payload is moved by the digits that are too many or too few: one copy, where the guess was wrong.
        if digits.len() > room {
            bytes.resize(end + digits.len() - room, 0);
            bytes.copy_within(after..end, self.digits_at + digits.len());
        } else if digits.len() < room {
            bytes.copy_within(after.., self.digits_at + digits.len());
            bytes.truncate(end + digits.len() - room);
        }
        bytes[self.digits_at..self.digits_at + digits.len()].copy_from_slice(digits);
        self.digits = digits.len();
    }
}
