//! Reads a whole backup on a thread of its own, without sending anything.

use crate::capture::Raw;
use crate::progress::Progress;
use crate::rdb::Scanner;
use crate::rdb::visit::Visit;
use crate::restore::replay::BadBackup;
use tokio_util::sync::CancellationToken;

/// So many members of one value are compared with each other, at twelve bytes each.
pub(super) const MEMBERS_COMPARED: usize = 2 << 20;

/// Pushes all of a backup through a visitor; gives the bytes of the RDB. Blocks: call it on a thread that may.
///
/// # Errors
/// The backup is bad.
pub fn through<V: Visit>(
    raw: &mut Raw,
    visitor: &mut V,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<u64, BadBackup> {
    let mut scanner = Scanner::new().reading_on(MEMBERS_COMPARED);
    let mut trailing = 0;
    while let Some(chunk) = raw.next() {
        let chunk = chunk?;
        scanner.push(&chunk, visitor)?;
        trailing += scanner.trailing_in_last_push() as u64;
        progress.advance(chunk.len() as u64);
        if cancel.is_cancelled() || visitor.stopped() {
            return Ok(scanner.position());
        }
    }
    let summary = scanner.finish()?;
    if trailing > 0 { Err(BadBackup::Trailing(trailing)) } else { Ok(summary.length) }
}
