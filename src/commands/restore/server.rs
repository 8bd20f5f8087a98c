//! A restore into a running server: shows the plan, asks, and shows what became of it.

use std::sync::Arc;

use super::again::{self, Again};
use super::{Instance, SafetyBackup, Settings, proof, show, source, undo};
use crate::commands::question::confirm;
use crate::commands::{Context, Outcome};
use crate::dataset::Dataset;
use crate::explain::{Fault, Interrupted, Result, Status};
use crate::operations::proof::NotProven;
use crate::operations::{self, Agreed, Ended, Failed, Safety};
use crate::printer::words;
use crate::progress::Progress;
use crate::restore::alone::AloneError;
use crate::restore::carry_out::NotLoaded;
use crate::restore::replica::LeftBehind;
use crate::restore::replica::guard::Lines;
use crate::restore::{self, Admission, BackupFacts, Existing, Method, Options, Planned, Request, RunError, Watcher};

/// Restores into a running server.
pub async fn run(settings: &Settings, instance: &Instance, context: &Context) -> Result<Outcome> {
    let source = source::open(&settings.backup, context).await?;
    let progress: Arc<dyn Progress> = Arc::from(context.bar());
    let watcher = Watcher { progress: &progress, voice: &context.printer, cancel: &context.cancel };
    let name = source.name();
    let told = Told { settings, instance, context, again: Again { settings, instance, name: &name } };
    let ended = told.run(source, &watcher).await;
    progress.finish();
    ended
}

/// What was typed, and where words go.
struct Told<'a> {
    settings: &'a Settings,
    instance: &'a Instance,
    context: &'a Context,
    again: Again<'a>,
}

