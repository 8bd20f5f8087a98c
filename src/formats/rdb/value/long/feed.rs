//! Where in a long blob we are, and its bytes as they come.

use super::Halt;
use super::walk::{Form, Got, Place, Walk};
use crate::rdb::cursor::{Cursor, StringForm};
use crate::rdb::error::Stop;
use crate::rdb::lzf;
use crate::rdb::value::element::{Bad, bad};

/// So many compressed bytes are expanded at a time.
const EXPANDED_AT_ONCE: usize = 4096;

/// A blob on its way.
#[derive(Debug)]
pub(in crate::rdb::value) struct Feed {
    form: Form,
    /// Bytes of the blob.
    length: u64,
    /// Where it begins in the file.
    start: u64,
    place: Place,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// It stands in the file as it is.
    Plain,
    /// It is compressed: what was expanded and not read stands in `text` behind `from`.
    Compressed { stream: Box<lzf::Stream>, text: Vec<u8>, from: usize },
}

impl Feed {
    /// For the string that comes next, if it is a blob of more than `longest` bytes: its head is read then, else nothing.
    #[inline]
    pub(in crate::rdb::value) fn begin(
        cursor: &mut Cursor<'_>,
        form: Form,
        longest: u64,
    ) -> Result<Option<Self>, Stop> {
        // The first bytes say of nearly all that they are short.
        match cursor.peek() {
            [0..0x80, ..] | [0xc3, 0..0x40, 0..0x80, ..] | [0xc3, 0x40..0x80, _, 0..0x80, ..] if longest >= 0x4000 => {
                Ok(None)
            }
            _ => Self::begin_long(cursor, form, longest),
        }
    }

    #[cold]
    fn begin_long(cursor: &mut Cursor<'_>, form: Form, longest: u64) -> Result<Option<Self>, Stop> {
        let (before, at) = (cursor.place(), cursor.offset());
        let string = cursor.string_form()?;
        let length = match string {
            StringForm::Plain(length) | StringForm::Lzf { expanded: length, .. } => length,
            StringForm::Integer(_) => 0,
        };
        if length <= longest {
            cursor.back_to(before);
            return Ok(None);
        }
        let (start, source) = match string {
            StringForm::Lzf { compressed, expanded } => {
                let stream = Box::new(lzf::Stream::new(compressed, expanded, true));
                (at, Source::Compressed { stream, text: Vec::new(), from: 0 })
            }
            _ => (cursor.offset(), Source::Plain),
        };
        Ok(Some(Self { form, length, start, place: Place::default(), source }))
    }

    /// Where the blob begins in the file.
    pub(in crate::rdb::value) fn start(&self) -> u64 {
        self.start
    }

