//! Values of modules: opaque, but framed, so that their end can be found (Redis `rdb.c`, `rdbLoadCheckModuleValue`).

use super::string::Passage;
use super::{Teller, Tools};
use crate::rdb::cursor::Cursor;
use crate::rdb::error::Stop;
use crate::rdb::visit::{Piece, Visit};

/// A module's value.
#[derive(Debug, Default)]
pub(super) struct Module {
    begun: bool,
    opcodes: Opcodes,
}

/// What a module wrote: numbers and strings up to an end.
#[derive(Debug, Default)]
pub(crate) struct Opcodes {
    /// Within a string that nobody wants to hear.
    string: Option<Passage>,
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
            cursor.commit();
        }
        self.opcodes.run(cursor, tools, teller)
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
                    teller.tell(Piece::ModuleSigned(value.cast_signed()));
                }
                2 => {
                    let value = cursor.length()?;
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
                    let value = cursor.string(&mut tools.first, tools.limit)?;
                    teller.tell(Piece::ModuleString(value));
                }
                5 => self.string = Some(Passage::default()),
                _ => return Err(Stop::corrupt(at, "unknown opcode of a module")),
            }
            cursor.commit();
        }
    }
}
