//! Whether our user may run `PSYNC`, found out without one.

use crate::connection::{Command, CommandError, CommandFault, Connection, ServerError};
use crate::replies::Reply;

/// Tries `PSYNC` in a way that begins nothing. `None`: the server does not tell.
///
/// From 7.0 on an offset that is no number is refused for itself, behind the rights. Before, such an offset means a full resync; there the
/// command is queued in a transaction, which is checked at once, and the transaction is discarded. `PING` shows first that the server queues:
/// a proxy that does not would pass the `PSYNC` on.
///
/// # Errors
/// The connection broke.
pub async fn may_psync(
    connection: &mut Connection,
    version: (u32, u32, u32),
) -> Result<Option<Result<(), ServerError>>, CommandError> {
    if version >= (7, 0, 0) {
        let answer = connection.pipeline(&[Command::of(&["PSYNC", "?", "no-offset"])]).await?.into_iter().next();
        return Ok(match answer {
            Some(Err(error)) if is_refused(&error) => Some(Err(error)),
            Some(Err(_)) => Some(Ok(())),
            Some(Ok(_)) | None => None,
        });
    }
    let is_queued = |answer: Option<&Result<Reply, ServerError>>| {
        answer.and_then(|answer| answer.as_ref().ok()).and_then(Reply::text).as_deref() == Some("QUEUED")
    };
    let begun = connection.pipeline(&[Command::new("MULTI"), Command::new("PING")]).await?;
    if !is_queued(begun.get(1)) {
        return Ok(None);
    }
    let mut answers = connection.pipeline(&[Command::of(&["PSYNC", "?", "-1"]), Command::new("DISCARD")]).await?;
    let psync = answers.drain(..1).next();
    Ok(match psync {
        Some(Err(error)) if is_refused(&error) => Some(Err(error)),
        answer if is_queued(answer.as_ref()) => Some(Ok(())),
        _ => None,
    })
}

fn is_refused(error: &ServerError) -> bool {
    matches!(error.fault("PSYNC"), CommandFault::NoPermission { .. })
}
