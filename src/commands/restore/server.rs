//! A restore into a running server: looks at both sides, plans, asks, and only then writes.

use std::sync::Arc;
use std::time::Instant;

use super::again::Again;
use super::carry_out::{self, Work};
use super::{Instance, Settings, proof, safety, show, source, undo};
use crate::commands::{Context, Outcome};
use crate::connection::Connection;
use crate::dataset::pass::{self, Feed};
use crate::dataset::{Dataset, ReadError, Scanned};
use crate::explain::{Context as _, Failure, Fault, Hint, Interrupted, Misuse, Result, Status};
use crate::printer::words;
use crate::progress::{Hidden, Progress, Unit};
use crate::restore::alone::{AloneError, alone};
use crate::restore::options::{Method, Options};
use crate::restore::plan::{self, Plan, Refused};
use crate::restore::replay::MEMBERS_COMPARED;
use crate::restore::replica::ReplicaFault;
use crate::restore::survey::Surveyor;
use crate::restore::target_format::TargetFormat;
use crate::restore::{
    Asked, BackupFacts, Choices, Existing, Origin, Phases, RunError, TargetFacts, conflicts, functions, preflight,
    replica,
};

/// What to do about another restore into the same target.
const LOCKED: &str = "wait until the other restore has ended; `CLIENT LIST` on the target shows the connections of restores by their name \
                      (`redis-ops-restore:…`)";

