//! Values that are one string with everything packed inside.

use super::element::{self, Bad, Element, ODD, bad, packed_score};
use super::intset;
use super::listpack::Listpack;
use super::long::{Collection, Feed, Form, Holds};
use super::members::Members;
use super::number::LATEST_EXPIRY;
use super::order::{ExpiryOrder, ScoreOrder};
use super::ziplist::Ziplist;
use super::zipmap::Zipmap;
use super::{Teller, Tools};
use crate::rdb::cursor::{Cursor, Scratch, StringForm, within};
use crate::rdb::error::Stop;
use crate::rdb::lzf;
use crate::rdb::oddity::OddityKind;
use crate::rdb::text::IntegerText;
use crate::rdb::visit::{Piece, Visit};

/// A packed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blob {
    Zipmap,
    Intset,
    ListZiplist,
    ZsetZiplist,
    HashZiplist,
    HashListpack,
    ZsetListpack,
    SetListpack,
    /// Field, value, expiry (0 = none).
    HashListpackExpiry,
    /// A hash as a listpack behind eight bytes: the earliest expiry of a field, for information.
    HashListpackExpiryMinimum,
}

/// A blob and where it stands in the file.
pub(super) struct Packed<'a> {
    bytes: Result<&'a [u8], &'static str>,
    at: u64,
    plain: bool,
}

impl<'a> Packed<'a> {
    /// Its bytes; an error if it is a string that is no blob, or does not expand.
    pub(super) fn bytes(&self) -> Result<&'a [u8], Bad> {
        self.bytes.map_err(|what| Bad { at: 0, what })
    }

    /// Where it begins in the file.
    pub(super) fn start(&self) -> u64 {
        self.at
    }

    /// The place in the file of a byte of the blob, unless it was compressed: then where it begins.
    pub(super) fn place(&self, at: usize) -> u64 {
        if self.plain { self.at + at as u64 } else { self.at }
    }

    /// What is wrong, and where in the file.
    pub(super) fn fault(&self, bad: Bad) -> Stop {
        Stop::corrupt(self.place(bad.at), bad.what)
    }
}

/// Reads a string that is a blob. One that begins with its own size (`sized`) is refused before it is waited for if that
/// size is another one.
#[inline]
pub(super) fn packed<'s, 'a: 's>(
    cursor: &mut Cursor<'a>,
    scratch: &'s mut Scratch,
    limit: u64,
    sized: bool,
) -> Result<Packed<'s>, Stop> {
    let at = cursor.offset();
    match cursor.string_form()? {
        StringForm::Plain(n) => {
            let start = cursor.offset();
            if n > cursor.available() as u64 {
                // A blob that contradicts itself is damaged for every reader; one that is merely large is for readers with more memory.
                if sized && n >= 4 {
                    let size = u32::from_le_bytes(cursor.array()?);
                    if u64::from(size) != n {
                        return Err(Stop::corrupt(start, element::SIZE));
                    }
                    within(limit, n, at)?;
                    return Err(cursor.take(n - 4).map_or_else(|stop| stop, |_| Stop::More(n)));
                }
                within(limit, n, at)?;
            }
            Ok(Packed { bytes: Ok(cursor.take(n)?), at: start, plain: true })
        }
        StringForm::Lzf { compressed, expanded } => {
            within(limit, expanded, at)?;
            let input = cursor.take(compressed)?;
            Ok(Packed { bytes: lzf::expand(input, expanded as usize, &mut scratch.0), at, plain: false })
        }
        StringForm::Integer(_) => Ok(Packed { bytes: Err("a number where a packed value belongs"), at, plain: false }),
    }
}

/// What ziplist and listpack have in common.
trait Walk<'a> {
    fn next(&mut self) -> Result<Option<Element<'a>>, Bad>;
    fn position(&self) -> usize;
}

