//! Zipmap (hashes of Redis 2.x): one byte of count (254 and more = count by walking), then key length, key, value length,
//! one byte of how many bytes are free behind the value, value, free bytes; 0xFF at the end.

use super::element::{Bad, bad};

const OVERRUN: &str = "zipmap entry longer than its zipmap";

/// A field and its value.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// Walks a zipmap.
pub(crate) struct Zipmap<'a> {
    blob: &'a [u8],
    at: usize,
    walked: usize,
}

impl<'a> Zipmap<'a> {
    /// Checks the frame.
    pub(crate) fn new(blob: &'a [u8]) -> Result<Self, Bad> {
        if blob.len() < 2 {
            return bad(0, "zipmap shorter than its header");
        }
        if blob.last() != Some(&0xff) {
            return bad(blob.len() - 1, "zipmap without its end byte");
        }
        Ok(Self { blob, at: 1, walked: 0 })
    }

    /// The next field and value.
    pub(crate) fn next(&mut self) -> Result<Option<Pair<'a>>, Bad> {
        if self.blob.get(self.at) == Some(&0xff) {
            if self.at + 1 != self.blob.len() {
                return bad(self.at, "zipmap ends before its last byte");
            }
            if self.blob[0] < 254 && usize::from(self.blob[0]) != self.walked {
                return bad(0, "zipmap claims another number of fields than there are");
            }
            return Ok(None);
        }
        let n = self.length()?;
        let field = self.bytes(n)?;
        let n = self.length()?;
        let free = usize::from(self.bytes(1)?[0]);
        let value = self.bytes(n)?;
        self.bytes(free)?;
        self.walked += 1;
        Ok(Some((field, value)))
    }

    fn length(&mut self) -> Result<usize, Bad> {
        match self.bytes(1)?[0] {
            0xff => bad(self.at - 1, "zipmap entry without a value"),
            0xfe => match *self.bytes(4)? {
                [a, b, c, d] => Ok(u32::from_le_bytes([a, b, c, d]) as usize),
                _ => bad(self.at, OVERRUN),
            },
            short => Ok(usize::from(short)),
        }
    }

    fn bytes(&mut self, n: usize) -> Result<&'a [u8], Bad> {
        // The end byte must still come. Lengths are 32 bits wide and the sum is made in 64.
        let Some(end) = self.at.checked_add(n).filter(|end| *end < self.blob.len()) else {
            return bad(self.at, OVERRUN);
        };
        let bytes = &self.blob[self.at..end];
        self.at = end;
        Ok(bytes)
    }
}
