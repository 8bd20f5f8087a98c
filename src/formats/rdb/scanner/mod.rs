//! The scanner: bytes are pushed, a visitor is told. It never reads and never waits.
//!
//! What lies whole in a push is parsed where it lies. What is cut at its end, one unit (an opcode with its arguments, a key,
//! an element, a packed blob), is carried over. Long strings are passed through and never carried.

mod aux_fields;
mod header;
#[cfg(test)]
mod long_blobs;
#[cfg(test)]
mod memory;
mod opcodes;
mod summary;
mod windows;

use super::error::{ErrorKind, RdbError};
use super::needs::Needs;
use super::oddity::{Libraries, NAME_KEPT, Owner};
use super::opcode::Dialect;
use super::tail::Tail;
use super::types::ValueType;
use super::value::{Compared, Opcodes, Reader, Template, Tools, Whose};
use super::visit::{Checksum, Visit};
use crate::slots::Slots;

pub use summary::{HintMismatch, Summary};

/// Parts of a push that are parsed and added to the CRC64 at a time: they stay in the processor's cache.
const WINDOW: usize = 256 << 10;
/// Buffers larger than this are given back.
const KEEP: usize = 256 << 10;
/// Most bytes of a piece that is held in memory: listpacks and ziplists end at 1 GiB in the servers.
const PIECE_LIMIT: u64 = 1 << 30;

/// Reads an RDB from parts, of any length, in order.
#[derive(Debug)]
pub struct Scanner {
    state: State,
    dialect: Dialect,
    version: u32,
    tools: Tools,
    attributes: Attributes,
    tally: summary::Tally,
    /// An incomplete unit, and how many bytes it needs.
    carry: Vec<u8>,
    need: usize,
    /// Length and CRC64 up to the current window.
    tail: Tail,
    /// CRC64 up to and with opcode 255, once that was met.
    crc: Option<u64>,
    /// From here on bytes are told raw, or kept.
    raw: Raw,
    kept: Vec<u8>,
    trailing: u64,
    trailing_in_last_push: usize,
    trailing_start: Vec<u8>,
    end: Option<(u64, Checksum)>,
    failed: Option<RdbError>,
    whose: Key,
    /// The slots that were on their way to the server when it wrote the file, and whether the key under way is of one of them.
    arriving: Slots,
    is_arriving: bool,
}

/// The key whose value is under way, as far as it is named with what is odd.
#[derive(Debug)]
struct Key {
    /// Off: the scanner stops at what is damaged.
    is_told: bool,
    database: u64,
    name: Vec<u8>,
    length: u64,
    value_type: ValueType,
    libraries: Libraries,
}

impl Key {
    fn whose(&self) -> Whose<'_> {
        if !self.is_told {
            return Whose::Strict;
        }
        let (database, value_type) = (self.database, self.value_type);
        Whose::Told(Some(Owner { database, key: &self.name, key_length: self.length, value_type }))
    }

    #[inline]
    fn begin(&mut self, database: u64, key: &[u8]) {
        self.database = database;
        self.length = key.len() as u64;
        self.name.clear();
        self.name.extend_from_slice(&key[..key.len().min(NAME_KEPT)]);
    }
}

#[derive(Debug)]
enum State {
    Header,
    /// An opcode or a type comes next.
    Opcode,
    Value {
        reader: Reader,
        offset: u64,
        vanishes: bool,
    },
    ModuleAux {
        module: u64,
        when: u64,
        opcodes: Opcodes,
    },
    KeyMeta {
        classes_left: u64,
        opcodes: Option<Opcodes>,
    },
    SlotImport {
        ranges_left: u64,
    },
    Template {
        id: u64,
        fields_left: u64,
        template: Template,
    },
    Checksum,
    Done,
}

/// What gets the bytes of a value as they stand, and from which byte on.
#[derive(Debug, Clone, Copy)]
enum Raw {
    Nobody,
    Visitor(u64),
    Kept(u64),
}

/// What stands before a key in the file: expiry, idle time, frequency.
#[derive(Debug, Default)]
struct Attributes {
    database: u64,
    expire_ms: Option<i64>,
    /// More than one expiry stands before the key.
    expires_twice: bool,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
    has_meta: bool,
}

impl Attributes {
    /// An expiry before the next key. Of two the last counts, and the first for a server that keeps metadata of keys (Redis `rdb.c`: an
    /// expiry is one class of them).
    #[inline]
    fn expire(&mut self, at_ms: i64, first_counts: bool) {
        self.expires_twice |= self.expire_ms.is_some();
        if self.expire_ms.is_none() || !first_counts {
            self.expire_ms = Some(at_ms);
        }
    }
}

/// The part of a push that is being parsed.
#[derive(Clone, Copy)]
struct Window<'a> {
    bytes: &'a [u8],
    start: u64,
}

impl Scanner {
    /// At the start of a file.
    pub fn new() -> Self {
        Self::with_piece_limit(PIECE_LIMIT)
    }

