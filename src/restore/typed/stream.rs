//! A stream as commands: entries, groups, consumers and what is pending.
//!
//! A pending entry whose message was deleted cannot be claimed. So a message is put in its place, claimed, and deleted again;
//! it has to stand in its order among the others, but the file tells of groups only after all entries. Entries of a
//! stream up to [`KEPT_OF_A_STREAM`] are therefore kept until then; of a larger one the pending entries without a message are lost,
//! which the survey of the backup finds out before the first write ([`Loss::PendingEntries`](crate::restore::target_format::Loss)).

use std::collections::HashSet;

use crate::rdb::visit::{LONG_ELEMENT, Part, PartOf, Piece, StreamId, StreamInfo};
use crate::restore::replay::batch::{Expected, Grow, What, put_bulk, put_head, put_number};
use crate::restore::replay::outbox::Outbox;
use crate::restore::target_format::TargetFormat;
use crate::restore::typed::Target;
use crate::restore::typed::long::{complete, send_part};
use crate::restore::typed::words::Words;

/// Bytes of entries that are kept: fields and values, and 64 for each entry.
pub const KEPT_OF_A_STREAM: usize = 4 * 1024 * 1024;
/// Entries and bytes of a transaction.
const ENTRIES_AT_ONCE: usize = 1024;
const BYTES_AT_ONCE: usize = 256 * 1024;
/// Name of a group that makes an empty stream, and is gone at once.
const PASSING: &[u8] = b"redis-ops";

/// The stream that is being made.
#[derive(Debug, Default)]
pub struct Stream {
    /// Entries that were not sent, by id; the words are fields and values.
    held: Vec<(StreamId, Words)>,
    held_bytes: usize,
    /// Entries are sent as they come.
    passing: bool,
    /// Commands that add entries and go in one transaction, and the bytes of them.
    adding: Vec<Words>,
    adding_bytes: usize,
    /// The entry that is read: its id, how many fields it has, and how many of them are to come.
    entry: Option<(StreamId, u64, u64)>,
    fields: Words,
    /// The field that is told in parts, and its value if that is short.
    long: Long,
    /// The command of the entry that is read has left in part.
    is_leaving: bool,
    info: StreamInfo,
    /// Entries that were told, and the highest id among them.
    entries: u64,
    highest: StreamId,
    groups: Vec<Group>,
    /// What is told belongs to a group of a name that was told before.
    in_another: bool,
    released: u64,
}

/// A field and its value that come in parts.
#[derive(Debug, Default)]
struct Long {
    field: Vec<u8>,
    value: Vec<u8>,
    way: Way,
    /// Bytes that were announced and have not left.
    left: u64,
}

/// What becomes of the bytes that come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Way {
    #[default]
    Field,
    Value,
    Sent,
}

#[derive(Debug, Default)]
struct Group {
    name: Vec<u8>,
    last_id: StreamId,
    entries_read: Option<u64>,
    pending: Vec<Pending>,
    consumers: Vec<(Vec<u8>, Vec<StreamId>)>,
}