    /// The place in the file of a byte of the blob, unless it is compressed: then where it begins.
    pub(in crate::rdb::value) fn file_place(&self, at: usize) -> u64 {
        if matches!(self.source, Source::Plain) { self.start + at as u64 } else { self.start }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The place of the next byte in the blob.
    pub(super) fn position(&self) -> usize {
        self.place.position()
    }

    /// Reads on with `read`. What it has read is done with if it succeeds; else it is read again.
    pub(super) fn step<T>(
        &mut self,
        cursor: &mut Cursor<'_>,
        mut read: impl FnMut(&mut Walk<'_, '_>) -> Result<T, Halt>,
    ) -> Result<T, Halt> {
        let Self { form, length, place, source, .. } = self;
        let before = *place;
        loop {
            match source {
                Source::Plain => {
                    let done = read(&mut Walk { cursor, place, form: *form, length: *length });
                    match done {
                        Ok(_) => cursor.commit(),
                        Err(_) => {
                            cursor.rewind();
                            *place = before;
                        }
                    }
                    return done;
                }
                Source::Compressed { stream, text, from } => {
                    let mut inner = Cursor::new(&text[*from..], 0);
                    match read(&mut Walk { cursor: &mut inner, place, form: *form, length: *length }) {
                        Ok(done) => {
                            *from += inner.place();
                            return Ok(done);
                        }
                        Err(Halt::Stop(Stop::More(n))) => {
                            *place = before;
                            expand(cursor, stream, text, from, n)?;
                        }
                        Err(halt) => {
                            *place = before;
                            return Err(halt);
                        }
                    }
                }
            }
        }
    }

    /// The head of the blob.
    pub(super) fn head(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Halt> {
        self.step(cursor, |walk| walk.head())
    }

    /// The next element, if it is one of those that are not held: how long it is.
    pub(super) fn long_element(&mut self, cursor: &mut Cursor<'_>, held: u64) -> Result<Option<u64>, Halt> {
        self.step(cursor, |walk| {
            match walk.next(held)? {
                Got::Long(length) => Ok(Some(length)),
                // It is read by whoever asks next.
                Got::End | Got::Whole(_) => Err(Halt::Long),
            }
        })
        .or_else(|halt| if matches!(halt, Halt::Long) { Ok(None) } else { Err(halt) })
    }

    /// The bytes of the long element that was begun, as they come; `Ok` once it is complete.
    pub(super) fn long_bytes(&mut self, cursor: &mut Cursor<'_>, mut tell: impl FnMut(&[u8])) -> Result<(), Halt> {
        while self.place.long_left > 0 {
            let n = match &mut self.source {
                Source::Plain => {
                    let part = cursor.take_some(self.place.long_left);
                    cursor.commit();
                    if !part.is_empty() {
                        tell(part);
                    }
                    part.len()
                }
                Source::Compressed { stream, text, from } => {
                    if text.len() == *from {
                        expand(cursor, stream, text, from, 1)?;
                    }
                    let left = usize::try_from(self.place.long_left).unwrap_or(usize::MAX);
                    let part = &text[*from..][..left.min(text.len() - *from)];
                    tell(part);
                    *from += part.len();
                    part.len()
                }
            };
            if n == 0 {
                return Err(Stop::More(1).into());
            }
            self.place.pass(n as u64);
        }
        self.step(cursor, |walk| walk.end_long())
    }

    /// The last byte was read: nothing may stand behind it.
    pub(super) fn end(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Halt> {
        let Source::Compressed { stream, text, from } = &mut self.source else { return Ok(()) };
        while stream.left() > 0 {
            // There is none: it expands to more than it claims, or waits for the token that says so.
            expand(cursor, stream, text, from, text.len() as u64 + 1)?;
        }
        Ok(())
    }

    /// Passes what is left of the blob.
    pub(super) fn skip(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        let left = match &mut self.source {
            Source::Plain => {
                let left = self.length - self.place.at;
                let n = cursor.take_some(left).len() as u64;
                self.place.at += n;
                left - n
            }
            Source::Compressed { stream, text, .. } => {
                *text = Vec::new();
                let n = cursor.take_some(stream.left()).len() as u64;
                stream.pass(n);
                stream.left()
            }
        };
        cursor.commit();
        if left > 0 { Err(Stop::More(1)) } else { Ok(()) }
    }
}

/// Expands until `n` bytes are there.
fn expand(
    cursor: &mut Cursor<'_>,
    stream: &mut lzf::Stream,
    text: &mut Vec<u8>,
    from: &mut usize,
    n: u64,
) -> Result<(), Halt> {
    text.drain(..std::mem::take(from));
    while (text.len() as u64) < n {
        if stream.left() == 0 {
            return Ok(bad(0, "packed value that ends within an element")?);
        }
        let input = cursor.peek();
        let input = &input[..input.len().min(EXPANDED_AT_ONCE)];
        let (used, need) =
            stream.advance(input, &mut |bytes| text.extend_from_slice(bytes)).map_err(|what| Bad { at: 0, what })?;
        cursor.take_some(used as u64);
        cursor.commit();
        if used == 0 && need > 0 {
            return Err(Stop::More(need as u64).into());
        }
    }
    Ok(())
}
