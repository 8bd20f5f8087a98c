//! Packed blobs that are too long to be held: read element by element as their bytes come, with the checks of those that are held.
//!
//! [`Feed`] knows where in the blob it is, whether its bytes stand there plainly or have to be expanded; [`Collection`] and
//! [`LongNode`] know what the elements are.

mod collection;
mod feed;
mod node;
mod walk;

pub(super) use collection::{Collection, Holds};
pub(super) use feed::Feed;
pub(super) use node::LongNode;
pub(super) use walk::Form;

use super::element::Bad;
use crate::rdb::error::Stop;

/// Blobs of more bytes than this are read so.
pub(crate) const LONG_BLOB: u64 = 1 << 20;

/// Why a step through a blob ended early.
enum Halt {
    Stop(Stop),
    Bad(Bad),
    /// An element comes that is too long to be held.
    Long,
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Bad> for Halt {
    fn from(bad: Bad) -> Self {
        Self::Bad(bad)
    }
}
