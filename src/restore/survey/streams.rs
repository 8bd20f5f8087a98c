//! Pending entries whose message is gone, in streams that do not go as they are: of a large one typed commands cannot bring them over.

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
}

impl DeadPending {
    pub(super) fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::StreamEntry { id, .. } => {
                self.bytes += 64;
                if self.ids.len() < IDS_COMPARED { self.ids.push(id) } else { self.too_many = true }
            }
            // As they are reckoned where they are kept.
            Piece::StreamField { field, value } => self.bytes += field.len() + value.len(),
            Piece::StreamPending { id, .. } => self.dead |= self.too_many || self.ids.binary_search(&id).is_err(),
            Piece::StreamReleased(_) => self.released = true,
            _ => {}
        }
    }

    /// Whether something is lost, or cannot be told not to be. `typed`: it goes by typed commands, and not as a payload of an older
    /// form, which loses only what nobody owns.
    pub(super) fn is_lossy(&self, typed: bool) -> bool {
        self.released || typed && self.dead && self.bytes > KEPT_OF_A_STREAM
    }
}
