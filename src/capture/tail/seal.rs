//! Makes the object of a tail: the stretch of stream from the RDB of a shard to the barrier, in zstd frames. Blocks.
//!
//! It can be fed behind the RDB as it is: the first command is a `SELECT`, and what 6.2 says of expiries relatively is followed by the
//! same expiry as a moment.

use std::io;

use bytes::Bytes;

use super::NoBarrier;
use super::spooled::{SpoolError, Spooled};
use crate::capture::absolute;
use crate::codec::{CodecError, FrameMaker, Sha256Digest};
use crate::stream::{Command, Scanner, StreamError};

/// Which stretch becomes a tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealing {
    /// The offset of the RDB.
    pub from: u64,
    /// The offset of the barrier.
    pub to: u64,
    /// The database in force at the RDB.
    pub database: u32,
    /// The server streams expiries relatively.
    pub is_relative: bool,
}

/// What a tail came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Commands of the stream.
    pub commands: u64,
    /// Bytes of the stream, and what was added to it.
    pub raw_bytes: u64,
    /// Bytes that are not of the stream: the first `SELECT`, and expiries as moments.
    pub added_bytes: u64,
    /// SHA-256 of all of them, hex.
    pub raw_sha256: String,
    /// Bytes of the object.
    pub stored_bytes: u64,
    /// SHA-256 of the object, hex.
    pub stored_sha256: String,
}

/// Why there is no tail.
enum SealError {
    Codec(CodecError),
    Spool(SpoolError),
    /// Nobody takes the frames any more, and whoever took them says why.
    Gone,
}

impl From<CodecError> for SealError {
    fn from(error: CodecError) -> Self {
        Self::Codec(error)
    }
}

impl From<io::Error> for SealError {
    fn from(error: io::Error) -> Self {
        Self::Spool(error.into())
    }
}

impl From<StreamError> for SealError {
    fn from(error: StreamError) -> Self {
        Self::Spool(error.into())
    }
}

impl From<SealError> for NoBarrier {
    fn from(error: SealError) -> Self {
        Self::Spool(match error {
            SealError::Codec(error) => error.to_string(),
            SealError::Spool(error) => error.to_string(),
            SealError::Gone => "the object was not written to its end".to_owned(),
        })
    }
}

/// Whether a stretch changes anything. Signs of life and messages to subscribers do not: such a stretch need not be kept.
///
/// # Errors
/// The stretch is not there, is no stream, or ends within a command or a transaction.
pub fn changes(spooled: &Spooled, stretch: Sealing) -> Result<bool, NoBarrier> {
    let (mut scanner, mut found) = (Scanner::at(stretch.from, stretch.database), false);
    spooled.between(stretch.from, stretch.to, |bytes| {
        scanner.push(bytes, |command| found |= is_change(command))?;
        Ok::<(), SealError>(())
    })?;
    match scanner.offset() == stretch.to && scanner.safe() == stretch.to {
        true => Ok(found),
        false => Err(NoBarrier::Spool(format!("offset {} lies within a transaction", stretch.to))),
    }
}

fn is_change(command: &Command<'_>) -> bool {
    let frames = ["SELECT", "REPLCONF", "MULTI", "EXEC"];
    !command.is_for_replicas_alone() && !frames.iter().any(|name| command.is(name))
}

