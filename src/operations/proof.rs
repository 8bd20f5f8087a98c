//! The proof after a restore: the target is read back as one moment of its data, and compared with what was sent.

mod counts;

use std::sync::Arc;
use std::time::Duration;

use crate::capture::source::{ReadFrom, choose};
use crate::census::{Candidate, Chosen};
use crate::explain::{Context as _, Fault, Interrupted, Result, Status};
use crate::restore::report::Afterwards;
use crate::restore::sent::Sent;
use crate::restore::target_format::TargetFormat;
use crate::restore::{Existing, Next, Planned, Report, Request, Watcher};
use crate::verify::comparing::{self, Comparison};
use crate::verify::of_server::{self, Watched};
use crate::verify::view::{Mapping, View};

pub use counts::{Announced, Counts};

/// Keys that are named where something differs.
pub const EXAMPLES: usize = 20;

/// What the comparison of a target with the backup came to.
pub enum Proof {
    /// There is none, for this reason.
    None(&'static str),
    /// The target was read back.
    Compared(Box<Found>),
}

impl Proof {
    /// The answer of the proof; that there can be none is no fault.
    pub fn status(&self) -> Status {
        match self {
            Self::None(_) => Status::Ok,
            Self::Compared(found) => found.status(),
        }
    }
}

/// Compares the target with the backup, with the choices applied; once more over a new connection where one broke on the way.
///
/// # Errors
/// The target or the backup cannot be read: the restore is done, but not proven, which the error says with the line that proves it.
pub(super) async fn prove(planned: &Planned, report: &Report, watcher: &Watcher<'_>) -> Result<Proof> {
    if !planned.request.source.can_be_read_again() {
        return Ok(Proof::None(
            "standard input can be read only once, so the target was not compared with the backup; a restore of a file (`--file PATH`) is",
        ));
    }
    let mut tried = compared(planned, report, watcher).await;
    if let Err(error) = &tried
        && !watcher.cancel.is_cancelled()
        && is_broken_link(error)
    {
        watcher.voice.say(&format!("the connection broke ({error:#}); comparing once more"));
        tried = compared(planned, report, watcher).await;
    }
    match tried {
        Ok(found) => Ok(Proof::Compared(Box::new(found))),
        Err(error) => {
            let is_interrupted = watcher.cancel.is_cancelled() || error.is::<Interrupted>();
            Err(not_proven(planned, report, (!is_interrupted).then_some(error)))
        }
    }
}

/// The restore is done, and its comparison broke off: the error, with the line that proves the restore. No `error`: a signal came.
fn not_proven(planned: &Planned, report: &Report, error: Option<Fault>) -> Fault {
    let Planned { request, facts, .. } = planned;
    let line = proving_line(planned, report);
    let done = format!("{} was restored into {}, but the restore is not proven", facts.name, request.node);
    match error {
        None => Fault::from(Interrupted).context(format!("{done}; `{line}` proves the restore")),
        Some(error) => error.context(done).and_hint(format!("`{line}` proves the restore")),
    }
}

/// The line that proves what was restored, and writes nothing. Where only keys of the target are there beside the backup's, they are no
/// difference; where keys of the backup are wanted otherwise, or are known to be missing, the restore's own proof alone can tell.
pub(super) fn proving_line(planned: &Planned, report: &Report) -> String {
    let (request, options) = (&planned.request, &planned.request.options);
    if is_all_there(planned, report) {
        return request.line(Next::Verify);
    }
    let is_whole = options.choices.is_everything() && Announced::of(report, &planned.facts) == Announced::default();
    match options.existing {
        Existing::Fail | Existing::Replace if is_whole => request.line(Next::Holds),
        Existing::ReplaceAll | Existing::MustBeEmpty => request.anew(true),
        Existing::Fail | Existing::Replace | Existing::Skip => {
            request.anew_asking().unwrap_or_else(|| request.anew(true))
        }
    }
}

/// Whether a new connection may do better.
fn is_broken_link(error: &Fault) -> bool {
    matches!(error.code(), "disconnected" | "timeout" | "connection_refused" | "unreachable")
}

/// Whether the target ought to hold the whole backup, and nothing else.
fn is_all_there(planned: &Planned, report: &Report) -> bool {
    let announced = Announced::of(report, &planned.facts);
    planned.request.options.choices.is_everything() && !stayed(planned, report) && announced == Announced::default()
}

/// Whether the target may hold keys that it held before: they are no difference. What an interrupted run has brought was not there before.
fn stayed(planned: &Planned, report: &Report) -> bool {
    planned.target.keys() > 0 && planned.request.options.existing != Existing::ReplaceAll && !report.was_empty
}

async fn compared(planned: &Planned, report: &Report, watcher: &Watcher<'_>) -> Result<Found> {
    let Planned { request: Request { source, node, options, .. }, facts, target: before, .. } = planned;
    watcher.voice.say("the restore has finished; comparing the target with the backup");
    let chosen =
        choose(node, ReadFrom::Itself).await.with_context(|| format!("cannot compare {node} with the backup"))?;
    let announced = Announced::of(report, facts);
    let stayed = stayed(planned, report);
    // A key that had expired has left the target's key of that name as it was; or is still there, until the target removes it.
    let as_it_is = options.choices.is_everything() && announced == Announced::default() && report.tally.expired == 0;
    let expected = match as_it_is {
        true => View::Everything,
        false => {
            let format = TargetFormat::of(&before.server);
            let now_ms = before.clock.unwrap_or_default().now_ms();
            View::Mapped(Arc::new(Sent::new(options.choices.clone(), format, now_ms)))
        }
    };
    // Libraries that were there before and stayed are no difference; nor are those that the target cannot have.
    let had_none = before.functions.as_ref().is_some_and(|names| names.is_empty());
    let settings = comparing::Options {
        memory_limit: comparing::MEMORY_LIMIT,
        folder: std::env::temp_dir(),
        examples: EXAMPLES,
        ttl_tolerance: Duration::ZERO,
        functions: options.choices.selection.is_everything()
            && report.tally.functions.lost == 0
            && (had_none || options.existing == Existing::ReplaceAll),
    };
    let watched = Watched { progress: &**watcher.progress, voice: watcher.voice, cancel: watcher.cancel };
    let views = (&expected, &View::Everything);
    let (mut compared, is_fuzzy) = of_server::compare(source, &chosen, views, &settings, &watched)
        .await
        .with_context(|| format!("cannot compare {node} with {}", source.name()))?;

    // Beside libraries of others: those that were loaded are there as they are in the backup. A loss that was accepted is no difference.
    if compared.functions.is_none()
        && report.tally.functions.lost == 0
        && report.tally.functions.restored > 0
        && let Some((left, right)) = planned.libraries_loaded(watcher).await?
    {
        compared.functions = Some(comparing::Functions { left, right, equal: left == right, differing: Vec::new() });
        compared.functions_unread = None;
    }
    // Nothing is missing that was not to be there.
    if report.tally.functions.restored == 0 {
        compared.functions_unread = None;
    }

    if !options.choices.selection.is_everything() {
        compared.module_records.clear();
    }

    // Others may have written after the restore had ended, and before the target was read; or it may have become another one.
    let afterwards = report.look_again(node).await;
    let expired = (compared.differences.left_expired + compared.left_out.expired).max(report.tally.expired);
    let fields = compared.expired_fields.max(report.tally.expired_fields);
    let counts = Counts::of(&compared, announced, stayed, (expired, fields), afterwards.others_wrote == Some(true));
    // The comparison does not know of a loss that it cannot see.
    let unseen = counts.announced.unseen;
    compared.differences.equal -= unseen;
    compared.differences.different_value += unseen;
    Ok(Found { compared, is_fuzzy, counts, afterwards })
}

/// A target that was read back and compared.
pub struct Found {
    /// The comparison, as if nothing had been announced; a key that is equal but for a reported loss is different here.
    pub compared: Comparison,
    /// The target was read key by key, which is not one moment of its data.
    pub is_fuzzy: bool,
    /// The keys, with what was announced taken off.
    pub counts: Counts,
    /// What was seen of the target after it was read back.
    pub afterwards: Afterwards,
}

impl Found {
    /// The answer: no if a key is missing or differs, a warning if others have written as well.
    pub fn status(&self) -> Status {
        self.counts.status()
    }
}

/// A restore with choices leaves other keys in the target than the backup holds: the proof asks for those.
impl Mapping for Sent {
    fn database(&self, database: u64) -> u64 {
        self.database_of(database)
    }

    fn field_expiry(&self, expire_ms: Option<i64>) -> Option<i64> {
        self.expiry_of_field(expire_ms)
    }

    fn choose(&self, candidate: &Candidate<'_>) -> Chosen {
        self.chosen(candidate)
    }
}
