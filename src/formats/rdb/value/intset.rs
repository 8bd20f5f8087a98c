//! Intset: u32 width of a number (2, 4, 8), u32 count, the numbers, strictly ascending.

use super::element::{Bad, bad};

/// An intset that was walked.
pub(crate) struct Walked {
    pub(crate) count: u64,
    /// The first number that is not greater than the one before it.
    pub(crate) unsorted: Option<usize>,
}

/// Tells the numbers of an intset after checking its frame.
pub(crate) fn walk(blob: &[u8], mut tell: impl FnMut(i64)) -> Result<Walked, Bad> {
    let Some(([w0, w1, w2, w3, c0, c1, c2, c3], numbers)) = blob.split_first_chunk::<8>() else {
        return bad(0, "integer set shorter than its header");
    };
    let width = u32::from_le_bytes([*w0, *w1, *w2, *w3]);
    let count = u64::from(u32::from_le_bytes([*c0, *c1, *c2, *c3]));
    if !matches!(width, 2 | 4 | 8) {
        return bad(0, "integer set with a width other than 2, 4 or 8");
    }
    if numbers.len() as u64 != count * u64::from(width) {
        return bad(4, "integer set claims another number of members than there are");
    }
    let mut before = None;
    let mut unsorted = None;
    let mut next = |at: usize, value: i64| {
        if before.is_some_and(|before| before >= value) {
            unsorted.get_or_insert(8 + at);
        }
        before = Some(value);
        tell(value);
    };
    match width {
        2 => {
            numbers.as_chunks::<2>().0.iter().enumerate().for_each(|(i, n)| next(2 * i, i16::from_le_bytes(*n).into()))
        }
        4 => {
            numbers.as_chunks::<4>().0.iter().enumerate().for_each(|(i, n)| next(4 * i, i32::from_le_bytes(*n).into()))
        }
        _ => numbers.as_chunks::<8>().0.iter().enumerate().for_each(|(i, n)| next(8 * i, i64::from_le_bytes(*n))),
    }
    Ok(Walked { count, unsorted })
}
