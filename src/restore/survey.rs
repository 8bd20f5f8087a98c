//! A look at a whole backup before a restore: what only reading all of it tells.

mod dangers;
mod streams;

use std::collections::{BTreeMap, BTreeSet};

use tokio_util::sync::CancellationToken;

use crate::census::KeyType;
use crate::dataset::pass::{self, Feed};
use crate::dataset::{Raw, ReadError, Scanned};
use crate::progress::Progress;
use crate::rdb::opcode::Dialect;
use crate::rdb::types::{Kind, ValueType};
use crate::rdb::visit::{Checksum, Entry, EntryEnd, Interest, Part, PartOf, Piece, Visit};
use crate::rdb::{DuplicateKeys, Duplicates, Oddity, OddityKind, Repeated, Summary};
use crate::repository::manifest::DatabaseCount;
use crate::restore::choices::{Choices, Wanted};
use crate::restore::facts::TargetFacts;
use crate::restore::functions::Sources;
use crate::restore::mend::Mended;
use crate::restore::replay::MEMBERS_COMPARED;
use crate::restore::replay::assemble::held_at_most;
use crate::restore::tally::{FailedKey, NAMES_KEPT};
use crate::restore::target_format::{Loss, Route, TargetFormat, fits};
pub use dangers::Dangers;
use streams::DeadPending;

/// Aux fields that are of use, and how long they may be.
const AUX: &[&str] = &["redis-ver", "valkey-ver", "ctime", "used-mem"];
const LONGEST_AUX: usize = 64;
/// So many keys of a file of others are compared with each other: they take 39 MiB.
const KEYS_COMPARED: u64 = 3 << 20;

/// So many values that cannot be read to their end are told apart.
const DAMAGED_KEPT: usize = 100_000;

/// What reading all of a backup tells.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Survey {
    /// Version of the RDB format.
    pub version: u32,
    /// Aux fields of use.
    pub aux: BTreeMap<String, String>,
    /// Bytes of the RDB.
    pub bytes: u64,
    /// Bytes behind its end, which are left out.
    pub trailing_bytes: u64,
    /// Keys in all databases.
    pub keys: u64,
    /// Keys by database of the backup.
    pub databases: BTreeMap<u64, DatabaseCount>,
    /// Keys by type name.
    pub by_type: BTreeMap<String, u64>,
    /// Names of the function libraries.
    pub functions: BTreeSet<String>,
    /// The sources of the function libraries.
    pub sources: Sources,
    /// Keys that are wanted and had not expired.
    pub wanted: u64,
    /// Bytes of their values.
    pub wanted_bytes: u64,
    /// Keys that are wanted and had expired.
    pub expired: u64,
    /// Of those: keys that had by the target's clock, and not by ours.
    pub expired_by_clock: u64,
    /// Keys left out by choice.
    pub left_out: u64,
    /// Wanted keys that go by typed commands.
    pub by_commands: u64,
    /// Types of wanted keys that go by typed commands, at least in part.
    pub types_by_commands: BTreeSet<KeyType>,
    /// Fields of wanted hashes expire.
    pub field_expiries: bool,
    /// Wanted streams that the target holds in an older form: with their entries, groups and pending entries, without the counters
    /// and times that came later.
    pub simpler_streams: u64,
    /// Wanted keys of which something is lost, or all: how many.
    pub losses: BTreeMap<Loss, u64>,
    /// The first of each kind.
    pub lost_keys: BTreeMap<Loss, Vec<FailedKey>>,
    /// The first wanted vector sets, which not every target takes.
    pub vector_sets: Vec<FailedKey>,
    /// Wanted keys whose values contradict themselves and are rebuilt: how many, the first, and what is odd in them.
    pub rebuilt: u64,
    /// The first of the keys that are rebuilt.
    pub rebuilt_keys: Vec<FailedKey>,
    /// Why keys are rebuilt: what contradicts itself in them.
    pub rebuilt_kinds: BTreeSet<OddityKind>,
    /// Where values begin that cannot be read to their end, wanted or not.
    pub damaged: BTreeSet<u64>,
    /// Values of keys that stand there more than once, if such were looked for.
    pub repeated: Repeated,
    /// How many databases a server needs that loads the file, also for those without keys.
    pub needs_databases: u64,
    /// Longest string among the wanted keys.
    pub longest_string: Option<(u64, FailedKey)>,
    /// The checksum of the file, which proves its bytes; `None`: it has none.
    pub crc64: Option<u64>,
    /// What matters to a server that loads the file itself.
    pub dangers: Dangers,
}

