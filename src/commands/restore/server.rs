//! A restore into a running server: shows the plan, asks, and shows what became of it.

use std::sync::{Arc, OnceLock};

use super::sides::Sides;
use super::{Instance, SafetyBackup, Settings, proof, show};
use crate::census::Selection;
use crate::commands::question::confirm_by_name;
use crate::commands::which;
use crate::commands::{Context, Outcome};
use crate::dataset::Dataset;
use crate::explain::{Fault, Result, Status};
use crate::operations::{self, Agreed, Ended, Safety, SafetyTaken};
use crate::printer::words;
use crate::progress::Progress;
use crate::restore::alone::AloneError;
use crate::restore::carry_out::NotLoaded;
use crate::restore::plan::{NOTHING_CHOSEN, NOTHING_TO_RESUME};
use crate::restore::replica::LeftBehind;
use crate::restore::{self, Admission, Existing, Method, Planned, Request, RunError, Watcher};

/// Restores into a running server.
pub async fn run(settings: &Settings, instance: &Instance, context: &Context) -> Result<Outcome> {
    let source = which::open(&settings.backup, context).await?;
    let progress: Arc<dyn Progress> = Arc::from(context.bar());
    let watcher = Watcher { progress: &progress, voice: &context.printer, cancel: &context.cancel };
    let (mut sides, safety) = (Sides::of(&source, &instance.server, context.now), OnceLock::new());
    let ended = restore(settings, instance, context, source, &watcher, (&mut sides, &safety)).await;
    progress.finish();
    Ok(sides.around(ended, &safety))
}

async fn restore(
    settings: &Settings,
    instance: &Instance,
    context: &Context,
    source: Dataset,
    watcher: &Watcher<'_>,
    (sides, safety): (&mut Sides, &OnceLock<SafetyTaken>),
) -> Result<Outcome> {
    let id = source.id();
    let mut planned = match restore::plan(request(settings, instance, source), watcher).await {
        Ok(planned) => planned,
        // The target belongs to another restore, one that is at work or one that was interrupted.
        Err(error) if error.is::<AloneError>() || error.is::<LeftBehind>() => {
            let error = sides.not_done(error);
            return Ok(Outcome::new(Status::Failed).field("backup_id", id).field("result", ()).error(error));
        }
        Err(error) => return Err(error),
    };
    let plan = &planned.plan;
    sides.planned(plan);
    let in_json = show::hidden(plan, context);
    let outcome = |status| Outcome::new(status).field("backup_id", id).field("plan", in_json.clone());
    let not_done = |error| Ok(outcome(Status::Failed).field("result", ()).error(sides.not_done(error)));
    let foreseen = plan.foreseen();
    let table = show::plan(plan, sides, foreseen, context.keys, &context.printer);
    if settings.plan {
        let refused = plan.refusal().map(|line| show::with_names(line.into(), context));
        let outcome = outcome(foreseen).text(table);
        return Ok(match refused {
            Some(refused) => outcome.error(sides.not_done(refused.into())),
            None => show::with_warnings(&planned.request.source, outcome, context),
        });
    }
    let warns = plan.warns();
    let method = match planned.admit(watcher).await? {
        Admission::By(method) => method,
        Admission::Refused(refused) if refused.code == NOTHING_CHOSEN => {
            return Ok(outcome(foreseen).field("result", ()).error(sides.not_done(refused.into())));
        }
        // What the target holds may be all that a run has left that was killed.
        Admission::Refused(refused) if refused.code == "target_not_empty" || planned.interrupted.is_some() => {
            let error = Fault::from(show::with_names(refused, context));
            return not_done(planned.and_anew(error));
        }
        Admission::Refused(refused) if refused.code == NOTHING_TO_RESUME => {
            let error = planned.nothing_to_resume.take().map_or_else(|| refused.into(), Fault::from);
            // It names both sides already.
            return Err(planned.not_begun(error));
        }
        Admission::Refused(refused) => return not_done(show::with_names(refused, context).into()),
        Admission::NothingToResume => {
            return not_done(planned.and_anew(RunError::NothingToResume.into()));
        }
    };
    if warns {
        context.printer.say(&table);
    }
    planned.must_be_as_stored(watcher).await?;
    if planned.overwrites() {
        watcher.progress.pause();
        confirm_by_name(context, &question(&planned, sides, &instance.safety), &instance.server.node.name).await?;
        // With `--yes` nothing was said about it.
        if !context.yes {
            planned.must_be_as_asked().await?;
        }
    }

    let ended = match carry_out(&planned, method, instance, context, watcher, safety).await {
        // Nothing was written, and the plan says why no other method will do.
        Err(error) if error.is::<NotLoaded>() => return not_done(error),
        ended => ended?,
    };
    let others_wrote = ended.others_wrote();
    let Ended { mut report, proof, phases } = ended;
    let mut text = show::report(&report, sides, instance.proof, context);
    let failure = report.failure(&planned.request);
    if failure.is_none() && report.tally.written_meanwhile > 0 {
        let (keys, line) = (words::counted(report.tally.written_meanwhile, "key"), planned.request.anew(true));
        text.push_str(&format!("\nsomebody else has written {keys} meanwhile: `{line}` writes over them"));
    }
    // What was seen while the target was read back is no part of the table above.
    report.others_wrote = others_wrote;
    let mut status = report.status();
    let libraries_stay =
        report.tally.functions.skipped > 0 && planned.request.options.choices.selection.is_everything();
    if planned.plan.is_doubted() || planned.plan.lacks() || libraries_stay {
        status = status.and(Status::Warning);
    }
    if let Some(proof) = &proof {
        status = status.and(proof.status());
        text.push_str(&format!("\n{}", proof::line(proof, context)));
    }
    let outcome = outcome(status)
        .field("result", show::hidden(&report.json(phases), context))
        .field("proof", proof.map(|proof| proof::to_json(&proof, context)))
        .text(text);
    Ok(match failure {
        Some(error) => outcome.error(error),
        None => show::with_warnings(&planned.request.source, outcome, context),
    })
}

