//! `backup --prune`: after a backup is published, the instance's others are held against its policy.

use super::super::prune::{failure, plan_json, policy_json, remove, report_json};
use super::super::{Context, Outcome};
use crate::explain::{Fault, Status};
use crate::printer::words;
use crate::repository::Repository;
use crate::retention::{self, Plan, Policy, Report, Wanted};

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
    is_sound: bool,
    repository: &Repository,
    context: &Context,
) -> Outcome {
    if !is_sound {
        return with(outcome.field("prune", ()), Status::Ok, "not pruned: the new backup has findings".to_owned());
    }
    match prune(wanted, instance, repository, context).await {
        Ok((plan, report)) => {
            let mut fields = serde_json::Map::new();
            fields.insert("policy".to_owned(), policy_json(&wanted.policy, &wanted.from));
            fields.extend(plan_json(&plan, Some(&report)));
            fields.insert("removed".to_owned(), report_json(&report));
            let kept = plan.backups.iter().filter(|backup| backup.is_kept()).count() as u64;
            let line = format!(
                "pruned: {} objects removed, {} freed; {} kept by the policy of {instance} from {}: {}",
                words::count(report.objects),
                words::bytes(report.bytes),
                words::counted(kept, "backup"),
                wanted.from,
                wanted.policy
            );
            let outcome = outcome.field("prune", fields);
            match failure(&report, context) {
                None => with(outcome, Status::Ok, line),
                Some(error) => with(outcome, Status::Warning, format!("{line}\nnot all was removed: {error:#}")),
            }
        }
        Err(error) => with(outcome.field("prune", ()), Status::Warning, format!("not pruned: {error:#}")),
    }
}

async fn prune(
    wanted: &Retention,
    instance: &str,
    repository: &Repository,
    context: &Context,
) -> Result<(Plan, Report), Fault> {
    let only = Wanted::One(instance.to_owned());
    let plan = async { Ok(retention::plan(repository, &only, &wanted.policy, &retention::nobody).await?) };
    let plan = context.interruptible(plan).await?;
    let report = remove(&plan, repository, context).await;
    Ok((plan, report))
}

/// Says a line before the verdict, and that in `warnings` where it is one.
fn with(mut outcome: Outcome, status: Status, line: String) -> Outcome {
    outcome.text = match outcome.text.rsplit_once('\n') {
        Some((before, verdict)) => format!("{before}\n{line}\n{verdict}"),
        None => format!("{line}\n{}", outcome.text),
    };
    if status != Status::Ok
        && let Some(warnings) = outcome.fields.get_mut("warnings").and_then(serde_json::Value::as_array_mut)
    {
        warnings.push(line.into());
    }
    outcome.status = outcome.status.and(status);
    outcome
}
