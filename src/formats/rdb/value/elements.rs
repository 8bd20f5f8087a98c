//! Lists, sets, hashes and sorted sets whose elements stand one by one.

use xxhash_rust::xxh3::Xxh3;

use super::members::Members;
use super::number::{LATEST_EXPIRY, expiry_absolute, expiry_behind, expiry_relative, score_binary, score_text};
use super::shape::{Part, Shape};
use super::string::Passage;
use super::{Teller, Tools};
use crate::rdb::cursor::{Cursor, StringForm};
use crate::rdb::error::Stop;
use crate::rdb::lzf;
use crate::rdb::oddity::OddityKind;
use crate::rdb::spool::Spool;
use crate::rdb::visit::{LONG_ELEMENT, Part as Told, PartOf, Piece, Visit};

/// What is wrong where a temporary file cannot be read back.
const LOST: &str = "a long value of a hash that could not be kept until its expiry was known";

/// Where among the elements we are.
#[derive(Debug)]
pub(super) struct Elements {
    shape: Shape,
    counted: bool,
    left: u64,
    earliest: i64,
    /// Which part of an element comes next, while they are read without being told.
    part: usize,
    string: Passage,
    /// The element is told in parts, and of the string that passes was told that it begins.
    in_parts: bool,
    is_begun: bool,
    /// When the field that is told in parts expires.
    expire_ms: Option<i64>,
    /// A long field and its value that wait for the expiry behind them.
    waiting: Option<Box<Waiting>>,
    /// Told once the count was read.
    wrong: Option<(OddityKind, &'static str, u64)>,
    /// Hash of a long member that passes in parts and is compared with others.
    hash: Option<Hashing>,
}

/// A field and its value, one behind the other.
#[derive(Debug, Default)]
struct Waiting {
    spool: Spool,
    /// Bytes of the field.
    field: u64,
}

impl Waiting {
    /// Tells them in parts, with the expiry.
    fn tell<V: Visit>(&self, expire_ms: Option<i64>, visit: &mut V) -> bool {
        let (field, end) = (self.field, self.spool.length());
        let mut is_whole = true;
        for (what, from, to) in [(PartOf::HashField { expire_ms }, 0, field), (PartOf::HashValue, field, end)] {
            visit.part(Told::Begin { what, length: to - from });
            is_whole &= self.spool.read(from, to, |bytes| visit.part(Told::Bytes(bytes)));
        }
        visit.part(if is_whole { Told::End { score: None } } else { Told::Dropped });
        is_whole
    }
}

/// The hash of a member of which a part has passed.
struct Hashing(Box<Xxh3>);

impl std::fmt::Debug for Hashing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hashing")
    }
}