/// What was typed, as the operation takes it.
fn request(settings: &Settings, instance: &Instance, source: Dataset) -> Request {
    Request {
        source,
        node: instance.server.node.clone(),
        options: settings.options.clone(),
        only_plan: settings.plan,
        state: instance.state.clone(),
        listen: instance.listen,
        advertise: instance.advertise.clone(),
        lines: instance.lines.clone(),
    }
}

/// What is asked where something that the target holds is overwritten or removed.
fn question(planned: &Planned, Sides { backup, target, .. }: &Sides, safety: &SafetyBackup) -> String {
    let keys = planned.target.keys();
    let backup = &part_of(&planned.request.options.choices.selection, backup);
    let what = match planned.request.options.existing {
        Existing::ReplaceAll => {
            let held = match keys {
                0 => None,
                1 => Some("the one key".to_owned()),
                keys => Some(format!("all {} keys", words::count(keys))),
            };
            let libraries = match planned.functions_removed() {
                0 => None,
                libraries => Some(words::counted(libraries, "function library")),
            };
            let held: Vec<String> = held.into_iter().chain(libraries).collect();
            format!("This deletes {} in {target} and puts {backup} there.", held.join(" and "))
        }
        _ => format!("{target} holds {}: this overwrites those that {backup} has, too.", words::counted(keys, "key")),
    };
    let saved = match safety {
        SafetyBackup::Into(_) => "A safety backup is taken first.",
        SafetyBackup::NotNeeded | SafetyBackup::Declined => "No safety backup is taken.",
    };
    format!("{what} {saved}")
}

/// The backup, or the part of it that is chosen, as the options name it.
fn part_of(selection: &Selection, backup: &str) -> String {
    if selection.is_everything() {
        return backup.to_owned();
    }
    let mut chosen = Vec::new();
    let mut option = |name: &str, values: Vec<String>| {
        chosen.extend(values.iter().map(|value| format!("{name} '{}'", words::escape(value.as_bytes()))));
    };
    option("--keys", selection.keys.iter().map(ToString::to_string).collect());
    option("--exclude", selection.exclude.iter().map(ToString::to_string).collect());
    option("--db", selection.databases.iter().map(ToString::to_string).collect());
    option("--type", selection.types.iter().map(ToString::to_string).collect());
    format!("the part of {backup} that matches {}", chosen.join(" "))
}

/// Safety backup, restore, proof and receipt.
async fn carry_out(
    planned: &Planned,
    method: Method,
    instance: &Instance,
    context: &Context,
    watcher: &Watcher<'_>,
    taken: &OnceLock<SafetyTaken>,
) -> Result<Ended> {
    let repository = match &instance.safety {
        SafetyBackup::Into(place) if planned.overwrites() => Some(place.open().await?),
        SafetyBackup::Into(_) | SafetyBackup::NotNeeded | SafetyBackup::Declined => None,
    };
    let name = &instance.server.instance;
    let safety = repository.as_ref().map(|repository| Safety {
        repository,
        instance: name.clone(),
        now: context.now,
        progress: context.bar(),
        taken,
    });
    operations::restore(planned, &Agreed { method, safety, proof: instance.proof, instance: name }, watcher).await
}
