//! Large values, one at a time and in pieces: `MULTI`, a look at the expiry, `DUMP`, `EXEC` on a connection of their own.
//!
//! In a transaction the expiry belongs to the value, and it comes before the value, so that the value need not be held until it is
//! known. The last ten bytes are the payload's version and checksum: they are held back and compared.

use bytes::Bytes;

use super::error::ScanError;
use super::server::{Expiry, HITS_PER_KEY, RECONNECTS, Server, odd};
use crate::connection::{CommandError, CommandFault, Head, Lane, Node, ServerError};
use crate::introspection::ServerFacts;
use crate::rdb::dump::{FOOTER_LENGTH, head};
use crate::rdb::{Crc64, ErrorKind, RdbError, ValueType};
use crate::replies::Info;

/// INFO server has one or two KiB.
const INFO_LIMIT: usize = 64 << 10;
/// What stands before a value: its type, and metadata of the key of at most so many bytes.
const HEAD_LIMIT: usize = 1 << 20;
/// How often a look at the expiry may have to be repeated, see [`Server::open`].
const ATTEMPTS: u32 = 5;

/// What became of a large key.
pub(super) enum Opened {
    Gone,
    /// The server takes no transactions.
    Refused(ServerError),
    Value(Box<Large>),
}

/// A value under way.
pub(super) struct Large {
    lane: Lane,
    database: u32,
    pub(super) expiry: Expiry,
    /// Bytes of the payload that are to come.
    left: u64,
    crc: Crc64,
    /// What was read and may be the end.
    tail: Vec<u8>,
    /// What stands before the value, until that is there whole.
    head: Vec<u8>,
    begun: bool,
}

/// The next of a value.
pub(super) enum Next {
    /// What stands before it: metadata of the key, and the type; and the first bytes.
    Begin(Option<Vec<u8>>, ValueType, Vec<u8>),
    Bytes(Vec<u8>),
    /// The checksum is right.
    End,
}

