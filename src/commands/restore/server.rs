//! A restore into a running server: shows the plan, asks, and shows what became of it.

use std::sync::{Arc, OnceLock};

use super::sides::Sides;
use super::{Instance, Settings, proof, show};
use crate::commands::question::confirm_by_name;
use crate::commands::table::verdict;
use crate::commands::which;
use crate::commands::{Context, Outcome};
use crate::dataset::Dataset;
use crate::explain::{Result, Status};
use crate::operations::{self, Agreed, Ended, Safety, SafetyBackup, SafetyTaken};
use crate::printer::words;
use crate::progress::Progress;
use crate::restore::alone::AloneError;
use crate::restore::carry_out::NotLoaded;
use crate::restore::plan::{self, LOCKED, NOTHING_CHOSEN, Refused};
use crate::restore::replica::LeftBehind;
use crate::restore::{self, Admission, Existing, Planned, Request, Watcher};

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
    let request = Request {
        source,
        node: instance.server.node.clone(),
        options: settings.options.clone(),
        only_plan: settings.plan,
        local: instance.local.clone(),
    };
    let mut planned = match restore::plan(request, watcher).await {
        Ok(planned) => planned,
        // The target belongs to another restore, one that is at work or one that was interrupted.
        Err(error) if error.is::<AloneError>() || error.is::<LeftBehind>() => {
            let error = sides.not_done(error);
            return Ok(Outcome::new(Status::Failed).field("backup_id", id).field("result", ()).error(error));
        }
        Err(error) => return Err(error),
    };
    match &instance.safety {
        SafetyBackup::Into(place) if planned.saves() => planned.plan.saves_into(Some(&place.location.to_string())),
        SafetyBackup::Declined if planned.saves() => planned.plan.saves_into(None),
        _ => {}
    }
    let plan = &planned.plan;
    sides.planned(plan);
    let in_json = show::hidden(plan, context);
    let outcome = |status| Outcome::new(status).field("backup_id", id).field("plan", in_json.clone());
    let not_done = |error| Ok(outcome(Status::Failed).field("result", ()).error(sides.not_done(error)));
    let foreseen = plan.foreseen().and(show::around(&planned.request.source));
    let table = show::plan(plan, sides, foreseen, context.keys, &context.printer);
    let of_run = show::plan_of_run(plan, sides, foreseen, context.keys, &context.printer);
    // Who begins anew should know that there is something to go on with; a refusal says it in its hint.
    if plan.refusal().is_none()
        && let Some(line) = planned.resumes()
    {
        context.printer.say(&line);
    }
    if settings.plan {
        let refused = plan.refused().map(|refused| show::with_names(refused, context));
        let outcome = outcome(foreseen).text(table);
        // Where nothing is chosen no other line helps.
        let is_after_a_run = |refused: &Refused| {
            let no_line_helps = refused.is_for(LOCKED) || refused.is_for(NOTHING_CHOSEN);
            !no_line_helps && (refused.code == "target_not_empty" || planned.leads_on())
        };
        return Ok(match refused {
            Some(refused) if is_after_a_run(&refused) => {
                outcome.error(sides.not_done(planned.and_anew(refused.into())))
            }
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
        refused => return not_done(planned.why_not(refused, |refused| show::with_names(refused, context))?),
    };
    if warns {
        context.printer.say(&of_run);
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

    let safety = Safety {
        backup: &instance.safety,
        turns: instance.turns,
        now: context.now,
        progress: &|| context.bar(),
        taken: safety,
    };
    let agreed = Agreed { method, safety, instance: &instance.server.instance };
    let mut ended = match operations::restore(&planned, &agreed, watcher).await {
        // Nothing was written, and the plan says why no other method will do.
        Err(error) if error.is::<NotLoaded>() => return not_done(error),
        ended => ended?,
    };
    let mut text = vec![show::report(&ended.report, context)];
    text.extend(show::opened_by(&planned.request.source));
    text.extend(ended.report.over_keys_of_others(&planned.request));
    let failure = ended.report.failure(&planned.request);
    let (own, sentence) =
        (ended.report.status(), ended.report.sentence(&sides.backup, &sides.target, settings.options.proof));
    let status = ended.settle(&planned).and(show::around(&planned.request.source));
    text.extend(ended.proof.as_ref().and_then(proof::left_open));
    let last = match ended.proof.as_ref().and_then(|found| proof::sentence(found, &planned.request.options.choices)) {
        Some(proof) => {
            text.push(verdict(&context.printer, own, &sentence));
            proof
        }
        None => sentence,
    };
    // The last line has the word of the exit code.
    let reservations = if status == Status::Warning { ended.reservations(&planned) } else { Vec::new() };
    let last = [vec![last], reservations].concat().join("; ");
    text.push(verdict(&context.printer, status, &words::escape_lines(&last)));
    let text = text.join("\n");
    let Ended { report, proof, phases } = ended;
    let outcome = show::with_key(outcome(status), &planned.request.source)
        .field("result", show::hidden(&report.json(phases), context))
        .field("proof", proof.map(|proof| proof::to_json(&proof, context)))
        .text(text);
    Ok(match failure {
        Some(error) => outcome.error(error),
        None => show::with_warnings(&planned.request.source, outcome, context),
    })
}

/// What is asked where something that the target holds is overwritten or removed.
fn question(planned: &Planned, Sides { backup, target, .. }: &Sides, safety: &SafetyBackup) -> String {
    let keys = planned.target.keys();
    let backup = &match planned.request.local.lines.selection() {
        chosen if chosen.is_empty() => backup.clone(),
        chosen => format!("the part of {backup} that matches {}", words::escape_lines(&chosen)),
    };
    let what = match planned.request.options.existing {
        Existing::ReplaceAll => {
            let held = match keys {
                0 => None,
                1 => Some("the only key".to_owned()),
                keys => Some(format!("all {} keys", words::count(keys))),
            };
            let beside = plan::beside_keys(planned.functions_removed(), planned.indexes_removed());
            let held: Vec<String> = held.into_iter().chain(Some(beside).filter(|beside| !beside.is_empty())).collect();
            format!("This deletes {} in {target} and restores {backup}.", held.join(" and "))
        }
        _ => {
            let keys = words::counted(keys, "key");
            let since = match (planned.others_wrote, planned.plan.was_written_since()) {
                (false, _) => "",
                (true, true) => "Other clients have written to the target since the restore was interrupted. ",
                (true, false) => "Other clients may have written to the target since the restore was interrupted. ",
            };
            format!("{since}This overwrites the keys of {target} ({keys}) that are also in {backup}.")
        }
    };
    let saved = match safety {
        SafetyBackup::Into(_) => "A safety backup is taken first.",
        SafetyBackup::NotNeeded | SafetyBackup::Declined => {
            "No safety backup is taken: this data is lost unless another backup has it."
        }
    };
    format!("{what} {saved}")
}
