//! Reading lengths, strings and numbers from a slice that may end anywhere.

use super::error::{ErrorKind, Stop};
use super::lzf;
use super::text;

/// A string of this many bytes or more is in no RDB: servers end at 512 MiB by default and at 2^32 in most encodings. It
/// is damage, and no reason to read on to the end of the file.
const ABSURD_LENGTH: u64 = 1 << 40;

/// A compressed string that claims an impossible length may be passed by if it has no more bytes than this.
const SHORT_LIE: u64 = 1 << 16;

/// A place in a slice of the file. What is read between two [`Cursor::commit`]s is one unit: it is there whole, or
/// [`Stop::More`] says how many bytes it needs, and it is read again from its start.
pub(crate) struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
    base: usize,
    origin: u64,
    /// Whether a compressed string that does not expand is read as an empty one.
    is_tolerant: bool,
    /// The first that did not: where it stands, and what is wrong with it.
    unexpanded: Option<(u64, &'static str)>,
}

/// The first bytes of a string.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StringForm {
    /// A plain string of so many bytes.
    Plain(u64),
    /// A number that stands for its decimal text.
    Integer(i64),
    /// An LZF string: its bytes in the file, and its bytes once expanded.
    Lzf { compressed: u64, expanded: u64 },
}

/// A buffer that only grows, so that using it again costs nothing.
#[derive(Debug, Default)]
pub(crate) struct Scratch(pub(crate) Vec<u8>);

impl Scratch {
    /// Gives memory back after a piece of unusual size.
    #[inline]
    pub(crate) fn trim(&mut self, keep: usize) {
        if self.0.capacity() > keep {
            self.0 = Vec::new();
        }
    }

    pub(crate) fn integer(&mut self, value: i64) -> &[u8] {
        let mut buffer = [0; 20];
        let text = text::integer(value, &mut buffer);
        if self.0.len() < text.len() {
            self.0.resize(size_of::<text::IntegerText>(), 0);
        }
        self.0[..text.len()].copy_from_slice(text);
        &self.0[..text.len()]
    }
}

impl<'a> Cursor<'a> {
    /// A cursor on bytes, the first of which stands at `origin` in the file.
    #[inline]
    pub(crate) fn new(data: &'a [u8], origin: u64) -> Self {
        Self { data, at: 0, base: 0, origin, is_tolerant: false, unexpanded: None }
    }

    /// From here on, compressed strings that do not expand are read as empty ones, and the first is kept for [`Cursor::unexpanded`]: it
    /// is known where they end. Or that is over.
    #[inline]
    pub(crate) fn tolerate(&mut self, yes: bool) {
        self.is_tolerant = yes;
    }

    /// The first compressed string that did not expand since this was asked.
    #[inline]
    pub(crate) fn unexpanded(&mut self) -> Option<(u64, &'static str)> {
        self.unexpanded.take()
    }

    /// A compressed string did not expand.
    ///
    /// # Errors
    /// `Corrupt`, unless that is tolerated.
    #[cold]
    pub(crate) fn did_not_expand(&mut self, at: u64, what: &'static str) -> Result<(), Stop> {
        if !self.is_tolerant {
            return Err(Stop::corrupt(at, what));
        }
        self.unexpanded.get_or_insert((at, what));
        Ok(())
    }

    /// Offset in the file of the next byte.
    #[inline]
    pub(crate) fn offset(&self) -> u64 {
        self.origin + self.at as u64
    }

    /// What was read so far is done with.
    #[inline]
    pub(crate) fn commit(&mut self) {
        self.base = self.at;
    }

    /// Bytes done with.
    pub(crate) fn committed(&self) -> usize {
        self.base
    }

    /// Begins the unit again.
    pub(crate) fn rewind(&mut self) {
        self.at = self.base;
    }

    /// Where it is, to come [`Cursor::back_to`].
    pub(crate) fn place(&self) -> usize {
        self.at
    }

    /// Goes back to a place behind the last commit.
    pub(crate) fn back_to(&mut self, place: usize) {
        self.at = place.max(self.base);
    }

    /// Bytes that are there.
    #[inline]
    pub(crate) fn available(&self) -> usize {
        self.data.len() - self.at
    }

    #[cold]
    fn more(&self, n: u64) -> Stop {
        Stop::More(((self.at - self.base) as u64).saturating_add(n))
    }

