//! The first half of a restore: both sides are looked at, and judged. Nothing is written to the target.

mod as_run;
mod looking;

use std::collections::BTreeSet;

use crate::blocking;
use crate::connection::{Command, Connection, Node, Part};
use crate::dataset::{Backup, Dataset, ReadError};
use crate::explain::{Context as _, Failure, Fault, Interrupted, Misuse, Result};
use crate::figures::{count, counted};
use crate::introspection::{Cluster, Moving};
use crate::replies::{ClusterNode, Reply};
use crate::restore::alone::{Alone, AloneError, alone};
use crate::restore::earlier::{self, Unproven};
use crate::restore::facts::{BackupFacts, TargetFacts};
use crate::restore::journal::Journal;
use crate::restore::lines::Next;
use crate::restore::options::{Asked, Existing, Method};
use crate::restore::plan::{Plan, Refused};
use crate::restore::preflight;
use crate::restore::replica::{self, ReplicaFault};
use crate::restore::report::Report;
use crate::restore::request::{Request, Watcher};
use crate::restore::run::{RunError, now_ms};
use looking::{Looking, holds_data};

/// A restore that was planned: what was asked for, what was learned about both sides, and what would happen.
pub struct Planned {
    /// What was asked for. Connections to its node have the name of this restore.
    pub request: Request,
    /// What was learned about the backup.
    pub facts: BackupFacts,
    /// What was learned about the target.
    pub target: TargetFacts,
    /// What would happen, line by line.
    pub plan: Plan,
    /// Why a restore that was to go on has nothing to go on with; the plan says so as well.
    pub nothing_to_resume: Option<RunError>,
    /// A restore of this backup into this target was begun before, and has not ended.
    pub is_begun: bool,
    /// This restore was interrupted before, and can be gone on with: the method that it went by, and its rate in bytes a second.
    pub interrupted: Option<(Method, Option<u64>)>,
    /// All of the backup was written before, and not proven: the line that proves it.
    pub unproven: Option<String>,
    /// Others have written to the target, or may have, since the restore was interrupted that this one goes on with.
    pub others_wrote: bool,
    /// Seconds that reading the backup took; 0 where the plan could be made without.
    pub verify_seconds: f64,
    /// The connection that the target was looked at over, for the questions that come before the first write.
    pub(super) connection: Option<Connection>,
    /// Keeps other restores away from the target for as long as this lives.
    _alone: Option<Alone>,
}

/// Looks at the backup and the target, and judges. The target is this restore's own from here on, unless only a plan is wanted.
///
/// # Errors
/// The backup or the target cannot be read. [`AloneError`]: another restore is at work; [`replica::LeftBehind`]: an interrupted one left the
/// target a replica.
pub async fn plan(mut request: Request, watcher: &Watcher<'_>) -> Result<Planned> {
    let source = &request.source;
    must_be_readable_as_one(source)?;
    // A file that does not say how old it is is refused before anybody is asked.
    let taken_ms = BackupFacts::of(source).taken_ms();
    request.options.choices.clone().dated(taken_ms, now_ms())?;
    source.must_be_there().await.with_context(|| format!("cannot read {}", source.name()))?;
    source.must_open().await.with_context(|| format!("cannot read {}", source.name()))?;
    request.node = whole_target(&request.node).await?;
    must_not_be_left_behind(&request).await?;
    let alone = match request.only_plan {
        true => None,
        false => {
            put_settings_back(&request, watcher).await;
            // Before anything is looked at: what the target holds is not to change any more.
            Some(take(&request).await?)
        }
    };
    request.node.client_name = alone.as_ref().map(|alone| alone.name().to_owned());
    let mut connection = request.node.connect().await?;
    // A key is to live for as long as it had left by the clock that decides.
    let clock = preflight::clock(&mut connection).await?.unwrap_or_default();
    request.options.choices = request.options.choices.dated(taken_ms, clock.now_ms())?;
    let doubted = verified_bad(&request.source).await;
    if let Some(words) = doubted.as_ref().filter(|_| !request.only_plan) {
        watcher.voice.say(&format!("warning: {words}"));
    }
    let (facts, target, mut plan, verify_seconds) =
        Looking { request: &request, watcher }.look(&mut connection).await?;
    plan.doubt(doubted);
    if alone.as_ref().is_some_and(|alone| !alone.is_sure()) {
        plan.may_be_locked(&target);
    }
    let mut planned = Planned {
        request,
        facts,
        target,
        plan,
        nothing_to_resume: None,
        is_begun: false,
        interrupted: None,
        unproven: None,
        others_wrote: false,
        verify_seconds,
        connection: Some(connection),
        _alone: alone,
    };
    planned.look_for_journals().await?;
    if planned.request.only_plan {
        planned.look_as_a_run_would(watcher).await?;
    }
    Ok(planned)
}

