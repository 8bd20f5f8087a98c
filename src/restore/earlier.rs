//! What earlier runs of a restore have left on this machine: which journal is this restore's, and whether there is something to go on with.

use std::path::Path;

use crate::blocking;
use crate::connection::Connection;
use crate::explain::Result;
use crate::restore::choices::Ttl;
use crate::restore::facts::{BackupFacts, Counters, TargetFacts};
use crate::restore::journal::{Decided, Identity, Journal};
use crate::restore::options::Method;
use crate::restore::preflight;
use crate::restore::rate::Rate;
use crate::restore::request::Request;
use crate::restore::run::{RunError, why_not_resumed};
use crate::restore::take_back;

/// Which restore this is, for its journal.
pub(super) async fn identity(request: &Request, facts: &BackupFacts, target: &TargetFacts, method: Method) -> Identity {
    let (told, options) = (request.source.clone(), &request.options);
    Identity {
        backup: facts.name.clone(),
        digest: blocking::run(move || told.digest()).await,
        target_run_id: target.server.run_id.clone(),
        decided: Decided::of(options, method),
        shift_ms: (options.choices.ttl == Ttl::Shift).then_some(options.choices.shift_ms),
        address: Some(request.node.address.to_string()),
        rate: options.rate.and_then(Rate::bytes),
    }
}

/// Looks at the journals of this machine, as the restore that this one is.
async fn journal_of<T: Send + 'static>(
    request: &Request,
    facts: &BackupFacts,
    target: &TargetFacts,
    method: Method,
    look: impl FnOnce(&Path, &Identity) -> T + Send + 'static,
) -> T {
    let identity = identity(request, facts, target, method).await;
    let state = request.local.state.clone();
    blocking::run(move || look(&state, &identity)).await
}

/// Why a restore that is to go on by this method has nothing to go on with; `None`: it has.
pub(super) async fn nothing_to_resume(
    request: &Request,
    facts: &BackupFacts,
    target: &TargetFacts,
    method: Method,
) -> Option<RunError> {
    let now = target.counters;
    journal_of(request, facts, target, method, move |state, identity| why_not_resumed(state, identity, now)).await
}

/// The `--rate` of the restore that was interrupted, in bytes a second, unless this one has its own.
pub(super) async fn rate_before(
    request: &Request,
    facts: &BackupFacts,
    target: &TargetFacts,
    method: Method,
) -> Option<u64> {
    journal_of(request, facts, target, method, |state, identity| match identity.rate {
        Some(rate) => Some(rate),
        None => Journal::before(state, identity)?.rate,
    })
    .await
}

/// Notes on this machine that all was written, with the line that proves it and what the target held then, until that is done: a process that is killed says nothing.
/// Without the note nothing but these words is lost.
pub(super) async fn note_written(
    request: &Request,
    facts: &BackupFacts,
    target: &TargetFacts,
    method: Method,
    (line, held): (String, Counters),
) -> Option<Unproven> {
    let noted = journal_of(request, facts, target, method, move |state, identity| {
        let journal = Journal::open(state, identity)?;
        journal.note_written(&line, held).map(|()| journal)
    });
    match noted.await {
        Ok(journal) => Some(Unproven(journal)),
        Err(error) => {
            tracing::debug!("what was restored is not noted: {error}");
            None
        }
    }
}

/// A restore of which all was written, and nothing proven yet: noted on this machine.
#[derive(Debug)]
pub struct Unproven(Journal);

impl Unproven {
    /// The comparison has ended, and its answer is known: the note is taken away.
    pub async fn settled(self) {
        blocking::run(move || self.0.remove()).await;
    }
}

/// Whether others have written to the target since the restore was interrupted that this one goes on with, as far as commands tell that no
/// run of it has sent. `None`: others may have, for what the target had counted is lost (it was started anew, or `CONFIG RESETSTAT`).
///
/// # Errors
/// The target cannot be asked.
pub(super) async fn others_wrote(
    request: &Request,
    facts: &BackupFacts,
    target: &TargetFacts,
    method: Method,
    connection: &mut Connection,
) -> Result<Option<bool>> {
    let look = |state: &Path, identity: &Identity| Journal::look(state, identity).position();
    let Some(position) = journal_of(request, facts, target, method, look).await else { return Ok(None) };
    let (_, info) = preflight::counters(connection).await?;
    match position.counted.by_others(&info, &position.called, method == Method::Commands) {
        Some(names) => Ok(take_back::any_writes(connection, &names).await?),
        None => Ok(None),
    }
}

/// Whether this restore goes on with one that was interrupted before the target was started anew.
pub(super) async fn goes_on_after_a_restart(
    request: &Request,
    facts: &BackupFacts,
    target: &TargetFacts,
    method: Method,
) -> bool {
    journal_of(request, facts, target, method, |state, identity| {
        let journal = Journal::look(state, identity);
        journal.position().is_none() && journal.of_another_start().is_some()
    })
    .await
}

/// Whether this restore goes on with one since whose beginning the target has thrown away keys to make room, some of which it may have been
/// sent.
pub(super) async fn goes_on_after_evictions(
    request: &Request,
    facts: &BackupFacts,
    target: &TargetFacts,
    method: Method,
) -> bool {
    let evicted = target.counters.evicted;
    journal_of(request, facts, target, method, move |state, identity| {
        Journal::look(state, identity).position().is_some_and(|position| position.may_lack(evicted))
    })
    .await
}

/// Whether a restore of this backup into this target was begun on this machine and not ended, whatever its choices were.
pub(super) async fn is_begun(request: &Request, facts: &BackupFacts, target: &TargetFacts) -> bool {
    let (state, backup) = (request.local.state.clone(), facts.name.clone());
    let run_id = target.server.run_id.clone();
    blocking::run(move || Journal::is_begun(&state, &backup, &run_id)).await
}
