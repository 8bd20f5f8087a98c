//! A backup, or a file, held against a living server or against another backup.

mod verdict;
mod which_backup;

use serde_json::json;

use verdict::{Sides, judge, unfit};

pub use verdict::to_json;

use super::answer::Answer;
use super::{Comparison, Other, Settings, one};
use crate::capture::slots;
use crate::capture::source::{self, Chosen, ReadFrom};
use crate::census::{Glob, Selection};
use crate::commands::Context;
use crate::commands::which::{self, Backup, Place};
use crate::dataset::Dataset;
use crate::explain::{Bug, Context as _, Failure, Fault, Hint, Interrupted, Misuse, Result, Status};
use crate::introspection::Mode;
use crate::printer::words;
use crate::repository::manifest::{self, Manifest};
use crate::verify::against;
use crate::verify::comparing::{self, CompareError};
use crate::verify::of_server::{self, ALL_SLOTS, shard_of};
use crate::verify::view::View;

pub async fn run(settings: &Settings, backup: &Backup, comparison: &Comparison, context: &Context) -> Result<Answer> {
    let server = match &comparison.with {
        Other::Server { server, last_restored } => Some((server.as_ref(), *last_restored)),
        Other::Backup { .. } => None,
    };
    // Who cannot be reached need not be compared with anything.
    let chosen = match server {
        Some((server, _)) => Some(
            source::choose(&server.node, ReadFrom::Itself)
                .await
                .with_context(|| format!("cannot compare with {}", server.node))?,
        ),
        None => None,
    };
    let mut why = None;
    let left = match backup {
        Backup::File(_) => which::open(backup, context).await?,
        Backup::Stored { place, id, instance } => {
            let repository = place.open().await?;
            let manifest = match (server, &chosen) {
                (Some((server, true)), Some(chosen)) => {
                    let found = which_backup::choose(&repository, server, &chosen.facts.run_id, context).await?;
                    why = Some(found.to_json());
                    found.manifest
                }
                _ => which::load(&repository, id, instance.as_deref(), context).await?,
            };
            Dataset::backup(&repository, manifest)
        }
    };

    if let Other::Backup { place, id } = &comparison.with {
        not_with_itself(&left, place, id).await?;
    }
    must_have_no_tails(&left)?;
    // A backup that is damaged proves nothing, and the server need not be asked.
    let mut answer = match &left {
        Dataset::Backup(backup) => {
            let (answer, _) = one::stored(settings, backup, context).await?;
            if answer.status == Status::Failed {
                return Ok(answer);
            }
            answer
        }
        Dataset::File(_) | Dataset::Pipe(_) => {
            let mut answer = Answer::new(Status::Ok, "");
            answer.field("file", left.name());
            answer
        }
    };

    if let Some(why) = why {
        answer.field("chosen", why);
    }
    let selection = Selection {
        keys: comparison.keys.iter().map(Glob::new).collect(),
        databases: comparison.database.map(u64::from).into_iter().collect(),
        ..Selection::default()
    };
    let view = View::of(selection);
    let options = comparing::Options {
        memory_limit: settings.memory.unwrap_or(comparing::MEMORY_LIMIT),
        folder: settings.temporary.clone(),
        examples: usize::try_from(comparison.limit).unwrap_or(usize::MAX),
        ttl_tolerance: comparison.ttl_tolerance,
        functions: view.is_everything(),
    };
    let part = match (left.manifest(), &chosen) {
        (Some(manifest), Some(chosen)) => part_of_cluster(manifest, chosen).await?,
        _ => None,
    };
    let progress = context.bar();
    let (what, sides, compared) = match (&comparison.with, chosen) {
        (Other::Server { server, .. }, Some(chosen)) => {
            let what = format!("{} against {}", server.node, left.name());
            context.printer.say(&format!("comparing {what}"));
            let watched =
                of_server::Watched { progress: progress.as_ref(), voice: &context.printer, cancel: &context.cancel };
            let compared = of_server::compare(&left, &chosen, (&view, &view), &options, &watched).await;
            let kind = if left.manifest().is_some() { "the backup" } else { "the file" };
            (what, Sides { left: kind.to_owned(), right: "the instance".to_owned() }, compared)
        }
        (Other::Backup { place, id }, _) => {
            let other = place.open().await?;
            let instance = left.manifest().map(|manifest| manifest.instance.as_str());
            let manifest = which::load(&other, id, instance, context).await?;
            answer.field("against", json!({"backup_id": manifest.id, "instance": manifest.instance}));
            let right = Dataset::backup(&other, manifest);
            must_have_no_tails(&right)?;
            let compared = against::compare(&left, &right, &view, &options, progress.as_ref(), &context.cancel).await;
            let sides = Sides { left: left.name(), right: right.name() };
            (format!("{} against {}", right.name(), left.name()), sides, compared.map(|compared| (compared, false)))
        }
        _ => return Err(Bug("nothing to compare with".to_owned()).into()),
    };
    progress.finish();
    let class = left.manifest().map_or("file", |manifest| &manifest.instance).to_owned();
    match compared {
        Ok((compared, is_fuzzy)) => {
            judge(&mut answer, &class, (&what, &sides), (&compared, is_fuzzy), comparison, context);
            if let Some(part) = part {
                answer.status = answer.status.and(Status::Warning);
                answer.sentence.push_str(&format!("; the backup holds {part}"));
            }
        }
        Err(error) if error.is_interrupted() => return Err(Interrupted.into()),
        Err(CompareError::AtRest(error)) => unfit(&mut answer, &class, &what, error, context)?,
        Err(error) => return Err(Fault::from(error).context(format!("cannot compare {what}"))),
    }
    Ok(answer)
}

