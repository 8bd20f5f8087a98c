//! Scores of members and expiries of fields, in every form that they stand in, and what is wrong with them.

use super::element::NOT_A_NUMBER;
use crate::rdb::cursor::Cursor;
use crate::rdb::error::Stop;
use crate::rdb::oddity::OddityKind;
use crate::rdb::text::{self, ScoreText};

/// The latest expiry of a hash field that Redis accepts (`EB_EXPIRE_TIME_MAX`).
pub(crate) const LATEST_EXPIRY: i64 = (1 << 48) - 1;

/// What is wrong with a score or an expiry.
pub(super) type Wrong = Option<(OddityKind, &'static str)>;

pub(super) fn score_text(cursor: &mut Cursor<'_>) -> Result<(f64, Wrong), Stop> {
    let not_a_number = Some((OddityKind::ScoreNotANumber, NOT_A_NUMBER));
    match cursor.byte()? {
        255 => Ok((f64::NEG_INFINITY, None)),
        254 => Ok((f64::INFINITY, None)),
        253 => Ok((f64::NAN, not_a_number)),
        n => Ok(match text::score(cursor.take(u64::from(n))?) {
            ScoreText::Plain(score) => (score, None),
            ScoreText::Odd(score) => (score, Some((OddityKind::OddScoreText, OddityKind::OddScoreText.words()))),
            ScoreText::NotANumber => (f64::NAN, not_a_number),
            ScoreText::Unreadable => (f64::NAN, Some((OddityKind::UnreadableScore, NOT_A_NUMBER))),
        }),
    }
}

#[inline]
pub(super) fn score_binary(cursor: &mut Cursor<'_>) -> Result<(f64, Wrong), Stop> {
    let score = cursor.f64_le()?;
    Ok((score, score.is_nan().then_some((OddityKind::ScoreNotANumber, NOT_A_NUMBER))))
}

const RANGE: Wrong = Some((OddityKind::FieldExpiryRange, "expiry of a hash field out of range"));

pub(super) fn expiry_relative(cursor: &mut Cursor<'_>, earliest: i64) -> Result<(Option<i64>, Wrong), Stop> {
    let relative = cursor.length()?;
    if relative == 0 {
        return Ok((None, None));
    }
    Ok(match i64::try_from(relative - 1).ok().and_then(|relative| earliest.checked_add(relative)) {
        Some(expiry) if expiry <= LATEST_EXPIRY => (Some(expiry), None),
        expiry => (expiry, RANGE),
    })
}

pub(super) fn expiry_absolute(cursor: &mut Cursor<'_>) -> Result<(Option<i64>, Wrong), Stop> {
    Ok(match i64::try_from(cursor.length()?) {
        Ok(0) => (None, None),
        Ok(expiry) if expiry <= LATEST_EXPIRY => (Some(expiry), None),
        expiry => (expiry.ok(), RANGE),
    })
}

pub(super) fn expiry_behind(cursor: &mut Cursor<'_>) -> Result<(Option<i64>, Wrong), Stop> {
    Ok(match cursor.i64_le()? {
        -1 => (None, None),
        expiry if expiry >= 0 => (Some(expiry), None),
        expiry => (Some(expiry), RANGE),
    })
}
