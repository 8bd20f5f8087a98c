//! Lists, sets, hashes and sorted sets whose elements stand one by one.

use super::string::Passage;
use super::{Teller, Tools};
use crate::rdb::cursor::Cursor;
use crate::rdb::error::Stop;
use crate::rdb::text;
use crate::rdb::visit::{Piece, Visit};

/// The latest expiry of a hash field that Redis accepts (`EB_EXPIRE_TIME_MAX`).
pub(crate) const LATEST_EXPIRY: i64 = (1 << 48) - 1;

/// What an element consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    List,
    Set,
    /// Member, score as text behind a byte of length.
    ZsetText,
    /// Member, score of eight bytes.
    ZsetBinary,
    Hash,
    /// Type 24: the earliest expiry before the count; then expiry relative to it plus one (0 = none), field, value.
    HashExpiryRelative,
    /// Redis' type 22: expiry (0 = none), field, value.
    HashExpiryAbsolute,
    /// Valkey's type 22: field, value, expiry (-1 = none).
    HashExpiryBehind,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    String,
    ScoreText,
    ScoreBinary,
    ExpiryRelative,
    ExpiryAbsolute,
    ExpiryBehind,
}

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
}

impl Shape {
    const fn parts(self) -> &'static [Part] {
        match self {
            Self::List | Self::Set => &[Part::String],
            Self::ZsetText => &[Part::String, Part::ScoreText],
            Self::ZsetBinary => &[Part::String, Part::ScoreBinary],
            Self::Hash => &[Part::String, Part::String],
            Self::HashExpiryRelative => &[Part::ExpiryRelative, Part::String, Part::String],
            Self::HashExpiryAbsolute => &[Part::ExpiryAbsolute, Part::String, Part::String],
            Self::HashExpiryBehind => &[Part::String, Part::String, Part::ExpiryBehind],
        }
    }
}

impl Elements {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, counted: false, left: 0, earliest: 0, part: 0, string: Passage::default() }
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
                    return Err(Stop::corrupt(at, "earliest expiry of a hash out of range"));
                }
            }
            self.left = cursor.length()?;
            self.counted = true;
            cursor.commit();
        }
        while self.left > 0 {
            if teller.pieces {
                self.tell(cursor, tools, teller)?;
                cursor.commit();
            } else {
                self.pass(cursor, tools)?;
            }
            self.left -= 1;
            *n_elements += 1;
        }
        Ok(())
    }

    /// Reads an element part by part; what was read of it is done with.
    #[inline]
    fn pass(&mut self, cursor: &mut Cursor<'_>, tools: &mut Tools) -> Result<(), Stop> {
        let parts = self.shape.parts();
        while let Some(part) = parts.get(self.part) {
            match part {
                Part::String => self.string.run(cursor, &mut tools.first, false, |_| {})?,
                Part::ScoreText => _ = score_text(cursor)?,
                Part::ScoreBinary => _ = score_binary(cursor)?,
                Part::ExpiryRelative => _ = expiry_relative(cursor, self.earliest)?,
                Part::ExpiryAbsolute => _ = expiry_absolute(cursor)?,
                Part::ExpiryBehind => _ = expiry_behind(cursor)?,
            }
            cursor.commit();
            self.part += 1;
        }
        self.part = 0;
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
        let mut expire_ms = match self.shape {
            Shape::HashExpiryRelative => expiry_relative(cursor, self.earliest)?,
            Shape::HashExpiryAbsolute => expiry_absolute(cursor)?,
            _ => None,
        };
        let first = cursor.string(&mut tools.first, limit)?;
        teller.tell(match self.shape {
            Shape::List => Piece::ListElement(first),
            Shape::Set => Piece::SetMember(first),
            Shape::ZsetText => Piece::ZsetMember { member: first, score: score_text(cursor)? },
            Shape::ZsetBinary => Piece::ZsetMember { member: first, score: score_binary(cursor)? },
            _ => {
                let value = cursor.string(&mut tools.second, limit)?;
                if self.shape == Shape::HashExpiryBehind {
                    expire_ms = expiry_behind(cursor)?;
                }
                Piece::HashField { field: first, value, expire_ms }
            }
        });
        Ok(())
    }
}

fn score_text(cursor: &mut Cursor<'_>) -> Result<f64, Stop> {
    let at = cursor.offset();
    match cursor.byte()? {
        255 => Ok(f64::NEG_INFINITY),
        254 => Ok(f64::INFINITY),
        253 => Err(Stop::corrupt(at, "a score that is not a number")),
        n => {
            let text = cursor.take(u64::from(n))?;
            text::score(text).ok_or_else(|| Stop::corrupt(at, "a score that is not a number"))
        }
    }
}

#[inline]
fn score_binary(cursor: &mut Cursor<'_>) -> Result<f64, Stop> {
    let at = cursor.offset();
    let score = cursor.f64_le()?;
    if score.is_nan() { Err(Stop::corrupt(at, "a score that is not a number")) } else { Ok(score) }
}

fn expiry_relative(cursor: &mut Cursor<'_>, earliest: i64) -> Result<Option<i64>, Stop> {
    let at = cursor.offset();
    let relative = cursor.length()?;
    if relative == 0 {
        return Ok(None);
    }
    match i64::try_from(relative - 1).ok().and_then(|relative| earliest.checked_add(relative)) {
        Some(expiry) if expiry <= LATEST_EXPIRY => Ok(Some(expiry)),
        _ => Err(Stop::corrupt(at, "expiry of a hash field out of range")),
    }
}

fn expiry_absolute(cursor: &mut Cursor<'_>) -> Result<Option<i64>, Stop> {
    let at = cursor.offset();
    match i64::try_from(cursor.length()?) {
        Ok(0) => Ok(None),
        Ok(expiry) if expiry <= LATEST_EXPIRY => Ok(Some(expiry)),
        _ => Err(Stop::corrupt(at, "expiry of a hash field out of range")),
    }
}

fn expiry_behind(cursor: &mut Cursor<'_>) -> Result<Option<i64>, Stop> {
    let at = cursor.offset();
    match cursor.i64_le()? {
        -1 => Ok(None),
        expiry if expiry >= 0 => Ok(Some(expiry)),
        _ => Err(Stop::corrupt(at, "expiry of a hash field out of range")),
    }
}
