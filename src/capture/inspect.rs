//! Looks at an RDB while it passes: structure, CRC64, length, aux fields, and a census where one is wanted.

mod notes;

use std::collections::{BTreeMap, BTreeSet};

use crate::census::{Census, Counter};
use crate::dataset::foreign::{Foreign, are_commands};
use crate::dataset::{KeysRead, ReadError, Take};
use crate::rdb::oddity::Owner;
use crate::rdb::visit::Checksum;
use crate::rdb::{
    Dialect, DuplicateKeys, Duplicates, ErrorKind, HintMismatch, Needs, Oddities, Oddity, OddityKind, RdbError,
    Scanner, ValueType,
};
use crate::repository::manifest::{Structure, StructureState};
use notes::Notes;

/// Where the version stands in the header.
const VERSION_AT: u64 = 5;

/// Keys of a file that are compared with each other by [`Inspector::judging`]: this many take 39 MiB.
pub const KEYS_COMPARED: u64 = 3 << 20;

/// Keys that come again whose places are kept.
const REPEATED_KEPT: usize = 20;

/// Members of one value that are compared with each other: this many take 24 MiB.
const MEMBERS_COMPARED: usize = 2 << 20;

/// Takes the bytes of one RDB, in chunks of any length, and tells in the end what they were.
pub struct Inspector {
    scanner: Scanner,
    notes: Notes,
    length: u64,
    /// Set where the RDB is newer than we know: from there on only its length and checksums are taken.
    not_understood: Option<RdbError>,
    /// Set where it cannot be read on, and is judged: its bytes may be all there is, so that its checksum decides whether it is whole.
    broken: Option<RdbError>,
    judges: bool,
}

/// What an RDB was found to be.
#[derive(Debug)]
pub struct Inspected {
    /// Which family wrote it.
    pub dialect: Dialect,
    /// Version of the header.
    pub rdb_version: u32,
    /// Aux fields; of a name that repeats the last value.
    pub aux: BTreeMap<String, String>,
    /// Bytes of the RDB itself.
    pub raw_bytes: u64,
    /// Bytes that followed its end.
    pub trailing_bytes: u64,
    /// The first of them, at most 16.
    pub trailing_start: Vec<u8>,
    /// What was made of the checksum at its end.
    pub checksum: Checksum,
    /// How far it was understood.
    pub structure: Structure,
    /// Why it was not understood to the end.
    pub not_understood: Option<RdbError>,
    /// Where its structure breaks off, though its CRC64 is right: what was written was wrong already. Only if it was judged.
    pub broken: Option<RdbError>,
    /// What is in it, if a census was asked for and the structure was understood.
    pub census: Option<Census>,
    /// Keys and libraries, to be held against a manifest, if that was asked for ([`Inspector::counting`]).
    pub read: Option<KeysRead>,
    /// Keys, whether a census was asked for or not; 0 where the structure was not understood.
    pub keys: u64,
    /// Keys of slots that were still on their way to the server, which nobody was told of: see [`Summary::arriving`](crate::rdb::Summary::arriving).
    pub arriving: u64,
    /// Keys without any element: servers from 6.2 on leave them out when they load the file.
    pub empty_keys: u64,
    /// Offset of the value of the first of them.
    pub first_empty_key: Option<u64>,
    /// The first database whose RESIZEDB announces another number of keys than were found.
    pub hint_mismatch: Option<HintMismatch>,
    /// Keys that stand there twice, if such were looked for.
    pub duplicates: Duplicates,
    /// Where the values of the first of them begin that come again.
    pub repeated: BTreeSet<u64>,
    /// What is odd in it though it could be read on, if it was judged ([`Inspector::judging`]).
    pub oddities: Oddities,
    /// What a server must have to load it.
    pub needs: Needs,
    /// AUX records by the type name of their module: what modules keep outside of keys, such as search indexes. At most
    /// 64 modules.
    pub module_aux: BTreeMap<String, u64>,
}

