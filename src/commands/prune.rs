//! `redis-ops prune`: removes the backups that no rule of a policy keeps, and what is left of backups that failed.

mod show;

use std::collections::BTreeMap;

use super::question::confirm_by_name;
use super::turns;
use super::which::Place;
use super::{Context, Outcome};
use crate::explain::{Failure, Fault, Hint, Interrupted, Misuse, Result, Status};
use crate::moment;
use crate::operations::{Turns, turn::of_others};
use crate::printer::words;
use crate::repository::{BackupId, Repository};
use crate::retention::{self, Plan, Policy, Report, Wanted};

pub use show::{freed, objects_left, plan_json, policy_json, report_json};

/// Complete settings of `prune`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the backups are.
    pub place: Place,
    /// Which instances the policy is for.
    pub wanted: Wanted,
    /// What is kept.
    pub policy: Policy,
    /// Where the policy comes from, for people: `the command line`, `backup.retention in …`.
    pub from: String,
    /// Shows what would be removed, and removes nothing.
    pub dry_run: bool,
    /// How it gets along with other runs on the same instances.
    pub turns: Turns,
}

/// Plans, asks, and removes.
///
/// # Errors
/// The policy keeps nothing; the repository cannot be listed; nobody has confirmed; a signal came.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    must_keep_something(&settings.policy)?;
    let repository = settings.place.open().await?;
    let looking = async {
        let needed = needed_by_archives(&repository, &settings.wanted).await?;
        let needed_by = |instance: &str, id| needed.get(&(instance.to_owned(), id)).cloned();
        let plan = retention::plan(&repository, &settings.wanted, &settings.policy, &needed_by).await?;
        Ok((needed, plan))
    };
    let (needed, plan) = context.interruptible(looking).await?;
    let needed_by = |instance: &str, id| needed.get(&(instance.to_owned(), id)).cloned();
    if plan.instances.is_empty()
        && let Wanted::One(name) = &settings.wanted
    {
        let known = repository.instances().await?;
        if known.is_empty() || !known.contains(name) {
            return Err(Misuse::which_backup(
                "not_found",
                format!("{} has no backups of `{name}`", repository.describe()),
            )
            .hint(match known.is_empty() {
                true => "is the repository the right one?".to_owned(),
                false => format!("it has backups of {}", known.join(", ")),
            })
            .into());
        }
    }
    if !plan.is_repository {
        let text = format!("{} is no repository: it has no marker, and no backup", repository.describe());
        return Err(Failure::new("not_found", text).hint("is the repository the right one?").into());
    }
    let shown = |status| {
        Outcome::new(status)
            .field("policy", policy_json(&settings.policy, &settings.from))
            .field("dry_run", settings.dry_run)
    };
    if settings.dry_run || plan.is_empty() {
        for instance in &plan.instances {
            if let Some((_, words)) = of_others(&repository, instance).await {
                context.printer.say(&words);
            }
        }
        return Ok(shown(show::would_end(&plan)).with_all(plan_json(&plan, None)).text(show::plan(
            settings,
            &plan,
            &repository.describe(),
            context,
        )));
    }
    if !context.yes {
        context.printer.say(&show::plan(settings, &plan, &repository.describe(), context));
    }
    // A word that fits every question is typed without reading; of several instances no name is that of all.
    let question = question(&plan, &repository);
    let asked = match plan.instances.as_slice() {
        [only] => confirm_by_name(context, &question, only).await,
        _ => confirm_by_name(context, &question, "remove").await,
    };
    if let Err(error) = asked {
        return Ok(shown(Status::Ok).with_all(plan_json(&plan, None)).error(error));
    }
    let turn = match turns::take(&repository, &plan.instances, "prune", settings.turns, context).await {
        Ok(turn) => turn,
        Err(error) => return Ok(shown(Status::Ok).with_all(plan_json(&plan, None)).error(error)),
    };
    let report = remove(&plan, &repository, &needed_by, context).await;
    turn.end(&context.printer).await;
    let status = status(&report);
    let outcome = shown(status)
        .with_all(plan_json(&plan, Some(&report)))
        .field("removed", report_json(&report))
        .text(show::report(settings, &plan, &report, &repository.describe(), context));
    Ok(match failure(&report, context) {
        Some(error) => outcome.error(error),
        None => outcome,
    })
}

