//! Keys of which nothing can be kept, and values that contradict themselves: what is sent in their place.

use super::{Assembler, Current};
use crate::census::KeyType;
use crate::rdb::OddityKind;
use crate::rdb::visit::Entry;
use crate::restore::mend::Mended;
use crate::restore::module_types::{Has, survives_malformed};
use crate::restore::target_format::{Loss, NEWEST_VECTOR_SETS};

impl Assembler {
    /// Why nothing of this key can be kept: its value is damaged, or it stands there twice.
    pub(super) fn loses_all(&mut self, entry: &Entry<'_>, ordinal: u64) -> Option<Loss> {
        if let Some(first) = self.plan.repeated.get(&entry.value_offset)
            && self.only.is_none()
            && !self.taken.insert(*first)
        {
            return Some(Loss::Twice);
        }
        let found = self.odd_and_deferred.get(&ordinal).and_then(|(mended, _)| mended.loses_all());
        found.or_else(|| self.plan.damaged.contains(&entry.value_offset).then_some(Loss::Damaged))
    }

    /// Why a module's value is not sent.
    pub(super) fn loses_module_value(&self, key_type: KeyType) -> Option<Loss> {
        // What a file of others says of itself may be wrong.
        let source = if self.plan.trusted { self.source } else { NEWEST_VECTOR_SETS };
        if self.plan.format.has_module_type(key_type, source) == Has::No {
            return Some(Loss::Module);
        }
        let is_risk =
            !self.plan.trusted && key_type != KeyType::Vectorset && !survives_malformed(&key_type.to_string());
        is_risk.then_some(Loss::Untrusted)
    }

    /// Nothing of this key is kept: lost where that was accepted, else failed.
    pub(super) fn lose(&mut self, key: &[u8], loss: Loss) {
        match self.plan.accept_loss {
            true => self.outbox.batch.tally.lost(self.database, key, loss.words()),
            false => self.outbox.failed(self.database, key, loss.words()),
        }
    }

    /// The value was read, and something in it is odd: what becomes of the command that was begun.
    pub(super) fn settle_odd(&mut self, mended: Mended, kind: OddityKind) {
        let name = std::mem::take(&mut self.name);
        match (self.current, mended.loses_all()) {
            // The whole value is one command, which stands in the batch still: nothing of it has left.
            (Current::Payload, Some(loss)) => {
                self.payload.abandon(&mut self.outbox);
                self.lose(&name, loss);
                self.current = Current::Nothing;
            }
            // Commands of this key may have left: what they have made is removed when their answers come.
            (Current::Typed, Some(loss)) => self.typed.spoil(&mut self.outbox, loss.words()),
            (Current::Payload | Current::Typed, None) => {
                if self.current == Current::Payload {
                    self.payload.rebuild(self.dialect, self.version, self.plan.format);
                }
                if mended != Mended::Same {
                    self.outbox.batch.tally.rebuilt(self.database, &name, kind.words());
                }
            }
            _ => {}
        }
        self.name = name;
    }
}
