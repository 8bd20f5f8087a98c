//! The second half of a restore: what was planned is done, by the method that was chosen, or by the next one where that turns out to be
//! barred.

use crate::blocking;
use crate::explain::{Bug, Context as _, Explain, Fault, Hint, Meaning, Result};
use crate::replies::Info;
use crate::restore::earlier;
use crate::restore::lines::{Next, Over};
use crate::restore::load::{self, Loaded};
use crate::restore::options::{Asked, Method};
use crate::restore::plan;
use crate::restore::planning::Planned;
use crate::restore::preflight;
use crate::restore::replica::{Certificate, ReplicaError, ReplicaFault, Safeguard};
use crate::restore::report::{Barred, Report};
use crate::restore::request::{Request, Watcher};
use crate::restore::run::{self, Order, RunError};
use crate::restore::source::RdbSource;
use crate::restore::target_format::Loss;

/// The target did not load the file itself, and no other method was allowed or can bring this backup over. It is as it was.
#[derive(Debug, thiserror::Error)]
#[error("{}; {}", reason(error), error.left)]
pub struct NotLoaded {
    error: Box<ReplicaError>,
    /// The method that would be used in its place.
    next: Option<Method>,
}

impl Explain for NotLoaded {
    fn meaning(&self) -> Meaning {
        if matches!(self.error.fault, ReplicaFault::Unsaved) {
            return self.error.meaning();
        }
        if self.error.is_other_than_planned() {
            return Meaning::of(self.error.code())
                .hint(Hint::words("run the restore again: redis-ops makes a new plan"));
        }
        let other = self.next.map_or(Hint::NoOtherMethod, |next| Hint::OtherMethod(next.name()));
        let hint = match &self.error.fault {
            ReplicaFault::NotReached { .. } => Hint::NameOwnAddress.and(other),
            ReplicaFault::NoCertificate | ReplicaFault::NoTls { .. } => Hint::NameCertificate.and(other),
            _ => other,
        };
        Meaning::of(self.error.code()).hint(hint)
    }
}

/// Restores by a method that was admitted. What was done is in the report, whatever happens after the first write. `saved`: the target's
/// INFO when its safety backup began, where one was taken.
///
/// # Errors
/// Nothing was written. [`NotLoaded`]: the method is barred; [`RunError`]: there is nothing to go on with, say.
pub async fn carry_out(
    planned: &Planned,
    method: Method,
    saved: Option<&Info>,
    watcher: &Watcher<'_>,
) -> Result<Report> {
    let mut report = by_method(planned, method, saved, watcher).await.map_err(|error| not_begun(planned, error))?;
    report.room = room(planned, &report).await;
    Ok(report)
}

/// `maxmemory` in bytes that holds the backup: what the next plan will ask for, where keys were evicted.
async fn room(planned: &Planned, report: &Report) -> Option<u64> {
    let Planned { request, facts, target, .. } = planned;
    let room = plan::room(facts, target, &request.options);
    let Some(evicted) = report.evicted().filter(|keys| *keys > 0) else { return room };
    let used = async { preflight::counters(&mut request.node.connect().await.ok()?).await.ok()?.1.u64("used_memory") };
    let missing = evicted + report.not_reached().unwrap_or(0) + report.tally.failed + report.tally.unknown;
    room.max(used.await.and_then(|used| plan::room_for_missing(facts, used, missing)))
}

async fn by_method(planned: &Planned, method: Method, saved: Option<&Info>, watcher: &Watcher<'_>) -> Result<Report> {
    if method != Method::Replica {
        return replay(planned, method, saved, watcher).await;
    }
    let error = match feed(planned, saved, watcher).await? {
        Loaded::Done(report) => return Ok(*report),
        Loaded::Barred(error) => error,
        Loaded::Changed(error) => return Err(NotLoaded { error, next: None }.into()),
    };
    let next = planned.plan.next_after_replica();
    let Some(method) = next.filter(|_| planned.request.options.method == Asked::Auto) else {
        return Err(NotLoaded { error, next }.into());
    };
    watcher.voice.say(&format!("{}; continuing with method `{}`", reason(&error), method.name()));
    let mut report = replay(planned, method, saved, watcher).await?;
    report.barred = Some(Barred { method: Method::Replica, code: error.code(), message: reason(&error) });
    Ok(report)
}

impl Planned {
    /// Nothing was written: the error, with the line that leads on where there is one.
    pub fn not_begun(&self, error: Fault) -> Fault {
        not_begun(self, error)
    }
}

