//! A string that passes through in parts, however long it is.

use crate::rdb::cursor::{Cursor, Scratch, StringForm};
use crate::rdb::error::Stop;
use crate::rdb::lzf;

/// A string up to this length is waited for rather than told in parts.
const SHORT: u64 = 4096;
/// A compressed string up to this length is waited for, and one that expands to no more than this is expanded at once.
const SHORT_COMPRESSED: u64 = 65536;

/// Where in a string we are.
#[derive(Debug, Default)]
pub(crate) enum Passage {
    /// Nothing of the string was read yet.
    #[default]
    Start,
    /// A string of which so many bytes are to come.
    Plain(u64),
    /// Within a long compressed one.
    Compressed(Box<lzf::Stream>, u64),
    /// A string that does not expand, of which so many bytes are left.
    Skipped(u64),
}

impl Passage {
    /// Goes on; `Ok` once the string is complete, then ready for the next. Nothing is told unless `listening`.
    pub(crate) fn run(
        &mut self,
        cursor: &mut Cursor<'_>,
        scratch: &mut Scratch,
        listening: bool,
        mut tell: impl FnMut(&[u8]),
    ) -> Result<(), Stop> {
        if matches!(self, Self::Start) && self.start(cursor, scratch, listening, &mut tell)? {
            cursor.commit();
            return Ok(());
        }
        cursor.commit();
        match self {
            Self::Plain(left) => {
                let part = cursor.take_some(*left);
                *left -= part.len() as u64;
                cursor.commit();
                if listening && !part.is_empty() {
                    tell(part);
                }
                if *left > 0 {
                    return Err(Stop::More(1));
                }
            }
            Self::Compressed(stream, at) => {
                let (left, at) = (stream.left(), *at);
                match stream.advance(cursor.peek(), &mut tell) {
                    Ok((used, need)) => {
                        cursor.take_some(used as u64);
                        cursor.commit();
                        if need > 0 {
                            return Err(Stop::More(need as u64));
                        }
                    }
                    Err(what) => {
                        cursor.did_not_expand(at, what)?;
                        *self = Self::Skipped(left);
                        return self.run(cursor, scratch, listening, tell);
                    }
                }
            }
            Self::Skipped(left) => {
                *left -= cursor.take_some(*left).len() as u64;
                cursor.commit();
                if *left > 0 {
                    return Err(Stop::More(1));
                }
            }
            Self::Start => {}
        }
        *self = Self::Start;
        Ok(())
    }

    /// Reads the head; true if the string was there whole.
    fn start(
        &mut self,
        cursor: &mut Cursor<'_>,
        scratch: &mut Scratch,
        listening: bool,
        tell: &mut impl FnMut(&[u8]),
    ) -> Result<bool, Stop> {
        let at = cursor.offset();
        match cursor.string_form()? {
            StringForm::Plain(n) => {
                if n <= SHORT || n <= cursor.available() as u64 {
                    let bytes = cursor.take(n)?;
                    if listening {
                        tell(bytes);
                    }
                    return Ok(true);
                }
                *self = Self::Plain(n);
            }
            StringForm::Integer(value) => {
                if listening {
                    tell(scratch.integer(value));
                }
                return Ok(true);
            }
            StringForm::Lzf { compressed, expanded } => {
                let at_once = if listening { expanded } else { compressed } <= SHORT_COMPRESSED;
                let is_there = compressed <= cursor.available() as u64;
                if at_once || (is_there && !listening) {
                    let input = cursor.take(compressed)?;
                    let read = match listening {
                        true => lzf::expand(input, expanded as usize, &mut scratch.0).map(&mut *tell),
                        false => lzf::check(input, expanded),
                    };
                    if let Err(what) = read {
                        cursor.did_not_expand(at, what)?;
                    }
                    return Ok(true);
                }
                *self = Self::Compressed(Box::new(lzf::Stream::new(compressed, expanded, listening)), at);
            }
        }
        Ok(false)
    }
}
