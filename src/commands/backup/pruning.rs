//! `backup --prune`: after a backup is published, the instance's others are held against its policy.

use super::super::prune::{failure, freed, needed_by_archives, plan_json, policy_json, remove, report_json, status};
use super::super::table::verdict;
use super::super::{Context, Outcome};
use crate::explain::{Fault, Status};
use crate::printer::words;
use crate::repository::manifest::Manifest;
use crate::repository::{BackupId, Repository, RepositoryError};
use crate::retention::{self, Plan, Planned, Policy, Report, Wanted};
use crate::storage::StorageError;

/// What the verdict says of a prune that was not done as the policy wants.
const PRUNE_FAILED: &str = "some backups that the policy removes could not be pruned";

/// So many backups that would be removed are named.
const NAMED: usize = 5;

/// What is kept, and where that stands.
#[derive(Debug, Clone)]
pub struct Retention {
    /// Which backups are kept.
    pub policy: Policy,
    /// Where the policy stands, for people.
    pub from: String,
}

/// Prunes after a backup, whose answer is `outcome`. What goes wrong is a warning: the backup is published. A backup with findings stands
/// for no other, and nothing is removed.
pub(super) async fn after(
    outcome: Outcome,
    wanted: &Retention,
    instance: &str,
    taken: Option<&Manifest>,
    repository: &Repository,
    context: &Context,
) -> Outcome {
    let Some(taken) = taken.filter(|taken| taken.is_sound()) else {
        return with(
            outcome.field("prune", ()),
            Status::Ok,
            "not pruned: the new backup has findings".to_owned(),
            context,
        );
    };
    match prune(wanted, instance, taken.id, repository, context).await {
        Ok((plan, report)) => {
            let mut fields = serde_json::Map::new();
            fields.insert("policy".to_owned(), policy_json(&wanted.policy, &wanted.from));
            fields.extend(plan_json(&plan, Some(&report)));
            fields.insert("removed".to_owned(), report_json(&report));
            let kept = plan.backups.iter().filter(|backup| backup.is_kept()).count() as u64;
            let line = format!(
                "pruned: {} objects removed, {}; {} kept by the policy of {instance} from {}: {}",
                words::count(report.objects),
                freed(&report),
                words::counted(kept, "backup"),
                wanted.from,
                wanted.policy
            );
            let outcome = outcome.field("prune", fields);
            match failure(&report, context) {
                None => with(outcome, status(&report), line, context),
                Some(error) => {
                    with(outcome, Status::Warning, format!("{line}\nnot all was removed: {error:#}"), context)
                }
            }
        }
        Err(error) => with(outcome.field("prune", ()), Status::Warning, format!("not pruned: {error:#}"), context),
    }
}

/// What a prune behind the backup that is planned would remove, as a line of the plan.
pub(super) async fn planned(
    wanted: &Retention,
    instance: &str,
    by_key: bool,
    repository: &Repository,
    context: &Context,
) -> (Status, String) {
    let only = Wanted::One(instance.to_owned());
    let next = Some(retention::Next { id: BackupId::new(context.now), by_key });
    let plan = match retention::plan_behind(repository, &only, &wanted.policy, &retention::nobody, next).await {
        // A folder that is missing will be made.
        Err(RepositoryError::Storage { source: StorageError::NoSuchPlace(_), .. }) => {
            return (Status::Ok, "nothing to prune: there is no other backup".to_owned());
        }
        Err(error) => return (Status::Warning, format!("cannot be pruned: {:#}", Fault::from(error))),
        Ok(plan) => plan,
    };
    let gone: Vec<&Planned> = plan.backups.iter().filter(|backup| !backup.is_kept()).collect();
    let bytes = gone.iter().map(|backup| backup.bytes).sum();
    let names: Vec<String> = gone.iter().take(NAMED).map(|backup| backup.id.to_string()).collect();
    let more = gone.len().saturating_sub(NAMED) as u64;
    let names = match (names.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!(": {}", names.join(", ")),
        (false, more) => format!(": {} and {} more", names.join(", "), words::count(more)),
    };
    let line = format!(
        "the prune would remove {} ({}){names}; it keeps {} by the policy of {instance} from {}: {}",
        words::counted(gone.len() as u64, "backup"),
        words::bytes(bytes),
        words::count((plan.backups.len() - gone.len()) as u64 + 1),
        wanted.from,
        wanted.policy
    );
    (Status::Ok, line)
}

async fn prune(
    wanted: &Retention,
    instance: &str,
    taken: BackupId,
    repository: &Repository,
    context: &Context,
) -> Result<(Plan, Report), Fault> {
    let only = Wanted::One(instance.to_owned());
    // Whatever the clocks of those say that took the others: what this run has published is not what it removes.
    let needed = context.interruptible(needed_by_archives(repository, &only)).await?;
    let own = |of: &str, id: BackupId| {
        let is_own = (of == instance && id == taken).then(|| "the run that has just taken this backup".to_owned());
        is_own.or_else(|| needed.get(&(of.to_owned(), id)).cloned())
    };
    let plan = async { Ok(retention::plan(repository, &only, &wanted.policy, &own).await?) };
    let plan = context.interruptible(plan).await?;
    let report = remove(&plan, repository, &own, context).await;
    Ok((plan, report))
}

/// Says a line before the verdict, and that in `warnings` where it is one. The verdict then begins with the word of the exit code.
fn with(mut outcome: Outcome, status: Status, line: String, context: &Context) -> Outcome {
    let before = outcome.status;
    outcome.status = outcome.status.and(status);
    let (text, sentence) = match outcome.text.rsplit_once('\n') {
        Some((before, verdict)) => (format!("{before}\n{line}"), verdict.to_owned()),
        None => (line.clone(), outcome.text.clone()),
    };
    let sentence = match (before == outcome.status, sentence.split_once(": ")) {
        (false, Some((_, rest))) => verdict(&context.printer, outcome.status, &format!("{rest}; {PRUNE_FAILED}")),
        _ => sentence,
    };
    outcome.text = format!("{text}\n{sentence}");
    if status != Status::Ok
        && let Some(warnings) = outcome.fields.get_mut("warnings").and_then(serde_json::Value::as_array_mut)
    {
        warnings.push(line.into());
    }
    outcome
}