impl Group {
    /// Every pending entry stands there once, in order, and has one owner.
    fn resolve(&mut self) {
        self.pending.sort_by_key(|pending| pending.id);
        self.pending.dedup_by_key(|pending| pending.id);
        let mut owned = HashSet::new();
        for (_, ids) in &mut self.consumers {
            ids.retain(|id| owned.insert(*id));
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    id: StreamId,
    delivered_ms: i64,
    count: u64,
}

fn text(id: StreamId) -> Vec<u8> {
    format!("{}-{}", id.ms, id.seq).into_bytes()
}

/// A command from its words.
fn words(parts: &[&[u8]]) -> Words {
    let mut words = Words::default();
    for part in parts {
        words.add(part);
    }
    words
}

impl Stream {
    /// Another stream begins.
    pub fn begin(&mut self) {
        *self = Self::default();
    }

    /// A part of it.
    pub fn piece(&mut self, outbox: &mut Outbox, target: &mut Target, piece: Piece<'_>) {
        match piece {
            Piece::StreamEntry { id, n_fields } => {
                self.complete(outbox, target);
                self.entry = Some((id, n_fields, n_fields));
                self.fields.clear();
            }
            Piece::StreamField { field, value } => {
                if self.is_leaving {
                    put_bulk(&mut outbox.batch.bytes, field);
                    put_bulk(&mut outbox.batch.bytes, value);
                    outbox.may_split_command();
                } else {
                    self.fields.add(field);
                    self.fields.add(value);
                }
                self.field_end(outbox, target);
            }
            Piece::StreamInfo(info) => self.info = *info,
            // Of two of one name the first counts.
            Piece::StreamGroup { name, .. } if self.groups.iter().any(|group| group.name == name) => {
                self.in_another = true
            }
            Piece::StreamGroup { name, last_id, entries_read } => {
                self.in_another = false;
                self.groups.push(Group { name: name.to_vec(), last_id, entries_read, ..Group::default() });
            }
            Piece::StreamPending { .. } | Piece::StreamConsumer { .. } | Piece::StreamOwned(_) if self.in_another => {}
            Piece::StreamPending { id, delivered_ms, count } => {
                if let Some(group) = self.groups.last_mut() {
                    group.pending.push(Pending { id, delivered_ms, count });
                }
            }
            Piece::StreamConsumer { name, .. } => {
                if let Some(group) = self.groups.last_mut() {
                    group.consumers.push((name.to_vec(), Vec::new()));
                }
            }
            Piece::StreamOwned(id) => {
                if let Some((_, owned)) = self.groups.last_mut().and_then(|group| group.consumers.last_mut()) {
                    owned.push(id);
                }
            }
            Piece::StreamReleased(_) => self.released += 1,
            _ => {}
        }
    }

    /// A part of a field or value that is too long to be held.
    pub fn part(&mut self, outbox: &mut Outbox, target: &mut Target, part: Part<'_>) {
        match part {
            Part::Begin { what: PartOf::StreamValue, length } if length > LONG_ELEMENT => {
                self.leave(outbox, target);
                let bytes = &mut outbox.batch.bytes;
                put_bulk(bytes, &self.long.field);
                bytes.push(b'$');
                put_number(bytes, length);
                bytes.extend_from_slice(b"\r\n");
                self.long = Long { way: Way::Sent, left: length, ..Long::default() };
            }
            Part::Begin { what: PartOf::StreamValue, .. } => self.long.way = Way::Value,
            Part::Begin { .. } => self.long = Long::default(),
            Part::Bytes(bytes) => match self.long.way {
                Way::Field => self.long.field.extend_from_slice(bytes),
                Way::Value => self.long.value.extend_from_slice(bytes),
                Way::Sent => send_part(outbox, bytes, &mut self.long.left),
            },
            Part::Dropped => {
                self.complete(outbox, target);
                self.long = Long::default();
            }
            Part::End { .. } => {
                let Long { field, value, way, left } = std::mem::take(&mut self.long);
                if way == Way::Sent {
                    complete(outbox, left);
                    outbox.batch.bytes.extend_from_slice(b"\r\n");
                    self.field_end(outbox, target);
                } else {
                    self.piece(outbox, target, Piece::StreamField { field: &field, value: &value });
                }
            }
        }
    }

    /// The command of the entry begins to leave, with the fields that are known.
    fn leave(&mut self, outbox: &mut Outbox, target: &mut Target) {
        let Some((id, n_fields, _)) = self.entry else { return };
        if std::mem::replace(&mut self.is_leaving, true) {
            return;
        }
        self.pass(outbox, target);
        self.flush(outbox, target);
        target.begin_chunk(outbox);
        outbox.calls.note_words(b"XADD", None);
        let bytes = &mut outbox.batch.bytes;
        put_head(bytes, 3 + 2 * usize::try_from(n_fields).unwrap_or_default());
        for word in [b"XADD", &target.temporary[..], &text(id)] {
            put_bulk(bytes, word);
        }
        std::mem::take(&mut self.fields).iter().for_each(|word| put_bulk(bytes, word));
    }

    /// What was read ends within an entry whose command has left in part: it gets the words that it has to have, and the key is not made.
    pub fn complete(&mut self, outbox: &mut Outbox, target: &mut Target) {
        if self.is_leaving && self.long.way == Way::Sent {
            complete(outbox, std::mem::take(&mut self.long).left);
            outbox.batch.bytes.extend_from_slice(b"\r\n");
            self.field_end(outbox, target);
        }
        while self.is_leaving {
            put_bulk(&mut outbox.batch.bytes, b"");
            put_bulk(&mut outbox.batch.bytes, b"");
            outbox.may_split_command();
            self.field_end(outbox, target);
        }
    }

    /// A field of the entry is complete, and the entry perhaps with it.
    fn field_end(&mut self, outbox: &mut Outbox, target: &mut Target) {
        let Some((id, _, left)) = &mut self.entry else { return };
        *left = left.saturating_sub(1);
        if *left > 0 {
            return;
        }
        let id = *id;
        self.entry = None;
        if std::mem::take(&mut self.is_leaving) {
            outbox.push(What::Queued, target.database, 0, 0, &[]);
            target.end_chunk(outbox, Grow::By(1));
            (self.entries, self.highest) = (self.entries + 1, self.highest.max(id));
        } else {
            self.add(outbox, target, id);
        }
    }

    /// Entries are sent as they come from here on, and those that were held.
    fn pass(&mut self, outbox: &mut Outbox, target: &mut Target) {
        self.passing = true;
        for (id, fields) in std::mem::take(&mut self.held) {
            self.send_entry(outbox, target, id, &fields);
        }
    }

    fn add(&mut self, outbox: &mut Outbox, target: &mut Target, id: StreamId) {
        let fields = std::mem::take(&mut self.fields);
        (self.entries, self.highest) = (self.entries + 1, self.highest.max(id));
        if self.passing {
            self.send_entry(outbox, target, id, &fields);
            return;
        }
        self.held_bytes += fields.length() + 64;
        self.held.push((id, fields));
        if self.held_bytes > KEPT_OF_A_STREAM {
            self.pass(outbox, target);
        }
    }

    fn send_entry(&mut self, outbox: &mut Outbox, target: &mut Target, id: StreamId, fields: &Words) {
        let mut command = words(&[b"XADD", &target.temporary, &text(id)]);
        command.append(fields);
        self.adding_bytes += command.length();
        self.adding.push(command);
        if self.adding.len() >= ENTRIES_AT_ONCE || self.adding_bytes >= BYTES_AT_ONCE {
            self.flush(outbox, target);
        }
    }

    fn flush(&mut self, outbox: &mut Outbox, target: &mut Target) {
        if !self.adding.is_empty() {
            target.chunk(outbox, &self.adding, Grow::By(self.adding.len() as i64));
            self.adding.clear();
            self.adding_bytes = 0;
        }
    }

    /// It is complete. Gives how many pending entries cannot be brought over.
    pub fn end(&mut self, outbox: &mut Outbox, target: &mut Target, format: TargetFormat) -> u64 {
        self.complete(outbox, target);
        self.groups.iter_mut().for_each(Group::resolve);
        // What stands there out of order, or twice, is put right as long as it was not sent.
        self.held.sort_by_key(|(id, _)| *id);
        self.held.dedup_by_key(|(id, _)| *id);
        let dummies = if self.passing { Vec::new() } else { self.send_held(outbox, target) };
        self.flush(outbox, target);
        if target.first {
            let name = &target.temporary;
            let make = words(&[b"XGROUP", b"CREATE", name, PASSING, b"0", b"MKSTREAM"]);
            let unmake = words(&[b"XGROUP", b"DESTROY", name, PASSING]);
            target.chunk(outbox, &[make, unmake], Grow::Unknown);
        }
        for group in &self.groups {
            send_group(outbox, target, format, group, self.passing);
        }
        for id in &dummies {
            let delete = words(&[b"XDEL", &target.temporary, &text(*id)]);
            target.send(outbox, &delete, Expected::Anything);
        }
        // XDEL moves the highest deleted id, so this comes last.
        let last_id = self.info.last_id.max(self.highest);
        let last = text(last_id);
        let mut set_id = words(&[b"XSETID", &target.temporary, &last]);
        if let (Some(added), Some(deleted)) = (self.info.entries_added, self.info.max_deleted_id)
            && format.version() >= 10
        {
            let (added, deleted) = (added.max(self.entries), deleted.min(last_id));
            for word in [b"ENTRIESADDED", added.to_string().as_bytes(), b"MAXDELETEDID", &text(deleted)] {
                set_id.add(word);
            }
        }
        target.send(outbox, &set_id, Expected::Anything);
        // What it has now is what it has to have when it gets its name.
        target.chunk(outbox, &[], Grow::Unknown);
        self.released
    }

    /// Sends the entries that were kept, with others in place of pending messages that are deleted; gives their ids.
    fn send_held(&mut self, outbox: &mut Outbox, target: &mut Target) -> Vec<StreamId> {
        let living = |id: &StreamId| self.held.binary_search_by_key(id, |(id, _)| *id).is_ok();
        let pending = self.groups.iter().flat_map(|group| group.pending.iter().map(|pending| pending.id));
        let mut dummies: Vec<StreamId> = pending.filter(|id| !living(id) && *id != StreamId::default()).collect();
        dummies.sort_unstable();
        dummies.dedup();
        let mut next = dummies.iter().copied().peekable();
        let dummy = words(&[b"redis-ops", b""]);
        for (id, fields) in std::mem::take(&mut self.held) {
            while let Some(before) = next.next_if(|before| *before < id) {
                self.send_entry(outbox, target, before, &dummy);
            }
            self.send_entry(outbox, target, id, &fields);
        }
        for id in next {
            self.send_entry(outbox, target, id, &dummy);
        }
        dummies
    }
}

fn send_group(outbox: &mut Outbox, target: &mut Target, format: TargetFormat, group: &Group, dead_are_lost: bool) {
    let last = text(group.last_id);
    let mut create = words(&[b"XGROUP", b"CREATE", &target.temporary, &group.name, &last]);
    if let Some(read) = group.entries_read
        && format.version() >= 10
    {
        create.add(b"ENTRIESREAD");
        create.add(read.to_string().as_bytes());
    }
    target.send(outbox, &create, Expected::Anything);
    for (consumer, owned) in &group.consumers {
        if format.server >= (6, 2, 0) {
            let create = words(&[b"XGROUP", b"CREATECONSUMER", &target.temporary, &group.name, consumer]);
            target.send(outbox, &create, Expected::Anything);
        }
        for id in owned {
            let Ok(at) = group.pending.binary_search_by_key(id, |pending| pending.id) else { continue };
            let pending = group.pending[at];
            let claim = words(&[
                b"XCLAIM",
                &target.temporary,
                &group.name,
                consumer,
                b"0",
                &text(*id),
                b"TIME",
                pending.delivered_ms.to_string().as_bytes(),
                b"RETRYCOUNT",
                pending.count.to_string().as_bytes(),
                b"FORCE",
                b"JUSTID",
            ]);
            // Of a message that is not there nothing is claimed.
            let expected = if dead_are_lost { Expected::Anything } else { Expected::Elements(1) };
            target.send(outbox, &claim, expected);
        }
    }
}