fn not_begun(planned: &Planned, error: Fault) -> Fault {
    // It says all there is to say.
    if error.is::<NotLoaded>() {
        return error;
    }
    let request = &planned.request;
    let is_unknown =
        matches!(error.downcast_ref::<RunError>(), Some(RunError::NothingToResume | RunError::OtherChoices { .. }));
    // One that was restarted, or is of an earlier version, was begun.
    let line = match error.downcast_ref::<RunError>() {
        Some(RunError::Restarted { .. } | RunError::OfEarlierVersion) => {
            // Others may have written to it since.
            Some(planned.begins_anew())
        }
        Some(RunError::NotEmptied) => {
            let line = request.line(Next::Anew(request.options.method, Over::Everything));
            Some(format!("`{line}` deletes all keys of the target and restores again from the start"))
        }
        Some(RunError::OtherChoices { method: Some((method, rate)), .. }) => {
            let line = request.line(Next::ResumeAt(*method, *rate));
            Some(format!("`{line}` continues the interrupted restore"))
        }
        _ => None,
    };
    let error = error.context(format!("cannot restore {} into {}", planned.facts.name, request.node));
    let error = match line {
        Some(line) => error.and_hint(line),
        None => error,
    };
    if is_unknown { planned.and_anew(error) } else { error }
}

/// The error with its cause, which holds the server's own words.
fn reason(error: &ReplicaError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{}{cause}", error.fault)
}

/// The target loads the file itself.
async fn feed(planned: &Planned, saved: Option<&Info>, watcher: &Watcher<'_>) -> Result<Loaded> {
    let Planned { request, facts, target, .. } = planned;
    // The survey has read it to its end: these bytes and no others are fed.
    let unread = || Bug("the backup was not read before the target was to load it".to_owned());
    let survey = facts.survey.as_ref().ok_or_else(unread)?;
    let rdb = RdbSource {
        length: survey.bytes,
        trailing: survey.trailing_bytes,
        crc64: survey.crc64,
        raw: request.source.raw(0, watcher.cancel).await?,
    };
    let tls = request.node.tls.as_ref();
    let certificate =
        tls.and_then(|tls| Some(Certificate { certificate: tls.certificate.clone()?, key: tls.key.clone()? }));
    let state = request.local.state.clone();
    let safeguard =
        blocking::run(move || Safeguard::here(&state)).await.context("cannot find the program file of redis-ops")?;
    let order = load::Order {
        node: &request.node,
        target,
        backup: facts,
        existing: request.options.existing,
        saved,
        listen: request.local.listen,
        advertise: request.local.advertise.clone(),
        certificate,
        safeguard: Some(Safeguard { lines: Some(request.lines_of_guard()), ..safeguard }),
        cancel: watcher.cancel,
    };
    Ok(load::run(&order, rdb, &**watcher.progress).await)
}

/// The backup goes into the target key by key, as commands.
async fn replay(planned: &Planned, method: Method, saved: Option<&Info>, watcher: &Watcher<'_>) -> Result<Report> {
    let Planned { request: Request { source, node, options, local, .. }, facts, target, .. } = planned;
    let survey = facts.survey.as_ref();
    let once_more = source.clone();
    let order = Order {
        node: node.clone(),
        target: target.clone(),
        method,
        census: facts.census.clone(),
        in_backup: facts.keys,
        raw_bytes: facts.raw_bytes,
        verified: survey.is_some(),
        journal: Some((earlier::identity(&planned.request, facts, target, method).await, local.state.clone())),
        trusted: facts.has_values_of_a_server(),
        repeated: survey.map(|survey| survey.repeated.clone()).unwrap_or_default(),
        damaged: survey.map(|survey| survey.damaged.clone()).unwrap_or_default(),
        lossy_streams: survey.is_none_or(|survey| {
            [Loss::PendingEntries, Loss::EmptyEntries].iter().any(|loss| survey.losses.contains_key(loss))
        }),
        reopen: blocking::run(move || once_more.reopen_whole()).await,
        saved: saved.cloned(),
        cancel: watcher.cancel.clone(),
        options: options.clone(),
    };
    let raw = source.whole(watcher.cancel).await?;
    let mut report = run::run(order, raw, watcher.progress.clone()).await?;
    let losses = survey.iter().flat_map(|survey| &survey.losses);
    report.lost_module_data = plan::module_records(facts, options);
    report.lost_in_part = losses.filter(|(loss, _)| loss.is_in_part()).map(|(_, keys)| *keys).sum();
    let names = survey.iter().flat_map(|survey| &survey.lost_keys).filter(|(loss, _)| loss.is_in_part());
    report.tally.lose_in_part(names.flat_map(|(_, keys)| keys));
    Ok(report)
}