/// Name (`redis`, `valkey`) and version of the server that wrote an RDB with these aux fields; the version is empty where they do not
/// say.
pub fn server_of(aux: &BTreeMap<String, String>) -> (&'static str, &str) {
    let version = |field: &str| aux.get(field).map(String::as_str);
    match version("valkey-ver") {
        Some(version) => ("valkey", version),
        None => ("redis", version("redis-ver").unwrap_or_default()),
    }
}

impl Inspected {
    /// False where the version is newer than we know, though all was understood: no server of a version that we know
    /// loads it.
    pub fn is_version_known(&self) -> bool {
        self.rdb_version <= self.dialect.newest_known()
    }

    /// Refuses the beginning of an append-only file: to leave out what follows its RDB would lose data. Other bytes behind the end
    /// belong to nobody.
    ///
    /// # Errors
    /// Commands follow the end of the RDB.
    pub fn must_end_with_the_rdb(&self) -> Result<(), Foreign> {
        if are_commands(&self.trailing_start) { Err(Foreign::aof_with_preamble()) } else { Ok(()) }
    }

    /// The server and version that the file names, as [`server_of`] tells them.
    pub fn server(&self) -> (&'static str, &str) {
        server_of(&self.aux)
    }

    /// The CRC64 at the end, as 16 hex digits; `None` where the server computed none.
    pub fn crc64(&self) -> Option<String> {
        match self.checksum {
            Checksum::Verified(crc) => Some(format!("{crc:016x}")),
            Checksum::Absent | Checksum::NotInThisVersion => None,
        }
    }
}

impl Take for Inspector {
    type Error = ReadError;

    fn take(&mut self, chunk: &[u8]) -> Result<(), ReadError> {
        Ok(self.push(chunk)?)
    }

    fn interrupted() -> ReadError {
        ReadError::Interrupted
    }
}

impl Inspector {
    /// An inspector that makes a census as well. Time left of expiries is reckoned from `moment_ms` (Unix milliseconds), unless the file
    /// says when it was made.
    pub fn with_census(moment_ms: i64) -> Self {
        Self::new(Some(Counter::of_everything(moment_ms)))
    }

    /// An inspector that looks at structure and checksums alone.
    pub fn without_census() -> Self {
        Self::new(None)
    }

    /// Looks for keys that stand there twice, among at most so many; see [`DuplicateKeys::new`] for the memory. A server's
    /// own stream holds none; a file that was put together by somebody may.
    pub fn looking_for_duplicates(mut self, most: u64) -> Self {
        self.notes.duplicates = Some(DuplicateKeys::new(most));
        self
    }

    /// Judges the file as a server does that loads it, and reads on past what is odd: damage inside of a value, too, is an oddity
    /// and no error, as long as it is known where the value ends. Compares keys, and the members of each value, with each other;
    /// takes at most 64 MiB.
    pub fn judging(mut self) -> Self {
        self.scanner = self.scanner.reading_on(MEMBERS_COMPARED);
        self.judges = true;
        self.looking_for_duplicates(KEYS_COMPARED)
    }

    /// Counts what a manifest says of the keys, and those that have expired by now (Unix milliseconds).
    pub fn counting(mut self, now_ms: i64) -> Self {
        self.notes.read = Some(KeysRead::expiring_until(now_ms));
        self
    }