/// Restores into a running server.
pub async fn run(settings: &Settings, instance: &Instance, context: &Context) -> Result<Outcome> {
    let source = source::open(&settings.backup, context).await?;
    source.must_be_there().await.with_context(|| format!("read {}", source.name()))?;
    let asked = &settings.options;
    let choices = asked.choices.clone().dated(source.created_ms(), context.now.timestamp_millis())?;
    let mut options = Options { choices, ..asked.clone() };
    let progress: Arc<dyn Progress> = Arc::from(context.bar());
    let node = &instance.server.node;
    let left = match replica::left_behind(node, &instance.state).await {
        Err(ReplicaFault::Connect(error)) => return Err(error.into()),
        Err(ReplicaFault::Sentinel(met)) => return Err(met.into()),
        left => left.ok().flatten(),
    };
    if let Some(left) = left {
        progress.finish();
        let refused = undo::refusal(&left, &instance.server, &settings.reaching);
        return Ok(Outcome::new(Status::Failed)
            .field("backup_id", source.id())
            .field("result", ())
            .error(refused.into()));
    }
    if !settings.plan
        && let Some(undone) = replica::settle(node, &instance.state).await
    {
        let put_back = undone.put_back.join("`, `");
        context.printer.say(&format!("an interrupted restore had left a setting of {node}: `{put_back}` is set again"));
    }
    // Before anything is looked at: what the target holds is not to change any more.
    let alone = match settings.plan {
        true => None,
        false => match alone(node).await {
            Ok(alone) => Some(alone),
            Err(AloneError::Connect(error)) => return Err(error.into()),
            Err(locked) => {
                progress.finish();
                let locked = Failure::new("locked", locked.to_string()).hint(LOCKED);
                let outcome = Outcome::new(Status::Failed).field("backup_id", source.id()).field("result", ());
                return Ok(outcome.error(locked.into()));
            }
        },
    };
    let mut named = instance.clone();
    named.server.node.client_name = alone.as_ref().map(|alone| alone.name().to_owned());
    let (instance, node) = (&named, &named.server.node);
    let mut connection = node.connect().await?;
    let looking = Looking { source: &source, options: &options, progress: &progress, context };

    let (facts, target, plan, mut phases) = looking.plan(settings, instance, &mut connection).await?;
    let in_json = show::hidden(&plan, context);
    let outcome = |status| Outcome::new(status).field("backup_id", source.id()).field("plan", in_json.clone());
    let again = Again { settings, instance, name: &facts.name };
    let anew = || format!("`{}` begins anew", again.anew(target.keys() > 0));
    let table = show::plan(&plan, &facts, &target, context.keys, &context.printer);
    let refused = plan.refusal().map(|line| show::with_names(line.into(), context));
    if settings.plan {
        progress.finish();
        let status = if refused.is_some() || plan.method.is_none() { Status::Failed } else { Status::Ok };
        let outcome = outcome(status).text(table);
        return Ok(match refused {
            Some(refused) => outcome.error(refused.into()),
            None => outcome,
        });
    }
    let Some(method) = plan.method.filter(|_| refused.is_none()) else {
        // What the target holds may be all that a run has left that was killed.
        let error = match &refused {
            Some(refused) if refused.code == "target_not_empty" => Fault::from(refused.clone()).and_hint(anew()),
            // A target that loads by itself leaves no journal to go on from.
            Some(Refused { code: "method", .. }) | None
                if options.resume && options.method == Asked::Only(Method::Replica) =>
            {
                Fault::from(RunError::NothingToResume).and_hint(anew())
            }
            _ => refused.unwrap_or_else(|| Refused::of("method", plan.why.clone())).into(),
        };
        return Ok(outcome(Status::Failed).field("result", ()).error(error));
    };
    let method = match looking.functions_rejected(&facts, &target, &mut connection).await? {
        None => method,
        Some(refused) if !options.accept_loss => {
            let refused = show::with_names(refused, context);
            return Ok(outcome(Status::Failed).field("result", ()).error(refused.into()));
        }
        // A server that loads the whole file would exit on them.
        Some(refused) => {
            context.printer.say(&format!("{}: they are left out", refused.text));
            match (method, plan.next_after_replica()) {
                (Method::Replica, Some(next)) if options.method == Asked::Auto => next,
                (Method::Replica, _) => {
                    let refused = Refused { flag: None, ..refused };
                    return Ok(outcome(Status::Failed).field("result", ()).error(refused.into()));
                }
                (method, _) => method,
            }
        }
    };
    if let Some(refused) = looking.names_taken(&target, &mut connection).await? {
        return Ok(outcome(Status::Failed).field("result", ()).error(refused.into()));
    }
    drop(connection);
    if plan.warns() {
        context.printer.say(&table);
    }
    // Reading the whole backup holds its object against the manifest as well. What is written to before all of it was read has to be
    // empty: exactly what is written there can be taken back.
    if facts.survey.is_none() && (holds_data(&target, &options) || options.resume) {
        let held = source.must_be_as_stored(&*progress, &context.cancel).await;
        held.with_context(|| format!("verify {}: nothing was written", facts.name))
            .inspect_err(|_| progress.finish())?;
    }
    safety::before_write(instance, &settings.reaching, &options, &target, context).await?;
    if let Some(by) = carry_out::shift_to_go_on_with(instance, &source, &facts.name, &options, &target, method) {
        options.choices = Choices { shift_ms: by, ..options.choices };
    }

    let work = Work {
        source: &source,
        settings,
        instance,
        options: &options,
        target: &target,
        facts: &facts,
        plan: &plan,
        progress: &progress,
        context,
    };
    let mut report = match carry_out::run(&work, method).await.inspect_err(|_| progress.finish()) {
        Ok(report) => report,
        // It has said all there is to say, and nothing was written.
        Err(error) if error.is::<Failure>() => return Ok(outcome(Status::Failed).field("result", ()).error(error)),
        Err(error) => {
            let line = match error.downcast_ref::<RunError>() {
                Some(RunError::NothingToResume | RunError::Restarted { .. } | RunError::OfEarlierVersion) => {
                    Some(anew())
                }
                Some(RunError::NotEmptied) => Some(format!("`{}` begins anew", again.over_all())),
                _ => None,
            };
            let error = error.context(format!("restore {} into {node}", facts.name));
            return Err(match line {
                Some(line) => error.and_hint(line),
                None => error,
            });
        }
    };
    let mut text = show::report(&report, instance.proof, context);
    let failure = show::failure(&report, &again);
    let begun = Instant::now();
    let proof = match (&failure, instance.proof) {
        (None, true) if !report.chose_nothing() => {
            Some(proof::prove(&work, &mut report, settings).await.inspect_err(|_| progress.finish())?)
        }
        _ => None,
    };
    progress.finish();
    phases.proof = begun.elapsed().as_secs_f64();
    if failure.is_none() {
        proof::leave_receipt(&work, &report, proof.as_ref()).await;
    }
    let mut status = report.status();
    if let Some(proof) = &proof {
        status = status.and(proof.status);
        text.push_str(&format!("\n{}", proof.text));
    }
    let outcome = outcome(status)
        .field("result", show::hidden(&report.json(phases), context))
        .field("proof", proof.map(|proof| proof.json))
        .text(text);
    Ok(match failure {
        Some(error) => outcome.error(error),
        None => source::with_warnings(&source, outcome, context),
    })
}

