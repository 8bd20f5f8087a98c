//! Makes a survey: follows each key of a backup, and judges what becomes of it in the target.

mod visit;

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::Survey;
use super::amount::Scales;
use super::streams::DeadPending;
use crate::census::KeyType;
use crate::dataset::pass::{self, Feed};
use crate::dataset::{Raw, ReadError, Scanned};
use crate::progress::Progress;
use crate::rdb::opcode::Dialect;
use crate::rdb::visit::Entry;
use crate::rdb::{DuplicateKeys, Duplicates, Oddity, OddityKind, Summary};
use crate::restore::choices::Choices;
use crate::restore::facts::TargetFacts;
use crate::restore::mend::Mended;
use crate::restore::replay::MEMBERS_COMPARED;
use crate::restore::replay::assemble::held_at_most;
use crate::restore::tally::{FailedKey, NAMES_KEPT};
use crate::restore::target_format::{Loss, Route, TargetFormat, fits};

/// So many keys of a file of others are compared with each other: they take 39 MiB.
const KEYS_COMPARED: u64 = 3 << 20;

/// So many values that cannot be read to their end are told apart.
const DAMAGED_KEPT: usize = 100_000;

/// Makes a [`Survey`]: a visitor of the RDB.
#[derive(Debug)]
pub struct Surveyor {
    choices: Choices,
    format: TargetFormat,
    /// `proto-max-bulk-len` of the target, in bytes.
    longest_bulk: u64,
    all_by_commands: bool,
    /// Now by the target's clock, which decides what has expired; Unix milliseconds.
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
    /// How many of its fields have expired.
    gone: u64,
    /// For a hash whose fields cannot expire in the target: whether one of them would have.
    loses_expiry: Option<bool>,
    /// Servers leave the key out if it has no element.
    vanishes: bool,
    by_type: BTreeMap<KeyType, u64>,
    wanted_by_type: BTreeMap<KeyType, u64>,
    /// Bytes of the string that is being read, unpacked; only where commands write it.
    unpacked: Option<u64>,
    /// Looks for what no server would have written: only in files of others.
    keys_seen: Option<DuplicateKeys>,
    /// The same among the keys that are wanted and have not expired.
    wanted_seen: Option<DuplicateKeys>,
    /// What is odd in the value that is being read.
    odd: Option<(Mended, OddityKind)>,
    /// Where that value begins in the file.
    value_offset: u64,
    /// The target's database for its key, if the key is wanted.
    goes_to: Option<u64>,
    odd_key: Vec<u8>,
    /// The stream that is being read, where its pending entries may be lost.
    stream: Option<DeadPending>,
    /// How the value that is being read gets into the target, unless it is too long for that.
    route: Route,
    /// What typed commands lose of that value, if it is too long.
    in_parts: Route,
    /// A server has written each value, and had loaded the function libraries.
    vouched: bool,
    scales: Scales,
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
            gone: 0,
            loses_expiry: None,
            vanishes: false,
            by_type: BTreeMap::new(),
            wanted_by_type: BTreeMap::new(),
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
            vouched: false,
            scales: Scales::default(),
        }
    }

    /// Looks for keys and members that stand there twice as well: a server writes none, but dies of them when it loads the file.
    #[must_use]
    pub fn mistrusting(mut self) -> Self {
        self.keys_seen = Some(DuplicateKeys::new(KEYS_COMPARED));
        self.wanted_seen = Some(DuplicateKeys::new(KEYS_COMPARED));
        self
    }

    /// A server has written each value, and had loaded the function libraries.
    #[must_use]
    pub fn vouched(self) -> Self {
        Self { vouched: true, ..self }
    }

    /// Looks into every value: how long typed commands are depends on what is in it.
    #[must_use]
    pub fn weighing(mut self) -> Self {
        self.scales.is_exact = true;
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
        let vouched = self.vouched;
        let scanned = Scanned::by(self, MEMBERS_COMPARED);
        let scanned = pass::run(Feed::Raw(raw), scanned, progress, cancel).await?.taker;
        let not_compared = scanned.not_compared();
        let (mut surveyor, summary) = scanned.finish()?;
        let oddities = &mut surveyor.survey.dangers.oddities;
        oddities.members_not_compared = not_compared;
        oddities.not_compared += not_compared;
        if vouched {
            oddities.functions_were_loaded();
        }
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
        let named =
            |types: &BTreeMap<KeyType, u64>| types.iter().map(|(name, keys)| (name.to_string(), *keys)).collect();
        (self.survey.by_type, self.survey.wanted_by_type) = (named(&self.by_type), named(&self.wanted_by_type));
        self.survey
    }

    /// A server that loads the file itself meets the others as well.
    fn note_twice(&mut self, seen: Duplicates) {
        self.survey.dangers.compared = true;
        let oddities = &mut self.survey.dangers.oddities;
        oddities.not_compared += seen.unchecked;
        if let Some(first) = seen.first {
            let (kind, offset) = (OddityKind::DuplicateKey, first.value_offset);
            let numbers = Some((seen.count, 0));
            oddities.add(&Oddity { kind, what: kind.words(), offset, owner: None, library: None, numbers });
        }
    }

    /// A field of the hash that is looked into.
    fn note_field(&mut self, expire_ms: Option<i64>) {
        self.survey.field_expiries |= expire_ms.is_some() && self.wanted;
        let expire_ms = self.choices.field_expiry(expire_ms);
        if let Some(living) = &mut self.living {
            let lives = expire_ms.is_none_or(|at| at > self.now_ms);
            *living |= lives;
            self.gone += u64::from(!lives);
            if let Some(left) = visit::soon(expire_ms.filter(|_| lives), self.now_ms) {
                *self.survey.soon_fields.entry(left).or_default() += 1;
            }
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
            if typed && stream.has_empty_entries() {
                self.lose(Loss::EmptyEntries, database, &name);
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