impl Server {
    /// Asks for a large value. Before 7.0 the expiry is what is left of it, between two looks at the clock: if they show another
    /// millisecond each, it is asked for again.
    pub(super) async fn open(&mut self, key: &[u8]) -> Result<Opened, ScanError> {
        let (mut reconnects, mut attempt) = (0, 1);
        loop {
            let lane = match self.lane.take() {
                Some((lane, database)) if database == self.database() => lane,
                _ => self.connect_lane().await?,
            };
            self.commands += if self.is_7_or_newer() { 4 } else { 6 };
            match ask(lane, self.is_7_or_newer(), key, attempt == ATTEMPTS).await {
                Ok(Asked::Opened(Opened::Value(mut large))) => {
                    large.database = self.database();
                    return Ok(Opened::Value(large));
                }
                Ok(Asked::Opened(opened)) => return Ok(opened),
                Ok(Asked::Gone(lane)) => {
                    self.lane = Some((lane, self.database()));
                    return Ok(Opened::Gone);
                }
                // The answer is not read to its end: the connection is of no use.
                Ok(Asked::Unsettled) => {
                    attempt += 1;
                    self.hits_in_vain += Large::HITS;
                }
                Err(CommandError { fault: CommandFault::Disconnected { .. }, .. }) if reconnects < RECONNECTS => {
                    (reconnects, self.reconnects) = (reconnects + 1, self.reconnects + 1);
                    // At most: who knows how far it came.
                    self.hits_in_vain += Large::HITS;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A connection to the same server.
    async fn connect_lane(&mut self) -> Result<Lane, ScanError> {
        let node = Node { database: self.database(), ..self.node.clone() };
        let mut lane = node.connect_for_long_answers().await?;
        lane.send(&[vec![b"INFO", b"server"]]).await?;
        let info = lane.text(INFO_LIMIT, "INFO").await?;
        self.commands += 1;
        if ServerFacts::from_info(&Info::from_bytes(&info)).run_id != self.facts.run_id {
            return Err(ScanError::OtherServer);
        }
        Ok(lane)
    }
}

enum Asked {
    Opened(Opened),
    Gone(Lane),
    Unsettled,
}

/// Sends the transaction and reads up to the value.
async fn ask(mut lane: Lane, exact: bool, key: &[u8], last: bool) -> Result<Asked, CommandError> {
    let looks: &[&str] = if exact { &["PEXPIRETIME"] } else { &["TIME", "PTTL", "TIME"] };
    // First alone: where it is refused, what follows would be done all the same.
    lane.send(&[vec![b"MULTI"]]).await?;
    if let Head::Error(error) = lane.head("MULTI").await? {
        return Ok(Asked::Opened(Opened::Refused(error)));
    }
    let mut commands: Vec<Vec<&[u8]>> = Vec::new();
    for name in looks {
        commands.push(if *name == "TIME" { vec![b"TIME"] } else { vec![name.as_bytes(), key] });
    }
    commands.extend([vec![&b"DUMP"[..], key], vec![b"EXEC"]]);
    lane.send(&commands).await?;
    for name in looks.iter().chain(&["DUMP"]) {
        if let Head::Error(error) = lane.head(name).await? {
            return Err(CommandError { command: (*name).to_owned(), fault: error.fault(name) });
        }
    }
    match lane.head("EXEC").await? {
        Head::Array(n) if n == looks.len() as u64 + 1 => {}
        // A proxy that takes MULTI and not EXEC.
        Head::Error(error) => return Ok(Asked::Opened(Opened::Refused(error))),
        _ => return Err(unexpected("EXEC")),
    }
    let (expiry, is_exact) = if exact {
        match integer(&mut lane, "PEXPIRETIME").await? {
            at @ 0.. => (Expiry::At(at), true),
            _ => (Expiry::Never, true),
        }
    } else {
        let from = clock(&mut lane).await?;
        let left = integer(&mut lane, "PTTL").await?;
        let to = clock(&mut lane).await?;
        match left {
            0.. => (Expiry::At(from.saturating_add(left)), from == to),
            _ => (Expiry::Never, true),
        }
    };
    match lane.head("DUMP").await? {
        Head::Nil => Ok(Asked::Gone(lane)),
        Head::Bulk(_) if !is_exact && !last => Ok(Asked::Unsettled),
        Head::Bulk(length) => Ok(Asked::Opened(Opened::Value(Box::new(Large {
            lane,
            database: 0,
            expiry,
            left: length,
            crc: Crc64::new(),
            tail: Vec::new(),
            head: Vec::new(),
            begun: false,
        })))),
        Head::Error(error) => Err(CommandError { command: "DUMP".to_owned(), fault: error.fault("DUMP") }),
        _ => Err(unexpected("DUMP")),
    }
}

async fn integer(lane: &mut Lane, name: &str) -> Result<i64, CommandError> {
    match lane.head(name).await? {
        Head::Integer(number) => Ok(number),
        Head::Error(error) => Err(CommandError { command: name.to_owned(), fault: error.fault(name) }),
        _ => Err(unexpected(name)),
    }
}

/// Milliseconds of the server's clock.
async fn clock(lane: &mut Lane) -> Result<i64, CommandError> {
    let mut parts = [0_i64; 2];
    if lane.head("TIME").await? != Head::Array(2) {
        return Err(unexpected("TIME"));
    }
    for part in &mut parts {
        let text = lane.text(32, "TIME").await?;
        let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
        *part = number.ok_or_else(|| unexpected("TIME"))?;
    }
    Ok(parts[0].saturating_mul(1000).saturating_add(parts[1] / 1000))
}

fn unexpected(command: &str) -> CommandError {
    match odd(command) {
        ScanError::Command(error) => error,
        _ => CommandError {
            command: command.to_owned(),
            fault: CommandFault::Protocol { reason: "it is not a reply to this command".to_owned() },
        },
    }
}

impl Large {
    /// How often looking at it counts as a hit.
    pub(super) const HITS: u64 = HITS_PER_KEY - 1;

    /// The next of it, in this order; `version` is that of all payloads.
    pub(super) async fn next(&mut self, version: u16) -> Result<Next, ScanError> {
        loop {
            if self.left == 0 {
                self.check(version)?;
                self.lane.end("DUMP").await?;
                return Ok(Next::End);
            }
            let piece: Bytes = self.lane.piece(self.left, "DUMP").await?;
            self.left -= piece.len() as u64;
            // All but the last ten bytes that are there.
            self.tail.extend_from_slice(&piece);
            let n = self.tail.len().saturating_sub(FOOTER_LENGTH);
            let rest = self.tail.split_off(n);
            let bytes = std::mem::replace(&mut self.tail, rest);
            self.crc.update(&bytes);
            if self.begun {
                if bytes.is_empty() {
                    continue;
                }
                return Ok(Next::Bytes(bytes));
            }
            self.head.extend_from_slice(&bytes);
            match head(&self.head, version) {
                Ok(found) => {
                    let key_meta = found.key_meta.map(<[u8]>::to_vec);
                    let next = Next::Begin(key_meta, found.value_type, found.body.to_vec());
                    (self.begun, self.head) = (true, Vec::new());
                    return Ok(next);
                }
                Err(RdbError { kind: ErrorKind::Truncated, .. }) if self.head.len() < HEAD_LIMIT && self.left > 0 => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The connection, once the value was read to its end, and the database it is in.
    pub(super) fn into_lane(self) -> (Lane, u32) {
        (self.lane, self.database)
    }

    /// Version and checksum at the end.
    fn check(&self, expected: u16) -> Result<(), ScanError> {
        let truncated = || RdbError::at(self.tail.len() as u64, ErrorKind::Truncated);
        let footer = <[u8; FOOTER_LENGTH]>::try_from(self.tail.as_slice()).map_err(|_| truncated())?;
        if !self.begun {
            return Err(truncated().into());
        }
        let version = u16::from_le_bytes([footer[0], footer[1]]);
        let mut crc = self.crc.clone();
        crc.update(&footer[..2]);
        let stored = footer.last_chunk::<8>().map_or(0, |stored| u64::from_le_bytes(*stored));
        let computed = crc.value();
        if stored != computed {
            return Err(RdbError::at(0, ErrorKind::ChecksumMismatch { stored, computed }).into());
        }
        super::same_version(version, Some(expected))
    }
}
