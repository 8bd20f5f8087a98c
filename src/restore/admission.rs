//! The last questions before a restore writes: whether the plan lets it, whether the target takes the function libraries, whether names of
//! the backup are taken, and by how much a restore that goes on moves expiries.

use crate::blocking;
use crate::connection::Connection;
use crate::dataset::Scanned;
use crate::dataset::pass::{self, Feed};
use crate::examination;
use crate::explain::{Bug, Context as _, Fault, Interrupted, Result};
use crate::figures::{count, counted};
use crate::progress::{Hidden, Unit};
use crate::restore::choices::Ttl;
use crate::restore::conflicts::{self, Conflicts, ConflictsError};
use crate::restore::earlier;
use crate::restore::functions;
use crate::restore::journal::Journal;
use crate::restore::options::{Asked, Existing, Method};
use crate::restore::plan::{self, Refused};
use crate::restore::planning::{Planned, unread};
use crate::restore::replay::MEMBERS_COMPARED;
use crate::restore::replay::assemble::{Libraries, name_of};
use crate::restore::request::{Request, Watcher};
use crate::restore::run::RunError;
use crate::restore::target_format::TargetFormat;

/// Whether a planned restore may be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It may, by this method.
    By(Method),
    /// It may not, and this is the first reason.
    Refused(Refused),
    /// It is to go on by method `replica`, which leaves nothing to go on with.
    NothingToResume,
}

impl Planned {
    /// Asks what has to be known before the first write.
    ///
    /// # Errors
    /// The backup or the target cannot be read.
    pub async fn admit(&mut self, watcher: &Watcher<'_>) -> Result<Admission> {
        let planned = match self.by_plan() {
            Admission::By(method) => method,
            refused => return Ok(refused),
        };
        let mut connection = self.connection().await?;
        let method = match self.functions_rejected(watcher).await? {
            None => planned,
            Some(rejected) if !self.request.options.accept_loss => return Ok(Admission::Refused(rejected)),
            Some(rejected) => {
                watcher.voice.say(&format!("{}: they are left out", rejected.text));
                match self.method_without_functions(planned) {
                    Some(method) => method,
                    // The flag was given already, and does not help.
                    None => return Ok(Admission::Refused(Refused { flag: None, ..rejected })),
                }
            }
        };
        if let Some(refused) = self.names_taken(watcher, &mut connection).await? {
            return Ok(Admission::Refused(refused));
        }
        self.move_expiries_as_before(method).await;
        Ok(Admission::By(method))
    }

    /// Why a restore that was not admitted is not done, with what leads on; `named` adds the names of keys to a refusal. An error that
    /// names both sides already comes as `Err`.
    ///
    /// # Errors
    /// There is nothing to go on with.
    pub fn why_not(&mut self, admission: Admission, named: impl FnOnce(Refused) -> Refused) -> Result<Fault> {
        match admission {
            Admission::By(_) => Err(Bug("a restore that was admitted has no reason against it".to_owned()).into()),
            // What the target holds may be all that a run has left that was killed.
            Admission::Refused(refused)
                if !refused.is_for(plan::NOTHING_CHOSEN) && (refused.code == "target_not_empty" || self.leads_on()) =>
            {
                Ok(self.and_anew(named(refused).into()))
            }
            Admission::Refused(refused) if refused.code == plan::NOTHING_TO_RESUME => {
                let error = self.nothing_to_resume.take().map_or_else(|| refused.into(), Fault::from);
                Err(self.not_begun(error))
            }
            Admission::Refused(refused) => Ok(named(refused).into()),
            Admission::NothingToResume => Ok(self.and_anew(RunError::NothingToResume.into())),
        }
    }

    fn by_plan(&self) -> Admission {
        let Self { request: Request { options, .. }, plan, .. } = self;
        let goes_on_by_replica = options.resume && options.method == Asked::Only(Method::Replica);
        match (plan.refused(), plan.method) {
            (None, Some(method)) => Admission::By(method),
            (Some(line), _) if line.code == "method" && goes_on_by_replica => Admission::NothingToResume,
            (None, None) if goes_on_by_replica => Admission::NothingToResume,
            (Some(refused), _) => Admission::Refused(refused),
            (None, None) => Admission::Refused(Refused::of("method", plan.why.clone())),
        }
    }

    /// The method of a restore that leaves the functions out: a server that loads the whole file would exit on them.
    fn method_without_functions(&self, planned: Method) -> Option<Method> {
        match planned {
            Method::Replica => self.plan.next_after_replica().filter(|_| self.request.options.method == Asked::Auto),
            by_key => Some(by_key),
        }
    }

    /// Whether the target takes the function libraries of the backup: asked before anything is written.
    async fn functions_rejected(&self, watcher: &Watcher<'_>) -> Result<Option<Refused>> {
        let Self { request: Request { options, .. }, target, .. } = self;
        let Some(sources) = self.libraries(watcher).await? else { return Ok(None) };
        let present = target.functions.clone().unwrap_or_default();
        // Every primary of a cluster is the same server: one is asked.
        let node = self.request.node.each().into_iter().next().unwrap_or_else(|| self.request.node.clone());
        let mut rejected = functions::ask(
            &mut node.connect_for_long_answers().await?,
            &sources,
            &present,
            TargetFormat::of(&target.server),
        )
        .await?;
        if options.existing == Existing::ReplaceAll {
            // A function that another library of the target has: that library goes before the backup's comes.
            rejected.retain(|library| present.is_empty() || !library.reason.ends_with("already exists"));
        }
        let Some(first) = rejected.first() else { return Ok(None) };
        let n = counted(rejected.len() as u64, "function library");
        let text = format!("the target does not take {n} of the backup (`{}`: {})", first.name, first.reason);
        Ok(Some(Refused::of(plan::FUNCTIONS_REFUSED, text).flag("--accept-loss")))
    }