/// The target: all primaries of the cluster that a node belongs to, if there are several; else the node itself.
async fn whole_target(node: &Node) -> Result<Node> {
    let mut connection = node.connect().await?;
    // A server that is in no cluster refuses it.
    let answer = connection.pipeline(&[Command::of(&["CLUSTER", "NODES"])]).await?.pop();
    let Some(Ok(Reply::Bytes(text))) = answer else { return Ok(node.clone()) };
    if ClusterNode::parse_list(&text).iter().filter(|node| !node.slots.is_empty()).count() < 2 {
        return Ok(node.clone());
    }
    let cluster = Cluster::seen_by(node, &mut connection).await?;
    let Moving { slots: moving, hidden } = cluster.moving().await;
    if let Some(error) = hidden {
        return Err(error.into());
    }
    if moving.count() > 0 {
        let words =
            format!("slots of the target cluster are being moved between its nodes ({moving}); nothing was written");
        let hint = "run the restore again when the migration has ended";
        return Err(Fault::from(Failure::new("slots_moving", words)).hint(hint));
    }
    let parts = cluster.shards.into_iter().map(|shard| Part { slots: shard.slots, node: shard.primary.node });
    Ok(node.in_parts(parts.collect()))
}

/// What the newest verification of a backup has found, if it found damage. It may be the only backup all the same.
async fn verified_bad(source: &Dataset) -> Option<String> {
    let Dataset::Backup(Backup { repository, manifest, .. }) = source else { return None };
    // A store that does not let us read receipts is no reason against a restore.
    let newest = repository.verified(&manifest.instance, manifest.id).await.ok().flatten()?;
    if newest.text("status") != Some("failed") {
        return None;
    }
    let found = newest.content.get("found").and_then(|found| found.as_array());
    let found: Vec<&str> = found.into_iter().flatten().filter_map(|found| found.as_str()).collect();
    let found = if found.is_empty() { "damage".to_owned() } else { found.join("; ") };
    Some(format!("the last verification of the backup ({} UTC) found: {found}", newest.time.format("%Y-%m-%d %H:%M")))
}

/// A target that an interrupted restore left as a replica takes no write of ours.
async fn must_not_be_left_behind(request: &Request) -> Result<()> {
    // Nodes of a cluster refuse `REPLICAOF`.
    if !request.node.parts.is_empty() {
        return Ok(());
    }
    match replica::left_behind(&request.node, &request.local.state).await {
        Ok(Some(left)) => {
            let (line, by_hand) = (request.line(Next::Undo), left.by_hand());
            Err(Fault::from(left).hint(format!("`{line}` makes the server a primary again; by hand: {by_hand}")))
        }
        Err(ReplicaFault::Connect(error)) => Err(error.into()),
        Err(ReplicaFault::Sentinel(met)) => Err(met.into()),
        // What else is wrong with the target is a line of the plan.
        Ok(None) | Err(_) => Ok(()),
    }
}

async fn put_settings_back(request: &Request, watcher: &Watcher<'_>) {
    let Request { node, local, .. } = request;
    if !node.parts.is_empty() {
        return;
    }
    if let Some(undone) = replica::settle(node, &local.state).await {
        let put_back = undone.put_back.join("`, `");
        watcher.voice.say(&format!("an interrupted restore had changed a setting of {node}: put back to `{put_back}`"));
    }
}

async fn take(request: &Request) -> Result<Alone> {
    alone(&request.node).await.map_err(|error| match error {
        AloneError::Connect(error) => error.into(),
        locked @ AloneError::Locked { .. } => locked.into(),
    })
}

/// What is restored as one.
///
/// # Errors
/// The backup has no shard, or shards of several versions.
pub(super) fn must_be_readable_as_one(source: &Dataset) -> Result<()> {
    match source.shards() {
        0 => {
            let words = format!("the manifest of {} names no shard: there is nothing to restore", source.name());
            Err(Failure::new("corrupt", words).into())
        }
        1 => Ok(()),
        _ => {
            // They are read as one file, which has one version.
            let versions: BTreeSet<u32> = source
                .manifest()
                .into_iter()
                .flat_map(|manifest| &manifest.shards)
                .map(|shard| shard.rdb_version)
                .collect();
            match versions.len() {
                1 => Ok(()),
                _ => Err(Misuse::not_supported_yet("the restore of shards with different RDB versions").into()),
            }
        }
    }
}

impl Planned {
    /// Whether something that the target holds now may be gone afterwards. What a restore that goes on overwrites was agreed to, and saved
    /// before: unless others have written since.
    pub fn overwrites(&self) -> bool {
        let options = &self.request.options;
        let holds = self.target.keys() > 0 || self.functions_removed() + self.indexes_removed() > 0;
        let is_agreed_to = options.resume && !(self.others_wrote && options.existing == Existing::Replace);
        options.existing.overwrites() && holds && !is_agreed_to
    }