/// Whether something is there that is kept or removed: keys, or functions that are removed.
fn holds_data(target: &TargetFacts, options: &Options) -> bool {
    let functions = target.functions.as_ref().is_none_or(|names| !names.is_empty());
    target.keys() > 0 || options.existing == Existing::ReplaceAll && functions
}

/// What is looked at before anything is written, and with what.
struct Looking<'a> {
    source: &'a Dataset,
    options: &'a Options,
    progress: &'a Arc<dyn Progress>,
    context: &'a Context,
}

impl Looking<'_> {
    /// Looks at backup and target, and judges.
    async fn plan(
        &self,
        settings: &Settings,
        instance: &Instance,
        connection: &mut Connection,
    ) -> Result<(BackupFacts, TargetFacts, Plan, Phases)> {
        let (source, options) = (self.source, self.options);
        let node = &instance.server.node;
        let more: &[&str] = if options.existing == Existing::ReplaceAll { &["flushall"] } else { &[] };
        let first = preflight::ask(node, connection, 0, more).await?;
        let mut facts = BackupFacts::of(source);
        let mut phases = Phases::default();

        // A target with data is not touched before the whole backup was read; an empty one is written to in the same pass.
        let verify = !options.skip_verify && holds_data(&first, options) && !options.resume && !settings.plan;
        if facts.only_once {
            self.must_do_in_one_pass(&facts, &first, verify)?;
        } else if verify || plan::needs_survey(&facts, &first, options) {
            (facts, phases.verify) = self.survey(facts, &first).await?;
        }
        let highest = plan::highest_database(&facts, options).unwrap_or(0);
        let target = preflight::ask(node, connection, highest, more).await?;
        let mut plan = plan::make(&facts, &target, options);

        // The target dies of a bad file that it loads itself: whoever asks for what, such a backup was read to its end before.
        let is_fed = plan.method == Some(Method::Replica) && plan.refusal().is_none();
        if is_fed && facts.survey.is_none() && !settings.plan {
            (facts, phases.verify) = self.survey(facts, &target).await?;
            plan = plan::make(&facts, &target, options);
        }
        Ok((facts, target, plan, phases))
    }

    /// A pipe can be read once: that has to be enough.
    fn must_do_in_one_pass(&self, facts: &BackupFacts, target: &TargetFacts, verify: bool) -> Result<(), Misuse> {
        let format = TargetFormat::of(&target.server);
        let is_asked = |method| self.options.method == Asked::Only(method);
        let reason = if verify {
            "the target holds keys, so the whole backup is verified before it is touched".to_owned()
        } else if self.options.existing == Existing::Fail && target.keys() > 0 {
            "its keys have to be looked for in the target first".to_owned()
        } else if self.options.resume {
            "a restore that was interrupted has to begin at its start again".to_owned()
        } else if is_asked(Method::Replica) {
            "method `replica` verifies the whole backup before the target sees it".to_owned()
        } else if self.options.choices.unites_databases() {
            "which names of two databases that go to one are the same has to be found out first".to_owned()
        } else if is_asked(Method::Commands) {
            "what typed commands would lose has to be found out first".to_owned()
        } else if !format.takes_all_of(facts.dialect(), facts.rdb_version) {
            format!(
                "which values of RDB version {} the target does not take as they are has to be found out first",
                facts.rdb_version
            )
        } else {
            return Ok(());
        };
        let hint = if verify { Hint::SaveFirstOrSkipVerify } else { Hint::SaveFirst };
        Err(Misuse::usage(format!("standard input can be read only once, and {reason}")).hint(hint))
    }

    /// Reads the whole backup: what only that tells, and whether it is sound. Gives the seconds it took, too.
    async fn survey(&self, facts: BackupFacts, target: &TargetFacts) -> Result<(BackupFacts, f64)> {
        let begun = Instant::now();
        let Self { source, options, progress, context } = self;
        // What a server that loads the file itself would die of; and what nobody has looked for before.
        let mistrusting = facts.has_findings
            || facts.origin == Origin::Foreign
            || options.choices.unites_databases()
            || plan::may_be_fed(&facts, target, options);
        let raw = source.raw(0, &context.cancel).await?;
        progress.phase("verifying", Unit::Bytes, source.raw_bytes());
        let by_commands = options.method == Asked::Only(Method::Commands);
        let mut surveyor = Surveyor::new(&options.choices, target, by_commands, carry_out::now_ms());
        if mistrusting {
            surveyor = surveyor.mistrusting();
        }
        let survey = surveyor.read(raw, &***progress, &context.cancel).await.map_err(|error| {
            progress.finish();
            self.unread(error)
        })?;
        Ok((facts.surveyed(survey), begun.elapsed().as_secs_f64()))
    }

    /// Whether the target takes the function libraries of the backup: asked before anything is written.
    async fn functions_rejected(
        &self,
        facts: &BackupFacts,
        target: &TargetFacts,
        connection: &mut Connection,
    ) -> Result<Option<Refused>> {
        let options = self.options;
        let format = TargetFormat::of(&target.server);
        let wanted = facts.functions > 0 && options.choices.selection.is_everything() && format.has_functions();
        if !wanted || options.resume || facts.only_once {
            return Ok(None);
        }
        let sources = match &facts.survey {
            Some(survey) => survey.sources.clone(),
            None => self.head().await?,
        };
        let present = target.functions.clone().unwrap_or_default();
        let rejected = functions::ask(connection, &sources, &present).await?;
        let Some(first) = rejected.first() else { return Ok(None) };
        let n = words::counted(rejected.len() as u64, "function library");
        let text = format!("the target does not take {n} of the backup (`{}`: {})", first.name, first.reason);
        Ok(Some(Refused::of("functions_refused", text).flag("--accept-loss")))
    }

    /// The libraries of a backup that is not read to its end before.
    async fn head(&self) -> Result<functions::Sources> {
        let cancel = &self.context.cancel;
        let raw = self.source.raw(0, cancel).await?;
        let scanned = Scanned::by(functions::Head::default(), MEMBERS_COMPARED);
        let passed = pass::run(Feed::Raw(raw), scanned, &Hidden::default(), cancel).await;
        Ok(passed.map_err(|error| self.unread(error))?.taker.into_visit().sources)
    }

    /// The backup could not be read, before anything was written.
    fn unread(&self, error: ReadError) -> Fault {
        match error {
            ReadError::Interrupted => Interrupted.into(),
            error => Fault::from(error).context(format!("read {}: nothing was written", self.source.name())),
        }
    }

    /// `--on-conflict fail`: names of the backup that the target has.
    async fn names_taken(&self, target: &TargetFacts, connection: &mut Connection) -> Result<Option<Refused>> {
        let asked = self.options.existing == Existing::Fail;
        if !asked || self.options.resume || target.keys() == 0 {
            return Ok(None);
        }
        self.progress.phase("comparing names", Unit::Bytes, self.source.raw_bytes());
        let (choices, cancel) = (&self.options.choices, &self.context.cancel);
        let raw = self.source.raw(0, cancel).await?;
        let found = conflicts::find(raw, choices, carry_out::now_ms(), connection, &**self.progress, cancel).await;
        let found = match found {
            Err(conflicts::ConflictsError::Interrupted) => return Err(Interrupted.into()),
            found => found.context("look for the backup's keys in the target: nothing was written")?,
        };
        Ok((found.keys > 0).then(|| {
            let text = format!("the target has {} of the backup's keys", words::count(found.keys));
            let refused = Refused::of("key_exists", text).flag(plan::OVER_SAME_NAMES);
            show::with_names(Refused { keys: found.names, ..refused }, self.context)
        }))
    }
}
