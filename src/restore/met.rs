//! What stood in the target already of the keys that an interrupted restore may have sent, before another goes on with it.

use std::collections::BTreeMap;

/// How a key stands in the target that the interrupted run may have sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// The key is as it is in the backup.
    Same,
    /// The key has another value or expiry: somebody else has written it.
    Other,
    /// The key has another value or expiry, and the interrupted run has failed at it: elements of both may stand in it.
    Failed,
    /// Nobody can tell: what is sent of this key is not what stands in the backup.
    Unsure,
}

/// Keys that stand in the target, by their number in the order of the backup. Others do not.
pub type Found = BTreeMap<u64, Met>;
