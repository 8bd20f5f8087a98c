//! Copies of a backup in other repositories, made from the first when it is published: a slow store never holds up the server.

use serde_json::{Value, json};

use super::super::table::verdict;
use super::super::which::Place;
use super::super::{Context, Outcome};
use super::Settings;
use crate::explain::{Context as _, Result, Status};
use crate::operations::{Copied, copy};
use crate::printer::words;
use crate::repository::{BackupId, BegunBy};

/// What a store answers that cannot keep a backup now; another one may.
const OF_STORES: &[&str] =
    &["storage_unavailable", "access_denied", "no_such_bucket", "not_a_store", "no_space", "not_encrypted", "archived"];

/// Why a backup was not taken, if that is the fault of its store, in one line.
pub(super) fn fault_of_store(taken: &Result<Outcome>) -> Option<String> {
    let fault = match taken {
        Ok(outcome) => outcome.error.as_ref()?,
        Err(fault) => fault,
    };
    OF_STORES.contains(&fault.meaning().code).then(|| format!("{fault:#}"))
}

/// Copies a backup that was taken into the other repositories; each that fails is a warning, and named. `failed`: those that were to take
/// the backup, and could not.
pub(super) async fn after(
    taken: Result<Outcome>,
    place: &Place,
    others: &[&Place],
    failed: Vec<(String, String)>,
    settings: &Settings,
    context: &Context,
) -> Result<Outcome> {
    let outcome = taken?;
    let published = outcome.fields.get("backup").and_then(|backup| {
        let id: BackupId = backup.get("id")?.as_str()?.parse().ok()?;
        Some((backup.get("instance")?.as_str()?.to_owned(), id))
    });
    // Nothing was taken: it was a plan, or not due.
    let Some((instance, id)) = published else {
        let names: Vec<String> = others.iter().map(|other| other.location.to_string()).collect();
        return Ok(match settings.plan && outcome.error.is_none() {
            true => outcome.field("copies_to", names),
            false => outcome,
        });
    };
    let mut rows: Vec<Value> = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    let mut missing: Vec<String> = Vec::new();
    for (location, why) in failed {
        lines.push(format!("not in {location}: {why}"));
        rows.push(json!({"repository": location, "status": "failed", "reason": why}));
        missing.push(location);
    }
    for other in others {
        let location = other.location.to_string();
        match one(place, other, &instance, id, context).await {
            Ok(copied) => {
                lines.push(format!("copied to {location} ({})", words::bytes(copied.bytes)));
                rows.push(json!({"repository": location, "status": "copied", "bytes": copied.bytes}));
            }
            Err(error) => {
                let why = format!("{error:#}");
                lines.push(format!("not copied to {location}: {why}"));
                rows.push(json!({"repository": location, "status": "failed", "reason": why}));
                missing.push(location);
            }
        }
    }
    let lines: String = lines.iter().map(|line| context.printer.folded(&words::escape_lines(line)) + "\n").collect();
    let outcome = outcome.field("copies", rows).above(&lines);
    if missing.is_empty() {
        return Ok(outcome);
    }
    let from = &place.location;
    let sentence = format!(
        "{instance}/{id} is not in {}: `redis-ops copy {instance}/{id} -r {from} --to {}` copies it later",
        missing.join(" and "),
        missing[0]
    );
    let text = format!(
        "{}\n{}",
        outcome.text,
        verdict(&context.printer, Status::Warning, &words::escape(sentence.as_bytes()))
    );
    let status = outcome.status.and(Status::Warning);
    Ok(Outcome { status, ..outcome.text(text) })
}

async fn one(from: &Place, to: &Place, instance: &str, id: BackupId, context: &Context) -> Result<Copied> {
    let (from, to) = (from.open().await?, to.open().await.context("cannot open the repository")?);
    let progress = context.bar();
    let copied = copy(&from, &to, (instance, id), BegunBy::own(), progress.as_ref(), &context.cancel).await;
    progress.finish();
    Ok(copied?)
}
