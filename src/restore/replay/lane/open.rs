//! A batch whose answers are still coming: what they have said so far.

use crate::restore::replay::batch::Command;
use crate::restore::replay::ledger::Gone;
use crate::restore::tally::Tally;

/// A batch that is not answered to the end.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) tally: Tally,
    pub(super) end_ordinal: u64,
    pub(super) ends_round: bool,
    pub(super) created: Vec<u8>,
    /// Numbers of keys that failed.
    pub(super) failed: Vec<u64>,
    /// Keys that have to be written from their start again.
    pub(super) gone: Vec<Gone>,
    /// Keys that wait for the answer to their renaming.
    pub(super) renames: usize,
    pub(super) answered: bool,
}

impl Open {
    /// The target says that it has the key; false: the key's time has come meanwhile.
    pub(super) fn restored(&mut self, command: &Command, now_ms: i64) -> bool {
        if command.expire_ms != 0 && command.expire_ms <= now_ms {
            self.tally.expired += 1;
            return false;
        }
        self.tally.restored(command.database);
        self.tally.expired_fields += command.gone_fields;
        true
    }

    /// The target has refused a key.
    pub(super) fn failed(&mut self, command: &Command, key: &[u8], reason: impl Into<String>) {
        self.tally.failed(command.database, key, reason);
        self.failed.push(command.ordinal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::replay::batch::What;

    #[test]
    fn the_fields_of_a_hash_that_expires_while_it_is_written_do_not_count_beside_it() {
        let hash = Command {
            what: What::Whole,
            ordinal: 0,
            database: 0,
            expire_ms: 1_000,
            crc64: 0,
            gone_fields: 3,
            name_at: 0,
            name_length: 0,
            temporary_length: 0,
        };
        let mut open = Open::default();
        assert!(open.restored(&hash, 999));
        assert_eq!((open.tally.restored, open.tally.expired, open.tally.expired_fields), (1, 0, 3));
        assert!(!open.restored(&hash, 1_000));
        assert_eq!((open.tally.restored, open.tally.expired, open.tally.expired_fields), (1, 1, 3));
    }
}
