//! One element after the other of a listpack or a ziplist of which only a part is there.

use super::Halt;
use crate::rdb::cursor::Cursor;
use crate::rdb::error::Stop;
use crate::rdb::value::element::{Element, SIZE, bad};

const BACK: &str = "listpack element with a wrong length behind it";

/// How the elements are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rdb::value) enum Form {
    Listpack,
    Ziplist,
}

/// Where in the blob we are.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Place {
    /// Bytes of the blob that were read.
    pub(super) at: u64,
    walked: u64,
    /// Where the last entry of a ziplist began, and where it is said to begin.
    last: u64,
    tail: u64,
    announced: u64,
    /// Of a long element: bytes that are to come, and all bytes that its length in a listpack counts.
    pub(super) long_left: u64,
    long_total: u64,
}

impl Place {
    pub(super) fn position(self) -> usize {
        usize::try_from(self.at).unwrap_or(usize::MAX)
    }

    pub(super) fn pass(&mut self, n: u64) {
        self.at += n;
        self.long_left -= n;
    }
}

/// What comes next.
pub(super) enum Got<'a> {
    End,
    Whole(Element<'a>),
    /// An element of so many bytes, which come next.
    Long(u64),
}

/// The head of an element.
enum Head {
    /// A number that stands in the head itself.
    Here(i64),
    /// A number of so many bytes behind the head.
    Number(u64),
    /// A text of so many bytes behind the head.
    Text(u64),
}

/// A view of the bytes that are there.
pub(super) struct Walk<'w, 'a> {
    pub(super) cursor: &'w mut Cursor<'a>,
    pub(super) place: &'w mut Place,
    pub(super) form: Form,
    pub(super) length: u64,
}