    fn new(counter: Option<Counter>) -> Self {
        Self {
            scanner: Scanner::new(),
            notes: Notes { counter, ..Notes::default() },
            length: 0,
            not_understood: None,
            broken: None,
            judges: false,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// Where the bytes are damaged. What is merely newer than we know is no error: from there on the bytes are only counted.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), RdbError> {
        self.length += bytes.len() as u64;
        if self.not_understood.is_some() || self.broken.is_some() {
            self.scanner.skim(bytes);
            return Ok(());
        }
        match self.scanner.push(bytes, &mut self.notes) {
            Ok(()) => Ok(()),
            Err(error) if error.is_newer_than_known() => {
                self.not_understood = Some(error);
                Ok(())
            }
            Err(error) if self.judges && is_readers_end(&error) => {
                self.broken = Some(error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The stream has ended: was it one whole RDB?
    ///
    /// # Errors
    /// If it ended early, or the CRC64 of what is newer than we know does not agree.
    pub fn finish(self) -> Result<Inspected, RdbError> {
        if let Some(error) = self.not_understood {
            return self.finish_skimmed(error);
        }
        if let Some(error) = self.broken {
            // Damage on the way would have changed the checksum. Without one nobody can tell.
            return match self.scanner.skim_finish() {
                Ok(Checksum::Verified(_)) => self.finish_skimmed(error),
                _ => Err(error),
            };
        }
        let summary = self.scanner.finish()?;
        // A version that we do not know may mean something else by what we think we understood.
        let not_understood = (!summary.is_version_known())
            .then(|| RdbError::at(VERSION_AT, ErrorKind::UnsupportedVersion(summary.dialect, summary.version)));
        let state = if not_understood.is_some() { StructureState::NotUnderstood } else { StructureState::Verified };
        let found = self.notes.duplicates.map(DuplicateKeys::finish_with_offsets);
        let (duplicates, repeated) = found.unwrap_or_default();
        let again = repeated.into_iter().filter(|(offset, first)| offset != first).map(|(offset, _)| offset);
        let mut oddities = self.notes.oddities;
        if let Some(first) = &duplicates.first {
            let (kind, database) = (OddityKind::DuplicateKey, first.database);
            oddities.add(&Oddity {
                kind,
                what: kind.words(),
                offset: first.value_offset,
                owner: Some(Owner { database, key: b"", key_length: 0, value_type: ValueType::STRING }),
                library: None,
                numbers: Some((duplicates.count, 0)),
            });
        }
        oddities.members_not_compared = self.scanner.not_compared();
        oddities.not_compared = duplicates.unchecked + oddities.members_not_compared;
        Ok(Inspected {
            dialect: summary.dialect,
            rdb_version: summary.version,
            aux: self.notes.aux,
            raw_bytes: summary.length,
            trailing_bytes: summary.trailing,
            trailing_start: summary.trailing_start,
            checksum: summary.checksum,
            structure: Structure { state, understood_up_to: summary.length },
            not_understood,
            broken: None,
            census: self.notes.counter.filter(|_| not_understood.is_none()).map(Counter::finish),
            read: self.notes.read,
            keys: summary.keys,
            arriving: summary.arriving,
            empty_keys: summary.empty_keys,
            first_empty_key: summary.first_empty_key,
            hint_mismatch: summary.first_hint_mismatch,
            duplicates,
            repeated: again.take(REPEATED_KEPT).collect(),
            oddities,
            needs: self.scanner.needs().clone(),
            module_aux: self.notes.module_aux,
        })
    }

    /// What is newer than we know is good if its CRC64 is: then it is whole, whatever it says.
    fn finish_skimmed(self, error: RdbError) -> Result<Inspected, RdbError> {
        let checksum = self.scanner.skim_finish()?;
        let (dialect, rdb_version) = self.scanner.header().ok_or(error)?;
        Ok(Inspected {
            dialect,
            rdb_version,
            aux: self.notes.aux,
            raw_bytes: self.length,
            trailing_bytes: 0,
            trailing_start: Vec::new(),
            checksum,
            structure: Structure { state: StructureState::NotUnderstood, understood_up_to: error.offset },
            not_understood: self.not_understood,
            broken: self.broken,
            census: None,
            read: None,
            keys: 0,
            arriving: 0,
            empty_keys: 0,
            first_empty_key: None,
            hint_mismatch: None,
            duplicates: Duplicates::default(),
            repeated: BTreeSet::new(),
            oddities: self.notes.oddities,
            needs: self.scanner.needs().clone(),
            module_aux: self.notes.module_aux,
        })
    }
}

/// Whether the reader cannot go on, but the bytes may be those that were written: all but their end and their checksum.
fn is_readers_end(error: &RdbError) -> bool {
    matches!(
        error.kind,
        ErrorKind::Corrupt(_) | ErrorKind::UnknownType(_) | ErrorKind::UnknownOpcode(_) | ErrorKind::TooLarge { .. }
    )
}
