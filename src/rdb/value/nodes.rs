//! Lists as a chain of packed nodes (quicklist): of ziplists up to Redis 6.2, of listpacks and plain elements from 7.0 on.

use super::blob::{self, packed};
use super::string::Passage;
use super::{Teller, Tools};
use crate::rdb::cursor::Cursor;
use crate::rdb::error::Stop;
use crate::rdb::visit::{Piece, Visit};

/// Where in the chain we are.
#[derive(Debug)]
pub(super) struct Nodes {
    /// Nodes say what they hold.
    contained: bool,
    counted: bool,
    left: u64,
    /// Within a plain element that nobody wants to hear.
    plain: Option<Passage>,
}

impl Nodes {
    pub(super) fn new(contained: bool) -> Self {
        Self { contained, counted: false, left: 0, plain: None }
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
            if let Some(plain) = &mut self.plain {
                plain.run(cursor, &mut tools.first, false, |_| {})?;
                self.plain = None;
                *n_elements += 1;
            } else {
                let at = cursor.offset();
                match if self.contained { cursor.length()? } else { 0 } {
                    1 if teller.pieces => {
                        let element = cursor.string(&mut tools.first, tools.limit)?;
                        teller.tell(Piece::ListElement(element));
                        *n_elements += 1;
                    }
                    1 => {
                        cursor.commit();
                        self.plain = Some(Passage::default());
                        continue;
                    }
                    container @ (0 | 2) if (container == 2) == self.contained => {
                        let packed = packed(cursor, &mut tools.first, tools.limit, true)?;
                        let decode = if container == 2 { blob::listpack } else { blob::ziplist };
                        *n_elements += decode(packed.bytes, teller).map_err(|bad| packed.fault(bad))?;
                    }
                    _ => return Err(Stop::corrupt(at, "a list node that is neither plain nor packed")),
                }
            }
            cursor.commit();
            self.left -= 1;
        }
        Ok(())
    }
}