    /// The next bytes, of this number.
    #[inline]
    pub(crate) fn take(&mut self, n: u64) -> Result<&'a [u8], Stop> {
        if n > self.available() as u64 {
            return Err(self.more(n));
        }
        let from = self.at;
        self.at += n as usize;
        Ok(&self.data[from..self.at])
    }

    /// The bytes that are there, at most so many, and moves behind them.
    pub(crate) fn take_some(&mut self, n: u64) -> &'a [u8] {
        let n = n.min(self.available() as u64) as usize;
        let from = self.at;
        self.at += n;
        &self.data[from..self.at]
    }

    /// Moves behind a string that stands there whole and as it is; else false, and nothing has moved.
    #[inline]
    pub(crate) fn pass_plain_string(&mut self) -> bool {
        let (head, length) = match self.data[self.at..] {
            [first @ 0..0x40, ..] => (1, usize::from(first)),
            [first @ 0x40..0x80, low, ..] => (2, usize::from(first & 63) << 8 | usize::from(low)),
            _ => return false,
        };
        let is_whole = head + length <= self.available();
        if is_whole {
            self.at += head + length;
        }
        is_whole
    }

    /// The bytes that are there, without moving.
    pub(crate) fn peek(&self) -> &'a [u8] {
        &self.data[self.at..]
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, Stop> {
        match self.data.get(self.at) {
            Some(byte) => {
                self.at += 1;
                Ok(*byte)
            }
            None => Err(self.more(1)),
        }
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        match self.data[self.at..].first_chunk::<N>() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => Err(self.more(N as u64)),
        }
    }

    pub(crate) fn i64_le(&mut self) -> Result<i64, Stop> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// A double of eight bytes.
    #[inline]
    pub(crate) fn f64_le(&mut self) -> Result<f64, Stop> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// A length (Redis `rdb.c`, `rdbLoadLenByRef`). Forms longer than needed are legal.
    #[inline]
    pub(crate) fn length(&mut self) -> Result<u64, Stop> {
        let first = self.byte()?;
        match first >> 6 {
            0 => Ok(u64::from(first)),
            1 => Ok(u64::from(first & 63) << 8 | u64::from(self.byte()?)),
            _ => self.long_length(first),
        }
    }

    fn long_length(&mut self, first: u8) -> Result<u64, Stop> {
        match first {
            0x80 => Ok(u64::from(u32::from_be_bytes(self.array()?))),
            0x81 => Ok(u64::from_be_bytes(self.array()?)),
            0xc0.. => Err(Stop::corrupt(self.offset() - 1, "an encoded value where a length belongs")),
            _ => Err(Stop::corrupt(self.offset() - 1, "unknown form of a length")),
        }
    }

    /// The head of a string (Redis `rdbGenericLoadStringObject`).
    #[inline]
    pub(crate) fn string_form(&mut self) -> Result<StringForm, Stop> {
        match self.data.get(self.at) {
            Some(first) if *first < 0xc0 => {
                let at = self.offset();
                let length = self.length()?;
                if length >= ABSURD_LENGTH {
                    return Err(Stop::corrupt(at, "a string claims a terabyte or more"));
                }
                Ok(StringForm::Plain(length))
            }
            Some(_) => self.encoded_string(),
            None => Err(self.more(1)),
        }
    }

    #[inline]
    fn encoded_string(&mut self) -> Result<StringForm, Stop> {
        let at = self.offset();
        Ok(match self.byte()? & 63 {
            0 => StringForm::Integer(i64::from(i8::from_le_bytes(self.array()?))),
            1 => StringForm::Integer(i64::from(i16::from_le_bytes(self.array()?))),
            2 => StringForm::Integer(i64::from(i32::from_le_bytes(self.array()?))),
            3 => {
                let (compressed, expanded) = (self.length()?, self.length()?);
                if expanded < ABSURD_LENGTH && lzf::is_possible(compressed, expanded) {
                    return Ok(StringForm::Lzf { compressed, expanded });
                }
                const IMPOSSIBLE: &str = "a compressed string claims a length that it cannot have";
                // A long one is no lie, but damage, and not waited for.
                if compressed > SHORT_LIE {
                    return Err(Stop::corrupt(at, IMPOSSIBLE));
                }
                self.did_not_expand(at, IMPOSSIBLE)?;
                StringForm::Lzf { compressed, expanded: 0 }
            }
            _ => return Err(Stop::corrupt(at, "unknown encoding of a string")),
        })
    }

    /// A whole string of at most `limit` bytes: borrowed from the input where it stands there as it is.
    #[inline]
    pub(crate) fn string<'s>(&mut self, scratch: &'s mut Scratch, limit: u64) -> Result<&'s [u8], Stop>
    where
        'a: 's,
    {
        let at = self.offset();
        match self.string_form()? {
            StringForm::Plain(n) if n <= self.available() as u64 => self.take(n),
            StringForm::Plain(n) => Err(within(limit, n, at).err().unwrap_or_else(|| self.more(n))),
            StringForm::Integer(value) => Ok(scratch.integer(value)),
            StringForm::Lzf { compressed, expanded } => {
                within(limit, expanded, at)?;
                let input = self.take(compressed)?;
                match lzf::expand(input, expanded as usize, &mut scratch.0) {
                    Ok(text) => Ok(text),
                    Err(what) => self.did_not_expand(at, what).map(|()| &[][..]),
                }
            }
        }
    }
}

/// Refuses what a decoder would have to hold in memory and must not.
pub(crate) fn within(limit: u64, claimed: u64, offset: u64) -> Result<(), Stop> {
    if claimed > limit {
        return Err(Stop::fault(offset, ErrorKind::TooLarge { claimed, limit }));
    }
    Ok(())
}
