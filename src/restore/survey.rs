//! A look at a whole backup before a restore: what only reading all of it tells.

use std::collections::{BTreeMap, BTreeSet};

use crate::census::KeyType;
use crate::rdb::opcode::{Dialect, ValueType};
use crate::rdb::visit::{Checksum, Entry, EntryEnd, Interest, Piece, Visit};
use crate::repository::manifest::DatabaseCount;
use crate::restore::choices::{Choices, Wanted};
use crate::restore::replay::assemble::HELD_AT_MOST;
use crate::restore::tally::{FailedKey, NAMES_KEPT};
use crate::restore::target_format::{Loss, Route, TargetFormat};

/// Aux fields that are of use, and how long they may be.
const AUX: &[&str] = &["redis-ver", "valkey-ver", "ctime", "used-mem"];
const LONGEST_AUX: usize = 64;

/// What reading all of a backup tells.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Survey {
    /// Version of the RDB format.
    pub version: u32,
    /// Aux fields of use.
    pub aux: BTreeMap<String, String>,
    /// Bytes of the RDB.
    pub bytes: u64,
    /// Keys.
    pub keys: u64,
    /// By database.
    pub databases: BTreeMap<u64, DatabaseCount>,
    /// Keys by type name.
    pub by_type: BTreeMap<String, u64>,
    /// Names of the function libraries.
    pub functions: BTreeSet<String>,
    /// Keys that are wanted and had not expired.
    pub wanted: u64,
    /// Bytes of their values.
    pub wanted_bytes: u64,
    /// Keys that are wanted and had expired.
    pub expired: u64,
    /// Keys left out by choice.
    pub left_out: u64,
    /// Wanted keys that go by typed commands.
    pub by_commands: u64,
    /// Wanted keys of which something is lost, or all: how many.
    pub losses: BTreeMap<Loss, u64>,
    /// The first of them.
    pub lost_keys: Vec<FailedKey>,
    /// Longest string among the wanted keys.
    pub longest_string: Option<(u64, FailedKey)>,
    /// Values too long to be collected: number of the key and length of the value.
    pub long: BTreeMap<u64, u64>,
    /// Whether the bytes are proven by a checksum of the file.
    pub checksummed: bool,
}

/// Makes a [`Survey`]: a visitor of the RDB.
#[derive(Debug)]
pub struct Surveyor<'a> {
    choices: &'a Choices,
    format: TargetFormat,
    all_by_commands: bool,
    now_ms: i64,
    dialect: Dialect,
    survey: Survey,
    key_type: KeyType,
    /// Name of a string that is being read, and where it goes.
    string: Vec<u8>,
    string_in: Option<u64>,
    longest: u64,
    wanted: bool,
    by_type: BTreeMap<KeyType, u64>,
}

impl<'a> Surveyor<'a> {
    /// For a restore with these choices into such a target, at this moment.
    pub fn new(choices: &'a Choices, format: TargetFormat, all_by_commands: bool, now_ms: i64) -> Self {
        Self {
            choices,
            format,
            all_by_commands,
            now_ms,
            dialect: Dialect::Redis,
            survey: Survey::default(),
            key_type: KeyType::String,
            string: Vec::new(),
            string_in: None,
            longest: HELD_AT_MOST,
            wanted: false,
            by_type: BTreeMap::new(),
        }
    }

    /// The whole file was read; it has so many bytes.
    pub fn finish(mut self, bytes: u64) -> Survey {
        self.survey.bytes = bytes;
        self.survey.by_type = self.by_type.iter().map(|(name, keys)| (name.to_string(), *keys)).collect();
        self.survey
    }

    fn note_route(&mut self, entry: &Entry<'_>, database: u64) {
        let route = if self.all_by_commands {
            self.format.by_commands(entry.value_type)
        } else {
            self.format.route(entry.value_type, self.dialect, self.survey.version)
        };
        let loss = match route {
            Route::Payload => None,
            Route::Commands(loss) => {
                self.survey.by_commands += 1;
                loss
            }
            Route::Impossible(loss) => Some(loss),
        };
        if let Some(loss) = loss {
            *self.survey.losses.entry(loss).or_default() += 1;
            if self.survey.lost_keys.len() < NAMES_KEPT {
                self.survey.lost_keys.push(FailedKey::new(database, entry.key, loss.words()));
            }
        }
    }
}

impl Visit for Surveyor<'_> {
    fn header(&mut self, dialect: Dialect, version: u32) {
        (self.dialect, self.survey.version) = (dialect, version);
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        if let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value))
            && AUX.contains(&name)
            && value.len() <= LONGEST_AUX
        {
            self.survey.aux.insert(name.to_owned(), value.to_owned());
        }
    }

    fn function(&mut self, source: &[u8]) {
        let name = crate::restore::replay::assemble::name_of(source);
        self.survey.functions.insert(String::from_utf8_lossy(name).into_owned());
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        let survey = &mut self.survey;
        let count = survey.databases.entry(entry.database).or_default();
        count.keys += 1;
        count.expires += u64::from(entry.expire_ms.is_some());
        survey.keys += 1;
        self.key_type = KeyType::of_encoding(entry.value_type);
        self.string_in = None;
        self.wanted = false;
        match self.choices.decide(entry.database, entry.key, self.key_type, entry.expire_ms, self.now_ms) {
            Wanted::No => survey.left_out += 1,
            Wanted::Expired => survey.expired += 1,
            Wanted::Yes { database, .. } => {
                survey.wanted += 1;
                self.wanted = true;
                if entry.value_type == ValueType(0) {
                    // Its length is known at its end; the name only here.
                    self.string.clear();
                    self.string.extend_from_slice(entry.key);
                    self.string_in = Some(database);
                }
                self.note_route(entry, database);
            }
        }
        Interest { raw: false, pieces: matches!(self.key_type, KeyType::Module(_)) }
    }

    fn piece(&mut self, piece: Piece<'_>) {
        if let Piece::Module(id) = piece {
            self.key_type = KeyType::of_module(id);
        }
    }

    fn entry_end(&mut self, end: &EntryEnd) {
        let survey = &mut self.survey;
        *self.by_type.entry(self.key_type).or_default() += 1;
        if !self.wanted {
            return;
        }
        survey.wanted_bytes += end.raw_length;
        if end.raw_length > HELD_AT_MOST {
            survey.long.insert(survey.keys - 1, end.raw_length);
        }
        if let Some(database) = self.string_in.take()
            && end.raw_length > self.longest
        {
            self.longest = end.raw_length;
            survey.longest_string = Some((end.raw_length, FailedKey::new(database, &self.string, "")));
        }
    }

    fn end(&mut self, checksum: Checksum) {
        self.survey.checksummed = matches!(checksum, Checksum::Verified(_));
    }
}