/// Refuses to compare a backup with itself: they are equal whatever is in it. A repository is one, whichever way it is named.
async fn not_with_itself(left: &Dataset, place: &Place, id: &str) -> Result<()> {
    let Dataset::Backup(backup) = left else { return Ok(()) };
    let other = place.open().await?;
    if other.describe() != backup.repository.describe() {
        return Ok(());
    }
    let (instance, own) = (backup.manifest.instance.as_str(), backup.manifest.id);
    let found = other.resolve(id, Some(instance)).await?;
    if (found.instance.as_str(), found.id) == (instance, own) {
        let text = format!("the backup {instance}/{own} would be compared with itself");
        return Err(Misuse::usage(text).hint(Hint::ListBackups).into());
    }
    Ok(())
}

/// Refuses a backup whose RDBs are not yet the data that it stands for: a restore applies their streams, and stores what comes of it.
fn must_have_no_tails(data: &Dataset) -> Result<()> {
    match data.manifest().and_then(Manifest::tail_bytes) {
        Some(_) => {
            let text = format!(
                "{} cannot be compared: its shards are at one moment only after a restore has applied their replication streams",
                data.name()
            );
            Err(Failure::new("has_tails", text).hint(Hint::CompareApplied).into())
        }
        None => Ok(()),
    }
}

/// In words: which part of a cluster a backup holds. `None`: all of it, or it is of no cluster.
async fn part_of_cluster(manifest: &Manifest, chosen: &Chosen) -> Result<Option<String>> {
    if manifest.server.mode != manifest::Mode::Cluster || manifest.shards.len() > 1 {
        return Ok(None);
    }
    match shard_of(manifest) {
        Some(ALL_SLOTS) => Ok(None),
        Some(slots) => Ok(Some(format!("one shard of a cluster only (slots {slots})"))),
        // An earlier version took one node, whatever it served: as much as the node that is compared, if that is one of a cluster.
        None if chosen.facts.mode == Mode::Cluster => {
            let slots = slots::slots_of(&mut chosen.node.connect().await?).await?;
            let part =
                format!("one node of a cluster only, which serves {} of 16,384 slots", words::count(slots.count()));
            Ok((!slots.is_all()).then_some(part))
        }
        None => Ok(Some("one node of a cluster; how many slots it served was not recorded".to_owned())),
    }
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