impl Told<'_> {
    async fn run(&self, source: Dataset, watcher: &Watcher<'_>) -> Result<Outcome> {
        let Self { settings, instance, context, .. } = self;
        let id = source.id();
        let mut planned = match restore::plan(self.request(source)?, watcher).await {
            Ok(planned) => planned,
            Err(error) => {
                let error = self.taken_by_another(error)?;
                return Ok(Outcome::new(Status::Failed).field("backup_id", id).field("result", ()).error(error));
            }
        };
        let Planned { plan, facts, target, .. } = &planned;
        let in_json = show::hidden(plan, context);
        let outcome = |status| Outcome::new(status).field("backup_id", id).field("plan", in_json.clone());
        let not_done = |error| Ok(outcome(Status::Failed).field("result", ()).error(error));
        let table = show::plan(plan, facts, target, context.keys, &context.printer);
        let warns = plan.warns();
        if settings.plan {
            let refused = plan.refusal().map(|line| show::with_names(line.into(), context));
            let status = if refused.is_some() || plan.method.is_none() { Status::Failed } else { Status::Ok };
            let outcome = outcome(status).text(table);
            return Ok(match refused {
                Some(refused) => outcome.error(refused.into()),
                None => outcome,
            });
        }
        let method = match planned.admit(watcher).await? {
            Admission::By(method) => method,
            // What the target holds may be all that a run has left that was killed.
            Admission::Refused(refused) if refused.code == "target_not_empty" => {
                let error = Fault::from(show::with_names(refused, context));
                return not_done(error.and_hint(self.anew(&planned)));
            }
            Admission::Refused(refused) => return not_done(show::with_names(refused, context).into()),
            Admission::NothingToResume => {
                return not_done(Fault::from(RunError::NothingToResume).and_hint(self.anew(&planned)));
            }
        };
        if warns {
            context.printer.say(&table);
        }
        planned.must_be_as_stored(watcher).await?;
        self.may_overwrite(&planned).await?;

        let ended = match self.restore(&planned, method, watcher).await {
            Ok(ended) => ended,
            Err(Failed::Safety(error)) => return Err(error),
            Err(Failed::Proof(not_proven)) => return Err(self.not_proven(&planned, not_proven)),
            // The error says all there is to say, and nothing was written.
            Err(Failed::Restore(error)) if error.is::<NotLoaded>() => return not_done(error),
            Err(Failed::Restore(error)) => return Err(self.not_restored(&planned, error)),
        };
        let others_wrote = ended.others_wrote();
        let Ended { mut report, proof, phases } = ended;
        let mut text = show::report(&report, instance.proof, context);
        let failure = show::failure(&report, &self.again);
        // What was seen while the target was read back is no part of the table above.
        report.others_wrote = others_wrote;
        let mut status = report.status();
        if let Some(proof) = &proof {
            status = status.and(proof::status(proof));
            text.push_str(&format!("\n{}", proof::line(proof, context)));
        }
        let outcome = outcome(status)
            .field("result", show::hidden(&report.json(phases), context))
            .field("proof", proof.map(|proof| proof::to_json(&proof, context)))
            .text(text);
        Ok(match failure {
            Some(error) => outcome.error(error),
            None => source::with_warnings(&planned.request.source, outcome, context),
        })
    }

    /// What was typed, as the operation takes it.
    fn request(&self, source: Dataset) -> Result<Request> {
        let Self { settings, instance, context, again } = self;
        let choices = settings.options.choices.clone();
        let choices = choices.dated(BackupFacts::of(&source).taken_ms(), context.now.timestamp_millis())?;
        Ok(Request {
            source,
            node: instance.server.node.clone(),
            options: Options { choices, ..settings.options.clone() },
            only_plan: settings.plan,
            state: instance.state.clone(),
            listen: instance.listen,
            advertise: instance.advertise.clone(),
            lines: Some(Lines { empty: again.anew(false), holding: again.anew(true), undo: again.undo() }),
        })
    }

    /// Whether the target belongs to another restore, one that is at work or one that was interrupted.
    ///
    /// # Errors
    /// It does not: the error is another one.
    fn taken_by_another(&self, error: Fault) -> Result<Fault> {
        if let Some(left) = error.downcast_ref::<LeftBehind>() {
            return Ok(undo::refusal(left, &self.instance.server, &self.settings.reaching).into());
        }
        if error.is::<AloneError>() { Ok(error) } else { Err(error) }
    }

    /// The line that begins anew.
    fn anew(&self, planned: &Planned) -> String {
        format!("`{}` begins anew", self.again.anew(planned.target.keys() > 0))
    }

    /// Asks, where something that the target holds is overwritten or removed.
    async fn may_overwrite(&self, planned: &Planned) -> Result<()> {
        if !overwrites(planned) {
            return Ok(());
        }
        let what = match planned.request.options.existing {
            Existing::ReplaceAll => "All of them are removed.",
            _ => "Those of the backup's names are overwritten.",
        };
        let target = &planned.target;
        let question = format!("{} holds {}. {what}", target.address, words::counted(target.keys(), "key"));
        confirm(self.context, &question).await
    }

    /// Safety backup, restore, proof and receipt.
    async fn restore(&self, planned: &Planned, method: Method, watcher: &Watcher<'_>) -> Result<Ended, Failed> {
        let Self { settings, instance, context, .. } = self;
        let server = &instance.server;
        let place = match &instance.safety {
            SafetyBackup::Into(place) if overwrites(planned) => Some(place),
            SafetyBackup::Into(_) | SafetyBackup::NotNeeded | SafetyBackup::Declined => None,
        };
        let repository = match place {
            Some(place) => Some((place, place.open().await.map_err(Failed::Safety)?)),
            None => None,
        };
        let brings_back = |name: &str| {
            repository
                .as_ref()
                .map(|(place, _)| again::back(server, &settings.reaching, place, name))
                .unwrap_or_default()
        };
        let safety = repository.as_ref().map(|(_, repository)| Safety {
            repository,
            instance: server.instance.clone(),
            now: context.now,
            progress: context.bar(),
            brings_back: &brings_back,
        });
        let agreed = Agreed { method, safety, proof: instance.proof, instance: &server.instance };
        operations::restore(planned, &agreed, watcher).await
    }

    /// Nothing was written: the error, with the line that leads on where there is one.
    fn not_restored(&self, planned: &Planned, error: Fault) -> Fault {
        let line = match error.downcast_ref::<RunError>() {
            Some(RunError::NothingToResume | RunError::Restarted { .. } | RunError::OfEarlierVersion) => {
                Some(self.anew(planned))
            }
            Some(RunError::NotEmptied) => Some(format!("`{}` begins anew", self.again.over_all())),
            _ => None,
        };
        let error = error.context(format!("restore {} into {}", planned.facts.name, planned.request.node));
        match line {
            Some(line) => error.and_hint(line),
            None => error,
        }
    }

    /// The restore is done, and its comparison broke off: the error, with the line that proves it.
    fn not_proven(&self, planned: &Planned, NotProven { error, by_whole }: NotProven) -> Fault {
        let line = if by_whole { self.again.verify() } else { self.again.anew(true) };
        let (name, node) = (&planned.facts.name, &planned.request.node);
        let done = format!("restore {name} into {node}: the restore is done, and not proven");
        match error.is::<Interrupted>() {
            true => Fault::from(Interrupted).context(format!("{done}; `{line}` proves it")),
            false => error.context(done).and_hint(format!("`{line}` proves it")),
        }
    }
}

/// Whether something that the target holds now may be gone afterwards. What a restore that goes on overwrites was saved before.
fn overwrites(planned: &Planned) -> bool {
    let options = &planned.request.options;
    options.existing.overwrites() && planned.target.keys() > 0 && !options.resume
}
