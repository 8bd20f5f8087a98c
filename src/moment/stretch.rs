//! Reads the segments between a base and a moment: every byte is held against its index, and each segment against the one before.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Moment, MomentError, SHARD};
use crate::blocking;
use crate::capture::absolute;
use crate::codec::{CodecError, Sha256Digest, Unpacker};
use crate::repository::segment::{Index, SegmentName};
use crate::repository::{Repository, RepositoryError};
use crate::stream::{Command, Scanner, StreamError};

/// A moment whose stretch of stream was read to its end, and is whole.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The moment that it leads to.
    pub moment: Moment,
    /// The highest database that the stretch selects.
    pub highest_database: u32,
    /// Bytes that are sent beside those of the stretch: expiries that are made absolute.
    pub added_bytes: u64,
}

/// What a segment gives while it is read.
#[derive(Debug)]
enum Failed {
    Codec(CodecError),
    Stream(StreamError),
}

impl From<CodecError> for Failed {
    fn from(error: CodecError) -> Self {
        Self::Codec(error)
    }
}

impl From<StreamError> for Failed {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

/// Reads everything once, and sends it nowhere.
///
/// # Errors
/// A segment is damaged, or does not follow the one before.
pub async fn check(
    repository: &Repository,
    moment: &Moment,
    cancel: &CancellationToken,
) -> Result<Checked, MomentError> {
    let (mut highest_database, mut added_bytes) = (0, 0);
    let is_relative = absolute::is_relative(&moment.base.server);
    let mut before: Option<&Index> = None;
    for (index, (from, to)) in parts(moment) {
        must_follow(before, index)?;
        let marks = index.marks.clone();
        let note = move |command: &Command<'_>, (highest, added): &mut (u32, u64)| {
            if command.start >= from && command.end <= to {
                *highest = command.database.max(*highest);
                if is_relative {
                    *added += absolute::behind(command, &marks).map_or(0, |bytes| bytes.len() as u64);
                }
            }
        };
        let (highest, added) = read(repository, moment, (index, (from, to)), cancel, None, note).await?;
        highest_database = highest.max(highest_database);
        added_bytes += added;
        before = Some(index);
    }
    Ok(Checked { moment: moment.clone(), highest_database, added_bytes })
}

/// Reads everything, and sends what lies between the base and the moment.
///
/// # Errors
/// As [`check`].
pub async fn send(
    repository: &Repository,
    moment: &Moment,
    cancel: &CancellationToken,
    sender: mpsc::Sender<Bytes>,
) -> Result<(), MomentError> {
    let is_relative = absolute::is_relative(&moment.base.server);
    for (index, (from, to)) in parts(moment) {
        let marks = index.marks.clone();
        let note = move |command: &Command<'_>, added: &mut Added| {
            if is_relative && command.start >= from && command.end <= to {
                added.extend(absolute::behind(command, &marks).map(|bytes| (command.end, bytes)));
            }
        };
        read(repository, moment, (index, (from, to)), cancel, Some((&sender, std::mem::take)), note).await?;
    }
    Ok(())
}

/// What is sent behind the commands that end at these offsets.
type Added = Vec<(u64, Vec<u8>)>;

/// Where bytes go to, and how what was noted of them becomes what is added.
type Out<'a, T> = (&'a mpsc::Sender<Bytes>, fn(&mut T) -> Added);

/// Offsets: behind the first, up to the second.
type Part = (u64, u64);

/// What is taken of each segment: segments may overlap, and a moment begins and ends within one.
fn parts(moment: &Moment) -> impl Iterator<Item = (&Index, Part)> {
    let mut reached = moment.from.offset;
    moment.path.iter().map(move |index| {
        let part = (reached, index.to.min(moment.at.offset));
        reached = part.1.max(reached);
        (index, part)
    })
}

/// A segment follows another if the hash that it names is that of the other.
fn must_follow(before: Option<&Index>, index: &Index) -> Result<(), MomentError> {
    let Some(before) = before else { return Ok(()) };
    let names_it = index.previous.as_ref().is_none_or(|previous| {
        // One that overlaps others names another one than the one that was chosen.
        (&previous.replid, previous.from) != (&before.replid, before.from) || previous.raw_sha256 == before.raw_sha256
    });
    match names_it {
        true => Ok(()),
        false => Err(MomentError::Damaged {
            key: index.name().key(),
            why: "it follows another segment than the one before it: one of the two was changed".to_owned(),
        }),
    }
}

