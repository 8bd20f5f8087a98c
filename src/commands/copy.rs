//! `redis-ops copy`: backups from one repository into another.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::instances::Only;
use super::table::verdict;
use super::turns;
use super::which::Place;
use super::{Context, Outcome};
use crate::explain::{Fault, Misuse, Result, Status};
use crate::operations::{Copied, CopyError, Turns, copy};
use crate::printer::words;
use crate::repository::{BackupId, BegunBy, Repository};

/// Complete settings of `copy`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the backups are.
    pub place: Place,
    /// Where they are to be.
    pub to: Place,
    /// Exact ids, the unique beginnings of some, `latest`, or `INSTANCE/ID`; empty: all that the other repository lacks.
    pub ids: Vec<String>,
    /// The instance that is meant if an id exists for several, or whose backups are copied.
    pub instance: Option<Only>,
    /// Says what would be copied, and copies nothing.
    pub dry_run: bool,
    /// How it gets along with other runs on the same instances, in the repository that is written to.
    pub turns: Turns,
}

/// One backup, and what became of it.
struct Done {
    instance: String,
    id: BackupId,
    result: Result<Copied, CopyError>,
}

/// Copies, one backup after the other. What fails does not stop those behind it, unless a signal came.
///
/// # Errors
/// Both are one repository; there is no such backup; one of the two cannot be asked; another run has the lock.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    if settings.place.location.is_same(&settings.to.location) {
        let text = format!("{} is where the backups are already", settings.to.location);
        return Err(Misuse::usage(text).hint("name another repository to copy to").into());
    }
    let (from, to) = (settings.place.open().await?, settings.to.open().await?);
    let wanted = context.interruptible(wanted(settings, &from, context)).await?;
    let places = |outcome: Outcome| outcome.field("from", from.describe()).field("to", to.describe());
    if settings.dry_run {
        let there = context.interruptible(async { Ok(to.published().await?) }).await?;
        let (have, lack): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|backup| there.contains(backup));
        let line = |(instance, id): &(String, BackupId)| format!("would copy {instance}/{id}\n");
        let text: String = lack.iter().map(line).collect();
        let sentence = format!(
            "{} would be copied to {}; {} there already",
            words::counted(lack.len() as u64, "backup"),
            to.describe(),
            words::count(have.len() as u64)
        );
        let row = |status: &'static str| move |(instance, id): &(String, BackupId)| json!({"instance": instance, "id": id.to_string(), "status": status});
        let rows: Vec<Value> = lack.iter().map(row("would_copy")).chain(have.iter().map(row("present"))).collect();
        let outcome = places(Outcome::new(Status::Ok)).field("backups", rows);
        return Ok(outcome.text(words::escape_lines(&text) + &verdict(&context.printer, Status::Ok, &sentence)));
    }
    let instances: BTreeSet<String> = wanted.iter().map(|(instance, _)| instance.clone()).collect();
    let instances: Vec<String> = instances.into_iter().collect();
    let turn = turns::take(&to, &instances, "copy", settings.turns, context).await?;
    let by = BegunBy::own();
    let progress = context.bar();
    let mut done: Vec<Done> = Vec::new();
    for (instance, id) in wanted {
        let result = copy(&from, &to, (&instance, id), by.clone(), progress.as_ref(), &context.cancel).await;
        if let Ok(copied) = &result {
            let what = if copied.was_there { "is there already" } else { "is copied" };
            let size = words::bytes(copied.bytes);
            progress.note(&words::escape_lines(&format!("{instance}/{id} {what} ({size})")));
        }
        let is_interrupted = matches!(&result, Err(error) if error.is_interrupted());
        done.push(Done { instance, id, result });
        if is_interrupted {
            break;
        }
    }
    progress.finish();
    turn.end(&context.printer).await;
    Ok(places(ended(done, &to, context)))
}

/// The backups that are to be copied, oldest first: a copy that is broken off has the older ones.
async fn wanted(settings: &Settings, from: &Repository, context: &Context) -> Result<Vec<(String, BackupId)>> {
    let instance = settings.instance.as_ref();
    let mut wanted = BTreeSet::new();
    for id in &settings.ids {
        super::delete::must_name_one(id, instance.map(|only| only.name.as_str()))?;
        let found = from.resolve(id, instance.map(|only| only.name.as_str())).await?;
        if found.chosen_by_target {
            context
                .printer
                .say(&format!("several instances have a backup {id}: using {}/{}", found.instance, found.id));
        }
        wanted.insert((found.id, found.instance));
    }
    if settings.ids.is_empty() {
        let is_meant = |name: &str| instance.is_none_or(|only| only.name == name);
        let published = from.published().await?.into_iter().filter(|(name, _)| is_meant(name));
        wanted.extend(published.map(|(name, id)| (id, name)));
    }
    if wanted.is_empty() {
        if let Some(only) = instance
            && let Some(error) = only.missing(from).await?
        {
            let misuse = Misuse::which_backup("not_found", error.to_string());
            return Err(match error.meaning().hint {
                Some(hint) => misuse.hint(hint).into(),
                None => misuse.into(),
            });
        }
        return Err(
            Misuse::which_backup("not_found", format!("there is no backup to copy in {}", from.describe())).into()
        );
    }
    Ok(wanted.into_iter().map(|(id, name)| (name, id)).collect())
}

/// What was copied, and what was not.
fn ended(done: Vec<Done>, to: &Repository, context: &Context) -> Outcome {
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    let (mut copied, mut present, mut bytes) = (0_u64, 0_u64, 0_u64);
    let mut failed: Vec<(String, CopyError)> = Vec::new();
    let total = done.len() as u64;
    for Done { instance, id, result } in done {
        let name = format!("{instance}/{id}");
        let row = |status: &str, bytes: Option<u64>, reason: Option<String>| json!({"instance": instance, "id": id.to_string(), "status": status, "bytes": bytes, "reason": reason});
        match result {
            Ok(one) if one.was_there => {
                present += 1;
                rows.push(row("present", Some(one.bytes), None));
            }
            Ok(one) => {
                (copied, bytes) = (copied + 1, bytes + one.bytes);
                rows.push(row("copied", Some(one.bytes), None));
            }
            Err(error) => {
                rows.push(row("failed", None, Some(error.in_one_line())));
                failed.push((name, error));
            }
        }
    }
    // The first is the answer; the others stand above it.
    lines.extend(failed.iter().skip(1).map(|(name, error)| format!("not copied: {name}: {}", error.in_one_line())));
    let mut sentence =
        format!("{} copied to {}: {}", words::counted(copied, "backup"), to.describe(), words::bytes(bytes));
    if present > 0 {
        sentence.push_str(&format!("; {} there already", words::count(present)));
    }
    let outcome = Outcome::new(Status::Ok).field("backups", rows);
    let n_failed = failed.len() as u64;
    let mut text =
        lines.iter().map(|line| context.printer.folded(&words::escape_lines(line)) + "\n").collect::<String>();
    let Some((name, error)) = failed.into_iter().next() else {
        return outcome.text(verdict(&context.printer, Status::Ok, &words::escape(sentence.as_bytes())));
    };
    if total > 1 {
        sentence.push_str(&format!("; {} not copied", words::count(n_failed)));
        text.push_str(&verdict(&context.printer, Status::Failed, &words::escape(sentence.as_bytes())));
    }
    let interrupted = error.is_interrupted();
    let fault: Fault = error.into();
    let fault = if interrupted { fault } else { fault.context(format!("cannot copy {name}")) };
    Outcome { status: Status::Failed, ..outcome.text(text) }.error(fault)
}
