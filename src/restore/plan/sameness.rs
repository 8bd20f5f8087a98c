//! Whether the target is the server that the backup was taken from: usual after a mishap, and a mistake where another was meant.

use super::Line;
use crate::restore::facts::{BackupFacts, TargetFacts};

/// The stable name of the line.
pub const SAME_SERVER: &str = "same_server";

/// A line if it is, or seems to be.
pub fn same_server(backup: &BackupFacts, target: &TargetFacts) -> Option<Line> {
    let from = &backup.taken_from;
    let is = |known: &str, found: &str| !known.is_empty() && known == found;
    let text = if is(&from.run_id, &target.server.run_id) {
        "the target is the server that the backup was taken from".to_owned()
    } else if is(&from.replid, &target.server.replid) {
        "the target is the server that the backup was taken from, or the primary of that server".to_owned()
    } else if is(&from.node, &target.address) || target.address.ends_with(&format!("({})", from.node)) {
        format!("the target is the server that the backup was taken from ({}), started again since", from.node)
    } else {
        return None;
    };
    Some(Line::ok(SAME_SERVER, text))
}
