//! Following a server: attaches as a replica does, and goes on reading behind the RDB. The data set itself is not wanted: with an empty
//! filter the RDB is one of about 172 bytes (7.0 and newer; 6.2 sends all of it).
//!
//! What a follower acknowledges is the caller's decision, because each answer does something to the server: an acknowledgement of 0 keeps
//! the link and is counted by nobody but `min-replicas-to-write`; a true one ends the wait of a `SHUTDOWN`, and is counted by `WAIT`. A
//! server whose own offset is 0 takes 0 for a true one, and may hand its role over to us; at that offset 6.2 takes even a follower that has
//! acknowledged nothing for caught up, until its first `PING` (`repl-ping-replica-period`).

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::SNAPSHOT_SILENCES;
use super::error::{ReplicationError, ReplicationFault, Stage, refusal};
use super::handshake::{ANNOUNCED_VERSION, closed, parse_framing, parse_full_resync};
use super::payload::{Framing, MARK_LENGTH};
use crate::connection::wire::{Reply, Wire, excerpt};
use crate::connection::{CommandFault, Node};

/// How much is read at once, bytes.
const CHUNK_LENGTH: usize = 256 * 1024;

/// A place in the stream of a server: everything up to this offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The history, 40 characters.
    pub replid: String,
    /// The offset of the last byte.
    pub offset: u64,
}

/// How a server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// The stream begins anew behind this place: the server no longer has what was asked for, or nothing was asked for.
    Anew(Position),
    /// The stream goes on where it was asked to, under this replication id.
    Continued {
        /// The history that the server calls it by; another one than asked for where the server has changed its role.
        replid: String,
    },
}

/// A server whose replication stream is read. Dropping it closes the connection.
pub struct Follower {
    wire: Wire,
    target: String,
    silence: Duration,
    /// The RDB that comes before the stream, as far as it was not read.
    rdb: Option<Rdb>,
    /// No byte of the stream was read yet.
    is_new: bool,
    is_filtered: bool,
}

/// The RDB on its way.
#[derive(Debug, Clone, Copy)]
enum Rdb {
    Left(u64),
    Until([u8; MARK_LENGTH]),
}

impl Follower {
    /// Attaches to a server, behind `from` if the server still has that. `silence`: the longest time without a byte from the server while it
    /// makes its RDB, and within it.
    ///
    /// # Errors
    /// See [`ReplicationFault`]. Nothing is retried after the greeting.
    pub async fn attach(
        node: &Node,
        from: Option<&Position>,
        silence: Duration,
    ) -> Result<(Self, Beginning), ReplicationError> {
        let fail = |fault| ReplicationError { target: node.to_string(), fault };
        let stream = node.open_authenticated().await.map_err(|error| fail(ReplicationFault::Connect(error)))?;
        let mut wire = Wire::new(stream);
        let is_filtered = timeout(node.timeout, tell_what_we_want(&mut wire))
            .await
            .unwrap_or(Err(ReplicationFault::Silent { stage: Stage::Handshake, waited: node.timeout }))
            .map_err(fail)?;
        let (beginning, rdb) = ask(&mut wire, from, silence).await.map_err(fail)?;
        Ok((Self { wire, target: node.to_string(), silence, rdb, is_new: true, is_filtered }, beginning))
    }

    /// Whether the server has taken the empty filter, so that its RDB is a short one. 6.2 knows none.
    pub fn is_filtered(&self) -> bool {
        self.is_filtered
    }

    /// The next bytes of the RDB that comes before the stream; `None`: it has ended, or there is none.
    ///
    /// # Errors
    /// The connection broke, or nothing came for too long.
    pub async fn next_of_rdb(&mut self) -> Result<Option<Bytes>, ReplicationError> {
        loop {
            let buffer = &mut self.wire.buffer;
            match self.rdb {
                None => return Ok(None),
                Some(Rdb::Left(0)) => self.rdb = None,
                Some(Rdb::Left(left)) if !buffer.is_empty() => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                    self.rdb = Some(Rdb::Left(left - length as u64));
                    return Ok(Some(buffer.split_to(length).freeze()));
                }
                Some(Rdb::Until(mark)) if buffer.len() >= MARK_LENGTH => match memmem::find(buffer, &mark) {
                    Some(at) => {
                        let rest = buffer.split_to(at).freeze();
                        let _ = buffer.split_to(MARK_LENGTH);
                        self.rdb = None;
                        return Ok(Some(rest));
                    }
                    // The mark may be split over two reads.
                    None if buffer.len() > MARK_LENGTH => {
                        let length = buffer.len() - (MARK_LENGTH - 1);
                        return Ok(Some(buffer.split_to(length).freeze()));
                    }
                    None => self.fill_rdb().await?,
                },
                Some(_) => self.fill_rdb().await?,
            }
        }
    }

    async fn fill_rdb(&mut self) -> Result<(), ReplicationError> {
        let stage = Stage::Receiving(0);
        self.wire.buffer.reserve(CHUNK_LENGTH);
        match timeout(self.silence, self.wire.stream.read_buf(&mut self.wire.buffer)).await {
            Ok(Ok(0)) => Err(self.error(closed(&io::ErrorKind::UnexpectedEof.into(), stage))),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.error(closed(&error, stage))),
            Err(_) => Err(self.error(ReplicationFault::Silent { stage, waited: self.silence })),
        }
    }

    /// The next bytes of the stream, never none. Waits without an end: an idle server sends a `PING` now and then, and one that does not
    /// acknowledge is dropped by it. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn next(&mut self) -> Result<Bytes, ReplicationError> {
        loop {
            if self.is_new {
                // A sign of life that crossed the end of the RDB is no part of the stream: a stream begins with a command.
                let blank = self.wire.buffer.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
                let _ = self.wire.buffer.split_to(blank);
            }
            if !self.wire.buffer.is_empty() {
                self.is_new = false;
                return Ok(std::mem::take(&mut self.wire.buffer).freeze());
            }
            if self.wire.buffer.capacity() < CHUNK_LENGTH {
                self.wire.buffer = BytesMut::with_capacity(CHUNK_LENGTH);
            }
            let stage = Stage::Following;
            match self.wire.stream.read_buf(&mut self.wire.buffer).await {
                Ok(0) => return Err(self.error(closed(&io::ErrorKind::UnexpectedEof.into(), stage))),
                Ok(_) => {}
                Err(error) => return Err(self.error(closed(&error, stage))),
            }
        }
    }

    /// Sends `REPLCONF ACK`.
    ///
    /// # Errors
    /// The connection broke, or takes nothing for the time of a command.
    pub async fn acknowledge(&mut self, offset: u64) -> Result<(), ReplicationError> {
        let stage = Stage::Following;
        let offset = offset.to_string();
        let commands = [vec![b"REPLCONF".as_slice(), b"ACK", offset.as_bytes()]];
        match timeout(self.silence, self.wire.send(&commands)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.error(closed(&error, stage))),
            Err(_) => Err(self.error(ReplicationFault::Silent { stage, waited: self.silence })),
        }
    }

    fn error(&self, fault: ReplicationFault) -> ReplicationError {
        ReplicationError { target: self.target.clone(), fault }
    }
}

