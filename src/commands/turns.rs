//! Runs one after the other: what the commands that write share, and what they tell of a lock.

use std::time::Duration;

use serde_json::{Value, json};

use super::Context;
use crate::explain::{Interrupted, Result};
use crate::operations::{Turn, Turns, take_turn};
use crate::repository::{FoundLock, Repository};
use crate::times;

/// How long a lock that is being taken when a signal comes may take, so that it can be given back.
const LAST_LOCK: Duration = Duration::from_secs(2);

/// Takes the locks of these instances, and gives up waiting at the first signal.
///
/// # Errors
/// Another run has one of them (`locked`); a signal came.
pub async fn take(
    repository: &Repository,
    instances: &[String],
    command: &str,
    turns: Turns,
    context: &Context,
) -> Result<Turn> {
    let mut taking = std::pin::pin!(take_turn(repository, instances, command, turns, &context.printer));
    tokio::select! {
        biased;
        turn = &mut taking => turn,
        () = context.cancel.cancelled() => {
            // A lock that is being written at this very moment would stay.
            if let Ok(Ok(turn)) = tokio::time::timeout(LAST_LOCK, taking).await {
                turn.end(&context.printer).await;
            }
            Err(Interrupted.into())
        }
    }
}

/// A lock in JSON.
pub fn to_json(found: &FoundLock) -> Value {
    let holder = found.holder.as_ref();
    json!({
        "state": found.state,
        "host": holder.map(|holder| &holder.by.host),
        "pid": holder.map(|holder| holder.by.pid),
        "command": holder.map(|holder| &holder.command),
        "since": holder.map(|holder| times::text(holder.since)),
        "token": holder.map(|holder| &holder.token),
        "lapses_at": found.lapses_at.map(times::text),
        "stays_because": holder.and_then(|holder| holder.stays_because.as_ref()),
    })
}
