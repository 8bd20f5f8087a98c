//! A walk over a repository: every backup, or a share of them, or those that were not verified for long.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value, json};

use super::answer::{Answer, findings_lines};
use super::{Level, Sample, Settings, one};
use crate::commands::instances::Only;
use crate::commands::junit::Verdict;
use crate::commands::nagios::Number;
use crate::commands::table::Table;
use crate::commands::which::Place;
use crate::commands::{Context, bars};
use crate::dataset::Backup;
use crate::explain::{Interrupted, Result, Status};
use crate::printer::words;
use crate::progress::Unit;
use crate::repository::{BackupId, Listed, ListedStatus};
use crate::storage::StorageError;
use crate::verify::walk;

/// Backups that are verified at the same time. Each takes some MiB and as many threads as there are cores.
const AT_ONCE: usize = 4;

/// Verifies the backups, a few at a time; a damaged one does not end the walk.
pub async fn run(
    settings: &Settings,
    place: &Place,
    instance: Option<&Only>,
    (sample, older_than): (Option<Sample>, Option<Duration>),
    context: &Context,
) -> Result<Answer> {
    let repository = place.open().await?;
    let mut all = Vec::new();
    let each = |listed| all.push(listed);
    let overview = repository.list_each(instance.map(|only| only.name.as_str()), |_| {}, each).await?;
    let unread: Vec<(&str, &StorageError)> = overview.unread_instances().collect();
    if all.is_empty()
        && unread.is_empty()
        && let Some(only) = instance
        && let Some(error) = only.missing(&repository).await?
    {
        return Err(error);
    }
    let published = all.iter().filter(|listed| listed.unfinished().is_none()).count() as u64;
    let older_than = older_than.map(|age| TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX));
    let due = walk::due(&all, settings.level, sample, older_than, context.now);

    // The age is a question to the newest good backup of each instance, not to each backup.
    let one_settings = Settings { max_age: None, census: false, ..settings.clone() };
    let mut answer = Answer::new(Status::Ok, "");
    answer.repository = Some(repository.describe());
    let mut table = Table::new(&["backup", "answer", "what"]);
    let mut backups: Vec<Map<String, Value>> = Vec::with_capacity(due.len());
    let mut counts = BTreeMap::<Status, u64>::new();
    let mut bad = Vec::new();
    // A drill takes the memory of a whole server: one after the other.
    let at_once = if settings.level == Level::Drill { 1 } else { AT_ONCE.min(due.len().max(1)) };
    let progress = context.bar();
    let mut inner = context.clone();
    if at_once > 1 {
        // Several bars at once would draw over each other.
        inner.progress = bars::Mode::None;
        progress.phase("verifying", Unit::Backups, Some(due.len() as u64));
    }
    let (one_settings, inner, stored_in) = (&one_settings, &inner, &repository);
    let verified = stream::iter(due.iter().copied()).map(|listed| async move {
        let found = match listed.manifest() {
            Some(manifest) => {
                let backup = Backup::new(stored_in, manifest.clone());
                Some(one::stored(one_settings, &backup, inner).await)
            }
            None => None,
        };
        (listed, found)
    });
    let mut verified = verified.buffered(at_once);
    while let Some((listed, found)) = verified.next().await {
        if at_once > 1 {
            progress.advance(1);
        }
        let name = format!("{}/{}", listed.instance, listed.id);
        let (status, sentence, mut entry, details) = match found {
            Some(found) => match found {
                Ok((one, report)) => (one.status, one.sentence, one.fields, findings_lines(&report.findings)),
                Err(_) if context.cancel.is_cancelled() => {
                    progress.finish();
                    return Err(Interrupted.into());
                }
                // One that cannot be read does not keep the others from being looked at.
                Err(error) => (Status::Unknown, format!("{error:#}"), named(listed), String::new()),
            },
            None => (without_manifest(listed), unreadable(listed), named(listed), String::new()),
        };
        entry.insert("status".to_owned(), json!(status));
        entry.insert("summary".to_owned(), sentence.clone().into());
        if status > Status::Warning {
            bad.push((listed.instance.clone(), listed.id));
        }
        // Its name stands at the beginning of the line already.
        let what = match status {
            Status::Ok => "good",
            _ => sentence.strip_prefix(&format!("{name} ")).unwrap_or(&sentence),
        };
        table.row([words::escape(name.as_bytes()), word(status).to_owned(), words::escape(what.as_bytes())]);
        answer.case(&listed.instance, format!("{} {}", listed.id, settings.level.name()), status, &sentence, details);
        *counts.entry(status).or_default() += 1;
        backups.push(entry);
        answer.status = answer.status.and(status);
    }
    progress.finish();
    too_old(settings, &all, &bad, &mut answer, &mut table, context);
    if !table.is_empty() {
        answer.text.push(table.render(&context.printer));
    }
    for (name, error) in &unread {
        answer.status = answer.status.and(Status::Unknown);
        let sentence = format!("the folder of {name} cannot be read: {error}");
        answer.text.push(context.printer.folded(&words::escape(sentence.as_bytes())));
        answer.case(name, "folder", Status::Unknown, &sentence, String::new());
    }
    if published == 0 {
        // Nothing checked is not good.
        answer.status = answer.status.and(Status::Unknown);
    }
    let count = |status| counts.get(&status).copied().unwrap_or(0);
    // Nobody has looked at what they hold.
    let unreadable_ones =
        due.iter().filter(|listed| matches!(listed.status, ListedStatus::Unreadable(_))).count() as u64;
    answer.sentence = if published == 0 && !unread.is_empty() {
        format!("nothing was checked: no folder of an instance can be read in {}", repository.describe())
    } else if published == 0 {
        format!("nothing was checked: there is no backup in {}", repository.describe())
    } else if due.is_empty() {
        format!("nothing was due: {} in {}", words::counted(published, "backup"), repository.describe())
    } else {
        let mut parts = vec![format!(
            "{} of {} verified at level {}",
            words::count(due.len() as u64),
            words::counted(published, "backup"),
            settings.level.name()
        )];
        for (number, text) in [
            (count(Status::Ok), "good"),
            (count(Status::Warning), "with warnings"),
            (count(Status::Failed) - unreadable_ones, "damaged"),
            (unreadable_ones, "with an unreadable manifest"),
            (count(Status::Unknown), "could not tell"),
        ] {
            if number > 0 {
                parts.push(format!("{} {text}", words::count(number)));
            }
        }
        parts.join(", ")
    };
    let left = all.iter().filter(|listed| is_left(listed)).count() as u64;
    if left > 0 {
        let (has, word) = if left == 1 { ("has", "it") } else { ("have", "them") };
        let left = words::counted(left, "backup");
        answer.sentence.push_str(&format!("; {left} {has} no manifest: `redis-ops list` shows {word}"));
    }
    if published > 0 && !unread.is_empty() {
        let names: Vec<&str> = unread.iter().map(|(name, _)| *name).collect();
        answer.sentence.push_str(&format!("; not looked at, because the folder cannot be read: {}", names.join(", ")));
    }
    if let Some(case) = answer.cases.iter().find(|case| case.name == AGE && case.verdict == Verdict::Failed) {
        answer.sentence.push_str(&format!("; {}", case.sentence));
    }
    answer.field("level", settings.level);
    answer.field(
        "checked",
        json!({"backups": due.len(), "of": published, "damaged": count(Status::Failed), "unreadable": unreadable_ones, "left": left}),
    );
    answer.field("backups", backups);
    let damaged = Number::count("damaged", count(Status::Failed), "").critical(0.0);
    answer.numbers.extend([Number::count("checked", due.len() as u64, ""), damaged]);
    Ok(answer)
}