/// Backups without which archived stream leads nowhere, and the words for it.
pub type Needed = BTreeMap<(String, BackupId), String>;

/// What the archives of these instances cannot do without.
///
/// # Errors
/// An archive cannot be listed: then nobody knows, and nothing is removed.
pub async fn needed_by_archives(repository: &Repository, wanted: &Wanted) -> Result<Needed> {
    let instances = match wanted {
        Wanted::One(name) => vec![name.clone()],
        Wanted::These(names) => names.clone(),
        // The plan says in its own words what cannot be read.
        Wanted::All => repository.instances().await.unwrap_or_default(),
    };
    let mut needed = Needed::new();
    for instance in instances {
        if !repository.has_archive(&instance).await.unwrap_or(false) {
            continue;
        }
        let of_one = moment::needed(repository, &instance).await?;
        needed.extend(of_one.into_iter().map(|(id, what)| ((instance.clone(), id), what)));
    }
    Ok(needed)
}

/// Refuses a policy by which everything but the last backup would go.
///
/// # Errors
/// No rule keeps anything.
pub fn must_keep_something(policy: &Policy) -> Result<(), Misuse> {
    if policy.keeps_nothing() {
        return Err(Misuse::usage("no rule says which backups to keep").hint(Hint::NameRule));
    }
    Ok(())
}

/// Removes what the plan says, with progress.
pub async fn remove(
    plan: &Plan,
    repository: &Repository,
    needed_by: retention::NeededBy<'_>,
    context: &Context,
) -> Report {
    let progress = context.bar();
    let report = retention::carry_out(plan, repository, needed_by, progress.as_ref(), &context.cancel).await;
    progress.finish();
    report
}

/// Failed if the store did not remove all; a warning if files stay that are not of the backups, or if others have removed what was to stay.
pub fn status(report: &Report) -> Status {
    match () {
        () if report.is_incomplete() => Status::Failed,
        () if !report.foreign.is_empty() || !report.changed.is_empty() => Status::Warning,
        () => Status::Ok,
    }
}

/// What the report says went wrong.
pub fn failure(report: &Report, context: &Context) -> Option<Fault> {
    if !report.is_incomplete() {
        return None;
    }
    if context.cancel.is_cancelled() {
        return Some(Interrupted.into());
    }
    let (code, words, hint) = show::why_incomplete(report);
    let failure = Failure::new(code, words);
    Some(match hint {
        Some(hint) => failure.hint(hint).into(),
        None => failure.into(),
    })
}

fn question(plan: &Plan, repository: &Repository) -> String {
    let gone: Vec<_> = plan.backups.iter().filter(|backup| !backup.is_kept()).collect();
    let bytes = words::bytes(gone.iter().map(|backup| backup.bytes).sum());
    let left = plan.left.iter().filter(|left| !left.is_kept).count() as u64;
    let mut what = Vec::new();
    match gone[..] {
        [] => {}
        [only] => what.push(format!("1 backup, {}/{} ({bytes})", only.instance, only.id)),
        _ => {
            let of: std::collections::BTreeSet<&str> = gone.iter().map(|backup| backup.instance.as_str()).collect();
            let of = of.into_iter().collect::<Vec<_>>().join(", ");
            what.push(format!("{} of {of} ({bytes})", words::counted(gone.len() as u64, "backup")));
        }
    }
    if left > 0 {
        what.push(format!("what is left of {}", words::counted(left, "unfinished backup")));
    }
    let place = words::escape(repository.describe().as_bytes());
    format!("This deletes in {place} for good: {}.", what.join(", and "))
}