impl Elements {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            counted: false,
            left: 0,
            earliest: 0,
            part: 0,
            string: Passage::default(),
            in_parts: false,
            is_begun: false,
            expire_ms: None,
            waiting: None,
            wrong: None,
            hash: None,
        }
    }

    pub(super) fn run<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
        n_elements: &mut u64,
    ) -> Result<(), Stop> {
        if !self.counted {
            if self.shape == Shape::HashExpiryRelative {
                let at = cursor.offset();
                self.earliest = cursor.i64_le()?;
                if !(0..=LATEST_EXPIRY).contains(&self.earliest) {
                    self.wrong = Some((OddityKind::FieldExpiryRange, "earliest expiry of a hash out of range", at));
                }
            }
            self.left = cursor.length()?;
            self.counted = true;
            cursor.commit();
            if let Some(compared) = &mut tools.compared {
                compared.members.begin();
            }
        }
        if let Some((kind, what, at)) = self.wrong.take() {
            teller.odd_as(kind, what, at, None)?;
        }
        while self.left > 0 {
            if self.in_parts {
                self.tell_parts(cursor, tools, teller)?;
            } else if teller.pieces {
                match self.tell(cursor, tools, teller) {
                    Err(Stop::More(n)) if n > LONG_ELEMENT && teller.visit.takes_parts() => {
                        cursor.rewind();
                        self.in_parts = true;
                        // The expiry belongs before the value: one that stands behind it is waited for.
                        self.waiting = (self.shape == Shape::HashExpiryBehind).then(Box::default);
                        continue;
                    }
                    told => told?,
                }
                cursor.commit();
            } else {
                self.pass(cursor, tools, teller)?;
            }
            self.left -= 1;
            *n_elements += 1;
        }
        let twice = match &mut tools.compared {
            Some(compared) if self.shape != Shape::List => compared.members.finish(),
            _ => 0,
        };
        if twice > 0 {
            teller.odd(OddityKind::DuplicateMember, cursor.offset(), Some((twice, 0)))?;
        }
        Ok(())
    }

    /// Reads an element part by part; what was read of it is done with.
    #[inline]
    fn pass<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
    ) -> Result<(), Stop> {
        let parts = self.shape.parts();
        while let Some(part) = parts.get(self.part) {
            let at = cursor.offset();
            let wrong = match part {
                Part::String if tools.compared.is_some() && self.shape.names() == Some(self.part) => {
                    self.pass_name(cursor, tools)?;
                    None
                }
                Part::String => {
                    self.string.run(cursor, &mut tools.first, false, |_| {})?;
                    None
                }
                Part::ScoreText => score_text(cursor)?.1,
                Part::ScoreBinary => score_binary(cursor)?.1,
                Part::ExpiryRelative => expiry_relative(cursor, self.earliest)?.1,
                Part::ExpiryAbsolute => expiry_absolute(cursor)?.1,
                Part::ExpiryBehind => expiry_behind(cursor)?.1,
            };
            if let Some((kind, what)) = wrong {
                teller.odd_as(kind, what, at, None)?;
            }
            cursor.commit();
            self.part += 1;
        }
        self.part = 0;
        Ok(())
    }

    /// Reads a member that is compared with the others.
    #[inline]
    fn pass_name(&mut self, cursor: &mut Cursor<'_>, tools: &mut Tools) -> Result<(), Stop> {
        let Some(compared) = &mut tools.compared else { return Ok(()) };
        let members = &mut compared.members;
        if self.hash.is_none() {
            let at = cursor.offset();
            match cursor.string_form()? {
                StringForm::Plain(n) if n <= AT_ONCE => {
                    members.add_text(cursor.take(n)?);
                    return Ok(());
                }
                StringForm::Integer(value) => {
                    members.add_text(tools.first.integer(value));
                    return Ok(());
                }
                StringForm::Lzf { compressed, expanded } if expanded <= AT_ONCE => {
                    let input = cursor.take(compressed)?;
                    match lzf::expand(input, expanded as usize, &mut tools.first.0) {
                        Ok(text) => members.add_text(text),
                        Err(what) => cursor.did_not_expand(at, what)?,
                    }
                    return Ok(());
                }
                _ => cursor.rewind(),
            }
        }
        let Hashing(hash) = self.hash.get_or_insert_with(|| Hashing(Box::default()));
        self.string.run(cursor, &mut tools.first, true, |part| hash.update(part))?;
        let tag = hash.digest();
        self.hash = None;
        members.add(tag);
        Ok(())
    }

    /// Reads an element part by part and tells it so; what was read of it is done with.
    fn tell_parts<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
    ) -> Result<(), Stop> {
        let parts = self.shape.parts();
        let names = self.shape.names();
        let mut end = Told::End { score: None };
        while let Some(part) = parts.get(self.part) {
            let at = cursor.offset();
            let wrong = match part {
                Part::String => {
                    let is_name = names == Some(self.part);
                    self.tell_string(cursor, tools, teller, is_name)?;
                    None
                }
                Part::ScoreText | Part::ScoreBinary => {
                    let is_text = matches!(part, Part::ScoreText);
                    let (score, wrong) = if is_text { score_text(cursor)? } else { score_binary(cursor)? };
                    let is_none = matches!(wrong, Some((OddityKind::ScoreNotANumber | OddityKind::UnreadableScore, _)));
                    end = if is_none { Told::Dropped } else { Told::End { score: Some(score) } };
                    wrong
                }
                Part::ExpiryRelative | Part::ExpiryAbsolute => {
                    let is_relative = matches!(part, Part::ExpiryRelative);
                    let (expire_ms, wrong) =
                        if is_relative { expiry_relative(cursor, self.earliest)? } else { expiry_absolute(cursor)? };
                    self.expire_ms = expire_ms;
                    wrong
                }
                Part::ExpiryBehind => {
                    let (expire_ms, wrong) = expiry_behind(cursor)?;
                    self.expire_ms = expire_ms;
                    wrong
                }
            };
            if let Some((kind, what)) = wrong {
                teller.odd_as(kind, what, at, None)?;
            }
            cursor.commit();
            self.part += 1;
        }
        match self.waiting.take() {
            Some(waiting) => {
                if !waiting.tell(self.expire_ms, teller.visit) {
                    teller.odd_as(OddityKind::UnreadableValue, LOST, cursor.offset(), None)?;
                }
            }
            None => teller.visit.part(end),
        }
        (self.part, self.in_parts, self.expire_ms) = (0, false, None);
        Ok(())
    }

    /// Tells a string in parts, and compares it if it is a name.
    fn tell_string<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
        is_name: bool,
    ) -> Result<(), Stop> {
        if !self.is_begun {
            let length = match cursor.string_form()? {
                StringForm::Plain(n) => n,
                StringForm::Integer(value) => tools.first.integer(value).len() as u64,
                StringForm::Lzf { expanded, .. } => expanded,
            };
            cursor.rewind();
            let what = match self.shape {
                Shape::List => PartOf::ListElement,
                Shape::Set => PartOf::SetMember,
                Shape::ZsetText | Shape::ZsetBinary => PartOf::ZsetMember,
                _ if is_name => PartOf::HashField { expire_ms: self.expire_ms },
                _ => PartOf::HashValue,
            };
            match &mut self.waiting {
                Some(waiting) if is_name => waiting.field = length,
                Some(_) => {}
                None => teller.visit.part(Told::Begin { what, length }),
            }
            self.is_begun = true;
            self.hash = (is_name && tools.compared.is_some()).then(|| Hashing(Box::default()));
        }
        let (hash, waiting, visit) = (&mut self.hash, &mut self.waiting, &mut *teller.visit);
        self.string.run(cursor, &mut tools.first, true, |part| {
            if let Some(Hashing(hash)) = hash {
                hash.update(part);
            }
            match waiting {
                Some(waiting) => waiting.spool.put(part),
                None => visit.part(Told::Bytes(part)),
            }
        })?;
        self.is_begun = false;
        if let (Some(Hashing(hash)), Some(compared)) = (self.hash.take(), &mut tools.compared) {
            compared.members.add(hash.digest());
        }
        Ok(())
    }

    /// Reads an element whole.
    fn tell<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
    ) -> Result<(), Stop> {
        let limit = tools.limit;
        let start = cursor.offset();
        let (mut expire_ms, mut wrong) = match self.shape {
            Shape::HashExpiryRelative => expiry_relative(cursor, self.earliest)?,
            Shape::HashExpiryAbsolute => expiry_absolute(cursor)?,
            _ => (None, None),
        };
        let first = cursor.string(&mut tools.first, limit)?;
        let mut wrong_at = start;
        let piece = match self.shape {
            Shape::List => Piece::ListElement(first),
            Shape::Set => Piece::SetMember(first),
            Shape::ZsetText | Shape::ZsetBinary => {
                wrong_at = cursor.offset();
                let score;
                (score, wrong) =
                    if self.shape == Shape::ZsetText { score_text(cursor)? } else { score_binary(cursor)? };
                Piece::ZsetMember { member: first, score }
            }
            _ => {
                let value = cursor.string(&mut tools.second, limit)?;
                if self.shape == Shape::HashExpiryBehind {
                    wrong_at = cursor.offset();
                    (expire_ms, wrong) = expiry_behind(cursor)?;
                }
                Piece::HashField { field: first, value, expire_ms }
            }
        };
        if let Some((kind, what)) = wrong {
            teller.odd_as(kind, what, wrong_at, None)?;
        }
        // A sorted set is never told a score that is none.
        if !matches!(wrong, Some((OddityKind::ScoreNotANumber | OddityKind::UnreadableScore, _))) {
            teller.tell(piece);
        }
        add(tools.compared.as_mut().map(|compared| &mut compared.members), first);
        Ok(())
    }
}

/// Members up to so many bytes are waited for, to be hashed at once.
const AT_ONCE: u64 = 4096;

fn add(members: Option<&mut Members>, name: &[u8]) {
    if let Some(members) = members {
        members.add_text(name);
    }
}
