//! Asks the target for keys as it holds them: the expiry, and what `DUMP` answers, which is read piece by piece and hashed as the keys
//! of the backup are.

use super::{Candidate, Last, MeanwhileError, Value};
use crate::census::Digester;
use crate::connection::{CommandError, CommandFault, Head, Lane, Node};
use crate::rdb::dump::{FOOTER_LENGTH, head};
use crate::rdb::opcode::{EOF, SELECT_DB};
use crate::rdb::{Dialect, Scanner};
use crate::restore::met::{Found, Met};
use crate::restore::target_format::TargetFormat;

const DUMP: &str = "DUMP";
/// What stands before a value: its type, and metadata of the key of at most so many bytes.
const HEAD_LIMIT: usize = 1 << 20;
/// Before 7.0 a server tells what is left of an expiry, and not its moment: between the two looks lies so much at most.
const INEXACT_MS: i64 = 1000;

/// A connection that asks.
pub(super) struct Asking {
    node: Node,
    /// One for each primary of the target.
    lanes: Vec<Lane>,
    /// The one whose answer is read.
    at: usize,
    database: u64,
    format: TargetFormat,
    now_ms: i64,
}

impl Asking {
    pub(super) async fn begin(node: &Node, format: TargetFormat, now_ms: i64) -> Result<Self, MeanwhileError> {
        let mut lanes = Vec::new();
        for primary in node.each() {
            lanes.push(Node { database: 0, ..primary }.connect_for_long_answers().await?);
        }
        Ok(Self { node: node.clone(), lanes, at: 0, database: 0, format, now_ms })
    }

    /// Whether the server tells the moment of an expiry.
    fn is_exact(&self) -> bool {
        self.format.is_valkey || self.format.server >= (7, 0, 0)
    }

    /// Asks about these keys, and notes those that are there.
    pub(super) async fn about(&mut self, keys: &[Candidate], found: &mut Found) -> Result<(), MeanwhileError> {
        let mut rest = keys;
        while let Some(first) = rest.first() {
            let n = rest.iter().take_while(|key| key.database == first.database).count();
            self.select(first.database).await?;
            self.send(&rest[..n]).await?;
            for key in &rest[..n] {
                self.at = self.node.serving(&key.key);
                let expire_ms = self.expiry().await?;
                if let Some(value) = self.value(expire_ms).await? {
                    let met = match () {
                        () if self.is_same(value, key.value) => Met::Same,
                        () if key.is_unsure => Met::Unsure,
                        () if key.has_failed => Met::Failed,
                        () => Met::Other,
                    };
                    found.insert(key.ordinal, met);
                }
            }
            rest = &rest[n..];
        }
        Ok(())
    }

    fn is_same(&self, found: Option<Value>, sent: Value) -> bool {
        let Some(found) = found else { return false };
        let at = match (found.expire_ms, sent.expire_ms) {
            (Some(found), Some(sent)) if !self.is_exact() => found.abs_diff(sent) <= INEXACT_MS.unsigned_abs(),
            (found, sent) => found == sent,
        };
        at && Value { expire_ms: None, ..found } == Value { expire_ms: None, ..sent }
    }

    async fn select(&mut self, database: u64) -> Result<(), CommandError> {
        if self.database != database {
            for lane in &mut self.lanes {
                lane.send(&[vec![b"SELECT", database.to_string().as_bytes()]]).await?;
                if let Head::Error(error) = lane.head("SELECT").await? {
                    return Err(CommandError { command: "SELECT".to_owned(), fault: error.fault("SELECT") });
                }
            }
            self.database = database;
        }
        Ok(())
    }

    async fn send(&mut self, keys: &[Candidate]) -> Result<(), CommandError> {
        let mut by_lane: Vec<Vec<Vec<&[u8]>>> = self.lanes.iter().map(|_| Vec::new()).collect();
        for key in keys {
            let commands = &mut by_lane[self.node.serving(&key.key)];
            match self.is_exact() {
                true => commands.push(vec![b"PEXPIRETIME", &key.key]),
                false => commands.extend([vec![&b"TIME"[..]], vec![b"PTTL", &key.key]]),
            }
            commands.push(vec![DUMP.as_bytes(), &key.key]);
        }
        for (lane, commands) in self.lanes.iter_mut().zip(&by_lane).filter(|(_, commands)| !commands.is_empty()) {
            lane.send(commands).await?;
        }
        Ok(())
    }

    /// When the next key expires.
    async fn expiry(&mut self) -> Result<Option<i64>, CommandError> {
        if self.is_exact() {
            let at = self.integer("PEXPIRETIME").await?;
            return Ok((at >= 0).then_some(at));
        }
        let now = self.clock().await?;
        let left = self.integer("PTTL").await?;
        Ok((left >= 0).then_some(now.saturating_add(left)))
    }

