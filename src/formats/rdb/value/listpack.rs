//! Listpack (Redis 7.0+, and the nodes of all streams): u32 total bytes, u16 count (65535 = count by walking), elements,
//! 0xFF. An element is followed by its own length, so that it can be walked backwards as well.

use super::element::{Bad, Element, bad, frame_size};

const OVERRUN: &str = "listpack element longer than its listpack";
const BACK: &str = "listpack element with a wrong length behind it";

/// Walks a listpack from its head.
pub(crate) struct Listpack<'a> {
    blob: &'a [u8],
    at: usize,
    walked: usize,
    announced: usize,
}

impl<'a> Listpack<'a> {
    /// Checks the frame.
    pub(crate) fn new(blob: &'a [u8]) -> Result<Self, Bad> {
        frame_size(blob)?;
        let Some(([_, _, _, _, c0, c1], rest)) = blob.split_first_chunk::<6>() else {
            return bad(0, "listpack shorter than its header");
        };
        if rest.last() != Some(&0xff) {
            return bad(blob.len() - 1, "listpack without its end byte");
        }
        let announced = usize::from(u16::from_le_bytes([*c0, *c1]));
        Ok(Self { blob, at: 6, walked: 0, announced })
    }

    /// Walks again from an element of a listpack whose frame was checked.
    pub(crate) fn at(blob: &'a [u8], at: usize) -> Self {
        Self { blob, at, walked: 0, announced: 65535 }
    }

    pub(crate) fn size(&self) -> usize {
        self.blob.len()
    }

    /// Where the next element stands in the blob.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The next element; none at the end, once the count was found right.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Element<'a>>, Bad> {
        let Some(&first) = self.blob.get(self.at) else { return bad(self.at, OVERRUN) };
        let (element, length) = match first {
            0..0x80 => (Element::Integer(i64::from(first)), 1),
            0x80..0xc0 => {
                let n = usize::from(first & 63);
                let Some(bytes) = self.blob.get(self.at + 1..self.at + 1 + n) else { return bad(self.at, OVERRUN) };
                (Element::Bytes(bytes), 1 + n)
            }
            0xff => return self.end(),
            _ => self.wide(first)?,
        };
        // The last byte of the blob is the end byte: an element that reaches into it finds no room for its length.
        let behind = self.at + length;
        if length < 128 {
            if self.blob.get(behind) != Some(&(length as u8)) || behind + 1 >= self.blob.len() {
                return bad(behind, BACK);
            }
            self.at = behind + 1;
        } else {
            self.at = self.back(behind, length)?;
        }
        self.walked += 1;
        Ok(Some(element))
    }

    fn end(&self) -> Result<Option<Element<'a>>, Bad> {
        if self.at + 1 != self.blob.len() {
            return bad(self.at, "listpack ends before its last byte");
        }
        if self.announced != 65535 && self.announced != self.walked {
            return bad(4, "listpack header claims another number of elements than there are");
        }
        Ok(None)
    }

    fn wide(&self, first: u8) -> Result<(Element<'a>, usize), Bad> {
        let rest = &self.blob[self.at + 1..];
        let number = |n: usize| -> Result<i64, Bad> {
            let Some(bytes) = rest.get(..n) else { return bad(self.at, OVERRUN) };
            let mut wide = [if bytes[n - 1] & 0x80 == 0 { 0 } else { 0xff }; 8];
            wide[..n].copy_from_slice(bytes);
            Ok(i64::from_le_bytes(wide))
        };
        let string = |head: usize, n: usize| -> Result<(Element<'a>, usize), Bad> {
            match rest.get(head..).and_then(|rest| rest.get(..n)) {
                Some(bytes) => Ok((Element::Bytes(bytes), 1 + head + n)),
                None => bad(self.at, OVERRUN),
            }
        };
        let next = usize::from(rest.first().copied().unwrap_or_default());
        match first {
            0xc0..0xe0 => {
                let value = (i64::from(first & 31) << 8 | next as i64) << 51 >> 51;
                Ok((Element::Integer(value), 2))
            }
            0xe0..0xf0 => string(1, usize::from(first & 15) << 8 | next),
            0xf0 => match rest.first_chunk::<4>() {
                Some(n) => string(4, u32::from_le_bytes(*n) as usize),
                None => bad(self.at, OVERRUN),
            },
            0xf1 => Ok((Element::Integer(number(2)?), 3)),
            0xf2 => Ok((Element::Integer(number(3)?), 4)),
            0xf3 => Ok((Element::Integer(number(4)?), 5)),
            0xf4 => Ok((Element::Integer(number(8)?), 9)),
            _ => bad(self.at, "unknown encoding of a listpack element"),
        }
    }

    /// Checks a length of two to five bytes behind an element: groups of seven bits, highest first, bit 7 on all but the
    /// first. Gives where the next element stands.
    fn back(&self, behind: usize, length: usize) -> Result<usize, Bad> {
        let groups = match length {
            0..0x80 => 1,
            0x80..0x4000 => 2,
            0x4000..0x20_0000 => 3,
            0x20_0000..0x1000_0000 => 4,
            _ => 5,
        };
        // The end byte must still come.
        if behind + groups >= self.blob.len() {
            return bad(self.at, OVERRUN);
        }
        let mut value = 0;
        for (index, byte) in self.blob[behind..behind + groups].iter().enumerate() {
            if (byte & 0x80 == 0) != (index == 0) {
                return bad(behind, BACK);
            }
            value = value << 7 | usize::from(byte & 127);
        }
        if value == length { Ok(behind + groups) } else { bad(behind, BACK) }
    }
}