/// Makes the object, and hands over its frames; `give` returns false if nobody takes them any more.
///
/// # Errors
/// As [`changes`], and if it cannot be compressed or handed over.
pub fn seal(spooled: &Spooled, stretch: Sealing, mut give: impl FnMut(Bytes) -> bool) -> Result<Sealed, NoBarrier> {
    let mut out = Out::new().map_err(SealError::from)?;
    let mut frame = |frame: &[u8]| if give(Bytes::copy_from_slice(frame)) { Ok(()) } else { Err(SealError::Gone) };
    let mut scanner = Scanner::at(stretch.from, stretch.database);
    let (mut commands, mut added_bytes, mut at) = (0, 0, stretch.from);
    if !begins_with_select(spooled, stretch)? {
        let first = select(stretch.database);
        added_bytes += first.len() as u64;
        out.push(&first, &mut frame)?;
    }
    spooled.between(stretch.from, stretch.to, |bytes| {
        // What comes behind the commands that end at these offsets.
        let mut added: Vec<(u64, Vec<u8>)> = Vec::new();
        scanner.push(bytes, |command| {
            commands += 1;
            if stretch.is_relative
                && let Some(expiry) = absolute::behind(command, spooled.marks())
            {
                added.push((command.end, expiry));
            }
        })?;
        let mut rest = bytes;
        for (end, more) in added {
            let now = usize::try_from(end - at).unwrap_or(usize::MAX).min(rest.len());
            out.push(&rest[..now], &mut frame)?;
            out.push(&more, &mut frame)?;
            added_bytes += more.len() as u64;
            (rest, at) = (&rest[now..], end);
        }
        out.push(rest, &mut frame)?;
        at += rest.len() as u64;
        Ok::<(), SealError>(())
    })?;
    let Out { raw, raw_bytes, stored, stored_bytes, .. } = out.finish(&mut frame)?;
    Ok(Sealed {
        commands,
        raw_bytes,
        added_bytes,
        raw_sha256: raw.finish(),
        stored_bytes,
        stored_sha256: stored.finish(),
    })
}

/// Whether the server itself has said which database is in force.
fn begins_with_select(spooled: &Spooled, stretch: Sealing) -> Result<bool, SealError> {
    let mut first = Vec::new();
    spooled.between(stretch.from, stretch.to.min(stretch.from + SELECT.len() as u64), |bytes| {
        first.extend_from_slice(bytes);
        Ok::<(), SealError>(())
    })?;
    Ok(first.eq_ignore_ascii_case(SELECT))
}

/// How a `SELECT` begins.
const SELECT: &[u8] = b"*2\r\n$6\r\nSELECT\r\n";

/// `SELECT n` as the stream has it.
fn select(database: u32) -> Vec<u8> {
    let number = database.to_string();
    format!("*2\r\n$6\r\nSELECT\r\n${}\r\n{number}\r\n", number.len()).into_bytes()
}

/// Frames and digests on the way out.
struct Out {
    maker: FrameMaker,
    raw: Sha256Digest,
    raw_bytes: u64,
    stored: Sha256Digest,
    stored_bytes: u64,
}

impl Out {
    fn new() -> Result<Self, CodecError> {
        let (raw, stored) = (Sha256Digest::new(), Sha256Digest::new());
        Ok(Self { maker: FrameMaker::new()?, raw, raw_bytes: 0, stored, stored_bytes: 0 })
    }

    fn push(&mut self, bytes: &[u8], give: &mut impl FnMut(&[u8]) -> Result<(), SealError>) -> Result<(), SealError> {
        self.raw.update(bytes);
        self.raw_bytes += bytes.len() as u64;
        let (stored, length) = (&mut self.stored, &mut self.stored_bytes);
        self.maker.push(bytes, &mut |frame: &[u8]| {
            stored.update(frame);
            *length += frame.len() as u64;
            give(frame)
        })
    }

