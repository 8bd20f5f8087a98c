//! Does what was planned: by the method that was chosen, or by the next one where that turns out to be barred.

use std::sync::Arc;

use super::again::Again;
use super::{Instance, Settings};
use crate::commands::Context;
use crate::dataset::Dataset;
use crate::explain::{Bug, Context as _, Failure, Hint, Result};
use crate::progress::Progress;
use crate::restore;
use crate::restore::journal::{Decided, Identity, Journal};
use crate::restore::load::{self, Loaded};
use crate::restore::options::{Asked, Method, Options};
use crate::restore::plan::{self, Plan};
use crate::restore::replica::guard::Lines;
use crate::restore::replica::{Certificate, ReplicaError, ReplicaFault, Safeguard};
use crate::restore::report::{Barred, Report};
use crate::restore::target_format::Loss;
use crate::restore::{BackupFacts, Order, Origin, RdbSource, TargetFacts, Ttl};

pub use crate::restore::run::now_ms;

/// Everything is said: this is to be done.
pub struct Work<'a> {
    /// What is restored.
    pub source: &'a Dataset,
    /// What was typed.
    pub settings: &'a Settings,
    /// Where to.
    pub instance: &'a Instance,
    /// How.
    pub options: &'a Options,
    /// What was learned about the target.
    pub target: &'a TargetFacts,
    /// What was learned about the backup.
    pub facts: &'a BackupFacts,
    /// What was judged.
    pub plan: &'a Plan,
    /// How far it is.
    pub progress: &'a Arc<dyn Progress>,
    /// Where words go.
    pub context: &'a Context,
}

/// Does it.
///
/// # Errors
/// Nothing was written.
pub async fn run(work: &Work<'_>, method: Method) -> Result<Report> {
    if method != Method::Replica {
        return replay(work, method).await;
    }
    let error = match feed(work).await? {
        Loaded::Done(report) => return Ok(*report),
        Loaded::Barred(error) => error,
    };
    let next = work.plan.next_after_replica().filter(|_| work.options.method == Asked::Auto);
    let Some(next) = next else { return Err(barred(work, &error).into()) };
    work.context.printer.say(&format!("{}; going on by method `{}`", reason(&error), next.name()));
    let mut report = replay(work, next).await?;
    report.barred = Some(Barred { method: Method::Replica, code: error.code(), message: reason(&error) });
    Ok(report)
}

/// The target loads the file itself.
async fn feed(work: &Work<'_>) -> Result<Loaded> {
    let Work { source, instance, facts, .. } = work;
    // The survey has read it to its end: these bytes and no others are fed.
    let unread = || Bug("the backup was not read before the target was to load it".to_owned());
    let survey = facts.survey.as_ref().ok_or_else(unread)?;
    let rdb = RdbSource {
        length: survey.bytes,
        trailing: survey.trailing_bytes,
        crc64: survey.crc64,
        raw: source.raw(0, &work.context.cancel).await?,
    };
    let again = Again { settings: work.settings, instance, name: &facts.name };
    let lines = Lines { empty: again.anew(false), holding: again.anew(true), undo: again.undo() };
    let tls = instance.server.node.tls.as_ref();
    let certificate =
        tls.and_then(|tls| Some(Certificate { certificate: tls.certificate.clone()?, key: tls.key.clone()? }));
    let order = load::Order {
        node: &instance.server.node,
        target: work.target,
        backup: facts,
        listen: instance.listen,
        advertise: instance.advertise.clone(),
        certificate,
        safeguard: Some(Safeguard::here(&instance.state).context("find this program")?.saying(lines)),
        cancel: &work.context.cancel,
    };
    Ok(load::run(&order, rdb, &**work.progress).await)
}

/// The error with its cause, which holds the server's own words.
fn reason(error: &ReplicaError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{}{cause}", error.fault)
}

/// That method was asked for, or nothing else can bring this backup over.
fn barred(work: &Work<'_>, error: &ReplicaError) -> Failure {
    let other = match work.plan.next_after_replica() {
        Some(next) => Hint::OtherMethod(next.name()),
        None => Hint::NoOtherMethod,
    };
    let hint = match &error.fault {
        ReplicaFault::NotReached { .. } => Hint::NameOwnAddress.and(other),
        ReplicaFault::NoCertificate => Hint::NameCertificate.and(other),
        _ => other,
    };
    Failure::new(error.code(), format!("{}; {}", reason(error), error.left)).hint(hint)
}

/// Which restore this is, for its journal.
fn identity(source: &Dataset, name: &str, options: &Options, target: &TargetFacts, method: Method) -> Identity {
    Identity {
        backup: name.to_owned(),
        digest: source.digest(),
        target_run_id: target.server.run_id.clone(),
        decided: Decided::of(options, method),
        shift_ms: (options.choices.ttl == Ttl::Shift).then_some(options.choices.shift_ms),
    }
}

/// By how many milliseconds expiries move where a restore goes on that moved them: all keys by as much as the first.
pub fn shift_to_go_on_with(
    instance: &Instance,
    source: &Dataset,
    name: &str,
    options: &Options,
    target: &TargetFacts,
    method: Method,
) -> Option<i64> {
    let moves = options.resume && options.choices.ttl == Ttl::Shift;
    moves.then(|| Journal::shift_before(&instance.state, &identity(source, name, options, target, method))).flatten()
}

/// Keys as commands.
async fn replay(work: &Work<'_>, method: Method) -> Result<Report> {
    let Work { source, instance, options, target, facts, context, .. } = work;
    let identity = identity(source, &facts.name, options, target, method);
    let order = Order {
        node: instance.server.node.clone(),
        target: (*target).clone(),
        method,
        in_backup: facts.keys,
        raw_bytes: facts.raw_bytes,
        verified: facts.survey.is_some(),
        journal: Some((identity, instance.state.clone())),
        trusted: facts.origin == Origin::Captured,
        repeated: facts.survey.as_ref().map(|survey| survey.repeated.clone()).unwrap_or_default(),
        damaged: facts.survey.as_ref().map(|survey| survey.damaged.clone()).unwrap_or_default(),
        lossy_streams: facts.survey.as_ref().is_none_or(|survey| survey.losses.contains_key(&Loss::PendingEntries)),
        reopen: source.reopen(0),
        cancel: context.cancel.clone(),
        options: (*options).clone(),
    };
    let mut report = restore::run(order, source.raw(0, &work.context.cancel).await?, work.progress.clone()).await?;
    let losses = facts.survey.iter().flat_map(|survey| &survey.losses);
    report.lost_module_data = plan::module_records(facts, options);
    report.lost_in_part = losses.filter(|(loss, _)| loss.is_in_part()).map(|(_, keys)| *keys).sum();
    let names = facts.survey.iter().flat_map(|survey| &survey.lost_keys).filter(|(loss, _)| loss.is_in_part());
    report.tally.lose_in_part(names.flat_map(|(_, keys)| keys));
    Ok(report)
}