impl<'a> Walk<'a> for Listpack<'a> {
    #[inline]
    fn next(&mut self) -> Result<Option<Element<'a>>, Bad> {
        Listpack::next(self)
    }

    fn position(&self) -> usize {
        Listpack::position(self)
    }
}

impl<'a> Walk<'a> for Ziplist<'a> {
    #[inline]
    fn next(&mut self) -> Result<Option<Element<'a>>, Bad> {
        Ziplist::next(self)
    }

    fn position(&self) -> usize {
        Ziplist::position(self)
    }
}

impl Blob {
    /// How its elements are packed, and what they are; `None` if it is always held.
    fn passes(self) -> Option<(Form, Holds)> {
        match self {
            Self::ListZiplist => Some((Form::Ziplist, Holds::List)),
            Self::ZsetZiplist => Some((Form::Ziplist, Holds::Zset)),
            Self::HashZiplist => Some((Form::Ziplist, Holds::Hash)),
            Self::HashListpack => Some((Form::Listpack, Holds::Hash)),
            Self::ZsetListpack => Some((Form::Listpack, Holds::Zset)),
            Self::SetListpack => Some((Form::Listpack, Holds::Set)),
            // No server writes long ones: its maps and sets of numbers end at some hundred elements, and an expiry stands behind the
            // value that it has to be told before.
            Self::Zipmap | Self::Intset | Self::HashListpackExpiry | Self::HashListpackExpiryMinimum => None,
        }
    }

    /// Reads one that is too long to be held.
    fn run_long<V: Visit>(
        long: &mut Collection,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
        n_elements: &mut u64,
    ) -> Result<(), Stop> {
        long.run(cursor, tools, teller, n_elements)?;
        let twice = tools.compared.as_mut().filter(|_| !long.is_list()).map_or(0, |compared| compared.members.finish());
        if twice > 0 {
            teller.odd(OddityKind::DuplicateMember, long.feed().start(), Some((twice, 0)))?;
        }
        if let Some((kind, at)) = long.worst {
            teller.odd(kind, long.feed().file_place(at), None)?;
        }
        if let Some(bad) = long.bad {
            teller.odd_as(OddityKind::UnreadableValue, bad.what, long.feed().file_place(bad.at), None)?;
            *n_elements = (*n_elements).max(1);
        }
        Ok(())
    }

    pub(super) fn run<V: Visit>(
        self,
        long: &mut Option<Box<Collection>>,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
        n_elements: &mut u64,
    ) -> Result<(), Stop> {
        if let Some(long) = long {
            return Self::run_long(long, cursor, tools, teller, n_elements);
        }
        if let Some((form, holds)) = self.passes()
            && let Some(feed) = Feed::begin(cursor, form, tools.long_blob)?
        {
            cursor.commit();
            if let Some(compared) = &mut tools.compared {
                compared.members.begin();
            }
            let long = long.insert(Box::new(Collection::new(feed, holds)));
            return Self::run_long(long, cursor, tools, teller, n_elements);
        }
        let mut wrong_earliest = None;
        if self == Self::HashListpackExpiryMinimum {
            let at = cursor.offset();
            let earliest = cursor.i64_le()?;
            // Told once the value is there whole.
            wrong_earliest = (!(0..=LATEST_EXPIRY).contains(&earliest)).then_some(at);
        }
        let sized = !matches!(self, Self::Zipmap | Self::Intset) && !teller.reads_on();
        if let Some(at) = wrong_earliest.filter(|_| !teller.reads_on()) {
            return Err(Stop::corrupt(at, EARLIEST));
        }
        let packed = packed(cursor, &mut tools.first, tools.limit, sized)?;
        if let Some(at) = wrong_earliest {
            teller.odd_as(OddityKind::FieldExpiryRange, EARLIEST, at, None)?;
        }
        let mut members = tools.compared.as_mut().map(|compared| &mut compared.members);
        if let Some(members) = &mut members {
            members.begin();
        }
        let mut notes = Notes { members, worst: None };
        let decoded = packed.bytes().and_then(|blob| self.decode(blob, n_elements, teller, &mut notes));
        let twice = notes.members.map_or(0, Members::finish);
        if twice > 0 {
            teller.odd(OddityKind::DuplicateMember, packed.start(), Some((twice, 0)))?;
        }
        if let Some((kind, at)) = notes.worst {
            teller.odd(kind, packed.place(at), None)?;
        }
        if let Err(bad) = decoded {
            teller.odd_as(OddityKind::UnreadableValue, bad.what, packed.place(bad.at), None)?;
            // It is no empty value.
            *n_elements = (*n_elements).max(1);
        }
        cursor.commit();
        Ok(())
    }

