//! What streams lose that do not go as they are: pending entries whose message is gone, of which typed commands cannot bring over those
//! of a large stream; counters that an older server does not have; the times at which consumers were seen.

use crate::rdb::visit::{Piece, StreamId};
use crate::restore::typed::KEPT_OF_A_STREAM;

/// Ids that are compared with what is pending. Of a longer stream it is not known whether a pending message is there.
const IDS_COMPARED: usize = 1 << 18;

/// Follows one stream.
#[derive(Debug, Default)]
pub(super) struct DeadPending {
    bytes: usize,
    ids: Vec<StreamId>,
    too_many: bool,
    dead: bool,
    released: bool,
    empty: bool,
    entries: u64,
    /// A counter is not what a server finds by itself.
    counted: bool,
    consumers: bool,
}

impl DeadPending {
    pub(super) fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::StreamEntry { id, n_fields } => {
                self.empty |= n_fields == 0;
                self.bytes += 64;
                self.entries += 1;
                if self.ids.len() < IDS_COMPARED { self.ids.push(id) } else { self.too_many = true }
            }
            // As they are reckoned where they are kept.
            Piece::StreamField { field, value } => self.bytes += field.len() + value.len(),
            Piece::StreamPending { id, .. } => self.dead |= self.too_many || self.ids.binary_search(&id).is_err(),
            Piece::StreamReleased(_) => self.released = true,
            Piece::StreamInfo(info) => {
                let added = info.entries_added.is_some_and(|added| added != self.entries);
                self.counted |= added || info.max_deleted_id.is_some_and(|id| id != StreamId::default());
            }
            Piece::StreamGroup { entries_read, .. } => self.counted |= entries_read.is_some_and(|read| read != 0),
            Piece::StreamConsumer { .. } => self.consumers = true,
            _ => {}
        }
    }

    /// Whether the target holds it without something that is no content: counters, unless it `has_counters`, and times of consumers.
    pub(super) fn is_simpler(&self, has_counters: bool) -> bool {
        self.consumers || self.counted && !has_counters
    }

    /// Whether it has entries without a field, which XADD does not make.
    pub(super) fn has_empty_entries(&self) -> bool {
        self.empty
    }

    /// A field or a value of so many bytes, told in parts.
    pub(super) fn long(&mut self, length: u64) {
        self.bytes = self.bytes.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
    }

    /// Whether something is lost, or cannot be told not to be. `typed`: it goes by typed commands, and not as a payload of an older
    /// form, which loses only what nobody owns.
    pub(super) fn is_lossy(&self, typed: bool) -> bool {
        self.released || typed && self.dead && self.bytes > KEPT_OF_A_STREAM
    }
}
