//! Values that are one string with everything packed inside.

use super::element::{self, Bad, Element, bad};
use super::elements::LATEST_EXPIRY;
use super::intset;
use super::listpack::Listpack;
use super::ziplist::Ziplist;
use super::zipmap::Zipmap;
use super::{Teller, Tools};
use crate::rdb::cursor::{Cursor, Scratch, StringForm, within};
use crate::rdb::error::Stop;
use crate::rdb::lzf;
use crate::rdb::text::IntegerText;
use crate::rdb::visit::{Piece, Visit};

/// A packed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blob {
    Zipmap,
    Intset,
    ListZiplist,
    ZsetZiplist,
    HashZiplist,
    HashListpack,
    ZsetListpack,
    SetListpack,
    /// Field, value, expiry (0 = none).
    HashListpackExpiry,
    /// The same behind eight bytes: the earliest expiry, for information.
    HashListpackExpiryMinimum,
}

/// A blob and where it stands in the file.
pub(super) struct Packed<'a> {
    pub(super) bytes: &'a [u8],
    at: u64,
    plain: bool,
}

impl Packed<'_> {
    /// Where it begins in the file.
    pub(super) fn start(&self) -> u64 {
        self.at
    }

    /// The place in the file of what is wrong: of the byte itself, unless the blob was compressed.
    pub(super) fn fault(&self, bad: Bad) -> Stop {
        Stop::corrupt(if self.plain { self.at + bad.at as u64 } else { self.at }, bad.what)
    }
}

/// Reads a string that is a blob. One that begins with its own size (`sized`) is refused before it is waited for if that
/// size is another one.
#[inline]
pub(super) fn packed<'s, 'a: 's>(
    cursor: &mut Cursor<'a>,
    scratch: &'s mut Scratch,
    limit: u64,
    sized: bool,
) -> Result<Packed<'s>, Stop> {
    let at = cursor.offset();
    match cursor.string_form()? {
        StringForm::Plain(n) => {
            let start = cursor.offset();
            if n > cursor.available() as u64 {
                // What lies is damaged, whoever reads it; what is merely large is for those with more memory.
                if sized && n >= 4 {
                    let size = u32::from_le_bytes(cursor.array()?);
                    if u64::from(size) != n {
                        return Err(Stop::corrupt(start, element::SIZE));
                    }
                    within(limit, n, at)?;
                    return Err(cursor.take(n - 4).map_or_else(|stop| stop, |_| Stop::More(n)));
                }
                within(limit, n, at)?;
            }
            Ok(Packed { bytes: cursor.take(n)?, at: start, plain: true })
        }
        StringForm::Lzf { compressed, expanded } => {
            within(limit, expanded, at)?;
            let input = cursor.take(compressed)?;
            let bytes =
                lzf::expand(input, expanded as usize, &mut scratch.0).map_err(|what| Stop::corrupt(at, what))?;
            Ok(Packed { bytes, at, plain: false })
        }
        StringForm::Integer(_) => Err(Stop::corrupt(at, "a number where a packed value belongs")),
    }
}

/// What ziplist and listpack have in common.
trait Walk<'a> {
    fn next(&mut self) -> Result<Option<Element<'a>>, Bad>;
    fn position(&self) -> usize;
}

impl<'a> Walk<'a> for Listpack<'a> {
    #[inline]
    fn next(&mut self) -> Result<Option<Element<'a>>, Bad> {
        Listpack::next(self)
    }

    fn position(&self) -> usize {
        Listpack::position(self)
    }
}

impl<'a> Walk<'a> for Ziplist<'a> {
    #[inline]
    fn next(&mut self) -> Result<Option<Element<'a>>, Bad> {
        Ziplist::next(self)
    }

    fn position(&self) -> usize {
        Ziplist::position(self)
    }
}

impl Blob {
    pub(super) fn run<V: Visit>(
        self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
        n_elements: &mut u64,
    ) -> Result<(), Stop> {
        if self == Self::HashListpackExpiryMinimum {
            let at = cursor.offset();
            if !(0..=LATEST_EXPIRY).contains(&cursor.i64_le()?) {
                return Err(Stop::corrupt(at, "earliest expiry of a hash out of range"));
            }
        }
        let sized = !matches!(self, Self::Zipmap | Self::Intset);
        let packed = packed(cursor, &mut tools.first, tools.limit, sized)?;
        *n_elements = self.decode(packed.bytes, teller).map_err(|bad| packed.fault(bad))?;
        cursor.commit();
        Ok(())
    }