    /// With another limit, in bytes, for what is held in memory at once: a packed blob, a key, an element that is told.
    /// Larger ones are an error. Strings, and elements that nobody wants to hear, are not limited.
    pub fn with_piece_limit(limit: u64) -> Self {
        Self {
            state: State::Header,
            dialect: Dialect::Redis,
            version: 0,
            tools: Tools::new(limit),
            attributes: Attributes::default(),
            tally: summary::Tally::default(),
            carry: Vec::new(),
            need: 0,
            tail: Tail::new(),
            crc: None,
            raw: Raw::Nobody,
            kept: Vec::new(),
            trailing: 0,
            trailing_in_last_push: 0,
            trailing_start: Vec::new(),
            end: None,
            failed: None,
            arriving: Slots::default(),
            is_arriving: false,
            whose: Key {
                is_told: false,
                database: 0,
                name: Vec::new(),
                length: 0,
                value_type: ValueType(u8::MAX),
                libraries: Libraries::default(),
            },
        }
    }

    /// Reads on past what is odd, damage inside of a value included, as long as it is known where the value ends: that is told by
    /// [`Visit::oddity`]. Compares members of one value with each other, so many at most: they take twelve bytes each.
    pub fn reading_on(mut self, members: usize) -> Self {
        self.whose.is_told = true;
        self.tools.compared = Some(Box::new(Compared::new(members)));
        self
    }

    /// What a server must have to load the file, as far as it was read.
    pub fn needs(&self) -> &Needs {
        &self.tools.needs
    }

    /// Members of values that were not compared with each other, since there are too many in one value.
    pub fn not_compared(&self) -> u64 {
        self.tools.compared.as_ref().map_or(0, |compared| compared.not_compared())
    }

    /// Parses the next bytes of the file. Bytes behind its end are counted, see [`Scanner::trailing_in_last_push`].
    ///
    /// # Errors
    /// What is wrong, and where. The scanner stays in that state and gives the same error again. After one that
    /// [`RdbError::is_newer_than_known`] all bytes of this push count as skimmed: go on with [`Scanner::skim`].
    pub fn push<V: Visit>(&mut self, bytes: &[u8], visit: &mut V) -> Result<(), RdbError> {
        // Generic code is compiled where it is used, once for each visitor. A debug build compiles it once, in this crate, which is optimized
        // there; else it would be the slowest code of all tests.
        #[cfg(debug_assertions)]
        return self.push_told_to(bytes, visit);
        #[cfg(not(debug_assertions))]
        self.push_all(bytes, visit)
    }

    #[cfg(debug_assertions)]
    #[inline(never)]
    fn push_told_to(&mut self, bytes: &[u8], mut visit: &mut dyn Visit) -> Result<(), RdbError> {
        self.push_all(bytes, &mut visit)
    }

    fn push_all<V: Visit>(&mut self, bytes: &[u8], visit: &mut V) -> Result<(), RdbError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.trailing_in_last_push = 0;
        for (index, window) in bytes.chunks(WINDOW).enumerate() {
            if let Err(mut error) = self.push_window(window, visit) {
                error.newer_file |= self.version > self.dialect.newest_known();
                self.failed = Some(error);
                self.carry = Vec::new();
                self.tail.push(&bytes[index * WINDOW..]);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes bytes after an error: for the length and the CRC64 only.
    pub fn skim(&mut self, bytes: &[u8]) {
        self.tail.push(bytes);
    }

    /// All bytes of a file that was not understood to its end have been pushed or skimmed: compares its last eight with
    /// the CRC64 of those before.
    ///
    /// # Errors
    /// `ChecksumMismatch`, or `Truncated` for a file too short to have a checksum.
    pub fn skim_finish(&self) -> Result<Checksum, RdbError> {
        self.tail.finish()
    }

    /// All bytes have been pushed. Changes nothing: asked too early, it says so, and more can be pushed.
    ///
    /// # Errors
    /// `Truncated` if the file did not end, at its length; the error of [`Scanner::push`] if there was one.
    pub fn finish(&self) -> Result<Summary, RdbError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let Some((length, checksum)) = self.end else {
            let mut error = header::short_header(&self.state, &self.carry)
                .unwrap_or(RdbError::at(self.tail.length(), ErrorKind::Truncated));
            error.newer_file = self.version > self.dialect.newest_known();
            return Err(error);
        };
        Ok(self.tally.summary(Summary {
            dialect: self.dialect,
            version: self.version,
            checksum,
            length,
            trailing: self.trailing,
            trailing_start: self.trailing_start.clone(),
            ..Summary::default()
        }))
    }

    /// Offset up to which the file was parsed.
    pub fn position(&self) -> u64 {
        match (self.failed, self.end) {
            (Some(error), _) => error.offset,
            (None, Some((length, _))) => length,
            (None, None) => self.tail.length() - self.carry.len() as u64,
        }
    }

    /// True once the end of the file and its checksum were read.
    pub fn is_complete(&self) -> bool {
        self.end.is_some()
    }

    /// How many bytes of the last push lay behind the end of the file.
    pub fn trailing_in_last_push(&self) -> usize {
        self.trailing_in_last_push
    }

    /// Dialect and version, once the header was read.
    pub fn header(&self) -> Option<(Dialect, u32)> {
        (self.version > 0).then_some((self.dialect, self.version))
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}
