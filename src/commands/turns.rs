//! Runs one after the other: what the commands that write share, and what they tell of a lock.

use serde_json::{Value, json};

use super::Context;
use crate::explain::Result;
use crate::operations::{Turn, Turns, take_turn};
use crate::repository::{FoundLock, Repository};
use crate::times;

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
    context.interruptible(take_turn(repository, instances, command, turns, &context.printer)).await
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
