//! Hashes that share their field names (Redis 8.10): the names stand once, as a template, and a hash brings only values.
//!
//! In a file the templates come first, under ids (opcode 242); a DUMP payload carries its own. The layout is known from
//! public discussion of the format, not from the server's source.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use xxhash_rust::xxh3::xxh3_128;

use super::blob::{Packed, packed};
use super::element::{Bad, bad};
use super::listpack::Listpack;
use super::{Teller, Tools};
use crate::rdb::cursor::{Cursor, within};
use crate::rdb::error::Stop;
use crate::rdb::oddity::OddityKind;
use crate::rdb::types::ValueType;
use crate::rdb::visit::{LONG_FIELD, Piece, Visit};

/// Most memory that all templates of a file may need together.
const MOST_BYTES: u64 = 64 << 20;

/// Field names, one behind the other.
#[derive(Debug, Default, Clone)]
pub(crate) struct Template {
    text: Vec<u8>,
    names: Vec<Name>,
    /// How many of them stand there again.
    twice: u64,
}

/// A field name of a template.
#[derive(Debug, Clone, Copy)]
struct Name {
    /// Where in the text the next one begins.
    end: usize,
    /// Hash of a long name.
    hash: Option<u128>,
}

impl Template {
    /// Adds a name; `offset` is where it stands, for the error if it is one too many.
    pub(crate) fn add(&mut self, name: &[u8], offset: u64) -> Result<(), Stop> {
        within(MOST_BYTES, (self.size() + name.len()) as u64, offset)?;
        self.text.extend_from_slice(name);
        let hash = (name.len() > LONG_FIELD).then(|| xxh3_128(name));
        self.names.push(Name { end: self.text.len(), hash });
        Ok(())
    }

    /// All names have come. Gives whether they ascend by length, then bytes, as servers write them and ask of a file: then none stands
    /// there twice.
    pub(crate) fn close(&mut self) -> bool {
        let order = |index: usize| (self.name(index).len(), self.name(index));
        let ascends = (1..self.names.len()).all(|index| order(index - 1) < order(index));
        if !ascends {
            let mut names: Vec<&[u8]> = (0..self.names.len()).map(|index| self.name(index)).collect();
            names.sort_unstable();
            self.twice = names.array_windows::<2>().filter(|[one, next]| one == next).count() as u64;
        }
        ascends
    }

    fn name(&self, index: usize) -> &[u8] {
        let from = if index == 0 { 0 } else { self.names[index - 1].end };
        &self.text[from..self.names[index].end]
    }

    fn size(&self) -> usize {
        self.text.len() + self.names.len() * size_of::<Name>()
    }

    fn len(&self) -> usize {
        self.names.len()
    }

    /// Tells the value of a field.
    fn tell<V: Visit>(&self, index: usize, value: &[u8], teller: &mut Teller<'_, V>) {
        let hash = self.names[index].hash;
        if let Some(hash) = hash.filter(|_| teller.pieces) {
            teller.visit.long_field(hash);
        }
        teller.tell(Piece::HashField { field: self.name(index), value, expire_ms: None });
    }
}

/// The templates of a file.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    by_id: HashMap<u64, Template>,
    size: usize,
}

impl Templates {
    /// Keeps a template for the rest of the file.
    pub(crate) fn insert(&mut self, id: u64, template: Template, offset: u64) -> Result<(), Stop> {
        self.size += template.size() + 64;
        within(MOST_BYTES, self.size as u64, offset)?;
        match self.by_id.entry(id) {
            Entry::Occupied(_) => Err(Stop::corrupt(offset, "the same template twice")),
            Entry::Vacant(place) => {
                place.insert(template);
                Ok(())
            }
        }
    }

    fn get(&self, id: Option<u64>, offset: u64) -> Result<&Template, Stop> {
        id.and_then(|id| self.by_id.get(&id)).ok_or_else(|| Stop::corrupt(offset, UNKNOWN))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// How the names of an own template stand.
    Form,
    /// The names of the fields, of which so many are to come.
    Names(u64),
    /// The id of a template of the file.
    Id,
    /// All values in one string.
    Packed,
    /// The value of this field comes next.
    Value(usize),
}

/// Where in such a hash we are.
#[derive(Debug)]
pub(super) struct Values {
    /// Values are one listpack, the first element of which is the id.
    is_packed: bool,
    own: Option<Template>,
    id: u64,
    stage: Stage,
}

impl Values {
    /// For the four types of hashes with a template.
    pub(super) fn new(value_type: ValueType) -> Self {
        type V = ValueType;
        let is_packed = matches!(value_type, V::GCRA_14_OR_TEMPLATE_LISTPACK | V::TEMPLATE_LISTPACK_REF);
        let is_own = !matches!(value_type, V::TEMPLATE_LISTPACK_REF | V::TEMPLATE_ARRAY_REF);
        let stage = match (is_own, is_packed) {
            (true, _) => Stage::Form,
            (false, true) => Stage::Packed,
            (false, false) => Stage::Id,
        };
        Self { is_packed, own: is_own.then(Template::default), id: 0, stage }
    }