/// Reads one segment, tells of each of its commands, and sends what lies within the stretch.
async fn read<T: Default + Send + 'static>(
    repository: &Repository,
    moment: &Moment,
    (index, (from, to)): (&Index, Part),
    cancel: &CancellationToken,
    sender: Option<Out<'_, T>>,
    note: impl Fn(&Command<'_>, &mut T) + Clone + Send + 'static,
) -> Result<T, MomentError> {
    let name = index.name();
    let damaged = |why: String| MomentError::Damaged { key: name.key(), why };
    let mut reader = repository.open_segment(&moment.base.instance, SHARD, &name).await?;
    let unpacker = Unpacker::new().map_err(|error| damaged(error.to_string()))?;
    let mut state = (unpacker, Sha256Digest::new(), Scanner::at(index.from, index.database), T::default());
    let (mut offset, wants) = (index.from, sender.is_some());
    loop {
        if cancel.is_cancelled() {
            return Err(MomentError::Interrupted);
        }
        let chunk = reader.next().await.map_err(|source| {
            MomentError::Repository(RepositoryError::Storage { doing: format!("read {}", name.key()), source })
        })?;
        let Some(chunk) = chunk else { break };
        let note = note.clone();
        let (result, raw, back) = blocking::run(move || {
            let (mut unpacker, mut digest, mut scanner, mut notes) = state;
            let mut raw = Vec::new();
            let mut give = |bytes: &[u8]| {
                digest.update(bytes);
                scanner.push(bytes, |command| note(command, &mut notes))?;
                if wants {
                    raw.extend_from_slice(bytes);
                }
                Ok::<(), Failed>(())
            };
            let result = unpacker.push(&chunk, &mut give);
            (result, raw, (unpacker, digest, scanner, notes))
        })
        .await;
        state = back;
        result.map_err(|failed| match failed {
            Failed::Codec(error) => damaged(error.to_string()),
            Failed::Stream(error) => error.into(),
        })?;
        if let Some((sender, added)) = sender {
            let raw = Bytes::from(raw);
            let mut begun = from;
            for (end, bytes) in added(&mut state.3) {
                let piece = raw.slice(within(offset, begun, &raw)..within(offset, end, &raw));
                begun = end;
                if sender.send(piece).await.is_err() || sender.send(bytes.into()).await.is_err() {
                    return Ok(state.3);
                }
            }
            let (begin, end) = (within(offset, begun, &raw), within(offset, to, &raw));
            offset += raw.len() as u64;
            // Whoever takes the bytes has gone: they know why.
            if begin < end && sender.send(raw.slice(begin..end)).await.is_err() {
                return Ok(state.3);
            }
        }
    }
    let (unpacker, digest, scanner, notes) = state;
    unpacker.finish().map_err(|error| damaged(error.to_string()))?;
    if scanner.offset() != index.to || digest.finish() != index.raw_sha256 {
        return Err(damaged("it does not hold the bytes that its index names".to_owned()));
    }
    Ok(notes)
}

/// Where an offset lies in bytes that come behind another.
fn within(behind: u64, at: u64, bytes: &Bytes) -> usize {
    usize::try_from(at.saturating_sub(behind)).unwrap_or(usize::MAX).min(bytes.len())
}

/// What is looked for in a segment.
#[derive(Debug, Clone)]
pub enum Find<'a> {
    /// The last command that ends at or before an offset, outside of a transaction.
    Safe(u64),
    /// Commands that begin with these words.
    Command(&'a [String]),
}

/// A command that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The last offset before it at which the stream may be cut.
    pub before: u64,
    /// The offset before its first byte.
    pub start: u64,
    /// The offset of its last byte.
    pub end: u64,
}

/// Looks for commands in a segment.
///
/// # Errors
/// The segment is damaged or cannot be read.
pub async fn find(
    repository: &Repository,
    instance: &str,
    name: &SegmentName,
    what: &Find<'_>,
) -> Result<Vec<Found>, MomentError> {
    let damaged = |why: String| MomentError::Damaged { key: name.key(), why };
    let index = repository.segment_index(instance, SHARD, name).await?;
    let mut reader = repository.open_segment(instance, SHARD, name).await?;
    let mut unpacker = Unpacker::new().map_err(|error| damaged(error.to_string()))?;
    let mut scanner = Scanner::at(index.from, index.database);
    let mut found: Vec<Found> = Vec::new();
    loop {
        let chunk = reader.next().await.map_err(|source| {
            MomentError::Repository(RepositoryError::Storage { doing: format!("read {}", name.key()), source })
        })?;
        let Some(chunk) = chunk else { return Ok(found) };
        let words: Option<Vec<String>> = match what {
            Find::Safe(_) => None,
            Find::Command(words) => Some(words.to_vec()),
        };
        let limit = if let Find::Safe(offset) = what { *offset } else { u64::MAX };
        let (result, back) = blocking::run(move || {
            let mut give = |bytes: &[u8]| {
                scanner.push(bytes, |command| {
                    let one = Found { before: command.safe_before, start: command.start, end: command.end };
                    match &words {
                        None if command.end <= limit && command.is_safe() => {
                            found.clear();
                            found.push(one);
                        }
                        Some(words) if begins_with(command, words) => found.push(one),
                        _ => {}
                    }
                })?;
                Ok::<(), Failed>(())
            };
            let result = unpacker.push(&chunk, &mut give);
            (result, (unpacker, scanner, found))
        })
        .await;
        (unpacker, scanner, found) = back;
        result.map_err(|failed| match failed {
            Failed::Codec(error) => damaged(error.to_string()),
            Failed::Stream(error) => error.into(),
        })?;
    }
}

/// Whether a command begins with these words; its name in any case.
fn begins_with(command: &Command<'_>, words: &[String]) -> bool {
    words.iter().enumerate().all(|(at, word)| match at {
        0 => command.word_is(0, word),
        _ => command.word(at).is_some_and(|found| {
            found == word.as_bytes() || found.eq_ignore_ascii_case(word.as_bytes()) && at == 1 && command.is("FUNCTION")
        }),
    })
}
