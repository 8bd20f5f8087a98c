//! Lists as a chain of packed nodes (quicklist): of ziplists up to Redis 6.2, of listpacks and plain elements from 7.0 on.

use super::blob::{self, packed};
use super::long::{Collection, Feed, Form, Holds};
use super::string::Passage;
use super::{Teller, Tools};
use crate::rdb::cursor::{Cursor, StringForm};
use crate::rdb::error::Stop;
use crate::rdb::oddity::OddityKind;
use crate::rdb::visit::{LONG_ELEMENT, Part, PartOf, Piece, Visit};

/// Where in the chain we are.
#[derive(Debug)]
pub(super) struct Nodes {
    /// Nodes say what they hold.
    contained: bool,
    counted: bool,
    left: u64,
    /// Within a plain element that nobody wants to hear, or that is told in parts.
    plain: Option<Passage>,
    in_parts: bool,
    /// Within a packed node that is too long to be held.
    long: Option<Box<Collection>>,
    /// Where a plain element of no bytes stands.
    empty: Option<u64>,
}

impl Nodes {
    pub(super) fn new(contained: bool) -> Self {
        Self { contained, counted: false, left: 0, plain: None, in_parts: false, long: None, empty: None }
    }

    pub(super) fn run<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
        n_elements: &mut u64,
    ) -> Result<(), Stop> {
        if !self.counted {
            self.left = cursor.length()?;
            self.counted = true;
            cursor.commit();
        }
        while self.left > 0 {
            if let Some(long) = &mut self.long {
                long.run(cursor, tools, teller, n_elements)?;
                if let Some(bad) = long.bad {
                    teller.odd_as(OddityKind::UnreadableValue, bad.what, long.feed().file_place(bad.at), None)?;
                    *n_elements += 1;
                }
                self.long = None;
            } else if let (Some(plain), true) = (&mut self.plain, self.in_parts) {
                let visit = &mut *teller.visit;
                plain.run(cursor, &mut tools.first, true, |part| visit.part(Part::Bytes(part)))?;
                visit.part(Part::End { score: None });
                (self.plain, self.in_parts) = (None, false);
                *n_elements += 1;
            } else if let Some(plain) = &mut self.plain {
                let at = cursor.offset();
                let starts = matches!(plain, Passage::Start);
                plain.run(cursor, &mut tools.first, false, |_| {})?;
                // A head of one byte, and nothing behind it.
                if starts && cursor.offset() - at == 1 {
                    self.empty.get_or_insert(at);
                }
                self.plain = None;
                *n_elements += 1;
            } else {
                let at = cursor.offset();
                match if self.contained { cursor.length()? } else { 0 } {
                    1 if teller.pieces => {
                        if teller.visit.takes_parts()
                            && let Some(length) = long(cursor)?
                        {
                            cursor.commit();
                            teller.visit.part(Part::Begin { what: PartOf::ListElement, length });
                            (self.plain, self.in_parts) = (Some(Passage::default()), true);
                            continue;
                        }
                        let element = cursor.string(&mut tools.first, tools.limit)?;
                        if element.is_empty() {
                            self.empty.get_or_insert(at);
                        }
                        teller.tell(Piece::ListElement(element));
                        *n_elements += 1;
                    }
                    1 => {
                        cursor.commit();
                        self.plain = Some(Passage::default());
                        continue;
                    }
                    container @ (0 | 2) if (container == 2) == self.contained => {
                        let form = if container == 2 { Form::Listpack } else { Form::Ziplist };
                        if let Some(feed) = Feed::begin(cursor, form, tools.long_blob)? {
                            cursor.commit();
                            self.long = Some(Box::new(Collection::new(feed, Holds::List)));
                            continue;
                        }
                        let sized = !teller.reads_on();
                        let packed = packed(cursor, &mut tools.first, tools.limit, sized)?;
                        let decode = if container == 2 { blob::listpack } else { blob::ziplist };
                        if let Err(bad) = packed.bytes().and_then(|blob| decode(blob, n_elements, teller)) {
                            teller.odd_as(OddityKind::UnreadableValue, bad.what, packed.place(bad.at), None)?;
                            *n_elements += 1;
                        }
                    }
                    _ => return Err(Stop::corrupt(at, "a list node that is neither plain nor packed")),
                }
            }
            cursor.commit();
            self.left -= 1;
        }
        if let Some(at) = self.empty.take() {
            teller.odd(OddityKind::EmptyListNode, at, None)?;
        }
        Ok(())
    }
}

/// The length of the string that comes next, if it is a long one; nothing has moved.
pub(super) fn long(cursor: &mut Cursor<'_>) -> Result<Option<u64>, Stop> {
    let before = cursor.place();
    let form = cursor.string_form()?;
    cursor.back_to(before);
    Ok(match form {
        StringForm::Plain(length) | StringForm::Lzf { expanded: length, .. } if length > LONG_ELEMENT => Some(length),
        _ => None,
    })
}