    /// Whether the target is saved before: where something may be overwritten, and where a restore that goes on may overwrite what others have
    /// written since it was interrupted.
    pub fn saves(&self) -> bool {
        let options = &self.request.options;
        let goes_on_over = options.resume && options.existing == Existing::Replace && self.target.keys() > 0;
        self.overwrites() || goes_on_over
    }

    /// Takes away what earlier runs have noted on this machine of a target of which all was written: this restore changes what it holds.
    pub async fn forget_written(&self) {
        let (state, run_id) = (self.request.local.state.clone(), self.target.server.run_id.clone());
        blocking::run(move || Journal::forget_written_into(&state, &run_id)).await;
    }

    /// All was written: whatever earlier runs into this target have left on this machine is not gone on with any more.
    pub async fn supersede(&self, report: &Report) {
        let identity = earlier::identity(&self.request, &self.facts, &self.target, report.method).await;
        let (state, took_all) = (self.request.local.state.clone(), report.tally.skipped_by_choice == 0);
        blocking::run(move || Journal::supersede(&state, &identity, took_all)).await;
    }

    /// Whether this machine knows another restore of the backup, into any target, that can be gone on with.
    pub async fn may_be_resumed_elsewhere(&self) -> bool {
        let (state, backup) = (self.request.local.state.clone(), self.facts.name.clone());
        blocking::run(move || Journal::knows(&state, &backup)).await
    }

    /// Function libraries of the target that go before the backup comes.
    pub fn functions_removed(&self) -> u64 {
        match (self.request.options.existing, &self.target.functions) {
            (Existing::ReplaceAll, Some(names)) => names.len() as u64,
            _ => 0,
        }
    }

    /// Search indexes of the target that go before the backup comes.
    pub fn indexes_removed(&self) -> u64 {
        if self.request.options.existing == Existing::ReplaceAll { self.target.indexes } else { 0 }
    }

    /// Checks that the target is still what a question about it has said: people take their time to answer.
    ///
    /// # Errors
    /// It is another server or a replica by now, or holds more keys; or it cannot be asked. Nothing was written.
    pub async fn must_be_as_asked(&self) -> Result<()> {
        let node = &self.request.node;
        let (counters, info) = preflight::counters(&mut node.connect().await?).await?;
        let asked = &self.target.server.run_id;
        let (code, text) = if !asked.is_empty() && info.get("run_id").is_some_and(|now| now != asked) {
            ("restarted", "was restarted or replaced after you were asked".to_owned())
        } else if info.get("role") != Some("master") {
            ("role_changed", "became a replica after you were asked".to_owned())
        } else if counters.keys > self.target.keys() {
            let (now, then) = (counted(counters.keys, "key"), count(self.target.keys()));
            ("not_confirmed", format!("now has {now}; you confirmed {then}"))
        } else {
            return Ok(());
        };
        let hint = "run the restore again, and confirm again";
        Err(Fault::from(Failure::new(code, format!("{node} {text}; nothing was written"))).hint(hint))
    }

    /// Adds the line that begins anew. What the target holds may be somebody's own, unless a restore of this backup is known to have been
    /// begun there: nothing of it is overwritten without a question.
    pub fn and_anew(&self, error: Fault) -> Fault {
        let holds = self.target.keys() > 0;
        if let Some(line) = self.resumes() {
            // Where nothing but what that run has written stands in the way, there is one thing to do.
            let is_in_the_way = error.downcast_ref::<Refused>().is_some_and(Refused::is_for_what_is_there);
            return match is_in_the_way {
                true => error.hint(format!("{line}. This run wrote nothing")),
                false => error.hint_first(line),
            };
        }
        if !holds || self.is_begun || self.request.anew_asking().is_some() {
            return error.and_hint(self.begins_anew());
        }
        error
    }

    /// The line that begins anew, with what it does. Nothing of a target that holds keys is overwritten without a question: others may have
    /// written to it after a restore that was begun there.
    pub(super) fn begins_anew(&self) -> String {
        let (request, holds) = (&self.request, self.target.keys() > 0);
        match request.anew_asking().filter(|_| holds && request.options.existing != Existing::ReplaceAll) {
            Some(line) if request.options.existing == Existing::Skip => request.begins_anew(&line, holds),
            Some(line) => format!("`{line}` overwrites every key that is also in the backup, and asks first"),
            None => request.begins_anew(&request.anew(holds), holds),
        }
    }

    /// Whether an earlier run has left something that a line leads on from.
    pub fn leads_on(&self) -> bool {
        self.interrupted.is_some() || self.unproven.is_some()
    }

