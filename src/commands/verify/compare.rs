//! A backup, or a file, held against a living server or against another backup.

mod verdict;

use serde_json::json;

use verdict::{judge, unfit};

pub use verdict::to_json;

use super::answer::Answer;
use super::{Comparison, Other, Settings, one};
use crate::capture::slots;
use crate::capture::source::{self, Chosen, ReadFrom};
use crate::census::{Glob, Selection};
use crate::commands::Context;
use crate::commands::which::{self, Backup, Server};
use crate::dataset::Dataset;
use crate::explain::{Bug, Context as _, Fault, Interrupted, Result, Status};
use crate::introspection::Mode;
use crate::printer::words;
use crate::repository::manifest::{self, Manifest};
use crate::repository::{Repository, RepositoryError};
use crate::verify::comparing::{self, CompareError, View};
use crate::verify::of_server::{self, ALL_SLOTS, shard_of};
use crate::verify::{against, receipt};

pub async fn run(settings: &Settings, backup: &Backup, comparison: &Comparison, context: &Context) -> Result<Answer> {
    let server = match &comparison.with {
        Other::Server { server, last_restored } => Some((server.as_ref(), *last_restored)),
        Other::Backup { .. } => None,
    };
    // Who cannot be reached need not be compared with anything.
    let chosen = match server {
        Some((server, _)) => Some(
            source::choose(&server.node, ReadFrom::Itself).await.with_context(|| format!("look at {}", server.node))?,
        ),
        None => None,
    };
    let left = match backup {
        Backup::File(_) => which::open(backup, context).await?,
        Backup::Stored { place, id, instance } => {
            let repository = place.open().await?;
            let last = match (server, &chosen) {
                (Some((server, true)), Some(chosen)) => {
                    last_restored(&repository, server, &chosen.facts.run_id, context).await?
                }
                _ => None,
            };
            let manifest = match last {
                Some(manifest) => manifest,
                None => {
                    of_instance(&repository, id, instance.as_deref(), server.is_some_and(|(_, any)| any), context)
                        .await?
                }
            };
            Dataset::backup(&repository, manifest)
        }
    };

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
    let (what, compared) = match (&comparison.with, chosen) {
        (Other::Server { server, .. }, Some(chosen)) => {
            let what = format!("{} against {}", server.node, left.name());
            context.printer.say(&format!("comparing {what}"));
            let watched =
                of_server::Watched { progress: progress.as_ref(), voice: &context.printer, cancel: &context.cancel };
            let compared = of_server::compare(&left, &chosen, (&view, &view), &options, &watched).await;
            (what, compared)
        }
        (Other::Backup { place, id }, _) => {
            let other = place.open().await?;
            let instance = left.manifest().map(|manifest| manifest.instance.as_str());
            let manifest = which::load(&other, id, instance, context).await?;
            answer.field("against", json!({"backup_id": manifest.id, "instance": manifest.instance}));
            let right = Dataset::backup(&other, manifest);
            let compared = against::compare(&left, &right, &view, &options, progress.as_ref(), &context.cancel).await;
            (format!("{} against {}", right.name(), left.name()), compared.map(|compared| (compared, false)))
        }
        _ => return Err(Bug("nothing to compare with".to_owned()).into()),
    };
    progress.finish();
    let class = left.manifest().map_or("file", |manifest| &manifest.instance).to_owned();
    match compared {
        Ok((compared, is_fuzzy)) => {
            judge(&mut answer, &class, &what, (&compared, is_fuzzy), comparison, context);
            if let Some(part) = part {
                answer.status = answer.status.and(Status::Warning);
                answer.sentence.push_str(&format!("; the backup holds {part}"));
            }
        }
        Err(error) if error.is_interrupted() => return Err(Interrupted.into()),
        Err(CompareError::AtRest(error)) => unfit(&mut answer, &class, &what, error, context)?,
        Err(error) => return Err(Fault::from(error).context(format!("compare {what}"))),
    }
    Ok(answer)
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

/// The backup that was restored into this server last, and says so.
async fn last_restored(
    repository: &Repository,
    server: &Server,
    run_id: &str,
    context: &Context,
) -> Result<Option<Manifest>> {
    let target = receipt::Target { instance: server.instance.clone(), run_id: run_id.to_owned() };
    let Some((listed, time)) = receipt::last_restored(repository, &target).await? else { return Ok(None) };
    context.printer.say(&format!(
        "backup {}/{}: it was restored into {} at {}",
        listed.instance,
        listed.id,
        server.node,
        time.format("%Y-%m-%d %H:%M:%S UTC")
    ));
    Ok(listed.manifest().cloned())
}

/// The backup that was typed. Without one the latest of this very instance, not of another that happens to be the only one.
async fn of_instance(
    repository: &Repository,
    id: &str,
    instance: Option<&str>,
    nothing_named: bool,
    context: &Context,
) -> Result<Manifest> {
    if !nothing_named {
        return which::load(repository, id, instance, context).await;
    }
    let own = match instance {
        Some(instance) => which::load(repository, &format!("{instance}/{id}"), None, context).await,
        None => which::load(repository, id, None, context).await,
    };
    let manifest = match own {
        Err(error) if matches!(error.downcast_ref(), Some(RepositoryError::NotFound(_))) => {
            which::load(repository, id, instance, context).await?
        }
        own => own?,
    };
    context.printer.say(&format!("backup {}/{}: the latest", manifest.instance, manifest.id));
    Ok(manifest)
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
