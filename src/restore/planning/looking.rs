//! The look at both sides: what is asked of the target, and the backup read to its end where only that tells.

use std::time::Instant;

use super::unread;
use crate::blocking;
use crate::connection::{Command, Connection};
use crate::dataset::ReadError;
use crate::explain::{Context as _, Hint, Interrupted, Misuse, Result};
use crate::progress::Unit;
use crate::restore::choices::Ttl;
use crate::restore::conflicts::{self, ConflictsError};
use crate::restore::facts::{BackupFacts, Expiries, Origin, TargetFacts};
use crate::restore::functions;
use crate::restore::journal::Journal;
use crate::restore::options::{Asked, Existing, Method, Options};
use crate::restore::plan::{self, Plan};
use crate::restore::preflight;
use crate::restore::replay::assemble::Libraries;
use crate::restore::request::{Request, Watcher};
use crate::restore::run::now_ms;
use crate::restore::survey::Surveyor;
use crate::restore::target_format::TargetFormat;

/// Whether something is there that is kept or removed: keys, or functions that are removed.
pub(super) fn holds_data(target: &TargetFacts, options: &Options) -> bool {
    let functions = target.functions.as_ref().is_none_or(|names| !names.is_empty());
    target.keys() > 0 || options.existing == Existing::ReplaceAll && (functions || target.indexes > 0)
}

/// Whether keys are chosen, so that only reading the backup tells whether there are any.
fn chooses(options: &Options) -> bool {
    !options.choices.selection.is_everything() && !options.resume
}

pub(super) struct Looking<'a> {
    pub(super) request: &'a Request,
    pub(super) watcher: &'a Watcher<'a>,
}