    fn finish(mut self, give: &mut impl FnMut(&[u8]) -> Result<(), SealError>) -> Result<Self, SealError> {
        let (stored, length) = (&mut self.stored, &mut self.stored_bytes);
        self.maker.finish(&mut |frame: &[u8]| {
            stored.update(frame);
            *length += frame.len() as u64;
            give(frame)
        })?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Unpacker;
    use crate::repository::segment::Mark;

    fn packed(words: &[&str]) -> Vec<u8> {
        let mut text = format!("*{}\r\n", words.len());
        words.iter().for_each(|word| text += &format!("${}\r\n{word}\r\n", word.len()));
        text.into_bytes()
    }

    fn spooled(bytes: &[u8]) -> Spooled {
        let folder = tempfile::tempdir().unwrap();
        let mut spooled = Spooled::begin(folder.path(), 1000).unwrap();
        spooled.mark(Mark { offset: 1000, time_us: 5_000_000 });
        // Cut anywhere.
        for piece in bytes.chunks(7) {
            spooled.push(piece).unwrap();
        }
        spooled
    }

    /// What a tail holds, beside what is said of it.
    fn sealed(bytes: &[u8], skipped: usize, is_relative: bool) -> (Sealed, Vec<u8>) {
        let (from, to) = (1000 + skipped as u64, 1000 + bytes.len() as u64);
        let (mut stored, mut raw) = (Vec::new(), Vec::new());
        let stretch = Sealing { from, to, database: 3, is_relative };
        let sealed = seal(&spooled(bytes), stretch, |frame| {
            stored.extend_from_slice(&frame);
            true
        });
        let sealed = sealed.unwrap();
        let mut unpacker = Unpacker::new().unwrap();
        unpacker
            .push(&stored, &mut |bytes: &[u8]| {
                raw.extend_from_slice(bytes);
                Ok::<(), CodecError>(())
            })
            .unwrap();
        assert_eq!((sealed.stored_bytes, sealed.raw_bytes), (stored.len() as u64, raw.len() as u64));
        assert_eq!(
            (sealed.raw_sha256.clone(), sealed.stored_sha256.clone()),
            (Sha256Digest::of(&raw), Sha256Digest::of(&stored))
        );
        (sealed, raw)
    }

    #[test]
    fn a_tail_begins_with_the_database_in_force() {
        let (ping, select, set) = (packed(&["PING"]), packed(&["SELECT", "3"]), packed(&["SET", "a", "1"]));
        let (told, raw) = sealed(&[&ping[..], &set].concat(), 0, false);
        assert_eq!((raw, told.commands), ([&select[..], &ping, &set].concat(), 2));
        assert_eq!(told.added_bytes, select.len() as u64);
        // One that the server has sent is enough.
        let (told, raw) = sealed(&[&ping[..], &select, &set].concat(), ping.len(), false);
        assert_eq!((raw, told.commands, told.added_bytes), ([&select[..], &set].concat(), 2, 0));
    }

    #[test]
    fn a_first_command_longer_than_a_piece_is_whole() {
        let long = packed(&["SET", "a", &"v".repeat(1 << 20)]);
        let (told, raw) = sealed(&[&long[..], &packed(&["PING"])].concat(), 0, false);
        assert!(raw.starts_with(&[&packed(&["SELECT", "3"])[..], &long].concat()), "{}", raw.len());
        assert_eq!(told.commands, 2);
    }

    #[test]
    fn expiries_that_are_relative_are_followed_by_their_moment() {
        let expire = packed(&["EXPIRE", "k", "10"]);
        let (select, moment) = (packed(&["SELECT", "3"]), packed(&["PEXPIREAT", "k", "15000"]));
        let (told, raw) = sealed(&expire, 0, true);
        assert_eq!(raw, [&select[..], &expire, &moment].concat());
        assert_eq!(told.added_bytes, (select.len() + moment.len()) as u64);
    }

    #[test]
    fn what_changes_nothing_is_told_and_a_cut_within_a_transaction_is_refused() {
        let quiet = [packed(&["PING"]), packed(&["SELECT", "0"]), packed(&["PUBLISH", "c", "m"])].concat();
        let loud = [&packed(&["MULTI"])[..], &packed(&["DEL", "k"]), &packed(&["EXEC"])].concat();
        let stretch = |to: usize| Sealing { from: 1000, to: 1000 + to as u64, database: 0, is_relative: false };
        assert!(!changes(&spooled(&quiet), stretch(quiet.len())).unwrap());
        assert!(changes(&spooled(&loud), stretch(loud.len())).unwrap());
        for cut in 1..loud.len() {
            assert!(changes(&spooled(&loud), stretch(cut)).is_err(), "cut at {cut}");
        }
    }
}