    fn decode<V: Visit>(
        self,
        blob: &[u8],
        n: &mut u64,
        teller: &mut Teller<'_, V>,
        notes: &mut Notes<'_>,
    ) -> Result<(), Bad> {
        match self {
            Self::Zipmap => zipmap(blob, n, teller, notes),
            Self::Intset => {
                let walked = intset::walk(blob, |value| {
                    notes.member(Element::Integer(value));
                    teller.tell(Piece::SetMember(Element::Integer(value).text(&mut [0; 20])));
                })?;
                *n = walked.count;
                match walked.unsorted {
                    _ if walked.count == 0 => notes.note(OddityKind::EmptyIntset, 4),
                    Some(at) => notes.note(OddityKind::UnsortedIntset, at),
                    None => {}
                }
                Ok(())
            }
            Self::ListZiplist => ziplist(blob, n, teller),
            Self::ZsetZiplist => scores(Ziplist::new(blob)?, n, teller, notes),
            Self::HashZiplist => fields(Ziplist::new(blob)?, n, teller, notes),
            Self::HashListpack => fields(Listpack::new(blob)?, n, teller, notes),
            Self::ZsetListpack => scores(Listpack::new(blob)?, n, teller, notes),
            Self::SetListpack => singles(Listpack::new(blob)?, n, teller, notes, |text| Piece::SetMember(text)),
            Self::HashListpackExpiry | Self::HashListpackExpiryMinimum => {
                fields_with_expiry(Listpack::new(blob)?, n, teller, notes)
            }
        }
    }
}

const EARLIEST: &str = "earliest expiry of a hash out of range";

/// What is noted of a blob while it is walked.
struct Notes<'m> {
    members: Option<&'m mut Members>,
    /// The worst that is odd, by the order of the kinds, and its first byte.
    worst: Option<(OddityKind, usize)>,
}

impl Notes<'_> {
    /// Lists may hold an element as often as they like.
    fn of_list() -> Self {
        Self { members: None, worst: None }
    }

    #[inline]
    fn member(&mut self, element: Element<'_>) {
        if let Some(members) = &mut self.members {
            members.add_element(element);
        }
    }

    #[cold]
    fn note(&mut self, kind: OddityKind, at: usize) {
        if self.worst.is_none_or(|(worst, _)| kind < worst) {
            self.worst = Some((kind, at));
        }
    }
}

/// Elements of a list in a ziplist.
pub(super) fn ziplist<V: Visit>(blob: &[u8], n: &mut u64, teller: &mut Teller<'_, V>) -> Result<(), Bad> {
    singles(Ziplist::new(blob)?, n, teller, &mut Notes::of_list(), |text| Piece::ListElement(text))
}

/// Elements of a list in a listpack.
pub(super) fn listpack<V: Visit>(blob: &[u8], n: &mut u64, teller: &mut Teller<'_, V>) -> Result<(), Bad> {
    singles(Listpack::new(blob)?, n, teller, &mut Notes::of_list(), |text| Piece::ListElement(text))
}