/// Makes a [`Survey`]: a visitor of the RDB.
#[derive(Debug)]
pub struct Surveyor {
    choices: Choices,
    format: TargetFormat,
    /// `proto-max-bulk-len` of the target, in bytes.
    longest_bulk: u64,
    all_by_commands: bool,
    /// By the target's clock, which decides.
    now_ms: i64,
    /// The same moment by our own clock, Unix milliseconds.
    our_now_ms: i64,
    dialect: Dialect,
    survey: Survey,
    key_type: KeyType,
    /// Name of a string or stream that is being read, and where it goes.
    name: Vec<u8>,
    named_in: Option<u64>,
    longest: u64,
    wanted: bool,
    /// The hash that is being read may have no field that lives; `true`: it has one.
    living: Option<bool>,
    /// For a hash whose fields cannot expire in the target: whether one of them would have.
    loses_expiry: Option<bool>,
    /// Servers leave the key out if it has no element.
    vanishes: bool,
    by_type: BTreeMap<KeyType, u64>,
    /// Bytes of the string that is being read, unpacked; only where commands write it.
    unpacked: Option<u64>,
    /// Looks for what no server would have written: only in files of others.
    keys_seen: Option<DuplicateKeys>,
    /// The same among the keys that are wanted and have not expired.
    wanted_seen: Option<DuplicateKeys>,
    /// What is odd in the value that is being read.
    odd: Option<(Mended, OddityKind)>,
    /// Where it begins, and the first bytes of its key's name.
    value_offset: u64,
    /// Where it goes, if it is wanted.
    goes_to: Option<u64>,
    odd_key: Vec<u8>,
    /// The stream that is being read, where its pending entries may be lost.
    stream: Option<DeadPending>,
    /// How the value that is being read gets into the target, unless it is too long for that.
    route: Route,
    /// And if it is: what typed commands lose of it.
    in_parts: Route,
}

impl Surveyor {
    /// For a restore with these choices into such a target, at this moment of our clock.
    pub fn new(choices: &Choices, target: &TargetFacts, all_by_commands: bool, now_ms: i64) -> Self {
        Self {
            choices: choices.clone(),
            format: TargetFormat::of(&target.server),
            longest_bulk: target.longest_bulk(),
            all_by_commands,
            now_ms: target.clock.unwrap_or_default().at(now_ms),
            our_now_ms: now_ms,
            dialect: Dialect::Redis,
            survey: Survey::default(),
            key_type: KeyType::String,
            name: Vec::new(),
            named_in: None,
            longest: 0,
            wanted: false,
            living: None,
            loses_expiry: None,
            vanishes: false,
            by_type: BTreeMap::new(),
            unpacked: None,
            keys_seen: None,
            wanted_seen: None,
            odd: None,
            value_offset: 0,
            goes_to: None,
            odd_key: Vec::new(),
            stream: None,
            route: Route::Payload,
            in_parts: Route::Payload,
        }
    }

    /// Looks for keys and members that stand there twice as well: a server writes none, but dies of them when it loads the file.
    #[must_use]
    pub fn mistrusting(mut self) -> Self {
        self.keys_seen = Some(DuplicateKeys::new(KEYS_COMPARED));
        self.wanted_seen = Some(DuplicateKeys::new(KEYS_COMPARED));
        self
    }

