//! One element of a packed encoding.

use crate::rdb::oddity::OddityKind;
use crate::rdb::text::{self, IntegerText, ScoreText};

/// What a ziplist or listpack holds in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element<'a> {
    Bytes(&'a [u8]),
    /// Stands for its decimal text.
    Integer(i64),
}

/// What is wrong with a blob, and at which of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bad {
    pub(crate) at: usize,
    pub(crate) what: &'static str,
}

impl<'a> Element<'a> {
    /// The element as bytes; a number is written into `buffer`.
    #[inline]
    pub(crate) fn text<'t>(self, buffer: &'t mut IntegerText) -> &'t [u8]
    where
        'a: 't,
    {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Integer(value) => text::integer(value, buffer),
        }
    }

    /// The element as a score.
    #[inline]
    pub(crate) fn score(self) -> ScoreText {
        match self {
            Self::Bytes(bytes) => text::score(bytes),
            Self::Integer(value) => ScoreText::Plain(value as f64),
        }
    }

    /// Bytes of its text; of a number about as many.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Integer(_) => 20,
        }
    }

    /// The element as a number, also if it is written as text (a writer may leave it so): as servers read it, who take no `01`, `+1` or
    /// `-0` and die of them (`string2ll`).
    pub(crate) fn integer(self) -> Option<i64> {
        match self {
            Self::Bytes(bytes) => {
                let number = std::str::from_utf8(bytes).ok()?.parse().ok()?;
                (text::integer(number, &mut [0; 20]) == bytes).then_some(number)
            }
            Self::Integer(value) => Some(value),
        }
    }
}

/// The frame of a ziplist or listpack does not fit the string around it.
pub(crate) const SIZE: &str = "header gives another size than the string that holds it";

/// Ziplist and listpack begin with their size.
#[inline]
pub(crate) fn frame_size(blob: &[u8]) -> Result<(), Bad> {
    match blob.first_chunk::<4>() {
        Some(size) if u32::from_le_bytes(*size) as usize != blob.len() => bad(0, SIZE),
        _ => Ok(()),
    }
}

#[cold]
pub(crate) fn bad<T>(at: usize, what: &'static str) -> Result<T, Bad> {
    Err(Bad { at, what })
}

/// What is wrong with a score.
pub(crate) const NOT_A_NUMBER: &str = "a score that is not a number";

/// What is wrong with a field that has no value, or a member that has no score.
pub(crate) const ODD: &str = "an element without its partner";

/// A score in a packed value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Score {
    pub(super) number: Option<f64>,
    pub(super) odd: Option<OddityKind>,
}

/// What an element is as a score.
#[inline]
pub(super) fn packed_score(element: Element<'_>, reads_on: bool) -> Result<Score, &'static str> {
    let odd = |number| Score { number: Some(number), odd: Some(OddityKind::OddScoreText) };
    Ok(match element.score() {
        ScoreText::Plain(score) => Score { number: Some(score), odd: None },
        odd if !reads_on => return Err(if odd.is_number() { "a score in an odd form" } else { NOT_A_NUMBER }),
        ScoreText::Odd(score) => odd(score),
        // Servers read it with `strtod`, which calls it zero.
        ScoreText::Unreadable => odd(0.0),
        ScoreText::NotANumber => Score { number: None, odd: Some(OddityKind::ScoreNotANumber) },
    })
}
