//! A node of a stream that is too long to be held; what stands in one says [`super::super::stream_node`].

use xxhash_rust::xxh3::xxh3_128;

use super::Halt;
use super::feed::Feed;
use super::walk::{Got, Walk};
use crate::rdb::cursor::Cursor;
use crate::rdb::error::{ErrorKind, Stop};
use crate::rdb::value::Teller;
use crate::rdb::value::element::{Bad, Element, bad};
use crate::rdb::value::stream_node::{self, Node, SHORT};
use crate::rdb::visit::{LONG_ELEMENT, LONG_FIELD, Part, PartOf, Piece, Visit};

/// A node on its way.
#[derive(Debug)]
pub(in crate::rdb::value) struct LongNode {
    feed: Feed,
    /// What it is found to be.
    pub(in crate::rdb::value) node: Node,
    stage: Stage,
    /// Living and deleted entries that the node says it has.
    said: (i64, i64),
    dead: i64,
    names: Names,
    entry: Entry,
    /// The field whose value comes next, if it is none of the master entry.
    field: Vec<u8>,
    /// Why the rest of it cannot be read.
    pub(in crate::rdb::value) bad: Option<Bad>,
}

/// What is read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    /// How many entries and names there are.
    Counts,
    /// The names of the master entry, so many.
    Names(usize),
    MasterEnd,
    /// Flags and id of an entry.
    Entry,
    Field,
    FieldBytes,
    Value,
    ValueBytes,
    EntryEnd,
    End,
}

/// The entry that is read.
#[derive(Debug, Default)]
struct Entry {
    /// It has the names of the master entry.
    same: bool,
    told: bool,
    n: usize,
    /// Fields that are complete.
    done: usize,
    /// Its field was told in parts.
    in_parts: bool,
}

/// Names of the master entry, one behind the other, and the hashes of those that are long.
#[derive(Debug, Default)]
struct Names {
    text: Vec<u8>,
    ends: Vec<u32>,
    long: Vec<(u32, u128)>,
}

impl Names {
    fn get(&self, index: usize) -> &[u8] {
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[begin as usize..self.ends[index] as usize]
    }

    fn hash(&self, index: usize) -> Option<u128> {
        let found = self.long.binary_search_by_key(&index, |(index, _)| *index as usize).ok()?;
        Some(self.long[found].1)
    }

    fn held(&self) -> u64 {
        self.text.len() as u64 + 8 * self.ends.len() as u64
    }

    fn add(&mut self, name: &[u8]) {
        self.text.extend_from_slice(name);
        if name.len() > LONG_FIELD {
            self.long.push((self.ends.len() as u32, xxh3_128(name)));
        }
        self.ends.push(self.text.len() as u32);
    }
}

impl LongNode {
    pub(in crate::rdb::value) fn new(feed: Feed, node: Node) -> Self {
        let (stage, said, names) = (Stage::Head, (0, 0), Names::default());
        Self { feed, node, stage, said, dead: 0, names, entry: Entry::default(), field: Vec::new(), bad: None }
    }

