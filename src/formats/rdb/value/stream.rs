//! Streams, in the five forms that Redis 5.0 to 8.8 wrote (types 15, 19, 21, 26, 27).
//!
//! A group lists its pending entries, then its consumers with the ids that each owns: every pending entry has exactly one
//! owner (from the fifth form on, or is released and has none). That is checked with two sums instead of a table, so that
//! a group of millions of pending entries takes no memory.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::blob::packed;
use super::long::{Feed, Form, LongNode};
use super::members::Members;
use super::stream_node;
use super::{Compared, Teller, Tools};
use crate::rdb::cursor::Cursor;
use crate::rdb::error::Stop;
use crate::rdb::oddity::OddityKind;
use crate::rdb::visit::{Piece, StreamId, StreamInfo, Visit};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    NodeCount,
    Nodes(u64),
    Info,
    Groups,
    Pending(u64),
    ConsumerCount,
    Consumers(u64),
    /// The ids of a consumer: how many are to come, and how many consumers behind it.
    Owned(u64, u64),
    ReleasedCount,
    Released(u64),
    GroupEnd,
    Idempotence,
    Producers(u64),
    /// The ids of a producer: how many are to come, and how many producers behind it.
    Produced(u64, u64),
    IdempotenceEnd,
}

/// Where in a stream we are.
#[derive(Debug)]
pub(super) struct Stream {
    form: u8,
    stage: Stage,
    node: Option<StreamId>,
    last_living: Option<StreamId>,
    entries_added: Option<u64>,
    groups_left: u64,
    pending: Ids,
    owned: Ids,
    /// A node could not be read: how many entries there are is not known.
    uncounted: bool,
    /// Within a node that is too long to be held.
    long: Option<Box<LongNode>>,
}

/// A multitude of ids: how many, and the sum of their hashes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Ids {
    count: u64,
    sum: u128,
}

impl Ids {
    /// Gives the id's hash.
    fn add(&mut self, id: &[u8; 16]) -> u128 {
        let hash = xxh3_128(id);
        self.count += 1;
        self.sum = self.sum.wrapping_add(hash);
        hash
    }
}

impl Stream {
    /// For one of the five forms, see [`ValueType::stream_form`](crate::rdb::ValueType::stream_form).
    pub(super) fn new(form: u8) -> Self {
        Self {
            form,
            stage: Stage::NodeCount,
            node: None,
            last_living: None,
            entries_added: None,
            groups_left: 0,
            pending: Ids::default(),
            owned: Ids::default(),
            uncounted: false,
            long: None,
        }
    }