    fn decode<V: Visit>(self, blob: &[u8], teller: &mut Teller<'_, V>) -> Result<u64, Bad> {
        match self {
            Self::Zipmap => zipmap(blob, teller),
            Self::Intset => intset::walk(blob, |value| {
                teller.tell(Piece::SetMember(Element::Integer(value).text(&mut [0; 20])));
            }),
            Self::ListZiplist => ziplist(blob, teller),
            Self::ZsetZiplist => scores(Ziplist::new(blob)?, teller),
            Self::HashZiplist => fields(Ziplist::new(blob)?, teller),
            Self::HashListpack => fields(Listpack::new(blob)?, teller),
            Self::ZsetListpack => scores(Listpack::new(blob)?, teller),
            Self::SetListpack => singles(Listpack::new(blob)?, teller, |text| Piece::SetMember(text)),
            Self::HashListpackExpiry | Self::HashListpackExpiryMinimum => {
                fields_with_expiry(Listpack::new(blob)?, teller)
            }
        }
    }
}

/// Elements of a list in a ziplist.
pub(super) fn ziplist<V: Visit>(blob: &[u8], teller: &mut Teller<'_, V>) -> Result<u64, Bad> {
    singles(Ziplist::new(blob)?, teller, |text| Piece::ListElement(text))
}

/// Elements of a list in a listpack.
pub(super) fn listpack<V: Visit>(blob: &[u8], teller: &mut Teller<'_, V>) -> Result<u64, Bad> {
    singles(Listpack::new(blob)?, teller, |text| Piece::ListElement(text))
}

fn zipmap<V: Visit>(blob: &[u8], teller: &mut Teller<'_, V>) -> Result<u64, Bad> {
    let (mut zipmap, mut n) = (Zipmap::new(blob)?, 0);
    while let Some((field, value)) = zipmap.next()? {
        teller.tell(Piece::HashField { field, value, expire_ms: None });
        n += 1;
    }
    Ok(n)
}

fn singles<'a, V: Visit>(
    mut walk: impl Walk<'a>,
    teller: &mut Teller<'_, V>,
    piece: impl for<'p> Fn(&'p [u8]) -> Piece<'p>,
) -> Result<u64, Bad> {
    let mut n = 0;
    while let Some(element) = walk.next()? {
        if teller.pieces {
            teller.visit.piece(piece(element.text(&mut [0; 20])));
        }
        n += 1;
    }
    Ok(n)
}

const ODD: &str = "an element without its partner";

fn fields<'a, V: Visit>(mut walk: impl Walk<'a>, teller: &mut Teller<'_, V>) -> Result<u64, Bad> {
    let mut n = 0;
    let (mut left, mut right): (IntegerText, IntegerText) = ([0; 20], [0; 20]);
    while let Some(field) = walk.next()? {
        let Some(value) = walk.next()? else { return bad(walk.position(), ODD) };
        if teller.pieces {
            let (field, value) = (field.text(&mut left), value.text(&mut right));
            teller.visit.piece(Piece::HashField { field, value, expire_ms: None });
        }
        n += 1;
    }
    Ok(n)
}

fn scores<'a, V: Visit>(mut walk: impl Walk<'a>, teller: &mut Teller<'_, V>) -> Result<u64, Bad> {
    let mut n = 0;
    while let Some(member) = walk.next()? {
        let at = walk.position();
        let Some(score) = walk.next()? else { return bad(at, ODD) };
        let Some(score) = score.score() else { return bad(at, "a score that is not a number") };
        if teller.pieces {
            teller.visit.piece(Piece::ZsetMember { member: member.text(&mut [0; 20]), score });
        }
        n += 1;
    }
    Ok(n)
}

fn fields_with_expiry<'a, V: Visit>(mut walk: impl Walk<'a>, teller: &mut Teller<'_, V>) -> Result<u64, Bad> {
    let mut n = 0;
    let (mut left, mut right): (IntegerText, IntegerText) = ([0; 20], [0; 20]);
    while let Some(field) = walk.next()? {
        let at = walk.position();
        let (Some(value), Some(expiry)) = (walk.next()?, walk.next()?) else { return bad(at, ODD) };
        let expire_ms = match expiry.integer() {
            Some(0) => None,
            Some(expiry) if (1..=LATEST_EXPIRY).contains(&expiry) => Some(expiry),
            _ => return bad(at, "expiry of a hash field out of range"),
        };
        if teller.pieces {
            let (field, value) = (field.text(&mut left), value.text(&mut right));
            teller.visit.piece(Piece::HashField { field, value, expire_ms });
        }
        n += 1;
    }
    Ok(n)
}