    /// The line that goes on with a restore of this backup that was interrupted, or proves one of which all was written.
    pub fn resumes(&self) -> Option<String> {
        if let Some(line) = &self.unproven {
            return Some(format!("all of the backup was written before, and not proven: `{line}` proves the restore"));
        }
        let (method, rate) = self.interrupted?;
        let line = self.request.line(Next::ResumeAt(method, rate));
        Some(format!("an earlier run of this restore was interrupted; to continue it: `{line}`"))
    }

    /// What earlier runs have left on this machine.
    async fn look_for_journals(&mut self) -> Result<()> {
        let Self { request, facts, target, plan, .. } = &*self;
        let is_begun = earlier::is_begun(request, facts, target).await;
        let nothing = match plan.method {
            Some(method @ (Method::Restore | Method::Commands)) if request.options.resume => {
                earlier::nothing_to_resume(request, facts, target, method).await
            }
            _ => None,
        };
        let (mut interrupted, mut unproven) = (None, None);
        if is_begun && !request.options.resume {
            let methods = match request.options.method {
                Asked::Only(method) => vec![method],
                Asked::Auto => vec![Method::Restore, Method::Commands],
            };
            for method in methods {
                match earlier::nothing_to_resume(request, facts, target, method).await {
                    None if interrupted.is_none() => {
                        interrupted = Some((method, earlier::rate_before(request, facts, target, method).await));
                    }
                    None => {}
                    Some(RunError::AllWritten { line }) => unproven = Some(line),
                    Some(_) => {}
                }
            }
        }
        let goes_on = match plan.method {
            Some(method) if request.options.resume && nothing.is_none() => {
                earlier::goes_on_after_a_restart(request, facts, target, method).await
            }
            _ => false,
        };
        let evicted = match plan.method {
            Some(method) if request.options.resume && nothing.is_none() => {
                earlier::goes_on_after_evictions(request, facts, target, method).await
            }
            _ => false,
        };
        if let Some(why) = &nothing {
            self.plan.has_nothing_to_resume(&why.to_string());
        } else if goes_on {
            self.plan.goes_on_after_a_restart();
        } else if evicted {
            self.plan.goes_on_after_evictions();
        }
        if interrupted.is_some() {
            self.plan.may_be_resumed();
        }
        (self.is_begun, self.nothing_to_resume) = (is_begun, nothing);
        (self.interrupted, self.unproven) = (interrupted, unproven.filter(|_| interrupted.is_none()));
        if let Some(method) = self.plan.method.filter(|_| self.goes_on()) {
            let mut connection = self.connection().await?;
            let Self { request, facts, target, .. } = &*self;
            let others_wrote = earlier::others_wrote(request, facts, target, method, &mut connection).await?;
            self.connection = Some(connection);
            self.others_wrote = others_wrote != Some(false);
            if self.others_wrote {
                self.plan.goes_on_beside_others(others_wrote.is_none(), self.request.options.existing);
            }
        }
        Ok(())
    }

    /// Whether there is a restore that this one goes on with, into a target that holds something.
    fn goes_on(&self) -> bool {
        self.request.options.resume && self.nothing_to_resume.is_none() && self.target.keys() > 0
    }

    /// Reads the object of a backup once, where nothing else will have read it to its end before the first write.
    ///
    /// Reading the whole backup holds its object against the manifest as well. What is written to before all of it was read has to be
    /// empty: exactly what is written there can be taken back.
    ///
    /// # Errors
    /// The object is another one than the manifest names, or cannot be read; or a signal came.
    pub async fn must_be_as_stored(&self, watcher: &Watcher<'_>) -> Result<()> {
        let Request { source, options, .. } = &self.request;
        if self.facts.survey.is_none() && (holds_data(&self.target, options) || options.resume) {
            let held = source.must_be_as_stored(&**watcher.progress, watcher.cancel).await;
            held.with_context(|| format!("cannot verify {}; nothing was written", self.facts.name))?;
        }
        Ok(())
    }

    /// Notes on this machine that all was written, with the line that proves it. `None`: it could not be noted.
    pub async fn note_written(&self, report: &Report, line: String) -> Option<Unproven> {
        let noted = (line, report.after?);
        earlier::note_written(&self.request, &self.facts, &self.target, report.method, noted).await
    }

    /// The connection that the target was looked at over.
    pub(super) async fn connection(&mut self) -> Result<Connection> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Ok(self.request.node.connect().await?),
        }
    }
}

/// The backup could not be read, before anything was written.
pub(super) fn unread(request: &Request, error: ReadError) -> Fault {
    match error {
        ReadError::Interrupted => Interrupted.into(),
        error => Fault::from(error).context(format!("cannot read {}; nothing was written", request.source.name())),
    }
}
