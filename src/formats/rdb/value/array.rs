//! Arrays (Redis 8.8).

use super::nodes::long;
use super::string::Passage;
use super::{Teller, Tools};
use crate::rdb::cursor::Cursor;
use crate::rdb::error::Stop;
use crate::rdb::oddity::OddityKind;
use crate::rdb::visit::{ArrayValue, Part, PartOf, Piece, Visit};

/// Where in an array we are.
#[derive(Debug, Default)]
pub(super) struct Array {
    begun: bool,
    left: u64,
    last: Option<u64>,
    /// A long string that is told in parts, or that nobody wants to hear.
    passing: Option<Passage>,
    /// Where the first element stands whose index is not greater than the one before it.
    disorder: Option<u64>,
}

impl Array {
    pub(super) fn run<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
        n_elements: &mut u64,
    ) -> Result<(), Stop> {
        if !self.begun {
            self.left = cursor.length()?;
            let at = cursor.offset();
            match cursor.length()? {
                0 => {}
                1 => {
                    let index = cursor.length()?;
                    teller.tell(Piece::ArrayInsertIndex(index));
                }
                _ => return Err(Stop::corrupt(at, "unknown flag of an array")),
            }
            self.begun = true;
            cursor.commit();
        }
        while self.left > 0 {
            if let Some(passing) = &mut self.passing {
                let (pieces, visit) = (teller.pieces, &mut *teller.visit);
                passing.run(cursor, &mut tools.first, pieces, |part| visit.part(Part::Bytes(part)))?;
                if pieces {
                    visit.part(Part::End { score: None });
                }
                self.passing = None;
                self.left -= 1;
                *n_elements += 1;
                continue;
            }
            let at = cursor.offset();
            let index = cursor.length()?;
            if index == u64::MAX {
                return Err(Stop::corrupt(at, "index of an array out of range"));
            }
            let element_at = at;
            let at = cursor.offset();
            let kind = cursor.length()?;
            if kind == 0
                && (!teller.pieces || teller.visit.takes_parts())
                && let Some(length) = long(cursor)?
            {
                cursor.commit();
                if teller.pieces {
                    teller.visit.part(Part::Begin { what: PartOf::ArrayElement { index }, length });
                }
                self.passing = Some(Passage::default());
                self.follow(index, element_at);
                continue;
            }
            let value = match kind {
                0 => ArrayValue::Bytes(cursor.string(&mut tools.first, tools.limit)?),
                1 => ArrayValue::Integer(cursor.i64_le()?),
                2 => ArrayValue::Double(cursor.f64_le()?),
                3 => match cursor.string(&mut tools.first, tools.limit)? {
                    short if short.len() <= 7 => ArrayValue::Bytes(short),
                    _ => return Err(Stop::corrupt(at, "a short string of an array with more than 7 bytes")),
                },
                _ => return Err(Stop::corrupt(at, "unknown kind of an array element")),
            };
            teller.tell(Piece::ArrayElement { index, value });
            cursor.commit();
            self.follow(index, element_at);
            self.left -= 1;
            *n_elements += 1;
        }
        if *n_elements == 0 {
            teller.odd(OddityKind::EmptyArray, cursor.offset(), None)?;
        }
        if let Some(at) = self.disorder.take() {
            teller.odd(OddityKind::ArrayOrder, at, None)?;
        }
        Ok(())
    }

    /// An element of this index stands here.
    fn follow(&mut self, index: u64, at: u64) {
        if self.last.is_some_and(|last| last >= index) {
            self.disorder.get_or_insert(at);
        }
        self.last = Some(index);
    }
}
