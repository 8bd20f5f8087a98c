//! A list, a set, a hash or a sorted set in a blob that is too long to be held.

use xxhash_rust::xxh3::Xxh3;

use super::Halt;
use super::feed::Feed;
use super::walk::Got;
use crate::rdb::cursor::Cursor;
use crate::rdb::error::{ErrorKind, Stop};
use crate::rdb::oddity::OddityKind;
use crate::rdb::value::element::{Bad, Element, ODD, Score, packed_score};
use crate::rdb::value::members::Members;
use crate::rdb::value::{Teller, Tools};
use crate::rdb::visit::{LONG_ELEMENT, Part, PartOf, Piece, Visit};

/// So many bytes of a member are compared with the one before it: all of one that is held.
const COMPARED: usize = LONG_ELEMENT as usize;

/// What the elements of a blob are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rdb::value) enum Holds {
    List,
    Set,
    Hash,
    Zset,
}

/// A blob on its way, and what was found in it.
#[derive(Debug)]
pub(in crate::rdb::value) struct Collection {
    feed: Feed,
    holds: Holds,
    state: State,
    /// The hash of the long member of which a part has passed.
    tag: Option<Box<Tag>>,
    /// How the member begins that is read, and the one before it with its score.
    name: Vec<u8>,
    last: Option<(f64, Vec<u8>)>,
    /// The worst that is odd, by the order of the kinds, and its first byte.
    pub(in crate::rdb::value) worst: Option<(OddityKind, usize)>,
    /// Why the rest of it cannot be read.
    pub(in crate::rdb::value) bad: Option<Bad>,
}

struct Tag(Xxh3);

impl std::fmt::Debug for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tag")
    }
}

/// What is read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    /// An element, or a field with its value, or a member with its score.
    Unit,
    /// A string that is told in parts begins.
    Begin(Role),
    /// The bytes of a string that is told in parts.
    Bytes(Role),
    /// The score behind a member that was told in parts.
    Score,
    /// The last byte was read.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Name,
    Value,
}

impl Collection {
    pub(in crate::rdb::value) fn new(feed: Feed, holds: Holds) -> Self {
        Self { feed, holds, state: State::Head, tag: None, name: Vec::new(), last: None, worst: None, bad: None }
    }

    pub(in crate::rdb::value) fn is_list(&self) -> bool {
        self.holds == Holds::List
    }