    /// Where the blob is in the file.
    pub(in crate::rdb::value) fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Goes on; `Ok` once the node is behind us. What is odd in it is told by the caller.
    pub(in crate::rdb::value) fn run<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        [limit, long_element]: [u64; 2],
        teller: &mut Teller<'_, V>,
    ) -> Result<(), Stop> {
        let takes_parts = !teller.pieces || teller.visit.takes_parts();
        let held = if takes_parts { long_element } else { limit };
        let start = self.feed.start();
        let too_large = |claimed| Err(Stop::fault(start, ErrorKind::TooLarge { claimed, limit }));
        while self.bad.is_none() {
            if self.names.held() > limit {
                return too_large(self.feed.length());
            }
            match self.advance(cursor, teller, [held, limit]) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(Halt::Stop(stop)) => return Err(stop),
                Err(Halt::Long) => return too_large(self.feed.length()),
                Err(Halt::Bad(bad)) if !teller.reads_on() => {
                    return Err(Stop::corrupt(self.feed.file_place(bad.at), bad.what));
                }
                Err(Halt::Bad(bad)) => {
                    if self.entry.told && (self.entry.in_parts || self.stage == Stage::ValueBytes) {
                        teller.visit.part(Part::Dropped);
                    }
                    self.bad = Some(bad);
                }
            }
        }
        self.feed.skip(cursor)
    }

    /// One step; false at the end of the node.
    fn advance<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        teller: &mut Teller<'_, V>,
        [held, limit]: [u64; 2],
    ) -> Result<bool, Halt> {
        self.stage = match self.stage {
            Stage::Head => {
                self.feed.head(cursor)?;
                Stage::Counts
            }
            Stage::Counts => {
                let length = self.feed.length();
                let (said, n) = self.feed.step(cursor, |walk| {
                    let said = (number(walk)?, number(walk)?);
                    Ok((said, count_of(walk, length)?))
                })?;
                self.said = said;
                Stage::Names(n)
            }
            Stage::Names(0) => Stage::MasterEnd,
            Stage::Names(left) => {
                let names = &mut self.names;
                self.feed.step(cursor, |walk| {
                    names.add(walk.element(limit, SHORT)?.text(&mut [0; 20]));
                    Ok(())
                })?;
                Stage::Names(left - 1)
            }
            Stage::MasterEnd => {
                self.feed.step(cursor, |walk| {
                    let at = walk.position();
                    if number(walk)? != 0 {
                        return Ok(bad(at, stream_node::MASTER_END)?);
                    }
                    Ok(())
                })?;
                Stage::Entry
            }
            Stage::Entry => {
                if self.begin_entry(cursor, teller)? {
                    Stage::Field
                } else {
                    Stage::End
                }
            }
            Stage::End => {
                self.feed.end(cursor)?;
                self.node.count(self.said, self.dead);
                return Ok(false);
            }
            Stage::Field if self.entry.done == self.entry.n => Stage::EntryEnd,
            Stage::Field => self.begin_field(cursor, teller, held)?,
            Stage::FieldBytes => {
                self.bytes(cursor, teller)?;
                Stage::Value
            }
            Stage::Value => self.begin_value(cursor, teller, held)?,
            Stage::ValueBytes => {
                self.bytes(cursor, teller)?;
                self.end_value(teller)
            }
            Stage::EntryEnd => {
                let Entry { same, n, .. } = self.entry;
                self.feed.step(cursor, |walk| {
                    let at = walk.position();
                    let expected = if same { n + 3 } else { 2 * n + 4 };
                    if usize::try_from(number(walk)?) != Ok(expected) {
                        return Ok(bad(at, stream_node::ENTRY_COUNT)?);
                    }
                    Ok(())
                })?;
                Stage::Entry
            }
        };
        Ok(true)
    }

    /// Flags, id and number of fields of an entry; false at the end of the node.
    fn begin_entry<V: Visit>(&mut self, cursor: &mut Cursor<'_>, teller: &mut Teller<'_, V>) -> Result<bool, Halt> {
        let (length, n_names) = (self.feed.length(), self.names.ends.len());
        let at = self.feed.position();
        let found = self.feed.step(cursor, |walk| {
            let flags = match walk.next(LONG_ELEMENT)? {
                Got::End => return Ok(None),
                Got::Whole(element) => element.integer(),
                Got::Long(_) => None,
            };
            let Some(flags) = flags else { return Ok(bad(at, stream_node::FLAGS)?) };
            let difference = (number(walk)?, number(walk)?);
            let same = stream_node::is_same(flags);
            Ok(Some((flags, difference, same, if same { n_names } else { count_of(walk, length)? })))
        })?;
        let Some((flags, difference, same, n)) = found else { return Ok(false) };
        let (id, is_alive) = self.node.note(flags, difference, at);
        self.dead += i64::from(!is_alive);
        let told = is_alive && teller.pieces;
        self.entry = Entry { same, told, n, done: 0, in_parts: false };
        if told {
            teller.visit.piece(Piece::StreamEntry { id, n_fields: n as u64 });
        }
        Ok(true)
    }

    fn begin_field<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        teller: &mut Teller<'_, V>,
        held: u64,
    ) -> Result<Stage, Halt> {
        if self.entry.same {
            return Ok(Stage::Value);
        }
        if let Some(length) = self.long_element(cursor, teller, held)? {
            if self.entry.told {
                teller.visit.part(Part::Begin { what: PartOf::StreamField, length });
                self.entry.in_parts = true;
            }
            return Ok(Stage::FieldBytes);
        }
        let field = &mut self.field;
        self.feed.step(cursor, |walk| {
            let element = walk.element(held, SHORT)?;
            field.clear();
            field.extend_from_slice(element.text(&mut [0; 20]));
            Ok(())
        })?;
        Ok(Stage::Value)
    }

    fn begin_value<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        teller: &mut Teller<'_, V>,
        held: u64,
    ) -> Result<Stage, Halt> {
        let long = self.long_element(cursor, teller, held)?;
        let Self { feed, names, entry, field, .. } = self;
        let (field, hash) = match entry.same {
            true => (names.get(entry.done), names.hash(entry.done)),
            false => (field.as_slice(), None),
        };
        if let Some(length) = long {
            if entry.told {
                if !entry.in_parts {
                    teller.visit.part(Part::Begin { what: PartOf::StreamField, length: field.len() as u64 });
                    teller.visit.part(Part::Bytes(field));
                }
                teller.visit.part(Part::Begin { what: PartOf::StreamValue, length });
            }
            return Ok(Stage::ValueBytes);
        }
        feed.step(cursor, |walk| {
            let element = walk.element(held, SHORT)?;
            let mut buffer = [0; 20];
            let value = element.text(&mut buffer);
            if entry.told && entry.in_parts {
                teller.visit.part(Part::Begin { what: PartOf::StreamValue, length: value.len() as u64 });
                teller.visit.part(Part::Bytes(value));
            } else if entry.told {
                if let Some(hash) = hash {
                    teller.visit.long_field(hash);
                }
                teller.visit.piece(Piece::StreamField { field, value });
            }
            Ok(())
        })?;
        if self.entry.in_parts {
            return Ok(self.end_value(teller));
        }
        self.entry.done += 1;
        Ok(Stage::Field)
    }

    /// How long the next element is, if it is told in parts.
    fn long_element<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        teller: &Teller<'_, V>,
        held: u64,
    ) -> Result<Option<u64>, Halt> {
        let found = self.feed.long_element(cursor, held)?;
        if found.is_some() && teller.pieces && !teller.visit.takes_parts() { Err(Halt::Long) } else { Ok(found) }
    }

    fn bytes<V: Visit>(&mut self, cursor: &mut Cursor<'_>, teller: &mut Teller<'_, V>) -> Result<(), Halt> {
        let told = self.entry.told;
        self.feed.long_bytes(cursor, |bytes| {
            if told {
                teller.visit.part(Part::Bytes(bytes));
            }
        })
    }

    fn end_value<V: Visit>(&mut self, teller: &mut Teller<'_, V>) -> Stage {
        if self.entry.told {
            teller.visit.part(Part::End { score: None });
        }
        self.entry.in_parts = false;
        self.entry.done += 1;
        Stage::Field
    }
}

fn number(walk: &mut Walk<'_, '_>) -> Result<i64, Halt> {
    let at = walk.position();
    let number = match walk.next(LONG_ELEMENT)? {
        Got::Whole(element) => Element::integer(element),
        Got::Long(_) => None,
        Got::End => return Ok(bad(at, SHORT)?),
    };
    match number {
        Some(number) => Ok(number),
        None => Ok(bad(at, stream_node::NO_NUMBER)?),
    }
}

/// A number of fields: no more than the node has bytes.
fn count_of(walk: &mut Walk<'_, '_>, length: u64) -> Result<usize, Halt> {
    let at = walk.position();
    match usize::try_from(number(walk)?) {
        Ok(n) if n as u64 <= length => Ok(n),
        _ => Ok(bad(at, stream_node::TOO_MANY_FIELDS)?),
    }
}
