//! Values of modules: opaque, but framed, so that their end can be found (Redis `rdb.c`, `rdbLoadCheckModuleValue`).

use super::string::Passage;
use super::{Teller, Tools};
use crate::rdb::cursor::Cursor;
use crate::rdb::error::Stop;
use crate::rdb::oddity::OddityKind;
use crate::rdb::visit::{Part, PartOf, Piece, Visit};

/// A module's value.
#[derive(Debug, Default)]
pub(super) struct Module {
    begun: bool,
    opcodes: Opcodes,
    is_vector_set: bool,
}

/// What a module wrote: numbers and strings up to an end.
#[derive(Debug, Default)]
pub(crate) struct Opcodes {
    /// Within a string that nobody wants to hear, or that is told in parts.
    string: Option<Passage>,
    in_parts: bool,
    shape: Shape,
}

/// The module id of a vector set in version 0 of its encoding, the only one there is: `vectorset`, as
/// [`crate::rdb::module::name`] reads it.
const VECTOR_SET: u64 = 0xbde72da2bb1eb400;

/// What a module wrote, counted.
#[derive(Debug, Default)]
struct Shape {
    /// The first numbers, as long as nothing else came.
    head: [u64; 4],
    n_head: usize,
    strings: u64,
    others: u64,
}

impl Shape {
    fn number(&mut self, value: u64) {
        if self.n_head < 4 && self.strings + self.others == 0 {
            self.head[self.n_head] = value;
            self.n_head += 1;
        }
    }

    /// Dimension, count, configuration and flags, then per element a name, attributes if flag 2 says so, and a vector; before them
    /// a matrix if flag 1 says so (Redis `modules/vector-sets/vset.c`, `VectorSetRdbSave`).
    fn is_vector_set(&self) -> bool {
        let [dimension, count, _, flags] = self.head;
        let per_element = if flags & 2 != 0 { 3 } else { 2 };
        let expected = count.checked_mul(per_element).and_then(|n| n.checked_add(flags & 1));
        self.n_head == 4 && dimension > 0 && flags <= 3 && self.others == 0 && expected == Some(self.strings)
    }
}

impl Module {
    pub(super) fn run<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
    ) -> Result<(), Stop> {
        if !self.begun {
            let id = cursor.length()?;
            tools.needs.module(id);
            teller.tell(Piece::Module(id));
            self.begun = true;
            self.is_vector_set = id == VECTOR_SET;
            cursor.commit();
        }
        self.opcodes.run(cursor, tools, teller)?;
        if self.is_vector_set && !self.opcodes.shape.is_vector_set() {
            teller.odd(OddityKind::ModuleValue, cursor.offset(), None)?;
        }
        Ok(())
    }
}

impl Opcodes {
    /// Goes on; `Ok` behind the end.
    pub(crate) fn run<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
    ) -> Result<(), Stop> {
        loop {
            if let (Some(string), true) = (&mut self.string, self.in_parts) {
                let visit = &mut *teller.visit;
                string.run(cursor, &mut tools.first, true, |part| visit.part(Part::Bytes(part)))?;
                visit.part(Part::End { score: None });
                (self.string, self.in_parts) = (None, false);
                cursor.commit();
            }
            if let Some(string) = &mut self.string {
                string.run(cursor, &mut tools.first, false, |_| {})?;
                self.string = None;
            }
            let at = cursor.offset();
            match cursor.length()? {
                0 => {
                    cursor.commit();
                    return Ok(());
                }
                1 => {
                    let value = cursor.length()?;
                    self.shape.others += 1;
                    teller.tell(Piece::ModuleSigned(value.cast_signed()));
                }
                2 => {
                    let value = cursor.length()?;
                    self.shape.number(value);
                    teller.tell(Piece::ModuleUnsigned(value));
                }
                3 => {
                    let value = f32::from_le_bytes(cursor.array()?);
                    teller.tell(Piece::ModuleFloat(value));
                }
                4 => {
                    let value = cursor.f64_le()?;
                    teller.tell(Piece::ModuleDouble(value));
                }
                5 if teller.pieces => {
                    if teller.visit.takes_parts()
                        && let Some(length) = super::nodes::long(cursor)?
                    {
                        cursor.commit();
                        self.shape.strings += 1;
                        teller.visit.part(Part::Begin { what: PartOf::ModuleString, length });
                        (self.string, self.in_parts) = (Some(Passage::default()), true);
                        continue;
                    }
                    let value = cursor.string(&mut tools.first, tools.limit)?;
                    self.shape.strings += 1;
                    teller.tell(Piece::ModuleString(value));
                }
                5 => {
                    self.shape.strings += 1;
                    self.string = Some(Passage::default());
                }
                _ => return Err(Stop::corrupt(at, "unknown opcode of a module")),
            }
            cursor.commit();
        }
    }
}