    /// The libraries of the backup that would be loaded; `None`: none would.
    pub(super) async fn libraries(&self, watcher: &Watcher<'_>) -> Result<Option<functions::Sources>> {
        let Self { request: Request { options, .. }, facts, target, .. } = self;
        let format = TargetFormat::of(&target.server);
        let wanted = facts.functions > 0 && options.choices.selection.is_everything() && format.has_functions();
        if !wanted || options.resume || facts.only_once {
            return Ok(None);
        }
        Ok(Some(match &facts.survey {
            Some(survey) => survey.sources.clone(),
            None => self.head(watcher).await?,
        }))
    }

    /// How many function libraries a restore has loaded beside others of the target, and how many of them the target has as they are in the
    /// backup; `None`: it had none to load, or nobody can tell.
    ///
    /// # Errors
    /// The backup or the target cannot be read.
    pub async fn libraries_loaded(&self, watcher: &Watcher<'_>) -> Result<Option<(u64, u64)>> {
        let Some(sources) = self.libraries(watcher).await? else { return Ok(None) };
        let Some(before) = &self.target.functions else { return Ok(None) };
        let replaced = self.request.options.existing.overwrites();
        let is_ours = |source: &&Vec<u8>| replaced || !before.contains(&*String::from_utf8_lossy(name_of(source)));
        let ours: Vec<&Vec<u8>> = sources.libraries.iter().filter(is_ours).collect();
        let mut connection = self.request.node.connect().await?;
        let Libraries::Are(there) = functions::sources(&mut connection).await? else { return Ok(None) };
        let found = ours.iter().filter(|source| there.get(name_of(source)) == Some(**source)).count();
        Ok((!ours.is_empty()).then_some((ours.len() as u64, found as u64)))
    }

    /// The libraries of a backup that is not read to its end before.
    async fn head(&self, watcher: &Watcher<'_>) -> Result<functions::Sources> {
        let raw = self.request.source.whole(watcher.cancel).await?;
        let differ = self.request.source.manifest().and_then(examination::functions_differ).is_some();
        let head = functions::Head { reads_on: differ, ..Default::default() };
        let scanned = Scanned::by(head, MEMBERS_COMPARED);
        let passed = pass::run(Feed::Raw(raw), scanned, &Hidden::default(), watcher.cancel).await;
        Ok(passed.map_err(|error| unread(&self.request, error))?.taker.into_visit().sources)
    }

    /// `--on-conflict fail`: names of the backup that the target has.
    pub(super) async fn names_taken(
        &self,
        watcher: &Watcher<'_>,
        connection: &mut Connection,
    ) -> Result<Option<Refused>> {
        let options = &self.request.options;
        if options.existing != Existing::Fail || options.resume || self.target.keys() == 0 {
            return Ok(None);
        }
        let found = self.common_names(watcher, connection).await?;
        Ok((found.keys > 0).then(|| {
            let text = format!("the target has {} of the backup's keys", count(found.keys));
            let refused = Refused::of("key_exists", text).flag(plan::OVER_SAME_NAMES);
            Refused { keys: found.names, ..refused }
        }))
    }

    /// `--on-conflict skip`: how many keys of the backup stay in the target as they are.
    pub(super) async fn names_kept(&self, watcher: &Watcher<'_>, connection: &mut Connection) -> Result<u64> {
        let options = &self.request.options;
        if options.existing != Existing::Skip || options.resume || self.target.keys() == 0 {
            return Ok(0);
        }
        match self.target.names_held {
            Some(keys) => Ok(keys),
            None => Ok(self.common_names(watcher, connection).await?.keys),
        }
    }

    /// Names of wanted keys of the backup that the target has.
    async fn common_names(&self, watcher: &Watcher<'_>, connection: &mut Connection) -> Result<Conflicts> {
        let Request { source, options, .. } = &self.request;
        let Watcher { progress, cancel, .. } = watcher;
        progress.phase("comparing names", Unit::Bytes, source.raw_bytes());
        let raw = source.whole(cancel).await?;
        let now_ms = self.target.clock.unwrap_or_default().now_ms();
        let found = conflicts::find(raw, &options.choices, now_ms, connection, &***progress, cancel).await;
        match found {
            Err(ConflictsError::Interrupted) => Err(Interrupted.into()),
            found => found.context("cannot look for the backup's keys in the target; nothing was written"),
        }
    }

    /// A restore that goes on and moves expiries moves all keys by as much as the first.
    async fn move_expiries_as_before(&mut self, method: Method) {
        let choices = &self.request.options.choices;
        if !self.request.options.resume || choices.ttl != Ttl::Shift {
            return;
        }
        let (state, identity) = (
            self.request.local.state.clone(),
            earlier::identity(&self.request, &self.facts, &self.target, method).await,
        );
        if let Some(by) = blocking::run(move || Journal::shift_before(&state, &identity)).await {
            self.request.options.choices.shift_ms = by;
        }
    }
}