impl<'a> Walk<'_, 'a> {
    pub(super) fn position(&self) -> usize {
        self.place.position()
    }

    fn bad<T>(&self, what: &'static str) -> Result<T, Halt> {
        Ok(bad(self.position(), what)?)
    }

    fn overrun(&self) -> &'static str {
        match self.form {
            Form::Listpack => "listpack element longer than its listpack",
            Form::Ziplist => "ziplist entry longer than its ziplist",
        }
    }

    /// Bytes before the end byte.
    fn room(&self) -> u64 {
        self.length - 1 - self.place.at.min(self.length - 1)
    }

    /// So many bytes of the blob.
    fn take(&mut self, n: u64) -> Result<&'a [u8], Halt> {
        if n > self.room() {
            return self.bad(self.overrun());
        }
        let bytes = self.cursor.take(n)?;
        self.place.at += n;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Halt> {
        let bytes = self.take(N as u64)?;
        bytes.as_array::<N>().copied().ok_or(Halt::Stop(Stop::More(N as u64)))
    }

    /// Sizes and counts at the beginning.
    pub(super) fn head(&mut self) -> Result<(), Halt> {
        let size = u32::from_le_bytes(self.array()?);
        if u64::from(size) != self.length {
            return Ok(bad(0, SIZE)?);
        }
        if self.form == Form::Ziplist {
            self.place.tail = u64::from(u32::from_le_bytes(self.array()?));
            if self.place.tail < 10 || self.place.tail >= self.length {
                return Ok(bad(4, "ziplist tail outside of the ziplist")?);
            }
            self.place.last = 10;
        }
        self.place.announced = u64::from(u16::from_le_bytes(self.array()?));
        Ok(())
    }

    /// The next element. Of one of more than `held` bytes only the head is read.
    pub(super) fn next(&mut self, held: u64) -> Result<Got<'a>, Halt> {
        if self.room() == 0 {
            return self.end();
        }
        let start = self.place.at;
        if self.form == Form::Ziplist {
            self.before(start)?;
        }
        let head_at = self.place.at;
        let head = if self.form == Form::Ziplist { self.ziplist_head()? } else { self.listpack_head()? };
        let n = match head {
            Head::Here(_) => 0,
            Head::Number(n) | Head::Text(n) => n,
        };
        let total = self.place.at - head_at + n;
        // The length behind an element of a listpack must still come.
        if n + self.behind(total) > self.room() {
            self.place.at = start;
            return self.bad(self.overrun());
        }
        self.place.last = start;
        let element = match head {
            Head::Here(value) => Element::Integer(value),
            Head::Text(n) if n > held => {
                (self.place.long_left, self.place.long_total) = (n, total);
                return Ok(Got::Long(n));
            }
            Head::Text(n) => Element::Bytes(self.take(n)?),
            Head::Number(n) => {
                let bytes = self.take(n)?;
                let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
                let mut wide = [if is_negative { 0xff } else { 0 }; 8];
                wide[..bytes.len()].copy_from_slice(bytes);
                Element::Integer(i64::from_le_bytes(wide))
            }
        };
        self.back(total)?;
        self.place.walked += 1;
        Ok(Got::Whole(element))
    }

    /// The next element, which has to be there.
    pub(super) fn element(&mut self, held: u64, missing: &'static str) -> Result<Element<'a>, Halt> {
        let at = self.position();
        match self.next(held)? {
            Got::Whole(element) => Ok(element),
            Got::Long(_) => Err(Halt::Long),
            Got::End => Ok(bad(at, missing)?),
        }
    }

    /// What stands behind a long element.
    pub(super) fn end_long(&mut self) -> Result<(), Halt> {
        self.back(self.place.long_total)?;
        self.place.walked += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<Got<'a>, Halt> {
        if self.cursor.byte()? != 0xff {
            return self.bad(if self.form == Form::Ziplist {
                "ziplist without its end byte"
            } else {
                "listpack without its end byte"
            });
        }
        let Place { announced, walked, tail, last, .. } = *self.place;
        if announced != 65535 && announced != walked {
            return Ok(match self.form {
                Form::Listpack => bad(4, "listpack header claims another number of elements than there are")?,
                Form::Ziplist => bad(8, "ziplist header claims another number of entries than there are")?,
            });
        }
        if self.form == Form::Ziplist && tail != last {
            return Ok(bad(4, "ziplist tail is not its last entry")?);
        }
        self.place.at += 1;
        Ok(Got::End)
    }

    /// The length of the entry before, which begins every entry of a ziplist.
    fn before(&mut self, start: u64) -> Result<(), Halt> {
        let before = match self.array::<1>()? {
            [0xff] => return Ok(bad(self.position() - 1, "ziplist ends before its last byte")?),
            [0xfe] => u64::from(u32::from_le_bytes(self.array()?)),
            [short] => u64::from(short),
        };
        if before != if self.place.walked == 0 { 0 } else { start - self.place.last } {
            self.place.at = start;
            return self.bad("ziplist entry with a wrong length of the entry before it");
        }
        Ok(())
    }

    fn ziplist_head(&mut self) -> Result<Head, Halt> {
        let [first] = self.array()?;
        Ok(match first {
            0..0x40 => Head::Text(u64::from(first)),
            0x40..0x80 => {
                let [low] = self.array()?;
                Head::Text(u64::from(first & 63) << 8 | u64::from(low))
            }
            0x80 => Head::Text(u64::from(u32::from_be_bytes(self.array()?))),
            0xc0 => Head::Number(2),
            0xd0 => Head::Number(4),
            0xe0 => Head::Number(8),
            0xf0 => Head::Number(3),
            0xfe => Head::Number(1),
            0xf1..=0xfd => Head::Here(i64::from(first & 15) - 1),
            _ => return Ok(bad(self.position() - 1, "unknown encoding of a ziplist entry")?),
        })
    }

    fn listpack_head(&mut self) -> Result<Head, Halt> {
        let [first] = self.array()?;
        Ok(match first {
            0..0x80 => Head::Here(i64::from(first)),
            0x80..0xc0 => Head::Text(u64::from(first & 63)),
            0xc0..0xe0 => {
                let [low] = self.array()?;
                Head::Here((i64::from(first & 31) << 8 | i64::from(low)) << 51 >> 51)
            }
            0xe0..0xf0 => {
                let [low] = self.array()?;
                Head::Text(u64::from(first & 15) << 8 | u64::from(low))
            }
            0xf0 => Head::Text(u64::from(u32::from_le_bytes(self.array()?))),
            0xf1 => Head::Number(2),
            0xf2 => Head::Number(3),
            0xf3 => Head::Number(4),
            0xf4 => Head::Number(8),
            0xff => return Ok(bad(self.position() - 1, "listpack ends before its last byte")?),
            _ => return Ok(bad(self.position() - 1, "unknown encoding of a listpack element")?),
        })
    }

    /// How many bytes the length behind an element has.
    fn behind(&self, total: u64) -> u64 {
        match total {
            _ if self.form == Form::Ziplist => 0,
            0..0x80 => 1,
            0x80..0x4000 => 2,
            0x4000..0x20_0000 => 3,
            0x20_0000..0x1000_0000 => 4,
            _ => 5,
        }
    }

    /// The length behind an element of a listpack: groups of seven bits, highest first, bit 7 on all but the first.
    fn back(&mut self, total: u64) -> Result<(), Halt> {
        let groups = self.behind(total);
        let at = self.position();
        let mut value = 0;
        for (index, byte) in self.take(groups)?.iter().enumerate() {
            if (byte & 0x80 == 0) != (index == 0) {
                return Ok(bad(at, BACK)?);
            }
            value = value << 7 | u64::from(byte & 127);
        }
        if groups == 0 || value == total { Ok(()) } else { Ok(bad(at, BACK)?) }
    }
}
