//! Reads a whole backup on a thread of its own, without sending anything.

use crate::capture::Raw;
use crate::capture::foreign::{Foreign, are_commands};
use crate::progress::Progress;
use crate::rdb::visit::Visit;
use crate::rdb::{Scanner, Summary};
use crate::restore::replay::BadBackup;
use tokio_util::sync::CancellationToken;

/// So many members of one value are held in memory to be compared with each other, at twelve bytes each.
pub(super) const MEMBERS_COMPARED: usize = 2 << 20;

/// How long a backup was found to be, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// The RDB.
    pub rdb: u64,
    /// What follows its end, and belongs to nobody.
    pub trailing: u64,
    /// Members of values that were not compared with each other.
    pub not_compared: u64,
}

impl Length {
    /// Of a file that was read to its end.
    ///
    /// # Errors
    /// Commands follow the RDB: an append-only file, of which only the beginning would be restored.
    pub(super) fn of(summary: &Summary) -> Result<Self, BadBackup> {
        if are_commands(&summary.trailing_start) {
            return Err(BadBackup::Raw(Foreign::aof_with_preamble().into()));
        }
        Ok(Self { rdb: summary.length, trailing: summary.trailing, not_compared: 0 })
    }
}

/// Pushes all of a backup through a visitor; gives its length. Blocks: call it on a thread that may.
///
/// # Errors
/// The backup is bad.
pub fn through<V: Visit>(
    raw: &mut Raw,
    visitor: &mut V,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Length, BadBackup> {
    let mut scanner = Scanner::new().reading_on(MEMBERS_COMPARED);
    while let Some(chunk) = raw.next() {
        let chunk = chunk?;
        scanner.push(&chunk, visitor)?;
        progress.advance(chunk.len() as u64);
        if cancel.is_cancelled() || visitor.stopped() {
            return Ok(Length { rdb: scanner.position(), trailing: 0, not_compared: 0 });
        }
    }
    Ok(Length { not_compared: scanner.not_compared(), ..Length::of(&scanner.finish()?)? })
}