    async fn integer(&mut self, name: &str) -> Result<i64, CommandError> {
        match self.lanes[self.at].head(name).await? {
            Head::Integer(number) => Ok(number),
            Head::Error(error) => Err(CommandError { command: name.to_owned(), fault: error.fault(name) }),
            _ => Err(unexpected(name)),
        }
    }

    /// Milliseconds of the server's clock.
    async fn clock(&mut self) -> Result<i64, CommandError> {
        match self.lanes[self.at].head("TIME").await? {
            Head::Array(2) => {}
            Head::Error(error) => return Err(CommandError { command: "TIME".to_owned(), fault: error.fault("TIME") }),
            _ => return Err(unexpected("TIME")),
        }
        let mut parts = [0_i64; 2];
        for part in &mut parts {
            let text = self.lanes[self.at].text(32, "TIME").await?;
            let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
            *part = number.ok_or_else(|| unexpected("TIME"))?;
        }
        Ok(parts[0].saturating_mul(1000).saturating_add(parts[1] / 1000))
    }

    /// The value of the next key; the outer `None`: there is no such key, the inner: it is none that this version reads.
    async fn value(&mut self, expire_ms: Option<i64>) -> Result<Option<Option<Value>>, CommandError> {
        let mut left = match self.lanes[self.at].head(DUMP).await? {
            Head::Bulk(length) => length,
            Head::Nil => return Ok(None),
            Head::Error(error) => {
                return Err(CommandError { command: DUMP.to_owned(), fault: error.fault(DUMP) });
            }
            _ => return Err(unexpected(DUMP)),
        };
        let mut payload = Payload::new(self.format.version(), self.now_ms);
        while left > 0 {
            let piece = self.lanes[self.at].piece(left, DUMP).await?;
            left -= piece.len() as u64;
            payload.push(&piece);
        }
        self.lanes[self.at].end(DUMP).await?;
        Ok(Some(payload.finish().map(|value| Value { expire_ms, ..value })))
    }
}

/// A payload as it comes, read as a file of one key.
struct Payload {
    version: u32,
    scanner: Scanner,
    digester: Digester<Last>,
    /// What stands before the value, until that is there whole.
    head: Vec<u8>,
    is_begun: bool,
    /// The last bytes, which may be the version and the checksum.
    tail: Vec<u8>,
    /// It is none that can be read.
    is_bad: bool,
}

impl Payload {
    fn new(version: u32, now_ms: i64) -> Self {
        Self {
            version,
            scanner: Scanner::new(),
            digester: Digester::new(Last::default()).by_meaning().fields_expired_before(now_ms),
            head: Vec::new(),
            is_begun: false,
            tail: Vec::new(),
            is_bad: false,
        }
    }

    fn push(&mut self, piece: &[u8]) {
        self.tail.extend_from_slice(piece);
        let n = self.tail.len().saturating_sub(FOOTER_LENGTH);
        let rest = self.tail.split_off(n);
        let bytes = std::mem::replace(&mut self.tail, rest);
        if self.is_begun {
            self.scan(&bytes);
            return;
        }
        self.head.extend_from_slice(&bytes);
        let version = u16::try_from(self.version).unwrap_or(u16::MAX);
        let Ok(found) = head(&self.head, version) else {
            self.is_bad |= self.head.len() > HEAD_LIMIT;
            return;
        };
        let magic = match Dialect::of_footer(self.version) {
            Dialect::Redis => format!("REDIS{:04}", self.version),
            Dialect::Valkey => format!("VALKEY{:03}", self.version),
        };
        // The name is of no interest: it was asked for by it.
        let mut begin = magic.into_bytes();
        begin.extend_from_slice(&[SELECT_DB, 0, found.value_type.0, 1, b'k']);
        begin.extend_from_slice(found.body);
        (self.is_begun, self.head) = (true, Vec::new());
        self.scan(&begin);
    }

    fn scan(&mut self, bytes: &[u8]) {
        self.is_bad |= self.scanner.push(bytes, &mut self.digester).is_err();
    }

    fn finish(mut self) -> Option<Value> {
        self.scan(&[EOF]);
        // No checksum: each payload has its own, and the connection has one as well.
        self.scan(&[0; 8]);
        let version = self.tail.first_chunk::<2>().map(|version| u32::from(u16::from_le_bytes(*version)));
        let is_read = self.is_begun && !self.is_bad && version == Some(self.version);
        self.digester.into_sink().0.filter(|_| is_read).map(|(_, _, value)| value)
    }
}

fn unexpected(command: &str) -> CommandError {
    let fault = CommandFault::Protocol { reason: "it is not a reply to this command".to_owned() };
    CommandError { command: command.to_owned(), fault }
}