    /// Where the blob is in the file.
    pub(in crate::rdb::value) fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Goes on; `Ok` once the blob is behind us. What is odd in it is told by the caller.
    pub(in crate::rdb::value) fn run<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
        n_elements: &mut u64,
    ) -> Result<(), Stop> {
        let takes_parts = !teller.pieces || teller.visit.takes_parts();
        let (limit, long_element, members) = (tools.limit, tools.long_element, &mut tools.compared);
        let mut members = members.as_mut().map(|compared| &mut compared.members).filter(|_| self.holds != Holds::List);
        let held = if takes_parts { long_element } else { limit };
        while self.bad.is_none() {
            match self.advance(cursor, members.as_deref_mut(), teller, [held, limit], n_elements) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(Halt::Stop(stop)) => return Err(stop),
                Err(Halt::Long) if takes_parts && self.state == State::Unit => self.state = State::Begin(Role::Name),
                Err(Halt::Long) => {
                    let claimed = self.feed.length();
                    return Err(Stop::fault(self.feed.start(), ErrorKind::TooLarge { claimed, limit }));
                }
                Err(Halt::Bad(bad)) if !teller.reads_on() => {
                    return Err(Stop::corrupt(self.feed.file_place(bad.at), bad.what));
                }
                Err(Halt::Bad(bad)) => {
                    if teller.pieces && matches!(self.state, State::Begin(Role::Value) | State::Bytes(_) | State::Score)
                    {
                        teller.visit.part(Part::Dropped);
                    }
                    self.bad = Some(bad);
                }
            }
        }
        self.feed.skip(cursor)
    }

    /// One step; false at the end of the blob. Strings of more than `held` bytes are told in parts, scores have at most `limit`.
    fn advance<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        members: Option<&mut Members>,
        teller: &mut Teller<'_, V>,
        [held, limit]: [u64; 2],
        n_elements: &mut u64,
    ) -> Result<bool, Halt> {
        match self.state {
            State::Head => {
                self.feed.head(cursor)?;
                self.state = State::Unit;
            }
            State::Unit => {
                if self.unit(cursor, members, teller, [held, limit])? {
                    *n_elements += 1;
                } else {
                    self.state = State::End;
                }
            }
            State::End => {
                self.feed.end(cursor)?;
                return Ok(false);
            }
            State::Begin(role) => self.begin(cursor, members, teller, held, role, n_elements)?,
            State::Bytes(role) => {
                let (tag, name) = (&mut self.tag, &mut self.name);
                self.feed.long_bytes(cursor, |bytes| {
                    if let Some(tag) = tag {
                        tag.0.update(bytes);
                        name.extend_from_slice(&bytes[..bytes.len().min(COMPARED - name.len().min(COMPARED))]);
                    }
                    if teller.pieces {
                        teller.visit.part(Part::Bytes(bytes));
                    }
                })?;
                // A member of a sorted set counts if it has a score.
                if self.holds != Holds::Zset {
                    self.compare(members);
                }
                self.string_end(teller, role, n_elements);
            }
            State::Score => {
                let reads_on = teller.reads_on();
                let (at, score) = self.feed.step(cursor, |walk| {
                    let at = walk.position();
                    Ok((at, packed_score(walk.element(limit, ODD)?, reads_on).map_err(|what| Bad { at, what })?))
                })?;
                let score = self.note_score(score, at);
                if score.is_some() {
                    self.compare(members);
                }
                if teller.pieces {
                    teller.visit.part(score.map_or(Part::Dropped, |score| Part::End { score: Some(score) }));
                }
                *n_elements += 1;
                self.state = State::Unit;
            }
        }
        Ok(true)
    }

    /// Reads what is held whole; false at the end.
    fn unit<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        mut members: Option<&mut Members>,
        teller: &mut Teller<'_, V>,
        [held, limit]: [u64; 2],
    ) -> Result<bool, Halt> {
        let (holds, name, reads_on) = (self.holds, &mut self.name, teller.reads_on());
        let mut buffers = ([0; 20], [0; 20]);
        let mut found = None;
        let more = self.feed.step(cursor, |walk| {
            let first = match walk.next(held)? {
                Got::End => return Ok(false),
                Got::Long(_) => return Err(Halt::Long),
                Got::Whole(first) => first,
            };
            let second_at = walk.position();
            let second = match holds {
                Holds::List | Holds::Set => Element::Integer(0),
                Holds::Hash => walk.element(held, ODD)?,
                Holds::Zset => walk.element(limit, ODD)?,
            };
            let text = first.text(&mut buffers.0);
            let piece = match holds {
                Holds::List => Piece::ListElement(text),
                Holds::Set => Piece::SetMember(text),
                Holds::Hash => Piece::HashField { field: text, value: second.text(&mut buffers.1), expire_ms: None },
                Holds::Zset => {
                    let score = packed_score(second, reads_on).map_err(|what| Bad { at: second_at, what })?;
                    name.clear();
                    name.extend_from_slice(&text[..text.len().min(COMPARED)]);
                    found = Some((score, second_at));
                    let Some(score) = score.number else { return Ok(true) };
                    Piece::ZsetMember { member: text, score }
                }
            };
            if let Some(members) = &mut members {
                members.add_element(first);
            }
            teller.tell(piece);
            Ok(true)
        })?;
        if let Some((score, at)) = found {
            self.note_score(score, at);
        }
        Ok(more)
    }

    /// A string of an element that is told in parts begins; it may be a short one.
    fn begin<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        members: Option<&mut Members>,
        teller: &mut Teller<'_, V>,
        held: u64,
        role: Role,
        n_elements: &mut u64,
    ) -> Result<(), Halt> {
        let what = match (self.holds, role) {
            (Holds::List, _) => PartOf::ListElement,
            (Holds::Set, _) => PartOf::SetMember,
            (Holds::Zset, _) => PartOf::ZsetMember,
            (Holds::Hash, Role::Name) => PartOf::HashField { expire_ms: None },
            (Holds::Hash, Role::Value) => PartOf::HashValue,
        };
        if let Some(length) = self.feed.long_element(cursor, held)? {
            if role == Role::Name {
                self.name.clear();
                self.tag = Some(Box::new(Tag(Xxh3::new())));
            }
            if teller.pieces {
                teller.visit.part(Part::Begin { what, length });
            }
            self.state = State::Bytes(role);
            return Ok(());
        }
        let mut members = members.filter(|_| role == Role::Name);
        self.feed.step(cursor, |walk| {
            let element = walk.element(held, ODD)?;
            if let Some(members) = &mut members {
                members.add_element(element);
            }
            if teller.pieces {
                let mut buffer = [0; 20];
                let text = element.text(&mut buffer);
                teller.visit.part(Part::Begin { what, length: text.len() as u64 });
                teller.visit.part(Part::Bytes(text));
            }
            Ok(())
        })?;
        self.string_end(teller, role, n_elements);
        Ok(())
    }

    /// A string is complete that is told in parts.
    fn string_end<V: Visit>(&mut self, teller: &mut Teller<'_, V>, role: Role, n_elements: &mut u64) {
        self.state = match (self.holds, role) {
            (Holds::Hash, Role::Name) => State::Begin(Role::Value),
            (Holds::Zset, _) => State::Score,
            _ => {
                if teller.pieces {
                    teller.visit.part(Part::End { score: None });
                }
                *n_elements += 1;
                State::Unit
            }
        };
    }

    /// The score of the member whose name was read; `None` if it is none.
    fn note_score(&mut self, score: Score, at: usize) -> Option<f64> {
        if let Some(kind) = score.odd {
            self.note(kind, at);
        }
        let number = score.number?;
        let follows = self.last.as_ref().is_none_or(|(last, name)| {
            // The same name twice is another fault.
            *last < number || *last == number && name.as_slice() <= self.name.as_slice()
        });
        if !follows {
            self.note(OddityKind::UnsortedZset, at);
        }
        let (last, name) = self.last.get_or_insert_default();
        *last = number;
        std::mem::swap(name, &mut self.name);
        Some(number)
    }

    /// The member that came in parts is complete: it is compared with the others.
    fn compare(&mut self, members: Option<&mut Members>) {
        if let (Some(tag), Some(members)) = (self.tag.take(), members) {
            members.add(tag.0.digest());
        }
    }

    #[cold]
    fn note(&mut self, kind: OddityKind, at: usize) {
        if self.worst.is_none_or(|(worst, _)| kind < worst) {
            self.worst = Some((kind, at));
        }
    }
}