    /// Reads a whole backup, without sending anything.
    ///
    /// # Errors
    /// It is bad, or a signal came.
    pub async fn read(
        self,
        raw: Raw,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<Survey, ReadError> {
        let scanned = Scanned::by(self, MEMBERS_COMPARED);
        let scanned = pass::run(Feed::Raw(raw), scanned, progress, cancel).await?.taker;
        let not_compared = scanned.not_compared();
        let (mut surveyor, summary) = scanned.finish()?;
        let oddities = &mut surveyor.survey.dangers.oddities;
        oddities.members_not_compared = not_compared;
        oddities.not_compared += not_compared;
        Ok(surveyor.finish(&summary))
    }

    fn finish(mut self, summary: &Summary) -> Survey {
        (self.survey.bytes, self.survey.trailing_bytes) = (summary.length, summary.trailing);
        if let Some(seen) = self.keys_seen.take().map(DuplicateKeys::finish) {
            self.note_twice(seen);
        }
        if let Some((seen, repeated)) = self.wanted_seen.take().map(DuplicateKeys::finish_with_offsets) {
            if seen.count > 0 {
                self.survey.losses.insert(Loss::Twice, seen.count);
            }
            self.survey.repeated = repeated;
        }
        self.survey.by_type = self.by_type.iter().map(|(name, keys)| (name.to_string(), *keys)).collect();
        self.survey
    }

    /// A server that loads the file itself meets the others as well.
    fn note_twice(&mut self, seen: Duplicates) {
        self.survey.dangers.compared = true;
        let oddities = &mut self.survey.dangers.oddities;
        oddities.not_compared += seen.unchecked;
        if let Some(first) = seen.first {
            let (kind, offset) = (OddityKind::DuplicateKey, first.value_offset);
            oddities.add(&Oddity { kind, what: kind.words(), offset, owner: None, numbers: Some((seen.count, 0)) });
        }
    }

    /// A field of the hash that is looked into.
    fn note_field(&mut self, expire_ms: Option<i64>) {
        self.survey.field_expiries |= expire_ms.is_some() && self.wanted;
        let expire_ms = self.choices.field_expiry(expire_ms);
        if let Some(living) = &mut self.living {
            *living |= expire_ms.is_none_or(|at| at > self.now_ms);
        }
        // Nothing is lost of an expiry that was to be left out, or of a field that is gone by now.
        if let Some(loses) = &mut self.loses_expiry {
            *loses |= expire_ms.is_some_and(|at| at > self.now_ms);
        }
    }

    /// The value was read: what becomes of what is odd in it.
    fn note_oddity(&mut self) {
        let Some((mended, kind)) = self.odd.take() else { return };
        if mended.loses_all().is_some() && self.survey.damaged.len() < DAMAGED_KEPT {
            self.survey.damaged.insert(self.value_offset);
        }
        let Some(database) = self.goes_to else { return };
        let key = std::mem::take(&mut self.odd_key);
        match mended {
            Mended::Lost(loss) => self.lose(loss, database, &key),
            Mended::Changed => {
                self.survey.rebuilt += 1;
                self.survey.rebuilt_kinds.insert(kind);
                if self.survey.rebuilt_keys.len() < NAMES_KEPT {
                    self.survey.rebuilt_keys.push(FailedKey::new(database, &key, kind.words()));
                }
            }
            Mended::Same => {}
        }
        self.odd_key = key;
    }

    fn note_route(&mut self, entry: &Entry<'_>, database: u64) {
        self.in_parts = self.format.by_commands(entry.value_type);
        self.route = if self.all_by_commands {
            self.in_parts
        } else {
            self.format.route(entry.value_type, self.dialect, self.survey.version)
        };
        // Whether it goes as it is, as a payload of another form or by typed commands is seen at its end.
        if self.key_type == KeyType::Stream {
            self.stream = Some(DeadPending::default());
        }
        let loss = match self.route {
            Route::Payload => None,
            Route::Commands(loss) => {
                self.survey.by_commands += 1;
                loss
            }
            Route::Impossible(loss) => Some(loss),
        };
        match loss {
            // Which of its fields expire is seen in the value.
            Some(Loss::FieldExpiry) => self.loses_expiry = Some(false),
            Some(loss) => self.lose(loss, database, entry.key),
            None => {}
        }
    }

    /// The value of a wanted key was read: what of it is lost is known now.
    fn note_losses(&mut self, length: u64, database: u64) {
        let stream = self.stream.take();
        let is_too_long = self.route == Route::Payload && !fits(length, self.longest_bulk);
        let in_parts = is_too_long && self.key_type != KeyType::String;
        let name = std::mem::take(&mut self.name);
        if in_parts {
            self.survey.by_commands += 1;
            if let Route::Impossible(loss) = self.in_parts {
                self.lose(loss, database, &name);
            }
        }
        let typed = in_parts || self.all_by_commands || length > held_at_most(self.longest_bulk);
        let is_rewritten = in_parts || matches!(self.route, Route::Commands(_));
        if let Some(stream) = stream.filter(|_| is_rewritten) {
            // Redis 7.0 came with the counters.
            self.survey.simpler_streams += u64::from(stream.is_simpler(self.format.version() >= 10));
            if stream.is_lossy(typed) {
                self.lose(Loss::PendingEntries, database, &name);
            }
        }
        if self.loses_expiry == Some(true) {
            self.lose(Loss::FieldExpiry, database, &name);
        }
        self.name = name;
    }

    fn lose(&mut self, loss: Loss, database: u64, key: &[u8]) {
        *self.survey.losses.entry(loss).or_default() += 1;
        let names = self.survey.lost_keys.entry(loss).or_default();
        if names.len() < NAMES_KEPT {
            names.push(FailedKey::new(database, key, loss.words()));
        }
    }
}

impl Visit for Surveyor {
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