/// Sends the options of a replica that wants no data, and returns whether the server knows the filter, which is the last of them.
///
/// The name in `ip-address` keeps Sentinels from taking us for a replica: they cannot resolve it.
async fn tell_what_we_want(wire: &mut Wire) -> Result<bool, ReplicationFault> {
    let commands: [Vec<&[u8]>; 4] = [
        vec![b"REPLCONF", b"ip-address", b"x.invalid"],
        vec![b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"],
        vec![b"REPLCONF", b"version", ANNOUNCED_VERSION],
        vec![b"REPLCONF", b"rdb-filter-only", b""],
    ];
    let broken = |error: &io::Error| closed(error, Stage::Handshake);
    wire.send(&commands).await.map_err(|error| broken(&error))?;
    let mut is_accepted = false;
    for _ in &commands {
        is_accepted = match wire.read_reply().await.map_err(|error| broken(&error))? {
            // 6.2 knows no filter, and older ones no version.
            Reply::Simple(_) => true,
            Reply::Error(error) => match error.fault("REPLCONF") {
                CommandFault::NoPermission { .. } => return Err(refusal("REPLCONF", &error)),
                _ => false,
            },
            Reply::Other(got) => return Err(ReplicationFault::Protocol { stage: Stage::Handshake, got }),
        };
    }
    Ok(is_accepted)
}

/// Sends `PSYNC`, and waits for its answer and the header of an RDB.
async fn ask(
    wire: &mut Wire,
    from: Option<&Position>,
    silence: Duration,
) -> Result<(Beginning, Option<Rdb>), ReplicationFault> {
    let stage = Stage::WaitingForSnapshot;
    let patience = silence.saturating_mul(SNAPSHOT_SILENCES);
    let end = Instant::now() + patience;
    let (replid, offset) = match from {
        Some(from) => (from.replid.clone(), from.offset.saturating_add(1).to_string()),
        None => ("?".to_owned(), "-1".to_owned()),
    };
    let question = [vec![b"PSYNC".as_slice(), replid.as_bytes(), offset.as_bytes()]];
    wire.send(&question).await.map_err(|error| closed(&error, stage))?;
    let mut anew = None;
    loop {
        let next = end.min(Instant::now() + silence);
        let line = match timeout_at(next, wire.read_line()).await {
            Ok(Ok(line)) => line,
            Ok(Err(error)) => return Err(closed(&error, stage)),
            Err(_) if next == end => return Err(ReplicationFault::NeverBegins { waited: patience }),
            Err(_) => return Err(ReplicationFault::Silent { stage, waited: silence }),
        };
        let not_understood = || ReplicationFault::Protocol { stage, got: excerpt(&line) };
        match line.split_first() {
            None => {}
            Some((b'-', text)) => {
                let error = crate::connection::ServerError::parse(&String::from_utf8_lossy(text));
                return Err(refusal("PSYNC", &error));
            }
            Some((b'+', text)) if anew.is_none() => {
                if let Some(rest) = text.strip_prefix(b"CONTINUE") {
                    let named = std::str::from_utf8(rest).unwrap_or_default().trim();
                    let replid = if named.is_empty() { replid } else { named.to_owned() };
                    return Ok((Beginning::Continued { replid }, None));
                }
                let (replid, offset) = parse_full_resync(text).ok_or_else(not_understood)?;
                anew = Some(Position { replid, offset });
            }
            Some((b'$', text)) => {
                let rdb = match parse_framing(text).ok_or_else(not_understood)? {
                    Framing::Counted(length) => Rdb::Left(length),
                    Framing::Marked(mark) => Rdb::Until(mark),
                };
                let position = anew.ok_or_else(not_understood)?;
                return Ok((Beginning::Anew(position), Some(rdb)));
            }
            Some(_) => return Err(not_understood()),
        }
    }
}