    pub(super) fn run<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
        n_elements: &mut u64,
    ) -> Result<(), Stop> {
        loop {
            let at = cursor.offset();
            match self.stage {
                Stage::Form | Stage::Names(_) => self.names(cursor, tools)?,
                Stage::Id => {
                    self.id = cursor.length()?;
                    self.stage = Stage::Value(0);
                }
                Stage::Packed => {
                    let packed = packed(cursor, &mut tools.first, tools.limit, !teller.reads_on())?;
                    let mut found = 0;
                    match unpack(&packed, self.own.as_ref(), &tools.templates, &mut found, teller) {
                        Ok(template) => tell_twice(template, at, teller)?,
                        Err(bad) => {
                            teller.odd_as(OddityKind::UnreadableValue, bad.what, packed.place(bad.at), None)?;
                            found = found.max(1);
                        }
                    }
                    *n_elements = found;
                    cursor.commit();
                    return Ok(());
                }
                Stage::Value(index) => {
                    let template = match &self.own {
                        Some(own) => own,
                        None => tools.templates.get(Some(self.id), at)?,
                    };
                    if index == template.len() {
                        *n_elements = index as u64;
                        return tell_twice(template, at, teller);
                    }
                    let value = cursor.string(&mut tools.first, tools.limit)?;
                    template.tell(index, value, teller);
                    self.stage = Stage::Value(index + 1);
                }
            }
            cursor.commit();
        }
    }

    /// Reads names of an own template.
    fn names(&mut self, cursor: &mut Cursor<'_>, tools: &mut Tools) -> Result<(), Stop> {
        let template = self.own.get_or_insert_default();
        let at = cursor.offset();
        self.stage = match self.stage {
            Stage::Names(left) if left > 0 => {
                template.add(cursor.string(&mut tools.first, tools.limit)?, at)?;
                Stage::Names(left - 1)
            }
            Stage::Names(_) => {
                template.close();
                if self.is_packed { Stage::Packed } else { Stage::Value(0) }
            }
            _ => match cursor.length()? {
                0 => {
                    let packed = packed(cursor, &mut tools.first, tools.limit, true)?;
                    let mut walk = packed.bytes().and_then(Listpack::new).map_err(|bad| packed.fault(bad))?;
                    while let Some(name) = walk.next().map_err(|bad| packed.fault(bad))? {
                        template.add(name.text(&mut [0; 20]), at)?;
                    }
                    Stage::Names(0)
                }
                1 => Stage::Names(cursor.length()?),
                _ => return Err(Stop::corrupt(at, "unknown form of a template")),
            },
        };
        Ok(())
    }
}

/// Tells that names of the template stand there twice.
fn tell_twice<V: Visit>(template: &Template, at: u64, teller: &mut Teller<'_, V>) -> Result<(), Stop> {
    match template.twice {
        0 => Ok(()),
        twice => teller.odd(OddityKind::DuplicateMember, at, Some((twice, 0))),
    }
}

/// Tells the values of a listpack with their names, and counts them; gives the template of these names.
fn unpack<'t, V: Visit>(
    packed: &Packed<'_>,
    own: Option<&'t Template>,
    templates: &'t Templates,
    n: &mut u64,
    teller: &mut Teller<'_, V>,
) -> Result<&'t Template, Bad> {
    let mut walk = Listpack::new(packed.bytes()?)?;
    let id = walk.next()?.and_then(|id| u64::try_from(id.integer()?).ok());
    let template = match own {
        Some(own) => own,
        None => id.and_then(|id| templates.by_id.get(&id)).ok_or(Bad { at: 0, what: UNKNOWN })?,
    };
    let (mut index, mut buffer) = (0, [0; 20]);
    while let Some(value) = walk.next()? {
        if index == template.len() {
            return bad(walk.position(), "more values than fields in a hash");
        }
        template.tell(index, value.text(&mut buffer), teller);
        index += 1;
        *n += 1;
    }
    if index < template.len() {
        return bad(walk.position(), "fewer values than fields in a hash");
    }
    Ok(template)
}

const UNKNOWN: &str = "a hash of an unknown template";
