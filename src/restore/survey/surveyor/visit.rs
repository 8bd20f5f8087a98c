//! What a survey notes of each part of an RDB while it goes by.

use super::Surveyor;
use crate::census::KeyType;
use crate::rdb::opcode::Dialect;
use crate::rdb::types::{Kind, ValueType};
use crate::rdb::visit::{Checksum, Entry, EntryEnd, Interest, Part, PartOf, Piece, Visit};
use crate::rdb::{Oddity, module};
use crate::restore::choices::Wanted;
use crate::restore::mend::Mended;
use crate::restore::replay::assemble::{held_at_most, name_of};
use crate::restore::tally::{FailedKey, NAMES_KEPT};
use crate::restore::target_format::{Loss, Route, fits};

/// Aux fields that are of use, and how long they may be.
const AUX: &[&str] = &["redis-ver", "valkey-ver", "ctime", "used-mem"];
const LONGEST_AUX: usize = 64;

/// Seconds within which keys and fields that expire are counted, second by second.
const SOON: u64 = 3600;

/// The second from now on in which something expires, if that is soon.
pub(super) fn soon(expire_ms: Option<i64>, now_ms: i64) -> Option<u64> {
    let left = expire_ms.map(|at| u64::try_from(at.saturating_sub(now_ms)).unwrap_or(0) / 1000);
    left.filter(|left| *left < SOON)
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

    fn next_shard(&mut self) {
        self.survey.sources.next_shard();
    }

    fn function(&mut self, source: &[u8]) {
        self.survey.dangers.note_function(source);
        self.survey.read.function(source);
        self.survey.sources.add(source);
        let name = name_of(source);
        self.survey.functions.insert(String::from_utf8_lossy(name).into_owned());
    }

    fn wants_module_aux(&self) -> bool {
        true
    }

    fn module_aux(&mut self, module: u64, _when: u64, raw: &[u8]) {
        let name = module::name(module).0;
        if module::says_something(raw) {
            *self.survey.dangers.module_data.entry(name.clone()).or_default() += 1;
        }
        self.survey.dangers.module_aux.insert(name);
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        self.survey.dangers.note(entry);
        self.survey.read.entry(entry);
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
        (self.living, self.gone, self.loses_expiry) = (None, 0, None);
        match self.choices.decide(entry.database, entry.key, self.key_type, entry.expire_ms, self.now_ms) {
            Wanted::No => survey.left_out += 1,
            Wanted::Expired => {
                survey.expired += 1;
                let lives = self.choices.expiry(entry.expire_ms).is_none_or(|at| at > self.our_now_ms);
                survey.expired_by_clock += u64::from(lives);
            }
            Wanted::Yes { database, expire_ms } => {
                survey.wanted += 1;
                self.scales.begin(entry, expire_ms.is_some());
                // Nearly always the same few.
                if !survey.goes_to.contains(&database) {
                    survey.goes_to.insert(database);
                }
                if let Some(left) = soon(expire_ms, self.now_ms) {
                    *survey.soon.entry(left).or_default() += 1;
                }
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
        let weighed = self.wanted && self.scales.is_exact;
        let looked_into = weighed || self.unpacked.is_some() || self.living.is_some() || self.stream.is_some();
        Interest { raw: false, pieces: matches!(self.key_type, KeyType::Module(_)) || looked_into }
    }

    fn piece(&mut self, piece: Piece<'_>) {
        self.scales.piece(&piece);
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
        self.scales.part(&part);
        match (part, &mut self.stream) {
            (Part::Begin { what: PartOf::HashField { expire_ms }, .. }, _) => self.note_field(expire_ms),
            (Part::Begin { length, .. }, Some(stream)) => stream.long(length),
            _ => {}
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
        self.survey.value_bytes += end.raw_length;
        if !self.wanted {
            return;
        }
        *self.wanted_by_type.entry(self.key_type).or_default() += 1;
        // A target keeps no hash of which every field has expired, and servers leave an aggregate without elements out.
        let is_empty = end.n_elements == 0 && self.vanishes;
        if self.living == Some(false) || is_empty {
            self.survey.wanted -= 1;
            self.survey.expired += 1;
        } else {
            self.survey.expired_fields += self.gone;
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
        if self.living != Some(false) && !is_empty {
            self.scales.end(self.key_type, end, &mut survey.sent);
        }
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
