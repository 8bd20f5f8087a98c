//! What a file holds besides values: opcodes, keys, the end.

use super::{Raw, Scanner, State, Window};
use crate::rdb::cursor::Cursor;
use crate::rdb::error::{ErrorKind, RdbError, Stop};
use crate::rdb::oddity::{Oddity, OddityKind};
use crate::rdb::opcode::{self, Dialect};
use crate::rdb::tail;
use crate::rdb::types::{Kind, ValueType};
use crate::rdb::value::{Opcodes, Reader, Teller, Template, Whose};
use crate::rdb::visit::{Checksum, Entry, Visit};
use crate::slots::{Slots, slot_of};

/// Versions from this one on have a checksum.
const FIRST_WITH_CHECKSUM: u32 = 5;
/// Bytes of the name of an import of slots, which is that of a job of the cluster.
const IMPORT_NAME: usize = 40;

impl Scanner {
    /// Reads an opcode with its arguments, or the type and key of a value.
    #[inline]
    pub(super) fn opcode<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        window: Window<'_>,
        visit: &mut V,
    ) -> Result<(), Stop> {
        let at = cursor.offset();
        match cursor.byte()? {
            opcode::EXPIRE_MS => {
                let at_ms = cursor.i64_le()?;
                self.attributes.expire(at_ms, self.keeps_key_meta());
                Ok(())
            }
            number @ 0..opcode::TEMPLATE_OR_UPDATE => self.key(ValueType(number), at, cursor, window, visit),
            number => self.rare_opcode(number, at, cursor, window, visit),
        }
    }

    #[inline]
    fn key<V: Visit>(
        &mut self,
        value_type: ValueType,
        at: u64,
        cursor: &mut Cursor<'_>,
        window: Window<'_>,
        visit: &mut V,
    ) -> Result<(), Stop> {
        let Some(kind) = value_type.kind(self.dialect, self.version) else {
            return Err(self.unknown(ErrorKind::UnknownType(value_type.0), at));
        };
        let key = cursor.string(&mut self.tools.first, self.tools.limit)?;
        let value_offset = cursor.offset();
        if !self.arriving.ranges().is_empty() {
            self.is_arriving = self.arriving.has(slot_of(key));
            if self.is_arriving {
                return self.arriving_key(value_type, kind, cursor, window);
            }
        }
        let attributes = &mut self.attributes;
        let interest = visit.entry(&Entry {
            database: attributes.database,
            key,
            value_type,
            expire_ms: attributes.expire_ms,
            idle_seconds: attributes.idle_seconds,
            frequency: attributes.frequency,
            key_meta: attributes.has_meta.then_some(&self.kept),
            value_offset,
        });
        self.tally.key(attributes.expire_ms.is_some());
        let is_negative = attributes.expire_ms.is_some_and(i64::is_negative);
        if value_type != self.whose.value_type {
            self.whose.value_type = value_type;
            self.tools.needs.value_type(value_type);
        }
        let database = attributes.database;
        let is_passed = value_type == ValueType::STRING && !interest.pieces && cursor.pass_plain_string();
        let expires_twice = std::mem::take(&mut self.attributes.expires_twice);
        if self.whose.is_told && (!is_passed || is_negative || expires_twice) {
            self.whose.begin(database, key);
        }
        let attributes = &mut self.attributes;
        (attributes.expire_ms, attributes.idle_seconds, attributes.frequency) = (None, None, None);
        attributes.has_meta = false;
        let odd = [(is_negative, OddityKind::NegativeExpiry), (expires_twice, OddityKind::ExpiryTwice)];
        for (_, kind) in odd.into_iter().filter(|(is_odd, _)| *is_odd) {
            if let Whose::Told(owner) = self.whose.whose() {
                visit.oddity(&Oddity {
                    kind,
                    what: kind.words(),
                    offset: value_offset,
                    owner,
                    library: None,
                    numbers: None,
                });
            }
        }
        if interest.raw {
            self.raw = Raw::Visitor(value_offset);
        }
        // What most keys hold was passed by without a reader.
        if is_passed {
            return self.end_value(1, value_offset, false, cursor, window, visit);
        }
        let reader = Reader::new(value_type, kind, self.dialect, interest.pieces);
        self.begin_value(reader, kind.vanishes_when_empty(), cursor, window, visit)
    }

    /// A key of a slot that is still on its way to the server: the node that sends the slot has it as well, and shows it. No visitor is
    /// told of it.
    #[cold]
    fn arriving_key(
        &mut self,
        value_type: ValueType,
        kind: Kind,
        cursor: &mut Cursor<'_>,
        window: Window<'_>,
    ) -> Result<(), Stop> {
        let attributes = &mut self.attributes;
        self.tally.arriving_key(attributes.expire_ms.is_some());
        (attributes.expire_ms, attributes.idle_seconds, attributes.frequency) = (None, None, None);
        (attributes.has_meta, attributes.expires_twice) = (false, false);
        // A server that loads the file reads the value all the same.
        self.tools.needs.value_type(value_type);
        let reader = Reader::new(value_type, kind, self.dialect, false);
        self.begin_value(reader, false, cursor, window, &mut ())
    }

    /// Whether the file is of a version whose servers keep metadata of keys (Redis from 8.6 on).
    #[inline]
    fn keeps_key_meta(&self) -> bool {
        self.dialect == Dialect::Redis && self.version >= 13
    }

    fn rare_opcode<V: Visit>(
        &mut self,
        number: u8,
        at: u64,
        cursor: &mut Cursor<'_>,
        window: Window<'_>,
        visit: &mut V,
    ) -> Result<(), Stop> {
        let limit = self.tools.limit;
        match number {
            opcode::EXPIRE_SECONDS => {
                let seconds = i32::from_le_bytes(cursor.array()?);
                self.attributes.expire(i64::from(seconds) * 1000, self.keeps_key_meta());
            }
            opcode::IDLE => self.attributes.idle_seconds = Some(number_of(cursor)?),
            opcode::FREQUENCY => self.attributes.frequency = Some(cursor.byte()?),
            opcode::SELECT_DB => {
                let index = number_of(cursor)?;
                self.database_end(at, visit);
                self.attributes.database = index;
                self.tools.needs.database(index);
                visit.database(index);
            }
            opcode::RESIZE_DB => {
                let (keys, expires) = (number_of(cursor)?, number_of(cursor)?);
                self.tally.hint(keys, expires);
                visit.resize_hint(keys, expires);
                if is_huge(keys) || is_huge(expires) {
                    self.odd(OddityKind::HugeHint, OddityKind::HugeHint.words(), at, Some((keys, expires)), visit);
                }
            }
            opcode::SLOT_INFO => {
                let (slot, keys, expires) = (number_of(cursor)?, number_of(cursor)?, number_of(cursor)?);
                visit.slot_info(slot, keys, expires);
                self.tools.needs.slot_info();
                if slot >= SLOTS || keys.max(expires) >= HUGE {
                    self.odd(OddityKind::SlotHint, OddityKind::SlotHint.words(), at, Some((slot, keys)), visit);
                }
            }
            opcode::AUX => self.aux_field(at, cursor, visit)?,
            opcode::FUNCTION => {
                let source = cursor.string(&mut self.tools.first, limit)?;
                visit.function(source);
                let judged = self.whose.libraries.judge(source);
                self.function_end(judged, at, visit);
            }
            opcode::FUNCTION_PRE_GA => {
                self.old_function(cursor, visit)?;
                self.whose.libraries.forget_last();
                self.function_end(Some((OddityKind::OldFunction, OddityKind::OldFunction.words())), at, visit);
            }
            opcode::MODULE_AUX => {
                let module = cursor.length()?;
                self.tools.needs.module(module);
                let opcode_at = cursor.offset();
                let (number, when) = (cursor.length()?, cursor.length()?);
                if number != 2 {
                    return Err(Stop::corrupt(opcode_at, "module data without its time of loading"));
                }
                if visit.wants_module_aux() {
                    self.keep_from(cursor.offset());
                }
                self.state = State::ModuleAux { module, when, opcodes: Opcodes::default() };
            }
            opcode::EOF => {
                self.database_end(at, visit);
                let up_to_here = (cursor.offset() - window.start) as usize;
                self.crc = Some(self.tail.crc_with(&window.bytes[..up_to_here]));
                self.state = State::Checksum;
            }
            opcode::KEY_META_OR_SLOT_IMPORT => return self.key_meta_or_slot_import(at, cursor, visit),
            _ => return self.template_or_update(number, at, cursor),
        }
        Ok(())
    }

    /// No more keys of this database in this place.
    fn database_end<V: Visit>(&mut self, at: u64, visit: &mut V) {
        if let Some(announced) = self.tally.database_end(self.attributes.database) {
            const WHAT: &str = "a database announces far more keys than it holds";
            self.odd(OddityKind::HugeHint, WHAT, at, Some(announced), visit);
        }
    }

    /// Tells what is odd in the file, not in a value.
    #[cold]
    pub(super) fn odd<V: Visit>(
        &mut self,
        kind: OddityKind,
        what: &'static str,
        offset: u64,
        numbers: Option<(u64, u64)>,
        visit: &mut V,
    ) {
        if self.whose.is_told {
            visit.oddity(&Oddity { kind, what, offset, owner: None, library: None, numbers });
        }
    }

    /// A library was read: counts it, and tells what is odd.
    fn function_end<V: Visit>(&mut self, judged: Option<(OddityKind, &'static str)>, at: u64, visit: &mut V) {
        self.tools.needs.function();
        let not_run = OddityKind::FunctionNotRun;
        for (kind, what) in judged.into_iter().chain([(not_run, not_run.words())]).filter(|_| self.whose.is_told) {
            let library = self.whose.libraries.last();
            visit.oddity(&Oddity { kind, what, offset: at, owner: None, library, numbers: None });
        }
    }

    /// A function library of the release candidates becomes one of today, as Redis 7.0 did it.
    fn old_function<V: Visit>(&mut self, cursor: &mut Cursor<'_>, visit: &mut V) -> Result<(), Stop> {
        let limit = self.tools.limit;
        let name = cursor.string(&mut self.tools.first, limit)?.to_vec();
        let engine = cursor.string(&mut self.tools.first, limit)?.to_vec();
        if cursor.length()? != 0 {
            cursor.string(&mut self.tools.first, limit)?;
        }
        let code = cursor.string(&mut self.tools.first, limit)?;
        let source = [b"#!", &engine[..], b" name=", &name, b"\n", code].concat();
        visit.function(&source);
        Ok(())
    }

    fn key_meta_or_slot_import<V: Visit>(
        &mut self,
        at: u64,
        cursor: &mut Cursor<'_>,
        visit: &mut V,
    ) -> Result<(), Stop> {
        match self.dialect {
            Dialect::Valkey => {
                let name = cursor.string(&mut self.tools.first, self.tools.limit)?.len();
                self.state = State::SlotImport { ranges_left: cursor.length()? };
                let kind = if name == IMPORT_NAME { OddityKind::SlotImport } else { OddityKind::SlotImportForm };
                self.odd(kind, kind.words(), at, None, visit);
            }
            Dialect::Redis if self.keeps_key_meta() => {
                let from = cursor.offset();
                let classes_left = cursor.length()?;
                if classes_left > 7 {
                    return Err(Stop::corrupt(from, "a key with more than seven classes of metadata"));
                }
                self.keep_from(from);
                self.attributes.has_meta = true;
                self.state = State::KeyMeta { classes_left, opcodes: None };
            }
            Dialect::Redis => return Err(self.unknown(ErrorKind::UnknownOpcode(opcode::KEY_META_OR_SLOT_IMPORT), at)),
        }
        Ok(())
    }

    fn template_or_update(&mut self, number: u8, at: u64, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        if self.dialect == Dialect::Valkey || self.version < 15 {
            return Err(self.unknown(ErrorKind::UnknownOpcode(number), at));
        }
        let id = number_of(cursor)?;
        let fields_at = cursor.offset();
        let fields_left = cursor.length()?;
        if fields_left == 0 {
            return Err(Stop::corrupt(fields_at, "a template without fields"));
        }
        self.state = State::Template { id, fields_left, template: Template::default() };
        Ok(())
    }

    /// What goes on after its opcode.
    pub(super) fn go_on<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        window: Window<'_>,
        visit: &mut V,
    ) -> Result<(), Stop> {
        let at = cursor.offset();
        let quiet = &mut Teller { visit: &mut (), pieces: false, whose: Whose::Strict };
        match &mut self.state {
            State::ModuleAux { module, when, opcodes } => {
                opcodes.run(cursor, &mut self.tools, quiet)?;
                let (module, when) = (*module, *when);
                self.kept_until(cursor.offset(), window, visit)?;
                visit.module_aux(module, when, &self.kept);
                self.kept = Vec::new();
            }
            State::KeyMeta { classes_left: 0, .. } => self.kept_until(at, window, visit)?,
            State::KeyMeta { classes_left, opcodes } => {
                match opcodes {
                    None => {
                        // Name, version and flags of the class.
                        cursor.array::<4>()?;
                        *opcodes = Some(Opcodes::default());
                    }
                    Some(running) => {
                        running.run(cursor, &mut self.tools, quiet)?;
                        *opcodes = None;
                        *classes_left -= 1;
                    }
                }
                return Ok(());
            }
            State::SlotImport { ranges_left } if *ranges_left > 0 => {
                let (first, last) = (cursor.length()?, cursor.length()?);
                *ranges_left -= 1;
                if first > last || last >= SLOTS {
                    let kind = OddityKind::SlotImportForm;
                    self.odd(kind, kind.words(), at, None, visit);
                } else if let (Ok(first), Ok(last)) = (u16::try_from(first), u16::try_from(last)) {
                    let ranges = [self.arriving.ranges(), &[(first, last)]].concat();
                    self.arriving = Slots::of(ranges);
                }
                return Ok(());
            }
            State::Template { id, fields_left, template } => {
                if *fields_left > 0 {
                    template.add(cursor.string(&mut self.tools.first, self.tools.limit)?, at)?;
                    *fields_left -= 1;
                    return Ok(());
                }
                let (id, mut template) = (*id, std::mem::take(template));
                let ascends = template.close();
                self.tools.templates.insert(id, template, at)?;
                if !ascends {
                    self.odd(OddityKind::TemplateFields, OddityKind::TemplateFields.words(), at, None, visit);
                }
            }
            _ => {}
        }
        self.state = State::Opcode;
        Ok(())
    }

    fn keep_from(&mut self, offset: u64) {
        self.kept.clear();
        self.raw = Raw::Kept(offset);
    }

    fn kept_until<V: Visit>(&mut self, offset: u64, window: Window<'_>, visit: &mut V) -> Result<(), Stop> {
        self.flush_raw(offset, window, visit)?;
        self.raw = Raw::Nobody;
        Ok(())
    }

    pub(super) fn read_checksum<V: Visit>(&mut self, cursor: &mut Cursor<'_>, visit: &mut V) -> Result<(), Stop> {
        let checksum = if self.version < FIRST_WITH_CHECKSUM {
            Checksum::NotInThisVersion
        } else {
            let at = cursor.offset();
            let stored = u64::from_le_bytes(cursor.array()?);
            let computed = self.crc.unwrap_or_default();
            tail::compare(stored, computed, at).map_err(|error| Stop::Fault(Box::new(error)))?
        };
        visit.end(checksum);
        self.end = Some((cursor.offset(), checksum));
        self.state = State::Done;
        Ok(())
    }

    /// An error for a number that is not known. What Valkey 9.2 brought is known to exist, but not how it is laid out.
    #[cold]
    fn unknown(&self, kind: ErrorKind, at: u64) -> Stop {
        let mut error = RdbError::at(at, kind);
        error.newer_file = self.dialect == Dialect::Valkey
            && self.version >= 81
            && matches!(kind, ErrorKind::UnknownType(23) | ErrorKind::UnknownOpcode(opcode::TEMPLATE_OR_UPDATE));
        Stop::Fault(Box::new(error))
    }
}

/// Slots of a cluster.
pub(super) const SLOTS: u64 = 16384;
/// Hints from here on may be allocated, and are no numbers of keys.
pub(super) const HUGE: u64 = 1 << 31;

/// A number that stands where servers read a length: the highest one is what their reader returns for an error, so that they give up on
/// the file (Redis `rdb.h`, `RDB_LENERR`).
fn number_of(cursor: &mut Cursor<'_>) -> Result<u64, Stop> {
    let at = cursor.offset();
    match cursor.length()? {
        u64::MAX => Err(Stop::corrupt(at, "a length of 2^64-1, which servers treat as a read error")),
        number => Ok(number),
    }
}

/// Hints from here on ask for a table of a GiB and more: that is a lie where half as many keys follow.
pub(super) const LARGE: u64 = 1 << 27;

/// True for a hint that some servers allocate a table for, and cannot; tables beyond 2^62 are not even asked for (Redis `dict.c`,
/// `dictTryExpand`).
pub(super) fn is_huge(keys: u64) -> bool {
    (HUGE..1 << 62).contains(&keys)
}
