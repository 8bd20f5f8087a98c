//! A shard that was captured, and whether its stream leads on from there.

use crate::backup::captured::Made;
use crate::capture::tail::{Following, Lost, NoBarrier};
use crate::figures::count;

/// A stream that is no longer than this many bytes is kept, however short its RDB is.
pub const SHORT: u64 = 64 << 20;

/// A shard that was captured, and the stream behind its RDB.
pub(in crate::backup) struct Shot {
    pub(super) made: Made,
    /// `None`: nobody follows it.
    pub(super) tail: Option<Result<Following, NoBarrier>>,
    limit: u64,
}

impl Shot {
    /// `limit`: bytes of the stream that are allowed; `None`: as many as the RDB has.
    pub(super) fn of(made: Made, tail: Option<Result<Following, NoBarrier>>, limit: Option<u64>) -> Self {
        let limit = limit.unwrap_or(made.stored.inspected.raw_bytes.max(SHORT));
        let tail = tail.map(|following| {
            let following = following?;
            match made.offset {
                Some(offset) if following.begins_at(offset, limit) => Ok(following),
                Some(offset) => Err(NoBarrier::NotNow {
                    node: made.node.clone(),
                    why: format!("its replication stream was not followed from offset {} on", count(offset)),
                }),
                None => Err(NoBarrier::ByKey(made.node.clone())),
            }
        });
        Self { made, tail, limit }
    }

    /// Why the stream does not lead on from the RDB; `None`: it does, so far.
    pub(super) fn is_lost(&self, shard: usize) -> Option<NoBarrier> {
        match &self.tail {
            Some(Ok(following)) => following.lost().map(|lost| self.why(shard, lost)),
            Some(Err(why)) => Some(why.clone()),
            None => Some(NoBarrier::Lost { shard, why: "it was not followed".to_owned() }),
        }
    }

    pub(super) fn why(&self, shard: usize, lost: Lost) -> NoBarrier {
        match lost {
            Lost::TooLong => NoBarrier::TooLong { shard, limit: self.limit },
            Lost::Broken(why) => NoBarrier::Lost { shard, why },
        }
    }
}