    pub(super) fn run<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
        n_elements: &mut u64,
    ) -> Result<(), Stop> {
        loop {
            let next = match self.stage {
                Stage::NodeCount => {
                    let nodes = cursor.length()?;
                    if let Some(compared) = &mut tools.compared {
                        compared.members.begin();
                    }
                    Stage::Nodes(nodes)
                }
                Stage::Nodes(0) => {
                    tell_twice(OddityKind::DuplicateStreamNode, cursor, tools, teller, |compared| {
                        &mut compared.members
                    })?;
                    Stage::Info
                }
                Stage::Nodes(left) => {
                    if self.long.is_none() {
                        *n_elements += self.read_node(cursor, tools, teller)?;
                    }
                    if self.long.is_some() {
                        *n_elements += self.read_long(cursor, tools, teller)?;
                    }
                    Stage::Nodes(left - 1)
                }
                Stage::Info => {
                    self.read_info(cursor, teller, *n_elements)?;
                    if let Some(compared) = &mut tools.compared {
                        compared.groups.begin();
                    }
                    Stage::Groups
                }
                Stage::Groups if self.groups_left == 0 => {
                    tell_twice(OddityKind::DuplicateGroup, cursor, tools, teller, |compared| &mut compared.groups)?;
                    if self.form < 4 {
                        return Ok(());
                    }
                    Stage::Idempotence
                }
                Stage::Groups => Stage::Pending(self.read_group(cursor, tools, teller)?),
                Stage::Pending(0) => {
                    tell_twice(OddityKind::DuplicatePending, cursor, tools, teller, |compared| &mut compared.members)?;
                    Stage::ConsumerCount
                }
                Stage::Pending(left) => {
                    self.read_pending(cursor, tools, teller)?;
                    Stage::Pending(left - 1)
                }
                Stage::ConsumerCount => Stage::Consumers(cursor.length()?),
                Stage::Consumers(0) if self.form < 5 => Stage::GroupEnd,
                Stage::Consumers(0) => Stage::ReleasedCount,
                Stage::Consumers(left) => Stage::Owned(self.read_consumer(cursor, tools, teller)?, left - 1),
                Stage::Owned(0, consumers) => Stage::Consumers(consumers),
                Stage::Owned(left, consumers) => {
                    let raw = cursor.array()?;
                    self.owned.add(&raw);
                    teller.tell(Piece::StreamOwned(id_of(raw)));
                    Stage::Owned(left - 1, consumers)
                }
                Stage::ReleasedCount => Stage::Released(cursor.length()?),
                Stage::Released(0) => Stage::GroupEnd,
                Stage::Released(left) => {
                    let raw = cursor.array()?;
                    self.owned.add(&raw);
                    teller.tell(Piece::StreamReleased(id_of(raw)));
                    Stage::Released(left - 1)
                }
                Stage::GroupEnd => {
                    tell_twice(OddityKind::DuplicateConsumer, cursor, tools, teller, |compared| {
                        &mut compared.consumers
                    })?;
                    if self.pending != self.owned {
                        let numbers = Some((self.pending.count, self.owned.count));
                        teller.odd(OddityKind::PendingOwnership, cursor.offset(), numbers)?;
                    }
                    self.groups_left -= 1;
                    Stage::Groups
                }
                Stage::Idempotence => {
                    let (duration_seconds, max_entries) = (cursor.length()?, cursor.length()?);
                    let producers = cursor.length()?;
                    teller.tell(Piece::StreamIdempotence { duration_seconds, max_entries });
                    Stage::Producers(producers)
                }
                Stage::Producers(0) => Stage::IdempotenceEnd,
                Stage::Producers(left) => {
                    let name = cursor.string(&mut tools.first, tools.limit)?;
                    let n = cursor.length()?;
                    teller.tell(Piece::StreamProducer(name));
                    Stage::Produced(n, left - 1)
                }
                Stage::Produced(0, producers) => Stage::Producers(producers),
                Stage::Produced(left, producers) => {
                    let iid = cursor.string(&mut tools.first, tools.limit)?;
                    let id = read_id(cursor)?;
                    teller.tell(Piece::StreamProduced { iid, id });
                    Stage::Produced(left - 1, producers)
                }
                Stage::IdempotenceEnd => {
                    cursor.length()?;
                    cursor.length()?;
                    cursor.commit();
                    return Ok(());
                }
            };
            self.stage = next;
            cursor.commit();
        }
    }

    fn read_node<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
    ) -> Result<u64, Stop> {
        let at = cursor.offset();
        let key = cursor.string(&mut tools.first, tools.limit)?.as_array::<16>().map(|raw| id_of(*raw));
        let wrong_key = match (key, self.node) {
            (None, _) => Some((OddityKind::UnreadableValue, "stream node whose key is not an id")),
            (Some(key), Some(before)) if before >= key => Some((OddityKind::StreamOrder, "stream nodes out of order")),
            _ => None,
        };
        if let Some((_, what)) = wrong_key.filter(|_| !teller.reads_on()) {
            return Err(Stop::corrupt(at, what));
        }
        if let Some(key) = key
            && let Some(feed) = Feed::begin(cursor, Form::Listpack, tools.long_blob)?
        {
            cursor.commit();
            self.node = Some(key);
            note_node(key, &mut tools.compared);
            if let Some((kind, what)) = wrong_key {
                teller.odd_as(kind, what, at, None)?;
            }
            self.long = Some(Box::new(LongNode::new(feed, stream_node::Node::new(key, self.last_living))));
            return Ok(0);
        }
        let packed = packed(cursor, &mut tools.first, tools.limit, !teller.reads_on())?;
        // The node is there whole: what is told from here on is told once.
        if let Some((kind, what)) = wrong_key {
            teller.odd_as(kind, what, at, None)?;
        }
        self.node = key.or(self.node);
        let Some(key) = key else {
            self.uncounted = true;
            return Ok(0);
        };
        note_node(key, &mut tools.compared);
        let mut node = stream_node::Node::new(key, self.last_living);
        let walked = packed.bytes().and_then(|blob| node.walk(blob, teller));
        self.last_living = node.last;
        for (kind, at) in node.odd.into_iter().flatten() {
            teller.odd(kind, packed.place(at), None)?;
        }
        if let Err(bad) = walked {
            self.uncounted = true;
            teller.odd_as(OddityKind::UnreadableValue, bad.what, packed.place(bad.at), None)?;
        }
        Ok(node.living)
    }

    /// Reads the node that is too long to be held; gives how many living entries it has.
    fn read_long<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
    ) -> Result<u64, Stop> {
        let Some(long) = &mut self.long else { return Ok(0) };
        long.run(cursor, [tools.limit, tools.long_element], teller)?;
        self.last_living = long.node.last;
        for (kind, at) in long.node.odd.into_iter().flatten() {
            teller.odd(kind, long.feed().file_place(at), None)?;
        }
        if let Some(bad) = long.bad {
            self.uncounted = true;
            teller.odd_as(OddityKind::UnreadableValue, bad.what, long.feed().file_place(bad.at), None)?;
        }
        let living = long.node.living;
        self.long = None;
        Ok(living)
    }

    fn read_info<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        teller: &mut Teller<'_, V>,
        living: u64,
    ) -> Result<(), Stop> {
        let at = cursor.offset();
        let mut info = StreamInfo { length: cursor.length()?, last_id: read_id(cursor)?, ..StreamInfo::default() };
        if self.form >= 2 {
            info.first_id = Some(read_id(cursor)?);
            info.max_deleted_id = Some(read_id(cursor)?);
            info.entries_added = Some(cursor.length()?);
        }
        let groups = cursor.length()?;
        if info.length != living && !self.uncounted {
            // Servers refuse one of which nothing is there.
            let kind = if self.node.is_none() { OddityKind::EmptyStreamLength } else { OddityKind::StreamLength };
            teller.odd(kind, at, Some((info.length, living)))?;
        }
        // Beyond 2^63 it is no number of entries: servers count with a sign.
        if let Some(added) = info.entries_added.filter(|added| *added < info.length || *added > i64::MAX as u64) {
            teller.odd(OddityKind::StreamCounters, at, Some((added, info.length)))?;
        }
        if self.last_living.is_some_and(|last| last > info.last_id) {
            teller.odd(OddityKind::StreamLastId, at, None)?;
        }
        (self.groups_left, self.entries_added) = (groups, info.entries_added);
        teller.tell(Piece::StreamInfo(&info));
        Ok(())
    }

    /// Reads the head of a group; gives how many pending entries follow.
    fn read_group<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
    ) -> Result<u64, Stop> {
        let at = cursor.offset();
        let name = cursor.string(&mut tools.first, tools.limit)?;
        let name_tag = xxh3_64(name);
        let last_id = read_id(cursor)?;
        let entries_read = if self.form >= 2 { Some(cursor.length()?).filter(|n| *n != u64::MAX) } else { None };
        let pending = cursor.length()?;
        (self.pending, self.owned) = (Ids::default(), Ids::default());
        if let Some(compared) = &mut tools.compared {
            compared.groups.add(name_tag);
            compared.members.begin();
            compared.consumers.begin();
        }
        if let (Some(read), Some(added)) = (entries_read, self.entries_added)
            && read > added
        {
            const WHAT: &str = "a group has read more entries of a stream than were ever added";
            teller.odd_as(OddityKind::StreamCounters, WHAT, at, Some((read, added)))?;
        }
        teller.tell(Piece::StreamGroup { name, last_id, entries_read });
        Ok(pending)
    }

    fn read_pending<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
    ) -> Result<(), Stop> {
        let raw = cursor.array()?;
        let (delivered_ms, count) = (cursor.i64_le()?, cursor.length()?);
        let hash = self.pending.add(&raw);
        if let Some(compared) = &mut tools.compared {
            compared.members.add(hash as u64);
        }
        teller.tell(Piece::StreamPending { id: id_of(raw), delivered_ms, count });
        Ok(())
    }

    /// Reads the head of a consumer; gives how many ids it owns.
    fn read_consumer<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
    ) -> Result<u64, Stop> {
        let name = cursor.string(&mut tools.first, tools.limit)?;
        let seen_ms = cursor.i64_le()?;
        let active_ms = if self.form >= 3 { Some(cursor.i64_le()?).filter(|ms| *ms != -1) } else { None };
        let n = cursor.length()?;
        if let Some(compared) = &mut tools.compared {
            compared.consumers.add_text(name);
        }
        teller.tell(Piece::StreamConsumer { name, seen_ms, active_ms });
        Ok(n)
    }
}

/// A node of this key is among those that are compared.
fn note_node(key: StreamId, compared: &mut Option<Box<Compared>>) {
    if let Some(compared) = compared {
        compared.members.add(xxh3_64(&(u128::from(key.ms) << 64 | u128::from(key.seq)).to_be_bytes()));
    }
}

/// Tells that names came twice.
fn tell_twice<V: Visit>(
    kind: OddityKind,
    cursor: &Cursor<'_>,
    tools: &mut Tools,
    teller: &mut Teller<'_, V>,
    of: impl Fn(&mut Compared) -> &mut Members,
) -> Result<(), Stop> {
    match tools.compared.as_mut().map_or(0, |compared| of(compared).finish()) {
        0 => Ok(()),
        twice => teller.odd(kind, cursor.offset(), Some((twice, 0))),
    }
}

/// An id as sixteen bytes.
fn id_of(raw: [u8; 16]) -> StreamId {
    let id = u128::from_be_bytes(raw);
    StreamId { ms: (id >> 64) as u64, seq: id as u64 }
}

/// An id as two lengths.
fn read_id(cursor: &mut Cursor<'_>) -> Result<StreamId, Stop> {
    Ok(StreamId { ms: cursor.length()?, seq: cursor.length()? })
}
