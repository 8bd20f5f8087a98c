//! One element of a packed encoding.

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

    /// The element as a number, also if it is written as text (a writer may leave it so).
    pub(crate) fn integer(self) -> Option<i64> {
        match self {
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
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
