//! What becomes of each part of an RDB while it goes by: commands, or a number in the tally.

use super::{Assembler, Current, function, held_at_most};
use crate::census::KeyType;
use crate::rdb::opcode::Dialect;
use crate::rdb::visit::{Entry, EntryEnd, Interest, Part, PartOf, Piece, Visit};
use crate::rdb::{Kind, Oddity};
use crate::restore::choices::Wanted;
use crate::restore::mend::Mended;
use crate::restore::target_format::version_numbers;

impl Visit for Assembler {
    fn header(&mut self, dialect: Dialect, version: u32) {
        (self.dialect, self.version) = (dialect, version);
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        if name == b"redis-ver" {
            self.source = version_numbers(&String::from_utf8_lossy(value));
        }
    }

    fn next_shard(&mut self) {
        self.in_first_shard = false;
    }

    fn function(&mut self, source: &[u8]) {
        // Every shard of a cluster has the same ones. A library that stands twice in one shard is what the plan has called a loss.
        let is_new = self.read.function(source) || self.in_first_shard;
        // Libraries stand before the keys. A run that goes on behind some keys has had the answer to the libraries before them.
        let is_taken = !self.libraries.insert(function::name_of(source).to_vec()) && !self.in_first_shard;
        if is_new && self.only.is_none() && self.plan.done == 0 {
            // Two shards disagree: a server holds one library of a name, and that of the first shard is loaded.
            if is_taken && self.plan.choices.selection.is_everything() {
                self.outbox.batch.tally.functions.lost += 1;
                return;
            }
            function::send(&mut self.outbox, &self.plan, source);
        }
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        if self.only.is_none() {
            self.read.entry(entry);
        }
        // After a signal or a stop no other key is begun, and none is counted.
        if self.outbox.is_ending() {
            self.current = Current::NotReached;
            return Interest::default();
        }
        let ordinal = self.ordinal;
        self.odd = None;
        // In another pass the command leaves in parts before the value has ended, and what is that long is not empty.
        self.vanishes = entry.value_type.kind(self.dialect, self.version).is_some_and(Kind::vanishes_when_empty)
            && self.only.is_none();
        let meant = match &self.only {
            Some(only) => only.contains_key(&ordinal),
            None => ordinal >= self.plan.done,
        };
        if !meant {
            return self.leave();
        }
        let key_type = KeyType::of_encoding(entry.value_type);
        let plan = &self.plan;
        match plan.choices.decide(entry.database, entry.key, key_type, entry.expire_ms, self.now_ms) {
            Wanted::No => {
                self.outbox.batch.tally.skipped_by_choice += 1;
                self.leave()
            }
            Wanted::Expired => {
                self.outbox.batch.tally.expired += 1;
                self.leave()
            }
            Wanted::Yes { database, expire_ms } => self.begin(entry, database, expire_ms),
        }
    }

    fn raw(&mut self, bytes: &[u8]) {
        if self.current != Current::Payload {
            return;
        }
        self.payload.push(&mut self.outbox, bytes);
        // RESTORE begins with the length of its payload: this value waits for the pass that knows it.
        if self.payload.is_too_long(held_at_most(self.plan.longest_bulk)) {
            self.payload.abandon(&mut self.outbox);
            self.current = Current::Deferred;
        }
    }

    fn piece(&mut self, piece: Piece<'_>) {
        if let Piece::HashField { expire_ms, .. } = &piece {
            self.note_field(*expire_ms);
        }
        match (self.current, piece) {
            (Current::Typed, piece) => self.typed.piece(&mut self.outbox, piece),
            (Current::Payload, Piece::Module(id)) => {
                if let Some(loss) = self.loses_module_value(KeyType::of_module(id)) {
                    self.payload.lose(&mut self.outbox, loss);
                    self.current = Current::Nothing;
                }
            }
            _ => {}
        }
    }

    fn takes_parts(&self) -> bool {
        // Of what goes as a payload only a module's id and the expiries of fields are of interest.
        self.current != Current::Typed || self.typed.takes_parts()
    }

    fn part(&mut self, part: Part<'_>) {
        if let Part::Begin { what: PartOf::HashField { expire_ms }, .. } = &part {
            self.note_field(*expire_ms);
        }
        if self.current == Current::Typed {
            self.typed.part(&mut self.outbox, part);
        }
    }

    fn oddity(&mut self, oddity: &Oddity<'_>) {
        let (Some(owner), Some(mended)) = (oddity.owner, Mended::of(oddity.kind)) else { return };
        // Of several oddities the worst is told: it decides whether the key is rebuilt or lost.
        self.odd = self.odd.max(Some((mended, oddity.kind)));
        self.name.clear();
        self.name.extend_from_slice(owner.key);
    }

    fn entry_end(&mut self, end: &EntryEnd) {
        // Its number is not used up: the run that goes on begins with this key.
        if self.current == Current::NotReached {
            return;
        }
        let ordinal = self.ordinal;
        self.ordinal += 1;
        self.outbox.gone_fields = 0;
        if let Some(fields) = self.fields.take() {
            // A hash of which nothing lives is an expired key.
            self.outbox.gone_fields = if fields.living { fields.gone } else { 0 };
            // The target says OK to a hash of which nothing lives, and keeps nothing.
            let is_unsent = match self.current {
                Current::Payload => !fields.living && self.payload.abandon_whole(&mut self.outbox),
                current => !fields.living && current == Current::Deferred,
            };
            if is_unsent {
                self.current = Current::Nothing;
                self.outbox.batch.tally.expired += 1;
            } else if !fields.lasting {
                self.payload.gone_by(fields.last_ms);
            }
        }
        if let Some((mended, kind)) = self.odd.take() {
            if end.raw_length > held_at_most(self.plan.longest_bulk) {
                self.odd_and_deferred.insert(ordinal, (mended, kind));
            }
            self.settle_odd(mended, kind);
        }
        match std::mem::replace(&mut self.current, Current::Nothing) {
            Current::Nothing | Current::NotReached => self.outbox.decided(ordinal),
            Current::Deferred => {
                self.deferred.insert(ordinal, end.raw_length);
                self.outbox.decided(ordinal);
            }
            // Servers leave it out when they load it, and refuse it in RESTORE.
            Current::Payload if end.n_elements == 0 && self.vanishes => {
                self.payload.abandon(&mut self.outbox);
                self.outbox.batch.tally.expired += 1;
                self.outbox.decided(ordinal);
            }
            Current::Payload => {
                self.payload.end(&mut self.outbox, self.plan.longest_bulk, self.now_ms);
                self.outbox.entry_end(ordinal);
            }
            Current::Typed => {
                self.typed.end(&mut self.outbox);
                self.outbox.entry_end(ordinal);
            }
        }
    }

    fn stopped(&self) -> bool {
        self.outbox.is_closed()
    }
}
