//! Ziplist (up to Redis 6.2): u32 total bytes, u32 offset of the last entry, u16 count (65535 = count by walking), entries,
//! 0xFF. An entry begins with the length of the one before it.

use super::element::{Bad, Element, bad, frame_size};

const OVERRUN: &str = "ziplist entry longer than its ziplist";

/// Walks a ziplist from its head.
pub(crate) struct Ziplist<'a> {
    blob: &'a [u8],
    at: usize,
    last: usize,
    tail: usize,
    walked: usize,
    announced: usize,
}

impl<'a> Ziplist<'a> {
    /// Checks the frame.
    pub(crate) fn new(blob: &'a [u8]) -> Result<Self, Bad> {
        frame_size(blob)?;
        let Some(([_, _, _, _, l0, l1, l2, l3, c0, c1], rest)) = blob.split_first_chunk::<10>() else {
            return bad(0, "ziplist shorter than its header");
        };
        if rest.last() != Some(&0xff) {
            return bad(blob.len() - 1, "ziplist without its end byte");
        }
        let tail = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        if tail < 10 || tail >= blob.len() {
            return bad(4, "ziplist tail outside of the ziplist");
        }
        let announced = usize::from(u16::from_le_bytes([*c0, *c1]));
        Ok(Self { blob, at: 10, last: 10, tail, walked: 0, announced })
    }

    /// Where the next entry stands in the blob.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The next element; none at the end, once count and tail were found right.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Element<'a>>, Bad> {
        let start = self.at;
        let before = match self.blob.get(start) {
            Some(0xff) => return self.end(),
            Some(0xfe) => match self.blob[start + 1..].first_chunk::<4>() {
                Some(wide) => {
                    self.at += 5;
                    u32::from_le_bytes(*wide) as usize
                }
                None => return bad(start, OVERRUN),
            },
            Some(short) => {
                self.at += 1;
                usize::from(*short)
            }
            None => return bad(start, OVERRUN),
        };
        if before != if self.walked == 0 { 0 } else { start - self.last } {
            return bad(start, "ziplist entry with a wrong length of the entry before it");
        }
        let (element, length) = self.entry()?;
        self.at += length;
        // The end byte must still come.
        if self.at >= self.blob.len() {
            return bad(start, OVERRUN);
        }
        self.last = start;
        self.walked += 1;
        Ok(Some(element))
    }

    fn end(&self) -> Result<Option<Element<'a>>, Bad> {
        if self.at + 1 != self.blob.len() {
            return bad(self.at, "ziplist ends before its last byte");
        }
        if self.announced != 65535 && self.announced != self.walked {
            return bad(8, "ziplist header claims another number of entries than there are");
        }
        if self.tail != self.last {
            return bad(4, "ziplist tail is not its last entry");
        }
        Ok(None)
    }

    fn entry(&self) -> Result<(Element<'a>, usize), Bad> {
        let Some((&first, rest)) = self.blob[self.at..].split_first() else { return bad(self.at, OVERRUN) };
        let string = |head: usize, n: usize| -> Result<(Element<'a>, usize), Bad> {
            match rest.get(head..).and_then(|rest| rest.get(..n)) {
                Some(bytes) => Ok((Element::Bytes(bytes), 1 + head + n)),
                None => bad(self.at, OVERRUN),
            }
        };
        let number = |n: usize| -> Result<(Element<'a>, usize), Bad> {
            let Some(bytes) = rest.get(..n) else { return bad(self.at, OVERRUN) };
            let mut wide = [if bytes[n - 1] & 0x80 == 0 { 0 } else { 0xff }; 8];
            wide[..n].copy_from_slice(bytes);
            Ok((Element::Integer(i64::from_le_bytes(wide)), 1 + n))
        };
        match first {
            0..0x40 => string(0, usize::from(first)),
            0x40..0x80 => {
                string(1, usize::from(first & 63) << 8 | usize::from(rest.first().copied().unwrap_or_default()))
            }
            0x80 => match rest.first_chunk::<4>() {
                Some(n) => string(4, u32::from_be_bytes(*n) as usize),
                None => bad(self.at, OVERRUN),
            },
            0xc0 => number(2),
            0xd0 => number(4),
            0xe0 => number(8),
            0xf0 => number(3),
            0xfe => number(1),
            0xf1..=0xfd => Ok((Element::Integer(i64::from(first & 15) - 1), 1)),
            _ => bad(self.at, "unknown encoding of a ziplist entry"),
        }
    }
}