impl Looking<'_> {
    pub(super) async fn look(&self, connection: &mut Connection) -> Result<(BackupFacts, TargetFacts, Plan, f64)> {
        let Request { source, node, options, only_plan, .. } = self.request;
        let more: &[&str] = match options.existing {
            Existing::ReplaceAll => &["flushall", "function|flush"],
            _ => &[],
        };
        let first = preflight::ask(node, connection, 0, more).await?;
        let mut facts = BackupFacts::of(source);
        let mut seconds = 0.0;

        // A target with data is not touched before the whole backup was read; an empty one is written to in the same pass.
        let verify = !options.skip_verify && holds_data(&first, options) && !options.resume && !only_plan;
        // Nobody waits for a whole backup to be read to hear that there is nothing to go on with.
        let (state, backup) = (self.request.local.state.clone(), facts.name.clone());
        let goes_on = !options.resume || blocking::run(move || Journal::knows(&state, &backup)).await;
        if facts.only_once {
            self.must_do_in_one_pass(&facts, &first, verify)?;
        } else if !goes_on {
            // What is refused needs no survey.
        } else if verify || plan::needs_survey(&facts, &first, options) || *only_plan && chooses(options) {
            (facts, seconds) = self.survey(facts, &first).await?;
        } else if *only_plan {
            // A run finds out while it writes.
            facts.expiries = self.expiries(&facts, &first).await;
            if plan::must_count_expired(&facts, options) {
                (facts, seconds) = self.survey(facts, &first).await?;
            }
        }
        let highest = plan::highest_database(&facts, options).unwrap_or(0);
        let mut target = preflight::ask(node, connection, highest, more).await?;
        if plan::choice_decides_databases(&facts, &target, options) {
            (facts, seconds) = self.survey(facts, &target).await?;
            let highest = plan::highest_database(&facts, options).unwrap_or(0);
            target = preflight::ask(node, connection, highest, more).await?;
        }
        if plan::names_decide(&facts, &target, options) {
            target.names_held = Some(self.names_held(&target, connection).await?);
        }
        if options.existing == Existing::Skip
            && facts.functions > 0
            && target.functions.as_ref().is_some_and(|names| !names.is_empty())
            && let Libraries::Are(sources) = functions::sources(connection).await?
        {
            target.function_sources = Some(sources);
        }
        let mut plan = self.judge(&facts, &target).await;

        // A server that loads a broken RDB exits. So a backup that the target loads itself is always read to its end first, whatever
        // flags were given.
        let is_fed = plan.method == Some(Method::Replica) && plan.refusal().is_none();
        if is_fed && facts.survey.is_none() && !only_plan {
            (facts, seconds) = self.survey(facts, &target).await?;
            plan = self.judge(&facts, &target).await;
        }
        Ok((facts, target, plan, seconds))
    }

    async fn judge(&self, facts: &BackupFacts, target: &TargetFacts) -> Plan {
        let Request { options, local, .. } = self.request;
        let (plan, state) = (plan::make(facts, target, options), local.state.clone());
        // What cannot be written down on this machine could not be led back.
        blocking::run(move || plan.keeping_state_in(&state)).await
    }

    /// When keys of the backup expire, without reading it; `None`: nothing of it does.
    async fn expiries(&self, facts: &BackupFacts, target: &TargetFacts) -> Option<Expiries> {
        let Request { source, options, .. } = self.request;
        let choices = &options.choices;
        let may_expire = facts.expires() != Some(0) || facts.by_type.contains_key("hash");
        if choices.ttl == Ttl::Strip || facts.keys.is_none() || !may_expire {
            return None;
        }
        let census = source.census().await;
        let fields = census.as_ref().is_some_and(|census| census.fields_with_expiry > 0);
        let expires = facts.expires() != Some(0) || fields;
        let now_ms = target.clock.unwrap_or_default().now_ms().saturating_sub(choices.shift_ms);
        expires.then(|| Expiries { now_ms, keys: census.map(|census| census.expiry), fields })
    }

    /// How many names of wanted keys the target has.
    async fn names_held(&self, target: &TargetFacts, connection: &mut Connection) -> Result<u64> {
        let Request { source, options, node, .. } = self.request;
        let Watcher { progress, cancel, .. } = self.watcher;
        progress.phase("comparing names", Unit::Bytes, source.raw_bytes());
        let (raw, now_ms) = (source.whole(cancel).await?, target.clock.unwrap_or_default().now_ms());
        let found = conflicts::find(raw, &options.choices, now_ms, connection, &***progress, cancel).await;
        // Where the next question begins.
        connection.query(&Command::new("SELECT").arg(u64::from(node.database))).await?;
        match found {
            Err(ConflictsError::Interrupted) => Err(Interrupted.into()),
            found => Ok(found.context("cannot look for the backup's keys in the target; nothing was written")?.keys),
        }
    }

    /// A pipe can be read once: that has to be enough.
    fn must_do_in_one_pass(&self, facts: &BackupFacts, target: &TargetFacts, verify: bool) -> Result<(), Misuse> {
        let options = &self.request.options;
        let format = TargetFormat::of(&target.server);
        let is_asked = |method| options.method == Asked::Only(method);
        let reason = if verify {
            "the target holds keys, so the whole backup is verified before the target is touched".to_owned()
        } else if options.existing == Existing::Fail && target.keys() > 0 {
            "redis-ops must first look for its keys in the target".to_owned()
        } else if plan::empties_for_a_choice(target, options) {
            "redis-ops must find out whether it holds a matching key before the target is emptied".to_owned()
        } else if options.resume {
            "an interrupted restore must read it from the start again".to_owned()
        } else if is_asked(Method::Replica) {
            "method `replica` verifies the whole backup before the target sees it".to_owned()
        } else if options.choices.unites_databases() {
            "redis-ops must first find the key names that occur in both of two databases that `--db` merges".to_owned()
        } else if is_asked(Method::Commands) {
            "redis-ops must first find out what typed commands would lose".to_owned()
        } else if !format.takes_all_of(facts.dialect(), facts.rdb_version) {
            format!(
                "redis-ops must first find out which values of RDB version {} the target does not accept unchanged",
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
        let Request { source, options, .. } = self.request;
        let Watcher { progress, cancel, .. } = self.watcher;
        // What a server that loads the file itself would die of; and what nobody has looked for before.
        let mistrusting = facts.has_findings
            || facts.origin == Origin::Foreign
            || options.choices.unites_databases()
            || plan::may_be_fed(&facts, target, options);
        let raw = source.whole(cancel).await?;
        progress.phase("verifying", Unit::Bytes, source.raw_bytes());
        let by_commands = options.method == Asked::Only(Method::Commands);
        let mut surveyor = Surveyor::new(&options.choices, target, by_commands, now_ms());
        if mistrusting {
            surveyor = surveyor.mistrusting();
        }
        if facts.has_values_of_a_server() {
            surveyor = surveyor.vouched();
        }
        if by_commands && options.rate.is_some() {
            surveyor = surveyor.weighing();
        }
        let survey = surveyor.read(raw, &***progress, cancel).await.map_err(|error| unread(self.request, error))?;
        if let Some(said) = &facts.census {
            let held = survey.read.must_be(said).map_err(|error| ReadError::Raw(error.into()));
            held.map_err(|error| unread(self.request, error))?;
        }
        Ok((facts.surveyed(survey), begun.elapsed().as_secs_f64()))
    }
}