    fn database(&mut self, index: u64) {
        self.survey.needs_databases = self.survey.needs_databases.max(index.saturating_add(1));
    }

    fn function(&mut self, source: &[u8]) {
        self.survey.dangers.note_function(source);
        self.survey.sources.add(source);
        let name = crate::restore::replay::assemble::name_of(source);
        self.survey.functions.insert(String::from_utf8_lossy(name).into_owned());
    }

    fn wants_module_aux(&self) -> bool {
        true
    }

    fn module_aux(&mut self, module: u64, _when: u64, raw: &[u8]) {
        let name = crate::rdb::module::name(module).0;
        if crate::rdb::module::says_something(raw) {
            *self.survey.dangers.module_data.entry(name.clone()).or_default() += 1;
        }
        self.survey.dangers.module_aux.insert(name);
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        self.survey.dangers.note(entry);
        if let Some(seen) = &mut self.keys_seen {
            seen.entry(entry);
        }
        (self.odd, self.value_offset, self.goes_to) = (None, entry.value_offset, None);
        let survey = &mut self.survey;
        let count = survey.databases.entry(entry.database).or_default();
        count.keys += 1;
        count.expires += u64::from(entry.expire_ms.is_some());
        survey.keys += 1;
        self.key_type = KeyType::of_encoding(entry.value_type);
        self.vanishes = entry.value_type.kind(self.dialect, survey.version).is_some_and(Kind::vanishes_when_empty);
        (self.named_in, self.unpacked, self.stream) = (None, None, None);
        self.wanted = false;
        (self.living, self.loses_expiry) = (None, None);
        match self.choices.decide(entry.database, entry.key, self.key_type, entry.expire_ms, self.now_ms) {
            Wanted::No => survey.left_out += 1,
            Wanted::Expired => {
                survey.expired += 1;
                let lives = self.choices.expiry(entry.expire_ms).is_none_or(|at| at > self.our_now_ms);
                survey.expired_by_clock += u64::from(lives);
            }
            Wanted::Yes { database, .. } => {
                survey.wanted += 1;
                self.wanted = true;
                self.living = entry.value_type.has_field_expiry().then_some(false);
                self.goes_to = Some(database);
                // Where two databases go to one, what counts is the name there.
                if let Some(seen) = &mut self.wanted_seen {
                    seen.entry(&Entry { database, ..*entry });
                }
                self.note_route(entry, database);
                let is_whole_or_lost = matches!(self.in_parts, Route::Impossible(_));
                let is_looked_into = self.stream.is_some() || self.loses_expiry.is_some();
                if entry.value_type == ValueType::STRING || is_looked_into || is_whole_or_lost {
                    // What there is to say of it is known at its end; the name only here.
                    self.name.clear();
                    self.name.extend_from_slice(entry.key);
                    self.named_in = Some(database);
                }
                if entry.value_type == ValueType::STRING && self.all_by_commands {
                    self.unpacked = Some(0);
                }
            }
        }
        let looked_into = self.unpacked.is_some() || self.living.is_some() || self.stream.is_some();
        Interest { raw: false, pieces: matches!(self.key_type, KeyType::Module(_)) || looked_into }
    }

    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Module(id) => self.key_type = KeyType::of_module(id),
            Piece::String(bytes) => {
                self.unpacked = self.unpacked.map(|length| length + bytes.len() as u64);
            }
            piece => {
                if let Piece::HashField { expire_ms, .. } = &piece {
                    self.note_field(*expire_ms);
                }
                if let Some(stream) = &mut self.stream {
                    stream.piece(piece);
                }
            }
        }
    }

    fn takes_parts(&self) -> bool {
        true
    }

    fn part(&mut self, part: Part<'_>) {
        if let Part::Begin { what: PartOf::HashField { expire_ms }, .. } = part {
            self.note_field(expire_ms);
        }
    }

    fn oddity(&mut self, oddity: &Oddity<'_>) {
        self.survey.dangers.oddities.add(oddity);
        let (Some(owner), Some(mended)) = (oddity.owner, Mended::of(oddity.kind)) else { return };
        self.odd = self.odd.max(Some((mended, oddity.kind)));
        self.odd_key.clear();
        self.odd_key.extend_from_slice(owner.key);
    }

    fn entry_end(&mut self, end: &EntryEnd) {
        self.note_oddity();
        *self.by_type.entry(self.key_type).or_default() += 1;
        if !self.wanted {
            return;
        }
        // A target keeps no hash of which every field has expired, and servers leave an aggregate without elements out.
        let is_empty = end.n_elements == 0 && self.vanishes;
        if self.living == Some(false) || is_empty {
            self.survey.wanted -= 1;
            self.survey.expired += 1;
        }
        let is_long = match self.key_type {
            KeyType::String => end.raw_length > held_at_most(self.longest_bulk),
            _ => !fits(end.raw_length, self.longest_bulk),
        };
        if self.all_by_commands || is_long || matches!(self.route, Route::Commands(_)) {
            self.survey.types_by_commands.insert(self.key_type);
        }
        let named_in = self.named_in.take();
        if let Some(database) = named_in {
            self.note_losses(end.raw_length, database);
        }
        let survey = &mut self.survey;
        if let Some(database) = named_in.filter(|_| self.key_type == KeyType::Vectorset)
            && survey.vector_sets.len() < NAMES_KEPT
        {
            survey.vector_sets.push(FailedKey::new(database, &self.name, Loss::Module.words()));
        }
        survey.wanted_bytes += end.raw_length;
        let length = self.unpacked.take().unwrap_or(end.raw_length);
        if let Some(database) = named_in.filter(|_| self.key_type == KeyType::String)
            && length > self.longest
        {
            self.longest = length;
            survey.longest_string = Some((length, FailedKey::new(database, &self.name, "")));
        }
    }

    fn end(&mut self, checksum: Checksum) {
        self.survey.crc64 = match checksum {
            Checksum::Verified(crc) => Some(crc),
            Checksum::Absent | Checksum::NotInThisVersion => None,
        };
    }
}