/// Whether it is what is left of a backup: its manifest was never written, or is gone.
fn is_left(listed: &Listed) -> bool {
    matches!(&listed.status, ListedStatus::Left(left) if !left.is_foreign())
}

fn named(listed: &Listed) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("backup_id".to_owned(), listed.id.to_string().into());
    object.insert("instance".to_owned(), listed.instance.clone().into());
    object
}

/// What may not be read, was moved to an archive, or was written by a newer program may well be good: that is no damage.
fn without_manifest(listed: &Listed) -> Status {
    match listed.status {
        ListedStatus::Archived(_) | ListedStatus::AccessDenied(_) | ListedStatus::Newer(_) => Status::Unknown,
        _ => Status::Failed,
    }
}

fn unreadable(listed: &Listed) -> String {
    match &listed.status {
        ListedStatus::Unreadable(reason) => {
            format!("{}/{} has no usable manifest: {reason}", listed.instance, listed.id)
        }
        ListedStatus::Newer(reason) => format!("{}/{}: could not tell: {reason}", listed.instance, listed.id),
        ListedStatus::Archived(reason) => format!("{}/{} is archived: {reason}", listed.instance, listed.id),
        ListedStatus::AccessDenied(reason) => {
            format!("no permission to read {}/{}: {reason}", listed.instance, listed.id)
        }
        _ => format!("{}/{} was never finished", listed.instance, listed.id),
    }
}

/// Name of the question how old the newest backup is.
const AGE: &str = "age";

/// Of each instance the newest backup that was not found bad must be young enough.
fn too_old(
    settings: &Settings,
    all: &[Listed],
    bad: &[(String, BackupId)],
    answer: &mut Answer,
    table: &mut Table,
    context: &Context,
) {
    let Some(limit) = settings.max_age else { return };
    let mut newest = BTreeMap::<&str, Option<Duration>>::new();
    for listed in all {
        let youngest = newest.entry(&listed.instance).or_default();
        let Some(manifest) = listed.manifest() else { continue };
        // How old one of the future is nobody knows.
        if !manifest.purpose.is_of_its_time()
            || listed.id.is_ahead(context.now)
            || bad.contains(&(listed.instance.clone(), listed.id))
        {
            continue;
        }
        let age = one::age(manifest, context.now);
        *youngest = Some(youngest.map_or(age, |other: Duration| other.min(age)));
    }
    let mut ages = Vec::new();
    for (instance, age) in newest {
        let is_old = age.is_none_or(|age| age > limit);
        let status = if is_old { Status::Failed } else { Status::Ok };
        let sentence = match age {
            Some(age) => format!("the newest good backup of {instance} is {} old", words::span(age)),
            None => format!("{instance} has no good backup"),
        };
        if is_old {
            table.row([words::escape(instance.as_bytes()), word(status).to_owned(), sentence.clone()]);
        }
        answer.case(instance, AGE, status, &sentence, String::new());
        answer.status = answer.status.and(status);
        ages.push(
            json!({"instance": instance, "newest_good_age_seconds": age.map(|age| age.as_secs()), "status": status}),
        );
    }
    answer.field("ages", ages);
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Warning => "warning",
        Status::Failed => "failed",
        Status::Unknown => "unknown",
    }
}