fn zipmap<V: Visit>(blob: &[u8], n: &mut u64, teller: &mut Teller<'_, V>, notes: &mut Notes<'_>) -> Result<(), Bad> {
    let mut zipmap = Zipmap::new(blob)?;
    while let Some((field, value)) = zipmap.next()? {
        notes.member(Element::Bytes(field));
        teller.tell(Piece::HashField { field, value, expire_ms: None });
        *n += 1;
    }
    Ok(())
}

fn singles<'a, V: Visit>(
    mut walk: impl Walk<'a>,
    n: &mut u64,
    teller: &mut Teller<'_, V>,
    notes: &mut Notes<'_>,
    piece: impl for<'p> Fn(&'p [u8]) -> Piece<'p>,
) -> Result<(), Bad> {
    while let Some(element) = walk.next()? {
        notes.member(element);
        if teller.pieces {
            teller.visit.piece(piece(element.text(&mut [0; 20])));
        }
        *n += 1;
    }
    Ok(())
}

fn fields<'a, V: Visit>(
    mut walk: impl Walk<'a>,
    n: &mut u64,
    teller: &mut Teller<'_, V>,
    notes: &mut Notes<'_>,
) -> Result<(), Bad> {
    let (mut left, mut right): (IntegerText, IntegerText) = ([0; 20], [0; 20]);
    while let Some(field) = walk.next()? {
        let Some(value) = walk.next()? else { return bad(walk.position(), ODD) };
        notes.member(field);
        if teller.pieces {
            let (field, value) = (field.text(&mut left), value.text(&mut right));
            teller.visit.piece(Piece::HashField { field, value, expire_ms: None });
        }
        *n += 1;
    }
    Ok(())
}

fn scores<'a, V: Visit>(
    mut walk: impl Walk<'a>,
    n: &mut u64,
    teller: &mut Teller<'_, V>,
    notes: &mut Notes<'_>,
) -> Result<(), Bad> {
    let mut order = ScoreOrder::default();
    while let Some(member) = walk.next()? {
        let at = walk.position();
        let Some(score) = walk.next()? else { return bad(at, ODD) };
        let score = packed_score(score, teller.reads_on()).map_err(|what| Bad { at, what })?;
        if let Some(kind) = score.odd {
            notes.note(kind, at);
        }
        let Some(score) = score.number else {
            *n += 1;
            continue;
        };
        notes.member(member);
        if !order.follows(score, member) {
            notes.note(OddityKind::UnsortedZset, at);
        }
        if teller.pieces {
            teller.visit.piece(Piece::ZsetMember { member: member.text(&mut [0; 20]), score });
        }
        *n += 1;
    }
    Ok(())
}

fn fields_with_expiry<'a, V: Visit>(
    mut walk: impl Walk<'a>,
    n: &mut u64,
    teller: &mut Teller<'_, V>,
    notes: &mut Notes<'_>,
) -> Result<(), Bad> {
    let (mut left, mut right): (IntegerText, IntegerText) = ([0; 20], [0; 20]);
    let mut order = ExpiryOrder::default();
    while let Some(field) = walk.next()? {
        let at = walk.position();
        let (Some(value), Some(expiry)) = (walk.next()?, walk.next()?) else { return bad(at, ODD) };
        if matches!(expiry, Element::Bytes(_)) {
            notes.note(OddityKind::FieldExpiryText, at);
        }
        let expire_ms = match expiry.integer() {
            Some(0) => None,
            Some(expiry) if (1..=LATEST_EXPIRY).contains(&expiry) => Some(expiry),
            _ if !teller.reads_on() => return bad(at, "expiry of a hash field out of range"),
            expiry => {
                notes.note(OddityKind::FieldExpiryRange, at);
                expiry
            }
        };
        notes.member(field);
        order.add(expire_ms, field, value, at);
        if teller.pieces {
            let (field, value) = (field.text(&mut left), value.text(&mut right));
            teller.visit.piece(Piece::HashField { field, value, expire_ms });
        }
        *n += 1;
    }
    if let Some((kind, at)) = order.broken() {
        notes.note(kind, at);
    }
    Ok(())
}
